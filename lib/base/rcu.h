// SPDX-License-Identifier: Apache-2.0
// Read-copy-update over liburcu's memb flavour.
//
// A reader brackets its use of shared pointers with rcu_enter()/rcu_leave() (nestable, never
// blocks) and loads them with rcu_get(). A writer builds a new object, publishes it with rcu_set()
// and gives the old one to rcu_later() or rcu_free_later(), which release it when no reader can
// still see it. Every thread that reads must be registered: thread_start() does it, main() does it
// with rcu_thread_join() (harmless when repeated).
//
// liburcu's own containers (cds_lfht, cds_list_*_rcu) work inside the same brackets; include
// <urcu/rculfhash.h> after this header and use these wrappers for what they wrap, because they
// carry the annotations that ThreadSanitizer needs.
#pragma once

#include <stdatomic.h>

#include <urcu/urcu-memb.h>

#include "lib/base/compiler.h"

#if defined(__SANITIZE_THREAD__)
#define RCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
#endif

#ifdef RCU_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char rcu_tsan_grace_; // stands for "every reader that was there has left"
#define RCU_TSAN_GIVE(p) __tsan_release(p) // before an object goes into a container of liburcu
#define RCU_TSAN_TAKE(p) __tsan_acquire(p) // after it was found there
#define RCU_TSAN_LEFT() __tsan_release(&rcu_tsan_grace_)
#define RCU_TSAN_WAITED() __tsan_acquire(&rcu_tsan_grace_)
#else
#define RCU_TSAN_GIVE(p) ((void)0)
#define RCU_TSAN_TAKE(p) ((void)0)
#define RCU_TSAN_LEFT() ((void)0)
#define RCU_TSAN_WAITED() ((void)0)
#endif

static inline void rcu_enter(void)
{
    urcu_memb_read_lock();
}
static inline void rcu_leave(void)
{
    RCU_TSAN_LEFT();
    urcu_memb_read_unlock();
}
static inline bool rcu_inside(void)
{
    return urcu_memb_read_ongoing();
}

// Loads a pointer that a writer may replace; valid until the outermost rcu_leave().
#define rcu_get(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
// Publishes: what was written before is visible to whoever gets the pointer.
#define rcu_set(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
// Publishes and returns the old pointer.
#define rcu_swap(p, v) __atomic_exchange_n(&(p), (v), __ATOMIC_ACQ_REL)

void rcu_thread_join(void);  // registers the calling thread; idempotent
void rcu_thread_leave(void); // and the reverse, before the thread ends; idempotent

// Calls fn(object) after a grace period, in liburcu's worker thread. 'head' is a member of the
// object and not used for anything else meanwhile. Never blocks. The worker may call rcu_later().
struct rcu_later {
    struct rcu_head head;
    void (*fn)(void *object);
    void *object;
};
void rcu_later(struct rcu_later *later, void (*fn)(void *object), void *object);
// free(p) after a grace period; allocates a little. NULL is accepted.
void rcu_free_later(void *p);

// Blocks until every reader that is inside now has left. Not inside a read section.
void rcu_wait(void);
// Blocks until everything handed to rcu_later() before has been called: at the end of a test or
// program. Not inside a read section.
void rcu_flush(void);
