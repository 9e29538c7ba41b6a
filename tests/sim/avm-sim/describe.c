/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <string.h>

#include "describe.h"
#include "sim.h"

#include "../../../sched_activity/private.h"

/* In place of what a record does not have. */
static const char *name_of(const char *const *names, unsigned int nr,
                           unsigned int i)
{
    return i < nr && names[i] ? names[i] : "?";
}
#define NAME(names, i) name_of(names, ARRAY_SIZE(names), i)

static const char *const runstates[] = {
    [RUNSTATE_running] = "running", [RUNSTATE_runnable] = "runnable",
    [RUNSTATE_blocked] = "blocked", [RUNSTATE_offline] = "offline",
};
static const char *const classes[] = {
    [ACT_NO_LAXITY] = "without laxity", [ACT_RESERVED] = "reserved",
    [ACT_CRITICAL] = "critical", [ACT_BOOSTED] = "boosted", [ACT_FAIR] = "fair",
};
_Static_assert(ARRAY_SIZE(classes) == ACT_CLASSES, "a class without a name");
static const char *const whys[] = {
    [ACT_TRC_WHY_IDLE] = "it idles",
    [ACT_TRC_WHY_STEAL] = "it idles, and is of another queue",
    [ACT_TRC_WHY_HOME] = "it ran there last, beside one that computes",
    [ACT_TRC_WHY_GANG] = "others of its guest run",
    [ACT_TRC_WHY_ROOM] = "who runs there can go elsewhere",
    [ACT_TRC_WHY_LATEST] = "the latest deadline of those behind it runs there",
};

static const char *yes(unsigned int flag)
{
    return flag ? "" : " not";
}

static const char *const boosts[] = {
    [ACT_TRC_BOOST_EVENT] = "event",
    [ACT_TRC_BOOST_AT_WORK] = "at work on what an event began",
    [ACT_TRC_BOOST_INHERITED] = "works for an urgent domain, which pays",
};

/* ---- records of the activity scheduler ---------------------------------- */

static void decision(FILE *f, const void *data)
{
    const struct act_trc_decision *r = data;

    fprintf(f, "%s, %s, for %u us at most, lag %d us, %u wait",
            r->switches ? "gets the pCPU" : "goes on", NAME(classes, r->class),
            r->limit_us, r->lag_us, r->queued);
}

static void tickle(FILE *f, const void *data)
{
    const struct act_trc_tickle *r = data;

    fprintf(f, "calls pCPU %u (%s), %s", r->cpu, NAME(whys, r->why),
            NAME(classes, r->class));
}

static void event_waits(FILE *f, const void *data)
{
    const struct act_trc_event *r = data;

    fprintf(f, "waits as %s and gets an event, evidence %u, is%s boosted",
            NAME(classes, r->class), r->evidence, yes(r->boosts));
}

static void boost(FILE *f, const void *data)
{
    const struct act_trc_boost *r = data;

    fprintf(f, "is boosted (%s), evidence %u, lag %d us",
            NAME(boosts, r->why),
            r->evidence, r->lag_us);
}

static void judgement(FILE *f, const void *data)
{
    const struct act_trc_judgement *r = data;

    fprintf(f, "event did%s wake a task, seen after %u us, was%s boosted, "
            "evidence now %u", yes(r->woke_task), r->after_us,
            yes(r->boosted), r->evidence);
}

static void park(FILE *f, const void *data)
{
    const struct act_trc_budget *r = data;

    fprintf(f, "is parked, budget of its domain %d us", r->budget_us);
}

static void unpark(FILE *f, const void *data)
{
    const struct act_trc_budget *r = data;

    fprintf(f, "is no longer parked, budget of its domain %d us",
            r->budget_us);
}

static void move(FILE *f, const void *data)
{
    const struct act_trc_move *r = data;

    fprintf(f, "%s from pCPU %u's queue to pCPU %u's",
            r->stolen ? "is stolen" : "moves", r->from, r->to);
}

static void slice(FILE *f, const void *data)
{
    const struct act_trc_slice *r = data;

    fprintf(f, "begins a slice of %u us, %s, lag %d us", r->slice_us,
            NAME(classes, r->class), r->lag_us);
}

