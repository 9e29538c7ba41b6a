/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "request.h"

void conf_defaults(struct conf *conf)
{
    *conf = (struct conf){
        .mode = AVM_MODE_OBSERVE,
        .state_dir = "/var/lib/avm",
        .run_dir = "/run/avm",
    };
    avm_config_init(&conf->loop);
}

/* The ranges are those of struct avm_config; why these numbers: avm.conf(5). */
static const struct conf_number {
    const char *key;
    size_t offset;
    uint32_t min, max;
} conf_numbers[] = {
#define NUMBER(field, min, max) \
    { #field, offsetof(struct avm_config, field), min, max }
    NUMBER(sample_ms, 100, 60000),
    NUMBER(decide_ms, 100, 600000),
    NUMBER(hold_decisions, 1, 100),
    NUMBER(gain_min_permille, 0, 1000),
    NUMBER(cooldown_ms, 0, 3600000),
    NUMBER(warmup_ms, 0, 3600000),
    NUMBER(changes_per_minute, 1, 10000),
    NUMBER(step_up_permille, 1, 1000),
    NUMBER(step_down_permille, 1, 999),
    NUMBER(lease_ms, 200, 600000),
    NUMBER(foreign_hold_ms, 0, 86400000),
#undef NUMBER
};

struct conf_line {
    char key[32];
    char value[64];
    bool quoted;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

/* Splits one line. Returns 1 (a setting), 0 (nothing on it), -1 ('*fault'). */
static int split_line(const char *p, const char *end, struct conf_line *line,
                      const char **fault)
{
    size_t n;
    char quote = 0;

    *line = (struct conf_line){ 0 };

    while (p < end && is_blank(*p))
        p++;
    if (p == end || *p == '#')
        return 0;

    for (n = 0; p < end && is_key_char(*p); p++) {
        if (n == sizeof(line->key) - 1) {
            *fault = "name too long";
            return -1;
        }
        line->key[n++] = *p;
    }
    while (p < end && is_blank(*p))
        p++;
    if (!n || p == end || *p != '=') {
        *fault = "expected `key = value`";
        return -1;
    }
    p++;
    while (p < end && is_blank(*p))
        p++;

    if (p < end && (*p == '"' || *p == '\'')) {
        quote = *p++;
        line->quoted = true;
    }
    for (n = 0; p < end; p++) {
        if (quote ? *p == quote : is_blank(*p) || *p == '#')
            break;
        if (*p < 0x20 || *p > 0x7e) {
            *fault = "value is not plain text";
            return -1;
        }
        if (n == sizeof(line->value) - 1) {
            *fault = "value too long";
            return -1;
        }
        line->value[n++] = *p;
    }
    if (quote) {
        if (p == end) {
            *fault = "quote is not closed";
            return -1;
        }
        p++;
    } else if (!n) {
        *fault = "value is missing";
        return -1;
    }
    while (p < end && is_blank(*p))
        p++;
    if (p < end && *p != '#') {
        *fault = "text after the value";
        return -1;
    }

    return 1;
}

static int set_number(struct conf *conf, const struct conf_number *number,
                      const struct conf_line *line, char *why, size_t why_size)
{
    uint64_t value = 0;
    const char *p = line->value;

    if (line->quoted || !*p)
        goto bad;
    for (; *p; p++) {
        if (*p < '0' || *p > '9')
            goto bad;
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > number->max)
            goto bad;
    }
    if (value < number->min)
        goto bad;

    *(uint32_t *)((char *)&conf->loop + number->offset) = (uint32_t)value;
    return 0;

 bad:
    snprintf(why, why_size, "%s must be a number from %u to %u",
             number->key, number->min, number->max);
    return -1;
}

static int set_path(char *path, size_t size, const struct conf_line *line,
                   char *why, size_t why_size)
{
    if (line->value[0] != '/') {
        snprintf(why, why_size, "%s must be an absolute path", line->key);
        return -1;
    }
    snprintf(path, size, "%s", line->value);
    return 0;
}

/* "INTERFACE RATE"; one such line for each uplink. */
static int set_uplink(struct conf *conf, const struct conf_line *line,
                      char *why, size_t why_size)
{
    struct avm_uplink u = { 0 };
    size_t n = strcspn(line->value, " ");
    const char *rate = line->value + n;
    size_t i;

    while (*rate == ' ')
        rate++;
    if (!n || n >= sizeof(u.name) || memchr(line->value, '/', n) || !*rate ||
        bps_parse(rate, &u.bps) || !u.bps) {
        snprintf(why, why_size, "uplink must be an interface and what it "
                 "carries, like \"eth0 125MB/s\"");
        return -1;
    }
    memcpy(u.name, line->value, n);
    for (i = 0; i < conf->nr_uplinks; i++)
        if (!strcmp(conf->uplink[i].name, u.name)) {
            snprintf(why, why_size, "uplink %s is there already", u.name);
            return -1;
        }
    if (i == AVM_MAX_UPLINKS) {
        snprintf(why, why_size, "more than %u uplinks", AVM_MAX_UPLINKS);
        return -1;
    }
    conf->uplink[conf->nr_uplinks++] = u;
    return 0;
}

static int set_key(struct conf *conf, const struct conf_line *line,
                   char *why, size_t why_size)
{
    size_t i;

    for (i = 0; i < sizeof(conf_numbers) / sizeof(conf_numbers[0]); i++)
        if (!strcmp(line->key, conf_numbers[i].key))
            return set_number(conf, &conf_numbers[i], line, why, why_size);

    if (!strcmp(line->key, "mode")) {
        int mode = avm_mode_parse(line->value);

        if (mode < 0 || mode == AVM_MODE_INHERIT) {
            snprintf(why, why_size,
                     "mode must be \"observe\", \"advise\" or \"auto\"");
            return -1;
        }
        conf->mode = (enum avm_mode)mode;
        return 0;
    }
    if (!strcmp(line->key, "on_exit")) {
        if (strcmp(line->value, "keep") && strcmp(line->value, "revert")) {
            snprintf(why, why_size,
                     "on_exit must be \"keep\" or \"revert\"");
            return -1;
        }
        conf->revert_on_exit = line->value[0] == 'r';
        return 0;
    }
    if (!strcmp(line->key, "uplink"))
        return set_uplink(conf, line, why, why_size);
    if (!strcmp(line->key, "state_dir"))
        return set_path(conf->state_dir, sizeof(conf->state_dir), line,
                        why, why_size);
    if (!strcmp(line->key, "run_dir"))
        return set_path(conf->run_dir, sizeof(conf->run_dir), line,
                        why, why_size);
    if (!strcmp(line->key, "models"))
        return set_path(conf->models, sizeof(conf->models), line,
                        why, why_size);
    if (!strcmp(line->key, "metrics_file"))
        return set_path(conf->metrics_file, sizeof(conf->metrics_file), line,
                        why, why_size);

    snprintf(why, why_size, "unknown setting '%s'", line->key);
    return -1;
}

int conf_parse(struct conf *conf, const char *name, const char *text,
               size_t len, char *err, size_t err_size)
{
    struct conf new = *conf;
    struct conf_line line;
    const char *p = text, *end = text + len, *eol, *fault;
    char why[128];
    unsigned int nr;
    int r;

    for (nr = 1; p < end; nr++, p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol)
            eol = end;
        r = split_line(p, eol, &line, &fault);
        if (r < 0)
            snprintf(why, sizeof(why), "%s", fault);
        else if (r)
            r = set_key(&new, &line, why, sizeof(why));
        if (r < 0) {
            snprintf(err, err_size, "%s:%u: %s", name, nr, why);
            return -1;
        }
    }

    fault = avm_config_check(&new.loop);
    if (fault) {
        snprintf(err, err_size, "%s: %s", name, fault);
        return -1;
    }

    *conf = new;
    return 0;
}

