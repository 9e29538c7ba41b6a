/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The activity scheduler: the operations Xen's scheduler core calls, and which
 * run queue a unit belongs to. What is shared, and the order of locks, stands in
 * private.h.
 */
#include <xen/err.h>
#include <xen/init.h>
#include <xen/lib.h>
#include <xen/softirq.h>
#include <xen/xmalloc.h>

#include "private.h"

/*
 * Per-pool data
 */

static int cf_check act_init(struct scheduler *ops)
{
    struct act_private *prv = xzalloc(struct act_private);

    if ( !prv )
        return -ENOMEM;

    rwlock_init(&prv->lock);
    INIT_LIST_HEAD(&prv->queues);
    INIT_LIST_HEAD(&prv->doms);
    act_params_init(&prv->params);
    ops->sched_data = prv;
    /* Those of guests that sleep, above all: they are late by no more than a switch. */
    timers_be_prompt(true);

    printk(XENLOG_INFO "Initializing activity scheduler\n");

    return 0;
}

static void cf_check act_deinit(struct scheduler *ops)
{
    timers_be_prompt(false);
    xfree(ops->sched_data);
    ops->sched_data = NULL;
}

/*
 * pCPUs and their queues
 */

static void *cf_check act_alloc_pdata(const struct scheduler *ops, int cpu)
{
    struct act_private *prv = act_priv(ops);
    struct act_pcpu *pc = xzalloc(struct act_pcpu);
    struct act_runqueue *fresh = xzalloc(struct act_runqueue), *rq;
    unsigned long flags;
    unsigned int i;

    if ( !pc || !fresh )
    {
        xfree(pc);
        xfree(fresh);
        return ERR_PTR(-ENOMEM);
    }

    spin_lock_init(&fresh->lock);
    fresh->socket = cpu_to_socket(cpu);
    for ( i = 0; i < ACT_CLASSES; i++ )
        fresh->tree[i] = RB_ROOT;
    INIT_LIST_HEAD(&fresh->units);
    INIT_LIST_HEAD(&fresh->parked);
    INIT_LIST_HEAD(&fresh->reserved);

    write_lock_irqsave(&prv->lock, flags);

    /* A socket is the smallest cache group that every version of Xen knows. */
    list_for_each_entry ( rq, &prv->queues, elem )
        if ( rq->socket == fresh->socket && rq->refs < ACT_QUEUE_CPUS_MAX )
            break;

    if ( &rq->elem == &prv->queues )
    {
        rq = fresh;
        fresh = NULL;
        list_add_tail(&rq->elem, &prv->queues);
    }
    rq->refs++;
    pc->rq = rq;

    write_unlock_irqrestore(&prv->lock, flags);

    xfree(fresh);

    return pc;
}

static void cf_check act_free_pdata(const struct scheduler *ops, void *pcpu,
                                    int cpu)
{
    struct act_private *prv = act_priv(ops);
    struct act_pcpu *pc = pcpu;
    struct act_runqueue *rq;
    unsigned long flags;

    if ( !pc )
        return;

    write_lock_irqsave(&prv->lock, flags);
    rq = pc->rq;
    if ( --rq->refs )
        rq = NULL;
    else
    {
        ASSERT(!rq->nr_units);
        list_del(&rq->elem);
    }
    write_unlock_irqrestore(&prv->lock, flags);

    xfree(rq);
    xfree(pc);
}

/* The lock of the queue is held. */
static void act_cpus_changed(struct act_runqueue *rq)
{
    struct act_unit *su;

    rq->nr_cpus = cpumask_weight(&rq->cpus);
    rq->round.up_to = 0;

    list_for_each_entry ( su, &rq->units, queue_elem )
        act_restrict(su, su->unit->cpu_hard_affinity);
}

/* @cpu comes to us. The lock of its old scheduler is held, which has no order to
 * ours, and interrupts are off. */
