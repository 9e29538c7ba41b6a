/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sched=activity: what capped domains run in any 10 ms, wherever they begin. */
#include "tests.h"

/* How far windows are apart, and how many of these make one. */
#define STEP      MICROSECS(100)
#define PER_CAP   ((unsigned int)(ACT_CAP_PERIOD / STEP))

/* What is allowed above the cap in a window. */
#define OVER_MAX  MILLISECS(1)

/* A domain whose windows are looked at; the last ones of each value. */
struct watch {
    struct domain *d;
    s_time_t ran[PER_CAP + 1];
    unsigned int cap[PER_CAP + 1];
    unsigned int nr;
    s_time_t over_ns;           /* the most above the highest cap of a window */
};

static s_time_t all_ran_ns(const struct domain *d)
{
    const struct vcpu *v;
    s_time_t ran = 0;

    for_each_vcpu ( d, v )
        ran += sim_run_ns(v);

    return ran;
}

static void look(struct watch *w)
{
    unsigned int at = w->nr++ % (PER_CAP + 1), i, cap = 0;
    unsigned int oldest = w->nr % (PER_CAP + 1);

    w->ran[at] = all_ran_ns(w->d);
    w->cap[at] = get(w->d).cap;
    if ( w->nr <= PER_CAP )
        return;

    for ( i = 0; i <= PER_CAP; i++ )
        cap = max(cap, w->cap[i]);
    w->over_ns = max(w->over_ns, w->ran[at] - w->ran[oldest] -
                                 ACT_CAP_PERIOD * cap / 100);
}

static void watch_all(struct watch *w, unsigned int nr, s_time_t for_ns)
{
    s_time_t until = sim.now_ns + for_ns;
    unsigned int i;

    for ( ;; )
    {
        for ( i = 0; i < nr; i++ )
            look(&w[i]);
        if ( sim.now_ns + STEP > until )
            break;
        sim_run(STEP);
    }
    sim_run(until - sim.now_ns);
}

static void expect_kept(const struct watch *w)
{
    expect(w->over_ns <= OVER_MAX, "d%d: in any 10 ms at most 1 ms above its cap, "
           "not %"PRId64" us", w->d->domain_id, w->over_ns / 1000);
}

/* To within 0.5%. */
static void expect_mean(const struct watch *w, unsigned int cap, s_time_t ran,
                        s_time_t for_ns)
{
    long due_us = for_ns / 1000 * cap / 100, got_us = ran / 1000;

    expect(near(got_us, due_us, due_us / 200),
           "d%d: with a cap of %u it gets %ld us, not %ld", w->d->domain_id, cap,
           due_us, got_us);
}

static struct domain *capped(unsigned int domid, unsigned int vcpus,
                             unsigned int cap)
{
    struct domain *d = sim_guest_create(domid, 0, vcpus);

    ASSERT(d);
    expect(!put_cap(d, cap), "a cap of %u is accepted", cap);

    return d;
}

static void compute(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu ( d, v )
        sim_work(v, SIM_HOG, 0, 0);
}

/* It begins to compute late in what may be a period. */
static void begins_late(unsigned int vcpus, unsigned int cpus, unsigned int cap)
{
    struct watch w = {};
    s_time_t ran;

    boot(cpus);
    w.d = capped(1, vcpus, cap);
    watch_all(&w, 1, ACT_CAP_PERIOD -
                     ACT_CAP_PERIOD * cap / 100 / min(vcpus, cpus));
    compute(w.d);
    watch_all(&w, 1, MILLISECS(200));
    ran = all_ran_ns(w.d);
    watch_all(&w, 1, SECONDS(2));
    expect_kept(&w);
    expect_mean(&w, cap, all_ran_ns(w.d) - ran, SECONDS(2));
    sim_shutdown();
}

static void alone(void) { begins_late(1, 1, 25); }
static void alone_of_4(void) { begins_late(4, 4, 150); }

