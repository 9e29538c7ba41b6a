/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * learn: what has this domain been doing, and is what it does now like that?
 *
 * For a handful of figures a domain has a histogram of its time: so many
 * milliseconds with so much. Each window adds its length to one bucket of each.
 * The counts are whole numbers that are halved, rounded down, all at once: what
 * is left of a millisecond after n halvings is the same whichever way it got
 * there, and no count can grow for ever.
 */
#include <errno.h>
#include <string.h>

#include "core.h"

/*
 * Halved at two of these (AVM_LEARNED_SUM_MS): a day, because that is the
 * rhythm of people. What a domain did before it was given other work is no more
 * than half of what counts after one day, a quarter after two.
 */
#define HALF_LIFE_MS 86400000u
_Static_assert(AVM_LEARNED_SUM_MS == 2 * HALF_LIFE_MS, "what avm.h says");

/*
 * Twice the longest sample_ms. What is longer was no window but a gap, in which
 * the host slept or nobody looked: its mean says less than its length would
 * make it count for.
 */
#define WINDOW_MAX_MS 120000

#define NS_PER_MS 1000000ull

/* Of less nobody can say what a domain does when it does something. */
#define BUSY_ENOUGH_MS 600000

/* "Usual" is half of the time; "high" is all but one part in 20 of it. */
#define USUAL_PERMILLE 500
#define HIGH_PERMILLE  950
#define LOW_PERMILLE   50

/*
 * Its work is of one class, four fifths of the time: what is of that class now
 * is no surprise. One twentieth, as for a figure, is one.
 */
#define LIKE_PERMILLE   800
#define UNLIKE_PERMILLE 50

/*
 * What counts for a bucket, at most; the last one has no end. Round figures,
 * for people read them. Of CPU time they are close where one pCPU is shared;
 * wake-ups come in powers of two anyway; traffic varies by factors.
 */
#define BUCKETS (AVM_LEARNED_BUCKETS - 1)

static const uint64_t of_a_cpu[BUCKETS] = {
    5, 10, 20, 30, 50, 70, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850,
    1000, 1500, 2000, 4000, 8000,
};

static const uint64_t us[BUCKETS] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
    32768, 65536, 131072, 262144, 524288, 1048576,
};

static const uint64_t bps[BUCKETS] = {
    0, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000,
    2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000,
    500000000, 1000000000, 2000000000,
};

static const uint64_t *const most[AVM_NR_LEARNED] = {
    [AVM_LEARNED_DEMAND] = of_a_cpu,
    [AVM_LEARNED_WAIT] = of_a_cpu,
    [AVM_LEARNED_LATENCY] = us,
    [AVM_LEARNED_NET] = bps,
    [AVM_LEARNED_DISK] = bps,
};

uint64_t avm_learned_most(enum avm_learned_metric m, unsigned int bucket)
{
    return m < AVM_NR_LEARNED && bucket < BUCKETS ? most[m][bucket] :
                                                    UINT64_MAX;
}

static unsigned int bucket_of(enum avm_learned_metric m, uint64_t v)
{
    unsigned int i;

    for (i = 0; i < BUCKETS && v > most[m][i]; i++)
        ;
    return i;
}

static uint64_t sum_of(const uint32_t *ms, unsigned int nr)
{
    uint64_t sum = 0;

    while (nr--)
        sum += ms[nr];
    return sum;
}

/* ------------------------------------------------------------------------ */
/* In                                                                       */

/* What a window says of a figure; false if it says nothing. */
static bool figure(const struct avm_window *w, uint32_t nr_vcpus,
                   enum avm_learned_metric m, uint64_t *v)
{
    uint64_t all = 1000ull * (nr_vcpus ? nr_vcpus : 1);

    switch (m) {
    case AVM_LEARNED_DEMAND:
        *v = (uint64_t)w->cpu_permille + w->wait_permille;
        *v = *v < all ? *v : all;
        return w->have & (AVM_HAVE_CPU | AVM_HAVE_RECORDS);
    case AVM_LEARNED_WAIT:
        *v = w->wait_permille;
        return w->have & AVM_HAVE_RECORDS;
    case AVM_LEARNED_LATENCY:
        *v = w->latency_p99_us;
        return *v && (w->have & AVM_HAVE_RECORDS);
    case AVM_LEARNED_NET:
        *v = w->net_bps;
        return w->have & AVM_HAVE_NET;
    case AVM_LEARNED_DISK:
        *v = w->disk_bps;
        return w->have & AVM_HAVE_DISK;
    case AVM_NR_LEARNED:
        break;
    }
    return false;
}

/* Rounding takes a little more from one sum than from another. */
static bool is_full(const struct avm_learned *l)
{
    int m;

    if (l->observed_ms < AVM_LEARNED_SUM_MS)
        return false;
    if (sum_of(l->class_ms, AVM_NR_CLASSES) >= AVM_LEARNED_SUM_MS)
        return true;
    for (m = 0; m < AVM_NR_LEARNED; m++)
        if (sum_of(l->ms[m], AVM_LEARNED_BUCKETS) >= AVM_LEARNED_SUM_MS)
            return true;
    return false;
}

static void halve(struct avm_learned *l)
{
    uint32_t *ms = &l->ms[0][0];
    unsigned int i;

    for (i = 0; i < AVM_NR_CLASSES; i++)
        l->class_ms[i] /= 2;
    for (i = 0; i < AVM_NR_LEARNED * AVM_LEARNED_BUCKETS; i++)
        ms[i] /= 2;
}

