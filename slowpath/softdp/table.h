// SPDX-License-Identifier: Apache-2.0
// The flow table of the userspace datapath: megaflows by mask (tuple space), found by packets without a lock, changed by
// any thread under one lock.
//
// Readers (forwarding threads) are within an RCU read section. The counters of a flow have one writer: the thread that owns
// the flow's input port, which every megaflow matches exactly.
#pragma once

#include "lib/contract/tier.h"
#include "lib/flow/sparse.h"

struct soft_table;
struct soft_flow;

struct soft_table *soft_table_new(void);
void soft_table_free(struct soft_table *); // no readers left

// A forwarding thread's own cache of recent answers, in front of the masks.
struct soft_cache;
struct soft_cache *soft_cache_new(void);
void soft_cache_free(struct soft_cache *);

// The megaflow that matches, or NULL. Within a read section; valid until its end.
struct soft_flow *soft_table_lookup(struct soft_table *, struct soft_cache *, const struct flow_key *);
const struct act_list *soft_flow_actions(const struct soft_flow *);
void soft_flow_ufid(const struct soft_flow *, struct ufid *ret_ufid);
void soft_flow_count(struct soft_flow *, uint32_t frames, uint64_t bytes, uint16_t tcp_flags, int64_t now);

// The tier's operations on flows (lib/contract/tier.h), with handles that are addresses of flows. Not within a read section:
// apply() waits for a grace period where a batch removes, so that last counters are exact.
void soft_table_apply(struct soft_table *, struct tier_op *ops, size_t n);
void soft_table_stats(struct soft_table *, struct tier_stats_req *reqs, size_t n);
void soft_table_dump(struct soft_table *, uint8_t instance, tier_dump_fn *cb, void *aux);
// Removes flows that name `port` as input or output.
void soft_table_forget_port(struct soft_table *, dp_port_t port);
uint64_t soft_table_n_flows(struct soft_table *);
uint32_t soft_table_n_masks(struct soft_table *);
