/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core-fixture.h"

#define S 1000000000ull

static struct avm_reading reading(uint64_t mono_ns)
{
    struct avm_reading r = { .mono_ns = mono_ns, .have = HAVE_ALL };

    return r;
}

static void rates(void **state)
{
    struct avm_reading a = reading(S), b = reading(3 * S);
    struct avm_window w;

    (void)state;
    b.count.cpu_ns = 1 * S;
    b.count.running_ns = 1 * S;
    b.count.runnable_ns = S / 2;
    b.count.wakes = b.count.blocks = 200;
    b.count.events_interdomain = 60;
    b.count.events_virq = 40;
    b.count.latency[3] = 198;
    b.count.latency[10] = 2;
    b.count.net_rx_bytes = 4000;
    b.count.net_tx_bytes = 2000;
    b.count.net_rx_packets = 10;
    b.count.disk_rd_bytes = 1 << 20;
    b.count.disk_rd_reqs = 64;
    avm_monitor(&a, &b, &w);

    assert_int_equal(w.length_ns, 2 * S);
    assert_int_equal(w.have, HAVE_ALL);
    assert_int_equal(w.cpu_permille, 500);
    assert_int_equal(w.wait_permille, 250);
    assert_int_equal(w.wakes_per_s, 100);
    assert_int_equal(w.events_per_s, 50);
    assert_int_equal(w.events_io_per_s, 30);
    assert_int_equal(w.events_virq_per_s, 20);
    assert_int_equal(w.burst_us, 5000);
    assert_int_equal(w.latency_p99_us, 8);
    assert_int_equal(w.net_bps, 3000);
    assert_int_equal(w.net_rx_bps, 2000);
    assert_int_equal(w.net_packets_per_s, 5);
    assert_int_equal(w.disk_bps, 1 << 19);
    assert_int_equal(w.disk_reqs_per_s, 32);
}

/* One in 50 wake-ups is late: that is more than one in 100. */
static void p99_finds_the_tail(void **state)
{
    struct avm_reading a = reading(S), b = reading(2 * S);
    struct avm_window w;

    (void)state;
    b.count.latency[3] = 98;
    b.count.latency[12] = 2;
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.latency_p99_us, 4096);
}

/* Buckets wrap at 32 bits, and that is no reset. */
static void latency_wraps(void **state)
{
    struct avm_reading a = reading(S), b = reading(2 * S);
    struct avm_window w;

    (void)state;
    a.count.latency[5] = UINT32_MAX - 1;
    b.count.latency[5] = 8;
    avm_monitor(&a, &b, &w);
    assert_true(w.have & AVM_HAVE_RECORDS);
    assert_int_equal(w.latency_p99_us, 32);
}

static void reset_drops_only_that_source(void **state)
{
    struct avm_reading a = reading(S), b = reading(2 * S);
    struct avm_window w;

    (void)state;
    a.count.disk_rd_reqs = 100;
    b.count.disk_rd_reqs = 3;
    b.count.disk_rd_bytes = 999999;
    b.count.net_rx_bytes = 77;
    b.count.running_ns = S;
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.have, HAVE_ALL & ~AVM_HAVE_DISK);
    assert_int_equal(w.disk_bps, 0);
    assert_int_equal(w.net_rx_bps, 77);
    assert_int_equal(w.cpu_permille, 1000);
}

/* A device that was found only now has counted for long: that was no burst. */
static void other_devices_are_no_burst(void **state)
{
    struct avm_reading a = reading(S), b = reading(2 * S);
    struct avm_window w;

    (void)state;
    a.net_devices = 11;
    b.net_devices = 11 + 12;
    b.count.net_rx_bytes = 1ull << 40;
    a.disk_devices = 7;
    b.count.disk_wr_bytes = 1ull << 40;
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.have, AVM_HAVE_CPU | AVM_HAVE_RECORDS);
    assert_int_equal(w.net_bps, 0);
    assert_int_equal(w.disk_bps, 0);
    a.net_devices = b.net_devices;
    b.disk_devices = 7;
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.have, HAVE_ALL);
    assert_int_equal(w.net_bps, 1ull << 40);
}