static spinlock_t *cf_check act_switch_sched(struct scheduler *ops,
                                             unsigned int cpu, void *pdata,
                                             void *vdata)
{
    struct act_private *prv = act_priv(ops);
    struct act_pcpu *pc = pdata;
    struct act_runqueue *rq = pc->rq;

    ASSERT(!local_irq_is_enabled());

    sched_idle_unit(cpu)->priv = vdata;

    write_lock(&prv->lock);
    spin_lock(&rq->lock);
    __cpumask_set_cpu(cpu, &rq->cpus);
    __cpumask_set_cpu(cpu, &rq->idle);
    act_cpus_changed(rq);
    spin_unlock(&rq->lock);
    cpumask_set_cpu(cpu, &prv->idle);
    write_unlock(&prv->lock);

    return &rq->lock;
}

/* @cpu has left us; get_sched_res(cpu) tells nothing of ours any more. */
static void cf_check act_deinit_pdata(const struct scheduler *ops, void *pcpu,
                                      int cpu)
{
    struct act_private *prv = act_priv(ops);
    struct act_pcpu *pc = pcpu;
    struct act_runqueue *rq = pc->rq;
    unsigned long flags;
    unsigned int other;

    write_lock_irqsave(&prv->lock, flags);
    cpumask_clear_cpu(cpu, &prv->idle);
    spin_lock(&rq->lock);
    __cpumask_clear_cpu(cpu, &rq->cpus);
    __cpumask_clear_cpu(cpu, &rq->idle);
    __cpumask_clear_cpu(cpu, &rq->tickled);
    act_cpus_changed(rq);
    act_reserve_shrink(prv, rq);
    act_tickle_queued(rq, ACT_FAIR, NOW());
    spin_unlock(&rq->lock);
    /* It may have been going to fetch work, from here or from another queue. */
    for_each_cpu ( other, &prv->idle )
        cpu_raise_softirq(other, SCHEDULE_SOFTIRQ);
    write_unlock_irqrestore(&prv->lock, flags);
}

/*
 * Domains
 */

/*
 * A domain that moves here from another pool of ours keeps what it was given:
 * neither cap nor urgency can be escaped, or lost, by a move.
 */
static void act_bring_along(struct act_dom *dom)
{
    const struct cpupool *from = dom->dom->cpupool;
    struct act_dom *old = dom->dom->sched_priv;

    if ( !from || !old || from->sched->sched_id != XEN_SCHEDULER_ACTIVITY )
        return;

    dom->weight = old->weight;
    dom->urgency = old->urgency;
    dom->urgency_until = old->urgency_until;
    act_cap_bring_along(dom, old);
}

static void *cf_check act_alloc_domdata(const struct scheduler *ops,
                                        struct domain *d)
{
    struct act_private *prv = act_priv(ops);
    struct act_dom *dom = xzalloc(struct act_dom), *other;
    unsigned long flags;

    if ( !dom )
        return ERR_PTR(-ENOMEM);

    dom->dom = d;
    dom->prv = prv;
    dom->weight = XEN_SCHED_ACTIVITY_WEIGHT_DEFAULT;
    dom->urgency = XEN_SCHED_ACTIVITY_URGENCY_NORMAL;
    INIT_LIST_HEAD(&dom->units);
    act_cap_init(dom);
    act_bring_along(dom);

    write_lock_irqsave(&prv->lock, flags);
    list_for_each_entry ( other, &prv->doms, elem )
        if ( other->dom->domain_id > d->domain_id )
            break;
    list_add_tail(&dom->elem, &other->elem);
    write_unlock_irqrestore(&prv->lock, flags);

    return dom;
}

static void cf_check act_free_domdata(const struct scheduler *ops, void *data)
{
    struct act_private *prv = act_priv(ops);
    struct act_dom *dom = data;
    unsigned long flags;

    if ( !dom )
        return;

    act_cap_destroy(dom);

    write_lock_irqsave(&prv->lock, flags);
    ASSERT(list_empty(&dom->units));
    if ( prv->read == dom )
        prv->read = NULL;
    list_del(&dom->elem);
    write_unlock_irqrestore(&prv->lock, flags);

    xfree(dom);
}

/*
 * Units: from creation to removal
 */

