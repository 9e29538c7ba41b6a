/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random sequences of everything that can happen to a scheduler, with the
 * invariants checked after each step. A failure names the seed and the step:
 * test-sched -v -s SEED -n 1 shows the way there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

#define STEPS    1500
#define DOMAINS  10

static unsigned int sched;
static bool two_pools, cpus_move;

static struct domain *some_domain(void)
{
    unsigned int n = 0, pick;
    struct domain *d;

    for_each_domain ( d )
        n++;
    if ( !n )
        return NULL;
    pick = sim_below(n);
    for_each_domain ( d )
        if ( !pick-- )
            break;

    return d;
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

static void some_work(struct vcpu *v)
{
    static const unsigned int us[] = { 5, 50, 300, 2000, 20000 };

    sim_work(v, sim_below(3), MICROSECS(us[sim_below(ARRAY_SIZE(us))]),
             MICROSECS(us[sim_below(ARRAY_SIZE(us))]) + 1000);
}

static void some_cpumask(cpumask_t *m)
{
    m->bits[0] = sim_random() & ((1ul << nr_cpu_ids) - 1);
}

static void do_create(void)
{
    unsigned int domid = 1 + sim_below(DOMAINS), i;
    unsigned int pool = two_pools && sim_chance(300);
    struct domain *d;

    if ( sim_domain(domid) || cpumask_empty(sim_pool[pool]->cpu_valid) )
        return;
    if ( sim_chance(100) )
        sim.alloc_fail_in = 1 + sim_below(12);
    d = sim_guest_create(domid, pool, 1 + sim_below(4));
    sim.alloc_fail_in = 0;
    if ( d )
        for ( i = 0; i < d->max_vcpus; i++ )
            /* Real ones begin to run: null has to have seen each run. */
            if ( sim_chance(900) || sched == XEN_SCHEDULER_NULL )
                some_work(d->vcpu[i]);
}

static void do_destroy(void)
{
    struct domain *d = some_domain();

    if ( d && sim_chance(300) )
        sim_domain_destroy(d);
}

static void do_move(void)
{
    struct domain *d = some_domain();

    if ( !d || !two_pools )
        return;
    if ( sim_chance(100) )
        sim.alloc_fail_in = 1 + sim_below(12);
    sim_domain_move(d, !d->cpupool->cpupool_id);
    sim.alloc_fail_in = 0;
}

static void do_work(void)
{
    struct vcpu *v = some_vcpu();

    if ( v )
        some_work(v);
}

static void do_event(void)
{
    struct vcpu *v = some_vcpu();

    if ( v )
        sim_event(v, sim_below(4));
}

static void do_block(void)
{
    struct vcpu *v = some_running();

    if ( !v )
        return;
    sim_block(v);
    if ( sim_chance(300) )      /* woken before it has even stopped */
        sim_event(v, sim_below(4));
}

static void do_yield(void)
{
    struct vcpu *v = some_running();

    if ( v )
        sim_yield(v);
}

static void do_affinity(void)
{
    struct vcpu *v = some_vcpu();
    cpumask_t mask;

    if ( !v )
        return;
    if ( sim_chance(300) )
        mask = cpumask_all;
    else
        some_cpumask(&mask);
    if ( sim_chance(700) )
        sim_set_affinity(v, &mask, NULL);
    else
        sim_set_affinity(v, NULL, &mask);
}

static void do_down_up(void)
{
    struct vcpu *v = some_vcpu();

    if ( !v || sched == XEN_SCHEDULER_NULL )
        return;
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
        d->is_shut_down = false;
        domain_unpause(d);
    }
    else if ( sim_chance(400) )
    {
        d->is_shut_down = true;
        domain_pause(d);
    }
    else
    {
        domain_pause(d);
        domain_unpause(d);
    }
}

