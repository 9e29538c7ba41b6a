/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* What JSON makes of it, so that quotes and the like are not our business. */
static char *statement_json(const struct avm_statement *s, bool why)
{
    struct avm_json *j = avm_json_new();

    if (why) {
        avm_json_str(j, NULL, s->why);
        return avm_json_finish(j);
    }
    avm_json_object(j, NULL);
    avm_json_str(j, "metric", avm_metric_name(s->metric));
    avm_json_uint(j, "no", s->no);
    avm_json_uint(j, "yes", s->yes);
    avm_json_end(j);
    return avm_json_finish(j);
}

/* Two lines each, for an editor: the numbers, and why these. */
static int print_statement(const struct avm_statement *s, bool last)
{
    char *numbers = statement_json(s, false), *why = statement_json(s, true);
    int rc = 0;

    if (numbers && why)
        printf("      %.*s,\n       \"why\":%s}%s\n",
               (int)strlen(numbers) - 1, numbers, why, last ? "" : ",");
    else
        rc = cli_error(EXIT_FAILED, "%s", strerror(errno));
    free(numbers);
    free(why);
    return rc;
}

static int print_models(const struct avm_models *models)
{
    uint32_t i;
    int c, rc = 0;

    printf("{\n  \"version\": 1,\n  \"models\": {\n");
    for (c = AVM_CLASS_UNKNOWN + 1; c < AVM_NR_CLASSES && !rc; c++) {
        const struct avm_model *m = &models->model[c];

        printf("    \"%s\": [\n", avm_class_name(c));
        for (i = 0; i < m->nr && !rc; i++)
            rc = print_statement(&m->statement[i], i + 1 == m->nr);
        printf("    ]%s\n", c + 1 < AVM_NR_CLASSES ? "," : "");
    }
    printf("  }\n}\n");
    return rc;
}

int cmd_model_export(struct cli *cli, int argc, char **argv)
{
    struct avm_models models;
    int rc = cli_words(cli, argc, argv, 0, 0);

    if (!rc)
        rc = cli_models(cli, &models);
    return rc || cli->json ? rc : print_models(&models);
}
