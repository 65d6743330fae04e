// SPDX-License-Identifier: Apache-2.0
// Time of this process: monotonic and wall time in nanoseconds, and a way to stop and warp both,
// so that tests of timeouts need not sleep.
//
// Stopped, clock_now() stands still until clock_warp() moves it. Everything that waits for a time
// waits through lib/io/loop.h timers or clock_cond_wait(), and is woken by a warp.
//
// Thread: any, unless said otherwise. Reading costs a clock_gettime() and two relaxed loads.
#pragma once

#include <pthread.h>

#include "lib/base/compiler.h"

#define NSEC_PER_SEC INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_USEC INT64_C(1000)
#define CLOCK_NEVER INT64_MAX // a deadline that doesn't come

int64_t clock_now(void);  // monotonic, injectable; never 0
int64_t clock_wall(void); // since 1970-01-01 UTC, injectable: moves with clock_now()
int64_t clock_real(void); // monotonic and never injected: for measuring durations

static inline int64_t clock_now_ms(void)
{
    return clock_now() / NSEC_PER_MSEC;
}
// 'after' from now, without overflow; negative counts as 0.
int64_t clock_deadline(int64_t after);

// Says that this process may stop its clock, which makes clock_cond_wait() look at the clock every
// few milliseconds. Call it before threads start; clock_stop() and clock_warp() imply it.
void clock_tests_enable(void);
bool clock_tests_enabled(void);

void clock_stop(void);
bool clock_stopped(void);
// Lets real time run on from the present value of clock_now().
void clock_start(void);
// Moves the clock forward (stopped or not) and calls every watcher. 'ns' >= 0.
void clock_warp(int64_t ns);

// 'fn' is called after each stop, start and warp, in the thread that did it, with an internal lock
// held: it may wake somebody (write to an eventfd) and must not call anything of this header but
// clock_now(). clock_unwatch() returns when no call is under way.
struct clock_watcher {
    void (*fn)(void *arg);
    void *arg;
    struct clock_watcher *next, *prev;
};
void clock_watch(struct clock_watcher *w, void (*fn)(void *arg), void *arg);
void clock_unwatch(struct clock_watcher *w);

// A condition variable whose deadline is on clock_now(). Initialise with clock_cond_init().
// Returns 0 (woken, perhaps for nothing) or -ETIMEDOUT (deadline passed). Blocks; 'm' is held by
// the caller as for pthread_cond_wait().
void clock_cond_init(pthread_cond_t *c);
int clock_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline);
