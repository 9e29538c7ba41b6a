/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "avm_json.h"
#include "request.h"
#include "whatif.h"

/* Closer than that chance decides. */
#define CALIBRATED_PERMILLE 20
/* A real machine may take so long for a wake-up without anybody in the way. */
#define LATENCY_FLOOR_NS 16000u
/* One round may do so much; what is starved is not helped by more work. */
#define CALIBRATE_FACTOR 4

/* ------------------------------------------------------------------------ */
/* What the simulator said                                                  */

#define SEEDS_MAX 100

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool figure(const struct avm_json_value *run, const char *key,
                   int64_t *value)
{
    const struct avm_json_value *v = avm_json_get(run, key);

    *value = avm_json_get_int(v, -1);
    /* No sum of SEEDS_MAX of them is too large. */
    return avm_json_is_int(v) && *value >= 0 && *value <= INT64_MAX / 1024;
}

static int take_runs(const struct avm_json_value *runs, struct simulated *s)
{
    const struct avm_json_value *run;
    int64_t p99[SEEDS_MAX], cpu, samples;
    size_t nr = avm_json_size(runs), with = 0;

    if (!nr || nr > SEEDS_MAX)
        return -1;
    *s = (struct simulated){ 0 };
    for (run = avm_json_at(runs, 0); run; run = avm_json_next(run)) {
        if (!figure(run, "cpu_ppm", &cpu) ||
            !figure(run, "samples", &samples) ||
            !figure(run, "p99_ns", &p99[with]))
            return -1;
        s->cpu_ppm += (uint64_t)cpu;
        s->samples += (uint64_t)samples;
        with += samples > 0;
    }
    s->cpu_ppm /= nr;
    if (with) {
        qsort(p99, with, sizeof(*p99), by_size);
        s->p99_ns = (uint64_t)p99[(with - 1) / 2];
    }
    return 0;
}

int whatif_results(const struct host_model *m, uint32_t pool, const char *text,
                   size_t len, struct simulated *result, char *err,
                   size_t err_size)
{
    struct avm_json_value *v = avm_json_parse(text, len, err, err_size);
    const struct avm_json_value *got;
    char id[GUEST_ID_LEN];
    int rc = -1;
    size_t i;

    if (!v)
        return -1;
    got = avm_json_get(avm_json_get(avm_json_at(avm_json_get(v, "scenarios"),
                                                0), "results"), "activity");
    for (i = 0; i < m->nr; i++) {
        if (m->guest[i].pool != pool)
            continue;
        if (take_runs(avm_json_get(got, guest_model_id(&m->guest[i], id)),
                      &result[i])) {
            snprintf(err, err_size, "does not say what %s got", id);
            goto out;
        }
    }
    rc = 0;

 out:
    avm_json_free(v);
    return rc;
}

/* ------------------------------------------------------------------------ */
/* How good it is                                                           */

uint64_t whatif_error_permille(const struct guest_model *g,
                               const struct simulated *s)
{
    uint64_t off = s->cpu_ppm > g->cpu_ppm ? s->cpu_ppm - g->cpu_ppm
                                           : g->cpu_ppm - s->cpu_ppm;
    uint64_t of = g->cpu_ppm > WHATIF_FLOOR_PPM ? g->cpu_ppm
                                                : WHATIF_FLOOR_PPM;

    return (uint64_t)((unsigned __int128)off * 1000 / of);
}

