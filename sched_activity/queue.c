/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Order and choice: which unit is served first, on which pCPU, for how long.
 *
 * The earliest virtual deadline (clock.c) runs first. Critical and boosted units
 * have trees of their own that are served before. What they run is charged like
 * everything else, and a unit that is ahead of its share by more than debt_max is
 * one of the fair class again. So urgency is a loan, not a gift.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

/*
 * How long a unit waits before a pCPU of another queue may take it: as long as
 * it would take there to fill its caches again (1 MiB from memory, eight lines
 * at a time). So a move costs at most twice what knowing the future would.
 */
#define ACT_STEAL_AFTER MICROSECS(200)

/* So many at most are asked whether they ran on a pCPU before. */
#define ACT_WARM_UNITS 4

/* The class of a unit that no event has boosted. */
enum act_class act_class(struct act_unit *su, s_time_t now)
{
    if ( su->reserve_slice && act_reserve_has_time(su, now) )
        return act_reserve_pressed(su, now) ? ACT_NO_LAXITY : ACT_RESERVED;

    if ( act_urgency(su->dom, now) == XEN_SCHED_ACTIVITY_URGENCY_CRITICAL &&
         !act_in_debt(su, now) )
        return ACT_CRITICAL;

    return su->donor ? su->inherited : ACT_FAIR;
}

/*
 * What a tree is ordered by. Critical units: real deadlines, as their work has to
 * be done before more of it comes. The others: virtual ones, for their shares.
 */
static s_time_t act_key(const struct act_unit *su)
{
    if ( likely(su->class > ACT_CRITICAL) )
        return su->vdeadline;

    return su->class == ACT_CRITICAL ? su->deadline : su->reserve_deadline;
}

void act_insert(struct act_unit *su)
{
    struct act_runqueue *rq = su->rq;
    struct rb_root *root = &rq->tree[su->class];
    struct rb_node **link = &root->rb_node, *parent = NULL;
    s_time_t key = act_key(su);
    bool first = true;

    while ( *link )
    {
        parent = *link;
        /* Equal deadlines: who came first stays first. */
        if ( act_before(key, rb_entry(parent, struct act_unit, node)->key) )
            link = &parent->rb_left;
        else
        {
            link = &parent->rb_right;
            first = false;
        }
    }

    su->key = key;
    rb_link_node(&su->node, parent, link);
    rb_insert_color(&su->node, root);
    if ( first )
    {
        rq->first[su->class] = su;
        rq->classes |= 1U << su->class;
    }
    rq->nr_queued++;
    su->state = ACT_QUEUED;
}

void act_enqueue(struct act_unit *su, s_time_t now)
{
    ASSERT(su->state == ACT_OUT && !su->saving);

    if ( act_is_capped(su) && su->budget <= 0 &&
         now < read_atomic(&su->dom->ready) )
    {
        act_deactivate(su);
        act_cap_park(su);
        return;
    }

    /* A boosted unit that lost its pCPU before its slice ended stays so. */
    if ( su->class != ACT_BOOSTED || act_reserve_has_time(su, now) )
        su->class = act_class(su, now);

    su->queued = now;
    act_activate(su);
    act_insert(su);
    if ( su->reserve_slice )
        act_reserve_wait(su, now);
}

/*
 * The one behind the first of a tree. Nothing is to its left, so in a red-black
 * tree its right subtree is at most one node.
 */
static struct act_unit *act_second(const struct act_unit *first)
{
    struct rb_node *node = first->node.rb_right ?: rb_parent(&first->node);

    return node ? rb_entry(node, struct act_unit, node) : NULL;
}

/* Off its tree. It stays active: what it does next decides about that. */
void act_dequeue(struct act_unit *su)
{
    struct act_runqueue *rq = su->rq;

    ASSERT(su->state == ACT_QUEUED);

    if ( rq->first[su->class] == su )
    {
        struct act_unit *second = act_second(su);

        rq->first[su->class] = second;
        if ( !second )
            rq->classes &= ~(1U << su->class);
    }
    rq->nr_queued--;
    su->state = ACT_OUT;
    rb_erase(&su->node, &rq->tree[su->class]);
}

/* The terms of @su's domain have changed while it waits. */
void act_requeue(struct act_unit *su, s_time_t now)
{
    su->waited += now - su->queued;
    act_dequeue(su);
    act_new_slice(su, now);
    act_enqueue(su, now);
    act_tickle(su, now);
}

