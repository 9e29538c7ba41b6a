/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sysfs: small files with one value, strictly parsed. */
#define _GNU_SOURCE /* O_PATH */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge.h"

DIR *avm_sysfs_dir(const char *sysroot, const char *path, char *dir, size_t len)
{
    if (snprintf(dir, len, "%s%s", sysroot, path) >= (int)len) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return opendir(dir);
}

int avm_sysfs_open(int dir, const char *path)
{
    return openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* From the start of it, which sysfs fills in anew then. */
bool avm_sysfs_text_of(int fd, char *buf, size_t len)
{
    ssize_t n;

    do
        n = pread(fd, buf, len, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return false;
    if ((size_t)n >= len) {
        errno = EOVERFLOW;
        return false;
    }
    buf[n] = '\0';
    return true;
}

static bool first_line(int fd, char *buf, size_t len)
{
    char *end;

    if (!avm_sysfs_text_of(fd, buf, len))
        return false;
    end = strchr(buf, '\n');
    if (end)
        *end = '\0';
    return true;
}

bool avm_sysfs_line_at(int dir, const char *name, char *buf, size_t len)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    bool ok;

    if (fd < 0)
        return false;
    ok = first_line(fd, buf, len);
    close(fd);
    return ok;
}

bool avm_sysfs_line(const char *dir, const char *name, char *buf, size_t len)
{
    char path[512];

    return snprintf(path, sizeof(path), "%s/%s", dir, name) <
           (int)sizeof(path) && avm_sysfs_line_at(AT_FDCWD, path, buf, len);
}

/* Decimal digits only: strtoull alone would take signs and spaces as well. */
const char *avm_parse_u64(const char *s, uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)*s))
        return NULL;
    errno = 0;
    *value = strtoull(s, &end, 10);
    return errno ? NULL : end;
}

bool avm_sysfs_u64_of(int fd, uint64_t *value)
{
    char line[32];
    const char *end;

    if (!first_line(fd, line, sizeof(line)))
        return false;
    end = avm_parse_u64(line, value);
    return end && !*end;
}

bool avm_sysfs_u64(int dir, const char *name, uint64_t *value)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && avm_sysfs_u64_of(fd, value);

    if (fd >= 0)
        close(fd);
    return ok;
}

bool avm_parse_pair(const char *s, char sep, uint32_t *a, uint32_t *b)
{
    uint64_t x, y;
    const char *end = avm_parse_u64(s, &x);

    if (!end || *end != sep || x > UINT32_MAX)
        return false;
    end = avm_parse_u64(end + 1, &y);
    if (!end || *end || y > UINT32_MAX)
        return false;
    *a = x;
    *b = y;
    return true;
}
