// SPDX-License-Identifier: Apache-2.0
// Megaflow actions: the flat list that translation emits and tiers express. Not OpenFlow actions; those are
// slowpath/pipeline's. A set names a field of the field table, so that one translator rule serves all fields of a
// header, and an action that a tier doesn't list is refused by default.
//
// Ports in here are datapath ports. A list is immutable once a megaflow holds it; nested lists (clone, …) are owned by
// their action and freed with it.
#pragma once

#include "lib/base/str.h"
#include "lib/flow/field.h"

enum act_type {
    ACT_OUTPUT,
    ACT_USERSPACE, // hand to a handler: slow path, controller, sampling
    ACT_SET, // one field, masked
    ACT_PUSH_VLAN,
    ACT_POP_VLAN,
    ACT_PUSH_MPLS,
    ACT_POP_MPLS,
    ACT_TUNNEL_SET, // the outer header for the output that follows
    ACT_RECIRC,
    ACT_HASH,
    ACT_CT,
    ACT_CT_CLEAR,
    ACT_TRUNC,
    ACT_METER,
    ACT_CLONE, // a nested list on a copy of the packet
    ACT_SAMPLE,
    ACT_CHECK_LEN,
    ACT_DEC_TTL,
    ACT_DROP, // explicit drop with a reason; an empty list drops as well
    ACT_COUNT,
};

enum userspace_reason {
    USERSPACE_SLOW_PATH, // the handler translates and executes each packet
    USERSPACE_CONTROLLER, // packet-in
    USERSPACE_SAMPLE, // sFlow, IPFIX
};

struct act_list;

struct act {
    enum act_type type;
    union {
        dp_port_t port; // ACT_OUTPUT
        struct {
            enum userspace_reason reason;
            uint32_t cookie; // meaning is the reason's
            uint64_t data;
        } userspace;
        struct {
            enum field_id field;
            struct field_value value, mask; // bits of value outside mask are zero
        } set;
        struct {
            be16_t tpid, tci; // tci with VLAN_PRESENT
        } push_vlan;
        struct {
            be32_t lse;
            be16_t eth_type;
        } push_mpls;
        be16_t pop_mpls_eth_type;
        struct tunnel_key tunnel; // ACT_TUNNEL_SET
        uint32_t recirc_id;
        struct {
            uint32_t algorithm, basis;
        } hash;
        struct {
            uint16_t zone;
            bool commit, force, nat;
            uint32_t mark, mark_mask;
            struct in6_addr label, label_mask;
        } ct;
        uint32_t trunc_len; // bytes
        uint32_t meter_id;
        struct act_list *nested; // ACT_CLONE
        struct {
            uint32_t probability; // of UINT32_MAX
            struct act_list *actions;
        } sample;
        struct {
            uint16_t len; // bytes, Ethernet header included
            struct act_list *greater, *less_equal;
        } check_len;
        uint32_t drop_reason;
    };
};

struct act_list {
    uint32_t n, allocated;
    struct act *v;
};

void act_list_init(struct act_list *);
void act_list_done(struct act_list *); // frees nested lists too; leaves an empty list
struct act *act_list_add(struct act_list *, enum act_type); // zeroed; valid until the next add
void act_list_clone(struct act_list *dst, const struct act_list *src); // dst is uninitialised before
struct act_list *act_list_new(void); // an empty list to nest in an action; free with act_list_done() and free()
bool act_list_equal(const struct act_list *, const struct act_list *);

const char *act_type_name(enum act_type); // as dpctl prints it: "output", "push_vlan", …

// The text of dpctl/dump-flows: "1,set(ipv4(dst=…)),userspace(…)", "drop" when empty. `port_name` may be NULL (numbers).
typedef const char *dp_port_name_fn(const void *aux, dp_port_t);
void act_list_format(const struct act_list *, dp_port_name_fn *port_name, const void *aux, struct str *out);
// The same for a flow of that Ethernet type (network order), which tells set(ipv4(ttl=…)) from set(ipv6(hlimit=…)).
void act_list_format_for(const struct act_list *, be16_t eth_type, dp_port_name_fn *port_name, const void *aux,
                         struct str *out);
