/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ideal.h"
#include "lines.h"
#include "memory.h"

/* Not even the smallest load without a miss: as bad as can be said. */
#define SCORE_NO_LOAD 0.001

static struct result result_of(const struct cell *cell)
{
    struct result r = { .na = cell->na, .failed = cell->failed };

    if ( r.na || r.failed )
        return r;
    r.clamped = cell->clamped;
    r.value = cell->runs[cell->worst].value;
    r.score = cell->scores[cell->worst];
    r.median_value = cell->runs[cell->median].value;
    r.median_score = cell->scores[cell->median];
    r.run = &cell->runs[cell->worst];

    return r;
}

static int by_load(const void *a, const void *b)
{
    double x = ideal_load(((const struct row *)a)->scenario, false);
    double y = ideal_load(((const struct row *)b)->scenario, false);

    return (x > y) - (x < y);
}

/* The load up to which this seed, of this scheduler, missed nothing. */
static double load_met(const struct line *line, unsigned int sched,
                       unsigned int seed)
{
    double load = 0;
    unsigned int i;

    for ( i = 0; i < line->nr_parts; i++ )
    {
        if ( line->parts[i].cells[sched].runs[seed].value > 0 )
            break;
        load = ideal_load(line->parts[i].scenario, false);
    }

    return load;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void sum_up_loads(const struct work *w, const struct row *rows,
                         struct line *line)
{
    struct row *sorted = must(malloc(line->nr_parts * sizeof(*sorted)));
    unsigned int i, k, s;

    memcpy(sorted, rows, line->nr_parts * sizeof(*sorted));
    qsort(sorted, line->nr_parts, sizeof(*sorted), by_load);
    line->parts = sorted;
    *strchr(line->id, '/') = 0;
    strcpy(line->metric, "largest load without a miss");
    line->unit = "pCPUs";
    line->ideal = 0;
    for ( i = 0; i < line->nr_parts; i++ )
        if ( ideal_feasible(sorted[i].scenario) )
            line->ideal = ideal_load(sorted[i].scenario, false);

    for ( k = 0; k < w->nr_scheds; k++ )
    {
        struct result *r = &line->results[k];
        double loads[SEEDS_MAX];

        *r = (struct result){ .na = sorted[0].cells[k].na };
        for ( i = 0; i < line->nr_parts; i++ )
            r->failed |= sorted[i].cells[k].failed;
        if ( r->na || r->failed )
            continue;
        for ( s = 0; s < w->seeds.nr; s++ )
            loads[s] = load_met(line, k, s);
        qsort(loads, w->seeds.nr, sizeof(*loads), by_value);
        r->value = loads[0];
        r->median_value = loads[(w->seeds.nr - 1) / 2];
        r->score = r->value / line->ideal;
        r->median_score = r->median_value / line->ideal;
        if ( r->score < SCORE_NO_LOAD )
            r->score = SCORE_NO_LOAD;
        if ( r->median_score < SCORE_NO_LOAD )
            r->median_score = SCORE_NO_LOAD;
        r->clamped = r->score > 1;
        if ( r->clamped )
            r->score = r->median_score = 1;
    }
}

/* Rows of one file have the same name up to the slash. */
static bool same_file(const struct scenario *a, const struct scenario *b)
{
    size_t len = strcspn(a->name, "/");

    return *a->variant && *b->variant && len == strcspn(b->name, "/") &&
           !strncmp(a->name, b->name, len);
}

struct line *lines_make(const struct work *w, const struct row *rows,
                        unsigned int *nr)
{
    struct line *lines = must(calloc(w->nr_scenarios, sizeof(*lines)));
    unsigned int i, k;

    *nr = 0;
    for ( i = 0; i < w->nr_scenarios; )
    {
        const struct scenario *s = rows[i].scenario;
        struct line *line = &lines[(*nr)++];

        line->results = must(calloc(w->nr_scheds, sizeof(*line->results)));
        strcpy(line->id, s->name);
        strcpy(line->metric, score_metric(s));
        line->unit = score_unit(s);
        line->about = s->about;
        line->ideal = rows[i].ideal;
        line->parts = &rows[i];
        line->nr_parts = 1;
        if ( s->score.kind == SCORE_LOADS )
            while ( i + line->nr_parts < w->nr_scenarios &&
                    same_file(s, rows[i + line->nr_parts].scenario) )
                line->nr_parts++;
        if ( line->nr_parts > 1 )
            sum_up_loads(w, &rows[i], line);
        else
            for ( k = 0; k < w->nr_scheds; k++ )
                line->results[k] = result_of(&rows[i].cells[k]);
        i += line->nr_parts;
    }

    return lines;
}

double lines_geomean(const struct line *lines, unsigned int nr_lines,
                     unsigned int sched, unsigned int *nr)
{
    double sum = 0;
    unsigned int i;

    *nr = 0;
    for ( i = 0; i < nr_lines; i++ )
    {
        const struct result *r = &lines[i].results[sched];

        if ( r->na || r->failed )
            continue;
        sum += log(r->score);
        ++*nr;
    }

    return *nr ? exp(sum / *nr) : 0;
}

double lines_min(const struct line *lines, unsigned int nr_lines,
                 unsigned int sched)
{
    double least = 1;
    unsigned int i;

    for ( i = 0; i < nr_lines; i++ )
    {
        const struct result *r = &lines[i].results[sched];

        if ( !r->na && !r->failed && r->score < least )
            least = r->score;
    }

    return least;
}

bool lines_failed(const struct work *w, const struct line *lines,
                  unsigned int nr_lines)
{
    unsigned int i, k;

    for ( i = 0; i < nr_lines; i++ )
        for ( k = 0; k < w->nr_scheds; k++ )
            if ( lines[i].results[k].failed )
                return true;

    return false;
}
