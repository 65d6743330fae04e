// SPDX-License-Identifier: Apache-2.0
// One JSON-RPC connection over a stream.
//
// stream.c brings bytes, json_frame.c cuts them, jsonrpc_msg.c decodes them; sessions that
// reconnect are in jsonrpc_session.c. Runs in the loop's thread. Invariants: no callback after
// closed(); when the owner frees the connection from a callback, 'dead' tells the caller up the
// stack.
#include "lib/io/jsonrpc.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define PROBE_ID "echo"

struct jsonrpc {
    struct loop *loop;
    struct stream *stream;
    struct jsonrpc_cb cb;
    void *arg;
    struct json_frame frame;
    json_int_t next_id;
    bool over;  // closed() was called or is on its way
    bool *dead; // set while messages are handed out
    bool paused;
    struct err end;

    int64_t probe;
    struct loop_timer *probe_timer;
    uint64_t received_then; // when the timer was set
    bool probed;
};

static void tell_closed(void *arg)
{
    struct jsonrpc *rpc = arg;
    if (rpc->cb.closed)
        rpc->cb.closed(rpc, &rpc->end, rpc->arg);
}

// Ends the connection for a reason of ours. The callback comes from the loop.
static void fail(struct jsonrpc *rpc, struct err *why)
{
    if (rpc->over)
        return;
    rpc->over = true;
    err_move(&rpc->end, why);
    err_prefix(&rpc->end, "%s", stream_name(rpc->stream));
    stream_pause(rpc->stream, true);
    loop_timer_cancel(rpc->probe_timer);
    loop_post(rpc->loop, tell_closed, rpc);
}

static bool is_probe_answer(const struct jsonrpc_msg *m)
{
    return m->type == JSONRPC_REPLY && json_is_string(m->id) &&
           !strcmp(json_string_value(m->id), PROBE_ID);
}

// Answers echoes itself; all else goes to the owner.
static void dispatch(struct jsonrpc *rpc, struct jsonrpc_msg *m)
{
    if (m->type == JSONRPC_REQUEST && !strcmp(m->method, "echo"))
        jsonrpc_reply(rpc, STEAL_PTR(m->id), STEAL_PTR(m->params));
    else if (!is_probe_answer(m) && rpc->cb.message)
        rpc->cb.message(rpc, m, rpc->arg);
}

static int hand_out(struct jsonrpc *rpc, struct err *err)
{
    const char *text = (const char *)rpc->frame.text.data;
    size_t size = rpc->frame.text.size;
    if (rpc->cb.raw) {
        rpc->cb.raw(rpc, text, size, rpc->arg);
        return 0;
    }
    struct jsonrpc_msg m;
    int error = jsonrpc_msg_parse(text, size, &m, err);
    if (error)
        return error;
    dispatch(rpc, &m);
    jsonrpc_msg_done(&m);
    return 0;
}

static void on_readable(struct stream *s, void *arg)
{
    struct jsonrpc *rpc = arg;
    AUTO_ERR(why);
    bool dead = false;
    size_t size;
    const void *data;
    if (rpc->dead) // called from a callback of ours; the outer one goes on
        return;
    rpc->dead = &dead;
    while (!dead && !rpc->over && !rpc->paused && (data = stream_peek_some(s, &size))) {
        size_t used = 0;
        int result = json_frame_feed(&rpc->frame, data, size, &used, &why);
        stream_consume(s, used);
        if (result == 1)
            result = hand_out(rpc, &why);
        if (!dead && result < 0)
            fail(rpc, &why);
    }
    if (!dead)
        rpc->dead = NULL;
}

static void on_connected(struct stream *s, void *arg)
{
    struct jsonrpc *rpc = arg;
    if (rpc->cb.connected && !rpc->over)
        rpc->cb.connected(rpc, rpc->arg);
}

static void on_drained(struct stream *s, void *arg)
{
    struct jsonrpc *rpc = arg;
    if (rpc->cb.drained && !rpc->over)
        rpc->cb.drained(rpc, rpc->arg);
}

// Everything that came before the end was handed out before; what a paused owner didn't read is
// forgone.
static void on_closed(struct stream *s, const struct err *why, void *arg)
{
    struct jsonrpc *rpc = arg;
    if (rpc->over)
        return;
    rpc->over = true;
    loop_timer_cancel(rpc->probe_timer);
    rpc->end = err_clone(why);
    if (!rpc->end.code && !json_frame_idle(&rpc->frame))
        err_set(&rpc->end, -EPROTO, "%s: the peer closed in the middle of a message",
                stream_name(s));
    tell_closed(rpc);
}

static const struct stream_cb stream_callbacks = {
    .connected = on_connected, .readable = on_readable, .drained = on_drained, .closed = on_closed};

