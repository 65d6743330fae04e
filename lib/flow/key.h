// SPDX-License-Identifier: Apache-2.0
// What a packet looks like to the switch.
//
// `struct flow_key` holds what a datapath can see: a megaflow's key and mask are two of them. `struct pipe_key` holds
// what only the OpenFlow pipeline knows (metadata, registers, …) and therefore never reaches a megaflow. `struct flow`
// is both side by side: what tables match on. In a mask, a one bit means "this bit matters".
//
// All three are arrays of 64-bit words without hidden padding, zeroed before use, so that they can be compared, hashed
// and kept sparse (lib/flow/sparse.h) word by word. Offsets are known to one place: the field table (lib/flow/field.h).
//
// Conventions, where one member serves several protocols:
//   - vlan[0] is the outer tag. `tci` is network order and carries VLAN_PRESENT (0x1000) when a tag is there, else 0.
//   - ip4_src/ip4_dst are ARP's sender and target protocol address for ARP; ip_proto is the ARP opcode's low byte.
//   - tp_src/tp_dst are ICMP's and ICMPv6's type and code (in network order, value in the low byte).
//   - arp_sha/arp_tha are also the ND source and target link-layer address options.
#pragma once

#include "lib/flow/types.h"

#define VLAN_PRESENT 0x1000 // the CFI bit, used in tci to say "there is a tag"
#define FLOW_MAX_VLANS 2
#define FLOW_MAX_MPLS 3
#define FLOW_N_REGS 16

// ip_frag bits.
#define FLOW_FRAG_ANY 1   // a fragment
#define FLOW_FRAG_LATER 2 // not the first one

// Tunnel flags (struct tunnel_key.flags), host order.
#define FLOW_TNL_DF 0x0001
#define FLOW_TNL_CSUM 0x0002
#define FLOW_TNL_KEY 0x0004
#define FLOW_TNL_OAM 0x0008

struct flow_vlan {
    be16_t tpid;
    be16_t tci;
};

// The outer header that a tunnel port took off. All zero: not tunnelled. Geneve options are not here: they are one
// variable-length field kept apart.
struct tunnel_key {
    be64_t id;
    be32_t ip_src, ip_dst; // either these
    struct in6_addr ipv6_src, ipv6_dst; // or these
    uint16_t flags;
    uint8_t tos, ttl;
    be16_t tp_src, tp_dst;
    be16_t gbp_id;
    uint8_t gbp_flags;
    uint8_t pad[5];
};

struct flow_key {
    // Where it came from and what the datapath noted about it.
    struct tunnel_key tun;
    dp_port_t in_port;
    uint32_t recirc_id;
    uint32_t dp_hash;
    uint32_t skb_priority;
    uint32_t skb_mark;
    uint32_t ct_mark;
    struct in6_addr ct_label;
    uint16_t ct_zone;
    uint8_t ct_state;
    uint8_t ct_proto;
    be16_t ct_tp_src, ct_tp_dst;
    be32_t ct_ip4_src, ct_ip4_dst;
    struct in6_addr ct_ip6_src, ct_ip6_dst;
    be32_t packet_type; // (namespace << 16 | type); 0 is Ethernet
    uint32_t pad0;

    // Layer 2.
    struct eth_addr eth_dst, eth_src;
    be16_t eth_type; // of what follows the VLAN tags; 0x05ff for 802.3 frames without SNAP
    uint8_t pad1[2];
    struct flow_vlan vlan[FLOW_MAX_VLANS];
    be32_t mpls_lse[FLOW_MAX_MPLS];
    uint32_t pad2;

    // Layer 3.
    be32_t ip4_src, ip4_dst;
    struct in6_addr ip6_src, ip6_dst;
    be32_t ip6_label;
    uint8_t ip_frag;
    uint8_t ip_tos; // DSCP and ECN
    uint8_t ip_ttl;
    uint8_t ip_proto;
    struct in6_addr nd_target;
    struct eth_addr arp_sha, arp_tha;
    be32_t nd_reserved;

    // Layer 4.
    be16_t tp_src, tp_dst;
    be16_t tcp_flags;
    uint8_t nd_options_type;
    uint8_t pad3;
};

struct pipe_key {
    be64_t metadata;
    uint32_t regs[FLOW_N_REGS]; // host order; xregN is regs[2N]:regs[2N+1], high half first
    ofp_port_t in_port;
    ofp_port_t actset_output;
    uint32_t conj_id;
    uint32_t pad;
};

struct flow {
    struct flow_key key;
    struct pipe_key pipe;
};

// A dense match: bits of `value` outside `mask` are zero.
struct match {
    struct flow value;
    struct flow mask;
};

#define FLOW_KEY_U64S (sizeof(struct flow_key) / sizeof(uint64_t))
#define FLOW_U64S (sizeof(struct flow) / sizeof(uint64_t))

_Static_assert(sizeof(struct tunnel_key) % 8 == 0, "tunnel_key is whole words");
_Static_assert(sizeof(struct flow_key) % 8 == 0, "flow_key is whole words");
_Static_assert(sizeof(struct flow) % 8 == 0, "flow is whole words");
_Static_assert(FLOW_U64S <= 64, "a 64-bit map covers a flow (lib/flow/sparse.h)");

static inline bool flow_key_equal_masked(const struct flow_key *a, const struct flow_key *b, const struct flow_key *mask)
{
    const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b, *m = (const uint64_t *)mask;
    for (size_t i = 0; i < FLOW_KEY_U64S; i++) {
        if ((x[i] ^ y[i]) & m[i])
            return false;
    }
    return true;
}
