/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* avm_json over yajl 2. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "avm_json.h"

#define MAX_DEPTH 64

/* ------------------------------------------------------------------------ */
/* Writer                                                                   */

struct avm_json {
    yajl_gen gen;
    bool bad;                    /* some call failed: so does finish         */
    unsigned int depth;
    bool is_array[MAX_DEPTH];
};

struct avm_json *avm_json_new(void)
{
    struct avm_json *j = calloc(1, sizeof(*j));

    if (!j)
        return NULL;
    j->gen = yajl_gen_alloc(NULL);
    if (!j->gen) {
        free(j);
        errno = ENOMEM;
        return NULL;
    }
    return j;
}

static void check(struct avm_json *j, yajl_gen_status s)
{
    if (s != yajl_gen_status_ok)
        j->bad = true;
}

/* Length of the UTF-8 sequence at s, 0 if it is none. */
static size_t utf8_len(const unsigned char *s)
{
    size_t n, i;

    if (s[0] < 0x80)
        return 1;
    n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 :
        s[0] >= 0xe0 && s[0] <= 0xef ? 3 :
        s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
    for (i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Too long a form, surrogates, above U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void gen_string(struct avm_json *j, const char *value)
{
    size_t len = strlen(value), i = 0;
    char *copy = malloc(len + 1);

    if (!copy) {
        j->bad = true;
        return;
    }
    memcpy(copy, value, len + 1);
    while (i < len) {
        size_t n = utf8_len((unsigned char *)copy + i);

        if (!n)
            copy[i] = '?';
        i += n ? n : 1;
    }
    check(j, yajl_gen_string(j->gen, (unsigned char *)copy, len));
    free(copy);
}

static void put_key(struct avm_json *j, const char *key)
{
    bool wanted = j->depth && !j->is_array[j->depth - 1];

    if (wanted != !!key)
        j->bad = true;
    else if (key)
        gen_string(j, key);
}

static void begin(struct avm_json *j, const char *key, bool is_array)
{
    put_key(j, key);
    if (j->depth == MAX_DEPTH) {
        j->bad = true;
        return;
    }
    check(j, is_array ? yajl_gen_array_open(j->gen) :
                        yajl_gen_map_open(j->gen));
    j->is_array[j->depth++] = is_array;
}

void avm_json_object(struct avm_json *j, const char *key)
{
    if (!j)
        return;
    begin(j, key, false);
}

void avm_json_array(struct avm_json *j, const char *key)
{
    if (!j)
        return;
    begin(j, key, true);
}

void avm_json_end(struct avm_json *j)
{
    if (!j)
        return;
    if (!j->depth) {
        j->bad = true;
        return;
    }
    check(j, j->is_array[--j->depth] ? yajl_gen_array_close(j->gen) :
                                       yajl_gen_map_close(j->gen));
}

void avm_json_str(struct avm_json *j, const char *key, const char *value)
{
    if (!j)
        return;
    put_key(j, key);
    gen_string(j, value);
}

void avm_json_int(struct avm_json *j, const char *key, int64_t value)
{
    if (!j)
        return;
    put_key(j, key);
    check(j, yajl_gen_integer(j->gen, value));
}

void avm_json_uint(struct avm_json *j, const char *key, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

    if (!j)
        return;
    put_key(j, key);
    check(j, yajl_gen_number(j->gen, text, n));
}

void avm_json_bool(struct avm_json *j, const char *key, bool value)
{
    if (!j)
        return;
    put_key(j, key);
    check(j, yajl_gen_bool(j->gen, value));
}

void avm_json_null(struct avm_json *j, const char *key)
{
    if (!j)
        return;
    put_key(j, key);
    check(j, yajl_gen_null(j->gen));
}

void avm_json_raw(struct avm_json *j, const char *key, const char *json)
{
    if (!j)
        return;
    put_key(j, key);
    /* A "number" is copied as it stands. */
    check(j, yajl_gen_number(j->gen, json, strlen(json)));
}

char *avm_json_finish(struct avm_json *j)
{
    const unsigned char *buf;
    char *text = NULL;
    size_t len;

    if (!j) {
        errno = ENOMEM;
        return NULL;
    }
    if (j->bad || j->depth ||
        yajl_gen_get_buf(j->gen, &buf, &len) != yajl_gen_status_ok) {
        errno = EINVAL;
    } else {
        text = malloc(len + 1);
        if (text) {
            memcpy(text, buf, len);
            text[len] = '\0';
        }
    }
    yajl_gen_free(j->gen);
    free(j);
    return text;
}

/* ------------------------------------------------------------------------ */
/* Reader                                                                   */

enum kind { K_NULL, K_BOOL, K_INT, K_STR, K_OBJECT, K_ARRAY };

struct avm_json_value {
    enum kind kind;
    int64_t num;                 /* K_BOOL, K_INT                            */
    char *str;                   /* K_STR                                    */
    char *key;                   /* in an object                             */
    struct avm_json_value *first, *last, *next; /* children; sibling         */
    size_t nr;
};

struct parser {
    struct avm_json_value *root, *stack[MAX_DEPTH];
    unsigned int depth;
    char *key;
    const char *error;
};

void avm_json_free(struct avm_json_value *v)
{
    struct avm_json_value *c, *next;

    if (!v)
        return;
    for (c = v->first; c; c = next) {
        next = c->next;
        avm_json_free(c); /* depth is bounded by MAX_DEPTH */
    }
    free(v->str);
    free(v->key);
    free(v);
}

static struct avm_json_value *add(struct parser *p, enum kind kind)
{
    struct avm_json_value *v = calloc(1, sizeof(*v)), *up;

    if (!v) {
        p->error = "no memory";
        return NULL;
    }
    v->kind = kind;
    v->key = p->key;
    p->key = NULL;
    if (!p->depth) {
        p->root = v;
        return v;
    }
    up = p->stack[p->depth - 1];
    if (up->last)
        up->last->next = v;
    else
        up->first = v;
    up->last = v;
    up->nr++;
    return v;
}

static char *copy_text(struct parser *p, const unsigned char *s, size_t len)
{
    char *t;

    /* It would be cut when used as text. */
    if (memchr(s, 0, len)) {
        p->error = "text with a NUL in it";
        return NULL;
    }
    t = malloc(len + 1);
    if (!t) {
        p->error = "no memory";
        return NULL;
    }
    memcpy(t, s, len);
    t[len] = '\0';
    return t;
}

static int on_null(void *ctx)
{
    return add(ctx, K_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
    struct avm_json_value *v = add(ctx, K_BOOL);

    if (v)
        v->num = !!value;
    return v != NULL;
}

static int on_int(void *ctx, long long value)
{
    struct avm_json_value *v = add(ctx, K_INT);

    if (v)
        v->num = value;
    return v != NULL;
}

static int on_double(void *ctx, double value)
{
    struct parser *p = ctx;

    (void)value;
    p->error = "a number that is not a 64 bit integer";
    return 0;
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
    char *t = copy_text(ctx, s, len);
    struct avm_json_value *v = t ? add(ctx, K_STR) : NULL;

    if (v)
        v->str = t;
    else
        free(t);
    return v != NULL;
}

static int open_value(struct parser *p, enum kind kind)
{
    struct avm_json_value *v;

    if (p->depth == MAX_DEPTH) {
        p->error = "nested too deeply";
        return 0;
    }
    v = add(p, kind);
    if (!v)
        return 0;
    p->stack[p->depth++] = v;
    return 1;
}

static int on_start_map(void *ctx)
{
    return open_value(ctx, K_OBJECT);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
    struct parser *p = ctx;

    p->key = copy_text(p, s, len);
    return p->key != NULL;
}

static int on_start_array(void *ctx)
{
    return open_value(ctx, K_ARRAY);
}

static int on_end(void *ctx)
{
    struct parser *p = ctx;

    p->depth--;
    return 1;
}

/* Names the member whose value it is, which is somebody else's text. */
static void say_error(const struct parser *p, char *err, size_t err_len)
{
    char key[32] = "";
    char *c;

    if (p->error && p->key)
        snprintf(key, sizeof(key), "%s", p->key);
    for (c = key; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    snprintf(err, err_len, "%s%s%s%s", key[0] ? "\"" : "", key,
             key[0] ? "\": " : "", p->error ? p->error : "not JSON");
}

/* 'at': how far it came. */
static struct avm_json_value *parse(const char *text, size_t len, size_t *at,
                                    char *err, size_t err_len)
{
    static const yajl_callbacks calls = {
        .yajl_null = on_null, .yajl_boolean = on_bool,
        .yajl_integer = on_int, .yajl_double = on_double,
        .yajl_string = on_string,
        .yajl_start_map = on_start_map, .yajl_map_key = on_key,
        .yajl_end_map = on_end,
        .yajl_start_array = on_start_array, .yajl_end_array = on_end,
    };
    struct parser p = { 0 };
    yajl_handle y = yajl_alloc(&calls, NULL, &p);
    yajl_status s = yajl_status_error;

    *at = 0;
    if (!y) {
        errno = ENOMEM;
        return NULL;
    }
    s = yajl_parse(y, (const unsigned char *)text, len);
    *at = yajl_get_bytes_consumed(y);
    if (s == yajl_status_ok)
        s = yajl_complete_parse(y);
    yajl_free(y);

    if (s == yajl_status_ok && p.root)
        return p.root;

    if (err && err_len)
        say_error(&p, err, err_len);
    free(p.key);
    avm_json_free(p.root);
    errno = EINVAL;
    return NULL;
}

struct avm_json_value *avm_json_parse(const char *text, size_t len,
                                      char *err, size_t err_len)
{
    size_t at;

    return parse(text, len, &at, err, err_len);
}

struct avm_json_value *avm_json_parse_lines(const char *text, size_t len,
                                            char *err, size_t err_len)
{
    char why[96] = "no memory";
    unsigned int line = 1;
    size_t at, i;
    struct avm_json_value *v = parse(text, len, &at, why, sizeof(why));

    if (v)
        return v;
    for (i = 0; i < at && i < len; i++)
        line += text[i] == '\n';
    if (err && err_len)
        snprintf(err, err_len, "line %u: %s", line, why);
    return NULL;
}

const struct avm_json_value *avm_json_get(const struct avm_json_value *v,
                                          const char *key)
{
    const struct avm_json_value *c;

    if (!v || v->kind != K_OBJECT)
        return NULL;
    for (c = v->first; c; c = c->next)
        if (!strcmp(c->key, key))
            return c;
    return NULL;
}

const struct avm_json_value *avm_json_at(const struct avm_json_value *v,
                                         size_t i)
{
    const struct avm_json_value *c;

    if (!v || v->kind != K_ARRAY)
        return NULL;
    for (c = v->first; c && i; c = c->next)
        i--;
    return c;
}

size_t avm_json_size(const struct avm_json_value *v)
{
    return v && v->kind == K_ARRAY ? v->nr : 0;
}

bool avm_json_is_array(const struct avm_json_value *v)
{
    return v && v->kind == K_ARRAY;
}

bool avm_json_is_object(const struct avm_json_value *v)
{
    return v && v->kind == K_OBJECT;
}

bool avm_json_is_null(const struct avm_json_value *v)
{
    return v && v->kind == K_NULL;
}

const struct avm_json_value *avm_json_first(const struct avm_json_value *v)
{
    return v ? v->first : NULL;
}

const char *avm_json_key(const struct avm_json_value *v)
{
    return v ? v->key : NULL;
}

const struct avm_json_value *avm_json_next(const struct avm_json_value *v)
{
    return v ? v->next : NULL;
}

const char *avm_json_get_str(const struct avm_json_value *v, const char *def)
{
    return v && v->kind == K_STR ? v->str : def;
}

int64_t avm_json_get_int(const struct avm_json_value *v, int64_t def)
{
    return v && v->kind == K_INT ? v->num : def;
}

bool avm_json_get_bool(const struct avm_json_value *v, bool def)
{
    return v && v->kind == K_BOOL ? v->num : def;
}
