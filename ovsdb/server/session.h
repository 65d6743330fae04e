// SPDX-License-Identifier: Apache-2.0
// One client: its connection, its monitors, locks and waiting transactions; the methods of RFC 7047
// section 4.1 and their extensions. Thread: the loop's thread.
#pragma once

#include "ovsdb/server/monitor.h"
#include "ovsdb/server/server.h"

struct ovsdb_session {
    struct ovsdb_session *next, *prev; // the server's
    struct ovsdb_server *server;
    struct ovsdb_remote *remote;
    struct jsonrpc *rpc; // NULL: not connected (an active remote between attempts)
    bool owns_rpc;
    bool read_only;
    bool db_change_aware;
    bool paused; // doesn't read what it is sent
    struct ovsdb_monitor *monitors;
    struct ovsdb_lock_waiter *locks;
    struct ovsdb_trigger *triggers;
    unsigned n_triggers;
};

// A session on an accepted stream, which it owns; it frees itself when the connection ends.
struct ovsdb_session *ovsdb_session_accept(struct ovsdb_server *server, struct ovsdb_remote *remote,
                                           struct stream *stream);
// A session of an active remote, which tells it of each connection and of its end.
struct ovsdb_session *ovsdb_session_new(struct ovsdb_server *server, struct ovsdb_remote *remote);
void ovsdb_session_connected(struct ovsdb_session *session, struct jsonrpc *rpc);
void ovsdb_session_message(struct ovsdb_session *session, struct jsonrpc_msg *m);
// Forgets monitors, locks and waiting transactions: they end with the connection.
void ovsdb_session_disconnected(struct ovsdb_session *session);
void ovsdb_session_free(struct ovsdb_session *session);

// Sends what monitors missed, unless the client is behind with reading and 'now' is false.
void ovsdb_session_flush(struct ovsdb_session *session, bool now);
// Sends a reply, updates first. 'id' is borrowed, the rest consumed.
void ovsdb_session_reply(struct ovsdb_session *session, json_t *id, json_t *result);
void ovsdb_session_reply_error(struct ovsdb_session *session, json_t *id, json_t *error);
// Runs a transaction in this session's name; as ovsdb_execute().
json_t *ovsdb_session_execute(struct ovsdb_session *session, struct ovsdb_db *db,
                              const json_t *params, int64_t waited_ms, int64_t *ret_timeout_ms);
// Ends monitors and waiting transactions of a database that goes.
void ovsdb_session_forget_db(struct ovsdb_session *session, struct ovsdb_hosted *hosted);
// Tells it of a lock ("locked", "stolen").
void ovsdb_session_notify_lock(void *session, const char *method, const char *lock);
