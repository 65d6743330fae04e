// SPDX-License-Identifier: Apache-2.0
// Megaflow matches as flower keys and back. One table, `plain`, covers every field that flower holds as a value and a mask
// of its own; VLAN tags, fragments and the ethertype have code. What is expressed is cleared from a copy of the mask; a bit
// that is left refuses the megaflow and is named. Pure; any thread. Format: linux/pkt_cls.h, net/sched/cls_flower.c.
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/compiler.h"

#define VID_MASK 0x0fff
#define PCP_SHIFT 13

enum when { ANY, IP, IPV4, IPV6, ARP, TCP, UDP, SCTP, ICMP4, ICMP6 };

#define KEY(member) offsetof(struct flow_key, member), sizeof(((struct flow_key *)0)->member)
#define KEY_LOW(member) offsetof(struct flow_key, member) + 1, 1

static const struct plain {
    enum when when;
    uint16_t offset;
    uint8_t size;
    uint16_t value, mask; // attributes; mask 0: all bits or none
} plain[] = {
    {ANY, KEY(eth_dst), TCA_FLOWER_KEY_ETH_DST, TCA_FLOWER_KEY_ETH_DST_MASK},
    {ANY, KEY(eth_src), TCA_FLOWER_KEY_ETH_SRC, TCA_FLOWER_KEY_ETH_SRC_MASK},
    {IP, KEY(ip_proto), TCA_FLOWER_KEY_IP_PROTO, 0},
    {IPV4, KEY(ip4_src), TCA_FLOWER_KEY_IPV4_SRC, TCA_FLOWER_KEY_IPV4_SRC_MASK},
    {IPV4, KEY(ip4_dst), TCA_FLOWER_KEY_IPV4_DST, TCA_FLOWER_KEY_IPV4_DST_MASK},
    {IPV6, KEY(ip6_src), TCA_FLOWER_KEY_IPV6_SRC, TCA_FLOWER_KEY_IPV6_SRC_MASK},
    {IPV6, KEY(ip6_dst), TCA_FLOWER_KEY_IPV6_DST, TCA_FLOWER_KEY_IPV6_DST_MASK},
    {IP, KEY(ip_tos), TCA_FLOWER_KEY_IP_TOS, TCA_FLOWER_KEY_IP_TOS_MASK},
    {IP, KEY(ip_ttl), TCA_FLOWER_KEY_IP_TTL, TCA_FLOWER_KEY_IP_TTL_MASK},
    {TCP, KEY(tp_src), TCA_FLOWER_KEY_TCP_SRC, TCA_FLOWER_KEY_TCP_SRC_MASK},
    {TCP, KEY(tp_dst), TCA_FLOWER_KEY_TCP_DST, TCA_FLOWER_KEY_TCP_DST_MASK},
    {TCP, KEY(tcp_flags), TCA_FLOWER_KEY_TCP_FLAGS, TCA_FLOWER_KEY_TCP_FLAGS_MASK},
    {UDP, KEY(tp_src), TCA_FLOWER_KEY_UDP_SRC, TCA_FLOWER_KEY_UDP_SRC_MASK},
    {UDP, KEY(tp_dst), TCA_FLOWER_KEY_UDP_DST, TCA_FLOWER_KEY_UDP_DST_MASK},
    {SCTP, KEY(tp_src), TCA_FLOWER_KEY_SCTP_SRC, TCA_FLOWER_KEY_SCTP_SRC_MASK},
    {SCTP, KEY(tp_dst), TCA_FLOWER_KEY_SCTP_DST, TCA_FLOWER_KEY_SCTP_DST_MASK},
    {ICMP4, KEY_LOW(tp_src), TCA_FLOWER_KEY_ICMPV4_TYPE, TCA_FLOWER_KEY_ICMPV4_TYPE_MASK},
    {ICMP4, KEY_LOW(tp_dst), TCA_FLOWER_KEY_ICMPV4_CODE, TCA_FLOWER_KEY_ICMPV4_CODE_MASK},
    {ICMP6, KEY_LOW(tp_src), TCA_FLOWER_KEY_ICMPV6_TYPE, TCA_FLOWER_KEY_ICMPV6_TYPE_MASK},
    {ICMP6, KEY_LOW(tp_dst), TCA_FLOWER_KEY_ICMPV6_CODE, TCA_FLOWER_KEY_ICMPV6_CODE_MASK},
    {ARP, KEY(ip4_src), TCA_FLOWER_KEY_ARP_SIP, TCA_FLOWER_KEY_ARP_SIP_MASK},
    {ARP, KEY(ip4_dst), TCA_FLOWER_KEY_ARP_TIP, TCA_FLOWER_KEY_ARP_TIP_MASK},
    {ARP, KEY(ip_proto), TCA_FLOWER_KEY_ARP_OP, TCA_FLOWER_KEY_ARP_OP_MASK},
    {ARP, KEY(arp_sha), TCA_FLOWER_KEY_ARP_SHA, TCA_FLOWER_KEY_ARP_SHA_MASK},
    {ARP, KEY(arp_tha), TCA_FLOWER_KEY_ARP_THA, TCA_FLOWER_KEY_ARP_THA_MASK},
};

