/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

int cmd_apply(struct cli *cli, int argc, char **argv)
{
    struct avm_json_value *answer;
    int64_t applied, failed, observed;
    size_t i;
    int rc;

    rc = cli_words(cli, argc, argv, 0, 1);
    if (rc)
        return rc;
    rc = cli_send(cli, cli_request("apply", argv[optind]), &answer);
    if (rc)
        return rc;

    applied = cli_int(answer, "applied");
    failed = cli_int(answer, "failed");
    observed = cli_int(answer, "observed");
    if (!cli->json)
        printf("%" PRId64 " changes made, %" PRId64 " failed, %" PRId64
               " not ready yet\n", applied, failed,
               cli_int(answer, "waiting"));
    for (i = 0; i < avm_json_size(avm_json_get(answer, "errors")); i++)
        cli_error(0, "%s", avm_json_get_str(
            avm_json_at(avm_json_get(answer, "errors"), i), ""));
    if (failed)
        rc = EXIT_FAILED;
    if (observed && !applied)
        rc = cli_error(EXIT_FAILED, "mode is observe: see `avm mode advise`");
    avm_json_free(answer);
    return rc;
}
