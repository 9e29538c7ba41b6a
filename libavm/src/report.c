/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report: the state and plans for people (text) and programs (JSON). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/avm_json.h"
#include "state.h"

static void json_uuid(struct avm_json *j, const char *key,
                      const struct avm_uuid *u)
{
    char buf[AVM_UUID_STR_LEN];

    avm_json_str(j, key, avm_uuid_str(u, buf));
}

/* null: there is something, and we do not see it. */
static void json_seen(struct avm_json *j, const char *key, bool seen,
                      uint64_t value)
{
    if (seen)
        avm_json_uint(j, key, value);
    else
        avm_json_null(j, key);
}

/* Zero is what it is if it has no devices, but not if others serve them. */
static bool is_seen(const struct avm_window *w, uint32_t have,
                    uint32_t served_by)
{
    return (w->have & have) || !served_by;
}

static void json_psi(struct avm_json *j, const struct avm_psi_window *p)
{
    static const char *const key[AVM_NR_PSI][2] = {
        [AVM_PSI_CPU] = { "cpu_some_permille", "cpu_full_permille" },
        [AVM_PSI_MEMORY] = { "memory_some_permille", "memory_full_permille" },
        [AVM_PSI_IO] = { "io_some_permille", "io_full_permille" },
    };
    int i;

    avm_json_object(j, "pressure");
    for (i = 0; i < AVM_NR_PSI; i++) {
        json_seen(j, key[i][0], p->have & 1u << i, p->some_permille[i]);
        json_seen(j, key[i][1], p->have & 1u << i, p->full_permille[i]);
    }
    avm_json_end(j);
}

static void json_window(struct avm_json *j, const char *key,
                        const struct avm_domain *d)
{
    const struct avm_window *w = &d->smooth;
    bool net = is_seen(w, AVM_HAVE_NET, d->net_served_by);
    bool disk = is_seen(w, AVM_HAVE_DISK, d->disk_served_by);
    bool reqs = disk && !(d->flags & AVM_DOM_QDISK);

    avm_json_object(j, key);
    avm_json_uint(j, "length_ms", w->length_ns / 1000000);
    avm_json_uint(j, "cpu_permille", w->cpu_permille);
    avm_json_uint(j, "wait_permille", w->wait_permille);
    avm_json_uint(j, "wakes_per_s", w->wakes_per_s);
    avm_json_uint(j, "blocks_per_s", w->blocks_per_s);
    avm_json_uint(j, "preemptions_per_s", w->preemptions_per_s);
    avm_json_uint(j, "yields_per_s", w->yields_per_s);
    avm_json_uint(j, "events_per_s", w->events_per_s);
    avm_json_uint(j, "events_io_per_s", w->events_io_per_s);
    avm_json_uint(j, "events_virq_per_s", w->events_virq_per_s);
    avm_json_uint(j, "events_runnable_per_s", w->events_runnable_per_s);
    avm_json_uint(j, "burst_us", w->burst_us);
    avm_json_uint(j, "latency_p99_us", w->latency_p99_us);
    json_seen(j, "net_rx_bps", net, w->net_rx_bps);
    json_seen(j, "net_tx_bps", net, w->net_tx_bps);
    json_seen(j, "net_packets_per_s", net, w->net_packets_per_s);
    json_seen(j, "net_drops_per_s", net, w->net_drops_per_s);
    json_seen(j, "disk_rd_bps", disk, w->disk_rd_bps);
    json_seen(j, "disk_wr_bps", disk, w->disk_wr_bps);
    json_seen(j, "disk_reqs_per_s", reqs, w->disk_reqs_per_s);
    json_seen(j, "disk_oo_per_s", reqs, w->disk_oo_per_s);
    json_seen(j, "backend_cpu_permille", w->have & AVM_HAVE_BACKEND,
              w->backend_permille);
    json_seen(j, "backend_cpu_wait_permille", w->have & AVM_HAVE_PSI_CPU,
              w->psi_cpu_permille);
    json_seen(j, "backend_io_wait_permille", w->have & AVM_HAVE_PSI_IO,
              w->psi_io_permille);
    avm_json_end(j);
}

