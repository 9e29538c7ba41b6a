/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Needs, journal, and what happens to a database that is not one. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "db.h"

static char dir[64];
static char msg[512];

static const struct avm_uuid uuid_a = { { 0xaa, 1 } };
static const struct avm_uuid uuid_b = { { 0xbb, 2 } };

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/avm-db-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[400];
    struct dirent *e;
    DIR *d = opendir(dir);

    (void)state;
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(dir);
}

static struct db *open_it(unsigned int flags)
{
    struct db *db = db_open(dir, flags, msg, sizeof(msg));

    if (!db)
        fail_msg("%s", msg);
    return db;
}

static int count_files(const char *prefix)
{
    struct dirent *e;
    DIR *d = opendir(dir);
    int nr = 0;

    while ((e = readdir(d)))
        nr += !strncmp(e->d_name, prefix, strlen(prefix));
    closedir(d);
    return nr;
}

static void sql(const char *text)
{
    char path[128];
    sqlite3 *s;

    snprintf(path, sizeof(path), "%s/" DB_FILE, dir);
    assert_int_equal(sqlite3_open(path, &s), SQLITE_OK);
    assert_int_equal(sqlite3_exec(s, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(s);
}

static void overwrite(const char *text, long at)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/" DB_FILE, dir);
    f = fopen(path, at ? "r+" : "w");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    fputs(text, f);
    fclose(f);
}

static int count_needs(const struct db_need *need, void *arg)
{
    (void)need;
    ++*(int *)arg;
    return 0;
}

static void test_needs(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = {
            .uuid = uuid_a, .role = AVM_ROLE_TIME_CRITICAL,
            .weight_min = 100, .weight_max = 2000,
            .affinity_set = true, .affinity = UINT64_MAX,
            .net_max_bps = 1000000000000, .disk_max_bps = 5000,
            .cpu_min_permille = 500,
            .net_in_max_bps = 7000,
        },
        .name = "web",
    }, got;
    int nr = 0;

    (void)state;
    assert_int_equal(db_need_get(db, &uuid_a, &got), 0);
    assert_int_equal(db_need_set(db, &need), 0);
    need.need.cap_set = true;
    need.need.cap_pct = 50;
    assert_int_equal(db_need_set(db, &need), 0); /* replaces */
    db_close(db);

    db = open_it(0);
    assert_int_equal(db_need_find_name(db, "web", &got), 1);
    assert_true(avm_uuid_equal(&got.need.uuid, &uuid_a));
    assert_true(got.has_need);
    assert_int_equal(got.need.role, AVM_ROLE_TIME_CRITICAL);
    assert_int_equal(got.need.mode, AVM_MODE_INHERIT);
    assert_int_equal(got.need.weight_min, 100);
    assert_int_equal(got.need.weight_max, 2000);
    assert_true(got.need.cap_set);
    assert_int_equal(got.need.cap_pct, 50);
    assert_true(got.need.affinity_set);
    assert_true(got.need.affinity == UINT64_MAX);
    assert_int_equal(got.need.net_max_bps, 1000000000000);
    assert_int_equal(got.need.disk_max_bps, 5000);
    assert_int_equal(got.need.cpu_min_permille, 500);
    assert_int_equal(got.need.net_in_max_bps, 7000);
    assert_int_equal(db_need_find_name(db, "nothing", &got), 0);

    /* A mode and a hold do not need a need, and outlive it. */
    assert_int_equal(db_mode_set(db, &uuid_b, AVM_MODE_AUTO), 0);
    assert_int_equal(db_hold_set(db, &uuid_b, -1), 0);
    assert_int_equal(db_hold_set(db, &uuid_a, 77), 0);
    assert_int_equal(db_need_get(db, &uuid_b, &got), 1);
    assert_false(got.has_need);
    assert_int_equal(got.need.mode, AVM_MODE_AUTO);
    assert_int_equal(got.held_until_ns, -1);
    assert_int_equal(db_need_each(db, count_needs, &nr), 0);
    assert_int_equal(nr, 2);

    assert_int_equal(db_need_rm(db, &uuid_a), 1);
    assert_int_equal(db_need_rm(db, &uuid_a), 0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_false(got.has_need);
    assert_int_equal(got.held_until_ns, 77);
    db_close(db);
}

static struct db_need named(uint8_t first, const char *name)
{
    struct db_need need = { .need.uuid = { { first } } };

    strcpy(need.name, name);
    return need;
}

/* The third of three cannot be written: then none of them is. */
static void test_import(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need[] = {
        named(1, "one"), named(2, "two"), named(3, "bad"),
    }, old = named(9, "old"), got;
    int nr = 0;

    (void)state;
    assert_int_equal(db_need_set(db, &old), 0);
    sql("CREATE TRIGGER t BEFORE INSERT ON need WHEN NEW.name = 'bad'"
        " BEGIN SELECT raise(ABORT, 'not that one'); END");
    assert_int_equal(db_needs_import(db, need, 3, true), -1);
    assert_string_equal(db_error(db), "not that one");
    assert_int_equal(db_need_each(db, count_needs, &nr), 0);
    assert_int_equal(nr, 1);
    assert_int_equal(db_need_find_name(db, "old", &got), 1);

    /* Nothing of the transaction is left open. */
    assert_int_equal(db_needs_import(db, need, 2, false), 0);
    assert_int_equal(db_hold_set(db, &need[1].need.uuid, 77), 0);
    nr = 0;
    assert_int_equal(db_need_each(db, count_needs, &nr), 0);
    assert_int_equal(nr, 3);
    assert_int_equal(db_needs_import(db, need, 1, true), 0);
    assert_int_equal(db_need_find_name(db, "old", &got), 0);
    assert_int_equal(db_need_find_name(db, "one", &got), 1);
    /* A hold is no need. */
    assert_int_equal(db_need_get(db, &need[1].need.uuid, &got), 1);
    assert_false(got.has_need);
    assert_int_equal(got.held_until_ns, 77);
    db_close(db);
}

static int64_t add(struct db *db, const struct avm_uuid *uuid, uint32_t domid,
                   enum avm_knob knob, int64_t before, int64_t after,
                   const char *actor, const char *end)
{
    struct db_change c = {
        .ts_ns = 1, .uuid = *uuid, .domid = domid, .knob = knob,
        .before = before, .after = after, .domain = "web", .reason = "why",
        .state = "pending",
    };

    strcpy(c.actor, actor);
    assert_int_equal(db_change_begin(db, &c), 0);
    if (end)
        assert_int_equal(db_change_state(db, c.id, end), 0);
    return c.id;
}

struct list {
    struct db_change c[16];
    int nr;
};

static int collect(const struct db_change *c, void *arg)
{
    struct list *list = arg;

    list->c[list->nr++] = *c;
    return 0;
}

static void test_in_force(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct list list = { .nr = 0 };

    (void)state;
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 256, 320, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 320, 400, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 400, 500, "avmd", "failed");
    add(db, &uuid_a, 5, AVM_KNOB_CAP, 0, 50, "avmd", "applied");
    add(db, &uuid_a, 4, AVM_KNOB_WEIGHT, 1, 2, "avmd", "verified"); /* old */
    add(db, &uuid_b, 5, AVM_KNOB_WEIGHT, 3, 4, "avmd", "verified");

    assert_int_equal(db_change_in_force(db, &uuid_a, 5, collect, &list), 0);
    assert_int_equal(list.nr, 2);
    assert_int_equal(list.c[0].knob, AVM_KNOB_WEIGHT);
    assert_int_equal(list.c[0].before, 256);
    assert_int_equal(list.c[0].after, 400);
    assert_int_equal(list.c[1].knob, AVM_KNOB_CAP);

    /* The admin's word is where we start from then. */
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 400, 777, "admin", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 777, 800, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 800, 900, "admin", "failed");
    list.nr = 0;
    assert_int_equal(db_change_in_force(db, &uuid_a, 5, collect, &list), 0);
    assert_int_equal(list.nr, 2);
    assert_int_equal(list.c[1].before, 777);
    assert_int_equal(list.c[1].after, 800);

    assert_int_equal(db_change_undone(db, &uuid_a, 5, AVM_KNOB_WEIGHT), 0);
    list.nr = 0;
    assert_int_equal(db_change_in_force(db, &uuid_a, 5, collect, &list), 0);
    assert_int_equal(list.nr, 1);
    assert_int_equal(list.c[0].knob, AVM_KNOB_CAP);

    /* After a reboot of the host none of this means anything. */
    db_close(db);
    sql("UPDATE change SET boot = 'another'");
    db = open_it(0);
    list.nr = 0;
    assert_int_equal(db_change_in_force(db, &uuid_a, 5, collect, &list), 0);
    assert_int_equal(list.nr, 0);
    db_close(db);
}

