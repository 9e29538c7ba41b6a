/* SPDX-License-Identifier: GPL-2.0-or-later */
/* avm-sim, as another program. */
#ifndef AGENT_SIMULATE_H
#define AGENT_SIMULATE_H

#include <stddef.h>

/*
 * 'path', or if that is NULL what is called avm-sim in $PATH or where the
 * package puts it. The caller frees it; NULL, and one line in 'err', if there is
 * none that may be run.
 */
char *simulator_find(const char *path, char *err, size_t err_size);

/*
 * What each domain of this scenario gets under sched=activity, as avm-sim prints
 * it. The caller frees it; NULL, and one line in 'err'.
 */
char *simulate(const char *simulator, const char *scenario,
               unsigned int seeds, size_t *len, char *err, size_t err_size);

#endif
