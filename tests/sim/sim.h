/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated host: pCPUs, pools and domains under Xen's own sched/core.c and
 * cpupool.c, driven by a virtual clock.
 *
 * One machine per process (the interface of Xen has one): a test that needs a
 * fresh one forks. Everything is a function of the seed.
 */
#ifndef SIM_H
#define SIM_H

#include "harness.h"
#include "private.h"

#define SIM_POOLS   4

/* What the machine does to guests and they to it; all optional. */
struct sim_model {
    /* SCHEDULE_SOFTIRQ raised on @from for another pCPU arrives that late. */
    s_time_t (*ipi_ns)(unsigned int from, unsigned int to);
    /* From schedule()'s decision until @next executes and @prev is saved. */
    s_time_t (*switch_ns)(unsigned int cpu, const struct vcpu *prev,
                          const struct vcpu *next);
    /*
     * @v's guest code begins to execute on @cpu now (idle vCPUs', too, but not
     * for those that do when the machine has booted). Comes
     * again, without a stop before, when a vCPU that called sim_block() or
     * sim_poll() goes on without ever having left its pCPU.
     */
    void (*start)(unsigned int cpu, struct vcpu *v);
    /* schedule() has decided for another one: @v executes no longer. */
    void (*stop)(unsigned int cpu, struct vcpu *v);
    /* @v is about to be freed. */
    void (*gone)(struct vcpu *v);
};

/* Set before sim_boot(); pCPU numbers are threads of cores of sockets. */
struct sim_topology {
    unsigned int threads_per_core;      /* 0: 1 */
    unsigned int cores_per_socket;      /* 0: all */
};

struct sim {
    uint64_t seed, rng;
    s_time_t now_ns;
    uint64_t step;              /* of a random test, for messages           */
    const char *doing;
    uint64_t stalls;            /* calls of sim_stall()                     */

    struct sim_topology topology;
    struct sim_model model;

    /* What makes life harder; all 0 to start with. */
    s_time_t ipi_max_ns;        /* a softirq runs this late, at most        */
    s_time_t switch_max_ns;     /* a context switch takes this long, at most */
    s_time_t timer_slop_ns;     /* a timer fires this late, at most         */
    s_time_t skew_ns[NR_CPUS];  /* NOW() of each CPU                        */
    unsigned int trylock_fail_permille;
    unsigned int window_permille; /* another pCPU gets on between two locks */
    int alloc_fail_in;          /* > 0: this many allocations from now fails */
    bool guest_copy_fails;
    bool verbose;               /* show printk(), switches and events       */

    void (*check)(void);        /* called whenever nothing is under way     */
    void (*failed)(const char *what); /* told before the process ends       */
    /* Gets the records for the trace buffer; set tb_init_done, too.        */
    void (*traced)(uint32_t event, const void *data, size_t size);
    void (*printed)(const char *line); /* what printk() prints              */

    int prompt_timers;          /* so many schedulers need them             */
    uint64_t events, decisions, switches, wakes;
};
extern struct sim sim;
extern struct cpupool *sim_pool[SIM_POOLS];

uint64_t sim_random(void);
unsigned int sim_below(unsigned int n);     /* 0 .. n - 1 */
bool sim_chance(unsigned int permille);

/* ---- boot.c ------------------------------------------------------------- */

/* Xen's command line, before sim_boot(). -ENOENT: unknown; -EINVAL: bad. */
int sim_param(const char *name, const char *value);

/* pCPUs 0 .. nr - 1, all in pool 0, which gets the scheduler. */
void sim_boot(uint64_t seed, unsigned int nr_cpus, unsigned int sched_id);
void sim_shutdown(void);                    /* back to that; finds leaks    */
int sim_cpu_up(unsigned int cpu);           /* hot-plug: it joins pool 0    */
int sim_cpu_down(unsigned int cpu);

/* ---- pools.c ------------------------------------------------------------ */

int sim_pool_create(unsigned int id, unsigned int sched_id);
int sim_pool_destroy(unsigned int id);
int sim_cpu_add(unsigned int pool, unsigned int cpu);
/* unplug: it leaves the machine (in stop_machine), not just its pool. */
int sim_cpu_rm(unsigned int cpu, bool unplug);
int sim_domain_move(struct domain *d, unsigned int pool);
int sim_adjust(struct domain *d, struct xen_domctl_scheduler_op *op);
int sim_adjust_global(struct xen_sysctl_scheduler_op *op);
void sim_dump(void);                        /* the 'r' debug key            */

