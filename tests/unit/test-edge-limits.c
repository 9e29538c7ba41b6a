/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits for network and disk, and shares of disks, on a /sys, a /proc and a xenstore of our own. */
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

#include "core/core.h"
#include "edge.h"
#include "sysroot.h"

/* xenstore: a few keys. */
static struct { char path[80], value[80]; } key[8];

static char *value_of(const char *path)
{
    size_t i;

    for (i = 0; i < 8; i++)
        if (!strcmp(key[i].path, path))
            return key[i].value;
    return NULL;
}

static char *fake_read(void *ctx, uint32_t t, const char *path)
{
    const char *value = value_of(path);

    (void)ctx;
    (void)t;
    return value ? strdup(value) : NULL;
}

static int fake_write(void *ctx, uint32_t t, const char *path,
                      const char *value)
{
    size_t i;

    (void)ctx;
    (void)t;
    for (i = 0; strcmp(key[i].path, path) && key[i].path[0]; i++)
        ;
    snprintf(key[i].path, sizeof(key[i].path), "%s", path);
    snprintf(key[i].value, sizeof(key[i].value), "%s", value);
    return 0;
}

static int fake_rm(void *ctx, uint32_t t, const char *path)
{
    size_t i;

    (void)ctx;
    (void)t;
    for (i = 0; i < 8; i++)
        if (!strcmp(key[i].path, path)) {
            key[i].path[0] = '\0';
            return 0;
        }
    errno = ENOENT;
    return -1;
}

static uint32_t fake_begin(void *ctx) { (void)ctx; return 1; }

static const struct avm_ops ops = {
    .store_begin = fake_begin, .store_read = fake_read,
    .store_write = fake_write, .store_rm = fake_rm,
};

static avm_handle handle(void)
{
    return (avm_handle){ .ops = &ops, .sysroot = root };
}

static void expect_file(const char *name, const char *value)
{
    char dir[512], line[256];

    snprintf(dir, sizeof(dir), "%s/sys/fs/cgroup", root);
    assert_true(avm_sysfs_line(dir, name, line, sizeof(line)));
    assert_string_equal(line, value);
}

static void thread(int pid, const char *comm, int parent)
{
    char stat[128];

    put(comm, "proc/%d/comm", pid);
    snprintf(stat, sizeof(stat), "%d (%.*s) S %d 0 0\n", pid,
             (int)strcspn(comm, "\n"), comm, parent);
    put(stat, "proc/%d/stat", pid);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    put("backend/vif/1/0\n", "sys/class/net/vif1.0/device/nodename");
    put("", "sys/class/net/vif1.0/queues/tx-0/x");
    put("", "sys/class/net/vif1.0/queues/rx-0/x");
    put("backend/vif/1/1\n", "sys/class/net/outer/device/nodename");
    put("", "sys/class/net/outer/queues/tx-0/x");
    put("", "sys/class/net/outer/queues/tx-1/x");
    put("backend/vif/1/1\n", "sys/class/net/outer-emu/device/nodename");
    put("backend/vif/2/0\n", "sys/class/net/vif2.0/device/nodename");

    put("io cpu\n", "sys/fs/cgroup/cgroup.controllers");
    put("", "sys/fs/cgroup/cgroup.subtree_control");
    put("", "sys/fs/cgroup/cgroup.procs");
    put("", "sys/fs/cgroup/avm/cgroup.subtree_control");
    put("", "sys/fs/cgroup/avm/avm-1/io.max");
    put("", "sys/fs/cgroup/avm/avm-1/cgroup.procs");
    put("fd:10\n",
        "sys/bus/xen-backend/devices/vbd-1-51712/physical_device");
    put("7:1\n", "sys/bus/xen-backend/devices/vbd-12-51712/physical_device");
    thread(40, "1.xvda-0\n", 2);
    thread(41, "12.xvda-0\n", 2);
    thread(42, "1.xvda-0\n", 1); /* a process that only calls itself so */
    return 0;
}

static int teardown(void **state)
{
    char cmd[64];

    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    return system(cmd);
}

