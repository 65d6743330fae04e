// SPDX-License-Identifier: Apache-2.0
// Edits that move headers: VLAN tags and MPLS labels put in and taken out behind the Ethernet
// addresses. Offsets follow: packet_push() and packet_pull() shift them, what lies before the new
// header is moved back. Thread: the packet's.
#include "lib/flow/packet_wire.h"

// `n` bytes more at offset `at`; what was before them moves towards the front.
static uint8_t *open_gap(struct packet *p, uint32_t at, uint32_t n)
{
    uint8_t *data = packet_push(p, n);
    memmove(data, data + n, at);
    return data + at;
}

static void close_gap(struct packet *p, uint32_t at, uint32_t n)
{
    uint8_t *data = packet_data(p);
    memmove(data + n, data, at);
    packet_pull(p, n);
}

void packet_put_tag(struct packet *p, be16_t tpid, be16_t tci)
{
    if (p->len < ETH_HLEN)
        return;
    uint8_t *tag = open_gap(p, ETH_ADDRS_LEN, VLAN_TAG_LEN);
    store_be16(tag, tpid);
    store_be16(tag + 2, tci);
}

void packet_push_vlan(struct packet *p, be16_t tpid, be16_t tci)
{
    packet_put_tag(p, tpid, tci & htons((uint16_t)~VLAN_PRESENT));
}

void packet_pop_vlan(struct packet *p)
{
    if (p->len >= ETH_HLEN + VLAN_TAG_LEN && is_vlan_tpid(load_u16(packet_data(p) + ETH_ADDRS_LEN)))
        close_gap(p, ETH_ADDRS_LEN, VLAN_TAG_LEN);
}

void packet_push_mpls(struct packet *p, be16_t eth_type, be32_t lse)
{
    uint16_t l3 = p->l3_ofs;
    if (l3 == NO_OFFSET)
        return;
    uint8_t *label = open_gap(p, l3, MPLS_LSE_LEN);
    store_be16(label - 2, eth_type);
    store_be32(label, lse);
    p->l3_ofs = l3; // the label stack is what follows the type now
    p->l4_ofs = NO_OFFSET;
}

void packet_pop_mpls(struct packet *p, be16_t eth_type)
{
    uint16_t l3 = p->l3_ofs;
    if (l3 == NO_OFFSET || l3 + MPLS_LSE_LEN > p->len ||
        !is_mpls_type(load_u16(packet_data(p) + l3 - 2)))
        return;
    store_be16(packet_data(p) + l3 - 2, eth_type);
    close_gap(p, l3, MPLS_LSE_LEN);
    packet_locate(p);
}
