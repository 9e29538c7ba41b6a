/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would a change do? Before and after it, as simulated, beside what was
 * measured. Pure: the simulator itself is run by who calls this.
 */
#ifndef AGENT_WHATIF_H
#define AGENT_WHATIF_H

#include <stdio.h>

#include "scenario.h"

/* What the simulation gave a guest: mean of CPU and median of p99, of seeds. */
struct simulated {
    uint64_t cpu_ppm;           /* of the time of one pCPU                   */
    uint64_t samples;           /* in all; 0: nothing was to be woken        */
    uint64_t p99_ns;            /* from event to task                        */
};

/*
 * Of the guests of 'pool', from what avm-sim printed, into result[] beside
 * m->guest[]. -1: it is not that, and one line in 'err'.
 */
int whatif_results(const struct host_model *m, uint32_t pool, const char *text,
                   size_t len, struct simulated *result, char *err,
                   size_t err_size);

/*
 * How far the simulated CPU time of one guest is from the measured one, permille
 * of that. Of less than WHATIF_FLOOR_PPM it counts as if it were so much: a
 * hundredth more or less of what hardly runs means nothing.
 */
#define WHATIF_FLOOR_PPM 20000
uint64_t whatif_error_permille(const struct guest_model *g,
                               const struct simulated *s);
/* The worst of all; *worst: who, NULL if there is nobody. */
uint64_t whatif_worst(const struct host_model *m, const struct simulated *s,
                      const struct guest_model **worst);
/* With more than that there is no prediction. */
#define WHATIF_ERROR_MAX_PERMILLE 150

/*
 * The simulated time from event to task is more than so many times longer or
 * shorter than the measured one: the model misses what this guest waits for.
 * What is shorter than a wake-up on a slow machine does not count.
 */
#define WHATIF_LATENCY_FACTOR 4
bool whatif_latency_off(const struct guest_model *g,
                        const struct simulated *s);

/*
 * The work of those that are woken, so that they run for as long as measured:
 * the simulated machine takes its own time for a cold cache and a wake-up, which
 * is in the measured burst already. True: something of it changed by enough to
 * simulate again. What computes without end is not touched: what that gets is
 * the scheduler's word.
 */
bool whatif_calibrate(struct host_model *m, uint32_t pool,
                      const struct simulated *s);

/* Would it be made if nothing but time passed? */
bool whatif_counts(const struct avm_change *c);
/* That, and the simulated host has such a knob. */
bool whatif_simulates(const struct avm_change *c);
/* Makes them in 'm', those that are simulated. How many there were. */
size_t whatif_change(struct host_model *m, const struct avm_change *c,
                     size_t nr);

/*
 * "DOMAIN:KNOB=VALUE", by hand: a domain by name, domid or UUID; weight, cap,
 * affinity or urgency. -1, and one line in 'err'.
 */
int whatif_parse(const struct host_model *m, const char *text,
                 struct avm_change *c, char *err, size_t err_size);

struct whatif {
    const struct host_model *m; /* as recorded                               */
    const struct simulated *before, *after;
    const struct avm_change *change;
    size_t nr_changes;
    unsigned int seeds;
    uint64_t simulated_ms;      /* with each                                 */
};

void whatif_print(FILE *f, const struct whatif *w);
/* NULL with ENOMEM; the caller frees it. */
char *whatif_json(const struct whatif *w);

#endif
