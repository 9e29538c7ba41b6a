/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libavm: watch what the virtual machines of a Xen host do, and give each
 * what it needs.
 *
 * The loop, as an agent calls it:
 *
 *     avm_sample_read()      each sample_ms: counters of every domain
 *     avm_observe()          monitor and evaluate: what did each domain do?
 *     avm_plan()             each decide_ms: decide, resolve, reallocate, next
 *     avm_apply(), avm_verify(), avm_applied()
 *                            for each change that is READY (journal it first)
 *     avm_renewals()         each sample_ms: leases that need renewing
 *
 * Everything between a sample and a plan is pure: no clock, no I/O, integers
 * only. The same samples, needs and times give the same plans.
 *
 * Conventions
 *   Functions return 0, or -1 with errno set, unless they say otherwise.
 *   Times are CLOCK_MONOTONIC. Units stand in the names; _permille of CPU time
 *   is of one pCPU (a domain with two busy vCPUs has 2000); _bps is bytes (not
 *   bits) per second. Domains are known by UUID: a domid may be reused.
 *   What begins with untrusted_ was written by someone else than the host's
 *   administrator: print it escaped, never act on it.
 *   Handles and states are used by one thread at a time, and not after fork.
 */
#ifndef AVM_H
#define AVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xentoollog_logger;

/* ------------------------------------------------------------------------ */
/* Words                                                                    */

enum avm_class {
    AVM_CLASS_UNKNOWN,       /* not enough data, or nothing fits            */
    AVM_CLASS_IDLE,
    AVM_CLASS_CPU,
    AVM_CLASS_NET,
    AVM_CLASS_DISK,
    AVM_CLASS_MIXED,
    AVM_CLASS_TIME_CRITICAL, /* wakes often, works briefly, needs it soon   */
    AVM_NR_CLASSES,
};

enum avm_role {
    AVM_ROLE_NORMAL,         /* what a domain without a need has            */
    AVM_ROLE_BACKGROUND,
    AVM_ROLE_INTERACTIVE,
    AVM_ROLE_TIME_CRITICAL,
    AVM_NR_ROLES,
};

enum avm_mode {
    AVM_MODE_INHERIT,        /* domain: as the host                         */
    AVM_MODE_OBSERVE,
    AVM_MODE_ADVISE,
    AVM_MODE_AUTO,
    AVM_NR_MODES,
};

enum avm_knob {
    AVM_KNOB_WEIGHT,         /* 1 .. 65535                                  */
    AVM_KNOB_CAP,            /* percent of one pCPU, 0: none                */
    AVM_KNOB_AFFINITY,       /* hard affinity of all vCPUs: bit n = pCPU n,
                                pCPU 0 .. 63 only                           */
    AVM_KNOB_URGENCY,        /* enum avm_urgency                            */
    /* Bytes per second over all of its devices together, 0: no limit.       */
    AVM_KNOB_NET_OUT,        /* from the guest: netback's rate              */
    AVM_KNOB_NET_IN,         /* to the guest: a TBF qdisc on its vifs       */
    AVM_KNOB_DISK,           /* io.max of blkback's threads, and its QEMU;
                                reads and writes have this much each        */
    /*
     * Parts of what is shared, 1 .. AVM_SHARE_MAX; others of the same link or
     * disk count with theirs, AVM_SHARE_NORMAL if nothing was said.
     */
    AVM_KNOB_NET_SHARE,      /* of the uplink, from the guest: HTB's classes */
    AVM_KNOB_DISK_SHARE,     /* of a disk: io.weight of blkback's threads   */
    AVM_NR_KNOBS,
};

#define AVM_SHARE_NORMAL 100
#define AVM_SHARE_MAX    10000

/* The values are those of the hypervisor (sched_activity/abi/activity.h). */
enum avm_urgency {
    AVM_URGENCY_NORMAL,
    AVM_URGENCY_BACKGROUND,
    AVM_URGENCY_INTERACTIVE,
    AVM_URGENCY_CRITICAL,
    AVM_NR_URGENCIES,
};

enum avm_change_state {
    AVM_CHANGE_READY,        /* may be applied now                          */
    AVM_CHANGE_HOLD,         /* verdict has not held long enough yet        */
    AVM_CHANGE_COOLDOWN,     /* this domain was changed a short while ago   */
    AVM_CHANGE_BUDGET,       /* host-wide changes per minute are used up    */
    AVM_CHANGE_WARMUP,       /* domain or agent is too new                  */
    AVM_CHANGE_SMALL,        /* expected gain is below gain_min_permille    */
    AVM_CHANGE_REFUSED,      /* conflicts with another domain, see reason   */
    AVM_CHANGE_FOREIGN,      /* someone else set this knob: left alone      */
    AVM_CHANGE_APPLIED,      /* after avm_applied(.., true)                 */
    AVM_CHANGE_FAILED,       /* after avm_applied(.., false)                */
    AVM_CHANGE_UNDONE,       /* for journals                                */
    AVM_NR_CHANGE_STATES,
};

/* What a domain lacks, if anything. Only CPU is for a scheduler to give. */
enum avm_verdict {
    AVM_VERDICT_NO_DATA,     /* too new, or the scheduler does not tell     */
    AVM_VERDICT_NONE,        /* nothing: it does not wait                   */
    AVM_VERDICT_CPU,
    AVM_VERDICT_CAP,         /* it has all that its own cap allows          */
    AVM_VERDICT_NET_LIMIT,   /* as net-out or net-in allows                 */
    AVM_VERDICT_DISK_LIMIT,  /* as disk allows                              */
    AVM_VERDICT_BACKEND,     /* who serves its devices waits for a CPU      */
    AVM_VERDICT_DISK_RING,   /* places in blkback's ring, or grants         */
    AVM_VERDICT_NET_DROPS,   /* packets are dropped                         */
    AVM_VERDICT_LOCK,        /* its vCPUs wait for each other               */
    AVM_NR_VERDICTS,
};

