/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

/* The only state of the process that is not in struct agent. */
static const char *log_program = "avmd";
static enum log_level log_max = LOG_INFO;
static bool log_journal;

void log_init(const char *program, enum log_level max)
{
    log_program = program;
    log_max = max;
    log_journal = getenv("JOURNAL_STREAM") != NULL;
}

static void __attribute__((format(printf, 2, 0)))
log_v(enum log_level level, const char *fmt, va_list ap)
{
    char line[1024];
    unsigned char *p;

    if (level > log_max)
        return;

    vsnprintf(line, sizeof(line), fmt, ap);

    /* Domain names come from outside: nothing may start a line of its own. */
    for (p = (unsigned char *)line; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';

    if (log_journal)
        fprintf(stderr, "<%d>%s\n", (int)level, line);
    else
        fprintf(stderr, "%s: %s\n", log_program, line);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_v(level, fmt, ap);
    va_end(ap);
}

void log_trouble(bool *said, bool trouble, const char *fmt, ...)
{
    va_list ap;

    if (*said == trouble)
        return;
    *said = trouble;

    va_start(ap, fmt);
    log_v(trouble ? LOG_ERROR : LOG_INFO, fmt, ap);
    va_end(ap);
}
