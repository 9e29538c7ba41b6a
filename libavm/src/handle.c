/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* handle: the calls of avm.h that reach the outside, put together. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

void avm_error(avm_handle *h, const char *fmt, ...)
{
    int saved_errno = errno;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(h->error, sizeof(h->error), fmt, ap);
    va_end(ap);
    errno = saved_errno;
}

const char *avm_last_error(const avm_handle *h)
{
    return h->error;
}

avm_handle *avm_open_ops(const struct avm_ops *ops, void *ctx,
                         const char *sysroot)
{
    avm_handle *h = calloc(1, sizeof(*h));
    int saved_errno;

    if (!h) {
        ops->close(ctx);
        errno = ENOMEM;
        return NULL;
    }
    h->ops = ops;
    h->ctx = ctx;
    h->sysroot = strdup(sysroot);
    h->domctl = ops->alloc(ctx, sizeof(*h->domctl));
    h->sysctl = ops->alloc(ctx, sizeof(*h->sysctl));
    h->list = ops->alloc(ctx, AVM_LIST_SIZE);
    if (!h->sysroot || !h->domctl || !h->sysctl || !h->list)
        errno = ENOMEM;
    else if (!avm_call_probe(h))
        return h;

    saved_errno = errno;
    avm_close(h);
    errno = saved_errno;
    return NULL;
}

avm_handle *avm_open(struct xentoollog_logger *logger, unsigned int flags)
{
    void *ctx;

    if (flags) {
        errno = EINVAL;
        return NULL;
    }
    ctx = avm_call_open(logger);
    return ctx ? avm_open_ops(&avm_ops_xen, ctx, "") : NULL;
}

void avm_close(avm_handle *h)
{
    if (!h)
        return;
    if (h->domctl)
        h->ops->release(h->ctx, h->domctl);
    if (h->sysctl)
        h->ops->release(h->ctx, h->sysctl);
    if (h->list)
        h->ops->release(h->ctx, h->list);
    h->ops->close(h->ctx);
    avm_uplinks_free(h);
    avm_netin_free(h);
    while (h->nr_entries)
        avm_qemu_close(&h->entry[--h->nr_entries]);
    free(h->entry);
    free(h->vif);
    avm_disk_forget(h);
    avm_psi_forget(h);
    free(h->thread);
    free(h->sysroot);
    free(h);
}

/* ------------------------------------------------------------------------ */
/* Host                                                                     */

/* One line; "" if there is nothing to say. */
static void psi_line(const char *sysroot, char *line, size_t size)
{
    static const char *const name[AVM_NR_PSI] = { "cpu", "memory", "io" };
    uint32_t missing = avm_psi_missing(sysroot);
    size_t len = 0;
    int i;

    line[0] = '\0';
    for (i = 0; i < AVM_NR_PSI && len < size; i++)
        if (missing & 1u << i)
            len += snprintf(line + len, size - len, "%s /proc/pressure/%s",
                            len ? " and no" : "no", name[i]);
    if (len && len < size)
        snprintf(line + len, size - len, ": verdicts do without that\n");
}

