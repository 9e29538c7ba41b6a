/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Driver domains: work for an urgent guest is as urgent as the guest.
 *
 * A vCPU of which dom0 has said that it is urgent sends an event to another domain:
 * a request to a backend. What follows is the guest's work, though another domain
 * does it. So the receiver goes ahead of others as the sender would, and what it
 * runs meanwhile is charged to the sender: not to its own virtual time, so that it
 * cannot fall behind because of what others want from it, and nobody has more than
 * its share by sending events. (Caps count what a domain's own vCPUs run.)
 *
 * All of it is bounded. An event is worth the length of a boost; less, if the
 * receiver has nothing to do any more, or goes on to other things, as the events that
 * it sends itself tell. The sender has promised at most ACT_LEND_SLICES of them at a
 * time, to whomever, until it is charged; and nothing if it is in debt, except by its
 * reservation, of what is left of that. Who inherits urgency does not pass it on.
 *
 * The sender takes over what it owes when it is charged next, or wakes: its queue's
 * lock is not at hand where the receiver is charged. A receiver points to the sender
 * as long as some time is promised, and the promise is void when either is removed.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

/* One for each of a guest's network and disk. */
#define ACT_LEND_SLICES 2

/*
 * Who has answered, or passed a request on, may have more to do for the sender, like
 * the rest of a ring. This is several times the work on a packet or block.
 */
#define ACT_INHERIT_MORE MICROSECS(50)

/* What @su is to others that work for it; ACT_FAIR: nothing. */
static enum act_class act_lends(const struct act_unit *su, s_time_t now)
{
    switch ( act_urgency(su->dom, now) )
    {
    case XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND:
        return ACT_FAIR;

    case XEN_SCHED_ACTIVITY_URGENCY_CRITICAL:
        return ACT_CRITICAL;
    }

    /* Behind those with reservations, who were promised their time. */
    if ( now < read_atomic(&su->reserve_until) )
        return ACT_CRITICAL;

    return act_urgency(su->dom, now) == XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE
           ? ACT_BOOSTED : ACT_FAIR;
}

/* The core is to tell of events that @su sends, or need not. */
static void act_watch_sends(struct act_unit *su, bool watch)
{
    struct vcpu *v;

    if ( su->watches_sends == watch )
        return;

    su->watches_sends = watch;
    for_each_sched_unit_vcpu ( su->unit, v )
        v->activity.watch_sends = watch;
}

void act_inherit_decide(struct act_unit *su, s_time_t now)
{
    s_time_t lend_max = 0;

    if ( act_lends(su, now) != ACT_FAIR )
    {
        if ( !act_in_debt(su, now) )
            lend_max = ACT_LEND_SLICES * act_boost_slice(su);
        if ( su->class <= ACT_RESERVED )
            lend_max = max(lend_max, su->reserve_left);
    }

    su->lend_max = lend_max;
    act_watch_sends(su, lend_max || su->donor);
}

/* The unit that just sends @su an event, and pays for what follows; or NULL. */
static struct act_unit *act_inherit_from(const struct act_unit *su)
{
    const struct vcpu *v = current;

    return v->activity.sending && v->activity.watch_sends &&
           v->domain != su->unit->domain &&
           v->domain->cpupool == su->unit->domain->cpupool
           ? act_unit(v->sched_unit) : NULL;
}

/*
 * How long may @su run for @donor, which runs here? If it does so already: for how
 * much longer than it has left.
 */
static s_time_t act_promise(const struct act_unit *su, struct act_unit *donor)
{
    s_time_t left = su->donor == donor ? su->inherit_left : 0, more;

    spin_lock(&donor->dom->budget_lock);
    more = min(act_boost_slice(donor) - left,
               donor->lend_max - donor->lent - donor->promised);
    if ( left + more >= ACT_TIMER_MIN )
        more = max(more, (s_time_t)0);
    else
        more = 0;
    donor->promised += more;
    spin_unlock(&donor->dom->budget_lock);

    return more;
}

/* @su waits, or is about to, or runs: it goes on in its new class. */
static void act_inherit_class(struct act_unit *su, s_time_t deadline,
                              s_time_t now)
{
    bool queued = su->state == ACT_QUEUED, better;

    if ( queued )
    {
        act_dequeue(su);
        /* Its reservation may have ended while it waited. */
        if ( su->class <= ACT_RESERVED && !act_reserve_has_time(su, now) )
            su->class = ACT_FAIR;
    }
    better = su->inherited < su->class;
    if ( better )
    {
        su->class = su->inherited;
        su->boosts++;
        act_trace(boost, su, ACT_TRC_BOOST_INHERITED);
    }
    if ( su->class == ACT_CRITICAL )
        su->deadline = deadline;
    if ( better && su->state != ACT_PARKED )
        act_new_slice(su, now);
    if ( queued )
    {
        act_insert(su);
        act_tickle(su, now);
    }
    else if ( su->running )
    {
        act_watch_sends(su, true);
        /* For how long it may run is another question now. */
        if ( better )
            cpu_raise_softirq(sched_unit_master(su->unit), SCHEDULE_SOFTIRQ);
    }
}

/* @su is sent an event; is that the request of an urgent unit? */
void act_inherit(struct act_unit *su, s_time_t now)
{
    struct act_unit *donor = act_inherit_from(su);
    enum act_class class, own;
    s_time_t deadline, more;

    if ( likely(!donor) )
        return;

    class = act_lends(donor, now);
    if ( class == ACT_FAIR )
        return;

    if ( su->running )
        act_charge(su, now);
    /* It is as urgent because of another one, or by itself. */
    if ( su->donor )
    {
        if ( su->inherited < class )
            return;
    }
    else if ( (own = act_class(su, now)) <= ACT_CRITICAL )
    {
        /* Perhaps since this moment, by the next slice of its reservation. */
        if ( su->state == ACT_QUEUED && own < su->class )
            act_requeue(su, now);
        return;
    }

    deadline = read_atomic(donor->class <= ACT_RESERVED
                           ? &donor->reserve_deadline : &donor->deadline);
    more = act_promise(su, donor);
    if ( !more && su->donor != donor )
    {
        /* It has to be charged for what it has lent before it lends more. */
        if ( donor->lend_max )
            raise_softirq(SCHEDULE_SOFTIRQ);
        return;
    }

    if ( su->donor && su->donor != donor )
    {
        if ( act_before(su->deadline, deadline) )
            deadline = su->deadline;
        act_inherit_end(su);
    }
    if ( !su->donor )
        act_clock_payer(su, donor);
    su->inherited = class;
    su->inherit_left += more;
    write_atomic(&su->answered, 0);
    act_inherit_class(su, deadline, now);
}

/* @cur, which runs here, sends somebody an event. */
void act_inherit_answers(struct act_unit *cur, s_time_t now)
{
    if ( !cur->donor )
        return;

    /* Each time it has a little longer; but the timer has to be set only once. */
    if ( !read_atomic(&cur->answered) && read_atomic(&cur->rq->nr_queued) )
        raise_softirq(SCHEDULE_SOFTIRQ);
    write_atomic(&cur->answered, now);
}

s_time_t act_inherit_limit(const struct act_unit *su, s_time_t now)
{
    s_time_t answered = read_atomic(&su->answered);

    return answered ? min(su->inherit_left, answered + ACT_INHERIT_MORE - now)
                    : su->inherit_left;
}

/* Of what @su ran until @now, @ran goes to its donor, and that may be all. */
static void act_inherit_take(struct act_unit *su, s_time_t ran, bool last)
{
    struct act_unit *donor = su->donor;

    su->inherit_left -= ran;
    last |= !su->inherit_left;
    if ( last )
        act_clock_payer(su, NULL);

    /* Without a promise, and this lock, nothing keeps the donor here. */
    spin_lock(&donor->dom->budget_lock);
    donor->lent += ran;
    donor->promised -= ran + (last ? su->inherit_left : 0);
    spin_unlock(&donor->dom->budget_lock);

    if ( last )
        su->inherit_left = 0;
}

/* @su, an heir, ran for @ran until @now. Returns how much it need not pay. */
s_time_t act_inherit_charge(struct act_unit *su, s_time_t ran, s_time_t now)
{
    s_time_t answered = read_atomic(&su->answered), lends = ran;
    bool last = false;

    if ( answered && now >= answered + ACT_INHERIT_MORE )
    {
        lends = max(ran - (now - answered - ACT_INHERIT_MORE), (s_time_t)0);
        last = true;
    }
    lends = min(lends, su->inherit_left);
    act_inherit_take(su, lends, last);

    return lends;
}

/* What others ran for @su since it was charged the last time. */
s_time_t act_inherit_collect(struct act_unit *su)
{
    s_time_t lent;

    spin_lock(&su->dom->budget_lock);
    lent = su->lent;
    su->lent = 0;
    spin_unlock(&su->dom->budget_lock);

    return lent;
}

void act_inherit_give_back(struct act_unit *su)
{
    act_inherit_take(su, 0, true);
}

/* @su is nobody's heir any more, without having said so. */
static void act_disinherit(struct act_unit *su, s_time_t now)
{
    if ( su->running )
        act_charge(su, now);
    act_inherit_end(su);

    if ( su->class <= ACT_RESERVED )
        return;

    if ( su->running )
    {
        act_expire_slice(su, now);
        cpu_raise_softirq(sched_unit_master(su->unit), SCHEDULE_SOFTIRQ);
    }
    else if ( su->state == ACT_QUEUED )
    {
        act_dequeue(su);
        su->class = ACT_FAIR;
        act_new_slice(su, now);
        act_enqueue(su, now);
        act_tickle(su, now);
    }
    else
        su->class = ACT_FAIR;
}

/* @su goes: it neither runs nor waits. */
void act_inherit_remove(struct act_private *prv, struct act_unit *su)
{
    spinlock_t *lock = unit_schedule_lock(su->unit);
    struct act_dom *dom;
    s_time_t promised;

    act_inherit_end(su);
    act_watch_sends(su, false);
    su->lend_max = 0;
    unit_schedule_unlock(lock, su->unit);

    spin_lock(&su->dom->budget_lock);
    promised = su->promised;
    spin_unlock(&su->dom->budget_lock);

    if ( !promised )
        return;

    list_for_each_entry ( dom, &prv->doms, elem )
    {
        struct act_unit *other;

        list_for_each_entry ( other, &dom->units, elem )
        {
            lock = unit_schedule_lock(other->unit);
            if ( other->donor == su )
                act_disinherit(other, NOW());
            unit_schedule_unlock(lock, other->unit);
        }
    }
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
