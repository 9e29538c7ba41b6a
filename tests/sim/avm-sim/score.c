/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"
#include "host.h"
#include "ideal.h"
#include "memory.h"
#include "model.h"
#include "score.h"

/*
 * A score is greater than 0, or nobody could take a geometric mean of them.
 * This stands for "as bad as can be said" where a score is a difference from 1:
 * a domain got twice its share, or every deadline was missed.
 */
#define SCORE_WORST 0.001

/* What credit2 and activity keep caps over. */
#define CAP_WINDOW_NS MILLISECS(10)

static const struct {
    const char *metric, *unit;
    bool more_is_better;
} kinds[SCORE_KINDS] = {
    [SCORE_LATENCY] = { "wake to run", "us", false },
    [SCORE_SOJOURN] = { "request to answer", "us", false },
    [SCORE_MIXED] = { "deadlines met x shares kept", "", true },
    [SCORE_THROUGHPUT] = { "transactions", "1/s", true },
    [SCORE_SHARES] = { "worst share error", "", false },
    [SCORE_CAPS] = { "mean error of caps", "", false },
    [SCORE_WORK] = { "useful work", "pCPUs", true },
    [SCORE_DEADLINES] = { "deadlines missed", "", false },
    [SCORE_ENTITLEMENT] = { "CPU taken", "pCPUs", false },
    [SCORE_MAKESPAN] = { "first event to last answer", "us", false },
    [SCORE_SETTLING] = { "phase change to last late start", "ms", false },
    [SCORE_GANG] = { "rounds", "1/s", true },
    [SCORE_LOADS] = { "deadlines missed", "", false },
};

const char *score_metric(const struct scenario *s)
{
    static char text[80];
    const char *metric = kinds[s->score.kind].metric;
    int q = s->score.quantile_permille;

    switch ( s->score.kind )
    {
    case SCORE_SHARES:
        snprintf(text, sizeof(text), "%s in %d ms", metric,
                 (int)(s->score.window_ns / 1000000));
        break;
    case SCORE_LATENCY:
    case SCORE_SOJOURN:
    case SCORE_MAKESPAN:
    case SCORE_SETTLING:
        if ( q == 1000 )
            snprintf(text, sizeof(text), "%s, max", metric);
        else if ( q % 10 )
            snprintf(text, sizeof(text), "%s, p%d.%d", metric, q / 10, q % 10);
        else
            snprintf(text, sizeof(text), "%s, p%d", metric, q / 10);
        break;
    default:
        return metric;
    }

    return text;
}

const char *score_unit(const struct scenario *s)
{
    return kinds[s->score.kind].unit;
}

#define OF(kind)  (1u << SCORE_ ## kind)
#define LATE      (OF(LATENCY) | OF(SOJOURN) | OF(MAKESPAN))
static const struct { const char *name; unsigned int kinds; } figures[] = {
    { "value", ~0u }, { "score", ~0u },
    { "mean", LATE }, { "p50", LATE }, { "p90", LATE }, { "p99", LATE },
    { "p999", LATE }, { "max", LATE | OF(SETTLING) },
    { "others' part", OF(LATENCY) },
    { "missed", OF(MIXED) | OF(DEADLINES) | OF(LOADS) },
    { "missed part", OF(MIXED) }, { "share error", OF(MIXED) },
    { "start p99 us", OF(MIXED) }, { "start max us", OF(MIXED) },
    { "error in 0.1 s", OF(SHARES) }, { "error in 1 s", OF(SHARES) },
    { "error in all", OF(SHARES) },
    { "ms over in 10 ms", OF(CAPS) }, { "ms over on a grid", OF(CAPS) },
    { "on a pCPU", OF(WORK) }, { "idle beside waiting", OF(WORK) },
    { "p50 us", OF(DEADLINES) | OF(LOADS) },
    { "p99 us", OF(DEADLINES) | OF(LOADS) },
    { "others' share error", OF(DEADLINES) | OF(LOADS) },
    { "switches/s", ~0u }, { "migrations/s", ~0u },
};

bool score_has_figure(enum score_kind kind, const char *name)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(figures); i++ )
        if ( !strcmp(figures[i].name, name) )
            return figures[i].kinds & (1u << kind);

    return false;
}

/* ---- in the run --------------------------------------------------------- */

static bool counts(const struct scenario *s, const struct guest_domain *dom)
{
    return !s->score.group || !strcmp(s->score.group, dom->spec->group);
}

