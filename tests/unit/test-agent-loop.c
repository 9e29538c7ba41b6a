/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent and its requests over the real core of libavm. Xen and the clock
 * are played here: see __wrap_*.
 */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent-fake.h"
#include "avm_json.h"
#include "log.h"
#include "replay.h"
#include "request.h"
#include "serve.h"

/* ------------------------------------------------------------------------ */
/* Xen                                                                      */

#define NR_DOMS  3
#define MAX_DOMS 450    /* of those that only one test has */

static struct {
    uint64_t ns;
    struct avm_domain_sample dom[MAX_DOMS];
    struct avm_psi psi;
    size_t nr;
    int applies, publishes, fail_errno;
    uint64_t pcpus;             /* of pool 0; 0: pCPU 0 and 1 */
    uint32_t nr_topo;           /* 0: Xen does not tell; nodes of two each */
    int topo_reads;
    bool no_journal;            /* is what is to be seen */
    bool forgets;               /* takes a write and does nothing */
    bool dead_on_apply;         /* avmd dies here */
    enum avm_class published[MAX_DOMS];
} xen;

static char dir[64];

static uint64_t fake_ns(void)
{
    return xen.ns;
}

int __wrap_avm_sample_read(avm_handle *h, struct avm_sample **out)
{
    struct avm_sample *s;

    (void)h;
    if (xen.fail_errno) {
        errno = xen.fail_errno;
        return -1;
    }
    s = calloc(1, sizeof(*s));
    s->domain = calloc(MAX_DOMS, sizeof(*s->domain));
    s->mono_ns = xen.ns;
    s->psi = xen.psi;
    s->host.nr_pcpus = 2;
    s->host.nr_pools = 1;
    s->host.pool[0] = (struct avm_pool){
        .sched_id = 10, .can = CAN_ALL, .pcpus = xen.pcpus ? xen.pcpus : 3,
    };
    s->host.pool[0].nr_pcpus =
        (uint32_t)__builtin_popcountll(s->host.pool[0].pcpus);
    s->host.nr_pcpus = s->host.pool[0].nr_pcpus;
    s->nr = xen.nr;
    memcpy(s->domain, xen.dom, sizeof(xen.dom));
    *out = s;
    return 0;
}

int __wrap_avm_topology_read(avm_handle *h, struct avm_topology **out)
{
    struct avm_topology *t;
    uint32_t i;

    (void)h;
    xen.topo_reads++;
    if (!xen.nr_topo) {
        errno = ENOSYS;
        return -1;
    }
    t = malloc(sizeof(*t) + xen.nr_topo * sizeof(t->pcpu[0]));
    t->nr = xen.nr_topo;
    for (i = 0; i < t->nr; i++)
        t->pcpu[i] = (struct avm_pcpu){
            .node = i / 2 % 2, .socket = i / 4, .core = i % 4 / 2,
        };
    *out = t;
    return 0;
}

static struct avm_params *params_of(uint32_t domid)
{
    size_t i;

    for (i = 0; i < xen.nr; i++)
        if (xen.dom[i].domid == domid)
            return &xen.dom[i].params;
    return NULL;
}

static uint64_t value_of(const struct avm_params *p, enum avm_knob knob)
{
    return knob == AVM_KNOB_WEIGHT ? p->weight :
           knob == AVM_KNOB_CAP ? p->cap_pct :
           knob == AVM_KNOB_URGENCY ? p->urgency : p->affinity;
}

static void set_value(struct avm_params *p, enum avm_knob knob, uint64_t value)
{
    if (knob == AVM_KNOB_WEIGHT)
        p->weight = (uint32_t)value;
    else if (knob == AVM_KNOB_CAP)
        p->cap_pct = (uint32_t)value;
    else if (knob == AVM_KNOB_URGENCY)
        p->urgency = (uint32_t)value;
    else
        p->affinity = value;
}

static int count_row(const struct db_change *c, void *arg)
{
    (void)c;
    ++*(int *)arg;
    return 0;
}