/* Old rows go, but not what it takes to give something back. */
static void test_old_rows(void **state)
{
    struct db_change_filter all = { .last = 0 };
    struct db *db = open_it(DB_CREATE);
    struct list list = { .nr = 0 };
    int i;

    (void)state;
    add(db, &uuid_a, 5, AVM_KNOB_CAP, 0, 30, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_CAP, 30, 40, "admin", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_CAP, 40, 50, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 256, 320, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 320, 400, "avmd", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 400, 500, "avmd", "applied");
    add(db, &uuid_b, 5, AVM_KNOB_WEIGHT, 3, 4, "avmd", "undone");
    db_close(db);
    sql("UPDATE sqlite_sequence SET seq = 20480"); /* 80 * 256 */
    db = open_it(0);
    for (i = 0; i < 256; i++)
        add(db, &uuid_b, 6, AVM_KNOB_CAP, i, i + 1, "avmd", "failed");

    sql("DELETE FROM change WHERE domid = 6");
    assert_int_equal(db_change_each(db, &all, collect, &list), 0);
    assert_int_equal(list.nr, 3);
    list.nr = 0;
    assert_int_equal(db_change_in_force(db, &uuid_a, 5, collect, &list), 0);
    assert_int_equal(list.nr, 2);
    assert_int_equal(list.c[0].before, 40);
    assert_int_equal(list.c[0].after, 50);
    assert_int_equal(list.c[1].before, 256);
    assert_int_equal(list.c[1].after, 500);
    db_close(db);
}

