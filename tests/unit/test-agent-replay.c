/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings, written and gone through again. With --write FILE it only writes
 * one, for the tests of avm.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "record.h"
#include "replay.h"

#define CAN_ALL (AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_URGENCY | \
                 AVM_CAN_AFFINITY | AVM_CAN_RECORDS)
#define S 1000000000ull

static char dir[] = "/tmp/avm-replay-XXXXXX", path[64];

/* ------------------------------------------------------------------------ */
/* A host                                                                   */

static struct {
    struct avm_domain_sample dom[3];
    struct avm_sample sample;
    struct avm_need need;
    struct settings settings;
} host;

/* The hog has been given a cap of half a pCPU by its administrator. */
static void host_init(void)
{
    static const char *const names[] = { "Domain-0", "idler", "hog" };
    uint32_t i;

    memset(&host, 0, sizeof(host));
    for (i = 0; i < 3; i++) {
        struct avm_domain_sample *d = &host.dom[i];

        d->domid = i;
        d->uuid.b[0] = (uint8_t)i;
        d->flags = i ? 0 : AVM_DOM_CONTROL;
        strcpy(d->untrusted_name, names[i]);
        d->nr_vcpus = 1;
        d->have = AVM_HAVE_CPU | AVM_HAVE_RECORDS;
        d->params = (struct avm_params){
            .can = CAN_ALL, .weight = 256, .affinity = UINT64_MAX,
        };
    }
    host.sample = (struct avm_sample){
        .mono_ns = 100 * S, .nr = 3, .domain = host.dom,
        .host = {
            .nr_pcpus = 2, .nr_pools = 1,
            .pool[0] = { .sched_id = 10, .nr_pcpus = 2, .can = CAN_ALL,
                         .pcpus = 3 },
        },
    };
    host.need = (struct avm_need){
        .uuid = host.dom[2].uuid, .role = AVM_ROLE_NORMAL,
        .cap_set = true, .cap_pct = 50,
    };
    host.settings = (struct settings){
        .mode = AVM_MODE_AUTO, .nr = 1, .need = &host.need,
    };
    avm_config_init(&host.settings.loop);
    host.settings.loop.warmup_ms = 0;
    host.settings.loop.cooldown_ms = 0;
    host.settings.loop.hold_decisions = 1;
    host.settings.loop.decide_ms = 2000;
}

static void second_passes(void)
{
    host.sample.mono_ns += S;
    host.dom[1].count.cpu_ns += S / 1000;
    host.dom[1].count.running_ns += S / 1000;
    host.dom[1].count.blocked_ns += S - S / 1000;
    host.dom[2].count.cpu_ns += S;
    host.dom[2].count.running_ns += S;
}

static struct record *open_ok(void)
{
    char err[512] = "";
    struct record *r = record_open(path, err, sizeof(err));

    if (!r)
        fail_msg("%s", err);
    return r;
}

static void write_rounds(struct record *r, int nr)
{
    while (nr--) {
        record_sample(r, &host.sample);
        record_round_ends(r);
        second_passes();
    }
}

/* What avmd would have written while the hog gets its cap at 'capped_at' s. */
static void write_recording(int rounds, int capped_at)
{
    struct record *r = open_ok();
    int i;

    host_init();
    record_settings(r, &host.settings);
    for (i = 0; i < rounds; i++) {
        if (i == capped_at)
            host.dom[2].params.cap_pct = 50;
        write_rounds(r, 1);
    }
    record_close(r);
}

/* ------------------------------------------------------------------------ */
/* What comes of it                                                         */

struct story {
    char text[4096];
    int foreign, changes, classes;
};

static void tell(void *arg, const struct replay_event *e)
{
    struct story *s = arg;
    size_t len = strlen(s->text), room = sizeof(s->text) - len;

    if (e->is_class) {
        s->classes++;
        snprintf(s->text + len, room, "%" PRIu64 " %s class %s>%s\n", e->ms,
                 e->dom->untrusted_name, avm_class_name(e->was),
                 avm_class_name(e->dom->klass));
        return;
    }
    if (!strcmp(e->actor, "avmd"))
        s->changes++;
    else
        s->foreign++;
    snprintf(s->text + len, room, "%" PRIu64 " %s %s %" PRIu64 ">%" PRIu64
             " %s\n", e->ms, e->dom->untrusted_name,
             avm_knob_name(e->change->knob), e->change->before,
             e->change->after, e->actor);
}

