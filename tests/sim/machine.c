/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: pCPUs, pools, domains, and the part of sched/core.c that calls
 * the scheduler, each operation with the locks and in the order that core.c
 * has them. Where core.c waits for another pCPU, sim_force() lets that pCPU go
 * on instead.
 *
 * A softirq and context_saved may be late (sim.ipi_max_ns, switch_max_ns): that
 * opens the windows in which core.c's callers race with a context switch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

extern const struct scheduler *__start_sim_schedulers[];
extern const struct scheduler *__stop_sim_schedulers[];

DEFINE_PER_CPU(struct sched_resource *, sched_res);
DEFINE_PER_CPU(cpumask_t, cpumask_scratch);
DEFINE_PER_CPU(cpumask_var_t, cpu_sibling_mask);
DEFINE_PER_CPU(cpumask_var_t, cpu_core_mask);
cpumask_t cpu_online_map, cpupool_free_cpus, sched_res_mask;
int sched_ratelimit_us = SCHED_DEFAULT_RATELIMIT_US;
struct domain *domain_list, *hardware_domain;
struct vcpu *sim_current[NR_CPUS], *idle_vcpu[NR_CPUS];
struct cpupool *sim_pool[SIM_POOLS];
struct scheduler sim_boot_ops;

static struct domain idle_domain = { .domain_id = DOMID_IDLE };
static spinlock_t free_cpu_lock;
static cpumask_t sibling[NR_CPUS], socket[NR_CPUS];

/* Per pCPU: when its SCHEDULE_SOFTIRQ and its context_saved are due; -1: no. */
static s_time_t softirq_at[NR_CPUS], saved_at[NR_CPUS];
static struct vcpu *saving[NR_CPUS];
static bool tasklet[NR_CPUS];