static void do_adjust(void)
{
    struct domain *d = some_domain();
    unsigned int set = sim_below(8), urgency = sim_below(4), cap;

    if ( !d || sched != ACTIVITY )
        return;
    cap = sim_chance(400) ? 0 : 1 + sim_below(100 * d->max_vcpus);
    if ( put(d, set, 1 + sim_below(sim_chance(100) ? 65535 : 1024), cap,
             urgency, urgency ? 10 + sim_below(100) : 0) )
        sim_bug(__FILE__, __LINE__, "good parameters are refused");
    if ( ((set & XEN_SCHED_ACTIVITY_SET_CAP) && get(d).cap != cap) ||
         ((set & XEN_SCHED_ACTIVITY_SET_URGENCY) &&
          get(d).urgency != urgency) )
        sim_bug(__FILE__, __LINE__, "parameters do not read back");
}

static void do_params(void)
{
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_putinfo,
        .cpupool_id = two_pools && sim_chance(500),
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

    if ( sched == ACTIVITY && sim_chance(200) && sim_adjust_global(&op) )
        sim_bug(__FILE__, __LINE__, "good parameters are refused");
}

static void do_cpu(void)
{
    unsigned int cpu = sim_below(nr_cpu_ids);

    if ( !cpus_move )
        return;
    if ( !cpu_online(cpu) || !get_sched_res(cpu)->cpupool )
    {
        if ( sim_chance(100) )
            sim.alloc_fail_in = 1 + sim_below(4);
        sim_cpu_add(two_pools && sim_chance(300), cpu);
        sim.alloc_fail_in = 0;
    }
    else if ( sim_chance(200) )
        sim_cpu_rm(cpu, sim_chance(500));
}

static void do_tasklet(void)
{
    unsigned int cpu = sim_below(nr_cpu_ids);

    /* A tasklet that does not end keeps a rendezvous from ever succeeding. */
    if ( !cpu_online(cpu) || get_sched_res(cpu)->granularity > 1 )
        return;
    if ( sim_has_tasklet(cpu) )
        sim_tasklet(cpu, false);
    else if ( sim_chance(200) )
        sim_tasklet(cpu, true);
}

