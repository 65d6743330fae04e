// SPDX-License-Identifier: Apache-2.0
//
// Remotes. See remote.h.
//
// What is wanted is computed anew after every change that may concern it and compared with what is
// open: a list of targets, each with the row that asks for it, if any. A row's remote writes its
// state back into the row (is_connected, status), which are ephemeral columns, so nothing is
// logged. A listener that can't be opened is tried again every RETRY_NS.

#include "ovsdb/server/remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "ovsdb/server/session.h"
#include "ovsdb/server/transaction.h"

LOG_MODULE(ovsdb_remote);

#define RETRY_NS (5 * NSEC_PER_SEC)
#define PROBE_NS (5 * NSEC_PER_SEC)

struct ovsdb_remote {
    struct ovsdb_remote *next, *prev;
    struct ovsdb_server *server;
    char *target;
    bool wanted; // mark of ovsdb_remotes_update()
    // What a row says; defaults for a remote of the command line.
    bool read_only;
    int64_t probe, max_backoff; // ns; max_backoff 0: default
    struct ovsdb_table *table;  // of the row; NULL: none
    struct ovsdb_uuid row;
    // Passive, active, or neither: could not be opened yet.
    struct listener *listener;
    struct jsonrpc_session *active;
    struct ovsdb_session *session; // of the active connection
    struct loop_timer *retry;
    unsigned n_clients;
    bool failed; // told already
};

int ovsdb_db_spec_parse(const struct ovsdb_server *server, const char *spec,
                        struct ovsdb_db_spec *ret_spec, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(spec + 3);
    char *save = NULL, *db = strtok_r(copy, ",", &save), *table = strtok_r(NULL, ",", &save);
    char *column = strtok_r(NULL, ",", &save);

    if (!db || !table || !column || strtok_r(NULL, ",", &save))
        return err_set(err, -EINVAL, "\"%s\": not of the form db:DB,TABLE,COLUMN", spec);
    struct ovsdb_hosted *hosted = ovsdb_server_find(server, db);
    if (!hosted)
        return err_set(err, -EINVAL, "\"%s\": no database named %s", spec, db);
    ret_spec->table = ovsdb_db_table(hosted->db, table);
    if (!ret_spec->table)
        return err_set(err, -EINVAL, "\"%s\": no table named %s", spec, table);
    ret_spec->column = ovsdb_table_schema_column(ret_spec->table->schema, column);
    if (!ret_spec->column)
        return err_set(err, -EINVAL, "\"%s\": table %s has no column named %s", spec, table,
                       column);
    const struct ovsdb_type *type = &ret_spec->column->type;
    if (ovsdb_type_is_map(type) || !(type->key.type == OVSDB_STRING ||
                                     (type->key.type == OVSDB_UUID && type->key.uuid.ref_table)))
        return err_set(err, -EINVAL, "\"%s\": column %s holds neither strings nor references", spec,
                       column);
    return 0;
}

bool ovsdb_remote_read_only(const struct ovsdb_remote *remote)
{
    return remote && remote->read_only;
}

int64_t ovsdb_remote_probe(const struct ovsdb_remote *remote)
{
    if (remote->probe >= 0)
        return remote->probe;
    bool local = str_starts(remote->target, "unix:") || str_starts(remote->target, "punix:");
    return local ? 0 : PROBE_NS;
}

// The row's column of this name if it has the type, else NULL.
static const struct ovsdb_datum *row_value(const struct ovsdb_row *row, const char *name,
                                           enum ovsdb_atomic_type type)
{
    const struct ovsdb_column *column = ovsdb_table_schema_column(row->table->schema, name);

    if (!column || column->type.key.type != type || ovsdb_type_is_map(&column->type))
        return NULL;
    const struct ovsdb_datum *datum = ovsdb_row_get(row, column);
    return datum->n ? datum : NULL;
}

static void set_if_differs(struct ovsdb_txn *txn, struct ovsdb_row *row, const char *name,
                           struct ovsdb_datum *datum)
{
    const struct ovsdb_column *column = ovsdb_table_schema_column(row->table->schema, name);

    if (column && column->type.key.type == datum->key_type &&
        column->type.value.type == datum->value_type &&
        !ovsdb_datum_equal(ovsdb_row_get(row, column), datum))
        ovsdb_txn_set(txn, row, column, datum);
    else
        ovsdb_datum_unref(datum);
}

