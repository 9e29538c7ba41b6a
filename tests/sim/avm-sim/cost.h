/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the schedulers themselves cost, in instructions. */
#ifndef AVM_SIM_COST_H
#define AVM_SIM_COST_H

#include "host.h"

/*
 * The fixed mix of operations, with so many units in the queue of a pCPU, or on
 * a host of so many pCPUs (0: it is about a queue).
 */
int cost(const struct sched_def *sched, unsigned int units, unsigned int pcpus);

/* That for all schedulers and sizes under callgrind; the figures as JSON. */
int cost_all(const char *out);

#endif /* AVM_SIM_COST_H */
