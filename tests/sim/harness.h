/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen in user space, as far as its scheduler sees it.
 *
 * Every header that sched/core.c, cpupool.c or a scheduler includes and that is
 * not usable outside the hypervisor is a one-line stub (made by ./stubs) which
 * includes this file. So they compile unmodified. xen/list.h, err.h, rbtree.h,
 * cpu.h, notifier.h, the public headers and sched/private.h are Xen's own; what
 * else is needed of Xen's sched.h, softirq.h, ... is cut out at build time.
 *
 * Two builds: the checked one asserts what Xen asserts, and rules of its own:
 *  - locks, see locks.h;
 *  - memory is never allocated or freed with a lock held or IRQs off;
 *  - memory with an active timer in it is never freed.
 * A rule that is broken ends the program with the place and the seed. The fast
 * one (SIM_FAST) is like a release Xen: BUG_ON() is on, ASSERT() is not.
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

/* ---- xen/compiler.h, xen/types.h, xen/lib.h ----------------------------- */

#define BITS_PER_LONG 64
#ifdef SIM_FAST
#define NR_CPUS       512
#else
#define NR_CPUS       128
#endif
#define CONFIG_X86
#define CONFIG_HAS_SCHED_GRANULARITY
#define CONFIG_SCHED_DEFAULT "credit2"

#include "queue.h"

typedef int64_t s64;
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef bool bool_t;
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
#define __used_section(s)    __attribute__((used, section("schedulers_array")))
#define __end_schedulers_array __stop_schedulers_array
#define __initcall(fn)       int (*const sim_initcall_##fn)(void) = (fn)
extern int (*const sim_initcall_cpupool_init)(void);
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
#ifndef SIM_FAST
#define ASSERT(c)            do { if ( !(c) ) sim_bug(__FILE__, __LINE__, \
                                                      "ASSERT(" #c ")"); } \
                             while ( 0 )
#define ASSERT_UNREACHABLE() BUG()
#else
#define ASSERT(c)            do { if ( 0 && (c) ) {} } while ( 0 )
#define ASSERT_UNREACHABLE() ((void)0)
#endif
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

#define debugtrace_printk(fmt, args...) ((void)0)
#define warning_add(text)    ((void)printk(text))

/* ---- xen/param.h: 'name=value' for the command line, see sim_param() ---- */

struct sim_xen_param {
    const char *name;
    enum { PARAM_INTEGER, PARAM_BOOLEAN, PARAM_STRING, PARAM_CUSTOM } kind;
    unsigned int size;
    void *value;
    int (*parse)(const char *s);
};
#define SIM_PARAM_(id, n, k, sz, v, fn) \
    static const struct sim_xen_param sim_param_##id = { n, k, sz, v, fn }; \
    static const struct sim_xen_param *const sim_param_at_##id \
    __attribute__((used, section("sim_params"))) = &sim_param_##id
#define integer_param(n, v) SIM_PARAM_(v, n, PARAM_INTEGER, sizeof(v), &v, NULL)
#define boolean_param(n, v) SIM_PARAM_(v, n, PARAM_BOOLEAN, sizeof(v), &v, NULL)
#define string_param(n, v)  SIM_PARAM_(v, n, PARAM_STRING, sizeof(v), &v, NULL)
#define custom_param(n, fn) SIM_PARAM_(fn, n, PARAM_CUSTOM, 0, NULL, fn)
#define custom_runtime_param  custom_param
#define integer_runtime_param integer_param

/* Enough of the text helpers for parameter parsers. */
#define simple_strtoul       strtoul
unsigned long strtoul(const char *s, char **end, int base);

/* ---- bits, atomics, barriers -------------------------------------------- */

#define smp_mb()             __asm__ volatile ( "" ::: "memory" )
#define smp_rmb()            smp_mb()
#define smp_wmb()            smp_mb()
#define barrier()            smp_mb()
#define smp_mb__after_atomic() smp_mb()
#define smp_mb__before_atomic() smp_mb()
/* Lets the other pCPUs go on: pcpu.c. */
void cpu_relax(void);
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

#include "masks.h"

/* ---- per-CPU data, topology --------------------------------------------- */

#define DECLARE_PER_CPU(type, name) extern type per_cpu__##name[NR_CPUS]
#define DEFINE_PER_CPU(type, name)  type per_cpu__##name[NR_CPUS]
#define DEFINE_PER_CPU_READ_MOSTLY  DEFINE_PER_CPU
#define per_cpu(name, cpu)          (per_cpu__##name[cpu])
#define this_cpu(name)              per_cpu(name, smp_processor_id())

extern unsigned int sim_cpu;
#define smp_processor_id()          sim_cpu

DECLARE_PER_CPU(cpumask_var_t, cpu_sibling_mask);
DECLARE_PER_CPU(cpumask_var_t, cpu_core_mask);

