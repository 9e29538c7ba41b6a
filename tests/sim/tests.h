/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files with tests share. */
#ifndef SIM_TESTS_H
#define SIM_TESTS_H

#include "work.h"
#include "../../sched_activity/private.h"

#define ACTIVITY XEN_SCHEDULER_ACTIVITY

struct test {
    const char *name;
    void (*run)(void);
};
extern const struct test path_tests[], directed_tests[], control_tests[],
    cap_tests[], evidence_tests[], gang_tests[], failing_tests[], calm_tests[],
    inherit_tests[], pinned_tests[], reserve_tests[], random_tests[];

/* From the command line. */
extern bool tests_verbose;
extern uint64_t first_seed;
extern unsigned int nr_seeds;
extern const char *kept_steps;

/*
 * So many random operations with sched=activity, with every kind of trouble in
 * turn; tells how far it is. Returns how many runs failed.
 */
unsigned int random_long(uint64_t operations);

/* A run for each of these seeds, in a process of its own; @what each one is to do. */
void each_seed(void (*run)(uint64_t seed), const char *what);

/* Says what was not as expected; the test goes on and fails in the end. */
bool expect(bool ok, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* activity domctl; 'set' says which of the values counts. */
int put(struct domain *d, uint32_t set, unsigned int weight, unsigned int cap,
        unsigned int urgency, unsigned int lease_ms);
struct xen_domctl_sched_activity get(struct domain *d);
#define put_weight(d, w) put(d, XEN_SCHED_ACTIVITY_SET_WEIGHT, w, 0, 0, 0)
#define put_cap(d, c)    put(d, XEN_SCHED_ACTIVITY_SET_CAP, 0, c, 0, 0)
#define put_urgency(d, name, ms) \
    put(d, XEN_SCHED_ACTIVITY_SET_URGENCY, 0, 0, \
        XEN_SCHED_ACTIVITY_URGENCY_ ## name, ms)

/* A reservation, or its end (all 0); with -ENOSPC, *free_permille is told. */
int reserve(struct domain *d, unsigned int vcpu, unsigned int slice_us,
            unsigned int period_us, unsigned int lease_ms,
            unsigned int *free_permille);
struct xen_domctl_sched_activity get_reservation(struct domain *d,
                                                 unsigned int vcpu);
#define ALL_VCPUS XEN_SCHED_ACTIVITY_VCPU_ALL

/*
 * All records of a pool, read in pages of @page. Returns how many, or -errno.
 * Checks their order and that the cursor ends.
 */
int records(unsigned int pool, unsigned int page,
            struct xen_sched_activity_record *rec, unsigned int room);

/* ---- guests, nearly all with one vCPU, of a pool of sched=activity ------ */

void boot(unsigned int cpus);
void boot_two_pools(void);         /* a pCPU each */
struct domain *guest(unsigned int domid, unsigned int weight);
struct domain *hog(unsigned int domid, unsigned int weight);
struct domain *periodic(unsigned int domid, s_time_t burst_ns,
                        s_time_t period_ns);
struct sim_work *work(const struct domain *d);
s_time_t ran_ns(const struct domain *d);
/* How much of one pCPU @d gets in the next @for_ns, in 1/10000. */
unsigned int share_of(const struct domain *d, s_time_t for_ns);
bool near(long a, long b, long tolerance);

/* The invariants of sched=activity, in every pool that uses it. */
void check_activity(void);
void __attribute__((noreturn, format(printf, 2, 3)))
check_violated(const struct act_unit *su, const char *fmt, ...);

/* ... and what must add up over time; part of check_activity(). */
void audit_dom(const struct act_dom *dom);
/* ... and for reservations. */
void check_reserved(const struct act_runqueue *rq);

#endif /* SIM_TESTS_H */
