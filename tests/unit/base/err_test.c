// SPDX-License-Identifier: Apache-2.0
// Errors, text, buffers and readers: ownership, bounds, and what NULL does.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/str.h"
#include "tests/unit/test.h"

static void test_err(void **state)
{
    AUTO_ERR(err);
    assert_false(err_is_set(&err));
    assert_string_equal(err_text(&err), "no error");
    assert_int_equal(err_set(&err, -EINVAL, "port %d", 7), -EINVAL);
    assert_string_equal(err_text(&err), "port 7");
    // A sentence may be built from the one it replaces.
    err_set(&err, -ENOENT, "again: %s", err.sentence);
    assert_string_equal(err_text(&err), "again: port 7");
    err_prefix(&err, "bridge %s", "br0");
    assert_string_equal(err_text(&err), "bridge br0: again: port 7");
    err_set_errno(&err, -ENODEV, "eth%d", 0);
    assert_string_equal(err_text(&err), "eth0: No such device");

    AUTO_ERR(copy);
    copy = err_clone(&err);
    struct err stolen = err_steal(&err);
    assert_false(err_is_set(&err));
    assert_int_equal(err_move(&err, &stolen), -ENODEV);
    assert_null(stolen.sentence);
    assert_string_equal(err_text(&err), err_text(&copy));
    assert_int_equal(err_move(NULL, &copy), -ENODEV);
    assert_false(err_is_set(&copy));
    err_prefix(&copy, "nothing to put this before");
    assert_false(err_is_set(&copy));
}

static void test_err_null(void **state)
{
    assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
    assert_int_equal(err_set_errno(NULL, -EINVAL, "x"), -EINVAL);
    err_prefix(NULL, "x");
    err_done(NULL);
    assert_false(err_is_set(NULL));
    assert_false(err_is_set(&(struct err){0}));
    assert_int_equal(err_steal(NULL).code, 0);
    assert_int_equal(err_clone(NULL).code, 0);
}

static void test_str(void **state)
{
    AUTO(str_done) struct str s = STR_INIT;
    assert_string_equal(str_text(&s), "");
    str_separate(&s, ",");
    assert_int_equal(s.size, 0);
    str_printf(&s, "%s=%d", "a", 1);
    str_separate(&s, ",");
    str_separate(&s, ",");
    str_put(&s, "set(");
    str_separate(&s, ",");
    str_put_hex(&s, "\x01\xff", 2);
    str_putc(&s, ')');
    assert_string_equal(str_text(&s), "a=1,set(01ff)");
    assert_false(str_chomp(&s, "x"));
    assert_true(str_chomp(&s, "01ff)"));
    assert_string_equal(str_text(&s), "a=1,set(");
    str_clear(&s);
    // Formatting that doesn't fit the first guess.
    AUTO_FREE char *big = xmalloc(5000);
    memset(big, 'x', 4999);
    big[4999] = '\0';
    str_printf(&s, "<%s>", big);
    assert_int_equal(s.size, 5001);
    assert_int_equal(s.text[5000], '>');
    AUTO_FREE char *text = str_steal(&s);
    assert_int_equal(strlen(text), 5001);
    AUTO_FREE char *empty = str_steal(&s);
    assert_string_equal(empty, "");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int base;
        uint64_t max;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", 10, 9, true, 0},
        {"17", 10, 17, true, 17},
        {"18", 10, 17, false, 0},
        {"0x1F", 0, 255, true, 31},
        {"017", 0, 255, true, 15},
        {"017", 10, 255, true, 17},
        {"ff", 16, 255, true, 255},
        {"", 10, 9, false, 0},
        {" 1", 10, 9, false, 0},
        {"+1", 10, 9, false, 0},
        {"-1", 10, UINT64_MAX, false, 0},
        {"1 ", 10, 9, false, 0},
        {"0x", 0, 9, false, 0},
        {"18446744073709551615", 10, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 10, UINT64_MAX, false, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t v = 4711;
        assert_int_equal(str_to_u64(cases[i].text, cases[i].base, cases[i].max, &v), cases[i].good);
        assert_int_equal(v, cases[i].good ? cases[i].value : 4711);
    }
    int64_t s;
    assert_true(str_to_i64("-9223372036854775808", 10, &s));
    assert_int_equal(s, INT64_MIN);
    assert_false(str_to_i64("9223372036854775808", 10, &s));
    assert_false(str_to_i64("--1", 10, &s));
    uint8_t bytes[2];
    assert_true(str_from_hex("0aF0", bytes, 2));
    assert_memory_equal(bytes, "\x0a\xf0", 2);
    assert_false(str_from_hex("0aF", bytes, 2));
    assert_false(str_from_hex("0aFg", bytes, 2));
    char small[4];
    assert_true(str_copy(small, sizeof(small), "abc"));
    assert_false(str_copy(small, sizeof(small), "abcd"));
    assert_string_equal(small, "abc");
}

