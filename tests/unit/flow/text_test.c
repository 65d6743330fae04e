// SPDX-License-Identifier: Apache-2.0
// Values and matches as text: every field of the table there and back, and what is refused. That
// the texts are the ones of ovs-ofctl is tests/net/flow_text_test.py's to show.
#include "tests/unit/flow/flow_test.h"

#include <errno.h>

#include "lib/flow/text.h"

static void values_round_trip(void **state)
{
    random_seed(20);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            const struct field *f = field_by_id((enum field_id)i);
            struct field_value v = random_value(f), mask, got, got_mask;
            struct str text = STR_INIT;
            AUTO_ERR(err);

            field_value_ones(f, &mask);
            if (f->maskable && f->text != TEXT_FRAG && round % 2)
                mask = random_value(f);
            if (f->text == TEXT_FRAG)
                v.b[0] = (uint8_t[]){0, 1, 3}[random_below(3)];
            if (f->text == TEXT_OFP_PORT)
                v = field_value_from_u64(f, random_below(2) ? random_below(0xff00)
                                                            : 0xfffffff8 + random_below(8));
            if (memcmp(&mask, &(struct field_value){{0}}, sizeof(mask)) == 0)
                continue;
            if (i == FIELD_CT_STATE && mask.b[3] != 0xff)
                memset(mask.b, 0, 3);
            for (unsigned b = 0; b < 16; b++)
                v.b[b] &= mask.b[b];
            field_value_format(f, &v, &mask, &text);
            int r = field_value_parse(f, str_text(&text), &got, &got_mask, &err);
            if (r)
                print_message("%s: \"%s\": %s\n", f->name, str_text(&text), err_text(&err));
            assert_int_equal(r, 0);
            if (f->text == TEXT_FRAG && (v.b[0] & 3) == 0) // "no" asks for one bit
                mask.b[0] = 1;
            assert_value_equal(&got, &v);
            assert_value_equal(&got_mask, &mask);
            str_done(&text);
        }
    }
}

static void values_refused(void **state)
{
    static const struct {
        enum field_id id;
        const char *text;
    } bad[] = {
        {FIELD_IP_PROTO, "256"},
        {FIELD_IP_PROTO, ""},
        {FIELD_IP_PROTO, "6/3"},
        {FIELD_ETH_SRC, "1:2:3:4:5"},
        {FIELD_ETH_SRC, "1:2:3:4:5:6:7"},
        {FIELD_ETH_SRC, "00:00:00:00:00:0g"},
        {FIELD_IPV4_SRC, "1.2.3.4/33"},
        {FIELD_IPV4_SRC, "1.2.3.4/"},
        {FIELD_IPV6_SRC, "::/129"},
        {FIELD_TCP_FLAGS, "+syn+syn"},
        {FIELD_TCP_FLAGS, "syn|"},
        {FIELD_TCP_FLAGS, "0x1000"},
        {FIELD_TCP_FLAGS, "+[801]"},
        {FIELD_CT_STATE, "+trk|new"},
        {FIELD_IP_FRAG, "maybe"},
        {FIELD_OF_IN_PORT, "LOKAL"},
        {FIELD_VLAN_PCP, "8"},
        {FIELD_METADATA, "0x10000000000000000"},
        {FIELD_CT_LABEL, "0x100000000000000000000000000000000"},
        {FIELD_PACKET_TYPE, "(1,2"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct field_value v, mask;
        AUTO_ERR(err);
        assert_int_equal(field_value_parse(field_by_id(bad[i].id), bad[i].text, &v, &mask, &err),
                         -EINVAL);
        assert_true(err_is_set(&err));
    }
}

// A match on a single field reads back the same, whatever the field; those that text can't say
// apart from others are compared as text.
static void matches_round_trip(void **state)
{
    random_seed(21);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            const struct field *f = field_by_id((enum field_id)i);
            struct match m = match_on(f), back;
            struct str text = STR_INIT, again = STR_INIT;
            AUTO_ERR(err);

            if (i == FIELD_TUN_TOS) // hexadecimal without saying so, as ovs-ofctl has it
                continue;
            match_format(&m, &text);
            int r = match_parse(str_text(&text), &back, &err);
            if (r)
                print_message("\"%s\": %s\n", str_text(&text), err_text(&err));
            assert_int_equal(r, 0);
            match_format(&back, &again);
            assert_string_equal(str_text(&again), str_text(&text));
            str_done(&text);
            str_done(&again);
        }
    }
}

static void prerequisites_are_kept(void **state)
{
    struct match m;
    assert_int_equal(match_parse("tp_src=80,nw_src=1.2.3.4", &m, NULL), 0);
    assert_int_equal(m.mask.key.tp_src, 0);
    assert_int_equal(m.mask.key.ip4_src, 0);
    assert_int_equal(match_parse("icmp,tp_src=8", &m, NULL), 0);
    assert_int_equal(m.mask.key.tp_src, htons(0xff));
    assert_int_equal(match_parse("", &m, NULL), 0);
    assert_int_equal(match_parse("in_port=70000", &m, NULL), 0);
    assert_int_equal(m.value.pipe.in_port, 70000);
    struct match before = m;
    AUTO_ERR(err);
    assert_int_equal(match_parse("tcp,nonsense=1", &m, &err), -EINVAL);
    assert_string_equal(err_text(&err), "unknown keyword nonsense");
    assert_match_equal(&m, &before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_round_trip),
        cmocka_unit_test(values_refused),
        cmocka_unit_test(matches_round_trip),
        cmocka_unit_test(prerequisites_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