static void rate(void **state)
{
    avm_handle h = handle();
    uint64_t bps;

    (void)state;
    assert_int_equal(avm_netback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 0);

    /* 100 MB/s over three queues: 33 MB/s each, in 50 ms. */
    assert_int_equal(avm_netback_set(&h, 1, 99000000), 0);
    assert_string_equal(value_of("backend/vif/1/0/rate"), "1650000,50000");
    assert_string_equal(value_of("backend/vif/1/1/rate"), "1650000,50000");
    assert_int_equal(avm_netback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 99000000);
    assert_null(value_of("backend/vif/2/0/rate"));

    /* One packet of 64 KiB fits in, so it takes longer than 50 ms. */
    assert_int_equal(avm_netback_set(&h, 1, 300000), 0);
    assert_string_equal(value_of("backend/vif/1/0/rate"), "65536,655360");
    assert_int_equal(avm_netback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 300000);

    /* netback takes what it cannot read for no limit, and so do we. */
    fake_write(NULL, 0, "backend/vif/1/1/rate", "fast");
    assert_int_equal(avm_netback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 0);

    assert_int_equal(avm_netback_set(&h, 1, 0), 0);
    assert_null(value_of("backend/vif/1/0/rate"));
    assert_null(value_of("backend/vif/1/1/rate"));
    assert_int_equal(avm_netback_set(&h, 1, 0), 0);
}

