/* SPDX-License-Identifier: GPL-2.0-or-later */
/* avm.conf. */
#include <string.h>

#include "conf.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {
    "mode = \"auto\"\nsample_ms = 100\ndecide_ms=200 # x\non_exit='revert'\n",
    "state_dir = \"/var/lib/avm\"\nrun_dir='/run/avm'\n\n# end",
    "gain_min_permille = 100\ncooldown_ms = 0\nlease_ms = 10000\n",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf conf, before;
    char err[64];

    conf_defaults(&conf);
    before = conf;
    if (conf_parse(&conf, "fuzz", (const char *)data, size, err,
                   sizeof(err))) {
        fuzz_expect(memcmp(&conf, &before, sizeof(conf)) == 0);
        fuzz_expect(err[0] && memchr(err, '\0', sizeof(err)));
        fuzz_expect(!strchr(err, '\n'));
    } else {
        fuzz_expect(avm_config_check(&conf.loop) == NULL);
        fuzz_expect(conf.mode != AVM_MODE_INHERIT);
        fuzz_expect(conf.state_dir[0] == '/' && conf.run_dir[0] == '/');
    }
    return 0;
}
