/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No memory: in everything that makes, moves or plugs, the first allocation
 * fails, then the second, and so on until there is none left to fail. After
 * each failure all is as before, nothing was lost, and everybody still runs.
 *
 * Left out, because Xen does not survive it (README.md): to unplug a pCPU, which
 * cpupool.c then holds for ever; to plug one in, from the moment on that it is
 * online, when cpu_up() has a BUG_ON(); all with rtds, which pCPUs cannot leave.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

/* More than any operation here has; to end if one never succeeds. */
#define ALLOCATIONS_MAX 100

static struct domain *stays, *moves;    /* one vCPU each, that computes     */
static unsigned int scheduler;

/* The operations, and what undoes them. */
static int create(void)
{
    struct domain *d = sim_guest_create(9, 0, 3);
    struct vcpu *v;

    if ( !d )
        return -ENOMEM;
    for_each_vcpu ( d, v )
        sim_work(v, SIM_PERIODIC, MICROSECS(100), MILLISECS(10));

    return 0;
}

static void destroy(void)
{
    sim_domain_destroy(sim_domain(9));
}

static int create_pool(void)
{
    return sim_pool_create(2, scheduler);
}

static void destroy_pool(void)
{
    int rc = sim_pool_destroy(2);

    SIM_CHECK(!rc);
}

static int move(void)
{
    return sim_domain_move(moves, 1);
}

static void move_back(void)
{
    int rc = sim_domain_move(moves, 0);

    SIM_CHECK(!rc);
}

/* pCPU 2 is in no pool. */
static int add(void)
{
    return sim_cpu_add(1, 2);
}

static void remove_again(void)
{
    int rc = sim_cpu_rm(2, false);

    SIM_CHECK(!rc);
}

/* pCPU 3 is in pool 1. */
static int leave(void)
{
    return sim_cpu_rm(3, false);
}

static void join_again(void)
{
    int rc = sim_cpu_add(1, 3);

    SIM_CHECK(!rc);
}

/* pCPU 5 is unplugged. */
static int plug(void)
{
    return sim_cpu_up(5);
}

static void unplug_again(void)
{
    int rc = sim_cpu_rm(5, true);

    SIM_CHECK(!rc);
}

static const struct operation {
    const char *name;
    int (*run)(void);
    void (*undo)(void);
    int allocations;            /* more of them Xen does not survive        */
} operations[] = {
    { "create a domain", create, destroy, ALLOCATIONS_MAX },
    { "create a pool", create_pool, destroy_pool, ALLOCATIONS_MAX },
    { "move a domain", move, move_back, ALLOCATIONS_MAX },
    { "a pCPU joins a pool", add, remove_again, ALLOCATIONS_MAX },
    { "a pCPU leaves its pool", leave, join_again, ALLOCATIONS_MAX },
    { "plug in a pCPU", plug, unplug_again, 1 },
};

static void both_run(const char *name, int nth)
{
    s_time_t before[2] = { sim_run_ns(stays->vcpu[0]),
                           sim_run_ns(moves->vcpu[0]) };

    /* Either has a pCPU to itself, or nearly. */
    sim_run(MILLISECS(50));
    expect(sim_run_ns(stays->vcpu[0]) - before[0] > MILLISECS(10) &&
           sim_run_ns(moves->vcpu[0]) - before[1] > MILLISECS(10),
           "%s, allocation %d fails: everybody runs", name, nth);
}

