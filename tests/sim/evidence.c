/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched=activity finds out whose events matter: a guest that always computes, with
 * a task that events wake, among guests that only compute.
 */
#include "tests.h"
#include "work.h"

#define COMPUTES 1              /* address spaces of the guest */
#define TASK     2

static struct {
    struct vcpu *v;
    s_time_t task_ns;           /* what an event brings; 0: nothing         */
    s_time_t left_ns;           /* of it                                    */
    s_time_t since_ns;          /* executes it since; 0: does not           */
    s_time_t due_ns;            /* when the event came; 0: it has begun     */
    s_time_t reacts_ns;         /* on a pCPU, until it turns to the task    */
    bool hvm;
    unsigned int restart_ms;    /* other programs from then on; 0: never    */
    unsigned int generation;    /* of its programs                          */
    struct sim_event reacts, done;
    unsigned int events, late;
} mixed;

static void (*work_start)(unsigned int cpu, struct vcpu *v);
static void (*work_stop)(unsigned int cpu, struct vcpu *v);

static void turn_to(unsigned int space)
{
    space += 2 * mixed.generation;
    if ( mixed.hvm )
        sim_hvm_address_space_switch(mixed.v, space);
    else
        sim_address_space_switch(mixed.v, space);
}

static void task_done(struct sim_event *unused)
{
    mixed.left_ns = mixed.since_ns = 0;
    turn_to(COMPUTES);
}

static void task_goes_on(void)
{
    mixed.since_ns = sim.now_ns;
    sim_at(&mixed.done, sim.now_ns + mixed.left_ns);
}

static void task_begins(struct sim_event *unused)
{
    mixed.late += sim.now_ns - mixed.due_ns > MILLISECS(1);
    mixed.due_ns = 0;
    task_goes_on();
    turn_to(TASK);
}

static void start(unsigned int cpu, struct vcpu *v)
{
    work_start(cpu, v);
    if ( v != mixed.v || !mixed.left_ns )
        return;
    if ( mixed.due_ns )
        sim_at(&mixed.reacts, sim.now_ns + mixed.reacts_ns);
    else
        task_goes_on();
}

static void stop(unsigned int cpu, struct vcpu *v)
{
    work_stop(cpu, v);
    if ( v != mixed.v )
        return;
    sim_cancel(&mixed.reacts);
    if ( !mixed.since_ns )
        return;
    sim_cancel(&mixed.done);
    mixed.left_ns -= sim.now_ns - mixed.since_ns;
    mixed.since_ns = 0;
}

