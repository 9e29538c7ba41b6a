/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"

/* ------------------------------------------------------------------------ */
/* Of the host                                                              */

static void head(FILE *f, const char *name, const char *type,
                 const char *help)
{
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *f, const char *name, const char *type, uint64_t value,
                const char *help)
{
    head(f, name, type, help);
    fprintf(f, "%s %" PRIu64 "\n", name, value);
}

static void put_mode(FILE *f, const struct agent *a)
{
    int mode;

    head(f, "avm_mode", "gauge", "Mode of the host: 1 for the one that it is "
         "in, 0 for the others.");
    for (mode = AVM_MODE_OBSERVE; mode < AVM_NR_MODES; mode++)
        fprintf(f, "avm_mode{mode=\"%s\"} %d\n",
                avm_mode_name((enum avm_mode)mode),
                a->mode == (enum avm_mode)mode);
}

static void put_pressure(FILE *f, const struct avm_psi_window *p)
{
    static const char name[] = "avm_pressure_ratio";
    static const char *const resource[AVM_NR_PSI] = { "cpu", "memory", "io" };
    int i;

    head(f, name, "gauge", "Time that something, or everything, in Domain-0 "
         "waited for a resource.");
    for (i = 0; i < AVM_NR_PSI; i++) {
        if (!(p->have & 1u << i))
            continue;
        fprintf(f, "%s{resource=\"%s\",kind=\"some\"} %u.%03u\n"
                "%s{resource=\"%s\",kind=\"full\"} %u.%03u\n",
                name, resource[i], p->some_permille[i] / 1000,
                p->some_permille[i] % 1000, name, resource[i],
                p->full_permille[i] / 1000, p->full_permille[i] % 1000);
    }
}

static void put_host(FILE *f, const struct agent *a, uint64_t now_ms)
{
    const struct counts *c = &a->count;
    size_t nr;

    avm_domains(a->st, &nr);
    put_mode(f, a);
    one(f, "avm_samples_total", "counter", c->samples,
        "Readings of the whole host.");
    one(f, "avm_decisions_total", "counter", c->decisions, "Plans made.");
    one(f, "avm_changes_applied_total", "counter", c->applied,
        "Changes made and, where that is possible, read back.");
    one(f, "avm_changes_failed_total", "counter", c->failed,
        "Changes that Xen or Linux did not take.");
    one(f, "avm_changes_refused_total", "counter", c->refused,
        "Wishes refused because of other domains; one that is refused in each "
        "decision counts each time.");
    one(f, "avm_changes_foreign_total", "counter", c->foreign,
        "Changes found that someone else had made.");
    one(f, "avm_flip_flops_total", "counter", avm_flip_flops(a->st),
        "Changes that soon took back the one before.");
    one(f, "avm_changes_left", "gauge", avm_changes_left(a->st, now_ms),
        "What is left of changes_per_minute.");
    one(f, "avm_needs", "gauge", c->needs, "Domains that have a need.");
    one(f, "avm_domains", "gauge", nr, "Domains, with Domain-0.");
    put_pressure(f, avm_state_psi(a->st));
    head(f, "avm_round_seconds", "gauge",
         "What the last round of the loop took.");
    fprintf(f, "avm_round_seconds %" PRIu64 ".%06" PRIu64 "\n",
            c->round_us / 1000000, c->round_us % 1000000);
}

/* ------------------------------------------------------------------------ */
/* Of each domain                                                           */

/* How a figure is written. */
enum unit { PLAIN, PERMILLE, PERCENT, MICROSECONDS, CLASS, VERDICT, URGENCY };

/* Where it stands, and what says whether anything is known of it. */
#define FIELD(member) \
    offsetof(struct avm_domain, member), sizeof(((struct avm_domain *)0)->member)
#define HAVE(bit) offsetof(struct avm_domain, smooth.have), bit
#define CAN(bit)  offsetof(struct avm_domain, params.can), bit
#define ALWAYS    0, 0

