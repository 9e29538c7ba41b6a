/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "avm_json.h"
#include "log.h"
#include "metrics.h"
#include "request.h"
#include "serve.h"
#include "store.h"

/* The longest lease that the hypervisor gives: `avm set -b` lasts that long. */
#define SET_LEASE_MS_MAX 600000u

/* A request on its way. 'd' is NULL for a domain that does not run. */
struct call {
    struct agent *a;
    const struct request *req;
    struct who who;
    const struct avm_domain *d;
};

typedef char *serve_fn(struct call *call);

static char *answer_db(const struct agent *a)
{
    if (!a->db)
        return answer_error(EXIT_FAILED,
                            "the database cannot be used: see the log of avmd");
    return answer_error(EXIT_FAILED, "database: %s", db_error(a->db));
}

static struct avm_json *answer_begin(void)
{
    struct avm_json *j = avm_json_new();

    avm_json_object(j, NULL);
    avm_json_int(j, "version", 1);
    return j;
}

static char *answer_end(struct avm_json *j)
{
    avm_json_end(j);
    return avm_json_finish(j);
}

/* ------------------------------------------------------------------------ */

static char *serve_list(struct call *call)
{
    return avm_json_domains(call->a->st, (uint64_t)agent_realtime_ns(),
                            call->a->mode);
}

static char *serve_explain(struct call *call)
{
    struct avm_json *j = answer_begin();
    const struct avm_domain *d;
    size_t i, nr;
    char *one;

    avm_json_str(j, "mode", avm_mode_name(call->a->mode));
    avm_json_array(j, "domains");
    d = avm_domains(call->a->st, &nr);
    for (i = 0; i < nr; i++) {
        if (call->d && call->d != &d[i])
            continue;
        one = avm_json_explain(call->a->st, &d[i].uuid);
        if (one)
            avm_json_raw(j, NULL, one);
        free(one);
    }
    avm_json_end(j);
    places_put(call->a, call->d, j, "places");
    return answer_end(j);
}

static char *serve_plan(struct call *call)
{
    struct avm_plan *plan;
    char *text;

    if (avm_plan(call->a->st, agent_now_ms(), AVM_PLAN_PEEK, &plan))
        return answer_error(EXIT_FAILED, "%s", strerror(errno));
    places_explain(call->a, plan);
    text = avm_json_plan(plan);
    avm_plan_free(plan);
    return text;
}

static char *serve_apply(struct call *call)
{
    struct agent *a = call->a;
    int64_t applied = 0, failed = 0, observed = 0, waiting = 0;
    struct avm_plan *plan;
    struct avm_json *j;
    char err[256];
    size_t i;

    if (avm_plan(a->st, agent_now_ms(), AVM_PLAN_PEEK, &plan))
        return answer_error(EXIT_FAILED, "%s", strerror(errno));

    places_explain(a, plan);
    j = answer_begin();
    avm_json_array(j, "errors");
    for (i = 0; i < plan->nr; i++) {
        struct avm_change *c = &plan->change[i];
        const struct avm_domain *d = avm_domain_by_uuid(a->st, &c->uuid);

        if (!d || (call->d && call->d != d))
            continue;
        if (c->state != AVM_CHANGE_READY)
            waiting++;
        else if (agent_mode(a, d) == AVM_MODE_OBSERVE)
            observed++;
        else if (!agent_change(a, c, "avmd", err, sizeof(err)))
            applied++;
        else {
            failed++;
            avm_json_str(j, NULL, err);
        }
    }
    avm_plan_free(plan);
    avm_json_end(j);
    avm_json_int(j, "applied", applied);
    avm_json_int(j, "failed", failed);
    avm_json_int(j, "waiting", waiting);
    avm_json_int(j, "observed", observed);
    return answer_end(j);
}

/* 'observe' is meant: no lease goes on. Weights and caps stay as they are. */
static void drop_urgencies(struct call *call)
{
    struct agent *a = call->a;
    const struct avm_domain *d;
    size_t i, nr;
    char err[256];

    d = avm_domains(a->st, &nr);
    for (i = 0; i < nr; i++)
        if (call->d ? call->d == &d[i] : d[i].mode == AVM_MODE_INHERIT)
            agent_revert(a, &d[i].uuid, true, "mode is observe now", err,
                         sizeof(err));
}

