/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that need only the database: need-set, need-list, need-rm,
 * need-import, history; and model-show and model-forget, if avmd does not run.
 * avmd answers them; without avmd, avm calls the same code itself.
 */
#ifndef AGENT_STORE_H
#define AGENT_STORE_H

#include "db.h"
#include "request.h"

/* A domain as people name it. */
struct who {
    struct avm_uuid uuid;
    char name[AVM_NAME_LEN];
    int64_t domid;              /* -1: does not run */
    uint32_t pool;              /* if it runs       */
};

/* The pCPUs of this host, for what a need says of them. */
struct where {
    const struct avm_topology *topology; /* NULL: not known */
    const struct avm_host *host;
};

/*
 * Finds a domain by domid, UUID or name (in this order, as xl does), among the
 * running ones, then by name in the database. A UUID is found in any case.
 * NULL, or an answer that says that there is none.
 */
char *who_find(struct db *db, const struct who *running, size_t nr,
               const char *text, struct who *who);

/*
 * One element of "domains" of the answer to model-show. 'whole': with all of its
 * buckets. seen_ns is CLOCK_REALTIME, 0: now.
 */
struct avm_json;
void store_put_learned(struct avm_json *j, const struct who *who,
                       int64_t seen_ns, const struct avm_learned *l,
                       bool whole);
char *store_nothing_learned(const struct who *who);

/*
 * NULL if the request is not one of these. where NULL: there is no Xen to ask, so
 * that of pCPUs only the syntax is checked.
 */
char *store_answer(struct db *db, const struct who *running, size_t nr,
                   const struct where *where, const struct request *req);

#endif
