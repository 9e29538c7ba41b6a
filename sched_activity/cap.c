/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Caps. A capped domain gets its budget every ACT_CAP_PERIOD. What it could not
 * use it keeps for a while, and what its units overrun is owed, so the mean is
 * exact.
 *
 * So that no 10 ms hold much more than one budget, wherever they begin, the
 * domain has an allowance, too: a budget and ACT_CAP_SLACK. Each nanosecond of
 * it, once it was run, can be run again a period later and not sooner. It is kept
 * as pieces, each of which a unit may run without a break from when the piece is
 * ready: it has been run without a break, a period before that.
 *
 * A unit takes of both when it is about to run, and gives back what is left when
 * it stops. A unit that finds too little is parked: it stays runnable, but outside
 * the trees, until there is more. No pause flag of the vCPU is involved, so
 * nothing can be left behind when the unit leaves this scheduler.
 */
#include <xen/lib.h>
#include <xen/softirq.h>

#include "private.h"

/*
 * A window may hold so much above the cap. It is what a domain that had to wait
 * for a pCPU catches up by in each period; with the overrun of late timers it has
 * to stay below a millisecond.
 */
#define ACT_CAP_SLACK MICROSECS(750)

/* A unit runs for so long, or waits for more budget: a switch has to be worth it. */
#define ACT_CAP_RUN_MIN MICROSECS(250)

static s_time_t act_cap_total(const struct act_dom *dom)
{
    return ACT_CAP_PERIOD * read_atomic(&dom->cap) / 100;
}

/* The largest budget, of several periods in which the domain got too little. */
s_time_t act_cap_budget_max(const struct act_dom *dom)
{
    return act_cap_total(dom) + act_cap_total(dom) / 2;
}

/* With small caps the slack is not what matters most. */
static s_time_t act_cap_allowance(const struct act_dom *dom)
{
    s_time_t total = act_cap_total(dom);

    return total + min(total, ACT_CAP_SLACK);
}

static s_time_t act_cap_run_min(const struct act_dom *dom)
{
    return min(act_cap_total(dom) / 2, ACT_CAP_RUN_MIN);
}

/*
 * Pieces: ascending by when they are ready. dom->budget_lock is held.
 */

static void act_piece_remove(struct act_dom *dom, unsigned int i)
{
    dom->nr_pieces--;
    memmove(&dom->pieces[i], &dom->pieces[i + 1],
            (dom->nr_pieces - i) * sizeof(dom->pieces[0]));
}

/* One piece of both, which is ready when neither is used too early. */
static struct act_piece act_piece_join(const struct act_piece *a,
                                       const struct act_piece *b)
{
    return (struct act_piece){
        .ready = max(a->ready, b->ready - a->length),
        .length = a->length + b->length,
    };
}

/* By how much that makes them wait, summed up over their nanoseconds. */
static s_time_t act_piece_loss(const struct act_piece *a,
                               const struct act_piece *b, s_time_t now)
{
    struct act_piece both = act_piece_join(a, b);

    if ( both.ready + both.length <= now )
        return 0;

    /* In microseconds, or the products may not fit. */
    return (both.ready - a->ready) / 1000 * (a->length / 1000) +
           (both.ready + a->length - b->ready) / 1000 * (b->length / 1000);
}

/* Join those that lose nothing by it, and if there are too many still, one pair. */
static void act_piece_tidy(struct act_dom *dom, s_time_t now)
{
    unsigned int i, least = 0;
    s_time_t loss, least_loss = STIME_MAX;

    for ( i = 0; i + 1 < dom->nr_pieces; )
    {
        struct act_piece *a = &dom->pieces[i];

        loss = act_piece_loss(a, a + 1, now);
        if ( !loss )
        {
            *a = act_piece_join(a, a + 1);
            act_piece_remove(dom, i + 1);
            continue;
        }
        if ( loss < least_loss )
        {
            least_loss = loss;
            least = i;
        }
        i++;
    }

    if ( dom->nr_pieces < ACT_CAP_PIECES )
        return;

    dom->pieces[least] = act_piece_join(&dom->pieces[least],
                                        &dom->pieces[least + 1]);
    act_piece_remove(dom, least + 1);
}

static void act_piece_add(struct act_dom *dom, s_time_t ready, s_time_t length,
                          s_time_t now)
{
    unsigned int i = dom->nr_pieces;

    if ( !length )
        return;

    for ( ; i && dom->pieces[i - 1].ready > ready; i-- )
        dom->pieces[i] = dom->pieces[i - 1];
    dom->pieces[i] = (struct act_piece){ .ready = ready, .length = length };
    dom->nr_pieces++;
    act_piece_tidy(dom, now);
}

