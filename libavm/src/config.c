/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config: the settings of the loop, and what they may be. */

#include "state.h"

void avm_config_init(struct avm_config *c)
{
    *c = (struct avm_config){
        .sample_ms = 1000,
        .decide_ms = 4000,
        .hold_decisions = 3,
        .gain_min_permille = 100,
        .cooldown_ms = 60000,
        .warmup_ms = 60000,
        .changes_per_minute = 20,
        .step_up_permille = 250,
        .step_down_permille = 100,
        .lease_ms = 10000,
        .foreign_hold_ms = 600000,
    };
}

const char *avm_config_check(const struct avm_config *c)
{
    if (c->sample_ms < 100 || c->sample_ms > 60000)
        return "sample_ms is not in 100 .. 60000";
    if (c->decide_ms < c->sample_ms || c->decide_ms > 600000)
        return "decide_ms is not in sample_ms .. 600000";
    if (c->hold_decisions < 1 || c->hold_decisions > 100)
        return "hold_decisions is not in 1 .. 100";
    if (c->gain_min_permille > 1000)
        return "gain_min_permille is not in 0 .. 1000";
    if (c->cooldown_ms > 3600000)
        return "cooldown_ms is not in 0 .. 3600000";
    if (c->warmup_ms > 3600000)
        return "warmup_ms is not in 0 .. 3600000";
    if (c->changes_per_minute < 1 || c->changes_per_minute > AVM_BUDGET_MAX)
        return "changes_per_minute is not in 1 .. 10000";
    if (c->step_up_permille < 1 || c->step_up_permille > 1000)
        return "step_up_permille is not in 1 .. 1000";
    if (c->step_down_permille < 1 || c->step_down_permille > 999)
        return "step_down_permille is not in 1 .. 999";
    if (c->lease_ms < 2 * c->sample_ms || c->lease_ms > 600000)
        return "lease_ms is not in 2 * sample_ms .. 600000";
    if (c->foreign_hold_ms > 86400000)
        return "foreign_hold_ms is not in 0 .. 86400000";
    return NULL;
}