/* Two beside hogs that take pCPUs when they have budget. */
static void beside_hogs(void)
{
    struct watch w[2] = {};
    unsigned int cap[] = { 30, 50 }, i;
    s_time_t ran[2];

    boot(2);
    for ( i = 0; i < 2; i++ )
    {
        w[i].d = capped(i + 1, 1, cap[i]);
        compute(w[i].d);
        hog(i + 3, 0);
    }
    watch_all(w, 2, MILLISECS(203));
    for ( i = 0; i < 2; i++ )
        ran[i] = all_ran_ns(w[i].d);
    watch_all(w, 2, SECONDS(5));
    for ( i = 0; i < 2; i++ )
    {
        expect_kept(&w[i]);
        expect_mean(&w[i], cap[i], all_ran_ns(w[i].d) - ran[i], SECONDS(5));
    }
    sim_shutdown();
}

/* All of them share one budget, beside as many hogs, on several pCPUs. */
static void vcpus_beside_hogs(void)
{
    struct watch w = {};
    unsigned int i;
    s_time_t ran;

    boot(4);
    w.d = capped(1, 4, 150);
    compute(w.d);
    for ( i = 0; i < 4; i++ )
        hog(i + 2, 0);
    watch_all(&w, 1, MILLISECS(203));
    ran = all_ran_ns(w.d);
    watch_all(&w, 1, SECONDS(5));
    expect_kept(&w);
    expect_mean(&w, 150, all_ran_ns(w.d) - ran, SECONDS(5));
    sim_shutdown();
}

/* It saves up budget when it sleeps, one vCPU and two that are out of step. */
static void sleeper(void)
{
    struct watch w[2] = {};
    struct vcpu *v;

    boot(3);
    w[0].d = capped(1, 1, 40);
    sim_work(w[0].d->vcpu[0], SIM_PERIODIC, MILLISECS(9), MILLISECS(33));
    w[1].d = capped(2, 2, 60);
    for_each_vcpu ( w[1].d, v )
        sim_work(v, SIM_RANDOM, MILLISECS(5), MILLISECS(12));
    watch_all(w, 2, SECONDS(5));
    expect_kept(&w[0]);
    expect_kept(&w[1]);
    expect(near(all_ran_ns(w[0].d) / 1000, 5000000 / 33 * 9, 20000),
           "it gets what it wants, which is below its cap, not %"PRId64" us",
           all_ran_ns(w[0].d) / 1000);
    sim_shutdown();
}

/* However often its cap changes, the highest one in the window holds. */
static void changes(void)
{
    static const unsigned int cap[] = { 20, 60, 20, 21, 20, 90, 5, 50 };
    struct watch w = {};
    unsigned int i;

    boot(2);
    w.d = capped(1, 2, cap[0]);
    compute(w.d);
    for ( i = 0; i < 800; i++ )
    {
        watch_all(&w, 1, MICROSECS(300) + sim_below(MILLISECS(9)));
        put_cap(w.d, cap[i % ARRAY_SIZE(cap)]);
    }
    expect_kept(&w);
    sim_shutdown();
}

/* Nor is a pause, or another pool, a way to get more. */
static void moves(void)
{
    struct watch w = {};
    unsigned int i;

    boot_two_pools();
    w.d = capped(1, 1, 30);
    compute(w.d);
    for ( i = 1; i <= 400; i++ )
    {
        watch_all(&w, 1, MICROSECS(300) + sim_below(MILLISECS(9)));
        expect(!sim_domain_move(w.d, i & 1), "it moves");
        watch_all(&w, 1, MICROSECS(300) + sim_below(MILLISECS(9)));
        domain_pause(w.d);
        watch_all(&w, 1, sim_below(MILLISECS(9)));
        domain_unpause(w.d);
    }
    expect_kept(&w);
    sim_shutdown();
}

const struct test cap_tests[] = {
    { "cap in any 10 ms: alone, begins late", alone },
    { "cap in any 10 ms: 150 of 4 vCPUs, begins late", alone_of_4 },
    { "cap in any 10 ms: two beside hogs", beside_hogs },
    { "cap in any 10 ms: 150 of 4 vCPUs beside hogs", vcpus_beside_hogs },
    { "cap in any 10 ms: saved up in sleep", sleeper },
    { "cap in any 10 ms: changes", changes },
    { "cap in any 10 ms: pools and pauses", moves },
    {}
};

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
