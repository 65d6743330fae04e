// SPDX-License-Identifier: Apache-2.0
// Flow keys and masks to and from OVS_KEY_ATTR_* (linux/openvswitch.h; what goes with what: net/openvswitch/flow_netlink.c).
//
// One table says where each header's members lie in struct flow_key and in the ABI's structs; it drives keys, masks,
// decoding and, in actions.c, masked sets. A mask has the structure of its key: which attributes are there is the key's
// matter. Pure; any thread.
#include "kdp/client/key.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include "lib/base/compiler.h"

#define ETH_P_802_2_FRAME 0x05ff // struct flow_key: a frame with a length instead of a type

#define PART(key_member, abi_type, abi_member)                                                                           \
    {offsetof(struct flow_key, key_member), offsetof(abi_type, abi_member), sizeof(((abi_type *)0)->abi_member)}
// A byte that is the low one of a 16-bit member in network order.
#define LOW_BYTE(key_member, abi_type, abi_member) {offsetof(struct flow_key, key_member) + 1, offsetof(abi_type, abi_member), 1}

const struct kdp_header kdp_headers[] = {
    {OVS_KEY_ATTR_ETHERNET, sizeof(struct ovs_key_ethernet), PREREQ_NONE,
     {PART(eth_src, struct ovs_key_ethernet, eth_src), PART(eth_dst, struct ovs_key_ethernet, eth_dst)}},
    {OVS_KEY_ATTR_IPV4, sizeof(struct ovs_key_ipv4), PREREQ_IPV4,
     {PART(ip4_src, struct ovs_key_ipv4, ipv4_src), PART(ip4_dst, struct ovs_key_ipv4, ipv4_dst),
      PART(ip_proto, struct ovs_key_ipv4, ipv4_proto), PART(ip_tos, struct ovs_key_ipv4, ipv4_tos),
      PART(ip_ttl, struct ovs_key_ipv4, ipv4_ttl)}},
    {OVS_KEY_ATTR_IPV6, sizeof(struct ovs_key_ipv6), PREREQ_IPV6,
     {PART(ip6_src, struct ovs_key_ipv6, ipv6_src), PART(ip6_dst, struct ovs_key_ipv6, ipv6_dst),
      PART(ip6_label, struct ovs_key_ipv6, ipv6_label), PART(ip_proto, struct ovs_key_ipv6, ipv6_proto),
      PART(ip_tos, struct ovs_key_ipv6, ipv6_tclass), PART(ip_ttl, struct ovs_key_ipv6, ipv6_hlimit)}},
    {OVS_KEY_ATTR_ARP, sizeof(struct ovs_key_arp), PREREQ_ARP,
     {PART(ip4_src, struct ovs_key_arp, arp_sip), PART(ip4_dst, struct ovs_key_arp, arp_tip),
      {offsetof(struct flow_key, ip_proto), offsetof(struct ovs_key_arp, arp_op) + 1, 1},
      PART(arp_sha, struct ovs_key_arp, arp_sha), PART(arp_tha, struct ovs_key_arp, arp_tha)}},
    {OVS_KEY_ATTR_MPLS, sizeof(struct ovs_key_mpls), PREREQ_MPLS, {PART(mpls_lse[0], struct ovs_key_mpls, mpls_lse)}},
    {OVS_KEY_ATTR_TCP, sizeof(struct ovs_key_tcp), PREREQ_TCP,
     {PART(tp_src, struct ovs_key_tcp, tcp_src), PART(tp_dst, struct ovs_key_tcp, tcp_dst)}},
    {OVS_KEY_ATTR_TCP_FLAGS, sizeof(be16_t), PREREQ_TCP, {{offsetof(struct flow_key, tcp_flags), 0, sizeof(be16_t)}}},
    {OVS_KEY_ATTR_UDP, sizeof(struct ovs_key_udp), PREREQ_UDP,
     {PART(tp_src, struct ovs_key_udp, udp_src), PART(tp_dst, struct ovs_key_udp, udp_dst)}},
    {OVS_KEY_ATTR_SCTP, sizeof(struct ovs_key_sctp), PREREQ_SCTP,
     {PART(tp_src, struct ovs_key_sctp, sctp_src), PART(tp_dst, struct ovs_key_sctp, sctp_dst)}},
    {OVS_KEY_ATTR_ICMP, sizeof(struct ovs_key_icmp), PREREQ_ICMPV4,
     {LOW_BYTE(tp_src, struct ovs_key_icmp, icmp_type), LOW_BYTE(tp_dst, struct ovs_key_icmp, icmp_code)}},
    {OVS_KEY_ATTR_ICMPV6, sizeof(struct ovs_key_icmpv6), PREREQ_ICMPV6,
     {LOW_BYTE(tp_src, struct ovs_key_icmpv6, icmpv6_type), LOW_BYTE(tp_dst, struct ovs_key_icmpv6, icmpv6_code)}},
    {OVS_KEY_ATTR_ND, sizeof(struct ovs_key_nd), PREREQ_ND,
     {PART(nd_target, struct ovs_key_nd, nd_target), PART(arp_sha, struct ovs_key_nd, nd_sll),
      PART(arp_tha, struct ovs_key_nd, nd_tll)}},
};
const size_t kdp_n_headers = ARRAY_SIZE(kdp_headers);

