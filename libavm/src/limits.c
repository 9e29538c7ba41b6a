/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits: what domains may send, read and write, their shares of links and disks,
 * and when that is looked up. For each device xenstored is asked and some files are
 * read, so a sample does it for a few domains in turn, and for those whose devices
 * are others than before.
 */
#include <errno.h>

#include "edge.h"

/* Domains that a sample looks at for this: a few milliseconds' work. */
#define LOOKS_PER_SAMPLE 16

int avm_limits_get(avm_handle *h, uint32_t domid, struct avm_params *p)
{
    uint64_t group;
    bool foreign;

    p->can |= AVM_CAN_DEVICES;
    if (avm_netin_get(h, domid, &p->net_in_max_bps, &foreign))
        p->can &= ~AVM_CAN_NET_IN;
    return avm_netback_get(h, domid, &p->net_out_max_bps) ||
           avm_blkback_get(h, domid, &p->disk_max_bps) ||
           avm_blkback_share_get(h, domid, &p->disk_share, &group) ||
           avm_uplink_get(h, domid, &p->net_share) ? -1 : 0;
}

static void look(avm_handle *h, struct avm_store_entry *e)
{
    bool foreign = false;

    /* Not so on all kernels, which is nothing to the others. */
    e->net_in_known = !avm_netin_get(h, e->domid, &e->net_in_bps, &foreign);
    e->net_in_given_up &= !e->net_in_known || foreign;
    /* Until it can be read nothing is known, so nothing is changed. */
    e->qemu_elsewhere = avm_qemu_elsewhere(h, e->domid);
    e->limits_known =
        !avm_netback_get(h, e->domid, &e->net_out_bps) &&
        !avm_blkback_get(h, e->domid, &e->disk_bps) &&
        !avm_blkback_share_get(h, e->domid, &e->disk_share, &e->disk_group);
}

int avm_limits_set(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                   uint32_t set, const struct avm_params *p)
{
    struct avm_store_entry *e;
    bool in_the_way = false;
    int rc = 0;

    if (set & AVM_CAN_NET_OUT)
        rc = avm_netback_set(h, domid, p->net_out_max_bps);
    if (!rc && (set & AVM_CAN_NET_IN)) {
        rc = avm_netin_set(h, domid, p->net_in_max_bps);
        in_the_way = rc && errno == EBUSY;
    }
    if (!rc && (set & AVM_CAN_DISK))
        rc = avm_blkback_set(h, domid, p->disk_max_bps);
    if (!rc && (set & AVM_CAN_DISK_SHARE))
        rc = avm_blkback_share_set(h, domid, p->disk_share);
    if (!rc && (set & AVM_CAN_NET_SHARE))
        rc = avm_uplink_set(h, domid, p->net_share);

    e = uuid && (set & AVM_CAN_DEVICES) ? avm_store_entry(h, domid, uuid) : NULL;
    if (e) {
        int saved_errno = errno;

        if (!rc && (set & AVM_CAN_NET_OUT))
            e->net_out_wrote_bps = p->net_out_max_bps;
        /* Said once, by who called: it is not asked for again until that is gone. */
        e->net_in_given_up |= in_the_way;
        look(h, e);
        errno = saved_errno;
    }
    return rc;
}

static void fill_in(const struct avm_store_entry *e,
                    struct avm_domain_sample *d)
{
    uint32_t devices = d->have | d->late;

    if (!e->limits_known)
        return;
    if (devices & AVM_HAVE_NET)
        d->params.can |= AVM_CAN_NET_OUT;
    if ((devices & AVM_HAVE_NET) && e->net_in_known && !e->net_in_given_up)
        d->params.can |= AVM_CAN_NET_IN;
    if (e->qemu_elsewhere)
        d->flags |= AVM_DOM_QEMU_ELSEWHERE;
    else if (devices & AVM_HAVE_DISK)
        d->params.can |= AVM_CAN_DISK |
                         (e->disk_group ? AVM_CAN_DISK_SHARE : 0);
    d->params.disk_share = e->disk_share;
    d->disk_group = e->disk_group;
    d->params.net_out_max_bps = e->net_out_bps;
    d->params.net_in_max_bps = e->net_in_bps;
    d->params.disk_max_bps = e->disk_bps;
}

static bool has_devices(const struct avm_domain_sample *d)
{
    return ((d->have | d->late) & (AVM_HAVE_NET | AVM_HAVE_DISK)) &&
           !(d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING));
}

static uint64_t devices_of(const struct avm_domain_sample *d)
{
    return d->net_devices + d->disk_devices;
}

void avm_limits_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    size_t i, first = h->next_limits < nr ? h->next_limits : 0;
    unsigned int looks = LOOKS_PER_SAMPLE;
    struct avm_store_entry *e;

    if (h->threads_left)
        h->threads_left--;
    avm_netin_sample(h);
    for (i = 0; i < nr; i++) {
        if (!has_devices(&dom[i]))
            continue;
        e = avm_store_entry(h, dom[i].domid, &dom[i].uuid);
        if (!e)
            return;
        if (e->devices == devices_of(&dom[i]) || !looks)
            continue;
        avm_netin_tend(h, e->domid, e->devices);
        /* On other devices than those: it is written anew, or not. */
        if (e->devices)
            e->net_out_wrote_bps = 0;
        look(h, e);
        e->devices = devices_of(&dom[i]);
        looks--;
    }
    for (i = 0; i < nr && looks; i++) {
        const struct avm_domain_sample *d = &dom[(first + i) % nr];

        if (!has_devices(d))
            continue;
        e = avm_store_entry(h, d->domid, &d->uuid);
        avm_netin_tend(h, d->domid, false);
        look(h, e);
        if (e->limits_known && !e->net_out_bps && e->net_out_wrote_bps) {
            avm_netback_tend(h, d->domid, e->net_out_wrote_bps);
            e->net_out_wrote_bps = 0;
        }
        h->next_limits = (first + i + 1) % nr;
        looks--;
    }
    for (i = 0; i < nr; i++)
        if (has_devices(&dom[i]))
            fill_in(avm_store_entry(h, dom[i].domid, &dom[i].uuid), &dom[i]);
    avm_uplinks_read(h, dom, nr);
}
