/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Distributions and series, and how they are printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

/* So many of the largest values are printed with the time they happened. */
#define WORST 8

int dist_init(struct dist *d, size_t cap)
{
    memset(d, 0, sizeof(*d));
    d->us = malloc(cap * sizeof(*d->us));
    d->at_ms = malloc(cap * sizeof(*d->at_ms));
    if (!d->us || !d->at_ms) {
        dist_free(d);
        return fail("memory for a distribution");
    }
    /* Touch it now: a page fault in the measurement would be measured. */
    memset(d->us, 0, cap * sizeof(*d->us));
    memset(d->at_ms, 0, cap * sizeof(*d->at_ms));
    d->cap = cap;

    return 0;
}

void dist_free(struct dist *d)
{
    free(d->us);
    free(d->at_ms);
    memset(d, 0, sizeof(*d));
}

void dist_add(struct dist *d, uint64_t value_ns, uint64_t since_start_ns)
{
    if (d->n == d->cap) {
        d->lost++;
        return;
    }
    d->us[d->n] = value_ns / NS_PER_US;
    d->at_ms[d->n] = since_start_ns / NS_PER_MS;
    d->n++;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* The smallest value that at least permille/1000 of all do not exceed. */
static uint32_t percentile(const struct dist *d, unsigned int permille)
{
    size_t i;

    if (!d->n)
        return 0;
    i = (d->n * permille + 999) / 1000;

    return d->us[i ? i - 1 : 0];
}

/* Eight steps to each power of two: fine enough to draw, short to print. */
static uint32_t bucket_top(uint32_t us)
{
    unsigned int shift;

    if (us < 16)
        return us;
    shift = 31 - __builtin_clz(us) - 3;

    return us | ((1U << shift) - 1);
}

static void print_worst(const struct dist *d)
{
    size_t pick[WORST], n = 0, i, j;

    for (i = 0; i < d->n; i++) {
        for (j = n; j > 0 && d->us[pick[j - 1]] < d->us[i]; j--)
            if (j < WORST)
                pick[j] = pick[j - 1];
        if (j < WORST) {
            pick[j] = i;
            if (n < WORST)
                n++;
        }
    }

    printf("\"worst\":[");
    for (i = 0; i < n; i++)
        printf("%s[%u,%u]", i ? "," : "", d->at_ms[pick[i]], d->us[pick[i]]);
    printf("]");
}

/* Before the values are sorted: the largest of each second. */
static void print_max_per_s(const struct dist *d)
{
    uint32_t max = 0, second = 0;
    size_t i;

    printf("\"max_per_s\":[");
    for (i = 0; i < d->n; i++) {
        for (; d->at_ms[i] / 1000 > second; second++) {
            printf("%u,", max);
            max = 0;
        }
        if (d->us[i] > max)
            max = d->us[i];
    }
    printf("%u]", max);
}

void dist_print(struct dist *d, const char *name)
{
    size_t i, run;
    const char *sep = "";

    printf("\"%s\":{\"n\":%zu,\"lost\":%llu,", name, d->n,
           (unsigned long long)d->lost);
    print_worst(d);
    printf(",");
    print_max_per_s(d);

    qsort(d->us, d->n, sizeof(*d->us), by_value);
    printf(",\"p50\":%u,\"p90\":%u,\"p99\":%u,\"p999\":%u,\"max\":%u,"
           "\"hist\":[", percentile(d, 500), percentile(d, 900),
           percentile(d, 990), percentile(d, 999), percentile(d, 1000));

    /* [largest value of the bucket, how many] */
    for (i = 0; i < d->n; i += run) {
        uint32_t top = bucket_top(d->us[i]);

        for (run = 1; i + run < d->n && d->us[i + run] <= top; run++)
            ;
        printf("%s[%u,%zu]", sep, top, run);
        sep = ",";
    }
    printf("]}");
}

int series_init(struct series *s, unsigned int seconds)
{
    memset(s, 0, sizeof(*s));
    s->ops_per_s = calloc(seconds + 1, sizeof(*s->ops_per_s));
    if (!s->ops_per_s)
        return fail("memory for a series");
    s->seconds = seconds;

    return 0;
}

void series_free(struct series *s)
{
    free(s->ops_per_s);
    memset(s, 0, sizeof(*s));
}

void series_add(struct series *s, uint64_t bytes, uint64_t since_start_ns)
{
    uint64_t second = since_start_ns / NS_PER_S;

    s->ops++;
    s->bytes += bytes;
    s->ops_per_s[second < s->seconds ? second : s->seconds]++;
}

void series_print(const struct series *s)
{
    size_t i;

    printf("\"ops\":%llu,\"bytes\":%llu,\"ops_per_s\":[",
           (unsigned long long)s->ops, (unsigned long long)s->bytes);
    for (i = 0; i < s->seconds; i++)
        printf("%s%u", i ? "," : "", s->ops_per_s[i]);
    printf("]");
}
