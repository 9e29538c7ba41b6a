/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "replay.h"

#define NS_PER_MS 1000000

/* A knob that was changed here, and has another value in the recording. */
struct overlay {
    struct avm_uuid uuid;
    uint32_t domid, pool;
    enum avm_knob knob;
    uint64_t devices;           /* limits go with the devices             */
    uint64_t recorded, shown;
};

struct seen_class {
    struct avm_uuid uuid;
    uint32_t domid;
    enum avm_class klass;
};

struct replay {
    avm_state *st;              /* NULL: no settings yet                  */
    enum avm_mode mode_instead, mode;
    struct avm_config loop;
    uint64_t last_ms;           /* of the last sample, as recorded        */
    int64_t origin_ms;          /* what is 0 in the events                */
    bool sampled;               /* since the start in the recording       */
    bool decide_soon;
    uint64_t decide_at_ms;
    struct overlay *overlay;
    size_t nr_overlays, room;
    struct seen_class *seen;    /* as of the last sample, ascending domid */
    size_t nr_seen;
    struct replay_totals totals;
    replay_event_fn *fn;
    void *arg;
    replay_sample_fn *sample_fn; /* or NULL                               */
    void *sample_arg;
    bool last;                  /* line: plans are kept, and not made true */
    struct avm_plan *plan;
};

struct replay *replay_new(enum avm_mode mode, replay_event_fn *fn, void *arg)
{
    struct replay *r = calloc(1, sizeof(*r));

    if (r) {
        r->mode_instead = mode;
        r->fn = fn;
        r->arg = arg;
    }
    return r;
}

void replay_free(struct replay *r)
{
    if (!r)
        return;
    avm_state_free(r->st);
    avm_plan_free(r->plan);
    free(r->overlay);
    free(r->seen);
    free(r);
}

void replay_on_sample(struct replay *r, replay_sample_fn *fn, void *arg)
{
    r->sample_fn = fn;
    r->sample_arg = arg;
}

const struct replay_totals *replay_totals(const struct replay *r)
{
    return &r->totals;
}

static int no_memory(char *err, size_t err_size)
{
    snprintf(err, err_size, "%s", strerror(ENOMEM));
    return -1;
}

/* ------------------------------------------------------------------------ */
/* Settings                                                                 */

/* avmd began anew: it remembered nothing, and the host may have, too. */
static int begin_anew(struct replay *r, const struct settings *s, char *err,
                      size_t err_size)
{
    avm_state_free(r->st);
    r->st = avm_state_new(&s->loop);
    if (!r->st)
        return no_memory(err, err_size);
    r->nr_overlays = 0;
    r->nr_seen = 0;
    r->sampled = false;
    return 0;
}

static int take_settings(struct replay *r, const struct settings *s,
                         char *err, size_t err_size)
{
    const char *why = avm_config_check(&s->loop);

    if (why) {
        snprintf(err, err_size, "%s", why);
        return -1;
    }
    if (!s->start && !r->st) {
        snprintf(err, err_size, "not how a recording begins");
        return -1;
    }
    if (s->start && begin_anew(r, s, err, err_size))
        return -1;
    r->mode = r->mode_instead == AVM_MODE_INHERIT ? s->mode : r->mode_instead;
    r->loop = s->loop;
    if (avm_state_config(r->st, &s->loop) ||
        avm_state_needs(r->st, s->need, s->nr)) {
        snprintf(err, err_size, "%s", errno == ENOMEM ? strerror(ENOMEM) :
                 "needs: two for one domain, or a least weight above the most");
        return -1;
    }
    /* The parser has checked them. */
    if (avm_state_models(r->st, s->models)) {
        snprintf(err, err_size, "models: %s", strerror(errno));
        return -1;
    }
    r->decide_soon = !s->start;
    return 0;
}

/* ------------------------------------------------------------------------ */
/* What was changed here shows in the samples                               */

static void put_value(struct avm_params *p, enum avm_knob knob, uint64_t v)
{
    switch (knob) {
    case AVM_KNOB_WEIGHT:   p->weight = (uint32_t)v;  break;
    case AVM_KNOB_CAP:      p->cap_pct = (uint32_t)v; break;
    case AVM_KNOB_AFFINITY: p->affinity = v;          break;
    case AVM_KNOB_URGENCY:  p->urgency = (uint32_t)v; break;
    case AVM_KNOB_NET_OUT:  p->net_out_max_bps = v;   break;
    case AVM_KNOB_NET_IN:   p->net_in_max_bps = v;    break;
    case AVM_KNOB_DISK:     p->disk_max_bps = v;      break;
    case AVM_KNOB_NET_SHARE:  p->net_share = (uint32_t)v;  break;
    case AVM_KNOB_DISK_SHARE: p->disk_share = (uint32_t)v; break;
    case AVM_NR_KNOBS:                                break;
    }
}

