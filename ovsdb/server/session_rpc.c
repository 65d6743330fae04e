// SPDX-License-Identifier: Apache-2.0
//
// The methods that clients call. See session.h.
//
// A method gets the request and answers it with one call of a reply function, now or (transactions
// that wait) later; what it returns as an error is sent for it. "echo" is answered below us.

#include <stdlib.h>

#include <utlist.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"
#include "ovsdb/server/session.h"
#include "ovsdb/server/trigger.h"

enum { MAX_TRIGGERS = 10000 }; // waiting transactions of one session

typedef struct ovsdb_error *method_fn(struct ovsdb_session *session, const struct jsonrpc_msg *m);

static struct ovsdb_error *find_db(struct ovsdb_session *session, const struct jsonrpc_msg *m,
                                   struct ovsdb_hosted **ret_hosted)
{
    const char *name = json_string_value(json_array_get(m->params, 0));

    if (!name)
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX,
                              "%s request params must begin with <db-name>", m->method);
    *ret_hosted = ovsdb_server_find(session->server, name);
    if (!*ret_hosted)
        return ovsdb_error_at(m->params, OVSDB_E_UNKNOWN_DATABASE,
                              "%s request specifies unknown database %s", m->method, name);
    return NULL;
}

static struct ovsdb_error *list_dbs(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    struct ovsdb_hosted *hosted;
    json_t *names = json_array();

    DL_FOREACH (session->server->dbs, hosted)
        json_array_append_new(names, json_string(hosted->db->schema->name));
    ovsdb_session_reply(session, m->id, names);
    return NULL;
}

static struct ovsdb_error *get_schema(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    struct ovsdb_hosted *hosted;
    struct ovsdb_error *error = find_db(session, m, &hosted);

    if (!error)
        ovsdb_session_reply(session, m->id, ovsdb_schema_to_json(hosted->db->schema));
    return error;
}

static struct ovsdb_error *get_server_id(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    ovsdb_session_reply(session, m->id, json_string(OVSDB_UUID_STR(&session->server->id)));
    return NULL;
}

static struct ovsdb_error *set_db_change_aware(struct ovsdb_session *session,
                                               const struct jsonrpc_msg *m)
{
    const json_t *aware = json_array_get(m->params, 0);

    if (json_array_size(m->params) != 1 || !json_is_boolean(aware))
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX, "expected true or false");
    session->db_change_aware = json_is_true(aware);
    ovsdb_session_reply(session, m->id, json_object());
    return NULL;
}

static struct ovsdb_error *transact(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    struct ovsdb_hosted *hosted;
    int64_t timeout_ms;
    struct ovsdb_error *error = find_db(session, m, &hosted);

    if (error)
        return error;
    json_t *results = ovsdb_session_execute(session, hosted->db, m->params, 0, &timeout_ms);
    if (results)
        ovsdb_session_reply(session, m->id, results);
    else if (session->n_triggers >= MAX_TRIGGERS)
        return ovsdb_error(OVSDB_E_RESOURCES, "%u transactions of this client wait already",
                           session->n_triggers);
    else
        ovsdb_trigger_new(hosted, session, m->id, m->params, timeout_ms);
    ovsdb_server_run_triggers(session->server);
    return NULL;
}

static struct ovsdb_monitor *find_monitor(const struct ovsdb_session *session, const json_t *id)
{
    struct ovsdb_monitor *monitor;

    DL_FOREACH (session->monitors, monitor)
        if (json_equal(monitor->id, id))
            return monitor;
    return NULL;
}

static struct ovsdb_error *new_monitor(struct ovsdb_session *session, const struct jsonrpc_msg *m,
                                       enum ovsdb_monitor_version version,
                                       struct ovsdb_monitor **ret_monitor)
{
    json_t *id = json_array_get(m->params, 1);
    struct ovsdb_hosted *hosted;
    struct ovsdb_error *error = find_db(session, m, &hosted);

