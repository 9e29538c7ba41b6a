/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is made of a recording for the simulator, and of what that says. With
 * --write FILE, --write-odd, --write-pinned or --write-short it only writes a
 * recording, for the tests of avm: of a host that can be, of one in which a hog
 * idles, and of two on which everybody has its pCPU.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "record.h"
#include "recording.h"
#include "replay.h"
#include "simulate.h"
#include "whatif.h"

#define CAN_ALL (AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_URGENCY | \
                 AVM_CAN_AFFINITY | AVM_CAN_RECORDS)
#define S 1000000000ull
#define MS 1000000ull

static char dir[] = "/tmp/avm-whatif-XXXXXX";

/* ------------------------------------------------------------------------ */
/* A host                                                                   */

#define MAX 6
static struct avm_domain_sample then[MAX], now[MAX];
static struct avm_sample first, last;
static struct avm_sample *const both[2] = { &first, &last };

static void host_init(uint32_t nr_pcpus)
{
    memset(then, 0, sizeof(then));
    memset(now, 0, sizeof(now));
    first = (struct avm_sample){
        .mono_ns = 100 * S, .domain = then,
        .host = {
            .nr_pcpus = nr_pcpus, .nr_pools = 1,
            .pool[0] = { .sched_id = 10, .nr_pcpus = nr_pcpus,
                         .can = CAN_ALL,
                         .pcpus = (UINT64_C(1) << nr_pcpus) - 1 },
        },
    };
    last = first;
    last.mono_ns += 10 * S;
    last.domain = now;
}

/*
 * A domain that in ten seconds ran and waited for so many ms, in so many bursts,
 * of which one took so many us.
 */
static struct avm_domain_sample *add(const char *name, uint32_t nr_vcpus,
                                     uint64_t run_ms, uint64_t wait_ms,
                                     uint64_t bursts, uint64_t burst_us)
{
    struct avm_domain_sample *d = &then[first.nr++], *e = &now[last.nr++];

    *d = (struct avm_domain_sample){
        .domid = (uint32_t)(first.nr - 1), .nr_vcpus = nr_vcpus,
        .uuid.b[0] = (uint8_t)first.nr, .have = AVM_HAVE_CPU | AVM_HAVE_RECORDS,
        .params = { .can = CAN_ALL, .weight = 256, .affinity = UINT64_MAX },
        /* They are older than the recording. */
        .count = { .running_ns = 7 * S, .runnable_ns = S, .blocked_ns = 3 * S,
                   .wakes = 500, .blocks = 500, .boosts = 3,
                   .latency[4] = UINT32_MAX, .events_virq = 9 },
    };
    strcpy(d->untrusted_name, name);
    *e = *d;
    e->burst_avg_ns = (uint32_t)(burst_us * 1000);
    e->count.running_ns += run_ms * MS;
    e->count.runnable_ns += wait_ms * MS;
    e->count.blocked_ns += nr_vcpus * 10 * S - (run_ms + wait_ms) * MS;
    e->count.wakes += bursts;
    e->count.blocks += bursts;
    e->count.latency[4] = (uint32_t)(e->count.latency[4] + bursts);
    return e;
}

static struct host_model make(void)
{
    struct host_model m;
    char err[256] = "";

    if (host_model_make(both, 2, &m, err, sizeof(err)))
        fail_msg("%s", err);
    return m;
}

static void no_model(const char *why)
{
    struct host_model m;
    char err[256] = "";

    assert_int_equal(host_model_make(both, 2, &m, err, sizeof(err)), -1);
    assert_null(m.guest);
    if (!strstr(err, why))
        fail_msg("'%s', not '%s'", err, why);
}

static void want_json(const struct host_model *m, uint32_t pool,
                      const char *part)
{
    char *text = scenario_json(m, pool);

    assert_non_null(text);
    if (!strstr(text, part))
        fail_msg("no %s in %s", part, text);
    free(text);
}

/* ------------------------------------------------------------------------ */
/* From counters to guests                                                  */

static void hogs(void **state)
{
    struct host_model m;

    (void)state;
    host_init(2);
    add("hog", 1, 6000, 4000, 0, 0);
    add("nearly", 1, 6000, 3800, 100, 60000);
    add("two", 2, 12000, 8000, 0, 0);
    add("capped", 1, 5000, 5000, 0, 0);
    m = make();
    assert_int_equal(m.length_ns, 10 * S);
    assert_int_equal(m.nr, 4);
    assert_int_equal(m.guest[0].cpu_ppm, 600000);
    assert_int_equal(m.guest[0].wait_ppm, 400000);
    assert_int_equal(m.guest[0].hogs, 1);
    assert_int_equal(m.guest[0].latency_p99_us, 0);
    assert_int_equal(m.guest[1].hogs, 1);
    assert_int_equal(m.guest[2].hogs, 2);
    assert_int_equal(m.guest[3].hogs, 1);
    want_json(&m, 0, "{\"name\":\"d2\",\"vcpus\":2,\"weight\":256,\"tasks\":"
              "[{\"kind\":\"hog\",\"vcpus\":\"0-1\"}]}");
    host_model_free(&m);
}

