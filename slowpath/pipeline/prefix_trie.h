// SPDX-License-Identifier: Apache-2.0
// A set of bit prefixes of up to 128 bits, that tells with how few bits of a value one can be sure
// which prefixes hold it: what keeps megaflows wide where tables match on addresses and ports.
//
// One writer, RCU readers. Values are left-aligned: an IPv4 address fills the top half of `hi`.
#pragma once

#include "lib/base/rcu.h"

struct prefix {
    uint64_t hi, lo;
};

struct prefix_node;
struct prefix_trie {
    struct prefix_node *root; // RCU
};

// Lengths of prefixes found, as a set: bit 0 of w[0] is length 0, …
struct prefix_lens {
    uint64_t w[3];
};
static inline bool prefix_lens_has(const struct prefix_lens *lens, unsigned len)
{
    return lens->w[len / 64] >> (len % 64) & 1;
}

void prefix_trie_insert(struct prefix_trie *, struct prefix value, unsigned len); // counted
void prefix_trie_remove(struct prefix_trie *, struct prefix value, unsigned len); // inserted before
void prefix_trie_done(struct prefix_trie *); // no readers any more

// Which prefixes of the set hold `value`. Returns how many leading bits decide that: any value that
// agrees on those gets the same answer. Readers.
unsigned prefix_trie_lookup(const struct prefix_trie *, struct prefix value,
                            struct prefix_lens *ret_lens);

static inline struct prefix prefix_mask(unsigned len)
{
    struct prefix p;
    p.hi = len >= 64 ? UINT64_MAX : len ? UINT64_MAX << (64 - len) : 0;
    p.lo = len >= 128 ? UINT64_MAX : len > 64 ? UINT64_MAX << (128 - len) : 0;
    return p;
}