static void on_probe_timer(void *arg)
{
    struct jsonrpc *rpc = arg;
    uint64_t received = stream_received(rpc->stream);
    if (received != rpc->received_then) {
        rpc->probed = false;
    } else if (rpc->probed) {
        AUTO_ERR(why);
        err_set(&why, -ETIMEDOUT, "no answer to a probe for %lld seconds",
                (long long)(rpc->probe / NSEC_PER_SEC));
        fail(rpc, &why);
        return;
    } else {
        rpc->probed = true;
        jsonrpc_request_id(rpc, "echo", json_array(), json_string(PROBE_ID));
    }
    rpc->received_then = received;
    loop_timer_after(rpc->probe_timer, rpc->probe);
}

struct jsonrpc *jsonrpc_new(struct loop *loop, struct stream *s, const struct jsonrpc_cb *cb,
                            void *arg, const struct json_frame_limits *limits)
{
    struct jsonrpc *rpc = NEW(struct jsonrpc);
    rpc->loop = loop;
    rpc->stream = s;
    rpc->cb = *cb;
    rpc->arg = arg;
    json_frame_init(&rpc->frame, limits);
    rpc->probe_timer = loop_timer_new(loop, on_probe_timer, rpc);
    stream_set_owner(s, &stream_callbacks, rpc);
    return rpc;
}

// Everything but the stream.
static void release(struct jsonrpc *rpc)
{
    if (rpc->dead)
        *rpc->dead = true;
    loop_unpost(rpc->loop, tell_closed, rpc);
    loop_timer_free(rpc->probe_timer);
    json_frame_done(&rpc->frame);
    err_done(&rpc->end);
    free(rpc);
}

void jsonrpc_free(struct jsonrpc *rpc)
{
    if (rpc) {
        stream_free(rpc->stream);
        release(rpc);
    }
}

void jsonrpc_finish(struct jsonrpc *rpc)
{
    if (rpc) {
        stream_finish(rpc->stream);
        release(rpc);
    }
}

int jsonrpc_send_text(struct jsonrpc *rpc, const char *text, size_t size)
{
    return rpc->over ? -EPIPE : stream_write(rpc->stream, text, size);
}

// Sends and frees what 'm' owns.
static int send_and_free(struct jsonrpc *rpc, struct jsonrpc_msg *m)
{
    int error = -EPIPE;
    if (!rpc->over) {
        AUTO_FREE char *text = jsonrpc_msg_text(m);
        error = jsonrpc_send_text(rpc, text, strlen(text));
    }
    jsonrpc_msg_done(m);
    return error;
}

int jsonrpc_notify(struct jsonrpc *rpc, const char *method, json_t *params)
{
    struct jsonrpc_msg m = {.type = JSONRPC_NOTIFY, .method = xstrdup(method), .params = params};
    return send_and_free(rpc, &m);
}

int jsonrpc_request(struct jsonrpc *rpc, const char *method, json_t *params, json_int_t *ret_id)
{
    json_int_t id = rpc->next_id++;
    int error = jsonrpc_request_id(rpc, method, params, json_integer(id));
    if (!error && ret_id)
        *ret_id = id;
    return error;
}

int jsonrpc_request_id(struct jsonrpc *rpc, const char *method, json_t *params, json_t *id)
{
    struct jsonrpc_msg m = {
        .type = JSONRPC_REQUEST, .method = xstrdup(method), .params = params, .id = id};
    return send_and_free(rpc, &m);
}

int jsonrpc_reply(struct jsonrpc *rpc, json_t *id, json_t *result)
{
    struct jsonrpc_msg m = {.type = JSONRPC_REPLY, .result = result, .id = id};
    return send_and_free(rpc, &m);
}

int jsonrpc_reply_error(struct jsonrpc *rpc, json_t *id, json_t *error)
{
    struct jsonrpc_msg m = {.type = JSONRPC_ERROR, .error = error, .id = id};
    return send_and_free(rpc, &m);
}

size_t jsonrpc_backlog(const struct jsonrpc *rpc)
{
    return stream_backlog(rpc->stream);
}

const char *jsonrpc_name(const struct jsonrpc *rpc)
{
    return stream_name(rpc->stream);
}

struct stream *jsonrpc_stream(struct jsonrpc *rpc)
{
    return rpc->stream;
}

void jsonrpc_pause(struct jsonrpc *rpc, bool paused)
{
    if (rpc->paused == paused || rpc->over)
        return;
    rpc->paused = paused;
    stream_pause(rpc->stream, paused);
}

void jsonrpc_set_probe(struct jsonrpc *rpc, int64_t ns)
{
    rpc->probe = ns;
    rpc->probed = false;
    rpc->received_then = stream_received(rpc->stream);
    if (ns && !rpc->over)
        loop_timer_after(rpc->probe_timer, ns);
    else
        loop_timer_cancel(rpc->probe_timer);
}
