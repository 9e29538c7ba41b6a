/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>

#include "cli.h"

int cmd_release(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 1, 1);

    return rc ? rc : cli_run(cli, cli_request("release", argv[optind]),
                             cli_print_hold);
}
