// SPDX-License-Identifier: Apache-2.0
// Building and reading messages without a kernel: overflow, truncation, malformed bytes.
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/str.h"
#include "lib/netlink/nlsock.h"
#include "lib/netlink/rtnl.h"
#include "tests/unit/test.h"

enum {
    A_FLAG = 1,
    A_U8,
    A_U16,
    A_U32,
    A_U64,
    A_BE16,
    A_BE32,
    A_BE64,
    A_TEXT,
    A_NEST,
    A_MAX = A_NEST
};

static const struct nlk_policy policy[] = {
    {.type = A_FLAG, .max = 0},
    NLK_U8(A_U8),
    NLK_U16(A_U16),
    NLK_U32(A_U32),
    NLK_U64(A_U64),
    NLK_U16(A_BE16),
    NLK_U32(A_BE32),
    NLK_U64(A_BE64),
    NLK_TEXT(A_TEXT),
    NLK_NEST(A_NEST),
};

static void put_all(struct nlk_msg *m)
{
    nlk_put_flag(m, A_FLAG);
    nlk_put_u8(m, A_U8, 1);
    nlk_put_u16(m, A_U16, 0x0203);
    nlk_put_u32(m, A_U32, 0x04050607);
    nlk_put_u64(m, A_U64, UINT64_C(0x08090a0b0c0d0e0f));
    nlk_put_be16(m, A_BE16, 0x0203);
    nlk_put_be32(m, A_BE32, 0x04050607);
    nlk_put_be64(m, A_BE64, UINT64_C(0x08090a0b0c0d0e0f));
    nlk_put_str(m, A_TEXT, "veth0");
}

static void check_all(const struct nlattr *const tb[])
{
    assert_non_null(tb[A_FLAG]);
    assert_int_equal(nlk_u8(tb[A_U8]), 1);
    assert_int_equal(nlk_u16(tb[A_U16]), 0x0203);
    assert_int_equal(nlk_u32(tb[A_U32]), 0x04050607);
    assert_true(nlk_u64(tb[A_U64]) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_memory_equal(nlk_data(tb[A_BE16]), "\2\3", 2);
    assert_int_equal(nlk_be16(tb[A_BE16]), 0x0203);
    assert_int_equal(nlk_be32(tb[A_BE32]), 0x04050607);
    assert_true(nlk_be64(tb[A_BE64]) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_string_equal(nlk_str(tb[A_TEXT]), "veth0");
}

static void test_build_and_parse(void **state)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init_genl(&m, 0x22, 7, 1, NLM_F_ECHO);
    put_all(&m);
    size_t nest = nlk_nest_start(&m, A_NEST);
    for (int i = 0; i < 100; i++) // grows several times inside the nest
        put_all(&m);
    size_t inner = nlk_nest_start_plain(&m, A_NEST);
    nlk_nest_cancel(&m, inner);
    nlk_nest_end(&m, nest);
    assert_int_equal(m.error, 0);
    assert_int_equal(m.hdr->nlmsg_flags, NLM_F_REQUEST | NLM_F_ECHO);
    assert_int_equal(nlk_msg_size(&m) % 4, 0);

    const struct nlattr *tb[A_MAX + 1], *in[A_MAX + 1];
    AUTO_ERR(err);
    assert_int_equal(
        nlk_parse_msg(m.hdr, GENL_HDRLEN, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), &err), 0);
    check_all(tb);
    assert_int_equal(
        nlk_parse_nest(tb[A_NEST], policy, ARRAY_SIZE(policy), in, ARRAY_SIZE(in), &err), 0);
    check_all(in);
    assert_null(in[A_NEST]);
    const struct nlattr *a;
    unsigned n = 0;
    bool bad = false;
    NLK_FOR_EACH(a, nlk_data(tb[A_NEST]), nlk_size(tb[A_NEST]), pos, &bad)
    n++;
    assert_int_equal(n, 900);
    assert_false(bad);
}

static void test_overflow(void **state)
{
    AUTO_FREE char *big = xcalloc(1, 70000);
    struct nlk_msg m;
    nlk_msg_init(&m, 1, 0);
    nlk_put(&m, 1, big, 65531); // the most that an attribute holds
    assert_int_equal(m.error, 0);
    nlk_put(&m, 1, big, 65532);
    assert_int_equal(m.error, -EMSGSIZE);
    nlk_msg_done(&m);

    nlk_msg_init(&m, 1, 0);
    size_t nest = nlk_nest_start(&m, 2);
    nlk_put(&m, 1, big, 40000);
    nlk_put(&m, 1, big, 40000);
    assert_int_equal(m.error, 0);
    nlk_nest_end(&m, nest);
    assert_int_equal(m.error, -EMSGSIZE);
    nlk_put_u8(&m, 3, 1); // goes on without harm
    nlk_msg_done(&m);
    nlk_msg_done(&m);
    nlk_msg_done(NULL);
}

