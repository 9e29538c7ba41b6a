/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: run_dir/control.sock, mode 0600, and the peer must be
 * root as well. A client sends one line and gets one line; a slow or silent one
 * is dropped, so it can hold up neither the loop nor others.
 */
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "request.h"

#define CONTROL_SOCKET      "control.sock"
#define CONTROL_CLIENTS     8
#define CONTROL_TIMEOUT_MS  5000

/* Answers one request; the text is freed by the caller. NULL: no memory. */
typedef char *control_fn(void *arg, const char *text, size_t len);

struct control {
    int fd;
    char path[108];
    uid_t uid;                  /* who may talk to it: root, but for tests */
    control_fn *answer;
    void *arg;
    struct client {
        int fd;                 /* -1: free */
        uint64_t deadline_ms;
        char *in;               /* the request so far */
        size_t len, room;
        char *out;              /* the answer, once there is one */
        size_t out_len, out_pos;
    } client[CONTROL_CLIENTS];
};

/* The lock must be held: a socket that is left over is replaced. errno. */
int control_open(struct control *c, const char *run_dir, uid_t uid,
                 control_fn *answer, void *arg);
void control_close(struct control *c);

/* Entries for poll(), 1 + CONTROL_CLIENTS at most. Returns how many. */
size_t control_poll(const struct control *c, struct pollfd *fds);
/* After poll(), with the same entries. */
void control_run(struct control *c, const struct pollfd *fds, size_t nr,
                 uint64_t now_ms);

/*
 * The other end: sends 'text', waits for the answer (freed by the caller).
 * NULL with errno; ECONNREFUSED or ENOENT: nobody listens.
 */
char *control_call(const char *run_dir, const char *text);

#endif