/* What a usage model can speak of, measured over about the last four windows */
enum avm_metric {
    AVM_METRIC_CPU,          /* "cpu_permille": running                     */
    AVM_METRIC_DEMAND,       /* "demand_permille": running and runnable, at
                                most 1000 for each vCPU; without records as
                                cpu_permille                                */
    AVM_METRIC_WAKES,        /* "wakes_per_s"; with records only            */
    AVM_METRIC_BURST,        /* "burst_us": run time per block; with records
                                only                                        */
    AVM_METRIC_IO,           /* "io_per_s": packets + 4 * disk requests     */
    AVM_METRIC_NET,          /* "net_packets_per_s"                         */
    AVM_METRIC_DISK,         /* "disk_reqs_per_s"                           */
    AVM_METRIC_NET_SHARE,    /* "net_share_permille": of io_per_s that is
                                packets                                     */
    AVM_METRIC_US_PER_IO,    /* "us_per_io": CPU time for each of io_per_s  */
    AVM_NR_METRICS,
};

/* What is learnt of each domain: how much of its time it had how much of it. */
enum avm_learned_metric {
    AVM_LEARNED_DEMAND,      /* "demand_permille": running and runnable, at
                                most 1000 for each vCPU                     */
    AVM_LEARNED_WAIT,        /* "wait_permille": runnable; with records only */
    AVM_LEARNED_LATENCY,     /* "latency_p99_us": wake to run, of a window
                                with wake-ups; with records only            */
    AVM_LEARNED_NET,         /* "net_bps": both ways                        */
    AVM_LEARNED_DISK,        /* "disk_bps": read and written                */
    AVM_NR_LEARNED,
};

/* What a domain does now, beside its own past. */
enum avm_past_is {
    AVM_PAST_UNKNOWN,        /* not enough past, or no figure now           */
    AVM_PAST_LOW,            /* less than in 95% of the time                */
    AVM_PAST_USUAL,
    AVM_PAST_HIGH,           /* more than in 95% of the time                */
    AVM_NR_PAST_IS,
};

/* Resources a domain can wait for. */
enum avm_resource { AVM_RES_CPU, AVM_RES_NET, AVM_RES_DISK, AVM_NR_RES };

/*
 * Word for a value ("time-critical", "weight", "credit2", ...); "?" for a
 * value out of range. And back: the value, or -1 with EINVAL.
 */
const char *avm_class_name(enum avm_class c);
const char *avm_role_name(enum avm_role r);
const char *avm_mode_name(enum avm_mode m);
const char *avm_knob_name(enum avm_knob k);
const char *avm_urgency_name(enum avm_urgency u);
const char *avm_verdict_name(enum avm_verdict v);
const char *avm_change_state_name(enum avm_change_state s);
const char *avm_metric_name(enum avm_metric m);
const char *avm_learned_name(enum avm_learned_metric m);
const char *avm_past_name(enum avm_past_is p);
const char *avm_scheduler_name(uint32_t sched_id);
int avm_class_parse(const char *word);
int avm_metric_parse(const char *word);
int avm_role_parse(const char *word);
int avm_mode_parse(const char *word);
int avm_knob_parse(const char *word);
int avm_urgency_parse(const char *word);

#define AVM_UUID_STR_LEN 37 /* 36 characters and NUL */

struct avm_uuid { uint8_t b[16]; };

/* Lower-case text with dashes. buf holds AVM_UUID_STR_LEN bytes; returns it. */
const char *avm_uuid_str(const struct avm_uuid *u, char *buf);
/* -1 with EINVAL unless it is exactly 8-4-4-4-12 hexadecimal digits. */
int avm_uuid_parse(const char *s, struct avm_uuid *u);
bool avm_uuid_equal(const struct avm_uuid *a, const struct avm_uuid *b);

/* ------------------------------------------------------------------------ */
/* Handle                                                                   */

typedef struct avm_handle avm_handle;

/*
 * Opens the hypercall device and xenstore, and finds out which domctl and
 * sysctl versions the hypervisor speaks.
 * logger: may be NULL (nothing is logged; errno tells). flags: 0.
 * Returns NULL with errno: ENOENT no Xen here, EACCES or EPERM not root,
 * EPROTO no interface version in common, ENOMEM.
 */
avm_handle *avm_open(struct xentoollog_logger *logger, unsigned int flags);
void avm_close(avm_handle *h); /* NULL is fine */

/* One line about the last error of this handle, "" if there is none. */
const char *avm_last_error(const avm_handle *h);

#define AVM_CAN_WEIGHT   (1u << 0)
#define AVM_CAN_CAP      (1u << 1)
#define AVM_CAN_URGENCY  (1u << 2)  /* sched=activity only                  */
#define AVM_CAN_AFFINITY (1u << 3)
#define AVM_CAN_RECORDS  (1u << 4)  /* waiting time, wakes, events          */

