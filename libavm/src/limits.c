/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits: what domains may send, read and write, their shares of links and disks,
 * and when that is looked up. To find a domain's devices takes a walk over all of
 * them, so a sample does it for those that have limits, and for a few of the others
 * in turn.
 */
#include <errno.h>

#include "edge.h"

/* Devices that a sample looks at for this, about: a millisecond's work. */
#define LOOKS_PER_SAMPLE 256

int avm_limits_get(avm_handle *h, uint32_t domid, struct avm_params *p)
{
    uint64_t group;

    p->can |= AVM_CAN_DEVICES;
    return avm_netback_get(h, domid, &p->net_out_max_bps) ||
           avm_blkback_get(h, domid, &p->disk_max_bps) ||
           avm_blkback_share_get(h, domid, &p->disk_share, &group) ||
           avm_uplink_get(h, domid, &p->net_share) ? -1 : 0;
}

static void look(avm_handle *h, struct avm_store_entry *e)
{
    /* Until it can be read nothing is known, so nothing is changed. */
    e->limits_known =
        !avm_netback_get(h, e->domid, &e->net_out_bps) &&
        !avm_blkback_get(h, e->domid, &e->disk_bps) &&
        !avm_blkback_share_get(h, e->domid, &e->disk_share, &e->disk_group);
}

int avm_limits_set(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                   uint32_t set, const struct avm_params *p)
{
    struct avm_store_entry *e;
    int rc = 0;

    if (set & AVM_CAN_NET_OUT)
        rc = avm_netback_set(h, domid, p->net_out_max_bps);
    if (!rc && (set & AVM_CAN_DISK))
        rc = avm_blkback_set(h, domid, p->disk_max_bps);
    if (!rc && (set & AVM_CAN_DISK_SHARE))
        rc = avm_blkback_share_set(h, domid, p->disk_share);
    if (!rc && (set & AVM_CAN_NET_SHARE))
        rc = avm_uplink_set(h, domid, p->net_share);

    e = uuid && (set & AVM_CAN_DEVICES) ? avm_store_entry(h, domid, uuid) : NULL;
    if (e) {
        int saved_errno = errno;

        look(h, e);
        errno = saved_errno;
    }
    return rc;
}

static void fill_in(const struct avm_store_entry *e,
                    struct avm_domain_sample *d)
{
    if (!e->limits_known)
        return;
    if (d->have & AVM_HAVE_NET)
        d->params.can |= AVM_CAN_NET_OUT;
    if (d->have & AVM_HAVE_DISK)
        d->params.can |= AVM_CAN_DISK;
    if ((d->have & AVM_HAVE_DISK) && e->disk_group)
        d->params.can |= AVM_CAN_DISK_SHARE;
    d->params.disk_share = e->disk_share;
    d->disk_group = e->disk_group;
    d->params.net_out_max_bps = e->net_out_bps;
    d->params.disk_max_bps = e->disk_bps;
}

void avm_limits_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    size_t turns = nr < LOOKS_PER_SAMPLE ? LOOKS_PER_SAMPLE / (nr ? nr : 1) : 1;
    size_t i, first = h->next_limits;

    h->next_limits = first + turns < nr ? first + turns : 0;
    for (i = 0; i < nr; i++) {
        struct avm_domain_sample *d = &dom[i];
        struct avm_store_entry *e;

        if (!(d->have & (AVM_HAVE_NET | AVM_HAVE_DISK)) ||
            (d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING)))
            continue;
        e = avm_store_entry(h, d->domid, &d->uuid);
        if (!e)
            return;
        if (e->net_out_bps || e->disk_bps ||
            (e->limits_known && e->disk_share != AVM_SHARE_NORMAL) ||
            (i >= first && i < first + turns))
            look(h, e);
        fill_in(e, d);
    }
    avm_uplinks_read(h, dom, nr);
}
