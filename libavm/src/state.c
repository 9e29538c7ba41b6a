/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * state: what the loop remembers from one round to the next, and the calls of
 * avm.h that run the six steps over it. No clock and no I/O here either.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "state.h"

#define NS_PER_MS 1000000ull
#define BUDGET_MAX 10000

/* They begin and end with a limit or a process, which have numbers of their own. */
#define OF_THE_BACKEND (AVM_HAVE_BACKEND | AVM_HAVE_PSI_CPU | AVM_HAVE_PSI_IO)

/* ------------------------------------------------------------------------ */
/* Configuration                                                            */

void avm_config_init(struct avm_config *c)
{
    *c = (struct avm_config){
        .sample_ms = 1000,
        .decide_ms = 4000,
        .hold_decisions = 3,
        .gain_min_permille = 100,
        .cooldown_ms = 60000,
        .warmup_ms = 60000,
        .changes_per_minute = 20,
        .step_up_permille = 250,
        .step_down_permille = 100,
        .lease_ms = 10000,
        .foreign_hold_ms = 600000,
    };
}

const char *avm_config_check(const struct avm_config *c)
{
    if (c->sample_ms < 100 || c->sample_ms > 60000)
        return "sample_ms is not in 100 .. 60000";
    if (c->decide_ms < c->sample_ms || c->decide_ms > 600000)
        return "decide_ms is not in sample_ms .. 600000";
    if (c->hold_decisions < 1 || c->hold_decisions > 100)
        return "hold_decisions is not in 1 .. 100";
    if (c->gain_min_permille > 1000)
        return "gain_min_permille is not in 0 .. 1000";
    if (c->cooldown_ms > 3600000)
        return "cooldown_ms is not in 0 .. 3600000";
    if (c->warmup_ms > 3600000)
        return "warmup_ms is not in 0 .. 3600000";
    if (c->changes_per_minute < 1 || c->changes_per_minute > BUDGET_MAX)
        return "changes_per_minute is not in 1 .. 10000";
    if (c->step_up_permille < 1 || c->step_up_permille > 1000)
        return "step_up_permille is not in 1 .. 1000";
    if (c->step_down_permille < 1 || c->step_down_permille > 999)
        return "step_down_permille is not in 1 .. 999";
    if (c->lease_ms < 2 * c->sample_ms || c->lease_ms > 600000)
        return "lease_ms is not in 2 * sample_ms .. 600000";
    if (c->foreign_hold_ms > 86400000)
        return "foreign_hold_ms is not in 0 .. 86400000";
    return NULL;
}

int avm_state_config(avm_state *st, const struct avm_config *c)
{
    if (avm_config_check(c)) {
        errno = EINVAL;
        return -1;
    }
    st->config = *c;
    return 0;
}

int avm_state_models(avm_state *st, const struct avm_models *models)
{
    if (!models)
        models = avm_models_builtin();
    if (avm_models_check(models, NULL, 0))
        return -1;
    st->models = *models;
    return 0;
}

avm_state *avm_state_new(const struct avm_config *c)
{
    avm_state *st;

    if (avm_config_check(c)) {
        errno = EINVAL;
        return NULL;
    }
    st = calloc(1, sizeof(*st));
    if (!st)
        return NULL;
    st->config = *c;
    st->models = *avm_models_builtin();
    st->budget.size = BUDGET_MAX;
    st->budget.at_ms = calloc(BUDGET_MAX, sizeof(*st->budget.at_ms));
    if (!st->budget.at_ms) {
        free(st);
        return NULL;
    }
    return st;
}

void avm_state_free(avm_state *st)
{
    size_t i;

    if (!st)
        return;
    free(st->dom);
    free(st->mem);
    free(st->spare_dom);
    free(st->spare_mem);
    free(st->by_uuid);
    free(st->restored);
    free(st->need);
    for (i = 0; i < st->nr_learned; i++)
        free(st->learned[i]);
    free(st->learned);
    free(st->foreign);
    free(st->budget.at_ms);
    avm_plan_free(st->last_plan);
    free(st);
}

/* ------------------------------------------------------------------------ */
/* By UUID                                                                  */

/* For everything that begins with its UUID, and for a UUID alone. */
static int uuid_cmp(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct avm_uuid));
}

static int by_uuid_cmp(const void *pa, const void *pb)
{
    const struct avm_by_uuid *a = pa, *b = pb;
    int c = uuid_cmp(a, b);

    return c ? c : a->at < b->at ? -1 : a->at > b->at;
}

_Static_assert(!offsetof(struct avm_need, uuid) &&
               !offsetof(struct avm_by_uuid, uuid) &&
               !offsetof(struct avm_learned_of, uuid),
               "uuid_cmp() needs that");

