/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to be true of every host, tried with many made-up ones. A host is
 * made from its number alone; the message of a failure names it, and
 *
 *     AVM_HOST=4711 build/test/unit/test-core-properties
 *
 * tries that one only. AVM_HOSTS=N tries that many for each property. Hosts are
 * numbered from 0; a number as argument is where to begin, for other hosts than
 * those that are tried each time:
 *
 *     build/test/unit/test-core-properties 1000000
 */
#include <inttypes.h>
#include <stdio.h>

#include "core-fixture.h"
#include "state.h"

#define HOSTS 100000
#define MAX   60 /* domains */
#define MS    1000000ull
#define MINUTE_MS 60000

/* Shares are rounded down: this much for each domain is no difference. */
#define ROUNDING 3

/* What a host is made of; load() tells a state of it. */
struct world {
    uint32_t nr;
    uint64_t made_ms;            /* what its times refer to                  */
    struct avm_config c;
    struct avm_host host;
    size_t nr_dom;
    struct avm_domain_sample d[MAX];
    struct avm_need need[MAX];
    struct avm_window smooth[MAX];
    enum avm_class was[MAX];
    struct {
        uint64_t first_ms;
        struct avm_knob_memory knob[AVM_NR_KNOBS];
    } mem[MAX];
};

static struct world world;
static uint32_t first_host;
static avm_state *st;
static uint64_t now_ms;

