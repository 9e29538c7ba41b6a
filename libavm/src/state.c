/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * state: what the loop remembers from one round to the next, and how a sample
 * becomes part of it: monitor and evaluate. No clock and no I/O here either.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* They begin and end with a limit or a process, which have numbers of their own. */
#define OF_THE_BACKEND (AVM_HAVE_BACKEND | AVM_HAVE_PSI_CPU | AVM_HAVE_PSI_IO)

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
    st->budget.size = AVM_BUDGET_MAX;
    st->budget.at_ms = calloc(AVM_BUDGET_MAX, sizeof(*st->budget.at_ms));
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
/* Observe                                                                  */

/*
 * The same domain as before, one that the journal knows, or a new one. A domain
 * that comes back under another domid was started anew: Xen gave it default
 * parameters, so what we knew about its knobs is not true any more.
 */
static void inherit(const avm_state *st, const struct avm_domain_sample *s,
                    uint64_t now_ms, struct avm_domain *d,
                    struct avm_memory *m)
{
    const struct avm_memory *old = avm_memory_of(st, &s->uuid, s->domid);
    const struct avm_memory *saved;
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
        saved = avm_restored_of(st, &s->uuid, s->domid);
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
    uint64_t now_ms = mono_ns / AVM_NS_PER_MS;
    struct avm_learned_of *learned = avm_past_of(st, &s->uuid);
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
    avm_need_apply(st, d, m);

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
    by_uuid = avm_by_uuid_new(sample);
    if (!foreign || !by_uuid || spare_for(st, room) ||
        avm_pasts_for(st, by_uuid, sample->nr)) {
        free(by_uuid);
        free(foreign);
        return -1;
    }
    dom = st->spare_dom;
    mem = st->spare_mem;
    free(st->foreign);
    st->foreign = foreign;
    st->nr_foreign = 0;

    avm_restored_sort(st);
    for (i = 0; i < sample->nr; i++)
        observe_one(st, &sample->domain[i], sample->mono_ns, &dom[i], &mem[i]);
    observe_psi(st, sample);
    avm_charge(dom, sample->nr);
    judge(dom, sample->nr, &st->psi);
    avm_pasts_limit(st, sample->nr, sample->mono_ns);

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
