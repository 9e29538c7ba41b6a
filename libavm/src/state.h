/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of the loop: written by state.c, read by report.c. */
#ifndef AVM_STATE_H
#define AVM_STATE_H

#include "core/core.h"

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

#endif /* AVM_STATE_H */
