/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avm_json.h"
#include "request.h"
#include "scenario.h"

#define PPM 1000000ull

/* A vCPU that blocks for less of its time than that computes without end. */
#define BLOCKED_MIN_PPM 30000
/* Who ran this long at a time computed; a guest that serves takes less. */
#define BURST_LONG_NS 20000000ull
/* Time on a pCPU that the bursts of those that block do not explain. */
#define UNEXPLAINED_MIN_PPM 50000
/* Of a vCPU, on top of whole ones: the rest was a short sleep now and then. */
#define HOG_SLACK_PPM 50000
#define HOG_UNSURE_PPM 300000

/* Who waits so many times longer than it sleeps takes whatever it is given. */
#define SHORT_OF_CPU 8

/* Random times want many events, or chance would be all that is seen. */
#define ARRIVALS_MIN_PER_S 20
/* A task that is simulated comes at least each second. */
#define PERIOD_MAX_US 1000000ull
/* No vCPU wakes more often; simulating one that did would take minutes. */
#define PERIOD_MIN_US 5
/*
 * Urgent work within a vCPU that never blocks cannot be told from the rest. It
 * is as long as a small packet or a bit of audio takes, and a tenth of the time
 * at most: for the latency its length matters little, for the share not at all.
 */
#define URGENT_WORK_NS 100000ull
#define URGENT_PART 10
/* Of a guest whose wakes were not counted. */
#define WORK_MIN_NS 1000ull

/* What avm-sim takes. */
#define VCPUS_MAX 128
#define VCPUS_IN_ALL_MAX 4096
#define PCPUS_MAX 256

/* 1000 wakes at 100 Hz: enough for a p99. */
#define DURATION_MS 10000
#define DURATION_MIN_MS 1000
/* The scheduler learns who is urgent in the first second. */
#define WARMUP_MS 1000
/* A second or two of computing. */
#define EVENTS_MAX 2000000ull
/* A tick each 4 ms, and slices of the same order. */
#define HOG_EVENTS_PER_S 500

/* ------------------------------------------------------------------------ */
/* The samples                                                              */

static bool same_params(const struct avm_params *a, const struct avm_params *b)
{
    return a->can == b->can && a->weight == b->weight &&
           a->cap_pct == b->cap_pct && a->urgency == b->urgency &&
           a->affinity == b->affinity;
}

static bool same_pools(const struct avm_host *a, const struct avm_host *b)
{
    uint32_t i;

    for (i = 0; i < a->nr_pools && a->nr_pools == b->nr_pools; i++)
        if (a->pool[i].id != b->pool[i].id ||
            a->pool[i].sched_id != b->pool[i].sched_id ||
            a->pool[i].nr_pcpus != b->pool[i].nr_pcpus ||
            a->pool[i].pcpus != b->pool[i].pcpus)
            return false;
    return a->nr_pools == b->nr_pools;
}

static bool goes_on(const struct avm_domain_sample *a,
                    const struct avm_domain_sample *b)
{
    return a->domid == b->domid && avm_uuid_equal(&a->uuid, &b->uuid) &&
           a->pool == b->pool && a->nr_vcpus == b->nr_vcpus &&
           a->flags == b->flags && a->have == b->have &&
           same_params(&a->params, &b->params) &&
           a->count.running_ns <= b->count.running_ns &&
           a->count.runnable_ns <= b->count.runnable_ns &&
           a->count.blocked_ns <= b->count.blocked_ns &&
           a->count.wakes <= b->count.wakes &&
           a->count.blocks <= b->count.blocks;
}

static bool steady(const struct avm_sample *a, const struct avm_sample *b)
{
    size_t i;

    if (a->mono_ns >= b->mono_ns || a->nr != b->nr ||
        !same_pools(&a->host, &b->host))
        return false;
    for (i = 0; i < a->nr; i++)
        if (!goes_on(&a->domain[i], &b->domain[i]))
            return false;
    return true;
}

