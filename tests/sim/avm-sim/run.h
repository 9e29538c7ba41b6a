/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many runs: each in a process of its own, some at a time, results in order. */
#ifndef AVM_SIM_RUN_H
#define AVM_SIM_RUN_H

#include "host.h"
#include "score.h"

/* Peers of this kind of benchmark take five; the same for every scheduler. */
#define SEEDS_DEFAULT 5
#define SEEDS_MAX     100

struct seeds {
    uint64_t first;
    unsigned int nr;
};

/* What a scheduler got in a scenario. */
struct cell {
    const char *na;             /* why there is nothing; NULL: there is       */
    bool failed;                /* a run did not come to its end              */
    struct outcome *runs;       /* by seed                                    */
    double *scores;             /* by seed                                    */
    unsigned int worst, median; /* of the seeds, by score                     */
    bool clamped;               /* some value was better than the ideal       */
};

/* A scenario with all its results. */
struct row {
    const struct scenario *scenario;
    double *ideals;             /* by seed */
    double ideal;               /* median  */
    struct cell *cells;         /* by scheduler */
};

struct work {
    const struct scenario *scenarios;
    unsigned int nr_scenarios;
    const struct sched_def *const *scheds;
    unsigned int nr_scheds;
    struct seeds seeds;
    unsigned int parallel;      /* processes at a time                        */
    bool progress;              /* on stderr                                  */
    bool domains;               /* what each domain got, too                  */
    const char *trace;          /* file of the first run's schedule, or NULL  */
    const char *xentrace;       /* ... and for what xentrace would write      */
};

/* As many rows as scenarios. Prints what goes wrong in a run on stderr. */
/* A file to write to, or the end of the program. */
FILE *create(const char *file);

struct row *run_all(const struct work *w);

#endif /* AVM_SIM_RUN_H */
