/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core-fixture.h"

static struct fixture_room room;
static struct avm_wish wish[FIXTURE_MAX * AVM_WISHES_PER_DOMAIN];

static size_t decide(const struct avm_domain *d, const struct avm_memory *m,
                     size_t nr, uint32_t pcpus)
{
    struct avm_host h = host_of(pcpus);

    return avm_decide(&h, d, m, nr, room_init(&room), wish);
}

/* The wish for a knob of domain i, or NULL. */
static const struct avm_wish *wish_of(size_t n, size_t i, enum avm_knob knob)
{
    size_t k;

    for (k = 0; k < n; k++)
        if (wish[k].dom == i && wish[k].knob == knob)
            return &wish[k];
    return NULL;
}

static void who_never_waits_wishes_nothing(void **state)
{
    static const enum avm_role roles[] = {
        AVM_ROLE_NORMAL, AVM_ROLE_BACKGROUND, AVM_ROLE_INTERACTIVE,
    };
    static const enum avm_class classes[] = {
        AVM_CLASS_UNKNOWN, AVM_CLASS_IDLE, AVM_CLASS_CPU, AVM_CLASS_NET,
        AVM_CLASS_DISK, AVM_CLASS_MIXED, AVM_CLASS_TIME_CRITICAL,
    };
    size_t r, c;

    (void)state;
    for (r = 0; r < 3; r++) {
        for (c = 0; c < 7; c++) {
            struct avm_domain d = domain_of(1, roles[r], classes[c], 300, 0);
            struct avm_memory m = memory_for(&d);

            assert_int_equal(decide(&d, &m, 1, 1), 0);
        }
    }
}

static void declared_is_critical_at_once(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_TIME_CRITICAL,
                                    AVM_CLASS_UNKNOWN, 0, 0);
    struct avm_memory m = memory_for(&d);
    const struct avm_wish *w;
    size_t n;

    (void)state;
    d.smooth.length_ns = 0; /* even before anything is known */
    d.confidence_permille = 0;
    n = decide(&d, &m, 1, 1);
    w = wish_of(n, 0, AVM_KNOB_URGENCY);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_DECLARED);
    assert_int_equal(w->to, AVM_URGENCY_CRITICAL);

    /* Declared, and burns the CPU: not what was declared. */
    d = domain_of(1, AVM_ROLE_TIME_CRITICAL, AVM_CLASS_CPU, 900, 100);
    assert_null(wish_of(decide(&d, &m, 1, 1), 0, AVM_KNOB_URGENCY));
    d.params.urgency = AVM_URGENCY_CRITICAL;
    m.knob[AVM_KNOB_URGENCY].ours = true;
    w = wish_of(decide(&d, &m, 1, 1), 0, AVM_KNOB_URGENCY);
    assert_non_null(w);
    assert_int_equal(w->to, AVM_URGENCY_NORMAL);
}

/* A declaration that is taken back, or another one, does not wait to be believed. */
static void urgency_ends_with_the_declaration(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_BACKGROUND, AVM_CLASS_NET,
                                    100, 100);
    struct avm_memory m = memory_for(&d);
    const struct avm_wish *w;

    (void)state;
    m.knob[AVM_KNOB_URGENCY].ours = true;
    d.params.urgency = AVM_URGENCY_INTERACTIVE;
    w = wish_of(decide(&d, &m, 1, 1), 0, AVM_KNOB_URGENCY);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_DECLARED);
    assert_int_equal(w->to, AVM_URGENCY_NORMAL);
    assert_string_equal(w->reason,
                        "declared background now: interactive no longer");

    d.role = AVM_ROLE_NORMAL;
    d.params.urgency = AVM_URGENCY_CRITICAL;
    w = wish_of(decide(&d, &m, 1, 1), 0, AVM_KNOB_URGENCY);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_DECLARED);
    assert_int_equal(w->to, AVM_URGENCY_NORMAL);

    /* What somebody else made it is not ours to take. */
    m.knob[AVM_KNOB_URGENCY].ours = false;
    w = wish_of(decide(&d, &m, 1, 1), 0, AVM_KNOB_URGENCY);
    assert_true(!w || w->to != AVM_URGENCY_NORMAL);
}

