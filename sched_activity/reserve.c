/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reservations: a slice of pCPU time in every period, for units whose work has to
 * be done by a time.
 *
 * Each is a constant-bandwidth server. A unit that wakes has its slice until a
 * period later, its deadline; or, if it did not sleep for long, what is left of
 * them, so that waking often is no way to get more. As long as there is time left
 * it goes ahead of all other classes, the earliest deadline first. When the slice
 * is used up it is an ordinary unit until the deadline, where the next slice
 * begins. What it overran is taken off that. All of it is charged to its virtual
 * time as well, so it gets the larger one of reservation and share, not both; but
 * the clock is that of the others, so that they share what is left as ever.
 *
 * The earliest deadline first is optimal on one pCPU. On several, short urgent
 * work may take all pCPUs until it is too late for long work. So a unit is looked
 * at when it cannot wait any longer (its laxity is used up), and then goes ahead of
 * those that can.
 *
 * Admission. A reservation is carried by one queue, its unit's home; a unit that
 * another queue's pCPU has fetched goes home when it stops there. Every set of
 * pCPUs of the queue has to be enough for the units that may use none but these.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

/*
 * How much of a pCPU can be reserved, in parts per million. If there is only one
 * then all deadlines can be met up to its capacity; what is left here are 10 ms in
 * each second, for some thousand switches and for dom0 to end a reservation (if it
 * does not get to, the leases end). With several pCPUs earliest deadline first with
 * zero laxity is not optimal; random sets of units that need less than half a
 * pCPU each are met up to about this.
 */
#define ACT_RESERVE_ONE_PPM  990000
#define ACT_RESERVE_EACH_PPM 950000
#define ACT_PPM              1000000

/* A unit without laxity begins so early: an interrupt and a switch. */
#define ACT_LAXITY_MIN ACT_TIMER_MIN

/*
 * Who was preempted has cold caches when it goes on. It did not ask for that, so it
 * is given so much for each time, to fill a private cache again, but all in all at
 * most this part of its slice in a period.
 */
#define ACT_REFILL        MICROSECS(40)
#define ACT_REFILL_PART   8

bool act_reserved(const struct act_unit *su, s_time_t now)
{
    return su->reserve_slice && now < read_atomic(&su->reserve_until);
}

/* A period begins. What was left of the last one is void, what was overrun not. */
static void act_reserve_refill(struct act_unit *su, s_time_t since)
{
    su->reserve_left = min(su->reserve_left, (s_time_t)0) + su->reserve_slice;
    su->reserve_deadline = since + su->reserve_period;
    su->reserve_refund = su->reserve_slice / ACT_REFILL_PART;
}

bool act_reserve_has_time(struct act_unit *su, s_time_t now)
{
    if ( !act_reserved(su, now) )
    {
        su->reserve_slice = 0;
        return false;
    }

    if ( su->reserve_left <= 0 && now >= su->reserve_deadline )
        act_reserve_refill(su, now < su->reserve_deadline + su->reserve_period
                               ? su->reserve_deadline : now);

    return su->reserve_left > 0;
}

/* When @su has to get a pCPU at last. */
static s_time_t act_reserve_latest(const struct act_unit *su)
{
    return su->reserve_deadline - su->reserve_left - ACT_LAXITY_MIN;
}

bool act_reserve_pressed(const struct act_unit *su, s_time_t now)
{
    return su->rq->nr_cpus > 1 && now >= act_reserve_latest(su);
}

/*
 * @su wakes. With what it has left it must not use more until its deadline than its
 * part of that time; else it is as if its period began now.
 */
void act_reserve_wake(struct act_unit *su, s_time_t now)
{
    if ( !act_reserved(su, now) )
        return;

    /* Both factors are below 2^30, see XEN_SCHED_ACTIVITY_PERIOD_US_MAX. */
    if ( now >= su->reserve_deadline ||
         (su->reserve_left > 0 &&
          su->reserve_left * su->reserve_period >=
          (su->reserve_deadline - now) * su->reserve_slice) )
        act_reserve_refill(su, now);
}

