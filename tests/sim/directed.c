/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One property at a time, in a situation made for it. */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

static struct domain *guest(unsigned int domid, unsigned int weight)
{
    struct domain *d = sim_guest_create(domid, 0, 1);

    ASSERT(d);
    if ( weight )
    {
        int rc = put_weight(d, weight);

        ASSERT(!rc);
    }

    return d;
}

static struct domain *hog(unsigned int domid, unsigned int weight)
{
    struct domain *d = guest(domid, weight);

    sim_work(d->vcpu[0], SIM_HOG, 0, 0);

    return d;
}

static struct domain *periodic(unsigned int domid, s_time_t burst_ns,
                               s_time_t period_ns)
{
    struct domain *d = guest(domid, 0);

    sim_work(d->vcpu[0], SIM_PERIODIC, burst_ns, period_ns);

    return d;
}

static struct sim_work *work(const struct domain *d)
{
    return d->vcpu[0]->work;
}

static s_time_t ran_ns(const struct domain *d)
{
    return sim_run_ns(d->vcpu[0]);
}

/* How much of one pCPU @d gets in the next @for_ns, in 1/10000. */
static unsigned int share_of(const struct domain *d, s_time_t for_ns)
{
    s_time_t before = ran_ns(d);

    sim_run(for_ns);

    return (ran_ns(d) - before) * 10000 / for_ns;
}

static bool near(long a, long b, long tolerance)
{
    return labs(a - b) <= tolerance;
}

static void boot(unsigned int cpus)
{
    sim_boot(1, cpus, ACTIVITY);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
}

static void weights(unsigned int cpus)
{
    static const unsigned int weight[] = { 256, 512, 256, 512 };
    struct domain *d[4];
    unsigned int i;

    boot(cpus);
    for ( i = 0; i < 4; i++ )
    {
        d[i] = sim_guest_create(i + 1, 0, 1);
        ASSERT(d[i]);
        put_weight(d[i], weight[i]);
        sim_work(d[i]->vcpu[0], SIM_HOG, 0, 0);
    }
    sim_run(SECONDS(10));
    for ( i = 0; i < 4; i++ )
    {
        long got = ran_ns(d[i]) / 1000;
        long due = 10000000L * cpus * weight[i] / 1536;

        expect(near(got, due, due / 100),
               "weight %u gets %ld us of CPU in 10 s, not %ld", weight[i], due,
               got);
    }
    for ( i = 0; i < cpus; i++ )
        expect(sim_idle_ns(i) < MICROSECS(10), "CPU %u never idles, but did "
               "for %"PRId64" ns", i, sim_idle_ns(i));
    sim_shutdown();
}

static void weights_1(void) { weights(1); }
static void weights_2(void) { weights(2); }

