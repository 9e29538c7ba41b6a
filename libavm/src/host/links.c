/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * links: the counters of all network links in one go, by rtnetlink. A file in
 * /sys for each counter costs a hundred times as much.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "edge.h"

/* The kernel fills no more than 32 KiB at a time. */
#define ANSWER_SIZE 32768

/* Links that come or go meanwhile make it necessary to ask again. */
#define MAX_TRIES 4

static int add_link(uint32_t ifindex, const struct rtattr *a,
                    struct avm_link **link, size_t *nr)
{
    struct rtnl_link_stats64 s = { 0 };
    struct avm_link *l;
    size_t len = RTA_PAYLOAD(a);

    /* It grows from kernel to kernel; what we need was always there. */
    if (len < offsetof(struct rtnl_link_stats64, multicast))
        return 0;
    memcpy(&s, RTA_DATA(a), len < sizeof(s) ? len : sizeof(s));

    if (!(*nr & (*nr - 1))) { /* full: 0, 1, 2, 4, ... */
        l = realloc(*link, (*nr ? 2 * *nr : 1) * sizeof(*l));
        if (!l)
            return -1;
        *link = l;
    }
    (*link)[(*nr)++] = (struct avm_link){
        .ifindex = ifindex,
        .rx_bytes = s.rx_bytes, .tx_bytes = s.tx_bytes,
        .rx_packets = s.rx_packets, .tx_packets = s.tx_packets,
        .rx_dropped = s.rx_dropped, .tx_dropped = s.tx_dropped,
    };
    return 0;
}

static int parse_one(const struct nlmsghdr *m, struct avm_link **link,
                     size_t *nr)
{
    const struct if_stats_msg *s = NLMSG_DATA(m);
    const struct rtattr *a;
    int left = (int)m->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*s));

    if (left < 0)
        return 0;
    a = (const void *)((const char *)m + NLMSG_SPACE(sizeof(*s)));
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == IFLA_STATS_LINK_64 &&
            add_link(s->ifindex, a, link, nr))
            return -1;
    return 0;
}

int avm_links_parse(const void *answer, size_t len, struct avm_link **link,
                    size_t *nr, bool *torn)
{
    const struct nlmsghdr *m = answer;
    const struct nlmsgerr *e;
    int left = (int)len;         /* NLMSG_NEXT may take off more than is left */

    for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
        if (m->nlmsg_flags & NLM_F_DUMP_INTR)
            *torn = true;
        switch (m->nlmsg_type) {
        case NLMSG_DONE:
            return 1;
        case NLMSG_ERROR:
            e = NLMSG_DATA(m);
            errno = m->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? EIO : -e->error;
            return -1;
        case RTM_NEWSTATS:
            if (parse_one(m, link, nr))
                return -1;
            break;
        }
    }
    return 0;
}

/* One dump of all links. */
static int dump(int fd, struct avm_link **link, size_t *nr, bool *torn)
{
    struct {
        struct nlmsghdr head;
        struct if_stats_msg stats;
    } ask = {
        .head = { .nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETSTATS,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .stats.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64),
    };
    _Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
    ssize_t n;
    int r;

    if (send(fd, &ask, sizeof(ask), 0) < 0)
        return -1;
    do {
        do
            n = recv(fd, answer, sizeof(answer), MSG_TRUNC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return -1;
        if (!n || n > ANSWER_SIZE) {
            errno = EIO;
            return -1;
        }
        r = avm_links_parse(answer, n, link, nr, torn);
    } while (!r);
    return r < 0 ? -1 : 0;
}

int avm_links_read(void *ctx, struct avm_link **link, size_t *nr)
{
    int fd, r, tries, saved_errno;
    bool torn;

    (void)ctx;
    *link = NULL;
    for (tries = 0; tries < MAX_TRIES; tries++) {
        *nr = 0;
        torn = false;
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd < 0) {
            if (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT)
                errno = ENOTSUP;
            break;
        }
        r = dump(fd, link, nr, &torn);
        saved_errno = errno;
        close(fd);
        errno = saved_errno == EOPNOTSUPP ? ENOTSUP : saved_errno;
        if (r)
            break;
        /* Better what is nearly right than nothing. */
        if (!torn || tries + 1 == MAX_TRIES)
            return 0;
        free(*link);
        *link = NULL;
    }
    free(*link);
    *link = NULL;
    *nr = 0;
    return -1;
}

bool avm_links_name(void *ctx, uint32_t ifindex, char *name)
{
    (void)ctx;
    return if_indextoname(ifindex, name);
}

_Static_assert(AVM_IFNAME >= IF_NAMESIZE, "a name has to fit");
