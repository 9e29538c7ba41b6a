/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent.h"
#include "learned.h"
#include "log.h"
#include "metrics.h"
#include "request.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t agent_now_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t agent_realtime_ns(void)
{
    return (int64_t)clock_ns(CLOCK_REALTIME);
}

enum avm_mode agent_mode(const struct agent *a, const struct avm_domain *d)
{
    return d->mode == AVM_MODE_INHERIT ? a->mode : d->mode;
}

/* ------------------------------------------------------------------------ */
/* Database                                                                 */

static void journal_trouble(struct agent *a)
{
    log_trouble(&a->said_journal, true, "journal: %s; watching goes on, "
                "but nothing is changed without a journal", db_error(a->db));
}

static void journal_works(struct agent *a)
{
    log_trouble(&a->said_journal, false, "journal: works again");
}

/* Without a database there is only watching; so it is tried again and again. */
static void open_db(struct agent *a)
{
    char msg[512];

    a->db = db_open(a->conf.state_dir, DB_CREATE | DB_RESCUE, msg,
                    sizeof(msg));
    if (!a->db)
        log_trouble(&a->said_journal, true, "%s; watching goes on, but "
                    "nothing is changed without a journal", msg);
    else if (msg[0])
        log_line(LOG_WARN, "%s", msg);
    if (a->db)
        journal_works(a);
}

static void record_now(struct agent *a)
{
    struct settings s = {
        .mode = a->mode, .loop = a->conf.loop, .need = a->need,
        .nr = a->nr_needs,
        .models = a->conf.models[0] ? &a->models : NULL,
    };

    record_settings(a->record, &s);
}

struct needs {
    struct db_need *list;       /* as many */
    struct avm_need *need;
    size_t nr, room;
    size_t real;                /* not just a mode or a hold */
    int64_t now_ns;
};

static int collect_need(const struct db_need *in, void *arg)
{
    struct needs *needs = arg;
    struct db_need *longer;
    struct avm_need *bigger;

    if (needs->nr == needs->room) {
        needs->room = needs->room ? needs->room * 2 : 64;
        bigger = realloc(needs->need, needs->room * sizeof(*bigger));
        if (!bigger)
            return -1;
        needs->need = bigger;
        longer = realloc(needs->list, needs->room * sizeof(*longer));
        if (!longer)
            return -1;
        needs->list = longer;
    }
    needs->real += in->has_need;
    needs->list[needs->nr] = *in;
    needs->need[needs->nr] = in->need;
    needs->need[needs->nr++].held =
        in->held_until_ns < 0 || in->held_until_ns > needs->now_ns;
    return 0;
}

static void take_needs(struct agent *a)
{
    struct needs needs = { .now_ns = agent_realtime_ns() };
    int r;

    r = db_need_each(a->db, collect_need, &needs);
    if (r)
        log_trouble(&a->said_needs, true, "needs: %s; the ones known stay",
                    db_error(a->db));
    else if (places_find(a, needs.list, needs.need, needs.nr) ||
             avm_state_needs(a->st, needs.need, needs.nr))
        log_trouble(&a->said_needs, true, "needs: %s; the ones known stay",
                    strerror(errno));
    else {
        log_trouble(&a->said_needs, false, "needs: can be read again");
        free(a->need);
        a->need = needs.need;
        a->nr_needs = needs.nr;
        a->count.needs = needs.real;
        free(needs.list);
        return;
    }
    free(needs.list);
    free(needs.need);
}

/* Each decision: the table is small, and avm may have written to it itself. */
static void load_needs(struct agent *a)
{
    if (!a->db)
        open_db(a);
    if (a->db)
        take_needs(a);
    /* Needs or not: there is more in it that may have changed. */
    record_now(a);
}

void agent_needs_changed(struct agent *a)
{
    load_needs(a);
    a->decide_at_ms = 0;
}

