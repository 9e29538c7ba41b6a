/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the harness that keep state: locks and memory; and failure. */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim.h"

void __sanitizer_print_stack_trace(void) __attribute__((weak));

struct sim sim;
unsigned int sim_cpu;
int tb_init_done, sim_rcu_readers;

void sim_bug(const char *file, int line, const char *what)
{
    if ( sim.failed )
        sim.failed(what);
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s\n  at t=%" PRId64 " ns on CPU %u, seed %" PRIu64
            ", step %" PRIu64 " (%s)\n", file, line, what, sim.now_ns, sim_cpu,
            sim.seed, sim.step, sim.doing ? sim.doing : "-");
    if ( __sanitizer_print_stack_trace )
        __sanitizer_print_stack_trace();
    _exit(70);
}

int printk(const char *fmt, ...)
{
    char line[256];
    va_list args;

    if ( sim.printed )
    {
        va_start(args, fmt);
        vsnprintf(line, sizeof(line), fmt, args);
        va_end(args);
        sim.printed(line);
    }

    return sim.verbose ? fputs(fmt, stdout) : 0;
}

/* Reads every byte, so that valgrind or MSan see what was not written. */
void sim_trace(uint32_t event, const void *data, size_t size)
{
    static volatile uint8_t sink;
    const uint8_t *p = data;
    size_t i;

    for ( i = 0; i < size; i++ )
        sink ^= p[i];
    if ( sim.traced )
        sim.traced(event, data, size);
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

/* ---- IRQ state and locks ------------------------------------------------ */

#ifndef SIM_FAST

#define CLASSES_MAX 64
/* Of no scheduler; Xen allocates memory and does a lot else with it held. */
#define POOL_LOCK   "/cpupool.c:"

static struct sim_context now = { .irqs_on = true };
static bool rules = true;
static struct lock_class *classes[CLASSES_MAX];
static uint64_t after[CLASSES_MAX];     /* classes ever taken inside of it */
static unsigned int nr_classes;

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

bool local_irq_is_enabled(void)
{
    return now.irqs_on;
}

bool in_irq(void)
{
    return now.irq_depth;
}

void sim_irqs(bool on)
{
    unsigned int i;

    if ( on && !now.irqs_on && rules )
        for ( i = 0; i < now.nr_held; i++ )
            if ( now.held[i].lock->class->irqs_off == 2 )
                broken(now.held[i].lock->where,
                       "IRQs enabled with the lock held");
    now.irqs_on = on;
}

unsigned int sim_locks_held(void)
{
    return now.nr_held;
}

void sim_context_save(struct sim_context *context)
{
    *context = now;
    context->cpu = sim_cpu;
    now.nr_held = now.irq_depth = 0;
    now.irqs_on = true;
}

void sim_context_restore(const struct sim_context *context)
{
    ASSERT(!now.nr_held && now.irqs_on);
    now = *context;
    sim_cpu = context->cpu;
}

void sim_enter(unsigned int cpu)
{
    ASSERT(!now.nr_held && now.irqs_on);
    sim_cpu = cpu;
}

/* Nothing of a scheduler's is protected from other pCPUs. */
bool sim_unprotected(void)
{
    unsigned int i;

    for ( i = 0; i < now.nr_held; i++ )
        if ( !strstr(now.held[i].lock->class->where, POOL_LOCK) )
            return false;

    return now.irqs_on;
}

/* As spin_debug_disable(), which Xen's stop_machine calls. */
void sim_lock_rules(bool on)
{
    rules = on;
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

    for ( i = 0; i < now.nr_held; i++ )
    {
        const spinlock_t *h = now.held[i].lock;
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
        if ( !now.irqs_on )
            broken(where, "_irq with IRQs off already");
        now.irqs_on = false;
    }
    if ( how & LOCK_IRQSAVE )
    {
        *flags = now.irqs_on;
        now.irqs_on = false;
    }

    /* As Xen's check_lock(): used with IRQs off once, always with IRQs off. */
    state = now.irqs_on ? 1 : 2;
    if ( rules && !(how & LOCK_READ) && !((how & LOCK_TRY) && state == 2) )
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

    ASSERT(now.nr_held < ARRAY_SIZE(now.held));
    now.held[now.nr_held].lock = l;
    now.held[now.nr_held++].how = how;
    l->holders++;
    l->writer = !(how & LOCK_READ);
    l->where = where;

    return true;
}

void sim_unlock(spinlock_t *l, unsigned int how, unsigned long flags,
                const char *where)
{
    unsigned int i = now.nr_held;

    while ( i && now.held[i - 1].lock != l )
        i--;
    if ( !i || !l->holders )
        broken(where, "unlocks what it does not hold");
    if ( l->writer != !(how & LOCK_READ) )
        broken(where, "read and write mixed up");

    memmove(&now.held[i - 1], &now.held[i],
            (now.nr_held - i) * sizeof(now.held[0]));
    now.nr_held--;
    l->holders--;

    if ( how & LOCK_IRQ )
    {
        if ( now.irqs_on )
            broken(where, "unlock_irq with IRQs on");
        sim_irqs(true);
    }
    if ( how & LOCK_IRQSAVE )
        sim_irqs(flags);

    if ( unlikely(sim.window_permille) )
        sim_window(sim_below(nr_cpu_ids));
}

#else /* SIM_FAST */

bool sim_unprotected(void)
{
    return false;
}

void sim_context_save(struct sim_context *context)
{
    context->cpu = sim_cpu;
}

void sim_context_restore(const struct sim_context *context)
{
    sim_cpu = context->cpu;
}

void sim_enter(unsigned int cpu)
{
    sim_cpu = cpu;
}

void sim_lock_rules(bool on)
{
}

#endif /* SIM_FAST */

static struct rcu_head *rcu_calls;

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    struct rcu_head **p;

    *head = (struct rcu_head){ .func = func };
    for ( p = &rcu_calls; *p; p = &(*p)->next )
        continue;
    *p = head;
}

