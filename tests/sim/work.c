/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "work.h"

static void next_burst(struct sim_work *w)
{
    switch ( w->kind )
    {
    case SIM_HOG:
        w->left_ns = STIME_MAX;
        break;
    case SIM_PERIODIC:
        w->left_ns = w->burst_ns;
        break;
    case SIM_NONE:
        w->left_ns = 1000;      /* enough to see the event and block */
        break;
    default:
        w->left_ns = 1 + w->burst_ns / 2 + sim_below(w->burst_ns);
        break;
    }
}

static void go(struct sim_work *w)
{
    w->executes = true;
    w->since_ns = sim.now_ns;
    if ( w->left_ns != STIME_MAX )
        sim_at(&w->done, sim.now_ns + w->left_ns);
}

static void halt(struct sim_work *w)
{
    sim_cancel(&w->done);
    if ( w->executes && w->left_ns != STIME_MAX )
        w->left_ns -= min(sim.now_ns - w->since_ns, w->left_ns);
    w->executes = false;
}

static void start(unsigned int cpu, struct vcpu *v)
{
    struct sim_work *w = v->work;

    if ( !w )
        return;
    sim_upcall_done(v);
    if ( w->slept )
    {
        s_time_t wait_ns = v->runstate.time[RUNSTATE_runnable] - w->waited_ns;

        w->slept = false;
        w->wait_max_ns = max(w->wait_max_ns, wait_ns);
        w->waits++;
    }
    halt(w);
    go(w);
}

static void stop(unsigned int cpu, struct vcpu *v)
{
    struct sim_work *w = v->work;

    if ( !w )
        return;
    halt(w);
    if ( v->runstate.state == RUNSTATE_blocked )
    {
        w->slept = true;
        w->waited_ns = v->runstate.time[RUNSTATE_runnable];
        w->blocks++;
    }
}

static void gone(struct vcpu *v)
{
    struct sim_work *w = v->work;

    if ( !w )
        return;
    sim_cancel(&w->done);
    sim_cancel(&w->wake);
    free(w);
    v->work = NULL;
}

static void burst_done(struct sim_event *event)
{
    struct sim_work *w = container_of(event, struct sim_work, done);
    struct vcpu *v = w->vcpu;

    halt(w);
    /* A test blocked it in the middle: it is on its way out. */
    if ( v->pause_flags & VPF_blocked )
        return;

    w->bursts++;
    if ( w->kind == SIM_PERIODIC )
        sim_at(&w->wake, (sim.now_ns / w->period_ns + 1) * w->period_ns);
    else if ( w->kind == SIM_RANDOM )
        sim_at(&w->wake, sim.now_ns + 1 + w->period_ns / 2 +
                         sim_below(w->period_ns));
    next_burst(w);
    if ( !sim_block(v) )
        go(w);
}

static void timer(struct sim_event *event)
{
    struct sim_work *w = container_of(event, struct sim_work, wake);

    sim_event(w->vcpu, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
}

void sim_event(struct vcpu *v, unsigned int kind)
{
    sim_event_send(NULL, v, kind);
    if ( sim_executes(v) )
        sim_upcall_done(v);
}

struct domain *sim_guest_create(unsigned int domid, unsigned int pool,
                                unsigned int vcpus)
{
    struct domain *d;
    struct vcpu *v;

    sim.model.start = start;
    sim.model.stop = stop;
    sim.model.gone = gone;
    d = sim_domain_create(domid, pool, vcpus);
    if ( d )
        for_each_vcpu ( d, v )
        {
            struct sim_work *w = calloc(1, sizeof(*w));

            SIM_CHECK(w);
            w->vcpu = v;
            w->kind = SIM_NONE;
            w->done.fn = burst_done;
            w->wake.fn = timer;
            next_burst(w);
            v->work = w;
        }

    return d;
}

void sim_work(struct vcpu *v, int kind, s_time_t burst_ns, s_time_t period_ns)
{
    struct sim_work *w = v->work;
    bool executes = w->executes;

    halt(w);
    sim_cancel(&w->wake);
    w->kind = kind;
    w->burst_ns = burst_ns;
    w->period_ns = period_ns;
    next_burst(w);
    if ( executes )
        go(w);
    vcpu_unblock(v);
}
