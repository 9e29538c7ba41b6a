/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pCPU with a queue of hogs, of which the running one blocks now and then
 * and is woken again: so a wake-up finds the queue full, as does a decision.
 * The scheduler's operations are wrapped, and callgrind counts only inside of
 * the wrapped function: what core.c does around it is not the scheduler's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/callgrind.h>

#include "cost.h"
#include "sim.h"

/* Enough to average over what happens each so many times. */
#define OPS         300
/* Everybody has run a few times, and found a place. */
#define WARM_UP_OPS 200
#define BLOCK_EACH_NS MICROSECS(700)
#define SLEEP_NS      MICROSECS(300)
/* Where an operation is that rare that it does not come OPS times. */
#define GIVE_UP_NS    SECONDS(60)

static const unsigned int sizes[] = { 2, 16, 64, 512 };
#define NR_SIZES ARRAY_SIZE(sizes)

enum op { WAKE, BLOCK, SCHEDULE, OPERATIONS };
static const char *const op_names[] = { "wake", "block", "schedule" };

static struct scheduler real;
static enum op measured;
static bool collecting;
static unsigned int counted;

static void count(bool on)
{
    if ( on )
    {
        counted++;
        CALLGRIND_TOGGLE_COLLECT;
        collecting = true;
    }
    else if ( collecting )
    {
        CALLGRIND_TOGGLE_COLLECT;
        collecting = false;
    }
}

static void wrapped_wake(const struct scheduler *ops, struct sched_unit *unit)
{
    count(measured == WAKE);
    real.wake(ops, unit);
    count(false);
}

static void wrapped_schedule(const struct scheduler *ops,
                             struct sched_unit *prev, s_time_t now,
                             bool tasklet)
{
    if ( !is_idle_unit(prev) )
        count(measured == (unit_runnable(prev) ? SCHEDULE : BLOCK));
    real.do_schedule(ops, prev, now, tasklet);
    count(false);
}

/* ---- the load ----------------------------------------------------------- */

static struct vcpu *sleeper;
static struct sim_event blocker, waker;

