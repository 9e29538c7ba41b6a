/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network and disk counters, from a /sys and links of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "edge.h"
#include "sysroot.h"

/* Links, with names that have changed since /sys was filled in. */
static struct {
    struct avm_link link[8];
    const char *name[8];
    size_t nr;
    int fails;                   /* errno                                    */
    unsigned int names_asked;
} net;

static int fake_links(void *ctx, struct avm_link **link, size_t *nr)
{
    (void)ctx;
    if (net.fails) {
        errno = net.fails;
        return -1;
    }
    *nr = net.nr;
    *link = malloc(sizeof(net.link));
    memcpy(*link, net.link, sizeof(net.link));
    return 0;
}

static bool fake_link_name(void *ctx, uint32_t ifindex, char *name)
{
    size_t i;

    (void)ctx;
    net.names_asked++;
    for (i = 0; i < net.nr; i++)
        if (net.link[i].ifindex == ifindex && net.name[i]) {
            snprintf(name, AVM_IFNAME, "%s", net.name[i]);
            return true;
        }
    return false;
}

static const struct avm_ops only_sysfs, with_links = {
    .links = fake_links, .link_name = fake_link_name,
};

static avm_handle handle(const struct avm_ops *ops, char *sysroot)
{
    return (avm_handle){ .ops = ops, .sysroot = sysroot };
}

static void drop(avm_handle *h)
{
    free(h->vif);
    avm_disk_forget(h);
}

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

    avm_handle h = handle(&only_sysfs, root);

    (void)state;
    assert_int_equal(avm_net_read(&h, d, 3), 0);
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

    avm_handle h = handle(&only_sysfs, root);

    (void)state;
    assert_int_equal(avm_disk_read(&h, d, 3), 0);
    assert_int_equal(d[1].have, AVM_HAVE_DISK);
    assert_int_equal(d[1].count.disk_rd_reqs, 30);
    assert_int_equal(d[1].count.disk_wr_reqs, 32);
    assert_int_equal(d[1].count.disk_oo_reqs, 34);
    assert_int_equal(d[1].count.disk_rd_bytes, (13 + 23) * 512);
    assert_int_equal(d[1].count.disk_wr_bytes, (14 + 24) * 512);
    /* One counter cannot be read: nothing of this disk is believed. */
    assert_int_equal(d[2].have, 0);
    assert_int_equal(d[2].count.disk_rd_reqs, 0);
    drop(&h);
}

static void add_link(uint32_t ifindex, const char *name, uint64_t n)
{
    net.link[net.nr] = (struct avm_link){
        .ifindex = ifindex, .rx_bytes = n, .tx_bytes = n + 1,
        .rx_packets = n + 2, .tx_packets = n + 3, .rx_dropped = n + 4,
        .tx_dropped = n + 5,
    };
    net.name[net.nr++] = name;
}

static void read_links(avm_handle *h, struct avm_domain_sample *d)
{
    memset(d, 0, 2 * sizeof(*d));
    d[0].domid = 1;
    d[1].domid = 3;
    net.names_asked = 0;
    assert_int_equal(avm_net_read(h, d, 2), 0);
}

