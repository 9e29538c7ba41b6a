/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "avm_json.h"
#include "log.h"
#include "places.h"
#include "request.h"

/* Asked once, and again when pCPUs come, go, or change their pool. */
static const struct avm_topology *topology(struct agent *a)
{
    const struct avm_host *host = avm_state_host(a->st);
    struct places *p = &a->places;

    if (p->topology && !memcmp(&p->host, host, sizeof(*host)))
        return p->topology;
    avm_topology_free(p->topology);
    p->topology = NULL;
    if (avm_topology_read(a->h, &p->topology)) {
        p->topology = NULL;
        log_trouble(&p->said_topology, true, "the topology of the pCPUs "
                    "cannot be read: %s", strerror(errno));
        return NULL;
    }
    p->host = *host;
    log_trouble(&p->said_topology, false,
                "the topology of the pCPUs can be read again");
    return p->topology;
}

struct where places_where(struct agent *a)
{
    return (struct where){
        .topology = topology(a), .host = avm_state_host(a->st),
    };
}

static const struct avm_pool *pool_of(const struct agent *a,
                                      const struct avm_domain *d)
{
    const struct avm_host *host = avm_state_host(a->st);
    uint32_t i;

    for (i = 0; i < host->nr_pools; i++)
        if (host->pool[i].id == d->pool)
            return &host->pool[i];
    return NULL;
}

static const struct need_place *place_of(const struct agent *a,
                                    const struct avm_uuid *uuid,
                                    uint32_t domid)
{
    const struct need_place *p = a->places.place;
    size_t i;

    for (i = 0; i < a->places.nr; i++)
        if (p[i].domid == domid && avm_uuid_equal(&p[i].uuid, uuid))
            return &p[i];
    return NULL;
}

/* Once for each thing that can be wrong with it, and when it is over. */
static void tell(const struct agent *a, const struct avm_domain *d,
                 const struct need_place *now)
{
    const struct need_place *was = place_of(a, &now->uuid, now->domid);
    bool same = was && !strcmp(was->cpus, now->cpus);

    if (now->why[0] && !(same && !strcmp(was->why, now->why)))
        log_line(LOG_WARN, "%s (%u): affinity: %s; it stays where it is",
                 d->untrusted_name, d->domid, now->why);
    else if (!now->why[0] && same && was->why[0])
        log_line(LOG_INFO, "%s (%u): affinity: %s can be had again",
                 d->untrusted_name, d->domid, now->cpus);
}

static void find_one(struct agent *a, const struct avm_domain *d,
                     struct need_place *p, struct avm_need *need)
{
    /* What is fixed does without: no call for those who use no names. */
    const struct avm_topology *t = need->affinity_set ? NULL : topology(a);
    const struct avm_pool *pool = pool_of(a, d);

    if (!pool)
        snprintf(p->why, sizeof(p->why), "its CPU pool is gone");
    else if (avm_cpus_resolve(p->cpus, t, pool, &p->mask, p->why,
                              sizeof(p->why)))
        pool = NULL;
    else
        p->why[0] = '\0';
    /* To want what it has changes nothing, and gives nothing back either. */
    if (!pool)
        p->mask = d->params.affinity;
    /* On its way out, its parameters may be unknown: then there is no wish. */
    need->affinity = p->mask;
    need->affinity_set = p->mask;
}

int places_find(struct agent *a, const struct db_need *list,
                struct avm_need *need, size_t nr)
{
    struct need_place *place = calloc(nr + 1, sizeof(*place));
    const struct avm_domain *d;
    size_t i, n = 0;

    if (!place)
        return -1;
    for (i = 0; i < nr; i++) {
        d = list[i].cpus[0] ? avm_domain_by_uuid(a->st, &need[i].uuid) : NULL;
        if (!d)
            continue;
        place[n].uuid = d->uuid;
        place[n].domid = d->domid;
        memcpy(place[n].cpus, list[i].cpus, sizeof(place[n].cpus));
        find_one(a, d, &place[n], &need[i]);
        tell(a, d, &place[n++]);
    }
    free(a->places.place);
    a->places.place = place;
    a->places.nr = n;
    return 0;
}

/* libavm knows the pCPUs, and not what they were called. */
void places_explain(const struct agent *a, struct avm_plan *plan)
{
    char pcpus[KNOB_STR_LEN];
    const struct need_place *p;
    size_t i;

    for (i = 0; i < plan->nr; i++) {
        struct avm_change *c = &plan->change[i];

        p = c->knob == AVM_KNOB_AFFINITY ? place_of(a, &c->uuid, c->domid)
                                         : NULL;
        if (!p || p->why[0] || p->mask != c->after ||
            !strcmp(cpus_str(p->mask, pcpus, sizeof(pcpus)), p->cpus))
            continue;
        snprintf(c->reason, sizeof(c->reason),
                 "its need asks for %.80s: pCPUs %.80s", p->cpus, pcpus);
    }
}

void places_put(const struct agent *a, const struct avm_domain *d,
                struct avm_json *j, const char *key)
{
    char uuid[AVM_UUID_STR_LEN], pcpus[KNOB_STR_LEN];
    const struct need_place *p;
    size_t i;

    avm_json_array(j, key);
    for (i = 0; i < a->places.nr; i++) {
        p = &a->places.place[i];
        if (d && !avm_uuid_equal(&p->uuid, &d->uuid))
            continue;
        avm_json_object(j, NULL);
        avm_json_str(j, "uuid", avm_uuid_str(&p->uuid, uuid));
        avm_json_str(j, "cpus", p->cpus);
        if (p->why[0])
            avm_json_null(j, "pcpus");
        else
            avm_json_str(j, "pcpus", cpus_str(p->mask, pcpus, sizeof(pcpus)));
        avm_json_str(j, "why", p->why);
        avm_json_end(j);
    }
    avm_json_end(j);
}

void places_free(struct places *p)
{
    free(p->place);
    avm_topology_free(p->topology);
    *p = (struct places){ 0 };
}
