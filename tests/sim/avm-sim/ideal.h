/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no scheduler can do better than, computed from the scenario: for ratios
 * only, so floating point is allowed here. docs/simulator.md has the reasons.
 */
#ifndef AVM_SIM_IDEAL_H
#define AVM_SIM_IDEAL_H

#include "scenario.h"

/*
 * Weighted max-min shares ("water-filling"): everybody gets capacity in
 * proportion to its weight, but nobody more than its limit; what one leaves
 * goes to the others.
 */
void ideal_water_fill(double capacity, unsigned int nr, const double *weight,
                      const double *limit, double *share);

/* The work of all pCPUs: two busy threads of a core do a bit more than one. */
double ideal_capacity(const struct scenario *s);

/* pCPUs that a vCPU of a domain would use if it could. */
double ideal_demand(const struct scenario *s, const struct domain_spec *d);

/* It never sleeps. */
bool ideal_computes(const struct domain_spec *d);

/* Fair part of a whole domain, in pCPUs, with these settings (one per domain;
 * NULL: the first ones of the scenario). Absent ones have a weight of 0. */
double ideal_share(const struct scenario *s, unsigned int domain,
                   const struct settings *const *now);

/*
 * For rtds: the fair part of one vCPU without a reservation, and no more than
 * the reservations of others leave.
 */
double ideal_budget(const struct scenario *s, unsigned int domain,
                    const struct settings *const *now);

/* Load of the periodic tasks, in pCPUs; with a switch per job in it, or not. */
double ideal_load(const struct scenario *s, bool with_switches);
/* Their deadlines can be met: by some schedule, on this machine. */
bool ideal_feasible(const struct scenario *s);

/* The shortest time in which a fanout or a storm of wake-ups can be over. */
int64_t ideal_makespan_ns(const struct scenario *s);

/* Useful work of all: @alone is what they do with a pCPU each. */
double ideal_work(const struct scenario *s, double alone);

/* One period of the task whose phase is to be noticed. */
int64_t ideal_settling_ns(const struct scenario *s);

#endif /* AVM_SIM_IDEAL_H */
