/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* topology: node, socket and core of each pCPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

/* What is written to struct avm_pcpu as it comes. */
_Static_assert(XEN_INVALID_CORE_ID == AVM_PCPU_UNKNOWN &&
               XEN_INVALID_SOCKET_ID == AVM_PCPU_UNKNOWN &&
               XEN_INVALID_NODE_ID == AVM_PCPU_UNKNOWN, "");
_Static_assert(AVM_PCPUS_MAX * sizeof(struct xen_sysctl_cputopo) <=
               AVM_LIST_SIZE, "");

int avm_topology_read(avm_handle *h, struct avm_topology **topology)
{
    struct xen_sysctl *s = avm_sysctl(h, XEN_SYSCTL_cputopoinfo);
    const struct xen_sysctl_cputopo *in = h->list;
    struct avm_topology *t;
    uint32_t i, nr;

    memset(h->list, 0, AVM_PCPUS_MAX * sizeof(*in));
    s->u.cputopoinfo.num_cpus = AVM_PCPUS_MAX;
    set_xen_guest_handle(s->u.cputopoinfo.cputopo, h->list);
    if (avm_do_sysctl(h) < 0) {
        avm_error(h, "reading the topology of the pCPUs: %s",
                  strerror(errno));
        return -1;
    }
    /* More than there is room for: then not all of them were written. */
    nr = s->u.cputopoinfo.num_cpus;
    if (!nr || nr > AVM_PCPUS_MAX) {
        avm_error(h, "reading the topology of the pCPUs: %u pCPUs, not 1 to "
                  "%u", nr, AVM_PCPUS_MAX);
        errno = EIO;
        return -1;
    }
    t = malloc(sizeof(*t) + nr * sizeof(t->pcpu[0]));
    if (!t)
        return -1;
    t->nr = nr;
    for (i = 0; i < nr; i++)
        t->pcpu[i] = (struct avm_pcpu){
            .node = in[i].node, .socket = in[i].socket, .core = in[i].core,
        };
    *topology = t;
    return 0;
}

void avm_topology_free(struct avm_topology *topology)
{
    free(topology);
}
