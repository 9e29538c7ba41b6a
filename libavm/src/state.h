/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of the loop. What each of its files has for the others is below: all of
 * them may call find.c, and only state.c, which makes and ends it, the rest.
 */
#ifndef AVM_STATE_H
#define AVM_STATE_H

#include "core/core.h"

#define AVM_NS_PER_MS 1000000ull
#define AVM_BUDGET_MAX 10000

/* Finds a domain by its UUID, which two of them may have for a moment. */
struct avm_by_uuid {
    struct avm_uuid uuid;
    size_t at;                   /* in dom[] and mem[]                       */
};

struct avm_state {
    struct avm_config config;
    struct avm_models models;
    struct avm_host host;
    uint64_t last_ns;            /* time of the last sample                  */
    struct {
        uint64_t mono_ns;
        struct avm_psi psi;
    } psi_reading[AVM_HISTORY + 1]; /* of the last samples, the newest first */
    unsigned int psi_readings;
    struct avm_psi_window psi;

    size_t nr;                   /* dom[i] and mem[i] belong together        */
    struct avm_domain *dom;
    struct avm_memory *mem;
    struct avm_by_uuid *by_uuid; /* nr of them, ascending (uuid, at)         */
    size_t room, spare_room;     /* of dom and mem, and of those ...         */
    struct avm_domain *spare_dom; /* ... that the next sample goes to        */
    struct avm_memory *spare_mem;

    size_t nr_restored;          /* from the journal, not seen yet           */
    struct avm_memory *restored;

    size_t nr_needs;
    struct avm_need *need;       /* ascending UUID                           */

    size_t nr_learned, learned_room;
    struct avm_learned_of **learned; /* ascending UUID                       */

    size_t nr_foreign;
    struct avm_change *foreign;

    struct avm_budget budget;
    uint64_t flip_flops;
    struct avm_plan *last_plan;  /* for explain; NULL before the first       */
};

/* ------------------------------------------------------------------------ */
/* find.c                                                                   */

/* For everything that begins with its UUID, and for a UUID alone. */
int avm_uuid_cmp(const void *a, const void *b);
/* As avm_state.by_uuid; the caller frees it. NULL: no memory. */
struct avm_by_uuid *avm_by_uuid_new(const struct avm_sample *s);
/* NULL: it is not there. */
struct avm_memory *avm_memory_of(const avm_state *st,
                                 const struct avm_uuid *uuid, uint32_t domid);

/* ------------------------------------------------------------------------ */
/* needs.c                                                                  */

/* Role, mode, hold and limits of one domain. */
void avm_need_apply(const avm_state *st, struct avm_domain *d,
                    struct avm_memory *m);

/* ------------------------------------------------------------------------ */
/* pasts.c                                                                  */

struct avm_learned_of *avm_past_of(const avm_state *st,
                                   const struct avm_uuid *uuid);
/* Each of these UUIDs, which ascend, has one. -1: no memory. */
int avm_pasts_for(avm_state *st, const struct avm_by_uuid *by_uuid, size_t nr);
/* Too many that are gone: half of them go, those that are gone for longest. */
void avm_pasts_limit(avm_state *st, size_t nr_there, uint64_t now_ns);

/* ------------------------------------------------------------------------ */
/* changes.c                                                                */

void avm_restored_sort(avm_state *st);
/* What the journal knows; once they are sorted. */
const struct avm_memory *avm_restored_of(const avm_state *st,
                                         const struct avm_uuid *uuid,
                                         uint32_t domid);

#endif /* AVM_STATE_H */
