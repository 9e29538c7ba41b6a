/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent and its requests over the real core of libavm: modes, changes and their
 * undo, needs, recordings, restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent-host.h"

/* State of the newest change, "" if there is none. */
static const char *last_state(const char *actor)
{
    struct avm_json_value *v = ask("{\"op\":\"history\",\"last\":1}");
    const struct avm_json_value *c =
        avm_json_at(avm_json_get(v, "changes"), 0);
    static char buf[32];

    snprintf(buf, sizeof(buf), "%s", c ? str(c, "state") : "");
    if (c)
        assert_string_equal(str(c, "actor"), actor);
    avm_json_free(v);
    return buf;
}

#define NEED_CAP "{\"op\":\"need-set\",\"domain\":\"hog\",\"cap_pct\":50}"

static void test_auto(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    tick(3);
    assert_int_equal(xen.applies, 0);
    ask_ok(NEED_CAP);
    tick(2);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
    assert_string_equal(last_state("avmd"), "verified");
    tick(5);
    assert_int_equal(xen.applies, 1);
}

static void test_observe_and_advise(void **state)
{
    struct avm_json_value *v;

    (void)state;
    start(AVM_MODE_OBSERVE);
    ask_ok(NEED_CAP);
    tick(5);
    assert_int_equal(xen.applies, 0);
    v = ask("{\"op\":\"apply\"}");
    assert_int_equal(num(v, "observed"), 1);
    avm_json_free(v);
    assert_int_equal(xen.applies, 0);

    ask_ok("{\"op\":\"mode\",\"mode\":\"advise\"}");
    tick(3);
    assert_int_equal(xen.applies, 0);
    v = ask("{\"op\":\"plan\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "changes")), 1);
    avm_json_free(v);
    v = ask("{\"op\":\"apply\"}");
    assert_int_equal(num(v, "applied"), 1);
    avm_json_free(v);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
}

/* One domain in auto does not make the others so, and the other way round. */
static void test_domain_mode(void **state)
{
    struct avm_json_value *v;

    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok("{\"op\":\"mode\",\"domain\":\"hog\",\"mode\":\"observe\"}");
    ask_ok(NEED_CAP);
    tick(4);
    assert_int_equal(xen.applies, 0);
    v = ask("{\"op\":\"mode\"}");
    assert_string_equal(str(v, "mode"), "auto");
    assert_int_equal(avm_json_size(avm_json_get(v, "domains")), 1);
    avm_json_free(v);
    ask_ok("{\"op\":\"mode\",\"domain\":\"2\",\"mode\":\"inherit\"}");
    tick(2);
    assert_int_equal(xen.applies, 1);
}

/* "any pCPU" is all bits of 64, more than JSON readers like. */
static void test_affinity(void **state)
{
    struct avm_json_value *v;

    (void)state;
    start(AVM_MODE_OBSERVE);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"hog\",\"cpus\":\"1\"}");
    tick(3);
    v = ask("{\"op\":\"plan\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "changes")), 1);
    assert_int_equal(num(avm_json_at(avm_json_get(v, "changes"), 0),
                         "before"), -1);
    avm_json_free(v);
    agent.mode = AVM_MODE_AUTO;
    tick(2);
    v = ask("{\"op\":\"history\"}");
    assert_int_equal(num(avm_json_at(avm_json_get(v, "changes"), 0),
                         "before"), -1);
    assert_int_equal(num(avm_json_at(avm_json_get(v, "changes"), 0),
                         "after"), 2);
    avm_json_free(v);
    assert_true(xen.dom[2].params.affinity == 2);
}

/* A recording of this agent, gone through again, tells what the agent did. */
static void test_record(void **state)
{
    char path[128], err[512], told[512] = "", done[512] = "";
    struct avm_json_value *v;
    const struct avm_json_value *c;
    struct replay *r;
    size_t i;
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/rec", dir);
    agent_record = record_open(path, err, sizeof(err));
    assert_non_null(agent_record);
    start(AVM_MODE_AUTO);
    tick(3);
    ask_ok(NEED_CAP);
    tick(4);
    xen.dom[2].params.cap_pct = 70; /* someone else */
    tick(3);
    ask_ok("{\"op\":\"mode\",\"mode\":\"observe\"}");
    ask_ok("{\"op\":\"need-set\",\"domain\":\"idler\",\"cap_pct\":10}");
    tick(3);

    v = ask("{\"op\":\"history\"}");
    for (i = 0; (c = avm_json_at(avm_json_get(v, "changes"), i)); i++)
        snprintf(done + strlen(done), sizeof(done) - strlen(done),
                 "%s %s %d>%d %s\n", str(c, "domain"), str(c, "knob"),
                 (int)num(c, "before"), (int)num(c, "after"), str(c, "actor"));
    avm_json_free(v);
    assert_string_equal(done, "hog cap 0>50 avmd\nhog cap 50>70 foreign\n");

    f = fopen(path, "r");
    assert_non_null(f);
    r = replay_new(AVM_MODE_INHERIT, keep_change, told);
    /* 14 samples; the settings at the start, the two needs, the mode. */
    assert_int_equal(count_event_line(f, r), 14 + 4);
    fclose(f);
    assert_string_equal(told, done);
    assert_int_equal(replay_totals(r)->samples, 14);
    replay_free(r);
}

static void write_file(const char *name, const char *fmt, ...)
{
    char path[128];
    va_list ap;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

static int reload(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/avm.conf", dir);
    return agent_reload(&agent, path, false);
}

static enum avm_class class_of(uint32_t domid)
{
    return avm_domain_by_id(agent.st, domid)->klass;
}

/* How many statements the class cpu has in the answer to avm model-list. */
static size_t listed(void)
{
    struct avm_json_value *v = ask("{\"op\":\"model-list\"}");
    struct avm_models m;
    char err[300];

    assert_int_equal(avm_models_from_json(v, &m, err, sizeof(err)), 0);
    avm_json_free(v);
    return m.model[AVM_CLASS_CPU].nr;
}

#define CONF "sample_ms = 1000\ndecide_ms = 1000\nwarmup_ms = 0\n"
#define NO_CPU "{\"version\":1,\"models\":{\"cpu\":[]}}"

/* Models come with the configuration; wrong ones leave all as it was. */
static void test_reload(void **state)
{
    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(6);
    assert_int_equal(class_of(2), AVM_CLASS_CPU);
    assert_int_equal(listed(), 4);

    write_file("avm.conf", CONF "mode = 'advise'\nmodels = '%s/m'\n", dir);
    assert_int_equal(reload(), -1); /* no such file */
    assert_int_equal(agent.mode, AVM_MODE_OBSERVE);
    write_file("m", "{\"version\":1,\"models\":{\"cpu\":[],\"net\":3}}");
    assert_int_equal(reload(), -1);
    assert_int_equal(agent.mode, AVM_MODE_OBSERVE);
    assert_int_equal(listed(), 4);
    tick(1);
    assert_int_equal(class_of(2), AVM_CLASS_CPU);

    write_file("m", NO_CPU);
    assert_int_equal(reload(), 0);
    assert_int_equal(agent.mode, AVM_MODE_ADVISE);
    assert_string_equal(agent.conf.state_dir, dir);
    assert_int_equal(listed(), 0);
    tick(1);
    assert_int_equal(class_of(2), AVM_CLASS_UNKNOWN);

    write_file("m", "{");
    assert_int_equal(reload(), -1);
    tick(1);
    assert_int_equal(class_of(2), AVM_CLASS_UNKNOWN);
    write_file("avm.conf", CONF "mode = 'king'\n");
    assert_int_equal(reload(), -1);
    assert_int_equal(listed(), 0);

    write_file("avm.conf", CONF);
    assert_int_equal(reload(), 0);
    assert_int_equal(listed(), 4);
    tick(1);
    assert_int_equal(class_of(2), AVM_CLASS_CPU);
}

static void keep_class(void *arg, const struct replay_event *e)
{
    char *text = arg;
    size_t len = strlen(text);

    if (e->is_class && e->dom->domid == 2)
        snprintf(text + len, 512 - len, "%d %s\n", (int)e->ms,
                 avm_class_name(e->dom->klass));
}

/*
 * A recording knows when the models were others, be there a database or not:
 * gone through again, the classes are the same at the same time.
 */
static void record_models(bool no_db)
{
    char path[128], err[512], told[512] = "", seen[512] = "";
    enum avm_class was = AVM_CLASS_UNKNOWN;
    struct replay *r;
    FILE *f;
    int i;

    snprintf(path, sizeof(path), "%s/rec", dir);
    agent_record = record_open(path, err, sizeof(err));
    assert_non_null(agent_record);
    if (no_db)
        write_file("file", "in the way");
    agent = (struct agent){ .h = (avm_handle *)&xen, .record = agent_record };
    agent_record = NULL;
    fake_conf(&agent, AVM_MODE_OBSERVE, dir);
    if (no_db)
        snprintf(agent.conf.state_dir, sizeof(agent.conf.state_dir),
                 "%.50s/file", dir);
    write_file("m", NO_CPU);
    snprintf(agent.conf.models, sizeof(agent.conf.models), "%.50s/m", dir);
    assert_int_equal(conf_models(&agent.conf, &agent.models, err,
                                 sizeof(err)), 0);
    assert_int_equal(agent_start(&agent), 0);
    for (i = 1; i <= 15; i++) {
        write_file("avm.conf", "models = '%s/m'\n", dir);
        if (i == 10)
            write_file("avm.conf", "\n");
        if (i == 5)
            write_file("m", "{\"version\":1,\"models\":{}}");
        if (i == 13)
            write_file("m", "{\"version\":1,\"models\":{\"disk\":[{"
                       "\"metric\":\"demand_permille\",\"no\":1,"
                       "\"yes\":2}],\"cpu\":[]}}");
        if (i == 5 || i == 10 || i == 13)
            assert_int_equal(reload(), 0);
        tick(1);
        if (class_of(2) != was)
            snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen),
                     "%d %s\n", i * 1000, avm_class_name(class_of(2)));
        was = class_of(2);
    }
    assert_string_equal(seen, "5000 cpu\n13000 disk\n");
    assert_true(no_db == !agent.db);

    f = fopen(path, "r");
    assert_non_null(f);
    r = replay_new(AVM_MODE_INHERIT, keep_class, told);
    count_event_line(f, r);
    fclose(f);
    assert_string_equal(told, seen);
    replay_free(r);
}

