/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The edge to Xen, against a hypervisor and a xenstore that are played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge.h"

#define MAX_DOMS 3000

struct fake_dom {
    uint32_t domid, nr_vcpus;
    uint8_t uuid[16];
    uint64_t affinity;
    struct xen_domctl_sched_activity act;
};

struct fake {
    uint32_t version;            /* of domctl and sysctl                     */
    uint32_t sched_id;
    size_t nr;
    struct fake_dom dom[MAX_DOMS];
    unsigned int domctls, sysctls, puts;
    int fail_errno;              /* of the next write                        */
    /* xenstore */
    unsigned int begins, eagains, reads;
    char log[2048];
    bool gone;
};

static struct fake *fake_new(uint32_t sched_id, size_t nr)
{
    struct fake *f = calloc(1, sizeof(*f));
    size_t i;

    f->version = 0x16;
    f->sched_id = sched_id;
    f->nr = nr;
    for (i = 0; i < nr; i++) {
        f->dom[i].domid = i * 2;
        f->dom[i].nr_vcpus = 1 + i % 3;
        memcpy(f->dom[i].uuid, &i, sizeof(i));
        f->dom[i].affinity = UINT64_MAX;
        f->dom[i].act.weight = 256;
    }
    return f;
}

static struct fake_dom *fake_dom(struct fake *f, uint32_t domid)
{
    size_t i;

    for (i = 0; i < f->nr; i++)
        if (f->dom[i].domid == domid)
            return &f->dom[i];
    return NULL;
}

static int refuse(int e)
{
    errno = e;
    return -1;
}

static void fill_info(const struct fake_dom *d,
                      struct xen_domctl_getdomaininfo *i)
{
    memset(i, 0, sizeof(*i));
    i->domain = d->domid;
    i->cpu_time = d->domid * 1000;
    i->nr_online_vcpus = d->nr_vcpus;
    i->max_vcpu_id = d->nr_vcpus - 1;
    memcpy(i->handle, d->uuid, 16);
}

static int fake_sched_op(struct fake *f, struct fake_dom *d,
                         struct xen_domctl_scheduler_op *op)
{
    struct xen_domctl_sched_activity a;

    if (op->sched_id != f->sched_id)
        return refuse(EINVAL);
    if (op->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
        if (f->sched_id == XEN_SCHEDULER_ACTIVITY) {
            memcpy(&op->u, &d->act, sizeof(d->act));
        } else {
            op->u.credit2.weight = d->act.weight;
            op->u.credit2.cap = d->act.cap;
        }
        return 0;
    }
    f->puts++;
    if (f->fail_errno)
        return refuse(f->fail_errno);
    if (f->sched_id != XEN_SCHEDULER_ACTIVITY) {
        d->act.weight = op->u.credit2.weight;
        d->act.cap = op->u.credit2.cap;
        return 0;
    }
    memcpy(&a, &op->u, sizeof(a));
    if (a.set & ~XEN_SCHED_ACTIVITY_SET_ALL)
        return refuse(EINVAL);
    if (a.set & XEN_SCHED_ACTIVITY_SET_WEIGHT)
        d->act.weight = a.weight;
    if (a.set & XEN_SCHED_ACTIVITY_SET_CAP)
        d->act.cap = a.cap;
    if (a.set & XEN_SCHED_ACTIVITY_SET_URGENCY) {
        if (!a.lease_ms != !a.urgency)
            return refuse(EINVAL);
        d->act.urgency = a.urgency;
        d->act.lease_ms = a.lease_ms;
    }
    return 0;
}

static int fake_affinity(struct fake_dom *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    uint8_t *map = a->cpumap_hard.bitmap.p;

    if (a->vcpu >= d->nr_vcpus || a->flags != XEN_VCPUAFFINITY_HARD)
        return refuse(EINVAL);
    if (op->cmd == XEN_DOMCTL_setvcpuaffinity)
        memcpy(&d->affinity, map, 8);
    else if (d->affinity == UINT64_MAX)
        memset(map, 0xff, 8); /* as many bits as Xen was built for */
    memcpy(map, &d->affinity, 8);
    return 0;
}

