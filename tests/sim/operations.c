/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that can happen to a scheduler, one random operation at a time.
 * What an operation does depends on the random numbers it begins with and on
 * who exists, and on nothing that was before; so steps can be left out of a run
 * and most of the others still do the same. Each tells what it does.
 */
#include <stdio.h>

#include "random.h"

#define DOMAINS  10

struct random_machine machine;

/* Every operation tells what it does, unless there is nothing it can do. */
static bool did_something;

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
    va_list args;

    did_something = true;
    if ( !machine.told )
        return;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    fflush(stdout);
}

/* By number, not by rank: it stays the same one if others are left out. */
static struct domain *some_domain(void)
{
    unsigned int domid = 1 + sim_below(DOMAINS);
    struct domain *d;

    for_each_domain ( d )
        if ( d->domain_id >= domid )
            return d;

    return domain_list;
}

static struct vcpu *some_vcpu(void)
{
    struct domain *d = some_domain();

    return d ? d->vcpu[sim_below(d->max_vcpus)] : NULL;
}

/* A vCPU that runs, is in guest context and can make a hypercall. */
static struct vcpu *some_running(void)
{
    unsigned int cpu = sim_below(nr_cpu_ids), i;

    for ( i = 0; i < nr_cpu_ids; i++, cpu = (cpu + 1) % nr_cpu_ids )
    {
        struct vcpu *v = sim_current[cpu];

        if ( !is_idle_vcpu(v) && vcpu_runnable(v) && !sim_switching(cpu) )
            return v;
    }

    return NULL;
}

static void tell_vcpu(const char *what, const struct vcpu *v)
{
    tell("%s d%dv%d", what, v->domain->domain_id, v->vcpu_id);
}

static void some_work(struct vcpu *v)
{
    static const unsigned int us[] = { 5, 50, 300, 2000, 20000 };
    unsigned int kind = sim_below(3), burst = us[sim_below(ARRAY_SIZE(us))];
    unsigned int period = us[sim_below(ARRAY_SIZE(us))] + 1;

    if ( kind == SIM_HOG )
        tell(", v%d computes", v->vcpu_id);
    else
        tell(", v%d runs %u us%s, %s %u us", v->vcpu_id, burst,
             kind == SIM_RANDOM ? " or so" : "",
             kind == SIM_RANDOM ? "then sleeps about" : "every", period);
    sim_work(v, kind, MICROSECS(burst), MICROSECS(period));
}

static void some_cpumask(cpumask_t *m)
{
    m->bits[0] = sim_random() & ((1ul << nr_cpu_ids) - 1);
}

static void maybe_no_memory(unsigned int allocations)
{
    if ( !sim_chance(100) )
        return;
    sim.alloc_fail_in = 1 + sim_below(allocations);
    tell(" (allocation %d fails)", sim.alloc_fail_in);
}

static void do_create(void)
{
    unsigned int domid = 1 + sim_below(DOMAINS), i;
    unsigned int pool = machine.two_pools && sim_chance(300);
    unsigned int vcpus = 1 + sim_below(4);
    struct domain *d;

    if ( sim_domain(domid) || cpumask_empty(sim_pool[pool]->cpu_valid) )
        return;
    tell("create d%u in pool %u, %u vCPUs", domid, pool, vcpus);
    maybe_no_memory(12);
    d = sim_guest_create(domid, pool, vcpus);
    sim.alloc_fail_in = 0;
    if ( d )
        for ( i = 0; i < d->max_vcpus; i++ )
            /* Real ones begin to run: null has to have seen each run. */
            if ( sim_chance(900) || machine.sched == XEN_SCHEDULER_NULL )
                some_work(d->vcpu[i]);
}

static void do_destroy(void)
{
    struct domain *d = some_domain();

    if ( !d || !sim_chance(300) )
        return;
    tell("destroy d%d", d->domain_id);
    sim_domain_destroy(d);
}

static void do_move(void)
{
    struct domain *d = some_domain();
    int rc;

    if ( !d || !machine.two_pools || !machine.domains_move )
        return;
    tell("move d%d to pool %d", d->domain_id, !d->cpupool->cpupool_id);
    maybe_no_memory(12);
    rc = sim_domain_move(d, !d->cpupool->cpupool_id);
    sim.alloc_fail_in = 0;
    if ( rc )
        tell(": error %d", rc);
}

