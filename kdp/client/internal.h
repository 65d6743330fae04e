// SPDX-License-Identifier: Apache-2.0
// What the files of the netlink client share. Inside kdp/client only.
#pragma once

#include <linux/openvswitch.h>

#include "kdp/client/kdp.h"
#include "lib/netlink/nlsock.h"

struct kdp_families {
    uint16_t datapath, vport, flow, packet;
};

struct kdp {
    struct datapath dp;
    struct tier tier;
    struct kdp_families families;
    int dp_ifindex;
    char name[16];
    struct nlk_sock *sock; // the main thread's
    struct kdp_handler *handlers; // n_handlers; set once
    unsigned n_handlers;
    unsigned n_cpus;
    uint64_t lost; // atomic: receive buffers that overflowed
    uint64_t execute_failed; // atomic
};

static inline struct kdp *kdp_from_dp(struct datapath *dp)
{
    return (struct kdp *)(void *)((char *)dp - offsetof(struct kdp, dp));
}
static inline struct kdp *kdp_from_tier(struct tier *tier)
{
    return (struct kdp *)(void *)((char *)tier - offsetof(struct kdp, tier));
}

// Starts a request to one of the families, with the datapath in its header.
void kdp_msg_init(struct nlk_msg *, const struct kdp *, uint16_t family, uint8_t cmd, uint16_t flags);
// The attributes of a reply or event.
int kdp_parse(const struct nlmsghdr *, const struct nlk_policy *, size_t n_policy, const struct nlattr *tb[], size_t n_tb,
              struct err *);

// --- owner.c ---
// 0, or -EBUSY with a sentence: one of the netlink ports that upcalls go to is open. `pids` is OVS_DP_ATTR_PER_CPU_PIDS or
// NULL.
int kdp_check_owner(const struct kdp *, const struct nlattr *pids, struct err *);

// --- key.c: OVS_KEY_ATTR_* ---
// Put a nest `type` with the attributes that describe a key, and those of the mask that goes with it. A key that stands
// alone has no mask (NULL). What `mask` leaves out must be zero in `key`.
void kdp_put_key(struct nlk_msg *, uint16_t type, const struct flow_key *key, const struct flow_key *mask);
void kdp_put_mask(struct nlk_msg *, uint16_t type, const struct flow_key *key, const struct flow_key *mask);
// Only what the frame itself doesn't tell: ports, marks, conntrack.
void kdp_put_metadata(struct nlk_msg *, uint16_t type, const struct flow_key *key);
// Decodes a key or a mask. -EPROTO with a sentence; -EOPNOTSUPP: it has an attribute that this switch never emits.
int kdp_get_key(const struct nlattr *nest, struct flow_key *ret_key, struct err *);
int kdp_get_mask(const struct nlattr *nest, struct flow_key *ret_mask, struct err *);

// --- actions.c: OVS_ACTION_ATTR_* ---
// Puts a nest with the actions. 0; or -EOPNOTSUPP with *ret_refusal: one that this ABI can't express.
int kdp_put_actions(struct nlk_msg *, uint16_t type, const struct act_list *, const struct flow_key *key,
                    struct refusal *ret_refusal);
int kdp_get_actions(const struct nlattr *nest, struct act_list *ret_list, struct err *);
bool kdp_can_act(enum act_type);
bool kdp_can_set(enum field_id);
// What USERDATA of our userspace actions carries.
void kdp_userdata_get(const struct nlattr *, struct upcall *ret_upcall);

// --- flow.c ---
extern const struct tier_ops kdp_tier_ops;
int kdp_flow_flush(struct kdp *, struct err *);
struct nlk_sock *kdp_channel_sock(struct tier_channel *);

// --- upcall.c ---
int kdp_handlers_set(struct datapath *, unsigned n, struct err *);
void kdp_handlers_free(struct kdp *);
int kdp_upcall_recv(struct datapath *, unsigned id, struct upcall *ret, size_t max);
void kdp_upcall_wake(struct datapath *, unsigned id);
