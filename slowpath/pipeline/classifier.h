// SPDX-License-Identifier: Apache-2.0
// One table's rules, found by packet: tuple space search. Rules of one mask form a subtable, a hash
// table over the masked words. Subtables are searched by falling highest priority until no later
// one can do better.
//
// A lookup also says which bits of the packet it looked at, as few as it can:
//   - a subtable is looked into in stages (metadata, layer 2, 3, 4) and left at the first stage
//   whose
//     part of the key no rule has; later stages then don't matter;
//   - prefix tries over all rules' IPv4 and IPv6 addresses, and per subtable over its layer 4
//   ports,
//     prove by a few leading bits that a subtable has nothing for a packet.
// The promise: any packet that agrees with this one on the returned bits finds the same rule in the
// same version of the table.
//
// One writer (the main thread); lookups anywhere within an RCU read section. A rule is seen by
// lookups of a version v with added_in <= v < removed_in, so that many changes appear at once.
#pragma once

#include "slowpath/pipeline/prefix_trie.h"
#include "slowpath/pipeline/rule.h"

#define RULE_NEVER UINT64_MAX // as removed_in: still there

enum { STAGE_METADATA, STAGE_L2, STAGE_L3, STAGE_L4, STAGE_COUNT };
enum { TRIE_IP4_SRC, TRIE_IP4_DST, TRIE_IP6_SRC, TRIE_IP6_DST, TRIE_COUNT };

struct subtable {
    _Atomic uint16_t max_priority, min_priority; // bounds of its rules' priorities
    uint8_t n_stages;
    uint8_t stage_end[STAGE_COUNT]; // words of the mask up to the end of each stage that has any
    uint8_t stage_of[STAGE_COUNT];
    uint8_t trie_len[TRIE_COUNT]; // leading ones of the mask; 0: trie not asked
    uint8_t ports_len;            // of ports_trie; 0: none
    uint64_t ports_mask;          // tp_src:tp_dst in the top half
    struct rmap rules;
    struct rmap stages[STAGE_COUNT - 1]; // struct stage_node; one per stage but the last
    struct prefix_trie ports_trie;
    uint32_t removed_since_bounds;
    struct rcu_later later;
    uint64_t map;
    uint32_t n;
    uint8_t index[FLOW_U64S]; // of struct flow, n of them
    uint64_t mask[FLOW_U64S];
};

struct subtable_array {
    struct rcu_later later;
    uint32_t n;
    struct {
        uint16_t max_priority;
        struct subtable *subtable;
    } v[];
};

struct classifier {
    struct subtable_array *sorted; // RCU
    struct prefix_trie tries[TRIE_COUNT];
    bool dirty; // `sorted` has to be made anew
    // All subtables, the writer's.
    struct subtable **all;
    size_t n, allocated;
};

void classifier_init(struct classifier *);
// No readers any more; drops the table's reference of each rule.
void classifier_done(struct classifier *);

// The rule of highest priority that matches, or NULL, and adds to *wc what was looked at.
struct rule *classifier_lookup(const struct classifier *, uint64_t version, const struct flow *,
                               struct flow *wc);

// Adds a rule that is not yet visible; takes the caller's reference. classifier_publish() before it
// becomes visible.
void classifier_insert(struct classifier *, struct rule *);
// Unlinks a rule that no reader can see any more (a grace period has passed since its removed_in).
// The table's reference goes to the caller.
void classifier_remove(struct classifier *, struct rule *);
void classifier_publish(struct classifier *);

// The rule not yet removed with exactly this match and priority.
struct rule *classifier_find(const struct classifier *, const struct rule_words *,
                             uint16_t priority);

// Calls fn for rules not yet removed. It may mark rules as removed. False from fn stops it.
typedef bool classifier_fn(void *aux, struct rule *);
// Those at least as specific as the criteria.
void classifier_each_loose(const struct classifier *, const struct rule_words *, classifier_fn *,
                           void *aux);
// Those that some packet could match together with the criteria, of priority min to max. Gives up
// with false when it had to look at more than *budget rules; takes off those it looked at.
bool classifier_each_overlap(const struct classifier *, const struct rule_words *, uint16_t min,
                             uint16_t max, size_t *budget, classifier_fn *, void *aux);

// A match as words. free() it.
struct rule_words *rule_words_from(const struct match *);
void rule_words_set(struct rule_words *, const struct match *); // .map and .n are set already
uint64_t flow_mask_map(const struct flow *mask);
bool rule_words_loose(const struct rule_words *, const struct rule_words *criteria);
bool rule_words_overlap(const struct rule_words *, const struct rule_words *);