static void network_by_links(void **state)
{
    avm_handle h = handle(&with_links, root);
    struct avm_domain_sample d[2];
    uint64_t devices;

    (void)state;
    memset(&net, 0, sizeof(net));
    add_link(30, "renamed", 100);
    add_link(1, "lo", 7);
    add_link(12, "vif1.1", 2000);
    add_link(11, "vif1.0", 1000);
    add_link(11, "vif1.0", 1000); /* there twice: counted once */
    add_link(13, "vif1.0-emu", 5000);
    add_link(14, "vif9.0", 7);
    read_links(&h, d);
    assert_int_equal(net.names_asked, 6);
    assert_int_equal(d[0].have, AVM_HAVE_NET);
    assert_int_equal(d[0].count.net_rx_bytes, 1001 + 2001);
    assert_int_equal(d[0].count.net_tx_bytes, 1000 + 2000);
    assert_int_equal(d[0].count.net_rx_packets, 1003 + 2003);
    assert_int_equal(d[0].count.net_tx_packets, 1002 + 2002);
    assert_int_equal(d[0].count.net_drops, 1004 + 1005 + 2004 + 2005);
    assert_int_equal(d[1].count.net_tx_bytes, 100);
    devices = d[0].net_devices;
    assert_int_not_equal(devices, 0);

    /* Whose it is does not change, whatever it is called. */
    net.name[3] = "lo";
    net.link[3].rx_bytes = net.link[4].rx_bytes = 1500;
    read_links(&h, d);
    assert_int_equal(net.names_asked, 0);
    assert_int_equal(d[0].count.net_tx_bytes, 1500 + 2000);
    assert_int_equal(d[0].net_devices, devices);

    /* One goes, and comes again as another one, with a name at first not known. */
    net.nr = 3;
    read_links(&h, d);
    assert_int_equal(d[0].count.net_tx_bytes, 2000);
    add_link(99, NULL, 40);
    read_links(&h, d);
    assert_int_equal(d[0].count.net_tx_bytes, 2000);
    net.name[3] = "vif1.0";
    read_links(&h, d);
    assert_int_equal(d[0].count.net_tx_bytes, 2040);
    assert_int_not_equal(d[0].net_devices, devices);

    net.fails = EPERM;
    assert_int_equal(avm_net_read(&h, d, 2), -1);
    assert_int_equal(errno, EPERM);
    net.fails = ENOTSUP; /* /sys then */
    read_links(&h, d);
    assert_int_equal(d[0].count.net_tx_bytes, 1000 + 2000);
    drop(&h);
}

/* An answer of the kernel, put together as it would be. */
struct answer {
    _Alignas(8) char b[1024];
    size_t len;
};

static struct nlmsghdr *message(struct answer *a, uint16_t type, size_t body)
{
    struct nlmsghdr *m = (struct nlmsghdr *)(a->b + a->len);

    memset(m, 0, NLMSG_SPACE(body));
    m->nlmsg_type = type;
    m->nlmsg_len = NLMSG_LENGTH(body);
    a->len += NLMSG_SPACE(body);
    return m;
}

static struct nlmsghdr *stats(struct answer *a, uint32_t ifindex,
                              uint16_t type, size_t size, uint64_t n)
{
    struct nlmsghdr *m = message(a, RTM_NEWSTATS,
                                 sizeof(struct if_stats_msg) +
                                 RTA_SPACE(size));
    struct if_stats_msg *s = NLMSG_DATA(m);
    struct rtattr *at = (struct rtattr *)(s + 1);
    struct rtnl_link_stats64 v = {
        .rx_packets = n, .tx_packets = n + 1, .rx_bytes = n + 2,
        .tx_bytes = n + 3, .rx_dropped = n + 4, .tx_dropped = n + 5,
    };

    s->ifindex = ifindex;
    at->rta_type = type;
    at->rta_len = RTA_LENGTH(size);
    memcpy(RTA_DATA(at), &v, size < sizeof(v) ? size : sizeof(v));
    return m;
}