/* Take off the beginning of a piece, @most at most. */
static struct act_piece act_piece_cut(struct act_dom *dom, unsigned int i,
                                      s_time_t most, s_time_t now)
{
    struct act_piece piece = dom->pieces[i];
    s_time_t rest = max(piece.length - most, (s_time_t)0);

    act_piece_remove(dom, i);
    piece.length -= rest;
    act_piece_add(dom, piece.ready + piece.length, rest, now);

    return piece;
}

/* From when on a unit may run for @length; STIME_MAX: others have to stop first. */
static s_time_t act_piece_ready(const struct act_dom *dom, s_time_t length)
{
    struct act_piece first;
    unsigned int i;

    for ( i = 0; i < dom->nr_pieces; i++ )
    {
        first = i ? act_piece_join(&first, &dom->pieces[i]) : dom->pieces[0];
        if ( first.length >= length )
            return first.ready;
    }

    return STIME_MAX;
}

/*
 * Take what a unit may run from @now on without a break, @most at most. Of pieces
 * that it may run, the one that was ready last: siblings may run all of one that
 * has been ready for long at once, but of another only bit by bit.
 */
static struct act_piece act_piece_take(struct act_dom *dom, s_time_t most,
                                       s_time_t now)
{
    struct act_piece taken = {};

    while ( taken.length < most )
    {
        unsigned int i = dom->nr_pieces;
        struct act_piece piece;

        while ( i && dom->pieces[i - 1].ready > now + taken.length )
            i--;
        if ( !i )
            break;

        piece = act_piece_cut(dom, i - 1, most - taken.length, now);
        taken = act_piece_join(&taken, &piece);
    }

    return taken;
}

/* What was run without allowance is taken off what is ready first. */
static void act_piece_pay(struct act_dom *dom, s_time_t now)
{
    s_time_t sum = 0;
    unsigned int i;

    if ( !dom->owed )
        return;

    for ( i = 0; i < dom->nr_pieces; i++ )
        sum += dom->pieces[i].length;

    /* Somebody ran for very long: nothing is ready for as many periods. */
    if ( sum && dom->owed >= sum )
    {
        for ( i = 0; i < dom->nr_pieces; i++ )
            dom->pieces[i].ready = max(dom->pieces[i].ready, now) +
                                   dom->owed / sum * ACT_CAP_PERIOD;
        dom->owed %= sum;
    }

    while ( dom->owed && dom->nr_pieces )
    {
        struct act_piece paid = act_piece_cut(dom, 0, dom->owed, now);

        dom->owed -= paid.length;
        act_piece_add(dom, max(paid.ready, now) + ACT_CAP_PERIOD, paid.length,
                      now);
    }
}

/*
 * The allowance is no longer what it has been. What is ready first goes: the rest
 * was run last, and is to be remembered.
 */
static void act_piece_trim(struct act_dom *dom, s_time_t now)
{
    s_time_t excess = dom->allowance - act_cap_allowance(dom);

    while ( excess > 0 && dom->nr_pieces )
    {
        s_time_t less = act_piece_cut(dom, 0, excess, now).length;

        dom->allowance -= less;
        excess -= less;
    }
}

/*
 * Budget
 */

static void act_cap_accrue(struct act_dom *dom, s_time_t now)
{
    s_time_t periods;

    if ( now < dom->replenished + ACT_CAP_PERIOD )
        return;

    periods = (now - dom->replenished) / ACT_CAP_PERIOD;
    dom->budget = min(dom->budget + periods * act_cap_total(dom),
                      act_cap_budget_max(dom));
    dom->replenished += periods * ACT_CAP_PERIOD;
}

/* Something has changed: when is there enough for a unit to run? */
static void act_cap_look(struct act_dom *dom, s_time_t now)
{
    s_time_t total = act_cap_total(dom), least = act_cap_run_min(dom);
    s_time_t ready = now;

    if ( total )
    {
        act_cap_accrue(dom, now);
        if ( dom->budget < least )
            ready = dom->replenished +
                    DIV_ROUND_UP(least - dom->budget, total) * ACT_CAP_PERIOD;
        ready = max(ready, act_piece_ready(dom, least));
    }
    write_atomic(&dom->ready, ready);

    /* Parked units are in several queues, so leave them to the timer. */
    ready = min(ready, now + ACT_CAP_PERIOD);
    if ( dom->nr_parked && dom->timer_set != ready )
    {
        dom->timer_set = ready;
        set_timer(&dom->timer, ready);
    }
}

