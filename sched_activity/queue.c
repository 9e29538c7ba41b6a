/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Order and choice.
 *
 * Share. Each unit has a virtual time, the time it ran divided by its weight.
 * It asks for the pCPU a slice at a time; its virtual deadline is the virtual
 * time at which the slice is used up, and the earliest deadline runs first. So
 * nobody gets ahead of another by more than a slice, and a unit with a short
 * slice is served sooner, but not more.
 *
 * Latency. The slice follows the unit's own bursts: who needs the pCPU shortly
 * asks for little and is served soon; who computes gets long slices.
 *
 * Urgency. Critical and boosted units have trees of their own that are served
 * first. What they run is charged like everything else, and a unit that is ahead
 * of its share by more than debt_max is one of the fair class again. So urgency
 * is a loan, not a gift.
 *
 * Waking. A unit that slept must not claim the time it did not use: its virtual
 * time is pulled up to a little behind the mean of those it will compete with.
 * Only they matter: units pinned to other pCPUs advance at a pace of their own,
 * which says nothing to this one. And a unit that has a pCPU to itself, because
 * of its weight or of affinity, must neither save up nor owe without end; so
 * virtual times are kept within ACT_SPREAD_SLICES slices of that mean.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

/* Among units that do compete the spread is below one slice; twice that leaves
 * them alone. */
#define ACT_SPREAD_SLICES 2

/* Looks at so many queued units, not all: a bound on what a wake-up costs. */
#define ACT_LOOK_UNITS 16

static s_time_t act_virtual(const struct act_unit *su, s_time_t ns)
{
    return ns * ACT_WEIGHT_SCALE / read_atomic(&su->dom->weight);
}

unsigned int act_urgency(const struct act_dom *dom, s_time_t now)
{
    unsigned int urgency = read_atomic(&dom->urgency);

    if ( now >= read_atomic(&dom->urgency_until) )
        return XEN_SCHED_ACTIVITY_URGENCY_NORMAL;

    return urgency;
}

static s_time_t act_slice(const struct act_unit *su)
{
    const struct act_params *params = &su->dom->prv->params;
    s_time_t burst = max(su->burst, su->burst_avg);

    if ( su->class == ACT_BOOSTED )
        return params->slice_min;

    /* Twice the burst, so that a burst of usual length fits into one slice. */
    return min(max(2 * burst, params->slice_min), params->slice_max);
}

/* Charge what runs on the queue's pCPUs, so that their order can be compared. */
static void act_charge_running(struct act_runqueue *rq, s_time_t now)
{
    unsigned int cpu;

    for_each_cpu ( cpu, &rq->cpus )
    {
        struct act_unit *su = act_running(cpu);

        if ( su )
            act_charge(su, now);
    }
}

/* Sums for the mean virtual time of a unit's competitors. */
struct act_mean {
    s_time_t base;                /* virtual time that the sum counts from  */
    s_time_t sum;                 /* of weight * (virtual time - base)      */
    uint64_t weight;              /* their sum                              */
    unsigned int lightest;        /* the least of them                      */
};

static void act_mean_add(struct act_mean *mean, const struct act_unit *su,
                         const struct act_unit *other)
{
    unsigned int weight;

    if ( other == su || other->class != ACT_FAIR ||
         !cpumask_intersects(other->unit->cpu_hard_affinity,
                             su->unit->cpu_hard_affinity) )
        return;

    weight = read_atomic(&other->dom->weight);
    if ( !mean->weight )
    {
        mean->base = other->vruntime;
        mean->lightest = weight;
    }
    mean->lightest = min(mean->lightest, weight);
    mean->weight += weight;
    mean->sum += (other->vruntime - mean->base) * weight;
}

/*
 * Where do the competitors of @su stand: the weighted mean of the virtual times
 * of the fair units that run or wait in its queue and may use a pCPU that it may
 * use? And how far may they be apart? The lightest decides that: its slice is the
 * longest in virtual time. False: there are none.
 */
static bool act_competitors(const struct act_unit *su, s_time_t *vtime,
                            s_time_t *spread)
{
    const struct act_runqueue *rq = su->rq;
    struct act_mean mean = { .weight = 0 };
    struct rb_node *node = rb_first(&rq->tree[ACT_FAIR]);
    unsigned int i, cpu;

    for_each_cpu ( cpu, &rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur )
            act_mean_add(&mean, su, cur);
    }

    for ( i = 0; node && i < ACT_LOOK_UNITS; node = rb_next(node), i++ )
        act_mean_add(&mean, su, rb_entry(node, struct act_unit, node));

    if ( !mean.weight )
        return false;

    *vtime = mean.base + mean.sum / (s_time_t)mean.weight;
    *spread = ACT_SPREAD_SLICES * su->dom->prv->params.slice_max *
              ACT_WEIGHT_SCALE /
              min(mean.lightest, read_atomic(&su->dom->weight));

    return true;
}

