// SPDX-License-Identifier: Apache-2.0
// What the files of this room share about a replica. Not for others.
#pragma once

#include <jansson.h>

#include "lib/io/jsonrpc.h"
#include "ovsdb/client/replica.h"
#include "ovsdb/client/txn.h"

enum { REPLICA_MAX_COLUMNS = 64 }; // of one table: bits of replica_row.changed_columns

struct replica_table {
    struct replica *replica;
    const struct ovsdb_table_schema *schema;
    struct replica_row *rows;                   // uthash by uuid
    struct replica_row *changed;                // since the last changed()
    const struct ovsdb_table_schema *server;    // the server's idea of it; NULL: it lacks the table
    const struct ovsdb_column **server_columns; // by our index; NULL: lacking, or of another type
    bool selected;
    uint64_t columns; // selected ones, by index
    uint64_t quiet;   // ones whose changes aren't told
};

enum replica_state {
    REPLICA_OFFLINE,
    REPLICA_SCHEMA,  // get_schema is under way
    REPLICA_MONITOR, // the monitor request is under way
    REPLICA_CURRENT,
};

struct replica {
    struct loop *loop;
    struct ovsdb_schema *schema;        // ours
    struct ovsdb_schema *server_schema; // the server's; NULL: not known yet
    struct replica_cb cb;
    void *arg;
    struct replica_table *tables; // by index of our schema
    bool any_selected;

    struct jsonrpc_session *session;
    struct jsonrpc *rpc; // NULL: not connected
    char *target;
    enum replica_state state;
    int monitor_version; // 3, 2, 1: the newest that the server may know
    json_int_t schema_id, monitor_id, lock_id;
    struct ovsdb_uuid last_id; // of the last update3
    bool ready;
    char *problem;
    struct loop_timer *retry;

    char *lock;
    bool has_lock, contended;

    uint64_t seqno;
    bool news, posted; // something to tell; telling is queued
    struct replica_txn *pending;
    struct replica_txn *unsent; // complete from the loop without having been sent
};

// replica.c
// Something changed: changed() is to be called. replica_post() alone just has the loop come by.
void replica_news(struct replica *r);
void replica_post(struct replica *r);
void replica_deliver(struct replica *r);
struct replica_row *replica_row_new(struct replica_table *t, const struct ovsdb_uuid *uuid);
// The row vanishes from the table; it is freed after the next changed().
void replica_row_remove(struct replica_row *row);
// Replaces a column (consumed) and notes it, if it differs.
void replica_row_set(struct replica_row *row, unsigned column, struct ovsdb_datum *datum);
static inline struct replica_table *replica_mine(const struct replica_table *t)
{
    return (struct replica_table *)t;
}

// update.c: applies what monitors tell. Errors leave the picture as far as it got.
struct ovsdb_error *replica_apply(struct replica *r, const json_t *updates, int version)
    __attribute__((warn_unused_result));
// The same for a complete dump: what it doesn't mention is gone.
struct ovsdb_error *replica_replace(struct replica *r, const json_t *updates, int version)
    __attribute__((warn_unused_result));

// txn.c
// Whether 'm' answered a transaction.
bool replica_txn_answer(struct replica *r, const struct jsonrpc_msg *m);
void replica_txn_lose_all(struct replica *r, const char *why);
// Tells of those that were never sent.
void replica_txn_tell_unsent(struct replica *r);