#define for_each_task(s, dom, g, t) \
    for ( dom = host_domains; dom < host_domains + host_nr_domains; dom++ ) \
        for ( g = dom->guests; \
              g < dom->guests + dom->spec->nr_vcpus && counts(s, dom); g++ ) \
            for ( t = g->tasks; t < g->tasks + g->nr_tasks; t++ )

static void more(struct outcome *o, const char *name, double value)
{
    SIM_CHECK(o->nr_more < OUTCOME_MORE);
    SIM_CHECK(strlen(name) < sizeof(o->more[0].name));
    strcpy(o->more[o->nr_more].name, name);
    o->more[o->nr_more++].value = value;
}

static void gather(const struct scenario *s, size_t offset, struct series *all)
{
    struct guest_domain *dom;
    struct guest_task *t;
    struct guest *g;
    unsigned int i;

    for_each_task ( s, dom, g, t )
    {
        const struct series *one = (struct series *)((char *)t + offset);

        for ( i = 0; i < one->nr; i++ )
            series_add(all, one->ns[i]);
    }
}

static void quantiles(const struct scenario *s, struct series *all,
                      double unit_ns, struct outcome *o)
{
    double sum_ns = 0;
    unsigned int i;

    for ( i = 0; i < all->nr; i++ )
        sum_ns += all->ns[i];
    o->value = series_quantile(all, s->score.quantile_permille) / unit_ns;
    o->samples = all->nr;
    more(o, "mean", all->nr ? sum_ns / all->nr / unit_ns : 0);
    more(o, "p50", series_quantile(all, 500) / unit_ns);
    more(o, "p90", series_quantile(all, 900) / unit_ns);
    more(o, "p99", series_quantile(all, 990) / unit_ns);
    more(o, "p999", series_quantile(all, 999) / unit_ns);
    more(o, "max", series_quantile(all, 1000) / unit_ns);
}

static double seconds(const struct scenario *s)
{
    return (s->duration_ns - s->warmup_ns) / 1e9;
}

static double missed(const struct scenario *s, struct outcome *o)
{
    struct guest_domain *dom;
    struct guest_task *t;
    struct guest *g;
    uint64_t nr = 0, bad = 0;

    for_each_task ( s, dom, g, t )
        if ( t->spec->kind == TASK_PERIODIC )
        {
            nr += t->sojourn.nr;
            bad += t->missed;
        }
    o->samples = nr;
    more(o, "missed", bad);

    return nr ? (double)bad / nr : 1;
}

/* The worst relative error of any domain in any window of this length. */
static double share_error(const struct scenario *s, int64_t window_ns)
{
    const struct settings *now[host_nr_domains], none = { 0 };
    struct settings then[host_nr_domains];
    unsigned int step = window_ns / host_sample_ns, i, w, c;
    double worst = 0;

    if ( !step )
    {
        fprintf(stderr, "%s: a window is at least %lld ms\n", s->name,
                (long long)(host_sample_ns / 1000000));
        exit(1);
    }
    for ( w = 0; w + step < host_nr_samples; w += step )
    {
        s_time_t mid = s->warmup_ns + (2 * w + step) * host_sample_ns / 2;

        if ( !host_steady(w, w + step) )
            continue;
        for ( i = 0; i < host_nr_domains; i++ )
        {
            const struct domain_spec *d = host_domains[i].spec;
            bool there = d->start_ns < mid && (!d->stop_ns || d->stop_ns > mid);

            then[i] = d->settings;
            for ( c = 0; c < s->nr_changes && s->changes[c].at_ns < mid; c++ )
                if ( !strcmp(s->changes[c].group, d->group) )
                {
                    const struct settings *set = &s->changes[c].settings;

                    if ( set->set & SET_WEIGHT )
                        then[i].weight = set->weight;
                    if ( set->set & SET_CAP )
                        then[i].cap = set->cap;
                    if ( set->set & SET_AFFINITY )
                    {
                        then[i].set |= SET_AFFINITY;
                        memcpy(then[i].affinity, set->affinity,
                               sizeof(set->affinity));
                    }
                }
            now[i] = there ? &then[i] : &none;
        }
        for ( i = 0; i < host_nr_domains; i++ )
        {
            double got = host_domains[i].windows[w + step] -
                         host_domains[i].windows[w];
            double fair = ideal_share(s, i, now) * window_ns;

            if ( fair > 0 )
                worst = max(worst, (got > fair ? got - fair : fair - got) /
                                   fair);
        }
    }

    return worst;
}

/* Over the whole time: only changes within it are worth a window. */
static double share_error_of_all(const struct scenario *s)
{
    return share_error(s, (host_nr_samples - 1) * host_sample_ns);
}