size_t scenario_steady(struct avm_sample *const *sample, size_t nr)
{
    size_t i = nr - 1;

    while (i && steady(sample[i - 1], sample[i]))
        i--;
    return i;
}

/* ------------------------------------------------------------------------ */
/* A guest                                                                  */

/* What was counted in between, and for how long. */
struct counted {
    struct avm_counters c;
    uint64_t ns;
    uint64_t burst_ns;          /* mean, of the vCPU with the longest ones   */
};

/* As far as they can be compared; events may have been set back to 0. */
static uint64_t grown(uint64_t a, uint64_t b)
{
    return b > a ? b - a : 0;
}

/*
 * A sample tells of the last few bursts only, and what a domain did then need
 * not be what it did all the time: as many as there were since the one before
 * count for each.
 */
static uint64_t mean_burst_ns(struct avm_sample *const *sample, size_t nr,
                              size_t domain)
{
    unsigned __int128 sum = 0;
    uint64_t blocks, all = 0;
    size_t i;

    for (i = 1; i < nr; i++) {
        blocks = grown(sample[i - 1]->domain[domain].count.blocks,
                       sample[i]->domain[domain].count.blocks);
        sum += (unsigned __int128)blocks *
               sample[i]->domain[domain].burst_avg_ns;
        all += blocks;
    }
    return all ? (uint64_t)(sum / all)
               : sample[nr - 1]->domain[domain].burst_avg_ns;
}

/* From the first to the last of these samples. */
static void count(struct avm_sample *const *sample, size_t nr, size_t domain,
                  struct counted *n)
{
    const struct avm_domain_sample *a = &sample[0]->domain[domain];
    const struct avm_domain_sample *b = &sample[nr - 1]->domain[domain];
    size_t i;

    *n = (struct counted){
        .ns = sample[nr - 1]->mono_ns - sample[0]->mono_ns,
        .burst_ns = mean_burst_ns(sample, nr, domain),
    };
#define GROWN(member) n->c.member = grown(a->count.member, b->count.member)
    GROWN(running_ns);
    GROWN(runnable_ns);
    GROWN(wakes);
    GROWN(blocks);
    GROWN(boosts);
    GROWN(events_interdomain);
    GROWN(events_virq);
    GROWN(events_pirq);
    GROWN(disk_rd_reqs);
    GROWN(disk_wr_reqs);
#undef GROWN
    for (i = 0; i < AVM_LATENCY_BUCKETS; i++)
        n->c.latency[i] = (uint32_t)(b->count.latency[i] -
                                     a->count.latency[i]);
}

/* value / ns, of something in nanoseconds, or of a number per second. */
static uint64_t ppm(uint64_t value_ns, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)value_ns * PPM / ns);
}

static uint64_t per_ks(uint64_t number, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)number * 1000000000000ull / ns);
}

/* The upper edge of the bucket in which it is. */
static uint64_t latency_p99_us(const uint64_t *bucket)
{
    uint64_t all = 0, below = 0;
    size_t i;

    for (i = 0; i < AVM_LATENCY_BUCKETS; i++)
        all += bucket[i];
    for (i = 0; i < AVM_LATENCY_BUCKETS - 1; i++) {
        below += bucket[i];
        if (below * 100 >= all * 99)
            break;
    }
    return all ? UINT64_C(1) << i : 0;
}

/* How many of its vCPUs compute without end. */
static uint32_t hogs_of(const struct guest_model *g, const struct counted *n)
{
    uint64_t most = g->nr_vcpus * PPM, wanted = g->cpu_ppm + g->wait_ppm;
    uint64_t explained, hogs;

    if (wanted + g->nr_vcpus * (uint64_t)BLOCKED_MIN_PPM > most)
        return g->nr_vcpus;
    if (n->burst_ns >= BURST_LONG_NS) {
        hogs = (wanted + HOG_SLACK_PPM) / PPM;
    } else {
        /* No burst counts of one that never blocked. */
        explained = (uint64_t)((unsigned __int128)n->c.blocks * n->burst_ns *
                               PPM / n->ns);
        if (explained + UNEXPLAINED_MIN_PPM >= g->cpu_ppm)
            return 0;
        hogs = (wanted - explained + HOG_UNSURE_PPM) / PPM;
    }
    return hogs < g->nr_vcpus ? (uint32_t)hogs : g->nr_vcpus;
}