/* An event for the guest, if it waits and has done what came before. */
static void event(s_time_t task_ns)
{
    if ( sim_current[0] == mixed.v || mixed.left_ns )
        return;
    mixed.events += task_ns != 0;
    mixed.left_ns = task_ns;
    mixed.due_ns = task_ns ? sim.now_ns : 0;
    sim_event(mixed.v, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
}

static uint64_t boosts(void)
{
    return act_unit(mixed.v->sched_unit)->boosts;
}

/*
 * The guest beside 3 others for 10 s, after one to learn from: a tick each 4 ms,
 * and something to do each 10 ms.
 */
static void live(s_time_t task_ns, unsigned int urgency)
{
    unsigned int i, ms;

    boot(1);
    mixed.done.fn = task_done;
    mixed.reacts.fn = task_begins;
    mixed.v = hog(1, 0)->vcpu[0];
    for ( i = 2; i <= 4; i++ )
        hog(i, 0);
    mixed.v->activity.address_space = COMPUTES;
    if ( urgency )
        put(mixed.v->domain, XEN_SCHED_ACTIVITY_SET_URGENCY, 0, 0, urgency,
            600000);
    work_start = sim.model.start;
    work_stop = sim.model.stop;
    sim.model.start = start;
    sim.model.stop = stop;

    for ( ms = 0; ms < 11000; ms++ )
    {
        if ( ms == 1000 )
            mixed.events = mixed.late = 0;
        /* It has a second to find out. */
        if ( mixed.restart_ms && ms == mixed.restart_ms )
        {
            mixed.generation++;
            /* As sure as it can be of what is wrong now. */
            act_unit(mixed.v->sched_unit)->home_space = 1000;
            act_unit(mixed.v->sched_unit)->home_votes = 3;
        }
        if ( mixed.restart_ms && ms == mixed.restart_ms + 1000 )
            mixed.events = mixed.late = 0;
        if ( ms % 4 == 0 )
            event(0);
        if ( ms % 10 == 5 && task_ns )
            event(task_ns);
        sim_run(MILLISECS(1));
    }
}

static void end(void)
{
    s_time_t ran = ran_ns(mixed.v->domain);

    expect(ran < MILLISECS(11000 / 4 + 40),
           "events add no share, but it ran for %"PRId64" of 11000 ms",
           ran / 1000000);
    sim_cancel(&mixed.done);
    sim_cancel(&mixed.reacts);
    sim_shutdown();
    memset(&mixed, 0, sizeof(mixed));
}

static void short_task(unsigned int urgency)
{
    live(MICROSECS(300), urgency);
    expect(mixed.events > 300, "it gets events while it waits: %u",
           mixed.events);
    expect(mixed.late * 100 <= mixed.events,
           "a task of 300 us begins within 1 ms, but did not %u times of %u",
           mixed.late, mixed.events);
    end();
}

static void short_task_pv(void)
{
    short_task(0);
}

static void short_task_hvm(void)
{
    mixed.hvm = true;
    short_task(0);
}

/* As a guest is that an emulator runs. */
static void short_task_slow_guest(void)
{
    mixed.hvm = true;
    mixed.reacts_ns = MICROSECS(300);
    short_task(0);
}

static void short_task_slow_guest_role(void)
{
    mixed.hvm = true;
    mixed.reacts_ns = MICROSECS(300);
    short_task(XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE);
}

/* What it did was somebody else's doing: nothing that was learnt holds. */
static void short_task_restarted(void)
{
    mixed.restart_ms = 3000;
    short_task(0);
}

static void short_task_restarted_role(void)
{
    mixed.restart_ms = 3000;
    short_task(XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE);
}

static void ticks_only(void)
{
    live(0, 0);
    expect(boosts() == 0, "ticks that wake no task bring no boosts, but did "
           "%"PRIu64, boosts());
    end();
}

static void long_task(void)
{
    live(MILLISECS(8), 0);
    expect(boosts() * 20 < 2750, "a task that computes for long brings no "
           "boosts, but did %"PRIu64" times", boosts());
    end();
}

static void background(void)
{
    live(MICROSECS(300), XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND);
    expect(boosts() == 0, "background: events do not count, but did %"PRIu64
           " times", boosts());
    end();
}

/*
 * An event that comes while the guest is in debt waits until that is paid, not until it
 * would have its turn anyway: no other one may come, as a guest that does not run sets no
 * timers.
 */
static void event_in_debt(void)
{
    struct act_unit *su;
    struct vcpu *v;
    unsigned int i;
    uint64_t before;

    boot(1);
    v = hog(1, 0)->vcpu[0];
    su = act_unit(v->sched_unit);
    for ( i = 2; i <= 5; i++ )
        hog(i, 0);
    put(v->domain, XEN_SCHED_ACTIVITY_SET_URGENCY, 0, 0,
        XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE, 600000);
    for ( i = 0; i < 1000 && !act_in_debt(su, sim.now_ns); i++ )
    {
        sim_event(v, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
        sim_run(MILLISECS(1));
    }
    expect(su->state == ACT_QUEUED && act_in_debt(su, sim.now_ns),
           "who is sent events all the time is in debt after %u ms", i);
    before = su->boosts;
    sim_event(v, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_run(MILLISECS(5));
    expect(su->boosts > before, "5 ms later its last event is looked at");
    sim_shutdown();
}

/*
 * A guest whose timer interrupt takes long is not cut off in it: before it sets its timer
 * again nothing can come for it. But a boost has its end.
 */
static void slow_timer_interrupt(bool sets_again)
{
    struct act_unit *su;
    struct vcpu *v;

    boot(1);
    v = hog(1, 0)->vcpu[0];
    su = act_unit(v->sched_unit);
    hog(2, 0);
    hog(3, 0);
    put(v->domain, XEN_SCHED_ACTIVITY_SET_URGENCY, 0, 0,
        XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE, 600000);
    sim_run(SECONDS(1));
    su->reaction_avg = MICROSECS(50);
    while ( su->state == ACT_QUEUED )
        sim_run(MICROSECS(100));
    while ( su->state != ACT_QUEUED )
        sim_run(MICROSECS(100));
    sim_run(MILLISECS(1));
    set_timer(&v->singleshot_timer, sim.now_ns + MICROSECS(100));
    sim_run(MICROSECS(110));
    expect(su->running && su->class == ACT_BOOSTED, "its timer gets it a pCPU");
    sim_run(MICROSECS(350));
    expect(su->running, "it keeps that as long as it has not set its timer again");
    if ( sets_again )
        set_timer(&v->singleshot_timer, sim.now_ns + MILLISECS(50));
    sim_run(MICROSECS(sets_again ? 250 : 2000));
    expect(!su->running, sets_again ? "then the boost is over"
                                    : "but no longer than a boost lasts");
    sim_shutdown();
}

static void timer_set_again(void)
{
    slow_timer_interrupt(true);
}

static void timer_not_set_again(void)
{
    slow_timer_interrupt(false);
}

/* Who is brief goes before one that is boosted at the same moment. */
static void brief_one_first(void)
{
    struct domain *ping;
    struct act_unit *su, *brief;

    boot(1);
    su = act_unit(hog(1, 0)->vcpu[0]->sched_unit);
    hog(2, 0);
    ping = periodic(3, MICROSECS(100), MILLISECS(10));
    brief = act_unit(ping->vcpu[0]->sched_unit);
    sim_run(SECONDS(1));
    while ( su->state != ACT_QUEUED || unit_runnable(brief->unit) )
        sim_run(MICROSECS(100));
    su->evidence = 1024;
    sim_event(ping->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    sim_event(su->unit->vcpu_list, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    expect(su->class == ACT_BOOSTED && brief->state == ACT_QUEUED,
           "one is boosted, and a brief one waits");
    sim_run(MICROSECS(10));
    expect(brief->running, "the brief one goes first");
    sim_shutdown();
}

/* Two that compute get a core each, not two threads of one. */
static void idle_core(void)
{
    unsigned int i, cpu[2];

    sim.topology.threads_per_core = 2;
    boot(4);
    for ( i = 0; i < 2; i++ )
        hog(i + 1, 0);
    sim_run(MILLISECS(50));
    for ( i = 0; i < 2; i++ )
        cpu[i] = sim_domain(i + 1)->vcpu[0]->processor;
    expect(cpu_to_core(cpu[0]) != cpu_to_core(cpu[1]),
           "each has a core, but they are on CPUs %u and %u", cpu[0], cpu[1]);
    sim_shutdown();
}

const struct test evidence_tests[] = {
    { "evidence: who is brief goes before one that is boosted", brief_one_first },
    { "evidence: a short task that events wake", short_task_pv },
    { "evidence: a short task of an HVM guest", short_task_hvm },
    { "evidence: a short task of a slow guest", short_task_slow_guest },
    { "evidence: a short task of a slow guest that is interactive",
      short_task_slow_guest_role },
    { "evidence: a short task, and other programs", short_task_restarted },
    { "evidence: a short task, and other programs, interactive",
      short_task_restarted_role },
    { "evidence: ticks only", ticks_only },
    { "evidence: a long task", long_task },
    { "evidence: background", background },
    { "evidence: an event for one that is in debt", event_in_debt },
    { "evidence: a slow timer interrupt", timer_set_again },
    { "evidence: a timer that is not set again", timer_not_set_again },
    { "an idle core first", idle_core },
    { NULL, NULL }
};
