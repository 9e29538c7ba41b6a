/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The activity scheduler: what its files share.
 *
 * Files:
 *   activity.c  the operations Xen's scheduler core calls; placement
 *   clock.c     virtual time, lag and slices
 *   level.c     the same where not everybody competes with everybody
 *   queue.c     order and choice: deadlines, classes, preemption
 *   event.c     events for units that wait: which of them matter
 *   gang.c      vCPUs of a guest that wait for each other
 *   inherit.c   units that work for urgent ones of other domains
 *   cap.c       caps: budgets, parking, replenishment
 *   reserve.c   reservations: admission, budgets, deadlines
 *   record.c    the activity record of each vCPU
 *   trace.c     records for xentrace; their layout is in trace.h
 *   control.c   domctl and sysctl
 *
 * Locks, outermost first:
 *   1. act_private.lock  rwlock, one per cpupool: which run queues, domains and
 *                        units exist. Interrupts off. Whoever holds a run-queue
 *                        lock may only try it.
 *   2. act_runqueue.lock the schedule lock of all pCPUs of the queue: everything
 *                        in the queue, in its units and its pCPUs. A second
 *                        one may only be tried.
 *   3. act_dom.budget_lock  innermost: the budget of a capped domain, and what
 *                        its units have lent.
 * Weight, cap and urgency of a domain, and the end of a unit's reservation, are
 * written with 1 held for writing and read without it: each is one aligned word,
 * and a value read a moment late does no harm. So it is with act_dom.spins_until,
 * which is written with 2 of any of its units held.
 */
#ifndef SCHED_ACTIVITY_PRIVATE_H
#define SCHED_ACTIVITY_PRIVATE_H

#include <xen/cpumask.h>
#include <xen/lib.h>
#include <xen/rbtree.h>
#include <xen/rwlock.h>
#include <xen/sched.h>
#include <xen/spinlock.h>
#include <xen/timer.h>
#include <xen/trace.h>

#include <public/domctl.h>
#include <public/sysctl.h>

#include "../private.h"
#include "trace.h"

/*
 * pCPUs that share one queue and lock. Eight is a common core complex; above
 * it the lock costs more than the balance inside the queue is worth.
 */
#define ACT_QUEUE_CPUS_MAX 8U

/* A cap is kept over any time of this length, the period of credit2. */
#define ACT_CAP_PERIOD MILLISECS(10)

/*
 * A capped domain's run time of a period is remembered in so many pieces at most;
 * beyond that two that are close make one. Enough for 16 vCPUs with a few each.
 */
#define ACT_CAP_PIECES 64U

/*
 * The core asks a new pCPU to schedule before it lets units use it. This is how
 * long such a pCPU waits before it looks again.
 */
#define ACT_CPU_JOINS MICROSECS(200)

/* Below this a timer costs more than what it limits. */
#define ACT_TIMER_MIN MICROSECS(20)

/* Tells the address spaces of a guest apart; 0: not known. */
#ifndef arch_vcpu_address_space
#define arch_vcpu_address_space(v) 0UL
#endif

/*
 * How long after it got its pCPU a guest has gone to the task that an event woke:
 * upcall, interrupt handler, scheduler. A few microseconds on hardware, with warm
 * caches. It is found out for each vCPU, and so many times the mean are waited for;
 * ACT_PROBE_MAX, a small part of a slice, as long as nothing is known.
 */
#define ACT_PROBE_MAX   MICROSECS(500)
#define ACT_PROBE_TIMES 4

/* Weight at which virtual time runs as fast as real time. */
#define ACT_WEIGHT_SCALE XEN_SCHED_ACTIVITY_WEIGHT_DEFAULT

struct act_params {
    s_time_t ratelimit;
    s_time_t slice_min;
    s_time_t slice_max;
    s_time_t debt_max;
};

/* One per cpupool that uses the scheduler. */
struct act_private {
    rwlock_t lock;
    struct list_head queues;      /* act_runqueue.elem                      */
    struct list_head doms;        /* act_dom.elem, ascending domain_id      */
    struct act_dom *read;         /* NULL, or: of the last record that dom0
                                     read, so that the next call need not
                                     look for it                            */
    cpumask_t idle;               /* hint: pCPUs with nothing to run        */
    struct act_params params;
};

