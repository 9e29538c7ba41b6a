/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent learns of domains, keeps over restarts and tells, or forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "agent-host.h"

static int64_t observed_ms(size_t i)
{
    const struct avm_learned_of *of =
        avm_learned_by_uuid(agent.st, &xen.dom[i].uuid);

    return of ? (int64_t)of->learned.observed_ms : -1;
}

static int row_ms(const struct db_learned *row, void *arg)
{
    struct avm_learned l;
    char err[128];

    *(int64_t *)arg = avm_learned_parse(row->text, strlen(row->text), &l, err,
                                        sizeof(err))
                      ? -2 : (int64_t)l.observed_ms;
    return 0;
}

/* As another process sees it; -1: there is none, -2: it is none. */
static int64_t kept_ms(size_t i)
{
    int64_t ms = -1;
    char msg[512];
    struct db *db = db_open(dir, 0, msg, sizeof(msg));

    assert_non_null(db);
    assert_int_equal(db_learned_each(db, &xen.dom[i].uuid, row_ms, &ms), 0);
    db_close(db);
    return ms;
}

static void put_row(size_t i, int64_t seen_ns, const char *text)
{
    struct db_learned row = {
        .uuid = xen.dom[i].uuid, .name = "before", .seen_ns = seen_ns,
        .text = text,
    };
    char msg[512];
    struct db *db = db_open(dir, DB_CREATE, msg, sizeof(msg));

    assert_non_null(db);
    assert_int_equal(db_learned_begin(db, true), 0);
    assert_int_equal(db_learned_put(db, &row), 0);
    assert_int_equal(db_learned_end(db, INT64_MIN), 0);
    db_close(db);
}

/* Two hours of nothing but computing. */
static char *known_hog(void)
{
    struct avm_learned l = { .observed_ms = 7200000 };
    char *text;

    l.class_ms[AVM_CLASS_CPU] = 7200000;
    l.ms[AVM_LEARNED_DEMAND][16] = 7200000;
    text = avm_json_learned(&l);
    assert_non_null(text);
    return text;
}

static void test_learned(void **state)
{
    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(299);
    assert_int_equal(observed_ms(2), 299000);
    assert_int_equal(kept_ms(2), -1); /* rarely */
    tick(1);
    assert_int_equal(kept_ms(2), 300000);
    tick(10);
    assert_int_equal(kept_ms(2), 300000);

    /* Killed: what was written is there, with a guest that is gone, too. */
    crash();
    xen.ns += 1000000000;
    xen.nr = 2;
    start(AVM_MODE_OBSERVE);
    assert_int_equal(observed_ms(2), 300000);
    tick(20);
    assert_int_equal(observed_ms(1), 320000);
    assert_int_equal(observed_ms(2), 300000);

    /* At the end all of it. */
    xen.ns += 1000000000;
    agent_stop(&agent);
    assert_int_equal(kept_ms(1), 321000);
    assert_int_equal(kept_ms(2), 300000);
    xen.ns += 1000000000;
    start(AVM_MODE_OBSERVE);
    assert_int_equal(observed_ms(1), 321000);
}

/* One that was not seen for a quarter is not kept; one that is there is. */
static void test_learned_old(void **state)
{
    char *text = known_hog();
    /* The clock of agent-fake.h is 1000 s after its beginning. */
    int64_t day_ns = 86400000000000, now_ns = 1001000000000;

    (void)state;
    xen.nr = 2;
    put_row(1, now_ns - 91 * day_ns, text);
    put_row(2, now_ns - 89 * day_ns, text);
    free(text);
    start(AVM_MODE_OBSERVE);
    tick(300);
    assert_int_equal(kept_ms(1), 7200000 + 300000);
    assert_int_equal(kept_ms(2), 7200000);
    xen.ns += 1000000000ull * 86400;
    agent_stop(&agent);
    xen.ns += 1000000000;
    start(AVM_MODE_OBSERVE);
    assert_int_equal(kept_ms(2), -1);
}

/* Rubbish, and what another version wrote: said once, and learnt anew. */
static void test_learned_corrupt(void **state)
{
    char *text = known_hog(), *other = known_hog();

    (void)state;
    memcpy(strstr(other, "{\"version\":1"), "{\"version\":7", 12);
    put_row(0, 1000000000000, "\377\001{");
    put_row(1, 1000000000000, other);
    put_row(2, 1000000000000, text);
    free(text);
    free(other);
    start(AVM_MODE_OBSERVE);
    assert_true(agent.said_learned_row);
    assert_false(agent.said_learned);
    assert_int_equal(observed_ms(0), 0);
    assert_int_equal(observed_ms(1), 0);
    assert_int_equal(observed_ms(2), 7200000);
    tick(300);
    assert_int_equal(kept_ms(0), 300000);
    assert_int_equal(kept_ms(1), 300000);
    assert_int_equal(kept_ms(2), 7500000);
}

