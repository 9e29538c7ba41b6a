/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual time.
 *
 * Each unit has a virtual time, the time it ran divided by its weight. A queue's
 * clock is the weighted mean of those of its active units; how far a unit is
 * behind it (its lag) is what it was owed, how far ahead what it has borrowed.
 * It asks for its pCPU a slice at a time, and its virtual deadline is its virtual
 * time at the end of the slice.
 *
 * Slices. Within a round everybody who computes gets its part once, so all their
 * slices are equally long in virtual time, and a window of whole rounds shows
 * exact shares. Who needs the pCPU for short bursts only asks for little, and so
 * has an early deadline.
 *
 * Lag is bounded on both sides. A unit that sleeps keeps what it is owed, up to
 * ACT_LAG_MAX: time that it left to the others and would have got, so that a
 * server with bursts is served at once as long as it stays within its share. But
 * nobody may save up more; and a unit that has a pCPU to itself, because of its
 * weight or of affinity, must neither save up nor owe without end.
 *
 * The clock means something only for units that compete. If some may not use all
 * pCPUs of the queue, or have one for themselves by their weight, they advance at paces
 * of their own; then a unit is compared with those of its level (level.c).
 */
#include <xen/lib.h>

#include "private.h"

/*
 * A boost may last for so many of the shortest slices: with the defaults for 2
 * ms, which is work on a frame of audio or video or on a request, with cold caches,
 * but less than a guest's kernel lets one of several that compute go on.
 */
#define ACT_BOOST_SLICES 4

/* So long after they were seen units are taken to be on levels: some rounds. */
#define ACT_LEVELS_FOR SECONDS(1)

/* Longer than any level is ahead of another, and short enough for sums of offsets. */
#define ACT_SIGHT SECONDS(16)

/* Offsets are kept so small that their sums do not overflow: about 18 minutes. */
#define ACT_OFFSET_MAX ((s_time_t)1 << 40)

/* The virtual time of @su at @now, of which it may run a part just then. */
s_time_t act_vruntime(const struct act_unit *su, s_time_t now)
{
    return act_pays(su) && now > su->charged
           ? su->vruntime + act_virtual(su, now - su->charged) : su->vruntime;
}

/* Is @offset more than @max away from 0? */
static inline bool act_beyond(s_time_t offset, s_time_t max)
{
    return (uint64_t)offset + max > 2 * (uint64_t)max;
}

/* The clock at @now. */
static inline s_time_t act_clock_read(struct act_clock *clock, s_time_t now)
{
    s_time_t ran = clock->nr_running * now - clock->charged;
    s_time_t mean;

    if ( !clock->weight )
        return clock->base;

    mean = (clock->offset + ran * ACT_WEIGHT_SCALE) / (s_time_t)clock->weight;
    if ( unlikely(act_beyond(mean, ACT_OFFSET_MAX)) )
    {
        clock->base += mean;
        clock->offset -= mean * (s_time_t)clock->weight;
        mean = 0;
    }

    return clock->base + mean;
}

void act_set_vruntime(struct act_unit *su, s_time_t vruntime)
{
    if ( su->active )
        su->rq->clock.offset += (vruntime - su->vruntime) * su->weight;
    su->vruntime = vruntime;
}

/* @su competes for pCPUs from now on. */
void act_activate(struct act_unit *su)
{
    struct act_clock *clock = &su->rq->clock;

    /* What it runs by its reservation must not move the clock of the others. */
    if ( su->reserve_slice )
    {
        act_deactivate(su);
        return;
    }

    if ( su->active )
        return;

    su->weight = read_atomic(&su->dom->weight);
    if ( !clock->weight )
        clock->base = su->vruntime;
    clock->offset += (su->vruntime - clock->base) * su->weight;
    clock->weight += su->weight;
    clock->nr_active++;
    su->active = true;
    if ( act_pays(su) )
        act_clock_count(su);
}

void act_deactivate(struct act_unit *su)
{
    struct act_clock *clock = &su->rq->clock;

    if ( !su->active )
        return;

    if ( act_pays(su) )
        act_clock_uncount(su);
    clock->offset -= (su->vruntime - clock->base) * su->weight;
    clock->weight -= su->weight;
    clock->nr_active--;
    su->active = false;
    /* The clock of a queue that nobody uses stands still. */
    if ( !clock->weight )
    {
        clock->base = su->vruntime;
        clock->offset = 0;
    }
}

