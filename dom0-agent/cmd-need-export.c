/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli.h"

/* What need-list has, in the form that need-import reads. */
int cmd_need_export(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 0);

    cli->json = true;
    return rc ? rc : cli_run(cli, cli_request("need-list", NULL),
                             cli_print_needs);
}
