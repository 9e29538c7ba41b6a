/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "db.h"
#include "request.h"

struct db {
    sqlite3 *sql;
    char boot[AVM_UUID_STR_LEN]; /* domids and values mean this boot only */
    char error[256];
};

/* How long one waits for another to have written: avm writes beside avmd. */
#define BUSY_MS 1000

/*
 * db_migrations[n] takes a database from user_version n to n + 1. Never change
 * an entry that was released: append one.
 */
static const char *const db_migrations[] = {
    "CREATE TABLE need ("
    "  uuid TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL,"
    "  weight_min INTEGER NOT NULL, weight_max INTEGER NOT NULL,"
    "  cap_pct INTEGER, affinity INTEGER" /* NULL: left alone */
    ") WITHOUT ROWID;"
    "CREATE TABLE domain ("
    "  uuid TEXT PRIMARY KEY, mode TEXT NOT NULL DEFAULT 'inherit',"
    "  held_until_ns INTEGER NOT NULL DEFAULT 0"
    ") WITHOUT ROWID;"
    "CREATE TABLE change ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, ts_ns INTEGER NOT NULL,"
    "  boot TEXT NOT NULL, domain TEXT NOT NULL, uuid TEXT NOT NULL,"
    "  domid INTEGER NOT NULL, knob TEXT NOT NULL,"
    "  before INTEGER NOT NULL, after INTEGER NOT NULL,"
    "  reason TEXT NOT NULL, actor TEXT NOT NULL, state TEXT NOT NULL"
    ");"
    "CREATE INDEX change_uuid ON change (uuid, id);"
    "CREATE INDEX change_pending ON change (state) WHERE state = 'pending';",
    "ALTER TABLE need ADD COLUMN net_max_bps INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE need ADD COLUMN disk_max_bps INTEGER NOT NULL DEFAULT 0;",
    /* Where avmd's changes in force begin: asked for each of its rows. */
    "CREATE INDEX change_other ON change (uuid, knob, id)"
    " WHERE actor <> 'avmd';",
    "CREATE TABLE learned ("
    "  uuid TEXT PRIMARY KEY, name TEXT NOT NULL, seen_ns INTEGER NOT NULL,"
    "  model TEXT NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE INDEX learned_seen ON learned (seen_ns);",
    /* A floor, and when it was asked for: who was first is promised it first. */
    "ALTER TABLE need ADD COLUMN cpu_min_permille INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE need ADD COLUMN cpu_min_since_ns INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE need ADD COLUMN net_in_max_bps INTEGER NOT NULL DEFAULT 0;",
    /* As it was said; NULL: see affinity, which is a mask. */
    "ALTER TABLE need ADD COLUMN cpus TEXT;",
};

#define DB_VERSION \
    ((int)(sizeof(db_migrations) / sizeof(db_migrations[0])))

static int db_fail(struct db *db)
{
    snprintf(db->error, sizeof(db->error), "%s", sqlite3_errmsg(db->sql));
    return -1;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

static int db_exec(struct db *db, const char *sql)
{
    return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK
           ? 0 : db_fail(db);
}

/* Binds by letter: t text, u UUID, i int64_t, o const int64_t * or NULL. */
static sqlite3_stmt *db_prepare(struct db *db, const char *sql,
                                const char *types, ...)
{
    char uuid[AVM_UUID_STR_LEN];
    const int64_t *number;
    const char *text;
    sqlite3_stmt *stmt;
    va_list ap;
    int i, r = SQLITE_OK;

    if (sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) != SQLITE_OK) {
        db_fail(db);
        return NULL;
    }
    va_start(ap, types);
    for (i = 0; types[i] && r == SQLITE_OK; i++) {
        switch (types[i]) {
        case 'i':
            r = sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
            break;
        case 'o':
            number = va_arg(ap, const int64_t *);
            r = number ? sqlite3_bind_int64(stmt, i + 1, *number)
                       : sqlite3_bind_null(stmt, i + 1);
            break;
        case 'u':
            text = avm_uuid_str(va_arg(ap, const struct avm_uuid *), uuid);
            r = sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_TRANSIENT);
            break;
        default:
            text = va_arg(ap, const char *);
            r = sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_TRANSIENT);
        }
    }
    va_end(ap);
    if (r != SQLITE_OK) {
        db_fail(db);
        sqlite3_finalize(stmt);
        return NULL;
    }
    return stmt;
}

