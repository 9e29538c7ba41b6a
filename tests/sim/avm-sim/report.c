/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "bounds.h"
#include "ideal.h"
#include "json.h"
#include "lines.h"
#include "report.h"

static int written(FILE *f)
{
    if ( fflush(f) || ferror(f) )
    {
        perror("avm-sim: cannot write");
        return 1;
    }

    return 0;
}

const char *shown(double value)
{
    static char text[4][32];
    static unsigned int i;
    double size = value < 0 ? -value : value;
    char *s = text[i++ % 4];

    snprintf(s, sizeof(text[0]), "%.*f",
             size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 :
             size >= 0.1 || size == 0 ? 3 : size >= 0.001 ? 4 : 6, value);

    return s;
}

/* ---- a table for a terminal --------------------------------------------- */

static void table_of_row(FILE *f, const struct work *w, const struct row *row)
{
    const struct scenario *s = row->scenario;
    unsigned int k, i;

    fprintf(f, "%s: %s%s%s, ideal %s\n", s->name, score_metric(s),
            *score_unit(s) ? " in " : "", score_unit(s), shown(row->ideal));
    for ( k = 0; k < w->nr_scheds; k++ )
    {
        const struct cell *cell = &row->cells[k];
        const struct outcome *run;

        fprintf(f, "  %-14s ", w->scheds[k]->name);
        if ( cell->na || cell->failed )
        {
            fprintf(f, "%s%s\n", cell->na ? "n/a: " : "failed",
                    cell->na ? cell->na : "");
            continue;
        }
        run = &cell->runs[cell->worst];
        fprintf(f, "%9s  score %-8s%s median %9s  score %-8s",
                shown(run->value), shown(cell->scores[cell->worst]),
                cell->clamped ? "*" : " ",
                shown(cell->runs[cell->median].value),
                shown(cell->scores[cell->median]));
        if ( run->samples )
            fprintf(f, " of %u", run->samples);
        fprintf(f, "\n  %-14s ", "");
        for ( i = 0; i < run->nr_more; i++ )
            fprintf(f, "%s%s %s", i ? ", " : "", run->more[i].name,
                    shown(run->more[i].value));
        fputc('\n', f);
    }
}

/* A line per scheduler with what the scenarios ask for and it does not have. */
static void table_ignored(FILE *f, const struct work *w, const struct row *rows)
{
    static const struct { unsigned int set; const char *name; } names[] = {
        { SET_ROLE, "role" }, { SET_RESERVATION, "reservation" },
        { SET_CAP, "cap" }, { SET_AFFINITY, "affinity" },
    };
    unsigned int k, i;

    for ( k = 0; k < w->nr_scheds; k++ )
    {
        unsigned int ignored = 0;

        for ( i = 0; i < w->nr_scenarios; i++ )
            if ( !rows[i].cells[k].na && !rows[i].cells[k].failed )
                ignored |= rows[i].cells[k].runs[0].ignored;
        if ( !ignored )
            continue;
        fprintf(f, "%s does not have, so ignored:", w->scheds[k]->name);
        for ( i = 0; i < sizeof(names) / sizeof(names[0]); i++ )
            if ( ignored & names[i].set )
                fprintf(f, " %s", names[i].name);
        fputc('\n', f);
    }
}

