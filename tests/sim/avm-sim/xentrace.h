/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that xentrace writes: for each pCPU in turn what its trace buffer
 * had since the last time, behind a record that says which pCPU and how many
 * bytes.
 */
#ifndef AVM_SIM_XENTRACE_H
#define AVM_SIM_XENTRACE_H

#include <stdint.h>
#include <stdio.h>

#define XENTRACE_WORDS_MAX 7
/* As many as Xen can be built for. */
#define XENTRACE_CPUS_MAX  4096

struct xentrace_record {
    uint64_t tsc;
    size_t nr;                  /* in the file; the order of equal times      */
    uint32_t event;             /* TRC_* of Xen's public/trace.h              */
    uint16_t cpu;
    uint8_t words;              /* how many of data                           */
    uint32_t data[XENTRACE_WORDS_MAX];
};

struct xentrace {
    struct xentrace_record *records; /* of schedulers and lost ones; by time  */
    size_t nr;
    unsigned int nr_cpus;
    uint64_t lost;              /* for which there was no room                */
};

/* Says what is wrong with the file in one line. Returns 0 or 1. */
int xentrace_read(const char *file, struct xentrace *trace);

/* One record of @size bytes, as Xen and xentrace would have written it. */
void xentrace_write(FILE *f, unsigned int cpu, uint64_t tsc, uint32_t event,
                    const void *data, size_t size);

#endif /* AVM_SIM_XENTRACE_H */
