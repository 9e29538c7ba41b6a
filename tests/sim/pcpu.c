/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pCPUs: softirqs and the context switch of the architecture.
 *
 * A pCPU does one job at a time: a softirq handler, or the end of a context
 * switch. While a switch is under way it does nothing else. A job runs to its
 * end, except where core.c waits for another pCPU (cpu_relax()): then that one
 * has to go on. With granularity 1 it is only ever the toolstack that waits,
 * for vCPUs to stop. With larger units pCPUs wait for each other, and then each
 * job runs on a stack of its own (a fiber).
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "sim.h"

/* ASan wants to know of other stacks. */
void __sanitizer_start_switch_fiber(void **save, const void *bottom,
                                    size_t size) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *save, const void **bottom,
                                     size_t *size) __attribute__((weak));

/* How long it takes to see what another pCPU wrote: a cache line moves. */
#define SEEN_NS     100
/*
 * pCPUs that wait look at once when a thread of theirs has done something, or
 * somebody told them; this often, because something else may have happened.
 */
#define POLL_NS     MICROSECS(10)
/* Enough for any wait that ends at all. */
#define RELAX_MAX   1000000
#define STACK_BYTES (256 * 1024)

enum job { NO_JOB, SOFTIRQ, SWITCHED };

static struct pcpu {
    struct sim_event softirq, switched, poll;
    unsigned long pending;      /* softirqs */
    s_time_t due_ns;            /* when their interrupt arrives */
    struct vcpu *prev;          /* whose context is not saved yet */
    /* What the guest's code does; HYPERCALL: it waits to be told to go on. */
    enum { OUT, IN, HYPERCALL } guest;

    enum job job;
    bool waits;                 /* in the middle of its job */
    ucontext_t context;
    char *stack;
    void *asan_stack;
    struct sim_context held;
} pcpus[NR_CPUS];

DEFINE_PER_CPU(unsigned long, tasklet_work_to_do);
struct vcpu *sim_current[NR_CPUS];

static softirq_handler handlers[NR_COMMON_SOFTIRQS];
static bool fibers;
static ucontext_t outside;
static const void *outside_bottom;
static size_t outside_size;
static struct pcpu *on_fiber;
static unsigned int depth;      /* of pCPUs that go on inside another one */

static unsigned int number(const struct pcpu *p)
{
    return p - pcpus;
}

static bool busy(const struct pcpu *p)
{
    return p->prev || p->waits;
}

/* ---- softirqs ----------------------------------------------------------- */

void open_softirq(int nr, softirq_handler handler)
{
    handlers[nr] = handler;
}

/* Tells that the pCPUs schedule for ever without time passing. */
static void count_decision(void)
{
    static s_time_t instant;
    static unsigned int times;

    if ( sim.now_ns != instant )
        times = 0;
    instant = sim.now_ns;
    if ( ++times == 10000 + 100 * nr_cpu_ids )
        sim_bug(__FILE__, __LINE__, "pCPUs schedule for ever, at one time");
    sim.decisions++;
}

static void arm(struct pcpu *p)
{
    if ( p->pending && p->job == NO_JOB && !busy(p) )
        sim_at(&p->softirq, max(p->due_ns, sim.now_ns));
}

void cpu_raise_softirq(unsigned int cpu, unsigned int nr)
{
    struct pcpu *p = &pcpus[cpu];
    s_time_t due_ns = sim.now_ns;

    ASSERT(cpu_online(cpu));
    if ( cpu != sim_cpu && sim.model.ipi_ns )
        due_ns += sim.model.ipi_ns(sim_cpu, cpu);
    if ( sim.ipi_max_ns )
        due_ns += sim_below(sim.ipi_max_ns + 1);

    if ( p->waits )
        sim_at(&p->poll, due_ns + SEEN_NS);
    if ( !p->pending || due_ns < p->due_ns )
    {
        p->due_ns = due_ns;
        p->pending |= 1ul << nr;
        arm(p);
    }
    else
        p->pending |= 1ul << nr;
    sim_window(cpu);
}

