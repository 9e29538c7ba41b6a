/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Urgent work in a guest that is busy anyway.
 *
 * A vCPU that plays audio and computes as well never blocks, so no wake-up tells
 * that its audio task has to run. An event that reaches it while it waits for a
 * pCPU is the only sign; but a guest that only computes gets such events, too:
 * the ticks of its own kernel. What tells them apart is what happens when the
 * vCPU gets its pCPU: if the guest goes to another address space at once, and
 * comes back soon, then the event woke a task with little to do. A tick rarely
 * does, and if it makes the guest's kernel turn to another task that computes,
 * then the guest does not come back soon.
 *
 * So each vCPU earns its boosts by evidence: how often it was so, as a mean that
 * falls slowly. It is looked at when it turns to another address space (a PV guest asks
 * Xen for that; an HVM guest exits then while it is watched), and if it is boosted a
 * little after it has started, too: if the event woke nobody, the boost is over; else
 * it lasts until the task is done, or for a slice. The same for a task that is at
 * work when a slice ends, and for an event that came just before. All of it is
 * charged, and ends with a debt. dom0 may say that events matter (urgency
 * interactive), or that they do not (background); then evidence does not count.
 */
#include <xen/lib.h>

#include "private.h"

/*
 * Evidence is in 1/1024. One event that woke a task suffices to be boosted
 * (128), and a fifth of a second of nothing but ticks (each taking a 32nd) to lose
 * it. An audio task each 10 ms among ticks each 4 ms stays at about 500; one
 * false alarm in 1000 ticks stays below ACT_EVIDENCE.
 */
#define ACT_EVIDENCE_FULL       1024
#define ACT_EVIDENCE            32
#define ACT_EVIDENCE_RISE_SHIFT 3
#define ACT_EVIDENCE_FALL_SHIFT 5

/* Enough for a few looks at the wrong time, few enough for a guest that changes. */
#define ACT_HOME_VOTES 3

static unsigned long act_space(const struct act_unit *su)
{
    return arch_vcpu_address_space(su->unit->vcpu_list);
}