/* 0, or the number of the bad line. */
static int replay_text(const char *text, size_t len, enum avm_mode mode,
                       struct story *s, struct replay_totals *t, char *err,
                       size_t err_size)
{
    struct replay *r = replay_new(mode, tell, s);
    const char *end = text + len, *eol, *copy_end;
    int nr = 0, rc = 0;

    memset(s, 0, sizeof(*s));
    for (; !rc && text < end; text = eol + 1) {
        char *copy;

        nr++;
        eol = memchr(text, '\n', (size_t)(end - text));
        copy_end = eol = eol ? eol : end;
        /* No byte after it: reading on would be seen. */
        copy = malloc((size_t)(copy_end - text) + !(copy_end - text));
        memcpy(copy, text, (size_t)(copy_end - text));
        if (replay_line(r, copy, (size_t)(copy_end - text), err, err_size))
            rc = nr;
        free(copy);
    }
    if (t)
        *t = *replay_totals(r);
    replay_free(r);
    return rc;
}

static char *file_text(size_t *len)
{
    FILE *f = fopen(path, "r");
    char *text = malloc(1 << 20);

    assert_non_null(f);
    *len = fread(text, 1, 1 << 20, f);
    text[*len < (1 << 20) ? *len : 0] = '\0';
    fclose(f);
    return text;
}

static void replay_ok(enum avm_mode mode, struct story *s,
                      struct replay_totals *t)
{
    char err[256] = "";
    size_t len;
    char *text = file_text(&len);
    int bad = replay_text(text, len, mode, s, t, err, sizeof(err));

    free(text);
    if (bad)
        fail_msg("line %d: %s", bad, err);
}

static int setup(void **state)
{
    (void)state;
    log_init("test", (enum log_level)0); /* silence */
    snprintf(path, sizeof(path), "%s/rec", dir);
    unlink(path);
    return 0;
}

/* ------------------------------------------------------------------------ */

static void settings_round_trip(void **state)
{
    struct settings back;
    struct avm_models models;
    struct avm_json_value *v;
    char *text, *again, err[128];

    (void)state;
    host_init();
    host.settings.start = true;
    host.need = (struct avm_need){
        .uuid = { { 1, 2, 3 } }, .role = AVM_ROLE_INTERACTIVE,
        .mode = AVM_MODE_ADVISE, .held = true, .weight_min = 1,
        .weight_max = 65535, .cap_pct = 65535, .cap_set = true,
        .affinity = UINT64_MAX, .affinity_set = true,
        .net_max_bps = UINT64_MAX, .disk_max_bps = 3, .net_in_max_bps = 4,
        .cpu_min_permille = AVM_CPU_MIN_MAX, .cpu_min_since = UINT64_MAX,
    };
    models = *avm_models_builtin();
    models.model[AVM_CLASS_MIXED].nr = 1;
    host.settings.models = &models;
    text = settings_json(&host.settings);
    assert_memory_equal(text, RECORDING_BEGIN, strlen(RECORDING_BEGIN));
    v = avm_json_parse(text, strlen(text), err, sizeof(err));
    assert_true(settings_is(v));
    assert_int_equal(settings_parse(v, &back, err, sizeof(err)), 0);
    assert_int_equal(back.nr, 1);
    assert_memory_equal(&back.loop, &host.settings.loop, sizeof(back.loop));
    assert_true(back.need[0].affinity == UINT64_MAX);
    assert_int_equal(back.need[0].cpu_min_permille, AVM_CPU_MIN_MAX);
    assert_true(back.need[0].cpu_min_since == UINT64_MAX);
    assert_int_equal(back.need[0].net_in_max_bps, 4);
    assert_int_equal(back.models->model[AVM_CLASS_MIXED].nr, 1);
    again = settings_json(&back);
    assert_string_equal(text, again);
    settings_free(&back);
    avm_json_free(v);
    free(again);
    free(text);
}

