/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: the usage models that evaluate uses unless it is given others, and
 * what others have to keep to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

#define NR(a) (sizeof(a) / sizeof((a)[0]))

/* A sample comes to 1000 for each of 65535 vCPUs: see json/sample.c. */
#define CPU_MAX  65535000
/* Above any rate or time that a host can come to. */
#define MUCH     1000000000

static const uint32_t metric_max[AVM_NR_METRICS] = {
    [AVM_METRIC_CPU] = CPU_MAX,
    [AVM_METRIC_DEMAND] = CPU_MAX,
    [AVM_METRIC_WAKES] = MUCH,
    [AVM_METRIC_BURST] = MUCH,
    [AVM_METRIC_IO] = MUCH,
    [AVM_METRIC_NET] = MUCH,
    [AVM_METRIC_DISK] = MUCH,
    [AVM_METRIC_NET_SHARE] = 1000,
    [AVM_METRIC_US_PER_IO] = MUCH,
};

#define MODEL(...) { \
    .nr = NR(((struct avm_statement[]){ __VA_ARGS__ })), \
    .statement = { __VA_ARGS__ } \
}

/*
 * A disk request moves 4 KiB and more, a packet 1.5 KiB at most, hence the 4 in
 * AVM_METRIC_IO. Figures for an idle Linux guest and so on were seen on real
 * Xen; slow (emulated) and fast machines differ by ten times in what an I/O
 * costs, so the limits on that are wide apart.
 */
static const struct avm_models builtin = { .model = {
    [AVM_CLASS_IDLE] = MODEL(
        { AVM_METRIC_CPU, 40, 10,
          "an idle Linux guest uses 1 to 5 permille, in 2 to 10 wake-ups" },
        { AVM_METRIC_DEMAND, 400, 150,
          "low use alone may be starvation: then it waits most of the time" },
        { AVM_METRIC_NET, 200, 50,
          "broadcasts and ARP of a quiet bridge stay well below this" },
        { AVM_METRIC_DISK, 40, 10,
          "log files, and a journal's flush every 5 s" }),
    [AVM_CLASS_CPU] = MODEL(
        { AVM_METRIC_DEMAND, 500, 850,
          "it wants (nearly) a whole pCPU, whether it gets it or not" },
        { AVM_METRIC_BURST, 500, 4000,
          "long bursts: a guest that serves requests blocks after each" },
        { AVM_METRIC_US_PER_IO, 1000, 4000,
          "I/O is a side effect: 1 ms of computing and more for each" },
        { AVM_METRIC_IO, 400, 100,
          "there is not much I/O, whatever it costs" }),
    [AVM_CLASS_NET] = MODEL(
        { AVM_METRIC_NET, 40, 120,
          "more than the broadcasts of a bridge" },
        { AVM_METRIC_NET_SHARE, 300, 600,
          "most of its I/O is packets" },
        { AVM_METRIC_US_PER_IO, 8000, 2000,
          "the packets explain the CPU time: one costs 5 us on a fast host and "
          "100 us on an emulated one, serving it as much again" }),
    [AVM_CLASS_DISK] = MODEL(
        { AVM_METRIC_DISK, 8, 30,
          "more than log files and a journal's flush" },
        { AVM_METRIC_NET_SHARE, 700, 400,
          "most of its I/O is not packets" },
        { AVM_METRIC_US_PER_IO, 8000, 2000,
          "the requests explain the CPU time, as packets do for net" }),
    [AVM_CLASS_MIXED] = MODEL(
        { AVM_METRIC_DEMAND, 500, 850,
          "it computes as if alone" },
        { AVM_METRIC_IO, 100, 400,
          "I/O is more than a side effect" },
        { AVM_METRIC_US_PER_IO, 500, 2000,
          "I/O does not explain the CPU time" }),
    [AVM_CLASS_TIME_CRITICAL] = MODEL(
        { AVM_METRIC_WAKES, 3, 8,
          "periodic work: audio 100 Hz, control loops 10 Hz and up" },
        { AVM_METRIC_BURST, 30000, 12000,
          "done soon: what takes longer than 30 ms is not latency bound" },
        { AVM_METRIC_CPU, 10, 30,
          "more than an idle guest's housekeeping" },
        { AVM_METRIC_CPU, 900, 600,
          "it is not busy all of the time" },
        { AVM_METRIC_IO, 200, 50,
          "it is its timer that wakes it, not requests" }),
} };

const struct avm_models *avm_models_builtin(void)
{
    return &builtin;
}

/* A terminal shows it: UTF-8 is welcome, control characters are not. */
static bool is_plain(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i;

    for (i = 0; i < size && p[i]; i++)
        if (p[i] < ' ' || p[i] == 0x7f ||
            (p[i] == 0xc2 && i + 1 < size && p[i + 1] >= 0x80 &&
             p[i + 1] < 0xa0))
            return false;
    return i < size;
}

static int number_check(const char *key, uint32_t value, uint32_t max,
                        char *why, size_t why_len)
{
    if (value <= max)
        return 0;
    snprintf(why, why_len, "\"%s\" must be a number from 0 to %u", key, max);
    return -1;
}

int avm_statement_check(const struct avm_statement *s, char *why,
                        size_t why_len)
{
    size_t i, len;

    if (s->metric >= AVM_NR_METRICS) {
        snprintf(why, why_len, "\"metric\" must be one of");
        for (i = 0; i < AVM_NR_METRICS; i++) {
            len = strlen(why);
            snprintf(why + len, why_len - len, "%s %s", i ? "," : "",
                     avm_metric_name(i));
        }
        return -1;
    }
    if (number_check("no", s->no, metric_max[s->metric], why, why_len) ||
        number_check("yes", s->yes, metric_max[s->metric], why, why_len))
        return -1;
    if (s->no == s->yes) {
        snprintf(why, why_len, "\"no\" and \"yes\" must differ, and are both "
                 "%u", s->no);
        return -1;
    }
    if (!is_plain(s->why, sizeof(s->why))) {
        snprintf(why, why_len, "\"why\" must be a text of one line and at most "
                 "%zu bytes", sizeof(s->why) - 1);
        return -1;
    }
    return 0;
}

static int model_check(enum avm_class c, const struct avm_model *m, char *why,
                       size_t why_len)
{
    char fault[AVM_FAULT_LEN];
    uint32_t i;

    if (c == AVM_CLASS_UNKNOWN && m->nr) {
        snprintf(why, why_len, "what fits no model is of this class: it has "
                 "none of its own");
        return -1;
    }
    if (m->nr > AVM_STATEMENTS_MAX) {
        snprintf(why, why_len, "more than %u statements", AVM_STATEMENTS_MAX);
        return -1;
    }
    for (i = 0; i < m->nr; i++)
        if (avm_statement_check(&m->statement[i], fault, sizeof(fault))) {
            snprintf(why, why_len, "statement %u: %s", i + 1, fault);
            return -1;
        }
    return 0;
}

int avm_models_check(const struct avm_models *m, char *err, size_t err_len)
{
    char why[AVM_FAULT_LEN + 32];
    int c;

    for (c = 0; c < AVM_NR_CLASSES; c++) {
        if (!model_check(c, &m->model[c], why, sizeof(why)))
            continue;
        if (err && err_len)
            snprintf(err, err_len, "class \"%s\": %s", avm_class_name(c), why);
        errno = EINVAL;
        return -1;
    }
    return 0;
}
