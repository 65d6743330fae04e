// SPDX-License-Identifier: Apache-2.0
// The named locks of a server (RFC 7047 sections 4.1.8 to 4.1.10). Each has a queue of sessions;
// the first owns it. Thread: the committing thread.
#pragma once

#include <uthash.h>

#include "lib/base/compiler.h"

struct ovsdb_lock;

// One session's place in the queue of one lock.
struct ovsdb_lock_waiter {
    struct ovsdb_lock_waiter *next, *prev;                 // the lock's queue
    struct ovsdb_lock_waiter *session_next, *session_prev; // the session's list
    struct ovsdb_lock *lock;
    void *session;
};

struct ovsdb_lock {
    UT_hash_handle hh;
    struct ovsdb_lock_waiter *queue;
    char name[];
};

struct ovsdb_locks {
    struct ovsdb_lock *all; // uthash by name
    // Tells a session that it got ("locked") or lost ("stolen") a lock otherwise than by a reply.
    void (*notify)(void *session, const char *method, const char *lock);
};

// Puts the session into the queue: at its end, or, stealing, at its head. The waiter is owned by
// the locks until ovsdb_lock_leave(). The session must not be in this queue yet.
struct ovsdb_lock_waiter *ovsdb_lock_enter(struct ovsdb_locks *locks, const char *name,
                                           void *session, bool steal);
// Leaves the queue; the next in it, if any, is told that it owns the lock now.
void ovsdb_lock_leave(struct ovsdb_locks *locks, struct ovsdb_lock_waiter *waiter);
static inline bool ovsdb_lock_owned(const struct ovsdb_lock_waiter *waiter)
{
    return waiter->lock->queue == waiter;
}
