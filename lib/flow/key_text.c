// SPDX-License-Identifier: Apache-2.0
// Flow keys in the datapath's dialect, as `ovs-dpctl dump-flows` prints what the kernel holds:
// headers in the order of the kernel's dump, each with what is masked of it; a header of which
// nothing is masked is left out, but for eth(). Tags nest:
// "eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),…)". Frames without an Ethernet type
// are "eth_type(0/0xffff)". lib/flow/key_header.c has the headers. Thread: any, no state.
#include "lib/flow/key_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/mem.h"
#include "lib/flow/flag_text.h"
#include "lib/flow/text.h"
#include "lib/flow/value_text.h"

#define ETH_TYPE_NONE 0x05ff // packet_wire.h

struct view {
    const struct flow_key *key, *mask;
    struct str *out;
};

static void put(const struct view *v, const char *name)
{
    const struct key_header *h = key_header_find(name, strlen(name));
    if (!key_header_is_masked(h, v->mask))
        return;
    key_header_format(h, v->key, v->mask, false, v->out);
    str_putc(v->out, ',');
}

static void put_flags(const struct view *v, const char *name, const struct flag_set *set,
                      uint32_t value, uint32_t mask, bool always_signs)
{
    const struct flag_set signs = {set->names, set->all, always_signs};
    if (!mask)
        return;
    str_printf(v->out, "%s(", name);
    flags_format_masked(&signs, value, mask, v->out);
    str_put(v->out, "),");
}

static void put_l4(const struct view *v, bool is_ipv6)
{
    if (v->key->ip_frag & FLOW_FRAG_LATER) // which have none
        return;
    switch (v->key->ip_proto) {
    case IPPROTO_TCP:
        put(v, "tcp");
        put_flags(v, "tcp_flags", &flags_tcp, ntohs(v->key->tcp_flags), ntohs(v->mask->tcp_flags),
                  false);
        break;
    case IPPROTO_UDP:
        put(v, "udp");
        break;
    case IPPROTO_SCTP:
        put(v, "sctp");
        break;
    case IPPROTO_ICMP:
        if (!is_ipv6)
            put(v, "icmp");
        break;
    case IPPROTO_ICMPV6:
        if (!is_ipv6)
            break;
        put(v, "icmpv6");
        put(v, "nd");
        put(v, "nd_ext");
        break;
    default:
        break;
    }
}

static void put_l3(const struct view *v)
{
    switch (ntohs(v->key->eth_type)) {
    case ETH_P_IP:
        put(v, "ipv4");
        put_l4(v, false);
        break;
    case ETH_P_IPV6:
        put(v, "ipv6");
        put_l4(v, true);
        break;
    case ETH_P_ARP:
    case ETH_P_RARP:
        put(v, "arp");
        break;
    case ETH_P_MPLS_UC:
    case ETH_P_MPLS_MC:
        if (is_all_zeros(v->mask->mpls_lse, sizeof(v->mask->mpls_lse)))
            break;
        str_put(v->out, "mpls(");
        key_mpls_format(v->key->mpls_lse, v->mask->mpls_lse, v->out);
        str_put(v->out, "),");
        break;
    default:
        break;
    }
}

static void put_frame(const struct view *v)
{
    unsigned depth = 0;

    for (; depth < FLOW_MAX_VLANS && v->key->vlan[depth].tci & htons(VLAN_PRESENT); depth++) {
        const struct flow_vlan *tag = &v->key->vlan[depth], *mask = &v->mask->vlan[depth];
        str_printf(v->out, "eth_type(0x%04x),", tag->tpid ? ntohs(tag->tpid) : ETH_P_8021Q);
        if (mask->tci) {
            str_put(v->out, "vlan(");
            key_vlan_format(tag->tci, mask->tci, v->out);
            str_put(v->out, "),");
        }
        str_put(v->out, "encap(");
    }
    if (v->mask->eth_type) {
        if (v->key->eth_type == htons(ETH_TYPE_NONE) && v->mask->eth_type == UINT16_MAX)
            str_put(v->out, "eth_type(0/0xffff");
        else
            str_printf(v->out, "eth_type(0x%04x", ntohs(v->key->eth_type));
        if (v->mask->eth_type != UINT16_MAX)
            str_printf(v->out, "/0x%04x", ntohs(v->mask->eth_type));
        str_put(v->out, "),");
        put_l3(v);
    }
    str_chomp(v->out, ",");
    while (depth--)
        str_putc(v->out, ')');
}

