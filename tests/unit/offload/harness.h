// SPDX-License-Identifier: Apache-2.0
// A software tier, hardware tiers, an offload over them, and megaflows that are nothing but a
// placement.
#pragma once

#include "offload/explain.h"
#include "tests/unit/offload/mock_tier.h"

struct harness {
    struct mock_tier *sw, *hw[2];
    size_t n_hw;
    struct offload *offload;
    struct place_owner owner;
    struct tier_channel *channel;
    atomic_uint wakes;
};

// A "megaflow" of the tests.
struct tflow {
    struct placement place; // first
    struct flow_key key;
    uint64_t credited, credited_hw; // packets that were collected
    unsigned closed;
};

struct tversion {
    struct place_version version; // first
    uint64_t credited;            // packets that were collected under it
};

void harness_start(struct harness *, size_t n_hw, const struct offload_options *);
bool harness_stop(struct harness *); // as offload_stop()

// A version for UDP port `id`, output to `port`.
struct tversion *tversion_new(unsigned id, dp_port_t port);
struct tflow *tflow_new(struct harness *, unsigned id);
int tflow_install(struct harness *, struct tflow *,
                  struct tversion *); // takes the creator's reference
int tflow_modify(struct harness *, struct tflow *, struct tversion *); // likewise
void tflow_remove(struct harness *, struct tflow *);
void tflow_collect(struct harness *, struct tflow *); // reads software, collects both
// After it was removed: waits (manual: steps) until it is closed, and frees it. Returns what was
// credited in all.
uint64_t tflow_finish(struct harness *, struct tflow *);
// Sends a packet through hardware, then software; returns whether one had it.
bool harness_send(struct harness *, const struct tflow *);
void harness_settle(struct harness *); // manual: steps until nothing is left to do
// Threads: reads hardware counters now.
void harness_read(struct harness *);
enum place_state tflow_state(struct tflow *);
