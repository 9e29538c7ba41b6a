/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

static void print(const struct avm_json_value *answer)
{
    const struct avm_json_value *domains = avm_json_get(answer, "domains"), *d;
    size_t i;

    printf("%-20s %5s %s\n", "Name", "ID", "Mode");
    printf("%-20s %5s %s\n", "(host)", "-", cli_str(answer, "mode"));
    for (i = 0; i < avm_json_size(domains); i++) {
        d = avm_json_at(domains, i);
        printf("%-20s %5" PRId64 " %s\n", cli_str(d, "name"),
               cli_int(d, "domid"), cli_str(d, "mode"));
    }
}

int cmd_mode(struct cli *cli, int argc, char **argv)
{
    struct avm_json *request;
    const char *domain = NULL;
    int c;

    while ((c = getopt(argc, argv, "jd:")) != -1) {
        if (c == 'd')
            domain = optarg;
        else if (c == 'j')
            cli->json = true;
        else
            return cli_usage(cli);
    }
    if (argc - optind > 1)
        return cli_usage(cli);
    request = cli_request("mode", domain);
    if (optind < argc)
        avm_json_str(request, "mode", argv[optind]);
    return cli_run(cli, request, print);
}
