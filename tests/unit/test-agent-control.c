/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: the parser, the socket, and clients that misbehave. */
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"
#include "request.h"

static void test_request(void **state)
{
    static const char text[] =
        "{\"op\":\"need-set\",\"domain\":\"web\",\"role\":\"interactive\","
        "\"weight_min\":10,\"cap_pct\":-1,\"unknown\":[1,{}],\"all\":true}";
    struct request req;
    char err[256];

    (void)state;
    assert_int_equal(request_parse(&req, text, strlen(text), err,
                                   sizeof(err)), 0);
    assert_string_equal(req.op, "need-set");
    assert_string_equal(req.domain, "web");
    assert_string_equal(req.role, "interactive");
    assert_int_equal(req.weight_min, 10);
    assert_int_equal(req.cap_pct, -1);
    assert_true(req.weight_max == REQUEST_NONE);
    assert_true(req.all);
}

static void test_bad_requests(void **state)
{
    static const char *const cases[] = {
        "", " ", "{", "[]", "3", "null", "\"op\"", "{\"op\":5}",
        "{\"op\":\"\"}", "{\"op\":\"list\"", "{\"op\":\"list\"}}",
        "{\"op\":\"averyveryverylongoperation\"}",
        "{\"op\":\"set\",\"weight\":\"256\"}",
        "{\"op\":\"set\",\"weight\":2.5}",
        "{\"op\":\"set\",\"weight\":99999999999999999999999}",
        "{\"op\":\"set\",\"domain\":7}",
        "{\"op\":\"set\",\"domain\":{\"a\":1}}",
        "{\"op\":\"list\\u0000\"", "{\"op\":\"\xff\xfe\"}", "\x01\x02\x03",
        "{\"op\":\"set\",\"domain\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
    };
    struct request req;
    char err[256], deep[201];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err[0] = '\0';
        if (!request_parse(&req, cases[i], strlen(cases[i]), err,
                           sizeof(err)))
            fail_msg("taken: %s", cases[i]);
        assert_true(err[0]);
        assert_null(strchr(err, '\n'));
    }
    memset(deep, '[', 200);
    assert_int_equal(request_parse(&req, deep, 200, err, sizeof(err)), -1);
}

static void test_cpus(void **state)
{
    static const char *const bad[] = {
        "", ",", "1,", "-1", "1-", "3-1", "64", "0-64", "a", "1 2", "1--2",
        "99999999999", "any,1", " 1",
    };
    uint64_t cpus;
    char buf[256];
    size_t i;

    (void)state;
    assert_int_equal(cpus_parse("0-2,5,63", &cpus), 0);
    assert_true(cpus == (0x27ull | 1ull << 63));
    assert_string_equal(cpus_str(cpus, buf, sizeof(buf)), "0-2,5,63");
    assert_int_equal(cpus_parse("any", &cpus), 0);
    assert_string_equal(cpus_str(cpus, buf, sizeof(buf)), "any");
    assert_string_equal(cpus_str(0, buf, sizeof(buf)), "");
    /* The longest there is: every second one. */
    assert_string_equal(cpus_str(0x5555555555555555ull, buf, 8), "0,2,4,6");
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!cpus_parse(bad[i], &cpus))
            fail_msg("taken: %s", bad[i]);
}

static void test_bps(void **state)
{
    static const struct { const char *text; uint64_t bps; } good[] = {
        { "none", 0 }, { "0B", 0 }, { "7B/s", 7 }, { "500kB/s", 500000 },
        { "10MB", 10000000 }, { "1000GB/s", 1000000000000 },
    };
    static const char *const bad[] = {
        "", "10", "MB/s", "-1MB/s", "1.5MB/s", "10mb/s", "10MB/", "10MB/h",
        "1001GB/s", "99999999999999999999B/s", " 1MB/s", "1 MB/s", "1MB/s ",
        "10Mb/s", "nonesuch",
    };
    char buf[BPS_STR_LEN];
    uint64_t bps;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(bps_parse(good[i].text, &bps), 0);
        assert_int_equal(bps, good[i].bps);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!bps_parse(bad[i], &bps))
            fail_msg("taken: %s", bad[i]);
    assert_string_equal(bps_str(0, buf), "none");
    assert_string_equal(bps_str(1500, buf), "1500B/s");
    assert_string_equal(bps_str(1500000, buf), "1500kB/s");
    assert_string_equal(bps_str(2000000000000, buf), "2000GB/s");
}

/* ------------------------------------------------------------------------ */

static char dir[64];

static char *echo(void *arg, const char *text, size_t len)
{
    char *answer;

    ++*(int *)arg;
    if (asprintf(&answer, "got %.*s", (int)len, text) < 0)
        return NULL;
    return answer;
}

