/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pCPU, or a host of many, with queues of hogs, of which the running ones
 * block now and then and are woken again: so a wake-up finds the queue full, as
 * does a decision.
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

/* On a host of many pCPUs there are more kinds of places to be in. */
#define OPS_PER_PCPU 20
#define WARM_UP_NS   MILLISECS(200)

static const unsigned int sizes[] = { 2, 16, 64, 512 };
#define NR_SIZES ARRAY_SIZE(sizes)

/* A usual host, and the largest one. */
static const struct { unsigned int units, pcpus; } hosts[] = {
    { 64, 16 }, { 4096, 256 },
};
#define NR_HOSTS ARRAY_SIZE(hosts)

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

/* Of each pCPU. */
static struct load {
    struct vcpu *sleeper;
    struct sim_event blocker, waker;
} loads[NR_CPUS];
static unsigned int nr_pcpus;

static void on_wake(struct sim_event *e)
{
    struct load *load = container_of(e, struct load, waker);

    sim_event_send(NULL, load->sleeper, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_at(&load->blocker, sim.now_ns + BLOCK_EACH_NS);
}

static void on_block(struct sim_event *e)
{
    struct load *load = container_of(e, struct load, blocker);
    struct vcpu *v = sim_current[load - loads];

    if ( is_idle_vcpu(v) || (v->pause_flags & VPF_blocked) )
    {
        sim_at(e, sim.now_ns + BLOCK_EACH_NS);
        return;
    }
    load->sleeper = v;
    sim_upcall_done(v);
    sim_block(v);
    sim_at(&load->waker, sim.now_ns + SLEEP_NS);
}

static void measure(enum op op, unsigned int ops)
{
    s_time_t end = sim.now_ns + GIVE_UP_NS;
    unsigned int cpu;

    /* Only when nobody blocks do slices come to their end. */
    if ( op == SCHEDULE )
    {
        sim_run(SLEEP_NS);
        for ( cpu = 0; cpu < nr_pcpus; cpu++ )
            sim_cancel(&loads[cpu].blocker);
    }
    measured = op;
    counted = 0;
    while ( counted < ops && sim.now_ns < end )
        sim_run(MILLISECS(1));
}

int cost(const struct sched_def *sched, unsigned int units, unsigned int pcpus)
{
    unsigned int ops_each = pcpus ? OPS_PER_PCPU * pcpus : OPS, i;
    struct scheduler *ops;
    enum op op;

    for ( i = 0; i < ARRAY_SIZE(sched->params); i++ )
        if ( sched->params[i].name )
            sim_param(sched->params[i].name, sched->params[i].value);
    if ( pcpus )
    {
        sim.topology.threads_per_core = 2;
        sim.topology.cores_per_socket = 8;
        nr_pcpus = pcpus;
    }
    else
        /* null has no queues: as many pCPUs as units, of which one is used. */
        nr_pcpus = 1;
    sim_boot(1, sched->id == XEN_SCHEDULER_NULL ? units : nr_pcpus, sched->id);
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
    for ( i = 0; i < nr_pcpus; i++ )
    {
        loads[i].blocker.fn = on_block;
        loads[i].waker.fn = on_wake;
        /* Not all at once. */
        sim_at(&loads[i].blocker,
               sim.now_ns + BLOCK_EACH_NS + BLOCK_EACH_NS * i / nr_pcpus);
    }
    measure(BLOCK, WARM_UP_OPS);
    if ( pcpus )
        sim_run(WARM_UP_NS);
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;

    for ( op = 0; op < OPERATIONS; op++ )
    {
        measure(op, ops_each);
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

/* Fills in instructions per operation. @pcpus: 0 for one queue. */
static int measure_one(const char *sched, unsigned int units,
                       unsigned int pcpus, const char *folder,
                       long long *per_op)
{
    char *command, *file;
    char name[16], host[16] = "";
    unsigned int nr;
    enum op op;
    FILE *f;

    if ( pcpus )
        snprintf(host, sizeof(host), "/%u", pcpus);
    if ( asprintf(&file, "%s/callgrind.%s.%u.%u", folder, sched, units,
                  pcpus) < 0 ||
         asprintf(&command, "valgrind --tool=callgrind --collect-atstart=no "
                  "--instr-atstart=no --callgrind-out-file=%s "
                  "/proc/%d/exe cost %s %u%s 2>%s.log", file, getpid(), sched,
                  units, host, file) < 0 )
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

static void put_op(FILE *f, enum op op, const char *const *names,
                   long long (*per_op)[OPERATIONS], unsigned int nr)
{
    unsigned int i;

    fprintf(f, "%s\n    \"%s\": {", op ? "," : "", op_names[op]);
    for ( i = 0; i < nr; i++ )
        if ( per_op[i][op] < 0 )
            fprintf(f, "%s \"%s\": null", i ? "," : "", names[i]);
        else
            fprintf(f, "%s \"%s\": %lld", i ? "," : "", names[i],
                    per_op[i][op]);
    fprintf(f, " }");
}

/* How costs grow from host to host. null's do not depend on others. */
static int measure_growth(FILE *f, const char *folder)
{
    const struct sched_def *s;
    char names[NR_HOSTS][40];
    const char *name[NR_HOSTS];
    int failed = 0, some = 0;
    unsigned int i;
    enum op op;

    for ( i = 0; i < NR_HOSTS; i++ )
    {
        snprintf(names[i], sizeof(names[i]), "%u vCPUs, %u pCPUs",
                 hosts[i].units, hosts[i].pcpus);
        name[i] = names[i];
    }
    fprintf(f, ",\n  \"growth\": {");
    for ( s = sched_defs; s->name; s++ )
    {
        long long per_op[NR_HOSTS][OPERATIONS];

        if ( strchr(s->name, '-') || s->id == XEN_SCHEDULER_NULL )
            continue;
        for ( i = 0; i < NR_HOSTS; i++ )
        {
            failed |= measure_one(s->name, hosts[i].units, hosts[i].pcpus,
                                  folder, per_op[i]);
            fprintf(stderr, "cost of %s with %s\n", s->name, names[i]);
        }
        fprintf(f, "%s\n  \"%s\": {", some++ ? "," : "", s->name);
        for ( op = 0; op < OPERATIONS; op++ )
            put_op(f, op, name, per_op, NR_HOSTS);
        fprintf(f, "\n  }");
    }
    fprintf(f, "\n  }");

    return failed;
}

int cost_all(const char *out)
{
    static const char *const size_names[] = { "2", "16", "64", "512" };
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
            failed |= measure_one(s->name, sizes[i], 0, folder, per_op[i]);
            fprintf(stderr, "[%u] cost of %s with %u units\n", ++nr, s->name,
                    sizes[i]);
        }
        fprintf(f, ",\n  \"%s\": {", s->name);
        for ( op = 0; op < OPERATIONS; op++ )
            put_op(f, op, size_names, per_op, NR_SIZES);
        fprintf(f, "\n  }");
    }
    failed |= measure_growth(f, folder);
    fprintf(f, "\n}\n");
    if ( fclose(f) )
        failed = 1;
    if ( failed )
        unlink(out);
    else
        rmdir(folder);

    return failed;
}
