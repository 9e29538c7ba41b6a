/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a harness without libFuzzer: seeded mutations of its good inputs, for a
 * few seconds. The input that fails is printed; so is the seed, which gives the
 * same run again.
 *
 *     fuzz-x [SEED [SECONDS]]
 */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define SIZE_MAX_INPUT 5000

static uint8_t input[SIZE_MAX_INPUT];
static size_t input_len;
static uint64_t rng;

/* xorshift64: good enough to hit everything, the same everywhere. */
static uint32_t any(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 32) % below;
}

/* A finding is to end in abort(), so that its input is printed. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

/* Only what may be called in a signal handler. */
static void print_input(int sig)
{
    static const char head[] = "\nthe input was:\n";

    if (write(2, head, sizeof(head) - 1) < 0 || write(2, input, input_len) < 0)
        _exit(2);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void mutate(void)
{
    static const char *const words[] = {
        "\"", "'", "{", "}", "[", "]", ",", ":", "=", "#", "\n", "\\u0000",
        "-1", "99999999999999999999", "-", "null", "true", "1e9", "\xff",
        "\xc3\xa4", "  ", "sample_ms = 1000\n", "\"op\":\"x\"",
    };
    size_t at = input_len ? any((uint32_t)input_len) : 0, len;
    const char *word;

    switch (any(6)) {
    case 0: /* another byte */
        if (input_len)
            input[at] = (uint8_t)any(256);
        break;
    case 1: /* another bit */
        if (input_len)
            input[at] ^= (uint8_t)(1u << any(8));
        break;
    case 2: /* less */
        if (input_len) {
            len = 1 + any((uint32_t)(input_len - at));
            memmove(input + at, input + at + len, input_len - at - len);
            input_len -= len;
        }
        break;
    case 3: /* cut off */
        input_len = at;
        break;
    case 4: /* a word more */
        word = words[any(sizeof(words) / sizeof(words[0]))];
        len = strlen(word);
        if (input_len + len > sizeof(input))
            break;
        memmove(input + at + len, input + at, input_len - at);
        memcpy(input + at, word, len);
        input_len += len;
        break;
    default: /* a part once more */
        len = input_len ? 1 + any((uint32_t)(input_len - at)) : 0;
        if (input_len + len > sizeof(input))
            break;
        memmove(input + at + len, input + at, input_len - at);
        input_len += len;
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    int seconds = argc > 2 ? atoi(argv[2]) : 3;
    time_t end = time(NULL) + seconds;
    unsigned long runs = 0;
    size_t nr_seeds, i;
    uint8_t *copy;

    while (fuzz_seeds[runs])
        runs++;
    nr_seeds = runs;
    rng = seed * 0x9e3779b97f4a7c15u + 1;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    signal(SIGABRT, print_input);

    for (runs = 0; runs % 256 || time(NULL) < end; runs++) {
        const char *start = fuzz_seeds[any((uint32_t)nr_seeds)];

        input_len = strlen(start);
        memcpy(input, start, input_len);
        for (i = any(8); i; i--)
            mutate();
        /* On the heap and exactly as long, so that ASan sees one too far. */
        copy = malloc(input_len ? input_len : 1);
        if (!copy)
            return 2;
        memcpy(copy, input, input_len);
        LLVMFuzzerTestOneInput(copy, input_len);
        free(copy);
    }
    printf("ok - %lu inputs\n", runs);
    return 0;
}
