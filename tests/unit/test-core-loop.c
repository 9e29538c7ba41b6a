/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The six steps together, against a host that is played: each domain has some
 * work to do, and CPU time is divided by weight. What the demo claims of the
 * real host has to be true here first.
 */
#include "core-fixture.h"

#define MS 1000000ull

struct guest {
    enum avm_role role;
    uint32_t demand;             /* permille of the pCPU, if never waiting   */
    uint32_t wakes, packets, disk; /* per second                             */
};

struct play {
    avm_state *st;
    struct avm_config c;
    uint64_t now_ms, next_plan_ms;
    size_t nr;
    struct guest g[8];
    struct avm_domain_sample d[8];
    unsigned int changes[8];
    uint64_t first_change_ms[8], cpu_ms[8];
    bool idle_hands;             /* plans are not applied                    */
};

static void start(struct play *p, const struct guest *g, size_t nr)
{
    struct avm_need need[8] = { 0 };
    size_t i;

    memset(p, 0, sizeof(*p));
    avm_config_init(&p->c);
    p->c.sample_ms = 250;
    p->c.decide_ms = 500;
    p->c.hold_decisions = 3;
    p->c.warmup_ms = 2000;
    p->c.cooldown_ms = 3000;
    p->c.changes_per_minute = 60;
    p->st = avm_state_new(&p->c);
    assert_non_null(p->st);
    p->nr = nr;
    p->now_ms = 1000;
    for (i = 0; i < nr; i++) {
        p->g[i] = g[i];
        p->d[i].uuid = uuid_of(i + 1);
        p->d[i].domid = i + 1;
        p->d[i].nr_vcpus = 1;
        p->d[i].have = HAVE_ALL;
        p->d[i].params = (struct avm_params){
            .can = CAN_ALL, .weight = 256, .affinity = 2 };
        need[i].uuid = uuid_of(i + 1);
        need[i].role = g[i].role;
    }
    assert_int_equal(avm_state_needs(p->st, need, nr), 0);
}

static void stop(struct play *p)
{
    avm_state_free(p->st);
}

/* The pCPU for ms milliseconds; urgent domains do not wait. */
static void run(struct play *p, uint32_t ms)
{
    uint32_t demand[8], weight[8], share[8];
    size_t i;

    for (i = 0; i < p->nr; i++) {
        demand[i] = p->g[i].demand;
        weight[i] = p->d[i].params.weight;
    }
    avm_share(1000, demand, weight, share, p->nr);
    for (i = 0; i < p->nr; i++) {
        struct avm_counters *c = &p->d[i].count;
        uint32_t urgency = p->d[i].params.urgency, wait;

        wait = demand[i] - share[i];
        if (urgency == AVM_URGENCY_NORMAL)
            wait += p->g[i].wakes; /* 1 ms each */
        c->cpu_ns += share[i] * ms * 1000ull;
        c->running_ns += share[i] * ms * 1000ull;
        c->runnable_ns += wait * ms * 1000ull;
        c->wakes += p->g[i].wakes * ms / 250;
        c->blocks += p->g[i].wakes * ms / 250;
        c->latency[urgency == AVM_URGENCY_NORMAL ? 10 : 4] +=
            p->g[i].wakes * ms / 250;
        c->net_rx_packets += p->g[i].packets * ms / 250;
        c->net_rx_bytes += p->g[i].packets * ms / 250 * 1000;
        c->disk_rd_reqs += p->g[i].disk * ms / 250;
        p->cpu_ms[i] += share[i] * ms / 1000;
    }
    p->now_ms += ms;
}

static void apply(struct play *p, const struct avm_change *c)
{
    struct avm_params *q = &p->d[c->domid - 1].params;

    switch (c->knob) {
    case AVM_KNOB_WEIGHT:
        assert_int_equal(q->weight, c->before);
        q->weight = c->after;
        break;
    case AVM_KNOB_URGENCY:
        q->urgency = c->after;
        break;
    default:
        fail_msg("unexpected knob %s", avm_knob_name(c->knob));
    }
    if (!p->changes[c->domid - 1]++)
        p->first_change_ms[c->domid - 1] = p->now_ms;
    avm_applied(p->st, c, p->now_ms, true);
}

