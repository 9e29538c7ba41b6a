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
    "0-63", "1,3,5-7", "any",
    NULL,
};

#define SIZE_MAX_HERE 4096 /* longer ones find nothing new */

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
    return 0;
}
