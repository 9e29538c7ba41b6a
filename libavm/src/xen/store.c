/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store: names of domains, and what a domain may know of what we think of it.
 * Each read is a round trip to xenstored, so names are kept for a while, and
 * nothing is written that is there already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"

/* Domains are hardly ever renamed. */
#define NAME_GOOD_FOR 64

/* Names that a sample asks for; who has none yet gets it with one of the next. */
#define NAMES_PER_SAMPLE 128

/* A transaction fails with EAGAIN when somebody else wrote meanwhile. */
#define MAX_TRIES 8

struct avm_store_entry *avm_store_entry(avm_handle *h, uint32_t domid,
                                        const struct avm_uuid *uuid)
{
    struct avm_store_entry *e;
    size_t lo = 0, hi = h->nr_entries;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (h->entry[mid].domid < domid)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* A domid that was used again is there twice for a while. */
    for (; lo < h->nr_entries && h->entry[lo].domid == domid; lo++)
        if (avm_uuid_equal(&h->entry[lo].uuid, uuid))
            return &h->entry[lo];

    if (h->nr_entries == h->entry_room) {
        size_t room = h->entry_room ? 2 * h->entry_room : 16;

        e = realloc(h->entry, room * sizeof(*e));
        if (!e)
            return NULL;
        h->entry = e;
        h->entry_room = room;
    }
    e = &h->entry[lo];
    memmove(e + 1, e, (h->nr_entries++ - lo) * sizeof(*e));
    memset(e, 0, sizeof(*e));
    e->domid = domid;
    e->uuid = *uuid;
    return e;
}

static void forget_gone(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    size_t i, n = 0;

    for (i = 0; i < h->nr_entries; i++) {
        const struct avm_domain_sample *d =
            avm_domain_find(dom, nr, h->entry[i].domid);

        if (d && avm_uuid_equal(&d->uuid, &h->entry[i].uuid))
            h->entry[n++] = h->entry[i];
        else
            avm_qemu_close(&h->entry[i]);
    }
    h->nr_entries = n;
}

/* Printable ASCII only; the rest would play tricks on terminals and logs. */
static void clean_name(const char *untrusted, char *out)
{
    size_t i;

    for (i = 0; untrusted && untrusted[i] && i < AVM_NAME_LEN - 1; i++)
        out[i] = untrusted[i] >= ' ' && untrusted[i] <= '~' ? untrusted[i] :
                                                               '?';
    out[i] = '\0';
}

static void read_name(avm_handle *h, struct avm_store_entry *e)
{
    char path[64], *untrusted;

    snprintf(path, sizeof(path), "/local/domain/%u/name", e->domid);
    untrusted = h->ops->store_read(h->ctx, 0, path);
    clean_name(untrusted, e->untrusted_name);
    free(untrusted);
    /* Not all of them are due in the same sample. */
    e->reads_left = e->read_before ? NAME_GOOD_FOR :
                                     1 + e->domid % NAME_GOOD_FOR;
    e->read_before = true;
}

int avm_store_names(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    size_t i, k, first = h->next_name < nr ? h->next_name : 0;
    unsigned int reads = NAMES_PER_SAMPLE;

    if (!h->ops->store_begin)
        return 0;

    forget_gone(h, dom, nr);
    for (k = 0; k < nr; k++) {
        struct avm_store_entry *e;

        i = (first + k) % nr;
        e = avm_store_entry(h, dom[i].domid, &dom[i].uuid);
        if (!e)
            return -1;
        /* A domain that is being created has no name yet: ask again. */
        if (reads && (!e->reads_left || !e->untrusted_name[0])) {
            read_name(h, e);
            if (!--reads)
                h->next_name = i + 1;
        }
        if (e->reads_left)
            e->reads_left--;
        memcpy(dom[i].untrusted_name, e->untrusted_name, AVM_NAME_LEN);
    }
    return 0;
}

/* dom0 writes, the domain reads, nobody else does either. */
static int put(avm_handle *h, uint32_t t, const char *dir, const char *leaf,
               const char *value, uint32_t domid)
{
    char path[64];

    snprintf(path, sizeof(path), "%s%s", dir, leaf);
    if (h->ops->store_write(h->ctx, t, path, value))
        return -1;
    return h->ops->store_readable_by(h->ctx, t, path, domid);
}

static int publish_once(avm_handle *h, uint32_t domid, enum avm_class klass)
{
    char home[40], dir[48];
    uint32_t t = h->ops->store_begin(h->ctx);
    int saved_errno;

    if (!t)
        return -1;
    snprintf(home, sizeof(home), "/local/domain/%u", domid);
    snprintf(dir, sizeof(dir), "%s/avm", home);

    /* Writing would bring a domain's directory back that has just gone. */
    if (!h->ops->store_exists(h->ctx, t, home)) {
        h->ops->store_end(h->ctx, t, true);
        errno = ESRCH;
        return -1;
    }
    if (put(h, t, dir, "", "", domid) ||
        put(h, t, dir, "/version", "1", domid) ||
        put(h, t, dir, "/class", avm_class_name(klass), domid)) {
        saved_errno = errno;
        h->ops->store_end(h->ctx, t, true);
        errno = saved_errno;
        return -1;
    }
    return h->ops->store_end(h->ctx, t, false);
}

int avm_store_publish(avm_handle *h, uint32_t domid,
                      const struct avm_uuid *uuid, enum avm_class klass)
{
    struct avm_store_entry *e;
    int i;

    if (!h->ops->store_begin) {
        errno = ENOTSUP;
        return -1;
    }
    e = avm_store_entry(h, domid, uuid);
    if (!e)
        return -1;
    if (e->published && e->klass == klass)
        return 0;

    for (i = 0; i < MAX_TRIES; i++) {
        if (!publish_once(h, domid, klass)) {
            e->published = true;
            e->klass = klass;
            return 0;
        }
        if (errno != EAGAIN)
            break;
    }
    avm_error(h, "publishing the class of domain %u: %s", domid,
              strerror(errno));
    return -1;
}

int avm_store_unpublish(avm_handle *h, uint32_t domid)
{
    char path[64];
    size_t i;

    if (!h->ops->store_begin) {
        errno = ENOTSUP;
        return -1;
    }
    for (i = 0; i < h->nr_entries; i++)
        if (h->entry[i].domid == domid)
            h->entry[i].published = false;
    snprintf(path, sizeof(path), "/local/domain/%u/avm", domid);
    if (h->ops->store_rm(h->ctx, 0, path) && errno != ENOENT) {
        avm_error(h, "removing %s: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}
