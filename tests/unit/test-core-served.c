/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is not seen from here, or late, or of dom0: through avm_observe() to text. */
#include <stdio.h>

#include "core-fixture.h"

#define S 1000000000ull

static avm_state *st;
static struct avm_sample now;
static struct avm_domain_sample dom[3];

static int setup(void **state)
{
    struct avm_config c;
    size_t i;

    (void)state;
    avm_config_init(&c);
    st = avm_state_new(&c);
    memset(dom, 0, sizeof(dom));
    for (i = 0; i < 3; i++) {
        static const uint32_t domid[] = { 0, 2, 7 };

        dom[i].domid = domid[i];
        dom[i].uuid = uuid_of(domid[i]);
        dom[i].nr_vcpus = 1;
        dom[i].have = HAVE_ALL;
        dom[i].params = (struct avm_params){ .can = CAN_ALL, .weight = 256,
                                             .affinity = UINT64_MAX };
    }
    dom[0].flags = AVM_DOM_CONTROL;
    now = (struct avm_sample){ .mono_ns = S, .host = host_of(2), .nr = 3,
                               .domain = dom };
    return st ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    avm_state_free(st);
    return 0;
}

/* One second more of the same work. */
static void second(void)
{
    size_t i;

    now.mono_ns += S;
    for (i = 0; i < 3; i++) {
        struct avm_counters *c = &dom[i].count;

        c->cpu_ns += S / 10;
        c->running_ns += S / 10;
        c->wakes += 100;
        c->blocks += 100;
        c->latency[3] += 100;
        c->events_interdomain += 500;
        c->net_rx_bytes += 1000;
        c->net_rx_packets += 10;
        c->disk_rd_bytes += 4096;
        c->disk_rd_reqs++;
    }
    assert_int_equal(avm_observe(st, &now), 0);
}

static void says(uint32_t domid, const char *what)
{
    char *text = avm_explain(st, &avm_domain_by_id(st, domid)->uuid);

    if (!text || !strstr(text, what))
        fail_msg("'%s' does not say '%s'", text, what);
    free(text);
}

static void says_not(uint32_t domid, const char *what)
{
    char *text = avm_explain(st, &avm_domain_by_id(st, domid)->uuid);

    if (!text || strstr(text, what))
        fail_msg("'%s' says '%s'", text, what);
    free(text);
}

static void json(uint32_t domid, const char *what)
{
    char *text = avm_json_explain(st, &avm_domain_by_id(st, domid)->uuid);

    if (!text || !strstr(text, what))
        fail_msg("'%s' does not have '%s'", text, what);
    free(text);
}

static void not_seen_from_here(void **state)
{
    (void)state;
    dom[1].have = AVM_HAVE_CPU | AVM_HAVE_RECORDS | AVM_HAVE_DISK;
    dom[1].net_served_by = 1 + 7;
    second();
    second();
    says(2, "network: not seen from here: served by domain 7\n");
    says_not(2, "disks:");
    json(2, "\"net_bps\":null");
    json(2, "\"net_rx_bps\":null");
    json(2, "\"net_packets_per_s\":null");
    json(2, "\"net_served_by\":7");
    json(2, "\"disk_served_by\":null");
    json(2, "\"disk_rd_bps\":4096");
    says_not(7, "served by");
    json(7, "\"net_rx_bps\":1000");

    /* Zero is what it is if there is no device at all. */
    dom[1].net_served_by = 0;
    second();
    json(2, "\"net_bps\":0");

    dom[1].have |= AVM_HAVE_NET;
    dom[1].net_served_by = 1 + 7;
    dom[1].disk_served_by = 1 + 9; /* which is gone */
    dom[1].have &= ~AVM_HAVE_DISK;
    second();
    second();
    says(2, "network: seen from here in part, the rest is served by domain 7\n");
    says(2, "disks: not seen from here: served by domain 9\n");
    json(2, "\"disk_bps\":null");
    json(2, "\"net_rx_bps\":1000");
}

/* The verdict's back-end is who serves it, and not always dom0. */
static void waits_for_whom(void **state)
{
    int i;

    (void)state;
    dom[1].have = AVM_HAVE_CPU | AVM_HAVE_RECORDS;
    dom[1].net_served_by = 1 + 7;
    for (i = 0; i < 5; i++) {
        dom[0].count.runnable_ns += S; /* dom0 waits, which is nothing to it */
        second();
    }
    assert_int_equal(avm_domain_by_id(st, 2)->verdict, AVM_VERDICT_NONE);
    for (i = 0; i < 5; i++) {
        dom[2].count.runnable_ns += S / 10;
        second();
    }
    says(2, "verdict: backend: domain 7, which serves its devices, waits 50%");

    /* Served by both: by the one that waits more. */
    dom[1].have |= AVM_HAVE_DISK;
    for (i = 0; i < 5; i++) {
        dom[0].count.runnable_ns += S;
        dom[2].count.runnable_ns += S / 10;
        second();
    }
    says(2, "verdict: backend: domain 0, which serves its devices, waits 90%");
}

