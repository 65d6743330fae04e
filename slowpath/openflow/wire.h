// SPDX-License-Identifier: Apache-2.0
// Numbers and layouts of the OpenFlow wire, versions 1.0 and 1.3, and of the Nicira extensions.
//
// Sources: "OpenFlow Switch Specification" 1.0.0 (section 5) and 1.3.5 (section 7); for NX* and NXM
// the openflow/nicira-ext.h that the field shares. All integers are in network byte order, all
// structs packed: a message may lie at any address. Sizes are asserted below.
#pragma once

#include "lib/flow/types.h"

#define OF10 1 // wire versions
#define OF13 4

#define OFP_MAX_LEN 65535 // of a message; the length field has 16 bits
#define OFP_DEFAULT_MISS_SEND_LEN 128
#define OFP_NO_BUFFER UINT32_MAX

#define NX_VENDOR 0x00002320u
#define ONF_VENDOR 0x4f4e4600u

#define PACKED __attribute__((packed))

enum {
    OFPT_HELLO = 0,
    OFPT_ERROR = 1,
    OFPT_ECHO_REQUEST = 2,
    OFPT_ECHO_REPLY = 3,
    OFPT_VENDOR = 4, // "experimenter" from 1.1 on
    OFPT_FEATURES_REQUEST = 5,
    OFPT_FEATURES_REPLY = 6,
    OFPT_GET_CONFIG_REQUEST = 7,
    OFPT_GET_CONFIG_REPLY = 8,
    OFPT_SET_CONFIG = 9,
    OFPT_PACKET_IN = 10,
    OFPT_FLOW_REMOVED = 11,
    OFPT_PORT_STATUS = 12,
    OFPT_PACKET_OUT = 13,
    OFPT_FLOW_MOD = 14,
    OFPT10_PORT_MOD = 15,
    OFPT10_STATS_REQUEST = 16,
    OFPT10_STATS_REPLY = 17,
    OFPT10_BARRIER_REQUEST = 18,
    OFPT10_BARRIER_REPLY = 19,
    OFPT10_QUEUE_GET_CONFIG_REQUEST = 20,
    OFPT10_QUEUE_GET_CONFIG_REPLY = 21,
    OFPT13_GROUP_MOD = 15,
    OFPT13_PORT_MOD = 16,
    OFPT13_TABLE_MOD = 17,
    OFPT13_MULTIPART_REQUEST = 18,
    OFPT13_MULTIPART_REPLY = 19,
    OFPT13_BARRIER_REQUEST = 20,
    OFPT13_BARRIER_REPLY = 21,
    OFPT13_QUEUE_GET_CONFIG_REQUEST = 22,
    OFPT13_QUEUE_GET_CONFIG_REPLY = 23,
    OFPT13_ROLE_REQUEST = 24,
    OFPT13_ROLE_REPLY = 25,
    OFPT13_GET_ASYNC_REQUEST = 26,
    OFPT13_GET_ASYNC_REPLY = 27,
    OFPT13_SET_ASYNC = 28,
    OFPT13_METER_MOD = 29,
};

// Subtypes of OFPT_VENDOR with NX_VENDOR.
enum {
    NXT_ROLE_REQUEST = 10,
    NXT_ROLE_REPLY = 11,
    NXT_SET_FLOW_FORMAT = 12,
    NXT_FLOW_MOD = 13,
    NXT_FLOW_REMOVED = 14,
    NXT_FLOW_MOD_TABLE_ID = 15,
    NXT_SET_PACKET_IN_FORMAT = 16,
    NXT_PACKET_IN = 17,
    NXT_FLOW_AGE = 18,
    NXT_SET_ASYNC_CONFIG = 19,
    NXT_SET_CONTROLLER_ID = 20,
    NXT_TLV_TABLE_MOD = 24,
    NXT_TLV_TABLE_REQUEST = 25,
    NXT_TLV_TABLE_REPLY = 26,
    NXT_PACKET_IN2 = 30,
    NXT_GROUP_MOD = 31,
};

