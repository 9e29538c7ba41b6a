/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The random tester: operations.c, random.c and shrink.c. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include "tests.h"

/* What the operations may do to the machine. */
struct random_machine {
    unsigned int sched;
    bool two_pools, cpus_move, domains_move, caps;
    bool told;                  /* print what each operation does           */
    unsigned int done;          /* operations so far that did something     */
};
extern struct random_machine machine;

/* One of them, chosen by the next random number. */
void random_operation(void);

/* Nothing that was done before may keep a vCPU from running now. */
void random_check_all_run(void);

/* A run: some of the steps that a seed stands for, on one kind of machine. */
struct random_kind {
    const char *name;           /* of the test                              */
    unsigned int sched_id;
    unsigned int trouble;
};
struct random_script {
    const struct random_kind *kind;
    uint64_t seed;
    unsigned int nr;
    const unsigned int *steps;  /* ascending, from 1                        */
};

/* In this process, which it may end. */
void random_play(const struct random_script *script, bool told);

/* ---- shrink.c ----------------------------------------------------------- */

struct random_failure {
    char what[400];             /* empty: none                              */
    unsigned int step;          /* 0: after the last one                    */
    unsigned int done;          /* operations that did something            */
};

/* In a process of its own; quiet: does not print what it finds. */
bool random_fails(const struct random_script *script, bool quiet,
                  struct random_failure *failure);

/*
 * Takes steps out as long as the script fails in the same way: with the same
 * words, apart from numbers. Returns how many are left of @script's steps.
 */
unsigned int random_shrink(const struct random_script *script,
                           const struct random_failure *failure,
                           unsigned int *steps);

/* How to see it again. */
void random_print(const struct random_script *script);

#endif /* SIM_RANDOM_H */
