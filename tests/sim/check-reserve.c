/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold for reservations of sched=activity: admitted sums, who goes
 * first, and that nobody does for longer than its slice.
 */
#include "tests.h"

/* By so much a slice may be overrun, besides what the machine is late: the
 * shortest timer. What comes back for preemptions is a part of the slice. */
#define OVERRUN_MAX ACT_TIMER_MIN
#define REFUND_PART 8

/* Parts of a pCPU, in ppm, that can be reserved on one and on each of several. */
#define ONE_PPM     990000u
#define EACH_PPM    950000u

static bool may_use(const struct act_unit *su, unsigned int cpu)
{
    return cpumask_test_cpu(cpu, su->unit->cpu_hard_affinity) &&
           cpumask_test_cpu(cpu, cpupool_domain_master_cpumask(
                                     su->unit->domain));
}

/* Those who may use no other pCPUs of the queue than @set have room there. */
static void check_sum(const struct act_runqueue *rq, const cpumask_t *set)
{
    unsigned int sum_ppm = 0, nr = cpumask_weight(set);
    const struct act_unit *su;

    list_for_each_entry ( su, &rq->reserved, reserved_elem )
    {
        cpumask_t mask;

        cpumask_and(&mask, su->unit->cpu_hard_affinity, &rq->cpus);
        if ( sim.now_ns < su->reserve_until && cpumask_subset(&mask, set) )
            sum_ppm += (su->reserve_slice * 1000000 + su->reserve_period - 1) /
                       su->reserve_period;
    }
    if ( sum_ppm > (nr == 1 ? ONE_PPM : nr * EACH_PPM) )
        check_violated(NULL, "reservations of %u ppm on %u pCPUs", sum_ppm,
                       nr);
}

static void check_sums(const struct act_runqueue *rq)
{
    const struct act_unit *su;
    cpumask_t mask;

    /* A change of affinity, which cannot be refused, is seen to by a timer. */
    list_for_each_entry ( su, &rq->reserved, reserved_elem )
        if ( su->reserve_check )
            return;

    list_for_each_entry ( su, &rq->reserved, reserved_elem )
    {
        cpumask_and(&mask, su->unit->cpu_hard_affinity, &rq->cpus);
        check_sum(rq, &mask);
    }
    if ( !list_empty(&rq->reserved) )
        check_sum(rq, &rq->cpus);
}

/* Does a unit of a lower class run where @su, which waits, may? */
static void check_goes_first(const struct act_runqueue *rq,
                             const struct act_unit *su)
{
    unsigned int cpu;

    for_each_cpu ( cpu, &rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur && cur->class > ACT_RESERVED && may_use(su, cpu) )
            check_violated(su, "within its reservation, and waits for CPU %u",
                           cpu);
    }
}

void check_reserved(const struct act_runqueue *rq)
{
    unsigned int class;
    struct rb_node *node;

    check_sums(rq);
    for ( class = 0; class < ACT_CLASSES; class++ )
        for ( node = rb_first(&rq->tree[class]); node; node = rb_next(node) )
        {
            const struct act_unit *su = rb_entry(node, struct act_unit, node);

            if ( sim_skew_max() || !act_reserved(su, sim.now_ns) )
                continue;
            if ( class <= ACT_RESERVED )
                check_goes_first(rq, su);
            else if ( su->reserve_left > 0 )
                check_violated(su, "has time of its reservation, and waits "
                               "without");
            else if ( !active_timer(&su->look_timer) )
                check_violated(su, "never gets its next slice");
        }
}

/* The linker puts this before the scheduler's own. */
void __real_act_reserve_charge(struct act_unit *su, s_time_t ran, s_time_t now);
void __wrap_act_reserve_charge(struct act_unit *su, s_time_t ran, s_time_t now);
void __wrap_act_reserve_charge(struct act_unit *su, s_time_t ran, s_time_t now)
{
    struct sim_work *w = su->unit->vcpu_list->work;
    s_time_t late_ns = sim.timer_slop_ns + sim.ipi_max_ns + sim.switch_max_ns;
    struct sim_reserve_audit *a = w ? &w->reserve : NULL;

    if ( a && !sim_skew_max() )
    {
        bool stalled = a->stalls != sim.stalls;

        if ( a->unit != su || a->deadline != su->reserve_deadline || stalled )
            *a = (struct sim_reserve_audit){
                .unit = su, .deadline = su->reserve_deadline,
                .stalls = sim.stalls,
            };
        a->slice_ns = max(a->slice_ns, su->reserve_slice);
        /* In a stall nobody could take its pCPU from it. */
        a->ran_ns += stalled ? 0 : ran;
        if ( a->ran_ns > a->slice_ns + a->slice_ns / REFUND_PART +
                         OVERRUN_MAX + late_ns )
            check_violated(su, "ran for %"PRId64" us by a reservation of "
                           "%"PRId64, a->ran_ns / 1000, a->slice_ns / 1000);
    }
    __real_act_reserve_charge(su, ran, now);
}
