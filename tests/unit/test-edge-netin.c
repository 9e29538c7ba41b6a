/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guests may receive, with the kernel's own TBF: see netns.h. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pkt_sched.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>

#include "edge.h"
#include "netns.h"

#define OURS 0xa7a10000u

static const struct avm_ops ops;
static avm_handle handle;
static struct nl_sock *sock;

/* ------------------------------------------------------------------------ */
/* A kernel without TBF, one without qdiscs, and how often it is asked       */

static bool no_module, no_qdiscs;
static unsigned int lists;
static const char *operator_was_faster; /* on this vif                        */

static void operator_qdisc(const char *vif, uint32_t number, bool there);

int nl_send_sync(struct nl_sock *s, struct nl_msg *msg)
{
    static int (*real)(struct nl_sock *, struct nl_msg *);

    if (no_module && nlmsg_hdr(msg)->nlmsg_type == RTM_NEWQDISC) {
        nlmsg_free(msg);
        return -NLE_OBJ_NOTFOUND;
    }
    if (operator_was_faster && nlmsg_hdr(msg)->nlmsg_type == RTM_NEWQDISC) {
        const char *vif = operator_was_faster;

        operator_was_faster = NULL;
        operator_qdisc(vif, 0x10000, true);
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "nl_send_sync");
    return real(s, msg);
}

int nl_send_simple(struct nl_sock *s, int type, int flags, void *buf,
                   size_t size)
{
    static int (*real)(struct nl_sock *, int, int, void *, size_t);

    lists += type == RTM_GETQDISC;
    if (no_qdiscs)
        return -NLE_OPNOTSUPP;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "nl_send_simple");
    return real(s, type, flags, buf, size);
}

/* ------------------------------------------------------------------------ */

