/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units of sched=activity that may not use all pCPUs, beside others that may. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

#define GUESTS_MAX 12

static struct domain *guests[GUESTS_MAX];
static unsigned int nr_guests;

static void pin(struct domain *d, unsigned int cpu)
{
    sim_set_affinity(d->vcpu[0], cpumask_of(cpu), NULL);
}

static struct domain *add_hog(unsigned int weight)
{
    struct domain *d = hog(nr_guests + 1, weight);

    guests[nr_guests++] = d;

    return d;
}

static struct domain *add_pinned(unsigned int weight, unsigned int cpu)
{
    struct domain *d = add_hog(weight);

    pin(d, cpu);

    return d;
}

static void begin(unsigned int cpus)
{
    boot(cpus);
    nr_guests = 0;
}

/* In the next @for_ns each gets what @due says of a pCPU, in 1/10000, give or take. */
static void expect_shares(const char *when, s_time_t for_ns, const unsigned int *due,
                          unsigned int tolerance)
{
    s_time_t ran[GUESTS_MAX];
    unsigned int i;

    for ( i = 0; i < nr_guests; i++ )
        ran[i] = ran_ns(guests[i]);
    sim_run(for_ns);
    for ( i = 0; i < nr_guests; i++ )
    {
        unsigned int got = (ran_ns(guests[i]) - ran[i]) * 10000 / for_ns;

        expect(near(got, due[i], tolerance), "%s: guest %u gets %u / 10000 of a "
               "pCPU, not %u", when, i + 1, due[i], got);
    }
}

/* What A and B owe each other is not lost because C has a pCPU to itself. */
static void beside_one_that_floats(void)
{
    static const unsigned int due[] = { 9091, 909, 10000 };

    begin(2);
    add_pinned(640, 0);
    add_pinned(64, 0);
    add_hog(64);
    sim_run(SECONDS(1));
    expect_shares("beside one that floats", SECONDS(2), due, 50);
    sim_shutdown();
}

/* Nor do those that float lose theirs among each other. */
static void on_both_sides(void)
{
    static const unsigned int due[] = { 8000, 2000, 8000, 8000, 4000, 10000 };

    begin(4);
    add_pinned(1024, 0);
    add_pinned(256, 0);
    add_hog(256);
    add_hog(256);
    add_hog(128);
    add_hog(512);
    sim_run(SECONDS(1));
    expect_shares("on both sides", SECONDS(2), due, 100);
    sim_shutdown();
}

/* Three levels: 0 is the fullest, then 1, then the rest. */
static void three_levels(void)
{
    static const unsigned int due[] = { 2500, 2500, 2500, 2500, 5000, 5000,
                                        6666, 6666, 6666 };
    unsigned int i;

    begin(4);
    for ( i = 0; i < 4; i++ )
        add_pinned(256, 0);
    for ( i = 0; i < 2; i++ )
        add_pinned(256, 1);
    for ( i = 0; i < 3; i++ )
        add_hog(256);
    sim_run(SECONDS(2));
    expect_shares("three levels", SECONDS(3), due, 100);
    sim_shutdown();
}

/* Levels are kept near: who was ahead for long does not wait for long. */
static void levels_end(void)
{
    static const unsigned int apart[] = { 5000, 5000, 10000 };
    static const unsigned int together[] = { 3333, 3333, 3333 };
    struct domain *floats;

    begin(2);
    add_pinned(0, 0);
    add_pinned(0, 0);
    floats = add_hog(0);
    sim_run(SECONDS(20));
    expect_shares("apart", SECONDS(1), apart, 100);
    pin(floats, 0);
    expect_shares("pinned as well", SECONDS(1), together, 400);
    sim_set_affinity(floats->vcpu[0], &cpumask_all, NULL);
    sim_run(SECONDS(5));
    expect_shares("apart again", SECONDS(1), apart, 100);
    expect(!sim_cpu_rm(1, false), "the other pCPU leaves");
    expect_shares("one pCPU left", SECONDS(1), together, 1200);
    sim_shutdown();
}

/* One that sleeps on a full pCPU is placed among those there. */
static void sleeper_among_slow_ones(void)
{
    struct domain *sleeper;
    unsigned int i;

    begin(4);
    add_pinned(1024, 0);
    add_pinned(256, 0);
    for ( i = 0; i < 5; i++ )
        add_hog(256);
    sleeper = guest(20, 0);
    pin(sleeper, 0);
    sim_work(sleeper->vcpu[0], SIM_PERIODIC, MICROSECS(100), MILLISECS(10));
    sim_run(SECONDS(10));
    expect(work(sleeper)->wait_max_ns < MILLISECS(1), "who runs 100 us each 10 ms on "
           "a full pCPU waits 1 ms at most, not %"PRId64" us",
           work(sleeper)->wait_max_ns / 1000);
    sim_shutdown();
}

/* One has a pCPU by its weight, and may use either. */
static void beside_a_heavy_one(void)
{
    static const unsigned int due[] = { 6154, 1538, 769, 10000, 1538 };

    begin(2);
    add_pinned(512, 0);
    add_pinned(128, 1);
    add_hog(64);
    add_hog(1024);
    add_hog(128);
    sim_run(SECONDS(1));
    expect_shares("beside a heavy one", SECONDS(5), due, 150);
    sim_shutdown();
}

