// SPDX-License-Identifier: Apache-2.0
// What the files of the tc driver share. Inside drivers/tc only.
#pragma once

#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <uthash.h>

#include "drivers/tc/tc.h"
#include "lib/contract/port.h"
#include "lib/netlink/nlsock.h"

// Priorities per ethertype. Those that are in use cost software packets of the port a lookup each; the more there are, the more
// changes a megaflow under constant traffic sees before one costs counts.
#define TC_RUNGS 16
_Static_assert(TC_RUNGS <= TIER_LATE_MAX, "an operation can settle a whole ladder");
#define TC_PRIO_BASE 0x2000 // our first priority; ours are TC_PRIO_BASE up to TC_PRIO_BASE + 0xfff
#define TC_PRIO_END 0x3000
#define TC_MAX_ACTIONS 16 // more don't fit the kernel's 4 kB notification
#define TC_MAX_MASKS 64 // distinct masks per port and priority: each costs software packets of the port a lookup

// --- match.c ---
// Puts TCA_FLOWER_KEY_* for what it can express. 0; or -EOPNOTSUPP with the first field that is left over. `m` may be NULL
// (only ask). *ret_protocol is what tcm_info carries: the outermost ethertype, network order.
int tc_put_match(struct nlk_msg *m, const struct flow_desc *, be16_t *ret_protocol, struct refusal *);
// Decodes TCA_OPTIONS' keys. in_port is the caller's. -EOPNOTSUPP: a key that we never emit.
int tc_get_match(const struct nlattr *options, be16_t protocol, struct flow_key *ret_key, struct flow_key *ret_mask, struct err *);

// --- act.c ---
// What an action's encoder needs to know beyond the action.
struct tc_act_ctx {
    struct nlk_msg *m; // NULL: only ask
    unsigned index; // of the next tc action, 1 …
    const struct flow_desc *desc;
    const struct tc_port *(*port)(const void *aux, dp_port_t); // NULL: not a port of this NIC
    const void *aux;
    struct refusal *refusal;
};
struct tc_act_ops {
    // Consumes some actions from `v` on, of which the first is of this kind and `n` are left, and puts the tc actions for
    // them. `last`: nothing follows that needs the packet. Returns how many it consumed, or a negative errno, refused.
    int (*put)(struct tc_act_ctx *, const struct act *v, uint32_t n);
};
extern const struct tc_act_ops tc_act_output, tc_act_set, tc_act_push_vlan, tc_act_pop_vlan, tc_act_drop;
// Puts TCA_FLOWER_ACT with the UFID as cookie of the first action. 0 or a negative errno, refused.
int tc_put_actions(struct tc_act_ctx *);
bool tc_can_act(enum act_type);
bool tc_can_set(enum field_id); // act_pedit.c
bool tc_can_match(enum field_id, bool *ret_masked); // match.c
// culprit.c: names the field or action that a driver's sentence speaks of, if it can.
void tc_find_culprit(const struct flow_desc *, const char *sentence, struct refusal *);
// One entry of the list: opens and closes "index { kind, cookie, options {". No-ops without a message.
struct tc_act_nest {
    size_t entry, options;
};
struct tc_act_nest tc_act_start(struct tc_act_ctx *, const char *kind);
void tc_act_end(struct tc_act_ctx *, struct tc_act_nest);
int tc_act_put_drop(struct tc_act_ctx *); // for an empty list

// --- filter.c ---
struct tc_filter_id {
    int ifindex;
    be16_t protocol;
    uint16_t prio;
    uint32_t handle;
};
void tc_filter_msg(struct nlk_msg *, uint16_t type, uint16_t flags, const struct tc_filter_id *); // header and kind
// What one filter's reply says.
struct tc_filter_info {
    struct tc_filter_id id;
    bool has_ufid, in_hw;
    struct ufid ufid;
    struct tier_stats stats;
    const struct nlattr *options; // TCA_OPTIONS, within the message
    const struct nlattr *actions; // TCA_FLOWER_ACT
};
// Attributes of a nest by type, whatever their size; types from n_tb on are left out. -EPROTO.
int tc_parse_all(const struct nlattr *nest, const struct nlattr *tb[], size_t n_tb, struct err *);
// -EPROTO: malformed. -ENOENT: not a flower filter.
int tc_filter_parse(const struct nlmsghdr *, struct tc_filter_info *ret_info, struct err *);
int tc_get_actions(const struct nlattr *actions, dp_port_t (*port)(const void *aux, int ifindex), const void *aux,
                   struct act_list *ret_list, struct err *);