static void test_record_models(void **state)
{
    (void)state;
    record_models(false);
}

static void test_record_models_without_db(void **state)
{
    (void)state;
    record_models(true);
}

static void test_hold(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    ask_ok("{\"op\":\"hold\",\"domain\":\"hog\",\"seconds\":10}");
    tick(8);
    assert_int_equal(xen.applies, 0);
    tick(4);
    assert_int_equal(xen.applies, 1);
}

static void test_failed_change(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    xen.forgets = true;
    tick(2);
    assert_true(xen.applies > 0);
    assert_string_equal(last_state("avmd"), "failed");
}

/* Destroyed between the plan and the change: no harm done. */
static void test_domain_gone(void **state)
{
    struct avm_plan *plan;
    char err[256];

    (void)state;
    start(AVM_MODE_OBSERVE);
    ask_ok(NEED_CAP);
    tick(2);
    assert_int_equal(avm_plan(agent.st, agent_now_ms(), 0, &plan), 0);
    assert_int_equal(plan->nr, 1);
    xen.nr = 2;
    assert_int_equal(agent_change(&agent, &plan->change[0], "avmd", err,
                                  sizeof(err)), -1);
    assert_string_equal(err, "the domain is gone");
    assert_string_equal(last_state("avmd"), "failed");
    avm_plan_free(plan);
    tick(2);
    ask_bad("{\"op\":\"explain\",\"domain\":\"hog\"}", EXIT_NOT_FOUND,
            "no such domain is running");
}