static int fake_domctl(void *ctx, struct xen_domctl *op)
{
    struct fake *f = ctx;
    struct fake_dom *d;
    size_t i;

    if (op->interface_version != f->version)
        return refuse(EACCES);
    f->domctls++;
    if (op->cmd == XEN_DOMCTL_getdomaininfo) {
        for (i = 0; i < f->nr; i++) {
            if (f->dom[i].domid < op->domain)
                continue;
            op->domain = f->dom[i].domid;
            fill_info(&f->dom[i], &op->u.getdomaininfo);
            return 0;
        }
        return refuse(ESRCH);
    }
    d = fake_dom(f, op->domain);
    if (!d)
        return refuse(ESRCH);
    switch (op->cmd) {
    case XEN_DOMCTL_scheduler_op:
        return fake_sched_op(f, d, &op->u.scheduler_op);
    case XEN_DOMCTL_getvcpuaffinity:
    case XEN_DOMCTL_setvcpuaffinity:
        return fake_affinity(d, op);
    default:
        return refuse(ENOSYS);
    }
}

/* Each vCPU has one record; the cursor is the number of the next one. */
static int fake_records(struct fake *f, struct xen_sysctl_scheduler_op *op)
{
    struct xen_sysctl_sched_activity a;
    struct xen_sched_activity_record *out;
    uint64_t number = 0;
    uint32_t n = 0, v;
    size_t i;

    if (f->sched_id != XEN_SCHEDULER_ACTIVITY)
        return refuse(EINVAL);
    memcpy(&a, &op->u, sizeof(a));
    if (a.op != XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS ||
        a.u.records.size != sizeof(*out))
        return refuse(EINVAL);
    out = (void *)a.u.records.buffer.p;
    for (i = 0; i < f->nr; i++) {
        for (v = 0; v < f->dom[i].nr_vcpus; v++, number++) {
            if (number < a.u.records.cursor || n == a.u.records.nr)
                continue;
            memset(&out[n], 0, sizeof(out[n]));
            out[n].domid = f->dom[i].domid;
            out[n].vcpu_id = v;
            out[n].time_ns[0] = 100;
            out[n].time_ns[1] = 10;
            out[n].wakes = 1;
            out[n].latency[3] = 1;
            out[n].burst_avg_ns = 1000 * (v + 1);
            n++;
        }
    }
    a.u.records.cursor += n;
    a.u.records.nr = n;
    memcpy(&op->u, &a, sizeof(a));
    return 0;
}

static int fake_sysctl(void *ctx, struct xen_sysctl *op)
{
    struct fake *f = ctx;
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    struct xen_domctl_getdomaininfo *info;
    size_t i;

    if (op->interface_version != f->version)
        return refuse(EACCES);
    f->sysctls++;
    switch (op->cmd) {
    case XEN_SYSCTL_sched_id:
        return 0;
    case XEN_SYSCTL_cpupool_op:
        if (op->u.cpupool_op.cpupool_id > 0)
            return refuse(ENOENT);
        op->u.cpupool_op.sched_id = f->sched_id;
        op->u.cpupool_op.cpumap.bitmap.p[0] = 0x0f;
        return 0;
    case XEN_SYSCTL_getdomaininfolist:
        info = (void *)l->buffer.p;
        l->num_domains = 0;
        for (i = 0; i < f->nr; i++)
            if (f->dom[i].domid >= l->first_domain &&
                l->num_domains < l->max_domains)
                fill_info(&f->dom[i], &info[l->num_domains++]);
        return 0;
    case XEN_SYSCTL_scheduler_op:
        return fake_records(f, &op->u.scheduler_op);
    default:
        return refuse(ENOSYS);
    }
}

