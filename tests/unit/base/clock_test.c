// SPDX-License-Identifier: Apache-2.0
// The clock, counters, RCU and threads: what several threads use at once. Meant to run under
// ThreadSanitizer too.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/counter.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "lib/base/thread.h"
#include "tests/unit/test.h"

COUNTER_DEFINE(test_events);
COUNTER_DEFINE(test_never);

static void test_stop_and_warp(void **state)
{
    int64_t before = clock_now();
    clock_stop();
    assert_true(clock_stopped());
    int64_t stopped = clock_now(), wall = clock_wall();
    assert_true(stopped >= before);
    int64_t spin = clock_real() + NSEC_PER_MSEC;
    while (clock_real() < spin)
        ;
    assert_int_equal(clock_now(), stopped);
    assert_int_equal(clock_wall(), wall);
    clock_warp(5 * NSEC_PER_SEC);
    assert_int_equal(clock_now(), stopped + 5 * NSEC_PER_SEC);
    assert_int_equal(clock_wall(), wall + 5 * NSEC_PER_SEC);
    clock_start();
    assert_false(clock_stopped());
    assert_true(clock_now() >= stopped + 5 * NSEC_PER_SEC);
    assert_true(clock_now() < stopped + 60 * NSEC_PER_SEC);
    assert_int_equal(clock_deadline(CLOCK_NEVER), CLOCK_NEVER);
    assert_true(clock_deadline(-1) <= clock_now());
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int64_t deadline;
    int result;
};

static void *wait_for_deadline(void *arg)
{
    struct waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    do
        w->result = clock_cond_wait(&w->cond, &w->lock, w->deadline);
    while (!w->result);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

// A wait of an hour ends as soon as the hour is warped.
static void test_cond_wait(void **state)
{
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct thread *t;
    clock_cond_init(&w.cond);
    clock_stop();
    w.deadline = clock_deadline(3600 * NSEC_PER_SEC);
    int64_t real = clock_real();
    assert_int_equal(thread_start(&t, "waiter", wait_for_deadline, &w, NULL), 0);
    clock_warp(3600 * NSEC_PER_SEC);
    thread_join(t);
    clock_start();
    assert_int_equal(w.result, -ETIMEDOUT);
    assert_true(clock_real() - real < 60 * NSEC_PER_SEC);
    pthread_cond_destroy(&w.cond);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void test_watchers(void **state)
{
    struct clock_watcher a, b;
    int calls_a = 0, calls_b = 0;
    clock_watch(&a, count_call, &calls_a);
    clock_watch(&b, count_call, &calls_b);
    clock_warp(1);
    clock_unwatch(&a);
    clock_warp(1);
    clock_unwatch(&b);
    assert_int_equal(calls_a, 1);
    assert_int_equal(calls_b, 2);
}

#define THREADS 4
#define EVENTS 50000

static void *count_events(void *arg)
{
    for (int i = 0; i < EVENTS; i++)
        counter_inc(test_events);
    counter_add(test_events, 5);
    return NULL;
}

static void test_counters(void **state)
{
    struct thread *threads[THREADS];
    uint64_t last = 0, now;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "counter", count_events, NULL, NULL), 0);
    // Sums taken meanwhile never go back, also when threads end.
    for (int i = 0; i < 1000; i++) {
        assert_true(counter_read("test_events", &now));
        assert_true(now >= last);
        last = now;
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    assert_true(counter_read("test_events", &now));
    assert_int_equal(now, THREADS * (EVENTS + 5));
    assert_false(counter_read("no_such_counter", &now));
    assert_true(counter_read("test_never", &now));
    assert_int_equal(now, 0);
}

static void test_rates(void **state)
{
    // 12 ticks of 10 events: 2 a second in the last 5 s and in the last minute.
    counter_tick(); // what was before
    for (int i = 0; i < 12; i++) {
        counter_add(test_events, 10);
        counter_tick();
    }
    AUTO_FREE char *text = counter_show();
    assert_non_null(strstr(text, "test_events                2.0/sec     2.000/sec"));
    assert_null(strstr(text, "test_never"));
    assert_non_null(strstr(text, "events never hit\n"));
}

struct object {
    struct rcu_later later;
    unsigned value, twice;
};
static struct object *shared; // RCU
static atomic_bool stop_readers;
static atomic_uint released;

static void release(void *arg)
{
    struct object *o = arg;
    o->value = o->twice = 0; // a reader that still looked would notice
    free(o);
    atomic_fetch_add(&released, 1);
}

static void *read_objects(void *arg)
{
    uintptr_t bad = 0;
    while (!atomic_load(&stop_readers)) {
        rcu_enter();
        const struct object *o = rcu_get(shared);
        bad += o->twice != 2 * o->value || !o->value;
        rcu_leave();
    }
    return (void *)bad;
}

static void test_rcu(void **state)
{
    struct thread *readers[2];
    rcu_thread_join();
    rcu_thread_join(); // idempotent
    shared = NEW(struct object);
    shared->value = 1;
    shared->twice = 2;
    for (int i = 0; i < 2; i++)
        assert_int_equal(thread_start(&readers[i], "reader", read_objects, NULL, NULL), 0);
    for (unsigned i = 2; i < 500; i++) {
        struct object *o = NEW(struct object);
        o->value = i;
        o->twice = 2 * i;
        struct object *old = rcu_swap(shared, o);
        rcu_later(&old->later, release, old);
        if (i % 100 == 0)
            rcu_wait();
    }
    rcu_free_later(NULL);
    rcu_free_later(xmalloc(10));
    atomic_store(&stop_readers, true);
    for (int i = 0; i < 2; i++)
        assert_null(thread_join(readers[i]));
    rcu_flush();
    assert_int_equal(atomic_load(&released), 498);
    free(shared);
    rcu_thread_leave();
    rcu_thread_leave();
}

static void *report_name(void *arg)
{
    return xstrdup(thread_name());
}

static void test_thread(void **state)
{
    struct thread *t;
    assert_int_equal(thread_start(&t, "handler7", report_name, NULL, NULL), 0);
    AUTO_FREE char *name = thread_join(t);
    assert_string_equal(name, "handler7");
    assert_string_equal(thread_name(), "");
    assert_true(thread_cpu_count() >= 1);
    assert_null(thread_join(NULL));
}

static void test_hash(void **state)
{
    // Stable values: they end up in flow identifiers.
    uint8_t digest[16];
    hash_bytes128("sluice", 6, 1, digest);
    uint8_t again[16];
    hash_bytes128("sluice", 6, 1, again);
    assert_memory_equal(digest, again, 16);
    hash_bytes128("sluice", 6, 2, again);
    assert_memory_not_equal(digest, again, 16);
    assert_true(hash_bytes("", 0, 0) == UINT64_C(0x2d06800538d394c2)); // XXH3 of nothing
    assert_true(hash_combine(1, 2) != hash_combine(2, 1));
    assert_true(hash_text("a", 0) == hash_bytes("a", 1, 0));
}

int main(void)
{
    clock_tests_enable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_and_warp), cmocka_unit_test(test_cond_wait),
        cmocka_unit_test(test_watchers),      cmocka_unit_test(test_counters),
        cmocka_unit_test(test_rates),         cmocka_unit_test(test_rcu),
        cmocka_unit_test(test_thread),        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