/* Nobody but a declared domain is ever critical. */
static void guessed_is_interactive_at_most(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL,
                                    AVM_CLASS_TIME_CRITICAL, 100, 100);
    struct avm_memory m = memory_for(&d);
    const struct avm_wish *w = wish_of(decide(&d, &m, 1, 1), 0,
                                       AVM_KNOB_URGENCY);

    (void)state;
    assert_non_null(w);
    assert_int_equal(w->to, AVM_URGENCY_INTERACTIVE);
    assert_int_equal(w->kind, AVM_WISH_GAIN);
    assert_in_range(w->gain_permille, 500, 1000);
}

static void urgency_stays_while_it_serves(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_INTERACTIVE, AVM_CLASS_NET,
                                    100, 0);
    struct avm_memory m = memory_for(&d);
    const struct avm_wish *w;

    (void)state;
    d.params.urgency = AVM_URGENCY_INTERACTIVE;
    m.knob[AVM_KNOB_URGENCY].ours = true;
    /* It waits no more, and that is thanks to the urgency. */
    assert_int_equal(decide(&d, &m, 1, 1), 0);

    d.klass = AVM_CLASS_IDLE;
    d.smooth.wakes_per_s = 1;
    w = wish_of(decide(&d, &m, 1, 1), 0, AVM_KNOB_URGENCY);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_RETURN);

    /* Someone else's urgency is not ours to take. */
    m.knob[AVM_KNOB_URGENCY].ours = false;
    assert_int_equal(decide(&d, &m, 1, 1), 0);
}

/* Two hogs, and a background domain that computes as well. */
static void background_gives_and_hogs_do_not(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(2, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(3, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 333, 667),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w;
    size_t n;

    (void)state;
    n = decide(d, m, 3, 1);
    assert_int_equal(n, 2);
    w = wish_of(n, 2, AVM_KNOB_URGENCY);
    assert_non_null(w);
    assert_int_equal(w->to, AVM_URGENCY_BACKGROUND);
    w = wish_of(n, 2, AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_int_equal(w->to, 64);
    assert_int_equal(w->kind, AVM_WISH_GIVE);

    /* At its floor it has no more to give, and keeps quiet. */
    d[2].params.weight = 64;
    d[2].params.urgency = AVM_URGENCY_BACKGROUND;
    m[2].knob[AVM_KNOB_WEIGHT] =
        (struct avm_knob_memory){ .ours = true, .original = 256, .last = 64 };
    m[2].knob[AVM_KNOB_URGENCY].ours = true;
    assert_int_equal(decide(d, m, 3, 1), 0);

    /* Done computing: back to what it was. */
    d[2].klass = AVM_CLASS_IDLE;
    d[2].smooth.cpu_permille = 2;
    d[2].smooth.wait_permille = 0;
    n = decide(d, m, 3, 1);
    assert_int_equal(n, 2);
    assert_int_equal(wish_of(n, 2, AVM_KNOB_WEIGHT)->to, 256);
    assert_int_equal(wish_of(n, 2, AVM_KNOB_URGENCY)->to, AVM_URGENCY_NORMAL);
}

/* On other pCPUs nobody is in its way. */
/* What it gave leaves it less CPU time for each I/O: no reason to take back. */
static void who_gave_stays_while_it_wants(void **state)
{
    struct avm_domain d[2] = {
        domain_of(0, AVM_ROLE_BACKGROUND, AVM_CLASS_NET, 220, 580),
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 700, 300),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };

    (void)state;
    d[0].params.weight = 128;
    d[0].params.urgency = AVM_URGENCY_BACKGROUND;
    m[0].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
        .ours = true, .original = 256, .last = 128 };
    m[0].knob[AVM_KNOB_URGENCY] = (struct avm_knob_memory){
        .ours = true, .last = AVM_URGENCY_BACKGROUND };
    assert_int_equal(decide(d, m, 2, 1), 0);
    d[0].smooth.wait_permille = 279; /* wants less than half of a pCPU */
    assert_int_equal(decide(d, m, 2, 1), 2);
    assert_int_equal(wish[0].kind, AVM_WISH_RETURN);
    assert_int_equal(wish[1].kind, AVM_WISH_RETURN);
}

