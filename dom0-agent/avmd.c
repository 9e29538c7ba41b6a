/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * avmd: one thread that waits for a timer, signals, xenstore and the control
 * socket. What it does then is in agent.c (the loop) and serve.c (requests).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenstore.h>

#include "agent.h"
#include "control.h"
#include "log.h"
#include "metrics.h"
#include "serve.h"

struct daemon {
    struct agent agent;
    struct control control;
    const char *conf_path, *record_path;
    bool conf_may_miss;
    int lock_fd, timer_fd, signal_fd;
    struct xs_handle *xs;       /* NULL: new domains wait for the next tick */
    bool stop;
};

static const char usage[] =
    "Usage: avmd [-f] [-C FILE] [-v] [--record FILE]\n"
    "  -f, --foreground   stay in the foreground (it always does)\n"
    "  -C, --config FILE  instead of " CONF_DEFAULT_PATH "\n"
    "  -v, --verbose      log each plan as well\n"
    "      --record FILE  append what is read to FILE, for avm replay\n"
    "  -h, --help\n";

/* sd_notify(3) without libsystemd, as Xen's own daemons do it. */
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t len;
    int fd;

    if (!path || (path[0] != '/' && path[0] != '@'))
        return;
    len = strlen(path);
    if (len >= sizeof(addr.sun_path))
        return;
    memcpy(addr.sun_path, path, len);
    if (path[0] == '@')
        addr.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

/* Says what is wrong, in one line, and returns the exit code; 0: go on. */
static int check_host(void)
{
    char caps[64] = "";
    FILE *f;

    if (access("/proc/xen", F_OK)) {
        log_line(LOG_ERROR, "no Xen here: this machine was not started by "
                 "the Xen hypervisor");
        return EXIT_FAILED;
    }
    f = fopen("/proc/xen/capabilities", "re");
    if (!f) {
        log_line(LOG_ERROR, "/proc/xen/capabilities: %s; is xenfs mounted?",
                 strerror(errno));
        return EXIT_FAILED;
    }
    if (!fgets(caps, sizeof(caps), f))
        caps[0] = '\0';
    fclose(f);
    if (!strstr(caps, "control_d")) {
        log_line(LOG_ERROR, "this is a guest: avmd runs in the control "
                 "domain (dom0)");
        return EXIT_FAILED;
    }
    if (geteuid()) {
        log_line(LOG_ERROR, "must be run as root");
        return EXIT_DENIED;
    }
    return 0;
}

/*
 * The lock is on the file, so it ends with the process, however it ends. The
 * file itself stays: removing it would let two processes lock two files.
 */
static int take_lock(struct daemon *d)
{
    const char *run_dir = d->agent.conf.run_dir;
    char path[96], pid[32] = "";
    ssize_t n;

    if (mkdir(run_dir, 0755) && errno != EEXIST) {
        log_line(LOG_ERROR, "%s: %s", run_dir, strerror(errno));
        return -1;
    }
    snprintf(path, sizeof(path), "%s/avmd.pid", run_dir);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (d->lock_fd < 0) {
        log_line(LOG_ERROR, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB)) {
        n = read(d->lock_fd, pid, sizeof(pid) - 1);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        log_line(LOG_ERROR, "already running, pid %s",
                 pid[0] ? pid : "unknown");
        close(d->lock_fd);
        d->lock_fd = -1;
        return -1;
    }
    snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(d->lock_fd, 0) ||
        write(d->lock_fd, pid, strlen(pid)) != (ssize_t)strlen(pid))
        log_line(LOG_WARN, "%s: %s", path, strerror(errno));
    return 0;
}

static int set_timer(struct daemon *d, uint32_t first_ms)
{
    uint32_t ms = d->agent.conf.loop.sample_ms;
    struct itimerspec spec = {
        .it_value = { first_ms / 1000, (long)(first_ms % 1000) * 1000000 },
        .it_interval = { ms / 1000, (long)(ms % 1000) * 1000000 },
    };

    return timerfd_settime(d->timer_fd, 0, &spec, NULL);
}

