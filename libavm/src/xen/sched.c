/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sched: weight, cap and urgency of a domain (the activity scheduler has all of
 * them, credit and credit2 the first two), and where its vCPUs may run.
 */
#include <errno.h>
#include <string.h>

#include "edge.h"

/* pCPUs that an affinity can name in a call of ours. */
#define AFFINITY_BITS 4096

uint32_t avm_sched_can(uint32_t sched_id)
{
    switch (sched_id) {
    case XEN_SCHEDULER_ACTIVITY:
        return AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_URGENCY |
               AVM_CAN_AFFINITY | AVM_CAN_RECORDS;
    case XEN_SCHEDULER_CREDIT:
    case XEN_SCHEDULER_CREDIT2:
        return AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_AFFINITY;
    default:
        return AVM_CAN_AFFINITY;
    }
}

/* ------------------------------------------------------------------------ */
/* Affinity                                                                 */

void avm_sched_affinity(const struct avm_pool *pool, uint64_t low, bool others,
                        struct avm_params *p)
{
    /* Every pCPU there is: no matter how many bits Xen sets beyond these. */
    if (pool->pcpus && !(pool->pcpus & ~low) &&
        (others || pool->nr_pcpus <= 64)) {
        p->affinity = UINT64_MAX;
    } else if (low && !others) {
        p->affinity = low;
    } else { /* 64 bits cannot tell it */
        p->affinity = UINT64_MAX;
        p->can &= ~AVM_CAN_AFFINITY;
    }
}

/* The union of all vCPUs' hard affinities. */
static void affinity_get(avm_handle *h, const struct avm_pool *pool,
                         uint32_t domid, uint32_t max_vcpu,
                         struct avm_params *p)
{
    const uint8_t *map = h->list;
    uint64_t low = 0;
    bool high = false;
    uint32_t v;
    unsigned int i;

    for (v = 0; v <= max_vcpu; v++) {
        struct xen_domctl *op = avm_domctl(h, XEN_DOMCTL_getvcpuaffinity,
                                           domid);
        struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;

        memset(h->list, 0, AFFINITY_BITS / 8);
        a->vcpu = v;
        a->flags = XEN_VCPUAFFINITY_HARD;
        set_xen_guest_handle(a->cpumap_hard.bitmap, h->list);
        a->cpumap_hard.nr_bits = AFFINITY_BITS;
        if (avm_do_domctl(h) < 0) {
            p->can &= ~AVM_CAN_AFFINITY;
            return;
        }
        for (i = 0; i < 8; i++)
            low |= (uint64_t)map[i] << (8 * i);
        for (i = 8; i < AFFINITY_BITS / 8; i++)
            high |= map[i];
    }
    avm_sched_affinity(pool, low, high, p);
}