/* Of what the domains beside the measured one could do, they did so much. */
static double others_part(const struct scenario *s)
{
    double work = 0, own = 0, wanted = 0;
    struct guest_domain *dom;
    unsigned int i, k;

    for ( dom = host_domains; dom < host_domains + host_nr_domains; dom++ )
    {
        for ( i = 0; i < dom->spec->nr_vcpus; i++ )
        {
            const struct guest *g = &dom->guests[i];

            if ( !counts(s, dom) )
            {
                work += g->work_ns;
                continue;
            }
            own += g->work_ns;
            /* Two switches each time: to it, and back. */
            for ( k = 0; k < g->nr_tasks; k++ )
                own += g->tasks[k].finished * 2.0 * MODEL_SWITCH_NS;
        }
        if ( !counts(s, dom) )
            wanted += ideal_demand(s, dom->spec) * dom->spec->nr_vcpus;
    }
    wanted = min(wanted * 1e9 * seconds(s),
                 ideal_capacity(s) * 1e9 * seconds(s) - own);

    return wanted > 0 ? work / wanted : 1;
}

static void measure_caps(const struct scenario *s, struct outcome *o)
{
    unsigned int step = s->score.window_ns / host_sample_ns, i, w, nr = 0;
    unsigned int short_step = CAP_WINDOW_NS / host_sample_ns;
    double sum = 0, over_ns = 0, grid_ns = 0;

    for ( i = 0; i < host_nr_domains; i++ )
    {
        const struct guest_domain *dom = &host_domains[i];
        double cap = dom->spec->settings.cap / 100.0;

        if ( !cap )
            continue;
        for ( w = 0; step && w + step < host_nr_samples; w += step )
        {
            double got = dom->windows[w + step] - dom->windows[w];
            double due = cap * s->score.window_ns;

            sum += (got > due ? got - due : due - got) / due;
            nr++;
        }
        /*
         * In any such window, whatever the scheduler's own periods are; and in
         * those from the first millisecond on, which may well be its periods.
         */
        for ( w = 0; w + short_step < host_nr_samples; w++ )
        {
            double ns = dom->windows[w + short_step] - dom->windows[w] -
                        cap * CAP_WINDOW_NS;

            over_ns = max(over_ns, ns);
            if ( !(w % short_step) )
                grid_ns = max(grid_ns, ns);
        }
    }
    o->value = nr ? sum / nr : 1;
    o->samples = nr;
    more(o, "ms over in 10 ms", over_ns / 1e6);
    more(o, "ms over on a grid", grid_ns / 1e6);
}

/*
 * How far domains that only compute are from sharing by weight what the others
 * leave, over the whole time.
 */
static double best_effort_error(const struct scenario *s)
{
    unsigned int nr = host_nr_domains, i;
    double *v = must(calloc(4 * nr, sizeof(*v)));
    double *weight = v, *limit = v + nr, *share = v + 2 * nr, *got = v + 3 * nr;
    double left = 0, worst = 0;

    for ( i = 0; i < nr; i++ )
    {
        const struct guest_domain *dom = &host_domains[i];
        const struct domain_spec *d = dom->spec;
        bool takes = d->nr_tasks == 1 && ideal_computes(d);

        got[i] = takes ? dom->windows[host_nr_samples - 1] - dom->windows[0]
                       : 0;
        left += got[i];
        weight[i] = takes ? d->settings.weight * d->nr_vcpus : 0;
        limit[i] = takes ? (double)d->nr_vcpus * host_sample_ns *
                           (host_nr_samples - 1) : 0;
    }
    ideal_water_fill(left, nr, weight, limit, share);
    for ( i = 0; i < nr; i++ )
        if ( share[i] > 0 )
            worst = max(worst, (got[i] > share[i] ? got[i] - share[i]
                                                  : share[i] - got[i]) /
                               share[i]);
    free(v);

    return worst;
}

static void measure_makespan(const struct scenario *s, struct outcome *o)
{
    struct series all = { 0 };
    struct guest_domain *dom;
    struct guest_task *t;
    struct guest *g;
    unsigned int i;

    /* A fanout knows its own; else it is the same period of all of them. */
    for_each_task ( s, dom, g, t )
        for ( i = 0; i < t->sojourn.nr; i++ )
            if ( t->spec->kind == TASK_FANOUT || i >= all.nr )
                series_add(&all, t->sojourn.ns[i]);
            else if ( t->spec->kind == TASK_PERIODIC )
                all.ns[i] = max(all.ns[i], t->sojourn.ns[i]);
    quantiles(s, &all, 1e3, o);
}

