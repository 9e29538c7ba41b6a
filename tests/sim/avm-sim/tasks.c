/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each kind of task does. To add one: a line in the tables of scenario.c,
 * and here a struct behaviour.
 */
#include <stdlib.h>

#include "guest.h"
#include "memory.h"
#include "model.h"
#include "rng.h"

#define VIRQ        XEN_SCHED_ACTIVITY_EVENT_VIRQ
#define INTERDOMAIN XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN
#define PIRQ        XEN_SCHED_ACTIVITY_EVENT_PIRQ
#define IPI         XEN_SCHED_ACTIVITY_EVENT_IPI

struct behaviour {
    void (*begin)(struct guest_task *t);
    void (*timer)(struct guest_task *t);    /* at next_ns, seen or not        */
    void (*signal)(struct guest_task *t);   /* its guest handles its event    */
    void (*done)(struct guest_task *t);     /* the piece of work is done      */
};
static const struct behaviour behaviours[TASK_KINDS];

static const struct behaviour *of(const struct guest_task *t)
{
    return &behaviours[t->spec->kind];
}

static bool measured(s_time_t at_ns)
{
    return at_ns >= host_measure_from_ns;
}

/* The interrupt takes as long as an IPI from the clock to the handler. */
static void timer_at(struct guest_task *t, s_time_t at_ns)
{
    t->next_ns = at_ns;
    sim_at(&t->timer, at_ns + MODEL_IPI_NS);
}

static s_time_t some_work(struct guest_task *t)
{
    return rng_around(&t->rng, t->spec->work_ns, t->spec->noise_permille);
}

/* ---- queues of jobs ----------------------------------------------------- */

static struct job *job_first(struct guest_task *t)
{
    return &t->jobs[t->first];
}

/* What @t has to do before a job that comes now. */
static s_time_t work_ahead_ns(const struct guest_task *t)
{
    s_time_t ns = 0;
    unsigned int i;

    for ( i = 0; i < t->nr; i++ )
        ns += !i && t->runnable ? t->left_ns
                                : t->jobs[(t->first + i) % t->room].service_ns;

    return ns;
}

static struct job *job_add(struct guest_task *t, const struct job *job)
{
    s_time_t ahead_ns = work_ahead_ns(t), cold_ns = 0;
    struct job *j;
    unsigned int i;

    if ( t->nr == t->room )
    {
        unsigned int room = t->room ? 2 * t->room : 16;
        struct job *bigger = must(calloc(room, sizeof(*bigger)));

        for ( i = 0; i < t->nr; i++ )
            bigger[i] = t->jobs[(t->first + i) % t->room];
        free(t->jobs);
        t->jobs = bigger;
        t->room = room;
        t->first = 0;
    }
    j = &t->jobs[(t->first + t->nr) % t->room];
    *j = *job;
    /* To fetch what others have evicted by now takes its time, too. */
    if ( !t->guest->running )
        cold_ns = guest_refill_ns(t->guest);
    ahead_ns += min(ahead_ns, cold_ns);
    j->found_idle = !t->nr++;
    j->counts = j->found_idle || !t->guest->running;
    j->ahead_ns = ahead_ns;

    return j;
}

static struct job job_take(struct guest_task *t)
{
    struct job j = *job_first(t);

    t->first = (t->first + 1) % t->room;
    t->nr--;

    return j;
}

static void job_next(struct guest_task *t)
{
    if ( t->nr )
        guest_run(t, job_first(t)->service_ns);
    else
        guest_sleep(t);
}

/* As job_next(), after the end of one. */
static void job_next_at_once(struct guest_task *t)
{
    job_next(t);
    task_started(t);
}

static void job_signal(struct guest_task *t)
{
    if ( !t->runnable )
        job_next(t);
}

/* ---- hog ---------------------------------------------------------------- */

static void start_up(struct guest_task *t)
{
    guest_signal(NULL, t, VIRQ);
}

static void hog_signal(struct guest_task *t)
{
    guest_run(t, STIME_MAX);
}