static void json_domain(struct avm_json *j, const char *key,
                        const struct avm_domain *d, enum avm_mode host_mode)
{
    enum avm_mode mode = d->mode == AVM_MODE_INHERIT ? host_mode : d->mode;

    avm_json_object(j, key);
    avm_json_str(j, "name", d->untrusted_name);
    json_uuid(j, "uuid", &d->uuid);
    avm_json_uint(j, "domid", d->domid);
    avm_json_str(j, "role", avm_role_name(d->role));
    avm_json_str(j, "class", avm_class_name(d->klass));
    avm_json_uint(j, "confidence_permille", d->confidence_permille);
    avm_json_uint(j, "weight", d->params.weight);
    avm_json_uint(j, "cap_pct", d->params.cap_pct);
    avm_json_str(j, "urgency", avm_urgency_name(d->params.urgency));
    avm_json_uint(j, "cpu_permille", d->smooth.cpu_permille);
    avm_json_uint(j, "wait_permille", d->smooth.wait_permille);
    json_seen(j, "net_bps", is_seen(&d->smooth, AVM_HAVE_NET, d->net_served_by),
              d->smooth.net_bps);
    json_seen(j, "disk_bps",
              is_seen(&d->smooth, AVM_HAVE_DISK, d->disk_served_by),
              d->smooth.disk_bps);
    avm_json_uint(j, "charged_permille", d->charged_permille);
    json_seen(j, "net_served_by", d->net_served_by, d->net_served_by - 1);
    json_seen(j, "disk_served_by", d->disk_served_by, d->disk_served_by - 1);
    avm_json_uint(j, "wakes_per_s", d->smooth.wakes_per_s);
    avm_json_uint(j, "events_per_s", d->smooth.events_per_s);
    avm_json_str(j, "mode", avm_mode_name(mode));
    avm_json_bool(j, "held", d->held);
    avm_json_uint(j, "pool", d->pool);
    avm_json_uint(j, "vcpus", d->nr_vcpus);
    avm_json_uint(j, "class_since_ms", d->class_since_ms);
    avm_json_uint(j, "cpu_pressure_permille",
                  d->pressure_permille[AVM_RES_CPU]);
    avm_json_uint(j, "net_pressure_permille",
                  d->pressure_permille[AVM_RES_NET]);
    avm_json_uint(j, "disk_pressure_permille",
                  d->pressure_permille[AVM_RES_DISK]);
    avm_json_str(j, "evidence", d->evidence);
    avm_json_str(j, "verdict", avm_verdict_name(d->verdict));
    avm_json_str(j, "verdict_why", d->verdict_why);
    avm_json_end(j);
}

/* UINT64_MAX: above all that there is a bucket for. */
static void json_figure(struct avm_json *j, const char *key, uint64_t v)
{
    if (v == UINT64_MAX)
        avm_json_null(j, key);
    else
        avm_json_uint(j, key, v);
}

static void json_past(struct avm_json *j, const char *key,
                      const struct avm_domain *d)
{
    const struct avm_past *p = &d->past;
    int c, m;

    avm_json_object(j, key);
    avm_json_uint(j, "observed_ms", p->observed_ms);
    avm_json_uint(j, "enough_ms", AVM_LEARNED_ENOUGH_MS);
    avm_json_bool(j, "enough", p->enough);
    avm_json_bool(j, "like_past", avm_like_past(d));
    avm_json_bool(j, "unlike_past", avm_unlike_past(d));
    avm_json_object(j, "class_permille");
    for (c = 0; c < AVM_NR_CLASSES; c++)
        if (p->class_permille[c])
            avm_json_uint(j, avm_class_name(c), p->class_permille[c]);
    avm_json_end(j);
    for (m = 0; m < AVM_NR_LEARNED; m++) {
        if (!p->of[m].enough)
            continue;
        avm_json_object(j, avm_learned_name(m));
        json_figure(j, "usual", p->of[m].usual);
        json_figure(j, "high", p->of[m].high);
        avm_json_str(j, "now", avm_past_name(p->of[m].now));
        avm_json_end(j);
    }
    avm_json_end(j);
}