/* One sample; and one decision if it is time. */
static void tick(struct play *p)
{
    struct avm_sample s = { .host = host_of(2), .nr = p->nr, .domain = p->d };
    struct avm_plan *plan;
    struct avm_change lease[8];
    size_t i, n;

    run(p, 250);
    s.mono_ns = p->now_ms * MS;
    assert_int_equal(avm_observe(p->st, &s), 0);
    n = avm_renewals(p->st, p->now_ms, lease, 8);
    for (i = 0; i < n; i++)
        avm_renewed(p->st, &lease[i], p->now_ms, true);
    if (p->now_ms < p->next_plan_ms)
        return;
    p->next_plan_ms = p->now_ms + p->c.decide_ms;
    assert_int_equal(avm_plan(p->st, p->now_ms, 0, &plan), 0);
    for (i = 0; i < plan->nr && !p->idle_hands; i++)
        if (plan->change[i].state == AVM_CHANGE_READY)
            apply(p, &plan->change[i]);
    avm_plan_free(plan);
}

static void play_for(struct play *p, uint64_t ms)
{
    uint64_t end = p->now_ms + ms;

    while (p->now_ms < end)
        tick(p);
}

static enum avm_class class_of(struct play *p, size_t i)
{
    return avm_domain_by_id(p->st, i + 1)->klass;
}

/* ------------------------------------------------------------------------ */

enum { CONTROL, NET, DISK, HOG1, HOG2, CHANGER };

static const struct guest demo[] = {
    [CONTROL] = { AVM_ROLE_TIME_CRITICAL, 105, 20, 0, 0 },
    [NET] = { AVM_ROLE_INTERACTIVE, 120, 200, 800, 0 },
    [DISK] = { AVM_ROLE_INTERACTIVE, 60, 100, 0, 100 },
    [HOG1] = { AVM_ROLE_NORMAL, 1000, 0, 0, 0 },
    [HOG2] = { AVM_ROLE_NORMAL, 1000, 0, 0, 0 },
    [CHANGER] = { AVM_ROLE_BACKGROUND, 3, 4, 0, 0 },
};

static void the_demo(void **state)
{
    uint64_t hogs_fair, changed_ms;
    struct play p;
    size_t i;

    (void)state;
    start(&p, demo, 6);
    play_for(&p, 10000);
    assert_int_equal(class_of(&p, CONTROL), AVM_CLASS_TIME_CRITICAL);
    assert_int_equal(class_of(&p, NET), AVM_CLASS_NET);
    assert_int_equal(class_of(&p, DISK), AVM_CLASS_DISK);
    assert_int_equal(class_of(&p, HOG1), AVM_CLASS_CPU);
    assert_int_equal(class_of(&p, HOG2), AVM_CLASS_CPU);
    assert_int_equal(class_of(&p, CHANGER), AVM_CLASS_IDLE);
    assert_int_equal(p.d[CONTROL].params.urgency, AVM_URGENCY_CRITICAL);
    assert_int_equal(p.d[NET].params.urgency, AVM_URGENCY_INTERACTIVE);
    assert_int_equal(p.d[DISK].params.urgency, AVM_URGENCY_INTERACTIVE);
    assert_true(p.first_change_ms[CONTROL] <= 1500); /* declared: at once */
    assert_int_equal(p.changes[CHANGER], 0);

    p.g[CHANGER] = (struct guest){ AVM_ROLE_BACKGROUND, 1000, 0, 0, 0 };
    changed_ms = p.now_ms;
    p.cpu_ms[HOG1] = p.cpu_ms[HOG2] = 0;
    play_for(&p, 5000);
    assert_int_equal(class_of(&p, CHANGER), AVM_CLASS_CPU);
    assert_true(p.first_change_ms[CHANGER] <= changed_ms + 5000);

    play_for(&p, 55000);
    assert_int_equal(p.d[CHANGER].params.urgency, AVM_URGENCY_BACKGROUND);
    assert_int_equal(p.d[CHANGER].params.weight, 64);
    /* With equal weights the three would have had 238 permille each. */
    hogs_fair = 2 * 238 * 60;
    assert_true((p.cpu_ms[HOG1] + p.cpu_ms[HOG2]) * 100 >= hogs_fair * 95);

    /* Nobody else was touched a second time, and the hogs never. */
    for (i = 0; i <= HOG2; i++)
        assert_int_equal(p.changes[i], i < HOG1 ? 1 : 0);

    /* Done: everything goes back. */
    p.g[CHANGER] = demo[CHANGER];
    play_for(&p, 120000);
    assert_int_equal(p.d[CHANGER].params.weight, 256);
    assert_int_equal(p.d[CHANGER].params.urgency, AVM_URGENCY_NORMAL);
    stop(&p);
}

