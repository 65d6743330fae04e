// SPDX-License-Identifier: Apache-2.0
// Tuple space search, the writer's side: subtables, inserting, removing, finding rules by their own
// match. Readers' side: classifier.c.
//
// Thread: the main thread's alone. Invariants: a rule is in the tries and stage hashes before it is
// in its subtable's rules, and leaves them only after a grace period in which nobody sees it; an
// entry of `sorted` never promises less than its subtable's highest priority; subtables, stage
// nodes and arrays are freed after a grace period.

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "slowpath/pipeline/classifier_private.h"

void classifier_init(struct classifier *cls)
{
    *cls = (struct classifier){0};
}

// --- Subtables --------------------------------------------------------------------------------

static unsigned word_stage(unsigned word)
{
    size_t offset = word * sizeof(uint64_t);
    if (offset >= sizeof(struct flow_key) || offset < offsetof(struct flow_key, eth_dst))
        return STAGE_METADATA;
    if (offset < offsetof(struct flow_key, ip4_src))
        return STAGE_L2;
    return offset < offsetof(struct flow_key, tp_src) ? STAGE_L3 : STAGE_L4;
}

// Higher priorities first, so that the first visible hit in a chain is the best.
static bool rule_goes_after(const struct rmap_node *node, const struct rmap_node *other)
{
    return HOLDER_OF(node, struct rule, node)->priority <
           HOLDER_OF(other, struct rule, node)->priority;
}

static unsigned leading_ones(struct prefix p)
{
    if (p.hi != UINT64_MAX)
        return __builtin_clzll(~p.hi);
    return p.lo != UINT64_MAX ? 64 + __builtin_clzll(~p.lo) : 128;
}

static struct subtable *subtable_new(const struct rule_words *rw)
{
    struct subtable *st = NEW(struct subtable);
    struct flow mask;
    memset(&mask, 0, sizeof(mask));
    st->map = rw->map;
    st->n = rw->n;
    unsigned at = 0;
    for (uint64_t map = rw->map; map; map &= map - 1, at++) {
        st->index[at] = words_index(__builtin_ctzll(map));
        st->mask[at] = rw->w[rw->n + at];
        ((uint64_t *)&mask)[st->index[at]] = st->mask[at];
        unsigned stage = word_stage(st->index[at]);
        if (!st->n_stages || st->stage_of[st->n_stages - 1] != stage)
            st->stage_of[st->n_stages++] = stage;
        st->stage_end[st->n_stages - 1] = at + 1;
    }
    for (unsigned t = 0; t < TRIE_COUNT; t++)
        st->trie_len[t] = leading_ones(trie_field_get(t, &mask));
    st->ports_mask = ports_get(&mask);
    st->ports_len = st->ports_mask ? 64 - __builtin_ctzll(st->ports_mask) : 0;
    rmap_init(&st->rules, rule_goes_after);
    for (unsigned s = 0; s < STAGE_COUNT - 1; s++)
        rmap_init(&st->stages[s], NULL);
    return st;
}

// Only what has gone through a grace period, or never had readers.
static void subtable_free(void *st_)
{
    struct subtable *st = st_;
    struct rmap_node *node;
    for (unsigned s = 0; s < STAGE_COUNT - 1; s++) {
        struct rmap_iter iter = {0};
        while ((node = rmap_iter_next(&st->stages[s], &iter)))
            free(HOLDER_OF(node, struct stage_node, node));
        rmap_done(&st->stages[s]);
    }
    struct rmap_iter iter = {0};
    while ((node = rmap_iter_next(&st->rules, &iter)))
        rule_unref(HOLDER_OF(node, struct rule, node));
    rmap_done(&st->rules);
    prefix_trie_done(&st->ports_trie);
    free(st);
}

static struct subtable *subtable_find(const struct classifier *cls, const struct rule_words *rw)
{
    for (size_t i = 0; i < cls->n; i++) {
        struct subtable *st = cls->all[i];
        if (st->map == rw->map && !memcmp(st->mask, rw->w + rw->n, rw->n * sizeof(rw->w[0])))
            return st;
    }
    return NULL;
}

static void subtable_widen(struct subtable *st, uint16_t priority)
{
    uint16_t max = atomic_load_explicit(&st->max_priority, memory_order_relaxed);
    uint16_t min = atomic_load_explicit(&st->min_priority, memory_order_relaxed);
    if (!st->rules.n || priority > max)
        atomic_store_explicit(&st->max_priority, priority, memory_order_relaxed);
    if (!st->rules.n || priority < min)
        atomic_store_explicit(&st->min_priority, priority, memory_order_relaxed);
}

// Bounds are recomputed only now and then, so that removing n rules costs O(n); meanwhile they are
// wider than need be, which costs time and never a rule.
static bool subtable_narrow(struct subtable *st)
{
    if (++st->removed_since_bounds <= st->rules.n / 2)
        return false;
    st->removed_since_bounds = 0;
    uint16_t max = 0, min = UINT16_MAX;
    struct rmap_iter iter = {0};
    for (struct rmap_node *node; (node = rmap_iter_next(&st->rules, &iter));) {
        uint16_t priority = HOLDER_OF(node, struct rule, node)->priority;
        max = MAX_OF(max, priority);
        min = MIN_OF(min, priority);
    }
    bool changed = max != atomic_load_explicit(&st->max_priority, memory_order_relaxed);
    atomic_store_explicit(&st->max_priority, max, memory_order_relaxed);
    atomic_store_explicit(&st->min_priority, min, memory_order_relaxed);
    return changed;
}

