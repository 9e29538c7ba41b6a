/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calm runs of sched=activity: some compute all the time, with equal weights,
 * and share their pCPUs with others who come, go, sleep and wake. Whatever the
 * others do, the equal ones never get far ahead of each other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

#define EQUALS_MAX  16
#define OTHERS_MAX  5
#define FIRST_OTHER 100
#define ROUNDS      150

static struct vcpu *equals[EQUALS_MAX];
static unsigned int nr_equals;
static s_time_t apart_max_ns;

/*
 * Who is ahead goes on only until its deadline, which is one slice ahead of
 * where that began, and not behind the deadline of the other: so it gets ahead
 * by one slice. It is left alone for one more (or for the rate limit) if the
 * other one lost its pCPU to somebody else meanwhile.
 */
static s_time_t bound_ns(void)
{
    const struct act_params *params = &act_priv(sim_pool[0]->sched)->params;

    return params->slice_max + max(params->slice_max, params->ratelimit);
}

static void check_equals(void)
{
    s_time_t least_ns = STIME_MAX, most_ns = 0;
    unsigned int i;

    check_activity();
    for ( i = 0; i < nr_equals; i++ )
    {
        s_time_t ran_ns = sim_run_ns(equals[i]);

        least_ns = min(least_ns, ran_ns);
        most_ns = max(most_ns, ran_ns);
    }
    if ( nr_equals && most_ns - least_ns > bound_ns() )
    {
        for ( i = 0; i < nr_equals; i++ )
            fprintf(stderr, "  d%dv%d ran for %"PRId64" us\n",
                    equals[i]->domain->domain_id, equals[i]->vcpu_id,
                    sim_run_ns(equals[i]) / 1000);
        sim_bug(__FILE__, __LINE__, "equal vCPUs got far apart");
    }
    apart_max_ns = max(apart_max_ns, nr_equals ? most_ns - least_ns : 0);
}

static void some_other(void)
{
    unsigned int domid = FIRST_OTHER + sim_below(OTHERS_MAX);
    struct domain *d = sim_domain(domid);

    if ( !d )
    {
        d = guest(domid, 1 + sim_below(2000));
        sim_work(d->vcpu[0], sim_chance(500) ? SIM_RANDOM : SIM_PERIODIC,
                 MICROSECS(10 + sim_below(5000)),
                 MICROSECS(100 + sim_below(20000)));
    }
    else if ( sim_chance(300) )
        sim_domain_destroy(d);
    else if ( sim_chance(500) )
        sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    else
        put_weight(d, 1 + sim_below(2000));
}

static void calm_run(uint64_t seed)
{
    unsigned int cpus = 1 + seed % 5, round;

    sim_boot(seed, cpus, ACTIVITY);
    sim.verbose = tests_verbose;
    sim.check = check_equals;
    while ( nr_equals < cpus + 1 + seed % 11 )
    {
        equals[nr_equals] = hog(1 + nr_equals, 0)->vcpu[0];
        nr_equals++;
    }
    for ( round = 0; round < ROUNDS; round++ )
    {
        sim.step = round;
        some_other();
        sim_run(sim_below(MILLISECS(40)));
    }
    printf("#   seed %"PRIu64": %u vCPUs on %u pCPUs, at most %"PRId64" us apart;"
           " the limit is %"PRId64"\n", seed, nr_equals, cpus,
           apart_max_ns / 1000, bound_ns() / 1000);
    nr_equals = 0;
    sim_shutdown();
}

static void equal_ones(void)
{
    each_seed(calm_run, "ends well");
}

const struct test calm_tests[] = {
    { "calm: equal ones stay together", equal_ones },
    { NULL, NULL }
};
