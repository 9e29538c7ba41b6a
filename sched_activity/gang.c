/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vCPUs of a guest that wait for each other: a gang.
 *
 * A vCPU that yields spins, at a barrier or for a lock, until another vCPU of its
 * guest gets on. Such a guest gets on best if all of its vCPUs run at once, and all
 * wait at once. So they take turns together: what each of them ran is all of theirs, so
 * that they are due at the same time; who gets a pCPU calls its siblings, which have
 * those of others that compute and are due later, for as long as the caller has its own;
 * and none takes one from somebody amid a slice before. So the slices of those others
 * end together, too, and the next turn is one of all. Nobody's order changes by it, and
 * all are charged for what they run.
 *
 * Who spins while all of its siblings run, or are called, goes on: what it waits for
 * will come by itself. Else the turn is over, and its pCPU is for others.
 *
 * If a guest has more vCPUs than there are pCPUs, or others do not compete with it, as
 * they may have pCPUs for themselves (level.c), it has no turns. Then a sibling that waits
 * for a pCPU may have the spinner's: the two trade places, and nobody else gains or loses
 * by it. And when one starts, its siblings ask for slices short enough to go before those
 * that compute, which is everybody's right and gives no share.
 */
#include <xen/lib.h>

#include "private.h"

/* Who ran for less since it last yielded only looked whether it may get on. A
 * guest's kernel spins for some ten microseconds before it yields. */
#define ACT_SPIN_MAX MICROSECS(100)

/* So long after a yield its guest's vCPUs are taken to wait for each other: a few
 * rounds of long slices. */
#define ACT_GANG_FOR MILLISECS(50)

static bool act_gang_has_turns(const struct act_unit *su, s_time_t now)
{
    return su->dom->nr_units <= su->rq->nr_cpus && !act_has_levels(su->rq, now);
}

/* What the siblings of a vCPU do. */
struct act_gang {
    struct act_unit *waits;       /* for a pCPU, the longest; NULL: nobody  */
    bool all_run;
};

static struct act_gang act_gang_look(const struct act_unit *su,
                                     unsigned int cpu, bool worked)
{
    struct act_private *prv = su->dom->prv;
    struct act_gang gang = { .waits = NULL, .all_run = true };
    struct act_unit *other;
    unsigned int nr = 0;

    if ( !read_trylock(&prv->lock) )
        return (struct act_gang){ .waits = NULL };

    list_for_each_entry ( other, &su->dom->units, elem )
    {
        if ( other == su )
            continue;
        if ( nr++ == ACT_LOOK_UNITS )
            break;
        gang.all_run &= other->running;
        if ( other->rq == su->rq && other->state == ACT_QUEUED &&
             other->class == su->class && other->weight == su->weight &&
             !act_is_capped(other) && (worked || !other->spun) &&
             (!gang.waits || other->queued < gang.waits->queued) &&
             act_may_use(other, cpu) && unit_runnable_state(other->unit) )
            gang.waits = other;
    }

    read_unlock(&prv->lock);

    gang.all_run &= nr > 0;

    return gang;
}

/* The clock's sums stay as they are: both are active, and weigh the same. */
static void act_gang_trade(struct act_unit *su, struct act_unit *other)
{
    s_time_t vruntime = su->vruntime, vdeadline = su->vdeadline;
    s_time_t slice_start = su->slice_start;

    act_dequeue(other);
    su->vruntime = other->vruntime;
    su->vdeadline = other->vdeadline;
    su->slice_start = other->slice_start;
    other->slice_start = slice_start;
    other->vruntime = vruntime;
    other->vdeadline = vdeadline;
    other->spun = false;
    act_insert(other);
}

/* Does @cur, which runs on @cpu, compute, for another guest than @su, which may use it? */
static bool act_gang_competes(const struct act_unit *su, const struct act_unit *cur,
                              unsigned int cpu)
{
    return cur && cur->running && cur->dom != su->dom &&
           cur->class == ACT_FAIR && act_may_use(su, cpu);
}

/*
 * Of those that do, the one to go last. If they have no @turns, of those that have run
 * for as long as the rate limit says.
 */
static unsigned int act_gang_victim(const struct act_unit *su, bool turns,
                                    s_time_t now)
{
    const struct act_params *params = &su->dom->prv->params;
    const struct act_unit *victim = NULL;
    unsigned int cpu, victim_cpu = nr_cpu_ids;

    for_each_cpu ( cpu, &su->rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( act_gang_competes(su, cur, cpu) && cur->burst > params->slice_min &&
             (turns || now >= cur->picked + max(params->ratelimit,
                                                params->slice_min)) &&
             !cpumask_test_cpu(cpu, &su->rq->tickled) &&
             (!victim || act_goes_first(victim, cur)) )
        {
            victim = cur;
            victim_cpu = cpu;
        }
    }

    return victim_cpu;
}

/*
 * @su waits for a pCPU while a sibling runs, for @left yet if they have turns, else 0:
 * get it one. False: there is none for it.
 */
static bool act_gang_call(struct act_unit *su, s_time_t left, s_time_t now)
{
    s_time_t least = act_virtual(su, left ?: su->dom->prv->params.slice_min);
    s_time_t due, vdeadline;
    unsigned int cpu;

    if ( left && act_gang_comes(su, now) )
        return true;

    cpu = act_gang_victim(su, left, now);
    if ( cpu >= nr_cpu_ids )
        return false;

    due = act_running(cpu)->vdeadline;
    vdeadline = su->vruntime + least;
    /* Too far ahead of the others. */
    if ( !act_before(vdeadline, due) )
        return false;
    if ( !left )
        vdeadline = act_before(due, su->vdeadline) ? due - 1 : su->vdeadline;

    act_dequeue(su);
    su->vdeadline = vdeadline;
    act_insert(su);
    su->called = now;
    act_trace(tickle, su, cpu, ACT_TRC_WHY_GANG);
    act_tickle_cpu(su->rq, cpu);

    return true;
}

