/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations of sched=activity, one property at a time. */
#include <stdio.h>

#include "tests.h"

#define LEASE_MS 600000

/* A guest that works for @work_us of each @period_us and has that reserved. */
static struct domain *deadline_guest(unsigned int domid, unsigned int work_us,
                                     unsigned int period_us,
                                     unsigned int slice_us)
{
    struct domain *d = periodic(domid, MICROSECS(work_us),
                                MICROSECS(period_us));
    int rc = reserve(d, 0, slice_us, period_us, LEASE_MS, NULL);

    expect(!rc, "d%u has %u us in %u us reserved (%d)", domid, slice_us,
           period_us, rc);

    return d;
}

static struct domain *reserved_hog(unsigned int domid, unsigned int slice_us,
                                   unsigned int period_us)
{
    struct domain *d = hog(domid, 0);
    int rc = reserve(d, 0, slice_us, period_us, LEASE_MS, NULL);

    expect(!rc, "d%u has %u us in %u us reserved (%d)", domid, slice_us,
           period_us, rc);

    return d;
}

/* Who is not done before its next period begins loses that. */
static unsigned int missed(const struct domain *d, uint64_t before,
                           s_time_t for_ns)
{
    unsigned int due = for_ns / work(d)->period_ns;
    uint64_t done = work(d)->bursts - before;

    return done < due ? due - done : 0;
}

static void expect_no_miss(struct domain *const d[], unsigned int nr,
                           s_time_t for_ns)
{
    uint64_t before[nr];
    unsigned int i, misses;

    for ( i = 0; i < nr; i++ )
        before[i] = work(d[i])->bursts;
    sim_run(for_ns);
    for ( i = 0; i < nr; i++ )
    {
        misses = missed(d[i], before[i], for_ns);
        expect(!misses, "d%d misses no deadline, not %u", d[i]->domain_id,
               misses);
    }
}

static void admission(void)
{
    struct domain *d, *e;
    struct xen_domctl_sched_activity op;
    unsigned int room = 0;

    boot(1);
    d = sim_guest_create(1, 0, 2);
    e = sim_guest_create(2, 0, 1);
    op = get_reservation(d, 0);
    expect(!op.slice_us && !op.period_us && !op.reserve_lease_ms,
           "none to begin with");
    expect(op.free_permille == 990, "990 are free, not %u", op.free_permille);
    expect(!reserve(d, 0, 6000, 10000, 1000, NULL), "0.6 are accepted");
    op = get_reservation(d, 0);
    expect(op.slice_us == 6000 && op.period_us == 10000 &&
           op.reserve_lease_ms == 1000, "and read back");
    op = get_reservation(d, 1);
    expect(!op.slice_us, "the other vCPU has none");
    expect(op.free_permille == 390, "390 are left, not %u", op.free_permille);
    expect(reserve(e, 0, 4000, 10000, 1000, &room) == -ENOSPC,
           "0.4 are refused");
    expect(room == 390, "and it says that 390 are free, not %u", room);
    expect(!get_reservation(e, 0).slice_us, "nothing is set then");
    expect(reserve(d, 0, 9950, 10000, 1000, &room) == -ENOSPC && room == 990,
           "what it has itself counts as free, 990, not %u", room);
    expect(get_reservation(d, 0).slice_us == 6000, "it keeps what it has");
    expect(reserve(d, ALL_VCPUS, 5000, 10000, 1000, &room) == -ENOSPC &&
           room == 990, "all at once: 990 for both, not %u", room);
    expect(get_reservation(d, 0).slice_us == 6000 &&
           !get_reservation(d, 1).slice_us, "all or none");
    expect(!reserve(d, ALL_VCPUS, 4950, 10000, 1000, NULL),
           "exactly what is free is accepted");
    expect(reserve(e, 0, 50, 1000000, 1000, &room) == -ENOSPC && !room,
           "not a bit more");
    expect(!reserve(d, 1, 0, 0, 0, NULL), "one ends");
    expect(!reserve(e, 0, 4950, 10000, 1000, NULL), "which makes room");
    sim_run(MILLISECS(1001));
    expect(!get_reservation(e, 0).slice_us, "it ends by itself");
    op = get_reservation(d, 1);
    expect(op.free_permille == 990, "what has ended is free: 990, not %u",
           op.free_permille);
    expect(!reserve(e, 0, 9900, 10000, 1000, NULL), "and can be had");
    sim_domain_destroy(e);
    op = get_reservation(d, 1);
    expect(op.free_permille == 990, "so is what a destroyed domain had: 990, "
           "not %u", op.free_permille);
    sim_shutdown();
}