/* On and off, at any period: a bounded number of changes. */
static void square_waves_do_not_flap(void **state)
{
    static const uint32_t period_ms[] = {
        500, 1000, 2000, 4000, 6000, 10000, 20000,
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(period_ms) / sizeof(period_ms[0]); i++) {
        unsigned int cycles, steps, minutes = 10;
        struct play p;
        uint64_t t;

        start(&p, demo, 6);
        for (t = 0; t < minutes * 60000; t += 250) {
            bool on = t / (period_ms[i] / 2) % 2;

            p.g[CHANGER].demand = on ? 1000 : 3;
            p.g[CHANGER].wakes = on ? 0 : 4;
            p.g[NET].packets = on ? 800 : 0;
            p.g[NET].wakes = on ? 200 : 2;
            p.g[NET].demand = on ? 120 : 2;
            tick(&p);
        }
        /*
         * Returning holds 12 decisions of 500 ms. What comes back sooner never
         * returns: one walk of the weight down to 64 (14 steps), one urgency.
         * What is slower gets what one knob can do in that time (3 s each).
         */
        cycles = minutes * 60000 / period_ms[i];
        steps = period_ms[i] / 3000 + 2;
        if (period_ms[i] <= 10000) {
            assert_in_range(p.changes[NET], 0, 1);
            assert_in_range(p.changes[CHANGER], 0, 15);
        } else {
            assert_in_range(p.changes[NET], 0, 2 * cycles);
            assert_in_range(p.changes[CHANGER], 0, cycles * (steps + 2));
        }
        assert_int_equal(p.changes[HOG1] + p.changes[HOG2], 0);
        stop(&p);
    }
}

/* What a need asks for is there to stay; when it is gone, so is that. */
static void needed_weight_stays(void **state)
{
    struct avm_need need = { .weight_min = 700, .weight_max = 900 };
    struct play p;

    (void)state;
    start(&p, demo, 6);
    need.uuid = uuid_of(HOG1 + 1);
    assert_int_equal(avm_state_needs(p.st, &need, 1), 0);
    play_for(&p, 10 * 60000);
    assert_int_equal(p.d[HOG1].params.weight, 700);
    assert_int_equal(p.changes[HOG1], 1);
    assert_int_equal(avm_state_needs(p.st, NULL, 0), 0);
    play_for(&p, 10 * 60000);
    assert_int_equal(p.d[HOG1].params.weight, 256);
    stop(&p);
}

static uint64_t cpu_of(struct play *p, size_t i, uint64_t ms)
{
    uint64_t before = p->cpu_ms[i];

    play_for(p, ms);
    return (p->cpu_ms[i] - before) * 1000 / ms;
}

static void explains(struct play *p, size_t i, const char *what)
{
    struct avm_uuid u = uuid_of(i + 1);
    char *text = avm_explain(p->st, &u);

    assert_non_null(text);
    if (!strstr(text, what))
        fail_msg("no \"%s\" in: %s", what, text);
    free(text);
}

/*
 * A floor is kept from the first plan on, while a background domain gives, comes
 * and goes, and nothing flaps. When it is gone, so is the weight.
 */
