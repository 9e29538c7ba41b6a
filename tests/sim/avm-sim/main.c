/* SPDX-License-Identifier: GPL-2.0-or-later */
/* avm-sim: the command line. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cost.h"
#include "import.h"
#include "plot.h"
#include "report.h"
#include "run.h"

#define NR_SCHEDS_MAX 16
/* Of the machine that this is made for. */
#define PARALLEL 2

static const char help[] =
"avm-sim: Xen's schedulers in a simulated machine, scored against the limit\n"
"\n"
"  avm-sim run FILE [options]   run a scenario, print what each scheduler got\n"
"      --sched A,B      only these schedulers (default: all)\n"
"      --variant NAME   only this variant of the scenario\n"
"      --seed N         first seed (default 1)\n"
"      --seeds N        how many seeds (default 5); the worst one counts\n"
"      --json           print JSON\n"
"      --domains        print, as JSON, what each domain got instead of a score\n"
"      --trace OUT      write the schedule of the first run as CSV\n"
"      --xentrace OUT   and what xentrace would have written\n"
"  avm-sim plot TRACE OUT.svg [--from MS] [--for MS]\n"
"                               draw a schedule: who ran where, and when\n"
"  avm-sim import XENTRACE OUT [--text] [--mhz N]\n"
"                               what xentrace wrote on a real host, as a schedule\n"
"                               to plot, or as text; --mhz: of its TSC\n"
"  avm-sim bench DIR OUT.json [options]\n"
"                               every scenario in DIR under every scheduler\n"
"      --seeds N        as above\n"
"      --cost FILE      put in what \"avm-sim cost --all\" wrote\n"
"      --markdown FILE  write a table, too\n"
"      --chart FILE     and a picture of it\n"
"  avm-sim cost SCHED UNITS[/PCPUS]\n"
"                               do a fixed mix of operations, for callgrind\n"
"  avm-sim cost --all OUT.json  instructions per operation, with callgrind\n"
"  avm-sim list                 schedulers, kinds of tasks and scores\n"
"\n"
"A score is from 0 to 1, and 1 is the best that this machine allows.\n"
"docs/simulator.md tells how to write a scenario and how to read a score.\n"
"Exit status: 0; 1 something is wrong with a file or a run; 2 wrong usage.\n";

static int __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "avm-sim: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, " (avm-sim --help tells more)\n");
    va_end(args);
    exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t min,
                       uint64_t max)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if ( *text < '0' || *text > '9' || *end || errno || n < min || n > max )
        usage("--%s wants a number from %llu to %llu, not \"%s\"", option,
              (unsigned long long)min, (unsigned long long)max, text);

    return n;
}

static unsigned int all_scheds(const struct sched_def **scheds)
{
    unsigned int nr = 0;

    for ( ; sched_defs[nr].name; nr++ )
        scheds[nr] = &sched_defs[nr];

    return nr;
}

static unsigned int parse_scheds(char *names, const struct sched_def **scheds)
{
    unsigned int nr = 0, i;
    char *name;

    while ( (name = strsep(&names, ",")) )
    {
        const struct sched_def *s = sched_find(name);

        if ( !s )
        {
            fprintf(stderr, "avm-sim: unknown scheduler \"%s\"; known are:",
                    name);
            for ( s = sched_defs; s->name; s++ )
                fprintf(stderr, " %s", s->name);
            fputc('\n', stderr);
            exit(1);
        }
        for ( i = 0; i < nr; i++ )
            if ( scheds[i] == s )
                usage("%s is given twice", name);
        scheds[nr++] = s;
    }

    return nr;
}

enum { O_SCHED = 1, O_VARIANT, O_SEED, O_SEEDS, O_JSON, O_DOMAINS, O_TRACE,
       O_XENTRACE, O_TEXT, O_MHZ, O_FROM, O_FOR, O_COST,
       O_MARKDOWN, O_CHART, O_ALL, O_HELP };
static const struct option options[] = {
    { "sched", required_argument, NULL, O_SCHED },
    { "variant", required_argument, NULL, O_VARIANT },
    { "seed", required_argument, NULL, O_SEED },
    { "seeds", required_argument, NULL, O_SEEDS },
    { "json", no_argument, NULL, O_JSON },
    { "domains", no_argument, NULL, O_DOMAINS },
    { "trace", required_argument, NULL, O_TRACE },
    { "xentrace", required_argument, NULL, O_XENTRACE },
    { "text", no_argument, NULL, O_TEXT },
    { "mhz", required_argument, NULL, O_MHZ },
    { "from", required_argument, NULL, O_FROM },
    { "for", required_argument, NULL, O_FOR },
    { "cost", required_argument, NULL, O_COST },
    { "markdown", required_argument, NULL, O_MARKDOWN },
    { "chart", required_argument, NULL, O_CHART },
    { "all", required_argument, NULL, O_ALL },
    { "help", no_argument, NULL, O_HELP },
    { NULL }
};

