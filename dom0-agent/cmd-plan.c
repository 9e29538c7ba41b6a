/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void print_change(const struct avm_json_value *c)
{
    const char *knob = cli_str(c, "knob");
    int k = avm_knob_parse(knob);
    char before[KNOB_STR_LEN], after[KNOB_STR_LEN];

    printf("%-20s %5" PRId64 " %-8s %11s %11s %4" PRId64 "%% %-8s %s%s%s\n",
           cli_str(c, "domain"), cli_int(c, "domid"), knob,
           knob_str(k, (uint64_t)cli_int(c, "before"), before),
           knob_str(k, (uint64_t)cli_int(c, "after"), after),
           cli_int(c, "gain_permille") / 10, cli_str(c, "state"),
           cli_str(c, "reason"), cli_str(c, "why_not")[0] ? "; " : "",
           cli_str(c, "why_not"));
}

static void print_grant(const struct avm_json_value *g)
{
    printf("  %" PRId64 " gives %" PRId64 ".%" PRId64 "%% to %" PRId64
           ", keeps weight %" PRId64 ": %s\n", cli_int(g, "from_domid"),
           cli_int(g, "share_permille") / 10,
           cli_int(g, "share_permille") % 10, cli_int(g, "to_domid"),
           cli_int(g, "floor_weight"), cli_str(g, "rule"));
}

static void print_plan(const struct avm_json_value *changes,
                       const struct avm_json_value *grants)
{
    size_t i;

    if (!avm_json_size(changes)) {
        puts("Nothing to change.");
        return;
    }
    printf("%-20s %5s %-8s %11s %11s %5s %-8s %s\n", "Name", "ID", "Knob",
           "Before", "After", "Gain", "State", "Reason");
    for (i = 0; i < avm_json_size(changes); i++)
        print_change(avm_json_at(changes, i));
    if (avm_json_size(grants))
        puts("Donors:");
    for (i = 0; i < avm_json_size(grants); i++)
        print_grant(avm_json_at(grants, i));
}

/* A word on the way to another verb, whose words the others are. */
static int what_if(struct cli *cli, int argc, char **argv, int word)
{
    memmove(&argv[word], &argv[word + 1],
            (size_t)(argc - word) * sizeof(*argv));
    return cmd_what_if(cli, argc - 1, argv);
}

int cmd_plan(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "exit-code", no_argument, NULL, 'e' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    const struct avm_json_value *changes;
    struct avm_json_value *answer;
    bool exit_code = false, ready = false;
    size_t i;
    int rc, c;

    for (c = 1; c < argc; c++)
        if (!strcmp(argv[c], "--what-if"))
            return what_if(cli, argc, argv, c);
    while ((c = getopt_long(argc, argv, "ej", options, NULL)) != -1) {
        if (c == 'e')
            exit_code = true;
        else if (c == 'j')
            cli->json = true;
        else
            return cli_usage(cli);
    }
    if (optind < argc)
        return cli_usage(cli);

    rc = cli_send(cli, cli_request("plan", NULL), &answer);
    if (rc)
        return rc;
    changes = avm_json_get(answer, "changes");
    if (!cli->json)
        print_plan(changes, avm_json_get(answer, "grants"));
    for (i = 0; i < avm_json_size(changes); i++)
        if (!strcmp(cli_str(avm_json_at(changes, i), "state"), "ready"))
            ready = true;
    avm_json_free(answer);
    return exit_code && ready ? EXIT_CHANGES : 0;
}