/*
 * What @su, which was charged before, runs from now on is charged to @donor; NULL:
 * to itself. Meanwhile it does not advance.
 */
void act_clock_payer(struct act_unit *su, struct act_unit *donor)
{
    if ( su->active && act_pays(su) )
        act_clock_uncount(su);
    su->donor = donor;
    if ( su->active && act_pays(su) )
        act_clock_count(su);
}

/*
 * The virtual time that @su is to be compared with, if it may use the pCPUs of @hard.
 * False: there is none.
 */
bool act_vtime(const struct act_unit *su, const cpumask_t *hard, s_time_t now,
               s_time_t *vtime)
{
    struct act_runqueue *rq = su->rq;
    struct act_level level;

    if ( act_has_levels(rq, now) )
    {
        bool known = act_find_level(su, hard, now, &level);

        *vtime = level.vtime;

        return known;
    }

    *vtime = act_clock_read(&rq->clock, now);

    return true;
}

/* The same, of those who are in its way. */
bool act_own_vtime(const struct act_unit *su, s_time_t now, s_time_t *vtime)
{
    struct act_runqueue *rq = su->rq;
    struct act_level level;

    if ( act_has_levels(rq, now) )
    {
        bool known = act_own_level(su, now, &level);

        *vtime = level.vtime;

        return known;
    }

    *vtime = act_clock_read(&rq->clock, now);

    return true;
}

/* What @su is owed at @now, in time on a pCPU; below 0: what it has borrowed. */
s_time_t act_lag(const struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    return act_own_vtime(su, now, &vtime)
           ? act_real(su, vtime - act_vruntime(su, now)) : 0;
}

/*
 * The weight of its domain may have changed. What it is owed, or owes, is time, and
 * stays the same; and so does the clock.
 */
static void act_set_weight(struct act_unit *su, unsigned int weight,
                           s_time_t now)
{
    struct act_clock *clock = &su->rq->clock;
    s_time_t vtime, vruntime = su->vruntime;

    if ( su->weight && act_own_vtime(su, now, &vtime) )
        vruntime = vtime + (vruntime - vtime) * su->weight / weight;
    if ( su->active )
    {
        clock->offset += (vruntime - clock->base) * weight -
                         (su->vruntime - clock->base) * su->weight;
        clock->weight += (s_time_t)weight - su->weight;
    }
    su->vruntime = vruntime;
    su->weight = weight;
}

static void act_look_at_weight(struct act_unit *su, s_time_t now)
{
    unsigned int weight = read_atomic(&su->dom->weight);

    if ( unlikely(su->weight != weight) )
        act_set_weight(su, weight, now);
}

/*
 * Is @su so far ahead of its competitors that it may not be urgent? Nor if they are on a
 * level below: it needs no urgency where they are not.
 */
bool act_in_debt(const struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    return !su->dom->prv->params.debt_max ||
           (act_vtime(su, su->unit->cpu_hard_affinity, now, &vtime) &&
            !act_before(act_vruntime(su, now),
                        vtime + act_virtual(su, act_debt_line(su))));
}

/*
 * When will @su, which is in debt and waits, have paid so much that it may run for the
 * shortest slice? If all goes on as it is; others that come or go are not foreseen.
 */
s_time_t act_debt_over(const struct act_unit *su, s_time_t now)
{
    const struct act_params *params = &su->dom->prv->params;
    const struct act_clock *clock = &su->rq->clock;
    s_time_t vtime, left;

    if ( !clock->nr_running ||
         !act_vtime(su, su->unit->cpu_hard_affinity, now, &vtime) )
        return now + params->slice_min;

    left = su->vruntime - vtime -
           act_virtual(su, act_debt_line(su) - params->slice_min);

    return now + max(left * (s_time_t)clock->weight /
                     (s_time_t)(ACT_WEIGHT_SCALE * clock->nr_running),
                     params->slice_min);
}

/* Rounds of which a whole number makes up 100 ms. */
static const s_time_t act_rounds[] = {
    MILLISECS(100) / 50, MILLISECS(100) / 20, MILLISECS(100) / 10,
    MILLISECS(100) / 8, MILLISECS(100) / 5, MILLISECS(100) / 4,
    MILLISECS(100) / 2, MILLISECS(100)
};