int agent_reload(struct agent *a, const char *path, bool may_miss)
{
    char err[512] = "out of range";
    struct avm_models models;
    struct conf conf;

    conf_defaults(&conf);
    if (conf_load(&conf, path, may_miss, err, sizeof(err)) ||
        conf_models(&conf, &models, err, sizeof(err)) ||
        avm_state_config(a->st, &conf.loop) ||
        avm_state_models(a->st, &models)) {
        log_line(LOG_ERROR, "%s; the old configuration stays", err);
        return -1;
    }
    /* The directories are in use. */
    memcpy(conf.run_dir, a->conf.run_dir, sizeof(conf.run_dir));
    memcpy(conf.state_dir, a->conf.state_dir, sizeof(conf.state_dir));
    if (strcmp(conf.metrics_file, a->conf.metrics_file))
        metrics_remove(&a->conf);
    a->conf = conf;
    a->models = models;
    a->mode = conf.mode;
    agent_use_uplinks(a);
    agent_needs_changed(a);
    log_line(LOG_INFO, "configuration read again, mode %s, usage models %s",
             avm_mode_name(conf.mode),
             conf.models[0] ? conf.models : "built in");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Changes                                                                  */

static void fill_row(struct db_change *row, const struct avm_change *c,
                     const char *actor, const char *state)
{
    *row = (struct db_change){
        .ts_ns = agent_realtime_ns(),
        .uuid = c->uuid,
        .domid = c->domid,
        .knob = c->knob,
        .before = (int64_t)c->before,
        .after = (int64_t)c->after,
    };
    snprintf(row->domain, sizeof(row->domain), "%s", c->untrusted_name);
    snprintf(row->reason, sizeof(row->reason), "%s", c->reason);
    snprintf(row->actor, sizeof(row->actor), "%s", actor);
    snprintf(row->state, sizeof(row->state), "%s", state);
}

static void set_row_state(struct agent *a, const struct db_change *row,
                          const char *state)
{
    if (db_change_state(a->db, row->id, state))
        journal_trouble(a);
}

/* Several calls to Xen or Linux make it: one for each vCPU, vif, disk. */
static bool has_parts(enum avm_knob knob)
{
    return knob == AVM_KNOB_AFFINITY || knob >= AVM_KNOB_NET_OUT;
}

/* It failed, perhaps by half; what cannot be put back was said already. */
static void put_back(struct agent *a, const struct avm_change *c)
{
    struct avm_change back = *c;

    back.after = c->before;
    if (has_parts(c->knob))
        avm_apply(a->h, &back);
}

/* Journal, apply, read back. */
static int make_change(struct agent *a, struct avm_change *c,
                       const char *actor, char *err, size_t err_size)
{
    struct db_change row;
    uint64_t actual = 0;
    int r;

    if (!a->db) {
        snprintf(err, err_size, "no journal, so nothing is changed");
        return -1;
    }
    fill_row(&row, c, actor, "pending");
    if (db_change_begin(a->db, &row)) {
        journal_trouble(a);
        snprintf(err, err_size, "journal: %s; nothing was changed",
                 db_error(a->db));
        return -1;
    }
    journal_works(a);

    if (avm_apply(a->h, c)) {
        if (errno == ESRCH || errno == ESTALE)
            snprintf(err, err_size, "the domain is gone");
        else
            snprintf(err, err_size, "%s: %s", strerror(errno),
                     avm_last_error(a->h));
        goto fail;
    }
    set_row_state(a, &row, "applied");

    r = avm_verify(a->h, c, &actual);
    if (r > 0) {
        snprintf(err, err_size, "wrote %" PRIu64 ", read back %" PRIu64,
                 c->after, actual);
        goto fail;
    }
    /* Not readable, but written: it stays 'applied'. */
    if (!r)
        set_row_state(a, &row, "verified");
    c->state = AVM_CHANGE_APPLIED;
    a->count.applied++;
    return 0;

 fail:
    put_back(a, c);
    set_row_state(a, &row, "failed");
    c->state = AVM_CHANGE_FAILED;
    a->count.failed++;
    return -1;
}

static const char *change_name(const struct avm_change *c)
{
    return c->untrusted_name[0] ? c->untrusted_name : "domain without a name";
}

/* "web (3): weight 256 -> 320" */
static const char *change_str(const struct avm_change *c, char *buf,
                              size_t size)
{
    char before[KNOB_STR_LEN], after[KNOB_STR_LEN];

    snprintf(buf, size, "%s (%" PRIu32 "): %s %s -> %s", change_name(c),
             c->domid, avm_knob_name(c->knob),
             knob_str((int)c->knob, c->before, before),
             knob_str((int)c->knob, c->after, after));
    return buf;
}

#define CHANGE_STR_LEN (AVM_NAME_LEN + 2 * KNOB_STR_LEN + 64)

/*
 * The first change of a knob that is not ours. What the journal has of earlier
 * ones is over: step by step it came back to what it was, or it went with a
 * device. The next avmd must not take their value of before for this one's.
 */
static int begin_anew(struct agent *a, const struct avm_change *c, char *err,
                      size_t err_size)
{
    struct avm_change ours[2 * AVM_NR_KNOBS];
    size_t i, nr = avm_undo_list(a->st, &c->uuid, ours, 2 * AVM_NR_KNOBS);

    for (i = 0; i < nr; i++)
        if (ours[i].domid == c->domid && ours[i].knob == c->knob)
            return 0;
    if (!a->db || !db_change_undone(a->db, &c->uuid, c->domid, c->knob))
        return 0;
    journal_trouble(a);
    snprintf(err, err_size, "journal: %s; nothing was changed",
             db_error(a->db));
    return -1;
}

int agent_change(struct agent *a, struct avm_change *c, const char *actor,
                 char *err, size_t err_size)
{
    char text[CHANGE_STR_LEN];
    bool own = !strcmp(actor, "avmd");
    enum avm_change_state was = c->state;
    int rc;

    rc = own ? begin_anew(a, c, err, err_size) : 0;
    if (!rc)
        rc = make_change(a, c, actor, err, err_size);
    if (!rc)
        log_line(LOG_INFO, "%s: %s", change_str(c, text, sizeof(text)),
                 c->reason);
    else if (c->state == AVM_CHANGE_FAILED)
        log_line(LOG_WARN, "%s failed: %s",
                 change_str(c, text, sizeof(text)), err);
    /* Without a journal it was not even tried: no cool-down, no budget. */
    if (own && c->state != was)
        avm_applied(a->st, c, agent_now_ms(), !rc);
    return rc;
}

/* What nobody would take back if avmd did not: urgencies, limits on I/O. */
static bool is_loan(enum avm_knob knob)
{
    return knob == AVM_KNOB_URGENCY || knob >= AVM_KNOB_NET_OUT;
}

int agent_revert(struct agent *a, const struct avm_uuid *uuid,
                 bool only_loans, const char *why, char *err,
                 size_t err_size)
{
    char text[CHANGE_STR_LEN];
    struct avm_change *list;
    size_t i, nr;
    int done = 0, failed = 0;

    avm_domains(a->st, &nr);
    nr *= AVM_NR_KNOBS;
    list = calloc(nr ? nr : 1, sizeof(*list));
    if (!list) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -1;
    }
    nr = avm_undo_list(a->st, uuid, list, nr);
    for (i = 0; i < nr; i++) {
        struct avm_change *c = &list[i];
        bool ok;

        if (only_loans && !is_loan(c->knob))
            continue;
        snprintf(c->reason, sizeof(c->reason), "%s", why);
        ok = !make_change(a, c, "avmd", err, err_size);
        if (!ok && c->state == AVM_CHANGE_READY) {
            /* No journal. To give back is right even so. */
            ok = !avm_apply(a->h, c);
            ++*(ok ? &a->count.applied : &a->count.failed);
            if (!ok)
                snprintf(err, err_size, "%s", strerror(errno));
        }
        if (!ok) {
            failed++;
            log_line(LOG_WARN, "%s failed: %s",
                     change_str(c, text, sizeof(text)), err);
            continue;
        }
        done++;
        log_line(LOG_INFO, "%s: %s", change_str(c, text, sizeof(text)), why);
        avm_applied(a->st, c, agent_now_ms(), true);
        /* The way there and the way back at once, whenever avmd may die. */
        if (a->db && db_change_undone(a->db, &c->uuid, c->domid, c->knob))
            journal_trouble(a);
    }
    free(list);
    return failed ? -1 : done;
}

