/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the harness that keep state: locks, memory, timers, clock. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim.h"

void __sanitizer_print_stack_trace(void) __attribute__((weak));

struct sim sim;
unsigned int sim_cpu, nr_cpu_ids, sim_cpus_per_socket = NR_CPUS;
struct cpuinfo_x86 cpu_data[NR_CPUS];
const cpumask_t cpumask_all = { ~0ul };
#define OF(n)  { 1ul << (n) }
#define OF4(n) OF(n), OF((n) + 1), OF((n) + 2), OF((n) + 3)
#define OF16(n) OF4(n), OF4((n) + 4), OF4((n) + 8), OF4((n) + 12)
const cpumask_t sim_cpumask_of[NR_CPUS] = { OF16(0), OF16(16), OF16(32),
                                            OF16(48) };
rcu_read_lock_t sched_res_rculock, domlist_read_lock;
int tb_init_done;

void sim_bug(const char *file, int line, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s\n  at t=%" PRId64 " ns on CPU %u, seed %" PRIu64
            ", step %" PRIu64 " (%s)\n", file, line, what, sim.now_ns, sim_cpu,
            sim.seed, sim.step, sim.doing ? sim.doing : "-");
    if ( __sanitizer_print_stack_trace )
        __sanitizer_print_stack_trace();
    _exit(70);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
broken(const char *where, const char *fmt, ...)
{
    static char text[512];
    va_list args;
    int len;

    len = snprintf(text, sizeof(text), "%s: ", where);
    va_start(args, fmt);
    vsnprintf(text + len, sizeof(text) - len, fmt, args);
    va_end(args);
    sim_bug(__FILE__, __LINE__, text);
}

int printk(const char *fmt, ...)
{
    return sim.verbose ? fputs(fmt, stdout) : 0;
}

/* ---- random numbers (xorshift64*) --------------------------------------- */

uint64_t sim_random(void)
{
    sim.rng ^= sim.rng >> 12;
    sim.rng ^= sim.rng << 25;
    sim.rng ^= sim.rng >> 27;
    return sim.rng * 0x2545f4914f6cdd1dull;
}

unsigned int sim_below(unsigned int n)
{
    return (sim_random() >> 33) % n;
}

bool sim_chance(unsigned int permille)
{
    return permille && sim_below(1000) < permille;
}

unsigned int get_random(void)
{
    return sim_random() >> 32;
}

/* ---- IRQ state and locks ------------------------------------------------- */

#define HELD_MAX    16
#define CLASSES_MAX 64

static bool irqs_on = true;
static unsigned int irq_depth;
static struct { spinlock_t *lock; unsigned int how; } held[HELD_MAX];
static unsigned int nr_held;
static struct lock_class *classes[CLASSES_MAX];
static uint64_t after[CLASSES_MAX];     /* classes ever taken inside of it */
static unsigned int nr_classes;

bool local_irq_is_enabled(void)
{
    return irqs_on;
}

bool in_irq(void)
{
    return irq_depth;
}

void sim_irqs(bool on)
{
    unsigned int i;

    if ( on && !irqs_on )
        for ( i = 0; i < nr_held; i++ )
            if ( held[i].lock->class->irqs_off == 2 )
                broken(held[i].lock->where, "IRQs enabled with the lock held");
    irqs_on = on;
}

unsigned int sim_locks_held(void)
{
    return nr_held;
}

void sim_enter(unsigned int cpu)
{
    ASSERT(!nr_held && irqs_on);
    sim_cpu = cpu;
}

static bool reaches(int from, int to)
{
    uint64_t seen = 0, todo = 1ull << from;

    while ( todo & ~seen )
    {
        int i = __builtin_ctzll(todo & ~seen);

        seen |= 1ull << i;
        todo |= after[i];
    }

    return (seen >> to) & 1;
}

