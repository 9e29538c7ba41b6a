/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * decide: would more of something really help this domain, or would less of it
 * help the others? Whether the others can afford it is for resolve.
 *
 *   waits after it wakes        -> urgency (sooner, not more)
 *   wants more than its share   -> weight (more)
 *   computes, in the background -> gives: urgency and weight down
 *   below its promised floor    -> weight (as much as that takes, at once)
 *   uses a busy link or disk    -> share (shares.c)
 *   reason gone                 -> back to what it was
 *
 * A domain that never waits gains nothing from any of this, and is left alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

/* Sure enough of a class to act upon it. */
#define CONFIDENT_PERMILLE 500

/*
 * To wait for 5% of the time in which it has work, or for half a millisecond
 * after one wake-up in 100, is what a user can begin to notice.
 */
#define WAITS_PERMILLE 50
#define WAITS_P99_US   500

/* Fewer wake-ups than that and nobody sits at the other end. */
#define SERVES_WAKES_PER_S       5
#define SERVES_STILL_WAKES_PER_S 2

/* Who wants less than half a pCPU does not compute: see evaluate's model. */
#define COMPUTES_STILL_PERMILLE 500

/* A wish for weight needs 5% more demand than share: less is noise. */
#define SHORT_PERMILLE 50

/*
 * A weight that keeps a floor is lowered if 4/5 of it would do: what the others
 * want changes all the time, and each time it grew it would have to be raised.
 */
#define FLOOR_EXCESS(weight) ((weight) + (uint64_t)(weight) / 4)

static bool confident(const struct avm_domain *d, enum avm_class c)
{
    return d->klass == c && d->confidence_permille >= CONFIDENT_PERMILLE;
}

static bool computes(const struct avm_domain *d)
{
    return confident(d, AVM_CLASS_CPU) ||
           (d->role == AVM_ROLE_BACKGROUND && confident(d, AVM_CLASS_MIXED));
}

/*
 * What began goes on until there is a clear reason to end it, or a figure on the
 * edge would make it begin and end for ever. Who gave has less CPU time for each
 * I/O, and looks less like one that computes: what it wants does not change.
 */
static bool still_computes(const struct avm_domain *d)
{
    return d->klass == AVM_CLASS_CPU ||
           (uint64_t)d->smooth.cpu_permille + d->smooth.wait_permille >=
           COMPUTES_STILL_PERMILLE;
}

static bool waits(const struct avm_domain *d)
{
    return d->pressure_permille[AVM_RES_CPU] >= WAITS_PERMILLE ||
           d->smooth.latency_p99_us >= WAITS_P99_US;
}

/*
 * Sleeps and wakes for somebody's sake, at least so often, as far as its class is
 * that sure.
 */
static bool serves_by(const struct avm_domain *d, uint32_t wakes_per_s,
                      uint32_t sure_permille)
{
    if (d->smooth.wakes_per_s < wakes_per_s)
        return false;
    if (d->role == AVM_ROLE_INTERACTIVE)
        return d->klass != AVM_CLASS_CPU && d->klass != AVM_CLASS_IDLE;
    return d->confidence_permille >= sure_permille &&
           (d->klass == AVM_CLASS_NET || d->klass == AVM_CLASS_DISK ||
            d->klass == AVM_CLASS_TIME_CRITICAL);
}

static bool serves(const struct avm_domain *d)
{
    return serves_by(d, SERVES_WAKES_PER_S, CONFIDENT_PERMILLE);
}

static bool still_serves(const struct avm_domain *d)
{
    return serves_by(d, SERVES_STILL_WAKES_PER_S, 0);
}

/* Those of a higher role than background that compete with a domain. */
struct others {
    unsigned int busy, waiting;
    uint32_t wait_permille;     /* of the one that waits most                */
};

static bool counts(const struct avm_domain *d)
{
    return d->role != AVM_ROLE_BACKGROUND && d->klass != AVM_CLASS_IDLE &&
           d->smooth.length_ns;
}

/*
 * What others_of() needs of each group, by the group's number, in the temporary
 * arrays of scratch: how many are busy, how many wait, and how long the two
 * that wait most do.
 */
