/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core-fixture.h"

static struct fixture_room room;
static struct avm_wish wish[FIXTURE_MAX * AVM_WISHES_PER_DOMAIN];
static struct avm_grant grant[2 * FIXTURE_MAX];
static size_t nr_grants;

static size_t resolve(const struct avm_domain *d, const struct avm_memory *m,
                      size_t nr, uint32_t pcpus)
{
    struct avm_host h = host_of(pcpus);
    struct avm_scratch *s = room_init(&room);
    struct avm_config c;
    size_t n;

    avm_config_init(&c);
    n = avm_decide(&h, d, m, nr, s, wish);
    nr_grants = avm_resolve(&c, &h, d, m, nr, wish, n, s, grant,
                            2 * FIXTURE_MAX);
    return n;
}

static const struct avm_wish *wish_of(size_t n, const struct avm_domain *d,
                                      enum avm_knob knob)
{
    size_t k;

    for (k = 0; k < n; k++)
        if (avm_uuid_equal(&wish[k].uuid, &d->uuid) && wish[k].knob == knob)
            return &wish[k];
    return NULL;
}

/* ------------------------------------------------------------------------ */

static void share_of_equals(void **state)
{
    uint32_t demand[] = { 1000, 1000, 100, 0 };
    uint32_t weight[] = { 256, 256, 256, 256 }, share[4];

    (void)state;
    avm_share(1000, demand, weight, share, 4);
    assert_int_equal(share[0], 450);
    assert_int_equal(share[1], 450);
    assert_int_equal(share[2], 100);
    assert_int_equal(share[3], 0);

    weight[0] = 768;
    avm_share(1000, demand, weight, share, 4);
    assert_int_equal(share[0], 675);
    assert_int_equal(share[1], 225);
}

/*
 * What makes it weighted max-min: within capacity, within demand, nothing left
 * while somebody wants more, and who is short has as much per weight as anyone.
 */
static void share_properties(void **state)
{
    uint64_t seed = 7;
    int round;

    (void)state;
    for (round = 0; round < 5000; round++) {
        uint32_t demand[20], weight[20], share[20];
        uint32_t nr = 1 + fixture_random(&seed) % 20, i, j;
        uint32_t capacity = fixture_random(&seed) % 8000;
        uint64_t sum = 0, wanted = 0;

        for (i = 0; i < nr; i++) {
            demand[i] = fixture_random(&seed) % 2000;
            weight[i] = 1 + fixture_random(&seed) % 2048;
            wanted += demand[i];
        }
        avm_share(capacity, demand, weight, share, nr);
        for (i = 0; i < nr; i++) {
            assert_true(share[i] <= demand[i]);
            sum += share[i];
        }
        assert_true(sum <= capacity);
        assert_true(sum + nr >= (wanted < capacity ? wanted : capacity));
        for (i = 0; i < nr; i++)
            for (j = 0; j < nr; j++)
                if (share[i] < demand[i]) /* one for rounding */
                    assert_true((uint64_t)(share[i] + 1) * weight[j] >=
                                (uint64_t)share[j] * weight[i]);
    }
}

static void groups(void **state)
{
    struct avm_host h = host_of(4);
    struct avm_domain d[5];
    uint32_t capacity[5];
    size_t group[5], i;

    (void)state;
    for (i = 0; i < 5; i++)
        d[i] = domain_of(i + 1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 500, 0);

    avm_groups(&h, d, NULL, 5, group, capacity);
    for (i = 0; i < 5; i++) {
        assert_int_equal(group[i], 0);
        assert_int_equal(capacity[i], 4000);
    }

    d[0].params.affinity = 0x1;
    d[1].params.affinity = 0x6;
    d[2].params.affinity = 0xc; /* overlaps with the one before */
    d[3].params.affinity = 0x1;
    d[4].params.affinity = 0x8;
    avm_groups(&h, d, NULL, 5, group, capacity);
    assert_int_equal(group[0], 0);
    assert_int_equal(group[1], 1);
    assert_int_equal(group[2], 1);
    assert_int_equal(group[3], 0);
    assert_int_equal(group[4], 1);
    assert_int_equal(capacity[3], 1000);
    assert_int_equal(capacity[4], 3000);

    d[4].pool = 7; /* gone by now: a group of its own */
    avm_groups(&h, d, NULL, 5, group, capacity);
    assert_int_equal(group[4], 4);
}