static int group_setup(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    if (!netns_enter())
        return 0;
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

/* Domain 1 has two vifs, domain 2 one, domain 3 none. */
static int setup(void **state)
{
    (void)state;
    if (missing)
        return 0;
    handle = (avm_handle){ .ops = &ops, .sysroot = root };
    vif_comes(1, 0);
    vif_comes(1, 1);
    vif_comes(2, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    no_module = no_qdiscs = false;
    vifs_go();
    avm_netin_free(&handle);
    free(handle.entry);
    return 0;
}

/* The qdisc with a number at the root of a vif; NULL: there is none. */
static struct rtnl_qdisc *qdisc_of(const char *vif, struct nl_cache **cache)
{
    struct rtnl_qdisc *q;

    assert_int_equal(rtnl_qdisc_alloc_cache(sock, cache), 0);
    q = rtnl_qdisc_get_by_parent(*cache, (int)if_nametoindex(vif), TC_H_ROOT);
    if (q && !rtnl_tc_get_handle(TC_CAST(q))) {
        rtnl_qdisc_put(q);
        q = NULL;
    }
    return q;
}

/* Bytes per second of our qdisc on a vif, 0: none. It takes the largest packet. */
static uint64_t rate_of(const char *vif)
{
    struct nl_cache *cache;
    struct rtnl_qdisc *q = qdisc_of(vif, &cache);
    uint64_t rate = 0;

    if (q && rtnl_tc_get_handle(TC_CAST(q)) == OURS) {
        assert_string_equal(rtnl_tc_get_kind(TC_CAST(q)), "tbf");
        rate = (uint64_t)rtnl_qdisc_tbf_get_rate(q);
        assert_true(rtnl_qdisc_tbf_get_limit(q) >= 2 * 65536);
        /* libnl counts it in microseconds. */
        assert_true(rtnl_qdisc_tbf_get_rate_bucket(q) >= 130000);
    }
    if (q)
        rtnl_qdisc_put(q);
    nl_cache_free(cache);
    return rate;
}

static bool has_foreign(const char *vif)
{
    struct nl_cache *cache;
    struct rtnl_qdisc *q = qdisc_of(vif, &cache);
    bool foreign = q && strcmp(rtnl_tc_get_kind(TC_CAST(q)), "tbf");

    if (q)
        rtnl_qdisc_put(q);
    nl_cache_free(cache);
    return foreign;
}

/* An operator puts an HTB there, in the place of what is there, or takes it away. */
static void operator_qdisc(const char *vif, uint32_t number, bool there)
{
    struct rtnl_qdisc *q = rtnl_qdisc_alloc();
    int rc;

    rtnl_tc_set_ifindex(TC_CAST(q), (int)if_nametoindex(vif));
    rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
    if (there) {
        rtnl_tc_set_handle(TC_CAST(q), number);
        rtnl_tc_set_kind(TC_CAST(q), "htb");
        rc = rtnl_qdisc_add(sock, q, NLM_F_CREATE | NLM_F_REPLACE);
    } else {
        rc = rtnl_qdisc_delete(sock, q);
    }
    rtnl_qdisc_put(q);
    assert_int_equal(rc, 0);
}

static uint64_t limit_of(uint32_t domid)
{
    bool foreign;
    uint64_t bps;

    assert_int_equal(avm_netin_get(&handle, domid, &bps, &foreign), 0);
    return bps;
}

static void divided_among_vifs(void **state)
{
    (void)state;
    need();
    assert_int_equal(limit_of(1), 0);
    assert_int_equal(avm_netin_set(&handle, 1, 10000000), 0);
    assert_int_equal(rate_of("vif1.0"), 5000000);
    assert_int_equal(rate_of("vif1.1"), 5000000);
    assert_int_equal(rate_of("vif2.0"), 0);
    assert_int_equal(limit_of(1), 10000000);
    assert_int_equal(limit_of(2), 0);

    assert_int_equal(avm_netin_set(&handle, 1, 300000), 0);
    assert_int_equal(rate_of("vif1.1"), 150000);
    assert_int_equal(avm_netin_set(&handle, 2, 1000000), 0);
    assert_int_equal(limit_of(1), 300000);

    assert_int_equal(avm_netin_set(&handle, 1, 0), 0);
    assert_int_equal(rate_of("vif1.0"), 0);
    assert_int_equal(rate_of("vif1.1"), 0);
    assert_int_equal(limit_of(1), 0);
    assert_int_equal(limit_of(2), 1000000);
    assert_int_equal(avm_netin_set(&handle, 1, 0), 0);
}

static void slow_and_fast(void **state)
{
    static const uint64_t bps[] = {
        1024, 65536, 4294967295, 4294967296, 1000000000000,
    };
    size_t i;

    (void)state;
    need();
    for (i = 0; i < sizeof(bps) / sizeof(bps[0]); i++) {
        assert_int_equal(avm_netin_set(&handle, 2, bps[i]), 0);
        assert_true(limit_of(2) == bps[i]);
    }
    assert_int_equal(avm_netin_set(&handle, 1, 2047), -1);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(handle.error, "domain 1: 2047 bytes/s is no rate for 2 "
                        "vifs");
    assert_int_equal(avm_netin_set(&handle, 1, UINT64_MAX), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(rate_of("vif1.0"), 0);
    assert_int_equal(avm_netin_set(&handle, 3, 1000000), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_string_equal(handle.error,
                        "domain 3 has no vif with its back-end here");
    /* Nothing is what it has already. */
    assert_int_equal(avm_netin_set(&handle, 3, 0), 0);
}

/* Who comes after an avmd that was killed. */
static void found_again(void **state)
{
    (void)state;
    need();
    assert_int_equal(avm_netin_set(&handle, 1, 4000000), 0);
    avm_netin_free(&handle);
    assert_int_equal(limit_of(1), 4000000);
    assert_int_equal(avm_netin_set(&handle, 1, 0), 0);
    assert_int_equal(rate_of("vif1.1"), 0);
}

static void foreign_qdisc_is_left_alone(void **state)
{
    bool foreign;
    uint64_t bps;

    (void)state;
    need();
    operator_qdisc("vif1.1", 0x10000, true);
    assert_int_equal(avm_netin_set(&handle, 1, 1000000), -1);
    assert_int_equal(errno, EBUSY);
    assert_string_equal(handle.error,
                        "vif1.1 has a qdisc that is not ours: left alone");
    assert_int_equal(rate_of("vif1.0"), 0);
    assert_true(has_foreign("vif1.1"));
    assert_int_equal(avm_netin_get(&handle, 1, &bps, &foreign), 0);
    assert_true(foreign);

    operator_qdisc("vif1.1", 0, false);
    assert_int_equal(avm_netin_set(&handle, 1, 1000000), 0);

    /* In the place of ours: no limit of the domain, and not ours to end. */
    operator_qdisc("vif1.1", 0x10000, true);
    assert_int_equal(limit_of(1), 0);
    assert_int_equal(avm_netin_set(&handle, 1, 0), 0);
    assert_int_equal(rate_of("vif1.0"), 0);
    assert_true(has_foreign("vif1.1"));

    /* Our number does not make it ours. */
    operator_qdisc("vif2.0", OURS, true);
    assert_int_equal(avm_netin_get(&handle, 2, &bps, &foreign), 0);
    assert_true(foreign);
    assert_int_equal(avm_netin_set(&handle, 2, 1000000), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(avm_netin_set(&handle, 2, 0), 0);
    assert_true(has_foreign("vif2.0"));
}

/* One that somebody put there after we looked. */
static void foreign_qdisc_comes_between(void **state)
{
    (void)state;
    need();
    operator_was_faster = "vif2.0";
    assert_int_equal(avm_netin_set(&handle, 2, 1000000), -1);
    assert_int_equal(errno, EBUSY);
    assert_string_equal(handle.error,
                        "vif2.0 has a qdisc that is not ours: left alone");
    assert_true(has_foreign("vif2.0"));
}

static void vif_that_is_gone_is_no_error(void **state)
{
    (void)state;
    need();
    assert_int_equal(avm_netin_set(&handle, 1, 4000000), 0);
    vif_goes(1, 1);
    assert_int_equal(limit_of(1), 2000000);
    assert_int_equal(avm_netin_set(&handle, 1, 4000000), 0);
    assert_int_equal(rate_of("vif1.0"), 4000000);
    vif_goes(1, 0);
    assert_int_equal(limit_of(1), 0);
    assert_int_equal(avm_netin_set(&handle, 1, 0), 0);
}

/* ------------------------------------------------------------------------ */
/* In samples                                                               */

static void sample(struct avm_domain_sample d[2], uint64_t devices)
{
    unsigned int i;

    memset(d, 0, 2 * sizeof(*d));
    for (i = 0; i < 2; i++) {
        d[i].domid = 1 + i;
        d[i].have = AVM_HAVE_NET;
        d[i].net_devices = devices;
    }
    handle.in_sample = true;
    avm_limits_read(&handle, d, 2);
    handle.in_sample = false;
}

static int set_limit(uint32_t domid, uint64_t bps)
{
    struct avm_params p = { .net_in_max_bps = bps };
    static const struct avm_uuid uuid;

    return avm_limits_set(&handle, domid, &uuid, AVM_CAN_NET_IN, &p);
}

static void samples_have_it(void **state)
{
    struct avm_domain_sample d[2];
    struct avm_params p = { 0 };

    (void)state;
    need();
    sample(d, 1);
    assert_true(d[0].params.can & AVM_CAN_NET_IN);
    assert_int_equal(d[0].params.net_in_max_bps, 0);
    assert_int_equal(set_limit(1, 2000000), 0);
    sample(d, 1);
    assert_int_equal(d[0].params.net_in_max_bps, 2000000);
    assert_int_equal(d[1].params.net_in_max_bps, 0);
    assert_int_equal(avm_limits_get(&handle, 1, &p), 0);
    assert_true(p.can & AVM_CAN_NET_IN);
    assert_int_equal(p.net_in_max_bps, 2000000);
}

static void samples_share_a_list(void **state)
{
    struct avm_domain_sample d[2];
    unsigned int i;

    (void)state;
    need();
    lists = 0;
    for (i = 0; i < 8; i++)
        sample(d, 1);
    assert_int_equal(lists, 2);
    /* What we do is seen at once, what others do a little later. */
    assert_int_equal(set_limit(2, 2000000), 0);
    sample(d, 1);
    assert_int_equal(d[1].params.net_in_max_bps, 2000000);
    operator_qdisc("vif2.0", 0, false);
    for (i = 0; i < 4; i++)
        sample(d, 1);
    assert_int_equal(d[1].params.net_in_max_bps, 0);
}

static void new_vif_gets_its_part(void **state)
{
    struct avm_domain_sample d[2];
    unsigned int i;

    (void)state;
    need();
    vif_goes(1, 1);
    sample(d, 1);
    assert_int_equal(set_limit(1, 2000000), 0);
    assert_int_equal(rate_of("vif1.0"), 2000000);
    vif_comes(1, 1);
    sample(d, 2);
    assert_int_equal(rate_of("vif1.0"), 1000000);
    assert_int_equal(rate_of("vif1.1"), 1000000);
    assert_int_equal(d[0].params.net_in_max_bps, 2000000);
    assert_int_equal(rate_of("vif2.0"), 0);

    /* What was taken away on purpose is not put back, and the rest goes, too. */
    operator_qdisc("vif1.1", 0, false);
    for (i = 0; i < 4; i++)
        sample(d, 2);
    assert_int_equal(rate_of("vif1.1"), 0);
    assert_int_equal(rate_of("vif1.0"), 0);
    assert_int_equal(d[0].params.net_in_max_bps, 0);
}

/* Ours on one vif would stay for good: nobody would know that it is there. */
static void foreign_qdisc_ends_the_rest(void **state)
{
    struct avm_domain_sample d[2];
    unsigned int i;

    (void)state;
    need();
    sample(d, 1);
    assert_int_equal(set_limit(1, 2000000), 0);
    operator_qdisc("vif1.0", 0x10000, true);
    for (i = 0; i < 4; i++)
        sample(d, 1);
    assert_int_equal(rate_of("vif1.1"), 0);
    assert_true(has_foreign("vif1.0"));

    /* One that comes with it: no part for it. */
    operator_qdisc("vif1.0", 0, false);
    vif_goes(1, 1);
    assert_int_equal(set_limit(1, 2000000), 0);
    vif_comes(1, 1);
    operator_qdisc("vif1.1", 0x10000, true);
    sample(d, 2);
    assert_int_equal(rate_of("vif1.0"), 0);
    assert_true(has_foreign("vif1.1"));
}

/* It may be the half of what somebody else is doing just now. */
static void who_only_watches_changes_nothing(void **state)
{
    struct avm_domain_sample d[2];
    unsigned int i;

    (void)state;
    need();
    assert_int_equal(avm_netin_set(&handle, 1, 4000000), 0);
    operator_qdisc("vif1.1", 0, false);
    avm_netin_free(&handle);
    for (i = 0; i < 8; i++) {
        sample(d, 1 + i / 4);
        assert_int_equal(d[0].params.net_in_max_bps, 0);
    }
    assert_int_equal(rate_of("vif1.0"), 2000000);
    assert_int_equal(rate_of("vif1.1"), 0);
}

/* It is asked for once, and then not until the reason is gone. */
static void given_up(void **state)
{
    struct avm_domain_sample d[2];
    unsigned int i;

    (void)state;
    need();
    operator_qdisc("vif1.1", 0x10000, true);
    sample(d, 1);
    assert_true(d[0].params.can & AVM_CAN_NET_IN);
    assert_int_equal(set_limit(1, 2000000), -1);
    assert_int_equal(errno, EBUSY);
    for (i = 0; i < 8; i++) {
        sample(d, 1);
        assert_false(d[0].params.can & AVM_CAN_NET_IN);
        assert_true(d[0].params.can & AVM_CAN_NET_OUT);
        assert_true(d[1].params.can & AVM_CAN_NET_IN);
    }
    /* As an agent does with what failed. */
    assert_int_equal(set_limit(1, 0), 0);
    sample(d, 1);
    assert_false(d[0].params.can & AVM_CAN_NET_IN);

    operator_qdisc("vif1.1", 0, false);
    for (i = 0; i < 4; i++)
        sample(d, 1);
    assert_true(d[0].params.can & AVM_CAN_NET_IN);
    assert_int_equal(set_limit(1, 2000000), 0);
}

static void no_tbf_module(void **state)
{
    struct avm_domain_sample d[2];

    (void)state;
    need();
    sample(d, 1);
    no_module = true;
    assert_int_equal(set_limit(1, 2000000), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_string_equal(handle.error, "no TBF (sch_tbf): net-in is given up");
    /* No domain is asked any more. */
    sample(d, 1);
    assert_false(d[0].params.can & AVM_CAN_NET_IN);
    assert_false(d[1].params.can & AVM_CAN_NET_IN);
    assert_true(d[1].params.can & AVM_CAN_NET_OUT);
    assert_int_equal(set_limit(1, 0), 0);
}

static void no_qdiscs_in_the_kernel(void **state)
{
    struct avm_domain_sample d[2];
    struct avm_params p = { 0 };

    (void)state;
    need();
    no_qdiscs = true;
    sample(d, 1);
    assert_false(d[0].params.can & AVM_CAN_NET_IN);
    assert_true(d[0].params.can & AVM_CAN_NET_OUT);
    assert_int_equal(avm_limits_get(&handle, 1, &p), 0);
    assert_false(p.can & AVM_CAN_NET_IN);
    assert_true(p.can & AVM_CAN_NET_OUT);
    assert_int_equal(set_limit(1, 2000000), -1);
    assert_non_null(strstr(handle.error, "its qdiscs cannot be read"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(divided_among_vifs),
        TEST(slow_and_fast),
        TEST(found_again),
        TEST(foreign_qdisc_is_left_alone),
        TEST(foreign_qdisc_comes_between),
        TEST(vif_that_is_gone_is_no_error),
        TEST(samples_have_it),
        TEST(samples_share_a_list),
        TEST(new_vif_gets_its_part),
        TEST(foreign_qdisc_ends_the_rest),
        TEST(who_only_watches_changes_nothing),
        TEST(given_up),
        TEST(no_tbf_module),
        TEST(no_qdiscs_in_the_kernel),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