#define AVM_CAN_NET_OUT  (1u << 5)  /* has a vif with its back-end here     */
#define AVM_CAN_DISK     (1u << 6)  /* has a vbd with its back-end here     */
#define AVM_CAN_NET_SHARE (1u << 7) /* has a vif behind an uplink           */
#define AVM_CAN_DISK_SHARE (1u << 8) /* has a vbd on a disk that can share  */
#define AVM_CAN_NET_IN   (1u << 9)  /* as NET_OUT, and the kernel has TBF; not
                                       after an EBUSY, while a vif has
                                       somebody else's qdisc               */

#define AVM_MAX_POOLS 16

struct avm_pool {
    uint32_t id;
    uint32_t sched_id;      /* XEN_SCHEDULER_*: avm_scheduler_name()        */
    uint32_t nr_pcpus;
    uint32_t can;           /* AVM_CAN_*                                    */
    uint64_t pcpus;         /* bit n = pCPU n, pCPU 0 .. 63 only            */
};

struct avm_host {
    uint32_t nr_pcpus;      /* of all pools                                 */
    uint32_t nr_pools;      /* sources: XEN_SYSCTL_cpupool_op               */
    struct avm_pool pool[AVM_MAX_POOLS];
};

struct avm_info {
    uint32_t domctl_version, sysctl_version; /* found by probing            */
    struct avm_host host;
    bool has_xenstore;
    /* "" or what cannot be done here and why, for people; lines end in \n  */
    char limits[512];
};

#define AVM_MAX_UPLINKS 8

/* An interface over which guests of the same bridge send to the outside. */
struct avm_uplink {
    char name[16];
    uint64_t bps;                /* what it carries, bytes per second       */
};

/*
 * Guests behind these interfaces share them from now on (AVM_KNOB_NET_SHARE). Those
 * of before that are not among them lose their shares.
 * EINVAL, ENOMEM, EIO (no netlink).
 */
int avm_uplinks_set(avm_handle *h, const struct avm_uplink *link, size_t nr);

/* EPERM, EACCES, EIO, or what the hypercall returned. */
int avm_info(avm_handle *h, struct avm_info *info);

/* ------------------------------------------------------------------------ */
/* Which pCPUs                                                              */

#define AVM_PCPUS_MAX    16384u  /* more than any Xen is built for            */
#define AVM_PCPU_UNKNOWN UINT32_MAX

/* All three are unknown: there is no such pCPU, or it is offline. */
struct avm_pcpu {
    uint32_t node;               /* NUMA                                    */
    uint32_t socket;             /* Xen tells no more of who shares a cache  */
    uint32_t core;               /* in its socket: those with the same one
                                    are SMT siblings                        */
};

struct avm_topology {
    uint32_t nr;                 /* 1 .. AVM_PCPUS_MAX                      */
    struct avm_pcpu pcpu[];
};

/*
 * As it is now: read it again when the pCPUs of the host changed. EPERM, EACCES,
 * EIO, ENOMEM. The caller frees it.
 */
int avm_topology_read(avm_handle *h, struct avm_topology **topology);
void avm_topology_free(struct avm_topology *topology); /* NULL is fine */

/*
 * How an administrator names pCPUs, as in xl.cfg(5). Parts with commas, each one
 * "2", "0-3", "node:1", "nodes:0-1", "socket:0", "sockets:0-1" or "any" ("all");
 * with ^ in front it is taken from what is on its left ("any" has no ^). With "cores"
 * anywhere among them, only the first pCPU of each core of what the others give
 * stays; alone it is of all.
 */
#define AVM_CPUS_LEN 128         /* with its NUL                            */

/*
 * 1: numbers only (0 .. 63), or "any": it means *mask on every host. 0: it takes a
 * topology to tell. -1 with EINVAL and one line in err.
 */
int avm_cpus_check(const char *spec, uint64_t *mask, char *err,
                   size_t err_len);
/*
 * What it means for a domain of this pool, as a value of AVM_KNOB_AFFINITY; all
 * pCPUs of the pool are UINT64_MAX. Other pCPUs than those of the pool stay only
 * if they are named by number. topology NULL: not known. pool NULL: not known,
 * any pCPU of the topology will do. -1 with EINVAL and one line in err, also
 * for no such node or socket, no pCPU of this pool, and pCPUs from 64 on, of which
 * an affinity cannot tell.
 */
int avm_cpus_resolve(const char *spec, const struct avm_topology *topology,
                     const struct avm_pool *pool, uint64_t *mask, char *err,
                     size_t err_len);

/* ------------------------------------------------------------------------ */
/* A sample: what was counted up to now                                     */

/* Parameters of one domain. */
struct avm_params {
    uint32_t can;           /* AVM_CAN_*: which fields mean something       */
    uint32_t weight;        /* 1 .. 65535, 256 is what a new domain gets    */
    uint32_t cap_pct;       /* 0: none                                      */
    uint32_t urgency;       /* enum avm_urgency                             */
    uint32_t lease_ms;      /* urgency: what is left of it                  */
    uint64_t affinity;      /* bit n = pCPU n; UINT64_MAX: any              */
    /* Bytes per second, 0: none, or not on all of its devices               */
    uint64_t net_out_max_bps, disk_max_bps;
    uint64_t net_in_max_bps;
    uint32_t net_share, disk_share; /* 1 .. AVM_SHARE_MAX                    */
};

#define AVM_HAVE_CPU     (1u << 0)  /* cpu_ns                               */
#define AVM_HAVE_RECORDS (1u << 1)  /* runnable_ns .. latency               */
#define AVM_HAVE_NET     (1u << 2)  /* at least one vif with a back-end here */
#define AVM_HAVE_DISK    (1u << 3)  /* at least one vbd with a back-end here,
                                    blkback or (AVM_DOM_QDISK) its QEMU     */