/* ------------------------------------------------------------------------ */

/* Interactive wishes weight among normal hogs: nobody may give. */
static void equals_do_not_give(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(2, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(3, AVM_ROLE_INTERACTIVE, AVM_CLASS_NET, 333, 300),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w;

    (void)state;
    strcpy(d[0].untrusted_name, "batch");
    w = wish_of(resolve(d, m, 3, 1), &d[2], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_true(w->refused);
    assert_string_equal(w->why_not, "would take from batch (1) (role normal), "
                        "which is at its floor of 33% of a CPU, and nobody of "
                        "a lower role has any to give");
    assert_int_equal(nr_grants, 0);
}

/* With a background domain that gives it gets some, and hogs lose nothing. */
static void background_pays(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667),
        domain_of(2, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 333, 667),
        domain_of(3, AVM_ROLE_INTERACTIVE, AVM_CLASS_NET, 333, 300),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w;
    size_t n, i;

    (void)state;
    n = resolve(d, m, 3, 1);
    w = wish_of(n, &d[2], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_false(w->refused);
    assert_in_range(w->to, 257, 256 + 64);
    assert_true(w->after_gives);
    assert_int_equal(wish_of(n, &d[1], AVM_KNOB_WEIGHT)->to, 64);
    assert_true(nr_grants > 0);
    for (i = 0; i < nr_grants; i++) {
        assert_int_equal(grant[i].from_domid, 2);
        assert_true(grant[i].share_permille > 0);
        assert_int_equal(grant[i].floor_weight, 64);
    }
}

/* A declared one may take from normal ones, down to the floor of their role. */
static void time_critical_takes_to_the_floor(void **state)
{
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 500, 500),
        domain_of(2, AVM_ROLE_TIME_CRITICAL, AVM_CLASS_NET, 500, 400),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };
    uint32_t weight = 256;
    int i;

    (void)state;
    for (i = 0; i < 50; i++) { /* ever more, as long as it is granted */
        const struct avm_wish *w = wish_of(resolve(d, m, 2, 1), &d[1],
                                           AVM_KNOB_WEIGHT);
        struct avm_config c;

        if (!w || w->refused)
            break;
        avm_config_init(&c);
        weight = avm_step(&c, w->from, w->to);
        d[1].params.weight = weight;
        m[1].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
            .ours = true, .original = 256, .last = weight };
        d[0].smooth.cpu_permille = 1000 * 256 / (256 + weight);
        d[0].smooth.wait_permille = 1000 - d[0].smooth.cpu_permille;
        d[1].smooth.cpu_permille = 1000 * weight / (256 + weight);
    }
    assert_true(weight > 256);
    /* Half of 500 permille is left to the normal one, at the least. */
    assert_true(1000 * 256 / (256 + weight) >= 248);
}

/* Others have brought a donor to its floor: it gives no more by itself. */
static void donor_stops_at_its_floor(void **state)
{
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 125, 875),
        domain_of(2, AVM_ROLE_INTERACTIVE, AVM_CLASS_MIXED, 875, 125),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };
    const struct avm_wish *w;

    (void)state;
    d[1].params.weight = 256 * 7; /* 500 permille each, 125 is the floor */
    m[1].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
        .ours = true, .original = 256, .last = 256 * 7 };
    w = wish_of(resolve(d, m, 2, 1), &d[0], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_GIVE);
    /* 2 permille of rounding */
    assert_true(w->refused || w->to >= 250);

    d[1].params.weight = 256 * 6;
    w = wish_of(resolve(d, m, 2, 1), &d[0], AVM_KNOB_WEIGHT);
    assert_false(w->refused);
    assert_in_range(w->to, 64, 240);
}

