// SPDX-License-Identifier: Apache-2.0
// Errors, message headers, replies in several parts, ports.
#include "tests/unit/openflow/openflow_test.h"

#include "slowpath/openflow/port.h"

static void put_error(struct buf *b, uint8_t version, enum of_error e)
{
    static const uint8_t request[8] = {1, 14, 0, 8, 0, 0, 0, 9};
    buf_clear(b);
    of_error_put(b, version, e, request, sizeof(request), NULL);
}

static void errors_have_each_versions_numbers(void **state)
{
    struct buf b;
    buf_init(&b, 0, 64);
    put_error(&b, OF10, OFPBRC_BAD_LEN);
    assert_bytes(&b, "01 01 0014 00000009 0001 0006 010e000800000009");
    put_error(&b, OF13, OFPBRC_BAD_LEN);
    assert_bytes(&b, "04 01 0014 00000009 0001 0006 010e000800000009");
    // 1.0 has no such code: Nicira's vendor error.
    put_error(&b, OF10, OFPBMC_BAD_PREREQ);
    assert_bytes(&b, "01 01 001c 00000009 b0c2 0000 00002320 0001 0104 010e000800000009");
    put_error(&b, OF13, OFPBMC_BAD_PREREQ);
    assert_bytes(&b, "04 01 0014 00000009 0004 0009 010e000800000009");
    // 1.3's experimenter error.
    put_error(&b, OF13, OFPBIC_DUP_INST);
    assert_bytes(&b, "04 01 0018 00000009 ffff 0a28 4f4e4600 010e000800000009");
    put_error(&b, OF13, NXBRC_NXM_INVALID);
    assert_bytes(&b, "04 01 0018 00000009 ffff 0002 00002320 010e000800000009");
    put_error(&b, OF10, OFPFMFC_TABLE_FULL);
    assert_bytes(&b, "01 01 0014 00000009 0003 0000 010e000800000009");
    put_error(&b, OF13, OFPFMFC_TABLE_FULL);
    assert_bytes(&b, "04 01 0014 00000009 0005 0001 010e000800000009");
    buf_done(&b);
}

static void errors_quote_at_least_64_bytes_and_never_too_much(void **state)
{
    struct buf b;
    uint8_t *request = xcalloc(1, 65535);
    buf_init(&b, 0, 64);
    of_error_put(&b, OF13, OFPBRC_BAD_LEN, request, 65535, NULL);
    assert_true(b.size >= 12 + 64);
    assert_true(b.size <= 2048);
    buf_clear(&b);
    of_error_put(&b, OF13, OFPHFC_INCOMPATIBLE, request, 8, "why");
    assert_bytes(&b, "04 01 000f 00000000 0000 0000 776879");
    free(request);
    buf_done(&b);
}

static enum of_error parse(const char *hex, struct of_msg *m)
{
    static struct buf b;
    buf_done(&b);
    b = bytes_of(hex);
    return of_msg_parse(b.data, m);
}

