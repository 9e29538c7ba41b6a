/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run: a scenario under a scheduler with a seed. A process does one. */
#ifndef AVM_SIM_HOST_H
#define AVM_SIM_HOST_H

#include <stdio.h>

#include "scenario.h"

struct sched_def {
    const char *name;
    unsigned int id;            /* XEN_SCHEDULER_* */
    struct { const char *name, *value; } params[2]; /* Xen's command line */
};
/* In the order of the columns; ends with a name of NULL. */
extern const struct sched_def sched_defs[];
const struct sched_def *sched_find(const char *name);

/* Why this scenario cannot be run with that scheduler; NULL: it can. */
const char *host_unable(const struct scenario *s,
                        const struct sched_def *sched);

/* @trace, @xentrace: where the schedule and Xen's records go, or NULL. */
void host_run(const struct scenario *s, const struct sched_def *sched,
              uint64_t seed, FILE *trace, FILE *xentrace);

/* After a run: how many samples were taken, each so long after the last. */
extern unsigned int host_nr_samples;
extern int64_t host_sample_ns;
extern uint64_t host_switches;
/* SET_* that the scheduler was asked for and does not have. */
extern unsigned int host_ignored;
/* pCPUs, on average, that idled while a vCPU waited for one. */
extern double host_idle_beside_waiting;
/* True: between these two samples nothing of the domains was changed. */
bool host_steady(unsigned int from, unsigned int to);

#endif /* AVM_SIM_HOST_H */