// What a mask of NULL stands for: all bits, but for metadata that is zero and so says nothing.
static void exact_mask(const struct flow_key *key, struct flow_key *mask)
{
    memset(mask, 0xff, sizeof(*mask));
    for (size_t i = offsetof(struct flow_key, ct_mark); i < offsetof(struct flow_key, eth_dst); i++)
        ((uint8_t *)mask)[i] = ((const uint8_t *)key)[i] ? 0xff : 0;
    if (is_all_zeros(&key->tun, sizeof(key->tun)))
        memset(&mask->tun, 0, sizeof(mask->tun));
    if (is_all_zeros(&key->tun.ip_src, 8))
        mask->tun.ip_src = mask->tun.ip_dst = 0;
    else
        memset(&mask->tun.ipv6_src, 0, 32);
    mask->tun.gbp_id = key->tun.gbp_id ? UINT16_MAX : 0;
    mask->tun.gbp_flags = key->tun.gbp_flags ? UINT8_MAX : 0;
    mask->dp_hash = key->dp_hash ? UINT32_MAX : 0;
    mask->skb_priority = key->skb_priority ? UINT32_MAX : 0;
    mask->skb_mark = key->skb_mark ? UINT32_MAX : 0;
    mask->nd_reserved = key->nd_reserved ? UINT32_MAX : 0;
    mask->nd_options_type = key->nd_options_type ? UINT8_MAX : 0;
    bool is_nd = key->tp_src == htons(135) || key->tp_src == htons(136);
    if (key->eth_type == htons(ETH_P_IPV6) && !is_nd) {
        memset(&mask->nd_target, 0, sizeof(mask->nd_target));
        memset(&mask->arp_sha, 0, 2 * sizeof(mask->arp_sha));
    }
    if (!(key->mpls_lse[1] | key->mpls_lse[2]))
        mask->mpls_lse[1] = mask->mpls_lse[2] = 0;
}

static bool has_ipv6_tuple(const struct flow_key *key, const struct flow_key *mask)
{
    if (!is_all_zeros(&mask->ct_ip6_src, 32))
        return true;
    return key->eth_type == htons(ETH_P_IPV6) && !mask->ct_ip4_src && !mask->ct_ip4_dst;
}

void flow_key_format(const struct flow_key *key, const struct flow_key *mask,
                     dp_port_name_fn *port_name, const void *aux, struct str *out)
{
    struct flow_key exact;
    if (!mask) {
        exact_mask(key, &exact);
        mask = &exact;
    }
    const struct view v = {key, mask, out};

    put(&v, "recirc_id");
    put(&v, "dp_hash");
    put(&v, "skb_priority");
    put(&v, "tunnel");
    if (mask->in_port) {
        const char *name = port_name ? port_name(aux, key->in_port) : NULL;
        if (name)
            str_printf(out, "in_port(%s),", name);
        else
            str_printf(out, "in_port(%u),", key->in_port);
    }
    put(&v, "skb_mark");
    put_flags(&v, "ct_state", &flags_ct_state, key->ct_state, mask->ct_state, true);
    put(&v, "ct_zone");
    put(&v, "ct_mark");
    put(&v, "ct_label");
    put(&v, has_ipv6_tuple(key, mask) ? "ct_tuple6" : "ct_tuple4");
    if (mask->packet_type && key->packet_type)
        str_printf(out, "packet_type(ns=%u,id=0x%x),", ntohl(key->packet_type) >> 16,
                   ntohl(key->packet_type) & 0xffff);
    key_header_format(key_header_find("eth", 3), key, mask, false, out);
    str_putc(out, ',');
    put_frame(&v);
    str_chomp(out, ",");
}