void act_look_again(struct act_unit *su, s_time_t at)
{
    unsigned int cpu = smp_processor_id();

    /* No interrupt of another pCPU to set it there. */
    if ( su->look_timer.cpu != cpu )
        migrate_timer(&su->look_timer, cpu);
    set_timer(&su->look_timer, at);
}

/* @su is queued: when does that have to be looked at again? */
void act_reserve_wait(struct act_unit *su, s_time_t now)
{
    if ( !act_reserved(su, now) )
        return;

    if ( su->class > ACT_RESERVED )
        act_look_again(su, su->reserve_deadline);
    else if ( su->class == ACT_RESERVED && su->rq->nr_cpus > 1 )
        act_look_again(su, act_reserve_latest(su));
}

/* @su, which runs, has or has not time of its reservation any more. */
static void act_reserve_turn(struct act_unit *su, s_time_t now)
{
    if ( act_reserve_has_time(su, now) )
        su->class = act_class(su, now);
    else
    {
        /* It only got ahead of the others: no claim to be left alone. */
        su->picked = 0;
        act_expire_slice(su, now);
        act_reserve_wait(su, now);
    }
    /* Whether it counts there may have changed. */
    act_activate(su);
}

/* @su, of one of the reserved classes, ran for @ran until @now. */
void act_reserve_charge(struct act_unit *su, s_time_t ran, s_time_t now)
{
    /* A pCPU that was held up for long must not cost it more than a period. */
    su->reserve_left = max(su->reserve_left - ran, -su->reserve_slice);

    if ( su->reserve_left <= 0 || !act_reserved(su, now) )
        act_reserve_turn(su, now);
}

/* @su loses its pCPU although it could go on. */
void act_reserve_preempted(struct act_unit *su)
{
    s_time_t refund = min(su->reserve_refund, ACT_REFILL);

    if ( su->class > ACT_RESERVED )
        return;

    su->reserve_left += refund;
    su->reserve_refund -= refund;
}

/* Time may have come, or gone, for @su. */
static void act_reserve_look(struct act_unit *su, s_time_t now)
{
    if ( su->running )
    {
        enum act_class before = su->class;

        act_charge(su, now);
        if ( su->class > ACT_RESERVED ? act_reserve_has_time(su, now)
                                      : !act_reserved(su, now) )
            act_reserve_turn(su, now);
        act_activate(su);
        /* Who goes first, and for how long it may run, has changed. */
        if ( su->class != before )
            cpu_raise_softirq(sched_unit_master(su->unit), SCHEDULE_SOFTIRQ);
    }
    else if ( su->state == ACT_QUEUED &&
              (su->class <= ACT_RESERVED || act_reserved(su, now)) )
    {
        act_dequeue(su);
        if ( su->class != ACT_BOOSTED )
            su->class = ACT_FAIR;
        act_enqueue(su, now);
        act_tickle(su, now);
    }
}

/*
 * Admission
 */

/* The pCPUs of @rq that @su may use: one bit each, counted within the queue. */
static unsigned int act_cpu_bits(const struct act_runqueue *rq,
                                 const struct act_unit *su)
{
    unsigned int cpu, bit = 1, bits = 0;

    for_each_cpu ( cpu, &rq->cpus )
    {
        if ( cpumask_test_cpu(cpu, su->unit->cpu_hard_affinity) )
            bits |= bit;
        bit <<= 1;
    }

    return bits;
}

static int act_set_ppm(unsigned int set)
{
    unsigned int nr = hweight64(set);

    return nr == 1 ? ACT_RESERVE_ONE_PPM : nr * ACT_RESERVE_EACH_PPM;
}

/*
 * How much @su may have reserved in @rq at most, beside the others there; below 0 if
 * these have too much.
 */
static int act_reserve_room(const struct act_runqueue *rq,
                            const struct act_unit *su)
{
    int sum[1U << ACT_QUEUE_CPUS_MAX] = { 0 }, room = INT_MAX;
    unsigned int all = (1U << cpumask_weight(&rq->cpus)) - 1, set, bit;
    unsigned int mine = act_cpu_bits(rq, su);
    const struct act_unit *other;

    if ( !mine )
        return 0;

    list_for_each_entry ( other, &rq->reserved, reserved_elem )
        if ( other != su )
            sum[act_cpu_bits(rq, other)] += other->reserved_ppm;

    /* From those who may use just this set, to those who may use none but it. */
    for ( bit = 1; bit <= all; bit <<= 1 )
        for ( set = 0; set <= all; set++ )
            if ( set & bit )
                sum[set] += sum[set ^ bit];

    for ( set = 1; set <= all; set++ )
        if ( (set & mine) == mine )
            room = min(room, act_set_ppm(set) - sum[set]);

    return room;
}