static void json_change(struct avm_json *j, const struct avm_change *c)
{
    avm_json_object(j, NULL);
    avm_json_str(j, "domain", c->untrusted_name);
    json_uuid(j, "uuid", &c->uuid);
    avm_json_uint(j, "domid", c->domid);
    avm_json_str(j, "knob", avm_knob_name(c->knob));
    /* Signed, so that "any pCPU" (all bits) fits into every reader: -1. */
    avm_json_int(j, "before", (int64_t)c->before);
    avm_json_int(j, "after", (int64_t)c->after);
    avm_json_uint(j, "lease_ms", c->lease_ms);
    avm_json_uint(j, "gain_permille", c->gain_permille);
    avm_json_str(j, "state", avm_change_state_name(c->state));
    avm_json_str(j, "reason", c->reason);
    avm_json_str(j, "why_not", c->why_not);
    avm_json_end(j);
}

/* Of the pool of most domains there is only one word: that of the first. */
static const char *scheduler_of(const avm_state *st)
{
    return st->host.nr_pools ? avm_scheduler_name(st->host.pool[0].sched_id) :
                               "?";
}

char *avm_json_domains(const avm_state *st, uint64_t realtime_ns,
                       enum avm_mode host_mode)
{
    struct avm_json *j = avm_json_new();
    size_t i;

    if (!j)
        return NULL;
    avm_json_object(j, NULL);
    avm_json_uint(j, "version", 1);
    avm_json_uint(j, "ts_ns", realtime_ns);
    avm_json_str(j, "mode", avm_mode_name(host_mode));
    avm_json_str(j, "scheduler", scheduler_of(st));
    json_psi(j, &st->psi);
    avm_json_array(j, "domains");
    for (i = 0; i < st->nr; i++)
        json_domain(j, NULL, &st->dom[i], host_mode);
    avm_json_end(j);
    avm_json_end(j);
    return avm_json_finish(j);
}

char *avm_json_plan(const struct avm_plan *plan)
{
    struct avm_json *j = avm_json_new();
    size_t i;

    if (!j)
        return NULL;
    avm_json_object(j, NULL);
    avm_json_uint(j, "version", 1);
    avm_json_uint(j, "mono_ms", plan->mono_ms);
    avm_json_array(j, "changes");
    for (i = 0; i < plan->nr; i++)
        json_change(j, &plan->change[i]);
    avm_json_end(j);
    avm_json_array(j, "grants");
    for (i = 0; i < plan->nr_grants; i++) {
        const struct avm_grant *g = &plan->grant[i];

        avm_json_object(j, NULL);
        json_uuid(j, "to", &g->to);
        json_uuid(j, "from", &g->from);
        avm_json_uint(j, "to_domid", g->to_domid);
        avm_json_uint(j, "from_domid", g->from_domid);
        avm_json_uint(j, "share_permille", g->share_permille);
        avm_json_uint(j, "floor_weight", g->floor_weight);
        avm_json_str(j, "rule", g->rule);
        avm_json_end(j);
    }
    avm_json_end(j);
    avm_json_end(j);
    return avm_json_finish(j);
}

/* ------------------------------------------------------------------------ */
/* Explain                                                                  */

static bool concerns(const struct avm_change *c, const struct avm_domain *d)
{
    return c->domid == d->domid && avm_uuid_equal(&c->uuid, &d->uuid);
}