/* Rounding is no loss, but for who has next to nothing. */
static void nobody_is_left_with_nothing(void **state)
{
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 1, 999),
        domain_of(2, AVM_ROLE_INTERACTIVE, AVM_CLASS_MIXED, 999, 500),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };
    const struct avm_wish *w;

    (void)state;
    d[1].nr_vcpus = 2;
    d[0].params.weight = 1;
    d[1].params.weight = 900;
    w = wish_of(resolve(d, m, 2, 1), &d[1], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_true(w->refused); /* at 1000 and more, the other one had none */
    assert_non_null(strstr(w->why_not, "floor"));
}

/* Its weight after one step of this wish. */
static uint32_t weight_after(const struct avm_wish *w)
{
    struct avm_config c;

    assert_non_null(w);
    avm_config_init(&c);
    return w->refused ? w->from : avm_step(&c, w->from, w->to);
}

/*
 * That it will have nothing anyway, as soon as the weight is written that another
 * one's floor needs, is no reason to give the last bit.
 */
static void nobody_gives_all(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 1, 999),
        domain_of(2, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 998, 500),
        domain_of(3, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 1, 999),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w;

    (void)state;
    d[0].params.weight = 67; /* 1.02 permille, and 0.97 with one of 64 */
    d[1].params.weight = 65535;
    d[2].params.weight = 60;
    m[2].limits.cpu_min_permille = 900;
    w = wish_of(resolve(d, m, 3, 1), &d[0], AVM_KNOB_WEIGHT);
    assert_int_equal(room.s.own[2], 65535);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_GIVE);
    assert_true(w->refused);
    assert_non_null(strstr(w->why_not, "floor"));

    d[0].params.weight = 300; /* plenty: it may */
    w = wish_of(resolve(d, m, 3, 1), &d[0], AVM_KNOB_WEIGHT);
    assert_in_range(weight_after(w), 132, 299);
}

/* What one gets because another one's weight falls is not for a third to take. */
static void what_falls_to_it_is_kept(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 1, 999),
        domain_of(2, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 990, 500),
        domain_of(3, AVM_ROLE_INTERACTIVE, AVM_CLASS_MIXED, 9, 991),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w;
    size_t n;

    (void)state;
    d[0].params.weight = 1;
    d[1].params.weight = 65535;
    m[1].limits.weight_explicit = true;
    m[1].limits.weight_min = m[1].limits.weight_max = 256;
    d[2].params.weight = 700;
    m[2].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
        .ours = true, .original = 750, .last = 700 };
    n = resolve(d, m, 3, 1);
    w = wish_of(n, &d[1], AVM_KNOB_WEIGHT);
    assert_int_equal(w->to, 256);
    w = wish_of(n, &d[2], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_int_equal(w->kind, AVM_WISH_GAIN);
    assert_in_range(weight_after(w), 700, 743); /* of 1000 together */
}

/* Nor is what it gets by its own rise, by one that rises in the same plan. */
static void a_rise_is_kept(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_TIME_CRITICAL, AVM_CLASS_NET, 1, 99),
        domain_of(2, AVM_ROLE_TIME_CRITICAL, AVM_CLASS_NET, 267, 733),
        domain_of(3, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 732, 268),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    size_t n;

    (void)state;
    d[0].params.weight = 1;
    d[1].params.weight = 512;
    d[2].params.weight = 1400;
    n = resolve(d, m, 3, 1);
    assert_int_equal(weight_after(wish_of(n, &d[0], AVM_KNOB_WEIGHT)), 2);
    assert_in_range(weight_after(wish_of(n, &d[1], AVM_KNOB_WEIGHT)), 512,
                    598); /* of 2000 together */

    d[0].params.weight = 2; /* and not by one that comes later */
    n = resolve(d, m, 3, 1);
    assert_in_range(weight_after(wish_of(n, &d[1], AVM_KNOB_WEIGHT)), 512,
                    598);
}