static uint64_t io_events(const struct counted *n)
{
    return n->c.events_interdomain + n->c.events_pirq;
}

/* All of them compute; events from elsewhere, and boosts, tell of urgent work. */
static void urgent_work(struct guest_model *g, const struct counted *n)
{
    uint64_t io = io_events(n), nr = io > n->c.boosts ? io : n->c.boosts;
    uint64_t rate = per_ks(nr, n->ns) / g->nr_vcpus;

    if (rate < 1000)
        return;
    g->wakes_by = io >= n->c.boosts && rate >= ARRIVALS_MIN_PER_S * 1000
                  ? GUEST_ARRIVALS : GUEST_PERIODIC;
    g->nr_woken = g->nr_vcpus;
    g->period_us = 1000000000 / rate;
    /* Not each of so many events can have been for a task of its own. */
    if (g->period_us < PERIOD_MIN_US)
        g->period_us = PERIOD_MIN_US;
    g->work_ns = g->period_us * 1000 / URGENT_PART;
    if (g->work_ns > URGENT_WORK_NS)
        g->work_ns = URGENT_WORK_NS;
}

/* Most wakes are answers of its disks, of which each may be several requests. */
static bool waits_for_disk(const struct counted *n, uint64_t wakes)
{
    return wakes && (n->c.disk_rd_reqs + n->c.disk_wr_reqs) >= wakes / 2 +
                                                               wakes % 2;
}

/*
 * With more to do than it has time for. If it is a service, its clients wait for
 * it: they ask for more when it answers sooner.
 */
static bool short_of_cpu(const struct guest_model *g)
{
    uint64_t awake = g->cpu_ppm + g->wait_ppm, all = g->nr_vcpus * PPM;

    return !g->hogs &&
           g->wait_ppm > (awake < all ? all - awake : 0) * SHORT_OF_CPU;
}

/* vCPUs that block: woken so often, to run for so long in all. */
static void woken(struct guest_model *g, const struct counted *n)
{
    uint64_t wanted = g->cpu_ppm + g->wait_ppm, run = g->cpu_ppm, rate;
    uint32_t most = g->nr_vcpus - g->hogs, least;
    uint64_t nr = n->c.wakes > n->c.blocks ? n->c.wakes : n->c.blocks;

    if (g->hogs) {
        /* They wait little beside those that compute. */
        run = wanted > g->hogs * PPM ? wanted - g->hogs * PPM : 0;
        if (n->burst_ns && n->burst_ns < BURST_LONG_NS &&
            run > ppm(nr * n->burst_ns, n->ns))
            run = ppm(nr * n->burst_ns, n->ns);
    }
    if (!nr && !run)
        return;

    /* No more of them than are woken each second, but enough to carry it. */
    rate = per_ks(nr, n->ns);
    least = (uint32_t)(run * 10 / (9 * PPM)) + 1;
    g->nr_woken = rate / 1000 < most ? (uint32_t)(rate / 1000) : most;
    if (g->nr_woken < least)
        g->nr_woken = least < most ? least : most;
    rate /= g->nr_woken;

    g->first_woken = g->hogs;
    g->period_us = rate ? 1000000000 / rate : PERIOD_MAX_US;
    if (g->period_us > PERIOD_MAX_US)
        g->period_us = PERIOD_MAX_US;
    if (!g->period_us)
        g->period_us = 1;
    g->work_ns = run * g->period_us / 1000 / g->nr_woken;
    if (g->work_ns < WORK_MIN_NS)
        g->work_ns = WORK_MIN_NS;
    g->wakes_by = io_events(n) > n->c.events_virq &&
                  rate >= ARRIVALS_MIN_PER_S * 1000
                  ? GUEST_ARRIVALS : GUEST_PERIODIC;
    if (waits_for_disk(n, nr) || short_of_cpu(g)) {
        uint64_t awake_ns = (g->hogs ? run : wanted) * g->period_us / 1000 /
                            g->nr_woken;

        g->wakes_by = GUEST_DISK;
        g->answer_us = g->period_us > awake_ns / 1000 + 1
                       ? g->period_us - awake_ns / 1000 : 1;
    }
}