/* Runs a statement that returns no rows. Returns the rows changed or -1. */
static int db_run(struct db *db, sqlite3_stmt *stmt)
{
    int rc;

    if (!stmt)
        return -1;
    rc = sqlite3_step(stmt) == SQLITE_DONE ? sqlite3_changes(db->sql)
                                           : db_fail(db);
    sqlite3_finalize(stmt);
    return rc;
}

static void column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    snprintf(buf, size, "%s", text ? text : "");
}

/* Words and UUIDs were written by us; what is not one (an edited file) is 0. */
static int column_word(sqlite3_stmt *stmt, int column,
                       int (*parse)(const char *word))
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    int value = text ? parse(text) : 0;

    return value < 0 ? 0 : value;
}

static void column_uuid(sqlite3_stmt *stmt, int column, struct avm_uuid *uuid)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    if (!text || avm_uuid_parse(text, uuid))
        *uuid = (struct avm_uuid){ { 0 } };
}

static int read_version(struct db *db, int *version)
{
    sqlite3_stmt *stmt = db_prepare(db, "PRAGMA user_version", "");
    int r;

    if (!stmt)
        return -1;
    r = sqlite3_step(stmt);
    *version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return r == SQLITE_ROW ? 0 : db_fail(db);
}

static int db_migrate(struct db *db)
{
    char sql[64];
    int version;

    if (read_version(db, &version))
        return -1;
    if (version == DB_VERSION)
        return 0;
    if (version > DB_VERSION) {
        snprintf(db->error, sizeof(db->error),
                 "made by a newer avm (format %d, this one knows %d)",
                 version, DB_VERSION);
        return -1;
    }

    /* Another process may be first: ask again under the write lock. */
    if (db_exec(db, "BEGIN IMMEDIATE") || read_version(db, &version))
        return -1;
    for (; version < DB_VERSION; version++)
        if (db_exec(db, db_migrations[version]))
            goto rollback;
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", DB_VERSION);
    if (db_exec(db, sql) || db_exec(db, "COMMIT"))
        goto rollback;
    return 0;

 rollback:
    sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

/* quick_check reads the whole file: small by design (DB_HISTORY_MAX). */
static bool db_is_sound(struct db *db)
{
    sqlite3_stmt *stmt;
    bool ok;
    int r;

    if (sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &stmt, NULL)
        != SQLITE_OK)
        goto fail;
    r = sqlite3_step(stmt);
    ok = r == SQLITE_ROW &&
         !strcmp((const char *)sqlite3_column_text(stmt, 0), "ok");
    sqlite3_finalize(stmt);
    if (ok)
        return true;
    if (r == SQLITE_ROW) {
        snprintf(db->error, sizeof(db->error), "database is corrupt");
        return false;
    }

 fail:
    db_fail(db);
    return false;
}

static bool is_corrupt(struct db *db)
{
    int code = sqlite3_errcode(db->sql);

    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ||
           !strcmp(db->error, "database is corrupt");
}

static int db_open_file(struct db *db, const char *path, unsigned int flags)
{
    int mode = SQLITE_OPEN_READWRITE |
               (flags & DB_CREATE ? SQLITE_OPEN_CREATE : 0);

    if (sqlite3_open_v2(path, &db->sql, mode, NULL) != SQLITE_OK)
        return db_fail(db);
    sqlite3_busy_timeout(db->sql, BUSY_MS);

    if (!db_is_sound(db))
        return -1;
    /*
     * synchronous=NORMAL: a commit survives kill -9 of avmd at once. A power
     * cut may take the last one, but takes what it describes with it.
     */
    if (db_exec(db, "PRAGMA journal_mode = WAL") ||
        db_exec(db, "PRAGMA synchronous = NORMAL"))
        return -1;
    return db_migrate(db);
}