static void edited(const char *text, const char *after, const char *from,
                   const char *to, int nr, const char *why);

/* Models of the recording's own; afterwards the built-in ones again. */
static void the_models_of_the_recording(void **state)
{
    struct avm_models models = *avm_models_builtin();
    struct record *r = open_ok();
    struct story s;
    char *text;
    size_t len;

    (void)state;
    models.model[AVM_CLASS_CPU].nr = 0;
    host_init();
    host.settings.models = &models;
    record_settings(r, &host.settings);
    write_rounds(r, 6);
    host.settings.models = NULL;
    record_settings(r, &host.settings);
    write_rounds(r, 6);
    record_close(r);
    replay_ok(AVM_MODE_INHERIT, &s, NULL);
    assert_null(strstr(s.text, "1000 hog class"));
    assert_non_null(strstr(s.text, "6000 hog class unknown>cpu\n"));

    text = file_text(&len);
    edited(text, "\"models\"", "burst_us", "burst", 1,
           "models: class \"time-critical\": statement 2: \"metric\" must be");
    edited(text, "\"models\"", "{\"version\":1", "{\"version\":2", 1,
           "models: \"version\" must be 1");
    free(text);
}

/* ------------------------------------------------------------------------ */
/* What avmd knew before                                                    */

/* The idler has work, and waits half of the time for what the hog does. */
static void idler_waits(void)
{
    struct avm_counters *c = &host.dom[1].count;

    c->cpu_ns += S / 5;
    c->running_ns += S / 5;
    c->runnable_ns += S / 5;
    c->wakes += 20;
    c->blocks += 20;
    c->latency[12] += 20;
}

/* The hog is in the background; it was of class 'klass', if not unknown. */
static void write_known(enum avm_class klass, int forget_at)
{
    struct avm_learned l = { .observed_ms = 7200000 };
    struct record *r = open_ok();
    int i;

    l.class_ms[klass] = 7200000;
    host_init();
    host.settings.loop.warmup_ms = 60000;
    host.need.cap_set = false;
    host.need.role = AVM_ROLE_BACKGROUND;
    record_settings(r, &host.settings);
    if (klass != AVM_CLASS_UNKNOWN)
        record_past(r, &host.dom[2].uuid, &l);
    for (i = 0; i < 80; i++) {
        if (i == forget_at)
            record_past(r, &host.dom[2].uuid, NULL);
        idler_waits();
        write_rounds(r, 1);
    }
    record_close(r);
}

/* When the first change is made, ms. */
static int first_change(void)
{
    struct story s, again;
    char *at;

    replay_ok(AVM_MODE_INHERIT, &s, NULL);
    replay_ok(AVM_MODE_INHERIT, &again, NULL);
    assert_string_equal(s.text, again.text);
    at = strstr(s.text, " hog weight");
    if (!at)
        at = strstr(s.text, " hog urgency");
    if (!at)
        fail_msg("no change: %s", s.text);
    while (at > s.text && at[-1] != '\n')
        at--;
    return atoi(at);
}

static void the_past_of_the_recording(void **state)
{
    char *text;
    size_t len;

    (void)state;
    write_known(AVM_CLASS_UNKNOWN, -1);
    assert_int_equal(first_change(), 60000);
    setup(NULL);
    write_known(AVM_CLASS_NET, -1);
    assert_int_equal(first_change(), 60000);
    setup(NULL);
    write_known(AVM_CLASS_CPU, 5);
    assert_int_equal(first_change(), 60000);
    setup(NULL);
    write_known(AVM_CLASS_CPU, -1);
    assert_in_range(first_change(), 15000, 17000);

    text = file_text(&len);
    edited(text, "\"past\"", "{\"version\":1", "{\"version\":2", 2,
           "learned: \"version\" must be 1");
    edited(text, "", "\"past\":1", "\"past\":2", 2, "another version");
    edited(text, "\"past\":1", "\"uuid\":\"02", "\"uuid\":\"02-", 2,
           "\"uuid\" must be a UUID");
    edited(text, "\"past\":1", "\"learned\"", "\"learnt\"", 2,
           "learned: \"version\" must be 1");
    edited(text, "\"past\":1", "7200000", "7199999", 2, "more time than");
    free(text);
}

