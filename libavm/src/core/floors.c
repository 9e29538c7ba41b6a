/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * floors: the administrator says "it always gets so much when it wants it". Who
 * is promised how much of a group's pCPUs, and which weights keep that?
 *
 * Weights that keep all floors of a group have a price in common: so much weight
 * for each permille that is promised. Whoever has a weight of its own that is
 * worth more than that needs nothing. So one number is looked for, not a weight
 * for each, and it does not matter in which order.
 *
 * It is looked for twice. With the weights that the administrator gave, which
 * nothing that we do changes: that is what a floored domain returns to, and where
 * a donor stops. And with the weights of now, which say whether it has to have
 * more at once. The first one never asks for less because others gave, so a
 * weight that was raised is not lowered for that, just to be raised again.
 */
#define _GNU_SOURCE /* qsort_r */
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* Of the price: a weight of 1 for 1000 permille is 1000 steps of it. */
#define PRICE_SHIFT 20

/* ------------------------------------------------------------------------ */
/* Promises                                                                 */

struct asking {
    const struct avm_domain *dom;
    const struct avm_memory *mem;
};

/* The first promise counts, then the role; never the index. */
static int asks_cmp(const void *pa, const void *pb, void *arg)
{
    const struct asking *x = arg;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    uint64_t sa = x->mem[a].limits.cpu_min_since;
    uint64_t sb = x->mem[b].limits.cpu_min_since;
    int ra = avm_role_rank(x->dom[a].role), rb = avm_role_rank(x->dom[b].role);
    int c = memcmp(&x->dom[a].uuid, &x->dom[b].uuid, sizeof(x->dom[a].uuid));

    if (sa != sb)
        return sa < sb ? -1 : 1;
    if (ra != rb)
        return rb - ra;
    return c ? c : x->dom[a].domid < x->dom[b].domid ? -1 : 1;
}

uint32_t avm_floor_usable(const struct avm_domain *d,
                          const struct avm_memory *m)
{
    uint64_t most = 1000ull * (d->nr_vcpus ? d->nr_vcpus : 1);
    uint32_t cap = avm_planned_cap(d, m);

    if (cap && 10ull * cap < most)
        most = 10ull * cap;
    return most < m->limits.cpu_min_permille ? most :
                                               m->limits.cpu_min_permille;
}

/*
 * Held ones keep their place: when the hold ends, what others were promised in
 * the meantime would have to be taken back.
 */
static bool asks(const struct avm_domain *d, const struct avm_memory *m)
{
    return m->limits.cpu_min_permille &&
           !(d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING | AVM_DOM_SHUTDOWN));
}

static void promise(const struct avm_domain *dom, const struct avm_memory *mem,
                    size_t nr, struct avm_scratch *s)
{
    struct asking x = { dom, mem };
    uint32_t *left = s->tmp_share;
    size_t *list = s->member, n = 0, i, a;

    for (i = 0; i < nr; i++) {
        s->promise[i] = 0;
        left[i] = s->capacity[i];
        if (asks(&dom[i], &mem[i]))
            list[n++] = i;
    }
    if (n)
        qsort_r(list, n, sizeof(*list), asks_cmp, &x);
    for (a = 0; a < n; a++) {
        i = list[a];
        s->promise[i] = avm_min_u32(avm_floor_usable(&dom[i], &mem[i]),
                                    left[s->group[i]]);
        left[s->group[i]] -= s->promise[i];
    }
}

/* ------------------------------------------------------------------------ */
/* Weights                                                                  */

static uint32_t weight_at(const struct avm_scratch *s, size_t i, uint64_t price)
{
    uint64_t w = (s->floor[i] * price + (1u << PRICE_SHIFT) - 1) >> PRICE_SHIFT;

    return w < s->limit[i] ? w : s->limit[i];
}

/*
 * What is left to the a-th member if its weight is 'low' and not what it was
 * counted with. The others who are hungry keep at most what they have then, so
 * this is a little too low rather than too high.
 */
