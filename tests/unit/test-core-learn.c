/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is learnt of a domain: counts that are exact whatever comes, and what
 * evaluate, decide, resolve and next make of them.
 */
#include <errno.h>
#include <stdio.h>

#include "core-fixture.h"

#define MS     1000000ull
#define S      (1000 * MS)
#define MINUTE 60000u
#define HOUR   (60 * MINUTE)

static uint64_t sum(const uint32_t *ms, unsigned int nr)
{
    uint64_t all = 0;

    while (nr--)
        all += ms[nr];
    return all;
}

static uint64_t sum_of(const struct avm_learned *l, enum avm_learned_metric m)
{
    return sum(l->ms[m], AVM_LEARNED_BUCKETS);
}

/* A domain in a window of this length. */
static struct avm_domain did(enum avm_class klass, uint32_t cpu, uint64_t ns)
{
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, klass, cpu, 0);

    d.smooth.latency_p99_us = 4;
    d.window = d.smooth;
    d.window.length_ns = ns;
    return d;
}

static void learn(struct avm_learned *l, enum avm_class klass, uint32_t cpu,
                  uint32_t seconds)
{
    struct avm_domain d = did(klass, cpu, S);

    while (seconds--)
        avm_learn(l, &d);
}

/* ------------------------------------------------------------------------ */
/* Counts                                                                   */

static void adds_to_one_bucket(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d = did(AVM_CLASS_NET, 300, 1500 * MS);
    int m;

    (void)state;
    d.window.wait_permille = 100;
    d.window.net_bps = 1000;
    d.window.disk_bps = 2000000001;
    avm_learn(&l, &d);
    assert_int_equal(l.observed_ms, 1500);
    assert_int_equal(l.class_ms[AVM_CLASS_NET], 1500);
    assert_int_equal(l.ms[AVM_LEARNED_DEMAND][11], 1500); /* 300 < 400 <= 400 */
    assert_int_equal(l.ms[AVM_LEARNED_WAIT][6], 1500);    /* 70 < 100 <= 100 */
    assert_int_equal(l.ms[AVM_LEARNED_LATENCY][2], 1500);
    assert_int_equal(l.ms[AVM_LEARNED_NET][1], 1500);
    assert_int_equal(l.ms[AVM_LEARNED_DISK][21], 1500);
    for (m = 0; m < AVM_NR_LEARNED; m++)
        assert_int_equal(sum_of(&l, m), 1500);

    /* More than all of its vCPUs it cannot want. */
    d.window.cpu_permille = 900;
    d.window.wait_permille = 800;
    avm_learn(&l, &d);
    assert_int_equal(l.ms[AVM_LEARNED_DEMAND][16], 1500); /* 1000 */
}

/* The values at an edge, one below and one above, for each bucket. */
static void edges(void **state)
{
    int m, i;

    (void)state;
    for (m = 0; m < AVM_NR_LEARNED; m++) {
        for (i = 0; i < AVM_LEARNED_BUCKETS - 1; i++) {
            uint64_t most = avm_learned_most(m, i);

            assert_true(!i || most > avm_learned_most(m, i - 1));
            for (uint64_t v = most ? most - 1 : 0; v <= most + 1; v++) {
                struct avm_learned l = { 0 };
                struct avm_domain d = did(AVM_CLASS_NET, 0, S);
                int want = v > most ? i + 1 :
                           i && v <= avm_learned_most(m, i - 1) ? i - 1 : i;

                if (m == AVM_LEARNED_LATENCY && !v)
                    continue;
                d.nr_vcpus = 60000;
                d.window.cpu_permille = m == AVM_LEARNED_DEMAND ? v : 0;
                d.window.wait_permille = m == AVM_LEARNED_WAIT ? v : 0;
                d.window.latency_p99_us = v;
                d.window.net_bps = d.window.disk_bps = v;
                avm_learn(&l, &d);
                assert_int_equal(l.ms[m][want], 1000);
                assert_int_equal(sum_of(&l, m), 1000);
            }
        }
        assert_true(avm_learned_most(m, i) == UINT64_MAX);
        assert_true(avm_learned_most(m, UINT32_MAX) == UINT64_MAX);
    }
    assert_true(avm_learned_most(AVM_NR_LEARNED, 0) == UINT64_MAX);
}

