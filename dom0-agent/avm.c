/* SPDX-License-Identifier: GPL-2.0-or-later */
/* avm: the table of verbs, and what they share. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "control.h"
#include "store.h"

static const struct cmd cmds[] = {
    { "list", cmd_list, "[-j] [<Domain>...]",
      "What each domain does and what it has" },
    { "explain", cmd_explain, "[-j] [<Domain>]",
      "Why something is done for a domain, or is not" },
    { "plan", cmd_plan, "[-j] [-e] | --what-if [options of what-if] <File>",
      "What would be changed now; changes nothing" },
    { "apply", cmd_apply, "[-j] [<Domain>]",
      "Make the changes that the plan has ready" },
    { "mode", cmd_mode, "[-j] [-d <Domain>] [observe|advise|auto|inherit]",
      "Show or set what avmd may do" },
    { "history", cmd_history, "[-j] [-n <Number>] [<Domain>]",
      "The changes that were made" },
    { "need-set", cmd_need_set, "[-j] <Domain> [--role=ROLE] "
      "[--weight-min=N] [--weight-max=N] [--cpu-min=PCT] [--cap=PCT] "
      "[--cpus=PCPUS] [--net-max=RATE] [--disk-max=RATE] [--net-in-max=RATE]",
      "Say what a domain needs" },
    { "need-list", cmd_need_list, "[-j]", "What domains need" },
    { "need-rm", cmd_need_rm, "[-j] <Domain>",
      "Forget what a domain needs" },
    { "need-export", cmd_need_export, "",
      "All needs as JSON, for need-import" },
    { "need-import", cmd_need_import, "[-j] [--replace] [<File>]",
      "Take needs from a file, all or none" },
    { "info", cmd_info, "[-j]", "The host, the scheduler and avmd" },
    { "metrics", cmd_metrics, "[-j]",
      "What avmd sees and does, for Prometheus" },
    { "hold", cmd_hold, "[-j] [-t <Seconds>] <Domain>",
      "Leave a domain as it is" },
    { "release", cmd_release, "[-j] <Domain>", "End a hold" },
    { "revert", cmd_revert, "[-j] <Domain>|-a",
      "Give back what avmd changed" },
    { "set", cmd_set, "[-j] <Domain> [-w WEIGHT] [-c CAP] [-b URGENCY]",
      "Change a domain by hand" },
    { "replay", cmd_replay, "[-j] [-m observe|advise|auto] <File>",
      "What avmd would do with a recording" },
    { "model-list", cmd_model_list, "[-j]",
      "The usage models: what makes a class" },
    { "model-export", cmd_model_export, "[-j]",
      "The same as a file that `models` can name" },
    { "model-show", cmd_model_show, "[-j] [<Domain>]",
      "What was learnt of a domain, or of all" },
    { "model-forget", cmd_model_forget, "[-j] <Domain>",
      "Learn anew what a domain is like" },
    { "what-if", cmd_what_if, "[-j] [-s <Domain>:<Knob>=<Value>]... "
      "[-w <Seconds>] [-n <Seeds>] [--simulator=PATH] <File>",
      "What a plan would do to CPU time and latency" },
    { "check-config", cmd_check_config, "[<File>]",
      "Check a configuration file" },
};

#define NR_CMDS (sizeof(cmds) / sizeof(cmds[0]))

static void help(FILE *f)
{
    size_t i;

    fprintf(f, "Usage: avm [-j] [-C FILE] <subcommand> [options]\n\n");
    for (i = 0; i < NR_CMDS; i++)
        fprintf(f, "  %-13s %s\n", cmds[i].name, cmds[i].help);
    fprintf(f, "\n`avm help <subcommand>` shows its options; see avm(1).\n");
}

int cli_error(int exit_code, const char *fmt, ...)
{
    va_list ap;

    fputs("avm: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return exit_code;
}

int cli_usage(const struct cli *cli)
{
    fprintf(stderr, "Usage: avm %s %s\n", cli->cmd->name, cli->cmd->usage);
    return EXIT_FAILED;
}

int cli_words(struct cli *cli, int argc, char **argv, int min, int max)
{
    int c;

    while ((c = getopt(argc, argv, "j")) != -1) {
        if (c != 'j')
            return cli_usage(cli);
        cli->json = true;
    }
    return argc - optind < min || argc - optind > max ? cli_usage(cli) : 0;
}

int cli_number(const char *what, const char *text, int64_t min, int64_t max,
               int64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 10);
    if (errno || end == text || *end || *number < min || *number > max)
        return cli_error(EXIT_FAILED, "%s must be a number from %lld to %lld, "
                         "not '%s'", what, (long long)min, (long long)max,
                         text);
    return 0;
}

struct avm_json *cli_request(const char *op, const char *domain)
{
    struct avm_json *j = avm_json_new();

    avm_json_object(j, NULL);
    avm_json_str(j, "op", op);
    if (domain)
        avm_json_str(j, "domain", domain);
    return j;
}

/* Domains by name, and pCPUs, without avmd: only if there is a Xen to ask. */
static struct who *ask_xen(size_t *nr, struct avm_host *host,
                           struct avm_topology **topology)
{
    avm_handle *h = avm_open(NULL, 0);
    struct avm_sample *sample = NULL;
    struct who *who = NULL;
    size_t i;