#define CHECK(cond, ...) \
    do { \
        if (!(cond)) { \
            print_error("host %u: ", world.nr); \
            print_error(__VA_ARGS__); \
            print_error("\n"); \
            fail_msg("%s", #cond); \
        } \
    } while (0)

/* ------------------------------------------------------------------------ */
/* Making them                                                              */

static uint64_t seed;

/*
 * What was added later is drawn from a stream of its own, so that the hosts are those
 * of before.
 */
static uint64_t seed_of_later;

static void swap_seeds(void)
{
    uint64_t s = seed;

    seed = seed_of_later;
    seed_of_later = s;
}

static uint32_t rnd(uint32_t n)
{
    return fixture_random(&seed) % n;
}

static bool one_in(uint32_t n)
{
    return !rnd(n);
}

/* Small ones are as likely as large ones. */
static uint32_t rnd_log(uint32_t max)
{
    uint32_t v = fixture_random(&seed) >> rnd(31);

    return v > max ? v % (max + 1) : v;
}

static uint32_t rnd_weight(void)
{
    static const uint32_t usual[] = { 1, 64, 128, 256, 512, 1024, 65535 };

    return one_in(2) ? usual[rnd(7)] : one_in(4) ? 1 + rnd_log(65534) :
                                                   64 + rnd(1000);
}

static void make_host(void)
{
    struct avm_host *h = &world.host;
    uint32_t first = 0, i;

    memset(h, 0, sizeof(*h));
    h->nr_pools = one_in(3) ? 1 + rnd(3) : 1;
    for (i = 0; i < h->nr_pools; i++) {
        struct avm_pool *p = &h->pool[i];

        p->id = i;
        p->sched_id = 10;
        p->can = CAN_ALL;
        p->nr_pcpus = 1 + rnd(one_in(8) ? 20 : 4);
        p->pcpus = ((1ull << p->nr_pcpus) - 1) << first;
        if (one_in(20)) { /* too many for a mask */
            p->pcpus = 0;
            p->nr_pcpus = 100;
        }
        first += p->nr_pcpus % 100;
        h->nr_pcpus += p->nr_pcpus;
    }
}

static void make_config(void)
{
    struct avm_config *c = &world.c;

    avm_config_init(c);
    if (one_in(2))
        c->hold_decisions = 1;
    if (one_in(2))
        c->cooldown_ms = 0;
    if (one_in(2))
        c->warmup_ms = 0;
    if (one_in(4))
        c->gain_min_permille = 0;
    if (one_in(4))
        c->changes_per_minute = 1 + rnd(4);
    if (one_in(4))
        c->step_up_permille = 1 + rnd(1000);
    if (one_in(4))
        c->step_down_permille = 1 + rnd(999);
}

static void make_need(struct avm_need *n, const struct avm_uuid *u)
{
    memset(n, 0, sizeof(*n));
    n->uuid = *u;
    n->role = rnd(AVM_NR_ROLES);
    n->held = one_in(12);
    if (one_in(3)) {
        n->cpu_min_permille = 10 * (1 + rnd(one_in(4) ? 400 : 100));
        n->cpu_min_since = rnd(3);
    }
    if (!one_in(4))
        return;
    if (one_in(2))
        n->weight_min = rnd_weight();
    if (one_in(2))
        n->weight_max = rnd_weight();
    if (n->weight_max && n->weight_min > n->weight_max)
        n->weight_max = n->weight_min;
    n->cap_set = one_in(4);
    n->cap_pct = one_in(2) ? 0 : 1 + rnd(300);
    if (n->cap_set && n->cap_pct && n->cpu_min_permille > 10 * n->cap_pct)
        n->cpu_min_permille = 10 * n->cap_pct;
    n->affinity_set = one_in(4);
    n->affinity = 1 + rnd(255);
    if (one_in(3))
        n->net_max_bps = 1000 + rnd_log(1 << 30);
    if (one_in(3))
        n->disk_max_bps = 1000 + rnd_log(1 << 30);
    swap_seeds();
    if (one_in(3))
        n->net_in_max_bps = 1000 + rnd_log(1 << 30);
    swap_seeds();
}

static void make_window(struct avm_window *w, uint32_t nr_vcpus)
{
    memset(w, 0, sizeof(*w));
    if (one_in(20))
        return; /* too new */
    w->length_ns = 4000000000;
    w->have = one_in(10) ? AVM_HAVE_CPU : HAVE_ALL;
    w->cpu_permille = one_in(3) ? rnd_log(20) : rnd(1000 * nr_vcpus + 1);
    if (w->have & AVM_HAVE_RECORDS) {
        w->wait_permille = one_in(3) ? 0 : rnd(1000 * nr_vcpus + 1);
        w->wakes_per_s = rnd_log(2000);
        w->blocks_per_s = w->wakes_per_s;
        w->burst_us = 1000 * w->cpu_permille /
                      (w->blocks_per_s ? w->blocks_per_s : 1);
        w->latency_p99_us = 1u << rnd(20);
    }
    if (one_in(3))
        w->net_packets_per_s = rnd_log(20000);
    if (one_in(3))
        w->disk_reqs_per_s = rnd_log(3000);
}

static void make_knobs(struct avm_knob_memory *knob,
                       const struct avm_domain_sample *d)
{
    int k;

    memset(knob, 0, AVM_NR_KNOBS * sizeof(*knob));
    for (k = 0; k < AVM_NR_KNOBS; k++) {
        struct avm_knob_memory *km = &knob[k];

        if (!avm_params_value(&d->params, k, &km->last))
            continue;
        if (k == AVM_KNOB_NET_IN)
            swap_seeds();
        km->known = true;
        km->held = rnd(20);
        km->held_to = rnd(3);
        km->changed = one_in(3);
        km->changed_ms = now_ms - rnd(2 * MINUTE_MS);
        if (one_in(20))
            km->foreign_until_ms = now_ms + rnd(2 * MINUTE_MS);
        if (one_in(3)) {
            km->original = k == AVM_KNOB_WEIGHT ? rnd_weight() :
                           k == AVM_KNOB_AFFINITY ? UINT64_MAX : 0;
            km->ours = km->original != km->last;
        }
        if (k == AVM_KNOB_NET_IN)
            swap_seeds();
    }
}

static void make_domain(size_t i)
{
    static const uint32_t flags[] = {
        AVM_DOM_DYING, AVM_DOM_SHUTDOWN, AVM_DOM_PAUSED, AVM_DOM_HVM,
    };
    struct avm_domain_sample *d = &world.d[i];
    struct avm_params *p = &d->params;

    memset(d, 0, sizeof(*d));
    d->uuid = uuid_of(fixture_random(&seed) << 6 | i);
    d->domid = i;
    if (!i)
        d->flags |= AVM_DOM_CONTROL;
    if (one_in(12))
        d->flags |= flags[rnd(4)];
    d->pool = rnd(world.host.nr_pools);
    d->nr_vcpus = one_in(4) ? rnd(5) : 1;
    d->have = HAVE_ALL;
    p->can = CAN_ALL;
    if (one_in(20))
        p->can &= fixture_random(&seed);
    if (one_in(3))
        p->can |= AVM_CAN_NET_OUT, d->net_devices = 1;
    if (one_in(3))
        p->can |= AVM_CAN_DISK, d->disk_devices = 1;
    p->weight = rnd_weight();
    if (one_in(6))
        p->cap_pct = 1 + rnd(200);
    p->urgency = one_in(2) ? 0 : rnd(AVM_NR_URGENCIES);
    p->affinity = one_in(4) ? 1 + rnd(255) : UINT64_MAX;
    if (one_in(4))
        p->net_out_max_bps = rnd_log(1 << 30);
    if (one_in(4))
        p->disk_max_bps = rnd_log(1 << 30);
    swap_seeds();
    if (one_in(3))
        p->can |= AVM_CAN_NET_IN, d->net_devices = 1;
    if (one_in(4))
        p->net_in_max_bps = rnd_log(1 << 30);
    swap_seeds();
    make_need(&world.need[i], &d->uuid);
    make_window(&world.smooth[i], d->nr_vcpus ? d->nr_vcpus : 1);
    world.was[i] = rnd(AVM_NR_CLASSES);
    make_knobs(world.mem[i].knob, d);
    world.mem[i].first_ms = now_ms - rnd(2 * MINUTE_MS);
}

static void make(uint32_t nr)
{
    size_t i;

    seed = (nr + 1) * 0x9e3779b97f4a7c15ull;
    fixture_random(&seed);
    seed_of_later = ~seed;
    world.nr = nr;
    world.made_ms = now_ms;
    make_config();
    make_host();
    world.nr_dom = one_in(500) ? 1 + rnd(MAX) :
                   1 + rnd(1 + rnd(one_in(4) ? 12 : 6));
    for (i = 0; i < world.nr_dom; i++)
        make_domain(i);
}

/* ------------------------------------------------------------------------ */
/* A state of it                                                            */

/* Each host begins an hour after the one before, for the budget's sake. */
static void begin(void)
{
    avm_state_free(st);
    st = NULL;
    now_ms = 3600000;
}

static void empty_state(void)
{
    now_ms += 3600000;
    if (!st) {
        st = avm_state_new(&world.c);
        assert_non_null(st);
    }
    st->budget.used = st->budget.next = 0;
    st->nr = 0; /* as if there had been a sample without domains */
    assert_int_equal(avm_state_config(st, &world.c), 0);
    assert_int_equal(avm_state_needs(st, world.need, world.nr_dom), 0);
}

/*
 * The state that has seen this host for a while, with the domains in the order
 * of 'at'. What it would have measured is put in its place at once.
 */
static void load(const size_t *at)
{
    struct avm_domain_sample d[MAX];
    struct avm_sample s = { .host = world.host, .nr = world.nr_dom,
                            .domain = d };
    uint64_t later_ms;
    size_t i;
    int k;

    for (i = 0; i < s.nr; i++)
        d[i] = world.d[at[i]];
    empty_state();
    s.mono_ns = (now_ms += 1000) * MS;
    assert_int_equal(avm_observe(st, &s), 0);
    later_ms = now_ms - world.made_ms;
    for (i = 0; i < s.nr; i++) {
        struct avm_memory *m = &st->mem[i];

        st->dom[i].smooth = world.smooth[at[i]];
        st->dom[i].klass = world.was[at[i]];
        avm_evaluate(avm_models_builtin(), &st->dom[i], AVM_HISTORY);
        memcpy(m->knob, world.mem[at[i]].knob, sizeof(m->knob));
        m->first_ms = world.mem[at[i]].first_ms + later_ms;
        for (k = 0; k < AVM_NR_KNOBS; k++) {
            m->knob[k].changed_ms += later_ms;
            if (m->knob[k].foreign_until_ms)
                m->knob[k].foreign_until_ms += later_ms;
        }
    }
}

static void in_order(size_t *at)
{
    size_t i;

    for (i = 0; i < world.nr_dom; i++)
        at[i] = i;
}

static void shuffle(size_t *at)
{
    size_t i, j, t;

    in_order(at);
    for (i = world.nr_dom - 1; i > 0; i--) {
        j = rnd(i + 1);
        t = at[i], at[i] = at[j], at[j] = t;
    }
}

/* Millions of short-lived arrays: who made them is in the host's number. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:malloc_context_size=3";
}

static void each_host(void (*check)(void), uint32_t nr)
{
    const char *one = getenv("AVM_HOST"), *many = getenv("AVM_HOSTS");
    uint32_t i;

    if (many)
        nr = strtoul(many, NULL, 10);

    begin();
    if (one) {
        make(strtoul(one, NULL, 10));
        check();
    }
    for (i = 0; i < nr && !one; i++) {
        make(first_host + i);
        check();
    }
    begin();
}

/* ------------------------------------------------------------------------ */
/* Shares                                                                   */

/* The numbers that resolve works with, and what comes out of them. */
struct shares {
    struct fixture_room room;
    uint32_t demand[MAX], weight[MAX], share[MAX];
};

static void share(struct shares *x)
{
    avm_share_groups(&x->room.s, x->demand, x->weight, x->share, st->nr);
}

static bool never_changed(const struct avm_domain *d)
{
    return d->held || (d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING |
                                   AVM_DOM_SHUTDOWN));
}

