// SPDX-License-Identifier: Apache-2.0
// OpenFlow 1.0's match: 40 bytes of fields at fixed places, headed by a word that says which are
// wildcards. IPv4 addresses have prefix lengths, nothing else a mask. Ports have 16 bits; a VLAN id
// of 0xffff means "no tag"; an Ethernet type of 0x05ff means "an 802.3 frame without SNAP", as in
// struct flow_key. Thread: any, no state.
#include "lib/flow/match10.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#include "lib/flow/field.h"

// OFPFW_* (section 5.2.3).
#define WILD_IN_PORT (1u << 0)
#define WILD_VLAN (1u << 1)
#define WILD_ETH_SRC (1u << 2)
#define WILD_ETH_DST (1u << 3)
#define WILD_ETH_TYPE (1u << 4)
#define WILD_IP_PROTO (1u << 5)
#define WILD_TP_SRC (1u << 6)
#define WILD_TP_DST (1u << 7)
#define WILD_IP_SRC_SHIFT 8 // six bits each: so many low bits are wildcards; 32 and more: all
#define WILD_IP_DST_SHIFT 14
#define WILD_VLAN_PCP (1u << 20)
#define WILD_IP_TOS (1u << 21)
#define WILD_ALL ((1u << 22) - 1)

#define VLAN_NONE 0xffff // OFP_VLAN_NONE
#define DSCP_BITS 0xfc

struct ofp10_match {
    be32_t wildcards;
    be16_t in_port;
    uint8_t eth_src[6], eth_dst[6];
    be16_t vlan;
    uint8_t vlan_pcp;
    uint8_t pad1;
    be16_t eth_type;
    uint8_t ip_tos, ip_proto;
    uint8_t pad2[2];
    be32_t ip_src, ip_dst;
    be16_t tp_src, tp_dst;
};
_Static_assert(sizeof(struct ofp10_match) == MATCH10_LEN, "as on the wire");

static be32_t prefix_mask(uint32_t wildcards, unsigned shift)
{
    unsigned wild = wildcards >> shift & 63;
    return wild >= 32 ? 0 : htonl(UINT32_MAX << wild);
}

static void get_vlan(const struct ofp10_match *m, uint32_t wild, struct match *match)
{
    struct flow_vlan *value = &match->value.key.vlan[0], *mask = &match->mask.key.vlan[0];
    uint16_t v = 0, bits = 0;

    if (!(wild & WILD_VLAN) && m->vlan == htons(VLAN_NONE)) { // a priority means nothing then
        mask->tci = UINT16_MAX;
        return;
    }
    if (!(wild & WILD_VLAN)) {
        v |= VLAN_PRESENT | (ntohs(m->vlan) & 0xfff);
        bits |= VLAN_PRESENT | 0xfff;
    }
    if (!(wild & WILD_VLAN_PCP)) {
        v |= (uint16_t)(VLAN_PRESENT | (m->vlan_pcp & 7) << 13);
        bits |= VLAN_PRESENT | 7 << 13;
    }
    value->tci = htons(v);
    mask->tci = htons(bits);
}

static void get_l3(const struct ofp10_match *m, uint32_t wild, struct match *match)
{
    struct flow_key *value = &match->value.key, *mask = &match->mask.key;
    bool is_ip = value->eth_type == htons(ETH_P_IP);
    bool is_arp = value->eth_type == htons(ETH_P_ARP) || value->eth_type == htons(ETH_P_RARP);

    if (!is_ip && !is_arp)
        return;
    mask->ip4_src = prefix_mask(wild, WILD_IP_SRC_SHIFT);
    mask->ip4_dst = prefix_mask(wild, WILD_IP_DST_SHIFT);
    value->ip4_src = m->ip_src & mask->ip4_src;
    value->ip4_dst = m->ip_dst & mask->ip4_dst;
    if (!(wild & WILD_IP_PROTO)) {
        mask->ip_proto = UINT8_MAX;
        value->ip_proto = m->ip_proto;
    }
    if (!is_ip)
        return;
    if (!(wild & WILD_IP_TOS)) {
        mask->ip_tos = DSCP_BITS;
        value->ip_tos = m->ip_tos & DSCP_BITS;
    }
    bool is_icmp = value->ip_proto == IPPROTO_ICMP;
    if (!is_icmp && value->ip_proto != IPPROTO_TCP && value->ip_proto != IPPROTO_UDP &&
        value->ip_proto != IPPROTO_SCTP)
        return;
    be16_t bits = is_icmp ? htons(0xff) : UINT16_MAX;
    if (!(wild & WILD_TP_SRC)) {
        mask->tp_src = bits;
        value->tp_src = m->tp_src & bits;
    }
    if (!(wild & WILD_TP_DST)) {
        mask->tp_dst = bits;
        value->tp_dst = m->tp_dst & bits;
    }
}

