/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole loop in virtual time, for hours: does it settle, and does it still
 * react? Hosts are played as in test-core-loop.c: CPU time is divided by weight,
 * what is urgent does not wait, and what the loop changes is what it sees next.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core-fixture.h"

#define MS     1000000ull
#define MAX    48
#define MINUTE 60000ull
#define HOUR   (60 * MINUTE)

/* What a guest does, per second; demand in permille of a pCPU. */
struct work {
    uint32_t demand, wakes, packets, disk;
};

static const struct work idle = { 3, 4, 0, 0 }, cpu = { 1000, 0, 0, 0 },
    net = { 120, 200, 800, 0 }, periodic = { 105, 20, 0, 0 };

struct guest {
    enum avm_role role;
    uint32_t pool;
    struct work w;
    uint64_t milli[8];           /* counters, times 1000                     */
    unsigned int changes, turns[AVM_NR_KNOBS];
    int way[AVM_NR_KNOBS];       /* of the last change: up or down           */
    uint64_t first_ms[AVM_NR_KNOBS], last_ms;
};

struct play {
    avm_state *st;
    struct avm_config c;
    uint64_t now_ms, next_plan_ms, seed;
    uint32_t noise_permille;
    size_t nr;
    struct guest g[MAX];
    struct avm_domain_sample d[MAX];
    /* Applied in the last minute, but for what is declared. */
    uint64_t at_ms[MAX * 64];
    unsigned int nr_at;
};

static void add(struct play *p, enum avm_role role, uint32_t pool,
                struct work w)
{
    struct avm_domain_sample *d = &p->d[p->nr];

    p->g[p->nr] = (struct guest){ .role = role, .pool = pool, .w = w };
    p->nr++;
    d->uuid = uuid_of(p->nr);
    d->domid = p->nr;
    d->pool = pool;
    d->nr_vcpus = 1;
    d->have = HAVE_ALL;
    d->params = (struct avm_params){
        .can = CAN_ALL, .weight = 256, .affinity = UINT64_MAX };
}

static void config_default(struct avm_config *c)
{
    avm_config_init(c);
}

/* As fast as it goes: every brake is off. */
static void config_fastest(struct avm_config *c)
{
    avm_config_init(c);
    c->sample_ms = c->decide_ms = 100;
    c->hold_decisions = 1;
    c->cooldown_ms = c->warmup_ms = 0;
}

/* As fast, but a verdict has to hold as long as by default. */
static void config_fast(struct avm_config *c)
{
    config_fastest(c);
    c->hold_decisions = 3;
}

static void start(struct play *p, void (*config)(struct avm_config *))
{
    memset(p, 0, sizeof(*p));
    config(&p->c);
    p->seed = 7;
    p->now_ms = 1000;
    p->st = avm_state_new(&p->c);
    assert_non_null(p->st);
}

static void ready(struct play *p)
{
    struct avm_need need[MAX] = { 0 };
    size_t i;

    for (i = 0; i < p->nr; i++) {
        need[i].uuid = p->d[i].uuid;
        need[i].role = p->g[i].role;
    }
    assert_int_equal(avm_state_needs(p->st, need, p->nr), 0);
}

/* ------------------------------------------------------------------------ */
/* One step of it                                                           */

static uint64_t counted(struct play *p, uint64_t *milli, uint64_t per_s)
{
    uint64_t more = per_s * p->c.sample_ms;

    if (p->noise_permille)
        more = more * (1000 - p->noise_permille + fixture_random(&p->seed) %
                       (2 * p->noise_permille + 1)) / 1000;
    *milli += more;
    return *milli / 1000;
}

static void count(struct play *p, size_t i, uint32_t share)
{
    struct guest *g = &p->g[i];
    struct avm_counters *c = &p->d[i].count;
    bool urgent = p->d[i].params.urgency >= AVM_URGENCY_INTERACTIVE;
    uint32_t wait = g->w.demand - share;
    uint64_t wakes = c->wakes;

    if (!urgent)
        wait += g->w.wakes; /* 1 ms each */
    c->cpu_ns = counted(p, &g->milli[0], share * MS);
    c->running_ns = c->cpu_ns;
    c->runnable_ns = counted(p, &g->milli[1], wait * MS);
    c->wakes = counted(p, &g->milli[2], g->w.wakes);
    c->blocks = c->wakes;
    c->latency[urgent ? 4 : 10] += c->wakes - wakes;
    c->net_rx_packets = counted(p, &g->milli[3], g->w.packets);
    c->disk_rd_reqs = counted(p, &g->milli[4], g->w.disk);
}

