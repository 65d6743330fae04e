// SPDX-License-Identifier: Apache-2.0
// Transactions on a replica's database: collected, sent as one "transact", answered in a callback.
//
//     struct replica_txn *txn = replica_txn_new(db);
//     struct ovsdb_uuid port = replica_txn_insert(txn, ports);
//     replica_txn_set(txn, ports, &port, port_name, ovsdb_datum_from_string("eth0"));
//     replica_txn_add_uuid(txn, bridges, &bridge->uuid, bridge_ports, &port);
//     replica_txn_submit(txn, done, me);
//
// An insert gives a provisional UUID, which may be used at once wherever a row or a reference is
// meant; it becomes a named UUID on the wire. A value that equals what the replica shows is not
// sent. The replica itself changes only when the server says so, which is before the callback.
//
// Data that are passed in are consumed. Thread: the loop's thread. Nothing blocks.
#pragma once

#include "ovsdb/client/replica.h"

struct replica_txn;

enum replica_txn_status {
    REPLICA_TXN_SUCCESS,
    REPLICA_TXN_UNCHANGED,  // there was nothing to do; nothing was sent
    REPLICA_TXN_TRY_AGAIN,  // a verified value had changed: look at the new picture and redo
    REPLICA_TXN_NOT_LOCKED, // the replica's lock isn't held
    REPLICA_TXN_LOST,       // no connection, or it went before the answer: may have happened or not
    REPLICA_TXN_ERROR,      // the server refused: see the sentence
};

struct replica_txn_result {
    enum replica_txn_status status;
    const char *error;             // sentence of the server, or what went wrong; "" on success
    const json_t *results;         // the server's array of results, or NULL
    const struct replica_txn *txn; // for replica_txn_real_uuid()
};

// Everything in 'result' is valid during the call only.
typedef void replica_txn_fn(const struct replica_txn_result *result, void *arg);

struct replica_txn *replica_txn_new(struct replica *r);
// Forgets a transaction that wasn't submitted. NULL is accepted.
void replica_txn_free(struct replica_txn *txn);

// The provisional UUID of a new row.
struct ovsdb_uuid replica_txn_insert(struct replica_txn *txn, const struct replica_table *t);
void replica_txn_delete(struct replica_txn *txn, const struct replica_table *t,
                        const struct ovsdb_uuid *row);
// Sets a column of an existing or a new row; the last value set counts.
void replica_txn_set(struct replica_txn *txn, const struct replica_table *t,
                     const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                     struct ovsdb_datum *value);
// Adds to or takes from a set or map without touching its other elements (mutations "insert" and
// "delete"). In a map, insert keeps the value of a key that is there, delete takes pairs, or keys
// whatever their value if 'value' is a set.
void replica_txn_add(struct replica_txn *txn, const struct replica_table *t,
                     const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                     struct ovsdb_datum *value);
void replica_txn_remove(struct replica_txn *txn, const struct replica_table *t,
                        const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                        struct ovsdb_datum *value);
static inline void replica_txn_add_uuid(struct replica_txn *txn, const struct replica_table *t,
                                        const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                                        const struct ovsdb_uuid *uuid)
{
    replica_txn_add(txn, t, row, c, ovsdb_datum_from_uuid(uuid));
}
// Gives a key of a string-to-string map this value; NULL removes the key.
void replica_txn_map_put(struct replica_txn *txn, const struct replica_table *t,
                         const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                         const char *key, const char *value);
// Adds 'delta' to an integer column on the server.
void replica_txn_increment(struct replica_txn *txn, const struct replica_table *t,
                           const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                           int64_t delta);
// Makes the transaction fail with REPLICA_TXN_TRY_AGAIN unless the column still has the value that
// the replica shows now.
void replica_txn_verify(struct replica_txn *txn, const struct replica_row *row,
                        const struct ovsdb_column *c);
// Text for the database's log.
void replica_txn_comment(struct replica_txn *txn, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Any other operation of RFC 7047 section 5.2; 'op' is consumed.
void replica_txn_raw(struct replica_txn *txn, json_t *op);
// Asks the server to have it on disk before it answers.
void replica_txn_durable(struct replica_txn *txn);
bool replica_txn_is_empty(const struct replica_txn *txn);

// Sends. The transaction is consumed; 'fn' (may be NULL) is called exactly once, from the loop and
// never from inside this call.
void replica_txn_submit(struct replica_txn *txn, replica_txn_fn *fn, void *arg);
// The UUID that the server gave the row inserted under this provisional one. False if it isn't.
bool replica_txn_real_uuid(const struct replica_txn *txn, const struct ovsdb_uuid *provisional,
                           struct ovsdb_uuid *ret_uuid);

// Builders for what transactions take.
struct ovsdb_datum *replica_string_map(const char *const *pairs);   // key, value, …, NULL
struct ovsdb_datum *replica_string_set(const char *const *strings); // …, NULL