static void bad_reservations(void)
{
    static const struct { unsigned int vcpu, slice, period, lease; } bad[] = {
        { 0, 10001, 10000, 100 }, { 0, 1000, 0, 100 }, { 0, 0, 1000, 0 },
        { 0, 49, 1000, 100 }, { 0, 100, 199, 100 }, { 0, 0, 0, 100 },
        { 0, 1000, 1000001, 100 }, { 0, 1000, 10000, 9 },
        { 0, 1000, 10000, 600001 }, { 0, 1000, 10000, 0 },
        { 2, 1000, 10000, 100 }, { ~1u, 1000, 10000, 100 },
        { 0, ~0u, ~0u, ~0u }, { ALL_VCPUS, 1000, 999, 100 },
    };
    struct xen_domctl_sched_activity op;
    struct domain *d;
    unsigned int i;

    boot(1);
    d = sim_guest_create(1, 0, 2);
    expect(!reserve(d, 0, 1000, 10000, 600000, NULL), "a good one");
    for ( i = 0; i < ARRAY_SIZE(bad); i++ )
        expect(reserve(d, bad[i].vcpu, bad[i].slice, bad[i].period,
                       bad[i].lease, NULL) == -EINVAL, "%u is refused", i);
    op = get_reservation(d, 0);
    expect(op.slice_us == 1000 && op.period_us == 10000 &&
           op.reserve_lease_ms == 600000, "the old one stays");
    expect(!get_reservation(d, 1).slice_us, "the other vCPU has none");
    expect(!get_reservation(d, 7).slice_us, "and one that is not there");
    expect(!reserve(d, 0, 50, 200, 10, NULL), "the smallest");
    expect(!reserve(d, 0, 990000, 1000000, 600000, NULL), "the largest");
    sim_shutdown();
}

/* Each set of pCPUs must be enough for those who may use none but these. */
static void admission_affinity(void)
{
    cpumask_t first, pair;
    struct domain *d[5];
    unsigned int i, room;

    boot(4);
    cpumask_clear(&first);
    cpumask_set_cpu(0, &first);
    cpumask_copy(&pair, &first);
    cpumask_set_cpu(1, &pair);
    for ( i = 0; i < 5; i++ )
        d[i] = guest(i + 1, 0);
    expect(get_reservation(d[0], 0).free_permille == 3800,
           "3800 of 4 pCPUs, not %u", get_reservation(d[0], 0).free_permille);
    sim_set_affinity(d[0]->vcpu[0], &first, NULL);
    sim_set_affinity(d[1]->vcpu[0], &first, NULL);
    sim_set_affinity(d[2]->vcpu[0], &pair, NULL);
    sim_set_affinity(d[3]->vcpu[0], &pair, NULL);
    expect(!reserve(d[0], 0, 600, 1000, LEASE_MS, NULL), "0.6 on CPU 0");
    expect(reserve(d[1], 0, 600, 1000, LEASE_MS, &room) == -ENOSPC &&
           room == 390, "another 0.6 there: 390 free, not %u", room);
    expect(!reserve(d[2], 0, 700, 1000, LEASE_MS, NULL), "0.7 on CPU 0 or 1");
    expect(reserve(d[3], 0, 700, 1000, LEASE_MS, &room) == -ENOSPC &&
           room == 600, "another 0.7: 1900 - 1300, not %u", room);
    expect(reserve(d[1], 0, 391, 1000, LEASE_MS, NULL) == -ENOSPC &&
           !reserve(d[1], 0, 390, 1000, LEASE_MS, NULL),
           "CPU 0 takes 0.39 more");
    expect(reserve(d[3], 0, 600, 1000, LEASE_MS, &room) == -ENOSPC &&
           room == 210, "which is gone for the pair: 210, not %u", room);
    expect(!reserve(d[4], 0, 900, 1000, LEASE_MS, NULL), "others have room");

    /* One whose affinity no longer fits loses its reservation, in a moment. */
    sim_set_affinity(d[4]->vcpu[0], &first, NULL);
    sim_run(MILLISECS(1));
    expect(!get_reservation(d[4], 0).slice_us, "no room on CPU 0");
    expect(get_reservation(d[0], 0).slice_us == 600, "who was there stays");
    sim_set_affinity(d[0]->vcpu[0], &cpumask_all, NULL);
    sim_run(MILLISECS(1));
    expect(get_reservation(d[0], 0).slice_us == 600, "it may go elsewhere");
    expect(!reserve(d[3], 0, 700, 1000, LEASE_MS, NULL),
           "which makes room for the pair");
    sim_shutdown();
}

