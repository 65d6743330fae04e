// SPDX-License-Identifier: Apache-2.0
// The buffer of a packet: making, copying, and moving its start. Header offsets and the offsets of
// a pending checksum count from the start of the frame and follow it when it moves. Thread: the
// packet's.
#include "lib/flow/packet.h"

#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/mem.h"

struct packet *packet_new(uint32_t len)
{
    struct packet *p = NEW(struct packet);
    p->allocated = PACKET_HEADROOM + len;
    p->buf = xmalloc(p->allocated);
    p->headroom = PACKET_HEADROOM;
    p->len = len;
    p->l3_ofs = p->l4_ofs = UINT16_MAX;
    return p;
}

struct packet *packet_from(const void *frame, uint32_t len)
{
    struct packet *p = packet_new(len);
    if (len)
        memcpy(packet_data(p), frame, len);
    return p;
}

struct packet *packet_clone(const struct packet *src)
{
    struct packet *p = xmemdup(src, sizeof(*src));
    p->allocated = PACKET_HEADROOM + src->len;
    p->buf = xmalloc(p->allocated);
    p->headroom = PACKET_HEADROOM;
    memcpy(packet_data(p), packet_data(src), src->len);
    return p;
}

void packet_free(struct packet *p)
{
    if (!p)
        return;
    free(p->buf);
    free(p);
}

static void shift(uint16_t *offset, int32_t by)
{
    if (*offset == UINT16_MAX)
        return;
    int32_t moved = *offset + by;
    *offset = moved >= 0 && moved < UINT16_MAX ? (uint16_t)moved : UINT16_MAX;
}

// The frame begins `by` bytes earlier (or, negative, later).
static void shift_offsets(struct packet *p, int32_t by)
{
    shift(&p->l3_ofs, by);
    shift(&p->l4_ofs, by);
    if (p->vnet.needs_csum)
        p->vnet.csum_start = (uint16_t)MAX_OF(p->vnet.csum_start + by, 0);
    if (p->vnet.hdr_len)
        p->vnet.hdr_len = (uint16_t)MAX_OF(p->vnet.hdr_len + by, 0);
}

uint8_t *packet_push(struct packet *p, uint32_t n)
{
    if (UNLIKELY(n > p->headroom)) {
        uint32_t headroom = n + PACKET_HEADROOM;
        uint8_t *buf = xmalloc((size_t)headroom + p->len);
        memcpy(buf + headroom, packet_data(p), p->len);
        free(p->buf);
        p->buf = buf;
        p->allocated = headroom + p->len;
        p->headroom = headroom;
    }
    p->headroom -= n;
    p->len += n;
    shift_offsets(p, (int32_t)n);
    return packet_data(p);
}

void packet_pull(struct packet *p, uint32_t n)
{
    n = MIN_OF(n, p->len);
    p->headroom += n;
    p->len -= n;
    shift_offsets(p, -(int32_t)n);
}
