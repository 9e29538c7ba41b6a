/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call: hypercalls through libxencall and xenstore through libxenstore, both of
 * which keep their ABI from one Xen to the next, unlike libxenctrl.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xencall.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "edge.h"

/*
 * Interface versions that we can speak. What we use of domctl and sysctl has
 * had the same layout in all of them (Xen 4.17 to 4.22).
 */
#define VERSION_NEWEST 0x18
#define VERSION_OLDEST 0x15

struct ctx {
    xencall_handle *xcall;
    struct xs_handle *xs;        /* NULL: no xenstore                        */
};

/* ------------------------------------------------------------------------ */
/* The real operations                                                      */

static int do_hypercall(struct ctx *c, unsigned int nr, void *op)
{
    int r;

    /*
     * EFAULT: the kernel moved the page just then (xencall's buffers are only
     * locked on kernels without /dev/xen/hypercall). EAGAIN: another domctl
     * holds the lock for long. Both pass.
     */
    for (int i = 0; i < 100; i++) {
        r = xencall1(c->xcall, nr, (uintptr_t)op);
        if (r >= 0 || (errno != EFAULT && errno != EAGAIN))
            break;
    }
    return r;
}

static int real_domctl(void *ctx, struct xen_domctl *op)
{
    return do_hypercall(ctx, __HYPERVISOR_domctl, op);
}

static int real_sysctl(void *ctx, struct xen_sysctl *op)
{
    return do_hypercall(ctx, __HYPERVISOR_sysctl, op);
}

static void *real_alloc(void *ctx, size_t size)
{
    struct ctx *c = ctx;
    void *p = xencall_alloc_buffer(c->xcall, size);

    if (p)
        memset(p, 0, size);
    return p;
}

static void real_release(void *ctx, void *p)
{
    struct ctx *c = ctx;

    xencall_free_buffer(c->xcall, p);
}