// Statistics (1.0) and multipart (1.3) types.
enum {
    OFPST_DESC = 0,
    OFPST_FLOW = 1,
    OFPST_AGGREGATE = 2,
    OFPST_TABLE = 3,
    OFPST_PORT = 4,
    OFPST_QUEUE = 5,
    OFPST13_GROUP = 6,
    OFPST13_GROUP_DESC = 7,
    OFPST13_GROUP_FEATURES = 8,
    OFPST13_METER = 9,
    OFPST13_METER_CONFIG = 10,
    OFPST13_METER_FEATURES = 11,
    OFPST13_TABLE_FEATURES = 12,
    OFPST_PORT_DESC = 13, // 1.3; Open vSwitch knows it in 1.0 too, and ovs-ofctl asks
    OFPST_VENDOR = 0xffff,
};
// Subtypes of OFPST_VENDOR with NX_VENDOR.
enum {
    NXST_FLOW = 0,
    NXST_AGGREGATE = 1,
    NXST_GROUP = 7,
    NXST_GROUP_DESC = 8,
    NXST_GROUP_FEATURES = 9,
};
#define OFPSF_REPLY_MORE 1
#define OFPMPF_REQ_MORE 1

enum { NXFF_OPENFLOW10 = 0, NXFF_NXM = 2 };
enum { NXPIF_STANDARD = 0, NXPIF_NXT_PACKET_IN = 1, NXPIF_NXT_PACKET_IN2 = 2 };

enum { OFPFC_ADD, OFPFC_MODIFY, OFPFC_MODIFY_STRICT, OFPFC_DELETE, OFPFC_DELETE_STRICT };
enum {
    OFPFF_SEND_FLOW_REM = 1 << 0,
    OFPFF_CHECK_OVERLAP = 1 << 1,
    OFPFF10_EMERG = 1 << 2,
    OFPFF13_RESET_COUNTS = 1 << 2,
    OFPFF13_NO_PKT_COUNTS = 1 << 3,
    OFPFF13_NO_BYT_COUNTS = 1 << 4,
};
#define OFPTT_ALL 0xff
#define OFPG_ANY UINT32_MAX
#define OFPG_ALL 0xfffffffcu

enum { OFPR_NO_MATCH, OFPR_ACTION, OFPR_INVALID_TTL };
enum { OFPRR_IDLE_TIMEOUT, OFPRR_HARD_TIMEOUT, OFPRR_DELETE, OFPRR_GROUP_DELETE };
enum { OFPPR_ADD, OFPPR_DELETE, OFPPR_MODIFY };

// Ports. Bits of config and state; 1.3 lacks those marked 10.
enum {
    OFPPC_PORT_DOWN = 1 << 0,
    OFPPC10_NO_STP = 1 << 1,
    OFPPC_NO_RECV = 1 << 2,
    OFPPC10_NO_RECV_STP = 1 << 3,
    OFPPC10_NO_FLOOD = 1 << 4,
    OFPPC_NO_FWD = 1 << 5,
    OFPPC_NO_PACKET_IN = 1 << 6,
};
enum { OFPPS_LINK_DOWN = 1 << 0, OFPPS13_BLOCKED = 1 << 1, OFPPS13_LIVE = 1 << 2 };

// Port features in 1.1+ numbering. In 1.0 the bits from COPPER on lie four lower and those between
// 10GB_FD and COPPER are absent.
enum {
    OFPPF_10MB_HD = 1 << 0,
    OFPPF_10MB_FD = 1 << 1,
    OFPPF_100MB_HD = 1 << 2,
    OFPPF_100MB_FD = 1 << 3,
    OFPPF_1GB_HD = 1 << 4,
    OFPPF_1GB_FD = 1 << 5,
    OFPPF_10GB_FD = 1 << 6,
    OFPPF_40GB_FD = 1 << 7,
    OFPPF_100GB_FD = 1 << 8,
    OFPPF_1TB_FD = 1 << 9,
    OFPPF_OTHER = 1 << 10,
    OFPPF_COPPER = 1 << 11,
    OFPPF_FIBER = 1 << 12,
    OFPPF_AUTONEG = 1 << 13,
    OFPPF_PAUSE = 1 << 14,
    OFPPF_PAUSE_ASYM = 1 << 15,
};

enum {
    OFPC_FLOW_STATS = 1 << 0,
    OFPC_TABLE_STATS = 1 << 1,
    OFPC_PORT_STATS = 1 << 2,
    OFPC_QUEUE_STATS = 1 << 6,
    OFPC10_ARP_MATCH_IP = 1 << 7,
};
#define OFPC_FRAG_MASK 3 // 0 normal, 1 drop, 2 reassemble, 3 Nicira's "nx-match"
#define OFPC_INVALID_TTL_TO_CONTROLLER 4

