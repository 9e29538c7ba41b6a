/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The edge to Xen, against a hypervisor and a xenstore that are played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake-xen.h"

static void finds_the_version(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 1);
    avm_handle *h;

    (void)state;
    for (f->version = 0x15; f->version <= 0x18; f->version++) {
        struct avm_info info;

        h = avm_open_ops(&fake_ops, f, "/nonexistent");
        assert_non_null(h);
        assert_int_equal(avm_info(h, &info), 0);
        assert_int_equal(info.domctl_version, f->version);
        assert_int_equal(info.sysctl_version, f->version);
        assert_int_equal(info.host.nr_pcpus, 4);
        assert_int_equal(info.host.pool[0].pcpus, 0xf);
        /* Nothing is missing but what /proc has, and that in one line. */
        assert_string_equal(info.limits, "no /proc/pressure/cpu and no "
                            "/proc/pressure/memory and no /proc/pressure/io: "
                            "verdicts do without that\n");
        avm_close(h);
    }
    f->version = 0x99;
    errno = 0;
    assert_null(avm_open_ops(&fake_ops, f, ""));
    assert_int_equal(errno, EPROTO);
    free(f);
}

static void reads_all_domains_in_few_calls(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, MAX_DOMS);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_sample *s;
    size_t i, total = 0;

    (void)state;
    f->sysctls = 0;
    assert_int_equal(avm_sample_read(h, &s), 0);
    assert_int_equal(s->nr, MAX_DOMS);
    assert_int_equal(s->mono_ns, 12345);
    assert_true(f->sysctls < 25); /* 3000 domains, 6000 vCPUs */
    for (i = 0; i < s->nr; i++) {
        const struct avm_domain_sample *d = &s->domain[i];
        uint32_t vcpus = f->dom[i].nr_vcpus;

        assert_int_equal(d->domid, i * 2);
        assert_memory_equal(d->uuid.b, f->dom[i].uuid, 16);
        assert_int_equal(d->have, AVM_HAVE_CPU | AVM_HAVE_RECORDS);
        assert_int_equal(d->count.running_ns, 100 * vcpus);
        assert_int_equal(d->count.runnable_ns, 10 * vcpus);
        assert_int_equal(d->count.latency[3], vcpus);
        assert_int_equal(d->burst_avg_ns, 1000 * vcpus);
        assert_int_equal(d->params.weight, 256);
        assert_int_equal(d->params.affinity, UINT64_MAX);
    }
    assert_int_equal(s->domain[0].flags, AVM_DOM_CONTROL);
    assert_string_equal(s->domain[1].untrusted_name, "dom2");
    assert_string_equal(s->domain[2].untrusted_name, "");
    assert_memory_equal(s->domain[3].untrusted_name, "evil?[2J?00", 11);
    assert_int_equal(strlen(s->domain[3].untrusted_name), AVM_NAME_LEN - 1);
    avm_sample_free(s);

    /* Those of the first are there at once, and those of the last soon. */
    for (i = 0; i < 40; i++) {
        f->reads = 0;
        assert_int_equal(avm_sample_read(h, &s), 0);
        assert_in_range(f->reads, 1, 128);
        avm_sample_free(s);
    }
    /* Names are kept: asked for again are the one that was not there and each
     * of the others once, give or take the first time. */
    for (i = 0; i < 64; i++) {
        f->reads = 0;
        assert_int_equal(avm_sample_read(h, &s), 0);
        assert_in_range(f->reads, 1, 128);
        total += f->reads;
        assert_string_equal(s->domain[MAX_DOMS - 1].untrusted_name, "dom5998");
        avm_sample_free(s);
    }
    assert_in_range(total, MAX_DOMS / 2, 3 * MAX_DOMS / 2);
    avm_close(h);
    free(f);
}

/* A guest each: two vCPUs. What an agent may take from the host is bounded. */
static void a_thousand_domains_in_ten_calls(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 1000);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_sample *s;
    size_t i;

    (void)state;
    for (i = 0; i < f->nr; i++)
        f->dom[i].nr_vcpus = 2;
    for (i = 0; i < 3; i++) {
        f->sysctls = f->domctls = 0;
        assert_int_equal(avm_sample_read(h, &s), 0);
        assert_int_equal(s->nr, 1000);
        assert_int_equal(s->domain[999].count.running_ns, 200);
        assert_int_equal(s->domain[999].params.weight, 256);
        assert_int_equal(f->domctls, 0);
        assert_in_range(f->sysctls, 1, 10);
        avm_sample_free(s);
    }
    avm_close(h);
    free(f);
}

