/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netin: how much a guest may receive, by a TBF qdisc at the root of each of its vifs:
 * what leaves them is what the guest gets. The limit of the domain is divided among
 * its vifs; their queues share the qdisc.
 *
 * TBF and not HTB, which would need a class beside the qdisc and lets everything pass
 * while that is missing: here one object is all of the limit, and one message makes,
 * changes or ends it. Nor is there anybody to borrow from.
 *
 * A qdisc that somebody else put there is left alone. What a guest receives by the
 * emulated twin of a vif, before it has a driver for the real one, is not limited.
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_sched.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "edge.h"

/* By this number the qdisc is known as ours; those of uplinks have another one. */
#define HANDLE 0xa7a10000u

/*
 * dom0 hands on packets of 64 kB and their headers. The bucket and the queue must hold
 * one, or it is cut in pieces, or dropped, and so is each one after it.
 */
#define BYTES_MIN 131072u

/* Beyond that, the bucket has 10 ms and the queue 50 ms of the rate. */
#define BUCKET_PER_S 100u
#define QUEUE_PER_S  20u

/* Less than this is none to people, and more (1 TB/s) is none to any device. */
#define VIF_MIN_BPS 1024u
#define VIF_MAX_BPS UINT64_C(1000000000000)

#define VIFS_MAX 64

/*
 * Samples that share a list of qdiscs. It has those of all devices of the host, for
 * the kernel has no other.
 */
#define LIST_GOOD_FOR 4

/* Qdiscs that come or go meanwhile make it necessary to ask again. */
#define MAX_TRIES 4

/* A root that the kernel did not put there by itself. */
struct root {
    int ifindex;
    bool ours;
    uint64_t bps;                /* if it is                                 */
};

struct avm_netin {
    struct nl_sock *sock;
    bool no_tbf;                 /* the kernel said so                       */
    bool wrote;                  /* we set a limit                           */
    unsigned int good_for;       /* samples, for which 'root' is good        */
    bool no_memory;              /* for all of 'root'                        */
    size_t nr;
    struct root *root;
};

/* ------------------------------------------------------------------------ */
/* What the kernel has                                                      */

static uint64_t tbf_rate(struct nlattr *options)
{
    struct nlattr *a[TCA_TBF_MAX + 1];

    if (!options || nla_parse_nested(a, TCA_TBF_MAX, options, NULL) < 0)
        return 0;
    if (a[TCA_TBF_RATE64] &&
        nla_len(a[TCA_TBF_RATE64]) >= (int)sizeof(uint64_t))
        return nla_get_u64(a[TCA_TBF_RATE64]);
    if (!a[TCA_TBF_PARMS] ||
        nla_len(a[TCA_TBF_PARMS]) < (int)sizeof(struct tc_tbf_qopt))
        return 0;
    return ((struct tc_tbf_qopt *)nla_data(a[TCA_TBF_PARMS]))->rate.rate;
}

static int add_root(struct nl_msg *msg, void *arg)
{
    struct nlmsghdr *m = nlmsg_hdr(msg);
    struct nlattr *a[TCA_MAX + 1];
    struct avm_netin *n = arg;
    const struct tcmsg *tc;
    struct root *more;

    if (m->nlmsg_type != RTM_NEWQDISC ||
        nlmsg_parse(m, sizeof(*tc), a, TCA_MAX, NULL) < 0)
        return NL_SKIP;
    tc = nlmsg_data(m);
    /* What the kernel puts there by itself has no number. */
    if (tc->tcm_parent != TC_H_ROOT || !tc->tcm_handle)
        return NL_OK;
    if (!(n->nr & (n->nr - 1))) { /* full: 0, 1, 2, 4, ... */
        more = realloc(n->root, (n->nr ? 2 * n->nr : 1) * sizeof(*more));
        if (!more) {
            n->no_memory = true;
            return NL_OK;
        }
        n->root = more;
    }
    more = &n->root[n->nr++];
    *more = (struct root){ .ifindex = tc->tcm_ifindex };
    more->ours = tc->tcm_handle == HANDLE && a[TCA_KIND] &&
                 !nla_strcmp(a[TCA_KIND], "tbf");
    if (more->ours)
        more->bps = tbf_rate(a[TCA_OPTIONS]);
    return NL_OK;
}