/* No room: said, nothing else is lost, and once there is some it goes on. */
static void test_learned_disk_full(void **state)
{
    struct rlimit old, tight = { .rlim_cur = 0 };
    uint64_t samples;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    start(AVM_MODE_OBSERVE);
    tick(298);
    samples = agent.count.samples;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    tick(5);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(agent.said_learned);
    assert_false(agent.said_journal);
    assert_int_equal(agent.count.samples, samples + 5);
    assert_int_equal(observed_ms(2), 303000);
    tick(296);
    assert_int_equal(kept_ms(2), -1); /* not each second anew */
    assert_true(agent.said_learned);
    tick(1);
    assert_int_equal(kept_ms(2), 600000);
    assert_false(agent.said_learned);
}

/* While somebody else writes the loop goes on, and is done the next time. */
static void test_learned_while_another_writes(void **state)
{
    char msg[512];
    struct db *db;

    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(298);
    db = db_open(dir, 0, msg, sizeof(msg));
    assert_non_null(db);
    assert_int_equal(db_learned_begin(db, true), 0);
    tick(5);
    assert_false(agent.said_learned);
    assert_int_equal(db_learned_end(db, 0), 0);
    db_close(db);
    assert_int_equal(kept_ms(2), -1);
    tick(1);
    assert_int_equal(kept_ms(2), 304000);
}

/* The database comes late: what is in it is not written over with less. */
static void test_learned_late(void **state)
{
    char *text = known_hog();

    (void)state;
    put_row(2, 1000000000000, text);
    free(text);
    agent = (struct agent){ .h = (avm_handle *)&xen };
    fake_conf(&agent, AVM_MODE_OBSERVE, "/proc/nowhere");
    assert_int_equal(agent_start(&agent), 0);
    tick(301);
    assert_int_equal(kept_ms(2), 7200000);
    assert_int_equal(observed_ms(2), 301000);
    strcpy(agent.conf.state_dir, dir);
    tick(2);
    assert_in_range(observed_ms(2), 7201000, 7202000);
    tick(300);
    assert_in_range(kept_ms(2), 7203000, 7502000);
}

static int lesser_ms(const struct db_learned *row, void *arg)
{
    int64_t ms, *least = arg;

    row_ms(row, &ms);
    if (ms < *least)
        *least = ms;
    return 0;
}

static int count_from(const struct db_learned *row, void *arg)
{
    int64_t ms, *count = arg; /* [0]: those with [1] and more */

    row_ms(row, &ms);
    count[0] += ms >= count[1];
    return 0;
}

static int nr_kept_from(int64_t ms)
{
    int64_t count[2] = { 0, ms };
    char msg[512];
    struct db *db = db_open(dir, 0, msg, sizeof(msg));

    assert_non_null(db);
    assert_int_equal(db_learned_each(db, NULL, count_from, count), 0);
    db_close(db);
    return (int)count[0];
}

static int64_t least_kept_ms(void)
{
    int64_t ms = INT64_MAX;
    char msg[512];
    struct db *db = db_open(dir, 0, msg, sizeof(msg));

    assert_non_null(db);
    assert_int_equal(db_learned_each(db, NULL, lesser_ms, &ms), 0);
    db_close(db);
    return ms;
}

/* With hundreds of domains no round is late: some of them in each. */
static void test_learned_in_parts(void **state)
{
    size_t i;

    (void)state;
    for (i = NR_DOMS; i < MAX_DOMS; i++) {
        xen.dom[i] = xen.dom[2];
        xen.dom[i].domid = (uint32_t)i;
        xen.dom[i].uuid.b[0] = (uint8_t)(i * 37);
        xen.dom[i].uuid.b[1] = (uint8_t)(1 + i / 256);
    }
    xen.nr = MAX_DOMS;
    start(AVM_MODE_OBSERVE);
    tick(299);
    assert_int_equal(nr_kept_from(0), 0);
    tick(1);
    assert_int_equal(nr_kept_from(0), 200);
    xen.nr = MAX_DOMS - 1; /* one leaves meanwhile, and is kept even so */
    tick(1);
    assert_int_equal(nr_kept_from(0), 400);
    tick(1);
    assert_int_equal(nr_kept_from(0), MAX_DOMS);
    assert_int_equal(kept_ms(MAX_DOMS - 1), 300000);
    assert_in_range(kept_ms(1), 300000, 302000);
    /* In the midst of the next ones avmd ends: all of them are there. */
    tick(300);
    assert_int_equal(least_kept_ms(), 300000); /* of the one that left */
    xen.ns += 1000000000;
    xen.nr = MAX_DOMS;
    agent_stop(&agent);
    /* It came again: there is no window yet, but all others have theirs. */
    assert_int_equal(least_kept_ms(), 300000);
    assert_int_equal(nr_kept_from(602000), MAX_DOMS - 1);
}

#define SHOW_HOG   "{\"op\":\"model-show\",\"domain\":\"hog\"}"
#define FORGET_HOG "{\"op\":\"model-forget\",\"domain\":\"hog\"}"

