/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verdict: does it lack anything, and is that for us to give? What waits for a
 * back-end, its own limit or its own lock is not helped by more of a CPU, and the
 * administrator wants to know which of them it is. The first that is true counts:
 * what is set on purpose comes before what was measured.
 */
#include <stdio.h>

#include "core.h"

/* A guest at its limit has this much of it: windows and buckets do not align. */
#define AT_LIMIT_PERMILLE 900
#define AT_CAP_PERMILLE   950

/* A back-end that waits for a fifth of its busy time makes each request late. */
#define BACKEND_WAITS_PERMILLE 200
/* Fewer events of devices than that, and nobody notices a late one. */
#define BACKEND_EVENTS_PER_S   50

/*
 * Of the time some task of dom0 waited for a vCPU, or all of them for memory: what
 * then is late may be the one that serves the guest, or not. Hence the verdict is
 * that only if there is nothing better.
 */
#define DOM0_CPU_PERMILLE    500
#define DOM0_MEMORY_PERMILLE 100

/*
 * A limit may hold it back long before the average shows it, if what it does comes
 * in bursts: its back-end waits for I/O then, much of the time.
 */
#define HELD_BACK_PERMILLE  300
#define HALF_LIMIT_PERMILLE 500

/* One packet, or request, in 20: retransmissions and full rings can be felt. */
#define LOST_PERMILLE 50

/*
 * Linux yields when it waits for a lock that a vCPU holds which does not run. More
 * often than its tick (250/s) is no accident.
 */
#define LOCK_YIELDS_PER_S 250

/* As in decide.c: what a user can begin to notice. */
#define WAITS_PERMILLE 50
#define WAITS_P99_US   500

#define SAY(d, v, ...) \
    do { (d)->verdict = (v); avm_text((d)->verdict_why, __VA_ARGS__); } while (0)

static bool reaches(uint64_t used, uint64_t limit, unsigned int permille)
{
    /* In this order neither overflows nor is lost for small limits. */
    return limit && used >= limit / 1000 * permille;
}

static bool at_limit(uint64_t used, uint64_t limit)
{
    return reaches(used, limit, AT_LIMIT_PERMILLE);
}

static bool held_back(const struct avm_window *w)
{
    return (w->have & AVM_HAVE_PSI_IO) &&
           w->psi_io_permille >= HELD_BACK_PERMILLE;
}

static bool at_cap(const struct avm_domain *d)
{
    const struct avm_params *p = &d->params;

    return (p->can & AVM_CAN_CAP) && p->cap_pct &&
           d->smooth.cpu_permille >= p->cap_pct * AT_CAP_PERMILLE / 100;
}

static bool limits(struct avm_domain *d)
{
    const struct avm_window *w = &d->smooth;
    const struct avm_params *p = &d->params;
    uint64_t disk = w->disk_rd_bps > w->disk_wr_bps ? w->disk_rd_bps :
                                                      w->disk_wr_bps;

    if (at_cap(d))
        SAY(d, AVM_VERDICT_CAP, "it uses all of its cap of %u%%: only a higher "
            "cap gives it more", p->cap_pct);
    else if ((p->can & AVM_CAN_NET_OUT) &&
             at_limit(w->net_tx_bps, p->net_out_max_bps))
        SAY(d, AVM_VERDICT_NET_LIMIT, "it sends all of the %llu kB/s that it "
            "may: only a higher limit gives it more",
            (unsigned long long)p->net_out_max_bps / 1000);
    else if ((p->can & AVM_CAN_NET_IN) &&
             at_limit(w->net_rx_bps, p->net_in_max_bps))
        SAY(d, AVM_VERDICT_NET_LIMIT, "it receives all of the %llu kB/s that "
            "it may: only a higher limit gives it more",
            (unsigned long long)p->net_in_max_bps / 1000);
    else if ((p->can & AVM_CAN_DISK) && at_limit(disk, p->disk_max_bps))
        SAY(d, AVM_VERDICT_DISK_LIMIT, "it reads or writes all of the %llu "
            "kB/s that it may: only a higher limit gives it more",
            (unsigned long long)p->disk_max_bps / 1000);
    else if ((p->can & AVM_CAN_DISK) && held_back(w) &&
             reaches(disk, p->disk_max_bps, HALF_LIMIT_PERMILLE))
        SAY(d, AVM_VERDICT_DISK_LIMIT, "its limit of %llu kB/s holds it back: "
            "who serves its disks waits %u%% of the time for them",
            (unsigned long long)p->disk_max_bps / 1000,
            w->psi_io_permille / 10);
    else
        return false;
    return true;
}

