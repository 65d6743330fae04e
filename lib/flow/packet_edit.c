// SPDX-License-Identifier: Apache-2.0
// Edits of frames: one field of a header, tags, labels. Checksums are brought up to date from what
// changed (RFC 1624), never computed anew, so that a packet that was broken on arrival stays
// broken; a pending checksum, of which the frame holds the pseudo-header's sum only, follows
// changes of addresses alone. Headers are found by packet_extract()'s offsets, which edits that
// move headers keep right. A field whose header is absent or cut short is left alone.
//
// Thread: the packet's. Hot path but for SCTP, whose CRC covers the payload.
#include "lib/flow/checksum.h"
#include "lib/flow/packet_wire.h"

#define TCP_CSUM 16u
#define UDP_CSUM 6u
#define ICMP_CSUM 2u
#define SCTP_CSUM 8u
#define IPV4_CSUM 10u

static uint8_t *at_l3(const struct packet *p, uint32_t need)
{
    return p->l3_ofs != NO_OFFSET && p->l3_ofs + need <= p->len ? packet_data(p) + p->l3_ofs : NULL;
}

static uint8_t *at_l4(const struct packet *p, uint8_t proto, uint32_t need)
{
    return p->l4_ofs != NO_OFFSET && p->l4_proto == proto && p->l4_ofs + need <= p->len
               ? packet_data(p) + p->l4_ofs
               : NULL;
}

static uint16_t l3_type(const struct packet *p)
{
    return p->l3_ofs == NO_OFFSET ? 0 : load_u16(packet_data(p) + p->l3_ofs - 2);
}

static uint8_t *at_ipv4(const struct packet *p)
{
    uint8_t *ip = l3_type(p) == ETH_P_IP ? at_l3(p, IPV4_MIN_LEN) : NULL;
    return ip && (ip[0] & 15) * 4u >= IPV4_MIN_LEN ? ip : NULL;
}

static uint8_t *at_ipv6(const struct packet *p)
{
    return l3_type(p) == ETH_P_IPV6 ? at_l3(p, IPV6_LEN) : NULL;
}

static bool is_pending(const struct packet *p, const uint8_t *field)
{
    return p->vnet.needs_csum && packet_data(p) + p->vnet.csum_start + p->vnet.csum_offset == field;
}

// The checksum of layer 4 changes by `delta`: in its own words, or (pseudo) in the addresses.
static void update_l4(struct packet *p, uint32_t delta, bool pseudo)
{
    uint8_t *l4, *field;

    if ((l4 = at_l4(p, IPPROTO_TCP, TCP_MIN_LEN)))
        field = l4 + TCP_CSUM;
    else if ((l4 = at_l4(p, IPPROTO_UDP, UDP_LEN)))
        field = l4 + UDP_CSUM;
    else if ((l4 = at_l4(p, IPPROTO_ICMPV6, ICMP_LEN - 4)) && l3_type(p) == ETH_P_IPV6)
        field = l4 + ICMP_CSUM;
    else if (!pseudo && (l4 = at_l4(p, IPPROTO_ICMP, ICMP_LEN - 4)))
        field = l4 + ICMP_CSUM;
    else
        return;

    if (is_pending(p, field)) {
        if (pseudo)
            checksum_update_pending(field, delta);
        return;
    }
    bool is_udp = p->l4_proto == IPPROTO_UDP;
    if (is_udp && !load_be16(field)) // the sender made none
        return;
    checksum_update(field, delta);
    if (is_udp && !load_be16(field))
        store_be16(field, UINT16_MAX);
}

// Does a routing header hold the final destination, which the pseudo-header has (RFC 8200,
// section 8.1)?
static bool dst_is_elsewhere(const struct packet *p, const uint8_t *ip)
{
    const uint8_t *h = ip + IPV6_LEN, *end = packet_data(p) + p->len;
    uint8_t next = ip[6];

    while (end - h >= 4) {
        if (next == IPPROTO_ROUTING && h[3])
            return true;
        if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING)
            return false;
        size_t len = (h[1] + 1u) * 8;
        if ((size_t)(end - h) < len)
            return false;
        next = h[0];
        h += len;
    }
    return false;
}

