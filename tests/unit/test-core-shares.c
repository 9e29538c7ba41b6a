/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares of links and disks: who gets more, who less, and when neither. */
#include "core-fixture.h"

#define LINK_BPS 1000000u
#define NR 4

static struct avm_domain dom[NR];
static struct avm_memory mem[NR];
static struct avm_wish wish[NR * AVM_WISHES_PER_DOMAIN];

static size_t decide(void)
{
    static struct fixture_room room;
    struct avm_scratch *s = room_init(&room);
    size_t n = 0;

    avm_decide_shares(dom, mem, NR, s, wish, &n);
    return n;
}

static const struct avm_wish *wish_of(size_t n, size_t who)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (wish[i].dom == who)
            return &wish[i];
    return NULL;
}

/* They send over one link, so many percent of it each. */
static void sends(size_t i, enum avm_role role, uint32_t percent)
{
    dom[i] = domain_of(i + 1, role, AVM_CLASS_NET, 100, 0);
    dom[i].params.can |= AVM_CAN_NET_SHARE | AVM_CAN_DISK_SHARE;
    dom[i].params.net_share = dom[i].params.disk_share = AVM_SHARE_NORMAL;
    dom[i].net_link = 1;
    dom[i].net_link_bps = LINK_BPS;
    dom[i].disk_group = 7;
    dom[i].smooth.net_tx_bps = percent * (LINK_BPS / 100);
    mem[i] = memory_for(&dom[i]);
}

static int setup(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < NR; i++)
        sends(i, AVM_ROLE_NORMAL, 0);
    return 0;
}

static void test_busy_link_by_role(void **state)
{
    size_t n;

    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 20);
    sends(1, AVM_ROLE_BACKGROUND, 50);
    sends(2, AVM_ROLE_NORMAL, 20);
    n = decide();
    assert_int_equal(n, 2);
    assert_int_equal(wish_of(n, 0)->knob, AVM_KNOB_NET_SHARE);
    assert_int_equal(wish_of(n, 0)->kind, AVM_WISH_GAIN);
    assert_int_equal(wish_of(n, 0)->to, 400);
    assert_int_equal(wish_of(n, 0)->gain_permille, 777);
    assert_string_equal(wish_of(n, 0)->reason, "interactive, and others make "
                        "77% of what the uplink does: four times the share of "
                        "a normal domain");
    assert_int_equal(wish_of(n, 1)->kind, AVM_WISH_GIVE);
    assert_int_equal(wish_of(n, 1)->to, 25);
}

/* One that has room for all: a share would change nothing. */
static void test_idle_link(void **state)
{
    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 20);
    sends(1, AVM_ROLE_BACKGROUND, 49);
    assert_int_equal(decide(), 0);
}

static void test_alone(void **state)
{
    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 90);
    sends(1, AVM_ROLE_BACKGROUND, 0);
    assert_int_equal(decide(), 0);

    /* Others in the background are nobody to give to. */
    sends(0, AVM_ROLE_BACKGROUND, 50);
    sends(1, AVM_ROLE_BACKGROUND, 50);
    assert_int_equal(decide(), 0);
}

static void test_another_link(void **state)
{
    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 90);
    sends(1, AVM_ROLE_NORMAL, 90);
    dom[1].net_link = 2;
    assert_int_equal(decide(), 0);
    dom[1].net_link = 0;
    assert_int_equal(decide(), 0);
}

/* Equals share equally. */
static void test_normal(void **state)
{
    (void)state;
    sends(0, AVM_ROLE_NORMAL, 50);
    sends(1, AVM_ROLE_NORMAL, 50);
    assert_int_equal(decide(), 0);
}

static void test_kept_and_returned(void **state)
{
    size_t n;

    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 80);
    sends(1, AVM_ROLE_NORMAL, 20);
    dom[0].params.net_share = 400;
    mem[0].knob[AVM_KNOB_NET_SHARE] = (struct avm_knob_memory){
        .known = true, .ours = true, .original = 100, .last = 400,
    };
    assert_int_equal(decide(), 0);

    dom[1].smooth.net_tx_bps = 0;
    n = decide();
    assert_int_equal(n, 1);
    assert_int_equal(wish[0].kind, AVM_WISH_RETURN);
    assert_int_equal(wish[0].to, 100);
}

static void test_held_and_dom0(void **state)
{
    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 50);
    sends(1, AVM_ROLE_INTERACTIVE, 50);
    dom[0].held = true;
    dom[1].flags = AVM_DOM_CONTROL;
    assert_int_equal(decide(), 0);
}

static void test_disk(void **state)
{
    size_t n;

    (void)state;
    sends(0, AVM_ROLE_INTERACTIVE, 0);
    sends(1, AVM_ROLE_BACKGROUND, 0);
    dom[0].smooth.disk_reqs_per_s = 40;
    dom[1].smooth.disk_reqs_per_s = 360;
    n = decide();
    assert_int_equal(n, 2);
    assert_int_equal(wish_of(n, 0)->knob, AVM_KNOB_DISK_SHARE);
    assert_int_equal(wish_of(n, 0)->to, 400);
    assert_int_equal(wish_of(n, 0)->gain_permille, 900);
    assert_int_equal(wish_of(n, 1)->to, 25);
    assert_int_equal(wish_of(n, 1)->gain_permille, 100);

    /* A journal's flushes now and then are no reason. */
    dom[0].smooth.disk_reqs_per_s = 7;
    n = decide();
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_busy_link_by_role, setup),
        cmocka_unit_test_setup(test_idle_link, setup),
        cmocka_unit_test_setup(test_alone, setup),
        cmocka_unit_test_setup(test_another_link, setup),
        cmocka_unit_test_setup(test_normal, setup),
        cmocka_unit_test_setup(test_kept_and_returned, setup),
        cmocka_unit_test_setup(test_held_and_dom0, setup),
        cmocka_unit_test_setup(test_disk, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
