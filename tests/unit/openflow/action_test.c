// SPDX-License-Identifier: Apache-2.0
// Actions and instructions: byte vectors of each, round trips, and the error of each wrong one.
#include "tests/unit/openflow/openflow_test.h"

#include "slowpath/openflow/actions.h"

// Decodes and encodes again in the same version: the bytes are the same.
static void assert_same(uint8_t version, const char *hex)
{
    struct buf in = bytes_of(hex), out;
    struct ofpact_list list;
    buf_init(&out, 0, 64);
    ofpact_list_init(&list);
    enum of_error e = version == OF10 ? of_actions_get(in.data, in.size, version, &list)
                                      : of_instructions_get(in.data, in.size, &list);
    if (e)
        print_error("%s for %s\n", of_error_name(e), hex);
    assert_int_equal(e, OF_OK);
    of_rule_actions_put(&out, version, &list, NULL);
    assert_bytes(&out, hex);
    ofpact_list_done(&list);
    buf_done(&in);
    buf_done(&out);
}

static void assert_error(uint8_t version, const char *hex, enum of_error want)
{
    struct buf in = bytes_of(hex);
    struct ofpact_list list;
    ofpact_list_init(&list);
    enum of_error e = version == OF10 ? of_actions_get(in.data, in.size, version, &list)
                                      : of_instructions_get(in.data, in.size, &list);
    if (e != want)
        print_error("%s for %s\n", of_error_name(e), hex);
    assert_int_equal(e, want);
    ofpact_list_done(&list);
    buf_done(&in);
}

static void same_in_1_0(void **state)
{
    static const char *const vectors[] = {
        "",
        "0000 0008 0002 0000",                                      // output:2
        "0000 0008 fff8 0000",                                      // in_port
        "0000 0008 fffa 0000",                                      // normal
        "0000 0008 fffb 0000",                                      // flood
        "0000 0008 fffc 0000",                                      // all
        "0000 0008 fffd 0080",                                      // controller:128
        "0000 0008 fffe 0000",                                      // local
        "0001 0008 0005 0000",                                      // mod_vlan_vid:5
        "0002 0008 03000000",                                       // mod_vlan_pcp:3
        "0003 0008 00000000",                                       // strip_vlan
        "0004 0010 010203040506 000000000000",                      // mod_dl_src
        "0005 0010 010203040506 000000000000",                      // mod_dl_dst
        "0006 0008 01020304",                                       // mod_nw_src
        "0007 0008 01020304",                                       // mod_nw_dst
        "0008 0008 10000000",                                       // mod_nw_tos
        "0009 0008 000b 0000",                                      // mod_tp_src
        "000a 0008 0016 0000",                                      // mod_tp_dst
        "ffff 0018 00002320 0007 001f 00010204 0000000000000001",   // load:1->reg1
        "ffff 0018 00002320 0007 0103 00010404 0000000000000003",   // load:3->reg2[4..7]
        "ffff 0018 00002320 0006 0004 0000 0004 00010204 00010404", // move:reg1[0..3]->reg2[4..7]
        "ffff 0010 00002320 0001 0003 00000000",                    // resubmit(3)
        "ffff 0010 00002320 000e fff8 07000000",                    // resubmit(,7)
        "ffff 0010 00002320 000e 0001 02000000",                    // resubmit(1,2)
        "ffff 0010 00002320 0014 0005 0009 00 00", // controller(max_len=5,id=9,reason=no_match)
        "ffff 0020 00002320 0016 000000000000 0000000000000003 0000000000000007", // write_metadata
        "ffff 0018 00002320 002a 000000000000 0000 0008 0002 0000",               // clone(output:2)
        "ffff 0020 00002320 002a 000000000000 ffff 0010 00002320 0001 0003 00000000",
        "0001 0008 0005 0000 0000 0008 0002 0000 0000 0008 0001 0000",
    };
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        assert_same(OF10, vectors[i]);
}