/* All of the history may be of one domain that was never at rest. */
static void test_long_history(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct list list = { .nr = 0 };
    int i;

    (void)state;
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 400, 256, "admin", "verified");
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 256, 320, "avmd", "verified");
    db_close(db);
    for (i = 0; i < 14; i++)
        sql("INSERT INTO change (ts_ns, boot, domain, uuid, domid, knob,"
            " before, after, reason, actor, state) SELECT ts_ns, boot, domain,"
            " uuid, domid, knob, before, after + 1, reason, actor, state"
            " FROM change WHERE actor = 'avmd'");
    db = open_it(0);
    alarm(20); /* it took minutes once */
    assert_int_equal(db_change_in_force(db, &uuid_a, 5, collect, &list), 0);
    assert_int_equal(db_change_undone(db, &uuid_a, 5, AVM_KNOB_WEIGHT), 0);
    alarm(0);
    assert_int_equal(list.nr, 1);
    assert_int_equal(list.c[0].before, 256);
    assert_int_equal(list.c[0].after, 320 + 14);
    db_close(db);
}

static void test_history(void **state)
{
    struct db_change_filter filter = { .last = 3 };
    struct db *db = open_it(DB_CREATE);
    struct list list = { .nr = 0 };
    int i;

    (void)state;
    for (i = 0; i < 8; i++)
        add(db, i % 2 ? &uuid_a : &uuid_b, 1, AVM_KNOB_AFFINITY, i,
            i == 7 ? -1 : i + 1, "avmd", i == 6 ? NULL : "verified");
    assert_int_equal(db_change_each(db, &filter, collect, &list), 0);
    assert_int_equal(list.nr, 3);
    assert_int_equal(list.c[0].before, 5); /* the newest, oldest first */
    assert_int_equal(list.c[2].before, 7);
    assert_int_equal(list.c[2].after, -1);
    assert_string_equal(list.c[2].reason, "why");

    filter = (struct db_change_filter){ .uuid = &uuid_a };
    list.nr = 0;
    assert_int_equal(db_change_each(db, &filter, collect, &list), 0);
    assert_int_equal(list.nr, 4);

    filter = (struct db_change_filter){ .state = "pending", .this_boot = true };
    list.nr = 0;
    assert_int_equal(db_change_each(db, &filter, collect, &list), 0);
    assert_int_equal(list.nr, 1);
    db_close(db);
}

