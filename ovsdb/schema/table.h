// SPDX-License-Identifier: Apache-2.0
// <table-schema> of RFC 7047 section 3.2. Immutable once read; owned by its database's schema.
#pragma once

#include "ovsdb/schema/column.h"

// Columns whose values together are unique among the rows of a table.
struct ovsdb_index {
    unsigned n_columns;
    const struct ovsdb_column **columns;
};

struct ovsdb_table_schema {
    UT_hash_handle hh; // in ovsdb_schema.by_name
    unsigned index;    // place in ovsdb_schema.tables
    char *name;
    bool is_root;      // rows live without being referenced
    unsigned max_rows; // or OVSDB_UNLIMITED
    unsigned n_columns;
    struct ovsdb_column **columns; // _uuid, _version, then by name ascending
    struct ovsdb_column *by_name;  // uthash of the same
    unsigned n_indexes;
    struct ovsdb_index *indexes;
};

struct ovsdb_error *ovsdb_table_schema_from_json(const json_t *json, const char *name,
                                                 struct ovsdb_table_schema **ret_table)
    __attribute__((warn_unused_result));
json_t *ovsdb_table_schema_to_json(const struct ovsdb_table_schema *table);
void ovsdb_table_schema_free(struct ovsdb_table_schema *table);

// NULL if there is none.
const struct ovsdb_column *ovsdb_table_schema_column(const struct ovsdb_table_schema *table,
                                                     const char *name);

// Reads a <column-set>: an array of column names (JSON null means all of them, standard ones too).
// The caller frees *ret_columns. A name given twice is refused.
struct ovsdb_error *
ovsdb_table_schema_columns_from_json(const struct ovsdb_table_schema *table, const json_t *json,
                                     const struct ovsdb_column ***ret_columns, unsigned *ret_n)
    __attribute__((warn_unused_result));
