/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pasts: what was learnt of each domain, there or not, for as long as there is room
 * for it. How one is learnt is in core/learn.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "state.h"

/*
 * Of those that are not there. Two MB; who has more domains than that coming and
 * going does not see most of them again.
 */
#define ABSENT_MAX 4096

static int learned_cmp(const void *uuid, const void *pp)
{
    return avm_uuid_cmp(uuid, *(struct avm_learned_of *const *)pp);
}

struct avm_learned_of *avm_past_of(const avm_state *st,
                                   const struct avm_uuid *uuid)
{
    struct avm_learned_of **x = NULL;

    if (st->nr_learned)
        x = bsearch(uuid, st->learned, st->nr_learned, sizeof(*x),
                    learned_cmp);
    return x ? *x : NULL;
}

static int learned_room(avm_state *st, size_t nr)
{
    size_t room = st->learned_room;
    struct avm_learned_of **bigger;

    if (nr <= room)
        return 0;
    room += room / 2;
    if (room < nr)
        room = nr;
    bigger = realloc(st->learned, room * sizeof(*bigger));
    if (!bigger)
        return -1;
    st->learned = bigger;
    st->learned_room = room;
    return 0;
}

/*
 * The first of learned[from ...] that is not before this UUID. Near is found
 * sooner than far, for who walks through all of them, or through a few.
 */
static size_t learned_at(const avm_state *st, size_t from,
                         const struct avm_uuid *uuid)
{
    size_t lo = from, hi, step, mid;

    for (step = 1; lo < st->nr_learned &&
                   avm_uuid_cmp(st->learned[lo], uuid) < 0; step *= 2) {
        from = lo + 1;
        lo += step;
    }
    hi = lo < st->nr_learned ? lo : st->nr_learned;
    while (from < hi) {
        mid = from + (hi - from) / 2;
        if (avm_uuid_cmp(st->learned[mid], uuid) < 0)
            from = mid + 1;
        else
            hi = mid;
    }
    return from;
}

/*
 * Those of these UUIDs, which ascend, that are not known yet: how many there
 * are, and if 'fresh' is not NULL one made for each. -1: no memory.
 */
static ssize_t learned_missing(const avm_state *st,
                               const struct avm_by_uuid *by_uuid, size_t nr,
                               struct avm_learned_of **fresh)
{
    size_t i, k = 0;
    ssize_t n = 0;

    for (i = 0; i < nr; i++) {
        if (i && avm_uuid_equal(&by_uuid[i - 1].uuid, &by_uuid[i].uuid))
            continue;
        k = learned_at(st, k, &by_uuid[i].uuid);
        if (k < st->nr_learned && !avm_uuid_cmp(st->learned[k], &by_uuid[i]))
            continue;
        if (fresh) {
            fresh[n] = calloc(1, sizeof(**fresh));
            if (!fresh[n])
                break;
            fresh[n]->uuid = by_uuid[i].uuid;
        }
        n++;
    }
    if (i == nr)
        return n;
    while (n--)
        free(fresh[n]);
    return -1;
}

int avm_pasts_for(avm_state *st, const struct avm_by_uuid *by_uuid, size_t nr)
{
    ssize_t more = learned_missing(st, by_uuid, nr, NULL), k;
    size_t end = st->nr_learned, at;
    struct avm_learned_of **fresh;

    if (!more)
        return 0;
    fresh = calloc((size_t)more, sizeof(*fresh));
    if (!fresh || learned_room(st, st->nr_learned + (size_t)more) ||
        learned_missing(st, by_uuid, nr, fresh) < 0) {
        free(fresh);
        return -1;
    }
    /* The last one first: it and those behind it go to their places. */
    for (k = more - 1; k >= 0; k--, end = at) {
        at = learned_at(st, 0, &fresh[k]->uuid);
        memmove(&st->learned[at + (size_t)k + 1], &st->learned[at],
                (end - at) * sizeof(*fresh));
        st->learned[at + (size_t)k] = fresh[k];
    }
    st->nr_learned += (size_t)more;
    free(fresh);
    return 0;
}

static int last_cmp(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;

    return *a < *b ? -1 : *a > *b;
}

void avm_pasts_limit(avm_state *st, size_t nr_there, uint64_t now_ns)
{
    uint64_t *last, from;
    size_t i, nr = 0, kept = 0, drop;

    /* Two of one UUID make it look like fewer: then it is a little later. */
    if (st->nr_learned <= nr_there + ABSENT_MAX)
        return;
    last = calloc(st->nr_learned, sizeof(*last));
    if (!last)
        return; /* next time */
    for (i = 0; i < st->nr_learned; i++)
        if (st->learned[i]->last_ns != now_ns)
            last[nr++] = st->learned[i]->last_ns;
    qsort(last, nr, sizeof(*last), last_cmp);
    drop = nr - ABSENT_MAX / 2;
    from = last[drop];
    free(last);
    for (i = 0; i < st->nr_learned; i++) {
        struct avm_learned_of *x = st->learned[i];

        if (drop && x->last_ns != now_ns && x->last_ns <= from) {
            drop--;
            free(x);
            continue;
        }
        st->learned[kept++] = x;
    }
    st->nr_learned = kept;
}

int avm_state_learned(avm_state *st, const struct avm_uuid *uuid,
                      const struct avm_learned *l)
{
    struct avm_by_uuid one = { .uuid = *uuid };
    struct avm_learned_of *x;

    if (avm_learned_check(l) || avm_pasts_for(st, &one, 1))
        return -1;
    x = avm_past_of(st, uuid);
    if (l->observed_ms >= x->learned.observed_ms)
        x->learned = *l;
    return 0;
}

bool avm_state_forget(avm_state *st, const struct avm_uuid *uuid)
{
    struct avm_learned_of *x = avm_past_of(st, uuid);
    bool any = x && x->learned.observed_ms;

    if (x)
        memset(&x->learned, 0, sizeof(x->learned));
    return any;
}

const struct avm_learned_of *const *avm_learned_all(const avm_state *st,
                                                    size_t *nr)
{
    *nr = st->nr_learned;
    return (const struct avm_learned_of *const *)st->learned;
}

const struct avm_learned_of *avm_learned_by_uuid(const avm_state *st,
                                                 const struct avm_uuid *uuid)
{
    return avm_past_of(st, uuid);
}
