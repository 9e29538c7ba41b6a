/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "sim.h"
#include "xentrace.h"

/* A day's schedule of a busy host is less; more is no schedule to look at. */
#define RECORDS_MAX (64UL << 20)

#define CLASS(event) ((event) & (TRC_ALL & ~0xf000u))

struct reader {
    const char *name;
    FILE *f;
    uint64_t at;                /* bytes read                                 */
    uint32_t left;              /* bytes of this pCPU's window                */
    unsigned int cpu;
    uint64_t last_tsc[XENTRACE_CPUS_MAX];
    struct xentrace *trace;
    size_t room;
};

static int __attribute__((format(printf, 2, 3)))
bad(const struct reader *r, const char *fmt, ...)
{
    va_list args;

    if ( ferror(r->f) )
    {
        fprintf(stderr, "%s: %s\n", r->name, strerror(errno));
        return 1;
    }
    va_start(args, fmt);
    fprintf(stderr, "%s: byte %llu: ", r->name, (unsigned long long)r->at);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);

    return 1;
}

/* False: the file ends before that. */
static bool get(struct reader *r, uint32_t *words, unsigned int nr)
{
    size_t got = fread(words, 1, nr * sizeof(*words), r->f);

    r->at += got;

    return got == nr * sizeof(*words);
}

static void keep(struct reader *r, uint64_t tsc, uint32_t event,
                 const uint32_t *data, unsigned int words)
{
    struct xentrace *t = r->trace;
    struct xentrace_record *rec;

    if ( t->nr == r->room )
    {
        r->room = r->room ? 2 * r->room : 4096;
        t->records = must(realloc(t->records, r->room * sizeof(*rec)));
    }
    rec = &t->records[t->nr];
    *rec = (struct xentrace_record){
        .tsc = tsc, .nr = t->nr, .event = event, .cpu = r->cpu, .words = words,
    };
    memcpy(rec->data, data, words * sizeof(*data));
    t->nr++;
}

/*
 * The record that says whose window comes next. Returns 0, 1, or -1 if nothing
 * comes any more.
 */
static int read_cpu_change(struct reader *r)
{
    uint64_t start = r->at;
    uint32_t words[3];

    if ( !get(r, words, 1) )
        return r->at == start && !ferror(r->f)
               ? -1 : bad(r, "the file ends within a word");
    if ( words[0] != (TRC_TRACE_CPU_CHANGE | 2u << TRACE_EXTRA_SHIFT) )
        return r->at == sizeof(words[0])
               ? bad(r, "this is no file of xentrace's")
               : bad(r, "here must be a change of the pCPU, not event %#x",
                     TRC_HD_TO_EVENT(words[0]));
    if ( !get(r, words + 1, 2) )
        return bad(r, "the file ends in a change of the pCPU");
    if ( words[1] >= XENTRACE_CPUS_MAX )
        return bad(r, "pCPU %u? Xen has %u at most", words[1],
                   XENTRACE_CPUS_MAX);
    if ( words[2] % sizeof(uint32_t) )
        return bad(r, "%u bytes of pCPU %u are not a number of words",
                   words[2], words[1]);
    r->cpu = words[1];
    r->left = words[2];
    if ( r->cpu >= r->trace->nr_cpus )
        r->trace->nr_cpus = r->cpu + 1;

    return 0;
}

static int read_record(struct reader *r)
{
    uint32_t header, event, words[2 + XENTRACE_WORDS_MAX], *data = words;
    unsigned int nr, size;
    bool timed;

    if ( !get(r, &header, 1) )
        return bad(r, "the file ends %u bytes before the end of what pCPU %u "
                   "had", r->left, r->cpu);
    event = TRC_HD_TO_EVENT(header);
    nr = TRC_HD_EXTRA(header);
    timed = TRC_HD_INCLUDES_CYCLE_COUNT(header);
    size = (1 + 2 * timed + nr) * sizeof(uint32_t);
    if ( size > r->left )
        return bad(r, "event %#x of %u bytes does not fit into what pCPU %u "
                   "had", event, size, r->cpu);
    if ( event == TRC_TRACE_CPU_CHANGE )
        return bad(r, "a change of the pCPU within what pCPU %u had", r->cpu);
    if ( !get(r, words, nr + 2 * timed) )
        return bad(r, "the file ends in event %#x", event);
    r->left -= size;

    /* It only fills the buffer up to its end; nobody set its time. */
    if ( event == TRC_TRACE_WRAP_BUFFER )
        return 0;
    if ( timed )
    {
        uint64_t tsc = words[0] | (uint64_t)words[1] << 32;

        data += 2;
        if ( tsc < r->last_tsc[r->cpu] )
            return bad(r, "time of pCPU %u goes back", r->cpu);
        r->last_tsc[r->cpu] = tsc;
    }
    if ( event == TRC_LOST_RECORDS )
    {
        if ( nr != 4 )
            return bad(r, "lost records, but not how many");
        r->trace->lost += data[0];
    }
    else if ( CLASS(event) != CLASS(TRC_SCHED) )
        return 0;
    if ( !timed )
        return bad(r, "event %#x without a time", event);
    if ( r->trace->nr == RECORDS_MAX )
        return bad(r, "too many records for one schedule");
    keep(r, r->last_tsc[r->cpu], event, data, nr);

    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct xentrace_record *x = a, *y = b;

    if ( x->tsc != y->tsc )
        return x->tsc < y->tsc ? -1 : 1;

    return x->nr < y->nr ? -1 : x->nr > y->nr;
}

int xentrace_read(const char *file, struct xentrace *trace)
{
    struct reader *r = must(calloc(1, sizeof(*r)));
    int rc = 0;

    *trace = (struct xentrace){ .nr = 0 };
    r->name = file;
    r->trace = trace;
    r->f = fopen(file, "r");
    if ( !r->f )
    {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        free(r);
        return 1;
    }
    while ( !rc && !(rc = read_cpu_change(r)) )
        while ( r->left && !(rc = read_record(r)) )
            continue;
    if ( rc < 0 )
        rc = trace->nr ? 0 : bad(r, "there is nothing of a scheduler in it "
                                 "(xentrace -e sched traces that)");
    fclose(r->f);
    free(r);
    if ( !rc )
        qsort(trace->records, trace->nr, sizeof(*trace->records), by_time);

    return rc;
}

void xentrace_write(FILE *f, unsigned int cpu, uint64_t tsc, uint32_t event,
                    const void *data, size_t size)
{
    uint32_t words = (size + 3) / 4, last = 0;
    uint32_t head[] = {
        TRC_TRACE_CPU_CHANGE | 2u << TRACE_EXTRA_SHIFT, cpu,
        (3 + words) * sizeof(uint32_t),
        event | words << TRACE_EXTRA_SHIFT | (uint32_t)TRC_HD_CYCLE_FLAG,
        tsc, tsc >> 32,
    };

    fwrite(head, sizeof(head), 1, f);
    if ( size )
        fwrite(data, size, 1, f);
    if ( size % sizeof(last) )
        fwrite(&last, sizeof(last) - size % sizeof(last), 1, f);
}