/*
 * Up to CONF_SIZE_MAX bytes of a file, not ending in NUL; the caller frees it.
 * NULL and one line, or, if it may miss, an empty text.
 */
static char *read_file(const char *path, bool may_miss, size_t *len,
                       char *err, size_t err_size)
{
    char *text = malloc(CONF_SIZE_MAX + 1);
    ssize_t n;
    int fd = -1;

    *len = 0;
    if (!text)
        goto fail;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && may_miss)
        return text;
    if (fd < 0)
        goto fail;
    while (*len <= CONF_SIZE_MAX) {
        n = read(fd, text + *len, CONF_SIZE_MAX + 1 - *len);
        if (n < 0)
            goto fail;
        if (!n)
            break;
        *len += (size_t)n;
    }
    if (*len > CONF_SIZE_MAX) {
        errno = EFBIG;
        goto fail;
    }
    close(fd);
    return text;

 fail:
    if (errno == EFBIG)
        snprintf(err, err_size, "%s: longer than %u bytes", path,
                 CONF_SIZE_MAX);
    else
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(text);
    return NULL;
}

int conf_load(struct conf *conf, const char *path, bool may_miss,
              char *err, size_t err_size)
{
    size_t len;
    char *text = read_file(path, may_miss, &len, err, err_size);
    int rc = -1;

    if (text)
        rc = conf_parse(conf, path, text, len, err, err_size);
    free(text);
    return rc;
}

int conf_models(const struct conf *conf, struct avm_models *models,
                char *err, size_t err_size)
{
    char *text, why[300];
    size_t len;
    int rc = -1;

    if (!conf->models[0]) {
        *models = *avm_models_builtin();
        return 0;
    }
    text = read_file(conf->models, false, &len, err, err_size);
    if (text) {
        rc = avm_models_parse(text, len, models, why, sizeof(why));
        if (rc)
            snprintf(err, err_size, "%s: %s", conf->models, why);
    }
    free(text);
    return rc;
}
