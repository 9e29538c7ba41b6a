/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-core [SCHEDULER VCPUS PCPUS MILLISECONDS]: how fast the simulator is.
 *
 * Prints how many scheduling events (runs of schedule(), wake-ups) it does in a
 * second of this machine. Without arguments: the hosts for which it has to be
 * fast. Half of the vCPUs compute, the others sleep most of the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

#define VCPUS_PER_DOMAIN 4
/* Sleepers: a request now and then, as a server would have them. */
#define BURST_NS         MICROSECS(50)
#define SLEEP_NS         MICROSECS(1000)

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);

    return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned int id_of(const char *name)
{
    static const struct { const char *name; unsigned int id; } known[] = {
        { "activity", XEN_SCHEDULER_ACTIVITY },
        { "credit2", XEN_SCHEDULER_CREDIT2 },
        { "credit", XEN_SCHEDULER_CREDIT },
        { "rtds", XEN_SCHEDULER_RTDS },
        { "null", XEN_SCHEDULER_NULL },
    };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(known); i++ )
        if ( !strcmp(known[i].name, name) )
            return known[i].id;
    fprintf(stderr, "bench-core: no scheduler '%s'\n", name);
    exit(2);
}

static void run(const char *name, unsigned int vcpus, unsigned int cpus,
                unsigned int ms)
{
    double boot = seconds(), begin, end;
    unsigned int i;

    sim.topology.threads_per_core = 2;
    sim.topology.cores_per_socket = 8;
    sim_boot(1, cpus, id_of(name));
    for ( i = 0; i < vcpus; i++ )
    {
        unsigned int domid = 1 + i / VCPUS_PER_DOMAIN;
        struct domain *d = sim_domain(domid) ?:
                           sim_guest_create(domid, 0, VCPUS_PER_DOMAIN);

        sim_work(d->vcpu[i % VCPUS_PER_DOMAIN], i & 1 ? SIM_RANDOM : SIM_HOG,
                 BURST_NS, SLEEP_NS);
    }

    begin = seconds();
    sim_run(MILLISECS(ms));
    end = seconds();
    printf("%s: %u vCPUs on %u pCPUs, %u ms: %.2f s (and %.2f s to boot); "
           "%"PRIu64" decisions, %"PRIu64" switches, %"PRIu64" wake-ups; "
           "%.2f million scheduling events/s\n", name, vcpus, cpus, ms,
           end - begin, begin - boot, sim.decisions, sim.switches, sim.wakes,
           (sim.decisions + sim.wakes) / (end - begin) / 1e6);
}

int main(int argc, char *argv[])
{
    static const struct {
        const char *scheduler;
        unsigned int vcpus, cpus, ms;
    } hosts[] = {
        { "activity", 64, 16, 10000 }, { "credit2", 64, 16, 10000 },
        { "activity", 4096, 256, 1000 }, { "credit2", 4096, 256, 1000 },
    };
    unsigned int i;
    int status = 0, one;

    if ( argc == 5 )
    {
        unsigned int vcpus = strtoul(argv[2], NULL, 0);
        unsigned int cpus = strtoul(argv[3], NULL, 0);

        if ( !vcpus || !cpus || cpus > NR_CPUS )
        {
            fprintf(stderr, "bench-core: 1 to %u pCPUs, at least 1 vCPU\n",
                    NR_CPUS);
            return 2;
        }
        run(argv[1], vcpus, cpus, strtoul(argv[4], NULL, 0));
        return 0;
    }
    if ( argc != 1 )
    {
        fprintf(stderr, "usage: %s [SCHEDULER VCPUS PCPUS MILLISECONDS]\n",
                argv[0]);
        return 2;
    }

    for ( i = 0; i < ARRAY_SIZE(hosts); i++ )
    {
        fflush(stdout);
        if ( !fork() )
        {
            run(hosts[i].scheduler, hosts[i].vcpus, hosts[i].cpus,
                hosts[i].ms);
            exit(0);
        }
        if ( wait(&one) < 0 || one )
            status = 1;
    }

    return status;
}