/* As much as can be had of one pCPU, among guests that compute. */
static void deadlines_1(void)
{
    struct domain *d[5], *h[2];
    unsigned int i;

    boot(1);
    h[0] = hog(10, 256);
    h[1] = hog(11, 512);
    for ( i = 0; i < 5; i++ )
        d[i] = deadline_guest(i + 1, 950 << i, 5000 << i, 952 << i);
    sim_run(MILLISECS(400));
    expect_no_miss(d, 5, SECONDS(8));
    expect(ran_ns(h[0]) && near(ran_ns(h[1]) * 100 / ran_ns(h[0]), 200, 5),
           "what is left is shared by weight, 1 : %"PRId64" / 100",
           ran_ns(h[1]) * 100 / ran_ns(h[0]));
    expect(ran_ns(h[0]) + ran_ns(h[1]) > MILLISECS(400),
           "and it is all of it, not %"PRId64" us",
           (ran_ns(h[0]) + ran_ns(h[1])) / 1000);
    sim_shutdown();
}

/* Twelve, with 0.9 of four pCPUs, among four guests that compute. */
static void deadlines_4(void)
{
    static const unsigned int period_ms[] = { 3, 4, 6, 6, 8, 8, 12, 12, 24, 24,
                                              48, 96 };
    struct domain *d[12];
    unsigned int i;

    boot(4);
    for ( i = 0; i < 4; i++ )
        hog(20 + i, 0);
    for ( i = 0; i < 12; i++ )
        d[i] = deadline_guest(i + 1, 300 * period_ms[i], 1000 * period_ms[i],
                              303 * period_ms[i]);
    sim_run(MILLISECS(960));
    expect_no_miss(d, 12, MILLISECS(9600));
    sim_shutdown();
}

/*
 * Two with little to do but early deadlines, one with much: the earliest deadline
 * first alone would leave the third only 8 of 11 ms each time they coincide.
 */
static void zero_laxity(void)
{
    struct domain *d[3];

    boot(2);
    hog(10, 0);
    hog(11, 0);
    d[0] = deadline_guest(1, 3000, 10000, 3010);
    d[1] = deadline_guest(2, 3000, 10000, 3010);
    d[2] = deadline_guest(3, 10000, 11000, 10050);
    sim_run(MILLISECS(110));
    expect_no_miss(d, 3, MILLISECS(11000));
    sim_shutdown();
}

/* As urgent as can be, but no more than the larger of reservation and share. */
static void cut_back(void)
{
    struct domain *d, *h[3];
    unsigned int i, share;

    boot(1);
    d = reserved_hog(1, 5000, 10000);
    for ( i = 0; i < 3; i++ )
        h[i] = hog(i + 2, 0);
    sim_run(SECONDS(1));
    share = share_of(d, SECONDS(2));
    expect(near(share, 5000, 50), "half of a pCPU, not %u / 10000", share);
    for ( i = 0; i < 3; i++ )
    {
        share = share_of(h[i], MILLISECS(600));
        expect(near(share, 1667, 60), "a third of the rest, not %u", share);
    }

    /* Slices far apart are no way to get both. */
    expect(!reserve(d, 0, 500000, 1000000, LEASE_MS, NULL), "a long period");
    sim_run(SECONDS(2));
    share = share_of(d, SECONDS(4));
    expect(near(share, 5000, 50), "still half of it, not %u", share);

    expect(!reserve(d, 0, 1000, 10000, LEASE_MS, NULL), "less than its share");
    sim_run(SECONDS(1));
    share = share_of(d, SECONDS(2));
    expect(near(share, 2500, 50), "has its share, not %u", share);
    sim_shutdown();
}

