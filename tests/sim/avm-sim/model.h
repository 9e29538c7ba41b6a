/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine costs. The same for every scheduler and scenario, and only
 * here.
 */
#ifndef AVM_SIM_MODEL_H
#define AVM_SIM_MODEL_H

#include <stdint.h>

/*
 * IPI, or any other interrupt (timer, device): from its cause until the other
 * CPU is in the handler. Around 2000 cycles on x86 servers, by the usual
 * ping-pong between two cores.
 */
#define MODEL_IPI_NS            500

/*
 * From the scheduler's decision to the first instruction of the other vCPU:
 * save and load of registers, FPU state and page tables. With the two others it
 * makes the 2 us from event to task that Xen on ARM was measured to need for
 * a guest that never sleeps (1.89 us; xen-devel, February 2017).
 */
#define MODEL_SWITCH_NS         1000

/* To the idle loop: Xen leaves the guest's state loaded. */
#define MODEL_SWITCH_IDLE_NS    200

/*
 * The guest's side of a wake-up: event channel upcall, interrupt handler,
 * switch to the woken task. A quarter of the 2 us above.
 */
#define MODEL_WAKE_NS           500

/*
 * An HVM guest that is watched exits when it turns to another address space: exit,
 * a register written, entry, and some page table entries fetched again.
 */
#define MODEL_EXIT_NS           1500

/*
 * An event from one vCPU to another: the hypercall, until the event is pending.
 * Part of the sender's own work.
 */
#define MODEL_SEND_NS           300

/*
 * A guest kernel that has something to run takes a tick each 4 ms
 * (CONFIG_HZ=250, the default of Debian and others). 3 us: timer interrupt,
 * accounting, and programming the next one through a hypercall.
 */
#define MODEL_TICK_PERIOD_NS    4000000
#define MODEL_TICK_NS           3000

/*
 * Cache refill. While a vCPU's caches are cold it advances at half speed, until
 * it has lost this much. 1 MiB of private cache (16384 lines) from the shared
 * cache at about 20 ns a line, of which eight are under way at once: 40 us.
 * From memory, at 100 ns: 200 us.
 */
#define MODEL_REFILL_PRIVATE_NS 40000   /* other CPU of the same cache group */
#define MODEL_REFILL_SHARED_NS  200000  /* other cache group                 */

/*
 * A vCPU that continues where it was finds its private cache the colder the
 * longer others ran there; all of it is gone after this long: 1 MiB at
 * 500 MB/s, a moderate rate of misses.
 */
#define MODEL_EVICT_NS          2000000

/*
 * Speed of a thread while its sibling runs a guest, too: two threads together
 * do about 1.25 times the work of one.
 */
#define MODEL_SMT_PERMILLE      625

/* How fast time stamp counters count: a common clock, and not 1 a ns. */
#define MODEL_TSC_MHZ           2400

/* From an event to the first instruction of the task it is for, at best. */
static inline int64_t model_wake_to_run_ns(void)
{
    return MODEL_IPI_NS + MODEL_SWITCH_NS + MODEL_WAKE_NS;
}

/* What a vCPU has to fetch when it starts on a CPU. */
static inline int64_t model_refill_ns(int same_cpu, int same_group,
                                      int64_t others_ran_ns)
{
    if ( !same_group )
        return MODEL_REFILL_SHARED_NS;
    if ( !same_cpu )
        return MODEL_REFILL_PRIVATE_NS;
    if ( others_ran_ns >= MODEL_EVICT_NS )
        return MODEL_REFILL_PRIVATE_NS;

    return MODEL_REFILL_PRIVATE_NS * others_ran_ns / MODEL_EVICT_NS;
}

#endif /* AVM_SIM_MODEL_H */