/* ---- periodic, arrivals ------------------------------------------------- */

static void periodic_begin(struct guest_task *t)
{
    s_time_t phase = t->spec->phase_ns;

    if ( phase < 0 )
        phase = rng_below(&t->rng, t->spec->period_ns);
    timer_at(t, sim.now_ns + phase);
}

static void periodic_timer(struct guest_task *t)
{
    struct job j = { .at_ns = t->next_ns, .service_ns = some_work(t) };

    job_add(t, &j);
    timer_at(t, t->next_ns + t->spec->period_ns);
    guest_signal(NULL, t, VIRQ);
}

static void request_done(struct guest_task *t)
{
    struct job j = job_take(t);
    s_time_t ns = sim.now_ns - j.at_ns;

    if ( measured(j.at_ns) )
    {
        series_add(&t->sojourn, ns);
        t->finished++;
        t->missed += t->spec->deadline_ns && ns > t->spec->deadline_ns;
    }
    job_next_at_once(t);
}

static s_time_t arrival_gap(struct guest_task *t)
{
    s_time_t mean = t->spec->mean_ns;

    if ( t->spec->process == ARRIVAL_BURSTY )
        mean *= t->spec->burst;

    return 1 + rng_exponential(&t->rng, mean);
}

static void arrivals_begin(struct guest_task *t)
{
    timer_at(t, sim.now_ns + arrival_gap(t));
}

static s_time_t service_time(struct guest_task *t)
{
    const struct task_spec *s = t->spec;
    unsigned int i;
    int64_t at;

    if ( !s->nr_mix )
        return s->work_ns;
    at = rng_below(&t->rng, 1000);
    for ( i = 0; i < s->nr_mix - 1; i++ )
    {
        at -= s->mix[i].permille;
        if ( at < 0 )
            break;
    }

    return s->mix[i].ns;
}

static void arrivals_timer(struct guest_task *t)
{
    unsigned int i, nr = t->spec->process == ARRIVAL_BURSTY ? t->spec->burst
                                                            : 1;

    for ( i = 0; i < nr; i++ )
    {
        struct job j = { .at_ns = t->next_ns, .service_ns = service_time(t) };

        job_add(t, &j);
    }
    timer_at(t, t->next_ns + arrival_gap(t));
    guest_signal(NULL, t, INTERDOMAIN);
}

/* ---- client, backend, server, fanout ------------------------------------ */

/* The tasks of this kind in the domains of a group; with @nth, that one. */
static struct guest_task *find_tasks(const char *group, enum task_kind kind,
                                     unsigned int nth, unsigned int *nr)
{
    unsigned int d, v, k;

    *nr = 0;
    for ( d = 0; d < host_nr_domains; d++ )
    {
        struct guest_domain *dom = &host_domains[d];

        if ( strcmp(dom->spec->group, group) )
            continue;
        for ( v = 0; v < dom->spec->nr_vcpus; v++ )
            for ( k = 0; k < dom->guests[v].nr_tasks; k++ )
                if ( dom->guests[v].tasks[k].spec->kind == kind &&
                     (*nr)++ == nth )
                    return &dom->guests[v].tasks[k];
    }

    return NULL;
}

/* Of several, the same one for the same number. */
static struct guest_task *find_task(const char *group, enum task_kind kind,
                                    unsigned int which)
{
    unsigned int nr;

    find_tasks(group, kind, UINT_MAX, &nr);

    return nr ? find_tasks(group, kind, which % nr, &nr) : NULL;
}

/* From one task to another; the receiver's vCPU gets an event. */
static void deliver(struct guest_task *from, struct guest_task *to,
                    struct job *j)
{
    if ( !to || !to->guest->v )
        return;
    j->service_ns = to->spec->work_ns;
    job_add(to, j);
    guest_signal(from, to, INTERDOMAIN);
}

static void client_prepare(struct guest_task *t)
{
    if ( t->to_send )
        guest_run(t, t->spec->work_ns);
    else
        guest_sleep(t);
}