/* The weight that the administrator gave it. */
static uint32_t own_weight(size_t i)
{
    const struct avm_knob_memory *k = &st->mem[i].knob[AVM_KNOB_WEIGHT];
    const struct avm_limits *l = &st->mem[i].limits;
    uint32_t w = k->ours ? k->original : st->dom[i].params.weight;

    if (!l->weight_explicit || never_changed(&st->dom[i]) ||
        !(st->dom[i].params.can & AVM_CAN_WEIGHT))
        return w;
    return w < l->weight_min ? l->weight_min :
           w > l->weight_max ? l->weight_max : w;
}

enum weights {
    WEIGHTS_NOW,
    WEIGHTS_OWN,                 /* as the administrator gave them           */
    WEIGHTS_BY_RIGHT,            /* and as he would have for the floors      */
};

static void shares_begin(struct shares *x, enum weights weights)
{
    size_t i;

    room_init(&x->room);
    avm_groups(&st->host, st->dom, st->mem, st->nr, x->room.s.group,
               x->room.s.capacity);
    for (i = 0; i < st->nr; i++) {
        x->demand[i] = avm_planned_demand(&st->dom[i], &st->mem[i]);
        x->weight[i] = weights == WEIGHTS_NOW ? st->dom[i].params.weight :
                                                own_weight(i);
    }
    if (weights == WEIGHTS_BY_RIGHT) {
        avm_floors(st->dom, st->mem, st->nr, &x->room.s);
        for (i = 0; i < st->nr; i++) {
            CHECK(x->room.s.own[i] >= x->weight[i], "domain %zu: has a right "
                  "to less than it was given", i);
            x->weight[i] = x->room.s.own[i];
        }
    }
    share(x);
}

