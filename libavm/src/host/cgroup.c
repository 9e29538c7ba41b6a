/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup: how much blkback may read and write for a guest. Each ring of a vbd has
 * a kernel thread, "DOMID.DEVICE-RING"; those of a domain are put into a group of
 * their own, avm/avm-DOMID, with the QEMU that serves disks of it (qdisk), unless
 * somebody else has put that into a group. io.max of that group limits what they submit to the
 * disks behind the vbds, and io.weight or io.bfq.weight says what part of a disk is
 * theirs if others want it, too. A domain without a limit and with the share of
 * everybody else has no group.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "edge.h"

#define THREADS_MAX 256
#define DISKS_MAX   64

/* Samples that share a list of threads. */
#define THREADS_GOOD_FOR 16

/* Parent of all kernel threads. */
#define KTHREADD 2

static int write_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    int fd, saved_errno;
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = write(fd, text, strlen(text));
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return n < 0 ? -1 : 0;
}

/*
 * Not below avmd's service: its group must be able to hold avmd, which one whose
 * children have controllers cannot, and the threads outlive avmd.
 */
#define ROOT AVM_CGROUP

/* False: no cgroup v2 here. */
static bool group_dir(avm_handle *h, uint32_t domid, char *dir, size_t size)
{
    char path[512];

    return snprintf(path, sizeof(path), "%s" ROOT "/cgroup.controllers",
                    h->sysroot) < (int)sizeof(path) &&
           !access(path, F_OK) &&
           snprintf(dir, size, "%s" ROOT "/avm/avm-%u", h->sysroot, domid) <
           (int)size;
}

/* 'dir' and what is above it, down to which io has to be passed on. */
static int make_group(avm_handle *h, const char *dir)
{
    char root[300], above[310];

    snprintf(root, sizeof(root), "%s" ROOT, h->sysroot);
    snprintf(above, sizeof(above), "%s/avm", root);
    if ((mkdir(above, 0755) && errno != EEXIST) ||
        write_file(root, "cgroup.subtree_control", "+io") ||
        write_file(above, "cgroup.subtree_control", "+io"))
        return -1;
    return mkdir(dir, 0755) && errno != EEXIST ? -1 : 0;
}

/*
 * The disk is one more, unless it is among the 'nr' already: all of it, as io.max
 * takes no partitions. Returns how many.
 */
static int add_disk(avm_handle *h, struct avm_blockdev *disk, int nr,
                    uint32_t major, uint32_t minor)
{
    int i;

    disk[nr] = (struct avm_blockdev){ major, minor };
    avm_blockdev_whole(h->sysroot, &disk[nr]);
    for (i = 0; i < nr; i++)
        if (disk[i].major == disk[nr].major && disk[i].minor == disk[nr].minor)
            return nr;
    return nr + 1;
}

/*
 * Who serves the domain: as the sample knows it, or as it is now. False: not
 * known.
 */
static bool devices_of(avm_handle *h, uint32_t domid, struct avm_devices *d)
{
    size_t i;

    if (!h->in_sample)
        return avm_devices_look(h, domid, d);
    for (i = 0; i < h->nr_entries; i++)
        if (h->entry[i].domid == domid && h->entry[i].dev_known) {
            *d = h->entry[i].dev;
            return true;
        }
    return false;
}

/* Its QEMU, if that serves disks. 0: there is none. */
static int qemu_of(avm_handle *h, uint32_t domid, struct avm_devices *d)
{
    return devices_of(h, domid, d) && d->qdisk ? d->pid : 0;
}

/* Those of a QEMU, too. */
static int add_qdisks(avm_handle *h, uint32_t domid, struct avm_blockdev *disk,
                      int nr)
{
    struct avm_devices d;
    unsigned int i;

    if (!qemu_of(h, domid, &d))
        return nr;
    for (i = 0; i < d.nr_disks && nr < DISKS_MAX; i++)
        nr = add_disk(h, disk, nr, d.disk[i].major, d.disk[i].minor);
    return nr;
}