static char *mode_answer(struct agent *a)
{
    struct avm_json *j = answer_begin();
    char uuid[AVM_UUID_STR_LEN];
    const struct avm_domain *d;
    struct db_need need;
    enum avm_mode mode;
    size_t i, nr;

    avm_json_str(j, "mode", avm_mode_name(a->mode));
    avm_json_array(j, "domains");
    d = avm_domains(a->st, &nr);
    for (i = 0; i < nr; i++) {
        mode = d[i].mode;
        if (a->db && db_need_get(a->db, &d[i].uuid, &need) > 0)
            mode = need.need.mode;
        if (mode == AVM_MODE_INHERIT)
            continue;
        avm_json_object(j, NULL);
        avm_json_str(j, "name", d[i].untrusted_name);
        avm_json_str(j, "uuid", avm_uuid_str(&d[i].uuid, uuid));
        avm_json_uint(j, "domid", d[i].domid);
        avm_json_str(j, "mode", avm_mode_name(mode));
        avm_json_end(j);
    }
    avm_json_end(j);
    return answer_end(j);
}

static char *serve_mode(struct call *call)
{
    struct agent *a = call->a;
    bool of_domain = call->req->domain[0];
    int mode;

    if (!call->req->mode[0])
        return mode_answer(a);

    mode = avm_mode_parse(call->req->mode);
    if (mode < 0 || (mode == AVM_MODE_INHERIT && !of_domain))
        return answer_error(EXIT_FAILED, "%s: no such mode (observe, advise, "
                            "auto%s)", call->req->mode,
                            of_domain ? ", inherit" : "");
    if (of_domain) {
        if (!a->db || db_mode_set(a->db, &call->who.uuid, (enum avm_mode)mode))
            return answer_db(a);
    } else {
        a->mode = (enum avm_mode)mode;
    }
    log_line(LOG_INFO, "mode of %s is %s now",
             of_domain ? call->who.name : "the host", call->req->mode);
    if (mode == AVM_MODE_OBSERVE && (call->d || !of_domain))
        drop_urgencies(call);
    agent_needs_changed(a);
    return mode_answer(a);
}

/* ------------------------------------------------------------------------ */

static char *hold_until(struct call *call, int64_t until_ns, int64_t held_s)
{
    struct avm_json *j;

    if (!call->a->db || db_hold_set(call->a->db, &call->who.uuid, until_ns))
        return answer_db(call->a);
    agent_needs_changed(call->a);
    j = answer_begin();
    avm_json_int(j, "held_s", held_s);
    return answer_end(j);
}

/* After an admin's own change: long enough to look at what it does. */
static char *hold_a_while(struct call *call)
{
    int64_t ms = call->a->conf.loop.foreign_hold_ms;
    int64_t until_ns = agent_realtime_ns() + ms * 1000000;
    struct db_need need;

    if (call->a->db && db_need_get(call->a->db, &call->who.uuid, &need) > 0 &&
        (need.held_until_ns < 0 || need.held_until_ns > until_ns))
        until_ns = need.held_until_ns;
    return hold_until(call, until_ns, ms / 1000);
}

static char *serve_hold(struct call *call)
{
    int64_t s = call->req->seconds;

    if (s == REQUEST_NONE)
        return hold_until(call, -1, -1);
    if (s < 1 || s > 31536000)
        return answer_error(EXIT_FAILED,
                            "seconds must be 1 to 31536000 (a year)");
    return hold_until(call, agent_realtime_ns() + s * 1000000000, s);
}

static char *serve_release(struct call *call)
{
    return hold_until(call, 0, 0);
}

