/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of libavm's core have in common: hosts and domains. */
#ifndef CORE_FIXTURE_H
#define CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"

#define CAN_ALL (AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_URGENCY | \
                 AVM_CAN_AFFINITY | AVM_CAN_RECORDS)
#define HAVE_ALL (AVM_HAVE_CPU | AVM_HAVE_RECORDS | AVM_HAVE_NET | \
                  AVM_HAVE_DISK)

static inline struct avm_uuid uuid_of(uint32_t n)
{
    struct avm_uuid u = { { 0xa5 } };

    memcpy(&u.b[4], &n, sizeof(n));
    return u;
}

/* One pool, sched=activity. */
static inline struct avm_host host_of(uint32_t nr_pcpus)
{
    struct avm_host h = { .nr_pcpus = nr_pcpus, .nr_pools = 1 };

    h.pool[0].sched_id = 10;
    h.pool[0].nr_pcpus = nr_pcpus;
    h.pool[0].can = CAN_ALL;
    h.pool[0].pcpus = nr_pcpus >= 64 ? UINT64_MAX : (1ull << nr_pcpus) - 1;
    return h;
}

/* A domain as evaluate leaves it, one vCPU, anywhere in pool 0. */
static inline struct avm_domain domain_of(uint32_t n, enum avm_role role,
                                          enum avm_class klass, uint32_t cpu,
                                          uint32_t wait)
{
    struct avm_domain d = {
        .uuid = uuid_of(n), .domid = n, .nr_vcpus = 1, .role = role,
        .klass = klass, .confidence_permille = 1000,
        .params = { .can = CAN_ALL, .weight = 256, .affinity = UINT64_MAX },
        .smooth = { .have = HAVE_ALL, .length_ns = 1000000000,
                    .cpu_permille = cpu, .wait_permille = wait },
    };

    if (cpu + wait > 5)
        d.pressure_permille[AVM_RES_CPU] = 1000 * wait / (cpu + wait);
    if (klass == AVM_CLASS_CPU) {
        d.smooth.burst_us = cpu * 1000;
    } else {
        d.smooth.wakes_per_s = klass == AVM_CLASS_IDLE ? 3 : 20;
        d.smooth.burst_us = 1000;
        d.smooth.latency_p99_us = wait * 10;
    }
    return d;
}

/* The memory that goes with it. */
static inline struct avm_memory memory_for(const struct avm_domain *d)
{
    struct avm_memory m = {
        .uuid = d->uuid, .domid = d->domid, .pool = d->pool, .present = true,
    };

    avm_role_weights(d->role, &m.limits.weight_min, &m.limits.weight_max);
    return m;
}

/* Room for decide and resolve. */
#define FIXTURE_MAX 64

struct fixture_room {
    size_t z[2 * FIXTURE_MAX];
    uint32_t u[AVM_SCRATCH_U32 * FIXTURE_MAX];
    struct avm_scratch s;
};

static inline struct avm_scratch *room_init(struct fixture_room *r)
{
    avm_scratch_init(&r->s, FIXTURE_MAX, r->z, r->u);
    return &r->s;
}

/* Small, fast, and the same on every machine. */
static inline uint32_t fixture_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 33;
}

#endif /* CORE_FIXTURE_H */