static int by_falling_priority(const void *a_, const void *b_)
{
    const struct subtable *a = *(struct subtable *const *)a_, *b = *(struct subtable *const *)b_;
    return (int)b->max_priority - (int)a->max_priority;
}

void classifier_publish(struct classifier *cls)
{
    if (!cls->dirty)
        return;
    cls->dirty = false;
    qsort(cls->all, cls->n, sizeof(cls->all[0]), by_falling_priority);
    struct subtable_array *a = xmalloc(sizeof(*a) + cls->n * sizeof(a->v[0]));
    a->n = cls->n;
    for (size_t i = 0; i < cls->n; i++) {
        a->v[i].subtable = cls->all[i];
        a->v[i].max_priority = cls->all[i]->max_priority;
    }
    struct subtable_array *old = rcu_swap(cls->sorted, a);
    if (old)
        rcu_later(&old->later, free, old);
}

void classifier_done(struct classifier *cls)
{
    for (size_t i = 0; i < cls->n; i++)
        subtable_free(cls->all[i]);
    for (unsigned t = 0; t < TRIE_COUNT; t++)
        prefix_trie_done(&cls->tries[t]);
    free(cls->all);
    free(cls->sorted);
    classifier_init(cls);
}

// --- Rules ------------------------------------------------------------------------------------

// Hash of the first `n` words of a key.
static uint64_t key_mix(const uint64_t *w, unsigned from, unsigned to, uint64_t hash)
{
    for (unsigned i = from; i < to; i++)
        hash = subtable_mix(hash, w[i]);
    return hash;
}

static uint32_t key_hash(const struct rule_words *rw)
{
    return subtable_finish(key_mix(rw->w, 0, rw->n, SUBTABLE_SEED));
}

static struct stage_node *stage_find(const struct rmap *map, uint32_t hash)
{
    uint8_t generation;
    struct rmap_node *node = rmap_first(map, hash, &generation);
    return node ? HOLDER_OF(node, struct stage_node, node) : NULL;
}

static void stages_count(struct subtable *st, const struct rule_words *rw, int by)
{
    uint64_t hash = SUBTABLE_SEED;
    unsigned at = 0;
    for (unsigned s = 0; s + 1 < st->n_stages; s++) {
        hash = key_mix(rw->w, at, st->stage_end[s], hash);
        at = st->stage_end[s];
        uint32_t h = subtable_finish(hash);
        struct stage_node *sn = stage_find(&st->stages[s], h);
        if (!sn) {
            sn = NEW(struct stage_node);
            sn->rules = 1;
            rmap_insert(&st->stages[s], &sn->node, h);
        } else if (!(sn->rules += by)) {
            rmap_remove(&st->stages[s], &sn->node);
            rcu_later(&sn->later, free, sn);
        }
    }
}

static void tries_count(struct classifier *cls, struct subtable *st, const struct rule *rule,
                        void (*fn)(struct prefix_trie *, struct prefix, unsigned))
{
    bool any = st->ports_len;
    for (unsigned t = 0; t < TRIE_COUNT; t++)
        any |= st->trie_len[t];
    if (!any)
        return;
    struct match match;
    rule_match(rule, &match);
    for (unsigned t = 0; t < TRIE_COUNT; t++) {
        if (st->trie_len[t])
            fn(&cls->tries[t], trie_field_get(t, &match.value), st->trie_len[t]);
    }
    if (st->ports_len)
        fn(&st->ports_trie, (struct prefix){ports_get(&match.value), 0}, st->ports_len);
}

void classifier_insert(struct classifier *cls, struct rule *rule)
{
    const struct rule_words *rw = &rule->match;
    struct subtable *st = subtable_find(cls, rw);
    if (!st) {
        st = subtable_new(rw);
        GROW_ARRAY(cls->all, cls->allocated, cls->n + 1);
        cls->all[cls->n++] = st;
        cls->dirty = true;
    }
    if (!st->rules.n || rule->priority > st->max_priority)
        cls->dirty = true;
    subtable_widen(st, rule->priority);
    rule->subtable = st;
    tries_count(cls, st, rule, prefix_trie_insert);
    stages_count(st, rw, 1);
    rmap_insert(&st->rules, &rule->node, key_hash(rw));
}

void classifier_remove(struct classifier *cls, struct rule *rule)
{
    struct subtable *st = rule->subtable;
    rmap_remove(&st->rules, &rule->node);
    stages_count(st, &rule->match, -1);
    tries_count(cls, st, rule, prefix_trie_remove);
    rule->subtable = NULL;
    if (st->rules.n) {
        if (subtable_narrow(st))
            cls->dirty = true;
        return;
    }
    size_t i = 0;
    while (cls->all[i] != st)
        i++;
    cls->all[i] = cls->all[--cls->n];
    cls->dirty = true;
    classifier_publish(cls); // before anything is freed
    rcu_later(&st->later, subtable_free, st);
}

