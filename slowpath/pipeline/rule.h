// SPDX-License-Identifier: Apache-2.0
// A flow entry of an OpenFlow table.
//
// Rules are immutable to readers but for their counters. A modification replaces the rule by another one with the same id
// and the same counters (struct rule_stats is shared), so that a packet translated under the old one still counts.
// References: rule_ref() from any thread that can see the rule (RCU or a reference); the last unref frees after a grace
// period. Lookup, dumps and events hand out pointers without a reference.
#pragma once

#include <stdatomic.h>

#include "slowpath/pipeline/ofpact.h"

enum rule_flags { // kept with the rule; the numbers are OpenFlow 1.3's OFPFF_*
    RULE_SEND_FLOW_REM = 1 << 0,
    RULE_NO_PKT_COUNTS = 1 << 3,
    RULE_NO_BYT_COUNTS = 1 << 4,
};

// Counters and times, shared by a rule and what it is modified into. Relaxed atomics; never go back but by reset_counts.
struct rule_stats {
    _Atomic uint64_t packets, bytes;
    _Atomic int64_t used; // clock_now() of the last packet; of creation before the first
    _Atomic uint32_t refs;
};

struct pipeline;
struct rule {
    uint64_t id; // unique in the process's life; kept by modifications
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
    _Atomic uint64_t added_in, removed_in; // table versions in between which lookups see it
    struct rule *hash_next[2]; // RCU: see cls_map.h
    uint32_t hash;
    uint32_t slot; // in its table
    struct subtable *subtable;
    _Atomic uint32_t refs;
    unsigned n_words;
    uint64_t map;
    uint64_t words[]; // n_words of value, then n_words of mask
};

struct rule *rule_ref(struct rule *);
void rule_unref(struct rule *); // NULL is fine

void rule_match(const struct rule *, struct match *ret_match);
void rule_stats_read(const struct rule *, uint64_t *ret_packets, uint64_t *ret_bytes, int64_t *ret_used);
