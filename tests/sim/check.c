/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold for sched=activity whenever nothing is under way. White box:
 * this file knows the scheduler's own structures.
 */
#include <stdio.h>

#include "tests.h"

/* Who is where, for the reader of a failure. */
static void describe(void)
{
    static const char *const state[] = { "out", "queued", "parked" };
    const struct domain *d;
    const struct vcpu *v;
    unsigned int cpu;

    for_each_online_cpu ( cpu )
    {
        const struct sched_resource *sr = get_sched_res(cpu);
        const struct sched_unit *curr = sr->curr;

        fprintf(stderr, "  CPU %u pool %d: ", cpu,
                sr->cpupool ? (int)sr->cpupool->cpupool_id : -1);
        if ( is_idle_unit(curr) )
            fprintf(stderr, "idle%s\n", sim_has_tasklet(cpu) ? ", tasklet"
                                                             : "");
        else
            fprintf(stderr, "d%dv%u\n", curr->domain->domain_id,
                    curr->unit_id);
    }
    for_each_domain ( d )
    {
        fprintf(stderr, "  d%d pool %u paused %d\n", d->domain_id,
                d->cpupool->cpupool_id, atomic_read(&d->pause_count));
        if ( d->cpupool->sched->sched_id != ACTIVITY )
            continue;
        for_each_vcpu ( d, v )
        {
            const struct act_unit *su = act_unit(v->sched_unit);

            fprintf(stderr, "    v%d CPU %u hard %#lx flags %#lx %s%s%s%s%s "
                    "v=%"PRId64" d=%+"PRId64" budget=%"PRId64"\n", v->vcpu_id,
                    v->processor, v->sched_unit->cpu_hard_affinity->bits[0],
                    v->pause_flags, state[su->state],
                    su->class != ACT_FAIR ? " early" : "",
                    su->saving ? " saving" : "",
                    su->queue_after_save ? " again" : "",
                    v->is_running ? " running" : "", su->vruntime,
                    su->vdeadline - su->vruntime, su->budget);
        }
    }
}

void check_violated(const struct act_unit *su, const char *fmt, ...)
{
    static char text[400];
    va_list args;
    int len = 0;

    if ( su )
        len = snprintf(text, sizeof(text), "d%dv%u on CPU %u: ",
                       su->unit->domain->domain_id, su->unit->unit_id,
                       sched_unit_master(su->unit));
    va_start(args, fmt);
    vsnprintf(text + len, sizeof(text) - len, fmt, args);
    va_end(args);
    fflush(stdout);
    describe();
    sim_bug(__FILE__, __LINE__, text);
}

#define violated check_violated

static bool has_tasklet(unsigned int cpu)
{
    unsigned int thread;

    for_each_cpu ( thread, get_sched_res(cpu)->cpus )
        if ( sim_has_tasklet(thread) )
            return true;

    return false;
}

static unsigned int check_tree(const struct act_runqueue *rq,
                               enum act_class class)
{
    const struct act_unit *last = NULL;
    struct rb_node *node;
    unsigned int nr = 0;

    node = rb_first(&rq->tree[class]);
    if ( rq->first[class] != (node ? rb_entry(node, struct act_unit, node)
                                   : NULL) )
        violated(rq->first[class], "not the first of its tree");
    if ( !(rq->classes & (1U << class)) != !node )
        violated(NULL, "a tree is, or is not, empty, against what is said");

    for ( ; node; node = rb_next(node) )
    {
        const struct act_unit *su = rb_entry(node, struct act_unit, node);

        if ( su->state != ACT_QUEUED )
            violated(su, "in a tree, but its state is %d", su->state);
        if ( su->rq != rq )
            violated(su, "in the tree of a queue that is not its own");
        if ( su->class != class )
            violated(su, "in the wrong tree");
        if ( su->saving || su->unit->is_running )
            violated(su, "queued while its context is not saved");
        if ( !unit_runnable(su->unit) )
            violated(su, "queued, but not runnable");
        if ( last && (class <= ACT_RESERVED
                      ? su->reserve_deadline < last->reserve_deadline
                      : class == ACT_CRITICAL
                      ? act_before(su->deadline, last->deadline)
                      : act_before(su->vdeadline, last->vdeadline)) )
            violated(su, "out of order in the tree");
        last = su;
        nr++;
    }

