// SPDX-License-Identifier: Apache-2.0
// The event loop over libevent.
//
// libevent watches descriptors and signals. Timers live in a heap of ours, ordered by deadline on
// the injectable clock and then by the order of arming; one libevent timer is armed for the first
// of them. Posts and stops from other threads arrive over an eventfd, and so does a warp of the
// clock. Only 'posted', 'stop' and the eventfd are touched by other threads. Invariants: heap[i]
// knows its place i; the libevent timer is armed for heap[0] or not at all while the clock stands.
#include "lib/io/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/thread.h"
#include "lib/io/loop_private.h"

struct post {
    void (*fn)(void *arg);
    void *arg;
    struct post *next, *prev;
};

struct loop {
    struct event_base *base;
    pthread_t owner; // while 'owned'
    atomic_bool owned;
    atomic_bool stop;

    pthread_mutex_t posted_lock;
    struct post *posted;  // under posted_lock
    struct post *running; // taken from posted by the present pass; the loop's thread only

    int wake_fd;
    struct event *wake_event;
    struct clock_watcher clock_watcher;

    struct event *timer_event;
    struct loop_timer **heap;
    size_t n_timers, capacity;
    uint64_t timer_sequence;

    struct loop_orphan *orphans;
};

struct loop_watch {
    struct loop *loop;
    struct event *event;
    int fd;
    unsigned events;
    loop_watch_fn *fn;
    void *arg;
};

struct loop_timer {
    struct loop *loop;
    loop_timer_fn *fn;
    void *arg;
    int64_t deadline; // CLOCK_NEVER: not in the heap
    uint64_t sequence;
    size_t place;
};

struct loop_signal {
    struct loop *loop;
    struct event *event;
    loop_signal_fn *fn;
    void *arg;
};

static void wake(void *arg)
{
    struct loop *loop = arg;
    uint64_t one = 1;
    ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));
    (void)ignored; // full means that it is awake already
}

