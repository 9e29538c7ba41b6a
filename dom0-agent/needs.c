/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needs.h"
#include "request.h"

#define BPS_MAX INT64_C(1000000000000) /* as of bps_parse() */

bool needs_uuid_is_dom0(const struct avm_uuid *uuid)
{
    static const struct avm_uuid zero;

    return avm_uuid_equal(uuid, &zero);
}

bool needs_cap_below_floor(const struct avm_need *n)
{
    return n->cap_set && n->cap_pct && 10 * n->cap_pct < n->cpu_min_permille;
}

void needs_put(struct avm_json *j, const struct db_need *n)
{
    char uuid[AVM_UUID_STR_LEN], cpus[256];
    const struct avm_need *need = &n->need;

    avm_json_object(j, NULL);
    avm_json_str(j, "name", n->name);
    avm_json_str(j, "uuid", avm_uuid_str(&need->uuid, uuid));
    avm_json_str(j, "role", avm_role_name(need->role));
    avm_json_uint(j, "weight_min", need->weight_min);
    avm_json_uint(j, "weight_max", need->weight_max);
    if (need->cap_set)
        avm_json_uint(j, "cap_pct", need->cap_pct);
    else
        avm_json_null(j, "cap_pct");
    if (n->cpus[0])
        avm_json_str(j, "cpus", n->cpus);
    else if (need->affinity_set)
        avm_json_str(j, "cpus", cpus_str(need->affinity, cpus, sizeof(cpus)));
    else
        avm_json_null(j, "cpus");
    avm_json_uint(j, "net_max_bps", need->net_max_bps);
    avm_json_uint(j, "disk_max_bps", need->disk_max_bps);
    avm_json_uint(j, "cpu_min_pct", need->cpu_min_permille / 10);
    avm_json_uint(j, "net_in_max_bps", need->net_in_max_bps);
    avm_json_end(j);
}

/* ------------------------------------------------------------------------ */

/* False: it is not a number from 0 to max. */
static bool get_number(const struct avm_json_value *v, int64_t max,
                       uint64_t *number)
{
    int64_t n = avm_json_get_int(v, -1);

    if (n < 0 || n > max)
        return false;
    *number = (uint64_t)n;
    return true;
}

static bool get_u32(const struct avm_json_value *v, uint32_t *number)
{
    uint64_t n;

    if (!get_number(v, 65535, &n))
        return false;
    *number = (uint32_t)n;
    return true;
}