static uint64_t share_at(const struct avm_scratch *s, size_t n, size_t a,
                         uint32_t low)
{
    uint64_t share = 0, weight = 0;
    size_t b;

    for (b = 0; b < n; b++) {
        if (b != a && s->tmp_share[b] == s->tmp_demand[b])
            continue;
        share += s->tmp_share[b];
        weight += b == a ? low : avm_max_u32(s->tmp_weight[b], 1);
    }
    share = share * low / weight;
    return share < s->tmp_demand[a] ? share : s->tmp_demand[a];
}

/* Is everyone's floor kept at this price, but for 'slack' permille? */
static bool all_kept(struct avm_scratch *s, uint32_t capacity, size_t n,
                     uint64_t price, uint32_t slack)
{
    size_t a;

    for (a = 0; a < n; a++) {
        size_t i = s->member[a];

        s->tmp_demand[a] = s->demand[i];
        s->tmp_weight[a] = s->limit[i] ?
            avm_max_u32(s->base[i], weight_at(s, i, price)) : s->base[i];
    }
    avm_share(capacity, s->tmp_demand, s->tmp_weight, s->tmp_share, n);
    for (a = 0; a < n; a++) {
        size_t i = s->member[a];
        uint32_t self;

        if (!s->limit[i])
            continue;
        self = avm_max_u32(s->self[i], weight_at(s, i, price));
        self = avm_max_u32(self, 1);
        if ((self < s->tmp_weight[a] ? share_at(s, n, a, self) :
                                       s->tmp_share[a]) + slack < s->floor[i])
            return false;
    }
    return true;
}

/*
 * The price of a group whose members are in s->member. Who would need more than
 * it may have gets what it may have, and does not count any more.
 */
static uint64_t price_of(struct avm_scratch *s, uint32_t capacity, size_t n,
                         uint32_t slack)
{
    uint64_t lo = 0, hi, mid, most;
    size_t a;

    if (all_kept(s, capacity, n, 0, slack))
        return 0;
    for (;;) {
        hi = UINT64_MAX;
        for (a = 0; a < n; a++) {
            size_t i = s->member[a];

            if (!s->limit[i])
                continue;
            most = ((uint64_t)s->limit[i] << PRICE_SHIFT) / s->floor[i];
            hi = most < hi ? most : hi;
        }
        if (hi == UINT64_MAX)
            return 0;
        if (all_kept(s, capacity, n, hi, 0))
            break;
        for (a = 0; a < n; a++) {
            size_t i = s->member[a];

            if (!s->limit[i] ||
                ((uint64_t)s->limit[i] << PRICE_SHIFT) / s->floor[i] != hi)
                continue;
            s->least[i] = s->limit[i];
            s->base[i] = avm_max_u32(s->base[i], s->limit[i]);
            s->limit[i] = 0;
        }
    }
    if (all_kept(s, capacity, n, 0, slack))
        return 0;
    while (hi - lo > 1) {
        mid = lo + (hi - lo) / 2;
        if (all_kept(s, capacity, n, mid, 0))
            hi = mid;
        else
            lo = mid;
    }
    return hi;
}

/* s->member becomes the list of group g; is there a floor to be kept in it? */
static size_t members_of(struct avm_scratch *s, size_t nr, size_t g, bool *any)
{
    size_t i, n = 0;

    *any = false;
    for (i = g; i < nr; i++) {
        if (s->group[i] != g)
            continue;
        s->member[n++] = i;
        *any |= s->floor[i] != 0;
    }
    return n;
}

static bool enforced(const struct avm_domain *d)
{
    return avm_may_change(d) && (d->params.can & AVM_CAN_WEIGHT);
}

bool avm_floor_kept(const struct avm_floor *f)
{
    return f->promise_permille &&
           f->share_permille + AVM_ROUNDING >=
           avm_min_u32(f->promise_permille, f->wanted_permille);
}

