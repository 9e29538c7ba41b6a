/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net: what went through the virtual network devices that have their back-end
 * here. The kernel tells the counters of all links at once (links.c), and
 * /sys/class/net/X/device/nodename, which is looked at when a link is new, says
 * whose X is, whatever its name.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge.h"

/* New links that a sample looks at; until all are known, none of them counts. */
#define LOOKS_PER_SAMPLE 128

/*
 * What dom0 receives on the device is what the guest sent. 'node' is another one
 * when the device is.
 */
static void add_link(const struct avm_link *l, uint64_t node,
                     struct avm_domain_sample *d)
{
    d->have |= AVM_HAVE_NET;
    d->net_devices += node;
    d->count.net_rx_bytes += l->tx_bytes;
    d->count.net_tx_bytes += l->rx_bytes;
    d->count.net_rx_packets += l->tx_packets;
    d->count.net_tx_packets += l->rx_packets;
    d->count.net_drops += l->rx_dropped + l->tx_dropped;
}

/* ------------------------------------------------------------------------ */
/* By netlink                                                               */

/* A new link may be of any domain that there is. */
static void all_late(struct avm_domain_sample *dom, size_t nr)
{
    size_t i;

    for (i = 0; i < nr; i++) {
        struct avm_counters *c = &dom[i].count;

        dom[i].late |= AVM_HAVE_NET;
        dom[i].have &= ~AVM_HAVE_NET;
        c->net_rx_bytes = c->net_tx_bytes = c->net_drops = 0;
        c->net_rx_packets = c->net_tx_packets = 0;
    }
}

/* False: it cannot be told yet. */
static bool whose(avm_handle *h, int net, uint32_t ifindex, struct avm_vif *v)
{
    char name[AVM_IFNAME];

    *v = (struct avm_vif){ .ifindex = ifindex, .domid = NO_DOMAIN };
    if (!h->ops->link_name(h->ctx, ifindex, name))
        return false;
    errno = 0;
    if (avm_vif_owner(net, name, &v->domid, &v->index))
        return true;
    v->domid = NO_DOMAIN;
    return !errno || errno == ENOENT || errno == ENOTDIR;
}

static int ifindex_cmp(const void *pa, const void *pb)
{
    const struct avm_link *a = pa, *b = pb;

    return a->ifindex < b->ifindex ? -1 : a->ifindex > b->ifindex;
}

static int read_links(avm_handle *h, int net, const struct avm_link *link,
                      size_t nr_links, struct avm_domain_sample *dom,
                      size_t nr)
{
    struct avm_vif *v = calloc(nr_links ? nr_links : 1, sizeof(*v));
    const struct avm_vif *old = h->vif, *end = h->vif + h->nr_vifs;
    struct avm_domain_sample *d;
    unsigned int looks = LOOKS_PER_SAMPLE;
    bool late = false;
    size_t i, n = 0;

    if (!v)
        return -1;
    for (i = 0; i < nr_links; i++) {
        if (i && link[i].ifindex == link[i - 1].ifindex)
            continue;
        while (old < end && old->ifindex < link[i].ifindex)
            old++;
        if (old < end && old->ifindex == link[i].ifindex) {
            v[n] = *old;
        } else {
            late |= !looks;
            if (!looks || !whose(h, net, link[i].ifindex, &v[n]))
                continue;
            looks--;
        }
        d = v[n].domid == NO_DOMAIN ? NULL :
            avm_domain_find(dom, nr, v[n].domid);
        if (d)
            add_link(&link[i], link[i].ifindex, d);
        n++;
    }
    if (late)
        all_late(dom, nr);
    free(h->vif);
    h->vif = v;
    h->nr_vifs = n;
    h->links_known = true;
    return 0;
}

/* ------------------------------------------------------------------------ */
/* By /sys                                                                  */

static void read_device(int net, const char *name, uint64_t node,
                        struct avm_domain_sample *dom, size_t nr)
{
    char stats[300];
    struct avm_domain_sample *d;
    uint32_t domid, index;
    struct avm_link l;
    int dir;

    if (!avm_vif_owner(net, name, &domid, &index))
        return;
    d = avm_domain_find(dom, nr, domid);
    if (!d || snprintf(stats, sizeof(stats), "%s/statistics", name) >=
              (int)sizeof(stats))
        return;
    dir = avm_sysfs_open(net, stats);
    if (dir < 0)
        return;
    /* All or nothing: the device may go while we read. */
    if (avm_sysfs_u64(dir, "rx_bytes", &l.rx_bytes) &&
        avm_sysfs_u64(dir, "tx_bytes", &l.tx_bytes) &&
        avm_sysfs_u64(dir, "rx_packets", &l.rx_packets) &&
        avm_sysfs_u64(dir, "tx_packets", &l.tx_packets) &&
        avm_sysfs_u64(dir, "rx_dropped", &l.rx_dropped) &&
        avm_sysfs_u64(dir, "tx_dropped", &l.tx_dropped))
        add_link(&l, node, d);
    close(dir);
}

int avm_net_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    struct avm_link *link = NULL;
    size_t nr_links = 0;
    char base[256];
    struct dirent *e;
    int rc = 0;
    DIR *all;

    all = avm_sysfs_dir(h->sysroot, "/sys/class/net", base, sizeof(base));
    if (!all)
        return errno == ENOENT ? 0 : -1;
    if (h->ops->links && !h->ops->links(h->ctx, &link, &nr_links)) {
        if (nr_links)
            qsort(link, nr_links, sizeof(*link), ifindex_cmp);
        rc = read_links(h, dirfd(all), link, nr_links, dom, nr);
    } else if (h->ops->links && errno != ENOTSUP) {
        rc = -1;
    } else {
        while ((e = readdir(all)))
            if (e->d_name[0] != '.')
                read_device(dirfd(all), e->d_name, e->d_ino, dom, nr);
    }
    free(link);
    closedir(all);
    return rc;
}