static void do_work(void)
{
    struct vcpu *v = some_vcpu();

    if ( !v )
        return;
    tell("d%d", v->domain->domain_id);
    some_work(v);
}

static void some_event(struct vcpu *v)
{
    unsigned int kind = sim_below(4);

    tell(" gets event %u", kind);
    sim_event(v, kind);
}

static void do_event(void)
{
    struct vcpu *v = some_vcpu();

    if ( !v )
        return;
    tell_vcpu("", v);
    some_event(v);
}

/* A running vCPU sends some other domain's one an event, or several. */
static void do_send(void)
{
    struct vcpu *from = some_running(), *to = some_vcpu();

    if ( !from || !to || from->domain == to->domain )
        return;
    tell_vcpu("", from);
    tell_vcpu(" to", to);
    sim_event_send(from, to, XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
    if ( sim_executes(to) )
        sim_upcall_done(to);
}

static void do_block(void)
{
    struct vcpu *v = some_running();

    if ( !v )
        return;
    tell_vcpu("block", v);
    sim_block(v);
    if ( sim_chance(300) )      /* woken before it has even stopped */
        some_event(v);
}

static void do_yield(void)
{
    struct vcpu *v = some_running();

    if ( !v )
        return;
    tell_vcpu("yield", v);
    sim_yield(v);
}

static void do_affinity(void)
{
    struct vcpu *v = some_vcpu();
    cpumask_t mask;
    bool hard;

    if ( !v )
        return;
    if ( sim_chance(300) )
        mask = cpumask_all;
    else
        some_cpumask(&mask);
    hard = sim_chance(700);
    tell_vcpu(hard ? "hard affinity of" : "soft affinity of", v);
    tell(" is %#lx", mask.bits[0]);
    sim_set_affinity(v, hard ? &mask : NULL, hard ? NULL : &mask);
}

static void do_down_up(void)
{
    struct vcpu *v = some_vcpu();

    if ( !v || machine.sched == XEN_SCHEDULER_NULL )
        return;
    tell_vcpu(is_vcpu_online(v) ? "down" : "up", v);
    if ( is_vcpu_online(v) )
        sim_vcpu_down(v);
    else
        sim_vcpu_up(v);
}

static void do_pause(void)
{
    struct domain *d = some_domain();

    if ( !d )
        return;
    if ( d->is_shut_down )      /* stands for: paused by us */
    {
        tell("unpause d%d", d->domain_id);
        d->is_shut_down = false;
        domain_unpause(d);
    }
    else if ( sim_chance(400) )
    {
        tell("pause d%d", d->domain_id);
        d->is_shut_down = true;
        domain_pause(d);
    }
    else
    {
        tell("pause and unpause d%d", d->domain_id);
        domain_pause(d);
        domain_unpause(d);
    }
}

static void adjust_activity(struct domain *d)
{
    unsigned int set = sim_below(8), urgency = sim_below(4), cap, weight;

    cap = sim_chance(400) ? 0 : 1 + sim_below(100 * d->max_vcpus);
    weight = 1 + sim_below(sim_chance(100) ? 65535 : 1024);
    tell("d%d:", d->domain_id);
    if ( set & XEN_SCHED_ACTIVITY_SET_WEIGHT )
        tell(" weight %u", weight);
    if ( set & XEN_SCHED_ACTIVITY_SET_CAP )
        tell(" cap %u", cap);
    if ( set & XEN_SCHED_ACTIVITY_SET_URGENCY )
        tell(" urgency %u", urgency);
    if ( put(d, set, weight, cap, urgency, urgency ? 10 + sim_below(100) : 0) )
        sim_bug(__FILE__, __LINE__, "good parameters are refused");
    if ( ((set & XEN_SCHED_ACTIVITY_SET_CAP) && get(d).cap != cap) ||
         ((set & XEN_SCHED_ACTIVITY_SET_URGENCY) &&
          get(d).urgency != urgency) )
        sim_bug(__FILE__, __LINE__, "parameters do not read back");
}

/* Of one vCPU or all; what does not fit is refused, and just what is free fits. */
static void some_reservation(struct domain *d)
{
    static const unsigned int period_us[] = { 200, 1000, 10000, 1000000 };
    unsigned int period = period_us[sim_below(ARRAY_SIZE(period_us))];
    unsigned int slice = 50 + sim_below(period - 49), lease, room = 0;
    unsigned int vcpu = sim_chance(300) ? ALL_VCPUS : sim_below(d->max_vcpus);
    int rc;

    if ( sim_chance(200) )
        slice = period = lease = 0;
    else
        lease = 10 + sim_below(sim_chance(500) ? 30 : 1000);
    tell("d%d: vCPU %d has %u us of %u us reserved for %u ms", d->domain_id,
         (int)vcpu, slice, period, lease);
    rc = reserve(d, vcpu, slice, period, lease, &room);
    if ( rc == -ENOSPC && slice )
    {
        tell(": %u / 1000 are free", room);
        if ( vcpu == ALL_VCPUS )
            return;
        if ( room * (uint64_t)period >= slice * 1000ull )
            sim_bug(__FILE__, __LINE__, "refused although it fits");
        if ( room >= 50 && reserve(d, vcpu, room, 1000, lease, NULL) )
            sim_bug(__FILE__, __LINE__, "refused what was said to be free");
    }
    else if ( rc )
        sim_bug(__FILE__, __LINE__, "a good reservation is refused");
    else if ( get_reservation(d, vcpu == ALL_VCPUS ? 0 : vcpu).slice_us !=
              slice )
        sim_bug(__FILE__, __LINE__, "a reservation does not read back");
}

/* Parameters of credit and credit2. */
static void set_credit(struct domain *d, unsigned int weight, unsigned int cap)
{
    struct xen_domctl_scheduler_op op = { .cmd = XEN_DOMCTL_SCHEDOP_putinfo };

    if ( machine.sched == XEN_SCHEDULER_CREDIT2 )
    {
        op.u.credit2.weight = weight;
        op.u.credit2.cap = cap;
    }
    else
    {
        op.u.credit.weight = weight;
        op.u.credit.cap = cap;
    }
    if ( sim_adjust(d, &op) )
        sim_bug(__FILE__, __LINE__, "good parameters are refused");
}

static void adjust_credit(struct domain *d)
{
    unsigned int weight = 1 + sim_below(1024), cap = 0;

    if ( machine.caps && sim_chance(600) )
        cap = 1 + sim_below(100 * d->max_vcpus);
    tell("d%d: weight %u cap %u", d->domain_id, weight, cap);
    /* A first cap must not come in the middle of a switch (README.md). */
    if ( machine.sched == XEN_SCHEDULER_CREDIT2 && cap )
        sim_settle();
    set_credit(d, weight, cap);
}

static void do_adjust(void)
{
    struct domain *d = some_domain();

    if ( !d )
        return;
    if ( machine.sched == ACTIVITY && sim_chance(500) )
        some_reservation(d);
    else if ( machine.sched == ACTIVITY )
        adjust_activity(d);
    else if ( machine.sched == XEN_SCHEDULER_CREDIT2 ||
              machine.sched == XEN_SCHEDULER_CREDIT )
        adjust_credit(d);
}

static void do_params(void)
{
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_putinfo,
        .cpupool_id = machine.two_pools && sim_chance(500),
        .sched_id = ACTIVITY,
        .u.sched_activity = {
            .op = XEN_SYSCTL_SCHED_ACTIVITY_OP_PARAMS,
            .u.params = {
                .ratelimit_us = sim_below(3) * 1000,
                .slice_min_us = 50 + sim_below(1000),
                .slice_max_us = 1050 + sim_below(20000),
                .debt_max_us = sim_below(4) * 5000,
            },
        },
    };
    const struct xen_sysctl_sched_activity_params *p =
        &op.u.sched_activity.u.params;

    if ( machine.sched != ACTIVITY || !sim_chance(200) )
        return;
    tell("pool %u: ratelimit %u us, slice %u to %u us, debt %u us",
         op.cpupool_id, p->ratelimit_us, p->slice_min_us, p->slice_max_us,
         p->debt_max_us);
    if ( sim_adjust_global(&op) )
        sim_bug(__FILE__, __LINE__, "good parameters are refused");
}

