/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * psi: how long tasks could not go on for want of a CPU, memory or I/O: those of
 * dom0 as a whole (/proc/pressure), and those that serve one domain, if they have
 * a group of their own (cgroup.c). A kernel that does not tell one of them, or
 * none (CONFIG_PSI, psi=0), is not asked for that again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge.h"

/* A line is "full avg10=0.00 avg60=0.00 avg300=0.00 total=0". */
#define TEXT_MAX 512

/* Groups whose files stay open; what is beyond is not read. */
#define GROUPS_MAX 1024

/* New groups of a sample: the others have to wait for the next. */
#define NEW_PER_SAMPLE 64

static const char *const resource[AVM_NR_PSI] = {
    [AVM_PSI_CPU] = "cpu", [AVM_PSI_MEMORY] = "memory", [AVM_PSI_IO] = "io",
};

/* The number after "total=" in the line that begins with 'what'. */
static bool parse_total(const char *text, const char *what, uint64_t *us)
{
    static const char key[] = " total=";
    const char *line = text, *p, *end;

    while (strncmp(line, what, strlen(what))) {
        line = strchr(line, '\n');
        if (!line)
            return false;
        line++;
    }
    p = strstr(line, key);
    end = strchr(line, '\n');
    if (!p || (end && p > end))
        return false;
    p = avm_parse_u64(p + sizeof(key) - 1, us);
    return p && (*p == '\n' || !*p);
}

bool avm_psi_parse(const char *text, uint64_t *some_us, uint64_t *full_us)
{
    if (!parse_total(text, "some ", some_us))
        return false;
    /* Of the CPU there was none before Linux 5.13. */
    if (!parse_total(text, "full ", full_us))
        *full_us = 0;
    return true;
}

static bool read_pressure(int fd, uint64_t *some_us, uint64_t *full_us)
{
    char text[TEXT_MAX];

    return avm_sysfs_text_of(fd, text, sizeof(text)) &&
           avm_psi_parse(text, some_us, full_us);
}

/* ------------------------------------------------------------------------ */
/* Of dom0                                                                  */

