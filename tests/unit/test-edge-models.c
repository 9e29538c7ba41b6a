/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage models as JSON and back: nothing is lost, and nothing bad gets in. */
#include <errno.h>
#include <stdio.h>

#include "core-fixture.h"
#include "json/avm_json.h"

static void assert_same(const struct avm_models *a, const struct avm_models *b)
{
    uint32_t i;
    int c;

    for (c = 0; c < AVM_NR_CLASSES; c++) {
        assert_int_equal(a->model[c].nr, b->model[c].nr);
        for (i = 0; i < a->model[c].nr; i++) {
            const struct avm_statement *x = &a->model[c].statement[i];
            const struct avm_statement *y = &b->model[c].statement[i];

            assert_int_equal(x->metric, y->metric);
            assert_int_equal(x->no, y->no);
            assert_int_equal(x->yes, y->yes);
            assert_string_equal(x->why, y->why);
        }
    }
}

/* Takes 'text' or says why not, in one line; then nothing was touched. */
static bool takes(const char *text, size_t len, struct avm_models *m,
                  char *err, size_t err_len)
{
    char *copy = malloc(len ? len : 1);
    struct avm_models before;
    bool ok;

    /* No byte after it: reading on would be seen. */
    assert_non_null(copy);
    memcpy(copy, text, len);
    memset(m, 0x55, sizeof(*m));
    before = *m;
    err[0] = '\0';
    errno = 0;
    ok = !avm_models_parse(copy, len, m, err, err_len);
    free(copy);
    if (ok) {
        assert_int_equal(avm_models_check(m, NULL, 0), 0);
        return true;
    }
    assert_int_equal(errno, EINVAL);
    assert_memory_equal(m, &before, sizeof(before));
    if (!err[0] || strchr(err, '\n'))
        fail_msg("not one line: '%s'", err);
    return false;
}

static void parse_ok(const char *text, struct avm_models *m)
{
    char err[300];

    if (!takes(text, strlen(text), m, err, sizeof(err)))
        fail_msg("%s: %s", text, err);
}

static void round_trip(const struct avm_models *m)
{
    char *text = avm_json_models(m), *again;
    struct avm_models back;

    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    parse_ok(text, &back);
    assert_same(m, &back);
    again = avm_json_models(&back);
    assert_string_equal(text, again);
    free(again);
    free(text);
}

static void builtin(void **state)
{
    const struct avm_models *m = avm_models_builtin();
    uint32_t i;
    int c;

    (void)state;
    round_trip(m);
    for (c = 0; c < AVM_NR_CLASSES; c++)
        for (i = 0; i < m->model[c].nr; i++)
            assert_in_range(strlen(m->model[c].statement[i].why), 10, 191);
}

/* As many as there can be, with the ends of all ranges. */
static void others(void **state)
{
    static const uint32_t max[AVM_NR_METRICS] = {
        65535000, 65535000, 1000000000, 1000000000, 1000000000, 1000000000,
        1000000000, 1000, 1000000000,
    };
    struct avm_models m = { 0 };
    uint64_t seed = 0;
    int i, c;
    uint32_t k;

    (void)state;
    round_trip(&m);
    for (i = 0; i < 200; i++) {
        memset(&m, 0, sizeof(m));
        for (c = AVM_CLASS_UNKNOWN + 1; c < AVM_NR_CLASSES; c++) {
            m.model[c].nr = fixture_random(&seed) % (AVM_STATEMENTS_MAX + 1);
            for (k = 0; k < m.model[c].nr; k++) {
                struct avm_statement *s = &m.model[c].statement[k];

                s->metric = fixture_random(&seed) % AVM_NR_METRICS;
                s->no = fixture_random(&seed) % max[s->metric];
                s->yes = max[s->metric];
                if (fixture_random(&seed) % 2) {
                    s->yes = s->no;
                    s->no = max[s->metric];
                }
                memset(s->why, ' ' + (int)(fixture_random(&seed) % 95),
                       fixture_random(&seed) % sizeof(s->why));
            }
        }
        round_trip(&m);
    }
    /* One more than the range has is too much, for each metric. */
    m = *avm_models_builtin();
    for (i = 0; i < AVM_NR_METRICS; i++) {
        m.model[AVM_CLASS_NET].statement[0] =
            (struct avm_statement){ i, max[i], 0, "" };
        assert_int_equal(avm_models_check(&m, NULL, 0), 0);
        m.model[AVM_CLASS_NET].statement[0].no++;
        assert_int_equal(avm_models_check(&m, NULL, 0), -1);
    }
}

