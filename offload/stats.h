// SPDX-License-Identifier: Apache-2.0
// Counting: one copy's readings as differences, a megaflow's sums over tiers, and what is known of
// their error.
//
// Units: packets are as the tier counts them. A tier whose figures are `wire` counts frames on the
// wire; others may count a GSO frame as one. Bytes are whole frames with the Ethernet header,
// without FCS.
#pragma once

#include <stdatomic.h>

#include "lib/contract/tier.h"

// Counters of one copy (one megaflow in one tier) since it was installed or last handed its final
// counters back. The tier's figures only grow within that time; a reading that is lower than the
// last one is ignored.
struct copy_count {
    uint64_t packets, bytes;             // last reading
    uint64_t taken_packets, taken_bytes; // collected of it
    int64_t used;                        // 0: never
    int64_t quiet_until; // a use after `used` and before this would have been seen; 0: never read
    uint16_t tcp_flags;
};

void copy_count_start(struct copy_count *, int64_t now); // an installed copy, nothing counted yet
// Takes in a reading made at `now`. Returns false for one that went back. A tier that doesn't
// report use gets the time of the reading that grew.
bool copy_count_read(struct copy_count *, const struct tier_stats *, int64_t now);
// What was not yet taken, and takes it. False: nothing.
bool copy_count_take(struct copy_count *, uint64_t *ret_packets, uint64_t *ret_bytes);

// Sums of a megaflow. One writer; readers see each member whole, never a decrease.
struct flow_totals {
    _Atomic uint64_t packets, bytes;       // all tiers
    _Atomic uint64_t hw_packets, hw_bytes; // of those, hardware's
    _Atomic uint32_t tcp_flags;
};
struct flow_sums {
    uint64_t packets, bytes, hw_packets, hw_bytes;
    uint16_t tcp_flags;
};
void flow_totals_add(struct flow_totals *, uint64_t packets, uint64_t bytes, uint16_t tcp_flags,
                     bool hardware);
struct flow_sums flow_totals_get(const struct flow_totals *);

// How far removed copies' last counters could be trusted.
struct final_errors {
    uint64_t exact;  // removals and changes whose counters were exact
    uint64_t cached; // … from a cache: short by what came in the last `cached_ms` at most
    uint32_t cached_ms;
    uint64_t bounded;  // … that may have missed packets,
    uint64_t short_by; // so many at most, in all
};
void final_errors_add(struct final_errors *, const struct tier_op *);

enum hw_health {
    HW_GOOD,
    HW_PROBING, // was hung; the replacement is being tried
    HW_HUNG,    // no longer fed
};
const char *hw_health_name(enum hw_health);

// One tier, for `sluice offload stats`.
struct tier_report {
    const char *name;
    bool hardware;
    enum hw_health health; // hardware's from here on
    int64_t health_since;
    uint64_t capacity, used;                              // as the tier says; capacity 0: not known
    uint64_t copies;                                      // megaflows that we hold there
    uint64_t queued, queue_max;                           // installs that wait
    uint64_t urgent;                                      // changes and removals that wait
    uint64_t turned_away;                                 // offers that found the queue full
    uint64_t installed, modified, removed, refused, lost; // operations since the start
    uint64_t failed;         // operations without an answer (channel errors), repeated
    uint64_t hangs;          // times a thread was declared hung
    uint64_t packets, bytes; // collected from its copies
    bool wire;               // unit of the figures, see above
    uint32_t age_ms;         // oldest figures of the last reading
    struct final_errors finals;
};
struct offload;
// Calls cb for the software tier, then for each hardware tier in order. Any thread.
typedef void tier_report_fn(void *aux, const struct tier_report *);
void offload_report(struct offload *, tier_report_fn *cb, void *aux);