/* ---- domains.c ---------------------------------------------------------- */

/* A domain whose vCPUs are online but blocked; NULL: no memory. */
struct domain *sim_domain_create(unsigned int domid, unsigned int pool,
                                 unsigned int vcpus);
void sim_domain_destroy(struct domain *d);
struct domain *sim_domain(unsigned int domid);
void sim_vcpu_down(struct vcpu *v);
void sim_vcpu_up(struct vcpu *v);
int sim_set_affinity(struct vcpu *v, const cpumask_t *hard,
                     const cpumask_t *soft);

/* ---- events.c: what guests do ------------------------------------------- */

/*
 * @to gets an event of the kind XEN_SCHED_ACTIVITY_EVENT_*; @from NULL: from
 * Xen. If it has an upcall pending already, that is all. If it executes, it is
 * up to its guest to see the upcall. sim_poll() has port numbers per domain.
 */
void sim_event_send(struct vcpu *from, struct vcpu *to, unsigned int kind);
#define sim_port(vcpu_id, kind) ((vcpu_id) * 4 + (kind) + 1)
void sim_upcall_done(struct vcpu *v);
bool sim_upcall_pending(const struct vcpu *v);

/* For a vCPU that executes. False: an event is pending, it goes on. */
bool sim_block(struct vcpu *v);
bool sim_poll(struct vcpu *v, evtchn_port_t port, s_time_t timeout_ns);
void sim_yield(struct vcpu *v);
void sim_address_space_switch(struct vcpu *v, unsigned int space);
/* A guest that does it without Xen, unless it is watched. True: it was. */
bool sim_hvm_address_space_switch(struct vcpu *v, unsigned int space);

/* ---- pcpu.c ------------------------------------------------------------- */

s_time_t sim_run_ns(const struct vcpu *v);  /* on a pCPU, by our own count  */
#define sim_idle_ns(cpu) sim_run_ns(idle_vcpu[cpu])
void sim_tasklet(unsigned int cpu, bool work);
bool sim_has_tasklet(unsigned int cpu);
bool sim_executes(const struct vcpu *v);    /* its guest code, right now    */
bool sim_switching(unsigned int cpu);       /* context not saved yet        */
bool sim_quiet(void);
void sim_settle(void);                      /* whatever is under way ends   */

/* ---- time.c ------------------------------------------------------------- */

void sim_run(s_time_t for_ns);              /* virtual time passes          */
void sim_stall(s_time_t for_ns);            /* ... and nobody gets to react */
s_time_t sim_skew_max(void);

/* ---- between these files ------------------------------------------------ */

#define sim_say(fmt, args...) \
    do { if ( unlikely(sim.verbose) ) printf(fmt, ## args); } while ( 0 )

/* Must hold in either build. */
#define SIM_CHECK(c) \
    do { if ( unlikely(!(c)) ) sim_bug(__FILE__, __LINE__, #c); } while ( 0 )

/* What a pCPU holds; saved while another one goes on in the middle of it. */
struct sim_context {
    unsigned int cpu;
#ifndef SIM_FAST
    unsigned int nr_held, irq_depth;
    bool irqs_on;
    struct { spinlock_t *lock; unsigned int how; } held[16];
#endif
};
void sim_context_save(struct sim_context *context); /* ... and holds nothing */
void sim_context_restore(const struct sim_context *context);
void sim_enter(unsigned int cpu);           /* a CPU starts doing something */
void sim_lock_rules(bool on);

/* How many pieces of memory each place in the source has asked for. */
#define SIM_MEMORY_SITES 256
struct sim_memory { long live[SIM_MEMORY_SITES]; };
void sim_memory_remember(struct sim_memory *memory);
void sim_memory_compare(const struct sim_memory *memory); /* same as then?  */
bool sim_rcu_pending(void);
void sim_rcu_run(void);
void sim_fibers(bool on);                   /* pCPUs may wait for each other */
bool sim_step(unsigned int cpu);            /* one thing that it has to do   */
bool sim_step_all(void);
void sim_force(unsigned int cpu);           /* all that it has to do         */
bool sim_switching_from(const struct domain *d);
void sim_guest_waits(unsigned int cpu);
void sim_pcpu_on(unsigned int cpu);
void sim_pcpu_off(unsigned int cpu);
extern unsigned int sim_timers_active;
bool sim_timers_wait(unsigned int cpu, s_time_t *until_ns);
bool sim_unprotected(void);
void sim_window(unsigned int cpu);          /* maybe it gets in between     */

#endif /* SIM_H */
