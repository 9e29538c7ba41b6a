/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must add up for sched=activity over time: who ran is charged for exactly
 * that, and caps hold in each of their periods.
 */
#include "tests.h"

/* A cap may be overrun by so much in a period: what late timers amount to. */
#define CAP_OVERRUN_MAX MILLISECS(1)

/* The linker puts this before the scheduler's own: a burst ends ... */
void __real_act_record_block(struct act_unit *su);
void __wrap_act_record_block(struct act_unit *su);
void __wrap_act_record_block(struct act_unit *su)
{
    struct sim_work *w = su->unit->vcpu_list->work;

    if ( w )
        w->audit.blocked_ns += su->burst;
    __real_act_record_block(su);
}

/* ... and this: a domain comes to a scheduler, where its units begin anew. */
void __real_act_cap_init(struct act_dom *dom);
void __wrap_act_cap_init(struct act_dom *dom);
void __wrap_act_cap_init(struct act_dom *dom)
{
    const struct vcpu *v;

    for_each_vcpu ( dom->dom, v )
    {
        struct sim_work *w = v->work;

        if ( w )
            w->audit.is_new = true;
    }
    __real_act_cap_init(dom);
}

static bool runs(const struct act_unit *su)
{
    return curr_on_cpu(sched_unit_master(su->unit)) == su->unit;
}

/* Run time since it was last charged. */
static s_time_t due_ns(const struct act_unit *su)
{
    return runs(su) ? sim.now_ns - su->charged : 0;
}

/* To the nanosecond, from when the scheduler first saw the unit. */
static void audit_charged(const struct act_unit *su, struct sim_audit *a)
{
    s_time_t ran_ns = sim_run_ns(su->unit->vcpu_list) - due_ns(su);
    s_time_t charged_ns = a->blocked_ns + su->burst;

    if ( a->unit != su || a->is_new )
        a->uncharged_ns = ran_ns - charged_ns;
    a->unit = su;
    a->is_new = false;
    if ( ran_ns - a->uncharged_ns != charged_ns )
        check_violated(su, "ran for %"PRId64" ns, but was charged %"PRId64,
                       ran_ns - a->uncharged_ns, charged_ns);
}

/*
 * In no period more than the highest cap that it had in this period. A stall is
 * nobody's fault, and neither is it that the machine stops each unit late.
 */
static void audit_cap(const struct act_dom *dom, struct sim_audit *a)
{
    s_time_t late_ns = sim.timer_slop_ns + sim.ipi_max_ns + sim.switch_max_ns;
    s_time_t ran_ns = 0, most_ns;
    const struct vcpu *v;

    for_each_vcpu ( dom->dom, v )
        ran_ns += sim_run_ns(v);
    if ( a->dom != dom || !dom->cap || a->period != dom->replenished ||
         a->stalls != sim.stalls )
    {
        a->dom = dom;
        a->period = dom->cap ? dom->replenished : 0;
        a->period_ran_ns = ran_ns;
        a->cap_max = dom->cap;
        a->stalls = sim.stalls;
    }
    a->cap_max = max(a->cap_max, dom->cap);
    most_ns = ACT_CAP_PERIOD * a->cap_max / 100 + CAP_OVERRUN_MAX +
              late_ns * dom->nr_units;
    if ( dom->cap && ran_ns - a->period_ran_ns > most_ns )
        check_violated(NULL, "d%d: ran for %"PRId64" us in a period, with a "
                       "cap of %u", dom->dom->domain_id,
                       (ran_ns - a->period_ran_ns) / 1000, a->cap_max);
}

void audit_dom(const struct act_dom *dom)
{
    struct sim_work *w = dom->dom->vcpu[0]->work;
    const struct act_unit *su;

    /*
     * Clocks that differ blur all this a little; with larger units, Xen's idea
     * of when they run is not that of each vCPU.
     */
    if ( !w || sim_skew_max() || get_sched_res(0)->granularity > 1 )
        return;

    list_for_each_entry ( su, &dom->units, elem )
    {
        struct sim_work *mine = su->unit->vcpu_list->work;

        audit_charged(su, &mine->audit);
    }
    audit_cap(dom, &w->audit);
}