/* Sure enough to begin is more than sure enough to go on. */
static void urgency_does_not_hang_on_an_edge(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_NET, 120,
                                    300);
    struct avm_memory m = memory_for(&d);

    (void)state;
    d.confidence_permille = 499;
    assert_int_equal(decide(&d, &m, 1, 1), 0);
    d.params.urgency = AVM_URGENCY_INTERACTIVE;
    m.knob[AVM_KNOB_URGENCY] = (struct avm_knob_memory){
        .ours = true, .last = AVM_URGENCY_INTERACTIVE };
    assert_int_equal(decide(&d, &m, 1, 1), 0);
    d.klass = AVM_CLASS_UNKNOWN;
    assert_int_equal(decide(&d, &m, 1, 1), 1);
    assert_int_equal(wish[0].kind, AVM_WISH_RETURN);
}

static void background_elsewhere_is_left_alone(void **state)
{
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 500, 500),
        domain_of(2, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 900, 100),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };

    (void)state;
    assert_int_equal(decide(d, m, 2, 2), 2);
    d[0].params.affinity = 1;
    d[1].params.affinity = 2;
    assert_int_equal(decide(d, m, 2, 2), 0);
}

static void interactive_short_of_cpu_wishes_weight(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(2, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(3, AVM_ROLE_INTERACTIVE, AVM_CLASS_NET, 333, 200),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w = wish_of(decide(d, m, 3, 1), 2, AVM_KNOB_WEIGHT);

    (void)state;
    assert_non_null(w);
    assert_in_range(w->to, 257, 1024);
    /* With it, its share would be what it wants: 533 of 1000, 512 others. */
    assert_in_range(w->to * 1000 / (w->to + 512), 513, 553);

    /* It computes: that is not what its role is about. */
    d[2].klass = AVM_CLASS_CPU;
    assert_null(wish_of(decide(d, m, 3, 1), 2, AVM_KNOB_WEIGHT));
    d[2].klass = AVM_CLASS_NET;

    /* Uses less than its share: no wish, however much it waits. */
    d[2].smooth.cpu_permille = 100;
    d[2].smooth.wait_permille = 500;
    assert_null(wish_of(decide(d, m, 3, 1), 2, AVM_KNOB_WEIGHT));
}

static void what_must_not_be_touched(void **state)
{
    struct avm_domain d[2] = {
        domain_of(0, AVM_ROLE_TIME_CRITICAL, AVM_CLASS_NET, 300, 300),
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 300, 600),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };
    static const uint32_t flags[] = {
        AVM_DOM_CONTROL, AVM_DOM_DYING, AVM_DOM_SHUTDOWN,
    };
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        d[0].flags = flags[i];
        assert_int_equal(decide(d, m, 2, 1), 0);
    }
    d[0].flags = 0;
    d[0].held = true;
    assert_int_equal(decide(d, m, 2, 1), 0);
    /* A scheduler without knobs. */
    d[0].held = false;
    d[0].params.can = 0;
    assert_int_equal(decide(d, m, 2, 1), 0);
}

