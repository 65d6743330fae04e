// SPDX-License-Identifier: Apache-2.0
// Pseudo-random numbers: splitmix64 (Steele, Lea, Flood 2014), one state per thread.
//
// For hashing seeds, jitter and tests. Each thread seeds itself from the kernel unless
// random_seed() was called in it.
#include "lib/base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/clock.h"

static __thread uint64_t state;
static __thread bool seeded;

void random_seed(uint64_t seed)
{
    state = seed;
    seeded = true;
}

uint64_t random_u64(void)
{
    if (UNLIKELY(!seeded)) {
        random_secure(&state, sizeof(state));
        seeded = true;
    }
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t random_u32(void)
{
    return (uint32_t)(random_u64() >> 32);
}

uint32_t random_below(uint32_t n)
{
    if (!n)
        return 0;
    // Lemire's multiplication with rejection of the short interval.
    uint64_t m = (uint64_t)random_u32() * n;
    if ((uint32_t)m < n) {
        uint32_t floor = -n % n;
        while ((uint32_t)m < floor)
            m = (uint64_t)random_u32() * n;
    }
    return (uint32_t)(m >> 32);
}

void random_fill(void *dst, size_t n)
{
    uint8_t *at = dst;
    while (n) {
        uint64_t v = random_u64();
        size_t part = n < sizeof(v) ? n : sizeof(v);
        memcpy(at, &v, part);
        at += part;
        n -= part;
    }
}

void random_secure(void *dst, size_t n)
{
    uint8_t *at = dst;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) { // no such call: as good as it gets
            random_seed((uint64_t)clock_real() ^ (uint64_t)(uintptr_t)dst);
            random_fill(at, n);
            return;
        }
        at += got;
        n -= (size_t)got;
    }
}
