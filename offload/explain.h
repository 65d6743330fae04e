// SPDX-License-Identifier: Apache-2.0
// Why a megaflow is where it is: data for `sluice offload explain`; callers print it.
//
// Any thread. Nothing blocks but on a lock around memory.
#pragma once

#include "offload/place.h"

struct explanation {
    enum place_state state;
    const char *tier;       // the fastest tier that has it: a tier's name, static
    const char *refused_by; // the hardware tier whose word `why` is, or NULL
    struct refusal why;     // why not higher; REFUSAL_NONE: it is at the top, or on its way
    int64_t since;          // clock_now() domain: when this reason was first given
    uint32_t attempts;      // how often it was offered for it
    int64_t retry_at;       // when it will be offered again; CLOCK_NEVER: only after a change
    char remedy[160];       // what it would take, a sentence; empty with REFUSAL_NONE
};
// The caller keeps the placement alive.
void explain(struct placement *, struct explanation *ret);

// Reasons added up over all megaflows.
struct refusal_count {
    const char *tier; // or NULL: policy's
    struct refusal why;
    uint64_t now;        // megaflows that it holds back
    uint64_t total;      // times it was given
    int64_t first, last; // when
};
typedef void refusal_count_fn(void *aux, const struct refusal_count *);
// Those that hold megaflows back come first, then by total. Entries are copied before `cb` is
// called.
void explain_all(struct offload *, refusal_count_fn *cb, void *aux);
