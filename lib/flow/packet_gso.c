// SPDX-License-Identifier: Apache-2.0
// What a device would do on sending: completing a pending checksum, and cutting a GSO frame (a
// super-frame that the stack or a guest handed over whole) into the frames that go on the wire.
// Segments are made of the frame's own headers: lengths, IPv4 identification, TCP sequence and
// flags are set per segment, checksums computed anew.
//
// Thread: the packet's. Segmenting allocates; a sender does it only where the other side can't take
// GSO.
#include <errno.h>
#include <linux/virtio_net.h>

#include "lib/flow/checksum.h"
#include "lib/flow/packet_wire.h"

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

// How a GSO frame is divided: `header` bytes are repeated before each `size` bytes of the rest.
struct division {
    uint32_t header, size;
    uint16_t l3, l4;
    uint8_t proto; // TCP or UDP, cut by layer 4; 0: IP fragments
};

static bool divide(const struct packet *p, struct division *d)
{
    struct packet view = *p; // offsets may be of before an edit
    packet_locate(&view);
    if (!p->vnet.gso_size || view.l4_ofs == NO_OFFSET)
        return false;

    *d = (struct division){
        .l3 = view.l3_ofs, .l4 = view.l4_ofs, .size = p->vnet.gso_size, .proto = view.l4_proto};
    const uint8_t *l4 = packet_data(p) + d->l4;
    switch (p->vnet.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6:
        if (d->proto != IPPROTO_TCP || d->l4 + TCP_MIN_LEN > p->len ||
            (l4[12] >> 4) * 4u < TCP_MIN_LEN)
            return false;
        d->header = d->l4 + (l4[12] >> 4) * 4u;
        break;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        if (d->proto != IPPROTO_UDP)
            return false;
        d->header = d->l4 + UDP_LEN;
        break;
    case VIRTIO_NET_HDR_GSO_UDP:
        d->header = d->l4;
        d->size &= ~7u; // fragments are multiples of 8 bytes
        d->proto = 0;
        break;
    default:
        return false;
    }
    return d->size && d->header < p->len;
}

void packet_wire_count(const struct packet *p, uint32_t *ret_frames, uint64_t *ret_bytes)
{
    struct division d;
    uint32_t frames = 1;
    uint64_t bytes = p->len;

    if (UNLIKELY(p->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE) && divide(p, &d)) {
        frames = DIV_ROUND_UP(p->len - d.header, d.size);
        bytes += (uint64_t)(frames - 1) * d.header;
    }
    *ret_frames = frames;
    *ret_bytes = bytes;
}

uint32_t packet_largest_frame(const struct packet *p)
{
    struct division d;
    if (LIKELY(p->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) || !divide(p, &d))
        return p->len;
    return MIN_OF(p->len, d.header + d.size);
}

int packet_finish_checksum(struct packet *p)
{
    if (!p->vnet.needs_csum)
        return 0;
    uint32_t start = p->vnet.csum_start, field = start + p->vnet.csum_offset;
    if (start >= p->len || field + 2 > p->len)
        return -EINVAL;
    uint16_t sum =
        (uint16_t)~checksum_fold(checksum_add(0, packet_data(p) + start, p->len - start));
    // Zero would say "none" for UDP, whose field lies at 6; elsewhere both zeros are the same
    // number.
    store_be16(packet_data(p) + field, sum || p->vnet.csum_offset != 6 ? sum : UINT16_MAX);
    p->vnet.needs_csum = false;
    return 0;
}

// Sets lengths, identification and checksums of segment number `i`.
static void fix_network(uint8_t *ip, uint32_t ip_len, bool is_ipv6, uint32_t i)
{
    if (is_ipv6) {
        store_u16(ip + 4, (uint16_t)(ip_len - IPV6_LEN));
        return;
    }
    store_u16(ip + 2, (uint16_t)ip_len);
    store_u16(ip + 4, (uint16_t)(load_u16(ip + 4) + i));
    store_be16(ip + 10, 0);
    store_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, (ip[0] & 15) * 4u)));
}

static void fix_transport(const uint8_t *ip, uint8_t *l4, uint32_t l4_len, bool is_ipv6,
                          uint8_t proto)
{
    uint8_t *field = l4 + (proto == IPPROTO_TCP ? 16 : 6);
    uint32_t sum =
        is_ipv6 ? checksum_pseudo6(ip + 8, ip + 24, proto, l4_len)
                : checksum_pseudo4(load_be32(ip + 12), load_be32(ip + 16), proto, (uint16_t)l4_len);
    store_be16(field, 0);
    uint16_t final = (uint16_t)~checksum_fold(checksum_add(sum, l4, l4_len));
    store_be16(field, final ? final : UINT16_MAX);
}

static struct packet *make_segment(const struct packet *p, const struct division *d, uint32_t i,
                                   uint32_t offset, uint32_t n, bool last)
{
    struct packet *s = packet_new(d->header + n);
    uint8_t *data = packet_data(s), *ip = data + d->l3, *l4 = data + d->l4;
    bool is_ipv6 = load_u16(packet_data(p) + d->l3 - 2) == ETH_P_IPV6;

    memcpy(data, packet_data(p), d->header);
    memcpy(data + d->header, packet_data(p) + offset, n);
    s->md = p->md;
    s->cut_len = p->cut_len;
    s->l3_ofs = d->l3;
    s->l4_ofs = d->l4;
    s->l4_proto = d->proto;

    if (d->proto == IPPROTO_TCP) {
        store_be32(l4 + 4, htonl(ntohl(load_be32(l4 + 4)) + (offset - d->header)));
        if (!last)
            l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        if (i)
            l4[13] &= (uint8_t)~TCP_CWR;
    } else {
        store_u16(l4 + 4, (uint16_t)(s->len - d->l4));
    }
    fix_network(ip, s->len - d->l3, is_ipv6, i);
    fix_transport(ip, l4, s->len - d->l4, is_ipv6, d->proto);
    return s;
}

int packet_segment(const struct packet *p, void (*emit)(void *aux, struct packet *), void *aux)
{
    struct division d;

    if (p->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        emit(aux, packet_clone(p));
        return 0;
    }
    if (!divide(p, &d))
        return -EINVAL;
    if (!d.proto)
        return -EOPNOTSUPP;
    for (uint32_t i = 0, offset = d.header; offset < p->len; i++, offset += d.size) {
        uint32_t n = MIN_OF(d.size, p->len - offset);
        emit(aux, make_segment(p, &d, i, offset, n, offset + n == p->len));
    }
    return 0;
}
