// SPDX-License-Identifier: Apache-2.0
// Sparse flows and masks: only the 64-bit words that matter. A mask's map says which words of struct flow have any bit
// set; a key is kept as the same words. Classifiers hash and compare these and touch nothing else.
#pragma once

#include "lib/flow/key.h"

struct sparse {
    uint64_t map; // bit i: word i of struct flow follows
    uint64_t words[]; // popcount(map) of them, in ascending order
};

// Allocates with malloc; the caller frees with free().
struct sparse *sparse_from_mask(const struct flow *mask);
struct sparse *sparse_from_key_mask(const struct flow_key *mask); // words of the key alone
struct sparse *sparse_value(const struct flow *value, const struct sparse *mask); // value & mask in mask's words
void sparse_expand(const struct sparse *, struct flow *ret_flow); // all other words zero
bool sparse_equal(const struct sparse *, const struct sparse *);
size_t sparse_size(const struct sparse *); // bytes
unsigned sparse_n(const struct sparse *); // words

// Hash of (flow & mask), equal for equal masked values. `sparse_hash` hashes a stored value to the same number.
uint32_t sparse_hash_flow(const struct flow *, const struct sparse *mask, uint32_t seed);
uint32_t sparse_hash_key(const struct flow_key *, const struct sparse *mask, uint32_t seed); // mask within the key
uint32_t sparse_hash(const struct sparse *value, uint32_t seed);
bool sparse_matches_flow(const struct sparse *value, const struct sparse *mask, const struct flow *);
bool sparse_matches_key(const struct sparse *value, const struct sparse *mask, const struct flow_key *);