uint32_t avm_floor_weight_max(const struct avm_memory *m)
{
    return m->limits.weight_explicit ? m->limits.weight_max : AVM_WEIGHT_MAX;
}

void avm_floor_weights(const struct avm_memory *mem, size_t nr,
                       struct avm_scratch *s, uint32_t slack)
{
    size_t g, i, a, n;
    uint64_t price;
    bool floors = false, any;

    for (i = 0; i < nr; i++) {
        s->least[i] = 0;
        s->limit[i] = s->floor[i] ? avm_floor_weight_max(&mem[i]) : 0;
        floors |= s->floor[i] != 0;
    }
    if (!floors)
        return;
    for (g = 0; g < nr; g++) {
        if (s->group[g] != g)
            continue;
        n = members_of(s, nr, g, &any);
        if (!any)
            continue;
        price = price_of(s, s->capacity[g], n, slack);
        for (a = 0; a < n; a++) {
            i = s->member[a];
            if (s->limit[i])
                s->least[i] = weight_at(s, i, price);
        }
    }
}

uint32_t avm_floor_lowest(struct avm_scratch *s, size_t nr, size_t i,
                          uint32_t lo, uint32_t hi)
{
    size_t n, a, at = 0;
    uint32_t mid;
    bool any;

    n = members_of(s, nr, s->group[i], &any);
    for (a = 0; a < n; a++) {
        s->tmp_demand[a] = s->demand[s->member[a]];
        s->tmp_weight[a] = s->base[s->member[a]];
        if (s->member[a] == i)
            at = a;
    }
    /* 'hi' is taken to be enough, or all that there is. */
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        s->tmp_weight[at] = mid;
        avm_share(s->capacity[i], s->tmp_demand, s->tmp_weight, s->tmp_share,
                  n);
        if (s->tmp_share[at] >= s->floor[i])
            hi = mid;
        else
            lo = mid + 1;
    }
    return hi;
}

void avm_floors(const struct avm_domain *dom, const struct avm_memory *mem,
                size_t nr, struct avm_scratch *s)
{
    size_t i;

    promise(dom, mem, nr, s);
    for (i = 0; i < nr; i++) {
        s->demand[i] = avm_planned_demand(&dom[i], &mem[i]);
        s->floor[i] = enforced(&dom[i]) ?
                      avm_min_u32(s->promise[i], s->demand[i]) : 0;
        s->own[i] = avm_own_weight(&dom[i], &mem[i]);
        s->base[i] = s->self[i] = s->own[i];
    }
    avm_floor_weights(mem, nr, s, 0);
    for (i = 0; i < nr; i++) {
        s->own[i] = avm_max_u32(s->own[i], s->least[i]);
        s->base[i] = s->own[i];
        s->own_least[i] = s->least[i];
    }
    /*
     * Who may give can have more than its floor needs. Not so who has to have more
     * than it was given: the price may be more than it needs by itself, but to
     * give that back would be to turn round.
     */
    for (i = 0; i < nr; i++)
        if (s->floor[i] && s->own[i] > s->own_least[i] &&
            dom[i].role == AVM_ROLE_BACKGROUND)
            s->own_least[i] = avm_floor_lowest(s, nr, i, 1, s->own[i]);
}

void avm_scratch_init(struct avm_scratch *s, size_t nr, size_t *room,
                      uint32_t *room_u32)
{
    uint32_t **array[AVM_SCRATCH_U32] = {
        &s->capacity, &s->demand, &s->weight, &s->before, &s->after,
        &s->low, &s->tmp_demand, &s->tmp_weight, &s->tmp_share,
        &s->own, &s->own_least, &s->promise, &s->floor,
        &s->least, &s->base, &s->self, &s->limit, &s->had,
        &s->lowest, &s->risen,
    };
    size_t k;

    s->group = room;
    s->member = room + nr;
    for (k = 0; k < AVM_SCRATCH_U32; k++)
        *array[k] = room_u32 + k * nr;
}