static void do_cpu(void)
{
    unsigned int cpu = sim_below(nr_cpu_ids);
    unsigned int pool = machine.two_pools && sim_chance(300);
    bool unplug = sim_chance(500);

    if ( !machine.cpus_move )
        return;
    if ( !cpu_online(cpu) || !get_sched_res(cpu)->cpupool )
    {
        tell("pCPU %u joins pool %u", cpu, pool);
        maybe_no_memory(4);
        sim_cpu_add(pool, cpu);
        sim.alloc_fail_in = 0;
    }
    else if ( sim_chance(200) )
    {
        tell(unplug ? "unplug pCPU %u" : "pCPU %u leaves its pool", cpu);
        sim_cpu_rm(cpu, unplug);
    }
}

static void do_tasklet(void)
{
    unsigned int cpu = sim_below(nr_cpu_ids);

    /* A tasklet that does not end keeps a rendezvous from ever succeeding. */
    if ( !cpu_online(cpu) || get_sched_res(cpu)->granularity > 1 )
        return;
    if ( sim_has_tasklet(cpu) )
    {
        tell("the tasklet of pCPU %u ends", cpu);
        sim_tasklet(cpu, false);
    }
    else if ( sim_chance(200) )
    {
        tell("a tasklet on pCPU %u", cpu);
        sim_tasklet(cpu, true);
    }
}

