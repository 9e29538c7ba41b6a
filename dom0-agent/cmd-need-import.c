/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* What is around the file in a request takes less than this. */
#define IMPORT_SIZE_MAX (REQUEST_SIZE_MAX - 128)

/* The text, which ends in NUL; NULL, having said why. */
static char *read_all(FILE *f, const char *name, size_t *len)
{
    char *buf = malloc(IMPORT_SIZE_MAX + 2);

    if (!buf) {
        cli_error(EXIT_FAILED, "%s", strerror(errno));
        return NULL;
    }
    *len = fread(buf, 1, IMPORT_SIZE_MAX + 1, f);
    buf[*len] = '\0';
    if (!ferror(f) && *len <= IMPORT_SIZE_MAX)
        return buf;
    if (ferror(f))
        cli_error(EXIT_FAILED, "%s: %s", name, strerror(errno));
    else
        cli_error(EXIT_FAILED, "%s: longer than %u bytes", name,
                  IMPORT_SIZE_MAX);
    free(buf);
    return NULL;
}

/*
 * A request is one line. JSON has line ends between values only, never in them,
 * and it is known to be JSON by then.
 */
static void to_one_line(char *text)
{
    for (; *text; text++)
        if (*text == '\n' || *text == '\r')
            *text = ' ';
}

static char *read_file(const char *path)
{
    const char *name = path ? path : "standard input";
    FILE *f = path ? fopen(path, "re") : stdin;
    struct avm_json_value *root;
    char err[128], *text;
    size_t len = 0;

    if (!f) {
        cli_error(EXIT_FAILED, "%s: %s", name, strerror(errno));
        return NULL;
    }
    text = read_all(f, name, &len);
    if (path)
        fclose(f);
    if (!text)
        return NULL;
    root = avm_json_parse(text, len, err, sizeof(err));
    if (!root) {
        cli_error(EXIT_FAILED, "%s: %s", name, err);
        free(text);
        return NULL;
    }
    avm_json_free(root);
    to_one_line(text);
    return text;
}

static void print_imported(const struct avm_json_value *answer)
{
    int64_t nr = cli_int(answer, "imported");

    printf("%lld need%s imported\n", (long long)nr, nr == 1 ? "" : "s");
}

int cmd_need_import(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "replace", no_argument, NULL, 'r' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    struct avm_json *request;
    bool replace = false;
    char *text;
    int rc, c;

    while ((c = getopt_long(argc, argv, "j", options, NULL)) != -1) {
        if (c == 'r')
            replace = true;
        else if (c == 'j')
            cli->json = true;
        else
            return cli_usage(cli);
    }
    if (argc - optind > 1)
        return cli_usage(cli);
    text = read_file(argc > optind && strcmp(argv[optind], "-")
                     ? argv[optind] : NULL);
    if (!text)
        return EXIT_FAILED;

    request = cli_request("need-import", NULL);
    avm_json_bool(request, "replace", replace);
    avm_json_raw(request, "file", text);
    rc = cli_run(cli, request, print_imported);
    free(text);
    return rc;
}
