/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AGENT_SERVE_H
#define AGENT_SERVE_H

#include <stddef.h>

/* Answers one control request; 'arg' is the struct agent. See request.h. */
char *serve(void *arg, const char *text, size_t len);

#endif