static void test_model_show(void **state)
{
    char *text = known_hog();
    const struct avm_json_value *d, *m;
    struct avm_json_value *v;

    (void)state;
    put_row(2, 1000000000000, text);
    free(text);
    start(AVM_MODE_OBSERVE);
    tick(1);
    v = ask(SHOW_HOG);
    assert_int_equal(avm_json_size(avm_json_get(v, "domains")), 1);
    d = avm_json_at(avm_json_get(v, "domains"), 0);
    assert_string_equal(str(d, "name"), "hog");
    assert_int_equal(num(d, "domid"), 2);
    assert_int_equal(num(d, "observed_ms"), 7201000); /* of this moment */
    assert_int_equal(num(d, "enough_ms"), 3600000);
    assert_int_equal(num(avm_json_get(d, "class_ms"), "cpu"), 7201000);
    m = avm_json_get(avm_json_get(d, "metrics"), "demand_permille");
    assert_int_equal(num(m, "usual"), 1000);
    assert_int_equal(num(m, "high"), 1000);
    assert_int_equal(avm_json_size(avm_json_get(m, "most")), 22);
    assert_true(avm_json_is_null(avm_json_at(avm_json_get(m, "most"), 21)));
    assert_int_equal(avm_json_size(avm_json_get(m, "ms")), 22);
    avm_json_free(v);

    /* All of them, and no buckets; and one that is gone, by its name. */
    tick(300);
    xen.nr = 2;
    tick(1);
    v = ask("{\"op\":\"model-show\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "domains")), 3);
    d = avm_json_at(avm_json_get(v, "domains"), 2);
    assert_string_equal(str(d, "name"), "hog");
    assert_int_equal(num(d, "domid"), -1);
    m = avm_json_get(avm_json_get(d, "metrics"), "demand_permille");
    assert_null(avm_json_get(m, "ms"));
    avm_json_free(v);
    ask_ok(SHOW_HOG);
    ask_bad("{\"op\":\"model-show\",\"domain\":\"nobody\"}", EXIT_NOT_FOUND,
            "no such domain");
    ask_bad("{\"op\":\"model-show\",\"domain\":"
            "\"12345678-1234-1234-1234-123456789abc\"}", EXIT_NOT_FOUND,
            "nothing is known of the past of 12345678-");
}

static void test_model_forget(void **state)
{
    char *text = known_hog();

    (void)state;
    put_row(2, 1000000000000, text);
    free(text);
    start(AVM_MODE_OBSERVE);
    tick(10);
    ask_ok(FORGET_HOG);
    assert_int_equal(kept_ms(2), -1);
    assert_int_equal(observed_ms(2), 0);
    ask_bad(FORGET_HOG, EXIT_NOT_FOUND, "nothing is known of the past of hog");
    ask_bad("{\"op\":\"model-forget\"}", EXIT_FAILED, "no domain given");
    tick(290);
    assert_int_equal(kept_ms(2), 290000);
    assert_int_equal(kept_ms(1), 300000);
    /* One that is gone. */
    xen.nr = 2;
    tick(2);
    ask_ok(FORGET_HOG);
    tick(300);
    assert_int_equal(kept_ms(2), -1);
    ask_bad(SHOW_HOG, EXIT_NOT_FOUND, "hog: no such domain");
    db_close(agent.db);
    agent.db = NULL;
    ask_bad("{\"op\":\"model-forget\",\"domain\":\"idler\"}", EXIT_FAILED,
            "database cannot be used");
    assert_true(observed_ms(1) > 0);
}

/* What was known when it began, and that it was forgotten, is recorded. */
static void test_record_learned(void **state)
{
    char path[128], err[512], told[512] = "", *text = known_hog();
    struct replay *r;
    FILE *f;

    (void)state;
    put_row(2, 1000000000000, text);
    snprintf(path, sizeof(path), "%s/rec", dir);
    agent_record = record_open(path, err, sizeof(err));
    assert_non_null(agent_record);
    start(AVM_MODE_AUTO);
    tick(3);
    ask_ok(FORGET_HOG);
    tick(3);

    f = fopen(path, "r");
    assert_non_null(f);
    r = replay_new(AVM_MODE_INHERIT, keep_change, told);
    /* 7 samples, the settings, what was known, and that it is forgotten. */
    assert_int_equal(count_event_line(f, r), 7 + 3);
    assert_int_equal(replay_totals(r)->samples, 7);
    replay_free(r);
    rewind(f);
    {
        char *line = NULL, want[4096];
        size_t room = 0;

        snprintf(want, sizeof(want), "{\"past\":1,\"uuid\":\"a2000000-0000-"
                 "0000-0000-000000000000\",\"learned\":%s}\n", text);
        assert_true(getline(&line, &room, f) > 0);
        assert_true(getline(&line, &room, f) > 0);
        assert_string_equal(line, want);
        free(line);
    }
    fclose(f);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_learned),
        TEST(test_learned_old),
        TEST(test_learned_corrupt),
        TEST(test_learned_disk_full),
        TEST(test_learned_while_another_writes),
        TEST(test_learned_late),
        TEST(test_learned_in_parts),
        TEST(test_model_show),
        TEST(test_model_forget),
        TEST(test_record_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
