/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * monitor: what did a domain do between two readings of its counters?
 *
 * A counter that went backwards was reset (blkback does that, and a device that
 * was detached and attached again); nobody knows what was counted in between,
 * so that source is left out of this window rather than guessed.
 * So it is when devices came or went: one that was found only now has counted
 * since long before.
 */
#include <string.h>

#include "core.h"

#define NS_PER_S 1000000000ull

/* per_s(n, ns) = n * 10^9 / ns; 128 bit because n may be bytes. */
static uint64_t per_s(uint64_t n, uint64_t ns)
{
    unsigned __int128 r = (unsigned __int128)n * NS_PER_S / ns;

    return r > UINT64_MAX ? UINT64_MAX : (uint64_t)r;
}

static uint32_t per_s32(uint64_t n, uint64_t ns)
{
    return avm_clamp_u32(per_s(n, ns));
}

static uint32_t permille(uint64_t n, uint64_t of)
{
    return avm_clamp_u32(per_s(n, of) / (NS_PER_S / 1000));
}

/*
 * Wake to run latency below which 99 of 100 wake-ups stayed: the upper edge of
 * the bucket. Buckets wrap at 2^32, so they are subtracted at that width.
 */
static uint32_t latency_p99_us(const struct avm_counters *a,
                               const struct avm_counters *b)
{
    uint64_t nr = 0, seen = 0;
    uint32_t n[AVM_LATENCY_BUCKETS];
    unsigned int i;

    for (i = 0; i < AVM_LATENCY_BUCKETS; i++) {
        n[i] = (uint32_t)b->latency[i] - (uint32_t)a->latency[i];
        nr += n[i];
    }
    if (!nr)
        return 0;

    for (i = 0; i < AVM_LATENCY_BUCKETS; i++) {
        seen += n[i];
        if (seen * 100 >= nr * 99)
            break;
    }
    return 1u << i;
}

static bool records_ok(const struct avm_counters *a,
                       const struct avm_counters *b)
{
    return b->running_ns >= a->running_ns && b->runnable_ns >= a->runnable_ns &&
           b->blocked_ns >= a->blocked_ns && b->wakes >= a->wakes &&
           b->blocks >= a->blocks && b->preemptions >= a->preemptions &&
           b->yields >= a->yields &&
           b->events_interdomain >= a->events_interdomain &&
           b->events_virq >= a->events_virq &&
           b->events_pirq >= a->events_pirq &&
           b->events_ipi >= a->events_ipi &&
           b->events_runnable >= a->events_runnable;
}

static bool net_ok(const struct avm_counters *a, const struct avm_counters *b)
{
    return b->net_rx_bytes >= a->net_rx_bytes &&
           b->net_tx_bytes >= a->net_tx_bytes &&
           b->net_rx_packets >= a->net_rx_packets &&
           b->net_tx_packets >= a->net_tx_packets &&
           b->net_drops >= a->net_drops;
}

static bool disk_ok(const struct avm_counters *a, const struct avm_counters *b)
{
    return b->disk_rd_bytes >= a->disk_rd_bytes &&
           b->disk_wr_bytes >= a->disk_wr_bytes &&
           b->disk_rd_reqs >= a->disk_rd_reqs &&
           b->disk_wr_reqs >= a->disk_wr_reqs &&
           b->disk_oo_reqs >= a->disk_oo_reqs;
}

static void monitor_records(const struct avm_counters *a,
                            const struct avm_counters *b, uint64_t ns,
                            struct avm_window *w)
{
    uint64_t running_ns = b->running_ns - a->running_ns;
    uint64_t blocks = b->blocks - a->blocks;
    uint64_t io = b->events_interdomain - a->events_interdomain +
                  b->events_pirq - a->events_pirq;
    uint64_t virq = b->events_virq - a->events_virq;
    uint64_t ipi = b->events_ipi - a->events_ipi;

    /* Better than getdomaininfo: up to the very time of the call. */
    w->cpu_permille = permille(running_ns, ns);
    w->wait_permille = permille(b->runnable_ns - a->runnable_ns, ns);
    w->wakes_per_s = per_s32(b->wakes - a->wakes, ns);
    w->blocks_per_s = per_s32(blocks, ns);
    w->preemptions_per_s = per_s32(b->preemptions - a->preemptions, ns);
    w->yields_per_s = per_s32(b->yields - a->yields, ns);
    w->events_per_s = per_s32(io + virq + ipi, ns);
    w->events_io_per_s = per_s32(io, ns);
    w->events_virq_per_s = per_s32(virq, ns);
    w->events_runnable_per_s =
        per_s32(b->events_runnable - a->events_runnable, ns);
    /* One that never blocked has run in one burst, as far as we can tell. */
    w->burst_us = avm_clamp_u32(running_ns / (blocks ? blocks : 1) / 1000);
    w->latency_p99_us = latency_p99_us(a, b);
}

