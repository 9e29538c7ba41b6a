/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched=activity and units that have to do with each other: vCPUs of a guest that
 * wait for each other, senders and receivers of events, units of other queues.
 */
#include "tests.h"

/* A guest whose vCPUs all compute. */
static struct domain *computes(unsigned int domid, unsigned int vcpus)
{
    struct domain *d = sim_guest_create(domid, 0, vcpus);
    struct vcpu *v;

    ASSERT(d);
    for_each_vcpu ( d, v )
        sim_work(v, SIM_HOG, 0, 0);

    return d;
}

static void yield_to_sibling(void)
{
    struct domain *pair, *other;
    unsigned int i, trades = 0, stays = 0, yields = 0;
    s_time_t since, ran, got;

    boot(1);
    pair = computes(1, 2);
    other = hog(2, 0);
    sim_run(MILLISECS(200));
    since = sim.now_ns;
    ran = ran_ns(other);
    for ( i = 0; i < 10000; i++ )
    {
        struct vcpu *v = sim_current[0];

        sim_run(MICROSECS(200));
        if ( sim_current[0] != v || v->domain != pair )
            continue;
        yields++;
        sim_yield(v);
        sim_run(MICROSECS(5));
        trades += sim_current[0] == pair->vcpu[!v->vcpu_id];
        stays += sim_current[0] == v;
    }
    expect(yields > 1000 && !stays, "who spins gives way, but stays %u of %u "
           "times", stays, yields);
    expect(trades > yields * 9 / 10, "... to its sibling that waits, unless it "
           "is the other's turn: %u of %u times", trades, yields);
    got = (ran_ns(other) - ran) * 1000 / (sim.now_ns - since);
    expect(near(got, 333, 10), "... which costs others nothing: a third, not "
           "%"PRId64" permille", got);
    sim_shutdown();
}

static void yield_while_siblings_run(void)
{
    struct domain *pair;
    unsigned int i, cpu, stays = 0, yields = 0;

    boot(2);
    pair = computes(1, 2);
    hog(2, 0);
    sim_run(MILLISECS(100));
    for ( i = 0; i < 1000; i++ )
    {
        sim_run(MICROSECS(300));
        for ( cpu = 0; cpu < 2; cpu++ )
            if ( sim_current[cpu]->domain != pair )
                break;
        if ( cpu < 2 )
            continue;
        yields++;
        sim_yield(sim_current[0]);
        sim_run(MICROSECS(5));
        stays += sim_current[0]->domain == pair;
    }
    expect(yields > 100 && stays == yields, "who spins while its siblings run "
           "goes on, though another guest waits: %u of %u times", stays, yields);
    sim_shutdown();
}

/* How many vCPUs of @d run. */
static unsigned int nr_running(const struct domain *d)
{
    const struct vcpu *v;
    unsigned int nr = 0;

    for_each_vcpu ( d, v )
        nr += v->runstate.state == RUNSTATE_running;

    return nr;
}

/*
 * One vCPU of @gang after the other looks for the rest, each 150 us. How often, of @times,
 * did none run, or at least @least?
 */
static unsigned int spin(const struct domain *gang, unsigned int times,
                         unsigned int least)
{
    unsigned int i, cpu, nr, together = 0;

    for ( i = 0; i < times; i++ )
    {
        sim_run(MICROSECS(150));
        nr = nr_running(gang);
        together += !nr || nr >= least;
        for_each_online_cpu ( cpu )
            if ( sim_current[cpu]->domain == gang )
            {
                sim_yield(sim_current[cpu]);
                break;
            }
    }

    return together;
}

