/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ideal.h"
#include "memory.h"
#include "model.h"

void ideal_water_fill(double capacity, unsigned int nr, const double *weight,
                      const double *limit, double *share)
{
    bool *full = must(calloc(nr, sizeof(*full)));
    bool again = true;
    unsigned int i;

    /* Those that the level would fill are full; it rises for the rest. */
    while ( again )
    {
        double sum = 0, left = capacity;

        again = false;
        for ( i = 0; i < nr; i++ )
            if ( full[i] )
                left -= limit[i];
            else
                sum += weight[i];
        for ( i = 0; i < nr; i++ )
            if ( !full[i] )
                share[i] = sum > 0 ? left * weight[i] / sum : 0;
        for ( i = 0; i < nr; i++ )
            if ( !full[i] && share[i] >= limit[i] )
            {
                full[i] = again = true;
                share[i] = limit[i];
            }
    }
    free(full);
}

double ideal_capacity(const struct scenario *s)
{
    return s->sockets * s->cores *
           (s->threads > 1 ? 2 * MODEL_SMT_PERMILLE / 1000.0 : 1);
}

/* Of a fanout: packets of a batch. */
static unsigned int nr_targets(const struct scenario *s,
                               const struct task_spec *t)
{
    unsigned int i, nr = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        nr += !strcmp(s->domains[i].group, t->target);

    return nr;
}

static double task_demand(const struct scenario *s, const struct task_spec *t)
{
    double mean = t->work_ns;
    unsigned int i;

    switch ( t->kind )
    {
    case TASK_PERIODIC:
    case TASK_PESTER:
        return (double)t->work_ns / t->period_ns;
    case TASK_FANOUT:
        return (double)t->work_ns * nr_targets(s, t) / t->period_ns;
    case TASK_ARRIVALS:
        if ( t->nr_mix )
            for ( mean = i = 0; i < t->nr_mix; i++ )
                mean += t->mix[i].ns * (t->mix[i].permille / 1000.0);
        return mean / t->mean_ns;
    case TASK_DISK:
        return (double)t->work_ns / (t->work_ns + t->wait_ns);
    case TASK_DODGER:
        return 1 - (double)t->sleep_ns / t->period_ns;
    default:
        return 1;
    }
}

/* Tasks that are on some vCPUs only count for all: an upper bound. */
double ideal_demand(const struct scenario *s, const struct domain_spec *d)
{
    double sum = 0;
    unsigned int i;

    for ( i = 0; i < d->nr_tasks; i++ )
        sum += task_demand(s, &d->tasks[i]);

    return sum < 1 ? sum : 1;
}

/*
 * Those of a domain that may run at the same time. Of a relay it is one: the
 * others sleep, and nobody is owed for time that he slept through.
 */
static unsigned int runnable_vcpus(const struct domain_spec *d)
{
    unsigned int i;

    for ( i = 0; i < d->nr_tasks; i++ )
        if ( d->tasks[i].kind != TASK_RELAY )
            break;

    return d->nr_tasks && i == d->nr_tasks ? 1 : d->nr_vcpus;
}

double ideal_share(const struct scenario *s, unsigned int domain,
                   const struct settings *const *now)
{
    unsigned int i, nr = s->nr_domains;
    double *v = must(calloc(3 * nr, sizeof(*v)));
    double *weight = v, *limit = v + nr, share;

    for ( i = 0; i < nr; i++ )
    {
        const struct domain_spec *d = &s->domains[i];
        const struct settings *set = now ? now[i] : &d->settings;
        double cap = set->cap / 100.0;

        /* A weight is that of each vCPU, as in credit, credit2 and activity. */
        weight[i] = set->weight * runnable_vcpus(d);
        limit[i] = ideal_demand(s, d) * runnable_vcpus(d);
        if ( set->cap && cap < limit[i] )
            limit[i] = cap;
        if ( !set->weight )
            limit[i] = 0;
        if ( set->set & SET_AFFINITY )
        {
            fprintf(stderr, "%s: the fair share is not defined here for "
                    "domains with an affinity (%s)\n", s->name, d->name);
            exit(1);
        }
    }
    ideal_water_fill(scenario_pcpus(s), nr, weight, limit, v + 2 * nr);
    share = v[2 * nr + domain];
    free(v);

    return share;
}