/* What a window does not tell is not taken for nothing. */
static void what_is_missing_adds_nothing(void **state)
{
    static const uint32_t off[] = {
        AVM_DOM_PAUSED, AVM_DOM_SHUTDOWN, AVM_DOM_DYING,
    };
    struct avm_learned l = { 0 }, none = { 0 };
    struct avm_domain d = did(AVM_CLASS_CPU, 900, 0);
    size_t i;

    (void)state;
    avm_learn(&l, &d);
    d.window.length_ns = MS - 1;
    avm_learn(&l, &d);
    d.window.length_ns = S;
    for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        d.flags = off[i];
        avm_learn(&l, &d);
    }
    assert_memory_equal(&l, &none, sizeof(l));

    d.flags = 0;
    d.window.have = AVM_HAVE_CPU;
    avm_learn(&l, &d);
    assert_int_equal(sum_of(&l, AVM_LEARNED_DEMAND), 1000);
    assert_int_equal(sum_of(&l, AVM_LEARNED_WAIT), 0);
    assert_int_equal(sum_of(&l, AVM_LEARNED_LATENCY), 0);
    assert_int_equal(sum_of(&l, AVM_LEARNED_NET), 0);
    assert_int_equal(sum_of(&l, AVM_LEARNED_DISK), 0);
    /* Nobody woke: that is no latency of 0. */
    d.window.have = HAVE_ALL;
    d.window.latency_p99_us = 0;
    avm_learn(&l, &d);
    assert_int_equal(sum_of(&l, AVM_LEARNED_WAIT), 1000);
    assert_int_equal(sum_of(&l, AVM_LEARNED_LATENCY), 0);
}

/* After n days there is exactly 2^-n of it left, rounded down. */
static void decay_is_exact(void **state)
{
    struct avm_learned l = { .observed_ms = 100000000 };
    struct avm_domain d = did(AVM_CLASS_IDLE, 3, 100 * S);
    uint32_t odd = 99999999;
    int day, i, halved = 0;

    (void)state;
    l.class_ms[AVM_CLASS_CPU] = l.ms[AVM_LEARNED_DEMAND][16] = odd;
    for (day = 0; day < 40; day++) {
        for (i = 0; i < 864; i++) {
            uint32_t was = l.class_ms[AVM_CLASS_CPU];

            avm_learn(&l, &d);
            halved += l.class_ms[AVM_CLASS_CPU] != was;
            assert_int_equal(avm_learned_check(&l), 0);
        }
        assert_int_equal(l.class_ms[AVM_CLASS_CPU], odd >> halved);
        assert_int_equal(l.ms[AVM_LEARNED_DEMAND][16], odd >> halved);
    }
    assert_int_equal(halved, 27); /* and then there is none of it left */
    assert_int_equal(l.observed_ms, 100000000 + 40 * 86400000ull);
    /* The other class has all of what it can have. */
    assert_in_range(l.class_ms[AVM_CLASS_IDLE], AVM_LEARNED_SUM_MS / 2 - 1,
                    AVM_LEARNED_SUM_MS - 1);
}

/* Another order of the same windows within a day gives the same. */
static void order_does_not_matter(void **state)
{
    struct avm_learned a = { 0 }, b = { 0 };

    (void)state;
    learn(&a, AVM_CLASS_CPU, 900, 5000);
    learn(&a, AVM_CLASS_NET, 100, 3000);
    learn(&b, AVM_CLASS_NET, 100, 1000);
    learn(&b, AVM_CLASS_CPU, 900, 5000);
    learn(&b, AVM_CLASS_NET, 100, 2000);
    assert_memory_equal(&a, &b, sizeof(a));
}

/* 292 years in one window, a clock at its end, figures without bounds. */
static void hostile_windows(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d = did(AVM_CLASS_CPU, UINT32_MAX, 1ull << 63);
    uint64_t seed = 3;
    int i, m;

    (void)state;
    d.nr_vcpus = UINT32_MAX;
    d.window.wait_permille = UINT32_MAX;
    d.window.latency_p99_us = UINT32_MAX;
    d.window.net_bps = d.window.disk_bps = UINT64_MAX;
    avm_learn(&l, &d);
    assert_int_equal(l.observed_ms, 120000);
    for (m = 0; m < AVM_NR_LEARNED; m++)
        assert_int_equal(l.ms[m][AVM_LEARNED_BUCKETS - 1], 120000);
    assert_true(avm_learned_quantile(&l, AVM_LEARNED_NET, 500) == UINT64_MAX);

    for (i = 0; i < 20000; i++) {
        d.window.length_ns = (uint64_t)fixture_random(&seed) << 33 |
                             fixture_random(&seed);
        d.klass = fixture_random(&seed) % (AVM_NR_CLASSES + 2);
        d.window.have = fixture_random(&seed);
        d.window.cpu_permille = fixture_random(&seed) >>
                                fixture_random(&seed) % 31;
        d.window.net_bps = fixture_random(&seed) >> fixture_random(&seed) % 31;
        avm_learn(&l, &d);
        assert_int_equal(avm_learned_check(&l), 0);
    }

    l.observed_ms = INT64_MAX - 5;
    d.klass = AVM_CLASS_CPU;
    avm_learn(&l, &d);
    avm_learn(&l, &d);
    assert_true(l.observed_ms == INT64_MAX);
    assert_int_equal(avm_learned_check(&l), 0);
}

