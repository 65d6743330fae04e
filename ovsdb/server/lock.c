// SPDX-License-Identifier: Apache-2.0
//
// Locks. See lock.h. A session from which a lock is stolen stays in the queue behind the thief and
// may own it again; it leaves by "unlock" alone.

#include "ovsdb/server/lock.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "lib/base/mem.h"

struct ovsdb_lock_waiter *ovsdb_lock_enter(struct ovsdb_locks *locks, const char *name,
                                           void *session, bool steal)
{
    struct ovsdb_lock *lock;

    HASH_FIND_STR(locks->all, name, lock);
    if (!lock) {
        size_t len = strlen(name);

        lock = xcalloc(1, sizeof *lock + len + 1);
        memcpy(lock->name, name, len);
        HASH_ADD_KEYPTR(hh, locks->all, lock->name, len, lock);
    }

    struct ovsdb_lock_waiter *waiter = NEW(struct ovsdb_lock_waiter);
    waiter->lock = lock;
    waiter->session = session;
    if (steal) {
        if (lock->queue)
            locks->notify(lock->queue->session, "stolen", name);
        DL_PREPEND(lock->queue, waiter);
    } else {
        DL_APPEND(lock->queue, waiter);
    }
    return waiter;
}

void ovsdb_lock_leave(struct ovsdb_locks *locks, struct ovsdb_lock_waiter *waiter)
{
    struct ovsdb_lock *lock = waiter->lock;
    bool owned = ovsdb_lock_owned(waiter);

    DL_DELETE(lock->queue, waiter);
    free(waiter);
    if (!lock->queue) {
        HASH_DEL(locks->all, lock);
        free(lock);
    } else if (owned) {
        locks->notify(lock->queue->session, "locked", lock->name);
    }
}
