// SPDX-License-Identifier: Apache-2.0
// A tier is a place where megaflows can live: a NIC through tc-flower or rte_flow, a kernel module datapath, the
// userspace datapath, a simulated NIC. Each implements one `struct tier_ops`.
//
// Defaults for every callback, unless its comment says otherwise: returns 0 or a negative errno; may block on the
// kernel but never on another thread of ours for longer than a lock around memory; pointers passed in stay the caller's
// and are not kept after the return; never aborts on what the kernel, a NIC or a packet says.
//
// Threads. `open`, `close`, `port_*`, `channel_*` are called by one thread at a time. Work on flows goes through a
// *channel*: each thread that installs or reads has its own (its own netlink socket where there is one), so channels of
// one tier are used by several threads at once. Calls are batched and synchronous; asynchrony and its bounded queues
// belong to the caller (offload's inserter for slow tiers), so that a hung NIC hangs one thread that nobody waits for.
//
// Order: operations of one batch on one UFID take effect in order. Between channels the caller keeps order per UFID.
#pragma once

#include "lib/base/err.h"
#include "lib/contract/refusal.h"
#include "lib/flow/desc.h"

struct tier;
struct tier_channel;

// A port as tiers need it: an interface of this host.
struct tier_port {
    dp_port_t dp_port;
    const char *name;
    int ifindex; // in this network namespace; 0: none (a port that only the datapath knows)
};

// What the translator may emit, read before it emits.
struct tier_caps {
    bool fields[FIELD_COUNT]; // can be matched
    bool fields_masked[FIELD_COUNT]; // with any mask
    bool sets[FIELD_COUNT]; // can be written
    bool actions[ACT_COUNT];
    uint32_t max_actions;
    uint32_t max_vlans;
    bool recirc_shared; // software can resume a chain where this tier stopped
    bool tracks_used; // reports when a flow was last hit
};

struct tier_stats {
    uint64_t packets; // wire frames where `wire`, else as the tier counts (a GSO frame may be one)
    uint64_t bytes; // Ethernet header included, FCS not
    int64_t used; // clock_now() domain, ns; 0: never
    uint16_t tcp_flags; // or-ed, host order; 0 where the tier can't tell
    bool wire;
    uint32_t age_ms; // how old the figures may be: 0 is exact
};

enum tier_op_type {
    TIER_INSTALL,
    TIER_MODIFY, // same UFID, new actions; atomic: each packet sees the old or the new
    TIER_REMOVE,
};

// How far the last counters of a removed or modified flow can be trusted.
enum tier_final {
    TIER_FINAL_EXACT, // no packet was counted after the reading
    TIER_FINAL_CACHED, // short by what arrived in the last `last.age_ms`
    TIER_FINAL_BOUNDED, // short by at most `short_by` packets
};

// The last counters of a version that was superseded (see tier_op.counters_late).
struct tier_late {
    uint64_t handle;
    struct tier_stats last;
};
#define TIER_LATE_MAX 16

struct tier_op {
    enum tier_op_type type;
    const struct flow_desc *desc; // caller's, unchanged until the call returns
    // The tier's own: written by INSTALL, may be rewritten by MODIFY, given back by the caller. 0 with the REMOVE that follows an
    // INSTALL which got no answer: the tier finds the flow by UFID, or says -ENOENT.
    uint64_t handle;
    // INSTALL: a packet of this megaflow that no other one takes, or NULL. A tier whose flows may not overlap looks for others
    // at this key (-EEXIST: there is one); without it, at desc->key, where an overlap is likelier.
    const struct flow_key *sample;
    // Results, filled for every operation:
    int error; // 0 or negative errno; on an error the flow is as it was before
    struct refusal refusal; // for errors of INSTALL and MODIFY
    bool counters_continue; // MODIFY: stats() goes on from where it was, and `last` is zero
    // MODIFY: the old version gets no more packets, but the tier still learns of some that it got. It is read under its old
    // handle until it is `settled`; the new handle's counters begin at zero. `last` is zero.
    bool counters_late;
    struct tier_stats last; // REMOVE, and MODIFY with neither of these: the old flow's final counters
    enum tier_final final;
    uint64_t short_by; // packets, for TIER_FINAL_BOUNDED
    uint32_t n_late; // REMOVE, MODIFY: superseded versions that this operation settled, even if it failed
    struct tier_late late[TIER_LATE_MAX];
};

struct tier_stats_req {
    struct ufid ufid;
    uint64_t handle;
    int error; // -ENOENT: the tier no longer has it (reset, removed by another)
    bool settled; // a superseded version: these are its last counters, its handle is no more
    struct tier_stats stats;
};

struct tier_limits {
    uint64_t capacity; // 0: not known
    uint64_t used;
};

// One flow found by dump(); valid during the callback.
struct tier_dumped {
    const struct flow_desc *desc;
    uint64_t handle;
    struct tier_stats stats;
};
typedef void tier_dump_fn(void *aux, const struct tier_dumped *);

enum tier_object_type {
    TIER_OBJECT_METER,
    TIER_OBJECT_GROUP,
    TIER_OBJECT_CT_TIMEOUT,
};

struct tier_ops {
    // Shown to people: "softdp", "kernel", "tc", "simulated".
    const char *name;
    // The tier forwards without the host's CPU (or simulates that).
    bool hardware;

    // Releases everything. With `keep_flows` what is installed stays and forwards, where the tier can do that.
    void (*close)(struct tier *, bool keep_flows);

    // Makes a port known, so that flows may name it. -EOPNOTSUPP with a sentence: not a port of this tier (its flows are
    // then refused with CULPRIT_PORT). NULL: the tier needs no telling.
    int (*port_attach)(struct tier *, const struct tier_port *, struct err *);
    // Flows that name the port are gone when this returns. Unknown ports are ignored.
    void (*port_detach)(struct tier *, dp_port_t);

    // What the tier can hold in principle. Pure, constant after open and port_attach.
    void (*probe)(struct tier *, struct tier_caps *ret_caps);
    // May this megaflow be offered? Pure: no I/O, any thread. true; or false with *ret_refusal filled.
    bool (*can_hold)(struct tier *, const struct flow_desc *, struct refusal *ret_refusal);

    int (*channel_open)(struct tier *, struct tier_channel **ret_channel, struct err *);
    void (*channel_close)(struct tier_channel *); // accepts NULL

    // Carries out `n` operations in order and fills each one's results. Returns 0 if every operation has an answer of its
    // own, or a negative errno if the channel itself failed (-ENOBUFS, -EIO): those without an answer then carry that error.
    int (*apply)(struct tier_channel *, struct tier_op *ops, size_t n);

    // Current counters. Return value as apply().
    int (*stats)(struct tier_channel *, struct tier_stats_req *reqs, size_t n);

    // Calls `cb` for each flow whose UFID carries `instance` (flow_desc.h), for adoption and for showing.
    int (*dump)(struct tier_channel *, uint8_t instance, tier_dump_fn *cb, void *aux);

    void (*limits)(struct tier *, struct tier_limits *ret_limits); // any thread, doesn't block

    // What flows share. `spec` is the object type's own struct. NULL: none.
    int (*object_set)(struct tier_channel *, enum tier_object_type, uint32_t id, const void *spec, struct err *);
    int (*object_del)(struct tier_channel *, enum tier_object_type, uint32_t id);
    int (*object_stats)(struct tier_channel *, enum tier_object_type, uint32_t id, struct tier_stats *ret_stats);
};

// Every implementation's struct starts with this.
struct tier {
    const struct tier_ops *ops;
};
struct tier_channel {
    struct tier *tier;
};