#define AVM_HAVE_BACKEND (1u << 4)  /* backend_us: a QEMU here works for it  */
#define AVM_HAVE_PSI_CPU (1u << 5)  /* psi_cpu_us: it has a group (io.max)   */
#define AVM_HAVE_PSI_IO  (1u << 6)  /* psi_io_us: the same                   */

#define AVM_LATENCY_BUCKETS 20

/* Cumulative. A value that shrinks means the counter was reset. */
struct avm_counters {
    uint64_t cpu_ns;             /* getdomaininfo: all vCPUs                */
    uint64_t running_ns, runnable_ns, blocked_ns; /* records: all vCPUs     */
    uint64_t wakes, blocks, preemptions, yields, migrations, boosts;
    uint64_t events_interdomain, events_virq, events_pirq, events_ipi;
    uint64_t events_runnable;    /* found the vCPU waiting for a pCPU       */
    uint64_t events_sent;
    uint64_t latency[AVM_LATENCY_BUCKETS]; /* wake to run: [0] under 1 us,
                                    [i] 2^(i-1) .. 2^i us, last: above.
                                    Each wraps at 2^32                      */
    /* Seen from the guest: dom0's rx is the guest's tx. sysfs of the vif.  */
    uint64_t net_rx_bytes, net_tx_bytes, net_rx_packets, net_tx_packets;
    uint64_t net_drops;          /* both ways: pressure                     */
    /* sysfs of the vbd; a sector is 512 bytes.                             */
    uint64_t disk_rd_bytes, disk_wr_bytes, disk_rd_reqs, disk_wr_reqs;
    uint64_t disk_oo_reqs;       /* had to wait for a free request          */
    uint64_t backend_us;         /* CPU time of its QEMU here: /proc/P/stat  */
    /* Some of its back-end's threads here waited: {cpu,io}.pressure, "some" */
    uint64_t psi_cpu_us, psi_io_us;
};

#define AVM_NAME_LEN 80

#define AVM_DOM_DYING    (1u << 0)
#define AVM_DOM_PAUSED   (1u << 1)
#define AVM_DOM_SHUTDOWN (1u << 2)
#define AVM_DOM_HVM      (1u << 3)
#define AVM_DOM_CONTROL  (1u << 4)  /* dom0: watched, never changed         */
#define AVM_DOM_QDISK    (1u << 5)  /* its disk figures are those of its QEMU:
                                    bytes, but no requests                  */
#define AVM_DOM_QEMU_ELSEWHERE (1u << 6) /* its disks are QEMU's, which is in a
                                    group of someone else: not limited      */

struct avm_domain_sample {
    struct avm_uuid uuid;        /* getdomaininfo: handle                   */
    uint32_t domid;
    char untrusted_name[AVM_NAME_LEN]; /* /local/domain/D/name, printable
                                    characters only, "" if there is none    */
    uint32_t flags;              /* AVM_DOM_*                               */
    uint32_t pool;
    uint32_t nr_vcpus;           /* online                                  */
    uint32_t have;               /* AVM_HAVE_*                              */
    uint32_t late;               /* AVM_HAVE_* that are there, but were not
                                    read this time: a sample takes only so
                                    much at once                            */
    uint32_t burst_avg_ns;       /* now: longest mean burst of its vCPUs    */
    uint64_t net_devices, disk_devices; /* another value: devices came or
                                    went, and limits on them are gone.
                                    0: it has none                          */
    uint32_t net_link;           /* over which it sends: 1 + its number in
                                    avm_uplinks_set(), 0: over none of them */
    uint64_t net_link_bps;       /* what that carries                       */
    uint64_t disk_group;         /* those with the same one share a disk; 0:
                                    it has none, or not known               */
    uint64_t backend_process;    /* another value: another QEMU; 0: none     */
    uint64_t psi_group;          /* the same for the group                   */
    /* 1 + the domain with its back-end, if that is not this one; 0: none    */
    uint32_t net_served_by, disk_served_by;
    struct avm_counters count;
    struct avm_params params;
};

enum avm_psi_resource { AVM_PSI_CPU, AVM_PSI_MEMORY, AVM_PSI_IO, AVM_NR_PSI };

/*
 * How long tasks in dom0 could not go on: /proc/pressure/{cpu,memory,io}, since
 * it was booted. 'some': at least one waited; 'full': all did.
 */
struct avm_psi {
    uint32_t have;               /* 1 << enum avm_psi_resource              */
    uint64_t some_us[AVM_NR_PSI], full_us[AVM_NR_PSI];
};

struct avm_sample {
    uint64_t mono_ns;            /* when it was taken                       */
    struct avm_psi psi;
    struct avm_host host;
    size_t nr;
    struct avm_domain_sample *domain; /* ascending domid                    */
};

/*
 * Reads everything. Missing sources (no records, no vif) clear their AVM_HAVE_*
 * bit and are no error. On failure nothing is returned, and errno says why:
 * ENOMEM, EPERM, EACCES, EIO.
 * The caller frees it.
 */
int avm_sample_read(avm_handle *h, struct avm_sample **sample);
void avm_sample_free(struct avm_sample *sample);

/* ------------------------------------------------------------------------ */
/* What the administrator wants: one per domain, from the needs database    */

