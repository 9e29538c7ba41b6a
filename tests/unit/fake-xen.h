/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hypervisor and a xenstore that are played, for what calls the real ones. */
#ifndef FAKE_XEN_H
#define FAKE_XEN_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

#define MAX_DOMS 3000

struct fake_dom {
    uint32_t domid, nr_vcpus;
    bool dying;
    uint8_t uuid[16];
    uint64_t affinity;
    uint64_t ran_ns, waited_ns, wakes; /* of all vCPUs                       */
    struct xen_domctl_sched_activity act;
};

struct fake {
    uint32_t version;            /* of domctl and sysctl                     */
    uint32_t sched_id;
    size_t nr;
    struct fake_dom dom[MAX_DOMS];
    uint64_t now_ns;
    uint32_t nr_pcpus;
    struct xen_sysctl_cputopo *topo; /* of nr_topo pCPUs; NULL: ENOSYS        */
    uint32_t nr_topo;
    bool old_records;            /* of a Xen that does not tell parameters   */
    unsigned int domctls, sysctls, puts;
    int fail_errno;              /* of the next write                        */
    /* xenstore */
    unsigned int begins, eagains, reads;
    char log[2048];
    bool gone;
};

static struct fake *fake_new(uint32_t sched_id, size_t nr)
{
    struct fake *f = calloc(1, sizeof(*f));
    size_t i;

    f->version = 0x16;
    f->sched_id = sched_id;
    f->nr = nr;
    f->now_ns = 12345;
    f->nr_pcpus = 4;
    for (i = 0; i < nr; i++) {
        f->dom[i].domid = i * 2;
        f->dom[i].nr_vcpus = 1 + i % 3;
        memcpy(f->dom[i].uuid, &i, sizeof(i));
        f->dom[i].affinity = UINT64_MAX;
        f->dom[i].act.weight = 256;
    }
    return f;
}

static struct fake_dom *fake_dom(struct fake *f, uint32_t domid)
{
    size_t i;

    for (i = 0; i < f->nr; i++)
        if (f->dom[i].domid == domid)
            return &f->dom[i];
    return NULL;
}

static int refuse(int e)
{
    errno = e;
    return -1;
}

static void fill_info(const struct fake_dom *d,
                      struct xen_domctl_getdomaininfo *i)
{
    memset(i, 0, sizeof(*i));
    i->domain = d->domid;
    i->cpu_time = d->domid * 1000 + d->ran_ns;
    i->nr_online_vcpus = d->nr_vcpus;
    if (d->dying)
        i->flags |= XEN_DOMINF_dying;
    i->max_vcpu_id = d->nr_vcpus - 1;
    memcpy(i->handle, d->uuid, 16);
}

static int fake_sched_op(struct fake *f, struct fake_dom *d,
                         struct xen_domctl_scheduler_op *op)
{
    struct xen_domctl_sched_activity a;

    if (op->sched_id != f->sched_id)
        return refuse(EINVAL);
    if (op->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
        if (f->sched_id == XEN_SCHEDULER_ACTIVITY) {
            memcpy(&op->u, &d->act, sizeof(d->act));
        } else {
            op->u.credit2.weight = d->act.weight;
            op->u.credit2.cap = d->act.cap;
        }
        return 0;
    }
    f->puts++;
    if (f->fail_errno)
        return refuse(f->fail_errno);
    if (f->sched_id != XEN_SCHEDULER_ACTIVITY) {
        d->act.weight = op->u.credit2.weight;
        d->act.cap = op->u.credit2.cap;
        return 0;
    }
    memcpy(&a, &op->u, sizeof(a));
    if (a.set & ~XEN_SCHED_ACTIVITY_SET_ALL)
        return refuse(EINVAL);
    if (a.set & XEN_SCHED_ACTIVITY_SET_WEIGHT)
        d->act.weight = a.weight;
    if (a.set & XEN_SCHED_ACTIVITY_SET_CAP)
        d->act.cap = a.cap;
    if (a.set & XEN_SCHED_ACTIVITY_SET_URGENCY) {
        if (!a.lease_ms != !a.urgency)
            return refuse(EINVAL);
        d->act.urgency = a.urgency;
        d->act.lease_ms = a.lease_ms;
    }
    return 0;
}

