/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * evaluate: what kind of work is this, and does it have to wait for anything?
 *
 * Each class has a usage model: a few statements about measured figures, each
 * true to a degree (0 .. 1000 permille). A class fits as well as its weakest
 * statement. The class that fits best wins; below FIT_MIN nothing does.
 */
#include <stdio.h>
#include <string.h>

#include "core.h"

enum metric {
    M_CPU,          /* permille of a pCPU: running                           */
    M_DEMAND,       /* running and runnable, at most 1000 for each vCPU      */
    M_WAKES,        /* per second                                            */
    M_BURST_US,     /* run time per block                                    */
    M_IO,           /* packets + 4 * disk requests, per second               */
    M_NET,          /* packets per second                                    */
    M_DISK,         /* disk requests per second                              */
    M_NET_SHARE,    /* permille of M_IO that is packets                      */
    M_US_PER_IO,    /* CPU time per unit of M_IO, microseconds               */
    NR_METRICS,
};

/* These exist only with the scheduler's records. */
#define RECORD_METRICS (1u << M_DEMAND | 1u << M_WAKES | 1u << M_BURST_US)

/* A figure between 'no' and 'yes' counts in proportion; 'yes' may be below. */
struct statement {
    enum metric metric;
    uint32_t no, yes;
};

struct model {
    enum avm_class klass;
    struct statement st[6];
    unsigned int nr;
};

/*
 * A disk request moves 4 KiB and more, a packet 1.5 KiB at most, hence the 4 in
 * M_IO. Figures for an idle Linux guest and so on were seen on real Xen; slow
 * (emulated) and fast machines differ by ten times in what an I/O costs, so the
 * limits on that are wide apart.
 */
static const struct model model[] = {
    { AVM_CLASS_IDLE, {
        /* An idle Linux guest uses 1 to 5 permille, in 2 to 10 wake-ups. */
        { M_CPU, 40, 10 },
        /* Low use alone may be starvation: then it waits most of the time. */
        { M_DEMAND, 400, 150 },
        /* Broadcasts and ARP of a quiet bridge stay well below this. */
        { M_NET, 200, 50 },
        /* Log files and a journal's flush every 5 s. */
        { M_DISK, 40, 10 },
    }, 4 },
    { AVM_CLASS_CPU, {
        /* It wants (nearly) a whole pCPU, whether it gets it or not. */
        { M_DEMAND, 500, 850 },
        /* Long bursts: a guest that serves requests blocks after each. */
        { M_BURST_US, 500, 4000 },
        /* I/O is a side effect: 1 ms of computing and more for each. */
        { M_US_PER_IO, 1000, 4000 },
        { M_IO, 400, 100 },
    }, 4 },
    { AVM_CLASS_NET, {
        { M_NET, 40, 120 },
        { M_NET_SHARE, 300, 600 },
        /*
         * The packets explain the CPU time. A packet costs 5 us on a fast
         * host and 100 us on an emulated one, serving it as much again.
         */
        { M_US_PER_IO, 8000, 2000 },
    }, 3 },
    { AVM_CLASS_DISK, {
        { M_DISK, 8, 30 },
        { M_NET_SHARE, 700, 400 },
        { M_US_PER_IO, 8000, 2000 },
    }, 3 },
    { AVM_CLASS_MIXED, {
        /* Computes as if alone, and I/O is more than a side effect. */
        { M_DEMAND, 500, 850 },
        { M_IO, 100, 400 },
        { M_US_PER_IO, 500, 2000 },
    }, 3 },
    { AVM_CLASS_TIME_CRITICAL, {
        /* Periodic work: audio 100 Hz, control loops 10 Hz and up. */
        { M_WAKES, 3, 8 },
        /* Done soon: what takes longer than 30 ms is not latency bound. */
        { M_BURST_US, 30000, 12000 },
        /* More than an idle guest's housekeeping. */
        { M_CPU, 10, 30 },
        { M_CPU, 900, 600 },
        { M_IO, 200, 50 },
    }, 5 },
};

/* Below this nothing fits. */
#define FIT_MIN 400

/* A class that is already there stays unless another fits this much better. */
#define STICK_PERMILLE 150

/* The administrator's word that it is time-critical counts for that much. */
#define DECLARED_PERMILLE 300

/*
 * Without that word a periodic guest may just be a busy desktop: never sure.
 * And without the scheduler's records nothing is.
 */
#define UNDECLARED_MAX 600
#define NO_RECORDS_MAX 600

static uint32_t truth(const struct statement *s, uint32_t v)
{
    bool rising = s->yes > s->no;
    uint32_t lo = rising ? s->no : s->yes, hi = rising ? s->yes : s->no, t;

    if (v <= lo)
        t = 0;
    else if (v >= hi)
        t = 1000;
    else
        t = (uint64_t)(v - lo) * 1000 / (hi - lo);
    return rising ? t : 1000 - t;
}

/* What it would use if there were nobody else and no cap. */
static uint64_t wanted_permille(const struct avm_domain *d)
{
    const struct avm_window *w = &d->smooth;
    uint64_t wanted = (uint64_t)w->cpu_permille + w->wait_permille;
    uint64_t most = 1000ull * (d->nr_vcpus ? d->nr_vcpus : 1);

    return wanted < most ? wanted : most;
}