static void floor_is_kept(void **state)
{
    struct avm_need need[2] = {
        { .uuid = uuid_of(HOG1 + 1), .cpu_min_permille = 600 },
        { .uuid = uuid_of(CHANGER + 1), .role = AVM_ROLE_BACKGROUND },
    };
    struct play p;
    unsigned int i, changes;

    (void)state;
    start(&p, demo, 6);
    p.g[CHANGER].demand = 1000;
    p.g[CHANGER].wakes = 0;
    assert_int_equal(avm_state_needs(p.st, need, 2), 0);
    play_for(&p, 2000);
    assert_in_range(cpu_of(&p, HOG1, 1000), 598, 620);
    explains(&p, HOG1, "floor: 60% of a CPU; kept: it wants 99% and its share "
             "is 60%");
    play_for(&p, 60000);
    assert_true(cpu_of(&p, HOG1, 1000) >= 598);
    changes = p.changes[HOG1];
    assert_in_range(changes, 1, 2);
    for (i = 0; i < 4; i++) {
        p.g[CHANGER].demand = i % 2 ? 1000 : 3;
        play_for(&p, 10000);
        assert_true(cpu_of(&p, HOG1, 1000) >= 598);
    }
    /* Down in steps as nobody wants it, up at once: twice. */
    assert_in_range(p.changes[HOG1], changes, changes + 6);

    need[0].cpu_min_permille = 0;
    assert_int_equal(avm_state_needs(p.st, need, 2), 0);
    play_for(&p, 5 * 60000);
    assert_int_equal(p.d[HOG1].params.weight, 256);
    assert_int_equal(p.changes[HOG2], 0);
    stop(&p);
}

static void floor_is_explained(void **state)
{
    struct avm_need need[2] = {
        { .uuid = uuid_of(HOG1 + 1), .cpu_min_permille = 800 },
        { .uuid = uuid_of(HOG2 + 1), .cpu_min_permille = 1500,
          .cpu_min_since = 1, .weight_max = 300 },
    };
    struct play p;

    (void)state;
    start(&p, demo, 6);
    assert_int_equal(avm_state_needs(p.st, need, 2), 0);
    tick(&p);
    explains(&p, HOG1, "floor: 80% of a CPU");
    play_for(&p, 2000);
    explains(&p, HOG1, "floor: 80% of a CPU; kept: ");
    explains(&p, HOG2, "floor: 150% of a CPU, of which its vCPUs and its cap "
             "let it use 100%, of which 20% is promised: others were first, or "
             "of a higher role; ");
    explains(&p, HOG2, "not kept: its weight cannot be above 300: it wants "
             "100% and its share is ");
    need[0].held = true;
    assert_int_equal(avm_state_needs(p.st, need, 2), 0);
    explains(&p, HOG1, "; it has what its weight of ");
    /* What became of the old one says nothing about another one. */
    need[0].held = false;
    need[0].cpu_min_permille = 700;
    assert_int_equal(avm_state_needs(p.st, need, 2), 0);
    explains(&p, HOG1, "floor: 70% of a CPU: no plan yet");
    need[0].cpu_min_permille = AVM_CPU_MIN_MAX + 1;
    assert_int_equal(avm_state_needs(p.st, need, 2), -1);
    need[0].cpu_min_permille = 800;
    need[0].cap_set = true;
    need[0].cap_pct = 79;
    assert_int_equal(avm_state_needs(p.st, need, 2), -1);
    stop(&p);
}

static void change_by_hand(struct play *p, enum avm_knob knob, uint64_t before,
                           uint64_t after)
{
    struct avm_change c = { .uuid = uuid_of(1), .domid = 1, .knob = knob,
                            .before = before, .after = after };

    avm_applied(p->st, &c, p->now_ms, true);
}

static void flip_flops_are_counted(void **state)
{
    struct avm_change failed = { .uuid = uuid_of(1), .domid = 1,
                                 .before = 300, .after = 256 };
    struct play p;

    (void)state;
    start(&p, demo, 6);
    p.idle_hands = true;
    tick(&p);
    assert_int_equal(avm_flip_flops(p.st), 0);
    change_by_hand(&p, AVM_KNOB_WEIGHT, 256, 300);
    change_by_hand(&p, AVM_KNOB_WEIGHT, 300, 350); /* walks on */
    change_by_hand(&p, AVM_KNOB_URGENCY, 0, 2);
    change_by_hand(&p, AVM_KNOB_URGENCY, 2, 1); /* not where it was */
    avm_applied(p.st, &failed, p.now_ms, false);
    assert_int_equal(avm_flip_flops(p.st), 0);
    p.now_ms += 10 * p.c.cooldown_ms - 1;
    change_by_hand(&p, AVM_KNOB_WEIGHT, 350, 330);
    change_by_hand(&p, AVM_KNOB_URGENCY, 1, 2);
    assert_int_equal(avm_flip_flops(p.st), 2);
    p.now_ms += 10 * p.c.cooldown_ms; /* long ago */
    change_by_hand(&p, AVM_KNOB_WEIGHT, 330, 350);
    change_by_hand(&p, AVM_KNOB_URGENCY, 2, 1);
    assert_int_equal(avm_flip_flops(p.st), 2);
    stop(&p);
}

