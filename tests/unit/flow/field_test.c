// SPDX-License-Identifier: Apache-2.0
// The field table: rows that agree with themselves, and reading, writing and masking through every
// row.
#include "tests/unit/flow/flow_test.h"

#include <arpa/inet.h>

static void rows_are_consistent(void **state)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = field_by_id(i);
        const struct field_header *headers[] = {&f->nxm, &f->oxm, &f->onf};

        assert_int_equal(f->id, i);
        assert_non_null(f->name);
        assert_in_range(f->n_bits, 1, f->n_bytes * 8);
        assert_in_range(f->n_bytes, 1, 16);
        assert_true(f->offset + f->size <= sizeof(struct flow));
        assert_true((f->offset + f->size <= sizeof(struct flow_key)) == (i < FIELD_PIPELINE_FIRST));
        for (unsigned h = 0; h < 3; h++) {
            if (!headers[h]->name)
                continue;
            unsigned experimenter = headers[h]->experimenter ? 4 : 0;
            assert_int_equal(headers[h]->header & 0xff, f->n_bytes + experimenter);
            assert_int_equal((headers[h]->header >> 16) == 0xffff, experimenter != 0);
        }
    }
}

static void found_by_name_and_header(void **state)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = field_by_id(i);
        const struct field_header *headers[] = {&f->nxm, &f->oxm, &f->onf};

        assert_ptr_equal(field_by_name(f->name, strlen(f->name)),
                         i == FIELD_IN_PORT ? field_by_id(FIELD_OF_IN_PORT) : f);
        if (f->alias)
            assert_ptr_equal(field_by_name(f->alias, strlen(f->alias)), f);
        for (unsigned h = 0; h < 3; h++) {
            if (!headers[h]->name)
                continue;
            uint32_t header = headers[h]->header, experimenter = headers[h]->experimenter;
            assert_ptr_equal(field_by_name(headers[h]->name, strlen(headers[h]->name)), f);
            assert_ptr_equal(field_by_oxm(header, experimenter), f);
            assert_ptr_equal(field_by_oxm((header | 0x100) + f->n_bytes, experimenter), f);
            assert_null(field_by_oxm(header | 0x100, experimenter));
            assert_null(field_by_oxm(header + 1, experimenter));
            assert_null(field_by_oxm(header, experimenter ^ 1));
        }
    }
    assert_null(field_by_name("nw", 2));
    assert_null(field_by_name("", 0));
    assert_null(field_by_oxm(0x80007fff, 0));
}

static void header_follows_version(void **state)
{
    const struct field *flags = field_by_id(FIELD_TCP_FLAGS), *dst = field_by_id(FIELD_ETH_DST);
    assert_string_equal(field_wire_header(flags, 1, true)->name, "NXM_NX_TCP_FLAGS");
    assert_string_equal(field_wire_header(flags, 4, false)->name, "ONFOXM_ET_TCP_FLAGS");
    assert_string_equal(field_wire_header(flags, 6, false)->name, "OXM_OF_TCP_FLAGS");
    assert_string_equal(field_wire_header(flags, 6, true)->name, "NXM_NX_TCP_FLAGS");
    assert_int_equal(field_wire_header(dst, 4, false)->header, 0x80000606);
    assert_int_equal(field_wire_header(dst, 1, true)->header, 0x00000206);
    assert_string_equal(field_wire_header(field_by_id(FIELD_METADATA), 1, true)->name,
                        "OXM_OF_METADATA");
    assert_string_equal(field_wire_header(field_by_id(FIELD_REG0), 6, false)->name, "NXM_NX_REG0");
    assert_null(field_wire_header(field_by_id(FIELD_SKB_PRIORITY), 6, false));
}

// Each bit of a struct flow that a field writes, told from the outside: by writing zeros over ones.
static void footprint(const struct field *f, struct flow *ret)
{
    struct field_value zero = {{0}};
    memset(ret, 0xff, sizeof(*ret));
    field_set(f, &zero, ret);
    for (size_t i = 0; i < sizeof(*ret); i++)
        ((uint8_t *)ret)[i] ^= 0xff;
}

