// SPDX-License-Identifier: Apache-2.0
// Lists of OpenFlow actions: copies, comparison, and what a codec must refuse.
#include "tests/unit/pipeline/pipeline_test.h"

#include "slowpath/pipeline/ofpact.h"

struct checked {
    struct ofpact_list list;
    struct match match;
    bool no_match, strict;
    uint8_t table;
};

static enum ofpact_error check(struct checked *c)
{
    AUTO_ERR(err);
    enum ofpact_error e =
        ofpact_list_check(&c->list, c->no_match ? NULL : &c->match, c->table, c->strict, &err);
    assert_int_equal(e != OFPACT_OK, err_is_set(&err)); // a refusal has a sentence
    ofpact_list_done(&c->list);
    return e;
}

static struct ofpact *add(struct checked *c, enum ofpact_type type)
{
    return ofpact_list_add(&c->list, type);
}

static void set_field(struct checked *c, enum field_id id)
{
    struct field_value zero = {{0}};
    ofpact_list_add_set_field(&c->list, id, &zero, NULL);
}

static void match_tcp(struct checked *c)
{
    c->match.value.key.eth_type = htons(0x0800);
    c->match.mask.key.eth_type = UINT16_MAX;
    c->match.value.key.ip_proto = 6;
    c->match.mask.key.ip_proto = UINT8_MAX;
}

static void ports(void **state)
{
    static const struct {
        ofp_port_t port;
        bool packet_out;
        enum ofpact_error want;
    } cases[] = {
        {1, false, OFPACT_OK},
        {0xfffffeff, false, OFPACT_OK},
        {0, false, OFPACT_BAD_OUT_PORT},
        {OFPP_MAX_PORT, false, OFPACT_BAD_OUT_PORT},
        {OFPP_NONE, false, OFPACT_BAD_OUT_PORT},
        {OFPP_NORMAL, false, OFPACT_OK},
        {OFPP_CONTROLLER, false, OFPACT_OK},
        {OFPP_TABLE, false, OFPACT_BAD_OUT_PORT},
        {OFPP_TABLE, true, OFPACT_OK},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct checked c = {.no_match = cases[i].packet_out};
        add(&c, OFPACT_OUTPUT)->output.port = cases[i].port;
        assert_int_equal(check(&c), cases[i].want);
    }
}

static void prerequisites(void **state)
{
    struct checked c = {.strict = true};
    set_field(&c, FIELD_TCP_DST);
    assert_int_equal(check(&c), OFPACT_INCONSISTENT);
    match_tcp(&c);
    set_field(&c, FIELD_TCP_DST);
    assert_int_equal(check(&c), OFPACT_OK);
    set_field(&c, FIELD_UDP_DST);
    assert_int_equal(check(&c), OFPACT_INCONSISTENT);
    add(&c, OFPACT_SET_L4_SRC);
    assert_int_equal(check(&c), OFPACT_OK);
    set_field(&c, FIELD_VLAN_PCP); // no tag
    assert_int_equal(check(&c), OFPACT_INCONSISTENT);
    add(&c, OFPACT_PUSH_VLAN)->push_vlan_tpid = htons(0x8100);
    set_field(&c, FIELD_VLAN_PCP);
    assert_int_equal(check(&c), OFPACT_OK);
    add(&c, OFPACT_POP_VLAN);
    assert_int_equal(check(&c), OFPACT_INCONSISTENT);
    c.strict = false; // OpenFlow 1.0
    set_field(&c, FIELD_UDP_DST);
    assert_int_equal(check(&c), OFPACT_OK);
}

