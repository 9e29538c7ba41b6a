/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload program of the test guests: what its files share.
 *
 *   workload.c      options, modes, end of a run
 *   wl-stats.c      distributions, and how they are printed
 *   wl-cpu.c        hog, phases, idle, crash
 *   wl-periodic.c   periodic, mixed
 *   wl-net.c        netserver, netclient
 *   wl-disk.c       diskread, diskwrite
 *
 * Results are collected in memory and printed once, at the end: a line on
 * the console costs work in dom0, which a measurement would see.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/*
 * Work is counted in turns of a two-instruction loop, not in time, so that
 * every run does the same work however it was scheduled.  This many turns
 * are one microsecond at 500 million instructions per second, which is the
 * speed of QEMU's -icount shift=1.
 */
#define LOOPS_PER_US 250ULL

struct options {
    const char *mode;
    unsigned int seconds;       /* length of the run                        */
    unsigned int idle_s;        /* phases: idle for so long first           */
    unsigned int period_us;     /* periodic, mixed                          */
    unsigned int work_us;       /* periodic, mixed, netserver: per wake-up  */
    unsigned int rate;          /* operations per second, 0: unbounded      */
    unsigned int bytes;         /* per operation                            */
    unsigned int port;
    unsigned int pause;         /* hog, phases: 1: spin as a polite program */
    unsigned int random;        /* periodic, mixed: 1: at random times      */
    const char *host;
    const char *dev;
    bool poweroff;              /* at the end; otherwise: idle              */
};

uint64_t now_ns(void);
void sleep_until_ns(uint64_t t_ns);
void spin_us(uint64_t us);
void set_realtime(void);
/* xorshift64: the same numbers in the same order in every run. */
#define RANDOM_SEED 88172645463325252ULL
uint64_t next_random(uint64_t *state);

/* A distribution that keeps every value, so that its percentiles are exact. */
struct dist {
    uint32_t *us;
    uint32_t *at_ms;            /* when, since the start of the run         */
    size_t n, cap;
    uint64_t lost;              /* values that did not fit                  */
};

int dist_init(struct dist *d, size_t cap);
void dist_free(struct dist *d);
void dist_add(struct dist *d, uint64_t value_ns, uint64_t since_start_ns);
/* Prints "name":{...}, without a comma; sorts, so call it at the end. */
void dist_print(struct dist *d, const char *name);

/* Operations and bytes, in total and for each second. */
struct series {
    uint64_t ops, bytes;
    uint32_t *ops_per_s;
    size_t seconds;
};

int series_init(struct series *s, unsigned int seconds);
void series_free(struct series *s);
void series_add(struct series *s, uint64_t bytes, uint64_t since_start_ns);
void series_print(const struct series *s);

/* Every mode returns 0, or -1 after one line that says what failed. */
int mode_hog(const struct options *o);
int mode_phases(const struct options *o);
int mode_idle(const struct options *o);
int mode_crash(const struct options *o);
int mode_periodic(const struct options *o);
int mode_mixed(const struct options *o);
int mode_netserver(const struct options *o);
int mode_netclient(const struct options *o);
int mode_diskread(const struct options *o);
int mode_diskwrite(const struct options *o);

int fail(const char *what);     /* prints AVM-ERROR what: errno; returns -1 */

#endif /* WORKLOAD_H */