static void groups_count(const struct avm_domain *dom, size_t nr,
                         struct avm_scratch *s)
{
    uint32_t *busy = s->tmp_demand, *waiting = s->tmp_weight;
    uint32_t *most = s->tmp_share, *second = s->after;
    size_t i;

    for (i = 0; i < nr; i++)
        busy[i] = waiting[i] = most[i] = second[i] = 0;

    for (i = 0; i < nr; i++) {
        uint32_t p = dom[i].pressure_permille[AVM_RES_CPU];
        size_t g = s->group[i];

        if (!counts(&dom[i]))
            continue;
        busy[g]++;
        if (p < WAITS_PERMILLE)
            continue;
        waiting[g]++;
        if (p > most[g]) {
            second[g] = most[g];
            most[g] = p;
        } else {
            second[g] = avm_max_u32(second[g], p);
        }
    }
}

/* All of its group but for 'me'. */
static struct others others_of(const struct avm_domain *dom,
                               const struct avm_scratch *s, size_t me)
{
    uint32_t p = dom[me].pressure_permille[AVM_RES_CPU];
    size_t g = s->group[me];
    struct others o = {
        .busy = s->tmp_demand[g], .waiting = s->tmp_weight[g],
        .wait_permille = s->tmp_share[g],
    };

    if (!counts(&dom[me]))
        return o;
    o.busy--;
    if (p < WAITS_PERMILLE)
        return o;
    o.waiting--;
    if (p == o.wait_permille)
        o.wait_permille = s->after[g];
    return o;
}

static void reason_give(struct avm_wish *x, const struct avm_domain *d,
                        const struct others *o, const char *what)
{
    avm_text(x->reason, "background work that computes (%u%% of a CPU) while "
             "%u other%s wait%s: %s", d->smooth.cpu_permille / 10, o->waiting,
             o->waiting == 1 ? "" : "s", o->waiting == 1 ? "s" : "", what);
}

struct avm_wish *avm_wish_add(struct avm_wish *w, size_t *n,
                              const struct avm_domain *d, size_t dom,
                              enum avm_knob knob, enum avm_wish_kind kind,
                              uint64_t from, uint64_t to, uint32_t gain)
{
    struct avm_wish *x = &w[(*n)++];

    memset(x, 0, sizeof(*x));
    x->dom = dom;
    x->uuid = d->uuid;
    x->role = d->role;
    x->knob = knob;
    x->kind = kind;
    x->from = from;
    x->to = to;
    x->gain_permille = gain;
    x->like_past = avm_like_past(d);
    x->unlike_past = avm_unlike_past(d);
    if (x->unlike_past)
        snprintf(x->past, sizeof(x->past), "it was %s for %u.%u%% of its busy "
                 "time only", avm_class_name(d->klass),
                 d->past.busy_permille[d->klass] / 10,
                 d->past.busy_permille[d->klass] % 10);
    return x;
}

static void decide_urgency(const struct avm_domain *d, size_t i,
                           const struct avm_memory *m, const struct others *o,
                           struct avm_wish *w, size_t *n)
{
    uint32_t now = d->params.urgency, p = d->pressure_permille[AVM_RES_CPU];
    bool ours = m->knob[AVM_KNOB_URGENCY].ours;
    struct avm_wish *x;

    if (!(d->params.can & AVM_CAN_URGENCY))
        return;

    if (d->role == AVM_ROLE_TIME_CRITICAL && !confident(d, AVM_CLASS_CPU)) {
        if (now == AVM_URGENCY_CRITICAL ||
            (d->klass == AVM_CLASS_CPU && now == AVM_URGENCY_NORMAL))
            return;
        x = avm_wish_add(w, n, d, i, AVM_KNOB_URGENCY, AVM_WISH_DECLARED, now,
                         AVM_URGENCY_CRITICAL, 1000);
        avm_text(x->reason, "declared time-critical: runs ahead of the others "
                 "when it wakes, within its own share");
        return;
    }

    /* What was declared ends with the declaration, what was earned with another. */
    if (ours && ((now == AVM_URGENCY_CRITICAL &&
                  d->role != AVM_ROLE_TIME_CRITICAL) ||
                 (now == AVM_URGENCY_INTERACTIVE &&
                  d->role == AVM_ROLE_BACKGROUND))) {
        x = avm_wish_add(w, n, d, i, AVM_KNOB_URGENCY, AVM_WISH_DECLARED, now,
                         AVM_URGENCY_NORMAL, 1000);
        avm_text(x->reason, "declared %s now: %s no longer",
                 avm_role_name(d->role), avm_urgency_name(now));
        return;
    }

