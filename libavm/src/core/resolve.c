/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolve: a wish for more is a wish that somebody else has less. Who?
 *
 * Who may give to whom: a background domain to everyone above it, a normal one
 * to time-critical work only, and nobody else. Everyone keeps a floor: who may
 * not give keeps the share that it has with everybody's own weight, who may
 * keeps the part of it that its lowest weight stands for, and neither less than
 * the administrator promised it. Shares are weighted max-min shares of the pCPUs
 * that a group of domains competes for. What a promise costs (floors.c) counts as
 * if the administrator had set the weights for it: everyone pays for it.
 *
 * Urgency moves no share (the scheduler charges for it), so it has one rule
 * only: what is critical may fill half of the CPU time, or it would starve the
 * rest.
 */
#define _GNU_SOURCE /* qsort_r */
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* Of a group's CPU time, that critical domains may use together. */
#define CRITICAL_MAX_PERMILLE 500

/* A critical domain about which nothing at all is known yet: a guess. */
#define CRITICAL_GUESS_PERMILLE 50

/* What is not worth a change, nor a line in the ledger. */
#define GRANT_MIN_PERMILLE 5

/* ------------------------------------------------------------------------ */
/* Groups and shares                                                        */

static uint64_t pcpus_of(const struct avm_pool *p, const struct avm_domain *d,
                         const struct avm_memory *m)
{
    uint64_t all = p->pcpus ? p->pcpus : UINT64_MAX, mask = all;

    if (d->params.can & AVM_CAN_AFFINITY)
        mask &= m ? avm_planned_affinity(d, m) : d->params.affinity;
    return mask ? mask : all;
}

/* Affinities that overlap, directly or through others: one mask each. */
static unsigned int merge(uint64_t *part, unsigned int nr, uint64_t m)
{
    unsigned int i, n = 0;

    for (i = 0; i < nr; i++) {
        if (part[i] & m)
            m |= part[i];
        else
            part[n++] = part[i];
    }
    part[n++] = m;
    return n;
}

void avm_groups(const struct avm_host *host, const struct avm_domain *dom,
                const struct avm_memory *mem, size_t nr, size_t *group,
                uint32_t *capacity)
{
    uint64_t part[65]; /* disjoint, so there are 64 at most, and one more */
    size_t first[65];
    uint32_t p;
    size_t i;

    for (i = 0; i < nr; i++) {
        group[i] = i;
        capacity[i] = 1000 * (dom[i].nr_vcpus ? dom[i].nr_vcpus : 1);
    }

    for (p = 0; p < host->nr_pools; p++) {
        const struct avm_pool *pool = &host->pool[p];
        unsigned int n = 0, k;

        for (i = 0; i < nr; i++)
            if (dom[i].pool == pool->id)
                n = merge(part, n, pcpus_of(pool, &dom[i],
                                            mem ? &mem[i] : NULL));
        for (k = 0; k < n; k++)
            first[k] = nr;

        for (i = 0; i < nr; i++) {
            uint64_t m;

            if (dom[i].pool != pool->id)
                continue;
            m = pcpus_of(pool, &dom[i], mem ? &mem[i] : NULL);
            for (k = 0; !(part[k] & m); k++)
                ;
            if (first[k] == nr)
                first[k] = i;
            group[i] = first[k];
            /* A pool of more than 64 pCPUs cannot be divided by masks. */
            capacity[i] = 1000 * (part[k] == pool->pcpus || !pool->pcpus ?
                                  pool->nr_pcpus :
                                  (uint32_t)__builtin_popcountll(part[k]));
        }
    }
}

