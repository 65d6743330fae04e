// SPDX-License-Identifier: Apache-2.0
// A flow entry of an OpenFlow table.
//
// Rules are immutable to readers but for their counters. A modification replaces the rule by
// another one with the same id and the same counters (struct rule_stats is shared), so that a
// packet translated under the old one still counts. References: rule_ref() from any thread that can
// see the rule (RCU or a reference); the last unref frees after a grace period. Lookup, dumps and
// events hand out pointers without a reference.
#pragma once

#include <stdatomic.h>

#include "slowpath/pipeline/ofpact.h"
#include "slowpath/pipeline/rmap.h"

enum rule_flags { // kept with the rule; the numbers are OpenFlow 1.3's OFPFF_*
    RULE_SEND_FLOW_REM = 1 << 0,
    RULE_NO_PKT_COUNTS = 1 << 3,
    RULE_NO_BYT_COUNTS = 1 << 4,
};

// Counters and times, shared by a rule and what it is modified into. Relaxed atomics; never go back
// but by reset_counts.
struct rule_stats {
    _Atomic uint64_t packets, bytes;
    _Atomic int64_t used; // clock_now() of the last packet; of creation before the first
    _Atomic uint32_t refs;
};

// The words of a match that have mask bits: for each bit b of `map`, ascending, word words_index(b)
// of struct flow. First n of value, then n of mask. Pipeline fields come first, so that the order
// is that of a lookup's stages.
struct rule_words {
    uint64_t map;
    uint32_t n;
    uint64_t w[];
};
static inline unsigned words_index(unsigned bit)
{
    return (bit + FLOW_KEY_U64S) % 64;
}

struct pipeline;
struct rule {
    uint64_t id;               // unique in the process's life; kept by modifications
    struct pipeline *pipeline; // not referenced
    uint8_t table;
    uint16_t priority;
    uint16_t idle_timeout, hard_timeout; // seconds; 0: none
    uint16_t importance;
    unsigned flags; // enum rule_flags
    be64_t cookie;
    int64_t created, modified; // clock_now(); the hard timeout runs from `modified`
    struct ofpact_list actions;
    struct rule_stats *stats;

    // Private to slowpath/pipeline from here on.
    _Atomic uint64_t added_in, removed_in; // lookups of versions in between see it
    struct rmap_node node;                 // in its subtable
    struct subtable *subtable;
    struct rule *expirable_next, *expirable_prev; // the pipeline's list of rules with timeouts
    struct rcu_later later;
    uint32_t slot; // in its table
    _Atomic uint32_t refs;
    struct rule_words match;
};

struct rule *rule_ref(struct rule *);
void rule_unref(struct rule *); // NULL is fine

void rule_match(const struct rule *, struct match *ret_match);
void rule_stats_read(const struct rule *, uint64_t *ret_packets, uint64_t *ret_bytes,
                     int64_t *ret_used);
