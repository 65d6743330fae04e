// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 1.0 as OVSDB (RFC 7047 section 4) and the control socket speak it.
//
// struct jsonrpc is one connection over a stream; struct jsonrpc_session keeps an active connection
// alive: reconnects with back-off, probes. Both answer the peer's "echo" requests themselves.
// Thread: the loop's thread. Nothing blocks.
#pragma once

#include <jansson.h>

#include "lib/io/json_frame.h"
#include "lib/io/stream.h"

enum jsonrpc_type { JSONRPC_REQUEST, JSONRPC_NOTIFY, JSONRPC_REPLY, JSONRPC_ERROR };

// A message. The members that its type doesn't use are NULL.
struct jsonrpc_msg {
    enum jsonrpc_type type;
    char *method;   // request, notify
    json_t *params; // request, notify: an array
    json_t *result; // reply
    json_t *error;  // error: not JSON null
    json_t *id;     // request, reply, error
};
void jsonrpc_msg_done(struct jsonrpc_msg *m);
// Decodes one object's text. Thread: any. -EPROTO with a sentence; *ret untouched.
int jsonrpc_msg_parse(const char *text, size_t size, struct jsonrpc_msg *ret_msg, struct err *err);
// The same for a JSON value, which is consumed (also on errors).
int jsonrpc_msg_from_json(json_t *json, struct jsonrpc_msg *ret_msg, struct err *err);
// The wire form, for free(). Thread: any.
char *jsonrpc_msg_text(const struct jsonrpc_msg *m);

struct jsonrpc;

struct jsonrpc_cb {
    // The stream under an active connection is connected.
    void (*connected)(struct jsonrpc *rpc, void *arg);
    // A message came (echo requests, and replies to our probes, don't). The callee may take members
    // out by setting them NULL; the rest is freed after it returns. It may free the connection.
    void (*message)(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *arg);
    // Instead of message(), when not NULL: the undecoded text of a message (also of echoes, which
    // the callee then answers), for owners that decode in other threads. 'text' is valid during the
    // call only.
    void (*raw)(struct jsonrpc *rpc, const char *text, size_t size, void *arg);
    // The backlog is empty again.
    void (*drained)(struct jsonrpc *rpc, void *arg);
    // The connection is over: by the peer (code 0), by a network error, by broken JSON (-EPROTO),
    // by an unanswered probe (-ETIMEDOUT). Last callback; the owner frees 'rpc'.
    void (*closed)(struct jsonrpc *rpc, const struct err *err, void *arg);
};

// Takes over the stream, which is of that loop. 'limits' may be NULL.
struct jsonrpc *jsonrpc_new(struct loop *loop, struct stream *s, const struct jsonrpc_cb *cb,
                            void *arg, const struct json_frame_limits *limits);
void jsonrpc_free(struct jsonrpc *rpc);   // closes at once
void jsonrpc_finish(struct jsonrpc *rpc); // closes when everything queued is sent

// Sending consumes the references that are passed, also on errors. -EPIPE after closed().
int jsonrpc_notify(struct jsonrpc *rpc, const char *method, json_t *params);
// A request with a fresh integer id, which is put into *ret_id (may be NULL) as a borrowed number.
int jsonrpc_request(struct jsonrpc *rpc, const char *method, json_t *params, json_int_t *ret_id);
int jsonrpc_request_id(struct jsonrpc *rpc, const char *method, json_t *params, json_t *id);
int jsonrpc_reply(struct jsonrpc *rpc, json_t *id, json_t *result);
int jsonrpc_reply_error(struct jsonrpc *rpc, json_t *id, json_t *error);
// Text that is already encoded (one JSON object).
int jsonrpc_send_text(struct jsonrpc *rpc, const char *text, size_t size);

size_t jsonrpc_backlog(const struct jsonrpc *rpc); // unsent bytes
const char *jsonrpc_name(const struct jsonrpc *rpc);
struct stream *jsonrpc_stream(struct jsonrpc *rpc);
// Stops and resumes reading, for an owner that is behind.
void jsonrpc_pause(struct jsonrpc *rpc, bool paused);
// Sends an echo request after 'ns' without input, and closes after another 'ns' without any.
// 0 (the default here) never probes.
void jsonrpc_set_probe(struct jsonrpc *rpc, int64_t ns);

// An active connection that comes back.
struct jsonrpc_session;

struct jsonrpc_session_cb {
    // (Re)connected: 'rpc' is what to send on until disconnected(); don't keep it longer.
    void (*connected)(struct jsonrpc_session *ss, struct jsonrpc *rpc, void *arg);
    void (*message)(struct jsonrpc_session *ss, struct jsonrpc_msg *m, void *arg);
    // Was connected, or an attempt failed; the next one comes by itself. 'err' says why.
    void (*disconnected)(struct jsonrpc_session *ss, const struct err *err, void *arg);
};
// 'target' is an active name. Probes every 5 s, back-off 1 to 8 s. -EINVAL, -ENOKEY as
// stream_connect(). The first callback comes from the loop, never from inside this call.
int jsonrpc_session_open(struct loop *loop, const char *target, uint16_t default_port,
                         const struct jsonrpc_session_cb *cb, void *arg,
                         const struct json_frame_limits *limits,
                         struct jsonrpc_session **ret_session, struct err *err);
void jsonrpc_session_free(struct jsonrpc_session *ss);
struct jsonrpc *jsonrpc_session_rpc(struct jsonrpc_session *ss); // NULL: not connected
void jsonrpc_session_set_probe(struct jsonrpc_session *ss, int64_t ns);
void jsonrpc_session_set_backoff(struct jsonrpc_session *ss, int64_t min_ns, int64_t max_ns);
// Drops the connection and connects again at once; disconnected() is not called for it.
void jsonrpc_session_reconnect(struct jsonrpc_session *ss);