bool sim_rcu_pending(void)
{
    return rcu_calls;
}

void sim_rcu_run(void)
{
    while ( rcu_calls && !sim_rcu_readers )
    {
        struct rcu_head *head = rcu_calls;

        rcu_calls = head->next;
        head->func(head);
    }
}

/* ---- memory ------------------------------------------------------------- */

#ifndef SIM_FAST

/*
 * Stricter than Xen, which only minds IRQs: no lock at all may be held. The
 * one exception is cpupool_lock, under which Xen calls into schedulers.
 */
static void check_context(const char *where)
{
    unsigned int i;

    if ( !now.irqs_on || now.irq_depth )
        broken(where, "allocates or frees memory with IRQs off");
    for ( i = 0; i < now.nr_held; i++ )
        if ( !strstr(now.held[i].lock->class->where, POOL_LOCK) )
            broken(where, "allocates or frees memory, holds the lock of %s",
                   now.held[i].lock->where);
}

/* Before each piece of memory: who asked for it. */
struct piece {
    const char *where;
    void *unused;       /* keeps what follows aligned as malloc() does */
};

/* How many there are of each place in the source. */
static struct { const char *where; long live; } sites[SIM_MEMORY_SITES];

static void count_site(const char *where, int change)
{
    unsigned int i = 0;

    while ( sites[i].where && sites[i].where != where )
        i++;
    SIM_CHECK(i < ARRAY_SIZE(sites) - 1);
    sites[i].where = where;
    sites[i].live += change;
}

void sim_memory_remember(struct sim_memory *memory)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(sites); i++ )
        memory->live[i] = sites[i].live;
}

void sim_memory_compare(const struct sim_memory *memory)
{
    bool differs = false;
    unsigned int i;

    for ( i = 0; sites[i].where; i++ )
        if ( sites[i].live != memory->live[i] )
        {
            fprintf(stderr, "%s: %ld pieces before, %ld now\n",
                    sites[i].where, memory->live[i], sites[i].live);
            differs = true;
        }
    if ( differs )
        sim_bug(__FILE__, __LINE__, "memory was never freed, or too much was");
}

void *sim_alloc(size_t size, bool zero, const char *where)
{
    struct piece *p;

    check_context(where);
    if ( sim.alloc_fail_in && !--sim.alloc_fail_in )
        return NULL;

    p = malloc(sizeof(*p) + size);
    SIM_CHECK(p);
    p->where = where;
    count_site(where, 1);

    return memset(p + 1, zero ? 0 : 0xa5, size);
}

void sim_free(void *memory, const char *where)
{
    struct piece *p;

    if ( !memory )
        return;
    check_context(where);
    p = (struct piece *)memory - 1;
    if ( sim_pending_in(p, (char *)p + malloc_usable_size(p)) )
        broken(where, "frees memory with an active timer in it");
    count_site(p->where, -1);
    free(p);
}

#else /* SIM_FAST */

void *sim_alloc(size_t size, bool zero, const char *where)
{
    /* Always zeroed: nothing may depend on what was there before. */
    void *p = calloc(1, size);

    SIM_CHECK(p);

    return p;
}

void sim_free(void *p, const char *where)
{
    free(p);
}

void sim_memory_remember(struct sim_memory *memory)
{
}

void sim_memory_compare(const struct sim_memory *memory)
{
}

#endif /* SIM_FAST */

#if NR_CPUS > 2 * BITS_PER_LONG
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
#endif

/* ---- guest memory ------------------------------------------------------- */

bool sim_guest_copy_ok(void)
{
#ifndef SIM_FAST
    if ( now.nr_held )
        broken(now.held[0].lock->where,
               "copies to or from a guest with the lock");
#endif
    return !sim.guest_copy_fails;
}

/* Both ends have whole words: the callers are the simulator's own. */
int cpumask_to_xenctl_bitmap(struct xenctl_bitmap *bitmap,
                             const cpumask_t *mask)
{
    if ( !sim_guest_copy_ok() )
        return -EFAULT;
    memcpy(bitmap->bitmap.p, mask->bits, DIV_ROUND_UP(bitmap->nr_bits, 8));

    return 0;
}

int xenctl_bitmap_to_bitmap(unsigned long *bits,
                            const struct xenctl_bitmap *bitmap,
                            unsigned int nbits)
{
    unsigned int i;

    if ( !sim_guest_copy_ok() )
        return -EFAULT;
    memset(bits, 0, DIV_ROUND_UP(nbits, BITS_PER_LONG) * sizeof(*bits));
    for ( i = 0; i < nbits && i < bitmap->nr_bits; i++ )
        if ( test_bit(i, bitmap->bitmap.p) )
            set_bit(i, bits);

    return 0;
}
