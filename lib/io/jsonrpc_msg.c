// SPDX-License-Identifier: Apache-2.0
// JSON-RPC messages: from text and to text.
//
// The rules are those of JSON-RPC 1.0 as RFC 7047 section 4 uses it: a message with a method is a
// request or, with id null, a notification; one without has exactly one of result and error that is
// not null. Pure; any thread. Invariant: members that a type doesn't use are NULL.
#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/io/jsonrpc.h"

void jsonrpc_msg_done(struct jsonrpc_msg *m)
{
    if (!m)
        return;
    free(m->method);
    json_decref(m->params);
    json_decref(m->result);
    json_decref(m->error);
    json_decref(m->id);
    *m = (struct jsonrpc_msg){.type = m->type};
}

// A member that is there and not null, as a borrowed reference.
static json_t *member(json_t *json, const char *name)
{
    json_t *v = json_object_get(json, name);
    return json_is_null(v) ? NULL : v;
}

static const char *check_members(json_t *json)
{
    static const char *const known[] = {"method", "params", "result", "error", "id"};
    const char *name;
    json_t *value;
    json_object_foreach (json, name, value) {
        size_t i = 0;
        while (i < ARRAY_SIZE(known) && strcmp(name, known[i]))
            i++;
        if (i == ARRAY_SIZE(known))
            return name;
    }
    return NULL;
}

static int bad(json_t *json, struct err *err, const char *what)
{
    json_decref(json);
    return err_set(err, -EPROTO, "bad JSON-RPC message: %s", what);
}

int jsonrpc_msg_from_json(json_t *json, struct jsonrpc_msg *ret_msg, struct err *err)
{
    if (!json_is_object(json))
        return bad(json, err, "not an object");
    const char *unknown = check_members(json);
    if (unknown) {
        err_set(err, -EPROTO, "bad JSON-RPC message: unknown member \"%s\"", unknown);
        json_decref(json);
        return -EPROTO;
    }
    struct jsonrpc_msg m = {.type = JSONRPC_REPLY};
    json_t *method = member(json, "method"), *params = member(json, "params");
    json_t *error = member(json, "error"), *id = member(json, "id");
    if (method) {
        if (!json_is_string(method))
            return bad(json, err, "method is not a string");
        if (!json_is_array(params))
            return bad(json, err, "params is not an array");
        if (error || member(json, "result"))
            return bad(json, err, "both a method and an answer");
        m.type = id ? JSONRPC_REQUEST : JSONRPC_NOTIFY;
        m.method = xstrdup(json_string_value(method));
        m.params = json_incref(params);
    } else {
        if (params)
            return bad(json, err, "params without a method");
        if (!id)
            return bad(json, err, "an answer without an id");
        if (error) {
            if (member(json, "result"))
                return bad(json, err, "both a result and an error");
            m.type = JSONRPC_ERROR;
            m.error = json_incref(error);
        } else {
            json_t *result = json_object_get(json, "result");
            if (!result)
                return bad(json, err, "no method, result or error");
            m.result = json_incref(result);
        }
    }
    m.id = id ? json_incref(id) : NULL;
    json_decref(json);
    *ret_msg = m;
    return 0;
}

int jsonrpc_msg_parse(const char *text, size_t size, struct jsonrpc_msg *ret_msg, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        return err_set(err, -EPROTO, "broken JSON: %s (at byte %d)", why.text, why.position);
    return jsonrpc_msg_from_json(json, ret_msg, err);
}

char *jsonrpc_msg_text(const struct jsonrpc_msg *m)
{
    // Borrowed members: json_object_set() takes references of its own.
    json_t *json = json_object();
    bool call = m->type == JSONRPC_REQUEST || m->type == JSONRPC_NOTIFY;
    if (call) {
        json_object_set_new(json, "method", json_string(m->method));
        json_object_set(json, "params", m->params);
    } else if (m->type == JSONRPC_REPLY) {
        json_object_set(json, "result", m->result);
        json_object_set_new(json, "error", json_null());
    } else {
        json_object_set_new(json, "result", json_null());
        json_object_set(json, "error", m->error);
    }
    if (m->id)
        json_object_set(json, "id", m->id);
    else
        json_object_set_new(json, "id", json_null());
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text ? text : xstrdup("{}");
}