static void same_params(const struct avm_params *a, const struct avm_params *b)
{
    /* Limits are for samples to look up when it is their turn. */
    assert_int_equal(a->can, b->can & ~AVM_CAN_DEVICES);
    assert_int_equal(a->weight, b->weight);
    assert_int_equal(a->cap_pct, b->cap_pct);
    assert_int_equal(a->urgency, b->urgency);
    assert_int_equal(a->lease_ms, b->lease_ms);
    assert_true(a->affinity == b->affinity);
}

/* The records tell what the domctls tell; an old Xen's records do not. */
static void records_tell_parameters(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 700);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_params p;
    struct avm_sample *s;
    size_t i, pinned = 0;

    (void)state;
    for (i = 0; i < f->nr; i++) {
        f->dom[i].act.weight = 1 + i;
        f->dom[i].act.cap = i % 5 * 20;
        f->dom[i].act.urgency = i % 4;
        f->dom[i].act.lease_ms = i % 4 ? 100 + i : 0;
        /* Of pCPUs 0 .. 3: all by name; some; none of them. */
        f->dom[i].affinity = i % 4 == 0 ? UINT64_MAX : i % 4 == 1 ? 0xf :
                             i % 4 == 2 ? 0x5 : 0x10;
    }
    f->dom[5].dying = true;
    for (f->old_records = false; ; f->old_records = true) {
        f->domctls = 0;
        assert_int_equal(avm_sample_read(h, &s), 0);
        if (f->old_records)
            assert_true(f->domctls >= 699);
        else
            assert_int_equal(f->domctls, 0);
        for (i = 0; i < f->nr; i++) {
            if (f->dom[i].dying) {
                assert_int_equal(s->domain[i].params.can, 0);
                assert_int_equal(s->domain[i].params.weight, 0);
                continue;
            }
            assert_int_equal(avm_params_get(h, f->dom[i].domid, &p), 0);
            same_params(&s->domain[i].params, &p);
            pinned += p.affinity != UINT64_MAX;
        }
        avm_sample_free(s);
        if (f->old_records)
            break;
    }
    assert_int_equal(pinned, 2 * 350);
    avm_close(h);
    free(f);
}

/* More pCPUs than a mask can tell. */
static void affinity_beyond_64(void **state)
{
    static const struct {
        uint64_t low;
        bool others, can;
        uint64_t affinity;
    } t[] = {
        { UINT64_MAX, true, true, UINT64_MAX },
        { UINT64_MAX, false, true, UINT64_MAX }, /* 0 .. 63, as good as -1   */
        { 0x3, false, true, 0x3 },
        { 0x3, true, false, UINT64_MAX },
        { 0, true, false, UINT64_MAX },
        { 0, false, false, UINT64_MAX },
    };
    struct avm_pool pool = { .nr_pcpus = 96, .pcpus = UINT64_MAX };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct avm_params p = { .can = AVM_CAN_AFFINITY | AVM_CAN_WEIGHT };

        avm_sched_affinity(&pool, t[i].low, t[i].others, &p);
        assert_int_equal(p.can & AVM_CAN_AFFINITY,
                         t[i].can ? AVM_CAN_AFFINITY : 0);
        assert_true(p.affinity == t[i].affinity);
    }
}

static void stock_scheduler_does_what_it_can(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_CREDIT2, 3);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_params p = { .weight = 512, .cap_pct = 30, .urgency = 2,
                            .lease_ms = 1000 };
    struct avm_info info;
    struct avm_sample *s;

    (void)state;
    assert_int_equal(avm_info(h, &info), 0);
    assert_non_null(strstr(info.limits, "sched=credit2"));
    assert_non_null(strstr(info.limits, "no urgency"));
    assert_int_equal(avm_sample_read(h, &s), 0);
    assert_int_equal(s->domain[0].have, AVM_HAVE_CPU);
    assert_int_equal(s->domain[0].params.can,
                     AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_AFFINITY);
    avm_sample_free(s);

    /* Weight alone leaves the cap as it was. */
    f->dom[1].act.cap = 70;
    assert_int_equal(avm_params_set(h, 2, NULL, AVM_CAN_WEIGHT, &p), 0);
    assert_int_equal(f->dom[1].act.weight, 512);
    assert_int_equal(f->dom[1].act.cap, 70);
    assert_int_equal(avm_params_set(h, 2, NULL, AVM_CAN_URGENCY, &p), -1);
    assert_int_equal(errno, ENOTSUP);
    assert_non_null(strstr(avm_last_error(h), "cannot"));
    avm_close(h);
    free(f);
}