    *nr = 0;
    if (!h || avm_sample_read(h, &sample))
        goto out;
    who = calloc(sample->nr + 1, sizeof(*who));
    if (!who)
        goto out;
    for (i = 0; i < sample->nr; i++) {
        who[i].uuid = sample->domain[i].uuid;
        who[i].domid = sample->domain[i].domid;
        who[i].pool = sample->domain[i].pool;
        memcpy(who[i].name, sample->domain[i].untrusted_name,
               sizeof(who[i].name));
    }
    *nr = sample->nr;
    *host = sample->host;
    if (avm_topology_read(h, topology))
        *topology = NULL;

 out:
    avm_sample_free(sample);
    avm_close(h);
    return who;
}

/*
 * Roles can be given before avmd runs, and history be read after it. The models
 * that it would use are what it has built in, and what an administrator made of
 * them is in a file already.
 */
static char *answer_without_daemon(const struct cli *cli, const char *text)
{
    struct avm_topology *topology = NULL;
    struct avm_host host;
    struct where where = { .host = &host };
    struct who *running = NULL;
    char *answer = NULL, msg[512];
    struct request req;
    struct db *db;
    size_t nr = 0;

    if (request_parse(&req, text, strlen(text), msg, sizeof(msg)))
        return answer_error(EXIT_FAILED, "%s", msg);
    if (!strcmp(req.op, "model-list"))
        return avm_json_models(avm_models_builtin());
    if (strncmp(req.op, "need-", 5) && strncmp(req.op, "model-", 6) &&
        strcmp(req.op, "history"))
        return NULL;
    db = db_open(cli->conf.state_dir, DB_CREATE, msg, sizeof(msg));
    if (!db)
        return answer_error(geteuid() ? EXIT_DENIED : EXIT_FAILED, "%s", msg);
    if (req.domain[0])
        running = ask_xen(&nr, &host, &topology);
    where.topology = topology;
    answer = store_answer(db, running, nr, running ? &where : NULL, &req);
    avm_topology_free(topology);
    free(running);
    db_close(db);
    return answer;
}

static int print_error(const struct avm_json_value *answer)
{
    int64_t code = avm_json_get_int(avm_json_get(answer, "exit"), EXIT_FAILED);

    cli_error(EXIT_FAILED, "%s", cli_str(answer, "error"));
    return code > 0 && code < 256 ? (int)code : EXIT_FAILED;
}

int cli_send(struct cli *cli, struct avm_json *request,
             struct avm_json_value **answer)
{
    char *text, *reply = NULL, err[128];
    int rc;