static void headers_are_told_apart(void **state)
{
    struct of_msg m;
    assert_int_equal(parse("0105000800000001", &m), OF_OK);
    assert_int_equal(m.kind, OF_MSG_PLAIN);
    assert_int_equal(m.number, OFPT_FEATURES_REQUEST);
    assert_int_equal(m.body_len, 0);
    assert_int_equal(parse("01040014 00000001 00002320 0000000c 00000002", &m), OF_OK);
    assert_int_equal(m.kind, OF_MSG_NXT);
    assert_int_equal(m.number, NXT_SET_FLOW_FORMAT);
    assert_int_equal(m.body_len, 4);
    assert_int_equal(parse("01040014 00000001 4f4e4600 0000000c 00000002", &m), OFPBRC_BAD_VENDOR);
    assert_int_equal(parse("0104000c 00000001 00002320", &m), OFPBRC_BAD_LEN);
    assert_int_equal(parse("0110000c 00000001 00040000", &m), OF_OK);
    assert_int_equal(m.kind, OF_MSG_STATS);
    assert_int_equal(m.number, OFPST_PORT);
    assert_int_equal(m.body_len, 0);
    assert_int_equal(parse("0110000a 00000001 0004", &m), OFPBRC_BAD_LEN);
    assert_int_equal(
        parse("01100020 00000001 ffff0000 00002320 00000000 00000000 ffff0000ff000000", &m), OF_OK);
    assert_int_equal(m.kind, OF_MSG_NXST);
    assert_int_equal(m.number, NXST_FLOW);
    assert_int_equal(m.body_len, 8);
    assert_int_equal(parse("01100014 00000001 ffff0000 00002320 00000000", &m), OFPBRC_BAD_LEN);
    assert_int_equal(parse("04120010 00000001 000d0001 00000000", &m), OF_OK);
    assert_int_equal(m.number, OFPST_PORT_DESC);
    assert_int_equal(m.stats_flags, OFPMPF_REQ_MORE);
    // In 1.3 number 16 is a port mod, no statistics.
    assert_int_equal(parse("0410000c 00000001 00040000", &m), OF_OK);
    assert_int_equal(m.kind, OF_MSG_PLAIN);
}

// Entries of `n` bytes, `count` of them; returns how many messages they became.
static unsigned split(const char *request, size_t n, unsigned count)
{
    struct of_msg m;
    struct of_reply r;
    struct buf b;
    assert_int_equal(parse(request, &m), OF_OK);
    buf_init(&b, 0, 64);
    of_reply_begin(&r, &b, &m);
    for (unsigned i = 0; i < count; i++) {
        size_t entry = b.size;
        memset(buf_put_uninit(&b, n), (int)(i & 0xff), n);
        assert_true(of_reply_commit(&r, entry));
    }
    of_reply_end(&r);

    unsigned messages = 0, seen = 0;
    size_t head = m.version == OF10 ? (m.kind == OF_MSG_NXST ? 24 : 12) : 16;
    for (size_t at = 0; at < b.size; messages++) {
        const struct ofp_header *h = (const struct ofp_header *)(b.data + at);
        size_t len = ntohs(h->length);
        assert_true(len >= head && at + len <= b.size);
        assert_int_equal(h->xid, htonl(7));
        assert_int_equal(b.data[at + 11], at + len < b.size); // the more-flag
        for (size_t e = at + head; e < at + len; e += n, seen++) {
            assert_int_equal(b.data[e], seen & 0xff);
            assert_int_equal(b.data[e + n - 1], seen & 0xff);
        }
        at += len;
    }
    assert_int_equal(seen, count);
    buf_done(&b);
    return messages;
}

static void replies_are_split(void **state)
{
    static const char *const requests[] = {
        "0110000c 00000007 00010000",
        "01100018 00000007 ffff0000 00002320 00000000 00000000",
        "04120010 00000007 00010000 00000000",
    };
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        assert_int_equal(split(requests[i], 88, 0), 1);
        assert_int_equal(split(requests[i], 88, 1), 1);
        assert_int_equal(split(requests[i], 65000, 3), 3);
        assert_int_equal(split(requests[i], 1000, 65), 1);
        assert_int_equal(split(requests[i], 1000, 66), 2);
        assert_int_equal(split(requests[i], 1000, 1000), 16);
    }
}

static void too_long_an_entry_is_taken_back(void **state)
{
    struct of_msg m;
    struct of_reply r;
    struct buf b;
    parse("0110000c 00000007 00010000", &m);
    buf_init(&b, 0, 64);
    of_reply_begin(&r, &b, &m);
    size_t entry = b.size;
    buf_put_zeros(&b, 65530);
    assert_false(of_reply_commit(&r, entry));
    of_reply_end(&r);
    assert_bytes(&b, "0111000c 00000007 00010000");
    buf_done(&b);
}