/* @su, which is queued, is to run early, for a short slice. */
void act_boost(struct act_unit *su, s_time_t now)
{
    act_dequeue(su);
    su->class = ACT_BOOSTED;
    su->boosts++;
    act_trace(boost, su, ACT_TRC_BOOST_EVENT);
    act_new_slice(su, now);
    act_insert(su);
    act_tickle(su, now);
}

/* For who knows that @cpu is one of the pool. */
static bool act_allows(const struct act_unit *su, unsigned int cpu)
{
    return cpumask_test_cpu(cpu, su->unit->cpu_hard_affinity);
}

/* A pCPU that leaves the pool is told by this first, and must end up idle. */
bool act_may_use(const struct act_unit *su, unsigned int cpu)
{
    return act_allows(su, cpu) &&
           cpumask_test_cpu(cpu,
                            cpupool_domain_master_cpumask(su->unit->domain));
}

/* Does @su go before @other? */
bool act_goes_first(const struct act_unit *su, const struct act_unit *other)
{
    if ( su->class != other->class )
        return su->class < other->class;

    return act_before(act_key(su), act_key(other));
}

/*
 * Is @su, which woke and has not run, or runs since, done before @boosted, by
 * evidence alone, is likely to be? All are late by the least if it goes first.
 */
static bool act_is_brief(const struct act_unit *su,
                         const struct act_unit *boosted, s_time_t now)
{
    return su->class == ACT_FAIR && (su->running || su->wake_time) &&
           su->burst_avg < su->dom->prv->params.slice_min &&
           su->burst < 2 * su->burst_avg &&
           act_urgency(boosted->dom, now) == XEN_SCHED_ACTIVITY_URGENCY_NORMAL;
}

/*
 * Is @su, which is queued, to have the pCPU of @cur, which runs? Not among those
 * that are boosted: each is soon done, and all are the sooner for fewer switches.
 */
static bool act_displaces(const struct act_unit *su, const struct act_unit *cur,
                          s_time_t now)
{
    if ( cur->class == ACT_BOOSTED && su->class >= ACT_BOOSTED )
        return act_is_brief(su, cur, now);

    return act_goes_first(su, cur) &&
           !(su->class == ACT_BOOSTED && act_is_brief(cur, su, now));
}

void act_tickle_cpu(struct act_runqueue *rq, unsigned int cpu)
{
    __cpumask_set_cpu(cpu, &rq->tickled);
    cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
}

/*
 * Of @mask, all idle, the best pCPU for a unit that ran on @cpu last: one whose
 * siblings (the threads of its core) are idle, too, by what @idle says; and @cpu
 * itself rather than another, as its caches may still be warm. nr_cpu_ids: none.
 */
unsigned int act_best_cpu(const cpumask_t *mask, const cpumask_t *idle,
                          unsigned int cpu)
{
    bool here = cpumask_test_cpu(cpu, mask);
    unsigned int other;

    if ( here && cpumask_subset(per_cpu(cpu_sibling_mask, cpu), idle) )
        return cpu;

    for_each_cpu ( other, mask )
        if ( cpumask_weight(per_cpu(cpu_sibling_mask, other)) > 1 || !here )
            if ( cpumask_subset(per_cpu(cpu_sibling_mask, other), idle) )
                return other;

    return here ? cpu : cpumask_first(mask);
}

/* An idle pCPU of its queue for @su, or nr_cpu_ids. */
static unsigned int act_find_idle(const struct act_unit *su)
{
    const struct sched_unit *unit = su->unit;
    unsigned int cpu = sched_unit_master(unit);
    cpumask_t *mask = cpumask_scratch_cpu(cpu);

    if ( cpumask_empty(&su->rq->idle) )
        return nr_cpu_ids;

    cpumask_andnot(mask, &su->rq->idle, &su->rq->tickled);
    cpumask_and(mask, mask, unit->cpu_hard_affinity);
    cpumask_and(mask, mask, cpupool_domain_master_cpumask(unit->domain));

    if ( has_soft_affinity(unit) &&
         cpumask_intersects(mask, unit->cpu_soft_affinity) )
        cpumask_and(mask, mask, unit->cpu_soft_affinity);

    return act_best_cpu(mask, mask, cpu);
}

