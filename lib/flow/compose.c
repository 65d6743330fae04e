// SPDX-License-Identifier: Apache-2.0
// Composing a frame that says what a flow key says: the inverse of packet_extract(), for tests,
// traces and packet-outs. The frame is valid whatever the key (lengths, checksums, header lengths);
// where a key contradicts itself, the lower layer wins. Members that no frame can say (a fourth
// label, a fragment's ports) are left out. Thread: any; the packet is the caller's.
#include "lib/flow/checksum.h"
#include "lib/flow/packet_wire.h"

#define MAX_HEADERS 256u // more than the longest chain below

struct out {
    uint8_t *start, *at;
    uint32_t payload_len;
};

static uint8_t *put(struct out *o, size_t n)
{
    uint8_t *at = o->at;
    o->at += n;
    return at;
}

static void put_payload(struct out *o)
{
    uint8_t *at = put(o, o->payload_len);
    for (uint32_t i = 0; i < o->payload_len; i++)
        at[i] = (uint8_t)i;
}

static void put_arp(struct out *o, const struct flow_key *k)
{
    static const uint8_t ethernet_ipv4[6] = {0, 1, 0x08, 0x00, 6, 4};
    uint8_t *at = put(o, ARP_LEN);
    memcpy(at, ethernet_ipv4, sizeof(ethernet_ipv4));
    store_u16(at + 6, k->ip_proto);
    memcpy(at + 8, &k->arp_sha, 6);
    store_be32(at + 14, k->ip4_src);
    memcpy(at + 18, &k->arp_tha, 6);
    store_be32(at + 24, k->ip4_dst);
}

static void put_nd_option(struct out *o, uint8_t type, const struct eth_addr *lla)
{
    static const struct eth_addr none;
    if (!memcmp(lla, &none, sizeof(none)))
        return;
    uint8_t *at = put(o, 8);
    at[0] = type;
    at[1] = 1;
    memcpy(at + 2, lla, 6);
}

static void put_icmp(struct out *o, const struct flow_key *k, bool v6)
{
    uint8_t *at = put(o, ICMP_LEN), type = (uint8_t)ntohs(k->tp_src),
            code = (uint8_t)ntohs(k->tp_dst);
    at[0] = type;
    at[1] = code;
    if (!v6 || code || (type != ND_NEIGHBOR_SOLICIT_TYPE && type != ND_NEIGHBOR_ADVERT_TYPE)) {
        put_payload(o);
        return;
    }
    store_be32(at + 4, k->nd_reserved);
    memcpy(put(o, 16), &k->nd_target, 16);
    put_nd_option(o, ND_OPTION_SLL, &k->arp_sha);
    put_nd_option(o, ND_OPTION_TLL, &k->arp_tha);
}

// `pseudo` is the sum of the pseudo-header without the length.
static void put_l4(struct out *o, const struct flow_key *k, bool v6, uint32_t pseudo)
{
    uint8_t *l4 = o->at, *csum = NULL;
    uint32_t sum = 0;

    switch (k->ip_proto) {
    case IPPROTO_TCP:
        put(o, TCP_MIN_LEN);
        store_be16(l4 + 12, htons(5 << 12) | (k->tcp_flags & htons(0x0fff)));
        store_u16(l4 + 14, UINT16_MAX); // window
        csum = l4 + 16;
        break;
    case IPPROTO_UDP:
        put(o, UDP_LEN);
        store_u16(l4 + 4, (uint16_t)(UDP_LEN + o->payload_len));
        csum = l4 + 6;
        break;
    case IPPROTO_SCTP:
        put(o, SCTP_LEN);
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if ((k->ip_proto == IPPROTO_ICMPV6) != v6)
            break;
        put_icmp(o, k, v6);
        if (!v6)
            pseudo = 0;
        csum = l4 + 2;
        break;
    default:
        break;
    }
    if (o->at != l4 && csum != l4 + 2) { // a header with ports
        store_be16(l4, k->tp_src);
        store_be16(l4 + 2, k->tp_dst);
    }
    if (csum != l4 + 2)
        put_payload(o);

    uint32_t len = (uint32_t)(o->at - l4);
    if (k->ip_proto == IPPROTO_SCTP) {
        store_be32(l4 + 8, htole32(crc32c(l4, len)));
    } else if (csum) {
        sum = checksum_add(pseudo ? checksum_add32(pseudo, htonl(len)) : 0, l4, len);
        uint16_t final = (uint16_t)~checksum_fold(sum);
        store_be16(csum, !final && k->ip_proto == IPPROTO_UDP ? UINT16_MAX : final);
    }
}

