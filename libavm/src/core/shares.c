/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shares: who should have more of a link or a disk than others, and who less? A
 * share takes nothing from anybody while there is enough; so it is only where
 * several use the same one, and it is busy, that roles make a difference:
 *
 *   background uses it, a higher role does as well  -> a quarter
 *   interactive or time-critical uses it, others do -> four times as much
 *   reason gone                                     -> as everybody
 *
 * The order of nothing but the sums matters: the plan is the same whatever the
 * order of the domains.
 */
#define _GNU_SOURCE /* qsort_r */
#include <stdlib.h>

#include "core.h"

/*
 * 16 to 1 at most. More would let a guest in the background wait for seconds for
 * one large packet or request of its own.
 */
#define SHARE_BACKGROUND  (AVM_SHARE_NORMAL / 4)
#define SHARE_INTERACTIVE (AVM_SHARE_NORMAL * 4)

/* From 70% on packets begin to wait for each other. */
#define LINK_BUSY_PERMILLE 700

/* Less of a link, or of a disk's requests, than 2% is no use worth a word. */
#define USE_MIN_PERMILLE 20

/*
 * What a disk can do is not known; that two want more than a journal's flushes from
 * it (evaluate.c) at the same time is taken for busy.
 */
#define DISK_BUSY_REQS 30

/* What all do that share something, and those of a higher role than background. */
struct sum {
    uint64_t all, above;
};

static bool above_background(const struct avm_domain *d)
{
    return d->role != AVM_ROLE_BACKGROUND;
}

static uint64_t use_of(const struct avm_domain *d, enum avm_knob knob)
{
    return knob == AVM_KNOB_NET_SHARE ? d->smooth.net_tx_bps :
                                        d->smooth.disk_reqs_per_s;
}

static uint64_t shared_of(const struct avm_domain *d, enum avm_knob knob)
{
    return knob == AVM_KNOB_NET_SHARE ? d->net_link : d->disk_group;
}

static bool is_busy(const struct avm_domain *d, enum avm_knob knob,
                    uint64_t all)
{
    return knob == AVM_KNOB_NET_SHARE ?
           d->net_link_bps &&
           all / (d->net_link_bps / 1000 + 1) >= LINK_BUSY_PERMILLE :
           all >= 2 * DISK_BUSY_REQS;
}

/* Does it use enough for its share to matter? */
static bool uses(const struct avm_domain *d, enum avm_knob knob, uint64_t all)
{
    uint64_t use = use_of(d, knob);

    return use && use >= all * USE_MIN_PERMILLE / 1000 &&
           (knob == AVM_KNOB_NET_SHARE || use >= DISK_BUSY_REQS);
}

static uint32_t permille_of(uint64_t part, uint64_t all)
{
    /* Bytes per second times 1000 may not fit into 64 bits. */
    return all < UINT64_MAX / 1000 ? part * 1000 / (all ? all : 1) :
                                     part / (all / 1000);
}

static void wish_share(const struct avm_domain *d, size_t i,
                       const struct avm_knob_memory *k, enum avm_knob knob,
                       const struct sum *sum, struct avm_wish *w, size_t *n)
{
    const char *what = knob == AVM_KNOB_NET_SHARE ? "the uplink" : "the disk";
    uint64_t use = use_of(d, knob), others = sum->all - use, now;
    uint64_t above = sum->above - (above_background(d) ? use : 0);
    bool busy = is_busy(d, knob, sum->all) && uses(d, knob, sum->all);
    struct avm_wish *x;

    if (!avm_params_value(&d->params, knob, &now))
        return;

    if (busy && d->role == AVM_ROLE_BACKGROUND &&
        permille_of(above, sum->all) >= USE_MIN_PERMILLE) {
        if (now <= SHARE_BACKGROUND)
            return;
        x = avm_wish_add(w, n, d, i, knob, AVM_WISH_GIVE, now,
                         SHARE_BACKGROUND, permille_of(above, sum->all));
        avm_text(x->reason, "in the background, and makes %u%% of what %s does "
                 "now that others of a higher role want it: a quarter of "
                 "their share", permille_of(use, sum->all) / 10, what);
        return;
    }
    if (busy && d->role != AVM_ROLE_BACKGROUND &&
        d->role != AVM_ROLE_NORMAL &&
        permille_of(others, sum->all) >= USE_MIN_PERMILLE) {
        if (now >= SHARE_INTERACTIVE)
            return;
        x = avm_wish_add(w, n, d, i, knob, AVM_WISH_GAIN, now,
                         SHARE_INTERACTIVE, permille_of(others, sum->all));
        avm_text(x->reason, "%s, and others make %u%% of what %s does: four "
                 "times the share of a normal domain", avm_role_name(d->role),
                 permille_of(others, sum->all) / 10, what);
        return;
    }
    if (k->ours && now != k->original) {
        x = avm_wish_add(w, n, d, i, knob, AVM_WISH_RETURN, now, k->original,
                         0);
        avm_text(x->reason, "reason gone: nobody waits for %s now", what);
    }
}

struct by_shared {
    const struct avm_domain *dom;
    enum avm_knob knob;
};

static int shared_cmp(const void *pa, const void *pb, void *pby)
{
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    const struct by_shared *by = pby;
    uint64_t x = shared_of(&by->dom[a], by->knob);
    uint64_t y = shared_of(&by->dom[b], by->knob);

    return x != y ? (x < y ? -1 : 1) : a < b ? -1 : a > b;
}

static void decide_knob(const struct avm_domain *dom,
                        const struct avm_memory *mem, size_t nr,
                        enum avm_knob knob, size_t *order,
                        struct avm_wish *w, size_t *n)
{
    struct by_shared by = { dom, knob };
    size_t i, first, end;

    for (i = 0; i < nr; i++)
        order[i] = i;
    if (nr)
        qsort_r(order, nr, sizeof(*order), shared_cmp, &by);

    for (first = 0; first < nr; first = end) {
        uint64_t shared = shared_of(&dom[order[first]], knob);
        struct sum sum = { 0 };

        for (end = first; end < nr; end++) {
            const struct avm_domain *d = &dom[order[end]];

            if (shared_of(d, knob) != shared)
                break;
            sum.all += use_of(d, knob);
            sum.above += above_background(d) ? use_of(d, knob) : 0;
        }
        for (i = first; i < end && shared; i++) {
            size_t at = order[i];

            if (avm_may_change(&dom[at]))
                wish_share(&dom[at], at, &mem[at].knob[knob], knob, &sum, w, n);
        }
    }
}

void avm_decide_shares(const struct avm_domain *dom,
                       const struct avm_memory *mem, size_t nr,
                       struct avm_scratch *s, struct avm_wish *w, size_t *n)
{
    decide_knob(dom, mem, nr, AVM_KNOB_NET_SHARE, s->member, w, n);
    decide_knob(dom, mem, nr, AVM_KNOB_DISK_SHARE, s->member, w, n);
}
