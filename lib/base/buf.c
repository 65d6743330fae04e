// SPDX-License-Identifier: Apache-2.0
// The byte buffer with headroom, and the bounded reader.
//
// Messages are built with put and push, and taken apart with pull or a reader. Used by every codec.
// No state of its own, so any thread; one object belongs to one thread at a time. Invariant:
// base <= data, and data + size <= base + capacity; an empty buffer may have base NULL.
#include "lib/base/buf.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "lib/base/mem.h"

// Moves the content into memory with the given free room around it.
static void buf_resize(struct buf *b, size_t headroom, size_t tailroom)
{
    size_t capacity = headroom + b->size + tailroom;
    uint8_t *base = xmalloc(capacity);
    if (b->size)
        memcpy(base + headroom, b->data, b->size);
    free(b->base);
    b->base = base;
    b->capacity = capacity;
    b->data = base + headroom;
}

void buf_init(struct buf *b, size_t headroom, size_t room)
{
    *b = (struct buf)BUF_INIT;
    if (headroom + room)
        buf_resize(b, headroom, room);
}

void buf_done(struct buf *b)
{
    if (b) {
        free(b->base);
        *b = (struct buf)BUF_INIT;
    }
}

void buf_clear(struct buf *b)
{
    b->size = 0;
}

uint8_t *buf_steal(struct buf *b, size_t *ret_size)
{
    if (b->size && b->data != b->base)
        memmove(b->base, b->data, b->size);
    uint8_t *content = b->base ? b->base : xmalloc(1);
    *ret_size = b->size;
    *b = (struct buf)BUF_INIT;
    return content;
}

void buf_clone(struct buf *to, const struct buf *from)
{
    buf_init(to, from->base ? buf_headroom(from) : 0, from->size);
    buf_put(to, from->data, from->size);
}

void buf_reserve(struct buf *b, size_t tailroom)
{
    if (!b->base || buf_tailroom(b) < tailroom)
        buf_resize(b, b->base ? buf_headroom(b) : 0, MAX_OF(tailroom, b->size + 64));
}

void buf_reserve_headroom(struct buf *b, size_t headroom)
{
    if (!b->base || buf_headroom(b) < headroom)
        buf_resize(b, headroom + 64, b->base ? buf_tailroom(b) : 0);
}

void *buf_put_uninit(struct buf *b, size_t n)
{
    buf_reserve(b, n);
    uint8_t *at = buf_end(b);
    b->size += n;
    return at;
}

void *buf_put_zeros(struct buf *b, size_t n)
{
    return memset(buf_put_uninit(b, n), 0, n);
}

void *buf_put(struct buf *b, const void *src, size_t n)
{
    void *at = buf_put_uninit(b, n);
    if (n)
        memcpy(at, src, n);
    return at;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, sizeof(v));
}

void buf_put_be16(struct buf *b, uint16_t host_v)
{
    uint16_t v = htons(host_v);
    buf_put(b, &v, sizeof(v));
}

void buf_put_be32(struct buf *b, uint32_t host_v)
{
    uint32_t v = htonl(host_v);
    buf_put(b, &v, sizeof(v));
}

void buf_put_be64(struct buf *b, uint64_t host_v)
{
    uint64_t v = htobe64(host_v);
    buf_put(b, &v, sizeof(v));
}

void buf_pad(struct buf *b, size_t multiple)
{
    buf_put_zeros(b, ROUND_UP(b->size, multiple) - b->size);
}

void *buf_push_uninit(struct buf *b, size_t n)
{
    buf_reserve_headroom(b, n);
    b->data -= n;
    b->size += n;
    return b->data;
}

void *buf_push(struct buf *b, const void *src, size_t n)
{
    void *at = buf_push_uninit(b, n);
    if (n)
        memcpy(at, src, n);
    return at;
}

void *buf_pull(struct buf *b, size_t n)
{
    if (n > b->size)
        return NULL;
    if (!b->base) // nothing pulled from nothing still has an address
        buf_reserve(b, 1);
    void *at = b->data;
    b->data += n;
    b->size -= n;
    return at;
}

void buf_trim(struct buf *b, size_t size)
{
    b->size = MIN_OF(b->size, size);
}

void *buf_at(const struct buf *b, size_t offset, size_t n)
{
    if (offset > b->size || n > b->size - offset)
        return NULL;
    return b->data + offset;
}

const void *reader_get(struct reader *r, size_t n)
{
    if (n > r->left) {
        r->bad = true;
        r->left = 0;
        return NULL;
    }
    const void *at = r->data;
    r->data += n;
    r->left -= n;
    return at;
}

struct reader reader_sub(struct reader *r, size_t n)
{
    const void *at = reader_get(r, n);
    if (at)
        return reader_of(at, n);
    return (struct reader){r->data, 0, true};
}

bool reader_copy(struct reader *r, void *dst, size_t n)
{
    const void *src = reader_get(r, n);
    if (src && n)
        memcpy(dst, src, n);
    return src != NULL || n == 0;
}

void reader_skip(struct reader *r, size_t n)
{
    reader_get(r, n);
}

uint8_t reader_u8(struct reader *r)
{
    uint8_t v = 0;
    reader_copy(r, &v, sizeof(v));
    return v;
}

uint16_t reader_be16(struct reader *r)
{
    uint16_t v = 0;
    reader_copy(r, &v, sizeof(v));
    return ntohs(v);
}

uint32_t reader_be32(struct reader *r)
{
    uint32_t v = 0;
    reader_copy(r, &v, sizeof(v));
    return ntohl(v);
}

uint64_t reader_be64(struct reader *r)
{
    uint64_t v = 0;
    reader_copy(r, &v, sizeof(v));
    return be64toh(v);
}
