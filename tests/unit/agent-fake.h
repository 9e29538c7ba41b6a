/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests that play Xen and the clock to the agent have in common. The
 * test itself defines fake_ns() and the calls that its host answers.
 */
#ifndef AGENT_FAKE_H
#define AGENT_FAKE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define CAN_ALL (AVM_CAN_WEIGHT | AVM_CAN_CAP | AVM_CAN_URGENCY | \
                 AVM_CAN_AFFINITY | AVM_CAN_RECORDS)

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_avm_sample_read(avm_handle *h, struct avm_sample **out);
int __wrap_avm_topology_read(avm_handle *h, struct avm_topology **out);
int __wrap_avm_apply(avm_handle *h, const struct avm_change *c);
int __wrap_avm_verify(avm_handle *h, const struct avm_change *c,
                      uint64_t *actual);
int __wrap_avm_publish(avm_handle *h, uint32_t domid,
                       const struct avm_uuid *uuid, enum avm_class klass);
int __wrap_avm_unpublish(avm_handle *h, uint32_t domid);
const char *__wrap_avm_last_error(const avm_handle *h);
int __wrap_avm_info(avm_handle *h, struct avm_info *info);

/* The time since the host was started; it moves when the test says so. */
static uint64_t fake_ns(void);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    uint64_t ns = fake_ns() + (clock == CLOCK_REALTIME ? 1000000000000u : 0);

    ts->tv_sec = (time_t)(ns / 1000000000);
    ts->tv_nsec = (long)(ns % 1000000000);
    return 0;
}

const char *__wrap_avm_last_error(const avm_handle *h)
{
    (void)h;
    return "";
}

int __wrap_avm_info(avm_handle *h, struct avm_info *info)
{
    (void)h;
    memset(info, 0, sizeof(*info));
    strcpy(info->limits, "one\ntwo\n");
    return 0;
}

/* As before agent_start(): it decides with each sample, and acts at once. */
static inline void fake_conf(struct agent *a, enum avm_mode mode,
                             const char *dir)
{
    struct conf *conf = &a->conf;

    conf_defaults(conf);
    conf->mode = mode;
    snprintf(conf->state_dir, sizeof(conf->state_dir), "%s", dir);
    conf->loop.warmup_ms = 0;
    conf->loop.cooldown_ms = 0;
    conf->loop.hold_decisions = 1;
    conf->loop.decide_ms = conf->loop.sample_ms;
    a->models = *avm_models_builtin();
}

static inline int fake_remove_dir(const char *dir)
{
    char path[400];
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(dir);
}

#endif
