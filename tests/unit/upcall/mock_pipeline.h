// SPDX-License-Identifier: Apache-2.0
// A pipeline of one table for tests of slowpath/upcall: UDP packets from datapath port 1 go where
// the rule of their destination port says. Implements what handlers and keepers call of pipeline.h
// and xlate.h, in place of slowpath/pipeline.
//
// Rules are replaced as in the real one: the new one is visible to readers, then the change is
// numbered, then announced.
#pragma once

#include "slowpath/pipeline/pipeline.h"
#include "slowpath/pipeline/xlate.h"

#define MOCK_RULES 16384

struct mock_rule {
    unsigned id;
    dp_port_t out; // DP_PORT_NONE: drop
    unsigned slow; // enum xlate_slow bits
    bool learns; // each translation of a packet announces a change of the rule itself, as a learned
                 // MAC does
    _Atomic uint64_t packets, bytes;
    _Atomic int64_t used;
    _Atomic int refs;
    struct mock_rule *next; // all that ever were, for the sums
};

struct pipelines *mock_pipelines(void); // made anew by mock_pipeline_reset()
void mock_pipeline_reset(void);
// Frees all rules; fails the test if one is still referenced. Returns the sum of packets credited
// to all that ever were.
uint64_t mock_pipeline_end(void);
// Replaces the rule of a UDP port and announces it.
struct mock_rule *mock_rule_set(unsigned id, dp_port_t out, unsigned slow);
void mock_rules_set(unsigned first, unsigned n, dp_port_t out); // many, announced together
uint64_t mock_credited(void);                                   // so far, over all rules
void mock_port_map(bool there); // datapath port 1 belongs to a bridge, or to none
void mock_look_at_udp(
    bool); // false: the table looks at the input port only, all go where rule 0 says
void mock_xlate_hook(void (*fn)(void)); // called by each translation after it read the table
uint64_t mock_translations(void);
struct flow_key mock_key(unsigned id);