static void apply_verify_undo(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 3);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_change c = { .domid = 2, .knob = AVM_KNOB_WEIGHT,
                            .before = 256, .after = 231 };
    uint64_t actual;

    (void)state;
    memcpy(c.uuid.b, f->dom[1].uuid, 16);
    assert_int_equal(avm_apply(h, &c), 0);
    assert_int_equal(avm_verify(h, &c, &actual), 0);
    assert_int_equal(f->dom[1].act.weight, 231);
    assert_int_equal(f->dom[1].act.urgency, 0);
    f->dom[1].act.weight = 99; /* someone else */
    assert_int_equal(avm_verify(h, &c, &actual), 1);
    assert_int_equal(actual, 99);
    assert_int_equal(avm_undo(h, &c), 0);
    assert_int_equal(f->dom[1].act.weight, 256);

    c.knob = AVM_KNOB_URGENCY;
    c.before = AVM_URGENCY_NORMAL;
    c.after = AVM_URGENCY_CRITICAL;
    c.lease_ms = 5000;
    assert_int_equal(avm_apply(h, &c), 0);
    assert_int_equal(f->dom[1].act.lease_ms, 5000);
    assert_int_equal(f->dom[1].act.weight, 256);
    c.before = AVM_URGENCY_BACKGROUND; /* ends at normal all the same */
    assert_int_equal(avm_undo(h, &c), 0);
    assert_int_equal(f->dom[1].act.urgency, AVM_URGENCY_NORMAL);

    c.knob = AVM_KNOB_AFFINITY;
    c.before = UINT64_MAX;
    c.after = 0x2;
    assert_int_equal(avm_apply(h, &c), 0);
    assert_int_equal(avm_verify(h, &c, &actual), 0);
    assert_int_equal(f->dom[1].affinity, 0x2);
    assert_int_equal(avm_undo(h, &c), 0);
    assert_int_equal(f->dom[1].affinity, UINT64_MAX);
    avm_close(h);
    free(f);
}

static void refuses_before_it_writes(void **state)
{
    static const struct {
        uint32_t set;
        struct avm_params p;
    } bad[] = {
        { AVM_CAN_WEIGHT, { .weight = 0 } },
        { AVM_CAN_WEIGHT, { .weight = 65536 } },
        { AVM_CAN_CAP, { .cap_pct = 201 } }, /* of 2 vCPUs */
        { AVM_CAN_URGENCY, { .urgency = 4, .lease_ms = 1000 } },
        { AVM_CAN_URGENCY, { .urgency = 3, .lease_ms = 0 } },
        { AVM_CAN_URGENCY, { .urgency = 3, .lease_ms = 600001 } },
        { AVM_CAN_AFFINITY, { .affinity = 0 } },
        { 0, { .weight = 1 } },
    };
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 3);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_params good = { .weight = 300 };
    struct avm_uuid other = { { 9 } };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(avm_params_set(h, 2, NULL, bad[i].set, &bad[i].p),
                         -1);
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(avm_params_set(h, 2, &other, AVM_CAN_WEIGHT, &good), -1);
    assert_int_equal(errno, ESTALE);
    assert_int_equal(avm_params_set(h, 3, NULL, AVM_CAN_WEIGHT, &good), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(avm_params_set(h, 70000, NULL, AVM_CAN_WEIGHT, &good),
                     -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(f->puts, 0);

    f->fail_errno = EPERM; /* what the hypervisor says comes through */
    assert_int_equal(avm_params_set(h, 2, NULL, AVM_CAN_WEIGHT, &good), -1);
    assert_int_equal(errno, EPERM);
    avm_close(h);
    free(f);
}

static void publishes_on_change_only(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 3);
    avm_handle *h = avm_open_ops(&fake_ops, f, "/nonexistent");
    struct avm_uuid u = { { 0 } };

    (void)state;
    memcpy(u.b, f->dom[1].uuid, 16);
    f->eagains = 3;
    assert_int_equal(avm_publish(h, 2, &u, AVM_CLASS_NET), 0);
    assert_int_equal(f->begins, 4);
    assert_string_equal(f->log,
                        "w /local/domain/2/avm \n"
                        "p /local/domain/2/avm 2\n"
                        "w /local/domain/2/avm/version 1\n"
                        "p /local/domain/2/avm/version 2\n"
                        "w /local/domain/2/avm/class net\n"
                        "p /local/domain/2/avm/class 2\n");
    assert_int_equal(avm_publish(h, 2, &u, AVM_CLASS_NET), 0);
    assert_int_equal(f->begins, 4);

    f->eagains = 1000; /* gives up at last */
    assert_int_equal(avm_publish(h, 2, &u, AVM_CLASS_CPU), -1);
    assert_int_equal(errno, EAGAIN);
    assert_in_range(f->begins, 5, 20);
    f->eagains = 0;
    f->gone = true; /* never bring a dead domain's directory back */
    assert_int_equal(avm_publish(h, 2, &u, AVM_CLASS_CPU), -1);
    assert_int_equal(errno, ESRCH);
    assert_string_equal(f->log, "");

    u.b[0] = 77;
    assert_int_equal(avm_publish(h, 2, &u, AVM_CLASS_CPU), -1);
    assert_int_equal(errno, ESTALE);
    assert_int_equal(avm_unpublish(h, 2), 0);
    assert_string_equal(f->log, "rm /local/domain/2/avm \n");
    avm_close(h);
    free(f);
}

