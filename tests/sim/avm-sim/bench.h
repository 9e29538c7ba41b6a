/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every scenario of a folder, and what comes of it. */
#ifndef AVM_SIM_BENCH_H
#define AVM_SIM_BENCH_H

#include "run.h"

struct bench {
    const char *folder, *out;
    const char *cost, *markdown, *chart;        /* or NULL */
};

int bench(const struct bench *b, struct work *w);

#endif /* AVM_SIM_BENCH_H */
