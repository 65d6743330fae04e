// SPDX-License-Identifier: Apache-2.0
//
// Changes. See change.h. They hold references to tuples only, so making one is cheap and keeping
// one costs the old versions of what it touched.

#include "ovsdb/server/change.h"

#include <stdlib.h>

#include "lib/base/mem.h"

struct ovsdb_change *ovsdb_change_new(unsigned n)
{
    struct ovsdb_change *change = xcalloc(1, sizeof *change + n * sizeof change->rows[0]);

    change->refs = 1;
    change->id = ovsdb_uuid_random();
    return change;
}

struct ovsdb_change *ovsdb_change_ref(struct ovsdb_change *change)
{
    change->refs++;
    return change;
}

void ovsdb_change_unref(struct ovsdb_change *change)
{
    while (change && !--change->refs) { // a loop, not recursion: chains can be long
        struct ovsdb_change *next = change->next;

        for (unsigned i = 0; i < change->n_rows; i++) {
            ovsdb_tuple_unref(change->rows[i].old);
            ovsdb_tuple_unref(change->rows[i].new);
        }
        free(change);
        change = next;
    }
}

bool ovsdb_change_row_has(const struct ovsdb_change_row *row, const struct ovsdb_column *column)
{
    unsigned i = column->index;

    if (row->old && row->new)
        return !ovsdb_datum_equal(row->old->columns[i], row->new->columns[i]);
    const struct ovsdb_tuple *tuple = row->old ? row->old : row->new;
    return !ovsdb_datum_is_default(tuple->columns[i], &column->type);
}