    if (d->role == AVM_ROLE_BACKGROUND) {
        if (now == AVM_URGENCY_BACKGROUND && still_computes(d))
            return;
        if (computes(d) && o->waiting) {
            x = avm_wish_add(w, n, d, i, AVM_KNOB_URGENCY, AVM_WISH_GIVE, now,
                             AVM_URGENCY_BACKGROUND, o->wait_permille);
            reason_give(x, d, o, "must not preempt them");
            return;
        }
    } else {
        /* Once it is urgent it waits no more: that is no reason to stop. */
        if (now == AVM_URGENCY_INTERACTIVE && still_serves(d))
            return;
        if (serves(d) && waits(d)) {
            x = avm_wish_add(w, n, d, i, AVM_KNOB_URGENCY, AVM_WISH_GAIN, now,
                             AVM_URGENCY_INTERACTIVE,
                             avm_max_u32(p, avm_min_u32(1000,
                                 1000ull * d->smooth.latency_p99_us /
                                 (d->smooth.latency_p99_us + WAITS_P99_US))));
            avm_text(x->reason, "%s: wakes %u times/s and then waits (%u%% of "
                     "its busy time, 99%% within %u us): sooner helps, more "
                     "does not", avm_class_name(d->klass),
                     d->smooth.wakes_per_s, p / 10, d->smooth.latency_p99_us);
            return;
        }
    }

    if (ours && now != AVM_URGENCY_NORMAL) {
        x = avm_wish_add(w, n, d, i, AVM_KNOB_URGENCY, AVM_WISH_RETURN, now,
                         AVM_URGENCY_NORMAL, 0);
        avm_text(x->reason, "reason gone (%s now): urgency back to normal",
                 avm_class_name(d->klass));
    }
}

/*
 * Weight with which its share would grow from 'fair' to 'want', if those who
 * have the rest of the capacity keep theirs: w / (w + rest) = want / capacity.
 */
static uint32_t weight_for(uint32_t now, uint32_t want, uint32_t fair,
                           uint32_t capacity)
{
    if (want >= capacity || !fair || fair >= capacity)
        return UINT32_MAX;
    return avm_clamp_u32((uint64_t)now * (capacity - fair) / fair * want /
                         (capacity - want));
}

uint32_t avm_own_weight(const struct avm_domain *d, const struct avm_memory *m)
{
    const struct avm_knob_memory *k = &m->knob[AVM_KNOB_WEIGHT];
    const struct avm_limits *l = &m->limits;
    uint32_t w = k->ours ? k->original : d->params.weight;

    if (!l->weight_explicit || !(d->params.can & AVM_CAN_WEIGHT) ||
        !avm_may_change(d))
        return w;
    return avm_max_u32(avm_min_u32(w, l->weight_max), l->weight_min);
}

/* s->before are shares with the weights of now, s->own weights by right. */
static void decide_weight(const struct avm_domain *d, size_t i,
                          const struct avm_memory *m, const struct others *o,
                          const struct avm_scratch *s,
                          struct avm_wish *w, size_t *n)
{
    const struct avm_limits *l = &m->limits;
    const struct avm_knob_memory *k = &m->knob[AVM_KNOB_WEIGHT];
    uint32_t now = d->params.weight, want = s->demand[i], to;
    uint32_t own = s->own[i], given = avm_own_weight(d, m);
    uint32_t fair = s->before[i], capacity = s->capacity[i];
    uint32_t give_to = avm_max_u32(l->weight_min, s->own_least[i]);
    struct avm_wish *x;

    if (!(d->params.can & AVM_CAN_WEIGHT))
        return;

    /* What the administrator wrote down in so many words. */
    if (l->weight_explicit && (now < l->weight_min || now > l->weight_max)) {
        to = now < l->weight_min ? l->weight_min : l->weight_max;
        x = avm_wish_add(w, n, d, i, AVM_KNOB_WEIGHT, AVM_WISH_DECLARED, now,
                         to, 1000);
        avm_text(x->reason, "its need asks for a weight of %u to %u",
                 l->weight_min, l->weight_max);
        return;
    }

