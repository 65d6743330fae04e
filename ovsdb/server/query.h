// SPDX-License-Identifier: Apache-2.0
// Finding the rows that a condition selects, and comparing and writing sets of rows.
// Thread: the committing thread.
#pragma once

#include "ovsdb/server/condition.h"
#include "ovsdb/server/database.h"

struct ovsdb_rows {
    struct ovsdb_row **all;
    unsigned n, allocated;
};

// Rows for which every clause holds, with what the present transaction did to them. A condition on
// _uuid, or on all columns of an index, looks up; any other walks the table.
struct ovsdb_rows ovsdb_query(const struct ovsdb_table *table,
                              const struct ovsdb_condition *condition);
void ovsdb_rows_done(struct ovsdb_rows *rows);

// A new JSON array of the named columns of each row, rows that are equal in them given once.
json_t *ovsdb_rows_to_json(const struct ovsdb_rows *rows, const struct ovsdb_column *const *columns,
                           unsigned n_columns);
// Whether both are equal as sets of what they hold in the named columns.
bool ovsdb_rows_equal(const struct ovsdb_rows *rows, struct ovsdb_tuple *const *tuples, unsigned n,
                      const struct ovsdb_column *const *columns, unsigned n_columns);
