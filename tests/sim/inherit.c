/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains that work for others: sched=activity lets them inherit urgency, and
 * charges the sender.
 */
#include "tests.h"

const struct test inherit_tests[] = {
    { NULL }
};
