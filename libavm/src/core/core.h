/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The six steps of the loop. Each is pure: no clock, no I/O, no allocation, no
 * floating point, nothing of Xen or Linux; results go to room that the caller
 * gives. src/state.c and src/plan.c call them over what is remembered from one
 * round to the next, in this order:
 *
 *   monitor     two counters           -> window
 *   evaluate    windows                -> class, pressure
 *   decide      domains of the host    -> wishes
 *   resolve     wishes                 -> grants, donors, refusals
 *   reallocate  wishes that are granted -> changes, in order, in steps
 *   next        changes                -> which of them now
 */
#ifndef AVM_CORE_H
#define AVM_CORE_H

#include "avm.h"

#define AVM_HISTORY 4 /* windows that 'smooth' covers */
#define AVM_WEIGHT_MAX 65535

/* Shares are rounded, permille; differences up to this are none. */
#define AVM_ROUNDING 2

static inline uint32_t avm_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t avm_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* 64 bit in, 32 bit out: what does not fit is as good as "very much". */
static inline uint32_t avm_clamp_u32(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* Writes at most AVM_TEXT_LEN bytes; what does not fit is cut. */
void avm_text(char *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What a person calls it, for a line of text: the beginning of its name, which is
 * printable whoever made it, and its number. Returns buf, of AVM_WHO_LEN bytes.
 */
#define AVM_WHO_LEN 56
const char *avm_who(const struct avm_domain *d, char *buf);

/* ------------------------------------------------------------------------ */
/* monitor                                                                  */

/* The counters of one domain at one time. */
struct avm_reading {
    uint64_t mono_ns;
    uint32_t have, late;         /* AVM_HAVE_* */
    /* Whose they are. */
    uint64_t net_devices, disk_devices, backend_process, psi_group;
    struct avm_counters count;
};

/*
 * What happened from 'then' to 'now'. A source that is missing in one of them,
 * whose counters went backwards, or that counts for other devices by now, is
 * missing in the window. length_ns is 0
 * ("not enough data") if there is no time between them or no source is left.
 */
void avm_monitor(const struct avm_reading *then, const struct avm_reading *now,
                 struct avm_window *w);

/* The same for dom0's pressure, in ns of time between the two. */
void avm_monitor_psi(const struct avm_psi *then, const struct avm_psi *now,
                     uint64_t ns, struct avm_psi_window *w);

/* Sets charged_permille of all, by their smooth windows. */
void avm_charge(struct avm_domain *dom, size_t nr);

/* ------------------------------------------------------------------------ */
/* evaluate                                                                 */

/*
 * Sets class, confidence, pressure and evidence of 'd' from its window, smooth
 * window and role. d->klass is the class it had: changing it takes more than
 * keeping it. 'windows' is how many windows 'smooth' covers, 0 .. AVM_HISTORY.
 * 'models' are as avm_models_check() wants them.
 */
void avm_evaluate(const struct avm_models *models, struct avm_domain *d,
                  unsigned int windows);

/* Room for what avm_statement_check() says. */
#define AVM_FAULT_LEN 224

/* 0, or -1 and one line in 'why'. */
int avm_statement_check(const struct avm_statement *s, char *why,
                        size_t why_len);

/*
 * Sets the verdict of 'd', which was evaluated. 'backend' serves its devices, NULL
 * if it is not known; 'psi' is of dom0.
 */
void avm_judge(struct avm_domain *d, const struct avm_domain *backend,
               const struct avm_psi_window *psi);

/* CPU time it would use if it never had to wait: running and runnable. */
uint32_t avm_demand_permille(const struct avm_domain *d);

/* ------------------------------------------------------------------------ */
/* learn: evaluate's memory of each domain                                  */

/* Sets d->past: what 'l' tells, beside d->smooth. Before avm_evaluate(). */
void avm_remember(const struct avm_learned *l, struct avm_domain *d);

/* Adds d->window, in which it was d->klass. After avm_evaluate(). */
void avm_learn(struct avm_learned *l, const struct avm_domain *d);

/*
 * Is it of the class that its work has nearly always, or hardly ever, been of?
 * Both are false if there is no telling.
 */
bool avm_like_past(const struct avm_domain *d);
bool avm_unlike_past(const struct avm_domain *d);

/* ------------------------------------------------------------------------ */
/* decide                                                                   */

enum avm_wish_kind {
    AVM_WISH_GAIN,     /* has to be worth it, and to hold                    */
    AVM_WISH_GIVE,     /* donor: gives to others                             */
    AVM_WISH_RETURN,   /* reason gone: back to what it was                   */
    AVM_WISH_DECLARED, /* the administrator asked for it: at once            */
};

struct avm_wish {
    size_t dom;                  /* index in the array of domains            */
    struct avm_uuid uuid;        /* so that order does not depend on index   */
    enum avm_role role;
    enum avm_knob knob;
    enum avm_wish_kind kind;
    uint64_t from, to;
    uint32_t gain_permille;
    bool refused;                /* by resolve; reason in why_not            */
    bool after_gives;            /* granted if all who give in its group do  */
    bool like_past;              /* its domain is of its usual class         */
    bool unlike_past;            /* it hardly ever was of this class, ...    */
    char past[80];               /* ... in words                             */
    size_t group;                /* resolve: of avm_groups()                 */
    char reason[AVM_TEXT_LEN];
    char why_not[AVM_TEXT_LEN];
};

/* What the loop remembers of one knob of one domain. */
struct avm_knob_memory {
    bool known;                  /* 'last' means something                   */
    bool ours;                   /* we changed it and did not undo it        */
    bool changed;                /* changed_ms means something               */
    bool failed;                 /* the last attempt did                     */
    bool wrote;                  /* 'before' means something                 */
    uint64_t before;             /* what it was before our last change       */
    uint64_t original;           /* before our first change                  */
    uint64_t last;               /* what we wrote or saw last                */
    uint64_t devices;            /* limits: on which it was written          */
    uint64_t changed_ms;         /* when we changed it                       */
    uint64_t foreign_until_ms;   /* someone else set it: hands off until     */
    uint32_t held;               /* decisions in a row with the same wish    */
    uint64_t held_to;            /* that wish: value, or direction           */
};

/* What resolve and reallocate keep to; from the need, or the role. */
struct avm_limits {
    uint32_t weight_min, weight_max;
    bool weight_explicit;        /* the need says so, not just the role      */
    bool cap_set, affinity_set;
    uint32_t cap_pct;
    uint64_t affinity;
    uint64_t net_max_bps, disk_max_bps; /* 0: none                           */
    uint64_t net_in_max_bps;
    uint32_t cpu_min_permille;   /* floor, 0: none                           */
    uint64_t cpu_min_since;
};

struct avm_memory {
    struct avm_uuid uuid;
    uint32_t domid, pool;
    uint64_t first_ms;           /* seen since                               */
    bool present;                /* in the last sample                       */
    struct avm_reading reading[AVM_HISTORY + 1]; /* ring                     */
    unsigned int readings, newest;
    struct avm_limits limits;
    struct avm_knob_memory knob[AVM_NR_KNOBS];
    uint64_t lease_from_ms;      /* urgency: renewed last                    */
    uint32_t lease_ms;
    uint32_t wished;             /* knobs (1 << knob) with a wish: for next  */
    bool late;                   /* for next: in the group of this number is
                                    somebody whose weight falls, but not now */
    uint64_t net_devices, disk_devices; /* as in the last sample             */
    struct avm_floor floor;      /* of the last plan                         */
};

/* The devices that a limit is for, 0: it is none. */
uint64_t avm_knob_devices(const struct avm_memory *m, enum avm_knob knob);

/*
 * What the parameters will be as soon as what its need declares is done, which
 * is at once unless somebody else set it or the last attempt failed. Plans are
 * made for that, or the next one would take back half of them.
 */
uint32_t avm_planned_cap(const struct avm_domain *d,
                         const struct avm_memory *m);
uint64_t avm_planned_affinity(const struct avm_domain *d,
                              const struct avm_memory *m);
/*
 * avm_demand_permille() with the planned cap. Without records nobody knows who
 * waits: then it is taken to want its floor, which it leaves to others if not.
 */
uint32_t avm_planned_demand(const struct avm_domain *d,
                            const struct avm_memory *m);

/* At most this many wishes for one domain. */
#define AVM_WISHES_PER_DOMAIN AVM_NR_KNOBS

/* Room for nr numbers each, that decide and resolve work in. */
struct avm_scratch {
    size_t *group, *member;
    uint32_t *capacity, *demand, *weight, *before, *after;
    uint32_t *low, *tmp_demand, *tmp_weight, *tmp_share;
    /* floors.c; 'floor' is what is to be kept now: promised and wanted */
    uint32_t *own, *own_least, *promise, *floor;
    uint32_t *least, *base, *self, *limit;
    /*
     * resolve: the share by right, or now, if more; the weights if nobody has risen
     * yet; 1 if it is its own rise that gives it something
     */
    uint32_t *had, *lowest, *risen;
};

#define AVM_SCRATCH_U32 20 /* arrays of uint32_t in it */

/* An array of AVM_SCRATCH_U32 * nr for all of them, and of 2 * nr. */
void avm_scratch_init(struct avm_scratch *s, size_t nr, size_t *room,
                      uint32_t *room_u32);

/*
 * The weight that the administrator gave it: what it had before our first
 * change, or the nearest one that its need asks for.
 */
uint32_t avm_own_weight(const struct avm_domain *d,
                        const struct avm_memory *m);

/*
 * What would help? dom[i] and mem[i] belong together. Returns the number of
 * wishes; 'wish' has room for nr * AVM_WISHES_PER_DOMAIN.
 */
size_t avm_decide(const struct avm_host *host, const struct avm_domain *dom,
                  const struct avm_memory *mem, size_t nr,
                  struct avm_scratch *s, struct avm_wish *wish);

/* The parts of avm_decide(): */

/* 0 for background .. 3 for time-critical. */
int avm_role_rank(enum avm_role r);

/* Neither held, nor dom0, nor on its way out. */
bool avm_may_change(const struct avm_domain *d);

/* One more wish; all of it but the reason. */
struct avm_wish *avm_wish_add(struct avm_wish *w, size_t *n,
                              const struct avm_domain *d, size_t dom,
                              enum avm_knob knob, enum avm_wish_kind kind,
                              uint64_t from, uint64_t to, uint32_t gain);

/* Shares of links and disks. */
void avm_decide_shares(const struct avm_domain *dom,
                       const struct avm_memory *mem, size_t nr,
                       struct avm_scratch *s, struct avm_wish *w, size_t *n);

/* ------------------------------------------------------------------------ */
/* floors: for decide and resolve                                           */

/* As much of its floor as its vCPUs and its cap let it use, permille. */
uint32_t avm_floor_usable(const struct avm_domain *d,
                          const struct avm_memory *m);

/* Has it what is promised and wanted? */
bool avm_floor_kept(const struct avm_floor *f);

/* The highest weight that a floor may give it. */
uint32_t avm_floor_weight_max(const struct avm_memory *m);

/*
 * From s->group and s->capacity: who wants how much (s->demand), is promised what
 * (s->promise), what has to be kept of that now (s->floor), and the weight that each domain has by right (s->own): the administrator's, or s->own_least, if
 * more, which keeps its floor if all others have theirs by right.
 */
void avm_floors(const struct avm_domain *dom, const struct avm_memory *mem,
                size_t nr, struct avm_scratch *s);

/*
 * s->least: the weights that keep all of s->floor, where the weight of domain i
 * is s->self[i], or least[i] if more, in the eyes of its own floor, and
 * s->base[i], or that, for the others. Floors that are short of by 'slack'
 * permille are no reason for more.
 */
void avm_floor_weights(const struct avm_memory *mem, size_t nr,
                       struct avm_scratch *s, uint32_t slack);

/* The lowest weight, lo .. hi, that keeps the floor of i among s->base. */
uint32_t avm_floor_lowest(struct avm_scratch *s, size_t nr, size_t i,
                          uint32_t lo, uint32_t hi);

/* ------------------------------------------------------------------------ */
/* resolve                                                                  */

/*
 * Domains that compete for the same pCPUs: those of a pool whose affinities
 * overlap. group[i] is the smallest index of a domain in the group of i, and
 * capacity[i] the CPU time of that group, permille of a pCPU. Affinities are
 * the planned ones; mem NULL: those of now.
 */
void avm_groups(const struct avm_host *host, const struct avm_domain *dom,
                const struct avm_memory *mem, size_t nr, size_t *group,
                uint32_t *capacity);

/*
 * Weighted max-min: divides 'capacity' among those with a demand, by weight;
 * what one does not need goes to the others. share[] in the unit of capacity;
 * never more than demand[], and in sum never more than capacity.
 */
void avm_share(uint32_t capacity, const uint32_t *demand,
               const uint32_t *weight, uint32_t *share, size_t nr);

/*
 * avm_share() for each group of s->group, with s->capacity and the given demand
 * and weight of each domain.
 */
void avm_share_groups(struct avm_scratch *s, const uint32_t *demand,
                      const uint32_t *weight, uint32_t *share, size_t nr);

/*
 * Cuts or refuses wishes that would take from those who must not give, and says
 * who gave what to whom since weights were last as the administrator left them.
 * Wishes come out sorted: that is the order in which they are served.
 * 'grant' has room for max_grants. Returns the number of grants.
 */
size_t avm_resolve(const struct avm_config *c, const struct avm_host *host,
                   const struct avm_domain *dom, const struct avm_memory *mem,
                   size_t nr, struct avm_wish *wish, size_t nr_wishes,
                   struct avm_scratch *s,
                   struct avm_grant *grant, size_t max_grants);

/* ------------------------------------------------------------------------ */
/* reallocate                                                               */

/* How far a weight goes towards 'to' in one change. */
uint32_t avm_step(const struct avm_config *c, uint32_t from, uint32_t to);

/*
 * Turns wishes into changes, one each: limits the step of a weight, and orders
 * them so that who gives comes before who takes. 'change' has room for
 * nr_wishes. order[i] is the wish that change[i] is made of.
 */
void avm_reallocate(const struct avm_config *c, const struct avm_domain *dom,
                    const struct avm_wish *wish, size_t nr_wishes,
                    struct avm_change *change, size_t *order);

/* A change of the domain that says nothing yet of values, reasons and leases. */
void avm_change_begin(struct avm_change *x, const struct avm_domain *d,
                      enum avm_knob knob, enum avm_change_state state);

/*
 * Compares what was read with what we wrote last. True if someone else changed
 * it: 'change' says what, and the memory has adopted it. now_ms is the time of
 * the sample. A lease that ran out is nobody's change.
 */
bool avm_foreign_check(const struct avm_config *c, const struct avm_domain *d,
                       struct avm_memory *m, enum avm_knob knob,
                       uint64_t now_ms, struct avm_change *change);

/* ------------------------------------------------------------------------ */
/* next                                                                     */

/*
 * Returning to normal takes this many times hold_decisions: taking back too
 * late costs little, too early makes a load that comes and goes flap.
 */
#define AVM_RETURN_HOLD_FACTOR 4

/*
 * So many times hold_decisions if the domain hardly ever did such a thing: what
 * is no habit may well be over soon.
 */
#define AVM_UNLIKE_HOLD_FACTOR 2

/*
 * What part of warmup_ms a domain has that is known already and does what it
 * always did: time for the windows to fill and a verdict to hold, no more.
 */
#define AVM_KNOWN_WARMUP_DIVISOR 4

/*
 * When changes were applied, for the budget per minute: enough for the largest
 * budget.
 */
struct avm_budget {
    uint64_t *at_ms;             /* ring of 'size' times                     */
    uint32_t size, used, next;
};

uint32_t avm_budget_left(const struct avm_budget *b, uint32_t per_minute,
                         uint64_t now_ms);
void avm_budget_spend(struct avm_budget *b, uint64_t now_ms);

/*
 * Sets the state of each change. 'count' says whether this is a decision (it
 * counts towards hold_decisions) or only a look. wish[order[i]] made change[i].
 */
void avm_next(const struct avm_config *c, struct avm_memory *mem, size_t nr,
              const struct avm_wish *wish, const size_t *order,
              struct avm_change *change, size_t nr_changes,
              const struct avm_budget *b, uint64_t now_ms, bool count);

/* Is the lease of this domain to be renewed now? At half of its length. */
bool avm_lease_due(const struct avm_memory *m, uint64_t now_ms);

#endif /* AVM_CORE_H */
