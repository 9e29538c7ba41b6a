/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk: what went through the virtual disks that blkback serves here. It resets
 * its request counters every 10 s when its log_stats parameter is on; monitor
 * sees to that.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edge.h"

/* blkback counts in these, whatever the disk's own sector size is. */
#define SECTOR 512

/* 'node' is another one when the device is. */
static void add_device(const char *dir, uint64_t node,
                       struct avm_domain_sample *d)
{
    uint64_t rd, wr, oo, rd_s, wr_s;
    char stats[512];

    if (snprintf(stats, sizeof(stats), "%s/statistics", dir) >=
        (int)sizeof(stats))
        return;
    if (!avm_sysfs_u64(stats, "rd_req", &rd) ||
        !avm_sysfs_u64(stats, "wr_req", &wr) ||
        !avm_sysfs_u64(stats, "oo_req", &oo) ||
        !avm_sysfs_u64(stats, "rd_sect", &rd_s) ||
        !avm_sysfs_u64(stats, "wr_sect", &wr_s))
        return;

    d->have |= AVM_HAVE_DISK;
    d->disk_devices += node;
    d->count.disk_rd_reqs += rd;
    d->count.disk_wr_reqs += wr;
    d->count.disk_oo_reqs += oo;
    d->count.disk_rd_bytes += rd_s * SECTOR;
    d->count.disk_wr_bytes += wr_s * SECTOR;
}

bool avm_vbd_owner(const char *name, uint32_t *domid, uint32_t *device)
{
    static const char prefix[] = "vbd-";

    return !strncmp(name, prefix, sizeof(prefix) - 1) &&
           avm_parse_pair(name + sizeof(prefix) - 1, '-', domid, device);
}

int avm_disk_read(const char *sysroot, struct avm_domain_sample *dom, size_t nr)
{
    char base[256], dir[512];
    struct dirent *e;
    DIR *all;

    all = avm_sysfs_dir(sysroot, AVM_BACKENDS, base, sizeof(base));
    if (!all)
        return errno == ENOENT ? 0 : -1;
    while ((e = readdir(all))) {
        struct avm_domain_sample *d;
        uint32_t domid, device;

        if (!avm_vbd_owner(e->d_name, &domid, &device))
            continue;
        d = avm_domain_find(dom, nr, domid);
        if (d && snprintf(dir, sizeof(dir), "%s/%s", base, e->d_name) <
                 (int)sizeof(dir))
            add_device(dir, e->d_ino, d);
    }
    closedir(all);
    return 0;
}