    if (error)
        return error;
    if (json_array_size(m->params) != (version == OVSDB_MONITOR_V3 ? 4 : 3))
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX, "%s has a wrong number of parameters",
                              m->method);
    if (find_monitor(session, id))
        return ovsdb_error_at(id, OVSDB_E_SYNTAX, "duplicate monitor ID");
    error = ovsdb_monitor_new(hosted->db, version, id, json_array_get(m->params, 2), ret_monitor);
    if (!error)
        DL_APPEND(session->monitors, *ret_monitor);
    return error;
}

static struct ovsdb_error *monitor(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    bool cond = !strcmp(m->method, "monitor_cond");
    struct ovsdb_monitor *new;
    struct ovsdb_error *error =
        new_monitor(session, m, cond ? OVSDB_MONITOR_V2 : OVSDB_MONITOR_V1, &new);

    if (!error)
        ovsdb_session_reply(session, m->id, ovsdb_monitor_initial(new));
    return error;
}

static struct ovsdb_error *monitor_cond_since(struct ovsdb_session *session,
                                              const struct jsonrpc_msg *m)
{
    const char *last = json_string_value(json_array_get(m->params, 3));
    struct ovsdb_monitor *new;
    struct ovsdb_uuid last_id;

    if (!last || !ovsdb_uuid_parse(last, &last_id))
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX, "<last-txn-id> must be a UUID");
    struct ovsdb_error *error = new_monitor(session, m, OVSDB_MONITOR_V3, &new);
    if (error)
        return error;

    bool found = ovsdb_monitor_resume(new, &last_id);
    json_t *updates = found ? ovsdb_monitor_update(new) : ovsdb_monitor_initial(new);
    ovsdb_session_reply(session, m->id,
                        json_pack("[bso]", found, OVSDB_UUID_STR(&new->position->id),
                                  updates ? updates : json_object()));
    return NULL;
}

static struct ovsdb_error *monitor_cond_change(struct ovsdb_session *session,
                                               const struct jsonrpc_msg *m)
{
    json_t *id = json_array_get(m->params, 0), *new_id = json_array_get(m->params, 1);
    json_t *updates;

    if (json_array_size(m->params) != 3)
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX,
                              "monitor_cond_change must have 3 parameters");
    struct ovsdb_monitor *found = find_monitor(session, id);
    if (!found || found->version == OVSDB_MONITOR_V1)
        return ovsdb_error_at(id, OVSDB_E_UNKNOWN_MONITOR, "no conditional monitor of this name");
    if (!json_equal(id, new_id) && find_monitor(session, new_id))
        return ovsdb_error_at(new_id, OVSDB_E_SYNTAX, "duplicate monitor ID");

    ovsdb_session_flush(session, true); // under the old condition and the old name
    struct ovsdb_error *error =
        ovsdb_monitor_change_conditions(found, json_array_get(m->params, 2), &updates);
    if (error)
        return error;
    json_incref(new_id);
    json_decref(found->id);
    found->id = new_id;
    if (updates)
        jsonrpc_notify(session->rpc, ovsdb_monitor_method(found),
                       ovsdb_monitor_params(found, updates));
    ovsdb_session_reply(session, m->id, json_object());
    return NULL;
}

static struct ovsdb_error *monitor_cancel(struct ovsdb_session *session,
                                          const struct jsonrpc_msg *m)
{
    struct ovsdb_monitor *found = NULL;

    if (json_array_size(m->params) == 1)
        found = find_monitor(session, json_array_get(m->params, 0));
    if (!found) {
        ovsdb_session_reply_error(session, m->id, json_string(OVSDB_E_UNKNOWN_MONITOR));
        return NULL;
    }
    DL_DELETE(session->monitors, found);
    ovsdb_monitor_free(found);
    ovsdb_session_reply(session, m->id, json_object());
    return NULL;
}

