/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "ideal.h"
#include "json.h"
#include "memory.h"
#include "report.h"

#define GEOMEAN_AT_LEAST 0.9
#define MIN_AT_LEAST     0.6
/* A loss smaller than this is none: what seeds do to a score. */
#define LEVEL            0.99
/* Cost of an operation on the largest host by that on a usual one. */
#define GROWTH_AT_MOST   2.0

/* A bound and the figures of all schedulers: each one's worst seed. */
struct verdict {
    const struct bound_spec *bound;
    double limit;
    double *figures;            /* by scheduler */
    bool *has, *within;
    bool known;                 /* there is something to compare with */
};

static double figure_of(const struct cell *cell, unsigned int seed,
                        const char *name)
{
    const struct outcome *run = &cell->runs[seed];
    unsigned int i;

    if ( !strcmp(name, "value") )
        return run->value;
    if ( !strcmp(name, "score") )
        return cell->scores[seed];
    for ( i = 0; i < run->nr_more; i++ )
        if ( !strcmp(run->more[i].name, name) )
            return run->more[i].value;
    /* score_has_figure() said that there is one. */
    abort();
}

/* The one that is the farthest beyond (or the least within) its limit. */
static double worst(const struct line *line, const struct bound_spec *b,
                    unsigned int sched, unsigned int nr_seeds, double *limit)
{
    double part = b->permille / 1000.0, figure = 0, excess = 0;
    unsigned int i, s, found = 0;

    /* A sequence of loads has one value. */
    if ( line->nr_parts > 1 && (!strcmp(b->figure, "value") ||
                                !strcmp(b->figure, "score")) )
    {
        *limit = part * (b->of == BOUND_OF_IDEAL ? line->ideal : 1);
        return *b->figure == 'v' ? line->results[sched].value
                                 : line->results[sched].score;
    }
    for ( i = 0; i < line->nr_parts; i++ )
    {
        const struct row *row = &line->parts[i];

        /* What nobody can do shows nothing. */
        if ( line->nr_parts > 1 && !ideal_feasible(row->scenario) )
            continue;
        for ( s = 0; s < nr_seeds; s++ )
        {
            double one = figure_of(&row->cells[sched], s, b->figure);
            double of = b->of == BOUND_OF_IDEAL && row->ideals[s] > 0
                        ? row->ideals[s] : 1;
            double over = b->at_least ? part - one / of : one / of - part;

            if ( found++ && over <= excess )
                continue;
            excess = over;
            figure = one;
            *limit = part * of;
        }
    }

    return figure;
}

static bool is_tuned(const struct sched_def *s)
{
    return strchr(s->name, '-');
}

/* rtds and null do what they were told by hand. */
static bool among(const struct sched_def *s, enum bound_of of)
{
    bool shares = !strncmp(s->name, "credit", strlen("credit"));

    switch ( of )
    {
    case BOUND_OF_SHIPPED:
        return shares && !is_tuned(s);
    case BOUND_OF_TUNED:
        return shares && is_tuned(s);
    default:
        return true;
    }
}

static bool keeps(const struct bound_spec *b, double figure, double limit)
{
    /* Of what was divided and multiplied again. */
    double slack = 1e-9 * (limit > 1 ? limit : 1);

    return b->at_least ? figure >= limit - slack : figure <= limit + slack;
}

static struct verdict judge(const struct work *w, const struct line *line,
                            const struct bound_spec *b)
{
    struct verdict v = {
        .bound = b,
        .figures = must(calloc(w->nr_scheds, sizeof(double))),
        .has = must(calloc(w->nr_scheds, sizeof(bool))),
        .within = must(calloc(w->nr_scheds, sizeof(bool))),
    };
    double best = 0, limits[w->nr_scheds];
    unsigned int k;

    for ( k = 0; k < w->nr_scheds; k++ )
    {
        const struct result *r = &line->results[k];

        v.has[k] = !r->na && !r->failed;
        if ( !v.has[k] )
            continue;
        v.figures[k] = worst(line, b, k, w->seeds.nr, &limits[k]);
        if ( !k || b->of < BOUND_OF_PEERS || !among(w->scheds[k], b->of) )
            continue;
        if ( !v.known || (b->at_least ? v.figures[k] > best
                                      : v.figures[k] < best) )
            best = v.figures[k];
        v.known = true;
    }
    v.known = v.has[0] && (v.known || b->of < BOUND_OF_PEERS);
    if ( !v.known )
        return v;
    for ( k = 0; k < w->nr_scheds; k++ )
    {
        if ( b->of >= BOUND_OF_PEERS )
            limits[k] = best * b->permille / 1000;
        v.within[k] = v.has[k] && keeps(b, v.figures[k], limits[k]);
    }
    v.limit = limits[0];

    return v;
}

static void forget(struct verdict *v)
{
    free(v->figures);
    free(v->has);
    free(v->within);
}