static void *fake_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void fake_release(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

static uint64_t fake_mono_ns(void *ctx)
{
    (void)ctx;
    return 12345;
}

/* ------------------------------------------------------------------------ */

static uint32_t fake_begin(void *ctx)
{
    struct fake *f = ctx;

    f->log[0] = '\0';
    return ++f->begins;
}

static int fake_end(void *ctx, uint32_t t, bool abandon)
{
    struct fake *f = ctx;

    assert_int_equal(t, f->begins);
    if (abandon)
        f->log[0] = '\0';
    if (!abandon && f->eagains) {
        f->eagains--;
        return refuse(EAGAIN);
    }
    return 0;
}

static char *fake_read(void *ctx, uint32_t t, const char *path)
{
    struct fake *f = ctx;
    uint32_t domid;
    char name[200];

    (void)t;
    f->reads++;
    if (sscanf(path, "/local/domain/%u/name", &domid) != 1)
        return strdup("");
    if (domid == 4) {
        errno = ENOENT;
        return NULL;
    }
    if (domid == 6) /* what a terminal must not see, and too long */
        snprintf(name, sizeof(name), "evil\033[2J\n%0100d", 7);
    else
        snprintf(name, sizeof(name), "dom%u", domid);
    return strdup(name);
}

static bool fake_exists(void *ctx, uint32_t t, const char *path)
{
    (void)t;
    assert_string_equal(path, "/local/domain/2");
    return !((struct fake *)ctx)->gone;
}

static void note(struct fake *f, const char *what, const char *path,
                 const char *value)
{
    size_t len = strlen(f->log);

    snprintf(f->log + len, sizeof(f->log) - len, "%s %s %s\n", what, path,
             value);
}

static int fake_write(void *ctx, uint32_t t, const char *path,
                      const char *value)
{
    (void)t;
    note(ctx, "w", path, value);
    return 0;
}

static int fake_readable_by(void *ctx, uint32_t t, const char *path,
                            uint32_t domid)
{
    char id[12];

    (void)t;
    snprintf(id, sizeof(id), "%u", domid);
    note(ctx, "p", path, id);
    return 0;
}

static int fake_rm(void *ctx, uint32_t t, const char *path)
{
    (void)t;
    note(ctx, "rm", path, "");
    return 0;
}

static void fake_close(void *ctx)
{
    (void)ctx;
}

static const struct avm_ops ops = {
    .domctl = fake_domctl, .sysctl = fake_sysctl,
    .alloc = fake_alloc, .release = fake_release, .mono_ns = fake_mono_ns,
    .store_begin = fake_begin, .store_end = fake_end,
    .store_read = fake_read, .store_exists = fake_exists,
    .store_write = fake_write, .store_readable_by = fake_readable_by,
    .store_rm = fake_rm, .close = fake_close,
};

/* ------------------------------------------------------------------------ */

static void finds_the_version(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, 1);
    avm_handle *h;

    (void)state;
    for (f->version = 0x15; f->version <= 0x18; f->version++) {
        struct avm_info info;

        h = avm_open_ops(&ops, f, "/nonexistent");
        assert_non_null(h);
        assert_int_equal(avm_info(h, &info), 0);
        assert_int_equal(info.domctl_version, f->version);
        assert_int_equal(info.sysctl_version, f->version);
        assert_int_equal(info.host.nr_pcpus, 4);
        assert_int_equal(info.host.pool[0].pcpus, 0xf);
        assert_string_equal(info.limits, "");
        avm_close(h);
    }
    f->version = 0x99;
    errno = 0;
    assert_null(avm_open_ops(&ops, f, ""));
    assert_int_equal(errno, EPROTO);
    free(f);
}

static void reads_all_domains_in_few_calls(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_ACTIVITY, MAX_DOMS);
    avm_handle *h = avm_open_ops(&ops, f, "/nonexistent");
    struct avm_sample *s;
    size_t i;

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

    /* Names are kept: only the one that was not there is asked for again. */
    f->reads = 0;
    assert_int_equal(avm_sample_read(h, &s), 0);
    assert_int_equal(f->reads, 1);
    avm_sample_free(s);
    avm_close(h);
    free(f);
}

static void stock_scheduler_does_what_it_can(void **state)
{
    struct fake *f = fake_new(XEN_SCHEDULER_CREDIT2, 3);
    avm_handle *h = avm_open_ops(&ops, f, "/nonexistent");
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
    avm_handle *h = avm_open_ops(&ops, f, "/nonexistent");
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
    avm_handle *h = avm_open_ops(&ops, f, "/nonexistent");
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
    avm_handle *h = avm_open_ops(&ops, f, "/nonexistent");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_version),
        cmocka_unit_test(reads_all_domains_in_few_calls),
        cmocka_unit_test(stock_scheduler_does_what_it_can),
        cmocka_unit_test(apply_verify_undo),
        cmocka_unit_test(refuses_before_it_writes),
        cmocka_unit_test(publishes_on_change_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
