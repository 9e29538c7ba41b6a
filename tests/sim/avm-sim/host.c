/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine and the toolstack of a scenario: boots the simulated Xen, creates
 * and destroys domains, sets what the scenario says, and lets time pass.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"
#include "host.h"
#include "ideal.h"
#include "memory.h"
#include "model.h"
#include "xentrace.h"

/* dom0's agent gives leases of 10 s and renews them every 5 s. */
#define LEASE_MS        10000
#define LEASE_RENEW_NS  SECONDS(5)

/*
 * How often pCPUs that idle and vCPUs that wait are counted. A prime number of
 * microseconds: in step with nobody.
 */
#define WATCH_NS        MICROSECS(997)

/* What rtds gives a new domain: RTDS_DEFAULT_PERIOD; its smallest budget. */
#define RTDS_PERIOD_NS     MILLISECS(10)
#define RTDS_BUDGET_MIN_NS MICROSECS(10)

const struct sched_def sched_defs[] = {
    { "activity", XEN_SCHEDULER_ACTIVITY },
    { "credit2", XEN_SCHEDULER_CREDIT2 },
    { "credit", XEN_SCHEDULER_CREDIT },
    { "rtds", XEN_SCHEDULER_RTDS },
    { "null", XEN_SCHEDULER_NULL },
    { "credit2-tuned", XEN_SCHEDULER_CREDIT2,
      { { "sched_ratelimit_us", "100" } } },
    { "credit-tuned", XEN_SCHEDULER_CREDIT,
      { { "sched_ratelimit_us", "100" }, { "sched_credit_tslice_ms", "1" } } },
    { NULL }
};

struct guest_domain *host_domains;
unsigned int host_nr_domains;
s_time_t host_measure_from_ns;
unsigned int host_nr_samples;
int64_t host_sample_ns;
uint64_t host_switches;
unsigned int host_ignored;
double host_idle_beside_waiting;

static const struct scenario *scenario;
static const struct sched_def *sched;
static FILE *trace, *xentrace;
static struct guest *on_cpu[NR_CPUS];
static s_time_t start_ns;
static struct sim_event sampler, measure, watch;
static unsigned int samples_room;
static s_time_t *changed;               /* when something was set, in order */
static unsigned int nr_changed;

const struct sched_def *sched_find(const char *name)
{
    const struct sched_def *s;

    for ( s = sched_defs; s->name; s++ )
        if ( !strcmp(s->name, name) )
            return s;

    return NULL;
}

const char *host_unable(const struct scenario *s, const struct sched_def *def)
{
    unsigned int i;

    if ( def->id == XEN_SCHEDULER_RTDS && s->rtds == RTDS_NONE )
        return "means nothing to it";
    if ( def->id != XEN_SCHEDULER_NULL )
        return NULL;
    if ( scenario_vcpus(s) > scenario_pcpus(s) )
        return "more vCPUs than pCPUs";
    for ( i = 0; i < s->nr_domains; i++ )
        if ( s->domains[i].settings.set & SET_CAP )
            return "has no caps";

    return NULL;
}

unsigned int host_cache_group(unsigned int cpu)
{
    unsigned int core = cpu / scenario->threads;
    unsigned int socket = core / scenario->cores;

    return socket * scenario->cores +
           core % scenario->cores / scenario->cache_group_cores;
}

struct guest *host_sibling(unsigned int cpu)
{
    return scenario->threads > 1 ? on_cpu[cpu ^ 1] : NULL;
}

struct guest *host_running(unsigned int cpu)
{
    return on_cpu[cpu];
}

void host_note_event(const struct guest *g)
{
    if ( trace )
        fprintf(trace, "%s,%"PRId64",,,%s,%u\n",
                g->v->pause_flags & VPF_blocked ? "wake" : "event",
                sim.now_ns - start_ns, g->domain->spec->name, g->id);
}

/* ---- hooks of the simulated Xen ----------------------------------------- */

static s_time_t ipi_ns(unsigned int from, unsigned int to)
{
    return MODEL_IPI_NS;
}

