/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the toolstack does to sched=activity: parameters and records, pools,
 * pCPUs, domains.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests.h"

/* A domain that is out of budget moves to another pool and back. */
static void pool_move_parked(void)
{
    struct domain *d;
    unsigned int share, i;
    int rc;

    boot(2);
    rc = sim_cpu_rm(1, false);
    expect(!rc, "CPU 1 leaves pool 0");
    rc = sim_pool_create(1, ACTIVITY) ?: sim_cpu_add(1, 1);
    expect(!rc, "pool 1 is made of it");
    d = hog(1, 0);
    put_cap(d, 20);
    for ( i = 1; i <= 4; i++ )
    {
        s_time_t until = sim.now_ns + ACT_CAP_PERIOD;

        /* Away from where it begins to run: a move keeps that. */
        sim_run(i);
        while ( act_unit(d->vcpu[0]->sched_unit)->state != ACT_PARKED &&
                sim.now_ns < until )
            sim_run(MILLISECS(1));
        expect(act_unit(d->vcpu[0]->sched_unit)->state == ACT_PARKED,
               "it is parked");
        rc = sim_domain_move(d, i & 1);
        expect(!rc, "it moves");
        put_cap(d, 20);
    }
    share = share_of(d, SECONDS(2));
    expect(near(share, 2000, 60), "it goes on at 20%%, not %u / 10000", share);
    put_cap(d, 0);
    expect(share_of(d, SECONDS(1)) > 9900, "and uncapped it has all");
    sim_shutdown();
}

static void pool_move_keeps_terms(void)
{
    struct domain *d;
    struct xen_domctl_sched_activity op;
    int rc;

    boot_two_pools();
    d = hog(1, 1000);
    put_cap(d, 20);
    put_urgency(d, CRITICAL, 10000);
    rc = sim_domain_move(d, 1);
    ASSERT(!rc);
    op = get(d);
    expect(op.weight == 1000, "the weight survives the move (now %u)",
           op.weight);
    expect(op.cap == 20, "the cap survives the move (now %u)", op.cap);
    expect(op.urgency == XEN_SCHED_ACTIVITY_URGENCY_CRITICAL,
           "the lease survives the move");
    sim_shutdown();
}

static void records_complete(void)
{
    static struct xen_sched_activity_record rec[400];
    static const unsigned int pages[] = { 1, 3, 16, 17, 100 };
    unsigned int i, p;
    struct domain *d;
    struct vcpu *v;
    int nr;

    boot(4);
    for ( i = 0; i < 20; i++ )
    {
        d = sim_guest_create(60 - i * 3, 0, 1 + i % 5);
        for_each_vcpu ( d, v )
            if ( v->vcpu_id != 3 )  /* that one stays blocked */
                sim_work(v, i % 3 ? SIM_RANDOM : SIM_HOG, MICROSECS(500),
                         MILLISECS(3));
    }
    sim_run(SECONDS(1));

    for ( p = 0; p < ARRAY_SIZE(pages); p++ )
    {
        const struct xen_sched_activity_record *r = rec;

        nr = records(0, pages[p], rec, ARRAY_SIZE(rec));
        expect(nr == 60, "all 60 vCPUs are there, not %d", nr);
        for_each_domain ( d )
            for_each_vcpu ( d, v )
            {
                uint64_t sum = r->time_ns[0] + r->time_ns[1] + r->time_ns[2] +
                               r->time_ns[3];
                uint64_t ran = sim_run_ns(v);

                if ( r >= rec + nr )
                    break;
                if ( !expect(r->domid == d->domain_id &&
                             r->vcpu_id == v->vcpu_id,
                             "d%dv%d is next, not d%dv%d", d->domain_id,
                             v->vcpu_id, r->domid, r->vcpu_id) )
                    break;
                expect(sum == SECONDS(1), "d%dv%d: times add up to its age, "
                       "not %"PRIu64, d->domain_id, v->vcpu_id, sum);
                expect(r->time_ns[RUNSTATE_running] == ran,
                       "d%dv%d ran for %"PRIu64" ns, not %"PRIu64,
                       d->domain_id, v->vcpu_id, ran,
                       r->time_ns[RUNSTATE_running]);
                expect(r->state == v->runstate.state &&
                       r->pcpu == v->processor, "its state is right");
                expect(r->blocks == v->work->blocks,
                       "d%dv%d blocked %"PRIu64" times, not %"PRIu64,
                       d->domain_id, v->vcpu_id, v->work->blocks, r->blocks);
                /* Blocked from the start: woken once more than it blocked. */
                expect(v->work->kind == SIM_HOG ||
                       near(r->wakes, r->blocks, 1),
                       "d%dv%d: as many wakes as blocks, not %"PRIu64
                       " and %"PRIu64, d->domain_id, v->vcpu_id, r->wakes,
                       r->blocks);
                r++;
            }
    }
    sim_shutdown();
}

