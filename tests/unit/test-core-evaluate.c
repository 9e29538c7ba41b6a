/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "core-fixture.h"

struct figures {
    const char *what;
    enum avm_role role;
    struct avm_window w;
    enum avm_class klass;
};

/* As seen on real Xen, on a busy pCPU and on a free one. */
static const struct figures table[] = {
    { "idle Linux", 0,
      { .cpu_permille = 3, .wait_permille = 4, .wakes_per_s = 6,
        .burst_us = 400, .net_packets_per_s = 2 }, AVM_CLASS_IDLE },
    { "idle among hogs: waits a lot for its little", 0,
      { .cpu_permille = 4, .wait_permille = 60, .wakes_per_s = 8,
        .burst_us = 500 }, AVM_CLASS_IDLE },
    { "hog alone", 0,
      { .cpu_permille = 1000, .burst_us = 1000000, .preemptions_per_s = 1 },
      AVM_CLASS_CPU },
    { "hog among six", 0,
      { .cpu_permille = 260, .wait_permille = 735, .burst_us = 260000 },
      AVM_CLASS_CPU },
    { "hog with background urgency: starved, and still a hog",
      AVM_ROLE_BACKGROUND,
      { .cpu_permille = 30, .wait_permille = 970, .burst_us = 30000 },
      AVM_CLASS_CPU },
    { "network server", AVM_ROLE_INTERACTIVE,
      { .cpu_permille = 150, .wait_permille = 80, .wakes_per_s = 400,
        .burst_us = 375, .net_packets_per_s = 900 }, AVM_CLASS_NET },
    { "network server that waits most of the time", AVM_ROLE_INTERACTIVE,
      { .cpu_permille = 220, .wait_permille = 700, .wakes_per_s = 60,
        .burst_us = 3600, .net_packets_per_s = 700 }, AVM_CLASS_NET },
    { "disk reader", AVM_ROLE_INTERACTIVE,
      { .cpu_permille = 120, .wait_permille = 90, .wakes_per_s = 300,
        .burst_us = 400, .disk_reqs_per_s = 300 }, AVM_CLASS_DISK },
    { "slow disk reader", 0,
      { .cpu_permille = 60, .wait_permille = 30, .wakes_per_s = 45,
        .burst_us = 1300, .disk_reqs_per_s = 40 }, AVM_CLASS_DISK },
    { "control task: 5 ms each 50 ms", AVM_ROLE_TIME_CRITICAL,
      { .cpu_permille = 105, .wait_permille = 40, .wakes_per_s = 21,
        .burst_us = 5000, .net_packets_per_s = 1 }, AVM_CLASS_TIME_CRITICAL },
    { "control task that nobody declared", 0,
      { .cpu_permille = 105, .wait_permille = 40, .wakes_per_s = 21,
        .burst_us = 5000 }, AVM_CLASS_TIME_CRITICAL },
    { "computes and serves", 0,
      { .cpu_permille = 900, .wait_permille = 100, .wakes_per_s = 5,
        .burst_us = 180000, .net_packets_per_s = 420 }, AVM_CLASS_MIXED },
    { "nothing in particular", 0,
      { .cpu_permille = 300, .wait_permille = 20, .wakes_per_s = 2,
        .burst_us = 150000 }, AVM_CLASS_UNKNOWN },
};

static struct avm_domain fresh(const struct figures *f)
{
    struct avm_domain d = {
        .nr_vcpus = 1, .role = f->role, .smooth = f->w,
        .params = { .can = CAN_ALL, .weight = 256 },
    };

    d.smooth.have = HAVE_ALL;
    d.smooth.length_ns = 1000000000;
    return d;
}

static void classes(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct avm_domain d = fresh(&table[i]);

        avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
        if (d.klass != table[i].klass)
            fail_msg("%s: %s (%u), expected %s", table[i].what,
                     avm_class_name(d.klass), d.confidence_permille,
                     avm_class_name(table[i].klass));
        if (d.klass != AVM_CLASS_UNKNOWN)
            assert_in_range(d.confidence_permille, 400, 1000);
        assert_true(d.evidence[0]);
    }
}

