/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fields: the numbers of a struct as members of an object, by a table. */
#include <errno.h>
#include <stdio.h>

#include "avm_json.h"

void avm_json_put_fields(struct avm_json *j, const struct avm_json_field *f,
                         size_t nr, const void *base)
{
    for (; nr--; f++) {
        const char *at = (const char *)base + f->offset;

        if (f->max)
            avm_json_uint(j, f->key, *(const uint32_t *)at);
        else
            avm_json_int(j, f->key, (int64_t)*(const uint64_t *)at);
    }
}

bool avm_json_is_int(const struct avm_json_value *v)
{
    return avm_json_get_int(v, 0) == avm_json_get_int(v, 1);
}

int avm_json_get_fields(const struct avm_json_value *v,
                        const struct avm_json_field *f, size_t nr, void *base,
                        char *why, size_t why_len)
{
    for (; nr--; f++) {
        const struct avm_json_value *m = avm_json_get(v, f->key);
        char *at = (char *)base + f->offset;
        int64_t n = avm_json_get_int(m, 0);

        if (!m) {
            snprintf(why, why_len, "\"%s\" is missing", f->key);
        } else if (!avm_json_is_int(m)) {
            snprintf(why, why_len, "\"%s\" must be a number", f->key);
        } else if (!f->max) {
            *(uint64_t *)at = (uint64_t)n;
            continue;
        } else if (n < 0 || n > f->max) {
            snprintf(why, why_len, "\"%s\" must be a number from 0 to %u",
                     f->key, f->max);
        } else {
            *(uint32_t *)at = (uint32_t)n;
            continue;
        }
        errno = EINVAL;
        return -1;
    }
    return 0;
}
