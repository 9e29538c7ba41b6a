/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A /sys and a /proc of our own, for the tests of what reads the real ones. */
#ifndef SYSROOT_H
#define SYSROOT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef SYSROOT
#define SYSROOT "/tmp/avm-sysroot-XXXXXX"
#endif

static char root[] = SYSROOT;

static void put(const char *value, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes a file under root, and makes the directories it needs. */
static void put(const char *value, const char *fmt, ...)
{
    char path[512], *p;
    va_list ap;
    FILE *f;
    int n = snprintf(path, sizeof(path), "%s/", root);

    va_start(ap, fmt);
    vsnprintf(path + n, sizeof(path) - n, fmt, ap);
    va_end(ap);
    for (p = path + n; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    f = fopen(path, "w");
    if (!f) {
        perror(path);
        abort();
    }
    fputs(value, f);
    fclose(f);
}

#endif