static void needs_are_declared(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_IDLE, 2, 0);
    struct avm_memory m = memory_for(&d);
    size_t n;

    (void)state;
    m.limits.cap_set = m.limits.affinity_set = m.limits.weight_explicit = true;
    m.limits.cap_pct = 50;
    m.limits.affinity = 2;
    m.limits.weight_min = 300;
    m.limits.weight_max = 400;
    n = decide(&d, &m, 1, 2);
    assert_int_equal(n, 3);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_CAP)->to, 50);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_AFFINITY)->to, 2);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_WEIGHT)->to, 300);

    /* The need is gone: so is what it asked for. */
    m = memory_for(&d);
    d.params.cap_pct = 50;
    m.knob[AVM_KNOB_CAP] =
        (struct avm_knob_memory){ .ours = true, .original = 0, .last = 50 };
    n = decide(&d, &m, 1, 2);
    assert_int_equal(n, 1);
    assert_int_equal(wish[0].to, 0);
    assert_int_equal(wish[0].kind, AVM_WISH_RETURN);
}

/* Ceilings need a device to be on, and 1% is what rounding makes. */
static void ceilings_are_declared(void **state)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_IDLE, 2, 0);
    struct avm_memory m = memory_for(&d);
    size_t n;

    (void)state;
    m.limits.net_max_bps = 1000000;
    m.limits.disk_max_bps = 2000000;
    m.limits.net_in_max_bps = 3000000;
    assert_int_equal(decide(&d, &m, 1, 2), 0);
    d.params.can |= AVM_CAN_NET_OUT | AVM_CAN_DISK | AVM_CAN_NET_IN;
    n = decide(&d, &m, 1, 2);
    assert_int_equal(n, 3);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_NET_OUT)->to, 1000000);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_DISK)->to, 2000000);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_NET_IN)->to, 3000000);
    assert_int_equal(wish[0].kind, AVM_WISH_DECLARED);

    d.params.net_out_max_bps = 991000;
    d.params.net_in_max_bps = 2999998; /* divided among vifs */
    d.params.disk_max_bps = 1970000;
    n = decide(&d, &m, 1, 2);
    assert_int_equal(n, 1);
    assert_int_equal(wish[0].knob, AVM_KNOB_DISK);

    /* No need any more: back to what it was, none. */
    m.limits = (struct avm_limits){ 0 };
    m.knob[AVM_KNOB_NET_IN].ours = true;
    n = decide(&d, &m, 1, 2);
    assert_int_equal(n, 1);
    assert_int_equal(wish[0].knob, AVM_KNOB_NET_IN);
    assert_int_equal(wish[0].kind, AVM_WISH_RETURN);
    assert_int_equal(wish[0].to, 0);
}

/* ------------------------------------------------------------------------ */
/* Floors                                                                   */

/* Three that compute on one pCPU; the first one has a floor. */
struct three {
    struct avm_domain d[3];
    struct avm_memory m[3];
};

static struct three three_hogs(uint32_t floor_permille)
{
    struct three t;
    size_t i;

    for (i = 0; i < 3; i++) {
        t.d[i] = domain_of(i + 1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667);
        t.m[i] = memory_for(&t.d[i]);
    }
    t.m[0].limits.cpu_min_permille = floor_permille;
    return t;
}

static void weight_is_ours(struct three *t, size_t i, uint32_t original,
                           uint32_t now)
{
    t->d[i].params.weight = now;
    t->m[i].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
        .known = true, .ours = true, .original = original, .last = now };
}

/* The wish for weight of the first one. */
static const struct avm_wish *weight_of(const struct three *t)
{
    return wish_of(decide(t->d, t->m, 3, 1), 0, AVM_KNOB_WEIGHT);
}

static void floor_is_declared(void **state)
{
    struct three t = three_hogs(500);
    const struct avm_wish *w = weight_of(&t);

    (void)state;
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_DECLARED);
    assert_int_equal(w->to, 512); /* of 1024 */
    assert_string_equal(w->reason, "its need asks for a floor of 50% of a "
                        "CPU; it wants 100% and its share is 33%");

    /* It has it, or does not want it. */
    t.m[0].limits.cpu_min_permille = 330;
    assert_null(weight_of(&t));
    t = three_hogs(500);
    t.d[0].smooth.wait_permille = 0;
    assert_null(weight_of(&t));
    /* It wants less than its floor, and more than it gets. */
    t.d[0].smooth.wait_permille = 67;
    assert_int_equal(weight_of(&t)->to, 342); /* 2/3 of 512 */
    t = three_hogs(500);
    t.d[0].held = true;
    assert_null(weight_of(&t));
}

