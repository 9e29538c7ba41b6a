/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "ideal.h"
#include "memory.h"
#include "model.h"
#include "pinned.h"

void ideal_water_fill(double capacity, unsigned int nr, const double *weight,
                      const double *limit, double *share)
{
    bool *full = must(calloc(nr, sizeof(*full)));
    bool again = true;
    unsigned int i;

    /* Those that the level would fill are full; it rises for the rest. */
    while ( again )
    {
        double sum = 0, left = capacity;

        again = false;
        for ( i = 0; i < nr; i++ )
            if ( full[i] )
                left -= limit[i];
            else
                sum += weight[i];
        for ( i = 0; i < nr; i++ )
            if ( !full[i] )
                share[i] = sum > 0 ? left * weight[i] / sum : 0;
        for ( i = 0; i < nr; i++ )
            if ( !full[i] && share[i] >= limit[i] )
            {
                full[i] = again = true;
                share[i] = limit[i];
            }
    }
    free(full);
}

double ideal_capacity(const struct scenario *s)
{
    return s->sockets * s->cores *
           (s->threads > 1 ? 2 * MODEL_SMT_PERMILLE / 1000.0 : 1);
}

/* Of a fanout: packets of a batch. */
static unsigned int nr_targets(const struct scenario *s,
                               const struct task_spec *t)
{
    unsigned int i, nr = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        nr += !strcmp(s->domains[i].group, t->target);

    return nr;
}

static double task_demand(const struct scenario *s,
                          const struct domain_spec *d,
                          const struct task_spec *t)
{
    double mean = t->work_ns;
    unsigned int i;

    switch ( t->kind )
    {
    case TASK_PERIODIC:
    case TASK_PESTER:
        return (double)t->work_ns / t->period_ns;
    case TASK_FANOUT:
        return (double)t->work_ns * nr_targets(s, t) / t->period_ns;
    case TASK_ARRIVALS:
        if ( t->nr_mix )
            for ( mean = i = 0; i < t->nr_mix; i++ )
                mean += t->mix[i].ns * (t->mix[i].permille / 1000.0);
        return mean / t->mean_ns;
    case TASK_DISK:
        return (double)t->work_ns / (t->work_ns + t->wait_ns);
    case TASK_RELAY:
        return 1.0 / d->nr_vcpus;
    case TASK_DODGER:
        return 1 - (double)t->sleep_ns / t->period_ns;
    default:
        return 1;
    }
}

/* Tasks that are on some vCPUs only count for all: an upper bound. */
double ideal_demand(const struct scenario *s, const struct domain_spec *d)
{
    double sum = 0;
    unsigned int i;

    for ( i = 0; i < d->nr_tasks; i++ )
        sum += task_demand(s, d, &d->tasks[i]);

    return sum < 1 ? sum : 1;
}

double ideal_share(const struct scenario *s, unsigned int domain,
                   const struct settings *const *now)
{
    unsigned int i, nr = s->nr_domains;
    double *v = must(calloc(3 * nr, sizeof(*v)));
    double *weight = v, *limit = v + nr, share;
    bool pinned = false;

    for ( i = 0; i < nr; i++ )
    {
        const struct domain_spec *d = &s->domains[i];
        const struct settings *set = now ? now[i] : &d->settings;
        double cap = set->cap / 100.0;

        /* A weight is that of each vCPU, as in credit, credit2 and activity. */
        weight[i] = set->weight * d->nr_vcpus;
        limit[i] = ideal_demand(s, d) * d->nr_vcpus;
        if ( set->cap && cap < limit[i] )
            limit[i] = cap;
        if ( !set->weight )
            limit[i] = 0;
        pinned = pinned || set->set & SET_AFFINITY;
    }
    if ( pinned )
        pinned_fill(s, now, weight, limit, v + 2 * nr);
    else
        ideal_water_fill(scenario_pcpus(s), nr, weight, limit, v + 2 * nr);
    share = v[2 * nr + domain];
    free(v);

    return share;
}