#define say(fmt, args...) \
    do { if ( sim.verbose ) printf(fmt, ## args); } while ( 0 )

/* ---- the idle scheduler of free pCPUs ----------------------------------- */

static void idle_schedule(const struct scheduler *ops, struct sched_unit *prev,
                          s_time_t now, bool tasklet_work)
{
    prev->next_time = -1;
    prev->next_task = sched_idle_unit(sim_cpu);
    ASSERT(unit_runnable_state(prev->next_task));
}

static struct sched_resource *idle_pick(const struct scheduler *ops,
                                        const struct sched_unit *unit)
{
    return unit->res;
}

static void *idle_alloc_udata(const struct scheduler *ops,
                              struct sched_unit *unit, void *dd)
{
    return (void *)1;
}

static void idle_free_udata(const struct scheduler *ops, void *priv)
{
}

static struct scheduler idle_ops = {
    .name = "free pCPUs",
    .opt_name = "idle",
    .pick_resource = idle_pick,
    .do_schedule = idle_schedule,
    .alloc_udata = idle_alloc_udata,
    .free_udata = idle_free_udata,
};

static struct scheduler *dom_scheduler(const struct domain *d)
{
    return d->cpupool ? d->cpupool->sched : &sim_boot_ops;
}

static struct scheduler *unit_scheduler(const struct sched_unit *unit)
{
    if ( is_idle_unit(unit) )
        return unit->res->scheduler;
    return dom_scheduler(unit->domain);
}

/* ---- softirqs ------------------------------------------------------------ */

void cpu_raise_softirq(unsigned int cpu, unsigned int nr)
{
    ASSERT(cpu_online(cpu));
    if ( nr == SCHEDULE_SOFTIRQ && softirq_at[cpu] < 0 )
        softirq_at[cpu] = sim.now_ns +
                          (sim.ipi_max_ns ? sim_below(sim.ipi_max_ns + 1) : 0);
}

void cpumask_raise_softirq(const cpumask_t *mask, unsigned int nr)
{
    unsigned int cpu;

    for_each_cpu ( cpu, mask )
        cpu_raise_softirq(cpu, nr);
}

void raise_softirq(unsigned int nr)
{
    cpu_raise_softirq(sim_cpu, nr);
}

bool softirq_pending(unsigned int cpu)
{
    return softirq_at[cpu] >= 0;
}

static void s_timer_fn(void *unused)
{
    raise_softirq(SCHEDULE_SOFTIRQ);
}

/* ---- run states, sleep, wake --------------------------------------------- */

static void runstate_change(struct vcpu *v, int state, s_time_t now)
{
    s_time_t delta = now - v->runstate.state_entry_time;

    ASSERT(spin_is_locked(get_sched_res(v->processor)->schedule_lock));
    if ( v->runstate.state == state )
        return;

    if ( !is_idle_vcpu(v) )
    {
        v->sched_unit->runstate_cnt[v->runstate.state]--;
        v->sched_unit->runstate_cnt[state]++;
    }
    if ( delta > 0 )
    {
        v->runstate.time[v->runstate.state] += delta;
        v->runstate.state_entry_time = now;
    }
    v->runstate.state = state;
}

void vcpu_runstate_get(const struct vcpu *v,
                       struct vcpu_runstate_info *runstate)
{
    s_time_t delta;

    *runstate = v->runstate;
    delta = NOW() - runstate->state_entry_time;
    if ( delta > 0 )
        runstate->time[runstate->state] += delta;
}

static void sleep_locked(struct vcpu *v)
{
    ASSERT(spin_is_locked(get_sched_res(v->processor)->schedule_lock));
    if ( vcpu_runnable(v) )
        return;
    if ( v->runstate.state == RUNSTATE_runnable )
        runstate_change(v, RUNSTATE_offline, NOW());
    sched_sleep(unit_scheduler(v->sched_unit), v->sched_unit);
    if ( v->work )
        v->work->ready_ns = -1;
}

void vcpu_sleep_nosync(struct vcpu *v)
{
    unsigned long flags;
    spinlock_t *lock = unit_schedule_lock_irqsave(v->sched_unit, &flags);

    sleep_locked(v);
    unit_schedule_unlock_irqrestore(lock, flags, v->sched_unit);
}

void vcpu_wake(struct vcpu *v)
{
    struct sched_unit *unit = v->sched_unit;
    unsigned long flags;
    spinlock_t *lock = unit_schedule_lock_irqsave(unit, &flags);

    say("  t=%"PRId64" wake d%dv%d on CPU %u\n", sim.now_ns,
        v->domain->domain_id, v->vcpu_id, v->processor);
    if ( vcpu_runnable(v) )
    {
        if ( v->runstate.state >= RUNSTATE_blocked )
        {
            if ( v->runstate.state == RUNSTATE_blocked && v->work )
                v->work->ready_ns = sim.now_ns;
            runstate_change(v, RUNSTATE_runnable, NOW());
        }
        sched_wake(unit_scheduler(unit), unit);
    }
    else if ( !(v->pause_flags & VPF_blocked) &&
              v->runstate.state == RUNSTATE_blocked )
        runstate_change(v, RUNSTATE_offline, NOW());

    unit_schedule_unlock_irqrestore(lock, flags, unit);
}

/* An event for a vCPU that is not blocked, as our patch of core.c has it. */
static void event_runnable(struct vcpu *v)
{
    struct sched_unit *unit = v->sched_unit;
    unsigned long flags;
    spinlock_t *lock;

    if ( v->runstate.state != RUNSTATE_runnable )
        return;

    lock = unit_schedule_lock_irqsave(unit, &flags);
    v->activity.events_runnable++;
    sched_event_runnable(unit_scheduler(unit), unit);
    unit_schedule_unlock_irqrestore(lock, flags, unit);
}

void vcpu_unblock(struct vcpu *v)
{
    if ( !test_and_clear_bit(_VPF_blocked, &v->pause_flags) )
    {
        event_runnable(v);
        return;
    }
    v->poll_evtchn = 0;
    vcpu_wake(v);
}

void vcpu_pause_nosync(struct vcpu *v)
{
    atomic_inc(&v->pause_count);
    vcpu_sleep_nosync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    if ( atomic_dec_and_test(&v->pause_count) )
        vcpu_wake(v);
}

/* ---- migration ------------------------------------------------------------ */

static void lock_double(spinlock_t *a, spinlock_t *b, unsigned long *flags)
{
    spin_lock_irqsave(min(a, b), *flags);
    if ( a != b )
        spin_lock(max(a, b));
}

static void unlock_double(spinlock_t *a, spinlock_t *b, unsigned long flags)
{
    if ( a != b )
        spin_unlock(a);
    spin_unlock_irqrestore(b, flags);
}

static void migrate_start(struct sched_unit *unit)
{
    struct vcpu *v = unit->vcpu_list;

    set_bit(_VPF_migrating, &v->pause_flags);
    sleep_locked(v);
}

static void migrate_finish(struct sched_unit *unit)
{
    struct vcpu *v = unit->vcpu_list;
    const cpumask_t *valid = unit->domain->cpupool->cpu_valid;
    unsigned int from, to;
    spinlock_t *from_lock, *to_lock;
    bool picked = false;
    unsigned long flags;

    if ( unit->is_running || !test_bit(_VPF_migrating, &v->pause_flags) )
        return;

    from = to = unit->res->master_cpu;
    for ( ; ; )
    {
        from_lock = get_sched_res(from)->schedule_lock;
        to_lock = get_sched_res(to)->schedule_lock;
        lock_double(from_lock, to_lock, &flags);

        if ( picked && cpumask_test_cpu(to, unit->cpu_hard_affinity) &&
             cpumask_test_cpu(to, valid) )
            break;
        to = sched_pick_resource(unit_scheduler(unit), unit)->master_cpu;
        ASSERT(cpu_online(to) && get_sched_res(to));
        if ( to_lock == get_sched_res(to)->schedule_lock &&
             cpumask_test_cpu(to, valid) )
            break;
        picked = true;
        unlock_double(from_lock, to_lock, flags);
    }

    ASSERT(!unit->is_running);
    clear_bit(_VPF_migrating, &v->pause_flags);
    sched_migrate(unit_scheduler(unit), unit, to);
    ASSERT(unit->res == get_sched_res(to) && v->processor == to);
    unlock_double(from_lock, to_lock, flags);

    vcpu_wake(v);
}

/* ---- schedule() and the context switch ------------------------------------ */

static void context_saved(unsigned int cpu)
{
    struct sched_resource *sr = get_sched_res(cpu);
    struct sched_unit *unit = sr->prev;

    if ( saving[cpu] )
        saving[cpu]->is_running = false;
    saving[cpu] = NULL;
    saved_at[cpu] = -1;
    if ( !unit )
        return;

    unit->is_running = false;
    unit->state_entry_time = NOW();
    sr->prev = NULL;
    sched_context_saved(unit_scheduler(unit), unit);
    if ( !is_idle_unit(unit) )
        migrate_finish(unit);
}

static void schedule(unsigned int cpu)
{
    struct vcpu *vprev = sim_current[cpu], *vnext;
    struct sched_unit *prev = vprev->sched_unit, *next;
    struct sched_resource *sr = get_sched_res(cpu);
    static s_time_t instant;
    static unsigned int times;
    spinlock_t *lock;
    s_time_t now;

    if ( sim.now_ns != instant )
        times = 0;
    instant = sim.now_ns;
    if ( ++times == 10000 )
        sim_bug(__FILE__, __LINE__, "pCPUs tell each other to schedule for ever");
    ASSERT(saved_at[cpu] < 0);
    softirq_at[cpu] = -1;
    sim_enter(cpu);

    lock = pcpu_schedule_lock_irq(cpu);
    stop_timer(&sr->s_timer);
    now = NOW();

    prev->next_task = NULL;
    sr->scheduler->do_schedule(sr->scheduler, prev, now, tasklet[cpu]);
    next = prev->next_task;
    ASSERT(next);
    vnext = next->vcpu_list;

    if ( prev->next_time >= 0 )
        set_timer(&sr->s_timer, now + prev->next_time);

    if ( prev != next )
    {
        sr->curr = next;
        sr->prev = prev;
        if ( next->is_running )
            sim_bug(__FILE__, __LINE__, "picked a unit that still runs");
        next->is_running = true;
        next->state_entry_time = now;
    }
    if ( !is_idle_unit(next) )
    {
        if ( next->res != sr || vnext->processor != cpu )
            sim_bug(__FILE__, __LINE__, "picked a unit of another pCPU");
        if ( !cpumask_test_cpu(cpu, next->cpu_hard_affinity) )
            sim_bug(__FILE__, __LINE__, "picked against hard affinity");
        if ( next->domain->cpupool != sr->cpupool )
            sim_bug(__FILE__, __LINE__, "picked a unit of another pool");
        if ( tasklet[cpu] )
            sim_bug(__FILE__, __LINE__, "picked a guest, a tasklet waits");
    }
    if ( prev != next || vprev->runstate.state != vnext->new_state )
    {
        runstate_change(vprev, vprev->pause_flags & VPF_blocked ?
                               RUNSTATE_blocked :
                               vcpu_runnable(vprev) ? RUNSTATE_runnable :
                                                      RUNSTATE_offline, now);
        runstate_change(vnext, vnext->new_state, now);
    }
    vnext->is_running = true;
    pcpu_schedule_unlock_irq(lock, cpu);

    if ( prev == next )
    {
        say("  t=%"PRId64" CPU %u goes on\n", sim.now_ns, cpu);
        return;
    }

    say("  t=%"PRId64" CPU %u: d%dv%d -> d%dv%d\n", sim.now_ns, cpu,
        vprev->domain->domain_id, vprev->vcpu_id, vnext->domain->domain_id,
        vnext->vcpu_id);
    sim.switches++;
    sim_current[cpu] = vnext;
    saving[cpu] = vprev;
    if ( vnext->work && vnext->work->ready_ns >= 0 )
    {
        struct sim_work *w = vnext->work;

        w->wait_max_ns = max(w->wait_max_ns, sim.now_ns - w->ready_ns);
        w->waits++;
        w->ready_ns = -1;
    }
    if ( sim.switch_max_ns )
        saved_at[cpu] = sim.now_ns + sim_below(sim.switch_max_ns + 1);
    else
        context_saved(cpu);
}

/* The pCPU does at once what it still has to do. */
static void sim_force(unsigned int cpu)
{
    unsigned int caller = sim_cpu;

    while ( saved_at[cpu] >= 0 || softirq_at[cpu] >= 0 )
    {
        sim_enter(cpu);
        if ( saved_at[cpu] >= 0 )
            context_saved(cpu);
        else
            schedule(cpu);
    }
    sim_enter(caller);
}

static void sleep_sync(struct vcpu *v)
{
    vcpu_sleep_nosync(v);
    while ( !vcpu_runnable(v) && v->is_running )
    {
        if ( softirq_at[v->processor] < 0 && saved_at[v->processor] < 0 )
            sim_bug(__FILE__, __LINE__, "sleep: nobody told the pCPU");
        sim_force(v->processor);
    }
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;

    atomic_inc(&d->pause_count);
    for_each_vcpu ( d, v )
        sleep_sync(v);
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    if ( atomic_dec_and_test(&d->pause_count) )
        for_each_vcpu ( d, v )
            vcpu_wake(v);
}

/* ---- units and affinity ---------------------------------------------------- */

static void free_unit(struct sched_unit *unit)
{
    if ( !unit )
        return;
    free_cpumask_var(unit->cpu_hard_affinity);
    free_cpumask_var(unit->cpu_hard_affinity_saved);
    free_cpumask_var(unit->cpu_soft_affinity);
    xfree(unit);
}

static struct sched_unit *alloc_unit(void)
{
    struct sched_unit *unit = xzalloc(struct sched_unit);

    if ( unit && (!zalloc_cpumask_var(&unit->cpu_hard_affinity) ||
                  !zalloc_cpumask_var(&unit->cpu_hard_affinity_saved) ||
                  !zalloc_cpumask_var(&unit->cpu_soft_affinity)) )
    {
        free_unit(unit);
        unit = NULL;
    }

    return unit;
}

static void set_affinity(struct sched_unit *unit, const cpumask_t *hard,
                         const cpumask_t *soft)
{
    sched_adjust_affinity(dom_scheduler(unit->domain), unit, hard, soft);
    if ( hard )
        cpumask_copy(unit->cpu_hard_affinity, hard);
    if ( soft )
        cpumask_copy(unit->cpu_soft_affinity, soft);
    unit->soft_aff_effective =
        !cpumask_subset(unit->cpu_hard_affinity, unit->cpu_soft_affinity) &&
        cpumask_intersects(unit->cpu_soft_affinity, unit->cpu_hard_affinity);
}

int sim_set_affinity(struct vcpu *v, const cpumask_t *hard,
                     const cpumask_t *soft)
{
    struct sched_unit *unit = v->sched_unit;
    spinlock_t *lock;

    if ( hard && !cpumask_intersects(hard, v->domain->cpupool->cpu_valid) )
        return -EINVAL;

    lock = unit_schedule_lock_irq(unit);
    set_affinity(unit, hard, soft);
    migrate_start(unit);
    unit_schedule_unlock_irq(lock, unit);
    migrate_finish(unit);

    return 0;
}

/* ---- domains ---------------------------------------------------------------- */

struct domain *sim_domain(unsigned int domid)
{
    struct domain *d;

    for_each_domain ( d )
        if ( d->domain_id == domid )
            return d;

    return NULL;
}

struct domain *sim_next_domain(const struct domain *d, const struct cpupool *c)
{
    struct domain *next = d->next_in_list;

    while ( next && next->cpupool != c )
        next = next->next_in_list;

    return next;
}

struct domain *sim_first_domain(const struct cpupool *c)
{
    struct domain *d = domain_list;

    return !d || d->cpupool == c ? d : sim_next_domain(d, c);
}

static void vcpu_free(struct vcpu *v)
{
    free(v->work);
    free(v);
}

static struct vcpu *vcpu_alloc(struct domain *d, unsigned int id)
{
    struct vcpu *v = calloc(1, sizeof(*v));

    ASSERT(v);
    v->domain = d;
    v->vcpu_id = id;
    v->runstate.state = is_idle_domain(d) ? RUNSTATE_running
                                          : RUNSTATE_offline;
    v->runstate.state_entry_time = NOW();
    if ( !is_idle_domain(d) )
    {
        v->pause_flags = VPF_down;
        v->work = calloc(1, sizeof(*v->work));
        ASSERT(v->work);
        v->work->kind = SIM_NONE;
        v->work->left_ns = 1000;
        v->work->ready_ns = -1;
        v->work->wake_ns = STIME_MAX;
    }

    return v;
}

/* As sched_init_vcpu() for granularity 1. */
static int vcpu_init(struct vcpu *v, unsigned int processor)
{
    struct domain *d = v->domain;
    struct sched_unit *unit = alloc_unit(), **p = &d->sched_unit_list;

    if ( !unit )
        return -ENOMEM;

    unit->domain = d;
    unit->vcpu_list = v;
    unit->unit_id = v->vcpu_id;
    unit->runstate_cnt[v->runstate.state]++;
    v->sched_unit = unit;
    sched_set_res(unit, get_sched_res(processor));
    unit->priv = sched_alloc_udata(dom_scheduler(d), unit, d->sched_priv);
    if ( !unit->priv )
    {
        v->sched_unit = NULL;
        free_unit(unit);
        return -ENOMEM;
    }
    while ( *p )
        p = &(*p)->next_in_list;
    *p = unit;

    set_affinity(unit, is_idle_domain(d) ? cpumask_of(processor) : &cpumask_all,
                 &cpumask_all);
    if ( is_idle_domain(d) )
    {
        v->is_running = unit->is_running = true;
        unit->state_entry_time = NOW();
    }
    else
        sched_insert_unit(dom_scheduler(d), unit);

    return 0;
}

static void vcpu_destroy(struct vcpu *v)
{
    struct sched_unit *unit = v->sched_unit, **p;

    if ( !unit )
        return;
    sched_remove_unit(unit_scheduler(unit), unit);
    sched_free_udata(unit_scheduler(unit), unit->priv);
    for ( p = &v->domain->sched_unit_list; *p != unit; )
        p = &(*p)->next_in_list;
    *p = unit->next_in_list;
    free_unit(unit);
}

static void domain_free(struct domain *d)
{
    struct domain **p;
    int i;

    for ( i = d->max_vcpus - 1; i >= 0; i-- )
    {
        struct vcpu *v = d->vcpu[i];

        if ( !v )
            continue;
        vcpu_destroy(v);
        if ( i )
            d->vcpu[i - 1]->next_in_list = NULL;
        d->vcpu[i] = NULL;
        vcpu_free(v);
    }
    sched_free_domdata(dom_scheduler(d), d->sched_priv);
    d->sched_priv = NULL;
    d->cpupool->n_dom--;

    for ( p = &domain_list; *p && *p != d; )
        p = &(*p)->next_in_list;
    if ( *p )
        *p = d->next_in_list;
    free(d->vcpu);
    free(d);
}

struct domain *sim_domain_create(unsigned int domid, unsigned int pool,
                                 unsigned int vcpus)
{
    struct domain *d = calloc(1, sizeof(*d)), **p;
    struct cpupool *c = sim_pool[pool];
    unsigned int i, processor;
    void *priv;

    ASSERT(d && c && !sim_domain(domid));
    d->domain_id = domid;
    d->max_vcpus = vcpus;
    d->cpupool = c;
    atomic_set(&d->pause_count, 1);
    priv = sched_alloc_domdata(c->sched, d);
    if ( IS_ERR(priv) )
    {
        free(d);
        return NULL;
    }
    d->sched_priv = priv;
    c->n_dom++;
    d->vcpu = calloc(vcpus, sizeof(*d->vcpu));
    ASSERT(d->vcpu);

    for ( p = &domain_list; *p && (*p)->domain_id < domid; )
        p = &(*p)->next_in_list;
    d->next_in_list = *p;
    *p = d;

    processor = cpumask_cycle(domid % nr_cpu_ids, c->cpu_valid);
    for ( i = 0; i < vcpus; i++ )
    {
        struct vcpu *v = vcpu_alloc(d, i);

        d->vcpu[i] = v;
        if ( i )
            d->vcpu[i - 1]->next_in_list = v;
        if ( vcpu_init(v, processor) )
        {
            if ( i )
                d->vcpu[i - 1]->next_in_list = NULL;
            d->vcpu[i] = NULL;
            vcpu_free(v);
            domain_free(d);
            return NULL;
        }
        processor = cpumask_cycle(processor, c->cpu_valid);
    }

    for ( i = 0; i < vcpus; i++ )
    {
        d->vcpu[i]->pause_flags |= VPF_blocked;
        sim_vcpu_up(d->vcpu[i]);
    }
    domain_unpause(d);

    return d;
}

void sim_domain_destroy(struct domain *d)
{
    unsigned int cpu;

    d->is_dying = 1;
    domain_pause(d);
    for_each_online_cpu ( cpu )
        if ( saving[cpu] && saving[cpu]->domain == d )
            sim_force(cpu);
    domain_free(d);
}

/* As sched_move_domain(). */
int sim_domain_move(struct domain *d, unsigned int pool)
{
    struct cpupool *c = sim_pool[pool], *old = d->cpupool;
    struct scheduler *old_ops = dom_scheduler(d);
    struct sched_unit *first = NULL, **p = &first, *unit, *next, *old_units;
    void *priv, *old_priv = d->sched_priv;
    unsigned int i, cpu;
    struct vcpu *v;

    if ( !c || cpumask_empty(c->cpu_valid) )
        return -EINVAL;
    if ( c == old )
        return 0;

    priv = sched_alloc_domdata(c->sched, d);
    if ( IS_ERR(priv) )
        return PTR_ERR(priv);

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        unit = alloc_unit();
        if ( unit )
        {
            unit->domain = d;
            unit->unit_id = i;
            unit->vcpu_list = d->vcpu[i];
            unit->priv = sched_alloc_udata(c->sched, unit, priv);
            *p = unit;
        }
        if ( !unit || !unit->priv )
        {
            old_units = first;
            old_ops = c->sched;
            old_priv = priv;
            cpu = -ENOMEM;
            goto cleanup;
        }
        p = &unit->next_in_list;
    }

    domain_pause(d);

    cpu = cpumask_first(old->cpu_valid);
    for_each_sched_unit ( d, unit )
    {
        spinlock_t *lock;

        sched_remove_unit(old_ops, unit);
        lock = unit_schedule_lock_irq(unit);
        sched_set_res(unit, get_sched_res(cpu));
        spin_unlock_irq(lock);
    }

    old_units = d->sched_unit_list;
    d->cpupool = c;
    d->sched_priv = priv;
    old->n_dom--;
    c->n_dom++;
    unit = first;
    for_each_vcpu ( d, v )
    {
        unit->state_entry_time = v->sched_unit->state_entry_time;
        unit->runstate_cnt[v->runstate.state]++;
        unit->res = get_sched_res(cpu);
        v->sched_unit = unit;
        unit = unit->next_in_list;
    }
    d->sched_unit_list = first;

    cpu = cpumask_first(c->cpu_valid);
    for_each_sched_unit ( d, unit )
    {
        spinlock_t *lock = unit_schedule_lock_irq(unit);

        set_affinity(unit, &cpumask_all, &cpumask_all);
        sched_set_res(unit, get_sched_res(cpu));
        spin_unlock_irq(lock);
        cpu = cpumask_cycle(cpu, c->cpu_valid);
        sched_insert_unit(c->sched, unit);
    }

    domain_unpause(d);
    cpu = 0;

 cleanup:
    for ( unit = old_units; unit; unit = next )
    {
        next = unit->next_in_list;
        if ( unit->priv )
            sched_free_udata(old_ops, unit->priv);
        free_unit(unit);
    }
    sched_free_domdata(old_ops, old_priv);

    return (int)cpu;
}

/* ---- pools and pCPUs --------------------------------------------------------- */

const struct scheduler *sim_find_scheduler(unsigned int sched_id)
{
    const struct scheduler **s;

    for ( s = __start_sim_schedulers; s < __stop_sim_schedulers; s++ )
        if ( (*s)->sched_id == sched_id )
            return *s;

    return NULL;
}

int sim_pool_create(unsigned int id, unsigned int sched_id)
{
    const struct scheduler *template = sim_find_scheduler(sched_id);
    struct cpupool *c = calloc(1, sizeof(*c));
    int rc = -ENOMEM;

    ASSERT(c && template && !sim_pool[id]);
    c->cpupool_id = id;
    c->cpu_valid = calloc(1, sizeof(cpumask_t));
    c->res_valid = calloc(1, sizeof(cpumask_t));
    c->sched_gran = 1;
    c->sched = xmalloc(struct scheduler);
    if ( c->sched )
    {
        *c->sched = *template;
        c->sched->cpupool = c;
        rc = sched_init(c->sched);
        if ( !rc )
        {
            sim_pool[id] = c;
            return 0;
        }
        xfree(c->sched);
    }
    free(c->cpu_valid);
    free(c->res_valid);
    free(c);

    return rc;
}

void sim_pool_destroy(unsigned int id)
{
    struct cpupool *c = sim_pool[id];

    ASSERT(!c->n_dom && cpumask_empty(c->cpu_valid));
    sched_deinit(c->sched);
    xfree(c->sched);
    free(c->cpu_valid);
    free(c->res_valid);
    free(c);
    sim_pool[id] = NULL;
}

/* As cpupool_assign_cpu_locked() and schedule_cpu_add(). */
int sim_cpu_add(unsigned int pool, unsigned int cpu)
{
    struct cpupool *c = sim_pool[pool];
    struct sched_resource *sr = get_sched_res(cpu);
    struct sched_unit *idle = idle_vcpu[cpu]->sched_unit;
    void *pdata, *udata;
    spinlock_t *old_lock, *new_lock;
    unsigned long flags;

    ASSERT(!sr->cpupool);
    pdata = sched_alloc_pdata(c->sched, cpu);
    if ( IS_ERR(pdata) )
        return PTR_ERR(pdata);
    udata = sched_alloc_udata(c->sched, idle, NULL);
    if ( !udata )
    {
        sched_free_pdata(c->sched, pdata, cpu);
        return -ENOMEM;
    }

    old_lock = pcpu_schedule_lock_irqsave(cpu, &flags);
    new_lock = sched_switch_sched(c->sched, cpu, pdata, udata);
    ASSERT(idle->priv == udata && !local_irq_is_enabled());
    sr->scheduler = c->sched;
    sr->sched_priv = pdata;
    sr->cpupool = c;
    sr->schedule_lock = new_lock;
    spin_unlock_irqrestore(old_lock, flags);
    cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);

    /* The pCPU may get to it before the pool knows of the pCPU. */
    if ( sim.ipi_max_ns && sim_chance(300) )
        sim_force(cpu);

    cpumask_clear_cpu(cpu, &cpupool_free_cpus);
    cpumask_set_cpu(cpu, c->cpu_valid);
    cpumask_set_cpu(cpu, c->res_valid);

    return 0;
}