static uint64_t real_mono_ns(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static struct xs_handle *store(void *ctx)
{
    struct ctx *c = ctx;

    if (!c->xs)
        errno = ENOTSUP;
    return c->xs;
}

static uint32_t real_store_begin(void *ctx)
{
    return store(ctx) ? xs_transaction_start(store(ctx)) : XBT_NULL;
}

static int real_store_end(void *ctx, uint32_t t, bool abandon)
{
    return store(ctx) && xs_transaction_end(store(ctx), t, abandon) ? 0 : -1;
}

static char *real_store_read(void *ctx, uint32_t t, const char *path)
{
    unsigned int len;

    return store(ctx) ? xs_read(store(ctx), t, path, &len) : NULL;
}

static bool real_store_exists(void *ctx, uint32_t t, const char *path)
{
    unsigned int len;
    void *p = store(ctx) ? xs_read(store(ctx), t, path, &len) : NULL;

    free(p);
    return p;
}

static char **real_store_list(void *ctx, uint32_t t, const char *path,
                              unsigned int *nr)
{
    return store(ctx) ? xs_directory(store(ctx), t, path, nr) : NULL;
}

static int real_store_write(void *ctx, uint32_t t, const char *path,
                            const char *value)
{
    return store(ctx) && xs_write(store(ctx), t, path, value, strlen(value)) ?
           0 : -1;
}

static int real_store_readable_by(void *ctx, uint32_t t, const char *path,
                                  uint32_t domid)
{
    /* The first entry names the owner, and what everybody else may do. */
    struct xs_permissions perms[] = {
        { .id = 0, .perms = XS_PERM_NONE },
        { .id = domid, .perms = XS_PERM_READ },
    };

    return store(ctx) && xs_set_permissions(store(ctx), t, path, perms, 2) ?
           0 : -1;
}

static int real_store_rm(void *ctx, uint32_t t, const char *path)
{
    return store(ctx) && xs_rm(store(ctx), t, path) ? 0 : -1;
}

static void real_close(void *ctx)
{
    struct ctx *c = ctx;

    if (c->xs)
        xs_close(c->xs);
    if (c->xcall)
        xencall_close(c->xcall);
    free(c);
}

const struct avm_ops avm_ops_xen = {
    .domctl = real_domctl,
    .sysctl = real_sysctl,
    .alloc = real_alloc,
    .release = real_release,
    .mono_ns = real_mono_ns,
    .store_begin = real_store_begin,
    .store_end = real_store_end,
    .store_read = real_store_read,
    .store_exists = real_store_exists,
    .store_list = real_store_list,
    .store_write = real_store_write,
    .store_readable_by = real_store_readable_by,
    .store_rm = real_store_rm,
    .links = avm_links_read,
    .link_name = avm_links_name,
    .close = real_close,
};

/* Without a logger libxencall writes to stderr, besides giving an errno. */
static void mute_message(struct xentoollog_logger *l, xentoollog_level level,
                         int errnoval, const char *context,
                         const char *format, va_list al)
{
    (void)l, (void)level, (void)errnoval, (void)context, (void)format;
    (void)al;
}

static struct xentoollog_logger mute = { .vmessage = mute_message };

void *avm_call_open(struct xentoollog_logger *logger)
{
    struct ctx *c = calloc(1, sizeof(*c));
    int saved_errno;

    if (!c)
        return NULL;
    c->xcall = xencall_open(logger ? logger : &mute, 0);
    if (!c->xcall) {
        saved_errno = errno;
        free(c);
        errno = saved_errno;
        return NULL;
    }
    /* Without xenstore there are no names, and nothing else is missing. */
    c->xs = xs_open(0);
    return c;
}

/* ------------------------------------------------------------------------ */
/* What the other edges call                                                */

struct xen_domctl *avm_domctl(avm_handle *h, uint32_t cmd, uint32_t domid)
{
    memset(h->domctl, 0, sizeof(*h->domctl));
    h->domctl->cmd = cmd;
    h->domctl->interface_version = h->domctl_version;
    h->domctl->domain = domid;
    return h->domctl;
}

int avm_do_domctl(avm_handle *h)
{
    return h->ops->domctl(h->ctx, h->domctl);
}

struct xen_sysctl *avm_sysctl(avm_handle *h, uint32_t cmd)
{
    memset(h->sysctl, 0, sizeof(*h->sysctl));
    h->sysctl->cmd = cmd;
    h->sysctl->interface_version = h->sysctl_version;
    return h->sysctl;
}

int avm_do_sysctl(avm_handle *h)
{
    return h->ops->sysctl(h->ctx, h->sysctl);
}

/* Xen answers EACCES to a version that is not its own. */
int avm_call_probe(avm_handle *h)
{
    int r;

    for (h->sysctl_version = VERSION_NEWEST; ; h->sysctl_version--) {
        avm_sysctl(h, XEN_SYSCTL_sched_id);
        r = avm_do_sysctl(h);
        if (r >= 0 || errno != EACCES)
            break;
        if (h->sysctl_version == VERSION_OLDEST)
            goto no_version;
    }
    if (r < 0) {
        avm_error(h, "sysctl: %s", strerror(errno));
        return -1;
    }

    for (h->domctl_version = VERSION_NEWEST; ; h->domctl_version--) {
        avm_domctl(h, XEN_DOMCTL_getdomaininfo, 0);
        r = avm_do_domctl(h);
        if (r >= 0 || errno != EACCES)
            break;
        if (h->domctl_version == VERSION_OLDEST)
            goto no_version;
    }
    if (r < 0) {
        avm_error(h, "domctl: %s", strerror(errno));
        return -1;
    }
    return 0;

 no_version:
    avm_error(h, "the hypervisor speaks no interface version of %#x .. %#x",
              VERSION_OLDEST, VERSION_NEWEST);
    errno = EPROTO;
    return -1;
}
