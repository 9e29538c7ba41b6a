/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen/cpumask.h, xen/nodemask.h: real bitmaps, of which only the words are
 * touched that hold a pCPU of the present machine. Bits of pCPUs that the
 * machine does not have are never set.
 */
#ifndef SIM_MASKS_H
#define SIM_MASKS_H

#define SIM_MASK_WORDS ((NR_CPUS + BITS_PER_LONG - 1) / BITS_PER_LONG)

typedef struct cpumask { unsigned long bits[SIM_MASK_WORDS]; } cpumask_t;

/* As in Xen: small masks are part of what they are in, large ones are not. */
#if NR_CPUS > 2 * BITS_PER_LONG
typedef cpumask_t *cpumask_var_t;
bool alloc_cpumask_var(cpumask_var_t *m);
bool zalloc_cpumask_var(cpumask_var_t *m);
void free_cpumask_var(cpumask_var_t m);
#define cond_alloc_cpumask_var(m)  (*(m) != NULL || alloc_cpumask_var(m))
#define cond_zalloc_cpumask_var(m) (*(m) != NULL || zalloc_cpumask_var(m))
#define FREE_CPUMASK_VAR(m)        (free_cpumask_var(m), (m) = NULL)
#else
typedef cpumask_t cpumask_var_t[1];
static inline bool alloc_cpumask_var(cpumask_var_t *m) { return true; }
static inline bool zalloc_cpumask_var(cpumask_var_t *m)
{
    memset(m, 0, sizeof(*m));
    return true;
}
static inline void free_cpumask_var(cpumask_t *m) {}
#define cond_alloc_cpumask_var     alloc_cpumask_var
#define cond_zalloc_cpumask_var    zalloc_cpumask_var
#define FREE_CPUMASK_VAR           free_cpumask_var
#endif

extern unsigned int nr_cpu_ids, sim_mask_words;     /* set by sim_boot() */
extern cpumask_t cpumask_all, cpu_online_map, sim_cpumask_of[NR_CPUS];

#define for_each_mask_word_(i)    for ( (i) = 0; (i) < sim_mask_words; (i)++ )

static inline unsigned int cpumask_next(int n, const cpumask_t *m)
{
    unsigned int i = (unsigned int)++n / BITS_PER_LONG;
    unsigned long rest;

    if ( i >= sim_mask_words )
        return nr_cpu_ids;
    for ( rest = m->bits[i] & (~0ul << (n % BITS_PER_LONG)); !rest; )
    {
        /* The second is for the compiler, who does not know the first. */
        if ( ++i >= sim_mask_words || i >= SIM_MASK_WORDS )
            return nr_cpu_ids;
        rest = m->bits[i];
    }

    return i * BITS_PER_LONG + __builtin_ctzl(rest);
}
static inline unsigned int cpumask_first(const cpumask_t *m)
{
    return cpumask_next(-1, m);
}
static inline unsigned int cpumask_cycle(int n, const cpumask_t *m)
{
    unsigned int cpu = cpumask_next(n, m);

    return cpu < nr_cpu_ids ? cpu : cpumask_first(m);
}
unsigned int get_random(void);
static inline unsigned int cpumask_any(const cpumask_t *m)
{
    return cpumask_cycle(get_random() % nr_cpu_ids, m);
}
static inline const cpumask_t *cpumask_of(unsigned int cpu)
{
    return &sim_cpumask_of[cpu];
}
static inline unsigned int cpumask_last(const cpumask_t *m)
{
    unsigned int i = sim_mask_words;

    while ( i-- )
        if ( m->bits[i] )
            return i * BITS_PER_LONG + 63 - __builtin_clzl(m->bits[i]);

    return nr_cpu_ids;
}