static void run(struct play *p)
{
    uint32_t demand[MAX], weight[MAX], share[MAX], pool;
    size_t i, n;

    for (pool = 0; pool < AVM_MAX_POOLS; pool++) {
        for (i = 0, n = 0; i < p->nr; i++) {
            if (p->g[i].pool != pool)
                continue;
            demand[n] = p->g[i].w.demand;
            weight[n++] = p->d[i].params.weight;
        }
        avm_share(1000, demand, weight, share, n);
        for (i = 0, n = 0; i < p->nr; i++)
            if (p->g[i].pool == pool)
                count(p, i, share[n++]);
    }
    p->now_ms += p->c.sample_ms;
}

/* Never more in any minute than the budget. */
static void spend(struct play *p)
{
    unsigned int i, n = 0;

    for (i = 0; i < p->nr_at; i++)
        if (p->now_ms < p->at_ms[i] + MINUTE)
            p->at_ms[n++] = p->at_ms[i];
    p->at_ms[n++] = p->now_ms;
    p->nr_at = n;
    assert_in_range(n, 0, sizeof(p->at_ms) / sizeof(p->at_ms[0]) - 1);
    if (n > p->c.changes_per_minute)
        fail_msg("%u changes within a minute", n);
}

static void apply(struct play *p, const struct avm_change *c)
{
    struct guest *g = &p->g[c->domid - 1];
    struct avm_params *q = &p->d[c->domid - 1].params;
    int way = c->after > c->before ? 1 : -1;

    if (getenv("AVM_SHOW"))
        print_message("%8.1f s: %u %s %" PRIu64 " -> %" PRIu64 ": %s\n",
                      p->now_ms / 1e3, c->domid, avm_knob_name(c->knob),
                      c->before, c->after, c->reason);
    if (c->knob == AVM_KNOB_WEIGHT)
        q->weight = c->after;
    else if (c->knob == AVM_KNOB_URGENCY)
        q->urgency = c->after;
    else
        fail_msg("unexpected knob %s", avm_knob_name(c->knob));

    if (!g->changes++ || !g->first_ms[c->knob])
        g->first_ms[c->knob] = p->now_ms;
    g->last_ms = p->now_ms;
    /* A walk of a weight in one direction is one change. */
    if (c->knob != AVM_KNOB_WEIGHT || g->way[c->knob] != way)
        g->turns[c->knob]++;
    g->way[c->knob] = way;
    if (strncmp(c->reason, "declared", 8))
        spend(p); /* what is declared counts, but does not wait */
    avm_applied(p->st, c, p->now_ms, true);
}

static void tick(struct play *p)
{
    struct avm_sample s = { .nr = p->nr, .domain = p->d };
    struct avm_change lease[MAX];
    struct avm_plan *plan;
    size_t i, n;

    s.host.nr_pcpus = s.host.nr_pools = AVM_MAX_POOLS;
    for (i = 0; i < AVM_MAX_POOLS; i++)
        s.host.pool[i] = (struct avm_pool){
            .id = i, .sched_id = 10, .nr_pcpus = 1, .can = CAN_ALL,
            .pcpus = 1ull << i };

    run(p);
    s.mono_ns = p->now_ms * MS;
    assert_int_equal(avm_observe(p->st, &s), 0);
    n = avm_renewals(p->st, p->now_ms, lease, MAX);
    for (i = 0; i < n; i++)
        avm_renewed(p->st, &lease[i], p->now_ms, true);
    if (p->now_ms < p->next_plan_ms)
        return;
    p->next_plan_ms = p->now_ms + p->c.decide_ms;
    assert_int_equal(avm_plan(p->st, p->now_ms, 0, &plan), 0);
    for (i = 0; i < plan->nr; i++)
        if (plan->change[i].state == AVM_CHANGE_READY)
            apply(p, &plan->change[i]);
    avm_plan_free(plan);
}

