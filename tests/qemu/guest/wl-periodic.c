/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A periodic task, alone or beside a burner in the same guest.
 *
 * Lateness is measured against a fixed grid of times.  A task that falls
 * behind by more than a period does not skip: the wake-ups it missed are
 * late too, and are counted.  With random=1 the grid is one of random times
 * (a Poisson process, the same in every run), period_us apart on average, as of
 * requests: who finds the next one there does not sleep before it.  A program
 * that lives by its timer does, if only for the 100 us that are the shortest
 * timer of a PV guest.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

/* Until the next time of the grid. */
static uint64_t gap_ns(const struct options *o, uint64_t *random)
{
    uint64_t period = o->period_us * NS_PER_US;

    if (!o->random)
        return period;

    /* 53 bits are what a double holds; never 0, which has no logarithm. */
    return period * -log(((next_random(random) >> 11) + 0.5) / (1ULL << 53));
}

static int periodic(const struct options *o)
{
    struct dist late = { 0 }, done = { 0 };
    uint64_t period = o->period_us * NS_PER_US, start, end, due, t, missed = 0;
    /* Of random times there may be more; those above are counted as lost. */
    size_t cap = o->seconds * NS_PER_S / period * 3 / 2 + 16;
    uint64_t random = RANDOM_SEED;
    int rc = -1;

    if (dist_init(&late, cap) || dist_init(&done, cap))
        goto out;

    set_realtime();
    start = now_ns();
    end = start + o->seconds * NS_PER_S;

    for (due = start + gap_ns(o, &random); due < end;
         due += gap_ns(o, &random)) {
        if (!o->random || due > now_ns())
            sleep_until_ns(due);
        t = now_ns();
        dist_add(&late, t - due, due - start);

        spin_us(o->work_us);
        t = now_ns();
        dist_add(&done, t - due, due - start);
        if (t - due > period)
            missed++;
    }

    printf("AVM-RESULT {\"mode\":\"%s\",\"seconds\":%u,\"period_us\":%u,"
           "\"work_us\":%u,\"missed\":%llu,", o->mode, o->seconds,
           o->period_us, o->work_us, (unsigned long long)missed);
    dist_print(&late, "late_us");
    printf(",");
    dist_print(&done, "done_us");
    printf("}\n");
    rc = 0;

 out:
    dist_free(&late);
    dist_free(&done);

    return rc;
}

int mode_periodic(const struct options *o)
{
    return periodic(o);
}

int mode_mixed(const struct options *o)
{
    pid_t burner = fork();
    int rc;

    if (burner < 0)
        return fail("fork");
    if (!burner)
        for (;;)
            spin_us(1000);

    rc = periodic(o);
    kill(burner, SIGKILL);
    waitpid(burner, NULL, 0);

    return rc;
}