void cpumask_raise_softirq(const cpumask_t *mask, unsigned int nr)
{
    unsigned int cpu;

    for_each_cpu ( cpu, mask )
        cpu_raise_softirq(cpu, nr);
}

void raise_softirq(unsigned int nr)
{
    cpu_raise_softirq(sim_cpu, nr);
}

bool softirq_pending(unsigned int cpu)
{
    return pcpus[cpu].pending;
}

void sim_tasklet(unsigned int cpu, bool work)
{
    if ( work )
        set_bit(_TASKLET_enqueued, &per_cpu(tasklet_work_to_do, cpu));
    else
        clear_bit(_TASKLET_enqueued, &per_cpu(tasklet_work_to_do, cpu));
    cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
}

bool sim_has_tasklet(unsigned int cpu)
{
    return per_cpu(tasklet_work_to_do, cpu) & TASKLET_enqueued;
}

/* ---- the context switch ------------------------------------------------- */

s_time_t sim_run_ns(const struct vcpu *v)
{
    bool runs = sim_current[v->processor] == v;

    return v->run_ns + (runs ? sim.now_ns - v->run_since_ns : 0);
}

bool sim_executes(const struct vcpu *v)
{
    return sim_current[v->processor] == v && pcpus[v->processor].guest == IN;
}

bool sim_switching(unsigned int cpu)
{
    return pcpus[cpu].prev;
}

/* Both of core.c's ends of schedule() come here: was the choice allowed? */
static void check_choice(unsigned int cpu, const struct vcpu *next)
{
#ifndef SIM_FAST
    const struct sched_resource *sr = get_sched_res(cpu);
    const struct sched_unit *unit = next->sched_unit;

    if ( is_idle_vcpu(next) )
        return;
    if ( unit->res != sr || next->processor != cpu )
        sim_bug(__FILE__, __LINE__, "picked a unit of another pCPU");
    /* In units of several it may change until the last one has switched. */
    if ( !cpumask_test_cpu(sr->master_cpu, unit->cpu_hard_affinity) &&
         !(next->pause_flags & VPF_migrating) )
        sim_bug(__FILE__, __LINE__, "picked against hard affinity");
    if ( unit->domain->cpupool != sr->cpupool )
        sim_bug(__FILE__, __LINE__, "picked a unit of another pool");
    if ( tasklet_work_to_do(cpu) )
        sim_bug(__FILE__, __LINE__, "picked a guest, a tasklet waits");
#endif
}

static void switched(struct pcpu *p)
{
    struct vcpu *prev = p->prev;

    sched_context_switched(prev, sim_current[number(p)]);
    p->prev = NULL;
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    unsigned int cpu = sim_cpu;
    struct pcpu *p = &pcpus[cpu];
    s_time_t takes_ns = 0;

    SIM_CHECK(sim_current[cpu] == prev && prev != next && !p->prev);
    check_choice(cpu, next);
    sim_say("  t=%"PRId64" CPU %u: d%dv%d -> d%dv%d\n", sim.now_ns, cpu,
            prev->domain->domain_id, prev->vcpu_id, next->domain->domain_id,
            next->vcpu_id);

    if ( p->guest != OUT && sim.model.stop )
        sim.model.stop(cpu, prev);
    p->guest = OUT;
    prev->run_ns += sim.now_ns - prev->run_since_ns;
    next->run_since_ns = sim.now_ns;
    sim_current[cpu] = next;
    p->prev = prev;
    sim.switches++;

    if ( sim.model.switch_ns )
        takes_ns += sim.model.switch_ns(cpu, prev, next);
    if ( sim.switch_max_ns )
        takes_ns += sim_below(sim.switch_max_ns + 1);
    if ( takes_ns )
        sim_at(&p->switched, sim.now_ns + takes_ns);
    else
        switched(p);
}

void continue_running(struct vcpu *same)
{
    check_choice(sim_cpu, same);
    sim_say("  t=%"PRId64" CPU %u goes on\n", sim.now_ns, sim_cpu);
}

/* All state is in memory as soon as is_running is false. */
void sync_vcpu_execstate(struct vcpu *v)
{
}

/* ---- jobs --------------------------------------------------------------- */

