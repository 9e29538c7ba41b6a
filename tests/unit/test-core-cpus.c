/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of pCPUs, on hosts that are played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "avm.h"

#define ANY UINT64_MAX

/* SMT2: pCPU 2n and 2n + 1 are siblings; core numbers begin anew in a socket. */
static struct avm_topology *host(uint32_t nr, uint32_t per_socket,
                                 uint32_t per_node)
{
    struct avm_topology *t = malloc(sizeof(*t) + nr * sizeof(t->pcpu[0]));
    uint32_t i;

    t->nr = nr;
    for (i = 0; i < nr; i++)
        t->pcpu[i] = (struct avm_pcpu){
            .node = i / per_node, .socket = i / per_socket,
            .core = i % per_socket / 2,
        };
    return t;
}

static void off(struct avm_topology *t, uint32_t cpu)
{
    t->pcpu[cpu] = (struct avm_pcpu){ AVM_PCPU_UNKNOWN, AVM_PCPU_UNKNOWN,
                                      AVM_PCPU_UNKNOWN };
}

static struct avm_pool pool_of(uint64_t pcpus, uint32_t more)
{
    return (struct avm_pool){
        .id = 3, .pcpus = pcpus,
        .nr_pcpus = (uint32_t)__builtin_popcountll(pcpus) + more,
    };
}

static void gives_at(int line, const struct avm_topology *t,
                     const struct avm_pool *p, const char *spec,
                     uint64_t want)
{
    char err[256] = "";
    uint64_t mask = 0;

    if (avm_cpus_resolve(spec, t, p, &mask, err, sizeof(err)) || mask != want)
        fail_msg("line %d: %s: %llx, not %llx: %s", line, spec,
                 (unsigned long long)mask, (unsigned long long)want, err);
}
#define gives(...) gives_at(__LINE__, __VA_ARGS__)

static void refuses_at(int line, const struct avm_topology *t,
                       const struct avm_pool *p, const char *spec,
                       const char *why)
{
    char err[256] = "";
    uint64_t mask = 77;

    if (!avm_cpus_resolve(spec, t, p, &mask, err, sizeof(err)) ||
        !strstr(err, why) || strchr(err, '\n') || mask != 77)
        fail_msg("line %d: %s: '%s', mask %llx", line, spec, err,
                 (unsigned long long)mask);
}
#define refuses(...) refuses_at(__LINE__, __VA_ARGS__)

static void strict(void **state)
{
    static const char *const bad[] = {
        "", ",", "0,", ",0", "x", "3-1", "1-", "-1", "0 ", " 0", "+1", "0x1",
        "nodes:", "nodes:x", "nodes:1-0", "nodes", "node1", "Nodes:0",
        "sockets:0-", "^any", "^cores", "0,^^1", "0,^", "cores:1", "anything",
        "99999999999", "16384", "0,nodes:0-16384", "1--2", "1-2-3",
        "0\n1",
    };
    struct avm_topology *t = host(8, 4, 4);
    char err[256], longer[AVM_CPUS_LEN + 1];
    uint64_t mask;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refuses(t, NULL, bad[i], "is not a list of pCPUs: must be like");
    refuses(t, NULL, "^1", "^ must follow");
    refuses(t, NULL, "0,64", "pCPU 64 cannot be named yet, only 0 to 63");
    refuses(t, NULL, "1,^1", "leaves no pCPU");
    memset(longer, '1', AVM_CPUS_LEN);
    longer[AVM_CPUS_LEN] = '\0';
    refuses(t, NULL, longer, "at most 127 characters");

    assert_int_equal(avm_cpus_check("0-2,5,63", &mask, err, sizeof(err)), 1);
    assert_true(mask == 0x8000000000000027);
    assert_int_equal(avm_cpus_check("0-3,^1", &mask, err, sizeof(err)), 1);
    assert_true(mask == 0xd);
    assert_int_equal(avm_cpus_check("all", &mask, err, sizeof(err)), 1);
    assert_true(mask == ANY);
    assert_int_equal(avm_cpus_check("any,^3", &mask, err, sizeof(err)), 0);
    assert_int_equal(avm_cpus_check("0,nodes:1", &mask, err, sizeof(err)), 0);
    assert_int_equal(avm_cpus_check("0-3,cores", &mask, err, sizeof(err)), 0);
    free(t);
}

