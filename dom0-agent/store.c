/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "avm_json.h"
#include "needs.h"
#include "store.h"

/* A domid in plain digits, or -1. */
static int64_t domid_parse(const char *text)
{
    int64_t id = 0;

    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        id = id * 10 + (*text - '0');
        if (id > 0xffff)
            return -1;
    }
    return id;
}

char *who_find(struct db *db, const struct who *running, size_t nr,
               const char *text, struct who *who)
{
    struct avm_uuid uuid;
    struct db_need need;
    bool is_uuid = !avm_uuid_parse(text, &uuid);
    int64_t domid = domid_parse(text);
    size_t i;

    for (i = 0; i < nr; i++) {
        if (is_uuid ? avm_uuid_equal(&uuid, &running[i].uuid)
                    : domid >= 0 ? domid == running[i].domid
                                 : !strcmp(text, running[i].name)) {
            *who = running[i];
            return NULL;
        }
    }

    *who = (struct who){ .domid = -1 };
    if (is_uuid) {
        who->uuid = uuid;
        if (db && db_need_get(db, &uuid, &need) > 0)
            snprintf(who->name, sizeof(who->name), "%s", need.name);
        return NULL;
    }
    if (*text && domid < 0 && db && db_need_find_name(db, text, &need) > 0) {
        who->uuid = need.need.uuid;
        snprintf(who->name, sizeof(who->name), "%s", need.name);
        return NULL;
    }
    if (*text && domid < 0 && db &&
        db_learned_find_name(db, text, &who->uuid) > 0) {
        snprintf(who->name, sizeof(who->name), "%s", text);
        return NULL;
    }
    if (!*text)
        return answer_error(EXIT_FAILED, "no domain given");
    return answer_error(EXIT_NOT_FOUND, "%s: no such domain", text);
}

static int need_list_one(const struct db_need *need, void *arg)
{
    if (need->has_need)
        needs_put(arg, need);
    return 0;
}

static char *need_list(struct db *db)
{
    struct avm_json *j = avm_json_new();
    char *text;
    int r;

    avm_json_object(j, NULL);
    avm_json_int(j, "version", 1);
    avm_json_array(j, "needs");
    r = db_need_each(db, need_list_one, j);
    avm_json_end(j);
    avm_json_end(j);
    text = avm_json_finish(j);
    if (r) {
        free(text);
        return answer_error(EXIT_FAILED, "database: %s", db_error(db));
    }
    return text;
}

/* 0: fine; otherwise one line in 'err'. */
static int take_weight(int64_t given, const char *what, uint32_t *weight,
                       char *err, size_t err_size)
{
    if (given == REQUEST_NONE)
        return 0;
    if (given < 0 || given > 65535) {
        snprintf(err, err_size, "%s must be 1 to 65535, or 0 for what the "
                 "role has", what);
        return -1;
    }
    *weight = (uint32_t)given;
    return 0;
}

static int take_bps(const char *given, const char *what, uint64_t *bps,
                    char *err, size_t err_size)
{
    if (!given[0] || !bps_parse(given, bps))
        return 0;
    snprintf(err, err_size, "%s must be like 500kB/s, 10MB/s (at most "
             "1000GB/s), or none", what);
    return -1;
}