static void derive(struct guest_model *g, const struct avm_domain_sample *d,
                   const struct counted *n)
{
    *g = (struct guest_model){
        .uuid = d->uuid, .domid = d->domid, .pool = d->pool,
        .hvm = d->flags & AVM_DOM_HVM, .nr_vcpus = d->nr_vcpus,
        .params = d->params,
        .cpu_ppm = ppm(n->c.running_ns, n->ns),
        .wait_ppm = ppm(n->c.runnable_ns, n->ns),
        .wakes = n->c.wakes, .latency_p99_us = latency_p99_us(n->c.latency),
    };
    memcpy(g->untrusted_name, d->untrusted_name, sizeof(g->untrusted_name));
    g->hogs = hogs_of(g, n);
    if (g->hogs == g->nr_vcpus)
        urgent_work(g, n);
    else
        woken(g, n);
}

/* ------------------------------------------------------------------------ */
/* The host                                                                 */

const struct avm_pool *host_model_pool(const struct host_model *m,
                                       uint32_t pool)
{
    uint32_t i;

    for (i = 0; i < m->host.nr_pools && i < AVM_MAX_POOLS; i++)
        if (m->host.pool[i].id == pool)
            return &m->host.pool[i];
    return NULL;
}

static bool takes_part(const struct avm_domain_sample *d)
{
    return d->nr_vcpus && !(d->flags & (AVM_DOM_DYING | AVM_DOM_PAUSED |
                                        AVM_DOM_SHUTDOWN));
}

static int check(const struct host_model *m, const struct avm_domain_sample *d,
                 char *err, size_t err_size)
{
    const struct avm_pool *p = host_model_pool(m, d->pool);

    if (!p)
        snprintf(err, err_size, "domain %" PRIu32 " is in no known pool",
                 d->domid);
    else if (!(d->have & AVM_HAVE_RECORDS) && (p->can & AVM_CAN_RECORDS))
        snprintf(err, err_size, "domain %" PRIu32 " has no activity records",
                 d->domid);
    else if (!(d->have & AVM_HAVE_RECORDS))
        snprintf(err, err_size, "domain %" PRIu32 ": its scheduler (%s) does "
                 "not tell how often it wakes and waits", d->domid,
                 avm_scheduler_name(p->sched_id));
    else if (d->nr_vcpus > VCPUS_MAX)
        snprintf(err, err_size, "domain %" PRIu32 " has more than %d vCPUs",
                 d->domid, VCPUS_MAX);
    else if (!p->nr_pcpus || p->nr_pcpus > PCPUS_MAX)
        snprintf(err, err_size, "pool %" PRIu32 " has %" PRIu32 " pCPUs, not "
                 "1 to %d", p->id, p->nr_pcpus, PCPUS_MAX);
    else
        return 0;
    return -1;
}

int host_model_make(struct avm_sample *const *sample, size_t nr,
                    struct host_model *m, char *err, size_t err_size)
{
    const struct avm_sample *first = sample[0], *last = sample[nr - 1];
    uint32_t vcpus = 0;
    struct counted n;
    size_t i;

