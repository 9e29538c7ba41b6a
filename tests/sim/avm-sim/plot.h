/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a trace to a Gantt chart in SVG. */
#ifndef AVM_SIM_PLOT_H
#define AVM_SIM_PLOT_H

#include <stdint.h>

int plot(const char *trace, const char *out, uint64_t from_ms, uint64_t for_ms);

#endif /* AVM_SIM_PLOT_H */