static int list_roots(struct avm_netin *n)
{
    struct tcmsg all = { .tcm_family = AF_UNSPEC };
    int tries, err = -NLE_NOMEM;
    struct nl_cb *cb;

    for (tries = 0; tries < MAX_TRIES; tries++) {
        free(n->root);
        n->root = NULL;
        n->nr = 0;
        n->no_memory = false;
        cb = nl_cb_alloc(NL_CB_DEFAULT);
        if (!cb)
            break;
        nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, add_root, n);
        err = nl_send_simple(n->sock, RTM_GETQDISC, NLM_F_DUMP, &all,
                             sizeof(all));
        if (err >= 0)
            err = nl_recvmsgs(n->sock, cb);
        nl_cb_put(cb);
        if (err != -NLE_DUMP_INTR)
            break;
    }
    /* Better what is nearly right than nothing. */
    if (err == -NLE_DUMP_INTR)
        err = 0;
    if (n->no_memory)
        err = -NLE_NOMEM;
    return err < 0 ? avm_nl_errno(err) : 0;
}

/* What is asked for in a sample may be a few samples old. */
static struct avm_netin *roots(avm_handle *h)
{
    struct avm_netin *n = h->netin;
    int err;

    if (!n) {
        n = calloc(1, sizeof(*n));
        if (!n)
            return NULL;
        n->sock = nl_socket_alloc();
        err = n->sock ? nl_connect(n->sock, NETLINK_ROUTE) : -NLE_NOMEM;
        if (err) {
            nl_socket_free(n->sock);
            free(n);
            avm_nl_errno(err);
            return NULL;
        }
        h->netin = n;
    }
    if (h->in_sample && n->good_for)
        return n;
    n->good_for = 0;
    if (list_roots(n))
        return NULL;
    n->good_for = LIST_GOOD_FOR;
    return n;
}

static const struct root *root_of(const struct avm_netin *n, int ifindex)
{
    size_t i;

    for (i = 0; i < n->nr; i++)
        if (n->root[i].ifindex == ifindex)
            return &n->root[i];
    return NULL;
}

/* All vifs of a domain together. */
struct found {
    int vif[VIFS_MAX], nr, ours;
    int foreign;                 /* a vif with somebody else's qdisc, 0: none */
    uint64_t bps;                /* of all that are ours                     */
};

static bool add_vif(avm_handle *h, const struct avm_vif *v, const char *name,
                    void *arg)
{
    struct found *f = arg;

    (void)h;
    f->vif[f->nr] = (int)(name ? if_nametoindex(name) : v->ifindex);
    /* One that goes right now is none. */
    f->nr += f->vif[f->nr] != 0;
    return f->nr < VIFS_MAX;
}

static struct avm_netin *find(avm_handle *h, uint32_t domid, struct found *f)
{
    struct avm_netin *n;
    int i;

    memset(f, 0, sizeof(*f));
    n = avm_vifs_each(h, domid, add_vif, f) ? NULL : roots(h);
    for (i = 0; n && i < f->nr; i++) {
        const struct root *r = root_of(n, f->vif[i]);

        if (r && !r->ours)
            f->foreign = f->vif[i];
        f->ours += r && r->ours;
        f->bps += r ? r->bps : 0;
    }
    return n;
}

int avm_netin_get(avm_handle *h, uint32_t domid, uint64_t *bps, bool *foreign)
{
    struct avm_netin *n;
    struct found f;

    *bps = 0;
    *foreign = false;
    n = find(h, domid, &f);
    if (!n)
        return -1;
    if (n->no_tbf) {
        errno = ENOTSUP;
        return -1;
    }
    *foreign = f.foreign;
    /* One without a limit makes the limit of the others none. */
    if (f.nr && f.ours == f.nr)
        *bps = f.bps;
    return 0;
}

/* ------------------------------------------------------------------------ */
/* What it is to have                                                       */

static struct nl_msg *qdisc_msg(int type, int flags, int ifindex)
{
    struct tcmsg tc = {
        .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex,
        .tcm_parent = TC_H_ROOT, .tcm_handle = HANDLE,
    };
    struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

    if (msg && (nlmsg_append(msg, &tc, sizeof(tc), NLMSG_ALIGNTO) ||
                nla_put_string(msg, TCA_KIND, "tbf"))) {
        nlmsg_free(msg);
        msg = NULL;
    }
    return msg;
}

