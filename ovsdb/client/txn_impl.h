// SPDX-License-Identifier: Apache-2.0
// What txn.c and txn_json.c share. Not for others.
#pragma once

#include "ovsdb/client/replica_impl.h"

// What a transaction does to one row.
struct txn_row {
    UT_hash_handle hh;
    struct ovsdb_uuid uuid; // provisional in an inserted row
    const struct replica_table *table;
    bool inserted, deleted;
    bool known; // 'real' was told by the server
    struct ovsdb_uuid real;
    size_t result;             // index of the insert's result
    json_t *mutations;         // array of <mutation>
    struct ovsdb_datum *set[]; // by column index; NULL: not set
};

struct replica_txn {
    struct replica_txn *next, *prev; // replica.pending or .unsent
    struct replica *replica;
    struct txn_row *rows; // uthash by uuid, in order of first use
    json_t *waits;        // operations that go first
    json_t *others;       // operations that go last
    char *comment;
    bool durable;
    replica_txn_fn *fn;
    void *arg;
    json_int_t id;
    enum replica_txn_status status; // of one that wasn't sent
    char *error;
};

struct txn_row *replica_txn_find_row(const struct replica_txn *txn, const struct ovsdb_uuid *uuid);

// txn_json.c
json_t *replica_txn_datum_json(const struct replica_txn *txn, const struct ovsdb_datum *datum);
json_t *replica_txn_where(const struct replica_txn *txn, const struct ovsdb_uuid *uuid);
// The params of "transact"; notes at which place each insert stands.
json_t *replica_txn_params(struct replica_txn *txn);
// Takes the UUIDs of inserted rows out of the results.
void replica_txn_take_uuids(struct replica_txn *txn, const json_t *results);
