/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Needs as JSON: what need-list and need-export say, and need-import reads. */
#ifndef AGENT_NEEDS_H
#define AGENT_NEEDS_H

#include "avm_json.h"
#include "db.h"

/* One need, as an element of the array "needs". */
void needs_put(struct avm_json *j, const struct db_need *need);

/*
 * All needs of {"version":1,"needs":[...]}. What is missing in a need is as in a
 * new one; what is not known is an error, for it would be lost. 0, the caller
 * frees '*need'; or -1 with one line in 'err' that says where, and what would be
 * accepted.
 */
int needs_read(const struct avm_json_value *file, struct db_need **need,
               size_t *nr, char *err, size_t err_size);

/* Takes an affinity as it was said: 0, or -1 with one line in 'err'. */
int needs_cpus(struct db_need *need, const char *text, char *err,
               size_t err_size);

/* A cap that would keep the floor from it. 0 (none) is no such cap. */
bool needs_cap_below_floor(const struct avm_need *need);

/* Dom0 is watched, but never changed: it can have no need. */
bool needs_uuid_is_dom0(const struct avm_uuid *uuid);

#endif