static void test_foreign(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    tick(2);
    xen.dom[2].params.cap_pct = 70; /* xl sched-activity -c 70 */
    tick(5);
    assert_int_equal(xen.dom[2].params.cap_pct, 70);
    assert_string_equal(last_state("foreign"), "verified");
    /* And on the way out it stays the operator's. */
    agent.conf.revert_on_exit = true;
    agent_stop(&agent);
    assert_int_equal(xen.dom[2].params.cap_pct, 70);
}

/* `avm set` is journalled once, as the admin's. */
static void test_set(void **state)
{
    struct avm_json_value *v;

    (void)state;
    start(AVM_MODE_AUTO);
    tick(2);
    ask_ok("{\"op\":\"set\",\"domain\":\"hog\",\"weight\":100}");
    tick(3);
    assert_int_equal(xen.dom[2].params.weight, 100);
    v = ask("{\"op\":\"history\",\"domain\":\"hog\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "changes")), 1);
    avm_json_free(v);
    assert_string_equal(last_state("admin"), "verified");

    ask_bad("{\"op\":\"set\",\"domain\":\"hog\",\"weight\":0}", EXIT_FAILED,
            "weight must be 1 to 65535");
    ask_bad("{\"op\":\"set\",\"domain\":\"hog\",\"weight\":50,"
            "\"cap_pct\":101}", EXIT_FAILED, "cap must be 1 to 100");
    ask_bad("{\"op\":\"set\",\"domain\":\"hog\",\"urgency\":\"very\"}",
            EXIT_FAILED, "no such urgency");
    ask_bad("{\"op\":\"set\",\"domain\":\"hog\"}", EXIT_FAILED,
            "nothing to set");
    ask_bad("{\"op\":\"set\",\"domain\":\"0\",\"weight\":50}", EXIT_FAILED,
            "Domain-0");
    assert_int_equal(xen.dom[2].params.weight, 100);
    assert_int_equal(xen.dom[0].params.weight, 256);
}

static void test_stop(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"idler\","
           "\"role\":\"time-critical\"}");
    tick(3);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
    assert_int_equal(xen.dom[1].params.urgency, AVM_URGENCY_CRITICAL);
    assert_int_equal(xen.published[2], AVM_CLASS_CPU);
    agent_stop(&agent);
    assert_int_equal(xen.dom[1].params.urgency, AVM_URGENCY_NORMAL);
    assert_int_equal(xen.dom[2].params.cap_pct, 50); /* on_exit=keep */
    assert_int_equal(xen.published[2], AVM_NR_CLASSES);

    /* The next one knows where it came from, and gives it back if told. */
    start(AVM_MODE_OBSERVE);
    agent.conf.revert_on_exit = true;
    tick(1);
    agent_stop(&agent);
    assert_int_equal(xen.dom[2].params.cap_pct, 0);
}

