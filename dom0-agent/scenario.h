/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From samples of a host to a scenario for avm-sim in which each domain is a
 * simulated guest that does what the domain did from the first to the last.
 * Pure: no clock, no I/O.
 *
 * What a domain wants is guessed from its counters alone:
 *   - a vCPU that hardly blocks computes without end, and takes what it gets;
 *   - one that blocks is woken as often as it was, and has as much to do each
 *     time as it did: it wants what it ran, however long it waited for that;
 *   - one that blocks for its disk asks again as soon as it has done its work:
 *     what it gets sooner it asks for sooner; and so does one that waits for a
 *     pCPU for nearly all of the time that it does not run;
 *   - one that computes and is sent events has short urgent work beside that.
 * Counters are a domain's, not a vCPU's: which of its vCPUs did what is a guess,
 * too, and those that block are taken to be alike.
 */
#ifndef AGENT_SCENARIO_H
#define AGENT_SCENARIO_H

#include "avm.h"

/* Of what a vCPU does beside computing. */
enum guest_wakes {
    GUEST_SLEEPS,               /* nothing                                   */
    GUEST_PERIODIC,             /* its own timer, mostly                     */
    GUEST_ARRIVALS,             /* events from elsewhere, at random times    */
    GUEST_DISK,                 /* answers to its own requests, or clients
                                   that wait for its answers                 */
};

/* ppm is of the time of one pCPU. */
struct guest_model {
    struct avm_uuid uuid;
    uint32_t domid, pool;
    char untrusted_name[AVM_NAME_LEN];
    bool hvm;
    uint32_t nr_vcpus;
    struct avm_params params;   /* which the simulated one has               */

    /* Measured. */
    uint64_t cpu_ppm;           /* running                                   */
    uint64_t wait_ppm;          /* runnable and not running                  */
    uint64_t wakes, latency_p99_us; /* wakes: 0: then there is no latency    */

    /* Derived: vCPUs 0 .. hogs - 1 compute. */
    uint32_t hogs;
    enum guest_wakes wakes_by;
    uint32_t first_woken, nr_woken; /* vCPUs that are woken                  */
    uint64_t period_us;         /* mean time between two wakes of each       */
    uint64_t work_ns;           /* each time                                 */
    uint64_t answer_us;         /* GUEST_DISK: from the end of the work to the
                                   next wake                                 */
};

struct host_model {
    struct avm_host host;
    uint64_t length_ns;         /* of the time that was measured             */
    size_t nr;
    struct guest_model *guest;  /* ascending domid                           */
};

/*
 * From which of these samples (in order, at least one) on nothing but counters
 * changed: same domains, same parameters, same pools, no counter set back.
 */
size_t scenario_steady(struct avm_sample *const *sample, size_t nr);

/*
 * Domains that are paused or on their way out are left out. -1, and one line in
 * 'err', if a domain has no records, if it is more than avm-sim takes, or if
 * there is no memory. The samples, at least two, are of a steady time.
 */
int host_model_make(struct avm_sample *const *sample, size_t nr,
                    struct host_model *m, char *err, size_t err_size);
/* With settings of its own. 0, or -1 with ENOMEM. */
int host_model_copy(const struct host_model *from, struct host_model *to);
void host_model_free(struct host_model *m);

const struct avm_pool *host_model_pool(const struct host_model *m,
                                       uint32_t pool);

/* False: the simulator has nothing that this knob changes. */
bool guest_model_set(struct guest_model *g, enum avm_knob knob,
                     uint64_t value);
/* How it is called in the scenario: not by a name that a guest may choose. */
#define GUEST_ID_LEN 16
const char *guest_model_id(const struct guest_model *g, char *buf);

/* As long as it takes for quantiles, and less if very much happens at once. */
uint64_t scenario_duration_ms(const struct host_model *m, uint32_t pool);
/*
 * The guests of one pool; NULL with ENOMEM, or ENOENT if there are none in it.
 * The caller frees it.
 */
char *scenario_json(const struct host_model *m, uint32_t pool);

#endif
