/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random sequences of everything that can happen to a scheduler, with the
 * invariants checked after each step. A sequence that fails is shrunk to the
 * steps that it takes; the message tells how to repeat those.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "random.h"

#define STEPS    1500

/* Each adds one kind of trouble. */
enum {
    CALM = 0,
    LATE = 1,           /* softirqs, switches and timers; others in windows  */
    BUSY_LOCKS = 2,
    SKEW = 4,
    CORES = 8,          /* units of 2 vCPUs                                  */
    CAPS_MOVE = 16,     /* capped domains of credit2 change their pool       */
};

/*
 * With those of Xen not everything is possible: a pCPU of credit2 that is to
 * leave a busy pool takes new work all the time, and a domain must not be out of
 * its budget when it leaves; rtds and null fail when a pCPU or a domain leaves
 * at the wrong moment.
 */
static void what_may_happen(const struct random_script *script)
{
    unsigned int trouble = script->kind->trouble;

    machine = (struct random_machine){ .sched = script->kind->sched_id };
    if ( trouble & CORES )
        return;
    switch ( machine.sched )
    {
    case XEN_SCHEDULER_ACTIVITY:
    case XEN_SCHEDULER_CREDIT:
        machine.cpus_move = machine.domains_move = machine.caps = true;
        break;
    case XEN_SCHEDULER_CREDIT2:
        machine.domains_move = (trouble & CAPS_MOVE) || (script->seed & 1);
        machine.caps = (trouble & CAPS_MOVE) || !(script->seed & 1);
        break;
    }
}

static void make_machine(const struct random_script *script)
{
    /* Now and then more than fit into one run queue. */
    unsigned int cpus = script->seed % 8 ? 1 + script->seed % 5
                                         : 9 + script->seed % 3;
    unsigned int trouble = script->kind->trouble, cpu;

    if ( trouble & CORES )
    {
        cpus = ROUNDUP(cpus, 2);
        sim.topology.threads_per_core = 2;
        sim_param("sched-gran", "core");
    }
    sim_boot(script->seed, cpus, script->kind->sched_id);
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

    what_may_happen(script);
    machine.two_pools = cpus > 1 && sim_chance(700) && machine.domains_move;
    if ( machine.two_pools && (sim_cpu_rm(cpus - 1, false) ||
                               sim_pool_create(1, machine.sched) ||
                               sim_cpu_add(1, cpus - 1)) )
        BUG();
    tb_init_done = sim_chance(500);
}

/* Each step has random numbers of its own (the finalizer of splitmix64). */
static uint64_t step_rng(uint64_t seed, unsigned int step)
{
    uint64_t z = (seed << 32) + step * 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;

    return (z ^ (z >> 31)) | 1;     /* must not be 0 */
}

void random_play(const struct random_script *script, bool told)
{
    unsigned int i;

    make_machine(script);
    machine.told = told || tests_verbose;
    if ( machine.told )
        printf("#   %u pCPUs%s\n", nr_cpu_ids,
               machine.two_pools ? ", the last one in pool 1" : "");
    for ( i = 0; i < script->nr; i++ )
    {
        sim.step = script->steps[i];
        sim.rng = step_rng(script->seed, sim.step);
        random_operation();
    }
    sim.step = 0;
    sim.rng = step_rng(script->seed, 0);
    sim.doing = "all that may run do so";
    if ( machine.told )
        printf("#   all domains are unpaused, without cap, limits and trouble; "
               "time passes\n");
    sim_settle();
    random_check_all_run();
    sim.doing = "shutdown";
    sim_settle();
    sim_shutdown();
}

/* ---- tests -------------------------------------------------------------- */

static unsigned int all_steps[STEPS];

static void whole_script(struct random_script *script,
                         const struct random_kind *kind, uint64_t seed,
                         unsigned int nr)
{
    unsigned int i;

    for ( i = 0; i < nr; i++ )
        all_steps[i] = i + 1;
    *script = (struct random_script){ .kind = kind, .seed = seed, .nr = nr,
                                      .steps = all_steps };
}

/* -k: only these steps, of one seed. */
static void play_kept(const struct random_kind *kind)
{
    static unsigned int steps[STEPS];
    struct random_script script = { .kind = kind, .seed = first_seed,
                                    .steps = steps };
    const char *p = kept_steps;
    char *end;

    while ( *p )
    {
        unsigned long step = strtoul(p, &end, 10);

        if ( end == p || (*end && *end != ',') || !step || step > UINT_MAX ||
             (script.nr && step <= steps[script.nr - 1]) ||
             script.nr == STEPS )
        {
            fprintf(stderr, "test-sched: -k %s: at \"%s\": need at most %u "
                    "step numbers, ascending, with commas\n", kept_steps, p,
                    STEPS);
            exit(2);
        }
        steps[script.nr++] = step;
        p = *end ? end + 1 : end;
    }
    random_play(&script, true);
}