static void gang_takes_turns(void)
{
    struct domain *gang, *others, *sleeper;
    s_time_t since, ran, got;
    unsigned int together;

    boot(4);
    gang = computes(1, 4);
    others = computes(2, 4);
    spin(gang, 2000, 4);

    since = sim.now_ns;
    ran = ran_ns(others);
    together = spin(gang, 10000, 4);
    expect(together > 9800, "a gang runs with all of its vCPUs, or with none: %u of "
           "10000 times", together);
    got = (ran_ns(others) - ran) * 1000 / (sim.now_ns - since);
    expect(near(got, 500, 5), "... and others have their part: each a half of a pCPU, not "
           "%"PRId64" permille", got);

    /* Who comes meanwhile is not held up, and does not undo it. */
    sleeper = periodic(3, MICROSECS(100), MILLISECS(7));
    together = spin(gang, 10000, 3);
    expect(together > 9000, "also beside one that wakes now and then: %u of 10000 times",
           together);
    expect(work(sleeper)->wait_max_ns < MICROSECS(20), "... which runs at once, not after "
           "%"PRId64" ns", work(sleeper)->wait_max_ns);
    sim_shutdown();
}

/* @sender computes in bursts of @burst_ns; 50 us into one it wakes another guest. */
static bool sender_stays(s_time_t burst_ns)
{
    struct domain *sender, *receiver;
    bool stays;

    boot(1);
    sender = periodic(1, burst_ns, MILLISECS(20));
    receiver = periodic(2, MICROSECS(50), MILLISECS(7));
    sim_run(MILLISECS(500));
    /* So that it sleeps when the next burst of the sender begins. */
    while ( sim_current[0] != sender->vcpu[0] ||
            receiver->vcpu[0]->runstate.state != RUNSTATE_blocked )
        sim_run(MICROSECS(10));
    sim_run(min(burst_ns / 4, (s_time_t)MICROSECS(900)));
    ASSERT(sim_current[0] == sender->vcpu[0]);
    sim_event_send(sender->vcpu[0], receiver->vcpu[0],
                   XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
    sim_run(MICROSECS(5));
    stays = sim_current[0] == sender->vcpu[0];
    sim_shutdown();

    return stays;
}

static void sender_goes_on(void)
{
    expect(sender_stays(MICROSECS(300)), "who wakes others in short bursts may "
           "wake more of them first");
}

static void computing_sender_gives_way(void)
{
    expect(!sender_stays(MILLISECS(4)), "who computes and wakes another gives "
           "way");
}

static struct vcpu *pinned(unsigned int domid, unsigned int cpu)
{
    struct vcpu *v = hog(domid, 0)->vcpu[0];

    ASSERT(sim_set_affinity(v, cpumask_of(cpu), NULL) == 0);

    return v;
}

static void steal_after_a_while(void)
{
    struct vcpu *stays, *leaves, *v;
    s_time_t since;

    sim.topology = (struct sim_topology){ .cores_per_socket = 1 };
    boot(2);
    stays = pinned(1, 0);
    leaves = pinned(2, 1);
    /* More units there, so that the next one comes here. */
    pinned(3, 1);
    sim_run(MILLISECS(50));
    v = periodic(4, MILLISECS(3), MILLISECS(20))->vcpu[0];
    put_urgency(v->domain, BACKGROUND, 10000);
    sim_run(MILLISECS(50));
    sim_vcpu_down(sim_domain(3)->vcpu[0]);
    expect(v->processor == 0, "it is where fewer others are");

    while ( v->runstate.state != RUNSTATE_blocked )
        sim_run(MICROSECS(1));
    while ( v->runstate.state == RUNSTATE_blocked )
        sim_run(MICROSECS(1));
    since = sim.now_ns;
    expect(sim_current[0] == stays, "it waits for its turn");
    sim_run(MICROSECS(50));
    sim_vcpu_down(leaves);
    while ( v->runstate.state != RUNSTATE_running )
        sim_run(MICROSECS(1));
    expect(v->processor == 1 && near(sim.now_ns - since, MICROSECS(200), 3000),
           "a pCPU of another queue takes it after 200 us, not after %"PRId64
           " ns on pCPU %u", sim.now_ns - since, v->processor);
    sim_shutdown();
}

const struct test gang_tests[] = {
    { "yield to a sibling", yield_to_sibling },
    { "yield while all siblings run", yield_while_siblings_run },
    { "a gang takes turns", gang_takes_turns },
    { "who sends goes on", sender_goes_on },
    { "who sends and computes gives way", computing_sender_gives_way },
    { "steal after a while", steal_after_a_while },
    { NULL }
};

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