/* The layout as Xen's own headers have it: xl reads the same. */
_Static_assert(sizeof(struct xen_sysctl_cputopo) == 12 &&
               offsetof(struct xen_sysctl_cputopo, core) == 0 &&
               offsetof(struct xen_sysctl_cputopo, socket) == 4 &&
               offsetof(struct xen_sysctl_cputopo, node) == 8 &&
               offsetof(struct xen_sysctl_cputopoinfo, cputopo) == 8 &&
               XEN_SYSCTL_cputopoinfo == 16, "");

static void topology(void **state)
{
    static struct xen_sysctl_cputopo in[AVM_PCPUS_MAX + 1];
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 2);
    avm_handle *h = avm_open_ops(&fake_ops, f, "");
    struct avm_topology *t = NULL;
    char err[256];
    uint64_t mask;
    uint32_t i;

    (void)state;
    for (i = 0; i <= AVM_PCPUS_MAX; i++)
        in[i] = (struct xen_sysctl_cputopo){
            .core = i / 2, .socket = i / 4, .node = i / 8,
        };
    in[5] = (struct xen_sysctl_cputopo){
        XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID, XEN_INVALID_NODE_ID,
    };
    assert_int_equal(avm_topology_read(h, &t), -1);
    assert_int_equal(errno, ENOSYS);
    assert_non_null(strstr(avm_last_error(h), "topology of the pCPUs"));

    f->topo = in;
    f->nr_topo = 16;
    f->sysctls = 0;
    assert_int_equal(avm_topology_read(h, &t), 0);
    assert_int_equal(f->sysctls, 1);
    assert_int_equal(t->nr, 16);
    assert_int_equal(t->pcpu[13].core, 6);
    assert_int_equal(t->pcpu[13].socket, 3);
    assert_int_equal(t->pcpu[13].node, 1);
    assert_int_equal(t->pcpu[5].node, AVM_PCPU_UNKNOWN);
    assert_int_equal(avm_cpus_resolve("socket:1", t, NULL, &mask, err,
                                      sizeof(err)), 0);
    assert_true(mask == 0xd0);
    avm_topology_free(t);

    f->nr_topo = AVM_PCPUS_MAX;
    assert_int_equal(avm_topology_read(h, &t), 0);
    assert_int_equal(t->pcpu[AVM_PCPUS_MAX - 1].core, AVM_PCPUS_MAX / 2 - 1);
    avm_topology_free(t);
    f->nr_topo = AVM_PCPUS_MAX + 1; /* not all of it was written */
    assert_int_equal(avm_topology_read(h, &t), -1);
    assert_int_equal(errno, EIO);
    f->nr_topo = 0;
    assert_int_equal(avm_topology_read(h, &t), -1);
    assert_int_equal(errno, EIO);
    avm_close(h);
    free(f);
}

/* All pCPUs of the pool, by number: what is wished can be read back. */
static void whole_pool(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 2);
    avm_handle *h = avm_open_ops(&fake_ops, f, "");
    struct avm_change c = { .domid = 2, .knob = AVM_KNOB_AFFINITY,
                            .before = 1 };
    struct avm_info info;
    uint64_t actual;
    char err[256];

    (void)state;
    memcpy(c.uuid.b, f->dom[1].uuid, 16);
    f->dom[1].affinity = 1;
    assert_int_equal(avm_info(h, &info), 0);
    assert_int_equal(avm_cpus_resolve("0-3", NULL, &info.host.pool[0],
                                      &c.after, err, sizeof(err)), 0);
    assert_int_equal(avm_apply(h, &c), 0);
    assert_int_equal(avm_verify(h, &c, &actual), 0);
    avm_close(h);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topology),
        cmocka_unit_test(whole_pool),
        cmocka_unit_test(finds_the_version),
        cmocka_unit_test(reads_all_domains_in_few_calls),
        cmocka_unit_test(a_thousand_domains_in_ten_calls),
        cmocka_unit_test(records_tell_parameters),
        cmocka_unit_test(affinity_beyond_64),
        cmocka_unit_test(stock_scheduler_does_what_it_can),
        cmocka_unit_test(apply_verify_undo),
        cmocka_unit_test(refuses_before_it_writes),
        cmocka_unit_test(publishes_on_change_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