/* A class is served before those behind it. */
enum act_class {
    ACT_NO_LAXITY,                /* must run from now on, or miss its deadline */
    ACT_RESERVED,                 /* has time of its reservation left       */
    ACT_CRITICAL,                 /* its domain's urgency is critical       */
    ACT_BOOSTED,                  /* for one slice, because of an event     */
    ACT_FAIR,
    ACT_CLASSES
};

/*
 * The virtual time of a queue: the weighted mean of those of its active units,
 * which are the ones that run or are queued and have no reservation. Kept as sums,
 * so that reading it does not depend on how many there are.
 */
struct act_clock {
    s_time_t base;                /* what offsets are relative to           */
    s_time_t offset;              /* sum of weight * (vruntime - base)      */
    uint64_t weight;              /* sum of the weights                     */
    unsigned int nr_active;       /* how many they are                      */
    unsigned int nr_running;      /* those who advance all the time, ...    */
    s_time_t charged;             /* ... and the sum of up to when they did */
};

/* What a unit competes with, where not everybody competes with everybody. */
struct act_level {
    s_time_t vtime;               /* mean virtual time of the others        */
    uint64_t weight;              /* sum of the weights, with its own       */
    unsigned int nr;              /* units, with itself                     */
    unsigned int nr_cpus;         /* that serve them                        */
};

/* How long a round is, as long as what all ask for stays within these bounds. */
struct act_round {
    s_time_t length;
    s_time_t above, up_to;        /* 0: not known; nr_cpus has changed      */
};

struct act_runqueue {
    spinlock_t lock;
    struct list_head elem;        /* act_private.queues; private lock       */
    unsigned int socket;          /* that all its pCPUs are in              */
    unsigned int refs;            /* pCPUs allocated to it; private lock    */
    unsigned int nr_cpus;         /* weight of cpus                         */
    struct list_head units;       /* act_unit.queue_elem: assigned to it, ... */
    unsigned int nr_units;        /* ... and how many                       */
    unsigned int nr_restricted;   /* of these, may not use all of cpus      */
    unsigned int nr_queued;       /* units in the trees                     */
    s_time_t levels_until;        /* units are on levels (level.c)          */
    struct act_clock clock;       /* of its active units                    */
    struct act_round round;       /* its present length                     */
    struct rb_root tree[ACT_CLASSES]; /* each by act_unit.key               */
    struct act_unit *first[ACT_CLASSES]; /* of each tree; NULL: it is empty */
    unsigned int classes;         /* one bit for each tree that is not      */
    struct list_head parked;      /* units without budget                   */
    struct list_head reserved;    /* act_unit.reserved_elem; private lock   */
    cpumask_t cpus;               /* pCPUs that take work from here; changes
                                     under the private lock, too            */
    cpumask_t idle;               /* of these, the ones running idle        */
    cpumask_t tickled;            /* of these, the ones told to reschedule  */
};

struct act_pcpu {
    struct act_runqueue *rq;
    bool looks_again;             /* while it idles: a unit was too new to steal */
};

/* Run time, and from when on it may be used, without a break. */
struct act_piece {
    s_time_t ready;
    s_time_t length;
};

struct act_dom {
    struct domain *dom;
    struct list_head elem;        /* act_private.doms                       */
    struct list_head units;       /* act_unit.elem, ascending unit_id       */
    struct act_private *prv;

    unsigned int weight;
    unsigned int cap;             /* percent of one pCPU, 0: none           */
    unsigned int urgency;
    s_time_t urgency_until;       /* end of the lease                       */