static char *serve_revert(struct call *call)
{
    struct agent *a = call->a;
    struct avm_json *j;
    char err[256] = "";
    int r;

    if (!call->d && !call->req->all)
        return answer_error(EXIT_FAILED, "no domain given");
    r = agent_revert(a, call->d ? &call->d->uuid : NULL, false, "avm revert",
                     err, sizeof(err));
    if (r < 0)
        return answer_error(EXIT_FAILED, "%s", err);
    if (call->d) {
        free(hold_a_while(call));
    } else {
        /* Otherwise it would all come back. */
        a->mode = AVM_MODE_OBSERVE;
        log_line(LOG_INFO, "mode of the host is observe now");
    }
    j = answer_begin();
    avm_json_int(j, "reverted", r);
    return answer_end(j);
}

static char *set_knob(struct call *call, enum avm_knob knob, uint64_t before,
                      uint64_t after)
{
    uint32_t lease_ms = call->a->conf.loop.foreign_hold_ms;
    struct avm_change c = {
        .uuid = call->d->uuid, .domid = call->d->domid, .knob = knob,
        .before = before, .after = after, .reason = "avm set",
    };
    char err[256];

    if (knob == AVM_KNOB_URGENCY && after != AVM_URGENCY_NORMAL)
        c.lease_ms = lease_ms && lease_ms < SET_LEASE_MS_MAX
                     ? lease_ms : SET_LEASE_MS_MAX;
    snprintf(c.untrusted_name, sizeof(c.untrusted_name), "%s",
             call->d->untrusted_name);
    if (agent_change(call->a, &c, "admin", err, sizeof(err)))
        return answer_error(EXIT_FAILED, "%s: %s", avm_knob_name(knob), err);
    return NULL;
}

/* Everything is checked before anything is changed. */
static char *serve_set(struct call *call)
{
    const struct request *req = call->req;
    const struct avm_params *p = &call->d->params;
    bool weight = req->weight != REQUEST_NONE;
    bool cap = req->cap_pct != REQUEST_NONE;
    bool urgency = req->urgency[0];
    int64_t cap_max = 100 * (int64_t)call->d->nr_vcpus;
    char *refusal = NULL;
    int word = 0;

    if (call->d->flags & AVM_DOM_CONTROL)
        return answer_error(EXIT_FAILED,
                            "Domain-0 is watched, but never changed");
    if (!weight && !cap && !urgency)
        return answer_error(EXIT_FAILED, "nothing to set");
    if (weight && (req->weight < 1 || req->weight > 65535))
        return answer_error(EXIT_FAILED, "weight must be 1 to 65535");
    if (cap && (req->cap_pct < 0 || req->cap_pct > cap_max))
        return answer_error(EXIT_FAILED, "cap must be 1 to %d percent for its "
                            "%u vCPUs, or 0 for none", (int)cap_max,
                            call->d->nr_vcpus);
    if (urgency) {
        word = avm_urgency_parse(req->urgency);
        if (word < 0)
            return answer_error(EXIT_FAILED, "%s: no such urgency (normal, "
                                "background, interactive, critical)",
                                req->urgency);
    }
    if ((weight && !(p->can & AVM_CAN_WEIGHT)) ||
        (cap && !(p->can & AVM_CAN_CAP)) ||
        (urgency && !(p->can & AVM_CAN_URGENCY)))
        return answer_error(EXIT_FAILED, "the scheduler of this domain cannot "
                            "do that: see avm info");

    if (weight)
        refusal = set_knob(call, AVM_KNOB_WEIGHT, p->weight,
                           (uint64_t)req->weight);
    if (!refusal && cap)
        refusal = set_knob(call, AVM_KNOB_CAP, p->cap_pct,
                           (uint64_t)req->cap_pct);
    if (!refusal && urgency)
        refusal = set_knob(call, AVM_KNOB_URGENCY, p->urgency,
                           (uint64_t)word);
    return refusal ? refusal : hold_a_while(call);
}

/* ------------------------------------------------------------------------ */

static void pool_json(struct avm_json *j, const struct avm_pool *pool)
{
    avm_json_object(j, NULL);
    avm_json_uint(j, "id", pool->id);
    avm_json_str(j, "scheduler", avm_scheduler_name(pool->sched_id));
    avm_json_uint(j, "nr_pcpus", pool->nr_pcpus);
    avm_json_bool(j, "weight", pool->can & AVM_CAN_WEIGHT);
    avm_json_bool(j, "cap", pool->can & AVM_CAN_CAP);
    avm_json_bool(j, "urgency", pool->can & AVM_CAN_URGENCY);
    avm_json_bool(j, "affinity", pool->can & AVM_CAN_AFFINITY);
    avm_json_bool(j, "records", pool->can & AVM_CAN_RECORDS);
    avm_json_end(j);
}

