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

static void json_window(struct avm_json *j, const char *key,
                        const struct avm_window *w)
{
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
    avm_json_uint(j, "net_rx_bps", w->net_rx_bps);
    avm_json_uint(j, "net_tx_bps", w->net_tx_bps);
    avm_json_uint(j, "net_packets_per_s", w->net_packets_per_s);
    avm_json_uint(j, "net_drops_per_s", w->net_drops_per_s);
    avm_json_uint(j, "disk_rd_bps", w->disk_rd_bps);
    avm_json_uint(j, "disk_wr_bps", w->disk_wr_bps);
    avm_json_uint(j, "disk_reqs_per_s", w->disk_reqs_per_s);
    avm_json_uint(j, "disk_oo_per_s", w->disk_oo_per_s);
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
    avm_json_uint(j, "net_bps", d->smooth.net_bps);
    avm_json_uint(j, "disk_bps", d->smooth.disk_bps);
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

static void text_grants(FILE *f, const struct avm_plan *p,
                        const struct avm_domain *d)
{
    char buf[AVM_UUID_STR_LEN];
    size_t i;

    for (i = 0; i < p->nr_grants; i++) {
        const struct avm_grant *g = &p->grant[i];
        bool to = avm_uuid_equal(&g->to, &d->uuid);

        if (!to && !avm_uuid_equal(&g->from, &d->uuid))
            continue;
        fprintf(f, "  %s %u.%u%% of a CPU %s %s (%s; floor weight %u)\n",
                to ? "gets" : "gives", g->share_permille / 10,
                g->share_permille % 10, to ? "from" : "to",
                avm_uuid_str(to ? &g->from : &g->to, buf), g->rule,
                g->floor_weight);
    }
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
    fprintf(f, "verdict: %s: %s\n", avm_verdict_name(d->verdict),
            d->verdict_why);
    text_now(f, &d->params);
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
        text_grants(f, p, d);

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
    json_window(j, "window", &d->smooth);
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
