/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest kernel on one vCPU: handles events as soon as the vCPU runs, then
 * runs the first task that can, and blocks if there is none. While there is
 * one, it takes a tick 250 times a second; before it blocks it stops the tick,
 * as Linux does.
 */
#include <stdlib.h>

#include "guest.h"
#include "memory.h"
#include "model.h"
#include "rng.h"

/* Time that guests spent on each pCPU, up to the last switch. */
static s_time_t cpu_busy_ns[NR_CPUS];

void series_add(struct series *s, s_time_t ns)
{
    if ( s->nr == s->room )
    {
        s->room = s->room ? 2 * s->room : 256;
        s->ns = must(realloc(s->ns, s->room * sizeof(*s->ns)));
    }
    s->ns[s->nr++] = ns;
}

static int by_size(const void *a, const void *b)
{
    s_time_t x = *(const s_time_t *)a, y = *(const s_time_t *)b;

    return (x > y) - (x < y);
}

s_time_t series_quantile(struct series *s, unsigned int permille)
{
    uint64_t rank = ((uint64_t)s->nr * permille + 999) / 1000;

    if ( !s->nr )
        return 0;
    qsort(s->ns, s->nr, sizeof(*s->ns), by_size);

    return s->ns[rank ? rank - 1 : 0];
}

/* ---- how fast it goes --------------------------------------------------- */

static unsigned int speed_permille(const struct guest *g)
{
    return host_sibling(g->cpu) ? MODEL_SMT_PERMILLE : 1000;
}

/* How long until so much work is done, if nothing changes. */
static s_time_t time_for(const struct guest *g, s_time_t work_ns)
{
    unsigned int speed = speed_permille(g);

    return (work_ns * 1000 + speed - 1) / speed;
}

/* A task advances at half speed while its caches are cold. */
static s_time_t time_for_task(const struct guest *g, s_time_t work_ns)
{
    return time_for(g, work_ns + min(work_ns, g->cold_ns));
}

void guest_account(struct guest *g)
{
    s_time_t run_ns = sim.now_ns - g->since_ns, work_ns, cold_ns;

    if ( !g->running || run_ns <= 0 )
        return;
    g->since_ns = sim.now_ns;
    g->got_ns += run_ns;
    work_ns = run_ns * speed_permille(g) / 1000;

    if ( g->blocking )
        return;
    if ( !g->task )
    {
        g->kernel_ns -= min(work_ns, g->kernel_ns);
        g->work_ns += work_ns;
        return;
    }
    cold_ns = min(work_ns / 2, g->cold_ns);
    g->cold_ns -= cold_ns;
    work_ns -= cold_ns;
    if ( !g->task->spinning )
        g->work_ns += work_ns;
    if ( g->task->left_ns != STIME_MAX )
        g->task->left_ns -= min(work_ns, g->task->left_ns);
}

s_time_t guest_refill_ns(const struct guest *g)
{
    const struct guest *other = host_running(g->cpu);
    s_time_t others_ns = cpu_busy_ns[g->cpu] - g->others_ns;

    if ( !g->placed )
        return 0;
    if ( other )
        others_ns += sim.now_ns - other->started_ns;

    return max(g->cold_ns, model_refill_ns(1, 1, others_ns));
}

/* ---- what it does next -------------------------------------------------- */

static void arm_tick(struct guest *g)
{
    s_time_t since = sim.now_ns - g->tick_phase_ns;

    if ( g->domain->spec->tick && !sim_pending(&g->tick) && !g->tick_due )
        sim_at(&g->tick, g->tick_phase_ns + MODEL_IPI_NS +
                         (since / MODEL_TICK_PERIOD_NS + 1) *
                         MODEL_TICK_PERIOD_NS);
}

static void handle_events(struct guest *g)
{
    unsigned int i;

    sim_upcall_done(g->v);
    g->kernel_ns += MODEL_WAKE_NS;
    if ( g->tick_due )
    {
        g->tick_due = false;
        g->kernel_ns += MODEL_TICK_NS;
    }
    for ( i = 0; i < g->nr_tasks; i++ )
        if ( g->tasks[i].signalled )
        {
            g->tasks[i].signalled = false;
            task_signal(&g->tasks[i]);
        }
}

/* Each task has an address space of its own. */
static void turn_to(struct guest *g, struct guest_task *t)
{
    unsigned int space = 1 + (t - g->tasks);

    g->space = t;
    if ( !g->domain->spec->hvm )
        sim_address_space_switch(g->v, space);
    else if ( sim_hvm_address_space_switch(g->v, space) )
        g->kernel_ns += MODEL_EXIT_NS;
}

static void go_on(struct guest *g)
{
    struct guest_task *t = NULL;
    unsigned int i;

    if ( !g->running || g->blocking )
        return;
    if ( sim_upcall_pending(g->v) )
        handle_events(g);
    for ( i = 0; i < g->nr_tasks && !t; i++ )
        if ( g->tasks[i].runnable )
            t = &g->tasks[i];
    if ( t )
        arm_tick(g);
    if ( t && g->space != t && !g->kernel_ns )
        turn_to(g, t);
    if ( g->kernel_ns )
    {
        g->task = NULL;
        sim_at(&g->done, sim.now_ns + time_for(g, g->kernel_ns));
        return;
    }
    if ( !t )
    {
        sim_cancel(&g->tick);
        sim_cancel(&g->done);
        g->task = NULL;
        g->blocking = sim_block(g->v);
        if ( !g->blocking )
            guest_look(g);
        return;
    }

    if ( t->woken )
    {
        t->woken = false;
        task_started(t);
    }
    g->task = t;
    if ( t->left_ns == STIME_MAX )
        sim_cancel(&g->done);
    else
        sim_at(&g->done, sim.now_ns + time_for_task(g, t->left_ns));
}