/* Does a pCPU of its queue run something less urgent than a reservation? */
static bool act_reserve_prevails(const struct act_unit *su)
{
    unsigned int cpu;

    for_each_cpu ( cpu, &su->rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur && cur->class > ACT_RESERVED && act_may_use(su, cpu) &&
             !cpumask_test_cpu(cpu, &su->rq->tickled) )
            return true;
    }

    return false;
}

/* Get an idle pCPU of its queue to run @su, which is queued. False: there is none. */
static bool act_tell_idle_here(const struct act_unit *su)
{
    unsigned int cpu = act_find_idle(su);

    if ( cpu >= nr_cpu_ids )
        return false;

    act_trace(tickle, su, cpu, ACT_TRC_WHY_IDLE);
    act_tickle_cpu(su->rq, cpu);

    return true;
}

/* Get an idle pCPU to run @su, which is queued. False: there is none. */
static bool act_tell_idle(const struct act_unit *su)
{
    struct act_runqueue *rq = su->rq;
    struct act_private *prv = su->dom->prv;
    unsigned int cpu;

    if ( act_tell_idle_here(su) )
        return true;

    /* Within its reservation it does not wait for others to come. */
    if ( su->class <= ACT_RESERVED && act_reserve_prevails(su) )
        return false;

    /* An idle pCPU of another queue will come and take it. */
    for_each_cpu ( cpu, &prv->idle )
        if ( !cpumask_test_cpu(cpu, &rq->cpus) && act_may_use(su, cpu) &&
             cpumask_test_and_clear_cpu(cpu, &prv->idle) )
        {
            act_trace(tickle, su, cpu, ACT_TRC_WHY_STEAL);
            cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
            return true;
        }

    return false;
}

/*
 * Get an idle pCPU to run one of those that are queued, the first that can. One of
 * this queue takes a unit, or parks the last that it could. One of another (@any)
 * may find it too early for that, and go back to idle; so those that do that must
 * not tell each other.
 */
void act_tell_some_idle(struct act_runqueue *rq, bool any)
{
    unsigned int class, nr = 0;

    for ( class = 0; class < ACT_CLASSES; class++ )
    {
        const struct act_unit *su = rq->first[class];

        for ( ; su && nr < ACT_LOOK_UNITS; su = act_after(su), nr++ )
            if ( unit_runnable_state(su->unit) &&
                 (any ? act_tell_idle(su) : act_tell_idle_here(su)) )
                return;
    }
}

/*
 * A pCPU was told of work in another queue, and does not get to it, or may not use it:
 * the first idle one that comes after @cpu is told (-1: of all). Upwards only, so that
 * this has an end.
 */
void act_pass_word(struct act_private *prv, int cpu)
{
    unsigned int other;

    for ( other = cpumask_next(cpu, &prv->idle); other < nr_cpu_ids;
          other = cpumask_next(other, &prv->idle) )
        if ( cpumask_test_and_clear_cpu(other, &prv->idle) )
        {
            cpu_raise_softirq(other, SCHEDULE_SOFTIRQ);
            break;
        }
}

/* Is @su about to send the event that is being looked at? */
static bool act_sends(const struct act_unit *su)
{
    return current->activity.sending && current->sched_unit == su->unit;
}

/*
 * A unit that is about to be done as soon as @su will is left alone: two more
 * switches and cold caches would cost more than @su gains by it. So is the one
 * that woke @su, if its bursts are short: it may have others to wake, even if @su is
 * as urgent as that one only because of the event.
 */
static bool act_worth_preempting(const struct act_unit *su,
                                 const struct act_unit *cur)
{
    s_time_t burst = max(cur->burst, cur->burst_avg);

    if ( (su->class != ACT_FAIR || cur->class != ACT_FAIR) &&
         !(su->donor && su->class > ACT_RESERVED && act_sends(cur)) )
        return true;

    return burst >= 2 * su->burst_avg &&
           (burst >= su->dom->prv->params.slice_min || !act_sends(cur));
}

/* Does who waits in the fair class, or a class before it, preempt others? */
static bool act_may_preempt(const struct act_unit *su, s_time_t now)
{
    return su->class != ACT_FAIR ||
           (act_urgency(su->dom, now) != XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND &&
            !(act_in_gang(su, now) && act_gang_bides(su, now)));
}

