/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line per event, to stderr. Under systemd (JOURNAL_STREAM is set) each
 * line starts with the <N> priority that the journal understands.
 */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

void log_init(const char *program, enum log_level max);

void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Says a trouble once, and once that it is over. The caller keeps 'said'. */
void log_trouble(bool *said, bool trouble, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