/*
 * Max-min by weight: no more than wanted, no more than there is, nothing left
 * while somebody wants it, and who has less for its weight than another one has
 * what it wants.
 */
static void check_shares(void)
{
    static struct shares x;
    const size_t *group = x.room.z;
    size_t i, j;

    shares_begin(&x, WEIGHTS_NOW);
    for (i = 0; i < st->nr; i++) {
        uint64_t sum = 0, wanted = 0, nr = 0, left;
        const struct avm_domain *d = st->dom;

        CHECK(x.share[i] <= x.demand[i], "domain %zu: more than it wants", i);
        if (group[i] != i)
            continue;
        for (j = 0; j < st->nr; j++) {
            if (group[j] != i)
                continue;
            CHECK(d[j].pool == d[i].pool, "group of two pools");
            sum += x.share[j];
            wanted += x.demand[j];
            nr++;
        }
        left = x.room.s.capacity[i] - sum;
        CHECK(sum <= x.room.s.capacity[i], "group %zu: more than all", i);
        CHECK(sum == wanted || left < nr, "group %zu: %" PRIu64 " left", i,
              left);
    }
    for (i = 0; i < st->nr; i++) {
        uint64_t wi = x.weight[i] ? x.weight[i] : 1;

        if (x.share[i] == x.demand[i])
            continue;
        for (j = 0; j < st->nr; j++) {
            uint64_t wj = x.weight[j] ? x.weight[j] : 1;

            if (group[j] == group[i])
                CHECK(x.share[j] * wi <= (x.share[i] + 1ull) * wj,
                      "domain %zu has more for its weight than %zu", j, i);
        }
    }
}

/* ------------------------------------------------------------------------ */
/* A plan                                                                   */

static size_t index_of(const struct avm_uuid *u)
{
    size_t i;

    for (i = 0; i < st->nr && !avm_uuid_equal(&st->dom[i].uuid, u); i++)
        ;
    CHECK(i < st->nr, "of a domain that is not there");
    return i;
}

