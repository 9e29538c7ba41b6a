/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"

static void print_change(const struct avm_json_value *c)
{
    const char *knob = cli_str(c, "knob");
    int k = avm_knob_parse(knob);
    char when[32], before[KNOB_STR_LEN], after[KNOB_STR_LEN];
    time_t ts = (time_t)(cli_int(c, "ts_ns") / 1000000000);
    struct tm tm;

    if (!localtime_r(&ts, &tm) ||
        !strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm))
        when[0] = '\0';
    printf("%5" PRId64 " %-19s %-20s %5" PRId64 " %-8s %11s %11s %-7s %-8s"
           " %s\n", cli_int(c, "id"), when, cli_str(c, "domain"),
           cli_int(c, "domid"), knob,
           knob_str(k, (uint64_t)cli_int(c, "before"), before),
           knob_str(k, (uint64_t)cli_int(c, "after"), after),
           cli_str(c, "actor"), cli_str(c, "state"), cli_str(c, "reason"));
}

static void print(const struct avm_json_value *answer)
{
    const struct avm_json_value *changes = avm_json_get(answer, "changes");
    size_t i;

    printf("%5s %-19s %-20s %5s %-8s %11s %11s %-7s %-8s %s\n", "Nr", "When",
           "Name", "ID", "Knob", "Before", "After", "Actor", "State",
           "Reason");
    for (i = 0; i < avm_json_size(changes); i++)
        print_change(avm_json_at(changes, i));
}

int cmd_history(struct cli *cli, int argc, char **argv)
{
    struct avm_json *request;
    int64_t last = REQUEST_NONE;
    int rc, c;

    while ((c = getopt(argc, argv, "jn:")) != -1) {
        if (c == 'n') {
            rc = cli_number("the number of changes", optarg, 1, 20000, &last);
            if (rc)
                return rc;
        } else if (c == 'j') {
            cli->json = true;
        } else {
            return cli_usage(cli);
        }
    }
    if (argc - optind > 1)
        return cli_usage(cli);
    request = cli_request("history", argv[optind]);
    if (last != REQUEST_NONE)
        avm_json_int(request, "last", last);
    return cli_run(cli, request, print);
}