static void test_revert(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    tick(2);
    ask_ok("{\"op\":\"revert\",\"domain\":\"hog\"}");
    assert_int_equal(xen.dom[2].params.cap_pct, 0);
    assert_string_equal(last_state("avmd"), "undone");
    tick(5);
    assert_int_equal(xen.dom[2].params.cap_pct, 0); /* held for a while */
    ask_bad("{\"op\":\"revert\"}", EXIT_FAILED, "no domain given");
}

/* kill -9 after the journal, before or after the change itself. */
static void die_in_change(bool made)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        xen.dead_on_apply = true;
        start(AVM_MODE_AUTO);
        ask_ok(NEED_CAP);
        tick(2);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);

    if (made)
        xen.dom[2].params.cap_pct = 50;
    start(AVM_MODE_OBSERVE);
    assert_string_equal(last_state("avmd"), made ? "verified" : "failed");
    tick(1);
    ask_ok("{\"op\":\"revert\",\"all\":true}");
    assert_int_equal(xen.dom[2].params.cap_pct, 0);
}

static void test_killed_after_change(void **state)
{
    (void)state;
    die_in_change(true);
}

static void test_killed_before_change(void **state)
{
    (void)state;
    die_in_change(false);
}

/* Set by the operator while avmd was dead: his from now on, whoever starts. */
static void test_foreign_while_dead(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    tick(2);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
    crash();
    xen.dom[2].params.cap_pct = 70;
    xen.ns += 1000000000;
    start(AVM_MODE_OBSERVE);
    assert_string_equal(last_state("foreign"), "verified");
    tick(2);
    crash();

    xen.ns += 1000000000;
    start(AVM_MODE_AUTO);
    tick(2);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
    ask_ok("{\"op\":\"revert\",\"all\":true}");
    assert_int_equal(xen.dom[2].params.cap_pct, 70);
}

