/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and answers over one TCP connection at a time.
 *
 * A request is four bytes (little endian): how many bytes to answer with.
 * The client never has more than one request out, and starts at most `rate`
 * a second; time lost to a slow answer is not made up for, so a slow server
 * shows in the number of requests, and each one's time is its own. What the
 * client overslept is made up for: that was not the server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workload.h"

#define ANSWER_MAX (1U << 20)

/* More answers than this are counted, but have no place in the percentiles. */
#define SAMPLES_MAX 200000

/* How long one wait on a socket may take, so that a run ends in time. */
#define WAIT_MS 200

/* Waits for the socket until end_ns. True if it can be used. */
static bool wait_for(int fd, short events, uint64_t end_ns)
{
    struct pollfd p = { .fd = fd, .events = events };

    while (now_ns() < end_ns)
        if (poll(&p, 1, WAIT_MS) > 0)
            return true;

    return false;
}

/* 1: all done; 0: the other side closed, or the time is over; -1: error. */
static int read_all(int fd, void *buf, size_t len, uint64_t end_ns)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n;

        if (!wait_for(fd, POLLIN, end_ns))
            return 0;
        n = recv(fd, (char *)buf + done, len - done, MSG_DONTWAIT);
        if (!n || (n < 0 && errno == ECONNRESET))
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n > 0)
            done += n;
    }

    return 1;
}

static int write_all(int fd, const void *buf, size_t len, uint64_t end_ns)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = send(fd, (const char *)buf + done, len - done,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            done += n;
            continue;
        }
        if (n < 0 && (errno == ECONNRESET || errno == EPIPE))
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (!wait_for(fd, POLLOUT, end_ns))
            return 0;
    }

    return 1;
}

static void no_delay(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int serve(int fd, const struct options *o, char *buf, struct series *s,
                 uint64_t start_ns, uint64_t end_ns)
{
    uint32_t len;
    int r;

    while ((r = read_all(fd, &len, sizeof(len), end_ns)) > 0) {
        len = le32toh(len);
        if (len > ANSWER_MAX) {
            errno = EMSGSIZE;
            return -1;
        }
        spin_us(o->work_us);
        r = write_all(fd, buf, len, end_ns);
        if (r <= 0)
            break;
        series_add(s, len, now_ns() - start_ns);
    }

    return r;
}

int mode_netserver(const struct options *o)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(o->port),
    };
    uint64_t start = now_ns(), end = start + o->seconds * NS_PER_S;
    struct series s = { 0 };
    int one = 1, fd = -1, c, rc = -1;
    char *buf = NULL;

    buf = calloc(1, ANSWER_MAX);
    if (!buf || series_init(&s, o->seconds)) {
        fail("memory");
        goto out;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 4)) {
        fail("listen");
        goto out;
    }

    while (wait_for(fd, POLLIN, end)) {
        c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (c < 0)
            continue;
        no_delay(c);
        if (serve(c, o, buf, &s, start, end) < 0)
            fail("serve");
        close(c);
    }

    printf("AVM-RESULT {\"mode\":\"%s\",\"seconds\":%u,\"work_us\":%u,",
           o->mode, o->seconds, o->work_us);
    series_print(&s);
    printf("}\n");
    rc = 0;

 out:
    if (fd >= 0)
        close(fd);
    series_free(&s);
    free(buf);

    return rc;
}

/* The server may not be listening yet: tries until the time is over. */
static int connect_to(const struct sockaddr_in *a, uint64_t end_ns)
{
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
            return fail("socket");
        if (!connect(fd, (const struct sockaddr *)a, sizeof(*a))) {
            no_delay(fd);
            return fd;
        }
        close(fd);
        if (now_ns() >= end_ns)
            return fail("connect");
        sleep_until_ns(now_ns() + 100 * NS_PER_MS);
    }
}

int mode_netclient(const struct options *o)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(o->port),
    };
    uint64_t start = now_ns(), end = start + o->seconds * NS_PER_S;
    uint64_t gap = o->rate ? NS_PER_S / o->rate : 0, due = start, t0, t;
    uint64_t overslept = 0;
    uint32_t len = htole32(o->bytes);
    struct series s = { 0 };
    struct dist rtt = { 0 };
    char *buf = NULL;
    int fd = -1, rc = -1, r = 1;

    if (inet_pton(AF_INET, o->host, &a.sin_addr) != 1) {
        errno = EINVAL;
        return fail(o->host);
    }
    buf = malloc(o->bytes);
    if (!buf || series_init(&s, o->seconds) || dist_init(&rtt, SAMPLES_MAX)) {
        fail("memory");
        goto out;
    }
    fd = connect_to(&a, end);
    if (fd < 0)
        goto out;

    while ((t0 = now_ns()) < end) {
        if (gap) {
            if (due > t0) {
                sleep_until_ns(due);
                t0 = now_ns();
                overslept = t0 - due;
            } else if (t0 - due < overslept) {
                overslept = t0 - due;
            }
            if (t0 - due > overslept + gap)
                due = t0 - overslept;
            due += gap;
        }
        r = write_all(fd, &len, sizeof(len), end);
        if (r > 0)
            r = read_all(fd, buf, o->bytes, end);
        if (r <= 0)
            break;
        t = now_ns();
        dist_add(&rtt, t - t0, t0 - start);
        series_add(&s, o->bytes, t - start);
    }
    if (r < 0) {
        fail("request");
        goto out;
    }

    printf("AVM-RESULT {\"mode\":\"%s\",\"seconds\":%u,\"rate\":%u,"
           "\"bytes_per_op\":%u,", o->mode, o->seconds, o->rate, o->bytes);
    series_print(&s);
    printf(",");
    dist_print(&rtt, "rtt_us");
    printf("}\n");
    rc = 0;

 out:
    if (fd >= 0)
        close(fd);
    dist_free(&rtt);
    series_free(&s);
    free(buf);

    return rc;
}
