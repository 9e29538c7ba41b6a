/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* Of all of the time; the rest of an 80 column line is figures. */
#define BAR_WIDTH 48

#define FIGURE_LEN 32

static const struct {
    const char *metric, *title;
    enum { PERCENT, MICROSECONDS, BYTES } unit;
} figures[] = {
    { "demand_permille", "CPU wanted, of one pCPU", PERCENT },
    { "wait_permille", "CPU waited for, of one pCPU", PERCENT },
    { "latency_p99_us", "99% of wake-ups ran within", MICROSECONDS },
    { "net_bps", "network, both ways", BYTES },
    { "disk_bps", "disk, read and written", BYTES },
};

#define NR_FIGURES (sizeof(figures) / sizeof(figures[0]))

static const char *figure_str(size_t f, int64_t v, char *buf)
{
    static const char *const units[] = { "B", "kB", "MB", "GB" };
    size_t i = 0;

    if (figures[f].unit == PERCENT) {
        snprintf(buf, FIGURE_LEN, "%" PRId64 ".%" PRId64 "%%", v / 10, v % 10);
    } else if (figures[f].unit == MICROSECONDS) {
        snprintf(buf, FIGURE_LEN, "%" PRId64 " us", v);
    } else if (!v) {
        snprintf(buf, FIGURE_LEN, "none");
    } else {
        for (; i < 3 && v % 1000 == 0; i++)
            v /= 1000;
        snprintf(buf, FIGURE_LEN, "%" PRId64 " %s/s", v, units[i]);
    }
    return buf;
}

/* null is more than the last but one, which is the last number of "most". */
static const char *most_str(size_t f, const struct avm_json_value *v,
                            char *buf)
{
    if (!v || avm_json_is_null(v))
        return "more";
    return figure_str(f, avm_json_get_int(v, 0), buf);
}

static int64_t permille(int64_t ms, int64_t of)
{
    return of > 0 ? ms * 1000 / of : 0;
}

static int64_t sum_of(const struct avm_json_value *of)
{
    const struct avm_json_value *v;
    int64_t sum = 0;

    for (v = avm_json_first(of); v; v = avm_json_next(v))
        sum += avm_json_get_int(v, 0);
    return sum;
}

/* ------------------------------------------------------------------------ */
/* One                                                                      */

/* Something is never nothing: a tenth of a percent has its dot. */
static void print_bar(const char *what, int64_t ms, int64_t of)
{
    int64_t p = permille(ms, of);
    int width = (int)(p * BAR_WIDTH / 1000);

    printf("  %-12s %3" PRId64 ".%" PRId64 "%% ", what, p / 10, p % 10);
    if (ms && !width)
        putchar('.');
    while (width-- > 0)
        putchar('#');
    putchar('\n');
}

static void print_figure(size_t f, const struct avm_json_value *of)
{
    const struct avm_json_value *most = avm_json_get(of, "most");
    const struct avm_json_value *all = avm_json_get(of, "ms"), *m, *ms;
    char usual[FIGURE_LEN], high[FIGURE_LEN], buf[FIGURE_LEN];
    int64_t sum = sum_of(all), seen = 0;

    printf("\n%s: ", figures[f].title);
    if (!sum) {
        printf("nothing known\n");
        return;
    }
    printf("usually at most %s, 95%% of the time at most %s%s\n",
           most_str(f, avm_json_get(of, "usual"), usual),
           most_str(f, avm_json_get(of, "high"), high),
           avm_json_get_bool(avm_json_get(of, "enough"), false) ? "" :
           " (not enough past)");
    /* From the first to the last that has any. */
    for (m = avm_json_first(most), ms = avm_json_first(all); m && ms &&
         seen < sum; m = avm_json_next(m), ms = avm_json_next(ms)) {
        int64_t n = avm_json_get_int(ms, 0);

        seen += n;
        if (seen)
            print_bar(most_str(f, m, buf), n, sum);
    }
}

static void print_one(const struct avm_json_value *d)
{
    const struct avm_json_value *classes = avm_json_get(d, "class_ms"), *c;
    int64_t min = cli_int(d, "observed_ms") / 60000, sum = sum_of(classes);
    size_t f;

    printf("%s (%s), observed for %" PRId64 " h %" PRId64 " min",
           cli_str(d, "name"), cli_str(d, "uuid"), min / 60, min % 60);
    if (!avm_json_get_bool(avm_json_get(d, "enough"), false))
        printf(": not enough past (%" PRId64 " min of %" PRId64 ")", min,
               cli_int(d, "enough_ms") / 60000);
    printf("\n\nclass\n");
    for (c = avm_json_first(classes); c; c = avm_json_next(c))
        if (avm_json_get_int(c, 0))
            print_bar(avm_json_key(c), avm_json_get_int(c, 0), sum);
    for (f = 0; f < NR_FIGURES; f++)
        print_figure(f, avm_json_get(avm_json_get(d, "metrics"),
                                     figures[f].metric));
}

/* ------------------------------------------------------------------------ */
/* All                                                                      */

static void print_cell(const struct avm_json_value *d, size_t f,
                       const char *key, int width)
{
    const struct avm_json_value *of = avm_json_get(avm_json_get(d, "metrics"),
                                                   figures[f].metric);
    char buf[FIGURE_LEN];

    printf(" %*s", width, !avm_json_get_bool(avm_json_get(of, "enough"), false)
           ? "-" : most_str(f, avm_json_get(of, key), buf));
}

static void print_line(const struct avm_json_value *d)
{
    const struct avm_json_value *classes = avm_json_get(d, "class_ms"), *c;
    int64_t min = cli_int(d, "observed_ms") / 60000, sum = sum_of(classes);
    const char *klass = "-";
    int64_t most = 0;
    char id[24] = "-";

    for (c = avm_json_first(classes); c; c = avm_json_next(c))
        if (avm_json_get_int(c, 0) > most) {
            most = avm_json_get_int(c, 0);
            klass = avm_json_key(c);
        }
    if (cli_int(d, "domid") >= 0)
        snprintf(id, sizeof(id), "%" PRId64, cli_int(d, "domid"));
    printf("%-20s %5s %4" PRId64 ":%02" PRId64 " %-13s %3" PRId64 "%%",
           cli_str(d, "name"), id, min / 60, min % 60, klass,
           permille(most, sum) / 10);
    print_cell(d, 0, "usual", 7);
    print_cell(d, 0, "high", 7);
    print_cell(d, 3, "high", 9);
    print_cell(d, 4, "high", 9);
    printf(" %s\n", cli_str(d, "uuid"));
}

static void print_all(const struct avm_json_value *answer)
{
    const struct avm_json_value *d;

    printf("%-20s %5s %7s %-13s %4s %7s %7s %9s %9s %s\n", "Name", "ID",
           "Hours", "Class", "Time", "CPU", "CPU95", "Net95", "Disk95",
           "UUID");
    for (d = avm_json_first(avm_json_get(answer, "domains")); d;
         d = avm_json_next(d))
        print_line(d);
}

static void print(const struct avm_json_value *answer)
{
    const struct avm_json_value *d = avm_json_at(avm_json_get(answer,
                                                              "domains"), 0);

    print_one(d);
}

int cmd_model_show(struct cli *cli, int argc, char **argv)
{
    int rc = cli_words(cli, argc, argv, 0, 1);

    return rc ? rc : cli_run(cli, cli_request("model-show", argv[optind]),
                             argv[optind] ? print : print_all);
}
