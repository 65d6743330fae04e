// SPDX-License-Identifier: Apache-2.0
// Parsing of frames into flow keys. It gives for every frame, valid or not, the key that the
// kernel's datapath gives (net/openvswitch/flow.c, Linux 6.1), because megaflows of either have to
// match the packets of the other: a header that is cut short leaves its layer zero, checks that the
// kernel doesn't make aren't made here. Known to this parser alone are the reserved word and option
// types of neighbour discovery, which no kernel matches.
//
// Hot path: no allocation, no lock, one pass, nothing read past packet.len. Thread: the packet's.
#include "lib/flow/packet_wire.h"

#include <linux/virtio_net.h>

struct cursor {
    const uint8_t *at, *end;
};

static inline size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline bool has(const struct cursor *c, size_t n)
{
    return LIKELY(left(c) >= n);
}

// Up to two tags. A tag counts only if an Ethernet type follows it.
static inline void parse_vlans(struct cursor *c, struct flow_vlan vlan[FLOW_MAX_VLANS])
{
    for (unsigned i = 0; i < FLOW_MAX_VLANS; i++) {
        if (LIKELY(!is_vlan_tpid(load_u16(c->at))) || !has(c, VLAN_TAG_LEN + 2))
            return;
        vlan[i].tpid = load_be16(c->at);
        vlan[i].tci = load_be16(c->at + 2) | htons(VLAN_PRESENT);
        c->at += VLAN_TAG_LEN;
    }
}

// The type of what follows, in host order. An 802.3 frame has a length there, and a type only
// behind a SNAP header with the OUI of encapsulated Ethernet.
static inline uint16_t parse_eth_type(struct cursor *c)
{
    uint16_t type = load_u16(c->at);
    c->at += 2;
    if (LIKELY(type >= ETH_TYPE_MIN))
        return type;

    if (!has(c, LLC_SNAP_LEN) || c->at[0] != 0xaa || c->at[1] != 0xaa || c->at[3] || c->at[4] ||
        c->at[5])
        return ETH_TYPE_NONE;
    type = load_u16(c->at + 6);
    c->at += LLC_SNAP_LEN;
    return type >= ETH_TYPE_MIN ? type : ETH_TYPE_NONE;
}

// Options and target of a neighbour solicitation or advertisement with code 0.
static void parse_nd(const struct cursor *c, struct flow_key *key)
{
    static const struct eth_addr none;
    const uint8_t *option = c->at + ND_LEN;

    if (!has(c, ND_LEN))
        return;
    key->nd_reserved = load_be32(c->at + 4);
    memcpy(&key->nd_target, c->at + 8, sizeof(key->nd_target));
    while ((size_t)(c->end - option) >= 8) {
        size_t len = option[1] * 8u;
        if (!len || len > (size_t)(c->end - option))
            return;
        struct eth_addr *lla = option[0] == ND_OPTION_SLL   ? &key->arp_sha
                               : option[0] == ND_OPTION_TLL ? &key->arp_tha
                                                            : NULL;
        if (lla && len == 8) {
            if (memcmp(lla, &none, sizeof(none))) // twice: the message is taken for broken
                goto broken;
            memcpy(lla, option + 2, sizeof(*lla));
            key->nd_options_type = option[0];
        }
        option += len;
    }
    return;
broken:
    memset(&key->nd_target, 0, sizeof(key->nd_target));
    key->arp_sha = key->arp_tha = none;
    key->nd_reserved = 0;
    key->nd_options_type = 0;
}

static inline void parse_icmpv6(const struct cursor *c, struct flow_key *key)
{
    if (!has(c, ICMP_LEN))
        return;
    key->tp_src = htons(c->at[0]);
    key->tp_dst = htons(c->at[1]);
    if (!c->at[1] && (c->at[0] == ND_NEIGHBOR_SOLICIT_TYPE || c->at[0] == ND_NEIGHBOR_ADVERT_TYPE))
        parse_nd(c, key);
}

static inline void parse_l4(const struct cursor *c, struct flow_key *key)
{
    size_t need;

    switch (key->ip_proto) {
    case IPPROTO_TCP:
        need = TCP_MIN_LEN;
        if (has(c, need))
            need = (c->at[12] >> 4) * 4u < need ? SIZE_MAX : (c->at[12] >> 4) * 4u;
        break;
    case IPPROTO_UDP:
        need = UDP_LEN;
        break;
    case IPPROTO_SCTP:
        need = SCTP_LEN;
        break;
    case IPPROTO_ICMP:
        if (key->eth_type == htons(ETH_P_IP) && has(c, ICMP_LEN)) {
            key->tp_src = htons(c->at[0]);
            key->tp_dst = htons(c->at[1]);
        }
        return;
    case IPPROTO_ICMPV6:
        if (key->eth_type == htons(ETH_P_IPV6))
            parse_icmpv6(c, key);
        return;
    default:
        return;
    }
    if (!has(c, need))
        return;
    key->tp_src = load_be16(c->at);
    key->tp_dst = load_be16(c->at + 2);
    if (key->ip_proto == IPPROTO_TCP)
        key->tcp_flags = load_be16(c->at + 12) & htons(0x0fff);
}