static void same_in_1_3(void **state)
{
    static const char *const vectors[] = {
        "",
        "0004 0018 00000000  0000 0010 00000002 0000 000000000000", // apply: output:2
        "0004 0018 00000000  0000 0010 fffffffd 0080 000000000000", // controller:128
        "0004 0010 00000000  0011 0008 8100 0000",                  // push_vlan
        "0004 0010 00000000  0011 0008 88a8 0000",
        "0004 0010 00000000  0012 0008 00000000",  // pop_vlan
        "0004 0010 00000000  0017 0008 40000000",  // mod_nw_ttl
        "0004 0010 00000000  000a 0008 0016 0000", // mod_tp_dst, protocol not known
        "0004 0018 00000000  0019 0010 80000c02 1005 000000000000", // set_field vlan_vid
        "0004 0018 00000000  0019 0010 80001604 01020304 00000000", // set_field ip_src
        "0004 0018 00000000  0019 0010 00010604 00001234 00000000", // set_field reg3
        "0004 0018 00000000  0019 0010 80000408 0000000000000009"
        "  0001 0008 07 000000", // set_field metadata; goto 7
        "0004 0028 00000000  ffff 0020 00002320 0021 000000000000"
        "  00010908 00000005 0000000f 00000000", // set_field 5/0xf->reg4, as reg_load2
        "0004 0020 00000000  ffff 0018 00002320 0007 0103 00010404 0000000000000003",
        "0005 0008 00000000",                                       // clear_actions
        "0003 0018 00000000  0000 0010 00000002 0000 000000000000", // write_actions(output:2)
        "0002 0018 00000000 0000000000000003 0000000000000007",     // write_metadata
        "0001 0008 07 000000",                                      // goto_table
        "0004 0018 00000000  0000 0010 00000002 0000 000000000000"
        "  0005 0008 00000000"
        "  0003 0018 00000000  0000 0010 00000002 0000 000000000000"
        "  0002 0018 00000000 0000000000000003 0000000000000007"
        "  0001 0008 07 000000",
    };
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        // set_field metadata above has a TLV of 12 bytes: 16 in all, so that its length is 0x10.
        assert_same(OF13, vectors[i]);
    }
}

static void instructions_may_come_in_any_order(void **state)
{
    struct buf in = bytes_of("0001 0008 07000000 0005 0008 00000000"
                             "0004 0018 00000000 0000 0010 00000002 0000 000000000000");
    struct ofpact_list list;
    ofpact_list_init(&list);
    assert_int_equal(of_instructions_get(in.data, in.size, &list), OF_OK);
    assert_int_equal(list.n, 3);
    assert_int_equal(list.v[0].type, OFPACT_OUTPUT);
    assert_int_equal(list.v[1].type, OFPACT_CLEAR_ACTIONS);
    assert_int_equal(list.v[2].type, OFPACT_GOTO_TABLE);
    ofpact_list_done(&list);
    buf_done(&in);
}

static void wrong_actions(void **state)
{
    static const struct {
        const char *hex;
        enum of_error e;
    } v[] = {
        {"0000 0008 0002", OFPBAC_BAD_LEN}, // not a multiple of 8
        {"0000 0000 0002 0000", OFPBAC_BAD_LEN},
        {"0000 0004 0002 0000", OFPBAC_BAD_LEN},
        {"0000 0010 0002 0000", OFPBAC_BAD_LEN},                  // longer than the list
        {"0000 0010 0002 0000 0000000000000000", OFPBAC_BAD_LEN}, // longer than its kind
        {"0004 0008 01020304", OFPBAC_BAD_LEN},
        {"0001 0008 1000 0000", OFPBAC_BAD_ARGUMENT}, // VLAN 4096
        {"0002 0008 08000000", OFPBAC_BAD_ARGUMENT},
        {"0008 0008 11000000", OFPBAC_BAD_ARGUMENT},               // ECN bits
        {"000b 0010 0001 000000000000 00000001", OFPBAC_BAD_TYPE}, // enqueue
        {"000c 0008 00000000", OFPBAC_BAD_TYPE},
        {"1234 0008 00000000", OFPBAC_BAD_TYPE},
        {"ffff 0008 00001234", OFPBAC_BAD_VENDOR},
        {"ffff 0008 00002320", OFPBAC_BAD_LEN},
        {"ffff 0010 00002320 03e7 000000000000", OFPBAC_BAD_VENDOR_TYPE},
        {"ffff 0010 00002320 0010 000000000000", OFPBAC_BAD_VENDOR_TYPE}, // learn
        {"ffff 0010 00002320 0007 000000000000", OFPBAC_BAD_LEN},         // reg_load, too short
        {"ffff 0018 00002320 0007 001f 00010304 0000000000000001",
         OFPBAC_BAD_SET_LEN}, // odd header
        {"ffff 0018 00002320 0007 003f 00010204 0000000000000001", OFPBAC_BAD_SET_LEN}, // 64 bits
        {"ffff 0018 00002320 0007 0101 00010204 0000000000000004", OFPBAC_BAD_ARGUMENT},
        {"ffff 0018 00002320 0007 000f 00000602 0000000000000001",
         OFPBAC_BAD_SET_ARGUMENT}, // eth_type
        {"ffff 0018 00002320 0006 0000 0000 0000 00010204 00010404", OFPBAC_BAD_SET_LEN},
        {"ffff 0018 00002320 0006 0008 001c 0000 00010204 00010404", OFPBAC_BAD_SET_LEN},
        {"ffff 0018 00002320 0006 0008 0000 0000 00010204 00000602", OFPBAC_BAD_SET_ARGUMENT},
        {"ffff 0010 00002320 000e fff8 07000001", OFPBAC_BAD_ARGUMENT},
        {"ffff 0010 00002320 0014 0005 0009 00 01", NXBRC_MUST_BE_ZERO},
        {"ffff 0018 00002320 002a 000000000000 0000 0010 0002 0000",
         OFPBAC_BAD_LEN}, // inside clone
    };
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        assert_error(OF10, v[i].hex, v[i].e);
}

