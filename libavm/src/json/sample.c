/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sample: a sample as one line of JSON and back, so that what a host did can be
 * kept and be gone through again elsewhere. The tables below are the format:
 * a member that is added, taken out or changes its meaning needs another
 * SAMPLE_VERSION.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avm.h"
#include "avm_json.h"

#define SAMPLE_VERSION 3

#define NR(a) (sizeof(a) / sizeof((a)[0]))

/* Here, not beside what reads a host: who only parses has no Xen to link. */
void avm_sample_free(struct avm_sample *sample)
{
    if (!sample)
        return;
    free(sample->domain);
    free(sample);
}

/* ------------------------------------------------------------------------ */
/* The format                                                               */

#define U64 AVM_JSON_U64
#define U32 AVM_JSON_U32

/* More than any Xen has (4095 pCPUs, 8192 vCPUs); in permille it fits 32 bits. */
#define CPUS_MAX 65535

static const struct avm_json_field pool_fields[] = {
    U32(avm_pool, id, UINT32_MAX), U32(avm_pool, sched_id, UINT32_MAX),
    U32(avm_pool, nr_pcpus, CPUS_MAX), U32(avm_pool, can, UINT32_MAX),
    U64(avm_pool, pcpus),
};

static const struct avm_json_field host_fields[] = {
    U32(avm_host, nr_pcpus, CPUS_MAX),
};

#define PSI(key, member, i) \
    { key, offsetof(struct avm_psi, member) + (i) * sizeof(uint64_t), 0 }

static const struct avm_json_field psi_fields[] = {
    U32(avm_psi, have, (1u << AVM_NR_PSI) - 1),
    PSI("cpu_some_us", some_us, AVM_PSI_CPU),
    PSI("cpu_full_us", full_us, AVM_PSI_CPU),
    PSI("memory_some_us", some_us, AVM_PSI_MEMORY),
    PSI("memory_full_us", full_us, AVM_PSI_MEMORY),
    PSI("io_some_us", some_us, AVM_PSI_IO),
    PSI("io_full_us", full_us, AVM_PSI_IO),
};

#undef PSI

static const struct avm_json_field domain_fields[] = {
    U32(avm_domain_sample, domid, UINT32_MAX),
    U32(avm_domain_sample, flags, UINT32_MAX),
    U32(avm_domain_sample, pool, UINT32_MAX),
    U32(avm_domain_sample, nr_vcpus, CPUS_MAX),
    U32(avm_domain_sample, have, UINT32_MAX),
    U32(avm_domain_sample, late, UINT32_MAX),
    U32(avm_domain_sample, burst_avg_ns, UINT32_MAX),
    U64(avm_domain_sample, net_devices), U64(avm_domain_sample, disk_devices),
    U32(avm_domain_sample, net_link, AVM_MAX_UPLINKS),
    U64(avm_domain_sample, net_link_bps), U64(avm_domain_sample, disk_group),
    U64(avm_domain_sample, backend_process), U64(avm_domain_sample, psi_group),
    U32(avm_domain_sample, net_served_by, UINT32_MAX),
    U32(avm_domain_sample, disk_served_by, UINT32_MAX),
};

static const struct avm_json_field count_fields[] = {
#define COUNT(member) U64(avm_counters, member)
    COUNT(cpu_ns), COUNT(running_ns), COUNT(runnable_ns), COUNT(blocked_ns),
    COUNT(wakes), COUNT(blocks), COUNT(preemptions), COUNT(yields),
    COUNT(migrations), COUNT(boosts), COUNT(events_interdomain),
    COUNT(events_virq), COUNT(events_pirq), COUNT(events_ipi),
    COUNT(events_runnable), COUNT(events_sent),
    COUNT(net_rx_bytes), COUNT(net_tx_bytes), COUNT(net_rx_packets),
    COUNT(net_tx_packets), COUNT(net_drops),
    COUNT(disk_rd_bytes), COUNT(disk_wr_bytes), COUNT(disk_rd_reqs),
    COUNT(disk_wr_reqs), COUNT(disk_oo_reqs),
    COUNT(backend_us), COUNT(psi_cpu_us), COUNT(psi_io_us),
#undef COUNT
};

/* A counter that is not in the table would be lost without a word. */
_Static_assert(sizeof(struct avm_counters) ==
               (NR(count_fields) + AVM_LATENCY_BUCKETS) * sizeof(uint64_t),
               "each counter has its row");

static const struct avm_json_field params_fields[] = {
    U32(avm_params, can, UINT32_MAX), U32(avm_params, weight, 65535),
    U32(avm_params, cap_pct, UINT16_MAX), /* 16 bits in Xen's interface */
    U32(avm_params, urgency, AVM_NR_URGENCIES - 1),
    U32(avm_params, lease_ms, UINT32_MAX), U64(avm_params, affinity),
    U64(avm_params, net_out_max_bps), U64(avm_params, disk_max_bps),
    U64(avm_params, net_in_max_bps),
    U32(avm_params, net_share, AVM_SHARE_MAX),
    U32(avm_params, disk_share, AVM_SHARE_MAX),
};

