/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the trace buffer in words. */
#ifndef AVM_SIM_DESCRIBE_H
#define AVM_SIM_DESCRIBE_H

#include "xentrace.h"

void describe(FILE *f, const struct xentrace_record *rec);

#endif /* AVM_SIM_DESCRIBE_H */
