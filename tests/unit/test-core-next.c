/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core-fixture.h"

#define NOW 1000000ull

struct fixture {
    struct avm_config c;
    struct avm_domain d;
    struct avm_memory m;
    struct avm_wish w;
    uint64_t times[8];
    struct avm_budget b;
};

static void setup_fixture(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    avm_config_init(&f->c);
    f->d = domain_of(1, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 500, 500);
    f->m = memory_for(&f->d);
    f->w = (struct avm_wish){
        .knob = AVM_KNOB_WEIGHT, .kind = AVM_WISH_GIVE, .from = 256, .to = 64,
        .gain_permille = 500, .uuid = f->d.uuid,
    };
    f->b = (struct avm_budget){ .at_ms = f->times, .size = 8 };
}

static enum avm_change_state next_at(struct fixture *f, uint64_t now_ms,
                                     bool count)
{
    struct avm_change x;
    size_t order;

    avm_reallocate(&f->c, &f->d, &f->w, 1, &x, &order);
    avm_next(&f->c, &f->m, 1, &f->w, &order, &x, 1, &f->b, now_ms, count);
    assert_true((x.state == AVM_CHANGE_READY) == !x.why_not[0]);
    return x.state;
}

static void verdict_has_to_hold(void **state)
{
    struct fixture f;

    (void)state;
    setup_fixture(&f);
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_HOLD);
    assert_int_equal(next_at(&f, NOW + 1, true), AVM_CHANGE_HOLD);
    assert_int_equal(next_at(&f, NOW + 2, false), AVM_CHANGE_HOLD); /* a look */
    assert_int_equal(next_at(&f, NOW + 3, false), AVM_CHANGE_HOLD);
    assert_int_equal(next_at(&f, NOW + 4, true), AVM_CHANGE_READY);
    assert_int_equal(next_at(&f, NOW + 5, false), AVM_CHANGE_READY);

    /* The next step of the same walk need not hold again; the way back must. */
    f.w.from = 231;
    assert_int_equal(next_at(&f, NOW + 6, true), AVM_CHANGE_READY);
    f.w.to = 300;
    assert_int_equal(next_at(&f, NOW + 7, true), AVM_CHANGE_HOLD);
}

static void interrupted_verdict_starts_anew(void **state)
{
    struct fixture f;

    (void)state;
    setup_fixture(&f);
    next_at(&f, NOW, true);
    next_at(&f, NOW, true);
    avm_next(&f.c, &f.m, 1, NULL, NULL, NULL, 0, &f.b, NOW, true);
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_HOLD);
}

static void returning_takes_longer(void **state)
{
    struct fixture f;
    uint32_t i;

    (void)state;
    setup_fixture(&f);
    f.w.kind = AVM_WISH_RETURN;
    f.w.gain_permille = 0;
    for (i = 1; i < f.c.hold_decisions * AVM_RETURN_HOLD_FACTOR; i++)
        assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_HOLD);
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_READY);
}

/* Who takes what another one gives waits until that one does. */
static void taker_waits_for_giver(void **state)
{
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 500, 500),
        domain_of(2, AVM_ROLE_INTERACTIVE, AVM_CLASS_NET, 500, 500),
    };
    struct avm_memory m[2] = { memory_for(&d[0]), memory_for(&d[1]) };
    struct avm_wish w[2] = {
        { .dom = 0, .kind = AVM_WISH_GIVE, .from = 256, .to = 64,
          .gain_permille = 500, .uuid = d[0].uuid },
        { .dom = 1, .kind = AVM_WISH_GAIN, .from = 256, .to = 300,
          .gain_permille = 500, .uuid = d[1].uuid, .after_gives = true },
    };
    struct avm_change x[2];
    struct fixture f;
    size_t order[2];

    (void)state;
    setup_fixture(&f);
    f.c.hold_decisions = 1;
    m[0].knob[AVM_KNOB_WEIGHT].changed = true;
    m[0].knob[AVM_KNOB_WEIGHT].changed_ms = NOW;
    avm_reallocate(&f.c, d, w, 2, x, order);
    avm_next(&f.c, m, 2, w, order, x, 2, &f.b, NOW, true);
    assert_int_equal(x[0].state, AVM_CHANGE_COOLDOWN);
    assert_int_equal(x[1].state, AVM_CHANGE_HOLD);
    assert_non_null(strstr(x[1].why_not, "give"));

    w[1].group = 1; /* another group's business */
    avm_reallocate(&f.c, d, w, 2, x, order);
    avm_next(&f.c, m, 2, w, order, x, 2, &f.b, NOW, true);
    assert_int_equal(x[1].state, AVM_CHANGE_READY);

    w[1].group = 0; /* who gives nothing is not waited for */
    w[0].refused = true;
    avm_reallocate(&f.c, d, w, 2, x, order);
    avm_next(&f.c, m, 2, w, order, x, 2, &f.b, NOW, true);
    assert_int_equal(x[0].state, AVM_CHANGE_REFUSED);
    assert_int_equal(x[1].state, AVM_CHANGE_READY);

    w[0].refused = false;
    avm_reallocate(&f.c, d, w, 2, x, order);
    avm_next(&f.c, m, 2, w, order, x, 2, &f.b, NOW + f.c.cooldown_ms, true);
    assert_int_equal(x[0].state, AVM_CHANGE_READY);
    assert_int_equal(x[1].state, AVM_CHANGE_READY);
}

