/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From JSON to struct scenario: tables of keys, and the checks that need more
 * than one of them.
 */
#include <errno.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "memory.h"
#include "scenario.h"
#include "score.h"

#define NS_PER_US 1000
#define NS_PER_MS 1000000
/* An hour: nothing that is simulated here takes longer. */
#define TIME_MAX_NS 3600000000000

#define NR(array) (sizeof(array) / sizeof((array)[0]))

const char *const task_kind_names[TASK_KINDS] = {
    "hog", "periodic", "arrivals", "client", "server", "backend", "fanout",
    "disk", "barrier", "lock", "phases", "dodger", "pester",
    "relay", "yielder", "replay",
};

static const char *const task_kind_about[TASK_KINDS] = {
    "computes without end",
    "a guest timer each period_us, then work_us, by deadline_us",
    "requests from outside at random times, served in their order",
    "sends a request to server (through via), waits for the answer, again",
    "answers requests of clients, takes packets of a fanout",
    "dom0's stage: forwards packets in rounds of up to batch",
    "a batch arrives each period_us: one packet for every domain of target",
    "computes work_us, submits, waits wait_us for the disk, again",
    "all vCPUs compute work_us, then wait for each other; again",
    "computes work_us, takes a lock of the domain, holds it hold_us; again",
    "is one task after the other, each for some time; again",
    "computes, but sleeps before each multiple of period_us",
    "each period_us sends an event without meaning to each vCPU of target",
    "of the domain's vCPUs one computes work_us, wakes the next, and sleeps",
    "computes, and yields each work_us",
    "computes and blocks as a recorded trace says",
};

const char *const score_kind_names[SCORE_KINDS] = {
    "latency", "sojourn", "mixed", "throughput", "shares", "caps", "work",
    "deadlines", "entitlement", "makespan", "settling", "gang", "loads",
};

static const char *const process_names[] = { "poisson", "bursty", NULL };
static const char *const wait_names[] = { "yield", "block", NULL };
static const char *const rtds_names[] = { "fair", "default", "none", NULL };
static const char *const role_names[] = {
    "normal", "background", "interactive", "time-critical", NULL
};

/* ---- a key and where its value goes ------------------------------------- */

enum field_type { F_INT, F_US, F_MS, F_BOOL, F_TEXT, F_WORD, F_OTHER };

struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    int64_t min, max;           /* F_INT; times: at least min, in their unit */
    bool required;
    const char *const *words;   /* F_WORD */
    unsigned int kinds;         /* of tasks; 0: no task                      */
    const char *about;
};

static struct json *want(struct json *node, enum json_type type)
{
    if ( node->type != type )
        json_die(node, "wants %s, not %s", json_type_name(type),
                 json_type_name(node->type));

    return node;
}

static int64_t word_value(struct json *node, const char *const *words)
{
    unsigned int i;
    char known[256] = "";

    want(node, JSON_STRING);
    for ( i = 0; words[i]; i++ )
    {
        if ( !strcmp(words[i], node->text) )
            return i;
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
                 i ? ", " : "", words[i]);
    }
    json_die(node, "\"%s\" is none of: %s", node->text, known);
}

static int64_t time_value(struct json *node, int64_t unit, int64_t min)
{
    want(node, JSON_INT);
    if ( node->number < 0 )
        json_die(node, "a time must not be negative");
    if ( node->number < min )
        json_die(node, "must be at least %lld", (long long)min);
    if ( node->number > TIME_MAX_NS / unit )
        json_die(node, "longer than an hour");

    return node->number * unit;
}

static void take_field(struct json *node, const struct field *f, void *to)
{
    int64_t *number = (int64_t *)((char *)to + f->offset);

    switch ( f->type )
    {
    case F_INT:
        want(node, JSON_INT);
        if ( node->number < f->min || node->number > f->max )
            json_die(node, "must be from %lld to %lld", (long long)f->min,
                     (long long)f->max);
        *number = node->number;
        break;
    case F_US:
        *number = time_value(node, NS_PER_US, f->min);
        break;
    case F_MS:
        *number = time_value(node, NS_PER_MS, f->min);
        break;
    case F_BOOL:
        *(bool *)number = want(node, JSON_BOOL)->number;
        break;
    case F_TEXT:
        *(char **)number = want(node, JSON_STRING)->text;
        break;
    case F_WORD:
        *number = word_value(node, f->words);
        break;
    case F_OTHER:
        break;
    }
}

