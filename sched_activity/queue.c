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
 * Urgency. Urgent units have a tree of their own that is served first. What they
 * run is charged like everything else, and a unit that is ahead of its share by
 * more than debt_max is not urgent any more. So urgency is a loan, not a gift.
 *
 * Waking. A unit that slept must not claim the time it did not use: its virtual
 * time is pulled up to a little behind that of the units it will compete with.
 * Who they are depends on the pCPUs it may use: units pinned elsewhere advance
 * at another pace and do not matter to it. Hence each pCPU keeps the virtual
 * time that its own work got to, and act_reference() looks at allowed ones only.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

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

    if ( su->boosted )
        return params->slice_min;

    /* Twice the burst, so that a burst of usual length fits into one slice. */
    return min(max(2 * burst, params->slice_min), params->slice_max);
}

static void act_new_slice(struct act_unit *su)
{
    su->vdeadline = su->vruntime + act_virtual(su, act_slice(su));
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

/* The virtual time that @su's competitors got to. */
static s_time_t act_reference(const struct act_unit *su, s_time_t now)
{
    const cpumask_t *hard = su->unit->cpu_hard_affinity;
    s_time_t ref = 0;
    bool found = false;
    unsigned int cpu;

    act_charge_running(su->rq, now);

    for_each_cpu ( cpu, &su->rq->cpus )
    {
        const struct act_pcpu *pc = act_pcpu(cpu);

        if ( pc && cpumask_test_cpu(cpu, hard) &&
             (!found || act_before(ref, pc->vtime)) )
        {
            ref = pc->vtime;
            found = true;
        }
    }

    return ref;
}

static bool act_in_debt(const struct act_unit *su, s_time_t ref)
{
    s_time_t debt_max = su->dom->prv->params.debt_max;

    return !debt_max ||
           !act_before(su->vruntime, ref + act_virtual(su, debt_max));
}

/* How far behind its competitors a unit that slept may start. */
static s_time_t act_lag_max(const struct act_unit *su)
{
    return act_virtual(su, su->dom->prv->params.slice_min);
}

/*
 * Give @su, which has just woken or come from elsewhere, a virtual time that
 * fits its competitors' and a new slice.
 */
void act_place(struct act_unit *su, s_time_t now)
{
    s_time_t ref = act_reference(su, now);
    s_time_t earliest = ref - act_lag_max(su);
    s_time_t latest = ref + act_virtual(su, su->dom->prv->params.slice_max);

    if ( act_before(su->vruntime, earliest) )
        su->vruntime = earliest;
    else if ( su->resync && act_before(latest, su->vruntime) )
        su->vruntime = latest;

    su->resync = false;
    act_new_slice(su);
}

/*
 * Virtual times of different queues have nothing to do with each other: outside
 * a queue a unit's is relative to where its competitors are.
 */
void act_assign(struct act_unit *su, struct act_runqueue *rq, s_time_t now)
{
    ASSERT(!su->rq && su->state == ACT_OUT);

    su->rq = rq;
    rq->nr_units++;
    su->vruntime += act_reference(su, now);
    su->resync = true;
}

void act_unassign(struct act_unit *su, s_time_t now)
{
    ASSERT(su->rq && su->state == ACT_OUT);

    su->vruntime -= act_reference(su, now);
    su->rq->nr_units--;
    su->rq = NULL;
}

/* Charge a running unit up to @now. */
void act_charge(struct act_unit *su, s_time_t now)
{
    s_time_t delta = now - su->charged;
    struct act_pcpu *pc;

    /* NOW() of different pCPUs may differ by a little. */
    if ( act_is_idle(su) || delta <= 0 )
        return;

    pc = act_pcpu(sched_unit_master(su->unit));

    su->charged = now;
    su->burst += delta;
    su->vruntime += act_virtual(su, delta);
    if ( act_is_capped(su) )
        su->budget -= delta;

    if ( su->urgent && act_in_debt(su, pc->vtime) )
    {
        su->urgent = su->boosted = false;
        act_new_slice(su);
    }

    if ( !act_before(su->vruntime, su->vdeadline) )
        act_expire_slice(su);

    if ( !su->urgent && act_before(pc->vtime, su->vruntime) )
        pc->vtime = su->vruntime;
}

/* The slice is used up, or given away. */
void act_expire_slice(struct act_unit *su)
{
    if ( su->boosted )
    {
        su->boosted = false;
        su->urgent = act_urgency(su->dom, su->charged) ==
                     XEN_SCHED_ACTIVITY_URGENCY_CRITICAL;
    }

    act_new_slice(su);
}

static void act_insert(struct act_unit *su)
{
    struct rb_root *root = su->urgent ? &su->rq->urgent : &su->rq->fair;
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

    if ( su->resync )
        act_place(su, now);

    if ( act_is_capped(su) && su->budget + read_atomic(&su->dom->budget) <= 0 )
    {
        act_cap_park(su);
        return;
    }

    su->urgent = (su->boosted || act_urgency(su->dom, now) ==
                                 XEN_SCHED_ACTIVITY_URGENCY_CRITICAL) &&
                 !act_in_debt(su, act_reference(su, now));

    act_insert(su);
}

void act_dequeue(struct act_unit *su)
{
    ASSERT(su->state == ACT_QUEUED);

    rb_erase(&su->node, su->urgent ? &su->rq->urgent : &su->rq->fair);
    su->rq->nr_queued--;
    su->state = ACT_OUT;
}

/* An event reached @su, which waits for a pCPU. True: it is urgent now. */
bool act_boost(struct act_unit *su, s_time_t now)
{
    if ( su->state != ACT_QUEUED || su->urgent ||
         act_urgency(su->dom, now) < XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE ||
         act_in_debt(su, act_reference(su, now)) )
        return false;

    act_dequeue(su);
    su->boosted = su->urgent = true;
    su->boosts++;
    act_new_slice(su);
    act_insert(su);

    return true;
}

/* Does @su go before @other? */
static bool act_goes_first(const struct act_unit *su,
                           const struct act_unit *other)
{
    if ( su->urgent != other->urgent )
        return su->urgent;

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

    if ( has_soft_affinity(unit) &&
         cpumask_intersects(mask, unit->cpu_soft_affinity) )
        cpumask_and(mask, mask, unit->cpu_soft_affinity);

    /* Where it ran last its data may still be in the cache. */
    return cpumask_test_cpu(cpu, mask) ? cpu : cpumask_first(mask);
}

/* Find a pCPU for @su, which was just queued, and tell it to reschedule. */
void act_tickle(struct act_unit *su, s_time_t now)
{
    struct act_runqueue *rq = su->rq;
    struct act_private *prv = su->dom->prv;
    const cpumask_t *hard = su->unit->cpu_hard_affinity;
    struct act_unit *victim = NULL;
    unsigned int cpu, victim_cpu = nr_cpu_ids;

    if ( su->state != ACT_QUEUED )
        return;

    cpu = act_find_idle(su);
    if ( cpu < nr_cpu_ids )
    {
        act_tickle_cpu(rq, cpu);
        return;
    }

    /* An idle pCPU of another queue will come and take it. */
    cpumask_andnot(cpumask_scratch_cpu(sched_unit_master(su->unit)),
                   &prv->idle, &rq->cpus);
    cpu = cpumask_first(cpumask_scratch_cpu(sched_unit_master(su->unit)));
    for ( ; cpu < nr_cpu_ids;
          cpu = cpumask_next(cpu, cpumask_scratch_cpu(
                                      sched_unit_master(su->unit))) )
        if ( cpumask_test_cpu(cpu, hard) )
        {
            cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
            break;
        }

    if ( !su->urgent && act_urgency(su->dom, now) ==
                        XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND )
        return;

    act_charge_running(rq, now);

    for_each_cpu ( cpu, &rq->cpus )
    {
        struct act_unit *cur = act_running(cpu);

        if ( !cur || !cpumask_test_cpu(cpu, hard) ||
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
 * The first unit of @root that @cpu may run now and that goes before @prev, if
 * there is a @prev. Those whose budget is used up are parked on the way.
 */
static struct act_unit *act_first(struct rb_root *root,
                                  const struct act_unit *prev,
                                  unsigned int cpu)
{
    struct rb_node *node = rb_first(root), *next;

    for ( ; node; node = next )
    {
        struct act_unit *su = rb_entry(node, struct act_unit, node);

        next = rb_next(node);

        if ( prev && !act_goes_first(su, prev) )
            break;

        if ( !cpumask_test_cpu(cpu, su->unit->cpu_hard_affinity) )
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
         cpumask_test_cpu(cpu, prev->unit->cpu_hard_affinity) &&
         (!act_is_capped(prev) || act_cap_grab(prev)) )
        rival = prev;

    next = act_first(&rq->urgent, rival && !rival->yielded ? rival : NULL, cpu);
    if ( !next )
        next = act_first(&rq->fair, rival && !rival->yielded ? rival : NULL,
                         cpu);

    if ( !next )
        next = rival;

    if ( !next )
        return NULL;

    params = &next->dom->prv->params;

    /* A switch now would cost more than the one who waits gains by it. */
    if ( rival && next != rival && !rival->yielded &&
         next->urgent == rival->urgent &&
         act_slice(next) > params->slice_min &&
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
 * @cpu's own queue has nothing for it: fetch a unit from another one. Returns
 * it queued in @rq.
 */
struct act_unit *act_steal(struct act_private *prv, struct act_runqueue *rq,
                           unsigned int cpu, s_time_t now)
{
    struct act_runqueue *peer;
    struct act_unit *su = NULL;

    if ( !read_trylock(&prv->lock) )
        return NULL;

    list_for_each_entry ( peer, &prv->queues, elem )
    {
        if ( peer == rq || !read_atomic(&peer->nr_queued) ||
             !spin_trylock(&peer->lock) )
            continue;

        su = act_first(&peer->urgent, NULL, cpu) ?:
             act_first(&peer->fair, NULL, cpu);
        if ( su )
        {
            act_dequeue(su);
            act_unassign(su, now);
            act_assign(su, rq, now);
            sched_set_res(su->unit, get_sched_res(cpu));
            act_place(su, now);
            su->moved = true;
            act_insert(su);
        }

        spin_unlock(&peer->lock);

        if ( su )
            break;
    }

    read_unlock(&prv->lock);

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