static void *cf_check act_alloc_udata(const struct scheduler *ops,
                                      struct sched_unit *unit, void *dd)
{
    struct act_unit *su = xzalloc(struct act_unit);

    if ( !su )
        return NULL;

    su->unit = unit;
    su->dom = dd;
    su->state = ACT_OUT;
    su->class = ACT_FAIR;
    INIT_LIST_HEAD(&su->elem);
    INIT_LIST_HEAD(&su->queue_elem);
    INIT_LIST_HEAD(&su->parked_elem);
    INIT_LIST_HEAD(&su->reserved_elem);
    if ( dd )
        act_reserve_init(su);

    return su;
}

static void cf_check act_free_udata(const struct scheduler *ops, void *priv)
{
    struct act_unit *su = priv;

    if ( su && su->dom )
        act_reserve_destroy(su);
    xfree(su);
}

/* Take @su off whatever it waits in. */
static void act_take_out(struct act_unit *su)
{
    switch ( su->state )
    {
    case ACT_OUT:
        break;

    case ACT_QUEUED:
        act_dequeue(su);
        break;

    case ACT_PARKED:
        act_cap_unpark(su);
        break;
    }
    act_deactivate(su);
}

/*
 * A pCPU of @mask for a unit that is on @cpu now: an idle one, @cpu, or the next
 * one. The idle mask may change under us.
 */
static unsigned int act_pick_cpu(const struct act_private *prv,
                                 cpumask_t *mask, unsigned int cpu)
{
    unsigned int next = cpumask_test_cpu(cpu, mask) ? cpu
                                                    : cpumask_cycle(cpu, mask);

    cpumask_and(mask, mask, &prv->idle);
    cpu = act_best_cpu(mask, &prv->idle, cpu);

    return cpu < nr_cpu_ids ? cpu : next;
}

/* Of the queues with a pCPU of @mask, the one with the fewest units per pCPU. */
static void act_keep_best_queue(struct act_private *prv, cpumask_t *mask)
{
    const struct act_runqueue *rq, *best = NULL;

    /* The caller has a run-queue lock. Stealing mends the balance later. */
    if ( !read_trylock(&prv->lock) )
        return;

    list_for_each_entry ( rq, &prv->queues, elem )
        if ( cpumask_intersects(&rq->cpus, mask) &&
             (!best || rq->nr_units * best->refs < best->nr_units * rq->refs) )
            best = rq;

    if ( best && cpumask_intersects(&best->cpus, mask) )
        cpumask_and(mask, mask, &best->cpus);

    read_unlock(&prv->lock);
}

/*
 * Where @unit is to go: soft affinity first, then an idle pCPU, then the queue
 * with the least load. The lock of the unit's present pCPU is held.
 */
static struct sched_resource *cf_check act_pick_resource(
    const struct scheduler *ops, const struct sched_unit *unit)
{
    struct act_private *prv = act_priv(ops);
    unsigned int cpu = sched_unit_master(unit), step;
    const cpumask_t *pool = cpupool_domain_master_cpumask(unit->domain);
    cpumask_t *mask = cpumask_scratch_cpu(cpu);

    for_each_affinity_balance_step ( step )
    {
        if ( step == BALANCE_SOFT_AFFINITY && !has_soft_affinity(unit) )
            continue;

        affinity_balance_cpumask(unit, step, mask);
        cpumask_and(mask, mask, pool);

        if ( !cpumask_empty(mask) )
            break;
    }

    /* The core sees to it that some pCPU of the pool is allowed. */
    if ( cpumask_empty(mask) )
        cpumask_copy(mask, pool);

    /* A unit that was never placed will compete with those around it. */
    if ( !act_unit(unit)->rq || !cpumask_intersects(mask, &prv->idle) )
        act_keep_best_queue(prv, mask);

    return get_sched_res(act_pick_cpu(prv, mask, cpu));
}

static void cf_check act_insert_unit(const struct scheduler *ops,
                                     struct sched_unit *unit)
{
    struct act_private *prv = act_priv(ops);
    struct act_unit *su = act_unit(unit), *other;
    spinlock_t *lock;