struct avm_need {
    struct avm_uuid uuid;
    enum avm_role role;
    enum avm_mode mode;          /* AVM_MODE_INHERIT: as the host           */
    bool held;                   /* avm hold: watched, never changed        */
    uint32_t weight_min, weight_max; /* 0: as the role has it               */
    uint32_t cap_pct;            /* wanted cap, 0: none. Applied when
                                    cap_set; without it the cap stays       */
    bool cap_set;
    uint64_t affinity;           /* wanted hard affinity, with affinity_set */
    bool affinity_set;
    uint64_t net_max_bps, disk_max_bps; /* ceilings, bytes per second of the
                                    knobs net-out and disk; 0: none         */
    uint64_t net_in_max_bps;     /* the same for net-in                     */
    /*
     * Floor: what it gets of the pCPUs that it competes for whenever it wants
     * that much, permille of one pCPU; 0: none. At most AVM_CPU_MIN_MAX, and
     * not above 10 * cap_pct, if there is such a cap.
     */
    uint32_t cpu_min_permille;
    /* When that was said: who said it first is promised it first. Any unit. */
    uint64_t cpu_min_since;
};

#define AVM_CPU_MIN_MAX 655350 /* as much as a cap can say */

/* Range of the weight for a role: what a need without its own limits has. */
void avm_role_weights(enum avm_role role, uint32_t *min, uint32_t *max);

/* ------------------------------------------------------------------------ */
/* What a domain did                                                        */

/* One window: the difference of two samples. Missing data is 0: see 'have'. */
struct avm_window {
    uint32_t have;               /* AVM_HAVE_* that are valid in this window */
    uint64_t length_ns;          /* 0: not enough data                      */
    uint32_t cpu_permille;       /* running                                 */
    uint32_t wait_permille;      /* runnable and not running                */
    uint32_t wakes_per_s, blocks_per_s, preemptions_per_s, yields_per_s;
    uint32_t events_per_s;       /* received, all kinds                     */
    uint32_t events_io_per_s;    /* interdomain and pirq                    */
    uint32_t events_virq_per_s;  /* its own timer, mostly                   */
    uint32_t events_runnable_per_s;
    uint32_t burst_us;           /* run time per block                      */
    uint32_t latency_p99_us;     /* wake to run, upper edge of the bucket   */
    uint64_t net_bps, net_rx_bps, net_tx_bps;
    uint32_t net_packets_per_s, net_drops_per_s;
    uint64_t disk_bps, disk_rd_bps, disk_wr_bps;
    uint32_t disk_reqs_per_s, disk_oo_per_s;
    uint32_t backend_permille;   /* CPU time that its QEMU here used         */
    uint32_t psi_cpu_permille, psi_io_permille; /* its back-end here waited  */
};

/* Of the time of a window, for all of dom0. */
struct avm_psi_window {
    uint32_t have;               /* 1 << enum avm_psi_resource: these count  */
    uint32_t some_permille[AVM_NR_PSI], full_permille[AVM_NR_PSI];
};

#define AVM_TEXT_LEN 192

/* ------------------------------------------------------------------------ */
/* What was learnt of a domain                                              */

#define AVM_LEARNED_BUCKETS 22

/*
 * Milliseconds of its time. All of them but observed_ms are halved each time
 * that some sum of them comes to AVM_LEARNED_SUM_MS, so that a day counts twice
 * as much as the day before it. A window that does not tell adds nothing.
 */
struct avm_learned {
    uint64_t observed_ms;        /* ever, up to INT64_MAX; never halved     */
    uint32_t class_ms[AVM_NR_CLASSES];
    uint32_t ms[AVM_NR_LEARNED][AVM_LEARNED_BUCKETS];
};

/* Each of class_ms[], ms[0][], ms[1][] ... is less than this, in sum.       */
#define AVM_LEARNED_SUM_MS    172800000u
/* Of a shorter past nothing is concluded.                                   */
#define AVM_LEARNED_ENOUGH_MS 3600000u

/* 0, or -1 with EINVAL: no such thing can have been learnt. */
int avm_learned_check(const struct avm_learned *l);

/* The most that counts for this bucket, UINT64_MAX for the last one. */
uint64_t avm_learned_most(enum avm_learned_metric m, unsigned int bucket);

/*
 * For this part (0 .. 1000) of the time it was at most so much: the most of a
 * bucket, and so UINT64_MAX for more than there are buckets for. 0 if nothing
 * was learnt.
 */
uint64_t avm_learned_quantile(const struct avm_learned *l,
                              enum avm_learned_metric m, uint32_t permille);

/* Its past, and what it does now beside it. */
struct avm_past {
    uint64_t observed_ms;
    bool enough;                 /* AVM_LEARNED_ENOUGH_MS and more          */
    uint32_t class_permille[AVM_NR_CLASSES]; /* of the time                 */
    uint32_t busy_permille[AVM_NR_CLASSES];  /* of the time in which it was
                                    neither idle nor unknown; all are 0 if
                                    that was too short to tell              */
    struct {
        bool enough;             /* the rest means something                */
        uint64_t usual, high;    /* at most so much in 50%, in 95% of the
                                    time; see avm_learned_quantile()        */
        enum avm_past_is now;
    } of[AVM_NR_LEARNED];
};