/* It is printed on terminals: what avmd stores of a guest's name is clean. */
static bool get_name(const struct avm_json_value *v, struct db_need *n)
{
    const char *text = avm_json_get_str(v, NULL), *p;

    if (!text || strlen(text) >= sizeof(n->name))
        return false;
    for (p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            return false;
    strcpy(n->name, text);
    return true;
}

static bool get_uuid(const struct avm_json_value *v, struct db_need *n)
{
    return !avm_uuid_parse(avm_json_get_str(v, ""), &n->need.uuid) &&
           !needs_uuid_is_dom0(&n->need.uuid);
}

static bool get_role(const struct avm_json_value *v, struct db_need *n)
{
    int role = avm_role_parse(avm_json_get_str(v, ""));

    if (role < 0)
        return false;
    n->need.role = (enum avm_role)role;
    return true;
}

static bool get_weight_min(const struct avm_json_value *v, struct db_need *n)
{
    return get_u32(v, &n->need.weight_min);
}

static bool get_weight_max(const struct avm_json_value *v, struct db_need *n)
{
    return get_u32(v, &n->need.weight_max);
}

static bool get_cap(const struct avm_json_value *v, struct db_need *n)
{
    n->need.cap_set = !avm_json_is_null(v);
    return !n->need.cap_set || get_u32(v, &n->need.cap_pct);
}

static bool get_cpu_min(const struct avm_json_value *v, struct db_need *n)
{
    uint32_t pct;

    if (!get_u32(v, &pct))
        return false;
    n->need.cpu_min_permille = 10 * pct;
    return true;
}

int needs_cpus(struct db_need *n, const char *text, char *err, size_t err_size)
{
    uint64_t mask;
    int fixed = avm_cpus_check(text, &mask, err, err_size);

    if (fixed < 0)
        return -1;
    strcpy(n->cpus, text);
    n->need.affinity_set = fixed;
    n->need.affinity = fixed ? mask : 0;
    return 0;
}

/* Of a host that may be another one: which pCPUs it means is seen when it runs. */
static bool get_cpus(const struct avm_json_value *v, struct db_need *n)
{
    char err[256];

    return avm_json_is_null(v) ||
           !needs_cpus(n, avm_json_get_str(v, ""), err, sizeof(err));
}

static bool get_net_max(const struct avm_json_value *v, struct db_need *n)
{
    return get_number(v, BPS_MAX, &n->need.net_max_bps);
}

static bool get_disk_max(const struct avm_json_value *v, struct db_need *n)
{
    return get_number(v, BPS_MAX, &n->need.disk_max_bps);
}

static bool get_net_in_max(const struct avm_json_value *v, struct db_need *n)
{
    return get_number(v, BPS_MAX, &n->need.net_in_max_bps);
}

#define WEIGHT_WORDS "must be 1 to 65535, or 0 for what the role has"
#define BPS_WORDS    "must be 1 to 1000000000000 bytes per second, or 0 for none"

static const struct member {
    const char *name;
    bool (*get)(const struct avm_json_value *v, struct db_need *n);
    const char *accepts;
} members[] = {
    { "name", get_name, "must be a text of at most 79 printable characters" },
    { "uuid", get_uuid, "must be like "
      "\"01234567-89ab-cdef-0123-456789abcdef\", and not Domain-0's" },
    { "role", get_role, "must be \"background\", \"normal\", \"interactive\" "
      "or \"time-critical\"" },
    { "weight_min", get_weight_min, WEIGHT_WORDS },
    { "weight_max", get_weight_max, WEIGHT_WORDS },
    { "cap_pct", get_cap, "must be 1 to 65535 percent of a pCPU, 0 for none, "
      "or null to leave it alone" },
    { "cpus", get_cpus, "must be a list of pCPUs like \"0-2,5\" (up to 63), "
      "\"nodes:0,^3\", \"sockets:1\", \"cores\" or \"any\", or null to leave "
      "it alone" },
    { "net_max_bps", get_net_max, BPS_WORDS },
    { "disk_max_bps", get_disk_max, BPS_WORDS },
    { "cpu_min_pct", get_cpu_min, "must be 1 to 65535 percent of a pCPU, or 0 "
      "for none" },
    { "net_in_max_bps", get_net_in_max, BPS_WORDS },
};

#define NR_MEMBERS (sizeof(members) / sizeof(members[0]))

/* A name of a member that nobody knows, fit to be printed. */
static const char *clean(const char *key, char *buf, size_t size)
{
    char *p;

    snprintf(buf, size, "%s", key);
    for (p = buf; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    return buf;
}

/* -1 with the fault in 'why', which says nothing of whose it is. */
static int read_members(const struct avm_json_value *v, struct db_need *n,
                        char *why, size_t why_size)
{
    const struct avm_json_value *m;
    char key[32];
    bool seen[NR_MEMBERS] = { false };
    size_t i;

    if (!avm_json_is_object(v)) {
        snprintf(why, why_size, "must be an object like {\"uuid\":..., "
                 "\"role\":...}");
        return -1;
    }
    for (m = avm_json_first(v); m; m = avm_json_next(m)) {
        for (i = 0; i < NR_MEMBERS; i++)
            if (!strcmp(members[i].name, avm_json_key(m)))
                break;
        if (i == NR_MEMBERS)
            snprintf(why, why_size, "\"%s\" is not known: see what avm "
                     "need-export writes",
                     clean(avm_json_key(m), key, sizeof(key)));
        else if (seen[i])
            snprintf(why, why_size, "%s is there twice", members[i].name);
        else if (!members[i].get(m, n))
            snprintf(why, why_size, "%s %s", members[i].name,
                     members[i].accepts);
        else {
            seen[i] = true;
            continue;
        }
        return -1;
    }
    if (needs_uuid_is_dom0(&n->need.uuid)) {
        snprintf(why, why_size, "uuid is missing; it says whose need it is");
        return -1;
    }
    if (n->need.weight_max && n->need.weight_min > n->need.weight_max) {
        snprintf(why, why_size, "weight_min (%u) must not be above weight_max "
                 "(%u)", n->need.weight_min, n->need.weight_max);
        return -1;
    }
    if (needs_cap_below_floor(&n->need)) {
        snprintf(why, why_size, "cap_pct (%u) must not be below cpu_min_pct "
                 "(%u)", n->need.cap_pct, n->need.cpu_min_permille / 10);
        return -1;
    }
    return 0;
}

/* "need 3 (web)": what can be said of it, whatever is wrong with it. */
static void label(const struct avm_json_value *v, size_t i, char *buf,
                  size_t size)
{
    struct db_need n = { 0 };
    char uuid[AVM_UUID_STR_LEN];

    if (get_name(avm_json_get(v, "name"), &n) && n.name[0])
        snprintf(buf, size, "need %zu (%s)", i + 1, n.name);
    else if (get_uuid(avm_json_get(v, "uuid"), &n))
        snprintf(buf, size, "need %zu (%s)", i + 1,
                 avm_uuid_str(&n.need.uuid, uuid));
    else
        snprintf(buf, size, "need %zu", i + 1);
}

static int uuid_cmp(const void *pa, const void *pb)
{
    const struct db_need *a = pa, *b = pb;

    return memcmp(&a->need.uuid, &b->need.uuid, sizeof(a->need.uuid));
}

/* Sorts them. One that is there twice would be one of the two, by chance. */
static int check_unique(struct db_need *need, size_t nr, char *err,
                        size_t err_size)
{
    char uuid[AVM_UUID_STR_LEN];
    size_t i;

    if (nr)
        qsort(need, nr, sizeof(*need), uuid_cmp);
    for (i = 1; i < nr; i++) {
        if (uuid_cmp(&need[i - 1], &need[i]))
            continue;
        snprintf(err, err_size, "two needs have the uuid %s: each domain can "
                 "have one", avm_uuid_str(&need[i].need.uuid, uuid));
        return -1;
    }
    return 0;
}

static int check_outside(const struct avm_json_value *file, char *err,
                         size_t err_size)
{
    const struct avm_json_value *m, *needs = avm_json_get(file, "needs");
    char key[32];

    if (!avm_json_is_array(needs)) {
        snprintf(err, err_size, "no needs: must be an object like "
                 "{\"version\":1,\"needs\":[...]}");
        return -1;
    }
    if (avm_json_get_int(avm_json_get(file, "version"), 0) != 1) {
        snprintf(err, err_size, "version must be 1");
        return -1;
    }
    for (m = avm_json_first(file); m; m = avm_json_next(m)) {
        if (m == needs || !strcmp(avm_json_key(m), "version"))
            continue;
        snprintf(err, err_size, "\"%s\" is not known: must be an object like "
                 "{\"version\":1,\"needs\":[...]}",
                 clean(avm_json_key(m), key, sizeof(key)));
        return -1;
    }
    return 0;
}

int needs_read(const struct avm_json_value *file, struct db_need **need,
               size_t *nr, char *err, size_t err_size)
{
    const struct avm_json_value *needs = avm_json_get(file, "needs"), *v;
    struct db_need *list;
    char why[192], who[AVM_NAME_LEN + 32];
    size_t i = 0;

    if (check_outside(file, err, err_size))
        return -1;
    list = calloc(avm_json_size(needs) + 1, sizeof(*list));
    if (!list) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -1;
    }
    for (v = avm_json_at(needs, 0); v; v = avm_json_next(v), i++) {
        if (!read_members(v, &list[i], why, sizeof(why)))
            continue;
        label(v, i, who, sizeof(who));
        snprintf(err, err_size, "%s: %s", who, why);
        goto fail;
    }
    if (check_unique(list, i, err, err_size))
        goto fail;
    *need = list;
    *nr = i;
    return 0;

 fail:
    free(list);
    return -1;
}
