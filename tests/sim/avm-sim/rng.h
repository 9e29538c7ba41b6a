/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers from integers only: the same on every machine. */
#ifndef AVM_SIM_RNG_H
#define AVM_SIM_RNG_H

#include <stdint.h>

/* The start of a stream of its own for everything that has another name. */
uint64_t rng_seed(uint64_t seed, const char *name, unsigned int index);

uint64_t rng_next(uint64_t *state);

/* 0 .. n - 1 */
uint64_t rng_below(uint64_t *state, uint64_t n);

/* Exponentially distributed. */
int64_t rng_exponential(uint64_t *state, int64_t mean);

/* Evenly distributed over mean +- permille. */
int64_t rng_around(uint64_t *state, int64_t mean, unsigned int permille);

#endif /* AVM_SIM_RNG_H */