/* ------------------------------------------------------------------------ */
/* What an earlier avmd left behind                                         */

/*
 * avmd died between the journal and the end of a change: was it made? Asked of
 * the host itself, for a sample knows the limits of some domains only. What has
 * parts may be there by half, so it is written again, this way or that. Returns
 * the state that the row is to have.
 */
static const char *settle_change(struct agent *a, const struct db_change *row)
{
    struct avm_change c = {
        .uuid = row->uuid, .domid = row->domid, .knob = row->knob,
        .before = (uint64_t)row->before, .after = (uint64_t)row->after,
    };
    uint64_t actual;
    int r = avm_verify(a->h, &c, &actual);

    if (r < 0 && (errno == ESRCH || errno == ESTALE))
        return "failed";
    if (has_parts(c.knob)) {
        if (r)
            c.after = c.before;
        if (avm_apply(a->h, &c))
            r = -1;
    }
    /* Who knows: then it is something to be given back. */
    return r < 0 ? "applied" : r ? "failed" : "verified";
}

struct restored {
    struct agent *a;
    unsigned int nr;
};

static int restore_knob(const struct db_change *c, void *arg)
{
    struct restored *s = arg;

    /* Nobody renewed the lease meanwhile: it ends, or has ended, by itself. */
    if (c->knob == AVM_KNOB_URGENCY) {
        if (db_change_undone(s->a->db, &c->uuid, c->domid, c->knob))
            journal_trouble(s->a);
        return 0;
    }
    if (avm_state_restore(s->a->st, &c->uuid, c->domid, c->knob,
                          (uint64_t)c->before, (uint64_t)c->after))
        log_line(LOG_WARN, "%s (%" PRIu32 "): %s of before is lost: %s",
                 c->domain, c->domid, avm_knob_name(c->knob),
                 strerror(errno));
    s->nr++;
    return 0;
}

