/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains that work for others: sched=activity lets them inherit urgency, and
 * charges the sender.
 */
#include "tests.h"

#define BOOST_NS MILLISECS(2)
#define MORE_NS  MICROSECS(50)
#define LEASE_MS 600000

enum { DOM0 = 1, CLIENT, HOG };     /* domids; as many hogs as are wanted */

static struct domain *dom0, *client;

static struct act_unit *unit_of(const struct domain *d)
{
    return act_unit(d->vcpu[0]->sched_unit);
}

/* dom0 and others compute on @cpus; the client does for @burst_ns each 20 ms. */
static void live(unsigned int cpus, unsigned int hogs, s_time_t burst_ns)
{
    unsigned int i;

    boot(cpus);
    dom0 = hog(DOM0, 0);
    client = periodic(CLIENT, burst_ns, MILLISECS(20));
    for ( i = 0; i < hogs; i++ )
        hog(HOG + i, 0);
    sim_run(MILLISECS(300));
}

static bool runs(const struct domain *d)
{
    return sim_executes(d->vcpu[0]);
}

static void until_runs(const struct domain *d)
{
    while ( !runs(d) )
        sim_run(MICROSECS(1));
}

/* The client sends an event while dom0 runs, or waits. */
static void until_sender(bool dom0_runs)
{
    while ( !runs(client) || runs(dom0) != dom0_runs ||
            (!dom0_runs && unit_of(dom0)->state != ACT_QUEUED) )
        sim_run(MICROSECS(1));
}