static void play_for(struct play *p, uint64_t ms)
{
    uint64_t end = p->now_ms + ms;

    while (p->now_ms < end)
        tick(p);
}

/* ------------------------------------------------------------------------ */
/* Square waves                                                             */

enum { BACKGROUND, INTERACTIVE, CRITICAL, HOG, SERVER };

static void wave_host(struct play *p)
{
    add(p, AVM_ROLE_BACKGROUND, 0, idle);
    add(p, AVM_ROLE_INTERACTIVE, 0, net);
    add(p, AVM_ROLE_TIME_CRITICAL, 0, periodic);
    add(p, AVM_ROLE_NORMAL, 0, cpu);
    add(p, AVM_ROLE_INTERACTIVE, 0, net);
    ready(p);
}

static void waves(void (*config)(struct avm_config *), uint64_t at_least_ms)
{
    static const uint32_t period_s[] = {
        1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600,
    };
    size_t i, j;
    int k;

    for (i = 0; i < sizeof(period_s) / sizeof(period_s[0]); i++) {
        uint64_t half_ms = period_s[i] * 500, ms = 6 * half_ms, t;
        unsigned int phases = 0;
        struct play p;
        bool was = false;

        if (ms < at_least_ms)
            ms = at_least_ms;
        start(&p, config);
        wave_host(&p);
        if (getenv("AVM_SHOW"))
            print_message("period %u s\n", period_s[i]);
        for (t = 0; t < ms; t += p.c.sample_ms) {
            bool on = t / half_ms % 2;

            phases += on != was;
            was = on;
            p.g[BACKGROUND].w = on ? cpu : idle;
            p.g[INTERACTIVE].w = on ? cpu : net;
            p.g[CRITICAL].w = on ? cpu : periodic;
            tick(&p);
            for (j = 0; j < p.nr; j++)
                for (k = 0; k < AVM_NR_KNOBS; k++)
                    if (p.g[j].turns[k] > phases + 1)
                        fail_msg("period %u s, domain %zu, %s: %u changes in "
                                 "%u phases, after %" PRIu64 " s", period_s[i],
                                 j + 1, avm_knob_name(k), p.g[j].turns[k],
                                 phases + 1, p.now_ms / 1000);
        }
        avm_state_free(p.st);
    }
}

static void waves_at_defaults(void **state)
{
    (void)state;
    waves(config_default, HOUR);
}

static void waves_at_full_speed(void **state)
{
    (void)state;
    waves(config_fastest, 2 * MINUTE);
}

/* ------------------------------------------------------------------------ */
/* Noise, and figures on the edge                                           */

static void settled(struct play *p, uint64_t settle_ms, uint64_t ms,
                    const char *what)
{
    unsigned int before[MAX];
    size_t i;

    play_for(p, settle_ms);
    for (i = 0; i < p->nr; i++)
        before[i] = p->g[i].changes;
    play_for(p, ms);
    for (i = 0; i < p->nr; i++)
        if (p->g[i].changes != before[i])
            fail_msg("%s: domain %zu (%s, demand %u, %u wakes, %u packets, %u "
                     "disk): %u changes, the last after %" PRIu64 " s", what,
                     i + 1, avm_role_name(p->g[i].role), p->g[i].w.demand,
                     p->g[i].w.wakes, p->g[i].w.packets, p->g[i].w.disk,
                     p->g[i].changes - before[i], p->g[i].last_ms / 1000);
}

/*
 * On the edge, noise may tip it once; it must not tip it back. (Who is declared
 * time-critical is urgent from the start, until it is known to compute.)
 */
