// SPDX-License-Identifier: Apache-2.0
// Flow mods: what ovs-ofctl sends is understood, survives encoding in every form, and what is wrong
// gets its error, at every length.
#include "tests/unit/openflow/openflow_test.h"

#include "slowpath/openflow/flow_mod.h"
#include "tests/unit/openflow/vectors.h"

static enum of_error decode(const struct buf *b, bool tid, struct flow_mod *fm)
{
    struct of_msg m;
    bool none;
    enum of_error e = of_msg_parse(b->data, &m);
    return e ? e : of_flow_mod_get(&m, tid, fm, &none);
}

static void assert_same_flow(const struct flow_mod *a, const struct flow_mod *b, bool actions)
{
    assert_int_equal(a->command, b->command);
    assert_int_equal(a->table, b->table);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->cookie, b->cookie);
    assert_int_equal(a->cookie_mask, b->cookie_mask);
    assert_int_equal(a->new_cookie, b->new_cookie);
    assert_int_equal(a->idle_timeout, b->idle_timeout);
    assert_int_equal(a->hard_timeout, b->hard_timeout);
    assert_int_equal(a->out_port, b->out_port);
    assert_int_equal(a->flags, b->flags);
    assert_memory_equal(&a->match, &b->match, sizeof(a->match));
    if (actions)
        assert_true(ofpact_list_equal(&a->actions, &b->actions));
}

static void check_vector(const char *hex, uint8_t version)
{
    struct buf b = bytes_of(hex), again;
    struct flow_mod fm, back;
    bool nxm = b.data[1] == OFPT_VENDOR;
    buf_init(&again, 0, 64);
    enum of_error e = decode(&b, true, &fm);
    if (e)
        print_error("%s for %s\n", of_error_name(e), hex);
    assert_int_equal(e, OF_OK);
    of_flow_mod_put(&again, version, nxm, true, &fm);
    assert_int_equal(decode(&again, true, &back), OF_OK);
    assert_same_flow(&fm, &back, true);
    flow_mod_done(&back);
    if (version == OF10) { // a fixed match can be said in NXM, too
        buf_clear(&again);
        of_flow_mod_put(&again, OF10, true, true, &fm);
        assert_int_equal(decode(&again, true, &back), OF_OK);
        assert_same_flow(&fm, &back, true);
        flow_mod_done(&back);
    }
    flow_mod_done(&fm);
    buf_done(&b);
    buf_done(&again);
}

static void recorded_flow_mods(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors10); i++)
        check_vector(vectors10[i], OF10);
    for (size_t i = 0; i < ARRAY_SIZE(vectors13); i++)
        check_vector(vectors13[i], OF13);
}

// Both recordings are of the same commands: the flows are the same ones. What 1.3 can't carry alike
// (the table that isn't said, cookies of modify) is left out, and so is vlan_tci=0: 1.0 says
// "untagged" with all 16 bits, 1.3 without the priority.
#define UNTAGGED 3
static void versions_agree(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors10); i++) {
        struct buf a = bytes_of(vectors10[i]), b = bytes_of(vectors13[i]);
        struct flow_mod x, y;
        assert_int_equal(decode(&a, true, &x), OF_OK);
        assert_int_equal(decode(&b, true, &y), OF_OK);
        assert_int_equal(x.command, y.command);
        if (i != UNTAGGED)
            assert_memory_equal(&x.match, &y.match, sizeof(x.match));
        assert_int_equal(x.priority, y.priority);
        assert_int_equal(x.out_port, y.out_port);
        assert_int_equal(x.cookie, y.cookie);
        assert_int_equal(x.cookie_mask, y.cookie_mask);
        flow_mod_done(&x);
        flow_mod_done(&y);
        buf_done(&a);
        buf_done(&b);
    }
}

