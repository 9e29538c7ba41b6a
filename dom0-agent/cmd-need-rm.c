/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>

#include "cli.h"

int cmd_need_rm(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 1, 1);

    return rc ? rc : cli_run(cli, cli_request("need-rm", argv[optind]),
                             cli_print_needs);
}
