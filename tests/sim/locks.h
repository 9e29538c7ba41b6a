/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks, IRQ state and read-copy-update.
 *
 * The simulation is single threaded: a lock that is taken can only be taken by
 * the same pCPU. So the checked build makes locks check their rules instead: a
 * lock is taken in one IRQ state only, never twice, and in one order. The fast
 * build keeps only what a trylock needs to know.
 */
#ifndef SIM_LOCKS_H
#define SIM_LOCKS_H

#ifndef SIM_FAST

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

#define SIM_HERE  __FILE__ ":" __stringify(__LINE__)
#define SIM_LOCK_UNLOCKED \
    { .class = &(struct lock_class){ .where = SIM_HERE } }
#define spin_lock_init(l) \
    do { \
        static struct lock_class class_ = { .where = SIM_HERE }; \
        *(l) = (spinlock_t){ .class = &class_ }; \
    } while ( 0 )

enum { LOCK_READ = 1, LOCK_TRY = 2, LOCK_IRQ = 4, LOCK_IRQSAVE = 8 };
bool sim_lock(spinlock_t *l, unsigned int how, unsigned long *flags,
              const char *where);
void sim_unlock(spinlock_t *l, unsigned int how, unsigned long flags,
                const char *where);

bool local_irq_is_enabled(void);
bool in_irq(void);
void sim_irqs(bool on);
unsigned int sim_locks_held(void);
#define ASSERT_NOT_IN_ATOMIC() \
    ASSERT(!sim_locks_held() && local_irq_is_enabled() && !in_irq())

#else /* SIM_FAST */

typedef struct spinlock { unsigned int holders; bool writer; } spinlock_t;

#define SIM_HERE           NULL
#define SIM_LOCK_UNLOCKED  { .holders = 0 }
#define spin_lock_init(l)  ((void)(*(l) = (spinlock_t){ .holders = 0 }))

enum { LOCK_READ = 1, LOCK_TRY = 2, LOCK_IRQ = 4, LOCK_IRQSAVE = 8 };
static inline bool sim_lock(spinlock_t *l, unsigned int how,
                            unsigned long *flags, const char *where)
{
    if ( how & LOCK_IRQSAVE )
        *flags = 0;
    if ( (how & LOCK_TRY) && l->holders && !((how & LOCK_READ) && !l->writer) )
        return false;
    l->holders++;
    l->writer = !(how & LOCK_READ);
    return true;
}
static inline void sim_unlock(spinlock_t *l, unsigned int how,
                              unsigned long flags, const char *where)
{
    l->holders--;
}

#define local_irq_is_enabled()   true
#define in_irq()                 false
#define sim_irqs(on)             ((void)(on))
#define sim_locks_held()         0u
#define ASSERT_NOT_IN_ATOMIC()   ((void)0)

#endif /* SIM_FAST */

typedef spinlock_t rwlock_t;
#define rwlock_init              spin_lock_init
#define SPIN_LOCK_UNLOCKED       SIM_LOCK_UNLOCKED
#define DEFINE_SPINLOCK(l)       spinlock_t l = SIM_LOCK_UNLOCKED
#define DEFINE_RWLOCK(l)         rwlock_t l = SIM_LOCK_UNLOCKED

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
#define read_trylock(l) \
    sim_lock(l, LOCK_READ | LOCK_TRY, NULL, SIM_HERE)
#define read_unlock(l)           sim_unlock(l, LOCK_READ, 0, SIM_HERE)
#define read_unlock_irq(l) \
    sim_unlock(l, LOCK_READ | LOCK_IRQ, 0, SIM_HERE)
#define read_unlock_irqrestore(l, f) \
    sim_unlock(l, LOCK_READ | LOCK_IRQSAVE, f, SIM_HERE)
#define write_lock               spin_lock
#define write_lock_irq           spin_lock_irq
#define write_lock_irqsave       spin_lock_irqsave
#define write_trylock            spin_trylock
#define write_unlock             spin_unlock
#define write_unlock_irq         spin_unlock_irq
#define write_unlock_irqrestore  spin_unlock_irqrestore

/* What call_rcu() is told runs as soon as there is no reader. */
typedef struct { char unused; } rcu_read_lock_t;
struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
};
extern int sim_rcu_readers;
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
#define DEFINE_RCU_READ_LOCK(l)  rcu_read_lock_t l
#define rcu_read_lock(l)         ((void)(l), (void)sim_rcu_readers++)
#define rcu_read_unlock(l)       ((void)(l), (void)sim_rcu_readers--)
#define rcu_dereference(p)       (p)
#define rcu_assign_pointer(p, v) ((void)((p) = (v)))
/* True would make a pCPU leave a rendezvous for work that it has not. */
#define rcu_pending(cpu)         false

#endif /* SIM_LOCKS_H */