/* Does @su compete in the fair class, with the weight of its siblings? */
static bool act_gang_counts(const struct act_unit *su, const struct act_unit *sibling)
{
    return sibling->rq == su->rq && sibling->active &&
           sibling->weight == su->weight && sibling->class == ACT_FAIR;
}

/*
 * What the siblings of @su ran is shared among them. As they weigh the same, the clock
 * stays as it is.
 */
static void act_gang_even_out(struct act_unit *su, s_time_t now)
{
    s_time_t mean = act_vruntime(su, now), ahead = 0, shift;
    struct act_unit *sibling;
    unsigned int nr = 0;

    list_for_each_entry ( sibling, &su->dom->units, elem )
        if ( act_gang_counts(su, sibling) )
        {
            ahead += act_vruntime(sibling, now) - mean;
            nr++;
        }

    if ( !nr )
        return;

    mean += ahead / (s_time_t)nr;
    list_for_each_entry ( sibling, &su->dom->units, elem )
        if ( act_gang_counts(su, sibling) )
        {
            bool queued = sibling->state == ACT_QUEUED;

            if ( queued )
                act_dequeue(sibling);
            shift = mean - act_vruntime(sibling, now);
            act_set_vruntime(sibling, sibling->vruntime + shift);
            sibling->slice_start += shift;
            sibling->vdeadline += shift;
            if ( queued )
                act_insert(sibling);
        }
}

/* Does somebody else wait for @cpu, which @su has? */
static bool act_gang_has_rivals(const struct act_unit *su, unsigned int cpu)
{
    const struct act_unit *other = su->rq->first[ACT_FAIR];
    unsigned int nr;

    for ( nr = 0; other && nr < ACT_LOOK_UNITS; nr++, other = act_after(other) )
        if ( other->dom != su->dom && act_may_use(other, cpu) )
            return true;

    return false;
}

/* @su got a pCPU, or spins: its siblings are to run, too. True: some come for a turn. */
bool act_gang_gather(struct act_unit *su, s_time_t now)
{
    struct act_private *prv = su->dom->prv;
    bool turns = act_gang_has_turns(su, now), come = false;
    struct act_unit *sibling;
    s_time_t left = 0;
    unsigned int nr = 0;

    if ( su->class != ACT_FAIR || !read_trylock(&prv->lock) )
        return false;

    if ( turns )
    {
        act_gang_even_out(su, now);
        left = act_real(su, su->vdeadline - act_vruntime(su, now));
    }

    /* Not for the rest of a slice that is not worth a switch. */
    if ( !turns || left >= prv->params.slice_min )
        list_for_each_entry ( sibling, &su->dom->units, elem )
            if ( sibling->rq == su->rq && sibling->state == ACT_QUEUED &&
                 sibling->class == ACT_FAIR && nr++ < ACT_LOOK_UNITS )
                come |= act_gang_call(sibling, left, now);

    read_unlock(&prv->lock);

    return turns && come;
}

/*
 * @prev, which runs on @cpu, has yielded. Does it give way? If not, it goes on
 * unless it is another one's turn.
 */
bool act_gang_yield(struct act_unit *prev, unsigned int cpu, s_time_t now)
{
    bool worked = prev->burst - prev->burst_yield >= ACT_SPIN_MAX;
    bool turns = act_gang_has_turns(prev, now);
    struct act_gang gang = act_gang_look(prev, cpu, worked);

    prev->burst_yield = prev->burst;
    prev->yielded = false;
    prev->spun = !gang.all_run &&
                 !(turns && gang.waits && act_gang_gather(prev, now));
    if ( !prev->spun )
        return false;

    /* If that one was cut off, the turn is not over; nor if nobody else waits. */
    if ( gang.waits &&
         (!turns || gang.waits->vruntime != gang.waits->slice_start ||
          !act_gang_has_rivals(prev, cpu)) )
        act_gang_trade(prev, gang.waits);
    /* Whose place is not a sibling's now is put behind others. */
    else
        prev->yielded = true;

    return true;
}

/* Who has slept, or has a cap, comes when it comes. */
static bool act_gang_takes_turns(const struct act_unit *su, s_time_t now)
{
    return su->class == ACT_FAIR && !su->wake_time && !act_is_capped(su) &&
           act_gang_has_turns(su, now);
}

/* Does @su, of a gang, which is queued, leave others alone that are amid a slice? */
bool act_gang_bides(const struct act_unit *su, s_time_t now)
{
    return act_gang_takes_turns(su, now) && !act_gang_comes(su, now);
}

/*
 * Does @su, of a gang, which is queued, leave the pCPU to @prev (NULL: to nobody)? If
 * @spinner gives it up, who has spun, too, would do no better with it.
 */
bool act_gang_holds(const struct act_unit *su, const struct act_unit *prev,
                    const struct act_unit *spinner, s_time_t now)
{
    if ( spinner )
        return su->spun && su->dom == spinner->dom;

    return prev && prev->class == ACT_FAIR && prev->vruntime != prev->slice_start &&
           act_gang_takes_turns(su, now) &&
           (prev->dom == su->dom || !act_gang_comes(su, now));
}

/* @su yields. */
void act_gang_spins(struct act_unit *su, s_time_t now)
{
    write_atomic(&su->dom->spins_until, now + ACT_GANG_FOR);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
