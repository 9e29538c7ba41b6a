/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a harness gives and may use; driver.c or libFuzzer runs it. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Good inputs to start from, for driver.c. Ends with NULL. */
extern const char *const fuzz_seeds[];

#define fuzz_expect(x) do { \
    if (!(x)) { \
        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
        abort(); \
    } \
} while (0)

#endif
