// SPDX-License-Identifier: Apache-2.0
//
// Sessions: life, replies, updates. See session.h; the methods are in session_rpc.c.
//
// A client that doesn't read isn't sent updates beyond UPDATE_BACKLOG (they merge meanwhile) and
// isn't read from beyond REPLY_BACKLOG, so it can't make the server grow without bound.

#include "ovsdb/server/session.h"

#include <stdlib.h>

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "ovsdb/server/execution.h"
#include "ovsdb/server/remote.h"
#include "ovsdb/server/trigger.h"

enum { UPDATE_BACKLOG = 1024 * 1024, REPLY_BACKLOG = 16 * 1024 * 1024 };

static void on_message(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *session)
{
    ovsdb_session_message(session, m);
}

static void on_drained(struct jsonrpc *rpc, void *session_)
{
    struct ovsdb_session *session = session_;

    if (session->paused) {
        session->paused = false;
        jsonrpc_pause(rpc, false);
    }
    ovsdb_session_flush(session, false);
}

static void on_closed(struct jsonrpc *rpc, const struct err *err, void *session)
{
    ovsdb_session_free(session);
}

static const struct jsonrpc_cb callbacks = {
    .message = on_message, .drained = on_drained, .closed = on_closed};

struct ovsdb_session *ovsdb_session_new(struct ovsdb_server *server, struct ovsdb_remote *remote)
{
    struct ovsdb_session *session = NEW(struct ovsdb_session);

    session->server = server;
    session->remote = remote;
    session->read_only = ovsdb_remote_read_only(remote);
    DL_APPEND(server->sessions, session);
    server->n_sessions++;
    return session;
}

struct ovsdb_session *ovsdb_session_accept(struct ovsdb_server *server, struct ovsdb_remote *remote,
                                           struct stream *stream)
{
    struct ovsdb_session *session = ovsdb_session_new(server, remote);

    session->rpc = jsonrpc_new(server->loop, stream, &callbacks, session, NULL);
    session->owns_rpc = true;
    jsonrpc_set_probe(session->rpc, ovsdb_remote_probe(remote));
    ovsdb_remote_joined(remote);
    return session;
}

void ovsdb_session_connected(struct ovsdb_session *session, struct jsonrpc *rpc)
{
    session->rpc = rpc;
    ovsdb_remote_joined(session->remote);
}

static void forget_all(struct ovsdb_session *session)
{
    struct ovsdb_monitor *monitor, *next_monitor;

    while (session->triggers)
        ovsdb_trigger_cancel(session->triggers, NULL);
    DL_FOREACH_SAFE(session->monitors, monitor, next_monitor)
    {
        DL_DELETE(session->monitors, monitor);
        ovsdb_monitor_free(monitor);
    }
    while (session->locks) {
        struct ovsdb_lock_waiter *waiter = session->locks;

        DL_DELETE2(session->locks, waiter, session_prev, session_next);
        ovsdb_lock_leave(&session->server->locks, waiter);
    }
    session->db_change_aware = false;
}

void ovsdb_session_disconnected(struct ovsdb_session *session)
{
    struct jsonrpc *rpc = STEAL_PTR(session->rpc);

    if (!rpc)
        return;
    forget_all(session);
    if (session->owns_rpc)
        jsonrpc_free(rpc);
    ovsdb_remote_left(session->remote);
}

void ovsdb_session_free(struct ovsdb_session *session)
{
    if (!session)
        return;
    ovsdb_session_disconnected(session);
    DL_DELETE(session->server->sessions, session);
    session->server->n_sessions--;
    free(session);
}

static void check_backlog(struct ovsdb_session *session)
{
    if (!session->paused && session->owns_rpc && jsonrpc_backlog(session->rpc) > REPLY_BACKLOG) {
        session->paused = true;
        jsonrpc_pause(session->rpc, true);
    }
}

void ovsdb_session_flush(struct ovsdb_session *session, bool now)
{
    struct ovsdb_monitor *monitor;

    if (!session->rpc)
        return;
    DL_FOREACH (session->monitors, monitor) {
        if (ovsdb_monitor_is_current(monitor))
            continue;
        if (!now && jsonrpc_backlog(session->rpc) > UPDATE_BACKLOG)
            return; // on_drained() comes back to it
        json_t *updates = ovsdb_monitor_update(monitor);
        if (updates)
            jsonrpc_notify(session->rpc, ovsdb_monitor_method(monitor),
                           ovsdb_monitor_params(monitor, updates));
    }
}

void ovsdb_session_reply(struct ovsdb_session *session, json_t *id, json_t *result)
{
    if (!session->rpc) {
        json_decref(result);
        return;
    }
    ovsdb_session_flush(session, true);
    jsonrpc_reply(session->rpc, json_incref(id), result);
    check_backlog(session);
}

void ovsdb_session_reply_error(struct ovsdb_session *session, json_t *id, json_t *error)
{
    if (!session->rpc) {
        json_decref(error);
        return;
    }
    jsonrpc_reply_error(session->rpc, json_incref(id), error);
    check_backlog(session);
}

static bool owns_lock(const char *name, void *session_)
{
    const struct ovsdb_session *session = session_;
    const struct ovsdb_lock_waiter *waiter;

    DL_FOREACH2(session->locks, waiter, session_next)
    if (!strcmp(waiter->lock->name, name))
        return ovsdb_lock_owned(waiter);
    return false;
}

json_t *ovsdb_session_execute(struct ovsdb_session *session, struct ovsdb_db *db,
                              const json_t *params, int64_t waited_ms, int64_t *ret_timeout_ms)
{
    struct ovsdb_execution execution = {
        .db = db,
        .params = params,
        .read_only = session->read_only,
        .owns_lock = owns_lock,
        .aux = session,
        .waited_ms = waited_ms,
    };

    return ovsdb_execute(&execution, ret_timeout_ms);
}

void ovsdb_session_notify_lock(void *session_, const char *method, const char *lock)
{
    struct ovsdb_session *session = session_;

    if (session->rpc)
        jsonrpc_notify(session->rpc, method, json_pack("[s]", lock));
}

void ovsdb_session_forget_db(struct ovsdb_session *session, struct ovsdb_hosted *hosted)
{
    struct ovsdb_trigger *trigger, *next_trigger;
    struct ovsdb_monitor *monitor, *next_monitor;

    DL_FOREACH_SAFE2(session->triggers, trigger, next_trigger, session_next)
    if (trigger->hosted == hosted)
        ovsdb_trigger_cancel(trigger, json_string(OVSDB_E_CANCELED));
    DL_FOREACH_SAFE(session->monitors, monitor, next_monitor)
    {
        if (monitor->db != hosted->db)
            continue;
        DL_DELETE(session->monitors, monitor);
        if (session->rpc && session->db_change_aware)
            jsonrpc_notify(session->rpc, "monitor_canceled", json_pack("[O]", monitor->id));
        ovsdb_monitor_free(monitor);
    }
}
