// SPDX-License-Identifier: Apache-2.0
// Version negotiation (OpenFlow 1.3.5, section 6.3.1).
//
// Both sides say hello at once, with the highest version they have and, from 1.3.1 on, a bitmap of
// all. With both bitmaps the highest common version counts; without one of them the lower of the
// two headers' versions, if both have it. Called by conn.c for the first message. Pure but for
// c->version.

#include <stdio.h>

#include "slowpath/openflow/conn.h"

static uint8_t highest(uint32_t versions)
{
    return versions ? (uint8_t)(31 - __builtin_clz(versions)) : 0;
}

void hello_put(struct buf *b, uint32_t versions)
{
    size_t start = of_msg_start(b, highest(versions), OFPT_HELLO, 0);
    buf_put_be16(b, OFPHET_VERSIONBITMAP);
    buf_put_be16(b, 8);
    buf_put_be32(b, versions);
    of_msg_finish(b, start);
}

// The bitmap in a hello's elements; 0: there is none.
static uint32_t bitmap_of(const struct ofp_header *h)
{
    struct reader r = reader_of(h + 1, ntohs(h->length) - sizeof(*h));
    while (r.left >= 4) {
        uint16_t type = reader_be16(&r), len = reader_be16(&r);
        if (len < 4)
            return 0;
        struct reader body = reader_sub(&r, len - 4u);
        reader_skip(&r, -len & 7);
        if (type == OFPHET_VERSIONBITMAP && body.left >= 4)
            return reader_be32(&body); // further words are for versions from 32 on
    }
    return 0;
}

enum of_error hello_get(struct of_conn *c, const struct ofp_header *h, char *ret_text, size_t size)
{
    uint32_t ours = c->mgr->versions, theirs = bitmap_of(h);
    uint8_t version;
    if (theirs) {
        version = highest(ours & theirs);
    } else {
        version = highest(ours);
        if (h->version < version)
            version = h->version;
        if (version > 31 || !(ours & OF_VERSION_BIT(version)))
            version = 0;
    }
    if (version) {
        c->version = version;
        return OF_OK;
    }
    snprintf(ret_text, size,
             "no common OpenFlow version: wire versions 0x%x are allowed here, the "
             "peer offers up to %u",
             ours, h->version);
    return OFPHFC_INCOMPATIBLE;
}