static void client_begin(struct guest_task *t)
{
    t->to_send = t->spec->window;
    start_up(t);
}

/* Answers, or the time to think is over. */
static void client_signal(struct guest_task *t)
{
    while ( t->nr )
    {
        struct job j = job_take(t);

        if ( measured(j.at_ns) )
        {
            series_add(&t->sojourn, sim.now_ns - j.at_ns);
            t->finished++;
        }
        if ( t->spec->think_ns )
            timer_at(t, sim.now_ns + t->spec->think_ns);
        else
            t->to_send++;
    }
    if ( !t->runnable )
        client_prepare(t);
}

static void client_timer(struct guest_task *t)
{
    t->to_send++;
    guest_signal(NULL, t, VIRQ);
}

static void client_done(struct guest_task *t)
{
    struct job j = { .at_ns = sim.now_ns, .client = t };
    unsigned int which = t->guest->domain->domid + t->guest->id;

    j.server = find_task(t->spec->server, TASK_SERVER, which);
    if ( t->spec->via )
        j.backend = find_task(t->spec->via, TASK_BACKEND, which);
    t->to_send--;
    deliver(t, j.backend ?: j.server, &j);
    client_prepare(t);
}

static void server_done(struct guest_task *t)
{
    struct job j = job_take(t);

    if ( measured(j.at_ns) )
    {
        series_add(&t->sojourn, sim.now_ns - j.at_ns);
        t->finished++;
    }
    j.reply = true;
    if ( j.client )
        deliver(t, j.backend ?: j.client, &j);
    if ( j.batch && !--j.batch->left )
    {
        if ( measured(j.batch->at_ns) )
            series_add(&j.batch->owner->sojourn,
                       sim.now_ns - j.batch->at_ns);
        free(j.batch);
    }
    job_next_at_once(t);
}

/* netback and the like take what there is, then tell everybody. */
static void round_next(struct guest_task *t)
{
    t->in_round = min_t(unsigned int, t->nr, t->spec->batch);
    if ( t->in_round )
        guest_run(t, t->spec->round_ns + t->in_round * t->spec->work_ns);
    else
        guest_sleep(t);
}

static void round_signal(struct guest_task *t)
{
    if ( !t->runnable )
        round_next(t);
}

static void round_done(struct guest_task *t)
{
    for ( ; t->in_round; t->in_round-- )
    {
        struct job j = job_take(t);

        if ( measured(sim.now_ns) )
            t->finished++;
        deliver(t, j.reply ? j.client : j.server, &j);
    }
    round_next(t);
}

static void fanout_timer(struct guest_task *t)
{
    struct batch *b = must(calloc(1, sizeof(*b)));
    struct job j = { .at_ns = t->next_ns, .batch = b };
    unsigned int i;

    b->at_ns = t->next_ns;
    b->owner = t;
    for ( i = 0; i < host_nr_domains; i++ )
        if ( !strcmp(host_domains[i].spec->group, t->spec->target) &&
             host_domains[i].d )
        {
            /* The i-th of the group, whatever else there is. */
            j.server = find_task(t->spec->target, TASK_SERVER, b->left++);
            job_add(t, &j);
        }
    if ( !b->left )
        free(b);
    timer_at(t, t->next_ns + t->spec->period_ns);
    guest_signal(NULL, t, PIRQ);
}

/* ---- disk --------------------------------------------------------------- */

static void disk_signal(struct guest_task *t)
{
    if ( !t->runnable && !sim_pending(&t->timer) )
        guest_run(t, some_work(t));
}

static void disk_timer(struct guest_task *t)
{
    struct job answer = { .at_ns = t->next_ns };

    job_add(t, &answer);
    guest_signal(NULL, t, INTERDOMAIN);
}

static void disk_done(struct guest_task *t)
{
    /* There was none yet when it began. */
    if ( t->nr )
        job_take(t);
    if ( measured(sim.now_ns) )
        t->finished++;
    timer_at(t, sim.now_ns + rng_around(&t->rng, t->spec->wait_ns,
                                        t->spec->noise_permille));
    guest_sleep(t);
}

