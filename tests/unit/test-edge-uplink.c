/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shares of an uplink, with the kernel's own HTB, in a network namespace of the test's:
 * its loopback device is the uplink, and tap devices are the vifs. Which of them
 * are whose and behind what stands in a /sys of our own.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pkt_sched.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>

#include "edge.h"
#include "netns.h"

#define LINK_BPS 10000000u

static const struct avm_ops ops;
static avm_handle handle;
static struct nl_sock *sock;

/* The first vif of domain n, a port of the bridge. */
static void port_comes(unsigned int n)
{
    char link[512];

    vif_comes(n, 0);
    snprintf(link, sizeof(link), "%s/sys/class/net/vif%u.0/master", root, n);
    symlink("../xenbr0", link);
}

static int group_setup(void **state)
{
    char link[512];

    (void)state;
    if (!mkdtemp(root))
        return -1;
    if (!netns_enter())
        return 0;
    put("", "sys/class/net/lo/x");
    snprintf(link, sizeof(link), "%s/sys/class/net/lo/master", root);
    if (symlink("../xenbr0", link))
        return -1;
    sock = nl_socket_alloc();
    return nl_connect(sock, NETLINK_ROUTE);
}

static int group_teardown(void **state)
{
    char command[64];

    (void)state;
    nl_socket_free(sock);
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

static const struct avm_uplink uplink = { "lo", LINK_BPS };

static int setup(void **state)
{
    unsigned int n;

    (void)state;
    if (missing)
        return 0;
    handle = (avm_handle){ .ops = &ops, .sysroot = root };
    for (n = 1; n <= 3; n++)
        port_comes(n);
    return avm_uplinks_set(&handle, &uplink, 1);
}

static int teardown(void **state)
{
    (void)state;
    if (missing)
        return 0;
    avm_uplinks_set(&handle, NULL, 0);
    vifs_go();
    return 0;
}

/* The rate of a domain's class, bytes per second; 0: there is none. */
static uint64_t rate_of(uint32_t domid)
{
    struct nl_cache *cache;
    struct rtnl_class *c;
    uint64_t rate = 0;

    assert_int_equal(rtnl_class_alloc_cache(sock, if_nametoindex("lo"),
                                            &cache), 0);
    c = rtnl_class_get(cache, if_nametoindex("lo"), 0xa7a00010u + domid);
    if (c) {
        rtnl_htb_get_rate64(c, &rate);
        rtnl_class_put(c);
    }
    nl_cache_free(cache);
    return rate;
}

/* What is put at the root of the uplink, by somebody else. */
static int foreign_qdisc(bool there)
{
    struct rtnl_qdisc *q = rtnl_qdisc_alloc();
    int rc;

    rtnl_tc_set_ifindex(TC_CAST(q), if_nametoindex("lo"));
    rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
    if (there) {
        rtnl_tc_set_handle(TC_CAST(q), 0x10000);
        rtnl_tc_set_kind(TC_CAST(q), "htb");
        rc = rtnl_qdisc_add(sock, q, NLM_F_CREATE);
    } else {
        rc = rtnl_qdisc_delete(sock, q);
    }
    rtnl_qdisc_put(q);
    return rc;
}

static bool qdisc_there(void)
{
    struct nl_cache *cache;
    struct rtnl_qdisc *q;

    assert_int_equal(rtnl_qdisc_alloc_cache(sock, &cache), 0);
    q = rtnl_qdisc_get(cache, if_nametoindex("lo"), 0xa7a00000u);
    if (q)
        rtnl_qdisc_put(q);
    nl_cache_free(cache);
    return q;
}

static uint32_t share(uint32_t domid)
{
    uint32_t w;

    assert_int_equal(avm_uplink_get(&handle, domid, &w), 0);
    return w;
}

static void near(uint64_t value, uint64_t expected)
{
    assert_in_range(value, expected - expected / 100, expected + expected / 100);
}

/* All of the domains and all else have their part by weight. */
static void test_weights(void **state)
{
    (void)state;
    need();
    assert_false(qdisc_there());
    assert_int_equal(share(1), 100);
    assert_int_equal(avm_uplink_set(&handle, 1, 400), 0);
    assert_int_equal(share(1), 400);
    assert_int_equal(share(2), 100);
    /* 400 + 2 * 100, and 400 for what is nobody's. */
    near(rate_of(1), LINK_BPS / 10 * 4);
    near(rate_of(2), LINK_BPS / 10);

    assert_int_equal(avm_uplink_set(&handle, 2, 25), 0);
    assert_int_equal(share(1), 400);
    assert_int_equal(share(2), 25);
    near(rate_of(2), LINK_BPS * 25ull / 925);
}

/* As before: nothing of ours is left. */
static void test_all_normal_again(void **state)
{
    (void)state;
    need();
    assert_int_equal(avm_uplink_set(&handle, 1, 400), 0);
    assert_int_equal(avm_uplink_set(&handle, 2, 25), 0);
    assert_int_equal(avm_uplink_set(&handle, 1, 100), 0);
    assert_true(qdisc_there());
    assert_int_equal(avm_uplink_set(&handle, 2, 100), 0);
    assert_false(qdisc_there());
}

/* An agent that comes after one that was killed. */
static void test_found_again(void **state)
{
    (void)state;
    need();
    assert_int_equal(avm_uplink_set(&handle, 1, 400), 0);
    avm_uplinks_free(&handle);
    assert_int_equal(avm_uplinks_set(&handle, &uplink, 1), 0);
    assert_int_equal(share(1), 400);
    assert_int_equal(avm_uplink_set(&handle, 3, 25), 0);
    assert_int_equal(share(1), 400);
    assert_int_equal(share(3), 25);
}

static void read_samples(struct avm_domain_sample *dom, size_t nr)
{
    size_t i;

    memset(dom, 0, nr * sizeof(*dom));
    for (i = 0; i < nr; i++)
        dom[i].domid = i;
    avm_uplinks_read(&handle, dom, nr);
}

static void test_vifs_come_and_go(void **state)
{
    struct avm_domain_sample dom[6];

    (void)state;
    need();
    assert_int_equal(avm_uplink_set(&handle, 1, 400), 0);
    port_comes(4);
    read_samples(dom, 6);
    assert_int_equal(dom[1].net_link, 1);
    assert_int_equal(dom[1].net_link_bps, LINK_BPS);
    assert_int_equal(dom[1].params.net_share, 400);
    assert_true(dom[1].params.can & AVM_CAN_NET_SHARE);
    assert_int_equal(dom[4].params.net_share, 100);
    assert_int_equal(dom[5].net_link, 0);
    assert_false(dom[5].params.can & AVM_CAN_NET_SHARE);
    near(rate_of(4), LINK_BPS / 11);

    vif_goes(4, 0);
    read_samples(dom, 6);
    assert_int_equal(rate_of(4), 0);
    near(rate_of(1), LINK_BPS / 10 * 4);

    /* The only one with a share of its own: no reason for a qdisc any more. */
    vif_goes(1, 0);
    read_samples(dom, 6);
    assert_false(qdisc_there());
}

static void test_foreign_qdisc_is_left_alone(void **state)
{
    struct avm_domain_sample dom[4];

    (void)state;
    need();
    assert_int_equal(foreign_qdisc(true), 0);
    assert_int_equal(avm_uplink_set(&handle, 1, 400), -1);
    assert_int_equal(errno, EBUSY);
    assert_string_equal(handle.error,
                        "lo has a qdisc that is not ours: left alone");
    read_samples(dom, 4);
    assert_false(dom[1].params.can & AVM_CAN_NET_SHARE);
    assert_int_equal(foreign_qdisc(false), 0);
    assert_int_equal(avm_uplink_set(&handle, 1, 400), 0);
}

static void test_link_is_given_up(void **state)
{
    (void)state;
    need();
    assert_int_equal(avm_uplink_set(&handle, 1, 400), 0);
    assert_int_equal(avm_uplinks_set(&handle, NULL, 0), 0);
    assert_false(qdisc_there());
}

static void test_bad_values(void **state)
{
    struct avm_uplink bad = { "gone0", 1000 };

    (void)state;
    need();
    assert_int_equal(avm_uplink_set(&handle, 1, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(avm_uplink_set(&handle, 1, 10001), -1);
    assert_int_equal(avm_uplink_set(&handle, 5, 400), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_false(qdisc_there());

    assert_int_equal(avm_uplinks_set(&handle, &bad, 1), 0);
    assert_int_equal(avm_uplink_set(&handle, 1, 400), -1);
    assert_int_equal(errno, ENODEV);
    bad.bps = 0;
    assert_int_equal(avm_uplinks_set(&handle, &bad, 1), -1);
    assert_int_equal(errno, EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_weights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_normal_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_found_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vifs_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_qdisc_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_link_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_values, setup, teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
