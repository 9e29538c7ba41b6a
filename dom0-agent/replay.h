/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording gone through by the same core that avmd has, line by line: no
 * Xen, no clock. The same lines give the same events.
 *
 * Each change that is ready, in a domain in mode auto, is taken as made. What a
 * domain does afterwards is what it did in the recording. A knob that was
 * changed here has the value from here as long as the recording goes on showing
 * the one it had then; from the moment the recording shows another, that one
 * counts. If it is the one set here, avmd did the same at that time; otherwise
 * the core finds that someone else set it, as avmd would.
 */
#ifndef AGENT_REPLAY_H
#define AGENT_REPLAY_H

#include "avm.h"

struct replay_event {
    uint64_t ms;                /* since the first sample                 */
    const struct avm_domain *dom;
    bool is_class;              /* otherwise a change                     */
    enum avm_class was;         /* is_class: it is dom->klass now         */
    const struct avm_change *change;
    const char *actor;          /* avmd, foreign                          */
};

typedef void replay_event_fn(void *arg, const struct replay_event *e);

struct replay;

struct replay_totals {
    uint64_t samples, decisions, ms;
};

/*
 * 'mode' instead of that of the host in the recording, unless it is
 * AVM_MODE_INHERIT. NULL with errno.
 */
struct replay *replay_new(enum avm_mode mode, replay_event_fn *fn, void *arg);
void replay_free(struct replay *r);

/* The next line, without its end. -1: one line in 'err', and go no further. */
int replay_line(struct replay *r, const char *text, size_t len,
                char *err, size_t err_size);

/*
 * The last line: as above, but the plan that is made then is handed out, and
 * nothing of it done. If it is not the time for a decision, it is what 'avm
 * plan' would have shown. avm_plan_free() frees it.
 */
int replay_last_line(struct replay *r, const char *text, size_t len,
                     struct avm_plan **plan, char *err, size_t err_size);

/* To be called with each sample, as it was recorded. */
typedef void replay_sample_fn(void *arg, const struct avm_sample *s);
void replay_on_sample(struct replay *r, replay_sample_fn *fn, void *arg);

const struct replay_totals *replay_totals(const struct replay *r);

#endif