static void checks(void **state)
{
    struct avm_learned l = { 0 }, bad;

    (void)state;
    assert_int_equal(avm_learned_check(&l), 0);
    learn(&l, AVM_CLASS_CPU, 900, 4000);
    assert_int_equal(avm_learned_check(&l), 0);

#define BAD(...) \
    bad = l; \
    __VA_ARGS__; \
    errno = 0; \
    assert_int_equal(avm_learned_check(&bad), -1); \
    assert_int_equal(errno, EINVAL)
    BAD(bad.observed_ms = 3999999);
    BAD(bad.observed_ms = 1ull << 63);
    l.observed_ms = 1ull << 62;
    BAD(bad.class_ms[0] = bad.class_ms[1] = 1u << 31);
    BAD(bad.ms[4][21] = UINT32_MAX);
    BAD(bad.ms[0][0] = AVM_LEARNED_SUM_MS);
    bad.ms[0][0] = AVM_LEARNED_SUM_MS - 1;
    memset(&bad.ms[0][1], 0, sizeof(bad.ms[0]) - sizeof(bad.ms[0][0]));
    assert_int_equal(avm_learned_check(&bad), 0);
#undef BAD
}

static void quantiles_are_monotone(void **state)
{
    struct avm_learned l;
    uint64_t seed = 11, was, now;
    int i, m, n;
    uint32_t q;

    (void)state;
    for (i = 0; i < 200; i++) {
        memset(&l, 0, sizeof(l));
        for (m = 0; m < AVM_NR_LEARNED; m++)
            for (n = fixture_random(&seed) % 8; n > 0; n--)
                l.ms[m][fixture_random(&seed) % AVM_LEARNED_BUCKETS] +=
                    fixture_random(&seed) % 20000000;
        for (m = 0; m < AVM_NR_LEARNED; m++) {
            uint64_t all = sum_of(&l, m);

            for (q = 0, was = 0; q <= 1001; q++, was = now) {
                uint64_t at_most = 0;

                now = avm_learned_quantile(&l, m, q);
                assert_true(now >= was);
                /* It was at most that for so much of the time. */
                for (n = 0; n < AVM_LEARNED_BUCKETS; n++)
                    if (avm_learned_most(m, n) <= now)
                        at_most += l.ms[m][n];
                assert_true(at_most * 1000 >=
                            all * (q > 1000 ? 1000 : q));
            }
        }
    }
    memset(&l, 0, sizeof(l));
    assert_int_equal(avm_learned_quantile(&l, AVM_LEARNED_NET, 950), 0);
    assert_int_equal(avm_learned_quantile(&l, AVM_NR_LEARNED, 950), 0);
}

/* ------------------------------------------------------------------------ */
/* The past and now                                                         */

static void not_enough_past(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d = did(AVM_CLASS_CPU, 900, S);

    (void)state;
    learn(&l, AVM_CLASS_CPU, 900, 3599);
    avm_remember(&l, &d);
    assert_false(d.past.enough);
    assert_int_equal(d.past.observed_ms, 3599000);
    assert_false(d.past.of[AVM_LEARNED_DEMAND].enough);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].now, AVM_PAST_UNKNOWN);
    assert_false(avm_like_past(&d));
    assert_false(avm_unlike_past(&d));

    learn(&l, AVM_CLASS_CPU, 900, 1);
    avm_remember(&l, &d);
    assert_true(d.past.enough);
    assert_true(d.past.of[AVM_LEARNED_DEMAND].enough);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].now, AVM_PAST_USUAL);
    assert_true(avm_like_past(&d));
}

