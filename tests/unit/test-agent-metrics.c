/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent says for Prometheus, when it is asked and in a file. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent-host.h"

/* A second passes in which domain 1 wants one pCPU of two, and domain 2 three. */
static void tick_crowded(int seconds)
{
    size_t i;

    while (seconds--) {
        xen.ns += 1000000000;
        for (i = 1; i <= 2; i++) {
            uint64_t ran_ns = i == 1 ? 400000000 : 1600000000;

            xen.dom[i].count.cpu_ns += ran_ns;
            xen.dom[i].count.running_ns += ran_ns;
            xen.dom[i].count.runnable_ns +=
                (i == 1 ? 1000000000 : 3000000000) - ran_ns;
        }
        agent_tick(&agent);
    }
}

static char *metrics(void)
{
    struct avm_json_value *v = ask("{\"op\":\"metrics\"}");
    char *text = strdup(str(v, "metrics"));

    avm_json_free(v);
    return text;
}

/* A whole line that stands there once, or never. */
static int count_lines(const char *text, const char *line)
{
    size_t len = strlen(line);
    const char *p;
    int nr = 0;

    for (p = text; (p = strstr(p, line)); p += len)
        nr += (p == text || p[-1] == '\n') && p[len] == '\n';
    return nr;
}

static void has_line(const char *text, const char *line)
{
    if (count_lines(text, line) != 1)
        fail_msg("%d times '%s' in:\n%s", count_lines(text, line), line, text);
}

/*
 * Each line is as Prometheus wants it, a metric has its HELP, its TYPE and all of
 * its lines in one place, and a counter says in its name that it is one.
 */
static void check_format(const char *text)
{
    static const char sample[] =
        "^avm_[a-z0-9_]+(\\{[a-z]+=\"([^\"\\]|\\\\[\"\\])*\""
        "(,[a-z]+=\"([^\"\\]|\\\\[\"\\])*\")*\\})? [0-9]+(\\.[0-9]+)?$";
    char copy[32768], name[64] = "", type[16], seen[4096] = "", *line, *next;
    char word[64];
    regex_t re;
    int nr = 0;

    assert_true(strlen(text) < sizeof(copy));
    assert_int_equal(text[strlen(text) - 1], '\n');
    strcpy(copy, text);
    assert_int_equal(regcomp(&re, sample, REG_EXTENDED | REG_NOSUB), 0);
    for (line = strtok_r(copy, "\n", &next); line;
         line = strtok_r(NULL, "\n", &next)) {
        if (sscanf(line, "# HELP %63s %c", name, word) == 2) {
            snprintf(word, sizeof(word), " %.60s ", name);
            if (strstr(seen, word))
                fail_msg("twice: %s", line);
            strcat(seen, word);
            continue;
        }
        if (sscanf(line, "# TYPE %63s %15s", word, type) == 2) {
            assert_string_equal(word, name);
            assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge"));
            assert_int_equal(!strcmp(type, "counter"),
                             !!strstr(name, "_total"));
            continue;
        }
        if (regexec(&re, line, 0, NULL, 0))
            fail_msg("bad line: %s", line);
        if (strncmp(line, name, strlen(name)) ||
            !strchr("{ ", line[strlen(name)]))
            fail_msg("not of %s: %s", name, line);
        nr++;
    }
    regfree(&re);
    assert_true(nr > 20);
}

