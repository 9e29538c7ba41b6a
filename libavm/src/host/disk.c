/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk: what went through the virtual disks that blkback serves here. It resets
 * its request counters every 10 s when its log_stats parameter is on; monitor
 * sees to that.
 *
 * Each counter is a file of its own, so they are read of those vbds only behind
 * which the disk did something since: /proc/diskstats tells that of all disks.
 * The files of those stay open, as far as the limit allows: to open and close one
 * takes three times as long as to read it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "edge.h"

/* blkback counts in these, whatever the disk's own sector size is. */
#define SECTOR 512

/*
 * A disk may have stopped counting (queue/iostats). What its vbd does is seen
 * after so many samples then.
 */
#define GOOD_FOR 32

/*
 * Directories of vbds that a sample opens: some 7 ms. Of others
 * that it would have to look at it says that they are late, and the next does.
 */
#define LOOKS_PER_SAMPLE 128

/* Samples without a change after which the files of a vbd are closed. */
#define OPEN_FOR 8

enum { RD_REQ, WR_REQ, OO_REQ, RD_SECT, WR_SECT };

static const char *const counter[AVM_VBD_COUNTERS] = {
    [RD_REQ] = "rd_req", [WR_REQ] = "wr_req", [OO_REQ] = "oo_req",
    [RD_SECT] = "rd_sect", [WR_SECT] = "wr_sect",
};

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

static void disks_add(struct disks *all, const char *line)
{
    struct disk *more;

    if (all->nr == all->room) {
        size_t room = all->room ? 2 * all->room : 64;

        more = realloc(all->disk, room * sizeof(*more));
        if (!more)
            return;
        all->disk = more;
        all->room = room;
    }
    all->nr += parse_line(line, &all->disk[all->nr]);
}