void avm_share(uint32_t capacity, const uint32_t *demand,
               const uint32_t *weight, uint32_t *share, size_t nr)
{
    uint64_t left = capacity;
    bool again = true;
    size_t i;

    memset(share, 0, nr * sizeof(*share));

    /* Who needs less than its part gets that; the rest is divided anew. */
    while (again) {
        uint64_t weights = 0, part = left;

        again = false;
        for (i = 0; i < nr; i++)
            if (share[i] != demand[i])
                weights += weight[i] ? weight[i] : 1;
        for (i = 0; i < nr; i++) {
            uint64_t w = weight[i] ? weight[i] : 1;

            if (share[i] == demand[i] || demand[i] * weights > part * w)
                continue;
            share[i] = demand[i];
            left -= demand[i];
            again = true;
        }
        if (again)
            continue;
        for (i = 0; i < nr; i++)
            if (share[i] != demand[i])
                share[i] = part * (weight[i] ? weight[i] : 1) / weights;
    }
}

void avm_share_groups(struct avm_scratch *s, const uint32_t *demand,
                      const uint32_t *weight, uint32_t *share, size_t nr)
{
    size_t *next = s->member, g, i, n;
    uint32_t *last = s->tmp_share;

    /* A list for each group, in ascending order: its head has its number. */
    for (i = 0; i < nr; i++) {
        g = s->group[i];
        if (g != i)
            next[last[g]] = i;
        last[g] = i;
        next[i] = nr;
    }

    for (g = 0; g < nr; g++) {
        if (s->group[g] != g)
            continue;
        for (i = g, n = 0; i < nr; i = next[i], n++) {
            s->tmp_demand[n] = demand[i];
            s->tmp_weight[n] = weight[i];
        }
        avm_share(s->capacity[g], s->tmp_demand, s->tmp_weight, s->tmp_share,
                  n);
        for (i = g, n = 0; i < nr; i = next[i], n++)
            share[i] = s->tmp_share[n];
    }
}

/* ------------------------------------------------------------------------ */
/* Conflicts                                                                */

int avm_role_rank(enum avm_role r)
{
    switch (r) {
    case AVM_ROLE_BACKGROUND:    return 0;
    case AVM_ROLE_INTERACTIVE:   return 2;
    case AVM_ROLE_TIME_CRITICAL: return 3;
    default:                     return 1;
    }
}

static bool may_give(enum avm_role from, enum avm_role to)
{
    if (from == AVM_ROLE_BACKGROUND)
        return to != AVM_ROLE_BACKGROUND;
    return from == AVM_ROLE_NORMAL && to == AVM_ROLE_TIME_CRITICAL;
}

/* Declared first, then who gives, then by role and gain; never by index. */
static int wish_cmp(const void *pa, const void *pb)
{
    const struct avm_wish *a = pa, *b = pb;
    static const int kind_rank[] = {
        [AVM_WISH_DECLARED] = 0, [AVM_WISH_GIVE] = 1,
        [AVM_WISH_RETURN] = 2, [AVM_WISH_GAIN] = 3,
    };

    if (a->kind != b->kind)
        return kind_rank[a->kind] - kind_rank[b->kind];
    if (a->role != b->role)
        return avm_role_rank(b->role) - avm_role_rank(a->role);
    if (a->gain_permille != b->gain_permille)
        return a->gain_permille > b->gain_permille ? -1 : 1;
    if (!avm_uuid_equal(&a->uuid, &b->uuid))
        return memcmp(&a->uuid, &b->uuid, sizeof(a->uuid));
    return (int)a->knob - (int)b->knob;
}

/* What it does counts; before that what it did, up to its worst hours. */
static uint32_t critical_use(const struct avm_domain *d)
{
    uint32_t all = 1000 * (d->nr_vcpus ? d->nr_vcpus : 1);

    if (d->smooth.length_ns)
        return d->smooth.cpu_permille;
    if (!d->past.of[AVM_LEARNED_DEMAND].enough)
        return CRITICAL_GUESS_PERMILLE;
    return avm_min_u32(avm_clamp_u32(d->past.of[AVM_LEARNED_DEMAND].high),
                       all);
}