/* ---- barrier, lock ------------------------------------------------------ */

static void spin(struct guest_task *t)
{
    t->spinning = true;
    guest_run(t, t->spec->spin_ns);
}

/* It spun for long enough. */
static void spun(struct guest_task *t)
{
    if ( t->spec->wait == WAIT_BLOCK )
    {
        guest_sleep(t);
        return;
    }
    spin(t);
    guest_yield(t);
}

/* What @t waited for is there; @by made it so. */
static void released(struct guest_task *by, struct guest_task *t,
                     s_time_t work_ns)
{
    if ( t->spinning )
    {
        /* It sees it in memory as soon as it runs. */
        guest_account(t->guest);
        t->spinning = false;
        t->left_ns = work_ns;
        guest_look(t->guest);
    }
    else
        guest_signal(by, t, IPI);
}

static void barrier_signal(struct guest_task *t)
{
    /* A late IPI may find that it does not wait any more. */
    if ( !t->runnable )
        guest_run(t, some_work(t));
}

static void barrier_done(struct guest_task *t)
{
    struct guest_domain *dom = t->guest->domain;
    unsigned int nr = 0, v, k;

    if ( t->spinning )
    {
        spun(t);
        return;
    }
    for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        for ( k = 0; k < dom->guests[v].nr_tasks; k++ )
            nr += dom->guests[v].tasks[k].spec->kind == TASK_BARRIER;
    if ( ++dom->arrived < nr )
    {
        spin(t);
        return;
    }

    dom->arrived = 0;
    if ( measured(sim.now_ns) )
        dom->rounds++;
    for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        for ( k = 0; k < dom->guests[v].nr_tasks; k++ )
        {
            struct guest_task *other = &dom->guests[v].tasks[k];

            if ( other != t && other->spec->kind == TASK_BARRIER )
                released(t, other, some_work(other));
        }
    guest_run(t, some_work(t));
}

/* The lock has tickets: whoever asked first is next. */
static void lock_take(struct guest_task *t)
{
    t->guest->domain->lock_owner = t;
    t->holds = true;
}

static void lock_signal(struct guest_task *t)
{
    if ( !t->runnable )
        guest_run(t, t->holds ? t->spec->hold_ns : some_work(t));
}

static struct guest_task *lock_next(const struct guest_domain *dom)
{
    struct guest_task *next = NULL;
    unsigned int v, k;

    for ( v = 0; v < dom->spec->nr_vcpus; v++ )
        for ( k = 0; k < dom->guests[v].nr_tasks; k++ )
        {
            struct guest_task *t = &dom->guests[v].tasks[k];

            if ( t->spec->kind == TASK_LOCK && t->nr &&
                 (!next || job_first(t)->at_ns < job_first(next)->at_ns) )
                next = t;
        }

    return next;
}

static void lock_done(struct guest_task *t)
{
    struct guest_domain *dom = t->guest->domain;
    struct job ticket = { .at_ns = sim.now_ns };
    struct guest_task *next;

    if ( t->spinning )
    {
        spun(t);
        return;
    }
    if ( !t->holds )
    {
        if ( dom->lock_owner )
        {
            job_add(t, &ticket);
            spin(t);
            return;
        }
        lock_take(t);
        guest_run(t, t->spec->hold_ns);
        return;
    }

    t->holds = false;
    dom->lock_owner = NULL;
    if ( measured(sim.now_ns) )
        dom->rounds++;
    next = lock_next(dom);
    if ( next )
    {
        job_take(next);
        lock_take(next);
        released(t, next, next->spec->hold_ns);
    }
    guest_run(t, some_work(t));
}

/* ---- gaming ------------------------------------------------------------- */

/* Its clock: asleep for the last sleep_ns of each period. */
static bool dodges(const struct guest_task *t)
{
    return sim.now_ns % t->spec->period_ns >=
           t->spec->period_ns - t->spec->sleep_ns;
}