static int need_fill(struct avm_need *need, const struct request *req,
                     char *err, size_t err_size)
{
    int role;

    if (req->role[0]) {
        role = avm_role_parse(req->role);
        if (role < 0) {
            snprintf(err, err_size, "%s: no such role (background, normal, "
                     "interactive, time-critical)", req->role);
            return -1;
        }
        need->role = (enum avm_role)role;
    }
    if (take_weight(req->weight_min, "weight-min", &need->weight_min,
                    err, err_size) ||
        take_weight(req->weight_max, "weight-max", &need->weight_max,
                    err, err_size))
        return -1;
    if (need->weight_min && need->weight_max &&
        need->weight_min > need->weight_max) {
        snprintf(err, err_size, "weight-min (%u) is above weight-max (%u)",
                 need->weight_min, need->weight_max);
        return -1;
    }
    if (req->cap_pct != REQUEST_NONE) {
        if (req->cap_pct < -1 || req->cap_pct > 65535) {
            snprintf(err, err_size, "cap must be 1 to 65535 percent of a "
                     "pCPU, 0 for none, or -1 to leave it alone");
            return -1;
        }
        need->cap_set = req->cap_pct >= 0;
        need->cap_pct = need->cap_set ? (uint32_t)req->cap_pct : 0;
    }
    if (req->cpu_min_pct != REQUEST_NONE) {
        if (req->cpu_min_pct < 0 || req->cpu_min_pct > 65535) {
            snprintf(err, err_size, "cpu-min must be 1 to 65535 percent of a "
                     "pCPU, or 0 for none");
            return -1;
        }
        need->cpu_min_permille = 10 * (uint32_t)req->cpu_min_pct;
    }
    if (needs_cap_below_floor(need)) {
        snprintf(err, err_size, "a cap of %u%% is below the floor of %u%% "
                 "(cpu-min)", need->cap_pct, need->cpu_min_permille / 10);
        return -1;
    }
    if (take_bps(req->net_max, "net-max", &need->net_max_bps, err,
                 err_size) ||
        take_bps(req->disk_max, "disk-max", &need->disk_max_bps, err,
                 err_size) ||
        take_bps(req->net_in_max, "net-in-max", &need->net_in_max_bps, err,
                 err_size))
        return -1;
    return 0;
}

static const struct avm_pool *pool_of(const struct avm_host *host,
                                      const struct who *who)
{
    uint32_t i;

    for (i = 0; who->domid >= 0 && i < host->nr_pools; i++)
        if (host->pool[i].id == who->pool)
            return &host->pool[i];
    return NULL;
}

/* Said, and there: what gives no pCPU here was meant for something else. */
static int take_cpus(struct db_need *need, const struct who *who,
                     const struct where *where, const char *text, char *err,
                     size_t err_size)
{
    uint64_t mask;

    if (!text[0])
        return 0;
    if (needs_cpus(need, text, err, err_size))
        return -1;
    return where ? avm_cpus_resolve(text, where->topology,
                                    pool_of(where->host, who), &mask, err,
                                    err_size) : 0;
}

static char *need_set(struct db *db, const struct who *who,
                      const struct where *where, const struct request *req)
{
    struct db_need need;
    char err[320];

    if (who->domid == 0 || needs_uuid_is_dom0(&who->uuid))
        return answer_error(EXIT_FAILED,
                            "Domain-0 is watched, but never changed");
    if (db_need_get(db, &who->uuid, &need) <= 0)
        need = (struct db_need){ .need.uuid = who->uuid };
    if (who->name[0])
        snprintf(need.name, sizeof(need.name), "%s", who->name);
    if (need_fill(&need.need, req, err, sizeof(err)) ||
        take_cpus(&need, who, where, req->cpus, err, sizeof(err)))
        return answer_error(EXIT_FAILED, "%s", err);
    if (db_need_set(db, &need))
        return answer_error(EXIT_FAILED, "database: %s", db_error(db));
    return need_list(db);
}

static char *need_rm(struct db *db, const struct who *who)
{
    int r = db_need_rm(db, &who->uuid);
    char uuid[AVM_UUID_STR_LEN];

    if (r < 0)
        return answer_error(EXIT_FAILED, "database: %s", db_error(db));
    if (!r)
        return answer_error(EXIT_NOT_FOUND, "%s has no need", who->name[0]
                            ? who->name : avm_uuid_str(&who->uuid, uuid));
    return need_list(db);
}

static char *need_import(struct db *db, const struct request *req)
{
    struct avm_json_value *root;
    struct db_need *need = NULL;
    struct avm_json *j;
    char err[256];
    size_t nr = 0;
    int rc;

    root = avm_json_parse(req->text, req->len, err, sizeof(err));
    rc = root ? needs_read(avm_json_get(root, "file"), &need, &nr, err,
                           sizeof(err)) : -1;
    avm_json_free(root);
    if (rc)
        return answer_error(EXIT_FAILED, "%s", err);
    rc = db_needs_import(db, need, nr, req->replace);
    free(need);
    if (rc)
        return answer_error(EXIT_FAILED, "database: %s", db_error(db));

    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_int(j, "version", 1);
    avm_json_uint(j, "imported", nr);
    avm_json_end(j);
    return avm_json_finish(j);
}

