/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pools: CPU pools, their schedulers and pCPUs. */
#include <errno.h>
#include <string.h>

#include "edge.h"

/* More pCPUs than any Xen is built for. */
#define MAX_PCPUS AVM_PCPUS_MAX

static void count_pcpus(const uint8_t *map, struct avm_pool *p)
{
    unsigned int i;

    for (i = 0; i < MAX_PCPUS; i++) {
        if (!(map[i / 8] & (1u << (i % 8))))
            continue;
        p->nr_pcpus++;
        if (i < 64)
            p->pcpus |= 1ull << i;
    }
}

int avm_pools_read(avm_handle *h, struct avm_host *host)
{
    uint32_t id = 0;

    memset(host, 0, sizeof(*host));

    /* Each call gives the pool with this id, or the next higher one. */
    while (host->nr_pools < AVM_MAX_POOLS) {
        struct xen_sysctl *s = avm_sysctl(h, XEN_SYSCTL_cpupool_op);
        struct xen_sysctl_cpupool_op *op = &s->u.cpupool_op;
        struct avm_pool *p = &host->pool[host->nr_pools];

        memset(h->list, 0, MAX_PCPUS / 8);
        op->op = XEN_SYSCTL_CPUPOOL_OP_INFO;
        op->cpupool_id = id;
        set_xen_guest_handle(op->cpumap.bitmap, h->list);
        op->cpumap.nr_bits = MAX_PCPUS;
        if (avm_do_sysctl(h) < 0) {
            if (errno == ENOENT)
                break;
            avm_error(h, "reading CPU pools: %s", strerror(errno));
            return -1;
        }
        if (op->cpupool_id < id) {
            avm_error(h, "reading CPU pools: nonsense from the hypervisor");
            errno = EIO;
            return -1;
        }

        p->id = op->cpupool_id;
        p->sched_id = op->sched_id;
        p->can = avm_sched_can(op->sched_id);
        count_pcpus(h->list, p);
        host->nr_pcpus += p->nr_pcpus;
        host->nr_pools++;
        id = p->id + 1;
    }
    return 0;
}

const struct avm_pool *avm_pool_find(const struct avm_host *host, uint32_t id)
{
    uint32_t i;

    for (i = 0; i < host->nr_pools; i++)
        if (host->pool[i].id == id)
            return &host->pool[i];
    return NULL;
}