/* What wakes wants what it ran, however long it waited for that. */
static void wakers(void **state)
{
    struct avm_domain_sample *d;
    struct host_model m;

    (void)state;
    host_init(2);
    d = add("timer", 1, 1000, 10, 1000, 1000);
    d->count.events_virq += 1000;
    d = add("net", 1, 2000, 6000, 5000, 400);
    d->count.events_interdomain += 5000;
    d->count.events_virq += 1200;
    /* Two of two that wait for each other's pCPU are no hogs. */
    add("crowd", 2, 10000, 8500, 10000, 1000);
    d = add("slow", 1, 3000, 0, 50, 60000);
    d->count.events_pirq += 50;
    m = make();
    assert_int_equal(m.guest[0].hogs, 0);
    assert_int_equal(m.guest[0].wakes_by, GUEST_PERIODIC);
    assert_int_equal(m.guest[0].period_us, 10000);
    assert_int_equal(m.guest[0].work_ns, 1000000);
    assert_int_equal(m.guest[0].latency_p99_us, 16);
    assert_int_equal(m.guest[1].hogs, 0);
    assert_int_equal(m.guest[1].wakes_by, GUEST_ARRIVALS);
    assert_int_equal(m.guest[1].period_us, 2000);
    assert_int_equal(m.guest[1].work_ns, 400000);
    assert_int_equal(m.guest[2].hogs, 0);
    assert_int_equal(m.guest[2].nr_woken, 2);
    assert_int_equal(m.guest[2].period_us, 2000);
    assert_int_equal(m.guest[2].work_ns, 1000000);
    /* Five a second by chance would be anything from none to ten. */
    assert_int_equal(m.guest[3].wakes_by, GUEST_PERIODIC);
    assert_int_equal(m.guest[3].work_ns, 60000000);
    want_json(&m, 0, "[{\"kind\":\"periodic\",\"vcpus\":\"0-0\","
              "\"period_us\":10000,\"work_us\":1000}]");
    want_json(&m, 0, "[{\"kind\":\"arrivals\",\"vcpus\":\"0-0\","
              "\"mean_us\":2000,\"work_us\":400}]");
    host_model_free(&m);
}

/* Who is asleep for half of the time computes in none of it without end. */
static void bursts_of_the_end(void **state)
{
    struct avm_domain_sample middle[MAX], *d;
    struct avm_sample between, *const samples[] = { &first, &between, &last };
    struct host_model m;
    char err[256] = "";

    (void)state;
    /* Served its clients until just now; the last bursts are those of ticks. */
    host_init(2);
    d = add("web", 1, 4730, 500, 4000, 86);
    d->count.events_interdomain += 5600;
    m = make();
    assert_int_equal(m.guest[0].hogs, 0);
    assert_int_equal(m.guest[0].wakes_by, GUEST_ARRIVALS);
    assert_int_equal(m.guest[0].period_us, 2500);
    assert_int_equal(m.guest[0].work_ns, 1182500);
    host_model_free(&m);

    /* With two vCPUs, none of them a hog: most bursts were longer than that. */
    host_init(2);
    d = add("web", 2, 9460, 1000, 8000, 86);
    d->count.events_interdomain += 11200;
    memcpy(middle, now, sizeof(middle));
    middle[0].burst_avg_ns = 1183000;
    middle[0].count.blocks -= 10;
    between = last;
    between.mono_ns -= S;
    between.domain = middle;
    assert_int_equal(host_model_make(samples, 3, &m, err, sizeof(err)), 0);
    assert_int_equal(m.length_ns, 10 * S);
    assert_int_equal(m.guest[0].hogs, 0);
    assert_int_equal(m.guest[0].nr_woken, 2);
    assert_int_equal(m.guest[0].work_ns, 1182500);
    host_model_free(&m);
}

/* Who is short of CPU time takes what it is given, disk or not. */
static void clients_that_wait(void **state)
{
    struct avm_domain_sample *d;
    struct host_model m;

    (void)state;
    host_init(2);
    d = add("web", 1, 3190, 6420, 1950, 1635);
    d->count.events_interdomain += 3370;
    /* It sleeps for more than an eighth of the time for which it waits. */
    d = add("mail", 1, 3190, 6050, 1950, 1635);
    d->count.events_interdomain += 3370;
    d = add("pair", 2, 6380, 12840, 3900, 1635);
    d->count.events_virq += 3370;
    m = make();
    assert_int_equal(m.guest[0].hogs, 0);
    assert_int_equal(m.guest[0].wakes_by, GUEST_DISK);
    assert_in_range(m.guest[0].work_ns, 1635000, 1637000);
    assert_in_range(m.guest[0].answer_us, 199, 201);
    assert_int_equal(m.guest[1].wakes_by, GUEST_ARRIVALS);
    assert_int_equal(m.guest[2].hogs, 0);
    assert_int_equal(m.guest[2].wakes_by, GUEST_DISK);
    assert_int_equal(m.guest[2].nr_woken, 2);
    assert_in_range(m.guest[2].answer_us, 199, 201);
    host_model_free(&m);
}

/* Who waits for its own disk asks for more when it gets more. */
static void disks(void **state)
{
    struct avm_domain_sample *d;
    struct host_model m;

    (void)state;
    host_init(2);
    d = add("db", 1, 3000, 4000, 6000, 500);
    d->count.events_interdomain += 6000;
    d->count.disk_rd_reqs += 2000;
    d->count.disk_wr_reqs += 1000;
    d = add("log", 2, 3000, 1000, 6000, 500);
    d->count.events_interdomain += 6000;
    d->count.disk_wr_reqs += 2999;
    d = add("busy", 2, 9000, 1000, 1000, 500);
    d->count.disk_rd_reqs += 1000;
    m = make();
    assert_int_equal(m.guest[0].wakes_by, GUEST_DISK);
    assert_int_equal(m.guest[0].work_ns, 499800);
    assert_in_range(m.guest[0].answer_us, 499, 501);
    want_json(&m, 0, "[{\"kind\":\"disk\",\"vcpus\":\"0-0\",\"wait_us\":500,"
              "\"work_us\":500}]");
    assert_int_equal(m.guest[1].wakes_by, GUEST_ARRIVALS);
    assert_int_equal(m.guest[2].hogs, 1);
    assert_int_equal(m.guest[2].wakes_by, GUEST_DISK);
    host_model_free(&m);
}