/* They tell what is set, as the domctls do. */
static void records_tell_terms(void)
{
    struct xen_sched_activity_record rec[4];
    struct xen_domctl_sched_activity op;
    cpumask_t mask = { { 0 } };
    struct domain *d;

    boot(70);
    d = sim_guest_create(1, 0, 2);
    guest(2, 0);
    __cpumask_set_cpu(0, &mask);
    __cpumask_set_cpu(63, &mask);
    sim_set_affinity(d->vcpu[0], &mask, NULL);
    sim_set_affinity(d->vcpu[1], cpumask_of(64), NULL);
    put(d, 7, 1000, 150, XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE, 100);
    sim_run(MILLISECS(30));

    expect(records(0, 4, rec, 8) == 3, "three vCPUs");
    op = get(d);
    expect(rec[0].weight == 1000 && rec[0].cap == 150 &&
           rec[0].urgency == XEN_SCHED_ACTIVITY_URGENCY_INTERACTIVE &&
           rec[0].lease_ms == 70 && op.lease_ms == 70,
           "%u %u %u %u (%u)", rec[0].weight, rec[0].cap, rec[0].urgency,
           rec[0].lease_ms, op.lease_ms);
    expect(rec[0].affinity == (1ull << 63 | 1) &&
           !(rec[0].flags & XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE),
           "0 and 63: %#"PRIx64, rec[0].affinity);
    expect(!rec[1].affinity &&
           (rec[1].flags & XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE),
           "64 only: %#"PRIx64, rec[1].affinity);
    expect(rec[2].weight == 256 && !rec[2].cap && !rec[2].urgency &&
           !rec[2].lease_ms && rec[2].affinity == UINT64_MAX &&
           (rec[2].flags & XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE),
           "what a new domain has: %#"PRIx64, rec[2].affinity);

    sim_run(MILLISECS(71));
    expect(records(0, 4, rec, 8) == 3 && !rec[0].urgency && !rec[0].lease_ms &&
           rec[0].weight == 1000, "the lease is over");
    sim_shutdown();
}

/* The domain where the last call ended is gone at the next, or another came. */
static void records_while_domains_go(void)
{
    struct xen_sched_activity_record rec[2];
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_getinfo,
        .sched_id = ACTIVITY,
        .u.sched_activity.op = XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS,
    };
    struct xen_sysctl_sched_activity_records *r =
        &op.u.sched_activity.u.records;
    static const unsigned int seen[] = { 10, 20, 25, 40, 50, 10, 15 };
    unsigned int i;

    boot_two_pools();
    for ( i = 10; i <= 50; i += 10 )
        guest(i, 0);
    for ( i = 0; i < ARRAY_SIZE(seen); i++ )
    {
        switch ( i )
        {
        case 2: /* behind 20 */
            guest(25, 0);
            break;
        case 3: /* the last one, and the next */
            sim_domain_destroy(sim_domain(25));
            sim_domain_destroy(sim_domain(30));
            sim_run(MILLISECS(10));
            break;
        case 4: /* the last one moves away */
            expect(!sim_domain_move(sim_domain(40), 1), "it moves");
            break;
        case 5: /* from the start, while the last one is still there */
            r->cursor = 0;
            break;
        case 6:
            guest(15, 0);
            break;
        }
        r->nr = 1;
        r->size = sizeof(rec[0]);
        set_xen_guest_handle(r->buffer, (uint8_t *)rec);
        expect(!sim_adjust_global(&op) && r->nr == 1 &&
               rec[0].domid == seen[i], "read %u is d%u, not d%u", i, seen[i],
               rec[0].domid);
    }
    sim_shutdown();
}