int avm_info(avm_handle *h, struct avm_info *info)
{
    size_t len = 0;
    char *root;
    uint32_t i;

    memset(info, 0, sizeof(*info));
    info->domctl_version = h->domctl_version;
    info->sysctl_version = h->sysctl_version;
    if (avm_pools_read(h, &info->host))
        return -1;
    if (h->ops->store_begin) {
        root = h->ops->store_read(h->ctx, 0, "/");
        info->has_xenstore = root;
        free(root);
    }

    for (i = 0; i < info->host.nr_pools && len < sizeof(info->limits); i++) {
        const struct avm_pool *p = &info->host.pool[i];

        if (p->can & AVM_CAN_RECORDS)
            continue;
        len += snprintf(info->limits + len, sizeof(info->limits) - len,
                        "pool %u: sched=%s tells no waiting times and has no "
                        "urgency%s\n", p->id, avm_scheduler_name(p->sched_id),
                        p->can & AVM_CAN_WEIGHT ? "" : ", weight or cap");
    }
    if (!info->has_xenstore && len < sizeof(info->limits))
        len += snprintf(info->limits + len, sizeof(info->limits) - len,
                        "no xenstore: domains have no names, nothing is "
                        "published\n");
    if (len < sizeof(info->limits))
        psi_line(h->sysroot, info->limits + len, sizeof(info->limits) - len);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Sample                                                                   */

/* A domain may go between two calls: then the rest of it is just not there. */
static int read_params(avm_handle *h, struct avm_sample *s,
                       const uint32_t *max_vcpu)
{
    size_t i;

    for (i = 0; i < s->nr; i++) {
        struct avm_domain_sample *d = &s->domain[i];
        const struct avm_pool *p = avm_pool_find(&s->host, d->pool);

        /* The records have told it. */
        if (!p || d->params.can || (d->flags & AVM_DOM_DYING))
            continue;
        if (avm_sched_get(h, p, d->domid, max_vcpu[i], &d->params)) {
            memset(&d->params, 0, sizeof(d->params));
            if (errno != ESRCH && errno != EINVAL) {
                avm_error(h, "parameters of domain %u: %s", d->domid,
                          strerror(errno));
                return -1;
            }
        }
    }
    return 0;
}

int avm_sample_read(avm_handle *h, struct avm_sample **sample)
{
    struct avm_sample *s = calloc(1, sizeof(*s));
    uint32_t *max_vcpu = NULL, i;
    int rc = -1;

    if (!s)
        return -1;
    if (avm_pools_read(h, &s->host))
        goto out;
    s->mono_ns = h->ops->mono_ns(h->ctx);
    avm_psi_read(h, &s->psi);
    if (avm_domains_read(h, &s->domain, &max_vcpu, &s->nr))
        goto out;
    for (i = 0; i < s->host.nr_pools; i++)
        if ((s->host.pool[i].can & AVM_CAN_RECORDS) &&
            avm_records_read(h, &s->host.pool[i], s->domain, s->nr))
            goto out;
    if (avm_net_read(h, s->domain, s->nr) ||
        avm_disk_read(h, s->domain, s->nr)) {
        avm_error(h, "reading network and disk counters: %s", strerror(errno));
        goto out;
    }
    if (read_params(h, s, max_vcpu) ||
        avm_store_names(h, s->domain, s->nr))
        goto out;
    avm_devices_read(h, s->domain, s->nr);
    avm_qemu_read(h, s->domain, s->nr);
    avm_groups_read(h, s->domain, s->nr);
    h->in_sample = true;
    avm_limits_read(h, s->domain, s->nr);
    h->in_sample = false;
    *sample = s;
    s = NULL;
    rc = 0;

 out:
    free(max_vcpu);
    avm_sample_free(s);
    return rc;
}

/* ------------------------------------------------------------------------ */
/* Change                                                                   */

/* The domain, its pool, and that it is the one that was meant. */
static int find(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                struct avm_host *host, const struct avm_pool **pool,
                uint32_t *max_vcpu)
{
    struct avm_domain_sample d;

    if (avm_domain_read(h, domid, &d, max_vcpu)) {
        avm_error(h, "domain %u: %s", domid, strerror(errno));
        return -1;
    }
    if (uuid && !avm_uuid_equal(uuid, &d.uuid)) {
        avm_error(h, "domain %u is another one by now", domid);
        errno = ESTALE;
        return -1;
    }
    if (avm_pools_read(h, host))
        return -1;
    *pool = avm_pool_find(host, d.pool);
    if (!*pool) {
        avm_error(h, "domain %u is in no CPU pool", domid);
        errno = ESRCH;
        return -1;
    }
    return 0;
}

int avm_params_get(avm_handle *h, uint32_t domid, struct avm_params *p)
{
    const struct avm_pool *pool;
    struct avm_host host;
    uint32_t max_vcpu;

    if (find(h, domid, NULL, &host, &pool, &max_vcpu) ||
        avm_sched_get(h, pool, domid, max_vcpu, p))
        return -1;
    return avm_limits_get(h, domid, p);
}

int avm_params_set(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                   uint32_t set, const struct avm_params *p)
{
    const struct avm_pool *pool;
    struct avm_host host;
    uint32_t max_vcpu;

    if (find(h, domid, uuid, &host, &pool, &max_vcpu))
        return -1;
    if ((!set || (set & ~AVM_CAN_DEVICES)) &&
        avm_sched_set(h, pool, domid, max_vcpu, set & ~AVM_CAN_DEVICES, p))
        return -1;
    return avm_limits_set(h, domid, uuid, set, p);
}

static int write_knob(avm_handle *h, const struct avm_change *c, uint64_t value,
                      uint32_t lease_ms)
{
    struct avm_params p = { .lease_ms = lease_ms };

    if (avm_params_put(&p, c->knob, value))
        return -1;
    return avm_params_set(h, c->domid, &c->uuid, avm_knob_can(c->knob), &p);
}

int avm_apply(avm_handle *h, const struct avm_change *c)
{
    return write_knob(h, c, c->after, c->lease_ms);
}

int avm_undo(avm_handle *h, const struct avm_change *c)
{
    /* What it was before was a lease as well: normal is where they all end. */
    return write_knob(h, c, c->knob == AVM_KNOB_URGENCY ? AVM_URGENCY_NORMAL :
                                                          c->before, 0);
}

int avm_verify(avm_handle *h, const struct avm_change *c, uint64_t *actual)
{
    const struct avm_pool *pool;
    struct avm_host host;
    struct avm_params p = { 0 };
    uint32_t max_vcpu;

    if (find(h, c->domid, &c->uuid, &host, &pool, &max_vcpu) ||
        (avm_knob_can(c->knob) & AVM_CAN_DEVICES ?
         avm_limits_get(h, c->domid, &p) :
         avm_sched_get(h, pool, c->domid, max_vcpu, &p)))
        return -1;
    if (!avm_params_value(&p, c->knob, actual)) {
        errno = c->knob < AVM_NR_KNOBS ? ENOTSUP : EINVAL;
        return -1;
    }
    return avm_knob_same(c->knob, *actual, c->after) ? 0 : 1;
}

int avm_publish(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                enum avm_class klass)
{
    struct avm_domain_sample d;
    uint32_t max_vcpu;

    if (avm_domain_read(h, domid, &d, &max_vcpu))
        return -1;
    if (!avm_uuid_equal(uuid, &d.uuid)) {
        errno = ESTALE;
        return -1;
    }
    return avm_store_publish(h, domid, uuid, klass);
}

int avm_unpublish(avm_handle *h, uint32_t domid)
{
    return avm_store_unpublish(h, domid);
}
