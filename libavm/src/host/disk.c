/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk: what went through the virtual disks that blkback serves here. It resets
 * its request counters every 10 s when its log_stats parameter is on; monitor
 * sees to that.
 *
 * Each counter is a file of its own, so they are read of those vbds only behind
 * which the disk did something since: /proc/diskstats tells that of all disks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge.h"

/* blkback counts in these, whatever the disk's own sector size is. */
#define SECTOR 512

/*
 * A disk may have stopped counting (queue/iostats). What its vbd does is seen
 * after so many samples then.
 */
#define GOOD_FOR 32

/* ------------------------------------------------------------------------ */
/* What the disks counted                                                   */

struct disk {
    uint32_t major, minor;
    uint64_t seen;               /* a digest, 0: nothing counted             */
};

struct disks {
    struct disk *disk;           /* ascending (major, minor)                 */
    size_t nr, room;
};

static int disk_cmp(const void *pa, const void *pb)
{
    const struct disk *a = pa, *b = pb;

    if (a->major != b->major)
        return a->major < b->major ? -1 : 1;
    return a->minor < b->minor ? -1 : a->minor > b->minor;
}

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* "   8       0 sda 12 3 ...": any counter that moves makes another digest. */
static bool parse_line(const char *line, struct disk *d)
{
    uint64_t digest = 14695981039346656037ull; /* FNV-1a */
    bool counted = false;
    char *end;

    d->major = strtoul(skip_spaces(line), &end, 10);
    d->minor = strtoul(skip_spaces(end), &end, 10);
    line = skip_spaces(end);
    line += strcspn(line, " ");
    if (*line != ' ')
        return false;
    for (; *line; line++) {
        digest = (digest ^ (unsigned char)*line) * 1099511628211ull;
        counted |= *line >= '1' && *line <= '9';
    }
    d->seen = counted ? digest | 1 : 0;
    return true;
}

static int disks_add(struct disks *all, const char *line)
{
    struct disk *more;

    if (all->nr == all->room) {
        size_t room = all->room ? 2 * all->room : 64;

        more = realloc(all->disk, room * sizeof(*more));
        if (!more)
            return -1;
        all->disk = more;
        all->room = room;
    }
    all->nr += parse_line(line, &all->disk[all->nr]);
    return 0;
}