static void resolve_critical(const struct avm_domain *dom, size_t nr,
                             struct avm_wish *wish, size_t nr_wishes,
                             const struct avm_scratch *s, uint32_t *used)
{
    size_t i;

    memset(used, 0, nr * sizeof(*used));
    for (i = 0; i < nr; i++)
        if (dom[i].params.urgency == AVM_URGENCY_CRITICAL)
            used[s->group[i]] += critical_use(&dom[i]);

    for (i = 0; i < nr_wishes; i++) {
        struct avm_wish *w = &wish[i];
        size_t g = s->group[w->dom];
        uint64_t room = (uint64_t)s->capacity[g] * CRITICAL_MAX_PERMILLE / 1000;
        uint32_t use;

        if (w->knob != AVM_KNOB_URGENCY || w->to != AVM_URGENCY_CRITICAL)
            continue;
        use = critical_use(&dom[w->dom]);
        if ((uint64_t)used[g] + use > room) {
            w->refused = true;
            avm_text(w->why_not, "time-critical domains use %u%% here already "
                     "and this one %u%% more%s, of at most %u%%", used[g] / 10,
                     use / 10, dom[w->dom].smooth.length_ns ? "" :
                     " (by its past, or a guess)", (unsigned int)(room / 10));
            continue;
        }
        used[g] += use;
    }
}

/*
 * What j keeps in any case; what may be given stops at its lowest weight, and at
 * s->floor: what it was promised and wants, as far as it has that.
 */
static uint64_t floor_of(const struct avm_memory *mem, size_t j, bool gives,
                         const struct avm_scratch *s)
{
    uint32_t own = s->own[j], min = mem[j].limits.weight_min;
    uint64_t floor = s->before[j];

    if (gives && min < own)
        floor = floor * min / own;
    return floor > s->floor[j] ? floor : s->floor[j];
}

/*
 * A promise that the weights by right cannot keep is kept as long as others have
 * given, and so is the last bit of those whom floors leave nothing by right:
 * s->after is what everyone has until somebody gives or takes.
 */
static void floors_to_keep(struct avm_scratch *s, size_t nr)
{
    size_t i;

    avm_share_groups(s, s->demand, s->weight, s->after, nr);
    for (i = 0; i < nr; i++) {
        s->had[i] = avm_max_u32(s->before[i], s->after[i]);
        /* Who is short of it loses nothing: not the rounding each time, either. */
        s->floor[i] = avm_min_u32(avm_min_u32(s->promise[i], s->demand[i]),
                                  s->had[i] + AVM_ROUNDING);
    }
}

/* The share of domain i if its weight were w. */
static uint32_t share_with(struct avm_scratch *s, uint32_t *weight, size_t nr,
                           size_t i, uint32_t w)
{
    uint32_t was = weight[i];

    weight[i] = w;
    avm_share_groups(s, s->demand, weight, s->after, nr);
    weight[i] = was;
    return s->after[i];
}

/*
 * Has domain i anything at all if its weight is w, and all whose weight falls are
 * done with that?
 */
static bool has_a_bit(struct avm_scratch *s, size_t nr, size_t i, uint32_t w)
{
    return share_with(s, s->lowest, nr, i, w) != 0;
}

/*
 * Who has nothing may get its first bit in this very plan, by what others give or
 * by its own rise. Who gains later in the plan does not take that from it either:
 * in the next plan it could not.
 */
static void first_bits_to_keep(const struct avm_domain *dom,
                               struct avm_scratch *s, size_t nr)
{
    bool any = false;
    size_t i;

    for (i = 0; i < nr; i++) {
        s->lowest[i] = avm_min_u32(dom[i].params.weight, s->low[i]);
        s->risen[i] = 0;
        any |= !s->had[i] && s->demand[i];
    }
    if (!any)
        return;
    avm_share_groups(s, s->demand, s->lowest, s->after, nr);
    for (i = 0; i < nr; i++)
        s->had[i] = avm_max_u32(s->had[i], s->after[i] != 0);
    for (i = 0; i < nr; i++)
        if (!s->had[i] && s->low[i] > s->lowest[i])
            s->risen[i] = has_a_bit(s, nr, i, s->low[i]);
}

/* Rounding is no loss, unless it takes all that there is. */
static bool enough(uint64_t share, uint64_t floor, uint32_t had)
{
    return share + AVM_ROUNDING >= floor && (share || !had);
}