    *answer = NULL;
    avm_json_end(request);
    text = avm_json_finish(request);
    if (!text) {
        rc = cli_error(EXIT_FAILED, "%s", strerror(errno));
        goto out;
    }
    reply = control_call(cli->conf.run_dir, text);
    if (!reply && (errno == ENOENT || errno == ECONNREFUSED)) {
        reply = answer_without_daemon(cli, text);
        if (!reply) {
            rc = cli_error(EXIT_NO_DAEMON, "avmd is not running");
            goto out;
        }
    } else if (!reply) {
        rc = errno == EACCES || errno == EPERM
             ? cli_error(EXIT_DENIED, "avmd does not talk to you: are you "
                         "root?")
             : cli_error(EXIT_FAILED, "avmd does not answer: %s",
                         strerror(errno));
        goto out;
    }

    *answer = avm_json_parse(reply, strlen(reply), err, sizeof(err));
    if (!*answer) {
        rc = cli_error(EXIT_FAILED, "bad answer from avmd: %s", err);
        goto out;
    }
    rc = 0;
    if (avm_json_get(*answer, "error"))
        rc = print_error(*answer);
    else if (cli->json)
        puts(reply);
    if (rc) {
        avm_json_free(*answer);
        *answer = NULL;
    }

 out:
    free(text);
    free(reply);
    return rc;
}

int cli_run(struct cli *cli, struct avm_json *request, cli_print_fn *print)
{
    struct avm_json_value *answer;
    int rc = cli_send(cli, request, &answer);

    if (!rc && !cli->json)
        print(answer);
    avm_json_free(answer);
    return rc;
}

const char *cli_str(const struct avm_json_value *v, const char *key)
{
    return avm_json_get_str(avm_json_get(v, key), "");
}

int64_t cli_int(const struct avm_json_value *v, const char *key)
{
    return avm_json_get_int(avm_json_get(v, key), 0);
}

static const struct cmd *find_cmd(const char *name)
{
    size_t i;

    for (i = 0; i < NR_CMDS; i++)
        if (!strcmp(name, cmds[i].name))
            return &cmds[i];
    return NULL;
}

static int load_conf(struct cli *cli)
{
    char err[512];

    conf_defaults(&cli->conf);
    if (conf_load(&cli->conf, cli->conf_path ? cli->conf_path
                                             : CONF_DEFAULT_PATH,
                  !cli->conf_path, err, sizeof(err)))
        return cli_error(EXIT_FAILED, "%s", err);
    return 0;
}

int main(int argc, char **argv)
{
    struct cli cli = { 0 };
    int c, rc;

    /* '+': what follows the verb belongs to the verb. */
    while ((c = getopt(argc, argv, "+jC:h")) != -1) {
        switch (c) {
        case 'j':
            cli.json = true;
            break;
        case 'C':
            cli.conf_path = optarg;
            break;
        case 'h':
            help(stdout);
            return EXIT_OK;
        default:
            help(stderr);
            return EXIT_FAILED;
        }
    }
    argc -= optind;
    argv += optind;
    if (!argc) {
        help(stderr);
        return EXIT_FAILED;
    }
    if (!strcmp(argv[0], "help") && argc == 1) {
        help(stdout);
        return EXIT_OK;
    }
    if (!strcmp(argv[0], "help")) {
        cli.cmd = find_cmd(argv[1]);
        if (!cli.cmd)
            return cli_error(EXIT_FAILED, "%s: no such subcommand", argv[1]);
        printf("Usage: avm %s %s\n\n%s.\n", cli.cmd->name, cli.cmd->usage,
               cli.cmd->help);
        return EXIT_OK;
    }
    cli.cmd = find_cmd(argv[0]);
    if (!cli.cmd)
        return cli_error(EXIT_FAILED, "%s: no such subcommand; see `avm help`",
                         argv[0]);
    /* A verb that checks a file must not stumble over it here; a recording has
       its own. */
    if (cli.cmd->fn != cmd_check_config && cli.cmd->fn != cmd_replay &&
        cli.cmd->fn != cmd_what_if) {
        rc = load_conf(&cli);
        if (rc)
            return rc;
    }

    optind = 0;
    opterr = 1;
    rc = cli.cmd->fn(&cli, argc, argv);
    if (fflush(stdout) && !rc)
        rc = cli_error(EXIT_FAILED, "standard output: %s", strerror(errno));
    return rc;
}