    spinlock_t budget_lock;
    s_time_t budget;              /* left up to now, may be negative        */
    s_time_t replenished;         /* up to when: the period's beginning     */
    struct act_piece pieces[ACT_CAP_PIECES]; /* of its allowance, by .ready; */
    unsigned int nr_pieces;       /* ... the rest its units have            */
    s_time_t allowance;           /* for any period                         */
    s_time_t reduced;             /* when it was the last time              */
    s_time_t owed;                /* ran without any                        */
    s_time_t ready;               /* when there is enough for a unit to run */
    unsigned int nr_parked;
    unsigned int nr_units;        /* private lock                           */
    s_time_t spins_until;         /* its vCPUs wait for each other          */
    s_time_t timer_set;           /* 0, or: when the timer is to fire       */
    struct timer timer;           /* nr_parked: ready, or look again        */
};

/* Where a unit is. A running unit is in state OUT. */
enum act_state {
    ACT_OUT,                      /* not waiting for a pCPU, or running     */
    ACT_QUEUED,
    ACT_PARKED,                   /* would wait, but has no budget          */
};

struct act_unit {
    struct sched_unit *unit;
    struct act_dom *dom;          /* NULL: idle unit                        */
    struct act_runqueue *rq;      /* NULL: not inserted                     */
    struct list_head elem;        /* act_dom.units; private lock            */

    /* Private lock: what has been admitted. */
    struct act_runqueue *home;    /* the queue that carries it, or NULL     */
    struct list_head reserved_elem; /* home->reserved                       */
    unsigned int reserved_ppm;    /* part of a pCPU                         */
    struct act_runqueue *home_before; /* both while a change is considered  */
    unsigned int reserved_before;

    /* Everything from here on: lock of the unit's run queue. */
    struct list_head queue_elem;  /* rq->units                              */
    enum act_state state;
    struct rb_node node;          /* in rq->tree[class], which cannot ...   */
    s_time_t key;                 /* ... change while it is there, nor this */
    struct list_head parked_elem; /* in rq->parked                          */
    s_time_t queued;              /* since when                             */
    s_time_t waited;              /* before that, since it woke or moved    */

    unsigned int weight;          /* of its domain, when last looked at     */
    bool active;                  /* counts in rq->clock                    */
    bool running;                 /* has a pCPU, by what this scheduler said */
    bool restricted;              /* counts in rq->nr_restricted            */
    s_time_t vruntime;            /* time it ran, divided by weight         */
    s_time_t slice_start;         /* vruntime when its slice began          */
    s_time_t vdeadline;           /* vruntime at the end of its slice       */
    s_time_t charged;             /* running: charged up to this time       */
    s_time_t picked;              /* running: since when                    */
    s_time_t budget;              /* capped: left of its part, ...          */
    struct act_piece granted;     /* ... which was this                     */

    s_time_t reserve_slice;       /* 0: none, or it is known to be over     */
    s_time_t reserve_period;
    s_time_t reserve_until;       /* end of the lease; private lock, too    */
    s_time_t reserve_left;        /* of the slice, may be negative, ...     */
    s_time_t reserve_deadline;    /* ... until then                         */
    s_time_t reserve_refund;      /* what may be given back in this period  */
    bool reserve_check;           /* its affinity is another now            */
    struct timer look_timer;      /* refill, laxity used up, or debt over   */

    s_time_t burst;               /* ran for this long since it last woke   */
    s_time_t burst_avg;           /* mean of the bursts so far              */
    s_time_t woken;               /* when it woke the last time             */
    s_time_t period_avg;          /* mean time from a wake-up to the next   */
    s_time_t deadline;            /* when the next is due                   */
    s_time_t wake_time;           /* 0, or: woken, has not run since        */

    struct act_unit *donor;       /* it runs for this one, which pays, or NULL */
    enum act_class inherited;     /* ... and in this class                  */
    s_time_t inherit_left;        /* for so long yet                        */
    s_time_t answered;            /* 0, or: when it last sent an event then */
    s_time_t lend_max;            /* what it may have lent at a time        */
    s_time_t lent;                /* dom->budget_lock: others ran for it, and
                                     it is not charged yet                  */
    s_time_t promised;            /* dom->budget_lock: others may yet run   */
    bool watches_sends;           /* the core tells of the events it sends  */

