// SPDX-License-Identifier: Apache-2.0
// The control socket's server side.
//
// A listener makes one JSON-RPC connection per client; a request becomes a struct control_call that
// lives until it is answered, also when its client or the whole socket is gone by then. Standard
// commands are in control_std.c, the client in control_client.c. Runs in the loop's thread.
// Invariant: call->client is NULL once the client is gone, so answering then just frees the call.
#include "lib/io/control.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/control_private.h"
#include "lib/io/jsonrpc.h"

LOG_MODULE(unixctl);

struct command {
    char *name, *usage;
    unsigned min, max;
    control_fn *fn;
    void *aux;
    UT_hash_handle hh;
};

struct client {
    struct control *control;
    struct jsonrpc *rpc;
    struct control_call *calls; // not answered yet
    struct client *next, *prev;
};

struct control_call {
    struct client *client; // NULL: gone
    json_t *id;
    struct control_call *next, *prev;
};

struct control {
    struct loop *loop;
    char *path;
    struct listener *listener;
    struct command *commands;
    struct client *clients;
    struct control_std *std;
};

static void client_free(struct client *c)
{
    struct control_call *call, *next;
    DL_FOREACH_SAFE(c->calls, call, next)
    {
        DL_DELETE(c->calls, call);
        call->client = NULL;
    }
    DL_DELETE(c->control->clients, c);
    jsonrpc_free(c->rpc);
    free(c);
}

// Ends the call with a result or an error text.
static void answer(struct control_call *call, const char *text, bool failed)
{
    AUTO(str_done) struct str s = STR_INIT;
    str_put(&s, text ? text : "");
    if (s.size && s.text[s.size - 1] != '\n')
        str_putc(&s, '\n');
    struct client *c = call->client;
    if (c) {
        json_t *body = json_stringn(str_text(&s), s.size);
        if (!body)
            body = json_string("the answer is not UTF-8\n");
        DL_DELETE(c->calls, call);
        if (failed)
            jsonrpc_reply_error(c->rpc, STEAL_PTR(call->id), body);
        else
            jsonrpc_reply(c->rpc, STEAL_PTR(call->id), body);
    }
    json_decref(call->id);
    free(call);
}

void control_reply(struct control_call *call, const char *text)
{
    answer(call, text, false);
}

void control_reply_error(struct control_call *call, const char *text)
{
    answer(call, text, true);
}

void control_reply_err(struct control_call *call, const struct err *err)
{
    answer(call, err_text(err), true);
}

// Calls the command's function, if the request is good.
static void run(struct control *control, struct control_call *call, const struct jsonrpc_msg *m)
{
    struct command *cmd;
    HASH_FIND_STR(control->commands, m->method, cmd);
    size_t n = json_array_size(m->params);
    AUTO_FREE char *why = NULL;
    if (!cmd)
        why = xasprintf("\"%s\" is not a valid command (use \"list-commands\" to see a list of "
                        "valid commands)",
                        m->method);
    else if (n < cmd->min)
        why = xasprintf("\"%s\" command requires at least %u arguments", m->method, cmd->min);
    else if (n > cmd->max)
        why = xasprintf("\"%s\" command takes at most %u arguments", m->method, cmd->max);
    AUTO_FREE const char **argv = NEW_ARRAY(const char *, n + 2);
    argv[0] = m->method;
    for (size_t i = 0; i < n && !why; i++) {
        argv[i + 1] = json_string_value(json_array_get(m->params, i));
        if (!argv[i + 1])
            why = xasprintf("\"%s\" command has non-string argument", m->method);
    }
    if (why)
        control_reply_error(call, why);
    else
        cmd->fn(call, (int)n + 1, argv, cmd->aux);
}

static void on_message(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *arg)
{
    struct client *c = arg;
    if (m->type != JSONRPC_REQUEST) {
        log_warn("control client sent something other than a request");
        client_free(c);
        return;
    }
    struct control_call *call = NEW(struct control_call);
    call->client = c;
    call->id = STEAL_PTR(m->id);
    DL_APPEND(c->calls, call);
    log_dbg("received request %s", m->method);
    run(c->control, call, m);
}

static void on_closed(struct jsonrpc *rpc, const struct err *err, void *arg)
{
    if (err->code)
        log_warn("control connection ended: %s", err_text(err));
    client_free(arg);
}

static void on_accept(struct listener *l, struct stream *s, void *arg)
{
    static const struct jsonrpc_cb callbacks = {.message = on_message, .closed = on_closed};
    static const struct json_frame_limits limits = {.max_size = 1024 * 1024};
    struct control *control = arg;
    struct client *c = NEW(struct client);
    c->control = control;
    c->rpc = jsonrpc_new(control->loop, s, &callbacks, c, &limits);
    DL_APPEND(control->clients, c);
}

static int by_name(const struct command *a, const struct command *b)
{
    return strcmp(a->name, b->name);
}

static void list_commands(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct control *control = aux;
    AUTO(str_done) struct str s = STR_INIT;
    struct command *cmd, *next;
    HASH_SORT(control->commands, by_name);
    str_put(&s, "The available commands are:\n");
    HASH_ITER (hh, control->commands, cmd, next) {
        str_printf(&s, "  %-23s %s\n", cmd->name, cmd->usage);
    }
    control_reply(call, str_text(&s));
}

int control_open(struct loop *loop, const char *path, struct control **ret_control, struct err *err)
{
    struct control *control = NEW(struct control);
    AUTO_FREE char *target = xasprintf("punix:%s", path);
    control->loop = loop;
    control->path = xstrdup(path);
    int error = stream_listen(loop, target, 0, on_accept, control, &control->listener, err);
    if (error) {
        control_close(control);
        err_prefix(err, "control socket");
        return error;
    }
    control_register(control, "list-commands", "", 0, 0, list_commands, control);
    *ret_control = control;
    return 0;
}

static void command_free(struct command *cmd)
{
    free(cmd->name);
    free(cmd->usage);
    free(cmd);
}

// Sends what is queued and forgets the client.
static void client_finish(struct client *c)
{
    struct control_call *call;
    DL_FOREACH (c->calls, call)
        call->client = NULL;
    jsonrpc_finish(c->rpc);
    free(c);
}

void control_close(struct control *c)
{
    if (!c)
        return;
    struct client *client, *next_client;
    DL_FOREACH_SAFE(c->clients, client, next_client)
    client_finish(client);
    struct command *cmd, *next;
    HASH_ITER (hh, c->commands, cmd, next) {
        HASH_DEL(c->commands, cmd);
        command_free(cmd);
    }
    control_std_free(c->std);
    listener_free(c->listener);
    free(c->path);
    free(c);
}

const char *control_path(const struct control *c)
{
    return c->path;
}

void control_register(struct control *c, const char *name, const char *usage, unsigned min,
                      unsigned max, control_fn *fn, void *aux)
{
    struct command *old, *cmd = NEW(struct command);
    *cmd = (struct command){.name = xstrdup(name),
                            .usage = xstrdup(usage),
                            .min = min,
                            .max = max,
                            .fn = fn,
                            .aux = aux};
    HASH_FIND_STR(c->commands, name, old);
    if (old) {
        HASH_DEL(c->commands, old);
        command_free(old);
    }
    HASH_ADD_KEYPTR(hh, c->commands, cmd->name, strlen(cmd->name), cmd);
}

void control_add_standard(struct control *c, const char *version)
{
    control_std_free(c->std);
    c->std = control_std_new(c, c->loop, version);
}
