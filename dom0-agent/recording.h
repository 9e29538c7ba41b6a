/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines of a recording. Samples are as in avm_json_sample(); every other
 * line has the settings that count from the next sample on:
 *
 *   {"recording":1,"start":true,"mode":"auto","config":{...},"needs":[...]}
 *
 * "start" is true where an avmd began, and so in the first line. Where the usage
 * models are not the built-in ones, "models" has those of avm_json_models().
 *
 *   {"past":1,"uuid":S,"learned":{...}}
 *
 * is what avmd had learnt of a domain before, as avm_json_learned() has it, and
 * null where it was told to forget that.
 */
#ifndef AGENT_RECORDING_H
#define AGENT_RECORDING_H

#include <stdio.h>
#include <sys/types.h>

#include "avm.h"
#include "avm_json.h"

#define RECORDING_BEGIN "{\"recording\":1," /* how each file begins */

struct settings {
    bool start;                 /* nothing from before is remembered */
    enum avm_mode mode;         /* of the host                       */
    struct avm_config loop;
    size_t nr;
    struct avm_need *need;      /* with 'held' as it was then        */
    struct avm_models *models;  /* NULL: the built-in ones           */
};

/* One line without its end; NULL with errno. The caller frees it. */
char *settings_json(const struct settings *s);

/* 'l' NULL: it is forgotten. NULL with errno. The caller frees it. */
char *past_json(const struct avm_uuid *uuid, const struct avm_learned *l);

bool past_is(const struct avm_json_value *line);
/* 1: forgotten; 0: 'l' is what was learnt; -1 and one line in 'err'. */
int past_parse(const struct avm_json_value *line, struct avm_uuid *uuid,
               struct avm_learned *l, char *err, size_t err_size);

bool settings_is(const struct avm_json_value *line);
/*
 * 0, and then settings_free() frees what is in s; otherwise -1 and one line in
 * 'err'. Values that belong together are checked by who takes them.
 */
int settings_parse(const struct avm_json_value *line, struct settings *s,
                   char *err, size_t err_size);
void settings_free(struct settings *s);

/*
 * The next line, without its end, in *line, which grows. Its length, -1 after
 * the last, or -2 with one line in 'err'.
 */
ssize_t recording_line(FILE *f, char **line, size_t *room, char *err,
                       size_t err_size);

#endif
