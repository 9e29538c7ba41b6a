/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a file of xentrace's to a schedule like those of --trace, or to text. */
#ifndef AVM_SIM_IMPORT_H
#define AVM_SIM_IMPORT_H

#include <stdbool.h>

/* @mhz: of the time stamp counters; 0: find out. Returns 0 or 1. */
int import(const char *xentrace, const char *out, unsigned int mhz, bool text);

#endif /* AVM_SIM_IMPORT_H */