static void wrong_instructions(void **state)
{
    static const struct {
        const char *hex;
        enum of_error e;
    } v[] = {
        {"0001 0008 07", OFPBIC_BAD_LEN},
        {"0001 0000 07000000", OFPBIC_BAD_LEN},
        {"0001 0010 07000000 0000000000000000", OFPBIC_BAD_LEN},
        {"0002 0010 00000000 0000000000000003", OFPBIC_BAD_LEN},
        {"0005 0010 00000000 0000000000000000", OFPBIC_BAD_LEN},
        {"0001 0008 07000000 0001 0008 07000000", OFPBIC_DUP_INST},
        {"0000 0008 00000000", OFPBIC_UNKNOWN_INST},
        {"0007 0008 00000000", OFPBIC_UNKNOWN_INST},
        {"0006 0008 00000001", OFPBIC_UNSUP_INST}, // meter
        {"ffff 0008 00002320", OFPBIC_BAD_EXPERIMENTER},
        {"0004 0010 00000000 0000 0008 00000002", OFPBAC_BAD_LEN},
        {"0004 0018 00000000 0000 0010 0000ff00 0000 000000000000", OFPBAC_BAD_OUT_PORT},
        {"0004 0010 00000000 0016 0008 00000001", OFPBAC_BAD_OUT_GROUP},
        {"0004 0010 00000000 0015 0008 00000001", OFPBAC_BAD_TYPE}, // set_queue
        {"0004 0010 00000000 0011 0008 0800 0000", OFPBAC_BAD_ARGUMENT},
        {"0004 0018 00000000 0019 0010 80000d04 10051fff 00000000", OFPBAC_BAD_SET_MASK},
        {"0004 0018 00000000 0019 0010 80000a02 0800 000000000000", OFPBAC_BAD_SET_ARGUMENT},
        {"0004 0018 00000000 0019 0010 80007e02 0800 000000000000", OFPBAC_BAD_SET_TYPE},
        {"0004 0018 00000000 0019 0010 80000c04 00001005 00000000", OFPBAC_BAD_SET_LEN},
        {"0004 0018 00000000 0019 0010 80000c02 1005 000000000001", OFPBAC_BAD_SET_ARGUMENT},
        {"0004 0018 00000000 0019 0010 80000c02 0005 000000000000",
         OFPBAC_BAD_SET_ARGUMENT}, // vlan_vid without OFPVID_PRESENT
        {"0004 0018 00000000 0019 0010 800016ff 10050000 00000000", OFPBAC_BAD_SET_LEN},
    };
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        assert_error(OF13, v[i].hex, v[i].e);
}

static void clones_nest_to_a_limit(void **state)
{
    struct buf b;
    struct ofpact_list list;
    buf_init(&b, 1024, 64);
    for (unsigned depth = 1; depth < 40; depth++) {
        uint8_t head[16] = {0xff, 0xff, 0, (uint8_t)0, 0, 0, 0x23, 0x20, 0, 0x2a};
        uint16_t len = htons((uint16_t)(16 * depth));
        memcpy(head + 2, &len, 2);
        buf_push(&b, head, sizeof(head));
        ofpact_list_init(&list);
        assert_int_equal(of_actions_get(b.data, b.size, OF10, &list),
                         depth <= 16 ? OF_OK : OFPBAC_TOO_MANY);
        ofpact_list_done(&list);
    }
    buf_done(&b);
}