static void not_enough_data(void **state)
{
    struct avm_domain d = fresh(&table[2]);

    (void)state;
    d.klass = AVM_CLASS_CPU;
    avm_evaluate(avm_models_builtin(), &d, 0);
    assert_int_equal(d.klass, AVM_CLASS_UNKNOWN);
    assert_int_equal(d.confidence_permille, 0);
    assert_string_equal(d.evidence, "not enough data");
}

/* A figure on the border between two classes does not flip the class. */
static void class_sticks(void **state)
{
    struct avm_domain d = fresh(&table[2]);
    unsigned int changes = 0, i;
    enum avm_class was;

    (void)state;
    avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
    was = d.klass;
    for (i = 0; i < 100; i++) {
        d.smooth.cpu_permille = i % 2 ? 630 : 655;
        d.smooth.wait_permille = 0;
        avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
        changes += d.klass != was;
        was = d.klass;
    }
    assert_true(changes <= 1);
}

static void pressure(void **state)
{
    struct avm_domain d = fresh(&table[3]);

    (void)state;
    d.smooth.net_packets_per_s = 90;
    d.smooth.net_drops_per_s = 10;
    d.smooth.disk_reqs_per_s = 100;
    d.smooth.disk_oo_per_s = 25;
    avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
    assert_int_equal(d.pressure_permille[AVM_RES_CPU], 738);
    assert_int_equal(d.pressure_permille[AVM_RES_NET], 100);
    assert_int_equal(d.pressure_permille[AVM_RES_DISK], 250);

    /* A share of next to nothing is noise. */
    d.smooth.cpu_permille = 1;
    d.smooth.wait_permille = 3;
    avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
    assert_int_equal(d.pressure_permille[AVM_RES_CPU], 0);
}

/* Without the records a hog that runs alone is still one, but less surely. */
static void stock_scheduler(void **state)
{
    struct avm_domain d = fresh(&table[2]);

    (void)state;
    d.smooth.have = AVM_HAVE_CPU | AVM_HAVE_NET;
    d.smooth.burst_us = d.smooth.preemptions_per_s = 0;
    avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
    assert_int_equal(d.klass, AVM_CLASS_CPU);
    assert_in_range(d.confidence_permille, 1, 600);
    assert_non_null(strstr(d.evidence, "no waiting times"));

    d.smooth.cpu_permille = 3;
    avm_evaluate(avm_models_builtin(), &d, AVM_HISTORY);
    assert_int_equal(d.klass, AVM_CLASS_IDLE);
}

static void cap_limits_demand(void **state)
{
    struct avm_domain d = fresh(&table[3]);

    (void)state;
    assert_int_equal(avm_demand_permille(&d), 995);
    d.params.cap_pct = 30;
    assert_int_equal(avm_demand_permille(&d), 300);
    d.params.cap_pct = 0;
    d.nr_vcpus = 2;
    d.smooth.wait_permille = 5000;
    assert_int_equal(avm_demand_permille(&d), 2000);
}

/* ------------------------------------------------------------------------ */
/* Other models                                                             */

static enum avm_class class_by(const struct avm_models *m, unsigned int row)
{
    struct avm_domain d = fresh(&table[row]);

    avm_evaluate(m, &d, AVM_HISTORY);
    return d.klass;
}

/* The row of which nothing is known is one more kind of cpu to somebody. */
static void another_model(void **state)
{
    struct avm_models m = *avm_models_builtin();
    struct avm_model *cpu = &m.model[AVM_CLASS_CPU];
    unsigned int last = sizeof(table) / sizeof(table[0]) - 1, i;

    (void)state;
    assert_int_equal(class_by(&m, last), AVM_CLASS_UNKNOWN);
    assert_int_equal(cpu->statement[0].metric, AVM_METRIC_DEMAND);
    cpu->statement[0].no = 100;
    cpu->statement[0].yes = 250;
    assert_int_equal(avm_models_check(&m, NULL, 0), 0);
    assert_int_equal(class_by(&m, last), AVM_CLASS_CPU);
    for (i = 0; i < last; i++)
        assert_int_equal(class_by(&m, i), table[i].klass);
}