/* Demand is what they ran, over all vCPUs that are woken. */
static void many_vcpus(void **state)
{
    struct host_model m;
    struct guest_model *g;

    (void)state;
    host_init(4);
    /* One computes and has not blocked once; one wakes 100 times a second. */
    add("both", 2, 8000, 2500, 1000, 500);
    /* The same, but that it blocks each few seconds. */
    add("rarely", 2, 8000, 2500, 1003, 3000000);
    /* Three wakes a second are not more than three vCPUs'. */
    add("big", 64, 300, 0, 30, 10000);
    /* Whatever they wait: more than one of them has to carry it. */
    add("heavy", 4, 25000, 1000, 10, 19000);
    m = make();
    g = &m.guest[0];
    assert_int_equal(g->hogs, 1);
    assert_int_equal(g->first_woken, 1);
    assert_int_equal(g->nr_woken, 1);
    assert_int_equal(g->period_us, 10000);
    assert_int_equal(g->work_ns, 500000);
    want_json(&m, 0, "[{\"kind\":\"periodic\",\"vcpus\":\"1-1\","
              "\"period_us\":10000,\"work_us\":500},"
              "{\"kind\":\"hog\",\"vcpus\":\"0-0\"}]");
    assert_int_equal(m.guest[1].hogs, 1);
    assert_int_equal(m.guest[1].nr_woken, 1);
    assert_int_equal(m.guest[2].hogs, 0);
    assert_int_equal(m.guest[2].nr_woken, 3);
    assert_int_equal(m.guest[2].period_us, 1000000);
    assert_int_equal(m.guest[2].work_ns, 10000000);
    g = &m.guest[3];
    assert_true(g->hogs || g->nr_woken >= 3);
    host_model_free(&m);
}

static void urgent_beside_computing(void **state)
{
    struct avm_domain_sample *d;
    struct host_model m;

    (void)state;
    host_init(1);
    d = add("radio", 1, 5000, 5000, 0, 0);
    d->count.events_virq += 2500; /* its tick */
    d->count.boosts += 1000;
    d = add("router", 2, 5000, 15000, 0, 0);
    d->count.events_interdomain += 40000;
    d = add("builder", 1, 5000, 5000, 0, 0);
    d->count.events_virq += 2500;
    d->count.events_pirq += 5;
    m = make();
    assert_int_equal(m.guest[0].hogs, 1);
    assert_int_equal(m.guest[0].wakes_by, GUEST_PERIODIC);
    assert_int_equal(m.guest[0].period_us, 10000);
    assert_int_equal(m.guest[0].work_ns, 100000);
    /* First of the two: what is urgent runs before what computes. */
    want_json(&m, 0, "[{\"kind\":\"periodic\",\"vcpus\":\"0-0\","
              "\"period_us\":10000,\"work_us\":100},"
              "{\"kind\":\"hog\",\"vcpus\":\"0-0\"}]");
    assert_int_equal(m.guest[1].wakes_by, GUEST_ARRIVALS);
    assert_int_equal(m.guest[1].nr_woken, 2);
    assert_int_equal(m.guest[1].period_us, 500);
    assert_int_equal(m.guest[1].work_ns, 50000);
    assert_int_equal(m.guest[2].wakes_by, GUEST_SLEEPS);
    host_model_free(&m);
}

static void idlers(void **state)
{
    struct host_model m;

    (void)state;
    host_init(1);
    add("idle", 1, 20, 0, 50, 400);
    add("dead still", 1, 0, 0, 0, 0);
    add("paused", 1, 0, 0, 0, 0)->flags = AVM_DOM_PAUSED;
    add("dying", 1, 0, 0, 0, 0)->flags = AVM_DOM_DYING;
    m = make();
    assert_int_equal(m.nr, 2);
    assert_int_equal(m.guest[0].period_us, 200000);
    assert_int_equal(m.guest[0].work_ns, 400000);
    assert_int_equal(m.guest[1].wakes_by, GUEST_SLEEPS);
    want_json(&m, 0, "{\"name\":\"d1\",\"vcpus\":1,\"weight\":256,"
              "\"tasks\":[]}");
    host_model_free(&m);
}

static void parameters(void **state)
{
    struct avm_domain_sample *d;
    struct host_model m;
    uint32_t i;

    (void)state;
    host_init(4);
    last.host.nr_pools = 2;
    last.host.pool[0].pcpus = 0x05;
    last.host.pool[0].nr_pcpus = 2;
    last.host.pool[1] = last.host.pool[0];
    last.host.pool[1].id = 7;
    last.host.pool[1].pcpus = 0xca;
    last.host.pool[1].nr_pcpus = 4;
    d = add("Domain-0", 2, 100, 0, 1000, 100);
    d->flags = AVM_DOM_CONTROL;
    d->params.weight = 512;
    d = add("web", 1, 100, 0, 1000, 100);
    d->flags = AVM_DOM_HVM;
    d->params.cap_pct = 50;
    d->params.urgency = AVM_URGENCY_CRITICAL;
    d->params.affinity = 0x04;
    d = add("other", 2, 100, 0, 1000, 100);
    d->pool = 7;
    d->params.cap_pct = 200;
    d->params.affinity = 0xc2;
    d = add("elsewhere", 1, 100, 0, 1000, 100);
    d->pool = 7;
    d->params.affinity = 0x05;
    m = make();
    want_json(&m, 0, "\"machine\":{\"cores\":2}");
    want_json(&m, 0, "{\"name\":\"d0\",\"vcpus\":2,\"weight\":512,\"tasks\"");
    /* pCPU 2 is the second one of the pool. */
    want_json(&m, 0, "{\"name\":\"d1\",\"vcpus\":1,\"weight\":256,\"cap\":50,"
              "\"role\":\"time-critical\",\"affinity\":\"1\",\"hvm\":true,"
              "\"tasks\"");
    want_json(&m, 0, "\"score\":{\"kind\":\"entitlement\",\"domain\":\"d1\"}");
    want_json(&m, 7, "\"machine\":{\"cores\":4}");
    want_json(&m, 7, "{\"name\":\"d2\",\"vcpus\":2,\"weight\":256,"
              "\"affinity\":\"0,2-3\",\"tasks\"");
    want_json(&m, 7, "{\"name\":\"d3\",\"vcpus\":1,\"weight\":256,\"tasks\"");
    assert_null(scenario_json(&m, 1));
    assert_int_equal(errno, ENOENT);
    /* Of 70 pCPUs, of which an affinity can name the first 64. */
    m.host.pool[0].nr_pcpus = 70;
    m.host.pool[0].pcpus = UINT64_MAX;
    want_json(&m, 0, "\"role\":\"time-critical\",\"affinity\":\"2\",");
    m.host.pool[0].nr_pcpus = 2;
    m.host.pool[0].pcpus = 0x05;
    /* All of the pool's, by name. */
    m.guest[1].params.affinity = 0x07;
    want_json(&m, 0, "\"role\":\"time-critical\",\"hvm\"");
    assert_int_equal(scenario_duration_ms(&m, 0), 10000);
    for (i = 0; i < m.nr; i++) {
        m.guest[i].hogs = 128;
        m.guest[i].nr_woken = 1000;
        m.guest[i].period_us = 1000;
    }
    assert_int_equal(scenario_duration_ms(&m, 0), 1000);
    host_model_free(&m);
}