static void critical_fills_half_at_most(void **state)
{
    struct avm_domain d[5];
    struct avm_memory m[5];
    unsigned int refused = 0, granted = 0;
    size_t n, i;

    (void)state;
    for (i = 0; i < 5; i++) {
        d[i] = domain_of(i + 1, AVM_ROLE_TIME_CRITICAL,
                         AVM_CLASS_TIME_CRITICAL, 150, 10);
        m[i] = memory_for(&d[i]);
    }
    n = resolve(d, m, 5, 1);
    for (i = 0; i < n; i++) {
        if (wish[i].knob != AVM_KNOB_URGENCY)
            continue;
        refused += wish[i].refused;
        granted += !wish[i].refused;
    }
    assert_int_equal(granted, 3); /* 450 of 500 permille */
    assert_int_equal(refused, 2);

    /* What is critical already counts first. */
    for (i = 0; i < 3; i++)
        d[i].params.urgency = AVM_URGENCY_CRITICAL;
    n = resolve(d, m, 5, 1);
    for (i = 0; i < n; i++)
        if (wish[i].knob == AVM_KNOB_URGENCY)
            assert_true(wish[i].refused);
    resolve(d, m, 5, 2); /* one pCPU more, and there is room */
    for (i = 0; i < n; i++)
        if (wish[i].knob == AVM_KNOB_URGENCY)
            assert_false(wish[i].refused);
}

/* ------------------------------------------------------------------------ */
/* Properties over random hosts                                             */

static size_t random_host(uint64_t *seed, struct avm_domain *d,
                          struct avm_memory *m)
{
    size_t nr = 1 + fixture_random(seed) % 12, i;

    for (i = 0; i < nr; i++) {
        enum avm_role role = fixture_random(seed) % AVM_NR_ROLES;
        enum avm_class klass = fixture_random(seed) % AVM_NR_CLASSES;

        d[i] = domain_of(i + 1, role, klass, fixture_random(seed) % 1000,
                         fixture_random(seed) % 1000);
        m[i] = memory_for(&d[i]);
        d[i].params.weight = m[i].limits.weight_min + fixture_random(seed) %
            (m[i].limits.weight_max - m[i].limits.weight_min + 1);
    }
    return nr;
}

static void floors_and_capacity(void **state)
{
    uint64_t seed = 3;
    int round;

    (void)state;
    for (round = 0; round < 3000; round++) {
        struct avm_domain d[12];
        struct avm_memory m[12];
        size_t nr = random_host(&seed, d, m), n, i;
        uint32_t pcpus = 1 + fixture_random(&seed) % 3;
        uint32_t demand[12], weight[12], before[12], after[12];
        uint64_t sum = 0, taken = 0;
        struct avm_config c;

        avm_config_init(&c);
        n = resolve(d, m, nr, pcpus);
        for (i = 0; i < nr; i++) {
            demand[i] = avm_demand_permille(&d[i]);
            weight[i] = d[i].params.weight;
        }
        avm_share(1000 * pcpus, demand, weight, before, nr);
        for (i = 0; i < n; i++) {
            const struct avm_limits *l = &m[wish[i].dom].limits;

            if (wish[i].knob != AVM_KNOB_WEIGHT || wish[i].refused)
                continue;
            assert_in_range(wish[i].to, l->weight_min, l->weight_max);
            weight[wish[i].dom] = avm_step(&c, wish[i].from, wish[i].to);
        }
        avm_share(1000 * pcpus, demand, weight, after, nr);
        for (i = 0; i < nr; i++)
            sum += after[i];
        assert_true(sum <= 1000ull * pcpus);

        /* Only background gives to interactive, and to normal. */
        for (i = 0; i < nr; i++)
            if (d[i].role == AVM_ROLE_INTERACTIVE ||
                d[i].role == AVM_ROLE_TIME_CRITICAL)
                assert_true(after[i] + 3 >= before[i]);
        for (i = 0; i < nr_grants; i++)
            taken += grant[i].share_permille;
        assert_true(taken <= 1000ull * pcpus);
    }
}

