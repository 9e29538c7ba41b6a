/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON file as a tree that knows its lines, so that whatever is wrong with it
 * can be said as "file:line: key: what". Everything here that finds an error
 * says it in one line on stderr and ends the program with status 1.
 */
#ifndef AVM_SIM_JSON_H
#define AVM_SIM_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct json {
    enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_STRING, JSON_ARRAY,
                     JSON_OBJECT } type;
    const char *file;
    unsigned int line;
    char *key;                  /* in an object; else NULL              */
    int64_t number;             /* JSON_INT, JSON_BOOL                  */
    char *text;                 /* JSON_STRING                          */
    struct json *up, *next;     /* the list it is in; the next one of it */
    struct json *first, *last;  /* of an array or object                */
    bool used;                  /* somebody asked for it                */
};

struct json *json_read(const char *file);

/* The value of a key of an object; NULL: no such key. */
struct json *json_get(struct json *object, const char *key);

/* Changes or adds a key; @value is copied. */
void json_set(struct json *object, const char *key, const struct json *value);
struct json *json_copy(const struct json *from);

const char *json_type_name(enum json_type type);

void json_die(const struct json *at, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

#endif /* AVM_SIM_JSON_H */