static void values_round_trip(void **state)
{
    random_seed(1);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            const struct field *f = field_by_id(i);
            struct flow flow, before, own;
            struct field_value v = random_value(f), got;

            footprint(f, &own);
            random_fill(&flow, sizeof(flow));
            before = flow;
            assert_true(field_value_valid(f, &v));
            field_set(f, &v, &flow);
            field_get(f, &flow, &got);
            assert_value_equal(&got, &v);
            for (size_t b = 0; b < sizeof(flow); b++) {
                uint8_t changed = ((uint8_t *)&flow)[b] ^ ((uint8_t *)&before)[b];
                assert_int_equal(changed & ~((uint8_t *)&own)[b], 0);
            }
        }
    }
}

static void masked_writes_keep_other_bits(void **state)
{
    random_seed(2);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = field_by_id(i);
        struct field_value old = random_value(f), v = random_value(f), mask = random_value(f), got,
                           want;
        struct flow flow = {0};

        field_set(f, &old, &flow);
        field_set_masked(f, &v, &mask, &flow);
        field_get(f, &flow, &got);
        for (unsigned b = 0; b < 16; b++)
            want.b[b] = (old.b[b] & ~mask.b[b]) | (v.b[b] & mask.b[b]);
        assert_value_equal(&got, &want);
    }
}

static void masks(void **state)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = field_by_id(i);
        struct flow mask = {0}, own;

        assert_true(field_is_zero(f, &mask));
        assert_false(field_is_all_ones(f, &mask));
        field_mask_all(f, &mask);
        assert_false(field_is_zero(f, &mask));
        assert_true(field_is_all_ones(f, &mask));
        footprint(f, &own);
        if (i != FIELD_OF_IN_PORT)
            assert_memory_equal(&mask, &own, sizeof(mask));
        field_wildcard_all(f, &mask);
        struct flow none = {0};
        assert_memory_equal(&mask, &none, sizeof(mask));

        memset(&mask, 0xff, sizeof(mask));
        field_wildcard_all(f, &mask);
        assert_true(field_is_zero(f, &mask));
    }
}

static void what_remains_is_named(void **state)
{
    struct flow_key key = {.eth_type = htons(0x0800), .ip_proto = 17}, mask = {0};
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_NONE);
    mask.tp_dst = htons(0xff00);
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_UDP_DST);
    assert_int_equal(field_first_in_key_mask(NULL, &mask), FIELD_TCP_DST);
    mask.ip_tos = 0x03;
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_IP_ECN);
    mask.ip_tos = 0xfc;
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_IP_DSCP);
    mask.ip4_src = htonl(1);
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_IPV4_SRC);
    key.eth_type = htons(0x0806);
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_ARP_SPA);
    mask.tun.pad[0] = 1; // no field's
    mask.ip4_src = mask.ip_tos = mask.tp_dst = 0;
    assert_int_equal(field_first_in_key_mask(&key, &mask), FIELD_NONE);
}

static void set_u64(enum field_id id, uint64_t v, struct flow *flow)
{
    struct field_value value = field_value_from_u64(field_by_id(id), v);
    field_set(field_by_id(id), &value, flow);
}

static uint64_t get_u64(enum field_id id, const struct flow *flow)
{
    struct field_value value;
    field_get(field_by_id(id), flow, &value);
    return field_value_to_u64(field_by_id(id), &value);
}

static void ports_have_two_widths(void **state)
{
    struct flow flow = {0};
    set_u64(FIELD_OF_IN_PORT, 0xfffe, &flow);
    assert_int_equal(flow.pipe.in_port, OFPP_LOCAL);
    assert_int_equal(get_u64(FIELD_OF_IN_PORT_OXM, &flow), OFPP_LOCAL);
    set_u64(FIELD_OF_IN_PORT_OXM, 0x12345, &flow);
    assert_int_equal(get_u64(FIELD_OF_IN_PORT, &flow), 0xffff);
    set_u64(FIELD_OF_IN_PORT, 7, &flow);
    assert_int_equal(flow.pipe.in_port, 7);
}

