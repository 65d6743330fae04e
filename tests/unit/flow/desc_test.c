// SPDX-License-Identifier: Apache-2.0
// Identity of megaflows, lists of actions, refusals.
#include "tests/unit/flow/flow_test.h"

#include <arpa/inet.h>
#include <errno.h>

#include "lib/contract/refusal.h"
#include "lib/flow/desc.h"

static void ufid_names_key_and_mask(void **state)
{
    struct flow_key key = {.eth_type = htons(0x0800), .in_port = 3},
                    mask = {.eth_type = 0xffff, .in_port = UINT32_MAX};
    struct ufid a = flow_desc_ufid(&key, &mask, "eth0", 1), b;

    assert_true(ufid_is_ours(&a, 1));
    assert_false(ufid_is_ours(&a, 2));

    key.in_port = 4; // another number for the same port
    key.ip4_src = 1; // not matched
    b = flow_desc_ufid(&key, &mask, "eth0", 1);
    assert_true(ufid_equal(&a, &b));
    b = flow_desc_ufid(&key, &mask, "eth1", 1);
    assert_false(ufid_equal(&a, &b));
    mask.ip_proto = 0xff; // same key, other mask
    b = flow_desc_ufid(&key, &mask, "eth0", 1);
    assert_false(ufid_equal(&a, &b));
}

// The number is part of a format that processes of other versions read.
static void ufid_is_stable(void **state)
{
    struct flow_key key = {.eth_type = htons(0x0800)}, mask = {.eth_type = 0xffff};
    struct ufid a = flow_desc_ufid(&key, &mask, "eth0", 0);
    char text[UFID_TEXT_LEN + 1];
    ufid_format(&a, text);
    assert_string_equal(text, "51c30100-01a6-fb52-0aa8-523c0988151f");
}

static void ufid_text(void **state)
{
    struct ufid a, b;
    char text[UFID_TEXT_LEN + 1];
    for (unsigned i = 0; i < 16; i++)
        a.b[i] = (uint8_t)(i * 17);
    ufid_format(&a, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    assert_int_equal(ufid_parse(text, &b), 0);
    assert_true(ufid_equal(&a, &b));
    assert_int_equal(ufid_parse("00112233-4455-6677-8899-aabbccddeef", &b), -EINVAL);
    assert_int_equal(ufid_parse("00112233-4455-6677-8899-aabbccddeefg", &b), -EINVAL);
    assert_int_equal(ufid_parse("0011223344556677-8899-aabb-ccddeeff0", &b), -EINVAL);
    assert_true(ufid_equal(&a, &b));
}

static void fill(struct act_list *list, uint32_t port)
{
    act_list_add(list, ACT_SET)->set.field = FIELD_IPV4_SRC;
    struct act *clone = act_list_add(list, ACT_CLONE);
    clone->nested = act_list_new();
    act_list_add(clone->nested, ACT_OUTPUT)->port = port;
    struct act *check = act_list_add(list, ACT_CHECK_LEN);
    check->check_len.len = 100;
    check->check_len.greater = act_list_new();
    act_list_add(list, ACT_OUTPUT)->port = 1;
}

static void lists_copy_and_compare(void **state)
{
    struct flow_desc a = {0}, b;
    fill(&a.actions, 2);
    flow_desc_clone(&b, &a);
    assert_true(act_list_equal(&a.actions, &b.actions));
    assert_ptr_not_equal(a.actions.v[1].nested, b.actions.v[1].nested);
    b.actions.v[1].nested->v[0].port = 3;
    assert_false(act_list_equal(&a.actions, &b.actions));
    b.actions.v[1].nested->v[0].port = 2;
    assert_true(act_list_equal(&a.actions, &b.actions));
    b.actions.v[3].port = 9;
    assert_false(act_list_equal(&a.actions, &b.actions));
    b.actions.v[3].port = 1;
    act_list_add(&b.actions, ACT_POP_VLAN);
    assert_false(act_list_equal(&a.actions, &b.actions));
    flow_desc_done(&a);
    flow_desc_done(&b);
    assert_int_equal(a.actions.n, 0);
}

static void refusals_speak(void **state)
{
    struct refusal r;
    char text[64];
    assert_int_equal(
        refuse(&r, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_IP_DSCP, -EOPNOTSUPP, "no %s here", "DSCP"),
        -EOPNOTSUPP);
    assert_string_equal(refusal_culprit_text(&r, text, sizeof(text)), "field nw_tos");
    assert_string_equal(r.sentence, "no DSCP here");
    assert_string_equal(refusal_stage_name(r.stage), "check");
    refuse(&r, REFUSAL_DRIVER, CULPRIT_ACTION, ACT_METER, -EINVAL, "%0250d", 1);
    assert_string_equal(refusal_culprit_text(&r, text, sizeof(text)), "action meter");
    assert_int_equal(strlen(r.sentence), sizeof(r.sentence) - 1);
    refuse(&r, REFUSAL_POLICY, CULPRIT_NONE, 0, -EPERM, "off");
    assert_string_equal(refusal_culprit_text(&r, text, sizeof(text)), "");
    refuse(&r, REFUSAL_CHECK, CULPRIT_SET_FIELD, FIELD_ETH_SRC, -EPERM, "x");
    assert_string_equal(refusal_culprit_text(&r, text, sizeof(text)), "action set eth_src");
    refuse(&r, REFUSAL_CHECK, CULPRIT_PORT, 3, -EPERM, "x");
    assert_string_equal(refusal_culprit_text(&r, text, sizeof(text)), "port 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ufid_names_key_and_mask),
        cmocka_unit_test(ufid_is_stable),
        cmocka_unit_test(ufid_text),
        cmocka_unit_test(lists_copy_and_compare),
        cmocka_unit_test(refusals_speak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