static int rank(size_t i)
{
    static const int r[AVM_NR_ROLES] = {
        [AVM_ROLE_BACKGROUND] = 0, [AVM_ROLE_NORMAL] = 1,
        [AVM_ROLE_INTERACTIVE] = 2, [AVM_ROLE_TIME_CRITICAL] = 3,
    };

    return r[st->dom[i].role];
}

/* May somebody who took be given what j had? */
static bool somebody_takes_from(const struct shares *own,
                                const struct shares *x, size_t j)
{
    size_t i;

    for (i = 0; i < st->nr; i++)
        if (i != j && own->room.s.group[i] == own->room.s.group[j] &&
            x->weight[i] > own->weight[i] && rank(i) > rank(j) &&
            (!rank(j) || rank(i) == 3))
            return true;
    return false;
}

static uint64_t floor_of(const struct shares *own, const struct shares *x,
                         size_t j)
{
    uint64_t f = own->share[j];
    uint32_t min = st->mem[j].limits.weight_min;

    /* What it gives itself, and what is taken from it. */
    if (min < own->weight[j] &&
        (x->weight[j] < own->weight[j] || somebody_takes_from(own, x, j)))
        f = f * min / own->weight[j];
    return f;
}

static void check_change(const struct avm_change *c)
{
    const struct avm_domain *d = &st->dom[index_of(&c->uuid)];
    uint64_t now;

    CHECK(!never_changed(d), "domain %u must not be touched", d->domid);
    CHECK(avm_params_value(&d->params, c->knob, &now) && now == c->before,
          "domain %u, %s: was another", d->domid, avm_knob_name(c->knob));
    CHECK(c->before != c->after, "domain %u, %s: no change", d->domid,
          avm_knob_name(c->knob));
    CHECK(c->knob != AVM_KNOB_WEIGHT || (c->after >= 1 && c->after <= 65535),
          "weight out of range");
    CHECK((c->state == AVM_CHANGE_READY) == !c->why_not[0], "%s without why",
          avm_change_state_name(c->state));
}

/* Everyone pays for those: see floors_are_kept(). */
static bool for_floor(const struct avm_change *c)
{
    return strstr(c->reason, "asks for a floor") != NULL;
}

/* No more than there is, nor than asked; less only if there is no more. */
static void check_promises(void)
{
    static struct shares x;
    size_t i, j;

    shares_begin(&x, WEIGHTS_NOW);
    for (i = 0; i < st->nr; i++) {
        const size_t *group = x.room.s.group;
        uint32_t promise = st->mem[i].floor.promise_permille;
        uint32_t usable = avm_floor_usable(&st->dom[i], &st->mem[i]);
        uint64_t sum = 0;

        for (j = 0; j < st->nr; j++)
            if (group[j] == group[i])
                sum += st->mem[j].floor.promise_permille;
        CHECK(sum <= x.room.s.capacity[i], "domain %zu: %" PRIu64 " promised "
              "of %u", i, sum, x.room.s.capacity[i]);
        CHECK(promise <= usable, "domain %zu: promised more than it asked", i);
        CHECK(promise == usable || sum == x.room.s.capacity[i] ||
              (st->dom[i].flags & (AVM_DOM_CONTROL | AVM_DOM_DYING |
                                   AVM_DOM_SHUTDOWN)),
              "domain %zu: promised %u of %u, and there is more", i, promise,
              usable);
    }
}

/*
 * Whoever loses to somebody who takes more than the administrator gave it, or
 * gives, is not below its floor then. One by one: any of them may turn out to be
 * the last that can be applied. (Who only gets back what is its own, or what its
 * need asks for, does so by right.)
 */