double ideal_budget(const struct scenario *s, unsigned int domain,
                    const struct settings *const *now)
{
    unsigned int i, nr = s->nr_domains;
    double *v = must(calloc(3 * nr, sizeof(*v)));
    double *weight = v, *limit = v + nr;
    double left = scenario_pcpus(s), wanted = 0, share;

    for ( i = 0; i < nr; i++ )
    {
        const struct domain_spec *d = &s->domains[i];
        const struct settings *set = now[i];

        if ( set->set & SET_RESERVATION )
            left -= (double)set->reserve_budget_ns * d->nr_vcpus /
                    set->reserve_period_ns;
        weight[i] = set->weight * d->nr_vcpus;
        /* A budget has to hold the whole fair part, needed or not. */
        limit[i] = set->weight ? d->nr_vcpus : 0;
    }
    ideal_water_fill(scenario_pcpus(s), nr, weight, limit, v + 2 * nr);
    for ( i = 0; i < nr; i++ )
        if ( !(now[i]->set & SET_RESERVATION) )
            wanted += v[2 * nr + i];
    share = v[2 * nr + domain] / s->domains[domain].nr_vcpus;
    free(v);
    /* Budgets of more than there is are kept for nobody. */
    if ( wanted > left )
        share = left > 0 ? share * left / wanted : 0;

    return share;
}

double ideal_load(const struct scenario *s, bool with_switches)
{
    double sum = 0;
    unsigned int i, k, v;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
        {
            const struct task_spec *t = &s->domains[i].tasks[k];

            if ( t->kind != TASK_PERIODIC )
                continue;
            for ( v = 0; v < s->domains[i].nr_vcpus; v++ )
                if ( cpu_in(t->cpus, v) )
                    sum += (double)(t->work_ns +
                                    (with_switches ? model_wake_to_run_ns()
                                                   : 0)) / t->period_ns;
        }

    return sum;
}

bool ideal_feasible(const struct scenario *s)
{
    unsigned int i;

    for ( i = 0; i < s->nr_domains; i++ )
        if ( s->domains[i].nr_tasks && ideal_demand(s, &s->domains[i]) > 1 )
            return false;

    return ideal_load(s, true) <= scenario_pcpus(s);
}

/* Packets that pass a single backend one after the other, then are served. */
int64_t ideal_makespan_ns(const struct scenario *s)
{
    int64_t all = 0, stage = 0, longest = 0, most;
    unsigned int i, k, nr = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
        {
            const struct task_spec *t = &s->domains[i].tasks[k];

            if ( t->kind == TASK_FANOUT )
                stage = t->work_ns;
            else if ( t->kind == TASK_SERVER ||
                      (t->kind == TASK_PERIODIC && s->score.group &&
                       !strcmp(s->score.group, s->domains[i].group)) )
            {
                all += t->work_ns * s->domains[i].nr_vcpus;
                nr += s->domains[i].nr_vcpus;
                if ( t->work_ns > longest )
                    longest = t->work_ns;
            }
        }
    most = (all + stage * nr) / scenario_pcpus(s);
    if ( most < stage * nr + longest )
        most = stage * nr + longest;

    return most + model_wake_to_run_ns();
}

int64_t ideal_settling_ns(const struct scenario *s)
{
    int64_t longest = 1;
    unsigned int i, k, p;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
            for ( p = 0; p < s->domains[i].tasks[k].nr_phases; p++ )
            {
                const struct task_spec *t = &s->domains[i].tasks[k].phases[p];

                if ( t->settle_ns && t->period_ns > longest )
                    longest = t->period_ns;
                if ( t->settle_ns && t->mean_ns > longest )
                    longest = t->mean_ns;
            }

    return longest;
}