static const struct {
    const char *name;
    unsigned int args;
    unsigned int takes;         /* options, as bits */
} verbs[] = {
    { "run", 1, 1u << O_SCHED | 1u << O_VARIANT | 1u << O_SEED | 1u << O_SEEDS |
                1u << O_JSON | 1u << O_DOMAINS | 1u << O_TRACE |
                1u << O_XENTRACE },
    { "plot", 2, 1u << O_FROM | 1u << O_FOR },
    { "bench", 2, 1u << O_SEEDS | 1u << O_COST | 1u << O_MARKDOWN |
                  1u << O_CHART },
    { "cost", 2, 1u << O_ALL },
    { "import", 2, 1u << O_TEXT | 1u << O_MHZ },
    { "list", 0, 0 },
};
#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int list(void)
{
    const struct sched_def *s;
    unsigned int i;

    printf("Schedulers:");
    for ( s = sched_defs; s->name; s++ )
        printf(" %s", s->name);
    printf("\n\nKinds of tasks, with their keys:\n\n");
    scenario_describe();
    printf("\nKinds of scores:");
    for ( i = 0; i < SCORE_KINDS; i++ )
        printf(" %s", score_kind_names[i]);
    printf("\n");

    return 0;
}

static int run(const char *file, const char *variant, struct work *w, bool json)
{
    unsigned int nr, i;
    struct scenario *all = scenario_read(file, &nr);
    struct row *rows;

    w->scenarios = all;
    w->nr_scenarios = nr;
    if ( variant )
    {
        for ( i = 0; i < nr && strcmp(all[i].variant, variant); i++ )
            continue;
        if ( i == nr )
        {
            fprintf(stderr, "%s: there is no variant \"%s\"; there are:", file,
                    variant);
            for ( i = 0; i < nr; i++ )
                fprintf(stderr, " %s", all[i].variant);
            fputc('\n', stderr);
            return 1;
        }
        w->scenarios = &all[i];
        w->nr_scenarios = 1;
    }
    rows = run_all(w);
    if ( w->domains )
        return report_domains(stdout, w, rows);

    return json ? report_json(stdout, w, rows, NULL)
                : report_table(stdout, w, rows);
}

int main(int argc, char *argv[])
{
    const struct sched_def *scheds[NR_SCHEDS_MAX];
    struct work w = { .scheds = scheds, .seeds = { 1, SEEDS_DEFAULT },
                      .parallel = PARALLEL };
    const char *variant = NULL, *all = NULL, *units;
    char *host;
    struct bench b = { 0 };
    uint64_t from_ms = 0, for_ms = 50;
    unsigned int verb, given = 0, mhz = 0;
    bool json = false, text = false;
    int opt;

    w.nr_scheds = all_scheds(scheds);
    while ( (opt = getopt_long(argc, argv, "h", options, NULL)) != -1 )
    {
        if ( opt < O_HELP )
            given |= 1u << opt;
        switch ( opt )
        {
        case O_SCHED:
            w.nr_scheds = parse_scheds(optarg, scheds);
            break;
        case O_VARIANT:
            variant = optarg;
            break;
        case O_SEED:
            w.seeds.first = number("seed", optarg, 0, UINT32_MAX);
            break;
        case O_SEEDS:
            w.seeds.nr = number("seeds", optarg, 1, SEEDS_MAX);
            break;
        case O_JSON:
            json = true;
            break;
        case O_DOMAINS:
            w.domains = true;
            break;
        case O_TRACE:
            w.trace = optarg;
            break;
        case O_XENTRACE:
            w.xentrace = optarg;
            break;
        case O_TEXT:
            text = true;
            break;
        case O_MHZ:
            mhz = number("mhz", optarg, 1, 100000);
            break;
        case O_FROM:
            from_ms = number("from", optarg, 0, 3600000);
            break;
        case O_FOR:
            for_ms = number("for", optarg, 1, 3600000);
            break;
        case O_COST:
            b.cost = optarg;
            break;
        case O_MARKDOWN:
            b.markdown = optarg;
            break;
        case O_CHART:
            b.chart = optarg;
            break;
        case O_ALL:
            all = optarg;
            break;
        case O_HELP:
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return 2;
        }
    }

    if ( optind == argc )
        usage("what to do?");
    for ( verb = 0; verb < NR_VERBS; verb++ )
        if ( !strcmp(argv[optind], verbs[verb].name) )
            break;
    if ( verb == NR_VERBS )
        usage("unknown verb \"%s\"", argv[optind]);
    if ( given & ~verbs[verb].takes )
        usage("%s does not take one of these options", verbs[verb].name);
    argv += optind + 1;
    argc -= optind + 1;
    if ( argc != (all ? 0 : verbs[verb].args) )
        usage("%s wants %u arguments", verbs[verb].name, verbs[verb].args);

    switch ( verb )
    {
    case 0:
        return run(argv[0], variant, &w, json);
    case 1:
        return plot(argv[0], argv[1], from_ms, for_ms);
    case 2:
        b.folder = argv[0];
        b.out = argv[1];
        return bench(&b, &w);
    case 3:
        if ( all )
            return cost_all(all);
        parse_scheds(argv[0], scheds);
        host = argv[1];
        units = strsep(&host, "/");
        return cost(scheds[0], number("units", units, 2, SCENARIO_VCPUS_MAX),
                    host ? number("pcpus", host, 1, SCENARIO_PCPUS_MAX) : 0);
    case 4:
        return import(argv[0], argv[1], mhz, text);
    default:
        return list();
    }
}
