/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ideal.h"
#include "memory.h"
#include "run.h"

/* No run of a scenario of ours takes more than seconds. */
#define RUN_TIMEOUT_S 120

/* One run to make: its result goes to *outcome. */
struct job {
    const struct scenario *scenario;
    const struct sched_def *sched;
    uint64_t seed;
    struct outcome *outcome;
    bool *failed;
    const char *trace, *xentrace;
    bool domains;
};

struct running {
    pid_t pid;
    int fd;
    const struct job *job;
};

FILE *create(const char *file)
{
    FILE *f = fopen(file, "w");

    if ( !f )
    {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        exit(1);
    }

    return f;
}

static bool write_all(int fd, const void *data, size_t size)
{
    ssize_t n;

    for ( ; size; data = (const char *)data + n, size -= n )
        if ( (n = write(fd, data, size)) <= 0 )
            return false;

    return true;
}

/* The parent reads what is more than a pipe holds while it is written. */
static bool read_all(int fd, void *data, size_t size)
{
    ssize_t n;

    for ( ; size; data = (char *)data + n, size -= n )
        if ( (n = read(fd, data, size)) <= 0 )
            return false;

    return true;
}

static size_t domains_size(const struct scenario *s)
{
    return s->nr_domains * sizeof(struct domain_outcome);
}

/* In the child. */
static void __attribute__((noreturn)) do_job(const struct job *job, int fd)
{
    FILE *trace = NULL, *xentrace = NULL;
    struct outcome o;

    alarm(RUN_TIMEOUT_S);
    if ( job->trace )
    {
        trace = create(job->trace);
        fprintf(trace, "# %s, %s, seed %llu, %u pCPUs\n"
                "kind,from_ns,to_ns,pcpu,domain,vcpu\n", job->scenario->name,
                job->sched->name, (unsigned long long)job->seed,
                scenario_pcpus(job->scenario));
    }
    if ( job->xentrace )
        xentrace = create(job->xentrace);
    host_run(job->scenario, job->sched, job->seed, trace, xentrace);
    score_measure(job->scenario, &o);
    if ( (trace && fclose(trace)) || (xentrace && fclose(xentrace)) )
        exit(1);
    if ( !write_all(fd, &o, sizeof(o)) )
        exit(1);
    if ( job->domains && !write_all(fd, score_domains(job->scenario),
                                    domains_size(job->scenario)) )
        exit(1);
    /* The machine's memory goes with the process. */
    _exit(0);
}

static void start(struct running *slot, const struct job *job)
{
    int fds[2];

    fflush(NULL);
    if ( pipe(fds) || (slot->pid = fork()) < 0 )
    {
        perror("avm-sim");
        exit(1);
    }
    if ( !slot->pid )
    {
        close(fds[0]);
        do_job(job, fds[1]);
    }
    close(fds[1]);
    slot->fd = fds[0];
    slot->job = job;
}

static void finish(struct running *slot)
{
    const struct job *job = slot->job;
    int status;

    *job->failed |= !read_all(slot->fd, job->outcome, sizeof(*job->outcome));
    if ( job->domains )
    {
        job->outcome->domains = must(calloc(1, domains_size(job->scenario)));
        *job->failed |= !read_all(slot->fd, job->outcome->domains,
                                  domains_size(job->scenario));
    }
    close(slot->fd);
    if ( waitpid(slot->pid, &status, 0) != slot->pid || status )
        *job->failed = true;
    if ( *job->failed )
        fprintf(stderr, "%s: %s, seed %llu: the run failed\n",
                job->scenario->name, job->sched->name,
                (unsigned long long)job->seed);
    slot->pid = 0;
}

static void run_jobs(const struct job *jobs, unsigned int nr,
                     unsigned int parallel, bool progress)
{
    struct running slots[parallel];
    struct pollfd fds[parallel];
    unsigned int next = 0, done = 0, i;

    memset(slots, 0, sizeof(slots));
    while ( done < nr )
    {
        for ( i = 0; i < parallel; i++ )
        {
            if ( !slots[i].pid && next < nr )
                start(&slots[i], &jobs[next++]);
            fds[i] = (struct pollfd){ .fd = slots[i].pid ? slots[i].fd : -1,
                                      .events = POLLIN };
        }
        if ( poll(fds, parallel, -1) < 0 && errno != EINTR )
        {
            perror("avm-sim");
            exit(1);
        }
        for ( i = 0; i < parallel; i++ )
            if ( slots[i].pid && fds[i].revents )
            {
                const struct job *job = slots[i].job;

                finish(&slots[i]);
                done++;
                if ( progress )
                    fprintf(stderr, "%s[%u/%u] %-40.40s %-14s seed %llu%s",
                            isatty(2) ? "\r" : "", done, nr,
                            job->scenario->name, job->sched->name,
                            (unsigned long long)job->seed,
                            isatty(2) && done < nr ? "" : "\n");
            }
    }
}

