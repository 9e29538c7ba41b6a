/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen/sched.h, event.h, domain.h and others: domains and vCPUs with the fields
 * that the scheduler's core and the schedulers use, and what the core is
 * offered by the rest of Xen.
 */
#ifndef SIM_VCPUS_H
#define SIM_VCPUS_H

#ifndef __XEN__
#define __XEN__ 1
#endif
#include <public/xen.h>
#include <public/vcpu.h>
#include <public/trace.h>
#include <public/domctl.h>
#include <public/sysctl.h>
#include <public/event_channel.h>

struct domain;
struct sched_unit;
struct sched_resource;
struct scheduler;
struct cpupool;

#define NR_DOMAIN_WATCHDOG_TIMERS 2
#define SHUTDOWN_CODE_INVALID     (~0u)
#define VCPU_AFFINITY_OVERRIDE    0x01
#define VCPU_AFFINITY_WAIT        0x02

struct vcpu {
    int vcpu_id;
    int processor;
    struct domain *domain;
    struct vcpu *next_in_list;
    struct sched_unit *sched_unit;
    struct vcpu_runstate_info runstate;
    unsigned int new_state;
    bool is_running;
    bool is_urgent;
    bool force_context_switch;
    bool paused_for_shutdown;
    uint8_t affinity_broken;
    int poll_evtchn;
    unsigned long pause_flags;
    atomic_t pause_count;
    spinlock_t periodic_timer_lock;
    s_time_t periodic_period, periodic_last_event;
    struct timer periodic_timer, singleshot_timer, poll_timer;
    struct {                    /* a patch of ours adds it to Xen's */
        uint64_t events[4], events_runnable, events_sent;
        unsigned long address_space, address_space_switches;
        bool watched, watch_sends;
        s_time_t event_time;
        bool sending;
    } activity;

    /* What there is in the guest's shared memory, see events.c. */
    uint8_t ports_pending;      /* by kind of event */
    bool upcall_pending, upcall_mask;

    s_time_t run_ns, run_since_ns;  /* see sim_run_ns() */
    struct sim_work *work;      /* of a guest of work.h */
    void *guest;                /* of any other */
};

struct domain {
    domid_t domain_id;
    unsigned int max_vcpus;
    struct vcpu **vcpu;
    struct domain *next_in_list;
    struct sched_unit *sched_unit_list;
    void *sched_priv;
    struct cpupool *cpupool;
    atomic_t pause_count;
    enum { DOMDYING_alive, DOMDYING_dying, DOMDYING_dead } is_dying;
    bool is_shut_down, is_shutting_down;
    unsigned int shutdown_code;
    spinlock_t shutdown_lock;
    unsigned long *poll_mask;
    rcu_read_lock_t rcu_lock;
    bool auto_node_affinity;
    nodemask_t node_affinity;
    spinlock_t node_affinity_lock;
    spinlock_t watchdog_lock;
    uint32_t watchdog_inuse_map;
    struct timer watchdog_timer[NR_DOMAIN_WATCHDOG_TIMERS];
    cpumask_t dirty_cpumask;
};

#define is_idle_domain(d)        ((d)->domain_id == DOMID_IDLE)
#define is_idle_vcpu(v)          is_idle_domain((v)->domain)
extern struct domain *domain_list, *hardware_domain;
extern rcu_read_lock_t domlist_read_lock;
#define is_hardware_domain(d)    ((d) == hardware_domain)

extern struct vcpu *sim_current[NR_CPUS], *idle_vcpu[NR_CPUS];
#define get_cpu_current(cpu)     (sim_current[cpu])
#define current                  get_cpu_current(sim_cpu)

#include <sim/system-state.h>    /* these are cut out of Xen's headers */
#include <sim/sched.h>

#define domain_shutdown_completed(d) ((d)->is_shut_down)

/* common/domain.c: domains.c has what stands for it. */
#define CDF_privileged 1u
struct domain *domain_create(domid_t domid,
                             struct xen_domctl_createdomain *config,
                             unsigned int flags);
struct vcpu *vcpu_create(struct domain *d, unsigned int vcpu_id);
int domain_shutdown(struct domain *d, u8 reason);
struct domain *rcu_lock_domain_by_id(domid_t domid);
int rcu_lock_remote_domain_by_id(domid_t domid, struct domain **d);
static inline void rcu_unlock_domain(struct domain *d)
{
    rcu_read_unlock(&d->rcu_lock);
}

/* Boot parameters of x86 that concern dom0: all at their defaults. */
#define opt_dom0_vcpus_pin       false
#define dom0_affinity_relaxed    false
#define dom0_cpus                cpumask_all

/* Event channels: events.c. */
bool local_events_need_delivery(void);
void local_event_delivery_enable(void);
int evtchn_port_poll(struct domain *d, evtchn_port_t port);
void send_timer_event(struct vcpu *v);
#define arch_vcpu_block(v)       ((void)(v))
#define arch_move_irqs(v)        ((void)(v))
#define evtchn_move_pirqs(v)     ((void)(v))

/* Runs fn(data) on @cpu, after the caller has let go of everything. */
int continue_hypercall_on_cpu(unsigned int cpu, long (*fn)(void *data),
                              void *data);

/* The toolstack that calls may do everything. */
#define XSM_HOOK                          0
#define XSM_DM_PRIV                       0
#define xsm_schedop_shutdown(a, d1, d2)   0
#define xsm_domctl_scheduler_op(a, d, op) 0
#define xsm_sysctl_scheduler_op(a, op)    0

#define ZERO_BLOCK_PTR           ((void *)-1L)
#define array_index_nospec(i, n) (i)
#define IS_ENABLED(option)       0
#define evaluate_nospec(c)       (c)

long do_sched_op(int cmd, XEN_GUEST_HANDLE_PARAM(void) arg);
long do_set_timer_op(s_time_t timeout);

#define arch_vcpu_address_space(v) ((v)->activity.address_space)

#endif /* SIM_VCPUS_H */