    enum act_class class;
    bool event_waits;             /* an event came since it last ran        */
    bool at_work;                 /* on a task that an event woke           */
    uint16_t evidence;            /* that its events wake tasks; event.c    */
    s_time_t probe;               /* 0, or: when to look at it (again)      */
    s_time_t event_since;         /* when that began; the guest's address   */
    unsigned long space;          /* space then, and how often it had       */
    unsigned long space_switches; /* changed                                */
    unsigned long home_space;     /* 0, or: where it computes               */
    int home_votes;               /* looks that say so, less those that don't */
    s_time_t reaction_avg;        /* 0, or: how soon it is at the task      */
    bool yielded;                 /* wants to be put behind others          */
    bool spun;                    /* gave its pCPU up because it spun       */
    s_time_t burst_yield;         /* its burst when it last yielded         */
    s_time_t called;              /* 0, or: when a sibling found it a pCPU  */
    bool blocked;                 /* gave its pCPU up to wait for an event  */
    bool woken_by_sibling;        /* when one of its guest ran here         */
    bool saving;                  /* pCPU may still hold its context        */
    bool queue_after_save;        /* runnable again before that was done    */
    bool moved;                   /* queued here after being stolen         */

    /* See struct xen_sched_activity_record. */
    uint64_t wakes, blocks, preemptions, yields, migrations, boosts;
    uint32_t latency[XEN_SCHED_ACTIVITY_LATENCY_BUCKETS];
};

static inline struct act_private *act_priv(const struct scheduler *ops)
{
    return ops->sched_data;
}

static inline struct act_unit *act_unit(const struct sched_unit *unit)
{
    return unit->priv;
}

/* NULL: the pCPU has left the pool, and is about to leave its queue. */
static inline struct act_pcpu *act_pcpu(unsigned int cpu)
{
    return get_sched_res(cpu)->sched_priv;
}

static inline bool act_is_idle(const struct act_unit *su)
{
    return su->dom == NULL;
}

/* What runs on a pCPU of one of our queues; NULL if that is nothing of ours. */
static inline struct act_unit *act_running(unsigned int cpu)
{
    struct act_unit *su = act_pcpu(cpu) ? act_unit(curr_on_cpu(cpu)) : NULL;

    return su && !act_is_idle(su) ? su : NULL;
}

/* Not for idle units. */
static inline bool act_is_capped(const struct act_unit *su)
{
    return read_atomic(&su->dom->cap);
}

static inline unsigned int act_urgency(const struct act_dom *dom, s_time_t now)
{
    unsigned int urgency = read_atomic(&dom->urgency);

    if ( urgency != XEN_SCHED_ACTIVITY_URGENCY_NORMAL &&
         now >= read_atomic(&dom->urgency_until) )
        return XEN_SCHED_ACTIVITY_URGENCY_NORMAL;

    return urgency;
}

/* The one behind @su, which is queued, in its tree; NULL: it is the last. */
static inline struct act_unit *act_after(const struct act_unit *su)
{
    struct rb_node *node = rb_next(&su->node);

    return node ? rb_entry(node, struct act_unit, node) : NULL;
}

/* Does @su run at its own expense? */
static inline bool act_pays(const struct act_unit *su)
{
    return su->running && !su->donor;
}

/* Virtual time only ever has to be compared over short distances; it may wrap. */
static inline bool act_before(s_time_t a, s_time_t b)
{
    return (s_time_t)((uint64_t)a - (uint64_t)b) < 0;
}

/* @virtual, a virtual time of @su, in time on a pCPU. */
static inline s_time_t act_real(const struct act_unit *su, s_time_t virtual)
{
    return likely(su->weight == ACT_WEIGHT_SCALE)
           ? virtual : virtual * su->weight / ACT_WEIGHT_SCALE;
}

/* Are units of @rq on levels, so that its clock says nothing? */
static inline bool act_has_levels(const struct act_runqueue *rq, s_time_t now)
{
    return unlikely(now < rq->levels_until);
}

