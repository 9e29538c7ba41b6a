/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs in the domains: a guest kernel per vCPU (guest.c) and its tasks
 * (tasks.c), which follow a scenario. A guest sees of the hypervisor what a
 * real one sees: that it runs or not, its event channels, and hypercalls.
 */
#ifndef AVM_SIM_GUEST_H
#define AVM_SIM_GUEST_H

#include "sim.h"

#include "scenario.h"

/* Times that were measured, one by one. */
struct series {
    s_time_t *ns;
    unsigned int nr, room;
};
void series_add(struct series *s, s_time_t ns);
/* Sorts; the smallest one that at least @permille of them do not exceed. */
s_time_t series_quantile(struct series *s, unsigned int permille);

/* A request, a packet, a piece of periodic work. */
struct job {
    s_time_t at_ns;             /* when its cause happened                   */
    s_time_t service_ns;
    bool found_idle;            /* nothing else was under way or waiting       */
    /*
     * When it starts tells something about the scheduler: it did not come while
     * its task was at work. If others were waiting, then what is later than the
     * work for those is the scheduler's doing, too; to leave such jobs out
     * would be to look away when it is late.
     */
    bool counts;
    s_time_t ahead_ns;
    bool started;
    bool reply;                 /* on its way back                           */
    struct guest_task *client, *server, *backend;
    struct batch *batch;        /* of a fanout                               */
};

struct batch {
    s_time_t at_ns;
    unsigned int left;          /* packets not taken yet */
    struct guest_task *owner;
};

struct guest_task {
    struct guest *guest;
    const struct task_spec *spec;       /* now                               */
    const struct task_spec *whole;      /* TASK_PHASES: the one with phases  */
    unsigned int phase;
    uint64_t rng;

    bool runnable;
    bool woken;                 /* and has not run since                     */
    bool spinning;
    bool signalled;             /* its event channel is pending              */
    s_time_t left_ns;           /* of the present piece of work; STIME_MAX   */
    struct sim_event timer, phase_timer;
    s_time_t next_ns;           /* nominal time of the timer                 */

    struct job *jobs;           /* ring */
    unsigned int first, nr, room, in_round;
    unsigned int step, to_send; /* TASK_REPLAY, TASK_CLIENT                  */
    bool holds;                 /* TASK_LOCK                                 */

    /* Since the warm-up. */
    struct series start;        /* event -> first instruction                */
    struct series sojourn;      /* event -> done; of a fanout: batch -> done */
    struct series settled;      /* phase -> last late start                  */
    s_time_t phase_ns, last_late_ns;
    uint64_t finished, missed;
};

/* What the vCPUs of a domain share. */
struct guest_domain {
    const struct domain_spec *spec;
    struct settings now;
    struct domain *d;           /* NULL: not there                           */
    unsigned int domid;
    struct guest *guests;
    unsigned int arrived, rounds;       /* TASK_BARRIER */
    struct guest_task *lock_owner;      /* TASK_LOCK */
    s_time_t *windows;          /* CPU time at the end of each sample        */
};

struct guest {
    struct vcpu *v;
    struct guest_domain *domain;
    unsigned int id;
    struct guest_task *tasks;
    unsigned int nr_tasks;

    bool running;               /* executes on a pCPU                        */
    bool blocking;              /* called block, and Xen has not switched    */
    unsigned int cpu;           /* there, or where it was last               */
    bool placed;                /* was ever anywhere                         */
    s_time_t started_ns;        /* on it                                     */
    s_time_t since_ns;          /* accounted up to here                      */
    s_time_t others_ns;         /* cpu_busy_ns when it stopped               */
    s_time_t cold_ns;           /* what is left of a cache refill            */
    s_time_t kernel_ns;         /* interrupt work to do first                */
    struct guest_task *task;    /* NULL: kernel                              */
    const struct guest_task *space; /* whose address space is loaded */
    struct sim_event done, look, tick;
    s_time_t tick_phase_ns;
    bool tick_due;

    s_time_t got_ns;            /* on a pCPU                                 */
    s_time_t work_ns;           /* of it, not lost to caches, SMT, spinning  */
    uint64_t migrations;
};

/* The machine that they run on; host.c. */
extern struct guest_domain *host_domains;
extern unsigned int host_nr_domains;
extern s_time_t host_measure_from_ns;
unsigned int host_cache_group(unsigned int cpu);
struct guest *host_sibling(unsigned int cpu);   /* runs on the other thread */
void host_note_event(const struct guest *g);    /* one that does not run */
struct guest *host_running(unsigned int cpu);   /* NULL: none of ours */

/* guest.c */
void guest_init(struct guest *g, struct guest_domain *domain, unsigned int id,
                uint64_t seed);
void guest_begin(struct guest *g);      /* g->v exists, and is blocked        */
void guest_end(struct guest *g);        /* before its domain goes             */
void guest_started(struct guest *g, unsigned int cpu);
void guest_stopped(struct guest *g);
void guest_account(struct guest *g);
void guest_speed_changed(struct guest *g);
/* What it would lose to cold caches now if it went on where it was. */
s_time_t guest_refill_ns(const struct guest *g);

/*
 * For tasks. An event channel of @to's vCPU becomes pending; tasks.c hears of
 * it as task_signal() when the guest handles it. @from: whose doing, or NULL.
 */
void guest_signal(struct guest_task *from, struct guest_task *to,
                  unsigned int kind);
/* An event that is for no task. */
void guest_event(struct guest_task *from, struct guest *to, unsigned int kind);
/* Gives @t this much work to do. */
void guest_run(struct guest_task *t, s_time_t work_ns);
void guest_sleep(struct guest_task *t);
void guest_yield(struct guest_task *t);
/* @t, not necessarily the current one, got something else to do. */
void guest_look(struct guest *g);

/* tasks.c */
void task_begin(struct guest_task *t);
void task_end(struct guest_task *t);
void task_signal(struct guest_task *t);
void task_started(struct guest_task *t);    /* runs, first time since woken */
void task_done(struct guest_task *t);       /* left_ns is 0                 */

#endif /* AVM_SIM_GUEST_H */