// Metadata: 32-bit and 16-bit numbers in host order, of the same size on both sides but for ct_state.
static const struct {
    uint16_t attr;
    uint16_t offset;
    uint8_t size;
} metadata[] = {
    {OVS_KEY_ATTR_PRIORITY, offsetof(struct flow_key, skb_priority), 4},
    {OVS_KEY_ATTR_SKB_MARK, offsetof(struct flow_key, skb_mark), 4},
    {OVS_KEY_ATTR_DP_HASH, offsetof(struct flow_key, dp_hash), 4},
    {OVS_KEY_ATTR_RECIRC_ID, offsetof(struct flow_key, recirc_id), 4},
    {OVS_KEY_ATTR_IN_PORT, offsetof(struct flow_key, in_port), 4},
    {OVS_KEY_ATTR_CT_ZONE, offsetof(struct flow_key, ct_zone), 2},
    {OVS_KEY_ATTR_CT_MARK, offsetof(struct flow_key, ct_mark), 4},
    {OVS_KEY_ATTR_CT_LABELS, offsetof(struct flow_key, ct_label), 16},
};

static uint8_t frag_to_abi(uint8_t frag)
{
    return frag & FLOW_FRAG_LATER ? OVS_FRAG_TYPE_LATER : frag & FLOW_FRAG_ANY ? OVS_FRAG_TYPE_FIRST : OVS_FRAG_TYPE_NONE;
}

static uint8_t frag_from_abi(uint8_t frag)
{
    return frag == OVS_FRAG_TYPE_LATER   ? FLOW_FRAG_ANY | FLOW_FRAG_LATER
           : frag == OVS_FRAG_TYPE_FIRST ? FLOW_FRAG_ANY
                                         : 0;
}

// Where the fragment type stands in the IPv4 and IPv6 structs; -1: nowhere.
static int frag_offset(uint16_t attr)
{
    return attr == OVS_KEY_ATTR_IPV4   ? (int)offsetof(struct ovs_key_ipv4, ipv4_frag)
           : attr == OVS_KEY_ATTR_IPV6 ? (int)offsetof(struct ovs_key_ipv6, ipv6_frag)
                                       : -1;
}

void kdp_header_fill(const struct kdp_header *h, const struct flow_key *from, void *to)
{
    memset(to, 0, h->size);
    for (const struct kdp_part *p = h->parts; p->size; p++)
        memcpy((char *)to + p->abi_offset, (const char *)from + p->key_offset, p->size);
}

void kdp_header_read(const struct kdp_header *h, const void *from, struct flow_key *to)
{
    for (const struct kdp_part *p = h->parts; p->size; p++)
        memcpy((char *)to + p->key_offset, (const char *)from + p->abi_offset, p->size);
}

static bool is_ip(const struct flow_key *key)
{
    return key->eth_type == htons(ETH_P_IP) || key->eth_type == htons(ETH_P_IPV6);
}

// A transport header is there: not in later fragments.
static bool carries(const struct flow_key *key, be16_t eth_type, uint8_t proto)
{
    return (eth_type ? key->eth_type == eth_type : is_ip(key)) && key->ip_proto == proto && !(key->ip_frag & FLOW_FRAG_LATER);
}

bool kdp_header_applies(const struct kdp_header *h, const struct flow_key *key)
{
    switch (h->prereq) {
    case PREREQ_NONE:
        return true;
    case PREREQ_IPV4:
        return key->eth_type == htons(ETH_P_IP);
    case PREREQ_IPV6:
        return key->eth_type == htons(ETH_P_IPV6);
    case PREREQ_ARP:
        return key->eth_type == htons(ETH_P_ARP) || key->eth_type == htons(ETH_P_RARP);
    case PREREQ_MPLS:
        return key->eth_type == htons(ETH_P_MPLS_UC) || key->eth_type == htons(ETH_P_MPLS_MC);
    case PREREQ_TCP:
        return carries(key, 0, IPPROTO_TCP);
    case PREREQ_UDP:
        return carries(key, 0, IPPROTO_UDP);
    case PREREQ_SCTP:
        return carries(key, 0, IPPROTO_SCTP);
    case PREREQ_ICMPV4:
        return carries(key, htons(ETH_P_IP), IPPROTO_ICMP);
    case PREREQ_ICMPV6:
        return carries(key, htons(ETH_P_IPV6), IPPROTO_ICMPV6);
    case PREREQ_ND:
        return carries(key, htons(ETH_P_IPV6), IPPROTO_ICMPV6) && (key->tp_src == htons(135) || key->tp_src == htons(136));
    default:
        return false;
    }
}

