// SPDX-License-Identifier: Apache-2.0
// Building netlink messages and reading their attributes.
//
// libmnl's put functions write into memory that this file grows first; nests are offsets, so that
// growing can't break them. Reading doesn't trust any length: every attribute is checked against
// what is left, and its payload against the policy. Pure; any thread. Invariant: hdr->nlmsg_len is
// a multiple of 4 and at most the capacity.
#include "lib/netlink/nlmsg.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <string.h>

#include "lib/base/mem.h"

#define INITIAL_CAPACITY 512
#define MAX_PAYLOAD (UINT16_MAX - NLA_HDRLEN)

static void grow(struct nlk_msg *m, size_t extra)
{
    size_t want = (size_t)m->hdr->nlmsg_len + extra;
    if (want > m->capacity) {
        m->capacity = MAX_OF(want, m->capacity * 2);
        m->hdr = xrealloc(m->hdr, m->capacity);
    }
}

void nlk_msg_init(struct nlk_msg *m, uint16_t type, uint16_t flags)
{
    m->capacity = INITIAL_CAPACITY;
    m->hdr = xmalloc(m->capacity);
    m->error = 0;
    mnl_nlmsg_put_header(m->hdr);
    m->hdr->nlmsg_type = type;
    m->hdr->nlmsg_flags = flags | NLM_F_REQUEST;
}

void nlk_msg_init_genl(struct nlk_msg *m, uint16_t family, uint8_t cmd, uint8_t version,
                       uint16_t flags)
{
    nlk_msg_init(m, family, flags);
    struct genlmsghdr *g = nlk_put_header(m, sizeof(*g));
    g->cmd = cmd;
    g->version = version;
}

void nlk_msg_done(struct nlk_msg *m)
{
    if (m) {
        free(m->hdr);
        *m = (struct nlk_msg){0};
    }
}

void *nlk_put_header(struct nlk_msg *m, size_t size)
{
    grow(m, MNL_ALIGN(size));
    return mnl_nlmsg_put_extra_header(m->hdr, size);
}

void *nlk_put_uninit(struct nlk_msg *m, uint16_t type, size_t size)
{
    if (size > MAX_PAYLOAD) {
        m->error = -EMSGSIZE;
        return NULL;
    }
    grow(m, NLA_HDRLEN + MNL_ALIGN(size));
    struct nlattr *a = mnl_nlmsg_get_payload_tail(m->hdr);
    a->nla_type = type;
    a->nla_len = (uint16_t)(NLA_HDRLEN + size);
    char *data = (char *)a + NLA_HDRLEN;
    memset(data + size, 0, MNL_ALIGN(size) - size);
    m->hdr->nlmsg_len += NLA_HDRLEN + (uint32_t)MNL_ALIGN(size);
    return data;
}

void nlk_put(struct nlk_msg *m, uint16_t type, const void *data, size_t size)
{
    void *at = nlk_put_uninit(m, type, size);
    if (at && size)
        memcpy(at, data, size);
}

void nlk_put_flag(struct nlk_msg *m, uint16_t type)
{
    nlk_put(m, type, NULL, 0);
}

void nlk_put_u8(struct nlk_msg *m, uint16_t type, uint8_t v)
{
    nlk_put(m, type, &v, sizeof(v));
}

void nlk_put_u16(struct nlk_msg *m, uint16_t type, uint16_t v)
{
    nlk_put(m, type, &v, sizeof(v));
}

void nlk_put_u32(struct nlk_msg *m, uint16_t type, uint32_t v)
{
    nlk_put(m, type, &v, sizeof(v));
}

void nlk_put_u64(struct nlk_msg *m, uint16_t type, uint64_t v)
{
    nlk_put(m, type, &v, sizeof(v));
}

void nlk_put_i32(struct nlk_msg *m, uint16_t type, int32_t v)
{
    nlk_put(m, type, &v, sizeof(v));
}

void nlk_put_be16(struct nlk_msg *m, uint16_t type, uint16_t host_v)
{
    nlk_put_u16(m, type, htons(host_v));
}

void nlk_put_be32(struct nlk_msg *m, uint16_t type, uint32_t host_v)
{
    nlk_put_u32(m, type, htonl(host_v));
}

void nlk_put_be64(struct nlk_msg *m, uint16_t type, uint64_t host_v)
{
    nlk_put_u64(m, type, htobe64(host_v));
}

void nlk_put_str(struct nlk_msg *m, uint16_t type, const char *text)
{
    nlk_put(m, type, text, strlen(text) + 1);
}

size_t nlk_nest_start_plain(struct nlk_msg *m, uint16_t type)
{
    size_t at = m->hdr->nlmsg_len;
    nlk_put(m, type, NULL, 0);
    return at;
}

size_t nlk_nest_start(struct nlk_msg *m, uint16_t type)
{
    return nlk_nest_start_plain(m, type | NLA_F_NESTED);
}