/* On a CPU, so that it does not matter what else the machine does. */
static double children_s(void)
{
    struct rusage use;

    getrusage(RUSAGE_CHILDREN, &use);

    return use.ru_utime.tv_sec + use.ru_stime.tv_sec +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void random_runs(const struct random_kind *kind, unsigned int runs)
{
    unsigned int i, failures = 0;
    double cpu_s = children_s();

    if ( kept_steps )
    {
        play_kept(kind);
        return;
    }

    printf("#   seeds %"PRIu64" to %"PRIu64", %u steps each\n", first_seed,
           first_seed + runs - 1, STEPS);
    for ( i = 0; i < runs; i++ )
    {
        static unsigned int steps[STEPS];
        struct random_failure failure;
        struct random_script script;

        whole_script(&script, kind, first_seed + i, STEPS);
        if ( !random_fails(&script, false, &failure) )
            continue;
        expect(false, "seed %"PRIu64" ends well, but: %s", script.seed,
               failure.what);
        /* One is enough to work on. */
        if ( failures++ )
            continue;
        script.nr = random_shrink(&script, &failure, steps);
        script.steps = steps;
        random_print(&script);
    }
    if ( !failures )
        printf("#   %u operations, %.0f a second\n", runs * STEPS,
               runs * STEPS / (children_s() - cpu_s));
}

/* Ours, with all seeds. */
#define KIND(id, text, sched, kinds) \
    static const struct random_kind id = \
        { .name = text, .sched_id = sched, .trouble = kinds }

KIND(kind_calm, "random", ACTIVITY, CALM);
KIND(kind_late, "random, late softirqs and timers", ACTIVITY, LATE);
KIND(kind_locks, "random, trylock fails", ACTIVITY, BUSY_LOCKS);
KIND(kind_all, "random, late, trylock fails, clocks differ", ACTIVITY,
     LATE | BUSY_LOCKS | SKEW);
KIND(kind_cores, "random, units of 2 vCPUs", ACTIVITY, LATE | CORES);

static void random_calm(void) { random_runs(&kind_calm, nr_seeds); }
static void random_late(void) { random_runs(&kind_late, nr_seeds); }
static void random_locks(void) { random_runs(&kind_locks, nr_seeds); }
static void random_all(void) { random_runs(&kind_all, nr_seeds); }

/*
 * Those that once found something, and are beyond what every run tries: pCPUs that
 * joined and did not look for work, one that left with somebody counting on it, a
 * reservation that began again just as its unit yielded, or as a critical unit waited
 * and was sent an event, a word passed on to a pCPU that may not use what it was about.
 */
static void random_known(void)
{
    static const struct {
        const struct random_kind *kind;
        uint64_t seed;
    } known[] = {
        { &kind_late, 200 }, { &kind_late, 429 }, { &kind_late, 512 },
        { &kind_late, 517 }, { &kind_late, 619 }, { &kind_late, 1074 },
        { &kind_late, 1240 }, { &kind_locks, 1374 }, { &kind_cores, 996 },
        { &kind_cores, 583 }, { &kind_calm, 664 },
        { &kind_late, 1504 }, { &kind_calm, 128 },
    };
    struct random_failure failure;
    struct random_script script;
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(known) && !kept_steps; i++ )
    {
        whole_script(&script, known[i].kind, known[i].seed, STEPS);
        if ( random_fails(&script, false, &failure) )
            expect(false, "seed %"PRIu64" of '%s' ends well, but: %s",
                   script.seed, script.kind->name, failure.what);
    }
}

/* ---- many --------------------------------------------------------------- */

/* So often it says how far it is. */
#define PROGRESS 100