/* As cpu_disable_scheduler(). */
static int push_units_away(unsigned int cpu)
{
    struct cpupool *c = get_sched_res(cpu)->cpupool;
    struct sched_unit *unit;
    struct domain *d;
    int rc = 0;

    for_each_domain_in_cpupool ( d, c )
        for_each_sched_unit ( d, unit )
        {
            unsigned long flags;
            spinlock_t *lock = unit_schedule_lock_irqsave(unit, &flags);

            if ( !cpumask_intersects(unit->cpu_hard_affinity, c->cpu_valid) &&
                 cpumask_test_cpu(cpu, unit->cpu_hard_affinity) )
                set_affinity(unit, &cpumask_all, NULL);
            if ( unit->res != get_sched_res(cpu) )
            {
                unit_schedule_unlock_irqrestore(lock, flags, unit);
                continue;
            }
            migrate_start(unit);
            unit_schedule_unlock_irqrestore(lock, flags, unit);
            migrate_finish(unit);
            if ( unit->res == get_sched_res(cpu) )
                rc = -EAGAIN;
        }

    return rc;
}

/* As cpupool_unassign_cpu() and schedule_cpu_rm(). */
int sim_cpu_rm(unsigned int cpu, bool stop_machine)
{
    struct sched_resource *sr = get_sched_res(cpu);
    struct sched_unit *idle = idle_vcpu[cpu]->sched_unit;
    struct cpupool *c = sr->cpupool;
    struct scheduler *ops = c->sched;
    void *pdata, *udata;
    spinlock_t *old_lock;
    unsigned long flags;
    unsigned int tries;

    if ( c->n_dom && cpumask_weight(c->cpu_valid) == 1 )
        return -EBUSY;

    cpumask_clear_cpu(cpu, c->cpu_valid);
    cpumask_clear_cpu(cpu, c->res_valid);
    cpumask_set_cpu(cpu, &cpupool_free_cpus);

    for ( tries = 0; push_units_away(cpu); tries++ )
    {
        /* The toolstack tries again; by then the unit no longer runs. */
        if ( tries == 10 )
            sim_bug(__FILE__, __LINE__, "the pCPU that leaves stays busy");
        sim_force(cpu);
    }
    /* Nothing stops it from scheduling once more before it has left. */
    sim_force(cpu);
    if ( !is_idle_vcpu(sim_current[cpu]) )
        sim_bug(__FILE__, __LINE__, "the pCPU that leaves takes work again");

    pdata = sr->sched_priv;
    udata = idle->priv;
    if ( stop_machine )
        sim_irqs(false);
    old_lock = pcpu_schedule_lock_irqsave(cpu, &flags);
    idle->priv = NULL;
    sr->scheduler = &idle_ops;
    sr->sched_priv = NULL;
    sr->cpupool = NULL;
    sr->schedule_lock = &free_cpu_lock;
    spin_unlock_irqrestore(old_lock, flags);

    /* A timer of the old scheduler may fire before it has cleaned up. */
    if ( !stop_machine && sim_chance(500) )
    {
        sim_timers_run();
        sim_force(cpu);
    }

    sched_deinit_pdata(ops, pdata, cpu);
    sim_irqs(true);
    sched_free_udata(ops, udata);
    sched_free_pdata(ops, pdata, cpu);

    return 0;
}