/* Waking often is no way to more. */
static void cut_back_sleeper(void)
{
    struct domain *d;
    unsigned int share;

    boot(1);
    d = guest(1, 1);
    sim_work(d->vcpu[0], SIM_RANDOM, MICROSECS(300), MICROSECS(30));
    hog(2, 65535);
    expect(!reserve(d, 0, 2000, 10000, LEASE_MS, NULL), "a fifth is reserved");
    sim_run(SECONDS(1));
    share = share_of(d, SECONDS(5));
    expect(near(share, 2000, 40), "has a fifth, not %u / 10000", share);
    sim_shutdown();
}

static void lease_ends(void)
{
    struct domain *d;
    unsigned int i, share;

    boot(1);
    d = hog(1, 0);
    for ( i = 0; i < 3; i++ )
        hog(i + 2, 0);
    expect(!reserve(d, 0, 8000, 10000, 1000, NULL), "for a second");
    sim_run(MILLISECS(700));
    expect(!reserve(d, 0, 8000, 10000, 1000, NULL), "renewed in time");
    share = share_of(d, MILLISECS(1000));
    expect(near(share, 8000, 100), "it holds, %u / 10000", share);
    expect(!get_reservation(d, 0).slice_us, "it has ended");
    /* What it ran too much it owes, but not without end. */
    sim_run(MILLISECS(500));
    share = share_of(d, SECONDS(2));
    expect(near(share, 2500, 50), "back to its share, %u / 10000", share);
    sim_shutdown();
}

static void unused(void)
{
    struct domain *d, *h;
    unsigned int share;

    boot(1);
    d = guest(1, 0);
    h = hog(2, 0);
    expect(!reserve(d, 0, 9000, 10000, LEASE_MS, NULL), "much is reserved");
    share = share_of(h, SECONDS(1));
    expect(share > 9990, "what is not used others have, %u / 10000", share);
    sim_work(d->vcpu[0], SIM_PERIODIC, MILLISECS(2), MILLISECS(10));
    sim_run(MILLISECS(50));
    share = share_of(h, SECONDS(1));
    expect(near(share, 8000, 20), "or what is left of it, %u / 10000", share);
    expect(work(d)->wait_max_ns < MICROSECS(1), "and it never waits");
    sim_shutdown();
}

/* Many that overrun do not blur the shares of those who have none. */
static void rest_by_weight(void)
{
    static const unsigned int weight[] = { 128, 256, 512 };
    struct domain *h[3];
    unsigned int i;
    s_time_t before[3];

    boot(1);
    for ( i = 0; i < 5; i++ )
        reserved_hog(i + 1, 1500, 10000);
    for ( i = 0; i < 3; i++ )
        h[i] = hog(i + 10, weight[i]);
    /* The weights of the first five are worth more than they have reserved. */
    for ( i = 0; i < 5; i++ )
        put_weight(sim_domain(i + 1), 64);
    sim_run(SECONDS(2));
    for ( i = 0; i < 3; i++ )
        before[i] = ran_ns(h[i]);
    sim_run(SECONDS(8));
    for ( i = 0; i < 3; i++ )
    {
        long got = (ran_ns(h[i]) - before[i]) / 1000;
        long due = 2000000L * weight[i] / 896;

        expect(near(got, due, due / 50), "weight %u has %ld us, not %ld",
               weight[i], due, got);
    }
    sim_shutdown();
}

