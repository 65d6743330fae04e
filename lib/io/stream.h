// SPDX-License-Identifier: Apache-2.0
// Byte streams over Unix sockets, TCP and TLS, named as the field names them.
//
//     active                     passive
//     unix:FILE                  punix:FILE
//     tcp:HOST[:PORT]            ptcp:[PORT][:HOST]
//     ssl:HOST[:PORT]            pssl:[PORT][:HOST]
//
// HOST is an IPv4 address, an IPv6 address in brackets, or a name (resolved without blocking is not
// offered: only addresses and "localhost"). A FILE that doesn't begin with '/' is in dirs_run(). A
// PORT that is missing is the default port that the caller passes (STREAM_OVSDB_PORT,
// STREAM_OPENFLOW_PORT); port 0 in a passive name lets the kernel choose, see listener_port().
//
// Non-blocking and buffered. Reading stops while the input buffer holds more than the high-water
// mark, so a peer can't fill our memory; the write side takes everything and shows its backlog, so
// the owner decides when to stop producing.
//
// Thread: the loop's thread (lib/io/loop.h). Nothing blocks. A program that uses streams ignores
// SIGPIPE (daemon_start() does it for daemons).
#pragma once

#include "lib/io/loop.h"

#define STREAM_OVSDB_PORT 6640    // IANA "ovsdb", RFC 7047 section 4
#define STREAM_OPENFLOW_PORT 6653 // IANA "openflow"

struct stream;
struct listener;

// What a stream tells its owner. Any member may be NULL. A callback may free the stream.
struct stream_cb {
    // An active stream is connected (and its TLS handshake done). Not called for accepted ones.
    void (*connected)(struct stream *s, void *arg);
    // Input came, or is there still after the owner resumed reading. Called again only when more
    // input arrives: consume all that is complete.
    void (*readable)(struct stream *s, void *arg);
    // The backlog has fallen to the low mark (default: 0) after it was above.
    void (*drained)(struct stream *s, void *arg);
    // The stream is over: 'err' is code 0 for an orderly end by the peer, else what went wrong
    // (-ECONNREFUSED, -ECONNRESET, -EPROTO for TLS …); owned by the stream. Called once, and the
    // last callback; unread input can still be peeked. The owner still frees the stream.
    void (*closed)(struct stream *s, const struct err *err, void *arg);
};

// True if 'target' names an active (passive) stream by its prefix.
bool stream_is_active(const char *target);
bool stream_is_passive(const char *target);

// Begins to connect. A bad name fails at once (-EINVAL with a sentence, *ret untouched), and so
// does ssl: without keys (-ENOKEY); all else, also an immediate refusal, comes through closed().
int stream_connect(struct loop *loop, const char *target, uint16_t default_port,
                   const struct stream_cb *cb, void *arg, struct stream **ret_stream,
                   struct err *err);
// Takes over a connected socket, also on errors. 'name' is copied.
int stream_from_fd(struct loop *loop, int fd, const char *name, const struct stream_cb *cb,
                   void *arg, struct stream **ret_stream, struct err *err);
// Closes at once; unsent output is lost; no callback. NULL is accepted.
void stream_free(struct stream *s);
// Sends what is queued, waits for the peer's end, then closes and frees by itself; input is
// dropped; no more callbacks; gives up after 5 seconds. The caller forgets 's'.
void stream_finish(struct stream *s);

// Another owner: for a stream that came from a listener, inside or after accept().
void stream_set_owner(struct stream *s, const struct stream_cb *cb, void *arg);

const char *stream_name(const struct stream *s);  // "tcp:192.0.2.1:6640", "unix:/run/…", "unix#3"
bool stream_is_connected(const struct stream *s); // false before connected() and after closed()
// Addresses as text without a port ("" for Unix sockets) and ports; valid as long as the stream.
const char *stream_local_ip(const struct stream *s);
const char *stream_peer_ip(const struct stream *s);
uint16_t stream_peer_port(const struct stream *s);

// Input. stream_peek() makes 'n' bytes contiguous and returns them, or NULL if fewer are there;
// stream_peek_some() returns the first contiguous run without copying. Valid until the next call.
size_t stream_available(const struct stream *s);
const void *stream_peek(struct stream *s, size_t n);
const void *stream_peek_some(struct stream *s, size_t *ret_size);
void stream_consume(struct stream *s, size_t n);
// Stops reading while 'bytes' or more are buffered (default 256 kB; up to 16 kB come on top). A
// caller that waits for a bigger message raises it first.
void stream_set_high_water(struct stream *s, size_t bytes);
// Stops and resumes reading altogether.
void stream_pause(struct stream *s, bool paused);

// Output. Always queues all (copied); -EPIPE after closed(). Writing before connected() is allowed.
int stream_write(struct stream *s, const void *data, size_t n);
size_t stream_backlog(const struct stream *s); // bytes not yet given to the kernel
void stream_set_low_mark(struct stream *s, size_t bytes);
// Totals since the stream was made: bytes given to the kernel or received from it.
uint64_t stream_sent(const struct stream *s);
uint64_t stream_received(const struct stream *s);

// Listens. 'accept' gets each new stream and owns it; it sets the callbacks with
// stream_set_owner(). A Unix socket file is replaced if nobody listens on it, created with mode
// 0750 and unlinked by listener_free(). Errors: -EINVAL bad name, -EADDRINUSE (also a live owner of
// the Unix socket), those of bind(2). Out of descriptors, it waits a little and goes on.
typedef void listener_fn(struct listener *l, struct stream *s, void *arg);
int stream_listen(struct loop *loop, const char *target, uint16_t default_port, listener_fn *accept,
                  void *arg, struct listener **ret_listener, struct err *err);
void listener_free(struct listener *l);
uint16_t listener_port(const struct listener *l); // bound TCP port; 0 for Unix sockets
const char *listener_name(const struct listener *l);

// The process's TLS identity, used by every ssl: and pssl: stream that is made afterwards. Files
// are PEM and read now. ca "none" disables checking the peer. All NULL forgets the identity.
// protocols (as "TLSv1.2,TLSv1.3") and ciphers may be NULL. Errors: -ENOENT, -EINVAL with OpenSSL's
// sentence; the old identity stays.
struct stream_tls {
    const char *private_key, *certificate, *ca_cert;
    const char *protocols, *ciphers;
};
int stream_set_tls(const struct stream_tls *tls, struct err *err);
bool stream_has_tls(void);

// Delays between attempts of an active peer: first 1 s, doubled after each failure up to 'max'.
struct backoff {
    int64_t min, max, next;
};
void backoff_init(struct backoff *b, int64_t min_ns, int64_t max_ns);
int64_t backoff_next(struct backoff *b); // the delay before the next attempt
void backoff_reset(struct backoff *b);   // after an attempt that worked
