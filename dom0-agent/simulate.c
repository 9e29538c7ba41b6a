/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* memfd_create */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simulate.h"

#define NAME "avm-sim"
/* From where avm is, as "make install" has it. */
#define INSTALLED "../lib/avm/" NAME

/* 4096 domains with 100 seeds are some 40 MB. */
#define OUTPUT_MAX (64u << 20)

/* ------------------------------------------------------------------------ */
/* Where it is                                                              */

/* What was installed with this program, NULL: nothing. */
static char *installed(void)
{
    char *self = realpath("/proc/self/exe", NULL), *file = NULL;
    const char *slash = self ? strrchr(self, '/') : NULL;

    if (slash && asprintf(&file, "%.*s" INSTALLED, (int)(slash + 1 - self),
                          self) < 0)
        file = NULL;
    free(self);
    if (file && !access(file, X_OK))
        return file;
    free(file);
    return NULL;
}

char *simulator_find(const char *path, char *err, size_t err_size)
{
    const char *dir = getenv("PATH"), *end;
    char *file = NULL;

    if (path) {
        if (!access(path, X_OK))
            return strdup(path);
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    for (; dir; dir = *end ? end + 1 : NULL) {
        end = strchrnul(dir, ':');
        if (asprintf(&file, "%.*s%s" NAME, (int)(end - dir), dir,
                     end > dir ? "/" : "./") < 0)
            break;
        if (!access(file, X_OK))
            return file;
        free(file);
    }
    file = installed();
    if (!file)
        snprintf(err, err_size, "the simulator is missing: no " NAME " in "
                 "$PATH, nor in " INSTALLED " from where avm is; name it with "
                 "--simulator");
    return file;
}

/* ------------------------------------------------------------------------ */
/* Runs it                                                                  */

/* A file that only this process and its children can name; -1 with errno. */
static int private_file(const char *content)
{
    int fd = memfd_create("what-if", 0);
    size_t len = strlen(content), done = 0;
    ssize_t n;

    while (fd >= 0 && done < len) {
        n = write(fd, content + done, len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

static char *read_all(int fd, size_t *len)
{
    char *text = NULL, *bigger;
    size_t room = 0;
    ssize_t n;

    for (*len = 0;; *len += (size_t)n) {
        if (room - *len < 4096) {
            room = room ? 2 * room : 65536;
            bigger = room > OUTPUT_MAX ? NULL : realloc(text, room);
            if (!bigger) {
                errno = room > OUTPUT_MAX ? EFBIG : ENOMEM;
                break;
            }
            text = bigger;
        }
        n = read(fd, text + *len, room - *len);
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n <= 0) {
            if (n)
                break;
            return text;
        }
    }
    free(text);
    return NULL;
}

static void __attribute__((noreturn))
child(const char *simulator, int scenario, int out, int said,
      unsigned int seeds)
{
    char file[32], number[16];

    snprintf(file, sizeof(file), "/proc/self/fd/%d", scenario);
    snprintf(number, sizeof(number), "%u", seeds);
    if (dup2(out, STDOUT_FILENO) >= 0 && dup2(said, STDERR_FILENO) >= 0)
        execl(simulator, simulator, "run", file, "--domains", "--sched",
              "activity", "--seeds", number, (char *)NULL);
    dprintf(STDERR_FILENO, "%s\n", strerror(errno));
    _exit(127);
}

/* The first line that it said, if any. */
static void complaint(int said, const char *simulator, char *err,
                      size_t err_size)
{
    char line[128];
    ssize_t n = pread(said, line, sizeof(line) - 1, 0);

    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    snprintf(err, err_size, "%s failed%s%s", simulator, line[0] ? ": " : "",
             line);
}

char *simulate(const char *simulator, const char *scenario,
               unsigned int seeds, size_t *len, char *err, size_t err_size)
{
    int file = private_file(scenario), said = private_file("");
    int fds[2] = { -1, -1 }, status = 0, e;
    char *text = NULL;
    pid_t pid;

    if (file < 0 || said < 0 || pipe(fds) || (pid = fork()) < 0) {
        snprintf(err, err_size, "%s: %s", simulator, strerror(errno));
        goto out;
    }
    if (!pid)
        child(simulator, file, fds[1], said, seeds);
    close(fds[1]);
    fds[1] = -1;
    text = read_all(fds[0], len);
    e = errno;
    /* If nobody reads any more, it ends by that. */
    close(fds[0]);
    fds[0] = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!text) {
        snprintf(err, err_size, "%s: %s", simulator, strerror(e));
    } else if (status) {
        complaint(said, simulator, err, err_size);
        free(text);
        text = NULL;
    }

 out:
    if (fds[0] >= 0)
        close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
    if (file >= 0)
        close(file);
    if (said >= 0)
        close(said);
    return text;
}