/* "at most 0.05 of shipped" */
static const char *bound_text(const struct bound_spec *b)
{
    static char text[80];

    if ( b->of == BOUND_ABSOLUTE )
        snprintf(text, sizeof(text), "%s %g", b->at_least ? "at least"
                                                          : "at most",
                 b->permille / 1000.0);
    else
        snprintf(text, sizeof(text), "%s %g of %s%s",
                 b->at_least ? "at least" : "at most", b->permille / 1000.0,
                 b->of == BOUND_OF_IDEAL ? "the " : "the best of ",
                 bound_of_names[b->of]);

    return text;
}

#define for_each_bound(lines, nr, l, b) \
    for ( l = lines; l < lines + nr; l++ ) \
        for ( b = l->parts[0].scenario->bounds; \
              b < l->parts[0].scenario->bounds + \
                  l->parts[0].scenario->nr_bounds; b++ )

void bounds_table(FILE *f, const struct work *w, const struct line *lines,
                  unsigned int nr)
{
    const struct bound_spec *b;
    const struct line *l;

    for_each_bound ( lines, nr, l, b )
    {
        struct verdict v = judge(w, l, b);

        if ( v.known )
            fprintf(f, "%s: %s has to be %s: %s of %s is %s\n", l->id,
                    b->figure, bound_text(b), w->scheds[0]->name,
                    shown(v.figures[0]), v.within[0] ? "reached"
                                                     : "NOT reached");
        forget(&v);
    }
}

/* ---- on all of them ----------------------------------------------------- */

static void row_begin(FILE *f, const char *id, const char *figure,
                      const char *bound, bool reached)
{
    fprintf(f, "| %s | %s | %s | %s |", id, figure, bound,
            reached ? "yes" : "**no**");
}

static void cells(FILE *f, unsigned int nr, const double *figures,
                  const bool *has, const bool *within)
{
    unsigned int k;

    for ( k = 0; k < nr; k++ )
    {
        const char *mark = within[k] ? "**" : "";

        if ( has[k] )
            fprintf(f, " %s%s%s |", mark, shown(figures[k]), mark);
        else
            fprintf(f, " - |");
    }
    fputc('\n', f);
}

static void markdown_all(FILE *f, const struct work *w,
                         const struct line *lines, unsigned int nr)
{
    unsigned int n = w->nr_scheds, k, i, p;
    double mean[n], least[n], behind[n];
    bool has[n], mean_in[n], least_in[n], none[n];
    char bound[40];

    for ( k = 0; k < n; k++ )
    {
        unsigned int of;

        mean[k] = lines_geomean(lines, nr, k, &of);
        least[k] = lines_min(lines, nr, k);
        has[k] = of;
        mean_in[k] = of == nr && mean[k] >= GEOMEAN_AT_LEAST;
        least_in[k] = of == nr && least[k] >= MIN_AT_LEAST;
        behind[k] = 0;
        for ( i = 0; i < nr; i++ )
        {
            bool lost = false;

            for ( p = 0; p < n; p++ )
                lost |= !lines[i].results[p].na && !lines[i].results[k].na &&
                        lines[i].results[k].score <
                        LEVEL * lines[i].results[p].score;
            behind[k] += lost;
        }
        none[k] = of == nr && !behind[k];
    }
    snprintf(bound, sizeof(bound), "at least %g", GEOMEAN_AT_LEAST);
    row_begin(f, "all", "geometric mean of scores", bound, mean_in[0]);
    cells(f, n, mean, has, mean_in);
    snprintf(bound, sizeof(bound), "at least %g", MIN_AT_LEAST);
    row_begin(f, "all", "smallest score", bound, least_in[0]);
    cells(f, n, least, has, least_in);
    row_begin(f, "all", "scenarios in which another one is ahead, by 1%",
              "at most 0", none[0]);
    cells(f, n, behind, has, none);
}

/* ---- what operations cost ----------------------------------------------- */

#define NR(array) (sizeof(array) / sizeof((array)[0]))
static const char *const ops[] = { "wake", "block", "schedule" };

static double cost_of(struct json *root, const char *sched,
                      const char *what, const char *size)
{
    struct json *node = json_get(root, sched);

    node = node && node->type == JSON_OBJECT ? json_get(node, what) : NULL;
    node = node && node->type == JSON_OBJECT ? json_get(node, size) : NULL;

    return node && node->type == JSON_INT ? node->number : -1;
}

static void markdown_instructions(FILE *f, const struct work *w,
                                  struct json *root)
{
    unsigned int n = w->nr_scheds, i, k;
    const char *own = w->scheds[0]->name;
    struct json *first = json_get(root, own), *size;
    char figure[80], bound[60];
    double figures[n];
    bool has[n], within[n];

