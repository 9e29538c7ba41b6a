/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The level rises for all, and who has what it wants stops. Some domains may
 * then want all of the pCPUs that are theirs to run on, while others could still
 * have more elsewhere: these are the tight ones, they stop, their pCPUs are gone,
 * and the level rises on for the rest.
 *
 * How far it rises is found from above: if not all of what is wanted at a level
 * finds a place, then some domains want more than there is where they may run.
 * These give the next, lower level. At the one at which all finds a place, the
 * last of them are the tight ones.
 */
#include <stdlib.h>

#include "ideal.h"
#include "memory.h"
#include "pinned.h"

/* In pCPUs: an error of rounding; and one of all that there can be. */
#define TINY 1e-12
#define NEAR 1e-7

/* pCPUs that the same domains may run on are one place. */
struct filling {
    unsigned int nr, nr_places;
    const double *weight, *limit;
    double *want;               /* at this level                             */
    bool *done;                 /* its share is found                        */
    double *pcpus, *room;       /* of a place: all, and left                 */
    bool *may;                  /* [domain * nr_places + place]              */
    double *has;                /* the same: so much of the domain is there  */
    /* Of a search for a place, and then who does not find one, and where. */
    bool *seen, *seen_place;
    unsigned int *from, *from_place, *queue;
};

static bool may_run(const struct scenario *s, unsigned int domain,
                    const struct settings *const *now, unsigned int cpu)
{
    const struct settings *set = now ? now[domain]
                                     : &s->domains[domain].settings;

    return !(set->set & SET_AFFINITY) || cpu_in(set->affinity, cpu);
}

/* The place of pCPUs @a and @b is the same. */
static bool alike(const struct scenario *s, const struct settings *const *now,
                  unsigned int a, unsigned int b)
{
    unsigned int i;

    for ( i = 0; i < s->nr_domains; i++ )
        if ( may_run(s, i, now, a) != may_run(s, i, now, b) )
            return false;

    return true;
}

static void make_places(struct filling *f, const struct scenario *s,
                        const struct settings *const *now)
{
    unsigned int first[SCENARIO_PCPUS_MAX], cpu, i, p;

    f->pcpus = must(calloc(scenario_pcpus(s), sizeof(*f->pcpus)));
    for ( cpu = 0; cpu < scenario_pcpus(s); cpu++ )
    {
        for ( p = 0; p < f->nr_places && !alike(s, now, first[p], cpu); p++ )
            continue;
        if ( p == f->nr_places )
            first[f->nr_places++] = cpu;
        f->pcpus[p]++;
    }
    f->may = must(calloc(f->nr * f->nr_places, sizeof(*f->may)));
    for ( i = 0; i < f->nr; i++ )
        for ( p = 0; p < f->nr_places; p++ )
            f->may[i * f->nr_places + p] = may_run(s, i, now, first[p]);
}

/*
 * Where is there room for more of this domain, if others make way? Places are
 * gone through breadth first. nr_places: nowhere; the domains and places that
 * were seen are then those that have no room among themselves.
 */
static unsigned int find_room(struct filling *f, unsigned int domain)
{
    unsigned int head = 0, tail = 0, i, p;

    for ( i = 0; i < f->nr; i++ )
        f->seen[i] = false;
    for ( p = 0; p < f->nr_places; p++ )
        f->seen_place[p] = false;
    f->seen[domain] = true;
    f->from[domain] = f->nr_places;
    f->queue[tail++] = domain;
    while ( head < tail )
    {
        unsigned int d = f->queue[head++];

        for ( p = 0; p < f->nr_places; p++ )
        {
            if ( !f->may[d * f->nr_places + p] || f->seen_place[p] )
                continue;
            f->seen_place[p] = true;
            f->from_place[p] = d;
            if ( f->room[p] > TINY )
                return p;
            for ( i = 0; i < f->nr; i++ )
                if ( !f->seen[i] && f->has[i * f->nr_places + p] > TINY )
                {
                    f->seen[i] = true;
                    f->from[i] = p;
                    f->queue[tail++] = i;
                }
        }
    }

    return f->nr_places;
}

/* Along the way that was found, everybody makes way. How much was placed. */
static double take_room(struct filling *f, unsigned int room, double want)
{
    double much = want < f->room[room] ? want : f->room[room];
    unsigned int p, d;

    for ( p = room; ; p = f->from[d] )
    {
        double *has;

        d = f->from_place[p];
        if ( f->from[d] == f->nr_places )
            break;
        has = &f->has[d * f->nr_places + f->from[d]];
        much = *has < much ? *has : much;
    }
    f->room[room] -= much;
    for ( p = room; ; p = f->from[d] )
    {
        d = f->from_place[p];
        f->has[d * f->nr_places + p] += much;
        if ( f->from[d] == f->nr_places )
            return much;
        f->has[d * f->nr_places + f->from[d]] -= much;
    }
}