/* @kinds: what to look for, as in the table; 0 for anything but a task. */
static void take_fields(struct json *object, const struct field *fields,
                        size_t nr, unsigned int kinds, void *to)
{
    struct json *node;
    size_t i;

    want(object, JSON_OBJECT);
    for ( i = 0; i < nr; i++ )
    {
        if ( kinds && !(fields[i].kinds & kinds) )
            continue;
        node = json_get(object, fields[i].key);
        if ( node )
            take_field(node, &fields[i], to);
        else if ( fields[i].required )
            json_die(object, "%s is missing", fields[i].key);
    }
    for ( node = object->first; node; node = node->next )
        if ( !node->used )
            json_die(node, kinds ? "this kind of task has no such key"
                                 : "unknown key");
}

static void take_name(struct json *node, char *to)
{
    const char *s;

    want(node, JSON_STRING);
    if ( !*node->text || strlen(node->text) > SCENARIO_NAME_MAX - 6 )
        json_die(node, "a name has 1 to %d characters", SCENARIO_NAME_MAX - 6);
    for ( s = node->text; *s; s++ )
        if ( !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789-_.=+%", *s) )
            json_die(node, "a name has letters, digits and - _ . = + %% only");
    strcpy(to, node->text);
}

/* "0-3,5" */
static void take_cpus(struct json *node, unsigned int nr, const char *what,
                      uint64_t *cpus)
{
    const char *s = want(node, JSON_STRING)->text;

    if ( !*s )
        json_die(node, "names no %s", what);
    for ( ; ; )
    {
        unsigned long from, to, i;
        char *end;

        if ( *s < '0' || *s > '9' )
            json_die(node, "wants a list like \"0-3,5\"");
        from = to = strtoul(s, &end, 10);
        if ( *end == '-' && end[1] >= '0' && end[1] <= '9' )
            to = strtoul(end + 1, &end, 10);
        if ( (*end && *end != ',') || to < from )
            json_die(node, "wants a list like \"0-3,5\"");
        if ( to >= nr )
            json_die(node, "there is no %s %lu: they are 0 to %u", what, to,
                     nr - 1);
        for ( i = from; i <= to; i++ )
            cpus[i / 64] |= UINT64_C(1) << (i % 64);
        if ( !*end )
            return;
        s = end + 1;
    }
}

/* ---- tasks -------------------------------------------------------------- */

#define K(kind) (1u << TASK_ ## kind)
#define WORKS   (K(PERIODIC) | K(CLIENT) | K(SERVER) | K(BACKEND) | \
                 K(FANOUT) | K(DISK) | K(BARRIER) | K(LOCK) | K(RELAY) | \
                 K(YIELDER))
