// SPDX-License-Identifier: Apache-2.0
// Taking a datagram from the kernel apart: data, ACKs, errors with their sentence, ends of dumps.
//
// Pure, so that it can be fuzzed; nlsock.c and nlbatch.c act on what it finds. The layout of
// NLMSG_ERROR and of its extended attributes is include/uapi/linux/netlink.h's. Any thread.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include "lib/netlink/nlsock.h"

static const struct nlk_policy ack_policy[] = {
    NLK_TEXT(NLMSGERR_ATTR_MSG),
    NLK_U32(NLMSGERR_ATTR_OFFS),
};

// The extended attributes behind an error's fixed part. Malformed ones count as none: the errno
// itself is good.
static void extended(const struct nlmsghdr *h, size_t skip, const char **sentence, uint32_t *offset)
{
    const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || h->nlmsg_len <= skip)
        return;
    if (nlk_parse((const char *)h + skip, h->nlmsg_len - skip, ack_policy, ARRAY_SIZE(ack_policy),
                  tb, ARRAY_SIZE(tb), NULL))
        return;
    if (tb[NLMSGERR_ATTR_MSG])
        *sentence = nlk_str(tb[NLMSGERR_ATTR_MSG]);
    if (tb[NLMSGERR_ATTR_OFFS])
        *offset = nlk_u32(tb[NLMSGERR_ATTR_OFFS]);
}

static int sane(int error)
{
    return error > 0 || error < -4095 ? -EPROTO : error; // the kernel's MAX_ERRNO
}

static int on_error(const struct nlmsghdr *h, const struct nlk_split *cb, struct err *err)
{
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return err_set(err, -EPROTO, "netlink error message is truncated");
    const struct nlmsgerr *e = NLMSG_DATA(h);
    const char *sentence = NULL;
    uint32_t offset = 0;
    size_t skip = NLMSG_LENGTH(sizeof(*e));
    // Without NETLINK_CAP_ACK the request's payload comes before the attributes.
    if (!(h->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len >= NLMSG_HDRLEN &&
        e->msg.nlmsg_len <= h->nlmsg_len)
        skip += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
    extended(h, skip, &sentence, &offset);
    return cb->control(h, sane(e->error), sentence, offset, cb->arg);
}

// The end of a dump carries an errno too, and, from 4.14 on, extended attributes.
static int on_done(const struct nlmsghdr *h, const struct nlk_split *cb)
{
    int error = 0;
    const char *sentence = NULL;
    uint32_t offset = 0;
    if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(error))) {
        memcpy(&error, NLMSG_DATA(h), sizeof(error));
        extended(h, NLMSG_LENGTH(sizeof(error)), &sentence, &offset);
    }
    return cb->control(h, sane(error), sentence, offset, cb->arg);
}

int nlk_split(const void *data, size_t size, const struct nlk_split *cb, struct err *err)
{
    const struct nlmsghdr *h = data;
    size_t left = size;
    while (left >= sizeof(*h)) {
        if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left)
            return err_set(err, -EPROTO, "netlink message is truncated");
        int result = 0;
        if (h->nlmsg_type == NLMSG_ERROR)
            result = on_error(h, cb, err);
        else if (h->nlmsg_type == NLMSG_DONE)
            result = on_done(h, cb);
        else if (h->nlmsg_type == NLMSG_OVERRUN)
            result = err_set(err, -ENOBUFS, "netlink messages were lost");
        else if (h->nlmsg_type != NLMSG_NOOP)
            result = cb->message(h, cb->arg);
        if (result < 0)
            return result;
        size_t step = MIN_OF((size_t)NLMSG_ALIGN(h->nlmsg_len), left);
        h = (const struct nlmsghdr *)(const void *)((const char *)h + step);
        left -= step;
    }
    return left ? err_set(err, -EPROTO, "netlink datagram ends in a fragment") : 0;
}