static void records_odd_size(void)
{
    struct {
        struct xen_sched_activity_record rec;
        uint8_t more[16];
    } big[4];
    struct xen_sysctl_scheduler_op op = {
        .cmd = XEN_SYSCTL_SCHEDOP_getinfo,
        .sched_id = ACTIVITY,
        .u.sched_activity.op = XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS,
    };
    struct xen_sysctl_sched_activity_records *r =
        &op.u.sched_activity.u.records;
    uint8_t *small = malloc(3 * 64);
    unsigned int i, j;
    int rc;

    boot(1);
    for ( i = 1; i <= 3; i++ )
        hog(i, 0);
    sim_run(MILLISECS(100));

    memset(big, 0xee, sizeof(big));
    r->nr = 3;
    r->size = sizeof(big[0]);
    set_xen_guest_handle(r->buffer, (uint8_t *)big);
    rc = sim_adjust_global(&op);
    expect(!rc && r->nr == 3 && r->size == sizeof(big[0].rec),
           "a newer caller is served (%d)", rc);
    for ( i = 0; i < 3; i++ )
    {
        expect(big[i].rec.domid == i + 1, "record %u is there", i);
        expect(big[i].rec.affinity == 1 && !(big[i].rec.flags &
               XEN_SCHED_ACTIVITY_REC_AFFINE_ABOVE), "pCPUs that there are");
        for ( j = 0; j < 16; j++ )
            expect(big[i].more[j] == 0, "what Xen does not know is 0");
    }
    expect(big[3].more[0] == 0xee, "nothing behind the buffer changes");

    ASSERT(small);
    r->cursor = 0;
    r->nr = 3;
    r->size = 64;
    set_xen_guest_handle(r->buffer, small);
    rc = sim_adjust_global(&op);
    expect(!rc && r->nr == 3, "an older caller is served (%d)", rc);
    for ( i = 0; i < 3; i++ )
        expect(*(uint16_t *)(small + 64 * i) == i + 1, "record %u is there", i);

    r->cursor = 0;
    r->nr = 3;
    r->size = 0;
    expect(sim_adjust_global(&op) == -EINVAL, "a size of 0 is refused");
    r->cursor = 0;
    r->nr = 0;
    r->size = sizeof(big[0]);
    rc = sim_adjust_global(&op);
    expect(!rc && !r->nr, "no room, no records");
    r->cursor = ~0ull;
    r->nr = 3;
    rc = sim_adjust_global(&op);
    expect(!rc && !r->nr, "a cursor behind the end ends");
    sim.guest_copy_fails = true;
    r->cursor = 0;
    r->nr = 3;
    expect(sim_adjust_global(&op) == -EFAULT, "a bad buffer is -EFAULT");
    sim.guest_copy_fails = false;
    free(small);
    sim_shutdown();
}

static int params(bool set, struct xen_sysctl_sched_activity_params *p)
{
    struct xen_sysctl_scheduler_op op = {
        .cmd = set ? XEN_SYSCTL_SCHEDOP_putinfo : XEN_SYSCTL_SCHEDOP_getinfo,
        .sched_id = ACTIVITY,
        .u.sched_activity = { .op = XEN_SYSCTL_SCHED_ACTIVITY_OP_PARAMS,
                              .u.params = *p },
    };
    int rc = sim_adjust_global(&op);

    *p = op.u.sched_activity.u.params;

    return rc;
}

/* The log's lines since the last look. */
static char log_text[1024];
static unsigned int log_lines;

static void on_printk(const char *line)
{
    snprintf(log_text + strlen(log_text), sizeof(log_text) - strlen(log_text),
             "%s", line);
    log_lines++;
}

/* There is one new line in the log, which has all of @a, @b and @c. */
static void expect_logged(const char *a, const char *b, const char *c)
{
    expect(log_lines == 1 && strstr(log_text, a) && strstr(log_text, b) &&
           strstr(log_text, c) && strchr(log_text, '\n') ==
                                  log_text + strlen(log_text) - 1,
           "one line says %s, %s and %s: %u, \"%s\"", a, b, c, log_lines,
           log_text);
    log_text[0] = log_lines = 0;
}

