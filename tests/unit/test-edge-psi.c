/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pressure of dom0 and of groups, from a /proc and cgroups of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge.h"
#include "sysroot.h"

#define ALL (1u << AVM_PSI_CPU | 1u << AVM_PSI_MEMORY | 1u << AVM_PSI_IO)

static const struct avm_ops no_ops;

static avm_handle handle(void)
{
    return (avm_handle){ .ops = &no_ops, .sysroot = root };
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, SYSROOT);
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    char cmd[64];

    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    return system(cmd);
}

static void gone(const char *name)
{
    char cmd[256];

    snprintf(cmd, sizeof(cmd), "rm -r %s/%s", root, name);
    assert_int_equal(system(cmd), 0);
}

static void pressure(const char *path, unsigned int some, unsigned int full)
{
    char text[200];

    snprintf(text, sizeof(text), "some avg10=1.50 avg60=0.00 avg300=0.00 "
             "total=%u\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=%u\n",
             some, full);
    put(text, "%s", path);
}

static void texts(void **state)
{
    static const char *const bad[] = {
        "", "some", "some avg10=0.00 total=", "some avg10=0.00 total=-1\n",
        "some avg10=0.00 total=1x\n", "full avg10=0.00 total=1\n",
        "some avg10=0.00\nfull avg10=0.00 total=1\n", "some total 7\n",
        "some avg10=0 total=99999999999999999999999\n",
    };
    uint64_t some, full;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (avm_psi_parse(bad[i], &some, &full))
            fail_msg("took '%s'", bad[i]);
    assert_true(avm_psi_parse("some avg10=0.12 avg60=0 avg300=0 total=17\n"
                              "full avg10=0.12 avg60=0 avg300=0 total=4\n",
                              &some, &full));
    assert_int_equal(some, 17);
    assert_int_equal(full, 4);
    /* Of a CPU, before Linux 5.13. */
    assert_true(avm_psi_parse("some avg10=0.12 total=18446744073709551615\n",
                              &some, &full));
    assert_true(some == UINT64_MAX);
    assert_int_equal(full, 0);
}

static void of_dom0(void **state)
{
    avm_handle h = handle();
    struct avm_psi p = { 0 };

    (void)state;
    pressure("proc/pressure/cpu", 100, 0);
    pressure("proc/pressure/memory", 200, 20);
    pressure("proc/pressure/io", 300, 30);
    assert_int_equal(avm_psi_missing(root), 0);
    avm_psi_read(&h, &p);
    assert_int_equal(p.have, ALL);
    assert_int_equal(p.some_us[AVM_PSI_CPU], 100);
    assert_int_equal(p.full_us[AVM_PSI_MEMORY], 20);
    assert_int_equal(p.some_us[AVM_PSI_IO], 300);
    assert_int_equal(p.full_us[AVM_PSI_IO], 30);

    /* The files stay open, and tell what is there now. */
    pressure("proc/pressure/cpu", 150, 0);
    memset(&p, 0, sizeof(p));
    avm_psi_read(&h, &p);
    assert_int_equal(p.some_us[AVM_PSI_CPU], 150);

    /* What makes no sense is not believed, and is read again. */
    put("garbage\n", "proc/pressure/io");
    memset(&p, 0, sizeof(p));
    avm_psi_read(&h, &p);
    assert_int_equal(p.have, ALL & ~(1u << AVM_PSI_IO));
    pressure("proc/pressure/io", 301, 30);
    avm_psi_read(&h, &p);
    assert_int_equal(p.have, ALL);
    assert_int_equal(p.some_us[AVM_PSI_IO], 301);
    avm_psi_forget(&h);
}

static void a_kernel_without(void **state)
{
    avm_handle h = handle();
    struct avm_psi p = { 0 };

    (void)state;
    assert_int_equal(avm_psi_missing(root), ALL);
    pressure("proc/pressure/memory", 200, 20);
    assert_int_equal(avm_psi_missing(root), ALL & ~(1u << AVM_PSI_MEMORY));
    avm_psi_read(&h, &p);
    assert_int_equal(p.have, 1u << AVM_PSI_MEMORY);
    /* It is not asked again. */
    pressure("proc/pressure/cpu", 100, 0);
    avm_psi_read(&h, &p);
    assert_int_equal(p.have, 1u << AVM_PSI_MEMORY);
    avm_psi_forget(&h);
}