static void no_models(void **state)
{
    (void)state;
    host_init(1);
    add("credit", 1, 100, 0, 1000, 100)->have = AVM_HAVE_CPU;
    last.host.pool[0].sched_id = 6;
    last.host.pool[0].can &= ~AVM_CAN_RECORDS;
    no_model("domain 0: its scheduler (credit2) does not tell");
    host_init(1);
    add("there", 1, 100, 0, 1000, 100);
    add("not yet", 1, 100, 0, 1000, 100)->have = AVM_HAVE_CPU;
    no_model("domain 1 has no activity records");
    host_init(1);
    add("huge", 129, 100, 0, 1000, 100);
    no_model("domain 0 has more than 128 vCPUs");
    host_init(1);
    add("lost", 1, 100, 0, 1000, 100)->pool = 3;
    no_model("domain 0 is in no known pool");
    host_init(1);
    add("x", 1, 100, 0, 1000, 100);
    last.host.pool[0].nr_pcpus = 300;
    no_model("pool 0 has 300 pCPUs, not 1 to 256");
    host_init(1);
    add("x", 1, 100, 0, 1000, 100);
    last.mono_ns = first.mono_ns;
    no_model("no time");
    host_init(1);
    add("storm", 1, 9000, 0, 2600000, 4);
    no_model("domain 0 wakes more often than each 5 us");
}

/* From where on can counters be compared? */
static void steady_time(void **state)
{
    struct avm_domain_sample dom[4][1];
    struct avm_sample sample[4], *s[4];
    size_t i;

    (void)state;
#define RESET() do { \
    host_init(2); \
    add("x", 1, 100, 0, 1000, 100); \
    for (i = 0; i < 4; i++) { \
        dom[i][0] = now[0]; \
        dom[i][0].count.running_ns += i; \
        sample[i] = last; \
        sample[i].mono_ns += i * S; \
        sample[i].domain = dom[i]; \
        s[i] = &sample[i]; \
    } \
} while (0)
#define BREAKS(at, what) do { \
    RESET(); \
    what; \
    assert_int_equal(scenario_steady(s, 4), at); \
} while (0)
    BREAKS(0, (void)0);
    BREAKS(2, dom[2][0].params.weight = dom[3][0].params.weight = 300);
    BREAKS(3, dom[2][0].params.cap_pct = 7);
    BREAKS(2, dom[1][0].params.urgency = AVM_URGENCY_CRITICAL);
    BREAKS(3, dom[3][0].params.affinity = 1);
    BREAKS(3, dom[3][0].domid = 9);
    BREAKS(3, dom[3][0].uuid.b[9] = 9);
    BREAKS(3, dom[3][0].nr_vcpus = 2);
    BREAKS(3, dom[3][0].flags = AVM_DOM_PAUSED);
    BREAKS(3, dom[3][0].pool = 1);
    BREAKS(3, dom[3][0].count.running_ns = 0);
    BREAKS(2, sample[1].nr = 0);
    BREAKS(3, sample[3].mono_ns = sample[2].mono_ns);
    BREAKS(3, sample[3].host.pool[0].nr_pcpus = 1);
    BREAKS(1, sample[0].host.nr_pools = 0);
    /* What is left of a lease goes down all the time. */
    BREAKS(0, dom[2][0].params.lease_ms = 5000);
    assert_int_equal(scenario_steady(s, 1), 0);
}

/* Whatever was counted: a scenario, with tasks that there can be. */
static void any_counters(void **state)
{
    unsigned int seed = 1, refused = 0, i, k;

    (void)state;
    for (i = 0; i < 3000; i++) {
        struct host_model m;
        char *text, err[256] = "";

        host_init(1 + i % 8);
        for (k = 0; k < 3; k++) {
            struct avm_domain_sample *d = add("x", 1 + k * 5, 0, 0, 0, 0);
            uint64_t *c[] = {
                &d->count.running_ns, &d->count.runnable_ns, &d->count.wakes,
                &d->count.blocks, &d->count.boosts, &d->count.events_virq,
                &d->count.events_pirq, &d->count.latency[7],
                &d->count.disk_rd_reqs,
            };
            size_t j;

            d->burst_avg_ns = (uint32_t)rand_r(&seed) >> rand_r(&seed) % 32;
            for (j = 0; j < sizeof(c) / sizeof(c[0]); j++)
                *c[j] += ((uint64_t)rand_r(&seed) << 32 |
                          (uint64_t)rand_r(&seed)) >> rand_r(&seed) % 64 >>
                         /* Nobody wakes that often. */
                         (j == 2 || j == 3 ? 39 : 0);
        }
        if (host_model_make(both, 2, &m, err, sizeof(err))) {
            assert_non_null(strstr(err, "wakes more often"));
            refused++;
            continue;
        }
        for (k = 0; k < m.nr; k++) {
            struct guest_model *g = &m.guest[k];

            assert_true(g->hogs <= g->nr_vcpus);
            if (g->wakes_by == GUEST_SLEEPS)
                continue;
            assert_in_range(g->nr_woken, 1, g->nr_vcpus);
            assert_true(g->first_woken + g->nr_woken <= g->nr_vcpus);
            assert_in_range(g->period_us, 5, 1000000);
        }
        text = scenario_json(&m, 0);
        assert_non_null(text);
        free(text);
        host_model_free(&m);
    }
    assert_in_range(refused, 1, 1000);
}