/* Those of a group that want more than their share in s->after. */
struct hungry {
    uint64_t share, weight;
};

static struct hungry hungry_of(const struct avm_scratch *s,
                               const uint32_t *weight, size_t nr, size_t group)
{
    struct hungry h = { 0, 0 };
    size_t i;

    for (i = 0; i < nr; i++) {
        if (s->group[i] != group || s->after[i] == s->demand[i])
            continue;
        h.share += s->after[i];
        h.weight += avm_max_u32(weight[i], 1);
    }
    return h;
}

/*
 * What domain j has at least if its weight were 'low' and not weight[j]: it
 * divides with those who are hungry, and nobody else takes more for it.
 */
static uint64_t share_at(const struct avm_scratch *s, const uint32_t *weight,
                         size_t j, uint32_t low, struct hungry h)
{
    uint32_t w = avm_max_u32(weight[j], 1);
    uint64_t share;

    low = avm_max_u32(low, 1);
    if (low >= w)
        return s->after[j];
    if (s->after[j] == s->demand[j]) {
        h.share += s->after[j];
        h.weight += low;
    } else {
        h.weight -= w - low;
    }
    share = h.share * low / h.weight;
    return share < s->demand[j] ? share : s->demand[j];
}

/*
 * Nobody in the group of 'taker' is below its floor with these weights, nor
 * would be if its own weight did not rise as planned, or fell as planned?
 * Otherwise 'loser', if not NULL, is the one of the lowest UUID that is.
 * s->before are the shares with everybody's own weight.
 */
static bool floors_kept(const struct avm_domain *dom,
                        const struct avm_memory *mem, size_t nr, size_t taker,
                        const uint32_t *weight, struct avm_scratch *s,
                        size_t *loser)
{
    struct hungry hungry;
    bool kept = true;
    size_t j;

    avm_share_groups(s, s->demand, weight, s->after, nr);
    hungry = hungry_of(s, weight, nr, s->group[taker]);

    for (j = 0; j < nr; j++) {
        bool gives = may_give(dom[j].role, dom[taker].role);
        uint32_t low = avm_min_u32(dom[j].params.weight, s->low[j]);

        if (j == taker || s->group[j] != s->group[taker])
            continue;
        if (enough(share_at(s, weight, j, low, hungry),
                   floor_of(mem, j, gives, s), s->had[j]) &&
            (s->after[j] || !s->risen[j]))
            continue;
        if (!loser)
            return false;
        if (kept || memcmp(&dom[j].uuid, &dom[*loser].uuid,
                           sizeof(dom[j].uuid)) < 0)
            *loser = j;
        kept = false;
    }
    return kept;
}

/*
 * The most that this wish can have, up to one step, with these weights of the
 * others; as it is if that is next to nothing.
 */
static uint32_t most(const struct avm_config *c, const struct avm_domain *dom,
                     const struct avm_memory *mem, size_t nr,
                     const struct avm_wish *w, uint32_t *weight,
                     struct avm_scratch *s, size_t *loser)
{
    uint32_t now = w->from, lo = now, hi = avm_step(c, now, w->to), mid, gain;
    size_t i = w->dom;

    weight[i] = hi;
    if (floors_kept(dom, mem, nr, i, weight, s, loser)) {
        weight[i] = now;
        return hi;
    }
    while (hi - lo > 1) {
        mid = lo + (hi - lo) / 2;
        weight[i] = mid;
        if (floors_kept(dom, mem, nr, i, weight, s, NULL))
            lo = mid;
        else
            hi = mid;
    }
    weight[i] = now;
    gain = share_with(s, weight, nr, i, lo);
    return gain >= share_with(s, weight, nr, i, now) + GRANT_MIN_PERMILLE ?
           lo : now;
}

static void resolve_gain(const struct avm_config *c,
                         const struct avm_domain *dom,
                         const struct avm_memory *mem, size_t nr,
                         struct avm_wish *w, struct avm_scratch *s)
{
    size_t i = w->dom, loser = i;
    char who[AVM_WHO_LEN];
    uint32_t to;