static void check_floors(const struct avm_plan *p)
{
    static struct shares own, x, was;
    size_t i, j, who;

    shares_begin(&own, WEIGHTS_BY_RIGHT);
    shares_begin(&x, WEIGHTS_NOW);
    for (i = 0; i < p->nr; i++) {
        const struct avm_change *c = &p->change[i];

        if (c->state != AVM_CHANGE_READY || c->knob != AVM_KNOB_WEIGHT)
            continue;
        was = x;
        who = index_of(&c->uuid);
        x.weight[who] = c->after;
        share(&x);
        for (j = 0; j < st->nr; j++) {
            uint64_t least = floor_of(&own, &x, j);

            if (x.share[j] >= was.share[j] || for_floor(c) ||
                !(c->after > own.weight[who] ? c->after > c->before :
                  c->after < own.weight[who] && c->after < c->before))
                continue;
            CHECK(x.share[j] + ROUNDING >= least,
                  "domain %u: %u, had %u, floor %" PRIu64 " when domain %u "
                  "goes from %" PRIu64 " to %" PRIu64 ": %s",
                  st->dom[j].domid, x.share[j], was.share[j], least, c->domid,
                  c->before, c->after, c->reason);
            CHECK(x.share[j], "domain %u: nothing left, had %u, by right %u "
                  "when domain %u goes from %" PRIu64 " to %" PRIu64 ": %s",
                  st->dom[j].domid, was.share[j], own.share[j], c->domid,
                  c->before, c->after, c->reason);
        }
    }
}

static void check_ledger(const struct avm_plan *p)
{
    static struct shares own;
    uint64_t gave[MAX] = { 0 }, got[MAX] = { 0 };
    size_t i;

    shares_begin(&own, WEIGHTS_OWN);
    for (i = 0; i < p->nr_grants; i++) {
        const struct avm_grant *g = &p->grant[i];
        size_t to = index_of(&g->to), from = index_of(&g->from);

        CHECK(to != from && own.room.s.group[to] == own.room.s.group[from],
              "grant to a stranger");
        gave[from] += g->share_permille;
        got[to] += g->share_permille;
    }
    for (i = 0; i < st->nr; i++) {
        CHECK(gave[i] <= own.share[i], "domain %zu: gave what it never had", i);
        CHECK(own.share[i] + got[i] <= own.demand[i],
              "domain %zu: given more than it wants", i);
        CHECK(!gave[i] || !got[i], "domain %zu: gave and was given", i);
    }
}

/* The same domains in another order: the same plan, and in the same order. */
static void check_order(const struct avm_plan *a)
{
    struct avm_plan *b;
    size_t at[MAX], i;

    shuffle(at);
    load(at);
    assert_int_equal(avm_plan(st, now_ms, 0, &b), 0);

    CHECK(a->nr == b->nr && a->nr_grants == b->nr_grants,
          "%zu changes or %zu, %zu grants or %zu", a->nr, b->nr, a->nr_grants,
          b->nr_grants);
    for (i = 0; i < a->nr; i++)
        CHECK(!memcmp(&a->change[i], &b->change[i], sizeof(a->change[i])),
              "change %zu: domain %u %s %" PRIu64 " (%s) or domain %u %s %"
              PRIu64 " (%s)", i, a->change[i].domid,
              avm_knob_name(a->change[i].knob), a->change[i].after,
              a->change[i].why_not, b->change[i].domid,
              avm_knob_name(b->change[i].knob), b->change[i].after,
              b->change[i].why_not);
    for (i = 0; i < a->nr_grants; i++)
        CHECK(!memcmp(&a->grant[i], &b->grant[i], sizeof(a->grant[i])),
              "grant %zu", i);
    avm_plan_free(b);
}

static void check_plan(void)
{
    struct avm_plan *p;
    uint32_t ready = 0;
    size_t at[MAX], i;

    in_order(at);
    load(at);
    check_shares();
    assert_int_equal(avm_plan(st, now_ms, 0, &p), 0);
    for (i = 0; i < p->nr; i++) {
        const struct avm_change *c = &p->change[i];

        check_change(c);
        /* What is declared does not wait. */
        ready += c->state == AVM_CHANGE_READY && !strstr(c->reason, "need") &&
                 !strstr(c->reason, "declared");
    }
    CHECK(ready <= world.c.changes_per_minute, "%u of a budget of %u", ready,
          world.c.changes_per_minute);
    check_promises();
    check_floors(p);
    check_ledger(p);
    check_order(p);
    avm_plan_free(p);
}

static void plans_are_right(void **state)
{
    (void)state;
    each_host(check_plan, HOSTS);
}

/* ------------------------------------------------------------------------ */
/* Applied, and undone                                                      */