static void change(void)
{
    static const unsigned int slice_us[] = { 2000, 7000, 1000, 9000, 4000 };
    struct domain *d;
    unsigned int i, share;

    boot(1);
    d = hog(1, 1);
    hog(2, 65535);
    for ( i = 0; i < ARRAY_SIZE(slice_us); i++ )
    {
        expect(!reserve(d, 0, slice_us[i], 10000, LEASE_MS, NULL), "changed");
        sim_run(MILLISECS(10));
        share = share_of(d, MILLISECS(200));
        expect(near(share, slice_us[i], 60), "%u of 10000 reserved, had %u",
               slice_us[i], share);
    }
    /* Setting it all the time is no way to more. */
    for ( i = 0, share = 0; i < 1000; i++ )
    {
        expect(!reserve(d, 0, 2000 + (i & 1), 10000, LEASE_MS, NULL), "again");
        share += share_of(d, MICROSECS(700));
    }
    expect(near(share / 1000, 2000, 60), "2000 of 10000 reserved, had %u",
           share / 1000);
    expect(!reserve(d, 0, 0, 0, 0, NULL), "ended");
    sim_run(MILLISECS(50));
    expect(share_of(d, MILLISECS(500)) < 50, "has its share again");
    sim_shutdown();
}

static void cap_holds(void)
{
    struct domain *d;
    unsigned int share;

    boot(1);
    d = reserved_hog(1, 5000, 10000);
    hog(2, 0);
    put_cap(d, 20);
    sim_run(MILLISECS(100));
    share = share_of(d, SECONDS(2));
    expect(near(share, 2000, 40), "20%% of a pCPU, not %u / 10000", share);
    sim_shutdown();
}

/* Neither the rate limit nor that others are urgent keeps it from running. */
static void wakes_at_once(void)
{
    struct domain *d, *h;

    boot(1);
    h = hog(2, 65535);
    put_urgency(h, CRITICAL, LEASE_MS);
    hog(3, 65535);
    d = guest(1, 1);
    sim_work(d->vcpu[0], SIM_RANDOM, MICROSECS(100), MICROSECS(900));
    expect(!reserve(d, 0, 3000, 10000, LEASE_MS, NULL), "reserved");
    sim_run(SECONDS(5));
    expect(work(d)->waits > 4000, "it wakes often");
    expect(work(d)->wait_max_ns < MICROSECS(1), "and runs at once, not after "
           "%"PRId64" ns", work(d)->wait_max_ns);
    sim_shutdown();
}

/* Yielding gives nothing away to those who are not as urgent. */
static void yields(void)
{
    struct domain *d;
    unsigned int i;
    s_time_t before;

    boot(1);
    d = reserved_hog(1, 9000, 10000);
    hog(2, 0);
    sim_run(MILLISECS(95));
    before = ran_ns(d);
    for ( i = 0; i < 1000; i++ )
    {
        if ( sim_executes(d->vcpu[0]) )
            sim_yield(d->vcpu[0]);
        sim_run(MICROSECS(100));
    }
    expect(near((ran_ns(d) - before) / 1000, 90000, 1000),
           "has its 90 ms, not %"PRId64" us", (ran_ns(d) - before) / 1000);
    sim_shutdown();
}