static void fail_each(const struct operation *op)
{
    struct sim_memory before;
    int nth, rc = 0;

    sim_settle();
    sim_memory_remember(&before);
    for ( nth = 1; nth <= op->allocations; nth++ )
    {
        sim.doing = op->name;
        sim.step = nth;
        sim.alloc_fail_in = nth;
        rc = op->run();
        if ( sim.alloc_fail_in )    /* there are not so many */
            break;
        sim_settle();
        if ( !rc )                  /* it could do without   */
        {
            op->undo();
            sim_settle();
        }
        else
            expect(rc == -ENOMEM, "%s, allocation %d fails: -ENOMEM, not %d",
                   op->name, nth, rc);
        sim_memory_compare(&before);
        both_run(op->name, nth);
    }
    if ( nth > op->allocations )
        rc = op->run();
    sim.alloc_fail_in = 0;
    expect(!rc, "%s: in the end it succeeds, not %d", op->name, rc);
    printf("#   %s: %d allocations\n", op->name, nth - 1);
    both_run(op->name, 0);
    if ( !rc )
        op->undo();
    sim_settle();
    sim_memory_compare(&before);
    both_run(op->name, 0);
}

static void no_memory(unsigned int sched_id)
{
    unsigned int i;

    scheduler = sched_id;
    sim_boot(1, 6, sched_id);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
    SIM_CHECK(!sim_cpu_rm(1, false) && !sim_cpu_rm(2, false) &&
              !sim_cpu_rm(3, false) && !sim_pool_create(1, sched_id) &&
              !sim_cpu_add(1, 1) && !sim_cpu_add(1, 3) && !sim_cpu_rm(5, true));
    stays = sim_guest_create(1, 0, 1);
    moves = sim_guest_create(2, 0, 1);
    SIM_CHECK(stays && moves);
    sim_work(stays->vcpu[0], SIM_HOG, 0, 0);
    sim_work(moves->vcpu[0], SIM_HOG, 0, 0);
    for ( i = 0; i < ARRAY_SIZE(operations); i++ )
        fail_each(&operations[i]);
    sim_shutdown();
}

/*
 * A pCPU is plugged in for pool 1, by way of pool 0. Wherever that fails, it is
 * not in the way of the others afterwards.
 */
static void half_way(unsigned int sched_id)
{
    int nth, rc;

    sim_boot(1, 4, sched_id);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
    SIM_CHECK(!sim_cpu_rm(3, false) && !sim_pool_create(1, sched_id) &&
              !sim_cpu_add(1, 3) && !sim_cpu_rm(2, true));
    for ( nth = 1; nth <= ALLOCATIONS_MAX; nth++ )
    {
        sim.step = nth;
        sim.alloc_fail_in = nth;
        rc = sim_cpu_add(1, 2);
        if ( sim.alloc_fail_in )    /* there are not so many */
            break;
        rc = sim_cpu_rm(1, false);
        expect(!rc, "allocation %d fails: another pCPU can leave its pool, "
               "not %d", nth, rc);
        rc = rc ?: sim_cpu_add(0, 1);
        /* To where it was: out of its pool, if it has one, and unplugged. */
        if ( cpu_online(2) && get_sched_res(2)->cpupool )
            rc = rc ?: sim_cpu_rm(2, false);
        if ( cpu_online(2) )
            rc = rc ?: sim_cpu_add(0, 2) ?: sim_cpu_rm(2, true);
        if ( !expect(!rc, "allocation %d fails: all goes back, not %d", nth,
                     rc) )
            return;
    }
    sim.alloc_fail_in = 0;
    expect(!rc, "in the end it succeeds, not %d", rc);
    printf("#   %d allocations\n", nth - 1);
    sim_shutdown();
}

static void half_activity(void) { half_way(ACTIVITY); }
static void half_credit(void) { half_way(XEN_SCHEDULER_CREDIT); }

static void activity(void) { no_memory(ACTIVITY); }
static void credit2(void) { no_memory(XEN_SCHEDULER_CREDIT2); }
static void credit(void) { no_memory(XEN_SCHEDULER_CREDIT); }
static void null(void) { no_memory(XEN_SCHEDULER_NULL); }

const struct test failing_tests[] = {
    { "no memory, activity", activity },
    { "no memory, credit2", credit2 },
    { "no memory, credit", credit },
    { "no memory, null", null },
    { "no memory for a pCPU half way, activity", half_activity },
    { "no memory for a pCPU half way, credit", half_credit },
    { NULL, NULL }
};
