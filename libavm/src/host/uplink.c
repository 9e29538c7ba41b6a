/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink: shares of an interface over which the guests of a bridge send. It gets an
 * HTB qdisc with a class for each domain and one for all else, dom0 included; a
 * filter for each vif says whose packets are whose. A class has its part of the
 * rate by weight for sure, and may have all that the others leave.
 *
 * What the kernel has is all that is known of weights (a class's quantum tells its
 * weight), so an agent that was killed finds everything again. While all domains
 * have the same weight there is no qdisc. One that somebody else put there is left
 * alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netlink/netlink.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/tc.h>

#include "edge.h"

/* By this number the qdisc is known as ours. */
#define HANDLE     0xa7a00000u
#define CLASS_ALL  (HANDLE | 1)
#define CLASS_REST (HANDLE | 2)
/* Domids go up to 0x7ff0. */
#define DOMAIN_BASE 0x10u

/*
 * Bytes for each unit of weight. HTB also divides by quantum what nobody's rate
 * covers; 16 kB for a normal domain is a large packet, and not long on the wire.
 */
#define QUANTUM_PER_WEIGHT 160u

/* dom0 itself, and what has no class yet: as an interactive domain. */
#define REST_WEIGHT 400u

/* Netback hands on packets of 64 kB, and a bucket must hold one, or it stalls. */
#define BURST_MIN 131072u

/* A rate of 0 is none to HTB. */
#define RATE_MIN 1000u

struct port {
    uint32_t domid;
    char name[IF_NAMESIZE];
    unsigned int ifindex;
};

struct class {
    uint32_t domid, weight;
};

struct uplink {
    struct avm_uplink conf;
    struct port *port;           /* those that have a filter                 */
    size_t nr_ports;
    bool ours;                   /* our qdisc was there when last looked     */
};

struct avm_uplinks {
    struct nl_sock *sock;
    size_t nr;
    struct uplink link[AVM_MAX_UPLINKS];
};

/* ------------------------------------------------------------------------ */
/* Which vifs send over it                                                  */

/* What the device 'name' is a port of; false: of nothing. */
static bool bridge_of(avm_handle *h, const char *name, char *bridge)
{
    char path[512], target[PATH_MAX];
    const char *base;
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/sys/class/net/%s/master", h->sysroot,
                 name) >= (int)sizeof(path))
        return false;
    n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    base = strrchr(target, '/');
    base = base ? base + 1 : target;
    return snprintf(bridge, IF_NAMESIZE, "%s", base) < IF_NAMESIZE;
}

static int port_cmp(const void *pa, const void *pb)
{
    const struct port *a = pa, *b = pb;

    if (a->domid != b->domid)
        return a->domid < b->domid ? -1 : 1;
    return a->ifindex < b->ifindex ? -1 : a->ifindex > b->ifindex;
}

struct ports {
    char bridge[IF_NAMESIZE];
    struct port *port;
    size_t nr;
    bool no_memory;
};

/* One more, if it is a port of the same bridge. */
static bool add_port(avm_handle *h, const struct avm_vif *v, const char *name,
                     void *arg)
{
    char known[IF_NAMESIZE], of[IF_NAMESIZE];
    struct ports *to = arg;
    struct port *more;

    if (!name)
        name = if_indextoname(v->ifindex, known);
    if (!name || !bridge_of(h, name, of) || strcmp(of, to->bridge))
        return true;
    more = realloc(to->port, (to->nr + 1) * sizeof(*more));
    if (!more) {
        to->no_memory = true;
        return false;
    }
    to->port = more;
    more += to->nr;
    more->domid = v->domid;
    snprintf(more->name, sizeof(more->name), "%s", name);
    /* One that goes right now is none. */
    more->ifindex = if_nametoindex(name);
    to->nr += more->ifindex != 0;
    return true;
}

