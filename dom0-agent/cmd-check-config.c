/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>

#include "cli.h"

int cmd_check_config(struct cli *cli, int argc, char **argv)
{
    const char *path = cli->conf_path ? cli->conf_path : CONF_DEFAULT_PATH;
    struct avm_models models;
    struct conf conf;
    char err[512];
    int rc = cli_words(cli, argc, argv, 0, 1);

    if (rc)
        return rc;
    if (optind < argc)
        path = argv[optind];
    conf_defaults(&conf);
    if (conf_load(&conf, path, false, err, sizeof(err)) ||
        conf_models(&conf, &models, err, sizeof(err)))
        return cli_error(EXIT_FAILED, "%s", err);
    printf("%s: fine\n", path);
    return 0;
}
