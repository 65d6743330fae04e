// SPDX-License-Identifier: Apache-2.0
// The table of match fields: where each lies in struct flow, how it is written on the wire and for
// people, and what it presupposes. Constant data; lib/flow/field.c gives it behaviour, the codecs
// and text forms walk it.
//
// Sources of the header numbers: OpenFlow 1.5.1, section 7.2.3.7 (class 0x8000) and 7.2.3.9 (packet
// registers, class 0x8001); ONF's extensions EXT-233 and EXT-109 (experimenter 0x4f4e4600);
// Nicira's NXM (classes 0 and 1), ovs-fields(7); Ericsson's class 0x1000 for neighbour discovery,
// ovs-fields(7).
//
// A header is class << 16 | field << 9 | has-mask << 8 | payload length.
#include "lib/flow/field_table.h"

// clang-format off: one row, one line.
#define HEADER(class, field, length) ((uint32_t)(class) << 16 | (uint32_t)(field) << 9 | (length))
#define NXM_OF(name, field, length) .nxm = {"NXM_OF_" name, HEADER(0x0000, field, length), 0, 0}
#define NXM_NX(name, field, length) .nxm = {"NXM_NX_" name, HEADER(0x0001, field, length), 0, 0}
#define OXM_OF(name, field, length, version)                                                       \
    .oxm = {"OXM_OF_" name, HEADER(0x8000, field, length), 0, version}
#define OXM_PKT_REG(name, field) .oxm = {"OXM_OF_PKT_" name, HEADER(0x8001, field, 8), 0, OF13}
#define OXM_ERIC(name, field, length)                                                              \
    .oxm = {"ERICOXM_OF_" name, HEADER(0x1000, field, length), 0, 0}
#define OXM_NX(name, field, length)                                                                \
    .oxm = {"NXOXM_ET_" name, HEADER(0xffff, field, 4 + (length)), 0x2320, 0}
#define ONF(name, field, length)                                                                   \
    .onf = {"ONFOXM_ET_" name, HEADER(0xffff, field, 4 + (length)), 0x4f4e4600, OF13}
enum { OF12 = 3, OF13 = 4, OF15 = 6 };

#define FIELD(which, name_, alias_) .id = which, .name = name_, .alias = alias_
#define WIRE(bytes, bits) .n_bytes = bytes, .n_bits = bits
#define AT(member)                                                                                 \
    .offset = offsetof(struct flow, member), .size = sizeof(((struct flow *)0)->member)
// A part of a member, as other fields are: its least significant bit within the member.
#define WITHIN(member, lowest_bit) AT(member), .shift = lowest_bit, .shared = true
#define HOST .host_order = true
#define MASKABLE .maskable = true
#define WRITABLE .writable = true
#define TEXT(kind) .text = TEXT_##kind
#define NEEDS(what) .prereq = PREREQ_##what