static void text_value(enum avm_knob knob, uint64_t value, char *buf,
                       size_t len)
{
    if (knob == AVM_KNOB_URGENCY)
        snprintf(buf, len, "%s", avm_urgency_name(value));
    else if (knob == AVM_KNOB_AFFINITY && value == UINT64_MAX)
        snprintf(buf, len, "any");
    else if (knob == AVM_KNOB_AFFINITY)
        snprintf(buf, len, "%#" PRIx64, value);
    else if (knob >= AVM_KNOB_CAP && !value)
        snprintf(buf, len, "none");
    else if (knob == AVM_KNOB_NET_OUT || knob == AVM_KNOB_NET_IN ||
             knob == AVM_KNOB_DISK)
        snprintf(buf, len, "%" PRIu64 " kB/s", value / 1000);
    else
        snprintf(buf, len, "%" PRIu64, value);
}

static void text_change(FILE *f, const struct avm_change *c)
{
    char before[32], after[32];

    text_value(c->knob, c->before, before, sizeof(before));
    text_value(c->knob, c->after, after, sizeof(after));
    fprintf(f, "  %s %s -> %s: %s\n", avm_knob_name(c->knob), before, after,
            avm_change_state_name(c->state));
    fprintf(f, "    because: %s (expected gain %u.%u%%)\n", c->reason,
            c->gain_permille / 10, c->gain_permille % 10);
    if (c->why_not[0])
        fprintf(f, "    not now: %s\n", c->why_not);
}

/* Nothing is wished: what does that mean for this domain? */
static void text_nothing(FILE *f, const struct avm_domain *d)
{
    if (d->flags & AVM_DOM_CONTROL)
        fprintf(f, "  nothing: it serves the others and is never changed\n");
    else if (d->held)
        fprintf(f, "  nothing: it is held by the administrator\n");
    else if (d->verdict == AVM_VERDICT_CPU)
        fprintf(f, "  nothing: it has what its role (%s) may have\n",
                avm_role_name(d->role));
    else
        fprintf(f, "  nothing: %s\n", d->verdict == AVM_VERDICT_NONE ?
                "it lacks nothing" : d->verdict == AVM_VERDICT_NO_DATA ?
                d->verdict_why : "what it lacks is not a CPU");
}

/* One word for each thing that is not as a new domain has it. */
static void text_now(FILE *f, const struct avm_params *p)
{
    char cap[16] = "none";

    if (p->cap_pct)
        snprintf(cap, sizeof(cap), "%u%%", p->cap_pct);
    fprintf(f, "now: weight %u, cap %s, urgency %s", p->weight, cap,
            avm_urgency_name(p->urgency));
    if ((p->can & AVM_CAN_NET_OUT) && p->net_out_max_bps)
        fprintf(f, ", net-out %" PRIu64 " kB/s", p->net_out_max_bps / 1000);
    if ((p->can & AVM_CAN_NET_IN) && p->net_in_max_bps)
        fprintf(f, ", net-in %" PRIu64 " kB/s", p->net_in_max_bps / 1000);
    if ((p->can & AVM_CAN_DISK) && p->disk_max_bps)
        fprintf(f, ", disk %" PRIu64 " kB/s", p->disk_max_bps / 1000);
    if ((p->can & AVM_CAN_NET_SHARE) && p->net_share != AVM_SHARE_NORMAL)
        fprintf(f, ", net-share %u", p->net_share);
    if ((p->can & AVM_CAN_DISK_SHARE) && p->disk_share != AVM_SHARE_NORMAL)
        fprintf(f, ", disk-share %u", p->disk_share);
    fprintf(f, "\n");
}

/* "20% of a CPU", "512 us", "10 kB/s", "none". */
static void text_figure(enum avm_learned_metric m, uint64_t v, char *buf,
                        size_t len)
{
    const char *more = "";

    if (v == UINT64_MAX) {
        more = "more than ";
        v = avm_learned_most(m, AVM_LEARNED_BUCKETS - 2);
    }
    if (m == AVM_LEARNED_LATENCY)
        snprintf(buf, len, "%s%" PRIu64 " us", more, v);
    else if ((m == AVM_LEARNED_NET || m == AVM_LEARNED_DISK) && v)
        snprintf(buf, len, "%s%" PRIu64 " kB/s", more, v / 1000);
    else if (m == AVM_LEARNED_NET || m == AVM_LEARNED_DISK)
        snprintf(buf, len, "none");
    else if (v % 10)
        snprintf(buf, len, "%s%" PRIu64 ".%" PRIu64 "%% of a CPU", more,
                 v / 10, v % 10);
    else
        snprintf(buf, len, "%s%" PRIu64 "%% of a CPU", more, v / 10);
}