static struct ovsdb_datum *remote_status(const struct ovsdb_remote *remote)
{
    struct ovsdb_datum_builder builder;
    char port[8], clients[16]; // borrowed by the builder until it finishes

    ovsdb_datum_builder_init(&builder, OVSDB_STRING, OVSDB_STRING, 4);
    if (remote->active || !remote->listener) {
        const char *state = remote->n_clients ? "ACTIVE" : remote->active ? "BACKOFF" : "VOID";
        union ovsdb_atom value = ovsdb_atom_string(state);

        ovsdb_datum_builder_add(&builder, ovsdb_atom_string("state"), &value);
    }
    if (remote->listener && listener_port(remote->listener)) {
        snprintf(port, sizeof port, "%u", listener_port(remote->listener));
        union ovsdb_atom value = ovsdb_atom_string(port);

        ovsdb_datum_builder_add(&builder, ovsdb_atom_string("bound_port"), &value);
    }
    if (remote->n_clients > 1) {
        snprintf(clients, sizeof clients, "%u", remote->n_clients);
        union ovsdb_atom value = ovsdb_atom_string(clients);

        ovsdb_datum_builder_add(&builder, ovsdb_atom_string("n_connections"), &value);
    }
    return ovsdb_datum_builder_finish(&builder, NULL);
}

// Writes state back into the rows that ask for remotes.
static void write_status(struct ovsdb_server *server)
{
    struct ovsdb_remote *remote;

    DL_FOREACH (server->remotes, remote) {
        struct ovsdb_row *row =
            remote->table ? ovsdb_table_find(remote->table, &remote->row) : NULL;

        if (!row)
            continue;
        struct ovsdb_txn *txn = ovsdb_txn_new(remote->table->db);
        set_if_differs(txn, row, "is_connected", ovsdb_datum_from_bool(remote->n_clients));
        set_if_differs(txn, row, "status", remote_status(remote));
        ovsdb_error_free(ovsdb_txn_commit(txn, false));
    }
}

static void status_changed(struct ovsdb_remote *remote)
{
    if (!remote->table || remote->server->closing)
        return;
    remote->server->remotes_stale = true;
    ovsdb_server_post(remote->server);
}

void ovsdb_remote_joined(struct ovsdb_remote *remote)
{
    remote->n_clients++;
    status_changed(remote);
}

void ovsdb_remote_left(struct ovsdb_remote *remote)
{
    remote->n_clients--;
    status_changed(remote);
}

static void on_accept(struct listener *listener, struct stream *stream, void *remote_)
{
    struct ovsdb_remote *remote = remote_;

    ovsdb_session_accept(remote->server, remote, stream);
}

static void on_connected(struct jsonrpc_session *active, struct jsonrpc *rpc, void *remote_)
{
    struct ovsdb_remote *remote = remote_;

    log_info("%s: connected", remote->target);
    ovsdb_session_connected(remote->session, rpc);
}

static void on_message(struct jsonrpc_session *active, struct jsonrpc_msg *m, void *remote_)
{
    struct ovsdb_remote *remote = remote_;

    ovsdb_session_message(remote->session, m);
}

static void on_disconnected(struct jsonrpc_session *active, const struct err *err, void *remote_)
{
    struct ovsdb_remote *remote = remote_;

    if (remote->n_clients)
        log_info("%s: connection ended (%s)", remote->target, err_text(err));
    else
        log_dbg("%s: %s", remote->target, err_text(err));
    ovsdb_session_disconnected(remote->session);
}

static const struct jsonrpc_session_cb active_callbacks = {
    .connected = on_connected, .message = on_message, .disconnected = on_disconnected};

static int remote_open(struct ovsdb_remote *remote, struct err *err)
{
    struct ovsdb_server *server = remote->server;

    if (stream_is_passive(remote->target))
        return stream_listen(server->loop, remote->target, STREAM_OVSDB_PORT, on_accept, remote,
                             &remote->listener, err);
    if (!stream_is_active(remote->target))
        return err_set(err, -EINVAL, "\"%s\": not a valid connection method", remote->target);

    int r = jsonrpc_session_open(server->loop, remote->target, STREAM_OVSDB_PORT, &active_callbacks,
                                 remote, NULL, &remote->active, err);
    if (r < 0)
        return r;
    remote->session = ovsdb_session_new(server, remote);
    jsonrpc_session_set_probe(remote->active, ovsdb_remote_probe(remote));
    if (remote->max_backoff)
        jsonrpc_session_set_backoff(remote->active, NSEC_PER_SEC, remote->max_backoff);
    return 0;
}