static void pressure_of_dom0(void **state)
{
    int i;

    (void)state;
    second();
    says_not(2, "domain 0: of the time");
    json(2, "\"pressure\":{\"cpu_some_permille\":null");
    now.psi.have = 1u << AVM_PSI_CPU | 1u << AVM_PSI_IO;
    for (i = 0; i < 6; i++) {
        now.psi.some_us[AVM_PSI_CPU] += 600000;
        now.psi.some_us[AVM_PSI_IO] += 250000;
        now.psi.full_us[AVM_PSI_IO] += 100000;
        second();
    }
    says(2, "domain 0: of the time something (everything) waited for cpu 60% "
         "(0%), io 25% (10%)\n");
    json(2, "\"cpu_some_permille\":600,\"cpu_full_permille\":0,"
         "\"memory_some_permille\":null,\"memory_full_permille\":null,"
         "\"io_some_permille\":250,\"io_full_permille\":100");
    says(2, "verdict: backend: in domain 0, which serves its devices, something "
         "waits 60%");
    assert_int_equal(avm_state_psi(st)->some_permille[AVM_PSI_IO], 250);

    /* The agent stood still for long: still per time. */
    now.psi.some_us[AVM_PSI_CPU] += 600000;
    now.mono_ns += 9 * S;
    second();
    assert_in_range(avm_state_psi(st)->some_permille[AVM_PSI_CPU], 100, 250);
}

static void its_qemu(void **state)
{
    int i;

    (void)state;
    dom[1].have |= AVM_HAVE_BACKEND | AVM_HAVE_PSI_IO | AVM_HAVE_PSI_CPU;
    dom[1].flags = AVM_DOM_QDISK | AVM_DOM_QEMU_ELSEWHERE;
    for (i = 0; i < 5; i++) {
        dom[1].count.backend_us += 300000;
        dom[1].count.psi_io_us += 210000;
        second();
    }
    says(2, "disks: served by its QEMU, which tells bytes and no requests\n");
    says(2, "disk limits: none, its QEMU is in a control group of someone else");
    says(2, "its back end in domain 0: QEMU ran 30% of a CPU, waited 0% of the "
         "time for a CPU, waited 21% of the time for I/O\n");
    json(2, "\"disk_reqs_per_s\":null");
    json(2, "\"disk_rd_bps\":4096");
    json(2, "\"backend_cpu_permille\":300");
    json(2, "\"backend_io_wait_permille\":210");
    json(7, "\"backend_cpu_permille\":null");
    says_not(7, "its back end");

    /* Another process: nothing is known until it is seen twice. */
    dom[1].backend_process = 99;
    second();
    says_not(2, "QEMU ran");
    for (i = 0; i < 4; i++)
        second();
    says(2, "QEMU ran 0%");
    /* The domain's own figures are what they were. */
    assert_int_equal(avm_domain_by_id(st, 2)->smooth.length_ns, 4 * S);
}

/* dom0's time goes to who caused it: a QEMU's whole, the rest by bytes. */
static void serve(void)
{
    int i;

    for (i = 0; i < 6; i++) {
        dom[0].count.cpu_ns += S / 2;    /* 60%, with second() */
        dom[0].count.running_ns += S / 2;
        dom[1].count.backend_us += 200000;
        dom[2].count.disk_rd_bytes += 5096;
        second();
    }
}

static void charged(void **state)
{
    int i;

    (void)state;
    dom[1].have |= AVM_HAVE_BACKEND;
    serve();
    /* 5096 and twice that of what is left, 40% of a CPU. */
    assert_int_equal(avm_domain_by_id(st, 2)->charged_permille, 200 + 133);
    assert_int_equal(avm_domain_by_id(st, 7)->charged_permille, 266);
    assert_int_equal(avm_domain_by_id(st, 0)->charged_permille, 0);
    says(2, "domain 0 ran at most 33% of a CPU for it");
    json(7, "\"charged_permille\":266");

    /* Its disk is its QEMU's: that has been charged. */
    dom[1].flags = AVM_DOM_QDISK;
    serve();
    assert_int_equal(avm_domain_by_id(st, 2)->charged_permille,
                     200 + 1000 * 400 / (1000 + 10192));

    /* Figures that do not fit together, and the largest: no more than all. */
    dom[1].count.backend_us += 9000000;
    dom[2].count.disk_rd_bytes = UINT64_MAX;
    for (i = 0; i < 6; i++)
        second();
    assert_in_range(avm_domain_by_id(st, 7)->charged_permille, 0, 1000);
}

/* What was not read this time is not known, and what was before is not lost. */
static void late(void **state)
{
    const struct avm_domain *d;
    int i;

    (void)state;
    for (i = 0; i < 6; i++)
        second();
    d = avm_domain_by_id(st, 2);
    assert_int_equal(d->smooth.length_ns, 4 * S);
    dom[1].have &= ~AVM_HAVE_DISK;
    dom[1].late = AVM_HAVE_DISK;
    second();
    d = avm_domain_by_id(st, 2);
    assert_false(d->smooth.have & AVM_HAVE_DISK);
    assert_int_equal(d->smooth.length_ns, 4 * S);
    dom[1].have |= AVM_HAVE_DISK;
    dom[1].late = 0;
    second();
    d = avm_domain_by_id(st, 2);
    assert_false(d->window.have & AVM_HAVE_DISK);
    assert_true(d->smooth.have & AVM_HAVE_DISK);
    assert_int_equal(d->smooth.length_ns, 4 * S);
    assert_int_equal(d->smooth.disk_rd_bps, 4096);
    second();
    d = avm_domain_by_id(st, 2);
    assert_int_equal(d->window.disk_rd_bps, 4096);

    /* A device that really went, and came: that is a new beginning. */
    dom[1].have &= ~AVM_HAVE_DISK;
    second();
    dom[1].have |= AVM_HAVE_DISK;
    dom[1].disk_devices = 9;
    dom[1].count.disk_rd_bytes = 1ull << 40;
    second();
    d = avm_domain_by_id(st, 2);
    assert_false(d->smooth.have & AVM_HAVE_DISK);
    assert_int_equal(d->smooth.disk_bps, 0);
    second();
    assert_int_equal(avm_domain_by_id(st, 2)->smooth.disk_rd_bps, 4096);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(not_seen_from_here), T(waits_for_whom), T(pressure_of_dom0),
        T(its_qemu), T(charged), T(late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