uint64_t whatif_worst(const struct host_model *m, const struct simulated *s,
                      const struct guest_model **worst)
{
    uint64_t most = 0, permille;
    size_t i;

    *worst = NULL;
    for (i = 0; i < m->nr; i++) {
        permille = whatif_error_permille(&m->guest[i], &s[i]);
        if (*worst && permille <= most)
            continue;
        most = permille;
        *worst = &m->guest[i];
    }
    return most;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

bool whatif_latency_off(const struct guest_model *g, const struct simulated *s)
{
    /* It was rounded up to a power of two. */
    uint64_t most = g->latency_p99_us * 1000;
    uint64_t least = at_least(most / 2, LATENCY_FLOOR_NS);
    uint64_t p99 = at_least(s->p99_ns, LATENCY_FLOOR_NS);

    if (!most || !s->samples)
        return false;
    return p99 > at_least(most, LATENCY_FLOOR_NS) * WHATIF_LATENCY_FACTOR ||
           p99 < least / WHATIF_LATENCY_FACTOR;
}

bool whatif_calibrate(struct host_model *m, uint32_t pool,
                      const struct simulated *s)
{
    bool changed = false;
    uint64_t work_ns;
    size_t i;

    for (i = 0; i < m->nr; i++) {
        struct guest_model *g = &m->guest[i];

        if (g->pool != pool || g->hogs || g->wakes_by == GUEST_SLEEPS ||
            !s[i].cpu_ppm ||
            whatif_error_permille(g, &s[i]) <= CALIBRATED_PERMILLE)
            continue;
        work_ns = (uint64_t)((unsigned __int128)g->work_ns * g->cpu_ppm /
                             s[i].cpu_ppm);
        if (work_ns > g->work_ns * CALIBRATE_FACTOR)
            work_ns = g->work_ns * CALIBRATE_FACTOR;
        /* A microsecond is the least that the simulator has. */
        if (work_ns < 1000)
            work_ns = 1000;
        changed = changed || work_ns != g->work_ns;
        g->work_ns = work_ns;
    }
    return changed;
}

/* ------------------------------------------------------------------------ */
/* Changes                                                                  */

bool whatif_counts(const struct avm_change *c)
{
    switch (c->state) {
    case AVM_CHANGE_READY:
    case AVM_CHANGE_HOLD:
    case AVM_CHANGE_COOLDOWN:
    case AVM_CHANGE_BUDGET:
    case AVM_CHANGE_WARMUP:
        return true;
    default:
        return false;
    }
}

bool whatif_simulates(const struct avm_change *c)
{
    struct guest_model nobody = { 0 };

    return whatif_counts(c) && guest_model_set(&nobody, c->knob, c->after);
}

size_t whatif_change(struct host_model *m, const struct avm_change *c,
                     size_t nr)
{
    size_t i, k, made = 0;

    for (k = 0; k < nr; k++)
        for (i = 0; i < m->nr && whatif_simulates(&c[k]); i++)
            if (m->guest[i].domid == c[k].domid &&
                avm_uuid_equal(&m->guest[i].uuid, &c[k].uuid))
                made += guest_model_set(&m->guest[i], c[k].knob, c[k].after);
    return made;
}

static const struct guest_model *find(const struct host_model *m,
                                      const char *who, size_t len,
                                      char *err, size_t err_size)
{
    const struct guest_model *g = NULL;
    char uuid[AVM_UUID_STR_LEN], domid[16];
    size_t i, named = 0;

    for (i = 0; i < m->nr; i++) {
        const char *name = m->guest[i].untrusted_name;

        snprintf(domid, sizeof(domid), "%" PRIu32, m->guest[i].domid);
        avm_uuid_str(&m->guest[i].uuid, uuid);
        /* A name that looks like a number or a UUID is none. */
        if ((strlen(domid) == len && !memcmp(domid, who, len)) ||
            (strlen(uuid) == len && !memcmp(uuid, who, len)))
            return &m->guest[i];
        if (strlen(name) == len && !memcmp(name, who, len)) {
            g = &m->guest[i];
            named++;
        }
    }
    if (named == 1)
        return g;
    snprintf(err, err_size, "%.*s: %s", (int)len, who, named
             ? "more than one domain has this name: use its ID"
             : "no such domain at the end of the recording");
    return NULL;
}

/* One line in 'err' about the value of 'knob', or 0. */
static int parse_value(int knob, const char *text, uint64_t *value, char *err,
                       size_t err_size)
{
    uint64_t min = knob == AVM_KNOB_WEIGHT;
    char *end;
    int word;

    if (knob == AVM_KNOB_AFFINITY) {
        if (!cpus_parse(text, value))
            return 0;
        snprintf(err, err_size, "%s: not a list like 0-3,5 of pCPUs (up to "
                 "63), or any", text);
        return -1;
    }
    if (knob == AVM_KNOB_URGENCY) {
        word = avm_urgency_parse(text);
        *value = (uint64_t)word;
        if (word >= 0)
            return 0;
        snprintf(err, err_size, "%s: no such urgency (normal, background, "
                 "interactive, critical)", text);
        return -1;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && *value >= min &&
        *value <= 65535)
        return 0;
    snprintf(err, err_size, "%s must be a number from %" PRIu64 " to 65535, "
             "not '%s'", avm_knob_name((enum avm_knob)knob), min, text);
    return -1;
}

int whatif_parse(const struct host_model *m, const char *text,
                 struct avm_change *c, char *err, size_t err_size)
{
    const char *colon = strrchr(text, ':');
    const char *equals = colon ? strchr(colon, '=') : NULL;
    const struct guest_model *g;
    const struct avm_pool *pool;
    struct guest_model nobody;
    char word[16];
    int knob;

    if (!equals || colon == text) {
        snprintf(err, err_size, "%s: not like web:weight=512", text);
        return -1;
    }
    snprintf(word, sizeof(word), "%.*s", (int)(equals - colon - 1),
             colon + 1);
    knob = avm_knob_parse(word);
    if (knob < 0 || !guest_model_set(&nobody, (enum avm_knob)knob, 0)) {
        snprintf(err, err_size, "%s: no knob of the simulator (weight, cap, "
                 "affinity, urgency)", word);
        return -1;
    }
    *c = (struct avm_change){
        .knob = (enum avm_knob)knob, .state = AVM_CHANGE_READY,
        .reason = "by hand",
    };
    if (parse_value(knob, equals + 1, &c->after, err, err_size))
        return -1;
    g = find(m, text, (size_t)(colon - text), err, err_size);
    if (!g)
        return -1;
    if (!avm_params_value(&g->params, c->knob, &c->before)) {
        snprintf(err, err_size, "%s cannot be set with this scheduler", word);
        return -1;
    }
    pool = host_model_pool(m, g->pool);
    if (knob == AVM_KNOB_AFFINITY && pool && !(pool->pcpus & c->after)) {
        snprintf(err, err_size, "%s: none of these pCPUs is in pool %" PRIu32
                 ", where %" PRIu32 " is", equals + 1, g->pool, g->domid);
        return -1;
    }
    c->uuid = g->uuid;
    c->domid = g->domid;
    memcpy(c->untrusted_name, g->untrusted_name, sizeof(c->untrusted_name));
    return 0;
}

/* ------------------------------------------------------------------------ */
/* For people and for programs                                              */

static void print_pct(FILE *f, uint64_t ppm)
{
    uint64_t tenths = (ppm + 500) / 1000;

    fprintf(f, " %6" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

static void print_p99(FILE *f, bool any, uint64_t ns)
{
    if (any)
        fprintf(f, " %8" PRIu64, (ns + 500) / 1000);
    else
        fprintf(f, " %8s", "-");
}

static void print_guest(FILE *f, const struct guest_model *g,
                        const struct simulated *before,
                        const struct simulated *after)
{
    fprintf(f, "%-20s %5" PRIu32, g->untrusted_name, g->domid);
    print_pct(f, g->cpu_ppm);
    print_pct(f, before->cpu_ppm);
    print_pct(f, after->cpu_ppm);
    print_p99(f, g->latency_p99_us, g->latency_p99_us * 1000);
    print_p99(f, before->samples, before->p99_ns);
    print_p99(f, after->samples, after->p99_ns);
    fputs(whatif_latency_off(g, before) ? " ?\n" : "\n", f);
}

static void print_change(FILE *f, const struct avm_change *c)
{
    char before[KNOB_STR_LEN], after[KNOB_STR_LEN];

    fprintf(f, "%s (%" PRIu32 "): %s %s -> %s, %s", c->untrusted_name,
            c->domid, avm_knob_name(c->knob),
            knob_str((int)c->knob, c->before, before),
            knob_str((int)c->knob, c->after, after),
            avm_change_state_name(c->state));
    if (!whatif_counts(c))
        fputs(" (not made)", f);
    else if (!whatif_simulates(c))
        fputs(" (not simulated)", f);
    fprintf(f, ": %s%s%s\n", c->reason, c->why_not[0] ? "; " : "",
            c->why_not);
}

void whatif_print(FILE *f, const struct whatif *w)
{
    const struct guest_model *worst;
    uint64_t error = whatif_worst(w->m, w->before, &worst);
    bool any_off = false;
    size_t i;

    fprintf(f, "%-20s %5s %26s %26s\n", "", "", "CPU, % of one",
            "Event to task, p99 us");
    fprintf(f, "%-20s %5s %8s %8s %8s %8s %8s %8s\n", "Name", "ID", "now",
            "before", "after", "now", "before", "after");
    for (i = 0; i < w->m->nr; i++) {
        print_guest(f, &w->m->guest[i], &w->before[i], &w->after[i]);
        any_off |= whatif_latency_off(&w->m->guest[i], &w->before[i]);
    }
    if (any_off)
        fprintf(f, "?: before is more than %d times off now: do not rely on "
                "this p99.\n", WHATIF_LATENCY_FACTOR);
    for (i = 0; i < w->nr_changes; i++)
        print_change(f, &w->change[i]);
    if (!w->nr_changes)
        fputs("Nothing to change.\n", f);
    if (worst)
        fprintf(f, "Before is simulated: CPU within %" PRIu64 ".%" PRIu64
                "%% of what was measured in %" PRIu64 ".%" PRIu64 " s (worst: "
                "%s).\n", error / 10, error % 10,
                w->m->length_ns / 1000000000,
                w->m->length_ns / 100000000 % 10,
                worst->untrusted_name);
}

static void json_guest(struct avm_json *j, const struct guest_model *g,
                       const struct simulated *before,
                       const struct simulated *after)
{
    char uuid[AVM_UUID_STR_LEN];

    avm_json_object(j, NULL);
    avm_json_str(j, "domain", g->untrusted_name);
    avm_json_str(j, "uuid", avm_uuid_str(&g->uuid, uuid));
    avm_json_uint(j, "domid", g->domid);
    avm_json_uint(j, "cpu_ppm", g->cpu_ppm);
    avm_json_uint(j, "cpu_before_ppm", before->cpu_ppm);
    avm_json_uint(j, "cpu_after_ppm", after->cpu_ppm);
    avm_json_uint(j, "error_permille", whatif_error_permille(g, before));
    if (g->latency_p99_us)
        avm_json_uint(j, "p99_us", g->latency_p99_us);
    else
        avm_json_null(j, "p99_us");
    if (before->samples)
        avm_json_uint(j, "p99_before_ns", before->p99_ns);
    else
        avm_json_null(j, "p99_before_ns");
    if (after->samples)
        avm_json_uint(j, "p99_after_ns", after->p99_ns);
    else
        avm_json_null(j, "p99_after_ns");
    avm_json_bool(j, "p99_off", whatif_latency_off(g, before));
    avm_json_uint(j, "samples", before->samples);
    avm_json_end(j);
}

static void json_change(struct avm_json *j, const struct avm_change *c)
{
    char uuid[AVM_UUID_STR_LEN];

    avm_json_object(j, NULL);
    avm_json_str(j, "domain", c->untrusted_name);
    avm_json_str(j, "uuid", avm_uuid_str(&c->uuid, uuid));
    avm_json_uint(j, "domid", c->domid);
    avm_json_str(j, "knob", avm_knob_name(c->knob));
    avm_json_int(j, "before", (int64_t)c->before);
    avm_json_int(j, "after", (int64_t)c->after);
    avm_json_str(j, "state", avm_change_state_name(c->state));
    avm_json_bool(j, "simulated", whatif_simulates(c));
    avm_json_str(j, "reason", c->reason);
    avm_json_str(j, "why_not", c->why_not);
    avm_json_end(j);
}

char *whatif_json(const struct whatif *w)
{
    const struct guest_model *worst;
    struct avm_json *j = avm_json_new();
    size_t i;

    avm_json_object(j, NULL);
    avm_json_uint(j, "version", 1);
    avm_json_uint(j, "measured_ms", w->m->length_ns / 1000000);
    avm_json_uint(j, "simulated_ms", w->simulated_ms);
    avm_json_uint(j, "seeds", w->seeds);
    avm_json_uint(j, "error_permille", whatif_worst(w->m, w->before, &worst));
    avm_json_array(j, "domains");
    for (i = 0; i < w->m->nr; i++)
        json_guest(j, &w->m->guest[i], &w->before[i], &w->after[i]);
    avm_json_end(j);
    avm_json_array(j, "changes");
    for (i = 0; i < w->nr_changes; i++)
        json_change(j, &w->change[i]);
    avm_json_end(j);
    avm_json_end(j);
    return avm_json_finish(j);
}
