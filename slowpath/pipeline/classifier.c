// SPDX-License-Identifier: Apache-2.0
// Tuple space search: see classifier.h for the method and its promise. This file holds what readers
// run; classifier_update.c holds what the writer runs.
// Thread: any, within an RCU read section.
//
// Why the mask is right: for each subtable that did not yield the rule, one reason is recorded, and
// the bits that make the reason true go into the mask. (1) No rule has the same hash over stages
// 0..i: the mask's bits of those stages. (2) The trie says that no rule of the table has this
// prefix length here: the bits the trie walked. (3) No rule of the subtable has such ports: the
// bits that trie walked. (4) The whole masked key was compared: the whole mask. Rules that a
// version doesn't see stay in hashes and tries, so all reasons hold for what it sees.

#include "slowpath/pipeline/classifier.h"

#include <endian.h>
#include <string.h>

#include "slowpath/pipeline/classifier_private.h"

static const struct trie_field trie_fields[TRIE_COUNT] = {
    [TRIE_IP4_SRC] = {offsetof(struct flow, key.ip4_src), 4},
    [TRIE_IP4_DST] = {offsetof(struct flow, key.ip4_dst), 4},
    [TRIE_IP6_SRC] = {offsetof(struct flow, key.ip6_src), 16},
    [TRIE_IP6_DST] = {offsetof(struct flow, key.ip6_dst), 16},
};

struct prefix trie_field_get(unsigned trie, const struct flow *flow)
{
    const struct trie_field *f = &trie_fields[trie];
    const uint8_t *at = (const uint8_t *)flow + f->offset;
    uint64_t hi = 0, lo = 0;
    memcpy(&hi, at, f->size < 8 ? f->size : 8);
    if (f->size == 16)
        memcpy(&lo, at + 8, 8);
    return (struct prefix){be64toh(hi), be64toh(lo)};
}

static void trie_field_or(unsigned trie, struct flow *wc, unsigned n_bits)
{
    const struct trie_field *f = &trie_fields[trie];
    uint8_t *at = (uint8_t *)wc + f->offset;
    struct prefix mask = prefix_mask(n_bits);
    uint64_t be[2] = {htobe64(mask.hi), htobe64(mask.lo)};
    const uint8_t *bytes = (const uint8_t *)be;
    for (unsigned i = 0; i < f->size; i++)
        at[i] |= bytes[i];
}

uint64_t ports_get(const struct flow *flow)
{
    uint32_t be;
    memcpy(&be, &flow->key.tp_src, 4); // tp_dst follows
    return (uint64_t)ntohl(be) << 32;
}
_Static_assert(offsetof(struct flow_key, tp_dst) == offsetof(struct flow_key, tp_src) + 2,
               "ports are read as one");

// What tries have said of this packet so far.
struct trie_answers {
    uint8_t asked; // bit per trie
    uint8_t told;  // its bits are in wc
    uint8_t n_bits[TRIE_COUNT];
    struct prefix_lens lens[TRIE_COUNT];
};

static void fold_mask(const struct subtable *st, unsigned n, struct flow *wc)
{
    uint64_t *words = (uint64_t *)wc;
    for (unsigned i = 0; i < n; i++)
        words[st->index[i]] |= st->mask[i];
}

// True: some trie proves that the subtable has nothing for this packet; its bits are in wc.
static bool tries_exclude(const struct classifier *cls, const struct subtable *st,
                          const struct flow *flow, struct trie_answers *ta, struct flow *wc)
{
    for (unsigned t = 0; t < TRIE_COUNT; t++) {
        if (!st->trie_len[t])
            continue;
        if (!(ta->asked & 1 << t)) {
            ta->n_bits[t] =
                prefix_trie_lookup(&cls->tries[t], trie_field_get(t, flow), &ta->lens[t]);
            ta->asked |= 1 << t;
        }
        if (prefix_lens_has(&ta->lens[t], st->trie_len[t]))
            continue;
        if (!(ta->told & 1 << t)) {
            trie_field_or(t, wc, ta->n_bits[t]);
            ta->told |= 1 << t;
        }
        return true;
    }
    return false;
}