const struct field field_table[FIELD_COUNT] = {
    // Metadata of the packet.
    [FIELD_IN_PORT] = {FIELD(FIELD_IN_PORT, "in_port", NULL), WIRE(4, 32), AT(key.in_port), HOST,
                       TEXT(DP_PORT)},
    [FIELD_RECIRC_ID] = {FIELD(FIELD_RECIRC_ID, "recirc_id", NULL), WIRE(4, 32), AT(key.recirc_id),
                         HOST, TEXT(DECIMAL), NXM_NX("RECIRC_ID", 36, 4)},
    [FIELD_DP_HASH] = {FIELD(FIELD_DP_HASH, "dp_hash", NULL), WIRE(4, 32), AT(key.dp_hash), HOST,
                       TEXT(HEX), MASKABLE, NXM_NX("DP_HASH", 35, 4), OXM_NX("DP_HASH", 0, 4)},
    [FIELD_SKB_PRIORITY] = {FIELD(FIELD_SKB_PRIORITY, "skb_priority", NULL), WIRE(4, 32),
                            AT(key.skb_priority), HOST, TEXT(HEX)},
    [FIELD_PKT_MARK] = {FIELD(FIELD_PKT_MARK, "pkt_mark", NULL), WIRE(4, 32), AT(key.skb_mark),
                        HOST, TEXT(HEX), MASKABLE, WRITABLE, NXM_NX("PKT_MARK", 33, 4)},
    [FIELD_CT_STATE] = {FIELD(FIELD_CT_STATE, "ct_state", NULL), WIRE(4, 32), AT(key.ct_state),
                        TEXT(CT_STATE), MASKABLE, NXM_NX("CT_STATE", 105, 4)},
    [FIELD_CT_ZONE] = {FIELD(FIELD_CT_ZONE, "ct_zone", NULL), WIRE(2, 16), AT(key.ct_zone), HOST,
                       TEXT(HEX), NXM_NX("CT_ZONE", 106, 2)},
    [FIELD_CT_MARK] = {FIELD(FIELD_CT_MARK, "ct_mark", NULL), WIRE(4, 32), AT(key.ct_mark), HOST,
                       TEXT(HEX), MASKABLE, WRITABLE, NXM_NX("CT_MARK", 107, 4)},
    [FIELD_CT_LABEL] = {FIELD(FIELD_CT_LABEL, "ct_label", NULL), WIRE(16, 128), AT(key.ct_label),
                        TEXT(HEX), MASKABLE, WRITABLE, NXM_NX("CT_LABEL", 108, 16)},
    [FIELD_CT_NW_PROTO] = {FIELD(FIELD_CT_NW_PROTO, "ct_nw_proto", NULL), WIRE(1, 8),
                           AT(key.ct_proto), TEXT(DECIMAL), NEEDS(CT),
                           NXM_NX("CT_NW_PROTO", 119, 1)},
    [FIELD_CT_NW_SRC] = {FIELD(FIELD_CT_NW_SRC, "ct_nw_src", NULL), WIRE(4, 32), AT(key.ct_ip4_src),
                         TEXT(IPV4), NEEDS(CT_IPV4), MASKABLE, NXM_NX("CT_NW_SRC", 120, 4)},
    [FIELD_CT_NW_DST] = {FIELD(FIELD_CT_NW_DST, "ct_nw_dst", NULL), WIRE(4, 32), AT(key.ct_ip4_dst),
                         TEXT(IPV4), NEEDS(CT_IPV4), MASKABLE, NXM_NX("CT_NW_DST", 121, 4)},
    [FIELD_CT_IPV6_SRC] = {FIELD(FIELD_CT_IPV6_SRC, "ct_ipv6_src", NULL), WIRE(16, 128),
                           AT(key.ct_ip6_src), TEXT(IPV6), NEEDS(CT_IPV6), MASKABLE,
                           NXM_NX("CT_IPV6_SRC", 122, 16)},
    [FIELD_CT_IPV6_DST] = {FIELD(FIELD_CT_IPV6_DST, "ct_ipv6_dst", NULL), WIRE(16, 128),
                           AT(key.ct_ip6_dst), TEXT(IPV6), NEEDS(CT_IPV6), MASKABLE,
                           NXM_NX("CT_IPV6_DST", 123, 16)},
    [FIELD_CT_TP_SRC] = {FIELD(FIELD_CT_TP_SRC, "ct_tp_src", NULL), WIRE(2, 16), AT(key.ct_tp_src),
                         TEXT(DECIMAL), NEEDS(CT), MASKABLE, NXM_NX("CT_TP_SRC", 124, 2)},
    [FIELD_CT_TP_DST] = {FIELD(FIELD_CT_TP_DST, "ct_tp_dst", NULL), WIRE(2, 16), AT(key.ct_tp_dst),
                         TEXT(DECIMAL), NEEDS(CT), MASKABLE, NXM_NX("CT_TP_DST", 125, 2)},
    [FIELD_PACKET_TYPE] = {FIELD(FIELD_PACKET_TYPE, "packet_type", NULL), WIRE(4, 32),
                           AT(key.packet_type), TEXT(PACKET_TYPE),
                           OXM_OF("PACKET_TYPE", 44, 4, OF15)},
    [FIELD_TUN_ID] = {FIELD(FIELD_TUN_ID, "tun_id", "tunnel_id"), WIRE(8, 64), AT(key.tun.id),
                      TEXT(HEX), MASKABLE, WRITABLE, NXM_NX("TUN_ID", 16, 8),
                      OXM_OF("TUNNEL_ID", 38, 8, OF13)},
    [FIELD_TUN_SRC] = {FIELD(FIELD_TUN_SRC, "tun_src", NULL), WIRE(4, 32), AT(key.tun.ip_src),
                       TEXT(IPV4), MASKABLE, WRITABLE, NXM_NX("TUN_IPV4_SRC", 31, 4)},
    [FIELD_TUN_DST] = {FIELD(FIELD_TUN_DST, "tun_dst", NULL), WIRE(4, 32), AT(key.tun.ip_dst),
                       TEXT(IPV4), MASKABLE, WRITABLE, NXM_NX("TUN_IPV4_DST", 32, 4)},
    [FIELD_TUN_IPV6_SRC] = {FIELD(FIELD_TUN_IPV6_SRC, "tun_ipv6_src", NULL), WIRE(16, 128),
                            AT(key.tun.ipv6_src), TEXT(IPV6), MASKABLE, WRITABLE,
                            NXM_NX("TUN_IPV6_SRC", 109, 16)},
    [FIELD_TUN_IPV6_DST] = {FIELD(FIELD_TUN_IPV6_DST, "tun_ipv6_dst", NULL), WIRE(16, 128),
                            AT(key.tun.ipv6_dst), TEXT(IPV6), MASKABLE, WRITABLE,
                            NXM_NX("TUN_IPV6_DST", 110, 16)},
    [FIELD_TUN_FLAGS] = {FIELD(FIELD_TUN_FLAGS, "tun_flags", NULL), WIRE(2, 1),
                         WITHIN(key.tun.flags, 3), HOST, TEXT(TUN_FLAGS), MASKABLE, WRITABLE,
                         NXM_NX("TUN_FLAGS", 104, 2)},
    [FIELD_TUN_TOS] = {FIELD(FIELD_TUN_TOS, "tun_tos", NULL), WIRE(1, 8), AT(key.tun.tos),
                       TEXT(DECIMAL)},
    [FIELD_TUN_TTL] = {FIELD(FIELD_TUN_TTL, "tun_ttl", NULL), WIRE(1, 8), AT(key.tun.ttl),
                       TEXT(DECIMAL)},
    [FIELD_TUN_TP_SRC] = {FIELD(FIELD_TUN_TP_SRC, "tun_tp_src", NULL), WIRE(2, 16),
                          AT(key.tun.tp_src), TEXT(DECIMAL), MASKABLE},
    [FIELD_TUN_TP_DST] = {FIELD(FIELD_TUN_TP_DST, "tun_tp_dst", NULL), WIRE(2, 16),
                          AT(key.tun.tp_dst), TEXT(DECIMAL), MASKABLE},
    [FIELD_TUN_GBP_ID] = {FIELD(FIELD_TUN_GBP_ID, "tun_gbp_id", NULL), WIRE(2, 16),
                          AT(key.tun.gbp_id), TEXT(DECIMAL), MASKABLE, WRITABLE,
                          NXM_NX("TUN_GBP_ID", 38, 2)},
    [FIELD_TUN_GBP_FLAGS] = {FIELD(FIELD_TUN_GBP_FLAGS, "tun_gbp_flags", NULL), WIRE(1, 8),
                             AT(key.tun.gbp_flags), TEXT(HEX), MASKABLE, WRITABLE,
                             NXM_NX("TUN_GBP_FLAGS", 39, 1)},

    // Layer 2.
    [FIELD_ETH_SRC] = {FIELD(FIELD_ETH_SRC, "eth_src", "dl_src"), WIRE(6, 48), AT(key.eth_src),
                       TEXT(ETHERNET), MASKABLE, WRITABLE, NXM_OF("ETH_SRC", 2, 6),
                       OXM_OF("ETH_SRC", 4, 6, OF12)},
    [FIELD_ETH_DST] = {FIELD(FIELD_ETH_DST, "eth_dst", "dl_dst"), WIRE(6, 48), AT(key.eth_dst),
                       TEXT(ETHERNET), MASKABLE, WRITABLE, NXM_OF("ETH_DST", 1, 6),
                       OXM_OF("ETH_DST", 3, 6, OF12)},
    [FIELD_ETH_TYPE] = {FIELD(FIELD_ETH_TYPE, "eth_type", "dl_type"), WIRE(2, 16), AT(key.eth_type),
                        TEXT(HEX), NXM_OF("ETH_TYPE", 3, 2), OXM_OF("ETH_TYPE", 5, 2, OF12)},
    [FIELD_VLAN_TPID] = {FIELD(FIELD_VLAN_TPID, "vlan_tpid", NULL), WIRE(2, 16),
                         AT(key.vlan[0].tpid), TEXT(HEX)},
    [FIELD_VLAN_TCI] = {FIELD(FIELD_VLAN_TCI, "vlan_tci", NULL), WIRE(2, 16),
                        WITHIN(key.vlan[0].tci, 0), TEXT(HEX), MASKABLE, WRITABLE,
                        NXM_OF("VLAN_TCI", 4, 2)},
    [FIELD_VLAN_VID] = {FIELD(FIELD_VLAN_VID, "vlan_vid", NULL), WIRE(2, 13),
                        WITHIN(key.vlan[0].tci, 0), TEXT(DECIMAL), MASKABLE, WRITABLE,
                        OXM_OF("VLAN_VID", 6, 2, OF12)},
    [FIELD_VLAN_PCP] = {FIELD(FIELD_VLAN_PCP, "vlan_pcp", NULL), WIRE(1, 3),
                        WITHIN(key.vlan[0].tci, 13), TEXT(DECIMAL), NEEDS(VLAN), WRITABLE,
                        OXM_OF("VLAN_PCP", 7, 1, OF12)},
    [FIELD_VLAN2_TPID] = {FIELD(FIELD_VLAN2_TPID, "vlan_tpid1", NULL), WIRE(2, 16),
                          AT(key.vlan[1].tpid), TEXT(HEX)},
    [FIELD_VLAN2_TCI] = {FIELD(FIELD_VLAN2_TCI, "vlan_tci1", NULL), WIRE(2, 16),
                         AT(key.vlan[1].tci), TEXT(HEX), MASKABLE},
    [FIELD_MPLS_LABEL] = {FIELD(FIELD_MPLS_LABEL, "mpls_label", NULL), WIRE(4, 20),
                          WITHIN(key.mpls_lse[0], 12), TEXT(DECIMAL), NEEDS(MPLS), WRITABLE,
                          OXM_OF("MPLS_LABEL", 34, 4, OF12)},
    [FIELD_MPLS_TC] = {FIELD(FIELD_MPLS_TC, "mpls_tc", NULL), WIRE(1, 3),
                       WITHIN(key.mpls_lse[0], 9), TEXT(DECIMAL), NEEDS(MPLS), WRITABLE,
                       OXM_OF("MPLS_TC", 35, 1, OF12)},
    [FIELD_MPLS_BOS] = {FIELD(FIELD_MPLS_BOS, "mpls_bos", NULL), WIRE(1, 1),
                        WITHIN(key.mpls_lse[0], 8), TEXT(DECIMAL), NEEDS(MPLS),
                        OXM_OF("MPLS_BOS", 36, 1, OF13)},
    [FIELD_MPLS_TTL] = {FIELD(FIELD_MPLS_TTL, "mpls_ttl", NULL), WIRE(1, 8),
                        WITHIN(key.mpls_lse[0], 0), TEXT(DECIMAL), NEEDS(MPLS), WRITABLE,
                        NXM_NX("MPLS_TTL", 30, 1)},
    [FIELD_MPLS_LSE2] = {FIELD(FIELD_MPLS_LSE2, "mpls_lse1", NULL), WIRE(4, 32),
                         AT(key.mpls_lse[1]), TEXT(HEX), NEEDS(MPLS), MASKABLE},
    [FIELD_MPLS_LSE3] = {FIELD(FIELD_MPLS_LSE3, "mpls_lse2", NULL), WIRE(4, 32),
                         AT(key.mpls_lse[2]), TEXT(HEX), NEEDS(MPLS), MASKABLE},

    // Layer 3.
    [FIELD_IPV4_SRC] = {FIELD(FIELD_IPV4_SRC, "ip_src", "nw_src"), WIRE(4, 32), AT(key.ip4_src),
                        TEXT(IPV4), NEEDS(IPV4), MASKABLE, WRITABLE, NXM_OF("IP_SRC", 7, 4),
                        OXM_OF("IPV4_SRC", 11, 4, OF12)},
    [FIELD_IPV4_DST] = {FIELD(FIELD_IPV4_DST, "ip_dst", "nw_dst"), WIRE(4, 32), AT(key.ip4_dst),
                        TEXT(IPV4), NEEDS(IPV4), MASKABLE, WRITABLE, NXM_OF("IP_DST", 8, 4),
                        OXM_OF("IPV4_DST", 12, 4, OF12)},
    [FIELD_IPV6_SRC] = {FIELD(FIELD_IPV6_SRC, "ipv6_src", NULL), WIRE(16, 128), AT(key.ip6_src),
                        TEXT(IPV6), NEEDS(IPV6), MASKABLE, WRITABLE, NXM_NX("IPV6_SRC", 19, 16),
                        OXM_OF("IPV6_SRC", 26, 16, OF12)},
    [FIELD_IPV6_DST] = {FIELD(FIELD_IPV6_DST, "ipv6_dst", NULL), WIRE(16, 128), AT(key.ip6_dst),
                        TEXT(IPV6), NEEDS(IPV6), MASKABLE, WRITABLE, NXM_NX("IPV6_DST", 20, 16),
                        OXM_OF("IPV6_DST", 27, 16, OF12)},
    [FIELD_IPV6_LABEL] = {FIELD(FIELD_IPV6_LABEL, "ipv6_label", NULL), WIRE(4, 20),
                          AT(key.ip6_label), TEXT(HEX), NEEDS(IPV6), MASKABLE, WRITABLE,
                          NXM_NX("IPV6_LABEL", 27, 4), OXM_OF("IPV6_FLABEL", 28, 4, OF12)},
    [FIELD_IP_PROTO] = {FIELD(FIELD_IP_PROTO, "nw_proto", "ip_proto"), WIRE(1, 8), AT(key.ip_proto),
                        TEXT(DECIMAL), NEEDS(IP), NXM_OF("IP_PROTO", 6, 1),
                        OXM_OF("IP_PROTO", 10, 1, OF12)},
    [FIELD_IP_DSCP] = {FIELD(FIELD_IP_DSCP, "nw_tos", NULL), WIRE(1, 8), WITHIN(key.ip_tos, 0),
                       .low_zero = 2, TEXT(DECIMAL), NEEDS(IP), WRITABLE, NXM_OF("IP_TOS", 5, 1)},
    [FIELD_IP_DSCP_OXM] = {FIELD(FIELD_IP_DSCP_OXM, "ip_dscp", NULL), WIRE(1, 6),
                           WITHIN(key.ip_tos, 2), TEXT(DECIMAL), NEEDS(IP), WRITABLE,
                           OXM_OF("IP_DSCP", 8, 1, OF12)},
    [FIELD_IP_ECN] = {FIELD(FIELD_IP_ECN, "nw_ecn", "ip_ecn"), WIRE(1, 2), WITHIN(key.ip_tos, 0),
                      TEXT(DECIMAL), NEEDS(IP), WRITABLE, NXM_NX("IP_ECN", 28, 1),
                      OXM_OF("IP_ECN", 9, 1, OF12)},
    [FIELD_IP_TTL] = {FIELD(FIELD_IP_TTL, "nw_ttl", NULL), WIRE(1, 8), AT(key.ip_ttl),
                      TEXT(DECIMAL), NEEDS(IP), WRITABLE, NXM_NX("IP_TTL", 29, 1)},
    [FIELD_IP_FRAG] = {FIELD(FIELD_IP_FRAG, "ip_frag", "nw_frag"), WIRE(1, 2), AT(key.ip_frag),
                       TEXT(FRAG), NEEDS(IP), MASKABLE, NXM_NX("IP_FRAG", 26, 1)},
    [FIELD_ARP_OP] = {FIELD(FIELD_ARP_OP, "arp_op", NULL), WIRE(2, 16), AT(key.ip_proto),
                      TEXT(DECIMAL), NEEDS(ARP), WRITABLE, NXM_OF("ARP_OP", 15, 2),
                      OXM_OF("ARP_OP", 21, 2, OF12)},
    [FIELD_ARP_SPA] = {FIELD(FIELD_ARP_SPA, "arp_spa", NULL), WIRE(4, 32), AT(key.ip4_src),
                       TEXT(IPV4), NEEDS(ARP), MASKABLE, WRITABLE, NXM_OF("ARP_SPA", 16, 4),
                       OXM_OF("ARP_SPA", 22, 4, OF12)},
    [FIELD_ARP_TPA] = {FIELD(FIELD_ARP_TPA, "arp_tpa", NULL), WIRE(4, 32), AT(key.ip4_dst),
                       TEXT(IPV4), NEEDS(ARP), MASKABLE, WRITABLE, NXM_OF("ARP_TPA", 17, 4),
                       OXM_OF("ARP_TPA", 23, 4, OF12)},
    [FIELD_ARP_SHA] = {FIELD(FIELD_ARP_SHA, "arp_sha", NULL), WIRE(6, 48), AT(key.arp_sha),
                       TEXT(ETHERNET), NEEDS(ARP), MASKABLE, WRITABLE, NXM_NX("ARP_SHA", 17, 6),
                       OXM_OF("ARP_SHA", 24, 6, OF12)},
    [FIELD_ARP_THA] = {FIELD(FIELD_ARP_THA, "arp_tha", NULL), WIRE(6, 48), AT(key.arp_tha),
                       TEXT(ETHERNET), NEEDS(ARP), MASKABLE, WRITABLE, NXM_NX("ARP_THA", 18, 6),
                       OXM_OF("ARP_THA", 25, 6, OF12)},

    // Layer 4.
    [FIELD_TCP_SRC] = {FIELD(FIELD_TCP_SRC, "tcp_src", "tp_src"), WIRE(2, 16), AT(key.tp_src),
                       TEXT(DECIMAL), NEEDS(TCP), MASKABLE, WRITABLE, NXM_OF("TCP_SRC", 9, 2),
                       OXM_OF("TCP_SRC", 13, 2, OF12)},
    [FIELD_TCP_DST] = {FIELD(FIELD_TCP_DST, "tcp_dst", "tp_dst"), WIRE(2, 16), AT(key.tp_dst),
                       TEXT(DECIMAL), NEEDS(TCP), MASKABLE, WRITABLE, NXM_OF("TCP_DST", 10, 2),
                       OXM_OF("TCP_DST", 14, 2, OF12)},
    [FIELD_TCP_FLAGS] = {FIELD(FIELD_TCP_FLAGS, "tcp_flags", NULL), WIRE(2, 12), AT(key.tcp_flags),
                         TEXT(TCP_FLAGS), NEEDS(TCP), MASKABLE, NXM_NX("TCP_FLAGS", 34, 2),
                         OXM_OF("TCP_FLAGS", 42, 2, OF15), ONF("TCP_FLAGS", 42, 2)},
    [FIELD_UDP_SRC] = {FIELD(FIELD_UDP_SRC, "udp_src", NULL), WIRE(2, 16), AT(key.tp_src),
                       TEXT(DECIMAL), NEEDS(UDP), MASKABLE, WRITABLE, NXM_OF("UDP_SRC", 11, 2),
                       OXM_OF("UDP_SRC", 15, 2, OF12)},
    [FIELD_UDP_DST] = {FIELD(FIELD_UDP_DST, "udp_dst", NULL), WIRE(2, 16), AT(key.tp_dst),
                       TEXT(DECIMAL), NEEDS(UDP), MASKABLE, WRITABLE, NXM_OF("UDP_DST", 12, 2),
                       OXM_OF("UDP_DST", 16, 2, OF12)},
    [FIELD_SCTP_SRC] = {FIELD(FIELD_SCTP_SRC, "sctp_src", NULL), WIRE(2, 16), AT(key.tp_src),
                        TEXT(DECIMAL), NEEDS(SCTP), MASKABLE, WRITABLE,
                        OXM_OF("SCTP_SRC", 17, 2, OF12)},
    [FIELD_SCTP_DST] = {FIELD(FIELD_SCTP_DST, "sctp_dst", NULL), WIRE(2, 16), AT(key.tp_dst),
                        TEXT(DECIMAL), NEEDS(SCTP), MASKABLE, WRITABLE,
                        OXM_OF("SCTP_DST", 18, 2, OF12)},
    [FIELD_ICMPV4_TYPE] = {FIELD(FIELD_ICMPV4_TYPE, "icmp_type", NULL), WIRE(1, 8), AT(key.tp_src),
                           TEXT(DECIMAL), NEEDS(ICMPV4), WRITABLE, NXM_OF("ICMP_TYPE", 13, 1),
                           OXM_OF("ICMPV4_TYPE", 19, 1, OF12)},
    [FIELD_ICMPV4_CODE] = {FIELD(FIELD_ICMPV4_CODE, "icmp_code", NULL), WIRE(1, 8), AT(key.tp_dst),
                           TEXT(DECIMAL), NEEDS(ICMPV4), WRITABLE, NXM_OF("ICMP_CODE", 14, 1),
                           OXM_OF("ICMPV4_CODE", 20, 1, OF12)},
    [FIELD_ICMPV6_TYPE] = {FIELD(FIELD_ICMPV6_TYPE, "icmpv6_type", NULL), WIRE(1, 8),
                           AT(key.tp_src), TEXT(DECIMAL), NEEDS(ICMPV6), WRITABLE,
                           NXM_NX("ICMPV6_TYPE", 21, 1), OXM_OF("ICMPV6_TYPE", 29, 1, OF12)},
    [FIELD_ICMPV6_CODE] = {FIELD(FIELD_ICMPV6_CODE, "icmpv6_code", NULL), WIRE(1, 8),
                           AT(key.tp_dst), TEXT(DECIMAL), NEEDS(ICMPV6), WRITABLE,
                           NXM_NX("ICMPV6_CODE", 22, 1), OXM_OF("ICMPV6_CODE", 30, 1, OF12)},
    [FIELD_ND_TARGET] = {FIELD(FIELD_ND_TARGET, "nd_target", NULL), WIRE(16, 128),
                         AT(key.nd_target), TEXT(IPV6), NEEDS(ND), MASKABLE, WRITABLE,
                         NXM_NX("ND_TARGET", 23, 16), OXM_OF("IPV6_ND_TARGET", 31, 16, OF12)},
    [FIELD_ND_SLL] = {FIELD(FIELD_ND_SLL, "nd_sll", NULL), WIRE(6, 48), AT(key.arp_sha),
                      TEXT(ETHERNET), NEEDS(ND_SOLICIT), MASKABLE, WRITABLE,
                      NXM_NX("ND_SLL", 24, 6), OXM_OF("IPV6_ND_SLL", 32, 6, OF12)},
    [FIELD_ND_TLL] = {FIELD(FIELD_ND_TLL, "nd_tll", NULL), WIRE(6, 48), AT(key.arp_tha),
                      TEXT(ETHERNET), NEEDS(ND_ADVERT), MASKABLE, WRITABLE, NXM_NX("ND_TLL", 25, 6),
                      OXM_OF("IPV6_ND_TLL", 33, 6, OF12)},
    [FIELD_ND_RESERVED] = {FIELD(FIELD_ND_RESERVED, "nd_reserved", NULL), WIRE(4, 32),
                           AT(key.nd_reserved), TEXT(DECIMAL), NEEDS(ND), WRITABLE,
                           OXM_ERIC("ICMPV6_ND_RESERVED", 1, 4)},
    [FIELD_ND_OPTIONS_TYPE] = {FIELD(FIELD_ND_OPTIONS_TYPE, "nd_options_type", NULL), WIRE(1, 8),
                               AT(key.nd_options_type), TEXT(DECIMAL), NEEDS(ND), WRITABLE,
                               OXM_ERIC("ICMPV6_ND_OPTIONS_TYPE", 2, 1)},

    // Known to the pipeline only.
    [FIELD_OF_IN_PORT] = {FIELD(FIELD_OF_IN_PORT, "in_port", NULL), WIRE(2, 16), AT(pipe.in_port),
                          HOST, TEXT(OFP_PORT), WRITABLE, NXM_OF("IN_PORT", 0, 2)},
    [FIELD_OF_IN_PORT_OXM] = {FIELD(FIELD_OF_IN_PORT_OXM, "in_port_oxm", NULL), WIRE(4, 32),
                              AT(pipe.in_port), HOST, TEXT(OFP_PORT), WRITABLE,
                              OXM_OF("IN_PORT", 0, 4, OF12)},
    [FIELD_METADATA] = {FIELD(FIELD_METADATA, "metadata", NULL), WIRE(8, 64), AT(pipe.metadata),
                        TEXT(HEX), MASKABLE, WRITABLE, OXM_OF("METADATA", 2, 8, OF12)},
    [FIELD_ACTSET_OUTPUT] = {FIELD(FIELD_ACTSET_OUTPUT, "actset_output", NULL), WIRE(4, 32),
                             AT(pipe.actset_output), HOST, TEXT(OFP_PORT),
                             OXM_OF("ACTSET_OUTPUT", 43, 4, OF15), ONF("ACTSET_OUTPUT", 43, 4)},
    [FIELD_CONJ_ID] = {FIELD(FIELD_CONJ_ID, "conj_id", NULL), WIRE(4, 32), AT(pipe.conj_id), HOST,
                       TEXT(DECIMAL), NXM_NX("CONJ_ID", 37, 4)},

// Registers, and pairs and quadruples of them.
#define REG(n)                                                                                     \
    [FIELD_REG0 + n] = {FIELD(FIELD_REG0 + n, "reg" #n, NULL),                                     \
                        WIRE(4, 32),                                                               \
                        AT(pipe.regs[n]),                                                          \
                        HOST,                                                                      \
                        TEXT(HEX),                                                                 \
                        MASKABLE,                                                                  \
                        WRITABLE,                                                                  \
                        NXM_NX("REG" #n, n, 4)}
#define XREG(n)                                                                                    \
    [FIELD_XREG0 + n] = {FIELD(FIELD_XREG0 + n, "xreg" #n, NULL),                                  \
                         WIRE(8, 64),                                                              \
                         .offset = offsetof(struct flow, pipe.regs[2 * n]),                        \
                         .size = 8,                                                                \
                         HOST,                                                                     \
                         .shared = true,                                                           \
                         TEXT(HEX),                                                                \
                         MASKABLE,                                                                 \
                         WRITABLE,                                                                 \
                         OXM_PKT_REG("REG" #n, n)}
#define XXREG(n)                                                                                   \
    [FIELD_XXREG0 + n] = {FIELD(FIELD_XXREG0 + n, "xxreg" #n, NULL),                               \
                          WIRE(16, 128),                                                           \
                          .offset = offsetof(struct flow, pipe.regs[4 * n]),                       \
                          .size = 16,                                                              \
                          HOST,                                                                    \
                          .shared = true,                                                          \
                          TEXT(HEX),                                                               \
                          MASKABLE,                                                                \
                          WRITABLE,                                                                \
                          NXM_NX("XXREG" #n, 111 + n, 16)}
    REG(0),
    REG(1),
    REG(2),
    REG(3),
    REG(4),
    REG(5),
    REG(6),
    REG(7),
    REG(8),
    REG(9),
    REG(10),
    REG(11),
    REG(12),
    REG(13),
    REG(14),
    REG(15),
    XREG(0),
    XREG(1),
    XREG(2),
    XREG(3),
    XREG(4),
    XREG(5),
    XREG(6),
    XREG(7),
    XXREG(0),
    XXREG(1),
    XXREG(2),
    XXREG(3),
};