static s_time_t switch_ns(unsigned int cpu, const struct vcpu *prev,
                          const struct vcpu *next)
{
    return is_idle_vcpu(next) ? MODEL_SWITCH_IDLE_NS : MODEL_SWITCH_NS;
}

static void sibling_changes(unsigned int cpu, struct guest *now)
{
    struct guest *other = host_sibling(cpu);

    if ( other )
        guest_account(other);
    on_cpu[cpu] = now;
    if ( other )
        guest_speed_changed(other);
}

static void on_start(unsigned int cpu, struct vcpu *v)
{
    struct guest *g = v->guest;

    if ( !g )
        return;
    if ( on_cpu[cpu] != g )
        sibling_changes(cpu, g);
    guest_started(g, cpu);
}

static void on_stop(unsigned int cpu, struct vcpu *v)
{
    struct guest *g = v->guest;

    if ( !g || on_cpu[cpu] != g )
        return;
    guest_stopped(g);
    sibling_changes(cpu, NULL);
    if ( trace )
        fprintf(trace, "run,%"PRId64",%"PRId64",%u,%s,%u\n",
                g->started_ns - start_ns, sim.now_ns - start_ns, cpu,
                g->domain->spec->name, g->id);
}

static void on_record(uint32_t event, const void *data, size_t size)
{
    xentrace_write(xentrace, smp_processor_id(),
                   sim.now_ns * MODEL_TSC_MHZ / 1000, event, data, size);
}

/* ---- settings ----------------------------------------------------------- */

static void adjust(struct guest_domain *dom,
                   struct xen_domctl_scheduler_op *op)
{
    int rc;

    op->cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    rc = sim_adjust(dom->d, op);
    if ( rc )
    {
        fprintf(stderr, "%s: %s: %s refuses its settings: error %d\n",
                scenario->name, dom->spec->name, sched->name, -rc);
        exit(1);
    }
}

static void set_urgency(struct guest_domain *dom)
{
    static const unsigned int urgency[] = {
        [ROLE_NORMAL] = XEN_SCHED_ACTIVITY_URGENCY_NORMAL,
        [ROLE_BACKGROUND] = XEN_SCHED_ACTIVITY_URGENCY_BACKGROUND,
        [ROLE_INTERACTIVE] = XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE,
        [ROLE_CRITICAL] = XEN_SCHED_ACTIVITY_URGENCY_CRITICAL,
    };
    struct xen_domctl_scheduler_op op = { .u.activity = {
        .set = XEN_SCHED_ACTIVITY_SET_URGENCY,
        .urgency = urgency[dom->now.role],
        .lease_ms = dom->now.role == ROLE_NORMAL ? 0 : LEASE_MS,
    } };

    adjust(dom, &op);
}

/* One that does not fit is refused, and that is what the scenario shows then. */
static void set_reservation(struct guest_domain *dom)
{
    struct xen_domctl_scheduler_op op = {
        .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
        .u.activity = {
            .set = XEN_SCHED_ACTIVITY_SET_RESERVATION,
            .vcpu = XEN_SCHED_ACTIVITY_VCPU_ALL,
            .slice_us = dom->now.reserve_budget_ns / MICROSECS(1),
            .period_us = dom->now.reserve_period_ns / MICROSECS(1),
            .reserve_lease_ms = LEASE_MS,
        },
    };

    if ( sim_adjust(dom->d, &op) != -ENOSPC )
        adjust(dom, &op);
}

static void set_rtds(struct guest_domain *dom, double fair)
{
    struct xen_domctl_scheduler_op op = { 0 };
    s_time_t period_ns = RTDS_PERIOD_NS, budget_ns;

    if ( dom->now.set & SET_RESERVATION )
    {
        period_ns = dom->now.reserve_period_ns;
        budget_ns = dom->now.reserve_budget_ns;
    }
    else
        budget_ns = max((s_time_t)(fair * RTDS_PERIOD_NS), RTDS_BUDGET_MIN_NS);
    op.u.rtds.period = period_ns / MICROSECS(1);
    op.u.rtds.budget = budget_ns / MICROSECS(1);
    adjust(dom, &op);
}