static inline s_time_t act_virtual(const struct act_unit *su, s_time_t ns)
{
    if ( likely(su->weight == ACT_WEIGHT_SCALE) )
        return ns;

    return ns * ACT_WEIGHT_SCALE / su->weight;
}

/*
 * Three times the longest burst of usual servers (a few milliseconds), and half
 * a round: nobody else waits for longer because of it than for its turn.
 */
#define ACT_LAG_MAX MILLISECS(15)

/* Among units that compete the spread is below one slice; twice that leaves them
 * alone. */
#define ACT_SPREAD_SLICES 2

/*
 * Who is so far ahead of its competitors may not be urgent. They may come with
 * ACT_LAG_MAX that they are owed, which is no debt of its.
 */
static inline s_time_t act_debt_line(const struct act_unit *su)
{
    return su->dom->prv->params.debt_max + ACT_LAG_MAX;
}

static inline void act_clock_count(const struct act_unit *su)
{
    su->rq->clock.nr_running++;
    su->rq->clock.charged += su->charged;
}

static inline void act_clock_uncount(const struct act_unit *su)
{
    su->rq->clock.nr_running--;
    su->rq->clock.charged -= su->charged;
}

/* @su gets a pCPU at @now. */
static inline void act_clock_start(struct act_unit *su, s_time_t now)
{
    su->charged = now;
    su->running = true;
    if ( su->active && act_pays(su) )
        act_clock_count(su);
}

/* @su gives it up, and was charged before. */
static inline void act_clock_stop(struct act_unit *su)
{
    if ( su->active && act_pays(su) )
        act_clock_uncount(su);
    su->running = false;
}

/* clock.c: the lock of su->rq is held. */
void act_pay_lent(struct act_unit *su);
/* Charge @su for what others ran for it. */
static inline void act_pay(struct act_unit *su)
{
    if ( unlikely(read_atomic(&su->lent)) )
        act_pay_lent(su);
}
void act_activate(struct act_unit *su);
void act_deactivate(struct act_unit *su);
void act_clock_payer(struct act_unit *su, struct act_unit *donor);
void act_charge(struct act_unit *su, s_time_t now);
s_time_t act_vruntime(const struct act_unit *su, s_time_t now);
void act_set_vruntime(struct act_unit *su, s_time_t vruntime);
bool act_vtime(const struct act_unit *su, const cpumask_t *hard, s_time_t now,
               s_time_t *vtime);
bool act_own_vtime(const struct act_unit *su, s_time_t now, s_time_t *vtime);
s_time_t act_near(const struct act_unit *su);
s_time_t act_reach(const struct act_unit *su);
s_time_t act_lag(const struct act_unit *su, s_time_t now);
bool act_in_debt(const struct act_unit *su, s_time_t now);
s_time_t act_debt_over(const struct act_unit *su, s_time_t now);
s_time_t act_boost_slice(const struct act_unit *su);
void act_new_slice(struct act_unit *su, s_time_t now);
void act_resume(struct act_unit *su, s_time_t now);
void act_place(struct act_unit *su, s_time_t now);
void act_assign(struct act_unit *su, struct act_runqueue *rq, s_time_t now);
void act_unassign(struct act_unit *su, s_time_t now);

/* level.c: the lock of su->rq is held. */
bool act_find_level(const struct act_unit *su, const cpumask_t *hard, s_time_t now,
                    struct act_level *level);
bool act_own_level(const struct act_unit *su, s_time_t now, struct act_level *level);
void act_close_gap(struct act_unit *su);
unsigned int act_find_room(const struct act_unit *su, s_time_t now);
struct act_unit *act_gets_room(const struct act_unit *cur, unsigned int cpu,
                               s_time_t now);
void act_restrict(struct act_unit *su, const cpumask_t *hard);
void act_new_affinity(struct act_unit *su, const cpumask_t *hard, s_time_t now);

/* Looks at so many queued units, not all: a bound on what an operation costs. */
#define ACT_LOOK_UNITS 16U

