// SPDX-License-Identifier: Apache-2.0
// The server: databases, the sessions of clients, what they wait for, and the remotes they come by.
//
// Requests run to their end one after the other in the loop's thread. A commit marks its database;
// before the next request is looked at, waiting transactions of that database are tried again, and
// at the end of the loop's pass every session is sent what its monitors missed. A session is always
// sent its updates before the reply to its own transaction (ovsdb-server(7), section 4.1.5).
#pragma once

#include "lib/io/jsonrpc.h"
#include "ovsdb/server/database.h"
#include "ovsdb/server/lock.h"

struct ovsdb_remote;
struct ovsdb_server;
struct ovsdb_session;
struct ovsdb_trigger;

// A database as this server serves it.
struct ovsdb_hosted {
    struct ovsdb_hosted *next, *prev;
    struct ovsdb_server *server;
    struct ovsdb_db *db;
    struct ovsdb_observer observer;
    struct ovsdb_trigger *triggers; // transactions that wait
    bool changed;                   // since the triggers were last tried
    struct ovsdb_uuid row;          // in _Server's table Database
};

struct ovsdb_server {
    struct loop *loop;
    struct ovsdb_uuid id; // of this run
    struct ovsdb_hosted *dbs;
    struct ovsdb_db *server_db; // _Server, also among 'dbs'
    struct ovsdb_session *sessions;
    unsigned n_sessions;
    struct ovsdb_locks locks;
    // Remotes: what the user asked for (targets, or "db:DB,TABLE,COLUMN"), and what came of it.
    char **specs;
    unsigned n_specs;
    struct ovsdb_remote *remotes;
    bool running_triggers;
    bool remotes_stale; // a database that names remotes may have changed
    bool posted;        // a pass over sessions and remotes is queued
    bool closing;
};

struct ovsdb_server *ovsdb_server_new(struct loop *loop);
// Disconnects everybody and closes the databases. NULL is accepted.
void ovsdb_server_free(struct ovsdb_server *server);

// Serves a database from now on; takes it over, also on errors (-EEXIST: that name is served).
int ovsdb_server_add_db(struct ovsdb_server *server, struct ovsdb_db *db, struct err *err);
struct ovsdb_hosted *ovsdb_server_find(const struct ovsdb_server *server, const char *name);

// Tries waiting transactions of databases that changed. Called after each request that may commit.
void ovsdb_server_run_triggers(struct ovsdb_server *server);
// Queues a pass over sessions and remotes at the end of what is running.
void ovsdb_server_post(struct ovsdb_server *server);

// server_db.c: the _Server database.
void ovsdb_server_db_open(struct ovsdb_server *server);
void ovsdb_server_db_update(struct ovsdb_server *server);
