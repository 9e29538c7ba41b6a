/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "json.h"
#include "memory.h"

/* Scenarios nest six deep; more than this is no scenario. */
#define DEPTH_MAX 32
/* yajl is fed at most this much at once: what is not JSON is noticed early. */
#define CHUNK_BYTES 4096
/* Ours have a few kilobytes. */
#define FILE_BYTES_MAX (4 * 1024 * 1024)

struct reader {
    const char *file;
    unsigned int line, depth;
    struct json *root, *in;     /* the list being filled */
    char *key;
    bool any;                   /* the file is not empty */
};

static const char *const type_names[] = {
    "null", "true or false", "a whole number", "a text", "a list", "an object",
};

const char *json_type_name(enum json_type type)
{
    return type_names[type];
}

/* One line, whatever the file has in its texts. */
static void __attribute__((noreturn))
die(const char *file, unsigned int line, const char *key, const char *what)
{
    char text[512], *s;

    snprintf(text, sizeof(text), "%.80s: %s", key, what);
    for ( s = text; *s; s++ )
        if ( (unsigned char)*s < ' ' || *s == 0x7f )
            *s = '?';
    fprintf(stderr, "%s:%u: %s\n", file, line, text);
    exit(1);
}

void json_die(const struct json *at, const char *fmt, ...)
{
    const struct json *named = at;
    char what[400];
    va_list args;

    while ( named && !named->key )
        named = named->up;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    die(at->file, at->line, named ? named->key : "scenario", what);
}

static void __attribute__((noreturn))
die_at(const struct reader *r, const char *what, const char *more)
{
    char text[400];

    snprintf(text, sizeof(text), "%s%s", what, more);
    die(r->file, r->line,
        r->key ? r->key : r->in && r->in->key ? r->in->key : "scenario", text);
}

static struct json *add(struct reader *r, enum json_type type)
{
    struct json *node = must(calloc(1, sizeof(*node)));

    node->type = type;
    node->file = r->file;
    node->line = r->line;
    node->up = r->in;
    node->key = r->key;
    r->key = NULL;
    if ( !r->in )
        r->root = node;
    else if ( !r->in->first )
        r->in->first = r->in->last = node;
    else
        r->in->last = r->in->last->next = node;

    return node;
}

static int open_list(struct reader *r, enum json_type type)
{
    if ( ++r->depth > DEPTH_MAX )
        die_at(r, "nested too deeply", "");
    r->in = add(r, type);

    return 1;
}

static int on_null(void *ctx)
{
    add(ctx, JSON_NULL);

    return 1;
}

static int on_bool(void *ctx, int value)
{
    add(ctx, JSON_BOOL)->number = value;

    return 1;
}

static int on_number(void *ctx, const char *s, size_t len)
{
    struct reader *r = ctx;
    char text[32], *end;
    int64_t value;

    if ( len >= sizeof(text) )
        die_at(r, "this number is too long", "");
    memcpy(text, s, len);
    text[len] = 0;
    errno = 0;
    value = strtoll(text, &end, 10);
    if ( *end )
        die_at(r, "wants a whole number, not ", text);
    if ( errno )
        die_at(r, "this number is too large: ", text);
    add(r, JSON_INT)->number = value;

    return 1;
}

static char *copy_text(struct reader *r, const unsigned char *s, size_t len)
{
    if ( memchr(s, 0, len) )
        die_at(r, "a text must not contain a zero byte", "");

    return must(strndup((const char *)s, len));
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
    char *text = copy_text(ctx, s, len);

    add(ctx, JSON_STRING)->text = text;

    return 1;
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
    struct reader *r = ctx;
    const struct json *other;

    r->key = copy_text(r, s, len);
    for ( other = r->in->first; other; other = other->next )
        if ( !strcmp(other->key, r->key) )
            die_at(r, "given twice", "");

    return 1;
}

static int on_object(void *ctx)
{
    return open_list(ctx, JSON_OBJECT);
}

static int on_array(void *ctx)
{
    return open_list(ctx, JSON_ARRAY);
}

static int on_end(void *ctx)
{
    struct reader *r = ctx;

    r->depth--;
    r->in = r->in->up;

    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_end,
};

/* yajl's complaint in one line: its first, without the picture below it. */
static void __attribute__((noreturn))
die_of_yajl(struct reader *r, yajl_handle yajl)
{
    char *text = (char *)yajl_get_error(yajl, 0, NULL, 0);

    text[strcspn(text, "\n")] = 0;
    die_at(r, text, "");
}

/* Line by line, so that a callback knows its line. */
static void feed(struct reader *r, yajl_handle yajl, const char *s, size_t len)
{
    while ( len )
    {
        const char *newline = memchr(s, '\n', len);
        size_t n = newline ? newline - s + 1 : len;

        if ( yajl_parse(yajl, (const unsigned char *)s, n) != yajl_status_ok )
            die_of_yajl(r, yajl);
        r->any = true;
        r->line += newline != NULL;
        s += n;
        len -= n;
    }
}

struct json *json_read(const char *file)
{
    struct reader r = { .file = file, .line = 1 };
    yajl_handle yajl = must(yajl_alloc(&callbacks, NULL, &r));
    char chunk[CHUNK_BYTES];
    size_t got, total = 0;
    FILE *f = fopen(file, "r");

    if ( !f )
    {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        exit(1);
    }
    while ( (got = fread(chunk, 1, sizeof(chunk), f)) > 0 )
    {
        feed(&r, yajl, chunk, got);
        total += got;
        if ( total > FILE_BYTES_MAX )
            die_at(&r, "the file is too large for a scenario", "");
    }
    if ( ferror(f) )
    {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        exit(1);
    }
    fclose(f);
    if ( !r.any )
        die_at(&r, "the file is empty", "");
    if ( yajl_complete_parse(yajl) != yajl_status_ok )
        die_of_yajl(&r, yajl);
    if ( !r.root )
        die_at(&r, "the file is empty", "");
    yajl_free(yajl);

    return r.root;
}

struct json *json_get(struct json *object, const char *key)
{
    struct json *node = object ? object->first : NULL;

    while ( node && strcmp(node->key, key) )
        node = node->next;
    if ( node )
        node->used = true;

    return node;
}

struct json *json_copy(const struct json *from)
{
    struct json *to = must(malloc(sizeof(*to)));
    const struct json *child;

    *to = *from;
    to->key = from->key ? must(strdup(from->key)) : NULL;
    to->text = from->text ? must(strdup(from->text)) : NULL;
    to->next = to->first = to->last = NULL;
    to->used = false;
    for ( child = from->first; child; child = child->next )
    {
        struct json *copy = json_copy(child);

        copy->up = to;
        if ( to->last )
            to->last = to->last->next = copy;
        else
            to->first = to->last = copy;
    }

    return to;
}

static void replace(struct json *old, const struct json *by)
{
    struct json *copy = json_copy(by), *child;
    char *key = old->key;

    copy->up = old->up;
    copy->next = old->next;
    free(copy->key);
    *old = *copy;
    old->key = key;
    for ( child = old->first; child; child = child->next )
        child->up = old;
    free(copy);
}

void json_set(struct json *object, const char *key, const struct json *value)
{
    struct json *node = json_get(object, key);

    if ( !node )
    {
        node = must(calloc(1, sizeof(*node)));
        node->key = must(strdup(key));
        node->up = object;
        if ( object->last )
            object->last = object->last->next = node;
        else
            object->first = object->last = node;
    }
    replace(node, value);
}
