// SPDX-License-Identifier: Apache-2.0
// A frame in memory, and what receiving it told us. Parsing fills a flow_key; editing keeps checksums right.
//
// A packet is owned by one thread at a time. Its buffer has headroom for a few tags or an outer header. A frame
// received with a pending (partial) checksum or as a GSO super-frame says so in `vnet` and must leave that way, or be
// completed by packet_finish_checksum()/segmentation in the sender's driver.
#pragma once

#include "lib/flow/action.h"
#include "lib/base/err.h"

#include <linux/virtio_net.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 // linux/virtio_net.h has it since 6.2
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define PACKET_HEADROOM 128

// The fields of struct virtio_net_hdr (linux/virtio_net.h) that matter, in host order. Offsets are from packet data.
struct packet_vnet {
    uint8_t gso_type; // VIRTIO_NET_HDR_GSO_*
    bool needs_csum; // the checksum from csum_start on is not yet filled in
    bool csum_valid; // the device vouches for the checksum
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

struct packet {
    uint8_t *buf; // allocation
    uint32_t allocated, headroom; // data = buf + headroom
    uint32_t len; // bytes of frame, from the Ethernet header on, without FCS
    uint16_t l3_ofs, l4_ofs; // set by packet_extract(); UINT16_MAX: not there
    uint8_t l4_proto; // of what lies at l4_ofs
    uint32_t cut_len; // ACT_TRUNC: at most so many bytes leave; 0: all
    struct packet_vnet vnet;
    // Metadata that is not in the frame: in_port, recirc_id, marks, tunnel, conntrack state.
    struct flow_key md; // layer 2 to 4 members unused (zero)
};

struct packet *packet_new(uint32_t len); // zeroed metadata, `len` bytes of room
struct packet *packet_from(const void *frame, uint32_t len);
struct packet *packet_clone(const struct packet *);
void packet_free(struct packet *);
static inline uint8_t *packet_data(const struct packet *p)
{
    return p->buf + p->headroom;
}
uint8_t *packet_push(struct packet *, uint32_t n); // n bytes more in front; may reallocate; returns the new start
void packet_pull(struct packet *, uint32_t n);
void packet_put_tag(struct packet *, be16_t tpid, be16_t tci); // e.g. one that the kernel handed over in auxdata

// Parses frame and metadata. Never fails: what cannot be parsed is zero in the key, as the kernel's parser does
// (net/openvswitch/flow.c). Reads at most p->len bytes. O(header), no allocation.
void packet_extract(struct packet *, struct flow_key *ret_key);

// Wire frames that this packet stands for: 1, or the segments of a GSO frame; and the bytes they carry in all, Ethernet
// headers included.
void packet_wire_count(const struct packet *, uint32_t *ret_frames, uint64_t *ret_bytes);

// Edits. Checksums (IPv4 header, TCP, UDP, ICMPv6) are updated incrementally; a pending checksum stays pending. The
// caller guarantees the field's prerequisites (they are in the megaflow's mask); a field that the frame lacks is left.
void packet_set_field(struct packet *, const struct field *, const struct field_value *value, const struct field_value *mask);
void packet_push_vlan(struct packet *, be16_t tpid, be16_t tci);
void packet_pop_vlan(struct packet *);
void packet_push_mpls(struct packet *, be16_t eth_type, be32_t lse);
void packet_pop_mpls(struct packet *, be16_t eth_type);
int packet_finish_checksum(struct packet *); // completes needs_csum; 0 or -EINVAL
// Cuts a GSO frame (TCP, or UDP by layer 4) into the frames that go on the wire, with complete checksums; `emit` owns each.
// Any other frame is emitted as a copy. For senders that cannot hand GSO on. -EINVAL: headers and vnet disagree;
// -EOPNOTSUPP: a UDP frame to be cut into IP fragments.
int packet_segment(const struct packet *, void (*emit)(void *aux, struct packet *), void *aux);

// Composes a valid frame for a key (addresses, ports, lengths, checksums), for tests, traces and packet-outs of text.
struct packet *packet_compose(const struct flow_key *, uint32_t payload_len);

// Runs a whole list on a packet, which packet_extract() has seen. Takes ownership of the packet. `sink` receives what leaves; it owns each packet given.
struct act_sink {
    void (*output)(void *aux, dp_port_t, struct packet *);
    void (*userspace)(void *aux, const struct act *, const struct flow_key *, struct packet *);
    // recirculation, conntrack, meters and what else needs a datapath: returns false to stop (packet then freed by the
    // executor). NULL: such actions drop the packet and are counted.
    bool (*other)(void *aux, const struct act *, struct packet *);
    void *aux;
};
void act_execute(const struct act_list *, struct packet *, const struct act_sink *);