static bool rule_equals(const struct rule *rule, const struct subtable *st, const uint64_t *flow)
{
    uint64_t diff = 0;
    for (unsigned i = 0; i < st->n; i++)
        diff |= (flow[st->index[i]] & st->mask[i]) ^ rule->match.w[i];
    return !diff;
}

static bool rule_visible(const struct rule *rule, uint64_t version)
{
    return atomic_load_explicit(&rule->added_in, memory_order_relaxed) <= version &&
           version < atomic_load_explicit(&rule->removed_in, memory_order_relaxed);
}

// No rule had the whole key. If that is for the ports alone to say, says it with few bits.
static void blame_whole_key(const struct subtable *st, const struct flow *flow, struct flow *wc)
{
    if (st->ports_len) {
        struct prefix_lens lens;
        struct prefix value = {ports_get(flow) & st->ports_mask, 0};
        unsigned n_bits = prefix_trie_lookup(&st->ports_trie, value, &lens);
        if (!prefix_lens_has(&lens, st->ports_len)) {
            uint32_t bits = htonl((prefix_mask(n_bits).hi & st->ports_mask) >> 32), now;
            memcpy(&now, &wc->key.tp_src, 4);
            now |= bits;
            memcpy(&wc->key.tp_src, &now, 4);
            // Ports mean something only with their protocol.
            wc->key.ip_proto = 0xff;
            return;
        }
    }
    fold_mask(st, st->n, wc);
}

// Nothing found, after stages up to that ending at word `n` were compared. Tries are asked only
// now: they walk much memory, and whoever finds a rule needs its whole mask anyway.
static void blame(const struct classifier *cls, const struct subtable *st, const struct flow *flow,
                  unsigned stage, struct trie_answers *ta, struct flow *wc)
{
    if (st->stage_of[stage] >= STAGE_L3 && tries_exclude(cls, st, flow, ta, wc))
        return;
    if (stage + 1u < st->n_stages)
        fold_mask(st, st->stage_end[stage], wc);
    else
        blame_whole_key(st, flow, wc);
}

static struct rule *subtable_lookup(const struct classifier *cls, const struct subtable *st,
                                    uint64_t version, const struct flow *flow,
                                    struct trie_answers *ta, struct flow *wc)
{
    const uint64_t *words = (const uint64_t *)flow;
    uint64_t hash = SUBTABLE_SEED;
    unsigned at = 0;
    uint8_t generation;
    for (unsigned s = 0; s < st->n_stages; s++) {
        for (; at < st->stage_end[s]; at++)
            hash = subtable_mix(hash, words[st->index[at]] & st->mask[at]);
        if (s + 1u < st->n_stages &&
            !rmap_first(&st->stages[s], subtable_finish(hash), &generation)) {
            blame(cls, st, flow, s, ta, wc);
            return NULL;
        }
    }
    uint32_t h = subtable_finish(hash);
    for (struct rmap_node *n = rmap_first(&st->rules, h, &generation); n;
         n = rmap_next(n, h, generation)) {
        struct rule *rule = HOLDER_OF(n, struct rule, node);
        if (rule_equals(rule, st, words) && rule_visible(rule, version)) {
            fold_mask(st, st->n, wc);
            return rule;
        }
    }
    if (st->n_stages)
        blame(cls, st, flow, st->n_stages - 1, ta, wc);
    return NULL;
}

struct rule *classifier_lookup(const struct classifier *cls, uint64_t version,
                               const struct flow *flow, struct flow *wc)
{
    const struct subtable_array *sorted = rcu_get(cls->sorted);
    struct trie_answers ta = {.asked = 0};
    struct rule *best = NULL;
    for (uint32_t i = 0; sorted && i < sorted->n; i++) {
        if (best && best->priority >= sorted->v[i].max_priority)
            break;
        struct rule *rule = subtable_lookup(cls, sorted->v[i].subtable, version, flow, &ta, wc);
        if (rule && (!best || rule->priority > best->priority))
            best = rule;
    }
    return best;
}