static int history_one(const struct db_change *change, void *arg)
{
    struct avm_json *j = arg;
    char uuid[AVM_UUID_STR_LEN];

    avm_json_object(j, NULL);
    avm_json_int(j, "id", change->id);
    avm_json_int(j, "ts_ns", change->ts_ns);
    avm_json_str(j, "domain", change->domain);
    avm_json_str(j, "uuid", avm_uuid_str(&change->uuid, uuid));
    avm_json_uint(j, "domid", change->domid);
    avm_json_str(j, "knob", avm_knob_name(change->knob));
    avm_json_int(j, "before", change->before);
    avm_json_int(j, "after", change->after);
    avm_json_str(j, "reason", change->reason);
    avm_json_str(j, "actor", change->actor);
    avm_json_str(j, "state", change->state);
    avm_json_end(j);
    return 0;
}

static char *history(struct db *db, const struct who *who,
                     const struct request *req)
{
    struct db_change_filter filter = { .uuid = who ? &who->uuid : NULL };
    struct avm_json *j;
    char *text;
    int r;

    if (req->last != REQUEST_NONE) {
        if (req->last < 1 || req->last > DB_HISTORY_MAX)
            return answer_error(EXIT_FAILED, "the number of changes must be "
                                "1 to %d", DB_HISTORY_MAX);
        filter.last = (unsigned int)req->last;
    }

    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_int(j, "version", 1);
    avm_json_array(j, "changes");
    r = db_change_each(db, &filter, history_one, j);
    avm_json_end(j);
    avm_json_end(j);
    text = avm_json_finish(j);
    if (r) {
        free(text);
        return answer_error(EXIT_FAILED, "database: %s", db_error(db));
    }
    return text;
}

/* ------------------------------------------------------------------------ */
/* What was learnt                                                          */

/* UINT64_MAX: more than there are buckets for. */
static void put_most(struct avm_json *j, const char *key, uint64_t v)
{
    if (v == UINT64_MAX)
        avm_json_null(j, key);
    else
        avm_json_uint(j, key, v);
}

static void put_metric(struct avm_json *j, const struct avm_learned *l, int m,
                       bool whole)
{
    unsigned int i;
    uint64_t ms = 0;

    for (i = 0; i < AVM_LEARNED_BUCKETS; i++)
        ms += l->ms[m][i];
    avm_json_object(j, avm_learned_name(m));
    avm_json_bool(j, "enough", ms >= AVM_LEARNED_ENOUGH_MS);
    avm_json_uint(j, "known_ms", ms);
    put_most(j, "usual", avm_learned_quantile(l, m, 500));
    put_most(j, "high", avm_learned_quantile(l, m, 950));
    if (whole) {
        avm_json_array(j, "most");
        for (i = 0; i < AVM_LEARNED_BUCKETS; i++)
            put_most(j, NULL, avm_learned_most(m, i));
        avm_json_end(j);
        avm_json_array(j, "ms");
        for (i = 0; i < AVM_LEARNED_BUCKETS; i++)
            avm_json_uint(j, NULL, l->ms[m][i]);
        avm_json_end(j);
    }
    avm_json_end(j);
}

void store_put_learned(struct avm_json *j, const struct who *who,
                       int64_t seen_ns, const struct avm_learned *l,
                       bool whole)
{
    char uuid[AVM_UUID_STR_LEN];
    uint64_t ms = 0;
    int c, m;

    for (c = 0; c < AVM_NR_CLASSES; c++)
        ms += l->class_ms[c];
    avm_json_object(j, NULL);
    avm_json_str(j, "name", who->name);
    avm_json_str(j, "uuid", avm_uuid_str(&who->uuid, uuid));
    avm_json_int(j, "domid", who->domid);
    avm_json_int(j, "seen_ns", seen_ns);
    avm_json_bool(j, "enough", ms >= AVM_LEARNED_ENOUGH_MS);
    avm_json_uint(j, "enough_ms", AVM_LEARNED_ENOUGH_MS);
    avm_json_put_observed(j, l);
    avm_json_object(j, "metrics");
    for (m = 0; m < AVM_NR_LEARNED; m++)
        put_metric(j, l, m, whole);
    avm_json_end(j);
    avm_json_end(j);
}