static void some_in_detail(void **state)
{
    struct flow_mod fm;
    struct buf b = bytes_of(vectors10[0]);
    assert_int_equal(decode(&b, true, &fm), OF_OK);
    assert_int_equal(fm.command, FLOW_ADD);
    assert_int_equal(fm.priority, 10);
    assert_int_equal(fm.match.value.pipe.in_port, 1);
    assert_int_equal(fm.match.mask.pipe.in_port, UINT32_MAX);
    assert_memory_equal(&fm.match.value.key.eth_src, "\x00\x11\x22\x33\x44\x55", 6);
    assert_true(fm.flags & FLOW_RESET_COUNTS);
    assert_int_equal(fm.actions.n, 1);
    assert_int_equal(fm.actions.v[0].output.port, 2);
    flow_mod_done(&fm);
    buf_done(&b);

    b = bytes_of(vectors13[18]);
    assert_int_equal(decode(&b, false, &fm), OF_OK);
    assert_int_equal(fm.idle_timeout, 10);
    assert_int_equal(fm.hard_timeout, 20);
    assert_int_equal(fm.new_cookie, htonll(0x1234));
    assert_int_equal(fm.flags, RULE_SEND_FLOW_REM | FLOW_CHECK_OVERLAP);
    flow_mod_done(&fm);
    buf_done(&b);
}

static void modify_of_1_0_may_add(void **state)
{
    struct flow_mod fm;
    struct buf b = bytes_of(vectors10[20]); // mod-flows --strict, no cookie
    assert_int_equal(decode(&b, true, &fm), OF_OK);
    assert_int_equal(fm.command, FLOW_MODIFY_STRICT);
    assert_true(fm.modify_may_add);
    flow_mod_done(&fm);
    buf_done(&b);
    b = bytes_of(vectors10[19]); // mod-flows cookie=1/3: one that matches is changed
    assert_int_equal(decode(&b, true, &fm), OF_OK);
    assert_false(fm.modify_may_add);
    assert_false(fm.modify_cookie);
    assert_int_equal(fm.cookie_mask, htonll(3));
    flow_mod_done(&fm);
    buf_done(&b);
    b = bytes_of(vectors13[20]);
    assert_int_equal(decode(&b, true, &fm), OF_OK);
    assert_false(fm.modify_may_add);
    flow_mod_done(&fm);
    buf_done(&b);
}

// Every prefix of every recording, with its length field saying so, is refused or taken; none reads
// on (the sanitizer would tell) and few are taken.
static void truncated(void **state)
{
    unsigned taken = 0, all = 0;
    for (size_t i = 0; i < ARRAY_SIZE(vectors10) + ARRAY_SIZE(vectors13); i++) {
        struct buf b = bytes_of(i < ARRAY_SIZE(vectors10) ? vectors10[i]
                                                          : vectors13[i - ARRAY_SIZE(vectors10)]);
        for (size_t n = 8; n < b.size; n++, all++) {
            struct buf cut;
            struct flow_mod fm;
            buf_init(&cut, 0, n); // of exactly this size, so that reading on is seen
            buf_put(&cut, b.data, n);
            cut.data[2] = (uint8_t)(n >> 8);
            cut.data[3] = (uint8_t)n;
            if (!decode(&cut, true, &fm)) {
                taken++;
                flow_mod_done(&fm);
            }
            buf_done(&cut);
        }
        buf_done(&b);
    }
    assert_true(taken < all / 20); // only where actions end early
}

struct patch {
    size_t at;
    uint8_t n;
    const char *hex;
    enum of_error e;
};

static void assert_patched(const char *vector, const struct patch *p)
{
    struct buf b = bytes_of(vector), with = bytes_of(p->hex);
    struct flow_mod fm;
    memcpy(b.data + p->at, with.data, with.size);
    enum of_error e = decode(&b, true, &fm);
    if (e != p->e)
        print_error("%s with %s at %zu, not %s\n", of_error_name(e), p->hex, p->at,
                    of_error_name(p->e));
    assert_int_equal(e, p->e);
    if (!e)
        flow_mod_done(&fm);
    buf_done(&b);
    buf_done(&with);
}

