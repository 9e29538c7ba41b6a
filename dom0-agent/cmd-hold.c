/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

void cli_print_hold(const struct avm_json_value *answer)
{
    int64_t held_s = cli_int(answer, "held_s");

    if (held_s < 0)
        puts("Held until `avm release`.");
    else if (held_s)
        printf("Held for %" PRId64 " seconds.\n", held_s);
    else
        puts("Not held.");
}

int cmd_hold(struct cli *cli, int argc, char **argv)
{
    struct avm_json *request;
    int64_t seconds = REQUEST_NONE;
    int rc, c;

    while ((c = getopt(argc, argv, "jt:")) != -1) {
        if (c == 't') {
            rc = cli_number("seconds", optarg, 1, 31536000, &seconds);
            if (rc)
                return rc;
        } else if (c == 'j') {
            cli->json = true;
        } else {
            return cli_usage(cli);
        }
    }
    if (argc - optind != 1)
        return cli_usage(cli);
    request = cli_request("hold", argv[optind]);
    if (seconds != REQUEST_NONE)
        avm_json_int(request, "seconds", seconds);
    return cli_run(cli, request, cli_print_hold);
}