    /* All else follows from figures. */
    if (!d->smooth.length_ns)
        return;

    if (d->role == AVM_ROLE_BACKGROUND &&
        (computes(d) || (k->ours && now < own && still_computes(d)))) {
        if (computes(d) && o->waiting &&
            now > (give_to > l->weight_min ? FLOOR_EXCESS(give_to) : give_to)) {
            x = avm_wish_add(w, n, d, i, AVM_KNOB_WEIGHT, AVM_WISH_GIVE, now,
                             give_to, o->wait_permille);
            reason_give(x, d, o, give_to > l->weight_min ?
                        "gives, down to what it was promised" :
                        "gives, down to the floor of its role");
            return;
        }
        /* That nobody waits any more may be thanks to what it gave. */
        if (o->busy)
            return;
    }

    /*
     * Equals share equally: only what ranks above normal asks for more, and
     * not for computing, which its role is not about.
     */
    if (d->role == AVM_ROLE_INTERACTIVE || d->role == AVM_ROLE_TIME_CRITICAL) {
        if (d->klass != AVM_CLASS_IDLE && d->klass != AVM_CLASS_CPU &&
            waits(d) &&
            d->smooth.cpu_permille + SHORT_PERMILLE >= fair &&
            (uint64_t)want * 1000 > (uint64_t)fair * (1000 + SHORT_PERMILLE)) {
            to = weight_for(now, want, fair, capacity);
            to = avm_min_u32(to, l->weight_max);
            if (to > now) {
                x = avm_wish_add(w, n, d, i, AVM_KNOB_WEIGHT, AVM_WISH_GAIN,
                                 now, to,
                                 avm_min_u32(1000, 1000ull * (want - fair) /
                                                   (fair ? fair : 1)));
                avm_text(x->reason, "wants %u%% of a CPU and its share is "
                         "%u%%", want / 10, fair / 10);
                return;
            }
        }
        /* It still uses what it was given, but for a floor that is gone. */
        if (k->ours && now > own && now <= avm_max_u32(own, l->weight_max) &&
            want > fair / 2)
            return;
    }

    /* That it goes up to what its floor needs is for decide_floors(). */
    if (k->ours && (now > own || now < given)) {
        to = now > own ? own : given;
        x = avm_wish_add(w, n, d, i, AVM_KNOB_WEIGHT, AVM_WISH_RETURN, now,
                         to, 0);
        if (to == given)
            avm_text(x->reason, "reason gone (%s now): weight back to %u",
                     avm_class_name(d->klass), to);
        else
            avm_text(x->reason, "a weight of %u keeps its floor: back to that",
                     to);
    }
}

/* Caps, affinity and limits are set because a need says so, never by a guess. */
static void decide_declared(const struct avm_domain *d, size_t i,
                            const struct avm_memory *m, enum avm_knob knob,
                            bool set, uint64_t to,
                            struct avm_wish *w, size_t *n)
{
    const struct avm_knob_memory *k = &m->knob[knob];
    struct avm_wish *x;
    uint64_t now;

    if (!avm_params_value(&d->params, knob, &now))
        return;
    if (set && !avm_knob_same(knob, now, to)) {
        x = avm_wish_add(w, n, d, i, knob, AVM_WISH_DECLARED, now, to, 1000);
        avm_text(x->reason, "its need asks for this %s", avm_knob_name(knob));
    } else if (!set && k->ours && !avm_knob_same(knob, now, k->original)) {
        x = avm_wish_add(w, n, d, i, knob, AVM_WISH_RETURN, now, k->original,
                         0);
        avm_text(x->reason, "no need asks for this %s any more",
                 avm_knob_name(knob));
    }
}

/*
 * What its need declares for this knob, if that is done at once. That it returns
 * when no need declares it any more takes its time.
 */
static bool declared_soon(const struct avm_domain *d,
                          const struct avm_memory *m, enum avm_knob knob,
                          bool set)
{
    const struct avm_knob_memory *k = &m->knob[knob];

    return set && avm_may_change(d) && !k->foreign_until_ms && !k->failed;
}