/* queue.c: the lock of su->rq (or rq) is held, except where it says otherwise. */
bool act_may_use(const struct act_unit *su, unsigned int cpu);
bool act_goes_first(const struct act_unit *su, const struct act_unit *other);
void act_insert(struct act_unit *su);
void act_tickle_cpu(struct act_runqueue *rq, unsigned int cpu);
void act_tickle_queued(struct act_runqueue *rq, enum act_class last,
                       s_time_t now);
enum act_class act_class(struct act_unit *su, s_time_t now);
void act_enqueue(struct act_unit *su, s_time_t now);
void act_dequeue(struct act_unit *su);
/* The slice is used up, or given away. A boost lasts for one slice only. */
static inline void act_expire_slice(struct act_unit *su, s_time_t now)
{
    if ( su->class != ACT_FAIR )
        su->class = act_class(su, now);

    act_new_slice(su, now);
}
bool act_preempts(const struct act_unit *su, const struct act_unit *cur, s_time_t now);
unsigned int act_best_cpu(const cpumask_t *mask, const cpumask_t *idle,
                          unsigned int cpu);
void act_tickle(struct act_unit *su, s_time_t now);
void act_tell_some_idle(struct act_runqueue *rq, bool any);
/*
 * A pCPU took a unit, or has a tasklet to run, or found nothing (it @idles). It may have
 * been told of another unit, which is to have an idle pCPU all the same. One at a time:
 * each pCPU that is told comes by here.
 */
static inline void act_tickle_idle(struct act_private *prv,
                                   struct act_runqueue *rq, bool idles)
{
    if ( rq->nr_queued && !cpumask_empty(&prv->idle) )
        act_tell_some_idle(rq, !idles);
}
void act_pass_word(struct act_private *prv, int cpu);
void act_boost(struct act_unit *su, s_time_t now);
void act_requeue(struct act_unit *su, s_time_t now);
struct act_unit *act_pick(struct act_runqueue *rq, struct act_unit *prev,
                          unsigned int cpu, s_time_t now, s_time_t *limit);
bool act_steal(struct act_private *prv, struct act_runqueue *rq,
               unsigned int cpu, s_time_t now, s_time_t *again);

/* gang.c: the lock of su->rq is held. */
bool act_gang_yield(struct act_unit *prev, unsigned int cpu, s_time_t now);
void act_gang_spins(struct act_unit *su, s_time_t now);
bool act_gang_bides(const struct act_unit *su, s_time_t now);
bool act_gang_holds(const struct act_unit *su, const struct act_unit *prev,
                    const struct act_unit *spinner, s_time_t now);
bool act_gang_gather(struct act_unit *su, s_time_t now);

/* So long it takes a pCPU that is told to come to it: an IPI and a switch, at most. */
#define ACT_CALL_FOR MICROSECS(100)

/* Was @su called just now, so that it is on its way? */
static inline bool act_gang_comes(const struct act_unit *su, s_time_t now)
{
    return unlikely(su->called) && now < su->called + ACT_CALL_FOR;
}

/* Does @su belong to a gang, whose vCPUs wait for each other? */
static inline bool act_in_gang(const struct act_unit *su, s_time_t now)
{
    return unlikely(now < read_atomic(&su->dom->spins_until));
}

/* @su got a pCPU. Who was called did so for one that calls the others. */
static inline void act_gang_start(struct act_unit *su, s_time_t now)
{
    bool called = su->called;

    su->spun = false;
    su->called = 0;
    if ( act_in_gang(su, now) && !called )
        act_gang_gather(su, now);
}

/* event.c: the lock of su->rq is held. */
s_time_t act_probe(const struct act_unit *su);
bool act_event_waits(struct act_unit *su, s_time_t now);
bool act_event(struct act_unit *su, s_time_t now);
void act_event_look(struct act_unit *su, s_time_t now);
void act_event_resume(struct act_unit *su, s_time_t now);
void act_event_at_home(struct act_unit *su, bool sure);
bool act_event_away(const struct act_unit *su, s_time_t now);
bool act_event_fresh(struct act_unit *su, s_time_t now);
void act_event_go_on(struct act_unit *su, s_time_t now);
bool act_event_judge(struct act_unit *su, s_time_t now);

