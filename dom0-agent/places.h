/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where needs want their domains to run, as pCPUs of this host. */
#ifndef AGENT_PLACES_H
#define AGENT_PLACES_H

#include "avm.h"
#include "db.h"
#include "store.h"

/* What the need of a domain that runs says, and means. */
struct need_place {
    struct avm_uuid uuid;
    uint32_t domid;
    char cpus[AVM_CPUS_LEN];
    uint64_t mask;              /* a value of AVM_KNOB_AFFINITY             */
    char why[256];              /* it means nothing here; "" if it does     */
};

struct places {
    struct need_place *place;
    size_t nr;
    struct avm_topology *topology; /* NULL: not read (yet)                  */
    struct avm_host host;       /* as of then                               */
    bool said_topology;
};

struct agent;
struct avm_json;
struct avm_plan;

/*
 * What the needs of running domains say becomes affinities in need[i], which
 * belongs to list[i]. What means nothing here leaves its domain where it is,
 * and is said in the log once. 0, or -1 with errno.
 */
int places_find(struct agent *a, const struct db_need *list,
                struct avm_need *need, size_t nr);
/* What a request is to be checked against; good until the next call. */
struct where places_where(struct agent *a);

/* The reasons of a plan, with what was said. */
void places_explain(const struct agent *a, struct avm_plan *plan);
/* [{"uuid":S,"cpus":S,"pcpus":S or null,"why":S},...]; d NULL: of all. */
void places_put(const struct agent *a, const struct avm_domain *d,
                struct avm_json *j, const char *key);
void places_free(struct places *p);

#endif
