/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>

#include "cli.h"

static void print(const struct avm_json_value *answer)
{
    (void)answer;
    printf("forgotten\n");
}

int cmd_model_forget(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 1, 1);

    return rc ? rc : cli_run(cli, cli_request("model-forget", argv[optind]),
                             print);
}
