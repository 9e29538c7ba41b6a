/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <string.h>

#include "cli.h"

/* What a word means is checked where it is stored, in store.c. */
int cmd_need_set(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "role", required_argument, NULL, 'r' },
        { "weight-min", required_argument, NULL, 'm' },
        { "weight-max", required_argument, NULL, 'M' },
        { "cap", required_argument, NULL, 'c' },
        { "cpu-min", required_argument, NULL, 'f' },
        { "cpus", required_argument, NULL, 'p' },
        { "net-max", required_argument, NULL, 'n' },
        { "disk-max", required_argument, NULL, 'd' },
        { "net-in-max", required_argument, NULL, 'i' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    const char *role = NULL, *cpus = NULL, *net_max = NULL, *disk_max = NULL;
    const char *net_in_max = NULL;
    int64_t weight_min = REQUEST_NONE, weight_max = REQUEST_NONE;
    int64_t cap_pct = REQUEST_NONE, cpu_min_pct = REQUEST_NONE;
    struct avm_json *request;
    int rc = 0, c;

    while (!rc && (c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
        switch (c) {
        case 'r':
            role = optarg;
            break;
        case 'm':
            rc = cli_number("weight-min", optarg, 0, 65535, &weight_min);
            break;
        case 'M':
            rc = cli_number("weight-max", optarg, 0, 65535, &weight_max);
            break;
        case 'c':
            rc = cli_number("cap", optarg, -1, 65535, &cap_pct);
            break;
        case 'f':
            rc = cli_number("cpu-min", strcmp(optarg, "none") ? optarg : "0",
                            0, 65535, &cpu_min_pct);
            break;
        case 'p':
            cpus = optarg;
            break;
        case 'n':
            net_max = optarg;
            break;
        case 'd':
            disk_max = optarg;
            break;
        case 'i':
            net_in_max = optarg;
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

    request = cli_request("need-set", argv[optind]);
    if (role)
        avm_json_str(request, "role", role);
    if (cpus)
        avm_json_str(request, "cpus", cpus);
    if (net_max)
        avm_json_str(request, "net_max", net_max);
    if (disk_max)
        avm_json_str(request, "disk_max", disk_max);
    if (net_in_max)
        avm_json_str(request, "net_in_max", net_in_max);
    if (weight_min != REQUEST_NONE)
        avm_json_int(request, "weight_min", weight_min);
    if (weight_max != REQUEST_NONE)
        avm_json_int(request, "weight_max", weight_max);
    if (cap_pct != REQUEST_NONE)
        avm_json_int(request, "cap_pct", cap_pct);
    if (cpu_min_pct != REQUEST_NONE)
        avm_json_int(request, "cpu_min_pct", cpu_min_pct);
    return cli_run(cli, request, cli_print_needs);
}
