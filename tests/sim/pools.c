/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The toolstack: cpupool and scheduler operations of the real hypercalls. */
#include <errno.h>
#include <stdio.h>

#include "sim.h"

struct cpupool *sim_pool[SIM_POOLS];

/* As often as a toolstack tries again to take a pCPU out of a pool. */
#define RM_TRIES 10

static int pool_op(struct xen_sysctl_cpupool_op *op)
{
    struct cpupool *pool;
    unsigned int id;
    int rc = cpupool_do_sysctl(op);

    for ( id = 0; id < SIM_POOLS; id++ )
    {
        sim_pool[id] = pool = cpupool_get_by_id(id);
        if ( pool )
            cpupool_put(pool);
    }
    if ( sim_rcu_pending() )
        sim_rcu_run();

    return rc;
}

int sim_pool_create(unsigned int id, unsigned int sched_id)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_CREATE, .cpupool_id = id,
        .sched_id = sched_id,
    };

    SIM_CHECK(id < SIM_POOLS);

    return pool_op(&op);
}

int sim_pool_destroy(unsigned int id)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_DESTROY, .cpupool_id = id,
    };

    return pool_op(&op);
}

int sim_cpu_add(unsigned int pool, unsigned int cpu)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_ADDCPU, .cpupool_id = pool, .cpu = cpu,
    };
    int rc;

    if ( !cpu_online(cpu) )
    {
        /* It joins pool 0 by itself. */
        rc = sim_cpu_up(cpu);
        if ( rc || !pool )
            return rc;
        rc = sim_cpu_rm(cpu, false);
        /*
         * It is half out, and as long as it is, no other pCPU can leave its
         * pool. To add it again is refused: only another try helps.
         */
        if ( rc == -ENOMEM )
            rc = sim_cpu_rm(cpu, false);
        if ( rc )
            return rc;
    }

    return pool_op(&op);
}

int continue_hypercall_on_cpu(unsigned int cpu, long (*fn)(void *data),
                              void *data)
{
    unsigned int caller = sim_cpu;
    int rc;

    sim_enter(cpu);
    rc = fn(data);
    sim_enter(caller);

    return rc;
}

int sim_cpu_rm(unsigned int cpu, bool unplug)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_RMCPU, .cpu = cpu,
    };
    struct cpupool *pool = get_sched_res(cpu)->cpupool;
    unsigned int tries = 0;
    int rc;

    if ( unplug )
        return sim_cpu_down(cpu);

    op.cpupool_id = pool->cpupool_id;
    while ( (rc = pool_op(&op)) == -EAGAIN )
    {
        if ( ++tries == RM_TRIES )
            sim_bug(__FILE__, __LINE__, "the pCPU that leaves stays busy");
        sim_force(cpu);
        /* Xen takes another reference at each try, and drops one at the end. */
        cpupool_put(pool);
    }
    if ( rc == -ENOMEM )
        cpupool_put(pool);
    if ( !rc )
    {
        sim_force(cpu);
        if ( !is_idle_vcpu(sim_current[cpu]) )
            sim_bug(__FILE__, __LINE__, "the pCPU that left takes work again");
    }

    return rc;
}

int sim_domain_move(struct domain *d, unsigned int pool)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, .cpupool_id = pool,
        .domid = d->domain_id,
    };

    return pool_op(&op);
}

int sim_adjust(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    op->sched_id = d->cpupool->sched->sched_id;

    return sched_adjust(d, op);
}

int sim_adjust_global(struct xen_sysctl_scheduler_op *op)
{
    return sched_adjust_global(op);
}

void sim_dump(void)
{
    dump_runq('r');
}