/* Is @su so far ahead of its competitors that it may not be urgent? */
static bool act_in_debt(const struct act_unit *su)
{
    s_time_t debt_max = su->dom->prv->params.debt_max, vtime, spread;

    if ( !debt_max )
        return true;

    return act_competitors(su, &vtime, &spread) &&
           !act_before(su->vruntime, vtime + act_virtual(su, debt_max));
}

/* The class of a unit that no event has boosted. */
static enum act_class act_class(const struct act_unit *su, s_time_t now)
{
    return act_urgency(su->dom, now) == XEN_SCHED_ACTIVITY_URGENCY_CRITICAL &&
           !act_in_debt(su) ? ACT_CRITICAL : ACT_FAIR;
}

/*
 * Start a slice. The virtual time may be up to @behind (real time) behind that of
 * the competitors, and the spread they may have, and a debt, ahead of it.
 */
static void act_new_slice(struct act_unit *su, s_time_t behind)
{
    s_time_t vtime, spread;

    if ( act_competitors(su, &vtime, &spread) )
    {
        s_time_t first = vtime - (behind == STIME_MAX ? spread :
                                  act_virtual(su, behind));
        /* What was borrowed is not forgiven. */
        s_time_t last = vtime + spread +
                        act_virtual(su, su->dom->prv->params.debt_max);

        if ( act_before(su->vruntime, first) )
            su->vruntime = first;
        else if ( act_before(last, su->vruntime) )
            su->vruntime = last;
    }

    su->vdeadline = su->vruntime + act_virtual(su, act_slice(su));
}

/* @su has just woken, or come from another queue, and has no slice. */
void act_place(struct act_unit *su)
{
    /* It slept: the work that the event brought is done. */
    if ( su->class == ACT_BOOSTED )
        su->class = ACT_FAIR;
    act_new_slice(su, su->dom->prv->params.slice_min);
}

/*
 * Virtual times of different queues have nothing to do with each other: outside
 * a queue a unit's is relative to where its competitors are.
 */
void act_assign(struct act_unit *su, struct act_runqueue *rq)
{
    s_time_t vtime, spread;

    ASSERT(!su->rq && su->state == ACT_OUT);

    su->rq = rq;
    rq->nr_units++;
    if ( act_competitors(su, &vtime, &spread) )
        su->vruntime += vtime;
}

void act_unassign(struct act_unit *su)
{
    s_time_t vtime, spread;

    ASSERT(su->rq && su->state == ACT_OUT);

    if ( act_competitors(su, &vtime, &spread) )
        su->vruntime -= vtime;
    else
        su->vruntime = 0;
    su->rq->nr_units--;
    su->rq = NULL;
}

/* Charge a running unit up to @now. */
void act_charge(struct act_unit *su, s_time_t now)
{
    s_time_t delta = now - su->charged;

    /* NOW() of different pCPUs may differ by a little. */
    if ( act_is_idle(su) || delta <= 0 )
        return;

    su->charged = now;
    su->burst += delta;
    su->vruntime += act_virtual(su, delta);
    if ( act_is_capped(su) )
        su->budget -= delta;

    if ( !act_before(su->vruntime, su->vdeadline) ||
         (su->class != ACT_FAIR && act_in_debt(su)) )
        act_expire_slice(su);
}

/* The slice is used up, or given away. A boost lasts for one slice only. */
void act_expire_slice(struct act_unit *su)
{
    if ( su->class != ACT_FAIR )
        su->class = act_class(su, su->charged);

    act_new_slice(su, STIME_MAX);
}

static void act_insert(struct act_unit *su)
{
    struct rb_root *root = &su->rq->tree[su->class];
    struct rb_node **link = &root->rb_node, *parent = NULL;

    while ( *link )
    {
        const struct act_unit *other;

        parent = *link;
        other = rb_entry(parent, struct act_unit, node);
        /* Equal deadlines: who came first stays first. */
        link = act_before(su->vdeadline, other->vdeadline) ? &parent->rb_left
                                                           : &parent->rb_right;
    }

    rb_link_node(&su->node, parent, link);
    rb_insert_color(&su->node, root);
    su->rq->nr_queued++;
    su->state = ACT_QUEUED;
}

void act_enqueue(struct act_unit *su, s_time_t now)
{
    ASSERT(su->state == ACT_OUT && !su->saving);

    if ( act_is_capped(su) && su->budget + read_atomic(&su->dom->budget) <= 0 )
    {
        act_cap_park(su);
        return;
    }

    /* A boosted unit that lost its pCPU before its slice ended stays so. */
    if ( su->class != ACT_BOOSTED )
        su->class = act_class(su, now);

    act_insert(su);
}