/* What is not named is as it was built in. */
static void a_part(void **state)
{
    struct avm_models m, expected = *avm_models_builtin();

    (void)state;
    parse_ok("{\"version\":1,\"models\":{}}", &m);
    assert_same(&m, &expected);

    parse_ok("\n{ \"models\": {\n  \"disk\": [ { \"yes\": 5, \"no\": 1,\n"
             "    \"metric\": \"disk_reqs_per_s\" } ],\n  \"mixed\": [] },\n"
             "  \"version\": 1 }\n", &m);
    expected.model[AVM_CLASS_DISK] = (struct avm_model){
        .nr = 1, .statement[0] = { AVM_METRIC_DISK, 1, 5, "" },
    };
    expected.model[AVM_CLASS_MIXED].nr = 0;
    assert_same(&m, &expected);
}

/* 'models' stands where the models do. */
static void refuses(const char *models, const char *why)
{
    struct avm_models m;
    char text[4096], err[300];

    snprintf(text, sizeof(text), "{\"version\":1,\"models\":%s}", models);
    if (takes(text, strlen(text), &m, err, sizeof(err)))
        fail_msg("took %s", text);
    if (strcmp(err, why))
        fail_msg("%s: '%s', not '%s'", models, err, why);
}

static void refuses_all(const char *text, const char *why)
{
    struct avm_models m;
    char err[300];

    if (takes(text, strlen(text), &m, err, sizeof(err)))
        fail_msg("took %s", text);
    if (strcmp(err, why))
        fail_msg("%s: '%s', not '%s'", text, err, why);
}

#define CPU_LINE "class \"cpu\": statement 2: "
#define METRICS "\"metric\" must be one of cpu_permille, demand_permille, " \
    "wakes_per_s, burst_us, io_per_s, net_packets_per_s, disk_reqs_per_s, " \
    "net_share_permille, us_per_io"
#define WHY "\"why\" must be a text of one line and at most 191 bytes"

/* The second statement of the class cpu. */
static void refuses_statement(const char *statement, const char *why)
{
    char text[1024], line[300];

    snprintf(text, sizeof(text), "{\"cpu\":[{\"metric\":\"io_per_s\",\"no\":1,"
             "\"yes\":2},%s]}", statement);
    snprintf(line, sizeof(line), CPU_LINE "%s", why);
    refuses(text, line);
}