/* The first that has room on @nr_cpus for @want, which the last one has. */
static unsigned int act_find_round(s_time_t want, unsigned int nr_cpus)
{
    unsigned int i;

    for ( i = 0; act_rounds[i] * nr_cpus < want; i++ )
        continue;

    return i;
}

/* As act_round(), of which the present length is not known to be right. */
static noinline s_time_t act_new_round(struct act_runqueue *rq, s_time_t want)
{
    unsigned int i = act_find_round(want, rq->nr_cpus);

    rq->round = (struct act_round){
        .length = act_rounds[i],
        .above = i ? act_rounds[i - 1] * rq->nr_cpus : 0,
        .up_to = act_rounds[i] * rq->nr_cpus,
    };

    return rq->round.length;
}

/*
 * How long a round is: as many slices of half of slice_max as there are units for
 * a pCPU; but so that a whole number of rounds makes up 100 ms, in which shares
 * are exact, then.
 */
static inline s_time_t act_round(struct act_runqueue *rq, s_time_t slice)
{
    s_time_t want = slice * rq->clock.nr_active;

    if ( MILLISECS(100) * rq->nr_cpus < want )
        return want / rq->nr_cpus;

    if ( rq->round.above < want && want <= rq->round.up_to )
        return rq->round.length;

    return act_new_round(rq, want);
}

/* The part of a round that is @su's own. */
static inline s_time_t act_part(const struct act_unit *su)
{
    const struct act_params *params = &su->dom->prv->params;
    struct act_runqueue *rq = su->rq;
    uint64_t weight = rq->clock.weight + (su->active ? 0 : su->weight);
    s_time_t round, part;

    if ( !rq->nr_cpus )
        return params->slice_max;

    round = act_round(rq, params->slice_max / 2);
    part = round * rq->nr_cpus * su->weight / weight;

    return min(max(part, params->slice_min), round);
}

/* The same on @level: units there have a turn each in a round of their own. */
static s_time_t act_part_of_level(const struct act_unit *su,
                                  const struct act_level *level)
{
    const struct act_params *params = &su->dom->prv->params;
    s_time_t want = params->slice_max / 2 * level->nr, round, part;

    round = MILLISECS(100) * level->nr_cpus < want
            ? want / level->nr_cpus
            : act_rounds[act_find_round(want, level->nr_cpus)];
    part = round * level->nr_cpus * su->weight / level->weight;

    return min(max(part, params->slice_min), round);
}

/* How far units of a level that are in no debt are apart, in time of @su. */
s_time_t act_near(const struct act_unit *su)
{
    return ACT_LAG_MAX + act_part(su);
}

/*
 * How far units of a level can be apart, in time of @su: one may be in debt, another
 * one come with what it is owed, and both are in the middle of a slice.
 */
s_time_t act_reach(const struct act_unit *su)
{
    return act_debt_line(su) + ACT_LAG_MAX + ACT_SPREAD_SLICES * act_part(su);
}

s_time_t act_boost_slice(const struct act_unit *su)
{
    return ACT_BOOST_SLICES * su->dom->prv->params.slice_min;
}

/* @part: of a round. */
static inline s_time_t act_slice(const struct act_unit *su, s_time_t part)
{
    s_time_t burst = max(su->burst, su->burst_avg);

    if ( su->class == ACT_BOOSTED )
        return act_boost_slice(su);

    /* Twice the burst, so that a burst of usual length fits into one slice. */
    return min(max(2 * burst, su->dom->prv->params.slice_min), part);
}

/*
 * How far from @vtime, that of its competitors, @su may be. False: if all have
 * reservations they have no clock; then they have no bounds.
 */
static bool act_bounds(const struct act_unit *su, s_time_t vtime, s_time_t *first,
                       s_time_t *last)
{
    s_time_t spread;

    if ( su->reserve_slice && !su->rq->clock.weight )
        return false;

    spread = act_virtual(su, ACT_SPREAD_SLICES * act_part(su));
    *first = vtime - max(spread, act_virtual(su, ACT_LAG_MAX));
    /* What was borrowed is not forgiven. */
    *last = vtime + spread + act_virtual(su, act_debt_line(su) + su->reserve_slice);

    return true;
}