/* What it ran is what it was charged, apart from rounding down to ns. */
static void charge_exact(void)
{
    static const unsigned int weight[] = { 256, 512, 77 };
    struct domain *d[3];
    struct act_unit *su[3];
    s_time_t vtime[3], ran[3];
    unsigned int i, round;

    boot(1);
    for ( i = 0; i < 3; i++ )
    {
        d[i] = hog(i + 1, weight[i]);
        su[i] = act_unit(d[i]->vcpu[0]->sched_unit);
    }
    sim_run(SECONDS(1));
    for ( i = 0; i < 3; i++ )
    {
        vtime[i] = su[i]->vruntime;
        ran[i] = ran_ns(d[i]);
        if ( curr_on_cpu(0) == su[i]->unit )
            ran[i] -= sim.now_ns - su[i]->charged;
    }
    for ( round = 0; round < 500; round++ )
    {
        sim_run(sim_below(MILLISECS(7)));
        sim_event(d[round % 3]->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    }
    for ( i = 0; i < 3; i++ )
    {
        s_time_t now_ran = ran_ns(d[i]);

        if ( curr_on_cpu(0) == su[i]->unit )
            now_ran -= sim.now_ns - su[i]->charged;
        expect(near((su[i]->vruntime - vtime[i]) * weight[i] / 256,
                    now_ran - ran[i], 10000),
               "d%u is charged %"PRId64" ns, not %"PRId64, i + 1,
               now_ran - ran[i], (su[i]->vruntime - vtime[i]) * weight[i] / 256);
    }
    sim_shutdown();
}

/* A cap is exact in the mean, and a period never gets 1 ms more. */
static void cap_of(unsigned int cap, unsigned int vcpus, unsigned int cpus,
                   unsigned int hogs)
{
    struct domain *d;
    s_time_t last = 0, ran, most = 0;
    unsigned int i, v;

    boot(cpus);
    d = sim_guest_create(1, 0, vcpus);
    expect(!put_cap(d, cap), "a cap of %u is accepted", cap);
    put_weight(d, 65535);   /* only the cap limits it */
    for ( v = 0; v < vcpus; v++ )
        sim_work(d->vcpu[v], SIM_HOG, 0, 0);
    for ( i = 0; i < hogs; i++ )
        hog(i + 2, 0);

    /* The first period began when the cap was set, which is now. */
    for ( i = 0; i < 1000; i++ )
    {
        sim_run(ACT_CAP_PERIOD);
        for ( ran = 0, v = 0; v < vcpus; v++ )
            ran += sim_run_ns(d->vcpu[v]);
        most = max(most, ran - last);
        last = ran;
    }
    expect(near(last / 1000, 100000L * cap, 500L * cap),
           "cap %u: %u us in 10 s, not %"PRId64, cap, 100000 * cap, last / 1000);
    expect(most <= ACT_CAP_PERIOD * cap / 100 + MILLISECS(1),
           "cap %u: at most 1 ms over in a period, but %"PRId64" us ran", cap,
           most / 1000);
    sim_shutdown();
}

static void cap_25(void) { cap_of(25, 1, 1, 0); }
static void cap_50(void) { cap_of(50, 1, 1, 0); }
static void cap_25_busy(void) { cap_of(25, 1, 1, 3); }
static void cap_150(void) { cap_of(150, 2, 2, 0); }
static void cap_50_of_4(void) { cap_of(50, 4, 4, 2); }

static void cap_of_blocker(void)
{
    struct domain *d;

    boot(1);
    d = periodic(1, MILLISECS(1), MILLISECS(2));
    put_cap(d, 20);
    expect(near(share_of(d, SECONDS(5)), 2000, 20),
           "one that blocks is capped too, but had %"PRId64" us in 5 s",
           ran_ns(d) / 1000);
    put_cap(d, 0);
    expect(share_of(d, SECONDS(1)) > 4500, "no cap, no limit");
    sim_shutdown();
}

/* A cap changed while parked, and one changed all the time. */
static void cap_changes(void)
{
    struct domain *d;
    unsigned int i;
    s_time_t before;

    boot(1);
    d = hog(1, 0);
    put_cap(d, 1);
    sim_run(MILLISECS(15));
    expect(act_unit(d->vcpu[0]->sched_unit)->state == ACT_PARKED,
           "out of budget, it is parked");
    put_cap(d, 0);
    expect(share_of(d, MILLISECS(100)) > 9900, "uncapped, it runs at once");

    put_cap(d, 10);
    sim_run(SECONDS(1));
    before = ran_ns(d);
    for ( i = 0; i < 1000; i++ )
    {
        put_cap(d, 10 + (i & 1));
        sim_run(MILLISECS(2));
    }
    expect(ran_ns(d) - before < MILLISECS(260),
           "setting the cap again is no fresh budget: %"PRId64" ms ran in 2 s",
           (ran_ns(d) - before) / 1000000);
    expect(ran_ns(d) - before > MILLISECS(160),
           "... and does not starve it: %"PRId64" ms ran in 2 s",
           (ran_ns(d) - before) / 1000000);
    sim_shutdown();
}

static void wake_latency(unsigned int cpus, s_time_t burst_ns)
{
    struct domain *d;
    unsigned int i;

    boot(cpus);
    d = periodic(1, burst_ns, MILLISECS(10));
    for ( i = 0; i < 3 * cpus; i++ )
        hog(i + 2, 0);
    sim_run(MILLISECS(200));
    work(d)->wait_max_ns = 0;
    sim_run(SECONDS(5));
    expect(work(d)->waits >= 500, "it wakes every 10 ms");
    expect(work(d)->wait_max_ns <= MICROSECS(100),
           "a burst of %"PRId64" us among hogs waits 100 us at most, not "
           "%"PRId64, burst_ns / 1000, work(d)->wait_max_ns / 1000);
    sim_shutdown();
}

static void wake_short_1(void) { wake_latency(1, MICROSECS(200)); }
static void wake_short_2(void) { wake_latency(2, MICROSECS(200)); }

/* dom0, pinned to a pCPU, beside guests with vCPUs that go where they like. */
static void pinned_among_floating(unsigned int cap)
{
    struct domain *dom0, *many, *pvh;
    unsigned int i, share;
    s_time_t waited;

    boot(2);
    dom0 = guest(1, 0);
    sim_set_affinity(dom0->vcpu[0], cpumask_of(0), NULL);
    sim_work(dom0->vcpu[0], SIM_RANDOM, MILLISECS(3), MICROSECS(50));
    many = sim_guest_create(2, 0, 4);
    put_weight(many, 300);
    sim_work(many->vcpu[0], SIM_HOG, 0, 0);
    pvh = sim_guest_create(3, 0, 3);
    sim_work(pvh->vcpu[0], SIM_HOG, 0, 0);
    for ( i = 1; i < 4; i++ )
        sim_work(many->vcpu[i], SIM_PERIODIC, MICROSECS(50), MILLISECS(4));
    for ( i = 1; i < 3; i++ )
        sim_work(pvh->vcpu[i], SIM_PERIODIC, MICROSECS(50), MILLISECS(4));
    put_cap(many, cap);
    sim_run(SECONDS(1));
    for ( i = 0; i < 4; i++ )
    {
        work(dom0)->wait_max_ns = 0;
        waited = dom0->vcpu[0]->runstate.time[RUNSTATE_runnable];
        share = share_of(dom0, SECONDS(2));
        waited = dom0->vcpu[0]->runstate.time[RUNSTATE_runnable] - waited;
        expect(share >= 4500, "cap %u: pinned, gets half of its pCPU or more, "
               "not %u / 10000 (waits %"PRId64" ms in 2 s)", cap, share,
               waited / 1000000);
        expect(work(dom0)->wait_max_ns <= MILLISECS(40), "cap %u: waits 40 ms "
               "at most, not %"PRId64" us", cap,
               work(dom0)->wait_max_ns / 1000);
        put_cap(many, i & 1 ? cap : 5);
    }
    sim_shutdown();
}

static void pinned_capped(void)
{
    pinned_among_floating(60);
}

static void pinned_uncapped(void)
{
    pinned_among_floating(0);
}

static void hard_affinity(void)
{
    struct domain *d[4];
    unsigned int i;

    boot(2);
    for ( i = 0; i < 4; i++ )
    {
        d[i] = hog(i + 1, 0);
        sim_set_affinity(d[i]->vcpu[0], cpumask_of(0), NULL);
    }
    sim_run(SECONDS(1));
    expect(sim_idle_ns(1) > MILLISECS(990), "nobody uses CPU 1");
    sim_set_affinity(d[3]->vcpu[0], cpumask_of(1), NULL);
    expect(share_of(d[3], SECONDS(2)) > 9990, "alone on CPU 1");
    for ( i = 0; i < 3; i++ )
        expect(near(share_of(d[i], SECONDS(3)), 3333, 60),
               "a third of CPU 0 for each of the others");
    sim_set_affinity(d[0]->vcpu[0], &cpumask_all, NULL);
    sim_run(SECONDS(10));
    for ( i = 1; i < 3; i++ )
        expect(near(share_of(d[i], SECONDS(3)), 5000, 1800),
               "one pinned to CPU 0 gets half of it or more of a third");
    sim_shutdown();
}

static void blocked_gains_nothing(void)
{
    struct domain *a, *b, *sleeper;
    unsigned int share;

    boot(1);
    a = hog(1, 0);
    b = hog(2, 0);
    sleeper = guest(3, 0);
    sim_run(SECONDS(10));
    sim_work(sleeper->vcpu[0], SIM_HOG, 0, 0);
    share = share_of(sleeper, MILLISECS(300));
    expect(near(share, 3333, 400), "who slept for 10 s gets its share of a "
           "third then, not %u / 10000", share);
    expect(near(ran_ns(a) / 1000, ran_ns(b) / 1000, 15000),
           "the others still get the same");
    sim_shutdown();
}

/* Blocks for a moment all the time: no more than its share. */
static void blinker_gains_nothing(void)
{
    struct domain *d;
    unsigned int share;

    boot(1);
    d = guest(1, 0);
    sim_work(d->vcpu[0], SIM_RANDOM, MICROSECS(300), MICROSECS(5));
    hog(2, 0);
    hog(3, 0);
    sim_run(MILLISECS(200));
    share = share_of(d, SECONDS(5));
    expect(share < 3600, "blocking for 5 us all the time gets a third at most, "
           "not %u / 10000", share);
    sim_shutdown();
}

static void urgency_latency(void)
{
    struct domain *d;
    unsigned int i;

    boot(1);
    d = periodic(1, MILLISECS(5), MILLISECS(50));
    for ( i = 0; i < 3; i++ )
        hog(i + 2, 0);
    expect(!put_urgency(d, CRITICAL, 600000), "critical is accepted");
    sim_run(MILLISECS(200));
    work(d)->wait_max_ns = 0;
    sim_run(SECONDS(10));
    expect(work(d)->wait_max_ns <= MICROSECS(100), "5 ms of each 50 ms, "
           "critical: waits 100 us at most, not %"PRId64,
           work(d)->wait_max_ns / 1000);
    expect(near(work(d)->bursts, 204, 2), "every period is served: %"PRIu64,
           work(d)->bursts);
    sim_shutdown();
}

/* As in the demo: a control task, two servers, two hogs, on one pCPU. */
static void critical_among_servers(void)
{
    struct domain *control, *net, *disk;
    s_time_t end, waited;

    boot(1);
    control = periodic(1, MILLISECS(5), MILLISECS(50));
    net = guest(2, 0);
    sim_work(net->vcpu[0], SIM_RANDOM, MICROSECS(150), MILLISECS(2));
    disk = guest(3, 0);
    sim_work(disk->vcpu[0], SIM_RANDOM, MICROSECS(150), MILLISECS(3));
    hog(4, 0);
    hog(5, 0);
    put_urgency(control, CRITICAL, 600000);
    put_urgency(net, INTERACTIVE, 600000);
    put_urgency(disk, INTERACTIVE, 600000);
    sim_run(MILLISECS(200));
    work(control)->wait_max_ns = 0;
    waited = control->vcpu[0]->runstate.time[RUNSTATE_runnable];
    for ( end = sim.now_ns + SECONDS(30); sim.now_ns < end; )
    {
        sim_run(MICROSECS(700));
        sim_event(net->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
        sim_event(disk->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
    }
    expect(work(control)->wait_max_ns <= MICROSECS(100), "critical among "
           "boosted ones waits 100 us at most, not %"PRId64,
           work(control)->wait_max_ns / 1000);
    waited = control->vcpu[0]->runstate.time[RUNSTATE_runnable] - waited;
    expect(waited <= MILLISECS(60), "and in 30 s not more than 60 ms, but %"
           PRId64, waited / 1000);
    sim_shutdown();
}

/* A boost is for the work that came with the event, not for ever. */
static void boost_ends_with_sleep(void)
{
    struct domain *d;
    unsigned int i;

    boot(1);
    d = periodic(1, MICROSECS(100), MILLISECS(10));
    hog(2, 0);
    put_urgency(d, INTERACTIVE, 600000);
    sim_run(MILLISECS(100));
    /* As if it had gone to sleep in the middle of a boosted slice. */
    act_unit(d->vcpu[0]->sched_unit)->class = ACT_BOOSTED;
    for ( i = 0; i < 20; i++ )
        sim_run(MILLISECS(5));
    expect(act_unit(d->vcpu[0]->sched_unit)->class == ACT_FAIR,
           "it sleeps and wakes, without an event, as one of the fair class");
    sim_shutdown();
}

static void urgency_is_a_loan(void)
{
    struct domain *d;
    s_time_t ran;

    boot(1);
    hog(2, 0);
    hog(3, 0);
    sim_run(SECONDS(1));
    d = hog(1, 0);
    put_urgency(d, CRITICAL, 600000);
    sim_run(SECONDS(10));
    ran = ran_ns(d);
    /* A third, the debt of 20 ms, and a slice. */
    expect(ran <= SECONDS(10) / 3 + MILLISECS(40), "an urgent hog gets its "
           "third, the debt and a slice, but had %"PRId64" ms of 10 s",
           ran / 1000000);
    expect(ran >= SECONDS(10) / 3 - MILLISECS(30), "... and no less, but had "
           "%"PRId64" ms", ran / 1000000);
    sim_shutdown();
}

static void lease_expires(void)
{
    struct domain *d;
    struct xen_domctl_sched_activity op;

    boot(1);
    d = periodic(1, MILLISECS(5), MILLISECS(50));
    hog(2, 0);
    hog(3, 0);
    put_urgency(d, CRITICAL, 500);
    sim_run(MILLISECS(200));
    op = get(d);
    expect(op.urgency == XEN_SCHED_ACTIVITY_URGENCY_CRITICAL &&
           near(op.lease_ms, 300, 1), "300 ms of the lease are left, not %u",
           op.lease_ms);
    sim_run(MILLISECS(400));
    op = get(d);
    expect(op.urgency == XEN_SCHED_ACTIVITY_URGENCY_NORMAL && !op.lease_ms,
           "the lease is over");
    put_urgency(d, CRITICAL, 100);
    put_urgency(d, NORMAL, 0);
    expect(get(d).urgency == XEN_SCHED_ACTIVITY_URGENCY_NORMAL, "given back");
    sim_shutdown();
}

static void yield_gives_way(void)
{
    struct domain *a, *b;
    unsigned int i, other = 0;

    boot(1);
    a = hog(1, 0);
    b = hog(2, 0);
    sim_run(0);
    for ( i = 0; i < 1000; i++ )
    {
        struct vcpu *v = sim_current[0];

        sim_yield(v);
        sim_run(MICROSECS(50));
        other += sim_current[0] != v;
    }
    expect(other == 1000, "who yields is put behind the other, each time of "
           "1000, not %u times", other);
    for ( i = 0; i < 2000; i++ )
    {
        if ( sim_current[0] == a->vcpu[0] )
            sim_yield(a->vcpu[0]);
        sim_run(MICROSECS(1013));
    }
    expect(ran_ns(a) > MILLISECS(50), "who yields does not starve, but had "
           "%"PRId64" ms of 2 s", ran_ns(a) / 1000000);
    expect(ran_ns(b) > ran_ns(a), "... but does not win");
    sim_shutdown();
}

static void yield_alone(void)
{
    struct domain *d;
    unsigned int i;

    boot(1);
    d = hog(1, 0);
    for ( i = 0; i < 100; i++ )
    {
        sim_run(MICROSECS(100));
        sim_yield(d->vcpu[0]);
    }
    sim_run(0);
    expect(sim_current[0] == d->vcpu[0], "a yield with nobody else goes on");
    sim_shutdown();
}

/* A domain that is out of budget moves to another pool and back. */
static void pool_move_parked(void)
{
    struct domain *d;
    unsigned int share, i;
    int rc;

    boot(2);
    rc = sim_cpu_rm(1, false);
    expect(!rc, "CPU 1 leaves pool 0");
    rc = sim_pool_create(1, ACTIVITY) ?: sim_cpu_add(1, 1);
    expect(!rc, "pool 1 is made of it");
    d = hog(1, 0);
    put_cap(d, 20);
    for ( i = 1; i <= 4; i++ )
    {
        sim_run(MILLISECS(15) + i);
        expect(act_unit(d->vcpu[0]->sched_unit)->state == ACT_PARKED,
               "it is parked");
        rc = sim_domain_move(d, i & 1);
        expect(!rc, "it moves");
        put_cap(d, 20);
    }
    share = share_of(d, SECONDS(2));
    expect(near(share, 2000, 60), "it goes on at 20%%, not %u / 10000", share);
    put_cap(d, 0);
    expect(share_of(d, SECONDS(1)) > 9900, "and uncapped it has all");
    sim_shutdown();
}

static void pool_move_keeps_terms(void)
{
    struct domain *d;
    struct xen_domctl_sched_activity op;
    int rc;

    boot(2);
    rc = sim_cpu_rm(1, false) ?: sim_pool_create(1, ACTIVITY) ?:
         sim_cpu_add(1, 1);
    ASSERT(!rc);
    d = hog(1, 1000);
    put_cap(d, 20);
    put_urgency(d, CRITICAL, 10000);
    rc = sim_domain_move(d, 1);
    ASSERT(!rc);
    op = get(d);
    expect(op.weight == 1000, "the weight survives the move (now %u)",
           op.weight);
    expect(op.cap == 20, "the cap survives the move (now %u)", op.cap);
    expect(op.urgency == XEN_SCHED_ACTIVITY_URGENCY_CRITICAL,
           "the lease survives the move");
    sim_shutdown();
}

static void records_complete(void)
{
    static struct xen_sched_activity_record rec[400];
    static const unsigned int pages[] = { 1, 3, 16, 17, 100 };
    unsigned int i, p;
    struct domain *d;
    struct vcpu *v;
    int nr;

    boot(4);
    for ( i = 0; i < 20; i++ )
    {
        d = sim_guest_create(60 - i * 3, 0, 1 + i % 5);
        for_each_vcpu ( d, v )
            if ( v->vcpu_id != 3 )  /* that one stays blocked */
                sim_work(v, i % 3 ? SIM_RANDOM : SIM_HOG, MICROSECS(500),
                         MILLISECS(3));
    }
    sim_run(SECONDS(1));

    for ( p = 0; p < ARRAY_SIZE(pages); p++ )
    {
        const struct xen_sched_activity_record *r = rec;

        nr = records(0, pages[p], rec, ARRAY_SIZE(rec));
        expect(nr == 60, "all 60 vCPUs are there, not %d", nr);
        for_each_domain ( d )
            for_each_vcpu ( d, v )
            {
                uint64_t sum = r->time_ns[0] + r->time_ns[1] + r->time_ns[2] +
                               r->time_ns[3];
                uint64_t ran = sim_run_ns(v);

                if ( r >= rec + nr )
                    break;
                if ( !expect(r->domid == d->domain_id &&
                             r->vcpu_id == v->vcpu_id,
                             "d%dv%d is next, not d%dv%d", d->domain_id,
                             v->vcpu_id, r->domid, r->vcpu_id) )
                    break;
                expect(sum == SECONDS(1), "d%dv%d: times add up to its age, "
                       "not %"PRIu64, d->domain_id, v->vcpu_id, sum);
                expect(r->time_ns[RUNSTATE_running] == ran,
                       "d%dv%d ran for %"PRIu64" ns, not %"PRIu64,
                       d->domain_id, v->vcpu_id, ran,
                       r->time_ns[RUNSTATE_running]);
                expect(r->state == v->runstate.state &&
                       r->pcpu == v->processor, "its state is right");
                expect(r->blocks == v->work->blocks,
                       "d%dv%d blocked %"PRIu64" times, not %"PRIu64,
                       d->domain_id, v->vcpu_id, v->work->blocks, r->blocks);
                /* Blocked from the start: woken once more than it blocked. */
                expect(v->work->kind == SIM_HOG ||
                       near(r->wakes, r->blocks, 1),
                       "d%dv%d: as many wakes as blocks, not %"PRIu64
                       " and %"PRIu64, d->domain_id, v->vcpu_id, r->wakes,
                       r->blocks);
                r++;
            }
    }
    sim_shutdown();
}

static void records_odd_size(void)
{
    struct {
        struct xen_sched_activity_record rec;
        uint8_t more[16];
    } big[4];
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_getinfo,
        .sched_id = ACTIVITY,
        .u.sched_activity.op = XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS,
    };
    struct xen_sysctl_sched_activity_records *r =
        &op.u.sched_activity.u.records;
    uint8_t *small = malloc(3 * 64);
    unsigned int i, j;
    int rc;

    boot(1);
    for ( i = 1; i <= 3; i++ )
        hog(i, 0);
    sim_run(MILLISECS(100));

    memset(big, 0xee, sizeof(big));
    r->nr = 3;
    r->size = sizeof(big[0]);
    set_xen_guest_handle(r->buffer, (uint8_t *)big);
    rc = sim_adjust_global(&op);
    expect(!rc && r->nr == 3 && r->size == sizeof(big[0].rec),
           "a newer caller is served (%d)", rc);
    for ( i = 0; i < 3; i++ )
    {
        expect(big[i].rec.domid == i + 1, "record %u is there", i);
        for ( j = 0; j < 16; j++ )
            expect(big[i].more[j] == 0, "what Xen does not know is 0");
    }
    expect(big[3].more[0] == 0xee, "nothing behind the buffer changes");

    ASSERT(small);
    r->cursor = 0;
    r->nr = 3;
    r->size = 64;
    set_xen_guest_handle(r->buffer, small);
    rc = sim_adjust_global(&op);
    expect(!rc && r->nr == 3, "an older caller is served (%d)", rc);
    for ( i = 0; i < 3; i++ )
        expect(*(uint16_t *)(small + 64 * i) == i + 1, "record %u is there", i);

    r->cursor = 0;
    r->nr = 3;
    r->size = 0;
    expect(sim_adjust_global(&op) == -EINVAL, "a size of 0 is refused");
    r->cursor = 0;
    r->nr = 0;
    r->size = sizeof(big[0]);
    rc = sim_adjust_global(&op);
    expect(!rc && !r->nr, "no room, no records");
    r->cursor = ~0ull;
    r->nr = 3;
    rc = sim_adjust_global(&op);
    expect(!rc && !r->nr, "a cursor behind the end ends");
    sim.guest_copy_fails = true;
    r->cursor = 0;
    r->nr = 3;
    expect(sim_adjust_global(&op) == -EFAULT, "a bad buffer is -EFAULT");
    sim.guest_copy_fails = false;
    free(small);
    sim_shutdown();
}

/* An event for a unit that waits: by role. */
static void event_boost(unsigned int urgency, bool early)
{
    struct domain *d;
    unsigned int i, boosted = 0;
    s_time_t ran;

    boot(1);
    d = hog(1, 0);
    for ( i = 2; i < 6; i++ )
        hog(i, 0);
    if ( urgency )
        put(d, XEN_SCHED_ACTIVITY_SET_URGENCY, 0, 0, urgency, 600000);
    sim_run(SECONDS(1));
    ran = ran_ns(d);
    for ( i = 0; i < 500; i++ )
    {
        /* It waits, has no debt, and gets an event. */
        while ( sim_current[0] == d->vcpu[0] )
            sim_run(MILLISECS(1));
        sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
        sim_run(MICROSECS(100));
        boosted += sim_current[0] == d->vcpu[0];
        sim_run(MILLISECS(20));
    }
    if ( early )
        expect(boosted > 250, "an event makes it run within 100 us, but only "
               "%u times of 500", boosted);
    else
        expect(boosted < 100, "an event does not make it run, but did %u "
               "times of 500", boosted);
    ran = ran_ns(d) - ran;
    expect(ran < (sim.now_ns - SECONDS(2)) / 5 + MILLISECS(40),
           "events add no share, but it had %"PRId64" of %"PRId64" ms",
           ran / 1000000, (sim.now_ns - SECONDS(2)) / 1000000);
    sim_shutdown();
}

static void event_normal(void)
{
    event_boost(XEN_SCHED_ACTIVITY_URGENCY_NORMAL, false);
}

static void event_background(void)
{
    event_boost(XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND, false);
}

static void event_interactive(void)
{
    event_boost(XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE, true);
}

static void background_waits(void)
{
    struct domain *d, *h;

    boot(1);
    h = hog(2, 0);
    d = periodic(1, MICROSECS(200), MILLISECS(10));
    put_urgency(d, BACKGROUND, 600000);
    sim_run(SECONDS(2));
    expect(work(d)->bursts > 50, "background gets its turn: %"PRIu64" bursts",
           work(d)->bursts);
    expect(work(d)->wait_max_ns > MILLISECS(1) , "background does not preempt");
    expect(ran_ns(h) > SECONDS(1), "the hog runs");
    sim_shutdown();
}

static void bad_domctl(void)
{
    struct domain *d;
    struct xen_domctl_sched_activity before, after;
    struct xen_domctl_scheduler_op op = {
        .cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo
    };

    boot(2);
    d = sim_guest_create(1, 0, 2);
    before = get(d);
    expect(before.weight == 256 && !before.cap && !before.urgency &&
           !before.lease_ms, "defaults");
    expect(put_weight(d, 0) == -EINVAL, "weight 0 is refused");
    expect(put_cap(d, 201) == -EINVAL, "cap 201 of 2 vCPUs is refused");
    expect(put(d, 1u << 3, 1, 1, 1, 1) == -EINVAL, "an unknown field, too");
    expect(put(d, ~0u, 1, 1, 1, 100) == -EINVAL, "and many of them");
    expect(put(d, 4, 0, 0, 4, 100) == -EINVAL, "urgency 4");
    expect(put(d, 4, 0, 0, 3, 0) == -EINVAL, "no lease");
    expect(put(d, 4, 0, 0, 3, 9) == -EINVAL, "a short lease");
    expect(put(d, 4, 0, 0, 3, 600001) == -EINVAL, "a long lease");
    expect(put(d, 4, 0, 0, 0, 1) == -EINVAL, "a lease for normal");
    expect(put(d, 7, 300, 201, 3, 100) == -EINVAL, "one bad of three");
    after = get(d);
    expect(!memcmp(&before, &after, sizeof(before)), "nothing changed");
    expect(!put(d, 0, 0, 999, 99, 99), "nothing to set is no error");
    after = get(d);
    expect(!memcmp(&before, &after, sizeof(before)), "and sets nothing");
    expect(!put(d, 7, 65535, 200, 1, 600000), "the extremes are accepted");
    after = get(d);
    expect(after.weight == 65535 && after.cap == 200 && after.urgency == 1 &&
           after.lease_ms == 600000, "and read back");
    expect(sim_adjust(d, &op) == -EINVAL, "nothing is set per vCPU");
    sim_shutdown();
}

static int params(bool set, struct xen_sysctl_sched_activity_params *p)
{
    struct xen_sysctl_scheduler_op op = {
        .cmd = set ? XEN_SYSCTL_SCHEDOP_putinfo : XEN_SYSCTL_SCHEDOP_getinfo,
        .sched_id = ACTIVITY,
        .u.sched_activity = { .op = XEN_SYSCTL_SCHED_ACTIVITY_OP_PARAMS,
                              .u.params = *p },
    };
    int rc = sim_adjust_global(&op);

    *p = op.u.sched_activity.u.params;

    return rc;
}

static void bad_sysctl(void)
{
    struct xen_sysctl_sched_activity_params p, first, bad[] = {
        { 500001, 500, 10000, 10000 }, { 1000, 49, 10000, 10000 },
        { 1000, 5000, 4999, 10000 }, { 1000, 500, 100001, 10000 },
        { 1000, 500, 10000, 1000001 }, { ~0u, ~0u, ~0u, ~0u },
    };
    unsigned int i;

    boot(1);
    expect(!params(false, &first), "parameters can be read");
    for ( i = 0; i < ARRAY_SIZE(bad); i++ )
    {
        p = bad[i];
        expect(params(true, &p) == -EINVAL, "set %u is refused", i);
        params(false, &p);
        expect(!memcmp(&p, &first, sizeof(p)), "set %u changes nothing", i);
    }
    p = (struct xen_sysctl_sched_activity_params){ 0, 50, 50, 0 };
    expect(!params(true, &p), "the smallest are accepted");
    hog(1, 0);
    hog(2, 65535);
    sim_run(MILLISECS(100));
    p = (struct xen_sysctl_sched_activity_params){ 500000, 100000, 100000,
                                                   1000000 };
    expect(!params(true, &p), "the largest are accepted");
    sim_run(SECONDS(3));
    sim_shutdown();
}

/* Weights at both ends: no overflow, no starvation. */
static void weight_extremes(void)
{
    struct domain *light, *heavy;

    boot(1);
    light = hog(1, 1);
    heavy = hog(2, 65535);
    sim_run(SECONDS(3000));
    expect(near(ran_ns(light) / 1000, 45777, 20000),
           "weight 1 of 65536 gets 46 ms in 3000 s, not %"PRId64" us",
           ran_ns(light) / 1000);
    expect(ran_ns(heavy) > SECONDS(2999), "the rest is the other's");
    sim_shutdown();
}

/* Every allocation fails once; what fails is undone, the rest goes on. */
static void no_memory(void)
{
    struct domain *d, *h;
    unsigned int i;
    int rc;

    boot(3);
    h = hog(1, 0);
    for ( i = 1, d = NULL; !d; i++ )
    {
        sim.alloc_fail_in = i;
        d = sim_guest_create(2, 0, 3);
        sim_settle();
    }
    /* Domain data, 3 units and what belongs to each; then it succeeded. */
    expect(i == 1 + 1 + 3 * 2 + 1, "each allocation failed once, i=%u", i);
    sim.alloc_fail_in = 0;
    sim_domain_destroy(d);

    rc = sim_cpu_rm(2, false);
    ASSERT(!rc);
    for ( i = 1, rc = -ENOMEM; rc; i++ )
    {
        sim.alloc_fail_in = i;
        rc = sim_cpu_add(0, 2);
        expect(!rc || rc == -ENOMEM, "no memory is -ENOMEM, not %d", rc);
        sim_settle();
    }
    sim.alloc_fail_in = 0;
    rc = sim_cpu_rm(2, false);
    ASSERT(!rc);
    for ( i = 1, rc = -ENOMEM; rc; i++ )
    {
        sim.alloc_fail_in = i;
        rc = sim_pool_create(1, ACTIVITY);
    }
    sim.alloc_fail_in = 0;
    rc = sim_cpu_add(1, 2);
    ASSERT(!rc);
    for ( i = 1, rc = -ENOMEM; rc; i++ )
    {
        sim.alloc_fail_in = i;
        rc = sim_domain_move(h, 1);
        sim_run(MILLISECS(1));
    }
    sim.alloc_fail_in = 0;
    expect(share_of(h, SECONDS(1)) > 9990, "it runs in its new pool");
    sim_shutdown();
}

/* The host stood still for a while: nobody pays or gains for long. */
static void time_jump(void)
{
    struct domain *a, *b, *c;

    boot(1);
    a = hog(1, 0);
    b = hog(2, 0);
    c = hog(3, 0);
    put_cap(c, 20);
    sim_run(SECONDS(1));
    sim_stall(MILLISECS(200));
    sim_run(SECONDS(2));
    expect(share_of(c, SECONDS(5)) <= 2010, "the cap holds after a jump");
    expect(share_of(c, SECONDS(5)) > 1900, "... and it is served again");
    expect(share_of(a, SECONDS(5)) > 3900, "a gets its share, after a jump");
    expect(share_of(b, SECONDS(5)) > 3900, "b gets its share, after a jump");
    sim_shutdown();
}

static void cpus_come_and_go(void)
{
    struct domain *d[4];
    unsigned int i, round;
    s_time_t idle;
    int rc;

    boot(4);
    for ( i = 0; i < 4; i++ )
        d[i] = hog(i + 1, 0);
    for ( round = 0; round < 20; round++ )
    {
        for ( i = 1; i < 4; i++ )
        {
            rc = sim_cpu_rm(i, round & 1);
            expect(!rc, "CPU %u leaves", i);
            sim_run(MILLISECS(3));
        }
        rc = sim_cpu_rm(0, false);
        expect(rc == -EINVAL, "pCPU 0 stays in pool 0");
        for ( i = 1; i < 4; i++ )
        {
            rc = sim_cpu_add(0, i);
            expect(!rc, "CPU %u comes back", i);
            sim_run(MILLISECS(3));
        }
    }
    idle = sim_idle_ns(0);
    for ( i = 0; i < 4; i++ )
        expect(share_of(d[i], MILLISECS(100)) > 9990, "a pCPU for each");
    expect(sim_idle_ns(0) == idle, "no pCPU idles");
    sim_shutdown();
}

/* More pCPUs than one queue takes. */
static void many_cpus(void)
{
    struct domain *d[40];
    s_time_t idle = 0;
    unsigned int i;

    boot(20);
    for ( i = 0; i < 40; i++ )
    {
        d[i] = sim_guest_create(i + 1, 0, 1);
        if ( i < 20 )
            sim_work(d[i]->vcpu[0], SIM_HOG, 0, 0);
        else
            sim_work(d[i]->vcpu[0], SIM_RANDOM, MICROSECS(200), MILLISECS(2));
    }
    sim_run(SECONDS(2));
    for ( i = 0; i < 20; i++ )
        idle += sim_idle_ns(i);
    expect(idle < MILLISECS(400), "20 hogs keep 20 pCPUs busy, which idled for "
           "%"PRId64" ms of 40 s", idle / 1000000);
    for ( i = 0; i < 20; i++ )
        expect(ran_ns(d[i]) > MILLISECS(1000), "d%u has at least half a "
               "pCPU, not %"PRId64" ms of 2 s", i + 1,
               ran_ns(d[i]) / 1000000);
    for ( i = 20; i < 40; i++ )
        expect(work(d[i])->wait_max_ns < MILLISECS(2), "a short burst waits "
               "%"PRId64" us", work(d[i])->wait_max_ns / 1000);
    sim_shutdown();
}

/* Equal hogs on several pCPUs, not divisible: nobody falls behind. */
static void fair_across_cpus(void)
{
    struct domain *d[5];
    unsigned int i;

    boot(3);
    for ( i = 0; i < 5; i++ )
        d[i] = hog(i + 1, 0);
    sim_run(SECONDS(10));
    for ( i = 0; i < 5; i++ )
        expect(near(ran_ns(d[i]) / 1000000, 6000, 60),
               "5 hogs on 3 pCPUs get 6 s of 10 s, not %"PRId64" ms",
               ran_ns(d[i]) / 1000000);
    sim_shutdown();
}

/* 300 hogs on one queue of 8: no switches faster than the slices. */
static void switch_rate(void)
{
    unsigned int i;

    boot(1);
    for ( i = 0; i < 8; i++ )
        hog(i + 1, 0);
    sim_run(SECONDS(1));
    sim.switches = 0;
    sim_run(SECONDS(10));
    expect(sim.switches < 2000, "hogs alone switch less than 200 times a "
           "second, not %"PRIu64" times", sim.switches / 10);
    sim_shutdown();
}

static void tasklets(void)
{
    struct domain *d;

    boot(1);
    d = hog(1, 0);
    sim_run(MILLISECS(10));
    sim_tasklet(0, true);
    expect(share_of(d, MILLISECS(10)) == 0, "a tasklet goes first");
    sim_tasklet(0, false);
    expect(share_of(d, MILLISECS(10)) == 10000, "then the guest goes on");
    sim_shutdown();
}

/* VCPUOP_down and _up; a pause while parked; destruction in every state. */
static void vcpus_come_and_go(void)
{
    struct domain *d;
    unsigned int i;

    boot(1);
    hog(9, 0);
    for ( i = 0; i < 40; i++ )
    {
        d = sim_guest_create(1, 0, 2);
        sim_work(d->vcpu[0], SIM_HOG, 0, 0);
        sim_work(d->vcpu[1], SIM_RANDOM, MICROSECS(300), MICROSECS(700));
        if ( i & 1 )
            put_cap(d, 5);
        sim_run(MILLISECS(4) + sim_below(MILLISECS(20)));
        sim_vcpu_down(d->vcpu[i & 1]);
        sim_run(sim_below(MILLISECS(3)));
        domain_pause(d);
        sim_run(MILLISECS(30));
        sim_vcpu_up(d->vcpu[i & 1]);
        if ( i & 4 )
            domain_unpause(d);
        sim_run(sim_below(MILLISECS(12)));
        sim_domain_destroy(d);
    }
    sim_shutdown();
}

static void dump(void)
{
    struct domain *d;

    boot(9);
    sim_dump();
    d = hog(1, 0);
    put_cap(d, 1);
    hog(2, 0);
    sim_run(MILLISECS(15));
    sim_dump();
    sim_shutdown();
}

const struct test directed_tests[] = {
    { "weights on 1 pCPU", weights_1 },
    { "weights on 2 pCPUs", weights_2 },
    { "weights 1 and 65535", weight_extremes },
    { "5 equal hogs on 3 pCPUs", fair_across_cpus },
    { "charged time is run time", charge_exact },
    { "cap 25", cap_25 },
    { "cap 50", cap_50 },
    { "cap 25 among hogs", cap_25_busy },
    { "cap 150 of 2 vCPUs", cap_150 },
    { "cap 50 of 4 vCPUs among hogs", cap_50_of_4 },
    { "cap of one that blocks", cap_of_blocker },
    { "cap changes", cap_changes },
    { "short burst among 3 hogs", wake_short_1 },
    { "short burst among 6 hogs on 2 pCPUs", wake_short_2 },
    { "hard affinity", hard_affinity },
    { "hard affinity: pinned among floating, capped", pinned_capped },
    { "hard affinity: pinned among floating", pinned_uncapped },
    { "blocked gains nothing", blocked_gains_nothing },
    { "blocking for moments gains nothing", blinker_gains_nothing },
    { "urgency: critical runs at once", urgency_latency },
    { "urgency: critical among servers", critical_among_servers },
    { "urgency: a boost ends with sleep", boost_ends_with_sleep },
    { "urgency: critical is a loan", urgency_is_a_loan },
    { "urgency: the lease expires", lease_expires },
    { "urgency: background does not preempt", background_waits },
    { "event for a waiting unit: normal", event_normal },
    { "event for a waiting unit: background", event_background },
    { "event for a waiting unit: interactive", event_interactive },
    { "yield gives way", yield_gives_way },
    { "yield alone", yield_alone },
    { "pool move while parked", pool_move_parked },
    { "pool move keeps weight, cap, lease", pool_move_keeps_terms },
    { "records: complete and consistent", records_complete },
    { "records: other sizes", records_odd_size },
    { "bad domctl", bad_domctl },
    { "bad sysctl", bad_sysctl },
    { "no memory", no_memory },
    { "time jumps", time_jump },
    { "pCPUs come and go", cpus_come_and_go },
    { "20 pCPUs", many_cpus },
    { "switch rate of hogs", switch_rate },
    { "tasklets", tasklets },
    { "vCPUs and domains come and go", vcpus_come_and_go },
    { "dump", dump },
    { NULL, NULL }
};