static void write_knob(const struct avm_change *c)
{
    struct avm_params *p = &world.d[c->domid].params;
    uint64_t now;

    CHECK(avm_params_value(p, c->knob, &now) && now == c->before,
          "domain %u: was another", c->domid);
    switch (c->knob) {
    case AVM_KNOB_WEIGHT:   p->weight = c->after;          break;
    case AVM_KNOB_CAP:      p->cap_pct = c->after;         break;
    case AVM_KNOB_AFFINITY: p->affinity = c->after;        break;
    case AVM_KNOB_URGENCY:  p->urgency = c->after;         break;
    case AVM_KNOB_NET_OUT:  p->net_out_max_bps = c->after; break;
    case AVM_KNOB_DISK:     p->disk_max_bps = c->after;    break;
    case AVM_KNOB_NET_IN:   p->net_in_max_bps = c->after;  break;
    default:                fail();
    }
    avm_applied(st, c, now_ms, true);
}

/* Half a second more of what it does, as it is counted. */
static void count(struct avm_domain_sample *d, const struct avm_window *w)
{
    struct avm_counters *c = &d->count;

    c->cpu_ns += w->cpu_permille * MS / 2;
    c->running_ns += w->cpu_permille * MS / 2;
    c->runnable_ns += w->wait_permille * MS / 2;
    c->wakes += w->wakes_per_s / 2;
    c->blocks += w->blocks_per_s / 2;
    c->latency[w->latency_p99_us ? __builtin_ctz(w->latency_p99_us) : 0] +=
        w->wakes_per_s / 2;
    c->net_rx_packets += w->net_packets_per_s / 2;
    c->disk_rd_reqs += w->disk_reqs_per_s / 2;
    if (!(w->have & AVM_HAVE_RECORDS))
        d->have &= ~AVM_HAVE_RECORDS;
}

static void observe(void)
{
    struct avm_sample s = { .host = world.host, .nr = world.nr_dom,
                            .domain = world.d };
    size_t i, n;

    s.mono_ns = (now_ms += 500) * MS;
    for (i = 0; i < s.nr; i++)
        count(&s.domain[i], &world.smooth[i]);
    assert_int_equal(avm_observe(st, &s), 0);
    avm_foreign(st, &n);
    CHECK(!n, "its own change is a stranger's");
}

/* A walk goes on; it never turns round, and nothing else is wished again. */
static void check_again(const struct avm_change *c, const struct avm_plan *next)
{
    size_t i;

    for (i = 0; i < next->nr; i++) {
        const struct avm_change *n = &next->change[i];

        if (n->domid != c->domid || n->knob != c->knob)
            continue;
        CHECK(c->knob == AVM_KNOB_WEIGHT &&
              (n->after > n->before) == (c->after > c->before),
              "domain %u, %s: %" PRIu64 " to %" PRIu64 " (%s), and then to %"
              PRIu64 " (%s)", c->domid, avm_knob_name(c->knob), c->before,
              c->after, c->reason, n->after, n->reason);
    }
}

/* With the weights of now everyone has what it was promised, if it wants it. */
static void check_kept(const char *when)
{
    static struct shares x;
    size_t i;

    shares_begin(&x, WEIGHTS_NOW);
    for (i = 0; i < st->nr; i++)
        x.demand[i] = st->mem[i].floor.wanted_permille;
    share(&x);
    for (i = 0; i < st->nr; i++) {
        const struct avm_floor *f = &st->mem[i].floor;
        uint32_t least = f->promise_permille < f->wanted_permille ?
                         f->promise_permille : f->wanted_permille;

        if (never_changed(&st->dom[i]) ||
            !(st->dom[i].params.can & AVM_CAN_WEIGHT) ||
            x.weight[i] == avm_floor_weight_max(&st->mem[i]))
            continue;
        CHECK(x.share[i] + ROUNDING >= least, "domain %zu, %s: has %u of %u, "
              "weight %u", i, when, x.share[i], least, x.weight[i]);
    }
}

