/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent between two polls: the loop of libavm joined with the journal.
 * Nothing here waits; times come from outside, so that tests can give them.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "avm.h"
#include "conf.h"
#include "db.h"
#include "places.h"
#include "record.h"

/* Guests must not be able to watch each other closely: see avm-xenstore(7). */
#define PUBLISH_INTERVAL_MS 10000

/*
 * How often what was learnt is written. A killed avmd loses so much of a past
 * that counts from an hour on.
 */
#define LEARNED_SAVE_MS 300000

struct published {
    struct avm_uuid uuid;
    uint32_t domid;
    enum avm_class klass;
    uint64_t at_ms;
};

/* Since the start. */
struct counts {
    uint64_t samples, decisions, applied, failed, foreign;
    uint64_t refused;           /* again with each decision             */
    uint64_t round_us;          /* what the last tick took              */
    size_t needs;               /* known now                            */
};

struct agent {
    struct conf conf;
    struct avm_models models;   /* as conf_models() gave them           */
    enum avm_mode mode;         /* of the host, now                     */
    avm_handle *h;
    avm_state *st;
    struct db *db;              /* NULL: not usable, nothing is changed */
    struct avm_need *need;      /* the ones known                       */
    size_t nr_needs;
    struct places places;       /* where those want their domains to run */
    uint64_t decide_at_ms;
    struct record *record;      /* NULL: nothing is recorded            */
    bool uses_uplinks;
    bool learned_loaded;        /* the models of before are known       */
    uint64_t learned_at_ms;     /* when they are written again          */
    uint64_t learned_ns;        /* what is no later than this is in there  */
    uint64_t learned_pass_ns;   /* not 0: under way, to be learned_ns then */
    struct avm_uuid learned_to; /* ... and came to this one                */
    struct published *published;
    size_t nr_published;
    struct counts count;
    /* Troubles that were said, and are not said again until they are over. */
    bool said_journal, said_sample, said_needs, said_publish, said_renew,
         said_metrics, said_learned, said_learned_row;
};

uint64_t agent_now_ms(void);    /* CLOCK_MONOTONIC, as libavm wants it */
int64_t agent_realtime_ns(void);

/*
 * With conf and models filled in: opens the database, settles what an earlier
 * avmd left behind, takes the first sample. -1 (said in the log) only if the
 * host cannot be read at all.
 */
int agent_start(struct agent *a);
/* Gives back what has to be given back. */
void agent_stop(struct agent *a);

/* Monitor, evaluate, renew leases, publish; and each decide_ms the rest. */
void agent_tick(struct agent *a);

/* Takes the needs from the database again and decides soon. */
void agent_needs_changed(struct agent *a);

/*
 * The configuration, and the models that it names, from their files again,
 * apart from the directories. All of it or, if something is wrong (said in the
 * log), nothing: -1.
 */
int agent_reload(struct agent *a, const char *path, bool may_miss);

/* The uplinks of the configuration are those that are shared from now on. */
void agent_use_uplinks(struct agent *a);

/* The mode that counts for a domain. */
enum avm_mode agent_mode(const struct agent *a, const struct avm_domain *d);

/*
 * Journals, makes and verifies one change; c->state says what became of it.
 * 0, or -1 with one line in 'err'.
 */
int agent_change(struct agent *a, struct avm_change *c, const char *actor,
                 char *err, size_t err_size);

/* Gives back what avmd changed; uuid NULL: of all. Returns how many, or -1. */
int agent_revert(struct agent *a, const struct avm_uuid *uuid,
                 bool only_loans, const char *why, char *err,
                 size_t err_size);

#endif
