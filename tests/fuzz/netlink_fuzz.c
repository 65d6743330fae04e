// SPDX-License-Identifier: Apache-2.0
// What the kernel could send, damaged in any way: datagrams split into messages, errors with their
// sentences, links decoded. Truths beyond what the sanitizers see: a message that is handed over
// lies within the datagram, sentences end, and what is decoded has names that end.
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/netlink/nlsock.h"
#include "lib/netlink/rtnl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bounds {
    const char *from, *to;
};

static void walk(const struct nlattr *a, unsigned depth)
{
    const struct nlattr *inner;
    bool bad = false;
    NLK_FOR_EACH(inner, nlk_data(a), nlk_size(a), pos, &bad)
    {
        if ((const char *)inner + inner->nla_len > (const char *)a + a->nla_len)
            abort();
        if (depth)
            walk(inner, depth - 1);
    }
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
    const struct bounds *b = arg;
    const struct nlattr *a;
    struct rtnl_link l;
    bool bad = false;
    if ((const char *)h < b->from || (const char *)h + h->nlmsg_len > b->to)
        abort();
    NLK_FOR_EACH(a, NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN, pos, &bad)
    walk(a, 3);
    if (!rtnl_link_parse(h, &l, NULL) &&
        (strnlen(l.name, sizeof(l.name)) == sizeof(l.name) ||
         strnlen(l.kind, sizeof(l.kind)) == sizeof(l.kind) ||
         strnlen(l.port_name, sizeof(l.port_name)) == sizeof(l.port_name) ||
         l.switch_id_size > sizeof(l.switch_id)))
        abort();
    return 0;
}

static int on_control(const struct nlmsghdr *h, int error, const char *sentence, uint32_t offset,
                      void *arg)
{
    const struct bounds *b = arg;
    if (error > 0 || (sentence && sentence + strlen(sentence) >= b->to))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // As from a socket: aligned, and exactly as long as it is.
    char *copy = xmemdup(data, size);
    struct bounds b = {copy, copy + size};
    const struct nlk_split cb = {on_message, on_control, &b};
    struct err err = ERR_INIT;
    int error = nlk_split(copy, size, &cb, &err);
    if (err_is_set(&err) != (error != 0))
        abort();
    err_done(&err);
    free(copy);
    return 0;
}
