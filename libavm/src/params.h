/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef AVM_PARAMS_H
#define AVM_PARAMS_H

#include "avm.h"

/* Those that are limits of bytes per second, on devices. */
#define AVM_CAN_LIMITS (AVM_CAN_NET_OUT | AVM_CAN_NET_IN | AVM_CAN_DISK)

/* Those that are parts of a link or a disk. */
#define AVM_CAN_SHARES (AVM_CAN_NET_SHARE | AVM_CAN_DISK_SHARE)

/* Those that go with devices. */
#define AVM_CAN_DEVICES (AVM_CAN_LIMITS | AVM_CAN_SHARES)

/* What a knob has while nothing was said: of limits and shares only. */
static inline uint64_t avm_knob_none(enum avm_knob knob)
{
    return knob >= AVM_KNOB_NET_SHARE ? AVM_SHARE_NORMAL : 0;
}

/* AVM_CAN_* of a knob; 0 if it is none. */
uint32_t avm_knob_can(enum avm_knob knob);

/* Writes the field of a knob. EINVAL: no such knob, or too large for it. */
int avm_params_put(struct avm_params *p, enum avm_knob knob, uint64_t value);

#endif /* AVM_PARAMS_H */
