// SPDX-License-Identifier: Apache-2.0
// <column-schema> of RFC 7047 section 3.2. Immutable once read; owned by its table's schema.
#pragma once

#include <uthash.h>

#include "ovsdb/schema/type.h"

// Every table has these two, in these places; the schema's own columns follow.
enum {
    OVSDB_COL_UUID = 0,    // "_uuid": the row's name
    OVSDB_COL_VERSION = 1, // "_version": changes whenever the row does
    OVSDB_N_STD_COLUMNS = 2,
};

struct ovsdb_column {
    UT_hash_handle hh; // in ovsdb_table_schema.by_name
    unsigned index;    // place in ovsdb_table_schema.columns and in a row
    char *name;
    bool mutable_;
    bool persistent; // kept in the file
    bool has_strong_refs;
    bool has_weak_refs;
    struct ovsdb_type type;
};

struct ovsdb_error *ovsdb_column_from_json(const json_t *json, const char *name,
                                           struct ovsdb_column **ret_column)
    __attribute__((warn_unused_result));
json_t *ovsdb_column_to_json(const struct ovsdb_column *column);
void ovsdb_column_free(struct ovsdb_column *column);