static void wrong_values(void **state)
{
    static const struct patch v10[] = {
        {56, 2, "0005", OFPFMFC_BAD_COMMAND},       {70, 2, "0008", OFPFMFC_BAD_FLAGS},
        {70, 2, "0004", OFPFMFC_TABLE_FULL}, // the emergency table
        {58, 14, "0001 0000 000a ffffffff ffff 0004", OFPFMFC_BAD_EMERG_TIMEOUT},
        {64, 4, "00000007", OFPBRC_BUFFER_UNKNOWN}, {76, 2, "ff01", OFPBAC_BAD_OUT_PORT},
        {76, 2, "ffff", OFPBAC_BAD_OUT_PORT}, // none
    };
    for (size_t i = 0; i < ARRAY_SIZE(v10); i++)
        assert_patched(vectors10[0], &v10[i]);
    // The NXM vector of in_port=LOCAL,dl_dst=…: match_len at 40, TLVs from 48.
    static const struct patch nx[] = {
        {40, 2, "0015", NXBRC_NXM_INVALID},    {40, 2, "1000", OFPBRC_BAD_LEN},
        {48, 4, "0000fe02", OFPBMC_BAD_FIELD}, {54, 4, "00000306", NXBRC_NXM_INVALID},
        {54, 4, "00000002", OFPBMC_DUP_FIELD},
    };
    for (size_t i = 0; i < ARRAY_SIZE(nx); i++)
        assert_patched(vectors10[1], &nx[i]);
    // 1.3's of in_port=1,dl_src=…: fixed part from 8, match from 48.
    static const struct patch v13[] = {
        {24, 1, "ff", OFPFMFC_BAD_TABLE_ID},
        {25, 1, "05", OFPFMFC_BAD_COMMAND},
        {32, 4, "00000007", OFPBRC_BUFFER_UNKNOWN},
        {44, 2, "0020", OFPFMFC_BAD_FLAGS},
        {48, 2, "0000", OFPBMC_BAD_TYPE},
        {50, 2, "0003", OFPBMC_BAD_LEN},
        {50, 2, "0400", OFPBMC_BAD_LEN},
        {50, 2, "0015", OFPBMC_BAD_LEN},
        {52, 4, "8000fe04", OFPBMC_BAD_FIELD},
        {52, 4, "80001404", OFPBMC_BAD_LEN}, // ip_proto has one byte
    };
    for (size_t i = 0; i < ARRAY_SIZE(v13); i++)
        assert_patched(vectors13[0], &v13[i]);
}

// Every field of the table that has a number, in the NXM and the OXM form.
static void every_field_in_a_match(void **state)
{
    for (unsigned id = 0; id < FIELD_COUNT; id++) {
        const struct field *f = field_by_id(id);
        for (unsigned version = OF10; version <= OF13; version += OF13 - OF10) {
            bool nxm = version == OF10;
            if (!field_wire_header(f, (uint8_t)version, nxm))
                continue;
            struct flow_mod fm, back;
            struct buf b;
            flow_mod_init(&fm, FLOW_ADD);
            memset(&fm.match, 0, sizeof(fm.match));
            fm.flags = nxm ? FLOW_RESET_COUNTS : 0;
            field_mask_all(f, &fm.match.mask);
            buf_init(&b, 0, 64);
            of_flow_mod_put(&b, (uint8_t)version, nxm, true, &fm);
            // Without what it presupposes it isn't put, or not taken: never taken as something
            // else.
            if (!decode(&b, true, &back)) {
                struct match none = {0};
                if (memcmp(&back.match, &none, sizeof(none)))
                    assert_memory_equal(&back.match, &fm.match, sizeof(none));
                flow_mod_done(&back);
            }
            flow_mod_done(&fm);
            buf_done(&b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_flow_mods),
        cmocka_unit_test(versions_agree),
        cmocka_unit_test(some_in_detail),
        cmocka_unit_test(modify_of_1_0_may_add),
        cmocka_unit_test(truncated),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(every_field_in_a_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
