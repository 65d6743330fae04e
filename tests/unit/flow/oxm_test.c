// SPDX-License-Identifier: Apache-2.0
// OXM and NXM: every field of the table there and back in each version, single TLVs, what is
// refused and why, and matches cut short at each length.
#include "tests/unit/flow/flow_test.h"

#include <endian.h>

#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/flow/oxm.h"

static const struct {
    uint8_t version;
    bool nxm;
} dialects[] = {{1, true}, {3, false}, {4, false}, {6, false}, {6, true}};

static bool has_header(const struct field *f)
{
    return f->nxm.name || f->oxm.name;
}

static void every_field_round_trips(void **state)
{
    random_seed(5);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            const struct field *f = field_by_id(i);
            if (!has_header(f))
                continue;
            for (size_t d = 0; d < sizeof(dialects) / sizeof(dialects[0]); d++) {
                const struct field_ctx ctx = {.of_version = dialects[d].version};
                struct match m = match_on(f), back;
                struct buf b = BUF_INIT;
                be64_t cookie, cookie_mask;

                if (i == FIELD_OF_IN_PORT || i == FIELD_OF_IN_PORT_OXM)
                    match_exactly(&m, FIELD_OF_IN_PORT_OXM, 0xfffffffe);
                if (i == FIELD_PACKET_TYPE)
                    match_exactly(&m, FIELD_PACKET_TYPE, 0x10800);
                size_t n = oxm_put_match(&b, &m, &ctx, dialects[d].nxm, 0, 0);
                assert_int_equal(n, b.size);
                assert_int_equal(
                    oxm_get_match(b.data, b.size, &ctx, true, &back, &cookie, &cookie_mask, NULL),
                    OXM_OK);
                assert_match_equal(&back, &m);
                assert_int_equal(cookie_mask, 0);
                for (size_t len = 0; len < b.size; len++) { // never crashes, and 0 or an error
                    uint8_t *cut = malloc(len ? len : 1);
                    memcpy(cut, b.data, len);
                    oxm_get_match(cut, len, &ctx, false, &back, NULL, NULL, NULL);
                    free(cut);
                }
                buf_done(&b);
            }
        }
    }
}

static void single_fields_round_trip(void **state)
{
    const struct field_ctx ctx = {.of_version = 4};
    random_seed(6);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = field_by_id(i), *got;
        if (!has_header(f))
            continue;
        struct field_value v = random_value(f), mask = random_value(f), all, got_v, got_mask;
        struct buf b = BUF_INIT;

        field_value_ones(f, &all);
        for (unsigned k = 0; k < 16; k++)
            v.b[k] &= mask.b[k];
        if (!f->maskable)
            mask = all;
        oxm_put_field(&b, f, &v, &mask, &ctx, false);
        oxm_put_header(&b, f, &ctx, true);
        struct reader in = reader_of(b.data, b.size);
        assert_int_equal(oxm_get_field(&in, &ctx, &got, &got_v, &got_mask, NULL), OXM_OK);
        assert_ptr_equal(got, f);
        assert_value_equal(&got_v, &v);
        assert_value_equal(&got_mask, &mask);
        assert_int_equal(oxm_get_header(&in, &ctx, &got, NULL), OXM_OK);
        assert_ptr_equal(got, f);
        assert_int_equal(in.left, 0);
        buf_done(&b);
    }
}

static enum oxm_error decode(const char *hex, bool strict, struct match *m)
{
    const struct field_ctx ctx = {.of_version = 4};
    uint8_t bytes[200];
    size_t n = 0;
    for (; *hex; hex += 2) {
        while (*hex == ' ')
            hex++;
        char byte[3] = {hex[0], hex[1], '\0'};
        assert_true(str_from_hex(byte, &bytes[n++], 1));
    }
    AUTO_ERR(err);
    enum oxm_error e = oxm_get_match(bytes, n, &ctx, strict, m, NULL, NULL, &err);
    assert_int_equal(err_is_set(&err), e != OXM_OK);
    return e;
}

