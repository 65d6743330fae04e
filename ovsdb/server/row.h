// SPDX-License-Identifier: Apache-2.0
// Rows and their versions.
//
// A row is one object for as long as it is in its table; what it holds is a tuple, one per version.
// A committed tuple never changes: a transaction that modifies the row gives it a new tuple, so
// that monitors, the change history and later readers in other threads keep old ones by a counter
// alone.
//
// Thread: the committing thread owns rows; tuples are counted atomically and read anywhere.
#pragma once

#include <stdatomic.h>

#include <uthash.h>

#include "ovsdb/schema/datum.h"
#include "ovsdb/schema/table.h"

struct ovsdb_table;
struct ovsdb_txn_row;
struct ovsdb_row;

struct ovsdb_tuple {
    _Atomic unsigned refs;
    unsigned n; // columns of the table
    struct ovsdb_datum *columns[];
};

// All columns at their defaults, but for _uuid; one reference.
struct ovsdb_tuple *ovsdb_tuple_new(const struct ovsdb_table_schema *schema,
                                    const struct ovsdb_uuid *uuid);
struct ovsdb_tuple *ovsdb_tuple_clone(const struct ovsdb_tuple *tuple);
struct ovsdb_tuple *ovsdb_tuple_ref(struct ovsdb_tuple *tuple);
void ovsdb_tuple_unref(struct ovsdb_tuple *tuple); // NULL is accepted
// Replaces a column; 'datum' is consumed. For a tuple that nobody else has seen.
void ovsdb_tuple_set(struct ovsdb_tuple *tuple, unsigned column, struct ovsdb_datum *datum);

// A weak reference seen from its target: 'source' mentions the row 'count' times in 'column'.
struct ovsdb_weak_ref {
    UT_hash_handle hh; // in ovsdb_row.weak_refs
    struct {
        struct ovsdb_row *source;
        const struct ovsdb_column *column;
    } key;
    unsigned count;
};

// A row's place in one unique index of its table.
struct ovsdb_index_node {
    struct ovsdb_index_node *next; // same hash
    struct ovsdb_row *row;
    uint64_t hash;
    bool linked;
};

struct ovsdb_row {
    UT_hash_handle hh; // in ovsdb_table.rows
    struct ovsdb_table *table;
    struct ovsdb_uuid uuid;
    struct ovsdb_tuple *tuple;
    unsigned n_refs;                  // strong references from other rows
    struct ovsdb_weak_ref *weak_refs; // committed ones
    struct ovsdb_txn_row *txn_row;    // in the present transaction; else NULL
    struct ovsdb_index_node index_nodes[];
};

static inline struct ovsdb_datum *ovsdb_row_get(const struct ovsdb_row *row,
                                                const struct ovsdb_column *column)
{
    return row->tuple->columns[column->index];
}

// Sets of columns of one table as bit maps.
enum { OVSDB_COLUMN_BITS = 64 };
static inline unsigned ovsdb_column_words(unsigned n_columns)
{
    return (n_columns + OVSDB_COLUMN_BITS - 1) / OVSDB_COLUMN_BITS;
}
static inline bool ovsdb_column_bit(const uint64_t *bits, unsigned column)
{
    return bits[column / OVSDB_COLUMN_BITS] >> column % OVSDB_COLUMN_BITS & 1;
}
static inline void ovsdb_column_bit_set(uint64_t *bits, unsigned column)
{
    bits[column / OVSDB_COLUMN_BITS] |= UINT64_C(1) << column % OVSDB_COLUMN_BITS;
}