#define T(member) offsetof(struct task_spec, member)
static const struct field task_fields[] = {
    { "kind", F_OTHER, 0, .kinds = ~0u },
    { "vcpus", F_OTHER, 0, .kinds = ~0u, .about = "which have it: \"0-2\"" },
    { "work_us", F_US, T(work_ns), 1, .required = true, .kinds = WORKS,
      .about = "of computing, each time" },
    { "work_us", F_US, T(work_ns), 1, .kinds = K(ARRIVALS) | K(PESTER),
      .about = "of computing, each time" },
    { "service", F_OTHER, 0, .kinds = K(ARRIVALS),
      .about = "or a mix: [{\"us\": 100, \"permille\": 900}, ...]" },
    { "period_us", F_US, T(period_ns), 1, .required = true,
      .kinds = K(PERIODIC) | K(FANOUT) | K(DODGER) | K(PESTER) },
    { "phase_us", F_US, T(phase_ns), 0, .kinds = K(PERIODIC) | K(FANOUT),
      .about = "first at this time; default: random" },
    { "deadline_us", F_US, T(deadline_ns), 1, .kinds = K(PERIODIC),
      .about = "after the timer; default: period_us" },
    { "settle_us", F_US, T(settle_ns), 1, .kinds = K(PERIODIC) | K(ARRIVALS),
      .about = "a phase has settled when no start is later than this" },
    { "mean_us", F_US, T(mean_ns), 1, .required = true, .kinds = K(ARRIVALS),
      .about = "between two requests" },
    { "process", F_WORD, T(process), .words = process_names,
      .kinds = K(ARRIVALS), .about = "poisson (default) or bursty" },
    { "burst", F_INT, T(burst), 1, 1000, .kinds = K(ARRIVALS),
      .about = "requests at once, if bursty; default 10" },
    { "server", F_TEXT, T(server), .required = true, .kinds = K(CLIENT) },
    { "via", F_TEXT, T(via), .kinds = K(CLIENT),
      .about = "a domain with a backend, both ways" },
    { "think_us", F_US, T(think_ns), 0, .kinds = K(CLIENT),
      .about = "sleeps this long after an answer; default 0" },
    { "window", F_INT, T(window), 1, 64, .kinds = K(CLIENT),
      .about = "requests under way at once; default 1" },
    { "round_us", F_US, T(round_ns), 0, .kinds = K(BACKEND),
      .about = "of computing per round; default 0" },
    { "batch", F_INT, T(batch), 1, 1024, .kinds = K(BACKEND) | K(FANOUT),
      .about = "packets of a round at most; default 64" },
    { "target", F_TEXT, T(target), .required = true,
      .kinds = K(FANOUT) | K(PESTER) },
    { "wait_us", F_US, T(wait_ns), 1, .required = true, .kinds = K(DISK) },
    { "hold_us", F_US, T(hold_ns), 1, .required = true, .kinds = K(LOCK) },
    { "spin_us", F_US, T(spin_ns), 1, .kinds = K(BARRIER) | K(LOCK),
      .about = "before it yields or blocks; default 20" },
    { "wait", F_WORD, T(wait), .words = wait_names,
      .kinds = K(BARRIER) | K(LOCK),
      .about = "yield (default), or block until an IPI" },
    { "noise_permille", F_INT, T(noise_permille), 0, 999,
      .kinds = K(PERIODIC) | K(DISK) | K(BARRIER) | K(LOCK),
      .about = "work_us varies by up to this; default 0" },
    { "sleep_us", F_US, T(sleep_ns), 1, .required = true, .kinds = K(DODGER) },
    { "phases", F_OTHER, 0, .kinds = K(PHASES), .required = true,
      .about = "[{\"for_ms\": 500, \"task\": {...}}, ...]" },
    { "file", F_TEXT, T(file), .kinds = K(REPLAY),
      .about = "CSV, a line \"run_us,block_us\" each; or" },
    { "steps", F_OTHER, 0, .kinds = K(REPLAY),
      .about = "[{\"run_us\": 100, \"block_us\": 900}, ...]" },
};
#undef T

static void take_mix(struct json *list, struct task_spec *t)
{
    struct json *node;
    int64_t sum = 0;

    want(list, JSON_ARRAY);
    for ( node = list->first; node; node = node->next )
    {
        static const struct field fields[] = {
            { "us", F_US, 0, 1, .required = true },
            { "permille", F_INT, 8, 1, 1000, .required = true },
        };

        if ( t->nr_mix == SERVICE_MIX_MAX )
            json_die(node, "at most %d parts", SERVICE_MIX_MAX);
        take_fields(node, fields, NR(fields), 0, &t->mix[t->nr_mix]);
        sum += t->mix[t->nr_mix++].permille;
    }
    if ( sum != 1000 )
        json_die(list, "the parts make %lld permille, not 1000",
                 (long long)sum);
}

static void take_steps(struct json *list, struct task_spec *t)
{
    static const struct field fields[] = {
        { "run_us", F_US, 0, 1, .required = true },
        { "block_us", F_US, 8, 0, .required = true },
    };
    struct json *node;

    want(list, JSON_ARRAY);
    for ( node = list->first; node; node = node->next )
    {
        t->steps = must(realloc(t->steps,
                                (t->nr_steps + 1) * sizeof(*t->steps)));
        memset(&t->steps[t->nr_steps], 0, sizeof(*t->steps));
        take_fields(node, fields, NR(fields), 0, &t->steps[t->nr_steps++]);
    }
}