static void now_beside_it(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d;

    (void)state;
    learn(&l, AVM_CLASS_NET, 190, 6000);
    learn(&l, AVM_CLASS_NET, 840, 4000);
    d = did(AVM_CLASS_NET, 700, S);
    avm_remember(&l, &d);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].usual, 200);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].high, 850);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].now, AVM_PAST_USUAL);
    d.smooth.cpu_permille = 851;
    avm_remember(&l, &d);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].now, AVM_PAST_HIGH);
    d.smooth.cpu_permille = 150;
    avm_remember(&l, &d);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].now, AVM_PAST_LOW);
    d.smooth.length_ns = 0;
    avm_remember(&l, &d);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].now, AVM_PAST_UNKNOWN);
    assert_int_equal(d.past.of[AVM_LEARNED_DEMAND].high, 850);
    /* One figure of which too little is known, of a domain that is. */
    d = did(AVM_CLASS_NET, 700, S);
    memset(l.ms[AVM_LEARNED_DISK], 0, sizeof(l.ms[0]));
    avm_remember(&l, &d);
    assert_true(d.past.of[AVM_LEARNED_NET].enough);
    assert_false(d.past.of[AVM_LEARNED_DISK].enough);
}

/* It is idle at night: that says nothing of what its work is. */
static void classes_of_its_work(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d;

    (void)state;
    learn(&l, AVM_CLASS_IDLE, 3, 40000);
    learn(&l, AVM_CLASS_NET, 200, 599);
    d = did(AVM_CLASS_NET, 200, S);
    avm_remember(&l, &d);
    assert_true(d.past.enough);
    assert_false(avm_like_past(&d)); /* 599 s are not enough to tell */
    d.klass = AVM_CLASS_CPU;
    assert_false(avm_unlike_past(&d));

    learn(&l, AVM_CLASS_NET, 200, 1000);
    learn(&l, AVM_CLASS_CPU, 900, 80);
    d.klass = AVM_CLASS_NET;
    avm_remember(&l, &d);
    assert_true(avm_like_past(&d));
    assert_int_equal(d.past.class_permille[AVM_CLASS_IDLE], 959);
    d.klass = AVM_CLASS_CPU; /* 80 of 1679: under a twentieth */
    assert_false(avm_like_past(&d));
    assert_true(avm_unlike_past(&d));
    learn(&l, AVM_CLASS_CPU, 900, 5);
    avm_remember(&l, &d); /* 85 of 1684: not any more */
    assert_false(avm_unlike_past(&d));
    d.klass = AVM_CLASS_IDLE;
    assert_false(avm_like_past(&d) || avm_unlike_past(&d));
    d.klass = AVM_CLASS_UNKNOWN;
    assert_false(avm_like_past(&d) || avm_unlike_past(&d));
}

/* ------------------------------------------------------------------------ */
/* What is made of it                                                       */

/* One that is known need not be looked at twice. */
static void believed_at_once(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d;

    (void)state;
    learn(&l, AVM_CLASS_CPU, 1000, 4000);
    d = did(AVM_CLASS_UNKNOWN, 1000, S);
    d.smooth.wakes_per_s = 0;
    d.smooth.burst_us = 1000000;
    avm_evaluate(avm_models_builtin(), &d, 1);
    assert_int_equal(d.klass, AVM_CLASS_CPU);
    assert_int_equal(d.confidence_permille, 500);
    avm_remember(&l, &d);
    avm_evaluate(avm_models_builtin(), &d, 1);
    assert_int_equal(d.confidence_permille, 1000);
    /* What is seen now decides of what class it is. */
    d.smooth.cpu_permille = 3;
    avm_evaluate(avm_models_builtin(), &d, 1);
    assert_int_equal(d.klass, AVM_CLASS_IDLE);
    assert_int_equal(d.confidence_permille, 500);
}

static void wish_tells(void **state)
{
    struct avm_wish w[2];
    struct avm_learned l = { 0 };
    struct avm_domain d = did(AVM_CLASS_DISK, 100, S);
    struct avm_wish *x;
    size_t n = 0;

    (void)state;
    learn(&l, AVM_CLASS_NET, 200, 4000);
    avm_remember(&l, &d);
    x = avm_wish_add(w, &n, &d, 0, AVM_KNOB_WEIGHT, AVM_WISH_GAIN, 256, 512,
                     500);
    assert_true(x->unlike_past);
    assert_false(x->like_past);
    assert_string_equal(x->past, "it was disk for 0.0% of its busy time only");
    d.klass = AVM_CLASS_NET;
    x = avm_wish_add(w, &n, &d, 0, AVM_KNOB_WEIGHT, AVM_WISH_GAIN, 256, 512,
                     500);
    assert_true(x->like_past);
    assert_false(x->unlike_past);
    assert_string_equal(x->past, "");
}