static void port_numbers_of_1_0(void **state)
{
    assert_int_equal(of_port_from10(1), 1);
    assert_int_equal(of_port_from10(0xfeff), 0xfeff);
    assert_int_equal(of_port_from10(0xfffe), OFPP_LOCAL);
    assert_int_equal(of_port_to10(OFPP_LOCAL), 0xfffe);
    assert_int_equal(of_port_to10(0x12345), 0xffff);
    assert_true(of_port_valid(0xfeff));
    assert_false(of_port_valid(0xff00));
    assert_true(of_port_valid(OFPP_NORMAL));
}

static const struct of_port port = {
    .number = 2,
    .name = "eth0",
    .hw_addr = {{2, 0, 0, 0, 0, 2}},
    .config = OFPPC_NO_RECV | OFPPC10_NO_FLOOD,
    .state = OFPPS_LINK_DOWN | OFPPS13_LIVE,
    .curr = OFPPF_10GB_FD | OFPPF_FIBER,
    .supported = OFPPF_40GB_FD | OFPPF_PAUSE_ASYM,
    .curr_kbps = 10000000,
};

static void ports_are_described(void **state)
{
    struct buf b;
    buf_init(&b, 0, 64);
    of_port_put(&b, OF10, &port);
    assert_bytes(&b, "0002 020000000002 65746830000000000000000000000000 00000014 00000001"
                     "00000140 00000000 00000800 00000000");
    buf_clear(&b);
    of_port_put(&b, OF13, &port);
    assert_bytes(&b, "00000002 00000000 020000000002 0000 65746830000000000000000000000000"
                     "00000004 00000005 00001040 00000000 00008080 00000000 00989680 00000000");
    buf_clear(&b);
    of_port_status_put(&b, OF10, OFPPR_DELETE, &port);
    assert_int_equal(b.size, 64);
    assert_memory_equal(b.data, "\x01\x0c\x00\x40\0\0\0\0\x01", 9);
    buf_done(&b);
}

static void port_mods_are_read(void **state)
{
    struct of_msg m;
    struct of_port_mod mod;
    // Recorded: ovs-ofctl mod-port p1 noflood.
    parse("010f0020 00000001 0002aa55aa55000300000010000000100000000000000000", &m);
    assert_int_equal(of_port_mod_get(&m, &mod), OF_OK);
    assert_int_equal(mod.port, 2);
    assert_int_equal(mod.config, OFPPC10_NO_FLOOD);
    assert_int_equal(mod.mask, OFPPC10_NO_FLOOD);
    parse("04100028 00000001 0000000200000000aa55aa5500030000 00000001 00000001 0000000000000000",
          &m);
    assert_int_equal(of_port_mod_get(&m, &mod), OF_OK);
    assert_int_equal(mod.mask, OFPPC_PORT_DOWN);
    parse("04100028 00000001 0000000200000000aa55aa5500030000 00000010 00000010 0000000000000000",
          &m);
    assert_int_equal(of_port_mod_get(&m, &mod), OFPPMFC_BAD_CONFIG);
    parse("04100028 00000001 0000000200000000aa55aa5500030000 00000001 00000001 0001000000000000",
          &m);
    assert_int_equal(of_port_mod_get(&m, &mod), OFPPMFC_BAD_ADVERTISE);
}

static void features_convert(void **state)
{
    for (uint32_t bit = 1; bit < 1u << 12; bit <<= 1)
        assert_int_equal(of_features_to10(of_features_from10(bit)), bit);
    assert_int_equal(of_features_to10(OFPPF_100GB_FD), 0);
    assert_int_equal(of_features_to10(OFPPF_AUTONEG), 1 << 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_each_versions_numbers),
        cmocka_unit_test(errors_quote_at_least_64_bytes_and_never_too_much),
        cmocka_unit_test(headers_are_told_apart),
        cmocka_unit_test(replies_are_split),
        cmocka_unit_test(too_long_an_entry_is_taken_back),
        cmocka_unit_test(port_numbers_of_1_0),
        cmocka_unit_test(ports_are_described),
        cmocka_unit_test(port_mods_are_read),
        cmocka_unit_test(features_convert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