/* As find_disks(), from what the sample that is being taken knows. */
static int known_disks(avm_handle *h, uint32_t domid, struct avm_blockdev *disk)
{
    size_t i;
    int nr = 0;

    for (i = 0; i < h->nr_vbds && nr < DISKS_MAX; i++)
        if (h->vbd[i].domid == domid && (h->vbd[i].major || h->vbd[i].minor))
            nr = add_disk(h, disk, nr, h->vbd[i].major, h->vbd[i].minor);
    return add_qdisks(h, domid, disk, nr);
}

/* Whole disks behind the domain's vbds, each once. */
static int find_disks(avm_handle *h, uint32_t domid, struct avm_blockdev *disk)
{
    char base[256], dir[512], line[32];
    unsigned int major, minor;
    uint32_t owner, device;
    struct dirent *e;
    int nr = 0;
    DIR *all;

    if (h->in_sample)
        return known_disks(h, domid, disk);
    all = avm_sysfs_dir(h->sysroot, AVM_BACKENDS, base, sizeof(base));
    if (!all && errno != ENOENT)
        return -1;
    while (all && nr < DISKS_MAX && (e = readdir(all))) {
        if (!avm_vbd_owner(e->d_name, &owner, &device) ||
            owner != domid ||
            snprintf(dir, sizeof(dir), "%s/%s", base, e->d_name) >=
            (int)sizeof(dir) ||
            !avm_sysfs_line(dir, "physical_device", line, sizeof(line)) ||
            sscanf(line, "%x:%x", &major, &minor) != 2)
            continue;
        nr = add_disk(h, disk, nr, major, minor);
    }
    if (all)
        closedir(all);
    return add_qdisks(h, domid, disk, nr);
}

/* Any process may call itself so: a thread of the kernel has its parent. */
static bool is_kthread(const char *dir)
{
    char stat[512];
    const char *p;
    int parent;

    if (!avm_sysfs_line(dir, "stat", stat, sizeof(stat)))
        return false;
    p = strrchr(stat, ')');
    return p && sscanf(p, ") %*c %d", &parent) == 1 && parent == KTHREADD;
}

/* "12.xvda-0" or, with one ring, "12.xvda" is of domain 12. */
static bool thread_owner(const char *comm, uint32_t *domid)
{
    unsigned long v;
    char *end;

    if (!isdigit((unsigned char)*comm))
        return false;
    v = strtoul(comm, &end, 10);
    *domid = (uint32_t)v;
    return *end == '.' && v < NO_DOMAIN;
}

/*
 * Threads of blkback: those of 'domid', or with NO_DOMAIN all of them, go to
 * h->thread.
 */
static int list_threads(avm_handle *h, uint32_t domid)
{
    char proc[256], dir[512], comm[32];
    struct avm_thread *more;
    struct dirent *e;
    size_t room = 0;
    uint32_t owner;
    DIR *all;

    h->nr_threads = 0;
    all = avm_sysfs_dir(h->sysroot, "/proc", proc, sizeof(proc));
    if (!all)
        return errno == ENOENT ? 0 : -1;
    while ((e = readdir(all))) {
        if (!isdigit((unsigned char)e->d_name[0]) ||
            snprintf(dir, sizeof(dir), "%s/%s", proc, e->d_name) >=
            (int)sizeof(dir) ||
            !avm_sysfs_line(dir, "comm", comm, sizeof(comm)) ||
            !thread_owner(comm, &owner) ||
            (domid != NO_DOMAIN && domid != owner) || !is_kthread(dir))
            continue;
        if (h->nr_threads == room) {
            room = room ? 2 * room : 64;
            more = realloc(h->thread, room * sizeof(*more));
            if (!more) {
                closedir(all);
                return -1;
            }
            h->thread = more;
        }
        h->thread[h->nr_threads++] = (struct avm_thread){ owner,
                                                          atoi(e->d_name) };
    }
    closedir(all);
    return 0;
}

