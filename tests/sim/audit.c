/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must add up for sched=activity over time: who ran is charged for exactly
 * that, and caps hold in any 10 ms.
 */
#include "tests.h"

/* A cap may be overrun by so much: what it makes up for, and late timers. */
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
 * In no 10 ms more than the highest cap that it had then. A stall is nobody's
 * fault, and neither is it that the machine stops each unit late.
 */
static void audit_cap(const struct act_dom *dom, struct sim_audit *a)
{
    s_time_t late_ns = sim.timer_slop_ns + sim.ipi_max_ns + sim.switch_max_ns;
    s_time_t ran_ns = 0, most_ns;
    struct sim_cap_sample *last, *s;
    unsigned int i, cap_max = dom->cap;
    const struct vcpu *v;

    for_each_vcpu ( dom->dom, v )
        ran_ns += sim_run_ns(v);
    if ( a->dom != dom || !dom->cap || a->stalls != sim.stalls )
    {
        a->dom = dom->cap ? dom : NULL;
        a->nr_samples = 0;
        a->stalls = sim.stalls;
    }
    if ( !dom->cap )
        return;

    last = &a->sample[(a->nr_samples - 1) % SIM_CAP_SAMPLES];
    if ( a->nr_samples )
        last->cap_max = max(last->cap_max, dom->cap);
    if ( !a->nr_samples ||
         sim.now_ns - last->at_ns >= ACT_CAP_PERIOD / (SIM_CAP_SAMPLES - 1) )
        a->sample[a->nr_samples++ % SIM_CAP_SAMPLES] =
            (struct sim_cap_sample){ sim.now_ns, ran_ns, dom->cap };

    for ( i = 0; i < min(a->nr_samples, (unsigned int)SIM_CAP_SAMPLES); i++ )
    {
        s = &a->sample[(a->nr_samples - 1 - i) % SIM_CAP_SAMPLES];
        if ( s->at_ns < sim.now_ns - ACT_CAP_PERIOD )
            break;
        cap_max = max(cap_max, s->cap_max);
        most_ns = ACT_CAP_PERIOD * cap_max / 100 + CAP_OVERRUN_MAX +
                  late_ns * dom->nr_units;
        if ( ran_ns - s->ran_ns > most_ns )
            check_violated(NULL, "d%d: ran for %"PRId64" us in %"PRId64" us, "
                           "with a cap of %u", dom->dom->domain_id,
                           (ran_ns - s->ran_ns) / 1000,
                           (sim.now_ns - s->at_ns) / 1000, cap_max);
    }
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
