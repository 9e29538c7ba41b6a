/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * evaluate: what kind of work is this, and does it have to wait for anything?
 *
 * Each class has a usage model (usage.c): a few statements about measured
 * figures, each true to a degree (0 .. 1000 permille). A class fits as well as
 * its weakest statement. The class that fits best wins; below FIT_MIN nothing
 * does.
 */
#include <stdio.h>
#include <string.h>

#include "core.h"

/* These exist only with the scheduler's records. */
#define RECORD_METRICS (1u << AVM_METRIC_WAKES | 1u << AVM_METRIC_BURST)

/*
 * What follows is not data, as the models are: it is the scale on which all of
 * them fit, and a model can say the same with where its statements turn.
 */

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

static uint32_t truth(const struct avm_statement *s, uint32_t v)
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

static uint32_t demand_at(const struct avm_domain *d, uint32_t cap_pct)
{
    uint64_t demand = wanted_permille(d), most = UINT64_MAX;

    if (cap_pct)
        most = 10ull * cap_pct;
    return avm_clamp_u32(demand < most ? demand : most);
}

uint32_t avm_demand_permille(const struct avm_domain *d)
{
    return demand_at(d, d->params.can & AVM_CAN_CAP ? d->params.cap_pct : 0);
}

uint32_t avm_planned_demand(const struct avm_domain *d,
                            const struct avm_memory *m)
{
    uint32_t demand = demand_at(d, avm_planned_cap(d, m));

    if ((d->smooth.have & AVM_HAVE_RECORDS) || !d->smooth.length_ns)
        return demand;
    return avm_max_u32(demand, avm_floor_usable(d, m));
}

static void measure(const struct avm_domain *d, uint32_t *m, bool records)
{
    const struct avm_window *w = &d->smooth;
    uint64_t io = (uint64_t)w->net_packets_per_s + 4ull * w->disk_reqs_per_s;

    m[AVM_METRIC_CPU] = w->cpu_permille;
    /*
     * A cap is no part of what it is. Without the records running alone is the
     * only sign of demand: it is taken for that.
     */
    m[AVM_METRIC_DEMAND] = records ? avm_clamp_u32(wanted_permille(d)) :
                                     w->cpu_permille;
    m[AVM_METRIC_WAKES] = w->wakes_per_s;
    m[AVM_METRIC_BURST] = w->burst_us;
    m[AVM_METRIC_IO] = avm_clamp_u32(io);
    m[AVM_METRIC_NET] = w->net_packets_per_s;
    m[AVM_METRIC_DISK] = w->disk_reqs_per_s;
    m[AVM_METRIC_NET_SHARE] = io ? 1000ull * w->net_packets_per_s / io : 0;
    /* permille of a second is 1000 us */
    m[AVM_METRIC_US_PER_IO] =
        avm_clamp_u32(1000ull * w->cpu_permille / (io ? io : 1));
}

static uint32_t fit(const struct avm_model *mo, const uint32_t *m, bool records)
{
    uint32_t f = 1000;
    unsigned int i, counted = 0;

    for (i = 0; i < mo->nr; i++) {
        enum avm_metric metric = mo->statement[i].metric;

        if (!records && (RECORD_METRICS & (1u << metric)))
            continue;
        f = avm_min_u32(f, truth(&mo->statement[i], m[metric]));
        counted++;
    }
    /* Nothing said is nothing known. */
    return counted ? f : 0;
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
             waits, m[AVM_METRIC_NET], m[AVM_METRIC_DISK]);
}

void avm_evaluate(const struct avm_models *models, struct avm_domain *d,
                  unsigned int windows)
{
    bool records = d->smooth.have & AVM_HAVE_RECORDS;
    enum avm_class was = d->klass, best = AVM_CLASS_UNKNOWN;
    uint32_t best_fit = 0, fits[AVM_NR_CLASSES] = { 0 }, m[AVM_NR_METRICS];
    int c;

    if (!windows || !d->smooth.length_ns) {
        d->klass = AVM_CLASS_UNKNOWN;
        d->confidence_permille = 0;
        memset(d->pressure_permille, 0, sizeof(d->pressure_permille));
        avm_text(d->evidence, "not enough data");
        return;
    }

    measure(d, m, records);
    pressure(d);
    evidence(d, m, records);

    for (c = 0; c < AVM_NR_CLASSES; c++) {
        uint32_t f = fit(&models->model[c], m, records);

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
        if (f && c == (int)was)
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
    /*
     * Half of the windows is enough to be as sure as the figures allow; fewer
     * are if it always was like this.
     */
    if (windows < AVM_HISTORY / 2 && !avm_like_past(d))
        d->confidence_permille /= 2;
}