/* Of an HVM guest, only those are counted that it made while watched. */
static unsigned long act_space_switches(const struct act_unit *su)
{
    return su->unit->vcpu_list->activity.address_space_switches;
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

/*
 * Is @su to run early because of an event that waits for it? If it is in debt, that is
 * asked again when it will have paid: nothing else may happen to it until then, as a
 * guest that does not run sets no timers.
 */
bool act_event_waits(struct act_unit *su, s_time_t now)
{
    if ( !su->event_waits || su->state != ACT_QUEUED ||
         su->class != ACT_FAIR || !act_events_matter(su, now) )
        return false;

    if ( !act_in_debt(su, now) )
        return true;

    /* A reservation has its own times to look at it. */
    if ( !su->reserve_slice && su->dom->prv->params.debt_max )
        act_look_again(su, act_debt_over(su, now));

    return false;
}

/* An event reached @su, which waits for a pCPU. Is it to run early? */
bool act_event(struct act_unit *su, s_time_t now)
{
    bool boosts;

    su->event_waits = true;
    boosts = act_event_waits(su, now);
    act_trace(event, su, boosts);

    return boosts;
}

s_time_t act_probe(const struct act_unit *su)
{
    if ( su->reaction_avg )
        return min(max(ACT_PROBE_TIMES * su->reaction_avg, ACT_TIMER_MIN),
                   ACT_PROBE_MAX);

    /* This machine may be a slow one. */
    return ACT_PROBE_MAX;
}

/* An event reached @su before: look at what comes of it. */
void act_event_look(struct act_unit *su, s_time_t now)
{
    su->space = act_space(su);
    su->space_switches = act_space_switches(su);
    su->event_since = now;
    act_event_watch(su, now + act_probe(su));
}

/* @su, which runs, has a home: has an event brought it away from there? */
bool act_event_away(const struct act_unit *su, s_time_t now)
{
    return act_events_matter(su, now) &&
           act_space(su) != su->home_space && !act_in_debt(su, now);
}

/*
 * A slice of @su, which runs, is over. Where it is then is most often where it
 * computes, as that takes most of its time; but one look does not count for much.
 * One that was boosted and not back by then (@sure) computes where it is.
 */
void act_event_at_home(struct act_unit *su, bool sure)
{
    unsigned long space = act_space(su);

    if ( space == su->home_space )
        su->home_votes = min(su->home_votes + 1, ACT_HOME_VOTES);
    else if ( su->home_votes )
        su->home_votes -= sure ? su->home_votes : 1;
    else
        su->home_space = space;
}

/*
 * @su, which is looked at, is at work on what an event brought. It is watched: that it
 * turns back is told, so there is nothing else to look for than that it takes too long.
 */
static void act_event_at_work(struct act_unit *su)
{
    su->at_work = true;
    act_event_watch(su, su->event_since + act_boost_slice(su));
}

/* The same, and it computes elsewhere. */
static void act_event_not_home(struct act_unit *su)
{
    su->space = su->home_space;
    act_event_at_work(su);
}

/* @su got a pCPU, and an event waits; or it was cut off at what one brought. */
void act_event_resume(struct act_unit *su, s_time_t now)
{
    act_event_look(su, now);
    if ( act_event_works(su, now) )
        act_event_not_home(su);
}

/* @su, which runs, goes on as a boost. */
static void act_event_boost(struct act_unit *su, unsigned int why, s_time_t now)
{
    su->class = ACT_BOOSTED;
    su->boosts++;
    act_trace(boost, su, why);
    act_event_look(su, now);
}

/* @su goes on with what act_event_works() tells of. */
void act_event_go_on(struct act_unit *su, s_time_t now)
{
    act_event_boost(su, ACT_TRC_BOOST_AT_WORK, now);
    act_event_not_home(su);
}

/*
 * @su, which runs, is to give way to another one, but not to an urgent one. If an
 * event brought it work, or came a moment ago and may, it goes on as a boost.
 */
bool act_event_fresh(struct act_unit *su, s_time_t now)
{
    if ( su->class != ACT_FAIR || su->probe || !act_events_matter(su, now) ||
         act_in_debt(su, now) )
        return false;

    if ( act_event_works(su, now) )
    {
        act_event_go_on(su, now);
        return true;
    }

    if ( !act_event_came(su, now) )
        return false;

    act_event_boost(su, ACT_TRC_BOOST_EVENT, now);

    return true;
}

static void act_learn(struct act_unit *su, bool woke_task)
{
    if ( woke_task )
        su->evidence += (ACT_EVIDENCE_FULL - su->evidence) >>
                        ACT_EVIDENCE_RISE_SHIFT;
    else
        su->evidence -= DIV_ROUND_UP(su->evidence,
                                     1U << ACT_EVIDENCE_FALL_SHIFT);
    act_event_watch(su, 0);
}

/* @su went to a task at @now, because of the event it is looked at for, or of one
 * that came since. */
static void act_reacted(struct act_unit *su, s_time_t now)
{
    s_time_t since = max(su->event_since,
                         su->unit->vcpu_list->activity.event_time);
    s_time_t avg = su->reaction_avg;

    avg += avg ? (now - since - avg) >> ACT_EVIDENCE_RISE_SHIFT : now - since;
    su->reaction_avg = max(avg, (s_time_t)1);
}

/*
 * Did the timer of @su, which runs, run out while it waited, and is not set again? Then
 * its guest is not through with the interrupt; and if it lost its pCPU now, it would not
 * hear of what is due next before it has its turn.
 */
static bool act_event_in_timer(const struct act_unit *su)
{
    struct timer *timer = &su->unit->vcpu_list->singleshot_timer;

    return timer->expires >= su->queued &&
           !timer_expires_before(timer, STIME_MAX);
}

/*
 * @su has run up to @now. True: if it was boosted, the reason is gone.
 *
 * Who is not boosted has no timer for it: each makes others that are due just then late,
 * and one that sleeps may wait for one of those. Who is watched is looked at when it
 * turns, so if that was not in time, then nothing was.
 */
bool act_event_judge(struct act_unit *su, s_time_t now)
{
    s_time_t end = su->event_since + act_boost_slice(su);
    bool back, gone, woke_task;

    if ( !su->probe )
        return false;

    back = act_space(su) == su->space;
    /* Short work may have come and gone. */
    gone = back && (su->at_work ||
                    act_space_switches(su) - su->space_switches >= 2);
    if ( now < su->probe && !gone && (back || su->at_work) )
        return false;

    /* There for the first time, or still there. Nobody tells of some guests' turns. */
    if ( !back && now < (su->class == ACT_BOOSTED ? end : su->probe) )
    {
        if ( now < su->probe )
            act_reacted(su, now);
        act_event_at_work(su);
        return false;
    }

    if ( su->class == ACT_BOOSTED && !gone && now < end &&
         act_event_in_timer(su) )
    {
        act_event_watch(su, min(now + act_probe(su), end));
        return false;
    }

    /* It took too long: perhaps that is where it computes. */
    if ( su->class == ACT_BOOSTED && su->at_work && !back )
        act_event_at_home(su, false);

    woke_task = gone && now < end;
    act_learn(su, woke_task);
    act_trace(judgement, su, woke_task);
    su->at_work = false;

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