void match10_get(const uint8_t data[MATCH10_LEN], struct match *ret_match)
{
    struct ofp10_match m;
    memcpy(&m, data, sizeof(m));
    uint32_t wild = ntohl(m.wildcards) & WILD_ALL;
    struct flow *value = &ret_match->value, *mask = &ret_match->mask;

    memset(ret_match, 0, sizeof(*ret_match));
    if (!(wild & WILD_IN_PORT)) {
        mask->pipe.in_port = UINT32_MAX;
        value->pipe.in_port = ofp_port_from_u16(ntohs(m.in_port));
    }
    if (!(wild & WILD_ETH_SRC)) {
        memset(&mask->key.eth_src, 0xff, 6);
        memcpy(&value->key.eth_src, m.eth_src, 6);
    }
    if (!(wild & WILD_ETH_DST)) {
        memset(&mask->key.eth_dst, 0xff, 6);
        memcpy(&value->key.eth_dst, m.eth_dst, 6);
    }
    get_vlan(&m, wild, ret_match);
    if (!(wild & WILD_ETH_TYPE)) {
        mask->key.eth_type = UINT16_MAX;
        value->key.eth_type = m.eth_type;
        get_l3(&m, wild, ret_match);
    }
}

// The wildcard count of an address mask; a mask that is no prefix is widened to the longest that
// covers it.
static uint32_t wild_bits(be32_t mask)
{
    uint32_t inverse = ~ntohl(mask);
    return inverse ? 32 - (uint32_t)__builtin_clz(inverse) : 0;
}

static void put_vlan(const struct match *match, struct ofp10_match *m, uint32_t *wild)
{
    uint16_t value = ntohs(match->value.key.vlan[0].tci), mask = ntohs(match->mask.key.vlan[0].tci);

    if (!(mask & VLAN_PRESENT))
        return;
    if (!(value & VLAN_PRESENT)) {
        m->vlan = htons(VLAN_NONE);
        *wild &= ~WILD_VLAN;
        return;
    }
    if ((mask & 0xfff) == 0xfff) {
        m->vlan = htons(value & 0xfff);
        *wild &= ~WILD_VLAN;
    }
    if (mask >> 13 == 7) {
        m->vlan_pcp = (uint8_t)(value >> 13);
        *wild &= ~WILD_VLAN_PCP;
    }
}

static bool all_ones(const void *mask, size_t n)
{
    const uint8_t *b = mask;
    while (n && *b == 0xff) {
        b++;
        n--;
    }
    return !n;
}

static uint32_t put_l3(const struct flow_key *v, const struct flow_key *k, uint32_t wild,
                       struct ofp10_match *m)
{
    wild &= ~(63u << WILD_IP_SRC_SHIFT | 63u << WILD_IP_DST_SHIFT);
    wild |= wild_bits(k->ip4_src) << WILD_IP_SRC_SHIFT | wild_bits(k->ip4_dst) << WILD_IP_DST_SHIFT;
    m->ip_src = v->ip4_src & prefix_mask(wild, WILD_IP_SRC_SHIFT);
    m->ip_dst = v->ip4_dst & prefix_mask(wild, WILD_IP_DST_SHIFT);
    if (k->ip_proto == UINT8_MAX) {
        m->ip_proto = v->ip_proto;
        wild &= ~WILD_IP_PROTO;
    }
    if ((k->ip_tos & DSCP_BITS) == DSCP_BITS) {
        m->ip_tos = v->ip_tos & DSCP_BITS;
        wild &= ~WILD_IP_TOS;
    }
    if ((k->tp_src & htons(0xff)) == htons(0xff) &&
        (v->ip_proto == IPPROTO_ICMP || k->tp_src == UINT16_MAX)) {
        m->tp_src = v->tp_src;
        wild &= ~WILD_TP_SRC;
    }
    if ((k->tp_dst & htons(0xff)) == htons(0xff) &&
        (v->ip_proto == IPPROTO_ICMP || k->tp_dst == UINT16_MAX)) {
        m->tp_dst = v->tp_dst;
        wild &= ~WILD_TP_DST;
    }
    return wild;
}

bool match10_put(const struct match *match, uint8_t ret_data[MATCH10_LEN])
{
    const struct flow *value = &match->value, *mask = &match->mask;
    struct ofp10_match m = {0};
    uint32_t wild = WILD_ALL;

    if (mask->pipe.in_port == UINT32_MAX) {
        m.in_port = htons(ofp_port_to_u16(value->pipe.in_port));
        wild &= ~WILD_IN_PORT;
    }
    if (all_ones(&mask->key.eth_src, 6)) {
        memcpy(m.eth_src, &value->key.eth_src, 6);
        wild &= ~WILD_ETH_SRC;
    }
    if (all_ones(&mask->key.eth_dst, 6)) {
        memcpy(m.eth_dst, &value->key.eth_dst, 6);
        wild &= ~WILD_ETH_DST;
    }
    put_vlan(match, &m, &wild);
    if (mask->key.eth_type == UINT16_MAX) {
        m.eth_type = value->key.eth_type;
        wild &= ~WILD_ETH_TYPE;
        if (value->key.eth_type == htons(ETH_P_IP) || value->key.eth_type == htons(ETH_P_ARP) ||
            value->key.eth_type == htons(ETH_P_RARP))
            wild = put_l3(&value->key, &mask->key, wild, &m);
    }
    m.wildcards = htonl(wild);
    memcpy(ret_data, &m, sizeof(m));

    struct match back; // says the same only if nothing was lost
    match10_get(ret_data, &back);
    return !memcmp(&back.mask, mask, sizeof(*mask)) && !memcmp(&back.value, value, sizeof(*value));
}