/* The file's name is relative to the scenario's. */
static void read_steps(struct json *at, struct task_spec *t)
{
    char *base = must(strdup(at->file)), path[4096], line[128], *end;
    unsigned int nr = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s%s%s", *t->file == '/' ? "" : dirname(base),
             *t->file == '/' ? "" : "/", t->file);
    f = fopen(path, "r");
    if ( !f )
        json_die(at, "%s: %s", path, strerror(errno));
    while ( fgets(line, sizeof(line), f) )
    {
        long long run_us, block_us;

        nr++;
        if ( line[0] == '#' || line[0] == '\n' )
            continue;
        errno = 0;
        run_us = strtoll(line, &end, 10);
        block_us = *end == ',' ? strtoll(end + 1, &end, 10) : -1;
        if ( (*end != '\n' && *end) || errno || run_us < 1 || block_us < 0 ||
             run_us > TIME_MAX_NS / NS_PER_US ||
             block_us > TIME_MAX_NS / NS_PER_US )
            json_die(at, "%s, line %u: wants run_us,block_us", path, nr);
        t->steps = must(realloc(t->steps,
                                (t->nr_steps + 1) * sizeof(*t->steps)));
        t->steps[t->nr_steps].run_ns = run_us * NS_PER_US;
        t->steps[t->nr_steps++].block_ns = block_us * NS_PER_US;
    }
    fclose(f);
    free(base);
}

static void take_task(struct json *object, unsigned int nr_vcpus,
                      struct task_spec *t);

static void take_phases(struct json *list, struct task_spec *t)
{
    static const struct field fields[] = {
        { "for_ms", F_MS, 0, 1, .required = true },
        { "task", F_OTHER, 0, .required = true },
    };
    struct json *node;

    want(list, JSON_ARRAY);
    for ( node = list->first; node; node = node->next )
    {
        struct json *task;

        t->phases = must(realloc(t->phases, (t->nr_phases + 1) *
                                            sizeof(*t->phases)));
        t->phases_for_ns = must(realloc(t->phases_for_ns, (t->nr_phases + 1) *
                                        sizeof(*t->phases_for_ns)));
        take_fields(node, fields, NR(fields), 0,
                    &t->phases_for_ns[t->nr_phases]);
        task = json_get(node, "task");
        take_task(task, 1, &t->phases[t->nr_phases]);
        if ( !((1u << t->phases[t->nr_phases].kind) &
               (K(HOG) | K(PERIODIC) | K(ARRIVALS) | K(DISK) | K(DODGER) |
                K(REPLAY))) )
            json_die(task, "a %s task cannot be a phase",
                     task_kind_names[t->phases[t->nr_phases].kind]);
        t->nr_phases++;
    }
    if ( !t->nr_phases )
        json_die(list, "at least one phase");
}

static void take_task(struct json *object, unsigned int nr_vcpus,
                      struct task_spec *t)
{
    static const char *words[TASK_KINDS + 1];
    struct json *node;
    unsigned int i;

    *t = (struct task_spec){ .phase_ns = -1, .burst = 10, .batch = 64,
                             .window = 1, .spin_ns = 20 * NS_PER_US };
    want(object, JSON_OBJECT);
    for ( i = 0; i < TASK_KINDS; i++ )
        words[i] = task_kind_names[i];
    node = json_get(object, "kind");
    if ( !node )
        json_die(object, "kind is missing");
    t->kind = word_value(node, words);
    take_fields(object, task_fields, NR(task_fields), 1u << t->kind, t);

