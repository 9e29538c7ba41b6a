/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts: what a domain lacks, in the order in which it counts. */
#include "core-fixture.h"

static struct avm_domain dom0, d;
static struct avm_psi_window psi;

static int setup(void **state)
{
    (void)state;
    dom0 = domain_of(0, AVM_ROLE_NORMAL, AVM_CLASS_MIXED, 300, 0);
    dom0.flags = AVM_DOM_CONTROL;
    memset(&psi, 0, sizeof(psi));
    d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_NET, 400, 0);
    d.params.can |= AVM_CAN_NET_OUT | AVM_CAN_NET_IN | AVM_CAN_DISK;
    d.smooth.events_io_per_s = 500;
    return 0;
}

static void judged(enum avm_verdict verdict, const char *why)
{
    avm_judge(&d, &dom0, &psi);
    assert_string_equal(avm_verdict_name(d.verdict), avm_verdict_name(verdict));
    if (!strstr(d.verdict_why, why))
        fail_msg("'%s' does not say '%s'", d.verdict_why, why);
}

static void test_lacks_nothing(void **state)
{
    (void)state;
    judged(AVM_VERDICT_NONE, "(0.0% of its busy time): more would not help");
    d.smooth.length_ns = 0;
    judged(AVM_VERDICT_NO_DATA, "not enough data");
}

static void test_waits_for_a_cpu(void **state)
{
    (void)state;
    d.pressure_permille[AVM_RES_CPU] = 50;
    judged(AVM_VERDICT_CPU, "5% of its busy time");
    d.pressure_permille[AVM_RES_CPU] = 0;
    d.smooth.latency_p99_us = 512;
    judged(AVM_VERDICT_CPU, "within 512 us");
}

static void test_own_limits_come_first(void **state)
{
    (void)state;
    d.pressure_permille[AVM_RES_CPU] = 900;
    d.pressure_permille[AVM_RES_DISK] = 900;
    d.params.cap_pct = 40;
    judged(AVM_VERDICT_CAP, "its cap of 40%");
    d.params.cap_pct = 60;
    d.params.net_out_max_bps = 1000000;
    d.smooth.net_tx_bps = 900000;
    judged(AVM_VERDICT_NET_LIMIT, "sends all of the 1000 kB/s");
    d.smooth.net_tx_bps = 890000;
    d.params.net_in_max_bps = 3000000;
    d.smooth.net_rx_bps = 2700000;
    judged(AVM_VERDICT_NET_LIMIT, "receives all of the 3000 kB/s");
    d.smooth.net_rx_bps = 2690000;
    d.params.disk_max_bps = 2000000;
    d.smooth.disk_wr_bps = 1900000;
    judged(AVM_VERDICT_DISK_LIMIT, "the 2000 kB/s");
    d.smooth.disk_wr_bps = 0;
    judged(AVM_VERDICT_DISK_RING, "90% of its disk requests");
}

static void test_backend(void **state)
{
    (void)state;
    dom0.pressure_permille[AVM_RES_CPU] = 300;
    judged(AVM_VERDICT_BACKEND, "domain 0, which serves its devices, waits 30%");
    d.smooth.events_io_per_s = 10;
    judged(AVM_VERDICT_NONE, "");
    d.smooth.events_io_per_s = 500;
    d.smooth.have = AVM_HAVE_CPU | AVM_HAVE_RECORDS;
    judged(AVM_VERDICT_NONE, "");

    /* It is not its own back-end. */
    avm_judge(&dom0, &dom0, NULL);
    assert_int_equal(dom0.verdict, AVM_VERDICT_CPU);
    /* Nor need there be one. */
    avm_judge(&d, NULL, NULL);
    assert_int_equal(d.verdict, AVM_VERDICT_NONE);
}