/* At the moment of the change the journal must have its row already. */
int __wrap_avm_apply(avm_handle *h, const struct avm_change *c)
{
    struct db_change_filter pending = { .state = "pending" };
    struct avm_params *p = params_of(c->domid);
    char msg[512];
    struct db *db;
    int nr = 0;

    (void)h;
    if (strcmp(c->reason, "lease renewed") && !xen.no_journal) {
        db = db_open(dir, 0, msg, sizeof(msg));
        assert_non_null(db);
        db_change_each(db, &pending, count_row, &nr);
        assert_int_equal(nr, 1);
        db_close(db);
    }
    xen.applies++;
    if (!p) {
        errno = ESRCH;
        return -1;
    }
    if (!xen.forgets)
        set_value(p, c->knob, c->after);
    if (xen.dead_on_apply)
        raise(SIGKILL);
    return 0;
}

int __wrap_avm_verify(avm_handle *h, const struct avm_change *c,
                      uint64_t *actual)
{
    (void)h;
    if (!params_of(c->domid)) {
        errno = ESRCH;
        return -1;
    }
    *actual = value_of(params_of(c->domid), c->knob);
    return *actual != c->after;
}

int __wrap_avm_publish(avm_handle *h, uint32_t domid,
                       const struct avm_uuid *uuid, enum avm_class klass)
{
    (void)h;
    (void)uuid;
    xen.publishes++;
    xen.published[domid] = klass;
    return 0;
}

int __wrap_avm_unpublish(avm_handle *h, uint32_t domid)
{
    (void)h;
    xen.published[domid] = AVM_NR_CLASSES;
    return 0;
}

/* ------------------------------------------------------------------------ */

static struct agent agent;
static struct record *agent_record; /* of the agent that is started next */

static void start(enum avm_mode mode)
{
    agent = (struct agent){ .h = (avm_handle *)&xen, .record = agent_record };
    agent_record = NULL;
    fake_conf(&agent, mode, dir);
    assert_int_equal(agent_start(&agent), 0);
}

/* A second passes; domain 2 runs all of it, domain 1 hardly at all. */
static void tick(int seconds)
{
    while (seconds--) {
        xen.ns += 1000000000;
        xen.dom[1].count.cpu_ns += 1000000;
        xen.dom[1].count.running_ns += 1000000;
        xen.dom[1].count.blocked_ns += 999000000;
        xen.dom[2].count.cpu_ns += 1000000000;
        xen.dom[2].count.running_ns += 1000000000;
        agent_tick(&agent);
    }
}