    ASSERT(!is_idle_unit(unit));

    lock = unit_schedule_lock_irq(unit);
    sched_set_res(unit, act_pick_resource(ops, unit));
    /* Not unit_schedule_unlock_irq(): the unit's lock may be another now. */
    spin_unlock_irq(lock);

    lock = unit_schedule_lock_irq(unit);
    act_assign(su, act_pcpu(sched_unit_master(unit))->rq, NOW());
    unit_schedule_unlock_irq(lock, unit);

    write_lock_irq(&prv->lock);
    list_for_each_entry ( other, &su->dom->units, elem )
        if ( other->unit->unit_id > unit->unit_id )
            break;
    list_add_tail(&su->elem, &other->elem);
    su->dom->nr_units++;
    act_reserve_insert(su);
    write_unlock_irq(&prv->lock);
}

static void cf_check act_remove_unit(const struct scheduler *ops,
                                     struct sched_unit *unit)
{
    struct act_private *prv = act_priv(ops);
    struct act_unit *su = act_unit(unit);
    spinlock_t *lock;

    /* Creation may have failed before it was inserted. */
    if ( list_empty(&su->elem) )
        return;

    write_lock_irq(&prv->lock);
    act_inherit_remove(prv, su);
    list_del_init(&su->elem);
    su->dom->nr_units--;
    act_reserve_remove(su);
    write_unlock_irq(&prv->lock);

    lock = unit_schedule_lock_irq(unit);
    act_take_out(su);
    act_cap_return(su);
    act_unassign(su, NOW());
    su->queue_after_save = false;
    unit_schedule_unlock_irq(lock, unit);
}

/* Both locks are held; the unit neither runs nor waits. */
static void cf_check act_migrate(const struct scheduler *ops,
                                 struct sched_unit *unit, unsigned int new_cpu)
{
    struct act_unit *su = act_unit(unit);
    struct act_runqueue *rq = act_pcpu(new_cpu)->rq;

    act_take_out(su);

    if ( su->rq && su->rq != rq )
    {
        s_time_t now = NOW();

        act_unassign(su, now);
        act_assign(su, rq, now);
        act_trace(move, su, new_cpu, false);
    }

    if ( sched_unit_master(unit) != new_cpu )
        su->migrations++;

    sched_set_res(unit, get_sched_res(new_cpu));
}

/*
 * Units: running and waiting
 */

static void cf_check act_sleep(const struct scheduler *ops,
                               struct sched_unit *unit)
{
    struct act_unit *su = act_unit(unit);
    unsigned int cpu = sched_unit_master(unit);

    if ( curr_on_cpu(cpu) == unit )
    {
        cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
        return;
    }

    act_take_out(su);
    act_inherit_end(su);
    su->queue_after_save = false;
}

/* @su slept, and has no slice. */
static void act_wake_up(struct act_unit *su, s_time_t now)
{
    act_pay(su);
    /* The work that the event brought, if one did, was done before. */
    if ( su->class == ACT_BOOSTED && !su->donor )
        su->class = ACT_FAIR;
    su->waited = 0;
    if ( su->reserve_slice )
        act_reserve_wake(su, now);
    act_place(su, now);
}

static void cf_check act_wake(const struct scheduler *ops,
                              struct sched_unit *unit)
{
    struct act_unit *su = act_unit(unit);
    s_time_t now;

    /* The core tells of units, too, that never stopped being runnable. */
    if ( curr_on_cpu(sched_unit_master(unit)) == unit || su->state != ACT_OUT )
        return;

    ASSERT(su->rq == act_pcpu(sched_unit_master(unit))->rq);

    now = NOW();
    act_record_wake(su, now);
    act_inherit(su, now);

    /* No other pCPU may run it before its context is in memory. */
    if ( su->saving )
    {
        su->queue_after_save = true;
        return;
    }

    act_wake_up(su, now);
    act_enqueue(su, now);
    act_tickle(su, now);
}

