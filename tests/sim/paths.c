/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths of Xen's scheduler core that a scheduler meets: polling, races of
 * blocking and waking, pools, hot-plug, units of several vCPUs; and Xen's other
 * schedulers, which must work here if the core does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

#define VIRQ        XEN_SCHED_ACTIVITY_EVENT_VIRQ
#define IPI         XEN_SCHED_ACTIVITY_EVENT_IPI
#define PIRQ        XEN_SCHED_ACTIVITY_EVENT_PIRQ

static void boot_with(unsigned int sched_id, unsigned int cpus)
{
    sim_boot(1, cpus, sched_id);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
}

static struct vcpu *hog_vcpu(unsigned int domid)
{
    return hog(domid, 0)->vcpu[0];
}

static void command_line(void)
{
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_getinfo,
        .sched_id = XEN_SCHEDULER_CREDIT,
    };

    expect(sim_param("sched_ratelimit", "1") == -ENOENT, "an unknown name");
    expect(sim_param("sched_ratelimit_us", "") == -EINVAL, "no value");
    expect(sim_param("sched_ratelimit_us", "1x") == -EINVAL, "a bad value");
    expect(sim_param("sched-gran", "thread") == -EINVAL, "a bad word");
    expect(sim_param("sched", "0123456789") == -EINVAL, "a long word");
    expect(!sim_param("sched_ratelimit_us", "2000") &&
           !sim_param("sched_credit_tslice_ms", "5"), "good values");
    boot_with(XEN_SCHEDULER_CREDIT, 1);
    expect(!sim_adjust_global(&op) && op.u.sched_credit.tslice_ms == 5 &&
           op.u.sched_credit.ratelimit_us == 2000, "... are what Xen has");
    sim_shutdown();
}

/* Threads in cores of 2, cores in sockets of 2; one socket is half full. */
static void topology(void)
{
    static const unsigned int siblings[] = { 3, 3, 12, 12, 48, 48 };
    unsigned int cpu;

    sim.topology.threads_per_core = 2;
    sim.topology.cores_per_socket = 2;
    boot_with(XEN_SCHEDULER_CREDIT2, 6);
    for ( cpu = 0; cpu < 6; cpu++ )
    {
        expect(cpu_to_socket(cpu) == cpu / 4 && cpu_to_core(cpu) == cpu / 2 % 2,
               "pCPU %u is in its place", cpu);
        expect(per_cpu(cpu_sibling_mask, cpu)->bits[0] == siblings[cpu],
               "pCPU %u has its siblings", cpu);
        expect(per_cpu(cpu_core_mask, cpu)->bits[0] == (cpu < 4 ? 15 : 48),
               "pCPU %u has its socket", cpu);
    }
    sim_shutdown();
}

/* ---- SCHEDOP_poll, SCHEDOP_block ---------------------------------------- */

static void poll_timeout(void)
{
    struct vcpu *v;
    s_time_t began;

    boot(1);
    v = hog_vcpu(1);
    sim_run(MILLISECS(1));
    began = sim_run_ns(v);
    expect(sim_poll(v, sim_port(0, VIRQ), sim.now_ns + MILLISECS(5)),
           "a poll without an event waits");
    sim_run(MILLISECS(4));
    expect(test_bit(0, v->domain->poll_mask) && v->is_urgent &&
           atomic_read(&per_cpu(sched_urgent_count, 0)) == 1,
           "who polls is urgent");
    expect(sim_run_ns(v) == began, "who polls does not run");
    sim_run(MILLISECS(2));
    expect(sim_executes(v) && near(sim_run_ns(v) - began, MILLISECS(1), 1000),
           "the timeout wakes it after 5 ms");
    expect(!test_bit(0, v->domain->poll_mask) && !v->is_urgent &&
           atomic_read(&per_cpu(sched_urgent_count, 0)) == 0,
           "it does not poll any longer");
    sim_shutdown();
}

/* As a PV spinlock: upcalls are masked, one port is waited for. */
static void poll_port(void)
{
    struct vcpu *v;

    boot(1);
    v = hog_vcpu(1);
    sim_run(MILLISECS(1));
    v->upcall_mask = true;
    sim_event_send(NULL, v, VIRQ);
    expect(sim_upcall_pending(v), "nobody takes a masked upcall");
    expect(sim_poll(v, sim_port(0, IPI), 0), "... and a poll waits anyway");
    sim_run(MILLISECS(1));
    sim_event_send(NULL, v, PIRQ);
    sim_run(MILLISECS(1));
    expect(!sim_executes(v) && (v->pause_flags & VPF_blocked),
           "another port does not end the poll");
    sim_event_send(NULL, v, IPI);
    sim_run(MILLISECS(1));
    expect(sim_executes(v), "the port ends the poll");

    v->upcall_mask = true;
    sim_event_send(NULL, v, IPI);
    expect(!sim_poll(v, sim_port(0, IPI), 0), "not for a pending port");
    expect(!sim_poll(v, sim_port(9, IPI), 0), "... nor for a strange one");
    expect(!v->poll_evtchn && !test_bit(0, v->domain->poll_mask) &&
           sim_executes(v), "and it goes on");
    sim_shutdown();
}

