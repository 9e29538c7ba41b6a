/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's scheduler environment in user space.
 *
 * Every header that a scheduler includes and that is not usable outside the
 * hypervisor is a one-line stub (made by module.mk) which includes this file.
 * So the schedulers compile unmodified. xen/list.h, xen/err.h, xen/rbtree.h,
 * the public headers and sched/private.h are Xen's own; struct sched_unit, the
 * VPF_* bits and their helpers are cut out of Xen's sched.h at build time.
 *
 * The simulation is single threaded. What a lock protects against cannot
 * happen, so locks, the allocator and the timers check their rules instead:
 *  - a lock is taken in one IRQ state only, never twice, in one order;
 *  - memory is never allocated or freed with a lock held or IRQs off;
 *  - memory with an active timer or a held lock in it is never freed.
 * A rule that is broken ends the program with the place and the seed.
 */
#ifndef SIM_HARNESS_H
#define SIM_HARNESS_H

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- xen/compiler.h, xen/types.h, xen/lib.h --------------------------- */

#define BITS_PER_LONG 64
#define NR_CPUS       64

typedef int64_t s64;
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
#include "queue.h"        /* s_time_t */
#define PRI_stime PRId64

#define always_inline        inline __attribute__((always_inline))
#define noinline             __attribute__((noinline))
#define cf_check
#define likely(x)            __builtin_expect(!!(x), 1)
#define unlikely(x)          __builtin_expect(!!(x), 0)
#define __init
#define __initdata
#define __initconst
#define __initconstrel
#define __read_mostly
#define __ro_after_init
#define __packed             __attribute__((packed))
#define __must_check         __attribute__((warn_unused_result))
#define __maybe_unused       __attribute__((unused))
#define __used               __attribute__((used))
/* A section name without a dot gets __start_ and __stop_ symbols. */
#define __used_section(s)    __attribute__((used, section("sim_schedulers")))
#define fallthrough          __attribute__((fallthrough))