/* Pages of a list that is changed while it is walked would be a trap. */
struct rows {
    struct db_change row[64];
    size_t nr;
};

static int collect_row(const struct db_change *row, void *arg)
{
    struct rows *rows = arg;

    if (rows->nr == sizeof(rows->row) / sizeof(rows->row[0]))
        return 1;
    rows->row[rows->nr++] = *row;
    return 0;
}

static void settle_one(struct agent *a, const struct db_change *row,
                       bool was_last)
{
    /* avmd went on after the others: what failed was to write it down. */
    const char *state = was_last ? settle_change(a, row) : "applied";

    log_line(LOG_INFO, "%s (%" PRIu32 "): %s %" PRId64 " -> %" PRId64
             " was under way when avmd ended: %s now", row->domain,
             row->domid, avm_knob_name(row->knob), row->before, row->after,
             state);
    if (db_change_state(a->db, row->id, state))
        journal_trouble(a);
}

/* To be done before the host is read: it may change the host. */
static void settle_pending(struct agent *a)
{
    struct db_change_filter pending = {
        .state = "pending", .this_boot = true,
    }, newest = { .last = 1 };
    struct rows rows, last;
    size_t i;

    if (!a->db)
        return;
    if (db_change_drop_stale(a->db) < 0)
        journal_trouble(a);

    /* One thread makes one change at a time: there is hardly more than one. */
    rows.nr = last.nr = 0;
    db_change_each(a->db, &newest, collect_row, &last);
    db_change_each(a->db, &pending, collect_row, &rows);
    for (i = 0; i < rows.nr; i++)
        settle_one(a, &rows.row[i],
                   last.nr && rows.row[i].id == last.row[0].id);
}

static void restore(struct agent *a, const struct avm_sample *sample)
{
    struct restored s = { .a = a };
    struct rows rows;
    size_t i, k;

    for (i = 0; a->db && i < sample->nr; i++) {
        rows.nr = 0;
        db_change_in_force(a->db, &sample->domain[i].uuid,
                           sample->domain[i].domid, collect_row, &rows);
        for (k = 0; k < rows.nr; k++)
            restore_knob(&rows.row[k], &s);
    }
    if (s.nr)
        log_line(LOG_INFO, "took over %u changes of an earlier avmd", s.nr);
}

/* ------------------------------------------------------------------------ */
/* The loop                                                                 */

static struct published *published_of(struct agent *a,
                                      const struct avm_domain *d)
{
    struct published *p, *bigger;
    size_t i;

    for (i = 0; i < a->nr_published; i++) {
        p = &a->published[i];
        if (p->domid == d->domid && avm_uuid_equal(&p->uuid, &d->uuid))
            return p;
    }
    bigger = realloc(a->published, (i + 1) * sizeof(*bigger));
    if (!bigger)
        return NULL;
    a->published = bigger;
    a->nr_published++;
    bigger[i] = (struct published){
        .uuid = d->uuid, .domid = d->domid, .klass = AVM_NR_CLASSES,
    };
    return &bigger[i];
}

static void forget_published(struct agent *a)
{
    const struct avm_domain *d;
    size_t i, kept = 0;

    for (i = 0; i < a->nr_published; i++) {
        d = avm_domain_by_uuid(a->st, &a->published[i].uuid);
        if (d && d->domid == a->published[i].domid)
            a->published[kept++] = a->published[i];
    }
    a->nr_published = kept;
}