/* What bounds may be set on is just what there is. */
static void check_figures(const struct scenario *s, const struct outcome *o)
{
    unsigned int i, nr = 0;

    for ( i = 0; i < ARRAY_SIZE(figures); i++ )
        nr += figures[i].kinds >> s->score.kind & 1;
    /* All but value and score. */
    SIM_CHECK(o->nr_more == nr - 2);
    for ( i = 0; i < o->nr_more; i++ )
        SIM_CHECK(score_has_figure(s->score.kind, o->more[i].name));
}

void score_measure(const struct scenario *s, struct outcome *o)
{
    double got = 0, work = 0, rounds = 0, error;
    uint64_t finished = 0, migrations = 0;
    struct series all = { 0 };
    struct guest_domain *dom;
    struct guest_task *t;
    struct guest *g;
    unsigned int i;

    *o = (struct outcome){ 0 };
    for_each_task ( s, dom, g, t )
        finished += t->finished;
    for ( dom = host_domains; dom < host_domains + host_nr_domains; dom++ )
        for ( i = 0; i < dom->spec->nr_vcpus; i++ )
        {
            migrations += dom->guests[i].migrations;
            if ( counts(s, dom) )
            {
                got += dom->guests[i].got_ns / 1e9;
                work += dom->guests[i].work_ns / 1e9;
                rounds += i ? 0 : dom->rounds;
            }
        }

    switch ( s->score.kind )
    {
    case SCORE_LATENCY:
        gather(s, offsetof(struct guest_task, start), &all);
        quantiles(s, &all, 1e3, o);
        more(o, "others' part", others_part(s));
        break;
    case SCORE_SOJOURN:
        gather(s, offsetof(struct guest_task, sojourn), &all);
        quantiles(s, &all, 1e3, o);
        break;
    case SCORE_MIXED:
        error = share_error_of_all(s);
        o->value = (1 - missed(s, o)) * (1 - min(error, 1.0));
        more(o, "missed part", o->samples ? o->more[0].value / o->samples : 1);
        more(o, "share error", error);
        gather(s, offsetof(struct guest_task, start), &all);
        more(o, "start p99 us", series_quantile(&all, 990) / 1e3);
        more(o, "start max us", series_quantile(&all, 1000) / 1e3);
        break;
    case SCORE_THROUGHPUT:
        o->value = finished / seconds(s);
        o->samples = finished;
        break;
    case SCORE_SHARES:
        o->value = share_error(s, s->score.window_ns);
        more(o, "error in 0.1 s", share_error(s, 100000000));
        more(o, "error in 1 s", share_error(s, 1000000000));
        more(o, "error in all", share_error_of_all(s));
        break;
    case SCORE_CAPS:
        measure_caps(s, o);
        break;
    case SCORE_WORK:
        o->value = work / seconds(s);
        more(o, "on a pCPU", got / seconds(s));
        more(o, "idle beside waiting", host_idle_beside_waiting);
        break;
    case SCORE_DEADLINES:
    case SCORE_LOADS:
        o->value = missed(s, o);
        more(o, "others' share error", best_effort_error(s));
        gather(s, offsetof(struct guest_task, sojourn), &all);
        more(o, "p50 us", series_quantile(&all, 500) / 1e3);
        more(o, "p99 us", series_quantile(&all, 990) / 1e3);
        break;
    case SCORE_ENTITLEMENT:
        o->value = got / seconds(s);
        break;
    case SCORE_MAKESPAN:
        measure_makespan(s, o);
        break;
    case SCORE_SETTLING:
        gather(s, offsetof(struct guest_task, settled), &all);
        o->value = max(series_quantile(&all, s->score.quantile_permille),
                       ideal_settling_ns(s)) / 1e6;
        o->samples = all.nr;
        more(o, "max", series_quantile(&all, 1000) / 1e6);
        break;
    case SCORE_GANG:
        o->value = rounds / seconds(s);
        break;
    default:
        break;
    }
    o->ignored = host_ignored;
    more(o, "switches/s", host_switches / seconds(s));
    more(o, "migrations/s", migrations / seconds(s));
    check_figures(s, o);
}

struct domain_outcome *score_domains(const struct scenario *s)
{
    struct domain_outcome *all = must(calloc(host_nr_domains, sizeof(*all)));
    unsigned int i, v, k, j;

