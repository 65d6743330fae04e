// SPDX-License-Identifier: Apache-2.0
//
// A table's schema. See table.h.
//
// Columns are kept in an array whose order is theirs for good (a row is an array in that order),
// and in a hash by name. They are sorted by name, so that the same schema gives the same places
// whatever order its text had.

#include "ovsdb/schema/table.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"

static void add_column(struct ovsdb_table_schema *table, struct ovsdb_column *column)
{
    column->index = table->n_columns;
    table->columns = xreallocarray(table->columns, table->n_columns + 1, sizeof *table->columns);
    table->columns[table->n_columns++] = column;
    HASH_ADD_KEYPTR(hh, table->by_name, column->name, strlen(column->name), column);
}

static void add_standard_column(struct ovsdb_table_schema *table, const char *name, bool mutable_)
{
    struct ovsdb_column *column = NEW(struct ovsdb_column);

    column->name = xstrdup(name);
    column->mutable_ = mutable_;
    column->type.n_min = column->type.n_max = 1;
    ovsdb_base_type_init(&column->type.key, OVSDB_UUID);
    ovsdb_base_type_init(&column->type.value, OVSDB_VOID);
    add_column(table, column);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct ovsdb_error *read_columns(struct ovsdb_table_schema *table, const json_t *json)
{
    AUTO_FREE const char **names = NEW_ARRAY(const char *, json_object_size(json) + 1);
    unsigned n = 0;
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)json, name, value)
        names[n++] = name;
    qsort(names, n, sizeof *names, compare_names);

    for (unsigned i = 0; i < n; i++) {
        struct ovsdb_column *column;

        if (names[i][0] == '_')
            return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                                  "column names that begin with \"_\" are reserved: %s", names[i]);
        if (!ovsdb_is_id(names[i]))
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "\"%s\" is not a valid column name",
                                  names[i]);
        struct ovsdb_error *error =
            ovsdb_column_from_json(json_object_get(json, names[i]), names[i], &column);
        if (error)
            return error;
        add_column(table, column);
    }
    return NULL;
}

static struct ovsdb_error *read_indexes(struct ovsdb_table_schema *table, const json_t *json)
{
    table->indexes = NEW_ARRAY(struct ovsdb_index, json_array_size(json) + 1);
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct ovsdb_index *index = &table->indexes[i];
        const json_t *names = json_array_get(json, i);

        if (!json_is_array(names) || !json_array_size(names))
            return ovsdb_error_at(names, OVSDB_E_SYNTAX,
                                  "an index must be an array of at least one column name");
        struct ovsdb_error *error =
            ovsdb_table_schema_columns_from_json(table, names, &index->columns, &index->n_columns);
        if (error)
            return error;
        table->n_indexes++;
        for (unsigned j = 0; j < index->n_columns; j++)
            if (!index->columns[j]->persistent)
                return ovsdb_error_at(names, OVSDB_E_SYNTAX,
                                      "ephemeral column %s may not be part of an index",
                                      index->columns[j]->name);
    }
    return NULL;
}

struct ovsdb_error *ovsdb_table_schema_from_json(const json_t *json, const char *name,
                                                 struct ovsdb_table_schema **ret_table)
{
    struct ovsdb_parser parser;

