/* SPDX-License-Identifier: MIT */
/*
 * The interface of the activity scheduler: what dom0 sets and reads.
 *
 * The hypervisor and libavm include this same file. The licence is the one of
 * Xen's public headers, so that any toolstack may include it.
 *
 * Include <xen/xen.h> (or, in the hypervisor, <public/xen.h>) first; outside the
 * hypervisor with __XEN_TOOLS__ defined, as for domctl.h and sysctl.h.
 * Every structure has the same layout on 32 and 64 bit.
 */
#ifndef XEN_PUBLIC_SCHED_ACTIVITY_H
#define XEN_PUBLIC_SCHED_ACTIVITY_H
#if defined(__XEN__) || defined(__XEN_TOOLS__)

/* The number of the scheduler beside the XEN_SCHEDULER_* of domctl.h. */
#define XEN_SCHEDULER_ACTIVITY 10

/*
 * XEN_DOMCTL_scheduler_op, XEN_DOMCTL_SCHEDOP_{put,get}info.
 *
 * putinfo changes the fields named in 'set' and leaves the others alone, so two
 * writers do not undo each other. getinfo ignores the input and fills it all.
 * One bad field refuses the whole call with -EINVAL and changes nothing. So does
 * a reservation for which there is no room, with -ENOSPC.
 */
#define XEN_SCHED_ACTIVITY_SET_WEIGHT   (1u << 0)
#define XEN_SCHED_ACTIVITY_SET_CAP      (1u << 1)
#define XEN_SCHED_ACTIVITY_SET_URGENCY  (1u << 2)
#define XEN_SCHED_ACTIVITY_SET_RESERVATION (1u << 3)
#define XEN_SCHED_ACTIVITY_SET_ALL      0xfu

/* Range of the weight; 256 is what a new domain gets, as in credit2. */
#define XEN_SCHED_ACTIVITY_WEIGHT_MIN     1u
#define XEN_SCHED_ACTIVITY_WEIGHT_DEFAULT 256u
#define XEN_SCHED_ACTIVITY_WEIGHT_MAX     65535u

/*
 * How soon a domain's vCPUs have to run once they have work. Urgency never
 * adds share: what runs early is charged to the domain's own share.
 */
#define XEN_SCHED_ACTIVITY_URGENCY_NORMAL      0u
#define XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND  1u /* never preempts others    */
#define XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE 2u /* events run it early      */
#define XEN_SCHED_ACTIVITY_URGENCY_CRITICAL    3u /* runs ahead of the others */
#define XEN_SCHED_ACTIVITY_URGENCY_MAX         3u

/*
 * An urgency other than normal is a lease: it falls back to normal by itself
 * unless renewed, so a dead agent leaves plain weights behind.
 */
#define XEN_SCHED_ACTIVITY_LEASE_MS_MIN 10u
#define XEN_SCHED_ACTIVITY_LEASE_MS_MAX 600000u

/*
 * A reservation: slice_us of pCPU time in every period_us from when a vCPU has
 * work, ahead of all others, and no more than that ahead of them. A lease, too.
 * slice_us, period_us and reserve_lease_ms all 0: it ends.
 *
 * Less than the smallest slice could not be kept, and below the smallest period
 * the switches would cost a few percent.
 */
#define XEN_SCHED_ACTIVITY_SLICE_US_MIN   50u
#define XEN_SCHED_ACTIVITY_PERIOD_US_MIN  200u
#define XEN_SCHED_ACTIVITY_PERIOD_US_MAX  1000000u
#define XEN_SCHED_ACTIVITY_VCPU_ALL       ~0u

struct xen_domctl_sched_activity {
    uint32_t set;       /* IN of putinfo: XEN_SCHED_ACTIVITY_SET_*           */
    uint16_t weight;    /* WEIGHT_MIN..WEIGHT_MAX                            */
    uint16_t cap;       /* percent of one pCPU, at most 100 * vCPUs; 0: none */
    uint32_t urgency;   /* XEN_SCHED_ACTIVITY_URGENCY_*                      */
    uint32_t lease_ms;  /* putinfo: length of the lease, 0 with NORMAL;
                           getinfo: what is left of it, 0 for NORMAL         */
    uint32_t vcpu;      /* IN: whose reservation; putinfo: or VCPU_ALL       */
    uint32_t slice_us;  /* SLICE_US_MIN..period_us; 0: no reservation        */
    uint32_t period_us; /* PERIOD_US_MIN..PERIOD_US_MAX                      */
    uint32_t reserve_lease_ms; /* as lease_ms, of the reservation            */
    uint32_t free_permille; /* OUT of getinfo, and of putinfo with -ENOSPC: how
                           much that vCPU can have reserved, or all of them
                           together, in 1/1000 of a pCPU                     */
};

/*
 * XEN_SYSCTL_scheduler_op.
 *
 * XEN_SYSCTL_SCHEDOP_putinfo with OP_PARAMS changes the parameters of a pool
 * (all of them: get, change, put). XEN_SYSCTL_SCHEDOP_getinfo reads either the
 * parameters or the activity records.
 */
#define XEN_SYSCTL_SCHED_ACTIVITY_OP_PARAMS  0u
#define XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS 1u