static void test_bad_attributes(void **state)
{
    static const struct nlk_policy wants[] = {{.type = 1, .min = 4, .max = 8, .required = true},
                                              NLK_TEXT(2)};
    static const struct {
        const char *bytes; // of attributes, little-endian
        size_t size;
        int error;
    } cases[] = {
        {"\x08\0\1\0abcd", 8, 0},
        {"\x0a\0\1\0abcdef\0\0", 12, 0},
        {"\x08\0\1\0abcd\x08\0\2\0abc\0", 16, 0},
        {"\x08\0\1\x40"
         "abcd",
         8, 0},                                        // NLA_F_NET_BYTEORDER is no part of the type
        {"\x0a\0\1\0abcdef", 10, 0},                   // unpadded at the end
        {"", 0, -EPROTO},                              // required
        {"\x07\0\1\0abc\0", 8, -EPROTO},               // too short
        {"\x0d\0\1\0abcdefghi\0\0\0", 16, -EPROTO},    // too long
        {"\x09\0\1\0abcd", 8, -EPROTO},                // longer than what is left
        {"\x03\0\1\0abcd", 8, -EPROTO},                // shorter than its header
        {"\x08\0\1\0abcd\x08\0", 10, -EPROTO},         // a header cut off
        {"\x08\0\1\0abcd\x08\0\2\0abcd", 16, -EPROTO}, // text without an end
        {"\x08\0\1\0abcd\x04\0\2\0", 12, -EPROTO},     // text without a byte
        {"\x08\0\1\0abcd\x08\0\xff\x3f"
         "abcd",
         16, 0}, // unknown, beyond the table
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct nlattr *tb[3];
        AUTO_ERR(err);
        AUTO_FREE void *copy = xmemdup(cases[i].bytes, cases[i].size); // exact bounds for ASan
        int error = nlk_parse(copy, cases[i].size, wants, ARRAY_SIZE(wants), tb, 3, &err);
        if (error != cases[i].error)
            fail_msg("case %zu: %d %s", i, error, err_text(&err));
        assert_int_equal(err_is_set(&err), error != 0);
    }
}

// ---- Datagrams

struct seen {
    struct str log;
    int stop_at_message;
};

static int on_message(const struct nlmsghdr *h, void *arg)
{
    struct seen *s = arg;
    str_printf(&s->log, "m%u/%u ", h->nlmsg_type, h->nlmsg_len);
    return s->stop_at_message;
}

static int on_control(const struct nlmsghdr *h, int error, const char *sentence, uint32_t offset,
                      void *arg)
{
    struct seen *s = arg;
    str_printf(&s->log, "c%d/%s/%u ", error, sentence ? sentence : "-", offset);
    return 0;
}

static void add_error(struct buf *b, int error, uint16_t flags, const char *sentence)
{
    size_t at = b->size;
    struct nlmsghdr *h = buf_put_zeros(b, NLMSG_LENGTH(sizeof(struct nlmsgerr)));
    h->nlmsg_type = NLMSG_ERROR;
    h->nlmsg_flags = flags;
    struct nlmsgerr *e = NLMSG_DATA(h);
    e->error = error;
    e->msg.nlmsg_len = NLMSG_HDRLEN + 8; // the request had 8 bytes of payload
    if (!(flags & NLM_F_CAPPED))
        buf_put_zeros(b, 8);
    if (sentence) {
        struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + strlen(sentence) + 1),
                           .nla_type = NLMSGERR_ATTR_MSG};
        buf_put(b, &a, sizeof(a));
        buf_put(b, sentence, strlen(sentence) + 1);
        buf_pad(b, 4);
        struct nlattr offs = {.nla_len = 8, .nla_type = NLMSGERR_ATTR_OFFS};
        buf_put(b, &offs, sizeof(offs));
        buf_put(b, &(uint32_t){36}, 4);
    }
    ((struct nlmsghdr *)(void *)(b->data + at))->nlmsg_len = (uint32_t)(b->size - at);
}

static void add_message(struct buf *b, uint16_t type, size_t payload)
{
    struct nlmsghdr *h = buf_put_zeros(b, NLMSG_SPACE(payload));
    h->nlmsg_type = type;
    h->nlmsg_len = (uint32_t)NLMSG_LENGTH(payload);
}

static int split(const struct buf *b, size_t size, struct seen *seen, struct err *err)
{
    const struct nlk_split cb = {on_message, on_control, seen};
    AUTO_FREE void *copy = xmemdup(b->data, size);
    return nlk_split(copy, size, &cb, err);
}