double ideal_budget(const struct scenario *s, unsigned int domain,
                    const struct settings *const *now)
{
    unsigned int i, nr = s->nr_domains;
    double *v = must(calloc(3 * nr, sizeof(*v)));
    double *weight = v, *limit = v + nr;
    double left = scenario_pcpus(s), wanted = 0, share;

    for ( i = 0; i < nr; i++ )
    {
        const struct domain_spec *d = &s->domains[i];
        const struct settings *set = now[i];

        if ( set->set & SET_RESERVATION )
            left -= (double)set->reserve_budget_ns * d->nr_vcpus /
                    set->reserve_period_ns;
        weight[i] = set->weight * d->nr_vcpus;
        /* A budget has to hold the whole fair part, needed or not. */
        limit[i] = set->weight ? d->nr_vcpus : 0;
    }
    ideal_water_fill(scenario_pcpus(s), nr, weight, limit, v + 2 * nr);
    for ( i = 0; i < nr; i++ )
        if ( !(now[i]->set & SET_RESERVATION) )
            wanted += v[2 * nr + i];
    share = v[2 * nr + domain] / s->domains[domain].nr_vcpus;
    free(v);
    /* Budgets of more than there is are kept for nobody. */
    if ( wanted > left )
        share = left > 0 ? share * left / wanted : 0;

    return share;
}

double ideal_load(const struct scenario *s, bool with_switches)
{
    double sum = 0;
    unsigned int i, k, v;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
        {
            const struct task_spec *t = &s->domains[i].tasks[k];

            if ( t->kind != TASK_PERIODIC )
                continue;
            for ( v = 0; v < s->domains[i].nr_vcpus; v++ )
                if ( cpu_in(t->cpus, v) )
                    sum += (double)(t->work_ns +
                                    (with_switches ? model_wake_to_run_ns()
                                                   : 0)) / t->period_ns;
        }

    return sum;
}

bool ideal_feasible(const struct scenario *s)
{
    unsigned int i;

    for ( i = 0; i < s->nr_domains; i++ )
        if ( s->domains[i].nr_tasks && ideal_demand(s, &s->domains[i]) > 1 )
            return false;

    return ideal_load(s, true) <= scenario_pcpus(s);
}

bool ideal_computes(const struct domain_spec *d)
{
    unsigned int i;

    for ( i = 0; i < d->nr_tasks; i++ )
        if ( d->tasks[i].kind == TASK_HOG )
            return true;

    return false;
}

/*
 * What a task loses to cold caches at each wake-up, if no pCPU may idle while a
 * vCPU waits: with a vCPU for each pCPU that computes all the time, others run
 * wherever it comes back to, from one period to the next.
 */
static int64_t refill_ns(const struct scenario *s, int64_t work_ns,
                         int64_t period_ns)
{
    unsigned int i, busy = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        if ( ideal_computes(&s->domains[i]) )
            busy += s->domains[i].nr_vcpus;
    /* Half of the period is more than the work of all of them ever takes. */
    if ( busy < scenario_pcpus(s) || period_ns / 2 < MODEL_EVICT_NS )
        return 0;

    return work_ns < MODEL_REFILL_PRIVATE_NS ? work_ns
                                             : MODEL_REFILL_PRIVATE_NS;
}

/* From a switch to the end of the work: of a vCPU that was blocked. */
static int64_t served_ns(const struct scenario *s, int64_t work_ns,
                         int64_t period_ns)
{
    return MODEL_SWITCH_NS + MODEL_WAKE_NS + work_ns +
           refill_ns(s, work_ns, period_ns);
}

/*
 * Packets that pass a single stage in rounds, then are served anywhere. Whoever
 * schedules, after the end of round r the packets of this round and of later
 * ones are to be served by all pCPUs, of which the stage has one until it is
 * done.
 */
static double fanout_ns(const struct scenario *s, const struct task_spec *t,
                        int64_t served)
{
    unsigned int nr = nr_targets(s, t), done = 0, in_round, m;
    int64_t begin = model_wake_to_run_ns(), end = 0, stage_end, left;
    int64_t cold = refill_ns(s, nr * t->work_ns, t->period_ns);
    double longest = 0, ns;

    m = scenario_pcpus(s);
    stage_end = begin + nr * (t->work_ns + MODEL_SEND_NS) + cold;
    while ( done < nr )
    {
        int64_t worked;

        in_round = nr - done < t->batch ? nr - done : t->batch;
        worked = (done + in_round) * t->work_ns;
        end = begin + worked + (worked < cold ? worked : cold) +
              done * MODEL_SEND_NS;
        left = stage_end - end - MODEL_IPI_NS;
        ns = end + MODEL_IPI_NS +
             (double)((nr - done) * served + (left > 0 ? left : 0)) / m;
        longest = ns > longest ? ns : longest;
        done += in_round;
    }
    /* The last packet: elsewhere, or behind the stage. */
    left = stage_end - end;
    ns = end + served + (left < MODEL_IPI_NS ? left : MODEL_IPI_NS);

    return ns > longest ? ns : longest;
}

