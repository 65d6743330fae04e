// SPDX-License-Identifier: Apache-2.0
// What one committed transaction did: for each row it touched, the version before and after. Made
// by the commit, read by monitors, the log and triggers; immutable but for its successor, and
// counted.
//
// Changes form a chain, each holding a reference to the next: a reader that keeps the last change
// it has dealt with keeps all that follow, whatever the database has forgotten since. Thread: the
// committing thread; tuples may be read anywhere.
#pragma once

#include "ovsdb/server/row.h"

struct ovsdb_change_row {
    const struct ovsdb_table_schema *table;
    struct ovsdb_uuid uuid;
    struct ovsdb_tuple *old; // NULL: inserted
    struct ovsdb_tuple *new; // NULL: deleted
};

struct ovsdb_change {
    unsigned refs;
    struct ovsdb_change *next; // a reference; NULL in the newest
    struct ovsdb_uuid id;      // the transaction's name for monitor_cond_since
    bool persistent;           // touches more than ephemeral columns
    unsigned n_rows;
    struct ovsdb_change_row rows[];
};

// With room for 'n' rows, none of them filled in; one reference.
struct ovsdb_change *ovsdb_change_new(unsigned n);
struct ovsdb_change *ovsdb_change_ref(struct ovsdb_change *change);
void ovsdb_change_unref(struct ovsdb_change *change); // NULL is accepted

// Whether the column differs between the versions; in an inserted or deleted row, whether it isn't
// at its default.
bool ovsdb_change_row_has(const struct ovsdb_change_row *row, const struct ovsdb_column *column);
