/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot.h"

#define WIDTH      1000
#define LEFT       70
#define RIGHT      24
#define TOP        46
#define ROW_H      26
#define WAKE_H     10          /* a strip above each row for events */
#define LEGEND_H   18
#define DOMAINS    24
#define PCPUS      64
/* More boxes than this is not a picture any more. */
#define BOXES_MAX  4000

/* Most people with colour blindness tell them apart, too (Okabe and Ito). */
static const char *const colours[] = {
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00",
    "#f0e442", "#999999",
};
#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct plot {
    const char *file;
    unsigned int line, boxes;
    int64_t from_ns, to_ns;
    char title[200];
    char *domains[DOMAINS];
    unsigned int nr_domains;
    unsigned int pcpus;
};

static int bad(const struct plot *p, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", p->file, p->line, what);

    return 1;
}

static unsigned int domain_index(struct plot *p, const char *name)
{
    unsigned int i;

    for ( i = 0; i < p->nr_domains; i++ )
        if ( !strcmp(p->domains[i], name) )
            return i;
    if ( p->nr_domains < DOMAINS && (p->domains[i] = strdup(name)) )
        p->nr_domains++;

    return i;
}

static double x_of(const struct plot *p, int64_t ns)
{
    return LEFT + (double)(ns - p->from_ns) * (WIDTH - LEFT - RIGHT) /
                  (p->to_ns - p->from_ns);
}

/* Where a row's boxes begin. */
static unsigned int y_of(unsigned int row)
{
    return TOP + row * (ROW_H + WAKE_H) + WAKE_H;
}

struct mark {
    bool run, wake;             /* neither: an event for one that waits */
    int64_t from_ns, to_ns;
    unsigned int pcpu, vcpu;
    char domain[64];
};

/* Returns -1 at the end, 1 if the line is no mark, 2 if it is wrong. */
static int read_mark(struct plot *p, FILE *f, struct mark *m)
{
    char line[256];

    if ( !fgets(line, sizeof(line), f) )
        return -1;
    p->line++;
    line[strcspn(line, "\n")] = 0;
    if ( line[0] == '#' )
    {
        snprintf(p->title, sizeof(p->title), "%.190s", line + 1);
        return 1;
    }
    if ( !strncmp(line, "kind,", 5) )
        return 1;
    if ( sscanf(line, "run,%ld,%ld,%u,%63[^,],%u", &m->from_ns, &m->to_ns,
                &m->pcpu, m->domain, &m->vcpu) == 5 )
    {
        m->run = true;
        if ( m->pcpu < PCPUS )
            return 0;
        bad(p, "only 64 pCPUs can be drawn");
        return 2;
    }
    m->run = false;
    m->wake = !strncmp(line, "wake,", 5);
    if ( (m->wake || !strncmp(line, "event,", 6)) &&
         sscanf(strchr(line, ','), ",%ld,,,%63[^,],%u", &m->from_ns, m->domain,
                &m->vcpu) == 3 )
        return 0;

    bad(p, "no line of a trace");
    return 2;
}

static void box(struct plot *p, FILE *f, const struct mark *m)
{
    int64_t from = m->from_ns > p->from_ns ? m->from_ns : p->from_ns;
    int64_t to = m->to_ns < p->to_ns ? m->to_ns : p->to_ns;
    double x = x_of(p, from), width = x_of(p, to) - x;

    fprintf(f, "<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%u\" "
            "fill=\"%s\"><title>%s v%u, %.3f ms from %.3f</title></rect>\n",
            x, y_of(m->pcpu), width < 0.4 ? 0.4 : width, ROW_H,
            colours[domain_index(p, m->domain) % NR(colours)], m->domain,
            m->vcpu, (m->to_ns - m->from_ns) / 1e6, m->from_ns / 1e6);
}

/* A triangle above the row of the pCPU on which it runs next. */
static void event_mark(struct plot *p, FILE *f, const struct mark *m,
                      unsigned int pcpu)
{
    double x = x_of(p, m->from_ns);
    unsigned int y = y_of(pcpu);
    const char *colour = colours[domain_index(p, m->domain) % NR(colours)];

    fprintf(f, "<path d=\"M%.2f %u l-3 -7 h6 z\" fill=\"%s\" stroke=\"%s\">"
            "<title>%s v%u %s at %.3f ms</title></path>\n", x, y - 1,
            m->wake ? colour : "#fff", colour, m->domain, m->vcpu,
            m->wake ? "is woken" : "waits and gets an event",
            m->from_ns / 1e6);
}