/* The process dies right after the journal: the row must be there. */
static void test_kill_after_begin(void **state)
{
    struct db_change_filter filter = { .state = "pending", .this_boot = true };
    struct list list = { .nr = 0 };
    struct db *db;
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        db = db_open(dir, DB_CREATE, msg, sizeof(msg));
        if (!db)
            _exit(1);
        add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 256, 320, "avmd", NULL);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));

    db = open_it(DB_CREATE | DB_RESCUE);
    assert_string_equal(msg, "");
    assert_int_equal(db_change_each(db, &filter, collect, &list), 0);
    assert_int_equal(list.nr, 1);
    assert_int_equal(list.c[0].before, 256);
    assert_int_equal(db_change_drop_stale(db), 0); /* it is of this boot */
    db_close(db);

    sql("UPDATE change SET boot = 'another'");
    db = open_it(0);
    assert_int_equal(db_change_drop_stale(db), 1);
    db_close(db);
}

static void check_rescue(void)
{
    struct db *db;

    assert_null(db_open(dir, 0, msg, sizeof(msg)));
    assert_int_equal(count_files(DB_FILE ".corrupt-"), 0);

    db = open_it(DB_CREATE | DB_RESCUE);
    assert_non_null(strstr(msg, "was corrupt: kept as"));
    assert_null(strchr(msg, '\n'));
    assert_int_equal(count_files(DB_FILE ".corrupt-"), 1);
    add(db, &uuid_a, 5, AVM_KNOB_WEIGHT, 256, 320, "avmd", "verified");
    db_close(db);

    db = open_it(DB_CREATE | DB_RESCUE);
    assert_string_equal(msg, "");
    db_close(db);
}

static void test_not_a_database(void **state)
{
    (void)state;
    overwrite("This is a letter, not a database, but it is long enough.\n"
              "This is a letter, not a database, but it is long enough.\n", 0);
    check_rescue();
}

static void test_corrupt_page(void **state)
{
    struct db *db = open_it(DB_CREATE);

    (void)state;
    db_close(db);
    overwrite("all work and no play makes a page of a B-tree unreadable", 4096);
    check_rescue();
}

static void test_newer(void **state)
{
    struct db *db = open_it(DB_CREATE);

    (void)state;
    db_close(db);
    sql("PRAGMA user_version = 999");
    /* Not corrupt: it must stay where it is. */
    assert_null(db_open(dir, DB_CREATE | DB_RESCUE, msg, sizeof(msg)));
    assert_non_null(strstr(msg, "newer avm"));
    assert_int_equal(count_files(DB_FILE ".corrupt-"), 0);
}

/* An empty database of version 0 is brought up to date, once. */
static void test_migration(void **state)
{
    struct db *db;
    int nr = 0;

    (void)state;
    sql("PRAGMA user_version = 0; CREATE TABLE other (x)");
    db = open_it(0);
    assert_int_equal(db_need_each(db, count_needs, &nr), 0);
    db_close(db);
    db = open_it(0);
    db_close(db);
}

/* What a migration added. */
#define DROP_CPUS "ALTER TABLE need DROP COLUMN cpus;"
#define DROP_NET_IN DROP_CPUS "ALTER TABLE need DROP COLUMN net_in_max_bps;"
#define DROP_FLOORS \
    "ALTER TABLE need DROP COLUMN cpu_min_permille;" \
    "ALTER TABLE need DROP COLUMN cpu_min_since_ns;"

/* One that knew of no floors: there are none, and there can be some now. */
static void test_from_before_floors(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .weight_min = 300, .cpu_min_permille = 500 },
        .name = "old",
    }, got;

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    db_close(db);
    sql(DROP_NET_IN DROP_FLOORS "PRAGMA user_version = 4");
    db = open_it(0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_int_equal(got.need.weight_min, 300);
    assert_int_equal(got.need.cpu_min_permille, 0);
    assert_int_equal(got.need.cpu_min_since, 0);
    assert_int_equal(db_need_set(db, &need), 0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_int_equal(got.need.cpu_min_permille, 500);
    assert_true(got.need.cpu_min_since != 0);
    db_close(db);
}

static uint64_t since_of(struct db *db, const struct avm_uuid *uuid)
{
    struct db_need got;

    assert_int_equal(db_need_get(db, uuid, &got), 1);
    return got.need.cpu_min_since;
}

/* Who asked first stays first, unless it asks for more than it did then. */
static void test_who_asked_first(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .cpu_min_permille = 500 }, .name = "web",
    };
    uint64_t first;

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    first = since_of(db, &uuid_a);
    assert_true(first != 0);

    need.need.role = AVM_ROLE_INTERACTIVE;
    need.need.cpu_min_since = 1; /* it is not for the caller to say */
    assert_int_equal(db_need_set(db, &need), 0);
    assert_true(since_of(db, &uuid_a) == first);
    need.need.cpu_min_permille = 400;
    assert_int_equal(db_need_set(db, &need), 0);
    assert_true(since_of(db, &uuid_a) == first);
    assert_int_equal(db_needs_import(db, &need, 1, true), 0);
    assert_true(since_of(db, &uuid_a) == first);

    need.need.cpu_min_permille = 410;
    assert_int_equal(db_need_set(db, &need), 0);
    assert_true(since_of(db, &uuid_a) > first);
    need.need.cpu_min_permille = 0;
    assert_int_equal(db_need_set(db, &need), 0);
    assert_true(since_of(db, &uuid_a) == 0);
    db_close(db);
}