// `exact_proto`: a transport match needs the protocol matched exactly, or flower refuses it.
static bool applies(enum when when, const struct flow_key *key, bool exact_proto)
{
    bool v4 = key->eth_type == htons(ETH_P_IP), v6 = key->eth_type == htons(ETH_P_IPV6);

    switch (when) {
    case ANY:
        return true;
    case IP:
        return v4 || v6;
    case IPV4:
        return v4;
    case IPV6:
        return v6;
    case ARP:
        return key->eth_type == htons(ETH_P_ARP) || key->eth_type == htons(ETH_P_RARP);
    case TCP:
        return (v4 || v6) && key->ip_proto == IPPROTO_TCP && exact_proto;
    case UDP:
        return (v4 || v6) && key->ip_proto == IPPROTO_UDP && exact_proto;
    case SCTP:
        return (v4 || v6) && key->ip_proto == IPPROTO_SCTP && exact_proto;
    case ICMP4:
        return v4 && key->ip_proto == IPPROTO_ICMP && exact_proto;
    case ICMP6:
        return v6 && key->ip_proto == IPPROTO_ICMPV6 && exact_proto;
    }
    return false;
}

static bool all(const uint8_t *b, size_t n, uint8_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (b[i] != value)
            return false;
    }
    return true;
}

static void put(struct nlk_msg *m, uint16_t attr, const void *data, size_t size)
{
    if (m)
        nlk_put(m, attr, data, size);
}

static void put_plain(struct nlk_msg *m, const struct flow_key *key, const struct flow_key *mask, struct flow_key *left)
{
    bool exact_proto = mask->ip_proto == 0xff;

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        const struct plain *p = &plain[i];
        uint8_t *rest = (uint8_t *)left + p->offset;

        if (!applies(p->when, key, exact_proto) || all(rest, p->size, 0) || (!p->mask && !all(rest, p->size, 0xff)))
            continue;
        put(m, p->value, (const uint8_t *)key + p->offset, p->size);
        if (p->mask)
            put(m, p->mask, rest, p->size);
        memset(rest, 0, p->size);
        // ICMP's type and code are bytes in 16-bit members whose high byte is always zero.
        if (p->when == ICMP4 || p->when == ICMP6)
            rest[-1] = 0;
    }
}

// --- What is true of every packet that a NIC port brings ---

static void consume_if_zero(const void *key, void *mask, size_t size)
{
    if (all(key, size, 0))
        memset(mask, 0, size);
}

static void consume_implied(const struct flow_key *key, struct flow_key *left)
{
    left->in_port = 0; // the filter's device
    left->eth_type = 0; // the filter's protocol
    consume_if_zero(&key->recirc_id, &left->recirc_id, sizeof key->recirc_id);
    consume_if_zero(&key->tun, &left->tun, sizeof key->tun);
    consume_if_zero(&key->skb_priority, &left->skb_priority, sizeof key->skb_priority);
    consume_if_zero(&key->skb_mark, &left->skb_mark, sizeof key->skb_mark);
    consume_if_zero(&key->dp_hash, &left->dp_hash, sizeof key->dp_hash);
    consume_if_zero(&key->ct_state, &left->ct_state, sizeof key->ct_state);
    consume_if_zero(&key->ct_zone, &left->ct_zone, sizeof key->ct_zone);
    consume_if_zero(&key->ct_mark, &left->ct_mark, sizeof key->ct_mark);
    consume_if_zero(&key->ct_label, &left->ct_label, sizeof key->ct_label);
    consume_if_zero(&key->packet_type, &left->packet_type, sizeof key->packet_type);
}

// --- VLAN tags ---

static const uint16_t vlan_attrs[FLOW_MAX_VLANS][3] = {
    {TCA_FLOWER_KEY_VLAN_ID, TCA_FLOWER_KEY_VLAN_PRIO, TCA_FLOWER_KEY_VLAN_ETH_TYPE},
    {TCA_FLOWER_KEY_CVLAN_ID, TCA_FLOWER_KEY_CVLAN_PRIO, TCA_FLOWER_KEY_CVLAN_ETH_TYPE},
};

