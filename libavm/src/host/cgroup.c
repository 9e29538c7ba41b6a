/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup: how much blkback may read and write for a guest. Each ring of a vbd has
 * a kernel thread, "DOMID.DEVICE-RING"; those of a domain are put into a group of
 * their own, avm/avm-DOMID, and io.max of that group limits what they submit to the
 * disks behind the vbds. A domain without a limit has no group.
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
#include <unistd.h>

#include "edge.h"

#define THREADS_MAX 256
#define DISKS_MAX   64

/* Samples that share a list of threads. */
#define THREADS_GOOD_FOR 16

/* Parent of all kernel threads. */
#define KTHREADD 2

struct disk { uint32_t major, minor; };

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
#define ROOT "/sys/fs/cgroup"

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

/* The disk is one more, unless it is among the 'nr' already. Returns how many. */
static int add_disk(struct disk *disk, int nr, uint32_t major, uint32_t minor)
{
    int i;

    for (i = 0; i < nr; i++)
        if (disk[i].major == major && disk[i].minor == minor)
            return nr;
    disk[nr] = (struct disk){ major, minor };
    return nr + 1;
}

/* As find_disks(), from what the sample that is being taken knows. */
static int known_disks(avm_handle *h, uint32_t domid, struct disk *disk)
{
    size_t i;
    int nr = 0;

    for (i = 0; i < h->nr_vbds && nr < DISKS_MAX; i++)
        if (h->vbd[i].domid == domid && (h->vbd[i].major || h->vbd[i].minor))
            nr = add_disk(disk, nr, h->vbd[i].major, h->vbd[i].minor);
    return nr;
}

/* Whole disks behind the domain's vbds, each once. */
static int find_disks(avm_handle *h, uint32_t domid, struct disk *disk)
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
    if (!all)
        return errno == ENOENT ? 0 : -1;
    while (nr < DISKS_MAX && (e = readdir(all))) {
        if (!avm_vbd_owner(e->d_name, &owner, &device) ||
            owner != domid ||
            snprintf(dir, sizeof(dir), "%s/%s", base, e->d_name) >=
            (int)sizeof(dir) ||
            !avm_sysfs_line(dir, "physical_device", line, sizeof(line)) ||
            sscanf(line, "%x:%x", &major, &minor) != 2)
            continue;
        nr = add_disk(disk, nr, major, minor);
    }
    closedir(all);
    return nr;
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
static uint64_t limit_of(const char *dir, const struct disk *disk)
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

int avm_blkback_get(avm_handle *h, uint32_t domid, uint64_t *bps)
{
    struct disk disk[DISKS_MAX];
    int pid[THREADS_MAX], nr_pids, nr, i;
    uint64_t sum = 0, one;
    char dir[512];

    *bps = 0;
    if (!group_dir(h, domid, dir, sizeof(dir)) || access(dir, F_OK))
        return 0;
    nr = find_disks(h, domid, disk);
    nr_pids = find_threads(h, domid, pid);
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
    return rmdir(dir) && errno != ENOENT ? -1 : 0;
}

int avm_blkback_set(avm_handle *h, uint32_t domid, uint64_t bps)
{
    struct disk disk[DISKS_MAX];
    int pid[THREADS_MAX], nr_pids, i, nr = find_disks(h, domid, disk);
    char dir[512], text[128];

    if (nr < 0)
        return -1;
    if (!nr || !group_dir(h, domid, dir, sizeof(dir))) {
        avm_error(h, nr ? "no cgroup v2 here: no limits for disks" :
                  "domain %u has no vbd that blkback serves here", domid);
        errno = ENOTSUP;
        return -1;
    }
    if (!bps) {
        if (!access(dir, F_OK) && drop_group(h, domid, dir)) {
            avm_error(h, "%s: %s", dir, strerror(errno));
            return -1;
        }
        return 0;
    }
    /* Another domain had this number before. */
    nr_pids = find_threads(h, domid, pid);
    if (nr_pids >= 0 && !all_inside(dir, pid, nr_pids))
        rmdir(dir);
    if (make_group(h, dir)) {
        avm_error(h, "%s: %s", dir, strerror(errno));
        return -1;
    }
    /* First the limit, then the threads: none of them is ever without. */
    for (i = 0; i < nr; i++) {
        snprintf(text, sizeof(text), "%u:%u rbps=%" PRIu64 " wbps=%" PRIu64,
                 disk[i].major, disk[i].minor, bps / nr, bps / nr);
        if (write_file(dir, "io.max", text)) {
            avm_error(h, "%s/io.max: %s", dir, strerror(errno));
            return -1;
        }
    }
    for (i = 0; i < nr_pids; i++) {
        snprintf(text, sizeof(text), "%d", pid[i]);
        if (write_file(dir, "cgroup.procs", text) && errno != ESRCH) {
            avm_error(h, "thread %d of blkback: %s", pid[i], strerror(errno));
            return -1;
        }
    }
    return 0;
}
