// SPDX-License-Identifier: Apache-2.0
// Building and reading netlink messages over libmnl.
//
// Names begin with nlk_ because libnl, which lives in the same process, owns nl_.
//
// A message grows as it is built. What can't be expressed (an attribute longer than 65535 bytes, a
// nest that overflows its 16-bit length) sets msg->error, which stays; sending such a message fails
// with it. So a builder needs no checks in between. Pointers into a message are valid until the
// next put.
//
// Reading is by table: a policy says which attributes are known and what sizes they may have;
// nlk_parse() fills an array by type and refuses malformed input with a sentence.
//
// Thread: any; one message belongs to one thread at a time. Nothing blocks.
#pragma once

#include <linux/netlink.h>

#include "lib/base/err.h"

struct nlk_msg {
    struct nlmsghdr *hdr; // owned
    size_t capacity;
    int error; // negative errno of the first put that failed
};

// Starts a message; 'flags' as NLM_F_REQUEST, which is added always. Sequence and ACK are the
// sender's business.
void nlk_msg_init(struct nlk_msg *m, uint16_t type, uint16_t flags);
// The same with a generic netlink header (linux/genetlink.h).
void nlk_msg_init_genl(struct nlk_msg *m, uint16_t family, uint8_t cmd, uint8_t version,
                       uint16_t flags);
void nlk_msg_done(struct nlk_msg *m);
static inline size_t nlk_msg_size(const struct nlk_msg *m)
{
    return m->hdr->nlmsg_len;
}

// A protocol header (struct ifinfomsg, tcmsg, ovs_header …): zeroed, 4-byte aligned.
void *nlk_put_header(struct nlk_msg *m, size_t size);
void nlk_put(struct nlk_msg *m, uint16_t type, const void *data, size_t size);
void *nlk_put_uninit(struct nlk_msg *m, uint16_t type, size_t size); // NULL if it can't be held
void nlk_put_flag(struct nlk_msg *m, uint16_t type);
void nlk_put_u8(struct nlk_msg *m, uint16_t type, uint8_t v);
void nlk_put_u16(struct nlk_msg *m, uint16_t type, uint16_t v);
void nlk_put_u32(struct nlk_msg *m, uint16_t type, uint32_t v);
void nlk_put_u64(struct nlk_msg *m, uint16_t type, uint64_t v);
void nlk_put_i32(struct nlk_msg *m, uint16_t type, int32_t v);
void nlk_put_be16(struct nlk_msg *m, uint16_t type, uint16_t host_v);
void nlk_put_be32(struct nlk_msg *m, uint16_t type, uint32_t host_v);
void nlk_put_be64(struct nlk_msg *m, uint16_t type, uint64_t host_v);
void nlk_put_str(struct nlk_msg *m, uint16_t type, const char *text); // with its NUL

// A nest: nlk_nest_start() returns where it begins (an offset, stable while the message grows).
// NLA_F_NESTED is set, as strict kernels ask; nlk_nest_start_plain() leaves it out.
size_t nlk_nest_start(struct nlk_msg *m, uint16_t type);
size_t nlk_nest_start_plain(struct nlk_msg *m, uint16_t type);
void nlk_nest_end(struct nlk_msg *m, size_t nest);
void nlk_nest_cancel(struct nlk_msg *m, size_t nest); // cuts it off again

// Reading. 'min' and 'max' are payload sizes; max 0 means no upper bound, exact ones have min ==
// max. An attribute without an entry is ignored.
struct nlk_policy {
    uint16_t type;
    uint16_t min, max;
    bool text;     // NUL-terminated within its size
    bool required; // missing is an error
};
#define NLK_U8(type_)                                                                              \
    {                                                                                              \
        .type = (type_), .min = 1, .max = 1                                                        \
    }
#define NLK_U16(type_)                                                                             \
    {                                                                                              \
        .type = (type_), .min = 2, .max = 2                                                        \
    }
#define NLK_U32(type_)                                                                             \
    {                                                                                              \
        .type = (type_), .min = 4, .max = 4                                                        \
    }
#define NLK_U64(type_)                                                                             \
    {                                                                                              \
        .type = (type_), .min = 8, .max = 8                                                        \
    }
#define NLK_TEXT(type_)                                                                            \
    {                                                                                              \
        .type = (type_), .min = 1, .text = true                                                    \
    }
#define NLK_NEST(type_)                                                                            \
    {                                                                                              \
        .type = (type_)                                                                            \
    }
#define NLK_ANY(type_)                                                                             \
    {                                                                                              \
        .type = (type_)                                                                            \
    }
#define NLK_BYTES(type_, n)                                                                        \
    {                                                                                              \
        .type = (type_), .min = (n), .max = (n)                                                    \
    }
#define NLK_AT_LEAST(type_, n)                                                                     \
    {                                                                                              \
        .type = (type_), .min = (n)                                                                \
    }

// Fills tb[0..n_tb-1] by attribute type: the last of each type, NULL where missing. 'data' may be
// at any address of 4-byte alignment. -EPROTO with a sentence that names the attribute.
int nlk_parse(const void *data, size_t size, const struct nlk_policy *policy, size_t n_policy,
              const struct nlattr *tb[], size_t n_tb, struct err *err);
// The attributes of a message behind its protocol header of 'header' bytes; -EPROTO if shorter.
int nlk_parse_msg(const struct nlmsghdr *h, size_t header, const struct nlk_policy *policy,
                  size_t n_policy, const struct nlattr *tb[], size_t n_tb, struct err *err);
// The attributes inside a nest.
int nlk_parse_nest(const struct nlattr *a, const struct nlk_policy *policy, size_t n_policy,
                   const struct nlattr *tb[], size_t n_tb, struct err *err);

// The payload as a pointer and size, and as a value. The value functions need a size that the
// policy checked; the bytes may be unaligned.
static inline uint16_t nlk_type(const struct nlattr *a)
{
    return a->nla_type & NLA_TYPE_MASK;
}
static inline const void *nlk_data(const struct nlattr *a)
{
    return (const char *)a + NLA_HDRLEN;
}
static inline size_t nlk_size(const struct nlattr *a)
{
    return (size_t)a->nla_len - NLA_HDRLEN;
}
uint8_t nlk_u8(const struct nlattr *a);
uint16_t nlk_u16(const struct nlattr *a);
uint32_t nlk_u32(const struct nlattr *a);
uint64_t nlk_u64(const struct nlattr *a);
uint16_t nlk_be16(const struct nlattr *a); // network order on the wire, host order returned
uint32_t nlk_be32(const struct nlattr *a);
uint64_t nlk_be64(const struct nlattr *a);
const char *nlk_str(const struct nlattr *a); // only with a 'text' policy

// Walks attributes with full bounds checks; for lists of nests and for order that matters. Starts
// with *pos = 0; NULL at the end or at malformed bytes (then *ret_bad, if given, becomes true).
const struct nlattr *nlk_next(const void *data, size_t size, size_t *pos, bool *ret_bad);
#define NLK_FOR_EACH(a, data, size, pos, bad)                                                      \
    for (size_t pos = 0; ((a) = nlk_next((data), (size), &pos, (bad)));)
