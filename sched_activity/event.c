/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Urgent work in a guest that is busy anyway.
 *
 * A vCPU that plays audio and computes as well never blocks, so no wake-up tells
 * that its audio task has to run. An event that reaches it while it waits for a
 * pCPU is the only sign; but a guest that only computes gets such events, too:
 * the ticks of its own kernel. What tells them apart is what happens when the
 * vCPU gets its pCPU: if the guest goes to another address space at once, then the
 * event woke a task; a tick rarely does.
 *
 * So each vCPU earns its boosts by evidence: how often it was so, as a mean that
 * falls slowly. A boosted vCPU is looked at after ACT_PROBE: if the event woke
 * nobody, the boost is over; else it lasts until the guest goes elsewhere again
 * (the task is done), or a slice. All of it is charged, and ends with a debt.
 * dom0 may say that events matter (urgency interactive), or that they do not
 * (background); then the evidence does not count.
 */
#include <xen/lib.h>

#include "private.h"

/*
 * Evidence is in 1/1024. One event that woke a task suffices to be boosted
 * (128), and half a second of nothing but ticks (100, each taking a 32nd) to lose
 * it. An audio task each 10 ms among ticks each 4 ms stays at about 500; one
 * false alarm in 1000 ticks stays below ACT_EVIDENCE.
 */
#define ACT_EVIDENCE_FULL       1024
#define ACT_EVIDENCE            32
#define ACT_EVIDENCE_RISE_SHIFT 3
#define ACT_EVIDENCE_FALL_SHIFT 5

static unsigned long act_address_space(const struct act_unit *su)
{
    return arch_vcpu_address_space(su->unit->vcpu_list);
}

/* Do events of @su matter, as far as dom0 or experience tell? */
static bool act_events_matter(const struct act_unit *su, s_time_t now)
{
    switch ( act_urgency(su->dom, now) )
    {
    case XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND:
        return false;

    case XEN_SCHED_ACTIVITY_URGENCY_NORMAL:
        return su->evidence >= ACT_EVIDENCE;
    }

    return true;
}

/* An event reached @su, which waits for a pCPU. Is it to run early? */
bool act_event(struct act_unit *su, s_time_t now)
{
    su->event_waits = true;

    return su->state == ACT_QUEUED && su->class == ACT_FAIR &&
           act_events_matter(su, now) && !act_in_debt(su, now);
}

/* @su gets a pCPU at @now. */
void act_event_start(struct act_unit *su, s_time_t now)
{
    su->probe = 0;
    su->at_work = false;
    if ( !su->event_waits )
        return;

    su->event_waits = false;
    su->space = act_address_space(su);
    su->probe = now + ACT_PROBE;
}

/* @su loses its pCPU although it could go on; what the event brought may wait. */
void act_event_preempted(struct act_unit *su)
{
    su->event_waits = su->probe && (su->at_work || su->charged < su->probe);
    su->probe = 0;
}

static void act_learn(struct act_unit *su, bool woke_task)
{
    if ( woke_task )
        su->evidence += (ACT_EVIDENCE_FULL - su->evidence) >>
                        ACT_EVIDENCE_RISE_SHIFT;
    else
        su->evidence -= DIV_ROUND_UP(su->evidence,
                                     1U << ACT_EVIDENCE_FALL_SHIFT);
}

/* @su has run up to @now. True: if it was boosted, the reason is gone. */
bool act_event_judge(struct act_unit *su, s_time_t now)
{
    unsigned long space;
    bool moved;

    if ( !su->probe || now < su->probe )
        return false;

    space = act_address_space(su);
    moved = space != su->space;
    su->space = space;

    if ( !su->at_work )
        act_learn(su, moved);

    /* Gone there; or, at work already, still there. */
    if ( moved != su->at_work )
    {
        su->at_work = true;
        su->probe = now + ACT_PROBE;
        return false;
    }

    su->at_work = false;
    su->probe = 0;

    return true;
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