/* @hard becomes its hard affinity (NULL: as before). */
static void cf_check act_adjust_affinity(const struct scheduler *ops,
                                         struct sched_unit *unit,
                                         const struct cpumask *hard,
                                         const struct cpumask *soft)
{
    struct act_unit *su = act_unit(unit);

    /* Also for units that are not inserted yet, and idle ones. */
    if ( su && su->rq && hard )
    {
        act_new_affinity(su, hard, NOW());
        act_reserve_affinity(su);
    }
}

static void cf_check act_yield(const struct scheduler *ops,
                               struct sched_unit *unit)
{
    struct act_unit *su = act_unit(unit);

    su->yielded = true;
    su->yields++;
    act_gang_spins(su, NOW());
}

/* An event came for a unit that is runnable, but does not run. */
static void cf_check act_event_runnable(const struct scheduler *ops,
                                        struct sched_unit *unit)
{
    struct act_unit *su = act_unit(unit);
    s_time_t now = NOW();

    if ( act_event(su, now) )
        act_boost(su, now);
}

/* The vCPU that runs here sends an event to @unit, and is watched. */
static void cf_check act_event_sent(const struct scheduler *ops,
                                    struct sched_unit *unit)
{
    struct act_unit *su = act_unit(unit);
    s_time_t now = NOW();

    act_inherit_answers(act_unit(current->sched_unit), now);
    if ( su->rq && unit_runnable(unit) )
        act_inherit(su, now);
}

/* Whoever tells another queue's pCPU of work takes it out of prv->idle. */
static void act_set_idle(struct act_private *prv, struct act_runqueue *rq,
                         unsigned int cpu, bool idle)
{
    if ( idle )
    {
        __cpumask_set_cpu(cpu, &rq->idle);
        if ( !cpumask_test_cpu(cpu, &prv->idle) )
            cpumask_set_cpu(cpu, &prv->idle);
    }
    else
    {
        __cpumask_clear_cpu(cpu, &rq->idle);
        if ( cpumask_test_cpu(cpu, &prv->idle) )
            cpumask_clear_cpu(cpu, &prv->idle);
    }
}

/*
 * What to run on @cpu. In *limit, how long to run it; or, if there is nothing, in
 * how long to ask again (-1: when told to).
 */
static struct act_unit *act_choose(struct act_private *prv,
                                   struct act_runqueue *rq,
                                   const struct cpupool *pool,
                                   struct act_unit *prev, unsigned int cpu,
                                   s_time_t now, s_time_t *limit)
{
    struct act_pcpu *pcpu = act_pcpu(cpu);
    struct act_unit *next;
    bool owes_look = pcpu->looks_again;
    s_time_t again;

    pcpu->looks_again = false;

    /* On its way in, before the pool knows it, or on its way out. */
    if ( !cpumask_test_cpu(cpu, pool->res_valid) )
    {
        *limit = ACT_CPU_JOINS;
        return NULL;
    }

    next = act_pick(rq, prev, cpu, now, limit);
    if ( next )
    {
        /* Another queue's unit made somebody tell us; we do not get to it. */
        if ( cpumask_test_cpu(cpu, &rq->idle) )
        {
            owes_look |= !cpumask_test_cpu(cpu, &prv->idle);
            act_set_idle(prv, rq, cpu, false);
            if ( owes_look )
                act_pass_word(prv, -1);
        }
        return next;
    }

    *limit = -1;
    if ( act_steal(prv, rq, cpu, now, &again) )
        next = act_pick(rq, prev, cpu, now, limit);
    else if ( again != STIME_MAX )
    {
        pcpu->looks_again = true;
        *limit = max(again - now, (s_time_t)ACT_TIMER_MIN);
    }

    return next;
}

/* @prev leaves its pCPU. */
static void act_stop(struct act_unit *prev, s_time_t now)
{
    act_cap_return(prev);
    act_clock_stop(prev);
    prev->saving = true;

    if ( unit_runnable(prev->unit) )
    {
        prev->queue_after_save = true;
        act_event_preempted(prev, now);
        if ( prev->class <= ACT_RESERVED )
            act_reserve_preempted(prev);
        if ( !prev->yielded )
            prev->preemptions++;
        return;
    }

    act_inherit_end(prev);
    act_deactivate(prev);
    if ( prev->unit->vcpu_list->pause_flags & VPF_blocked )
        act_record_block(prev);
}

