// SPDX-License-Identifier: Apache-2.0
//
// Queries. See query.h.
//
// Unique indexes know committed rows only, so a lookup through one also looks at the rows that the
// present transaction has touched; if they are many, the table is walked instead.

#include "ovsdb/server/query.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/server/transaction.h"

static void rows_add(struct ovsdb_rows *rows, struct ovsdb_row *row)
{
    GROW_ARRAY(rows->all, rows->allocated, rows->n + 1);
    rows->all[rows->n++] = row;
}

void ovsdb_rows_done(struct ovsdb_rows *rows)
{
    free(rows->all);
    *rows = (struct ovsdb_rows){0};
}

static void add_if(struct ovsdb_rows *rows, struct ovsdb_row *row,
                   const struct ovsdb_condition *condition)
{
    if (row && ovsdb_condition_all(condition, row->tuple))
        rows_add(rows, row);
}

// Looks up through unique index 'i'. False: the condition doesn't fix all its columns.
static bool query_index(const struct ovsdb_table *table, unsigned i,
                        const struct ovsdb_condition *condition, struct ovsdb_rows *rows)
{
    const struct ovsdb_index *index = &table->schema->indexes[i];
    uint64_t hash = 0;

    for (unsigned j = 0; j < index->n_columns; j++) {
        const struct ovsdb_datum *datum = ovsdb_condition_equal_to(condition, index->columns[j]);
        if (!datum)
            return false;
        hash = ovsdb_datum_hash(datum, hash);
    }
    for (struct ovsdb_index_node *node = ovsdb_index_first(table, i, hash); node; node = node->next)
        if (node->hash == hash)
            add_if(rows, node->row, condition);
    return true;
}

struct ovsdb_rows ovsdb_query(const struct ovsdb_table *table,
                              const struct ovsdb_condition *condition)
{
    const struct ovsdb_datum *uuid =
        ovsdb_condition_equal_to(condition, table->schema->columns[OVSDB_COL_UUID]);
    struct ovsdb_rows rows = {0};
    struct ovsdb_row *row, *next;

    if (uuid) {
        add_if(&rows, ovsdb_table_find(table, &ovsdb_datum_atom(uuid)->uuid), condition);
        return rows;
    }
    if (!table->n_txn_rows)
        for (unsigned i = 0; i < table->schema->n_indexes; i++)
            if (query_index(table, i, condition, &rows))
                return rows;
    HASH_ITER (hh, table->rows, row, next)
        add_if(&rows, row, condition);
    return rows;
}

struct columns {
    const struct ovsdb_column *const *all;
    unsigned n;
};

static int compare_tuples(const void *a_, const void *b_, void *columns_)
{
    const struct ovsdb_tuple *a = *(struct ovsdb_tuple *const *)a_;
    const struct ovsdb_tuple *b = *(struct ovsdb_tuple *const *)b_;
    const struct columns *columns = columns_;

    for (unsigned i = 0; i < columns->n; i++) {
        unsigned at = columns->all[i]->index;
        int order = ovsdb_datum_compare(a->columns[at], b->columns[at]);
        if (order)
            return order;
    }
    return 0;
}

// Sorts by the columns and drops what is equal in them. Returns how many are left.
static unsigned make_distinct(struct ovsdb_tuple **tuples, unsigned n, struct columns *columns)
{
    unsigned kept = 0;

    qsort_r(tuples, n, sizeof *tuples, compare_tuples, columns);
    for (unsigned i = 0; i < n; i++)
        if (!kept || compare_tuples(&tuples[kept - 1], &tuples[i], columns))
            tuples[kept++] = tuples[i];
    return kept;
}

static struct ovsdb_tuple **tuples_of(const struct ovsdb_rows *rows)
{
    struct ovsdb_tuple **tuples = NEW_ARRAY(struct ovsdb_tuple *, rows->n + 1);

    for (unsigned i = 0; i < rows->n; i++)
        tuples[i] = rows->all[i]->tuple;
    return tuples;
}

json_t *ovsdb_rows_to_json(const struct ovsdb_rows *rows, const struct ovsdb_column *const *columns,
                           unsigned n_columns)
{
    AUTO_FREE struct ovsdb_tuple **tuples = tuples_of(rows);
    struct columns by = {columns, n_columns};
    bool distinct = false;
    json_t *json = json_array();

    for (unsigned i = 0; i < n_columns; i++)
        distinct |= columns[i]->index == OVSDB_COL_UUID;
    unsigned n = distinct ? rows->n : make_distinct(tuples, rows->n, &by);
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(json, ovsdb_tuple_to_json(tuples[i], columns, n_columns));
    return json;
}

bool ovsdb_rows_equal(const struct ovsdb_rows *rows, struct ovsdb_tuple *const *tuples, unsigned n,
                      const struct ovsdb_column *const *columns, unsigned n_columns)
{
    AUTO_FREE struct ovsdb_tuple **a = tuples_of(rows);
    AUTO_FREE struct ovsdb_tuple **b = NEW_ARRAY(struct ovsdb_tuple *, n + 1);
    struct columns by = {columns, n_columns};

    memcpy(b, tuples, n * sizeof *b);
    unsigned n_a = make_distinct(a, rows->n, &by), n_b = make_distinct(b, n, &by);
    if (n_a != n_b)
        return false;
    for (unsigned i = 0; i < n_a; i++)
        if (compare_tuples(&a[i], &b[i], &by))
            return false;
    return true;
}