/* The piece of work that it was at is done. */
static void on_done(struct sim_event *e)
{
    struct guest *g = container_of(e, struct guest, done);
    struct guest_task *t = g->task;

    guest_account(g);
    if ( t && !t->left_ns )
        task_done(t);
    go_on(g);
}

static void on_look(struct sim_event *e)
{
    struct guest *g = container_of(e, struct guest, look);

    guest_account(g);
    /* It had called block, and something came before Xen took the pCPU away. */
    if ( g->blocking && !(g->v->pause_flags & VPF_blocked) )
        g->blocking = false;
    go_on(g);
}

static void on_tick(struct sim_event *e)
{
    struct guest *g = container_of(e, struct guest, tick);

    g->tick_due = true;
    guest_event(NULL, g, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
}

void guest_look(struct guest *g)
{
    if ( g->running )
        sim_at(&g->look, sim.now_ns);
}

/* ---- hooks of the simulated Xen ----------------------------------------- */

void guest_started(struct guest *g, unsigned int cpu)
{
    s_time_t others_ns = cpu_busy_ns[cpu] - g->others_ns;

    /* It had called block, and goes on without having left its pCPU. */
    if ( g->running )
    {
        guest_account(g);
        g->blocking = false;
        guest_look(g);
        return;
    }
    if ( g->placed )
        g->cold_ns = max(g->cold_ns, model_refill_ns(
            cpu == g->cpu, host_cache_group(cpu) == host_cache_group(g->cpu),
            others_ns));
    g->migrations += g->placed && cpu != g->cpu;
    g->placed = true;
    g->cpu = cpu;
    g->running = true;
    g->blocking = false;
    g->since_ns = g->started_ns = sim.now_ns;
    sim_at(&g->look, sim.now_ns);
}

void guest_stopped(struct guest *g)
{
    guest_account(g);
    g->others_ns = cpu_busy_ns[g->cpu] += sim.now_ns - g->started_ns;
    g->running = false;
    g->blocking = false;
    sim_cancel(&g->done);
    sim_cancel(&g->look);
}

void guest_speed_changed(struct guest *g)
{
    guest_look(g);
}

/* ---- for tasks ---------------------------------------------------------- */

void guest_event(struct guest_task *from, struct guest *to, unsigned int kind)
{
    s_time_t at_ns = sim.now_ns;

    if ( !to->v )
        return;
    if ( from )
    {
        from->guest->kernel_ns += MODEL_SEND_NS;
        if ( to->running && to->cpu != from->guest->cpu )
            at_ns += MODEL_IPI_NS;
    }
    if ( !to->running || to->blocking )
        host_note_event(to);
    sim_event_send(from ? from->guest->v : NULL, to->v, kind);
    if ( to->running && (!sim_pending(&to->look) || to->look.at_ns > at_ns) )
        sim_at(&to->look, at_ns);
}

void guest_signal(struct guest_task *from, struct guest_task *to,
                  unsigned int kind)
{
    if ( to->signalled || !to->guest->v )
        return;
    to->signalled = true;
    guest_event(from, to->guest, kind);
}

void guest_run(struct guest_task *t, s_time_t work_ns)
{
    if ( !t->runnable )
        t->runnable = t->woken = true;
    t->left_ns = work_ns;
}

void guest_sleep(struct guest_task *t)
{
    t->runnable = t->woken = t->spinning = false;
    if ( t->guest->task == t )
        t->guest->task = NULL;
}

void guest_yield(struct guest_task *t)
{
    sim_yield(t->guest->v);
}

/* ---- from the start to the end ------------------------------------------ */

void guest_init(struct guest *g, struct guest_domain *domain, unsigned int id,
                uint64_t seed)
{
    const struct domain_spec *spec = domain->spec;
    unsigned int i;

    g->domain = domain;
    g->id = id;
    g->tasks = must(calloc(spec->nr_tasks + 1, sizeof(*g->tasks)));
    for ( i = 0; i < spec->nr_tasks; i++ )
    {
        struct guest_task *t = &g->tasks[g->nr_tasks];

        if ( !cpu_in(spec->tasks[i].cpus, id) )
            continue;
        t->guest = g;
        t->whole = t->spec = &spec->tasks[i];
        /* Not of the scheduler, nor of what else there is. */
        t->rng = rng_seed(seed, spec->name, id * 64 + i);
        g->nr_tasks++;
    }
    g->tick_phase_ns = rng_seed(seed, spec->name, ~id) % MODEL_TICK_PERIOD_NS;
    g->done.fn = on_done;
    g->look.fn = on_look;
    g->tick.fn = on_tick;
}

void guest_begin(struct guest *g)
{
    unsigned int i;

    for ( i = 0; i < g->nr_tasks; i++ )
        task_begin(&g->tasks[i]);
}

void guest_end(struct guest *g)
{
    unsigned int i;

    guest_account(g);
    for ( i = 0; i < g->nr_tasks; i++ )
        task_end(&g->tasks[i]);
    sim_cancel(&g->done);
    sim_cancel(&g->look);
    sim_cancel(&g->tick);
    g->running = false;
    g->v = NULL;
}
