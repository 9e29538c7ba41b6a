/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"

#define RECORDING_VERSION 1
#define PAST_VERSION      1

/* Some 8000 domains; a file without lines shall not fill the memory. */
#define LINE_MAX_BYTES (16u << 20)

#define NR(a) (sizeof(a) / sizeof((a)[0]))

static const struct avm_json_field config_fields[] = {
#define NUMBER(member) AVM_JSON_U32(avm_config, member, UINT32_MAX)
    NUMBER(sample_ms), NUMBER(decide_ms), NUMBER(hold_decisions),
    NUMBER(gain_min_permille), NUMBER(cooldown_ms), NUMBER(warmup_ms),
    NUMBER(changes_per_minute), NUMBER(step_up_permille),
    NUMBER(step_down_permille), NUMBER(lease_ms), NUMBER(foreign_hold_ms),
#undef NUMBER
};

/* A setting without its row would be another one when it is replayed. */
_Static_assert(sizeof(struct avm_config) ==
               NR(config_fields) * sizeof(uint32_t),
               "each setting has its row");

static const struct avm_json_field need_fields[] = {
    AVM_JSON_U32(avm_need, weight_min, 65535),
    AVM_JSON_U32(avm_need, weight_max, 65535),
    AVM_JSON_U32(avm_need, cap_pct, UINT16_MAX),
    AVM_JSON_U64(avm_need, affinity),
    AVM_JSON_U64(avm_need, net_max_bps), AVM_JSON_U64(avm_need, disk_max_bps),
    AVM_JSON_U64(avm_need, net_in_max_bps),
};

/* Recordings of before there were floors have none. */
static const struct avm_json_field floor_fields[] = {
    AVM_JSON_U32(avm_need, cpu_min_permille, AVM_CPU_MIN_MAX),
    AVM_JSON_U64(avm_need, cpu_min_since),
};

/* ------------------------------------------------------------------------ */
/* Out                                                                      */

static void put_need(struct avm_json *j, const struct avm_need *n)
{
    char uuid[AVM_UUID_STR_LEN];

    avm_json_object(j, NULL);
    avm_json_str(j, "uuid", avm_uuid_str(&n->uuid, uuid));
    avm_json_str(j, "role", avm_role_name(n->role));
    avm_json_str(j, "mode", avm_mode_name(n->mode));
    avm_json_bool(j, "held", n->held);
    avm_json_bool(j, "cap_set", n->cap_set);
    avm_json_bool(j, "affinity_set", n->affinity_set);
    avm_json_put_fields(j, need_fields, NR(need_fields), n);
    if (n->cpu_min_permille)
        avm_json_put_fields(j, floor_fields, NR(floor_fields), n);
    avm_json_end(j);
}

char *settings_json(const struct settings *s)
{
    char *models = s->models ? avm_json_models(s->models) : NULL;
    struct avm_json *j;
    size_t i;

    /* Without them it would be replayed with others. */
    if (s->models && !models)
        return NULL;
    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_uint(j, "recording", RECORDING_VERSION);
    avm_json_bool(j, "start", s->start);
    avm_json_str(j, "mode", avm_mode_name(s->mode));
    avm_json_object(j, "config");
    avm_json_put_fields(j, config_fields, NR(config_fields), &s->loop);
    avm_json_end(j);
    avm_json_array(j, "needs");
    for (i = 0; i < s->nr; i++)
        put_need(j, &s->need[i]);
    avm_json_end(j);
    if (models)
        avm_json_raw(j, "models", models);
    free(models);
    avm_json_end(j);
    return avm_json_finish(j);
}

char *past_json(const struct avm_uuid *uuid, const struct avm_learned *l)
{
    char buf[AVM_UUID_STR_LEN], *learned = l ? avm_json_learned(l) : NULL;
    struct avm_json *j;

    if (l && !learned)
        return NULL;
    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_uint(j, "past", PAST_VERSION);
    avm_json_str(j, "uuid", avm_uuid_str(uuid, buf));
    if (l)
        avm_json_raw(j, "learned", learned);
    else
        avm_json_null(j, "learned");
    free(learned);
    avm_json_end(j);
    return avm_json_finish(j);
}

/* ------------------------------------------------------------------------ */
/* In                                                                       */

bool past_is(const struct avm_json_value *line)
{
    return avm_json_get(line, "past") != NULL;
}

int past_parse(const struct avm_json_value *line, struct avm_uuid *uuid,
               struct avm_learned *l, char *err, size_t err_size)
{
    const struct avm_json_value *learned = avm_json_get(line, "learned");
    char why[128];

    if (avm_json_get_int(avm_json_get(line, "past"), 0) != PAST_VERSION) {
        snprintf(err, err_size, "\"past\" must be %d: another version wrote "
                 "this", PAST_VERSION);
        return -1;
    }
    if (avm_uuid_parse(avm_json_get_str(avm_json_get(line, "uuid"), NULL),
                       uuid)) {
        snprintf(err, err_size, "\"uuid\" must be a UUID");
        return -1;
    }
    if (learned && avm_json_is_null(learned))
        return 1;
    if (avm_learned_from_json(learned, l, why, sizeof(why))) {
        snprintf(err, err_size, "learned: %s", why);
        return -1;
    }
    return 0;
}

