/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Affinities by node, socket and core: what becomes of them on this host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent-host.h"

/* What the log says while a test looks: all lines are counted, and searched. */
static int log_fd = -1, log_old = -1;

static void log_watch(void)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    log_fd = dup(fileno(f));
    fclose(f);
    fflush(stderr);
    log_old = dup(2);
    dup2(log_fd, 2);
    log_init("test", LOG_WARN);
}

static int log_lines_with(const char *what)
{
    static char text[65536];
    ssize_t len = pread(log_fd, text, sizeof(text) - 1, 0);
    char *p = text;
    int nr = 0;

    text[len > 0 ? len : 0] = '\0';
    while ((p = strstr(p, what))) {
        nr++;
        p++;
    }
    return nr;
}

static void log_unwatch(void)
{
    log_init("test", (enum log_level)0);
    fflush(stderr);
    dup2(log_old, 2);
    close(log_old);
    close(log_fd);
}

static void expect_place(const char *cpus, const char *pcpus, const char *why)
{
    struct avm_json_value *v = ask("{\"op\":\"explain\",\"domain\":\"hog\"}");
    const struct avm_json_value *p = avm_json_get(v, "places");

    assert_int_equal(avm_json_size(p), cpus ? 1 : 0);
    if (cpus) {
        p = avm_json_at(p, 0);
        assert_string_equal(str(p, "cpus"), cpus);
        if (pcpus)
            assert_string_equal(str(p, "pcpus"), pcpus);
        else
            assert_true(avm_json_is_null(avm_json_get(p, "pcpus")));
        if (!strstr(str(p, "why"), why) || !*why != !*str(p, "why"))
            fail_msg("%s: '%s'", cpus, str(p, "why"));
    }
    avm_json_free(v);
}

#define NEED_NODE "{\"op\":\"need-set\",\"domain\":\"hog\"," \
                  "\"cpus\":\"nodes:1\"}"

