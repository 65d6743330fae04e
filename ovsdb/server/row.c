// SPDX-License-Identifier: Apache-2.0
//
// Tuples: the versions of rows. See row.h. Rows themselves are made and freed by table.c, which
// knows the table's hash and indexes.

#include "ovsdb/server/row.h"

#include <stdlib.h>

#include "lib/base/mem.h"

static struct ovsdb_tuple *tuple_alloc(unsigned n)
{
    struct ovsdb_tuple *tuple = xmalloc(sizeof *tuple + n * sizeof tuple->columns[0]);

    atomic_init(&tuple->refs, 1);
    tuple->n = n;
    return tuple;
}

struct ovsdb_tuple *ovsdb_tuple_new(const struct ovsdb_table_schema *schema,
                                    const struct ovsdb_uuid *uuid)
{
    struct ovsdb_tuple *tuple = tuple_alloc(schema->n_columns);

    tuple->columns[OVSDB_COL_UUID] = ovsdb_datum_from_uuid(uuid);
    for (unsigned i = OVSDB_COL_VERSION; i < schema->n_columns; i++)
        tuple->columns[i] = ovsdb_datum_default(&schema->columns[i]->type);
    return tuple;
}

struct ovsdb_tuple *ovsdb_tuple_clone(const struct ovsdb_tuple *tuple)
{
    struct ovsdb_tuple *clone = tuple_alloc(tuple->n);

    for (unsigned i = 0; i < tuple->n; i++)
        clone->columns[i] = ovsdb_datum_ref(tuple->columns[i]);
    return clone;
}

struct ovsdb_tuple *ovsdb_tuple_ref(struct ovsdb_tuple *tuple)
{
    atomic_fetch_add_explicit(&tuple->refs, 1, memory_order_relaxed);
    return tuple;
}

void ovsdb_tuple_unref(struct ovsdb_tuple *tuple)
{
    if (!tuple || atomic_fetch_sub_explicit(&tuple->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < tuple->n; i++)
        ovsdb_datum_unref(tuple->columns[i]);
    free(tuple);
}

void ovsdb_tuple_set(struct ovsdb_tuple *tuple, unsigned column, struct ovsdb_datum *datum)
{
    ovsdb_datum_unref(tuple->columns[column]);
    tuple->columns[column] = datum;
}
