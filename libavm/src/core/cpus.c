/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpus: what an administrator calls a set of pCPUs, and which ones that are. The
 * syntax is that of cpus= in xl.cfg(5): "0-3,^1", "nodes:0-1,^node:1", "all". As
 * there, parts count from left to right, and ^ takes from what is on its left.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

struct set { uint64_t bits[AVM_PCPUS_MAX / 64]; };

/* One part between commas. */
struct part {
    enum { PART_ANY, PART_CPUS, PART_NODES, PART_SOCKETS, PART_CORES } kind;
    bool less;                   /* ^                                        */
    uint32_t first, last;
    char text[48];               /* for errors: cut, and printable           */
};

__attribute__((format(printf, 3, 4)))
static int fail(char *err, size_t err_len, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err, err_len, fmt, ap);
    va_end(ap);
    errno = EINVAL;
    return -1;
}

static bool set_has(const struct set *s, uint32_t cpu)
{
    return s->bits[cpu / 64] >> (cpu % 64) & 1;
}

static void set_put(struct set *s, uint32_t cpu, bool in)
{
    if (in)
        s->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
    else
        s->bits[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

/* ------------------------------------------------------------------------ */
/* Syntax                                                                   */

static const char *number(const char *p, const char *end, uint32_t *n)
{
    const char *start = p;

    for (*n = 0; p < end && *p >= '0' && *p <= '9'; p++) {
        *n = *n * 10 + (uint32_t)(*p - '0');
        if (*n >= AVM_PCPUS_MAX)
            return NULL;
    }
    return p == start ? NULL : p;
}

static bool is_word(const char *p, const char *end, const char *word)
{
    return (size_t)(end - p) == strlen(word) && !strncmp(p, word, strlen(word));
}

static bool skip(const char **p, const char *end, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(end - *p) < len || strncmp(*p, word, len))
        return false;
    *p += len;
    return true;
}

static void printable(char *buf, size_t size, const char *p, const char *end)
{
    size_t i;

    for (i = 0; i < size - 1 && p + i < end; i++)
        buf[i] = p[i] < 0x20 || p[i] > 0x7e ? '?' : p[i];
    buf[i] = '\0';
}

static bool part_parse(const char *p, const char *end, struct part *part)
{
    printable(part->text, sizeof(part->text), p, end);
    part->less = skip(&p, end, "^");
    part->first = part->last = 0;
    if (is_word(p, end, "any") || is_word(p, end, "all")) {
        part->kind = PART_ANY;
        return !part->less;
    }
    if (is_word(p, end, "cores")) {
        part->kind = PART_CORES;
        return !part->less;
    }
    part->kind = skip(&p, end, "nodes:") || skip(&p, end, "node:")
                 ? PART_NODES
                 : skip(&p, end, "sockets:") || skip(&p, end, "socket:")
                 ? PART_SOCKETS : PART_CPUS;
    p = number(p, end, &part->first);
    part->last = part->first;
    if (p && p < end && *p == '-')
        p = number(p + 1, end, &part->last);
    return p == end && part->first <= part->last;
}

/* The next part at *spec, which goes on behind it. 1, 0: that was all, -1. */
static int part_next(const char **spec, struct part *part, char *err,
                     size_t err_len)
{
    const char *p = *spec, *end;

    if (!p)
        return 0;
    end = p + strcspn(p, ",");
    if (!part_parse(p, end, part))
        return fail(err, err_len, "\"%s\" is not a list of pCPUs: must be "
                    "like 0-2,5 or nodes:0 or sockets:1 or cores or any, "
                    "several with commas, ^ in front for what is left out",
                    part->text);
    *spec = *end ? end + 1 : NULL;
    return 1;
}

/* ------------------------------------------------------------------------ */
/* Meaning                                                                  */

static bool is_there(const struct avm_pcpu *c)
{
    return c->core != AVM_PCPU_UNKNOWN || c->socket != AVM_PCPU_UNKNOWN ||
           c->node != AVM_PCPU_UNKNOWN;
}

static const char *kind_name(const struct part *part)
{
    return part->kind == PART_NODES ? "node" : "socket";
}

/* Each number of the range has to be one of a node or socket that there is. */
static int apply_group(struct set *s, const struct part *part,
                       const struct avm_topology *t, char *err,
                       size_t err_len)
{
    uint32_t n, i, of;
    bool found;

    for (n = part->first; n <= part->last; n++) {
        found = false;
        for (i = 0; i < t->nr; i++) {
            of = part->kind == PART_NODES ? t->pcpu[i].node
                                          : t->pcpu[i].socket;
            if (of != n)
                continue;
            set_put(s, i, !part->less);
            found = true;
        }
        if (!found)
            return fail(err, err_len, "%s: this host has no %s %u", part->text,
                        kind_name(part), n);
    }
    return 0;
}

static void apply_any(struct set *s, const struct avm_topology *t)
{
    uint32_t i;

    for (i = 0; t && i < t->nr; i++)
        if (is_there(&t->pcpu[i]))
            set_put(s, i, true);
}

static void apply_cpus(struct set *s, const struct part *part)
{
    uint32_t i;

    for (i = part->first; i <= part->last; i++)
        set_put(s, i, !part->less);
}

/* Of the pCPUs of a core the first one stays. */
static void spread(struct set *s, const struct avm_topology *t)
{
    uint32_t i, k;

    for (i = 0; i < AVM_PCPUS_MAX; i++) {
        if (!set_has(s, i))
            continue;
        /* Xen tells nothing of it: then it may be the sibling of any. */
        if (i >= t->nr || t->pcpu[i].core == AVM_PCPU_UNKNOWN) {
            set_put(s, i, false);
            continue;
        }
        for (k = i + 1; k < t->nr; k++)
            if (t->pcpu[k].core == t->pcpu[i].core &&
                t->pcpu[k].socket == t->pcpu[i].socket)
                set_put(s, k, false);
    }
}

struct meaning {
    bool any;                    /* just that word                           */
    bool fixed;                  /* numbers only: the same on every host     */
    bool cores;
};

/* Without a topology only what is fixed means something. */
static int walk(const char *spec, const struct avm_topology *t,
                struct set *s, struct meaning *m, char *err, size_t err_len)
{
    unsigned int nr = 0;
    struct part part;
    int r;

    *m = (struct meaning){ .fixed = true };
    memset(s, 0, sizeof(*s));
    while ((r = part_next(&spec, &part, err, err_len)) > 0) {
        if (!nr++) {
            if (part.less)
                return fail(err, err_len, "%s: ^ must follow what it is left "
                            "out of, like any,%s", part.text, part.text);
            m->any = part.kind == PART_ANY && !spec;
        }
        if (part.kind != PART_CPUS)
            m->fixed = false;
        if (part.kind == PART_CORES)
            m->cores = true;
        else if (part.kind == PART_ANY)
            apply_any(s, t);
        else if (part.kind == PART_CPUS)
            apply_cpus(s, &part);
        else if (t && apply_group(s, &part, t, err, err_len))
            return -1;
    }
    if (r < 0)
        return -1;
    if (m->cores && nr == 1)
        apply_any(s, t);
    return 0;
}

/* Of what is beyond the 64 that an affinity can name: the first, or 0. */
static uint32_t beyond(const struct set *s)
{
    uint32_t i;

    for (i = 64; i < AVM_PCPUS_MAX; i++)
        if (set_has(s, i))
            return i;
    return 0;
}

static int fail_beyond(const char *spec, uint32_t cpu, char *err,
                       size_t err_len)
{
    char text[AVM_CPUS_LEN];

    printable(text, sizeof(text), spec, spec + strlen(spec));
    return fail(err, err_len, "%s has pCPU %u, but only 0 to 63 can be named "
                "yet: leave out the others, like %.40s,^64-%u", text, cpu,
                text, AVM_PCPUS_MAX - 1);
}

static int fail_empty(const char *spec, char *err, size_t err_len)
{
    char text[AVM_CPUS_LEN];

    printable(text, sizeof(text), spec, spec + strlen(spec));
    return fail(err, err_len, "%s leaves no pCPU", text);
}

int avm_cpus_check(const char *spec, uint64_t *mask, char *err,
                   size_t err_len)
{
    struct meaning m;
    struct set s;

    if (strlen(spec) >= AVM_CPUS_LEN)
        return fail(err, err_len, "a list of pCPUs must be of at most %d "
                    "characters", AVM_CPUS_LEN - 1);
    if (walk(spec, NULL, &s, &m, err, err_len))
        return -1;
    *mask = m.any ? UINT64_MAX : s.bits[0];
    if (m.any)
        return 1;
    if (!m.fixed)
        return 0;
    if (beyond(&s))
        return fail(err, err_len, "pCPU %u cannot be named yet, only 0 to 63",
                    beyond(&s));
    return s.bits[0] ? 1 : fail_empty(spec, err, err_len);
}

int avm_cpus_resolve(const char *spec, const struct avm_topology *topology,
                     const struct avm_pool *pool, uint64_t *mask, char *err,
                     size_t err_len)
{
    uint64_t here, there = 0;
    struct meaning m;
    struct set s;
    int fixed = avm_cpus_check(spec, &here, err, err_len);
    bool high;
    uint32_t i;

    if (fixed < 0)
        return -1;
    if (fixed && here == UINT64_MAX) {
        *mask = here;
        return 0;
    }
    if (!fixed && !topology)
        return fail(err, err_len, "the hypervisor does not tell which pCPUs "
                    "are of a node, socket or core");
    if (walk(spec, topology, &s, &m, err, err_len))
        return -1;

    /* What is in no pool is offline, whatever Xen still knows of it. */
    for (i = 0; topology && i < topology->nr && i < 64; i++)
        there |= (uint64_t)is_there(&topology->pcpu[i]) << i;
    high = topology && topology->nr > 64;
    if (pool) {
        there = pool->pcpus;
        high = pool->nr_pcpus > (uint32_t)__builtin_popcountll(there);
    }
    if (!pool && !topology) {
        *mask = here;
        return 0;
    }
    if (!fixed)
        s.bits[0] &= there;
    if (!high)
        memset(&s.bits[1], 0, sizeof(s) - sizeof(s.bits[0]));
    if (m.cores)
        spread(&s, topology);
    if (beyond(&s))
        return fail_beyond(spec, beyond(&s), err, err_len);
    if (!(s.bits[0] & there)) {
        if (pool)
            return fail(err, err_len, "%.*s gives no pCPU of pool %u",
                        AVM_CPUS_LEN, spec, pool->id);
        return fail(err, err_len, "%.*s gives no pCPU of this host",
                    AVM_CPUS_LEN, spec);
    }
    /* All there are is read back as any. Without a pool nothing is written. */
    *mask = pool && !high && !(there & ~s.bits[0]) ? UINT64_MAX : s.bits[0];
    return 0;
}