/* Look at it at @probe, or when it turns to another address space before. */
static inline void act_event_watch(struct act_unit *su, s_time_t probe)
{
    su->probe = probe;
    su->unit->vcpu_list->activity.watched = probe;
}

/* @su gets a pCPU at @now. */
static inline void act_event_start(struct act_unit *su, s_time_t now)
{
    su->at_work = false;
    if ( unlikely(su->event_waits) )
        act_event_resume(su, now);
    else
        act_event_watch(su, 0);
    su->event_waits = false;
}

/*
 * The slice of @su, which runs, has ended, or it is about to lose its pCPU. Is it
 * at work on something that an event brought meanwhile?
 */
static inline bool act_event_works(const struct act_unit *su, s_time_t now)
{
    return unlikely(su->home_space) && act_event_away(su, now);
}

/* Did an event come while @su ran, so late that it cannot have led to anything? */
static inline bool act_event_came(const struct act_unit *su, s_time_t now)
{
    s_time_t event = su->unit->vcpu_list->activity.event_time;

    return event >= su->picked && now < event + act_probe(su);
}

/* @su loses its pCPU although it could go on; what an event brought may wait. */
static inline void act_event_preempted(struct act_unit *su, s_time_t now)
{
    su->event_waits = su->probe || act_event_works(su, now) ||
                      act_event_came(su, now);
    act_event_watch(su, 0);
}

/* inherit.c: the lock of su->rq is held. */
void act_inherit(struct act_unit *su, s_time_t now);
void act_inherit_answers(struct act_unit *cur, s_time_t now);
s_time_t act_inherit_charge(struct act_unit *su, s_time_t ran, s_time_t now);
s_time_t act_inherit_collect(struct act_unit *su);
s_time_t act_inherit_limit(const struct act_unit *su, s_time_t now);
void act_inherit_give_back(struct act_unit *su);
void act_inherit_decide(struct act_unit *su, s_time_t now);
/* inherit.c: the private lock is held for writing. */
void act_inherit_remove(struct act_private *prv, struct act_unit *su);

/* @su, which was charged, has nothing to do, or not for its donor any more. */
static inline void act_inherit_end(struct act_unit *su)
{
    if ( unlikely(su->donor) )
        act_inherit_give_back(su);
}

/*
 * @su gets a pCPU, or keeps it. Who has no urgency lends nothing; if nothing is lent
 * to it either, there is nothing to decide.
 */
static inline void act_inherit_decided(struct act_unit *su, s_time_t now)
{
    if ( unlikely(read_atomic(&su->dom->urgency) !=
                  XEN_SCHED_ACTIVITY_URGENCY_NORMAL ||
                  read_atomic(&su->reserve_until) || su->donor ||
                  su->watches_sends) )
        act_inherit_decide(su, now);
}

/* cap.c */
void act_cap_init(struct act_dom *dom);
void act_cap_destroy(struct act_dom *dom);
void act_cap_set(struct act_dom *dom, unsigned int cap);
void act_cap_bring_along(struct act_dom *dom, struct act_dom *old);
s_time_t act_cap_budget_max(const struct act_dom *dom);
bool act_cap_grab(struct act_unit *su);
void act_cap_settle(struct act_unit *su);
void act_cap_park(struct act_unit *su);
void act_cap_unpark(struct act_unit *su);

/* @su stopped running, or has to settle with the domain for another reason. */
static inline void act_cap_return(struct act_unit *su)
{
    if ( su->granted.length )
        act_cap_settle(su);
}

/* reserve.c: the lock of su->rq is held. */
bool act_reserved(const struct act_unit *su, s_time_t now);
bool act_reserve_has_time(struct act_unit *su, s_time_t now);
bool act_reserve_pressed(const struct act_unit *su, s_time_t now);
void act_reserve_wake(struct act_unit *su, s_time_t now);
void act_look_again(struct act_unit *su, s_time_t at);
void act_reserve_wait(struct act_unit *su, s_time_t now);
void act_reserve_charge(struct act_unit *su, s_time_t ran, s_time_t now);
void act_reserve_preempted(struct act_unit *su);
void act_reserve_affinity(struct act_unit *su);
spinlock_t *act_reserve_go_home(struct act_unit *su, spinlock_t *lock,
                                s_time_t now);
