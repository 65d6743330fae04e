// SPDX-License-Identifier: Apache-2.0
// What the files of the stream share: decoded names, sockets, TLS. Not for others.
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>

#include "lib/io/stream.h"

enum stream_kind { STREAM_UNIX, STREAM_TCP, STREAM_TLS };

// A decoded name, active or passive.
struct stream_target {
    enum stream_kind kind;
    bool passive;
    char *path;                   // STREAM_UNIX: absolute; owned
    struct sockaddr_storage addr; // the others
    socklen_t addr_len;
};
// Pure. -EINVAL with a sentence; *ret untouched.
int stream_target_parse(const char *target, uint16_t default_port, struct stream_target *ret,
                        struct err *err);
void stream_target_done(struct stream_target *t);

// "192.0.2.1" or "2001:db8::1"; "" for a Unix address.
void stream_address_text(const struct sockaddr_storage *addr, char *text, size_t size);
uint16_t stream_address_port(const struct sockaddr_storage *addr);

// bind() or connect() to a path of any length. Negative errno.
int stream_unix_bind(int fd, const char *path);
int stream_unix_connect(int fd, const char *path);

// An accepted socket becomes a stream; the descriptor is consumed. 'tls' makes it the server's side
// of a handshake.
int stream_accepted(struct loop *loop, int fd, bool tls, const char *name,
                    struct stream **ret_stream, struct err *err);

// A TLS session of the process's identity; -ENOKEY without one.
int stream_tls_session(SSL **ret_ssl, struct err *err);