/*
 * A walk through /proc takes long where there are many domains, so samples share
 * one: a thread that ended meanwhile is seen as missing in its group.
 */
static int find_threads(avm_handle *h, uint32_t domid, int *pid)
{
    size_t i;
    int nr = 0;

    if (!h->in_sample || !h->threads_left) {
        h->threads_left = 0;
        if (list_threads(h, h->in_sample ? NO_DOMAIN : domid))
            return -1;
        if (h->in_sample)
            h->threads_left = THREADS_GOOD_FOR;
    }
    for (i = 0; i < h->nr_threads && nr < THREADS_MAX; i++)
        if (h->thread[i].domid == domid)
            pid[nr++] = h->thread[i].pid;
    return nr;
}

/* ------------------------------------------------------------------------ */
/* A QEMU                                                                   */

/* Where it was before, so that it goes back there whoever does that. */
#define CAME_FROM "user.avm.from"

/* The group of a process, "/..." */
static bool group_of(avm_handle *h, int pid, char *group, size_t size)
{
    char path[300], line[512];
    bool found = false;
    FILE *f;

    if (snprintf(path, sizeof(path), "%s/proc/%d/cgroup", h->sysroot, pid) >=
        (int)sizeof(path))
        return false;
    f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        found = !strncmp(line, "0::/", 4) && strlen(line + 3) < size;
    }
    if (f)
        fclose(f);
    if (found)
        strcpy(group, line + 3);
    return found;
}

static bool begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/*
 * Where a QEMU is because who started it was there: a service of Xen's (as
 * xendomains), or the session of who said "xl create". Any other group somebody
 * made for it, or for what it belongs to.
 */
static bool is_nobodys(const char *group)
{
    static const char service[] = "/system.slice/xen", sessions[] =
        "/user.slice/user-";
    const char *last = strrchr(group, '/') + 1;

    if (strstr(group, "/../") || !strcmp(last, ".."))
        return false;
    if (!strcmp(group, "/"))
        return true;
    if (begins(group, service))
        return last == group + strlen("/system.slice/");
    return begins(group, sessions) && begins(last, "session-");
}

static bool is_ours(uint32_t domid, const char *group)
{
    char ours[32];

    snprintf(ours, sizeof(ours), "/avm/avm-%u", domid);
    return !strcmp(group, ours);
}

bool avm_qemu_elsewhere(avm_handle *h, uint32_t domid)
{
    struct avm_devices d;
    char group[256];
    int pid = qemu_of(h, domid, &d);

    return pid && group_of(h, pid, group, sizeof(group)) &&
           !is_ours(domid, group) && !is_nobodys(group);
}

/* Into the group of the domain. -1: said in the handle. */
static int take_qemu(avm_handle *h, uint32_t domid, const char *dir)
{
    struct avm_devices d;
    char group[256], text[32];
    int pid = qemu_of(h, domid, &d);

    /* One that ended needs no limit. */
    if (!pid || !group_of(h, pid, group, sizeof(group)) ||
        is_ours(domid, group))
        return 0;
    /* A file system without attributes: it goes back to the root. */
    setxattr(dir, CAME_FROM, group, strlen(group), 0);
    snprintf(text, sizeof(text), "%d", pid);
    if (write_file(dir, "cgroup.procs", text) && errno != ESRCH) {
        avm_error(h, "QEMU %d of domain %u: %s", pid, domid, strerror(errno));
        return -1;
    }
    return 0;
}

/* cgroup.procs of where it came from, or of the root, which takes anything. */
static int give_back(avm_handle *h, const char *dir, int pid)
{
    char group[256], from[600], root[300], text[32];
    ssize_t n = getxattr(dir, CAME_FROM, group, sizeof(group) - 1);

    snprintf(text, sizeof(text), "%d", pid);
    group[n > 0 ? n : 0] = '\0';
    if (group[0] == '/' && is_nobodys(group) &&
        snprintf(from, sizeof(from), "%s" ROOT "%s", h->sysroot, group) <
        (int)sizeof(from) && !write_file(from, "cgroup.procs", text))
        return 0;
    snprintf(root, sizeof(root), "%s" ROOT, h->sysroot);
    return write_file(root, "cgroup.procs", text) && errno != ESRCH ? -1 : 0;
}