static bool rule_gone(const struct rule *rule)
{
    return rule->removed_in != RULE_NEVER;
}

struct rule *classifier_find(const struct classifier *cls, const struct rule_words *rw,
                             uint16_t priority)
{
    struct subtable *st = subtable_find(cls, rw);
    if (!st)
        return NULL;
    uint32_t hash = key_hash(rw);
    uint8_t generation;
    for (struct rmap_node *n = rmap_first(&st->rules, hash, &generation); n;
         n = rmap_next(n, hash, generation)) {
        struct rule *rule = HOLDER_OF(n, struct rule, node);
        if (rule->priority == priority && !rule_gone(rule) &&
            !memcmp(rule->match.w, rw->w, rw->n * sizeof(rw->w[0])))
            return rule;
    }
    return NULL;
}

// --- Rules by criteria ------------------------------------------------------------------------

// Is every bit of the subtable's mask in the mask of `rw`?
static bool mask_within(const struct subtable *st, const struct rule_words *rw)
{
    if (st->map & ~rw->map)
        return false;
    unsigned k = 0, at = 0;
    for (uint64_t map = rw->map; map; map &= map - 1, at++) {
        if (k < st->n && st->index[k] == words_index(__builtin_ctzll(map)) &&
            st->mask[k++] & ~rw->w[rw->n + at])
            return false;
    }
    return true;
}

// The hash of `rw` cut down to the subtable's mask, which is within that of `rw`.
static uint32_t hash_within(const struct subtable *st, const struct rule_words *rw)
{
    uint64_t hash = SUBTABLE_SEED;
    unsigned k = 0, at = 0;
    for (uint64_t map = rw->map; map && k < st->n; map &= map - 1, at++) {
        if (st->index[k] == words_index(__builtin_ctzll(map)))
            hash = subtable_mix(hash, rw->w[at] & st->mask[k++]);
    }
    return subtable_finish(hash);
}

void classifier_each_loose(const struct classifier *cls, const struct rule_words *criteria,
                           classifier_fn *fn, void *aux)
{
    for (size_t i = 0; i < cls->n; i++) {
        struct subtable *st = cls->all[i];
        if (criteria->map & ~st->map)
            continue;
        if (st->map == criteria->map && mask_within(st, criteria)) {
            // Not a wider mask than the subtable's: one key at most.
            bool same = !memcmp(st->mask, criteria->w + criteria->n, st->n * sizeof(st->mask[0]));
            uint32_t hash = key_hash(criteria);
            uint8_t generation;
            struct rmap_node *n = same ? rmap_first(&st->rules, hash, &generation) : NULL;
            for (; n; n = rmap_next(n, hash, generation)) {
                struct rule *rule = HOLDER_OF(n, struct rule, node);
                if (!rule_gone(rule) && rule_words_loose(&rule->match, criteria) && !fn(aux, rule))
                    return;
            }
            continue;
        }
        struct rmap_iter iter = {0};
        for (struct rmap_node *n; (n = rmap_iter_next(&st->rules, &iter));) {
            struct rule *rule = HOLDER_OF(n, struct rule, node);
            if (!rule_gone(rule) && rule_words_loose(&rule->match, criteria) && !fn(aux, rule))
                return;
        }
    }
}

struct overlap {
    const struct rule_words *rw;
    uint16_t min, max;
    classifier_fn *fn;
    void *aux;
    bool stopped;
};

static void overlap_offer(struct overlap *o, struct rule *rule)
{
    if (rule->priority >= o->min && rule->priority <= o->max && !rule_gone(rule) &&
        rule_words_overlap(&rule->match, o->rw))
        o->stopped = !o->fn(o->aux, rule);
}

bool classifier_each_overlap(const struct classifier *cls, const struct rule_words *rw,
                             uint16_t min, uint16_t max, size_t *budget, classifier_fn *fn,
                             void *aux)
{
    struct overlap o = {rw, min, max, fn, aux, false};
    for (size_t i = 0; i < cls->n && !o.stopped; i++) {
        struct subtable *st = cls->all[i];
        if (st->min_priority > max || st->max_priority < min)
            continue;
        if (mask_within(st, rw)) {
            uint32_t hash = hash_within(st, rw);
            uint8_t generation;
            for (struct rmap_node *n = rmap_first(&st->rules, hash, &generation); n && !o.stopped;
                 n = rmap_next(n, hash, generation))
                overlap_offer(&o, HOLDER_OF(n, struct rule, node));
            continue;
        }
        if (st->rules.n > *budget)
            return false;
        *budget -= st->rules.n;
        struct rmap_iter iter = {0};
        for (struct rmap_node *n; !o.stopped && (n = rmap_iter_next(&st->rules, &iter));)
            overlap_offer(&o, HOLDER_OF(n, struct rule, node));
    }
    return true;
}
