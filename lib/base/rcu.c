// SPDX-License-Identifier: Apache-2.0
// RCU over liburcu's memb flavour: thread registration and deferred release.
//
// Readers are inline (rcu.h). Deferred functions run in liburcu's call_rcu worker thread, which
// starts at the first use. Invariant: a thread is registered exactly while 'registered' is true.
#include "lib/base/rcu.h"

#include "lib/base/mem.h"

static __thread bool registered;

#ifdef RCU_TSAN
char rcu_tsan_grace_;
#endif

void rcu_thread_join(void)
{
    if (!registered) {
        urcu_memb_register_thread();
        registered = true;
    }
}

void rcu_thread_leave(void)
{
    if (registered) {
        urcu_memb_unregister_thread();
        registered = false;
    }
}

static void run_later(struct rcu_head *head)
{
    struct rcu_later *later = HOLDER_OF(head, struct rcu_later, head);
    RCU_TSAN_WAITED();
    later->fn(later->object);
}

void rcu_later(struct rcu_later *later, void (*fn)(void *object), void *object)
{
    later->fn = fn;
    later->object = object;
    RCU_TSAN_LEFT();
    urcu_memb_call_rcu(&later->head, run_later);
}

struct deferred_free {
    struct rcu_later later;
    void *p;
};

static void run_free(void *object)
{
    struct deferred_free *d = object;
    free(d->p);
    free(d);
}

void rcu_free_later(void *p)
{
    if (!p)
        return;
    struct deferred_free *d = NEW(struct deferred_free);
    d->p = p;
    rcu_later(&d->later, run_free, d);
}

void rcu_wait(void)
{
    assert(!rcu_inside());
    RCU_TSAN_LEFT();
    urcu_memb_synchronize_rcu();
    RCU_TSAN_WAITED();
}

void rcu_flush(void)
{
    assert(!rcu_inside());
    urcu_memb_barrier();
    RCU_TSAN_WAITED();
}
