// SPDX-License-Identifier: Apache-2.0
// Where things lie in frames: offsets and sizes of the headers that parsing, editing and composing
// share, and loads and stores at unaligned addresses. Private to this folder.
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/flow/packet.h"

#define ETH_ADDRS_LEN 12u // both addresses; the first tag or the Ethernet type follows
#define VLAN_TAG_LEN 4u
#define LLC_SNAP_LEN 8u // RFC 1042: AA AA 03, 3 bytes of OUI, type
#define MPLS_LSE_LEN 4u
#define IPV4_MIN_LEN 20u // RFC 791
#define IPV6_LEN 40u     // RFC 8200
#define ARP_LEN 28u      // RFC 826 for Ethernet and IPv4
#define TCP_MIN_LEN 20u  // RFC 9293
#define UDP_LEN 8u       // RFC 768
#define SCTP_LEN 12u     // RFC 9260
#define ICMP_LEN 8u      // RFC 792, RFC 4443
#define ND_LEN 24u       // RFC 4861: ICMPv6 header, reserved, target

#define ETH_TYPE_NONE                                                                              \
    0x05ffu                  // what struct flow_key says of 802.3 frames that name no Ethernet type
#define ETH_TYPE_MIN 0x0600u // below it the field is a length (IEEE 802.3)

#define IPV4_DF 0x4000u
#define IPV4_MF 0x2000u
#define IPV4_OFFSET 0x1fffu

#define MPLS_BOS_BIT 0x100u

enum {
    ND_NEIGHBOR_SOLICIT_TYPE = 135,
    ND_NEIGHBOR_ADVERT_TYPE = 136,
    ND_OPTION_SLL = 1,
    ND_OPTION_TLL = 2
};

#define NO_OFFSET UINT16_MAX

static inline uint16_t load_be16(const uint8_t *at) // network order stays
{
    uint16_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}
static inline uint32_t load_be32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}
static inline uint16_t load_u16(const uint8_t *at) // as a host integer
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline void store_be16(uint8_t *at, be16_t v)
{
    memcpy(at, &v, sizeof(v));
}
static inline void store_be32(uint8_t *at, be32_t v)
{
    memcpy(at, &v, sizeof(v));
}
static inline void store_u16(uint8_t *at, uint16_t v)
{
    store_be16(at, htons(v));
}
static inline bool is_vlan_tpid(uint16_t eth_type)
{
    return eth_type == ETH_P_8021Q || eth_type == ETH_P_8021AD;
}
static inline bool is_mpls_type(uint16_t eth_type)
{
    return eth_type == ETH_P_MPLS_UC || eth_type == ETH_P_MPLS_MC;
}

// Fills the packet's l3_ofs and l4_ofs without a key, after an edit that moved headers.
void packet_locate(struct packet *);
// The length of the longest frame on the wire that the packet stands for.
uint32_t packet_largest_frame(const struct packet *);