// Moves the cursor to layer 4; false: there is none (a later fragment, or no valid header).
static inline bool parse_ipv4(struct cursor *c, bool gso_fragments, struct flow_key *key)
{
    if (!has(c, IPV4_MIN_LEN))
        return false;
    size_t header = (c->at[0] & 15) * 4u;
    if (header < IPV4_MIN_LEN || !has(c, header))
        return false;

    key->ip4_src = load_be32(c->at + 12);
    key->ip4_dst = load_be32(c->at + 16);
    key->ip_proto = c->at[9];
    key->ip_tos = c->at[1];
    key->ip_ttl = c->at[8];
    uint16_t frag = load_u16(c->at + 6);
    c->at += header;
    if (UNLIKELY(frag & IPV4_OFFSET)) {
        key->ip_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
        return false;
    }
    key->ip_frag = frag & IPV4_MF || gso_fragments ? FLOW_FRAG_ANY : 0;
    return true;
}

static inline bool is_extension(uint8_t next)
{
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
           next == IPPROTO_AH || next == IPPROTO_NONE || next == IPPROTO_DSTOPTS;
}

// Walks the extension headers as the kernel's ipv6_find_hdr() does. Moves the cursor to what
// follows them; false: they are cut short, or end the search.
static bool parse_ipv6_extensions(struct cursor *c, uint8_t next, struct flow_key *key)
{
    while (is_extension(next) && next != IPPROTO_NONE) {
        if (!has(c, 2))
            return false;
        size_t len = (c->at[1] + 1u) * 8;
        if (next == IPPROTO_FRAGMENT) {
            key->ip_frag = FLOW_FRAG_ANY;
            if (!has(c, 4))
                return false;
            if (load_u16(c->at + 2) & ~7u) {
                if (is_extension(c->at[0]) && c->at[0] != IPPROTO_NONE)
                    return false; // the kernel gives up here, and calls it a first fragment
                key->ip_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
                key->ip_proto = IPPROTO_FRAGMENT;
                return false;
            }
            len = 8;
        } else if (next == IPPROTO_AH) {
            len = (c->at[1] + 2u) * 4;
        }
        if (!has(c, len))
            return false;
        next = c->at[0];
        c->at += len;
    }
    key->ip_proto = next;
    return true;
}

static inline bool parse_ipv6(struct cursor *c, bool gso_fragments, struct flow_key *key)
{
    if (!has(c, IPV6_LEN))
        return false;
    key->ip6_label = load_be32(c->at) & htonl(0xfffff);
    key->ip_tos = (uint8_t)(load_u16(c->at) >> 4);
    key->ip_ttl = c->at[7];
    memcpy(&key->ip6_src, c->at + 8, 16);
    memcpy(&key->ip6_dst, c->at + 24, 16);
    key->ip_proto = IPPROTO_NONE;
    uint8_t next = c->at[6];
    c->at += IPV6_LEN;
    if (LIKELY(!is_extension(next)))
        key->ip_proto = next;
    else if (!parse_ipv6_extensions(c, next, key))
        return false;
    if (gso_fragments)
        key->ip_frag = FLOW_FRAG_ANY;
    return true;
}

static inline void parse_arp(const struct cursor *c, struct flow_key *key)
{
    static const uint8_t ethernet_ipv4[6] = {0, 1, 0x08, 0x00, 6, 4};

    if (!has(c, ARP_LEN) || memcmp(c->at, ethernet_ipv4, sizeof(ethernet_ipv4)))
        return;
    uint16_t op = load_u16(c->at + 6);
    key->ip_proto = op <= 0xff ? (uint8_t)op : 0;
    memcpy(&key->arp_sha, c->at + 8, 6);
    key->ip4_src = load_be32(c->at + 14);
    memcpy(&key->arp_tha, c->at + 18, 6);
    key->ip4_dst = load_be32(c->at + 24);
}

static inline void parse_mpls(const struct cursor *c, be32_t lse[FLOW_MAX_MPLS])
{
    const uint8_t *at = c->at;
    for (unsigned i = 0; i < FLOW_MAX_MPLS && (size_t)(c->end - at) >= MPLS_LSE_LEN;
         i++, at += MPLS_LSE_LEN) {
        lse[i] = load_be32(at);
        if (lse[i] & htonl(MPLS_BOS_BIT))
            return;
    }
}

void packet_extract(struct packet *p, struct flow_key *ret_key)
{
    struct cursor c = {packet_data(p), packet_data(p) + p->len};
    struct flow_key *key = ret_key;
    bool gso_fragments = (p->vnet.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_UDP;

    *key = p->md;
    p->l3_ofs = p->l4_ofs = NO_OFFSET;
    if (UNLIKELY(!has(&c, ETH_HLEN)))
        return;

    memcpy(&key->eth_dst, c.at, 6);
    memcpy(&key->eth_src, c.at + 6, 6);
    c.at += ETH_ADDRS_LEN;
    parse_vlans(&c, key->vlan);
    uint16_t type = parse_eth_type(&c);
    key->eth_type = htons(type);
    if (UNLIKELY(type == ETH_TYPE_NONE))
        return;
    p->l3_ofs = (uint16_t)(c.at - packet_data(p));

    bool l4 = false;
    if (LIKELY(type == ETH_P_IP))
        l4 = parse_ipv4(&c, gso_fragments, key);
    else if (type == ETH_P_IPV6)
        l4 = parse_ipv6(&c, gso_fragments, key);
    else if (type == ETH_P_ARP || type == ETH_P_RARP)
        parse_arp(&c, key);
    else if (is_mpls_type(type))
        parse_mpls(&c, key->mpls_lse);
    if (l4) {
        size_t l4_ofs = (size_t)(c.at - packet_data(p));
        if (l4_ofs < NO_OFFSET)
            p->l4_ofs = (uint16_t)l4_ofs;
        p->l4_proto = key->ip_proto;
        parse_l4(&c, key);
    }
}

void packet_locate(struct packet *p)
{
    struct flow_key unused;
    packet_extract(p, &unused);
}