    node = json_get(object, "vcpus");
    if ( node && t->kind == TASK_RELAY )
        json_die(node, "a relay goes through all vCPUs");
    if ( node )
        take_cpus(node, nr_vcpus, "vCPU", t->cpus);
    else
        memset(t->cpus, 0xff, sizeof(t->cpus));
    if ( (node = json_get(object, "service")) && t->kind == TASK_ARRIVALS )
        take_mix(node, t);
    if ( t->kind == TASK_ARRIVALS && !t->nr_mix == !t->work_ns )
        json_die(object, "wants one of work_us and service");
    if ( t->kind == TASK_PHASES )
        take_phases(json_get(object, "phases"), t);
    if ( t->kind == TASK_REPLAY )
    {
        if ( (node = json_get(object, "steps")) )
            take_steps(node, t);
        if ( t->file )
            read_steps(json_get(object, "file"), t);
        if ( !t->nr_steps || (node && t->file) )
            json_die(object, "wants one of file and steps, with a step");
    }
    if ( !t->deadline_ns )
        t->deadline_ns = t->period_ns;
    if ( t->kind == TASK_DODGER && t->sleep_ns >= t->period_ns )
        json_die(json_get(object, "sleep_us"), "must be less than period_us");
}

/* ---- domains, changes --------------------------------------------------- */

#define S(member) offsetof(struct settings, member)
#define SETTINGS(base) \
    { "weight", F_INT, (base) + S(weight), 1, 65535 }, \
    { "cap", F_INT, (base) + S(cap), 0, 65535 }, \
    { "role", F_WORD, (base) + S(role), .words = role_names }, \
    { "affinity", F_OTHER, 0 }, \
    { "reservation", F_OTHER, 0 }

/* Those settings that take more than a field, and which there are. */
static void take_settings(struct json *object, unsigned int nr_pcpus,
                          struct settings *s)
{
    static const struct field fields[] = {
        { "period_us", F_US, S(reserve_period_ns), 10, .required = true },
        { "budget_us", F_US, S(reserve_budget_ns), 10, .required = true },
    };
    struct json *node;

    s->set = (json_get(object, "weight") ? SET_WEIGHT : 0) |
             (json_get(object, "cap") ? SET_CAP : 0) |
             (json_get(object, "role") ? SET_ROLE : 0);
    if ( (node = json_get(object, "affinity")) )
    {
        take_cpus(node, nr_pcpus, "pCPU", s->affinity);
        s->set |= SET_AFFINITY;
    }
    if ( (node = json_get(object, "reservation")) )
    {
        take_fields(node, fields, NR(fields), 0, s);
        if ( s->reserve_budget_ns > s->reserve_period_ns )
            json_die(node, "budget_us is more than period_us");
        s->set |= SET_RESERVATION;
    }
}

static void take_domain(struct json *object, struct scenario *s)
{
    struct { struct domain_spec d; int64_t count; } to = {
        .d = { .nr_vcpus = 1, .tick = true, .settings.weight = 256 },
        .count = 1,
    };
#define D(member) offsetof(typeof(to), member)
    static const struct field fields[] = {
        { "name", F_OTHER, 0, .required = true },
        { "count", F_INT, D(count), 0, 1024 },
        { "vcpus", F_INT, D(d.nr_vcpus), 1, 128 },
        { "tick", F_BOOL, D(d.tick) },
        { "hvm", F_BOOL, D(d.hvm) },
        { "start_ms", F_MS, D(d.start_ns), 0 },
        { "stop_ms", F_MS, D(d.stop_ns), 1 },
        { "tasks", F_OTHER, 0, .required = true },
        SETTINGS(offsetof(struct domain_spec, settings)),
    };
#undef D
    struct json *node;
    unsigned int i;

    take_fields(object, fields, NR(fields), 0, &to);
    take_name(json_get(object, "name"), to.d.group);
    for ( i = 0; i < s->nr_domains; i++ )
        if ( !strcmp(s->domains[i].group, to.d.group) )
            json_die(json_get(object, "name"),
                     "there is a domain \"%s\" already", to.d.group);
    take_settings(object, scenario_pcpus(s), &to.d.settings);
    if ( to.d.settings.cap > 100 * to.d.nr_vcpus )
        json_die(json_get(object, "cap"), "more than 100 for each vCPU");
    if ( to.d.stop_ns && to.d.stop_ns <= to.d.start_ns )
        json_die(json_get(object, "stop_ms"), "not after start_ms");

    for ( node = want(json_get(object, "tasks"), JSON_ARRAY)->first; node;
          node = node->next )
    {
        to.d.tasks = must(realloc(to.d.tasks, (to.d.nr_tasks + 1) *
                                              sizeof(*to.d.tasks)));
        take_task(node, to.d.nr_vcpus, &to.d.tasks[to.d.nr_tasks++]);
    }

    s->domains = must(realloc(s->domains, (s->nr_domains + to.count) *
                                          sizeof(*s->domains)));
    for ( i = 0; i < to.count; i++ )
    {
        if ( to.count == 1 )
            strcpy(to.d.name, to.d.group);
        else
            snprintf(to.d.name, sizeof(to.d.name), "%.57s-%u", to.d.group,
                     i + 1);
        s->domains[s->nr_domains++] = to.d;
    }
    if ( scenario_vcpus(s) > SCENARIO_VCPUS_MAX )
        json_die(object, "more than %d vCPUs in all", SCENARIO_VCPUS_MAX);
}

