/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sample as JSON and back: nothing is lost, and nothing bad gets in. */
#include <errno.h>
#include <stdio.h>

#include "core-fixture.h"
#include "json/avm_json.h"

static uint64_t seed;

static uint64_t random_u64(void)
{
    uint64_t v = (uint64_t)fixture_random(&seed) << 33 ^
                 (uint64_t)fixture_random(&seed) << 11 ^
                 fixture_random(&seed);

    /* Small ones, too, and the ends of the range. */
    switch (fixture_random(&seed) % 8) {
    case 0:  return 0;
    case 1:  return UINT64_MAX;
    case 2:  return v % 1000;
    default: return v;
    }
}

/* All bytes, also those that the tables of the format might have forgotten. */
static void random_bytes(void *to, size_t len)
{
    size_t i;

    for (i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t v = random_u64();

        memcpy((char *)to + i, &v, len - i < sizeof(v) ? len - i : sizeof(v));
    }
}

static void random_name(char *name, size_t size)
{
    size_t i, len = fixture_random(&seed) % size;

    memset(name, 0, size);
    for (i = 0; i < len; i++)
        name[i] = ' ' + fixture_random(&seed) % ('~' - ' ' + 1);
}

static void random_host(struct avm_host *h)
{
    uint32_t i;

    h->nr_pcpus = fixture_random(&seed) % 65536;
    h->nr_pools = fixture_random(&seed) % (AVM_MAX_POOLS + 1);
    for (i = 0; i < h->nr_pools; i++) {
        random_bytes(&h->pool[i], sizeof(h->pool[i]));
        h->pool[i].nr_pcpus %= 65536;
    }
}

static struct avm_sample *random_sample(void)
{
    struct avm_sample *s = calloc(1, sizeof(*s));
    size_t i;

    assert_non_null(s);
    s->mono_ns = 1 + random_u64() / 2 % INT64_MAX;
    random_host(&s->host);
    random_bytes(&s->psi, sizeof(s->psi));
    s->psi.have %= 1u << AVM_NR_PSI;
    s->nr = fixture_random(&seed) % 6;
    s->domain = calloc(s->nr ? s->nr : 1, sizeof(*s->domain));
    assert_non_null(s->domain);
    for (i = 0; i < s->nr; i++) {
        struct avm_domain_sample *d = &s->domain[i];

        random_bytes(d, sizeof(*d));
        random_name(d->untrusted_name, sizeof(d->untrusted_name));
        d->domid = (i ? d[-1].domid + 1 : 0) + fixture_random(&seed) % 1000;
        d->nr_vcpus %= 65536;
        d->params.weight = 1 + d->params.weight % 65535;
        d->params.cap_pct %= 65536;
        d->params.urgency %= AVM_NR_URGENCIES;
        d->params.net_share %= AVM_SHARE_MAX + 1;
        d->params.disk_share %= AVM_SHARE_MAX + 1;
        d->net_link %= AVM_MAX_UPLINKS + 1;
    }
    return s;
}

/* All members but padding, which nobody reads. */
static void assert_same(const struct avm_sample *a, const struct avm_sample *b)
{
    uint32_t i;
    size_t k;

    assert_true(a->mono_ns == b->mono_ns);
    assert_int_equal(a->nr, b->nr);
    assert_memory_equal(&a->psi.some_us, &b->psi.some_us,
                        sizeof(a->psi.some_us));
    assert_memory_equal(&a->psi.full_us, &b->psi.full_us,
                        sizeof(a->psi.full_us));
    assert_int_equal(a->psi.have, b->psi.have);
    assert_int_equal(a->host.nr_pcpus, b->host.nr_pcpus);
    assert_int_equal(a->host.nr_pools, b->host.nr_pools);
    for (i = 0; i < a->host.nr_pools; i++)
        assert_memory_equal(&a->host.pool[i], &b->host.pool[i],
                            sizeof(a->host.pool[i]));
    for (k = 0; k < a->nr; k++) {
        const struct avm_domain_sample *x = &a->domain[k], *y = &b->domain[k];

        assert_true(avm_uuid_equal(&x->uuid, &y->uuid));
        assert_string_equal(x->untrusted_name, y->untrusted_name);
#define SAME(member) assert_true(x->member == y->member)
        SAME(domid); SAME(flags); SAME(pool); SAME(nr_vcpus); SAME(have);
        SAME(burst_avg_ns); SAME(net_devices); SAME(disk_devices);
        SAME(params.can); SAME(params.weight); SAME(params.cap_pct);
        SAME(params.urgency); SAME(params.lease_ms); SAME(params.affinity);
        SAME(params.net_out_max_bps); SAME(params.disk_max_bps);
        SAME(params.net_in_max_bps);
        SAME(params.net_share); SAME(params.disk_share);
        SAME(net_link); SAME(net_link_bps); SAME(disk_group);
        SAME(late); SAME(backend_process); SAME(psi_group);
        SAME(net_served_by); SAME(disk_served_by);
#undef SAME
        assert_memory_equal(&x->count, &y->count, sizeof(x->count));
    }
}

static void round_trip(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 300; i++) {
        struct avm_sample *s = random_sample(), *back = NULL;
        char *text = avm_json_sample(s), *again, err[200] = "";

        assert_non_null(text);
        assert_null(strchr(text, '\n'));
        if (avm_sample_parse(text, strlen(text), &back, err, sizeof(err)))
            fail_msg("%s", err);
        assert_same(s, back);
        again = avm_json_sample(back);
        assert_string_equal(text, again);
        free(again);
        free(text);
        avm_sample_free(back);
        avm_sample_free(s);
    }
}