static void act_home_clear(struct act_unit *su)
{
    if ( su->home )
        list_del_init(&su->reserved_elem);
    su->home = NULL;
    su->reserved_ppm = 0;
}

static void act_home_set(struct act_unit *su, struct act_runqueue *rq,
                         unsigned int ppm)
{
    su->home = rq;
    su->reserved_ppm = ppm;
    list_add_tail(&su->reserved_elem, &rq->reserved);
}

/* The queue with the most room for @su, but its own if that has @ppm. */
static struct act_runqueue *act_best_home(struct act_private *prv,
                                          const struct act_unit *su, int ppm,
                                          int *room)
{
    struct act_runqueue *rq, *best = NULL;

    *room = 0;
    list_for_each_entry ( rq, &prv->queues, elem )
    {
        int here = act_reserve_room(rq, su);

        if ( rq == su->rq && here >= ppm )
        {
            *room = here;
            return rq;
        }
        if ( here > *room )
        {
            best = rq;
            *room = here;
        }
    }

    return *room >= ppm ? best : NULL;
}

/* Leases that are over take no room. */
static void act_reserve_reap(struct act_private *prv, s_time_t now)
{
    struct act_runqueue *rq;
    struct act_unit *su, *tmp;

    list_for_each_entry ( rq, &prv->queues, elem )
        list_for_each_entry_safe ( su, tmp, &rq->reserved, reserved_elem )
            if ( now >= su->reserve_until )
                act_home_clear(su);
}

/* @su's home does not carry it any more. Is there another one? */
static void act_reserve_rehome(struct act_private *prv, struct act_unit *su)
{
    unsigned int ppm = su->reserved_ppm;
    struct act_runqueue *rq;
    int room;

    act_home_clear(su);
    rq = act_best_home(prv, su, ppm, &room);
    if ( rq )
        act_home_set(su, rq, ppm);
    else
    {
        write_atomic(&su->reserve_until, 0);
        printk(XENLOG_G_WARNING
               "d%dv%u: no pCPUs any more for its reservation, which ends\n",
               su->unit->domain->domain_id, su->unit->unit_id);
    }
}

/*
 * @rq has lost a pCPU. The last ones to come that do not fit beside the others
 * have to go. The lock of the queue is held, too.
 */
void act_reserve_shrink(struct act_private *prv, struct act_runqueue *rq)
{
    struct act_unit *su, *last;

    act_reserve_reap(prv, NOW());

    do {
        last = NULL;
        list_for_each_entry ( su, &rq->reserved, reserved_elem )
            if ( act_reserve_room(rq, su) < (int)su->reserved_ppm )
                last = su;
        /* Not back to here, where there is no room for it. */
        if ( last )
            act_reserve_rehome(prv, last);
    } while ( last );
}

/* @su may use other pCPUs from now on; nobody may ask for the private lock here. */
void act_reserve_affinity(struct act_unit *su)
{
    if ( !su->reserve_slice )
        return;

    su->reserve_check = true;
    act_look_again(su, NOW());
}

static void act_reserve_check(struct act_unit *su)
{
    struct act_private *prv = su->dom->prv;
    unsigned long flags;

    write_lock_irqsave(&prv->lock, flags);
    act_reserve_reap(prv, NOW());
    if ( su->home && act_reserve_room(su->home, su) < (int)su->reserved_ppm )
        act_reserve_rehome(prv, su);
    write_unlock_irqrestore(&prv->lock, flags);
}

static void cf_check act_look_timer(void *data)
{
    struct act_unit *su = data;
    unsigned long flags;
    spinlock_t *lock = unit_schedule_lock_irqsave(su->unit, &flags);
    bool check = su->reserve_check;
    s_time_t now = NOW();

    su->reserve_check = false;
    if ( su->rq )
    {
        act_reserve_look(su, now);
        if ( act_event_waits(su, now) )
            act_boost(su, now);
    }

    unit_schedule_unlock_irqrestore(lock, flags, su->unit);

    if ( check )
        act_reserve_check(su);
}