static int open_fds(struct daemon *d)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        signal(SIGXFSZ, SIG_IGN) == SIG_ERR) /* a limit is an error of write */
        goto fail;
    d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (d->signal_fd < 0)
        goto fail;
    d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (d->timer_fd < 0 || set_timer(d, d->agent.conf.loop.sample_ms))
        goto fail;

    d->xs = xs_open(0);
    if (!d->xs || !xs_watch(d->xs, "@introduceDomain", "new") ||
        !xs_watch(d->xs, "@releaseDomain", "gone"))
        log_line(LOG_WARN, "xenstore: %s; new domains are seen a little "
                 "later", strerror(errno));
    return 0;

 fail:
    log_line(LOG_ERROR, "%s", strerror(errno));
    return -1;
}

static void on_signal(struct daemon *d)
{
    struct signalfd_siginfo si;

    if (read(d->signal_fd, &si, sizeof(si)) != sizeof(si))
        return;
    if (si.ssi_signo != SIGHUP) {
        d->stop = true;
        return;
    }

    if (!agent_reload(&d->agent, d->conf_path, d->conf_may_miss))
        set_timer(d, d->agent.conf.loop.sample_ms);
}

/* A domain came or went: look soon, but not once for each of a crowd. */
static void on_xenstore(struct daemon *d)
{
    uint32_t soon_ms = d->agent.conf.loop.sample_ms / 2;
    struct itimerspec left;
    char **watch;
    bool any = false;

    while ((watch = xs_check_watch(d->xs))) {
        free(watch);
        any = true;
    }
    if (any) {
        if (!timerfd_gettime(d->timer_fd, &left) &&
            left.it_value.tv_sec * 1000 + left.it_value.tv_nsec / 1000000 >
            (long)soon_ms)
            set_timer(d, soon_ms);
    } else if (errno != EAGAIN) {
        log_line(LOG_WARN, "xenstore: %s; new domains are seen a little "
                 "later", strerror(errno));
        xs_close(d->xs);
        d->xs = NULL;
    }
}

static void run(struct daemon *d)
{
    enum { TIMER, SIGNAL, XENSTORE, CONTROL };
    struct pollfd fds[CONTROL + 1 + CONTROL_CLIENTS];
    uint64_t expired;
    size_t nr;

    while (!d->stop) {
        fds[TIMER] = (struct pollfd){ .fd = d->timer_fd, .events = POLLIN };
        fds[SIGNAL] = (struct pollfd){ .fd = d->signal_fd, .events = POLLIN };
        fds[XENSTORE] = (struct pollfd){
            .fd = d->xs ? xs_fileno(d->xs) : -1, .events = POLLIN,
        };
        nr = control_poll(&d->control, fds + CONTROL);

        if (poll(fds, (nfds_t)(CONTROL + nr), -1) < 0) {
            if (errno == EINTR)
                continue;
            log_line(LOG_ERROR, "poll: %s", strerror(errno));
            break;
        }
        if (fds[SIGNAL].revents)
            on_signal(d);
        if (fds[XENSTORE].revents)
            on_xenstore(d);
        if (fds[TIMER].revents &&
            read(d->timer_fd, &expired, sizeof(expired)) == sizeof(expired)) {
            agent_tick(&d->agent);
            notify("WATCHDOG=1");
        }
        control_run(&d->control, fds + CONTROL, nr, agent_now_ms());
    }
}

static int open_record(struct daemon *d)
{
    char err[512];

    if (!d->record_path)
        return 0;
    d->agent.record = record_open(d->record_path, err, sizeof(err));
    if (!d->agent.record)
        log_line(LOG_ERROR, "%s", err);
    else
        log_line(LOG_INFO, "records to %s", d->record_path);
    return d->agent.record ? 0 : -1;
}