static void check_applied(void)
{
    static struct avm_params before[MAX];
    static struct avm_change undo[MAX * AVM_NR_KNOBS];
    struct avm_plan *p, *q;
    size_t i, n;

    world.c.hold_decisions = 1;
    world.c.warmup_ms = world.c.cooldown_ms = 0;
    world.c.changes_per_minute = 10000;
    for (i = 0; i < world.nr_dom; i++) {
        before[i] = world.d[i].params;
    }
    empty_state();
    for (i = 0; i < 3; i++)
        observe();
    assert_int_equal(avm_plan(st, now_ms, 0, &p), 0);
    for (i = 0; i < p->nr; i++)
        if (p->change[i].state == AVM_CHANGE_READY)
            write_knob(&p->change[i]);
    observe();
    check_kept("applied once");
    assert_int_equal(avm_plan(st, now_ms, 0, &q), 0);
    for (i = 0; i < p->nr; i++)
        if (p->change[i].state == AVM_CHANGE_READY)
            check_again(&p->change[i], q);
    for (i = 0; i < q->nr; i++)
        if (q->change[i].state == AVM_CHANGE_READY)
            write_knob(&q->change[i]);
    observe();
    check_kept("applied twice");
    avm_plan_free(p);
    avm_plan_free(q);

    n = avm_undo_list(st, NULL, undo, MAX * AVM_NR_KNOBS);
    for (i = 0; i < n; i++) {
        write_knob(&undo[i]);
        /* Whoever set it: an urgency is a lease, and ends at normal. */
        if (undo[i].knob == AVM_KNOB_URGENCY)
            before[undo[i].domid].urgency = AVM_URGENCY_NORMAL;
    }
    for (i = 0; i < world.nr_dom; i++)
        CHECK(!memcmp(&before[i], &world.d[i].params, sizeof(before[i])),
              "domain %zu is not what it was", i);
    CHECK(!avm_undo_list(st, NULL, undo, MAX * AVM_NR_KNOBS), "still to undo");
}

static void applied_once_and_undone(void **state)
{
    (void)state;
    each_host(check_applied, HOSTS);
}

/* ------------------------------------------------------------------------ */
/* Floors come and go                                                       */

/* Of one domain something changes: what it does, or what it was promised. */
static void change_something(void)
{
    size_t i = rnd(world.nr_dom);

    if (one_in(2)) {
        uint32_t vcpus = world.d[i].nr_vcpus ? world.d[i].nr_vcpus : 1;

        make_window(&world.smooth[i], vcpus);
        world.smooth[i].have = HAVE_ALL;
        return;
    }
    world.need[i].cpu_min_permille = one_in(3) ? 0 : 10 * (1 + rnd(100));
    world.need[i].cpu_min_since = rnd(3);
    if (world.need[i].cap_set && world.need[i].cap_pct)
        world.need[i].cpu_min_permille = 0;
}

static void round_of(const char *when)
{
    struct avm_plan *p;
    size_t i;

    assert_int_equal(avm_state_needs(st, world.need, world.nr_dom), 0);
    observe();
    assert_int_equal(avm_plan(st, now_ms, 0, &p), 0);
    for (i = 0; i < p->nr; i++)
        if (p->change[i].state == AVM_CHANGE_READY)
            write_knob(&p->change[i]);
    avm_plan_free(p);
    observe();
    check_promises();
    check_kept(when);
}

/*
 * Whatever happens, after each plan everyone has what it was promised. When all
 * floors are gone, and nobody wants anything, weights are what they were.
 */
static void check_floors_come_and_go(void)
{
    uint32_t weight[MAX];
    size_t i, round;

    world.c.hold_decisions = 1;
    world.c.warmup_ms = world.c.cooldown_ms = 0;
    world.c.changes_per_minute = 10000;
    world.c.step_up_permille = 500 + rnd(500);
    world.c.step_down_permille = 500 + rnd(499);
    for (i = 0; i < world.nr_dom; i++)
        weight[i] = world.d[i].params.weight;
    empty_state();
    observe();
    for (round = 0; round < 20; round++) {
        change_something();
        round_of("something changed");
    }
    for (i = 0; i < world.nr_dom; i++) {
        world.need[i].cpu_min_permille = 0;
        memset(&world.smooth[i], 0, sizeof(world.smooth[i]));
    }
    for (round = 0; round < 40; round++)
        round_of("no floors");
    for (i = 0; i < world.nr_dom; i++) {
        const struct avm_limits *l = &st->mem[i].limits;

        if (!l->weight_explicit && !never_changed(&st->dom[i]))
            CHECK(world.d[i].params.weight == weight[i], "domain %zu: %u, was "
                  "%u", i, world.d[i].params.weight, weight[i]);
    }
}

static void floors_come_and_go(void **state)
{
    (void)state;
    each_host(check_floors_come_and_go, HOSTS / 200);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_right),
        cmocka_unit_test(applied_once_and_undone),
        cmocka_unit_test(floors_come_and_go),
    };

    if (argc > 1)
        first_host = strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