static void publish_one(struct agent *a, const struct avm_domain *d,
                        uint64_t now_ms)
{
    struct published *p = published_of(a, d);
    bool first;

    if (!p || p->klass == d->klass)
        return;
    /* The first word that says something need not wait. */
    first = p->klass == AVM_NR_CLASSES || p->klass == AVM_CLASS_UNKNOWN;
    if (!first && now_ms - p->at_ms < PUBLISH_INTERVAL_MS)
        return;

    if (!avm_publish(a->h, d->domid, &d->uuid, d->klass)) {
        p->klass = d->klass;
        p->at_ms = now_ms;
        log_trouble(&a->said_publish, false, "xenstore: works again");
    } else if (errno != ESRCH && errno != ESTALE && errno != EAGAIN) {
        log_trouble(&a->said_publish, true, "xenstore: classes are not "
                    "published: %s", strerror(errno));
    }
}

static void publish(struct agent *a, uint64_t now_ms)
{
    const struct avm_domain *d;
    size_t i, nr;

    d = avm_domains(a->st, &nr);
    for (i = 0; i < nr; i++)
        if (!(d[i].flags & (AVM_DOM_CONTROL | AVM_DOM_DYING)))
            publish_one(a, &d[i], now_ms);
    forget_published(a);
}

/* Urgencies are leases: as long as they are wanted they are renewed here. */
static void renew(struct agent *a, uint64_t now_ms)
{
    struct avm_change c[32];
    size_t i, nr;
    bool ok;

    nr = avm_renewals(a->st, now_ms, c, sizeof(c) / sizeof(c[0]));
    for (i = 0; i < nr; i++) {
        ok = !avm_apply(a->h, &c[i]);
        if (ok || (errno != ESRCH && errno != ESTALE))
            log_trouble(&a->said_renew, !ok, ok ? "leases: renewed again"
                                                : "leases: cannot renew");
        avm_renewed(a->st, &c[i], now_ms, ok);
    }
}

struct last_row {
    enum avm_knob knob;
    struct db_change row;
};

static int keep_last(const struct db_change *row, void *arg)
{
    struct last_row *last = arg;

    if (row->knob == last->knob)
        last->row = *row;
    return 0;
}

/* `avm set` has its row already: it went through us. */
static bool is_admins_own(struct agent *a, const struct avm_change *c)
{
    struct db_change_filter filter = {
        .uuid = &c->uuid, .this_boot = true, .last = 32,
    };
    struct last_row last = { .knob = c->knob };

    if (!a->db || db_change_each(a->db, &filter, keep_last, &last))
        return false;
    return !strcmp(last.row.actor, "admin") &&
           last.row.after == (int64_t)c->after;
}

/* The operator, or another program, wins; write down that it happened. */
static void note_foreign(struct agent *a)
{
    const struct avm_change *c;
    char text[CHANGE_STR_LEN];
    struct db_change row;
    size_t i, nr;

    c = avm_foreign(a->st, &nr);
    for (i = 0; i < nr; i++) {
        if (is_admins_own(a, &c[i]))
            continue;
        a->count.foreign++;
        log_line(LOG_WARN, "%s: %s", change_str(&c[i], text, sizeof(text)),
                 c[i].reason);
        fill_row(&row, &c[i], "foreign", "verified");
        if (a->db && db_change_begin(a->db, &row))
            journal_trouble(a);
    }
}

static void decide(struct agent *a, uint64_t now_ms)
{
    char err[256], text[CHANGE_STR_LEN];
    struct avm_plan *plan;
    size_t i;

    load_needs(a);
    if (avm_plan(a->st, now_ms, 0, &plan)) {
        log_line(LOG_ERROR, "no plan: %s", strerror(errno));
        return;
    }
    places_explain(a, plan);
    a->count.decisions++;
    for (i = 0; i < plan->nr; i++)
        a->count.refused += plan->change[i].state == AVM_CHANGE_REFUSED;
    for (i = 0; i < plan->nr; i++) {
        struct avm_change *c = &plan->change[i];
        const struct avm_domain *d = avm_domain_by_uuid(a->st, &c->uuid);

        log_line(LOG_DEBUG, "plan: %s: %s: %s%s%s",
                 change_str(c, text, sizeof(text)),
                 avm_change_state_name(c->state), c->reason,
                 c->why_not[0] ? "; " : "", c->why_not);
        if (c->state != AVM_CHANGE_READY || !d ||
            agent_mode(a, d) != AVM_MODE_AUTO)
            continue;
        if (agent_change(a, c, "avmd", err, sizeof(err)) &&
            c->state == AVM_CHANGE_READY)
            break; /* no journal: said, and the next one would not do better */
    }
    avm_plan_free(plan);
}