/* A plan applied twice is a plan applied once. */
static void plan_is_idempotent(void **state)
{
    struct avm_plan *a, *b;
    struct play p;
    size_t i;

    (void)state;
    start(&p, demo, 6);
    p.g[CHANGER].demand = 1000;
    p.g[CHANGER].wakes = 0;
    p.idle_hands = true;
    play_for(&p, 10000);

    /* A look changes nothing. */
    assert_int_equal(avm_plan(p.st, p.now_ms, AVM_PLAN_PEEK, &a), 0);
    assert_int_equal(avm_plan(p.st, p.now_ms, AVM_PLAN_PEEK, &b), 0);
    assert_int_equal(a->nr, b->nr);
    assert_true(a->nr >= 5);
    assert_memory_equal(a->change, b->change, a->nr * sizeof(*a->change));

    for (i = 0; i < a->nr; i++) {
        struct avm_params once, *q = &p.d[a->change[i].domid - 1].params;

        assert_int_equal(a->change[i].state, AVM_CHANGE_READY);
        apply(&p, &a->change[i]);
        once = *q;
        if (a->change[i].knob == AVM_KNOB_WEIGHT)
            q->weight = a->change[i].after;
        else
            q->urgency = a->change[i].after;
        avm_applied(p.st, &b->change[i], p.now_ms, true);
        assert_memory_equal(&once, q, sizeof(once));
    }
    avm_plan_free(a);
    avm_plan_free(b);

    /* The same once more: nothing is wished that is there already. */
    tick(&p);
    assert_int_equal(avm_plan(p.st, p.now_ms, AVM_PLAN_PEEK, &a), 0);
    for (i = 0; i < a->nr; i++)
        assert_int_equal(a->change[i].knob, AVM_KNOB_WEIGHT); /* next step */
    avm_plan_free(a);
    stop(&p);
}

static void undo_restores_exactly(void **state)
{
    struct avm_params before[8];
    struct avm_change undo[32];
    struct play p;
    size_t i, n;

    (void)state;
    start(&p, demo, 6);
    p.d[CHANGER].params.weight = 200; /* whatever the operator had chosen */
    p.d[HOG1].params.weight = 300;
    for (i = 0; i < 6; i++)
        before[i] = p.d[i].params;
    play_for(&p, 5000);
    p.g[CHANGER] = (struct guest){ AVM_ROLE_BACKGROUND, 1000, 0, 0, 0 };
    play_for(&p, 30000);
    assert_int_not_equal(p.d[CHANGER].params.weight, 200);

    n = avm_undo_list(p.st, NULL, undo, 32);
    assert_int_equal(n, 5);
    for (i = 0; i < n; i++)
        apply(&p, &undo[i]);
    for (i = 0; i < 6; i++)
        assert_memory_equal(&before[i], &p.d[i].params, sizeof(before[i]));
    assert_int_equal(avm_undo_list(p.st, NULL, undo, 32), 0);
    assert_int_equal(avm_renewals(p.st, p.now_ms + 60000, undo, 32), 0);
    stop(&p);
}

static void foreign_change_is_left_alone(void **state)
{
    const struct avm_change *x;
    struct play p;
    unsigned int changes;
    size_t n;

    (void)state;
    start(&p, demo, 6);
    p.g[CHANGER] = (struct guest){ AVM_ROLE_BACKGROUND, 1000, 0, 0, 0 };
    play_for(&p, 15000);
    assert_true(p.d[CHANGER].params.weight < 256);
    avm_foreign(p.st, &n);
    assert_int_equal(n, 0);

    p.d[CHANGER].params.weight = 500; /* xl sched-activity -d changer -w 500 */
    tick(&p);
    x = avm_foreign(p.st, &n);
    assert_int_equal(n, 1);
    assert_int_equal(x->after, 500);
    changes = p.changes[CHANGER];
    play_for(&p, 300000);
    assert_int_equal(p.changes[CHANGER], changes);
    assert_int_equal(p.d[CHANGER].params.weight, 500);
    play_for(&p, 400000); /* hands off for ten minutes, not for ever */
    assert_true(p.d[CHANGER].params.weight < 500);
    stop(&p);
}