struct xen_sysctl_sched_activity_params {
    uint32_t ratelimit_us;  /* a running unit is left alone for this long,
                               unless another wakes, or an event is urgent.
                               0 (off) .. 500000                             */
    uint32_t slice_min_us;  /* slice of a unit with short bursts.
                               50 .. slice_max_us                            */
    uint32_t slice_max_us;  /* mean slice of units that only compute, at most;
                               at least half of it.
                               slice_min_us .. 100000                        */
    uint32_t debt_max_us;   /* how far an urgent or boosted unit may run ahead
                               of its share. 0 (no boosts) .. 1000000        */
};

/*
 * What one vCPU did since it was created (or moved to this pool). Times are ns,
 * everything only grows, except where it says otherwise.
 */
#define XEN_SCHED_ACTIVITY_LATENCY_BUCKETS 20

struct xen_sched_activity_record {
    uint16_t domid;
    uint16_t vcpu_id;
    uint16_t pcpu;            /* now: pCPU it runs on or ran on last         */
    uint16_t state;           /* now: RUNSTATE_* of public/vcpu.h            */
    uint32_t flags;           /* now: XEN_SCHED_ACTIVITY_REC_*               */
    uint32_t burst_avg_ns;    /* now: mean time it ran until it blocked,
                                 over about the last eight bursts            */
    uint64_aligned_t time_ns[4];      /* by RUNSTATE_*: running, runnable, blocked,
                                 offline; up to the time of the call         */
    uint64_aligned_t wakes;           /* woken after having blocked                  */
    uint64_aligned_t blocks;          /* gave the pCPU away because it had to wait   */
    uint64_aligned_t preemptions;     /* lost the pCPU while it could have gone on   */
    uint64_aligned_t yields;          /* asked to be put behind others               */
    uint64_aligned_t migrations;      /* started on another pCPU than the last time  */
    uint64_aligned_t boosts;          /* run early because of an event               */
    uint64_aligned_t events[4];       /* by XEN_SCHED_ACTIVITY_EVENT_*               */
    uint64_aligned_t events_runnable; /* of these, found it waiting for a pCPU       */
    uint64_aligned_t events_sent;     /* interdomain events it sent to others        */
    /*
     * Wake-ups by how long they waited for a pCPU: [0] under 1 us, [i] from
     * 2^(i-1) up to 2^i us, the last bucket everything above. These wrap.
     */
    uint32_t latency[XEN_SCHED_ACTIVITY_LATENCY_BUCKETS];
    /*
     * What is set, now, so that nobody has to ask for it domain by domain. A Xen
     * that does not tell this yet leaves 'weight' at 0.
     */
    uint16_t weight;          /* of the domain, these four: as in            */
    uint16_t cap;             /* struct xen_domctl_sched_activity            */
    uint32_t urgency;
    uint32_t lease_ms;        /* what is left of it, 0 for NORMAL            */
    uint32_t pad;             /* 0                                           */
    uint64_aligned_t affinity;        /* hard: bit n = pCPU n, pCPU 0 .. 63          */
};

#define XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN 0
#define XEN_SCHED_ACTIVITY_EVENT_VIRQ        1 /* the guest's own timer, mostly */
#define XEN_SCHED_ACTIVITY_EVENT_PIRQ        2
#define XEN_SCHED_ACTIVITY_EVENT_IPI         3

#define XEN_SCHED_ACTIVITY_REC_PARKED  (1u << 0) /* waits for its cap's budget */
#define XEN_SCHED_ACTIVITY_REC_URGENT  (1u << 1) /* domain's lease is running  */
#define XEN_SCHED_ACTIVITY_REC_RESERVED (1u << 2) /* vCPU has a reservation   */
#define XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE (1u << 3) /* may run on some pCPU
                                                     above 63, too           */

/*
 * Records come in ascending order of (domid, vcpu_id). Start with the cursor at
 * 0; each call fills up to 'nr' records and moves the cursor behind the last
 * one. nr == 0 on return: that was all. A domain that comes or goes between
 * two calls is seen or not; no other record is lost or doubled.
 */
struct xen_sysctl_sched_activity_records {
    uint64_aligned_t cursor;          /* IN/OUT                                      */
    uint32_t nr;              /* IN: room in 'buffer'; OUT: records written  */
    uint32_t size;            /* IN: sizeof(record) of the caller; each record
                                 is cut or zero-filled to it. OUT: Xen's own */
    uint64_aligned_t now_ns;          /* OUT: time of the call, on the clock of
                                 time_ns                                     */
    XEN_GUEST_HANDLE_64(uint8) buffer; /* IN: room for nr * size bytes       */
};

struct xen_sysctl_sched_activity {
    uint32_t op;              /* XEN_SYSCTL_SCHED_ACTIVITY_OP_*              */
    uint32_t pad;             /* 0                                           */
    union {
        struct xen_sysctl_sched_activity_params params;
        struct xen_sysctl_sched_activity_records records;
    } u;
};

#endif /* __XEN__ || __XEN_TOOLS__ */
#endif /* XEN_PUBLIC_SCHED_ACTIVITY_H */
