// SPDX-License-Identifier: Apache-2.0
// Rules' matches as sparse words: making, comparing, expanding them.
// Pure functions, any thread. Neighbours: rule.c, classifier.c. Invariant: a value has no bit that
// its mask lacks, and every word listed has a mask bit.

#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/pipeline/classifier.h"

uint64_t flow_mask_map(const struct flow *mask)
{
    const uint64_t *words = (const uint64_t *)mask;
    uint64_t map = 0;
    for (unsigned i = 0; i < FLOW_U64S; i++)
        map |= (uint64_t)(words[i] != 0) << ((i + 64 - FLOW_KEY_U64S) % 64);
    return map;
}

void rule_words_set(struct rule_words *rw, const struct match *match)
{
    const uint64_t *value = (const uint64_t *)&match->value;
    const uint64_t *mask = (const uint64_t *)&match->mask;
    unsigned at = 0;
    for (uint64_t map = rw->map; map; map &= map - 1, at++) {
        unsigned i = words_index(__builtin_ctzll(map));
        rw->w[at] = value[i] & mask[i];
        rw->w[rw->n + at] = mask[i];
    }
}

struct rule_words *rule_words_from(const struct match *match)
{
    uint64_t map = flow_mask_map(&match->mask);
    unsigned n = __builtin_popcountll(map);
    struct rule_words *rw = xmalloc(sizeof(*rw) + 2 * n * sizeof(rw->w[0]));
    rw->map = map;
    rw->n = n;
    rule_words_set(rw, match);
    return rw;
}

void rule_match(const struct rule *rule, struct match *ret_match)
{
    const struct rule_words *rw = &rule->match;
    memset(ret_match, 0, sizeof(*ret_match));
    uint64_t *value = (uint64_t *)&ret_match->value, *mask = (uint64_t *)&ret_match->mask;
    unsigned at = 0;
    for (uint64_t map = rw->map; map; map &= map - 1, at++) {
        unsigned i = words_index(__builtin_ctzll(map));
        value[i] = rw->w[at];
        mask[i] = rw->w[rw->n + at];
    }
}

// Position in rw of the word that bit b of its map stands for.
static unsigned word_at(const struct rule_words *rw, unsigned b)
{
    return __builtin_popcountll(rw->map & ((UINT64_C(1) << b) - 1));
}

bool rule_words_loose(const struct rule_words *rw, const struct rule_words *criteria)
{
    if (criteria->map & ~rw->map)
        return false;
    unsigned at = 0;
    for (uint64_t map = criteria->map; map; map &= map - 1, at++) {
        unsigned k = word_at(rw, __builtin_ctzll(map));
        uint64_t mask = criteria->w[criteria->n + at];
        if (mask & ~rw->w[rw->n + k] || (rw->w[k] & mask) != criteria->w[at])
            return false;
    }
    return true;
}

bool rule_words_overlap(const struct rule_words *a, const struct rule_words *b)
{
    for (uint64_t map = a->map & b->map; map; map &= map - 1) {
        unsigned bit = __builtin_ctzll(map), x = word_at(a, bit), y = word_at(b, bit);
        if ((a->w[x] ^ b->w[y]) & a->w[a->n + x] & b->w[b->n + y])
            return false;
    }
    return true;
}
