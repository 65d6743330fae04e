// SPDX-License-Identifier: Apache-2.0
// Ports on the wire: descriptions, statistics, modification. Any thread; pure.
#pragma once

#include "slowpath/openflow/msg.h"

// A port as OpenFlow shows it. Bits are those of wire.h in 1.1+ numbering.
struct of_port {
    ofp_port_t number;
    char name[16];
    struct eth_addr hw_addr;
    uint32_t config;                            // OFPPC_*
    uint32_t state;                             // OFPPS_*
    uint32_t curr, advertised, supported, peer; // OFPPF_*
    uint32_t curr_kbps, max_kbps;
};

// UINT64_MAX: not known.
struct of_port_stats {
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors,
        tx_errors;
    uint64_t rx_frame_err, rx_over_err, rx_crc_err, collisions;
    int64_t alive; // ns since the port was added
};

struct of_port_mod {
    ofp_port_t port;
    struct eth_addr hw_addr; // has to be the port's own
    uint32_t config, mask;   // OFPPC_*
    uint32_t advertise;      // OFPPF_*; 0: leave
};

void of_port_put(struct buf *, uint8_t version, const struct of_port *);
void of_port_stats_put(struct buf *, uint8_t version, ofp_port_t, const struct of_port_stats *);
enum of_error of_port_mod_get(const struct of_msg *, struct of_port_mod *ret_mod);
// OFPPR_* and a port, as a whole message.
void of_port_status_put(struct buf *, uint8_t version, uint8_t reason, const struct of_port *);

uint32_t of_features_to10(uint32_t features);
uint32_t of_features_from10(uint32_t features);
