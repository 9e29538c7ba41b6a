/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was learnt of each domain. The loop of avmd has it in memory, in libavm's
 * state; the table in the database is what it was a few minutes ago, and what
 * it is when avmd does not run.
 */
#ifndef AGENT_LEARNED_H
#define AGENT_LEARNED_H

#include "agent.h"

/* Once. A row that cannot be used is left out, and said. */
void learned_load(struct agent *a);

/*
 * If it is time: all that has changed, in one transaction, which waits for
 * nobody; of hundreds of domains some in each round. What cannot be written is
 * said once, and tried again the next time.
 */
void learned_save_due(struct agent *a, uint64_t now_ms);
/* Now, for the end. */
void learned_save(struct agent *a);

#endif
