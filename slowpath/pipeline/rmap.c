// SPDX-License-Identifier: Apache-2.0
// The classifier's hash table: see rmap.h for the idea.
//
// Thread: the writer's. Neighbours: classifier.c, which owns the nodes and frees them after a grace
// period. Invariant: while `old` is set, some reader may follow next[1 - generation] of a node that
// both arrays link, so those pointers must not be written, and the map must not resize.

#include "slowpath/pipeline/rmap.h"

#include "lib/base/mem.h"

enum { BUCKETS_MIN = 8 };
enum { OLD_WAITING, OLD_LEFT, OLD_ORPHAN };

static struct rmap_buckets *buckets_new(uint32_t n, uint8_t generation)
{
    struct rmap_buckets *b = xcalloc(1, sizeof(*b) + n * sizeof(b->heads[0]));
    b->mask = n - 1;
    b->generation = generation;
    return b;
}

void rmap_init(struct rmap *map,
               bool (*goes_after)(const struct rmap_node *, const struct rmap_node *))
{
    *map = (struct rmap){.goes_after = goes_after};
}

void rmap_done(struct rmap *map)
{
    free(map->buckets);
    // Whoever comes second, this or the grace period, frees.
    if (map->old && atomic_exchange(&map->old->state, OLD_ORPHAN) == OLD_LEFT)
        free(map->old);
    map->buckets = map->old = NULL;
}

static void old_left(void *old_)
{
    struct rmap_buckets *old = old_;
    if (atomic_exchange(&old->state, OLD_LEFT) == OLD_ORPHAN)
        free(old);
}

static void link_node(const struct rmap *map, struct rmap_buckets *b, struct rmap_node *node)
{
    struct rmap_node **at = &b->heads[node->hash & b->mask];
    while (*at && map->goes_after && map->goes_after(node, *at))
        at = &(*at)->next[b->generation];
    rcu_set(node->next[b->generation], *at);
    rcu_set(*at, node);
}

static void resize(struct rmap *map, uint32_t n)
{
    struct rmap_buckets *old = map->buckets;
    struct rmap_buckets *b = buckets_new(n, old ? 1 - old->generation : 0);
    for (uint32_t i = 0; old && i <= old->mask; i++) {
        for (struct rmap_node *node = old->heads[i]; node; node = node->next[old->generation])
            link_node(map, b, node);
    }
    rcu_set(map->buckets, b);
    if (old) {
        map->old = old;
        rcu_later(&old->later, old_left, old);
    }
}

static void resize_if_due(struct rmap *map)
{
    if (map->old) {
        if (atomic_load(&map->old->state) != OLD_LEFT)
            return;
        free(map->old);
        map->old = NULL;
    }
    uint32_t have = map->buckets ? map->buckets->mask + 1 : 0, want = have;
    while (map->n > want || want < BUCKETS_MIN)
        want = want ? want * 2 : BUCKETS_MIN;
    if (map->n < have / 8 && have > BUCKETS_MIN)
        want = have / 4 > BUCKETS_MIN ? have / 4 : BUCKETS_MIN;
    // One step ahead, because the next resize has to wait for a grace period.
    if (want > have && have)
        want *= 2;
    if (want != have)
        resize(map, want);
}

void rmap_insert(struct rmap *map, struct rmap_node *node, uint32_t hash)
{
    node->hash = hash;
    map->n++;
    resize_if_due(map);
    link_node(map, map->buckets, node);
}

void rmap_remove(struct rmap *map, struct rmap_node *node)
{
    struct rmap_buckets *b = map->buckets;
    struct rmap_node **at = &b->heads[node->hash & b->mask];
    while (*at != node)
        at = &(*at)->next[b->generation];
    rcu_set(*at, node->next[b->generation]);
    map->n--;
    resize_if_due(map);
}

bool rmap_each(const struct rmap *map, bool (*fn)(void *aux, struct rmap_node *), void *aux)
{
    struct rmap_iter iter = {0};
    for (struct rmap_node *node; (node = rmap_iter_next(map, &iter));) {
        if (!fn(aux, node))
            return false;
    }
    return true;
}

struct rmap_node *rmap_iter_next(const struct rmap *map, struct rmap_iter *iter)
{
    const struct rmap_buckets *b = map->buckets;
    while (b && !iter->next && iter->bucket <= b->mask)
        iter->next = b->heads[iter->bucket++];
    struct rmap_node *node = iter->next;
    if (node)
        iter->next = node->next[b->generation];
    return node;
}
