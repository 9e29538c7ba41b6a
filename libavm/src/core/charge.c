/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * charge: what dom0 does for a domain is the domain's doing. The time of its QEMU
 * is known. The rest of dom0's time (threads of blkback and netback, and what the
 * kernel does for them in between) is divided by bytes among those whose network
 * and disks it serves. There is time in it that was nobody's, so what comes out is
 * the most that a domain can have cost.
 */
#include "core.h"

static uint64_t bytes_of(const struct avm_domain *d)
{
    const struct avm_window *w = &d->smooth;
    uint64_t bps = 0;

    if (d->flags & AVM_DOM_CONTROL)
        return 0;
    if (w->have & AVM_HAVE_NET)
        bps += w->net_bps;
    /* Those of a QEMU cost the time of the QEMU. */
    if ((w->have & AVM_HAVE_DISK) && !(d->flags & AVM_DOM_QDISK))
        bps += w->disk_bps;
    return bps;
}

static uint32_t own(const struct avm_domain *d)
{
    return d->smooth.have & AVM_HAVE_BACKEND ? d->smooth.backend_permille : 0;
}

void avm_charge(struct avm_domain *dom, size_t nr)
{
    unsigned __int128 total = 0;
    uint64_t rest = 0, known = 0;
    size_t i;

    for (i = 0; i < nr; i++) {
        total += bytes_of(&dom[i]);
        if (dom[i].flags & AVM_DOM_CONTROL)
            rest += dom[i].smooth.cpu_permille;
        else
            known += own(&dom[i]);
    }
    rest -= known < rest ? known : rest;
    for (i = 0; i < nr; i++) {
        unsigned __int128 part = (unsigned __int128)bytes_of(&dom[i]) * rest;

        dom[i].charged_permille =
            avm_clamp_u32(own(&dom[i]) + (total ? (uint64_t)(part / total) : 0));
    }
}