/* Is @su, once it is queued, to have the pCPU of @cur, which runs, if it may use it? */
bool act_preempts(const struct act_unit *su, const struct act_unit *cur, s_time_t now)
{
    return act_may_preempt(su, now) && act_displaces(su, cur, now) &&
           act_worth_preempting(su, cur);
}

/* May @su have @cpu, of its queue, which runs one that computes and goes behind it? */
static bool act_may_interrupt(const struct act_unit *su, unsigned int cpu)
{
    const struct act_unit *cur = act_running(cpu);

    return cur && cur->rq == su->rq &&
           cur->burst > su->dom->prv->params.slice_min &&
           /* Who made room for it is to go elsewhere. */
           !cur->restricted &&
           (cur->class == ACT_FAIR || su->class > ACT_RESERVED) &&
           act_goes_first(su, cur) &&
           !cpumask_test_cpu(cpu, &su->rq->tickled) && act_may_use(su, cpu);
}

/* Find a pCPU for @su, which was just queued, and tell it to reschedule. */
void act_tickle(struct act_unit *su, s_time_t now)
{
    struct act_runqueue *rq = su->rq;
    struct act_unit *victim = NULL;
    unsigned int cpu, victim_cpu = nr_cpu_ids;

    if ( su->state != ACT_QUEUED || act_tell_idle(su) )
        return;

    if ( !act_may_preempt(su, now) )
        return;

    /* Who computes gives way where @su ran last, for the sake of its caches. */
    cpu = sched_unit_master(su->unit);
    if ( act_may_interrupt(su, cpu) )
    {
        act_trace(tickle, su, cpu, ACT_TRC_WHY_HOME);
        act_tickle_cpu(rq, cpu);
        return;
    }

    for_each_cpu ( cpu, &rq->cpus )
    {
        struct act_unit *cur = act_running(cpu);

        /* What tells most apart first, and is cheap to ask. */
        if ( cur && act_displaces(su, cur, now) &&
             (!victim || act_goes_first(victim, cur)) &&
             act_worth_preempting(su, cur) && act_may_use(su, cpu) &&
             !cpumask_test_cpu(cpu, &rq->tickled) )
        {
            victim = cur;
            victim_cpu = cpu;
        }
    }

    if ( victim )
    {
        act_trace(tickle, su, victim_cpu, ACT_TRC_WHY_LATEST);
        act_tickle_cpu(rq, victim_cpu);
        return;
    }

    cpu = su->restricted ? act_find_room(su, now) : nr_cpu_ids;
    if ( cpu < nr_cpu_ids )
    {
        act_trace(tickle, su, cpu, ACT_TRC_WHY_ROOM);
        act_tickle_cpu(rq, cpu);
    }
}

/*
 * A pCPU has chosen, or left. It may have been told of another unit than the one
 * it runs now: tell others of those that wait, in the classes up to @last.
 */
void act_tickle_queued(struct act_runqueue *rq, enum act_class last,
                       s_time_t now)
{
    unsigned int class, nr = 0;

    for ( class = 0; class <= last; class++ )
    {
        struct act_unit *su = rq->first[class];

        for ( ; su && nr < ACT_LOOK_UNITS; su = act_after(su), nr++ )
            if ( unit_runnable_state(su->unit) )
                act_tickle(su, now);
    }
}

/*
 * @su is the first of its tree, but has its data in another pCPU's cache. One of
 * the next few that ran on @cpu is as good, if it would have its turn soon.
 */
static noinline struct act_unit *act_prefer_warm(struct act_unit *su,
                                                 const struct act_unit *prev,
                                                 unsigned int cpu)
{
    s_time_t soon = su->vdeadline + su->dom->prv->params.slice_min;
    struct act_unit *other = su;
    unsigned int i;

    for ( i = 0; i < ACT_WARM_UNITS && (other = act_after(other)); i++ )
    {
        if ( !act_before(other->vdeadline, soon) ||
             (prev && !act_goes_first(other, prev)) )
            break;
        if ( sched_unit_master(other->unit) == cpu &&
             !act_is_capped(other) && act_allows(other, cpu) &&
             unit_runnable_state(other->unit) )
        {
            act_cap_return(su);
            return other;
        }
    }

    return su;
}

/*
 * @su, boosted, may have @cpu; has one that is brief just woken, who goes before it,
 * and @prev? A boost shows whether it was right when it runs, which may take as long.
 */