static int affinity_set(avm_handle *h, uint32_t domid, uint32_t max_vcpu,
                        uint64_t mask)
{
    uint8_t *map = h->list;
    uint32_t v;
    unsigned int i;

    for (v = 0; v <= max_vcpu; v++) {
        struct xen_domctl *op = avm_domctl(h, XEN_DOMCTL_setvcpuaffinity,
                                           domid);
        struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;

        /* Xen writes the effective affinity back: fill it in each time. */
        memset(map, mask == UINT64_MAX ? 0xff : 0, AFFINITY_BITS / 8);
        for (i = 0; i < 8; i++)
            map[i] = (uint8_t)(mask >> (8 * i));
        a->vcpu = v;
        a->flags = XEN_VCPUAFFINITY_HARD;
        set_xen_guest_handle(a->cpumap_hard.bitmap, h->list);
        a->cpumap_hard.nr_bits = AFFINITY_BITS;
        if (avm_do_domctl(h) < 0) {
            avm_error(h, "affinity of vCPU %u of domain %u: %s", v, domid,
                      strerror(errno));
            return -1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Scheduler parameters                                                     */

static struct xen_domctl *sched_op(avm_handle *h, uint32_t sched_id,
                                   uint32_t domid, uint32_t cmd)
{
    struct xen_domctl *op = avm_domctl(h, XEN_DOMCTL_scheduler_op, domid);

    op->u.scheduler_op.sched_id = sched_id;
    op->u.scheduler_op.cmd = cmd;
    return op;
}

int avm_sched_get(avm_handle *h, const struct avm_pool *pool, uint32_t domid,
                  uint32_t max_vcpu, struct avm_params *p)
{
    struct xen_domctl_sched_activity act;
    struct xen_domctl *op;

    memset(p, 0, sizeof(*p));
    p->affinity = UINT64_MAX;
    p->can = pool->can;

    if (p->can & AVM_CAN_WEIGHT) {
        op = sched_op(h, pool->sched_id, domid, XEN_DOMCTL_SCHEDOP_getinfo);
        if (avm_do_domctl(h) < 0)
            return -1;
        switch (pool->sched_id) {
        case XEN_SCHEDULER_ACTIVITY:
            /* Not in the domctl.h of a Xen that was not patched. */
            memcpy(&act, &op->u.scheduler_op.u, sizeof(act));
            p->weight = act.weight;
            p->cap_pct = act.cap;
            p->urgency = act.urgency;
            p->lease_ms = act.lease_ms;
            break;
        case XEN_SCHEDULER_CREDIT:
            p->weight = op->u.scheduler_op.u.credit.weight;
            p->cap_pct = op->u.scheduler_op.u.credit.cap;
            break;
        default:
            p->weight = op->u.scheduler_op.u.credit2.weight;
            p->cap_pct = op->u.scheduler_op.u.credit2.cap;
            break;
        }
    }
    affinity_get(h, pool, domid, max_vcpu, p);
    return 0;
}

static int set_activity(avm_handle *h, uint32_t domid, uint32_t set,
                        const struct avm_params *p)
{
    struct xen_domctl *op = sched_op(h, XEN_SCHEDULER_ACTIVITY, domid,
                                     XEN_DOMCTL_SCHEDOP_putinfo);
    struct xen_domctl_sched_activity act = { 0 };

    if (set & AVM_CAN_WEIGHT) {
        act.set |= XEN_SCHED_ACTIVITY_SET_WEIGHT;
        act.weight = p->weight;
    }
    if (set & AVM_CAN_CAP) {
        act.set |= XEN_SCHED_ACTIVITY_SET_CAP;
        act.cap = p->cap_pct;
    }
    if (set & AVM_CAN_URGENCY) {
        act.set |= XEN_SCHED_ACTIVITY_SET_URGENCY;
        act.urgency = p->urgency;
        if (p->urgency != AVM_URGENCY_NORMAL)
            act.lease_ms = p->lease_ms;
    }
    memcpy(&op->u.scheduler_op.u, &act, sizeof(act));
    return avm_do_domctl(h);
}

/*
 * Credit and credit2 take weight and cap together, so what is not to be changed
 * has to be read first; xl does the same.
 */
static int set_credit(avm_handle *h, uint32_t sched_id, uint32_t domid,
                      uint32_t set, const struct avm_params *p)
{
    struct xen_domctl *op = sched_op(h, sched_id, domid,
                                     XEN_DOMCTL_SCHEDOP_getinfo);
    uint16_t weight, cap;

    if (avm_do_domctl(h) < 0)
        return -1;
    if (sched_id == XEN_SCHEDULER_CREDIT) {
        weight = op->u.scheduler_op.u.credit.weight;
        cap = op->u.scheduler_op.u.credit.cap;
    } else {
        weight = op->u.scheduler_op.u.credit2.weight;
        cap = op->u.scheduler_op.u.credit2.cap;
    }
    if (set & AVM_CAN_WEIGHT)
        weight = p->weight;
    if (set & AVM_CAN_CAP)
        cap = p->cap_pct;

    op = sched_op(h, sched_id, domid, XEN_DOMCTL_SCHEDOP_putinfo);
    if (sched_id == XEN_SCHEDULER_CREDIT) {
        op->u.scheduler_op.u.credit.weight = weight;
        op->u.scheduler_op.u.credit.cap = cap;
    } else {
        op->u.scheduler_op.u.credit2.weight = weight;
        op->u.scheduler_op.u.credit2.cap = cap;
    }
    return avm_do_domctl(h);
}

static bool in_range(uint32_t set, const struct avm_params *p,
                     uint32_t max_vcpu)
{
    if ((set & AVM_CAN_WEIGHT) &&
        (p->weight < XEN_SCHED_ACTIVITY_WEIGHT_MIN ||
         p->weight > XEN_SCHED_ACTIVITY_WEIGHT_MAX))
        return false;
    if ((set & AVM_CAN_CAP) &&
        (p->cap_pct > 100ull * (max_vcpu + 1) || p->cap_pct > UINT16_MAX))
        return false;
    if ((set & AVM_CAN_URGENCY) &&
        (p->urgency > XEN_SCHED_ACTIVITY_URGENCY_MAX ||
         (p->urgency != XEN_SCHED_ACTIVITY_URGENCY_NORMAL &&
          (p->lease_ms < XEN_SCHED_ACTIVITY_LEASE_MS_MIN ||
           p->lease_ms > XEN_SCHED_ACTIVITY_LEASE_MS_MAX))))
        return false;
    return !(set & AVM_CAN_AFFINITY) || p->affinity;
}

int avm_sched_set(avm_handle *h, const struct avm_pool *pool, uint32_t domid,
                  uint32_t max_vcpu, uint32_t set, const struct avm_params *p)
{
    uint32_t sched = set & (AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_URGENCY);

    if (set & ~pool->can) {
        avm_error(h, "the scheduler of pool %u (%s) cannot do that", pool->id,
                  avm_scheduler_name(pool->sched_id));
        errno = ENOTSUP;
        return -1;
    }
    if (!set || (set & AVM_CAN_RECORDS) || !in_range(set, p, max_vcpu)) {
        avm_error(h, "a value for domain %u is out of range", domid);
        errno = EINVAL;
        return -1;
    }
    if (sched) {
        int r = pool->sched_id == XEN_SCHEDULER_ACTIVITY ?
                set_activity(h, domid, sched, p) :
                set_credit(h, pool->sched_id, domid, sched, p);

        if (r < 0) {
            avm_error(h, "scheduler parameters of domain %u: %s", domid,
                      strerror(errno));
            return -1;
        }
    }
    if (set & AVM_CAN_AFFINITY)
        return affinity_set(h, domid, max_vcpu, p->affinity);
    return 0;
}