static void test_metrics(void **state)
{
    static const char hog[] =
        "{domid=\"2\",uuid=\"a2000000-0000-0000-0000-000000000000\","
        "name=\"h\\\"} 1?avm_needs 99\\\\\"";
    struct avm_domain_sample *d = &xen.dom[2];
    char *text, line[256];

    (void)state;
    strcpy(d->untrusted_name, "h\"} 1\navm_needs 99\\");
    d->have |= AVM_HAVE_DISK | AVM_HAVE_BACKEND | AVM_HAVE_PSI_IO;
    xen.psi.have = 1u << AVM_PSI_IO;
    d->params.can |= AVM_CAN_NET_SHARE;
    d->params.net_share = 400;
    start(AVM_MODE_AUTO);
    tick(4);
    d->count.disk_rd_bytes += 4000000;
    d->count.backend_us += 1000000;
    d->count.psi_io_us += 500000;
    xen.psi.some_us[AVM_PSI_IO] += 200000;
    xen.psi.full_us[AVM_PSI_IO] += 40000;
    ask_ok("{\"op\":\"need-set\",\"domain\":\"2\",\"cap_pct\":50}");
    ask_ok("{\"op\":\"hold\",\"domain\":\"1\"}");
    tick(1);
    xen.dom[1].params.weight = 100; /* someone else */
    xen.forgets = true;
    ask_ok("{\"op\":\"need-set\",\"domain\":\"2\",\"cap_pct\":60}");
    tick(1);

    text = metrics();
    check_format(text);
    has_line(text, "avm_mode{mode=\"auto\"} 1");
    has_line(text, "avm_mode{mode=\"observe\"} 0");
    has_line(text, "avm_samples_total 7");
    has_line(text, "avm_decisions_total 6");
    has_line(text, "avm_changes_applied_total 1");
    has_line(text, "avm_changes_failed_total 1");
    has_line(text, "avm_changes_foreign_total 1");
    has_line(text, "avm_changes_refused_total 0");
    has_line(text, "avm_flip_flops_total 0");
    has_line(text, "avm_changes_left 19");
    has_line(text, "avm_needs 1"); /* a hold is none */
    has_line(text, "avm_domains 3");
    has_line(text, "avm_round_seconds 0.000000");
    has_line(text, "avm_pressure_ratio{resource=\"io\",kind=\"some\"} 0.050");
    has_line(text, "avm_pressure_ratio{resource=\"io\",kind=\"full\"} 0.010");
    assert_null(strstr(text, "resource=\"cpu\""));
#define HOG(metric, rest) do { \
        snprintf(line, sizeof(line), "%s%s%s", metric, hog, rest); \
        has_line(text, line); \
    } while (0)
    HOG("avm_domain_cpu_ratio", "} 1.000");
    HOG("avm_domain_cpu_wait_ratio", "} 0.000");
    HOG("avm_domain_cpu_pressure_ratio", "} 0.000");
    HOG("avm_domain_wake_latency_p99_seconds", "} 0.000000");
    HOG("avm_domain_class", ",class=\"cpu\"} 1");
    HOG("avm_domain_verdict", ",verdict=\"cap\"} 1");
    HOG("avm_domain_disk_read_bytes_per_second", "} 1000000");
    HOG("avm_domain_backend_cpu_ratio", "} 0.250");
    HOG("avm_domain_backend_io_wait_ratio", "} 0.125");
    HOG("avm_domain_weight", "} 256");
    HOG("avm_domain_cap_ratio", "} 0.50");
    HOG("avm_domain_urgency", ",urgency=\"normal\"} 1");
    HOG("avm_domain_network_share", "} 400");
#undef HOG
    /* It has no vif, and the others have no disk. */
    assert_null(strstr(text, "avm_domain_network_receive_bytes_per_second{"));
    assert_null(strstr(text, "avm_domain_disk_share{"));
    assert_null(strstr(text, "avm_domain_backend_cpu_wait_ratio{"));
    assert_null(strstr(text, "read_bytes_per_second{domid=\"1\""));
    free(text);
}

