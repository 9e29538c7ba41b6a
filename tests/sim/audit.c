/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must add up for sched=activity over time: who ran is charged for exactly
 * that, caps hold in each of their periods, equal ones stay together.
 */
#include "tests.h"

/* A cap may be overrun by so much in a period: what late timers amount to. */
#define CAP_OVERRUN_MAX MILLISECS(1)

/* The linker puts this before the scheduler's own: a burst ends. */
void __real_act_record_block(struct act_unit *su);
void __wrap_act_record_block(struct act_unit *su);
void __wrap_act_record_block(struct act_unit *su)
{
    struct sim_work *w = su->unit->vcpu_list->work;

    if ( w )
        w->audit.blocked_ns += su->burst;
    __real_act_record_block(su);
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

    if ( a->unit != su )
        a->uncharged_ns = ran_ns - charged_ns;
    a->unit = su;
    if ( ran_ns - a->uncharged_ns != charged_ns )
        check_violated(su, "ran for %"PRId64" ns, but was charged %"PRId64,
                       ran_ns - a->uncharged_ns, charged_ns);
}

/*
 * In no period more than the highest cap that it had in this period. A stall is
 * nobody's fault.
 */
static void audit_cap(const struct act_dom *dom, struct sim_audit *a)
{
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
    most_ns = ACT_CAP_PERIOD * a->cap_max / 100 + CAP_OVERRUN_MAX;
    if ( dom->cap && ran_ns - a->period_ran_ns > most_ns )
        check_violated(NULL, "d%d: ran for %"PRId64" us in a period, with a "
                       "cap of %u", dom->dom->domain_id,
                       (ran_ns - a->period_ran_ns) / 1000, a->cap_max);
}

/* Has it done nothing but to compute, in one queue, since the last look? */
static bool computes(const struct act_unit *su, struct sim_audit *a)
{
    bool same = a->rq == su->rq && a->wakes == su->wakes &&
                a->yields == su->yields;

    a->rq = su->rq;
    a->wakes = su->wakes;
    a->yields = su->yields;

    return same && su->class == ACT_FAIR && !su->dom->cap &&
           (runs(su) || su->state == ACT_QUEUED);
}

static s_time_t vruntime(const struct act_unit *su)
{
    return su->vruntime +
           due_ns(su) * ACT_WEIGHT_SCALE / su->dom->weight;
}

/*
 * Two vCPUs of a domain that compute all the time, may use the same pCPUs and
 * are in one queue. Who is ahead goes on only until its deadline, which is a
 * slice ahead of where the slice began, and not before the other one's: so it
 * gets ahead by a slice at most. It is left alone for another slice, or the rate
 * limit, if the other one lost its pCPU to somebody else in the meantime. If
 * they are further apart at first, they do not get still further.
 */
static void audit_pair(const struct act_unit *one, const struct act_unit *other,
                       bool on, struct sim_audit *a)
{
    unsigned int i = one->unit->unit_id, j = other->unit->unit_id;
    const struct act_params *params = &one->dom->prv->params;
    s_time_t apart = vruntime(one) - vruntime(other), bound;

    if ( !on || !cpumask_equal(one->unit->cpu_hard_affinity,
                               other->unit->cpu_hard_affinity) )
    {
        a->pair[i][j].on = false;
        return;
    }
    apart = max(apart, -apart);
    bound = max(params->slice_max, params->ratelimit) + params->slice_max +
            sim.ipi_max_ns + sim.switch_max_ns + sim.timer_slop_ns;
    bound = bound * ACT_WEIGHT_SCALE / one->dom->weight;
    if ( !a->pair[i][j].on )
    {
        a->pair[i][j].on = true;
        a->pair[i][j].bound = apart + bound;
    }
    if ( apart > a->pair[i][j].bound )
        check_violated(one, "%"PRId64" us apart from d%dv%u, which computes as "
                       "it does; %"PRId64" is the limit", apart / 1000,
                       other->unit->domain->domain_id, j,
                       a->pair[i][j].bound / 1000);
}

static void audit_lag(const struct act_dom *dom, struct sim_audit *a)
{
    const struct act_unit *unit[SIM_AUDIT_PAIRS], *su;
    bool on[SIM_AUDIT_PAIRS];
    unsigned int nr = 0, i, j;

    list_for_each_entry ( su, &dom->units, elem )
    {
        struct sim_work *w = su->unit->vcpu_list->work;

        if ( nr == SIM_AUDIT_PAIRS )
            return;
        unit[nr] = su;
        on[nr++] = computes(su, &w->audit);
    }
    for ( i = 0; i < nr; i++ )
        for ( j = 0; j < i; j++ )
            audit_pair(unit[i], unit[j], on[i] && on[j], a);
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
    if ( !sim.trylock_fail_permille )
        audit_lag(dom, &w->audit);
}
