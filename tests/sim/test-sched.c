/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-sched [-v] [-s SEED] [-n SEEDS] [-k STEP,...] [NAME]: runs the tests whose
 * names contain NAME. Each runs in a process of its own, on a machine of its
 * own. -s and -n choose the seeds of the random tests, -v shows more. -k repeats
 * these steps only of seed SEED, and shows them; NAME is the whole name then.
 *
 * test-sched [-s SEED] --operations N: only so many random operations.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

#define SEEDS 15

bool tests_verbose;
uint64_t first_seed = 1;
unsigned int nr_seeds = SEEDS;
const char *kept_steps;

static bool failed;

bool expect(bool ok, const char *fmt, ...)
{
    va_list args;

    if ( ok )
        return true;
    failed = true;
    printf("#   expected: ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");

    return false;
}

int put(struct domain *d, uint32_t set, unsigned int weight, unsigned int cap,
        unsigned int urgency, unsigned int lease_ms)
{
    struct xen_domctl_scheduler_op op = {
        .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
        .u.activity = { .set = set, .weight = weight, .cap = cap,
                        .urgency = urgency, .lease_ms = lease_ms },
    };

    return sim_adjust(d, &op);
}

int reserve(struct domain *d, unsigned int vcpu, unsigned int slice_us,
            unsigned int period_us, unsigned int lease_ms,
            unsigned int *free_permille)
{
    struct xen_domctl_scheduler_op op = {
        .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
        .u.activity = { .set = XEN_SCHED_ACTIVITY_SET_RESERVATION,
                        .vcpu = vcpu, .slice_us = slice_us,
                        .period_us = period_us,
                        .reserve_lease_ms = lease_ms },
    };
    int rc = sim_adjust(d, &op);

    if ( free_permille )
        *free_permille = op.u.activity.free_permille;

    return rc;
}

struct xen_domctl_sched_activity get(struct domain *d)
{
    return get_reservation(d, 0);
}

struct xen_domctl_sched_activity get_reservation(struct domain *d,
                                                 unsigned int vcpu)
{
    struct xen_domctl_scheduler_op op = {
        .cmd = XEN_DOMCTL_SCHEDOP_getinfo,
        .u.activity.vcpu = vcpu,
    };
    int rc = sim_adjust(d, &op);

    ASSERT(!rc);

    return op.u.activity;
}

int records(unsigned int pool, unsigned int page,
            struct xen_sched_activity_record *rec, unsigned int room)
{
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_getinfo,
        .cpupool_id = pool,
        .sched_id = ACTIVITY,
        .u.sched_activity.op = XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS,
    };
    struct xen_sysctl_sched_activity_records *r =
        &op.u.sched_activity.u.records;
    unsigned int nr = 0;

    for ( ; ; )
    {
        int rc;

        ASSERT(nr + page <= room);
        r->nr = page;
        r->size = sizeof(*rec);
        set_xen_guest_handle(r->buffer, (uint8_t *)&rec[nr]);
        rc = sim_adjust_global(&op);
        if ( rc )
            return rc;
        ASSERT(r->nr <= page && r->size == sizeof(*rec));
        if ( !r->nr )
            return nr;
        nr += r->nr;
    }
}

void boot_two_pools(void)
{
    int rc;

    boot(2);
    rc = sim_cpu_rm(1, false) ?: sim_pool_create(1, ACTIVITY) ?:
         sim_cpu_add(1, 1);
    ASSERT(!rc);
}

struct domain *guest(unsigned int domid, unsigned int weight)
{
    struct domain *d = sim_guest_create(domid, 0, 1);

    ASSERT(d);
    if ( weight )
    {
        int rc = put_weight(d, weight);

        ASSERT(!rc);
    }

    return d;
}

struct domain *hog(unsigned int domid, unsigned int weight)
{
    struct domain *d = guest(domid, weight);

    sim_work(d->vcpu[0], SIM_HOG, 0, 0);

    return d;
}

