/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was learnt, out of a database or a recording that somebody edited. */
#include <string.h>

#include "avm.h"
#include "fuzz.h"

#define NONE "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"

const char *const fuzz_seeds[] = {
    "{\"version\":1,\"observed_ms\":7200000,\"class_ms\":{\"unknown\":0,"
    "\"idle\":1000,\"cpu\":7199000,\"net\":0,\"disk\":0,\"mixed\":0,"
    "\"time-critical\":0},\"demand_permille\":[7200000," NONE "],"
    "\"wait_permille\":[0," NONE "],\"latency_p99_us\":[" NONE ",1],"
    "\"net_bps\":[7200000," NONE "],\"disk_bps\":[0," NONE "]}",
    "{\"version\":1,\"observed_ms\":9223372036854775807,\"class_ms\":{"
    "\"unknown\":0,\"idle\":0,\"cpu\":172799999,\"net\":0,\"disk\":0,"
    "\"mixed\":0,\"time-critical\":0},\"demand_permille\":[5," NONE "],"
    "\"wait_permille\":[0," NONE "],\"latency_p99_us\":[" NONE ",1],"
    "\"net_bps\":[172799999," NONE "],\"disk_bps\":[0," NONE "]}",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avm_learned l = { .observed_ms = 5 }, before = l, back;
    char err[64], *text, *again;
    int m;

    if (avm_learned_parse((const char *)data, size, &l, err, sizeof(err))) {
        fuzz_expect(memcmp(&l, &before, sizeof(l)) == 0);
        fuzz_expect(err[0] && memchr(err, '\0', sizeof(err)));
        fuzz_expect(!strchr(err, '\n'));
        return 0;
    }
    fuzz_expect(!avm_learned_check(&l));
    for (m = 0; m < AVM_NR_LEARNED; m++)
        fuzz_expect(avm_learned_quantile(&l, m, 500) <=
                    avm_learned_quantile(&l, m, 950));
    text = avm_json_learned(&l);
    fuzz_expect(text && !strchr(text, '\n'));
    fuzz_expect(!avm_learned_parse(text, strlen(text), &back, err,
                                   sizeof(err)));
    again = avm_json_learned(&back);
    fuzz_expect(again && !strcmp(text, again));
    free(again);
    free(text);
    return 0;
}
