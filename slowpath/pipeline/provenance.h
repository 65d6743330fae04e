// SPDX-License-Identifier: Apache-2.0
// What a translation read. Each thing read, and each thing looked for and not found, is a
// *dependency*: a 64-bit key made of its kind and identity. A megaflow keeps its dependencies; a
// change in the pipeline announces the keys that it may have touched; who owns the megaflows
// (slowpath/upcall) re-translates those that hang on them.
//
// Over-approximation is allowed; a megaflow missed is a bug. The test twin re-translates everything
// and compares.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/flow/types.h"

enum dep_kind {
    DEP_RULE,       // id: struct rule.id. The rule matched, or was the highest one passed over
    DEP_TABLE_MISS, // id: pipeline id << 8 | table. No rule matched there
    DEP_TABLE,  // likewise. Any lookup there, hit or miss: for changes too broad to say which rules
                // they touch
    DEP_MAC,    // a MAC looked up, found or not: hash of pipeline id, VLAN, address
    DEP_PORTS,  // id: pipeline id. The set of ports, their VLANs, patches, states
    DEP_GROUP,  // id: pipeline id << 32 | group
    DEP_METER,  // likewise
    DEP_CONFIG, // id: pipeline id. Anything else of the bridge: fail mode, …
};

typedef uint64_t dep_t;
dep_t dep_make(enum dep_kind, uint64_t id);
dep_t dep_mac(uint32_t pipeline_id, uint16_t vlan, const struct eth_addr *);

// A set of dependencies, small, without duplicates.
struct provenance {
    uint32_t n, allocated;
    dep_t *deps;
};
void provenance_init(struct provenance *);
void provenance_done(struct provenance *);
void provenance_add(struct provenance *, dep_t);
bool provenance_has(const struct provenance *, dep_t);

// Who wants to hear of changes. Called on the main thread after the change is visible to readers,
// except for learned MACs, which handlers report: it must be callable from any thread and must not
// block for long (queue the keys, wake the keeper).
struct dep_observer {
    void (*changed)(void *aux, const dep_t *deps, size_t n);
    void *aux;
};