    to = most(c, dom, mem, nr, w, s->weight, s, &loser);
    if (to == w->from) {
        to = most(c, dom, mem, nr, w, s->low, s, &loser);
        w->after_gives = to != w->from;
    }
    if (to != w->from) {
        s->weight[i] = s->low[i] = to;
        if (!s->had[i])
            s->risen[i] = has_a_bit(s, nr, i, to);
        w->to = avm_step(c, w->from, w->to) == to ? w->to : to;
        return;
    }
    w->refused = true;
    avm_text(w->why_not, "would take from %s (role %s), which is at its floor "
             "of %u%% of a CPU, and nobody of a lower role has any to give",
             avm_who(&dom[loser], who),
             avm_role_name(dom[loser].role), s->before[loser] / 10);
}

/*
 * Who gives stops at its floor, which others may have brought it near to, and keeps
 * a last bit; also if others, who have to rise, leave it none: they may be late.
 */
static void resolve_give(const struct avm_config *c,
                         const struct avm_memory *mem, size_t nr,
                         struct avm_wish *w, struct avm_scratch *s)
{
    uint32_t hi = w->from, lo = avm_step(c, hi, w->to), mid;
    size_t i = w->dom;
    uint64_t floor = floor_of(mem, i, true, s);

    if (enough(share_with(s, s->weight, nr, i, lo), floor, s->demand[i])) {
        s->low[i] = lo;
        return;
    }
    while (hi - lo > 1) {
        mid = lo + (hi - lo) / 2;
        if (enough(share_with(s, s->weight, nr, i, mid), floor, s->demand[i]))
            hi = mid;
        else
            lo = mid;
    }
    if (hi < w->from) {
        s->low[i] = w->to = hi;
        return;
    }
    w->refused = true;
    avm_text(w->why_not, "is at its floor of %llu%% of a CPU already",
             (unsigned long long)floor / 10);
}

/*
 * Who gives may have to wait for it (a cool-down): what others take should be
 * right without it. So s->weight is what the others have to reckon with until
 * it is done, and s->low what it will be then.
 */
static void resolve_weights(const struct avm_config *c,
                            const struct avm_domain *dom,
                            const struct avm_memory *mem, size_t nr,
                            struct avm_wish *wish, size_t nr_wishes,
                            struct avm_scratch *s)
{
    bool gains = false;
    size_t i;

    for (i = 0; i < nr; i++)
        s->weight[i] = s->low[i] = dom[i].params.weight;

    for (i = 0; i < nr_wishes; i++) {
        const struct avm_wish *w = &wish[i];
        uint32_t *low = &s->low[w->dom];

        if (w->knob != AVM_KNOB_WEIGHT || w->refused)
            continue;
        if (w->kind == AVM_WISH_DECLARED)
            *low = w->to;
        else if (w->kind == AVM_WISH_RETURN)
            *low = avm_step(c, w->from, w->to);
        s->weight[w->dom] = avm_max_u32(s->weight[w->dom], *low);
    }
    floors_to_keep(s, nr);
    for (i = 0; i < nr_wishes; i++) {
        if (wish[i].knob != AVM_KNOB_WEIGHT)
            continue;
        wish[i].group = s->group[wish[i].dom];
        if (wish[i].kind == AVM_WISH_GIVE)
            resolve_give(c, mem, nr, &wish[i], s);
        if (wish[i].kind != AVM_WISH_GAIN)
            continue;
        if (!gains) /* they come last: s->low is what they find */
            first_bits_to_keep(dom, s, nr);
        gains = true;
        resolve_gain(c, dom, mem, nr, &wish[i], s);
    }
}

/* ------------------------------------------------------------------------ */
/* Ledger                                                                   */

static int64_t moved(const struct avm_scratch *s, size_t i)
{
    return (int64_t)s->after[i] - (int64_t)s->before[i];
}

static int uuid_cmp(const void *pa, const void *pb, void *pdom)
{
    const struct avm_domain *dom = pdom;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    int c = memcmp(&dom[a].uuid, &dom[b].uuid, sizeof(dom[a].uuid));

    return c ? c : a < b ? -1 : a > b;
}