/* What the hooks were told. */
static unsigned int starts, stops;
static void (*guest_start)(unsigned int cpu, struct vcpu *v);
static void (*guest_stop)(unsigned int cpu, struct vcpu *v);
static struct vcpu *told[NR_CPUS];

static void count_start(unsigned int cpu, struct vcpu *v)
{
    if ( told[cpu] && told[cpu] != v )
        sim_bug(__FILE__, __LINE__, "start of a second one on a pCPU");
    if ( sim_current[cpu] != v || v->processor != cpu )
        sim_bug(__FILE__, __LINE__, "start of one that is not there");
    told[cpu] = v;
    starts += !is_idle_vcpu(v);
    guest_start(cpu, v);
}

static void count_stop(unsigned int cpu, struct vcpu *v)
{
    if ( told[cpu] && told[cpu] != v )
        sim_bug(__FILE__, __LINE__, "stop of one that did not start");
    told[cpu] = NULL;
    stops += !is_idle_vcpu(v);
    guest_stop(cpu, v);
}

static void watch_hooks(void)
{
    guest_start = sim.model.start;
    guest_stop = sim.model.stop;
    sim.model.start = count_start;
    sim.model.stop = count_stop;
}

static void block_race(void)
{
    struct vcpu *v, *other;
    uint64_t switches;
    unsigned int i;

    boot(1);
    v = hog_vcpu(1);
    sim_run(MILLISECS(1));
    watch_hooks();

    switches = sim.switches;
    v->upcall_pending = true;
    expect(!sim_block(v), "a pending event keeps it from blocking");
    sim_run(MICROSECS(10));
    expect(sim_executes(v) && sim.switches == switches, "it goes on");
    sim_upcall_done(v);

    starts = 0;
    expect(sim_block(v), "without one it blocks");
    expect(!sim_executes(v), "from then on it does not execute");
    sim_event_send(NULL, v, VIRQ);
    sim_run(MICROSECS(10));
    expect(sim_executes(v) && sim.switches == switches && starts == 1,
           "an event before it has left: it is told to go on where it is");

    other = hog_vcpu(2);
    watch_hooks();
    for ( i = 0; i < 200; i++ )
    {
        sim_run(MICROSECS(700));
        v = sim_current[0];
        if ( sim_block(v) )
            sim_event_send(NULL, v, VIRQ);
    }
    sim_run(MILLISECS(100));
    expect(sim_run_ns(other) > MILLISECS(60), "the other is not forgotten, but "
           "ran %"PRId64" us", sim_run_ns(other) / 1000);
    sim_shutdown();
}

static s_time_t ipi_3us(unsigned int from, unsigned int to)
{
    return MICROSECS(3);
}

static s_time_t switch_2us(unsigned int cpu, const struct vcpu *prev,
                           const struct vcpu *next)
{
    return MICROSECS(2);
}

/* Time passes for an IPI and a context switch, and only then the guest runs. */
static void hooks(void)
{
    struct domain *d;
    cpumask_t mask;
    s_time_t woken;

    boot(2);
    d = sim_guest_create(1, 0, 1);
    cpumask_copy(&mask, cpumask_of(1));
    sim_set_affinity(d->vcpu[0], &mask, NULL);
    sim_run(MILLISECS(1));
    sim.model.ipi_ns = ipi_3us;
    sim.model.switch_ns = switch_2us;
    watch_hooks();
    starts = stops = 0;
    woken = sim.now_ns;
    sim_event(d->vcpu[0], VIRQ);
    while ( !starts && sim.now_ns < woken + MILLISECS(1) )
        sim_run(1);
    expect(sim.now_ns - woken == MICROSECS(5), "IPI and switch take 5 us, not "
           "%"PRId64" ns", sim.now_ns - woken);
    expect(sim_switching(1) == false && sim_executes(d->vcpu[0]),
           "it executes when its predecessor's context is saved");
    sim_run(MILLISECS(1));
    expect(stops == 1, "then it blocks");
    sim_shutdown();
}

/* ---- pools and pCPUs ---------------------------------------------------- */