#define ARRAY_SIZE(a)        (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)   (((n) + (d) - 1) / (d))
#define ROUNDUP(x, a)        (((x) + (a) - 1) & ~((a) - 1))
#define BUILD_BUG_ON(c)      ((void)sizeof(char[1 - 2 * !!(c)]))
#define ACCESS_ONCE(x)       (*(volatile typeof(x) *)&(x))
#define read_atomic(p)       ACCESS_ONCE(*(p))
#define write_atomic(p, x)   ((void)(ACCESS_ONCE(*(p)) = (x)))
#define add_sized(p, x)      ((void)(*(p) += (x)))
#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))
#define min(a, b) \
    ({ typeof(a) a_ = (a); typeof(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) \
    ({ typeof(a) a_ = (a); typeof(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(t, a, b)       min((t)(a), (t)(b))
#define max_t(t, a, b)       max((t)(a), (t)(b))
#define __max(a, b)          ((a) > (b) ? (a) : (b))
#define SWAP(a, b) \
    do { typeof(a) t_ = (a); (a) = (b); (b) = t_; } while ( 0 )
#define count_args_(dot, a1, a2, a3, a4, a5, a6, a7, a8, x, ...) x
#define count_args(args...) \
    count_args_(., ## args, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define __stringify_(x)      #x
#define __stringify(x)       __stringify_(x)
#define typesafe

void sim_bug(const char *file, int line, const char *what)
    __attribute__((noreturn));
#define BUG()                sim_bug(__FILE__, __LINE__, "BUG()")
#define BUG_ON(c)            do { if ( c ) sim_bug(__FILE__, __LINE__, #c); } \
                             while ( 0 )
#define WARN_ON(c)           BUG_ON(c)
#define WARN()               BUG()
#define ASSERT(c)            do { if ( !(c) ) sim_bug(__FILE__, __LINE__, \
                                                      "ASSERT(" #c ")"); } \
                             while ( 0 )
#define ASSERT_UNREACHABLE() BUG()
#define panic(fmt, args...)  sim_bug(__FILE__, __LINE__, fmt)

/* No format attribute: Xen's %pv, %pd and %pbl are not printf's. */
int printk(const char *fmt, ...);
#define printk_once          printk
#define dprintk(l, fmt, args...)  printk(l fmt, ## args)
#define gdprintk(l, fmt, args...) printk(l fmt, ## args)
#define gprintk(l, fmt, args...)  printk(l fmt, ## args)
#define XENLOG_ERR           ""
#define XENLOG_WARNING       ""
#define XENLOG_INFO          ""
#define XENLOG_DEBUG         ""
#define XENLOG_G_ERR         ""
#define XENLOG_G_WARNING     ""
#define XENLOG_G_INFO        ""
#define PR_cpumask           "p"
#define CPUMASK_PR(m)        (m)

#define integer_param(n, v)
#define boolean_param(n, v)
#define size_param(n, v)
#define string_param(n, v)
#define custom_param(n, v) \
    static const void *const param_##v __attribute__((unused)) = (v)
#define custom_runtime_param custom_param
#define integer_runtime_param(n, v)

/* Enough of the text helpers for parameter parsers. */
#define simple_strtoul       strtoul
unsigned long strtoul(const char *s, char **end, int base);

/* ---- bits, atomics, barriers ------------------------------------------ */

#define smp_mb()             __asm__ volatile ( "" ::: "memory" )
#define smp_rmb()            smp_mb()
#define smp_wmb()            smp_mb()
#define barrier()            smp_mb()
#define smp_mb__after_atomic() smp_mb()
#define smp_mb__before_atomic() smp_mb()
#define cpu_relax()          sim_bug(__FILE__, __LINE__, "waits for another CPU")
#define prefetch(p)          __builtin_prefetch(p)

static inline bool test_bit(unsigned int nr, const volatile void *addr)
{
    return (((const volatile uint32_t *)addr)[nr / 32] >> (nr % 32)) & 1;
}
static inline void set_bit(unsigned int nr, volatile void *addr)
{
    ((volatile uint32_t *)addr)[nr / 32] |= 1u << (nr % 32);
}
static inline void clear_bit(unsigned int nr, volatile void *addr)
{
    ((volatile uint32_t *)addr)[nr / 32] &= ~(1u << (nr % 32));
}
static inline bool test_and_set_bit(unsigned int nr, volatile void *addr)
{
    bool old = test_bit(nr, addr);

    set_bit(nr, addr);
    return old;
}
static inline bool test_and_clear_bit(unsigned int nr, volatile void *addr)
{
    bool old = test_bit(nr, addr);

    clear_bit(nr, addr);
    return old;
}
#define __set_bit            set_bit
#define __clear_bit          clear_bit
#define __test_and_set_bit   test_and_set_bit
#define __test_and_clear_bit test_and_clear_bit
#define test_and_clear_bool(b) ({ bool o_ = (b); (b) = false; o_; })
#define flsl(x)  ({ unsigned long x_ = (x); x_ ? 64 - __builtin_clzl(x_) : 0; })
#define fls64(x) flsl(x)
#define fls(x) \
    ({ unsigned int f_ = (x); f_ ? 32 - __builtin_clz(f_) : 0; })
#define ffs(x)   __builtin_ffs(x)
#define hweight64(x) __builtin_popcountl(x)
#define ilog2(x) (flsl(x) - 1)
#define do_div(n, base) \
    ({ uint32_t b_ = (base), r_ = (n) % b_; (n) /= b_; r_; })

typedef struct { int counter; } atomic_t;
#define ATOMIC_INIT(i)       { (i) }
#define atomic_read(v)       ((v)->counter)
#define _atomic_read(v)      ((v).counter)
#define atomic_set(v, i)     ((void)((v)->counter = (i)))
#define atomic_add(i, v)     ((void)((v)->counter += (i)))
#define atomic_sub(i, v)     ((void)((v)->counter -= (i)))
#define atomic_inc(v)        atomic_add(1, v)
#define atomic_dec(v)        atomic_sub(1, v)
#define atomic_inc_return(v) (++(v)->counter)
#define atomic_dec_return(v) (--(v)->counter)
#define atomic_dec_and_test(v) (atomic_dec_return(v) == 0)
#define cmpxchg(p, o, n) \
    ({ typeof(*(p)) c_ = *(p); if ( c_ == (o) ) *(p) = (n); c_; })
#define xchg(p, n)           ({ typeof(*(p)) c_ = *(p); *(p) = (n); c_; })

/* ---- xen/cpumask.h: one word is all the CPUs there are ----------------- */

typedef struct cpumask { unsigned long bits; } cpumask_t;
typedef cpumask_t *cpumask_var_t;
typedef struct { unsigned long bits; } nodemask_t;

extern unsigned int nr_cpu_ids;
extern const cpumask_t cpumask_all;
extern cpumask_t cpu_online_map;

static inline unsigned int cpumask_next(int n, const cpumask_t *m)
{
    unsigned long rest = n >= 63 ? 0 : m->bits & (~0ul << (n + 1));

    return rest ? __builtin_ctzl(rest) : nr_cpu_ids;
}
static inline unsigned int cpumask_cycle(int n, const cpumask_t *m)
{
    unsigned int cpu = cpumask_next(n, m);

    return cpu < nr_cpu_ids ? cpu : cpumask_next(-1, m);
}
unsigned int get_random(void);
static inline unsigned int cpumask_any(const cpumask_t *m)
{
    return cpumask_cycle(get_random() % nr_cpu_ids, m);
}
static inline const cpumask_t *cpumask_of(unsigned int cpu)
{
    extern const cpumask_t sim_cpumask_of[NR_CPUS];

    return &sim_cpumask_of[cpu];
}
static inline unsigned int cpumask_last(const cpumask_t *m)
{
    return m->bits ? 63 - __builtin_clzl(m->bits) : nr_cpu_ids;
}
#define cpumask_first(m)          cpumask_next(-1, m)
#define cpumask_test_cpu(c, m)    (((m)->bits >> (c)) & 1)
#define cpumask_set_cpu(c, m)     ((void)((m)->bits |= 1ul << (c)))
#define cpumask_clear_cpu(c, m)   ((void)((m)->bits &= ~(1ul << (c))))
#define __cpumask_set_cpu         cpumask_set_cpu
#define __cpumask_clear_cpu       cpumask_clear_cpu
static inline bool cpumask_test_and_set_cpu(unsigned int c, cpumask_t *m)
{
    bool old = cpumask_test_cpu(c, m);

    cpumask_set_cpu(c, m);
    return old;
}
static inline bool cpumask_test_and_clear_cpu(unsigned int c, cpumask_t *m)
{
    bool old = cpumask_test_cpu(c, m);

    cpumask_clear_cpu(c, m);
    return old;
}
#define __cpumask_test_and_set_cpu cpumask_test_and_set_cpu
#define __cpumask_test_and_clear_cpu cpumask_test_and_clear_cpu
#define cpumask_test_or_cycle(c, m) \
    (cpumask_test_cpu(c, m) ? (c) : cpumask_cycle(c, m))
#define cpumask_setall(m)         ((void)((m)->bits = cpumask_all.bits))
#define cpumask_clear(m)          ((void)((m)->bits = 0))
#define cpumask_copy(d, s)        ((void)((d)->bits = (s)->bits))
#define cpumask_and(d, a, b)      ((void)((d)->bits = (a)->bits & (b)->bits))
#define cpumask_or(d, a, b)       ((void)((d)->bits = (a)->bits | (b)->bits))
#define cpumask_andnot(d, a, b)   ((void)((d)->bits = (a)->bits & ~(b)->bits))
#define cpumask_empty(m)          ((m)->bits == 0)
#define cpumask_full(m)           ((m)->bits == cpumask_all.bits)
#define cpumask_equal(a, b)       ((a)->bits == (b)->bits)
#define cpumask_subset(a, b)      (((a)->bits & ~(b)->bits) == 0)
#define cpumask_intersects(a, b)  (((a)->bits & (b)->bits) != 0)
#define cpumask_weight(m)         __builtin_popcountl((m)->bits)
#define cpumask_bits(m)           (&(m)->bits)
#define for_each_cpu(c, m) \
    for ( (c) = cpumask_first(m); (c) < nr_cpu_ids; (c) = cpumask_next(c, m) )
#define cpu_online(c)             cpumask_test_cpu(c, &cpu_online_map)
#define num_online_cpus()         cpumask_weight(&cpu_online_map)
#define for_each_online_cpu(c)    for_each_cpu(c, &cpu_online_map)

bool alloc_cpumask_var(cpumask_var_t *m);
bool zalloc_cpumask_var(cpumask_var_t *m);
void free_cpumask_var(cpumask_var_t m);
#define cond_alloc_cpumask_var(m)  (*(m) != NULL || alloc_cpumask_var(m))
#define cond_zalloc_cpumask_var(m) (*(m) != NULL || zalloc_cpumask_var(m))
#define FREE_CPUMASK_VAR(m)        (free_cpumask_var(m), (m) = NULL)

/* ---- per-CPU data, topology (one socket, no SMT, unless a test says so) - */

#define DECLARE_PER_CPU(type, name) extern type per_cpu__##name[NR_CPUS]
#define DEFINE_PER_CPU(type, name)  type per_cpu__##name[NR_CPUS]
#define DEFINE_PER_CPU_READ_MOSTLY  DEFINE_PER_CPU
#define per_cpu(name, cpu)          (per_cpu__##name[cpu])
#define this_cpu(name)              per_cpu(name, smp_processor_id())

extern unsigned int sim_cpu;
#define smp_processor_id()          sim_cpu

DECLARE_PER_CPU(cpumask_var_t, cpu_sibling_mask);
DECLARE_PER_CPU(cpumask_var_t, cpu_core_mask);
extern unsigned int sim_cpus_per_socket;
#define sched_smt_power_savings     false
#define cpu_to_core(c)              (c)
#define cpu_to_socket(c)            ((c) / sim_cpus_per_socket)
#define cpu_to_node(c)              cpu_to_socket(c)
#define cpu_nr_siblings(c)          1u
struct cpuinfo_x86 { unsigned int x86_num_siblings; };
extern struct cpuinfo_x86 cpu_data[NR_CPUS];

/* ---- locks ------------------------------------------------------------- */

/* All locks that are initialised by one line of source make up a class. */
struct lock_class {
    const char *where;
    int id;             /* from 1; 0: not used yet */
    int irqs_off;       /* from the first use: 1 on, 2 off */
};

typedef struct spinlock {
    struct lock_class *class;
    unsigned int holders;   /* 1, or the number of readers of an rwlock */
    bool writer;
    const char *where;      /* taken last */
} spinlock_t;
typedef spinlock_t rwlock_t;

#define SIM_HERE  __FILE__ ":" __stringify(__LINE__)
#define SIM_LOCK_UNLOCKED \
    { .class = &(struct lock_class){ .where = SIM_HERE } }
#define SPIN_LOCK_UNLOCKED   SIM_LOCK_UNLOCKED
#define DEFINE_SPINLOCK(l)   spinlock_t l = SIM_LOCK_UNLOCKED
#define DEFINE_RWLOCK(l)     rwlock_t l = SIM_LOCK_UNLOCKED
#define spin_lock_init(l) \
    do { \
        static struct lock_class class_ = { .where = SIM_HERE }; \
        *(l) = (spinlock_t){ .class = &class_ }; \
    } while ( 0 )
#define rwlock_init          spin_lock_init

enum { LOCK_READ = 1, LOCK_TRY = 2, LOCK_IRQ = 4, LOCK_IRQSAVE = 8 };
bool sim_lock(spinlock_t *l, unsigned int how, unsigned long *flags,
              const char *where);
void sim_unlock(spinlock_t *l, unsigned int how, unsigned long flags,
                const char *where);

bool local_irq_is_enabled(void);
bool in_irq(void);
void sim_irqs(bool on);
#define local_irq_disable()      sim_irqs(false)
#define local_irq_enable()       sim_irqs(true)
#define local_irq_save(f)        ((f) = local_irq_is_enabled(), sim_irqs(false))
#define local_irq_restore(f)     sim_irqs(f)

#define spin_is_locked(l)        ((l)->holders != 0)
#define rw_is_locked(l)          ((l)->holders != 0)
#define rw_is_write_locked(l)    ((l)->holders != 0 && (l)->writer)
#define spin_lock(l)             ((void)sim_lock(l, 0, NULL, SIM_HERE))
#define spin_lock_irq(l)         ((void)sim_lock(l, LOCK_IRQ, NULL, SIM_HERE))
#define spin_lock_irqsave(l, f) \
    ((void)sim_lock(l, LOCK_IRQSAVE, &(f), SIM_HERE))
#define spin_trylock(l)          sim_lock(l, LOCK_TRY, NULL, SIM_HERE)
#define spin_unlock(l)           sim_unlock(l, 0, 0, SIM_HERE)
#define spin_unlock_irq(l)       sim_unlock(l, LOCK_IRQ, 0, SIM_HERE)
#define spin_unlock_irqrestore(l, f) \
    sim_unlock(l, LOCK_IRQSAVE, f, SIM_HERE)
#define _spin_lock(l)            spin_lock(l)
#define _spin_lock_irq(l)        spin_lock_irq(l)
#define _spin_lock_irqsave(l) \
    ({ unsigned long f_; spin_lock_irqsave(l, f_); f_; })
#define block_lock_speculation() ((void)0)

#define read_lock(l)             ((void)sim_lock(l, LOCK_READ, NULL, SIM_HERE))
#define read_lock_irq(l) \
    ((void)sim_lock(l, LOCK_READ | LOCK_IRQ, NULL, SIM_HERE))
#define read_lock_irqsave(l, f) \
    ((void)sim_lock(l, LOCK_READ | LOCK_IRQSAVE, &(f), SIM_HERE))
#define read_trylock(l)          sim_lock(l, LOCK_READ | LOCK_TRY, NULL, SIM_HERE)
#define read_unlock(l)           sim_unlock(l, LOCK_READ, 0, SIM_HERE)
#define read_unlock_irq(l)       sim_unlock(l, LOCK_READ | LOCK_IRQ, 0, SIM_HERE)
#define read_unlock_irqrestore(l, f) \
    sim_unlock(l, LOCK_READ | LOCK_IRQSAVE, f, SIM_HERE)
#define write_lock               spin_lock
#define write_lock_irq           spin_lock_irq
#define write_lock_irqsave       spin_lock_irqsave
#define write_trylock            spin_trylock
#define write_unlock             spin_unlock
#define write_unlock_irq         spin_unlock_irq
#define write_unlock_irqrestore  spin_unlock_irqrestore

/* Read-copy-update: nothing runs in parallel; only the balance is kept. */
typedef struct { int readers; } rcu_read_lock_t;
struct rcu_head { char unused; };
#define DEFINE_RCU_READ_LOCK(l)  rcu_read_lock_t l
#define rcu_read_lock(l)         ((void)(l)->readers++)
#define rcu_read_unlock(l)       ((void)(l)->readers--)
#define rcu_dereference(p)       (p)
#define rcu_assign_pointer(p, v) ((void)((p) = (v)))
extern rcu_read_lock_t sched_res_rculock, domlist_read_lock;

/* ---- memory ------------------------------------------------------------ */

void *sim_alloc(size_t size, bool zero, const char *where);
void sim_free(void *p, const char *where);
#define xzalloc(type)            ((type *)sim_alloc(sizeof(type), true, SIM_HERE))
#define xmalloc(type)            ((type *)sim_alloc(sizeof(type), false, SIM_HERE))
#define xzalloc_array(type, n) \
    ((type *)sim_alloc(sizeof(type) * (n), true, SIM_HERE))
#define xmalloc_array(type, n) \
    ((type *)sim_alloc(sizeof(type) * (n), false, SIM_HERE))
#define xzalloc_bytes(n)         sim_alloc(n, true, SIM_HERE)
#define xmalloc_bytes(n)         sim_alloc(n, false, SIM_HERE)
#define xzalloc_flex_struct(type, field, n) \
    ((type *)sim_alloc(offsetof(type, field[n]), true, SIM_HERE))
#define xfree(p)                 sim_free(p, SIM_HERE)
#define XFREE(p)                 (xfree(p), (p) = NULL)

/* ---- time, timers, softirqs -------------------------------------------- */

s_time_t get_s_time(void);
#define NOW()                    get_s_time()
#define SECONDS(s)               ((s_time_t)((s) * 1000000000ULL))
#define MILLISECS(ms)            ((s_time_t)((ms) * 1000000ULL))
#define MICROSECS(us)            ((s_time_t)((us) * 1000ULL))
#define STIME_MAX                INT64_MAX
#define STIME_DELTA_MAX          ((s_time_t)((uint64_t)~0ull >> 2))

struct timer {
    s_time_t expires;
    unsigned int cpu;
    enum { TIMER_STATE_invalid, TIMER_STATE_inactive, TIMER_STATE_active,
           TIMER_STATE_killed } state;
    void (*function)(void *data);
    void *data;
    struct timer *next;
};
void init_timer(struct timer *t, void (*fn)(void *), void *data,
                unsigned int cpu);
void set_timer(struct timer *t, s_time_t expires);
void stop_timer(struct timer *t);
void kill_timer(struct timer *t);
void migrate_timer(struct timer *t, unsigned int cpu);
static inline bool active_timer(const struct timer *t)
{
    return t->state == TIMER_STATE_active;
}

enum { TIMER_SOFTIRQ, RCU_SOFTIRQ, SCHED_SLAVE_SOFTIRQ, SCHEDULE_SOFTIRQ };
void cpu_raise_softirq(unsigned int cpu, unsigned int nr);
void cpumask_raise_softirq(const cpumask_t *mask, unsigned int nr);
void raise_softirq(unsigned int nr);
bool softirq_pending(unsigned int cpu);
static inline bool hypercall_preempt_check(void) { return false; }

/* ---- tracing, performance counters ------------------------------------- */

extern int tb_init_done;
void sim_trace(const void *data, size_t size);
#define trace_var(ev, cycles, size, data)   sim_trace(data, size)
#define __trace_var(ev, cycles, size, data) sim_trace(data, size)
#define SIM_TRACE_ARGS(args...) \
    do { \
        if ( unlikely(tb_init_done) ) \
        { \
            uint32_t t_[] = { 0, ## args }; \
            sim_trace(t_, sizeof(t_)); \
        } \
    } while ( 0 )
#define TRACE_0D(e)              ((void)0)
#define TRACE_1D(e, args...)     SIM_TRACE_ARGS(args)
#define TRACE_2D                 TRACE_1D
#define TRACE_3D                 TRACE_1D
#define TRACE_4D                 TRACE_1D
#define TRACE_5D                 TRACE_1D
#define TRACE_6D                 TRACE_1D
#define SCHED_STAT_CRANK(x)      ((void)0)
#define perfc_incr(x)            ((void)0)
#define perfc_add(x, y)          ((void)0)

/* ---- domains, vCPUs and what the core offers --------------------------- */

#ifndef __XEN__
#define __XEN__ 1
#endif
#include <public/xen.h>
#include <public/vcpu.h>
#include <public/trace.h>
#include <public/domctl.h>
#include <public/sysctl.h>

struct domain;
struct sched_unit;
struct sched_resource;
struct scheduler;
struct cpupool;

struct vcpu {
    int vcpu_id;
    unsigned int processor;
    struct domain *domain;
    struct vcpu *next_in_list;
    struct sched_unit *sched_unit;
    struct vcpu_runstate_info runstate;
    int new_state;
    bool is_running;
    bool is_urgent;
    uint8_t affinity_broken;
    int poll_evtchn;
    unsigned long pause_flags;
    atomic_t pause_count;
    struct {                    /* a patch of ours adds it to Xen's */
        uint64_t events[4], events_runnable, events_sent;
    } activity;
    struct sim_work *work;      /* what the guest does; see sim.h */
};

struct domain {
    domid_t domain_id;
    unsigned int max_vcpus;
    struct vcpu **vcpu;
    struct domain *next_in_list;
    struct sched_unit *sched_unit_list;
    void *sched_priv;
    struct cpupool *cpupool;
    atomic_t pause_count;
    int is_dying;
    bool is_shut_down, is_shutting_down;
    unsigned long poll_mask[1];
    cpumask_t dirty_cpumask;
};

#define is_idle_domain(d)        ((d)->domain_id == DOMID_IDLE)
#define is_idle_vcpu(v)          is_idle_domain((v)->domain)
extern struct domain *domain_list, *hardware_domain;
#define is_hardware_domain(d)    ((d) == hardware_domain)

extern struct vcpu *sim_current[NR_CPUS];
#define current                  (sim_current[sim_cpu])
extern struct vcpu *idle_vcpu[NR_CPUS];

#include <sim/sched-unit.h>      /* cut out of Xen's sched.h */

struct domain *sim_first_domain(const struct cpupool *c);
struct domain *sim_next_domain(const struct domain *d, const struct cpupool *c);
#define for_each_domain(d) \
    for ( (d) = domain_list; (d) != NULL; (d) = (d)->next_in_list )
#define for_each_domain_in_cpupool(d, c) \
    for ( (d) = sim_first_domain(c); (d) != NULL; (d) = sim_next_domain(d, c) )
#define for_each_vcpu(d, v) \
    for ( (v) = (d)->vcpu ? (d)->vcpu[0] : NULL; (v); (v) = (v)->next_in_list )
static inline bool is_vcpu_online(const struct vcpu *v)
{
    return !test_bit(_VPF_down, &v->pause_flags);
}
#define domain_shutdown_completed(d) ((d)->is_shut_down)

void vcpu_wake(struct vcpu *v);
void vcpu_unblock(struct vcpu *v);
void vcpu_sleep_nosync(struct vcpu *v);
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
void vcpu_runstate_get(const struct vcpu *v,
                       struct vcpu_runstate_info *runstate);

/* ---- guest memory: ordinary memory; a copy may be made to fail ---------- */

bool sim_guest_copy_ok(void);
#define guest_handle_is_null(h)  ((h).p == NULL)
#define guest_handle_okay(h, nr) (!guest_handle_is_null(h) || !(nr))
#define copy_to_guest_offset(h, off, ptr, nr) \
    ({ const typeof(*(ptr)) *s_ = (ptr); bool ok_ = sim_guest_copy_ok(); \
       if ( ok_ ) memcpy((char *)(h).p + (off) * sizeof(*s_), s_, \
                         sizeof(*s_) * (nr)); \
       ok_ ? 0UL : sizeof(*s_) * (nr); })
#define copy_from_guest_offset(ptr, h, off, nr) \
    ({ typeof(*(ptr)) *d_ = (ptr); bool ok_ = sim_guest_copy_ok(); \
       if ( ok_ ) memcpy(d_, (const char *)(h).p + (off) * sizeof(*d_), \
                         sizeof(*d_) * (nr)); \
       ok_ ? 0UL : sizeof(*d_) * (nr); })
#define clear_guest_offset(h, off, nr) \
    ({ bool ok_ = sim_guest_copy_ok(); \
       if ( ok_ ) memset((h).p + (off), 0, sizeof(*(h).p) * (nr)); \
       ok_ ? 0UL : sizeof(*(h).p) * (nr); })
#define copy_to_guest(h, ptr, nr)     copy_to_guest_offset(h, 0, ptr, nr)
#define copy_from_guest(ptr, h, nr)   copy_from_guest_offset(ptr, h, 0, nr)
#define __copy_to_guest_offset        copy_to_guest_offset
#define __copy_from_guest_offset      copy_from_guest_offset
#define __copy_to_guest               copy_to_guest
#define guest_handle_add_offset(h, n) ((h).p += (n))
#define guest_handle_cast(h, type) \
    ({ XEN_GUEST_HANDLE(type) c_ = { (void *)(h).p }; c_; })

#endif /* SIM_HARNESS_H */