static noinline struct act_unit *act_prefer_brief(struct act_unit *su,
                                                  const struct act_unit *prev,
                                                  unsigned int cpu, s_time_t now)
{
    struct act_unit *brief = su->rq->first[ACT_FAIR];

    if ( !brief || !act_is_brief(brief, su, now) || act_is_capped(brief) ||
         (prev && !act_displaces(brief, prev, now)) ||
         !act_allows(brief, cpu) || !unit_runnable_state(brief->unit) )
        return su;

    act_cap_return(su);

    return brief;
}

/* @su is queued, but has no budget. */
static void act_park_queued(struct act_unit *su)
{
    act_dequeue(su);
    act_deactivate(su);
    act_cap_park(su);
}

/*
 * The first queued unit that @cpu may run now and that goes before @prev, if
 * there is a @prev; or, if @spinner gives way, that may be of use. Those whose budget is
 * used up are parked on the way.
 */
static struct act_unit *act_first(struct act_runqueue *rq,
                                  const struct act_unit *prev,
                                  const struct act_unit *spinner,
                                  unsigned int cpu, s_time_t now)
{
    unsigned int classes;

    for ( classes = rq->classes; classes; classes &= classes - 1 )
    {
        struct act_unit *su = rq->first[ffs(classes) - 1], *next;

        for ( ; su; su = next )
        {
            if ( prev && !act_displaces(su, prev, now) )
            {
                /* Who is brief goes before a boosted one, but is behind others. */
                if ( prev->class == ACT_BOOSTED )
                    break;
                return NULL;
            }

            /* Paused without a lock: the call of .sleep is on its way. */
            if ( !act_allows(su, cpu) || !unit_runnable_state(su->unit) ||
                 (act_in_gang(su, now) &&
                  act_gang_holds(su, prev, spinner, now)) )
            {
                next = act_after(su);
                continue;
            }

            if ( !act_is_capped(su) || act_cap_grab(su) )
            {
                if ( su->class == ACT_BOOSTED )
                    return act_prefer_brief(su, prev, cpu, now);
                return su->class != ACT_FAIR ||
                       sched_unit_master(su->unit) == cpu
                       ? su : act_prefer_warm(su, prev, cpu);
            }

            next = act_after(su);
            act_park_queued(su);
        }
    }

    return NULL;
}

/*
 * May @su, which is queued, wait until who runs has done so for as long as the rate
 * limit says? Not if it has just woken and is owed its mean burst; but who has had its
 * part gets no more of it by coming sooner, and does what comes meanwhile in one go. Nor
 * if one of its guest has woken or called it, which may wait for it, in turn. Who has a
 * cap comes back from being parked, and cannot take turns often; what it does not get in
 * time, the cap keeps it from getting later.
 */
static bool act_may_wait(const struct act_unit *su, s_time_t now)
{
    return su->class == ACT_FAIR && !act_is_capped(su) && !act_gang_comes(su, now) &&
           (!su->wake_time ||
            (!su->woken_by_sibling && act_lag(su, now) < su->burst_avg));
}

/*
 * What is @cpu, a valid one of the pool, which ran @prev, to run next, and for how
 * long at most? NULL: the queue has nothing for it. The choice, if queued, stays so.
 */