/* All processes of the group that are none of the kernel's. */
static int give_all_back(avm_handle *h, const char *dir)
{
    char path[560], line[32], proc[300];
    int rc = 0, pid;
    FILE *f;

    snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        pid = atoi(line);
        if (pid > 0 && snprintf(proc, sizeof(proc), "%s/proc/%d", h->sysroot,
                                pid) < (int)sizeof(proc) && !is_kthread(proc))
            rc |= give_back(h, dir, pid);
    }
    if (f)
        fclose(f);
    return rc;
}

/* ------------------------------------------------------------------------ */
/* The group                                                                */

/* Threads and the QEMU of a domain, as find_threads(). */
static int find_all(avm_handle *h, uint32_t domid, int *pid)
{
    int nr = find_threads(h, domid, pid);
    struct avm_devices d;

    if (nr >= 0 && nr < THREADS_MAX) {
        pid[nr] = qemu_of(h, domid, &d);
        nr += pid[nr] > 0;
    }
    return nr;
}

/* Are all of the domain's threads in its group? */
static bool all_inside(const char *dir, const int *pid, int nr)
{
    char path[560], line[32];
    int inside = 0, i;
    FILE *f;

    snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    f = fopen(path, "re");
    if (!f)
        return false;
    while (fgets(line, sizeof(line), f))
        for (i = 0; i < nr; i++)
            inside += atoi(line) == pid[i];
    fclose(f);
    return inside == nr;
}

/* The limit of a disk by the lines of io.max; 0: none. */
static uint64_t limit_of(const char *dir, const struct avm_blockdev *disk)
{
    char path[560], line[256], name[32];
    uint64_t limit = 0;
    const char *p;
    FILE *f;

    snprintf(path, sizeof(path), "%s/io.max", dir);
    snprintf(name, sizeof(name), "%u:%u ", disk->major, disk->minor);
    f = fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, name, strlen(name)))
            continue;
        p = strstr(line, "rbps=");
        if (p && isdigit((unsigned char)p[5]))
            limit = strtoull(p + 5, NULL, 10);
    }
    fclose(f);
    return limit;
}

/* iocost's and BFQ's; the latter's is there as soon as some disk uses BFQ. */
static const struct weight_file {
    const char *name;
    uint32_t max;
} weight_file[] = { { "io.bfq.weight", 1000 }, { "io.weight", 10000 } };

#define NR_WEIGHT_FILES (sizeof(weight_file) / sizeof(weight_file[0]))

/* "default 100", or of old kernels just the number. */
static uint32_t read_weight(const char *dir)
{
    char line[64];
    size_t i;
    uint32_t w;

    for (i = 0; i < NR_WEIGHT_FILES; i++)
        if (avm_sysfs_line(dir, weight_file[i].name, line, sizeof(line)) &&
            (sscanf(line, "default %u", &w) == 1 ||
             sscanf(line, "%u", &w) == 1))
            return w;
    return AVM_SHARE_NORMAL;
}

static int write_weight(const char *dir, uint32_t weight)
{
    unsigned int written = 0;
    char text[32];
    size_t i;

    for (i = 0; i < NR_WEIGHT_FILES; i++) {
        snprintf(text, sizeof(text), "%u", weight < weight_file[i].max ?
                                           weight : weight_file[i].max);
        if (!write_file(dir, weight_file[i].name, text))
            written++;
        else if (errno != ENOENT)
            return -1;
    }
    if (!written)
        errno = ENOTSUP;
    return written ? 0 : -1;
}