/* The recorded avmd made the same change: nobody else did anything. */
static void the_same_as_recorded(void **state)
{
    struct replay_totals t;
    struct story a, b;

    (void)state;
    write_recording(12, 3); /* decided in the second round, seen in the next */
    replay_ok(AVM_MODE_INHERIT, &a, &t);
    assert_int_equal(t.samples, 12);
    assert_int_equal(t.decisions, 5);
    assert_int_equal(t.ms, 11000);
    assert_int_equal(a.changes, 1);
    assert_int_equal(a.foreign, 0);
    assert_true(a.classes >= 2);
    assert_non_null(strstr(a.text, "2000 hog cap 0>50 avmd\n"));
    assert_non_null(strstr(a.text, "hog class unknown>cpu\n"));
    replay_ok(AVM_MODE_INHERIT, &b, &t);
    assert_string_equal(a.text, b.text);
}

/* Recorded in observe: what it would have done stays done. */
static void what_auto_would_have_done(void **state)
{
    struct record *r = open_ok();
    struct story s;

    (void)state;
    host_init();
    host.settings.mode = AVM_MODE_OBSERVE;
    record_settings(r, &host.settings);
    write_rounds(r, 20);
    record_close(r);

    replay_ok(AVM_MODE_INHERIT, &s, NULL);
    assert_int_equal(s.changes + s.foreign, 0);
    replay_ok(AVM_MODE_AUTO, &s, NULL);
    assert_int_equal(s.changes, 1);
    assert_int_equal(s.foreign, 0);
}

/* In the recording someone sets another value: it counts from then on. */
static void someone_else_in_the_recording(void **state)
{
    struct record *r = open_ok();
    struct story s;

    (void)state;
    host_init();
    record_settings(r, &host.settings);
    write_rounds(r, 6);
    host.dom[2].params.cap_pct = 75;
    write_rounds(r, 10);
    record_close(r);
    replay_ok(AVM_MODE_INHERIT, &s, NULL);
    assert_int_equal(s.changes, 1);
    assert_int_equal(s.foreign, 1);
    assert_non_null(strstr(s.text, "6000 hog cap 50>75 foreign\n"));
}

/* What is laid over one domain is not laid over the next with its number. */
static void a_domid_comes_again(void **state)
{
    struct record *r = open_ok();
    struct avm_need needs[2];
    struct story s;

    (void)state;
    host_init();
    needs[0] = needs[1] = host.need;
    needs[1].uuid.b[0] = 99;
    host.settings.need = needs;
    host.settings.nr = 2;
    record_settings(r, &host.settings);
    write_rounds(r, 4);
    host.dom[2].uuid.b[0] = 99;
    write_rounds(r, 10);
    record_close(r);
    replay_ok(AVM_MODE_INHERIT, &s, NULL);
    assert_int_equal(s.changes, 2);
    assert_int_equal(s.foreign, 0);
}

/* New needs are a line of their own, and are decided on at the next sample. */
static void needs_change(void **state)
{
    struct record *r = open_ok();
    struct story s;
    char *text, *p;
    size_t len;
    int nr = 0;

    (void)state;
    host_init();
    host.settings.nr = 0;
    record_settings(r, &host.settings);
    write_rounds(r, 4);
    record_settings(r, &host.settings);
    write_rounds(r, 1);
    host.settings.nr = 1;
    record_settings(r, &host.settings);
    record_settings(r, &host.settings);
    write_rounds(r, 6);
    record_close(r);

    text = file_text(&len);
    for (p = text; (p = strstr(p, RECORDING_BEGIN)); p++)
        nr++;
    free(text);
    assert_int_equal(nr, 2);
    replay_ok(AVM_MODE_INHERIT, &s, NULL);
    assert_int_equal(s.changes, 1);
    assert_non_null(strstr(s.text, "5000 hog cap 0>50 avmd\n"));
}