unsigned int random_long(uint64_t operations)
{
    static const struct random_kind *const kinds[] = {
        &kind_calm, &kind_late, &kind_locks, &kind_all, &kind_cores,
    };
    static unsigned int kept[STEPS];
    uint64_t seed = first_seed, steps = 0, done = 0, told = 0, runs = 0;
    double start_s = children_s();
    unsigned int failures = 0;

    for ( ; done < operations; seed++ )
    {
        unsigned int i;

        for ( i = 0; i < ARRAY_SIZE(kinds) && done < operations; i++ )
        {
            struct random_failure failure;
            struct random_script script;
            bool fails;

            whole_script(&script, kinds[i], seed, STEPS);
            fails = random_fails(&script, true, &failure);
            runs++;
            done += failure.done;
            steps += fails && failure.step ? failure.step : STEPS;
            if ( !fails )
                continue;
            printf("not ok - seed %"PRIu64" of '%s': %s\n", seed,
                   script.kind->name, failure.what);
            /* One is enough to work on. */
            if ( failures++ )
                continue;
            script.nr = random_shrink(&script, &failure, kept);
            script.steps = kept;
            random_print(&script);
        }
        if ( done * PROGRESS / operations != told )
        {
            told = done * PROGRESS / operations;
            printf("# %"PRIu64" of %"PRIu64" operations, seed %"PRIu64
                   ", %.0f s of CPU time, %u runs failed\n", done, operations,
                   seed, children_s() - start_s, failures);
            fflush(stdout);
        }
    }
    printf("%s - %"PRIu64" random operations on activity in %"PRIu64" runs, "
           "seeds %"PRIu64" to %"PRIu64": %u runs failed\n"
           "# %"PRIu64" more had nothing to do; %.0f s of CPU time\n",
           failures ? "not ok" : "ok", done, runs, first_seed, seed - 1,
           failures, steps - done, children_s() - start_s);

    return failures;
}

/* Xen's: here it is the simulator that is tested. */
KIND(kind_credit2, "random, credit2", XEN_SCHEDULER_CREDIT2, LATE);
KIND(kind_credit, "random, credit", XEN_SCHEDULER_CREDIT, LATE);
KIND(kind_rtds, "random, rtds", XEN_SCHEDULER_RTDS, LATE);
KIND(kind_null, "random, null", XEN_SCHEDULER_NULL, LATE);

/* A third of the seeds: these take longer, or find less. */
static void random_third(const struct random_kind *kind)
{
    random_runs(kind, DIV_ROUND_UP(nr_seeds, 3));
}

static void random_cores(void) { random_third(&kind_cores); }
static void random_credit2(void) { random_third(&kind_credit2); }
static void random_credit(void) { random_third(&kind_credit); }
static void random_rtds(void) { random_third(&kind_rtds); }
static void random_null(void) { random_third(&kind_null); }

/*
 * The tester finds things, and shrinks them: a domain of credit2 that is out of
 * its budget when it changes its pool never runs again. Its vCPUs keep
 * VPF_parked, as the new pool does not know of it: without the flag they are
 * runnable, with no cap and no pause. To be seen by anybody else the flag has to
 * be gone when the domain leaves the pool.
 */
#define FIND_STEPS   300
#define FIND_SEEDS   40
#define FOUND_STEPS  12

KIND(kind_found, "random, finds parked units of credit2", XEN_SCHEDULER_CREDIT2,
     LATE | CAPS_MOVE);

static void random_finds(void)
{
    static unsigned int steps[FIND_STEPS];
    struct random_failure failure;
    struct random_script script;
    unsigned int i, from;

    if ( kept_steps )
    {
        play_kept(&kind_found);
        return;
    }

    for ( i = 0; i < FIND_SEEDS; i++ )
    {
        whole_script(&script, &kind_found, first_seed + i, FIND_STEPS);
        if ( !random_fails(&script, true, &failure) )
            continue;
        printf("#   seed %"PRIu64": %s\n", script.seed, failure.what);
        if ( strstr(failure.what, "VPF_parked") )
            break;
    }
    if ( !expect(i < FIND_SEEDS, "one of %u seeds finds it", FIND_SEEDS) )
        return;

    from = script.nr;
    script.nr = random_shrink(&script, &failure, steps);
    script.steps = steps;
    printf("#   %u of %u steps are left\n", script.nr, from);
    random_print(&script);
    expect(script.nr <= FOUND_STEPS, "at most %u steps", FOUND_STEPS);
    expect(random_fails(&script, true, &failure) &&
           strstr(failure.what, "VPF_parked"), "they do it again");
}

const struct test random_tests[] = {
    { "random", random_calm },
    { "random, late softirqs and timers", random_late },
    { "random, trylock fails", random_locks },
    { "random, late, trylock fails, clocks differ", random_all },
    { "random, seeds that found something", random_known },
    { "random, units of 2 vCPUs", random_cores },
    { "random, credit2", random_credit2 },
    { "random, credit", random_credit },
    { "random, rtds", random_rtds },
    { "random, null", random_null },
    { "random, finds parked units of credit2", random_finds },
    { NULL, NULL }
};