static void refusals(void **state)
{
    struct match m;
    assert_int_equal(decode("80000a02 0800", true, &m), OXM_OK);
    assert_int_equal(decode("80000a01 08", true, &m), OXM_BAD_LEN);
    assert_int_equal(decode("80000a02 08", true, &m), OXM_BAD_LEN);
    assert_int_equal(decode("80000a", true, &m), OXM_BAD_LEN);
    assert_int_equal(decode("80007e02 0800", true, &m), OXM_BAD_FIELD);
    assert_int_equal(decode("80007e02 0800", false, &m), OXM_OK);
    assert_int_equal(decode("ffff5406 4f4e4600 0002", true, &m), OXM_BAD_PREREQ); // ONF's tcp_flags
    assert_int_equal(decode("ffff5402 4f4e4600 0002", true, &m), OXM_BAD_LEN);
    assert_int_equal(decode("80000b04 0800ff00", true, &m), OXM_BAD_MASK);
    assert_int_equal(decode("80001604 0a000001", true, &m), OXM_BAD_PREREQ);
    assert_int_equal(decode("80000a02 0800 80000a02 0800", true, &m), OXM_DUP_FIELD);
    assert_int_equal(decode("80000a02 0800 80001001 40", true, &m),
                     OXM_BAD_VALUE); // 6 bits of DSCP
    assert_int_equal(decode("80000a02 0800 80001708 0a000001 ffffff00", true, &m),
                     OXM_BAD_WILDCARDS);
    assert_int_equal(decode("00013c08 0000000000000001", true, &m),
                     OXM_BAD_FIELD); // no cookie here
    assert_int_equal(decode("80000a02 86dd 80000a02 86dd", false, &m), OXM_DUP_FIELD);
}

static void cookies(void **state)
{
    const struct field_ctx ctx = {.of_version = 1};
    struct match none, m;
    struct buf b = BUF_INIT;
    be64_t cookie, mask;

    memset(&none, 0, sizeof(none));
    assert_int_equal(oxm_put_match(&b, &none, &ctx, true, htobe64(5), UINT64_MAX), 12);
    assert_int_equal(oxm_get_match(b.data, b.size, &ctx, true, &m, &cookie, &mask, NULL), OXM_OK);
    assert_true(cookie == htobe64(5) && mask == UINT64_MAX);
    buf_clear(&b);
    assert_int_equal(oxm_put_match(&b, &none, &ctx, true, htobe64(5), htobe64(7)), 20);
    assert_int_equal(oxm_get_match(b.data, b.size, &ctx, true, &m, &cookie, &mask, NULL), OXM_OK);
    assert_true(cookie == htobe64(5) && mask == htobe64(7));
    buf_done(&b);
}

// VLANs are one word to NXM, two fields to OXM.
static void vlans(void **state)
{
    static const struct {
        uint16_t tci, mask;
        const char *oxm;
    } cases[] = {
        {0x1005, 0x1fff, "80000c021005"},
        {0x0000, 0x1fff, "80000c020000"},
        {0x1000, 0x1000, "80000d0410001000"},
        {0x7005, 0xffff, "80000c02100580000e0103"},
        {0x7000, 0xf000, "80000d041000100080000e0103"},
        {0x0000, 0xffff, "000008020000"},
        {0x5000, 0x5000, "0000090450005000"},
        {0x1004, 0x1004, "80000d0410041004"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct field_ctx ctx = {.of_version = 4};
        struct match m, back;
        struct buf b = BUF_INIT;
        struct str hex = STR_INIT;

        memset(&m, 0, sizeof(m));
        m.value.key.vlan[0].tci = htons(cases[i].tci);
        m.mask.key.vlan[0].tci = htons(cases[i].mask);
        oxm_put_match(&b, &m, &ctx, false, 0, 0);
        str_put_hex(&hex, b.data, b.size);
        assert_string_equal(str_text(&hex), cases[i].oxm);
        assert_int_equal(oxm_get_match(b.data, b.size, &ctx, true, &back, NULL, NULL, NULL),
                         OXM_OK);
        assert_match_equal(&back, &m);
        buf_done(&b);
        str_done(&hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_round_trips),
        cmocka_unit_test(single_fields_round_trip),
        cmocka_unit_test(refusals),
        cmocka_unit_test(cookies),
        cmocka_unit_test(vlans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