    return nr;
}

static void check_queue(const struct act_private *prv,
                        const struct act_runqueue *rq)
{
    const struct act_unit *su;
    unsigned int cpu, class, nr = 0, restricted = 0;

    for ( class = 0; class < ACT_CLASSES; class++ )
        nr += check_tree(rq, class);
    if ( nr != rq->nr_queued )
        violated(NULL, "nr_queued is wrong");

    nr = 0;
    list_for_each_entry ( su, &rq->units, queue_elem )
    {
        if ( su->rq != rq )
            violated(su, "listed by a queue that is not its own");
        if ( su->restricted ==
             cpumask_subset(&rq->cpus, su->unit->cpu_hard_affinity) )
            violated(su, "may use all pCPUs, or not, against what is said");
        restricted += su->restricted;
        nr++;
    }
    if ( nr != rq->nr_units || restricted != rq->nr_restricted )
        violated(NULL, "nr_units or nr_restricted is wrong");

    check_reserved(rq);

    list_for_each_entry ( su, &rq->parked, parked_elem )
    {
        if ( su->state != ACT_PARKED )
            violated(su, "in the parked list, but its state is %d", su->state);
        if ( su->rq != rq )
            violated(su, "parked in a queue that is not its own");
        if ( !su->dom->cap && !active_timer(&su->dom->timer) )
            violated(su, "parked for ever: no cap and no timer");
        if ( su->dom->cap && !active_timer(&su->dom->timer) )
            violated(su, "parked for ever: no timer");
    }

    for_each_cpu ( cpu, &rq->cpus )
    {
        bool idle = is_idle_unit(curr_on_cpu(cpu));

        if ( act_pcpu(cpu)->rq != rq )
            violated(NULL, "CPU %u is in a queue that is not its own", cpu);
        if ( !idle && cpumask_test_cpu(cpu, &rq->idle) )
            violated(NULL, "CPU %u is busy, its queue says idle", cpu);
        if ( idle && !cpumask_test_cpu(cpu, &rq->idle) &&
             !has_tasklet(cpu) )
            violated(NULL, "CPU %u is idle, its queue says busy", cpu);
        if ( cpumask_test_cpu(cpu, &rq->idle) !=
             cpumask_test_cpu(cpu, &prv->idle) )
            violated(NULL, "CPU %u: queue and pool disagree on idle", cpu);
        if ( cpumask_test_cpu(cpu, &rq->tickled) )
            violated(NULL, "CPU %u: tickled, but nothing is pending", cpu);
    }
}

static void check_unit(const struct act_unit *su)
{
    const struct sched_unit *unit = su->unit;
    unsigned int cpu = sched_unit_master(unit);
    bool current_there = curr_on_cpu(cpu) == unit;

    if ( !su->rq || su->rq != act_pcpu(cpu)->rq )
        violated(su, "its queue is not the one of its pCPU");
    if ( unit->is_running != current_there )
        violated(su, "is_running is wrong");
    if ( su->saving || su->queue_after_save )
        violated(su, "left in the middle of a switch");
    if ( current_there && su->state != ACT_OUT )
        violated(su, "runs and is queued or parked");
    if ( !current_there && unit_runnable(unit) && su->state == ACT_OUT )
        violated(su, "lost: runnable, and neither runs nor waits");
    if ( !unit_runnable(unit) && su->state != ACT_OUT )
        violated(su, "waits, but is not runnable");
    if ( act_reserved(su, sim.now_ns + sim_skew_max()) && !su->home )
        violated(su, "has a reservation that no queue carries");
    if ( (su->inherit_left > 0) != (su->donor != NULL) )
        violated(su, "time that it may run for nobody, or none for somebody");
    if ( su->donor && su->donor->dom->prv != su->dom->prv )
        violated(su, "runs for a unit of another pool");
    if ( su->donor && !unit_runnable(unit) )
        violated(su, "has nothing to do, but somebody for whom");
    if ( current_there && su->charged > sim.now_ns + sim_skew_max() )
        violated(su, "charged in advance");
}