void avm_learn(struct avm_learned *l, const struct avm_domain *d)
{
    uint64_t ms = d->window.length_ns / NS_PER_MS, v;
    int m;

    /* One that may not run shows nothing of what it is like. */
    if (!ms || d->klass >= AVM_NR_CLASSES ||
        (d->flags & (AVM_DOM_PAUSED | AVM_DOM_SHUTDOWN | AVM_DOM_DYING)))
        return;
    if (ms > WINDOW_MAX_MS)
        ms = WINDOW_MAX_MS;

    l->observed_ms = l->observed_ms < INT64_MAX - ms ? l->observed_ms + ms :
                                                       INT64_MAX;
    l->class_ms[d->klass] += ms;
    for (m = 0; m < AVM_NR_LEARNED; m++)
        if (figure(&d->window, d->nr_vcpus, m, &v))
            l->ms[m][bucket_of(m, v)] += ms;
    if (is_full(l))
        halve(l);
}

int avm_learned_check(const struct avm_learned *l)
{
    uint64_t sum = sum_of(l->class_ms, AVM_NR_CLASSES);
    int m;

    for (m = -1; m < AVM_NR_LEARNED; m++) {
        if (m >= 0)
            sum = sum_of(l->ms[m], AVM_LEARNED_BUCKETS);
        if (sum < AVM_LEARNED_SUM_MS && sum <= l->observed_ms &&
            l->observed_ms <= INT64_MAX)
            continue;
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Out                                                                      */

/* The bucket in which this part of the time ends; the histogram has some. */
static unsigned int quantile(const uint32_t *ms, uint64_t sum,
                             uint32_t permille)
{
    uint64_t want = (sum * avm_min_u32(permille, 1000) + 999) / 1000, seen = 0;
    unsigned int i;

    if (!want)
        want = 1;
    for (i = 0; i < AVM_LEARNED_BUCKETS - 1; i++) {
        seen += ms[i];
        if (seen >= want)
            break;
    }
    return i;
}

uint64_t avm_learned_quantile(const struct avm_learned *l,
                              enum avm_learned_metric m, uint32_t permille)
{
    uint64_t sum;

    if (m >= AVM_NR_LEARNED)
        return 0;
    sum = sum_of(l->ms[m], AVM_LEARNED_BUCKETS);
    return sum ? avm_learned_most(m, quantile(l->ms[m], sum, permille)) : 0;
}

static void past_of(const struct avm_learned *l, const struct avm_domain *d,
                    enum avm_learned_metric m, struct avm_past *p)
{
    uint64_t sum = sum_of(l->ms[m], AVM_LEARNED_BUCKETS), v;
    unsigned int low, high, now;

    if (sum < AVM_LEARNED_ENOUGH_MS)
        return;
    low = quantile(l->ms[m], sum, LOW_PERMILLE);
    high = quantile(l->ms[m], sum, HIGH_PERMILLE);
    p->of[m].enough = true;
    p->of[m].usual = avm_learned_most(m, quantile(l->ms[m], sum,
                                                  USUAL_PERMILLE));
    p->of[m].high = avm_learned_most(m, high);
    if (!d->smooth.length_ns || !figure(&d->smooth, d->nr_vcpus, m, &v))
        return;
    now = bucket_of(m, v);
    p->of[m].now = now > high ? AVM_PAST_HIGH :
                   now < low ? AVM_PAST_LOW : AVM_PAST_USUAL;
}

void avm_remember(const struct avm_learned *l, struct avm_domain *d)
{
    struct avm_past *p = &d->past;
    uint64_t sum = sum_of(l->class_ms, AVM_NR_CLASSES);
    uint64_t busy = sum - l->class_ms[AVM_CLASS_IDLE] -
                    l->class_ms[AVM_CLASS_UNKNOWN];
    int c, m;

    memset(p, 0, sizeof(*p));
    p->observed_ms = l->observed_ms;
    p->enough = sum >= AVM_LEARNED_ENOUGH_MS;
    if (!p->enough)
        return;
    for (c = 0; c < AVM_NR_CLASSES; c++) {
        p->class_permille[c] = 1000ull * l->class_ms[c] / sum;
        if (busy >= BUSY_ENOUGH_MS && c != AVM_CLASS_IDLE &&
            c != AVM_CLASS_UNKNOWN)
            p->busy_permille[c] = 1000ull * l->class_ms[c] / busy;
    }
    for (m = 0; m < AVM_NR_LEARNED; m++)
        past_of(l, d, m, p);
}

/* Is there anything to compare the class of now with? */
static bool is_told(const struct avm_domain *d)
{
    uint32_t all = 0;
    int c;

    if (!d->past.enough || d->klass == AVM_CLASS_UNKNOWN ||
        d->klass == AVM_CLASS_IDLE)
        return false;
    for (c = 0; c < AVM_NR_CLASSES; c++)
        all += d->past.busy_permille[c];
    return all;
}

bool avm_like_past(const struct avm_domain *d)
{
    return is_told(d) && d->past.busy_permille[d->klass] >= LIKE_PERMILLE;
}

bool avm_unlike_past(const struct avm_domain *d)
{
    return is_told(d) && d->past.busy_permille[d->klass] < UNLIKE_PERMILLE;
}
