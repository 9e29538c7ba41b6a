/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vCPUs of a guest that wait for each other.
 *
 * A vCPU that yields spins, at a barrier or for a lock, until another vCPU of its
 * guest gets on. If that one waits for a pCPU, it may have the spinner's: the two
 * trade places, and nobody else gains or loses by it. Who spins while all of its
 * siblings run goes on, as what it waits for will come by itself. Only if nothing
 * of the guest's own would help does the pCPU go to others.
 *
 * And such a guest gets on best if all of its vCPUs run at once. So when one of
 * them starts, its siblings ask for slices short enough to go before those that
 * compute. That is everybody's right and gives no share; and from then on their
 * slices, and those of the others, end together.
 */
#include <xen/lib.h>

#include "private.h"

/* Who ran for less since it last yielded only looked whether it may get on. A
 * guest's kernel spins for some ten microseconds before it yields. */
#define ACT_SPIN_MAX MICROSECS(100)

/* So long after a yield its guest's vCPUs are taken to wait for each other: a few
 * rounds of long slices. */
#define ACT_GANG_FOR MILLISECS(50)

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

    act_dequeue(other);
    su->vruntime = other->vruntime;
    su->vdeadline = other->vdeadline;
    other->vruntime = vruntime;
    other->vdeadline = vdeadline;
    act_insert(other);
}

/*
 * @prev, which runs on @cpu, has yielded. Does it give way? If not, it goes on
 * unless it is another one's turn.
 */
bool act_gang_yield(struct act_unit *prev, unsigned int cpu)
{
    bool worked = prev->burst - prev->burst_yield >= ACT_SPIN_MAX;
    struct act_gang gang = act_gang_look(prev, cpu, worked);

    prev->burst_yield = prev->burst;
    prev->spun = gang.waits || !gang.all_run;
    if ( gang.waits )
        act_gang_trade(prev, gang.waits);
    /* Whose place is not a sibling's now is put behind others. */
    prev->yielded = prev->spun && !gang.waits;

    return prev->spun;
}

/* Of those that compute on a pCPU that @su may use, the one to go last. */
static unsigned int act_gang_victim(const struct act_unit *su, s_time_t now)
{
    const struct act_params *params = &su->dom->prv->params;
    const struct act_unit *victim = NULL;
    unsigned int cpu, victim_cpu = nr_cpu_ids;

    for_each_cpu ( cpu, &su->rq->cpus )
    {
        const struct act_unit *cur = act_running(cpu);

        if ( cur && cur->running && cur->dom != su->dom &&
             cur->class == ACT_FAIR && cur->burst > params->slice_min &&
             now >= cur->picked + max(params->ratelimit, params->slice_min) &&
             !cpumask_test_cpu(cpu, &su->rq->tickled) &&
             act_may_use(su, cpu) &&
             (!victim || act_goes_first(victim, cur)) )
        {
            victim = cur;
            victim_cpu = cpu;
        }
    }

    return victim_cpu;
}

/* @sibling waits for a pCPU while others of its guest run. */
static void act_gang_join(struct act_unit *sibling, s_time_t now)
{
    unsigned int cpu = act_gang_victim(sibling, now);
    s_time_t vdeadline;

    if ( cpu >= nr_cpu_ids )
        return;

    vdeadline = act_running(cpu)->vdeadline - 1;
    if ( act_before(vdeadline, sibling->vdeadline) )
    {
        /* Too far ahead of the others. */
        if ( act_before(vdeadline, sibling->vruntime +
                                   sibling->dom->prv->params.slice_min *
                                   ACT_WEIGHT_SCALE / sibling->weight) )
            return;
        act_dequeue(sibling);
        sibling->vdeadline = vdeadline;
        act_insert(sibling);
    }
    act_trace(tickle, sibling, cpu, ACT_TRC_WHY_GANG);
    act_tickle_cpu(sibling->rq, cpu);
}

/* The siblings of @su, which got a pCPU, are to run, too. */
void act_gang_gather(struct act_unit *su, s_time_t now)
{
    struct act_private *prv = su->dom->prv;
    struct act_unit *other;
    unsigned int nr = 0;

    if ( !read_trylock(&prv->lock) )
        return;

    list_for_each_entry ( other, &su->dom->units, elem )
        if ( other->rq == su->rq && other->state == ACT_QUEUED &&
             other->class == ACT_FAIR && nr++ < ACT_LOOK_UNITS )
            act_gang_join(other, now);

    read_unlock(&prv->lock);
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
