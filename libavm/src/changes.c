/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * changes: what is ours. What was written, what it was before, which leases run, and
 * what is known of that from before a restart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

size_t avm_renewals(avm_state *st, uint64_t now_ms, struct avm_change *change,
                    size_t max)
{
    size_t i, n = 0;

    for (i = 0; i < st->nr && n < max; i++) {
        const struct avm_domain *d = &st->dom[i];
        const struct avm_memory *m = &st->mem[i];
        struct avm_change *x = &change[n];

        if (!avm_lease_due(m, now_ms))
            continue;
        avm_change_begin(x, d, AVM_KNOB_URGENCY, AVM_CHANGE_READY);
        x->before = x->after = m->knob[AVM_KNOB_URGENCY].last;
        x->lease_ms = st->config.lease_ms;
        avm_text(x->reason, "lease renewed");
        n++;
    }
    return n;
}

void avm_renewed(avm_state *st, const struct avm_change *c, uint64_t now_ms,
                 bool ok)
{
    struct avm_memory *m = avm_memory_of(st, &c->uuid, c->domid);

    if (!m || !ok)
        return;
    m->lease_from_ms = now_ms;
    m->lease_ms = c->lease_ms;
}

/* Does this change take back the last one, and soon? */
static bool flips(const struct avm_config *c, const struct avm_knob_memory *k,
                  const struct avm_change *x, uint64_t now_ms)
{
    uint64_t soon_ms = 10ull * avm_max_u32(c->cooldown_ms, c->decide_ms);

    if (!k->wrote || now_ms >= k->changed_ms + soon_ms)
        return false;
    return x->knob == AVM_KNOB_WEIGHT ?
           (x->after > x->before) != (k->last > k->before) :
           avm_knob_same(x->knob, x->after, k->before);
}

uint64_t avm_flip_flops(const avm_state *st)
{
    return st->flip_flops;
}

uint32_t avm_changes_left(const avm_state *st, uint64_t now_ms)
{
    return avm_budget_left(&st->budget, st->config.changes_per_minute, now_ms);
}

void avm_applied(avm_state *st, const struct avm_change *c, uint64_t now_ms,
                 bool ok)
{
    struct avm_memory *m = avm_memory_of(st, &c->uuid, c->domid);
    struct avm_knob_memory *k;
    size_t i;

    if (!m || c->knob >= AVM_NR_KNOBS)
        return;

    k = &m->knob[c->knob];
    if (ok && flips(&st->config, k, c, now_ms))
        st->flip_flops++;
    k->changed = true;
    k->changed_ms = now_ms;
    k->failed = !ok;
    if (ok) {
        if (!k->ours)
            /* Anyone's urgency is a lease: it ends at normal in any case. */
            k->original = c->knob == AVM_KNOB_URGENCY ? AVM_URGENCY_NORMAL :
                                                        c->before;
        k->known = true;
        k->wrote = true;
        k->before = c->before;
        k->last = c->after;
        k->ours = c->after != k->original;
        k->devices = avm_knob_devices(m, c->knob);
        if (c->knob == AVM_KNOB_URGENCY) {
            m->lease_from_ms = now_ms;
            m->lease_ms = c->lease_ms;
        }
        avm_budget_spend(&st->budget, now_ms);
    }

    for (i = 0; st->last_plan && i < st->last_plan->nr; i++) {
        struct avm_change *x = &st->last_plan->change[i];

        if (x->domid == c->domid && avm_uuid_equal(&x->uuid, &c->uuid) &&
            x->knob == c->knob)
            x->state = ok ? AVM_CHANGE_APPLIED : AVM_CHANGE_FAILED;
    }
}

size_t avm_undo_list(const avm_state *st, const struct avm_uuid *uuid,
                     struct avm_change *change, size_t max)
{
    size_t i, n = 0;
    int k;

    for (i = 0; i < st->nr; i++) {
        const struct avm_domain *d = &st->dom[i];

        if ((d->flags & AVM_DOM_DYING) ||
            (uuid && !avm_uuid_equal(uuid, &d->uuid)))
            continue;
        for (k = 0; k < AVM_NR_KNOBS && n < max; k++) {
            const struct avm_knob_memory *km = &st->mem[i].knob[k];
            struct avm_change *x = &change[n];

            if (!km->ours)
                continue;
            avm_change_begin(x, d, (enum avm_knob)k, AVM_CHANGE_READY);
            x->before = km->last;
            x->after = km->original;
            avm_text(x->reason, "back to what it was before the first change");
            n++;
        }
    }
    return n;
}

/* ------------------------------------------------------------------------ */
/* From before a restart                                                    */

int avm_state_restore(avm_state *st, const struct avm_uuid *uuid,
                      uint32_t domid, enum avm_knob knob, uint64_t original,
                      uint64_t last)
{
    struct avm_memory *m = NULL;
    size_t i;

    if (knob >= AVM_NR_KNOBS || st->last_ns) {
        errno = EINVAL;
        return -1;
    }

    for (i = 0; i < st->nr_restored; i++)
        if (st->restored[i].domid == domid &&
            avm_uuid_equal(&st->restored[i].uuid, uuid))
            m = &st->restored[i];
    if (!m) {
        m = realloc(st->restored, (st->nr_restored + 1) * sizeof(*m));
        if (!m)
            return -1;
        st->restored = m;
        m += st->nr_restored++;
        memset(m, 0, sizeof(*m));
        m->uuid = *uuid;
        m->domid = domid;
    }
    m->knob[knob].known = true;
    m->knob[knob].original = original;
    m->knob[knob].last = last;
    m->knob[knob].ours = original != last;
    return 0;
}

static int restored_cmp(const void *pa, const void *pb)
{
    const struct avm_memory *a = pa, *b = pb;
    int c = avm_uuid_cmp(&a->uuid, &b->uuid);

    return c ? c : a->domid < b->domid ? -1 : a->domid > b->domid;
}

void avm_restored_sort(avm_state *st)
{
    if (st->nr_restored)
        qsort(st->restored, st->nr_restored, sizeof(*st->restored),
              restored_cmp);
}

const struct avm_memory *avm_restored_of(const avm_state *st,
                                         const struct avm_uuid *uuid,
                                         uint32_t domid)
{
    struct avm_memory key = { .uuid = *uuid, .domid = domid };

    return st->nr_restored ? bsearch(&key, st->restored, st->nr_restored,
                                     sizeof(key), restored_cmp) : NULL;
}