/* The state of a change after 'held' decisions, 'age_ms' after it was seen. */
static struct avm_change next_after(const struct avm_wish *w, uint32_t held,
                                    uint64_t age_ms, bool ours)
{
    struct avm_memory m = { 0 };
    struct avm_change c = { .state = AVM_CHANGE_READY };
    uint64_t at[16];
    struct avm_budget b = { at, 16, 0, 0 };
    struct avm_config conf;
    size_t order = 0;

    avm_config_init(&conf);
    m.first_ms = 1000000;
    m.knob[w->knob].ours = ours;
    m.knob[w->knob].held = held - 1;
    m.knob[w->knob].held_to = w->to > w->from;
    avm_next(&conf, &m, 1, w, &order, &c, 1, &b, m.first_ms + age_ms, true);
    return c;
}

static void next_heeds_it(void **state)
{
    struct avm_wish w = {
        .knob = AVM_KNOB_WEIGHT, .kind = AVM_WISH_GAIN, .from = 256, .to = 512,
        .gain_permille = 500, .past = "it was disk",
    };
    struct avm_change c;

    (void)state;
    /* Without a past: 60 s of warm-up, three decisions. */
    assert_int_equal(next_after(&w, 3, 60000, false).state, AVM_CHANGE_READY);
    assert_int_equal(next_after(&w, 3, 59999, false).state, AVM_CHANGE_WARMUP);
    assert_int_equal(next_after(&w, 2, 60000, false).state, AVM_CHANGE_HOLD);

    w.like_past = true;
    assert_int_equal(next_after(&w, 3, 15000, false).state, AVM_CHANGE_READY);
    assert_int_equal(next_after(&w, 3, 14999, false).state, AVM_CHANGE_WARMUP);
    /* It never has to hold for less. */
    assert_int_equal(next_after(&w, 2, 15000, false).state, AVM_CHANGE_HOLD);
    /* An earlier avmd changed it, a moment ago for all we know. */
    assert_int_equal(next_after(&w, 3, 59999, true).state, AVM_CHANGE_WARMUP);
    assert_int_equal(next_after(&w, 3, 60000, true).state, AVM_CHANGE_READY);

    w.like_past = false;
    w.unlike_past = true;
    c = next_after(&w, 5, 60000, false);
    assert_int_equal(c.state, AVM_CHANGE_HOLD);
    assert_string_equal(c.why_not, "wished 5 times in a row, of 6: it was disk");
    assert_int_equal(next_after(&w, 6, 60000, false).state, AVM_CHANGE_READY);
    assert_int_equal(next_after(&w, 6, 59999, false).state, AVM_CHANGE_WARMUP);

    /* Giving back takes as long as ever; what is declared takes no time. */
    w.kind = AVM_WISH_RETURN;
    c = next_after(&w, 11, 60000, false);
    assert_int_equal(c.state, AVM_CHANGE_HOLD);
    assert_string_equal(c.why_not, "wished 11 times in a row, of 12");
    assert_int_equal(next_after(&w, 12, 60000, false).state, AVM_CHANGE_READY);
    w.kind = AVM_WISH_DECLARED;
    assert_int_equal(next_after(&w, 1, 0, false).state, AVM_CHANGE_READY);
}

/* Is a time-critical domain of which there is no figure yet let in? */
static bool is_let_in(struct avm_domain *d, char *why)
{
    struct fixture_room room;
    struct avm_scratch *s = room_init(&room);
    struct avm_host host = host_of(1);
    struct avm_memory m = memory_for(d);
    struct avm_wish w[AVM_WISHES_PER_DOMAIN];
    struct avm_grant g[4];
    struct avm_config c;
    size_t n;

    avm_config_init(&c);
    n = avm_decide(&host, d, &m, 1, s, w);
    assert_int_equal(n, 1);
    assert_int_equal(w[0].to, AVM_URGENCY_CRITICAL);
    avm_resolve(&c, &host, d, &m, 1, w, n, s, g, 4);
    strcpy(why, w[0].why_not);
    return !w[0].refused;
}

