// SPDX-License-Identifier: Apache-2.0
// The socket's inside, shared by nlsock.c and nlbatch.c. Not for others.
#pragma once

#include "lib/netlink/nlsock.h"

struct nlk_sock {
    int fd;
    uint32_t port_id;
    uint32_t sequence; // the last one used
    size_t size;       // of 'buffer'
    char *buffer;      // what was received last
    struct nlk_batch *batches;
};

// The next sequence number; never 0, which events carry.
uint32_t nlk_next_sequence(struct nlk_sock *s);

// One datagram from the kernel into s->buffer; senders other than the kernel are ignored. The
// size, or -EAGAIN (nothing there), -ENOBUFS, -EMSGSIZE (it didn't fit and is lost) …
ssize_t nlk_receive(struct nlk_sock *s);
// Blocks until something can be read.
int nlk_wait(struct nlk_sock *s);