/* Threads are numbered within cores, cores within sockets. */
struct cpuinfo_x86 { unsigned int x86_num_siblings; };
struct sim_place { unsigned int core, socket; };
extern struct cpuinfo_x86 cpu_data[NR_CPUS];
extern struct sim_place sim_place[NR_CPUS];
#define cpu_to_core(c)              (sim_place[c].core)
#define cpu_to_socket(c)            (sim_place[c].socket)
#define cpu_to_node(c)              (sim_place[c].socket % MAX_NUMNODES)
#define cpu_nr_siblings(c)          (cpu_data[c].x86_num_siblings)

#include "locks.h"

/* ---- memory ------------------------------------------------------------- */

void *sim_alloc(size_t size, bool zero, const char *where);
void sim_free(void *p, const char *where);
#define xzalloc(type) ((type *)sim_alloc(sizeof(type), true, SIM_HERE))
#define xmalloc(type) ((type *)sim_alloc(sizeof(type), false, SIM_HERE))
#define xzalloc_array(type, n) \
    ((type *)sim_alloc(sizeof(type) * (n), true, SIM_HERE))
#define xmalloc_array(type, n) \
    ((type *)sim_alloc(sizeof(type) * (n), false, SIM_HERE))
#define xzalloc_bytes(n)         sim_alloc(n, true, SIM_HERE)
#define xmalloc_bytes(n)         sim_alloc(n, false, SIM_HERE)
#define xzalloc_flex_struct(type, field, n) \
    ((type *)sim_alloc(offsetof(type, field[n]), true, SIM_HERE))
#define xmalloc_flex_struct(type, field, n) \
    ((type *)sim_alloc(offsetof(type, field[n]), false, SIM_HERE))
#define xfree(p)                 sim_free(p, SIM_HERE)
#define XFREE(p)                 (xfree(p), (p) = NULL)

/* ---- time, timers, softirqs --------------------------------------------- */

s_time_t get_s_time(void);
#define NOW()                    get_s_time()
#define SECONDS(s)               ((s_time_t)((s) * 1000000000ULL))
#define MILLISECS(ms)            ((s_time_t)((ms) * 1000000ULL))
#define MICROSECS(us)            ((s_time_t)((us) * 1000ULL))
#define STIME_MAX                INT64_MAX
#define STIME_DELTA_MAX          ((s_time_t)((uint64_t)~0ull >> 2))

#include <sim/timer.h>           /* cut out of Xen's */
struct timer {
    s_time_t expires;
    unsigned int cpu;
    uint8_t status;
    void (*function)(void *data);
    void *data;
    struct sim_event event;
};
void init_timer(struct timer *t, void (*fn)(void *), void *data,
                unsigned int cpu);
void set_timer(struct timer *t, s_time_t expires);
void stop_timer(struct timer *t);
void kill_timer(struct timer *t);
void migrate_timer(struct timer *t, unsigned int cpu);
void timers_be_prompt(bool prompt);
bool timer_expires_before(struct timer *t, s_time_t until);
static inline bool active_timer(const struct timer *t)
{
    return t->status == TIMER_STATUS_in_heap;
}

#include <sim/softirq.h>         /* cut out of Xen's */
typedef void (*softirq_handler)(void);
void open_softirq(int nr, softirq_handler handler);
void cpu_raise_softirq(unsigned int cpu, unsigned int nr);
void cpumask_raise_softirq(const cpumask_t *mask, unsigned int nr);
void raise_softirq(unsigned int nr);
bool softirq_pending(unsigned int cpu);
static inline bool hypercall_preempt_check(void) { return false; }

#include <sim/tasklet.h>

/* ---- tracing, performance counters -------------------------------------- */

extern int tb_init_done;
void sim_trace(uint32_t event, const void *data, size_t size);
#define trace_var(ev, cycles, size, data) \
    do { if ( unlikely(tb_init_done) ) sim_trace(ev, data, size); } while ( 0 )
#define __trace_var(ev, cycles, size, data) sim_trace(ev, data, size)
#define SIM_TRACE_ARGS(e, args...) \
    do { \
        if ( unlikely(tb_init_done) ) \
        { \
            uint32_t t_[] = { 0, ## args }; \
            sim_trace(e, t_ + 1, sizeof(t_) - sizeof(t_[0])); \
        } \
    } while ( 0 )
#define TRACE_0D                 SIM_TRACE_ARGS
#define TRACE_1D                 SIM_TRACE_ARGS
#define TRACE_2D                 TRACE_1D
#define TRACE_3D                 TRACE_1D
#define TRACE_4D                 TRACE_1D
#define TRACE_5D                 TRACE_1D
#define TRACE_6D                 TRACE_1D
#define SCHED_STAT_CRANK(x)      ((void)0)
#define perfc_incr(x)            ((void)0)
#define perfc_add(x, y)          ((void)0)

#include "vcpus.h"

/* ---- guest memory: ordinary memory; a copy may be made to fail ---------- */

bool sim_guest_copy_ok(void);
int cpumask_to_xenctl_bitmap(struct xenctl_bitmap *bitmap,
                             const cpumask_t *mask);
int xenctl_bitmap_to_bitmap(unsigned long *bits,
                            const struct xenctl_bitmap *bitmap,
                            unsigned int nbits);
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