/* Locks of one class nest by address; classes nest one way round. */
static void check_order(const spinlock_t *l, const char *where)
{
    unsigned int i;

    for ( i = 0; i < nr_held; i++ )
    {
        const spinlock_t *h = held[i].lock;
        int from = h->class->id - 1, to = l->class->id - 1;

        if ( from == to )
        {
            if ( h >= l )
                broken(where, "two locks of %s, not in the order of addresses",
                       l->class->where);
            continue;
        }
        if ( reaches(to, from) )
            broken(where, "lock of %s taken inside that of %s; was the other "
                   "way round before", l->class->where, h->class->where);
        after[from] |= 1ull << to;
    }
}

bool sim_lock(spinlock_t *l, unsigned int how, unsigned long *flags,
              const char *where)
{
    int state;

    if ( !l->class )
        broken(where, "lock was never initialised");
    if ( !l->class->id )
    {
        ASSERT(nr_classes < CLASSES_MAX);
        classes[nr_classes++] = l->class;
        l->class->id = nr_classes;
    }

    if ( how & LOCK_IRQ )
    {
        if ( !irqs_on )
            broken(where, "_irq with IRQs off already");
        irqs_on = false;
    }
    if ( how & LOCK_IRQSAVE )
    {
        *flags = irqs_on;
        irqs_on = false;
    }

    /* As Xen's check_lock(): used with IRQs off once, always with IRQs off. */
    state = irqs_on ? 1 : 2;
    if ( !(how & LOCK_READ) && !((how & LOCK_TRY) && state == 2) )
    {
        if ( !l->class->irqs_off )
            l->class->irqs_off = state;
        if ( l->class->irqs_off != state )
            broken(where, "lock of %s taken with IRQs on and off",
                   l->class->where);
    }

    if ( l->holders && !((how & LOCK_READ) && !l->writer) )
    {
        if ( how & LOCK_TRY )
            return false;
        broken(where, "deadlock: the lock was taken at %s", l->where);
    }
    if ( how & LOCK_TRY )
    {
        if ( sim_chance(sim.trylock_fail_permille) )
            return false;
    }
    else
        check_order(l, where);

    ASSERT(nr_held < HELD_MAX);
    held[nr_held].lock = l;
    held[nr_held++].how = how;
    l->holders++;
    l->writer = !(how & LOCK_READ);
    l->where = where;

    return true;
}

void sim_unlock(spinlock_t *l, unsigned int how, unsigned long flags,
                const char *where)
{
    unsigned int i = nr_held;

    while ( i && held[i - 1].lock != l )
        i--;
    if ( !i || !l->holders )
        broken(where, "unlocks what it does not hold");
    if ( l->writer != !(how & LOCK_READ) )
        broken(where, "read and write mixed up");

    memmove(&held[i - 1], &held[i], (nr_held - i) * sizeof(held[0]));
    nr_held--;
    l->holders--;

    if ( how & LOCK_IRQ )
    {
        if ( irqs_on )
            broken(where, "unlock_irq with IRQs on");
        sim_irqs(true);
    }
    if ( how & LOCK_IRQSAVE )
        sim_irqs(flags);
}

/* ---- memory -------------------------------------------------------------- */

static struct timer *timers;

static void check_context(const char *where)
{
    if ( !irqs_on || irq_depth )
        broken(where, "allocates or frees memory with IRQs off");
    if ( nr_held )
        broken(where, "allocates or frees memory, holds the lock of %s",
               held[0].lock->where);
}

void *sim_alloc(size_t size, bool zero, const char *where)
{
    void *p;

    check_context(where);
    if ( sim.alloc_fail_in && !--sim.alloc_fail_in )
        return NULL;

    p = malloc(size);
    ASSERT(p);
    memset(p, zero ? 0 : 0xa5, size);
    sim.allocs++;
    sim.live_allocs++;

    return p;
}