/* One of the first version keeps what is in it. */
static void test_from_version_1(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .role = AVM_ROLE_BACKGROUND, .cap_set = true,
                  .cap_pct = 70 },
        .name = "old",
    }, got;

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    db_close(db);
    sql(DROP_NET_IN DROP_FLOORS "DROP TABLE learned;"
        "DROP INDEX change_other;"
        "ALTER TABLE need DROP COLUMN net_max_bps;"
        "ALTER TABLE need DROP COLUMN disk_max_bps;"
        "PRAGMA user_version = 1");
    db = open_it(0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_int_equal(got.need.role, AVM_ROLE_BACKGROUND);
    assert_int_equal(got.need.cap_pct, 70);
    assert_int_equal(got.need.net_max_bps, 0);
    assert_int_equal(got.need.disk_max_bps, 0);
    assert_int_equal(got.need.net_in_max_bps, 0);
    db_close(db);
}

/* One from before there was net-in. */
static void test_from_before_net_in(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .net_max_bps = 70, .disk_max_bps = 80 },
    }, got;

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    db_close(db);
    sql(DROP_NET_IN "PRAGMA user_version = 5");
    db = open_it(0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_int_equal(got.need.net_max_bps, 70);
    assert_int_equal(got.need.disk_max_bps, 80);
    assert_int_equal(got.need.net_in_max_bps, 0);
    got.need.net_in_max_bps = 90;
    assert_int_equal(db_need_set(db, &got), 0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_int_equal(got.need.net_in_max_bps, 90);
    db_close(db);
}

/* A mask from before there were names for pCPUs is what it was. */
static void test_from_before_cpus(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .affinity_set = true,
                  .affinity = 0x8000000000000003 },
    }, got;

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    need = (struct db_need){ .need.uuid = uuid_b };
    assert_int_equal(db_need_set(db, &need), 0);
    db_close(db);
    sql(DROP_CPUS "PRAGMA user_version = 6");
    db = open_it(0);
    assert_int_equal(db_need_get(db, &uuid_b, &got), 1);
    assert_false(got.need.affinity_set);
    assert_string_equal(got.cpus, "");
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_true(got.need.affinity_set);
    assert_true(got.need.affinity == 0x8000000000000003);
    assert_string_equal(got.cpus, "0-1,63");
    assert_int_equal(db_need_set(db, &got), 0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_true(got.need.affinity == 0x8000000000000003);
    db_close(db);
}