static void set_ipv4_word(struct packet *p, unsigned offset, const void *value, const void *mask,
                          size_t n, bool is_address)
{
    uint8_t *ip = at_ipv4(p);
    if (!ip)
        return;
    uint32_t delta = checksum_replace(ip + offset, value, mask, n);
    checksum_update(ip + IPV4_CSUM, delta);
    if (is_address)
        update_l4(p, delta, true);
}

static void set_ipv6_addr(struct packet *p, unsigned offset, const struct field_value *value,
                          const struct field_value *mask)
{
    uint8_t *ip = at_ipv6(p);
    if (!ip)
        return;
    uint32_t delta = checksum_replace(ip + offset, value->b, mask->b, 16);
    if (offset == 8 || !dst_is_elsewhere(p, ip))
        update_l4(p, delta, true);
}

// Bits of the traffic class.
static void set_tos(struct packet *p, uint8_t value, uint8_t mask)
{
    const uint8_t v[2] = {0, value}, m[2] = {0, mask};
    set_ipv4_word(p, 0, v, m, 2, false);

    uint8_t *ip = at_ipv6(p);
    if (ip) { // four bits of version, eight of traffic class
        uint16_t word = load_u16(ip);
        store_u16(ip, (uint16_t)((word & ~(mask << 4)) | (value & mask) << 4));
    }
}

static void set_ttl(struct packet *p, uint8_t value, uint8_t mask)
{
    const uint8_t v[2] = {value, 0}, m[2] = {mask, 0};
    set_ipv4_word(p, 8, v, m, 2, false);

    uint8_t *ip = at_ipv6(p);
    if (ip)
        ip[7] = (uint8_t)((ip[7] & ~mask) | (value & mask));
}

static void set_label(struct packet *p, uint32_t value, uint32_t mask)
{
    uint8_t *ip = at_ipv6(p);
    if (!ip)
        return;
    uint32_t word = ntohl(load_be32(ip));
    mask &= 0xfffff;
    store_be32(ip, htonl((word & ~mask) | (value & mask)));
}

static void set_masked(uint8_t *at, const struct field_value *value, const struct field_value *mask,
                       size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)((at[i] & ~mask->b[i]) | (value->b[i] & mask->b[i]));
}

static void set_arp(struct packet *p, const struct field *f, const struct field_value *value,
                    const struct field_value *mask)
{
    uint16_t type = l3_type(p);
    uint8_t *arp = type == ETH_P_ARP || type == ETH_P_RARP ? at_l3(p, ARP_LEN) : NULL;
    if (!arp)
        return;
    unsigned offset = f->id == FIELD_ARP_OP    ? 6
                      : f->id == FIELD_ARP_SHA ? 8
                      : f->id == FIELD_ARP_SPA ? 14
                      : f->id == FIELD_ARP_THA ? 18
                                               : 24;
    set_masked(arp + offset, value, mask, f->n_bytes);
}

static void set_mpls(struct packet *p, const struct field *f, uint32_t value, uint32_t mask)
{
    uint8_t *at = is_mpls_type(l3_type(p)) ? at_l3(p, MPLS_LSE_LEN) : NULL;
    if (!at)
        return;
    uint32_t lse = ntohl(load_be32(at));
    mask = (mask & ((1u << f->n_bits) - 1)) << f->shift;
    store_be32(at, htonl((lse & ~mask) | (value << f->shift & mask)));
}

static void set_vlan(struct packet *p, const struct field *f, uint32_t value, uint32_t mask)
{
    uint8_t *tag = packet_data(p) + ETH_ADDRS_LEN;
    if (p->len < ETH_ADDRS_LEN + VLAN_TAG_LEN || !is_vlan_tpid(load_u16(tag)))
        return;
    mask = (mask << f->shift) & ~(uint32_t)VLAN_PRESENT; // our mark, not a bit of the frame's
    store_u16(tag + 2, (uint16_t)((load_u16(tag + 2) & ~mask) | (value << f->shift & mask)));
}

