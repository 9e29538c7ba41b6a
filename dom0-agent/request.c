/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avm_json.h"
#include "request.h"

static const struct field {
    const char *name;
    size_t offset;
    size_t size;        /* of a text; 0: a number */
} fields[] = {
#define TEXT(f) { #f, offsetof(struct request, f), \
                  sizeof(((struct request *)0)->f) }
#define NUMBER(f) { #f, offsetof(struct request, f), 0 }
    TEXT(op), TEXT(domain), TEXT(mode), TEXT(role), TEXT(urgency), TEXT(cpus),
    TEXT(net_max), TEXT(disk_max),
    TEXT(net_in_max),
    NUMBER(weight), NUMBER(weight_min), NUMBER(weight_max), NUMBER(cap_pct),
    NUMBER(cpu_min_pct), NUMBER(seconds), NUMBER(last),
#undef TEXT
#undef NUMBER
};

static int read_field(struct request *req, const struct field *f,
                      const struct avm_json_value *value,
                      char *err, size_t err_size)
{
    char *to = (char *)req + f->offset;
    const char *text;

    if (!f->size) {
        int64_t n = avm_json_get_int(value, REQUEST_NONE);

        memcpy(to, &n, sizeof(n));
        if (!value || n != REQUEST_NONE)
            return 0;
        snprintf(err, err_size, "\"%s\" must be a number", f->name);
        return -1;
    }

    text = avm_json_get_str(value, NULL);
    if (!value)
        return 0;
    if (!text) {
        snprintf(err, err_size, "\"%s\" must be a text", f->name);
        return -1;
    }
    if (strlen(text) >= f->size) {
        snprintf(err, err_size, "\"%s\" is too long", f->name);
        return -1;
    }
    strcpy(to, text);
    return 0;
}

int request_parse(struct request *req, const char *text, size_t len,
                  char *err, size_t err_size)
{
    struct avm_json_value *root;
    char why[128];
    size_t i;
    int rc = -1;

    memset(req, 0, sizeof(*req));
    req->text = text;
    req->len = len;
    root = avm_json_parse(text, len, why, sizeof(why));
    if (!root) {
        why[strcspn(why, "\n")] = '\0';
        snprintf(err, err_size, "bad request: %s", why);
        goto out;
    }
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (read_field(req, &fields[i], avm_json_get(root, fields[i].name),
                       err, err_size))
            goto out;
    req->all = avm_json_get_bool(avm_json_get(root, "all"), false);
    req->replace = avm_json_get_bool(avm_json_get(root, "replace"), false);
    if (!req->op[0]) {
        snprintf(err, err_size, "bad request: no \"op\"");
        goto out;
    }
    rc = 0;

 out:
    avm_json_free(root);
    return rc;
}

char *answer_error(int exit_code, const char *fmt, ...)
{
    struct avm_json *j = avm_json_new();
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    avm_json_object(j, NULL);
    avm_json_int(j, "version", 1);
    avm_json_str(j, "error", text);
    avm_json_int(j, "exit", exit_code);
    avm_json_end(j);
    return avm_json_finish(j);
}

static const char *cpu_number(const char *p, unsigned int *cpu)
{
    const char *start = p;

    for (*cpu = 0; *p >= '0' && *p <= '9'; p++) {
        *cpu = *cpu * 10 + (unsigned int)(*p - '0');
        if (*cpu > 63)
            return NULL;
    }
    return p == start ? NULL : p;
}

int cpus_parse(const char *text, uint64_t *cpus)
{
    unsigned int first, last;
    const char *p = text;
    uint64_t bits = 0;

    if (!strcmp(text, "any")) {
        *cpus = UINT64_MAX;
        return 0;
    }
    for (;;) {
        p = cpu_number(p, &first);
        if (!p)
            return -1;
        last = first;
        if (*p == '-')
            p = cpu_number(p + 1, &last);
        if (!p || last < first)
            return -1;
        for (; first <= last; first++)
            bits |= UINT64_C(1) << first;
        if (!*p)
            break;
        if (*p++ != ',')
            return -1;
    }
    *cpus = bits;
    return 0;
}

const char *cpus_str(uint64_t cpus, char *buf, size_t size)
{
    unsigned int first, last;
    size_t n = 0;

    if (cpus == UINT64_MAX) {
        snprintf(buf, size, "any");
        return buf;
    }
    buf[0] = '\0';
    for (first = 0; first < 64 && n < size; first = last + 1) {
        last = first;
        if (!(cpus >> first & 1))
            continue;
        while (last < 63 && cpus >> (last + 1) & 1)
            last++;
        n += (size_t)snprintf(buf + n, size - n, n ? ",%u" : "%u", first);
        if (last > first && n < size)
            n += (size_t)snprintf(buf + n, size - n, "-%u", last);
    }
    return buf;
}

static const char *const bps_units[] = { "B", "kB", "MB", "GB" };

int bps_parse(const char *text, uint64_t *bps)
{
    uint64_t number = 0, factor = 1;
    const char *p = text;
    size_t i, n;

    if (!strcmp(text, "none")) {
        *bps = 0;
        return 0;
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        number = number * 10 + (uint64_t)(*p - '0');
        /* A terabyte per second is beyond every device, and no overflow. */
        if (number > 1000000000000)
            return -1;
    }
    n = strcspn(p, "/");
    if (p == text || (p[n] && strcmp(p + n, "/s")))
        return -1;
    for (i = 0; i < 4; i++, factor *= 1000)
        if (strlen(bps_units[i]) == n && !strncmp(p, bps_units[i], n))
            break;
    if (i == 4 || number * factor > 1000000000000)
        return -1;
    *bps = number * factor;
    return 0;
}

const char *bps_str(uint64_t bps, char *buf)
{
    size_t i = 0;

    if (!bps)
        return "none";
    for (; i < 3 && bps % 1000 == 0; i++)
        bps /= 1000;
    snprintf(buf, BPS_STR_LEN, "%llu%s/s", (unsigned long long)bps,
             bps_units[i]);
    return buf;
}

const char *knob_str(int knob, uint64_t value, char *buf)
{
    if (knob == AVM_KNOB_AFFINITY)
        return cpus_str(value, buf, KNOB_STR_LEN);
    if (knob == AVM_KNOB_URGENCY && value < AVM_NR_URGENCIES)
        return avm_urgency_name((enum avm_urgency)value);
    if (knob == AVM_KNOB_CAP && !value)
        return "none";
    if (knob == AVM_KNOB_NET_OUT || knob == AVM_KNOB_NET_IN ||
        knob == AVM_KNOB_DISK)
        return bps_str(value, buf);
    snprintf(buf, KNOB_STR_LEN, "%llu", (unsigned long long)value);
    return buf;
}
