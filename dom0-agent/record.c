/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "record.h"

struct record {
    int fd;                     /* -1: the recording has ended            */
    char *path;
    char *settings;             /* as written last, or, before the first
                                   line, as they will be                  */
    bool started;               /* the first line is written              */
    char *sample;               /* of this round                          */
    char **past;                /* lines that come before it              */
    size_t nr_past, room_past;
};

/* What a sudden end left of a last line is cut off. Returns 0 or -1. */
static int cut_torn_line(int fd, off_t size)
{
    char block[4096];
    off_t from;
    ssize_t n;

    while (size > 0) {
        from = size > (off_t)sizeof(block) ? size - (off_t)sizeof(block) : 0;
        n = pread(fd, block, (size_t)(size - from), from);
        if (n != size - from)
            return -1;
        while (n && block[n - 1] != '\n')
            n--;
        size = from + n;
        if (n)
            break;
    }
    return ftruncate(fd, size);
}

/* NULL, or what is wrong with the file. */
static const char *check_file(int fd)
{
    char begin[sizeof(RECORDING_BEGIN) - 1];
    struct stat st;

    if (fstat(fd, &st))
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "not a file";
    if (st.st_size &&
        (pread(fd, begin, sizeof(begin), 0) != (ssize_t)sizeof(begin) ||
         memcmp(begin, RECORDING_BEGIN, sizeof(begin))))
        return "there is something else in it than a recording";
    /* Names and habits of guests are in it, whoever made the file. */
    if (fchmod(fd, 0600) || cut_torn_line(fd, st.st_size))
        return strerror(errno);
    return NULL;
}

struct record *record_open(const char *path, char *err, size_t err_size)
{
    struct record *r = calloc(1, sizeof(*r));
    const char *why;

    if (!r || !(r->path = strdup(path))) {
        snprintf(err, err_size, "%s", strerror(errno));
        free(r);
        return NULL;
    }
    /* O_NONBLOCK: a FIFO that nobody reads would stop us here. */
    r->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
                 O_CLOEXEC, 0600);
    why = r->fd < 0 ? strerror(errno) : check_file(r->fd);
    if (why) {
        snprintf(err, err_size, "%s: %s", path, why);
        record_close(r);
        return NULL;
    }
    return r;
}

static void drop_past(struct record *r)
{
    while (r->nr_past)
        free(r->past[--r->nr_past]);
}

void record_close(struct record *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    drop_past(r);
    free(r->past);
    free(r->sample);
    free(r->settings);
    free(r->path);
    free(r);
}

static void give_up(struct record *r, const char *why)
{
    log_line(LOG_ERROR, "%s: %s; the recording ends here", r->path, why);
    close(r->fd);
    r->fd = -1;
}

/* All of a line or nothing of it, so that what is there can be replayed. */
static void write_line(struct record *r, char *line)
{
    size_t len = strlen(line), done = 0;
    struct stat st;
    ssize_t n = 0;
    int e;

    if (fstat(r->fd, &st)) {
        give_up(r, strerror(errno));
        return;
    }
    line[len++] = '\n'; /* in the place of the NUL */
    while (done < len) {
        n = write(r->fd, line + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    e = n ? errno : ENOSPC;
    line[len - 1] = '\0';
    if (done == len)
        return;
    if (ftruncate(r->fd, st.st_size))
        log_line(LOG_WARN, "%s: %s; its last line is not whole", r->path,
                 strerror(errno));
    give_up(r, strerror(e));
}

/* The same settings, as those of a start. */
static char *as_start(const struct settings *s)
{
    struct settings first = *s;

    first.start = true;
    return settings_json(&first);
}

void record_settings(struct record *r, const struct settings *s)
{
    struct settings later;
    char *text, *line;

    if (!r || r->fd < 0)
        return;
    text = as_start(s);
    if (!text) {
        give_up(r, strerror(errno));
        return;
    }
    if (r->started && strcmp(text, r->settings)) {
        later = *s;
        later.start = false;
        line = settings_json(&later);
        if (line)
            write_line(r, line);
        else
            give_up(r, strerror(errno));
        free(line);
    }
    free(r->settings);
    r->settings = text;
}

void record_past(struct record *r, const struct avm_uuid *uuid,
                 const struct avm_learned *l)
{
    char **bigger;

    if (!r || r->fd < 0)
        return;
    if (r->nr_past == r->room_past) {
        r->room_past = r->room_past ? 2 * r->room_past : 64;
        bigger = realloc(r->past, r->room_past * sizeof(*bigger));
        if (!bigger) {
            give_up(r, strerror(errno));
            return;
        }
        r->past = bigger;
    }
    r->past[r->nr_past] = past_json(uuid, l);
    if (r->past[r->nr_past])
        r->nr_past++;
    else
        give_up(r, strerror(errno));
}

void record_sample(struct record *r, const struct avm_sample *sample)
{
    if (!r || r->fd < 0)
        return;
    free(r->sample);
    r->sample = avm_json_sample(sample);
    if (!r->sample)
        give_up(r, strerror(errno));
}

void record_round_ends(struct record *r)
{
    size_t i;

    if (!r || !r->sample)
        return;
    if (r->fd >= 0 && !r->started) {
        r->started = true;
        write_line(r, r->settings);
    }
    for (i = 0; r->fd >= 0 && i < r->nr_past; i++)
        write_line(r, r->past[i]);
    drop_past(r);
    if (r->fd >= 0)
        write_line(r, r->sample);
    free(r->sample);
    r->sample = NULL;
}
