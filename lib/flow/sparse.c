// SPDX-License-Identifier: Apache-2.0
// Sparse flows: the words of a struct flow that a mask touches, gathered. struct flow begins with
// its struct flow_key, so that a map within the key's words serves both. Used by classifiers on
// every packet: nothing here but the three makers and sparse_expand() allocates or writes memory.
// Thread: any; values are constant once made.
#include "lib/flow/sparse.h"

#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline unsigned count(uint64_t map)
{
    return (unsigned)__builtin_popcountll(map);
}

static struct sparse *from_words(const uint64_t *words, size_t n)
{
    uint64_t map = 0;
    for (size_t i = 0; i < n; i++)
        map |= (uint64_t) !!words[i] << i;

    struct sparse *s = xmalloc(sizeof(*s) + count(map) * sizeof(uint64_t));
    uint64_t *to = s->words;
    s->map = map;
    for (uint64_t m = map; m; m &= m - 1)
        *to++ = words[__builtin_ctzll(m)];
    return s;
}

struct sparse *sparse_from_mask(const struct flow *mask)
{
    return from_words((const uint64_t *)mask, FLOW_U64S);
}

struct sparse *sparse_from_key_mask(const struct flow_key *mask)
{
    return from_words((const uint64_t *)mask, FLOW_KEY_U64S);
}

// Writes (words & mask) in the mask's order; returns how many.
static inline unsigned gather(const uint64_t *words, const struct sparse *mask, uint64_t *to)
{
    unsigned n = 0;
    for (uint64_t m = mask->map; m; m &= m - 1, n++)
        to[n] = words[__builtin_ctzll(m)] & mask->words[n];
    return n;
}

struct sparse *sparse_value(const struct flow *value, const struct sparse *mask)
{
    struct sparse *s = xmalloc(sparse_size(mask));
    s->map = mask->map;
    gather((const uint64_t *)value, mask, s->words);
    return s;
}

void sparse_expand(const struct sparse *s, struct flow *ret_flow)
{
    uint64_t *to = (uint64_t *)ret_flow;
    const uint64_t *from = s->words;
    memset(ret_flow, 0, sizeof(*ret_flow));
    for (uint64_t m = s->map; m; m &= m - 1)
        to[__builtin_ctzll(m)] = *from++;
}

bool sparse_equal(const struct sparse *a, const struct sparse *b)
{
    return a->map == b->map && !memcmp(a->words, b->words, count(a->map) * sizeof(uint64_t));
}

size_t sparse_size(const struct sparse *s)
{
    return sizeof(*s) + count(s->map) * sizeof(uint64_t);
}

unsigned sparse_n(const struct sparse *s)
{
    return count(s->map);
}

static inline uint32_t hash_words(const uint64_t *words, unsigned n, uint32_t seed)
{
    return (uint32_t)XXH3_64bits_withSeed(words, n * sizeof(*words), seed);
}

static inline uint32_t hash_gathered(const uint64_t *words, const struct sparse *mask,
                                     uint32_t seed)
{
    uint64_t masked[FLOW_U64S];
    return hash_words(masked, gather(words, mask, masked), seed);
}

uint32_t sparse_hash_flow(const struct flow *flow, const struct sparse *mask, uint32_t seed)
{
    return hash_gathered((const uint64_t *)flow, mask, seed);
}

uint32_t sparse_hash_key(const struct flow_key *key, const struct sparse *mask, uint32_t seed)
{
    return hash_gathered((const uint64_t *)key, mask, seed);
}

uint32_t sparse_hash(const struct sparse *value, uint32_t seed)
{
    return hash_words(value->words, count(value->map), seed);
}

static inline bool matches(const struct sparse *value, const struct sparse *mask,
                           const uint64_t *words)
{
    unsigned n = 0;
    uint64_t differ = 0;
    for (uint64_t m = mask->map; m; m &= m - 1, n++)
        differ |= (words[__builtin_ctzll(m)] & mask->words[n]) ^ value->words[n];
    return !differ;
}

bool sparse_matches_flow(const struct sparse *value, const struct sparse *mask,
                         const struct flow *flow)
{
    return matches(value, mask, (const uint64_t *)flow);
}

bool sparse_matches_key(const struct sparse *value, const struct sparse *mask,
                        const struct flow_key *key)
{
    return matches(value, mask, (const uint64_t *)key);
}
