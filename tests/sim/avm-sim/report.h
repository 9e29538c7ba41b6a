/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results for people (a table, Markdown, a picture) and for programs (JSON). */
#ifndef AVM_SIM_REPORT_H
#define AVM_SIM_REPORT_H

#include <stdio.h>

#include <yajl/yajl_gen.h>

#include "run.h"

/* Return 0, or 1 if a run failed or the output cannot be written. */
int report_table(FILE *f, const struct work *w, const struct row *rows);
/* What each domain got with each seed, as JSON in integers. w->domains was set. */
int report_domains(FILE *f, const struct work *w, const struct row *rows);
/* @cost: a JSON file to take "cost" from, or NULL. */
int report_json(FILE *f, const struct work *w, const struct row *rows,
                const char *cost);
int report_markdown(FILE *f, const struct work *w, const struct row *rows,
                    const char *cost);
int report_chart(FILE *f, const struct work *w, const struct row *rows);

/* Three digits are enough for people, and the same on every machine. */
const char *shown(double value);

/* The rest of a table's head: a column for each scheduler, behind @before others. */
void table_columns(FILE *f, const struct work *w, unsigned int before);

void put_text(yajl_gen g, const char *text);
void put_number(yajl_gen g, const char *key, double value);
void put_pair(yajl_gen g, const char *key, const char *text);

#endif /* AVM_SIM_REPORT_H */