/* Two runs of avmd in one file; the host was started anew between them. */
static void a_recording_goes_on(void **state)
{
    struct replay_totals t;
    struct story s;

    (void)state;
    write_recording(12, 3);
    write_recording(12, 3);
    replay_ok(AVM_MODE_INHERIT, &s, &t);
    assert_int_equal(t.samples, 24);
    assert_int_equal(t.ms, 22000);
    assert_int_equal(s.changes, 2);
    assert_int_equal(s.foreign, 0);
}

static void the_file(void **state)
{
    struct record *r;
    struct stat st, whole;
    struct story s;
    char err[512];
    FILE *f;

    (void)state;
    f = fopen(path, "w");
    fclose(f);
    chmod(path, 0644);
    write_recording(5, 9);
    assert_int_equal(stat(path, &whole), 0);
    assert_int_equal(whole.st_mode & 0777, 0600);

    /* What a sudden end left of a line goes, and no more than that. */
    f = fopen(path, "a");
    for (int i = 0; i < 2000; i++)
        fputs("{\"version\":1,", f);
    fclose(f);
    record_close(open_ok());
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, whole.st_size);
    replay_ok(AVM_MODE_INHERIT, &s, NULL);

    /* Nothing that is something else is written to, or changed. */
    f = fopen(path, "w");
    fputs("root:x:0:0", f);
    fclose(f);
    chmod(path, 0644);
    assert_null(record_open(path, err, sizeof(err)));
    assert_non_null(strstr(err, "something else"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 10);
    assert_int_equal(st.st_mode & 0777, 0644);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(record_open(path, err, sizeof(err)));
    unlink(path);
    assert_int_equal(symlink("/tmp/nothing", path), 0);
    assert_null(record_open(path, err, sizeof(err)));
    unlink(path);
    assert_null(record_open(dir, err, sizeof(err)));
    /* No recording at all is fine everywhere. */
    r = NULL;
    record_settings(r, &host.settings);
    write_rounds(r, 1);
    record_close(r);
}

/* The disk is full: what is there is whole lines, and the loop goes on. */
static void no_room(void **state)
{
    struct rlimit was, limit;
    struct record *r = open_ok();
    struct stat st;
    struct story s;
    struct replay_totals t;
    FILE *said = tmpfile();
    int old = dup(2), lines = 0, c;

    (void)state;
    host_init();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = 20000;
    record_settings(r, &host.settings);
    write_rounds(r, 1);
    log_init("test", LOG_INFO);
    fflush(stderr);
    dup2(fileno(said), 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    write_rounds(r, 50);
    host.settings.nr = 0;
    record_settings(r, &host.settings);
    write_rounds(r, 5);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    fflush(stderr);
    dup2(old, 2);
    close(old);
    record_close(r);

    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 10000, 20000);
    replay_ok(AVM_MODE_INHERIT, &s, &t);
    assert_in_range(t.samples, 2, 49);
    rewind(said);
    while ((c = getc(said)) != EOF)
        lines += c == '\n';
    fclose(said);
    assert_int_equal(lines, 1);
}

static void bad_line(const char *text, int nr, const char *why)
{
    struct story s;
    char err[256] = "";
    int got = replay_text(text, strlen(text), AVM_MODE_INHERIT, &s, NULL, err,
                          sizeof(err));

    if (got != nr || !strstr(err, why))
        fail_msg("line %d, not %d: %s", got, nr, err);
    assert_null(strchr(err, '\n'));
}

