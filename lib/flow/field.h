// SPDX-License-Identifier: Apache-2.0
// The one table of match fields. It drives the OpenFlow codecs (OXM and NXM), the text forms,
// masks, set_field, the tiers' encoders and what refusals name. To add a field, add a member to
// struct flow_key or pipe_key and a row here.
#pragma once

#include "lib/flow/key.h"

enum field_id {
    // Metadata of the packet, known to datapaths.
    FIELD_IN_PORT, // datapath port in a megaflow; OpenFlow ports are FIELD_OF_IN_PORT
    FIELD_RECIRC_ID,
    FIELD_DP_HASH,
    FIELD_SKB_PRIORITY,
    FIELD_PKT_MARK,
    FIELD_CT_STATE,
    FIELD_CT_ZONE,
    FIELD_CT_MARK,
    FIELD_CT_LABEL,
    FIELD_CT_NW_PROTO,
    FIELD_CT_NW_SRC,
    FIELD_CT_NW_DST,
    FIELD_CT_IPV6_SRC,
    FIELD_CT_IPV6_DST,
    FIELD_CT_TP_SRC,
    FIELD_CT_TP_DST,
    FIELD_PACKET_TYPE,
    FIELD_TUN_ID,
    FIELD_TUN_SRC,
    FIELD_TUN_DST,
    FIELD_TUN_IPV6_SRC,
    FIELD_TUN_IPV6_DST,
    FIELD_TUN_FLAGS,
    FIELD_TUN_TOS,
    FIELD_TUN_TTL,
    FIELD_TUN_TP_SRC,
    FIELD_TUN_TP_DST,
    FIELD_TUN_GBP_ID,
    FIELD_TUN_GBP_FLAGS,
    // Layer 2.
    FIELD_ETH_SRC,
    FIELD_ETH_DST,
    FIELD_ETH_TYPE,
    FIELD_VLAN_TPID,
    FIELD_VLAN_TCI,
    FIELD_VLAN_VID, // a part of VLAN_TCI: 12 bits and, as bit 12, VLAN_PRESENT (OpenFlow's
                    // OFPVID_PRESENT)
    FIELD_VLAN_PCP, // another part
    FIELD_VLAN2_TPID,
    FIELD_VLAN2_TCI,
    FIELD_MPLS_LABEL,
    FIELD_MPLS_TC,
    FIELD_MPLS_BOS,
    FIELD_MPLS_TTL,
    FIELD_MPLS_LSE2,
    FIELD_MPLS_LSE3,
    // Layer 3.
    FIELD_IPV4_SRC,
    FIELD_IPV4_DST,
    FIELD_IPV6_SRC,
    FIELD_IPV6_DST,
    FIELD_IPV6_LABEL,
    FIELD_IP_PROTO,
    FIELD_IP_DSCP,     // the high six bits of ip_tos, in place: 0, 4, … 252 (NXM)
    FIELD_IP_DSCP_OXM, // the same bits as a number from 0 to 63 (OXM)
    FIELD_IP_ECN,
    FIELD_IP_TTL,
    FIELD_IP_FRAG,
    FIELD_ARP_OP,
    FIELD_ARP_SPA,
    FIELD_ARP_TPA,
    FIELD_ARP_SHA,
    FIELD_ARP_THA,
    // Layer 4.
    FIELD_TCP_SRC,
    FIELD_TCP_DST,
    FIELD_TCP_FLAGS,
    FIELD_UDP_SRC,
    FIELD_UDP_DST,
    FIELD_SCTP_SRC,
    FIELD_SCTP_DST,
    FIELD_ICMPV4_TYPE,
    FIELD_ICMPV4_CODE,
    FIELD_ICMPV6_TYPE,
    FIELD_ICMPV6_CODE,
    FIELD_ND_TARGET,
    FIELD_ND_SLL,
    FIELD_ND_TLL,
    FIELD_ND_RESERVED,
    FIELD_ND_OPTIONS_TYPE,
    // Known to the pipeline only; never in a megaflow.
    FIELD_PIPELINE_FIRST,
    FIELD_OF_IN_PORT =
        FIELD_PIPELINE_FIRST, // pipe.in_port with its 16-bit number (NXM, OpenFlow 1.0)
    FIELD_OF_IN_PORT_OXM,     // the same with its 32-bit number (OXM)
    FIELD_METADATA,
    FIELD_ACTSET_OUTPUT,
    FIELD_CONJ_ID,
    FIELD_REG0,
    FIELD_REG15 = FIELD_REG0 + FLOW_N_REGS - 1,
    FIELD_XREG0, // two registers as one, xreg0 .. xreg7
    FIELD_XREG7 = FIELD_XREG0 + FLOW_N_REGS / 2 - 1,
    FIELD_XXREG0, // four registers as one, xxreg0 .. xxreg3
    FIELD_XXREG3 = FIELD_XXREG0 + FLOW_N_REGS / 4 - 1,
    FIELD_COUNT,
    FIELD_NONE = FIELD_COUNT,
};

// What must hold of the other fields before this one means anything (OpenFlow 1.5.1,
// section 7.2.3.6).
enum field_prereq {
    PREREQ_NONE,
    PREREQ_ARP,
    PREREQ_VLAN, // a tag is present
    PREREQ_IPV4,
    PREREQ_IPV6,
    PREREQ_IP, // either
    PREREQ_MPLS,
    PREREQ_TCP,
    PREREQ_UDP,
    PREREQ_SCTP,
    PREREQ_ICMPV4,
    PREREQ_ICMPV6,
    PREREQ_ND, // ICMPv6 135 or 136
    PREREQ_ND_SOLICIT,
    PREREQ_ND_ADVERT,
    PREREQ_CT,     // a valid connection tracking state, and IPv4 or IPv6
    PREREQ_CT_IPV4, // and IPv4
    PREREQ_CT_IPV6,
};

