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

/* What its need says of pCPUs, and what that means here. */
static void print_place(const struct avm_json_value *places, const char *uuid)
{
    const struct avm_json_value *p;

    for (p = avm_json_first(places); p; p = avm_json_next(p)) {
        if (strcmp(cli_str(p, "uuid"), uuid))
            continue;
        if (cli_str(p, "why")[0])
            printf("affinity: its need asks for %s: %s; it stays where it "
                   "is\n", cli_str(p, "cpus"), cli_str(p, "why"));
        else
            printf("affinity: its need asks for %s: pCPUs %s\n",
                   cli_str(p, "cpus"), cli_str(p, "pcpus"));
    }
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
        print_place(avm_json_get(answer, "places"),
                    cli_str(avm_json_get(d, "domain"), "uuid"));
        print_mode(own ? mode : cli_str(answer, "mode"), own);
    }
}

int cmd_explain(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 1);

    return rc ? rc : cli_run(cli, cli_request("explain", argv[optind]), print);
}