static int open_pressure(const char *sysroot, int i)
{
    char path[300];

    if (snprintf(path, sizeof(path), "%s/proc/pressure/%s", sysroot,
                 resource[i]) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Not now, or never? */
static bool is_never(int error)
{
    return error == ENOENT || error == EOPNOTSUPP;
}

void avm_psi_read(avm_handle *h, struct avm_psi *psi)
{
    int i;

    for (i = 0; i < AVM_NR_PSI; i++) {
        if (h->psi[i].none)
            continue;
        if (!h->psi[i].open) {
            h->psi[i].fd = open_pressure(h->sysroot, i);
            h->psi[i].open = h->psi[i].fd >= 0;
            h->psi[i].none = !h->psi[i].open && is_never(errno);
        }
        if (!h->psi[i].open)
            continue;
        errno = 0;
        if (read_pressure(h->psi[i].fd, &psi->some_us[i], &psi->full_us[i])) {
            psi->have |= 1u << i;
            continue;
        }
        h->psi[i].none = is_never(errno);
        close(h->psi[i].fd);
        h->psi[i].open = false;
    }
}

uint32_t avm_psi_missing(const char *sysroot)
{
    uint64_t some_us, full_us;
    uint32_t missing = 0;
    int i, fd;

    for (i = 0; i < AVM_NR_PSI; i++) {
        fd = open_pressure(sysroot, i);
        if (fd < 0 || !read_pressure(fd, &some_us, &full_us))
            missing |= 1u << i;
        if (fd >= 0)
            close(fd);
    }
    return missing;
}

/* ------------------------------------------------------------------------ */
/* Of the groups                                                            */

static void close_group(struct avm_group *g)
{
    if (g->cpu >= 0)
        close(g->cpu);
    if (g->io >= 0)
        close(g->io);
}

void avm_psi_forget(avm_handle *h)
{
    int i;

    while (h->nr_groups)
        close_group(&h->group[--h->nr_groups]);
    free(h->group);
    h->group = NULL;
    for (i = 0; i < AVM_NR_PSI; i++)
        if (h->psi[i].open) {
            close(h->psi[i].fd);
            h->psi[i].open = false;
        }
}

static int group_cmp(const void *pa, const void *pb)
{
    const struct avm_group *a = pa, *b = pb;

    return a->domid < b->domid ? -1 : a->domid > b->domid;
}

/* "avm-12" */
static bool group_owner(const char *name, uint32_t *domid)
{
    static const char prefix[] = "avm-";
    const char *end;
    uint64_t v;

    if (strncmp(name, prefix, sizeof(prefix) - 1))
        return false;
    end = avm_parse_u64(name + sizeof(prefix) - 1, &v);
    if (!end || *end || v >= NO_DOMAIN)
        return false;
    *domid = (uint32_t)v;
    return true;
}

static int open_in(int dir, const char *name, const char *file)
{
    char path[80];

    if (snprintf(path, sizeof(path), "%s/%s", name, file) >= (int)sizeof(path))
        return -1;
    return openat(dir, path, O_RDONLY | O_CLOEXEC);
}

/*
 * The one of the sample before, if it is still the same directory. False: not in
 * this sample.
 */
static bool take_group(avm_handle *h, int dir, const char *name,
                       struct avm_group *g, unsigned int *new_ones)
{
    struct avm_group *old;

    old = h->nr_groups ? bsearch(g, h->group, h->nr_groups, sizeof(*g),
                                 group_cmp) : NULL;
    if (old && old->node == g->node) {
        *g = *old;
        old->cpu = old->io = -1; /* they are of the other now */
        return true;
    }
    if (!*new_ones)
        return false;
    --*new_ones;
    g->cpu = open_in(dir, name, "cpu.pressure");
    g->io = open_in(dir, name, "io.pressure");
    return true;
}

static void add_group(const struct avm_group *g, struct avm_domain_sample *d)
{
    uint64_t full_us;

    d->psi_group = g->node;
    if (g->cpu >= 0 && read_pressure(g->cpu, &d->count.psi_cpu_us, &full_us))
        d->have |= AVM_HAVE_PSI_CPU;
    if (g->io >= 0 && read_pressure(g->io, &d->count.psi_io_us, &full_us))
        d->have |= AVM_HAVE_PSI_IO;
}

void avm_groups_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    unsigned int new_ones = NEW_PER_SAMPLE;
    struct avm_group *g = NULL;
    struct avm_domain_sample *d;
    size_t n = 0, i;
    struct dirent *e;
    char base[300];
    uint32_t domid;
    DIR *all = avm_sysfs_dir(h->sysroot, AVM_CGROUP "/avm", base, sizeof(base));

    while (all && n < GROUPS_MAX && (e = readdir(all))) {
        if (!group_owner(e->d_name, &domid))
            continue;
        d = avm_domain_find(dom, nr, domid);
        if (!d || (d->flags & AVM_DOM_DYING))
            continue;
        if (!(n & (n - 1))) { /* full: 0, 1, 2, 4, ... */
            struct avm_group *more = realloc(g, (n ? 2 * n : 1) * sizeof(*g));

            if (!more)
                break;
            g = more;
        }
        g[n] = (struct avm_group){ .domid = domid, .node = e->d_ino };
        if (take_group(h, dirfd(all), e->d_name, &g[n], &new_ones))
            add_group(&g[n++], d);
    }
    if (all)
        closedir(all);
    for (i = 0; i < h->nr_groups; i++)
        close_group(&h->group[i]);
    free(h->group);
    if (n)
        qsort(g, n, sizeof(*g), group_cmp);
    h->group = g;
    h->nr_groups = n;
}