uint32_t avm_demand_permille(const struct avm_domain *d)
{
    uint64_t demand = wanted_permille(d), most = UINT64_MAX;

    if ((d->params.can & AVM_CAN_CAP) && d->params.cap_pct)
        most = 10ull * d->params.cap_pct;
    return avm_clamp_u32(demand < most ? demand : most);
}

static void measure(const struct avm_domain *d, uint32_t *m)
{
    const struct avm_window *w = &d->smooth;
    uint64_t io = (uint64_t)w->net_packets_per_s + 4ull * w->disk_reqs_per_s;

    m[M_CPU] = w->cpu_permille;
    /* A cap is no part of what it is. */
    m[M_DEMAND] = avm_clamp_u32(wanted_permille(d));
    m[M_WAKES] = w->wakes_per_s;
    m[M_BURST_US] = w->burst_us;
    m[M_IO] = avm_clamp_u32(io);
    m[M_NET] = w->net_packets_per_s;
    m[M_DISK] = w->disk_reqs_per_s;
    m[M_NET_SHARE] = io ? 1000ull * w->net_packets_per_s / io : 0;
    /* permille of a second is 1000 us */
    m[M_US_PER_IO] = avm_clamp_u32(1000ull * w->cpu_permille / (io ? io : 1));
}

static uint32_t fit(const struct model *mo, const uint32_t *m, bool records)
{
    uint32_t f = 1000;
    unsigned int i;

    for (i = 0; i < mo->nr; i++) {
        if (!records && (RECORD_METRICS & (1u << mo->st[i].metric)))
            continue;
        f = avm_min_u32(f, truth(&mo->st[i], m[mo->st[i].metric]));
    }

    /* Running alone is the only sign of demand then: take it for that. */
    if (!records &&
        (mo->klass == AVM_CLASS_CPU || mo->klass == AVM_CLASS_MIXED))
        f = avm_min_u32(f, truth(&(struct statement){ M_CPU, 500, 850 },
                                 m[M_CPU]));
    return f;
}

static void pressure(struct avm_domain *d)
{
    const struct avm_window *w = &d->smooth;
    uint64_t want = (uint64_t)w->cpu_permille + w->wait_permille;

    memset(d->pressure_permille, 0, sizeof(d->pressure_permille));

    /* Of 5 permille and less, a share is noise. */
    if ((w->have & AVM_HAVE_RECORDS) && want > 5)
        d->pressure_permille[AVM_RES_CPU] = 1000ull * w->wait_permille / want;
    if (w->net_packets_per_s || w->net_drops_per_s)
        d->pressure_permille[AVM_RES_NET] = 1000ull * w->net_drops_per_s /
            ((uint64_t)w->net_packets_per_s + w->net_drops_per_s);
    if (w->disk_reqs_per_s)
        d->pressure_permille[AVM_RES_DISK] =
            avm_min_u32(1000, 1000ull * w->disk_oo_per_s / w->disk_reqs_per_s);
}

static void evidence(struct avm_domain *d, const uint32_t *m, bool records)
{
    const struct avm_window *w = &d->smooth;
    char waits[80] = "no waiting times with this scheduler";

    if (records)
        snprintf(waits, sizeof(waits),
                 "waits %u.%u%%, wakes %u/s, runs %u us at a time",
                 w->wait_permille / 10, w->wait_permille % 10, w->wakes_per_s,
                 w->burst_us);

    avm_text(d->evidence, "runs %u.%u%% of a CPU, %s, %u packets/s, "
             "%u disk requests/s", w->cpu_permille / 10, w->cpu_permille % 10,
             waits, m[M_NET], m[M_DISK]);
}

void avm_evaluate(struct avm_domain *d, unsigned int windows)
{
    bool records = d->smooth.have & AVM_HAVE_RECORDS;
    enum avm_class was = d->klass, best = AVM_CLASS_UNKNOWN;
    uint32_t best_fit = 0, fits[AVM_NR_CLASSES] = { 0 }, m[NR_METRICS];
    unsigned int i;

    if (!windows || !d->smooth.length_ns) {
        d->klass = AVM_CLASS_UNKNOWN;
        d->confidence_permille = 0;
        memset(d->pressure_permille, 0, sizeof(d->pressure_permille));
        avm_text(d->evidence, "not enough data");
        return;
    }

    measure(d, m);
    pressure(d);
    evidence(d, m, records);

    for (i = 0; i < sizeof(model) / sizeof(model[0]); i++) {
        enum avm_class c = model[i].klass;
        uint32_t f = fit(&model[i], m, records);

        if (c == AVM_CLASS_TIME_CRITICAL) {
            /* Periods cannot be seen without the records. */
            if (!records)
                f = 0;
            else if (d->role != AVM_ROLE_TIME_CRITICAL)
                f = avm_min_u32(f, UNDECLARED_MAX);
            else if (f)
                f = avm_min_u32(f + DECLARED_PERMILLE, 1000);
        }
        fits[c] = f;
        if (f && c == was)
            f += STICK_PERMILLE;
        if (f > best_fit) {
            best_fit = f;
            best = c;
        }
    }

    if (best_fit < FIT_MIN)
        best = AVM_CLASS_UNKNOWN;

    d->klass = best;
    d->confidence_permille = best == AVM_CLASS_UNKNOWN ? 0 : fits[best];
    if (!records)
        d->confidence_permille = avm_min_u32(d->confidence_permille,
                                             NO_RECORDS_MAX);
    /* Half of the windows is enough to be as sure as the figures allow. */
    if (windows < AVM_HISTORY / 2)
        d->confidence_permille /= 2;
}