// --- Putting ---

static bool all_zero(const void *p, size_t n)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        if (b[i])
            return false;
    }
    return true;
}

void kdp_put_metadata(struct nlk_msg *m, uint16_t type, const struct flow_key *key)
{
    size_t nest = nlk_nest_start(m, type);

    for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
        const void *value = (const char *)key + metadata[i].offset;

        // An input port of DP_PORT_NONE is a packet that came from no port: without the attribute.
        if (metadata[i].attr == OVS_KEY_ATTR_IN_PORT ? key->in_port != DP_PORT_NONE : !all_zero(value, metadata[i].size))
            nlk_put(m, metadata[i].attr, value, metadata[i].size);
    }
    if (key->ct_state)
        nlk_put_u32(m, OVS_KEY_ATTR_CT_STATE, key->ct_state);
    nlk_nest_end(m, nest);
}

// A key, or with `is_mask` the mask that goes with it. Which attributes there are is the key's matter, but that the kernel
// wants transport masks only where the protocol is matched (match_validate()), and metadata only in pairs: what the mask has,
// the key needs too, zero or not.
struct put {
    struct nlk_msg *m;
    const struct flow_key *key, *mask; // mask NULL: of a key alone
    bool is_mask;
};

static const struct flow_key *values_of(const struct put *p)
{
    return p->is_mask ? p->mask : p->key;
}

static bool may_mask(const struct kdp_header *h, const struct flow_key *mask)
{
    switch (h->prereq) {
    case PREREQ_TCP:
    case PREREQ_UDP:
    case PREREQ_SCTP:
    case PREREQ_ICMPV4:
    case PREREQ_ICMPV6:
        return mask->ip_proto == 0xff;
    case PREREQ_ND:
        return mask->ip_proto == 0xff && mask->tp_src == htons(0xff);
    default:
        return true;
    }
}

static void put_headers(const struct put *p)
{
    uint8_t data[sizeof(struct ovs_key_ipv6)];

    for (size_t i = 0; i < kdp_n_headers; i++) {
        const struct kdp_header *h = &kdp_headers[i];
        uint8_t ip_frag = values_of(p)->ip_frag;
        int frag = frag_offset(h->attr);

        if (h->attr == OVS_KEY_ATTR_ETHERNET || !kdp_header_applies(h, p->key) || (p->is_mask && !may_mask(h, p->mask)))
            continue;
        kdp_header_fill(h, values_of(p), data);
        if (frag >= 0)
            data[frag] = p->is_mask ? (ip_frag ? 0xff : 0) : frag_to_abi(ip_frag);
        nlk_put(p->m, h->attr, data, h->size);
    }
}

// What follows the Ethernet header: tags, each enclosing the rest, then the type and the headers.
static void put_payload(const struct put *p, unsigned tag)
{
    const struct flow_key *values = values_of(p);

    if (tag < FLOW_MAX_VLANS && p->key->vlan[tag].tci & htons(VLAN_PRESENT)) {
        be16_t tpid = p->is_mask ? 0xffff : values->vlan[tag].tpid; // the kernel wants it exact
        nlk_put(p->m, OVS_KEY_ATTR_ETHERTYPE, &tpid, sizeof tpid);
        nlk_put(p->m, OVS_KEY_ATTR_VLAN, &values->vlan[tag].tci, sizeof(be16_t));
        size_t nest = nlk_nest_start(p->m, OVS_KEY_ATTR_ENCAP);
        put_payload(p, tag + 1);
        nlk_nest_end(p->m, nest);
        return;
    }
    // An 802.3 frame has no type; its key says so by leaving the attribute out, its mask by having it.
    if (p->is_mask || p->key->eth_type != htons(ETH_P_802_2_FRAME))
        nlk_put(p->m, OVS_KEY_ATTR_ETHERTYPE, &values->eth_type, sizeof(be16_t));
    put_headers(p);
}

