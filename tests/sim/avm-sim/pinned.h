/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fair shares of those that may not run everywhere. */
#ifndef AVM_SIM_PINNED_H
#define AVM_SIM_PINNED_H

#include "scenario.h"

/*
 * As ideal_water_fill(), on the pCPUs of the scenario, of which each domain
 * takes but those that it may run on: no share can rise, whoever else's it is
 * taken from, but from one with less for its weight. Who has a weight of 0 has
 * a limit of 0. An affinity is that of now[i], or that of the scenario.
 */
void pinned_fill(const struct scenario *s, const struct settings *const *now,
                 const double *weight, const double *limit, double *share);

#endif /* AVM_SIM_PINNED_H */
