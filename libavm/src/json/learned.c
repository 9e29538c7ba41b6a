/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * learned: what was learnt of a domain as JSON and back. It lies in a database
 * and in recordings for months. Other buckets, or another unit, need another
 * LEARNED_VERSION: what is of another version is nothing that can be used.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "avm_json.h"
#include "core/core.h"

#define LEARNED_VERSION 1

void avm_json_put_observed(struct avm_json *j, const struct avm_learned *l)
{
    int c;

    avm_json_uint(j, "observed_ms", l->observed_ms);
    avm_json_object(j, "class_ms");
    for (c = 0; c < AVM_NR_CLASSES; c++)
        avm_json_uint(j, avm_class_name(c), l->class_ms[c]);
    avm_json_end(j);
}

char *avm_json_learned(const struct avm_learned *l)
{
    struct avm_json *j;
    int m, i;

    if (avm_learned_check(l))
        return NULL;
    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_uint(j, "version", LEARNED_VERSION);
    avm_json_put_observed(j, l);
    for (m = 0; m < AVM_NR_LEARNED; m++) {
        avm_json_array(j, avm_learned_name(m));
        for (i = 0; i < AVM_LEARNED_BUCKETS; i++)
            avm_json_uint(j, NULL, l->ms[m][i]);
        avm_json_end(j);
    }
    avm_json_end(j);
    return avm_json_finish(j);
}

static int __attribute__((format(printf, 3, 4)))
bad(char *err, size_t err_len, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (err && err_len)
        vsnprintf(err, err_len, fmt, ap);
    va_end(ap);
    errno = EINVAL;
    return -1;
}

static bool get_ms(const struct avm_json_value *v, uint32_t *ms)
{
    int64_t n = avm_json_get_int(v, -1);

    if (n < 0 || n >= AVM_LEARNED_SUM_MS)
        return false;
    *ms = (uint32_t)n;
    return true;
}

int avm_learned_from_json(const struct avm_json_value *v,
                          struct avm_learned *l, char *err, size_t err_len)
{
    const struct avm_json_value *of = avm_json_get(v, "class_ms"), *e;
    struct avm_learned out = { 0 };
    int64_t observed;
    int c, m, i;

    if (avm_json_get_int(avm_json_get(v, "version"), 0) != LEARNED_VERSION)
        return bad(err, err_len, "\"version\" must be %d", LEARNED_VERSION);
    observed = avm_json_get_int(avm_json_get(v, "observed_ms"), -1);
    if (observed < 0)
        return bad(err, err_len, "\"observed_ms\" must be a number");
    out.observed_ms = (uint64_t)observed;
    for (c = 0; c < AVM_NR_CLASSES; c++)
        if (!get_ms(avm_json_get(of, avm_class_name(c)), &out.class_ms[c]))
            return bad(err, err_len, "\"class_ms\" must have the milliseconds "
                       "of class %s", avm_class_name(c));
    for (m = 0; m < AVM_NR_LEARNED; m++) {
        of = avm_json_get(v, avm_learned_name(m));
        e = avm_json_first(of);
        for (i = 0; i < AVM_LEARNED_BUCKETS && avm_json_is_array(of); i++) {
            if (!get_ms(e, &out.ms[m][i]))
                break;
            e = avm_json_next(e);
        }
        if (i < AVM_LEARNED_BUCKETS || e)
            return bad(err, err_len, "\"%s\" must be %d numbers of "
                       "milliseconds", avm_learned_name(m),
                       AVM_LEARNED_BUCKETS);
    }
    if (avm_learned_check(&out))
        return bad(err, err_len, "more time than there can have been");
    *l = out;
    return 0;
}

int avm_learned_parse(const char *text, size_t len, struct avm_learned *l,
                      char *err, size_t err_len)
{
    struct avm_json_value *v = avm_json_parse(text, len, err, err_len);
    int rc, was;

    if (!v)
        return -1;
    rc = avm_learned_from_json(v, l, err, err_len);
    was = errno;
    avm_json_free(v);
    errno = was;
    return rc;
}