static void set_port(struct packet *p, uint8_t proto, unsigned offset,
                     const struct field_value *value, const struct field_value *mask)
{
    uint8_t *l4 = at_l4(p, proto,
                        proto == IPPROTO_TCP   ? TCP_MIN_LEN
                        : proto == IPPROTO_UDP ? UDP_LEN
                                               : SCTP_LEN);
    if (!l4)
        return;
    if (proto != IPPROTO_SCTP) {
        update_l4(p, checksum_replace(l4 + offset, value->b, mask->b, 2), false);
        return;
    }
    // A wrong CRC stays wrong by the same bits.
    uint32_t len = p->len - p->l4_ofs, stored = load_be32(l4 + SCTP_CSUM), before, after;
    bool pending = is_pending(p, l4 + SCTP_CSUM);
    store_be32(l4 + SCTP_CSUM, 0);
    before = pending ? 0 : htole32(crc32c(l4, len));
    set_masked(l4 + offset, value, mask, 2);
    after = pending ? 0 : htole32(crc32c(l4, len));
    store_be32(l4 + SCTP_CSUM, stored ^ before ^ after);
}

static void set_icmp(struct packet *p, uint8_t proto, unsigned offset, uint8_t value, uint8_t mask)
{
    uint8_t *l4 = at_l4(p, proto, ICMP_LEN);
    uint8_t v[2] = {0, 0}, m[2] = {0, 0};
    if (!l4)
        return;
    v[offset] = value;
    m[offset] = mask;
    update_l4(p, checksum_replace(l4, v, m, 2), false);
}

static uint8_t *at_nd(const struct packet *p)
{
    uint8_t *nd = at_l4(p, IPPROTO_ICMPV6, ND_LEN);
    bool is_nd =
        nd && !nd[1] && (nd[0] == ND_NEIGHBOR_SOLICIT_TYPE || nd[0] == ND_NEIGHBOR_ADVERT_TYPE);
    return is_nd ? nd : NULL;
}

// The first link-layer address option of that type, or (0) of any.
static uint8_t *nd_option(const struct packet *p, uint8_t type)
{
    uint8_t *nd = at_nd(p), *end = packet_data(p) + p->len;
    for (uint8_t *o = nd ? nd + ND_LEN : end; end - o >= 8 && o[1] && end - o >= o[1] * 8;
         o += o[1] * 8) {
        bool is_lla = (o[0] == ND_OPTION_SLL || o[0] == ND_OPTION_TLL) && o[1] == 1;
        if (is_lla && (!type || o[0] == type))
            return o;
    }
    return NULL;
}

static void set_nd(struct packet *p, const struct field *f, const struct field_value *value,
                   const struct field_value *mask)
{
    const uint8_t v[2] = {value->b[0], 0}, m[2] = {mask->b[0], 0};
    uint8_t *at;

    switch (f->id) {
    case FIELD_ND_TARGET:
    case FIELD_ND_RESERVED:
        at = at_nd(p);
        if (at)
            update_l4(p,
                      checksum_replace(at + (f->id == FIELD_ND_TARGET ? 8 : 4), value->b, mask->b,
                                       f->n_bytes),
                      false);
        return;
    case FIELD_ND_OPTIONS_TYPE:
        at = nd_option(p, 0);
        if (at)
            update_l4(p, checksum_replace(at, v, m, 2), false);
        return;
    default:
        at = nd_option(p, f->id == FIELD_ND_SLL ? ND_OPTION_SLL : ND_OPTION_TLL);
        if (at)
            update_l4(p, checksum_replace(at + 2, value->b, mask->b, 6), false);
        return;
    }
}

