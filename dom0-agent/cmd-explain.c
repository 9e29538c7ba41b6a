/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void print_mode(const char *mode, bool own)
{
    const char *meaning = "the changes that are ready are made";

    if (!strcmp(mode, "observe"))
        meaning = "nothing is changed";
    else if (!strcmp(mode, "advise"))
        meaning = "changes wait for `avm apply`";
    printf("mode: %s%s: %s\n", mode, own ? "" : " (of the host)", meaning);
}

static void print(const struct avm_json_value *answer)
{
    const struct avm_json_value *domains = avm_json_get(answer, "domains"), *d;
    const char *mode;
    bool own;
    size_t i;

    for (i = 0; i < avm_json_size(domains); i++) {
        d = avm_json_at(domains, i);
        mode = cli_str(avm_json_get(d, "domain"), "mode");
        own = strcmp(mode, avm_mode_name(AVM_MODE_INHERIT)) != 0;
        printf("%s%s: ", i ? "\n" : "",
               cli_str(avm_json_get(d, "domain"), "name"));
        fputs(cli_str(d, "text"), stdout);
        print_mode(own ? mode : cli_str(answer, "mode"), own);
    }
}

int cmd_explain(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 1);

    return rc ? rc : cli_run(cli, cli_request("explain", argv[optind]), print);
}