struct domain *periodic(unsigned int domid, s_time_t burst_ns,
                               s_time_t period_ns)
{
    struct domain *d = guest(domid, 0);

    sim_work(d->vcpu[0], SIM_PERIODIC, burst_ns, period_ns);

    return d;
}

struct sim_work *work(const struct domain *d)
{
    return d->vcpu[0]->work;
}

s_time_t ran_ns(const struct domain *d)
{
    return sim_run_ns(d->vcpu[0]);
}

unsigned int share_of(const struct domain *d, s_time_t for_ns)
{
    s_time_t before = ran_ns(d);

    sim_run(for_ns);

    return (ran_ns(d) - before) * 10000 / for_ns;
}

bool near(long a, long b, long tolerance)
{
    return labs(a - b) <= tolerance;
}

void boot(unsigned int cpus)
{
    sim_boot(1, cpus, ACTIVITY);
    sim.verbose = tests_verbose;
    sim.check = check_activity;
}

void each_seed(void (*run_seed)(uint64_t seed), const char *what)
{
    unsigned int i;

    for ( i = 0; i < nr_seeds; i++ )
    {
        int status = 1;
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if ( !pid )
        {
            alarm(30);
            run_seed(first_seed + i);
            exit(0);
        }
        if ( pid < 0 || waitpid(pid, &status, 0) < 0 )
            status = 1;
        expect(!status, "seed %"PRIu64" %s", first_seed + i, what);
    }
}

static int run(const struct test *t)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if ( pid < 0 )
    {
        perror("fork");
        return 1;
    }
    if ( !pid )
    {
        /* Who asks for more than usual has the time. */
        if ( nr_seeds <= SEEDS )
            alarm(120);
        t->run();
        exit(failed);
    }
    if ( waitpid(pid, &status, 0) < 0 )
        status = -1;
    printf("%s - sim: %s\n", status ? "not ok" : "ok", t->name);

    return status != 0;
}

static uint64_t number(const char *option, const char *text)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 0);
    if ( errno || end == text || *end || *text == '-' || !value )
    {
        fprintf(stderr, "test-sched: %s %s: need a number from 1\n", option,
                text);
        exit(2);
    }

    return value;
}

int main(int argc, char *argv[])
{
    static const struct option long_options[] = {
        { "operations", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 }
    };
    const struct test *lists[] = { path_tests, directed_tests, control_tests,
                                   cap_tests, evidence_tests, gang_tests, failing_tests,
                                   calm_tests, inherit_tests, pinned_tests, reserve_tests,
                                   random_tests };
    const struct test *t;
    const char *name = "";
    int opt, failures = 0, runs = 0;
    uint64_t operations = 0;
    unsigned int i;

    while ( (opt = getopt_long(argc, argv, "vs:n:k:", long_options,
                               NULL)) != -1 )
        switch ( opt )
        {
        case 'v':
            tests_verbose = true;
            break;
        case 's':
            first_seed = strtoull(optarg, NULL, 0);
            break;
        case 'n':
            nr_seeds = strtoul(optarg, NULL, 0);
            break;
        case 'k':
            kept_steps = optarg;
            break;
        case 'o':
            operations = number("--operations", optarg);
            break;
        default:
            fprintf(stderr, "usage: %s [-v] [-s SEED] [-n SEEDS] "
                    "[-k STEP,...] [NAME]\n"
                    "       %s [-s SEED] --operations N\n", argv[0], argv[0]);
            return 2;
        }
    if ( operations )
        return random_long(operations) != 0;
    if ( optind < argc )
        name = argv[optind];

    for ( i = 0; i < ARRAY_SIZE(lists); i++ )
        for ( t = lists[i]; t->name; t++ )
            if ( kept_steps ? !strcmp(t->name, name)
                            : strstr(t->name, name) != NULL )
            {
                failures += run(t);
                runs++;
            }
    if ( !runs )
        fprintf(stderr, "%s: no test is called \"%s\"\n", argv[0], name);

    return failures || !runs;
}