static void text_past_classes(FILE *f, const struct avm_past *p)
{
    uint32_t permille, below = UINT32_MAX;
    const char *sep = "";
    int c;

    /* The one of the longest time first; a trace of one is not worth a word. */
    for (; below >= 10; below = permille) {
        permille = 0;
        for (c = 0; c < AVM_NR_CLASSES; c++)
            if (p->class_permille[c] < below)
                permille = avm_max_u32(permille, p->class_permille[c]);
        if (permille < 10)
            break;
        for (c = 0; c < AVM_NR_CLASSES; c++) {
            if (p->class_permille[c] != permille)
                continue;
            fprintf(f, "%s%s %u%%", sep, avm_class_name(c), permille / 10);
            sep = ", ";
        }
    }
    fprintf(f, " of the time\n");
}

static void text_past(FILE *f, const struct avm_domain *d)
{
    static const char *const what[AVM_NR_LEARNED] = {
        "wants", "waits", "wakes within", "network", "disk",
    };
    static const char *const now[AVM_NR_PAST_IS] = {
        "", "; now unusually low", "; now as usual", "; now unusually high",
    };
    const struct avm_past *p = &d->past;
    char usual[48], high[48];
    int m;

    if (!p->enough) {
        fprintf(f, "its own past: not enough past (%" PRIu64 " min of %u)\n",
                p->observed_ms / 60000, AVM_LEARNED_ENOUGH_MS / 60000);
        return;
    }
    fprintf(f, "its own past (%" PRIu64 " h): ", p->observed_ms / 3600000);
    text_past_classes(f, p);
    for (m = 0; m < AVM_NR_LEARNED; m++) {
        if (!p->of[m].enough)
            continue;
        text_figure(m, p->of[m].usual, usual, sizeof(usual));
        text_figure(m, p->of[m].high, high, sizeof(high));
        fprintf(f, "  %s: usually %s%s, at most %s for 95%% of the time%s\n",
                what[m], p->of[m].usual && m != AVM_LEARNED_LATENCY ?
                "up to " : "", usual, high, now[p->of[m].now]);
    }
    if (avm_like_past(d))
        fprintf(f, "  %s as nearly always when it is busy: believed at once, "
                "and a quarter of the warm-up\n", avm_class_name(d->klass));
    else if (avm_unlike_past(d))
        fprintf(f, "  %s for %u.%u%% of its busy time only: a wish has to hold "
                "twice as long\n", avm_class_name(d->klass),
                p->busy_permille[d->klass] / 10,
                p->busy_permille[d->klass] % 10);
}

bool avm_floor_of(const avm_state *st, const struct avm_domain *d,
                  struct avm_floor *floor, bool *kept)
{
    const struct avm_memory *m = &st->mem[d - st->dom];

    /* The last plan may be of before this floor, or of before this domain. */
    if (!m->limits.cpu_min_permille ||
        m->floor.asked_permille != m->limits.cpu_min_permille)
        return false;
    *floor = m->floor;
    *kept = avm_floor_kept(floor);
    return true;
}