static uint32_t bytes_of(uint64_t bps, unsigned int per_s)
{
    uint64_t bytes = bps / per_s;

    return bytes < BYTES_MIN ? BYTES_MIN :
           bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/*
 * Makes ours, or changes it. With these flags the kernel refuses to take the place of
 * one that somebody put there meanwhile. libnl's TBF ends at 2 GB/s.
 */
static int put_tbf(struct nl_sock *sock, int ifindex, uint64_t bps)
{
    struct tc_tbf_qopt opt = {
        .rate = { .linklayer = TC_LINKLAYER_ETHERNET,
                  .rate = bps < UINT32_MAX ? (uint32_t)bps : UINT32_MAX },
        .limit = bytes_of(bps, QUEUE_PER_S),
    };
    struct nl_msg *msg = qdisc_msg(RTM_NEWQDISC, NLM_F_CREATE, ifindex);
    struct nlattr *options = msg ? nla_nest_start(msg, TCA_OPTIONS) : NULL;

    if (!options || nla_put(msg, TCA_TBF_PARMS, sizeof(opt), &opt) ||
        nla_put_u32(msg, TCA_TBF_BURST, bytes_of(bps, BUCKET_PER_S)) ||
        (bps > UINT32_MAX && nla_put_u64(msg, TCA_TBF_RATE64, bps))) {
        nlmsg_free(msg);
        return avm_nl_errno(-NLE_NOMEM);
    }
    nla_nest_end(msg, options);
    return avm_nl_errno(nl_send_sync(sock, msg));
}

/* The default comes back by itself. That ours is gone already is fine. */
static int drop_tbf(struct nl_sock *sock, int ifindex)
{
    struct nl_msg *msg = qdisc_msg(RTM_DELQDISC, 0, ifindex);
    int err = msg ? nl_send_sync(sock, msg) : -NLE_NOMEM;

    return err == -NLE_NODEV || err == -NLE_INVAL || err == -NLE_OBJ_NOTFOUND ?
           0 : avm_nl_errno(err);
}

static void say_foreign(avm_handle *h, int ifindex)
{
    char name[IF_NAMESIZE];

    avm_error(h, "%s has a qdisc that is not ours: left alone",
              if_indextoname(ifindex, name) ? name : "a vif");
}

static int drop_all(avm_handle *h, const struct avm_netin *n,
                    const struct found *f)
{
    int i, rc = 0;

    for (i = 0; i < f->nr; i++) {
        const struct root *r = root_of(n, f->vif[i]);

        if (r && r->ours && drop_tbf(n->sock, f->vif[i])) {
            avm_error(h, "end of a TBF qdisc: %s", strerror(errno));
            rc = -1;
        }
    }
    return rc;
}

static int put_all(avm_handle *h, struct avm_netin *n, uint32_t domid,
                   const struct found *f, uint64_t bps)
{
    int i, done = 0;

    for (i = 0; i < f->nr; i++) {
        if (!put_tbf(n->sock, f->vif[i], bps / f->nr)) {
            n->wrote = true;
            done++;
            continue;
        }
        if (errno == ENODEV) /* it went meanwhile */
            continue;
        n->no_tbf = errno == ENOTSUP;
        if (errno == EBUSY)
            say_foreign(h, f->vif[i]);
        else
            avm_error(h, n->no_tbf ? "no TBF (sch_tbf): net-in is given up" :
                      "TBF qdisc: %s", strerror(errno));
        return -1;
    }
    if (done)
        return 0;
    avm_error(h, "domain %u has no vif with its back-end here", domid);
    errno = ENOTSUP;
    return -1;
}

int avm_netin_set(avm_handle *h, uint32_t domid, uint64_t bps)
{
    struct avm_netin *n;
    struct found f;
    int rc;

    if (h->netin)
        h->netin->good_for = 0;
    n = find(h, domid, &f);
    if (!n) {
        avm_error(h, "domain %u: its qdiscs cannot be read: %s", domid,
                  strerror(errno));
        return -1;
    }
    if (bps && f.nr && (bps / f.nr < VIF_MIN_BPS || bps / f.nr > VIF_MAX_BPS)) {
        avm_error(h, "domain %u: %" PRIu64 " bytes/s is no rate for %d vifs",
                  domid, bps, f.nr);
        errno = EINVAL;
        return -1;
    }
    if (bps && f.foreign) {
        say_foreign(h, f.foreign);
        errno = EBUSY;
        return -1;
    }
    rc = bps ? put_all(h, n, domid, &f, bps) : drop_all(h, n, &f);
    n->good_for = 0;
    return rc;
}

void avm_netin_tend(avm_handle *h, uint32_t domid, bool came)
{
    struct found f;

    if (!h->netin || !h->netin->wrote || !find(h, domid, &f) || !f.ours ||
        f.ours == f.nr)
        return;
    /* That may be old. */
    h->netin->good_for = 0;
    if (find(h, domid, &f) && f.ours && f.ours < f.nr)
        avm_netin_set(h, domid, came && !f.foreign ? f.bps : 0);
}

/* ------------------------------------------------------------------------ */

void avm_netin_sample(avm_handle *h)
{
    if (h->netin && h->netin->good_for)
        h->netin->good_for--;
}

void avm_netin_free(avm_handle *h)
{
    if (!h->netin)
        return;
    nl_socket_free(h->netin->sock);
    free(h->netin->root);
    free(h->netin);
    h->netin = NULL;
}
