/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu: what a domain's QEMU in dom0 does: how much CPU time all of its threads
 * took, and how much it read and wrote, if it is what serves the domain's disks.
 * Which process that is, xen/devices.c says; here is looked at whether it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge.h"

/* A QEMU that libxl starts has some 2 KiB of arguments. */
#define CMDLINE_MAX 16384

/* Of these there are 100 in a second everywhere: it is part of Linux's ABI. */
static uint64_t ticks_us(uint64_t ticks)
{
    long per_s = sysconf(_SC_CLK_TCK);

    return ticks * (1000000 / (per_s > 0 ? per_s : 100));
}

static int open_file(const char *sysroot, int pid, const char *name)
{
    char path[300];

    if (snprintf(path, sizeof(path), "%s/proc/%d/%s", sysroot, pid, name) >=
        (int)sizeof(path))
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Its name may have spaces and brackets: what follows the last of them counts. */
static bool read_stat(int fd, uint64_t *ticks, uint64_t *start)
{
    char text[1024];
    unsigned long long user, system, from;
    const char *p;

    if (!avm_sysfs_text_of(fd, text, sizeof(text)))
        return false;
    p = strrchr(text, ')');
    if (!p || sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu "
                     "%*d %*d %*d %*d %*d %*d %llu", &user, &system,
                     &from) != 3)
        return false;
    *ticks = user + system;
    *start = from;
    return true;
}

/* "qemu-system-i38", "xen-qemu-system", "qemu-dm-7" */
static bool is_qemu_name(const char *comm)
{
    return !strncmp(comm, "qemu-", 5) || !strncmp(comm, "xen-qemu-", 9);
}

/* Has it "-xen-domid", and after that this number? */
static bool has_domid(const char *arg, size_t len, uint32_t domid)
{
    const char *end = arg + len, *next;
    char wanted[12];

    snprintf(wanted, sizeof(wanted), "%u", domid);
    for (; arg < end; arg = next) {
        next = arg + strlen(arg) + 1;
        if (!strcmp(arg, "-xen-domid"))
            return next < end && !strcmp(next, wanted);
    }
    return false;
}

bool avm_qemu_is(const char *sysroot, int pid, uint32_t domid, uint64_t *start)
{
    char comm[32], *cmdline = NULL;
    uint64_t ticks;
    bool ok = false;
    ssize_t n;
    int fd;

    fd = open_file(sysroot, pid, "comm");
    if (fd >= 0) {
        ok = avm_sysfs_text_of(fd, comm, sizeof(comm)) && is_qemu_name(comm);
        close(fd);
    }
    if (!ok)
        return false;
    fd = open_file(sysroot, pid, "stat");
    ok = fd >= 0 && read_stat(fd, &ticks, start);
    if (fd >= 0)
        close(fd);
    fd = ok ? open_file(sysroot, pid, "cmdline") : -1;
    ok = false;
    if (fd >= 0) {
        cmdline = malloc(CMDLINE_MAX);
        n = cmdline ? read(fd, cmdline, CMDLINE_MAX - 1) : -1;
        if (n > 0) {
            cmdline[n] = '\0';
            ok = has_domid(cmdline, n, domid);
        }
        close(fd);
    }
    free(cmdline);
    return ok;
}

/* ------------------------------------------------------------------------ */

void avm_qemu_close(struct avm_store_entry *e)
{
    if (!e->qemu_open)
        return;
    close(e->qemu_stat);
    if (e->qemu_io >= 0)
        close(e->qemu_io);
    e->qemu_open = false;
}

/* It ended, or is another one: whoever it is now, xenstore says it. */
static void lost(struct avm_store_entry *e)
{
    avm_qemu_close(e);
    e->dev_known = false;
    e->dev.pid = 0;
}

static bool line_value(const char *text, const char *name, uint64_t *value)
{
    const char *p = strstr(text, name), *end;

    /* At the beginning of a line: "cancelled_write_bytes" ends like another. */
    while (p && p != text && p[-1] != '\n')
        p = strstr(p + 1, name);
    end = p ? avm_parse_u64(p + strlen(name), value) : NULL;
    return end && (*end == '\n' || !*end);
}

/* What went to and from disks, not what was read from the page cache. */
static bool read_io(int fd, uint64_t *rd, uint64_t *wr)
{
    char text[512];

    return fd >= 0 && avm_sysfs_text_of(fd, text, sizeof(text)) &&
           line_value(text, "read_bytes: ", rd) &&
           line_value(text, "write_bytes: ", wr);
}

/* blkback's own figures are better, where there are any. */
static bool wants_io(const struct avm_store_entry *e,
                     const struct avm_domain_sample *d)
{
    return e->dev.qdisk && !((d->have | d->late) & AVM_HAVE_DISK);
}

static void read_one(avm_handle *h, struct avm_store_entry *e,
                     struct avm_domain_sample *d)
{
    uint64_t ticks, start, rd, wr;

    if (!e->qemu_open) {
        e->qemu_stat = open_file(h->sysroot, e->dev.pid, "stat");
        if (e->qemu_stat < 0) {
            lost(e);
            return;
        }
        e->qemu_io = open_file(h->sysroot, e->dev.pid, "io");
        e->qemu_open = true;
    }
    if (!read_stat(e->qemu_stat, &ticks, &start) || start != e->dev.start) {
        lost(e);
        return;
    }
    d->have |= AVM_HAVE_BACKEND;
    d->backend_process = (uint64_t)e->dev.pid << 40 ^ start;
    d->count.backend_us = ticks_us(ticks);
    if (!wants_io(e, d) || !read_io(e->qemu_io, &rd, &wr))
        return;
    d->have |= AVM_HAVE_DISK;
    d->flags |= AVM_DOM_QDISK;
    d->disk_devices = d->backend_process;
    d->count.disk_rd_bytes = rd;
    d->count.disk_wr_bytes = wr;
}

void avm_qemu_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    struct avm_store_entry *e = h->entry, *end = h->entry + h->nr_entries;
    struct avm_domain_sample *d;

    for (; e < end; e++) {
        d = e->dev.pid ? avm_domain_find(dom, nr, e->domid) : NULL;
        if (d && avm_uuid_equal(&d->uuid, &e->uuid))
            read_one(h, e, d);
    }
}
