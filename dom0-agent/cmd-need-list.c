/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

void cli_print_needs(const struct avm_json_value *answer)
{
    const struct avm_json_value *needs = avm_json_get(answer, "needs"), *n;
    char cap[KNOB_STR_LEN], net[BPS_STR_LEN], disk[BPS_STR_LEN], range[48];
    char floor[KNOB_STR_LEN], net_in[BPS_STR_LEN];
    int64_t min, max;
    size_t i;

    printf("%-20s %-36s %-13s %-11s %7s %5s %9s %10s %9s %s\n", "Name", "UUID",
           "Role", "Weight", "CPU-min", "Cap", "Net-max", "Net-in-max",
           "Disk-max", "CPUs");
    for (i = 0; i < avm_json_size(needs); i++) {
        n = avm_json_at(needs, i);
        min = cli_int(n, "weight_min");
        max = cli_int(n, "weight_max");
        /* A side that is not given is the one of the role. */
        snprintf(range, sizeof(range), "-");
        if (min && max)
            snprintf(range, sizeof(range), "%" PRId64 "..%" PRId64, min, max);
        else if (min)
            snprintf(range, sizeof(range), "%" PRId64 "..", min);
        else if (max)
            snprintf(range, sizeof(range), "..%" PRId64, max);
        min = avm_json_get_int(avm_json_get(n, "cap_pct"), -1);
        printf("%-20s %-36s %-13s %-11s %7s %5s %9s %10s %9s %s\n",
               cli_str(n, "name"),
               cli_str(n, "uuid"), cli_str(n, "role"), range,
               knob_str(AVM_KNOB_CAP, (uint64_t)cli_int(n, "cpu_min_pct"),
                        floor),
               min < 0 ? "-" : knob_str(AVM_KNOB_CAP, (uint64_t)min, cap),
               bps_str((uint64_t)cli_int(n, "net_max_bps"), net),
               bps_str((uint64_t)cli_int(n, "net_in_max_bps"), net_in),
               bps_str((uint64_t)cli_int(n, "disk_max_bps"), disk),
               avm_json_get_str(avm_json_get(n, "cpus"), "-"));
    }
}

int cmd_need_list(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 0);

    return rc ? rc : cli_run(cli, cli_request("need-list", NULL),
                             cli_print_needs);
}