void act_dequeue(struct act_unit *su)
{
    ASSERT(su->state == ACT_QUEUED);

    rb_erase(&su->node, &su->rq->tree[su->class]);
    su->rq->nr_queued--;
    su->state = ACT_OUT;
}

/* The terms of @su's domain have changed while it waits. */
void act_requeue(struct act_unit *su, s_time_t now)
{
    act_dequeue(su);
    act_new_slice(su, STIME_MAX);
    act_enqueue(su, now);
    act_tickle(su, now);
}

/* An event reached @su, which waits for a pCPU. True: it got ahead. */
bool act_boost(struct act_unit *su, s_time_t now)
{
    if ( su->state != ACT_QUEUED || su->class != ACT_FAIR ||
         act_urgency(su->dom, now) < XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE ||
         act_in_debt(su) )
        return false;

    act_dequeue(su);
    su->class = ACT_BOOSTED;
    su->boosts++;
    act_new_slice(su, STIME_MAX);
    act_insert(su);

    return true;
}

/* A pCPU that leaves the pool is told by this first, and must end up idle. */
static bool act_may_use(const struct act_unit *su, unsigned int cpu)
{
    return cpumask_test_cpu(cpu, su->unit->cpu_hard_affinity) &&
           cpumask_test_cpu(cpu,
                            cpupool_domain_master_cpumask(su->unit->domain));
}

/* Does @su go before @other? */
static bool act_goes_first(const struct act_unit *su,
                           const struct act_unit *other)
{
    if ( su->class != other->class )
        return su->class < other->class;

    return act_before(su->vdeadline, other->vdeadline);
}

static void act_tickle_cpu(struct act_runqueue *rq, unsigned int cpu)
{
    __cpumask_set_cpu(cpu, &rq->tickled);
    cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
}

/* An idle pCPU of its queue for @su, or nr_cpu_ids. */
static unsigned int act_find_idle(const struct act_unit *su)
{
    const struct sched_unit *unit = su->unit;
    unsigned int cpu = sched_unit_master(unit);
    cpumask_t *mask = cpumask_scratch_cpu(cpu);

    cpumask_andnot(mask, &su->rq->idle, &su->rq->tickled);
    cpumask_and(mask, mask, unit->cpu_hard_affinity);
    cpumask_and(mask, mask, cpupool_domain_master_cpumask(unit->domain));

    if ( has_soft_affinity(unit) &&
         cpumask_intersects(mask, unit->cpu_soft_affinity) )
        cpumask_and(mask, mask, unit->cpu_soft_affinity);

    /* Where it ran last its data may still be in the cache. */
    return cpumask_test_cpu(cpu, mask) ? cpu : cpumask_first(mask);
}

/* Get an idle pCPU to run @su, which is queued. False: there is none. */
static bool act_tell_idle(const struct act_unit *su)
{
    struct act_runqueue *rq = su->rq;
    struct act_private *prv = su->dom->prv;
    unsigned int cpu = act_find_idle(su);

    if ( cpu < nr_cpu_ids )
    {
        act_tickle_cpu(rq, cpu);
        return true;
    }

    /* An idle pCPU of another queue will come and take it. */
    for_each_cpu ( cpu, &prv->idle )
        if ( !cpumask_test_cpu(cpu, &rq->cpus) && act_may_use(su, cpu) &&
             cpumask_test_and_clear_cpu(cpu, &prv->idle) )
        {
            cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
            return true;
        }

    return false;
}

/*
 * A pCPU took a unit, or has a tasklet to run. It may have been told of another
 * unit, which is to have an idle pCPU all the same. One at a time: each pCPU that
 * takes one comes by here.
 */
void act_tickle_idle(struct act_private *prv, struct act_runqueue *rq)
{
    unsigned int class, nr = 0;

    if ( !rq->nr_queued || cpumask_empty(&prv->idle) )
        return;

    for ( class = 0; class < ACT_CLASSES; class++ )
    {
        struct rb_node *node = rb_first(&rq->tree[class]);

        for ( ; node && nr < ACT_LOOK_UNITS; node = rb_next(node), nr++ )
            if ( act_tell_idle(rb_entry(node, struct act_unit, node)) )
                return;
    }
}

/* @cpu was told of work in another queue, but has found some in its own. */
void act_pass_word(struct act_private *prv, unsigned int cpu)
{
    unsigned int other;

    for_each_cpu ( other, &prv->idle )
        if ( other != cpu && cpumask_test_and_clear_cpu(other, &prv->idle) )
        {
            cpu_raise_softirq(other, SCHEDULE_SOFTIRQ);
            break;
        }
}

