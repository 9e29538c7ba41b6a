/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Caps. A capped domain has a budget for each period of ACT_CAP_PERIOD. A unit
 * takes a part of it when it is about to run and gives back what is left when it
 * stops; overrun is given back as debt, so the mean is exact. A unit that finds
 * nothing is parked: it stays runnable, but outside the trees, until the period
 * ends or a sibling gives budget back. No pause flag of the vCPU is involved,
 * so nothing can be left behind when the unit leaves this scheduler.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

static s_time_t act_cap_total(const struct act_dom *dom)
{
    return ACT_CAP_PERIOD * read_atomic(&dom->cap) / 100;
}

/*
 * A period of @dom ends. What its units have left of it, be they running or only
 * chosen to, is not for the next one: they have to ask for budget again.
 */
static void act_cap_recall(struct act_dom *dom)
{
    struct act_private *prv = dom->prv;
    struct act_unit *su;
    unsigned long flags;

    read_lock_irqsave(&prv->lock, flags);

    list_for_each_entry ( su, &dom->units, elem )
    {
        spinlock_t *lock = unit_schedule_lock(su->unit);
        unsigned int cpu = sched_unit_master(su->unit);

        if ( curr_on_cpu(cpu) == su->unit )
        {
            act_charge(su, NOW());
            cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
        }
        act_cap_return(su);

        unit_schedule_unlock(lock, su->unit);
    }

    read_unlock_irqrestore(&prv->lock, flags);
}

/* Let every parked unit of @dom compete for a pCPU again. */
static void act_cap_unpark_all(struct act_dom *dom)
{
    struct act_private *prv = dom->prv;
    struct act_runqueue *rq;
    unsigned long flags;

    read_lock_irqsave(&prv->lock, flags);

    list_for_each_entry ( rq, &prv->queues, elem )
    {
        struct act_unit *su, *tmp;
        LIST_HEAD(parked);
        s_time_t now;

        spin_lock(&rq->lock);
        now = NOW();
        /* Aside first: a unit may be parked again while we go through them. */
        list_splice_init(&rq->parked, &parked);
        list_for_each_entry_safe ( su, tmp, &parked, parked_elem )
        {
            if ( su->dom != dom )
            {
                list_move_tail(&su->parked_elem, &rq->parked);
                continue;
            }

            act_cap_unpark(su);
            act_enqueue(su, now);
            act_tickle(su, now);
        }
        spin_unlock(&rq->lock);
    }

    read_unlock_irqrestore(&prv->lock, flags);
}

/* Ends a period; also runs when a sibling gave budget back in the middle of it. */
static void cf_check act_cap_timer(void *data)
{
    struct act_dom *dom = data;
    unsigned long flags;
    s_time_t now, periods, total;
    bool unpark, ended = false;

    spin_lock_irqsave(&dom->budget_lock, flags);

    now = NOW();
    total = act_cap_total(dom);
    if ( total && now >= dom->replenished + ACT_CAP_PERIOD )
    {
        /* More than one only if the timer was late. */
        periods = (now - dom->replenished) / ACT_CAP_PERIOD;
        dom->budget = min(dom->budget + periods * total, total);
        dom->replenished += periods * ACT_CAP_PERIOD;
        write_atomic(&dom->period, dom->period + 1);
        ended = true;
    }
    if ( total )
        set_timer(&dom->timer, dom->replenished + ACT_CAP_PERIOD);
    unpark = !total || dom->budget > 0;

    spin_unlock_irqrestore(&dom->budget_lock, flags);

    if ( ended )
        act_cap_recall(dom);
    if ( unpark )
        act_cap_unpark_all(dom);
}

void act_cap_init(struct act_dom *dom)
{
    spin_lock_init(&dom->budget_lock);
    init_timer(&dom->timer, act_cap_timer, dom,
               cpumask_any(cpupool_domain_master_cpumask(dom->dom)));
}

void act_cap_destroy(struct act_dom *dom)
{
    kill_timer(&dom->timer);
}

/*
 * Set a cap, change it, or (0) take it away. A change keeps the period and what
 * is left of its budget, so that setting a cap often is no way round it.
 */
void act_cap_set(struct act_dom *dom, unsigned int cap)
{
    unsigned long flags;
    s_time_t now;

    spin_lock_irqsave(&dom->budget_lock, flags);

    now = NOW();
    if ( !dom->cap )
    {
        dom->replenished = now;
        dom->budget = STIME_MAX;
    }
    write_atomic(&dom->cap, cap);
    dom->budget = min(dom->budget, act_cap_total(dom));
    /* The timer lets those go on whom the new cap allows to. */
    set_timer(&dom->timer, now);

    spin_unlock_irqrestore(&dom->budget_lock, flags);
}

/* In a new period what @su has left of an old one is void. The lock is held. */
static void act_cap_begin(struct act_unit *su)
{
    if ( su->period == su->dom->period )
        return;

    su->period = su->dom->period;
    su->budget = min(su->budget, (s_time_t)0);
}

/* Take budget for a run of @su. False: there is none. */
bool act_cap_grab(struct act_unit *su)
{
    struct act_dom *dom = su->dom;
    s_time_t want;

    if ( su->budget > 0 && su->period == read_atomic(&dom->period) )
        return true;

    spin_lock(&dom->budget_lock);

    act_cap_begin(su);
    /* What it overran is owed. */
    dom->budget += su->budget;
    su->budget = 0;

    /*
     * An even part for each unit, so that the first one does not leave its
     * siblings without; but not so little that the timer fires all the time.
     */
    want = max(act_cap_total(dom) / max(dom->nr_units, 1U), MICROSECS(500));
    if ( dom->budget > 0 )
    {
        su->budget = min(want, dom->budget);
        dom->budget -= su->budget;
    }

    spin_unlock(&dom->budget_lock);

    return su->budget > 0;
}

/* @su gives back what it has left, or owes what it overran. */
void act_cap_settle(struct act_unit *su)
{
    struct act_dom *dom = su->dom;

    spin_lock(&dom->budget_lock);
    act_cap_begin(su);
    dom->budget = min(dom->budget + su->budget, act_cap_total(dom));
    su->budget = 0;
    /* Parking happens under other queues' locks, so leave it to the timer. */
    if ( dom->nr_parked && dom->budget > 0 && read_atomic(&dom->cap) )
        set_timer(&dom->timer, NOW());
    spin_unlock(&dom->budget_lock);
}

void act_cap_park(struct act_unit *su)
{
    ASSERT(su->state == ACT_OUT);

    su->state = ACT_PARKED;
    list_add_tail(&su->parked_elem, &su->rq->parked);

    spin_lock(&su->dom->budget_lock);
    su->dom->nr_parked++;
    spin_unlock(&su->dom->budget_lock);
    act_trace(budget, su, true);
}

void act_cap_unpark(struct act_unit *su)
{
    ASSERT(su->state == ACT_PARKED);

    su->state = ACT_OUT;
    list_del_init(&su->parked_elem);

    spin_lock(&su->dom->budget_lock);
    su->dom->nr_parked--;
    spin_unlock(&su->dom->budget_lock);
    act_trace(budget, su, false);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