static bool is_group(const struct scenario *s, const char *name)
{
    unsigned int i;

    for ( i = 0; i < s->nr_domains; i++ )
        if ( !strcmp(s->domains[i].group, name) )
            return true;

    return false;
}

static void take_change(struct json *object, struct scenario *s)
{
    struct change_spec c = { 0 };
#define C(member) offsetof(struct change_spec, member)
    static const struct field fields[] = {
        { "at_ms", F_MS, C(at_ns), 0, .required = true },
        { "domain", F_TEXT, C(group), .required = true },
        SETTINGS(offsetof(struct change_spec, settings)),
    };
#undef C

    take_fields(object, fields, NR(fields), 0, &c);
    take_settings(object, scenario_pcpus(s), &c.settings);
    if ( !c.settings.set )
        json_die(object, "changes nothing");
    if ( !is_group(s, c.group) )
        json_die(json_get(object, "domain"), "there is no domain \"%s\"",
                 c.group);
    s->changes = must(realloc(s->changes, (s->nr_changes + 1) *
                                          sizeof(*s->changes)));
    s->changes[s->nr_changes++] = c;
}

/* ---- bounds ------------------------------------------------------------- */

const char *const bound_of_names[] = {
    "", "ideal", "peers", "shipped", "tuned", NULL
};

static void take_bound(struct json *object, struct scenario *s)
{
    struct { struct bound_spec b; int64_t limit[4]; } to = {
        .limit = { -1, -1, -1, -1 },
    };
#define B(member) offsetof(typeof(to), member)
#define LIMIT_MAX 1000000000
    static const struct field fields[] = {
        { "figure", F_TEXT, B(b.figure), .required = true },
        { "of", F_WORD, B(b.of), .words = bound_of_names },
        { "at_most", F_INT, B(limit[0]), 0, LIMIT_MAX },
        { "at_most_permille", F_INT, B(limit[1]), 0, LIMIT_MAX },
        { "at_least", F_INT, B(limit[2]), 0, LIMIT_MAX },
        { "at_least_permille", F_INT, B(limit[3]), 0, LIMIT_MAX },
    };
#undef LIMIT_MAX
#undef B
    unsigned int i, nr = 0;

    take_fields(object, fields, NR(fields), 0, &to);
    for ( i = 0; i < NR(to.limit); i++ )
        if ( to.limit[i] >= 0 )
        {
            nr++;
            to.b.at_least = i >= 2;
            to.b.permille = to.limit[i] * (i % 2 ? 1 : 1000);
        }
    if ( nr != 1 )
        json_die(object, "wants one of at_most, at_most_permille, at_least, "
                 "at_least_permille");
    if ( !score_has_figure(s->score.kind, to.b.figure) )
        json_die(json_get(object, "figure"),
                 "a score of kind %s has no figure \"%s\"",
                 score_kind_names[s->score.kind], to.b.figure);
    s->bounds = must(realloc(s->bounds, (s->nr_bounds + 1) *
                                        sizeof(*s->bounds)));
    s->bounds[s->nr_bounds++] = to.b;
}

/* ---- the whole ---------------------------------------------------------- */

unsigned int scenario_vcpus(const struct scenario *s)
{
    unsigned int i, nr = 0;

    for ( i = 0; i < s->nr_domains; i++ )
        nr += s->domains[i].nr_vcpus;

    return nr;
}