/* The same host in another order: the same wishes, the same answers. */
static void order_does_not_matter(void **state)
{
    static struct avm_wish first[FIXTURE_MAX * AVM_WISHES_PER_DOMAIN];
    uint64_t seed = 11;
    int round;

    (void)state;
    for (round = 0; round < 1000; round++) {
        struct avm_domain d[12], td;
        struct avm_memory m[12], tm;
        size_t nr = random_host(&seed, d, m), n, n2, i, j;

        n = resolve(d, m, nr, 1);
        memcpy(first, wish, n * sizeof(*wish));
        for (i = nr - 1; i > 0; i--) {
            j = fixture_random(&seed) % (i + 1);
            td = d[i], d[i] = d[j], d[j] = td;
            tm = m[i], m[i] = m[j], m[j] = tm;
        }
        n2 = resolve(d, m, nr, 1);
        assert_int_equal(n, n2);
        for (i = 0; i < n; i++) {
            assert_memory_equal(&first[i].uuid, &wish[i].uuid, 16);
            assert_int_equal(first[i].knob, wish[i].knob);
            assert_int_equal(first[i].to, wish[i].to);
            assert_int_equal(first[i].refused, wish[i].refused);
        }
    }
}

/* ------------------------------------------------------------------------ */
/* Floors that the administrator promised                                   */

static struct avm_domain hog[3];
static struct avm_memory hog_memory[3];

/* On one pCPU, with these floors and times. */
static void hogs(const uint32_t *floor, const uint64_t *since)
{
    size_t i;

    for (i = 0; i < 3; i++) {
        hog[i] = domain_of(i + 1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 333, 667);
        hog_memory[i] = memory_for(&hog[i]);
        hog_memory[i].limits.cpu_min_permille = floor[i];
        hog_memory[i].limits.cpu_min_since = since[i];
    }
}

static void promises(uint32_t a, uint32_t b, uint32_t c)
{
    resolve(hog, hog_memory, 3, 1);
    assert_int_equal(room.s.promise[0], a);
    assert_int_equal(room.s.promise[1], b);
    assert_int_equal(room.s.promise[2], c);
}

static void first_come_first_served(void **state)
{
    const struct avm_wish *w;
    size_t n;

    (void)state;
    hogs((uint32_t[]){ 500, 700, 200 }, (uint64_t[]){ 3, 2, 1 });
    promises(100, 700, 200); /* a smaller one instead of none */
    hogs((uint32_t[]){ 500, 700, 200 }, (uint64_t[]){ 1, 1, 1 });
    promises(500, 500, 0); /* by UUID */
    hog[2].role = AVM_ROLE_INTERACTIVE;
    promises(500, 300, 200);
    hog_memory[0].limits.cpu_min_since = 0; /* before the role */
    hog_memory[0].limits.cpu_min_permille = 900;
    promises(900, 0, 100);
    hog[0].held = true; /* it keeps its place */
    promises(900, 0, 100);
    hog[0].flags = AVM_DOM_DYING;
    promises(0, 700, 200);

    /* As much as one vCPU can use, and its cap lets it. */
    hogs((uint32_t[]){ 1500, 500, 0 }, (uint64_t[]){ 1, 2, 3 });
    promises(1000, 0, 0);
    hog[0].params.cap_pct = 60;
    promises(600, 400, 0);

    hogs((uint32_t[]){ 600, 700, 500 }, (uint64_t[]){ 1, 2, 3 });
    n = resolve(hog, hog_memory, 3, 1);
    w = wish_of(n, &hog[1], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_false(w->refused);
    assert_non_null(strstr(w->reason,
                           "70% of a CPU, of which 40% was not promised yet"));
    w = wish_of(n, &hog[2], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_true(w->refused);
    assert_non_null(strstr(w->why_not,
                           "needs 50% of a CPU, 0% is not promised yet"));
}

/* Everybody pays, and the ledger says so. */
static void floor_has_donors(void **state)
{
    size_t i, n;

    (void)state;
    hogs((uint32_t[]){ 500, 0, 0 }, (uint64_t[]){ 1, 0, 0 });
    n = resolve(hog, hog_memory, 3, 1);
    assert_int_equal(wish_of(n, &hog[0], AVM_KNOB_WEIGHT)->to, 512);
    assert_int_equal(nr_grants, 2);
    for (i = 0; i < 2; i++) {
        assert_int_equal(grant[i].to_domid, 1);
        assert_int_equal(grant[i].from_domid, 2 + i);
        assert_in_range(grant[i].share_permille, 82, 84);
        assert_string_equal(grant[i].rule, "normal gives to normal, which was "
                            "promised 50% of a CPU");
    }
}

/* Whoever takes leaves a donor its floor, and a donor stops there by itself. */
static void floor_of_a_donor(void **state)
{
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 500, 500),
        domain_of(2, AVM_ROLE_INTERACTIVE, AVM_CLASS_MIXED, 500, 500),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };
    const struct avm_wish *w;
    size_t n;

    (void)state;
    n = resolve(d, m, 2, 1);
    assert_int_equal(wish_of(n, &d[0], AVM_KNOB_WEIGHT)->to, 64);
    assert_false(wish_of(n, &d[1], AVM_KNOB_WEIGHT)->refused);

    m[0].limits.cpu_min_permille = 300;
    n = resolve(d, m, 2, 1);
    assert_int_equal(wish_of(n, &d[0], AVM_KNOB_WEIGHT)->to, 110);
    d[0].params.weight = 120; /* 319 permille: that is near enough */
    d[0].smooth.cpu_permille = 319;
    d[0].smooth.wait_permille = 681;
    d[1].smooth.cpu_permille = 681;
    d[1].smooth.wait_permille = 319;
    m[0].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
        .ours = true, .original = 256, .last = 120 };
    n = resolve(d, m, 2, 1);
    assert_null(wish_of(n, &d[0], AVM_KNOB_WEIGHT));
    w = wish_of(n, &d[1], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_false(w->refused);
    assert_in_range(w->to, 270, 285); /* 120 of 400 */
    m[0].limits.cpu_min_permille = 320;
    w = wish_of(resolve(d, m, 2, 1), &d[1], AVM_KNOB_WEIGHT);
    assert_true(w->refused);
}

