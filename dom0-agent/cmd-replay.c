/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "recording.h"
#include "replay.h"

struct output {
    struct avm_json *json;      /* NULL: for people */
    bool any;
};

static void print_event(struct output *out, const struct replay_event *e)
{
    const struct avm_domain *d = e->dom;
    const struct avm_change *c = e->change;
    char before[KNOB_STR_LEN], after[KNOB_STR_LEN];

    if (!out->any)
        printf("%11s %-20s %5s %-8s %13s %13s %-7s %-8s %s\n", "Seconds",
               "Name", "ID", "Knob", "Before", "After", "Actor", "State",
               "Reason");
    printf("%7" PRIu64 ".%03" PRIu64 " %-20s %5" PRIu32 " ", e->ms / 1000,
           e->ms % 1000, d->untrusted_name, d->domid);
    if (e->is_class)
        printf("%-8s %13s %13s %-7s %-8s %s\n", "class",
               avm_class_name(e->was), avm_class_name(d->klass), "-", "-",
               d->evidence);
    else
        printf("%-8s %13s %13s %-7s %-8s %s\n", avm_knob_name(c->knob),
               knob_str((int)c->knob, c->before, before),
               knob_str((int)c->knob, c->after, after), e->actor,
               avm_change_state_name(c->state), c->reason);
}

static void json_event(struct avm_json *j, const struct replay_event *e)
{
    const struct avm_domain *d = e->dom;
    const struct avm_change *c = e->change;
    char uuid[AVM_UUID_STR_LEN];

    avm_json_object(j, NULL);
    avm_json_uint(j, "ms", e->ms);
    avm_json_str(j, "domain", d->untrusted_name);
    avm_json_str(j, "uuid", avm_uuid_str(&d->uuid, uuid));
    avm_json_uint(j, "domid", d->domid);
    if (e->is_class) {
        avm_json_str(j, "event", "class");
        avm_json_str(j, "before", avm_class_name(e->was));
        avm_json_str(j, "after", avm_class_name(d->klass));
        avm_json_uint(j, "confidence_permille", d->confidence_permille);
        avm_json_str(j, "reason", d->evidence);
    } else {
        avm_json_str(j, "event", "change");
        avm_json_str(j, "knob", avm_knob_name(c->knob));
        avm_json_int(j, "before", (int64_t)c->before);
        avm_json_int(j, "after", (int64_t)c->after);
        avm_json_str(j, "actor", e->actor);
        avm_json_str(j, "state", avm_change_state_name(c->state));
        avm_json_str(j, "reason", c->reason);
    }
    avm_json_end(j);
}

static void on_event(void *arg, const struct replay_event *e)
{
    struct output *out = arg;

    if (out->json)
        json_event(out->json, e);
    else
        print_event(out, e);
    out->any = true;
}

/* 0, or, having said why, what to exit with. */
static int replay_file(struct replay *r, FILE *f, const char *path)
{
    char *line = NULL, err[512];
    size_t room = 0, nr = 0;
    ssize_t len;
    int rc = 0;

    while (!rc) {
        nr++;
        len = recording_line(f, &line, &room, err, sizeof(err));
        if (len == -1)
            break;
        if (len < 0 ||
            replay_line(r, line, (size_t)len, err, sizeof(err))) {
            fflush(stdout); /* what came before the fault, before its line */
            rc = cli_error(EXIT_FAILED, "%s:%zu: %s", path, nr, err);
        }
    }
    if (!rc && nr == 1)
        rc = cli_error(EXIT_FAILED, "%s: empty, not a recording", path);
    free(line);
    return rc;
}

static int print_end(struct output *out, const struct replay_totals *t)
{
    char *text;

    if (!out->json) {
        if (!out->any)
            puts("No class was seen and nothing was changed.");
        printf("%" PRIu64 " samples and %" PRIu64 " decisions in %" PRIu64
               ".%03" PRIu64 " s.\n", t->samples, t->decisions, t->ms / 1000,
               t->ms % 1000);
        return 0;
    }
    avm_json_end(out->json);
    avm_json_uint(out->json, "samples", t->samples);
    avm_json_uint(out->json, "decisions", t->decisions);
    avm_json_uint(out->json, "ms", t->ms);
    avm_json_end(out->json);
    text = avm_json_finish(out->json);
    out->json = NULL;
    if (!text)
        return cli_error(EXIT_FAILED, "%s", strerror(errno));
    puts(text);
    free(text);
    return 0;
}

static int run(const struct cli *cli, const char *path, FILE *f,
               enum avm_mode mode)
{
    struct output out = { .json = cli->json ? avm_json_new() : NULL };
    struct replay *r = replay_new(mode, on_event, &out);
    int rc;

    if (!r || (cli->json && !out.json)) {
        rc = cli_error(EXIT_FAILED, "%s", strerror(ENOMEM));
        goto out;
    }
    avm_json_object(out.json, NULL);
    avm_json_uint(out.json, "version", 1);
    avm_json_array(out.json, "events");
    rc = replay_file(r, f, path);
    if (!rc)
        rc = print_end(&out, replay_totals(r));

 out:
    if (out.json)
        free(avm_json_finish(out.json));
    replay_free(r);
    return rc;
}

int cmd_replay(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "mode", required_argument, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };
    int c, rc, mode = AVM_MODE_INHERIT;
    FILE *f;

    while ((c = getopt_long(argc, argv, "jm:", options, NULL)) != -1) {
        if (c == 'j') {
            cli->json = true;
        } else if (c == 'm') {
            mode = avm_mode_parse(optarg);
            if (mode < 0 || mode == AVM_MODE_INHERIT)
                return cli_error(EXIT_FAILED, "%s: no such mode (observe, "
                                 "advise, auto)", optarg);
        } else {
            return cli_usage(cli);
        }
    }
    if (argc - optind != 1)
        return cli_usage(cli);
    f = fopen(argv[optind], "re");
    if (!f)
        return cli_error(EXIT_FAILED, "%s: %s", argv[optind],
                         strerror(errno));
    rc = run(cli, argv[optind], f, (enum avm_mode)mode);
    fclose(f);
    return rc;
}