static int open_xen(struct daemon *d)
{
    struct avm_info info;
    char *line, *next;
    size_t i;
    int e;

    d->agent.h = avm_open(NULL, 0);
    if (!d->agent.h) {
        e = errno;
        log_line(LOG_ERROR, "%s",
                 e == EPROTO ? "this Xen speaks no interface version that avm "
                               "knows"
                 : e == ENOENT ? "no Xen here: the hypercall device is missing"
                               : strerror(e));
        return e == EACCES || e == EPERM ? EXIT_DENIED : EXIT_FAILED;
    }
    if (avm_info(d->agent.h, &info)) {
        log_line(LOG_ERROR, "cannot read the host: %s", strerror(errno));
        return EXIT_FAILED;
    }
    for (i = 0; i < info.host.nr_pools && i < AVM_MAX_POOLS; i++)
        log_line(LOG_INFO, "cpupool %u: scheduler %s, %u pCPUs",
                 info.host.pool[i].id,
                 avm_scheduler_name(info.host.pool[i].sched_id),
                 info.host.pool[i].nr_pcpus);
    /* On a stock Xen: what it can and cannot do there, then go on. */
    for (line = strtok_r(info.limits, "\n", &next); line;
         line = strtok_r(NULL, "\n", &next))
        log_line(LOG_WARN, "%s", line);
    return 0;
}

static int parse_options(struct daemon *d, int argc, char **argv)
{
    static const struct option options[] = {
        { "foreground", no_argument, NULL, 'f' },
        { "config", required_argument, NULL, 'C' },
        { "record", required_argument, NULL, 'r' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "fC:vh", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            break;
        case 'C':
            d->conf_path = optarg;
            d->conf_may_miss = false;
            break;
        case 'r':
            d->record_path = optarg;
            break;
        case 'v':
            log_init("avmd", LOG_DEBUG);
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_OK);
        default:
            fputs(usage, stderr);
            return -1;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct daemon d = {
        .conf_path = CONF_DEFAULT_PATH, .conf_may_miss = true,
        .control.fd = -1, .lock_fd = -1, .timer_fd = -1, .signal_fd = -1,
    };
    char err[512];
    int rc = EXIT_FAILED;

    log_init("avmd", LOG_INFO);
    if (parse_options(&d, argc, argv))
        return EXIT_FAILED;
    conf_defaults(&d.agent.conf);
    if (conf_load(&d.agent.conf, d.conf_path, d.conf_may_miss, err,
                  sizeof(err)) ||
        conf_models(&d.agent.conf, &d.agent.models, err, sizeof(err))) {
        log_line(LOG_ERROR, "%s", err);
        return EXIT_FAILED;
    }
    rc = check_host();
    if (rc)
        return rc;

    rc = EXIT_FAILED;
    if (take_lock(&d))
        goto out;
    rc = open_xen(&d);
    if (rc)
        goto out;
    rc = EXIT_FAILED;
    if (open_fds(&d) || open_record(&d) || agent_start(&d.agent))
        goto out;
    if (control_open(&d.control, d.agent.conf.run_dir, 0, serve, &d.agent)) {
        log_line(LOG_ERROR, "%s/%s: %s", d.agent.conf.run_dir, CONTROL_SOCKET,
                 strerror(errno));
        goto out;
    }
    if (d.agent.conf.models[0])
        log_line(LOG_INFO, "usage models %s", d.agent.conf.models);
    log_line(LOG_INFO, "ready, mode %s, a sample each %u ms, a decision each "
             "%u ms", avm_mode_name(d.agent.mode),
             d.agent.conf.loop.sample_ms, d.agent.conf.loop.decide_ms);
    notify("READY=1");

    run(&d);

    notify("STOPPING=1");
    log_line(LOG_INFO, "stops");
    rc = EXIT_OK;

 out:
    control_close(&d.control);
    if (d.agent.st)
        agent_stop(&d.agent);
    if (d.xs)
        xs_close(d.xs);
    avm_close(d.agent.h);
    return rc;
}