static void test_buf(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT;
    assert_null(buf_pull(&b, 1));
    buf_init(&b, 8, 4);
    buf_put_be32(&b, 0x01020304);
    buf_put_be16(&b, 0x0506); // grows
    buf_push(&b, "\xaa\xbb", 2);
    assert_int_equal(b.size, 8);
    assert_memory_equal(b.data, "\xaa\xbb\1\2\3\4\5\6", 8);
    assert_int_equal(buf_headroom(&b), 6);
    buf_push_uninit(&b, 100); // more than the headroom
    assert_int_equal(b.size, 108);
    assert_memory_equal(b.data + 100, "\xaa\xbb\1\2\3\4\5\6", 8);
    buf_pull(&b, 102);
    assert_null(buf_pull(&b, 7));
    assert_ptr_equal(buf_at(&b, 2, 4), b.data + 2);
    assert_null(buf_at(&b, 2, 5));
    assert_null(buf_at(&b, SIZE_MAX, 2));
    buf_pad(&b, 8);
    assert_int_equal(b.size, 8);
    assert_int_equal(b.data[7], 0);
    buf_trim(&b, 6);
    buf_trim(&b, 7);
    assert_int_equal(b.size, 6);
    AUTO(buf_done) struct buf copy = BUF_INIT;
    buf_clone(&copy, &b);
    size_t n;
    AUTO_FREE uint8_t *bytes = buf_steal(&b, &n);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "\1\2\3\4\5\6", 6);
    assert_memory_equal(copy.data, bytes, 6);
    assert_null(b.base);
}

// Random puts, pushes and pulls against a flat array.
static void test_buf_twin(void **state)
{
    static uint8_t twin[200000];
    size_t from = 100000, to = 100000;
    AUTO(buf_done) struct buf b = BUF_INIT;
    random_seed(1);
    for (int i = 0; i < 3000; i++) {
        uint8_t bytes[40];
        size_t n = random_below(sizeof(bytes));
        random_fill(bytes, sizeof(bytes));
        switch (random_below(3)) {
        case 0:
            buf_put(&b, bytes, n);
            memcpy(twin + to, bytes, n);
            to += n;
            break;
        case 1:
            buf_push(&b, bytes, n);
            from -= n;
            memcpy(twin + from, bytes, n);
            break;
        default:
            if (buf_pull(&b, n))
                from += n;
            else
                assert_true(n > to - from);
        }
        assert_int_equal(b.size, to - from);
        if (b.size)
            assert_memory_equal(b.data, twin + from, b.size);
    }
}

static void test_reader(void **state)
{
    struct reader r = reader_of("\1\2\3\4\5\6\7", 7);
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_be16(&r), 0x0203);
    struct reader sub = reader_sub(&r, 2);
    assert_int_equal(reader_be16(&sub), 0x0405);
    assert_true(reader_ok(&sub));
    assert_int_equal(reader_u8(&sub), 0);
    assert_false(reader_ok(&sub));
    assert_true(reader_ok(&r));
    assert_int_equal(r.left, 2);
    assert_int_equal(reader_be32(&r), 0); // over the end: stays bad, nothing left
    assert_int_equal(r.left, 0);
    assert_int_equal(reader_u8(&r), 0);
    assert_false(reader_ok(&r));
    uint8_t out = 9;
    assert_false(reader_copy(&r, &out, 1));
    assert_int_equal(out, 9);
    r = reader_of("\1\2\3\4\5\6\7\10", 8);
    assert_true(reader_be64(&r) == UINT64_C(0x0102030405060708));
    assert_false(reader_ok(&(struct reader){.bad = reader_sub(&r, 1).bad}));
}

static void test_mem(void **state)
{
    int *array = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 100; i++) {
        GROW_ARRAY(array, capacity, (size_t)i + 1);
        array[i] = i;
    }
    assert_true(capacity >= 100);
    assert_int_equal(array[99], 99);
    AUTO_FREE int *owned = STEAL_PTR(array);
    assert_null(array);
    assert_int_equal(owned[0], 0);
    AUTO_FREE char *cut = xstrndup("abc", 2);
    assert_string_equal(cut, "ab");
    free(xmalloc(0));
    AUTO_FREE char *aligned = xaligned(64, 100);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    assert_int_equal(aligned[99], 0);
}

static void test_random(void **state)
{
    random_seed(42);
    uint64_t first = random_u64();
    random_seed(42);
    assert_true(random_u64() == first);
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++)
        seen[random_below(7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 800, 1200);
    assert_int_equal(random_below(0), 0);
    assert_int_equal(random_below(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err),    cmocka_unit_test(test_err_null),
        cmocka_unit_test(test_str),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_buf),    cmocka_unit_test(test_buf_twin),
        cmocka_unit_test(test_reader), cmocka_unit_test(test_mem),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