/* 'text' with the first 'from' after 'after' replaced. */
static char *edit(const char *text, const char *after, const char *from,
                  const char *to)
{
    const char *at = strstr(text, after);
    char *out = malloc(strlen(text) + strlen(to) + 1);

    at = at ? strstr(at, from) : NULL;
    if (!at)
        fail_msg("no %s", from);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void edited(const char *text, const char *after, const char *from,
                   const char *to, int nr, const char *why)
{
    char *changed = edit(text, after, from, to);

    bad_line(changed, nr, why);
    free(changed);
}

static void bad_lines(void **state)
{
    size_t len;
    char *text, *second;

    (void)state;
    write_recording(4, 9);
    text = file_text(&len);
    second = strchr(text, '\n') + 1;
    bad_line("\n", 1, "not JSON");
    bad_line("{}\n", 1, "not how a recording begins");
    bad_line(second, 1, "not how a recording begins");
    edited(text, "", "\"recording\":1", "\"recording\":2", 1,
           "another version");
    edited(text, "", "\"start\":true", "\"start\":1", 1, "true or false");
    edited(text, "", "\"start\":true", "\"start\":false", 1,
           "not how a recording begins");
    edited(text, "", "\"auto\"", "\"inherit\"", 1, "must be observe");
    edited(text, "", "\"sample_ms\":1000", "\"sample_ms\":1", 1,
           "sample_ms is not in");
    edited(text, "", "\"decide_ms\":2000,", "", 1, "\"decide_ms\" is missing");
    edited(text, "", "\"needs\":[", "\"needs\":{\"a\":[", 1, "not JSON");
    edited(text, "", "\"role\":\"normal\"", "\"role\":\"king\"", 1,
           "need 0: no such role");
    edited(text, "", "\"weight_min\":0", "\"weight_min\":65536", 1,
           "need 0: \"weight_min\" must be");
    edited(text, "", "\"weight_min\":0,\"weight_max\":0",
           "\"weight_min\":2,\"weight_max\":1", 1, "least weight above");
    edited(text, "\"mono_ns\":101", "\"wakes\":0", "\"wakes\":null", 3,
           "domain 0: \"wakes\" must be a number");
    edited(text, "\"mono_ns\":102", "102000000000", "101000000000", 4,
           "not after that of the sample before");
    free(text);
}

/* Whatever is in the file: events, or one line. The sanitizers see the rest. */
static void mutated(void **state)
{
    static const char bytes[] = "0123456789-\"{}[],:.etn\\ \n";
    char *text, *copy, err[256];
    unsigned int seed = 1, refused = 0, i, k;
    struct story s;
    size_t len;

    (void)state;
    write_recording(8, 3);
    text = file_text(&len);
    copy = malloc(len);
    for (i = 0; i < 1500; i++) {
        memcpy(copy, text, len);
        for (k = 1 + (unsigned int)rand_r(&seed) % 4; k; k--)
            copy[(size_t)rand_r(&seed) % len] =
                bytes[(size_t)rand_r(&seed) % (sizeof(bytes) - 1)];
        err[0] = '\0';
        if (replay_text(copy, len - (size_t)rand_r(&seed) % 50,
                        AVM_MODE_INHERIT, &s, NULL, err, sizeof(err))) {
            refused++;
            if (!err[0] || strchr(err, '\n'))
                fail_msg("not one line: '%s'", err);
        }
    }
    assert_in_range(refused, 500, 1500);
    free(copy);
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(settings_round_trip, setup),
        cmocka_unit_test_setup(the_models_of_the_recording, setup),
        cmocka_unit_test_setup(the_past_of_the_recording, setup),
        cmocka_unit_test_setup(the_same_as_recorded, setup),
        cmocka_unit_test_setup(what_auto_would_have_done, setup),
        cmocka_unit_test_setup(someone_else_in_the_recording, setup),
        cmocka_unit_test_setup(a_domid_comes_again, setup),
        cmocka_unit_test_setup(needs_change, setup),
        cmocka_unit_test_setup(a_recording_goes_on, setup),
        cmocka_unit_test_setup(the_file, setup),
        cmocka_unit_test_setup(no_room, setup),
        cmocka_unit_test_setup(bad_lines, setup),
        cmocka_unit_test_setup(mutated, setup),
    };
    int rc;

    if (argc == 3 && !strcmp(argv[1], "--write")) {
        snprintf(path, sizeof(path), "%s", argv[2]);
        write_recording(12, 3);
        return 0;
    }
    if (!mkdtemp(dir))
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return rc;
}