static void test_split(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT;
    struct seen seen = {0};
    AUTO_ERR(err);
    buf_init(&b, 0, 512);
    add_message(&b, 16, 3);
    add_message(&b, NLMSG_NOOP, 0);
    add_error(&b, 0, 0, NULL);
    add_error(&b, -EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS, "no such thing");
    add_error(&b, -EPERM, NLM_F_ACK_TLVS, "not capped");
    add_error(&b, 5, NLM_F_CAPPED, NULL); // no errno of the kernel's
    add_message(&b, NLMSG_DONE, 4);
    add_message(&b, NLMSG_DONE, 0);
    assert_int_equal(split(&b, b.size, &seen, &err), 0);
    assert_string_equal(str_text(&seen.log), "m16/19 c0/-/0 c-22/no such thing/36 "
                                             "c-1/not capped/36 c-71/-/0 c0/-/0 c0/-/0 ");
    // Cut anywhere, it is refused or ends between messages, and never reads beyond.
    unsigned refused = 0;
    for (size_t size = 0; size < b.size; size++)
        refused += split(&b, size, &seen, NULL) == -EPROTO;
    assert_in_range(refused, b.size - 12, b.size);
    str_clear(&seen.log);
    seen.stop_at_message = -ECANCELED;
    assert_int_equal(split(&b, b.size, &seen, &err), -ECANCELED);
    assert_string_equal(str_text(&seen.log), "m16/19 ");
    buf_clear(&b);
    add_message(&b, NLMSG_OVERRUN, 0);
    assert_int_equal(split(&b, b.size, &seen, &err), -ENOBUFS);
    buf_clear(&b);
    add_message(&b, NLMSG_ERROR, 4);
    assert_int_equal(split(&b, b.size, &seen, &err), -EPROTO);
    str_done(&seen.log);
}

static void put_link(struct nlk_msg *m)
{
    nlk_msg_init(m, RTM_NEWLINK, 0);
    struct ifinfomsg *ifi = nlk_put_header(m, sizeof(*ifi));
    ifi->ifi_index = 7;
    ifi->ifi_flags = IFF_UP;
    nlk_put_str(m, IFLA_IFNAME, "veth0");
    nlk_put(m, IFLA_ADDRESS, "\2\0\0\0\0\1", 6);
    nlk_put_u32(m, IFLA_MTU, 1500);
    nlk_put_u8(m, IFLA_OPERSTATE, 6);
    nlk_put(m, IFLA_STATS64, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16); // an old kernel's: short
    nlk_put(m, IFLA_PHYS_SWITCH_ID, "\xaa\xbb", 2);
    nlk_put_str(m, IFLA_PHYS_PORT_NAME, "pf0vf1");
    size_t info = nlk_nest_start(m, IFLA_LINKINFO);
    nlk_put_str(m, IFLA_INFO_KIND, "veth");
    nlk_nest_end(m, info);
}

static void test_link(void **state)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    struct rtnl_link l = {.mtu = 99};
    AUTO_ERR(err);
    put_link(&m);
    assert_int_equal(rtnl_link_parse(m.hdr, &l, &err), 0);
    assert_int_equal(l.ifindex, 7);
    assert_string_equal(l.name, "veth0");
    assert_string_equal(l.kind, "veth");
    assert_string_equal(l.port_name, "pf0vf1");
    assert_int_equal(l.mtu, 1500);
    assert_int_equal(l.operstate, 6);
    assert_int_equal(l.stats.tx_packets, 2);
    assert_int_equal(l.stats.tx_bytes, 0);
    assert_int_equal(l.switch_id_size, 2);
    assert_true(l.has_address && !l.has_permanent && !l.deleted);
    m.hdr->nlmsg_type = RTM_NEWADDR;
    l.mtu = 99;
    assert_int_equal(rtnl_link_parse(m.hdr, &l, &err), -EINVAL);
    assert_int_equal(l.mtu, 99);
}

// Damaged links are refused or read within bounds; ASan sees the rest.
static void test_link_damaged(void **state)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    put_link(&m);
    random_seed(5);
    unsigned refused = 0;
    for (int i = 0; i < 20000; i++) {
        size_t size = NLMSG_HDRLEN + random_below((uint32_t)nlk_msg_size(&m) - NLMSG_HDRLEN + 1);
        AUTO_FREE struct nlmsghdr *copy = xmemdup(m.hdr, size);
        copy->nlmsg_len = (uint32_t)size;
        for (unsigned n = random_below(3); n && size > NLMSG_HDRLEN; n--)
            ((uint8_t *)copy)[NLMSG_HDRLEN + random_below((uint32_t)size - NLMSG_HDRLEN)] =
                (uint8_t)random_u32();
        struct rtnl_link l;
        refused += rtnl_link_parse(copy, &l, NULL) < 0;
    }
    assert_in_range(refused, 1000, 19999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build_and_parse),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_bad_attributes),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_link_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