static void floor_reckons_with_what_others_have(void **state)
{
    struct three t = three_hogs(500);

    (void)state;
    weight_is_ours(&t, 1, 256, 1024);
    assert_int_equal(weight_of(&t)->to, 1280);
    /* They gave: there is no need, as long as that lasts. */
    weight_is_ours(&t, 1, 256, 64);
    weight_is_ours(&t, 2, 256, 64);
    t.d[1].role = t.d[2].role = AVM_ROLE_BACKGROUND;
    assert_null(weight_of(&t));
    /* One is to return: before that. */
    t.d[1].role = AVM_ROLE_NORMAL;
    assert_int_equal(weight_of(&t)->to, 320);
}

static void floors_of_two_are_kept_at_once(void **state)
{
    struct three t = three_hogs(500);
    size_t n;

    (void)state;
    t.m[1].limits.cpu_min_permille = 400;
    n = decide(t.d, t.m, 3, 1);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_WEIGHT)->to, 1280);
    assert_int_equal(wish_of(n, 1, AVM_KNOB_WEIGHT)->to, 1024);
    assert_null(wish_of(n, 2, AVM_KNOB_WEIGHT));
}

static void floor_keeps_to_the_law(void **state)
{
    struct three t = three_hogs(500);
    const struct avm_wish *w;

    (void)state;
    t.m[0].limits.weight_explicit = true;
    t.m[0].limits.weight_max = 400;
    w = weight_of(&t);
    assert_int_equal(w->to, 400);
    assert_non_null(strstr(w->reason, "more weight it cannot have"));
    t.d[0].params.weight = 400;
    assert_null(weight_of(&t));

    /* All of a pCPU: as near as weights come to it. */
    t = three_hogs(1000);
    assert_int_equal(weight_of(&t)->to, 65535);
}

static void floor_is_given_back(void **state)
{
    struct three t = three_hogs(0);
    const struct avm_wish *w;

    (void)state;
    weight_is_ours(&t, 0, 256, 512); /* there was a floor */
    w = weight_of(&t);
    assert_int_equal(w->kind, AVM_WISH_RETURN);
    assert_int_equal(w->to, 256);
    t.m[0].limits.cpu_min_permille = 500; /* there is */
    assert_null(weight_of(&t));
    t.d[1].smooth = t.d[2].smooth = (struct avm_window){
        .have = HAVE_ALL, .length_ns = 1000000000 }; /* nobody waits */
    w = weight_of(&t);
    assert_int_equal(w->kind, AVM_WISH_RETURN);
    assert_int_equal(w->to, 256);
    /* Of an interactive one, too, though it uses what it has. */
    t = three_hogs(0);
    t.d[0].role = AVM_ROLE_INTERACTIVE;
    t.m[0] = memory_for(&t.d[0]);
    weight_is_ours(&t, 0, 256, 5000);
    assert_int_equal(weight_of(&t)->kind, AVM_WISH_RETURN);
}

static void floor_does_not_follow_each_change(void **state)
{
    struct three t = three_hogs(500);
    const struct avm_wish *w;

    (void)state;
    weight_is_ours(&t, 0, 256, 640);
    assert_null(weight_of(&t)); /* 512 is not so much less */
    weight_is_ours(&t, 0, 256, 641);
    w = weight_of(&t);
    assert_int_equal(w->kind, AVM_WISH_RETURN);
    assert_int_equal(w->to, 512);
    /* That others gave is no reason. */
    weight_is_ours(&t, 0, 256, 512);
    weight_is_ours(&t, 1, 256, 64);
    weight_is_ours(&t, 2, 256, 64);
    assert_null(weight_of(&t));
    /* Nor to give up the floor, as long as somebody has more than by right. */
    weight_is_ours(&t, 0, 256, 1700);
    weight_is_ours(&t, 1, 256, 1024);
    weight_is_ours(&t, 2, 256, 256);
    w = weight_of(&t);
    assert_int_equal(w->kind, AVM_WISH_RETURN);
    assert_int_equal(w->to, 1280);
}