static void critical_by_its_past(void **state)
{
    struct avm_learned l = { 0 };
    struct avm_domain d = domain_of(1, AVM_ROLE_TIME_CRITICAL,
                                    AVM_CLASS_UNKNOWN, 0, 0);
    char why[AVM_TEXT_LEN];

    (void)state;
    memset(&d.smooth, 0, sizeof(d.smooth));
    assert_true(is_let_in(&d, why)); /* 5%: a guess */
    learn(&l, AVM_CLASS_TIME_CRITICAL, 400, 9400);
    learn(&l, AVM_CLASS_TIME_CRITICAL, 700, 600);
    avm_remember(&l, &d);
    assert_false(is_let_in(&d, why)); /* 70% of one pCPU, and half is the most */
    assert_non_null(strstr(why, "this one 70% more (by its past"));

    /* What it does now is better than what it did. */
    d.smooth.length_ns = S;
    d.smooth.cpu_permille = 100;
    assert_true(is_let_in(&d, why));
    /* And all of its vCPUs are the most, whatever is in the past. */
    memset(&d.smooth, 0, sizeof(d.smooth));
    d.past.of[AVM_LEARNED_DEMAND].high = UINT64_MAX;
    assert_false(is_let_in(&d, why));
    assert_non_null(strstr(why, "this one 100% more"));
}

/* ------------------------------------------------------------------------ */
/* The state's                                                              */

static avm_state *state_new(void)
{
    struct avm_config c;
    avm_state *st;

    avm_config_init(&c);
    st = avm_state_new(&c);
    assert_non_null(st);
    return st;
}

/* Domains 'from' .. 'from' + nr - 1, each busy all the time. */
static void observe(avm_state *st, uint64_t now_s, uint32_t from, uint32_t nr,
                    uint32_t domid)
{
    struct avm_domain_sample *d = calloc(nr + 1, sizeof(*d));
    struct avm_sample s = {
        .mono_ns = now_s * S, .host = host_of(4), .nr = nr, .domain = d,
    };
    uint32_t i;

    for (i = 0; i < nr; i++) {
        d[i].uuid = uuid_of((from + i) * 7919);
        d[i].domid = domid + i;
        d[i].nr_vcpus = 1;
        d[i].have = AVM_HAVE_CPU | AVM_HAVE_RECORDS;
        d[i].count.cpu_ns = d[i].count.running_ns = now_s * S;
    }
    assert_int_equal(avm_observe(st, &s), 0);
    free(d);
}

static uint64_t observed(const avm_state *st, uint32_t n)
{
    struct avm_uuid u = uuid_of(n * 7919);
    const struct avm_learned_of *x = avm_learned_by_uuid(st, &u);

    return x ? x->learned.observed_ms : 0;
}

static void kept_over_a_reboot(void **state)
{
    avm_state *st = state_new();
    const struct avm_domain *d;
    struct avm_uuid u = uuid_of(7919);
    uint64_t t;

    (void)state;
    for (t = 1; t <= 3700; t++)
        observe(st, t, 1, 1, 5);
    assert_int_equal(observed(st, 1), 3699000);
    for (; t <= 3800; t++)
        observe(st, t, 2, 1, 6); /* it is gone */
    assert_int_equal(observed(st, 1), 3699000);
    observe(st, t++, 1, 1, 7);
    d = avm_domain_by_uuid(st, &u);
    assert_non_null(d);
    /* Known at first sight; how it was before that is not this window's. */
    assert_true(d->past.enough);
    assert_int_equal(d->past.observed_ms, 3699000);
    assert_int_equal(d->class_since_ms, (t - 1) * 1000);
    observe(st, t++, 1, 1, 7);
    assert_int_equal(observed(st, 1), 3700000);
    d = avm_domain_by_uuid(st, &u);
    assert_int_equal(d->klass, AVM_CLASS_CPU);
    assert_int_equal(d->confidence_permille, 1000);

    assert_true(avm_state_forget(st, &u));
    assert_false(avm_state_forget(st, &u));
    observe(st, t++, 1, 1, 7);
    d = avm_domain_by_uuid(st, &u);
    assert_false(d->past.enough);
    assert_int_equal(observed(st, 1), 1000);
    avm_state_free(st);
}

