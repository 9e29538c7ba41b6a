/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workload MODE [KEY=VALUE]...
 *
 * One program for every job of a test guest.  See workload.h.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static const struct mode {
    const char *name;
    int (*run)(const struct options *o);
    const char *help;
} modes[] = {
    { "hog",       mode_hog,       "burn the processor" },
    { "phases",    mode_phases,    "idle for idle_s seconds, then burn" },
    { "idle",      mode_idle,      "sleep, with a wake-up each second" },
    { "crash",     mode_crash,     "panic after the given seconds" },
    { "periodic",  mode_periodic,  "work_us of work each period_us" },
    { "mixed",     mode_mixed,     "periodic, beside a burner" },
    { "netserver", mode_netserver, "TCP: answer requests" },
    { "netclient", mode_netclient, "TCP: ask host for bytes, rate a second" },
    { "diskread",  mode_diskread,  "O_DIRECT random reads from dev" },
    { "diskwrite", mode_diskwrite, "O_DIRECT random writes to dev" },
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

int fail(const char *what)
{
    printf("AVM-ERROR %s: %s\n", what, strerror(errno));
    return -1;
}

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void sleep_until_ns(uint64_t t_ns)
{
    struct timespec ts = {
        .tv_sec = t_ns / NS_PER_S, .tv_nsec = t_ns % NS_PER_S,
    };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        ;
}

void spin_us(uint64_t us)
{
    uint64_t turns = us * LOOPS_PER_US;

    if (!turns)
        return;
#ifdef __x86_64__
    __asm__ volatile ("1: dec %0; jnz 1b" : "+r" (turns) : : "cc");
#else
    while (turns--)
        __asm__ volatile ("");
#endif
}

uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;

    return *state;
}

/* Nothing inside the guest is to stand between the timer and the task. */
void set_realtime(void)
{
    struct sched_param p = { .sched_priority = 50 };

    if (sched_setscheduler(0, SCHED_FIFO, &p) || mlockall(MCL_CURRENT))
        printf("AVM-NOTE no real-time priority: %s\n", strerror(errno));
}

static int usage(void)
{
    size_t i;

    fprintf(stderr,
            "usage: workload MODE [seconds=N] [idle_s=N] [period_us=N]\n"
            "       [work_us=N] [rate=N] [bytes=N] [port=N] [host=A.B.C.D]\n"
            "       [dev=PATH] [pause=0|1] [random=0|1] [then=poweroff]\n");
    for (i = 0; i < ARRAY_SIZE(modes); i++)
        fprintf(stderr, "  %-10s %s\n", modes[i].name, modes[i].help);

    return 2;
}

static int parse(struct options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        unsigned int *value;
        unsigned long min, max;
    } numbers[] = {
        { "seconds",   &o->seconds,   1, 86400 },
        { "idle_s",    &o->idle_s,    0, 86400 },
        { "period_us", &o->period_us, 100, 60000000 },
        { "work_us",   &o->work_us,   0, 60000000 },
        { "rate",      &o->rate,      0, 1000000 },
        { "bytes",     &o->bytes,     1, 1 << 20 },
        { "port",      &o->port,      1, 65535 },
        { "pause",     &o->pause,     0, 1 },
        { "random",    &o->random,    0, 1 },
    };
    int i;

    for (i = 2; i < argc; i++) {
        char *eq = strchr(argv[i], '='), *end;
        unsigned long v;
        size_t n;

        if (!eq) {
            fprintf(stderr, "workload: \"%s\" is not KEY=VALUE\n", argv[i]);
            return -1;
        }
        *eq++ = '\0';

        if (!strcmp(argv[i], "host")) {
            o->host = eq;
            continue;
        }
        if (!strcmp(argv[i], "dev")) {
            o->dev = eq;
            continue;
        }
        if (!strcmp(argv[i], "then") && !strcmp(eq, "poweroff")) {
            o->poweroff = true;
            continue;
        }

        for (n = 0; n < ARRAY_SIZE(numbers); n++)
            if (!strcmp(argv[i], numbers[n].name))
                break;
        if (n == ARRAY_SIZE(numbers)) {
            fprintf(stderr, "workload: unknown option %s=%s\n", argv[i], eq);
            return -1;
        }
        errno = 0;
        v = strtoul(eq, &end, 10);
        if (errno || end == eq || *end || *eq == '-' ||
            v < numbers[n].min || v > numbers[n].max) {
            fprintf(stderr, "workload: %s must be %lu to %lu, not \"%s\"\n",
                    argv[i], numbers[n].min, numbers[n].max, eq);
            return -1;
        }
        *numbers[n].value = v;
    }

    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {
        .seconds = 10, .idle_s = 5, .period_us = 50000, .work_us = 0,
        .rate = 0, .bytes = 16384, .port = 7000, .host = "10.42.0.1",
        .dev = "/dev/xvda", .pause = 1,
    };
    size_t m;
    int rc;

    if (argc < 2)
        return usage();
    for (m = 0; m < ARRAY_SIZE(modes); m++)
        if (!strcmp(argv[1], modes[m].name))
            break;
    if (m == ARRAY_SIZE(modes))
        return usage();

    o.mode = modes[m].name;
    rc = parse(&o, argc, argv);
    if (!rc) {
        setvbuf(stdout, NULL, _IOFBF, 65536);
        rc = modes[m].run(&o);
        printf("AVM-DONE\n");
        fflush(stdout);
    }

    if (getpid() != 1)
        return rc ? 1 : 0;

    /* The first process of a guest must not end: the kernel would panic. */
    if (o.poweroff) {
        sync();
        reboot(RB_POWER_OFF);
    }
    for (;;)
        pause();
}
