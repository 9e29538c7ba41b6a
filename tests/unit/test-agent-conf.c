/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser of avm.conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"

static int parse(struct conf *conf, const char *text, char *err)
{
    err[0] = '\0';
    conf_defaults(conf);
    return conf_parse(conf, "test", text, strlen(text), err, 256);
}

static void test_defaults(void **state)
{
    struct conf conf;
    char err[256];

    (void)state;
    assert_int_equal(parse(&conf, "", err), 0);
    assert_int_equal(conf.mode, AVM_MODE_OBSERVE);
    assert_int_equal(conf.loop.sample_ms, 1000);
    assert_int_equal(conf.loop.decide_ms, 4000);
    assert_false(conf.revert_on_exit);
    assert_string_equal(conf.state_dir, "/var/lib/avm");
    assert_string_equal(conf.run_dir, "/run/avm");
    assert_string_equal(conf.models, "");
    assert_string_equal(conf.metrics_file, "");
}

static void test_all_keys(void **state)
{
    static const char text[] =
        "# a comment\n"
        "\n"
        "mode = \"auto\"   # and another\n"
        "\tsample_ms=100\r\n"
        "decide_ms = 200\n"
        "hold_decisions = 1\n"
        "gain_min_permille = 50\n"
        "cooldown_ms = 0\n"
        "warmup_ms = 0\n"
        "changes_per_minute = 60\n"
        "step_up_permille = 500\n"
        "step_down_permille = 200\n"
        "lease_ms = 5000\n"
        "foreign_hold_ms = 0\n"
        "on_exit = 'revert'\n"
        "models = \"/d/e.json\"\n"
        "metrics_file = \"/m.prom\"\n"
        "state_dir = \"/a # b\"\n"
        "run_dir = \"/c\""; /* no newline at the end */
    struct conf conf;
    char err[256];

    (void)state;
    assert_int_equal(parse(&conf, text, err), 0);
    assert_int_equal(conf.mode, AVM_MODE_AUTO);
    assert_int_equal(conf.loop.sample_ms, 100);
    assert_int_equal(conf.loop.decide_ms, 200);
    assert_int_equal(conf.loop.hold_decisions, 1);
    assert_int_equal(conf.loop.gain_min_permille, 50);
    assert_int_equal(conf.loop.cooldown_ms, 0);
    assert_int_equal(conf.loop.warmup_ms, 0);
    assert_int_equal(conf.loop.changes_per_minute, 60);
    assert_int_equal(conf.loop.step_up_permille, 500);
    assert_int_equal(conf.loop.step_down_permille, 200);
    assert_int_equal(conf.loop.lease_ms, 5000);
    assert_int_equal(conf.loop.foreign_hold_ms, 0);
    assert_true(conf.revert_on_exit);
    assert_string_equal(conf.state_dir, "/a # b");
    assert_string_equal(conf.run_dir, "/c");
    assert_string_equal(conf.models, "/d/e.json");
    assert_string_equal(conf.metrics_file, "/m.prom");
}

static void test_uplinks(void **state)
{
    struct conf conf;
    char err[256], text[512] = "";
    unsigned int i;

    (void)state;
    assert_int_equal(parse(&conf, "uplink = \"eth0 125MB/s\"\n"
                           "uplink = 'eth1.100  500kB'\n", err), 0);
    assert_int_equal(conf.nr_uplinks, 2);
    assert_string_equal(conf.uplink[0].name, "eth0");
    assert_int_equal(conf.uplink[0].bps, 125000000);
    assert_string_equal(conf.uplink[1].name, "eth1.100");
    assert_int_equal(conf.uplink[1].bps, 500000);

    assert_int_equal(parse(&conf, "uplink = \"eth0 1GB/s\"\n"
                           "uplink = \"eth0 2GB/s\"", err), -1);
    assert_string_equal(err, "test:2: uplink eth0 is there already");
    for (i = 0; i < 9; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "uplink = \"e%u 1GB/s\"\n", i);
    assert_int_equal(parse(&conf, text, err), -1);
    assert_string_equal(err, "test:9: more than 8 uplinks");
}