/* What was said is kept, and has the last word; what is fixed has a mask. */
static void test_cpus(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .affinity_set = true, .affinity = 1 },
        .cpus = "nodes:1,^4,cores",
    }, got;

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_string_equal(got.cpus, "nodes:1,^4,cores");
    assert_false(got.need.affinity_set);
    assert_int_equal(got.need.affinity, 0);

    strcpy(need.cpus, "0-3,^2");
    assert_int_equal(db_need_set(db, &need), 0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_string_equal(got.cpus, "0-3,^2");
    assert_true(got.need.affinity_set);
    assert_int_equal(got.need.affinity, 0xb);
    db_close(db);

    sql("UPDATE need SET cpus = 'somewhere'"); /* by hand */
    db = open_it(0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_string_equal(got.cpus, "");
    assert_false(got.need.affinity_set);
    db_close(db);
}

/* ------------------------------------------------------------------------ */
/* Learned                                                                  */

/* "name:text@seen " of each row. */
static int tell_learned(const struct db_learned *row, void *arg)
{
    char *told = arg;
    size_t len = strlen(told);

    snprintf(told + len, 512 - len, "%s:%s@%d ", row->name, row->text,
             (int)row->seen_ns);
    return 0;
}

static const char *learned(struct db *db, const struct avm_uuid *uuid)
{
    static char told[512];

    told[0] = '\0';
    assert_int_equal(db_learned_each(db, uuid, tell_learned, told), 0);
    return told;
}

static void put(struct db *db, const struct avm_uuid *uuid, const char *name,
                int64_t seen_ns, const char *text)
{
    struct db_learned row = { .uuid = *uuid, .seen_ns = seen_ns,
                              .text = text };

    strcpy(row.name, name);
    assert_int_equal(db_learned_put(db, &row), 0);
}

static void test_learned(void **state)
{
    struct db *db = open_it(DB_CREATE), *other;
    struct avm_uuid uuid;

    (void)state;
    assert_int_equal(db_learned_begin(db, false), 0);
    put(db, &uuid_a, "web", 10, "A");
    put(db, &uuid_b, "db", 20, "B");
    /* While one writes the other does not wait, unless it wants to. */
    other = open_it(0);
    assert_int_equal(db_learned_begin(other, false), 1);
    assert_string_equal(learned(other, NULL), "");
    assert_int_equal(db_learned_end(db, 0), 0);
    assert_string_equal(learned(other, NULL), "web:A@10 db:B@20 ");
    assert_int_equal(db_learned_begin(other, false), 0);
    assert_int_equal(db_learned_end(other, 0), 0);
    db_close(other);

    /* It replaces; a domain that is gone keeps its name. */
    assert_int_equal(db_learned_begin(db, true), 0);
    put(db, &uuid_a, "", 30, "AA");
    put(db, &uuid_b, "db2", 20, "BB");
    assert_int_equal(db_learned_end(db, 0), 0);
    assert_string_equal(learned(db, &uuid_a), "web:AA@30 ");
    assert_int_equal(db_learned_find_name(db, "db2", &uuid), 1);
    assert_true(avm_uuid_equal(&uuid, &uuid_b));
    assert_int_equal(db_learned_find_name(db, "db", &uuid), 0);

    /* What was not seen for too long goes. */
    assert_int_equal(db_learned_begin(db, true), 0);
    assert_int_equal(db_learned_end(db, 20), 0);
    assert_string_equal(learned(db, NULL), "web:AA@30 db2:BB@20 ");
    assert_int_equal(db_learned_begin(db, true), 0);
    assert_int_equal(db_learned_end(db, 21), 0);
    assert_string_equal(learned(db, NULL), "web:AA@30 ");

    assert_int_equal(db_learned_rm(db, &uuid_a), 1);
    assert_int_equal(db_learned_rm(db, &uuid_a), 0);
    assert_string_equal(learned(db, NULL), "");
    db_close(db);
}

static int count_learned(const struct db_learned *row, void *arg)
{
    (void)row;
    ++*(int *)arg;
    return 0;
}

/* A build farm: those that were seen last stay. */
static void test_learned_bound(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct avm_uuid uuid = { { 0 } };
    uint32_t i;
    int nr = 0;

    (void)state;
    assert_int_equal(db_learned_begin(db, true), 0);
    for (i = 0; i < DB_LEARNED_MAX + 3; i++) {
        memcpy(uuid.b, &i, sizeof(i));
        put(db, &uuid, "vm", 1000 - (int)(i % 4), "x");
    }
    i = 3; /* of those that were seen first */
    memcpy(uuid.b, &i, sizeof(i));
    put(db, &uuid, "vm", 1, "old");
    assert_int_equal(db_learned_end(db, 0), 0);
    assert_int_equal(db_learned_each(db, NULL, count_learned, &nr), 0);
    assert_int_equal(nr, DB_LEARNED_MAX);
    assert_string_equal(learned(db, &uuid), "");
    db_close(db);
}

/* All or nothing, and then it goes on. */
static void test_learned_disk_full(void **state)
{
    struct rlimit old, tight = { .rlim_cur = 0 };
    struct db *db = open_it(DB_CREATE);

    (void)state;
    assert_int_equal(db_learned_begin(db, true), 0);
    put(db, &uuid_a, "web", 10, "A");
    assert_int_equal(db_learned_end(db, 0), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    assert_int_equal(db_learned_begin(db, true), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    put(db, &uuid_a, "web", 20, "AA");
    put(db, &uuid_b, "db", 20, "B");
    assert_int_equal(db_learned_end(db, 0), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(db_error(db)[0] && !strstr(db_error(db), "not an error"));
    assert_string_equal(learned(db, NULL), "web:A@10 ");

    assert_int_equal(db_learned_begin(db, true), 0);
    put(db, &uuid_b, "db", 20, "B");
    assert_int_equal(db_learned_end(db, 0), 0);
    assert_string_equal(learned(db, NULL), "web:A@10 db:B@20 ");
    db_close(db);
}

/* kill -9 between the first row and the end: as if nothing had been begun. */
static void test_learned_killed(void **state)
{
    struct db *db = open_it(DB_CREATE);
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(db_learned_begin(db, true), 0);
    put(db, &uuid_a, "web", 10, "A");
    assert_int_equal(db_learned_end(db, 0), 0);
    db_close(db);
    pid = fork();
    if (!pid) {
        db = db_open(dir, 0, msg, sizeof(msg));
        if (!db || db_learned_begin(db, true))
            _exit(1);
        put(db, &uuid_a, "web", 20, "AA");
        put(db, &uuid_b, "db", 20, "B");
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    db = open_it(0);
    assert_string_equal(learned(db, NULL), "web:A@10 ");
    assert_int_equal(db_learned_begin(db, false), 0); /* nothing is locked */
    assert_int_equal(db_learned_end(db, 0), 0);
    db_close(db);
}

/* The table comes to what was there, and leaves it alone. */
static void test_learned_migration(void **state)
{
    struct db *db = open_it(DB_CREATE);
    struct db_need need = {
        .need = { .uuid = uuid_a, .role = AVM_ROLE_INTERACTIVE },
        .name = "web",
    }, got;
    struct db_change c = {
        .uuid = uuid_a, .domid = 3, .actor = "avmd", .state = "applied",
    };

    (void)state;
    assert_int_equal(db_need_set(db, &need), 0);
    assert_int_equal(db_change_begin(db, &c), 0);
    db_close(db);
    sql(DROP_NET_IN DROP_FLOORS
        "DROP TABLE learned; PRAGMA user_version = 3");
    db = open_it(0);
    assert_int_equal(db_need_get(db, &uuid_a, &got), 1);
    assert_int_equal(got.need.role, AVM_ROLE_INTERACTIVE);
    assert_int_equal(db_change_undone(db, &uuid_a, 3, AVM_KNOB_WEIGHT), 0);
    assert_string_equal(learned(db, NULL), "");
    assert_int_equal(db_learned_begin(db, true), 0);
    put(db, &uuid_a, "web", 10, "A");
    assert_int_equal(db_learned_end(db, 0), 0);
    db_close(db);
    db = open_it(0);
    assert_string_equal(learned(db, NULL), "web:A@10 ");
    db_close(db);
}

static void test_missing(void **state)
{
    (void)state;
    assert_null(db_open(dir, 0, msg, sizeof(msg)));
    assert_non_null(strstr(msg, "unable to open"));
    assert_null(db_open("/proc/nowhere", DB_CREATE, msg, sizeof(msg)));
    assert_non_null(msg[0] ? msg : NULL);
}

/* RLIMIT_FSIZE is as good as a full disk: write() fails. */
static void test_disk_full(void **state)
{
    struct rlimit old, tight = { .rlim_cur = 0 };
    struct db *db = open_it(DB_CREATE);
    struct db_change c = {
        .uuid = uuid_a, .actor = "avmd", .state = "pending",
    };

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(db_change_begin(db, &c), -1);
    assert_true(db_error(db)[0]);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

    /* And once there is room again it goes on. */
    assert_int_equal(db_change_begin(db, &c), 0);
    db_close(db);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_needs),
        TEST(test_import),
        TEST(test_in_force),
        TEST(test_old_rows),
        TEST(test_long_history),
        TEST(test_history),
        TEST(test_kill_after_begin),
        TEST(test_not_a_database),
        TEST(test_corrupt_page),
        TEST(test_newer),
        TEST(test_migration),
        TEST(test_from_before_floors),
        TEST(test_who_asked_first),
        TEST(test_from_version_1),
        TEST(test_from_before_cpus),
        TEST(test_cpus),
        TEST(test_learned),
        TEST(test_learned_bound),
        TEST(test_learned_disk_full),
        TEST(test_learned_killed),
        TEST(test_learned_migration),
        TEST(test_from_before_net_in),
        TEST(test_missing),
        TEST(test_disk_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
