/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vifs: which network devices are back-ends of domains here, and of which. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edge.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

bool avm_vif_owner(int net, const char *name, uint32_t *domid, uint32_t *index)
{
    static const char prefix[] = "backend/vif/";
    char path[300], nodename[64];

    /* The emulated twin of a vif: the same traffic, or none. */
    return !ends_with(name, "-emu") &&
           snprintf(path, sizeof(path), "%s/device/nodename", name) <
           (int)sizeof(path) &&
           avm_sysfs_line_at(net, path, nodename, sizeof(nodename)) &&
           !strncmp(nodename, prefix, sizeof(prefix) - 1) &&
           avm_parse_pair(nodename + sizeof(prefix) - 1, '/', domid, index);
}

static void walk_known(avm_handle *h, uint32_t domid, avm_vif_fn *fn, void *arg)
{
    bool more = true;
    size_t i;

    for (i = 0; i < h->nr_vifs && more; i++) {
        const struct avm_vif *v = &h->vif[i];

        if (v->domid != NO_DOMAIN && (domid == NO_DOMAIN || v->domid == domid))
            more = fn(h, v, NULL, arg);
    }
}

int avm_vifs_each(avm_handle *h, uint32_t domid, avm_vif_fn *fn, void *arg)
{
    struct avm_vif v = { 0 };
    bool more = true;
    struct dirent *e;
    char base[256];
    DIR *all;

    if (h->in_sample && h->links_known) {
        walk_known(h, domid, fn, arg);
        return 0;
    }
    all = avm_sysfs_dir(h->sysroot, "/sys/class/net", base, sizeof(base));
    if (!all)
        return errno == ENOENT ? 0 : -1;
    while (more && (e = readdir(all)))
        if (e->d_name[0] != '.' && strlen(e->d_name) < AVM_IFNAME &&
            avm_vif_owner(dirfd(all), e->d_name, &v.domid, &v.index) &&
            (domid == NO_DOMAIN || v.domid == domid))
            more = fn(h, &v, e->d_name, arg);
    closedir(all);
    return 0;
}