/* ------------------------------------------------------------------------ */
/* Out                                                                      */

#define PUT(j, fields, base) \
    avm_json_put_fields(j, fields, NR(fields), base)

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~';
}

/* Nobody who shows the line shall have to ask what is in a name. */
static void put_name(struct avm_json *j, const char *untrusted, size_t size)
{
    char name[AVM_NAME_LEN];
    size_t i;

    for (i = 0; i < size - 1 && untrusted[i]; i++)
        name[i] = is_plain(untrusted[i]) ? untrusted[i] : '?';
    name[i] = '\0';
    avm_json_str(j, "name", name);
}

static void put_host(struct avm_json *j, const struct avm_host *h)
{
    uint32_t i;

    avm_json_object(j, "host");
    PUT(j, host_fields, h);
    avm_json_array(j, "pools");
    for (i = 0; i < h->nr_pools && i < AVM_MAX_POOLS; i++) {
        avm_json_object(j, NULL);
        PUT(j, pool_fields, &h->pool[i]);
        avm_json_end(j);
    }
    avm_json_end(j);
    avm_json_end(j);
}

static void put_domain(struct avm_json *j, const struct avm_domain_sample *d)
{
    char uuid[AVM_UUID_STR_LEN];
    unsigned int i;

    avm_json_object(j, NULL);
    avm_json_str(j, "uuid", avm_uuid_str(&d->uuid, uuid));
    put_name(j, d->untrusted_name, sizeof(d->untrusted_name));
    PUT(j, domain_fields, d);
    avm_json_object(j, "count");
    PUT(j, count_fields, &d->count);
    avm_json_array(j, "latency");
    for (i = 0; i < AVM_LATENCY_BUCKETS; i++)
        avm_json_int(j, NULL, (int64_t)d->count.latency[i]);
    avm_json_end(j);
    avm_json_end(j);
    avm_json_object(j, "params");
    PUT(j, params_fields, &d->params);
    avm_json_end(j);
    avm_json_end(j);
}

char *avm_json_sample(const struct avm_sample *sample)
{
    struct avm_json *j = avm_json_new();
    size_t i;

    avm_json_object(j, NULL);
    avm_json_uint(j, "version", SAMPLE_VERSION);
    avm_json_int(j, "mono_ns", (int64_t)sample->mono_ns);
    avm_json_object(j, "psi");
    PUT(j, psi_fields, &sample->psi);
    avm_json_end(j);
    put_host(j, &sample->host);
    avm_json_array(j, "domains");
    for (i = 0; i < sample->nr; i++)
        put_domain(j, &sample->domain[i]);
    avm_json_end(j);
    avm_json_end(j);
    return avm_json_finish(j);
}

/* ------------------------------------------------------------------------ */
/* In                                                                       */

/* Where we are, for the one line that says what is wrong. */
struct reader {
    const char *what;            /* "domain", "pool", ...                    */
    size_t nr;                   /* which of them                            */
    char *err;
    size_t err_len;
};

static int __attribute__((format(printf, 2, 3)))
bad(const struct reader *r, const char *fmt, ...)
{
    char why[96];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (r->err && r->err_len)
        snprintf(r->err, r->err_len, "%s %zu: %s", r->what, r->nr, why);
    errno = EINVAL;
    return -1;
}

static int get_fields(const struct reader *r, const struct avm_json_value *v,
                      const struct avm_json_field *f, size_t nr, void *base)
{
    char why[96];

    return avm_json_get_fields(v, f, nr, base, why, sizeof(why)) ?
           bad(r, "%s", why) : 0;
}

#define GET(r, v, fields, base) get_fields(r, v, fields, NR(fields), base)

static int get_name(const struct reader *r, const struct avm_json_value *v,
                    char *name, size_t size)
{
    const char *text = avm_json_get_str(avm_json_get(v, "name"), NULL), *p;

    if (!text)
        return bad(r, "\"name\" must be a text");
    if (strlen(text) >= size)
        return bad(r, "\"name\" is longer than %zu characters", size - 1);
    for (p = text; *p; p++)
        if (!is_plain(*p))
            return bad(r, "\"name\" has characters that are not printable");
    strcpy(name, text);
    return 0;
}

/* The first element of the array 'key', whose length goes to 'nr'. */
static int get_array(const struct reader *r, const struct avm_json_value *v,
                     const char *key, size_t max,
                     const struct avm_json_value **first, size_t *nr)
{
    const struct avm_json_value *a = avm_json_get(v, key);

    if (!avm_json_is_array(a))
        return bad(r, "\"%s\" must be an array", key);
    *nr = avm_json_size(a);
    if (*nr > max)
        return bad(r, "\"%s\" has more than %zu elements", key, max);
    *first = avm_json_at(a, 0);
    return 0;
}

