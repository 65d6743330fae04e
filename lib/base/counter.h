// SPDX-License-Identifier: Apache-2.0
// Event counters that are always on ("coverage counters").
//
// COUNTER_DEFINE(name) at file scope, counter_inc(name) where it happens. A count is one add on
// memory of the calling thread: no lock, no shared cache line. Reading sums over threads; the sum
// never misses a finished thread's counts and may lag behind a running thread by its last adds.
// Names are unique in the program (a duplicate shares one count).
#pragma once

#include <stdatomic.h>

#include "lib/base/compiler.h"

#define COUNTER_MAX 512 // how many may be defined; more share one slot called "overflow"

struct counter {
    const char *name;
    unsigned slot;
};

struct counter_block {
    _Atomic uint64_t n[COUNTER_MAX];
};
extern __thread struct counter_block *counter_mine_;
struct counter_block *counter_attach_(void);

#define COUNTER_DEFINE(name_)                                                                      \
    static struct counter counter_##name_ = {.name = #name_};                                      \
    __attribute__((constructor)) static void counter_register_##name_(void)                        \
    {                                                                                              \
        counter_register(&counter_##name_);                                                        \
    }                                                                                              \
    static_assert(1, "")
#define counter_inc(name_) counter_add_(&counter_##name_, 1)
#define counter_add(name_, n) counter_add_(&counter_##name_, (n))

static inline void counter_add_(const struct counter *c, uint64_t n)
{
    struct counter_block *b = counter_mine_;
    if (UNLIKELY(!b))
        b = counter_attach_();
    // Only this thread writes the slot: a plain add, atomic only so that a reader may look.
    uint64_t old = atomic_load_explicit(&b->n[c->slot], memory_order_relaxed);
    atomic_store_explicit(&b->n[c->slot], old + n, memory_order_relaxed);
}

void counter_register(struct counter *c); // from a constructor only

// Takes a sample for the rates. Call it every COUNTER_TICK ns (a loop timer in the main thread).
#define COUNTER_TICK (INT64_C(5) * 1000000000)
void counter_tick(void);

// Total of a counter by name; false: there is none. Thread: any; takes a lock.
bool counter_read(const char *name, uint64_t *ret_total);
// The text of coverage/show: rates over 5 s, a minute, an hour, and totals of those that were ever
// hit. The caller frees it.
char *counter_show(void);