static char *serve_models(struct call *call)
{
    return avm_json_models(&call->a->models);
}

/* ------------------------------------------------------------------------ */
/* What was learnt                                                          */

struct past {
    struct agent *a;
    struct avm_json *j;
    bool whole;
    size_t shown;
};

static bool put_known(struct past *p, const struct who *who, int64_t seen_ns)
{
    const struct avm_learned_of *of = avm_learned_by_uuid(p->a->st,
                                                          &who->uuid);

    if (!of || !of->learned.observed_ms)
        return false;
    store_put_learned(p->j, who, seen_ns, &of->learned, p->whole);
    p->shown++;
    return true;
}

/* Of those that are gone the database has the name; what is known is here. */
static int put_gone(const struct db_learned *row, void *arg)
{
    struct past *p = arg;
    struct who who = { .uuid = row->uuid, .domid = -1 };

    if (avm_domain_by_uuid(p->a->st, &row->uuid))
        return 0;
    snprintf(who.name, sizeof(who.name), "%s", row->name);
    put_known(p, &who, row->seen_ns);
    return 0;
}

static char *serve_past(struct call *call)
{
    struct agent *a = call->a;
    struct past p = { .a = a, .whole = call->req->domain[0] };
    const struct avm_domain *d;
    struct who who;
    size_t i, nr;
    char *text;

    p.j = answer_begin();
    avm_json_array(p.j, "domains");
    d = avm_domains(a->st, &nr);
    for (i = 0; i < nr; i++) {
        if (p.whole && call->d != &d[i])
            continue;
        who = (struct who){ .uuid = d[i].uuid, .domid = d[i].domid };
        memcpy(who.name, d[i].untrusted_name, sizeof(who.name));
        put_known(&p, &who, 0);
    }
    if (!call->d && a->db)
        db_learned_each(a->db, p.whole ? &call->who.uuid : NULL, put_gone, &p);
    avm_json_end(p.j);
    text = answer_end(p.j);
    if (p.shown || !p.whole)
        return text;
    free(text);
    return store_nothing_learned(&call->who);
}

/* The database first: otherwise the next start would know it again. */
static char *serve_forget(struct call *call)
{
    struct agent *a = call->a;
    struct avm_json *j;
    int r = a->db ? db_learned_rm(a->db, &call->who.uuid) : -1;

    if (r < 0)
        return answer_db(a);
    if (avm_state_forget(a->st, &call->who.uuid))
        r = 1;
    if (!r)
        return store_nothing_learned(&call->who);
    record_past(a->record, &call->who.uuid, NULL);
    log_line(LOG_INFO, "what was learnt of %s is forgotten",
             call->who.name[0] ? call->who.name : call->req->domain);
    j = answer_begin();
    avm_json_int(j, "forgotten", 1);
    return answer_end(j);
}

/* ------------------------------------------------------------------------ */

static char *serve_info(struct call *call)
{
    struct agent *a = call->a;
    struct avm_info info;
    struct avm_json *j;
    size_t i, nr;

    if (avm_info(a->h, &info))
        return answer_error(EXIT_FAILED, "%s", strerror(errno));
    avm_domains(a->st, &nr);

    j = answer_begin();
    avm_json_int(j, "pid", getpid());
    avm_json_str(j, "mode", avm_mode_name(a->mode));
    avm_json_uint(j, "nr_domains", nr);
    avm_json_uint(j, "nr_pcpus", info.host.nr_pcpus);
    avm_json_uint(j, "domctl_version", info.domctl_version);
    avm_json_uint(j, "sysctl_version", info.sysctl_version);
    avm_json_bool(j, "xenstore", info.has_xenstore);
    avm_json_bool(j, "journal", a->db && !a->said_journal);
    avm_json_uint(j, "sample_ms", a->conf.loop.sample_ms);
    avm_json_uint(j, "decide_ms", a->conf.loop.decide_ms);
    avm_json_str(j, "limits", info.limits);
    avm_json_array(j, "pools");
    for (i = 0; i < info.host.nr_pools && i < AVM_MAX_POOLS; i++)
        pool_json(j, &info.host.pool[i]);
    avm_json_end(j);
    return answer_end(j);
}