/* What was brought along counts, unless more is known here. */
static void taken_over(void **state)
{
    avm_state *st = state_new();
    struct avm_learned l = { 0 }, bad = { .class_ms = { 1 } };
    struct avm_uuid u = uuid_of(7919);
    const struct avm_domain *d;

    (void)state;
    learn(&l, AVM_CLASS_CPU, 1000, 7200);
    assert_int_equal(avm_state_learned(st, &u, &bad), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(avm_learned_by_uuid(st, &u));
    assert_int_equal(avm_state_learned(st, &u, &l), 0);
    assert_int_equal(avm_learned_by_uuid(st, &u)->last_ns, 0);
    observe(st, 1, 1, 1, 5);
    d = avm_domain_by_uuid(st, &u);
    assert_true(d->past.enough);
    observe(st, 2, 1, 1, 5);
    assert_int_equal(observed(st, 1), 7201000);
    assert_int_equal(avm_state_learned(st, &u, &l), 0); /* older */
    assert_int_equal(observed(st, 1), 7201000);
    l.observed_ms = 8000000;
    assert_int_equal(avm_state_learned(st, &u, &l), 0);
    assert_int_equal(observed(st, 1), 8000000);
    avm_state_free(st);
}

/* Sorted whatever the order in which they come, and no longer than it may be. */
static void bounded_and_sorted(void **state)
{
    avm_state *st = state_new();
    const struct avm_learned_of *const *x;
    struct avm_learned l = { .observed_ms = 5 };
    uint64_t t = 1, seed = 5;
    size_t nr, i;
    uint32_t n;

    (void)state;
    for (n = 0; n < 300; n++) {
        struct avm_uuid u = uuid_of(fixture_random(&seed) % 200 * 7919);

        assert_int_equal(avm_state_learned(st, &u, &l), 0);
    }
    for (n = 0; n < 100; n++, t++)
        observe(st, t, n * 50, 60, 1);
    x = avm_learned_all(st, &nr);
    assert_in_range(nr, 2048 + 60, 4096 + 60);
    for (i = 1; i < nr; i++)
        assert_true(memcmp(&x[i - 1]->uuid, &x[i]->uuid, 16) < 0);
    /* Those of the last sample, and then those that left last, are there. */
    for (n = 99 * 50 + 60; n-- > 99 * 50 + 60 - 2000;) {
        struct avm_uuid u = uuid_of(n * 7919);

        assert_non_null(avm_learned_by_uuid(st, &u));
    }
    /* Two of one UUID at a time have one time. */
    observe(st, t++, 7, 1, 1);
    observe(st, t++, 7, 1, 1);
    i = observed(st, 7);
    {
        struct avm_domain_sample d[2] = { { .uuid = uuid_of(7 * 7919) } };
        struct avm_sample s = { .host = host_of(1), .nr = 2, .domain = d };

        d[0].domid = 1;
        d[0].have = AVM_HAVE_CPU;
        d[0].nr_vcpus = 1;
        d[1] = d[0];
        d[1].domid = 2;
        for (n = 0; n < 3; n++, t++) {
            s.mono_ns = t * S;
            d[0].count.cpu_ns = d[1].count.cpu_ns = s.mono_ns;
            assert_int_equal(avm_observe(st, &s), 0);
        }
    }
    assert_in_range(observed(st, 7) - i, 2000, 3000);
    avm_state_free(st);
}

static void explained(void **state)
{
    avm_state *st = state_new();
    struct avm_learned l = { 0 };
    struct avm_uuid u = uuid_of(7919);
    char *text;

    (void)state;
    observe(st, 1, 1, 1, 5);
    observe(st, 722, 1, 1, 5);
    text = avm_explain(st, &u);
    assert_non_null(strstr(text, "its own past: not enough past (0 min of 60)"));
    free(text);
    observe(st, 723, 1, 1, 5);
    text = avm_explain(st, &u);
    assert_non_null(strstr(text, "not enough past (2 min of 60)"));
    free(text);

    learn(&l, AVM_CLASS_NET, 190, 8000);
    learn(&l, AVM_CLASS_IDLE, 3, 2000);
    assert_int_equal(avm_state_learned(st, &u, &l), 0);
    observe(st, 724, 1, 1, 5);
    text = avm_explain(st, &u);
    if (!strstr(text, "its own past (2 h): net 80%, idle 20% of the time\n"
                "  wants: usually up to 20% of a CPU, at most 20% of a CPU for "
                "95% of the time; now unusually high\n") ||
        !strstr(text, "  network: usually none, at most none for 95% of the "
                "time\n") ||
        !strstr(text, "  cpu for 0.0% of its busy time only: a wish has to "
                "hold twice as long\n"))
        fail_msg("%s", text);
    free(text);
    text = avm_json_explain(st, &u);
    if (!strstr(text, "\"past\":{\"observed_ms\":10000000,\"enough_ms\":"
                "3600000,\"enough\":true,\"like_past\":false,\"unlike_past\":"
                "true,\"class_permille\":{\"idle\":200,\"net\":800},"
                "\"demand_permille\":{\"usual\":200,\"high\":200,\"now\":"
                "\"high\"}"))
        fail_msg("%s", text);
    free(text);
    avm_state_free(st);
}

/* ------------------------------------------------------------------------ */
/* JSON                                                                     */

static void json_and_back(void **state)
{
    struct avm_learned l = { 0 }, back;
    char err[128], *text, *again;

    (void)state;
    learn(&l, AVM_CLASS_CPU, 900, 4000);
    learn(&l, AVM_CLASS_IDLE, 3, 400000);
    text = avm_json_learned(&l);
    assert_non_null(text);
    assert_int_equal(avm_learned_parse(text, strlen(text), &back, err,
                                       sizeof(err)), 0);
    assert_memory_equal(&l, &back, sizeof(l));
    again = avm_json_learned(&back);
    assert_string_equal(text, again);
    free(again);
    free(text);
    l.class_ms[0] = UINT32_MAX;
    assert_null(avm_json_learned(&l));
}

/* 'from' replaced by 'to' in a good one. */
static void bad_json(const char *from, const char *to, const char *why)
{
    struct avm_learned l = { 0 }, was;
    char err[128] = "", text[4096], *good, *at;

    learn(&l, AVM_CLASS_CPU, 900, 4000);
    good = avm_json_learned(&l);
    at = strstr(good, from);
    assert_non_null(at);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to,
             at + strlen(from));
    free(good);
    was = l;
    errno = 0;
    if (avm_learned_parse(text, strlen(text), &l, err, sizeof(err)) != -1 ||
        errno != EINVAL || !strstr(err, why) || strchr(err, '\n'))
        fail_msg("%s -> %s: '%s'", from, to, err);
    assert_memory_equal(&l, &was, sizeof(l));
}