static int sample(struct agent *a, bool first)
{
    struct avm_sample *s = NULL;
    int rc = -1;

    if (avm_sample_read(a->h, &s)) {
        log_trouble(&a->said_sample, true, "cannot read the host: %s%s%s",
                    strerror(errno), avm_last_error(a->h)[0] ? ": " : "",
                    avm_last_error(a->h));
        return -1;
    }
    if (first) {
        restore(a, s);
        load_needs(a);
    }
    learned_load(a);
    if (avm_observe(a->st, s)) {
        log_trouble(&a->said_sample, true, "bad sample: %s", strerror(errno));
        goto out;
    }
    log_trouble(&a->said_sample, false, "the host can be read again");
    /* Which pCPUs they mean can be told only now. */
    if (first)
        load_needs(a);
    record_sample(a->record, s);
    a->count.samples++;
    rc = 0;

 out:
    avm_sample_free(s);
    return rc;
}

void agent_tick(struct agent *a)
{
    uint64_t began_ns = clock_ns(CLOCK_MONOTONIC), now_ms;
    bool decides;

    if (sample(a, false))
        return;
    now_ms = agent_now_ms();
    note_foreign(a);
    renew(a, now_ms);
    decides = now_ms >= a->decide_at_ms;
    if (decides) {
        /* No catching up: a late decision is not followed by a burst. */
        a->decide_at_ms = now_ms + a->conf.loop.decide_ms -
                          a->conf.loop.sample_ms / 2;
        decide(a, now_ms);
    }
    record_round_ends(a->record);
    publish(a, now_ms);
    learned_save_due(a, now_ms);
    a->count.round_us = (clock_ns(CLOCK_MONOTONIC) - began_ns) / 1000;
    if (decides)
        metrics_write(a, now_ms);
}

void agent_use_uplinks(struct agent *a)
{
    if (!a->conf.nr_uplinks && !a->uses_uplinks)
        return;
    a->uses_uplinks = !avm_uplinks_set(a->h, a->conf.uplink,
                                       a->conf.nr_uplinks) &&
                      a->conf.nr_uplinks;
    if (a->conf.nr_uplinks && !a->uses_uplinks)
        log_line(LOG_ERROR, "uplinks are not shared: %s", strerror(errno));
}

int agent_start(struct agent *a)
{
    a->mode = a->conf.mode;
    a->st = avm_state_new(&a->conf.loop);
    if (!a->st) {
        log_line(LOG_ERROR, "%s", strerror(errno));
        return -1;
    }
    if (avm_state_models(a->st, &a->models)) {
        log_line(LOG_ERROR, "usage models: %s", strerror(errno));
        return -1;
    }
    record_now(a); /* without needs until they are known, if ever */
    open_db(a);
    agent_use_uplinks(a);
    settle_pending(a);
    if (sample(a, true))
        return -1;
    note_foreign(a);
    record_round_ends(a->record);
    a->learned_at_ms = agent_now_ms() + LEARNED_SAVE_MS;
    /* As after each decision: on a tick, however early or late that is. */
    a->decide_at_ms = agent_now_ms() + a->conf.loop.decide_ms -
                      a->conf.loop.sample_ms / 2;
    return 0;
}

void agent_stop(struct agent *a)
{
    char err[256];
    size_t i;

    if (a->st) {
        /* What somebody set since the last look stays as it is. */
        if (!sample(a, false))
            note_foreign(a);
        agent_revert(a, NULL, !a->conf.revert_on_exit, "avmd stops", err,
                     sizeof(err));
    }
    if (a->st)
        learned_save(a);
    metrics_remove(&a->conf);
    for (i = 0; i < a->nr_published; i++)
        avm_unpublish(a->h, a->published[i].domid);
    free(a->published);
    a->published = NULL;
    a->nr_published = 0;
    free(a->need);
    a->need = NULL;
    a->nr_needs = 0;
    places_free(&a->places);
    avm_state_free(a->st);
    a->st = NULL;
    db_close(a->db);
    a->db = NULL;
    record_close(a->record);
    a->record = NULL;
}
