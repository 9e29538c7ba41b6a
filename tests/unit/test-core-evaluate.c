/* SPDX-License-Identifier: GPL-2.0-or-later */
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

        avm_evaluate(&d, AVM_HISTORY);
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
    avm_evaluate(&d, 0);
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
    avm_evaluate(&d, AVM_HISTORY);
    was = d.klass;
    for (i = 0; i < 100; i++) {
        d.smooth.cpu_permille = i % 2 ? 630 : 655;
        d.smooth.wait_permille = 0;
        avm_evaluate(&d, AVM_HISTORY);
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
    avm_evaluate(&d, AVM_HISTORY);
    assert_int_equal(d.pressure_permille[AVM_RES_CPU], 738);
    assert_int_equal(d.pressure_permille[AVM_RES_NET], 100);
    assert_int_equal(d.pressure_permille[AVM_RES_DISK], 250);

    /* A share of next to nothing is noise. */
    d.smooth.cpu_permille = 1;
    d.smooth.wait_permille = 3;
    avm_evaluate(&d, AVM_HISTORY);
    assert_int_equal(d.pressure_permille[AVM_RES_CPU], 0);
}

/* Without the records a hog that runs alone is still one, but less surely. */
static void stock_scheduler(void **state)
{
    struct avm_domain d = fresh(&table[2]);

    (void)state;
    d.smooth.have = AVM_HAVE_CPU | AVM_HAVE_NET;
    d.smooth.burst_us = d.smooth.preemptions_per_s = 0;
    avm_evaluate(&d, AVM_HISTORY);
    assert_int_equal(d.klass, AVM_CLASS_CPU);
    assert_in_range(d.confidence_permille, 1, 600);
    assert_non_null(strstr(d.evidence, "no waiting times"));

    d.smooth.cpu_permille = 3;
    avm_evaluate(&d, AVM_HISTORY);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(not_enough_data),
        cmocka_unit_test(class_sticks),
        cmocka_unit_test(pressure),
        cmocka_unit_test(stock_scheduler),
        cmocka_unit_test(cap_limits_demand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