    *m = (struct host_model){
        .host = last->host, .length_ns = last->mono_ns - first->mono_ns,
        .guest = calloc(last->nr + 1, sizeof(*m->guest)),
    };
    if (!m->guest) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -1;
    }
    if (first->mono_ns >= last->mono_ns) {
        snprintf(err, err_size, "no time between two samples");
        goto fail;
    }
    for (i = 0; i < last->nr; i++) {
        if (!takes_part(&last->domain[i]))
            continue;
        if (check(m, &last->domain[i], err, err_size))
            goto fail;
        vcpus += last->domain[i].nr_vcpus;
        if (vcpus > VCPUS_IN_ALL_MAX) {
            snprintf(err, err_size, "more than %d vCPUs", VCPUS_IN_ALL_MAX);
            goto fail;
        }
        count(sample, nr, i, &n);
        derive(&m->guest[m->nr], &last->domain[i], &n);
        if (m->guest[m->nr].nr_woken &&
            m->guest[m->nr].period_us < PERIOD_MIN_US) {
            snprintf(err, err_size, "domain %" PRIu32 " wakes more often than "
                     "each %d us", last->domain[i].domid, PERIOD_MIN_US);
            goto fail;
        }
        m->nr++;
    }
    return 0;

 fail:
    host_model_free(m);
    return -1;
}

int host_model_copy(const struct host_model *from, struct host_model *to)
{
    *to = *from;
    to->guest = calloc(from->nr + 1, sizeof(*to->guest));
    if (!to->guest)
        return -1;
    memcpy(to->guest, from->guest, from->nr * sizeof(*to->guest));
    return 0;
}

void host_model_free(struct host_model *m)
{
    free(m->guest);
    m->guest = NULL;
    m->nr = 0;
}

bool guest_model_set(struct guest_model *g, enum avm_knob knob, uint64_t value)
{
    switch (knob) {
    case AVM_KNOB_WEIGHT:   g->params.weight = (uint32_t)value;  return true;
    case AVM_KNOB_CAP:      g->params.cap_pct = (uint32_t)value; return true;
    case AVM_KNOB_AFFINITY: g->params.affinity = value;          return true;
    case AVM_KNOB_URGENCY:  g->params.urgency = (uint32_t)value; return true;
    default:                                                     return false;
    }
}

const char *guest_model_id(const struct guest_model *g, char *buf)
{
    snprintf(buf, GUEST_ID_LEN, "d%" PRIu32, g->domid);
    return buf;
}

/* ------------------------------------------------------------------------ */
/* The scenario                                                             */

uint64_t scenario_duration_ms(const struct host_model *m, uint32_t pool)
{
    uint64_t events_per_s = 1, ms;
    size_t i;

    for (i = 0; i < m->nr; i++) {
        const struct guest_model *g = &m->guest[i];

        if (g->pool != pool)
            continue;
        events_per_s += (uint64_t)g->hogs * HOG_EVENTS_PER_S;
        if (g->nr_woken)
            events_per_s += 1000000ull * g->nr_woken / g->period_us;
    }
    ms = EVENTS_MAX * 1000 / events_per_s;
    return ms > DURATION_MS ? DURATION_MS :
           ms < DURATION_MIN_MS ? DURATION_MIN_MS : ms;
}

static void put_range(struct avm_json *j, const char *key, uint32_t first,
                      uint32_t nr)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu32 "-%" PRIu32, first,
             first + nr - 1);
    avm_json_str(j, key, text);
}

static void put_tasks(struct avm_json *j, const struct guest_model *g)
{
    static const struct { const char *name, *time; } kinds[] = {
        [GUEST_PERIODIC] = { "periodic", "period_us" },
        [GUEST_ARRIVALS] = { "arrivals", "mean_us" },
        [GUEST_DISK] = { "disk", "wait_us" },
    };
    uint64_t work_us = (g->work_ns + 500) / 1000;

    avm_json_array(j, "tasks");
    /* What is woken has precedence over what computes in the same vCPU. */
    if (g->wakes_by != GUEST_SLEEPS) {
        avm_json_object(j, NULL);
        avm_json_str(j, "kind", kinds[g->wakes_by].name);
        put_range(j, "vcpus", g->first_woken, g->nr_woken);
        avm_json_uint(j, kinds[g->wakes_by].time,
                      g->wakes_by == GUEST_DISK ? g->answer_us : g->period_us);
        avm_json_uint(j, "work_us", work_us ? work_us : 1);
        avm_json_end(j);
    }
    if (g->hogs) {
        avm_json_object(j, NULL);
        avm_json_str(j, "kind", "hog");
        put_range(j, "vcpus", 0, g->hogs);
        avm_json_end(j);
    }
    avm_json_end(j);
}