/* By domid. -1: no memory, or no /sys. */
static int find_ports(avm_handle *h, const char *uplink, struct port **ports,
                      size_t *nr_ports)
{
    struct ports all = { .nr = 0 };

    *ports = NULL;
    *nr_ports = 0;
    if (!bridge_of(h, uplink, all.bridge))
        return 0;
    if (avm_vifs_each(h, NO_DOMAIN, add_port, &all) || all.no_memory) {
        free(all.port);
        return -1;
    }
    if (all.nr)
        qsort(all.port, all.nr, sizeof(*all.port), port_cmp);
    *ports = all.port;
    *nr_ports = all.nr;
    return 0;
}

/* ------------------------------------------------------------------------ */
/* What the kernel has                                                      */

enum root { ROOT_NONE, ROOT_OURS, ROOT_FOREIGN, ROOT_UNKNOWN };

static enum root root_of(struct nl_sock *sock, int ifindex)
{
    enum root root = ROOT_NONE;
    struct nl_cache *cache;
    struct nl_object *o;

    if (rtnl_qdisc_alloc_cache(sock, &cache))
        return ROOT_UNKNOWN;
    for (o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
        struct rtnl_tc *tc = (struct rtnl_tc *)o;

        if (rtnl_tc_get_ifindex(tc) != ifindex ||
            rtnl_tc_get_parent(tc) != TC_H_ROOT)
            continue;
        /* What the kernel puts there by itself has no number. */
        root = rtnl_tc_get_handle(tc) == HANDLE ? ROOT_OURS :
               rtnl_tc_get_handle(tc) ? ROOT_FOREIGN : ROOT_NONE;
    }
    nl_cache_free(cache);
    return root;
}

static uint32_t weight_of(struct rtnl_class *c)
{
    uint32_t w = rtnl_htb_get_quantum(c) / QUANTUM_PER_WEIGHT;

    return w ? w : 1;
}

/* The classes of domains. -1 with errno. */
static int read_classes(struct nl_sock *sock, int ifindex,
                        struct class **classes, size_t *nr_classes)
{
    struct nl_cache *cache;
    struct nl_object *o;
    int err = rtnl_class_alloc_cache(sock, ifindex, &cache);
    size_t nr = 0;

    *classes = NULL;
    *nr_classes = 0;
    if (err)
        return avm_nl_errno(err);
    *classes = calloc(nl_cache_nitems(cache) + 1, sizeof(**classes));
    for (o = nl_cache_get_first(cache); o && *classes;
         o = nl_cache_get_next(o)) {
        uint32_t handle = rtnl_tc_get_handle((struct rtnl_tc *)o);

        if ((handle & 0xffff0000u) != HANDLE || (handle & 0xffff) < DOMAIN_BASE)
            continue;
        (*classes)[nr++] = (struct class){
            (handle & 0xffff) - DOMAIN_BASE,
            weight_of((struct rtnl_class *)o),
        };
    }
    *nr_classes = nr;
    nl_cache_free(cache);
    if (!*classes)
        errno = ENOMEM;
    return *classes ? 0 : -1;
}

static uint32_t class_weight(const struct class *c, size_t nr, uint32_t domid)
{
    size_t i;

    for (i = 0; i < nr; i++)
        if (c[i].domid == domid)
            return c[i].weight;
    return AVM_SHARE_NORMAL;
}

/* ------------------------------------------------------------------------ */
/* What it is to have                                                       */

static int change_qdisc(struct nl_sock *sock, int ifindex, bool there)
{
    struct rtnl_qdisc *q = rtnl_qdisc_alloc();
    int err = -NLE_NOMEM;

    if (!q)
        return avm_nl_errno(err);
    rtnl_tc_set_ifindex(TC_CAST(q), ifindex);
    rtnl_tc_set_parent(TC_CAST(q), TC_H_ROOT);
    if (there) {
        rtnl_tc_set_handle(TC_CAST(q), HANDLE);
        err = rtnl_tc_set_kind(TC_CAST(q), "htb");
        if (!err) {
            rtnl_htb_set_defcls(q, CLASS_REST & 0xffff);
            err = rtnl_qdisc_add(sock, q, NLM_F_CREATE | NLM_F_EXCL);
        }
    } else {
        err = rtnl_qdisc_delete(sock, q);
    }
    rtnl_qdisc_put(q);
    return avm_nl_errno(err);
}