/*
 * @su has left its pCPU and is not queued; @lock, its queue's, is held. If it was
 * there on a visit it goes home. Returns the lock that is held then.
 */
spinlock_t *act_reserve_go_home(struct act_unit *su, spinlock_t *lock,
                                s_time_t now)
{
    struct act_private *prv = su->dom->prv;
    struct act_runqueue *home = read_atomic(&su->home);
    spinlock_t *held = lock;
    unsigned int cpu;

    if ( !home || home == su->rq || !read_trylock(&prv->lock) )
        return lock;

    home = su->home;
    for_each_cpu ( cpu, &home->cpus )
        if ( cpumask_test_cpu(cpu, su->unit->cpu_hard_affinity) &&
             cpumask_test_cpu(cpu, cpupool_domain_master_cpumask(
                                       su->unit->domain)) )
            break;

    if ( cpu < nr_cpu_ids && spin_trylock(&home->lock) )
    {
        act_unassign(su, now);
        act_assign(su, home, now);
        act_place(su, now);
        sched_set_res(su->unit, get_sched_res(cpu));
        su->moved = true;
        held = &home->lock;
        spin_unlock(lock);
    }

    read_unlock(&prv->lock);

    return held;
}

/*
 * What dom0 wants
 */

bool act_reserve_valid(const struct domain *d,
                       const struct xen_domctl_sched_activity *op)
{
    if ( op->vcpu != XEN_SCHED_ACTIVITY_VCPU_ALL &&
         (op->vcpu >= d->max_vcpus || !d->vcpu[op->vcpu]) )
        return false;

    if ( !op->slice_us )
        return !op->period_us && !op->reserve_lease_ms;

    return op->slice_us >= XEN_SCHED_ACTIVITY_SLICE_US_MIN &&
           op->slice_us <= op->period_us &&
           op->period_us >= XEN_SCHED_ACTIVITY_PERIOD_US_MIN &&
           op->period_us <= XEN_SCHED_ACTIVITY_PERIOD_US_MAX &&
           op->reserve_lease_ms >= XEN_SCHED_ACTIVITY_LEASE_MS_MIN &&
           op->reserve_lease_ms <= XEN_SCHED_ACTIVITY_LEASE_MS_MAX;
}

static bool act_is_meant(const struct act_unit *su, unsigned int vcpu)
{
    const struct vcpu *v;

    for_each_sched_unit_vcpu ( su->unit, v )
        if ( vcpu == XEN_SCHED_ACTIVITY_VCPU_ALL || vcpu == v->vcpu_id )
            return true;

    return false;
}

/* All or none. In *room, how much all together can have, if that is too little. */
static int act_reserve_admit(struct act_dom *dom, unsigned int vcpu,
                             unsigned int ppm, int *room)
{
    struct act_private *prv = dom->prv;
    struct act_unit *su;
    struct act_runqueue *rq;
    int rest, rc = 0;

    list_for_each_entry ( su, &dom->units, elem )
        if ( act_is_meant(su, vcpu) )
        {
            su->home_before = su->home;
            su->reserved_before = su->reserved_ppm;
            act_home_clear(su);
        }

    *room = 0;
    list_for_each_entry ( su, &dom->units, elem )
    {
        if ( !ppm || !act_is_meant(su, vcpu) )
            continue;

        rq = act_best_home(prv, su, ppm, &rest);
        if ( !rq )
        {
            *room += rest;
            rc = -ENOSPC;
            break;
        }
        act_home_set(su, rq, ppm);
        *room += ppm;
    }

    if ( !rc )
        return 0;

    list_for_each_entry ( su, &dom->units, elem )
        if ( act_is_meant(su, vcpu) )
        {
            act_home_clear(su);
            if ( su->home_before )
                act_home_set(su, su->home_before, su->reserved_before);
        }

    return rc;
}

