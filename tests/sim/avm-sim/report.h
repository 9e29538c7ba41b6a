/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results for people (a table, Markdown, a picture) and for programs (JSON). */
#ifndef AVM_SIM_REPORT_H
#define AVM_SIM_REPORT_H

#include <stdio.h>

#include "run.h"

/* Return 0, or 1 if a run failed or the output cannot be written. */
int report_table(FILE *f, const struct work *w, const struct row *rows);
/* @cost: a JSON file to take "cost" from, or NULL. */
int report_json(FILE *f, const struct work *w, const struct row *rows,
                const char *cost);
int report_markdown(FILE *f, const struct work *w, const struct row *rows,
                    const char *cost);
int report_chart(FILE *f, const struct work *w, const struct row *rows);

#endif /* AVM_SIM_REPORT_H */