/* A class without statements is one that no domain is of. */
static void without_a_model(void **state)
{
    struct avm_models m = *avm_models_builtin();

    (void)state;
    m.model[AVM_CLASS_CPU].nr = 0;
    assert_int_equal(avm_models_check(&m, NULL, 0), 0);
    assert_int_not_equal(class_by(&m, 2), AVM_CLASS_CPU);
    memset(&m, 0, sizeof(m));
    assert_int_equal(class_by(&m, 2), AVM_CLASS_UNKNOWN);
}

/* Each metric is the figure that its name says, in its unit. */
static void metrics(void **state)
{
    static const uint32_t at[AVM_NR_METRICS] = {
        [AVM_METRIC_CPU] = 300, [AVM_METRIC_DEMAND] = 500,
        [AVM_METRIC_WAKES] = 40, [AVM_METRIC_BURST] = 7500,
        [AVM_METRIC_IO] = 500, [AVM_METRIC_NET] = 100,
        [AVM_METRIC_DISK] = 100, [AVM_METRIC_NET_SHARE] = 200,
        [AVM_METRIC_US_PER_IO] = 600,
    };
    struct avm_domain d = {
        .nr_vcpus = 1, .smooth = {
            .have = HAVE_ALL, .length_ns = 1000000000, .cpu_permille = 300,
            .wait_permille = 200, .wakes_per_s = 40, .burst_us = 7500,
            .net_packets_per_s = 100, .disk_reqs_per_s = 100,
        },
    };
    int i;

    (void)state;
    for (i = 0; i < AVM_NR_METRICS; i++) {
        struct avm_models m = { .model[AVM_CLASS_IDLE] = {
            .nr = 1, .statement[0] = { i, at[i] - 40, at[i] + 40, "" },
        } };

        d.klass = AVM_CLASS_UNKNOWN;
        avm_evaluate(&m, &d, AVM_HISTORY);
        assert_int_equal(d.confidence_permille, 500);
        /* And the other way round. */
        m.model[AVM_CLASS_IDLE].statement[0].no = at[i] + 60;
        m.model[AVM_CLASS_IDLE].statement[0].yes = at[i] - 40;
        d.klass = AVM_CLASS_UNKNOWN;
        avm_evaluate(&m, &d, AVM_HISTORY);
        assert_int_equal(d.confidence_permille, 600);
        assert_string_equal(avm_metric_name(i),
                            avm_metric_name(avm_metric_parse(
                                avm_metric_name(i))));
    }
}

/* What cannot be known without the records makes no class. */
static void stock_scheduler_and_models(void **state)
{
    struct avm_models m = { 0 };
    struct avm_domain d = fresh(&table[2]);

    (void)state;
    d.smooth.have = AVM_HAVE_CPU;
    m.model[AVM_CLASS_DISK] = (struct avm_model){
        .nr = 1, .statement[0] = { AVM_METRIC_WAKES, 1000, 10, "" },
    };
    avm_evaluate(&m, &d, AVM_HISTORY);
    assert_int_equal(d.klass, AVM_CLASS_UNKNOWN);
    /* Running alone counts as demand, and where the model says. */
    m.model[AVM_CLASS_DISK].statement[0] =
        (struct avm_statement){ AVM_METRIC_DEMAND, 0, 200, "" };
    d.smooth.cpu_permille = 190;
    avm_evaluate(&m, &d, AVM_HISTORY);
    assert_int_equal(d.klass, AVM_CLASS_DISK);
    d.smooth.cpu_permille = 20;
    avm_evaluate(&m, &d, AVM_HISTORY);
    assert_int_equal(d.klass, AVM_CLASS_UNKNOWN);
}

static void refused(const struct avm_models *m, const char *why)
{
    char err[256] = "";

    errno = 0;
    assert_int_equal(avm_models_check(m, err, sizeof(err)), -1);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(err, why);
}

