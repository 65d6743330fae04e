// SPDX-License-Identifier: Apache-2.0
// Messages as bytes: finding their kind, starting and finishing replies, splitting long ones.
// Any thread; pure.
#pragma once

#include <arpa/inet.h>
#include <endian.h>

#include "lib/base/buf.h"
#include "slowpath/openflow/error.h"
#include "slowpath/openflow/wire.h"

static inline uint64_t ntohll(be64_t v)
{
    return be64toh(v);
}
static inline be64_t htonll(uint64_t v)
{
    return htobe64(v);
}

// One received message, in place. The body is what follows the headers that `kind` stands for:
// OpenFlow's, then the vendor's, the statistics' or both.
enum of_msg_kind {
    OF_MSG_PLAIN, // number is OFPT_*
    OF_MSG_NXT,   // number is NXT_*
    OF_MSG_STATS, // number is OFPST_*
    OF_MSG_NXST,  // number is NXST_*
};

struct of_msg {
    const struct ofp_header *header;
    uint16_t len; // of the whole message
    uint8_t version;
    enum of_msg_kind kind;
    uint16_t stats_flags;
    uint32_t number;
    const uint8_t *body;
    size_t body_len;
};

// Fills *ret_msg from a message whose `header->length` bytes are all there. OFPBRC_BAD_LEN: too
// short for its own headers; OFPBRC_BAD_VENDOR: an extension that isn't known here.
enum of_error of_msg_parse(const void *data, struct of_msg *ret_msg);

// Starts a message at the end of `b`; returns its offset, for of_msg_finish(), which writes the
// length. Several messages may lie in one buffer one behind the other.
size_t of_msg_start(struct buf *b, uint8_t version, uint8_t type, be32_t xid);
size_t of_msg_start_nxt(struct buf *b, uint8_t version, uint32_t subtype, be32_t xid);
void of_msg_finish(struct buf *b, size_t start);

// A statistics (multipart) reply of any length. Entries are written to `b` and committed one by
// one; a message that would grow over 64 kB is closed with the more-flag and the next one begun.
struct of_reply {
    struct buf *b;
    uint8_t version;
    enum of_msg_kind kind;
    uint32_t number;
    be32_t xid;
    size_t start; // of the message under construction
};
void of_reply_begin(struct of_reply *r, struct buf *b, const struct of_msg *request);
// The entry is what was appended to `b` since its size was `entry`. False: it alone exceeds a
// message; it was taken back.
bool of_reply_commit(struct of_reply *r, size_t entry);
// Closes the message under construction with the more-flag, so that `b` may be sent and emptied;
// then of_reply_resume() begins the next one.
void of_reply_flush(struct of_reply *r);
void of_reply_resume(struct of_reply *r);
void of_reply_end(struct of_reply *r); // closes the last message

// 1.0's 16-bit port numbers. Reserved ports lie at 0xff00 there and at 0xffffff00 here.
static inline ofp_port_t of_port_from10(uint16_t port)
{
    return port < 0xff00 ? port : port | 0xffff0000u;
}
// Ports that 1.0 can't number become OFPP_NONE.
static inline uint16_t of_port_to10(ofp_port_t port)
{
    return port < 0xff00 || port >= OFPP_MAX_PORT ? (uint16_t)port : 0xffff;
}
// A number that exists neither as a port nor as a reserved one.
static inline bool of_port_valid(ofp_port_t port)
{
    return port < 0xff00 || port >= OFPP_MAX_PORT;
}
