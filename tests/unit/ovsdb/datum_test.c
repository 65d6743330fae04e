// SPDX-License-Identifier: Apache-2.0
//
// Data: JSON in and out, constraints and their sentences, set algebra against a naive twin on
// seeded random input.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "ovsdb/schema/datum.h"
#include "ovsdb/schema/symbol.h"

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    return json;
}

static struct ovsdb_type type_of(const char *text)
{
    struct ovsdb_type type;
    json_t *json = parse(text);

    assert_null(ovsdb_type_from_json(json, &type));
    json_decref(json);
    return type;
}

static struct ovsdb_error *try_read(const char *type_text, const char *text, char **ret_out)
{
    struct ovsdb_type type = type_of(type_text);
    struct ovsdb_symtab symtab = {NULL};
    struct ovsdb_datum *datum = NULL;
    json_t *json = parse(text);
    struct ovsdb_error *error = ovsdb_datum_from_json(json, &type, &symtab, &datum);

    json_decref(json);
    if (!error) {
        json_t *out = ovsdb_datum_to_json(datum);
        *ret_out = json_dumps(out, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(out);

        struct ovsdb_error *check = ovsdb_datum_check(datum, &type);
        assert_null(check);
        ovsdb_datum_unref(datum);
    }
    ovsdb_symtab_clear(&symtab);
    ovsdb_type_done(&type);
    return error;
}

static void assert_reads(const char *type, const char *text, const char *expected)
{
    char *out;
    struct ovsdb_error *error = try_read(type, text, &out);

    if (error)
        fail_msg("%s as %s: %s", text, type, error->details);
    assert_string_equal(out, expected);
    free(out);
}

static void assert_refused(const char *type, const char *text, const char *tag, const char *details)
{
    char *out;
    struct ovsdb_error *error = try_read(type, text, &out);

    if (!error)
        fail_msg("%s as %s was read as %s", text, type, out);
    assert_string_equal(error->tag, tag);
    assert_string_equal(error->details, details);
    ovsdb_error_free(error);
}

static void test_round_trip(void **state)
{
    assert_reads("\"integer\"", "5", "5");
    assert_reads("\"integer\"", "[\"set\",[5]]", "5");
    assert_reads("\"integer\"", "1e3", "1000");
    assert_reads("\"integer\"", "-9223372036854775808", "-9223372036854775808");
    assert_reads("\"real\"", "5", "5.0");
    assert_reads("\"real\"", "-0.5", "-0.5");
    assert_reads("\"boolean\"", "true", "true");
    assert_reads("\"string\"", "\"a\\\"\\u00e9\"", "\"a\\\"\u00e9\"");
    assert_reads("\"uuid\"", "[\"uuid\",\"550E8400-e29b-41d4-a716-446655440000\"]",
                 "[\"uuid\",\"550e8400-e29b-41d4-a716-446655440000\"]");
    assert_reads("{\"key\":\"string\",\"min\":0}", "[\"set\",[]]", "[\"set\",[]]");
    assert_reads("{\"key\":\"integer\",\"max\":\"unlimited\"}", "[\"set\",[3,1,2]]",
                 "[\"set\",[1,2,3]]");
    assert_reads("{\"key\":\"string\",\"value\":\"integer\",\"min\":0,\"max\":\"unlimited\"}",
                 "[\"map\",[[\"b\",1],[\"a\",2]]]", "[\"map\",[[\"a\",2],[\"b\",1]]]");
    assert_reads("{\"key\":\"string\",\"value\":\"integer\",\"min\":0}", "[\"map\",[[\"b\",1]]]",
                 "[\"map\",[[\"b\",1]]]");
}

static void test_refusals(void **state)
{
    assert_refused("\"integer\"", "1.5", "syntax error", "expected integer");
    assert_refused("\"integer\"", "\"5\"", "syntax error", "expected integer");
    assert_refused("\"string\"", "5", "syntax error", "expected string");
    assert_refused("\"boolean\"", "1", "syntax error", "expected boolean");
    assert_refused("\"uuid\"", "[\"uuid\",\"x\"]", "syntax error", "\"x\" is not a valid UUID");
    assert_refused("\"integer\"", "[\"set\",[]]", "syntax error",
                   "0 values where a integer is expected");
    assert_refused("{\"key\":\"integer\",\"min\":0,\"max\":2}", "[\"set\",[1,2,3]]", "syntax error",
                   "3 values where a set of up to 2 integers is expected");
    assert_refused("{\"key\":\"integer\",\"max\":3}", "[\"set\",[1,2,1]]", "ovsdb error",
                   "the set contains the same key twice");
    assert_refused("{\"key\":\"string\",\"value\":\"string\",\"max\":3}",
                   "[\"map\",[[\"a\",\"1\"],[\"a\",\"1\"]]]", "ovsdb error",
                   "the map contains the same key twice");
    assert_refused("{\"key\":\"string\",\"value\":\"string\",\"max\":3}", "[\"map\",[[\"a\"]]]",
                   "syntax error", "expected a [key, value] pair");
    assert_refused("{\"key\":{\"type\":\"string\",\"enum\":[\"set\",[\"standalone\",\"secure\"]]},"
                   "\"min\":0}",
                   "\"x\"", "constraint violation",
                   "x is not one of the allowed values ([secure, standalone])");
    assert_refused("{\"key\":{\"type\":\"integer\",\"minInteger\":1,\"maxInteger\":9}}", "10",
                   "constraint violation", "10 is not in the valid range 1 to 9");
    assert_refused("{\"key\":{\"type\":\"integer\",\"minInteger\":1}}", "0", "constraint violation",
                   "0 is less than the minimum of 1");
    assert_refused("{\"key\":{\"type\":\"real\",\"maxReal\":1.5}}", "2", "constraint violation",
                   "2 is more than the maximum of 1.5");
    assert_refused("{\"key\":{\"type\":\"string\",\"maxLength\":2}}", "\"abc\"",
                   "constraint violation", "\"abc\" has 3 characters, the maximum is 2");
    assert_reads("{\"key\":{\"type\":\"string\",\"maxLength\":2}}", "\"\u00e9\u00e9\"",
                 "\"\u00e9\u00e9\"");
}

static void test_named_uuid(void **state)
{
    struct ovsdb_type type = type_of("{\"key\":\"uuid\",\"max\":2}");
    struct ovsdb_symtab symtab = {NULL};
    struct ovsdb_datum *datum;
    json_t *json = parse("[\"set\",[[\"named-uuid\",\"a\"],[\"named-uuid\",\"b\"]]]");

    assert_null(ovsdb_datum_from_json(json, &type, &symtab, &datum));
    union ovsdb_atom a = {.uuid = ovsdb_symtab_get(&symtab, "a")->uuid};
    assert_true(ovsdb_datum_find(datum, &a) >= 0);
    ovsdb_datum_unref(datum);

    struct ovsdb_error *error = ovsdb_datum_from_json(json, &type, NULL, &datum);
    assert_non_null(error);
    ovsdb_error_free(error);
    json_decref(json);
    ovsdb_symtab_clear(&symtab);
}

static void test_defaults_are_shared(void **state)
{
    struct ovsdb_type type = type_of("\"string\"");
    struct ovsdb_datum *empty = ovsdb_datum_from_string("");

    assert_ptr_equal(empty, ovsdb_datum_default(&type));
    assert_true(ovsdb_datum_is_default(empty, &type));
    ovsdb_datum_unref(empty);

    OVSDB_DATUM_AUTO x = ovsdb_datum_from_string("x");
    assert_false(ovsdb_datum_is_default(x, &type));
    assert_string_equal(ovsdb_datum_atom(x)->string.s, "x");
}

// The naive twin: a map from 0..15 to 0..3, or a set of the keys whose value isn't 0.
enum { KEYS = 16 };

static struct ovsdb_datum *datum_of(const int *cells, bool map)
{
    struct ovsdb_datum_builder builder;
    unsigned at = random_below(KEYS);

