/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "cli.h"

/* It is text of lines already, and every line ends. */
static void print_metrics(const struct avm_json_value *answer)
{
    fputs(cli_str(answer, "metrics"), stdout);
}

int cmd_metrics(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 0);

    return rc ? rc : cli_run(cli, cli_request("metrics", NULL),
                             print_metrics);
}
