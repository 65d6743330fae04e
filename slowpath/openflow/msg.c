// SPDX-License-Identifier: Apache-2.0
// Messages as bytes: the headers that stand before a body, and replies made of several messages.
//
// Statistics have one more header (4 bytes in 1.0, 8 in 1.3), vendor statistics yet another, whose
// order differs: 1.0 puts the vendor before a padded subtype, 1.3 the experimenter before the type;
// both are read as vendor then subtype (1.0 pads behind them to 16 bytes).
// Used by dispatch.c and every file that replies. Any thread; pure.

#include "slowpath/openflow/msg.h"

#include <string.h>

// Bytes from the message's start to a statistics body.
static size_t stats_header_len(uint8_t version, bool vendor)
{
    if (version <= OF10)
        return vendor ? 24 : 12;
    return vendor ? 24 : 16;
}

static enum of_error parse_stats(struct of_msg *m)
{
    size_t n = stats_header_len(m->version, false);
    if (m->len < n)
        return OFPBRC_BAD_LEN;
    const uint8_t *p = (const uint8_t *)m->header;
    be16_t type, flags;
    memcpy(&type, p + 8, 2);
    memcpy(&flags, p + 10, 2);
    m->kind = OF_MSG_STATS;
    m->number = ntohs(type);
    m->stats_flags = ntohs(flags);
    if (m->number == OFPST_VENDOR) {
        size_t ids = n;
        n = stats_header_len(m->version, true);
        if (m->len < n)
            return OFPBRC_BAD_LEN;
        struct ofp_vendor_header v;
        memcpy(&v, p + ids, sizeof(v));
        if (ntohl(v.vendor) != NX_VENDOR)
            return OFPBRC_BAD_VENDOR;
        m->kind = OF_MSG_NXST;
        m->number = ntohl(v.subtype);
    }
    m->body = p + n;
    m->body_len = m->len - n;
    return OF_OK;
}

enum of_error of_msg_parse(const void *data, struct of_msg *ret)
{
    struct of_msg m = {.header = data};
    m.version = m.header->version;
    m.len = ntohs(m.header->length);
    m.number = m.header->type;
    m.body = (const uint8_t *)(m.header + 1);
    m.body_len = m.len - sizeof(*m.header);
    *ret = m;
    if (m.number == OFPT_VENDOR) {
        struct ofp_vendor_header v;
        if (m.body_len < sizeof(v))
            return OFPBRC_BAD_LEN;
        memcpy(&v, m.body, sizeof(v));
        if (ntohl(v.vendor) != NX_VENDOR)
            return OFPBRC_BAD_VENDOR;
        m.kind = OF_MSG_NXT;
        m.number = ntohl(v.subtype);
        m.body += sizeof(v);
        m.body_len -= sizeof(v);
    } else if (m.number == (m.version <= OF10 ? OFPT10_STATS_REQUEST : OFPT13_MULTIPART_REQUEST)) {
        enum of_error e = parse_stats(&m);
        if (e)
            return e;
    }
    *ret = m;
    return OF_OK;
}

size_t of_msg_start(struct buf *b, uint8_t version, uint8_t type, be32_t xid)
{
    size_t start = b->size;
    struct ofp_header *h = buf_put_zeros(b, sizeof(*h));
    h->version = version;
    h->type = type;
    h->xid = xid;
    return start;
}

size_t of_msg_start_nxt(struct buf *b, uint8_t version, uint32_t subtype, be32_t xid)
{
    size_t start = of_msg_start(b, version, OFPT_VENDOR, xid);
    buf_put_be32(b, NX_VENDOR);
    buf_put_be32(b, subtype);
    return start;
}

void of_msg_finish(struct buf *b, size_t start)
{
    struct ofp_header *h = (struct ofp_header *)(b->data + start);
    h->length = htons((uint16_t)(b->size - start));
}

static size_t reply_header_len(const struct of_reply *r)
{
    return stats_header_len(r->version, r->kind == OF_MSG_NXST);
}

// Writes the headers into the first bytes at `at`, which are there already.
static void reply_header(const struct of_reply *r, size_t at)
{
    uint8_t *p = r->b->data + at;
    memset(p, 0, reply_header_len(r));
    struct ofp_header *h = (struct ofp_header *)p;
    h->version = r->version;
    h->type = r->version <= OF10 ? OFPT10_STATS_REPLY : OFPT13_MULTIPART_REPLY;
    h->xid = r->xid;
    be16_t type = htons(r->kind == OF_MSG_NXST ? OFPST_VENDOR : (uint16_t)r->number);
    memcpy(p + 8, &type, 2);
    if (r->kind == OF_MSG_NXST) {
        struct ofp_vendor_header v = {htonl(NX_VENDOR), htonl(r->number)};
        memcpy(p + stats_header_len(r->version, false), &v, sizeof(v));
    }
}

static void reply_open(struct of_reply *r)
{
    r->start = r->b->size;
    buf_put_uninit(r->b, reply_header_len(r));
    reply_header(r, r->start);
}

static void reply_close(struct of_reply *r, bool more)
{
    of_msg_finish(r->b, r->start);
    be16_t flags = htons(more ? OFPSF_REPLY_MORE : 0);
    memcpy(r->b->data + r->start + 10, &flags, 2);
}

void of_reply_begin(struct of_reply *r, struct buf *b, const struct of_msg *request)
{
    *r = (struct of_reply){
        .b = b,
        .version = request->version,
        .kind = request->kind,
        .number = request->number,
        .xid = request->header->xid,
    };
    reply_open(r);
}

bool of_reply_commit(struct of_reply *r, size_t entry)
{
    size_t n = r->b->size - entry, head = reply_header_len(r);
    if (n + head > OFP_MAX_LEN) {
        buf_trim(r->b, entry);
        return false;
    }
    if (r->b->size - r->start <= OFP_MAX_LEN)
        return true;
    // Close the message before the entry and put a header between the two.
    buf_put_uninit(r->b, head);
    memmove(r->b->data + entry + head, r->b->data + entry, n);
    size_t end = r->b->size;
    r->b->size = entry;
    reply_close(r, true);
    r->b->size = end;
    r->start = entry;
    reply_header(r, entry);
    return true;
}

void of_reply_flush(struct of_reply *r)
{
    reply_close(r, true);
}

void of_reply_resume(struct of_reply *r)
{
    reply_open(r);
}

void of_reply_end(struct of_reply *r)
{
    reply_close(r, false);
}