void sim_boot(uint64_t seed, unsigned int nr_cpus, unsigned int sched_id)
{
    unsigned int cpu;
    int rc;

    memset(&sim, 0, sizeof(sim));
    sim.seed = seed;
    sim.rng = (seed + 1) * 0x9e3779b97f4a7c15ull;
    sim.now_ns = SECONDS(1);
    nr_cpu_ids = nr_cpus;
    spin_lock_init(&free_cpu_lock);
    idle_domain.vcpu = idle_vcpu;
    cpumask_clear(&cpu_online_map);
    cpumask_clear(&cpupool_free_cpus);
    memset(tasklet, 0, sizeof(tasklet));

    /* core.c's own copy has no pool and never gets a pCPU. */
    sim_boot_ops = *sim_find_scheduler(sched_id);
    if ( sim_boot_ops.global_init )
    {
        rc = sim_boot_ops.global_init();
        ASSERT(!rc);
    }
    rc = sched_init(&sim_boot_ops);
    ASSERT(!rc);

    for ( cpu = 0; cpu < nr_cpus; cpu++ )
    {
        struct sched_resource *sr = calloc(1, sizeof(*sr));
        struct sched_unit *unit;

        cpumask_set_cpu(cpu, &cpu_online_map);
        cpumask_set_cpu(cpu, &cpupool_free_cpus);
        cpumask_set_cpu(cpu, &sched_res_mask);
        cpu_data[cpu].x86_num_siblings = 1;
        sibling[cpu] = *cpumask_of(cpu);
        per_cpu(cpu_sibling_mask, cpu) = &sibling[cpu];
        per_cpu(cpu_core_mask, cpu) = &socket[cpu_to_socket(cpu)];
        cpumask_set_cpu(cpu, &socket[cpu_to_socket(cpu)]);
        softirq_at[cpu] = saved_at[cpu] = -1;

        ASSERT(sr);
        sr->cpus = calloc(1, sizeof(cpumask_t));
        cpumask_set_cpu(cpu, sr->cpus);
        sr->master_cpu = cpu;
        sr->granularity = 1;
        sr->scheduler = &idle_ops;
        spin_lock_init(&sr->_lock);
        sr->schedule_lock = &free_cpu_lock;
        init_timer(&sr->s_timer, s_timer_fn, NULL, cpu);
        set_sched_res(cpu, sr);

        idle_vcpu[cpu] = vcpu_alloc(&idle_domain, cpu);
        rc = vcpu_init(idle_vcpu[cpu], cpu);
        ASSERT(!rc);
        unit = idle_vcpu[cpu]->sched_unit;
        sr->curr = sr->sched_unit_idle = unit;
        sim_current[cpu] = idle_vcpu[cpu];
        sched_free_udata(&sim_boot_ops, unit->priv);
        unit->priv = NULL;
        if ( cpu )
            idle_vcpu[cpu - 1]->next_in_list = NULL;
    }

    rc = sim_pool_create(0, sched_id);
    ASSERT(!rc);
    for ( cpu = 0; cpu < nr_cpus; cpu++ )
    {
        rc = sim_cpu_add(0, cpu);
        ASSERT(!rc);
    }
    sim_settle();
}