struct avm_domain {
    struct avm_uuid uuid;
    uint32_t domid;
    char untrusted_name[AVM_NAME_LEN];
    uint32_t flags, pool, nr_vcpus;
    enum avm_role role;
    enum avm_mode mode;          /* AVM_MODE_INHERIT if none of its own     */
    bool held;
    struct avm_params params;    /* as read, not as wished                  */
    uint32_t net_link;           /* as in the sample                        */
    uint64_t net_link_bps, disk_group;
    uint32_t net_served_by, disk_served_by; /* as in the sample              */
    struct avm_window window;    /* the last sample window                  */
    struct avm_window smooth;    /* over about the last four                */
    uint32_t charged_permille;   /* of dom0's CPU time: its QEMU's, and of the
                                    rest its part by bytes, which is the most
                                    that it can have cost                   */
    enum avm_class klass;
    uint32_t confidence_permille;
    uint64_t class_since_ms;     /* monotonic                               */
    uint32_t pressure_permille[AVM_NR_RES]; /* CPU: runnable / (running +
                                    runnable). net, disk: share of packets
                                    dropped, of requests that had to wait   */
    char evidence[AVM_TEXT_LEN]; /* "run 98% of a CPU, 2 wakes/s, ..."      */
    enum avm_verdict verdict;
    char verdict_why[AVM_TEXT_LEN]; /* with the figures that it is made of  */
    struct avm_past past;        /* up to the window before                 */
};

/* ------------------------------------------------------------------------ */
/* Usage models: what makes a class                                         */

/*
 * True to a degree: not at all where the metric is 'no', wholly where it is
 * 'yes', and in proportion between. 'yes' may be below 'no', not the same. Both
 * are in the unit of the metric: 0 .. 65535000 for cpu_permille and
 * demand_permille, .. 1000 for net_share_permille, .. 1000000000 for others.
 */
struct avm_statement {
    enum avm_metric metric;
    uint32_t no, yes;
    char why[AVM_TEXT_LEN];      /* these numbers; one line, "" if not said */
};

#define AVM_STATEMENTS_MAX 8

/* A domain fits as well as the weakest statement says; without any, never.  */
struct avm_model {
    uint32_t nr;                 /* 0 .. AVM_STATEMENTS_MAX                 */
    struct avm_statement statement[AVM_STATEMENTS_MAX];
};

struct avm_models {
    struct avm_model model[AVM_NR_CLASSES]; /* unknown has none             */
};

const struct avm_models *avm_models_builtin(void);
/* 0 if all is in range, otherwise -1 with EINVAL and one line in err. */
int avm_models_check(const struct avm_models *m, char *err, size_t err_len);

/* ------------------------------------------------------------------------ */
/* Configuration of the loop                                                */

struct avm_config {              /* default  range                          */
    uint32_t sample_ms;          /* 1000     100 .. 60000                   */
    uint32_t decide_ms;          /* 4000     sample_ms .. 600000            */
    uint32_t hold_decisions;     /* 3        1 .. 100                       */
    uint32_t gain_min_permille;  /* 100      0 .. 1000                      */
    uint32_t cooldown_ms;        /* 60000    0 .. 3600000, per domain, knob */
    uint32_t warmup_ms;          /* 60000    0 .. 3600000                   */
    uint32_t changes_per_minute; /* 20       1 .. 10000, host-wide          */
    uint32_t step_up_permille;   /* 250      1 .. 1000                      */
    uint32_t step_down_permille; /* 100      1 .. 999                       */
    uint32_t lease_ms;           /* 10000    2 * sample_ms .. 600000, of an
                                    urgency; renewed at half of it          */
    uint32_t foreign_hold_ms;    /* 600000   0 .. 86400000: how long a knob
                                    that someone else set is left alone     */
};

void avm_config_init(struct avm_config *c); /* fills in the defaults */
/* NULL if it is all in range, otherwise one line that says what is not. */
const char *avm_config_check(const struct avm_config *c);

/* ------------------------------------------------------------------------ */
/* The loop's memory                                                        */

typedef struct avm_state avm_state;

/* NULL with EINVAL (configuration out of range) or ENOMEM. */
avm_state *avm_state_new(const struct avm_config *c);
void avm_state_free(avm_state *st);
/* Changes the configuration and keeps the memory. EINVAL. */
int avm_state_config(avm_state *st, const struct avm_config *c);

/*
 * Takes the models over (copied); they count from the next avm_observe() on.
 * NULL: the built-in ones, as in a new state. EINVAL: avm_models_check().
 */
int avm_state_models(avm_state *st, const struct avm_models *models);

/* What was learnt of one domain, there or not. */
struct avm_learned_of {
    struct avm_uuid uuid;
    uint64_t last_ns;            /* time of the last sample that it was in, 0:
                                    of none that this state has seen        */
    struct avm_learned learned;
};

/*
 * What an earlier state had learnt of a domain, which need not be there; it
 * counts from the next avm_observe() on. If more is known of it already, that
 * stays. EINVAL: avm_learned_check(). ENOMEM.
 */
int avm_state_learned(avm_state *st, const struct avm_uuid *uuid,
                      const struct avm_learned *l);
/* Learns anew, from the next avm_observe() on. Was there anything? */
bool avm_state_forget(avm_state *st, const struct avm_uuid *uuid);
/*
 * All that is known, ascending UUID: of the domains of the last sample and of at
 * most 4096 others. Valid until one of the two calls above or avm_observe().
 */
const struct avm_learned_of *const *avm_learned_all(const avm_state *st,
                                                    size_t *nr);
const struct avm_learned_of *avm_learned_by_uuid(const avm_state *st,
                                                 const struct avm_uuid *uuid);

/*
 * Takes the needs over (copied); they replace the earlier ones. Domains that
 * have none are role normal. EINVAL: two for one UUID, a value out of range.
 */
