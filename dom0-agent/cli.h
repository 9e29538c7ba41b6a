/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of avm share. Each verb is one file, cmd-*.c. */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include <stdbool.h>

#include "avm_json.h"
#include "conf.h"
#include "request.h"

struct cmd;

struct cli {
    bool json;                  /* print the answer as it came */
    const char *conf_path;      /* NULL: the default one       */
    struct conf conf;
    const struct cmd *cmd;
};

/* Returns the exit code. argv[0] is the verb. */
typedef int cmd_fn(struct cli *cli, int argc, char **argv);

struct cmd {
    const char *name;
    cmd_fn *fn;
    const char *usage;          /* what stands behind the name */
    const char *help;
};

cmd_fn cmd_list, cmd_explain, cmd_plan, cmd_apply, cmd_mode, cmd_history,
       cmd_need_set, cmd_need_list, cmd_need_rm, cmd_need_export,
       cmd_need_import, cmd_info, cmd_hold, cmd_release, cmd_revert, cmd_set,
       cmd_replay, cmd_what_if, cmd_model_list, cmd_model_export,
       cmd_model_show, cmd_model_forget, cmd_check_config, cmd_metrics;

/* "avm: <line>" to stderr; returns exit_code. */
int cli_error(int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* How to use this verb, to stderr; returns EXIT_FAILED. */
int cli_usage(const struct cli *cli);

/*
 * The options of a verb that has none of its own but -j, and how many words may
 * follow. Returns 0, or what to exit with.
 */
int cli_words(struct cli *cli, int argc, char **argv, int min, int max);

/* A number in 'text' from min to max. 0, or what to exit with. */
int cli_number(const char *what, const char *text, int64_t min, int64_t max,
               int64_t *number);

/* {"op":op,"domain":domain  ... to be added to. domain may be NULL. */
struct avm_json *cli_request(const char *op, const char *domain);

/*
 * Sends the request and waits for the answer, which the caller frees. With -j
 * it has been printed already. Returns 0, or, having said why, what to exit
 * with.
 */
int cli_send(struct cli *cli, struct avm_json *request,
             struct avm_json_value **answer);

/* The same, and prints the answer for people unless it is -j. */
typedef void cli_print_fn(const struct avm_json_value *answer);
int cli_run(struct cli *cli, struct avm_json *request, cli_print_fn *print);
/*
 * The usage models in use; without avmd the built-in ones. With -j they have
 * been printed. Returns 0, or, having said why, what to exit with.
 */
int cli_models(struct cli *cli, struct avm_models *models);

/* Answers that several verbs share. */
cli_print_fn cli_print_needs, cli_print_hold;

/* Members of an answer; "" and 0 if they are missing. */
const char *cli_str(const struct avm_json_value *v, const char *key);
int64_t cli_int(const struct avm_json_value *v, const char *key);

#endif
