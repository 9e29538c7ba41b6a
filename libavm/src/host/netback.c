/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netback: how much a guest may send, by the key "rate" of its vifs' back-ends,
 * "bytes,microseconds". netback watches it and gives each of its queues that much
 * credit; how many queues there are is for the guest to say, so what is meant for
 * the domain is divided among all queues of all of its vifs.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

/* What xl takes for an interval, too. */
#define INTERVAL_US 50000u

/* One packet of the largest size has to fit into the credit of an interval. */
#define CREDIT_MIN 65536u

/* An interval for less than this would be longer than netback's timer takes. */
#define QUEUE_MIN_BPS 1024u

#define VIFS_MAX 64

struct vif {
    char nodename[64];
    unsigned int queues;
};

static unsigned int count_queues(const char *dir)
{
    char path[512];
    unsigned int nr = 0;
    struct dirent *e;
    DIR *queues;

    if (snprintf(path, sizeof(path), "%s/queues", dir) >= (int)sizeof(path))
        return 1;
    queues = opendir(path);
    if (!queues)
        return 1;
    while ((e = readdir(queues)))
        nr += !strncmp(e->d_name, "tx-", 3);
    closedir(queues);
    return nr ? nr : 1;
}

/* The vifs of a domain. */
struct found {
    struct vif vif[VIFS_MAX];
    int nr;
};

static bool add_vif(avm_handle *h, const struct avm_vif *v, const char *name,
                    void *arg)
{
    struct found *f = arg;
    struct vif *to = &f->vif[f->nr];
    char known[AVM_IFNAME], dir[512];

    if (!name && h->ops->link_name(h->ctx, v->ifindex, known))
        name = known;
    if (!name || snprintf(dir, sizeof(dir), "%s/sys/class/net/%s", h->sysroot,
                          name) >= (int)sizeof(dir))
        return true;
    snprintf(to->nodename, sizeof(to->nodename), "backend/vif/%u/%u", v->domid,
             v->index);
    to->queues = count_queues(dir);
    return ++f->nr < VIFS_MAX;
}

/* "bytes,microseconds" of one queue, in bytes per second; 0: no limit. */
static uint64_t parse_rate(const char *rate)
{
    uint32_t bytes, us;

    if (!rate || !avm_parse_pair(rate, ',', &bytes, &us) || !us)
        return 0;
    return (uint64_t)bytes * 1000000 / us;
}

static int rate_path(const struct vif *vif, char *path, size_t size)
{
    return snprintf(path, size, "%s/rate", vif->nodename) < (int)size ? 0 : -1;
}

/* Of each of its queues, 0: none. */
static uint64_t rate_of(avm_handle *h, const struct vif *vif)
{
    char path[80], *rate;
    uint64_t bps;

    if (rate_path(vif, path, sizeof(path)))
        return 0;
    rate = h->ops->store_read(h->ctx, 0, path);
    bps = parse_rate(rate);
    free(rate);
    return bps;
}

int avm_netback_get(avm_handle *h, uint32_t domid, uint64_t *bps)
{
    struct found f = { .nr = 0 };
    uint64_t sum = 0, one;
    int i;

    *bps = 0;
    if (avm_vifs_each(h, domid, add_vif, &f))
        return -1;
    for (i = 0; i < f.nr && h->ops->store_begin; i++) {
        one = rate_of(h, &f.vif[i]);
        /* One without a limit makes the limit of the others none. */
        if (!one)
            return 0;
        sum += one * f.vif[i].queues;
    }
    *bps = sum;
    return 0;
}

static int set_one(avm_handle *h, const struct vif *vif, uint64_t queue_bps)
{
    uint64_t bytes = queue_bps * INTERVAL_US / 1000000, us = INTERVAL_US;
    char path[80], rate[48];

    if (rate_path(vif, path, sizeof(path))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (!queue_bps) {
        if (h->ops->store_rm(h->ctx, 0, path) && errno != ENOENT)
            return -1;
        return 0;
    }
    if (bytes < CREDIT_MIN) {
        bytes = CREDIT_MIN;
        us = bytes * 1000000 / queue_bps;
    }
    snprintf(rate, sizeof(rate), "%" PRIu64 ",%" PRIu64, bytes, us);
    return h->ops->store_write(h->ctx, 0, path, rate);
}

int avm_netback_set(avm_handle *h, uint32_t domid, uint64_t bps)
{
    struct found f = { .nr = 0 };
    unsigned int queues = 0;
    int i;

    if (avm_vifs_each(h, domid, add_vif, &f))
        return -1;
    /* What has gone took its limit with it. */
    if (!f.nr && !bps)
        return 0;
    if (!f.nr || !h->ops->store_begin) {
        avm_error(h, "domain %u has no vif with its back-end here", domid);
        errno = ENOTSUP;
        return -1;
    }
    for (i = 0; i < f.nr; i++)
        queues += f.vif[i].queues;
    /* What does not fit into 32 bits of bytes each interval is no limit. */
    if (bps && (bps / queues < QUEUE_MIN_BPS ||
                bps / queues > UINT32_MAX * (1000000ull / INTERVAL_US))) {
        avm_error(h, "domain %u: %" PRIu64 " bytes/s is no rate for %u queues",
                  domid, bps, queues);
        errno = EINVAL;
        return -1;
    }
    for (i = 0; i < f.nr; i++)
        if (set_one(h, &f.vif[i], bps / queues)) {
            avm_error(h, "rate of %s: %s", f.vif[i].nodename, strerror(errno));
            return -1;
        }
    return 0;
}

void avm_netback_tend(avm_handle *h, uint32_t domid, uint64_t wrote_bps)
{
    struct found f = { .nr = 0 };
    uint64_t rate[VIFS_MAX];
    unsigned int queues = 0;
    bool missing = false;
    int i;

    if (avm_vifs_each(h, domid, add_vif, &f))
        return;
    for (i = 0; i < f.nr; i++) {
        rate[i] = rate_of(h, &f.vif[i]);
        queues += f.vif[i].queues;
        missing |= !rate[i];
    }
    for (i = 0; i < f.nr && missing; i++)
        if (rate[i] && avm_knob_same(AVM_KNOB_NET_OUT, rate[i] * queues,
                                     wrote_bps))
            set_one(h, &f.vif[i], 0);
}