int avm_state_needs(avm_state *st, const struct avm_need *need, size_t nr);

/*
 * Monitor and evaluate. The first sample of a domain gives class unknown with
 * confidence 0. Samples must come in order: EINVAL otherwise.
 */
int avm_observe(avm_state *st, const struct avm_sample *sample);

/*
 * The domains as of the last avm_observe(), ascending domid. Valid until the
 * next one.
 */
const struct avm_domain *avm_domains(const avm_state *st, size_t *nr);
const struct avm_domain *avm_domain_by_uuid(const avm_state *st,
                                            const struct avm_uuid *uuid);
const struct avm_domain *avm_domain_by_id(const avm_state *st, uint32_t domid);
const struct avm_host *avm_state_host(const avm_state *st);
/* Over about the last four windows, as avm_domain.smooth. */
const struct avm_psi_window *avm_state_psi(const avm_state *st);

/* ------------------------------------------------------------------------ */
/* Plan                                                                     */

struct avm_change {
    struct avm_uuid uuid;
    uint32_t domid;
    char untrusted_name[AVM_NAME_LEN];
    enum avm_knob knob;
    enum avm_change_state state;
    uint64_t before, after;      /* in the unit of the knob                 */
    uint32_t lease_ms;           /* of an urgency other than normal         */
    uint32_t gain_permille;      /* expected                                */
    char reason[AVM_TEXT_LEN];   /* why it is wanted                        */
    char why_not[AVM_TEXT_LEN];  /* why it is not READY, "" if it is        */
};

/* Who gave what to whom. Share: permille of the pool's CPU time. */
struct avm_grant {
    struct avm_uuid to, from;
    uint32_t to_domid, from_domid;
    uint32_t share_permille;     /* moved from 'from' to 'to'               */
    uint32_t floor_weight;       /* what 'from' keeps in any case           */
    char rule[AVM_TEXT_LEN];
};

struct avm_plan {
    uint64_t mono_ms;
    size_t nr;
    struct avm_change *change;   /* in the order in which to apply them:
                                    donors give before others take          */
    size_t nr_grants;
    struct avm_grant *grant;
};

/*
 * Decide, resolve, reallocate, next. now_ms is monotonic and not before that of
 * the last sample. Call it each decide_ms: each call counts as one decision for
 * hold_decisions. With AVM_PLAN_PEEK it shows the plan and counts nothing.
 * ENOMEM, EINVAL. The caller frees it.
 */
#define AVM_PLAN_PEEK (1u << 0)
int avm_plan(avm_state *st, uint64_t now_ms, unsigned int flags,
             struct avm_plan **plan);
void avm_plan_free(struct avm_plan *plan);

/* What became of a floor (avm_need.cpu_min_permille), permille of one pCPU. */
struct avm_floor {
    uint32_t asked_permille;     /* by its need                             */
    uint32_t promise_permille;   /* of that: less if it cannot use more, or
                                    others were first                       */
    uint32_t wanted_permille;    /* by the domain itself                    */
    uint32_t share_permille;     /* what it gets of what it wants, with the
                                    weights that the plan found             */
};

/*
 * As the last avm_plan() saw it; d is of avm_domains(). *kept: it gets what is
 * both promised and wanted. False: it has no floor, or none that a plan was made
 * with.
 */
bool avm_floor_of(const avm_state *st, const struct avm_domain *d,
                  struct avm_floor *floor, bool *kept);

/*
 * Leases to be renewed by now_ms, as changes with before == after: apply them
 * (no journal, no budget) and report with avm_renewed(). Returns how many were
 * written to 'change', at most 'max'; what is left comes with the next call.
 */
size_t avm_renewals(avm_state *st, uint64_t now_ms, struct avm_change *change,
                    size_t max);
void avm_renewed(avm_state *st, const struct avm_change *c, uint64_t now_ms,
                 bool ok);

/* What became of a change: starts cool-down, counts against the budget. */
void avm_applied(avm_state *st, const struct avm_change *c, uint64_t now_ms,
                 bool ok);

/*
 * How often, since avm_state_new(), a change took back the one before it of the
 * same knob: within ten cool-downs or, if those are shorter, ten times
 * decide_ms. A weight that walks in one direction takes nothing back. Undoing
 * on request counts as well when it comes that soon.
 */
uint64_t avm_flip_flops(const avm_state *st);

/* What is left of changes_per_minute for the minute that ends at now_ms. */
uint32_t avm_changes_left(const avm_state *st, uint64_t now_ms);

/*
 * Changes that someone else made, found by the last avm_observe(): state is
 * FOREIGN, before is what we wrote, after what was read. The state has adopted
 * them. Valid until the next avm_observe().
 */
const struct avm_change *avm_foreign(const avm_state *st, size_t *nr);

/*
 * Everything this state changed and did not undo yet, as changes that put it
 * back (weights and caps to what they were before the first change, urgency to
 * normal). uuid NULL: all domains. Returns how many were written, at most max.
 * Domains that are gone, or dying, are left out. Apply and report with
 * avm_applied(): the knob is forgotten then.
 */
size_t avm_undo_list(const avm_state *st, const struct avm_uuid *uuid,
                     struct avm_change *change, size_t max);

/*
 * From the journal after a restart: 'knob' of this domain was 'original' before
 * the first change, and 'last' is what was written last. The same UUID under
 * another domid (started anew, or copied to this very host) is another domain.
 * Call it before the first avm_observe(). EINVAL, ENOMEM.
 */