/*
 * Not rtds: when the pCPU leaves on which its timer is, it uses the pointer to
 * the pool that schedule_cpu_rm() of Xen 4.17 has just cleared.
 */
static const unsigned int schedulers[] = {
    XEN_SCHEDULER_ACTIVITY, XEN_SCHEDULER_CREDIT2, XEN_SCHEDULER_CREDIT,
    XEN_SCHEDULER_NULL,
};

/* A capped domain, in whatever state, through pools of other schedulers. */
static void move_through_pools(void)
{
    struct domain *d, *stay;
    unsigned int i, round;
    int rc;

    boot(3);
    stay = hog_vcpu(2)->domain;
    d = sim_guest_create(1, 0, 3);
    sim_work(d->vcpu[0], SIM_HOG, 0, 0);
    sim_work(d->vcpu[1], SIM_RANDOM, MICROSECS(300), MICROSECS(700));
    for ( round = 0; round < 4; round++ )
        for ( i = 0; i < ARRAY_SIZE(schedulers); i++ )
        {
            unsigned int cpu;
            s_time_t before;

            rc = sim_pool_create(1, schedulers[i]);
            expect(!rc, "a pool of scheduler %u, not %d", schedulers[i], rc);
            for ( cpu = 1; cpu <= 2; cpu++ )
            {
                rc = sim_cpu_rm(cpu, false) ?: sim_cpu_add(1, cpu);
                expect(!rc, "a pCPU for it, not %d", rc);
            }
            /* Runs, is parked, or is in the middle of being made to stop. */
            put_cap(d, 20);
            sim_run(MILLISECS(1) + sim_below(MILLISECS(15)));
            if ( round == 1 )
                sim_set_affinity(d->vcpu[0], cpumask_of(0), NULL);
            if ( round == 2 )
                domain_pause(d);
            rc = sim_domain_move(d, 1);
            expect(!rc, "d1 moves to scheduler %u, not %d", schedulers[i], rc);
            if ( round == 2 )
                domain_unpause(d);
            before = sim_run_ns(d->vcpu[0]);
            sim_run(MILLISECS(100));
            if ( schedulers[i] != ACTIVITY )
                expect(sim_run_ns(d->vcpu[0]) - before > MILLISECS(35),
                       "round %u: d1 ran %"PRId64" us of 100 ms in scheduler "
                       "%u", round, (sim_run_ns(d->vcpu[0]) - before) / 1000,
                       schedulers[i]);
            rc = sim_domain_move(d, 0);
            expect(!rc, "... and back, not %d", rc);
            before = sim_run_ns(d->vcpu[0]);
            for ( cpu = 1; cpu <= 2; cpu++ )
            {
                rc = sim_cpu_rm(cpu, false) ?: sim_cpu_add(0, cpu);
                expect(!rc, "... with its pCPUs, not %d", rc);
            }
            rc = sim_pool_destroy(1);
            expect(!rc, "the pool goes, not %d", rc);
            sim_run(MILLISECS(20));
            expect(sim_run_ns(d->vcpu[0]) > before, "d1 runs in pool 0");
        }
    expect(sim_run_ns(stay->vcpu[0]) > SECONDS(1), "who stayed ran, too");
    sim_shutdown();
}

static void last_cpu_stays(void)
{
    struct domain *d;

    boot(2);
    SIM_CHECK(!sim_cpu_rm(1, false) && !sim_pool_create(1, ACTIVITY) &&
              !sim_cpu_add(1, 1));
    d = sim_guest_create(1, 1, 1);
    expect(sim_cpu_rm(1, false) == -EBUSY, "the last pCPU of a pool stays");
    expect(sim_cpu_rm(1, true) == -ENODEV, "... and is not unplugged");
    expect(sim_pool_destroy(1) == -EBUSY, "the pool is in use");
    sim_domain_destroy(d);
    expect(sim_pool_destroy(1) == -EBUSY, "... as long as it has a pCPU");
    expect(!sim_cpu_rm(1, false) && !sim_pool_destroy(1), "then it goes");
    expect(!sim_guest_create(1, 1, 1), "no domain in a pool that is gone");
    sim_shutdown();
}