static void put_ipv4(struct out *o, const struct flow_key *k)
{
    uint8_t *ip = put(o, IPV4_MIN_LEN);
    bool later = k->ip_frag & FLOW_FRAG_LATER;

    ip[0] = 0x45;
    ip[1] = k->ip_tos;
    store_u16(ip + 6, later ? 1 : k->ip_frag & FLOW_FRAG_ANY ? IPV4_MF : 0);
    ip[8] = k->ip_ttl;
    ip[9] = k->ip_proto;
    store_be32(ip + 12, k->ip4_src);
    store_be32(ip + 16, k->ip4_dst);
    if (later)
        put_payload(o);
    else
        put_l4(o, k, false, checksum_pseudo4(k->ip4_src, k->ip4_dst, k->ip_proto, 0));
    store_u16(ip + 2, (uint16_t)(o->at - ip));
    store_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, IPV4_MIN_LEN)));
}

static void put_ipv6(struct out *o, const struct flow_key *k)
{
    uint8_t *ip = put(o, IPV6_LEN);
    bool later = k->ip_frag & FLOW_FRAG_LATER;

    store_be32(ip, htonl(6u << 28 | (uint32_t)k->ip_tos << 20) | (k->ip6_label & htonl(0xfffff)));
    ip[6] = k->ip_proto;
    ip[7] = k->ip_ttl;
    memcpy(ip + 8, &k->ip6_src, 16);
    memcpy(ip + 24, &k->ip6_dst, 16);
    if (k->ip_frag) {
        uint8_t *fragment = put(o, 8);
        ip[6] = IPPROTO_FRAGMENT;
        fragment[0] = later ? IPPROTO_UDP : k->ip_proto; // of later ones the key doesn't say
        store_u16(fragment + 2,
                  later ? 8 : 1); // offset in units of 8 bytes << 3; bit 0: more follow
    }
    if (later)
        put_payload(o);
    else
        put_l4(o, k, true, checksum_pseudo6(&k->ip6_src, &k->ip6_dst, k->ip_proto, 0));
    store_u16(ip + 4, (uint16_t)(o->at - ip - IPV6_LEN));
}

static void put_l3(struct out *o, const struct flow_key *k, uint16_t type)
{
    if (type == ETH_P_IP) {
        put_ipv4(o, k);
    } else if (type == ETH_P_IPV6) {
        put_ipv6(o, k);
    } else if (type == ETH_P_ARP || type == ETH_P_RARP) {
        put_arp(o, k);
    } else {
        for (unsigned i = 0; is_mpls_type(type) && i < FLOW_MAX_MPLS; i++) {
            store_be32(put(o, MPLS_LSE_LEN), k->mpls_lse[i]);
            if (k->mpls_lse[i] & htonl(MPLS_BOS_BIT))
                break;
        }
        put_payload(o);
    }
}

struct packet *packet_compose(const struct flow_key *k, uint32_t payload_len)
{
    struct packet *p = packet_new(MAX_HEADERS + payload_len);
    struct out o = {packet_data(p), packet_data(p), payload_len};
    uint16_t type = ntohs(k->eth_type);

    memset(o.start, 0, p->len);
    memcpy(put(&o, 6), &k->eth_dst, 6);
    memcpy(put(&o, 6), &k->eth_src, 6);
    for (unsigned i = 0; i < FLOW_MAX_VLANS && k->vlan[i].tci & htons(VLAN_PRESENT); i++) {
        uint8_t *tag = put(&o, VLAN_TAG_LEN);
        store_be16(tag,
                   is_vlan_tpid(ntohs(k->vlan[i].tpid)) ? k->vlan[i].tpid : htons(ETH_P_8021Q));
        store_be16(tag + 2, k->vlan[i].tci & htons((uint16_t)~VLAN_PRESENT));
    }
    uint8_t *type_at = put(&o, 2);
    store_u16(type_at, type);
    if (type >= ETH_TYPE_MIN) {
        put_l3(&o, k, type);
    } else {
        static const uint8_t bridge_protocols[3] = {0x42, 0x42, 0x03}; // LLC, no SNAP
        memcpy(put(&o, 3), bridge_protocols, 3);
        put_payload(&o);
        store_u16(type_at, (uint16_t)(o.at - type_at - 2));
    }
    p->len = (uint32_t)(o.at - o.start);
    p->md = *k;
    memset((uint8_t *)&p->md + offsetof(struct flow_key, eth_dst), 0,
           sizeof(p->md) - offsetof(struct flow_key, eth_dst));
    packet_locate(p);
    return p;
}