// --- port.c ---
struct tc_port {
    UT_hash_handle hh; // in tc_tier.ports, by dp_port
    dp_port_t dp_port;
    int ifindex;
    char name[16];
    struct nic_port_info nic;
    bool own_qdisc; // the ingress qdisc is taken away with the port, if nobody else has come to use it
};
int tc_port_open(struct nlk_sock *, const struct tier_port *, uint8_t instance, struct tc_port **ret_port, struct err *);
void tc_port_close(struct nlk_sock *, struct tc_port *, uint8_t instance);
bool tc_ports_share_switch(const struct tc_port *, const struct tc_port *);

// --- slots.c ---
uint16_t tc_rung_prio(be16_t protocol, unsigned rung); // 0: no ladder for this ethertype
bool tc_prio_is_ours(uint16_t prio);

// --- tier.c: what is known of megaflows in the NIC, under the tier's lock ---
// A filter that is in the kernel.
struct tc_copy {
    struct tc_filter_id id;
    unsigned rung; // 0 is the bottom (worst), TC_RUNGS - 1 the top
};
// A distinct mask of a port: filters with it share one table in the kernel and NIC.
struct tc_mask {
    UT_hash_handle hh;
    struct {
        dp_port_t dp_port;
        uint32_t protocol;
        uint64_t hash;
    } key;
    uint32_t refs;
};
struct tc_flow {
    UT_hash_handle hh; // in tc_tier.flows, by ufid
    struct ufid ufid;
    dp_port_t dp_port;
    struct tc_mask *mask;
    struct tc_copy now; // the one that takes packets
    // Superseded by a better rung: they get nothing any more and are not yet read for the last time. The inserter adds and
    // removes them; the reader takes out those that have settled, and then deletes them.
    unsigned n_old;
    struct {
        struct tc_copy copy;
        int64_t since; // clock_now()
    } old[TC_RUNGS];
};
struct tc_tier {
    struct tier tier;
    struct tc_config config;
    struct nlk_sock *sock; // for ports: the thread that attaches them
    pthread_mutex_t lock;
    struct tc_port *ports;
    struct tc_flow *flows;
    struct tc_mask *masks;
    uint32_t next_handle;
};
struct tc_channel {
    struct tier_channel base;
    struct nlk_sock *sock;
    struct nlk_batch *batch;
};
static inline struct tc_tier *tc_from_tier(struct tier *t)
{
    return (struct tc_tier *)(void *)((char *)t - offsetof(struct tc_tier, tier));
}
// A version's handle (tier_op.handle): never 0, and never used again.
static inline uint64_t tc_handle(const struct tc_filter_id *id)
{
    return (uint64_t)id->prio << 32 | id->handle;
}
struct tc_port *tc_find_port(const struct tc_tier *, dp_port_t);
struct tc_flow *tc_find_flow(const struct tc_tier *, const struct ufid *);
struct tc_flow *tc_flow_add(struct tc_tier *, const struct flow_desc *, const struct tc_copy *now);
void tc_flow_forget(struct tc_tier *, struct tc_flow *); // frees
// With a message, puts match and actions as well. 0 or a negative errno, refused.
int tc_express(struct tc_tier *, struct nlk_msg *, const struct flow_desc *, be16_t *ret_protocol, struct refusal *);

// --- apply.c, counters.c, sweep.c: callbacks of the contract ---
int tc_apply(struct tier_channel *, struct tier_op *, size_t n);
int tc_stats(struct tier_channel *, struct tier_stats_req *, size_t n);
int tc_dump(struct tier_channel *, uint8_t instance, tier_dump_fn *cb, void *aux);
// Deletes filters that carry our UFIDs and priorities: of an earlier process, or of a port that goes.
int tc_delete_ours(struct nlk_sock *, int ifindex, uint8_t instance);
// Whether the port has filters that are not ours, in either direction.
bool tc_has_foreign(struct nlk_sock *, int ifindex, uint8_t instance);
