// SPDX-License-Identifier: Apache-2.0
//
// The conversation with the server: schema, monitor, lock, updates. See replica_impl.h.
//
// After each connection: get_schema, to leave out what the server lacks; then the newest monitor
// method that it knows, tried from monitor_cond_since down, whose answer is either what we missed
// or a dump that replaces the picture. The lock is asked for at once. An answer that makes no sense
// ends the connection; the session comes back after its back-off, RETRY_NS at the earliest.

#include "ovsdb/client/replica_impl.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

LOG_MODULE(ovsdb_client);

#define RETRY_NS NSEC_PER_SEC

static void set_problem(struct replica *r, const char *text)
{
    char *problem = xstrdup(text);

    free(r->problem);
    r->problem = problem;
}

static void try_again(void *r_)
{
    struct replica *r = r_;

    jsonrpc_session_reconnect(r->session);
}

// The server can't be used now.
static void give_up(struct replica *r, const char *why)
{
    log_warn("%s: %s", r->target, why);
    set_problem(r, why);
    r->state = REPLICA_OFFLINE;
    loop_timer_after(r->retry, RETRY_NS);
    replica_news(r);
}

static void give_up_error(struct replica *r, struct ovsdb_error *error)
{
    AUTO_FREE char *sentence = ovsdb_error_to_string(error);

    ovsdb_error_free(error);
    give_up(r, sentence);
}

static json_t *columns_to_ask(const struct replica *r, const struct replica_table *t)
{
    json_t *names = json_array();

    for (unsigned i = OVSDB_N_STD_COLUMNS; i < t->schema->n_columns; i++)
        if (t->server_columns[i] && (!r->any_selected || t->columns >> i & 1))
            json_array_append_new(names, json_string(t->schema->columns[i]->name));
    return names;
}

static void send_monitor(struct replica *r)
{
    static const char *const methods[] = {"", "monitor", "monitor_cond", "monitor_cond_since"};
    json_t *requests = json_object();

    for (unsigned i = 0; i < r->schema->n_tables; i++) {
        const struct replica_table *t = &r->tables[i];

        if (t->server && (!r->any_selected || t->selected))
            json_object_set_new(requests, t->schema->name,
                                json_pack("[{so}]", "columns", columns_to_ask(r, t)));
    }
    json_t *params = json_pack("[s[ss]o]", r->schema->name, "replica", r->schema->name, requests);
    if (r->monitor_version == 3)
        json_array_append_new(params, json_string(OVSDB_UUID_STR(&r->last_id)));
    r->state = REPLICA_MONITOR;
    jsonrpc_request(r->rpc, methods[r->monitor_version], params, &r->monitor_id);
}

// Finds the server's idea of each of our tables and columns.
static void match_schema(struct replica *r)
{
    for (unsigned i = 0; i < r->schema->n_tables; i++) {
        struct replica_table *t = &r->tables[i];

        t->server = ovsdb_schema_table(r->server_schema, t->schema->name);
        for (unsigned j = 0; j < t->schema->n_columns; j++) {
            const struct ovsdb_column *ours = t->schema->columns[j];
            const struct ovsdb_column *theirs =
                t->server ? ovsdb_table_schema_column(t->server, ours->name) : NULL;
            bool same = theirs && theirs->type.key.type == ours->type.key.type &&
                        theirs->type.value.type == ours->type.value.type;

            t->server_columns[j] = same ? theirs : NULL;
        }
    }
}

static void got_schema(struct replica *r, const struct jsonrpc_msg *m)
{
    struct ovsdb_schema *schema;

    if (m->type == JSONRPC_ERROR) {
        AUTO_FREE char *why = xasprintf("the server doesn't serve database %s", r->schema->name);
        give_up(r, why);
        return;
    }
    struct ovsdb_error *error = ovsdb_schema_from_json(m->result, &schema);
    if (error) {
        give_up_error(r, error);
        return;
    }
    ovsdb_schema_unref(r->server_schema);
    r->server_schema = schema;
    match_schema(r);
    send_monitor(r);
}

// The answer of monitor_cond_since: [<found>, <last-txn-id>, <table-updates2>].
static struct ovsdb_error *take_since(struct replica *r, const json_t *result)
{
    const json_t *found = json_array_get(result, 0), *updates = json_array_get(result, 2);
    const char *id = json_string_value(json_array_get(result, 1));
    struct ovsdb_uuid last_id;

    if (json_array_size(result) != 3 || !json_is_boolean(found) || !id ||
        !ovsdb_uuid_parse(id, &last_id))
        return ovsdb_error_at(NULL, OVSDB_E_SYNTAX,
                              "the answer of monitor_cond_since is not understood");
    struct ovsdb_error *error =
        json_is_true(found) ? replica_apply(r, updates, 3) : replica_replace(r, updates, 3);
    if (!error)
        r->last_id = last_id;
    return error;
}