static void a_new_domain_is_not_the_old_one(void **state)
{
    struct play p;

    (void)state;
    start(&p, demo, 6);
    play_for(&p, 10000);
    assert_int_equal(p.changes[CONTROL], 1);

    /* Rebooted: same UUID, next domid, everything from zero. */
    p.d[CONTROL].domid = 7;
    memset(&p.d[CONTROL].count, 0, sizeof(p.d[CONTROL].count));
    p.d[CONTROL].params.urgency = AVM_URGENCY_NORMAL;
    p.idle_hands = true;
    tick(&p);
    assert_int_equal(avm_domain_by_id(p.st, 7)->klass, AVM_CLASS_UNKNOWN);
    assert_int_equal(avm_domain_by_id(p.st, 7)->role, AVM_ROLE_TIME_CRITICAL);
    assert_null(avm_domain_by_id(p.st, 1));
    assert_int_equal(avm_undo_list(p.st, &p.d[CONTROL].uuid,
                                   (struct avm_change[4]){ 0 }, 4), 0);

    /* Same domid, another UUID: knows nothing of it either. */
    p.d[HOG1].uuid = uuid_of(99);
    tick(&p);
    assert_int_equal(avm_domain_by_id(p.st, HOG1 + 1)->klass,
                     AVM_CLASS_UNKNOWN);
    stop(&p);
}

static void journal_is_taken_up(void **state)
{
    struct avm_uuid u = uuid_of(CHANGER + 1);
    struct avm_change undo[8];
    struct play p;

    (void)state;
    start(&p, demo, 6);
    p.d[CHANGER].params.weight = 150;
    assert_int_equal(avm_state_restore(p.st, &u, CHANGER + 1,
                                       AVM_KNOB_WEIGHT, 256, 150), 0);
    play_for(&p, 3000);
    assert_int_equal(avm_undo_list(p.st, NULL, undo, 8) >= 1, 1);
    /* Idle, and so it gets back what it had before the agent died. */
    play_for(&p, 120000);
    assert_int_equal(p.d[CHANGER].params.weight, 256);
    assert_int_equal(avm_state_restore(p.st, &u, CHANGER + 1,
                                       AVM_KNOB_WEIGHT, 1, 2), -1);
    stop(&p);
}

/* One that was started anew is not what the journal knew of the old one. */
static void journal_is_of_one_domain(void **state)
{
    struct avm_uuid u = uuid_of(CHANGER + 1);
    struct avm_change undo[8];
    struct play p;
    size_t n;

    (void)state;
    start(&p, demo, 6);
    p.idle_hands = true;
    /* Under domid 99 it is still about to end, or moves to this very host. */
    p.d[CHANGER].params.weight = 150;
    assert_int_equal(avm_state_restore(p.st, &u, 99, AVM_KNOB_WEIGHT, 512,
                                       400), 0);
    tick(&p);
    avm_foreign(p.st, &n);
    assert_int_equal(n, 0);
    assert_int_equal(avm_undo_list(p.st, &u, undo, 8), 0);
    stop(&p);

    start(&p, demo, 6);
    p.idle_hands = true;
    p.d[CHANGER].params.weight = 150;
    assert_int_equal(avm_state_restore(p.st, &u, CHANGER + 1,
                                       AVM_KNOB_WEIGHT, 256, 150), 0);
    assert_int_equal(avm_state_restore(p.st, &u, 99, AVM_KNOB_WEIGHT, 512,
                                       400), 0);
    tick(&p);
    assert_int_equal(avm_undo_list(p.st, &u, undo, 8), 1);
    assert_int_equal(undo[0].after, 256);

    /* And nobody can give a dying one anything back. */
    p.d[CHANGER].flags = AVM_DOM_DYING;
    tick(&p);
    assert_int_equal(avm_undo_list(p.st, &u, undo, 8), 0);
    stop(&p);
}