static const struct metric {
    const char *name;
    enum unit unit;
    size_t offset, size;
    size_t known;               /* of a uint32_t                            */
    uint32_t bit;               /* in it: there is such a line; 0: always    */
    const char *help;
} metrics[] = {
    { "avm_domain_cpu_ratio", PERMILLE,
      FIELD(smooth.cpu_permille), HAVE(AVM_HAVE_CPU),
      "Time that it ran; 1 is one pCPU, and with two vCPUs there can be 2." },
    { "avm_domain_cpu_wait_ratio", PERMILLE,
      FIELD(smooth.wait_permille), HAVE(AVM_HAVE_RECORDS),
      "Time that it was ready to run and did not; 1 is one vCPU." },
    { "avm_domain_cpu_pressure_ratio", PERMILLE,
      FIELD(pressure_permille[AVM_RES_CPU]), HAVE(AVM_HAVE_RECORDS),
      "Part of the time that it had work for in which it waited for a pCPU." },
    { "avm_domain_wake_latency_p99_seconds", MICROSECONDS,
      FIELD(smooth.latency_p99_us), HAVE(AVM_HAVE_RECORDS),
      "99 of 100 times it ran within this time of waking." },
    { "avm_domain_class", CLASS, FIELD(klass), ALWAYS,
      "What it does: 1, with the word as a label." },
    { "avm_domain_verdict", VERDICT, FIELD(verdict), ALWAYS,
      "What it lacks, if anything: 1, with the word as a label." },
    { "avm_domain_network_receive_bytes_per_second", PLAIN,
      FIELD(smooth.net_rx_bps), HAVE(AVM_HAVE_NET), "To the domain." },
    { "avm_domain_network_transmit_bytes_per_second", PLAIN,
      FIELD(smooth.net_tx_bps), HAVE(AVM_HAVE_NET), "From the domain." },
    { "avm_domain_disk_read_bytes_per_second", PLAIN,
      FIELD(smooth.disk_rd_bps), HAVE(AVM_HAVE_DISK), "From its disks." },
    { "avm_domain_disk_written_bytes_per_second", PLAIN,
      FIELD(smooth.disk_wr_bps), HAVE(AVM_HAVE_DISK), "To its disks." },
    { "avm_domain_backend_cpu_ratio", PERMILLE,
      FIELD(smooth.backend_permille), HAVE(AVM_HAVE_BACKEND),
      "CPU time that its QEMU in Domain-0 took; 1 is one pCPU." },
    { "avm_domain_charged_cpu_ratio", PERMILLE, FIELD(charged_permille), ALWAYS,
      "CPU time of Domain-0 that it can have cost at most: its QEMU's, and of the "
      "rest its part by bytes." },
    { "avm_domain_backend_cpu_wait_ratio", PERMILLE,
      FIELD(smooth.psi_cpu_permille), HAVE(AVM_HAVE_PSI_CPU),
      "Time that its back end in Domain-0 waited for a CPU." },
    { "avm_domain_backend_io_wait_ratio", PERMILLE,
      FIELD(smooth.psi_io_permille), HAVE(AVM_HAVE_PSI_IO),
      "Time that its back end in Domain-0 waited for a disk, or its limit." },
    { "avm_domain_weight", PLAIN, FIELD(params.weight), CAN(AVM_CAN_WEIGHT),
      "Weight, 1 to 65535." },
    { "avm_domain_cap_ratio", PERCENT, FIELD(params.cap_pct), CAN(AVM_CAN_CAP),
      "Cap; 1 is one pCPU, 0 is none." },
    { "avm_domain_urgency", URGENCY, FIELD(params.urgency),
      CAN(AVM_CAN_URGENCY), "Urgency: 1, with the word as a label." },
    { "avm_domain_network_share", PLAIN, FIELD(params.net_share),
      CAN(AVM_CAN_NET_SHARE),
      "Part of the uplink that it counts for, 100 if nothing was said." },
    { "avm_domain_disk_share", PLAIN, FIELD(params.disk_share),
      CAN(AVM_CAN_DISK_SHARE),
      "Part of the disk that it counts for, 100 if nothing was said." },
};

#undef FIELD
#undef HAVE
#undef CAN
#undef ALWAYS

static uint64_t value_of(const struct metric *m, const struct avm_domain *d)
{
    const char *at = (const char *)d + m->offset;

    return m->size == sizeof(uint64_t) ? *(const uint64_t *)at :
                                         *(const uint32_t *)at;
}

static bool is_known(const struct metric *m, const struct avm_domain *d)
{
    return !m->bit ||
           (*(const uint32_t *)((const char *)d + m->known) & m->bit);
}

/* A name in quotes could end there, or begin a line: a guest may have made it. */
static void escape(const char *untrusted, char *buf, size_t size)
{
    size_t n = 0;

    for (; *untrusted && n + 3 <= size; untrusted++) {
        char c = *untrusted;

        if (c == '"' || c == '\\')
            buf[n++] = '\\';
        buf[n++] = c < 0x20 || c > 0x7e ? '?' : c;
    }
    buf[n] = '\0';
}

static void put_word(FILE *f, const char *label, const char *word)
{
    fprintf(f, ",%s=\"%s\"} 1\n", label, word);
}

/* The rest of the line, after the labels that all have. */
static void put_value(FILE *f, enum unit unit, uint64_t v)
{
    switch (unit) {
    case PLAIN:
        fprintf(f, "} %" PRIu64 "\n", v);
        break;
    case PERMILLE:
        fprintf(f, "} %" PRIu64 ".%03" PRIu64 "\n", v / 1000, v % 1000);
        break;
    case PERCENT:
        fprintf(f, "} %" PRIu64 ".%02" PRIu64 "\n", v / 100, v % 100);
        break;
    case MICROSECONDS:
        fprintf(f, "} %" PRIu64 ".%06" PRIu64 "\n", v / 1000000, v % 1000000);
        break;
    case CLASS:
        put_word(f, "class", avm_class_name((enum avm_class)v));
        break;
    case VERDICT:
        put_word(f, "verdict", avm_verdict_name((enum avm_verdict)v));
        break;
    case URGENCY:
        put_word(f, "urgency", avm_urgency_name((enum avm_urgency)v));
        break;
    }
}