int report_table(FILE *f, const struct work *w, const struct row *rows)
{
    unsigned int nr, i, k;
    struct line *lines = lines_make(w, rows, &nr);
    bool clamped = false;

    for ( i = 0; i < w->nr_scenarios; i++ )
    {
        table_of_row(f, w, &rows[i]);
        for ( k = 0; k < w->nr_scheds; k++ )
            clamped |= rows[i].cells[k].clamped;
    }
    for ( i = 0; i < nr; i++ )
    {
        if ( lines[i].nr_parts < 2 )
            continue;
        fprintf(f, "%s: %s in %s, ideal %s\n", lines[i].id, lines[i].metric,
                lines[i].unit, shown(lines[i].ideal));
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            const struct result *r = &lines[i].results[k];

            fprintf(f, "  %-14s ", w->scheds[k]->name);
            if ( r->na )
                fprintf(f, "n/a: %s\n", r->na);
            else if ( r->failed )
                fprintf(f, "failed\n");
            else
                fprintf(f, "%9s  score %-8s  median %9s  score %s\n",
                        shown(r->value), shown(r->score),
                        shown(r->median_value), shown(r->median_score));
        }
    }
    bounds_table(f, w, lines, nr);
    table_ignored(f, w, rows);
    fprintf(f, "%u seed%s; the worst one counts.%s\n", w->seeds.nr,
            w->seeds.nr == 1 ? "" : "s",
            clamped ? " *: better than the ideal, which is a bound; taken as 1."
                    : "");

    return written(f) | lines_failed(w, lines, nr);
}

/* ---- JSON --------------------------------------------------------------- */

void put_text(yajl_gen g, const char *text)
{
    yajl_gen_string(g, (const unsigned char *)text, strlen(text));
}

void put_number(yajl_gen g, const char *key, double value)
{
    char text[40];

    put_text(g, key);
    snprintf(text, sizeof(text), "%.6g", value);
    yajl_gen_number(g, text, strlen(text));
}

void put_pair(yajl_gen g, const char *key, const char *text)
{
    put_text(g, key);
    put_text(g, text);
}

static void put_copy(yajl_gen g, const struct json *node)
{
    const struct json *child;

    switch ( node->type )
    {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if ( node->type == JSON_OBJECT )
            yajl_gen_map_open(g);
        else
            yajl_gen_array_open(g);
        for ( child = node->first; child; child = child->next )
        {
            if ( child->key )
                put_text(g, child->key);
            put_copy(g, child);
        }
        if ( node->type == JSON_OBJECT )
            yajl_gen_map_close(g);
        else
            yajl_gen_array_close(g);
        break;
    case JSON_INT:
        yajl_gen_integer(g, node->number);
        break;
    case JSON_BOOL:
        yajl_gen_bool(g, node->number);
        break;
    case JSON_STRING:
        put_text(g, node->text);
        break;
    default:
        yajl_gen_null(g);
        break;
    }
}

static void put_result(yajl_gen g, const struct result *r)
{
    unsigned int i;

    yajl_gen_map_open(g);
    put_number(g, "value", r->value);
    put_number(g, "score", r->score);
    put_number(g, "median_value", r->median_value);
    put_number(g, "median_score", r->median_score);
    put_text(g, "clamped");
    yajl_gen_bool(g, r->clamped);
    if ( r->run )
    {
        put_number(g, "samples", r->run->samples);
        put_text(g, "more");
        yajl_gen_map_open(g);
        for ( i = 0; i < r->run->nr_more; i++ )
            put_number(g, r->run->more[i].name, r->run->more[i].value);
        yajl_gen_map_close(g);
    }
    yajl_gen_map_close(g);
}

