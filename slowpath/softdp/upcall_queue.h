// SPDX-License-Identifier: Apache-2.0
// The way of a missed packet to a handler: a bounded queue with many producers that never wait (forwarding threads) and one
// consumer that may (the handler).
#pragma once

#include "lib/contract/datapath.h"

struct upcall_queue;

struct upcall_queue *upcall_queue_new(size_t limit, struct err *); // NULL with a sentence: no descriptor left
void upcall_queue_free(struct upcall_queue *); // what still waits is dropped

// Takes the upcall (its packet with it). A full queue drops and counts it. Any thread, doesn't block.
void upcall_queue_put(struct upcall_queue *, const struct upcall *);
// Waits until there is something, or until upcall_queue_wake(). Returns how many were moved to `ret`. One thread.
int upcall_queue_take(struct upcall_queue *, struct upcall *ret, size_t max);
void upcall_queue_wake(struct upcall_queue *);
uint64_t upcall_queue_lost(const struct upcall_queue *);
