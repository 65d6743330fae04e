// SPDX-License-Identifier: Apache-2.0
// The userspace datapath: ports on AF_PACKET sockets and TAP devices, a flow table, and threads that move frames between
// them. It needs no kernel module; its flows and ports end with the process.
//
// In: frames of its ports, megaflows and packets to execute (lib/contract/tier.h, datapath.h). Out: frames, upcalls.
// Threads: `n_threads` forwarding threads, each owning the receive side of its ports. A miss goes over a bounded queue to
// a handler, never inline.
#pragma once

#include "lib/contract/datapath.h"

struct softdp_config {
    unsigned n_threads; // forwarding threads; 0: one per CPU
    size_t upcall_queue; // packets that may wait for one handler; 0: 4096
};

// Starts the threads. The datapath is released by its ops->close().
int softdp_open(const struct softdp_config *, struct datapath **ret_dp, struct err *);
// What its probe() says, without one that is open: for the support matrix.
void softdp_caps(struct tier_caps *ret_caps);

// A NIC simulated in front of the datapath: it sees each received frame before the flow table does.
struct softdp_nic {
    // True: the NIC forwarded the frame, took it, and handed what leaves to `out`. False: a miss, the frame is untouched and
    // goes to the flow table. Forwarding threads, within an RCU read section; must not block.
    bool (*rx)(void *aux, dp_port_t in_port, struct packet *, const struct act_sink *out);
    void *aux;
};
// Puts a NIC in front, or takes it away (NULL); returns when no thread uses the old one. Main thread.
void softdp_set_nic(struct datapath *, const struct softdp_nic *);

// Frames that the datapath received on, sent to, and dropped at a port. Any thread.
struct softdp_port_stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t rx_dropped, tx_dropped, rx_errors;
};
int softdp_port_stats(struct datapath *, dp_port_t, struct softdp_port_stats *ret_stats);
