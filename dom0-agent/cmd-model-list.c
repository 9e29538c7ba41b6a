/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

int cli_models(struct cli *cli, struct avm_models *models)
{
    struct avm_json_value *answer;
    char err[300];
    int rc = cli_send(cli, cli_request("model-list", NULL), &answer);

    if (rc)
        return rc;
    if (avm_models_from_json(answer, models, err, sizeof(err)))
        rc = cli_error(EXIT_FAILED, "bad answer from avmd: %s", err);
    avm_json_free(answer);
    return rc;
}

static void print_model(const char *klass, const struct avm_model *m)
{
    uint32_t i;

    if (!m->nr)
        printf("%-13s %-18s %9s %9s %s\n", klass, "-", "-", "-",
               "no domain is of this class");
    for (i = 0; i < m->nr; i++) {
        const struct avm_statement *s = &m->statement[i];

        printf("%-13s %-18s %9" PRIu32 " %9" PRIu32 " %s\n", klass,
               avm_metric_name(s->metric), s->no, s->yes, s->why);
    }
}

int cmd_model_list(struct cli *cli, int argc, char **argv)
{
    struct avm_models models;
    int c, rc = cli_words(cli, argc, argv, 0, 0);

    if (!rc)
        rc = cli_models(cli, &models);
    if (rc || cli->json)
        return rc;
    printf("%-13s %-18s %9s %9s %s\n", "Class", "Metric", "No", "Yes", "Why");
    for (c = AVM_CLASS_UNKNOWN + 1; c < AVM_NR_CLASSES; c++)
        print_model(avm_class_name(c), &models.model[c]);
    return 0;
}