enum field_text {
    TEXT_DECIMAL,
    TEXT_HEX,
    TEXT_ETHERNET,
    TEXT_IPV4,
    TEXT_IPV6,
    TEXT_OFP_PORT,
    TEXT_DP_PORT,
    TEXT_FRAG,
    TEXT_TCP_FLAGS,
    TEXT_CT_STATE,
    TEXT_TUN_FLAGS,
    TEXT_PACKET_TYPE,
};

// One number by which a field goes on the wire.
struct field_header {
    const char *name; // "NXM_OF_ETH_SRC"; NULL: no such header
    uint32_t header;  // class, field, length, without the has-mask bit; the experimenter's 4 bytes
                      // count in the length
    uint32_t experimenter; // if the class is 0xffff, else 0
    uint8_t since; // first OpenFlow wire version that knows it: 1 (1.0) to 6 (1.5); 0: an extension
};

struct field {
    enum field_id id;
    const char *name;  // "ip_src", "nw_proto", as traces and set_field print it
    const char *alias; // another accepted name, e.g. "nw_src"; or NULL
    uint16_t n_bits;   // significant bits on the wire, e.g. 13 for vlan_vid, 128 for ipv6_src
    uint8_t n_bytes;   // bytes on the wire (OXM payload, without an experimenter)
    uint16_t offset;   // of the storage in struct flow
    uint8_t size;      // bytes of the storage
    uint8_t shift;     // where the wire value's least significant bit lies within the storage
    uint8_t low_zero;  // so many of the wire value's low bits are not the field's and always zero
    bool host_order;   // the storage is a host-order integer (registers, ports, marks)
    bool shared;       // other fields lie in the same storage
    bool maskable;     // any mask; otherwise all bits or none
    bool writable;     // set_field, move and load may write it
    enum field_prereq prereq;
    enum field_text text;
    struct field_header nxm; // Nicira's NXM (classes 0 and 1)
    struct field_header oxm; // OpenFlow's OXM, or another's extension to it
    struct field_header onf; // ONF's extension to 1.3, for what a later version made standard
};

// A field's value in network byte order, right-aligned in n_bytes: b[0] is the most significant
// byte of the wire form.
struct field_value {
    uint8_t b[16];
};

// Never NULL for ids below FIELD_COUNT.
const struct field *field_by_id(enum field_id);
// Name or alias, or the name of a header ("NXM_OF_ETH_SRC"). NULL: unknown. "in_port" is the
// OpenFlow port.
const struct field *field_by_name(const char *name, size_t len);
// NXM or OXM header, has-mask bit ignored. NULL: unknown.
const struct field *field_by_oxm(uint32_t header, uint32_t experimenter);
// The header by which the field goes on the wire of an OpenFlow version; NULL: it has none. `nxm`
// prefers NXM.
const struct field_header *field_wire_header(const struct field *, uint8_t of_version, bool nxm);

bool field_prereq_ok(const struct field *, const struct flow *);
// Like field_prereq_ok(), but asks whether `match` guarantees the prerequisite.
bool field_prereq_in_match(const struct field *, const struct match *);

// Of a mask: the field's mask.
void field_get(const struct field *, const struct flow *, struct field_value *ret_value);
void field_set(const struct field *, const struct field_value *, struct flow *);
// Writes only the bits of `mask`.
void field_set_masked(const struct field *, const struct field_value *value,
                      const struct field_value *mask, struct flow *);
bool field_is_zero(const struct field *, const struct flow *);     // of a mask: not matched at all
bool field_is_all_ones(const struct field *, const struct flow *); // of a mask: matched exactly
// No bits above n_bits or below low_zero, and nothing that the storage can't hold.
bool field_value_valid(const struct field *, const struct field_value *);
// The mask of an exact match.
void field_value_ones(const struct field *, struct field_value *ret_mask);

// Makes `match` demand value/mask of the field; what it demanded of the field before is replaced.
void field_set_match(const struct field *, const struct field_value *value,
                     const struct field_value *mask, struct match *);

// Takes all bits of the field out of a mask; adds them; adds those of the fields it presupposes.
void field_wildcard_all(const struct field *, struct flow *mask);
void field_mask_all(const struct field *, struct flow *mask);
void field_mask_prereqs(const struct field *, struct flow *mask);

// The first field, in table order, of which `mask` has a bit set; FIELD_NONE if no bit is set. What
// a tier calls to name what remains after it consumed the mask bits it expressed. Where several
// fields share storage, `key` decides by their prerequisites (udp_src or tcp_src); NULL: the first
// is named.
enum field_id field_first_in_key_mask(const struct flow_key *key, const struct flow_key *mask);

// Values of up to 8 bytes as host integers.
uint64_t field_value_to_u64(const struct field *, const struct field_value *);
struct field_value field_value_from_u64(const struct field *, uint64_t);

// OpenFlow 1.0's 16-bit port numbers: 0xff00 and up are reserved and lie at 0xffffff00 and up in 32
// bits. A port that doesn't fit becomes OpenFlow 1.0's OFPP_NONE.
ofp_port_t ofp_port_from_u16(uint16_t);
uint16_t ofp_port_to_u16(ofp_port_t);