bool loop_is_mine(const struct loop *loop)
{
    return !atomic_load(&loop->owned) || pthread_equal(loop->owner, pthread_self());
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

// ---- Timers

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

static void heap_place(struct loop *loop, size_t i, struct loop_timer *t)
{
    loop->heap[i] = t;
    t->place = i;
}

static void heap_up(struct loop *loop, size_t i, struct loop_timer *t)
{
    while (i && earlier(t, loop->heap[(i - 1) / 2])) {
        heap_place(loop, i, loop->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_place(loop, i, t);
}

static void heap_down(struct loop *loop, size_t i, struct loop_timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= loop->n_timers)
            break;
        if (child + 1 < loop->n_timers && earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!earlier(loop->heap[child], t))
            break;
        heap_place(loop, i, loop->heap[child]);
        i = child;
    }
    heap_place(loop, i, t);
}

static void heap_remove(struct loop_timer *t)
{
    struct loop *loop = t->loop;
    size_t i = t->place;
    struct loop_timer *last = loop->heap[--loop->n_timers];
    t->deadline = CLOCK_NEVER;
    if (last == t)
        return;
    if (i && earlier(last, loop->heap[(i - 1) / 2]))
        heap_up(loop, i, last);
    else
        heap_down(loop, i, last);
}

static void arm(struct loop *loop)
{
    if (!loop->n_timers) {
        event_del(loop->timer_event);
        return;
    }
    int64_t left = loop->heap[0]->deadline - clock_now();
    if (left > 0 && clock_stopped()) { // a warp or start will wake us
        event_del(loop->timer_event);
        return;
    }
    left = MAX_OF(left, (int64_t)0);
    struct timeval tv = {left / NSEC_PER_SEC, DIV_ROUND_UP(left % NSEC_PER_SEC, NSEC_PER_USEC)};
    if (tv.tv_usec == 1000000) {
        tv.tv_sec++;
        tv.tv_usec = 0;
    }
    event_add(loop->timer_event, &tv);
}

static void run_timers(struct loop *loop)
{
    int64_t now = clock_now();
    uint64_t pass = loop->timer_sequence; // what is armed from here on waits for the next pass
    while (loop->n_timers && !atomic_load(&loop->stop)) {
        struct loop_timer *t = loop->heap[0];
        if (t->deadline > now || t->sequence > pass)
            break;
        heap_remove(t);
        t->fn(t->arg);
    }
    arm(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    run_timers(arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg)
{
    struct loop_timer *t = NEW(struct loop_timer);
    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    t->deadline = CLOCK_NEVER;
    return t;
}

void loop_timer_at(struct loop_timer *t, int64_t deadline)
{
    struct loop *loop = t->loop;
    assert(loop_is_mine(loop));
    bool was_first = t->deadline != CLOCK_NEVER && !t->place;
    if (t->deadline != CLOCK_NEVER)
        heap_remove(t);
    if (deadline != CLOCK_NEVER) {
        GROW_ARRAY(loop->heap, loop->capacity, loop->n_timers + 1);
        t->deadline = deadline;
        t->sequence = ++loop->timer_sequence;
        heap_up(loop, loop->n_timers++, t);
    }
    if (was_first || (deadline != CLOCK_NEVER && !t->place))
        arm(loop);
}

void loop_timer_after(struct loop_timer *t, int64_t ns)
{
    loop_timer_at(t, clock_deadline(ns));
}

void loop_timer_cancel(struct loop_timer *t)
{
    loop_timer_at(t, CLOCK_NEVER);
}

bool loop_timer_armed(const struct loop_timer *t)
{
    return t->deadline != CLOCK_NEVER;
}

int64_t loop_timer_deadline(const struct loop_timer *t)
{
    return t->deadline;
}

void loop_timer_free(struct loop_timer *t)
{
    if (t) {
        loop_timer_cancel(t);
        free(t);
    }
}

// ---- Posts

static void run_posts(struct loop *loop)
{
    pthread_mutex_lock(&loop->posted_lock);
    loop->running = STEAL_PTR(loop->posted);
    pthread_mutex_unlock(&loop->posted_lock);
    while (loop->running && !atomic_load(&loop->stop)) {
        struct post *p = loop->running;
        DL_DELETE(loop->running, p);
        struct post call = *p;
        free(p);
        call.fn(call.arg);
    }
    if (!loop->running)
        return;
    // Stopped in between: the rest goes before what was posted meanwhile.
    pthread_mutex_lock(&loop->posted_lock);
    DL_CONCAT(loop->running, loop->posted);
    loop->posted = STEAL_PTR(loop->running);
    pthread_mutex_unlock(&loop->posted_lock);
    wake(loop);
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *p = NEW(struct post);
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&loop->posted_lock);
    bool first = !loop->posted;
    DL_APPEND(loop->posted, p);
    pthread_mutex_unlock(&loop->posted_lock);
    if (first)
        wake(loop);
}

static unsigned unpost_from(struct post **list, void (*fn)(void *arg), void *arg)
{
    struct post *p, *next;
    unsigned n = 0;
    DL_FOREACH_SAFE(*list, p, next)
    {
        if (!fn || (p->fn == fn && p->arg == arg)) {
            DL_DELETE(*list, p);
            free(p);
            n++;
        }
    }
    return n;
}

unsigned loop_unpost(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    assert(loop_is_mine(loop));
    pthread_mutex_lock(&loop->posted_lock);
    unsigned n = unpost_from(&loop->posted, fn, arg);
    pthread_mutex_unlock(&loop->posted_lock);
    return n + unpost_from(&loop->running, fn, arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t n;
    ssize_t ignored = read(fd, &n, sizeof(n));
    (void)ignored;
    run_posts(loop);
    arm(loop); // the clock may have been warped
}

// ---- Watches and signals

static short to_libevent(unsigned events)
{
    return (short)((events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0));
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *w = arg;
    w->fn(fd, (what & EV_READ ? LOOP_READ : 0U) | (what & EV_WRITE ? LOOP_WRITE : 0U), w->arg);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned events, loop_watch_fn *fn,
                                  void *arg)
{
    assert(loop_is_mine(loop));
    struct loop_watch *w = NEW(struct loop_watch);
    w->loop = loop;
    w->fd = fd;
    w->fn = fn;
    w->arg = arg;
    w->event = event_new(loop->base, fd, EV_PERSIST, on_watch, w);
    loop_watch_set(w, events);
    return w;
}

void loop_watch_set(struct loop_watch *w, unsigned events)
{
    assert(loop_is_mine(w->loop));
    if (events == w->events)
        return;
    event_del(w->event);
    w->events = events;
    if (events) {
        event_assign(w->event, w->loop->base, w->fd, (short)(to_libevent(events) | EV_PERSIST),
                     on_watch, w);
        event_add(w->event, NULL);
    }
}

void loop_watch_free(struct loop_watch *w)
{
    if (w) {
        event_free(w->event);
        free(w);
    }
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct loop_signal *s = arg;
    s->fn(signo, s->arg);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_signal_fn *fn, void *arg)
{
    assert(loop_is_mine(loop));
    struct loop_signal *s = NEW(struct loop_signal);
    s->loop = loop;
    s->fn = fn;
    s->arg = arg;
    s->event = evsignal_new(loop->base, signo, on_signal, s);
    event_add(s->event, NULL);
    return s;
}

void loop_signal_free(struct loop_signal *s)
{
    if (s) {
        event_free(s->event);
        free(s);
    }
}

// ---- The loop itself

struct loop *loop_new(void)
{
    struct loop *loop = NEW(struct loop);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->base || loop->wake_fd < 0) { // no memory or no descriptors at the very start
        if (loop->base)
            event_base_free(loop->base);
        free(loop);
        return NULL;
    }
    pthread_mutex_init(&loop->posted_lock, NULL);
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    event_add(loop->wake_event, NULL);
    loop->timer_event = evtimer_new(loop->base, on_timer, loop);
    clock_watch(&loop->clock_watcher, wake, loop);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->orphans)
        loop->orphans->end(loop->orphans);
    clock_unwatch(&loop->clock_watcher);
    assert(!loop->n_timers);
    unpost_from(&loop->posted, NULL, NULL);
    unpost_from(&loop->running, NULL, NULL);
    event_free(loop->timer_event);
    event_free(loop->wake_event);
    event_base_free(loop->base);
    close(loop->wake_fd);
    pthread_mutex_destroy(&loop->posted_lock);
    free(loop->heap);
    free(loop);
}

int loop_run(struct loop *loop)
{
    loop->owner = pthread_self();
    atomic_store(&loop->owned, true);
    while (!atomic_load(&loop->stop))
        event_base_loop(loop->base, EVLOOP_ONCE);
    atomic_store(&loop->stop, false);
    atomic_store(&loop->owned, false);
    return 0;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

void loop_once(struct loop *loop, bool wait)
{
    assert(loop_is_mine(loop));
    event_base_loop(loop->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    *(bool *)arg = true;
}

int loop_until(struct loop *loop, bool (*done)(void *arg), void *arg, int64_t timeout)
{
    bool late = false;
    struct timeval tv = {timeout / NSEC_PER_SEC, timeout % NSEC_PER_SEC / NSEC_PER_USEC};
    struct event *limit = evtimer_new(loop->base, on_timeout, &late);
    event_add(limit, &tv);
    bool finished;
    while (!(finished = done(arg)) && !late)
        loop_once(loop, true);
    event_free(limit);
    return finished ? 0 : -ETIMEDOUT;
}

void loop_adopt(struct loop *loop, struct loop_orphan *o)
{
    DL_APPEND(loop->orphans, o);
}

void loop_disown(struct loop *loop, struct loop_orphan *o)
{
    DL_DELETE(loop->orphans, o);
}
