/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues in which not everybody competes with everybody.
 *
 * Some units may not use all pCPUs, or one is so heavy that its part is more than the
 * one pCPU that it can use. Who has to share its pCPUs with more others, or with
 * heavier ones, then advances more slowly in virtual time than the rest, for good. A
 * pCPU serves the earliest deadline of those that may use it, so it is left to the
 * slower ones, and the faster ones make up for it elsewhere: all get what they
 * can by weight. So units come to be on levels, which drift apart, and the mean of
 * a queue says nothing of them.
 *
 * How far a unit is ahead or behind is told within its level, therefore: that of the
 * pCPU on which it has to wait the least. And the levels are not left to drift apart, so
 * that nobody waits for long when what made them is gone. Where one is farther
 * ahead of the one below it than any unit can be of its own level, then all that are
 * ahead are taken back by as much, together, and what they owe each other stays.
 */
#include <xen/lib.h>

#include "private.h"

/* Units that are looked at: those that run, and the first that wait. */
struct act_sample {
    const struct act_unit *unit[ACT_QUEUE_CPUS_MAX + ACT_LOOK_UNITS];
    unsigned int nr;
};

static void act_sample_add(struct act_sample *sample, const struct act_unit *su,
                           const struct act_unit *other, const cpumask_t *hard)
{
    if ( other != su && other->active &&
         cpumask_intersects(other->unit->cpu_hard_affinity, hard) )
        sample->unit[sample->nr++] = other;
}

/*
 * What @cpu has come to, for others than @su: the virtual time of the one that runs
 * there, or of the first that waits for it, if that is behind. False: nobody does.
 */
static bool act_cpu_level(const struct act_sample *sample, unsigned int cpu,
                          const struct act_unit *su, s_time_t now, s_time_t *level)
{
    const struct act_unit *cur = act_running(cpu);
    bool known = cur && cur != su && cur->running && cur->active;
    unsigned int i;

    if ( known )
        *level = act_vruntime(cur, now);

    for ( i = 0; i < sample->nr; i++ )
    {
        const struct act_unit *other = sample->unit[i];

        if ( other->running ||
             !cpumask_test_cpu(cpu, other->unit->cpu_hard_affinity) )
            continue;
        if ( !known || act_before(other->vruntime, *level) )
            *level = other->vruntime;
        return true;
    }

    return known;
}

/*
 * The level of @su, which may use the pCPUs of @hard: the farthest that such a pCPU has
 * come to, and those of its competitors that are near that. False: nobody is in its way.
 */
bool act_find_level(const struct act_unit *su, const cpumask_t *hard, s_time_t now,
                    struct act_level *level)
{
    const struct act_runqueue *rq = su->rq;
    const struct act_unit *other = rq->first[ACT_FAIR];
    struct act_sample sample = { .nr = 0 };
    s_time_t at[ACT_QUEUE_CPUS_MAX], most, near, sum = 0;
    unsigned int i, cpu, nr_at = 0;

    *level = (struct act_level){ .nr = 1, .weight = su->weight };

    for_each_cpu ( cpu, &rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur && cur->running )
            act_sample_add(&sample, su, cur, hard);
    }
    for ( i = 0; other && i < ACT_LOOK_UNITS; other = act_after(other), i++ )
        act_sample_add(&sample, su, other, hard);

    for_each_cpu ( cpu, &rq->cpus )
        if ( cpumask_test_cpu(cpu, hard) )
        {
            if ( act_cpu_level(&sample, cpu, su, now, &at[nr_at]) )
                nr_at++;
            else if ( act_running(cpu) == su )
                level->nr_cpus++;
        }

    if ( !nr_at )
        return false;

    most = at[0];
    for ( i = 1; i < nr_at; i++ )
        if ( act_before(most, at[i]) )
            most = at[i];

    near = act_virtual(su, act_near(su));
    for ( i = 0; i < nr_at; i++ )
        level->nr_cpus += most - at[i] <= near;

    /* Who is in debt says as little of a level as those of the next one. */
    for ( i = 0; i < sample.nr; i++ )
    {
        s_time_t ahead = act_vruntime(sample.unit[i], now) - most;

        if ( ahead < -near || ahead > near )
            continue;
        sum += ahead * sample.unit[i]->weight;
        level->weight += sample.unit[i]->weight;
        level->nr++;
    }

    if ( level->nr == 1 )
        return false;

    level->vtime = most + sum / (s_time_t)(level->weight - su->weight);

    return true;
}

