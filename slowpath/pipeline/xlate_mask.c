// SPDX-License-Identifier: Apache-2.0
// From the bits that translation looked at to a megaflow's mask: what every tier must know is
// added, what the packet doesn't have is taken out. Pure, any thread. Neighbours: xlate.c. Why
// taking out is right: a member that does not exist in packets of this Ethernet type, protocol or
// fragment kind is zero in all of them, and type, protocol and fragment bits are in the mask.

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "slowpath/pipeline/xlate_private.h"

#define ND_SOLICIT 135
#define ND_ADVERT 136

static void finish_vlan(const struct flow_key *key, struct flow_key *mask)
{
    for (unsigned i = 0; i < FLOW_MAX_VLANS; i++) {
        mask->vlan[i].tci |= htons(VLAN_PRESENT);
        if (key->vlan[i].tci & htons(VLAN_PRESENT)) {
            mask->vlan[i].tpid = UINT16_MAX;
            continue;
        }
        memset(&mask->vlan[i], 0, (FLOW_MAX_VLANS - i) * sizeof(mask->vlan[0]));
        mask->vlan[i].tci = htons(VLAN_PRESENT);
        break;
    }
}

static void drop_l4(struct flow_key *mask)
{
    mask->tp_src = mask->tp_dst = mask->tcp_flags = 0;
}

static void drop_nd(struct flow_key *mask)
{
    memset(&mask->nd_target, 0, sizeof(mask->nd_target));
    memset(&mask->arp_sha, 0, sizeof(mask->arp_sha));
    memset(&mask->arp_tha, 0, sizeof(mask->arp_tha));
    mask->nd_reserved = 0;
    mask->nd_options_type = 0;
}

static void finish_l4(const struct flow_key *key, struct flow_key *mask)
{
    bool v6 = key->eth_type == htons(ETH_P_IPV6);
    if (mask->tp_src || mask->tp_dst || mask->tcp_flags)
        mask->ip_proto = UINT8_MAX;
    if (key->ip_frag & FLOW_FRAG_LATER) {
        drop_l4(mask);
        drop_nd(mask);
        return;
    }
    if (mask->ip_proto != UINT8_MAX)
        return;
    bool icmp = key->ip_proto == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    if (key->ip_proto != IPPROTO_TCP)
        mask->tcp_flags = 0;
    if (icmp) { // type and code: a byte each
        mask->tp_src &= htons(0xff);
        mask->tp_dst &= htons(0xff);
    } else if (key->ip_proto != IPPROTO_TCP && key->ip_proto != IPPROTO_UDP &&
               key->ip_proto != IPPROTO_SCTP) {
        drop_l4(mask);
    }
    bool nd = v6 && icmp && (key->tp_src == htons(ND_SOLICIT) || key->tp_src == htons(ND_ADVERT));
    if (!nd && mask->tp_src == htons(0xff))
        drop_nd(mask);
}

static void drop_ip4(struct flow_key *mask)
{
    mask->ip4_src = mask->ip4_dst = 0;
}

static void drop_ip6(struct flow_key *mask)
{
    memset(&mask->ip6_src, 0, sizeof(mask->ip6_src));
    memset(&mask->ip6_dst, 0, sizeof(mask->ip6_dst));
    mask->ip6_label = 0;
}

void xlate_finish_mask(const struct flow_key *key, const struct flow *wc, struct flow_key *ret_mask)
{
    struct flow_key *mask = ret_mask;
    *mask = wc->key;
    mask->in_port = UINT32_MAX;
    mask->recirc_id = UINT32_MAX;
    mask->packet_type = UINT32_MAX;
    mask->eth_type = UINT16_MAX;
    finish_vlan(key, mask);
    uint16_t type = ntohs(key->eth_type);
    bool ip = type == ETH_P_IP || type == ETH_P_IPV6, arp = type == ETH_P_ARP || type == ETH_P_RARP;
    if (type != ETH_P_MPLS_UC && type != ETH_P_MPLS_MC)
        memset(mask->mpls_lse, 0, sizeof(mask->mpls_lse));
    if (type != ETH_P_IPV6)
        drop_ip6(mask);
    if (type != ETH_P_IP && !arp)
        drop_ip4(mask);
    mask->ip_frag = ip ? FLOW_FRAG_ANY | FLOW_FRAG_LATER : 0;
    if (ip) {
        if (type == ETH_P_IP)
            drop_nd(mask);
        finish_l4(key, mask);
        return;
    }
    mask->ip_tos = mask->ip_ttl = 0;
    drop_l4(mask);
    if (arp) {
        memset(&mask->nd_target, 0, sizeof(mask->nd_target));
        mask->nd_reserved = 0;
        mask->nd_options_type = 0;
    } else {
        mask->ip_proto = 0;
        drop_nd(mask);
    }
}