static void read_boot_id(char *buf, size_t size)
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!f || !fgets(buf, (int)size, f))
        snprintf(buf, size, "unknown");
    if (f)
        fclose(f);
    buf[strcspn(buf, "\n")] = '\0';
}

struct db *db_open(const char *dir, unsigned int flags, char *msg,
                   size_t msg_size)
{
    char path[256], aside[320], extra[272];
    struct db *db;

    msg[0] = '\0';
    db = calloc(1, sizeof(*db));
    if (!db) {
        snprintf(msg, msg_size, "%s", strerror(errno));
        return NULL;
    }
    read_boot_id(db->boot, sizeof(db->boot));
    snprintf(path, sizeof(path), "%s/" DB_FILE, dir);

    if ((flags & DB_CREATE) && mkdir(dir, 0700) && errno != EEXIST) {
        snprintf(msg, msg_size, "%s: %s", dir, strerror(errno));
        goto fail;
    }
    if (!db_open_file(db, path, flags))
        return db;

    snprintf(msg, msg_size, "%s: %s", path, db->error);
    if (!(flags & DB_RESCUE) || !is_corrupt(db))
        goto fail;

    sqlite3_close(db->sql);
    db->sql = NULL;
    db->error[0] = '\0';
    snprintf(aside, sizeof(aside), "%s.corrupt-%lld", path,
             (long long)time(NULL));
    if (rename(path, aside)) {
        snprintf(msg, msg_size, "%s: corrupt, and cannot be put aside: %s",
                 path, strerror(errno));
        goto fail;
    }
    /* They belong to the old file and would be taken for the new one's. */
    snprintf(extra, sizeof(extra), "%s-wal", path);
    unlink(extra);
    snprintf(extra, sizeof(extra), "%s-shm", path);
    unlink(extra);

    if (db_open_file(db, path, flags)) {
        snprintf(msg, msg_size, "%s: %s", path, db->error);
        goto fail;
    }
    snprintf(msg, msg_size, "%s was corrupt: kept as %s, started a new one",
             path, aside);
    return db;

 fail:
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    sqlite3_close(db->sql);
    free(db);
}

#define NEED_SELECT \
    "SELECT uuid, coalesce(name, ''), role, coalesce(weight_min, 0)," \
    " coalesce(weight_max, 0), cap_pct, affinity, mode," \
    " coalesce(held_until_ns, 0), coalesce(net_max_bps, 0)," \
    " coalesce(disk_max_bps, 0), coalesce(cpu_min_permille, 0)," \
    " coalesce(cpu_min_since_ns, 0), coalesce(net_in_max_bps, 0)," \
    " coalesce(cpus, '')" \
    " FROM (SELECT uuid FROM need UNION SELECT uuid FROM domain)" \
    " LEFT JOIN need USING (uuid) LEFT JOIN domain USING (uuid) "

/* What was said has the last word. An edited file may have anything there. */
static void read_cpus(sqlite3_stmt *stmt, int column, struct db_need *out)
{
    struct avm_need *need = &out->need;
    char err[256];
    int fixed;

    column_text(stmt, column, out->cpus, sizeof(out->cpus));
    if (!out->cpus[0]) {
        if (need->affinity_set)
            cpus_str(need->affinity, out->cpus, sizeof(out->cpus));
        return;
    }
    fixed = avm_cpus_check(out->cpus, &need->affinity, err, sizeof(err));
    need->affinity_set = fixed > 0;
    if (fixed <= 0)
        need->affinity = 0;
    if (fixed < 0)
        out->cpus[0] = '\0';
}

