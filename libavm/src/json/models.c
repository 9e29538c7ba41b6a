/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * models: usage models as JSON and back. An administrator writes them, so a
 * key that is not known is a mistake, and the line that says so names the place
 * and what would be right.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "avm_json.h"
#include "core/core.h"

#define MODELS_VERSION 1

/* ------------------------------------------------------------------------ */
/* Out                                                                      */

char *avm_json_models(const struct avm_models *models)
{
    struct avm_json *j = avm_json_new();
    uint32_t i;
    int c;

    avm_json_object(j, NULL);
    avm_json_uint(j, "version", MODELS_VERSION);
    avm_json_object(j, "models");
    for (c = AVM_CLASS_UNKNOWN + 1; c < AVM_NR_CLASSES; c++) {
        const struct avm_model *m = &models->model[c];

        avm_json_array(j, avm_class_name(c));
        for (i = 0; i < m->nr && i < AVM_STATEMENTS_MAX; i++) {
            const struct avm_statement *s = &m->statement[i];

            avm_json_object(j, NULL);
            avm_json_str(j, "metric", avm_metric_name(s->metric));
            avm_json_uint(j, "no", s->no);
            avm_json_uint(j, "yes", s->yes);
            avm_json_str(j, "why", s->why);
            avm_json_end(j);
        }
        avm_json_end(j);
    }
    avm_json_end(j);
    avm_json_end(j);
    return avm_json_finish(j);
}

/* ------------------------------------------------------------------------ */
/* In                                                                       */

/* Where we are, for the one line that says what is wrong. */
struct reader {
    const char *klass;           /* NULL: in none                            */
    unsigned int statement;      /* from 1 on; 0: in none                    */
    char *err;
    size_t err_len;
};

static int __attribute__((format(printf, 2, 3)))
bad(const struct reader *r, const char *fmt, ...)
{
    char place[64] = "", why[AVM_FAULT_LEN];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (r->klass && r->statement)
        snprintf(place, sizeof(place), "class \"%s\": statement %u: ",
                 r->klass, r->statement);
    else if (r->klass)
        snprintf(place, sizeof(place), "class \"%s\": ", r->klass);
    if (r->err && r->err_len)
        snprintf(r->err, r->err_len, "%s%s", place, why);
    errno = EINVAL;
    return -1;
}

/* What stands in the text, in a form that one line can show. */
static const char *shown(const char *key, char *buf, size_t size)
{
    size_t i;

    for (i = 0; i < size - 1 && key[i]; i++)
        buf[i] = key[i] >= ' ' && key[i] <= '~' ? key[i] : '?';
    buf[i] = '\0';
    return buf;
}

/* The members of 'v' are some of 'keys' (which ends with NULL), each once. */
static int check_keys(const struct reader *r, const struct avm_json_value *v,
                      const char *const *keys, const char *what)
{
    const struct avm_json_value *m;
    unsigned int seen = 0, i;
    char buf[32], list[128] = "";
    size_t len;

    for (m = avm_json_first(v); m; m = avm_json_next(m)) {
        const char *key = avm_json_key(m);

        for (i = 0; keys[i] && strcmp(keys[i], key); i++)
            ;
        if (keys[i] && !(seen & (1u << i))) {
            seen |= 1u << i;
            continue;
        }
        if (keys[i])
            return bad(r, "%s \"%s\" is there twice", what, key);
        for (i = 0; keys[i]; i++) {
            len = strlen(list);
            snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
                     keys[i]);
        }
        return bad(r, "no such %s \"%s\"; there are: %s", what,
                   shown(key, buf, sizeof(buf)), list);
    }
    return 0;
}