static void do_job(struct pcpu *p)
{
    if ( p->job == SWITCHED )
        switched(p);
    else
    {
        unsigned int nr = __builtin_ctzl(p->pending);

        p->pending &= p->pending - 1;
        if ( nr == SCHEDULE_SOFTIRQ )
            count_decision();
        SIM_CHECK(nr < ARRAY_SIZE(handlers) && handlers[nr]);
        handlers[nr]();
    }
    p->job = NO_JOB;
}

/* On the way back to the guest: softirqs first. */
static void leave(struct pcpu *p)
{
    unsigned int cpu = number(p);
    struct vcpu *v = sim_current[cpu];

    if ( busy(p) )
        return;
    if ( p->pending )
    {
        arm(p);
        if ( p->guest != OUT || p->due_ns <= sim.now_ns )
            return;
    }
    if ( p->guest == IN )
        return;
    p->guest = IN;
    if ( sim.model.start )
        sim.model.start(cpu, v);
}

static void to_fiber(struct pcpu *p)
{
    void *asan = NULL;

    on_fiber = p;
    if ( __sanitizer_start_switch_fiber )
        __sanitizer_start_switch_fiber(&asan, p->stack, STACK_BYTES);
    swapcontext(&outside, &p->context);
    if ( __sanitizer_finish_switch_fiber )
        __sanitizer_finish_switch_fiber(asan, NULL, NULL);
    on_fiber = NULL;
}

static void from_fiber(struct pcpu *p, bool for_good)
{
    if ( __sanitizer_start_switch_fiber )
        __sanitizer_start_switch_fiber(for_good ? NULL : &p->asan_stack,
                                       outside_bottom, outside_size);
    swapcontext(&p->context, &outside);
    if ( __sanitizer_finish_switch_fiber )
        __sanitizer_finish_switch_fiber(p->asan_stack, &outside_bottom,
                                        &outside_size);
}

static void fiber(void)
{
    struct pcpu *p = on_fiber;

    if ( __sanitizer_finish_switch_fiber )
        __sanitizer_finish_switch_fiber(NULL, &outside_bottom, &outside_size);
    do_job(p);
    from_fiber(p, true);
}

static void resume(struct pcpu *p)
{
    unsigned int thread;
    bool waited = p->waits;

    to_fiber(p);
    if ( p->waits )
        sim_at(&p->poll, sim.now_ns + POLL_NS);
    if ( !p->waits || !waited )
        for_each_cpu ( thread, get_sched_res(number(p))->cpus )
            if ( thread != number(p) && pcpus[thread].waits )
                sim_at(&pcpus[thread].poll, sim.now_ns + SEEN_NS);
    sim_enter(number(p));
    leave(p);
}

static void run_job(struct pcpu *p, enum job job)
{
    SIM_CHECK(p->job == NO_JOB);
    p->job = job;
    sim_enter(number(p));
    if ( !fibers || on_fiber )
    {
        do_job(p);
        leave(p);
        return;
    }

    if ( !p->stack )
        p->stack = malloc(STACK_BYTES);
    SIM_CHECK(p->stack && !getcontext(&p->context));
    p->context.uc_stack.ss_sp = p->stack;
    p->context.uc_stack.ss_size = STACK_BYTES;
    p->context.uc_link = NULL;
    makecontext(&p->context, fiber, 0);
    resume(p);
}

static void softirq_event(struct sim_event *event)
{
    run_job(container_of(event, struct pcpu, softirq), SOFTIRQ);
}

static void switched_event(struct sim_event *event)
{
    run_job(container_of(event, struct pcpu, switched), SWITCHED);
}

static void poll_event(struct sim_event *event)
{
    resume(container_of(event, struct pcpu, poll));
}

/* ---- waiting for others ------------------------------------------------- */

/* The pCPU does one thing at once that it has to do, or does not have to. */
bool sim_step(unsigned int cpu)
{
    struct pcpu *p = &pcpus[cpu];

    if ( p->waits )
    {
        sim_cancel(&p->poll);
        resume(p);
    }
    else if ( p->prev )
    {
        if ( p->job != NO_JOB )     /* it is what called us */
            return false;
        sim_cancel(&p->switched);
        run_job(p, SWITCHED);
    }
    else if ( p->pending && p->job == NO_JOB )
    {
        sim_cancel(&p->softirq);
        run_job(p, SOFTIRQ);
    }
    else
        return false;

    return true;
}