/* As of the last plan: with the weights that it found. */
static void text_floor(FILE *f, const avm_state *st,
                       const struct avm_domain *d)
{
    const struct avm_memory *m = &st->mem[d - st->dom];
    uint32_t usable = avm_floor_usable(d, m);
    struct avm_floor now;
    bool kept;

    if (!m->limits.cpu_min_permille)
        return;
    fprintf(f, "floor: %u%% of a CPU", m->limits.cpu_min_permille / 10);
    if (usable < m->limits.cpu_min_permille)
        fprintf(f, ", of which its vCPUs and its cap let it use %u%%",
                usable / 10);
    if (!avm_floor_of(st, d, &now, &kept)) {
        fprintf(f, ": no plan yet\n");
        return;
    }
    if (now.promise_permille < usable)
        fprintf(f, ", of which %u%% is promised: others were first, or of a "
                "higher role", now.promise_permille / 10);
    if (!avm_may_change(d))
        fprintf(f, "; it has what its weight of %u stands for, as it is not "
                "changed now", d->params.weight);
    else if (!(d->params.can & AVM_CAN_WEIGHT))
        fprintf(f, "; its weight cannot be set here");
    else if (kept || !now.promise_permille)
        fprintf(f, "; %s", kept ? "kept" : "not kept");
    else if (d->params.weight >= avm_floor_weight_max(m))
        fprintf(f, "; not kept: its weight cannot be above %u",
                avm_floor_weight_max(m));
    else
        fprintf(f, "; not kept yet");
    fprintf(f, ": it wants %u%% and its share is %u%%\n",
            now.wanted_permille / 10, now.share_permille / 10);
}

static void text_grants(FILE *f, const avm_state *st, const struct avm_plan *p,
                        const struct avm_domain *d)
{
    char buf[AVM_UUID_STR_LEN], who[AVM_WHO_LEN];
    size_t i;

    for (i = 0; i < p->nr_grants; i++) {
        const struct avm_grant *g = &p->grant[i];
        bool to = avm_uuid_equal(&g->to, &d->uuid);
        const struct avm_domain *other;

        if (!to && !avm_uuid_equal(&g->from, &d->uuid))
            continue;
        other = avm_domain_by_uuid(st, to ? &g->from : &g->to);
        fprintf(f, "  %s %u.%u%% of a CPU %s %s (%s; floor weight %u)\n",
                to ? "gets" : "gives", g->share_permille / 10,
                g->share_permille % 10, to ? "from" : "to",
                other ? avm_who(other, who) :
                        avm_uuid_str(to ? &g->from : &g->to, buf), g->rule,
                g->floor_weight);
    }
}

/* "cpu 3% (0%)": of the time something, and everything, had to wait. */
static void text_psi(FILE *f, const struct avm_psi_window *p)
{
    static const char *const name[AVM_NR_PSI] = { "cpu", "memory", "io" };
    const char *sep = "";
    int i;

    if (!p->have)
        return;
    fprintf(f, "domain 0: of the time something (everything) waited for ");
    for (i = 0; i < AVM_NR_PSI; i++) {
        if (!(p->have & 1u << i))
            continue;
        fprintf(f, "%s%s %u%% (%u%%)", sep, name[i], p->some_permille[i] / 10,
                p->full_permille[i] / 10);
        sep = ", ";
    }
    fprintf(f, "\n");
}

/* Who serves its devices, and what that cost. */
static void text_backend(FILE *f, const struct avm_domain *d)
{
    const struct avm_window *w = &d->smooth;
    const char *sep = "";

    if (d->net_served_by)
        fprintf(f, "network: %s by domain %u\n", w->have & AVM_HAVE_NET ?
                "seen from here in part, the rest is served" :
                "not seen from here: served", d->net_served_by - 1);
    if (d->disk_served_by)
        fprintf(f, "disks: %s by domain %u\n", w->have & AVM_HAVE_DISK ?
                "seen from here in part, the rest is served" :
                "not seen from here: served", d->disk_served_by - 1);
    if (d->flags & AVM_DOM_QDISK)
        fprintf(f, "disks: served by its QEMU, which tells bytes and no "
                "requests\n");
    if (d->flags & AVM_DOM_QEMU_ELSEWHERE)
        fprintf(f, "disk limits: none, its QEMU is in a control group of "
                "someone else, and left alone\n");
    if (d->charged_permille >= 10)
        fprintf(f, "domain 0 ran at most %u%% of a CPU for it, by its part of the "
                "bytes\n", d->charged_permille / 10);
    if (!(w->have & (AVM_HAVE_BACKEND | AVM_HAVE_PSI_CPU | AVM_HAVE_PSI_IO)))
        return;
    fprintf(f, "its back end in domain 0: ");
    if (w->have & AVM_HAVE_BACKEND) {
        fprintf(f, "QEMU ran %u%% of a CPU", w->backend_permille / 10);
        sep = ", ";
    }
    if (w->have & AVM_HAVE_PSI_CPU) {
        fprintf(f, "%swaited %u%% of the time for a CPU", sep,
                w->psi_cpu_permille / 10);
        sep = ", ";
    }
    if (w->have & AVM_HAVE_PSI_IO)
        fprintf(f, "%swaited %u%% of the time for I/O", sep,
                w->psi_io_permille / 10);
    fprintf(f, "\n");
}