/* ------------------------------------------------------------------------ */
/* From results to a table                                                  */

static const char said[] =
    "{\"version\":1,\"first_seed\":1,\"seeds\":3,\"scenarios\":[{\"id\":"
    "\"what-if\",\"results\":{\"activity\":{\"d0\":["
    "{\"cpu_ppm\":100000,\"samples\":10,\"p99_ns\":3000},"
    "{\"cpu_ppm\":110000,\"samples\":0,\"p99_ns\":0},"
    "{\"cpu_ppm\":120000,\"samples\":5,\"p99_ns\":1000},"
    "{\"cpu_ppm\":110000,\"samples\":5,\"p99_ns\":2000}],"
    "\"d1\":[{\"cpu_ppm\":890000,\"samples\":0,\"p99_ns\":0}]}}}]}";

static void two_guests(struct host_model *m)
{
    host_init(1);
    add("ping", 1, 1000, 100, 1000, 1000)->count.events_virq += 1000;
    add("hog", 1, 8800, 1200, 0, 0);
    *m = make();
}

static void results(void **state)
{
    struct simulated s[2], before = { 0 };
    struct host_model m;
    char err[256] = "", bad[sizeof(said)];
    size_t i;

    (void)state;
    two_guests(&m);
    assert_int_equal(whatif_results(&m, 0, said, strlen(said), s, err,
                                    sizeof(err)), 0);
    assert_int_equal(s[0].cpu_ppm, 110000);
    assert_int_equal(s[0].samples, 20);
    assert_int_equal(s[0].p99_ns, 2000);
    assert_int_equal(s[1].cpu_ppm, 890000);
    assert_int_equal(s[1].samples, 0);
    /* Those of another pool are left as they are. */
    s[0] = before;
    assert_int_equal(whatif_results(&m, 5, "{}", 2, s, err, sizeof(err)), 0);
    assert_memory_equal(&s[0], &before, sizeof(before));

    assert_int_equal(whatif_results(&m, 0, "{}", 2, s, err, sizeof(err)), -1);
    assert_string_equal(err, "does not say what d0 got");
    strcpy(bad, said);
    *strstr(bad, "\"d1\"") = '!';
    assert_int_equal(whatif_results(&m, 0, bad, strlen(bad), s, err,
                                    sizeof(err)), -1);
    strcpy(bad, said);
    memcpy(strstr(bad, "890000"), "-90000", 6);
    assert_int_equal(whatif_results(&m, 0, bad, strlen(bad), s, err,
                                    sizeof(err)), -1);
    assert_string_equal(err, "does not say what d1 got");
    for (i = 0; i < strlen(said); i++) {
        char *part = malloc(i + 1);

        memcpy(part, said, i);
        assert_int_equal(whatif_results(&m, 0, part, i, s, err, sizeof(err)),
                         -1);
        free(part);
    }
    host_model_free(&m);
}

static void errors(void **state)
{
    struct guest_model g = { .cpu_ppm = 200000 };
    struct simulated s[2] = { { .cpu_ppm = 230000 } };
    const struct guest_model *worst;
    struct host_model m;

    (void)state;
    assert_int_equal(whatif_error_permille(&g, &s[0]), 150);
    s[0].cpu_ppm = 150000;
    assert_int_equal(whatif_error_permille(&g, &s[0]), 250);
    /* Twice of next to nothing is next to nothing. */
    g.cpu_ppm = 1000;
    s[0].cpu_ppm = 2000;
    assert_int_equal(whatif_error_permille(&g, &s[0]), 50);

    two_guests(&m);
    s[0].cpu_ppm = 101000;
    s[1].cpu_ppm = 800000;
    assert_int_equal(whatif_worst(&m, s, &worst), 90);
    assert_ptr_equal(worst, &m.guest[1]);
    m.nr = 0;
    assert_int_equal(whatif_worst(&m, s, &worst), 0);
    assert_null(worst);
    host_model_free(&m);
}

static void latency_off(void **state)
{
    static const struct { uint64_t now_us, before_ns; bool off; } cases[] = {
        { 16, 2000, false }, { 128, 2000, false }, { 256, 2000, true },
        { 2048, 2000, true }, { 2048, 255000, true }, { 2048, 257000, false },
        { 2048, 8000000, false }, { 2048, 8200000, true },
        { 4, 63000, false }, { 4, 65000, true }, { 0, 65000, false },
    };
    struct simulated s = { .samples = 100 };
    struct guest_model g = { 0 };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        g.latency_p99_us = cases[i].now_us;
        s.p99_ns = cases[i].before_ns;
        if (whatif_latency_off(&g, &s) != cases[i].off)
            fail_msg("case %zu", i);
    }
    s.samples = 0;
    g.latency_p99_us = 4096;
    assert_false(whatif_latency_off(&g, &s));
}

static void calibration(void **state)
{
    struct simulated s[2] = { { .cpu_ppm = 125000 }, { .cpu_ppm = 400000 } };
    struct host_model m;

    (void)state;
    two_guests(&m);
    assert_true(whatif_calibrate(&m, 0, s));
    assert_int_equal(m.guest[0].work_ns, 800000);
    assert_int_equal(m.guest[1].work_ns, 0); /* a hog is what it is */
    s[0].cpu_ppm = 101000;
    assert_false(whatif_calibrate(&m, 0, s));
    assert_int_equal(m.guest[0].work_ns, 800000);
    /* One that gets nothing does not get endless work. */
    s[0].cpu_ppm = 1;
    assert_true(whatif_calibrate(&m, 0, s));
    assert_int_equal(m.guest[0].work_ns, 3200000);
    s[0].cpu_ppm = 0;
    assert_false(whatif_calibrate(&m, 0, s));
    s[0].cpu_ppm = UINT32_MAX;
    assert_true(whatif_calibrate(&m, 0, s));
    assert_false(whatif_calibrate(&m, 1, s));
    host_model_free(&m);
}