static const struct {
    void (*tell)(FILE *f, const void *data);
    size_t size;
} ours[] = {
    [ACT_TRC_DECISION] = { decision, sizeof(struct act_trc_decision) },
    [ACT_TRC_TICKLE] = { tickle, sizeof(struct act_trc_tickle) },
    [ACT_TRC_EVENT_WAITS] = { event_waits, sizeof(struct act_trc_event) },
    [ACT_TRC_BOOST] = { boost, sizeof(struct act_trc_boost) },
    [ACT_TRC_JUDGEMENT] = { judgement, sizeof(struct act_trc_judgement) },
    [ACT_TRC_PARK] = { park, sizeof(struct act_trc_budget) },
    [ACT_TRC_UNPARK] = { unpark, sizeof(struct act_trc_budget) },
    [ACT_TRC_MOVE] = { move, sizeof(struct act_trc_move) },
    [ACT_TRC_SLICE] = { slice, sizeof(struct act_trc_slice) },
};

static bool describe_ours(FILE *f, const struct xentrace_record *rec)
{
    unsigned int nr = rec->event - ACT_TRC_EVENT(0);
    struct act_trc_unit id;

    if ( nr >= ARRAY_SIZE(ours) || !ours[nr].tell ||
         rec->words * sizeof(rec->data[0]) < ours[nr].size )
        return false;
    memcpy(&id, rec->data, sizeof(id));
    fprintf(f, "d%uv%u ", id.dom, id.unit);
    ours[nr].tell(f, rec->data);

    return true;
}

/* ---- records of the core ------------------------------------------------ */

static const struct {
    uint32_t event;
    const char *what;
    bool timed;                 /* ns follow */
} of_vcpu[] = {
    { TRC_SCHED_SLEEP, "is told to sleep" },
    { TRC_SCHED_WAKE, "is told to wake" },
    { TRC_SCHED_YIELD, "yields" },
    { TRC_SCHED_BLOCK, "blocks" },
    { TRC_SCHED_SWITCH_INFPREV, "ran for", true },
    { TRC_SCHED_SWITCH_INFNEXT, "waited for", true },
    { TRC_SCHED_SWITCH_INFCONT, "goes on, has run for", true },
};

static bool describe_core(FILE *f, const struct xentrace_record *rec)
{
    const uint32_t *d = rec->data;
    unsigned int i;

    if ( rec->event == TRC_LOST_RECORDS )
    {
        fprintf(f, "%u records were lost before this", d[0]);
        return true;
    }
    if ( (rec->event & ~0x330u) == TRC_SCHED_RUNSTATE_CHANGE && rec->words )
    {
        fprintf(f, "d%uv%u %s -> %s", d[0] >> 16, d[0] & 0xffff,
                runstates[rec->event >> 8 & 3], runstates[rec->event >> 4 & 3]);
        return true;
    }
    if ( rec->event == TRC_SCHED_CONTINUE_RUNNING && rec->words )
    {
        fprintf(f, "d%uv%u stays", d[0] >> 16, d[0] & 0xffff);
        return true;
    }
    if ( rec->event == TRC_SCHED_SWITCH && rec->words >= 4 )
    {
        fprintf(f, "switch from d%uv%u to d%uv%u", d[0], d[1], d[2], d[3]);
        return true;
    }
    for ( i = 0; i < ARRAY_SIZE(of_vcpu); i++ )
        if ( rec->event == of_vcpu[i].event &&
             rec->words >= 2 + of_vcpu[i].timed )
        {
            fprintf(f, "d%uv%u %s", d[0], d[1], of_vcpu[i].what);
            if ( of_vcpu[i].timed )
                fprintf(f, " %u.%03u us", d[2] / 1000, d[2] % 1000);
            return true;
        }

    return false;
}

void describe(FILE *f, const struct xentrace_record *rec)
{
    unsigned int i;

    if ( describe_ours(f, rec) || describe_core(f, rec) )
        return;
    fprintf(f, "event %#x", rec->event);
    for ( i = 0; i < rec->words; i++ )
        fprintf(f, " %#x", rec->data[i]);
}