static void back_end(void **state)
{
    const uint32_t all = AVM_HAVE_BACKEND | AVM_HAVE_PSI_CPU | AVM_HAVE_PSI_IO;
    struct avm_reading a = reading(S), b = reading(3 * S);
    struct avm_window w;

    (void)state;
    a.have |= all;
    b.have |= all;
    a.count.backend_us = 5000000;
    b.count.backend_us = 5500000;
    b.count.psi_cpu_us = 200000;
    b.count.psi_io_us = 9000000; /* more than there was time */
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.have & all, all);
    assert_int_equal(w.backend_permille, 250);
    assert_int_equal(w.psi_cpu_permille, 100);
    assert_int_equal(w.psi_io_permille, 1000);

    /* Another process; and a new group of the same name. */
    b.backend_process = 1;
    a.count.psi_io_us = 9000001;
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.have & all, AVM_HAVE_PSI_CPU);
    assert_int_equal(w.backend_permille, 0);
    assert_int_equal(w.psi_io_permille, 0);
    a.backend_process = 1;
    b.count.backend_us = 4999999;
    b.psi_group = 2; /* without one its numbers were 0, too */
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.have & all, 0);
}

static void pressure(void **state)
{
    struct avm_psi a = { .have = 7 }, b = { .have = 3 };
    struct avm_psi_window w;

    (void)state;
    b.some_us[AVM_PSI_CPU] = 500000;
    a.some_us[AVM_PSI_MEMORY] = 1000;
    b.some_us[AVM_PSI_MEMORY] = 41000;
    b.full_us[AVM_PSI_MEMORY] = 20000;
    b.some_us[AVM_PSI_IO] = 77; /* not there now */
    avm_monitor_psi(&a, &b, 2 * S, &w);
    assert_int_equal(w.have, 1u << AVM_PSI_CPU | 1u << AVM_PSI_MEMORY);
    assert_int_equal(w.some_permille[AVM_PSI_CPU], 250);
    assert_int_equal(w.some_permille[AVM_PSI_MEMORY], 20);
    assert_int_equal(w.full_permille[AVM_PSI_MEMORY], 10);
    assert_int_equal(w.some_permille[AVM_PSI_IO], 0);
    a.full_us[AVM_PSI_MEMORY] = 20001; /* backwards */
    avm_monitor_psi(&a, &b, 2 * S, &w);
    assert_int_equal(w.have, 1u << AVM_PSI_CPU);
    avm_monitor_psi(&a, &b, 0, &w);
    assert_int_equal(w.have, 0);
}

static void missing_data(void **state)
{
    struct avm_reading a = reading(2 * S), b = reading(2 * S);
    struct avm_window w;

    (void)state;
    avm_monitor(&a, &b, &w); /* no time in between */
    assert_int_equal(w.length_ns, 0);

    b = reading(3 * S);
    b.have = AVM_HAVE_NET; /* no CPU time: nothing to hold it against */
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.length_ns, 0);
    assert_int_equal(w.have, 0);

    /* A stock scheduler: no records, and the rest is there. */
    b = reading(3 * S);
    b.have = AVM_HAVE_CPU | AVM_HAVE_NET;
    b.count.cpu_ns = S / 4;
    avm_monitor(&a, &b, &w);
    assert_int_equal(w.cpu_permille, 250);
    assert_int_equal(w.have, AVM_HAVE_CPU | AVM_HAVE_NET);
}

/* Whatever is read, it ends in numbers and not in a trap. */
static void any_numbers(void **state)
{
    uint64_t seed = 1;
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        struct avm_reading r[2];
        struct avm_window w;
        unsigned char *p = (unsigned char *)r;
        size_t k;

        for (k = 0; k < sizeof(r); k++)
            p[k] = fixture_random(&seed);
        avm_monitor(&r[0], &r[1], &w);
        if (w.have & AVM_HAVE_NET)
            assert_true(r[1].count.net_rx_bytes >= r[0].count.net_rx_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test(p99_finds_the_tail),
        cmocka_unit_test(latency_wraps),
        cmocka_unit_test(reset_drops_only_that_source),
        cmocka_unit_test(other_devices_are_no_burst),
        cmocka_unit_test(back_end),
        cmocka_unit_test(pressure),
        cmocka_unit_test(missing_data),
        cmocka_unit_test(any_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