// Returns false if the tag can't be expressed; then its bits stay in `left`.
static bool put_tag(struct nlk_msg *m, const struct flow_key *key, struct flow_key *left, unsigned tag, be16_t inner_type)
{
    uint16_t tci = ntohs(key->vlan[tag].tci), mask = ntohs(left->vlan[tag].tci);
    uint16_t vid_mask = mask & VID_MASK, pcp_mask = mask >> PCP_SHIFT;

    if (!(mask & VLAN_PRESENT) || (vid_mask && vid_mask != VID_MASK) || (pcp_mask && pcp_mask != 7))
        return false; // flower has no masks here, and a filter is for tagged frames or for others, never both
    if (tci & VLAN_PRESENT) {
        uint16_t vid = tci & VID_MASK;
        uint8_t pcp = tci >> PCP_SHIFT;

        if (vid_mask)
            put(m, vlan_attrs[tag][0], &vid, sizeof vid);
        if (pcp_mask)
            put(m, vlan_attrs[tag][1], &pcp, sizeof pcp);
        put(m, vlan_attrs[tag][2], &inner_type, sizeof inner_type);
    }
    left->vlan[tag] = (struct flow_vlan){0};
    return true;
}

static unsigned n_tags(const struct flow_key *key)
{
    unsigned n = 0;

    while (n < FLOW_MAX_VLANS && key->vlan[n].tci & htons(VLAN_PRESENT))
        n++;
    return n;
}

static be16_t put_vlans(struct nlk_msg *m, const struct flow_key *key, struct flow_key *left)
{
    unsigned n = n_tags(key);

    for (unsigned tag = 0; tag < FLOW_MAX_VLANS; tag++) {
        be16_t inner = tag + 1 < n ? key->vlan[tag + 1].tpid : key->eth_type;

        if (tag < n || left->vlan[tag].tci)
            put_tag(m, key, left, tag, inner);
        // That no tag is there is said by the ethertype of what stands in its place.
        if (tag >= n && !(left->vlan[tag].tci))
            left->vlan[tag].tpid = 0;
    }
    return n ? key->vlan[0].tpid : key->eth_type;
}

// --- Fragments ---

static void put_frag(struct nlk_msg *m, const struct flow_key *key, struct flow_key *left)
{
    uint32_t flags = 0, mask = 0;

    if (!left->ip_frag || !applies(IP, key, false))
        return;
    if (left->ip_frag & FLOW_FRAG_ANY) {
        mask |= TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT;
        flags |= key->ip_frag & FLOW_FRAG_ANY ? TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT : 0;
    }
    if (left->ip_frag & FLOW_FRAG_LATER && key->ip_frag & FLOW_FRAG_ANY) {
        mask |= TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
        flags |= key->ip_frag & FLOW_FRAG_LATER ? 0 : TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
    }
    flags = htonl(flags);
    mask = htonl(mask);
    put(m, TCA_FLOWER_KEY_FLAGS, &flags, sizeof flags);
    put(m, TCA_FLOWER_KEY_FLAGS_MASK, &mask, sizeof mask);
    left->ip_frag = 0;
}

static int refuse_field(struct refusal *why, enum field_id id)
{
    return refuse(why, REFUSAL_CHECK, CULPRIT_FIELD, id, -EOPNOTSUPP, "tc-flower cannot express a match on %s",
                  field_by_id(id)->name);
}

int tc_put_match(struct nlk_msg *m, const struct flow_desc *d, be16_t *ret_protocol, struct refusal *why)
{
    struct flow_key left = d->mask;

    if (left.eth_type != 0xffff || d->key.eth_type == htons(0x05ff))
        return refuse_field(why, FIELD_ETH_TYPE);
    if (!(left.vlan[0].tci & htons(VLAN_PRESENT)))
        return refuse_field(why, FIELD_VLAN_TCI);
    consume_implied(&d->key, &left);
    *ret_protocol = put_vlans(m, &d->key, &left);
    put_frag(m, &d->key, &left);
    put_plain(m, &d->key, &d->mask, &left);
    enum field_id id = field_first_in_key_mask(&d->key, &left);
    return id == FIELD_NONE ? 0 : refuse_field(why, id);
}

// Fields that code above expresses, beside the table's.
static const struct {
    enum field_id id;
    bool masked;
} others[] = {
    {FIELD_IN_PORT, false}, {FIELD_ETH_TYPE, false}, {FIELD_VLAN_TPID, false}, {FIELD_VLAN_TCI, false},
    {FIELD_VLAN_VID, false}, {FIELD_VLAN_PCP, false}, {FIELD_VLAN2_TPID, false}, {FIELD_VLAN2_TCI, false},
    {FIELD_IP_FRAG, false}, {FIELD_IP_DSCP, true}, {FIELD_IP_ECN, true}, {FIELD_ARP_SPA, true}, {FIELD_ARP_TPA, true},
};