/* Misses at each load. */
static void put_parts(yajl_gen g, const struct work *w, const struct line *line)
{
    unsigned int i, k;

    put_text(g, "loads");
    yajl_gen_array_open(g);
    for ( i = 0; i < line->nr_parts; i++ )
    {
        yajl_gen_map_open(g);
        put_number(g, "load", ideal_load(line->parts[i].scenario, false));
        put_text(g, "missed");
        yajl_gen_map_open(g);
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            const struct cell *cell = &line->parts[i].cells[k];

            if ( !cell->na && !cell->failed )
                put_number(g, w->scheds[k]->name,
                           cell->runs[cell->worst].value);
        }
        yajl_gen_map_close(g);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

static void put_line(yajl_gen g, const struct work *w, const struct line *line)
{
    unsigned int k;

    yajl_gen_map_open(g);
    put_pair(g, "id", line->id);
    put_pair(g, "about", line->about);
    put_pair(g, "metric", line->metric);
    put_pair(g, "unit", line->unit);
    put_number(g, "ideal", line->ideal);
    put_text(g, "results");
    yajl_gen_map_open(g);
    for ( k = 0; k < w->nr_scheds; k++ )
        if ( !line->results[k].na && !line->results[k].failed )
        {
            put_text(g, w->scheds[k]->name);
            put_result(g, &line->results[k]);
        }
    yajl_gen_map_close(g);
    put_text(g, "without");
    yajl_gen_map_open(g);
    for ( k = 0; k < w->nr_scheds; k++ )
        if ( line->results[k].na || line->results[k].failed )
            put_pair(g, w->scheds[k]->name,
                     line->results[k].na ?: "the run failed");
    yajl_gen_map_close(g);
    if ( line->nr_parts > 1 )
        put_parts(g, w, line);
    yajl_gen_map_close(g);
}

static void put_int(yajl_gen g, const char *key, int64_t value)
{
    put_text(g, key);
    yajl_gen_integer(g, value);
}

static void put_runs(yajl_gen g, const struct work *w, const struct cell *cell,
                     unsigned int domain)
{
    unsigned int i;

    yajl_gen_array_open(g);
    for ( i = 0; i < w->seeds.nr; i++ )
    {
        const struct domain_outcome *d = &cell->runs[i].domains[domain];

        yajl_gen_map_open(g);
        put_int(g, "cpu_ppm", d->cpu_ppm);
        put_int(g, "samples", d->samples);
        put_int(g, "p50_ns", d->p50_ns);
        put_int(g, "p99_ns", d->p99_ns);
        put_int(g, "max_ns", d->max_ns);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

/* What both kinds of JSON begin with. */
static yajl_gen begin_json(const struct work *w)
{
    yajl_gen g = yajl_gen_alloc(NULL);

    if ( !g )
        abort();
    yajl_gen_config(g, yajl_gen_beautify, 1);
    yajl_gen_config(g, yajl_gen_indent_string, "  ");
    yajl_gen_map_open(g);
    put_int(g, "version", 1);
    put_int(g, "first_seed", w->seeds.first);
    put_int(g, "seeds", w->seeds.nr);

    return g;
}

static void end_json(yajl_gen g, FILE *f)
{
    const unsigned char *text;
    size_t len;

    yajl_gen_map_close(g);
    yajl_gen_get_buf(g, &text, &len);
    fwrite(text, 1, len, f);
    yajl_gen_free(g);
}

int report_domains(FILE *f, const struct work *w, const struct row *rows)
{
    yajl_gen g = begin_json(w);
    bool failed = false;
    unsigned int i, k, d;

    put_text(g, "scenarios");
    yajl_gen_array_open(g);
    for ( i = 0; i < w->nr_scenarios; i++ )
    {
        const struct scenario *s = rows[i].scenario;

        yajl_gen_map_open(g);
        put_pair(g, "id", s->name);
        put_text(g, "results");
        yajl_gen_map_open(g);
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            const struct cell *cell = &rows[i].cells[k];

            failed |= cell->failed;
            if ( cell->na || cell->failed )
                continue;
            put_text(g, w->scheds[k]->name);
            yajl_gen_map_open(g);
            for ( d = 0; d < s->nr_domains; d++ )
            {
                put_text(g, s->domains[d].name);
                put_runs(g, w, cell, d);
            }
            yajl_gen_map_close(g);
        }
        yajl_gen_map_close(g);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
    end_json(g, f);

    return written(f) | failed;
}

int report_json(FILE *f, const struct work *w, const struct row *rows,
                const char *cost)
{
    unsigned int nr, i, k, of;
    struct line *lines = lines_make(w, rows, &nr);
    yajl_gen g = begin_json(w);

    put_text(g, "scenarios");
    yajl_gen_array_open(g);
    for ( i = 0; i < nr; i++ )
        put_line(g, w, &lines[i]);
    yajl_gen_array_close(g);
    put_text(g, "geomean");
    yajl_gen_map_open(g);
    for ( k = 0; k < w->nr_scheds; k++ )
        put_number(g, w->scheds[k]->name, lines_geomean(lines, nr, k, &of));
    yajl_gen_map_close(g);
    put_text(g, "min");
    yajl_gen_map_open(g);
    for ( k = 0; k < w->nr_scheds; k++ )
        put_number(g, w->scheds[k]->name, lines_min(lines, nr, k));
    yajl_gen_map_close(g);
    put_text(g, "bounds");
    bounds_json(g, w, lines, nr);
    put_text(g, "scenarios_run");
    yajl_gen_map_open(g);
    for ( k = 0; k < w->nr_scheds; k++ )
    {
        lines_geomean(lines, nr, k, &of);
        put_number(g, w->scheds[k]->name, of);
    }
    yajl_gen_map_close(g);
    if ( cost )
    {
        put_text(g, "cost");
        put_copy(g, json_read(cost));
    }
    end_json(g, f);

    return written(f) | lines_failed(w, lines, nr);
}

/* ---- Markdown ----------------------------------------------------------- */

static double best_score(const struct work *w, const struct line *line)
{
    double best = 0;
    unsigned int k;

    for ( k = 0; k < w->nr_scheds; k++ )
        if ( !line->results[k].na && !line->results[k].failed &&
             line->results[k].score > best )
            best = line->results[k].score;

    return best;
}

static const char *const op_names[] = { "wake", "block", "schedule" };

/* What costs the first scheduler more than the one that Xen has by default. */
static void markdown_dearer(FILE *f, const struct work *w, struct json *root)
{
    struct json *own = json_get(root, w->scheds[0]->name), *n;
    struct json *other = json_get(root, "credit2");
    unsigned int i, nr = 0, cheaper = 0;

    if ( !own || !other || own == other )
        return;
    for ( i = 0; i < 3; i++ )
        for ( n = json_get(own, op_names[i])->first; n; n = n->next )
        {
            struct json *than = json_get(json_get(other, op_names[i]), n->key);

            if ( !than || than->type != JSON_INT || n->type != JSON_INT )
                continue;
            if ( n->number <= than->number )
            {
                cheaper++;
                continue;
            }
            fprintf(f, "%s%s with %s units (%lld, %lld)", nr++ ? ", " :
                    "\nDearer than under credit2: ", op_names[i], n->key,
                    (long long)n->number, (long long)than->number);
        }
    fprintf(f, "%sNot dearer: %u of %u.\n", nr ? ".\n" : "\n", cheaper,
            cheaper + nr);
}

static void markdown_cost(FILE *f, const struct work *w, const char *file)
{
    struct json *root = json_read(file), *sched, *op, *n;

    fprintf(f, "\n## What a decision costs\n\n"
            "Instructions of the scheduler itself per operation, by units in "
            "the queue\n(callgrind; of null: as many pCPUs as units).\n\n"
            "| | units | wake | block | schedule |\n|---|---|---|---|---|\n");
    for ( sched = root->first; sched; sched = sched->next )
    {
        if ( sched->type != JSON_OBJECT || !(op = json_get(sched, "wake")) )
            continue;
        for ( n = op->first; n; n = n->next )
        {
            unsigned int i;

            fprintf(f, "| %s | %s |", sched->key, n->key);
            for ( i = 0; i < 3; i++ )
            {
                struct json *value = json_get(json_get(sched, op_names[i]),
                                              n->key);

                if ( value && value->type == JSON_INT )
                    fprintf(f, " %lld |", (long long)value->number);
                else
                    fprintf(f, " - |");
            }
            fputc('\n', f);
        }
    }
    markdown_dearer(f, w, root);
}

/* Where the first column is behind the best of the others, and where ahead. */
static void markdown_losses(FILE *f, const struct work *w,
                            const struct line *lines, unsigned int nr)
{
    unsigned int pass, i, k, wins = 0, losses = 0;

    for ( pass = 0; pass < 3; pass++ )
        for ( i = 0; i < nr; i++ )
        {
            const struct result *own = &lines[i].results[0], *other = NULL;
            double ratio;

            for ( k = 1; k < w->nr_scheds; k++ )
            {
                const struct result *r = &lines[i].results[k];

                if ( !r->na && !r->failed &&
                     (!other || r->score > other->score) )
                    other = r;
            }
            if ( !other || own->na || own->failed )
                continue;
            ratio = own->score / other->score;
            if ( !pass )
            {
                /* Less than a hundredth is no difference. */
                wins += ratio > 1.01;
                losses += ratio < 0.99;
            }
            else if ( pass == 1 ? ratio < 0.99 : ratio > 1.01 )
                fprintf(f, "* %s: %s of the score of %s (%s against %s)\n",
                        lines[i].id, shown(ratio),
                        w->scheds[other - lines[i].results]->name,
                        shown(own->score), shown(other->score));
            if ( !pass && i + 1 == nr )
                fprintf(f, "\n## %s against the best of the others\n\n"
                        "Ahead in %u, level in %u (within 1%%), behind in "
                        "%u.\n\nBehind:\n\n", w->scheds[0]->name, wins,
                        nr - wins - losses, losses);
            if ( pass == 1 && i + 1 == nr )
                fprintf(f, "\nAhead:\n\n");
        }
}

void table_columns(FILE *f, const struct work *w, unsigned int before)
{
    unsigned int k;

    for ( k = 0; k < w->nr_scheds; k++ )
        fprintf(f, " %s |", w->scheds[k]->name);
    fprintf(f, "\n|");
    for ( k = 0; k < before + w->nr_scheds; k++ )
        fprintf(f, "---|");
    fputc('\n', f);
}

int report_markdown(FILE *f, const struct work *w, const struct row *rows,
                    const char *cost)
{
    unsigned int nr, i, k, of;
    struct line *lines = lines_make(w, rows, &nr);

    fprintf(f, "# Schedulers in the simulator\n\n"
            "Made by `make bench-sim`. In each cell: value (score). A score of "
            "1 is the\nbest that any scheduler could reach on this machine, "
            "computed for each scenario\n([how to read it](../simulator.md)). "
            "%u seeds, the same for all; the **worst** one\ncounts. Bold: the "
            "best score of the line. `*`: the value was better than the\n"
            "ideal, which is a bound, and the score was taken as 1. `n/a`: the "
            "scheduler\ncannot run it.\n\n"
            "credit2-tuned: `sched_ratelimit_us=100`. credit-tuned: that and "
            "`sched_credit_tslice_ms=1`.\nrtds: each vCPU has its fair part of "
            "the machine as budget, per 10 ms, with\nextratime; or its "
            "reservation, where the scenario has one.\n\n"
            "![scores](sim-scores.svg)\n\n| scenario | what | ideal |",
            w->seeds.nr);
    table_columns(f, w, 3);
    for ( i = 0; i < nr; i++ )
    {
        const struct line *l = &lines[i];
        double best = best_score(w, l);

        fprintf(f, "| %s | %s%s%s | %s |", l->id, l->metric,
                *l->unit ? ", " : "", l->unit, shown(l->ideal));
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            const struct result *r = &l->results[k];
            const char *mark = r->score >= best * 0.99 ? "**" : "";

            if ( r->na || r->failed )
                fprintf(f, " %s |", r->na ? "n/a" : "failed");
            else
                fprintf(f, " %s (%s%s%s)%s |", shown(r->value), mark,
                        shown(r->score), mark, r->clamped ? "*" : "");
        }
        fputc('\n', f);
    }
    fprintf(f, "| **geometric mean** | | |");
    for ( k = 0; k < w->nr_scheds; k++ )
    {
        double mean = lines_geomean(lines, nr, k, &of);

        fprintf(f, of == nr ? " **%s** |" : " %s (of %u) |", shown(mean), of);
    }
    fprintf(f, "\n| **minimum** | | |");
    for ( k = 0; k < w->nr_scheds; k++ )
        fprintf(f, " %s |", shown(lines_min(lines, nr, k)));
    fprintf(f, "\n");
    bounds_markdown(f, w, lines, nr, cost);
    markdown_losses(f, w, lines, nr);
    if ( cost )
        markdown_cost(f, w, cost);
    fprintf(f, "\n## The scenarios\n\n");
    for ( i = 0; i < nr; i++ )
        if ( !i || strcmp(lines[i].about, lines[i - 1].about) )
            fprintf(f, "* %.*s: %s\n", (int)strcspn(lines[i].id, "/"),
                    lines[i].id, lines[i].about);

    return written(f) | lines_failed(w, lines, nr);
}

/* ---- a picture ---------------------------------------------------------- */

#define CELL_W 84
#define CELL_H 18
#define LEFT   210
#define TOP    30

/* From red over yellow to green, by the decades below 1: 1, 0.1, 0.01, less. */
static void colour(double score, unsigned int *r, unsigned int *g,
                   unsigned int *b)
{
    /* Thousandths of the way from bad to good: half of it above 0.5. */
    double x = score >= 0.5 ? score : score >= 0.1 ? 0.3 + (score - 0.1) / 2 :
               score >= 0.01 ? 0.1 + (score - 0.01) * 2.2 : score * 10;

    *r = x < 0.5 ? 225 : 225 - (x - 0.5) * 2 * 125;
    *g = x < 0.5 ? 110 + x * 2 * 100 : 210 - (x - 0.5) * 2 * 20;
    *b = 100;
}

int report_chart(FILE *f, const struct work *w, const struct row *rows)
{
    unsigned int nr, i, k, r, g, b;
    struct line *lines = lines_make(w, rows, &nr);
    unsigned int width = LEFT + w->nr_scheds * CELL_W + 10;
    unsigned int height = TOP + nr * CELL_H + 10;

    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
            "height=\"%u\" viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" "
            "font-size=\"11\">\n<title>Scores: 1 is the best possible</title>\n"
            "<rect width=\"%u\" height=\"%u\" fill=\"#fff\"/>\n", width, height,
            width, height, width, height);
    for ( k = 0; k < w->nr_scheds; k++ )
        fprintf(f, "<text x=\"%u\" y=\"%u\" text-anchor=\"middle\">%s</text>\n",
                LEFT + k * CELL_W + CELL_W / 2, TOP - 8, w->scheds[k]->name);
    for ( i = 0; i < nr; i++ )
    {
        unsigned int y = TOP + i * CELL_H;

        fprintf(f, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%s</text>\n",
                LEFT - 6, y + 13, lines[i].id);
        for ( k = 0; k < w->nr_scheds; k++ )
        {
            const struct result *res = &lines[i].results[k];
            bool none = res->na || res->failed;

            colour(res->score, &r, &g, &b);
            if ( none )
                r = g = b = 235;
            fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
                    "fill=\"#%02x%02x%02x\"/><text x=\"%u\" y=\"%u\" "
                    "text-anchor=\"middle\">%s</text>\n",
                    LEFT + k * CELL_W, y, CELL_W - 2, CELL_H - 2, r, g, b,
                    LEFT + k * CELL_W + CELL_W / 2, y + 12,
                    none ? res->na ? "n/a" : "failed" : shown(res->score));
        }
    }
    fprintf(f, "</svg>\n");

    return written(f);
}
