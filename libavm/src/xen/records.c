/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* records: what the activity scheduler counted, summed up by domain. */
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

int avm_records_read(avm_handle *h, uint32_t pool,
                     struct avm_domain_sample *dom, size_t nr)
{
    const struct xen_sched_activity_record *rec = h->list;
    struct xen_sysctl_sched_activity act = { 0 };
    uint64_t cursor = 0;
    uint32_t i;

    _Static_assert(AVM_LATENCY_BUCKETS == XEN_SCHED_ACTIVITY_LATENCY_BUCKETS,
                   "avm.h and activity.h differ");

    for (;;) {
        struct xen_sysctl *s = avm_sysctl(h, XEN_SYSCTL_scheduler_op);
        struct avm_domain_sample *d = NULL;

        s->u.scheduler_op.cpupool_id = pool;
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
            avm_error(h, "activity records of pool %u: %s", pool,
                      strerror(errno));
            return -1;
        }
        memcpy(&act, &s->u.scheduler_op.u, sizeof(act));
        if (!act.u.records.nr)
            return 0;
        if (act.u.records.nr > PER_CALL || act.u.records.cursor <= cursor) {
            avm_error(h, "activity records of pool %u: nonsense", pool);
            errno = EIO;
            return -1;
        }
        cursor = act.u.records.cursor;

        for (i = 0; i < act.u.records.nr; i++) {
            if (!d || d->domid != rec[i].domid)
                d = avm_domain_find(dom, nr, rec[i].domid);
            /* A domain that came after the list of domains was read. */
            if (d)
                add(d, &rec[i]);
        }
    }
}