char *avm_explain(const avm_state *st, const struct avm_uuid *uuid)
{
    const struct avm_domain *d = avm_domain_by_uuid(st, uuid);
    const struct avm_plan *p = st->last_plan;
    char buf[AVM_UUID_STR_LEN], *text = NULL;
    bool any = false;
    size_t size, i;
    FILE *f;

    if (!d) {
        errno = ENOENT;
        return NULL;
    }
    f = open_memstream(&text, &size);
    if (!f)
        return NULL;

    fprintf(f, "domain %u (%s), role %s, scheduler %s\n", d->domid,
            avm_uuid_str(&d->uuid, buf), avm_role_name(d->role),
            scheduler_of(st));
    fprintf(f, "measured over %" PRIu64 " ms: %s\n",
            d->smooth.length_ns / 1000000, d->evidence);
    if (d->klass == AVM_CLASS_UNKNOWN)
        fprintf(f, "class: unknown\n");
    else
        fprintf(f, "class: %s (%u%% sure)\n", avm_class_name(d->klass),
                d->confidence_permille / 10);
    fprintf(f, "pressure: cpu %u%%, net %u%%, disk %u%%\n",
            d->pressure_permille[AVM_RES_CPU] / 10,
            d->pressure_permille[AVM_RES_NET] / 10,
            d->pressure_permille[AVM_RES_DISK] / 10);
    text_backend(f, d);
    text_psi(f, &st->psi);
    fprintf(f, "verdict: %s: %s\n", avm_verdict_name(d->verdict),
            d->verdict_why);
    text_past(f, d);
    text_now(f, &d->params);
    text_floor(f, st, d);
    fprintf(f, "wished:\n");
    for (i = 0; p && i < p->nr; i++) {
        if (!concerns(&p->change[i], d))
            continue;
        text_change(f, &p->change[i]);
        any = true;
    }
    if (!any)
        text_nothing(f, d);
    if (p)
        text_grants(f, st, p, d);

    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}

char *avm_json_explain(const avm_state *st, const struct avm_uuid *uuid)
{
    const struct avm_domain *d = avm_domain_by_uuid(st, uuid);
    const struct avm_plan *p = st->last_plan;
    char *text = avm_explain(st, uuid), *out;
    struct avm_json *j;
    size_t i;

    if (!text)
        return NULL;
    j = avm_json_new();
    if (!j) {
        free(text);
        return NULL;
    }
    avm_json_object(j, NULL);
    avm_json_uint(j, "version", 1);
    json_domain(j, "domain", d, AVM_MODE_INHERIT);
    json_window(j, "window", d);
    json_psi(j, &st->psi);
    json_past(j, "past", d);
    avm_json_array(j, "changes");
    for (i = 0; p && i < p->nr; i++)
        if (concerns(&p->change[i], d))
            json_change(j, &p->change[i]);
    avm_json_end(j);
    avm_json_str(j, "text", text);
    avm_json_end(j);
    out = avm_json_finish(j);
    free(text);
    return out;
}
