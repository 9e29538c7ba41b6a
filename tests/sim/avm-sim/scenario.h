/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario as the rest of avm-sim sees it: checked, all times in nanoseconds,
 * nothing left to imagination. docs/simulator.md describes the file.
 */
#ifndef AVM_SIM_SCENARIO_H
#define AVM_SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#define SCENARIO_PCPUS_MAX  256
#define SCENARIO_VCPUS_MAX  4096
#define SCENARIO_NAME_MAX   63

enum task_kind {
    TASK_HOG, TASK_PERIODIC, TASK_ARRIVALS, TASK_CLIENT, TASK_SERVER,
    TASK_BACKEND, TASK_FANOUT, TASK_DISK, TASK_BARRIER, TASK_LOCK, TASK_PHASES,
    TASK_DODGER, TASK_PESTER, TASK_RELAY, TASK_YIELDER, TASK_REPLAY, TASK_KINDS
};
extern const char *const task_kind_names[TASK_KINDS];

enum arrival_process { ARRIVAL_POISSON, ARRIVAL_BURSTY };
enum wait_method { WAIT_YIELD, WAIT_BLOCK };

#define SERVICE_MIX_MAX 8

struct task_spec {
    enum task_kind kind;
    uint64_t cpus[(SCENARIO_PCPUS_MAX + 63) / 64];  /* vCPUs that have it */
    int64_t period_ns, work_ns, deadline_ns, mean_ns, think_ns, wait_ns,
            hold_ns, spin_ns, round_ns, sleep_ns, settle_ns;
    int64_t phase_ns;                   /* of a period; -1: random          */
    int64_t noise_permille, burst, batch, window;
    int64_t process, wait;              /* enum arrival_process, wait_method */
    char *server, *via, *target, *file; /* domains by group; a file         */
    struct { int64_t ns, permille; } mix[SERVICE_MIX_MAX];
    unsigned int nr_mix;                /* 0: work_ns always                */
    struct task_spec *phases;           /* TASK_PHASES, each for ... */
    int64_t *phases_for_ns;
    unsigned int nr_phases;
    struct { int64_t run_ns, block_ns; } *steps;    /* TASK_REPLAY */
    unsigned int nr_steps;
};

enum role { ROLE_NORMAL, ROLE_BACKGROUND, ROLE_INTERACTIVE, ROLE_CRITICAL };

/* What of a domain can be set, at first or by a change; SET_*: what is. */
#define SET_WEIGHT      1u
#define SET_CAP         2u
#define SET_AFFINITY    4u
#define SET_ROLE        8u
#define SET_RESERVATION 16u
struct settings {
    unsigned int set;
    int64_t weight, cap;                /* cap in percent of a pCPU; 0: none */
    int64_t role;                       /* enum role */
    uint64_t affinity[(SCENARIO_PCPUS_MAX + 63) / 64];
    int64_t reserve_period_ns, reserve_budget_ns;   /* per vCPU */
};

struct domain_spec {
    char name[SCENARIO_NAME_MAX + 1];   /* group, or group-N of several     */
    char group[SCENARIO_NAME_MAX + 1];  /* the name in the file             */
    int64_t nr_vcpus;
    struct settings settings;
    bool tick;                          /* its kernel takes a 250 Hz tick   */
    bool hvm;                           /* page tables are its own affair   */
    int64_t start_ns, stop_ns;          /* stop_ns 0: stays to the end      */
    struct task_spec *tasks;            /* the first has precedence         */
    unsigned int nr_tasks;
};

struct change_spec {
    int64_t at_ns;
    char *group;
    struct settings settings;
};

enum score_kind {
    SCORE_LATENCY, SCORE_SOJOURN, SCORE_MIXED, SCORE_THROUGHPUT, SCORE_SHARES,
    SCORE_CAPS, SCORE_WORK, SCORE_DEADLINES, SCORE_ENTITLEMENT, SCORE_MAKESPAN,
    SCORE_SETTLING, SCORE_GANG, SCORE_LOADS, SCORE_KINDS
};
extern const char *const score_kind_names[SCORE_KINDS];

struct score_spec {
    enum score_kind kind;
    char *group;                /* whose; NULL: of all */
    int64_t quantile_permille;  /* of a latency, sojourn, makespan          */
    int64_t window_ns;          /* over which shares and caps are compared  */
};

/*
 * What sched=activity has to reach: a figure of its worst seed is at most, or
 * at least, a number, or so much of the ideal or of the best of some others.
 */
enum bound_of {
    BOUND_ABSOLUTE, BOUND_OF_IDEAL, BOUND_OF_PEERS, BOUND_OF_SHIPPED,
    BOUND_OF_TUNED
};
extern const char *const bound_of_names[];

struct bound_spec {
    char *figure;               /* see score_has_figure() */
    int64_t of;                 /* enum bound_of */
    bool at_least;              /* or at most    */
    int64_t permille;           /* the limit     */
};

/* What rtds gets for a vCPU without a reservation. */
enum rtds_mode {
    RTDS_FAIR,      /* its fair part of the machine, each 10 ms, extratime  */
    RTDS_DEFAULT,   /* 4 ms of 10 ms, extratime: what a new domain gets     */
    RTDS_NONE,      /* the scenario means nothing to rtds: n/a              */
};

struct scenario {
    char name[2 * SCENARIO_NAME_MAX + 2];       /* file or file/variant */
    char variant[SCENARIO_NAME_MAX + 1];
    char *about;
    int64_t sockets, cores, threads, cache_group_cores;
    int64_t duration_ns, warmup_ns;
    int64_t rtds;                               /* enum rtds_mode */
    struct domain_spec *domains;
    unsigned int nr_domains;
    struct change_spec *changes;
    unsigned int nr_changes;
    struct score_spec score;
    struct bound_spec *bounds;
    unsigned int nr_bounds;
};

static inline unsigned int scenario_pcpus(const struct scenario *s)
{
    return s->sockets * s->cores * s->threads;
}
unsigned int scenario_vcpus(const struct scenario *s);

static inline bool cpu_in(const uint64_t *cpus, unsigned int cpu)
{
    return (cpus[cpu / 64] >> (cpu % 64)) & 1;
}

/*
 * All variants of a file (one, if it names none), in their order. Whatever is
 * wrong is said in one line, and the program ends with status 1.
 */
struct scenario *scenario_read(const char *file, unsigned int *nr);

/* For "avm-sim list": workloads and their keys. */
void scenario_describe(void);

#endif /* AVM_SIM_SCENARIO_H */