/* The idler was first, so the hog is not promised all that it asks for. */
static void test_metrics_floors(void **state)
{
    char *text;

    (void)state;
    start(AVM_MODE_OBSERVE);
    tick(4);
    text = metrics();
    check_format(text);
    assert_null(strstr(text, "avm_domain_cpu_floor_ratio{"));
    assert_null(strstr(text, "avm_domain_cpu_floor_kept{"));
    free(text);

    ask_ok("{\"op\":\"need-set\",\"domain\":\"idler\",\"cpu_min_pct\":60}");
    tick(1);
    xen.dom[2].nr_vcpus = 4;
    ask_ok("{\"op\":\"need-set\",\"domain\":\"hog\",\"cpu_min_pct\":190}");
    text = metrics(); /* nobody has decided anything with that one yet */
    assert_non_null(strstr(text, "avm_domain_cpu_floor_kept{domid=\"1\""));
    assert_null(strstr(text, "avm_domain_cpu_floor_kept{domid=\"2\""));
    free(text);
    tick(1);
    text = metrics();
    check_format(text);
#define FLOOR(figure, domid, name, value) \
    has_line(text, "avm_domain_cpu_floor_" figure "{domid=\"" domid \
             "\",uuid=\"a" domid "000000-0000-0000-0000-000000000000\"," \
             "name=\"" name "\"} " value)
    FLOOR("ratio", "1", "idler", "0.600");
    FLOOR("promised_ratio", "1", "idler", "0.600");
    FLOOR("wanted_ratio", "1", "idler", "0.001");
    FLOOR("share_ratio", "1", "idler", "0.001");
    FLOOR("kept", "1", "idler", "1");
    FLOOR("ratio", "2", "hog", "1.900");
    FLOOR("promised_ratio", "2", "hog", "1.400");
    FLOOR("kept", "2", "hog", "1");
    assert_null(strstr(text, "avm_domain_cpu_floor_ratio{domid=\"0\""));
    free(text);

    /* Both want more than there is, and avmd only watches. */
    xen.dom[1].params.weight = 64;
    ask_ok("{\"op\":\"need-rm\",\"domain\":\"hog\"}");
    tick_crowded(8);
    text = metrics();
    FLOOR("promised_ratio", "1", "idler", "0.600");
    FLOOR("wanted_ratio", "1", "idler", "1.000");
    FLOOR("share_ratio", "1", "idler", "0.400");
    FLOOR("kept", "1", "idler", "0");
    assert_null(strstr(text, "avm_domain_cpu_floor_ratio{domid=\"2\""));
    free(text);
#undef FLOOR
}

/* The file as a whole, "" if there is none. */
static const char *file_text(const char *path)
{
    static char buf[32768];
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

    buf[len] = '\0';
    if (f)
        fclose(f);
    return buf;
}

static void test_metrics_file(void **state)
{
    struct rlimit old, tight = { .rlim_cur = 100 };
    char path[128], other[160], victim[128], away[128], *text;
    struct stat st;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    snprintf(path, sizeof(path), "%s/sub", dir);
    snprintf(away, sizeof(away), "%s/sub2", dir);
    snprintf(victim, sizeof(victim), "%s/victim", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    start(AVM_MODE_AUTO);
    strcat(path, "/avm.prom");
    strcpy(agent.conf.metrics_file, path);
    agent.conf.loop.decide_ms = 4000;
    tick(1);
    text = metrics();
    assert_string_equal(file_text(path), text);
    free(text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    tick(2); /* no decision, no file */
    assert_true(count_lines(file_text(path), "avm_samples_total 2"));

    /* Who may write there cannot make avmd write elsewhere. */
    snprintf(other, sizeof(other), "%s.new", path);
    assert_int_equal(symlink(victim, other), 0);
    tick(2);
    has_line(file_text(path), "avm_samples_total 6");
    assert_int_equal(lstat(victim, &st), -1);
    assert_int_equal(lstat(other, &st), -1);

    /* Full: the old one stays whole, nothing is left behind. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    db_close(agent.db); /* it would not fit either */
    agent.db = NULL;
    strcpy(agent.conf.state_dir, "/proc/nowhere");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    tick(4);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(agent.said_metrics);
    has_line(file_text(path), "avm_samples_total 6");
    assert_int_equal(lstat(other, &st), -1);

    /* The directory is gone, and comes again. */
    snprintf(other, sizeof(other), "%s/sub", dir);
    assert_int_equal(rename(other, away), 0);
    tick(4);
    assert_true(agent.said_metrics);
    assert_int_equal(rename(away, other), 0);
    tick(4);
    assert_false(agent.said_metrics);
    has_line(file_text(path), "avm_samples_total 18");

    agent_stop(&agent);
    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(rmdir(other), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_metrics),
        TEST(test_metrics_floors),
        TEST(test_metrics_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
