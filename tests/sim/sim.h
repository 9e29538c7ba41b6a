/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated machine: what the core of Xen's scheduler (sched/core.c,
 * cpupool.c) does for a scheduler, driven by a virtual clock.
 *
 * One machine per process (the interface of Xen has one): a test that needs a
 * fresh one forks. Everything is a function of the seed.
 */
#ifndef SIM_H
#define SIM_H

#include "harness.h"
#include "private.h"

#define SIM_DOMAINS 64
#define SIM_POOLS   4

/* What the guest does on one vCPU, and what it got. */
struct sim_work {
    /* SIM_NONE: an event wakes it for a moment, that is all. */
    enum { SIM_HOG, SIM_PERIODIC, SIM_RANDOM, SIM_NONE } kind;
    s_time_t burst_ns;      /* runs for this (SIM_RANDOM: about) this long */
    s_time_t period_ns;     /* wakes at multiples; SIM_RANDOM: mean sleep   */
    s_time_t left_ns;       /* of the present burst; STIME_MAX: no end      */
    s_time_t wake_ns;       /* when its timer wakes it; STIME_MAX: never    */

    s_time_t run_ns;        /* time on a CPU, by the machine's own count    */
    s_time_t ready_ns;      /* woken and not run yet since; -1: no          */
    s_time_t wait_max_ns;   /* longest wait of a wake-up for a CPU          */
    s_time_t beside_idle_ns;/* 0, or: waits beside an idle CPU since        */
    uint64_t waits;
    uint64_t bursts;        /* bursts completed                             */
    uint64_t blocks;
};

struct sim {
    uint64_t seed, rng;
    s_time_t now_ns;
    uint64_t step;              /* of a random test, for messages           */
    const char *doing;

    /* What makes life harder; all 0 to start with. */
    s_time_t ipi_max_ns;        /* a softirq runs this late, at most        */
    s_time_t switch_max_ns;     /* context_saved comes this late, at most   */
    s_time_t timer_slop_ns;     /* a timer fires this late, at most         */
    s_time_t skew_ns[NR_CPUS];  /* NOW() of each CPU                        */
    unsigned int trylock_fail_permille;
    int alloc_fail_in;          /* > 0: this many allocations from now fails */
    bool guest_copy_fails;
    bool verbose;               /* show printk()                            */

    void (*check)(void);        /* called whenever nothing is under way     */

    uint64_t allocs, live_allocs, switches, events;
    s_time_t idle_ns[NR_CPUS];
};
extern struct sim sim;
extern struct cpupool *sim_pool[SIM_POOLS];
extern struct scheduler sim_boot_ops;       /* core.c's static 'ops' */

uint64_t sim_random(void);
unsigned int sim_below(unsigned int n);     /* 0 .. n - 1 */
bool sim_chance(unsigned int permille);

/* Harness internals that the machine needs. */
unsigned int sim_locks_held(void);
s_time_t sim_timer_next(void);
void sim_timers_run(void);
void sim_enter(unsigned int cpu);           /* a CPU starts doing something */

/* CPUs 0 .. nr - 1, all free; sched_id as in 'sched=' for pool 0. */
void sim_boot(uint64_t seed, unsigned int nr_cpus, unsigned int sched_id);
const struct scheduler *sim_find_scheduler(unsigned int sched_id);
void sim_shutdown(void);                    /* frees all, finds leaks       */

int sim_pool_create(unsigned int id, unsigned int sched_id);
void sim_pool_destroy(unsigned int id);
int sim_cpu_add(unsigned int pool, unsigned int cpu);
/* stop_machine: as on hot-unplug, IRQs off and all memory from before. */
int sim_cpu_rm(unsigned int cpu, bool stop_machine);

/* A domain whose vCPUs are online but blocked; NULL: no memory. */
struct domain *sim_domain_create(unsigned int domid, unsigned int pool,
                                 unsigned int vcpus);
void sim_domain_destroy(struct domain *d);
int sim_domain_move(struct domain *d, unsigned int pool);
struct domain *sim_domain(unsigned int domid);

/* Starts the work. A domain without work just stays blocked. */
void sim_work(struct vcpu *v, int kind, s_time_t burst_ns, s_time_t period_ns);

/* What guests, devices and the toolstack do. */
void sim_block(struct vcpu *v);             /* v runs                       */
void sim_yield(struct vcpu *v);             /* v runs                       */
void sim_event(struct vcpu *v, unsigned int kind);
void sim_vcpu_down(struct vcpu *v);
void sim_vcpu_up(struct vcpu *v);
int sim_set_affinity(struct vcpu *v, const cpumask_t *hard,
                     const cpumask_t *soft);
int sim_adjust(struct domain *d, struct xen_domctl_scheduler_op *op);
int sim_adjust_global(struct xen_sysctl_scheduler_op *op);
void sim_tasklet(unsigned int cpu, bool work);
bool sim_has_tasklet(unsigned int cpu);
void sim_dump(unsigned int pool);

void sim_run(s_time_t for_ns);              /* virtual time passes          */
void sim_stall(s_time_t for_ns);            /* ... and nobody gets to react */
void sim_settle(void);                      /* whatever is under way ends   */
bool sim_quiet(void);
bool sim_switching(unsigned int cpu);          /* context not saved yet */
s_time_t sim_skew_max(void);

#endif /* SIM_H */