/* reserve.c: the private lock is held for writing. */
bool act_reserve_valid(const struct domain *d,
                       const struct xen_domctl_sched_activity *op);
int act_reserve_set(struct act_dom *dom, struct xen_domctl_sched_activity *op);
void act_reserve_get(struct act_dom *dom, unsigned int vcpu,
                     struct xen_domctl_sched_activity *op);
void act_reserve_insert(struct act_unit *su);
void act_reserve_remove(struct act_unit *su);
void act_reserve_shrink(struct act_private *prv, struct act_runqueue *rq);
/* reserve.c: no lock is held. */
void act_reserve_init(struct act_unit *su);
void act_reserve_destroy(struct act_unit *su);

/* record.c: the lock of su->rq is held. */
void act_record_latency(struct act_unit *su, s_time_t now);
/* The unit got a pCPU at @now. */
static inline void act_record_run(struct act_unit *su, s_time_t now)
{
    if ( su->wake_time )
        act_record_latency(su, now);
}
void act_record_block(struct act_unit *su);
void act_record_wake(struct act_unit *su, s_time_t now);
/* The private lock is held, too. */
unsigned int act_lease_ms(const struct act_dom *dom, s_time_t now);
void act_record_fill(struct act_unit *su, const struct vcpu *v, s_time_t now,
                     struct xen_sched_activity_record *rec);

/*
 * trace.c: the lock of su->rq is held. act_trace(what, ...) calls
 * act_trace_what(...) if somebody traces. They look at the clock themselves, so
 * that nobody keeps the time at hand for their sake.
 */
#define act_trace(what, args...) \
    do { \
        if ( unlikely(tb_init_done) ) \
            act_trace_ ## what(args); \
    } while ( 0 )

void act_trace_decision(const struct act_unit *su, bool switches,
                        s_time_t limit);
void act_trace_tickle(const struct act_unit *su, unsigned int cpu,
                      unsigned int why);
void act_trace_event(const struct act_unit *su, bool boosts);
void act_trace_boost(const struct act_unit *su, unsigned int why);
void act_trace_judgement(const struct act_unit *su, bool woke_task);
void act_trace_budget(const struct act_unit *su, bool parked);
void act_trace_move(const struct act_unit *su, unsigned int to, bool stolen);
void act_trace_slice(const struct act_unit *su);

/*
 * Why something that was asked for is refused. Of each the log gets one line:
 * whoever asks again and again must not fill it.
 */
enum act_cause {
    ACT_BAD_OPTION,               /* on Xen's command line                  */
    ACT_BAD_RATELIMIT,
    ACT_BAD_SLICE_MIN,
    ACT_BAD_SLICE_MAX,
    ACT_BAD_DEBT_MAX,
    ACT_BAD_FIELDS,
    ACT_BAD_WEIGHT,
    ACT_BAD_CAP,
    ACT_BAD_URGENCY,
    ACT_BAD_LEASE,
    ACT_BAD_RESERVATION,
    ACT_NO_ROOM,
    ACT_CAUSES
};

/* control.c: any context. Better without locks: a console may be slow. */
bool act_first_refusal(enum act_cause cause);
#define act_refuse(cause, fmt, args...) \
    do { \
        if ( act_first_refusal(cause) ) \
            printk(XENLOG_WARNING "sched=activity: " fmt "\n", ## args); \
    } while ( 0 )

/* control.c */
void act_params_init(struct act_params *params);
int cf_check act_adjust(const struct scheduler *ops, struct domain *d,
                        struct xen_domctl_scheduler_op *op);
int cf_check act_adjust_global(const struct scheduler *ops,
                               struct xen_sysctl_scheduler_op *op);

#endif /* SCHED_ACTIVITY_PRIVATE_H */
