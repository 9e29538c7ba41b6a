/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

static const char *yes_no(const struct avm_json_value *v, const char *key)
{
    return avm_json_get_bool(avm_json_get(v, key), false) ? "yes" : "no";
}

/* The look of xl info: name, colon, value. */
static void print(const struct avm_json_value *answer)
{
    static const char *const can[] = {
        "weight", "cap", "urgency", "affinity", "records",
    };
    static const char *const numbers[] = {
        "pid", "nr_domains", "nr_pcpus", "domctl_version", "sysctl_version",
        "sample_ms", "decide_ms",
    };
    const struct avm_json_value *pools = avm_json_get(answer, "pools"), *pool;
    size_t i, k;

    printf("%-23s: %s\n", "mode", cli_str(answer, "mode"));
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        printf("%-23s: %" PRId64 "\n", numbers[i],
               cli_int(answer, numbers[i]));
    printf("%-23s: %s\n", "xenstore", yes_no(answer, "xenstore"));
    printf("%-23s: %s\n", "journal", yes_no(answer, "journal"));
    for (i = 0; i < avm_json_size(pools); i++) {
        pool = avm_json_at(pools, i);
        printf("cpupool %-15" PRId64 ": %s, %" PRId64 " pCPUs;",
               cli_int(pool, "id"), cli_str(pool, "scheduler"),
               cli_int(pool, "nr_pcpus"));
        for (k = 0; k < sizeof(can) / sizeof(can[0]); k++)
            printf(" %s=%s", can[k], yes_no(pool, can[k]));
        putchar('\n');
    }
    fputs(cli_str(answer, "limits"), stdout);
}

int cmd_info(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 0);

    return rc ? rc : cli_run(cli, cli_request("info", NULL), print);
}
