// SPDX-License-Identifier: Apache-2.0
// One database: its schema, its tables, the file behind it, and who wants to hear of changes.
//
// Every commit appends a change to the chain and calls the observers, in the order in which they
// were added, before the commit returns. Thread: the committing thread.
#pragma once

#include "ovsdb/schema/schema.h"
#include "ovsdb/server/change.h"
#include "ovsdb/server/table.h"

struct ovsdb_storage;

struct ovsdb_observer {
    struct ovsdb_observer *next, *prev;
    // After a commit; 'change' may be kept with ovsdb_change_ref(). Must not change the database.
    void (*changed)(struct ovsdb_observer *observer, struct ovsdb_change *change);
};

struct ovsdb_db {
    struct ovsdb_schema *schema;
    struct ovsdb_table *tables; // by schema index
    // The file; NULL: in memory only. Owned.
    struct ovsdb_storage *storage;
    bool reserved; // the server's own: clients may only read
    struct ovsdb_observer *observers;
    // The chain of changes: a reference to the oldest one remembered, and the newest. There is
    // always one; the first stands for the state at the start and has no rows.
    struct ovsdb_change *oldest, *newest;
    unsigned n_history;
};

// How many changes a reconnecting client may be behind and still be told what it missed.
enum { OVSDB_HISTORY_MAX = 100 };

// Takes over the reference to 'schema'.
struct ovsdb_db *ovsdb_db_new(struct ovsdb_schema *schema);
void ovsdb_db_free(struct ovsdb_db *db); // closes the storage; NULL is accepted

// NULL if there is none.
struct ovsdb_table *ovsdb_db_table(const struct ovsdb_db *db, const char *name);
static inline struct ovsdb_table *ovsdb_db_table_of(const struct ovsdb_db *db,
                                                    const struct ovsdb_table_schema *schema)
{
    return &db->tables[schema->index];
}

void ovsdb_db_observe(struct ovsdb_db *db, struct ovsdb_observer *observer);
void ovsdb_db_unobserve(struct ovsdb_db *db, struct ovsdb_observer *observer);

// Appends a committed change to the chain (taking over its reference) and tells the observers.
void ovsdb_db_publish(struct ovsdb_db *db, struct ovsdb_change *change);
