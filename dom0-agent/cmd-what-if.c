/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "recording.h"
#include "replay.h"
#include "simulate.h"
#include "whatif.h"

#define NS_PER_S 1000000000ull

/* Shorter, and chance is all that is seen; longer, and memory is all it takes. */
#define WINDOW_MIN_S 5
#define WINDOW_MAX_S 600
#define WINDOW_S 30

/* As avm-sim has it by itself. */
#define SEEDS 5
#define SEEDS_MAX 100
/* Each round leaves a tenth of the error and less. */
#define CALIBRATIONS 3

struct options {
    const char *recording, *simulator;
    uint64_t window_ns;
    unsigned int seeds;
    char **set;                 /* changes by hand, instead of the plan's     */
    size_t nr_sets;
};

/* ------------------------------------------------------------------------ */
/* The end of the recording                                                 */

/* Samples of the last window in which nothing but counters changed. */
struct tail {
    struct avm_sample **sample;
    size_t nr, room;
    uint64_t window_ns;
    bool no_memory;
};

static struct avm_sample *copy_sample(const struct avm_sample *s)
{
    struct avm_sample *copy = malloc(sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *s;
    copy->domain = calloc(s->nr + 1, sizeof(*copy->domain));
    if (!copy->domain) {
        free(copy);
        return NULL;
    }
    memcpy(copy->domain, s->domain, s->nr * sizeof(*copy->domain));
    return copy;
}

static void drop_first(struct tail *t, size_t nr)
{
    size_t i;

    for (i = 0; i < nr; i++)
        avm_sample_free(t->sample[i]);
    memmove(t->sample, t->sample + nr, (t->nr - nr) * sizeof(*t->sample));
    t->nr -= nr;
}

static void on_sample(void *arg, const struct avm_sample *s)
{
    struct tail *t = arg;
    struct avm_sample *copy = copy_sample(s), **bigger;
    size_t old = 0;

    if (t->nr == t->room) {
        bigger = realloc(t->sample, (t->room * 2 + 64) * sizeof(*bigger));
        if (bigger) {
            t->sample = bigger;
            t->room = t->room * 2 + 64;
        }
    }
    if (!copy || t->nr == t->room) {
        avm_sample_free(copy);
        t->no_memory = true;
        return;
    }
    t->sample[t->nr++] = copy;
    if (t->nr > 1 && scenario_steady(t->sample + t->nr - 2, 2))
        old = t->nr - 1;
    else
        while (s->mono_ns - t->sample[old]->mono_ns > t->window_ns)
            old++;
    if (old)
        drop_first(t, old);
}

static void free_tail(struct tail *t)
{
    if (t->sample)
        drop_first(t, t->nr);
    free(t->sample);
}

static void ignore_event(void *arg, const struct replay_event *e)
{
    (void)arg;
    (void)e;
}

/* Of two lines, so that it is known which is the last one. */
static int read_recording(FILE *f, const char *path, struct replay *r,
                          struct avm_plan **plan)
{
    char *line = NULL, *next = NULL, *swap, err[256] = "";
    size_t room = 0, next_room = 0, swap_room, nr = 1;
    ssize_t len = recording_line(f, &line, &room, err, sizeof(err)), next_len;
    int rc = 0;

    if (len == -1)
        rc = cli_error(EXIT_FAILED, "%s: empty, not a recording", path);
    else if (len < 0)
        rc = cli_error(EXIT_FAILED, "%s:1: %s", path, err);
    while (!rc) {
        next_len = recording_line(f, &next, &next_room, err, sizeof(err));
        if (next_len < -1) {
            rc = cli_error(EXIT_FAILED, "%s:%zu: %s", path, nr + 1, err);
            break;
        }
        if (next_len == -1
            ? replay_last_line(r, line, (size_t)len, plan, err, sizeof(err))
            : replay_line(r, line, (size_t)len, err, sizeof(err)))
            rc = cli_error(EXIT_FAILED, "%s:%zu: %s", path, nr, err);
        if (next_len == -1)
            break;
        swap = line;
        line = next;
        next = swap;
        swap_room = room;
        room = next_room;
        next_room = swap_room;
        len = next_len;
        nr++;
    }
    free(line);
    free(next);
    return rc;
}

/* The model and the plan; 0, or, having said why, what to exit with. */
static int take_recording(const struct options *o, struct host_model *m,
                          struct avm_plan **plan)
{
    struct tail t = { .window_ns = o->window_ns };
    struct replay *r = replay_new(AVM_MODE_INHERIT, ignore_event, NULL);
    FILE *f = fopen(o->recording, "re");
    char err[256];
    uint64_t ns;
    int rc;