/* What cannot be read is as good as not there: its vbds are read then. */
static void disks_read(const char *sysroot, struct disks *all)
{
    char path[256], buf[8192], *line, *end;
    size_t have = 0;
    ssize_t n;
    int fd;

    if (snprintf(path, sizeof(path), "%s/proc/diskstats", sysroot) >=
        (int)sizeof(path))
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    /* No line of a kernel is as long as the buffer. */
    while (have < sizeof(buf) - 1 &&
           (n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        have += n;
        buf[have] = '\0';
        for (line = buf; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            disks_add(all, line);
        }
        have -= line - buf;
        memmove(buf, line, have);
    }
    close(fd);
    if (all->nr)
        qsort(all->disk, all->nr, sizeof(*all->disk), disk_cmp);
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

static void close_files(avm_handle *h, struct avm_vbd *v)
{
    int i;

    if (!v->open)
        return;
    for (i = 0; i < AVM_VBD_COUNTERS; i++)
        close(v->fd[i]);
    v->open = false;
    h->vbds_open--;
}

void avm_disk_forget(avm_handle *h)
{
    size_t i;

    for (i = 0; i < h->nr_vbds; i++)
        close_files(h, &h->vbd[i]);
    free(h->vbd);
    h->vbd = NULL;
    h->nr_vbds = 0;
}

/* What is known from the sample before of those that are still there. */
static void carry_over(avm_handle *h, struct avm_vbd *vbd, size_t nr)
{
    struct avm_vbd *old = h->vbd, *end = h->vbd + h->nr_vbds;
    size_t i;

    for (i = 0; i < nr; i++) {
        while (old < end && vbd_cmp(old, &vbd[i]) < 0)
            old++;
        if (old < end && !vbd_cmp(old, &vbd[i]) && old->node == vbd[i].node)
            vbd[i] = *old;
        else
            continue;
        old->open = false; /* they are of the other now */
    }
}

/* All or nothing: the device may go while we read. */
static bool read_open(struct avm_vbd *v)
{
    int i;

    for (i = 0; i < AVM_VBD_COUNTERS; i++)
        if (!avm_sysfs_u64_of(v->fd[i], &v->count[i]))
            return false;
    return true;
}

static bool read_counters(int dir, struct avm_vbd *v)
{
    int i;

    for (i = 0; i < AVM_VBD_COUNTERS; i++)
        if (!avm_sysfs_u64(dir, counter[i], &v->count[i]))
            return false;
    return true;
}

static void open_files(avm_handle *h, int dir, struct avm_vbd *v)
{
    int i;

    for (i = 0; i < AVM_VBD_COUNTERS; i++) {
        v->fd[i] = openat(dir, counter[i], O_RDONLY | O_CLOEXEC);
        if (v->fd[i] < 0) {
            while (i--)
                close(v->fd[i]);
            return;
        }
    }
    v->open = true;
    h->vbds_open++;
}

/* Half of the files that this process may open are for others. */
static size_t open_max(void)
{
    struct rlimit l;

    return getrlimit(RLIMIT_NOFILE, &l) ? 0 :
           l.rlim_cur / 2 / AVM_VBD_COUNTERS;
}

/*
 * By its directory: 'keep' its files open if that is allowed, or if nothing tells
 * when they need not be read. False: there is none.
 */
static bool read_directory(avm_handle *h, int backends,
                           const struct disks *disks, struct avm_vbd *v,
                           bool keep)
{
    unsigned int major, minor;
    char name[48], line[32];
    int dir;

    snprintf(name, sizeof(name), "vbd-%u-%u/statistics", v->domid, v->device);
    dir = avm_sysfs_open(backends, name);
    if (dir < 0) {
        v->counted = false;
        return false;
    }
    if (!v->major && !v->minor &&
        avm_sysfs_line_at(dir, "../physical_device", line, sizeof(line)) &&
        sscanf(line, "%x:%x", &major, &minor) == 2) {
        v->major = major;
        v->minor = minor;
        v->seen = disk_seen(disks, v);
    }
    if ((keep || !v->seen) && h->vbds_open < h->vbds_open_max)
        open_files(h, dir, v);
    v->counted = v->open ? read_open(v) : read_counters(dir, v);
    if (!v->counted)
        close_files(h, v);
    close(dir);
    return true;
}

/*
 * Has it to wait for its turn? Those whose files can no more be kept open do not: if
 * they took turns, none would be read twice in a row.
 */
static bool takes_turns(const avm_handle *h, const struct avm_vbd *v)
{
    return !v->open && (!v->counted || h->vbds_open < h->vbds_open_max);
}

static void look(avm_handle *h, int backends, const struct disks *disks,
                 struct avm_vbd *v, unsigned int *looks)
{
    uint64_t seen = disk_seen(disks, v);
    bool moved = v->counted && (!seen || seen != v->seen), turn;

    v->late = false;
    v->idle = moved ? 0 : v->idle + 1;
    if (v->idle >= OPEN_FOR)
        close_files(h, v);
    if (v->counted && !moved && v->reads_left) {
        v->reads_left--;
        return;
    }
    turn = takes_turns(h, v);
    if (turn && !*looks) {
        /* One that did nothing is as it was, and is looked at when there is time. */
        v->late = moved || !v->counted;
        return;
    }
    /* Not all of them in the same sample. */
    v->reads_left = v->counted ? GOOD_FOR : v->domid % GOOD_FOR;
    /* From before the counters: what comes meanwhile makes a difference. */
    v->seen = seen;
    if (v->open && read_open(v))
        return;
    close_files(h, v);
    /* What is not there costs next to nothing, and takes nobody's turn. */
    if (read_directory(h, backends, disks, v, moved) && turn)
        --*looks;
}

static void add_vbd(const struct avm_vbd *v, struct avm_domain_sample *d)
{
    if (v->late)
        d->late |= AVM_HAVE_DISK;
    else if (v->counted)
        d->have |= AVM_HAVE_DISK;
    else
        return;
    d->disk_devices += v->node;
    d->count.disk_rd_reqs += v->count[RD_REQ];
    d->count.disk_wr_reqs += v->count[WR_REQ];
    d->count.disk_oo_reqs += v->count[OO_REQ];
    d->count.disk_rd_bytes += v->count[RD_SECT] * SECTOR;
    d->count.disk_wr_bytes += v->count[WR_SECT] * SECTOR;
}

/* Some of its disks and not the others are less than nothing. */
static void without_late(struct avm_domain_sample *d)
{
    if (!(d->late & AVM_HAVE_DISK))
        return;
    d->have &= ~AVM_HAVE_DISK;
    d->count.disk_rd_reqs = d->count.disk_wr_reqs = d->count.disk_oo_reqs = 0;
    d->count.disk_rd_bytes = d->count.disk_wr_bytes = 0;
}

int avm_disk_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    struct disks disks = { 0 };
    struct avm_vbd *vbd = NULL;
    unsigned int looks = LOOKS_PER_SAMPLE;
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
    h->vbds_open_max = open_max();
    carry_over(h, vbd, nr_vbds);
    /* What is not known of a disk just means that its vbd is read. */
    if (nr_vbds)
        disks_read(h->sysroot, &disks);
    for (i = 0; i < nr_vbds; i++) {
        look(h, dirfd(all), &disks, &vbd[i], &looks);
        add_vbd(&vbd[i], avm_domain_find(dom, nr, vbd[i].domid));
    }
    for (i = 0; i < nr; i++)
        without_late(&dom[i]);
    avm_disk_forget(h);
    h->vbd = vbd;
    h->nr_vbds = nr_vbds;
    rc = 0;

 out:
    free(disks.disk);
    closedir(all);
    return rc;
}