static struct avm_by_uuid *by_uuid_new(const struct avm_sample *s)
{
    struct avm_by_uuid *x = calloc(s->nr ? s->nr : 1, sizeof(*x));
    size_t i;

    if (!x)
        return NULL;
    for (i = 0; i < s->nr; i++)
        x[i] = (struct avm_by_uuid){ s->domain[i].uuid, i };
    if (s->nr)
        qsort(x, s->nr, sizeof(*x), by_uuid_cmp);
    return x;
}

/* The first of by_uuid with this UUID, or by_uuid + nr. */
static const struct avm_by_uuid *by_uuid_first(const avm_state *st,
                                               const struct avm_uuid *uuid)
{
    size_t lo = 0, hi = st->nr;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (uuid_cmp(&st->by_uuid[mid], uuid) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < st->nr && avm_uuid_equal(&st->by_uuid[lo].uuid, uuid) ?
           &st->by_uuid[lo] : st->by_uuid + st->nr;
}

/* ------------------------------------------------------------------------ */
/* Needs                                                                    */

void avm_role_weights(enum avm_role role, uint32_t *min, uint32_t *max)
{
    /* 256 is what a new domain has, and lies in every range. */
    static const struct { uint32_t min, max; } range[AVM_NR_ROLES] = {
        [AVM_ROLE_NORMAL] = { 128, 512 },
        [AVM_ROLE_BACKGROUND] = { 64, 256 },
        [AVM_ROLE_INTERACTIVE] = { 256, 1024 },
        [AVM_ROLE_TIME_CRITICAL] = { 256, 2048 },
    };
    enum avm_role r = role < AVM_NR_ROLES ? role : AVM_ROLE_NORMAL;

    *min = range[r].min;
    *max = range[r].max;
}

static const struct avm_need *need_of(const avm_state *st,
                                      const struct avm_uuid *uuid)
{
    return st->nr_needs ? bsearch(uuid, st->need, st->nr_needs,
                                  sizeof(*st->need), uuid_cmp) : NULL;
}

static void apply_need(const avm_state *st, struct avm_domain *d,
                       struct avm_memory *m)
{
    const struct avm_need *n = need_of(st, &d->uuid);
    struct avm_limits *l = &m->limits;

    memset(l, 0, sizeof(*l));
    d->role = n ? n->role : AVM_ROLE_NORMAL;
    d->mode = n ? n->mode : AVM_MODE_INHERIT;
    d->held = n && n->held;
    avm_role_weights(d->role, &l->weight_min, &l->weight_max);
    if (!n)
        return;
    if (n->weight_min)
        l->weight_min = n->weight_min;
    if (n->weight_max)
        l->weight_max = n->weight_max;
    /* One limit of its own beyond the other one of the role moves that. */
    if (l->weight_min > l->weight_max) {
        if (n->weight_min)
            l->weight_max = l->weight_min;
        else
            l->weight_min = l->weight_max;
    }
    l->weight_explicit = n->weight_min || n->weight_max;
    l->cap_set = n->cap_set;
    l->cap_pct = n->cap_pct;
    l->affinity_set = n->affinity_set;
    l->affinity = n->affinity;
    l->net_max_bps = n->net_max_bps;
    l->net_in_max_bps = n->net_in_max_bps;
    l->disk_max_bps = n->disk_max_bps;
    l->cpu_min_permille = n->cpu_min_permille;
    l->cpu_min_since = n->cpu_min_since;
}

static bool need_ok(const struct avm_need *n)
{
    return n->role < AVM_NR_ROLES && n->mode < AVM_NR_MODES &&
           n->weight_min <= 65535 && n->weight_max <= 65535 &&
           (!n->weight_max || n->weight_min <= n->weight_max) &&
           (!n->cap_set || n->cap_pct <= UINT16_MAX) &&
           n->cpu_min_permille <= AVM_CPU_MIN_MAX &&
           (!n->cap_set || !n->cap_pct ||
            n->cpu_min_permille <= 10 * n->cap_pct) &&
           (!n->affinity_set || n->affinity);
}

int avm_state_needs(avm_state *st, const struct avm_need *need, size_t nr)
{
    struct avm_need *copy = calloc(nr ? nr : 1, sizeof(*copy));
    size_t i;

    if (!copy)
        return -1;
    if (nr) {
        memcpy(copy, need, nr * sizeof(*copy));
        qsort(copy, nr, sizeof(*copy), uuid_cmp);
    }
    for (i = 0; i < nr; i++) {
        if (need_ok(&copy[i]) &&
            (!i || !avm_uuid_equal(&copy[i - 1].uuid, &copy[i].uuid)))
            continue;
        free(copy);
        errno = EINVAL;
        return -1;
    }

    free(st->need);
    st->need = copy;
    st->nr_needs = nr;

    for (i = 0; i < st->nr; i++)
        apply_need(st, &st->dom[i], &st->mem[i]);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Learned                                                                  */

/*
 * Of those that are not there. Two MB; who has more domains than that coming and
 * going does not see most of them again.
 */
#define ABSENT_MAX 4096

static int learned_cmp(const void *uuid, const void *pp)
{
    return uuid_cmp(uuid, *(struct avm_learned_of *const *)pp);
}

static struct avm_learned_of *learned_of(const avm_state *st,
                                         const struct avm_uuid *uuid)
{
    struct avm_learned_of **x = NULL;

    if (st->nr_learned)
        x = bsearch(uuid, st->learned, st->nr_learned, sizeof(*x),
                    learned_cmp);
    return x ? *x : NULL;
}

static int learned_room(avm_state *st, size_t nr)
{
    size_t room = st->learned_room;
    struct avm_learned_of **bigger;

    if (nr <= room)
        return 0;
    room += room / 2;
    if (room < nr)
        room = nr;
    bigger = realloc(st->learned, room * sizeof(*bigger));
    if (!bigger)
        return -1;
    st->learned = bigger;
    st->learned_room = room;
    return 0;
}

/*
 * The first of learned[from ...] that is not before this UUID. Near is found
 * sooner than far, for who walks through all of them, or through a few.
 */
static size_t learned_at(const avm_state *st, size_t from,
                         const struct avm_uuid *uuid)
{
    size_t lo = from, hi, step, mid;

    for (step = 1; lo < st->nr_learned &&
                   uuid_cmp(st->learned[lo], uuid) < 0; step *= 2) {
        from = lo + 1;
        lo += step;
    }
    hi = lo < st->nr_learned ? lo : st->nr_learned;
    while (from < hi) {
        mid = from + (hi - from) / 2;
        if (uuid_cmp(st->learned[mid], uuid) < 0)
            from = mid + 1;
        else
            hi = mid;
    }
    return from;
}

/*
 * Those of these UUIDs, which ascend, that are not known yet: how many there
 * are, and if 'fresh' is not NULL one made for each. -1: no memory.
 */
static ssize_t learned_missing(const avm_state *st,
                               const struct avm_by_uuid *by_uuid, size_t nr,
                               struct avm_learned_of **fresh)
{
    size_t i, k = 0;
    ssize_t n = 0;

    for (i = 0; i < nr; i++) {
        if (i && avm_uuid_equal(&by_uuid[i - 1].uuid, &by_uuid[i].uuid))
            continue;
        k = learned_at(st, k, &by_uuid[i].uuid);
        if (k < st->nr_learned && !uuid_cmp(st->learned[k], &by_uuid[i]))
            continue;
        if (fresh) {
            fresh[n] = calloc(1, sizeof(**fresh));
            if (!fresh[n])
                break;
            fresh[n]->uuid = by_uuid[i].uuid;
        }
        n++;
    }
    if (i == nr)
        return n;
    while (n--)
        free(fresh[n]);
    return -1;
}

/* Each of these UUIDs, which ascend, has one. */
static int learned_for(avm_state *st, const struct avm_by_uuid *by_uuid,
                       size_t nr)
{
    ssize_t more = learned_missing(st, by_uuid, nr, NULL), k;
    size_t end = st->nr_learned, at;
    struct avm_learned_of **fresh;

    if (!more)
        return 0;
    fresh = calloc((size_t)more, sizeof(*fresh));
    if (!fresh || learned_room(st, st->nr_learned + (size_t)more) ||
        learned_missing(st, by_uuid, nr, fresh) < 0) {
        free(fresh);
        return -1;
    }
    /* The last one first: it and those behind it go to their places. */
    for (k = more - 1; k >= 0; k--, end = at) {
        at = learned_at(st, 0, &fresh[k]->uuid);
        memmove(&st->learned[at + (size_t)k + 1], &st->learned[at],
                (end - at) * sizeof(*fresh));
        st->learned[at + (size_t)k] = fresh[k];
    }
    st->nr_learned += (size_t)more;
    free(fresh);
    return 0;
}

static int last_cmp(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;

    return *a < *b ? -1 : *a > *b;
}

/* Too many that are gone: half of them go, those that are gone for longest. */
static void learned_limit(avm_state *st, size_t nr_there, uint64_t now_ns)
{
    uint64_t *last, from;
    size_t i, nr = 0, kept = 0, drop;

    /* Two of one UUID make it look like fewer: then it is a little later. */
    if (st->nr_learned <= nr_there + ABSENT_MAX)
        return;
    last = calloc(st->nr_learned, sizeof(*last));
    if (!last)
        return; /* next time */
    for (i = 0; i < st->nr_learned; i++)
        if (st->learned[i]->last_ns != now_ns)
            last[nr++] = st->learned[i]->last_ns;
    qsort(last, nr, sizeof(*last), last_cmp);
    drop = nr - ABSENT_MAX / 2;
    from = last[drop];
    free(last);
    for (i = 0; i < st->nr_learned; i++) {
        struct avm_learned_of *x = st->learned[i];

        if (drop && x->last_ns != now_ns && x->last_ns <= from) {
            drop--;
            free(x);
            continue;
        }
        st->learned[kept++] = x;
    }
    st->nr_learned = kept;
}

int avm_state_learned(avm_state *st, const struct avm_uuid *uuid,
                      const struct avm_learned *l)
{
    struct avm_by_uuid one = { .uuid = *uuid };
    struct avm_learned_of *x;

    if (avm_learned_check(l) || learned_for(st, &one, 1))
        return -1;
    x = learned_of(st, uuid);
    if (l->observed_ms >= x->learned.observed_ms)
        x->learned = *l;
    return 0;
}

bool avm_state_forget(avm_state *st, const struct avm_uuid *uuid)
{
    struct avm_learned_of *x = learned_of(st, uuid);
    bool any = x && x->learned.observed_ms;

    if (x)
        memset(&x->learned, 0, sizeof(x->learned));
    return any;
}

const struct avm_learned_of *const *avm_learned_all(const avm_state *st,
                                                    size_t *nr)
{
    *nr = st->nr_learned;
    return (const struct avm_learned_of *const *)st->learned;
}

const struct avm_learned_of *avm_learned_by_uuid(const avm_state *st,
                                                 const struct avm_uuid *uuid)
{
    return learned_of(st, uuid);
}

/* ------------------------------------------------------------------------ */
/* Observe                                                                  */

static struct avm_memory *memory_of(const avm_state *st,
                                    const struct avm_uuid *uuid,
                                    uint32_t domid)
{
    const struct avm_by_uuid *x = by_uuid_first(st, uuid);

    for (; x < st->by_uuid + st->nr && avm_uuid_equal(&x->uuid, uuid); x++)
        if (st->dom[x->at].domid == domid)
            return &st->mem[x->at];
    return NULL;
}

static int memory_cmp(const void *pa, const void *pb)
{
    const struct avm_memory *a = pa, *b = pb;
    int c = uuid_cmp(&a->uuid, &b->uuid);

    return c ? c : a->domid < b->domid ? -1 : a->domid > b->domid;
}

/* What the journal knows; st->restored is sorted. */
static const struct avm_memory *restored_of(const avm_state *st,
                                            const struct avm_uuid *uuid,
                                            uint32_t domid)
{
    struct avm_memory key = { .uuid = *uuid, .domid = domid };

    return st->nr_restored ? bsearch(&key, st->restored, st->nr_restored,
                                     sizeof(key), memory_cmp) : NULL;
}

/*
 * The same domain as before, one that the journal knows, or a new one. A domain
 * that comes back under another domid was started anew: Xen gave it default
 * parameters, so what we knew about its knobs is not true any more.
 */
static void inherit(const avm_state *st, const struct avm_domain_sample *s,
                    uint64_t now_ms, struct avm_domain *d,
                    struct avm_memory *m)
{
    const struct avm_memory *old = memory_of(st, &s->uuid, s->domid), *saved;
    int k;

    if (old) {
        *m = *old;
        *d = st->dom[old - st->mem];
        /*
         * A move to another pool resets weight, cap, urgency, affinity. What
         * its devices may do has nothing to do with that.
         */
        for (k = 0; m->pool != s->pool && k < AVM_KNOB_NET_OUT; k++)
            memset(&m->knob[k], 0, sizeof(m->knob[k]));
    } else {
        memset(d, 0, sizeof(*d));
        memset(m, 0, sizeof(*m));
        saved = restored_of(st, &s->uuid, s->domid);
        if (saved)
            *m = *saved;
        m->first_ms = now_ms;
        d->class_since_ms = now_ms;
    }
    m->uuid = d->uuid = s->uuid;
    m->domid = d->domid = s->domid;
    m->pool = d->pool = s->pool;
    m->present = true;
}

static void observe_one(avm_state *st, const struct avm_domain_sample *s,
                        uint64_t mono_ns, struct avm_domain *d,
                        struct avm_memory *m)
{
    uint64_t now_ms = mono_ns / NS_PER_MS;
    struct avm_learned_of *learned = learned_of(st, &s->uuid);
    enum avm_class was;
    unsigned int windows, oldest, before;
    struct avm_reading *now;
    int k;

    inherit(st, s, now_ms, d, m);
    memcpy(d->untrusted_name, s->untrusted_name, sizeof(d->untrusted_name));
    d->untrusted_name[AVM_NAME_LEN - 1] = '\0';
    d->flags = s->flags;
    d->nr_vcpus = s->nr_vcpus;
    d->params = s->params;
    d->net_link = s->net_link;
    d->net_link_bps = s->net_link_bps;
    d->disk_group = s->disk_group;
    d->net_served_by = s->net_served_by;
    d->disk_served_by = s->disk_served_by;
    m->net_devices = s->net_devices;
    m->disk_devices = s->disk_devices;
    apply_need(st, d, m);

    before = m->newest;
    m->newest = m->readings ? (m->newest + 1) % (AVM_HISTORY + 1) : 0;
    if (m->readings <= AVM_HISTORY)
        m->readings++;
    now = &m->reading[m->newest];
    now->mono_ns = mono_ns;
    now->have = s->have;
    now->late = s->late;
    now->net_devices = s->net_devices;
    now->disk_devices = s->disk_devices;
    now->backend_process = s->backend_process;
    now->psi_group = s->psi_group;
    now->count = s->count;

    windows = m->readings - 1;
    oldest = (m->newest + AVM_HISTORY + 1 - windows) % (AVM_HISTORY + 1);
    avm_monitor(&m->reading[windows ? before : m->newest], now, &d->window);
    avm_monitor(&m->reading[oldest], now, &d->smooth);
    /*
     * Reset in between: what was before tells nothing about now. A source that
     * was not read in one of the two samples is just not there in this window; and
     * what the back-end does says nothing about what the domain is.
     */
    if (windows && ((d->smooth.have ^ d->window.have) &
                    ~(now->late | m->reading[before].late |
                      OF_THE_BACKEND))) {
        m->reading[0] = *now;
        m->newest = 0;
        m->readings = 1;
        d->smooth = d->window;
        windows = 1;
    }

    was = d->klass;
    avm_remember(&learned->learned, d);
    avm_evaluate(&st->models, d, windows);
    if (d->klass != was)
        d->class_since_ms = now_ms;
    /* Two that have one UUID for a moment have one time together. */
    if (learned->last_ns != mono_ns)
        avm_learn(&learned->learned, d);
    learned->last_ns = mono_ns;

    for (k = 0; k < AVM_NR_KNOBS; k++)
        if (avm_foreign_check(&st->config, d, m, k, now_ms,
                              &st->foreign[st->nr_foreign]))
            st->nr_foreign++;
}

/* By 1 + its number, as in net_served_by. */
static const struct avm_domain *served_by(const struct avm_domain *dom,
                                          size_t nr, uint32_t who)
{
    size_t lo = 0, hi = nr;

    while (who && lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (dom[mid].domid == who - 1)
            return &dom[mid];
        if (dom[mid].domid < who - 1)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Of those who serve its devices the one that waits most. */
static const struct avm_domain *backend_of(const struct avm_domain *dom,
                                           size_t nr,
                                           const struct avm_domain *dom0,
                                           const struct avm_domain *d)
{
    const struct avm_domain *who[3] = {
        served_by(dom, nr, d->net_served_by),
        served_by(dom, nr, d->disk_served_by),
    }, *most = NULL;
    bool elsewhere = d->net_served_by || d->disk_served_by;
    int i;

    if (!elsewhere || (d->smooth.have & (AVM_HAVE_NET | AVM_HAVE_DISK)))
        who[2] = dom0;
    for (i = 0; i < 3; i++)
        if (who[i] && (!most || who[i]->pressure_permille[AVM_RES_CPU] >
                                most->pressure_permille[AVM_RES_CPU]))
            most = who[i];
    return most;
}

static void judge(struct avm_domain *dom, size_t nr,
                  const struct avm_psi_window *psi)
{
    const struct avm_domain *dom0 = NULL;
    size_t i;

    for (i = 0; i < nr && !dom0; i++)
        if (dom[i].flags & AVM_DOM_CONTROL)
            dom0 = &dom[i];
    for (i = 0; i < nr; i++)
        avm_judge(&dom[i], backend_of(dom, nr, dom0, &dom[i]), psi);
}

/* One that is gone, or starts anew, is not known until it is seen twice. */
static void observe_psi(avm_state *st, const struct avm_sample *s)
{
    unsigned int nr = st->psi_readings, i;

    if (nr > AVM_HISTORY)
        nr = AVM_HISTORY;
    for (i = nr; i; i--)
        st->psi_reading[i] = st->psi_reading[i - 1];
    st->psi_reading[0].mono_ns = s->mono_ns;
    st->psi_reading[0].psi = s->psi;
    st->psi_readings = nr + 1;
    avm_monitor_psi(&st->psi_reading[nr].psi, &s->psi,
                    s->mono_ns - st->psi_reading[nr].mono_ns, &st->psi);
}

/* New memory for each sample would cost more than what goes into it. */
static int spare_for(avm_state *st, size_t room)
{
    struct avm_domain *dom;
    struct avm_memory *mem;

    if (st->spare_room >= room)
        return 0;
    dom = malloc(room * sizeof(*dom));
    mem = malloc(room * sizeof(*mem));
    if (!dom || !mem) {
        free(dom);
        free(mem);
        return -1;
    }
    free(st->spare_dom);
    free(st->spare_mem);
    st->spare_dom = dom;
    st->spare_mem = mem;
    st->spare_room = room;
    return 0;
}

int avm_observe(avm_state *st, const struct avm_sample *sample)
{
    size_t room = sample->nr ? sample->nr : 1, i;
    struct avm_domain *dom;
    struct avm_memory *mem;
    struct avm_by_uuid *by_uuid;
    struct avm_change *foreign;

    if (sample->mono_ns <= st->last_ns ||
        sample->host.nr_pools > AVM_MAX_POOLS) {
        errno = EINVAL;
        return -1;
    }

    foreign = calloc(room * AVM_NR_KNOBS, sizeof(*foreign));
    by_uuid = by_uuid_new(sample);
    if (!foreign || !by_uuid || spare_for(st, room) ||
        learned_for(st, by_uuid, sample->nr)) {
        free(by_uuid);
        free(foreign);
        return -1;
    }
    dom = st->spare_dom;
    mem = st->spare_mem;
    free(st->foreign);
    st->foreign = foreign;
    st->nr_foreign = 0;

    if (st->nr_restored)
        qsort(st->restored, st->nr_restored, sizeof(*st->restored),
              memory_cmp);
    for (i = 0; i < sample->nr; i++)
        observe_one(st, &sample->domain[i], sample->mono_ns, &dom[i], &mem[i]);
    observe_psi(st, sample);
    avm_charge(dom, sample->nr);
    judge(dom, sample->nr, &st->psi);
    learned_limit(st, sample->nr, sample->mono_ns);

    room = st->room;
    st->room = st->spare_room;
    st->spare_room = room;
    st->spare_dom = st->dom;
    st->spare_mem = st->mem;
    free(st->by_uuid);
    free(st->restored);
    st->restored = NULL;
    st->nr_restored = 0;
    st->dom = dom;
    st->mem = mem;
    st->by_uuid = by_uuid;
    st->nr = sample->nr;
    st->host = sample->host;
    st->last_ns = sample->mono_ns;
    return 0;
}

const struct avm_domain *avm_domains(const avm_state *st, size_t *nr)
{
    *nr = st->nr;
    return st->dom;
}

const struct avm_domain *avm_domain_by_uuid(const avm_state *st,
                                            const struct avm_uuid *uuid)
{
    const struct avm_by_uuid *x = by_uuid_first(st, uuid);

    return x < st->by_uuid + st->nr ? &st->dom[x->at] : NULL;
}

const struct avm_domain *avm_domain_by_id(const avm_state *st, uint32_t domid)
{
    size_t i;

    for (i = 0; i < st->nr; i++)
        if (st->dom[i].domid == domid)
            return &st->dom[i];
    return NULL;
}

const struct avm_host *avm_state_host(const avm_state *st)
{
    return &st->host;
}

const struct avm_psi_window *avm_state_psi(const avm_state *st)
{
    return &st->psi;
}

const struct avm_change *avm_foreign(const avm_state *st, size_t *nr)
{
    *nr = st->nr_foreign;
    return st->foreign;
}

/* ------------------------------------------------------------------------ */
/* Plan                                                                     */

void avm_plan_free(struct avm_plan *plan)
{
    if (!plan)
        return;
    free(plan->change);
    free(plan->grant);
    free(plan);
}

static struct avm_plan *plan_new(size_t nr_changes, size_t nr_grants)
{
    struct avm_plan *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->change = calloc(nr_changes ? nr_changes : 1, sizeof(*p->change));
    p->grant = calloc(nr_grants ? nr_grants : 1, sizeof(*p->grant));
    if (!p->change || !p->grant) {
        avm_plan_free(p);
        return NULL;
    }
    return p;
}

static struct avm_plan *plan_copy(const struct avm_plan *from)
{
    struct avm_plan *p = plan_new(from->nr, from->nr_grants);

    if (!p)
        return NULL;
    p->mono_ms = from->mono_ms;
    p->nr = from->nr;
    p->nr_grants = from->nr_grants;
    memcpy(p->change, from->change, p->nr * sizeof(*p->change));
    memcpy(p->grant, from->grant, p->nr_grants * sizeof(*p->grant));
    return p;
}

/* All arrays of scratch are of 'nr'; one allocation each for the two types. */
static int scratch_new(struct avm_scratch *s, size_t nr)
{
    size_t n = nr ? nr : 1;
    size_t *a = calloc(2 * n, sizeof(*a));
    uint32_t *b = calloc(AVM_SCRATCH_U32 * n, sizeof(*b));

    if (!a || !b) {
        free(a);
        free(b);
        return -1;
    }
    avm_scratch_init(s, n, a, b);
    return 0;
}

/* What became of the floors, before others use this room. */
static void remember_floors(avm_state *st, const struct avm_scratch *s)
{
    size_t i;

    for (i = 0; i < st->nr; i++)
        st->mem[i].floor = (struct avm_floor){
            .asked_permille = st->mem[i].limits.cpu_min_permille,
            .promise_permille = s->promise[i],
            .wanted_permille = s->demand[i],
            .share_permille = s->before[i],
        };
}

static void scratch_free(struct avm_scratch *s)
{
    free(s->group);
    free(s->capacity);
}

int avm_plan(avm_state *st, uint64_t now_ms, unsigned int flags,
             struct avm_plan **plan)
{
    size_t max = (st->nr ? st->nr : 1) * AVM_WISHES_PER_DOMAIN, nr_wishes;
    struct avm_wish *wish = NULL;
    size_t *order = NULL;
    struct avm_scratch s = { 0 };
    struct avm_plan *p = NULL, *copy;
    bool peek = flags & AVM_PLAN_PEEK;
    int rc = -1;

    if ((flags & ~AVM_PLAN_PEEK) || now_ms < st->last_ns / NS_PER_MS) {
        errno = EINVAL;
        return -1;
    }

    wish = calloc(max, sizeof(*wish));
    order = calloc(max, sizeof(*order));
    if (!wish || !order || scratch_new(&s, st->nr))
        goto out;

    nr_wishes = avm_decide(&st->host, st->dom, st->mem, st->nr, &s, wish);
    remember_floors(st, &s);

    /* Who gives and who takes meet once: fewer than two each per domain. */
    p = plan_new(nr_wishes, 2 * st->nr);
    if (!p)
        goto out;
    p->mono_ms = now_ms;
    p->nr = nr_wishes;
    p->nr_grants = avm_resolve(&st->config, &st->host, st->dom, st->mem,
                               st->nr, wish, nr_wishes, &s, p->grant,
                               2 * st->nr);
    avm_reallocate(&st->config, st->dom, wish, nr_wishes, p->change, order);
    avm_next(&st->config, st->mem, st->nr, wish, order, p->change, p->nr,
             &st->budget, now_ms, !peek);

    if (!peek) {
        copy = plan_copy(p);
        if (!copy)
            goto out;
        avm_plan_free(st->last_plan);
        st->last_plan = copy;
    }
    *plan = p;
    p = NULL;
    rc = 0;

 out:
    avm_plan_free(p);
    scratch_free(&s);
    free(order);
    free(wish);
    return rc;
}

/* ------------------------------------------------------------------------ */
/* What became of it                                                        */

size_t avm_renewals(avm_state *st, uint64_t now_ms, struct avm_change *change,
                    size_t max)
{
    size_t i, n = 0;

    for (i = 0; i < st->nr && n < max; i++) {
        const struct avm_domain *d = &st->dom[i];
        const struct avm_memory *m = &st->mem[i];
        struct avm_change *x = &change[n];

        if (!avm_lease_due(m, now_ms))
            continue;
        memset(x, 0, sizeof(*x));
        x->uuid = d->uuid;
        x->domid = d->domid;
        memcpy(x->untrusted_name, d->untrusted_name,
               sizeof(x->untrusted_name));
        x->knob = AVM_KNOB_URGENCY;
        x->state = AVM_CHANGE_READY;
        x->before = x->after = m->knob[AVM_KNOB_URGENCY].last;
        x->lease_ms = st->config.lease_ms;
        avm_text(x->reason, "lease renewed");
        n++;
    }
    return n;
}

void avm_renewed(avm_state *st, const struct avm_change *c, uint64_t now_ms,
                 bool ok)
{
    struct avm_memory *m = memory_of(st, &c->uuid, c->domid);

    if (!m || !ok)
        return;
    m->lease_from_ms = now_ms;
    m->lease_ms = c->lease_ms;
}

/* Does this change take back the last one, and soon? */
static bool flips(const struct avm_config *c, const struct avm_knob_memory *k,
                  const struct avm_change *x, uint64_t now_ms)
{
    uint64_t soon_ms = 10ull * avm_max_u32(c->cooldown_ms, c->decide_ms);

    if (!k->wrote || now_ms >= k->changed_ms + soon_ms)
        return false;
    return x->knob == AVM_KNOB_WEIGHT ?
           (x->after > x->before) != (k->last > k->before) :
           avm_knob_same(x->knob, x->after, k->before);
}

uint64_t avm_flip_flops(const avm_state *st)
{
    return st->flip_flops;
}

uint32_t avm_changes_left(const avm_state *st, uint64_t now_ms)
{
    return avm_budget_left(&st->budget, st->config.changes_per_minute, now_ms);
}

void avm_applied(avm_state *st, const struct avm_change *c, uint64_t now_ms,
                 bool ok)
{
    struct avm_memory *m = memory_of(st, &c->uuid, c->domid);
    struct avm_knob_memory *k;
    size_t i;

    if (!m || c->knob >= AVM_NR_KNOBS)
        return;

    k = &m->knob[c->knob];
    if (ok && flips(&st->config, k, c, now_ms))
        st->flip_flops++;
    k->changed = true;
    k->changed_ms = now_ms;
    k->failed = !ok;
    if (ok) {
        if (!k->ours)
            /* Anyone's urgency is a lease: it ends at normal in any case. */
            k->original = c->knob == AVM_KNOB_URGENCY ? AVM_URGENCY_NORMAL :
                                                        c->before;
        k->known = true;
        k->wrote = true;
        k->before = c->before;
        k->last = c->after;
        k->ours = c->after != k->original;
        k->devices = avm_knob_devices(m, c->knob);
        if (c->knob == AVM_KNOB_URGENCY) {
            m->lease_from_ms = now_ms;
            m->lease_ms = c->lease_ms;
        }
        avm_budget_spend(&st->budget, now_ms);
    }

    for (i = 0; st->last_plan && i < st->last_plan->nr; i++) {
        struct avm_change *x = &st->last_plan->change[i];

        if (x->domid == c->domid && avm_uuid_equal(&x->uuid, &c->uuid) &&
            x->knob == c->knob)
            x->state = ok ? AVM_CHANGE_APPLIED : AVM_CHANGE_FAILED;
    }
}

size_t avm_undo_list(const avm_state *st, const struct avm_uuid *uuid,
                     struct avm_change *change, size_t max)
{
    size_t i, n = 0;
    int k;

    for (i = 0; i < st->nr; i++) {
        const struct avm_domain *d = &st->dom[i];

        if ((d->flags & AVM_DOM_DYING) ||
            (uuid && !avm_uuid_equal(uuid, &d->uuid)))
            continue;
        for (k = 0; k < AVM_NR_KNOBS && n < max; k++) {
            const struct avm_knob_memory *km = &st->mem[i].knob[k];
            struct avm_change *x = &change[n];

            if (!km->ours)
                continue;
            memset(x, 0, sizeof(*x));
            x->uuid = d->uuid;
            x->domid = d->domid;
            memcpy(x->untrusted_name, d->untrusted_name,
                   sizeof(x->untrusted_name));
            x->knob = k;
            x->state = AVM_CHANGE_READY;
            x->before = km->last;
            x->after = km->original;
            avm_text(x->reason, "back to what it was before the first change");
            n++;
        }
    }
    return n;
}

int avm_state_restore(avm_state *st, const struct avm_uuid *uuid,
                      uint32_t domid, enum avm_knob knob, uint64_t original,
                      uint64_t last)
{
    struct avm_memory *m = NULL;
    size_t i;

    if (knob >= AVM_NR_KNOBS || st->last_ns) {
        errno = EINVAL;
        return -1;
    }

    for (i = 0; i < st->nr_restored; i++)
        if (st->restored[i].domid == domid &&
            avm_uuid_equal(&st->restored[i].uuid, uuid))
            m = &st->restored[i];
    if (!m) {
        m = realloc(st->restored, (st->nr_restored + 1) * sizeof(*m));
        if (!m)
            return -1;
        st->restored = m;
        m += st->nr_restored++;
        memset(m, 0, sizeof(*m));
        m->uuid = *uuid;
        m->domid = domid;
    }
    m->knob[knob].known = true;
    m->knob[knob].original = original;
    m->knob[knob].last = last;
    m->knob[knob].ours = original != last;
    return 0;
}