/* What @su was given and has not used, what it has, and what it overran. */
static void act_cap_give_back(struct act_unit *su, s_time_t now)
{
    struct act_dom *dom = su->dom;
    s_time_t ran = su->granted.length - su->budget;
    s_time_t used = min(ran, su->granted.length);

    if ( act_cap_total(dom) )
    {
        act_cap_accrue(dom, now);
        dom->budget = min(dom->budget + su->budget, act_cap_budget_max(dom));
        dom->owed += ran - used;
    }
    act_piece_add(dom, su->granted.ready + used, su->granted.length - used,
                  now);
    act_piece_add(dom, su->charged - ran + ACT_CAP_PERIOD, used, now);
    act_piece_trim(dom, now);
    act_piece_pay(dom, now);
    su->granted = (struct act_piece){};
    su->budget = 0;
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
            act_resume(su, now);
            act_enqueue(su, now);
            act_tickle(su, now);
        }
        spin_unlock(&rq->lock);
    }

    read_unlock_irqrestore(&prv->lock, flags);
}

/* There may be enough for somebody; or the cap is gone. */
static void cf_check act_cap_timer(void *data)
{
    struct act_dom *dom = data;
    unsigned long flags;
    bool unpark;

    spin_lock_irqsave(&dom->budget_lock, flags);
    dom->timer_set = 0;
    unpark = NOW() >= dom->ready;
    if ( !unpark )
        act_cap_look(dom, NOW());
    spin_unlock_irqrestore(&dom->budget_lock, flags);

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
 * is left of its budget, and what is taken off the allowance is not given again
 * for a period, so that setting a cap often is no way round it.
 */
void act_cap_set(struct act_dom *dom, unsigned int cap)
{
    unsigned long flags;
    s_time_t now, more;

    spin_lock_irqsave(&dom->budget_lock, flags);

    now = NOW();
    if ( !dom->cap )
    {
        dom->replenished = now;
        dom->budget = STIME_MAX;
        dom->owed = 0;
    }
    act_cap_accrue(dom, now);
    write_atomic(&dom->cap, cap);
    dom->budget = min(dom->budget, act_cap_total(dom));

    more = act_cap_allowance(dom) - dom->allowance;
    if ( more > 0 )
    {
        dom->allowance += more;
        act_piece_add(dom, max(now, dom->reduced + ACT_CAP_PERIOD), more, now);
    }
    else if ( more < 0 )
    {
        act_piece_trim(dom, now);
        dom->reduced = now;
    }
    act_piece_pay(dom, now);
    act_cap_look(dom, now);

    spin_unlock_irqrestore(&dom->budget_lock, flags);
}

/* @dom is what @old was, in another pool. */
void act_cap_bring_along(struct act_dom *dom, struct act_dom *old)
{
    unsigned long flags;
    s_time_t now, held;
    unsigned int i;

    spin_lock_irqsave(&old->budget_lock, flags);

    now = NOW();
    dom->cap = old->cap;
    dom->budget = old->budget;
    dom->replenished = old->replenished;
    dom->nr_pieces = old->nr_pieces;
    memcpy(dom->pieces, old->pieces, sizeof(dom->pieces));
    dom->allowance = held = old->allowance;
    dom->owed = old->owed;
    dom->reduced = old->reduced;

    /* What its units have taken, they may have used. */
    for ( i = 0; i < dom->nr_pieces; i++ )
        held -= dom->pieces[i].length;
    act_piece_add(dom, now + ACT_CAP_PERIOD, held, now);
    act_cap_look(dom, now);

    spin_unlock_irqrestore(&old->budget_lock, flags);
}

/* Take budget for a run of @su. False: there is too little. */
bool act_cap_grab(struct act_unit *su)
{
    struct act_dom *dom = su->dom;
    s_time_t now, want;

    if ( su->budget > 0 )
        return true;

    spin_lock(&dom->budget_lock);

    now = NOW();
    if ( su->granted.length || su->budget )
    {
        act_cap_give_back(su, now);
        act_cap_look(dom, now);
    }

    if ( now >= dom->ready )
    {
        act_cap_accrue(dom, now);
        /*
         * An even part for each unit, so that the first one does not leave its
         * siblings without; but not so little that the timer fires all the time.
         */
        want = max(act_cap_total(dom) / max(dom->nr_units, 1U),
                   MICROSECS(500));
        su->granted = act_piece_take(dom, min(want, dom->budget), now);
        su->budget = su->granted.length;
        dom->budget -= su->budget;
        act_cap_look(dom, now);
    }

    spin_unlock(&dom->budget_lock);

    return su->budget > 0;
}

/* @su gives back what it has left, or owes what it overran. */
void act_cap_settle(struct act_unit *su)
{
    struct act_dom *dom = su->dom;
    s_time_t now;

    spin_lock(&dom->budget_lock);
    now = NOW();
    act_cap_give_back(su, now);
    act_cap_look(dom, now);
    spin_unlock(&dom->budget_lock);
}

void act_cap_park(struct act_unit *su)
{
    ASSERT(su->state == ACT_OUT);

    su->state = ACT_PARKED;
    list_add_tail(&su->parked_elem, &su->rq->parked);

    spin_lock(&su->dom->budget_lock);
    su->dom->nr_parked++;
    act_cap_look(su->dom, NOW());
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