static uint64_t devices_of(const struct avm_domain_sample *d,
                           enum avm_knob knob)
{
    switch (knob) {
    case AVM_KNOB_NET_OUT:
    case AVM_KNOB_NET_IN:
    case AVM_KNOB_NET_SHARE:  return d->net_devices;
    case AVM_KNOB_DISK:
    case AVM_KNOB_DISK_SHARE: return d->disk_devices;
    default:               return 0;
    }
}

static struct avm_domain_sample *
sample_domain(const struct avm_sample *s, const struct avm_uuid *uuid,
              uint32_t domid)
{
    size_t lo = 0, hi = s->nr, mid;

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (s->domain[mid].domid < domid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->nr && s->domain[lo].domid == domid &&
           avm_uuid_equal(&s->domain[lo].uuid, uuid) ? &s->domain[lo] : NULL;
}

/* The recording goes on showing what it showed when the change was made. */
static bool still_shown(const struct overlay *o,
                        const struct avm_domain_sample *d)
{
    uint64_t value;

    return d && d->pool == o->pool && devices_of(d, o->knob) == o->devices &&
           avm_params_value(&d->params, o->knob, &value) &&
           value == o->recorded;
}

static void lay_over(struct replay *r, struct avm_sample *s)
{
    size_t i, kept = 0;

    for (i = 0; i < r->nr_overlays; i++) {
        struct overlay *o = &r->overlay[i];
        struct avm_domain_sample *d = sample_domain(s, &o->uuid, o->domid);

        if (!still_shown(o, d))
            continue;
        put_value(&d->params, o->knob, o->shown);
        r->overlay[kept++] = *o;
    }
    r->nr_overlays = kept;
}

/* 'd' is as the core was shown it: without an overlay, as recorded. */
static int add_overlay(struct replay *r, const struct avm_change *c,
                       const struct avm_domain_sample *d)
{
    struct overlay *o, *bigger;
    size_t i;

    for (i = 0; i < r->nr_overlays; i++) {
        o = &r->overlay[i];
        if (o->knob != c->knob || o->domid != c->domid ||
            !avm_uuid_equal(&o->uuid, &c->uuid))
            continue;
        o->shown = c->after;
        return 0;
    }
    if (r->nr_overlays == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        bigger = realloc(r->overlay, r->room * sizeof(*bigger));
        if (!bigger)
            return -1;
        r->overlay = bigger;
    }
    o = &r->overlay[r->nr_overlays++];
    *o = (struct overlay){
        .uuid = c->uuid, .domid = c->domid, .pool = d->pool, .knob = c->knob,
        .devices = devices_of(d, c->knob), .shown = c->after,
    };
    avm_params_value(&d->params, c->knob, &o->recorded);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* A round                                                                  */

static void tell_change(struct replay *r, const struct avm_change *c,
                        const char *actor)
{
    struct replay_event e = {
        .ms = r->totals.ms, .change = c, .actor = actor,
        .dom = avm_domain_by_uuid(r->st, &c->uuid),
    };

    r->fn(r->arg, &e);
}

/* Both lists ascend by domid: they are walked side by side. */
static int tell_classes(struct replay *r)
{
    const struct avm_domain *d;
    struct seen_class *seen;
    size_t i, k = 0, nr;

    d = avm_domains(r->st, &nr);
    seen = calloc(nr + 1, sizeof(*seen));
    if (!seen)
        return -1;
    for (i = 0; i < nr; i++) {
        struct replay_event e = {
            .ms = r->totals.ms, .dom = &d[i], .is_class = true,
            .was = AVM_CLASS_UNKNOWN,
        };

        while (k < r->nr_seen && r->seen[k].domid < d[i].domid)
            k++;
        if (k < r->nr_seen && r->seen[k].domid == d[i].domid &&
            avm_uuid_equal(&r->seen[k].uuid, &d[i].uuid))
            e.was = r->seen[k].klass;
        if (e.was != d[i].klass)
            r->fn(r->arg, &e);
        seen[i] = (struct seen_class){
            .uuid = d[i].uuid, .domid = d[i].domid, .klass = d[i].klass,
        };
    }
    free(r->seen);
    r->seen = seen;
    r->nr_seen = nr;
    return 0;
}

static void renew(struct replay *r, uint64_t now_ms)
{
    struct avm_change c[32];
    size_t i, nr;

    nr = avm_renewals(r->st, now_ms, c, sizeof(c) / sizeof(c[0]));
    for (i = 0; i < nr; i++)
        avm_renewed(r->st, &c[i], now_ms, true);
}

static bool is_auto(const struct replay *r, const struct avm_domain *d)
{
    return (d->mode == AVM_MODE_INHERIT ? r->mode : d->mode) == AVM_MODE_AUTO;
}

static int decide(struct replay *r, const struct avm_sample *s,
                  uint64_t now_ms)
{
    struct avm_plan *plan;
    int rc = -1;
    size_t i;

    if (avm_plan(r->st, now_ms, 0, &plan))
        return -1;
    r->totals.decisions++;
    if (r->last) {
        r->plan = plan;
        return 0;
    }
    for (i = 0; i < plan->nr; i++) {
        struct avm_change *c = &plan->change[i];
        const struct avm_domain *d = avm_domain_by_uuid(r->st, &c->uuid);
        const struct avm_domain_sample *in =
            sample_domain(s, &c->uuid, c->domid);

        if (c->state != AVM_CHANGE_READY || !d || !in || !is_auto(r, d))
            continue;
        if (add_overlay(r, c, in))
            goto out;
        avm_applied(r->st, c, now_ms, true);
        c->state = AVM_CHANGE_APPLIED;
        tell_change(r, c, "avmd");
    }
    rc = 0;

 out:
    avm_plan_free(plan);
    return rc;
}

/* Time goes on over a new start of the host, whose clock begins again. */
static void set_time(struct replay *r, uint64_t now_ms)
{
    if (!r->totals.samples)
        r->origin_ms = (int64_t)now_ms;
    else if (!r->sampled && now_ms < r->last_ms)
        r->origin_ms = (int64_t)now_ms - (int64_t)r->totals.ms;
    r->last_ms = now_ms;
    r->totals.ms = (uint64_t)((int64_t)now_ms - r->origin_ms);
}

/* When the next decision is due: as agent.c has it. */
static void set_decision(struct replay *r, uint64_t now_ms)
{
    r->decide_soon = false;
    r->decide_at_ms = now_ms + r->loop.decide_ms - r->loop.sample_ms / 2;
}

static int take_sample(struct replay *r, struct avm_sample *s, char *err,
                       size_t err_size)
{
    uint64_t now_ms = s->mono_ns / NS_PER_MS;
    const struct avm_change *foreign;
    size_t i, nr;

    if (r->sample_fn)
        r->sample_fn(r->sample_arg, s);
    lay_over(r, s);
    if (avm_observe(r->st, s)) {
        snprintf(err, err_size, "%s", errno == ENOMEM ? strerror(ENOMEM) :
                 "\"mono_ns\" is not after that of the sample before");
        return -1;
    }
    set_time(r, now_ms);
    r->totals.samples++;
    if (tell_classes(r))
        return no_memory(err, err_size);
    foreign = avm_foreign(r->st, &nr);
    for (i = 0; i < nr; i++)
        tell_change(r, &foreign[i], "foreign");
    renew(r, now_ms);

    if (!r->sampled) {
        r->sampled = true;
        set_decision(r, now_ms);
    } else if (r->decide_soon || now_ms >= r->decide_at_ms) {
        set_decision(r, now_ms);
        if (decide(r, s, now_ms))
            return no_memory(err, err_size);
    }
    return 0;
}

/* ------------------------------------------------------------------------ */

static int line_settings(struct replay *r, const struct avm_json_value *v,
                         char *err, size_t err_size)
{
    struct settings s;
    int rc;

    if (settings_parse(v, &s, err, err_size))
        return -1;
    rc = take_settings(r, &s, err, err_size);
    settings_free(&s);
    return rc;
}

static int line_past(struct replay *r, const struct avm_json_value *v,
                     char *err, size_t err_size)
{
    struct avm_learned l;
    struct avm_uuid uuid;
    int rc = past_parse(v, &uuid, &l, err, err_size);

    if (rc > 0)
        avm_state_forget(r->st, &uuid);
    /* The parser has checked it. */
    else if (!rc && avm_state_learned(r->st, &uuid, &l))
        return no_memory(err, err_size);
    return rc < 0 ? -1 : 0;
}

static int line_sample(struct replay *r, const struct avm_json_value *v,
                       char *err, size_t err_size)
{
    struct avm_sample *s;
    int rc;

    if (avm_sample_from_json(v, &s, err, err_size))
        return -1;
    rc = take_sample(r, s, err, err_size);
    avm_sample_free(s);
    return rc;
}

int replay_line(struct replay *r, const char *text, size_t len,
                char *err, size_t err_size)
{
    struct avm_json_value *v = avm_json_parse(text, len, err, err_size);
    int rc;

    if (!v)
        return -1;
    if (settings_is(v)) {
        rc = line_settings(r, v, err, err_size);
    } else if (!r->st) {
        snprintf(err, err_size, "not how a recording begins");
        rc = -1;
    } else if (past_is(v)) {
        rc = line_past(r, v, err, err_size);
    } else {
        rc = line_sample(r, v, err, err_size);
    }
    avm_json_free(v);
    return rc;
}

int replay_last_line(struct replay *r, const char *text, size_t len,
                     struct avm_plan **plan, char *err, size_t err_size)
{
    r->last = true;
    if (replay_line(r, text, len, err, err_size))
        return -1;
    if (!r->totals.samples) {
        snprintf(err, err_size, "no sample is in it");
        return -1;
    }
    if (!r->plan &&
        avm_plan(r->st, r->last_ms, AVM_PLAN_PEEK, &r->plan))
        return no_memory(err, err_size);
    *plan = r->plan;
    r->plan = NULL;
    return 0;
}