static void test_bad_lines(void **state)
{
    static const struct { const char *text, *err; } cases[] = {
        { "mode = \"fast\"", "test:1: mode must be" },
        { "metrics_file = \"m.prom\"",
          "test:1: metrics_file must be an absolute path" },
        { "mode = \"inherit\"", "test:1: mode must be" },
        { "\n\nsample_ms = 5", "test:3: sample_ms must be a number from 100" },
        { "sample_ms = \"1000\"", "test:1: sample_ms must be" },
        { "sample_ms = -1", "test:1: sample_ms must be" },
        { "sample_ms = 99999999999999999999999", "test:1: sample_ms must be" },
        { "sample_ms = 1e3", "test:1: sample_ms must be" },
        { "sample_ms =", "test:1: value is missing" },
        { "sample_ms", "test:1: expected `key = value`" },
        { "= 5", "test:1: expected `key = value`" },
        { "colour = 5", "test:1: unknown setting 'colour'" },
        { "mode = \"auto", "test:1: quote is not closed" },
        { "mode = \"auto\" x", "test:1: text after the value" },
        { "on_exit = \"\"", "test:1: on_exit must be" },
        { "run_dir = \"run\"", "test:1: run_dir must be an absolute path" },
        { "models = \"models.json\"", "test:1: models must be an absolute path" },
        { "models = \"\"", "test:1: models must be an absolute path" },
        { "mode = \"\x01\"", "test:1: value is not plain text" },
        { "abcdefghijklmnopqrstuvwxyzabcdefghij = 1", "test:1: name too long" },
        { "run_dir = /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaa", "test:1: value too long" },
        { "sample_ms = 10000", "test: decide_ms" },
        { "lease_ms = 1000", "test: lease_ms" },
        { "uplink = \"eth0\"", "test:1: uplink must be" },
        { "uplink = \"eth0 \"", "test:1: uplink must be" },
        { "uplink = \"eth0 none\"", "test:1: uplink must be" },
        { "uplink = \"eth0 1Gbit\"", "test:1: uplink must be" },
        { "uplink = \" 1GB/s\"", "test:1: uplink must be" },
        { "uplink = \"../eth0 1GB/s\"", "test:1: uplink must be" },
        { "uplink = \"eth012345678901234 1GB/s\"", "test:1: uplink must be" },
    };
    struct conf conf, before;
    char err[256];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(&conf, cases[i].text, err), -1);
        if (strncmp(err, cases[i].err, strlen(cases[i].err)))
            fail_msg("'%s': got '%s', expected '%s'", cases[i].text, err,
                     cases[i].err);
        assert_null(strchr(err, '\n'));
        conf_defaults(&before);
        assert_memory_equal(&conf, &before, sizeof(conf));
    }
}

static void test_nul_byte(void **state)
{
    struct conf conf;
    char err[256];

    (void)state;
    conf_defaults(&conf);
    assert_int_equal(conf_parse(&conf, "test", "mode\0= 'auto'", 14, err,
                                sizeof(err)), -1);
}

static void test_files(void **state)
{
    char path[] = "/tmp/avm-conf-XXXXXX", err[256];
    struct conf conf;
    int fd, i;

    (void)state;
    conf_defaults(&conf);
    assert_int_equal(conf_load(&conf, "/nowhere/avm.conf", true, err,
                               sizeof(err)), 0);
    assert_int_equal(conf_load(&conf, "/nowhere/avm.conf", false, err,
                               sizeof(err)), -1);
    assert_string_equal(err, "/nowhere/avm.conf: No such file or directory");
    assert_int_equal(conf_load(&conf, "/tmp", false, err, sizeof(err)), -1);

    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "mode = 'auto'\n", 14), 14);
    assert_int_equal(conf_load(&conf, path, false, err, sizeof(err)), 0);
    assert_int_equal(conf.mode, AVM_MODE_AUTO);

    for (i = 0; i < 5000; i++)
        assert_int_equal(write(fd, "mode = 'auto'\n", 14), 14);
    assert_int_equal(conf_load(&conf, path, false, err, sizeof(err)), -1);
    assert_non_null(strstr(err, "longer than"));
    close(fd);
    unlink(path);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void bad_models(const struct conf *conf, const char *why)
{
    struct avm_models m, before;
    char err[512] = "", expected[512];

    memset(&m, 0x55, sizeof(m));
    before = m;
    assert_int_equal(conf_models(conf, &m, err, sizeof(err)), -1);
    snprintf(expected, sizeof(expected), "%s: %s", conf->models, why);
    assert_string_equal(err, expected);
    assert_memory_equal(&m, &before, sizeof(m));
}

static void test_models(void **state)
{
    char path[] = "/tmp/avm-models-XXXXXX", err[512];
    struct avm_models m;
    struct conf conf;
    FILE *f;
    int fd, i;

    (void)state;
    conf_defaults(&conf);
    memset(&m, 0x55, sizeof(m));
    assert_int_equal(conf_models(&conf, &m, err, sizeof(err)), 0);
    assert_memory_equal(&m, avm_models_builtin(), sizeof(m));

    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(conf.models, sizeof(conf.models), "%s", path);
    write_file(path, "{\"version\": 1,\n \"models\": {\"mixed\": []}}\n");
    assert_int_equal(conf_models(&conf, &m, err, sizeof(err)), 0);
    assert_int_equal(m.model[AVM_CLASS_MIXED].nr, 0);
    assert_int_equal(m.model[AVM_CLASS_CPU].nr, 4);

    write_file(path, "");
    bad_models(&conf, "line 1: not JSON");
    write_file(path, "{\"version\": 1, \"models\": {\"cpu\": [{}]}}");
    bad_models(&conf, "class \"cpu\": statement 1: \"metric\" must be one of "
               "cpu_permille, demand_permille, wakes_per_s, burst_us, "
               "io_per_s, net_packets_per_s, disk_reqs_per_s, "
               "net_share_permille, us_per_io");
    f = fopen(path, "w");
    for (i = 0; i < CONF_SIZE_MAX + 1; i++)
        putc(' ', f);
    fclose(f);
    bad_models(&conf, "longer than 65536 bytes");
    unlink(path);
    bad_models(&conf, "No such file or directory");
    snprintf(conf.models, sizeof(conf.models), "/tmp");
    bad_models(&conf, "Is a directory");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_uplinks),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