static int set_class(struct nl_sock *sock, int ifindex, uint32_t parent,
                     uint32_t handle, uint64_t rate, uint64_t ceil,
                     uint32_t weight)
{
    struct rtnl_class *c = rtnl_class_alloc();
    uint64_t burst = ceil / 100 > BURST_MIN ? ceil / 100 : BURST_MIN;
    int err = -NLE_NOMEM;

    if (!c)
        return avm_nl_errno(err);
    rtnl_tc_set_ifindex(TC_CAST(c), ifindex);
    rtnl_tc_set_parent(TC_CAST(c), parent);
    rtnl_tc_set_handle(TC_CAST(c), handle);
    err = rtnl_tc_set_kind(TC_CAST(c), "htb");
    if (!err) {
        rtnl_htb_set_rate64(c, rate > RATE_MIN ? rate : RATE_MIN);
        rtnl_htb_set_ceil64(c, ceil);
        rtnl_htb_set_rbuffer(c, burst < UINT32_MAX ? burst : UINT32_MAX);
        rtnl_htb_set_cbuffer(c, burst < UINT32_MAX ? burst : UINT32_MAX);
        rtnl_htb_set_quantum(c, weight * QUANTUM_PER_WEIGHT);
        err = rtnl_class_add(sock, c, NLM_F_CREATE);
    }
    rtnl_class_put(c);
    return avm_nl_errno(err);
}

static void drop_class(struct nl_sock *sock, int ifindex, uint32_t handle)
{
    struct rtnl_class *c = rtnl_class_alloc();

    if (!c)
        return;
    rtnl_tc_set_ifindex(TC_CAST(c), ifindex);
    rtnl_tc_set_handle(TC_CAST(c), handle);
    rtnl_class_delete(sock, c);
    rtnl_class_put(c);
}

/* The filters of a domain have its class's number as priority. */
static struct nl_msg *filter_msg(int type, int flags, int ifindex,
                                 uint32_t prio)
{
    struct tcmsg tc = {
        .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = HANDLE,
        .tcm_info = TC_H_MAKE(prio << 16, htons(ETH_P_ALL)),
    };
    struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

    if (msg && (nlmsg_append(msg, &tc, sizeof(tc), NLMSG_ALIGNTO) ||
                nla_put_string(msg, TCA_KIND, "u32"))) {
        nlmsg_free(msg);
        msg = NULL;
    }
    return msg;
}

static void drop_filters(struct nl_sock *sock, int ifindex, uint32_t prio)
{
    struct nl_msg *msg = filter_msg(RTM_DELTFILTER, 0, ifindex, prio);

    /* That there are none is fine. */
    if (msg)
        nl_send_sync(sock, msg);
}

/* All that came in by 'name' goes to a class. libnl's u32 knows no such thing. */
static int add_filter(struct nl_sock *sock, int ifindex, const char *name,
                      uint32_t minor)
{
    struct { struct tc_u32_sel sel; struct tc_u32_key key; } any = {
        .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 },
    };
    struct nl_msg *msg = filter_msg(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL,
                                    ifindex, minor);
    struct nlattr *options = msg ? nla_nest_start(msg, TCA_OPTIONS) : NULL;

    if (!options || nla_put_u32(msg, TCA_U32_CLASSID, HANDLE | minor) ||
        nla_put_string(msg, TCA_U32_INDEV, name) ||
        nla_put(msg, TCA_U32_SEL, sizeof(any), &any)) {
        nlmsg_free(msg);
        return avm_nl_errno(-NLE_NOMEM);
    }
    nla_nest_end(msg, options);
    return avm_nl_errno(nl_send_sync(sock, msg));
}