/* The pCPU that was told to run it leaves before it can. */
static void told_one_leaves(void)
{
    struct domain *d;
    unsigned int cpu;
    int rc;

    boot(3);
    d = periodic(1, MILLISECS(2), SECONDS(10));
    rc = reserve(d, 0, 6000, 10000, LEASE_MS, NULL);
    ASSERT(!rc);
    /* The first pCPU cannot leave: it is the one that is busy. */
    rc = sim_set_affinity(hog(10, 0)->vcpu[0], cpumask_of(0), NULL);
    ASSERT(!rc);
    hog(11, 0);
    sim_run(MILLISECS(100));
    sim_event_send(NULL, d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    for ( cpu = 0; !is_idle_vcpu(sim_current[cpu]); )
        cpu++;
    rc = sim_cpu_rm(cpu, false);
    ASSERT(!rc);
    sim_run(MICROSECS(10));
    expect(sim_executes(d->vcpu[0]), "another one runs it");
    sim_shutdown();
}

/* Each pCPU has a queue of its own, and each carries what fits. */
static void queues(void)
{
    struct domain *d[4];
    unsigned int i, room;

    sim.topology.cores_per_socket = 1;
    boot(2);
    hog(10, 0);
    hog(11, 0);
    hog(12, 0);
    for ( i = 0; i < 4; i++ )
        d[i] = deadline_guest(i + 1, 4700, 10000 + 10 * i, 4800);
    expect(reserve(sim_guest_create(9, 0, 1), 0, 1000, 10000, LEASE_MS,
                   &room) == -ENOSPC && room < 40,
           "a tenth does not fit in either, whatever they have together");
    sim_run(MILLISECS(500));
    expect_no_miss(d, 4, SECONDS(5));
    sim_shutdown();
}

static void pool_move(void)
{
    struct domain *d, *e;
    struct xen_domctl_sched_activity op;
    int rc;

    boot_two_pools();
    d = reserved_hog(1, 6000, 10000);
    hog(3, 65535);
    rc = sim_domain_move(d, 1);
    ASSERT(!rc);
    op = get_reservation(d, 0);
    expect(op.slice_us == 6000 && op.period_us == 10000 &&
           op.reserve_lease_ms > LEASE_MS - 100, "it moves along");
    e = reserved_hog(2, 6000, 10000);
    expect(get_reservation(e, 0).slice_us == 6000, "there is room again");
    rc = sim_domain_move(e, 1);
    ASSERT(!rc);
    expect(!get_reservation(e, 0).slice_us, "no room there: it has ended");
    expect(get_reservation(d, 0).slice_us == 6000, "the other one stays");
    put_weight(d, 1);
    expect(near(share_of(d, SECONDS(1)), 6000, 60), "and holds");
    rc = sim_domain_move(d, 0);
    ASSERT(!rc);
    put_weight(d, 1);
    sim_run(MILLISECS(20));
    expect(near(share_of(d, SECONDS(1)), 6000, 60), "also after it is back");
    expect(get_reservation(e, 0).free_permille == 990, "all is free there");
    sim_shutdown();
}

/* pCPUs leave: the last ones to come lose what does not fit any more. */
static void cpus_leave(void)
{
    struct domain *d[3];
    unsigned int i, kept = 0;
    int rc;

    boot(3);
    for ( i = 0; i < 3; i++ )
        d[i] = reserved_hog(i + 1, 6000, 10000);
    hog(10, 65535);
    hog(11, 65535);
    hog(12, 65535);
    rc = sim_cpu_rm(2, false);
    ASSERT(!rc);
    for ( i = 0; i < 3; i++ )
        kept += !!get_reservation(d[i], 0).slice_us;
    expect(kept == 3, "1.8 of 2 pCPUs fit, %u of 3 stay", kept);
    rc = sim_cpu_rm(1, true);
    ASSERT(!rc);
    expect(get_reservation(d[0], 0).slice_us && !get_reservation(d[1], 0).slice_us
           && !get_reservation(d[2], 0).slice_us, "the first one stays");
    put_weight(d[0], 1);
    sim_run(MILLISECS(50));
    expect(near(share_of(d[0], SECONDS(1)), 6000, 60), "and holds");
    rc = sim_cpu_add(0, 1);
    ASSERT(!rc);
    expect(!reserve(d[1], 0, 6000, 10000, LEASE_MS, NULL), "room again");
    sim_shutdown();
}

const struct test reserve_tests[] = {
    { "reserve: admission", admission },
    { "reserve: bad ones", bad_reservations },
    { "reserve: admission and affinity", admission_affinity },
    { "reserve: 0.95 of one pCPU", deadlines_1 },
    { "reserve: 0.9 of four pCPUs", deadlines_4 },
    { "reserve: zero laxity", zero_laxity },
    { "reserve: cut back", cut_back },
    { "reserve: cut back, sleeps", cut_back_sleeper },
    { "reserve: the lease ends", lease_ends },
    { "reserve: unused", unused },
    { "reserve: the rest by weight", rest_by_weight },
    { "reserve: change", change },
    { "reserve: cap", cap_holds },
    { "reserve: wakes at once", wakes_at_once },
    { "reserve: yields", yields },
    { "reserve: who was told leaves", told_one_leaves },
    { "reserve: queues", queues },
    { "reserve: pool move", pool_move },
    { "reserve: pCPUs leave", cpus_leave },
    { NULL, NULL }
};