/*
 * All vCPUs of these domains have something to do at once. Those that compute
 * besides wait or run already: as many as there are pCPUs may be just the ones
 * that run. Each of the others starts after a switch, and its caches are the
 * colder the more of them were served there before.
 */
static double storm_ns(const struct scenario *s)
{
    unsigned int m = scenario_pcpus(s), i, k, waiting = 0;
    double sum = 0, longest = 0, one;
    int64_t work_ns = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
        {
            const struct domain_spec *d = &s->domains[i];
            const struct task_spec *t = &d->tasks[k];

            if ( t->kind != TASK_PERIODIC || !s->score.group ||
                 strcmp(s->score.group, d->group) )
                continue;
            if ( ideal_computes(d) )
            {
                one = MODEL_WAKE_NS + t->work_ns;
                waiting += d->nr_vcpus;
                work_ns = t->work_ns;
            }
            else
                one = served_ns(s, t->work_ns, t->period_ns);
            sum += one * d->nr_vcpus;
            longest = one > longest ? one : longest;
        }
    if ( waiting > m )
    {
        sum += (waiting - m) * (double)MODEL_SWITCH_NS;
        for ( i = 1; i < waiting / m; i++ )
            sum += (double)m * model_refill_ns(1, 1, i * work_ns);
    }
    sum /= m;

    return MODEL_IPI_NS + (sum > longest ? sum : longest);
}

int64_t ideal_makespan_ns(const struct scenario *s)
{
    const struct task_spec *fanout = NULL;
    unsigned int i, k;
    int64_t served = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
            if ( s->domains[i].tasks[k].kind == TASK_FANOUT )
                fanout = &s->domains[i].tasks[k];
    if ( !fanout )
        return storm_ns(s);
    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
            if ( s->domains[i].tasks[k].kind == TASK_SERVER )
                served = served_ns(s, s->domains[i].tasks[k].work_ns,
                                   fanout->period_ns);

    return fanout_ns(s, fanout, served);
}

/*
 * A vCPU that waits for its disk comes back to where others ran meanwhile, and
 * finds its caches colder by that, or comes back elsewhere, which is worse, or
 * its pCPU idled, which is worse yet: refill is slower than time by a factor of
 * 50, so a pCPU that idles loses more than it saves, even if all of fewer vCPUs
 * than that come back to it. And each time there is a switch to it. Of its
 * work, this part goes on top.
 */
static double lost_to_waits(const struct task_spec *t)
{
    /* Noise of the wait is even, and refill in proportion up to this. */
    if ( t->kind != TASK_DISK ||
         t->wait_ns * (1000 + t->noise_permille) / 1000 > MODEL_EVICT_NS )
        return 0;

    return (double)(MODEL_SWITCH_NS + model_refill_ns(1, 1, t->wait_ns -
                                                            MODEL_SWITCH_NS)) /
           t->work_ns;
}

double ideal_work(const struct scenario *s, double alone)
{
    double capacity = ideal_capacity(s), lost = 1, steady = 0, waits = 0;
    unsigned int i, k, nr = 0;

    for ( i = 0; i < s->nr_domains; i++ )
    {
        const struct domain_spec *d = &s->domains[i];
        double one = d->nr_tasks == 1 ? lost_to_waits(&d->tasks[0]) : 0;

        for ( k = 0; k < d->nr_vcpus; k++ )
            if ( one > 0 )
            {
                lost = one < lost ? one : lost;
                nr++;
            }
            else
                steady += ideal_demand(s, d);
    }
    if ( s->threads == 1 && nr && steady < capacity &&
         nr < MODEL_EVICT_NS / MODEL_REFILL_PRIVATE_NS )
    {
        /* The most is done if those that lose nothing are served first. */
        waits = (capacity - steady) / (1 + lost);
        return alone < steady + waits ? alone : steady + waits;
    }

    return alone < capacity ? alone : capacity;
}

int64_t ideal_settling_ns(const struct scenario *s)
{
    int64_t longest = 1;
    unsigned int i, k, p;

    for ( i = 0; i < s->nr_domains; i++ )
        for ( k = 0; k < s->domains[i].nr_tasks; k++ )
            for ( p = 0; p < s->domains[i].tasks[k].nr_phases; p++ )
            {
                const struct task_spec *t = &s->domains[i].tasks[k].phases[p];

                if ( t->settle_ns && t->period_ns > longest )
                    longest = t->period_ns;
                if ( t->settle_ns && t->mean_ns > longest )
                    longest = t->mean_ns;
            }

    return longest;
}