/* A node by name, through all that can become of it. */
static void test_places(void **state)
{
    struct avm_json_value *v;
    int before;

    (void)state;
    xen.pcpus = 0xf;
    xen.nr_topo = 4;
    start(AVM_MODE_ADVISE);
    tick(3);
    assert_int_equal(xen.topo_reads, 0); /* who needs it not, asks not */
    ask_ok(NEED_NODE);
    tick(2);
    v = ask("{\"op\":\"plan\"}");
    assert_int_equal(num(avm_json_at(avm_json_get(v, "changes"), 0), "after"),
                     0xc);
    assert_string_equal(str(avm_json_at(avm_json_get(v, "changes"), 0),
                            "reason"),
                        "its need asks for nodes:1: pCPUs 2-3");
    avm_json_free(v);
    expect_place("nodes:1", "2-3", "");
    agent.mode = AVM_MODE_AUTO;
    tick(8);
    assert_true(xen.dom[2].params.affinity == 0xc);
    assert_int_equal(xen.applies, 1);
    assert_int_equal(xen.topo_reads, 1);
    v = ask("{\"op\":\"history\"}");
    assert_string_equal(str(avm_json_at(avm_json_get(v, "changes"), 0),
                            "reason"),
                        "its need asks for nodes:1: pCPUs 2-3");
    avm_json_free(v);
    v = ask("{\"op\":\"need-list\"}");
    assert_string_equal(str(avm_json_at(avm_json_get(v, "needs"), 0), "cpus"),
                        "nodes:1");
    avm_json_free(v);

    /* The pool loses it: the VM stays, and that is said once. */
    log_watch();
    xen.pcpus = 0x3;
    tick(20);
    assert_int_equal(log_lines_with("\n"), 1);
    assert_int_equal(log_lines_with("hog (2): affinity: nodes:1 gives no pCPU "
                                    "of pool 0; it stays where it is"), 1);
    expect_place("nodes:1", NULL, "nodes:1 gives no pCPU of pool 0");
    before = xen.applies;
    assert_true(xen.dom[2].params.affinity == 0xc);

    /* Another avmd takes it over as it is. */
    agent_stop(&agent);
    log_unwatch();
    assert_int_equal(xen.applies, before);
    start(AVM_MODE_AUTO);
    v = ask("{\"op\":\"plan\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "changes")), 0);
    avm_json_free(v);
    tick(70);
    assert_true(xen.dom[2].params.affinity == 0xc);
    assert_int_equal(xen.applies, before);

    /* It is back, and larger: what was said means all of it. */
    xen.pcpus = 0xff;
    xen.nr_topo = 8;
    tick(70);
    assert_true(xen.dom[2].params.affinity == 0xcc);
    expect_place("nodes:1", "2-3,6-7", "");

    /* Without the need it is what it was at first. */
    ask_ok("{\"op\":\"need-rm\",\"domain\":\"hog\"}");
    tick(150);
    assert_true(xen.dom[2].params.affinity == UINT64_MAX);
    expect_place(NULL, NULL, "");
}

/* Of two nodes with two pCPUs each, hog is on its own. */
static void start_on_node(void)
{
    xen.pcpus = 0xf;
    xen.nr_topo = 4;
    start(AVM_MODE_AUTO);
    tick(3);
    ask_ok(NEED_NODE);
    tick(2);
    assert_true(xen.dom[2].params.affinity == 0xc);
}

/* One whose parameters cannot be read is no reason to refuse all needs. */
static void test_places_unreadable(void **state)
{
    struct avm_params was;

    (void)state;
    start_on_node();
    was = xen.dom[2].params;
    xen.dom[2].params = (struct avm_params){ 0 };
    xen.pcpus = 0x3;
    tick(8);
    ask_ok("{\"op\":\"need-set\",\"domain\":\"idler\",\"cap_pct\":40}");
    tick(8);
    assert_false(agent.said_needs);
    assert_int_equal(xen.dom[1].params.cap_pct, 40);
    xen.dom[2].params = was;
    tick(8);
    assert_true(xen.dom[2].params.affinity == 0xc);
    xen.pcpus = 0xff;
    xen.nr_topo = 8;
    tick(70);
    assert_true(xen.dom[2].params.affinity == 0xcc);
}

/* Xen lets a vCPU that has no pCPU left run anywhere: that is somebody else. */
static void test_places_moved_by_xen(void **state)
{
    int before;

    (void)state;
    start_on_node();
    before = xen.applies;
    xen.pcpus = 0x3;
    xen.dom[2].params.affinity = UINT64_MAX;
    tick(20);
    assert_true(xen.dom[2].params.affinity == UINT64_MAX);
    xen.pcpus = 0xf;
    tick((int)(agent.conf.loop.foreign_hold_ms / 1000) - 30);
    assert_true(xen.dom[2].params.affinity == UINT64_MAX);
    assert_int_equal(xen.applies, before);
    tick(40);
    assert_true(xen.dom[2].params.affinity == 0xc);
}

static void test_places_refused(void **state)
{
    static const char *const bad[][2] = {
        { "nodes:7", "nodes:7: this host has no node 7" },
        { "sockets:1", "no socket 1" },
        { "nodes:1,^2-3", "gives no pCPU of pool 0" },
        { "4-5", "4-5 gives no pCPU of pool 0" },
        { "node:x", "is not a list of pCPUs" },
        { "^1", "^ must follow" },
    };
    struct avm_json_value *v;
    char text[128];
    size_t i;

    (void)state;
    xen.pcpus = 0xf;
    start(AVM_MODE_AUTO);
    ask_bad(NEED_NODE, EXIT_FAILED, "the hypervisor does not tell which");
    xen.nr_topo = 4;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "{\"op\":\"need-set\",\"domain\":"
                 "\"hog\",\"cpus\":\"%s\"}", bad[i][0]);
        ask_bad(text, EXIT_FAILED, bad[i][1]);
    }
    /* Nothing of a request that is refused is kept. */
    ask_bad("{\"op\":\"need-set\",\"domain\":\"hog\",\"cap_pct\":50,"
            "\"cpus\":\"nodes:7\"}", EXIT_FAILED, "no node 7");
    v = ask("{\"op\":\"need-list\"}");
    assert_int_equal(avm_json_size(avm_json_get(v, "needs")), 0);
    avm_json_free(v);

    /* Not here now: any pool may become its own. */
    ask_ok("{\"op\":\"need-set\",\"cpus\":\"cores\",\"domain\":"
           "\"77000000-0000-0000-0000-000000000000\"}");
    ask_bad("{\"op\":\"need-set\",\"cpus\":\"nodes:7\",\"domain\":"
            "\"77000000-0000-0000-0000-000000000000\"}", EXIT_FAILED,
            "no node 7");
    tick(5);
    assert_int_equal(xen.applies, 0);
}

/* From another host: taken as it was said, and what it means here is seen. */
static void test_places_imported(void **state)
{
    (void)state;
    xen.pcpus = 0xf;
    xen.nr_topo = 4;
    start(AVM_MODE_AUTO);
    log_watch();
    ask_ok("{\"op\":\"need-import\",\"file\":{\"version\":1,\"needs\":["
           "{\"uuid\":\"a2000000-0000-0000-0000-000000000000\","
           "\"cpus\":\"nodes:5\"}]}}");
    tick(10);
    assert_int_equal(xen.applies, 0);
    assert_int_equal(log_lines_with("no node 5"), 1);
    ask_ok("{\"op\":\"need-import\",\"file\":{\"version\":1,\"needs\":["
           "{\"uuid\":\"a2000000-0000-0000-0000-000000000000\","
           "\"cpus\":\"any,cores,^0\"}]}}");
    tick(10);
    log_unwatch();
    assert_true(xen.dom[2].params.affinity == 0x6);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_places),
        TEST(test_places_unreadable),
        TEST(test_places_moved_by_xen),
        TEST(test_places_refused),
        TEST(test_places_imported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