/* What is still the same source in both. */
static uint32_t sources(const struct avm_reading *then,
                        const struct avm_reading *now)
{
    const struct avm_counters *a = &then->count, *b = &now->count;
    uint32_t have = then->have & now->have;

    if (b->cpu_ns < a->cpu_ns)
        have &= ~AVM_HAVE_CPU;
    if (!records_ok(a, b))
        have &= ~AVM_HAVE_RECORDS;
    if (!net_ok(a, b) || then->net_devices != now->net_devices)
        have &= ~AVM_HAVE_NET;
    if (!disk_ok(a, b) || then->disk_devices != now->disk_devices)
        have &= ~AVM_HAVE_DISK;
    if (b->backend_us < a->backend_us ||
        then->backend_process != now->backend_process)
        have &= ~AVM_HAVE_BACKEND;
    if (b->psi_cpu_us < a->psi_cpu_us || then->psi_group != now->psi_group)
        have &= ~AVM_HAVE_PSI_CPU;
    if (b->psi_io_us < a->psi_io_us || then->psi_group != now->psi_group)
        have &= ~AVM_HAVE_PSI_IO;
    return have;
}

/* us in ns; more than all of the time is an artefact of when it was read. */
static uint32_t part(uint64_t us, uint64_t ns)
{
    return avm_min_u32(per_s32(us, ns) / 1000, 1000);
}

void avm_monitor_psi(const struct avm_psi *then, const struct avm_psi *now,
                     uint64_t ns, struct avm_psi_window *w)
{
    int i;

    memset(w, 0, sizeof(*w));
    for (i = 0; ns && i < AVM_NR_PSI; i++) {
        if (!(then->have & now->have & 1u << i) ||
            now->some_us[i] < then->some_us[i] ||
            now->full_us[i] < then->full_us[i])
            continue;
        w->have |= 1u << i;
        w->some_permille[i] = part(now->some_us[i] - then->some_us[i], ns);
        w->full_permille[i] = part(now->full_us[i] - then->full_us[i], ns);
    }
}

void avm_monitor(const struct avm_reading *then, const struct avm_reading *now,
                 struct avm_window *w)
{
    const struct avm_counters *a = &then->count, *b = &now->count;
    uint64_t ns;

    memset(w, 0, sizeof(*w));

    if (now->mono_ns <= then->mono_ns)
        return;
    ns = now->mono_ns - then->mono_ns;

    w->have = sources(then, now);
    /* Without CPU time there is nothing to hold the rest against. */
    if (!(w->have & (AVM_HAVE_CPU | AVM_HAVE_RECORDS))) {
        w->have = 0;
        return;
    }
    w->length_ns = ns;

    if (w->have & AVM_HAVE_CPU)
        w->cpu_permille = permille(b->cpu_ns - a->cpu_ns, ns);
    if (w->have & AVM_HAVE_RECORDS)
        monitor_records(a, b, ns, w);
    if (w->have & AVM_HAVE_NET) {
        uint64_t rx = b->net_rx_bytes - a->net_rx_bytes;
        uint64_t tx = b->net_tx_bytes - a->net_tx_bytes;

        w->net_rx_bps = per_s(rx, ns);
        w->net_tx_bps = per_s(tx, ns);
        w->net_bps = w->net_rx_bps + w->net_tx_bps;
        w->net_packets_per_s = per_s32(b->net_rx_packets - a->net_rx_packets +
                                       b->net_tx_packets - a->net_tx_packets,
                                       ns);
        w->net_drops_per_s = per_s32(b->net_drops - a->net_drops, ns);
    }
    if (w->have & AVM_HAVE_DISK) {
        w->disk_rd_bps = per_s(b->disk_rd_bytes - a->disk_rd_bytes, ns);
        w->disk_wr_bps = per_s(b->disk_wr_bytes - a->disk_wr_bytes, ns);
        w->disk_bps = w->disk_rd_bps + w->disk_wr_bps;
        w->disk_reqs_per_s = per_s32(b->disk_rd_reqs - a->disk_rd_reqs +
                                     b->disk_wr_reqs - a->disk_wr_reqs, ns);
        w->disk_oo_per_s = per_s32(b->disk_oo_reqs - a->disk_oo_reqs, ns);
    }
    if (w->have & AVM_HAVE_BACKEND)
        w->backend_permille = per_s32(b->backend_us - a->backend_us, ns) / 1000;
    if (w->have & AVM_HAVE_PSI_CPU)
        w->psi_cpu_permille = part(b->psi_cpu_us - a->psi_cpu_us, ns);
    if (w->have & AVM_HAVE_PSI_IO)
        w->psi_io_permille = part(b->psi_io_us - a->psi_io_us, ns);
}