uint32_t avm_planned_cap(const struct avm_domain *d,
                         const struct avm_memory *m)
{
    if (!(d->params.can & AVM_CAN_CAP))
        return 0;
    return declared_soon(d, m, AVM_KNOB_CAP, m->limits.cap_set) ?
           m->limits.cap_pct : d->params.cap_pct;
}

uint64_t avm_planned_affinity(const struct avm_domain *d,
                              const struct avm_memory *m)
{
    return declared_soon(d, m, AVM_KNOB_AFFINITY, m->limits.affinity_set) ?
           m->limits.affinity : d->params.affinity;
}

/* ------------------------------------------------------------------------ */
/* Floors                                                                   */

/*
 * The weights that a floor has to reckon with: those of now, or what somebody is
 * about to return to or declared. That others are about to give may take them a
 * while, and does not count.
 */
static void floors_begin(const struct avm_domain *dom, size_t nr,
                         const struct avm_wish *w, size_t n,
                         struct avm_scratch *s)
{
    size_t i, k;

    for (i = 0; i < nr; i++)
        s->base[i] = s->self[i] = dom[i].params.weight;
    for (k = 0; k < n; k++) {
        i = w[k].dom;
        if (w[k].knob != AVM_KNOB_WEIGHT)
            continue;
        if (w[k].kind == AVM_WISH_DECLARED)
            s->base[i] = s->self[i] = w[k].to;
        else if (w[k].kind == AVM_WISH_RETURN)
            s->base[i] = avm_max_u32(s->base[i], w[k].to);
    }
}

/* Too little of its floor was left: as much as the figures say. */
static void reason_floor(char *text, const struct avm_domain *d,
                         const struct avm_memory *m,
                         const struct avm_scratch *s, size_t i)
{
    uint32_t usable = avm_floor_usable(d, m);
    char left[64] = "";

    if (s->promise[i] < usable)
        snprintf(left, sizeof(left), ", of which %u%% was not promised yet",
                 s->promise[i] / 10);
    avm_text(text, "its need asks for a floor of %u%% of a CPU%s; it wants "
             "%u%% and its share is %u%%%s", m->limits.cpu_min_permille / 10,
             left, s->demand[i] / 10, s->before[i] / 10,
             s->least[i] == avm_floor_weight_max(m) ?
             "; more weight it cannot have" : "");
}

/* Nothing of it was left: says so, as long as that matters. */
static void refuse_floor(const struct avm_domain *d, size_t i,
                         const struct avm_memory *m,
                         const struct avm_scratch *s,
                         struct avm_wish *w, size_t *n)
{
    uint32_t usable = avm_floor_usable(d, m), now = d->params.weight, to;
    uint32_t floor = avm_min_u32(usable, s->demand[i]);
    struct avm_wish *x;

    if (!usable || s->promise[i] || now < s->own[i] ||
        s->before[i] + AVM_ROUNDING >= floor)
        return;
    to = weight_for(now, floor, s->before[i], s->capacity[i]);
    to = avm_min_u32(to, avm_floor_weight_max(m));
    if (to <= now)
        return;
    x = avm_wish_add(w, n, d, i, AVM_KNOB_WEIGHT, AVM_WISH_DECLARED, now, to,
                     1000);
    x->refused = true;
    avm_text(x->reason, "its need asks for a floor of %u%% of a CPU",
             m->limits.cpu_min_permille / 10);
    avm_text(x->why_not, "needs %u%% of a CPU, 0%% is not promised yet: others "
             "were first, or of a higher role", usable / 10);
}

/*
 * Goes back to what its floor needs, if that is worth it; never so far that the
 * floor is lost because others have more than they return to. False: not now.
 */
static bool return_to_floor(size_t i, size_t nr, struct avm_scratch *s,
                            struct avm_wish *x)
{
    uint32_t lowest;

    if (!s->floor[i] || x->to > x->from)
        return true;
    lowest = avm_floor_lowest(s, nr, i, x->to, x->from);
    if (lowest <= x->to && s->own_least[i] < x->to)
        return true;
    x->to = lowest;
    avm_text(x->reason, "a weight of %u keeps its floor: back to that",
             lowest);
    return x->from > FLOOR_EXCESS(lowest);
}

/* Wishes for less that would lose a floor stop before that, or go. */
static void return_to_floors(size_t nr, struct avm_scratch *s,
                             struct avm_wish *w, size_t *n)
{
    size_t k, last = 0;