/* A cause is logged once, in whatever domain or pool; the old value stays. */
static void refusals_logged(void)
{
    struct xen_sysctl_sched_activity_params p, first = { 0 };
    static const struct {
        struct xen_sysctl_sched_activity_params p;
        const char *name, *value, *range;
    } bad[] = {
        { { 500001, 500, 10000, 10000 }, "ratelimit", "500001 us", "0..500000" },
        { { 1000, 49, 10000, 10000 }, "shortest", "49 us", "50..10000" },
        { { 1000, 500, 100001, 10000 }, "longest", "100001 us", "50..100000" },
        { { 1000, 500, 10000, 1000001 }, "debt", "1000001 us", "0..1000000" },
    };
    struct xen_domctl_sched_activity before, after;
    struct domain *d, *other;
    unsigned int i, round;

    boot(3);
    sim.printed = on_printk;
    d = sim_guest_create(7, 0, 2);
    other = sim_guest_create(8, 0, 1);
    log_text[0] = log_lines = 0;
    before = get(d);

    put_weight(d, 0);
    expect_logged("d7", "weight 0 ", "1..65535");
    put_cap(d, 201);
    expect_logged("d7", "cap 201 ", "0..200");
    put(d, 4, 0, 0, 4, 100);
    expect_logged("d7", "urgency 4 ", "0..3");
    put(d, 4, 0, 0, 3, 600001);
    expect_logged("d7", "600001 ms", "10..600000");
    put(d, 17, 1, 1, 1, 1);
    expect_logged("d7", "0x11", "0xf");
    after = get(d);
    expect(!memcmp(&before, &after, sizeof(before)), "nothing changed");

    params(false, &first);
    for ( i = 0; i < ARRAY_SIZE(bad); i++ )
    {
        p = bad[i].p;
        params(true, &p);
        expect_logged(bad[i].name, bad[i].value, bad[i].range);
        params(false, &p);
        expect(!memcmp(&p, &first, sizeof(p)), "set %u changes nothing", i);
    }

    /* Again, from another domain, which then moves to another pool. */
    for ( round = 0; round < 2; round++ )
    {
        expect(put_weight(other, 0) == -EINVAL &&
               put_cap(other, 101) == -EINVAL &&
               put(other, 4, 0, 0, 9, 1) == -EINVAL &&
               put(other, 4, 0, 0, 0, 1) == -EINVAL &&
               put(other, ~0u, 0, 0, 0, 1) == -EINVAL, "still refused");
        for ( i = 0; i < ARRAY_SIZE(bad); i++ )
        {
            p = bad[i].p;
            expect(params(true, &p) == -EINVAL, "still refused");
        }
        expect(!log_lines, "no cause is logged twice: %u, \"%s\"", log_lines,
               log_text);
        if ( round )
            break;
        expect(!sim_cpu_rm(2, false) && !sim_pool_create(1, ACTIVITY) &&
               !sim_cpu_add(1, 2) && !sim_domain_move(other, 1),
               "it moves to another pool");
        log_text[0] = log_lines = 0;
    }
    sim.printed = NULL;
    sim_shutdown();
}

/* Pools are made again and again, with the same command line. */
static void bad_option_logged(void)
{
    struct xen_sysctl_sched_activity_params p = { 0 };
    const char *line;

    sim.printed = on_printk;
    sim_param("sched_ratelimit_us", "600000");
    boot(1);
    params(false, &p);
    expect(p.ratelimit_us == SCHED_DEFAULT_RATELIMIT_US, "the default is used");
    line = strstr(log_text, "sched=activity: sched_ratelimit_us=600000 ");
    expect(line && strstr(line, "0..500000") &&
           !strstr(line + 1, "sched=activity"), "it is logged once: \"%s\"",
           log_text);
    sim.printed = NULL;
    sim_shutdown();
}

