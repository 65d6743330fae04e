// SPDX-License-Identifier: Apache-2.0
//
// Schemas: the two built-in ones, a round trip through JSON, and what is refused.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/schema.h"

static struct ovsdb_schema *vswitch(void)
{
    struct ovsdb_schema *schema;

    assert_null(
        ovsdb_schema_from_string(ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len, &schema));
    return schema;
}

static const struct ovsdb_column *column(const struct ovsdb_schema *schema, const char *table,
                                         const char *name)
{
    const struct ovsdb_table_schema *t = ovsdb_schema_table(schema, table);
    assert_non_null(t);
    const struct ovsdb_column *c = ovsdb_table_schema_column(t, name);
    assert_non_null(c);
    return c;
}

static void test_vswitch(void **state)
{
    struct ovsdb_schema *schema = vswitch();

    assert_string_equal(schema->name, "Open_vSwitch");
    assert_string_equal(schema->version, "8.3.1");
    assert_int_equal(schema->n_tables, 19);

    const struct ovsdb_table_schema *root = ovsdb_schema_table(schema, "Open_vSwitch");
    assert_true(root->is_root);
    assert_int_equal(root->max_rows, 1);
    assert_false(ovsdb_schema_table(schema, "Bridge")->is_root);
    assert_string_equal(root->columns[OVSDB_COL_UUID]->name, "_uuid");
    assert_string_equal(root->columns[OVSDB_COL_VERSION]->name, "_version");

    const struct ovsdb_column *ports = column(schema, "Bridge", "ports");
    assert_true(ports->has_strong_refs);
    assert_ptr_equal(ports->type.key.uuid.ref_table, ovsdb_schema_table(schema, "Port"));
    assert_false(column(schema, "Bridge", "name")->mutable_);
    assert_false(column(schema, "Interface", "statistics")->persistent);
    assert_true(column(schema, "Mirror", "select_dst_port")->has_weak_refs);

    const struct ovsdb_table_schema *set = ovsdb_schema_table(schema, "Flow_Sample_Collector_Set");
    assert_int_equal(set->n_indexes, 1);
    assert_int_equal(set->indexes[0].n_columns, 2);
    assert_null(ovsdb_table_schema_column(root, "nope"));
    assert_null(ovsdb_schema_table(schema, "nope"));
    ovsdb_schema_unref(schema);
}

static void test_round_trip(void **state)
{
    struct ovsdb_schema *schema = vswitch(), *again;
    json_t *json = ovsdb_schema_to_json(schema);

    assert_null(ovsdb_schema_from_json(json, &again));
    json_t *json2 = ovsdb_schema_to_json(again);
    assert_true(json_equal(json, json2));
    json_decref(json);
    json_decref(json2);
    ovsdb_schema_unref(schema);
    ovsdb_schema_unref(again);
}

static void test_server(void **state)
{
    struct ovsdb_schema *schema;

    assert_null(
        ovsdb_schema_from_string(ovsdb_server_schema_text, ovsdb_server_schema_len, &schema));
    assert_string_equal(schema->name, "_Server");
    // A schema without a root table is all roots.
    assert_true(ovsdb_schema_table(schema, "Database")->is_root);
    ovsdb_schema_unref(schema);
}

static void assert_refused(const char *text, const char *details)
{
    struct ovsdb_schema *schema = NULL;
    struct ovsdb_error *error = ovsdb_schema_from_string(text, strlen(text), &schema);

    assert_non_null(error);
    assert_null(schema);
    assert_string_equal(error->details, details);
    ovsdb_error_free(error);
}

#define COLUMN(TYPE) "{\"name\":\"d\",\"tables\":{\"T\":{\"columns\":{\"c\":{\"type\":" TYPE "}}}}}"

static void test_refusals(void **state)
{
    assert_refused("{}", "database schema: required member \"name\" is missing");
    assert_refused("{\"name\":\"a b\",\"tables\":{}}",
                   "database schema: member \"name\" is of the wrong type");
    assert_refused("{\"name\":\"d\",\"version\":\"1\",\"tables\":{}}",
                   "schema version \"1\" is not of the form X.Y.Z");
    assert_refused("{\"name\":\"d\",\"x\":1,\"tables\":{}}",
                   "database schema: member \"x\" is not known here");
    assert_refused("{\"name\":\"d\",\"tables\":{\"_T\":{}}}",
                   "table names that begin with \"_\" are reserved: _T");
    assert_refused("{\"name\":\"d\",\"tables\":{\"T\":{\"columns\":{\"_c\":{\"type\":\"real\"}}}}}",
                   "column names that begin with \"_\" are reserved: _c");
    assert_refused(COLUMN("\"int\""), "\"int\" is not an atomic type");
    assert_refused(COLUMN("{\"key\":\"integer\",\"min\":2}"), "min must be 0 or 1");
    assert_refused(COLUMN("{\"key\":\"integer\",\"max\":0}"),
                   "max must be a positive integer or \"unlimited\"");
    assert_refused(COLUMN("{\"key\":{\"type\":\"integer\",\"minInteger\":2,\"maxInteger\":1}}"),
                   "minInteger exceeds maxInteger");
    assert_refused(COLUMN("{\"key\":{\"type\":\"string\",\"minInteger\":2}}"),
                   "ovsdb type: member \"minInteger\" is not known here");
    assert_refused(COLUMN("{\"key\":{\"type\":\"uuid\",\"refTable\":\"U\"}}"),
                   "table T: column c refers to table U, which the schema lacks");
    assert_refused(COLUMN("{\"key\":{\"type\":\"uuid\",\"refTable\":\"T\",\"refType\":\"x\"}}"),
                   "refType must be \"strong\" or \"weak\"");
    assert_refused("{\"name\":\"d\",\"tables\":{\"T\":{\"columns\":{\"c\":{\"type\":\"real\","
                   "\"ephemeral\":true}},\"indexes\":[[\"c\"]]}}}",
                   "ephemeral column c may not be part of an index");
    assert_refused("{\"name\":\"d\",\"tables\":{\"T\":{\"columns\":{\"c\":{\"type\":\"real\"}},"
                   "\"indexes\":[[\"d\"]]}}}",
                   "no column d in table T");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vswitch),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
