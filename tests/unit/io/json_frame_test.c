// SPDX-License-Identifier: Apache-2.0
// Cutting JSON objects out of a stream: wherever the bytes are split, the same objects come out.
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/str.h"
#include "lib/io/json_frame.h"
#include "lib/io/jsonrpc.h"
#include "tests/unit/test.h"

// Feeds 'text' in pieces of at most 'piece' bytes; the objects, each followed by '|', or the error.
static int cut(struct json_frame *f, const char *text, size_t piece, struct str *out)
{
    size_t left = strlen(text);
    while (left) {
        size_t n = MIN_OF(left, piece), used = 0;
        int result = json_frame_feed(f, text, n, &used, NULL);
        if (result < 0)
            return result;
        assert_true(used <= n);
        assert_true(result == 1 || used == n);
        if (result == 1) {
            str_putn(out, (const char *)f->text.data, f->text.size);
            str_putc(out, '|');
        }
        text += used;
        left -= used;
    }
    return 0;
}

static void test_pieces(void **state)
{
    static const char text[] =
        " {}\n{\"a\":[1,{\"b\":\"}]{[\\\"\"}]}{\"\\\\\":{}}\t {\"\\u0022\":1} ";
    static const char objects[] =
        "{}|{\"a\":[1,{\"b\":\"}]{[\\\"\"}]}|{\"\\\\\":{}}|{\"\\u0022\":1}|";
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        AUTO(json_frame_done) struct json_frame f;
        AUTO(str_done) struct str out = STR_INIT;
        json_frame_init(&f, NULL);
        assert_int_equal(cut(&f, text, piece, &out), 0);
        assert_string_equal(str_text(&out), objects);
        assert_true(json_frame_idle(&f));
    }
}

static void test_broken(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"[1]", -EPROTO},    {"x", -EPROTO},     {"{} 1", -EPROTO},
        {"\"{}\"", -EPROTO}, {"{[[[[", -EPROTO}, {"{\"01234567890123456789\":1}", -EMSGSIZE},
        {"}", -EPROTO},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(json_frame_done) struct json_frame f;
        AUTO(str_done) struct str out = STR_INIT;
        json_frame_init(&f, &(struct json_frame_limits){.max_size = 20, .max_depth = 4});
        assert_int_equal(cut(&f, cases[i].text, 3, &out), cases[i].error);
        assert_int_equal(cut(&f, "{}", 3, &out), -EPROTO); // stays broken
        assert_false(json_frame_idle(&f));
    }
}

static void test_unfinished(void **state)
{
    AUTO(json_frame_done) struct json_frame f;
    AUTO(str_done) struct str out = STR_INIT;
    json_frame_init(&f, NULL);
    assert_int_equal(cut(&f, "{\"a\": \"}", 100, &out), 0);
    assert_false(json_frame_idle(&f));
    assert_int_equal(out.size, 0);
}

static json_t *random_value(unsigned depth)
{
    static const char *const texts[] = {"", "}", "\\", "\"", "{[", "\xc3\xa9", "a\nb"};
    json_t *v;
    switch (random_below(depth ? 6 : 4)) {
    case 0:
        return json_integer((json_int_t)random_u32());
    case 1:
        return json_string(texts[random_below(ARRAY_SIZE(texts))]);
    case 2:
        return json_null();
    case 3:
        return json_real(1.5);
    case 4:
        v = json_array();
        for (unsigned i = random_below(4); i; i--)
            json_array_append_new(v, random_value(depth - 1));
        return v;
    default:
        v = json_object();
        for (unsigned i = random_below(4); i; i--)
            json_object_set_new(v, texts[random_below(ARRAY_SIZE(texts))], random_value(depth - 1));
        return v;
    }
}

// Random objects, pasted together and cut at random, are what jansson printed.
static void test_random(void **state)
{
    random_seed(3);
    for (int round = 0; round < 200; round++) {
        AUTO(str_done) struct str text = STR_INIT, expected = STR_INIT, out = STR_INIT;
        AUTO(json_frame_done) struct json_frame f;
        json_frame_init(&f, NULL);
        for (unsigned i = random_below(5); i; i--) {
            json_t *object = json_object();
            json_object_set_new(object, "x", random_value(4));
            char *printed = json_dumps(object, random_below(2) ? JSON_COMPACT : JSON_INDENT(2));
            str_put(&text, printed);
            str_put(&text, random_below(2) ? "" : " \r\n");
            str_printf(&expected, "%s|", printed);
            free(printed);
            json_decref(object);
        }
        assert_int_equal(cut(&f, str_text(&text), 1 + random_below(30), &out), 0);
        assert_string_equal(str_text(&out), str_text(&expected));
    }
}

static void test_messages(void **state)
{
    static const struct {
        const char *text;
        int type; // -1: refused
    } cases[] = {
        {"{\"method\":\"m\",\"params\":[1],\"id\":7}", JSONRPC_REQUEST},
        {"{\"method\":\"m\",\"params\":[],\"id\":null}", JSONRPC_NOTIFY},
        {"{\"method\":\"m\",\"params\":[]}", JSONRPC_NOTIFY},
        {"{\"result\":{},\"error\":null,\"id\":\"x\"}", JSONRPC_REPLY},
        {"{\"result\":null,\"error\":null,\"id\":1}", JSONRPC_REPLY},
        {"{\"result\":null,\"error\":\"no\",\"id\":1}", JSONRPC_ERROR},
        {"{\"method\":1,\"params\":[],\"id\":1}", -1},
        {"{\"method\":\"m\",\"params\":{},\"id\":1}", -1},
        {"{\"method\":\"m\",\"id\":1}", -1},
        {"{\"method\":\"m\",\"params\":[],\"result\":1,\"id\":1}", -1},
        {"{\"result\":1,\"error\":2,\"id\":1}", -1},
        {"{\"result\":1,\"error\":null,\"id\":null}", -1},
        {"{\"error\":null,\"id\":1}", -1},
        {"{\"params\":[],\"id\":1}", -1},
        {"{\"method\":\"m\",\"params\":[],\"id\":1,\"extra\":2}", -1},
        {"{}", -1},
        {"[]", -1},
        {"{\"method\":\"m\",", -1},
        {"{\"method\":\"m\",\"method\":\"n\",\"params\":[],\"id\":1}", -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERR(err);
        struct jsonrpc_msg m;
        int error = jsonrpc_msg_parse(cases[i].text, strlen(cases[i].text), &m, &err);
        assert_int_equal(error, cases[i].type < 0 ? -EPROTO : 0);
        if (error) {
            assert_true(strlen(err_text(&err)) > 10);
            continue;
        }
        assert_int_equal(m.type, cases[i].type);
        // What is printed means the same again.
        AUTO_FREE char *text = jsonrpc_msg_text(&m);
        struct jsonrpc_msg again;
        assert_int_equal(jsonrpc_msg_parse(text, strlen(text), &again, NULL), 0);
        assert_int_equal(again.type, m.type);
        assert_true(json_equal(again.params, m.params) || !m.params);
        assert_true(json_equal(again.id, m.id) || !m.id);
        jsonrpc_msg_done(&again);
        jsonrpc_msg_done(&m);
        jsonrpc_msg_done(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),     cmocka_unit_test(test_broken),
        cmocka_unit_test(test_unfinished), cmocka_unit_test(test_random),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