    for (k = 0; k < *n; k++) {
        if (w[k].knob == AVM_KNOB_WEIGHT && w[k].kind == AVM_WISH_RETURN &&
            !return_to_floor(w[k].dom, nr, s, &w[k]))
            continue;
        if (last != k)
            w[last] = w[k];
        last++;
    }
    *n = last;
}

/*
 * After all other wishes, of which a floor may take the place: it is about the
 * weights that there are, and has to be kept at once.
 */
static void decide_floors(const struct avm_domain *dom,
                          const struct avm_memory *mem, size_t nr,
                          struct avm_scratch *s, struct avm_wish *w, size_t *n)
{
    size_t *at = s->member, i, k, none;
    bool any = false;

    for (i = 0; i < nr; i++)
        any |= mem[i].limits.cpu_min_permille != 0;
    if (!any)
        return;

    floors_begin(dom, nr, w, *n, s);
    avm_floor_weights(mem, nr, s, AVM_ROUNDING);
    for (i = 0; i < nr; i++)
        s->base[i] = avm_max_u32(s->base[i], s->least[i]);
    return_to_floors(nr, s, w, n);

    none = *n;
    for (i = 0; i < nr; i++)
        at[i] = none;
    for (k = 0; k < none; k++)
        if (w[k].knob == AVM_KNOB_WEIGHT)
            at[w[k].dom] = k;
    for (i = 0; i < nr; i++) {
        struct avm_wish *x = &w[at[i]];

        if (!avm_may_change(&dom[i]) || !(dom[i].params.can & AVM_CAN_WEIGHT))
            continue;
        if (s->least[i] <= s->self[i]) {
            if (at[i] == none)
                refuse_floor(&dom[i], i, &mem[i], s, w, n);
            continue;
        }
        if (at[i] == none)
            x = &w[(*n)++];
        k = 0;
        avm_wish_add(x, &k, &dom[i], i, AVM_KNOB_WEIGHT, AVM_WISH_DECLARED,
                     dom[i].params.weight, s->least[i], 1000);
        reason_floor(x->reason, &dom[i], &mem[i], s, i);
    }
}

bool avm_may_change(const struct avm_domain *d)
{
    /* dom0 serves all others: it is watched, and left as it is. */
    return !d->held && !(d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING |
                                     AVM_DOM_SHUTDOWN));
}

size_t avm_decide(const struct avm_host *host, const struct avm_domain *dom,
                  const struct avm_memory *mem, size_t nr,
                  struct avm_scratch *s, struct avm_wish *wish)
{
    size_t i, n = 0;

    avm_groups(host, dom, mem, nr, s->group, s->capacity);
    avm_floors(dom, mem, nr, s);
    for (i = 0; i < nr; i++)
        s->weight[i] = dom[i].params.weight;
    avm_share_groups(s, s->demand, s->weight, s->before, nr);
    groups_count(dom, nr, s);

    for (i = 0; i < nr; i++) {
        const struct avm_domain *d = &dom[i];
        const struct avm_memory *m = &mem[i];
        struct others o;

        if (!avm_may_change(d))
            continue;

        o = others_of(dom, s, i);
        decide_urgency(d, i, m, &o, wish, &n);
        decide_weight(d, i, m, &o, s, wish, &n);
        decide_declared(d, i, m, AVM_KNOB_CAP, m->limits.cap_set,
                        m->limits.cap_pct, wish, &n);
        decide_declared(d, i, m, AVM_KNOB_AFFINITY, m->limits.affinity_set,
                        m->limits.affinity, wish, &n);
        decide_declared(d, i, m, AVM_KNOB_NET_OUT, m->limits.net_max_bps,
                        m->limits.net_max_bps, wish, &n);
        decide_declared(d, i, m, AVM_KNOB_NET_IN, m->limits.net_in_max_bps,
                        m->limits.net_in_max_bps, wish, &n);
        decide_declared(d, i, m, AVM_KNOB_DISK, m->limits.disk_max_bps,
                        m->limits.disk_max_bps, wish, &n);
    }
    decide_floors(dom, mem, nr, s, wish, &n);
    avm_decide_shares(dom, mem, nr, s, wish, &n);
    return n;
}
