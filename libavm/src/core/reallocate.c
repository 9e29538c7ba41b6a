/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reallocate: from what was granted to what is written, in small steps and in
 * an order in which nobody is given what nobody gave yet; and who else turns
 * the same knobs?
 */
#include <inttypes.h>
#include <string.h>

#include "core.h"
#include "params.h"

uint32_t avm_step(const struct avm_config *c, uint32_t from, uint32_t to)
{
    uint64_t step;

    /* At least 1, or a small weight would stay where it is for ever. */
    if (to > from) {
        step = (uint64_t)from * c->step_up_permille / 1000;
        step = from + (step ? step : 1);
        return step < to ? step : to;
    }
    step = (uint64_t)from * c->step_down_permille / 1000;
    step = step ? step : 1;
    return from - step > to && step < from ? from - step : to;
}

/* 0: gives, 1: neither, 2: takes. */
static int turn(const struct avm_wish *w)
{
    switch (w->knob) {
    case AVM_KNOB_WEIGHT:
    case AVM_KNOB_NET_SHARE:
    case AVM_KNOB_DISK_SHARE:
        return w->to < w->from ? 0 : 2;
    case AVM_KNOB_URGENCY:
        return w->to == AVM_URGENCY_BACKGROUND ? 0 :
               w->to == AVM_URGENCY_NORMAL ? 1 : 2;
    default:
        return 1;
    }
}

void avm_change_begin(struct avm_change *x, const struct avm_domain *d,
                      enum avm_knob knob, enum avm_change_state state)
{
    memset(x, 0, sizeof(*x));
    x->uuid = d->uuid;
    x->domid = d->domid;
    memcpy(x->untrusted_name, d->untrusted_name, sizeof(x->untrusted_name));
    x->knob = knob;
    x->state = state;
}

static void make_change(const struct avm_config *c, const struct avm_domain *d,
                        const struct avm_wish *w, struct avm_change *x)
{
    avm_change_begin(x, d, w->knob,
                     w->refused ? AVM_CHANGE_REFUSED : AVM_CHANGE_READY);
    x->before = w->from;
    x->after = w->to;
    if (w->knob == AVM_KNOB_WEIGHT && w->kind != AVM_WISH_DECLARED)
        x->after = avm_step(c, w->from, w->to);
    if (w->knob == AVM_KNOB_URGENCY && w->to != AVM_URGENCY_NORMAL)
        x->lease_ms = c->lease_ms;
    x->gain_permille = w->gain_permille;
    memcpy(x->reason, w->reason, sizeof(x->reason));
    memcpy(x->why_not, w->why_not, sizeof(x->why_not));
}

void avm_reallocate(const struct avm_config *c, const struct avm_domain *dom,
                    const struct avm_wish *wish, size_t nr_wishes,
                    struct avm_change *change, size_t *order)
{
    size_t i, n = 0;
    int t;

    for (t = 0; t <= 2; t++) {
        for (i = 0; i < nr_wishes; i++) {
            if (turn(&wish[i]) != t)
                continue;
            make_change(c, &dom[wish[i].dom], &wish[i], &change[n]);
            order[n++] = i;
        }
    }
}

uint64_t avm_knob_devices(const struct avm_memory *m, enum avm_knob knob)
{
    switch (knob) {
    case AVM_KNOB_NET_OUT:
    case AVM_KNOB_NET_IN:
    case AVM_KNOB_NET_SHARE:
        return m->net_devices;
    case AVM_KNOB_DISK:
    case AVM_KNOB_DISK_SHARE:
        return m->disk_devices;
    default:
        return 0;
    }
}

/*
 * A limit or share went with what it was on: a device that came again or, of a disk,
 * just the ring and its thread, which nobody takes out of its group by hand.
 */
static bool went_with_device(const struct avm_memory *m, enum avm_knob knob,
                             uint64_t value)
{
    const struct avm_knob_memory *k = &m->knob[knob];

    return knob >= AVM_KNOB_NET_OUT && value == avm_knob_none(knob) &&
           k->ours &&
           (knob == AVM_KNOB_DISK || knob == AVM_KNOB_DISK_SHARE ||
            avm_knob_devices(m, knob) != k->devices);
}

/*
 * One of several devices went, with its part of the limit; the rest is still ours.
 * After a restart nobody knows which devices there were.
 */
static bool part_went_with_device(const struct avm_memory *m,
                                  enum avm_knob knob, uint64_t value)
{
    const struct avm_knob_memory *k = &m->knob[knob];

    return (avm_knob_can(knob) & AVM_CAN_LIMITS) && k->ours && value &&
           value < k->last && k->devices &&
           avm_knob_devices(m, knob) != k->devices;
}

bool avm_foreign_check(const struct avm_config *c, const struct avm_domain *d,
                       struct avm_memory *m, enum avm_knob knob,
                       uint64_t now_ms, struct avm_change *change)
{
    struct avm_knob_memory *k = &m->knob[knob];
    uint64_t value;

    if (!avm_params_value(&d->params, knob, &value))
        return false;
    if (!k->known) {
        k->known = true;
        k->last = value;
        return false;
    }
    /* The sample may be older than what we wrote. */
    if (avm_knob_same(knob, value, k->last) ||
        (k->changed && now_ms < k->changed_ms))
        return false;
    if (went_with_device(m, knob, value)) {
        k->last = value;
        k->ours = false;
        return false;
    }
    if (part_went_with_device(m, knob, value)) {
        k->last = value;
        k->devices = avm_knob_devices(m, knob);
        return false;
    }

    if (knob == AVM_KNOB_URGENCY && value == AVM_URGENCY_NORMAL) {
        /* Ours ran out: to be renewed. Someone else's did: so be it. */
        if (k->ours && now_ms >= m->lease_from_ms + m->lease_ms)
            return false;
        if (!k->ours) {
            k->last = value;
            return false;
        }
    }

    avm_change_begin(change, d, knob, AVM_CHANGE_FOREIGN);
    change->before = k->last;
    change->after = value;
    avm_text(change->reason, "someone else set it to %" PRIu64 ": taken as the "
             "operator's wish, left alone for %u s", value,
             c->foreign_hold_ms / 1000);

    k->ours = false;
    k->wrote = false;
    k->last = value;
    k->held = 0;
    k->foreign_until_ms = now_ms + c->foreign_hold_ms;
    return true;
}