// 1.0's actions in 1.3's words, with what the match knows.
static void across_versions(void **state)
{
    struct buf in = bytes_of("0001 0008 0005 0000  000a 0008 0016 0000  0008 0008 10000000"), out;
    struct ofpact_list list;
    struct match match = {0};
    buf_init(&out, 0, 64);
    ofpact_list_init(&list);
    assert_int_equal(of_actions_get(in.data, in.size, OF10, &list), OF_OK);
    match.mask.key.ip_proto = 0xff;
    match.value.key.ip_proto = 6;
    of_rule_actions_put(&out, OF13, &list, &match);
    assert_bytes(&out,
                 "0004 0040 00000000 0011 0008 8100 0000  0019 0010 80000c02 1005 000000000000"
                 "0019 0010 80001c02 0016 000000000000  0019 0010 80001001 04 00000000000000");
    buf_clear(&out);
    match.mask.key.vlan[0].tci = match.value.key.vlan[0].tci = htons(VLAN_PRESENT);
    match.value.key.ip_proto = 17;
    of_rule_actions_put(&out, OF13, &list, &match);
    assert_bytes(&out,
                 "0004 0038 00000000 0019 0010 80000c02 1005 000000000000"
                 "0019 0010 80002002 0016 000000000000  0019 0010 80001001 04 00000000000000");
    ofpact_list_done(&list);
    buf_done(&in);

    // And back: an instruction becomes what 1.0 has for it.
    in = bytes_of("0004 0038 00000000 0019 0010 80000c02 1005 000000000000"
                  "0019 0010 80001604 01020304 00000000 0019 0010 00010604 00001234 00000000"
                  "0001 0008 07 000000");
    ofpact_list_init(&list);
    assert_int_equal(of_instructions_get(in.data, in.size, &list), OF_OK);
    buf_clear(&out);
    of_rule_actions_put(&out, OF10, &list, NULL);
    assert_bytes(&out, "0001 0008 0005 0000 0006 0008 01020304"
                       "ffff 0018 00002320 0007 001f 00010604 0000000000001234"
                       "ffff 0010 00002320 000e fff8 07000000");
    ofpact_list_done(&list);
    buf_done(&in);
    buf_done(&out);
}

// Every writable field through set_field in 1.3 and, in two masked forms, through Nicira's loads.
static void every_field_can_be_set(void **state)
{
    for (unsigned id = 0; id < FIELD_COUNT; id++) {
        const struct field *f = field_by_id(id);
        if (!f->writable || !field_wire_header(f, OF13, false))
            continue;
        struct ofpact_list list, again;
        struct field_value value = {{0}}, mask = {{0}};
        ofpact_list_init(&list);
        value.b[f->n_bytes - 1] = mask.b[f->n_bytes - 1] = 1;
        if (id == FIELD_IP_DSCP)
            value.b[0] = mask.b[0] = 4;
        if (id == FIELD_VLAN_VID)
            value.b[0] = mask.b[0] = 0x10; // OFPVID_PRESENT
        if (field_wire_header(f, OF13, false)->header >> 16 != 0xffff)
            ofpact_list_add_set_field(&list, id, &value, NULL);
        if (f->maskable)
            ofpact_list_add_set_field(&list, id, &value, &mask);
        if (id != FIELD_IP_DSCP)
            ofpact_list_add_set_field(&list, id, &value, &mask)->form = OFPACT_FORM_LOAD;
        struct buf b, b2;
        buf_init(&b, 0, 64);
        buf_init(&b2, 0, 64);
        of_actions_put(&b, OF13, &list);
        ofpact_list_init(&again);
        enum of_error e = of_actions_get(b.data, b.size, OF13, &again);
        if (e)
            print_error("%s: %s\n", f->name, of_error_name(e));
        assert_int_equal(e, OF_OK);
        assert_int_equal(again.n, list.n);
        of_actions_put(&b2, OF13, &again);
        assert_int_equal(b.size, b2.size);
        assert_memory_equal(b.data, b2.data, b.size);
        for (uint32_t i = 0; i < list.n; i++) {
            if (id != FIELD_IP_DSCP && again.v[i].set_field.field != id)
                print_error("%s became %s\n", f->name,
                            field_by_id(again.v[i].set_field.field)->name);
        }
        ofpact_list_done(&list);
        ofpact_list_done(&again);
        buf_done(&b);
        buf_done(&b2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_in_1_0),
        cmocka_unit_test(same_in_1_3),
        cmocka_unit_test(instructions_may_come_in_any_order),
        cmocka_unit_test(wrong_actions),
        cmocka_unit_test(wrong_instructions),
        cmocka_unit_test(clones_nest_to_a_limit),
        cmocka_unit_test(across_versions),
        cmocka_unit_test(every_field_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