static void bad_domctl(void)
{
    struct domain *d;
    struct xen_domctl_sched_activity before, after;
    struct xen_domctl_scheduler_op op = {
        .cmd = XEN_DOMCTL_SCHEDOP_getvcpuinfo
    };

    boot(2);
    d = sim_guest_create(1, 0, 2);
    before = get(d);
    expect(before.weight == 256 && !before.cap && !before.urgency &&
           !before.lease_ms, "defaults");
    expect(put_weight(d, 0) == -EINVAL, "weight 0 is refused");
    expect(put_cap(d, 201) == -EINVAL, "cap 201 of 2 vCPUs is refused");
    expect(put(d, 1u << 4, 1, 1, 1, 1) == -EINVAL, "an unknown field, too");
    expect(put(d, ~0u, 1, 1, 1, 100) == -EINVAL, "and many of them");
    expect(put(d, 4, 0, 0, 4, 100) == -EINVAL, "urgency 4");
    expect(put(d, 4, 0, 0, 3, 0) == -EINVAL, "no lease");
    expect(put(d, 4, 0, 0, 3, 9) == -EINVAL, "a short lease");
    expect(put(d, 4, 0, 0, 3, 600001) == -EINVAL, "a long lease");
    expect(put(d, 4, 0, 0, 0, 1) == -EINVAL, "a lease for normal");
    expect(put(d, 7, 300, 201, 3, 100) == -EINVAL, "one bad of three");
    after = get(d);
    expect(!memcmp(&before, &after, sizeof(before)), "nothing changed");
    expect(!put(d, 0, 0, 999, 99, 99), "nothing to set is no error");
    after = get(d);
    expect(!memcmp(&before, &after, sizeof(before)), "and sets nothing");
    expect(!put(d, 7, 65535, 200, 1, 600000), "the extremes are accepted");
    after = get(d);
    expect(after.weight == 65535 && after.cap == 200 && after.urgency == 1 &&
           after.lease_ms == 600000, "and read back");
    expect(sim_adjust(d, &op) == -EINVAL, "nothing is set per vCPU");
    sim_shutdown();
}

/* It takes long to die, and a reservation would keep others out meanwhile. */
static void dying_refused(void)
{
    struct xen_domctl_sched_activity before, after;
    unsigned int room = 0;
    struct domain *d;

    boot(1);
    d = hog(1, 0);
    hog(2, 0);
    expect(!put(d, 7, 300, 50, 3, 1000), "one that lives is set");
    before = get(d);
    d->is_dying = DOMDYING_dying;
    expect(put_weight(d, 500) == -ESRCH, "no new weight");
    expect(put_cap(d, 10) == -ESRCH, "no new cap");
    expect(put(d, 4, 0, 0, 1, 100) == -ESRCH, "no new urgency");
    expect(reserve(d, 0, 5000, 10000, 100, &room) == -ESRCH,
           "no new reservation");
    expect(put_weight(d, 0) == -EINVAL, "what is wrong is called wrong");
    after = get(d);
    expect(!memcmp(&before, &after, sizeof(before)),
           "it can be read, and nothing changed");
    expect(!reserve(sim_domain(2), 0, 9500, 10000, 100, &room),
           "another one gets what it did not get");
    sim_domain_destroy(d);
    sim_run(MILLISECS(10));
    sim_shutdown();
}

static void bad_sysctl(void)
{
    struct xen_sysctl_sched_activity_params p, first = { 0 }, bad[] = {
        { 500001, 500, 10000, 10000 }, { 1000, 49, 10000, 10000 },
        { 1000, 5000, 4999, 10000 }, { 1000, 500, 100001, 10000 },
        { 1000, 500, 10000, 1000001 }, { ~0u, ~0u, ~0u, ~0u },
    };
    unsigned int i;

    boot(1);
    expect(!params(false, &first), "parameters can be read");
    for ( i = 0; i < ARRAY_SIZE(bad); i++ )
    {
        p = bad[i];
        expect(params(true, &p) == -EINVAL, "set %u is refused", i);
        params(false, &p);
        expect(!memcmp(&p, &first, sizeof(p)), "set %u changes nothing", i);
    }
    p = (struct xen_sysctl_sched_activity_params){ 0, 50, 50, 0 };
    expect(!params(true, &p), "the smallest are accepted");
    hog(1, 0);
    hog(2, 65535);
    sim_run(MILLISECS(100));
    p = (struct xen_sysctl_sched_activity_params){ 500000, 100000, 100000,
                                                   1000000 };
    expect(!params(true, &p), "the largest are accepted");
    sim_run(SECONDS(3));
    sim_shutdown();
}

