/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* xl's way to name a domain, on a domain of the answer. */
static bool is_wanted(const struct avm_json_value *d, int nr, char **words,
                      bool *seen)
{
    char domid[16];
    bool wanted = !nr;
    int i;

    snprintf(domid, sizeof(domid), "%" PRId64, cli_int(d, "domid"));
    for (i = 0; i < nr; i++) {
        if (!strcmp(words[i], cli_str(d, "name")) ||
            !strcmp(words[i], domid) || !strcmp(words[i], cli_str(d, "uuid")))
            seen[i] = wanted = true;
    }
    return wanted;
}

/* In KiB per second; "-" if it is another domain that sees it. */
static const char *kib_str(const struct avm_json_value *d, const char *key,
                           char *buf, size_t size)
{
    if (avm_json_is_null(avm_json_get(d, key)))
        snprintf(buf, size, "-");
    else
        snprintf(buf, size, "%" PRId64, cli_int(d, key) / 1024);
    return buf;
}

static void print_domain(const struct avm_json_value *d)
{
    char cap[KNOB_STR_LEN], net[24], disk[24];

    printf("%-20s %5" PRId64 " %-13s %3" PRId64 "%% %6" PRId64 " %5s %-11s"
           " %5" PRId64 " %5" PRId64 " %8s %8s %-7s %s\n",
           cli_str(d, "name"), cli_int(d, "domid"), cli_str(d, "class"),
           cli_int(d, "confidence_permille") / 10, cli_int(d, "weight"),
           knob_str(AVM_KNOB_CAP, (uint64_t)cli_int(d, "cap_pct"), cap),
           cli_str(d, "urgency"), cli_int(d, "cpu_permille") / 10,
           cli_int(d, "wait_permille") / 10,
           kib_str(d, "net_bps", net, sizeof(net)),
           kib_str(d, "disk_bps", disk, sizeof(disk)), cli_str(d, "mode"),
           cli_str(d, "role"));
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
    const struct avm_json_value *domains;
    struct avm_json_value *answer;
    bool *seen = NULL;
    size_t i;
    int rc, c, nr, k;

    while ((c = getopt(argc, argv, "jl")) != -1) {
        if (c != 'j' && c != 'l') /* -l is what xl list calls it */
            return cli_usage(cli);
        cli->json = true;
    }
    nr = argc - optind;
    if (cli->json && nr)
        return cli_error(EXIT_FAILED, "list -j shows all domains");

    rc = cli_send(cli, cli_request("list", NULL), &answer);
    if (rc)
        return rc;
    if (cli->json)
        goto out;
    seen = calloc((size_t)nr + 1, sizeof(*seen));
    if (!seen) {
        rc = cli_error(EXIT_FAILED, "out of memory");
        goto out;
    }

    printf("%-20s %5s %-13s %4s %6s %5s %-11s %5s %5s %8s %8s %-7s %s\n",
           "Name", "ID", "Class", "Conf", "Weight", "Cap", "Urgency", "CPU%",
           "Wait%", "Net(k)", "Disk(k)", "Mode", "Role");
    domains = avm_json_get(answer, "domains");
    for (i = 0; i < avm_json_size(domains); i++)
        if (is_wanted(avm_json_at(domains, i), nr, argv + optind, seen))
            print_domain(avm_json_at(domains, i));
    for (k = 0; k < nr; k++)
        if (!seen[k])
            rc = cli_error(EXIT_NOT_FOUND, "%s: no such domain is running",
                           argv[optind + k]);

 out:
    free(seen);
    avm_json_free(answer);
    return rc;
}
