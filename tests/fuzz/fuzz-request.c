/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control requests, and the lists of pCPUs in them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "request.h"

const char *const fuzz_seeds[] = {
    "{\"op\":\"need-set\",\"domain\":\"web\",\"role\":\"interactive\","
    "\"weight_min\":10,\"weight_max\":300,\"cap_pct\":-1,\"cpu_min_pct\":50,"
    "\"cpus\":\"0-2,5\"}",
    "{\"op\":\"history\",\"last\":3,\"all\":true,\"x\":[1,[{\"y\":null}]]}",
    "{\"op\":\"set\",\"domain\":\"\\u00e4\\n\",\"urgency\":\"critical\"}",
    "0-63", "1,3,5-7", "any", "nodes:0-1,^node:1,cores", "any,^3,sockets:1",
    NULL,
};

#define SIZE_MAX_HERE 4096 /* longer ones find nothing new */

/* What is a list without names is the same list with them. */
static void names_of_pcpus(const char *text)
{
    static struct {
        struct avm_topology t;
        struct avm_pcpu pcpu[72];
    } host;
    static const struct avm_pool pool = {
        .pcpus = 0xf0ff, .nr_pcpus = 12,
    };
    uint64_t plain, mask = 0, fixed_mask;
    char err[256] = "";
    int fixed = avm_cpus_check(text, &fixed_mask, err, sizeof(err));
    uint32_t i;

    fuzz_expect(fixed < 0 ? err[0] && !strchr(err, '\n') : fixed <= 1);
    if (!cpus_parse(text, &plain) && strlen(text) < AVM_CPUS_LEN)
        fuzz_expect(fixed == 1 && fixed_mask == plain);

    host.t.nr = 72;
    for (i = 0; i < 72; i++)
        host.t.pcpu[i] = (struct avm_pcpu){ i / 8, i / 16, i % 16 / 2 };
    if (avm_cpus_resolve(text, &host.t, &pool, &mask, err,
                         sizeof(err)))
        fuzz_expect(err[0] && !strchr(err, '\n'));
    else
        fuzz_expect(fixed >= 0 && mask & pool.pcpus &&
                    (fixed || mask == UINT64_MAX || !(mask & ~pool.pcpus)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request req;
    char err[64], text[SIZE_MAX_HERE + 1], buf[256], *answer;
    uint64_t cpus, again;

    if (size > SIZE_MAX_HERE)
        return 0;
    if (request_parse(&req, (const char *)data, size, err, sizeof(err))) {
        fuzz_expect(err[0] && !strchr(err, '\n'));
    } else {
        fuzz_expect(req.op[0] && strlen(req.domain) < sizeof(req.domain));
        answer = answer_error(EXIT_NOT_FOUND, "%s", req.domain);
        fuzz_expect(answer && !strchr(answer, '\n'));
        free(answer);
    }

    memcpy(text, data, size);
    text[size] = '\0';
    if (!cpus_parse(text, &cpus)) {
        fuzz_expect(cpus);
        fuzz_expect(!cpus_parse(cpus_str(cpus, buf, sizeof(buf)), &again));
        fuzz_expect(again == cpus);
    }
    names_of_pcpus(text);
    return 0;
}
