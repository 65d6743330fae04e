// SPDX-License-Identifier: Apache-2.0
// What classifier.c (readers) and classifier_update.c (the writer) share.
#pragma once

#include "slowpath/pipeline/classifier.h"

struct trie_field {
    uint16_t offset; // in struct flow
    uint8_t size;    // bytes
};

// One part of a key that some rules share: rules counted.
struct stage_node {
    struct rmap_node node;
    uint32_t rules;
    struct rcu_later later;
};

struct prefix trie_field_get(unsigned trie, const struct flow *);
uint64_t ports_get(const struct flow *); // in the top half

// The hash of a subtable's key, word by word, so that stages share its beginning.
#define SUBTABLE_SEED UINT64_C(0x9e3779b97f4a7c15)
static inline uint64_t subtable_mix(uint64_t hash, uint64_t word)
{
    __uint128_t product = (__uint128_t)(hash ^ word) * UINT64_C(0xd6e8feb86659fd93);
    return (uint64_t)product ^ (uint64_t)(product >> 64) ^ (hash << 32 | hash >> 32);
}
static inline uint32_t subtable_finish(uint64_t hash)
{
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash >> 32;
}
