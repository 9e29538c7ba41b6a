/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An agent over the real core of libavm, on a small host whose Xen and clock are
 * played here, and requests to it: for the tests of what it does. To be included
 * after cmocka.h.
 */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    bool no_journal;            /* is what is to be seen */
    bool forgets;               /* takes a write and does nothing */
    bool dead_on_apply;         /* avmd dies here */
    enum avm_class published[MAX_DOMS];
    uint64_t pcpus;             /* of pool 0; 0: pCPU 0 and 1 */
    uint32_t nr_topo;           /* 0: Xen does not tell; nodes of two each */
    int topo_reads;
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

static inline void ask_bad(const char *request, int64_t code, const char *why)
{
    struct avm_json_value *v = ask(request);

    if (!strstr(str(v, "error"), why) || num(v, "exit") != code)
        fail_msg("%s: '%s', exit %d", request, str(v, "error"),
                 (int)num(v, "exit"));
    avm_json_free(v);
}

/* As after kill -9: nobody said goodbye. */
static inline void crash(void)
{
    db_close(agent.db);
    avm_state_free(agent.st);
    free(agent.published);
    free(agent.need);
    places_free(&agent.places);
}

/* ------------------------------------------------------------------------ */
/* Recordings                                                               */

static inline int count_event_line(FILE *f, struct replay *r)
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

static inline void keep_change(void *arg, const struct replay_event *e)
{
    char *text = arg;
    size_t len = strlen(text);

    if (!e->is_class)
        snprintf(text + len, 512 - len, "%s %s %d>%d %s\n",
                 e->dom->untrusted_name, avm_knob_name(e->change->knob),
                 (int)e->change->before, (int)e->change->after, e->actor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