/* What is no number, or none that fits, becomes one that is out of range. */
static uint32_t get_number(const struct avm_json_value *v, const char *key)
{
    int64_t n = avm_json_get_int(avm_json_get(v, key), -1);

    return n < 0 || n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static int get_statement(const struct reader *r,
                         const struct avm_json_value *v,
                         struct avm_statement *s)
{
    static const char *const keys[] = { "metric", "no", "yes", "why", NULL };
    const struct avm_json_value *why_text = avm_json_get(v, "why");
    const char *text = avm_json_get_str(why_text, why_text ? NULL : "");
    char why[AVM_FAULT_LEN];
    int metric;

    if (!avm_json_is_object(v))
        return bad(r, "must be an object, like {\"metric\": \"cpu_permille\", "
                   "\"no\": 40, \"yes\": 10, \"why\": \"...\"}");
    if (check_keys(r, v, keys, "key"))
        return -1;
    metric = avm_metric_parse(avm_json_get_str(avm_json_get(v, "metric"),
                                               NULL));
    *s = (struct avm_statement){
        .metric = metric < 0 ? AVM_NR_METRICS : (enum avm_metric)metric,
        .no = get_number(v, "no"), .yes = get_number(v, "yes"),
    };
    /* One that is too long or no text becomes one that has no end. */
    if (text && strlen(text) < sizeof(s->why))
        strcpy(s->why, text);
    else
        memset(s->why, 'x', sizeof(s->why));
    return avm_statement_check(s, why, sizeof(why)) ? bad(r, "%s", why) : 0;
}

static int get_model(struct reader *r, const struct avm_json_value *v,
                     struct avm_model *m)
{
    const struct avm_json_value *e;

    *m = (struct avm_model){ 0 };
    if (!avm_json_is_array(v))
        return bad(r, "must be an array of statements; an empty one is a class "
                   "that no domain is of");
    if (avm_json_size(v) > AVM_STATEMENTS_MAX)
        return bad(r, "%zu statements; at most %u are possible",
                   avm_json_size(v), AVM_STATEMENTS_MAX);
    for (e = avm_json_first(v); e; e = avm_json_next(e)) {
        r->statement = m->nr + 1;
        if (get_statement(r, e, &m->statement[m->nr]))
            return -1;
        m->nr++;
    }
    r->statement = 0;
    return 0;
}

int avm_models_from_json(const struct avm_json_value *v,
                         struct avm_models *models, char *err, size_t err_len)
{
    static const char *const keys[] = { "version", "models", NULL };
    const char *names[AVM_NR_CLASSES];
    struct reader r = { .err = err, .err_len = err_len };
    struct avm_models out = *avm_models_builtin();
    const struct avm_json_value *of = avm_json_get(v, "models"), *m;
    int c;

    if (!avm_json_is_object(v))
        return bad(&r, "must be an object, like {\"version\": %d, \"models\": "
                   "{...}}", MODELS_VERSION);
    if (check_keys(&r, v, keys, "key"))
        return -1;
    if (avm_json_get_int(avm_json_get(v, "version"), 0) != MODELS_VERSION)
        return bad(&r, "\"version\" must be %d", MODELS_VERSION);
    if (!avm_json_is_object(of))
        return bad(&r, "\"models\" must be an object, like {\"idle\": [...]}");

    for (c = AVM_CLASS_UNKNOWN + 1; c < AVM_NR_CLASSES; c++)
        names[c - 1] = avm_class_name(c);
    names[AVM_NR_CLASSES - 1] = NULL;
    if (check_keys(&r, of, names, "class"))
        return -1;
    for (m = avm_json_first(of); m; m = avm_json_next(m)) {
        r.klass = avm_json_key(m);
        if (get_model(&r, m, &out.model[avm_class_parse(r.klass)]))
            return -1;
    }
    *models = out;
    return 0;
}

int avm_models_parse(const char *text, size_t len, struct avm_models *models,
                     char *err, size_t err_len)
{
    struct avm_json_value *v = avm_json_parse_lines(text, len, err, err_len);
    int rc, was;

    if (!v)
        return -1;
    rc = avm_models_from_json(v, models, err, err_len);
    was = errno;
    avm_json_free(v);
    errno = was;
    return rc;
}
