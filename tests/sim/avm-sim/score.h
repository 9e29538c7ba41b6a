/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what was measured to a value, and from value and ideal to a score. */
#ifndef AVM_SIM_SCORE_H
#define AVM_SIM_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "scenario.h"

#define OUTCOME_MORE 12

/* What a domain got in a run. */
struct domain_outcome {
    int64_t cpu_ppm;                    /* on a pCPU, of one pCPU's time    */
    /* From an event to the first instruction of the task that it is for.   */
    int64_t samples, p50_ns, p99_ns, max_ns;
};

/* Of one run; goes through a pipe. */
struct outcome {
    double value;
    unsigned int samples;               /* that it rests on; 0: no matter   */
    unsigned int ignored;               /* SET_* that the scheduler has not */
    unsigned int nr_more;
    struct { char name[24]; double value; } more[OUTCOME_MORE];
    /* Of each domain of the scenario, if it was asked for; after it in the pipe. */
    struct domain_outcome *domains;
};

/* What the score's value is and in which unit. */
const char *score_metric(const struct scenario *s);
const char *score_unit(const struct scenario *s);

/* A bound may be set on "value", "score", and on what else is measured. */
bool score_has_figure(enum score_kind kind, const char *name);

/* In the process of the run, after it. */
void score_measure(const struct scenario *s, struct outcome *o);
/* As many as there are domains; the caller frees them. */
struct domain_outcome *score_domains(const struct scenario *s);

/*
 * The ideal comes from a run of the domain alone: on a machine of its own with
 * a pCPU per vCPU. score_alone() makes that scenario.
 */
bool score_needs_alone(const struct scenario *s);
void score_alone(const struct scenario *s, struct scenario *alone);

/* @alone: the value of that run, if it is needed. */
double score_ideal(const struct scenario *s, double alone);

/* In (0,1]; *clamped: the value was better than the ideal. */
double score_of(const struct scenario *s, double value, double ideal,
                bool *clamped);

#endif /* AVM_SIM_SCORE_H */
