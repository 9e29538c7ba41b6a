/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learned.h"
#include "log.h"

/*
 * A domain that was not seen for so long does not come back, or comes back as
 * something else: a quarter, in which whatever runs once in a quarter has run.
 */
#define FORGET_NS (90ll * 86400 * 1000000000)

/*
 * A row is a tenth of a millisecond: with all of 3000 domains in one round the
 * loop would be late for a third of a second.
 */
#define BATCH 200

static int load_row(const struct db_learned *row, void *arg)
{
    struct agent *a = arg;
    struct avm_learned l;
    char why[128], uuid[AVM_UUID_STR_LEN];

    if (avm_learned_parse(row->text, strlen(row->text), &l, why,
                          sizeof(why))) {
        why[strcspn(why, "\n")] = '\0';
        log_trouble(&a->said_learned_row, true, "what was learnt of %s (%s) is "
                    "not used: %s; nor are others like it", row->name,
                    avm_uuid_str(&row->uuid, uuid), why);
        return 0;
    }
    if (avm_state_learned(a->st, &row->uuid, &l))
        return -1;
    record_past(a->record, &row->uuid, &l);
    return 0;
}

void learned_load(struct agent *a)
{
    if (!a->db || a->learned_loaded)
        return;
    /* Until they are known nothing is written over them. */
    if (db_learned_each(a->db, NULL, load_row, a))
        log_trouble(&a->said_learned, true, "what was learnt before: %s",
                    db_error(a->db));
    else
        a->learned_loaded = true;
}

static int save_one(struct agent *a, const struct avm_learned_of *of)
{
    const struct avm_domain *d = avm_domain_by_uuid(a->st, &of->uuid);
    struct db_learned row = { .uuid = of->uuid };
    char *text;
    int rc;

    text = avm_json_learned(&of->learned);
    if (!text)
        return 0; /* no memory: the next time */
    snprintf(row.name, sizeof(row.name), "%s", d ? d->untrusted_name : "");
    row.seen_ns = agent_realtime_ns();
    row.text = text;
    rc = db_learned_put(a->db, &row);
    free(text);
    return rc;
}

static bool has_changed(const struct agent *a,
                        const struct avm_learned_of *of)
{
    return of->last_ns > a->learned_ns && of->learned.observed_ms &&
           memcmp(&of->uuid, &a->learned_to, sizeof(of->uuid)) >= 0;
}

static void begin_pass(struct agent *a, const struct avm_learned_of *const *of,
                       size_t nr)
{
    a->learned_to = (struct avm_uuid){ { 0 } };
    a->learned_pass_ns = a->learned_ns;
    while (nr--)
        if (of[nr]->last_ns > a->learned_pass_ns)
            a->learned_pass_ns = of[nr]->last_ns;
}

/*
 * 'most' of them, from where it came to. 0: that was all; 1: not yet, or
 * somebody else is writing; -1.
 */
static int save(struct agent *a, bool wait, size_t most)
{
    const struct avm_learned_of *const *of;
    size_t i, nr;
    int rc;

    rc = db_learned_begin(a->db, wait);
    if (rc)
        return rc;
    of = avm_learned_all(a->st, &nr);
    if (!a->learned_pass_ns)
        begin_pass(a, of, nr);
    for (i = 0; i < nr && most; i++) {
        if (!has_changed(a, of[i]))
            continue;
        if (save_one(a, of[i]))
            return -1;
        most--;
    }
    if (db_learned_end(a->db, agent_realtime_ns() - FORGET_NS))
        return -1;
    if (i < nr) {
        a->learned_to = of[i]->uuid;
        return 1;
    }
    a->learned_ns = a->learned_pass_ns;
    a->learned_pass_ns = 0;
    return 0;
}

static int save_and_say(struct agent *a, bool wait, size_t most)
{
    int rc;

    if (!a->db || !a->learned_loaded)
        return -1;
    rc = save(a, wait, most);
    if (rc < 0)
        log_trouble(&a->said_learned, true, "what is learnt cannot be kept: "
                    "%s; the rest goes on", db_error(a->db));
    else if (!rc)
        log_trouble(&a->said_learned, false, "what is learnt is kept again");
    return rc;
}

void learned_save_due(struct agent *a, uint64_t now_ms)
{
    /* Who writes now will be done by the next round. */
    if (now_ms >= a->learned_at_ms && save_and_say(a, false, BATCH) <= 0)
        a->learned_at_ms = now_ms + LEARNED_SAVE_MS;
}

void learned_save(struct agent *a)
{
    a->learned_pass_ns = 0; /* from the first one on */
    save_and_say(a, true, SIZE_MAX);
}
