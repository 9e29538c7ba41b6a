/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Simple guests, for tests of schedulers. */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "sim.h"

/* A window of a cap is looked at with so many beginnings. */
#define SIM_CAP_SAMPLES 40

struct sim_cap_sample {
    s_time_t at_ns;
    s_time_t ran_ns;            /* run time of the domain until then        */
    unsigned int cap_max;       /* the highest from then to the next one    */
};

/* What audit.c has to remember of a vCPU; of a domain, with its first one. */
struct sim_audit {
    const void *unit;           /* the data of the scheduler, to see it change */
    bool is_new;                /* that may be of another scheduler now     */
    s_time_t blocked_ns;        /* charged in all bursts that are over      */
    s_time_t uncharged_ns;      /* ran before that count began              */

    const void *dom;            /* has a cap; what follows is of it         */
    struct sim_cap_sample sample[SIM_CAP_SAMPLES];
    unsigned int nr_samples;    /* ever; the last ones are kept             */
    uint64_t stalls;
};

/* What check-reserve.c has to remember of a vCPU. */
struct sim_reserve_audit {
    const void *unit;
    s_time_t deadline;          /* what follows is of the period that ends then */
    s_time_t slice_ns, ran_ns;
    uint64_t stalls;
};

/* What the guest does on one vCPU, and what it got. */
struct sim_work {
    struct vcpu *vcpu;
    /* SIM_NONE: an event wakes it for a moment, that is all. */
    enum { SIM_HOG, SIM_PERIODIC, SIM_RANDOM, SIM_NONE } kind;
    s_time_t burst_ns;      /* runs for this (SIM_RANDOM: about) this long */
    s_time_t period_ns;     /* wakes at multiples; SIM_RANDOM: mean sleep   */

    struct sim_event done;  /* of the present burst                         */
    struct sim_event wake;  /* its timer                                    */
    bool executes;
    s_time_t since_ns;      /* it executes                                  */
    s_time_t left_ns;       /* of the burst at since_ns; STIME_MAX: no end  */

    bool slept;             /* and has not been on a CPU since              */
    s_time_t waited_ns;     /* all waits before this one, of the run state  */
    s_time_t wait_max_ns;   /* longest wait of a wake-up for a CPU          */
    s_time_t beside_idle_ns;/* 0, or: waits beside an idle CPU since        */
    uint64_t waits;
    uint64_t bursts;        /* bursts completed                             */
    uint64_t blocks;

    struct sim_audit audit;
    struct sim_reserve_audit reserve;
};

/* As sim_domain_create(), with such guests: they do not have any work yet. */
struct domain *sim_guest_create(unsigned int domid, unsigned int pool,
                                unsigned int vcpus);

/* Starts the work. */
void sim_work(struct vcpu *v, int kind, s_time_t burst_ns, s_time_t period_ns);

void sim_event(struct vcpu *v, unsigned int kind);

#endif /* SIM_WORK_H */
