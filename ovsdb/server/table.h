// SPDX-License-Identifier: Apache-2.0
// A table of rows in memory, with a hash of its rows and one per unique index.
//
// Indexes cover committed rows: ovsdb_table_index_put() and _remove() are for the end of a commit.
// Thread: the committing thread.
#pragma once

#include "ovsdb/server/row.h"

struct ovsdb_db;

// A hash of one index: its own chained buckets, because several rows may share a hash value.
struct ovsdb_index_hash {
    struct ovsdb_index_node **buckets;
    unsigned n_buckets; // a power of two, or 0
    unsigned n;
};

struct ovsdb_table {
    const struct ovsdb_table_schema *schema;
    struct ovsdb_db *db;
    struct ovsdb_row *rows; // uthash by uuid; rows of the present transaction included
    struct ovsdb_index_hash *indexes;
    unsigned n_txn_rows; // rows that the present transaction has touched
};

void ovsdb_table_init(struct ovsdb_table *table, const struct ovsdb_table_schema *schema,
                      struct ovsdb_db *db);
// Frees every row.
void ovsdb_table_done(struct ovsdb_table *table);

struct ovsdb_row *ovsdb_table_find(const struct ovsdb_table *table, const struct ovsdb_uuid *uuid);
static inline unsigned ovsdb_table_count(const struct ovsdb_table *table)
{
    return HASH_COUNT(table->rows);
}

// A row at its defaults, not in the table yet.
struct ovsdb_row *ovsdb_row_new(struct ovsdb_table *table, const struct ovsdb_uuid *uuid);
// Frees a row that is in no table and no index.
void ovsdb_row_free(struct ovsdb_row *row);
// Puts it into the table's hash of rows, or takes it out.
void ovsdb_table_link(struct ovsdb_row *row);
void ovsdb_table_unlink(struct ovsdb_row *row);

// The hash of a tuple under an index; and whether two tuples are equal under it.
uint64_t ovsdb_index_hash_tuple(const struct ovsdb_index *index, const struct ovsdb_tuple *tuple);
bool ovsdb_index_equal(const struct ovsdb_index *index, const struct ovsdb_tuple *a,
                       const struct ovsdb_tuple *b);
// First entry of a hash value; follow ->next, comparing ->hash.
struct ovsdb_index_node *ovsdb_index_first(const struct ovsdb_table *table, unsigned index,
                                           uint64_t hash);
// Enters the row with its present tuple, or takes it out; the latter is allowed when it isn't in.
void ovsdb_index_put(struct ovsdb_row *row, unsigned index);
void ovsdb_index_remove(struct ovsdb_row *row, unsigned index);

// New JSON object of the named columns.
json_t *ovsdb_tuple_to_json(const struct ovsdb_tuple *tuple,
                            const struct ovsdb_column *const *columns, unsigned n_columns);