/* Names of domains in tasks can be checked only when all domains are known. */
static void check_names(struct json *domains, const struct scenario *s)
{
    static const char *const keys[] = { "server", "via", "target" };
    struct json *d, *t, *node;
    unsigned int i;

    for ( d = domains->first; d; d = d->next )
        for ( t = json_get(d, "tasks")->first; t; t = t->next )
            for ( i = 0; i < NR(keys); i++ )
                if ( (node = json_get(t, keys[i])) &&
                     !is_group(s, node->text) )
                    json_die(node, "there is no domain \"%s\"", node->text);
}

static void take_score(struct json *object, struct scenario *s)
{
#define S_(member) offsetof(struct score_spec, member)
    static const struct field fields[] = {
        { "kind", F_OTHER, 0, .required = true },
        { "domain", F_TEXT, S_(group) },
        { "quantile_permille", F_INT, S_(quantile_permille), 1, 1000 },
        { "window_ms", F_MS, S_(window_ns), 1 },
    };
#undef S_
    static const char *words[SCORE_KINDS + 1];
    unsigned int i;

    s->score = (struct score_spec){ .quantile_permille = 990,
                                    .window_ns = 1000 * NS_PER_MS };
    take_fields(object, fields, NR(fields), 0, &s->score);
    for ( i = 0; i < SCORE_KINDS; i++ )
        words[i] = score_kind_names[i];
    s->score.kind = word_value(json_get(object, "kind"), words);
    if ( s->score.group && !is_group(s, s->score.group) )
        json_die(json_get(object, "domain"), "there is no domain \"%s\"",
                 s->score.group);
    if ( !s->score.group && s->score.kind != SCORE_SHARES &&
         s->score.kind != SCORE_CAPS && s->score.kind != SCORE_WORK &&
         s->score.kind != SCORE_DEADLINES && s->score.kind != SCORE_LOADS &&
         s->score.kind != SCORE_MIXED )
        json_die(object, "domain is missing");
}