static void never_back(struct play *p, uint64_t ms, const char *what)
{
    size_t i;
    int k;

    play_for(p, ms);
    for (i = 0; i < p->nr; i++)
        for (k = 0; k < AVM_NR_KNOBS; k++)
            if (p->g[i].turns[k] > 1u + (p->g[i].role ==
                                         AVM_ROLE_TIME_CRITICAL &&
                                         k == AVM_KNOB_URGENCY))
                fail_msg("%s: domain %zu (%s, demand %u, %u wakes, %u packets, "
                         "%u disk): %s changed to and fro %u times, the last "
                         "after %" PRIu64 " s", what, i + 1,
                         avm_role_name(p->g[i].role), p->g[i].w.demand,
                         p->g[i].w.wakes, p->g[i].w.packets, p->g[i].w.disk,
                         avm_knob_name(k), p->g[i].turns[k],
                         p->g[i].last_ms / 1000);
}

static void noise(void (*config)(struct avm_config *), uint64_t settle_ms,
                  uint64_t ms, const char *what)
{
    struct play p;

    start(&p, config);
    wave_host(&p);
    p.g[BACKGROUND].w = cpu;
    p.noise_permille = 300;
    settled(&p, settle_ms, ms, what);
    avm_state_free(p.st);
}

static void noise_at_defaults(void **state)
{
    (void)state;
    noise(config_default, HOUR, 4 * HOUR, "defaults");
}

static void noise_at_full_speed(void **state)
{
    (void)state;
    noise(config_fastest, MINUTE, 20 * MINUTE, "full speed");
}

/* Each figure at which a statement of a usage model, or a decision, turns. */
static const struct work edge[] = {
    /* busy or idle, computing or not */
    { 10, 4, 0, 0 }, { 25, 4, 0, 0 }, { 40, 4, 0, 0 }, { 150, 4, 0, 0 },
    { 275, 4, 0, 0 }, { 400, 4, 0, 0 }, { 500, 2, 0, 0 }, { 640, 2, 0, 0 },
    { 675, 2, 0, 0 }, { 692, 2, 0, 0 }, { 750, 2, 0, 0 }, { 850, 2, 0, 0 },
    /* wakes and bursts */
    { 100, 3, 0, 0 }, { 100, 5, 0, 0 }, { 100, 6, 0, 0 }, { 100, 8, 0, 0 },
    { 900, 225, 0, 0 }, { 900, 400, 0, 0 }, { 900, 1800, 0, 0 },
    { 360, 12, 0, 0 }, { 252, 12, 0, 0 }, { 144, 12, 0, 0 },
    /* packets */
    { 120, 50, 40, 0 }, { 120, 50, 72, 0 }, { 120, 50, 80, 0 },
    { 120, 50, 120, 0 }, { 120, 50, 200, 0 }, { 5, 8, 50, 0 },
    { 5, 8, 110, 0 }, { 5, 8, 125, 0 }, { 5, 8, 200, 0 },
    /* disk requests */
    { 120, 50, 0, 8 }, { 120, 50, 0, 17 }, { 120, 50, 0, 19 },
    { 120, 50, 0, 30 }, { 5, 8, 0, 10 }, { 5, 8, 0, 25 }, { 5, 8, 0, 40 },
    /* both */
    { 120, 50, 300, 175 }, { 120, 50, 450, 137 }, { 120, 50, 600, 100 },
    { 120, 50, 480, 80 }, { 120, 50, 400, 100 },
    /* how much CPU time the I/O explains */
    { 400, 50, 50, 0 }, { 400, 50, 80, 0 }, { 400, 50, 200, 0 },
    { 800, 50, 100, 0 }, { 800, 50, 200, 0 }, { 800, 50, 400, 0 },
    { 800, 50, 250, 0 }, { 675, 50, 250, 0 }, { 850, 50, 850, 0 },
};

#define NR_EDGES (sizeof(edge) / sizeof(edge[0]))

