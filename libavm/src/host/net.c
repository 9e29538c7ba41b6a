/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net: what went through the virtual network devices that have their back-end
 * here. /sys/class/net/X/device/nodename says whose X is, whatever its name.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edge.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

bool avm_vif_owner(const char *dir, const char *name, char *nodename,
                   size_t size, uint32_t *domid, uint32_t *index)
{
    static const char prefix[] = "backend/vif/";

    /* The emulated twin of a vif: the same traffic, or none. */
    return !ends_with(name, "-emu") &&
           avm_sysfs_line(dir, "device/nodename", nodename, size) &&
           !strncmp(nodename, prefix, sizeof(prefix) - 1) &&
           avm_parse_pair(nodename + sizeof(prefix) - 1, '/', domid, index);
}

/* 'node' is another one when the device is. */
static void add_device(const char *dir, const char *name, uint64_t node,
                       struct avm_domain_sample *dom, size_t nr)
{
    char nodename[64], stats[512];
    uint64_t rx, tx, rx_p, tx_p, rx_d, tx_d;
    uint32_t domid, index;
    struct avm_domain_sample *d;

    if (!avm_vif_owner(dir, name, nodename, sizeof(nodename), &domid, &index))
        return;
    d = avm_domain_find(dom, nr, domid);
    if (!d ||
        snprintf(stats, sizeof(stats), "%s/statistics", dir) >=
        (int)sizeof(stats))
        return;
    /* All or nothing: the device may go while we read. */
    if (!avm_sysfs_u64(stats, "rx_bytes", &rx) ||
        !avm_sysfs_u64(stats, "tx_bytes", &tx) ||
        !avm_sysfs_u64(stats, "rx_packets", &rx_p) ||
        !avm_sysfs_u64(stats, "tx_packets", &tx_p) ||
        !avm_sysfs_u64(stats, "rx_dropped", &rx_d) ||
        !avm_sysfs_u64(stats, "tx_dropped", &tx_d))
        return;

    /* What dom0 receives on the device is what the guest sent. */
    d->have |= AVM_HAVE_NET;
    d->net_devices += node;
    d->count.net_rx_bytes += tx;
    d->count.net_tx_bytes += rx;
    d->count.net_rx_packets += tx_p;
    d->count.net_tx_packets += rx_p;
    d->count.net_drops += rx_d + tx_d;
}

int avm_net_read(const char *sysroot, struct avm_domain_sample *dom, size_t nr)
{
    char base[256], dir[512];
    struct dirent *e;
    DIR *all;

    all = avm_sysfs_dir(sysroot, "/sys/class/net", base, sizeof(base));
    if (!all)
        return errno == ENOENT ? 0 : -1;
    while ((e = readdir(all))) {
        if (e->d_name[0] == '.')
            continue;
        if (snprintf(dir, sizeof(dir), "%s/%s", base, e->d_name) <
            (int)sizeof(dir))
            add_device(dir, e->d_name, e->d_ino, dom, nr);
    }
    closedir(all);
    return 0;
}
