// SPDX-License-Identifier: Apache-2.0
// OpenFlow 1.0's match: cases whose meaning was read off Open vSwitch 3.1 (ovs-ofctl
// parse-ofp10-match), and random bytes, which must reach a fixed point: what was read, written and
// read again is the same.
#include "tests/unit/flow/flow_test.h"

#include "lib/flow/match10.h"

#define ALL 0x3fffffu

static void put32(uint8_t *at, uint32_t v)
{
    v = htonl(v);
    memcpy(at, &v, 4);
}

static void vlans(void **state)
{
    static const struct {
        uint32_t wild;
        uint16_t vlan;
        uint8_t pcp;
        uint16_t tci, mask;
    } cases[] = {
        {ALL & ~2u, 0xffff, 0, 0, 0xffff},
        {ALL & ~2u, 5, 0, 0x1005, 0x1fff},
        {ALL & ~0x100002u, 5, 3, 0x7005, 0xffff},
        {ALL & ~0x100000u, 0, 3, 0x7000, 0xf000},
        {ALL & ~0x100002u, 0xffff, 3, 0, 0xffff},
        {ALL & ~2u, 0x1fff, 0, 0x1fff, 0x1fff},
        {ALL, 5, 3, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t data[MATCH10_LEN] = {0}, back[MATCH10_LEN];
        struct match m;
        put32(data, cases[i].wild);
        data[18] = (uint8_t)(cases[i].vlan >> 8);
        data[19] = (uint8_t)cases[i].vlan;
        data[20] = cases[i].pcp;
        match10_get(data, &m);
        assert_int_equal(ntohs(m.value.key.vlan[0].tci), cases[i].tci);
        assert_int_equal(ntohs(m.mask.key.vlan[0].tci), cases[i].mask);
        assert_true(match10_put(&m, back));
    }
}

static void network_layer(void **state)
{
    uint8_t data[MATCH10_LEN] = {0}, back[MATCH10_LEN];
    struct match m;

    put32(data, (ALL & ~0x3ff0u) | 8 << 8 | 0x80); // type, protocol, tp_src, 24 bits of nw_src
    data[22] = 0x08;
    data[24] = 0xff;
    data[25] = 6;
    put32(data + 28, 0x0a0000ff);
    data[36] = 1;
    match10_get(data, &m);
    assert_int_equal(m.value.key.ip4_src, htonl(0x0a000000));
    assert_int_equal(m.mask.key.ip4_src, htonl(0xffffff00));
    assert_int_equal(m.mask.key.ip4_dst, 0);
    assert_int_equal(m.mask.key.ip_tos, 0);
    assert_int_equal(m.value.key.tp_src, htons(0x0100));
    assert_int_equal(m.mask.key.tp_src, 0xffff);
    assert_int_equal(m.mask.key.tp_dst, 0);
    assert_true(match10_put(&m, back));

    data[25] = 47; // no ports
    match10_get(data, &m);
    assert_int_equal(m.mask.key.tp_src, 0);
    data[22] = 0x86; // no addresses
    data[23] = 0xdd;
    match10_get(data, &m);
    assert_int_equal(m.mask.key.ip4_src, 0);
    assert_int_equal(m.mask.key.ip_proto, 0);
}

static void what_it_cannot_say_is_widened(void **state)
{
    uint8_t data[MATCH10_LEN];
    struct match m, back;

    memset(&m, 0, sizeof(m));
    match_exactly(&m, FIELD_ETH_TYPE, 0x0800);
    assert_true(match10_put(&m, data));
    m.mask.key.ip4_src = htonl(0xff00ff00);
    m.value.key.ip4_src = htonl(0x0a000a00);
    assert_false(match10_put(&m, data));
    match10_get(data, &back);
    assert_int_equal(back.mask.key.ip4_src, htonl(0xff000000));
    m.mask.key.ip4_src = m.value.key.ip4_src = 0;
    match_exactly(&m, FIELD_METADATA, 1);
    assert_false(match10_put(&m, data));
}

static void random_bytes_reach_a_fixed_point(void **state)
{
    random_seed(7);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t data[MATCH10_LEN], out[MATCH10_LEN];
        struct match a, b;
        random_fill(data, sizeof(data));
        if (i % 2) { // a likely type and protocol
            static const uint8_t protocols[] = {1, 6, 17, 132, 2};
            data[22] = 0x08;
            data[23] = i % 4 == 1 ? 0x00 : 0x06;
            data[25] = protocols[random_below(5)];
        }
        match10_get(data, &a);
        assert_true(match10_put(&a, out));
        match10_get(out, &b);
        assert_match_equal(&a, &b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vlans),
        cmocka_unit_test(network_layer),
        cmocka_unit_test(what_it_cannot_say_is_widened),
        cmocka_unit_test(random_bytes_reach_a_fixed_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
