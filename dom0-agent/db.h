/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The needs database and the journal of changes: SQLite in WAL mode, so that
 * `avm need-set` works beside avmd as well as without it.
 *
 * The order is what makes it a journal: db_change_begin() has committed the
 * value from before when it returns; only then may the change be made.
 */
#ifndef AGENT_DB_H
#define AGENT_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "avm.h"

#define DB_FILE          "avm.db"
#define DB_HISTORY_MAX   20000  /* changes kept; older ones are dropped,
                                   unless they can still be taken back */

/* 2 MB; as many as libavm remembers of domains that are gone. */
#define DB_LEARNED_MAX   4096

struct db;

/* What is known of one domain, running or not. Kept over its reboots. */
struct db_need {
    struct avm_need need;       /* 'held' is not used here             */
    char cpus[AVM_CPUS_LEN];    /* affinity as it was said, "" if none was.
                                   need.affinity has it only if it means the
                                   same on every host: avm_cpus_check() */
    char name[AVM_NAME_LEN];    /* when it was set; the key is the UUID */
    bool has_need;              /* false: only a mode or a hold        */
    int64_t held_until_ns;      /* CLOCK_REALTIME; 0: not, -1: for good */
};

/*
 * One change. States: pending (journalled, perhaps made), applied (made),
 * verified (made and read back), failed (not made), undone (made, taken back).
 */
struct db_change {
    int64_t id, ts_ns;
    char domain[AVM_NAME_LEN];
    struct avm_uuid uuid;
    uint32_t domid;
    enum avm_knob knob;
    int64_t before, after;  
    char reason[256];
    char actor[8];              /* avmd, admin, foreign */
    char state[12];
};

#define DB_CREATE  (1u << 0)    /* make directory and file if missing */
#define DB_RESCUE  (1u << 1)    /* put a corrupt file aside, start anew */

/*
 * Opens 'dir'/avm.db. On error returns NULL with one line in 'msg'. With
 * DB_RESCUE 'msg' is filled on success too if a file had to be put aside;
 * otherwise it is "".
 */
struct db *db_open(const char *dir, unsigned int flags, char *msg,
                   size_t msg_size);
void db_close(struct db *db);

/* Why the last call returned -1. */
const char *db_error(const struct db *db);

/* 1: found, 0: not there, -1: error. By name: the first one. */
int db_need_get(struct db *db, const struct avm_uuid *uuid,
                struct db_need *need);
int db_need_find_name(struct db *db, const char *name, struct db_need *need);
/*
 * Without 'cpus' the affinity of 'need' is what was said.
 *
 * The needs proper; mode and hold have calls of their own. cpu_min_since is not
 * taken from 'need': it is the time at which this floor, or a higher one, was set
 * first (CLOCK_REALTIME, ns). 0 or -1.
 */
int db_need_set(struct db *db, const struct db_need *need);
int db_need_rm(struct db *db, const struct avm_uuid *uuid); /* 1, 0, -1 */
/* All of them, or none: 0 or -1. 'replace': those that are not here go. */
int db_needs_import(struct db *db, const struct db_need *need, size_t nr,
                    bool replace);
int db_mode_set(struct db *db, const struct avm_uuid *uuid,
                enum avm_mode mode);
int db_hold_set(struct db *db, const struct avm_uuid *uuid,
                int64_t until_ns);
/* 'fn' stops the walk by returning non-zero. */
int db_need_each(struct db *db,
                 int (*fn)(const struct db_need *need, void *arg), void *arg);

/* What was learnt of a domain, as avm_json_learned() writes it. */
struct db_learned {
    struct avm_uuid uuid;
    char name[AVM_NAME_LEN];    /* when it was seen last              */
    int64_t seen_ns;            /* CLOCK_REALTIME                     */
    const char *text;           /* as long as the call lasts          */
};

/* The one of a UUID, or NULL: all of them. 'fn' stops it as above. */
int db_learned_each(struct db *db, const struct avm_uuid *uuid,
                    int (*fn)(const struct db_learned *row, void *arg),
                    void *arg);
/* The UUID of the one that was seen last under this name: 1, 0, -1. */
int db_learned_find_name(struct db *db, const char *name,
                         struct avm_uuid *uuid);
int db_learned_rm(struct db *db, const struct avm_uuid *uuid); /* 1, 0, -1 */
/*
 * begin, as many puts as there are, end: all or none. begin returns 1 if
 * somebody else is writing just now and 'wait' is not set. end drops those that
 * were not seen since 'since_ns', and the oldest of more than DB_LEARNED_MAX.
 * After an error of put or end, and of them only, nothing was written.
 */
int db_learned_begin(struct db *db, bool wait);
/* A name of "" leaves the one that is there. */
int db_learned_put(struct db *db, const struct db_learned *row);
int db_learned_end(struct db *db, int64_t since_ns);

/* Fills 'change->id'. 'state' in 'change' is what it is entered as. */
int db_change_begin(struct db *db, struct db_change *change);
int db_change_state(struct db *db, int64_t id, const char *state);

struct db_change_filter {
    const struct avm_uuid *uuid; /* NULL: all                        */
    const char *state;          /* NULL: all                         */
    bool this_boot;             /* only since the host was started   */
    int64_t since_ns;
    unsigned int last;          /* only the newest ones; 0: all      */
};

/* Oldest first. */
int db_change_each(struct db *db, const struct db_change_filter *filter,
                   int (*fn)(const struct db_change *change, void *arg),
                   void *arg);

/*
 * What avmd changed in a running domain and did not give back: for each knob
 * its first change, with 'after' of the last one. What an admin or another
 * program set is the operator's wish: only what came later counts.
 */
int db_change_in_force(struct db *db, const struct avm_uuid *uuid,
                       uint32_t domid,
                       int (*fn)(const struct db_change *change, void *arg),
                       void *arg);
/* Marks them as undone. */
int db_change_undone(struct db *db, const struct avm_uuid *uuid,
                     uint32_t domid, enum avm_knob knob);

/* A change of another boot left pending can only have been lost. */
int db_change_drop_stale(struct db *db);

#endif