/* One domain's fair part depends on all of them: on who is there, and how. */
static void set_all_rtds(void)
{
    const struct settings *now[host_nr_domains], none = { 0 };
    unsigned int i;

    for ( i = 0; i < host_nr_domains; i++ )
        now[i] = host_domains[i].d ? &host_domains[i].now : &none;
    for ( i = 0; i < host_nr_domains; i++ )
        if ( host_domains[i].d && (scenario->rtds == RTDS_FAIR ||
                                   (now[i]->set & SET_RESERVATION)) )
            set_rtds(&host_domains[i],
                     scenario->rtds == RTDS_FAIR
                     ? ideal_budget(scenario, i, now) : 0);
}

/* What of @s is set becomes so, as far as the scheduler has it. */
static void set(struct guest_domain *dom, const struct settings *s)
{
    struct xen_domctl_scheduler_op op = { 0 };
    unsigned int v;

    dom->now.set |= s->set;
    if ( s->set & SET_WEIGHT )
        dom->now.weight = s->weight;
    if ( s->set & SET_CAP )
        dom->now.cap = s->cap;
    if ( s->set & SET_ROLE )
        dom->now.role = s->role;
    if ( s->set & SET_RESERVATION )
    {
        dom->now.reserve_period_ns = s->reserve_period_ns;
        dom->now.reserve_budget_ns = s->reserve_budget_ns;
    }
    if ( s->set & SET_AFFINITY )
        for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        {
            cpumask_t mask;
            unsigned int cpu;

            cpumask_clear(&mask);
            for ( cpu = 0; cpu < scenario_pcpus(scenario); cpu++ )
                if ( cpu_in(s->affinity, cpu) )
                    cpumask_set_cpu(cpu, &mask);
            if ( sim_set_affinity(dom->guests[v].v, &mask, NULL) )
                host_ignored |= SET_AFFINITY;
        }

    if ( (s->set & SET_ROLE) && sched->id != XEN_SCHEDULER_ACTIVITY )
        host_ignored |= SET_ROLE;
    if ( (s->set & SET_RESERVATION) && sched->id != XEN_SCHEDULER_RTDS &&
         sched->id != XEN_SCHEDULER_ACTIVITY )
        host_ignored |= SET_RESERVATION;
    switch ( sched->id )
    {
    case XEN_SCHEDULER_CREDIT:
        op.u.credit.weight = dom->now.weight;
        op.u.credit.cap = dom->now.cap;
        adjust(dom, &op);
        break;
    case XEN_SCHEDULER_CREDIT2:
        op.u.credit2.weight = dom->now.weight;
        op.u.credit2.cap = dom->now.cap;
        adjust(dom, &op);
        break;
    case XEN_SCHEDULER_ACTIVITY:
        op.u.activity.set = XEN_SCHED_ACTIVITY_SET_WEIGHT |
                            XEN_SCHED_ACTIVITY_SET_CAP;
        op.u.activity.weight = dom->now.weight;
        op.u.activity.cap = dom->now.cap;
        adjust(dom, &op);
        if ( s->set & SET_ROLE )
            set_urgency(dom);
        if ( s->set & SET_RESERVATION )
            set_reservation(dom);
        break;
    case XEN_SCHEDULER_RTDS:
        if ( dom->now.cap )
            host_ignored |= SET_CAP;
        break;
    default:
        break;
    }
}

/* ---- domains ------------------------------------------------------------ */

static void create(struct guest_domain *dom)
{
    unsigned int v;

    dom->d = sim_domain_create(dom->domid, 0, dom->spec->nr_vcpus);
    if ( !dom->d )
    {
        fprintf(stderr, "%s: %s: Xen cannot create it under %s\n",
                scenario->name, dom->spec->name, sched->name);
        exit(1);
    }
    for ( v = 0; v < dom->spec->nr_vcpus; v++ )
    {
        dom->guests[v].v = dom->d->vcpu[v];
        dom->d->vcpu[v]->guest = &dom->guests[v];
    }
    dom->now = dom->spec->settings;
    set(dom, &dom->spec->settings);
    for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        guest_begin(&dom->guests[v]);
}