static void each_brake(void **state)
{
    struct fixture f;

    (void)state;
    setup_fixture(&f);
    f.c.hold_decisions = 1;
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_READY);

    f.w.gain_permille = f.c.gain_min_permille - 1;
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_SMALL);
    f.w.gain_permille = 500;

    f.m.first_ms = NOW - f.c.warmup_ms + 1;
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_WARMUP);
    assert_int_equal(next_at(&f, NOW + 1, true), AVM_CHANGE_READY);
    f.m.first_ms = 0;

    f.m.knob[AVM_KNOB_WEIGHT].changed = true;
    f.m.knob[AVM_KNOB_WEIGHT].changed_ms = NOW;
    assert_int_equal(next_at(&f, NOW + f.c.cooldown_ms - 1, true),
                     AVM_CHANGE_COOLDOWN);
    assert_int_equal(next_at(&f, NOW + f.c.cooldown_ms, true),
                     AVM_CHANGE_READY);
    f.m.knob[AVM_KNOB_WEIGHT].changed = false;

    f.m.knob[AVM_KNOB_WEIGHT].foreign_until_ms = NOW + 1;
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_FOREIGN);
    assert_int_equal(next_at(&f, NOW + 1, true), AVM_CHANGE_READY);

    f.w.refused = true;
    strcpy(f.w.why_not, "x");
    assert_int_equal(next_at(&f, NOW + 1, true), AVM_CHANGE_REFUSED);
}

static void declared_does_not_wait(void **state)
{
    struct fixture f;

    (void)state;
    setup_fixture(&f);
    f.w.kind = AVM_WISH_DECLARED;
    f.w.knob = AVM_KNOB_URGENCY;
    f.w.to = AVM_URGENCY_CRITICAL;
    f.m.first_ms = NOW;
    f.c.changes_per_minute = 1;
    avm_budget_spend(&f.b, NOW);
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_READY);

    /* But what failed is not tried again and again. */
    f.m.knob[AVM_KNOB_URGENCY].failed = true;
    f.m.knob[AVM_KNOB_URGENCY].changed_ms = NOW;
    assert_int_equal(next_at(&f, NOW + 1, true), AVM_CHANGE_COOLDOWN);
    assert_int_equal(next_at(&f, NOW + f.c.cooldown_ms, true),
                     AVM_CHANGE_READY);

    /* And an operator's own setting comes before a need. */
    f.m.knob[AVM_KNOB_URGENCY].foreign_until_ms = NOW * 2;
    assert_int_equal(next_at(&f, NOW, true), AVM_CHANGE_FOREIGN);
}

static void budget(void **state)
{
    struct fixture f;

    (void)state;
    setup_fixture(&f);
    assert_int_equal(avm_budget_left(&f.b, 3, NOW), 3);
    avm_budget_spend(&f.b, NOW);
    avm_budget_spend(&f.b, NOW + 10);
    avm_budget_spend(&f.b, NOW + 20);
    assert_int_equal(avm_budget_left(&f.b, 3, NOW + 30), 0);
    assert_int_equal(avm_budget_left(&f.b, 3, NOW + 59999), 0);
    assert_int_equal(avm_budget_left(&f.b, 3, NOW + 60000), 1);
    assert_int_equal(avm_budget_left(&f.b, 3, NOW + 60020), 3);

    f.c.hold_decisions = 1;
    f.c.changes_per_minute = 3;
    assert_int_equal(next_at(&f, NOW + 30, true), AVM_CHANGE_BUDGET);
    assert_int_equal(next_at(&f, NOW + 60000, true), AVM_CHANGE_READY);
}

static void budget_covers_one_plan(void **state)
{
    struct fixture f;
    struct avm_domain d[6];
    struct avm_memory m[6];
    struct avm_wish w[6];
    struct avm_change x[6];
    size_t order[6], i, ready = 0;

    (void)state;
    setup_fixture(&f);
    f.c.hold_decisions = 1;
    f.c.changes_per_minute = 4;
    for (i = 0; i < 6; i++) {
        d[i] = domain_of(i, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 500, 500);
        m[i] = memory_for(&d[i]);
        w[i] = f.w;
        w[i].dom = i;
    }
    avm_reallocate(&f.c, d, w, 6, x, order);
    avm_next(&f.c, m, 6, w, order, x, 6, &f.b, NOW, true);
    for (i = 0; i < 6; i++)
        ready += x[i].state == AVM_CHANGE_READY;
    assert_int_equal(ready, 4);
}

static void leases(void **state)
{
    struct fixture f;
    struct avm_knob_memory *k;

    (void)state;
    setup_fixture(&f);
    k = &f.m.knob[AVM_KNOB_URGENCY];
    f.m.lease_from_ms = NOW;
    f.m.lease_ms = 10000;
    assert_false(avm_lease_due(&f.m, NOW + 9000)); /* not ours */
    k->ours = true;
    k->last = AVM_URGENCY_CRITICAL;
    assert_false(avm_lease_due(&f.m, NOW + 4999));
    assert_true(avm_lease_due(&f.m, NOW + 5000));
    f.m.present = false;
    assert_false(avm_lease_due(&f.m, NOW + 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_has_to_hold),
        cmocka_unit_test(interrupted_verdict_starts_anew),
        cmocka_unit_test(returning_takes_longer),
        cmocka_unit_test(taker_waits_for_giver),
        cmocka_unit_test(each_brake),
        cmocka_unit_test(declared_does_not_wait),
        cmocka_unit_test(budget),
        cmocka_unit_test(budget_covers_one_plan),
        cmocka_unit_test(leases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