static void need_from_row(sqlite3_stmt *stmt, struct db_need *out)
{
    struct avm_need *need = &out->need;

    *out = (struct db_need){ 0 };
    column_uuid(stmt, 0, &need->uuid);
    column_text(stmt, 1, out->name, sizeof(out->name));
    out->has_need = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
    need->role = (enum avm_role)column_word(stmt, 2, avm_role_parse);
    need->weight_min = (uint32_t)sqlite3_column_int64(stmt, 3);
    need->weight_max = (uint32_t)sqlite3_column_int64(stmt, 4);
    need->cap_set = sqlite3_column_type(stmt, 5) != SQLITE_NULL;
    need->cap_pct = (uint32_t)sqlite3_column_int64(stmt, 5);
    need->affinity_set = sqlite3_column_type(stmt, 6) != SQLITE_NULL;
    need->affinity = (uint64_t)sqlite3_column_int64(stmt, 6);
    need->mode = (enum avm_mode)column_word(stmt, 7, avm_mode_parse);
    out->held_until_ns = sqlite3_column_int64(stmt, 8);
    need->net_max_bps = (uint64_t)sqlite3_column_int64(stmt, 9);
    need->disk_max_bps = (uint64_t)sqlite3_column_int64(stmt, 10);
    need->cpu_min_permille = (uint32_t)sqlite3_column_int64(stmt, 11);
    need->cpu_min_since = (uint64_t)sqlite3_column_int64(stmt, 12);
    need->net_in_max_bps = (uint64_t)sqlite3_column_int64(stmt, 13);
    read_cpus(stmt, 14, out);
}

static int need_one(struct db *db, sqlite3_stmt *stmt, struct db_need *need)
{
    int r;

    if (!stmt)
        return -1;
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        need_from_row(stmt, need);
    else if (r != SQLITE_DONE)
        db_fail(db);
    sqlite3_finalize(stmt);
    return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -1;
}

int db_need_get(struct db *db, const struct avm_uuid *uuid,
                struct db_need *need)
{
    return need_one(db, db_prepare(db, NEED_SELECT "WHERE uuid = ?", "u",
                                   uuid), need);
}

int db_need_find_name(struct db *db, const char *name, struct db_need *need)
{
    return need_one(db, db_prepare(db, NEED_SELECT "WHERE name = ?"
                                   " ORDER BY uuid", "t", name), need);
}

/*
 * A floor that is as high as before, or lower, keeps its place; one that is higher
 * is a new one. The database is asked, so that an import of what was exported
 * changes nothing.
 */