/* A file that cannot be read is as good as an empty one: all vbds are read. */
static int disks_read(const char *sysroot, struct disks *all)
{
    char path[256], buf[8192], *line, *end;
    size_t have = 0;
    ssize_t n;
    int fd, rc = 0;

    if (snprintf(path, sizeof(path), "%s/proc/diskstats", sysroot) >=
        (int)sizeof(path))
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while (!rc && (n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        have += n;
        buf[have] = '\0';
        for (line = buf; !rc && (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            rc = disks_add(all, line);
        }
        have -= line - buf;
        memmove(buf, line, have);
        /* No line of a kernel is that long. */
        if (have == sizeof(buf) - 1)
            break;
    }
    close(fd);
    if (all->nr)
        qsort(all->disk, all->nr, sizeof(*all->disk), disk_cmp);
    return rc;
}

static uint64_t disk_seen(const struct disks *all, const struct avm_vbd *v)
{
    struct disk key = { .major = v->major, .minor = v->minor }, *d;

    if (!all->nr || (!v->major && !v->minor))
        return 0;
    d = bsearch(&key, all->disk, all->nr, sizeof(key), disk_cmp);
    return d ? d->seen : 0;
}

/* ------------------------------------------------------------------------ */
/* The virtual ones                                                         */

bool avm_vbd_owner(const char *name, uint32_t *domid, uint32_t *device)
{
    static const char prefix[] = "vbd-";

    return !strncmp(name, prefix, sizeof(prefix) - 1) &&
           avm_parse_pair(name + sizeof(prefix) - 1, '-', domid, device);
}

static int vbd_cmp(const void *pa, const void *pb)
{
    const struct avm_vbd *a = pa, *b = pb;

    if (a->domid != b->domid)
        return a->domid < b->domid ? -1 : 1;
    return a->device < b->device ? -1 : a->device > b->device;
}

/* The vbds of domains that are in 'dom'; -1 with ENOMEM. */
static int list_vbds(DIR *all, struct avm_domain_sample *dom, size_t nr,
                     struct avm_vbd **vbd, size_t *nr_vbds)
{
    struct avm_vbd *v = NULL, *more;
    size_t n = 0, room = 0;
    struct dirent *e;

    while ((e = readdir(all))) {
        uint32_t domid, device;

        if (!avm_vbd_owner(e->d_name, &domid, &device) ||
            !avm_domain_find(dom, nr, domid))
            continue;
        if (n == room) {
            room = room ? 2 * room : 64;
            more = realloc(v, room * sizeof(*v));
            if (!more) {
                free(v);
                return -1;
            }
            v = more;
        }
        v[n++] = (struct avm_vbd){ .domid = domid, .device = device,
                                   .node = e->d_ino };
    }
    if (n)
        qsort(v, n, sizeof(*v), vbd_cmp);
    *vbd = v;
    *nr_vbds = n;
    return 0;
}

/* What is known from the sample before of those that are still there. */
static void carry_over(avm_handle *h, struct avm_vbd *vbd, size_t nr)
{
    const struct avm_vbd *old = h->vbd, *end = h->vbd + h->nr_vbds;
    size_t i;

    for (i = 0; i < nr; i++) {
        while (old < end && vbd_cmp(old, &vbd[i]) < 0)
            old++;
        if (old < end && !vbd_cmp(old, &vbd[i]) && old->node == vbd[i].node)
            vbd[i] = *old;
    }
}

/* All or nothing: the device may go while we read. */
static bool read_counters(int dir, struct avm_vbd *v)
{
    return avm_sysfs_u64(dir, "rd_req", &v->rd_req) &&
           avm_sysfs_u64(dir, "wr_req", &v->wr_req) &&
           avm_sysfs_u64(dir, "oo_req", &v->oo_req) &&
           avm_sysfs_u64(dir, "rd_sect", &v->rd_sect) &&
           avm_sysfs_u64(dir, "wr_sect", &v->wr_sect);
}

static void look(int backends, const struct disks *disks, struct avm_vbd *v)
{
    uint64_t seen = disk_seen(disks, v);
    unsigned int major, minor;
    char name[48], line[32];
    int dir;

    if (v->counted && seen && seen == v->seen && v->reads_left) {
        v->reads_left--;
        return;
    }
    snprintf(name, sizeof(name), "vbd-%u-%u/statistics", v->domid, v->device);
    dir = avm_sysfs_open(backends, name);
    if (dir < 0) {
        v->counted = false;
        return;
    }
    if (!v->major && !v->minor &&
        avm_sysfs_line_at(dir, "../physical_device", line, sizeof(line)) &&
        sscanf(line, "%x:%x", &major, &minor) == 2) {
        v->major = major;
        v->minor = minor;
        seen = disk_seen(disks, v);
    }
    /* Not all of them in the same sample. */
    v->reads_left = v->counted ? GOOD_FOR : v->domid % GOOD_FOR;
    v->counted = read_counters(dir, v);
    v->seen = seen; /* from before: what came meanwhile makes a difference */
    close(dir);
}

static void add_vbd(const struct avm_vbd *v, struct avm_domain_sample *d)
{
    if (!v->counted)
        return;
    d->have |= AVM_HAVE_DISK;
    d->disk_devices += v->node;
    d->count.disk_rd_reqs += v->rd_req;
    d->count.disk_wr_reqs += v->wr_req;
    d->count.disk_oo_reqs += v->oo_req;
    d->count.disk_rd_bytes += v->rd_sect * SECTOR;
    d->count.disk_wr_bytes += v->wr_sect * SECTOR;
}

int avm_disk_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    struct disks disks = { 0 };
    struct avm_vbd *vbd = NULL;
    size_t nr_vbds = 0, i;
    char base[256];
    int rc = -1;
    DIR *all;

    all = avm_sysfs_dir(h->sysroot, AVM_BACKENDS, base, sizeof(base));
    if (!all) {
        h->nr_vbds = 0;
        return errno == ENOENT ? 0 : -1;
    }
    if (list_vbds(all, dom, nr, &vbd, &nr_vbds))
        goto out;
    carry_over(h, vbd, nr_vbds);
    if (nr_vbds && disks_read(h->sysroot, &disks)) {
        free(vbd);
        goto out;
    }
    for (i = 0; i < nr_vbds; i++) {
        look(dirfd(all), &disks, &vbd[i]);
        add_vbd(&vbd[i], avm_domain_find(dom, nr, vbd[i].domid));
    }
    free(h->vbd);
    h->vbd = vbd;
    h->nr_vbds = nr_vbds;
    rc = 0;

 out:
    free(disks.disk);
    closedir(all);
    return rc;
}