/* The timer alternates between the start of the sleep and its end. */
static void dodger_arm(struct guest_task *t)
{
    s_time_t period = t->spec->period_ns;
    s_time_t end = (sim.now_ns / period + 1) * period;

    timer_at(t, dodges(t) ? end : end - t->spec->sleep_ns);
}

static void dodger_begin(struct guest_task *t)
{
    dodger_arm(t);
    start_up(t);
}

static void dodger_timer(struct guest_task *t)
{
    dodger_arm(t);
    guest_signal(NULL, t, VIRQ);
}

static void dodger_signal(struct guest_task *t)
{
    if ( dodges(t) )
        guest_sleep(t);
    else if ( !t->runnable )
        guest_run(t, STIME_MAX);
}

static void pester_done(struct guest_task *t)
{
    unsigned int d, v;

    for ( d = 0; d < host_nr_domains; d++ )
        if ( !strcmp(host_domains[d].spec->group, t->spec->target) )
            for ( v = 0; v < host_domains[d].spec->nr_vcpus; v++ )
                if ( &host_domains[d].guests[v] != t->guest )
                    guest_event(t, &host_domains[d].guests[v], INTERDOMAIN);
    request_done(t);
}

/* The one whose turn it is runs; its own event is what the last one sent. */
static void relay_begin(struct guest_task *t)
{
    if ( !t->guest->id )
        start_up(t);
}

static void relay_signal(struct guest_task *t)
{
    if ( !t->runnable )
        guest_run(t, t->spec->work_ns);
}

static void relay_done(struct guest_task *t)
{
    struct guest_domain *dom = t->guest->domain;
    struct guest *next = &dom->guests[(t->guest->id + 1) %
                                      dom->spec->nr_vcpus];
    unsigned int k;

    guest_sleep(t);
    for ( k = 0; k < next->nr_tasks; k++ )
        if ( next->tasks[k].spec->kind == TASK_RELAY )
            guest_signal(t, &next->tasks[k], IPI);
}

static void yielder_signal(struct guest_task *t)
{
    if ( !t->runnable )
        guest_run(t, t->spec->work_ns);
}

static void yielder_done(struct guest_task *t)
{
    guest_run(t, t->spec->work_ns);
    guest_yield(t);
}

/* ---- replay ------------------------------------------------------------- */

static void replay_signal(struct guest_task *t)
{
    if ( !t->runnable && !sim_pending(&t->timer) )
        guest_run(t, t->spec->steps[t->step].run_ns);
}

static void replay_timer(struct guest_task *t)
{
    guest_signal(NULL, t, VIRQ);
}

static void replay_done(struct guest_task *t)
{
    s_time_t block_ns = t->spec->steps[t->step].block_ns;

    if ( measured(sim.now_ns) )
        t->finished++;
    t->step = (t->step + 1) % t->spec->nr_steps;
    if ( !block_ns )
    {
        guest_run(t, t->spec->steps[t->step].run_ns);
        return;
    }
    timer_at(t, sim.now_ns + block_ns);
    guest_sleep(t);
}

/* ---- phases ------------------------------------------------------------- */

/* Forgets what the phase had under way. */
static void clear(struct guest_task *t)
{
    sim_cancel(&t->timer);
    t->first = t->nr = t->in_round = t->step = 0;
    t->signalled = false;
    guest_account(t->guest);
    guest_sleep(t);
    guest_look(t->guest);
}

static void settle(struct guest_task *t)
{
    if ( t->spec->settle_ns && measured(t->phase_ns) )
        series_add(&t->settled,
                   t->last_late_ns ? t->last_late_ns - t->phase_ns : 0);
}

static void phase_begin(struct guest_task *t)
{
    t->spec = &t->whole->phases[t->phase];
    t->phase_ns = sim.now_ns;
    t->last_late_ns = 0;
    sim_at(&t->phase_timer, sim.now_ns + t->whole->phases_for_ns[t->phase]);
    of(t)->begin(t);
}