/* What is declared for others is done at once, too: nothing is taken back then. */
static void floor_reckons_with_what_is_declared(void **state)
{
    struct three t = three_hogs(500);
    size_t i, n;

    (void)state;
    t.m[1].limits.cap_set = true;
    t.m[1].limits.cap_pct = 10;
    assert_int_equal(weight_of(&t)->to, 320); /* 500 of 900 to 256 for 400 */
    t = three_hogs(500);
    for (i = 0; i < 3; i++) {
        t.m[i].limits.affinity_set = true;
        t.m[i].limits.affinity = i ? 2 : 1;
    }
    n = decide(t.d, t.m, 3, 2);
    assert_null(wish_of(n, 0, AVM_KNOB_WEIGHT)); /* alone there */
    assert_non_null(wish_of(n, 0, AVM_KNOB_AFFINITY));
    t.m[1].limits.affinity = 1;
    n = decide(t.d, t.m, 3, 2);
    assert_null(wish_of(n, 0, AVM_KNOB_WEIGHT)); /* half of it anyway */
    t.m[0].limits.cpu_min_permille = 600;
    n = decide(t.d, t.m, 3, 2);
    assert_int_equal(wish_of(n, 0, AVM_KNOB_WEIGHT)->to, 384);
    /* Somebody else set it: that stays. */
    for (i = 0; i < 3; i++)
        t.m[i].knob[AVM_KNOB_AFFINITY].foreign_until_ms = 1;
    n = decide(t.d, t.m, 3, 2);
    assert_null(wish_of(n, 0, AVM_KNOB_WEIGHT)); /* 667 of 2000 */
}

/* Without records nobody knows who waits: it is taken to want its floor. */
static void floor_without_records(void **state)
{
    struct three t = three_hogs(500);
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        t.d[i].smooth.have = AVM_HAVE_CPU;
        t.d[i].smooth.wait_permille = 0;
    }
    t.d[0].smooth.cpu_permille = 100;
    t.d[1].smooth.cpu_permille = t.d[2].smooth.cpu_permille = 450;
    assert_int_equal(weight_of(&t)->to, 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_never_waits_wishes_nothing),
        cmocka_unit_test(declared_is_critical_at_once),
        cmocka_unit_test(urgency_ends_with_the_declaration),
        cmocka_unit_test(guessed_is_interactive_at_most),
        cmocka_unit_test(urgency_stays_while_it_serves),
        cmocka_unit_test(background_gives_and_hogs_do_not),
        cmocka_unit_test(who_gave_stays_while_it_wants),
        cmocka_unit_test(urgency_does_not_hang_on_an_edge),
        cmocka_unit_test(background_elsewhere_is_left_alone),
        cmocka_unit_test(interactive_short_of_cpu_wishes_weight),
        cmocka_unit_test(what_must_not_be_touched),
        cmocka_unit_test(needs_are_declared),
        cmocka_unit_test(ceilings_are_declared),
        cmocka_unit_test(floor_is_declared),
        cmocka_unit_test(floor_reckons_with_what_others_have),
        cmocka_unit_test(floors_of_two_are_kept_at_once),
        cmocka_unit_test(floor_keeps_to_the_law),
        cmocka_unit_test(floor_is_given_back),
        cmocka_unit_test(floor_does_not_follow_each_change),
        cmocka_unit_test(floor_reckons_with_what_is_declared),
        cmocka_unit_test(floor_without_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
