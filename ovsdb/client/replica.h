// SPDX-License-Identifier: Apache-2.0
// An in-memory copy of one OVSDB database (or of chosen tables and columns of it) that follows the
// server: connects, monitors, reconnects, and keeps the last picture while there is no connection.
//
//     struct replica *db;
//     replica_new(loop, "unix:db.sock", schema, &callbacks, me, &db, &err);
//     const struct replica_table *bridges = replica_table(db, "Bridge");
//     const struct ovsdb_column *name = replica_column(bridges, "name");
//     replica_start(db);
//     … in changed():
//     REPLICA_FOR_EACH (row, bridges)
//         printf("%s\n", replica_string(row, name, ""));
//
// Handles of tables and columns come from the schema that the caller passes; they stay valid as
// long as the replica, whatever the server's schema is. A table or column that the server lacks
// reads as empty (default) and is left out of transactions.
//
// Rows are valid until the changed() callback after their deletion has returned; data are counted,
// ovsdb_datum_ref() keeps one longer. Thread: the loop's thread. Nothing blocks.
#pragma once

#include "lib/io/loop.h"
#include "ovsdb/schema/datum.h"
#include "ovsdb/schema/schema.h"

struct replica;
struct replica_table;

struct replica_cb {
    // The picture is complete for the first time, or changed since the last call, or the lock was
    // won or lost, or the connection came or went. Called once per batch of updates. After it
    // returns, what changed is forgotten: replica_change() says nothing until the next call.
    // May be NULL.
    void (*changed)(struct replica *r, void *arg);
};

struct replica_row {
    UT_hash_handle hh;
    const struct replica_table *table;
    struct ovsdb_uuid uuid;
    // Private to the replica.
    struct replica_row *next_changed; // the table's list of what changed
    uint8_t change;                   // enum replica_change
    bool listed;                      // in that list
    bool gone;                        // no longer in the table
    bool seen;                        // in the dump that is being read
    uint64_t changed_columns;         // bit map by column->index
    struct ovsdb_datum *columns[];    // by column->index
};

// 'target' is an active stream name ("unix:FILE", "tcp:IP:PORT", "ssl:…"). 'schema' names the
// database; a reference is kept. Everything is monitored unless replica_select() is called. Errors
// (-EINVAL) as stream_connect(), only for a name that can't work. Nothing is sent before
// replica_start().
int replica_new(struct loop *loop, const char *target, const struct ovsdb_schema *schema,
                const struct replica_cb *cb, void *arg, struct replica **ret_replica,
                struct err *err);
// Unfinished transactions complete with REPLICA_TXN_LOST first. NULL is accepted. Not from inside a
// callback of this replica.
void replica_free(struct replica *r);

// Before replica_start(). Only the tables named so, and of them only the columns named so, are
// monitored; 'column' NULL means all of the table's. -ENOENT if the schema lacks it.
int replica_select(struct replica *r, const char *table, const char *column);
// Changes of this column alone don't call changed() and aren't noted: for what the caller itself
// writes (statistics). -ENOENT if the schema lacks it.
int replica_quiet(struct replica *r, const char *table, const char *column);
// Wants the named lock of the server ("ovs_vswitchd"). Transactions then assert it.
void replica_set_lock(struct replica *r, const char *name);
void replica_start(struct replica *r);

// A whole picture has been received since replica_new(), now or on an earlier connection.
bool replica_is_ready(const struct replica *r);
// Connected and the picture is current.
bool replica_is_current(const struct replica *r);
bool replica_has_lock(const struct replica *r);
// The lock is asked for and somebody else holds it.
bool replica_lock_contended(const struct replica *r);
// Grows by one with every call of changed().
uint64_t replica_seqno(const struct replica *r);
// Why there is no connection ("" while there is one, or before the first attempt).
const char *replica_problem(const struct replica *r);
// Tries again at once.
void replica_reconnect(struct replica *r);

// Handles. NULL if the schema has no such table or column.
const struct replica_table *replica_table(const struct replica *r, const char *name);
const struct ovsdb_column *replica_column(const struct replica_table *t, const char *name);
const char *replica_table_name(const struct replica_table *t);
// Whether the server has it too (true before the first connection).
bool replica_server_has(const struct replica *r, const struct replica_table *t,
                        const struct ovsdb_column *column);

// Rows, in no particular order. Deleting isn't possible while walking; transactions don't change
// the picture until the server answers.
const struct replica_row *replica_first(const struct replica_table *t);
const struct replica_row *replica_next(const struct replica_row *row);
#define REPLICA_FOR_EACH(row, table)                                                               \
    for (const struct replica_row *row = replica_first(table); row; row = replica_next(row))
unsigned replica_n_rows(const struct replica_table *t);
const struct replica_row *replica_find(const struct replica_table *t,
                                       const struct ovsdb_uuid *uuid);
// The first row whose column is this string; NULL.
const struct replica_row *replica_find_string(const struct replica_table *t,
                                              const struct ovsdb_column *column, const char *value);

// Values. The datum is never NULL. The getters of scalars give 'fallback' where an optional column
// is empty; the column must be of that type (asserted). Borrowed: as long as the row's value.
const struct ovsdb_datum *replica_get(const struct replica_row *row, const struct ovsdb_column *c);
int64_t replica_int(const struct replica_row *row, const struct ovsdb_column *c, int64_t fallback);
double replica_real(const struct replica_row *row, const struct ovsdb_column *c, double fallback);
bool replica_bool(const struct replica_row *row, const struct ovsdb_column *c, bool fallback);
const char *replica_string(const struct replica_row *row, const struct ovsdb_column *c,
                           const char *fallback);
// NULL if empty.
const struct ovsdb_uuid *replica_uuid(const struct replica_row *row, const struct ovsdb_column *c);
// The row that the column's i-th key refers to (i-th value of a map whose values refer); NULL if
// there is no such element or the row isn't in the picture.
const struct replica_row *replica_ref(const struct replica *r, const struct replica_row *row,
                                      const struct ovsdb_column *c, unsigned i);
unsigned replica_count(const struct replica_row *row, const struct ovsdb_column *c);
// Maps of strings to strings, as other_config: the value of a key, or 'fallback'. The numeric forms
// give 'fallback' too where the value isn't a number in [min, max]; the bool form knows "true" and
// "false".
const char *replica_map(const struct replica_row *row, const struct ovsdb_column *c,
                        const char *key, const char *fallback);
int64_t replica_map_int(const struct replica_row *row, const struct ovsdb_column *c,
                        const char *key, int64_t min, int64_t max, int64_t fallback);
bool replica_map_bool(const struct replica_row *row, const struct ovsdb_column *c, const char *key,
                      bool fallback);

// What happened since the last call of changed(). A row that came and went in between isn't seen.
enum replica_change { REPLICA_SAME, REPLICA_INSERTED, REPLICA_MODIFIED, REPLICA_DELETED };
enum replica_change replica_change(const struct replica_row *row);
// In an inserted or deleted row every column counts as changed.
bool replica_column_changed(const struct replica_row *row, const struct ovsdb_column *c);
bool replica_table_changed(const struct replica_table *t);
// Rows that changed, deleted ones too (with their last values). Inside changed() only.
const struct replica_row *replica_changed_first(const struct replica_table *t);
const struct replica_row *replica_changed_next(const struct replica_row *row);
#define REPLICA_FOR_EACH_CHANGED(row, table)                                                       \
    for (const struct replica_row *row = replica_changed_first(table); row;                        \
         row = replica_changed_next(row))