#define mask_word_(c, m)  ((m)->bits[(c) / BITS_PER_LONG])
#define mask_bit_(c)      (1ul << ((c) % BITS_PER_LONG))
static inline bool cpumask_test_cpu(unsigned int c, const cpumask_t *m)
{
    return mask_word_(c, m) & mask_bit_(c);
}
static inline void cpumask_set_cpu(unsigned int c, cpumask_t *m)
{
    mask_word_(c, m) |= mask_bit_(c);
}
static inline void cpumask_clear_cpu(unsigned int c, cpumask_t *m)
{
    mask_word_(c, m) &= ~mask_bit_(c);
}
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
#define __cpumask_set_cpu            cpumask_set_cpu
#define __cpumask_clear_cpu          cpumask_clear_cpu
#define __cpumask_test_and_set_cpu   cpumask_test_and_set_cpu
#define __cpumask_test_and_clear_cpu cpumask_test_and_clear_cpu
#define cpumask_test_or_cycle(c, m) \
    (cpumask_test_cpu(c, m) ? (c) : cpumask_cycle(c, m))

static inline void cpumask_clear(cpumask_t *m)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        m->bits[i] = 0;
}
static inline void cpumask_copy(cpumask_t *d, const cpumask_t *s)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        d->bits[i] = s->bits[i];
}
static inline void cpumask_setall(cpumask_t *m)
{
    cpumask_copy(m, &cpumask_all);
}
static inline void cpumask_and(cpumask_t *d, const cpumask_t *a,
                               const cpumask_t *b)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        d->bits[i] = a->bits[i] & b->bits[i];
}
static inline void cpumask_or(cpumask_t *d, const cpumask_t *a,
                              const cpumask_t *b)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        d->bits[i] = a->bits[i] | b->bits[i];
}
static inline void cpumask_andnot(cpumask_t *d, const cpumask_t *a,
                                  const cpumask_t *b)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        d->bits[i] = a->bits[i] & ~b->bits[i];
}
static inline bool cpumask_empty(const cpumask_t *m)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        if ( m->bits[i] )
            return false;

    return true;
}
static inline bool cpumask_equal(const cpumask_t *a, const cpumask_t *b)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        if ( a->bits[i] != b->bits[i] )
            return false;

    return true;
}
static inline bool cpumask_subset(const cpumask_t *a, const cpumask_t *b)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        if ( a->bits[i] & ~b->bits[i] )
            return false;

    return true;
}
static inline bool cpumask_intersects(const cpumask_t *a, const cpumask_t *b)
{
    unsigned int i;

    for_each_mask_word_ ( i )
        if ( a->bits[i] & b->bits[i] )
            return true;

    return false;
}
static inline unsigned int cpumask_weight(const cpumask_t *m)
{
    unsigned int i, weight = 0;

    for_each_mask_word_ ( i )
        weight += __builtin_popcountl(m->bits[i]);

    return weight;
}
#define cpumask_full(m)           cpumask_equal(m, &cpumask_all)
#define cpumask_bits(m)           ((m)->bits)

#define for_each_cpu(c, m) \
    for ( (c) = cpumask_first(m); (c) < nr_cpu_ids; (c) = cpumask_next(c, m) )
#define cpu_online(c)             cpumask_test_cpu(c, &cpu_online_map)
#define num_online_cpus()         cpumask_weight(&cpu_online_map)
#define for_each_online_cpu(c)    for_each_cpu(c, &cpu_online_map)

/* ---- nodes: one for each socket ----------------------------------------- */

#define MAX_NUMNODES 64
typedef uint8_t nodeid_t;
typedef struct { uint64_t bits; } nodemask_t;

extern cpumask_t sim_node_cpus[MAX_NUMNODES];
extern nodemask_t node_online_map;
#define node_to_cpumask(n)        (sim_node_cpus[n])
#define nodes_clear(m)            ((void)((m).bits = 0))
#define node_set(n, m)            ((void)((m).bits |= 1ull << (n)))
#define for_each_node_mask(n, m) \
    for ( (n) = 0; (n) < MAX_NUMNODES; (n)++ ) \
        if ( (m).bits >> (n) & 1 )

static inline nodeid_t cycle_node(nodeid_t n, nodemask_t m)
{
    do {
        n = (n + 1) % MAX_NUMNODES;
    } while ( !(m.bits >> n & 1) );

    return n;
}

#endif /* SIM_MASKS_H */
