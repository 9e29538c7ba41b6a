/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words: names for the enums, UUIDs, bounded text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"

static const char *const class_names[AVM_NR_CLASSES] = {
    "unknown", "idle", "cpu", "net", "disk", "mixed", "time-critical",
};

static const char *const role_names[AVM_NR_ROLES] = {
    "normal", "background", "interactive", "time-critical",
};

static const char *const mode_names[AVM_NR_MODES] = {
    "inherit", "observe", "advise", "auto",
};

static const char *const knob_names[AVM_NR_KNOBS] = {
    "weight", "cap", "affinity", "urgency", "net-out", "net-in", "disk",
    "net-share", "disk-share",
};

static const char *const verdict_names[AVM_NR_VERDICTS] = {
    "no-data", "none", "cpu", "cap", "net-limit", "disk-limit", "backend",
    "disk-ring", "net-drops", "lock",
};

static const char *const urgency_names[AVM_NR_URGENCIES] = {
    "normal", "background", "interactive", "critical",
};

static const char *const state_names[AVM_NR_CHANGE_STATES] = {
    "ready", "hold", "cool-down", "budget", "warm-up", "small", "refused",
    "foreign", "applied", "failed", "undone",
};

/* Unit and all: the members of struct avm_window are called the same. */
static const char *const metric_names[AVM_NR_METRICS] = {
    "cpu_permille", "demand_permille", "wakes_per_s", "burst_us", "io_per_s",
    "net_packets_per_s", "disk_reqs_per_s", "net_share_permille", "us_per_io",
};

static const char *const learned_names[AVM_NR_LEARNED] = {
    "demand_permille", "wait_permille", "latency_p99_us", "net_bps", "disk_bps",
};

static const char *const past_names[AVM_NR_PAST_IS] = {
    "unknown", "low", "usual", "high",
};

/* By XEN_SCHEDULER_*: the numbers are part of Xen's interface. */
static const char *const scheduler_names[] = {
    [4] = "sedf", [5] = "credit", [6] = "credit2", [7] = "arinc653",
    [8] = "rtds", [9] = "null", [10] = "activity",
};

static const char *name_of(const char *const *names, size_t nr, unsigned int i)
{
    return i < nr && names[i] ? names[i] : "?";
}

static int value_of(const char *const *names, size_t nr, const char *word)
{
    size_t i;

    for (i = 0; word && i < nr; i++)
        if (!strcmp(names[i], word))
            return (int)i;
    errno = EINVAL;
    return -1;
}

const char *avm_class_name(enum avm_class c)
{
    return name_of(class_names, AVM_NR_CLASSES, c);
}

const char *avm_role_name(enum avm_role r)
{
    return name_of(role_names, AVM_NR_ROLES, r);
}

const char *avm_mode_name(enum avm_mode m)
{
    return name_of(mode_names, AVM_NR_MODES, m);
}

const char *avm_knob_name(enum avm_knob k)
{
    return name_of(knob_names, AVM_NR_KNOBS, k);
}

const char *avm_urgency_name(enum avm_urgency u)
{
    return name_of(urgency_names, AVM_NR_URGENCIES, u);
}

const char *avm_verdict_name(enum avm_verdict v)
{
    return name_of(verdict_names, AVM_NR_VERDICTS, v);
}

const char *avm_change_state_name(enum avm_change_state s)
{
    return name_of(state_names, AVM_NR_CHANGE_STATES, s);
}

const char *avm_metric_name(enum avm_metric m)
{
    return name_of(metric_names, AVM_NR_METRICS, m);
}

const char *avm_learned_name(enum avm_learned_metric m)
{
    return name_of(learned_names, AVM_NR_LEARNED, m);
}

const char *avm_past_name(enum avm_past_is p)
{
    return name_of(past_names, AVM_NR_PAST_IS, p);
}

const char *avm_scheduler_name(uint32_t sched_id)
{
    return name_of(scheduler_names,
                   sizeof(scheduler_names) / sizeof(scheduler_names[0]),
                   sched_id);
}

int avm_class_parse(const char *word)
{
    return value_of(class_names, AVM_NR_CLASSES, word);
}

int avm_metric_parse(const char *word)
{
    return value_of(metric_names, AVM_NR_METRICS, word);
}

int avm_role_parse(const char *word)
{
    return value_of(role_names, AVM_NR_ROLES, word);
}

int avm_mode_parse(const char *word)
{
    return value_of(mode_names, AVM_NR_MODES, word);
}

int avm_knob_parse(const char *word)
{
    return value_of(knob_names, AVM_NR_KNOBS, word);
}

int avm_urgency_parse(const char *word)
{
    return value_of(urgency_names, AVM_NR_URGENCIES, word);
}

bool avm_uuid_equal(const struct avm_uuid *a, const struct avm_uuid *b)
{
    return !memcmp(a->b, b->b, sizeof(a->b));
}

static bool dash_before(unsigned int byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

const char *avm_uuid_str(const struct avm_uuid *u, char *buf)
{
    static const char digits[] = "0123456789abcdef";
    char *p = buf;
    unsigned int i;

    for (i = 0; i < sizeof(u->b); i++) {
        if (dash_before(i))
            *p++ = '-';
        *p++ = digits[u->b[i] >> 4];
        *p++ = digits[u->b[i] & 15];
    }
    *p = '\0';
    return buf;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int avm_uuid_parse(const char *s, struct avm_uuid *u)
{
    struct avm_uuid out;
    unsigned int i;

    for (i = 0; s && i < sizeof(out.b); i++) {
        int hi, lo;

        if (dash_before(i) && *s++ != '-')
            break;
        hi = hex(s[0]);
        lo = hi < 0 ? -1 : hex(s[1]);
        if (lo < 0)
            break;
        out.b[i] = (uint8_t)(hi << 4 | lo);
        s += 2;
    }
    if (!s || i < sizeof(out.b) || *s) {
        errno = EINVAL;
        return -1;
    }
    *u = out;
    return 0;
}

const char *avm_who(const struct avm_domain *d, char *buf)
{
    if (d->untrusted_name[0])
        snprintf(buf, AVM_WHO_LEN, "%.40s (%u)", d->untrusted_name, d->domid);
    else
        snprintf(buf, AVM_WHO_LEN, "domain %u", d->domid);
    return buf;
}

void avm_text(char *buf, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, AVM_TEXT_LEN, fmt, ap);
    va_end(ap);
}