/* Each in a pool of its own, with somebody who computes. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:malloc_context_size=3";
}

static void edges(void (*config)(struct avm_config *), int nr_roles,
                  uint32_t noise, uint64_t settle_ms, uint64_t ms,
                  const char *what)
{
    size_t first, i;
    int role;

    for (role = 0; role < nr_roles; role++) {
        for (first = 0; first < NR_EDGES; first += AVM_MAX_POOLS) {
            struct play p;

            start(&p, config);
            p.c.changes_per_minute = 10000;
            assert_int_equal(avm_state_config(p.st, &p.c), 0);
            p.noise_permille = noise;
            for (i = first; i < NR_EDGES && i < first + AVM_MAX_POOLS; i++) {
                add(&p, role, i - first, edge[i]);
                add(&p, AVM_ROLE_NORMAL, i - first, cpu);
            }
            ready(&p);
            if (noise)
                never_back(&p, ms, what);
            else
                settled(&p, settle_ms, ms, what);
            avm_state_free(p.st);
        }
    }
}

static void edges_settle(void **state)
{
    (void)state;
    edges(config_default, AVM_NR_ROLES, 0, 18 * MINUTE, 4 * MINUTE,
          "defaults");
    edges(config_fastest, AVM_NR_ROLES, 0, 10000, 10000, "full speed");
}

static void edges_with_noise(void **state)
{
    (void)state;
    edges(config_default, AVM_NR_ROLES, 300, 0, 20 * MINUTE, "defaults");
    /*
     * In 400 ms there are too few wakes to tell a declared one on the edge from
     * one that computes, and what is declared does not wait for a verdict.
     */
    edges(config_fast, AVM_ROLE_TIME_CRITICAL, 300, 0, 30000, "fast");
}

/* ------------------------------------------------------------------------ */
/* Reaction                                                                 */

/* How long after i begins to do 'then' is 'knob' changed? */
static uint64_t reaction_ms(void (*config)(struct avm_config *), size_t i,
                            struct work first, struct work then,
                            enum avm_knob knob, uint32_t after_ms)
{
    uint64_t begin_ms, ms;
    struct play p;

    start(&p, config);
    wave_host(&p);
    p.g[i].w = first;
    play_for(&p, 40 * p.c.decide_ms + after_ms);
    begin_ms = p.now_ms;
    p.g[i].w = then;
    p.g[i].first_ms[knob] = 0;
    while (!p.g[i].first_ms[knob] && p.now_ms < begin_ms + 10 * MINUTE)
        tick(&p);
    ms = p.g[i].first_ms[knob] ? p.g[i].first_ms[knob] - begin_ms : UINT64_MAX;
    avm_state_free(p.st);
    return ms;
}

struct reaction {
    size_t i;
    const struct work *first, *then;
    enum avm_knob knob;
};

static const struct reaction reaction[] = {
    { BACKGROUND, &idle, &cpu, AVM_KNOB_WEIGHT },
    { BACKGROUND, &idle, &cpu, AVM_KNOB_URGENCY },
    { INTERACTIVE, &idle, &net, AVM_KNOB_URGENCY },
    { INTERACTIVE, &cpu, &net, AVM_KNOB_URGENCY },
};

static void reacts(void (*config)(struct avm_config *), uint64_t limit_ms)
{
    struct avm_config c;
    uint32_t after_ms;
    size_t r;

    config(&c);
    for (r = 0; r < sizeof(reaction) / sizeof(reaction[0]); r++)
        for (after_ms = 0; after_ms < c.decide_ms; after_ms += c.sample_ms) {
            const struct reaction *x = &reaction[r];
            uint64_t ms = reaction_ms(config, x->i, *x->first, *x->then,
                                      x->knob, after_ms);

            if (getenv("AVM_SHOW"))
                print_message("reaction %zu at %u: %" PRIu64 " ms\n", r,
                              after_ms, ms);
            if (ms > limit_ms)
                fail_msg("%zu, %u ms after a decision: %" PRIu64 " ms", r,
                         after_ms, ms);
        }
}

static void reacts_in_a_second(void **state)
{
    (void)state;
    reacts(config_fastest, 1000);
}

/*
 * By default it takes up to three samples to see it, then up to 4 s until the
 * next decision, and two more decisions for it to hold: 15 s.
 */
static void reacts_at_defaults(void **state)
{
    (void)state;
    reacts(config_default, 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waves_at_defaults),
        cmocka_unit_test(waves_at_full_speed),
        cmocka_unit_test(noise_at_defaults),
        cmocka_unit_test(noise_at_full_speed),
        cmocka_unit_test(edges_settle),
        cmocka_unit_test(edges_with_noise),
        cmocka_unit_test(reacts_in_a_second),
        cmocka_unit_test(reacts_at_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