static void got_monitor(struct replica *r, const struct jsonrpc_msg *m)
{
    if (m->type == JSONRPC_ERROR) {
        const char *text = json_string_value(m->error);

        if (text && !strcmp(text, OVSDB_E_UNKNOWN_METHOD) && r->monitor_version > 1) {
            r->monitor_version--;
            send_monitor(r);
            return;
        }
        AUTO_FREE char *error = json_dumps(m->error, JSON_COMPACT | JSON_ENCODE_ANY);
        AUTO_FREE char *why = xasprintf("the server refuses to be monitored: %s", error);
        give_up(r, why);
        return;
    }
    struct ovsdb_error *error = r->monitor_version == 3
                                    ? take_since(r, m->result)
                                    : replica_replace(r, m->result, r->monitor_version);
    if (error) {
        give_up_error(r, error);
        return;
    }
    r->state = REPLICA_CURRENT;
    r->ready = true;
    set_problem(r, "");
    replica_news(r);
}

static void got_lock(struct replica *r, const struct jsonrpc_msg *m)
{
    r->has_lock = m->type == JSONRPC_REPLY && json_is_true(json_object_get(m->result, "locked"));
    r->contended = !r->has_lock;
    replica_news(r);
}

static void got_notification(struct replica *r, const struct jsonrpc_msg *m)
{
    const char *lock = json_string_value(json_array_get(m->params, 0));
    bool update = !strncmp(m->method, "update", 6);
    struct ovsdb_error *error = NULL;

    if (update && r->state != REPLICA_CURRENT)
        return; // of a connection that was given up
    if (!strcmp(m->method, "update")) {
        error = replica_apply(r, json_array_get(m->params, 1), 1);
    } else if (!strcmp(m->method, "update2")) {
        error = replica_apply(r, json_array_get(m->params, 1), 2);
    } else if (!strcmp(m->method, "update3")) {
        const char *id = json_string_value(json_array_get(m->params, 1));

        error = replica_apply(r, json_array_get(m->params, 2), 3);
        if (!error && id)
            ovsdb_uuid_parse(id, &r->last_id);
    } else if (r->lock && lock && !strcmp(lock, r->lock) &&
               (!strcmp(m->method, "locked") || !strcmp(m->method, "stolen"))) {
        r->has_lock = !strcmp(m->method, "locked");
        r->contended = !r->has_lock;
        replica_news(r);
    }
    if (error) {
        memset(&r->last_id, 0, sizeof r->last_id); // begin anew, with a dump
        give_up_error(r, error);
    }
}

static void on_message(struct jsonrpc_session *session, struct jsonrpc_msg *m, void *r_)
{
    struct replica *r = r_;

    if (m->type == JSONRPC_NOTIFY) {
        got_notification(r, m);
        return;
    }
    if (m->type == JSONRPC_REQUEST) {
        jsonrpc_reply_error(r->rpc, json_incref(m->id), json_string(OVSDB_E_UNKNOWN_METHOD));
        return;
    }
    json_int_t id = json_is_integer(m->id) ? json_integer_value(m->id) : -1;
    if (r->state == REPLICA_SCHEMA && id == r->schema_id)
        got_schema(r, m);
    else if (r->state == REPLICA_MONITOR && id == r->monitor_id)
        got_monitor(r, m);
    else if (r->lock && id == r->lock_id)
        got_lock(r, m);
    else
        replica_txn_answer(r, m);
}

static void on_connected(struct jsonrpc_session *session, struct jsonrpc *rpc, void *r_)
{
    struct replica *r = r_;

    r->rpc = rpc;
    r->lock_id = -1;
    if (r->lock)
        jsonrpc_request(rpc, "lock", json_pack("[s]", r->lock), &r->lock_id);
    r->state = REPLICA_SCHEMA;
    jsonrpc_request(rpc, "get_schema", json_pack("[s]", r->schema->name), &r->schema_id);
}

static void on_disconnected(struct jsonrpc_session *session, const struct err *err, void *r_)
{
    struct replica *r = r_;
    bool news = r->rpc || !*r->problem;

    r->rpc = NULL;
    r->state = REPLICA_OFFLINE;
    r->monitor_version = 3; // another server may answer next
    r->has_lock = r->contended = false;
    loop_timer_cancel(r->retry);
    set_problem(r, err_text(err));
    replica_txn_lose_all(r, "the connection to the database was lost");
    if (news)
        replica_news(r);
}

static const struct jsonrpc_session_cb callbacks = {
    .connected = on_connected, .message = on_message, .disconnected = on_disconnected};

void replica_set_lock(struct replica *r, const char *name)
{
    free(r->lock);
    r->lock = xstrdup(name);
    r->lock_id = -1;
    if (r->rpc)
        jsonrpc_request(r->rpc, "lock", json_pack("[s]", r->lock), &r->lock_id);
}

void replica_start(struct replica *r)
{
    AUTO_ERR(err);

    r->retry = loop_timer_new(r->loop, try_again, r);
    if (jsonrpc_session_open(r->loop, r->target, STREAM_OVSDB_PORT, &callbacks, r, NULL,
                             &r->session, &err) < 0)
        give_up(r, err_text(&err));
}

void replica_reconnect(struct replica *r)
{
    if (r->session)
        jsonrpc_session_reconnect(r->session);
}
