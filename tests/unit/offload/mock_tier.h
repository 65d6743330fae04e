// SPDX-License-Identifier: Apache-2.0
// A tier in memory with faults on demand, for tests of what stands above tiers. Implements
// lib/contract/tier.h.
//
// The test plays the traffic: mock_tier_forward() counts a packet at the flow that matches. Knobs
// may be turned at any time, by any thread.
#pragma once

#include <pthread.h>
#include <uthash.h>

#include "lib/contract/tier.h"

enum mock_channel_fault {
    FAULT_NONE,
    FAULT_BEFORE, // -ENOBUFS, and nothing was done
    FAULT_AFTER,  // -ENOBUFS, though everything was done
    FAULT_HALF,   // -ENOBUFS after the first half of the batch, which is answered
};

struct mock_flow {
    struct flow_desc desc;
    uint64_t handle, packets, bytes;
    int64_t used;
    struct tier_stats shown; // what a cached reading says
    int64_t shown_at;
    UT_hash_handle hh;
};

// A version that MODIFY superseded, with modify_late.
struct mock_late {
    struct mock_late *next;
    struct ufid ufid;
    uint64_t handle;
    struct tier_stats all;   // what it counted
    struct tier_stats shown; // what was shown of that
    int64_t since;
};

struct mock_tier {
    struct tier tier;
    struct tier_ops ops;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    void *owner; // the test's
    struct mock_flow *flows;
    struct mock_late *lates;
    uint64_t next_handle;

    // Knobs.
    uint64_t capacity;            // 0: none
    enum field_id check_refuses;  // can_hold: no if the mask has this field. FIELD_NONE: nothing
    enum field_id driver_refuses; // apply: likewise, with a sentence
    int refuse_errno;             // of driver_refuses; -EOPNOTSUPP if 0
    bool refuse_all;              // apply refuses installs with -EINVAL
    bool refuse_modify;
    bool refuse_output;            // apply refuses lists that start with an output
    enum mock_channel_fault fault; // of the next apply only
    bool fault_stats;              // of the next stats only
    bool hang_apply, hang_stats;   // until cleared by mock_tier_release()
    unsigned cache_ms;             // age of the figures
    bool modify_restarts;          // MODIFY hands the old counters back
    bool modify_late;              // … or shows them later, under the old handle
    uint64_t final_short;          // finals lack so many packets at most and say so
    dp_port_t foreign_port;        // can_hold refuses this port. DP_PORT_NONE: none

    // Observations.
    unsigned inside;     // threads in apply or stats now
    unsigned hung;       // of those, held by a hang knob
    uint64_t applied[3]; // by enum tier_op_type, successes
    uint64_t batches, biggest_batch;
    unsigned channels;    // open
    uint64_t short_total; // packets that finals left out
    bool closed, kept;
};

struct mock_tier *mock_tier_new(const char *name, bool hardware);
void mock_tier_free(struct mock_tier *);

// A packet arrives: true, and counted, if a flow matches. *ret_desc (may be NULL) is a copy of it.
bool mock_tier_forward(struct mock_tier *, const struct flow_key *, uint32_t len,
                       struct flow_desc *ret_desc);
bool mock_tier_has(struct mock_tier *, const struct ufid *);
size_t mock_tier_count(struct mock_tier *);
// The NIC resets: flows and their counters are gone.
void mock_tier_reset(struct mock_tier *);
bool mock_tier_lose(struct mock_tier *, const struct ufid *);
// Adds a flow behind everybody's back: a leftover.
void mock_tier_plant(struct mock_tier *, const struct flow_desc *);
// Waits until a thread hangs in it; and lets hung ones go.
void mock_tier_wait_hung(struct mock_tier *, unsigned n);
void mock_tier_release(struct mock_tier *);
