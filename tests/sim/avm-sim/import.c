/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who ran where is in the core's records of runstates: each is written by the
 * pCPU that the vCPU gets or leaves. What was before the first record, or was
 * lost, is known as far as a later record tells whose pCPU it was.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "import.h"
#include "memory.h"
#include "sim.h"

#include "../../../sched_activity/trace.h"

/* Shorter runs say too little of the clock: a record comes 1 us late or so. */
#define CLOCK_RUN_MIN_NS  100000
/* The core's runtimes are of 32 bit: those of long runs say nothing. */
#define CLOCK_TOLERANCE   0.02

struct id {
    uint16_t dom, vcpu;
};

static bool same(struct id a, struct id b)
{
    return a.dom == b.dom && a.vcpu == b.vcpu;
}

enum knowledge { UNKNOWN, RUNS, NOBODY };

struct pcpu {
    enum knowledge who;
    struct id id;               /* if it runs one, even an idle one           */
    uint64_t since;             /* tsc: it runs, or nothing is known          */
};

struct import {
    const char *file;
    struct xentrace trace;
    struct pcpu *cpus;
    double ns_per_tick;
    FILE *out;
};

/* ---- what records say --------------------------------------------------- */

static struct id id_of(uint32_t word)
{
    return (struct id){ .dom = word >> 16, .vcpu = word };
}

static bool is_runstate(const struct xentrace_record *rec, unsigned int *from,
                        unsigned int *to)
{
    *from = rec->event >> 8 & 3;
    *to = rec->event >> 4 & 3;

    return (rec->event & ~0x330u) == TRC_SCHED_RUNSTATE_CHANGE && rec->words;
}

/* The core tells how long in ns @id has had this pCPU, up to now. */
static bool is_runtime(const struct xentrace_record *rec, struct id *id)
{
    *id = (struct id){ .dom = rec->data[0], .vcpu = rec->data[1] };

    return (rec->event == TRC_SCHED_SWITCH_INFPREV ||
            rec->event == TRC_SCHED_SWITCH_INFCONT) && rec->words >= 3;
}

/* ---- the clock ---------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/*
 * Nothing in the file says how fast the time stamp counter counts, but for runs
 * there are both ticks and ns. Returns ns per tick, or 0.
 */
static double find_clock(struct import *im)
{
    const struct xentrace *t = &im->trace;
    double *ratios = must(calloc(t->nr, sizeof(*ratios)));
    double *ticks = must(calloc(t->nr, sizeof(*ticks)));
    double *sorted = must(calloc(t->nr, sizeof(*sorted)));
    double median = 0, sum_ns = 0, sum_ticks = 0;
    size_t i, nr = 0;

    for ( i = 0; i < t->nr; i++ )
    {
        const struct xentrace_record *rec = &t->records[i];
        struct pcpu *cpu = &im->cpus[rec->cpu];
        unsigned int from, to;
        struct id id;

        if ( is_runstate(rec, &from, &to) && to == RUNSTATE_running )
            *cpu = (struct pcpu){ RUNS, id_of(rec->data[0]), rec->tsc };
        else if ( rec->event == TRC_LOST_RECORDS )
            cpu->who = UNKNOWN;
        else if ( is_runtime(rec, &id) && cpu->who == RUNS &&
                  same(id, cpu->id) && rec->tsc > cpu->since &&
                  rec->data[2] >= CLOCK_RUN_MIN_NS )
        {
            ticks[nr] = rec->tsc - cpu->since;
            ratios[nr] = rec->data[2] / ticks[nr];
            nr++;
        }
    }
    memset(im->cpus, 0, t->nr_cpus * sizeof(*im->cpus));

    if ( nr )
    {
        memcpy(sorted, ratios, nr * sizeof(*ratios));
        qsort(sorted, nr, sizeof(*sorted), by_size);
        median = sorted[nr / 2];
    }
    for ( i = 0; i < nr; i++ )
        if ( ratios[i] > median * (1 - CLOCK_TOLERANCE) &&
             ratios[i] < median * (1 + CLOCK_TOLERANCE) )
        {
            sum_ticks += ticks[i];
            sum_ns += ratios[i] * ticks[i];
        }
    free(ratios);
    free(ticks);
    free(sorted);

    return sum_ticks ? sum_ns / sum_ticks : 0;
}

static int64_t ns_of(const struct import *im, uint64_t tsc)
{
    return (tsc - im->trace.records[0].tsc) * im->ns_per_tick;
}

/* ---- runs --------------------------------------------------------------- */

static void run_ends(const struct import *im, unsigned int cpu, struct id id,
                     uint64_t from, uint64_t to)
{
    if ( id.dom != DOMID_IDLE )
        fprintf(im->out, "run,%"PRId64",%"PRId64",%u,d%u,%u\n",
                ns_of(im, from), ns_of(im, to), cpu, id.dom, id.vcpu);
}

static void note(const struct import *im, const char *what,
                 const struct xentrace_record *rec, struct id id)
{
    fprintf(im->out, "%s,%"PRId64",,,d%u,%u\n", what, ns_of(im, rec->tsc),
            id.dom, id.vcpu);
}

/* Whoever was seen on @cpu has left it by @tsc at the latest. */
static void nobody(const struct import *im, unsigned int cpu, uint64_t tsc)
{
    struct pcpu *pc = &im->cpus[cpu];

    if ( pc->who == RUNS )
        run_ends(im, cpu, pc->id, pc->since, tsc);
    pc->who = NOBODY;
}

