/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

static void print(const struct avm_json_value *answer)
{
    printf("%" PRId64 " values given back.\n", cli_int(answer, "reverted"));
}

int cmd_revert(struct cli *cli, int argc, char **argv)
{
    struct avm_json *request;
    bool all = false;
    int c;

    while ((c = getopt(argc, argv, "ja")) != -1) {
        if (c == 'a')
            all = true;
        else if (c == 'j')
            cli->json = true;
        else
            return cli_usage(cli);
    }
    if (argc - optind != !all)
        return cli_usage(cli);
    request = cli_request("revert", argv[optind]);
    if (all)
        avm_json_bool(request, "all", true);
    return cli_run(cli, request, print);
}