static void answers(void **state)
{
    size_t old = offsetof(struct rtnl_link_stats64, rx_nohandler), nr = 0, i;
    struct avm_link *link = NULL;
    struct answer a = { .len = 0 };
    struct nlmsgerr *e;
    bool torn = false;

    (void)state;
    stats(&a, 5, IFLA_STATS_LINK_64, sizeof(struct rtnl_link_stats64), 100);
    stats(&a, 6, IFLA_STATS_LINK_64, old, 200);
    stats(&a, 7, IFLA_STATS_LINK_64, 8, 300);            /* too short        */
    stats(&a, 8, IFLA_STATS_LINK_XSTATS, sizeof(struct rtnl_link_stats64), 1);
    assert_int_equal(avm_links_parse(a.b, a.len, &link, &nr, &torn), 0);
    assert_int_equal(nr, 2);
    assert_int_equal(link[0].ifindex, 5);
    assert_int_equal(link[0].rx_packets, 100);
    assert_int_equal(link[0].tx_packets, 101);
    assert_int_equal(link[0].rx_bytes, 102);
    assert_int_equal(link[0].tx_bytes, 103);
    assert_int_equal(link[0].rx_dropped, 104);
    assert_int_equal(link[0].tx_dropped, 105);
    assert_int_equal(link[1].ifindex, 6);
    assert_int_equal(link[1].tx_dropped, 205);
    assert_false(torn);

    a.len = 0;
    for (i = 0; i < 3; i++)
        stats(&a, 20 + i, IFLA_STATS_LINK_64, old, i);
    message(&a, NLMSG_DONE, 4)->nlmsg_flags = NLM_F_DUMP_INTR;
    assert_int_equal(avm_links_parse(a.b, a.len, &link, &nr, &torn), 1);
    assert_int_equal(nr, 5);
    assert_int_equal(link[4].ifindex, 22);
    assert_true(torn);

    /* Cut anywhere, nothing is read that is not there. */
    for (i = 0; i < a.len; i++) {
        char *copy = malloc(i ? i : 1);

        memcpy(copy, a.b, i);
        assert_in_range(avm_links_parse(copy, i, &link, &nr, &torn), 0, 1);
        free(copy);
    }

    a.len = 0;
    e = NLMSG_DATA(message(&a, NLMSG_ERROR, sizeof(*e)));
    e->error = -EOPNOTSUPP;
    assert_int_equal(avm_links_parse(a.b, a.len, &link, &nr, &torn), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    free(link);
}

/* The kernel this runs on: lo is there, and goes by that name. */
static void this_kernel(void **state)
{
    struct avm_link *link;
    char name[AVM_IFNAME];
    bool lo = false;
    size_t nr, i;

    (void)state;
    if (avm_links_read(NULL, &link, &nr)) {
        assert_int_equal(errno, ENOTSUP);
        skip();
    }
    for (i = 0; i < nr; i++)
        lo |= avm_links_name(NULL, link[i].ifindex, name) &&
              !strcmp(name, "lo");
    assert_true(lo);
    assert_false(avm_links_name(NULL, 0x7ffffff0, name));
    free(link);
}

static uint64_t written(avm_handle *h)
{
    struct avm_domain_sample d = { .domid = 5 };

    assert_int_equal(avm_disk_read(h, &d, 1), 0);
    return d.have & AVM_HAVE_DISK ? d.count.disk_wr_bytes / 512 : UINT64_MAX;
}

#define VBD5 "sys/bus/xen-backend/devices/vbd-5-51712/"

/* They are read when the disk behind them moved, and now and then. */
static void disks_that_moved(void **state)
{
    avm_handle h = handle(&only_sysfs, root);
    char path[128];
    int i;

    (void)state;
    vbd("vbd-5-51712", 10); /* wr_sect is 14 */
    put("fd:10\n", VBD5 "physical_device");
    put("   7       0 loop0 1 2 3 4\n 253      16 dm-16 5 0 8 0\n",
        "proc/diskstats");
    assert_int_equal(written(&h), 14);
    put("20\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 14); /* nothing moved: not looked at */
    put("   7       0 loop0 1 2 3 5\n 253      16 dm-16 5 0 8 0\n",
        "proc/diskstats");
    assert_int_equal(written(&h), 14); /* another disk moved */
    put("   7       0 loop0 1 2 3 5\n 253      16 dm-16 5 0 8 1\n",
        "proc/diskstats");
    assert_int_equal(written(&h), 20);

    /* A disk that does not count any more: it takes a while. */
    put("30\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 20);
    for (i = 0; i < 40; i++)
        written(&h);
    assert_int_equal(written(&h), 30);

    /* One that never counted, or is not there: at once. */
    put(" 253      16 dm-16 0 0 0 0\n", "proc/diskstats");
    assert_int_equal(written(&h), 30);
    put("31\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 31);
    put(" 253      17 dm-17 1 1 1 1\n", "proc/diskstats");
    put("32\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 32);
    snprintf(path, sizeof(path), "%s/proc/diskstats", root);
    assert_int_equal(unlink(path), 0);
    put("33\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 33);

    /* What cannot be read is not believed, and is looked at again. */
    put(" 253      16 dm-16 5 0 8 2\n", "proc/diskstats");
    put("x\n", VBD5 "statistics/oo_req");
    assert_int_equal(written(&h), UINT64_MAX);
    put("1\n", VBD5 "statistics/oo_req");
    assert_int_equal(written(&h), 33);

    /* Another device by the same name is another one. */
    snprintf(path, sizeof(path), "mv %s/" VBD5 " %s/old", root, root);
    assert_int_equal(system(path), 0);
    vbd("vbd-5-51712", 40);
    assert_int_equal(written(&h), 44);
    drop(&h);
}

/* Files of a busy vbd stay open: not for long, nor when it is another one. */
static void busy_disks(void **state)
{
    avm_handle h = handle(&only_sysfs, root);
    char path[256], text[80];
    int i;

    (void)state;
    put("fd:10\n", VBD5 "physical_device");
    for (i = 1; i < 20; i++) {
        snprintf(text, sizeof(text), " 253      16 dm-16 5 0 8 %d\n",
                 i < 5 ? i : 5);
        put(text, "proc/diskstats");
        snprintf(text, sizeof(text), "%d\n", 100 + (i < 5 ? i : 5));
        put(text, VBD5 "statistics/wr_sect");
        assert_int_equal(written(&h), 100 + (i < 5 ? i : 5));
        /* Open from the second time on until 8 samples after the last. */
        assert_int_equal(h.vbds_open, i >= 2 && i < 5 + 8);
    }

    put(" 253      16 dm-16 5 0 8 6\n", "proc/diskstats");
    written(&h);
    assert_int_equal(h.vbds_open, 1);
    snprintf(path, sizeof(path), "rm -rf %s/old2; mv %s/" VBD5 " %s/old2", root,
             root, root);
    assert_int_equal(system(path), 0);
    assert_int_equal(written(&h), UINT64_MAX);
    assert_int_equal(h.vbds_open, 0);
    vbd("vbd-5-51712", 60);
    put("fd:10\n", VBD5 "physical_device");
    assert_int_equal(written(&h), 64);
    put(" 253      16 dm-16 5 0 8 7\n", "proc/diskstats");
    assert_int_equal(written(&h), 64);
    assert_int_equal(h.vbds_open, 1);
    drop(&h);
    assert_int_equal(h.vbds_open, 0);
}

/* More of them than a sample takes: the rest is late, and not zero. */
static void disks_in_turn(void **state)
{
    enum { NR = 300 };
    avm_handle h = handle(&only_sysfs, root);
    struct avm_domain_sample *d = calloc(NR, sizeof(*d));
    char name[32], path[256];
    uint64_t devices;
    int i, round, have, late;

    (void)state;
    assert_non_null(d);
    for (i = 0; i < NR; i++) {
        snprintf(name, sizeof(name), "vbd-%d-51712", 1000 + i);
        vbd(name, 10);
    }
    for (round = 0; round < 4; round++) {
        memset(d, 0, NR * sizeof(*d));
        for (i = 0; i < NR; i++)
            d[i].domid = 1000 + i;
        assert_int_equal(avm_disk_read(&h, d, NR), 0);
        for (have = late = i = 0; i < NR; i++) {
            have += !!(d[i].have & AVM_HAVE_DISK);
            late += !!(d[i].late & AVM_HAVE_DISK);
            assert_true(!!(d[i].have & AVM_HAVE_DISK) !=
                        !!(d[i].late & AVM_HAVE_DISK));
            assert_int_equal(d[i].count.disk_rd_reqs,
                             d[i].have & AVM_HAVE_DISK ? 10 : 0);
            assert_int_not_equal(d[i].disk_devices, 0);
        }
        assert_int_equal(have, round < 2 ? 128 * (round + 1) : NR);
        assert_int_equal(have + late, NR);
    }
    devices = d[NR - 1].disk_devices;

    /* One more of the last one: that is another set. */
    snprintf(name, sizeof(name), "vbd-%d-51728", 1000 + NR - 1);
    vbd(name, 20);
    d[0] = (struct avm_domain_sample){ .domid = 1000 + NR - 1 };
    assert_int_equal(avm_disk_read(&h, d, 1), 0);
    assert_int_equal(d[0].have, AVM_HAVE_DISK);
    assert_int_equal(d[0].count.disk_rd_reqs, 30);
    assert_int_not_equal(d[0].disk_devices, devices);

    snprintf(path, sizeof(path), "rm -r %s/sys/bus/xen-backend/devices/"
             "vbd-1[0-9][0-9][0-9]-*", root);
    assert_int_equal(system(path), 0);
    drop(&h);
    free(d);
}

/* Beyond what may be open they are all read, and those that are new get a turn. */
static void more_than_may_be_open(void **state)
{
    enum { NR = 400 };
    struct rlimit was, few = { 100, 100 }; /* 10 of them */
    struct avm_domain_sample *d = calloc(NR, sizeof(*d));
    avm_handle h = handle(&only_sysfs, root);
    char name[32], cmd[256];
    int i, round, have = 0;

    (void)state;
    assert_non_null(d);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (i = 0; i < NR; i++) {
        snprintf(name, sizeof(name), "vbd-%d-51712", 1000 + i);
        vbd(name, 10);
    }
    for (round = 0; round < 5; round++) {
        memset(d, 0, NR * sizeof(*d));
        for (i = 0; i < NR; i++)
            d[i].domid = 1000 + i;
        assert_int_equal(avm_disk_read(&h, d, NR), 0);
        assert_in_range(h.vbds_open, 1, 10);
    }
    for (i = 0; i < NR; i++)
        have += !!(d[i].have & AVM_HAVE_DISK);
    assert_int_equal(have, NR);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    snprintf(cmd, sizeof(cmd), "rm -r %s/sys/bus/xen-backend/devices/"
             "vbd-1[0-9][0-9][0-9]-*", root);
    assert_int_equal(system(cmd), 0);
    drop(&h);
    free(d);
}

/* New links in turn: until each is known, any domain may have one more. */
static bool numbered_name(void *ctx, uint32_t ifindex, char *name)
{
    (void)ctx;
    net.names_asked++;
    return snprintf(name, AVM_IFNAME, "turn%u", ifindex) < AVM_IFNAME;
}

static int many_links(void *ctx, struct avm_link **link, size_t *nr)
{
    uint32_t i;

    (void)ctx;
    *nr = net.nr;
    *link = calloc(*nr, sizeof(**link));
    for (i = 0; i < *nr; i++)
        (*link)[i] = (struct avm_link){ .ifindex = 1 + i, .rx_bytes = 10 };
    return 0;
}

static void links_in_turn(void **state)
{
    static const struct avm_ops ops = {
        .links = many_links, .link_name = numbered_name,
    };
    avm_handle h = handle(&ops, root);
    struct avm_domain_sample d;
    int round;

    (void)state;
    put("backend/vif/1/0\n", "sys/class/net/turn1/device/nodename");
    put("backend/vif/1/1\n", "sys/class/net/turn200/device/nodename");
    net.nr = 200;
    net.names_asked = 0;
    for (round = 0; round < 3; round++) {
        d = (struct avm_domain_sample){ .domid = 1 };
        assert_int_equal(avm_net_read(&h, &d, 1), 0);
        assert_int_equal(net.names_asked, round ? 200 : 128);
        assert_int_equal(d.have, round ? AVM_HAVE_NET : 0);
        assert_int_equal(d.late, round ? 0 : AVM_HAVE_NET);
        assert_int_equal(d.count.net_tx_bytes, round ? 20 : 0);
    }
    drop(&h);
}

/* More lines than are read at a time. */
static void many_disks(void **state)
{
    avm_handle h = handle(&only_sysfs, root);
    char *text = malloc(40 * 1000), *p = text;
    int i;

    (void)state;
    for (i = 0; i < 1000; i++)
        p += sprintf(p, " 259 %7d nvme0n1p%d %d 2 3\n", i, i, i);
    put("103:3e7\n", VBD5 "physical_device"); /* 259:999 */
    put(text, "proc/diskstats");
    put("50\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 50);
    put("51\n", VBD5 "statistics/wr_sect");
    assert_int_equal(written(&h), 50);
    p[-2] = '4';
    put(text, "proc/diskstats");
    assert_int_equal(written(&h), 51);
    free(text);
    drop(&h);
}

static void no_devices_is_no_error(void **state)
{
    struct avm_domain_sample d = { .domid = 0 };
    char nowhere[] = "/nonexistent";
    avm_handle h = handle(&only_sysfs, nowhere);

    (void)state;
    assert_int_equal(avm_net_read(&h, &d, 1), 0);
    assert_int_equal(avm_disk_read(&h, &d, 1), 0);
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
        cmocka_unit_test(network_by_links),
        cmocka_unit_test(answers),
        cmocka_unit_test(this_kernel),
        cmocka_unit_test(disks),
        cmocka_unit_test(disks_that_moved),
        cmocka_unit_test(busy_disks),
        cmocka_unit_test(disks_in_turn),
        cmocka_unit_test(more_than_may_be_open),
        cmocka_unit_test(links_in_turn),
        cmocka_unit_test(many_disks),
        cmocka_unit_test(no_devices_is_no_error),
        cmocka_unit_test(pairs),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