/* 'promised': what the administrator promised the one who takes, permille. */
static void write_grant(const struct avm_domain *from,
                        const struct avm_domain *to, uint32_t floor_weight,
                        uint32_t promised, uint32_t share,
                        struct avm_grant *g)
{
    memset(g, 0, sizeof(*g));
    g->to = to->uuid;
    g->from = from->uuid;
    g->to_domid = to->domid;
    g->from_domid = from->domid;
    g->share_permille = share;
    g->floor_weight = floor_weight;
    if (promised)
        avm_text(g->rule, "%s gives to %s, which was promised %u%% of a CPU",
                 avm_role_name(from->role), avm_role_name(to->role),
                 promised / 10);
    else
        avm_text(g->rule, "%s gives to %s", avm_role_name(from->role),
                 avm_role_name(to->role));
}

/*
 * Pairs those who have less than with everybody's own weight with those who
 * have more, both in the order of their UUIDs. Who was given all that it has
 * more is left behind for good, so this takes one walk through each group.
 * s->before, s->after and the temporary arrays are used up.
 */
static size_t ledger(const struct avm_domain *dom, const struct avm_memory *mem,
                     size_t nr, struct avm_scratch *s,
                     struct avm_grant *grant, size_t max_grants)
{
    size_t *by_uuid = s->member, n = 0, a, i;
    uint32_t *head = s->tmp_demand, *tail = s->tmp_share, *next = s->tmp_weight;

    for (i = 0; i < nr; i++) {
        by_uuid[i] = i;
        head[i] = nr;
    }
    if (nr)
        qsort_r(by_uuid, nr, sizeof(*by_uuid), uuid_cmp, (void *)dom);

    /* Who takes: a list for each group. */
    for (a = 0; a < nr; a++) {
        size_t to = by_uuid[a], g = s->group[to];

        if (moved(s, to) < GRANT_MIN_PERMILLE)
            continue;
        if (head[g] == nr)
            head[g] = to;
        else
            next[tail[g]] = to;
        tail[g] = to;
        next[to] = nr;
    }

    for (a = 0; a < nr; a++) {
        size_t from = by_uuid[a], g = s->group[from];

        while (head[g] != nr && n < max_grants &&
               -moved(s, from) >= GRANT_MIN_PERMILLE) {
            size_t to = head[g];
            int64_t share = moved(s, to) < -moved(s, from) ? moved(s, to) :
                                                             -moved(s, from);

            s->before[from] -= share;
            s->after[to] -= share;
            write_grant(&dom[from], &dom[to], mem[from].limits.weight_min,
                        s->own_least[to] > avm_own_weight(&dom[to], &mem[to]) ?
                        s->promise[to] : 0, share, &grant[n++]);
            if (moved(s, to) < GRANT_MIN_PERMILLE)
                head[g] = next[to];
        }
    }
    return n;
}

size_t avm_resolve(const struct avm_config *c, const struct avm_host *host,
                   const struct avm_domain *dom, const struct avm_memory *mem,
                   size_t nr, struct avm_wish *wish, size_t nr_wishes,
                   struct avm_scratch *s,
                   struct avm_grant *grant, size_t max_grants)
{
    size_t i;

    if (nr_wishes)
        qsort(wish, nr_wishes, sizeof(*wish), wish_cmp);
    avm_groups(host, dom, mem, nr, s->group, s->capacity);
    resolve_critical(dom, nr, wish, nr_wishes, s, s->after);

    avm_floors(dom, mem, nr, s);
    avm_share_groups(s, s->demand, s->own, s->before, nr);
    resolve_weights(c, dom, mem, nr, wish, nr_wishes, s);

    for (i = 0; i < nr; i++)
        s->weight[i] = avm_own_weight(&dom[i], &mem[i]);
    avm_share_groups(s, s->demand, s->weight, s->before, nr);
    avm_share_groups(s, s->demand, s->low, s->after, nr);
    return ledger(dom, mem, nr, s, grant, max_grants);
}