/* False: not all of it; who has no room is in seen[]. */
static bool place_all(struct filling *f)
{
    unsigned int i, p;

    for ( i = 0; i < f->nr * f->nr_places; i++ )
        f->has[i] = 0;
    for ( p = 0; p < f->nr_places; p++ )
        f->room[p] = f->pcpus[p];
    for ( i = 0; i < f->nr; i++ )
    {
        double left = f->done[i] ? 0 : f->want[i];

        while ( left > NEAR )
        {
            p = find_room(f, i);
            if ( p == f->nr_places )
                return false;
            left -= take_room(f, p, left);
        }
    }

    return true;
}

/* At which all places that were seen are full with what was seen. */
static double level_of_seen(const struct filling *f)
{
    double *v = must(calloc(3 * f->nr, sizeof(*v)));
    double *weight = v, *limit = v + f->nr, *share = v + 2 * f->nr;
    double pcpus = 0, level = 0;
    unsigned int i, p;

    for ( p = 0; p < f->nr_places; p++ )
        pcpus += f->seen_place[p] ? f->pcpus[p] : 0;
    for ( i = 0; i < f->nr; i++ )
        if ( f->seen[i] )
        {
            weight[i] = f->weight[i];
            limit[i] = f->limit[i];
        }
    ideal_water_fill(pcpus, f->nr, weight, limit, share);
    for ( i = 0; i < f->nr; i++ )
        if ( weight[i] > 0 && share[i] < limit[i] )
            level = share[i] / weight[i];
    free(v);

    return level;
}

/* The tight ones have what they want, and there is no more where they are. */
static void finish(struct filling *f, const bool *tight,
                   const bool *tight_place)
{
    unsigned int i, p;

    for ( i = 0; i < f->nr; i++ )
        f->done[i] = f->done[i] || tight[i];
    for ( p = 0; p < f->nr_places; p++ )
        if ( tight_place[p] )
        {
            f->pcpus[p] = 0;
            for ( i = 0; i < f->nr; i++ )
                f->may[i * f->nr_places + p] = false;
        }
}

/* False: there are no tight ones any more, all have what they want. */
static bool rise(struct filling *f)
{
    bool *tight = must(calloc(f->nr, sizeof(*tight)));
    bool *tight_place = must(calloc(f->nr_places, sizeof(*tight_place)));
    double level = -1, lower;
    unsigned int i;
    bool any;

    for ( i = 0; i < f->nr; i++ )
        if ( !f->done[i] )
            f->want[i] = f->limit[i];
    while ( !place_all(f) )
    {
        lower = level_of_seen(f);
        /* What is left is of rounding. */
        if ( level >= 0 && lower >= level )
            break;
        level = lower;
        for ( i = 0; i < f->nr; i++ )
        {
            tight[i] = f->seen[i];
            if ( !f->done[i] )
                f->want[i] = level * f->weight[i] < f->limit[i]
                             ? level * f->weight[i] : f->limit[i];
        }
        for ( i = 0; i < f->nr_places; i++ )
            tight_place[i] = f->seen_place[i];
    }
    any = level >= 0;
    if ( any )
        finish(f, tight, tight_place);
    free(tight);
    free(tight_place);

    return any;
}

void pinned_fill(const struct scenario *s, const struct settings *const *now,
                 const double *weight, const double *limit, double *share)
{
    struct filling f = { .nr = s->nr_domains, .weight = weight, .limit = limit,
                         .want = share };
    unsigned int nr = f.nr;

    make_places(&f, s, now);
    f.done = must(calloc(nr, sizeof(*f.done)));
    f.room = must(calloc(f.nr_places, sizeof(*f.room)));
    f.has = must(calloc(nr * f.nr_places, sizeof(*f.has)));
    f.seen = must(calloc(nr, sizeof(*f.seen)));
    f.seen_place = must(calloc(f.nr_places, sizeof(*f.seen_place)));
    f.from = must(calloc(nr, sizeof(*f.from)));
    f.from_place = must(calloc(f.nr_places, sizeof(*f.from_place)));
    f.queue = must(calloc(nr, sizeof(*f.queue)));
    while ( rise(&f) )
        continue;
    free(f.done);
    free(f.pcpus);
    free(f.room);
    free(f.may);
    free(f.has);
    free(f.seen);
    free(f.seen_place);
    free(f.from);
    free(f.from_place);
    free(f.queue);
}
