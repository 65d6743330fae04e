// SPDX-License-Identifier: Apache-2.0
// Frames for nicsim's tests, written byte by byte so that no code under test helps to build them.
#pragma once

#include <stdint.h>
#include <string.h>

struct frame {
    uint8_t b[256];
    size_t len;
};

static inline void frame_put(struct frame *f, const void *bytes, size_t n)
{
    memcpy(f->b + f->len, bytes, n);
    f->len += n;
}
#define FRAME_BYTES(f, ...)                                                                        \
    frame_put(f, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void frame_eth(struct frame *f, uint16_t type)
{
    f->len = 0;
    FRAME_BYTES(f, 0x02, 0, 0, 0, 0, 0xd1, 0x02, 0, 0, 0, 0, 0x51, type >> 8, type & 255);
}
// Replaces the Ethernet type by a tag and the type that follows it.
static inline void frame_tag(struct frame *f, uint16_t tpid, uint16_t tci, uint16_t type)
{
    f->len -= 2;
    FRAME_BYTES(f, tpid >> 8, tpid & 255, tci >> 8, tci & 255, type >> 8, type & 255);
}
// 10.0.0.1 to 10.0.0.2; `frag` is the field with flags and offset.
static inline void frame_ip4(struct frame *f, uint8_t proto, uint16_t frag)
{
    FRAME_BYTES(f, 0x45, 0, 0, 60, 0, 1, frag >> 8, frag & 255, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0,
                0, 2);
}
// fd00::1 to fd00::2
static inline void frame_ip6(struct frame *f, uint8_t next)
{
    FRAME_BYTES(f, 0x60, 0, 0, 0, 0, 40, next, 64);
    FRAME_BYTES(f, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    FRAME_BYTES(f, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
}
static inline void frame_ports(struct frame *f, uint16_t src, uint16_t dst)
{
    FRAME_BYTES(f, src >> 8, src & 255, dst >> 8, dst & 255);
    FRAME_BYTES(f, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0);
}
