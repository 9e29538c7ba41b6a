/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * devices: who serves the devices of a domain, from what libxl keeps in /libxl,
 * where no guest writes, unlike in the device's own directory. A back-end that is
 * not in this domain counts nothing here; and disks of a QEMU (qdisk) are not
 * among blkback's. Another toolstack says nothing there: then it is not known.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

/* Domains that a sample asks for, each with some round trips to xenstored. */
#define NEW_LOOKS_PER_SAMPLE 16
#define LOOKS_PER_SAMPLE     4

/* No domain has more, and no xenstored answers without end. */
#define DEVICES_MAX 64

/* Where avmd runs. */
#define HERE 0

static char *read_key(avm_handle *h, const char *dir, const char *leaf)
{
    char path[160];

    if (snprintf(path, sizeof(path), "%s/%s", dir, leaf) >= (int)sizeof(path))
        return NULL;
    return h->ops->store_read(h->ctx, 0, path);
}

/* "/local/domain/BACKEND/backend/KIND/DOMID/DEVICE", and nothing else. */
static bool parse_backend(const char *s, uint32_t domid, uint32_t *backend,
                          char *kind, size_t size)
{
    static const char domain[] = "/local/domain/", middle[] = "/backend/";
    uint32_t owner, device;
    uint64_t v;
    size_t len;

    if (strncmp(s, domain, sizeof(domain) - 1))
        return false;
    s = avm_parse_u64(s + sizeof(domain) - 1, &v);
    if (!s || v >= DOMID_FIRST_RESERVED ||
        strncmp(s, middle, sizeof(middle) - 1))
        return false;
    *backend = (uint32_t)v;
    s += sizeof(middle) - 1;
    len = strcspn(s, "/");
    if (!len || len >= size || !s[len])
        return false;
    memcpy(kind, s, len);
    kind[len] = '\0';
    return avm_parse_pair(s + len + 1, '/', &owner, &device) && owner == domid;
}

/* "aio:/dev/vg/lv", "qcow2:/srv/disk": the disk below. */
static void add_disk(avm_handle *h, const char *params, struct avm_devices *d)
{
    const char *file = params ? strchr(params, ':') : NULL;
    struct avm_blockdev b;
    unsigned int i;

    if (!file || file[1] != '/' || d->nr_disks == AVM_QDISKS_MAX ||
        !avm_blockdev_of_file(h->sysroot, file + 1, &b))
        return;
    avm_blockdev_whole(h->sysroot, &b);
    for (i = 0; i < d->nr_disks; i++)
        if (d->disk[i].major == b.major && d->disk[i].minor == b.minor)
            return;
    d->disk[d->nr_disks++] = b;
}

static void look_device(avm_handle *h, uint32_t domid, const char *dir,
                        bool net, struct avm_devices *d)
{
    uint32_t *served_by = net ? &d->net_served_by : &d->disk_served_by;
    char *backend = read_key(h, dir, "backend"), *params, kind[16];
    uint32_t who;

    if (backend && parse_backend(backend, domid, &who, kind, sizeof(kind))) {
        if (who != HERE && !*served_by) {
            *served_by = 1 + who;
        } else if (who == HERE && !net && !strcmp(kind, "qdisk")) {
            d->qdisk = true;
            params = read_key(h, dir, "params");
            add_disk(h, params, d);
            free(params);
        }
    }
    free(backend);
}

static void look_kind(avm_handle *h, uint32_t domid, bool net,
                      struct avm_devices *d)
{
    char base[64], dir[96];
    unsigned int nr = 0, i;
    const char *end;
    uint64_t device;
    char **name;

    snprintf(base, sizeof(base), "/libxl/%u/device/%s", domid,
             net ? "vif" : "vbd");
    name = h->ops->store_list(h->ctx, 0, base, &nr);
    for (i = 0; name && i < nr && i < DEVICES_MAX; i++) {
        end = avm_parse_u64(name[i], &device);
        if (!end || *end || device > UINT32_MAX)
            continue;
        snprintf(dir, sizeof(dir), "%s/%u", base, (uint32_t)device);
        look_device(h, domid, dir, net, d);
    }
    free(name);
}

/*
 * A pid is nothing that one may believe: the process may have ended, another may
 * have its number, and a guest may have written it where a toolstack let it.
 */
static bool look_qemu(avm_handle *h, uint32_t domid, const char *path,
                      struct avm_devices *d)
{
    char *text = h->ops->store_read(h->ctx, 0, path);
    const char *end;
    uint64_t pid;
    bool ok;

    if (!text)
        return false;
    end = avm_parse_u64(text, &pid);
    ok = end && !*end && pid > 1 && pid <= INT32_MAX &&
         avm_qemu_is(h->sysroot, (int)pid, domid, &d->start);
    if (ok)
        d->pid = (int)pid;
    free(text);
    return ok;
}

bool avm_devices_look(avm_handle *h, uint32_t domid, struct avm_devices *d)
{
    char path[80];

    memset(d, 0, sizeof(*d));
    if (!h->ops->store_begin || !h->ops->store_list || domid == HERE)
        return false;
    look_kind(h, domid, true, d);
    look_kind(h, domid, false, d);
    /* Where libxl keeps it; and where "xl devd" does. */
    snprintf(path, sizeof(path), "/local/domain/%u/image/device-model-pid",
             domid);
    if (look_qemu(h, domid, path, d))
        return true;
    snprintf(path, sizeof(path), "/local/domain/%u/libxl/%u/qdisk-backend-pid",
             HERE, domid);
    look_qemu(h, domid, path, d);
    return true;
}

/* While a domain is built it is paused, and not all is there yet. */
static void look(avm_handle *h, const struct avm_domain_sample *d,
                 struct avm_store_entry *e)
{
    struct avm_devices was = e->dev;

    e->dev_known = avm_devices_look(h, e->domid, &e->dev) &&
                   !(d->flags & AVM_DOM_PAUSED);
    if (e->dev.pid != was.pid || e->dev.start != was.start)
        avm_qemu_close(e);
}

static bool has_devices(const struct avm_domain_sample *d)
{
    return !(d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING));
}

void avm_devices_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    size_t i, k, first = h->next_devices < nr ? h->next_devices : 0;
    unsigned int new_looks = NEW_LOOKS_PER_SAMPLE, looks = LOOKS_PER_SAMPLE;
    struct avm_store_entry *e;

    if (!h->ops->store_begin || !h->ops->store_list)
        return;
    for (k = 0; k < nr; k++) {
        i = (first + k) % nr;
        if (!has_devices(&dom[i]))
            continue;
        e = avm_store_entry(h, dom[i].domid, &dom[i].uuid);
        if (!e)
            return;
        if (e->dev_known ? looks : new_looks) {
            --*(e->dev_known ? &looks : &new_looks);
            look(h, &dom[i], e);
            h->next_devices = i + 1;
        }
        dom[i].net_served_by = e->dev.net_served_by;
        dom[i].disk_served_by = e->dev.disk_served_by;
    }
}
