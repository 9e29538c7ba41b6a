/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What avmd sees and does, as text that Prometheus reads: for `avm metrics`, and
 * in a file for the textfile collector of node_exporter.
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "agent.h"

/* All metrics, as of the last sample. The caller frees it; NULL: no memory. */
char *metrics_text(const struct agent *a, uint64_t now_ms);

/*
 * Puts them into conf.metrics_file, if there is one: into another file first, so
 * that nobody reads half of them. A trouble is said once.
 */
void metrics_write(struct agent *a, uint64_t now_ms);

/* Figures of an avmd that writes them no more would be taken for its last. */
void metrics_remove(const struct conf *conf);

#endif