int avm_state_restore(avm_state *st, const struct avm_uuid *uuid,
                      uint32_t domid, enum avm_knob knob, uint64_t original,
                      uint64_t last);

/*
 * Why: what was measured, the class and its evidence, what was wished, granted
 * or refused at the last avm_plan(), and when there was nothing to do, why.
 * Several lines of text. NULL with ENOENT or ENOMEM; the caller frees it.
 */
char *avm_explain(const avm_state *st, const struct avm_uuid *uuid);

/* ------------------------------------------------------------------------ */
/* Change                                                                   */

/* What the parameters say of a knob; false if they say nothing of it. */
bool avm_params_value(const struct avm_params *p, enum avm_knob knob,
                      uint64_t *value);

/*
 * Is 'a' as good as 'b' for this knob? Limits of bytes per second are divided among
 * queues and disks and rounded there: 1% is no difference.
 */
bool avm_knob_same(enum avm_knob knob, uint64_t a, uint64_t b);

/* ESRCH no such domain; ENOTSUP not with this scheduler, or no such device. */
int avm_params_get(avm_handle *h, uint32_t domid, struct avm_params *p);

/*
 * Sets the fields of p that 'set' names (AVM_CAN_WEIGHT ...) and leaves the
 * rest alone. uuid, if not NULL, must be that of the domain: ESTALE if the
 * domid was reused. p->lease_ms belongs to the urgency.
 * ESRCH, ESTALE, ENOTSUP, EINVAL (out of range, nothing was changed), EBUSY
 * (somebody else's qdisc is in the way, nothing was changed).
 */
int avm_params_set(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                   uint32_t set, const struct avm_params *p);

/* Writes c->after. Errors of avm_params_set(). */
int avm_apply(avm_handle *h, const struct avm_change *c);
/* Reads it back: 0 as written; 1 differs, *actual is what is there; -1. */
int avm_verify(avm_handle *h, const struct avm_change *c, uint64_t *actual);
/* Writes c->before; an urgency goes to normal. Errors of avm_params_set(). */
int avm_undo(avm_handle *h, const struct avm_change *c);

/*
 * Publishes ~/avm/version and ~/avm/class (readable by the guest, written by
 * dom0 only) when they differ from what was published last for this UUID.
 * ENOTSUP without xenstore, ESTALE, EAGAIN (transaction kept failing), ESRCH.
 */
int avm_publish(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                enum avm_class klass);
/* Removes ~/avm of a domain, on exit. */
int avm_unpublish(avm_handle *h, uint32_t domid);

/* ------------------------------------------------------------------------ */
/* JSON out: NULL with ENOMEM; the caller frees it. One object, no newline. */

/*
 * {"version":1,"ts_ns":N,"mode":S,"scheduler":S,"pressure":{...},"domains":[...]}:
 * avm list. Of "pressure" what is not known is null; so are a domain's figures of
 * network or disk that cannot be seen from here, because another domain, its
 * "net_served_by" or "disk_served_by", has the back-end: these are null otherwise.
 */
char *avm_json_domains(const avm_state *st, uint64_t realtime_ns,
                       enum avm_mode host_mode);
/*
 * {"version":1,"mono_ms":N,"changes":[...],"grants":[...]}: avm plan. "before"
 * and "after" are signed: an affinity to any pCPU is -1.
 */
char *avm_json_plan(const struct avm_plan *plan);
/* {"version":1,"domain":{...},"window":{...},"changes":[...],"text":S}      */
char *avm_json_explain(const avm_state *st, const struct avm_uuid *uuid);
/*
 * {"version":3,"mono_ns":N,"psi":{...},"host":{...},"domains":[...]}: all that
 * avm_observe() reads, on one line. 64 bit members are signed; characters of
 * names that are not printable become '?'.
 */
char *avm_json_sample(const struct avm_sample *sample);
/*
 * And back, from text that nobody needs to have checked; it need not end in
 * NUL. What is missing or out of range: -1 with EINVAL, and one line in err.
 * ENOMEM. avm_sample_free() frees it.
 */
int avm_sample_parse(const char *text, size_t len, struct avm_sample **sample,
                     char *err, size_t err_len);
/*
 * {"version":1,"models":{"idle":[{"metric":S,"no":N,"yes":N,"why":S},...],
 * ...}}: all classes but unknown, on one line.
 */
char *avm_json_models(const struct avm_models *models);
/*
 * And back, from text that nobody needs to have checked; it need not end in
 * NUL, and may have as many lines as it likes. A class that is not there has
 * its built-in model; a "why" may be missing. Anything else that is missing, out
 * of range or not known: -1 with EINVAL, one line in err that names the place,
 * statements counted from 1, and 'models' as it was. ENOMEM.
 */
int avm_models_parse(const char *text, size_t len, struct avm_models *models,
                     char *err, size_t err_len);
/*
 * {"version":1,"observed_ms":N,"class_ms":{"idle":N,...},"demand_permille":[
 * N,...],...}: the milliseconds of each bucket. What avm_learned_check() refuses
 * is not written: EINVAL.
 */
char *avm_json_learned(const struct avm_learned *l);
/*
 * And back, from text that nobody needs to have checked; it need not end in
 * NUL. Anything that avm_json_learned() would not have written: -1 with EINVAL,
 * one line in err, and 'l' as it was. ENOMEM.
 */
int avm_learned_parse(const char *text, size_t len, struct avm_learned *l,
                      char *err, size_t err_len);

#ifdef __cplusplus
}
#endif

#endif /* AVM_H */
