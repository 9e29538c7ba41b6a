/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domains: who is there, from XEN_SYSCTL_getdomaininfolist. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

#define PER_CALL (AVM_LIST_SIZE / sizeof(struct xen_domctl_getdomaininfo))

static void convert(const struct xen_domctl_getdomaininfo *i,
                    struct avm_domain_sample *d, uint32_t *max_vcpu)
{
    memset(d, 0, sizeof(*d));
    memcpy(d->uuid.b, i->handle, sizeof(d->uuid.b));
    d->domid = i->domain;
    if (i->flags & XEN_DOMINF_dying)
        d->flags |= AVM_DOM_DYING;
    if (i->flags & XEN_DOMINF_paused)
        d->flags |= AVM_DOM_PAUSED;
    if (i->flags & XEN_DOMINF_shutdown)
        d->flags |= AVM_DOM_SHUTDOWN;
    if (i->flags & XEN_DOMINF_hvm_guest)
        d->flags |= AVM_DOM_HVM;
    if (i->domain == 0)
        d->flags |= AVM_DOM_CONTROL;
    d->pool = i->cpupool;
    d->nr_vcpus = i->nr_online_vcpus;
    d->have = AVM_HAVE_CPU;
    d->count.cpu_ns = i->cpu_time;
    *max_vcpu = i->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : i->max_vcpu_id;
}

static int bad_list(avm_handle *h)
{
    avm_error(h, "the hypervisor's list of domains has an unknown layout");
    errno = EPROTO;
    return -1;
}

int avm_domains_read(avm_handle *h, struct avm_domain_sample **dom,
                     uint32_t **max_vcpu, size_t *nr)
{
    struct avm_domain_sample *d = NULL, *d2;
    uint32_t *v = NULL, *v2, first = 0, got;
    size_t n = 0, room;

    do {
        struct xen_sysctl *s = avm_sysctl(h, XEN_SYSCTL_getdomaininfolist);
        const struct xen_domctl_getdomaininfo *info = h->list;
        uint32_t i;

        s->u.getdomaininfolist.first_domain = first;
        s->u.getdomaininfolist.max_domains = PER_CALL;
        set_xen_guest_handle(s->u.getdomaininfolist.buffer, h->list);
        if (avm_do_sysctl(h) < 0) {
            avm_error(h, "reading domains: %s", strerror(errno));
            goto fail;
        }
        got = s->u.getdomaininfolist.num_domains;
        if (got > PER_CALL) {
            bad_list(h);
            goto fail;
        }

        room = n + got + 1;
        d2 = realloc(d, room * sizeof(*d));
        if (d2)
            d = d2;
        v2 = realloc(v, room * sizeof(*v));
        if (v2)
            v = v2;
        if (!d2 || !v2)
            goto fail;

        for (i = 0; i < got; i++) {
            /* Another size of the structure would show here. */
            if (info[i].domain < first) {
                bad_list(h);
                goto fail;
            }
            first = info[i].domain + 1u;
            convert(&info[i], &d[n], &v[n]);
            n++;
        }
    } while (got == PER_CALL);

    *dom = d;
    *max_vcpu = v;
    *nr = n;
    return 0;

 fail:
    free(d);
    free(v);
    return -1;
}

int avm_domain_read(avm_handle *h, uint32_t domid,
                    struct avm_domain_sample *d, uint32_t *max_vcpu)
{
    struct xen_domctl *op;

    if (domid >= DOMID_FIRST_RESERVED) {
        errno = ESRCH;
        return -1;
    }
    op = avm_domctl(h, XEN_DOMCTL_getdomaininfo, domid);
    if (avm_do_domctl(h) < 0)
        return -1;
    /* If there is none, Xen gives the next one. */
    if (op->u.getdomaininfo.domain != domid) {
        errno = ESRCH;
        return -1;
    }
    convert(&op->u.getdomaininfo, d, max_vcpu);
    return 0;
}

struct avm_domain_sample *avm_domain_find(struct avm_domain_sample *dom,
                                          size_t nr, uint32_t domid)
{
    size_t lo = 0, hi = nr;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (dom[mid].domid == domid)
            return &dom[mid];
        if (dom[mid].domid < domid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
