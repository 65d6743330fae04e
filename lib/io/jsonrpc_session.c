// SPDX-License-Identifier: Apache-2.0
// An active JSON-RPC connection that comes back.
//
// Each attempt makes a stream and, at once, a jsonrpc over it; connected() is told when the stream
// is. After an end the next attempt waits for the back-off, which an established connection resets.
// Runs in the loop's thread. Invariant: exactly one of 'rpc' and an armed 'timer' exists.
#include <errno.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/io/jsonrpc.h"

struct jsonrpc_session {
    struct loop *loop;
    char *target;
    uint16_t default_port;
    struct jsonrpc_session_cb cb;
    void *arg;
    struct json_frame_limits limits;
    int64_t probe;
    struct backoff backoff;
    struct loop_timer *timer;
    struct jsonrpc *rpc; // an attempt or a connection
    bool connected;
};

static void attempt(void *arg);

static void wait_and_retry(struct jsonrpc_session *ss)
{
    loop_timer_after(ss->timer, backoff_next(&ss->backoff));
}

static void on_connected(struct jsonrpc *rpc, void *arg)
{
    struct jsonrpc_session *ss = arg;
    ss->connected = true;
    backoff_reset(&ss->backoff);
    if (ss->cb.connected)
        ss->cb.connected(ss, rpc, ss->arg);
}

static void on_message(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *arg)
{
    struct jsonrpc_session *ss = arg;
    if (ss->cb.message)
        ss->cb.message(ss, m, ss->arg);
}

static void on_closed(struct jsonrpc *rpc, const struct err *err, void *arg)
{
    struct jsonrpc_session *ss = arg;
    AUTO_ERR(why);
    why = err_clone(err);
    jsonrpc_free(STEAL_PTR(ss->rpc));
    ss->connected = false;
    wait_and_retry(ss);
    if (ss->cb.disconnected)
        ss->cb.disconnected(ss, &why, ss->arg);
}

static const struct jsonrpc_cb callbacks = {
    .connected = on_connected, .message = on_message, .closed = on_closed};

static int try_connect(struct jsonrpc_session *ss, struct err *err)
{
    struct stream *s;
    int error = stream_connect(ss->loop, ss->target, ss->default_port, NULL, NULL, &s, err);
    if (error)
        return error;
    ss->rpc = jsonrpc_new(ss->loop, s, &callbacks, ss, &ss->limits);
    jsonrpc_set_probe(ss->rpc, ss->probe);
    return 0;
}

static void attempt(void *arg)
{
    struct jsonrpc_session *ss = arg;
    AUTO_ERR(why);
    if (try_connect(ss, &why)) { // the name was good once: the TLS identity went away
        wait_and_retry(ss);
        if (ss->cb.disconnected)
            ss->cb.disconnected(ss, &why, ss->arg);
    }
}

int jsonrpc_session_open(struct loop *loop, const char *target, uint16_t default_port,
                         const struct jsonrpc_session_cb *cb, void *arg,
                         const struct json_frame_limits *limits,
                         struct jsonrpc_session **ret_session, struct err *err)
{
    struct jsonrpc_session *ss = NEW(struct jsonrpc_session);
    ss->loop = loop;
    ss->target = xstrdup(target);
    ss->default_port = default_port;
    ss->cb = *cb;
    ss->arg = arg;
    if (limits)
        ss->limits = *limits;
    ss->probe = 5 * NSEC_PER_SEC;
    backoff_init(&ss->backoff, NSEC_PER_SEC, 8 * NSEC_PER_SEC);
    ss->timer = loop_timer_new(loop, attempt, ss);
    int error = try_connect(ss, err);
    if (error) {
        jsonrpc_session_free(ss);
        return error;
    }
    *ret_session = ss;
    return 0;
}

void jsonrpc_session_free(struct jsonrpc_session *ss)
{
    if (ss) {
        jsonrpc_free(ss->rpc);
        loop_timer_free(ss->timer);
        free(ss->target);
        free(ss);
    }
}

struct jsonrpc *jsonrpc_session_rpc(struct jsonrpc_session *ss)
{
    return ss->connected ? ss->rpc : NULL;
}

void jsonrpc_session_set_probe(struct jsonrpc_session *ss, int64_t ns)
{
    ss->probe = ns;
    if (ss->rpc)
        jsonrpc_set_probe(ss->rpc, ns);
}

void jsonrpc_session_set_backoff(struct jsonrpc_session *ss, int64_t min_ns, int64_t max_ns)
{
    backoff_init(&ss->backoff, min_ns, max_ns);
}

void jsonrpc_session_reconnect(struct jsonrpc_session *ss)
{
    jsonrpc_free(STEAL_PTR(ss->rpc));
    ss->connected = false;
    loop_timer_at(ss->timer, clock_now());
}
