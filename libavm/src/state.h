/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of the loop: written by state.c, read by report.c. */
#ifndef AVM_STATE_H
#define AVM_STATE_H

#include "core/core.h"

struct avm_state {
    struct avm_config config;
    struct avm_host host;
    uint64_t last_ns;            /* time of the last sample                  */

    size_t nr;                   /* dom[i] and mem[i] belong together        */
    struct avm_domain *dom;
    struct avm_memory *mem;

    size_t nr_restored;          /* from the journal, not seen yet           */
    struct avm_memory *restored;

    size_t nr_needs;
    struct avm_need *need;

    size_t nr_foreign;
    struct avm_change *foreign;

    struct avm_budget budget;
    struct avm_plan *last_plan;  /* for explain; NULL before the first       */
};

#endif /* AVM_STATE_H */