static void send_event(struct domain *from, struct domain *to)
{
    sim_event_send(from->vcpu[0], to->vcpu[0],
                   XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
}

/* How much less it was charged than it ran; all weights are those of new domains. */
static s_time_t uncharged_ns(const struct domain *d)
{
    const struct act_unit *su = unit_of(d);
    s_time_t due_ns = su->running ? sim.now_ns - su->charged : 0;

    return sim_run_ns(d->vcpu[0]) - due_ns - su->vruntime;
}

static void receiver_goes_first(void)
{
    s_time_t ran;

    live(1, 3, MICROSECS(200));
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_run(MILLISECS(100));
    until_sender(false);
    send_event(client, dom0);
    sim_run(MICROSECS(5));
    expect(runs(client), "who sends may have more to send");
    ran = ran_ns(dom0);
    while ( runs(client) )
        sim_run(MICROSECS(1));
    sim_run(MICROSECS(2));
    expect(runs(dom0), "dom0 goes next, though it is not its turn");
    while ( unit_of(dom0)->donor )
        sim_run(MICROSECS(1));
    expect(near(ran_ns(dom0) - ran, BOOST_NS, 2000), "for 2 ms, not for %"PRId64
           " ns", ran_ns(dom0) - ran);
    expect(unit_of(dom0)->class == ACT_FAIR, "then it is one like all others");
    expect(unit_of(client)->lent == BOOST_NS, "the client owes just that, not %"
           PRId64" ns", unit_of(client)->lent);
    until_runs(client);
    expect(unit_of(client)->lent == 0, "... and is charged when it wakes");
    sim_shutdown();
}

/* After an event that must not matter. */
static void expect_nothing(const char *why)
{
    expect(!unit_of(dom0)->donor && unit_of(dom0)->class == ACT_FAIR,
           "%s lends nothing", why);
}

static void others_lend_nothing(void)
{
    live(1, 3, MICROSECS(200));
    until_sender(false);
    send_event(client, dom0);
    expect_nothing("who is not urgent");

    put_urgency(client, BACKGROUND, LEASE_MS);
    reserve(client, 0, 1000, 10000, LEASE_MS, NULL);
    sim_run(MILLISECS(100));
    until_sender(false);
    send_event(client, dom0);
    expect_nothing("a background guest");
    reserve(client, 0, 0, 0, 0, NULL);

    put_urgency(client, CRITICAL, 10);
    sim_run(MILLISECS(100));
    until_sender(false);
    send_event(client, dom0);
    expect_nothing("whose lease is over");
    sim_shutdown();
}

/* With a pCPU to itself the client gets ahead of those who share the other one. */
static void debtor_lends_nothing(void)
{
    unsigned int i;

    live(2, 4, MICROSECS(200));
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_set_affinity(dom0->vcpu[0], cpumask_of(0), NULL);
    for ( i = 0; i < 4; i++ )
        sim_set_affinity(sim_domain(HOG + i)->vcpu[0], cpumask_of(0), NULL);
    sim_run(MILLISECS(20));
    until_sender(false);
    send_event(client, dom0);
    expect(unit_of(dom0)->donor, "who is not in debt lends");

    sim_work(client->vcpu[0], SIM_HOG, 0, 0);
    sim_run(MILLISECS(150));
    until_sender(false);
    send_event(client, dom0);
    expect_nothing("who is in debt");
    sim_shutdown();
}

/* To the nanosecond, when sender and receiver run at the same time. */
static void charged_exactly(void)
{
    s_time_t client_ns, dom0_ns, since;

    live(2, 4, MILLISECS(8));
    put_urgency(client, INTERACTIVE, LEASE_MS);
    sim_run(MILLISECS(100));
    until_sender(false);
    client_ns = uncharged_ns(client);
    dom0_ns = uncharged_ns(dom0);
    send_event(client, dom0);
    since = sim.now_ns;
    until_runs(dom0);
    expect(sim.now_ns - since <= 2000 && unit_of(dom0)->class == ACT_BOOSTED,
           "dom0 takes another's pCPU at once, not after %"PRId64" ns",
           sim.now_ns - since);
    while ( unit_of(dom0)->donor || unit_of(client)->lent )
        sim_run(MICROSECS(1));
    dom0_ns = uncharged_ns(dom0) - dom0_ns;
    client_ns -= uncharged_ns(client);
    expect(dom0_ns == BOOST_NS, "dom0 is not charged for 2 ms, not %"PRId64
           " ns", dom0_ns);
    expect(client_ns == BOOST_NS, "the client is, not for %"PRId64" ns",
           client_ns);
    sim_shutdown();
}

static void answer_ends_it(void)
{
    s_time_t since, answered;

    live(1, 3, MICROSECS(200));
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_run(MILLISECS(100));
    until_sender(false);
    send_event(client, dom0);
    while ( runs(client) )
        sim_run(MICROSECS(1));
    until_runs(dom0);
    since = unit_of(dom0)->picked;
    sim_run(MICROSECS(100));
    answered = sim.now_ns;
    send_event(dom0, sim_domain(HOG));
    while ( unit_of(dom0)->donor )
        sim_run(MICROSECS(1));
    expect(near(sim.now_ns - answered, MORE_NS, 2000), "it ends 50 us after dom0 "
           "has sent an event, not %"PRId64" ns", sim.now_ns - answered);
    expect(unit_of(client)->lent == answered - since + MORE_NS, "the client owes "
           "no more than that, but %"PRId64" ns", unit_of(client)->lent);
    sim_shutdown();
}

static void receiver_runs(void)
{
    struct domain *d;
    s_time_t since;
    unsigned int i;

    live(2, 4, MILLISECS(8));
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_run(MILLISECS(100));
    until_sender(true);
    since = sim.now_ns;
    send_event(client, dom0);
    expect(unit_of(dom0)->class == ACT_CRITICAL &&
           unit_of(dom0)->donor == unit_of(client), "dom0, which runs, is as "
           "urgent from now on");
    /* Others wake, who would go first. */
    for ( i = 0; i < 3; i++ )
    {
        d = guest(HOG + 10 + i, 0);
        sim_event(d->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_VIRQ);
    }
    while ( unit_of(dom0)->donor )
    {
        expect(runs(dom0), "dom0 keeps its pCPU");
        sim_run(MICROSECS(10));
    }
    expect(near(sim.now_ns - since, BOOST_NS, 15000), "... for 2 ms, not %"
           PRId64" ns", sim.now_ns - since);
    sim_shutdown();
}

/* dom0 waits with an event that others sent: another one does not kick it. */
static void upcall_pending_before(void)
{
    live(1, 3, MICROSECS(200));
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_run(MILLISECS(100));
    until_sender(false);
    sim_event(dom0->vcpu[0], XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN);
    expect(!unit_of(dom0)->donor, "another's event brings nothing");
    send_event(client, dom0);
    expect(unit_of(dom0)->donor == unit_of(client) &&
           unit_of(dom0)->class == ACT_CRITICAL, "the one that comes while it is "
           "pending counts");
    sim_shutdown();
}

static void sleeper_inherits(void)
{
    live(1, 3, MICROSECS(200));
    sim_work(dom0->vcpu[0], SIM_NONE, 0, 0);
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_run(MILLISECS(100));
    while ( !runs(client) )
        sim_run(MICROSECS(1));
    send_event(client, dom0);
    expect(unit_of(dom0)->class == ACT_CRITICAL, "who wakes because of it");
    while ( dom0->vcpu[0]->runstate.state != RUNSTATE_blocked )
        sim_run(MICROSECS(1));
    expect(!unit_of(dom0)->donor && unit_of(client)->promised == 0 &&
           unit_of(client)->lent < MICROSECS(10), "... and has done it, owes "
           "nothing more: %"PRId64" ns", unit_of(client)->lent);
    sim_shutdown();
}

/* Beyond its share it lends of its reservation, until that is used up. */
static void reservation_lends(void)
{
    s_time_t left;

    live(1, 3, MICROSECS(200));
    reserve(client, 0, 1000, 20000, LEASE_MS, NULL);
    sim_run(MILLISECS(100));
    until_sender(false);
    left = unit_of(client)->reserve_left;
    expect(left > 0 && left <= MILLISECS(1), "it runs by its reservation");
    send_event(client, dom0);
    expect(unit_of(dom0)->class == ACT_CRITICAL, "dom0 goes behind those with "
           "reservations");
    while ( unit_of(dom0)->donor )
        sim_run(MICROSECS(1));
    left = unit_of(client)->lent;
    expect(left == BOOST_NS, "all of it is lent: %"PRId64" ns", left);
    until_runs(client);
    /* 1 ms each 20 ms; 2 ms are two periods' worth, of which one is over. */
    expect(unit_of(client)->reserve_left <= 0, "and is taken off the slice: %"
           PRId64" ns are left", unit_of(client)->reserve_left);
    sim_shutdown();
}

enum { SENDER_DESTROYED, SENDER_MOVED, RECEIVER_DESTROYED, RECEIVER_MOVED };

static void one_goes(unsigned int what)
{
    bool sender = what <= SENDER_MOVED;
    struct domain *goes, *stays;

    live(2, 3, MICROSECS(200));
    ASSERT(sim_pool_create(1, ACTIVITY) == 0);
    ASSERT(sim_cpu_rm(1, false) == 0 && sim_cpu_add(1, 1) == 0);
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_run(MILLISECS(100));
    until_sender(false);
    send_event(client, dom0);
    expect(unit_of(dom0)->donor, "dom0 works for it");
    goes = sender ? client : dom0;
    stays = sender ? dom0 : client;
    if ( what == SENDER_MOVED || what == RECEIVER_MOVED )
        expect(sim_domain_move(goes, 1) == 0, "it moves");
    else
        sim_domain_destroy(goes);
    expect(!unit_of(stays)->donor && !unit_of(stays)->promised,
           "what was promised is void");
    if ( sender )
        expect(unit_of(dom0)->class == ACT_FAIR && near(share_of(dom0,
               SECONDS(1)), 2500, 60), "dom0 is an ordinary one, and gets its "
               "share");
    else
        sim_run(SECONDS(1));
    sim_shutdown();
}

static void sender_destroyed(void)
{
    one_goes(SENDER_DESTROYED);
}

static void sender_moved(void)
{
    one_goes(SENDER_MOVED);
}

static void receiver_destroyed(void)
{
    one_goes(RECEIVER_DESTROYED);
}

static void receiver_moved(void)
{
    one_goes(RECEIVER_MOVED);
}

/* However many events it sends, it has no more than its share. */
static void no_gain(void)
{
    s_time_t since, client_ns, dom0_ns;
    unsigned int i;

    live(1, 3, MICROSECS(100));
    put_urgency(client, CRITICAL, LEASE_MS);
    sim_work(client->vcpu[0], SIM_PERIODIC, MICROSECS(100), MILLISECS(1));
    sim_run(SECONDS(1));
    since = sim.now_ns;
    client_ns = ran_ns(client);
    dom0_ns = ran_ns(dom0);
    for ( i = 0; i < 500000; i++ )
    {
        sim_run(MICROSECS(10));
        if ( runs(client) )
            send_event(client, dom0);
    }
    since = sim.now_ns - since;
    client_ns = ran_ns(client) - client_ns;
    dom0_ns = ran_ns(dom0) - dom0_ns;
    expect((client_ns + dom0_ns) * 1000 / since <= 404, "both together have two "
           "fifths, not %"PRId64" permille", (client_ns + dom0_ns) * 1000 / since);
    sim_shutdown();
}

const struct test inherit_tests[] = {
    { "inherit: the receiver goes first, for a while", receiver_goes_first },
    { "inherit: charged exactly", charged_exactly },
    { "inherit: who is not urgent lends nothing", others_lend_nothing },
    { "inherit: who is in debt lends nothing", debtor_lends_nothing },
    { "inherit: an answer ends it", answer_ends_it },
    { "inherit: the receiver runs", receiver_runs },
    { "inherit: an event is pending already", upcall_pending_before },
    { "inherit: the receiver sleeps", sleeper_inherits },
    { "inherit: of a reservation", reservation_lends },
    { "inherit: the sender is destroyed", sender_destroyed },
    { "inherit: the sender moves to another pool", sender_moved },
    { "inherit: the receiver is destroyed", receiver_destroyed },
    { "inherit: the receiver moves to another pool", receiver_moved },
    { "inherit: nobody gains share", no_gain },
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