/* Parsed or refused with a line; the sanitizers see the rest. */
static bool takes(const char *text, size_t len)
{
    struct avm_sample *s = NULL;
    char err[200] = "", *copy = malloc(len ? len : 1);
    bool ok;

    /* No byte after it: reading on would be seen. */
    assert_non_null(copy);
    memcpy(copy, text, len);
    ok = !avm_sample_parse(copy, len, &s, err, sizeof(err));
    if (!ok && (!err[0] || strchr(err, '\n')))
        fail_msg("not one line: '%s'", err);
    assert_true(ok == !!s);
    avm_sample_free(s);
    free(copy);
    return ok;
}

static void truncated(void **state)
{
    struct avm_sample *s;
    char *text;
    size_t len, i;

    (void)state;
    do {
        s = random_sample();
        text = avm_json_sample(s);
        avm_sample_free(s);
        len = strlen(text);
        if (len > 6000)
            free(text);
    } while (len > 6000);
    for (i = 0; i < len; i++)
        if (takes(text, i))
            fail_msg("took %zu bytes of %zu", i, len);
    assert_true(takes(text, len));
    free(text);
}

static void mutated(void **state)
{
    static const char *const bits[] = {
        "-", "9", "99999999999", "[", "]", "{", "}", ",", "\"", "null", "1.5",
        "-1", "\\u0000", "true", ":", "\xff", "\033",
    };
    unsigned int refused = 0;
    int i, k;

    (void)state;
    for (i = 0; i < 3000; i++) {
        struct avm_sample *s = random_sample();
        char *text = avm_json_sample(s);
        size_t len = strlen(text);

        avm_sample_free(s);
        for (k = 1 + fixture_random(&seed) % 3; k; k--) {
            const char *b = bits[fixture_random(&seed) %
                                 (sizeof(bits) / sizeof(bits[0]))];
            size_t n = strlen(b), at = fixture_random(&seed) % len;

            memcpy(text + at, b, n < len - at ? n : len - at);
        }
        refused += !takes(text, len);
        free(text);
    }
    assert_true(refused > 1000);
}

/* Puts 'to' in the place of the first 'from' of a good sample. */
static void refuses(const char *from, const char *to, const char *why)
{
    struct avm_domain_sample dom[2] = { { .domid = 1 }, { .domid = 2 } };
    struct avm_sample s = {
        .mono_ns = 5, .host = { .nr_pcpus = 4, .nr_pools = 1 },
        .nr = 2, .domain = dom,
    }, *back = NULL;
    char *text = avm_json_sample(&s), *at, changed[16384], err[200] = "";

    assert_non_null(text);
    at = strstr(text, from);
    if (!at)
        fail_msg("no %s in %s", from, text);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to,
             at + strlen(from));
    free(text);
    errno = 0;
    if (!avm_sample_parse(changed, strlen(changed), &back, err, sizeof(err)))
        fail_msg("took %s for %s", to, from);
    assert_int_equal(errno, EINVAL);
    if (strcmp(err, why))
        fail_msg("'%s', not '%s'", err, why);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    refuses("{\"version\":3", "{\"version\":2",
            "sample 0: \"version\" must be 3");
    refuses("\"psi\":{\"have\":0", "\"psi\":{\"have\":8",
            "psi 0: \"have\" must be a number from 0 to 7");
    refuses("\"mono_ns\":5", "\"mono_ns\":-5",
            "sample 0: \"mono_ns\" must be a number above 0");
    refuses("\"nr_pcpus\":4", "\"nr_pcpus\":65536",
            "host 0: \"nr_pcpus\" must be a number from 0 to 65535");
    refuses("\"sched_id\":0", "\"sched_id\":true",
            "pool 0: \"sched_id\" must be a number");
    refuses("\"domains\":[", "\"domains\":3,\"x\":[",
            "sample 0: \"domains\" must be an array");
    refuses("\"domid\":2", "\"domid\":1", "domain 1: \"domid\" must be above "
            "that of the domain before");
    refuses("\"wakes\":0,", "", "domain 0: \"wakes\" is missing");
    refuses("\"latency\":[0,", "\"latency\":[",
            "domain 0: \"latency\" has fewer than 20 elements");
    refuses("\"latency\":[0,", "\"latency\":[0,0,",
            "domain 0: \"latency\" has more than 20 elements");
    refuses("\"can\":0,\"weight\":0", "\"can\":1,\"weight\":0",
            "domain 0: \"weight\" must be a number from 1 to 65535");
    refuses("\"urgency\":0", "\"urgency\":4",
            "domain 0: \"urgency\" must be a number from 0 to 3");
    refuses("00000000-", "0000000-", "domain 0: \"uuid\" must be a UUID");
    refuses("\"name\":\"\"", "\"name\":\"\\u001b[2J\"",
            "domain 0: \"name\" has characters that are not printable");
    refuses("\"name\":\"\"", "\"name\":\"0123456789012345678901234567890123456"
            "7890123456789012345678901234567890123456789\"",
            "domain 0: \"name\" is longer than 79 characters");
    refuses("\"params\":{", "\"params\":[{", "not JSON");
    refuses("\"affinity\":0", "\"affinity\":18446744073709551615", "not JSON");
}

/* A name that came past the edges does not make a line that cannot be read. */
static void names_come_out_clean(void **state)
{
    struct avm_domain_sample dom = { .untrusted_name = "a\033\xc3\xa9\n" };
    struct avm_sample s = { .mono_ns = 1, .nr = 1, .domain = &dom }, *back;
    char *text = avm_json_sample(&s), err[200];

    (void)state;
    assert_int_equal(avm_sample_parse(text, strlen(text), &back, err,
                                      sizeof(err)), 0);
    assert_string_equal(back->domain[0].untrusted_name, "a????");
    avm_sample_free(back);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(truncated),
        cmocka_unit_test(mutated),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(names_come_out_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