#define GROUP "sys/fs/cgroup/avm/avm-"

static void read_groups(avm_handle *h, struct avm_domain_sample *d)
{
    memset(d, 0, 3 * sizeof(*d));
    d[1].domid = 3;
    d[2].domid = 12;
    avm_groups_read(h, d, 3);
}

static void of_groups(void **state)
{
    const uint32_t both = AVM_HAVE_PSI_CPU | AVM_HAVE_PSI_IO;
    avm_handle h = handle();
    struct avm_domain_sample d[3];
    char from[200], to[200];
    uint64_t group;

    (void)state;
    read_groups(&h, d); /* there are none */
    assert_int_equal(d[1].have | d[2].have, 0);

    pressure(GROUP "3/cpu.pressure", 5, 1);
    pressure(GROUP "3/io.pressure", 7, 1);
    pressure(GROUP "12/io.pressure", 70, 1);
    pressure(GROUP "9/io.pressure", 1, 1);    /* no such domain */
    pressure(GROUP "3x/io.pressure", 1, 1);
    pressure(GROUP "-3/io.pressure", 1, 1);
    pressure(GROUP "4294967295/io.pressure", 1, 1);
    read_groups(&h, d);
    assert_int_equal(d[0].have, 0);
    assert_int_equal(d[1].have, both);
    assert_int_equal(d[1].count.psi_cpu_us, 5);
    assert_int_equal(d[1].count.psi_io_us, 7);
    assert_int_equal(d[2].have, AVM_HAVE_PSI_IO);
    assert_int_equal(d[2].count.psi_io_us, 70);
    assert_int_equal(h.nr_groups, 2);
    group = d[1].psi_group;
    assert_int_not_equal(group, 0);

    pressure(GROUP "3/io.pressure", 8, 1);
    read_groups(&h, d);
    assert_int_equal(d[1].count.psi_io_us, 8);
    assert_int_equal(d[1].psi_group, group);

    /* One goes; another comes by the name of the third. */
    gone(GROUP "12");
    read_groups(&h, d);
    assert_int_equal(d[2].have, 0);
    assert_int_equal(h.nr_groups, 1);
    snprintf(from, sizeof(from), "%s/" GROUP "3", root);
    snprintf(to, sizeof(to), "%s/old", root);
    assert_int_equal(rename(from, to), 0);
    pressure(GROUP "3/io.pressure", 2, 1);
    read_groups(&h, d);
    assert_int_equal(d[1].have, AVM_HAVE_PSI_IO);
    assert_int_equal(d[1].count.psi_io_us, 2);
    assert_int_not_equal(d[1].psi_group, group);
    avm_psi_forget(&h);
    assert_int_equal(h.nr_groups, 0);
}

/* Of very many those that are new are opened in turn. */
static void many_groups(void **state)
{
    enum { NR = 100 };
    avm_handle h = handle();
    struct avm_domain_sample d[NR];
    int i, round, have;
    char name[80];

    (void)state;
    for (i = 0; i < NR; i++) {
        snprintf(name, sizeof(name), GROUP "%d/io.pressure", i);
        pressure(name, i, 0);
    }
    for (round = 0; round < 2; round++) {
        memset(d, 0, sizeof(d));
        for (i = 0; i < NR; i++)
            d[i].domid = i;
        avm_groups_read(&h, d, NR);
        for (have = i = 0; i < NR; i++)
            if (d[i].have & AVM_HAVE_PSI_IO) {
                assert_int_equal(d[i].count.psi_io_us, i);
                have++;
            }
        assert_int_equal(have, round ? NR : 64);
    }
    avm_psi_forget(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test_setup_teardown(of_dom0, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kernel_without, setup, teardown),
        cmocka_unit_test_setup_teardown(of_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(many_groups, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