static void models_check(void **state)
{
    struct avm_models m = *avm_models_builtin();
    struct avm_statement *s = &m.model[AVM_CLASS_NET].statement[1];
    struct avm_config c;
    avm_state *st;
    int i;

    (void)state;
    for (i = 0; i < AVM_NR_CLASSES; i++)
        assert_true(!m.model[i].nr == (i == AVM_CLASS_UNKNOWN));
    assert_int_equal(avm_models_check(&m, NULL, 0), 0);

    s->metric = AVM_NR_METRICS;
    refused(&m, "class \"net\": statement 2: \"metric\" must be one of "
            "cpu_permille, demand_permille, wakes_per_s, burst_us, io_per_s, "
            "net_packets_per_s, disk_reqs_per_s, net_share_permille, "
            "us_per_io");
    s->metric = AVM_METRIC_NET_SHARE;
    s->yes = 1001;
    refused(&m, "class \"net\": statement 2: \"yes\" must be a number from 0 "
            "to 1000");
    s->yes = s->no = 300;
    refused(&m, "class \"net\": statement 2: \"no\" and \"yes\" must differ, "
            "and are both 300");
    s->yes = 600;
    memset(s->why, 'x', sizeof(s->why));
    refused(&m, "class \"net\": statement 2: \"why\" must be a text of one "
            "line and at most 191 bytes");
    strcpy(s->why, "a\nb");
    refused(&m, "class \"net\": statement 2: \"why\" must be a text of one "
            "line and at most 191 bytes");
    strcpy(s->why, "\xc2\x9b" "2J");
    assert_int_equal(avm_models_check(&m, NULL, 0), -1);
    strcpy(s->why, "f\xc3\xbcr alle");
    assert_int_equal(avm_models_check(&m, NULL, 0), 0);
    m.model[AVM_CLASS_NET].nr = 9;
    refused(&m, "class \"net\": more than 8 statements");
    m.model[AVM_CLASS_NET].nr = 0;
    m.model[AVM_CLASS_UNKNOWN] = m.model[AVM_CLASS_DISK];
    refused(&m, "class \"unknown\": what fits no model is of this class: it "
            "has none of its own");

    avm_config_init(&c);
    st = avm_state_new(&c);
    assert_int_equal(avm_state_models(st, &m), -1);
    assert_int_equal(errno, EINVAL);
    m.model[AVM_CLASS_UNKNOWN].nr = 0;
    assert_int_equal(avm_state_models(st, &m), 0);
    assert_int_equal(avm_state_models(st, NULL), 0);
    avm_state_free(st);
}

/* The state uses what it was given, and built-in ones again when told so. */
static void models_of_a_state(void **state)
{
    struct avm_domain_sample dom = {
        .domid = 1, .uuid = { { 1 } }, .nr_vcpus = 1, .have = AVM_HAVE_CPU,
    };
    struct avm_sample s = { .mono_ns = 1, .nr = 1, .domain = &dom };
    struct avm_models m = *avm_models_builtin();
    static const enum avm_class expected[] = {
        AVM_CLASS_CPU, AVM_CLASS_UNKNOWN, AVM_CLASS_CPU,
    };
    struct avm_config c;
    avm_state *st;
    int i;

    (void)state;
    avm_config_init(&c);
    st = avm_state_new(&c);
    m.model[AVM_CLASS_CPU].nr = 0;
    assert_int_equal(avm_observe(st, &s), 0);
    for (i = 0; i < 3; i++) {
        if (i)
            assert_int_equal(avm_state_models(st, i == 1 ? &m : NULL), 0);
        s.mono_ns += 1000000000;
        dom.count.cpu_ns += 1000000000;
        assert_int_equal(avm_observe(st, &s), 0);
        assert_int_equal(avm_domain_by_id(st, 1)->klass, expected[i]);
    }
    avm_state_free(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(not_enough_data),
        cmocka_unit_test(class_sticks),
        cmocka_unit_test(pressure),
        cmocka_unit_test(stock_scheduler),
        cmocka_unit_test(cap_limits_demand),
        cmocka_unit_test(another_model),
        cmocka_unit_test(without_a_model),
        cmocka_unit_test(metrics),
        cmocka_unit_test(stock_scheduler_and_models),
        cmocka_unit_test(models_check),
        cmocka_unit_test(models_of_a_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