/* Every allocation fails once; what fails is undone, the rest goes on. */
static void cpus_come_and_go(void)
{
    struct domain *d[4];
    unsigned int i, round;
    s_time_t idle;
    int rc;

    boot(4);
    for ( i = 0; i < 4; i++ )
        d[i] = hog(i + 1, 0);
    for ( round = 0; round < 20; round++ )
    {
        for ( i = 1; i < 4; i++ )
        {
            rc = sim_cpu_rm(i, round & 1);
            expect(!rc, "CPU %u leaves", i);
            sim_run(MILLISECS(3));
        }
        rc = sim_cpu_rm(0, false);
        expect(rc == -EINVAL, "pCPU 0 stays in pool 0");
        for ( i = 1; i < 4; i++ )
        {
            rc = sim_cpu_add(0, i);
            expect(!rc, "CPU %u comes back", i);
            sim_run(MILLISECS(3));
        }
    }
    idle = sim_idle_ns(0);
    for ( i = 0; i < 4; i++ )
        expect(share_of(d[i], MILLISECS(100)) > 9990, "a pCPU for each");
    expect(sim_idle_ns(0) == idle, "no pCPU idles");
    sim_shutdown();
}

static void tasklets(void)
{
    struct domain *d;

    boot(1);
    d = hog(1, 0);
    sim_run(MILLISECS(10));
    sim_tasklet(0, true);
    expect(share_of(d, MILLISECS(10)) == 0, "a tasklet goes first");
    sim_tasklet(0, false);
    expect(share_of(d, MILLISECS(10)) == 10000, "then the guest goes on");
    sim_shutdown();
}

/* VCPUOP_down and _up; a pause while parked; destruction in every state. */
static void vcpus_come_and_go(void)
{
    struct domain *d;
    unsigned int i;

    boot(1);
    hog(9, 0);
    for ( i = 0; i < 40; i++ )
    {
        d = sim_guest_create(1, 0, 2);
        sim_work(d->vcpu[0], SIM_HOG, 0, 0);
        sim_work(d->vcpu[1], SIM_RANDOM, MICROSECS(300), MICROSECS(700));
        if ( i & 1 )
            put_cap(d, 5);
        sim_run(MILLISECS(4) + sim_below(MILLISECS(20)));
        sim_vcpu_down(d->vcpu[i & 1]);
        sim_run(sim_below(MILLISECS(3)));
        domain_pause(d);
        sim_run(MILLISECS(30));
        sim_vcpu_up(d->vcpu[i & 1]);
        if ( i & 4 )
            domain_unpause(d);
        sim_run(sim_below(MILLISECS(12)));
        sim_domain_destroy(d);
    }
    sim_shutdown();
}

static void dump(void)
{
    struct domain *d;

    boot(9);
    sim_dump();
    d = hog(1, 0);
    put_cap(d, 1);
    hog(2, 0);
    sim_run(MILLISECS(15));
    sim_dump();
    sim_shutdown();
}

static void prompt_timers(void)
{
    int rc;

    sim_boot(1, 2, XEN_SCHEDULER_CREDIT2);
    expect(!sim.prompt_timers, "credit2 lets timers be late");
    rc = sim_cpu_rm(1, false) ?: sim_pool_create(1, ACTIVITY);
    expect(!rc && sim.prompt_timers == 1, "a pool of ours needs them on time");
    rc = sim_pool_destroy(1);
    expect(!rc && !sim.prompt_timers, "without it they may be late again");
    sim_shutdown();
}

const struct test control_tests[] = {
    { "timers are prompt while a pool needs it", prompt_timers },
    { "pool move while parked", pool_move_parked },
    { "pool move keeps weight, cap, lease", pool_move_keeps_terms },
    { "records: complete and consistent", records_complete },
    { "records: what is set", records_tell_terms },
    { "records: domains come and go", records_while_domains_go },
    { "records: other sizes", records_odd_size },
    { "bad domctl", bad_domctl },
    { "a dying domain is not set", dying_refused },
    { "bad sysctl", bad_sysctl },
    { "refusals are logged once", refusals_logged },
    { "a refused option is logged once", bad_option_logged },
    { "pCPUs come and go", cpus_come_and_go },
    { "tasklets", tasklets },
    { "vCPUs and domains come and go", vcpus_come_and_go },
    { "dump", dump },
    { NULL, NULL }
};