int avm_blkback_get(avm_handle *h, uint32_t domid, uint64_t *bps)
{
    struct avm_blockdev disk[DISKS_MAX];
    int pid[THREADS_MAX], nr_pids, nr, i;
    uint64_t sum = 0, one;
    char dir[512];

    *bps = 0;
    if (!group_dir(h, domid, dir, sizeof(dir)) || access(dir, F_OK))
        return 0;
    nr = find_disks(h, domid, disk);
    nr_pids = find_all(h, domid, pid);
    if (nr < 0 || nr_pids < 0)
        return -1;
    if (!nr_pids || !all_inside(dir, pid, nr_pids))
        return 0;
    for (i = 0; i < nr; i++) {
        one = limit_of(dir, &disk[i]);
        /* One without a limit makes the limit of the others none. */
        if (!one)
            return 0;
        sum += one;
    }
    *bps = sum;
    return 0;
}

/* Back to the root, where kernel threads live, and no group any more. */
static int drop_group(avm_handle *h, uint32_t domid, const char *dir)
{
    int pid[THREADS_MAX], nr = find_threads(h, domid, pid), i;
    char root[300], text[32];

    snprintf(root, sizeof(root), "%s" ROOT, h->sysroot);
    for (i = 0; i < nr; i++) {
        snprintf(text, sizeof(text), "%d", pid[i]);
        /* It may have ended meanwhile. */
        if (write_file(root, "cgroup.procs", text) && errno != ESRCH)
            return -1;
    }
    if (give_all_back(h, dir))
        return -1;
    return rmdir(dir) && errno != ENOENT ? -1 : 0;
}

/* The group of the domain, with all of its threads. -1: said in the handle. */
static int fill_group(avm_handle *h, uint32_t domid, const char *dir)
{
    int pid[THREADS_MAX], nr_pids = find_threads(h, domid, pid), i;
    char text[32];

    for (i = 0; i < nr_pids; i++) {
        snprintf(text, sizeof(text), "%d", pid[i]);
        if (write_file(dir, "cgroup.procs", text) && errno != ESRCH) {
            avm_error(h, "thread %d of blkback: %s", pid[i], strerror(errno));
            return -1;
        }
    }
    return take_qemu(h, domid, dir);
}

/* What is set first goes for each thread from when it comes into the group. */
static int begin_group(avm_handle *h, uint32_t domid, const char *dir)
{
    int pid[THREADS_MAX], nr_pids;

    if (avm_qemu_elsewhere(h, domid)) {
        avm_error(h, "domain %u: its QEMU is in a control group of someone else, "
                  "and left alone", domid);
        errno = ENOTSUP;
        return -1;
    }
    nr_pids = find_all(h, domid, pid);
    /* Another domain had this number before. */
    if (nr_pids >= 0 && !all_inside(dir, pid, nr_pids))
        rmdir(dir);
    if (make_group(h, dir)) {
        avm_error(h, "%s: %s", dir, strerror(errno));
        return -1;
    }
    return 0;
}

/* Is there anything that the group is for, with these disks? */
static bool group_idle(const char *dir, const struct avm_blockdev *disk, int nr)
{
    int i;

    for (i = 0; i < nr; i++)
        if (limit_of(dir, &disk[i]))
            return false;
    return read_weight(dir) == AVM_SHARE_NORMAL;
}

/* Whose disks they are, and the group's name. -1: said in the handle. */
static int find_group(avm_handle *h, uint32_t domid, struct avm_blockdev *disk,
                      char *dir, size_t size)
{
    int nr = find_disks(h, domid, disk);

    if (nr < 0)
        return -1;
    if (!nr || !group_dir(h, domid, dir, size)) {
        avm_error(h, nr ? "no cgroup v2 here: no limits for disks" :
                  "domain %u has no vbd that is served here, from a disk",
                  domid);
        errno = ENOTSUP;
        return -1;
    }
    return nr;
}

static int end_group(avm_handle *h, uint32_t domid, const char *dir,
                     const struct avm_blockdev *disk, int nr)
{
    if (!access(dir, F_OK) && group_idle(dir, disk, nr) &&
        drop_group(h, domid, dir)) {
        avm_error(h, "%s: %s", dir, strerror(errno));
        return -1;
    }
    return 0;
}