static void runstate(const struct import *im, const struct xentrace_record *rec,
                     unsigned int from, unsigned int to)
{
    struct pcpu *pc = &im->cpus[rec->cpu];
    struct id id = id_of(rec->data[0]);

    if ( from == RUNSTATE_blocked && to <= RUNSTATE_runnable &&
         id.dom != DOMID_IDLE )
        note(im, "wake", rec, id);
    if ( from == to )
        return;
    if ( to == RUNSTATE_running )
    {
        nobody(im, rec->cpu, rec->tsc);
        *pc = (struct pcpu){ RUNS, id, rec->tsc };
    }
    else if ( from == RUNSTATE_running )
    {
        if ( pc->who == UNKNOWN )
            run_ends(im, rec->cpu, id, pc->since, rec->tsc);
        else if ( pc->who == RUNS && same(pc->id, id) )
            run_ends(im, rec->cpu, id, pc->since, rec->tsc);
        else
            return;
        pc->who = NOBODY;
    }
}

/* There was no room for some time; now the pCPU runs who is named there. */
static void lost(const struct import *im, const struct xentrace_record *rec)
{
    struct pcpu *pc = &im->cpus[rec->cpu];
    uint64_t since = rec->data[2] | (uint64_t)rec->data[3] << 32;

    since = min(since, rec->tsc);
    since = max(since, pc->since);
    nobody(im, rec->cpu, since);
    *pc = (struct pcpu){ RUNS, { .dom = rec->data[1],
                                 .vcpu = rec->data[1] >> 16 }, rec->tsc };
}

static void write_schedule(const struct import *im)
{
    const struct xentrace *t = &im->trace;
    uint64_t first = t->records[0].tsc, last = t->records[t->nr - 1].tsc;
    unsigned int cpu, from, to;
    struct id id;
    size_t i;

    fprintf(im->out, "# %s, %u pCPUs, %.1f MHz, %"PRIu64" records lost\n"
            "kind,from_ns,to_ns,pcpu,domain,vcpu\n", im->file, t->nr_cpus,
            1000 / im->ns_per_tick, t->lost);
    for ( cpu = 0; cpu < t->nr_cpus; cpu++ )
        im->cpus[cpu].since = first;

    for ( i = 0; i < t->nr; i++ )
    {
        const struct xentrace_record *rec = &t->records[i];
        struct pcpu *pc = &im->cpus[rec->cpu];

        if ( is_runstate(rec, &from, &to) )
            runstate(im, rec, from, to);
        else if ( rec->event == TRC_LOST_RECORDS )
            lost(im, rec);
        else if ( rec->event == TRC_SCHED_SWITCH_INFCONT &&
                  is_runtime(rec, &id) && pc->who == UNKNOWN )
            *pc = (struct pcpu){ RUNS, id, pc->since };
        else if ( rec->event == ACT_TRC_EVENT(ACT_TRC_EVENT_WAITS) &&
                  rec->words )
            note(im, "event", rec, (struct id){ .dom = rec->data[0] >> 16,
                                                .vcpu = rec->data[0] });
    }
    for ( cpu = 0; cpu < t->nr_cpus; cpu++ )
        nobody(im, cpu, last);
}

static void write_text(const struct import *im)
{
    size_t i;

    for ( i = 0; i < im->trace.nr; i++ )
    {
        const struct xentrace_record *rec = &im->trace.records[i];

        fprintf(im->out, "%12.6f ms  pCPU %-3u ", ns_of(im, rec->tsc) / 1e6,
                rec->cpu);
        describe(im->out, rec);
        fputc('\n', im->out);
    }
}

static int check_clock(struct import *im, unsigned int mhz)
{
    const struct xentrace *t = &im->trace;

    im->ns_per_tick = mhz ? 1000.0 / mhz : find_clock(im);
    if ( !im->ns_per_tick )
    {
        fprintf(stderr, "%s: no run in it tells how fast its clock is: give "
                "--mhz (\"xl dmesg\" has it, at \"Detected\")\n", im->file);
        return 1;
    }
    if ( (t->records[t->nr - 1].tsc - t->records[0].tsc) * im->ns_per_tick >
         1e9 * 24 * 3600 )
    {
        fprintf(stderr, "%s: from the first to the last record is more than a "
                "day: a pCPU's time is wrong\n", im->file);
        return 1;
    }

    return 0;
}

int import(const char *xentrace, const char *out, unsigned int mhz, bool text)
{
    struct import im = { .file = xentrace };
    int rc;

    rc = xentrace_read(xentrace, &im.trace);
    if ( !rc )
    {
        im.cpus = must(calloc(im.trace.nr_cpus, sizeof(*im.cpus)));
        rc = check_clock(&im, mhz);
    }
    if ( !rc && !(im.out = fopen(out, "w")) )
    {
        fprintf(stderr, "%s: %s\n", out, strerror(errno));
        rc = 1;
    }
    if ( !rc )
    {
        if ( text )
            write_text(&im);
        else
            write_schedule(&im);
        if ( ferror(im.out) | fclose(im.out) )
        {
            fprintf(stderr, "%s: %s\n", out, strerror(errno));
            rc = 1;
        }
    }
    if ( !rc && im.trace.lost )
        fprintf(stderr, "%s: %"PRIu64" records were lost; what happened then "
                "is not known (xentrace -S gives it more room)\n", xentrace,
                im.trace.lost);
    free(im.cpus);
    free(im.trace.records);

    return rc;
}
