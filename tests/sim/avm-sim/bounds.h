/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to be reached, by the scheduler of the first column: the bounds of
 * the scenarios, and those that are on all of them together.
 */
#ifndef AVM_SIM_BOUNDS_H
#define AVM_SIM_BOUNDS_H

#include <stdio.h>

#include <yajl/yajl_gen.h>

#include "lines.h"

/* For a terminal: only what the scenarios say. */
void bounds_table(FILE *f, const struct work *w, const struct line *lines,
                  unsigned int nr);
/* @cost: the file of "avm-sim cost --all", or NULL. */
void bounds_markdown(FILE *f, const struct work *w, const struct line *lines,
                     unsigned int nr, const char *cost);
void bounds_json(yajl_gen g, const struct work *w, const struct line *lines,
                 unsigned int nr);

#endif /* AVM_SIM_BOUNDS_H */