void sim_shutdown(void)
{
    unsigned int cpu, id;

    sim.alloc_fail_in = 0;
    while ( domain_list )
        sim_domain_destroy(domain_list);
    sim_settle();
    for_each_online_cpu ( cpu )
    {
        struct sched_resource *sr = get_sched_res(cpu);
        int rc = sr->cpupool ? sim_cpu_rm(cpu, false) : 0;

        ASSERT(!rc);
    }
    for ( id = 0; id < SIM_POOLS; id++ )
        if ( sim_pool[id] )
            sim_pool_destroy(id);
    sched_deinit(&sim_boot_ops);
    for_each_online_cpu ( cpu )
    {
        struct sched_resource *sr = get_sched_res(cpu);

        kill_timer(&sr->s_timer);
        free_unit(idle_vcpu[cpu]->sched_unit);
        free(idle_vcpu[cpu]);
        free(sr->cpus);
        free(sr);
    }
    if ( sim.live_allocs )
        sim_bug(__FILE__, __LINE__, "memory was never freed");
    if ( sim_timer_next() != STIME_MAX )
        sim_bug(__FILE__, __LINE__, "a timer is still active");
}

/* ---- guests and the toolstack ------------------------------------------------ */

static void next_burst(struct sim_work *w)
{
    switch ( w->kind )
    {
    case SIM_HOG:
        w->left_ns = STIME_MAX;
        break;
    case SIM_PERIODIC:
        w->left_ns = w->burst_ns;
        break;
    case SIM_NONE:
        w->left_ns = 1000;
        break;
    default:
        w->left_ns = 1 + w->burst_ns / 2 + sim_below(w->burst_ns);
        break;
    }
}

