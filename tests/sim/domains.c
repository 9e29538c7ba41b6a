/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands for common/domain.c: makes and destroys domains and vCPUs around
 * sched_init_domain(), sched_init_vcpu() and their counterparts, pauses them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

struct domain *domain_list, *hardware_domain;
struct vcpu *idle_vcpu[NR_CPUS];
rcu_read_lock_t domlist_read_lock;

/* ---- looking for them --------------------------------------------------- */

struct domain *sim_domain(unsigned int domid)
{
    struct domain *d;

    for_each_domain ( d )
        if ( d->domain_id == domid )
            return d;

    return NULL;
}

struct domain *rcu_lock_domain_by_id(domid_t domid)
{
    struct domain *d = sim_domain(domid);

    if ( d )
        rcu_read_lock(&d->rcu_lock);

    return d;
}

/* Who asks is the toolstack, not the vCPU that happens to run on this pCPU. */
int rcu_lock_remote_domain_by_id(domid_t domid, struct domain **d)
{
    *d = rcu_lock_domain_by_id(domid);

    return *d ? 0 : -ESRCH;
}

/* ---- pausing ------------------------------------------------------------ */

void vcpu_pause_nosync(struct vcpu *v)
{
    atomic_inc(&v->pause_count);
    vcpu_sleep_nosync(v);
}

void vcpu_pause(struct vcpu *v)
{
    atomic_inc(&v->pause_count);
    vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    if ( atomic_dec_and_test(&v->pause_count) )
        vcpu_wake(v);
}

/*
 * A pCPU's idle unit remembers the unit after which it last gave way, and
 * schedule_cpu_rm() writes to that. With Xen 4.17 it may be freed by then (see
 * README.md); here it is forgotten as soon as its domain is to be destroyed or
 * moved.
 */
static void forget_units(const struct domain *d)
{
    unsigned int cpu;

    for ( cpu = 0; cpu < nr_cpu_ids; cpu++ )
    {
        const struct sched_resource *sr = get_sched_res(cpu);
        struct sched_unit *idle = sr ? sr->sched_unit_idle
                                     : idle_vcpu[cpu]->sched_unit;

        if ( idle->next_task && idle->next_task->domain == d )
            idle->next_task = idle;
    }
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;

    atomic_inc(&d->pause_count);
    for_each_vcpu ( d, v )
        vcpu_sleep_sync(v);
    forget_units(d);
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    if ( atomic_dec_and_test(&d->pause_count) )
        for_each_vcpu ( d, v )
            vcpu_wake(v);
}

int domain_shutdown(struct domain *d, u8 reason)
{
    struct vcpu *v;

    d->shutdown_code = reason;
    d->is_shutting_down = true;
    for_each_vcpu ( d, v )
        if ( !v->paused_for_shutdown )
        {
            v->paused_for_shutdown = true;
            vcpu_pause_nosync(v);
        }
    d->is_shut_down = true;

    return 0;
}

void sim_vcpu_down(struct vcpu *v)
{
    if ( !test_and_set_bit(_VPF_down, &v->pause_flags) )
        vcpu_sleep_nosync(v);
}

void sim_vcpu_up(struct vcpu *v)
{
    if ( test_and_clear_bit(_VPF_down, &v->pause_flags) )
        vcpu_wake(v);
}

/* ---- coming and going --------------------------------------------------- */

static void *zeroed(size_t nr, size_t size)
{
    void *p = calloc(nr, size);

    SIM_CHECK(p);

    return p;
}

static struct domain *domain_alloc(domid_t domid, unsigned int max_vcpus)
{
    struct domain *d = zeroed(1, sizeof(*d));

    d->domain_id = domid;
    d->max_vcpus = max_vcpus;
    d->shutdown_code = SHUTDOWN_CODE_INVALID;
    d->auto_node_affinity = true;
    d->node_affinity.bits = ~0ull;
    d->poll_mask = zeroed(DIV_ROUND_UP(max_vcpus, BITS_PER_LONG),
                          sizeof(*d->poll_mask));
    spin_lock_init(&d->shutdown_lock);
    spin_lock_init(&d->node_affinity_lock);
    watchdog_domain_init(d);

    return d;
}

static void domain_free(struct domain *d)
{
    watchdog_domain_destroy(d);
    if ( !is_idle_domain(d) )
        free(d->vcpu);
    free(d->poll_mask);
    free(d);
}

