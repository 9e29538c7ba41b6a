/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* find: whose UUID, or number, is that? */
#include <stdlib.h>
#include <string.h>

#include "state.h"

int avm_uuid_cmp(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct avm_uuid));
}

static int by_uuid_cmp(const void *pa, const void *pb)
{
    const struct avm_by_uuid *a = pa, *b = pb;
    int c = avm_uuid_cmp(a, b);

    return c ? c : a->at < b->at ? -1 : a->at > b->at;
}

_Static_assert(!offsetof(struct avm_need, uuid) &&
               !offsetof(struct avm_by_uuid, uuid) &&
               !offsetof(struct avm_learned_of, uuid),
               "avm_uuid_cmp() needs that");

struct avm_by_uuid *avm_by_uuid_new(const struct avm_sample *s)
{
    struct avm_by_uuid *x = calloc(s->nr ? s->nr : 1, sizeof(*x));
    size_t i;

    if (!x)
        return NULL;
    for (i = 0; i < s->nr; i++)
        x[i] = (struct avm_by_uuid){ s->domain[i].uuid, i };
    if (s->nr)
        qsort(x, s->nr, sizeof(*x), by_uuid_cmp);
    return x;
}

/* The first of by_uuid with this UUID, or by_uuid + nr. */
static const struct avm_by_uuid *by_uuid_first(const avm_state *st,
                                               const struct avm_uuid *uuid)
{
    size_t lo = 0, hi = st->nr;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (avm_uuid_cmp(&st->by_uuid[mid], uuid) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < st->nr && avm_uuid_equal(&st->by_uuid[lo].uuid, uuid) ?
           &st->by_uuid[lo] : st->by_uuid + st->nr;
}

struct avm_memory *avm_memory_of(const avm_state *st,
                                 const struct avm_uuid *uuid, uint32_t domid)
{
    const struct avm_by_uuid *x = by_uuid_first(st, uuid);

    for (; x < st->by_uuid + st->nr && avm_uuid_equal(&x->uuid, uuid); x++)
        if (st->dom[x->at].domid == domid)
            return &st->mem[x->at];
    return NULL;
}

const struct avm_domain *avm_domain_by_uuid(const avm_state *st,
                                            const struct avm_uuid *uuid)
{
    const struct avm_by_uuid *x = by_uuid_first(st, uuid);

    return x < st->by_uuid + st->nr ? &st->dom[x->at] : NULL;
}

const struct avm_domain *avm_domain_by_id(const avm_state *st, uint32_t domid)
{
    size_t i;

    for (i = 0; i < st->nr; i++)
        if (st->dom[i].domid == domid)
            return &st->dom[i];
    return NULL;
}
