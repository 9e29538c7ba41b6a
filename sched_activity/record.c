/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The activity record: what each vCPU does, always on. A few additions at
 * points where the scheduler has the unit in its hands anyway; events are
 * counted in struct vcpu, where they are sent.
 */
#include <xen/bitops.h>
#include <xen/lib.h>

#include "private.h"

/* Each burst (period) moves the mean by an eighth of the difference. */
#define ACT_BURST_SHIFT 3

void act_record_latency(struct act_unit *su, s_time_t now)
{
    /* NOW() of different pCPUs may differ by a little. */
    uint64_t us = max(now - su->wake_time, (s_time_t)0) / 1000U;
    unsigned int last = XEN_SCHED_ACTIVITY_LATENCY_BUCKETS - 1;

    su->latency[us >> (last - 1) ? last : fls(us)]++;
    su->wake_time = 0;
}

/* The unit gave up its pCPU in order to wait. */
void act_record_block(struct act_unit *su)
{
    su->blocks++;
    su->burst_avg += (su->burst - su->burst_avg) >> ACT_BURST_SHIFT;
    su->burst = 0;
    su->burst_yield = 0;
    su->blocked = true;
}

/* The unit can run. Only after a block is that a wake-up of the guest's own. */
void act_record_wake(struct act_unit *su, s_time_t now)
{
    if ( !su->blocked )
        return;

    if ( su->wakes++ )
        su->period_avg += (now - su->woken - su->period_avg) >>
                          ACT_BURST_SHIFT;
    su->woken = now;
    su->deadline = now + su->period_avg;
    su->wake_time = now;
    su->woken_by_sibling = current->domain == su->unit->domain;
    su->blocked = false;
}

/* Of @mask, what is among pCPUs 0 .. 63 of this host. */
static uint64_t act_low_cpus(const cpumask_t *mask)
{
    uint64_t low = 0;
    unsigned int i;

    for ( i = 0; i < min(nr_cpu_ids, 64U); i += BITS_PER_LONG )
        low |= (uint64_t)cpumask_bits(mask)[i / BITS_PER_LONG] << i;

    return nr_cpu_ids < 64 ? low & ((1ULL << nr_cpu_ids) - 1) : low;
}

/* What is left of the lease of @dom; 0: its urgency is normal. */
unsigned int act_lease_ms(const struct act_dom *dom, s_time_t now)
{
    if ( act_urgency(dom, now) == XEN_SCHED_ACTIVITY_URGENCY_NORMAL )
        return 0;

    return max_t(s_time_t, (dom->urgency_until - now) / MILLISECS(1), 1);
}

void act_record_fill(struct act_unit *su, const struct vcpu *v, s_time_t now,
                     struct xen_sched_activity_record *rec)
{
    unsigned int i;
    s_time_t running_for = now - v->runstate.state_entry_time;

    memset(rec, 0, sizeof(*rec));

    rec->domid = v->domain->domain_id;
    rec->vcpu_id = v->vcpu_id;
    rec->pcpu = v->processor;
    rec->state = v->runstate.state;
    rec->burst_avg_ns = min_t(s_time_t, su->burst_avg, UINT32_MAX);

    if ( su->state == ACT_PARKED )
        rec->flags |= XEN_SCHED_ACTIVITY_REC_PARKED;
    rec->urgency = act_urgency(su->dom, now);
    if ( rec->urgency != XEN_SCHED_ACTIVITY_URGENCY_NORMAL )
        rec->flags |= XEN_SCHED_ACTIVITY_REC_URGENT;
    if ( act_reserved(su, now) )
        rec->flags |= XEN_SCHED_ACTIVITY_REC_RESERVED;

    for ( i = 0; i < ARRAY_SIZE(rec->time_ns); i++ )
        rec->time_ns[i] = v->runstate.time[i];
    if ( running_for > 0 )
        rec->time_ns[v->runstate.state] += running_for;

    rec->wakes = su->wakes;
    rec->blocks = su->blocks;
    rec->preemptions = su->preemptions;
    rec->yields = su->yields;
    rec->migrations = su->migrations;
    rec->boosts = su->boosts;

    for ( i = 0; i < ARRAY_SIZE(rec->events); i++ )
        rec->events[i] = v->activity.events[i];
    rec->events_runnable = v->activity.events_runnable;
    rec->events_sent = v->activity.events_sent;

    for ( i = 0; i < ARRAY_SIZE(rec->latency); i++ )
        rec->latency[i] = su->latency[i];

    rec->weight = su->dom->weight;
    rec->cap = su->dom->cap;
    rec->lease_ms = act_lease_ms(su->dom, now);
    rec->affinity = act_low_cpus(su->unit->cpu_hard_affinity);
    if ( nr_cpu_ids > 64 &&
         cpumask_next(63, su->unit->cpu_hard_affinity) < nr_cpu_ids )
        rec->flags |= XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE;
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