static void parts_of_words(void **state)
{
    struct flow flow = {0};
    set_u64(FIELD_VLAN_VID, 0x1005, &flow);
    set_u64(FIELD_VLAN_PCP, 6, &flow);
    assert_int_equal(flow.key.vlan[0].tci, htons(0xd005));
    set_u64(FIELD_IP_DSCP, 0xb8, &flow);
    set_u64(FIELD_IP_ECN, 2, &flow);
    assert_int_equal(flow.key.ip_tos, 0xba);
    assert_int_equal(get_u64(FIELD_IP_DSCP_OXM, &flow), 46);
    set_u64(FIELD_MPLS_LABEL, 0xabcde, &flow);
    set_u64(FIELD_MPLS_TC, 5, &flow);
    set_u64(FIELD_MPLS_BOS, 1, &flow);
    set_u64(FIELD_MPLS_TTL, 64, &flow);
    assert_int_equal(flow.key.mpls_lse[0], htonl(0xabcdeb40));
    set_u64(FIELD_XREG0 + 1, 0x1122334455667788, &flow);
    assert_int_equal(flow.pipe.regs[2], 0x11223344);
    assert_int_equal(flow.pipe.regs[3], 0x55667788);
    struct field_value v;
    field_get(field_by_id(FIELD_XXREG0), &flow, &v);
    assert_int_equal(v.b[8], 0x11);
    assert_int_equal(v.b[15], 0x88);
    set_u64(FIELD_TUN_FLAGS, 1, &flow);
    assert_int_equal(flow.key.tun.flags, FLOW_TNL_OAM);
}

static void values_out_of_range(void **state)
{
    static const struct {
        enum field_id id;
        uint64_t value;
        bool ok;
    } cases[] = {
        {FIELD_IP_DSCP, 0xfc, true},      {FIELD_IP_DSCP, 0x01, false},
        {FIELD_IP_DSCP_OXM, 64, false},   {FIELD_VLAN_VID, 0x1fff, true},
        {FIELD_VLAN_VID, 0x2000, false},  {FIELD_ARP_OP, 255, true},
        {FIELD_ARP_OP, 256, false},       {FIELD_IPV6_LABEL, 0x100000, false},
        {FIELD_CT_STATE, 0x100, false},   {FIELD_MPLS_BOS, 2, false},
        {FIELD_TCP_FLAGS, 0x1000, false}, {FIELD_METADATA, UINT64_MAX, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct field *f = field_by_id(cases[i].id);
        struct field_value v = field_value_from_u64(f, cases[i].value);
        assert_int_equal(field_value_valid(f, &v), cases[i].ok);
    }
}

static void prerequisites(void **state)
{
    struct flow flow = {.key = {.eth_type = htons(0x86dd), .ip_proto = 58, .tp_src = htons(135)}};
    assert_true(field_prereq_ok(field_by_id(FIELD_ND_TARGET), &flow));
    assert_true(field_prereq_ok(field_by_id(FIELD_ND_SLL), &flow));
    assert_false(field_prereq_ok(field_by_id(FIELD_ND_TLL), &flow));
    assert_false(field_prereq_ok(field_by_id(FIELD_ICMPV4_TYPE), &flow));
    flow.key.tp_dst = htons(1);
    assert_false(field_prereq_ok(field_by_id(FIELD_ND_TARGET), &flow));
    flow.key.ip_proto = 6;
    assert_true(field_prereq_ok(field_by_id(FIELD_TCP_SRC), &flow));
    flow.key.ip_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    assert_false(field_prereq_ok(field_by_id(FIELD_TCP_SRC), &flow));
    assert_false(field_prereq_ok(field_by_id(FIELD_VLAN_PCP), &flow));

    struct flow mask = {0};
    field_mask_prereqs(field_by_id(FIELD_UDP_SRC), &mask);
    assert_int_equal(mask.key.eth_type, 0xffff);
    assert_int_equal(mask.key.ip_proto, 0xff);
    assert_int_equal(mask.key.tp_src, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_consistent),
        cmocka_unit_test(found_by_name_and_header),
        cmocka_unit_test(header_follows_version),
        cmocka_unit_test(values_round_trip),
        cmocka_unit_test(masked_writes_keep_other_bits),
        cmocka_unit_test(masks),
        cmocka_unit_test(what_remains_is_named),
        cmocka_unit_test(ports_have_two_widths),
        cmocka_unit_test(parts_of_words),
        cmocka_unit_test(values_out_of_range),
        cmocka_unit_test(prerequisites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