static void set_eth(struct packet *p, unsigned offset, const struct field_value *value,
                    const struct field_value *mask)
{
    if (p->len >= ETH_HLEN)
        set_masked(packet_data(p) + offset, value, mask, 6);
}

void packet_set_field(struct packet *p, const struct field *f, const struct field_value *value,
                      const struct field_value *mask)
{
    uint32_t v = (uint32_t)field_value_to_u64(f, value), m = (uint32_t)field_value_to_u64(f, mask);

    if (f->id < FIELD_ETH_SRC) { // metadata
        field_set_masked(f, value, mask, (struct flow *)&p->md);
        return;
    }
    switch (f->id) {
    case FIELD_ETH_DST:
    case FIELD_ETH_SRC:
        set_eth(p, f->id == FIELD_ETH_DST ? 0 : 6, value, mask);
        break;
    case FIELD_VLAN_TCI:
    case FIELD_VLAN_VID:
    case FIELD_VLAN_PCP:
        set_vlan(p, f, v, m);
        break;
    case FIELD_MPLS_LABEL:
    case FIELD_MPLS_TC:
    case FIELD_MPLS_BOS:
    case FIELD_MPLS_TTL:
        set_mpls(p, f, v, m);
        break;
    case FIELD_IPV4_SRC:
    case FIELD_IPV4_DST:
        set_ipv4_word(p, f->id == FIELD_IPV4_SRC ? 12 : 16, value->b, mask->b, 4, true);
        break;
    case FIELD_IPV6_SRC:
    case FIELD_IPV6_DST:
        set_ipv6_addr(p, f->id == FIELD_IPV6_SRC ? 8 : 24, value, mask);
        break;
    case FIELD_IPV6_LABEL:
        set_label(p, v, m);
        break;
    case FIELD_IP_DSCP:
        set_tos(p, (uint8_t)v, m & 0xfc);
        break;
    case FIELD_IP_DSCP_OXM:
        set_tos(p, (uint8_t)(v << 2), (uint8_t)(m << 2));
        break;
    case FIELD_IP_ECN:
        set_tos(p, (uint8_t)v, m & 3);
        break;
    case FIELD_IP_TTL:
        set_ttl(p, (uint8_t)v, (uint8_t)m);
        break;
    case FIELD_ARP_OP:
    case FIELD_ARP_SPA:
    case FIELD_ARP_TPA:
    case FIELD_ARP_SHA:
    case FIELD_ARP_THA:
        set_arp(p, f, value, mask);
        break;
    case FIELD_TCP_SRC:
    case FIELD_TCP_DST:
        set_port(p, IPPROTO_TCP, f->id == FIELD_TCP_SRC ? 0 : 2, value, mask);
        break;
    case FIELD_UDP_SRC:
    case FIELD_UDP_DST:
        set_port(p, IPPROTO_UDP, f->id == FIELD_UDP_SRC ? 0 : 2, value, mask);
        break;
    case FIELD_SCTP_SRC:
    case FIELD_SCTP_DST:
        set_port(p, IPPROTO_SCTP, f->id == FIELD_SCTP_SRC ? 0 : 2, value, mask);
        break;
    case FIELD_ICMPV4_TYPE:
    case FIELD_ICMPV4_CODE:
        set_icmp(p, IPPROTO_ICMP, f->id == FIELD_ICMPV4_TYPE ? 0 : 1, (uint8_t)v, (uint8_t)m);
        break;
    case FIELD_ICMPV6_TYPE:
    case FIELD_ICMPV6_CODE:
        set_icmp(p, IPPROTO_ICMPV6, f->id == FIELD_ICMPV6_TYPE ? 0 : 1, (uint8_t)v, (uint8_t)m);
        break;
    case FIELD_ND_TARGET:
    case FIELD_ND_SLL:
    case FIELD_ND_TLL:
    case FIELD_ND_RESERVED:
    case FIELD_ND_OPTIONS_TYPE:
        set_nd(p, f, value, mask);
        break;
    default: // not in a frame, or not writable there
        break;
    }
}