    if (!f) {
        rc = cli_error(EXIT_FAILED, "%s: %s", o->recording, strerror(errno));
        goto out;
    }
    if (!r) {
        rc = cli_error(EXIT_FAILED, "%s", strerror(ENOMEM));
        goto out;
    }
    replay_on_sample(r, on_sample, &t);
    rc = read_recording(f, o->recording, r, plan);
    if (rc)
        goto out;
    if (t.no_memory) {
        rc = cli_error(EXIT_FAILED, "%s", strerror(ENOMEM));
        goto out;
    }
    ns = t.sample[t.nr - 1]->mono_ns - t.sample[0]->mono_ns;
    if (ns < WINDOW_MIN_S * NS_PER_S) {
        rc = cli_error(EXIT_FAILED, "%s: before its end there are no %d s in "
                       "which no domain and no parameter changed, but "
                       "%llu.%llu s", o->recording, WINDOW_MIN_S,
                       ns / NS_PER_S, ns / (NS_PER_S / 10) % 10);
        goto out;
    }
    if (host_model_make(t.sample, t.nr, m, err, sizeof(err)))
        rc = cli_error(EXIT_FAILED, "%s: %s", o->recording, err);

 out:
    if (f)
        fclose(f);
    replay_free(r);
    free_tail(&t);
    return rc;
}

/* ------------------------------------------------------------------------ */
/* Before and after                                                         */

static bool has_guests(const struct host_model *m, uint32_t pool)
{
    size_t i;

    for (i = 0; i < m->nr; i++)
        if (m->guest[i].pool == pool)
            return true;
    return false;
}

static int run_pool(const struct options *o, const char *simulator,
                    const struct host_model *m, uint32_t pool,
                    struct simulated *result)
{
    char *scenario = scenario_json(m, pool), *text = NULL, err[256];
    int rc = 0;
    size_t len;

    if (!scenario)
        return cli_error(EXIT_FAILED, "%s", strerror(errno));
    text = simulate(simulator, scenario, o->seeds, &len, err, sizeof(err));
    if (!text)
        rc = cli_error(EXIT_FAILED, "%s", err);
    else if (whatif_results(m, pool, text, len, result, err, sizeof(err)))
        rc = cli_error(EXIT_FAILED, "%s: %s", simulator, err);
    free(text);
    free(scenario);
    return rc;
}

static int run_before(const struct options *o, const char *simulator,
                      struct host_model *m, struct simulated *before)
{
    const struct guest_model *worst;
    uint64_t error;
    int rc = 0, round;
    uint32_t i;