static void bad_rate(void **state)
{
    avm_handle h = handle();

    (void)state;
    assert_int_equal(avm_netback_set(&h, 1, 3 * 1023), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(avm_netback_set(&h, 1, UINT64_MAX), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(value_of("backend/vif/1/0/rate"));
    assert_int_equal(avm_netback_set(&h, 9, 1000000), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_non_null(strstr(h.error, "domain 9 has no vif"));
}

static void io_max(void **state)
{
    avm_handle h = handle();
    uint64_t bps;

    (void)state;
    assert_int_equal(avm_blkback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 0);
    assert_int_equal(avm_blkback_set(&h, 1, 5000000), 0);
    /* The kernel writes the device's number in hexadecimal there. */
    expect_file("avm/avm-1/io.max", "253:16 rbps=5000000 wbps=5000000");
    expect_file("avm/avm-1/cgroup.procs", "40");
    expect_file("cgroup.subtree_control", "+io");
    expect_file("avm/cgroup.subtree_control", "+io");
    assert_int_equal(avm_blkback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 5000000);

    /* A new ring has a new thread, which is in no group yet. */
    thread(43, "1.xvda-1\n", 2);
    assert_int_equal(avm_blkback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 0);
    free(h.thread);
}

/* Samples look a few domains up in turn, by what they know of the devices. */
static char *asked_read(void *ctx, uint32_t t, const char *path)
{
    (*(unsigned int *)ctx)++;
    return fake_read(NULL, t, path);
}

static bool fake_link_name(void *ctx, uint32_t ifindex, char *name)
{
    (void)ctx;
    return snprintf(name, AVM_IFNAME, "v%u", ifindex) < AVM_IFNAME;
}

static void samples_look_in_turn(void **state)
{
    static const struct avm_ops sample_ops = {
        .store_begin = fake_begin, .store_read = asked_read,
        .link_name = fake_link_name,
    };
    enum { NR = 100 };
    struct avm_domain_sample *d = calloc(NR, sizeof(*d));
    struct avm_vif *v = calloc(NR, sizeof(*v));
    unsigned int asked = 0, round, i, known = 0;
    avm_handle h = {
        .ops = &sample_ops, .ctx = &asked, .sysroot = root, .vif = v,
        .nr_vifs = NR, .links_known = true, .in_sample = true,
    };

    (void)state;
    for (i = 0; i < NR; i++) {
        d[i].domid = 200 + i;
        d[i].have = AVM_HAVE_NET;
        d[i].net_devices = 1 + i;
        v[i] = (struct avm_vif){ .ifindex = 1 + i, .domid = 200 + i };
    }
    put("", "sys/class/net/v1/queues/tx-0/x");
    put("", "sys/class/net/v1/queues/tx-1/x");
    fake_write(NULL, 0, "backend/vif/200/0/rate", "50000,50000");

    for (round = 0; round < 14; round++) {
        asked = 0;
        for (i = 0; i < NR; i++)
            memset(&d[i].params, 0, sizeof(d[i].params));
        avm_limits_read(&h, d, NR);
        assert_int_equal(asked, 16);
        for (known = i = 0; i < NR; i++)
            known += !!(d[i].params.can & AVM_CAN_NET_OUT);
        assert_int_equal(known, 16 * (round + 1) < NR ? 16 * (round + 1) : NR);
        assert_int_equal(d[0].params.net_out_max_bps, 2000000);
    }

    /* Somebody takes it away: seen when its turn comes. */
    fake_rm(NULL, 0, "backend/vif/200/0/rate");
    for (round = 0; round < 7 && d[0].params.net_out_max_bps; round++) {
        d[0].params.net_out_max_bps = 0;
        avm_limits_read(&h, d, NR);
    }
    assert_int_equal(d[0].params.net_out_max_bps, 0);

    /* Another vif: at once, whose turn it is or not. */
    fake_write(NULL, 0, "backend/vif/250/0/rate", "50000,50000");
    d[50].net_devices = 1000;
    avm_limits_read(&h, d, NR);
    assert_int_equal(d[50].params.net_out_max_bps, 1000000);
    fake_rm(NULL, 0, "backend/vif/250/0/rate");
    avm_netin_free(&h);
    free(h.entry);
    free(v);
    free(d);
}

/* The same from what a sample knows as from a walk; /proc is walked once. */
static void samples_share_threads(void **state)
{
    avm_handle h = handle();
    struct avm_vbd v[2] = {
        { .domid = 7, .major = 8, .minor = 0 },
        { .domid = 7, .major = 8, .minor = 0 }, /* the same disk, once */
    };
    char path[128];
    uint64_t bps;

    (void)state;
    thread(70, "7.xvda-0\n", 2);
    put("70\n", "sys/fs/cgroup/avm/avm-7/cgroup.procs");
    put("8:0 rbps=3000000 wbps=3000000 riops=max wiops=max\n",
        "sys/fs/cgroup/avm/avm-7/io.max");
    h.vbd = v;
    h.nr_vbds = 2;
    h.in_sample = true;
    assert_int_equal(avm_blkback_get(&h, 7, &bps), 0);
    assert_int_equal(bps, 3000000);
    assert_true(h.threads_left);

    /* It ended, and its group has nobody any more. */
    snprintf(path, sizeof(path), "rm -r %s/proc/70", root);
    assert_int_equal(system(path), 0);
    assert_int_equal(avm_blkback_get(&h, 7, &bps), 0);
    assert_int_equal(bps, 3000000);
    put("", "sys/fs/cgroup/avm/avm-7/cgroup.procs");
    assert_int_equal(avm_blkback_get(&h, 7, &bps), 0);
    assert_int_equal(bps, 0);

    /* Another one came; who asks besides the samples learns of it at once. */
    thread(71, "7.xvda\n", 2);
    put("71\n", "sys/fs/cgroup/avm/avm-7/cgroup.procs");
    put("8:0\n", "sys/bus/xen-backend/devices/vbd-7-51712/physical_device");
    assert_int_equal(avm_blkback_get(&h, 7, &bps), 0);
    assert_int_equal(bps, 0);
    h.in_sample = false;
    assert_int_equal(avm_blkback_get(&h, 7, &bps), 0);
    assert_int_equal(bps, 3000000);
    h.in_sample = true;
    assert_int_equal(avm_blkback_get(&h, 7, &bps), 0);
    assert_int_equal(bps, 3000000);
    free(h.thread);
}

/* On a disk that divides by weight, below a partition, a volume or a file. */
static void disk_share(void **state)
{
    avm_handle h = handle();
    uint32_t share;
    uint64_t group, bps;

    (void)state;
    put("gone\n", "proc/43/comm");
    put("8:3\n", "sys/bus/xen-backend/devices/vbd-1-51712/physical_device");
    put("1\n", "sys/dev/block/8:3/partition");
    assert_int_equal(avm_blkback_share_get(&h, 1, &share, &group), 0);
    assert_int_equal(group, 0);
    assert_int_equal(share, 100);

    /* "..", as in /sys where 8:3 is a link into the directory of the disk. */
    put("8:0\n", "sys/dev/block/dev");
    put("8:0\n", "sys/dev/block/8:0/dev");
    put("mq-deadline [bfq] none\n", "sys/dev/block/8:0/queue/scheduler");
    assert_int_equal(avm_blkback_share_get(&h, 1, &share, &group), 0);
    assert_int_equal(group, 8ull << 32);

    put("", "sys/fs/cgroup/avm/avm-1/io.bfq.weight");
    put("", "sys/fs/cgroup/avm/avm-1/cgroup.procs");
    assert_int_equal(avm_blkback_share_set(&h, 1, 25), 0);
    expect_file("avm/avm-1/io.bfq.weight", "25");
    assert_int_equal(avm_blkback_share_get(&h, 1, &share, &group), 0);
    assert_int_equal(share, 25);
    /* A limit that goes leaves the group to the share. */
    put("", "sys/fs/cgroup/avm/avm-1/io.max");
    assert_int_equal(avm_blkback_set(&h, 1, 5000000), 0);
    assert_int_equal(avm_blkback_get(&h, 1, &bps), 0);
    assert_int_equal(bps, 5000000);
    assert_int_equal(avm_blkback_set(&h, 1, 0), 0);
    expect_file("avm/avm-1/io.bfq.weight", "25");

    /* BFQ goes up to 1000. */
    assert_int_equal(avm_blkback_share_set(&h, 1, 10000), 0);
    expect_file("avm/avm-1/io.bfq.weight", "1000");
    assert_int_equal(avm_blkback_share_set(&h, 1, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(avm_blkback_share_set(&h, 5, 400), -1);
    assert_int_equal(errno, ENOTSUP);
    free(h.thread);
}

static void bottom_of(uint32_t major, uint32_t minor, uint32_t to_major,
                      uint32_t to_minor)
{
    struct avm_blockdev b = { major, minor };

    avm_blockdev_bottom(root, &b);
    assert_int_equal(b.major, to_major);
    assert_int_equal(b.minor, to_minor);
}

static void bottom_disk(void **state)
{
    struct avm_blockdev b = { 254, 5 };

    (void)state;
    bottom_of(254, 5, 254, 5);
    put("259:0\n", "sys/dev/block/254:5/slaves/nvme0n1/dev");
    bottom_of(254, 5, 259, 0);
    assert_false(avm_blockdev_shares(root, &(struct avm_blockdev){ 259, 0 }));
    put("8:0 enable=0\n259:0 enable=1 ctrl=auto\n",
        "sys/fs/cgroup/io.cost.qos");
    assert_true(avm_blockdev_shares(root, &(struct avm_blockdev){ 259, 0 }));
    assert_false(avm_blockdev_shares(root, &b));

    /* A circle, which /sys has never shown, ends. */
    put("254:5\n", "sys/dev/block/259:0/slaves/dm-5/dev");
    avm_blockdev_bottom(root, &b);

    /* A file in memory has no disk below; one that divides is the bottom. */
    put("/nowhere/disk.img\n", "sys/dev/block/7:0/loop/backing_file");
    bottom_of(7, 0, 7, 0);
    put("[bfq]\n", "sys/dev/block/254:5/queue/scheduler");
    bottom_of(254, 5, 254, 5);
}

static void no_disk_limits(void **state)
{
    avm_handle h = handle();
    char path[128];

    (void)state;
    assert_int_equal(avm_blkback_set(&h, 5, 1000000), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_non_null(strstr(h.error, "domain 5 has no vbd"));
    /* cgroup v1 only. */
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cgroup.controllers", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(avm_blkback_set(&h, 1, 1000000), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_non_null(strstr(h.error, "no cgroup v2"));
}

/* Of domain 1, as a sample shows it; what we wrote is 99 MB/s over two vifs. */
static bool has_drifted(avm_handle *h, struct avm_domain_sample *s)
{
    struct avm_config c;
    struct avm_domain d = { .domid = 1 };
    struct avm_memory m = { .domid = 1, .net_devices = 7 };
    struct avm_change x;

    avm_config_init(&c);
    memset(&s->params, 0, sizeof(s->params));
    avm_limits_read(h, s, 1);
    assert_true(s->params.can & AVM_CAN_NET_OUT);
    d.params = s->params;
    m.knob[AVM_KNOB_NET_OUT] = (struct avm_knob_memory){
        .known = true, .ours = true, .wrote = true, .last = 99000000,
        .devices = 7,
    };
    return avm_foreign_check(&c, &d, &m, AVM_KNOB_NET_OUT, 1000, &x);
}

/* Somebody takes the limit of one of two vifs away: that is drift, at once. */
static void rate_of_one_vif_removed(void **state)
{
    static const char one[] = "backend/vif/1/0/rate";
    static const char other[] = "backend/vif/1/1/rate";
    struct avm_params p = { .net_out_max_bps = 99000000 };
    struct avm_domain_sample s = {
        .domid = 1, .have = AVM_HAVE_NET, .net_devices = 7,
    };
    avm_handle h = handle();

    (void)state;
    assert_int_equal(avm_limits_set(&h, 1, &s.uuid, AVM_CAN_NET_OUT, &p), 0);
    assert_false(has_drifted(&h, &s));
    fake_rm(NULL, 0, one);
    assert_true(has_drifted(&h, &s));
    assert_int_equal(s.params.net_out_max_bps, 0);
    /* That is no limit any more, and so the rest of it is none. */
    assert_null(value_of(other));

    /* The rest is somebody else's, too. */
    assert_int_equal(avm_limits_set(&h, 1, &s.uuid, AVM_CAN_NET_OUT, &p), 0);
    fake_rm(NULL, 0, one);
    fake_write(NULL, 0, other, "50000,50000");
    assert_true(has_drifted(&h, &s));
    assert_string_equal(value_of(other), "50000,50000");

    /* A vif that came has none yet: it is for the loop to set it anew. */
    assert_int_equal(avm_limits_set(&h, 1, &s.uuid, AVM_CAN_NET_OUT, &p), 0);
    assert_false(has_drifted(&h, &s));
    fake_rm(NULL, 0, one);
    s.net_devices = 9;
    has_drifted(&h, &s);
    has_drifted(&h, &s);
    assert_string_equal(value_of(other), "1650000,50000");
    avm_netin_free(&h);
    free(h.entry);
    free(h.thread);

    /* Nor does who only watches take anything away. */
    h = handle();
    s.net_devices = 7;
    assert_true(has_drifted(&h, &s));
    assert_true(has_drifted(&h, &s));
    assert_string_equal(value_of(other), "1650000,50000");
    fake_rm(NULL, 0, other);
    avm_netin_free(&h);
    free(h.entry);
    free(h.thread);
}

/* Whose devices have gone has no limits: to take them away is done already. */
static void undo_of_what_is_gone(void **state)
{
    avm_handle h = handle();

    (void)state;
    assert_int_equal(avm_netback_set(&h, 9, 0), 0);
    assert_int_equal(avm_netback_set(&h, 9, 1000000), -1);
    assert_int_equal(errno, ENOTSUP);

    assert_int_equal(avm_blkback_set(&h, 9, 0), 0);
    assert_int_equal(avm_blkback_share_set(&h, 9, AVM_SHARE_NORMAL), 0);
    assert_int_equal(avm_uplink_set(&h, 9, AVM_SHARE_NORMAL), 0);
    assert_int_equal(avm_uplink_set(&h, 9, 400), -1);
    assert_int_equal(errno, ENOTSUP);

    /* The group of who served its disks is still there. */
    put("", "sys/fs/cgroup/avm/avm-9/io.max");
    put("25\n", "sys/fs/cgroup/avm/avm-9/io.bfq.weight");
    put("", "sys/fs/cgroup/avm/avm-9/cgroup.procs");
    assert_int_equal(avm_blkback_set(&h, 9, 0), 0);
    expect_file("avm/avm-9/io.bfq.weight", "25");
    /* That it ends would need a real cgroup, which goes with its files. */
    assert_int_equal(avm_blkback_share_set(&h, 9, AVM_SHARE_NORMAL), -1);
    assert_int_equal(errno, ENOTEMPTY);
    expect_file("avm/avm-9/io.bfq.weight", "100");
    assert_int_equal(avm_blkback_share_set(&h, 9, 25), -1);
    assert_int_equal(errno, ENOTSUP);
    free(h.thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate),
        cmocka_unit_test(bad_rate),
        cmocka_unit_test(rate_of_one_vif_removed),
        cmocka_unit_test(undo_of_what_is_gone),
        cmocka_unit_test(io_max),
        cmocka_unit_test(disk_share),
        cmocka_unit_test(bottom_disk),
        cmocka_unit_test(samples_look_in_turn),
        cmocka_unit_test(samples_share_threads),
        cmocka_unit_test(no_disk_limits),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
