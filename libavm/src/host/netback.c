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

/* The vifs of a domain, as the sample that is being taken knows them. */
static int known_vifs(avm_handle *h, uint32_t domid, struct vif *vif)
{
    char name[AVM_IFNAME], dir[512];
    size_t i;
    int nr = 0;

    for (i = 0; i < h->nr_vifs && nr < VIFS_MAX; i++) {
        const struct avm_vif *v = &h->vif[i];

        if (v->domid != domid || !h->ops->link_name(h->ctx, v->ifindex, name) ||
            snprintf(dir, sizeof(dir), "%s/sys/class/net/%s", h->sysroot,
                     name) >= (int)sizeof(dir))
            continue;
        snprintf(vif[nr].nodename, sizeof(vif[nr].nodename),
                 "backend/vif/%u/%u", v->domid, v->index);
        vif[nr++].queues = count_queues(dir);
    }
    return nr;
}

/* The vifs of a domain with their back-end here. -1: /sys cannot be read. */
static int find_vifs(avm_handle *h, uint32_t domid, struct vif *vif)
{
    char base[256], dir[512];
    uint32_t owner, index;
    struct dirent *e;
    int nr = 0;
    DIR *all;

    if (h->in_sample && h->links_known)
        return known_vifs(h, domid, vif);
    all = avm_sysfs_dir(h->sysroot, "/sys/class/net", base, sizeof(base));
    if (!all)
        return errno == ENOENT ? 0 : -1;
    while (nr < VIFS_MAX && (e = readdir(all))) {
        if (e->d_name[0] == '.' ||
            snprintf(dir, sizeof(dir), "%s/%s", base, e->d_name) >=
            (int)sizeof(dir) ||
            !avm_vif_owner(dirfd(all), e->d_name, vif[nr].nodename,
                           sizeof(vif[nr].nodename), &owner, &index) ||
            owner != domid)
            continue;
        vif[nr++].queues = count_queues(dir);
    }
    closedir(all);
    return nr;
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

int avm_netback_get(avm_handle *h, uint32_t domid, uint64_t *bps)
{
    struct vif vif[VIFS_MAX];
    int nr = find_vifs(h, domid, vif), i;
    char path[80], *rate;
    uint64_t sum = 0, one;

    *bps = 0;
    if (nr < 0)
        return -1;
    for (i = 0; i < nr && h->ops->store_begin; i++) {
        if (rate_path(&vif[i], path, sizeof(path)))
            return 0;
        rate = h->ops->store_read(h->ctx, 0, path);
        one = parse_rate(rate);
        free(rate);
        /* One without a limit makes the limit of the others none. */
        if (!one)
            return 0;
        sum += one * vif[i].queues;
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
    struct vif vif[VIFS_MAX];
    int nr = find_vifs(h, domid, vif), i;
    unsigned int queues = 0;

    if (nr < 0)
        return -1;
    if (!nr || !h->ops->store_begin) {
        avm_error(h, "domain %u has no vif with its back-end here", domid);
        errno = ENOTSUP;
        return -1;
    }
    for (i = 0; i < nr; i++)
        queues += vif[i].queues;
    /* What does not fit into 32 bits of bytes each interval is no limit. */
    if (bps && (bps / queues < QUEUE_MIN_BPS ||
                bps / queues > UINT32_MAX * (1000000ull / INTERVAL_US))) {
        avm_error(h, "domain %u: %" PRIu64 " bytes/s is no rate for %u queues",
                  domid, bps, queues);
        errno = EINVAL;
        return -1;
    }
    for (i = 0; i < nr; i++)
        if (set_one(h, &vif[i], bps / queues)) {
            avm_error(h, "rate of %s: %s", vif[i].nodename, strerror(errno));
            return -1;
        }
    return 0;
}
