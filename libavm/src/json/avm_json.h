/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON, out and in, so that nothing else needs to know which library makes it
 * (yajl today; newer Xen moves to json-c). In libavm.a for the programs of this
 * tree, not exported from libavm.so.
 *
 * Integers only: 64 bit, signed when read. Text that is not UTF-8 is written
 * with '?' in place of each bad byte.
 */
#ifndef AVM_JSON_H
#define AVM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writer. Errors (no memory, bad nesting) are kept and come out at the end, so
 * that the calls need no checks, and take a NULL writer, too. 'key' is NULL inside an array and for the
 * outermost value.
 */
struct avm_json;

struct avm_json *avm_json_new(void);
void avm_json_object(struct avm_json *j, const char *key);
void avm_json_array(struct avm_json *j, const char *key);
void avm_json_end(struct avm_json *j); /* of the innermost object or array */
void avm_json_str(struct avm_json *j, const char *key, const char *value);
void avm_json_int(struct avm_json *j, const char *key, int64_t value);
void avm_json_uint(struct avm_json *j, const char *key, uint64_t value);
void avm_json_bool(struct avm_json *j, const char *key, bool value);
void avm_json_null(struct avm_json *j, const char *key);
/* A complete JSON text made elsewhere (e.g. by avm_json_plan()). */
void avm_json_raw(struct avm_json *j, const char *key, const char *json);
/* Frees j. The text (caller frees), or NULL with errno. */
char *avm_json_finish(struct avm_json *j);

/*
 * Reader: a tree. At most 64 levels; EINVAL and a line in err otherwise. The
 * text need not end in NUL.
 */
struct avm_json_value; /* any value; freed with the root */

struct avm_json_value *avm_json_parse(const char *text, size_t len,
                                      char *err, size_t err_len);
/* The same; the line in err begins with the number of that of the text. */
struct avm_json_value *avm_json_parse_lines(const char *text, size_t len,
                                            char *err, size_t err_len);
void avm_json_free(struct avm_json_value *root);

/* Member of an object, element of an array; NULL if there is none. */
const struct avm_json_value *avm_json_get(const struct avm_json_value *v,
                                          const char *key);
const struct avm_json_value *avm_json_at(const struct avm_json_value *v,
                                         size_t i);
size_t avm_json_size(const struct avm_json_value *v); /* of an array, or 0 */
bool avm_json_is_array(const struct avm_json_value *v);
bool avm_json_is_object(const struct avm_json_value *v);
bool avm_json_is_null(const struct avm_json_value *v); /* there, and null */
/*
 * The first of an array or object, and what follows v in its own: avm_json_at()
 * for each would be quadratic. NULL: there is none.
 */
const struct avm_json_value *avm_json_first(const struct avm_json_value *v);
/* The key of a member of an object; NULL if v is none. */
const char *avm_json_key(const struct avm_json_value *v);
const struct avm_json_value *avm_json_next(const struct avm_json_value *v);

/* The value, or 'def' when v is NULL or of another type. */
const char *avm_json_get_str(const struct avm_json_value *v, const char *def);
int64_t avm_json_get_int(const struct avm_json_value *v, int64_t def);
bool avm_json_get_bool(const struct avm_json_value *v, bool def);

bool avm_json_is_int(const struct avm_json_value *v);

/*
 * A number of a struct, and the member of an object that it is: uint32_t, 0 to
 * 'max', or, with max 0, uint64_t, which is written as signed, because the
 * reader takes no more.
 */
struct avm_json_field {
    const char *key;
    size_t offset;
    uint32_t max;
};

#define AVM_JSON_U64(type, member) \
    { #member, offsetof(struct type, member), 0 }
#define AVM_JSON_U32(type, member, max) \
    { #member, offsetof(struct type, member), max }

void avm_json_put_fields(struct avm_json *j, const struct avm_json_field *f,
                         size_t nr, const void *base);
/* All must be there and in range; otherwise -1 with EINVAL and a line. */
int avm_json_get_fields(const struct avm_json_value *v,
                        const struct avm_json_field *f, size_t nr, void *base,
                        char *why, size_t why_len);

/* avm_sample_parse() of a text that has been read already. */
struct avm_sample;
int avm_sample_from_json(const struct avm_json_value *v,
                         struct avm_sample **sample, char *err,
                         size_t err_len);

/* avm_models_parse() of a text that has been read already. */
struct avm_models;
int avm_models_from_json(const struct avm_json_value *v,
                         struct avm_models *models, char *err, size_t err_len);

/* avm_learned_parse() of a text that has been read already. */
struct avm_learned;
int avm_learned_from_json(const struct avm_json_value *v,
                          struct avm_learned *l, char *err, size_t err_len);
/* Its "observed_ms" and "class_ms", members of the object that is being written. */
void avm_json_put_observed(struct avm_json *j, const struct avm_learned *l);

#endif /* AVM_JSON_H */