/* scheduler_init() makes the idle domain. */
struct domain *domain_create(domid_t domid,
                             struct xen_domctl_createdomain *config,
                             unsigned int flags)
{
    SIM_CHECK(domid == DOMID_IDLE);

    return domain_alloc(domid, nr_cpu_ids);
}

struct vcpu *vcpu_create(struct domain *d, unsigned int vcpu_id)
{
    bool idle = is_idle_domain(d);
    struct vcpu *v = zeroed(1, sizeof(*v));

    v->domain = d;
    v->vcpu_id = vcpu_id;
    v->runstate.state = v->new_state = idle ? RUNSTATE_running
                                            : RUNSTATE_offline;
    v->runstate.state_entry_time = NOW();
    if ( !idle )
        v->pause_flags = VPF_down;

    if ( sched_init_vcpu(v) )
    {
        free(v);
        return NULL;
    }

    d->vcpu[vcpu_id] = v;
    if ( vcpu_id )
        d->vcpu[vcpu_id - 1]->next_in_list = v;

    return v;
}

static void domain_destroy(struct domain *d)
{
    struct domain **p;
    unsigned int i = d->max_vcpus;

    for ( p = &domain_list; *p && *p != d; )
        p = &(*p)->next_in_list;
    if ( *p )
        *p = d->next_in_list;

    while ( i-- )
    {
        struct vcpu *v = d->vcpu[i];

        if ( !v )
            continue;
        if ( sim.model.gone )
            sim.model.gone(v);
        sched_destroy_vcpu(v);
        if ( i )
            d->vcpu[i - 1]->next_in_list = NULL;
        d->vcpu[i] = NULL;
        free(v);
    }
    sched_destroy_domain(d);
    domain_free(d);
}

struct domain *sim_domain_create(unsigned int domid, unsigned int pool,
                                 unsigned int vcpus)
{
    struct domain *d, **p;
    unsigned int i;

    SIM_CHECK(vcpus && !sim_domain(domid));
    d = domain_alloc(domid, vcpus);
    d->vcpu = zeroed(vcpus, sizeof(*d->vcpu));
    atomic_set(&d->pause_count, 1);
    if ( sched_init_domain(d, pool) )
    {
        sched_destroy_domain(d);
        domain_free(d);
        return NULL;
    }

    for ( p = &domain_list; *p && (*p)->domain_id < domid; )
        p = &(*p)->next_in_list;
    d->next_in_list = *p;
    *p = d;

    for ( i = 0; i < vcpus; i++ )
        if ( !vcpu_create(d, i) )
        {
            domain_destroy(d);
            return NULL;
        }
    domain_update_node_affinity(d);

    for ( i = 0; i < vcpus; i++ )
    {
        d->vcpu[i]->pause_flags |= VPF_blocked;
        sim_vcpu_up(d->vcpu[i]);
    }
    domain_unpause(d);

    return d;
}

void sim_domain_destroy(struct domain *d)
{
    domain_pause(d);
    /* Real domains take long to die: no pCPU is still busy with a vCPU. */
    while ( sim_switching_from(d) )
        cpu_relax();
    d->is_dying = DOMDYING_dead;
    domain_destroy(d);
}

/* ---- affinity ----------------------------------------------------------- */

int sim_set_affinity(struct vcpu *v, const cpumask_t *hard,
                     const cpumask_t *soft)
{
    struct xen_domctl_vcpuaffinity op = { .vcpu = v->vcpu_id };
    cpumask_t hard_in_out, soft_in_out;

    if ( hard )
    {
        hard_in_out = *hard;
        op.flags |= XEN_VCPUAFFINITY_HARD;
        op.cpumap_hard.nr_bits = nr_cpu_ids;
        set_xen_guest_handle(op.cpumap_hard.bitmap,
                             (uint8_t *)hard_in_out.bits);
    }
    if ( soft )
    {
        soft_in_out = *soft;
        op.flags |= XEN_VCPUAFFINITY_SOFT;
        op.cpumap_soft.nr_bits = nr_cpu_ids;
        set_xen_guest_handle(op.cpumap_soft.bitmap,
                             (uint8_t *)soft_in_out.bits);
    }

    return vcpu_affinity_domctl(v->domain, XEN_DOMCTL_setvcpuaffinity, &op);
}