void sim_free(void *p, const char *where)
{
    const char *start = p, *end;
    const struct timer *t;

    if ( !p )
        return;
    check_context(where);

    end = start + malloc_usable_size(p);
    for ( t = timers; t; t = t->next )
        if ( (const char *)t >= start && (const char *)t < end )
            broken(where, "frees memory with an active timer in it");

    sim.live_allocs--;
    free(p);
}

bool alloc_cpumask_var(cpumask_var_t *m)
{
    *m = xmalloc(cpumask_t);
    return *m;
}

bool zalloc_cpumask_var(cpumask_var_t *m)
{
    *m = xzalloc(cpumask_t);
    return *m;
}

void free_cpumask_var(cpumask_var_t m)
{
    xfree(m);
}

bool sim_guest_copy_ok(void)
{
    if ( nr_held )
        broken(held[0].lock->where, "copies to or from a guest with the lock");
    return !sim.guest_copy_fails;
}

/* ---- clock and timers ----------------------------------------------------- */

static const struct timer *timer_running;

s_time_t get_s_time(void)
{
    return sim.now_ns + sim.skew_ns[sim_cpu];
}

static bool timer_unlink(struct timer *t)
{
    struct timer **p;

    for ( p = &timers; *p; p = &(*p)->next )
        if ( *p == t )
        {
            *p = t->next;
            return true;
        }

    return false;
}

void init_timer(struct timer *t, void (*fn)(void *), void *data,
                unsigned int cpu)
{
    if ( timer_unlink(t) )
        BUG();
    *t = (struct timer){ .state = TIMER_STATE_inactive, .function = fn,
                         .data = data, .cpu = cpu };
}

static void check_timer(const struct timer *t)
{
    if ( t->state < TIMER_STATE_inactive || t->state > TIMER_STATE_killed )
        sim_bug(__FILE__, __LINE__, "the timer was never initialised");
}

void set_timer(struct timer *t, s_time_t expires)
{
    check_timer(t);
    if ( t->state == TIMER_STATE_killed )
        return;
    timer_unlink(t);
    t->expires = expires;
    if ( sim.timer_slop_ns && expires < STIME_MAX - sim.timer_slop_ns )
        t->expires += sim_below(sim.timer_slop_ns + 1);
    t->state = TIMER_STATE_active;
    t->next = timers;
    timers = t;
}

void stop_timer(struct timer *t)
{
    check_timer(t);
    timer_unlink(t);
    if ( t->state == TIMER_STATE_active )
        t->state = TIMER_STATE_inactive;
}

void kill_timer(struct timer *t)
{
    check_timer(t);
    if ( t == timer_running )
        sim_bug(__FILE__, __LINE__, "kill_timer() from the timer's handler");
    timer_unlink(t);
    t->state = TIMER_STATE_killed;
}

void migrate_timer(struct timer *t, unsigned int cpu)
{
    check_timer(t);
    t->cpu = cpu;
}

s_time_t sim_timer_next(void)
{
    const struct timer *t;
    s_time_t next = STIME_MAX;

    for ( t = timers; t; t = t->next )
        next = min(next, t->expires);

    return next;
}

/* Runs what is due: the earliest first, of equals the one set last. */
void sim_timers_run(void)
{
    for ( ; ; )
    {
        struct timer *t, *first = NULL;

        for ( t = timers; t; t = t->next )
            if ( t->expires <= sim.now_ns &&
                 (!first || t->expires < first->expires) )
                first = t;
        if ( !first )
            return;

        timer_unlink(first);
        first->state = TIMER_STATE_inactive;
        if ( !cpu_online(first->cpu) )
            sim_bug(__FILE__, __LINE__, "timer on a CPU that is not online");
        sim_enter(first->cpu);
        timer_running = first;
        first->function(first->data);
        timer_running = NULL;
        sim_enter(0);
    }
}

/* Reads every byte, so that valgrind or MSan see what was not written. */
void sim_trace(const void *data, size_t size)
{
    static volatile uint8_t sink;
    const uint8_t *p = data;

    while ( size-- )
        sink ^= *p++;
}
