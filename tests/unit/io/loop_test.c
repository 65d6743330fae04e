// SPDX-License-Identifier: Apache-2.0
// The loop: timers in order on an injected clock, posts from threads, watches, signals.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"
#include "lib/io/loop.h"
#include "tests/unit/test.h"

struct ticker {
    struct loop_timer *timer;
    struct str *order;
    char letter;
    int64_t period; // 0: once; negative: again at once
};

static void on_tick(void *arg)
{
    struct ticker *t = arg;
    str_putc(t->order, t->letter);
    if (t->period)
        loop_timer_after(t->timer, t->period);
}

static void spin(struct loop *loop)
{
    for (int i = 0; i < 5; i++)
        loop_once(loop, false);
}

static void test_timers(void **state)
{
    struct loop *loop = loop_new();
    AUTO(str_done) struct str order = STR_INIT;
    struct ticker t[4] = {{.letter = 'a'}, {.letter = 'b'}, {.letter = 'c'}, {.letter = 'd'}};
    for (int i = 0; i < 4; i++) {
        t[i].order = &order;
        t[i].timer = loop_timer_new(loop, on_tick, &t[i]);
    }
    clock_stop();
    loop_timer_after(t[0].timer, 3 * NSEC_PER_SEC);
    loop_timer_after(t[1].timer, NSEC_PER_SEC);
    loop_timer_after(t[2].timer, NSEC_PER_SEC); // the same deadline: in order of arming
    loop_timer_after(t[3].timer, 2 * NSEC_PER_SEC);
    spin(loop);
    assert_string_equal(str_text(&order), "");
    clock_warp(NSEC_PER_SEC);
    spin(loop);
    assert_string_equal(str_text(&order), "bc");
    loop_timer_cancel(t[3].timer);
    assert_false(loop_timer_armed(t[3].timer));
    assert_int_equal(loop_timer_deadline(t[3].timer), CLOCK_NEVER);
    loop_timer_after(t[1].timer, CLOCK_NEVER);
    clock_warp(10 * NSEC_PER_SEC);
    spin(loop);
    assert_string_equal(str_text(&order), "bca");

    // A timer that is due again at once runs once per pass, so others get their turn.
    str_clear(&order);
    t[0].period = -1;
    loop_timer_at(t[0].timer, clock_now() - 1);
    loop_timer_at(t[1].timer, clock_now());
    loop_once(loop, false);
    assert_string_equal(str_text(&order), "ab");
    loop_once(loop, true);
    assert_string_equal(str_text(&order), "aba");
    clock_start();
    for (int i = 0; i < 4; i++)
        loop_timer_free(t[i].timer);
    loop_free(loop);
}

static void test_timer_runs_in_real_time(void **state)
{
    struct loop *loop = loop_new();
    AUTO(str_done) struct str order = STR_INIT;
    struct ticker t = {.letter = 'x', .order = &order, .period = NSEC_PER_MSEC};
    t.timer = loop_timer_new(loop, on_tick, &t);
    int64_t start = clock_now();
    loop_timer_after(t.timer, NSEC_PER_MSEC);
    while (order.size < 3)
        loop_once(loop, true);
    assert_true(clock_now() - start >= 3 * NSEC_PER_MSEC);
    loop_timer_free(t.timer);
    loop_free(loop);
}

#define N_TIMERS 300

struct random_timer {
    struct loop_timer *timer;
    int64_t *last;
    unsigned fired;
};

static void on_random(void *arg)
{
    struct random_timer *t = arg;
    // Nothing runs before its time, and deadlines never go back within one pass.
    assert_true(*t->last <= clock_now());
    t->fired++;
}

// Sets, moves and cancels at random, against an array that is searched.
static void test_heap_twin(void **state)
{
    struct loop *loop = loop_new();
    static struct random_timer t[N_TIMERS];
    static int64_t twin[N_TIMERS];
    static unsigned expected[N_TIMERS];
    int64_t last = 0;
    random_seed(7);
    clock_stop();
    for (int i = 0; i < N_TIMERS; i++) {
        t[i] = (struct random_timer){.last = &last};
        t[i].timer = loop_timer_new(loop, on_random, &t[i]);
        twin[i] = CLOCK_NEVER;
    }
    for (int step = 0; step < 20000; step++) {
        unsigned i = random_below(N_TIMERS);
        if (random_below(4)) {
            twin[i] = clock_now() + 1 + random_below(1000);
            loop_timer_at(t[i].timer, twin[i]);
        } else {
            twin[i] = CLOCK_NEVER;
            loop_timer_cancel(t[i].timer);
        }
        if (step % 20)
            continue;
        clock_warp(random_below(200));
        loop_once(loop, false);
        loop_once(loop, false);
        for (int j = 0; j < N_TIMERS; j++) {
            if (twin[j] <= clock_now()) {
                expected[j]++;
                twin[j] = CLOCK_NEVER;
            }
            assert_int_equal(t[j].fired, expected[j]);
            assert_int_equal(loop_timer_deadline(t[j].timer), twin[j]);
        }
    }
    clock_start();
    for (int i = 0; i < N_TIMERS; i++)
        loop_timer_free(t[i].timer);
    loop_free(loop);
}

struct poster {
    struct loop *loop;
    unsigned calls, limit;
};

