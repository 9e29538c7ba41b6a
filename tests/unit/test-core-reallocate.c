/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core-fixture.h"

static struct avm_config config(void)
{
    struct avm_config c;

    avm_config_init(&c);
    return c;
}

static void steps(void **state)
{
    struct avm_config c = config();
    uint32_t from, to;

    (void)state;
    assert_int_equal(avm_step(&c, 256, 1024), 320);
    assert_int_equal(avm_step(&c, 256, 260), 260);
    assert_int_equal(avm_step(&c, 256, 64), 231);
    assert_int_equal(avm_step(&c, 256, 250), 250);
    assert_int_equal(avm_step(&c, 1, 2), 2);
    assert_int_equal(avm_step(&c, 3, 1), 2);
    assert_int_equal(avm_step(&c, 256, 256), 256);

    /* Never too far, never the wrong way, and it arrives. */
    for (from = 1; from < 3000; from += 7) {
        for (to = 1; to < 3000; to += 13) {
            uint32_t w = from, n = 0;

            while (w != to) {
                uint32_t next = avm_step(&c, w, to);

                assert_true(to > w ? next > w && next <= to :
                                     next < w && next >= to);
                if (next > w)
                    assert_true(next - w <= w / 4 + 1);
                else
                    assert_true(w - next <= w / 10 + 1);
                w = next;
                assert_true(++n < 200);
            }
        }
    }
}

static void who_gives_goes_first(void **state)
{
    struct avm_config c = config();
    struct avm_domain d[2] = {
        domain_of(1, AVM_ROLE_INTERACTIVE, AVM_CLASS_NET, 300, 300),
        domain_of(2, AVM_ROLE_BACKGROUND, AVM_CLASS_CPU, 300, 700),
    };
    struct avm_wish w[4] = {
        { .dom = 0, .knob = AVM_KNOB_WEIGHT, .from = 256, .to = 1000 },
        { .dom = 0, .knob = AVM_KNOB_URGENCY,
          .to = AVM_URGENCY_INTERACTIVE },
        { .dom = 1, .knob = AVM_KNOB_WEIGHT, .from = 256, .to = 64 },
        { .dom = 1, .knob = AVM_KNOB_URGENCY, .to = AVM_URGENCY_BACKGROUND,
          .refused = true, .why_not = "because" },
    };
    struct avm_change x[4];
    size_t order[4];

    (void)state;
    avm_reallocate(&c, d, w, 4, x, order);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 3);
    assert_int_equal(x[0].domid, 2);
    assert_int_equal(x[0].before, 256);
    assert_int_equal(x[0].after, 231);
    assert_int_equal(x[0].lease_ms, 0);
    assert_int_equal(x[1].state, AVM_CHANGE_REFUSED);
    assert_string_equal(x[1].why_not, "because");
    assert_int_equal(x[1].lease_ms, c.lease_ms);
    assert_int_equal(x[2].after, 320);
    assert_int_equal(x[3].after, AVM_URGENCY_INTERACTIVE);
}

static void foreign_change_is_adopted(void **state)
{
    struct avm_config c = config();
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 1, 1);
    struct avm_memory m = memory_for(&d);
    struct avm_knob_memory *k = &m.knob[AVM_KNOB_WEIGHT];
    struct avm_change x;

    (void)state;
    /* The first look only learns. */
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_WEIGHT, 1000, &x));
    assert_int_equal(k->last, 256);

    /* Ours, as we left it. */
    *k = (struct avm_knob_memory){ .known = true, .ours = true,
        .original = 256, .last = 231, .changed = true, .changed_ms = 2000 };
    d.params.weight = 231;
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_WEIGHT, 3000, &x));

    /* A sample from before our change proves nothing. */
    d.params.weight = 256;
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_WEIGHT, 1500, &x));

    d.params.weight = 400;
    assert_true(avm_foreign_check(&c, &d, &m, AVM_KNOB_WEIGHT, 4000, &x));
    assert_int_equal(x.state, AVM_CHANGE_FOREIGN);
    assert_int_equal(x.before, 231);
    assert_int_equal(x.after, 400);
    assert_false(k->ours);
    assert_int_equal(k->foreign_until_ms, 4000 + c.foreign_hold_ms);

    /* Said once. */
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_WEIGHT, 5000, &x));
}

