/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* needs: what the administrator said, and what that means for each domain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

void avm_role_weights(enum avm_role role, uint32_t *min, uint32_t *max)
{
    /* 256 is what a new domain has, and lies in every range. */
    static const struct { uint32_t min, max; } range[AVM_NR_ROLES] = {
        [AVM_ROLE_NORMAL] = { 128, 512 },
        [AVM_ROLE_BACKGROUND] = { 64, 256 },
        [AVM_ROLE_INTERACTIVE] = { 256, 1024 },
        [AVM_ROLE_TIME_CRITICAL] = { 256, 2048 },
    };
    enum avm_role r = role < AVM_NR_ROLES ? role : AVM_ROLE_NORMAL;

    *min = range[r].min;
    *max = range[r].max;
}

static const struct avm_need *need_of(const avm_state *st,
                                      const struct avm_uuid *uuid)
{
    return st->nr_needs ? bsearch(uuid, st->need, st->nr_needs,
                                  sizeof(*st->need), avm_uuid_cmp) : NULL;
}

void avm_need_apply(const avm_state *st, struct avm_domain *d,
                    struct avm_memory *m)
{
    const struct avm_need *n = need_of(st, &d->uuid);
    struct avm_limits *l = &m->limits;

    memset(l, 0, sizeof(*l));
    d->role = n ? n->role : AVM_ROLE_NORMAL;
    d->mode = n ? n->mode : AVM_MODE_INHERIT;
    d->held = n && n->held;
    avm_role_weights(d->role, &l->weight_min, &l->weight_max);
    if (!n)
        return;
    if (n->weight_min)
        l->weight_min = n->weight_min;
    if (n->weight_max)
        l->weight_max = n->weight_max;
    /* One limit of its own beyond the other one of the role moves that. */
    if (l->weight_min > l->weight_max) {
        if (n->weight_min)
            l->weight_max = l->weight_min;
        else
            l->weight_min = l->weight_max;
    }
    l->weight_explicit = n->weight_min || n->weight_max;
    l->cap_set = n->cap_set;
    l->cap_pct = n->cap_pct;
    l->affinity_set = n->affinity_set;
    l->affinity = n->affinity;
    l->net_max_bps = n->net_max_bps;
    l->net_in_max_bps = n->net_in_max_bps;
    l->disk_max_bps = n->disk_max_bps;
    l->cpu_min_permille = n->cpu_min_permille;
    l->cpu_min_since = n->cpu_min_since;
}

static bool need_ok(const struct avm_need *n)
{
    return n->role < AVM_NR_ROLES && n->mode < AVM_NR_MODES &&
           n->weight_min <= 65535 && n->weight_max <= 65535 &&
           (!n->weight_max || n->weight_min <= n->weight_max) &&
           (!n->cap_set || n->cap_pct <= UINT16_MAX) &&
           n->cpu_min_permille <= AVM_CPU_MIN_MAX &&
           (!n->cap_set || !n->cap_pct ||
            n->cpu_min_permille <= 10 * n->cap_pct) &&
           (!n->affinity_set || n->affinity);
}

int avm_state_needs(avm_state *st, const struct avm_need *need, size_t nr)
{
    struct avm_need *copy = calloc(nr ? nr : 1, sizeof(*copy));
    size_t i;

    if (!copy)
        return -1;
    if (nr) {
        memcpy(copy, need, nr * sizeof(*copy));
        qsort(copy, nr, sizeof(*copy), avm_uuid_cmp);
    }
    for (i = 0; i < nr; i++) {
        if (need_ok(&copy[i]) &&
            (!i || !avm_uuid_equal(&copy[i - 1].uuid, &copy[i].uuid)))
            continue;
        free(copy);
        errno = EINVAL;
        return -1;
    }

    free(st->need);
    st->need = copy;
    st->nr_needs = nr;

    for (i = 0; i < st->nr; i++)
        avm_need_apply(st, &st->dom[i], &st->mem[i]);
    return 0;
}
