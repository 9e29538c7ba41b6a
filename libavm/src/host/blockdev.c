/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blockdev: which disk is it in the end? A vbd may be a partition, a volume, or a
 * file behind a loop device; what is shared is the disk below, and whether by
 * weight is for that one's I/O scheduler (BFQ) or for iocost.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "edge.h"

/* Volumes on RAID on partitions on loop devices: nobody goes deeper. */
#define DEPTH_MAX 8

static bool device_dir(const char *sysroot, const struct avm_blockdev *b,
                       const char *more, char *dir, size_t size)
{
    return snprintf(dir, size, "%s/sys/dev/block/%u:%u%s", sysroot, b->major,
                    b->minor, more) < (int)size;
}

static bool read_dev(const char *dir, const char *name, struct avm_blockdev *b)
{
    char line[32];

    return avm_sysfs_line(dir, name, line, sizeof(line)) &&
           avm_parse_pair(line, ':', &b->major, &b->minor);
}

/* The first of those that it is made of: volumes rarely span disks. */
static bool first_slave(const char *dir, struct avm_blockdev *b)
{
    char path[512], slave[800];
    struct dirent *e;
    bool found = false;
    DIR *all;

    if (snprintf(path, sizeof(path), "%s/slaves", dir) >= (int)sizeof(path))
        return false;
    all = opendir(path);
    while (all && !found && (e = readdir(all))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(slave, sizeof(slave), "%s/%s", path, e->d_name);
        found = read_dev(slave, "dev", b);
    }
    if (all)
        closedir(all);
    return found;
}

/* The disk with the file system that a file is in; false: none, as of tmpfs. */
bool avm_blockdev_of_file(const char *sysroot, const char *file,
                          struct avm_blockdev *b)
{
    char path[512];
    struct stat st;
    dev_t dev;

    if (snprintf(path, sizeof(path), "%s%s", sysroot, file) >=
        (int)sizeof(path) || stat(path, &st))
        return false;
    dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
    if (!major(dev))
        return false;
    *b = (struct avm_blockdev){ major(dev), minor(dev) };
    return true;
}

static bool backing_disk(const char *sysroot, const char *dir,
                         struct avm_blockdev *b)
{
    char file[256];

    return avm_sysfs_line(dir, "loop/backing_file", file, sizeof(file)) &&
           avm_blockdev_of_file(sysroot, file, b);
}

static bool is_bfq(const char *dir)
{
    char line[128];

    return avm_sysfs_line(dir, "queue/scheduler", line, sizeof(line)) &&
           strstr(line, "[bfq]");
}

void avm_blockdev_whole(const char *sysroot, struct avm_blockdev *b)
{
    char dir[400];

    if (device_dir(sysroot, b, "/partition", dir, sizeof(dir)) &&
        !access(dir, F_OK) &&
        device_dir(sysroot, b, "/..", dir, sizeof(dir)))
        read_dev(dir, "dev", b);
}

void avm_blockdev_bottom(const char *sysroot, struct avm_blockdev *b)
{
    char dir[400];
    int depth;

    for (depth = 0; depth < DEPTH_MAX; depth++) {
        avm_blockdev_whole(sysroot, b);
        if (!device_dir(sysroot, b, "", dir, sizeof(dir)))
            return;
        /* One that divides by weight is where it is divided. */
        if (is_bfq(dir) ||
            (!first_slave(dir, b) && !backing_disk(sysroot, dir, b)))
            return;
    }
}

bool avm_blockdev_shares(const char *sysroot, const struct avm_blockdev *b)
{
    char path[400], line[256], name[32];
    bool enabled = false;
    FILE *f;

    if (!device_dir(sysroot, b, "", path, sizeof(path)))
        return false;
    if (is_bfq(path))
        return true;
    snprintf(path, sizeof(path), "%s" AVM_CGROUP "/io.cost.qos", sysroot);
    snprintf(name, sizeof(name), "%u:%u ", b->major, b->minor);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        enabled |= !strncmp(line, name, strlen(name)) &&
                   strstr(line, "enable=1");
    if (f)
        fclose(f);
    return enabled;
}
