/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sampler SECONDS INTERVAL_MS DOMID...
 *
 * Runs in dom0, beside a scenario: what each domain used, one JSON line per
 * interval on stdout.  Independent of libavm on purpose (it judges its work),
 * and cheap, so that it costs the same with and without an agent.
 *
 *   {"ts_ns":N,"domains":[{"domid":N,"cpu_ns":N,"net_rx":N,"net_tx":N,
 *                          "disk_rd":N,"disk_wr":N}]}
 *
 * ts_ns is CLOCK_REALTIME; the rest counts from the start of the domain, in
 * nanoseconds and bytes.  net_rx and net_tx are the back end's: what it
 * received is what the guest sent.  Domain 0 is always among the domains.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xencall.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/sysctl.h>

#define DOMAINS_MAX 64
#define SECTOR_BYTES 512

struct sampler {
    xencall_handle *xcall;
    struct xen_sysctl *sysctl;              /* hypercall buffers */
    struct xen_domctl_getdomaininfo *info;
};

static int sampler_open(struct sampler *s)
{
    s->xcall = xencall_open(NULL, 0);
    if (!s->xcall) {
        fprintf(stderr, "sampler: no access to Xen: %s\n", strerror(errno));
        return -1;
    }
    s->sysctl = xencall_alloc_buffer(s->xcall, sizeof(*s->sysctl));
    s->info = xencall_alloc_buffer(s->xcall, DOMAINS_MAX * sizeof(*s->info));
    if (!s->sysctl || !s->info) {
        fprintf(stderr, "sampler: no memory for hypercalls\n");
        return -1;
    }

    return 0;
}

/* Returns how many domains there are in s->info, or -1. */
static int read_domains(struct sampler *s)
{
    memset(s->sysctl, 0, sizeof(*s->sysctl));
    s->sysctl->cmd = XEN_SYSCTL_getdomaininfolist;
    s->sysctl->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    s->sysctl->u.getdomaininfolist.first_domain = 0;
    s->sysctl->u.getdomaininfolist.max_domains = DOMAINS_MAX;
    set_xen_guest_handle(s->sysctl->u.getdomaininfolist.buffer, s->info);

    if (xencall1(s->xcall, __HYPERVISOR_sysctl, (uintptr_t)s->sysctl)) {
        fprintf(stderr, "sampler: cannot list domains: %s\n", strerror(errno));
        return -1;
    }

    return s->sysctl->u.getdomaininfolist.num_domains;
}

/* A counter from sysfs, or 0 when the device does not exist. */
static unsigned long long read_counter(const char *path)
{
    char text[32];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';

    return strtoull(text, NULL, 10);
}

static unsigned long long net_bytes(unsigned int domid, const char *what)
{
    char path[96];

    snprintf(path, sizeof(path), "/sys/class/net/vif%u.0/statistics/%s",
             domid, what);

    return read_counter(path);
}

static unsigned long long disk_bytes(unsigned int domid, const char *what)
{
    char path[96];

    /* 51712 is xvda. */
    snprintf(path, sizeof(path),
             "/sys/bus/xen-backend/devices/vbd-%u-51712/statistics/%s",
             domid, what);

    return SECTOR_BYTES * read_counter(path);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);

    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int sample(struct sampler *s, const unsigned int *wanted, int count)
{
    uint64_t ts = clock_ns(CLOCK_REALTIME);
    int n = read_domains(s), i, j;
    const char *sep = "";

    if (n < 0)
        return -1;

    printf("{\"ts_ns\":%llu,\"domains\":[", (unsigned long long)ts);
    for (i = 0; i < n; i++) {
        unsigned int domid = s->info[i].domain;

        for (j = 0; j < count && wanted[j] != domid; j++)
            ;
        if (j == count)
            continue;
        printf("%s{\"domid\":%u,\"cpu_ns\":%llu", sep, domid,
               (unsigned long long)s->info[i].cpu_time);
        if (domid)
            printf(",\"net_rx\":%llu,\"net_tx\":%llu"
                   ",\"disk_rd\":%llu,\"disk_wr\":%llu",
                   net_bytes(domid, "rx_bytes"), net_bytes(domid, "tx_bytes"),
                   disk_bytes(domid, "rd_sect"), disk_bytes(domid, "wr_sect"));
        printf("}");
        sep = ",";
    }
    printf("]}\n");

    return 0;
}

static int number(const char *text, unsigned long max, unsigned int *value)
{
    char *end;
    unsigned long v;

    errno = 0;
    v = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || v > max) {
        fprintf(stderr, "sampler: \"%s\" is not a number up to %lu\n",
                text, max);
        return -1;
    }
    *value = v;

    return 0;
}

int main(int argc, char **argv)
{
    unsigned int seconds, interval_ms, wanted[DOMAINS_MAX] = { 0 }, k, rounds;
    struct sampler s = { 0 };
    uint64_t start, due;
    int count = 1, i;

    if (argc < 4 || argc > DOMAINS_MAX) {
        fprintf(stderr, "usage: sampler SECONDS INTERVAL_MS DOMID...\n");
        return 2;
    }
    if (number(argv[1], 86400, &seconds) || number(argv[2], 60000, &interval_ms))
        return 2;
    if (!interval_ms) {
        fprintf(stderr, "sampler: the interval must be at least 1 ms\n");
        return 2;
    }
    for (i = 3; i < argc; i++)
        if (number(argv[i], 0x7fef, &wanted[count++]))
            return 2;
    if (sampler_open(&s))
        return 1;

    start = clock_ns(CLOCK_MONOTONIC);
    rounds = seconds * 1000ULL / interval_ms;
    for (k = 0; k <= rounds; k++) {
        struct timespec ts;

        due = start + k * (interval_ms * 1000000ULL);
        ts.tv_sec = due / 1000000000ULL;
        ts.tv_nsec = due % 1000000000ULL;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
            ;
        if (sample(&s, wanted, count))
            return 1;
    }
    xencall_close(s.xcall);

    return 0;
}
