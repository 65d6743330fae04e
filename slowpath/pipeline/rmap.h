// SPDX-License-Identifier: Apache-2.0
// An intrusive hash table for one writer and any number of RCU readers: what the classifier keeps
// rules in.
//
// liburcu's cds_lfht would do the same for many writers, but resizes on threads of its own, and
// the pipeline has none. Here a node carries two next pointers. One is of the present bucket array,
// the other of the previous or next one, so that growing relinks nodes into a new array while
// readers still walk the old. The old array is given up after a grace period; until then the map
// doesn't resize again (chains get longer for a moment).
//
// Chains are kept in the order that `goes_after` says, so that a reader may stop at the first hit.
// A node that was removed may be freed after a grace period.
#pragma once

#include "lib/base/rcu.h"

struct rmap_node {
    struct rmap_node *next[2];
    uint32_t hash;
};

struct rmap_buckets {
    struct rcu_later later;
    _Atomic int state; // of an array that was replaced: enum in rmap.c
    uint32_t mask;     // number of buckets - 1
    uint8_t generation;
    struct rmap_node *heads[];
};

struct rmap {
    struct rmap_buckets *buckets; // RCU
    struct rmap_buckets *old;     // readers may be in it; NULL: free to resize
    uint32_t n;
    // May be NULL: order doesn't matter. Does `node` belong behind `other` in a chain?
    bool (*goes_after)(const struct rmap_node *node, const struct rmap_node *other);
};

void rmap_init(struct rmap *,
               bool (*goes_after)(const struct rmap_node *, const struct rmap_node *));
void rmap_done(struct rmap *); // no readers, nodes are left alone
void rmap_insert(struct rmap *, struct rmap_node *, uint32_t hash);
void rmap_remove(struct rmap *, struct rmap_node *);

// Iterates over a chain: for (n = rmap_first(m, hash, &g); n; n = rmap_next(n, hash, g))
static inline struct rmap_node *rmap_skip_(struct rmap_node *node, uint32_t hash,
                                           uint8_t generation)
{
    while (node && node->hash != hash)
        node = rcu_get(node->next[generation]);
    return node;
}
static inline struct rmap_node *rmap_first(const struct rmap *map, uint32_t hash,
                                           uint8_t *ret_generation)
{
    struct rmap_buckets *b = rcu_get(map->buckets);
    if (!b)
        return NULL;
    *ret_generation = b->generation;
    return rmap_skip_(rcu_get(b->heads[hash & b->mask]), hash, b->generation);
}
static inline struct rmap_node *rmap_next(struct rmap_node *node, uint32_t hash, uint8_t generation)
{
    return rmap_skip_(rcu_get(node->next[generation]), hash, generation);
}

// Iterates over all, for the writer. `fn` returns false to stop; it may not change the map.
bool rmap_each(const struct rmap *, bool (*fn)(void *aux, struct rmap_node *), void *aux);
// The writer's iteration as a cursor: *pos starts at 0. NULL at the end. The node given may be
// removed before the next call, others not.
struct rmap_iter {
    uint32_t bucket;
    struct rmap_node *next;
};
struct rmap_node *rmap_iter_next(const struct rmap *, struct rmap_iter *);
