/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random direct reads or writes, one at a time, at most `rate` a second.
 * As in wl-net.c, time lost to a slow operation is not made up for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

#define ALIGN_BYTES 4096
#define SAMPLES_MAX 200000

static int disk(const struct options *o, bool writing)
{
    uint64_t start = now_ns(), end = start + o->seconds * NS_PER_S;
    uint64_t gap = o->rate ? NS_PER_S / o->rate : 0, due = start, t0, t;
    uint64_t random = RANDOM_SEED, places;
    struct series s = { 0 };
    struct dist lat = { 0 };
    void *buf = NULL;
    off_t size;
    int fd = -1, rc = -1;

    if (o->bytes % ALIGN_BYTES) {
        errno = EINVAL;
        return fail("bytes must be a multiple of 4096");
    }
    if (posix_memalign(&buf, ALIGN_BYTES, o->bytes) ||
        series_init(&s, o->seconds) || dist_init(&lat, SAMPLES_MAX)) {
        fail("memory");
        goto out;
    }
    memset(buf, 0x5a, o->bytes);

    fd = open(o->dev, (writing ? O_WRONLY : O_RDONLY) | O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
        fail(o->dev);
        goto out;
    }
    size = lseek(fd, 0, SEEK_END);
    places = size / o->bytes;
    if (size < 0 || !places) {
        errno = ENOSPC;
        fail(o->dev);
        goto out;
    }

    while ((t0 = now_ns()) < end) {
        off_t at = next_random(&random) % places * o->bytes;
        ssize_t n;

        if (gap) {
            if (due > t0)
                sleep_until_ns(due);
            t0 = now_ns();
            due = (t0 > due + gap ? t0 : due) + gap;
        }
        n = writing ? pwrite(fd, buf, o->bytes, at)
                    : pread(fd, buf, o->bytes, at);
        if (n != (ssize_t)o->bytes) {
            fail(o->dev);
            goto out;
        }
        t = now_ns();
        dist_add(&lat, t - t0, t0 - start);
        series_add(&s, o->bytes, t - start);
    }

    printf("AVM-RESULT {\"mode\":\"%s\",\"seconds\":%u,\"rate\":%u,"
           "\"bytes_per_op\":%u,", o->mode, o->seconds, o->rate, o->bytes);
    series_print(&s);
    printf(",");
    dist_print(&lat, "lat_us");
    printf("}\n");
    rc = 0;

 out:
    if (fd >= 0)
        close(fd);
    dist_free(&lat);
    series_free(&s);
    free(buf);

    return rc;
}

int mode_diskread(const struct options *o)
{
    return disk(o, false);
}

int mode_diskwrite(const struct options *o)
{
    return disk(o, true);
}