/* Two sockets of two nodes each, SMT2: 16 pCPUs. */
static void two_sockets_of_two_nodes(void **state)
{
    struct avm_topology *t = host(16, 8, 4);
    struct avm_pool p = pool_of(0xffff, 0);

    (void)state;
    gives(t, &p, "nodes:0", 0x000f);
    gives(t, &p, "node:3", 0xf000);
    gives(t, &p, "nodes:1-2", 0x0ff0);
    gives(t, &p, "sockets:1", 0xff00);
    gives(t, &p, "socket:0,^node:1", 0x000f);
    gives(t, &p, "cores", 0x5555);
    gives(t, &p, "nodes:1,cores", 0x0050);
    gives(t, &p, "cores,sockets:1,^8", 0x5600); /* 9 is the first of its core */
    gives(t, &p, "nodes:0,^0-1,15", 0x800c);
    gives(t, &p, "any,^15", 0x7fff);
    gives(t, &p, "any", ANY);
    gives(t, &p, "nodes:0,^1,1", 0x000f); /* from left to right */
    gives(t, &p, "0-2,5", 0x0027);
    refuses(t, &p, "nodes:4", "nodes:4: this host has no node 4");
    refuses(t, &p, "nodes:2-7", "no node 4");
    refuses(t, &p, "any,^socket:2", "this host has no socket 2");
    refuses(t, &p, "nodes:0,^0-3", "nodes:0,^0-3 gives no pCPU of pool 3");
    refuses(NULL, &p, "nodes:0", "the hypervisor does not tell");
    gives(NULL, &p, "0-2", 0x7);
    gives(NULL, NULL, "0-2", 0x7);
    free(t);
}

/* All of a pool is read back as any: it must be wished like that. */
static void whole_pool_is_any(void **state)
{
    struct avm_topology *t = host(8, 4, 4);
    struct avm_pool all = pool_of(0xff, 0), half = pool_of(0xf0, 0),
                    more = pool_of(0xff, 2);

    (void)state;
    gives(t, &all, "sockets:0-1", ANY);
    gives(t, &all, "0-7", ANY);
    gives(t, &half, "nodes:1", ANY);
    gives(t, &half, "2-7", ANY);
    gives(t, &half, "2-5", 0x3c); /* numbers: as they were said */
    gives(t, &half, "any,^4", 0xe0);
    gives(t, &half, "cores", 0x50);
    gives(t, &more, "0-7", 0xff); /* it has two beyond 63 */
    refuses(t, &half, "nodes:0", "gives no pCPU of pool 3");
    refuses(t, &half, "0-3", "0-3 gives no pCPU of pool 3");
    gives(t, NULL, "nodes:0-1", 0xff);
    free(t);
}

static void offline(void **state)
{
    struct avm_topology *t = host(8, 4, 4);
    struct avm_pool p = pool_of(0xde, 0); /* 0 and 5 are in none */

    (void)state;
    off(t, 0);
    gives(t, &p, "nodes:0", 0x0e);
    gives(t, &p, "cores", 0x56); /* of core 0 its other pCPU; 5 is parked */
    gives(t, &p, "nodes:1", 0xd0);
    off(t, 4), off(t, 5), off(t, 6), off(t, 7);
    refuses(t, &p, "nodes:1", "this host has no node 1");
    gives(t, NULL, "any,^1", 0x0c);
    refuses(t, NULL, "4", "4 gives no pCPU of this host");
    free(t);
}

static void more_than_64(void **state)
{
    struct avm_topology *t = host(128, 64, 48); /* nodes 0-47, 48-95, 96-127 */
    struct avm_pool all = pool_of(ANY, 64), low = pool_of(ANY, 0),
                    high = pool_of(0, 64);

    (void)state;
    gives(t, &all, "nodes:0", 0xffffffffffff);
    gives(t, &all, "any", ANY);
    refuses(t, &all, "nodes:1", "nodes:1 has pCPU 64, but only 0 to 63 can be "
            "named yet: leave out the others, like nodes:1,^64-16383");
    gives(t, &all, "nodes:1,^64-16383", 0xffff000000000000);
    refuses(t, &all, "cores", "has pCPU 64");
    refuses(t, &all, "any,^0", "has pCPU 64");
    gives(t, &all, "cores,sockets:0", 0x5555555555555555);
    /* The pool has none of those: there is nothing to be named. */
    gives(t, &low, "nodes:1", 0xffff000000000000);
    gives(t, &low, "any,^0", ANY - 1);
    gives(t, &low, "sockets:0", ANY);
    refuses(t, &high, "nodes:0", "gives no pCPU of pool 3");
    refuses(t, &all, "nodes:2", "has pCPU 96");
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict),
        cmocka_unit_test(two_sockets_of_two_nodes),
        cmocka_unit_test(whole_pool_is_any),
        cmocka_unit_test(offline),
        cmocka_unit_test(more_than_64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