/* Do the filters of domain 'domid' have to be made (again)? */
static bool ports_differ(const struct uplink *u, const struct port *port,
                         size_t nr, uint32_t domid)
{
    size_t i, old = 0, now = 0, same = 0, j;

    for (i = 0; i < u->nr_ports; i++)
        old += u->port[i].domid == domid;
    for (i = 0; i < nr; i++) {
        if (port[i].domid != domid)
            continue;
        now++;
        for (j = 0; j < u->nr_ports; j++)
            same += u->port[j].domid == domid &&
                    u->port[j].ifindex == port[i].ifindex;
    }
    return old != now || same != now;
}

static bool same_ports(const struct uplink *u, const struct port *port,
                       size_t nr)
{
    size_t i;

    for (i = 0; i < nr && i < u->nr_ports; i++)
        if (port_cmp(&port[i], &u->port[i]))
            return false;
    return nr == u->nr_ports;
}

static void forget(struct uplink *u)
{
    free(u->port);
    u->port = NULL;
    u->nr_ports = 0;
    u->ours = false;
}

/* The first port of each domain. */
static bool is_first(const struct port *port, size_t i)
{
    return !i || port[i - 1].domid != port[i].domid;
}

static int make_classes(avm_handle *h, struct uplink *u, int ifindex,
                        const struct port *port, size_t nr,
                        const struct class *class, size_t nr_classes)
{
    struct nl_sock *sock = h->uplinks->sock;
    uint64_t sum = REST_WEIGHT, all = u->conf.bps;
    size_t i, j;

    for (i = 0; i < nr; i++)
        if (is_first(port, i))
            sum += class_weight(class, nr_classes, port[i].domid);

    if (set_class(sock, ifindex, HANDLE, CLASS_ALL, all, all, REST_WEIGHT) ||
        set_class(sock, ifindex, CLASS_ALL, CLASS_REST,
                  all * REST_WEIGHT / sum, all, REST_WEIGHT))
        return -1;

    for (i = 0; i < nr; i++) {
        uint32_t domid = port[i].domid, minor = DOMAIN_BASE + domid;
        uint32_t w = class_weight(class, nr_classes, domid);

        if (!is_first(port, i))
            continue;
        if (set_class(sock, ifindex, CLASS_ALL, HANDLE | minor, all * w / sum,
                      all, w))
            return -1;
        if (!ports_differ(u, port, nr, domid))
            continue;
        drop_filters(sock, ifindex, minor);
        for (j = i; j < nr && port[j].domid == domid; j++)
            if (add_filter(sock, ifindex, port[j].name, minor) &&
                if_nametoindex(port[j].name) == port[j].ifindex)
                return -1;
    }

    /* Domains that are gone. */
    for (j = 0; j < nr_classes; j++) {
        for (i = 0; i < nr && port[i].domid != class[j].domid; i++)
            ;
        if (i < nr)
            continue;
        drop_filters(sock, ifindex, DOMAIN_BASE + class[j].domid);
        drop_class(sock, ifindex, HANDLE | (DOMAIN_BASE + class[j].domid));
    }
    return 0;
}

static bool all_normal(const struct port *port, size_t nr,
                       const struct class *class, size_t nr_classes)
{
    size_t i;

    for (i = 0; i < nr; i++)
        if (class_weight(class, nr_classes, port[i].domid) != AVM_SHARE_NORMAL)
            return false;
    return true;
}

/* *class becomes what it is with this weight for domid. */
static int with_weight(struct class **class, size_t *nr, uint32_t domid,
                       uint32_t weight)
{
    struct class *more;
    size_t i;

    for (i = 0; i < *nr && (*class)[i].domid != domid; i++)
        ;
    if (i == *nr) {
        more = realloc(*class, (*nr + 1) * sizeof(*more));
        if (!more)
            return -1;
        *class = more;
        ++*nr;
    }
    (*class)[i] = (struct class){ domid, weight };
    return 0;
}

