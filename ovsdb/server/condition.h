// SPDX-License-Identifier: Apache-2.0
// <condition> of RFC 7047 section 5.1, with the extensions of ovsdb-server(7): booleans as clauses,
// and < <= >= > on optional numbers. Pure; any thread.
#pragma once

#include "ovsdb/server/row.h"

enum ovsdb_function {
    OVSDB_F_FALSE, // a boolean clause
    OVSDB_F_TRUE,
    OVSDB_F_LT,
    OVSDB_F_LE,
    OVSDB_F_EQ,
    OVSDB_F_NE,
    OVSDB_F_GE,
    OVSDB_F_GT,
    OVSDB_F_INCLUDES,
    OVSDB_F_EXCLUDES,
};

struct ovsdb_clause {
    enum ovsdb_function function;
    const struct ovsdb_column *column; // NULL in a boolean clause
    struct ovsdb_datum *arg;
};

struct ovsdb_condition {
    struct ovsdb_clause *clauses;
    unsigned n;
};

// Reads an array of clauses. 'symtab' resolves named UUIDs and may be NULL.
struct ovsdb_error *ovsdb_condition_from_json(const struct ovsdb_table_schema *table,
                                              const json_t *json, struct ovsdb_symtab *symtab,
                                              struct ovsdb_condition *ret_condition)
    __attribute__((warn_unused_result));
void ovsdb_condition_done(struct ovsdb_condition *condition);

// Every clause holds (a "where" of an operation); some clause holds, or there is none (a "where" of
// a monitor).
bool ovsdb_condition_all(const struct ovsdb_condition *condition, const struct ovsdb_tuple *tuple);
bool ovsdb_condition_any(const struct ovsdb_condition *condition, const struct ovsdb_tuple *tuple);

// The argument of the first "==" clause about this column; NULL if there is none.
const struct ovsdb_datum *ovsdb_condition_equal_to(const struct ovsdb_condition *condition,
                                                   const struct ovsdb_column *column);