static void destroy(struct guest_domain *dom)
{
    unsigned int v;

    for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        guest_end(&dom->guests[v]);
    sim_domain_destroy(dom->d);
    dom->d = NULL;
}

static void add_domains(uint64_t seed)
{
    unsigned int i, v;

    host_nr_domains = scenario->nr_domains;
    host_domains = must(calloc(host_nr_domains, sizeof(*host_domains)));
    for ( i = 0; i < host_nr_domains; i++ )
    {
        struct guest_domain *dom = &host_domains[i];

        dom->spec = &scenario->domains[i];
        dom->domid = i + 1;
        dom->guests = must(calloc(dom->spec->nr_vcpus, sizeof(*dom->guests)));
        dom->windows = must(calloc(samples_room, sizeof(*dom->windows)));
        for ( v = 0; v < dom->spec->nr_vcpus; v++ )
            guest_init(&dom->guests[v], dom, v, seed);
    }
}

/* ---- measuring ---------------------------------------------------------- */

static void on_sample(struct sim_event *e)
{
    unsigned int i, v;

    if ( host_nr_samples == samples_room )
        return;
    for ( i = 0; i < host_nr_domains; i++ )
        for ( v = 0; v < host_domains[i].spec->nr_vcpus; v++ )
        {
            guest_account(&host_domains[i].guests[v]);
            host_domains[i].windows[host_nr_samples] +=
                host_domains[i].guests[v].got_ns;
        }
    host_nr_samples++;
    sim_at(e, sim.now_ns + host_sample_ns);
}

static void on_watch(struct sim_event *e)
{
    static uint64_t times, beside;
    unsigned int cpu, i, v, idle = 0, waiting = 0;

    for ( cpu = 0; cpu < scenario_pcpus(scenario); cpu++ )
        idle += is_idle_vcpu(sim_current[cpu]);
    for ( i = 0; i < host_nr_domains && idle; i++ )
        for ( v = 0; v < host_domains[i].spec->nr_vcpus; v++ )
            waiting += host_domains[i].d &&
                       host_domains[i].guests[v].v->runstate.state ==
                       RUNSTATE_runnable;
    times++;
    beside += min(idle, waiting);
    host_idle_beside_waiting = (double)beside / times;
    sim_at(e, sim.now_ns + WATCH_NS);
}

static void on_measure(struct sim_event *e)
{
    unsigned int i, v;

    for ( i = 0; i < host_nr_domains; i++ )
        for ( v = 0; v < host_domains[i].spec->nr_vcpus; v++ )
        {
            struct guest *g = &host_domains[i].guests[v];

            guest_account(g);
            g->got_ns = g->work_ns = 0;
            g->migrations = 0;
        }
    host_switches = sim.switches;
}

bool host_steady(unsigned int from, unsigned int to)
{
    s_time_t first = host_measure_from_ns + from * host_sample_ns;
    s_time_t last = host_measure_from_ns + to * host_sample_ns;
    unsigned int i;

    for ( i = 0; i < nr_changed; i++ )
        if ( changed[i] > first && changed[i] < last )
            return false;

    return true;
}

/* ---- the passing of time ------------------------------------------------ */

static void note_change(void)
{
    changed = must(realloc(changed, (nr_changed + 1) * sizeof(*changed)));
    changed[nr_changed++] = sim.now_ns;
}