/*
 * Gives each domain that sends over 'u' its class, with the weight that it has, or
 * 'weight' if it is 'domid'. 0: it is as it should be. -1 with errno: then there is
 * no qdisc of ours. *found: 'domid' does send over it.
 */
static int build(avm_handle *h, struct uplink *u, uint32_t domid,
                 uint32_t weight, bool *found)
{
    int ifindex = if_nametoindex(u->conf.name), rc = -1, saved_errno;
    struct nl_sock *sock = h->uplinks->sock;
    struct class *class = NULL;
    struct port *port = NULL;
    size_t nr = 0, nr_classes = 0, i;
    enum root root;

    if (!ifindex) {
        avm_error(h, "%s: there is no such interface", u->conf.name);
        errno = ENODEV;
        return -1;
    }
    if (find_ports(h, u->conf.name, &port, &nr))
        return -1;
    for (i = 0; weight && i < nr; i++)
        *found |= port[i].domid == domid;

    root = root_of(sock, ifindex);
    u->ours = root == ROOT_OURS;
    if (root == ROOT_FOREIGN || root == ROOT_UNKNOWN) {
        avm_error(h, root == ROOT_FOREIGN ?
                  "%s has a qdisc that is not ours: left alone" :
                  "%s: its qdiscs cannot be read", u->conf.name);
        errno = root == ROOT_FOREIGN ? EBUSY : EIO;
        goto out;
    }
    if (u->ours && read_classes(sock, ifindex, &class, &nr_classes))
        goto out;
    if (weight && *found && with_weight(&class, &nr_classes, domid, weight))
        goto out;

    if (all_normal(port, nr, class, nr_classes)) {
        rc = u->ours ? change_qdisc(sock, ifindex, false) : 0;
        forget(u);
        goto out;
    }
    if (!u->ours) {
        forget(u);
        if (change_qdisc(sock, ifindex, true)) {
            avm_error(h, "%s: no HTB qdisc: %s", u->conf.name, strerror(errno));
            goto out;
        }
    }
    if (make_classes(h, u, ifindex, port, nr, class, nr_classes)) {
        avm_error(h, "%s: classes of HTB: %s", u->conf.name, strerror(errno));
        saved_errno = errno;
        change_qdisc(sock, ifindex, false);
        forget(u);
        errno = saved_errno;
        goto out;
    }
    free(u->port);
    u->port = port;
    u->nr_ports = nr;
    u->ours = true;
    port = NULL;
    rc = 0;

 out:
    free(port);
    free(class);
    return rc;
}

/* ------------------------------------------------------------------------ */

/* Links that are not among the new ones lose what we put there. */
static void drop_others(avm_handle *h, const struct avm_uplink *link, size_t nr)
{
    size_t i, j;

    for (i = 0; h->uplinks && i < h->uplinks->nr; i++) {
        const struct uplink *u = &h->uplinks->link[i];

        for (j = 0; j < nr && strcmp(link[j].name, u->conf.name); j++)
            ;
        if (j == nr && u->ours)
            change_qdisc(h->uplinks->sock, if_nametoindex(u->conf.name), false);
    }
}

int avm_uplinks_set(avm_handle *h, const struct avm_uplink *link, size_t nr)
{
    struct avm_uplinks *all;
    size_t i;
    int err;

    if (nr > AVM_MAX_UPLINKS) {
        errno = EINVAL;
        return -1;
    }
    for (i = 0; i < nr; i++)
        if (!link[i].bps || !memchr(link[i].name, '\0', sizeof(link[i].name)) ||
            !link[i].name[0] || strchr(link[i].name, '/')) {
            errno = EINVAL;
            return -1;
        }
    drop_others(h, link, nr);
    avm_uplinks_free(h);
    if (!nr)
        return 0;
    all = calloc(1, sizeof(*all));
    if (!all)
        return -1;
    all->sock = nl_socket_alloc();
    err = all->sock ? nl_connect(all->sock, NETLINK_ROUTE) : -NLE_NOMEM;
    if (err) {
        nl_socket_free(all->sock);
        free(all);
        return avm_nl_errno(err);
    }
    for (i = 0; i < nr; i++)
        all->link[i].conf = link[i];
    all->nr = nr;
    h->uplinks = all;
    /* Filters are not read back: with weights of before they are made anew. */
    for (i = 0; i < nr; i++)
        all->link[i].ours = root_of(all->sock, if_nametoindex(link[i].name)) ==
                            ROOT_OURS;
    return 0;
}