static int get_host(struct reader *r, const struct avm_json_value *v,
                    struct avm_host *h)
{
    const struct avm_json_value *e;
    size_t nr;

    if (GET(r, v, host_fields, h))
        return -1;

    if (get_array(r, v, "pools", AVM_MAX_POOLS, &e, &nr))
        return -1;
    h->nr_pools = (uint32_t)nr;
    r->what = "pool";
    for (r->nr = 0; e; e = avm_json_next(e), r->nr++)
        if (GET(r, e, pool_fields, &h->pool[r->nr]))
            return -1;
    return 0;
}

static int get_latency(const struct reader *r, const struct avm_json_value *v,
                       uint64_t *latency)
{
    const struct avm_json_value *e;
    size_t nr;

    if (get_array(r, v, "latency", AVM_LATENCY_BUCKETS, &e, &nr))
        return -1;
    if (nr < AVM_LATENCY_BUCKETS)
        return bad(r, "\"latency\" has fewer than %u elements",
                   AVM_LATENCY_BUCKETS);
    for (; e; e = avm_json_next(e)) {
        if (!avm_json_is_int(e))
            return bad(r, "\"latency\" must be numbers");
        *latency++ = (uint64_t)avm_json_get_int(e, 0);
    }
    return 0;
}

static int get_domain(const struct reader *r, const struct avm_json_value *v,
                      struct avm_domain_sample *d)
{
    const struct avm_json_value *count = avm_json_get(v, "count");
    const struct avm_params *p = &d->params;

    if (avm_uuid_parse(avm_json_get_str(avm_json_get(v, "uuid"), NULL),
                       &d->uuid))
        return bad(r, "\"uuid\" must be a UUID");
    if (get_name(r, v, d->untrusted_name, sizeof(d->untrusted_name)) ||
        GET(r, v, domain_fields, d) ||
        GET(r, count, count_fields, &d->count) ||
        get_latency(r, count, d->count.latency) ||
        GET(r, avm_json_get(v, "params"), params_fields, &d->params))
        return -1;
    if ((p->can & AVM_CAN_WEIGHT) && !p->weight)
        return bad(r, "\"weight\" must be a number from 1 to 65535");
    /* So that each domain is there once. */
    if (r->nr && d->domid <= d[-1].domid)
        return bad(r, "\"domid\" must be above that of the domain before");
    return 0;
}

int avm_sample_from_json(const struct avm_json_value *v,
                         struct avm_sample **sample, char *err, size_t err_len)
{
    struct reader r = { .what = "sample", .err = err, .err_len = err_len };
    const struct avm_json_value *mono = avm_json_get(v, "mono_ns"), *e;
    struct avm_sample *s;
    int was;

    if (avm_json_get_int(avm_json_get(v, "version"), 0) != SAMPLE_VERSION)
        return bad(&r, "\"version\" must be %d", SAMPLE_VERSION);
    if (avm_json_get_int(mono, 0) <= 0)
        return bad(&r, "\"mono_ns\" must be a number above 0");

    s = calloc(1, sizeof(*s));
    if (!s)
        goto no_memory;
    s->mono_ns = (uint64_t)avm_json_get_int(mono, 0);
    r.what = "psi";
    if (GET(&r, avm_json_get(v, "psi"), psi_fields, &s->psi))
        goto fail;
    r.what = "host";
    if (get_host(&r, avm_json_get(v, "host"), &s->host))
        goto fail;
    r.what = "sample";
    r.nr = 0;
    if (get_array(&r, v, "domains", SIZE_MAX, &e, &s->nr))
        goto fail;
    s->domain = calloc(s->nr ? s->nr : 1, sizeof(*s->domain));
    if (!s->domain)
        goto no_memory;
    r.what = "domain";
    for (; e; e = avm_json_next(e), r.nr++)
        if (get_domain(&r, e, &s->domain[r.nr]))
            goto fail;
    *sample = s;
    return 0;

 no_memory:
    if (err && err_len)
        snprintf(err, err_len, "no memory");
    errno = ENOMEM;
 fail:
    was = errno;
    avm_sample_free(s);
    errno = was;
    return -1;
}

int avm_sample_parse(const char *text, size_t len, struct avm_sample **sample,
                     char *err, size_t err_len)
{
    struct avm_json_value *v = avm_json_parse(text, len, err, err_len);
    int rc, was;

    if (!v)
        return -1;
    rc = avm_sample_from_json(v, sample, err, err_len);
    was = errno;
    avm_json_free(v);
    errno = was;
    return rc;
}