static void do_records(void)
{
    static struct xen_sched_activity_record rec[DOMAINS * 4 + 20];
    unsigned int pool = machine.two_pools && sim_chance(500), i = 0;
    struct domain *d;
    struct vcpu *v;
    int nr;

    if ( machine.sched != ACTIVITY )
        return;
    tell("read the records of pool %u", pool);
    nr = records(pool, 1 + sim_below(20), rec, ARRAY_SIZE(rec));
    for_each_domain_in_cpupool ( d, sim_pool[pool] )
        for_each_vcpu ( d, v )
        {
            struct xen_domctl_sched_activity set = get(d);

            if ( i >= nr || rec[i].domid != d->domain_id ||
                 rec[i].vcpu_id != v->vcpu_id )
                sim_bug(__FILE__, __LINE__, "a record is missing");
            if ( rec[i].weight != set.weight || rec[i].cap != set.cap ||
                 rec[i].urgency != set.urgency ||
                 rec[i].lease_ms != set.lease_ms )
                sim_bug(__FILE__, __LINE__, "a record tells other terms");
            /* In units of 2, Xen's count begins before both have switched. */
            if ( !sim_skew_max() && get_sched_res(0)->granularity == 1 &&
                 rec[i].time_ns[RUNSTATE_running] != sim_run_ns(v) )
                sim_bug(__FILE__, __LINE__, "a record has another run time");
            i++;
        }
    if ( i != nr )
        sim_bug(__FILE__, __LINE__, "a record too many");
}

static void do_dump(void)
{
    if ( !sim_chance(100) || machine.sched == XEN_SCHEDULER_CREDIT )
        return;
    tell("debug key r");
    sim_dump();
}

static void do_stall(void)
{
    s_time_t ns = sim_below(SECONDS(2));

    if ( !sim_chance(50) )
        return;
    tell("nobody gets to react for %"PRId64" us", ns / 1000);
    sim_stall(ns);
}

static void do_time(void)
{
    static const s_time_t up_to[] = { MICROSECS(1), MICROSECS(30),
                                      MILLISECS(1), MILLISECS(12) };
    s_time_t ns = sim_below(up_to[sim_below(ARRAY_SIZE(up_to))]);

    tell("%"PRId64" us pass", ns / 1000);
    sim_run(ns);
}