static void says_what_is_wrong(void **state)
{
    static const char nul[] = "{\"version\":1,\"models\":{}}\0x";
    char text[1024], err[300];
    struct avm_models m;
    int i;

    (void)state;
    refuses_all("", "line 1: not JSON");
    refuses_all("{\"version\":1,\n\"models\":{},\n}\n", "line 3: not JSON");
    refuses_all("{\"version\":1,\n\"models\":{\n\n\n", "line 5: not JSON");
    refuses_all("{\"version\":1,\n\"models\":{}}\n{}", "line 3: not JSON");
    refuses_all("[]", "must be an object, like {\"version\": 1, \"models\": "
                "{...}}");
    refuses_all("{\"version\":2,\"models\":{}}", "\"version\" must be 1");
    refuses_all("{\"models\":{}}", "\"version\" must be 1");
    refuses_all("{\"version\":1}", "\"models\" must be an object, like "
                "{\"idle\": [...]}");
    refuses_all("{\"version\":1,\"models\":{},\"model\":3}", "no such key "
                "\"model\"; there are: version, models");
    refuses_all("{\"version\":1,\"models\":{},\"models\":{}}",
                "key \"models\" is there twice");
    assert_false(takes(nul, sizeof(nul) - 1, &m, err, sizeof(err)));

    refuses("[]", "\"models\" must be an object, like {\"idle\": [...]}");
    refuses("{\"busy\":[]}", "no such class \"busy\"; there are: idle, cpu, "
            "net, disk, mixed, time-critical");
    refuses("{\"unknown\":[]}", "no such class \"unknown\"; there are: idle, "
            "cpu, net, disk, mixed, time-critical");
    refuses("{\"\\n\\u001b[2J\xc3\xa4 012345678901234567890123456789\":[]}",
            "no such class \"??[2J?? 01234567890123456789012\"; there are: "
            "idle, cpu, net, disk, mixed, time-critical");
    refuses("{\"net\":[],\"cpu\":[],\"net\":[]}",
            "class \"net\" is there twice");
    refuses("{\"cpu\":{}}", "class \"cpu\": must be an array of statements; an "
            "empty one is a class that no domain is of");
    snprintf(text, sizeof(text), "{\"idle\":[");
    for (i = 0; i < 9; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s{"
                 "\"metric\":\"burst_us\",\"no\":1,\"yes\":2}", i ? "," : "");
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
    refuses(text, "class \"idle\": 9 statements; at most 8 are possible");

    refuses_statement("3", "must be an object, like {\"metric\": "
                      "\"cpu_permille\", \"no\": 40, \"yes\": 10, \"why\": "
                      "\"...\"}");
    refuses_statement("{}", METRICS);
    refuses_statement("{\"metric\":\"cpu\",\"no\":1,\"yes\":2}", METRICS);
    refuses_statement("{\"metric\":3,\"no\":1,\"yes\":2}", METRICS);
    refuses_statement("{\"metric\":\"burst_us\",\"no\":1,\"yes\":2,\"Why\":"
                      "\"\"}", "no such key \"Why\"; there are: metric, no, "
                      "yes, why");
    refuses_statement("{\"metric\":\"burst_us\",\"no\":1,\"yes\":2,\"no\":3}",
                      "key \"no\" is there twice");
    refuses_statement("{\"metric\":\"burst_us\",\"yes\":2}",
                      "\"no\" must be a number from 0 to 1000000000");
    refuses_statement("{\"metric\":\"burst_us\",\"no\":2}",
                      "\"yes\" must be a number from 0 to 1000000000");
    refuses_statement("{\"metric\":\"cpu_permille\",\"no\":\"1\",\"yes\":2}",
                      "\"no\" must be a number from 0 to 65535000");
    refuses_statement("{\"metric\":\"cpu_permille\",\"no\":1,\"yes\":-2}",
                      "\"yes\" must be a number from 0 to 65535000");
    refuses_statement("{\"metric\":\"cpu_permille\",\"no\":1,\"yes\":"
                      "4294967298}",
                      "\"yes\" must be a number from 0 to 65535000");
    refuses_statement("{\"metric\":\"net_share_permille\",\"no\":1001,"
                      "\"yes\":2}", "\"no\" must be a number from 0 to 1000");
    refuses_statement("{\"metric\":\"burst_us\",\"no\":7,\"yes\":7}",
                      "\"no\" and \"yes\" must differ, and are both 7");
    refuses_statement("{\"metric\":\"burst_us\",\"no\":1,\"yes\":2,\"why\":"
                      "null}", WHY);
    refuses_statement("{\"metric\":\"burst_us\",\"no\":1,\"yes\":2,\"why\":"
                      "\"a\\nb\"}", WHY);
    snprintf(text, sizeof(text), "{\"metric\":\"burst_us\",\"no\":1,\"yes\":2,"
             "\"why\":\"%0192d\"}", 0);
    refuses_statement(text, WHY);
    refuses_all("{\"version\":1,\n\"models\":{\"cpu\":[{\n\"no\":1.5}]}}",
                "line 3: \"no\": a number that is not a 64 bit integer");
}

static void truncated_and_mutated(void **state)
{
    static const char bytes[] = "0123456789-\"{}[],:.aenost_\\ \n\xff";
    char *text = avm_json_models(avm_models_builtin()), *copy, err[300];
    size_t len = strlen(text), i;
    unsigned int refused = 0, k;
    struct avm_models m;
    uint64_t seed = 0;

    (void)state;
    copy = malloc(len);
    for (i = 0; i < len; i += 7)
        assert_false(takes(text, i, &m, err, sizeof(err)));
    for (i = 0; i < 3000; i++) {
        memcpy(copy, text, len);
        for (k = 1 + fixture_random(&seed) % 3; k; k--)
            copy[fixture_random(&seed) % len] =
                bytes[fixture_random(&seed) % (sizeof(bytes) - 1)];
        refused += !takes(copy, len, &m, err, sizeof(err));
    }
    /* Numbers and reasons may be others: those are taken. */
    assert_in_range(refused, 500, 2500);
    free(copy);
    free(text);
}

/* An error that is longer than its room is cut, and still a text. */
static void little_room(void **state)
{
    char err[20];
    struct avm_models m;

    (void)state;
    assert_false(takes("{\"version\":3}", 13, &m, err, sizeof(err)));
    assert_string_equal(err, "\"version\" must be 1");
    assert_int_equal(avm_models_parse("{}", 2, &m, err, 8), -1);
    assert_string_equal(err, "\"versio");
    assert_int_equal(avm_models_parse("{}", 2, &m, NULL, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin),
        cmocka_unit_test(others),
        cmocka_unit_test(a_part),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(truncated_and_mutated),
        cmocka_unit_test(little_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