void sim_work(struct vcpu *v, int kind, s_time_t burst_ns, s_time_t period_ns)
{
    v->work->kind = kind;
    v->work->burst_ns = burst_ns;
    v->work->period_ns = period_ns;
    v->work->wake_ns = STIME_MAX;
    next_burst(v->work);
    vcpu_unblock(v);
}

static void burst_done(struct vcpu *v)
{
    struct sim_work *w = v->work;

    w->bursts++;
    if ( w->kind == SIM_PERIODIC )
        w->wake_ns = (sim.now_ns / w->period_ns + 1) * w->period_ns;
    else if ( w->kind == SIM_RANDOM )
        w->wake_ns = sim.now_ns + 1 + w->period_ns / 2 +
                     sim_below(w->period_ns);
    next_burst(w);
    sim_block(v);
}

void sim_block(struct vcpu *v)
{
    ASSERT(sim_current[v->processor] == v);
    sim_enter(v->processor);
    set_bit(_VPF_blocked, &v->pause_flags);
    if ( v->work )
        v->work->blocks++;
    raise_softirq(SCHEDULE_SOFTIRQ);
    sim_enter(0);
}

void sim_yield(struct vcpu *v)
{
    spinlock_t *lock;

    ASSERT(sim_current[v->processor] == v);
    sim_enter(v->processor);
    lock = unit_schedule_lock_irq(v->sched_unit);
    sched_yield(unit_scheduler(v->sched_unit), v->sched_unit);
    unit_schedule_unlock_irq(lock, v->sched_unit);
    raise_softirq(SCHEDULE_SOFTIRQ);
    sim_enter(0);
}