static const struct {
    const char *name;
    void (*run)(void);
    unsigned int chance;        /* relative to the others */
} operations[] = {
    { "time", do_time, 30 },
    { "event", do_event, 12 },
    { "send", do_send, 8 },
    { "block", do_block, 6 },
    { "yield", do_yield, 4 },
    { "work", do_work, 6 },
    { "affinity", do_affinity, 6 },
    { "down or up", do_down_up, 4 },
    { "pause", do_pause, 4 },
    { "adjust", do_adjust, 6 },
    { "params", do_params, 1 },
    { "create", do_create, 6 },
    { "destroy", do_destroy, 3 },
    { "move", do_move, 3 },
    { "cpu", do_cpu, 4 },
    { "tasklet", do_tasklet, 1 },
    { "records", do_records, 2 },
    { "dump", do_dump, 1 },
    { "stall", do_stall, 1 },
};

void random_operation(void)
{
    unsigned int total = 0, pick, i;

    for ( i = 0; i < ARRAY_SIZE(operations); i++ )
        total += operations[i].chance;
    pick = sim_below(total);
    for ( i = 0; pick >= operations[i].chance; i++ )
        pick -= operations[i].chance;
    sim.doing = operations[i].name;
    tell("#   %5"PRIu64" at %8"PRId64" us: ", sim.step, sim.now_ns / 1000);
    did_something = false;
    operations[i].run();
    machine.done += did_something;
    if ( sim_chance(300) )
    {
        tell("; settle");
        sim_settle();
    }
    else if ( sim_quiet() )
        sim.check();
    tell("\n");
}

/* ---- at the end --------------------------------------------------------- */

/*
 * All have little to do, so it does not take long until each was served: even
 * credit, which lets a pCPU's vCPUs wait for 30 ms each, is through by then.
 */
#define SERVED_NS   SECONDS(2)
#define LITTLE_NS   MICROSECS(50)
#define PERIOD_NS   MILLISECS(20)

static void let_run(struct domain *d)
{
    struct vcpu *v;

    if ( d->is_shut_down )
    {
        d->is_shut_down = false;
        domain_unpause(d);
    }
    if ( machine.sched == ACTIVITY )
        put(d, XEN_SCHED_ACTIVITY_SET_ALL, 256, 0,
            XEN_SCHED_ACTIVITY_URGENCY_NORMAL, 0);
    else if ( machine.sched == XEN_SCHEDULER_CREDIT2 ||
              machine.sched == XEN_SCHEDULER_CREDIT )
        set_credit(d, 256, 0);
    for_each_vcpu ( d, v )
    {
        if ( !is_vcpu_online(v) )
            sim_vcpu_up(v);
        sim_set_affinity(v, &cpumask_all, &cpumask_all);
        sim_work(v, SIM_RANDOM, LITTLE_NS, PERIOD_NS);
    }
}

void random_check_all_run(void)
{
    static char text[200];
    static s_time_t before[DOMAINS + 1][4];
    s_time_t end_ns = sim.now_ns + SERVED_NS;
    const struct vcpu *starved;
    unsigned int cpu;
    struct domain *d;
    struct vcpu *v;

    /* It has one vCPU per pCPU; the others wait, and are meant to. */
    if ( machine.sched == XEN_SCHEDULER_NULL )
        return;
    for_each_online_cpu ( cpu )
        if ( sim_has_tasklet(cpu) )
            sim_tasklet(cpu, false);
    for_each_domain ( d )
    {
        let_run(d);
        for_each_vcpu ( d, v )
            before[d->domain_id][v->vcpu_id] = sim_run_ns(v);
    }
    do {
        sim_run(PERIOD_NS);
        starved = NULL;
        for_each_domain ( d )
            for_each_vcpu ( d, v )
                if ( sim_run_ns(v) == before[d->domain_id][v->vcpu_id] )
                    starved = v;
    } while ( starved && sim.now_ns < end_ns );

    if ( !starved )
        return;
    snprintf(text, sizeof(text), "starved: d%dv%d may run, has not for %"PRId64
             " ms, and has%s%s%s%s", starved->domain->domain_id,
             starved->vcpu_id, SERVED_NS / 1000000,
             starved->pause_flags & VPF_parked ? " VPF_parked" : "",
             starved->pause_flags & VPF_blocked ? " VPF_blocked" : "",
             starved->pause_flags & VPF_migrating ? " VPF_migrating" : "",
             atomic_read(&starved->pause_count) ? " a pause count" : "");
    sim_bug(__FILE__, __LINE__, text);
}