void avm_uplinks_free(avm_handle *h)
{
    size_t i;

    if (!h->uplinks)
        return;
    for (i = 0; i < h->uplinks->nr; i++)
        forget(&h->uplinks->link[i]);
    nl_socket_free(h->uplinks->sock);
    free(h->uplinks);
    h->uplinks = NULL;
}

/* Domains behind link number 'n'. */
static void read_one(avm_handle *h, struct uplink *u, uint32_t n,
                     struct avm_domain_sample *dom, size_t nr)
{
    struct nl_sock *sock = h->uplinks->sock;
    int ifindex = if_nametoindex(u->conf.name);
    struct class *class = NULL;
    struct port *port = NULL;
    size_t nr_ports = 0, nr_classes = 0, i;
    enum root root = ifindex ? root_of(sock, ifindex) : ROOT_UNKNOWN;
    bool found = false;

    u->ours = root == ROOT_OURS;
    if ((root != ROOT_OURS && root != ROOT_NONE) ||
        find_ports(h, u->conf.name, &port, &nr_ports))
        return;
    if (u->ours && !same_ports(u, port, nr_ports))
        build(h, u, 0, 0, &found);
    if (u->ours && read_classes(sock, ifindex, &class, &nr_classes))
        nr_ports = 0;

    for (i = 0; i < nr_ports; i++) {
        struct avm_domain_sample *d = avm_domain_find(dom, nr, port[i].domid);

        if (!is_first(port, i) || !d || d->net_link ||
            (d->flags & (AVM_DOM_CONTROL | AVM_DOM_DYING)))
            continue;
        d->net_link = n;
        d->net_link_bps = u->conf.bps;
        d->params.can |= AVM_CAN_NET_SHARE;
        d->params.net_share = class_weight(class, nr_classes, d->domid);
    }
    free(port);
    free(class);
}

void avm_uplinks_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr)
{
    size_t i;

    for (i = 0; h->uplinks && i < h->uplinks->nr; i++)
        read_one(h, &h->uplinks->link[i], i + 1, dom, nr);
}

int avm_uplink_get(avm_handle *h, uint32_t domid, uint32_t *weight)
{
    struct class *class;
    size_t i, nr;

    *weight = AVM_SHARE_NORMAL;
    for (i = 0; h->uplinks && i < h->uplinks->nr; i++) {
        const struct uplink *u = &h->uplinks->link[i];

        if (!u->ours)
            continue;
        if (read_classes(h->uplinks->sock, if_nametoindex(u->conf.name), &class,
                         &nr))
            return -1;
        *weight = class_weight(class, nr, domid);
        free(class);
        if (*weight != AVM_SHARE_NORMAL)
            return 0;
    }
    return 0;
}

int avm_uplink_set(avm_handle *h, uint32_t domid, uint32_t weight)
{
    bool found = false;
    size_t i;

    if (!weight || weight > AVM_SHARE_MAX) {
        avm_error(h, "domain %u: %u is no share of an uplink", domid, weight);
        errno = EINVAL;
        return -1;
    }
    for (i = 0; h->uplinks && i < h->uplinks->nr; i++)
        if (build(h, &h->uplinks->link[i], domid, weight, &found))
            return -1;
    /* What sends over none has a normal share of them. */
    if (!found && weight != AVM_SHARE_NORMAL) {
        avm_error(h, "domain %u sends over none of the uplinks", domid);
        errno = ENOTSUP;
        return -1;
    }
    return 0;
}
