/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * records: what the activity scheduler counted, summed up by domain, and what is
 * set for each: a few calls for all of them, where asking takes some for each.
 */
#include <errno.h>
#include <string.h>

#include "edge.h"

#define PER_CALL (AVM_LIST_SIZE / sizeof(struct xen_sched_activity_record))

static void add(struct avm_domain_sample *d,
                const struct xen_sched_activity_record *r)
{
    struct avm_counters *c = &d->count;
    unsigned int i;

    d->have |= AVM_HAVE_RECORDS;
    if (r->burst_avg_ns > d->burst_avg_ns)
        d->burst_avg_ns = r->burst_avg_ns;
    c->running_ns += r->time_ns[0];
    c->runnable_ns += r->time_ns[1];
    c->blocked_ns += r->time_ns[2];
    c->wakes += r->wakes;
    c->blocks += r->blocks;
    c->preemptions += r->preemptions;
    c->yields += r->yields;
    c->migrations += r->migrations;
    c->boosts += r->boosts;
    c->events_interdomain += r->events[XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN];
    c->events_virq += r->events[XEN_SCHED_ACTIVITY_EVENT_VIRQ];
    c->events_pirq += r->events[XEN_SCHED_ACTIVITY_EVENT_PIRQ];
    c->events_ipi += r->events[XEN_SCHED_ACTIVITY_EVENT_IPI];
    c->events_runnable += r->events_runnable;
    c->events_sent += r->events_sent;
    for (i = 0; i < AVM_LATENCY_BUCKETS; i++)
        c->latency[i] += r->latency[i];
}

/* All vCPUs of a domain have the same parameters, but for the affinity. */
struct terms {
    struct avm_domain_sample *d; /* NULL: none yet                           */
    bool told, others;           /* by this Xen; see avm_sched_affinity()    */
    uint64_t low;
};

static void terms_begin(struct terms *t, struct avm_domain_sample *d,
                        const struct xen_sched_activity_record *r)
{
    *t = (struct terms){ .d = d, .told = r->weight };
    if (!t->told)
        return;
    d->params.weight = r->weight;
    d->params.cap_pct = r->cap;
    d->params.urgency = r->urgency;
    d->params.lease_ms = r->lease_ms;
}

static void terms_end(const struct terms *t, const struct avm_pool *pool)
{
    if (!t->d || !t->told)
        return;
    /* It moved just now, or goes away. */
    if (t->d->pool != pool->id || (t->d->flags & AVM_DOM_DYING)) {
        memset(&t->d->params, 0, sizeof(t->d->params));
        return;
    }
    t->d->params.can = pool->can;
    avm_sched_affinity(pool, t->low, t->others, &t->d->params);
}

int avm_records_read(avm_handle *h, const struct avm_pool *pool,
                     struct avm_domain_sample *dom, size_t nr)
{
    const struct xen_sched_activity_record *rec = h->list;
    struct xen_sysctl_sched_activity act = { 0 };
    struct terms terms = { .d = NULL };
    uint64_t cursor = 0;
    uint32_t i;

    _Static_assert(AVM_LATENCY_BUCKETS == XEN_SCHED_ACTIVITY_LATENCY_BUCKETS,
                   "avm.h and activity.h differ");

    for (;;) {
        struct xen_sysctl *s = avm_sysctl(h, XEN_SYSCTL_scheduler_op);
        struct avm_domain_sample *d = terms.d;

        s->u.scheduler_op.cpupool_id = pool->id;
        s->u.scheduler_op.sched_id = XEN_SCHEDULER_ACTIVITY;
        s->u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
        act.op = XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS;
        act.u.records.cursor = cursor;
        act.u.records.nr = PER_CALL;
        act.u.records.size = sizeof(*rec);
        set_xen_guest_handle(act.u.records.buffer, h->list);
        /* Not in the sysctl.h of a Xen that was not patched. */
        memcpy(&s->u.scheduler_op.u, &act, sizeof(act));
        if (avm_do_sysctl(h) < 0) {
            avm_error(h, "activity records of pool %u: %s", pool->id,
                      strerror(errno));
            return -1;
        }
        memcpy(&act, &s->u.scheduler_op.u, sizeof(act));
        if (!act.u.records.nr)
            break;
        if (act.u.records.nr > PER_CALL || act.u.records.cursor <= cursor) {
            avm_error(h, "activity records of pool %u: nonsense", pool->id);
            errno = EIO;
            return -1;
        }
        cursor = act.u.records.cursor;

        for (i = 0; i < act.u.records.nr; i++) {
            if (!d || d->domid != rec[i].domid)
                d = avm_domain_find(dom, nr, rec[i].domid);
            /* A domain that came after the list of domains was read. */
            if (!d)
                continue;
            add(d, &rec[i]);
            if (d != terms.d) {
                terms_end(&terms, pool);
                terms_begin(&terms, d, &rec[i]);
            }
            terms.low |= rec[i].affinity;
            terms.others |= rec[i].flags & XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE;
        }
    }
    terms_end(&terms, pool);
    return 0;
}