static int64_t cpu_min_since(struct db *db, const struct avm_need *need)
{
    struct db_need was;
    struct timespec now;

    if (!need->cpu_min_permille)
        return 0;
    if (db_need_get(db, &need->uuid, &was) > 0 &&
        was.need.cpu_min_permille >= need->cpu_min_permille)
        return (int64_t)was.need.cpu_min_since;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int need_write(struct db *db, const struct db_need *in, int64_t since)
{
    const struct avm_need *need = &in->need;
    int64_t cap_pct = need->cap_pct, affinity = (int64_t)need->affinity;

    return db_run(db, db_prepare(db,
        "INSERT OR REPLACE INTO need (uuid, name, role, weight_min,"
        " weight_max, cap_pct, affinity, net_max_bps, disk_max_bps,"
        " cpu_min_permille, cpu_min_since_ns, net_in_max_bps, cpus)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''))",
        "uttiiooiiiiit",
        &need->uuid, in->name, avm_role_name(need->role),
        (int64_t)need->weight_min, (int64_t)need->weight_max,
        need->cap_set ? &cap_pct : NULL,
        need->affinity_set ? &affinity : NULL, (int64_t)need->net_max_bps,
        (int64_t)need->disk_max_bps, (int64_t)need->cpu_min_permille, since,
        (int64_t)need->net_in_max_bps, in->cpus)) < 0 ? -1 : 0;
}

int db_need_set(struct db *db, const struct db_need *need)
{
    return need_write(db, need, cpu_min_since(db, &need->need));
}

int db_need_rm(struct db *db, const struct avm_uuid *uuid)
{
    return db_run(db, db_prepare(db, "DELETE FROM need WHERE uuid = ?", "u",
                                 uuid));
}

int db_needs_import(struct db *db, const struct db_need *need, size_t nr,
                    bool replace)
{
    int64_t *since = calloc(nr + 1, sizeof(*since));
    size_t i;

    if (!since) {
        snprintf(db->error, sizeof(db->error), "%s", strerror(errno));
        return -1;
    }
    if (db_exec(db, "BEGIN IMMEDIATE"))
        goto fail;
    /* Asked before they go. */
    for (i = 0; i < nr; i++)
        since[i] = cpu_min_since(db, &need[i].need);
    if (replace && db_exec(db, "DELETE FROM need"))
        goto rollback;
    for (i = 0; i < nr; i++)
        if (need_write(db, &need[i], since[i]))
            goto rollback;
    if (db_exec(db, "COMMIT"))
        goto rollback;
    free(since);
    return 0;

 rollback:
    sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
 fail:
    free(since);
    return -1;
}

int db_mode_set(struct db *db, const struct avm_uuid *uuid,
                enum avm_mode mode)
{
    return db_run(db, db_prepare(db,
        "INSERT INTO domain (uuid, mode) VALUES (?, ?)"
        " ON CONFLICT (uuid) DO UPDATE SET mode = excluded.mode", "ut",
        uuid, avm_mode_name(mode))) < 0 ? -1 : 0;
}

int db_hold_set(struct db *db, const struct avm_uuid *uuid, int64_t until_ns)
{
    return db_run(db, db_prepare(db,
        "INSERT INTO domain (uuid, held_until_ns) VALUES (?, ?)"
        " ON CONFLICT (uuid) DO UPDATE SET"
        " held_until_ns = excluded.held_until_ns", "ui",
        uuid, until_ns)) < 0 ? -1 : 0;
}

int db_need_each(struct db *db,
                 int (*fn)(const struct db_need *need, void *arg), void *arg)
{
    sqlite3_stmt *stmt = db_prepare(db, NEED_SELECT "ORDER BY name, uuid", "");
    struct db_need need;
    int r;

    if (!stmt)
        return -1;
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        need_from_row(stmt, &need);
        if (fn(&need, arg))
            break;
    }
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        db_fail(db);
    sqlite3_finalize(stmt);
    return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : -1;
}

/* ------------------------------------------------------------------------ */
/* Learned                                                                  */

int db_learned_each(struct db *db, const struct avm_uuid *uuid,
                    int (*fn)(const struct db_learned *row, void *arg),
                    void *arg)
{
    char text[AVM_UUID_STR_LEN] = "";
    struct db_learned row;
    sqlite3_stmt *stmt;
    int r;

    if (uuid)
        avm_uuid_str(uuid, text);
    stmt = db_prepare(db, "SELECT uuid, name, seen_ns, model FROM learned"
                      " WHERE ?1 = '' OR uuid = ?1 ORDER BY uuid", "t", text);
    if (!stmt)
        return -1;
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        column_uuid(stmt, 0, &row.uuid);
        column_text(stmt, 1, row.name, sizeof(row.name));
        row.seen_ns = sqlite3_column_int64(stmt, 2);
        row.text = (const char *)sqlite3_column_text(stmt, 3);
        if (!row.text)
            row.text = "";
        if (fn(&row, arg))
            break;
    }
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        db_fail(db);
    sqlite3_finalize(stmt);
    return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : -1;
}

int db_learned_find_name(struct db *db, const char *name,
                         struct avm_uuid *uuid)
{
    sqlite3_stmt *stmt = db_prepare(db, "SELECT uuid FROM learned"
        " WHERE name = ? ORDER BY seen_ns DESC, uuid", "t", name);
    int r;