static char *serve_metrics(struct call *call)
{
    char *text = metrics_text(call->a, agent_now_ms());
    struct avm_json *j;

    if (!text)
        return answer_error(EXIT_FAILED, "%s", strerror(errno));
    j = answer_begin();
    avm_json_str(j, "metrics", text);
    free(text);
    return answer_end(j);
}

/* ------------------------------------------------------------------------ */

#define NEEDS_DOMAIN  (1u << 0) /* one must be named                       */
#define NEEDS_RUNNING (1u << 1) /* and if one is named, it has to run      */

static const struct op {
    const char *name;
    serve_fn *fn;
    unsigned int needs;
} ops[] = {
    { "list",    serve_list,    0 },
    { "explain", serve_explain, NEEDS_RUNNING },
    { "plan",    serve_plan,    0 },
    { "apply",   serve_apply,   NEEDS_RUNNING },
    { "mode",    serve_mode,    0 },
    { "info",    serve_info,    0 },
    { "model-list", serve_models, 0 },
    { "model-show", serve_past, 0 },
    { "model-forget", serve_forget, NEEDS_DOMAIN },
    { "metrics", serve_metrics, 0 },
    { "hold",    serve_hold,    NEEDS_DOMAIN },
    { "release", serve_release, NEEDS_DOMAIN },
    { "revert",  serve_revert,  NEEDS_RUNNING },
    { "set",     serve_set,     NEEDS_DOMAIN | NEEDS_RUNNING },
};

static struct who *running_domains(const struct agent *a, size_t *nr)
{
    const struct avm_domain *d = avm_domains(a->st, nr);
    struct who *who = calloc(*nr + 1, sizeof(*who));
    size_t i;

    for (i = 0; who && i < *nr; i++) {
        who[i].uuid = d[i].uuid;
        who[i].domid = d[i].domid;
        who[i].pool = d[i].pool;
        memcpy(who[i].name, d[i].untrusted_name, sizeof(who[i].name));
    }
    return who;
}

static char *serve_op(struct agent *a, const struct op *op,
                      const struct request *req, const struct who *running,
                      size_t nr)
{
    struct call call = { .a = a, .req = req };
    char *refusal;

    if (req->domain[0] || op->needs & NEEDS_DOMAIN) {
        refusal = who_find(a->db, running, nr, req->domain, &call.who);
        if (refusal)
            return refusal;
        if (call.who.domid >= 0)
            call.d = avm_domain_by_id(a->st, (uint32_t)call.who.domid);
        if (!call.d && op->needs & NEEDS_RUNNING)
            return answer_error(EXIT_NOT_FOUND, "%s: no such domain is "
                                "running", req->domain);
    }
    return op->fn(&call);
}

char *serve(void *arg, const char *text, size_t len)
{
    struct agent *a = arg;
    struct request req;
    struct where where = { .host = NULL };
    struct who *running;
    char *answer = NULL;
    char err[256];
    size_t i, nr;

    if (request_parse(&req, text, len, err, sizeof(err)))
        return answer_error(EXIT_FAILED, "%s", err);
    running = running_domains(a, &nr);
    if (!running)
        return NULL;

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]) && !answer; i++)
        if (!strcmp(req.op, ops[i].name))
            answer = serve_op(a, &ops[i], &req, running, nr);
    if (!answer) {
        if (req.cpus[0])
            where = places_where(a);
        answer = store_answer(a->db, running, nr, where.host ? &where : NULL,
                              &req);
        if (answer && !strncmp(req.op, "need-", 5))
            agent_needs_changed(a);
    }
    if (!answer)
        answer = answer_error(EXIT_FAILED, "%s: no such request", req.op);
    free(running);
    return answer;
}
