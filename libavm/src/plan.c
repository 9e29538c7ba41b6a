/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan: decide, resolve, reallocate and next over what the loop remembers, and the
 * room that they need.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

void avm_plan_free(struct avm_plan *plan)
{
    if (!plan)
        return;
    free(plan->change);
    free(plan->grant);
    free(plan);
}

static struct avm_plan *plan_new(size_t nr_changes, size_t nr_grants)
{
    struct avm_plan *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->change = calloc(nr_changes ? nr_changes : 1, sizeof(*p->change));
    p->grant = calloc(nr_grants ? nr_grants : 1, sizeof(*p->grant));
    if (!p->change || !p->grant) {
        avm_plan_free(p);
        return NULL;
    }
    return p;
}

static struct avm_plan *plan_copy(const struct avm_plan *from)
{
    struct avm_plan *p = plan_new(from->nr, from->nr_grants);

    if (!p)
        return NULL;
    p->mono_ms = from->mono_ms;
    p->nr = from->nr;
    p->nr_grants = from->nr_grants;
    memcpy(p->change, from->change, p->nr * sizeof(*p->change));
    memcpy(p->grant, from->grant, p->nr_grants * sizeof(*p->grant));
    return p;
}

/* All arrays of scratch are of 'nr'; one allocation each for the two types. */
static int scratch_new(struct avm_scratch *s, size_t nr)
{
    size_t n = nr ? nr : 1;
    size_t *a = calloc(2 * n, sizeof(*a));
    uint32_t *b = calloc(AVM_SCRATCH_U32 * n, sizeof(*b));

    if (!a || !b) {
        free(a);
        free(b);
        return -1;
    }
    avm_scratch_init(s, n, a, b);
    return 0;
}

/* What became of the floors, before others use this room. */
static void remember_floors(avm_state *st, const struct avm_scratch *s)
{
    size_t i;

    for (i = 0; i < st->nr; i++)
        st->mem[i].floor = (struct avm_floor){
            .asked_permille = st->mem[i].limits.cpu_min_permille,
            .promise_permille = s->promise[i],
            .wanted_permille = s->demand[i],
            .share_permille = s->before[i],
        };
}

static void scratch_free(struct avm_scratch *s)
{
    free(s->group);
    free(s->capacity);
}

int avm_plan(avm_state *st, uint64_t now_ms, unsigned int flags,
             struct avm_plan **plan)
{
    size_t max = (st->nr ? st->nr : 1) * AVM_WISHES_PER_DOMAIN, nr_wishes;
    struct avm_wish *wish = NULL;
    size_t *order = NULL;
    struct avm_scratch s = { 0 };
    struct avm_plan *p = NULL, *copy;
    bool peek = flags & AVM_PLAN_PEEK;
    int rc = -1;

    if ((flags & ~AVM_PLAN_PEEK) || now_ms < st->last_ns / AVM_NS_PER_MS) {
        errno = EINVAL;
        return -1;
    }

    wish = calloc(max, sizeof(*wish));
    order = calloc(max, sizeof(*order));
    if (!wish || !order || scratch_new(&s, st->nr))
        goto out;

    nr_wishes = avm_decide(&st->host, st->dom, st->mem, st->nr, &s, wish);
    remember_floors(st, &s);

    /* Who gives and who takes meet once: fewer than two each per domain. */
    p = plan_new(nr_wishes, 2 * st->nr);
    if (!p)
        goto out;
    p->mono_ms = now_ms;
    p->nr = nr_wishes;
    p->nr_grants = avm_resolve(&st->config, &st->host, st->dom, st->mem,
                               st->nr, wish, nr_wishes, &s, p->grant,
                               2 * st->nr);
    avm_reallocate(&st->config, st->dom, wish, nr_wishes, p->change, order);
    avm_next(&st->config, st->mem, st->nr, wish, order, p->change, p->nr,
             &st->budget, now_ms, !peek);

    if (!peek) {
        copy = plan_copy(p);
        if (!copy)
            goto out;
        avm_plan_free(st->last_plan);
        st->last_plan = copy;
    }
    *plan = p;
    p = NULL;
    rc = 0;

 out:
    avm_plan_free(p);
    scratch_free(&s);
    free(order);
    free(wish);
    return rc;
}
