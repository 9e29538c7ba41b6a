/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace records. Called by act_trace() only, when somebody traces; what they
 * contain is said in trace.h.
 */
#include <xen/lib.h>
#include <xen/trace.h>

#include "private.h"

/* The buffer takes whole words, and would take what is behind a record, too. */
#define act_trace_write(event, rec) \
    do { \
        BUILD_BUG_ON(sizeof(rec) % sizeof(uint32_t)); \
        BUILD_BUG_ON(sizeof(rec) > TRACE_EXTRA_MAX * sizeof(uint32_t)); \
        __trace_var(ACT_TRC_EVENT(event), true, sizeof(rec), &(rec)); \
    } while ( 0 )

static struct act_trc_unit act_trc_id(const struct act_unit *su)
{
    return (struct act_trc_unit){
        .unit = su->unit->unit_id,
        .dom = su->unit->domain->domain_id,
    };
}

static int32_t act_trc_us(s_time_t ns)
{
    return min_t(s_time_t, max_t(s_time_t, ns / 1000, INT32_MIN), INT32_MAX);
}

static int32_t act_trc_lag(const struct act_unit *su)
{
    return act_trc_us(act_lag(su, NOW()));
}

void act_trace_decision(const struct act_unit *su, bool switches,
                        s_time_t limit)
{
    const struct act_trc_decision rec = {
        .id = act_trc_id(su),
        .class = su->class,
        .switches = switches,
        .queued = min(su->rq->nr_queued, UINT16_MAX + 0U),
        .lag_us = act_trc_lag(su),
        .limit_us = act_trc_us(limit),
    };

    act_trace_write(ACT_TRC_DECISION, rec);
}

void act_trace_tickle(const struct act_unit *su, unsigned int cpu,
                      unsigned int why)
{
    const struct act_trc_tickle rec = {
        .id = act_trc_id(su),
        .cpu = cpu,
        .class = su->class,
        .why = why,
    };

    act_trace_write(ACT_TRC_TICKLE, rec);
}

void act_trace_event(const struct act_unit *su, bool boosts)
{
    const struct act_trc_event rec = {
        .id = act_trc_id(su),
        .evidence = su->evidence,
        .class = su->class,
        .boosts = boosts,
    };

    act_trace_write(ACT_TRC_EVENT_WAITS, rec);
}

void act_trace_boost(const struct act_unit *su, unsigned int why)
{
    const struct act_trc_boost rec = {
        .id = act_trc_id(su),
        .evidence = su->evidence,
        .why = why,
        .lag_us = act_trc_lag(su),
    };

    act_trace_write(ACT_TRC_BOOST, rec);
}

void act_trace_judgement(const struct act_unit *su, bool woke_task)
{
    const struct act_trc_judgement rec = {
        .id = act_trc_id(su),
        .evidence = su->evidence,
        .woke_task = woke_task,
        .boosted = su->class == ACT_BOOSTED,
        .after_us = act_trc_us(NOW() - su->event_since),
    };

    act_trace_write(ACT_TRC_JUDGEMENT, rec);
}

void act_trace_budget(const struct act_unit *su, bool parked)
{
    const struct act_trc_budget rec = {
        .id = act_trc_id(su),
        .budget_us = act_trc_us(read_atomic(&su->dom->budget)),
    };

    act_trace_write(parked ? ACT_TRC_PARK : ACT_TRC_UNPARK, rec);
}

void act_trace_move(const struct act_unit *su, unsigned int to, bool stolen)
{
    const struct act_trc_move rec = {
        .id = act_trc_id(su),
        .from = sched_unit_master(su->unit),
        .to = to,
        .stolen = stolen,
    };

    act_trace_write(ACT_TRC_MOVE, rec);
}

void act_trace_slice(const struct act_unit *su)
{
    const struct act_trc_slice rec = {
        .id = act_trc_id(su),
        .class = su->class,
        .lag_us = act_trc_lag(su),
        .slice_us = act_trc_us(act_real(su, su->vdeadline - su->vruntime)),
    };

    act_trace_write(ACT_TRC_SLICE, rec);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
