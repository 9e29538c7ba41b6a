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
    su->blocked = false;
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
    if ( act_urgency(su->dom, now) != XEN_SCHED_ACTIVITY_URGENCY_NORMAL )
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
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
