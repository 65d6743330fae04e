// SPDX-License-Identifier: Apache-2.0
// The virtio-net header that packet sockets and TAP devices put before each frame: it carries pending checksums and GSO
// across, so that TCP between namespaces passes as 64 kB frames without being cut or summed in between. And the buffers that
// frames are received into. No state of its own.
#include <linux/virtio_net.h>
#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/softdp/port.h"

void vnet_from_packet(const struct packet *p, struct virtio_net_hdr *hdr)
{
    const struct packet_vnet *v = &p->vnet;

    memset(hdr, 0, sizeof *hdr);
    if (v->needs_csum) {
        hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        hdr->csum_start = v->csum_start;
        hdr->csum_offset = v->csum_offset;
    } else if (v->csum_valid) {
        hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
    }
    if (v->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        hdr->gso_type = v->gso_type;
        hdr->gso_size = v->gso_size;
        hdr->hdr_len = v->hdr_len;
    }
}

void vnet_to_packet(const struct virtio_net_hdr *hdr, struct packet *p)
{
    p->vnet = (struct packet_vnet){
        .gso_type = hdr->gso_type,
        .needs_csum = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_valid = hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID,
        .hdr_len = hdr->hdr_len,
        .gso_size = hdr->gso_size,
        .csum_start = hdr->csum_start,
        .csum_offset = hdr->csum_offset,
    };
}

void port_fill(struct packet **p, uint32_t len, const uint8_t *overflow)
{
    if (len <= FRAME_ROOM) {
        (*p)->len = len;
        return;
    }
    struct packet *big = packet_new(len);

    memcpy(packet_data(big), packet_data(*p), FRAME_ROOM);
    memcpy(packet_data(big) + FRAME_ROOM, overflow, len - FRAME_ROOM);
    packet_free(*p);
    *p = big;
}

void rx_scratch_init(struct rx_scratch *s)
{
    for (unsigned i = 0; i < RX_BURST; i++) {
        s->packets[i] = NULL;
        s->overflow[i] = xmalloc(FRAME_MAX);
    }
}

void rx_scratch_done(struct rx_scratch *s)
{
    for (unsigned i = 0; i < RX_BURST; i++) {
        packet_free(s->packets[i]);
        free(s->overflow[i]);
    }
}