static int setup(void **state)
{
    static const char *const names[NR_DOMS] = { "Domain-0", "idler", "hog" };
    size_t i;

    (void)state;
    log_init("test", (enum log_level)0); /* silence */
    memset(&xen, 0, sizeof(xen));
    xen.ns = 1000000000;
    xen.nr = NR_DOMS;
    for (i = 0; i < NR_DOMS; i++) {
        struct avm_domain_sample *d = &xen.dom[i];

        d->domid = (uint32_t)i;
        if (i)
            d->uuid.b[0] = (uint8_t)(0xa0 + i);
        else
            d->flags = AVM_DOM_CONTROL;
        snprintf(d->untrusted_name, sizeof(d->untrusted_name), "%s", names[i]);
        d->nr_vcpus = 1;
        d->have = AVM_HAVE_CPU | AVM_HAVE_RECORDS;
        d->params = (struct avm_params){
            .can = CAN_ALL, .weight = 256, .affinity = UINT64_MAX,
        };
    }
    strcpy(dir, "/tmp/avm-loop-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    agent_stop(&agent);
    return fake_remove_dir(dir);
}

/* Asks; the answer must be one JSON object with a version. */
static struct avm_json_value *ask(const char *request)
{
    struct avm_json_value *v;
    char *text = serve(&agent, request, strlen(request)), err[128];

    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    v = avm_json_parse(text, strlen(text), err, sizeof(err));
    if (!v)
        fail_msg("%s: %s: %s", request, text, err);
    free(text);
    assert_int_equal(avm_json_get_int(avm_json_get(v, "version"), 0), 1);
    return v;
}

static const char *str(const struct avm_json_value *v, const char *key)
{
    return avm_json_get_str(avm_json_get(v, key), "(none)");
}

static int64_t num(const struct avm_json_value *v, const char *key)
{
    return avm_json_get_int(avm_json_get(v, key), INT64_MIN);
}

static void ask_ok(const char *request)
{
    struct avm_json_value *v = ask(request);

    if (avm_json_get(v, "error"))
        fail_msg("%s: %s", request, str(v, "error"));
    avm_json_free(v);
}

static void ask_bad(const char *request, int64_t code, const char *why)
{
    struct avm_json_value *v = ask(request);

    if (!strstr(str(v, "error"), why) || num(v, "exit") != code)
        fail_msg("%s: '%s', exit %d", request, str(v, "error"),
                 (int)num(v, "exit"));
    avm_json_free(v);
}

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

/* One whose parameters cannot be read is no reason to refuse all needs. */
static void test_places_unreadable(void **state)
{
    struct avm_params was;

    (void)state;
    xen.pcpus = 0xf;
    xen.nr_topo = 4;
    start(AVM_MODE_AUTO);
    tick(3);
    ask_ok(NEED_NODE);
    tick(2);
    assert_true(xen.dom[2].params.affinity == 0xc);
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
    xen.pcpus = 0xf;
    xen.nr_topo = 4;
    start(AVM_MODE_AUTO);
    tick(3);
    ask_ok(NEED_NODE);
    tick(2);
    assert_true(xen.dom[2].params.affinity == 0xc);
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

static int count_event_line(FILE *f, struct replay *r)
{
    char *line = NULL, err[256];
    size_t room = 0;
    ssize_t len;
    int nr = 0;

    while ((len = getline(&line, &room, f)) > 0) {
        nr++;
        if (replay_line(r, line, (size_t)len - 1, err, sizeof(err)))
            fail_msg("line %d: %s", nr, err);
    }
    free(line);
    return nr;
}

static void keep_change(void *arg, const struct replay_event *e)
{
    char *text = arg;
    size_t len = strlen(text);

    if (!e->is_class)
        snprintf(text + len, 512 - len, "%s %s %d>%d %s\n",
                 e->dom->untrusted_name, avm_knob_name(e->change->knob),
                 (int)e->change->before, (int)e->change->after, e->actor);
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

/* As after kill -9: nobody said goodbye. */
static void crash(void)
{
    db_close(agent.db);
    avm_state_free(agent.st);
    free(agent.published);
    free(agent.need);
    places_free(&agent.places);
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

static char *metrics(void)
{
    struct avm_json_value *v = ask("{\"op\":\"metrics\"}");
    char *text = strdup(str(v, "metrics"));

    avm_json_free(v);
    return text;
}

/* A whole line that stands there once, or never. */
static int count_lines(const char *text, const char *line)
{
    size_t len = strlen(line);
    const char *p;
    int nr = 0;

    for (p = text; (p = strstr(p, line)); p += len)
        nr += (p == text || p[-1] == '\n') && p[len] == '\n';
    return nr;
}

static void has_line(const char *text, const char *line)
{
    if (count_lines(text, line) != 1)
        fail_msg("%d times '%s' in:\n%s", count_lines(text, line), line, text);
}

/*
 * Each line is as Prometheus wants it, a metric has its HELP, its TYPE and all of
 * its lines in one place, and a counter says in its name that it is one.
 */
static void check_format(const char *text)
{
    static const char sample[] =
        "^avm_[a-z0-9_]+(\\{[a-z]+=\"([^\"\\]|\\\\[\"\\])*\""
        "(,[a-z]+=\"([^\"\\]|\\\\[\"\\])*\")*\\})? [0-9]+(\\.[0-9]+)?$";
    char copy[32768], name[64] = "", type[16], seen[4096] = "", *line, *next;
    char word[64];
    regex_t re;
    int nr = 0;

    assert_true(strlen(text) < sizeof(copy));
    assert_int_equal(text[strlen(text) - 1], '\n');
    strcpy(copy, text);
    assert_int_equal(regcomp(&re, sample, REG_EXTENDED | REG_NOSUB), 0);
    for (line = strtok_r(copy, "\n", &next); line;
         line = strtok_r(NULL, "\n", &next)) {
        if (sscanf(line, "# HELP %63s %c", name, word) == 2) {
            snprintf(word, sizeof(word), " %.60s ", name);
            if (strstr(seen, word))
                fail_msg("twice: %s", line);
            strcat(seen, word);
            continue;
        }
        if (sscanf(line, "# TYPE %63s %15s", word, type) == 2) {
            assert_string_equal(word, name);
            assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge"));
            assert_int_equal(!strcmp(type, "counter"),
                             !!strstr(name, "_total"));
            continue;
        }
        if (regexec(&re, line, 0, NULL, 0))
            fail_msg("bad line: %s", line);
        if (strncmp(line, name, strlen(name)) ||
            !strchr("{ ", line[strlen(name)]))
            fail_msg("not of %s: %s", name, line);
        nr++;
    }
    regfree(&re);
    assert_true(nr > 20);
}

static void test_metrics(void **state)
{
    static const char hog[] =
        "{domid=\"2\",uuid=\"a2000000-0000-0000-0000-000000000000\","
        "name=\"h\\\"} 1?avm_needs 99\\\\\"";
    struct avm_domain_sample *d = &xen.dom[2];
    char *text, line[256];

    (void)state;
    strcpy(d->untrusted_name, "h\"} 1\navm_needs 99\\");
    d->have |= AVM_HAVE_DISK | AVM_HAVE_BACKEND | AVM_HAVE_PSI_IO;
    xen.psi.have = 1u << AVM_PSI_IO;
    d->params.can |= AVM_CAN_NET_SHARE;
    d->params.net_share = 400;
    start(AVM_MODE_AUTO);
    tick(4);
    d->count.disk_rd_bytes += 4000000;
    d->count.backend_us += 1000000;
    d->count.psi_io_us += 500000;
    xen.psi.some_us[AVM_PSI_IO] += 200000;
    xen.psi.full_us[AVM_PSI_IO] += 40000;
    ask_ok("{\"op\":\"need-set\",\"domain\":\"2\",\"cap_pct\":50}");
    ask_ok("{\"op\":\"hold\",\"domain\":\"1\"}");
    tick(1);
    xen.dom[1].params.weight = 100; /* someone else */
    xen.forgets = true;
    ask_ok("{\"op\":\"need-set\",\"domain\":\"2\",\"cap_pct\":60}");
    tick(1);

    text = metrics();
    check_format(text);
    has_line(text, "avm_mode{mode=\"auto\"} 1");
    has_line(text, "avm_mode{mode=\"observe\"} 0");
    has_line(text, "avm_samples_total 7");
    has_line(text, "avm_decisions_total 6");
    has_line(text, "avm_changes_applied_total 1");
    has_line(text, "avm_changes_failed_total 1");
    has_line(text, "avm_changes_foreign_total 1");
    has_line(text, "avm_changes_refused_total 0");
    has_line(text, "avm_flip_flops_total 0");
    has_line(text, "avm_changes_left 19");
    has_line(text, "avm_needs 1"); /* a hold is none */
    has_line(text, "avm_domains 3");
    has_line(text, "avm_round_seconds 0.000000");
    has_line(text, "avm_pressure_ratio{resource=\"io\",kind=\"some\"} 0.050");
    has_line(text, "avm_pressure_ratio{resource=\"io\",kind=\"full\"} 0.010");
    assert_null(strstr(text, "resource=\"cpu\""));
#define HOG(metric, rest) do { \
        snprintf(line, sizeof(line), "%s%s%s", metric, hog, rest); \
        has_line(text, line); \
    } while (0)
    HOG("avm_domain_cpu_ratio", "} 1.000");
    HOG("avm_domain_cpu_wait_ratio", "} 0.000");
    HOG("avm_domain_cpu_pressure_ratio", "} 0.000");
    HOG("avm_domain_wake_latency_p99_seconds", "} 0.000000");
    HOG("avm_domain_class", ",class=\"cpu\"} 1");
    HOG("avm_domain_verdict", ",verdict=\"cap\"} 1");
    HOG("avm_domain_disk_read_bytes_per_second", "} 1000000");
    HOG("avm_domain_backend_cpu_ratio", "} 0.250");
    HOG("avm_domain_backend_io_wait_ratio", "} 0.125");
    HOG("avm_domain_weight", "} 256");
    HOG("avm_domain_cap_ratio", "} 0.50");
    HOG("avm_domain_urgency", ",urgency=\"normal\"} 1");
    HOG("avm_domain_network_share", "} 400");
#undef HOG
    /* It has no vif, and the others have no disk. */
    assert_null(strstr(text, "avm_domain_network_receive_bytes_per_second{"));
    assert_null(strstr(text, "avm_domain_disk_share{"));
    assert_null(strstr(text, "avm_domain_backend_cpu_wait_ratio{"));
    assert_null(strstr(text, "read_bytes_per_second{domid=\"1\""));
    free(text);
}

/* The file as a whole, "" if there is none. */
static const char *file_text(const char *path)
{
    static char buf[32768];
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

    buf[len] = '\0';
    if (f)
        fclose(f);
    return buf;
}

static void test_metrics_file(void **state)
{
    struct rlimit old, tight = { .rlim_cur = 100 };
    char path[128], other[160], victim[128], away[128], *text;
    struct stat st;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof(path), "%s/sub", dir);
    snprintf(away, sizeof(away), "%s/sub2", dir);
    snprintf(victim, sizeof(victim), "%s/victim", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    start(AVM_MODE_AUTO);
    strcat(path, "/avm.prom");
    strcpy(agent.conf.metrics_file, path);
    agent.conf.loop.decide_ms = 4000;
    tick(1);
    text = metrics();
    assert_string_equal(file_text(path), text);
    free(text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    tick(2); /* no decision, no file */
    assert_true(count_lines(file_text(path), "avm_samples_total 2"));

    /* Who may write there cannot make avmd write elsewhere. */
    snprintf(other, sizeof(other), "%s.new", path);
    assert_int_equal(symlink(victim, other), 0);
    tick(2);
    has_line(file_text(path), "avm_samples_total 6");
    assert_int_equal(lstat(victim, &st), -1);
    assert_int_equal(lstat(other, &st), -1);

    /* Full: the old one stays whole, nothing is left behind. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    db_close(agent.db); /* it would not fit either */
    agent.db = NULL;
    strcpy(agent.conf.state_dir, "/proc/nowhere");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    tick(4);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(agent.said_metrics);
    has_line(file_text(path), "avm_samples_total 6");
    assert_int_equal(lstat(other, &st), -1);

    /* The directory is gone, and comes again. */
    snprintf(other, sizeof(other), "%s/sub", dir);
    assert_int_equal(rename(other, away), 0);
    tick(4);
    assert_true(agent.said_metrics);
    assert_int_equal(rename(away, other), 0);
    tick(4);
    assert_false(agent.said_metrics);
    has_line(file_text(path), "avm_samples_total 18");

    agent_stop(&agent);
    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(rmdir(other), 0);
}

/* ------------------------------------------------------------------------ */
/* What is learnt                                                           */

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
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_auto),
        TEST(test_observe_and_advise),
        TEST(test_domain_mode),
        TEST(test_affinity),
        TEST(test_places),
        TEST(test_places_unreadable),
        TEST(test_places_moved_by_xen),
        TEST(test_places_refused),
        TEST(test_places_imported),
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
        TEST(test_metrics),
        TEST(test_metrics_file),
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
        TEST(test_bad_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