/*
 * pCPUs of the simulated host are those of the pool, counted from 0; those above
 * 63, which no affinity here names, come last.
 */
static void put_affinity(struct avm_json *j, const struct guest_model *g,
                         const struct avm_pool *p)
{
    uint64_t bits = 0;
    unsigned int cpu, nr = 0, in = 0;
    char text[256];

    for (cpu = 0; cpu < 64; cpu++) {
        if (!(p->pcpus >> cpu & 1))
            continue;
        bits |= (g->params.affinity >> cpu & 1) << nr;
        in += g->params.affinity >> cpu & 1;
        nr++;
    }
    /* None of the pool's: Xen lets it run on all of them. */
    if (g->params.affinity == UINT64_MAX || !in || in == p->nr_pcpus)
        return;
    avm_json_str(j, "affinity", cpus_str(bits, text, sizeof(text)));
}

static void put_guest(struct avm_json *j, const struct guest_model *g,
                      const struct avm_pool *p)
{
    static const char *const roles[AVM_NR_URGENCIES] = {
        [AVM_URGENCY_BACKGROUND] = "background",
        [AVM_URGENCY_INTERACTIVE] = "interactive",
        [AVM_URGENCY_CRITICAL] = "time-critical",
    };
    const struct avm_params *set = &g->params;
    char id[GUEST_ID_LEN];

    avm_json_object(j, NULL);
    avm_json_str(j, "name", guest_model_id(g, id));
    avm_json_uint(j, "vcpus", g->nr_vcpus);
    if ((set->can & AVM_CAN_WEIGHT) && set->weight)
        avm_json_uint(j, "weight", set->weight);
    /* More than it has vCPUs is no limit. */
    if ((set->can & AVM_CAN_CAP) && set->cap_pct &&
        set->cap_pct < 100 * g->nr_vcpus)
        avm_json_uint(j, "cap", set->cap_pct);
    if ((set->can & AVM_CAN_URGENCY) && set->urgency < AVM_NR_URGENCIES &&
        roles[set->urgency])
        avm_json_str(j, "role", roles[set->urgency]);
    if (set->can & AVM_CAN_AFFINITY)
        put_affinity(j, g, p);
    if (g->hvm)
        avm_json_bool(j, "hvm", true);
    put_tasks(j, g);
    avm_json_end(j);
}

char *scenario_json(const struct host_model *m, uint32_t pool)
{
    const struct avm_pool *p = host_model_pool(m, pool);
    const struct guest_model *some = NULL;
    char id[GUEST_ID_LEN];
    struct avm_json *j;
    size_t i;

    for (i = 0; i < m->nr; i++)
        if (m->guest[i].pool == pool)
            some = &m->guest[i];
    if (!p || !some) {
        errno = ENOENT;
        return NULL;
    }
    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_str(j, "name", "what-if");
    avm_json_uint(j, "duration_ms",
                  WARMUP_MS + scenario_duration_ms(m, pool));
    avm_json_uint(j, "warmup_ms", WARMUP_MS);
    avm_json_object(j, "machine");
    avm_json_uint(j, "cores", p->nr_pcpus);
    avm_json_end(j);
    avm_json_array(j, "domains");
    for (i = 0; i < m->nr; i++)
        if (m->guest[i].pool == pool)
            put_guest(j, &m->guest[i], p);
    avm_json_end(j);
    /* avm-sim wants one; nobody looks at it. */
    avm_json_object(j, "score");
    avm_json_str(j, "kind", "entitlement");
    avm_json_str(j, "domain", guest_model_id(some, id));
    avm_json_end(j);
    avm_json_end(j);
    return avm_json_finish(j);
}