struct show {
    struct avm_json *j;
    const struct who *running;
    size_t nr;
    bool whole;
    size_t shown;
};

static int show_row(const struct db_learned *row, void *arg)
{
    struct show *show = arg;
    struct who who = { .uuid = row->uuid, .domid = -1 };
    struct avm_learned l;
    char why[128];
    size_t i;

    if (avm_learned_parse(row->text, strlen(row->text), &l, why, sizeof(why)))
        return 0; /* avmd says so when it starts, and learns it anew */
    snprintf(who.name, sizeof(who.name), "%s", row->name);
    for (i = 0; i < show->nr; i++)
        if (avm_uuid_equal(&show->running[i].uuid, &row->uuid))
            who = show->running[i];
    store_put_learned(show->j, &who, row->seen_ns, &l, show->whole);
    show->shown++;
    return 0;
}

char *store_nothing_learned(const struct who *who)
{
    char uuid[AVM_UUID_STR_LEN];

    return answer_error(EXIT_NOT_FOUND, "nothing is known of the past of %s",
                        who->name[0] ? who->name :
                        avm_uuid_str(&who->uuid, uuid));
}

/* who NULL: of all of them. */
static char *model_show(struct db *db, const struct who *running, size_t nr,
                        const struct who *who)
{
    struct show show = {
        .j = avm_json_new(), .running = running, .nr = nr, .whole = who,
    };
    char *text;
    int r;

    avm_json_object(show.j, NULL);
    avm_json_int(show.j, "version", 1);
    avm_json_array(show.j, "domains");
    r = db_learned_each(db, who ? &who->uuid : NULL, show_row, &show);
    avm_json_end(show.j);
    avm_json_end(show.j);
    text = avm_json_finish(show.j);
    if (!r && (show.shown || !who))
        return text;
    free(text);
    return r ? answer_error(EXIT_FAILED, "database: %s", db_error(db))
             : store_nothing_learned(who);
}

static char *model_forget(struct db *db, const struct who *who)
{
    int r = db_learned_rm(db, &who->uuid);
    struct avm_json *j;

    if (r < 0)
        return answer_error(EXIT_FAILED, "database: %s", db_error(db));
    if (!r)
        return store_nothing_learned(who);
    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_int(j, "version", 1);
    avm_json_int(j, "forgotten", 1);
    avm_json_end(j);
    return avm_json_finish(j);
}

char *store_answer(struct db *db, const struct who *running, size_t nr,
                   const struct where *where, const struct request *req)
{
    bool is_list = !strcmp(req->op, "need-list");
    bool is_set = !strcmp(req->op, "need-set");
    bool is_rm = !strcmp(req->op, "need-rm");
    bool is_import = !strcmp(req->op, "need-import");
    bool is_show = !strcmp(req->op, "model-show");
    bool is_forget = !strcmp(req->op, "model-forget");
    struct who who;
    char *refusal;

    if (!is_list && !is_set && !is_rm && !is_import && !is_show &&
        !is_forget && strcmp(req->op, "history"))
        return NULL;
    if (!db)
        return answer_error(EXIT_FAILED,
                            "the database cannot be used: see the log of avmd");
    if (is_list)
        return need_list(db);
    if (is_import)
        return need_import(db, req);
    if (is_set || is_rm || is_forget || req->domain[0]) {
        refusal = who_find(db, running, nr, req->domain, &who);
        if (refusal)
            return refusal;
    }
    return is_set ? need_set(db, &who, where, req)
         : is_rm ? need_rm(db, &who)
         : is_forget ? model_forget(db, &who)
         : is_show ? model_show(db, running, nr, req->domain[0] ? &who : NULL)
         : history(db, req->domain[0] ? &who : NULL, req);
}