static void axis(const struct plot *p, FILE *f, unsigned int bottom)
{
    int64_t step = 1000;
    int64_t ns;

    /* At most 12 marks, at 1, 2 or 5 times a power of ten. */
    while ( (p->to_ns - p->from_ns) / step > 12 )
    {
        if ( (p->to_ns - p->from_ns) / (step * 2) <= 12 )
            step *= 2;
        else if ( (p->to_ns - p->from_ns) / (step * 5) <= 12 )
            step *= 5;
        else
            step *= 10;
    }
    for ( ns = (p->from_ns + step - 1) / step * step; ns <= p->to_ns;
          ns += step )
        fprintf(f, "<path d=\"M%.1f %u V%u\" stroke=\"#ccc\"/><text "
                "x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">%g</text>\n",
                x_of(p, ns), TOP, bottom, x_of(p, ns), bottom + 14, ns / 1e6);
    fprintf(f, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">ms</text>\n",
            LEFT - 24, bottom + 14);
}

/* First pass: which domains and pCPUs there are. */
static int look(struct plot *p, FILE *f)
{
    struct mark m;
    int r;

    while ( (r = read_mark(p, f, &m)) >= 0 )
    {
        if ( r == 1 )
            continue;
        if ( r )
            return 1;
        if ( m.run && m.pcpu >= p->pcpus )
            p->pcpus = m.pcpu + 1;
        if ( m.from_ns >= p->to_ns ||
             (m.run ? m.to_ns : m.from_ns) <= p->from_ns )
            continue;
        domain_index(p, m.domain);
        p->boxes++;
    }
    if ( !p->boxes )
        return bad(p, "nothing happens in this time");
    if ( p->boxes > BOXES_MAX )
        return bad(p, "too much happens in this time for one picture: choose "
                      "less of it with --for");

    return 0;
}

static int draw(struct plot *p, FILE *f, FILE *out)
{
    struct mark m, events[256];
    unsigned int nr_events = 0, i, k;
    int r;

    while ( (r = read_mark(p, f, &m)) >= 0 )
    {
        if ( r )
            continue;
        if ( !m.run )
        {
            if ( m.from_ns >= p->from_ns && m.from_ns < p->to_ns &&
                 nr_events < NR(events) )
                events[nr_events++] = m;
            continue;
        }
        /* A run comes when it ended: its events came before. */
        for ( i = k = 0; i < nr_events; i++ )
            if ( events[i].vcpu == m.vcpu &&
                 !strcmp(events[i].domain, m.domain) &&
                 events[i].from_ns <= m.to_ns )
                event_mark(p, out, &events[i], m.pcpu);
            else
                events[k++] = events[i];
        nr_events = k;
        if ( m.from_ns < p->to_ns && m.to_ns > p->from_ns )
            box(p, out, &m);
    }

    return 0;
}

int plot(const char *trace, const char *out, uint64_t from_ms, uint64_t for_ms)
{
    struct plot p = { .file = trace, .from_ns = from_ms * 1000000,
                      .to_ns = (from_ms + for_ms) * 1000000 };
    unsigned int i, bottom, height;
    FILE *f = fopen(trace, "r"), *svg;

    if ( !f )
    {
        fprintf(stderr, "%s: %s\n", trace, strerror(errno));
        return 1;
    }
    if ( look(&p, f) )
        return 1;
    svg = fopen(out, "w");
    if ( !svg )
    {
        fprintf(stderr, "%s: %s\n", out, strerror(errno));
        return 1;
    }

    bottom = y_of(p.pcpus - 1) + ROW_H + 4;
    height = bottom + 24 + ((p.nr_domains + 7) / 8 + 1) * LEGEND_H;
    fprintf(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
            "height=\"%u\" viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" "
            "font-size=\"11\">\n<rect width=\"%u\" height=\"%u\" "
            "fill=\"#fff\"/>\n<text x=\"%u\" y=\"20\" font-size=\"14\">%s"
            "</text>\n<text x=\"%u\" y=\"36\">who runs on which pCPU; "
            "triangle: a wake-up; hollow: an event for one that waits for a "
            "pCPU</text>\n",
            WIDTH, height, WIDTH, height, WIDTH, height,
            LEFT, p.title, LEFT);
    axis(&p, svg, bottom);
    for ( i = 0; i < p.pcpus; i++ )
        fprintf(svg, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">pCPU %u"
                "</text>\n<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
                "fill=\"#f2f2f2\"/>\n", LEFT - 8, y_of(i) + 17, i, LEFT,
                y_of(i), WIDTH - LEFT - RIGHT, ROW_H);
    rewind(f);
    p.line = 0;
    draw(&p, f, svg);
    fclose(f);
    for ( i = 0; i < p.nr_domains; i++ )
    {
        unsigned int x = LEFT + i % 8 * 114;
        unsigned int y = bottom + 26 + i / 8 * LEGEND_H;

        fprintf(svg, "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" "
                "fill=\"%s\"/><text x=\"%u\" y=\"%u\">%s</text>\n", x, y,
                colours[i % NR(colours)], x + 16, y + 10, p.domains[i]);
    }
    fprintf(svg, "</svg>\n");
    if ( fclose(svg) )
    {
        fprintf(stderr, "%s: %s\n", out, strerror(errno));
        return 1;
    }

    return 0;
}