void nlk_nest_end(struct nlk_msg *m, size_t nest)
{
    size_t size = m->hdr->nlmsg_len - nest;
    if (size > UINT16_MAX) {
        m->error = -EMSGSIZE;
        return;
    }
    struct nlattr *a = (struct nlattr *)(void *)((char *)m->hdr + nest);
    a->nla_len = (uint16_t)size;
}

void nlk_nest_cancel(struct nlk_msg *m, size_t nest)
{
    m->hdr->nlmsg_len = (uint32_t)nest;
}

// ---- Reading

const struct nlattr *nlk_next(const void *data, size_t size, size_t *pos, bool *ret_bad)
{
    if (*pos >= size)
        return NULL;
    size_t left = size - *pos;
    const struct nlattr *a = (const struct nlattr *)(const void *)((const char *)data + *pos);
    if (left < NLA_HDRLEN || a->nla_len < NLA_HDRLEN || a->nla_len > left) {
        if (ret_bad)
            *ret_bad = true;
        *pos = size;
        return NULL;
    }
    *pos += MIN_OF((size_t)NLA_ALIGN(a->nla_len), left);
    return a;
}

static int check(const struct nlattr *a, const struct nlk_policy *p, struct err *err)
{
    size_t size = nlk_size(a);
    if (size < p->min || (p->max && size > p->max))
        return err_set(err, -EPROTO, "netlink attribute %u has %zu bytes", p->type, size);
    if (p->text && !memchr(nlk_data(a), '\0', size))
        return err_set(err, -EPROTO, "netlink attribute %u is not terminated", p->type);
    return 0;
}

int nlk_parse(const void *data, size_t size, const struct nlk_policy *policy, size_t n_policy,
              const struct nlattr *tb[], size_t n_tb, struct err *err)
{
    for (size_t i = 0; i < n_tb; i++)
        tb[i] = NULL;
    const struct nlattr *a;
    bool bad = false;
    NLK_FOR_EACH(a, data, size, pos, &bad)
    {
        if (nlk_type(a) < n_tb)
            tb[nlk_type(a)] = a;
    }
    if (bad)
        return err_set(err, -EPROTO, "netlink attributes are truncated");
    for (size_t i = 0; i < n_policy; i++) {
        const struct nlk_policy *p = &policy[i];
        const struct nlattr *found = p->type < n_tb ? tb[p->type] : NULL;
        if (!found && p->required)
            return err_set(err, -EPROTO, "netlink attribute %u is missing", p->type);
        int error = found ? check(found, p, err) : 0;
        if (error)
            return error;
    }
    // What no policy checked is not for use.
    for (size_t i = 0; i < n_tb; i++) {
        size_t j = 0;
        while (tb[i] && j < n_policy && policy[j].type != i)
            j++;
        if (j == n_policy)
            tb[i] = NULL;
    }
    return 0;
}

int nlk_parse_msg(const struct nlmsghdr *h, size_t header, const struct nlk_policy *policy,
                  size_t n_policy, const struct nlattr *tb[], size_t n_tb, struct err *err)
{
    size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(header);
    if (h->nlmsg_len < NLMSG_HDRLEN + header)
        return err_set(err, -EPROTO, "netlink message of type %u is truncated", h->nlmsg_type);
    size_t size = h->nlmsg_len > skip ? h->nlmsg_len - skip : 0;
    return nlk_parse((const char *)h + skip, size, policy, n_policy, tb, n_tb, err);
}

int nlk_parse_nest(const struct nlattr *a, const struct nlk_policy *policy, size_t n_policy,
                   const struct nlattr *tb[], size_t n_tb, struct err *err)
{
    return nlk_parse(nlk_data(a), nlk_size(a), policy, n_policy, tb, n_tb, err);
}

uint8_t nlk_u8(const struct nlattr *a)
{
    return *(const uint8_t *)nlk_data(a);
}

uint16_t nlk_u16(const struct nlattr *a)
{
    uint16_t v;
    memcpy(&v, nlk_data(a), sizeof(v));
    return v;
}

uint32_t nlk_u32(const struct nlattr *a)
{
    uint32_t v;
    memcpy(&v, nlk_data(a), sizeof(v));
    return v;
}

uint64_t nlk_u64(const struct nlattr *a)
{
    uint64_t v;
    memcpy(&v, nlk_data(a), sizeof(v));
    return v;
}

uint16_t nlk_be16(const struct nlattr *a)
{
    return ntohs(nlk_u16(a));
}

uint32_t nlk_be32(const struct nlattr *a)
{
    return ntohl(nlk_u32(a));
}

uint64_t nlk_be64(const struct nlattr *a)
{
    return be64toh(nlk_u64(a));
}

const char *nlk_str(const struct nlattr *a)
{
    return nlk_data(a);
}