static void fields(void **state)
{
    struct checked c = {.strict = true};
    set_field(&c, FIELD_ETH_TYPE); // read only
    assert_int_equal(check(&c), OFPACT_BAD_SET_TYPE);
    struct ofpact *a = add(&c, OFPACT_MOVE);
    a->move.src = (struct subfield){FIELD_REG0, 0, 16};
    a->move.dst = (struct subfield){FIELD_REG0 + 1, 0, 8};
    assert_int_equal(check(&c), OFPACT_BAD_ARGUMENT);
    a = add(&c, OFPACT_MOVE);
    a->move.src = (struct subfield){FIELD_REG0, 20, 16};
    a->move.dst = (struct subfield){FIELD_REG0 + 1, 0, 16};
    assert_int_equal(check(&c), OFPACT_BAD_SET_ARGUMENT);
    a = add(&c, OFPACT_MOVE);
    a->move.src = (struct subfield){FIELD_ETH_TYPE, 0, 16};
    a->move.dst = (struct subfield){FIELD_REG0 + 1, 16, 16};
    assert_int_equal(check(&c), OFPACT_OK);
    a = add(&c, OFPACT_MOVE);
    a->move.dst = (struct subfield){FIELD_ETH_TYPE, 0, 16};
    a->move.src = (struct subfield){FIELD_REG0 + 1, 16, 16};
    assert_int_equal(check(&c), OFPACT_BAD_SET_TYPE);
    add(&c, OFPACT_PUSH_VLAN)->push_vlan_tpid = htons(0x0800);
    assert_int_equal(check(&c), OFPACT_BAD_ARGUMENT);
}

static void tables_and_order(void **state)
{
    struct checked c = {.strict = true, .table = 5};
    add(&c, OFPACT_GOTO_TABLE)->table = 5;
    assert_int_equal(check(&c), OFPACT_BAD_TABLE);
    add(&c, OFPACT_GOTO_TABLE)->table = 254;
    assert_int_equal(check(&c), OFPACT_BAD_TABLE);
    add(&c, OFPACT_GOTO_TABLE)->table = 6;
    assert_int_equal(check(&c), OFPACT_OK);
    add(&c, OFPACT_GOTO_TABLE)->table = 6;
    add(&c, OFPACT_CLEAR_ACTIONS);
    assert_int_equal(check(&c), OFPACT_UNSUPPORTED_ORDER);
    add(&c, OFPACT_RESUBMIT)->resubmit.table = 254;
    assert_int_equal(check(&c), OFPACT_BAD_ARGUMENT);
    ofpact_list_add(ofpact_list_add_nested(&c.list, OFPACT_CLONE), OFPACT_CLEAR_ACTIONS);
    assert_int_equal(check(&c), OFPACT_BAD_IN_SET);
    ofpact_list_add_nested(ofpact_list_add_nested(&c.list, OFPACT_WRITE_ACTIONS), OFPACT_CLONE);
    assert_int_equal(check(&c), OFPACT_BAD_IN_SET);
    // A set runs on whatever packet is there at the end.
    struct field_value zero = {{0}};
    ofpact_list_add_set_field(ofpact_list_add_nested(&c.list, OFPACT_WRITE_ACTIONS), FIELD_TCP_DST,
                              &zero, NULL);
    assert_int_equal(check(&c), OFPACT_OK);
}

static void copies_are_equal_and_apart(void **state)
{
    struct ofpact_list a, b;
    ofpact_list_init(&a);
    ofpact_list_add(&a, OFPACT_OUTPUT)->output.port = 1;
    struct ofpact_list *nested = ofpact_list_add_nested(&a, OFPACT_CLONE);
    ofpact_list_add(nested, OFPACT_OUTPUT)->output.port = 2;
    ofpact_list_clone(&b, &a);
    assert_true(ofpact_list_equal(&a, &b));
    assert_true(ofpact_list_outputs_to(&a, 2));
    assert_false(ofpact_list_outputs_to(&a, 3));
    nested->v[0].output.port = 3;
    assert_false(ofpact_list_equal(&a, &b));
    assert_true(ofpact_list_outputs_to(&b, 2));
    ofpact_list_done(&a);
    assert_false(ofpact_list_equal(&a, &b));
    ofpact_list_done(&b);
    for (unsigned t = 0; t < OFPACT_COUNT; t++)
        assert_non_null(ofpact_type_name(t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports),
        cmocka_unit_test(prerequisites),
        cmocka_unit_test(fields),
        cmocka_unit_test(tables_and_order),
        cmocka_unit_test(copies_are_equal_and_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