/* A line, up to the labels that all have. */
static void begin_line(FILE *f, const char *metric, const struct avm_domain *d)
{
    char name[2 * AVM_NAME_LEN], uuid[AVM_UUID_STR_LEN];

    escape(d->untrusted_name, name, sizeof(name));
    fprintf(f, "%s{domid=\"%" PRIu32 "\",uuid=\"%s\",name=\"%s\"", metric,
            d->domid, avm_uuid_str(&d->uuid, uuid), name);
}

static void put_metric(FILE *f, const struct metric *m,
                       const struct avm_domain *d, size_t nr)
{
    size_t i;

    head(f, m->name, "gauge", m->help);
    for (i = 0; i < nr; i++, d++) {
        if (!is_known(m, d))
            continue;
        begin_line(f, m->name, d);
        put_value(f, m->unit, value_of(m, d));
    }
}

/* Floors, as the last plan saw them: who has none has no line. */
static void put_floors(FILE *f, const avm_state *st,
                       const struct avm_domain *d, size_t nr)
{
    static const struct {
        const char *name;
        size_t offset;
        const char *help;
    } figure[] = {
        { "avm_domain_cpu_floor_ratio",
          offsetof(struct avm_floor, asked_permille),
          "Floor that its need asks for; 1 is one pCPU." },
        { "avm_domain_cpu_floor_promised_ratio",
          offsetof(struct avm_floor, promise_permille),
          "What it is promised of that: it may not be able to use more, or "
          "others were first." },
        { "avm_domain_cpu_floor_wanted_ratio",
          offsetof(struct avm_floor, wanted_permille),
          "What it wanted at the last decision." },
        { "avm_domain_cpu_floor_share_ratio",
          offsetof(struct avm_floor, share_permille),
          "What it got of that with the weights that the last decision found." },
    };
    static const char kept_name[] = "avm_domain_cpu_floor_kept";
    struct avm_floor floor;
    bool kept;
    size_t i, k;

    for (k = 0; k < sizeof(figure) / sizeof(figure[0]); k++) {
        head(f, figure[k].name, "gauge", figure[k].help);
        for (i = 0; i < nr; i++) {
            if (!avm_floor_of(st, &d[i], &floor, &kept))
                continue;
            begin_line(f, figure[k].name, &d[i]);
            put_value(f, PERMILLE, *(const uint32_t *)
                      ((const char *)&floor + figure[k].offset));
        }
    }
    head(f, kept_name, "gauge", "1 if that was as much as it was promised and "
         "wanted, 0 if not.");
    for (i = 0; i < nr; i++) {
        if (!avm_floor_of(st, &d[i], &floor, &kept))
            continue;
        begin_line(f, kept_name, &d[i]);
        put_value(f, PLAIN, kept);
    }
}

char *metrics_text(const struct agent *a, uint64_t now_ms)
{
    const struct avm_domain *d;
    char *text = NULL;
    size_t len, nr, i;
    bool bad;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return NULL;
    put_host(f, a, now_ms);
    d = avm_domains(a->st, &nr);
    for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        put_metric(f, &metrics[i], d, nr);
    put_floors(f, a->st, d, nr);
    bad = ferror(f);
    if (fclose(f) || bad) {
        free(text);
        errno = ENOMEM;
        return NULL;
    }
    return text;
}

/* ------------------------------------------------------------------------ */
/* The file                                                                 */

#define PATH_LEN (sizeof(((struct conf *)0)->metrics_file) + 8)

static int write_all(int fd, const char *text)
{
    size_t len = strlen(text);
    ssize_t n;

    for (; len; text += n, len -= (size_t)n) {
        n = write(fd, text, len);
        if (n < 0)
            return -1;
    }
    return 0;
}

/*
 * The directory may be of another user, who must not lead us elsewhere: the
 * other file is always a new one. Its name does not end in .prom.
 */
static int replace_file(const char *path, const char *text)
{
    char other[PATH_LEN];
    int fd, e;

    snprintf(other, sizeof(other), "%s.new", path);
    if (unlink(other) && errno != ENOENT)
        return -1;
    fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0644);
    if (fd < 0)
        return -1;
    if (write_all(fd, text)) {
        e = errno;
        close(fd);
        goto fail;
    }
    if (!close(fd) && !rename(other, path))
        return 0;
    e = errno;

 fail:
    unlink(other);
    errno = e;
    return -1;
}

void metrics_write(struct agent *a, uint64_t now_ms)
{
    const char *path = a->conf.metrics_file;
    char *text;

    if (!path[0])
        return;
    text = metrics_text(a, now_ms);
    if (!text || replace_file(path, text))
        log_trouble(&a->said_metrics, true, "metrics: %s: %s; the rest goes on",
                    path, strerror(errno));
    else
        log_trouble(&a->said_metrics, false, "metrics: %s is written again",
                    path);
    free(text);
}

void metrics_remove(const struct conf *conf)
{
    if (conf->metrics_file[0])
        unlink(conf->metrics_file);
}