/* Urgency moves time, but gives none, whatever level others are on. */
static void urgency_gains_nothing(void)
{
    unsigned int i, part;
    s_time_t ran;

    begin(2);
    add_pinned(0, 0);
    add_pinned(0, 0);
    add_hog(0);
    put_urgency(guests[0], INTERACTIVE, 60000);
    sim_run(SECONDS(1));
    ran = ran_ns(guests[0]);
    for ( i = 0; i < 50000; i++ )
    {
        sim_event(guests[0]->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
        sim_run(MICROSECS(100));
    }
    part = (ran_ns(guests[0]) - ran) * 10000 / SECONDS(5);
    expect(part < 5100, "gets half of its pCPU, not %u / 10000", part);
    sim_shutdown();
}

/* ---- any affinities ------------------------------------------------------ */

/* The fair shares of some that compute, and what they are of. */
struct fair {
    unsigned int cpus, nr;
    double weight[GUESTS_MAX], share[GUESTS_MAX];
    unsigned int may_use[GUESTS_MAX]; /* a bit for each pCPU */
    bool settled[GUESTS_MAX];
};

/* What guest @i gets if all that may still rise have @level for their weight. */
static double at_level(const struct fair *f, unsigned int i, double level)
{
    return f->settled[i] ? f->share[i] : fmin(1, level * f->weight[i]);
}

/*
 * Those who may use no pCPUs but these want no more than there are: if that is so for
 * any set of pCPUs, there is a schedule. The sum for @set, less the pCPUs.
 */
static double excess(const struct fair *f, unsigned int set, double level)
{
    double sum = -__builtin_popcount(set);
    unsigned int i;

    for ( i = 0; i < f->nr; i++ )
        if ( !(f->may_use[i] & ~set) )
            sum += at_level(f, i, level);

    return sum;
}

static bool possible(const struct fair *f, double level)
{
    unsigned int set;

    for ( set = 1; set < 1U << f->cpus; set++ )
        if ( excess(f, set, level) > 0 )
            return false;

    return true;
}

/* All rise together; those that cannot stop, and the others go on. */
static void fill(struct fair *f)
{
    unsigned int round, set, i;

    for ( round = 0; round < f->nr; round++ )
    {
        double low = 0, high = 1;

        for ( i = 0; i < 60; i++ )
        {
            double level = (low + high) / 2;

            *(possible(f, level) ? &low : &high) = level;
        }
        for ( set = 1; set < 1U << f->cpus; set++ )
            if ( excess(f, set, low * (1 + 1e-9) + 1e-12) > 0 )
                for ( i = 0; i < f->nr; i++ )
                    if ( !(f->may_use[i] & ~set) && !f->settled[i] )
                    {
                        f->share[i] = at_level(f, i, low);
                        f->settled[i] = true;
                    }
        for ( i = 0; i < f->nr; i++ )
            if ( !f->settled[i] && low * f->weight[i] >= 1 )
            {
                f->share[i] = 1;
                f->settled[i] = true;
            }
    }
}

static void random_run(uint64_t seed)
{
    static const unsigned int weights[] = { 64, 128, 256, 512, 1024 };
    struct fair f = { .cpus = 2 + seed % 3 };
    s_time_t ran[GUESTS_MAX];
    double worst = 0;
    unsigned int i, cpu;

    sim_boot(seed, f.cpus, ACTIVITY);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
    nr_guests = 0;
    f.nr = f.cpus + 1 + sim_below(2 * f.cpus);
    for ( i = 0; i < f.nr; i++ )
    {
        unsigned int weight = weights[sim_below(5)];
        cpumask_t hard;

        cpumask_clear(&hard);
        f.weight[i] = weight;
        do f.may_use[i] = sim_below(1U << f.cpus);
        while ( !f.may_use[i] );
        if ( sim_chance(500) )
            f.may_use[i] = (1U << f.cpus) - 1;
        for ( cpu = 0; cpu < f.cpus; cpu++ )
            if ( f.may_use[i] & (1U << cpu) )
                cpumask_set_cpu(cpu, &hard);
        sim_set_affinity(add_hog(weight)->vcpu[0], &hard, NULL);
    }
    fill(&f);

    sim_run(SECONDS(1));
    for ( i = 0; i < f.nr; i++ )
        ran[i] = ran_ns(guests[i]);
    sim_run(SECONDS(5));
    for ( i = 0; i < f.nr; i++ )
    {
        double got = (ran_ns(guests[i]) - ran[i]) / (double)SECONDS(5);

        worst = fmax(worst, fabs(got / f.share[i] - 1));
        if ( tests_verbose || fabs(got / f.share[i] - 1) > 0.05 )
            printf("#   seed %"PRIu64": weight %.0f on pCPUs %#x of %u gets %.3f, "
                   "not %.3f\n", seed, f.weight[i], f.may_use[i], f.cpus, got,
                   f.share[i]);
    }
    printf("#   seed %"PRIu64": %u vCPUs on %u pCPUs, error %.4f\n", seed, f.nr,
           f.cpus, worst);
    sim_shutdown();
    /* Who makes room for another one may lose a part of a slice each time. */
    if ( worst > 0.05 )
        exit(1);
}

static void random_affinities(void)
{
    each_seed(random_run, "has each share within 5%");
}

const struct test pinned_tests[] = {
    { "pinned: shares beside one that floats", beside_one_that_floats },
    { "pinned: shares on both sides", on_both_sides },
    { "pinned: three levels", three_levels },
    { "pinned: nobody waits for long when levels end", levels_end },
    { "pinned: a sleeper among slow ones", sleeper_among_slow_ones },
    { "pinned: shares beside a heavy one", beside_a_heavy_one },
    { "pinned: urgency gains nothing", urgency_gains_nothing },
    { "pinned: any affinities", random_affinities },
    { NULL, NULL }
};

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