static int fake_affinity(struct fake_dom *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    uint8_t *map = a->cpumap_hard.bitmap.p;

    if (a->vcpu >= d->nr_vcpus || a->flags != XEN_VCPUAFFINITY_HARD)
        return refuse(EINVAL);
    if (op->cmd == XEN_DOMCTL_setvcpuaffinity)
        memcpy(&d->affinity, map, 8);
    else if (d->affinity == UINT64_MAX)
        memset(map, 0xff, 8); /* as many bits as Xen was built for */
    memcpy(map, &d->affinity, 8);
    return 0;
}

static int fake_domctl(void *ctx, struct xen_domctl *op)
{
    struct fake *f = ctx;
    struct fake_dom *d;
    size_t i;

    if (op->interface_version != f->version)
        return refuse(EACCES);
    f->domctls++;
    if (op->cmd == XEN_DOMCTL_getdomaininfo) {
        for (i = 0; i < f->nr; i++) {
            if (f->dom[i].domid < op->domain)
                continue;
            op->domain = f->dom[i].domid;
            fill_info(&f->dom[i], &op->u.getdomaininfo);
            return 0;
        }
        return refuse(ESRCH);
    }
    d = fake_dom(f, op->domain);
    if (!d)
        return refuse(ESRCH);
    switch (op->cmd) {
    case XEN_DOMCTL_scheduler_op:
        return fake_sched_op(f, d, &op->u.scheduler_op);
    case XEN_DOMCTL_getvcpuaffinity:
    case XEN_DOMCTL_setvcpuaffinity:
        return fake_affinity(d, op);
    default:
        return refuse(ENOSYS);
    }
}

/* What Xen gives at a time. */
#define FAKE_RECORDS_CALL 1024

static void fake_record(const struct fake *f, const struct fake_dom *d,
                        uint32_t v, struct xen_sched_activity_record *r)
{
    memset(r, 0, sizeof(*r));
    r->domid = d->domid;
    r->vcpu_id = v;
    r->time_ns[0] = 100 + d->ran_ns / d->nr_vcpus;
    r->time_ns[1] = 10 + d->waited_ns / d->nr_vcpus;
    r->wakes = r->blocks = 1 + d->wakes / d->nr_vcpus;
    r->latency[3] = 1;
    r->latency[11] = d->wakes / d->nr_vcpus;
    r->burst_avg_ns = 1000 * (v + 1);
    if (f->old_records)
        return;
    r->weight = d->act.weight;
    r->cap = d->act.cap;
    r->urgency = d->act.urgency;
    r->lease_ms = d->act.lease_ms;
    r->affinity = d->affinity;
    if (d->affinity == UINT64_MAX)
        r->flags = XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE;
}

/* Each vCPU has one record; as in Xen, the cursor is (domid, vCPU). */
static int fake_records(struct fake *f, struct xen_sysctl_scheduler_op *op)
{
    struct xen_sysctl_sched_activity a;
    struct xen_sched_activity_record *out;
    uint32_t n = 0, room;
    size_t i;

    if (f->sched_id != XEN_SCHEDULER_ACTIVITY)
        return refuse(EINVAL);
    memcpy(&a, &op->u, sizeof(a));
    if (a.op != XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS ||
        a.u.records.size != sizeof(*out))
        return refuse(EINVAL);
    out = (void *)a.u.records.buffer.p;
    room = a.u.records.nr < FAKE_RECORDS_CALL ? a.u.records.nr :
                                                FAKE_RECORDS_CALL;
    for (i = 0; i < f->nr && n < room; i++) {
        const struct fake_dom *d = &f->dom[i];
        uint64_t key = (uint64_t)d->domid << 32;
        uint32_t v;

        if (d->domid < a.u.records.cursor >> 32)
            continue;
        for (v = 0; v < d->nr_vcpus && n < room; v++) {
            if ((key | v) < a.u.records.cursor)
                continue;
            fake_record(f, d, v, &out[n++]);
            a.u.records.cursor = (key | v) + 1;
        }
    }
    a.u.records.nr = n;
    memcpy(&op->u, &a, sizeof(a));
    return 0;
}

/* As in Xen: what there is no room for is counted, but not written. */
static int fake_topology(struct fake *f, struct xen_sysctl_cputopoinfo *op)
{
    struct xen_sysctl_cputopo *out = (void *)op->cputopo.p;
    uint32_t i;

    if (!f->topo)
        return refuse(ENOSYS);
    for (i = 0; out && i < op->num_cpus && i < f->nr_topo; i++)
        out[i] = f->topo[i];
    op->num_cpus = f->nr_topo;
    return 0;
}