void sim_event(struct vcpu *v, unsigned int kind)
{
    v->activity.events[kind]++;
    vcpu_unblock(v);
}

void sim_vcpu_down(struct vcpu *v)
{
    if ( !test_and_set_bit(_VPF_down, &v->pause_flags) )
        vcpu_sleep_nosync(v);
}

void sim_vcpu_up(struct vcpu *v)
{
    if ( test_and_clear_bit(_VPF_down, &v->pause_flags) )
        vcpu_wake(v);
}

int sim_adjust(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    op->sched_id = dom_scheduler(d)->sched_id;
    return sched_adjust_dom(dom_scheduler(d), d, op);
}

int sim_adjust_global(struct xen_sysctl_scheduler_op *op)
{
    struct cpupool *c = sim_pool[op->cpupool_id];

    return op->sched_id == c->sched->sched_id
           ? sched_adjust_cpupool(c->sched, op) : -EINVAL;
}

void sim_tasklet(unsigned int cpu, bool work)
{
    tasklet[cpu] = work;
    cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
}

bool sim_has_tasklet(unsigned int cpu)
{
    return tasklet[cpu];
}

void sim_dump(unsigned int pool)
{
    struct cpupool *c = sim_pool[pool];
    unsigned int cpu;

    sched_dump_settings(c->sched);
    for_each_cpu ( cpu, c->res_valid )
        sched_dump_cpu_state(c->sched, cpu);
}