/*
 * The same where @su is. Farther ahead than any debt it is above those that it shares
 * pCPUs with, and has others for itself.
 */
bool act_own_level(const struct act_unit *su, s_time_t now, struct act_level *level)
{
    return act_find_level(su, su->unit->cpu_hard_affinity, now, level) &&
           act_before(act_vruntime(su, now),
                      level->vtime + act_virtual(su, act_debt_line(su) + ACT_LAG_MAX));
}

/* The first queued unit of @class, one ordered by virtual deadlines, behind @su. */
static const struct act_unit *act_queued_ahead(const struct act_unit *su,
                                               enum act_class class)
{
    struct rb_node *node = su->rq->tree[class].rb_node;
    const struct act_unit *ahead = NULL;

    while ( node )
    {
        const struct act_unit *other = rb_entry(node, struct act_unit, node);

        if ( act_before(su->vdeadline, other->key) )
        {
            ahead = other;
            node = node->rb_left;
        }
        else
            node = node->rb_right;
    }

    return ahead;
}

static const struct act_unit *act_nearer(const struct act_unit *su,
                                         const struct act_unit *ahead,
                                         const struct act_unit *other)
{
    if ( !other || !act_before(su->vdeadline, other->vdeadline) ||
         (ahead && !act_before(other->vdeadline, ahead->vdeadline)) )
        return ahead;

    return other;
}

/* Of those that compete, the one whose deadline comes next after that of @su. */
static const struct act_unit *act_next_ahead(const struct act_unit *su)
{
    const struct act_runqueue *rq = su->rq;
    const struct act_unit *other = rq->first[ACT_CRITICAL], *ahead;
    unsigned int i, cpu;

    ahead = act_nearer(su, act_queued_ahead(su, ACT_FAIR),
                       act_queued_ahead(su, ACT_BOOSTED));

    for ( i = 0; other && i < ACT_LOOK_UNITS; other = act_after(other), i++ )
        ahead = act_nearer(su, ahead, other);

    for_each_cpu ( cpu, &rq->cpus )
    {
        other = act_running(cpu);
        if ( other && other->running && other->active )
            ahead = act_nearer(su, ahead, other);
    }

    return ahead;
}

/*
 * Is @other on a level above that of @su, which is less than @gap below it? One that
 * sleeps is, if that is nearer, or if the pCPU where it ran is: what goes on there,
 * goes on without it.
 */
static bool act_is_above(const struct act_unit *other, const struct act_unit *su,
                         s_time_t gap)
{
    if ( other == su )
        return false;

    if ( other->active || other->running || other->state == ACT_QUEUED )
        return act_before(su->vdeadline, other->vdeadline);

    if ( act_before(su->vdeadline + gap / 2, other->vruntime) )
        return true;

    other = act_running(sched_unit_master(other->unit));

    return !other || !other->running ||
           act_before(su->vdeadline, other->vdeadline);
}

/*
 * @su, which is not queued, begins a slice, and so is the last of its level, or near
 * that. Keep the next level near.
 */
void act_close_gap(struct act_unit *su)
{
    const struct act_unit *ahead = act_next_ahead(su);
    struct act_unit *other;
    s_time_t gap, reach, back;

    if ( !ahead )
        return;

    gap = ahead->vdeadline - su->vdeadline;
    reach = max(act_virtual(su, act_reach(su)),
                act_virtual(ahead, act_reach(ahead)));
    /* Not for each slice, as it takes longer the more units there are. */
    if ( gap < reach + reach / 2 )
        return;

    back = gap - reach;
    list_for_each_entry ( other, &su->rq->units, queue_elem )
        if ( act_is_above(other, su, gap) )
        {
            act_set_vruntime(other, other->vruntime - back);
            other->vdeadline -= back;
            /* All behind a gap: the order in the tree stays. */
            if ( other->state == ACT_QUEUED && other->class > ACT_CRITICAL )
                other->key = other->vdeadline;
        }
}