/* Made, and the disk was full when that was to be written; then it went on. */
static void test_not_marked(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    tick(2);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"hog\",\"cap_pct\":60}");
    tick(2);
    assert_int_equal(db_change_state(agent.db, 1, "pending"), 0);
    crash();
    xen.ns += 1000000000;
    start(AVM_MODE_OBSERVE);
    assert_int_equal(xen.dom[2].params.cap_pct, 60);
    ask_ok("{\"op\":\"revert\",\"all\":true}");
    assert_int_equal(xen.dom[2].params.cap_pct, 0);
}

/* Set by the operator in the very second in which avmd stops. */
static void test_foreign_at_stop(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    tick(2);
    xen.dom[2].params.cap_pct = 70;
    xen.ns += 500000000;
    agent.conf.revert_on_exit = true;
    agent_stop(&agent);
    assert_int_equal(xen.dom[2].params.cap_pct, 70);
}

static void test_no_journal(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok(NEED_CAP);
    db_close(agent.db);
    agent.db = NULL;
    strcpy(agent.conf.state_dir, "/proc/nowhere");
    tick(5);
    assert_int_equal(xen.applies, 0);
    ask_bad("{\"op\":\"set\",\"domain\":\"hog\",\"weight\":100}", EXIT_FAILED,
            "nothing is changed");
    ask_bad(NEED_CAP, EXIT_FAILED, "database cannot be used");
    assert_int_equal(xen.applies, 0);
    ask_ok("{\"op\":\"list\"}");

    strcpy(agent.conf.state_dir, dir); /* repaired */
    tick(2);
    assert_int_equal(xen.applies, 1);
}

/* What is lent is given back, even if that cannot be written down. */
static void test_stop_without_journal(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"idler\","
           "\"role\":\"time-critical\"}");
    tick(3);
    assert_int_equal(xen.dom[1].params.urgency, AVM_URGENCY_CRITICAL);
    db_close(agent.db);
    agent.db = NULL;
    xen.no_journal = true;
    agent_stop(&agent);
    assert_int_equal(xen.dom[1].params.urgency, AVM_URGENCY_NORMAL);
}

static void test_host_unreadable(void **state)
{
    (void)state;
    start(AVM_MODE_AUTO);
    xen.fail_errno = EIO;
    tick(3);
    xen.fail_errno = 0;
    tick(3);
    ask_ok("{\"op\":\"list\"}");
}

static void test_publish_is_slow(void **state)
{
    int first;

    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(5);
    assert_int_equal(xen.published[2], AVM_CLASS_CPU);
    first = xen.publishes;
    tick(60);
    assert_true(xen.publishes - first <= 6);
    assert_int_equal(xen.published[0], AVM_CLASS_UNKNOWN); /* never: it is 0 */
}

static void has_keys(const struct avm_json_value *v, const char *const *keys)
{
    for (; *keys; keys++)
        if (!avm_json_get(v, *keys))
            fail_msg("no \"%s\"", *keys);
}