/*
 * Its disks have gone, and took limit and share with them. *left: the group of those
 * who served them has not.
 */
static bool has_gone(avm_handle *h, uint32_t domid, char *dir, size_t size,
                     bool *left)
{
    struct avm_blockdev disk[DISKS_MAX];

    *left = group_dir(h, domid, dir, size) && !access(dir, F_OK);
    return !find_disks(h, domid, disk);
}

int avm_blkback_set(avm_handle *h, uint32_t domid, uint64_t bps)
{
    struct avm_blockdev disk[DISKS_MAX];
    char dir[512], text[128];
    bool left;
    int nr, i;

    if (!bps && has_gone(h, domid, dir, sizeof(dir), &left))
        return left ? end_group(h, domid, dir, disk, 0) : 0;
    nr = find_group(h, domid, disk, dir, sizeof(dir));
    if (nr < 0)
        return -1;
    if (!bps && access(dir, F_OK))
        return 0;
    if (bps && begin_group(h, domid, dir))
        return -1;
    for (i = 0; i < nr; i++) {
        if (bps)
            snprintf(text, sizeof(text), "%u:%u rbps=%" PRIu64 " wbps=%" PRIu64,
                     disk[i].major, disk[i].minor, bps / nr, bps / nr);
        else
            snprintf(text, sizeof(text), "%u:%u rbps=max wbps=max",
                     disk[i].major, disk[i].minor);
        if (write_file(dir, "io.max", text)) {
            avm_error(h, "%s/io.max: %s", dir, strerror(errno));
            return -1;
        }
    }
    return bps ? fill_group(h, domid, dir) :
                 end_group(h, domid, dir, disk, nr);
}

int avm_blkback_share_get(avm_handle *h, uint32_t domid, uint32_t *share,
                          uint64_t *group)
{
    struct avm_blockdev disk[DISKS_MAX];
    int pid[THREADS_MAX], nr_pids, nr = find_disks(h, domid, disk), i;
    char dir[512];

    *share = AVM_SHARE_NORMAL;
    *group = 0;
    if (nr < 0)
        return -1;
    if (!nr || !group_dir(h, domid, dir, sizeof(dir)))
        return 0;
    for (i = 0; i < nr && !*group; i++) {
        avm_blockdev_bottom(h->sysroot, &disk[i]);
        if (avm_blockdev_shares(h->sysroot, &disk[i]))
            *group = (uint64_t)disk[i].major << 32 | disk[i].minor;
    }
    nr_pids = access(dir, F_OK) ? 0 : find_all(h, domid, pid);
    if (nr_pids > 0 && all_inside(dir, pid, nr_pids))
        *share = read_weight(dir);
    return nr_pids < 0 ? -1 : 0;
}

int avm_blkback_share_set(avm_handle *h, uint32_t domid, uint32_t share)
{
    struct avm_blockdev disk[DISKS_MAX];
    bool gone, left;
    int nr;
    char dir[512];

    if (!share || share > AVM_SHARE_MAX) {
        avm_error(h, "domain %u: %u is no share of a disk", domid, share);
        errno = EINVAL;
        return -1;
    }
    gone = share == AVM_SHARE_NORMAL &&
           has_gone(h, domid, dir, sizeof(dir), &left);
    if (gone && !left)
        return 0;
    nr = gone ? 0 : find_group(h, domid, disk, dir, sizeof(dir));
    if (nr < 0)
        return -1;
    if (share == AVM_SHARE_NORMAL && access(dir, F_OK))
        return 0;
    /* To take it back everything is there, and nobody is asked. */
    if (share != AVM_SHARE_NORMAL && begin_group(h, domid, dir))
        return -1;
    if (write_weight(dir, share)) {
        avm_error(h, "%s: no weights for disks: %s", dir, strerror(errno));
        return -1;
    }
    return share == AVM_SHARE_NORMAL ?
           end_group(h, domid, dir, disk, nr) : fill_group(h, domid, dir);
}