static void do_records(void)
{
    static struct xen_sched_activity_record rec[DOMAINS * 4 + 20];
    unsigned int pool = two_pools && sim_chance(500), i = 0;
    struct domain *d;
    struct vcpu *v;
    int nr;

    if ( sched != ACTIVITY )
        return;
    nr = records(pool, 1 + sim_below(20), rec, ARRAY_SIZE(rec));
    for_each_domain_in_cpupool ( d, sim_pool[pool] )
        for_each_vcpu ( d, v )
        {
            if ( i >= nr || rec[i].domid != d->domain_id ||
                 rec[i].vcpu_id != v->vcpu_id )
                sim_bug(__FILE__, __LINE__, "a record is missing");
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
    if ( sim_chance(100) && sched != XEN_SCHEDULER_CREDIT )
        sim_dump();
}

static void do_stall(void)
{
    if ( sim_chance(50) )
        sim_stall(sim_below(SECONDS(2)));
}

static void do_time(void)
{
    static const s_time_t up_to[] = { MICROSECS(1), MICROSECS(30),
                                      MILLISECS(1), MILLISECS(12) };

    sim_run(sim_below(up_to[sim_below(ARRAY_SIZE(up_to))]));
}

static const struct {
    const char *name;
    void (*run)(void);
    unsigned int chance;        /* relative to the others */
} operations[] = {
    { "time", do_time, 30 },
    { "event", do_event, 12 },
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

/* What the seed makes of the machine; each adds one kind of trouble. */
enum { CALM = 0, LATE = 1, BUSY_LOCKS = 2, SKEW = 4, CORES = 8 };

static void random_run(uint64_t seed, unsigned int sched_id,
                       unsigned int trouble)
{
    /* Now and then more than fit into one run queue. */
    unsigned int cpus = seed % 8 ? 1 + seed % 5 : 9 + seed % 3;
    unsigned int i, cpu, total = 0;

    sched = sched_id;
    if ( trouble & CORES )
    {
        cpus = ROUNDUP(cpus, 2);
        sim.topology.threads_per_core = 2;
        sim_param("sched-gran", "core");
    }
    sim_boot(seed, cpus, sched);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
    if ( trouble & LATE )
    {
        sim.ipi_max_ns = MICROSECS(20);
        sim.switch_max_ns = MICROSECS(20);
        sim.timer_slop_ns = MICROSECS(50);
        sim.window_permille = 100;
    }
    if ( trouble & BUSY_LOCKS )
        sim.trylock_fail_permille = 200;
    if ( trouble & SKEW )
        for ( cpu = 0; cpu < cpus; cpu++ )
            sim.skew_ns[cpu] = sim_below(2000);

    /*
     * With those of Xen that is not always possible: a pCPU of credit2 that is
     * to leave a busy pool takes new work all the time; rtds and null fail when
     * a pCPU or a domain leaves at the wrong moment.
     */
    cpus_move = (sched == ACTIVITY || sched == XEN_SCHEDULER_CREDIT) &&
                !(trouble & CORES);
    two_pools = cpus > 1 && sim_chance(700) && cpus_move;
    if ( two_pools && (sim_cpu_rm(cpus - 1, false) ||
                       sim_pool_create(1, sched) ||
                       sim_cpu_add(1, cpus - 1)) )
        BUG();
    tb_init_done = sim_chance(500);

    for ( i = 0; i < ARRAY_SIZE(operations); i++ )
        total += operations[i].chance;
    for ( sim.step = 1; sim.step <= STEPS; sim.step++ )
    {
        unsigned int pick = sim_below(total);

        for ( i = 0; pick >= operations[i].chance; i++ )
            pick -= operations[i].chance;
        sim.doing = operations[i].name;
        if ( tests_verbose )
            printf("%"PRIu64": t=%"PRId64" %s\n", sim.step, sim.now_ns,
                   sim.doing);
        operations[i].run();
        if ( sim_chance(300) )
            sim_settle();
        else if ( sim_quiet() )
            sim.check();
    }
    sim.doing = "shutdown";
    sim_settle();
    sim_shutdown();
}

static void random_runs(unsigned int sched_id, unsigned int runs,
                        unsigned int trouble)
{
    unsigned int i;

    printf("#   seeds %"PRIu64" to %"PRIu64", %u steps each\n", first_seed,
           first_seed + runs - 1, STEPS);
    for ( i = 0; i < runs; i++ )
    {
        int status = 1;
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if ( !pid )
        {
            alarm(30);      /* an endless loop */
            random_run(first_seed + i, sched_id, trouble);
            exit(0);
        }
        if ( pid < 0 || waitpid(pid, &status, 0) < 0 )
            status = 1;
        expect(!status, "seed %"PRIu64" ends well", first_seed + i);
    }
}

/* Ours, with all seeds. */
static void random_calm(void) { random_runs(ACTIVITY, nr_seeds, CALM); }
static void random_late(void) { random_runs(ACTIVITY, nr_seeds, LATE); }
static void random_locks(void) { random_runs(ACTIVITY, nr_seeds, BUSY_LOCKS); }
static void random_all(void)
{
    random_runs(ACTIVITY, nr_seeds, LATE | BUSY_LOCKS | SKEW);
}

/* Units of 2 vCPUs. */
static void random_cores(void)
{
    random_runs(ACTIVITY, DIV_ROUND_UP(nr_seeds, 3), LATE | CORES);
}

/* Xen's, with a third of them: here it is the simulator that is tested. */
static void random_of(unsigned int sched_id)
{
    random_runs(sched_id, DIV_ROUND_UP(nr_seeds, 3), LATE);
}

static void random_credit2(void) { random_of(XEN_SCHEDULER_CREDIT2); }
static void random_credit(void) { random_of(XEN_SCHEDULER_CREDIT); }
static void random_rtds(void) { random_of(XEN_SCHEDULER_RTDS); }
static void random_null(void) { random_of(XEN_SCHEDULER_NULL); }

const struct test random_tests[] = {
    { "random", random_calm },
    { "random, late softirqs and timers", random_late },
    { "random, trylock fails", random_locks },
    { "random, late, trylock fails, clocks differ", random_all },
    { "random, units of 2 vCPUs", random_cores },
    { "random, credit2", random_credit2 },
    { "random, credit", random_credit },
    { "random, rtds", random_rtds },
    { "random, null", random_null },
    { NULL, NULL }
};
