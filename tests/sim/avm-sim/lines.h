/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of the final table: a row, or the rows of a scenario whose variants
 * are a sequence of loads ("loads"), of which the largest one without a miss is
 * the result.
 */
#ifndef AVM_SIM_LINES_H
#define AVM_SIM_LINES_H

#include "run.h"

struct result {
    const char *na;
    bool failed, clamped;
    double value, score;                /* of the worst seed  */
    double median_value, median_score;  /* of the median seed */
    const struct outcome *run;          /* more of the worst seed; NULL: none */
};

struct line {
    char id[2 * SCENARIO_NAME_MAX + 2];
    char metric[80];
    const char *unit, *about;
    double ideal;
    struct result *results;             /* by scheduler                       */
    const struct row *parts;            /* one, or a sequence of loads        */
    unsigned int nr_parts;
};

struct line *lines_make(const struct work *w, const struct row *rows,
                        unsigned int *nr);

/* Over the lines that the scheduler has a result in; *nr: how many. */
double lines_geomean(const struct line *lines, unsigned int nr_lines,
                     unsigned int sched, unsigned int *nr);
double lines_min(const struct line *lines, unsigned int nr_lines,
                 unsigned int sched);
bool lines_failed(const struct work *w, const struct line *lines,
                  unsigned int nr_lines);

#endif /* AVM_SIM_LINES_H */
