/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock, Xen's timers, and the loop that lets time pass. */
#include <stdio.h>

#include "sim.h"

unsigned int sim_timers_active;

s_time_t get_s_time(void)
{
    return sim.now_ns + sim.skew_ns[sim_cpu];
}

s_time_t sim_skew_max(void)
{
    s_time_t skew = 0;
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        skew = max(skew, sim.skew_ns[cpu]);

    return skew;
}

/* ---- timers ------------------------------------------------------------- */

static const struct timer *running;

static void fire(struct sim_event *event)
{
    struct timer *t = container_of(event, struct timer, event);
    s_time_t later_ns;

    /* Xen moves the timers of a pCPU that goes offline. */
    if ( unlikely(!cpu_online(t->cpu)) )
        t->cpu = cpumask_first(&cpu_online_map);
    if ( sim_timers_wait(t->cpu, &later_ns) )
    {
        sim_at(event, later_ns);
        return;
    }

    t->status = TIMER_STATUS_inactive;
    sim_timers_active--;
    sim_enter(t->cpu);
    running = t;
    t->function(t->data);
    running = NULL;
}

void init_timer(struct timer *t, void (*fn)(void *), void *data,
                unsigned int cpu)
{
#ifndef SIM_FAST
    if ( sim_pending_in(t, t + 1) )
        sim_bug(__FILE__, __LINE__, "init_timer() of an active timer");
#endif
    *t = (struct timer){ .status = TIMER_STATUS_inactive, .function = fn,
                         .data = data, .cpu = cpu, .event.fn = fire };
}

static void check_timer(const struct timer *t)
{
    if ( t->status < TIMER_STATUS_inactive || t->status > TIMER_STATUS_in_heap )
        sim_bug(__FILE__, __LINE__, "the timer was never initialised");
}

static void deactivate(struct timer *t, int status)
{
    check_timer(t);
    if ( t->status == TIMER_STATUS_in_heap )
    {
        sim_cancel(&t->event);
        sim_timers_active--;
    }
    if ( t->status != TIMER_STATUS_killed )
        t->status = status;
}

void set_timer(struct timer *t, s_time_t expires)
{
    s_time_t at_ns = expires;

    check_timer(t);
    if ( t->status == TIMER_STATUS_killed )
        return;
    if ( t->status != TIMER_STATUS_in_heap )
        sim_timers_active++;
    t->status = TIMER_STATUS_in_heap;
    t->expires = expires;
    if ( sim.timer_slop_ns && expires < STIME_MAX - sim.timer_slop_ns )
        at_ns += sim_below(sim.timer_slop_ns + 1);
    sim_at(&t->event, at_ns);
}

void stop_timer(struct timer *t)
{
    deactivate(t, TIMER_STATUS_inactive);
}

void kill_timer(struct timer *t)
{
    if ( t == running )
        sim_bug(__FILE__, __LINE__, "kill_timer() from the timer's handler");
    deactivate(t, TIMER_STATUS_killed);
}

void migrate_timer(struct timer *t, unsigned int cpu)
{
    check_timer(t);
    t->cpu = cpu;
}

bool timer_expires_before(struct timer *t, s_time_t until)
{
    check_timer(t);

    return active_timer(t) && t->expires <= until;
}

void timers_be_prompt(bool prompt)
{
    sim.prompt_timers += prompt ? 1 : -1;
}

/* ---- the passing of time ------------------------------------------------ */

void sim_run(s_time_t for_ns)
{
    s_time_t end_ns = sim.now_ns + for_ns;

    while ( sim_next_ns() <= end_ns )
    {
        struct sim_event *event = sim_take();

        sim.now_ns = max(sim.now_ns, event->at_ns);
        sim.events++;
        event->fn(event);
        sim_enter(0);
        if ( unlikely(sim_rcu_pending()) )
            sim_rcu_run();
        if ( unlikely(sim.check != NULL) && sim_quiet() )
            sim.check();
    }
    sim.now_ns = end_ns;
}

void sim_stall(s_time_t for_ns)
{
    sim.now_ns += for_ns;
    sim.stalls++;
}