    for ( i = 0; i < NR(ops); i++ )
    {
        struct json *op = first && first->type == JSON_OBJECT
                          ? json_get(first, ops[i]) : NULL;

        for ( size = op ? op->first : NULL; size; size = size->next )
        {
            double limit = cost_of(root, "credit2", ops[i], size->key);

            if ( limit < 0 || size->type != JSON_INT )
                continue;
            for ( k = 0; k < n; k++ )
            {
                figures[k] = cost_of(root, w->scheds[k]->name, ops[i],
                                     size->key);
                has[k] = figures[k] >= 0;
                within[k] = has[k] && figures[k] <= limit;
            }
            snprintf(figure, sizeof(figure), "%s, %s units: instructions",
                     ops[i], size->key);
            snprintf(bound, sizeof(bound), "at most credit2's %g", limit);
            row_begin(f, "cost", figure, bound, within[0]);
            cells(f, n, figures, has, within);
        }
    }
}

static void markdown_growth(FILE *f, const struct work *w, struct json *root)
{
    unsigned int n = w->nr_scheds, i, k;
    struct json *growth = json_get(root, "growth"), *small, *large;
    double figures[n];
    bool has[n], within[n];
    char figure[80], bound[40];

    if ( !growth || growth->type != JSON_OBJECT )
        return;
    for ( i = 0; i < NR(ops); i++ )
    {
        const char *from = "", *to = "";

        for ( k = 0; k < n; k++ )
        {
            struct json *sched = json_get(growth, w->scheds[k]->name);
            struct json *op = sched ? json_get(sched, ops[i]) : NULL;

            small = op ? op->first : NULL;
            large = small ? small->next : NULL;
            has[k] = large && small->type == JSON_INT && small->number > 0 &&
                     large->type == JSON_INT;
            within[k] = false;
            if ( !has[k] )
                continue;
            from = small->key;
            to = large->key;
            figures[k] = (double)large->number / small->number;
            within[k] = figures[k] <= GROWTH_AT_MOST;
        }
        if ( !has[0] )
            continue;
        snprintf(figure, sizeof(figure), "%s: instructions on %s by those on "
                 "%s", ops[i], to, from);
        snprintf(bound, sizeof(bound), "at most %g", GROWTH_AT_MOST);
        row_begin(f, "growth", figure, bound, within[0]);
        cells(f, n, figures, has, within);
    }
}

void bounds_markdown(FILE *f, const struct work *w, const struct line *lines,
                     unsigned int nr, const char *cost)
{
    const struct bound_spec *b;
    const struct line *l;

    fprintf(f, "\n## Must reach\n\n"
            "What %s has to reach, and what the others have: the worst of %u "
            "seeds, of each figure\nby itself. Bold: within the bound. "
            "shipped: credit2 and credit; tuned: those with the\nparameters "
            "above; peers: all of the others. Where a bound is a part of "
            "something, its\nvalue stands in brackets.\n\n"
            "| scenario | figure | bound | reached |", w->scheds[0]->name,
            w->seeds.nr);
    table_columns(f, w, 4);

    for_each_bound ( lines, nr, l, b )
    {
        struct verdict v = judge(w, l, b);
        char figure[100], bound[120];

        if ( v.known )
        {
            snprintf(figure, sizeof(figure), "%s", b->figure);
            if ( !strcmp(b->figure, "value") )
                snprintf(figure, sizeof(figure), "%s%s%s", l->metric,
                         *l->unit ? ", " : "", l->unit);
            if ( b->of == BOUND_ABSOLUTE )
                snprintf(bound, sizeof(bound), "%s", bound_text(b));
            else
                snprintf(bound, sizeof(bound), "%s (%s)", bound_text(b),
                         shown(v.limit));
            row_begin(f, l->id, figure, bound, v.within[0]);
            cells(f, w->nr_scheds, v.figures, v.has, v.within);
        }
        forget(&v);
    }
    markdown_all(f, w, lines, nr);
    if ( cost )
    {
        struct json *root = json_read(cost);

        markdown_instructions(f, w, root);
        markdown_growth(f, w, root);
    }
}

void bounds_json(yajl_gen g, const struct work *w, const struct line *lines,
                 unsigned int nr)
{
    const struct bound_spec *b;
    const struct line *l;
    unsigned int k;

    yajl_gen_array_open(g);
    for_each_bound ( lines, nr, l, b )
    {
        struct verdict v = judge(w, l, b);

        if ( v.known )
        {
            yajl_gen_map_open(g);
            put_pair(g, "id", l->id);
            put_pair(g, "figure", b->figure);
            put_pair(g, "bound", bound_text(b));
            put_number(g, "limit", v.limit);
            put_text(g, "reached");
            yajl_gen_bool(g, v.within[0]);
            put_text(g, "results");
            yajl_gen_map_open(g);
            for ( k = 0; k < w->nr_scheds; k++ )
                if ( v.has[k] )
                    put_number(g, w->scheds[k]->name, v.figures[k]);
            yajl_gen_map_close(g);
            yajl_gen_map_close(g);
        }
        forget(&v);
    }
    yajl_gen_array_close(g);
}