    for ( i = 0; i < host_nr_domains; i++ )
    {
        const struct guest_domain *dom = &host_domains[i];
        struct series late = { 0 };
        s_time_t got_ns = 0;

        for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        {
            const struct guest *g = &dom->guests[v];

            got_ns += g->got_ns;
            for ( k = 0; k < g->nr_tasks; k++ )
                for ( j = 0; j < g->tasks[k].start.nr; j++ )
                    series_add(&late, g->tasks[k].start.ns[j]);
        }
        all[i] = (struct domain_outcome){
            .cpu_ppm = got_ns / ((s->duration_ns - s->warmup_ns) / 1000000),
            .samples = late.nr,
            .p50_ns = series_quantile(&late, 500),
            .p99_ns = series_quantile(&late, 990),
            .max_ns = series_quantile(&late, 1000),
        };
        free(late.ns);
    }

    return all;
}

/* ---- ideals ------------------------------------------------------------- */

bool score_needs_alone(const struct scenario *s)
{
    switch ( s->score.kind )
    {
    case SCORE_SOJOURN:
    case SCORE_THROUGHPUT:
    case SCORE_WORK:
    case SCORE_GANG:
        return true;
    default:
        return false;
    }
}

/* Of these domains, and of those that their tasks need to get anything done. */
static bool needed(const struct scenario *s, const struct domain_spec *d)
{
    unsigned int i, k;

    if ( !s->score.group || !strcmp(s->score.group, d->group) )
        return true;
    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
        {
            const struct task_spec *t = &s->domains[i].tasks[k];

            if ( !strcmp(s->score.group, s->domains[i].group) &&
                 ((t->server && !strcmp(t->server, d->group)) ||
                  (t->via && !strcmp(t->via, d->group)) ||
                  (t->target && !strcmp(t->target, d->group))) )
                return true;
        }

    return false;
}

void score_alone(const struct scenario *s, struct scenario *alone)
{
    unsigned int i;

    *alone = *s;
    alone->domains = must(calloc(s->nr_domains, sizeof(*alone->domains)));
    alone->nr_domains = alone->nr_changes = 0;
    for ( i = 0; i < s->nr_domains; i++ )
        if ( needed(s, &s->domains[i]) )
        {
            struct domain_spec *d = &alone->domains[alone->nr_domains++];

            *d = s->domains[i];
            d->settings = (struct settings){ .weight = 256 };
        }
    alone->sockets = alone->threads = 1;
    alone->cores = alone->cache_group_cores = scenario_vcpus(alone);
}

static unsigned int first_of(const struct scenario *s, const char *group)
{
    unsigned int i = 0;

    while ( strcmp(s->domains[i].group, group) )
        i++;

    return i;
}

/* What the score's domains may have together, in pCPUs. */
static double entitled(const struct scenario *s)
{
    double sum = 0;
    unsigned int i;

    for ( i = 0; i < s->nr_domains; i++ )
        if ( !strcmp(s->score.group, s->domains[i].group) )
            sum += ideal_share(s, i, NULL);

    return sum;
}

double score_ideal(const struct scenario *s, double alone)
{
    const struct domain_spec *d;

    switch ( s->score.kind )
    {
    case SCORE_LATENCY:
        return model_wake_to_run_ns() / 1e3;
    case SCORE_SOJOURN:
    case SCORE_THROUGHPUT:
        return alone;
    case SCORE_MIXED:
        return ideal_feasible(s) ? 1 : 0;
    case SCORE_WORK:
        return ideal_work(s, alone);
    case SCORE_ENTITLEMENT:
        return entitled(s);
    case SCORE_MAKESPAN:
        return ideal_makespan_ns(s) / 1e3;
    case SCORE_SETTLING:
        return ideal_settling_ns(s) / 1e6;
    case SCORE_GANG:
        d = &s->domains[first_of(s, s->score.group)];
        return alone * entitled(s) / (d->nr_vcpus * ideal_demand(s, d));
    default:
        return 0;
    }
}

double score_of(const struct scenario *s, double value, double ideal,
                bool *clamped)
{
    double score;

    switch ( s->score.kind )
    {
    case SCORE_MIXED:
        score = max(value, SCORE_WORST);
        break;
    case SCORE_SHARES:
    case SCORE_CAPS:
    case SCORE_DEADLINES:
    case SCORE_LOADS:
        score = max(1 - value, SCORE_WORST);
        break;
    default:
        score = kinds[s->score.kind].more_is_better ? value / ideal
                                                    : ideal / value;
        /* Nothing at all was done, or it never came to an end. */
        if ( !(score > 1e-9) )
            score = 1e-9;
        break;
    }
    /* Less than one's share may well be taken: it is a limit, not an aim. */
    *clamped = score > 1.0005 && s->score.kind != SCORE_ENTITLEMENT;

    return min(score, 1.0);
}