    ovsdb_parser_init(&parser, json, "schema for table %s", name);
    const json_t *columns = ovsdb_parser_member(&parser, "columns", OVSDB_P_OBJECT);
    const json_t *max_rows =
        ovsdb_parser_member(&parser, "maxRows", OVSDB_P_INTEGER | OVSDB_P_OPTIONAL);
    const json_t *is_root = ovsdb_parser_member(&parser, "isRoot", OVSDB_P_BOOL | OVSDB_P_OPTIONAL);
    const json_t *indexes =
        ovsdb_parser_member(&parser, "indexes", OVSDB_P_ARRAY | OVSDB_P_OPTIONAL);
    struct ovsdb_error *error = ovsdb_parser_finish(&parser);
    if (error)
        return error;
    if (max_rows && (json_integer_value(max_rows) < 1 || json_integer_value(max_rows) > UINT_MAX))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "maxRows must be positive");
    if (!json_object_size(columns))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "table %s must have at least one column", name);

    struct ovsdb_table_schema *table = NEW(struct ovsdb_table_schema);
    table->name = xstrdup(name);
    table->is_root = json_is_true(is_root);
    table->max_rows = max_rows ? (unsigned)json_integer_value(max_rows) : OVSDB_UNLIMITED;
    add_standard_column(table, "_uuid", false);
    add_standard_column(table, "_version", false);
    error = read_columns(table, columns);
    if (!error)
        error = read_indexes(table, indexes);
    if (error)
        ovsdb_table_schema_free(table);
    else
        *ret_table = table;
    return error;
}

static json_t *index_to_json(const struct ovsdb_index *index)
{
    json_t *json = json_array();

    for (unsigned i = 0; i < index->n_columns; i++)
        json_array_append_new(json, json_string(index->columns[i]->name));
    return json;
}

json_t *ovsdb_table_schema_to_json(const struct ovsdb_table_schema *table)
{
    json_t *json = json_object(), *columns = json_object();

    for (unsigned i = OVSDB_N_STD_COLUMNS; i < table->n_columns; i++)
        json_object_set_new(columns, table->columns[i]->name,
                            ovsdb_column_to_json(table->columns[i]));
    json_object_set_new(json, "columns", columns);
    if (table->max_rows != OVSDB_UNLIMITED)
        json_object_set_new(json, "maxRows", json_integer(table->max_rows));
    if (table->is_root)
        json_object_set_new(json, "isRoot", json_true());
    if (table->n_indexes) {
        json_t *indexes = json_array();

        for (unsigned i = 0; i < table->n_indexes; i++)
            json_array_append_new(indexes, index_to_json(&table->indexes[i]));
        json_object_set_new(json, "indexes", indexes);
    }
    return json;
}

void ovsdb_table_schema_free(struct ovsdb_table_schema *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < table->n_indexes; i++)
        free(table->indexes[i].columns);
    free(table->indexes);
    HASH_CLEAR(hh, table->by_name);
    for (unsigned i = 0; i < table->n_columns; i++)
        ovsdb_column_free(table->columns[i]);
    free(table->columns);
    free(table->name);
    free(table);
}

const struct ovsdb_column *ovsdb_table_schema_column(const struct ovsdb_table_schema *table,
                                                     const char *name)
{
    struct ovsdb_column *column;

    HASH_FIND_STR(table->by_name, name, column);
    return column;
}

struct ovsdb_error *ovsdb_table_schema_columns_from_json(const struct ovsdb_table_schema *table,
                                                         const json_t *json,
                                                         const struct ovsdb_column ***ret_columns,
                                                         unsigned *ret_n)
{
    bool all = !json || json_is_null(json);
    size_t n = all ? table->n_columns : json_array_size(json);

    if (!all && !json_is_array(json))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "expected an array of column names");

    AUTO_FREE const struct ovsdb_column **columns = NEW_ARRAY(const struct ovsdb_column *, n + 1);
    AUTO_FREE bool *seen = NEW_ARRAY(bool, table->n_columns);
    for (size_t i = 0; i < n; i++) {
        const char *name = all ? NULL : json_string_value(json_array_get(json, i));

        columns[i] = all ? table->columns[i] : name ? ovsdb_table_schema_column(table, name) : NULL;
        if (!columns[i] && name)
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "no column %s in table %s", name,
                                  table->name);
        if (!columns[i])
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "expected an array of column names");
        if (seen[columns[i]->index])
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "column %s is named twice",
                                  columns[i]->name);
        seen[columns[i]->index] = true;
    }
    *ret_columns = STEAL_PTR(columns);
    *ret_n = (unsigned)n;
    return NULL;
}