static void on_retry(void *remote_)
{
    struct ovsdb_remote *remote = remote_;
    AUTO_ERR(err);

    if (remote_open(remote, &err) < 0) {
        loop_timer_after(remote->retry, RETRY_NS);
    } else {
        log_info("%s: opened", remote->target);
        status_changed(remote);
    }
}

static struct ovsdb_remote *remote_new(struct ovsdb_server *server, const char *target)
{
    struct ovsdb_remote *remote = NEW(struct ovsdb_remote);

    remote->server = server;
    remote->target = xstrdup(target);
    remote->probe = -1;
    remote->retry = loop_timer_new(server->loop, on_retry, remote);
    DL_APPEND(server->remotes, remote);
    return remote;
}

// Disconnects the remote's clients too.
static void remote_free(struct ovsdb_remote *remote)
{
    struct ovsdb_server *server = remote->server;
    struct ovsdb_session *session, *next;

    DL_FOREACH_SAFE(server->sessions, session, next)
    if (session->remote == remote)
        ovsdb_session_free(session);
    listener_free(remote->listener);
    jsonrpc_session_free(remote->active);
    loop_timer_free(remote->retry);
    DL_DELETE(server->remotes, remote);
    free(remote->target);
    free(remote);
}

static struct ovsdb_remote *find_remote(const struct ovsdb_server *server, const char *target)
{
    struct ovsdb_remote *remote;

    DL_FOREACH (server->remotes, remote)
        if (!strcmp(remote->target, target))
            return remote;
    return NULL;
}

static void apply_probe(struct ovsdb_remote *remote)
{
    struct ovsdb_session *session;

    DL_FOREACH (remote->server->sessions, session)
        if (session->remote == remote && session->owns_rpc)
            jsonrpc_set_probe(session->rpc, ovsdb_remote_probe(remote));
    if (remote->active)
        jsonrpc_session_set_probe(remote->active, ovsdb_remote_probe(remote));
}

// Wants 'target', as 'row' (may be NULL) says.
static void want(struct ovsdb_server *server, const char *target, const struct ovsdb_row *row)
{
    struct ovsdb_remote *remote = find_remote(server, target);
    bool fresh = !remote;

    if (fresh)
        remote = remote_new(server, target);
    if (remote->wanted)
        return; // the command line, or another row, came first
    remote->wanted = true;
    remote->table = row ? row->table : NULL;
    if (row) {
        const struct ovsdb_datum *probe = row_value(row, "inactivity_probe", OVSDB_INTEGER);
        const struct ovsdb_datum *backoff = row_value(row, "max_backoff", OVSDB_INTEGER);
        const struct ovsdb_datum *read_only = row_value(row, "read_only", OVSDB_BOOLEAN);
        int64_t limit = INT64_MAX / NSEC_PER_MSEC;

        remote->row = row->uuid;
        remote->probe =
            probe ? MAX_OF(MIN_OF(ovsdb_datum_atom(probe)->integer, limit), 0) * NSEC_PER_MSEC : -1;
        remote->max_backoff =
            backoff
                ? MAX_OF(MIN_OF(ovsdb_datum_atom(backoff)->integer, limit), 1000) * NSEC_PER_MSEC
                : 0;
        remote->read_only = read_only && ovsdb_datum_atom(read_only)->boolean;
    }
    if (!fresh) {
        apply_probe(remote);
        return;
    }
    AUTO_ERR(err);
    if (remote_open(remote, &err) < 0) {
        log_warn("%s", err_text(&err));
        loop_timer_after(remote->retry, RETRY_NS);
    }
}

