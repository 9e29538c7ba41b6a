/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The records of the activity scheduler in Xen's trace buffer (xentrace), beside
 * those of the core that every scheduler shares: who runs when, wakes, blocks.
 *
 * Only the layout, so that a decoder includes this same file; it needs the fixed
 * width integers, and for ACT_TRC_EVENT public/trace.h. Which unit a record is
 * about comes first in each. Lag is what a unit is owed (below 0: what it has
 * borrowed), in time on a pCPU. Times are us and end at the ends of their types.
 */
#ifndef SCHED_ACTIVITY_TRACE_H
#define SCHED_ACTIVITY_TRACE_H

/* The event of a record: ACT_TRC_EVENT(ACT_TRC_TICKLE). */
#define ACT_TRC_EVENT(number) TRC_SCHED_CLASS_EVT(ACTIVITY, number)

struct act_trc_unit {
    uint16_t unit, dom;
} __attribute__((packed));

/* A pCPU, the one of the record, was given to the unit or left to it. */
#define ACT_TRC_DECISION 1
struct act_trc_decision {
    struct act_trc_unit id;
    uint8_t class;                /* enum act_class                         */
    uint8_t switches;             /* it did not run there before            */
    uint16_t queued;              /* units that still wait in the queue     */
    int32_t lag_us;
    uint32_t limit_us;            /* how long it may run                    */
} __attribute__((packed));

/* A pCPU was told to come and get the unit, which is queued. */
#define ACT_TRC_TICKLE 2
struct act_trc_tickle {
    struct act_trc_unit id;
    uint16_t cpu;
    uint8_t class;
    uint8_t why;                  /* ACT_TRC_WHY_*                          */
} __attribute__((packed));
#define ACT_TRC_WHY_IDLE   0      /* it idles                               */
#define ACT_TRC_WHY_STEAL  1      /* it idles, and has another queue        */
#define ACT_TRC_WHY_HOME   2      /* the unit ran there last, and who runs
                                     there now computes and goes behind it  */
#define ACT_TRC_WHY_LATEST 3      /* of those that go behind the unit, who
                                     runs there goes last                   */
#define ACT_TRC_WHY_GANG   4      /* others of its guest run, and who runs
                                     there is of another guest              */
#define ACT_TRC_WHY_ROOM   5      /* who runs there can go elsewhere        */

/* An event came for the unit, which waits for a pCPU. */
#define ACT_TRC_EVENT_WAITS 3
struct act_trc_event {
    struct act_trc_unit id;
    uint16_t evidence;            /* that its events wake tasks, of 1024    */
    uint8_t class;                /* in which it waits                      */
    uint8_t boosts;               /* a boost follows                        */
} __attribute__((packed));

/* The unit is boosted. */
#define ACT_TRC_BOOST 4
struct act_trc_boost {
    struct act_trc_unit id;
    uint16_t evidence;
    uint8_t why;                  /* ACT_TRC_BOOST_*                        */
    uint8_t pad;
    int32_t lag_us;
} __attribute__((packed));

#define ACT_TRC_BOOST_EVENT     0 /* an event waits for it                  */
#define ACT_TRC_BOOST_AT_WORK   1 /* it runs, and is to end what an event
                                     began                                  */
#define ACT_TRC_BOOST_INHERITED 2 /* an urgent unit of another domain has
                                     sent it an event, and pays             */

/* An event that was looked at: did it wake a task? Boosts hang on that. */
#define ACT_TRC_JUDGEMENT 5
struct act_trc_judgement {
    struct act_trc_unit id;
    uint16_t evidence;            /* with this one counted in               */
    uint8_t woke_task;
    uint8_t boosted;              /* the boost was right, or was not        */
    uint32_t after_us;            /* since it got its pCPU                  */
} __attribute__((packed));

/* The unit has no budget under its domain's cap: it waits outside the queue... */
#define ACT_TRC_PARK 6
/* ... or does so no longer. */
#define ACT_TRC_UNPARK 7
struct act_trc_budget {
    struct act_trc_unit id;
    int32_t budget_us;            /* left to the domain, or owed by it      */
} __attribute__((packed));

/* The unit went from one queue to another. */
#define ACT_TRC_MOVE 8
struct act_trc_move {
    struct act_trc_unit id;
    uint16_t from, to;            /* pCPUs                                  */
    uint8_t stolen;               /* 0: the core said so; 1: @to idled      */
    uint8_t pad[3];
} __attribute__((packed));

/* A slice of the unit begins. */
#define ACT_TRC_SLICE 9
struct act_trc_slice {
    struct act_trc_unit id;
    uint8_t class;
    uint8_t pad[3];
    int32_t lag_us;
    uint32_t slice_us;
} __attribute__((packed));

#endif /* SCHED_ACTIVITY_TRACE_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