    if (!stmt)
        return -1;
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        column_uuid(stmt, 0, uuid);
    else if (r != SQLITE_DONE)
        db_fail(db);
    sqlite3_finalize(stmt);
    return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -1;
}

int db_learned_rm(struct db *db, const struct avm_uuid *uuid)
{
    return db_run(db, db_prepare(db, "DELETE FROM learned WHERE uuid = ?",
                                 "u", uuid));
}

/* The error that led here is the one to be told. */
static int learned_rollback(struct db *db)
{
    sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

int db_learned_begin(struct db *db, bool wait)
{
    int r;

    if (!wait)
        sqlite3_busy_timeout(db->sql, 0);
    r = db_exec(db, "BEGIN IMMEDIATE");
    if (r && sqlite3_errcode(db->sql) == SQLITE_BUSY)
        r = wait ? -1 : 1;
    sqlite3_busy_timeout(db->sql, BUSY_MS);
    return r;
}

int db_learned_put(struct db *db, const struct db_learned *row)
{
    return db_run(db, db_prepare(db, "INSERT INTO learned"
        " (uuid, name, seen_ns, model) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (uuid) DO UPDATE SET seen_ns = excluded.seen_ns,"
        " model = excluded.model,"
        " name = coalesce(nullif(excluded.name, ''), name)", "utit",
        &row->uuid, row->name, row->seen_ns, row->text)) < 0
        ? learned_rollback(db) : 0;
}

int db_learned_end(struct db *db, int64_t since_ns)
{
    if (db_run(db, db_prepare(db, "DELETE FROM learned WHERE seen_ns < ?", "i",
                              since_ns)) < 0 ||
        db_run(db, db_prepare(db, "DELETE FROM learned WHERE uuid IN"
                              " (SELECT uuid FROM learned ORDER BY seen_ns"
                              "  DESC, uuid LIMIT -1 OFFSET ?)", "i",
                              (int64_t)DB_LEARNED_MAX)) < 0 ||
        db_exec(db, "COMMIT"))
        return learned_rollback(db);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Journal                                                                  */

/* avmd's changes in force: those after the last one that somebody else made. */
#define IN_FORCE_ANYWHERE \
    " boot = ?1 AND actor = 'avmd' AND state IN ('applied', 'verified')" \
    " AND id > (SELECT coalesce(max(id), 0) FROM change AS other" \
    "  WHERE other.uuid = change.uuid AND other.knob = change.knob" \
    "  AND other.actor <> 'avmd' AND other.state <> 'failed'" \
    "  AND other.boot = ?1)"
#define CHANGE_IN_FORCE IN_FORCE_ANYWHERE " AND uuid = ?2 AND domid = ?3"

/*
 * The oldest rows go, but not what somebody still has to give back: of that the
 * first row of a knob says what it was, and the last one what it is.
 */
static int forget_old(struct db *db, int64_t up_to)
{
    return db_run(db, db_prepare(db, "DELETE FROM change WHERE id <= ?2"
        " AND id NOT IN (SELECT min(id) FROM change WHERE" IN_FORCE_ANYWHERE
        "  GROUP BY uuid, domid, knob"
        "  UNION ALL SELECT max(id) FROM change WHERE" IN_FORCE_ANYWHERE
        "  GROUP BY uuid, domid, knob)", "ti", db->boot, up_to));
}

int db_change_begin(struct db *db, struct db_change *change)
{
    int r;

    r = db_run(db, db_prepare(db,
        "INSERT INTO change (ts_ns, boot, domain, uuid, domid, knob, before,"
        " after, reason, actor, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "ittuitiittt",
        change->ts_ns, db->boot, change->domain, &change->uuid,
        (int64_t)change->domid, avm_knob_name(change->knob), change->before,
        change->after, change->reason, change->actor, change->state));
    if (r < 0)
        return -1;
    change->id = sqlite3_last_insert_rowid(db->sql);

    /* Now and then is enough, and its failure costs nothing but room. */
    if (!(change->id % 256) && change->id > DB_HISTORY_MAX)
        forget_old(db, change->id - DB_HISTORY_MAX);
    return 0;
}

int db_change_state(struct db *db, int64_t id, const char *state)
{
    return db_run(db, db_prepare(db, "UPDATE change SET state = ?"
                                 " WHERE id = ?", "ti", state, id)) < 0
           ? -1 : 0;
}

#define CHANGE_COLUMNS "id, ts_ns, domain, uuid, domid, knob, before, after," \
                       " reason, actor, state"

static int change_rows(struct db *db, sqlite3_stmt *stmt,
                       int (*fn)(const struct db_change *change, void *arg),
                       void *arg)
{
    struct db_change change;
    int r;

    if (!stmt)
        return -1;
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        change.id = sqlite3_column_int64(stmt, 0);
        change.ts_ns = sqlite3_column_int64(stmt, 1);
        column_text(stmt, 2, change.domain, sizeof(change.domain));
        column_uuid(stmt, 3, &change.uuid);
        change.domid = (uint32_t)sqlite3_column_int64(stmt, 4);
        change.knob = (enum avm_knob)column_word(stmt, 5, avm_knob_parse);
        change.before = sqlite3_column_int64(stmt, 6);
        change.after = sqlite3_column_int64(stmt, 7);
        column_text(stmt, 8, change.reason, sizeof(change.reason));
        column_text(stmt, 9, change.actor, sizeof(change.actor));
        column_text(stmt, 10, change.state, sizeof(change.state));
        if (fn(&change, arg))
            break;
    }
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        db_fail(db);
    sqlite3_finalize(stmt);
    return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : -1;
}

int db_change_each(struct db *db, const struct db_change_filter *filter,
                   int (*fn)(const struct db_change *change, void *arg),
                   void *arg)
{
    char uuid[AVM_UUID_STR_LEN] = "";

    if (filter->uuid)
        avm_uuid_str(filter->uuid, uuid);
    return change_rows(db, db_prepare(db,
        "SELECT " CHANGE_COLUMNS " FROM (SELECT * FROM change"
        " WHERE (?1 = '' OR uuid = ?1) AND (?2 = '' OR state = ?2)"
        " AND (?3 = '' OR boot = ?3) AND ts_ns >= ?4"
        " ORDER BY id DESC LIMIT ?5) ORDER BY id", "tttii",
        uuid, filter->state ? filter->state : "",
        filter->this_boot ? db->boot : "", filter->since_ns,
        (int64_t)(filter->last ? filter->last : DB_HISTORY_MAX)), fn, arg);
}

int db_change_in_force(struct db *db, const struct avm_uuid *uuid,
                       uint32_t domid,
                       int (*fn)(const struct db_change *change, void *arg),
                       void *arg)
{
    return change_rows(db, db_prepare(db,
        "SELECT first.id, first.ts_ns, first.domain, first.uuid, first.domid,"
        " first.knob, first.before, last.after, last.reason, last.actor,"
        " last.state FROM"
        " (SELECT min(id) AS a, max(id) AS z FROM change WHERE"
        CHANGE_IN_FORCE " GROUP BY knob)"
        " JOIN change AS first ON first.id = a"
        " JOIN change AS last ON last.id = z ORDER BY first.id", "tui",
        db->boot, uuid, (int64_t)domid), fn, arg);
}

int db_change_undone(struct db *db, const struct avm_uuid *uuid,
                     uint32_t domid, enum avm_knob knob)
{
    return db_run(db, db_prepare(db,
        "UPDATE change SET state = 'undone' WHERE" CHANGE_IN_FORCE
        " AND knob = ?4", "tuit", db->boot, uuid, (int64_t)domid,
        avm_knob_name(knob))) < 0 ? -1 : 0;
}

int db_change_drop_stale(struct db *db)
{
    return db_run(db, db_prepare(db, "UPDATE change SET state = 'failed'"
        " WHERE state = 'pending' AND boot <> ?", "t", db->boot));
}