struct act_unit *act_pick(struct act_runqueue *rq, struct act_unit *prev,
                          unsigned int cpu, s_time_t now, s_time_t *limit)
{
    struct act_unit *next, *rival = NULL;
    const struct act_params *params;
    s_time_t run;
    bool gives_way;

    if ( !act_is_idle(prev) && unit_runnable_state(prev->unit) &&
         act_allows(prev, cpu) &&
         (!act_is_capped(prev) || act_cap_grab(prev)) )
        rival = prev;

    /* Who yields goes behind others, but not those of a lower class. */
    gives_way = rival && rival->yielded && rival->class > ACT_RESERVED &&
                act_gang_yield(rival, cpu, now);
    next = act_first(rq, gives_way ? NULL : rival, gives_way ? rival : NULL,
                     cpu, now);
    if ( !next && rival && unlikely(rq->nr_restricted) )
        next = act_gets_room(rival, cpu, now);
    if ( !next )
        next = rival;
    if ( !next )
        return NULL;

    if ( rival && next != rival && !gives_way && next->class >= ACT_BOOSTED &&
         !act_is_brief(next, rival, now) && act_event_fresh(rival, now) )
    {
        act_new_slice(rival, now);
        act_cap_return(next);
        next = rival;
    }

    params = &next->dom->prv->params;

    /* A switch now would cost more than the one who waits gains by it. */
    if ( rival && next != rival && !gives_way &&
         now < rival->picked + params->ratelimit && act_may_wait(next, now) )
    {
        run = rival->picked + params->ratelimit - now;
        act_cap_return(next);
        next = rival;
    }
    /* If nobody waits, too: a deadline that is over would go before all who wake. */
    else
        run = act_real(next, next->vdeadline - next->vruntime);

    if ( next->class <= ACT_RESERVED )
        run = next->reserve_left;
    else if ( next->donor )
        run = act_inherit_limit(next, now);
    if ( act_is_capped(next) )
        run = min(run, next->budget);
    /* Nothing but a boost has to end just then; event.c */
    if ( next->class == ACT_BOOSTED )
    {
        if ( next == prev && next->probe )
            run = min(run, next->probe - now);
        else if ( next != prev && next->event_waits )
            run = min(run, act_probe(next));
    }
    *limit = max(run, ACT_TIMER_MIN);

    return next;
}

/*
 * Of the first units queued in @rq, one that @cpu of another queue may take now.
 * NULL: there is none; if it may take one later, *again is lowered to when; *left:
 * there are some for others.
 */
static struct act_unit *act_first_ripe(struct act_runqueue *rq,
                                       unsigned int cpu, s_time_t now,
                                       s_time_t *again, bool *left)
{
    unsigned int class, nr = 0;

    for ( class = 0; class < ACT_CLASSES; class++ )
    {
        struct act_unit *su = rq->first[class], *next;

        for ( ; su && nr < ACT_LOOK_UNITS; su = next, nr++ )
        {
            s_time_t ripe = su->queued - su->waited + ACT_STEAL_AFTER;

            next = act_after(su);
            if ( !unit_runnable_state(su->unit) )
                continue;
            if ( !act_may_use(su, cpu) )
            {
                *left = true;
                continue;
            }

            if ( now < ripe )
                *again = min(*again, ripe);
            else if ( !act_is_capped(su) || act_cap_grab(su) )
                return su;
            else
                act_park_queued(su);
        }
    }

    return NULL;
}

static void act_take_over(struct act_unit *su, struct act_runqueue *rq,
                          unsigned int cpu, s_time_t now)
{
    act_dequeue(su);
    act_unassign(su, now);
    act_assign(su, rq, now);
    act_trace(move, su, cpu, true);
    sched_set_res(su->unit, get_sched_res(cpu));
    act_place(su, now);
    su->moved = true;
    act_activate(su);
    act_insert(su);
}

/*
 * @cpu's own queue has nothing for it: fetch a unit from another one, and queue
 * it in @rq. False: there is none; *again says when to ask again, as a unit has
 * not waited for long enough, or somebody holds a lock (perhaps who told this
 * pCPU that there is work). STIME_MAX: when told to.
 */
bool act_steal(struct act_private *prv, struct act_runqueue *rq,
               unsigned int cpu, s_time_t now, s_time_t *again)
{
    struct act_runqueue *peer;
    struct act_unit *su = NULL;
    bool left = false;

    *again = STIME_MAX;

    if ( !read_trylock(&prv->lock) )
    {
        *again = now + ACT_TIMER_MIN;
        return false;
    }

    list_for_each_entry ( peer, &prv->queues, elem )
    {
        if ( peer == rq || !read_atomic(&peer->nr_queued) )
            continue;

        if ( !spin_trylock(&peer->lock) )
        {
            *again = min(*again, now + ACT_TIMER_MIN);
            continue;
        }

        su = act_first_ripe(peer, cpu, now, again, &left);
        if ( su )
            act_take_over(su, rq, cpu, now);

        spin_unlock(&peer->lock);

        if ( su )
            break;
    }

    /* Somebody may have told this pCPU of another one than it took. */
    if ( su )
        list_for_each_entry ( peer, &prv->queues, elem )
            left |= peer != rq && read_atomic(&peer->nr_queued);

    read_unlock(&prv->lock);

    if ( unlikely(left) )
        act_pass_word(prv, su ? -1 : (int)cpu);

    return su;
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
