/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * next: which of the changes now, which later? Everything that keeps the loop
 * from flapping is here: a verdict has to hold, a domain that was just changed
 * is left in peace, a new one is watched first, and the host as a whole has a
 * budget. What the administrator declared does not wait.
 */
#include "core.h"

#define MINUTE_MS 60000

uint32_t avm_budget_left(const struct avm_budget *b, uint32_t per_minute,
                         uint64_t now_ms)
{
    uint32_t i, spent = 0;

    for (i = 0; i < b->used; i++)
        if (now_ms < b->at_ms[i] + MINUTE_MS)
            spent++;
    return spent < per_minute ? per_minute - spent : 0;
}

void avm_budget_spend(struct avm_budget *b, uint64_t now_ms)
{
    b->at_ms[b->next] = now_ms;
    b->next = (b->next + 1) % b->size;
    if (b->used < b->size)
        b->used++;
}

bool avm_lease_due(const struct avm_memory *m, uint64_t now_ms)
{
    const struct avm_knob_memory *k = &m->knob[AVM_KNOB_URGENCY];

    return m->present && k->ours && k->last != AVM_URGENCY_NORMAL &&
           now_ms >= m->lease_from_ms + m->lease_ms / 2;
}

/* A weight walks in steps: the same wish is the same direction. */
static uint64_t wish_key(const struct avm_wish *w)
{
    return w->knob == AVM_KNOB_WEIGHT ? w->to > w->from : w->to;
}

static uint32_t held(struct avm_knob_memory *k, const struct avm_wish *w,
                     bool count)
{
    bool same = k->held && k->held_to == wish_key(w);

    if (!count)
        return same ? k->held : 0;
    k->held = same ? k->held + (k->held < UINT32_MAX) : 1;
    k->held_to = wish_key(w);
    return k->held;
}

/* How long until 'length' after 'since' is over; 0 if it is. */
static uint64_t left_ms(uint64_t now_ms, uint64_t since_ms, uint64_t length)
{
    return now_ms < since_ms + length ? since_ms + length - now_ms : 0;
}

/*
 * One that is known needs less of it. Not where an earlier avmd has changed the
 * knob: nobody knows how long ago, and so the warm-up has to be the cool-down.
 */
static uint32_t warmup_ms(const struct avm_config *c, const struct avm_wish *w,
                          const struct avm_knob_memory *k)
{
    return w->like_past && !k->ours ? c->warmup_ms / AVM_KNOWN_WARMUP_DIVISOR :
                                      c->warmup_ms;
}

static void next_one(const struct avm_config *c, const struct avm_memory *m,
                     const struct avm_wish *w, struct avm_change *x,
                     uint32_t held_for, bool late, uint32_t *budget,
                     uint64_t now_ms)
{
    const struct avm_knob_memory *k = &m->knob[w->knob];
    uint32_t hold = c->hold_decisions;
    uint64_t ms;

    if (w->kind == AVM_WISH_RETURN)
        hold *= AVM_RETURN_HOLD_FACTOR;
    else if (w->unlike_past)
        hold *= AVM_UNLIKE_HOLD_FACTOR;

    if (w->refused)
        return; /* the state and the reason are there already */

    ms = left_ms(now_ms, k->foreign_until_ms, 0);
    if (ms) {
        x->state = AVM_CHANGE_FOREIGN;
        avm_text(x->why_not, "someone else set it: left alone for %llu s more",
                 (unsigned long long)(ms + 999) / 1000);
        return;
    }
    if (w->kind == AVM_WISH_DECLARED) {
        /* At once; but what just failed is not tried again each time. */
        ms = k->failed ? left_ms(now_ms, k->changed_ms, c->cooldown_ms) : 0;
        if (ms) {
            x->state = AVM_CHANGE_COOLDOWN;
            avm_text(x->why_not, "failed a short while ago: %llu ms more",
                     (unsigned long long)ms);
        }
        return;
    }
    if (w->kind != AVM_WISH_RETURN && w->gain_permille < c->gain_min_permille) {
        x->state = AVM_CHANGE_SMALL;
        avm_text(x->why_not, "expected gain %u permille, worth it from %u",
                 w->gain_permille, c->gain_min_permille);
        return;
    }
    ms = left_ms(now_ms, m->first_ms, warmup_ms(c, w, k));
    if (ms) {
        x->state = AVM_CHANGE_WARMUP;
        avm_text(x->why_not, "known for too short a time: %llu ms more",
                 (unsigned long long)ms);
        return;
    }
    if (held_for < hold) {
        x->state = AVM_CHANGE_HOLD;
        avm_text(x->why_not, "wished %u times in a row, of %u%s%s", held_for,
                 hold, w->kind != AVM_WISH_RETURN && w->unlike_past ? ": " : "",
                 w->kind != AVM_WISH_RETURN && w->unlike_past ? w->past : "");
        return;
    }
    ms = k->changed ? left_ms(now_ms, k->changed_ms, c->cooldown_ms) : 0;
    if (ms) {
        x->state = AVM_CHANGE_COOLDOWN;
        avm_text(x->why_not, "changed a short while ago: %llu ms more",
                 (unsigned long long)ms);
        return;
    }
    if (w->after_gives && late) {
        x->state = AVM_CHANGE_HOLD;
        avm_text(x->why_not, "waits for those who give");
        return;
    }
    if (!*budget) {
        x->state = AVM_CHANGE_BUDGET;
        avm_text(x->why_not, "%u changes in the last minute",
                 c->changes_per_minute);
        return;
    }
    --*budget;
}

void avm_next(const struct avm_config *c, struct avm_memory *mem, size_t nr,
              const struct avm_wish *wish, const size_t *order,
              struct avm_change *change, size_t nr_changes,
              const struct avm_budget *b, uint64_t now_ms, bool count)
{
    uint32_t budget = avm_budget_left(b, c->changes_per_minute, now_ms);
    size_t i;
    unsigned int k;

    for (i = 0; i < nr; i++) {
        mem[i].wished = 0;
        mem[i].late = false;
    }

    for (i = 0; i < nr_changes; i++) {
        const struct avm_wish *w = &wish[order[i]];
        struct avm_memory *m = &mem[w->dom];

        m->wished |= 1u << w->knob;
        next_one(c, m, w, &change[i], held(&m->knob[w->knob], w, count),
                 mem[w->group].late, &budget, now_ms);
        /* Nobody reckons with what was refused. */
        if (w->knob == AVM_KNOB_WEIGHT && w->to < w->from && !w->refused &&
            change[i].state != AVM_CHANGE_READY)
            mem[w->group].late = true;
    }

    /* A wish that is not repeated starts anew. */
    if (count)
        for (i = 0; i < nr; i++)
            for (k = 0; k < AVM_NR_KNOBS; k++)
                if (!(mem[i].wished & (1u << k)))
                    mem[i].knob[k].held = 0;
}