bool settings_is(const struct avm_json_value *line)
{
    return avm_json_get(line, "recording") != NULL;
}

void settings_free(struct settings *s)
{
    free(s->need);
    free(s->models);
    s->need = NULL;
    s->models = NULL;
    s->nr = 0;
}

/* Both answers the same: it is there. */
static int get_bool(const struct avm_json_value *v, const char *key,
                    bool *value, char *err, size_t err_size)
{
    const struct avm_json_value *m = avm_json_get(v, key);

    *value = avm_json_get_bool(m, false);
    if (*value == avm_json_get_bool(m, true))
        return 0;
    snprintf(err, err_size, "\"%s\" must be true or false", key);
    return -1;
}

static int get_need(const struct avm_json_value *v, struct avm_need *n,
                    char *err, size_t err_size)
{
    int role, mode;

    if (avm_uuid_parse(avm_json_get_str(avm_json_get(v, "uuid"), NULL),
                       &n->uuid)) {
        snprintf(err, err_size, "\"uuid\" must be a UUID");
        return -1;
    }
    role = avm_role_parse(avm_json_get_str(avm_json_get(v, "role"), NULL));
    mode = avm_mode_parse(avm_json_get_str(avm_json_get(v, "mode"), NULL));
    if (role < 0 || mode < 0) {
        snprintf(err, err_size, "no such %s", role < 0 ? "role" : "mode");
        return -1;
    }
    n->role = (enum avm_role)role;
    n->mode = (enum avm_mode)mode;
    if (get_bool(v, "held", &n->held, err, err_size) ||
        get_bool(v, "cap_set", &n->cap_set, err, err_size) ||
        get_bool(v, "affinity_set", &n->affinity_set, err, err_size))
        return -1;
    if (avm_json_get_fields(v, need_fields, NR(need_fields), n, err, err_size))
        return -1;
    return avm_json_get(v, "cpu_min_permille") ?
           avm_json_get_fields(v, floor_fields, NR(floor_fields), n, err,
                               err_size) : 0;
}

static int get_needs(const struct avm_json_value *v, struct settings *s,
                     char *err, size_t err_size)
{
    const struct avm_json_value *e;
    char why[128];

    if (!avm_json_is_array(v)) {
        snprintf(err, err_size, "\"needs\" must be an array");
        return -1;
    }
    s->need = calloc(avm_json_size(v) + 1, sizeof(*s->need));
    if (!s->need) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -1;
    }
    for (e = avm_json_at(v, 0); e; e = avm_json_next(e), s->nr++)
        if (get_need(e, &s->need[s->nr], why, sizeof(why))) {
            snprintf(err, err_size, "need %zu: %s", s->nr, why);
            return -1;
        }
    return 0;
}

static int get_models(const struct avm_json_value *v, struct settings *s,
                      char *err, size_t err_size)
{
    char why[300];

    if (!v)
        return 0;
    s->models = malloc(sizeof(*s->models));
    if (!s->models) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -1;
    }
    if (avm_models_from_json(v, s->models, why, sizeof(why))) {
        snprintf(err, err_size, "models: %s", why);
        return -1;
    }
    return 0;
}

int settings_parse(const struct avm_json_value *line, struct settings *s,
                   char *err, size_t err_size)
{
    int64_t version = avm_json_get_int(avm_json_get(line, "recording"), 0);
    int mode;

    *s = (struct settings){ 0 };
    if (version != RECORDING_VERSION) {
        snprintf(err, err_size, "\"recording\" must be %d: another version "
                 "wrote this", RECORDING_VERSION);
        return -1;
    }
    mode = avm_mode_parse(avm_json_get_str(avm_json_get(line, "mode"), NULL));
    if (mode < 0 || mode == AVM_MODE_INHERIT) {
        snprintf(err, err_size, "\"mode\" must be observe, advise or auto");
        return -1;
    }
    s->mode = (enum avm_mode)mode;
    if (get_bool(line, "start", &s->start, err, err_size) ||
        avm_json_get_fields(avm_json_get(line, "config"), config_fields,
                            NR(config_fields), &s->loop, err, err_size) ||
        get_needs(avm_json_get(line, "needs"), s, err, err_size) ||
        get_models(avm_json_get(line, "models"), s, err, err_size)) {
        settings_free(s);
        return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------ */

ssize_t recording_line(FILE *f, char **line, size_t *room, char *err,
                       size_t err_size)
{
    size_t len = 0;
    char *bigger;
    int c;

    while ((c = getc_unlocked(f)) != EOF && c != '\n') {
        if (len == LINE_MAX_BYTES) {
            snprintf(err, err_size, "longer than %u bytes", LINE_MAX_BYTES);
            return -2;
        }
        if (len == *room) {
            *room = *room ? *room * 2 : 65536;
            bigger = realloc(*line, *room);
            if (!bigger) {
                snprintf(err, err_size, "%s", strerror(errno));
                return -2;
            }
            *line = bigger;
        }
        (*line)[len++] = (char)c;
    }
    if (ferror(f)) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -2;
    }
    if (c == EOF && len) {
        snprintf(err, err_size, "cut off: it has no end of line");
        return -2;
    }
    return c == EOF ? -1 : (ssize_t)len;
}