static void on_wake(struct sim_event *e)
{
    sim_event_send(NULL, sleeper, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_at(&blocker, sim.now_ns + BLOCK_EACH_NS);
}

static void on_block(struct sim_event *e)
{
    struct vcpu *v = sim_current[0];

    if ( is_idle_vcpu(v) )
    {
        sim_at(e, sim.now_ns + BLOCK_EACH_NS);
        return;
    }
    sleeper = v;
    sim_upcall_done(v);
    sim_block(v);
    sim_at(&waker, sim.now_ns + SLEEP_NS);
}

static void measure(enum op op, unsigned int ops)
{
    s_time_t end = sim.now_ns + GIVE_UP_NS;

    /* Only when nobody blocks do slices come to their end. */
    if ( op == SCHEDULE )
    {
        sim_run(SLEEP_NS);
        sim_cancel(&blocker);
    }
    measured = op;
    counted = 0;
    while ( counted < ops && sim.now_ns < end )
        sim_run(MILLISECS(1));
}

int cost(const struct sched_def *sched, unsigned int units)
{
    /* null has no queues: as many pCPUs as units. */
    unsigned int pcpus = sched->id == XEN_SCHEDULER_NULL ? units : 1;
    struct scheduler *ops;
    unsigned int i;
    enum op op;

    for ( i = 0; i < ARRAY_SIZE(sched->params); i++ )
        if ( sched->params[i].name )
            sim_param(sched->params[i].name, sched->params[i].value);
    sim_boot(1, pcpus, sched->id);
    measured = OPERATIONS;
    ops = sim_pool[0]->sched;
    real = *ops;
    ops->wake = wrapped_wake;
    ops->do_schedule = wrapped_schedule;

    for ( i = 0; i < units; i++ )
    {
        struct domain *d = sim_domain_create(i + 1, 0, 1);

        SIM_CHECK(d);
        sim_event_send(NULL, d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    }
    blocker.fn = on_block;
    waker.fn = on_wake;
    sim_at(&blocker, sim.now_ns + BLOCK_EACH_NS);
    measure(BLOCK, WARM_UP_OPS);
    CALLGRIND_ZERO_STATS;

    for ( op = 0; op < OPERATIONS; op++ )
    {
        measure(op, OPS);
        /* The sum gets into callgrind's file; of how many is read from here. */
        CALLGRIND_DUMP_STATS_AT(op_names[op]);
        printf("%s %u\n", op_names[op], counted);
    }
    fflush(stdout);
    _exit(0);
}

/* ---- under callgrind ---------------------------------------------------- */

/* callgrind writes a file per dump: FILE.1, ... each with its sum. */
static long long dump_sum(const char *file, unsigned int nr)
{
    long long sum = -1;
    char line[512];
    char *name;
    FILE *f;

    if ( asprintf(&name, "%s.%u", file, nr) < 0 )
        abort();
    f = fopen(name, "r");
    while ( f && fgets(line, sizeof(line), f) )
        if ( sscanf(line, "summary: %lld", &sum) == 1 ||
             sscanf(line, "totals: %lld", &sum) == 1 )
            break;
    if ( f )
        fclose(f);
    unlink(name);
    free(name);

    return sum;
}

/* Fills in instructions per operation. */
static int measure_one(const char *sched, unsigned int units,
                       const char *folder, long long *per_op)
{
    char *command, *file;
    char name[16];
    unsigned int nr;
    enum op op;
    FILE *f;

    if ( asprintf(&file, "%s/callgrind.%s.%u", folder, sched, units) < 0 ||
         asprintf(&command, "valgrind --tool=callgrind --collect-atstart=no "
                  "--callgrind-out-file=%s /proc/%d/exe cost %s %u "
                  "2>%s.log", file, getpid(), sched, units, file) < 0 )
        abort();
    f = popen(command, "r");
    for ( op = 0; f && op < OPERATIONS; op++ )
    {
        long long sum;

        if ( fscanf(f, "%15s %u", name, &nr) != 2 )
            break;
        sum = dump_sum(file, op + 1);
        per_op[op] = nr && sum >= 0 ? sum / nr : -1;
    }
    if ( !f || pclose(f) || op != OPERATIONS )
    {
        fprintf(stderr, "avm-sim: cost of %s with %u units: it failed; see "
                "%s.log\n", sched, units, file);
        return 1;
    }
    unlink(file);
    free(file);
    free(command);

    return 0;
}

int cost_all(const char *out)
{
    char folder[] = "/tmp/avm-sim-cost.XXXXXX";
    const struct sched_def *s;
    unsigned int i, nr = 0;
    int failed = 0;
    enum op op;
    FILE *f;

    if ( !mkdtemp(folder) || !(f = fopen(out, "w")) )
    {
        fprintf(stderr, "%s: %s\n", out, strerror(errno));
        return 1;
    }
    fprintf(f, "{\n  \"unit\": \"instructions\"");
    for ( s = sched_defs; s->name; s++ )
    {
        long long per_op[NR_SIZES][OPERATIONS];

        /* Tuning changes parameters, not code. */
        if ( strchr(s->name, '-') )
            continue;
        for ( i = 0; i < NR_SIZES; i++ )
        {
            failed |= measure_one(s->name, sizes[i], folder, per_op[i]);
            fprintf(stderr, "[%u] cost of %s with %u units\n", ++nr, s->name,
                    sizes[i]);
        }
        fprintf(f, ",\n  \"%s\": {", s->name);
        for ( op = 0; op < OPERATIONS; op++ )
        {
            fprintf(f, "%s\n    \"%s\": {", op ? "," : "", op_names[op]);
            for ( i = 0; i < NR_SIZES; i++ )
                if ( per_op[i][op] < 0 )
                    fprintf(f, "%s \"%u\": null", i ? "," : "", sizes[i]);
                else
                    fprintf(f, "%s \"%u\": %lld", i ? "," : "", sizes[i],
                            per_op[i][op]);
            fprintf(f, " }");
        }
        fprintf(f, "\n  }");
    }
    fprintf(f, "\n}\n");
    if ( fclose(f) )
        failed = 1;
    if ( failed )
        unlink(out);
    else
        rmdir(folder);

    return failed;
}
