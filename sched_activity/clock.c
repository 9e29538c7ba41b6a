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
 * pCPUs of the queue, they advance at paces of their own; then a unit is compared
 * with those only that may use a pCPU which it may use, too.
 */
#include <xen/lib.h>

#include "private.h"

/*
 * Three times the longest burst of usual servers (a few milliseconds), and half
 * a round: nobody else waits for longer because of it than for its turn.
 */
#define ACT_LAG_MAX MILLISECS(15)

/*
 * A boost may last for so many of the shortest slices: with the defaults for 2
 * ms, which is work on a frame of audio or video or on a request, with cold caches,
 * but less than a guest's kernel lets one of several that compute go on.
 */
#define ACT_BOOST_SLICES 4

/* Among units that compete the spread is below one slice; twice that leaves them
 * alone. */
#define ACT_SPREAD_SLICES 2

/* Offsets are kept so small that their sums do not overflow: about 18 minutes. */
#define ACT_OFFSET_MAX ((s_time_t)1 << 40)

static inline s_time_t act_virtual(const struct act_unit *su, s_time_t ns)
{
    if ( likely(su->weight == ACT_WEIGHT_SCALE) )
        return ns;

    return ns * ACT_WEIGHT_SCALE / su->weight;
}

/* The virtual time of @su at @now, of which it may run a part just then. */
static s_time_t act_vruntime(const struct act_unit *su, s_time_t now)
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

static void act_set_vruntime(struct act_unit *su, s_time_t vruntime)
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

/* Sums for the mean virtual time of some units. */
struct act_mean {
    s_time_t base;                /* virtual time that the sum counts from  */
    s_time_t sum;                 /* of weight * (virtual time - base)      */
    uint64_t weight;              /* their sum                              */
};

static void act_mean_add(struct act_mean *mean, const struct act_unit *su,
                         const struct act_unit *other, s_time_t now)
{
    s_time_t vruntime;

    if ( other == su || !other->active ||
         !cpumask_intersects(other->unit->cpu_hard_affinity,
                             su->unit->cpu_hard_affinity) )
        return;

    vruntime = act_vruntime(other, now);
    if ( !mean->weight )
        mean->base = vruntime;
    mean->weight += other->weight;
    mean->sum += (vruntime - mean->base) * other->weight;
}

/* The mean of those that may use a pCPU that @su may use. False: there are none. */
static bool act_competitors(const struct act_unit *su, s_time_t now,
                            s_time_t *vtime)
{
    const struct act_runqueue *rq = su->rq;
    struct act_mean mean = { .weight = 0 };
    const struct act_unit *other = rq->first[ACT_FAIR];
    unsigned int i, cpu;

    for_each_cpu ( cpu, &rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur && cur->running )
            act_mean_add(&mean, su, cur, now);
    }

    for ( i = 0; other && i < ACT_LOOK_UNITS; other = act_after(other), i++ )
        act_mean_add(&mean, su, other, now);

    if ( !mean.weight )
        return false;

    *vtime = mean.base + mean.sum / (s_time_t)mean.weight;

    return true;
}

/* The virtual time that @su is to be compared with. False: there is none. */
static inline bool act_vtime(const struct act_unit *su, s_time_t now, s_time_t *vtime)
{
    struct act_runqueue *rq = su->rq;

    if ( rq->nr_restricted )
        return act_competitors(su, now, vtime);

    *vtime = act_clock_read(&rq->clock, now);

    return true;
}

