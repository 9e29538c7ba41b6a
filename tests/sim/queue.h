/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual time as one queue of events: Xen's timers, softirqs, ends of context
 * switches, and what guests have in mind.
 */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t s_time_t;

struct sim_event {          /* all zero before first use */
    s_time_t at_ns;
    uint64_t order;         /* equal times: who was armed first goes first */
    unsigned int slot;      /* place in the heap + 1; 0: not pending */
    void (*fn)(struct sim_event *event);
};

void sim_at(struct sim_event *event, s_time_t at_ns);   /* arm or re-arm */
void sim_cancel(struct sim_event *event);

static inline bool sim_pending(const struct sim_event *event)
{
    return event->slot;
}

/* For the loop that lets time pass: when is the next one, and take it. */
s_time_t sim_next_ns(void);                             /* INT64_MAX: none */
struct sim_event *sim_take(void);

/* A pending event whose memory lies in [start, end), or NULL; slow. */
const struct sim_event *sim_pending_in(const void *start, const void *end);

#endif /* SIM_QUEUE_H */