static void json_that_is_none(void **state)
{
    (void)state;
    bad_json("{\"version\":1", "{\"version\":2", "\"version\" must be 1");
    bad_json("{\"version\":1,", "{", "\"version\" must be 1");
    bad_json("{", "[{", "");
    bad_json("4000000,", "-4000000,", "observed_ms");
    bad_json("4000000,", "4000000.5,", "observed_ms");
    bad_json("4000000,", "3999999,", "more time");
    bad_json("\"cpu\":4000000", "\"cpu\":172800000", "class cpu");
    bad_json("\"cpu\":4000000", "\"cpu\":\"1\"", "class cpu");
    bad_json("\"cpu\":4000000", "\"cpu\":172799999", "more time");
    bad_json("\"cpu\"", "\"cpus\"", "class cpu");
    bad_json("\"net_bps\":[", "\"net_bps\":[0,", "\"net_bps\" must be 22");
    bad_json("\"net_bps\":[4000000,", "\"net_bps\":[", "\"net_bps\" must be");
    bad_json("\"net_bps\":[", "\"net_bps\":{\"a\":[", "");
    bad_json("\"net_bps\":[4000000,", "\"net_bps\":[-1,", "\"net_bps\" must");
    bad_json("\"net_bps\"", "\"net\"", "\"net_bps\" must be");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_to_one_bucket),
        cmocka_unit_test(edges),
        cmocka_unit_test(what_is_missing_adds_nothing),
        cmocka_unit_test(decay_is_exact),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(hostile_windows),
        cmocka_unit_test(checks),
        cmocka_unit_test(quantiles_are_monotone),
        cmocka_unit_test(not_enough_past),
        cmocka_unit_test(now_beside_it),
        cmocka_unit_test(classes_of_its_work),
        cmocka_unit_test(believed_at_once),
        cmocka_unit_test(wish_tells),
        cmocka_unit_test(next_heeds_it),
        cmocka_unit_test(critical_by_its_past),
        cmocka_unit_test(kept_over_a_reboot),
        cmocka_unit_test(taken_over),
        cmocka_unit_test(bounded_and_sorted),
        cmocka_unit_test(explained),
        cmocka_unit_test(json_and_back),
        cmocka_unit_test(json_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
