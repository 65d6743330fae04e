// SPDX-License-Identifier: Apache-2.0
// A transaction on one database: changes are made in place and undone if it aborts; commit judges
// integrity, writes the log, and publishes the change.
//
// One transaction per database at a time; nothing else reads the database's rows while it is open.
// Thread: the committing thread. Commit blocks while it writes (and syncs, if durable).
#pragma once

#include <utlist.h>

#include "ovsdb/schema/error.h"
#include "ovsdb/server/database.h"

struct ovsdb_txn_row {
    struct ovsdb_txn_row *next, *prev; // ovsdb_txn.rows
    UT_hash_handle hh;                 // ovsdb_txn.deleted
    struct {
        const struct ovsdb_table *table;
        struct ovsdb_uuid uuid;
    } key;
    struct ovsdb_row *row;
    // The committed version; NULL in a row that the transaction has inserted. The same as
    // row->tuple in one of which only the reference count changed.
    struct ovsdb_tuple *old;
    unsigned old_n_refs;
    bool deleted;
    bool queued; // waits for garbage collection to look at it
    struct ovsdb_txn_row *next_queued;
};

struct ovsdb_txn {
    struct ovsdb_db *db;
    struct ovsdb_txn_row *rows;    // utlist, in order of first touch
    struct ovsdb_txn_row *deleted; // uthash by key
    char *comment;                 // NULL: none
};

struct ovsdb_txn *ovsdb_txn_new(struct ovsdb_db *db);

// A new row at its defaults. 'uuid' NULL: a fresh one; else one that ovsdb_txn_uuid_is_free().
struct ovsdb_row *ovsdb_txn_insert(struct ovsdb_txn *txn, struct ovsdb_table *table,
                                   const struct ovsdb_uuid *uuid);
// Neither in the table nor deleted from it by this transaction.
bool ovsdb_txn_uuid_is_free(const struct ovsdb_txn *txn, const struct ovsdb_table *table,
                            const struct ovsdb_uuid *uuid);
// Replaces a column's value; 'datum' is consumed.
void ovsdb_txn_set(struct ovsdb_txn *txn, struct ovsdb_row *row, const struct ovsdb_column *column,
                   struct ovsdb_datum *datum);
void ovsdb_txn_delete(struct ovsdb_txn *txn, struct ovsdb_row *row);
// Adds a line to the comment kept in the log.
void ovsdb_txn_comment(struct ovsdb_txn *txn, const char *text);

// Ends the transaction, well or badly; on an error everything is undone. NULL storage: memory only.
struct ovsdb_error *ovsdb_txn_commit(struct ovsdb_txn *txn, bool durable)
    __attribute__((warn_unused_result));
// The same for what comes out of the file: judged, but neither written nor published.
struct ovsdb_error *ovsdb_txn_replay(struct ovsdb_txn *txn) __attribute__((warn_unused_result));
void ovsdb_txn_abort(struct ovsdb_txn *txn); // NULL is accepted

// integrity.c: the judgement. Applies garbage collection and removal of weak references, checks
// strong ones, row counts and indexes. On an error the transaction is to be aborted.
struct ovsdb_error *ovsdb_txn_check(struct ovsdb_txn *txn) __attribute__((warn_unused_result));
// integrity.c: enters the outcome into weak references and indexes. Cannot fail.
void ovsdb_txn_enter(struct ovsdb_txn *txn);
// The deleted row of this name, or NULL.
struct ovsdb_txn_row *ovsdb_txn_find_deleted(const struct ovsdb_txn *txn,
                                             const struct ovsdb_table *table,
                                             const struct ovsdb_uuid *uuid);
// The row's place in the transaction, made if need be.
struct ovsdb_txn_row *ovsdb_txn_touch(struct ovsdb_txn *txn, struct ovsdb_row *row);