/* What @su is owed at @now, in time on a pCPU; below 0: what it has borrowed. */
s_time_t act_lag(const struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    return act_vtime(su, now, &vtime)
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

    if ( su->weight && act_vtime(su, now, &vtime) )
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
 * Is @su so far ahead of its competitors that it may not be urgent? They may come
 * with ACT_LAG_MAX that they are owed, which is no debt of its.
 */
bool act_in_debt(const struct act_unit *su, s_time_t now)
{
    s_time_t debt_max = su->dom->prv->params.debt_max, vtime;

    if ( !debt_max )
        return true;

    return act_vtime(su, now, &vtime) &&
           !act_before(act_vruntime(su, now),
                       vtime + act_virtual(su, debt_max + ACT_LAG_MAX));
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

    if ( !clock->nr_running || !act_vtime(su, now, &vtime) )
        return now + params->slice_min;

    left = su->vruntime - vtime -
           act_virtual(su, params->debt_max + ACT_LAG_MAX - params->slice_min);

    return now + max(left * (s_time_t)clock->weight /
                     (s_time_t)(ACT_WEIGHT_SCALE * clock->nr_running),
                     params->slice_min);
}

/* As act_round(), of which the present length is not known to be right. */
static noinline s_time_t act_new_round(struct act_runqueue *rq, s_time_t want)
{
    static const s_time_t lengths[] = {
        MILLISECS(100) / 50, MILLISECS(100) / 20, MILLISECS(100) / 10,
        MILLISECS(100) / 8, MILLISECS(100) / 5, MILLISECS(100) / 4,
        MILLISECS(100) / 2, MILLISECS(100)
    };
    unsigned int i;

    for ( i = 0; lengths[i] * rq->nr_cpus < want; i++ )
        continue;

    rq->round = (struct act_round){
        .length = lengths[i],
        .above = i ? lengths[i - 1] * rq->nr_cpus : 0,
        .up_to = lengths[i] * rq->nr_cpus,
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

s_time_t act_boost_slice(const struct act_unit *su)
{
    return ACT_BOOST_SLICES * su->dom->prv->params.slice_min;
}

static inline s_time_t act_slice(const struct act_unit *su)
{
    s_time_t burst = max(su->burst, su->burst_avg);

    if ( su->class == ACT_BOOSTED )
        return act_boost_slice(su);

    /* Twice the burst, so that a burst of usual length fits into one slice. */
    return min(max(2 * burst, su->dom->prv->params.slice_min),
               act_part(su));
}

/* Fetch @su, if it is farther away from @vtime than it may be. */
static noinline void act_fetch(struct act_unit *su, s_time_t vtime,
                               s_time_t lag_max)
{
    const struct act_params *params = &su->dom->prv->params;
    s_time_t spread, first, last;

    /* If all have reservations they have no clock; then they have no bounds. */
    if ( su->reserve_slice && !su->rq->clock.weight )
        return;

    spread = act_virtual(su, ACT_SPREAD_SLICES * act_part(su));
    first = vtime - max(spread, lag_max);
    /* What was borrowed is not forgiven. */
    last = vtime + spread + act_virtual(su, params->debt_max + ACT_LAG_MAX +
                                            su->reserve_slice);

    if ( act_before(su->vruntime, first) )
        act_set_vruntime(su, first);
    else if ( act_before(last, su->vruntime) )
        act_set_vruntime(su, last);
}

/* Keep @su near @vtime, that of its competitors. */
static inline void act_keep_near(struct act_unit *su, s_time_t vtime)
{
    s_time_t lag_max = act_virtual(su, ACT_LAG_MAX);

    /* Its bounds are farther away than this on both sides. */
    if ( unlikely(act_beyond(su->vruntime - vtime, lag_max)) )
        act_fetch(su, vtime, lag_max);
}

static inline void act_start_slice(struct act_unit *su)
{
    su->vdeadline = su->vruntime + act_virtual(su, act_slice(su));
    act_trace(slice, su);
}

void act_new_slice(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    act_look_at_weight(su, now);
    if ( act_vtime(su, now, &vtime) )
        act_keep_near(su, vtime);
    act_start_slice(su);
}

/* @su has just woken, or come from another queue, and has no slice. */
void act_place(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    act_look_at_weight(su, now);
    if ( act_vtime(su, now, &vtime) )
    {
        s_time_t first = vtime - act_virtual(su, ACT_LAG_MAX);

        if ( act_before(su->vruntime, first) )
            su->vruntime = first;
        act_keep_near(su, vtime);
    }
    act_start_slice(su);
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
    rq->nr_units++;
    act_restrict(su, su->unit->cpu_hard_affinity);
    su->weight = read_atomic(&su->dom->weight);
    if ( act_vtime(su, now, &vtime) )
        su->vruntime += vtime;
}

void act_unassign(struct act_unit *su, s_time_t now)
{
    s_time_t vtime;

    ASSERT(su->rq && su->state == ACT_OUT);

    act_deactivate(su);
    if ( act_vtime(su, now, &vtime) )
        su->vruntime -= vtime;
    else
        su->vruntime = 0;
    su->rq->nr_restricted -= su->restricted;
    su->restricted = false;
    su->rq->nr_units--;
    su->rq = NULL;
}

/* @su may use the pCPUs of @hard from now on. */
void act_restrict(struct act_unit *su, const cpumask_t *hard)
{
    su->rq->nr_restricted -= su->restricted;
    su->restricted = !cpumask_subset(&su->rq->cpus, hard);
    su->rq->nr_restricted += su->restricted;
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
