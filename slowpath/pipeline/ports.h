// SPDX-License-Identifier: Apache-2.0
// What translation knows of a bridge's ports. The config room builds the whole set and hands it
// over; it is published as one RCU snapshot, so that a translation sees either all of a change or
// nothing.
#pragma once

#include "lib/flow/types.h"

enum pipeline_port_kind {
    PORT_SYSTEM,
    PORT_INTERNAL,
    PORT_PATCH, // no datapath port; leads into another bridge
    PORT_TUNNEL,
};

enum vlan_mode {
    VLAN_TRUNK,           // carries `trunks`, tagged
    VLAN_ACCESS,          // carries `tag`, untagged
    VLAN_NATIVE_TAGGED,   // a trunk on which untagged packets belong to `tag`, which leaves tagged
    VLAN_NATIVE_UNTAGGED, // likewise; `tag` leaves untagged
};

enum pipeline_port_flags {
    PORT_NO_FLOOD = 1 << 0,  // not a target of FLOOD, nor of NORMAL's flooding
    PORT_NO_RECV = 1 << 1,   // what arrives is dropped
    PORT_NO_FWD = 1 << 2,    // what should leave is dropped
    PORT_DOWN = 1 << 3,      // administratively: as NO_FWD and NO_RECV
    PORT_LINK_DOWN = 1 << 4, // no carrier; informative
};

#define VLAN_BITMAP_WORDS (4096 / 64)

struct pipeline_port {
    ofp_port_t number; // OpenFlow; OFPP_LOCAL for the bridge's own
    dp_port_t dp_port; // DP_PORT_NONE for patch ports
    char name[64];
    enum pipeline_port_kind kind;
    unsigned flags; // enum pipeline_port_flags
    enum vlan_mode vlan_mode;
    uint16_t tag;                       // of all modes but trunk
    bool trunks_all;                    // then `trunks` is not looked at
    uint64_t trunks[VLAN_BITMAP_WORDS]; // VLANs carried, bit vid % 64 of word vid / 64
    bool is_protected;                  // two protected ports never talk under NORMAL
    // PORT_PATCH: by name, because bridges come and go; resolved anew when either side's ports are
    // set.
    char peer[64]; // the port at the other end, which must name this one as its peer; empty: none
};

// Packets and bytes that crossed a patch port, which no device counts.
struct pipeline_port_counters {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};