/* @next, which is queued, gets @cpu. */
static void act_start(struct act_unit *next, unsigned int cpu, s_time_t now)
{
    bool migrated = next->moved || sched_unit_master(next->unit) != cpu;

    act_dequeue(next);
    next->waited = next->moved ? 0 : next->waited + now - next->queued;

    if ( migrated )
    {
        next->migrations++;
        sched_set_res(next->unit, get_sched_res(cpu));
    }
    next->moved = false;
    next->unit->migrated = migrated;
    next->picked = now;
    act_clock_start(next, now);
    act_event_start(next, now);
    act_record_run(next, now);
}

static void cf_check act_schedule(const struct scheduler *ops,
                                  struct sched_unit *currunit, s_time_t now,
                                  bool tasklet_work_scheduled)
{
    const unsigned int cpu = sched_get_resource_cpu(smp_processor_id());
    struct act_private *prv = act_priv(ops);
    struct act_runqueue *rq = act_pcpu(cpu)->rq;
    struct act_unit *prev = act_unit(currunit), *next = NULL;
    s_time_t limit = -1;
    bool idle;

    ASSERT(spin_is_locked(&rq->lock));

    if ( cpumask_test_cpu(cpu, &rq->tickled) )
        __cpumask_clear_cpu(cpu, &rq->tickled);
    act_charge(prev, now);

    if ( !tasklet_work_scheduled )
        next = act_choose(prv, rq, ops->cpupool, prev, cpu, now, &limit);

    /* Who did not idle is in prv->idle neither. */
    idle = !next && !tasklet_work_scheduled;
    if ( idle || cpumask_test_cpu(cpu, &rq->idle) )
        act_set_idle(prv, rq, cpu, idle);

    /*
     * Somebody may have counted on this pCPU; or what it was told of another one
     * took, or has no budget, and the rest is not for it.
     */
    if ( !next )
    {
        act_tickle_idle(prv, rq, idle);
        next = act_unit(sched_idle_unit(cpu));
    }

    if ( next != prev )
    {
        if ( !act_is_idle(prev) )
            act_stop(prev, now);
        if ( !act_is_idle(next) )
        {
            act_start(next, cpu, now);
            act_tickle_idle(prv, rq, false);
            act_gang_start(next, now);
        }
    }
    else
        next->unit->migrated = false;

    if ( rq->classes & (1U << ACT_NO_LAXITY | 1U << ACT_RESERVED) )
        act_tickle_queued(rq, ACT_RESERVED, now);
    if ( !act_is_idle(next) )
    {
        act_inherit_decided(next, now);
        act_trace(decision, next, next != prev, limit);
    }

    if ( prev->yielded )
    {
        prev->yielded = false;
        /* Nobody was to have what is reserved for it. */
        if ( prev->class > ACT_RESERVED )
        {
            act_expire_slice(prev, now);
            /* A period of its reservation may have begun just now. */
            if ( prev == next && prev->class <= ACT_RESERVED )
                limit = min(limit, max(prev->reserve_left,
                                       (s_time_t)ACT_TIMER_MIN));
        }
    }

    currunit->next_task = next->unit;
    currunit->next_time = limit;
}

static void cf_check act_context_saved(const struct scheduler *ops,
                                       struct sched_unit *unit)
{
    struct act_unit *su;
    spinlock_t *lock;

    if ( is_idle_unit(unit) )
        return;

    lock = unit_schedule_lock_irq(unit);

    su = act_unit(unit);
    su->saving = false;
    if ( su->rq )
        lock = act_reserve_go_home(su, lock, NOW());
    if ( su->queue_after_save )
    {
        su->queue_after_save = false;
        if ( su->rq && !unit_runnable(unit) )
        {
            act_inherit_end(su);
            act_deactivate(su);
        }
        else if ( su->rq )
        {
            s_time_t now = NOW();

            /* It stopped in order to wait, and was woken at once. */
            if ( su->wake_time )
                act_wake_up(su, now);
            act_enqueue(su, now);
            /* The event came just when it had lost its pCPU. */
            if ( act_event_waits(su, now) )
                act_boost(su, now);
            else
                act_tickle(su, now);
        }
    }