static void change_ok(const struct host_model *m, const char *text,
                      struct avm_change *c)
{
    char err[256] = "";

    if (whatif_parse(m, text, c, err, sizeof(err)))
        fail_msg("%s: %s", text, err);
    assert_int_equal(c->state, AVM_CHANGE_READY);
}

static void no_change(const struct host_model *m, const char *text,
                      const char *why)
{
    struct avm_change c;
    char err[256] = "";

    assert_int_equal(whatif_parse(m, text, &c, err, sizeof(err)), -1);
    if (!strstr(err, why) || strchr(err, '\n'))
        fail_msg("%s: '%s'", text, err);
}

static void changes_by_hand(void **state)
{
    struct avm_change c[4];
    struct host_model m, copy;

    (void)state;
    host_init(2);
    add("web", 1, 100, 0, 1000, 100);
    add("a:b=c", 1, 100, 0, 1000, 100)->params.weight = 100;
    add("twin", 1, 100, 0, 1000, 100);
    add("twin", 1, 100, 0, 1000, 100);
    add("0", 1, 100, 0, 1000, 100)->params.can = 0;
    m = make();
    change_ok(&m, "web:cap=50", &c[0]);
    assert_int_equal(c[0].knob, AVM_KNOB_CAP);
    assert_int_equal(c[0].domid, 0);
    assert_int_equal(c[0].before, 0);
    assert_int_equal(c[0].after, 50);
    change_ok(&m, "a:b=c:weight=512", &c[1]);
    assert_int_equal(c[1].domid, 1);
    assert_int_equal(c[1].before, 100);
    assert_int_equal(c[1].after, 512);
    change_ok(&m, "2:urgency=critical", &c[2]);
    assert_int_equal(c[2].domid, 2);
    assert_int_equal(c[2].after, AVM_URGENCY_CRITICAL);
    change_ok(&m, "04000000-0000-0000-0000-000000000000:affinity=0-1", &c[3]);
    assert_int_equal(c[3].domid, 3);
    assert_int_equal(c[3].after, 3);
    /* A domid is one before a name is. */
    change_ok(&m, "0:weight=1", &c[3]);
    assert_int_equal(c[3].domid, 0);

    no_change(&m, "web", "not like web:weight=512");
    no_change(&m, "web=weight:512", "not like");
    no_change(&m, ":weight=512", "not like");
    no_change(&m, "web:weight=0", "weight must be a number from 1 to 65535");
    no_change(&m, "web:weight=", "weight must be");
    no_change(&m, "web:weight=+1", "weight must be");
    no_change(&m, "web:cap=65536", "cap must be a number from 0");
    no_change(&m, "web:net-out=5", "no knob of the simulator");
    no_change(&m, "web:colour=5", "colour: no knob");
    no_change(&m, "web:urgency=very", "very: no such urgency");
    no_change(&m, "web:affinity=x", "x: not a list");
    no_change(&m, "web:affinity=2,5", "2,5: none of these pCPUs is in pool 0, "
              "where 0 is");
    change_ok(&m, "web:affinity=1,5", &c[3]);
    change_ok(&m, "web:affinity=any", &c[3]);
    no_change(&m, "webs:weight=5", "webs: no such domain");
    no_change(&m, "twin:weight=5", "more than one domain has this name");
    no_change(&m, "4:weight=5", "weight cannot be set");

    /* Only what will be made, and only of whom it is. */
    assert_int_equal(host_model_copy(&m, &copy), 0);
    c[3] = c[1];
    c[3].uuid.b[0] = 77;
    c[2].state = AVM_CHANGE_REFUSED;
    assert_int_equal(whatif_change(&copy, c, 4), 2);
    assert_int_equal(copy.guest[0].params.cap_pct, 50);
    assert_int_equal(copy.guest[1].params.weight, 512);
    assert_int_equal(copy.guest[2].params.urgency, 0);
    assert_int_equal(m.guest[1].params.weight, 100);
    c[2].state = AVM_CHANGE_HOLD;
    assert_int_equal(whatif_change(&copy, &c[2], 1), 1);
    assert_int_equal(copy.guest[2].params.urgency, AVM_URGENCY_CRITICAL);
    host_model_free(&copy);
    host_model_free(&m);
}

