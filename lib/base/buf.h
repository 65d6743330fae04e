// SPDX-License-Identifier: Apache-2.0
// A growable run of bytes with room before it (headroom) and after it (tailroom), and a reader
// that can't run over its end.
//
//     base        data            data+size      base+capacity
//      |-headroom--|----content----|---tailroom---|
//
// Pointers into the content are valid until the next call that may grow or move it (put, push,
// reserve). Growing aborts on exhausted memory (lib/base/mem.h); callers bound sizes that come
// from outside. Multi-byte values are in network byte order where the name says be.
// Thread: any; one buffer or reader belongs to one thread at a time. Nothing here blocks.
#pragma once

#include "lib/base/compiler.h"

struct buf {
    uint8_t *base;
    size_t capacity;
    uint8_t *data;
    size_t size;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, NULL, 0                                                                           \
    }

// 'headroom' bytes stay free before the content, 'room' bytes are allocated behind them.
void buf_init(struct buf *b, size_t headroom, size_t room);
void buf_done(struct buf *b);  // frees; leaves BUF_INIT
void buf_clear(struct buf *b); // empties; memory and the current place of 'data' are kept
// Hands the content over: malloc()ed bytes for free(), *ret_size of them; 'b' is BUF_INIT after.
uint8_t *buf_steal(struct buf *b, size_t *ret_size);
void buf_clone(struct buf *to, const struct buf *from); // 'to' is initialised here

static inline size_t buf_headroom(const struct buf *b)
{
    return (size_t)(b->data - b->base);
}
static inline size_t buf_tailroom(const struct buf *b)
{
    return b->capacity - buf_headroom(b) - b->size;
}
static inline uint8_t *buf_end(const struct buf *b)
{
    return b->data + b->size;
}

void buf_reserve(struct buf *b, size_t tailroom);          // at least that much tailroom
void buf_reserve_headroom(struct buf *b, size_t headroom); // at least that much headroom

// Append at the end; return the first appended byte. 'src' must not lie inside 'b'.
void *buf_put_uninit(struct buf *b, size_t n);
void *buf_put_zeros(struct buf *b, size_t n);
void *buf_put(struct buf *b, const void *src, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_be16(struct buf *b, uint16_t host_v);
void buf_put_be32(struct buf *b, uint32_t host_v);
void buf_put_be64(struct buf *b, uint64_t host_v);
void buf_pad(struct buf *b, size_t multiple); // zeros until size is a multiple of 'multiple'

// Prepend (grows the headroom when there is none); returns the new first byte.
void *buf_push_uninit(struct buf *b, size_t n);
void *buf_push(struct buf *b, const void *src, size_t n);
// Takes 'n' bytes off the front; returns where they were, or NULL (nothing changes) if there are
// fewer.
void *buf_pull(struct buf *b, size_t n);
// Cuts the content to 'size' bytes; nothing happens when it is shorter already.
void buf_trim(struct buf *b, size_t size);
// 'n' bytes at 'offset', or NULL if the content doesn't hold them.
void *buf_at(const struct buf *b, size_t offset, size_t n);

// Reading with bounds. A read past the end returns 0 (or NULL), consumes what is left and sets
// 'bad', which stays set: parse everything first, then ask reader_ok() once.
struct reader {
    const uint8_t *data;
    size_t left;
    bool bad;
};

static inline struct reader reader_of(const void *data, size_t size)
{
    return (struct reader){(const uint8_t *)data, size, false};
}
static inline bool reader_ok(const struct reader *r)
{
    return !r->bad;
}
const void *reader_get(struct reader *r, size_t n);      // NULL if fewer than 'n' are left
struct reader reader_sub(struct reader *r, size_t n);    // the next 'n' bytes as a reader
bool reader_copy(struct reader *r, void *dst, size_t n); // false: dst untouched
void reader_skip(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_be16(struct reader *r); // returned in host order, as the next two
uint32_t reader_be32(struct reader *r);
uint64_t reader_be64(struct reader *r);