static void repost(void *arg)
{
    struct poster *p = arg;
    if (++p->calls < p->limit)
        loop_post(p->loop, repost, p);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_posts(void **state)
{
    struct loop *loop = loop_new();
    struct poster p = {.loop = loop, .limit = 3};
    unsigned other = 0, gone = 0;
    loop_post(loop, repost, &p);
    loop_post(loop, count, &other);
    loop_post(loop, count, &gone);
    assert_int_equal(loop_unpost(loop, count, &gone), 1);
    loop_once(loop, false);
    assert_int_equal(p.calls, 1); // its repost waits for the next pass
    assert_int_equal(other, 1);
    loop_once(loop, false);
    loop_once(loop, false);
    loop_once(loop, false);
    assert_int_equal(p.calls, 3);
    assert_int_equal(gone, 0);
    loop_post(loop, count, &gone); // dropped uncalled
    loop_free(loop);
    assert_int_equal(gone, 0);
}

#define POSTERS 3
#define POSTS 2000

struct from_thread {
    struct loop *loop;
    unsigned next; // the loop's thread only
    unsigned posted;
    atomic_uint *all;
};

static void arrived(void *arg)
{
    struct from_thread *f = arg;
    f->next++;
    atomic_fetch_add(f->all, 1);
}

static void *post_many(void *arg)
{
    struct from_thread *f = arg;
    for (; f->posted < POSTS; f->posted++)
        loop_post(f->loop, arrived, f);
    return NULL;
}

static void *run_loop(void *arg)
{
    struct loop *loop = arg;
    assert_int_equal(loop_run(loop), 0);
    return NULL;
}

static void test_posts_from_threads(void **state)
{
    struct loop *loop = loop_new();
    struct thread *runner, *posters[POSTERS];
    struct from_thread from[POSTERS];
    atomic_uint all = 0;
    assert_int_equal(thread_start(&runner, "loop", run_loop, loop, NULL), 0);
    for (int i = 0; i < POSTERS; i++) {
        from[i] = (struct from_thread){.loop = loop, .all = &all};
        assert_int_equal(thread_start(&posters[i], "poster", post_many, &from[i], NULL), 0);
    }
    for (int i = 0; i < POSTERS; i++)
        thread_join(posters[i]);
    while (atomic_load(&all) < POSTERS * POSTS)
        sched_yield();
    clock_warp(1); // wakes it once more, from this thread
    loop_stop(loop);
    thread_join(runner);
    assert_true(loop_is_mine(loop));
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(from[i].next, POSTS);
    loop_free(loop);
}

struct piped {
    struct loop_watch *watch;
    unsigned reads, writes;
};

static void on_pipe(int fd, unsigned events, void *arg)
{
    struct piped *p = arg;
    char c;
    if (events & LOOP_READ) {
        assert_int_equal(read(fd, &c, 1), 1);
        p->reads++;
    }
    if (events & LOOP_WRITE) {
        p->writes++;
        loop_watch_set(p->watch, 0);
    }
}

static void free_itself(int fd, unsigned events, void *arg)
{
    struct piped *p = arg;
    p->reads++;
    loop_watch_free(STEAL_PTR(p->watch));
}

static void test_watches(void **state)
{
    struct loop *loop = loop_new();
    int fds[2];
    struct piped r = {0}, w = {0};
    assert_int_equal(pipe(fds), 0);
    r.watch = loop_watch_new(loop, fds[0], LOOP_READ, on_pipe, &r);
    w.watch = loop_watch_new(loop, fds[1], 0, on_pipe, &w);
    spin(loop);
    assert_int_equal(r.reads + w.writes, 0);
    loop_watch_set(w.watch, LOOP_WRITE);
    spin(loop);
    assert_int_equal(w.writes, 1);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    spin(loop); // level-triggered: both bytes come
    assert_int_equal(r.reads, 2);
    loop_watch_free(r.watch);
    r = (struct piped){0};
    r.watch = loop_watch_new(loop, fds[0], LOOP_READ, free_itself, &r);
    assert_int_equal(write(fds[1], "c", 1), 1);
    spin(loop);
    assert_int_equal(r.reads, 1);
    assert_null(r.watch);
    loop_watch_free(w.watch);
    loop_watch_free(NULL);
    close(fds[0]);
    close(fds[1]);
    loop_free(loop);
}

static void on_signal(int signo, void *arg)
{
    *(int *)arg = signo;
}

static void test_signals(void **state)
{
    struct loop *loop = loop_new();
    int got = 0;
    struct loop_signal *s = loop_signal_new(loop, SIGUSR1, on_signal, &got);
    raise(SIGUSR1);
    spin(loop);
    assert_int_equal(got, SIGUSR1);
    loop_signal_free(s);
    loop_signal_free(NULL);
    loop_free(loop);
}

static bool never(void *arg)
{
    return false;
}

static bool is_set(void *arg)
{
    return *(unsigned *)arg != 0;
}

static void test_until(void **state)
{
    struct loop *loop = loop_new();
    unsigned done = 0;
    assert_int_equal(loop_until(loop, never, NULL, NSEC_PER_MSEC), -ETIMEDOUT);
    loop_post(loop, count, &done);
    assert_int_equal(loop_until(loop, is_set, &done, NSEC_PER_SEC), 0);
    loop_free(loop);
    loop_free(NULL);
}

int main(void)
{
    clock_tests_enable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timer_runs_in_real_time),
        cmocka_unit_test(test_heap_twin),
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_posts_from_threads),
        cmocka_unit_test(test_watches),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_until),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