enum { OFPCR_NOCHANGE, OFPCR_EQUAL, OFPCR_MASTER, OFPCR_SLAVE }; // NX_ROLE_* is one less

enum { OFPHET_VERSIONBITMAP = 1 };

#define OFPMT_OXM 1

struct ofp_header {
    uint8_t version, type;
    be16_t length; // of the whole message
    be32_t xid;
} PACKED;

struct ofp_vendor_header { // follows ofp_header in OFPT_VENDOR
    be32_t vendor, subtype;
} PACKED;

struct ofp10_flow_mod { // after struct ofp10_match (40 bytes)
    be64_t cookie;
    be16_t command, idle_timeout, hard_timeout, priority;
    be32_t buffer_id;
    be16_t out_port, flags;
} PACKED;

struct nx_flow_mod {
    be64_t cookie;
    be16_t command, idle_timeout, hard_timeout, priority;
    be32_t buffer_id;
    be16_t out_port, flags, match_len;
    uint8_t pad[6];
} PACKED;

struct ofp13_flow_mod {
    be64_t cookie, cookie_mask;
    uint8_t table_id, command;
    be16_t idle_timeout, hard_timeout, priority;
    be32_t buffer_id, out_port, out_group;
    be16_t flags;
    uint8_t pad[2];
} PACKED;

struct ofp10_flow_removed { // after struct ofp10_match
    be64_t cookie;
    be16_t priority;
    uint8_t reason, pad;
    be32_t duration_sec, duration_nsec;
    be16_t idle_timeout;
    uint8_t pad2[2];
    be64_t packet_count, byte_count;
} PACKED;

struct nx_flow_removed {
    be64_t cookie;
    be16_t priority;
    uint8_t reason, table_id_plus_1;
    be32_t duration_sec, duration_nsec;
    be16_t idle_timeout, match_len;
    be64_t packet_count, byte_count;
} PACKED;

struct ofp13_flow_removed {
    be64_t cookie;
    be16_t priority;
    uint8_t reason, table_id;
    be32_t duration_sec, duration_nsec;
    be16_t idle_timeout, hard_timeout;
    be64_t packet_count, byte_count;
} PACKED;

struct ofp10_flow_stats_request { // after struct ofp10_match
    uint8_t table_id, pad;
    be16_t out_port;
} PACKED;

struct nx_flow_stats_request {
    be16_t out_port, match_len;
    uint8_t table_id, pad[3];
} PACKED;

struct ofp13_flow_stats_request {
    uint8_t table_id, pad[3];
    be32_t out_port, out_group;
    uint8_t pad2[4];
    be64_t cookie, cookie_mask;
} PACKED;

struct ofp10_flow_stats { // a match of 40 bytes stands after the first four
    be32_t duration_sec, duration_nsec;
    be16_t priority, idle_timeout, hard_timeout;
    uint8_t pad2[6];
    be64_t cookie, packet_count, byte_count;
} PACKED;

struct nx_flow_stats {
    be16_t length;
    uint8_t table_id, pad;
    be32_t duration_sec, duration_nsec;
    be16_t priority, idle_timeout, hard_timeout, match_len;
    be16_t idle_age, hard_age; // seconds plus one; 0: not told
    be64_t cookie, packet_count, byte_count;
} PACKED;

struct ofp13_flow_stats {
    be16_t length;
    uint8_t table_id, pad;
    be32_t duration_sec, duration_nsec;
    be16_t priority, idle_timeout, hard_timeout, flags;
    uint8_t pad2[4];
    be64_t cookie, packet_count, byte_count;
} PACKED;

struct ofp_aggregate_stats {
    be64_t packet_count, byte_count;
    be32_t flow_count;
    uint8_t pad[4];
} PACKED;

struct ofp10_table_stats {
    uint8_t table_id, pad[3];
    char name[32];
    be32_t wildcards, max_entries, active_count;
    be64_t lookup_count, matched_count;
} PACKED;

struct ofp13_table_stats {
    uint8_t table_id, pad[3];
    be32_t active_count;
    be64_t lookup_count, matched_count;
} PACKED;

struct ofp13_table_features {
    be16_t length;
    uint8_t table_id, pad[5];
    char name[32];
    be64_t metadata_match, metadata_write;
    be32_t config, max_entries;
} PACKED;

struct ofp10_port {
    be16_t port_no;
    struct eth_addr hw_addr;
    char name[16];
    be32_t config, state, curr, advertised, supported, peer;
} PACKED;