    unit_schedule_unlock_irq(lock, unit);
}

/*
 * Debug key 'r'
 */

static void act_dump_unit(const struct act_unit *su)
{
    static const char state[] = { 'o', 'q', 'p' };
    static const char class[] = { 'l', 'r', 'c', 'b', 'f' };

    printk("    %pv %c%c cpu=%u v=%"PRI_stime" d=%+"PRI_stime
           " burst=%"PRI_stime"us budget=%"PRI_stime"us",
           su->unit->vcpu_list, state[su->state], class[su->class],
           sched_unit_master(su->unit), su->vruntime,
           su->vdeadline - su->vruntime, su->burst_avg / 1000,
           su->budget / 1000);
    if ( act_reserved(su, NOW()) )
        printk(" reserved=%"PRI_stime"/%"PRI_stime"us left=%"PRI_stime"us",
               su->reserve_slice / 1000, su->reserve_period / 1000,
               su->reserve_left / 1000);
    printk("\n");
}

static void cf_check act_dump_settings(const struct scheduler *ops)
{
    struct act_private *prv = act_priv(ops);
    const struct act_dom *dom;
    const struct act_runqueue *rq;
    unsigned long flags;

    read_lock_irqsave(&prv->lock, flags);

    printk("ratelimit=%"PRI_stime"us slice=%"PRI_stime"..%"PRI_stime"us "
           "debt=%"PRI_stime"us\n",
           prv->params.ratelimit / 1000, prv->params.slice_min / 1000,
           prv->params.slice_max / 1000, prv->params.debt_max / 1000);

    list_for_each_entry ( rq, &prv->queues, elem )
        printk("queue cpus={%*pbl} idle={%*pbl} units=%u queued=%u\n",
               CPUMASK_PR(&rq->cpus), CPUMASK_PR(&rq->idle), rq->nr_units,
               rq->nr_queued);

    list_for_each_entry ( dom, &prv->doms, elem )
    {
        const struct act_unit *su;

        printk("  d%d weight=%u cap=%u urgency=%u parked=%u\n",
               dom->dom->domain_id, dom->weight, dom->cap,
               act_urgency(dom, NOW()), dom->nr_parked);

        list_for_each_entry ( su, &dom->units, elem )
        {
            spinlock_t *lock = unit_schedule_lock(su->unit);

            act_dump_unit(su);
            unit_schedule_unlock(lock, su->unit);
        }
    }

    read_unlock_irqrestore(&prv->lock, flags);
}

static const struct scheduler sched_activity_def = {
    .name            = "Activity Scheduler",
    .opt_name        = "activity",
    .sched_id        = XEN_SCHEDULER_ACTIVITY,

    .init            = act_init,
    .deinit          = act_deinit,
    .alloc_pdata     = act_alloc_pdata,
    .free_pdata      = act_free_pdata,
    .switch_sched    = act_switch_sched,
    .deinit_pdata    = act_deinit_pdata,
    .alloc_domdata   = act_alloc_domdata,
    .free_domdata    = act_free_domdata,
    .alloc_udata     = act_alloc_udata,
    .free_udata      = act_free_udata,

    .insert_unit     = act_insert_unit,
    .remove_unit     = act_remove_unit,
    .pick_resource   = act_pick_resource,
    .migrate         = act_migrate,

    .sleep           = act_sleep,
    .wake            = act_wake,
    .yield           = act_yield,
    .event_runnable  = act_event_runnable,
    .event_sent      = act_event_sent,
    .do_schedule     = act_schedule,
    .context_saved   = act_context_saved,

    .adjust_affinity = act_adjust_affinity,
    .adjust          = act_adjust,
    .adjust_global   = act_adjust_global,
    .dump_settings   = act_dump_settings,
};

REGISTER_SCHEDULER(sched_activity_def);

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