static void tables(void **state)
{
    struct simulated before[2] = { { 101000, 5000, 97400 }, { 860000, 0, 0 } };
    struct simulated after[2] = { { 100000, 5000, 2000 }, { 500400, 0, 0 } };
    struct avm_change c[3] = {
        { .domid = 1, .untrusted_name = "hog", .knob = AVM_KNOB_CAP,
          .after = 50, .reason = "its need", .why_not = "too new",
          .state = AVM_CHANGE_WARMUP },
        { .domid = 0, .untrusted_name = "ping", .knob = AVM_KNOB_NET_OUT,
          .after = 5000, .reason = "floods", .state = AVM_CHANGE_READY },
        { .domid = 0, .untrusted_name = "ping", .knob = AVM_KNOB_WEIGHT,
          .before = 256, .after = 300, .reason = "waits",
          .state = AVM_CHANGE_REFUSED },
    };
    struct host_model m;
    struct whatif w = {
        .m = &m, .before = before, .after = after, .change = c,
        .nr_changes = 3, .seeds = 5, .simulated_ms = 10000,
    };
    char *text = NULL, *json;
    size_t len;
    FILE *f;

    (void)state;
    two_guests(&m);
    f = open_memstream(&text, &len);
    whatif_print(f, &w);
    fclose(f);
    assert_string_equal(text,
"                                        CPU, % of one      Event to task, p99 us\n"
"Name                    ID      now   before    after      now   before    after\n"
"ping                     0     10.0     10.1     10.0       16       97        2 ?\n"
"hog                      1     88.0     86.0     50.0        -        -        -\n"
"?: before is more than 4 times off now: do not rely on this p99.\n"
"hog (1): cap none -> 50, warm-up: its need; too new\n"
"ping (0): net-out none -> 5kB/s, ready (not simulated): floods\n"
"ping (0): weight 256 -> 300, refused (not made): waits\n"
"Before is simulated: CPU within 2.2% of what was measured in 10.0 s (worst: "
"hog).\n");
    free(text);

    json = whatif_json(&w);
    assert_non_null(strstr(json, "{\"version\":1,\"measured_ms\":10000,"
        "\"simulated_ms\":10000,\"seeds\":5,\"error_permille\":22,\"domains\":"
        "[{\"domain\":\"ping\",\"uuid\":\"01000000-0000-0000-0000-"
        "000000000000\",\"domid\":0,\"cpu_ppm\":100000,\"cpu_before_ppm\":"
        "101000,\"cpu_after_ppm\":100000,\"error_permille\":10,\"p99_us\":16,"
        "\"p99_before_ns\":97400,\"p99_after_ns\":2000,\"p99_off\":true,"
        "\"samples\":5000}"));
    assert_non_null(strstr(json, "\"p99_us\":null,\"p99_before_ns\":null,"
        "\"p99_after_ns\":null,\"p99_off\":false,\"samples\":0}]"));
    assert_non_null(strstr(json, "\"knob\":\"cap\",\"before\":0,\"after\":50,"
        "\"state\":\"warm-up\",\"simulated\":true,\"reason\":\"its need\","
        "\"why_not\":\"too new\"}"));
    assert_non_null(strstr(json, "\"knob\":\"net-out\",\"before\":0,\"after\""
        ":5000,\"state\":\"ready\",\"simulated\":false"));
    free(json);
    host_model_free(&m);
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */

static const char *script(const char *name, const char *lines)
{
    static char path[96];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", lines);
    fclose(f);
    chmod(path, 0755);
    return path;
}

static void other_program(void **state)
{
    char err[512] = "", where[128], *text, *big;
    const char *path;
    size_t len;

    (void)state;
    path = script("avm-sim", "cat \"$2\"; shift 2; echo; echo \"$@\"");
    text = simulate(path, "{scenario}", 3, &len, err, sizeof(err));
    assert_non_null(text);
    assert_int_equal(len, strlen("{scenario}\n--domains --sched activity "
                                 "--seeds 3\n"));
    assert_memory_equal(text, "{scenario}\n--domains --sched activity "
                        "--seeds 3\n", len);
    free(text);

    /* More than a pipe holds, both ways. */
    big = calloc(1, 300001);
    memset(big, 'x', 300000);
    text = simulate(path, big, 1, &len, err, sizeof(err));
    assert_true(text && len > 300000 && !memcmp(text, big, 300000));
    free(text);
    free(big);

    snprintf(where, sizeof(where), "/nowhere::%s", dir);
    setenv("PATH", where, 1);
    text = simulator_find(NULL, err, sizeof(err));
    assert_string_equal(text, path);
    free(text);
    text = simulator_find(path, err, sizeof(err));
    assert_string_equal(text, path);
    free(text);
    unlink(path);
    assert_null(simulator_find(path, err, sizeof(err)));
    assert_non_null(strstr(err, "avm-sim: No such file"));
    setenv("PATH", "/nowhere", 1);
    assert_null(simulator_find(NULL, err, sizeof(err)));
    assert_non_null(strstr(err, "the simulator is missing"));
    setenv("PATH", "/usr/bin:/bin", 1);

    path = script("fails", "echo some output; echo boom >&2; echo more >&2; "
                  "exit 3");
    assert_null(simulate(path, "{}", 1, &len, err, sizeof(err)));
    assert_non_null(strstr(err, "/fails failed: boom"));
    assert_null(strchr(err, '\n'));
    unlink(path);
    path = script("dies", "kill -9 $$");
    assert_null(simulate(path, "{}", 1, &len, err, sizeof(err)));
    assert_non_null(strstr(err, "/dies failed"));
    unlink(path);
    assert_null(simulate(dir, "{}", 1, &len, err, sizeof(err)));
    assert_non_null(strstr(err, "failed: Permission denied"));
}

/* ------------------------------------------------------------------------ */
/* A recording: the plan of its last sample                                 */

/* Ten times a tenth of what add() says, each in a second. */
static void write_rounds(struct record *r, int nr)
{
    struct avm_domain_sample was[MAX];
    size_t i, k;
    int round;

    memcpy(was, now, sizeof(was));
    for (round = 0; round < nr; round++) {
        for (i = 0; i < last.nr; i++) {
            uint64_t *to = (uint64_t *)&now[i].count;
            const uint64_t *a = (const uint64_t *)&then[i].count;
            const uint64_t *b = (const uint64_t *)&was[i].count;

            for (k = 0; k < sizeof(now[i].count) / sizeof(*to); k++)
                to[k] = a[k] + (b[k] - a[k]) / 10 * (uint64_t)round;
        }
        last.mono_ns = first.mono_ns + (uint64_t)round * S;
        record_sample(r, &last);
        record_round_ends(r);
    }
}

/*
 * On two pCPUs: three hogs, a service and dom0. Its administrator has given the
 * last hog a cap that it does not have yet; nothing is done about it. Odd: one
 * of the hogs gets next to nothing.
 */
static void write_recording(const char *path, bool odd)
{
    struct avm_need need = { .role = AVM_ROLE_NORMAL, .cap_set = true,
                             .cap_pct = 20 };
    struct settings settings = { .mode = AVM_MODE_OBSERVE, .nr = 1,
                                 .need = &need };
    struct avm_domain_sample *d;
    struct record *r;
    char err[256];

    host_init(2);
    d = add("Domain-0", 2, 200, 0, 2000, 100);
    d->flags = then[0].flags = AVM_DOM_CONTROL;
    d->count.events_interdomain += 2000;
    add("hog1", 1, 5800, 4200, 0, 0);
    add("hog2", 1, 5800, 4200, 0, 0);
    d = add("web", 1, 2000, 100, 5000, 400);
    d->count.events_interdomain += 5000;
    d = add("hog3", 1, odd ? 1000 : 5800, odd ? 9000 : 4200, 0, 0);
    need.uuid = d->uuid;
    avm_config_init(&settings.loop);
    r = record_open(path, err, sizeof(err));
    if (!r)
        exit(1);
    record_settings(r, &settings);
    write_rounds(r, 12);
    record_close(r);
}

/*
 * As recorded on real Xen with sched=activity: dom0 has pCPU 1; a service, two
 * that compute and one that has hardly anything to do share pCPU 0. The service
 * had no client any more at the end. Short: before the weights were changed.
 */
static void write_pinned(const char *path, bool is_short)
{
    struct settings settings = { .mode = AVM_MODE_OBSERVE };
    struct avm_domain_sample *d;
    struct record *r;
    char err[256];
    size_t i;

    host_init(2);
    d = add("Domain-0", 1, 1620, 220, 2660, 750);
    d->flags = then[0].flags = AVM_DOM_CONTROL;
    d->count.events_interdomain += 2030;
    d->count.events_virq += 1630;
    d = is_short ? add("web", 1, 3190, 6420, 1950, 1635)
                 : add("web", 1, 4730, 500, 4000, 86);
    d->params.weight = is_short ? 256 : 661;
    d->params.urgency = AVM_URGENCY_INTERACTIVE;
    d->count.events_interdomain += is_short ? 3370 : 5580;
    for (i = 0; i < 2; i++) {
        d = add(i ? "desk2" : "desk1", 1, is_short ? 3400 : 2630,
                is_short ? 6600 : 7370, 0, 0);
        if (is_short)
            continue;
        d->params.weight = 64;
        d->params.urgency = AVM_URGENCY_BACKGROUND;
    }
    add("beat", 1, 10, 0, 70, 88)->count.events_virq += 70;
    for (i = 0; i < last.nr; i++)
        now[i].params.affinity = i ? 1 : 2;
    avm_config_init(&settings.loop);
    r = record_open(path, err, sizeof(err));
    if (!r)
        exit(1);
    record_settings(r, &settings);
    write_rounds(r, 12);
    record_close(r);
}

static void ignore(void *arg, const struct replay_event *e)
{
    (void)arg;
    (void)e;
}

static void count_sample(void *arg, const struct avm_sample *s)
{
    *(int *)arg += s->nr == 5;
}

/* All lines but 'without' at the end, then the last one. */
static struct avm_plan *last_plan(const char *path, enum avm_mode mode,
                                  int *samples, int without)
{
    struct replay *r = replay_new(mode, ignore, NULL);
    struct avm_plan *plan = NULL;
    char *line = NULL, err[256] = "";
    size_t room = 0;
    ssize_t len;
    int nr = 0, i;
    FILE *f = fopen(path, "r");

    while (recording_line(f, &line, &room, err, sizeof(err)) >= 0)
        nr++;
    rewind(f);
    replay_on_sample(r, count_sample, samples);
    for (i = 1; i <= nr - without; i++) {
        len = recording_line(f, &line, &room, err, sizeof(err));
        if (i < nr - without
            ? replay_line(r, line, (size_t)len, err, sizeof(err))
            : replay_last_line(r, line, (size_t)len, &plan, err, sizeof(err)))
            break;
    }
    if (!plan)
        snprintf(line, room, "%s", err);
    fclose(f);
    replay_free(r);
    if (!plan && strcmp(line, "no sample is in it"))
        fail_msg("%s", line);
    free(line);
    return plan;
}

static const struct avm_change *cap_of(const struct avm_plan *p)
{
    size_t i;

    for (i = 0; i < p->nr; i++)
        if (p->change[i].knob == AVM_KNOB_CAP && p->change[i].domid == 4)
            return &p->change[i];
    return NULL;
}

static void plan_of_the_last_sample(void **state)
{
    const struct avm_change *c;
    struct avm_plan *plan;
    int samples = 0, decided = 0, i;
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "%s/rec", dir);
    write_recording(path, false);
    plan = last_plan(path, AVM_MODE_INHERIT, &samples, 0);
    assert_int_equal(samples, 12);
    c = cap_of(plan);
    assert_non_null(c);
    assert_int_equal(c->after, 20);
    avm_plan_free(plan);
    /* In auto it is made in a decision, unless that is the last one. */
    for (i = 0; i < 12; i++) {
        plan = last_plan(path, AVM_MODE_AUTO, &samples, i);
        decided += cap_of(plan) && cap_of(plan)->state == AVM_CHANGE_READY;
        avm_plan_free(plan);
    }
    assert_in_range(decided, 1, 11);
    assert_null(last_plan(path, AVM_MODE_INHERIT, &samples, 12));
    unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hogs),
        cmocka_unit_test(wakers),
        cmocka_unit_test(bursts_of_the_end),
        cmocka_unit_test(clients_that_wait),
        cmocka_unit_test(disks),
        cmocka_unit_test(many_vcpus),
        cmocka_unit_test(urgent_beside_computing),
        cmocka_unit_test(idlers),
        cmocka_unit_test(parameters),
        cmocka_unit_test(no_models),
        cmocka_unit_test(steady_time),
        cmocka_unit_test(any_counters),
        cmocka_unit_test(results),
        cmocka_unit_test(errors),
        cmocka_unit_test(latency_off),
        cmocka_unit_test(calibration),
        cmocka_unit_test(changes_by_hand),
        cmocka_unit_test(tables),
        cmocka_unit_test(other_program),
        cmocka_unit_test(plan_of_the_last_sample),
    };
    int rc;

    log_init("test", (enum log_level)0); /* silence */
    if (argc == 3 && !strncmp(argv[1], "--write", 7)) {
        if (!strcmp(argv[1], "--write-pinned") ||
            !strcmp(argv[1], "--write-short"))
            write_pinned(argv[2], !strcmp(argv[1], "--write-short"));
        else
            write_recording(argv[2], !strcmp(argv[1], "--write-odd"));
        return 0;
    }
    if (!mkdtemp(dir))
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(dir);
    return rc;
}