/* Serves for a while; returns how often it was asked. */
static int serve_for(uid_t uid, int rounds)
{
    struct pollfd fds[1 + CONTROL_CLIENTS];
    struct control c;
    int asked = 0;
    size_t nr;

    if (control_open(&c, dir, uid, echo, &asked))
        return -1;
    while (rounds--) {
        nr = control_poll(&c, fds);
        if (poll(fds, nr, 50) < 0)
            return -1;
        control_run(&c, fds, nr, 0);
    }
    control_close(&c);
    return asked;
}

static pid_t server(uid_t uid, int rounds)
{
    char path[128];
    struct stat st;
    pid_t pid = fork();
    int i;

    assert_true(pid >= 0);
    if (!pid)
        _exit(serve_for(uid, rounds) & 0xff);
    snprintf(path, sizeof(path), "%s/" CONTROL_SOCKET, dir);
    for (i = 0; i < 100 && stat(path, &st); i++)
        usleep(10000);
    assert_int_equal(st.st_mode & 0777, 0600);
    usleep(50000); /* until it listens */
    return pid;
}

static int asked(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    strcpy(dir, "/tmp/avm-ctl-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/" CONTROL_SOCKET, dir);
    unlink(path);
    return rmdir(dir);
}

static void test_call(void **state)
{
    char *answer;
    pid_t pid;

    (void)state;
    answer = control_call(dir, "nobody there");
    assert_null(answer);
    assert_int_equal(errno, ENOENT);

    pid = server(geteuid(), 8);
    answer = control_call(dir, "one");
    assert_string_equal(answer, "got one");
    free(answer);
    answer = control_call(dir, "two\nand more");
    assert_string_equal(answer, "got two");
    free(answer);
    assert_int_equal(asked(pid), 2);
    assert_null(control_call(dir, "it has gone"));
}

static void test_too_long(void **state)
{
    static char text[2 * REQUEST_SIZE_MAX];
    char *answer;
    pid_t pid;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    pid = server(geteuid(), 60);
    answer = control_call(dir, text);
    assert_non_null(answer);
    assert_non_null(strstr(answer, "longer than 1048576 bytes"));
    free(answer);

    /* The longest that is allowed. */
    text[REQUEST_SIZE_MAX] = '\0';
    answer = control_call(dir, text);
    assert_int_equal(strlen(answer), REQUEST_SIZE_MAX + 4);
    free(answer);
    assert_int_equal(asked(pid), 1);
}

static void test_wrong_uid(void **state)
{
    pid_t pid;

    (void)state;
    pid = server(geteuid() + 1, 4);
    assert_null(control_call(dir, "let me in"));
    assert_int_equal(asked(pid), 0);
}

static int raw_client(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" CONTROL_SOCKET, dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* Silent ones are dropped, and those who wait behind them get their turn. */
static void test_silent(void **state)
{
    struct pollfd fds[1 + CONTROL_CLIENTS];
    int client[CONTROL_CLIENTS + 1], nr_asked = 0, i;
    struct control c;
    char byte;
    size_t nr;

    (void)state;
    assert_int_equal(control_open(&c, dir, geteuid(), echo, &nr_asked), 0);
    for (i = 0; i <= CONTROL_CLIENTS; i++) {
        client[i] = raw_client();
        nr = control_poll(&c, fds);
        poll(fds, nr, 0);
        control_run(&c, fds, nr, 1000);
    }
    assert_int_equal(write(client[CONTROL_CLIENTS], "last\n", 5), 5);
    for (i = 0; i < 4; i++) {
        nr = control_poll(&c, fds);
        poll(fds, nr, 0);
        control_run(&c, fds, nr, 1000 + CONTROL_TIMEOUT_MS + (uint64_t)i);
    }
    assert_int_equal(nr_asked, 1);
    assert_int_equal(read(client[0], &byte, 1), 0);
    assert_int_equal(read(client[CONTROL_CLIENTS], &byte, 1), 1);
    for (i = 0; i <= CONTROL_CLIENTS; i++)
        close(client[i]);
    control_close(&c);
}

/* A socket that kill -9 left over is no obstacle. */
static void test_left_over(void **state)
{
    struct control c;

    (void)state;
    assert_int_equal(control_open(&c, dir, 0, echo, NULL), 0);
    close(c.fd);
    assert_null(control_call(dir, "nobody"));
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(control_open(&c, dir, 0, echo, NULL), 0);
    control_close(&c);
    assert_int_equal(control_open(&c, "/nowhere", 0, echo, NULL), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_bps),
        TEST(test_call),
        TEST(test_too_long),
        TEST(test_wrong_uid),
        TEST(test_silent),
        TEST(test_left_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