static void on_phase_timer(struct sim_event *e)
{
    struct guest_task *t = container_of(e, struct guest_task, phase_timer);

    settle(t);
    clear(t);
    t->phase = (t->phase + 1) % t->whole->nr_phases;
    phase_begin(t);
}

/* ---- for guest.c -------------------------------------------------------- */

static const struct behaviour behaviours[TASK_KINDS] = {
    [TASK_HOG] = { start_up, NULL, hog_signal, NULL },
    [TASK_PERIODIC] = { periodic_begin, periodic_timer, job_signal,
                        request_done },
    [TASK_ARRIVALS] = { arrivals_begin, arrivals_timer, job_signal,
                        request_done },
    [TASK_CLIENT] = { client_begin, client_timer, client_signal, client_done },
    [TASK_SERVER] = { start_up, NULL, job_signal, server_done },
    [TASK_BACKEND] = { start_up, NULL, round_signal, round_done },
    [TASK_FANOUT] = { periodic_begin, fanout_timer, round_signal, round_done },
    [TASK_DISK] = { start_up, disk_timer, disk_signal, disk_done },
    [TASK_BARRIER] = { start_up, NULL, barrier_signal, barrier_done },
    [TASK_LOCK] = { start_up, NULL, lock_signal, lock_done },
    [TASK_PHASES] = { phase_begin, NULL, NULL, NULL },
    [TASK_DODGER] = { dodger_begin, dodger_timer, dodger_signal, NULL },
    [TASK_PESTER] = { periodic_begin, periodic_timer, job_signal, pester_done },
    [TASK_RELAY] = { relay_begin, NULL, relay_signal, relay_done },
    [TASK_YIELDER] = { start_up, NULL, yielder_signal, yielder_done },
    [TASK_REPLAY] = { start_up, replay_timer, replay_signal, replay_done },
};

static void on_timer(struct sim_event *e)
{
    struct guest_task *t = container_of(e, struct guest_task, timer);

    of(t)->timer(t);
}

void task_begin(struct guest_task *t)
{
    t->timer.fn = on_timer;
    t->phase_timer.fn = on_phase_timer;
    behaviours[t->whole->kind].begin(t);
}

/* Work that nobody will do any more: as late as it is by now. */
void task_end(struct guest_task *t)
{
    unsigned int i;

    for ( i = 0; i < t->nr; i++ )
    {
        struct job *j = &t->jobs[(t->first + i) % t->room];
        s_time_t ns = sim.now_ns - j->at_ns;

        if ( !measured(j->at_ns) )
            continue;
        if ( j->counts && !j->started )
            series_add(&t->start, max(ns - j->ahead_ns, (s_time_t)0));
        if ( t->spec->kind == TASK_DISK )
            continue;
        series_add(&t->sojourn, ns);
        t->missed += t->spec->deadline_ns && ns > t->spec->deadline_ns;
    }
    settle(t);
    sim_cancel(&t->timer);
    sim_cancel(&t->phase_timer);
    t->first = t->nr = 0;
}

void task_signal(struct guest_task *t)
{
    of(t)->signal(t);
}

void task_started(struct guest_task *t)
{
    struct job *j;
    s_time_t ns;

    if ( !t->nr || (t->spec->kind != TASK_PERIODIC &&
                    t->spec->kind != TASK_ARRIVALS &&
                    t->spec->kind != TASK_DISK &&
                    t->spec->kind != TASK_SERVER &&
                    t->spec->kind != TASK_PESTER) )
        return;
    j = job_first(t);
    if ( j->started || !j->counts )
        return;
    j->started = true;
    ns = max(sim.now_ns - j->at_ns - j->ahead_ns, (s_time_t)0);
    if ( measured(j->at_ns) )
        series_add(&t->start, ns);
    if ( t->spec->settle_ns && ns > t->spec->settle_ns )
        t->last_late_ns = sim.now_ns;
}

void task_done(struct guest_task *t)
{
    of(t)->done(t);
}
