/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network and disk counters, from a /sys of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge.h"
#include "sysroot.h"

static void vif(const char *name, const char *nodename, unsigned int n)
{
    static const char *const files[] = {
        "rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_dropped",
        "tx_dropped",
    };
    char value[16];
    size_t i;

    put(nodename, "sys/class/net/%s/device/nodename", name);
    for (i = 0; i < 6; i++) {
        snprintf(value, sizeof(value), "%zu\n", n + i);
        put(value, "sys/class/net/%s/statistics/%s", name, files[i]);
    }
}

static void vbd(const char *name, unsigned int n)
{
    static const char *const files[] = {
        "rd_req", "wr_req", "oo_req", "rd_sect", "wr_sect",
    };
    char value[16];
    size_t i;

    for (i = 0; i < 5; i++) {
        snprintf(value, sizeof(value), "%zu\n", n + i);
        put(value, "sys/bus/xen-backend/devices/%s/statistics/%s", name,
            files[i]);
    }
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    vif("vif1.0", "backend/vif/1/0\n", 1000);
    vif("vif1.1", "backend/vif/1/1\n", 2000);
    vif("vif1.0-emu", "backend/vif/1/0\n", 5000); /* counted as vif1.0 */
    vif("renamed", "backend/vif/3/0\n", 100);
    vif("vif9.0", "backend/vif/9/0\n", 7);        /* no such domain        */
    vif("eth0", "backend/vfb/1/0\n", 7);
    vif("vif1.2", "backend/vif/1/x\n", 7);
    vif("vif1.3", "backend/vif/1/0/1\n", 7);
    vif("vif1.4", "backend/vif/-1/0\n", 7);
    put("garbage\n", "sys/class/net/vif1.5/statistics/rx_bytes");
    put("1\n", "sys/class/net/lo/statistics/rx_bytes");
    vbd("vbd-1-51712", 10);
    vbd("vbd-1-51728", 20);
    vbd("vbd-1", 900);
    vbd("vbd-1-51712-x", 900);
    vbd("vbd--1-2", 900);
    vbd("vif-1-0", 900);
    vbd("vbd-3-51712", 5);
    put("12x\n", "sys/bus/xen-backend/devices/vbd-3-51712/statistics/wr_sect");
    return 0;
}

static int teardown(void **state)
{
    char cmd[64];

    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    return system(cmd);
}

static void network(void **state)
{
    struct avm_domain_sample d[3] = {
        { .domid = 0 }, { .domid = 1 }, { .domid = 3 },
    };

    (void)state;
    assert_int_equal(avm_net_read(root, d, 3), 0);
    assert_int_equal(d[0].have, 0);
    assert_int_equal(d[1].have, AVM_HAVE_NET);
    /* The guest received what dom0 transmitted. */
    assert_int_equal(d[1].count.net_rx_bytes, 1001 + 2001);
    assert_int_equal(d[1].count.net_tx_bytes, 1000 + 2000);
    assert_int_equal(d[1].count.net_rx_packets, 1003 + 2003);
    assert_int_equal(d[1].count.net_tx_packets, 1002 + 2002);
    assert_int_equal(d[1].count.net_drops, 1004 + 1005 + 2004 + 2005);
    assert_int_equal(d[2].have, AVM_HAVE_NET);
    assert_int_equal(d[2].count.net_tx_bytes, 100);
}

static void disks(void **state)
{
    struct avm_domain_sample d[3] = {
        { .domid = 0 }, { .domid = 1 }, { .domid = 3 },
    };

    (void)state;
    assert_int_equal(avm_disk_read(root, d, 3), 0);
    assert_int_equal(d[1].have, AVM_HAVE_DISK);
    assert_int_equal(d[1].count.disk_rd_reqs, 30);
    assert_int_equal(d[1].count.disk_wr_reqs, 32);
    assert_int_equal(d[1].count.disk_oo_reqs, 34);
    assert_int_equal(d[1].count.disk_rd_bytes, (13 + 23) * 512);
    assert_int_equal(d[1].count.disk_wr_bytes, (14 + 24) * 512);
    /* One counter cannot be read: nothing of this disk is believed. */
    assert_int_equal(d[2].have, 0);
    assert_int_equal(d[2].count.disk_rd_reqs, 0);
}

static void no_devices_is_no_error(void **state)
{
    struct avm_domain_sample d = { .domid = 0 };

    (void)state;
    assert_int_equal(avm_net_read("/nonexistent", &d, 1), 0);
    assert_int_equal(avm_disk_read("/nonexistent", &d, 1), 0);
    assert_int_equal(d.have, 0);
}

static void pairs(void **state)
{
    static const char *const bad[] = {
        "", "1", "1-", "-1", "1-2-", "1-2 ", " 1-2", "+1-2", "1--2", "0x1-2",
        "4294967296-1", "1-99999999999999999999", "1-2\n",
    };
    uint32_t a, b;
    size_t i;

    (void)state;
    assert_true(avm_parse_pair("12-51712", '-', &a, &b));
    assert_int_equal(a, 12);
    assert_int_equal(b, 51712);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(avm_parse_pair(bad[i], '-', &a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network),
        cmocka_unit_test(disks),
        cmocka_unit_test(no_devices_is_no_error),
        cmocka_unit_test(pairs),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
