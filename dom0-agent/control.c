/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* accept4, struct ucred */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

static int control_addr(struct sockaddr_un *addr, const char *run_dir)
{
    *addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if ((size_t)snprintf(addr->sun_path, sizeof(addr->sun_path),
                         "%s/" CONTROL_SOCKET, run_dir)
        >= sizeof(addr->sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

int control_open(struct control *c, const char *run_dir, uid_t uid,
                 control_fn *answer, void *arg)
{
    struct sockaddr_un addr;
    mode_t mask;
    size_t i;
    int r, saved_errno;

    memset(c, 0, sizeof(*c));
    c->uid = uid;
    c->answer = answer;
    c->arg = arg;
    for (i = 0; i < CONTROL_CLIENTS; i++)
        c->client[i].fd = -1;

    c->fd = -1;
    if (control_addr(&addr, run_dir))
        return -1;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return -1;

    unlink(addr.sun_path);
    mask = umask(0177);
    r = bind(c->fd, (struct sockaddr *)&addr, sizeof(addr));
    saved_errno = errno;
    umask(mask);
    errno = saved_errno;
    if (r || listen(c->fd, CONTROL_CLIENTS))
        goto fail;
    snprintf(c->path, sizeof(c->path), "%s", addr.sun_path);
    return 0;

 fail:
    saved_errno = errno;
    close(c->fd);
    c->fd = -1;
    errno = saved_errno;
    return -1;
}

static void client_drop(struct client *cl)
{
    close(cl->fd);
    free(cl->in);
    free(cl->out);
    memset(cl, 0, sizeof(*cl));
    cl->fd = -1;
}

void control_close(struct control *c)
{
    size_t i;

    if (c->fd < 0)
        return;
    for (i = 0; i < CONTROL_CLIENTS; i++)
        if (c->client[i].fd >= 0)
            client_drop(&c->client[i]);
    close(c->fd);
    unlink(c->path);
    c->fd = -1;
}

size_t control_poll(const struct control *c, struct pollfd *fds)
{
    size_t i, nr = 0;

    for (i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *cl = &c->client[i];

        if (cl->fd >= 0)
            fds[nr++] = (struct pollfd){
                .fd = cl->fd, .events = cl->out ? POLLOUT : POLLIN,
            };
    }
    /* With all places taken new clients wait in the queue of listen(). */
    if (nr < CONTROL_CLIENTS)
        fds[nr++] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
    return nr;
}

static void control_accept(struct control *c, uint64_t now_ms)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    size_t i;
    int fd;

    fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ||
        peer.uid != c->uid) {
        close(fd);
        return;
    }
    for (i = 0; i < CONTROL_CLIENTS; i++) {
        if (c->client[i].fd < 0) {
            c->client[i].fd = fd;
            c->client[i].deadline_ms = now_ms + CONTROL_TIMEOUT_MS;
            return;
        }
    }
    close(fd);
}

static void client_write(struct client *cl)
{
    ssize_t n = send(cl->fd, cl->out + cl->out_pos, cl->out_len - cl->out_pos,
                     MSG_NOSIGNAL);

    if (n > 0)
        cl->out_pos += (size_t)n;
    if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
        cl->out_pos == cl->out_len)
        client_drop(cl);
}

/* Most requests are short: room grows with what comes. */
static int client_room(struct client *cl)
{
    size_t room = cl->room ? 4 * cl->room : 4096;
    char *bigger;

    if (cl->len < cl->room)
        return 0;
    if (room > REQUEST_SIZE_MAX + 1)
        room = REQUEST_SIZE_MAX + 1;
    bigger = realloc(cl->in, room);
    if (!bigger)
        return -1;
    cl->in = bigger;
    cl->room = room;
    return 0;
}

static void client_read(struct control *c, struct client *cl)
{
    const char *eol;
    ssize_t n;

    if (client_room(cl)) {
        client_drop(cl);
        return;
    }
    n = recv(cl->fd, cl->in + cl->len, cl->room - cl->len, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            client_drop(cl);
        return;
    }
    eol = memchr(cl->in + cl->len, '\n', (size_t)n);
    cl->len += (size_t)n;
    if (eol || (!n && cl->len))
        cl->out = c->answer(c->arg, cl->in,
                            eol ? (size_t)(eol - cl->in) : cl->len);
    else if (n && cl->len <= REQUEST_SIZE_MAX)
        return;
    else if (n)
        cl->out = answer_error(EXIT_FAILED, "request is longer than %u bytes",
                               REQUEST_SIZE_MAX);
    if (!cl->out) {
        client_drop(cl);
        return;
    }
    cl->out_len = strlen(cl->out);
    client_write(cl);
}

void control_run(struct control *c, const struct pollfd *fds, size_t nr,
                 uint64_t now_ms)
{
    size_t i, k;

    for (i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *cl = &c->client[i];

        for (k = 0; k < nr && cl->fd >= 0; k++) {
            if (fds[k].fd != cl->fd || !fds[k].revents)
                continue;
            if (cl->out)
                client_write(cl);
            else
                client_read(c, cl);
            break;
        }
        if (cl->fd >= 0 && now_ms >= cl->deadline_ms)
            client_drop(cl);
    }
    for (k = 0; k < nr; k++)
        if (fds[k].fd == c->fd && fds[k].revents)
            control_accept(c, now_ms);
}

char *control_call(const char *run_dir, const char *text)
{
    /* The agent may be in the middle of reading a big host. */
    struct timeval patience = { .tv_sec = 15 };
    struct sockaddr_un addr;
    char *buf = NULL, *bigger;
    size_t len = 0, size = 0, sent, text_len = strlen(text);
    ssize_t n;
    int fd, saved_errno;

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    if (control_addr(&addr, run_dir) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
        goto fail;

    for (sent = 0; sent < text_len; sent += (size_t)n) {
        n = send(fd, text + sent, text_len - sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            break; /* it has answered without reading all of it */
        if (n < 0)
            goto fail;
    }
    shutdown(fd, SHUT_WR);

    for (;;) {
        if (len + 1 >= size) {
            size = size ? size * 2 : 16384;
            bigger = realloc(buf, size);
            if (!bigger)
                goto fail;
            buf = bigger;
        }
        n = recv(fd, buf + len, size - len - 1, 0);
        if (n < 0 && !(errno == ECONNRESET && len))
            goto fail; /* reset: it answered, and did not read all we sent */
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (!len) {
        errno = EACCES; /* hung up on us: not root, or out of memory */
        goto fail;
    }
    buf[len] = '\0';
    close(fd);
    return buf;

 fail:
    saved_errno = errno;
    free(buf);
    close(fd);
    errno = saved_errno;
    return NULL;
}