/* Find a pCPU for @su, which was just queued, and tell it to reschedule. */
void act_tickle(struct act_unit *su, s_time_t now)
{
    struct act_runqueue *rq = su->rq;
    struct act_unit *victim = NULL;
    unsigned int cpu, victim_cpu = nr_cpu_ids;

    if ( su->state != ACT_QUEUED || act_tell_idle(su) )
        return;

    if ( su->class == ACT_FAIR && act_urgency(su->dom, now) ==
                                  XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND )
        return;

    act_charge_running(rq, now);

    for_each_cpu ( cpu, &rq->cpus )
    {
        struct act_unit *cur = act_running(cpu);

        if ( !cur || !act_may_use(su, cpu) ||
             cpumask_test_cpu(cpu, &rq->tickled) ||
             !act_goes_first(su, cur) )
            continue;

        if ( !victim || act_goes_first(victim, cur) )
        {
            victim = cur;
            victim_cpu = cpu;
        }
    }

    if ( victim )
        act_tickle_cpu(rq, victim_cpu);
}

/*
 * The first queued unit that @cpu may run now and that goes before @prev, if
 * there is a @prev. Those whose budget is used up are parked on the way.
 */
static struct act_unit *act_first(struct act_runqueue *rq,
                                  const struct act_unit *prev,
                                  unsigned int cpu)
{
    unsigned int class;

    for ( class = 0; class < ACT_CLASSES; class++ )
    {
        struct rb_node *node = rb_first(&rq->tree[class]), *next;

        for ( ; node; node = next )
        {
            struct act_unit *su = rb_entry(node, struct act_unit, node);

            next = rb_next(node);

            if ( prev && !act_goes_first(su, prev) )
                return NULL;

            if ( !act_may_use(su, cpu) )
                continue;

            /* Paused without a lock; the call of .sleep is on its way. */
            if ( !unit_runnable_state(su->unit) )
                continue;

            if ( act_is_capped(su) && !act_cap_grab(su) )
            {
                act_dequeue(su);
                act_cap_park(su);
                continue;
            }

            return su;
        }
    }

    return NULL;
}

/*
 * What is @cpu, which ran @prev, to run next, and for how long at most? NULL:
 * the queue has nothing for it. The choice, if queued, stays so.
 */
struct act_unit *act_pick(struct act_runqueue *rq, struct act_unit *prev,
                          unsigned int cpu, s_time_t now, s_time_t *limit)
{
    struct act_unit *next, *rival = NULL;
    const struct act_params *params;

    if ( !act_is_idle(prev) && unit_runnable_state(prev->unit) &&
         act_may_use(prev, cpu) &&
         (!act_is_capped(prev) || act_cap_grab(prev)) )
        rival = prev;

    next = act_first(rq, rival && !rival->yielded ? rival : NULL, cpu);
    if ( !next )
        next = rival;
    if ( !next )
        return NULL;

    params = &next->dom->prv->params;

    /* A switch now would cost more than the one who waits gains by it. */
    if ( rival && next != rival && !rival->yielded &&
         next->class == ACT_FAIR && act_slice(next) > params->slice_min &&
         now < rival->picked + params->ratelimit )
    {
        *limit = rival->picked + params->ratelimit - now;
        next = rival;
    }
    else if ( next == rival && !rq->nr_queued )
        *limit = params->slice_max;
    else
        *limit = (next->vdeadline - next->vruntime) *
                 read_atomic(&next->dom->weight) / ACT_WEIGHT_SCALE;

    if ( act_is_capped(next) )
        *limit = min(*limit, next->budget);
    *limit = max(*limit, ACT_TIMER_MIN);

    return next;
}

/*
 * @cpu's own queue has nothing for it: fetch a unit from another one, and queue
 * it in @rq. 0: there is none; -EBUSY: ask again soon, somebody holds a lock
 * (perhaps who told this pCPU that there is work).
 */
int act_steal(struct act_private *prv, struct act_runqueue *rq,
              unsigned int cpu)
{
    struct act_runqueue *peer;
    struct act_unit *su = NULL;
    int rc = 0;

    if ( !read_trylock(&prv->lock) )
        return -EBUSY;

    list_for_each_entry ( peer, &prv->queues, elem )
    {
        if ( peer == rq || !read_atomic(&peer->nr_queued) )
            continue;

        if ( !spin_trylock(&peer->lock) )
        {
            rc = -EBUSY;
            continue;
        }

        su = act_first(peer, NULL, cpu);
        if ( su )
        {
            act_dequeue(su);
            act_unassign(su);
            act_assign(su, rq);
            sched_set_res(su->unit, get_sched_res(cpu));
            act_place(su);
            su->moved = true;
            act_insert(su);
        }

        spin_unlock(&peer->lock);

        if ( su )
        {
            rc = 1;
            break;
        }
    }

    read_unlock(&prv->lock);

    return rc;
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