/* ---- the passing of time -------------------------------------------------------- */

static void advance(s_time_t to)
{
    s_time_t delta = to - sim.now_ns;
    unsigned int cpu;

    if ( delta <= 0 )
        return;
    for_each_online_cpu ( cpu )
    {
        struct sim_work *w = sim_current[cpu]->work;

        if ( is_idle_vcpu(sim_current[cpu]) )
            sim.idle_ns[cpu] += delta;
        else if ( w )
        {
            w->run_ns += delta;
            if ( w->left_ns != STIME_MAX )
                w->left_ns = max(w->left_ns - delta, (s_time_t)0);
        }
    }
    sim.now_ns = to;
}

bool sim_switching(unsigned int cpu)
{
    return saved_at[cpu] >= 0;
}

s_time_t sim_skew_max(void)
{
    s_time_t skew = 0;
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        skew = max(skew, sim.skew_ns[cpu]);

    return skew;
}

bool sim_quiet(void)
{
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        if ( softirq_at[cpu] >= 0 || saved_at[cpu] >= 0 )
            return false;

    return true;
}

/* Softirqs and ends of context switches that are due, a random pCPU first. */
static void run_pending(void)
{
    bool again = true;

    while ( again )
    {
        unsigned int i, cpu, first = sim_below(nr_cpu_ids);

        again = false;
        for ( i = 0; i < nr_cpu_ids; i++ )
        {
            cpu = (first + i) % nr_cpu_ids;
            sim_enter(cpu);
            if ( saved_at[cpu] >= 0 )
            {
                if ( saved_at[cpu] > sim.now_ns )
                    continue;
                context_saved(cpu);
            }
            else if ( softirq_at[cpu] >= 0 && softirq_at[cpu] <= sim.now_ns )
                schedule(cpu);
            else
                continue;
            again = true;
        }
    }
    sim_enter(0);
    if ( sim.check && sim_quiet() )
        sim.check();
}

static s_time_t next_event(void)
{
    s_time_t next = sim_timer_next();
    struct domain *d;
    struct vcpu *v;
    unsigned int cpu;

    for_each_online_cpu ( cpu )
    {
        const struct vcpu *curr = sim_current[cpu];

        if ( saved_at[cpu] >= 0 )
            next = min(next, saved_at[cpu]);
        else if ( softirq_at[cpu] >= 0 )
            next = min(next, softirq_at[cpu]);
        if ( curr->work && curr->work->left_ns != STIME_MAX &&
             !(curr->pause_flags & VPF_blocked) )
            next = min(next, sim.now_ns + curr->work->left_ns);
    }
    for_each_domain ( d )
        for_each_vcpu ( d, v )
            if ( v->work )
                next = min(next, v->work->wake_ns);

    return next;
}

static void fire(void)
{
    unsigned int cpu;
    struct domain *d;
    struct vcpu *v;

    sim.events++;
    sim_timers_run();
    for_each_domain ( d )
        for_each_vcpu ( d, v )
            if ( v->work && v->work->wake_ns <= sim.now_ns )
            {
                v->work->wake_ns = STIME_MAX;
                sim_enter(v->processor);
                sim_event(v, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
                sim_enter(0);
            }
    for_each_online_cpu ( cpu )
    {
        v = sim_current[cpu];
        if ( v->work && !v->work->left_ns &&
             !(v->pause_flags & VPF_blocked) )
            burst_done(v);
    }
}

void sim_run(s_time_t for_ns)
{
    s_time_t end = sim.now_ns + for_ns;

    for ( ; ; )
    {
        s_time_t next;

        run_pending();
        next = max(next_event(), sim.now_ns);
        if ( next > end )
            break;
        advance(next);
        fire();
    }
    advance(end);
}

void sim_stall(s_time_t for_ns)
{
    advance(sim.now_ns + for_ns);
}

void sim_settle(void)
{
    unsigned int cpu;

    while ( !sim_quiet() )
        for_each_online_cpu ( cpu )
            sim_force(cpu);
    if ( sim.check )
        sim.check();
}