struct ofp13_port {
    be32_t port_no;
    uint8_t pad[4];
    struct eth_addr hw_addr;
    uint8_t pad2[2];
    char name[16];
    be32_t config, state, curr, advertised, supported, peer, curr_speed, max_speed;
} PACKED;

struct ofp10_port_mod {
    be16_t port_no;
    struct eth_addr hw_addr;
    be32_t config, mask, advertise;
    uint8_t pad[4];
} PACKED;

struct ofp13_port_mod {
    be32_t port_no;
    uint8_t pad[4];
    struct eth_addr hw_addr;
    uint8_t pad2[2];
    be32_t config, mask, advertise;
    uint8_t pad3[4];
} PACKED;

struct ofp_port_counters { // after the port number and its padding, in 1.0 and 1.3 alike
    be64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors, tx_errors;
    be64_t rx_frame_err, rx_over_err, rx_crc_err, collisions;
} PACKED;

struct ofp_desc_stats {
    char mfr[256], hw[256], sw[256], serial[32], dp[256];
} PACKED;

struct ofp_switch_features {
    be64_t datapath_id;
    be32_t n_buffers;
    uint8_t n_tables, auxiliary_id, pad[2];
    be32_t capabilities, actions; // `actions` is reserved in 1.3
} PACKED;

struct ofp_switch_config {
    be16_t flags, miss_send_len;
} PACKED;

struct ofp10_packet_out {
    be32_t buffer_id;
    be16_t in_port, actions_len;
} PACKED;

struct ofp13_packet_out {
    be32_t buffer_id, in_port;
    be16_t actions_len;
    uint8_t pad[6];
} PACKED;

struct ofp10_packet_in {
    be32_t buffer_id;
    be16_t total_len, in_port;
    uint8_t reason, pad;
} PACKED;

struct ofp13_packet_in { // then a match, two bytes of padding, the frame
    be32_t buffer_id;
    be16_t total_len;
    uint8_t reason, table_id;
    be64_t cookie;
} PACKED;

struct nx_packet_in { // then match_len bytes of NXM padded to 8, two bytes, the frame
    be32_t buffer_id;
    be16_t total_len;
    uint8_t reason, table_id;
    be64_t cookie;
    be16_t match_len;
    uint8_t pad[6];
} PACKED;

struct ofp_async_config { // [0]: as equal or master, [1]: as slave
    be32_t packet_in[2], port_status[2], flow_removed[2];
} PACKED;

struct ofp13_role_request {
    be32_t role;
    uint8_t pad[4];
    be64_t generation_id;
} PACKED;

#define WIRE_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
WIRE_SIZE(ofp_header, 8);
WIRE_SIZE(ofp10_flow_mod, 24);
WIRE_SIZE(nx_flow_mod, 32);
WIRE_SIZE(ofp13_flow_mod, 40);
WIRE_SIZE(ofp10_flow_removed, 40);
WIRE_SIZE(nx_flow_removed, 40);
WIRE_SIZE(ofp13_flow_removed, 40);
WIRE_SIZE(ofp10_flow_stats_request, 4);
WIRE_SIZE(nx_flow_stats_request, 8);
WIRE_SIZE(ofp13_flow_stats_request, 32);
WIRE_SIZE(ofp10_flow_stats, 44);
WIRE_SIZE(nx_flow_stats, 48);
WIRE_SIZE(ofp13_flow_stats, 48);
WIRE_SIZE(ofp_aggregate_stats, 24);
WIRE_SIZE(ofp10_table_stats, 64);
WIRE_SIZE(ofp13_table_stats, 24);
WIRE_SIZE(ofp13_table_features, 64);
WIRE_SIZE(ofp10_port, 48);
WIRE_SIZE(ofp13_port, 64);
WIRE_SIZE(ofp10_port_mod, 24);
WIRE_SIZE(ofp13_port_mod, 32);
WIRE_SIZE(ofp_port_counters, 96);
WIRE_SIZE(ofp_desc_stats, 1056);
WIRE_SIZE(ofp_switch_features, 24);
WIRE_SIZE(ofp10_packet_out, 8);
WIRE_SIZE(ofp13_packet_out, 16);
WIRE_SIZE(ofp10_packet_in, 10);
WIRE_SIZE(ofp13_packet_in, 16);
WIRE_SIZE(nx_packet_in, 24);
WIRE_SIZE(ofp_async_config, 24);
WIRE_SIZE(ofp13_role_request, 16);