/* What a unit has promised is what others may run for it, and bounded. */
static void check_promises(const struct act_private *prv,
                           const struct act_dom *dom)
{
    const struct act_dom *other_dom;
    const struct act_unit *su, *other;

    list_for_each_entry ( su, &dom->units, elem )
    {
        s_time_t promised = 0;

        list_for_each_entry ( other_dom, &prv->doms, elem )
            list_for_each_entry ( other, &other_dom->units, elem )
                if ( other->donor == su )
                    promised += other->inherit_left;
        if ( promised != su->promised )
            violated(su, "has promised %"PRId64" ns, but others have %"PRId64,
                     su->promised, promised);
        if ( su->watches_sends != su->unit->vcpu_list->activity.watch_sends )
            violated(su, "watches what it sends, or does not, for nobody");
    }
}

/* Does @su wait although a pCPU that it may use idles? Which one? */
static unsigned int idle_beside(const struct act_unit *su)
{
    const cpumask_t *pool = cpupool_domain_master_cpumask(su->unit->domain);
    unsigned int cpu;

    if ( su->state == ACT_QUEUED )
        for_each_cpu ( cpu, su->unit->cpu_hard_affinity )
            if ( cpumask_test_cpu(cpu, pool) &&
                 is_idle_unit(curr_on_cpu(cpu)) && !has_tasklet(cpu) )
                return cpu;

    return nr_cpu_ids;
}

/*
 * At once if there is one queue; if another one's pCPU has to come, or softirqs
 * are late, within a millisecond in which somebody could react.
 */
static void check_conserving(const struct act_private *prv, bool stalled)
{
    bool strict = !sim.ipi_max_ns && list_is_singular(&prv->queues);
    const struct act_dom *dom;
    const struct act_unit *su;

    list_for_each_entry ( dom, &prv->doms, elem )
        list_for_each_entry ( su, &dom->units, elem )
        {
            struct sim_work *w = su->unit->vcpu_list->work;
            unsigned int cpu = idle_beside(su);

            if ( cpu >= nr_cpu_ids )
                w->beside_idle_ns = 0;
            /* Nor has it waited all the time if it ran since the last look. */
            else if ( !w->beside_idle_ns || stalled ||
                      su->picked > w->beside_idle_ns )
                w->beside_idle_ns = sim.now_ns;
            if ( cpu < nr_cpu_ids &&
                 (strict || sim.now_ns - w->beside_idle_ns > MILLISECS(1)) )
                violated(su, "waits, and CPU %u, which it may use, idles", cpu);
        }
}

void check_activity(void)
{
    static uint64_t stalls;
    unsigned int id;

    for ( id = 0; id < SIM_POOLS; id++ )
    {
        const struct act_private *prv;
        const struct act_runqueue *rq;
        const struct act_dom *dom;
        const struct act_unit *su;
        struct domain *d;
        unsigned int units = 0, queue_units = 0, doms = 0;

        if ( !sim_pool[id] || sim_pool[id]->sched->sched_id != ACTIVITY )
            continue;
        prv = act_priv(sim_pool[id]->sched);

        list_for_each_entry ( rq, &prv->queues, elem )
        {
            check_queue(prv, rq);
            queue_units += rq->nr_units;
        }
        list_for_each_entry ( dom, &prv->doms, elem )
        {
            unsigned int nr = 0, parked = 0;

            list_for_each_entry ( su, &dom->units, elem )
            {
                check_unit(su);
                parked += su->state == ACT_PARKED;
                nr++;
            }
            if ( nr != dom->nr_units ||
                 nr != DIV_ROUND_UP(dom->dom->max_vcpus,
                                    cpupool_get_granularity(sim_pool[id])) )
                violated(NULL, "d%d: nr_units is wrong", dom->dom->domain_id);
            if ( parked != dom->nr_parked )
                violated(NULL, "d%d: nr_parked is wrong", dom->dom->domain_id);
            if ( dom->cap && dom->budget > act_cap_budget_max(dom) )
                violated(NULL, "d%d: more budget than its cap allows",
                         dom->dom->domain_id);
            audit_dom(dom);
            check_promises(prv, dom);
            units += nr;
            doms++;
        }
        for_each_domain_in_cpupool ( d, sim_pool[id] )
            doms--;
        if ( doms )
            violated(NULL, "domains of pool %u are wrong", id);
        if ( units != queue_units )
            violated(NULL, "units of the queues of pool %u are wrong", id);
        if ( !sim.trylock_fail_permille )
            check_conserving(prv, sim.stalls != stalls);
    }
    stalls = sim.stalls;
}