/* stop_machine takes the pCPU away under a running guest. */
static void hot_plug(unsigned int sched_id)
{
    struct vcpu *v[3];
    unsigned int i, round;
    s_time_t before;

    boot_with(sched_id, 3);
    for ( i = 0; i < 3; i++ )
        v[i] = hog_vcpu(i + 1);
    for ( round = 0; round < 10; round++ )
    {
        unsigned int cpu = 1 + round % 2;
        int rc;

        sim_run(MILLISECS(35));
        sim_set_affinity(v[0], cpumask_of(cpu), NULL);
        sim_run(sim_below(MILLISECS(3)));
        rc = sim_cpu_down(cpu);
        expect(!rc, "pCPU %u is unplugged, not %d", cpu, rc);
        before = sim_run_ns(v[0]);
        sim_run(MILLISECS(200));    /* several slices of credit, the longest */
        /* null has no pCPU for the third. */
        if ( sched_id != XEN_SCHEDULER_NULL )
            expect(sim_run_ns(v[0]) > before,
                   "who was pinned there runs elsewhere");
        sim_set_affinity(v[0], &cpumask_all, NULL);
        rc = sim_cpu_up(cpu);
        expect(!rc, "pCPU %u is back, not %d", cpu, rc);
    }
    before = sim_idle_ns(0) + sim_idle_ns(1) + sim_idle_ns(2);
    sim_run(MILLISECS(100));
    if ( sched_id != XEN_SCHEDULER_RTDS )
        expect(sim_idle_ns(0) + sim_idle_ns(1) + sim_idle_ns(2) - before <
               MILLISECS(2), "3 hogs keep 3 pCPUs busy");
    sim_shutdown();
}

static void hot_plug_activity(void) { hot_plug(XEN_SCHEDULER_ACTIVITY); }
static void hot_plug_credit2(void) { hot_plug(XEN_SCHEDULER_CREDIT2); }
static void hot_plug_credit(void) { hot_plug(XEN_SCHEDULER_CREDIT); }
static void hot_plug_rtds(void) { hot_plug(XEN_SCHEDULER_RTDS); }
static void hot_plug_null(void) { hot_plug(XEN_SCHEDULER_NULL); }

/* ---- units of 2 vCPUs --------------------------------------------------- */

/* The two threads of a core never serve two domains. */
static void check_cores(void)
{
    unsigned int cpu;

    for ( cpu = 0; cpu < nr_cpu_ids; cpu += 2 )
    {
        const struct vcpu *a = sim_current[cpu], *b = sim_current[cpu + 1];

        if ( !is_idle_vcpu(a) && !is_idle_vcpu(b) &&
             a->sched_unit != b->sched_unit )
            sim_bug(__FILE__, __LINE__, "two units on one core");
    }
}

static void check_both(void)
{
    check_cores();
    check_activity();
}

static void core_granularity(unsigned int sched_id)
{
    struct domain *d[4];
    unsigned int i, v;

    sim.topology.threads_per_core = 2;
    SIM_CHECK(!sim_param("sched-gran", "core"));
    sim_boot(1, 4, sched_id);
    sim.verbose = tests_verbose;
    sim.check = check_both;
    expect(cpupool_get_granularity(sim_pool[0]) == 2, "units have 2 vCPUs");
    for ( i = 0; i < 4; i++ )
    {
        d[i] = sim_guest_create(i + 1, 0, 2);
        expect(d[i]->vcpu[0]->sched_unit == d[i]->vcpu[1]->sched_unit,
               "both vCPUs are one unit");
        sim_work(d[i]->vcpu[0], SIM_HOG, 0, 0);
        if ( i & 1 )
            sim_work(d[i]->vcpu[1], SIM_RANDOM, MICROSECS(300), MILLISECS(1));
        else
            sim_work(d[i]->vcpu[1], SIM_HOG, 0, 0);
    }
    sim_run(SECONDS(2));
    for ( i = 0; i < 4; i++ )
        for ( v = 0; v < 2; v++ )
            expect(sim_run_ns(d[i]->vcpu[v]) > MILLISECS(v && (i & 1) ? 50
                                                                     : 700),
                   "d%uv%u ran %"PRId64" of 2000 ms", i + 1, v,
                   sim_run_ns(d[i]->vcpu[v]) / 1000000);
    domain_pause(d[0]);
    sim_run(MILLISECS(10));
    domain_unpause(d[0]);
    sim_run(MILLISECS(10));
    for ( i = 0; i < 4; i++ )
        sim_domain_destroy(d[i]);
    sim_settle();
}

static void cores_credit2(void) { core_granularity(XEN_SCHEDULER_CREDIT2); }
static void cores_credit(void) { core_granularity(XEN_SCHEDULER_CREDIT); }
static void cores_activity(void) { core_granularity(ACTIVITY); }

/* ---- other schedulers --------------------------------------------------- */