/* ---- rows --------------------------------------------------------------- */

static double median_of(const double *values, unsigned int nr)
{
    double sorted[SEEDS_MAX];
    unsigned int i, k;

    for ( i = 0; i < nr; i++ )
    {
        for ( k = i; k > 0 && sorted[k - 1] > values[i]; k-- )
            sorted[k] = sorted[k - 1];
        sorted[k] = values[i];
    }

    return sorted[(nr - 1) / 2];
}

static void judge(const struct row *row, struct cell *cell, unsigned int nr)
{
    unsigned int i;
    double median;
    bool clamped;

    for ( i = 0; i < nr; i++ )
    {
        cell->scores[i] = score_of(row->scenario, cell->runs[i].value,
                                   row->ideals[i], &clamped);
        cell->clamped |= clamped;
        if ( cell->scores[i] < cell->scores[cell->worst] )
            cell->worst = i;
    }
    median = median_of(cell->scores, nr);
    for ( i = 0; i < nr; i++ )
        if ( cell->scores[i] == median )
            cell->median = i;
}

struct row *run_all(const struct work *w)
{
    unsigned int nr_seeds = w->seeds.nr, nr = 0, i, k, s;
    struct row *rows = must(calloc(w->nr_scenarios, sizeof(*rows)));
    struct job *jobs = must(calloc((size_t)w->nr_scenarios *
                                   (w->nr_scheds + 1) * nr_seeds,
                                   sizeof(*jobs)));
    struct outcome *alone = must(calloc((size_t)w->nr_scenarios * nr_seeds,
                                        sizeof(*alone)));
    bool *alone_failed = must(calloc(w->nr_scenarios, sizeof(*alone_failed)));

    for ( i = 0; i < w->nr_scenarios; i++ )
    {
        const struct scenario *scenario = &w->scenarios[i];
        struct scenario *by_itself;

        rows[i].scenario = scenario;
        rows[i].ideals = must(calloc(nr_seeds, sizeof(double)));
        rows[i].cells = must(calloc(w->nr_scheds, sizeof(struct cell)));
        if ( score_needs_alone(scenario) )
        {
            by_itself = must(malloc(sizeof(*by_itself)));
            score_alone(scenario, by_itself);
            for ( s = 0; s < nr_seeds; s++ )
                jobs[nr++] = (struct job){
                    .scenario = by_itself, .sched = sched_find("null"),
                    .seed = w->seeds.first + s,
                    .outcome = &alone[i * nr_seeds + s],
                    .failed = &alone_failed[i],
                };
        }
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            struct cell *cell = &rows[i].cells[k];

            cell->runs = must(calloc(nr_seeds, sizeof(*cell->runs)));
            cell->scores = must(calloc(nr_seeds, sizeof(*cell->scores)));
            cell->na = host_unable(scenario, w->scheds[k]);
            for ( s = 0; s < nr_seeds && !cell->na; s++ )
                jobs[nr++] = (struct job){
                    .scenario = scenario, .sched = w->scheds[k],
                    .seed = w->seeds.first + s, .outcome = &cell->runs[s],
                    .failed = &cell->failed, .domains = w->domains,
                    .trace = !i && !k && !s ? w->trace : NULL,
                    .xentrace = !i && !k && !s ? w->xentrace : NULL,
                };
        }
    }

    run_jobs(jobs, nr, w->parallel, w->progress);

    /* What each domain got is not compared with anything. */
    for ( i = 0; i < w->nr_scenarios && !w->domains; i++ )
    {
        for ( s = 0; s < nr_seeds; s++ )
            rows[i].ideals[s] = score_ideal(rows[i].scenario,
                                            alone[i * nr_seeds + s].value);
        rows[i].ideal = median_of(rows[i].ideals, nr_seeds);
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            rows[i].cells[k].failed |= alone_failed[i];
            if ( !rows[i].cells[k].na && !rows[i].cells[k].failed )
                judge(&rows[i], &rows[i].cells[k], nr_seeds);
        }
    }
    free(jobs);
    free(alone);
    free(alone_failed);

    return rows;
}