bool sim_step_all(void)
{
    struct sim_context held;
    bool any = false;
    unsigned int cpu;

    sim_context_save(&held);
    depth++;
    for_each_online_cpu ( cpu )
        any |= sim_step(cpu);
    depth--;
    sim_context_restore(&held);

    return any;
}

void sim_force(unsigned int cpu)
{
    struct sim_context held;

    sim_context_save(&held);
    depth++;
    while ( sim_step(cpu) )
        if ( pcpus[cpu].waits )     /* for others */
            sim_step_all();
    depth--;
    sim_context_restore(&held);
}

void cpu_relax(void)
{
    static s_time_t since;
    static unsigned int times;
    struct pcpu *p = on_fiber;

    if ( sim.now_ns != since )
        times = 0;
    since = sim.now_ns;
    if ( ++times == RELAX_MAX )
        sim_bug(__FILE__, __LINE__, "waits for ever");

    if ( p )
    {
        sim_context_save(&p->held);
        ASSERT(!sim_locks_held());
        p->waits = true;
        from_fiber(p, false);
        p->waits = false;
        sim_context_restore(&p->held);
    }
    else if ( !sim_step_all() )
        sim_bug(__FILE__, __LINE__, "waits for a pCPU that nobody told");
}

/*
 * If nothing protects what is done now from another pCPU: now and then let it
 * get in between.
 */
void sim_window(unsigned int cpu)
{
    struct sim_context held;

    if ( likely(!sim.window_permille) || depth > 2 || on_fiber ||
         cpu == sim_cpu || !cpu_online(cpu) || !sim_unprotected() ||
         !sim_chance(sim.window_permille) )
        return;

    sim_context_save(&held);
    depth++;
    sim_step(cpu);
    depth--;
    sim_context_restore(&held);
}

/* It is paused; but is it off the pCPUs, too? */
bool sim_switching_from(const struct domain *d)
{
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        if ( pcpus[cpu].prev && pcpus[cpu].prev->domain == d )
            return true;

    return false;
}

bool sim_quiet(void)
{
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        if ( pcpus[cpu].pending || busy(&pcpus[cpu]) )
            return false;

    return true;
}

void sim_settle(void)
{
    while ( !sim_quiet() )
        sim_step_all();
    sim_rcu_run();
    if ( sim.check )
        sim.check();
}

/* A timer softirq waits for the end of a context switch. */
bool sim_timers_wait(unsigned int cpu, s_time_t *until_ns)
{
    const struct pcpu *p = &pcpus[cpu];

    if ( likely(!busy(p)) )
        return false;
    *until_ns = sim_pending(&p->switched) ? p->switched.at_ns
                                          : sim.now_ns + SEEN_NS;

    return true;
}

/* The vCPU there made a hypercall after which it waits. */
void sim_guest_waits(unsigned int cpu)
{
    if ( pcpus[cpu].guest == IN )
        pcpus[cpu].guest = HYPERCALL;
}

void sim_fibers(bool on)
{
    fibers = on;
}

/* It begins with its idle vCPU, which executes. */
void sim_pcpu_on(unsigned int cpu)
{
    struct pcpu *p = &pcpus[cpu];

    p->softirq.fn = softirq_event;
    p->switched.fn = switched_event;
    p->poll.fn = poll_event;
    p->guest = IN;
    sim_current[cpu] = idle_vcpu[cpu];
    idle_vcpu[cpu]->run_since_ns = sim.now_ns;
}

void sim_pcpu_off(unsigned int cpu)
{
    struct pcpu *p = &pcpus[cpu];

    SIM_CHECK(!busy(p) && is_idle_vcpu(sim_current[cpu]));
    sim_cancel(&p->softirq);
    p->pending = 0;
    p->guest = OUT;
    per_cpu(tasklet_work_to_do, cpu) = 0;
}