/* Fetch @su, if it is farther away from @vtime than it may be. */
static noinline void act_fetch(struct act_unit *su, s_time_t vtime)
{
    s_time_t first, last;

    if ( !act_bounds(su, vtime, &first, &last) )
        return;

    if ( act_before(su->vruntime, first) )
        act_set_vruntime(su, first);
    else if ( act_before(last, su->vruntime) )
        act_set_vruntime(su, last);
}

/* Its bounds are farther away than this on both sides. */
static inline bool act_looks_far(const struct act_unit *su, s_time_t vtime)
{
    return unlikely(act_beyond(su->vruntime - vtime, act_virtual(su, ACT_LAG_MAX)));
}

/* Keep @su near @vtime, that of its competitors. */
static inline void act_keep_near(struct act_unit *su, s_time_t vtime)
{
    if ( act_looks_far(su, vtime) )
        act_fetch(su, vtime);
}

/*
 * One that competes cannot get so far away from the clock: others do not compete
 * with it, as they have pCPUs for themselves by their weights.
 */
static noinline void act_look_for_levels(struct act_unit *su, s_time_t now)
{
    s_time_t vtime = act_clock_read(&su->rq->clock, now), first, last;

    if ( su->active && !su->rq->nr_restricted &&
         act_bounds(su, vtime, &first, &last) &&
         (act_before(su->vruntime, first) || act_before(last, su->vruntime)) )
        su->rq->levels_until = now + ACT_LEVELS_FOR;
}

static inline void act_start_slice(struct act_unit *su, s_time_t part)
{
    su->slice_start = su->vruntime;
    su->vdeadline = su->vruntime + act_virtual(su, act_slice(su, part));
    act_trace(slice, su);
}

/* As act_start_slice(), in a queue of which units are on levels. */
static noinline void act_start_slice_on_level(struct act_unit *su, s_time_t now)
{
    struct act_level level;

    /* Rounds of the whole queue, if it serves one level: all are seen then. */
    act_start_slice(su, act_own_level(su, now, &level) &&
                        level.nr_cpus < su->rq->nr_cpus
                        ? act_part_of_level(su, &level) : act_part(su));
    act_close_gap(su);
}

/* As act_new_slice(), there. */
static noinline void act_new_slice_on_level(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    act_look_for_levels(su, now);
    /* Levels are kept near each other, and so are those who compete on one. */
    if ( !su->active && act_own_vtime(su, now, &vtime) )
        act_keep_near(su, vtime);
    act_start_slice_on_level(su, now);
}

void act_new_slice(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    act_look_at_weight(su, now);
    if ( act_has_levels(su->rq, now) )
    {
        act_new_slice_on_level(su, now);
        return;
    }

    vtime = act_clock_read(&su->rq->clock, now);
    if ( act_looks_far(su, vtime) )
    {
        if ( su->active )
            act_look_for_levels(su, now);
        else
            act_fetch(su, vtime);
    }
    act_start_slice(su, act_part(su));
}

/*
 * @su has slept while nobody was in its way. What it owes, or is owed, shows when it
 * meets those that it competes with; until then it only has to be in sight.
 */
static void act_keep_in_sight(struct act_unit *su, s_time_t now)
{
    s_time_t vtime = act_clock_read(&su->rq->clock, now);

    if ( act_beyond(su->vruntime - vtime, ACT_SIGHT) )
        su->vruntime = vtime;
}

/* @su did not compete with those around @vtime: what it is owed is bounded. */
static inline void act_bound_credit(struct act_unit *su, s_time_t vtime)
{
    s_time_t first = vtime - act_virtual(su, ACT_LAG_MAX);

    if ( act_before(su->vruntime, first) )
        su->vruntime = first;
    act_keep_near(su, vtime);
}

static void act_come_back(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    if ( act_own_vtime(su, now, &vtime) )
        act_bound_credit(su, vtime);
    else
        act_keep_in_sight(su, now);
}

/* @su has a budget again, and goes on with its slice. */
void act_resume(struct act_unit *su, s_time_t now)
{
    s_time_t vruntime = su->vruntime;

    act_come_back(su, now);
    su->vdeadline += su->vruntime - vruntime;
}

/* As act_place(), in a queue of which units are on levels. */
static noinline void act_place_on_level(struct act_unit *su, s_time_t now)
{
    act_come_back(su, now);
    act_start_slice_on_level(su, now);
}

