/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/avm/avm.conf: `key = value`, one per line, as in xl.conf. Strings stand
 * in quotes, numbers do not, '#' starts a comment. See avm.conf(5).
 */
#ifndef AGENT_CONF_H
#define AGENT_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "avm.h"

#define CONF_DEFAULT_PATH "/etc/avm/avm.conf"
#define CONF_SIZE_MAX     65536 /* no honest configuration is longer */

struct conf {
    enum avm_mode mode;
    bool revert_on_exit;
    struct avm_config loop;       /* sample_ms, decide_ms, ...: see avm.h */
    struct avm_uplink uplink[AVM_MAX_UPLINKS];
    size_t nr_uplinks;
    char state_dir[64], run_dir[64];
    char models[64];              /* a file, "": the built-in ones */
    char metrics_file[64];        /* "": none */
};

void conf_defaults(struct conf *conf);

/*
 * Reads 'text' into 'conf'. On error returns -1 and puts one line that names
 * the place and the fault into 'err'; 'conf' is then left as it was.
 */
int conf_parse(struct conf *conf, const char *name, const char *text,
               size_t len, char *err, size_t err_size);

/* The same for a file. 'may_miss': a file that is not there is an empty one. */
int conf_load(struct conf *conf, const char *path, bool may_miss,
              char *err, size_t err_size);

/*
 * The usage models that 'conf' asks for. On error returns -1 and puts one line
 * that names the file and the fault into 'err'; 'models' is then as it was.
 */
int conf_models(const struct conf *conf, struct avm_models *models,
                char *err, size_t err_size);

#endif