/* It resets what the scheduler has, and what the back-ends have stays. */
static void another_pool_keeps_limits(void **state)
{
    struct avm_uuid u = uuid_of(CHANGER + 1);
    struct avm_domain_sample *d;
    struct avm_change undo[8];
    struct play p;

    (void)state;
    start(&p, demo, 6);
    p.idle_hands = true;
    d = &p.d[CHANGER];
    d->params.can |= AVM_CAN_NET_OUT;
    d->params.net_out_max_bps = 1000000;
    d->params.weight = 150;
    assert_int_equal(avm_state_restore(p.st, &u, CHANGER + 1,
                                       AVM_KNOB_WEIGHT, 256, 150), 0);
    assert_int_equal(avm_state_restore(p.st, &u, CHANGER + 1,
                                       AVM_KNOB_NET_OUT, 0, 1000000), 0);
    tick(&p);
    assert_int_equal(avm_undo_list(p.st, &u, undo, 8), 2);
    d->pool = 1;
    d->params.weight = 256;
    tick(&p);
    assert_int_equal(avm_undo_list(p.st, &u, undo, 8), 1);
    assert_int_equal(undo[0].knob, AVM_KNOB_NET_OUT);
    assert_int_equal(undo[0].after, 0);
    stop(&p);
}

static void bad_input_is_refused(void **state)
{
    struct avm_need need[2] = { { .uuid = { { 1 } } }, { .uuid = { { 1 } } } };
    struct avm_sample s = { .mono_ns = 5 };
    struct avm_config c;
    struct avm_plan *plan;
    struct play p;

    (void)state;
    start(&p, demo, 6);
    assert_int_equal(avm_state_needs(p.st, need, 2), -1);
    need[0].weight_min = 500;
    need[0].weight_max = 400;
    assert_int_equal(avm_state_needs(p.st, need, 1), -1);
    need[0].weight_max = 70000;
    assert_int_equal(avm_state_needs(p.st, need, 1), -1);
    tick(&p);
    assert_int_equal(avm_observe(p.st, &s), -1); /* time went backwards */
    assert_int_equal(avm_plan(p.st, 1, 0, &plan), -1);
    assert_int_equal(avm_plan(p.st, p.now_ms, 8, &plan), -1);
    avm_config_init(&c);
    c.decide_ms = 10;
    assert_non_null(avm_config_check(&c));
    assert_null(avm_state_new(&c));
    stop(&p);
}

static void it_explains(void **state)
{
    struct avm_uuid u = uuid_of(HOG1 + 1), nobody = uuid_of(77);
    struct play p;
    char *text;

    (void)state;
    start(&p, demo, 6);
    p.d[HOG1].params.can |= AVM_CAN_NET_IN;
    p.d[HOG1].params.net_in_max_bps = 3000000;
    play_for(&p, 10000);
    text = avm_explain(p.st, &u);
    assert_non_null(text);
    assert_non_null(strstr(text, ", net-in 3000 kB/s\n"));
    assert_non_null(strstr(text, "class: cpu"));
    assert_non_null(strstr(text, "verdict: cpu: it waits for a CPU"));
    assert_non_null(strstr(text, "nothing: it has what its role"));
    free(text);
    u = uuid_of(CONTROL + 1);
    text = avm_json_explain(p.st, &u);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"class\":\"time-critical\""));
    free(text);
    assert_null(avm_explain(p.st, &nobody));
    text = avm_json_domains(p.st, 1, AVM_MODE_AUTO);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"scheduler\":\"activity\""));
    free(text);
    stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo),
        cmocka_unit_test(square_waves_do_not_flap),
        cmocka_unit_test(needed_weight_stays),
        cmocka_unit_test(floor_is_kept),
        cmocka_unit_test(floor_is_explained),
        cmocka_unit_test(flip_flops_are_counted),
        cmocka_unit_test(plan_is_idempotent),
        cmocka_unit_test(undo_restores_exactly),
        cmocka_unit_test(foreign_change_is_left_alone),
        cmocka_unit_test(a_new_domain_is_not_the_old_one),
        cmocka_unit_test(journal_is_taken_up),
        cmocka_unit_test(journal_is_of_one_domain),
        cmocka_unit_test(another_pool_keeps_limits),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(it_explains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