static void test_shapes(void **state)
{
    static const char *const list[] = {
        "version", "ts_ns", "mode", "scheduler", "domains", NULL,
    };
    static const char *const domain[] = {
        "name", "uuid", "domid", "role", "class", "confidence_permille",
        "weight", "cap_pct", "urgency", "cpu_permille", "wait_permille",
        "net_bps", "disk_bps", "wakes_per_s", "events_per_s", "mode", NULL,
    };
    static const char *const change[] = {
        "id", "ts_ns", "domain", "uuid", "domid", "knob", "before", "after",
        "reason", "actor", "state", NULL,
    };
    static const char *const need[] = {
        "name", "uuid", "role", "weight_min", "weight_max", "cap_pct", "cpus",
        NULL,
    };
    struct avm_json_value *v;
    const struct avm_json_value *d;

    (void)state;
    start(AVM_MODE_AUTO);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"hog\",\"cap_pct\":90}");
    tick(8);

    v = ask("{\"op\":\"list\"}");
    has_keys(v, list);
    assert_string_equal(str(v, "scheduler"), "activity");
    assert_int_equal(avm_json_size(avm_json_get(v, "domains")), NR_DOMS);
    d = avm_json_at(avm_json_get(v, "domains"), 2);
    has_keys(d, domain);
    if (strcmp(str(d, "class"), "cpu"))
        fail_msg("%s: %s", str(d, "class"), str(d, "evidence"));
    assert_string_equal(str(d, "mode"), "auto");
    avm_json_free(v);

    v = ask("{\"op\":\"history\"}");
    d = avm_json_at(avm_json_get(v, "changes"), 0);
    has_keys(d, change);
    assert_string_equal(str(d, "domain"), "hog");
    assert_string_equal(str(d, "knob"), "cap");
    assert_int_equal(num(d, "before"), 0);
    assert_int_equal(num(d, "after"), 90);
    avm_json_free(v);

    v = ask("{\"op\":\"need-list\"}");
    has_keys(avm_json_at(avm_json_get(v, "needs"), 0), need);
    avm_json_free(v);

    v = ask("{\"op\":\"explain\",\"domain\":\"hog\"}");
    d = avm_json_at(avm_json_get(v, "domains"), 0);
    assert_int_equal(avm_json_size(avm_json_get(v, "domains")), 1);
    assert_non_null(strstr(str(d, "text"), "class: cpu"));
    avm_json_free(v);

    v = ask("{\"op\":\"info\"}");
    assert_string_equal(str(v, "mode"), "auto");
    avm_json_free(v);
}

static void test_needs_by_any_name(void **state)
{
    struct avm_json_value *v;

    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(1);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"2\",\"role\":\"background\"}");
    ask_ok("{\"op\":\"need-set\",\"domain\":\"hog\",\"weight_max\":300}");
    ask_ok("{\"op\":\"need-set\",\"domain\":\"a2000000-0000-0000-0000-"
           "000000000000\",\"cpus\":\"0-1\"}");
    /* One that does not run. */
    ask_ok("{\"op\":\"need-set\",\"domain\":\"12345678-1234-1234-1234-"
           "123456789abc\",\"role\":\"interactive\"}");
    v = ask("{\"op\":\"need-list\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "needs")), 2);
    avm_json_free(v);
    v = ask("{\"op\":\"need-rm\",\"domain\":\"hog\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "needs")), 1);
    avm_json_free(v);
    ask_bad("{\"op\":\"need-rm\",\"domain\":\"hog\"}", EXIT_NOT_FOUND,
            "has no need");
}

#define NEED_IMPORT(role, cap) \
    "{\"op\":\"need-import\",\"replace\":true,\"file\":{\"version\":1," \
    "\"needs\":[{\"uuid\":\"a2000000-0000-0000-0000-000000000000\"," \
    "\"name\":\"hog\",\"cap_pct\":" cap ",\"role\":\"" role "\"}]}}"

/* Taken over at once, as need-set is. */
static void test_need_import(void **state)
{
    struct avm_json_value *v;

    (void)state;
    start(AVM_MODE_AUTO);
    agent.conf.loop.decide_ms = 600000;
    tick(3);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"idler\","
           "\"role\":\"background\"}");
    tick(1);
    v = ask(NEED_IMPORT("interactive", "50"));
    assert_int_equal(num(v, "imported"), 1);
    avm_json_free(v);
    tick(1);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
    assert_int_equal(avm_domain_by_id(agent.st, 2)->role,
                     AVM_ROLE_INTERACTIVE);
    assert_int_equal(avm_domain_by_id(agent.st, 1)->role, AVM_ROLE_NORMAL);

    ask_bad(NEED_IMPORT("king", "60"), EXIT_FAILED,
            "need 1 (hog): role must be \"background\"");
    ask_bad("{\"op\":\"need-import\"}", EXIT_FAILED, "no needs");
    tick(2);
    assert_int_equal(xen.dom[2].params.cap_pct, 50);
    assert_int_equal(avm_domain_by_id(agent.st, 2)->role,
                     AVM_ROLE_INTERACTIVE);
}

