/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modes that only burn, only sleep, or die. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "workload.h"

/* Looks at the clock each so often: about 0.2% of the work. */
#define CHUNK_US 500

/*
 * A pause now and then, as in any program that spins. QEMU, which runs the
 * pCPUs in turns, lets another one go on at a pause; without, a pCPU that has
 * work takes all time up to the next timer, and the other one gets none for as
 * long as a fifth of a second.
 */
#define PAUSE_US 50

static void spin_and_pause(const struct options *o)
{
    unsigned int us;

    for (us = 0; us < CHUNK_US; us += PAUSE_US) {
        spin_us(PAUSE_US);
        if (o->pause)
            __asm__ volatile ("pause");
    }
}

static void burn(const struct options *o, struct series *s,
                 uint64_t start_ns, uint64_t end_ns)
{
    uint64_t t;

    while ((t = now_ns()) < end_ns) {
        spin_and_pause(o);
        series_add(s, 0, t - start_ns);
    }
}

static int idle_then_burn(const struct options *o, unsigned int idle_s)
{
    struct series s;
    uint64_t start = now_ns();

    if (series_init(&s, o->seconds))
        return -1;

    if (idle_s > o->seconds)
        idle_s = o->seconds;
    sleep_until_ns(start + idle_s * NS_PER_S);
    burn(o, &s, start, start + o->seconds * NS_PER_S);

    printf("AVM-RESULT {\"mode\":\"%s\",\"seconds\":%u,\"idle_s\":%u,"
           "\"work_us_per_op\":%u,", o->mode, o->seconds, idle_s, CHUNK_US);
    series_print(&s);
    printf("}\n");
    series_free(&s);

    return 0;
}

int mode_hog(const struct options *o)
{
    return idle_then_burn(o, 0);
}

int mode_phases(const struct options *o)
{
    return idle_then_burn(o, o->idle_s);
}

int mode_idle(const struct options *o)
{
    uint64_t start = now_ns();
    unsigned int i;

    for (i = 1; i <= o->seconds; i++)
        sleep_until_ns(start + i * NS_PER_S);
    printf("AVM-RESULT {\"mode\":\"idle\",\"seconds\":%u}\n", o->seconds);

    return 0;
}

/* A guest that dies badly: its kernel panics, nothing is cleaned up. */
int mode_crash(const struct options *o)
{
    int fd;

    sleep_until_ns(now_ns() + o->seconds * NS_PER_S);
    fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail("/proc/sysrq-trigger");
    if (write(fd, "c", 1) != 1)
        fail("/proc/sysrq-trigger");
    close(fd);

    return -1;
}