/*
 * A promise that is kept but for rounding, and only because others gave: if each
 * gain took the rounding once more, nothing of it would be left in the end.
 */
static void rounding_does_not_add_up(void **state)
{
    struct avm_domain d[3] = {
        domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 100, 900),
        domain_of(2, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 600, 400),
        domain_of(3, AVM_ROLE_INTERACTIVE, AVM_CLASS_MIXED, 300, 700),
    };
    struct avm_memory m[3] = {
        memory_for(&d[0]), memory_for(&d[1]), memory_for(&d[2]),
    };
    const struct avm_wish *w;

    (void)state;
    d[0].params.weight = 100;
    m[0].limits.weight_explicit = true;
    m[0].limits.weight_min = m[0].limits.weight_max = 100;
    m[0].limits.cpu_min_permille = 102; /* and it has 100 */
    d[1].held = true;
    d[1].params.weight = 600;
    m[1].knob[AVM_KNOB_WEIGHT] = (struct avm_knob_memory){
        .ours = true, .original = 2000, .last = 600 };
    d[2].params.weight = 300;
    w = wish_of(resolve(d, m, 3, 1), &d[2], AVM_KNOB_WEIGHT);
    assert_non_null(w);
    assert_true(w->refused);

    m[0].limits.cpu_min_permille = 100;
    w = wish_of(resolve(d, m, 3, 1), &d[2], AVM_KNOB_WEIGHT);
    assert_in_range(weight_after(w), 305, 321);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_of_equals),
        cmocka_unit_test(share_properties),
        cmocka_unit_test(groups),
        cmocka_unit_test(equals_do_not_give),
        cmocka_unit_test(background_pays),
        cmocka_unit_test(time_critical_takes_to_the_floor),
        cmocka_unit_test(donor_stops_at_its_floor),
        cmocka_unit_test(nobody_is_left_with_nothing),
        cmocka_unit_test(nobody_gives_all),
        cmocka_unit_test(what_falls_to_it_is_kept),
        cmocka_unit_test(a_rise_is_kept),
        cmocka_unit_test(critical_fills_half_at_most),
        cmocka_unit_test(floors_and_capacity),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(floor_has_donors),
        cmocka_unit_test(floor_of_a_donor),
        cmocka_unit_test(rounding_does_not_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