int act_reserve_set(struct act_dom *dom, struct xen_domctl_sched_activity *op)
{
    struct act_unit *su;
    unsigned int ppm = op->slice_us ? DIV_ROUND_UP((uint64_t)op->slice_us *
                                                   ACT_PPM, op->period_us) : 0;
    int room, rc;

    act_reserve_reap(dom->prv, NOW());

    rc = act_reserve_admit(dom, op->vcpu, ppm, &room);
    if ( rc )
    {
        op->free_permille = room / (ACT_PPM / 1000);
        return rc;
    }

    list_for_each_entry ( su, &dom->units, elem )
    {
        spinlock_t *lock;
        s_time_t now;
        bool renewed;

        if ( !act_is_meant(su, op->vcpu) )
            continue;

        lock = unit_schedule_lock(su->unit);
        now = NOW();
        renewed = act_reserved(su, now);
        if ( su->running )
            act_charge(su, now);
        su->reserve_slice = MICROSECS(op->slice_us);
        su->reserve_period = MICROSECS(op->period_us);
        write_atomic(&su->reserve_until,
                     now + MILLISECS(op->reserve_lease_ms));
        if ( renewed )
        {
            su->reserve_left = min(su->reserve_left, su->reserve_slice);
            su->reserve_refund = min(su->reserve_refund,
                                     su->reserve_slice / ACT_REFILL_PART);
            su->reserve_deadline = min(su->reserve_deadline,
                                       now + su->reserve_period);
        }
        else
        {
            su->reserve_left = 0;
            act_reserve_refill(su, now);
        }
        act_reserve_look(su, now);
        unit_schedule_unlock(lock, su->unit);
    }

    return 0;
}

void act_reserve_get(struct act_dom *dom, unsigned int vcpu,
                     struct xen_domctl_sched_activity *op)
{
    s_time_t now = NOW();
    const struct act_unit *su;
    int room;

    op->vcpu = vcpu;
    if ( vcpu == XEN_SCHED_ACTIVITY_VCPU_ALL )
        return;

    act_reserve_reap(dom->prv, now);

    list_for_each_entry ( su, &dom->units, elem )
    {
        if ( !act_is_meant(su, vcpu) )
            continue;

        act_best_home(dom->prv, su, ACT_PPM, &room);
        op->free_permille = room / (ACT_PPM / 1000);
        if ( !act_reserved(su, now) )
            continue;

        op->slice_us = su->reserve_slice / MICROSECS(1);
        op->period_us = su->reserve_period / MICROSECS(1);
        op->reserve_lease_ms = max_t(s_time_t, (su->reserve_until - now) /
                                               MILLISECS(1), 1);
    }
}

/*
 * Units come and go
 */

/*
 * What @su brings along from another pool of ours, when it is inserted. The
 * domain's old units are those of its vCPUs as yet.
 */
static void act_reserve_inherit(struct act_unit *su)
{
    const struct sched_unit *unit = su->unit, *old = unit->vcpu_list->sched_unit;
    const struct cpupool *from = unit->domain->cpupool;
    const struct act_unit *before;

    if ( !old || old == unit || !old->priv || !from ||
         from->sched->sched_id != XEN_SCHEDULER_ACTIVITY )
        return;

    before = act_unit(old);
    su->reserve_slice = before->reserve_slice;
    su->reserve_period = before->reserve_period;
    su->reserve_until = before->reserve_until;
    su->reserve_left = before->reserve_left;
    su->reserve_deadline = before->reserve_deadline;
}

void act_reserve_init(struct act_unit *su)
{
    init_timer(&su->look_timer, act_look_timer, su, smp_processor_id());
    act_reserve_inherit(su);
}

void act_reserve_destroy(struct act_unit *su)
{
    kill_timer(&su->look_timer);
}

/* A unit that moves here keeps its reservation if there is room. */
void act_reserve_insert(struct act_unit *su)
{
    struct act_private *prv = su->dom->prv;
    s_time_t now = NOW();

    if ( !act_reserved(su, now) )
        return;

    act_reserve_reap(prv, now);
    su->reserved_ppm = DIV_ROUND_UP((uint64_t)su->reserve_slice * ACT_PPM,
                                    su->reserve_period);
    act_reserve_rehome(prv, su);
}

void act_reserve_remove(struct act_unit *su)
{
    act_home_clear(su);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