bool tc_can_match(enum field_id id, bool *ret_masked)
{
    const struct field *f = field_by_id(id);

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (others[i].id == id) {
            *ret_masked = others[i].masked;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        // ARP shares storage with IPv4 and with neighbour discovery.
        bool frame = (plain[i].when == ARP) == (f->prereq == PREREQ_ARP);

        if (frame && f->offset >= plain[i].offset && f->offset + f->size <= plain[i].offset + plain[i].size &&
            f->prereq < PREREQ_ND) {
            *ret_masked = plain[i].mask != 0;
            return true;
        }
    }
    *ret_masked = false;
    return false;
}

// --- Decoding ---

static void get_plain(const struct nlattr *tb[], struct flow_key *key, struct flow_key *mask)
{
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        const struct plain *p = &plain[i];
        const struct nlattr *value = tb[p->value], *bits = p->mask ? tb[p->mask] : NULL;

        if (!value || nlk_size(value) != p->size || (bits && nlk_size(bits) != p->size) ||
            !applies(p->when, key, key->ip_proto != 0))
            continue;
        memcpy((uint8_t *)key + p->offset, nlk_data(value), p->size);
        if (bits)
            memcpy((uint8_t *)mask + p->offset, nlk_data(bits), p->size);
        else
            memset((uint8_t *)mask + p->offset, 0xff, p->size);
    }
}

static uint16_t get_u16(const struct nlattr *a)
{
    uint16_t v = 0;

    if (a && nlk_size(a) == sizeof v)
        memcpy(&v, nlk_data(a), sizeof v);
    return v;
}

static be16_t get_tag(const struct nlattr *tb[], unsigned tag, be16_t tpid, struct flow_key *key, struct flow_key *mask)
{
    const struct nlattr *vid = tb[vlan_attrs[tag][0]], *pcp = tb[vlan_attrs[tag][1]];
    uint16_t tci = VLAN_PRESENT, bits = VLAN_PRESENT;

    if (vid) {
        tci |= get_u16(vid) & VID_MASK;
        bits |= VID_MASK;
    }
    if (pcp && nlk_size(pcp) == 1) {
        tci |= (uint16_t)((nlk_u8(pcp) & 7) << PCP_SHIFT);
        bits |= 7 << PCP_SHIFT;
    }
    key->vlan[tag] = (struct flow_vlan){tpid, htons(tci)};
    mask->vlan[tag] = (struct flow_vlan){0xffff, htons(bits)};
    return get_u16(tb[vlan_attrs[tag][2]]);
}

static void get_frag(const struct nlattr *tb[], struct flow_key *key, struct flow_key *mask)
{
    const struct nlattr *v = tb[TCA_FLOWER_KEY_FLAGS], *m = tb[TCA_FLOWER_KEY_FLAGS_MASK];

    if (!v || !m || nlk_size(v) != 4 || nlk_size(m) != 4)
        return;
    uint32_t flags = nlk_be32(v), bits = nlk_be32(m);

    if (bits & TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT) {
        mask->ip_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
        if (flags & TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT) {
            key->ip_frag = FLOW_FRAG_ANY;
            if (!(bits & TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST))
                mask->ip_frag = FLOW_FRAG_ANY;
            else if (!(flags & TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST))
                key->ip_frag |= FLOW_FRAG_LATER;
        }
    }
}

int tc_get_match(const struct nlattr *options, be16_t protocol, struct flow_key *ret_key, struct flow_key *ret_mask,
                 struct err *err)
{
    const struct nlattr *tb[TCA_FLOWER_MAX + 1];
    struct flow_key key = {0}, mask = {0};
    be16_t type = protocol;
    int r = tc_parse_all(options, tb, TCA_FLOWER_MAX + 1, err);

    if (r)
        return r;
    for (unsigned tag = 0; tag < FLOW_MAX_VLANS && tb[vlan_attrs[tag][2]]; tag++)
        type = get_tag(tb, tag, type, &key, &mask);
    if (!key.vlan[0].tci)
        mask.vlan[0].tci = htons(VLAN_PRESENT);
    key.eth_type = type;
    mask.eth_type = 0xffff;
    get_frag(tb, &key, &mask);
    const struct nlattr *proto = tb[TCA_FLOWER_KEY_IP_PROTO];
    if (proto && nlk_size(proto) == 1)
        key.ip_proto = nlk_u8(proto);
    get_plain(tb, &key, &mask);
    *ret_key = key;
    *ret_mask = mask;
    return 0;
}