    ovsdb_datum_builder_init(&builder, OVSDB_STRING, map ? OVSDB_INTEGER : OVSDB_VOID, 0);
    for (int i = 0; i < KEYS; i++, at = (at + 5) % KEYS) {
        static const char *const names[KEYS] = {"a", "bb", "c", "d", "e", "f", "g", "h",
                                                "i", "j",  "k", "l", "m", "n", "o", ""};
        union ovsdb_atom value = {.integer = cells[at]};

        if (cells[at])
            ovsdb_datum_builder_add(&builder, ovsdb_atom_string(names[at]), &value);
    }
    bool duplicate;
    struct ovsdb_datum *datum = ovsdb_datum_builder_finish(&builder, &duplicate);
    assert_false(duplicate);
    return datum;
}

static void check_equal(struct ovsdb_datum *got, const int *cells, bool map)
{
    OVSDB_DATUM_AUTO expected = datum_of(cells, map);

    assert_true(ovsdb_datum_equal(got, expected));
    assert_true(ovsdb_datum_hash(got, 7) == ovsdb_datum_hash(expected, 7));
    ovsdb_datum_unref(got);
}

static void algebra_round(bool map)
{
    struct ovsdb_type type = type_of(map ? "{\"key\":\"string\",\"value\":\"integer\",\"min\":0,"
                                           "\"max\":\"unlimited\"}"
                                         : "{\"key\":\"string\",\"min\":0,\"max\":\"unlimited\"}");
    int a[KEYS], b[KEYS], both[KEYS], less[KEYS], diff[KEYS];
    bool includes = true, excludes = true;

    for (int i = 0; i < KEYS; i++) {
        a[i] = random_below(4) * (map || random_below(2));
        b[i] = random_below(4) * random_below(2);
        if (!map) {
            a[i] = !!a[i];
            b[i] = !!b[i];
        }
        both[i] = a[i] ? a[i] : b[i];
        less[i] = a[i] == b[i] ? 0 : a[i];
        diff[i] = a[i] == b[i] ? 0 : b[i] ? b[i] : a[i];
        includes &= !b[i] || a[i] == b[i];
        excludes &= !b[i] || a[i] != b[i];
    }

    OVSDB_DATUM_AUTO x = datum_of(a, map);
    OVSDB_DATUM_AUTO y = datum_of(b, map);
    assert_int_equal(ovsdb_datum_includes_all(x, y), includes);
    assert_int_equal(ovsdb_datum_excludes_all(x, y), excludes);
    check_equal(ovsdb_datum_union(x, y), both, map);
    check_equal(ovsdb_datum_subtract(x, y), less, map);

    OVSDB_DATUM_AUTO d = ovsdb_datum_diff(x, y, &type);
    struct ovsdb_datum *applied;
    check_equal(ovsdb_datum_ref(d), diff, map);
    assert_null(ovsdb_datum_apply_diff(x, d, &type, &applied));
    check_equal(applied, b, map);
}

static void test_algebra(void **state)
{
    random_seed(7047);
    for (int i = 0; i < 2000; i++)
        algebra_round(i & 1);
}

static void test_diff_of_optional(void **state)
{
    struct ovsdb_type type = type_of("{\"key\":\"string\",\"min\":0}");
    OVSDB_DATUM_AUTO a = ovsdb_datum_from_string("a");
    OVSDB_DATUM_AUTO b = ovsdb_datum_from_string("b");
    OVSDB_DATUM_AUTO diff = ovsdb_datum_diff(a, b, &type);
    struct ovsdb_datum *new;

    assert_true(ovsdb_datum_equal(diff, b)); // not {a, b}: the column holds one element at most
    assert_null(ovsdb_datum_apply_diff(a, diff, &type, &new));
    assert_true(ovsdb_datum_equal(new, b));
    ovsdb_datum_unref(new);
}

static void test_uuid(void **state)
{
    struct ovsdb_uuid uuid = ovsdb_uuid_random(), again, other = ovsdb_uuid_random();
    const char *text = OVSDB_UUID_STR(&uuid);

    assert_true(ovsdb_uuid_parse(text, &again));
    assert_true(ovsdb_uuid_equal(&uuid, &again));
    assert_false(ovsdb_uuid_equal(&uuid, &other));
    assert_int_equal(text[14], '4');
    assert_false(ovsdb_uuid_parse("550e8400-e29b-41d4-a716-44665544000", &again));
    assert_false(ovsdb_uuid_parse("550e8400-e29b-41d4-a716-4466554400000", &again));
    assert_false(ovsdb_uuid_parse("550e8400xe29b-41d4-a716-446655440000", &again));
    assert_false(ovsdb_uuid_parse("", &again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_named_uuid), cmocka_unit_test(test_defaults_are_shared),
        cmocka_unit_test(test_algebra),    cmocka_unit_test(test_diff_of_optional),
        cmocka_unit_test(test_uuid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
