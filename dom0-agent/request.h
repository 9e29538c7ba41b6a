/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control protocol: one connection, one request, one answer, both a JSON
 * object. {"op":"mode","domain":"web","mode":"auto"}. The answer has "version"
 * and either what was asked for or "error" and "exit", the exit code of avm.
 */
#ifndef AGENT_REQUEST_H
#define AGENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "avm.h"

/* The needs of 4000 domains: see `avm need-import`. */
#define REQUEST_SIZE_MAX (1u << 20)

/* Exit codes of avm, on the wire too. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,        /* also: wrong usage           */
    EXIT_NOT_FOUND = 2,
    EXIT_CHANGES = 2,       /* only plan --exit-code         */
    EXIT_DENIED = 3,
    EXIT_NO_DAEMON = 4,
};

#define REQUEST_NONE INT64_MIN  /* a number that was not given */

struct request {
    char op[16];
    char domain[AVM_NAME_LEN]; /* name, domid or UUID                       */
    char mode[16], role[16], urgency[16];
    char cpus[AVM_CPUS_LEN];   /* "1-3,5", "nodes:1", "any"                 */
    char net_max[24], disk_max[24]; /* "10MB/s", or "none"                  */
    char net_in_max[24];
    int64_t weight, weight_min, weight_max;
    int64_t cap_pct;           /* need-set: -1 takes the need for a cap away */
    int64_t cpu_min_pct;       /* 0: none                                    */
    int64_t seconds, last;
    bool all, replace;
    const char *text;          /* all of it, as long as the caller has it  */
    size_t len;
};

/* On error -1 and one line in 'err'. What is not known is passed over. */
int request_parse(struct request *req, const char *text, size_t len,
                  char *err, size_t err_size);

/* {"version":1,"error":S,"exit":N}. The caller frees it. */
char *answer_error(int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "0-2,5" to bits and back; "any" is all of them. pCPU 0 .. 63. */
int cpus_parse(const char *text, uint64_t *cpus);
const char *cpus_str(uint64_t cpus, char *buf, size_t size);

/*
 * "500kB/s" to bytes per second and back: a whole number and B, kB, MB or GB (of
 * 1000), or "none" for 0; "/s" may be left out. -1: it is not that, or too large.
 */
#define BPS_STR_LEN 32
int bps_parse(const char *text, uint64_t *bps);
const char *bps_str(uint64_t bps, char *buf);

/* A value of a knob for people: "critical", "0-3", "any", "none", "256". */
#define KNOB_STR_LEN 192 /* every second pCPU */
const char *knob_str(int knob, uint64_t value, char *buf);

#endif
