// SPDX-License-Identifier: Apache-2.0
// The injectable clock.
//
// clock_now() is the kernel's monotonic clock, or a frozen value of it, plus an offset that only
// warps move; both are atomics, so reading never locks. Writers (stop, start, warp: tests only)
// take the watchers' lock. Threads that wait in clock_cond_wait() are not woken by a warp; where
// the clock may be injected they look at it every few milliseconds instead, which can't miss a
// warp and can't deadlock. Loops are woken as watchers.
#include "lib/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <utlist.h>

#define POLL_INTERVAL (5 * NSEC_PER_MSEC)

static _Atomic int64_t frozen_at; // value of the real clock when it was stopped; 0: runs
static _Atomic int64_t offset;    // what warps and restarts added
static _Atomic int64_t wall_lead; // wall clock minus real clock when it was stopped
static atomic_bool tests_enabled;

static pthread_mutex_t watchers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct clock_watcher *watchers; // under watchers_lock

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_real(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_now(void)
{
    int64_t base = atomic_load_explicit(&frozen_at, memory_order_acquire);
    if (!base)
        base = clock_real();
    return base + atomic_load_explicit(&offset, memory_order_acquire);
}

int64_t clock_wall(void)
{
    int64_t base = atomic_load_explicit(&frozen_at, memory_order_acquire);
    int64_t wall = base ? base + atomic_load_explicit(&wall_lead, memory_order_relaxed)
                        : read_clock(CLOCK_REALTIME);
    return wall + atomic_load_explicit(&offset, memory_order_acquire);
}

int64_t clock_deadline(int64_t after)
{
    int64_t now = clock_now();
    if (after <= 0)
        return now;
    return after >= CLOCK_NEVER - now ? CLOCK_NEVER : now + after;
}

void clock_tests_enable(void)
{
    atomic_store(&tests_enabled, true);
}

bool clock_tests_enabled(void)
{
    return atomic_load(&tests_enabled);
}

static void call_watchers(void)
{
    struct clock_watcher *w;
    DL_FOREACH (watchers, w)
        w->fn(w->arg);
}

void clock_stop(void)
{
    clock_tests_enable();
    pthread_mutex_lock(&watchers_lock);
    if (!atomic_load(&frozen_at)) {
        int64_t now = clock_real();
        atomic_store(&wall_lead, read_clock(CLOCK_REALTIME) - now);
        atomic_store(&frozen_at, now);
    }
    call_watchers();
    pthread_mutex_unlock(&watchers_lock);
}

bool clock_stopped(void)
{
    return atomic_load(&frozen_at) != 0;
}

void clock_start(void)
{
    pthread_mutex_lock(&watchers_lock);
    int64_t base = atomic_load(&frozen_at);
    if (base) {
        // A reader between the two stores sees a time that is ahead; only tests start a clock
        // again.
        int64_t behind = base - clock_real();
        atomic_store(&frozen_at, 0);
        atomic_fetch_add(&offset, behind);
    }
    call_watchers();
    pthread_mutex_unlock(&watchers_lock);
}

void clock_warp(int64_t ns)
{
    assert(ns >= 0);
    clock_tests_enable();
    pthread_mutex_lock(&watchers_lock);
    atomic_fetch_add(&offset, ns);
    call_watchers();
    pthread_mutex_unlock(&watchers_lock);
}

void clock_watch(struct clock_watcher *w, void (*fn)(void *arg), void *arg)
{
    w->fn = fn;
    w->arg = arg;
    pthread_mutex_lock(&watchers_lock);
    DL_APPEND(watchers, w);
    pthread_mutex_unlock(&watchers_lock);
}

void clock_unwatch(struct clock_watcher *w)
{
    pthread_mutex_lock(&watchers_lock);
    DL_DELETE(watchers, w);
    pthread_mutex_unlock(&watchers_lock);
}

void clock_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

int clock_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline == CLOCK_NEVER ? CLOCK_NEVER : deadline - clock_now();
        if (left <= 0)
            return -ETIMEDOUT;
        bool injectable = clock_tests_enabled();
        if (left == CLOCK_NEVER && !injectable)
            return -pthread_cond_wait(c, m);
        if (injectable && left > POLL_INTERVAL)
            left = POLL_INTERVAL;
        int64_t until = clock_real() + left;
        struct timespec ts = {until / NSEC_PER_SEC, until % NSEC_PER_SEC};
        int error = pthread_cond_timedwait(c, m, &ts);
        if (error != ETIMEDOUT)
            return -error;
    }
}