static void want_column(struct ovsdb_server *server, const struct ovsdb_db_spec *spec)
{
    struct ovsdb_row *row, *next;

    HASH_ITER (hh, spec->table->rows, row, next) {
        const struct ovsdb_datum *datum = ovsdb_row_get(row, spec->column);

        for (uint32_t i = 0; i < datum->n; i++) {
            if (datum->key_type == OVSDB_STRING) {
                want(server, datum->keys[i].string.s, NULL);
                continue;
            }
            struct ovsdb_table *table =
                ovsdb_db_table_of(spec->table->db, spec->column->type.key.uuid.ref_table);
            const struct ovsdb_row *asking = ovsdb_table_find(table, &datum->keys[i].uuid);
            const struct ovsdb_datum *target =
                asking ? row_value(asking, "target", OVSDB_STRING) : NULL;

            if (target && target->keys[0].string.len)
                want(server, target->keys[0].string.s, asking);
        }
    }
}

void ovsdb_remotes_update(struct ovsdb_server *server)
{
    struct ovsdb_remote *remote, *next;

    server->remotes_stale = false;
    DL_FOREACH (server->remotes, remote)
        remote->wanted = false;
    for (int from_db = 0; from_db < 2; from_db++) { // the command line's word counts first
        for (unsigned i = 0; i < server->n_specs; i++) {
            struct ovsdb_db_spec spec;

            if (str_starts(server->specs[i], "db:") != from_db)
                continue;
            if (!from_db)
                want(server, server->specs[i], NULL);
            else if (!ovsdb_db_spec_parse(server, server->specs[i], &spec, NULL))
                want_column(server, &spec);
        }
    }
    DL_FOREACH_SAFE(server->remotes, remote, next)
    {
        if (!remote->wanted) {
            log_info("%s: remote deconfigured", remote->target);
            remote_free(remote);
        }
    }
    write_status(server);
}

bool ovsdb_remotes_concern(const struct ovsdb_server *server, const struct ovsdb_change *change)
{
    for (unsigned i = 0; i < server->n_specs; i++) {
        struct ovsdb_db_spec spec;

        if (!str_starts(server->specs[i], "db:") ||
            ovsdb_db_spec_parse(server, server->specs[i], &spec, NULL) < 0)
            continue;
        const struct ovsdb_table_schema *rows =
            spec.column->type.key.type == OVSDB_UUID ? spec.column->type.key.uuid.ref_table : NULL;
        for (unsigned j = 0; j < change->n_rows; j++)
            if (change->rows[j].table == spec.table->schema || change->rows[j].table == rows)
                return true;
    }
    return false;
}

static int find_spec(const struct ovsdb_server *server, const char *spec)
{
    for (unsigned i = 0; i < server->n_specs; i++)
        if (!strcmp(server->specs[i], spec))
            return (int)i;
    return -1;
}

int ovsdb_remotes_add(struct ovsdb_server *server, const char *spec, struct err *err)
{
    struct ovsdb_db_spec parsed;
    int r = 0;

    if (find_spec(server, spec) >= 0)
        return err_set(err, -EEXIST, "\"%s\" is a remote already", spec);
    if (str_starts(spec, "db:")) {
        r = ovsdb_db_spec_parse(server, spec, &parsed, err);
    } else if (!find_remote(server, spec)) {
        struct ovsdb_remote *remote = remote_new(server, spec);

        r = remote_open(remote, err);
        if (r < 0)
            remote_free(remote);
    }
    if (r < 0)
        return r;
    server->specs = xreallocarray(server->specs, server->n_specs + 1, sizeof *server->specs);
    server->specs[server->n_specs++] = xstrdup(spec);
    ovsdb_remotes_update(server);
    return 0;
}

int ovsdb_remotes_remove(struct ovsdb_server *server, const char *spec, struct err *err)
{
    int at = find_spec(server, spec);

    if (at < 0)
        return err_set(err, -ENOENT, "\"%s\" is no remote of this server", spec);
    free(server->specs[at]);
    server->specs[at] = server->specs[--server->n_specs];
    ovsdb_remotes_update(server);
    return 0;
}

void ovsdb_remotes_close(struct ovsdb_server *server)
{
    struct ovsdb_remote *remote, *next;

    DL_FOREACH_SAFE(server->remotes, remote, next)
    remote_free(remote);
}

void ovsdb_remotes_reconnect(struct ovsdb_server *server)
{
    struct ovsdb_remote *remote;

    DL_FOREACH (server->remotes, remote)
        if (remote->active)
            jsonrpc_session_reconnect(remote->active);
}
