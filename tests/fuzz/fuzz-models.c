/* SPDX-License-Identifier: GPL-2.0-or-later */
/* models.json: the usage models. */
#include <string.h>

#include "avm.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {
    "{\"version\":1,\"models\":{\"idle\":[{\"metric\":\"cpu_permille\","
    "\"no\":40,\"yes\":10,\"why\":\"an idle guest\"}],\"mixed\":[]}}",
    "{\"version\":1,\n \"models\":{\n  \"net\":[\n   {\"metric\":"
    "\"net_share_permille\",\"no\":300,\"yes\":600},\n   {\"metric\":"
    "\"us_per_io\",\"no\":8000,\"yes\":1000000000,\"why\":\"\\u00e4\"}]}}\n",
    "{\"models\":{\"time-critical\":[{\"yes\":0,\"no\":1,\"metric\":"
    "\"burst_us\"}],\"cpu\":[{\"metric\":\"demand_permille\",\"no\":500,"
    "\"yes\":850}]},\"version\":1}",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avm_models m, before, back;
    char err[64], *text, *again;

    m = *avm_models_builtin();
    m.model[AVM_CLASS_IDLE].nr = 1;
    before = m;
    if (avm_models_parse((const char *)data, size, &m, err, sizeof(err))) {
        fuzz_expect(memcmp(&m, &before, sizeof(m)) == 0);
        fuzz_expect(err[0] && memchr(err, '\0', sizeof(err)));
        fuzz_expect(!strchr(err, '\n'));
        return 0;
    }
    fuzz_expect(!avm_models_check(&m, err, sizeof(err)));
    text = avm_json_models(&m);
    fuzz_expect(text && !strchr(text, '\n'));
    fuzz_expect(!avm_models_parse(text, strlen(text), &back, err,
                                  sizeof(err)));
    again = avm_json_models(&back);
    fuzz_expect(again && !strcmp(text, again));
    free(again);
    free(text);
    return 0;
}
