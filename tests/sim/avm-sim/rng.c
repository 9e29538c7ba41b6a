/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rng.h"

/* SplitMix64 (public domain algorithm): makes any number a good seed. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;

    return x ^ (x >> 31);
}

uint64_t rng_seed(uint64_t seed, const char *name, unsigned int index)
{
    uint64_t x = mix(seed);

    for ( ; *name; name++ )
        x = mix(x ^ (unsigned char)*name);

    return mix(x ^ index) | 1;
}

/* xorshift64*; the state is never 0. */
uint64_t rng_next(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;

    return x * 0x2545f4914f6cdd1d;
}

uint64_t rng_below(uint64_t *state, uint64_t n)
{
    return ((unsigned __int128)rng_next(state) * n) >> 64;
}

/* log2(x) in units of 2^-24, for x > 0: 24 squarings give 24 bits. */
static uint64_t log2_q24(uint64_t x)
{
    unsigned int whole = 63 - __builtin_clzll(x), i;
    uint64_t m = (x << (63 - whole)) >> 32;     /* 1 .. 2 in 2^-31 */
    uint64_t part = 0;

    for ( i = 0; i < 24; i++ )
    {
        m = (m * m) >> 31;
        part <<= 1;
        if ( m >> 32 )
        {
            part |= 1;
            m >>= 1;
        }
    }

    return ((uint64_t)whole << 24) | part;
}

/* -ln(u) = (64 - log2(2^64 u)) ln 2 */
int64_t rng_exponential(uint64_t *state, int64_t mean)
{
    uint64_t ln2_q32 = 2977044472;
    uint64_t minus_log2 = ((uint64_t)64 << 24) - log2_q24(rng_next(state) | 1);

    return ((unsigned __int128)minus_log2 * ln2_q32 * mean) >> 56;
}

int64_t rng_around(uint64_t *state, int64_t mean, unsigned int permille)
{
    int64_t spread = mean / 1000 * permille;

    return spread ? mean - spread + (int64_t)rng_below(state, 2 * spread + 1)
                  : mean;
}