static void test_bad_requests(void **state)
{
    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(1);
    ask_bad("rubbish", EXIT_FAILED, "bad request");
    ask_bad("{\"op\":\"reboot\"}", EXIT_FAILED, "no such request");
    ask_bad("{\"op\":\"hold\"}", EXIT_FAILED, "no domain given");
    ask_bad("{\"op\":\"hold\",\"domain\":\"nobody\"}", EXIT_NOT_FOUND,
            "nobody: no such domain");
    ask_bad("{\"op\":\"hold\",\"domain\":\"99\"}", EXIT_NOT_FOUND,
            "99: no such domain");
    ask_bad("{\"op\":\"hold\",\"domain\":\"hog\",\"seconds\":0}", EXIT_FAILED,
            "seconds must be");
    ask_bad("{\"op\":\"mode\",\"mode\":\"inherit\"}", EXIT_FAILED,
            "no such mode");
    ask_bad("{\"op\":\"need-set\",\"domain\":\"hog\",\"role\":\"king\"}",
            EXIT_FAILED, "no such role");
    ask_bad("{\"op\":\"need-set\",\"domain\":\"hog\",\"weight_min\":9,"
            "\"weight_max\":8}", EXIT_FAILED, "above");
    ask_bad("{\"op\":\"need-set\",\"domain\":\"hog\",\"weight_min\":70000}",
            EXIT_FAILED, "weight-min must be");
    ask_bad("{\"op\":\"need-set\",\"domain\":\"hog\",\"cap_pct\":-2}",
            EXIT_FAILED, "cap must be");
    ask_bad("{\"op\":\"need-set\",\"domain\":\"hog\",\"cpus\":\"1-\"}",
            EXIT_FAILED, "list of pCPUs");
    ask_bad("{\"op\":\"need-set\",\"domain\":\"Domain-0\"}", EXIT_FAILED,
            "never changed");
    ask_bad("{\"op\":\"history\",\"last\":0}", EXIT_FAILED,
            "number of changes");
    tick(2);
    assert_int_equal(xen.applies, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_auto),
        TEST(test_observe_and_advise),
        TEST(test_domain_mode),
        TEST(test_affinity),
        TEST(test_record),
        TEST(test_reload),
        TEST(test_record_models),
        TEST(test_record_models_without_db),
        TEST(test_hold),
        TEST(test_failed_change),
        TEST(test_domain_gone),
        TEST(test_foreign),
        TEST(test_set),
        TEST(test_stop),
        TEST(test_revert),
        TEST(test_killed_after_change),
        TEST(test_killed_before_change),
        TEST(test_foreign_while_dead),
        TEST(test_not_marked),
        TEST(test_foreign_at_stop),
        TEST(test_no_journal),
        TEST(test_stop_without_journal),
        TEST(test_host_unreadable),
        TEST(test_publish_is_slow),
        TEST(test_shapes),
        TEST(test_needs_by_any_name),
        TEST(test_need_import),
        TEST(test_bad_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