static int by_time(const void *a, const void *b)
{
    const struct change_spec *x = a, *y = b;

    return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

static void take_scenario(struct json *root, struct scenario *s)
{
#define C(member) offsetof(struct scenario, member)
    static const struct field fields[] = {
        { "name", F_OTHER, 0, .required = true },
        { "about", F_TEXT, C(about) },
        { "duration_ms", F_MS, C(duration_ns), 1, .required = true },
        { "warmup_ms", F_MS, C(warmup_ns), 0 },
        { "rtds", F_WORD, C(rtds), .words = rtds_names },
        { "machine", F_OTHER, 0, .required = true },
        { "domains", F_OTHER, 0, .required = true },
        { "changes", F_OTHER, 0 },
        { "score", F_OTHER, 0, .required = true },
        { "bounds", F_OTHER, 0 },
        { "variants", F_OTHER, 0 },
    }, machine_fields[] = {
        { "sockets", F_INT, C(sockets), 1, 64 },
        { "cores", F_INT, C(cores), 1, SCENARIO_PCPUS_MAX },
        { "threads", F_INT, C(threads), 1, 2 },
        { "cache_group_cores", F_INT, C(cache_group_cores), 1,
          SCENARIO_PCPUS_MAX },
    };
#undef C
    struct json *node, *domains;

    *s = (struct scenario){ .about = "", .sockets = 1, .cores = 1,
                            .threads = 1 };
    take_fields(root, fields, NR(fields), 0, s);
    take_name(json_get(root, "name"), s->name);
    take_fields(json_get(root, "machine"), machine_fields, NR(machine_fields),
                0, s);
    if ( scenario_pcpus(s) > SCENARIO_PCPUS_MAX )
        json_die(json_get(root, "machine"), "more than %d pCPUs",
                 SCENARIO_PCPUS_MAX);
    if ( !s->cache_group_cores )
        s->cache_group_cores = s->cores;
    if ( s->warmup_ns >= s->duration_ns )
        json_die(json_get(root, "warmup_ms"), "not less than duration_ms");

    domains = want(json_get(root, "domains"), JSON_ARRAY);
    for ( node = domains->first; node; node = node->next )
        take_domain(node, s);
    if ( !s->nr_domains )
        json_die(domains, "at least one domain");
    check_names(domains, s);

    if ( (node = json_get(root, "changes")) )
        for ( node = want(node, JSON_ARRAY)->first; node; node = node->next )
            take_change(node, s);
    if ( s->nr_changes )
        qsort(s->changes, s->nr_changes, sizeof(*s->changes), by_time);
    take_score(json_get(root, "score"), s);
    if ( (node = json_get(root, "bounds")) )
        for ( node = want(node, JSON_ARRAY)->first; node; node = node->next )
            take_bound(node, s);
}

/* "domains/hog/count": an element of a list by its name, or by its number. */
static void apply(struct json *root, struct json *setting)
{
    char *path = must(strdup(setting->key)), *rest = path, *part, *slash;
    struct json *node = root, *child, *name;

    while ( (slash = strchr(rest, '/')) )
    {
        unsigned int i = 0;

        *slash = 0;
        part = rest;
        rest = slash + 1;
        if ( node->type == JSON_OBJECT )
            child = json_get(node, part);
        else
            for ( child = node->first; child; child = child->next, i++ )
            {
                char number[16];

                snprintf(number, sizeof(number), "%u", i);
                name = child->type == JSON_OBJECT ? json_get(child, "name")
                                                  : NULL;
                if ( !strcmp(part, number) ||
                     (name && name->type == JSON_STRING &&
                      !strcmp(part, name->text)) )
                    break;
            }
        if ( !child )
            json_die(setting, "there is no \"%s\" in this path", part);
        node = child;
    }
    if ( node->type != JSON_OBJECT )
        json_die(setting, "this path does not end in a key of an object");
    json_set(node, rest, setting);
    free(path);
}

static void take_variant(const struct json *root, struct json *variant,
                         struct scenario *s)
{
    static const struct field fields[] = {
        { "name", F_OTHER, 0, .required = true },
        { "set", F_OTHER, 0, .required = true },
    };
    struct json *copy = json_copy(root), *setting;
    char name[SCENARIO_NAME_MAX + 1];

    take_fields(variant, fields, NR(fields), 0, s);
    take_name(json_get(variant, "name"), name);
    for ( setting = want(json_get(variant, "set"), JSON_OBJECT)->first;
          setting; setting = setting->next )
        apply(copy, setting);
    take_scenario(copy, s);
    strcpy(s->variant, name);
    strcat(s->name, "/");
    strcat(s->name, name);
}

struct scenario *scenario_read(const char *file, unsigned int *nr)
{
    struct json *root = want(json_read(file), JSON_OBJECT), *variants, *node;
    struct scenario *all = must(calloc(1, sizeof(*all)));

    variants = json_get(root, "variants");
    if ( !variants )
    {
        take_scenario(root, all);
        *nr = 1;
        return all;
    }

    *nr = 0;
    for ( node = want(variants, JSON_ARRAY)->first; node; node = node->next )
    {
        unsigned int i;

        all = must(realloc(all, (*nr + 1) * sizeof(*all)));
        take_variant(root, node, &all[*nr]);
        for ( i = 0; i < *nr; i++ )
            if ( !strcmp(all[i].name, all[*nr].name) )
                json_die(json_get(node, "name"), "given twice");
        ++*nr;
    }
    if ( !*nr )
        json_die(variants, "at least one variant");

    return all;
}

void scenario_describe(void)
{
    unsigned int kind, i;

    for ( kind = 0; kind < TASK_KINDS; kind++ )
    {
        printf("%-9s %s\n", task_kind_names[kind], task_kind_about[kind]);
        for ( i = 0; i < NR(task_fields); i++ )
        {
            const struct field *f = &task_fields[i];

            if ( !(f->kinds & (1u << kind)) || f->kinds == ~0u )
                continue;
            printf("    %-15s %s%s%s\n", f->key, f->required ? "needed" : "",
                   f->required && f->about ? "; " : "",
                   f->about ? f->about : f->required ? "" : "optional");
        }
    }
}
