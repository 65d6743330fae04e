// SPDX-License-Identifier: Apache-2.0
// Hash functions (xxHash, XXH3). Values are stable across runs and machines of one byte order for
// one seed; what is written to disk or compared between processes names its seed.
// Thread: any. Nothing here blocks or fails.
#pragma once

#include <string.h>
#include <xxhash.h>

#include "lib/base/compiler.h"

static inline uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}
static inline uint64_t hash_text(const char *text, uint64_t seed)
{
    return XXH3_64bits_withSeed(text, strlen(text), seed);
}
static inline uint64_t hash_u64(uint64_t value, uint64_t seed)
{
    return XXH3_64bits_withSeed(&value, sizeof(value), seed);
}
// Mixes two hash values; order matters.
static inline uint64_t hash_combine(uint64_t a, uint64_t b)
{
    uint64_t pair[2] = {a, b};
    return XXH3_64bits(pair, sizeof(pair));
}
// 128 bits, most significant byte first.
static inline void hash_bytes128(const void *data, size_t size, uint64_t seed, uint8_t ret[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(data, size, seed));
    memcpy(ret, canonical.digest, 16);
}