/* Whatever the toolstack has to do at @at; returns when there is more. */
static s_time_t toolstack(s_time_t at)
{
    static unsigned int next_change;
    s_time_t next = STIME_MAX;
    bool changes = !at;
    unsigned int i;

    for ( i = 0; i < host_nr_domains; i++ )
    {
        struct guest_domain *dom = &host_domains[i];
        const struct domain_spec *spec = dom->spec;

        if ( spec->start_ns == at && !dom->d )
        {
            changes = true;
            create(dom);
        }
        if ( spec->stop_ns == at && at && dom->d )
        {
            changes = true;
            destroy(dom);
        }
        if ( spec->start_ns > at )
            next = min(next, spec->start_ns);
        if ( spec->stop_ns > at )
            next = min(next, spec->stop_ns);
    }
    while ( next_change < scenario->nr_changes &&
            scenario->changes[next_change].at_ns <= at )
    {
        const struct change_spec *c = &scenario->changes[next_change++];

        changes = true;
        for ( i = 0; i < host_nr_domains; i++ )
            if ( host_domains[i].d &&
                 !strcmp(host_domains[i].spec->group, c->group) )
                set(&host_domains[i], &c->settings);
    }
    if ( next_change < scenario->nr_changes )
        next = min(next, scenario->changes[next_change].at_ns);
    if ( changes )
        note_change();
    if ( changes && sched->id == XEN_SCHEDULER_RTDS )
        set_all_rtds();

    if ( sched->id == XEN_SCHEDULER_ACTIVITY )
    {
        if ( at && !(at % LEASE_RENEW_NS) )
            for ( i = 0; i < host_nr_domains; i++ )
            {
                if ( host_domains[i].d &&
                     host_domains[i].now.role != ROLE_NORMAL )
                    set_urgency(&host_domains[i]);
                if ( host_domains[i].d &&
                     (host_domains[i].now.set & SET_RESERVATION) )
                    set_reservation(&host_domains[i]);
            }
        next = min(next, (at / LEASE_RENEW_NS + 1) * LEASE_RENEW_NS);
    }

    return next;
}

static void boot(uint64_t seed)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(sched->params); i++ )
        if ( sched->params[i].name )
            sim_param(sched->params[i].name, sched->params[i].value);
    sim.topology.threads_per_core = scenario->threads;
    sim.topology.cores_per_socket = scenario->cores;
    sim_boot(seed, scenario_pcpus(scenario), sched->id);
    sim.model.ipi_ns = ipi_ns;
    sim.model.switch_ns = switch_ns;
    sim.model.start = on_start;
    sim.model.stop = on_stop;
}

void host_run(const struct scenario *s, const struct sched_def *def,
              uint64_t seed, FILE *trace_to, FILE *xentrace_to)
{
    s_time_t at = 0, next;
    unsigned int i, v;

    scenario = s;
    sched = def;
    trace = trace_to;
    xentrace = xentrace_to;

    boot(seed);
    /* An overshoot is looked for in 10 ms, from any millisecond on. */
    host_sample_ns = s->score.kind == SCORE_CAPS ? MILLISECS(1)
                                                 : MILLISECS(100);
    samples_room = (s->duration_ns - s->warmup_ns) / host_sample_ns + 1;
    start_ns = sim.now_ns;
    if ( xentrace )
    {
        sim.traced = on_record;
        tb_init_done = true;
    }
    host_measure_from_ns = start_ns + s->warmup_ns;
    add_domains(seed);
    measure.fn = on_measure;
    sim_at(&measure, host_measure_from_ns);
    sampler.fn = on_sample;
    sim_at(&sampler, host_measure_from_ns);
    watch.fn = on_watch;
    if ( s->score.kind == SCORE_WORK )
        sim_at(&watch, host_measure_from_ns);

    while ( at < s->duration_ns )
    {
        next = min(toolstack(at), s->duration_ns);
        sim_run(next - at);
        at = next;
    }
    host_switches = sim.switches - host_switches;
    for ( i = 0; i < host_nr_domains; i++ )
        for ( v = 0; v < host_domains[i].spec->nr_vcpus; v++ )
            if ( host_domains[i].d )
            {
                if ( trace && host_domains[i].guests[v].running )
                    on_stop(host_domains[i].guests[v].cpu,
                            host_domains[i].guests[v].v);
                guest_end(&host_domains[i].guests[v]);
            }
}
