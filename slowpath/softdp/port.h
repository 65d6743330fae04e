// SPDX-License-Identifier: Apache-2.0
// A port of the userspace datapath: a file descriptor that frames come from and go to. Two kinds exist, port_packet.c
// (an AF_PACKET socket on an existing device) and port_tap.c (a TAP device of our own).
#pragma once

#include "lib/contract/datapath.h"
#include "slowpath/softdp/softdp.h"

#define RX_BURST 32 // frames taken from one port before the next one's turn
#define TX_BURST 64 // frames handed to one tx call at most
#define FRAME_ROOM 2048 // bytes of a frame that land in the packet itself; the rest in the overflow buffer
#define FRAME_MAX (65535 + 18 + 4) // a 64 kB GSO frame with its Ethernet header and a tag

struct soft_port;

// Buffers of one forwarding thread for receiving a burst.
struct rx_scratch {
    struct packet *packets[RX_BURST]; // ready to be filled; NULL: make one
    uint8_t *overflow[RX_BURST]; // FRAME_MAX bytes each
};
void rx_scratch_init(struct rx_scratch *);
void rx_scratch_done(struct rx_scratch *);

struct soft_port_ops {
    // Opens the port's descriptor, non-blocking, and fills ifindex. A sentence on failure. Main thread.
    int (*open)(struct soft_port *, struct err *);
    void (*close)(struct soft_port *);
    // Takes at most RX_BURST frames; they are then the caller's. Returns how many. Forwarding thread that owns the port.
    unsigned (*rx)(struct soft_port *, struct rx_scratch *, struct packet **ret_packets);
    // Sends `n` frames (at most TX_BURST) and frees them; counts those that the device refused. Any thread.
    void (*tx)(struct soft_port *, struct packet **, unsigned n);
    // Adds to stats.rx_dropped what the kernel dropped before the port saw it. NULL: can't be known. Any thread.
    void (*count_drops)(struct soft_port *);
};

struct soft_port {
    const struct soft_port_ops *ops;
    dp_port_t number;
    enum dp_port_type type;
    char name[16];
    int ifindex;
    int fd;
    unsigned thread; // which forwarding thread receives
    // Receive counters have one writer, the owning thread; send counters are atomic.
    struct softdp_port_stats stats;
};

extern const struct soft_port_ops port_packet_ops;
extern const struct soft_port_ops port_tap_ops;

static inline void port_count_tx(struct soft_port *p, uint64_t frames, uint64_t bytes, uint64_t dropped)
{
    __atomic_fetch_add(&p->stats.tx_frames, frames, __ATOMIC_RELAXED);
    __atomic_fetch_add(&p->stats.tx_bytes, bytes, __ATOMIC_RELAXED);
    if (dropped)
        __atomic_fetch_add(&p->stats.tx_dropped, dropped, __ATOMIC_RELAXED);
}

// Adds to a counter that one thread writes and others read.
static inline void count_relaxed(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

// Makes `*p`, whose first FRAME_ROOM bytes were received in place, a frame of `len` bytes; the rest is in `overflow`.
void port_fill(struct packet **p, uint32_t len, const uint8_t *overflow);

// struct virtio_net_hdr to and from a packet's vnet (linux/virtio_net.h, host order for packet sockets and TAP).
struct virtio_net_hdr;
void vnet_from_packet(const struct packet *, struct virtio_net_hdr *ret_hdr);
void vnet_to_packet(const struct virtio_net_hdr *, struct packet *);