static void put_all(const struct put *p, uint16_t type)
{
    const struct flow_key *values = values_of(p), *mask = p->mask ? p->mask : p->key;
    size_t nest = nlk_nest_start(p->m, type);
    uint8_t ethernet[sizeof(struct ovs_key_ethernet)];

    for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
        size_t offset = metadata[i].offset;

        if (metadata[i].attr == OVS_KEY_ATTR_IN_PORT || !all_zero((const char *)mask + offset, metadata[i].size))
            nlk_put(p->m, metadata[i].attr, (const char *)values + offset, metadata[i].size);
    }
    if (mask->ct_state)
        nlk_put_u32(p->m, OVS_KEY_ATTR_CT_STATE, values->ct_state);
    kdp_header_fill(&kdp_headers[0], values, ethernet);
    nlk_put(p->m, OVS_KEY_ATTR_ETHERNET, ethernet, sizeof ethernet);
    put_payload(p, 0);
    nlk_nest_end(p->m, nest);
}

void kdp_put_key(struct nlk_msg *m, uint16_t type, const struct flow_key *key, const struct flow_key *mask)
{
    put_all(&(struct put){m, key, mask, false}, type);
}

void kdp_put_mask(struct nlk_msg *m, uint16_t type, const struct flow_key *key, const struct flow_key *mask)
{
    put_all(&(struct put){m, key, mask, true}, type);
}

// --- Getting ---

static bool get_metadata(const struct nlattr *a, struct flow_key *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
        if (nlk_type(a) == metadata[i].attr && nlk_size(a) == metadata[i].size) {
            memcpy((char *)key + metadata[i].offset, nlk_data(a), metadata[i].size);
            return true;
        }
    }
    if (nlk_type(a) == OVS_KEY_ATTR_CT_STATE && nlk_size(a) == 4) {
        key->ct_state = (uint8_t)nlk_u32(a);
        return true;
    }
    return false;
}

static bool get_header(const struct nlattr *a, struct flow_key *key, bool is_mask)
{
    for (size_t i = 0; i < kdp_n_headers; i++) {
        const struct kdp_header *h = &kdp_headers[i];
        int frag = frag_offset(h->attr);

        if (nlk_type(a) != h->attr || nlk_size(a) < h->size)
            continue;
        kdp_header_read(h, nlk_data(a), key);
        if (frag >= 0) {
            uint8_t value = ((const uint8_t *)nlk_data(a))[frag];

            key->ip_frag = is_mask ? (value ? FLOW_FRAG_ANY | FLOW_FRAG_LATER : 0) : frag_from_abi(value);
        }
        return true;
    }
    return false;
}

static int get_nest(const struct nlattr *nest, struct flow_key *key, bool is_mask, unsigned tag, struct err *err)
{
    const struct nlattr *a, *encap = NULL;
    be16_t type = 0;
    bool bad = false;

    NLK_FOR_EACH(a, nlk_data(nest), nlk_size(nest), pos, &bad)
    {
        uint16_t t = nlk_type(a);

        if (t == OVS_KEY_ATTR_ETHERTYPE && nlk_size(a) == sizeof type) {
            memcpy(&type, nlk_data(a), sizeof type);
        } else if (t == OVS_KEY_ATTR_VLAN && nlk_size(a) == sizeof(be16_t) && tag < FLOW_MAX_VLANS) {
            memcpy(&key->vlan[tag].tci, nlk_data(a), sizeof(be16_t));
        } else if (t == OVS_KEY_ATTR_ENCAP) {
            encap = a;
        } else if (!get_metadata(a, key) && !get_header(a, key, is_mask)) {
            return err_set(err, -EOPNOTSUPP, "flow key attribute %u of %zu bytes is not known", t, nlk_size(a));
        }
    }
    if (bad)
        return err_set(err, -EPROTO, "a flow key from the kernel is malformed");
    if (!encap) {
        key->eth_type = type || is_mask ? type : htons(ETH_P_802_2_FRAME);
        return 0;
    }
    if (tag >= FLOW_MAX_VLANS)
        return err_set(err, -EOPNOTSUPP, "a flow key has more than %d VLAN tags", FLOW_MAX_VLANS);
    key->vlan[tag].tpid = type;
    return get_nest(encap, key, is_mask, tag + 1, err);
}

int kdp_get_key(const struct nlattr *nest, struct flow_key *ret_key, struct err *err)
{
    struct flow_key key = {.in_port = DP_PORT_NONE};
    int r = get_nest(nest, &key, false, 0, err);

    if (!r)
        *ret_key = key;
    return r;
}

int kdp_get_mask(const struct nlattr *nest, struct flow_key *ret_mask, struct err *err)
{
    struct flow_key mask = {0};
    int r = get_nest(nest, &mask, true, 0, err);

    if (!r)
        *ret_mask = mask;
    return r;
}