/* @su has just woken, or come from another queue, and has no slice. */
void act_place(struct act_unit *su, s_time_t now)
{
    act_look_at_weight(su, now);
    if ( act_has_levels(su->rq, now) )
    {
        act_place_on_level(su, now);
        return;
    }

    act_bound_credit(su, act_clock_read(&su->rq->clock, now));
    act_start_slice(su, act_part(su));
}

/*
 * Clocks of different queues have nothing to do with each other: outside a queue
 * a unit's virtual time is relative to it.
 */
void act_assign(struct act_unit *su, struct act_runqueue *rq, s_time_t now)
{
    s_time_t vtime;

    ASSERT(!su->rq && su->state == ACT_OUT);

    su->rq = rq;
    list_add_tail(&su->queue_elem, &rq->units);
    rq->nr_units++;
    act_restrict(su, su->unit->cpu_hard_affinity);
    su->weight = read_atomic(&su->dom->weight);
    if ( act_own_vtime(su, now, &vtime) )
        su->vruntime += vtime;
}

void act_unassign(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    ASSERT(su->rq && su->state == ACT_OUT);

    act_deactivate(su);
    if ( act_own_vtime(su, now, &vtime) )
        su->vruntime -= vtime;
    else
        su->vruntime = 0;
    act_restrict(su, &su->rq->cpus);
    list_del_init(&su->queue_elem);
    su->rq->nr_units--;
    su->rq = NULL;
}

void act_pay_lent(struct act_unit *su)
{
    s_time_t lent = act_inherit_collect(su);

    act_set_vruntime(su, su->vruntime + act_virtual(su, lent));
    /* Who goes first by a reservation lends of that. */
    if ( su->class <= ACT_RESERVED )
        su->reserve_left -= lent;
}

/* @su, which runs, of the fair class, was charged. Is its slice over? */
static void act_look_at_slice(struct act_unit *su, s_time_t now)
{
    if ( act_before(su->vruntime, su->vdeadline) )
        return;

    if ( unlikely(su->evidence || su->home_space) )
        act_event_at_home(su, false);
    if ( act_event_works(su, now) )
    {
        act_event_go_on(su, now);
        act_new_slice(su, now);
    }
    else
        act_expire_slice(su, now);
}

/*
 * @su ran for @delta until @now. It is urgent, looked at, or capped, or others pay
 * for it, or it for others.
 */
static void act_charge_special(struct act_unit *su, s_time_t delta,
                               s_time_t now)
{
    bool reason_gone, inherits = su->donor;
    s_time_t lends = inherits ? act_inherit_charge(su, delta, now) : 0;

    act_set_vruntime(su, su->vruntime + act_virtual(su, delta - lends));
    act_pay(su);
    if ( act_is_capped(su) )
        su->budget -= delta;

    reason_gone = su->probe && act_event_judge(su, now);
    if ( su->class <= ACT_RESERVED )
        act_reserve_charge(su, delta, now);
    else if ( su->donor )
        return;
    else if ( inherits || (reason_gone && su->class == ACT_BOOSTED) )
    {
        /* It only got ahead of the others: no claim to be left alone. */
        su->picked = 0;
        act_expire_slice(su, now);
    }
    else if ( su->class == ACT_FAIR )
        act_look_at_slice(su, now);
    else if ( !act_before(su->vruntime, su->vdeadline) || act_in_debt(su, now) )
    {
        if ( su->at_work )
            act_event_at_home(su, true);
        act_expire_slice(su, now);
    }
}

/* Charge a running unit up to @now. Idle units never count as running. */
void act_charge(struct act_unit *su, s_time_t now)
{
    s_time_t delta = now - su->charged;

    /* NOW() of different pCPUs may differ by a little. */
    if ( !su->running || delta <= 0 )
        return;

    if ( su->active && !su->donor )
        su->rq->clock.charged += delta;
    su->charged = now;
    su->burst += delta;

    if ( unlikely(su->class != ACT_FAIR || su->donor || su->probe ||
                  read_atomic(&su->lent) || act_is_capped(su)) )
    {
        act_charge_special(su, delta, now);
        return;
    }

    act_set_vruntime(su, su->vruntime + act_virtual(su, delta));
    act_look_at_slice(su, now);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
