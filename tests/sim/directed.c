/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How sched=activity schedules: one property at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

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
               now_ran - ran[i],
               (su[i]->vruntime - vtime[i]) * weight[i] / 256);
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
           "cap %u: %u us in 10 s, not %"PRId64, cap, 100000 * cap,
           last / 1000);
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

/*
 * More weight must not mean to wait for longer. Nobody else was there when the hog's
 * slice ended: it goes on, but not as one that has been waiting for its turn.
 */
static void wake_heavy(void)
{
    struct domain *heavy;

    boot(1);
    hog(1, 0);
    heavy = sim_guest_create(2, 0, 1);
    put_weight(heavy, 1024);
    sim_work(heavy->vcpu[0], SIM_PERIODIC, MILLISECS(1), MICROSECS(11500));
    sim_run(MILLISECS(100));
    work(heavy)->wait_max_ns = 0;
    sim_run(SECONDS(2));
    expect(work(heavy)->wait_max_ns <= MICROSECS(10), "waits 10 us at most, not "
           "%"PRId64" us", work(heavy)->wait_max_ns / 1000);
    sim_shutdown();
}

/*
 * One that has just woken need not wait for the rate limit as long as it is owed time;
 * who has had more than its part waits for it, and no longer.
 */
static void wake_ahead(void)
{
    struct act_unit *su, *hogs;
    struct domain *d;

    boot(1);
    hogs = act_unit(hog(2, 0)->vcpu[0]->sched_unit);
    d = sim_guest_create(1, 0, 1);
    sim_work(d->vcpu[0], SIM_NONE, 0, 0);
    su = act_unit(d->vcpu[0]->sched_unit);
    sim_run(MILLISECS(100));

    sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_run(MICROSECS(200));
    expect(su->wakes == 1 && su->blocks, "it runs at once");
    sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_run(MICROSECS(200));
    expect(su->wakes == 2 && su->state == ACT_OUT, "and once more");

    su->vruntime = hogs->vruntime + MILLISECS(1);
    sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_run(MICROSECS(700));
    expect(su->state == ACT_QUEUED, "with more than its part it waits");
    sim_run(MICROSECS(200));
    expect(su->state == ACT_OUT, "but only for 1 ms");
    sim_shutdown();
}

/*
 * Who gets an event while it waits is looked at after that, but without a timer, unless
 * it is boosted: whoever waits for another timer would be late because of it.
 */
static void look_without_timer(void)
{
    struct domain *d;
    uint64_t before;

    boot(1);
    d = hog(1, 0);
    hog(2, 0);
    sim_run(MILLISECS(100));
    while ( sim_current[0] == d->vcpu[0] )
        sim_run(MICROSECS(100));
    sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    while ( sim_current[0] != d->vcpu[0] )
        sim_run(MICROSECS(100));
    expect(d->vcpu[0]->activity.watched, "it is watched");
    before = sim.decisions;
    sim_run(MILLISECS(4));
    expect(sim.decisions == before, "nobody looks: %"PRIu64" times",
           sim.decisions - before);
    sim_shutdown();
}

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
    { "short burst of more weight beside a hog", wake_heavy },
    { "a wake-up of one that has had its part", wake_ahead },
    { "a look without a timer", look_without_timer },
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
    { "time jumps", time_jump },
    { "20 pCPUs", many_cpus },
    { "switch rate of hogs", switch_rate },
    { NULL, NULL }
};