static struct ovsdb_lock_waiter *find_lock(const struct ovsdb_session *session, const char *name)
{
    struct ovsdb_lock_waiter *waiter;

    DL_FOREACH2(session->locks, waiter, session_next)
    if (!strcmp(waiter->lock->name, name))
        return waiter;
    return NULL;
}

static struct ovsdb_error *lock_name(const struct jsonrpc_msg *m, const char **ret_name)
{
    *ret_name = json_string_value(json_array_get(m->params, 0));
    if (json_array_size(m->params) != 1 || !*ret_name || !ovsdb_is_id(*ret_name))
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX, "%s request params must be <id>",
                              m->method);
    return NULL;
}

static struct ovsdb_error *lock(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    const char *name;
    struct ovsdb_error *error = lock_name(m, &name);

    if (error)
        return error;
    if (find_lock(session, name))
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX, "must issue \"unlock\" before new \"%s\"",
                              m->method);
    struct ovsdb_lock_waiter *waiter =
        ovsdb_lock_enter(&session->server->locks, name, session, !strcmp(m->method, "steal"));
    DL_APPEND2(session->locks, waiter, session_prev, session_next);
    ovsdb_session_reply(session, m->id, json_pack("{sb}", "locked", ovsdb_lock_owned(waiter)));
    return NULL;
}

static struct ovsdb_error *unlock(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    const char *name;
    struct ovsdb_error *error = lock_name(m, &name);

    if (error)
        return error;
    struct ovsdb_lock_waiter *waiter = find_lock(session, name);
    if (!waiter)
        return ovsdb_error_at(m->params, OVSDB_E_SYNTAX,
                              "\"unlock\" without \"lock\" or \"steal\"");
    DL_DELETE2(session->locks, waiter, session_prev, session_next);
    ovsdb_lock_leave(&session->server->locks, waiter);
    ovsdb_session_reply(session, m->id, json_object());
    return NULL;
}

static struct ovsdb_error *convert(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    return ovsdb_error(OVSDB_E_NOT_SUPPORTED, "conversion of a running database: convert the file "
                                              "with ovsdb-tool while the server is stopped");
}

static const struct method {
    const char *name;
    method_fn *fn;
} methods[] = {
    {"transact", transact},
    {"monitor", monitor},
    {"monitor_cond", monitor},
    {"monitor_cond_since", monitor_cond_since},
    {"monitor_cond_change", monitor_cond_change},
    {"monitor_cancel", monitor_cancel},
    {"lock", lock},
    {"steal", lock},
    {"unlock", unlock},
    {"list_dbs", list_dbs},
    {"get_schema", get_schema},
    {"get_server_id", get_server_id},
    {"set_db_change_aware", set_db_change_aware},
    {"convert", convert},
};

// The only notification that clients send: the waiting transaction of this id is to end.
static void cancel(struct ovsdb_session *session, const struct jsonrpc_msg *m)
{
    struct ovsdb_trigger *trigger, *next;

    if (strcmp(m->method, "cancel") || json_array_size(m->params) != 1)
        return;
    DL_FOREACH_SAFE2(session->triggers, trigger, next, session_next)
    {
        if (json_equal(trigger->id, json_array_get(m->params, 0))) {
            ovsdb_trigger_cancel(trigger, json_string(OVSDB_E_CANCELED));
            return;
        }
    }
}

void ovsdb_session_message(struct ovsdb_session *session, struct jsonrpc_msg *m)
{
    if (m->type == JSONRPC_NOTIFY)
        cancel(session, m);
    if (m->type != JSONRPC_REQUEST)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (strcmp(m->method, methods[i].name))
            continue;
        struct ovsdb_error *error = methods[i].fn(session, m);
        if (error)
            ovsdb_session_reply_error(session, m->id, ovsdb_error_to_json(error));
        ovsdb_error_free(error);
        return;
    }
    ovsdb_session_reply_error(session, m->id, json_string(OVSDB_E_UNKNOWN_METHOD));
}