/* It has devices, and they are used. */
static bool uses_devices(const struct avm_domain *d)
{
    return ((d->smooth.have & (AVM_HAVE_NET | AVM_HAVE_DISK)) ||
            d->net_served_by || d->disk_served_by) &&
           d->smooth.events_io_per_s >= BACKEND_EVENTS_PER_S;
}

static bool devices(struct avm_domain *d, const struct avm_domain *backend)
{
    uint32_t waits = backend ? backend->pressure_permille[AVM_RES_CPU] : 0;

    if (backend != d && waits >= BACKEND_WAITS_PERMILLE &&
        uses_devices(d))
        SAY(d, AVM_VERDICT_BACKEND, "domain %u, which serves its devices, waits "
            "%u%% of its busy time for a CPU: give that one a pCPU of its own "
            "or a higher weight", backend->domid, waits / 10);
    else if (d->pressure_permille[AVM_RES_DISK] > LOST_PERMILLE)
        SAY(d, AVM_VERDICT_DISK_RING, "%u%% of its disk requests wait for a free "
            "place in the ring or a grant: that is a limit of blkback's "
            "(max_ring_page_order, max_persistent_grants)",
            d->pressure_permille[AVM_RES_DISK] / 10);
    else if (d->pressure_permille[AVM_RES_NET] > LOST_PERMILLE)
        SAY(d, AVM_VERDICT_NET_DROPS, "%u%% of its packets are dropped: its "
            "ring is full, or a queue of dom0 is",
            d->pressure_permille[AVM_RES_NET] / 10);
    else
        return false;
    return true;
}

static bool lacks(const struct avm_psi_window *psi, enum avm_psi_resource r,
                  const uint32_t *permille, uint32_t much)
{
    return (psi->have & 1u << r) && permille[r] >= much;
}

/* Nothing else is to be found: what goes on in dom0? */
static bool dom0_lacks(struct avm_domain *d, const struct avm_domain *backend,
                       const struct avm_psi_window *psi)
{
    if (!backend || !(backend->flags & AVM_DOM_CONTROL) || backend == d ||
        !psi || !uses_devices(d))
        return false;
    if (lacks(psi, AVM_PSI_MEMORY, psi->full_permille, DOM0_MEMORY_PERMILLE))
        SAY(d, AVM_VERDICT_BACKEND, "domain %u, which serves its devices, stands "
            "still %u%% of the time for want of memory", backend->domid,
            psi->full_permille[AVM_PSI_MEMORY] / 10);
    else if (lacks(psi, AVM_PSI_CPU, psi->some_permille, DOM0_CPU_PERMILLE))
        SAY(d, AVM_VERDICT_BACKEND, "in domain %u, which serves its devices, "
            "something waits %u%% of the time for a vCPU: give it more of them, "
            "or less else to do", backend->domid,
            psi->some_permille[AVM_PSI_CPU] / 10);
    else
        return false;
    return true;
}

void avm_judge(struct avm_domain *d, const struct avm_domain *backend,
               const struct avm_psi_window *psi)
{
    const struct avm_window *w = &d->smooth;
    uint32_t p = d->pressure_permille[AVM_RES_CPU];

    if (!w->length_ns) {
        SAY(d, AVM_VERDICT_NO_DATA, "not enough data yet");
    } else if (limits(d) || devices(d, backend)) {
        return;
    } else if (!(w->have & AVM_HAVE_RECORDS)) {
        SAY(d, AVM_VERDICT_NO_DATA, "this scheduler does not tell who waits");
    } else if (d->nr_vcpus > 1 && w->yields_per_s >= LOCK_YIELDS_PER_S) {
        SAY(d, AVM_VERDICT_LOCK, "it gives up its pCPU %u times/s to wait for a "
            "lock of its own: fewer vCPUs, or all of them at the same time, "
            "would help", w->yields_per_s);
    } else if (p >= WAITS_PERMILLE || w->latency_p99_us >= WAITS_P99_US) {
        SAY(d, AVM_VERDICT_CPU, "it waits for a CPU: %u%% of its busy time, and "
            "99%% of its wake-ups within %u us", p / 10, w->latency_p99_us);
    } else if (!dom0_lacks(d, backend, psi)) {
        SAY(d, AVM_VERDICT_NONE, "it hardly ever waits for a CPU (%u.%u%% of "
            "its busy time): more would not help", p / 10, p % 10);
    }
}
