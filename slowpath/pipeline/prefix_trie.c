// SPDX-License-Identifier: Apache-2.0
// Prefix trie: a binary radix tree in which a node stands for one prefix, whole from the first bit,
// and only nodes with two children or with entries of their own exist.
//
// Because a node names its whole prefix, inserting never changes an existing node but for one child
// pointer: a reader sees the tree before or after. Removed nodes are freed after a grace period.
// Thread: one writer; lookups anywhere within an RCU read section. Neighbours: classifier.c.

#include "slowpath/pipeline/prefix_trie.h"

#include <assert.h>

#include "lib/base/mem.h"

struct prefix_node {
    struct prefix value; // bits beyond len are zero
    unsigned len;
    _Atomic uint32_t entries;     // 0: only a fork
    struct prefix_node *child[2]; // RCU
    struct rcu_later later;
};

static unsigned common_bits(struct prefix a, struct prefix b)
{
    if (a.hi != b.hi)
        return __builtin_clzll(a.hi ^ b.hi);
    return a.lo != b.lo ? 64 + __builtin_clzll(a.lo ^ b.lo) : 128;
}

static unsigned bit_at(struct prefix p, unsigned i)
{
    return i < 64 ? p.hi >> (63 - i) & 1 : p.lo >> (127 - i) & 1;
}

static struct prefix_node *node_new(struct prefix value, unsigned len, uint32_t entries)
{
    struct prefix mask = prefix_mask(len);
    struct prefix_node *node = NEW(struct prefix_node);
    node->value = (struct prefix){value.hi & mask.hi, value.lo & mask.lo};
    node->len = len;
    atomic_init(&node->entries, entries);
    return node;
}

void prefix_trie_insert(struct prefix_trie *trie, struct prefix value, unsigned len)
{
    struct prefix_node **at = &trie->root;
    for (;;) {
        struct prefix_node *node = *at;
        if (!node) {
            rcu_set(*at, node_new(value, len, 1));
            return;
        }
        unsigned shorter = MIN_OF(len, node->len);
        unsigned common = MIN_OF(common_bits(value, node->value), shorter);
        if (common == node->len && common == len) {
            atomic_fetch_add_explicit(&node->entries, 1, memory_order_relaxed);
            return;
        }
        if (common < node->len) {
            // Goes above the node, as its parent (common == len) or beside it.
            struct prefix_node *fork = node_new(value, common, common == len);
            fork->child[bit_at(node->value, common)] = node;
            if (common < len)
                fork->child[bit_at(value, common)] = node_new(value, len, 1);
            rcu_set(*at, fork);
            return;
        }
        at = &node->child[bit_at(value, node->len)];
    }
}

// Takes out a node that has no entries, if it isn't needed as a fork. True: *at changed.
static bool splice(struct prefix_node **at)
{
    struct prefix_node *node = *at;
    if (atomic_load_explicit(&node->entries, memory_order_relaxed) ||
        (node->child[0] && node->child[1]))
        return false;
    rcu_set(*at, node->child[0] ? node->child[0] : node->child[1]);
    rcu_later(&node->later, free, node);
    return true;
}

void prefix_trie_remove(struct prefix_trie *trie, struct prefix value, unsigned len)
{
    struct prefix_node **parent = NULL, **at = &trie->root;
    while ((*at)->len != len) {
        assert((*at)->len < len);
        parent = at;
        at = &(*at)->child[bit_at(value, (*at)->len)];
    }
    atomic_fetch_sub_explicit(&(*at)->entries, 1, memory_order_relaxed);
    if (splice(at) && parent)
        splice(parent);
}

static void free_below(struct prefix_node *node)
{
    if (!node)
        return;
    free_below(node->child[0]); // at most 128 deep
    free_below(node->child[1]);
    free(node);
}

void prefix_trie_done(struct prefix_trie *trie)
{
    free_below(trie->root);
    trie->root = NULL;
}

unsigned prefix_trie_lookup(const struct prefix_trie *trie, struct prefix value,
                            struct prefix_lens *ret_lens)
{
    *ret_lens = (struct prefix_lens){{0}};
    const struct prefix_node *node = rcu_get(trie->root);
    unsigned decided = 0;
    while (node) {
        unsigned common = common_bits(value, node->value);
        if (common < node->len)
            return common + 1;
        if (atomic_load_explicit(&node->entries, memory_order_relaxed))
            ret_lens->w[node->len / 64] |= UINT64_C(1) << (node->len % 64);
        decided = node->len;
        const struct prefix_node *zero = rcu_get(node->child[0]), *one = rcu_get(node->child[1]);
        if (!zero && !one)
            break;
        decided++; // the bit that chooses a child, there or not
        node = bit_at(value, node->len) ? one : zero;
    }
    return decided;
}
