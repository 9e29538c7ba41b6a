/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* params: which field of the parameters, and which bit, belongs to a knob. */
#include <errno.h>

#include "params.h"

uint32_t avm_knob_can(enum avm_knob knob)
{
    static const uint32_t can[AVM_NR_KNOBS] = {
        [AVM_KNOB_WEIGHT] = AVM_CAN_WEIGHT,
        [AVM_KNOB_CAP] = AVM_CAN_CAP,
        [AVM_KNOB_AFFINITY] = AVM_CAN_AFFINITY,
        [AVM_KNOB_URGENCY] = AVM_CAN_URGENCY,
        [AVM_KNOB_NET_OUT] = AVM_CAN_NET_OUT,
        [AVM_KNOB_NET_IN] = AVM_CAN_NET_IN,
        [AVM_KNOB_DISK] = AVM_CAN_DISK,
        [AVM_KNOB_NET_SHARE] = AVM_CAN_NET_SHARE,
        [AVM_KNOB_DISK_SHARE] = AVM_CAN_DISK_SHARE,
    };

    return knob < AVM_NR_KNOBS ? can[knob] : 0;
}

bool avm_params_value(const struct avm_params *p, enum avm_knob knob,
                      uint64_t *value)
{
    switch (knob) {
    case AVM_KNOB_WEIGHT:   *value = p->weight;          break;
    case AVM_KNOB_CAP:      *value = p->cap_pct;         break;
    case AVM_KNOB_AFFINITY: *value = p->affinity;        break;
    case AVM_KNOB_URGENCY:  *value = p->urgency;         break;
    case AVM_KNOB_NET_OUT:  *value = p->net_out_max_bps; break;
    case AVM_KNOB_NET_IN:   *value = p->net_in_max_bps;  break;
    case AVM_KNOB_DISK:     *value = p->disk_max_bps;    break;
    case AVM_KNOB_NET_SHARE:  *value = p->net_share;     break;
    case AVM_KNOB_DISK_SHARE: *value = p->disk_share;    break;
    default:                return false;
    }
    return p->can & avm_knob_can(knob);
}

bool avm_knob_same(enum avm_knob knob, uint64_t a, uint64_t b)
{
    uint64_t more = a > b ? a : b, less = a > b ? b : a;

    if (!(avm_knob_can(knob) & AVM_CAN_LIMITS))
        return a == b;
    return more - less <= more / 100;
}

int avm_params_put(struct avm_params *p, enum avm_knob knob, uint64_t value)
{
    if ((knob == AVM_KNOB_WEIGHT || knob == AVM_KNOB_CAP ||
         knob == AVM_KNOB_URGENCY || knob == AVM_KNOB_NET_SHARE ||
         knob == AVM_KNOB_DISK_SHARE) && value > UINT32_MAX) {
        errno = EINVAL;
        return -1;
    }
    switch (knob) {
    case AVM_KNOB_WEIGHT:   p->weight = value;          return 0;
    case AVM_KNOB_CAP:      p->cap_pct = value;         return 0;
    case AVM_KNOB_AFFINITY: p->affinity = value;        return 0;
    case AVM_KNOB_URGENCY:  p->urgency = value;         return 0;
    case AVM_KNOB_NET_OUT:  p->net_out_max_bps = value; return 0;
    case AVM_KNOB_NET_IN:   p->net_in_max_bps = value;  return 0;
    case AVM_KNOB_DISK:     p->disk_max_bps = value;    return 0;
    case AVM_KNOB_NET_SHARE:  p->net_share = value;     return 0;
    case AVM_KNOB_DISK_SHARE: p->disk_share = value;    return 0;
    default:
        errno = EINVAL;
        return -1;
    }
}