/* Has @cur run for so long that it may go elsewhere? Should it come back instead, then
 * not for ever, even without a rate limit. */
static bool act_may_go(const struct act_unit *cur, s_time_t now)
{
    const struct act_params *params = &cur->dom->prv->params;

    return cur->class == ACT_FAIR &&
           now >= cur->picked + max(params->ratelimit, params->slice_min);
}

/*
 * May @su, which waits and cannot go elsewhere, have the pCPU of @cur, whose turn it is,
 * but who can? To a pCPU that idles, or runs one that is to go last anyway; or that
 * of one who goes on to such a pCPU in turn.
 */
static bool act_makes_room(const struct act_unit *cur, const struct act_unit *su,
                           s_time_t now)
{
    const struct act_runqueue *rq = su->rq;
    const struct act_unit *goes[ACT_QUEUE_CPUS_MAX] = { cur };
    unsigned int i, cpu, pos, seen = 0, nr = 1;

    if ( !su->restricted || su->class != ACT_FAIR || !act_may_go(cur, now) )
        return false;

    for ( i = 0; i < nr; i++ )
    {
        pos = 0;
        for_each_cpu ( cpu, &rq->cpus )
        {
            const struct act_unit *last = act_running(cpu);
            unsigned int bit = 1U << pos++;

            if ( (seen & bit) || act_may_use(su, cpu) ||
                 !act_may_use(goes[i], cpu) || cpumask_test_cpu(cpu, &rq->tickled) )
                continue;
            if ( cpumask_test_cpu(cpu, &rq->idle) )
                return true;
            if ( !last || !last->running )
                continue;
            if ( act_goes_first(su, last) )
            {
                if ( act_preempts(goes[i], last, now) )
                    return true;
            }
            else if ( act_may_go(last, now) )
            {
                seen |= bit;
                goes[nr++] = last;
            }
        }
    }

    return false;
}

/* A pCPU that @su, which is queued, gets if its unit goes elsewhere; or nr_cpu_ids. */
unsigned int act_find_room(const struct act_unit *su, s_time_t now)
{
    unsigned int cpu;

    for_each_cpu ( cpu, &su->rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur && cur->running && act_may_use(su, cpu) &&
             !cpumask_test_cpu(cpu, &su->rq->tickled) &&
             act_makes_room(cur, su, now) )
            return cpu;
    }

    return nr_cpu_ids;
}

/*
 * Whose turn it would be on @cpu, where @cur runs and goes first, if @cur makes room for
 * it. NULL: nobody's.
 */
struct act_unit *act_gets_room(const struct act_unit *cur, unsigned int cpu,
                               s_time_t now)
{
    struct act_unit *su = cur->rq->first[ACT_FAIR];
    unsigned int i;

    for ( i = 0; su && i < ACT_LOOK_UNITS; su = act_after(su), i++ )
        if ( act_may_use(su, cpu) && unit_runnable_state(su->unit) )
            return act_makes_room(cur, su, now) &&
                   (!act_is_capped(su) || act_cap_grab(su)) ? su : NULL;

    return NULL;
}

/* @su may use the pCPUs of @hard from now on. */
void act_restrict(struct act_unit *su, const cpumask_t *hard)
{
    su->rq->nr_restricted -= su->restricted;
    su->restricted = !cpumask_subset(&su->rq->cpus, hard);
    su->rq->nr_restricted += su->restricted;
    su->rq->levels_until = su->rq->nr_restricted ? STIME_MAX : 0;
}

/*
 * The same, of one that may have competed with others before. What it is owed by
 * those it comes to is what it was owed by them.
 */
void act_new_affinity(struct act_unit *su, const cpumask_t *hard, s_time_t now)
{
    bool queued = su->state == ACT_QUEUED;
    s_time_t vtime, moves;

    /* If nobody was in its way, it was owed nothing. */
    if ( !act_own_vtime(su, now, &vtime) )
        vtime = act_vruntime(su, now);
    moves = -vtime;

    act_restrict(su, hard);
    if ( !act_vtime(su, hard, now, &vtime) )
        return;
    moves += vtime;

    if ( queued )
        act_dequeue(su);
    act_set_vruntime(su, su->vruntime + moves);
    su->vdeadline += moves;
    if ( queued )
        act_insert(su);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
