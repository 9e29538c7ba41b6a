/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>

#include "cli.h"

int cmd_set(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "weight", required_argument, NULL, 'w' },
        { "cap", required_argument, NULL, 'c' },
        { "boost", required_argument, NULL, 'b' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    int64_t weight = REQUEST_NONE, cap_pct = REQUEST_NONE;
    const char *urgency = NULL;
    struct avm_json *request;
    int rc = 0, c;

    while (!rc &&
           (c = getopt_long(argc, argv, "w:c:b:j", options, NULL)) != -1) {
        switch (c) {
        case 'w':
            rc = cli_number("weight", optarg, 1, 65535, &weight);
            break;
        case 'c':
            rc = cli_number("cap", optarg, 0, 65535, &cap_pct);
            break;
        case 'b':
            urgency = optarg;
            break;
        case 'j':
            cli->json = true;
            break;
        default:
            return cli_usage(cli);
        }
    }
    if (rc)
        return rc;
    if (argc - optind != 1)
        return cli_usage(cli);

    request = cli_request("set", argv[optind]);
    if (weight != REQUEST_NONE)
        avm_json_int(request, "weight", weight);
    if (cap_pct != REQUEST_NONE)
        avm_json_int(request, "cap_pct", cap_pct);
    if (urgency)
        avm_json_str(request, "urgency", urgency);
    return cli_run(cli, request, cli_print_hold);
}
