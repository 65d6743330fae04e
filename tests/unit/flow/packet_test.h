// SPDX-License-Identifier: Apache-2.0
// Random keys of packets that exist, and a slow, obvious check of every checksum in a frame.
#pragma once

#include "tests/unit/flow/flow_test.h"

#include "lib/flow/packet.h"

static inline void random_l4(struct flow_key *k)
{
    static const uint8_t protocols[] = {6, 17, 132, 1, 58, 47};
    bool v6 = k->eth_type == htons(0x86dd);

    k->ip_proto = protocols[random_below(6)];
    if (k->ip_proto == 1 && v6)
        k->ip_proto = 58;
    if (k->ip_proto == 58 && !v6)
        k->ip_proto = 1;
    if (k->ip_frag & FLOW_FRAG_LATER) {
        if (v6)
            k->ip_proto = 44;
        return;
    }
    if (k->ip_proto == 47)
        return;
    random_fill(&k->tp_src, 4);
    if (k->ip_proto == 6)
        k->tcp_flags = (be16_t)random_u32() & htons(0x0fff);
    if (k->ip_proto != 1 && k->ip_proto != 58)
        return;
    k->tp_src &= htons(0xff);
    k->tp_dst &= htons(0xff);
    if (k->ip_proto != 58 || random_below(2))
        return;
    k->tp_src = htons(135 + random_below(2) % 2);
    k->tp_dst = 0;
    random_fill(&k->nd_target, 16);
    random_fill(&k->nd_reserved, 4);
    if (random_below(2)) {
        random_fill(&k->arp_sha, 6);
        k->arp_sha.b[0] |= 1;
        k->nd_options_type = 1;
    } else if (random_below(2)) {
        random_fill(&k->arp_tha, 6);
        k->arp_tha.b[0] |= 1;
        k->nd_options_type = 2;
    }
}

// A key that packet_extract() can return.
static inline struct flow_key random_key(void)
{
    static const uint16_t types[] = {0x0800, 0x0800, 0x86dd, 0x86dd,
                                     0x0806, 0x8847, 0x88cc, 0x05ff};
    static const uint8_t frags[] = {0, 0, 0, FLOW_FRAG_ANY, FLOW_FRAG_ANY | FLOW_FRAG_LATER};
    struct flow_key k;

    memset(&k, 0, sizeof(k));
    k.in_port = random_below(100);
    random_fill(&k.eth_dst, 12);
    for (unsigned i = 0, n = random_below(3); i < n; i++) {
        k.vlan[i].tpid = htons(random_below(2) ? 0x8100 : 0x88a8);
        k.vlan[i].tci = (be16_t)random_u32() | htons(VLAN_PRESENT);
    }
    k.eth_type = htons(types[random_below(8)]);
    switch (ntohs(k.eth_type)) {
    case 0x0800:
    case 0x86dd:
        k.ip_tos = (uint8_t)random_u32();
        k.ip_ttl = (uint8_t)random_u32();
        k.ip_frag = frags[random_below(5)];
        if (k.eth_type == htons(0x0800)) {
            random_fill(&k.ip4_src, 8);
        } else {
            random_fill(&k.ip6_src, 32);
            k.ip6_label = random_u32() & htonl(0xfffff);
        }
        random_l4(&k);
        break;
    case 0x0806:
        k.ip_proto = (uint8_t)random_u32();
        random_fill(&k.ip4_src, 8);
        random_fill(&k.arp_sha, 12);
        break;
    case 0x8847:
        for (unsigned i = 0; i < FLOW_MAX_MPLS; i++) {
            k.mpls_lse[i] = random_u32();
            if (k.mpls_lse[i] & htonl(0x100))
                break;
        }
        break;
    default:
        break;
    }
    return k;
}

static inline uint16_t naive_checksum(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < an; i++)
        sum += (uint32_t)a[i] << (i % 2 ? 0 : 8);
    for (size_t i = 0; i < bn; i++)
        sum += (uint32_t)b[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

// Are the checksums of the frame right? Fragments have none of layer 4 to check.
static inline bool checksums_right(struct packet *p)
{
    struct flow_key k;
    packet_extract(p, &k);
    const uint8_t *ip = packet_data(p) + p->l3_ofs, *l4 = packet_data(p) + p->l4_ofs;
    uint8_t pseudo[40] = {0};
    size_t pseudo_len = 12, l4_len = p->len - p->l4_ofs;

    if (k.eth_type == htons(0x0800)) {
        if (naive_checksum(ip, (ip[0] & 15) * 4u, NULL, 0))
            return false;
        memcpy(pseudo, ip + 12, 8);
        pseudo[9] = k.ip_proto;
        pseudo[10] = (uint8_t)(l4_len >> 8);
        pseudo[11] = (uint8_t)l4_len;
    } else if (k.eth_type == htons(0x86dd)) {
        memcpy(pseudo, ip + 8, 32);
        pseudo[34] = (uint8_t)(l4_len >> 8);
        pseudo[35] = (uint8_t)l4_len;
        pseudo[39] = k.ip_proto;
        pseudo_len = 40;
    } else {
        return true;
    }
    if (k.ip_frag & FLOW_FRAG_LATER)
        return true;
    if (k.ip_proto == 17 && !l4[6] && !l4[7])
        return k.eth_type == htons(0x0800);
    if (k.ip_proto == 6 || k.ip_proto == 17 || k.ip_proto == 58)
        return !naive_checksum(pseudo, pseudo_len, l4, l4_len);
    return k.ip_proto != 1 || !naive_checksum(l4, l4_len, NULL, 0);
}