static int fake_sysctl(void *ctx, struct xen_sysctl *op)
{
    struct fake *f = ctx;
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    struct xen_domctl_getdomaininfo *info;
    size_t i;

    if (op->interface_version != f->version)
        return refuse(EACCES);
    f->sysctls++;
    switch (op->cmd) {
    case XEN_SYSCTL_sched_id:
        return 0;
    case XEN_SYSCTL_cpupool_op:
        if (op->u.cpupool_op.cpupool_id > 0)
            return refuse(ENOENT);
        op->u.cpupool_op.sched_id = f->sched_id;
        for (i = 0; i < f->nr_pcpus; i++)
            op->u.cpupool_op.cpumap.bitmap.p[i / 8] |= 1u << (i % 8);
        return 0;
    case XEN_SYSCTL_cputopoinfo:
        return fake_topology(f, &op->u.cputopoinfo);
    case XEN_SYSCTL_getdomaininfolist:
        info = (void *)l->buffer.p;
        l->num_domains = 0;
        for (i = 0; i < f->nr; i++)
            if (f->dom[i].domid >= l->first_domain &&
                l->num_domains < l->max_domains)
                fill_info(&f->dom[i], &info[l->num_domains++]);
        return 0;
    case XEN_SYSCTL_scheduler_op:
        return fake_records(f, &op->u.scheduler_op);
    default:
        return refuse(ENOSYS);
    }
}

static void *fake_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void fake_release(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

static uint64_t fake_mono_ns(void *ctx)
{
    return ((struct fake *)ctx)->now_ns;
}

/* ------------------------------------------------------------------------ */

static uint32_t fake_begin(void *ctx)
{
    struct fake *f = ctx;

    f->log[0] = '\0';
    return ++f->begins;
}

static int fake_end(void *ctx, uint32_t t, bool abandon)
{
    struct fake *f = ctx;

    if (t != f->begins)
        return refuse(EINVAL);
    if (abandon)
        f->log[0] = '\0';
    if (!abandon && f->eagains) {
        f->eagains--;
        return refuse(EAGAIN);
    }
    return 0;
}

static char *fake_read(void *ctx, uint32_t t, const char *path)
{
    struct fake *f = ctx;
    uint32_t domid;
    char name[200];

    (void)t;
    f->reads++;
    if (sscanf(path, "/local/domain/%u/name", &domid) != 1)
        return strdup("");
    if (domid == 4) {
        errno = ENOENT;
        return NULL;
    }
    if (domid == 6) /* what a terminal must not see, and too long */
        snprintf(name, sizeof(name), "evil\033[2J\n%0100d", 7);
    else
        snprintf(name, sizeof(name), "dom%u", domid);
    return strdup(name);
}

static bool fake_exists(void *ctx, uint32_t t, const char *path)
{
    struct fake *f = ctx;
    uint32_t domid;
    char more;

    (void)t;
    return !f->gone &&
           sscanf(path, "/local/domain/%u%c", &domid, &more) == 1 &&
           fake_dom(f, domid);
}

static void note(struct fake *f, const char *what, const char *path,
                 const char *value)
{
    size_t len = strlen(f->log);

    snprintf(f->log + len, sizeof(f->log) - len, "%s %s %s\n", what, path,
             value);
}

static int fake_write(void *ctx, uint32_t t, const char *path,
                      const char *value)
{
    (void)t;
    note(ctx, "w", path, value);
    return 0;
}

static int fake_readable_by(void *ctx, uint32_t t, const char *path,
                            uint32_t domid)
{
    char id[12];

    (void)t;
    snprintf(id, sizeof(id), "%u", domid);
    note(ctx, "p", path, id);
    return 0;
}

static int fake_rm(void *ctx, uint32_t t, const char *path)
{
    (void)t;
    note(ctx, "rm", path, "");
    return 0;
}

static void fake_close(void *ctx)
{
    (void)ctx;
}

static const struct avm_ops fake_ops = {
    .domctl = fake_domctl, .sysctl = fake_sysctl,
    .alloc = fake_alloc, .release = fake_release, .mono_ns = fake_mono_ns,
    .store_begin = fake_begin, .store_end = fake_end,
    .store_read = fake_read, .store_exists = fake_exists,
    .store_write = fake_write, .store_readable_by = fake_readable_by,
    .store_rm = fake_rm, .close = fake_close,
};

#endif