static void set_weight(struct domain *d, unsigned int weight)
{
    struct xen_domctl_scheduler_op op = { .cmd = XEN_DOMCTL_SCHEDOP_putinfo };
    int rc;

    switch ( d->cpupool->sched->sched_id )
    {
    case XEN_SCHEDULER_CREDIT:
        op.u.credit.weight = weight;
        op.u.credit.cap = (uint16_t)~0u;    /* stays as it is */
        break;
    default:
        op.u.credit2.weight = weight;
        op.u.credit2.cap = 0;
        break;
    }
    rc = sim_adjust(d, &op);
    SIM_CHECK(!rc);
}

static void weights(unsigned int sched_id, unsigned int percent)
{
    static const unsigned int weight[] = { 256, 512, 256, 512 };
    struct vcpu *v[4];
    unsigned int i;

    boot_with(sched_id, 2);
    for ( i = 0; i < 4; i++ )
    {
        v[i] = hog_vcpu(i + 1);
        set_weight(v[i]->domain, weight[i]);
    }
    sim_run(SECONDS(10));
    for ( i = 0; i < 4; i++ )
    {
        s_time_t due = SECONDS(20) * weight[i] / 1536;

        expect(near(sim_run_ns(v[i]), due, due * percent / 100),
               "weight %u gets %"PRId64" ms of 10 s, not %"PRId64, weight[i],
               due / 1000000, sim_run_ns(v[i]) / 1000000);
    }
    sim_shutdown();
}

static void weights_credit2(void) { weights(XEN_SCHEDULER_CREDIT2, 3); }
static void weights_credit(void) { weights(XEN_SCHEDULER_CREDIT, 5); }

/* Each vCPU gets its budget in each period, and no more. */
static void rtds_budgets(void)
{
    static const unsigned int budget_us[] = { 3000, 1000, 4000 };
    struct vcpu *v[3];
    unsigned int i;

    boot_with(XEN_SCHEDULER_RTDS, 1);
    for ( i = 0; i < 3; i++ )
    {
        struct xen_domctl_scheduler_op op = {
            .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
            .u.rtds = { .period = 10000, .budget = budget_us[i] },
        };
        xen_domctl_schedparam_vcpu_t p = {
            .u.rtds = { .period = 10000, .budget = budget_us[i] },
        };
        int rc;

        v[i] = hog_vcpu(i + 1);
        rc = sim_adjust(v[i]->domain, &op);
        SIM_CHECK(!rc);
        op = (struct xen_domctl_scheduler_op){
            .cmd = XEN_DOMCTL_SCHEDOP_putvcpuinfo, .u.v.nr_vcpus = 1,
        };
        set_xen_guest_handle(op.u.v.vcpus, &p);
        rc = sim_adjust(v[i]->domain, &op);     /* and no extra time */
        SIM_CHECK(!rc);
    }
    sim_run(SECONDS(2));
    for ( i = 0; i < 3; i++ )
        expect(near(sim_run_ns(v[i]) / 200 / 1000, budget_us[i], 60),
               "a budget of %u us is served with %"PRId64" us", budget_us[i],
               sim_run_ns(v[i]) / 200 / 1000);
    sim_shutdown();
}

static void null_runs(void)
{
    struct vcpu *v[2];
    unsigned int i;

    boot_with(XEN_SCHEDULER_NULL, 2);
    for ( i = 0; i < 2; i++ )
        v[i] = hog_vcpu(i + 1);
    sim_run(SECONDS(1));
    for ( i = 0; i < 2; i++ )
        expect(sim_run_ns(v[i]) > MILLISECS(999), "d%u has a pCPU of its own",
               i + 1);
    sim_shutdown();
}

const struct test path_tests[] = {
    { "core: command line", command_line },
    { "core: topology", topology },
    { "core: poll with a timeout", poll_timeout },
    { "core: poll of a port", poll_port },
    { "core: unblocked while it blocks", block_race },
    { "core: IPI and switch take their time", hooks },
    { "core: through pools of other schedulers", move_through_pools },
    { "core: the last pCPU of a pool", last_cpu_stays },
    { "core: hot-unplug, activity", hot_plug_activity },
    { "core: hot-unplug, credit2", hot_plug_credit2 },
    { "core: hot-unplug, credit", hot_plug_credit },
    { "core: hot-unplug, rtds", hot_plug_rtds },
    { "core: hot-unplug, null", hot_plug_null },
    { "core: units of 2 vCPUs, credit2", cores_credit2 },
    { "core: units of 2 vCPUs, credit", cores_credit },
    { "core: units of 2 vCPUs, activity", cores_activity },
    { "core: credit2 shares by weight", weights_credit2 },
    { "core: credit shares by weight", weights_credit },
    { "core: rtds serves budgets", rtds_budgets },
    { "core: null gives each its pCPU", null_runs },
    { NULL, NULL }
};