static void a_lease_that_ran_out_is_nobodys(void **state)
{
    struct avm_config c = config();
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 1, 1);
    struct avm_memory m = memory_for(&d);
    struct avm_knob_memory *k = &m.knob[AVM_KNOB_URGENCY];
    struct avm_change x;

    (void)state;
    *k = (struct avm_knob_memory){ .known = true, .ours = true,
        .last = AVM_URGENCY_INTERACTIVE, .changed = true, .changed_ms = 1000 };
    m.lease_from_ms = 1000;
    m.lease_ms = 5000;
    d.params.urgency = AVM_URGENCY_NORMAL;
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_URGENCY, 6000, &x));
    assert_true(k->ours);
    assert_true(avm_lease_due(&m, 6000)); /* and is renewed */

    /* It was still running: somebody took it away. */
    m.lease_from_ms = 6000;
    assert_true(avm_foreign_check(&c, &d, &m, AVM_KNOB_URGENCY, 7000, &x));
    assert_false(avm_lease_due(&m, 100000));

    /* An operator's lease comes, which is news, and ends, which is not. */
    *k = (struct avm_knob_memory){ .known = true };
    d.params.urgency = AVM_URGENCY_CRITICAL;
    assert_true(avm_foreign_check(&c, &d, &m, AVM_KNOB_URGENCY, 8000, &x));
    d.params.urgency = AVM_URGENCY_NORMAL;
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_URGENCY, 9000, &x));
}

static void no_knob_no_news(void **state)
{
    struct avm_config c = config();
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_CPU, 1, 1);
    struct avm_memory m = memory_for(&d);
    struct avm_change x;
    int k;

    (void)state;
    d.params.can = 0;
    for (k = 0; k < AVM_NR_KNOBS; k++) {
        assert_false(avm_foreign_check(&c, &d, &m, k, 1, &x));
        assert_false(m.knob[k].known);
    }
}

/* A limit that is gone with its device is no operator's wish. */
static void a_limit_goes_with_its_device(void **state)
{
    struct avm_config c = config();
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_NET, 1, 1);
    struct avm_memory m = memory_for(&d);
    struct avm_knob_memory *k = &m.knob[AVM_KNOB_NET_OUT];
    struct avm_change x;

    (void)state;
    d.params.can |= AVM_CAN_NET_OUT;
    m.net_devices = 7;
    *k = (struct avm_knob_memory){ .known = true, .ours = true, .devices = 7,
        .last = 1000000, .changed = true, .changed_ms = 1000 };
    /* Divided among queues. */
    d.params.net_out_max_bps = 999999;
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_NET_OUT, 2000, &x));
    assert_true(k->ours);

    m.net_devices = 8;
    d.params.net_out_max_bps = 0;
    assert_false(avm_foreign_check(&c, &d, &m, AVM_KNOB_NET_OUT, 3000, &x));
    assert_false(k->ours);
    assert_int_equal(k->foreign_until_ms, 0);

    /* On the same device somebody took it away. */
    *k = (struct avm_knob_memory){ .known = true, .ours = true, .devices = 8,
        .last = 1000000, .changed = true, .changed_ms = 1000 };
    assert_true(avm_foreign_check(&c, &d, &m, AVM_KNOB_NET_OUT, 4000, &x));
    assert_true(k->foreign_until_ms > 4000);
}

/* One of two vifs went: half of the limit is no operator's wish, and still ours. */
static void part_of_a_limit_goes_with_its_device(void **state)
{
    static const enum avm_knob knobs[] = { AVM_KNOB_NET_OUT, AVM_KNOB_NET_IN };
    struct avm_config c = config();
    struct avm_domain d = domain_of(1, AVM_ROLE_NORMAL, AVM_CLASS_NET, 1, 1);
    struct avm_memory m = memory_for(&d);
    struct avm_knob_memory *k;
    struct avm_change x;
    size_t i;

    (void)state;
    d.params.can |= AVM_CAN_NET_OUT | AVM_CAN_NET_IN;
    for (i = 0; i < 2; i++) {
        k = &m.knob[knobs[i]];
        m.net_devices = 7;
        *k = (struct avm_knob_memory){ .known = true, .ours = true,
            .devices = 7, .last = 1000000, .changed = true,
            .changed_ms = 1000 };
        m.net_devices = 4;
        d.params.net_out_max_bps = d.params.net_in_max_bps = 500000;
        assert_false(avm_foreign_check(&c, &d, &m, knobs[i], 2000, &x));
        assert_true(k->ours);
        assert_int_equal(k->original, 0);
        assert_int_equal(k->last, 500000);

        /* With the same devices, and with more of it, it is somebody. */
        d.params.net_out_max_bps = d.params.net_in_max_bps = 400000;
        assert_true(avm_foreign_check(&c, &d, &m, knobs[i], 3000, &x));
        k->ours = true;
        m.net_devices = 5;
        d.params.net_out_max_bps = d.params.net_in_max_bps = 900000;
        assert_true(avm_foreign_check(&c, &d, &m, knobs[i], 3000, &x));

        /* After a restart nobody knows what it was on. */
        k->ours = true;
        k->devices = 0;
        d.params.net_out_max_bps = d.params.net_in_max_bps = 450000;
        assert_true(avm_foreign_check(&c, &d, &m, knobs[i], 3000, &x));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(who_gives_goes_first),
        cmocka_unit_test(foreign_change_is_adopted),
        cmocka_unit_test(a_lease_that_ran_out_is_nobodys),
        cmocka_unit_test(no_knob_no_news),
        cmocka_unit_test(a_limit_goes_with_its_device),
        cmocka_unit_test(part_of_a_limit_goes_with_its_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