    for (i = 0; i < m->host.nr_pools && !rc; i++) {
        uint32_t pool = m->host.pool[i].id;

        if (!has_guests(m, pool))
            continue;
        rc = run_pool(o, simulator, m, pool, before);
        for (round = 0; round < CALIBRATIONS && !rc &&
                        whatif_calibrate(m, pool, before); round++)
            rc = run_pool(o, simulator, m, pool, before);
    }
    if (rc)
        return rc;
    error = whatif_worst(m, before, &worst);
    if (error <= WHATIF_ERROR_MAX_PERMILLE)
        return 0;
    return cli_error(EXIT_FAILED, "no prediction: simulated as it is, domain "
                     "%" PRIu32 " (%s) gets %" PRIu64 ".%" PRIu64 "%% of a "
                     "CPU, but %" PRIu64 ".%" PRIu64 "%% were measured",
                     worst->domid, worst->untrusted_name,
                     before[worst - m->guest].cpu_ppm / 10000,
                     before[worst - m->guest].cpu_ppm / 1000 % 10,
                     worst->cpu_ppm / 10000, worst->cpu_ppm / 1000 % 10);
}

static bool pool_changes(const struct host_model *a,
                         const struct host_model *b, uint32_t pool)
{
    size_t i;

    for (i = 0; i < a->nr; i++)
        if (a->guest[i].pool == pool &&
            memcmp(&a->guest[i].params, &b->guest[i].params,
                   sizeof(a->guest[i].params)))
            return true;
    return false;
}

static int run_after(const struct options *o, const char *simulator,
                     const struct host_model *m, const struct avm_change *c,
                     size_t nr, struct simulated *after)
{
    struct host_model changed;
    uint32_t i;
    int rc = 0;

    if (host_model_copy(m, &changed))
        return cli_error(EXIT_FAILED, "%s", strerror(errno));
    whatif_change(&changed, c, nr);
    for (i = 0; i < m->host.nr_pools && !rc; i++)
        if (pool_changes(m, &changed, m->host.pool[i].id))
            rc = run_pool(o, simulator, &changed, m->host.pool[i].id, after);
    host_model_free(&changed);
    return rc;
}

static int print_result(const struct cli *cli, const struct whatif *w)
{
    char *text;

    if (!cli->json) {
        whatif_print(stdout, w);
        return 0;
    }
    text = whatif_json(w);
    if (!text)
        return cli_error(EXIT_FAILED, "%s", strerror(errno));
    puts(text);
    free(text);
    return 0;
}

static int predict(const struct cli *cli, const struct options *o,
                   struct host_model *m, const struct avm_change *c,
                   size_t nr)
{
    struct simulated *before = calloc(m->nr + 1, sizeof(*before));
    struct simulated *after = calloc(m->nr + 1, sizeof(*after));
    char err[256], *simulator = simulator_find(o->simulator, err, sizeof(err));
    struct whatif w = {
        .m = m, .before = before, .after = after, .change = c,
        .nr_changes = nr, .seeds = o->seeds,
    };
    int rc;
    size_t i;

    if (!before || !after)
        rc = cli_error(EXIT_FAILED, "%s", strerror(ENOMEM));
    else if (!simulator)
        rc = cli_error(EXIT_FAILED, "%s", err);
    else
        rc = run_before(o, simulator, m, before);
    if (rc)
        goto out;
    memcpy(after, before, m->nr * sizeof(*after));
    rc = run_after(o, simulator, m, c, nr, after);
    if (rc)
        goto out;
    for (i = 0; i < m->nr; i++)
        if (scenario_duration_ms(m, m->guest[i].pool) > w.simulated_ms)
            w.simulated_ms = scenario_duration_ms(m, m->guest[i].pool);
    rc = print_result(cli, &w);

 out:
    free(simulator);
    free(before);
    free(after);
    return rc;
}

static int what_if(const struct cli *cli, const struct options *o)
{
    struct host_model m = { 0 };
    struct avm_plan *plan = NULL;
    struct avm_change *by_hand = NULL;
    char err[256];
    size_t i;
    int rc = take_recording(o, &m, &plan);

    if (rc)
        goto out;
    if (!o->nr_sets) {
        rc = predict(cli, o, &m, plan->change, plan->nr);
        goto out;
    }
    by_hand = calloc(o->nr_sets, sizeof(*by_hand));
    if (!by_hand)
        rc = cli_error(EXIT_FAILED, "%s", strerror(errno));
    for (i = 0; i < o->nr_sets && !rc; i++)
        if (whatif_parse(&m, o->set[i], &by_hand[i], err, sizeof(err)))
            rc = cli_error(EXIT_FAILED, "%s", err);
    if (!rc)
        rc = predict(cli, o, &m, by_hand, o->nr_sets);

 out:
    free(by_hand);
    avm_plan_free(plan);
    host_model_free(&m);
    return rc;
}

/* ------------------------------------------------------------------------ */

/* 0, or, having said why, what to exit with. */
static int parse_options(struct cli *cli, int argc, char **argv,
                         struct options *o)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "set", required_argument, NULL, 's' },
        { "seeds", required_argument, NULL, 'n' },
        { "simulator", required_argument, NULL, 'S' },
        { "window", required_argument, NULL, 'w' },
        { NULL, 0, NULL, 0 },
    };
    int64_t number;
    int c, rc = 0;

    while (!rc && (c = getopt_long(argc, argv, "js:n:S:w:", options,
                                   NULL)) != -1) {
        switch (c) {
        case 'j':
            cli->json = true;
            break;
        case 's':
            o->set[o->nr_sets++] = optarg;
            break;
        case 'n':
            rc = cli_number("seeds", optarg, 1, SEEDS_MAX, &number);
            o->seeds = (unsigned int)number;
            break;
        case 'S':
            o->simulator = optarg;
            break;
        case 'w':
            rc = cli_number("window", optarg, WINDOW_MIN_S, WINDOW_MAX_S,
                            &number);
            o->window_ns = (uint64_t)number * NS_PER_S;
            break;
        default:
            return cli_usage(cli);
        }
    }
    if (rc)
        return rc;
    if (argc - optind != 1)
        return cli_usage(cli);
    o->recording = argv[optind];
    return 0;
}

int cmd_what_if(struct cli *cli, int argc, char **argv)
{
    struct options o = {
        .window_ns = WINDOW_S * NS_PER_S, .seeds = SEEDS,
        .set = calloc((size_t)argc + 1, sizeof(*o.set)),
    };
    int rc;

    if (!o.set)
        return cli_error(EXIT_FAILED, "%s", strerror(errno));
    rc = parse_options(cli, argc, argv, &o);
    if (!rc)
        rc = what_if(cli, &o);
    free(o.set);
    return rc;
}