/* Nothing waits for a pCPU, and still the guest's requests may lie in dom0. */
static void test_pressure_in_dom0(void **state)
{
    (void)state;
    psi.some_permille[AVM_PSI_CPU] = 600;
    psi.full_permille[AVM_PSI_MEMORY] = 200;
    judged(AVM_VERDICT_NONE, ""); /* not known: 'have' says so */
    psi.have = 1u << AVM_PSI_CPU;
    judged(AVM_VERDICT_BACKEND, "something waits 60% of the time for a vCPU");
    psi.have |= 1u << AVM_PSI_MEMORY;
    judged(AVM_VERDICT_BACKEND, "stands still 20% of the time for want of memory");
    psi.full_permille[AVM_PSI_MEMORY] = 99;
    psi.some_permille[AVM_PSI_CPU] = 499;
    judged(AVM_VERDICT_NONE, "");

    /* What is measured of the guest itself says more. */
    psi.some_permille[AVM_PSI_CPU] = 1000;
    d.pressure_permille[AVM_RES_CPU] = 60;
    judged(AVM_VERDICT_CPU, "");
    d.pressure_permille[AVM_RES_CPU] = 0;
    d.smooth.events_io_per_s = 10;
    judged(AVM_VERDICT_NONE, "");

    /* Its devices are another domain's: what goes on in dom0 is not the cause. */
    d.smooth.events_io_per_s = 500;
    dom0.flags = 0;
    judged(AVM_VERDICT_NONE, "");
}

static void test_held_back_by_its_limit(void **state)
{
    (void)state;
    d.params.disk_max_bps = 2000000;
    d.smooth.disk_rd_bps = 1200000;
    d.smooth.psi_io_permille = 400;
    judged(AVM_VERDICT_NONE, "");
    d.smooth.have |= AVM_HAVE_PSI_IO;
    judged(AVM_VERDICT_DISK_LIMIT, "2000 kB/s holds it back: who serves its "
           "disks waits 40% of the time");
    d.smooth.disk_rd_bps = 900000; /* the disk is slow, and not its limit */
    judged(AVM_VERDICT_NONE, "");
}

/* Also if nothing of its devices can be seen from here. */
static void test_driver_domain(void **state)
{
    (void)state;
    d.smooth.have = AVM_HAVE_CPU | AVM_HAVE_RECORDS;
    dom0.domid = 7;
    dom0.flags = 0;
    dom0.pressure_permille[AVM_RES_CPU] = 400;
    judged(AVM_VERDICT_NONE, "");
    d.net_served_by = 1 + 7;
    judged(AVM_VERDICT_BACKEND, "domain 7, which serves its devices, waits 40%");
}

static void test_drops(void **state)
{
    (void)state;
    d.pressure_permille[AVM_RES_NET] = 51;
    judged(AVM_VERDICT_NET_DROPS, "5% of its packets");
}

static void test_lock(void **state)
{
    (void)state;
    d.pressure_permille[AVM_RES_CPU] = 500;
    d.smooth.yields_per_s = 400;
    judged(AVM_VERDICT_CPU, "50%");
    d.nr_vcpus = 2;
    judged(AVM_VERDICT_LOCK, "400 times/s");
}

static void test_without_records(void **state)
{
    (void)state;
    d.smooth.have = AVM_HAVE_CPU;
    judged(AVM_VERDICT_NO_DATA, "does not tell who waits");
    d.params.cap_pct = 40;
    judged(AVM_VERDICT_CAP, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lacks_nothing, setup),
        cmocka_unit_test_setup(test_waits_for_a_cpu, setup),
        cmocka_unit_test_setup(test_own_limits_come_first, setup),
        cmocka_unit_test_setup(test_backend, setup),
        cmocka_unit_test_setup(test_pressure_in_dom0, setup),
        cmocka_unit_test_setup(test_held_back_by_its_limit, setup),
        cmocka_unit_test_setup(test_driver_domain, setup),
        cmocka_unit_test_setup(test_drops, setup),
        cmocka_unit_test_setup(test_lock, setup),
        cmocka_unit_test_setup(test_without_records, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
