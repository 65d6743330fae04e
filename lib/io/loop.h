// SPDX-License-Identifier: Apache-2.0
// The event loop: descriptors, timers on lib/base/clock.h, signals, and calls from other threads.
//
// One loop belongs to one thread, the one that runs it. Everything here is called in that thread
// (asserted), except loop_post() and loop_stop(). Callbacks run one at a time, to the end; they may
// create and free any watch, timer or signal, their own too. Nothing blocks but the running
// functions. Under it is libevent; its timers are not used, because they don't follow an injected
// clock.
#pragma once

#include "lib/base/err.h"

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_signal;
struct event_base;

// The loop belongs to the thread that is in loop_run(), and before and after that to whoever made
// it or joined that thread. NULL if the process has no descriptors left.
struct loop *loop_new(void);
// Whatever is still posted is dropped uncalled; watches, timers and signals must be gone. NULL ok.
void loop_free(struct loop *loop);

// Runs until loop_stop(). Returns 0.
int loop_run(struct loop *loop);
// Thread: any, and signal handlers. The running function returns after the present callback.
void loop_stop(struct loop *loop);
// One pass: waits for the first event if 'wait', runs all that are due. For tests and for tools.
void loop_once(struct loop *loop, bool wait);
// Runs until done(arg) is true, asking after every pass, or until 'timeout' ns of *real* time have
// passed (-ETIMEDOUT). For tests, which wait on conditions, and for clients that wait for an
// answer.
int loop_until(struct loop *loop, bool (*done)(void *arg), void *arg, int64_t timeout);

// True in the thread that runs the loop, and everywhere while none does.
bool loop_is_mine(const struct loop *loop);
// The libevent base, for the rooms that wrap libevent themselves.
struct event_base *loop_base(struct loop *loop);

// Queues fn(arg) to run in the loop's thread, in order of posting, once per pass: what a posted
// function posts runs in the next pass, so that long work sliced by reposting itself lets
// everything else run in between. Thread: any; takes a short lock; never blocks for long.
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);
// Removes all that is posted with this fn and arg; returns how many. In the loop's thread.
unsigned loop_unpost(struct loop *loop, void (*fn)(void *arg), void *arg);

// Descriptor watch, level-triggered. 'events' in the callback says what is ready; errors and
// hang-ups appear as both. The descriptor stays the caller's: free the watch before closing it.
enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void loop_watch_fn(int fd, unsigned events, void *arg);
struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned events, loop_watch_fn *fn,
                                  void *arg);
void loop_watch_set(struct loop_watch *w, unsigned events); // 0: none for now
void loop_watch_free(struct loop_watch *w);

// One-shot timer, disarmed at first. Runs in the order of deadlines once clock_now() has reached
// them; setting it again moves it. A periodic timer sets itself again in its callback.
typedef void loop_timer_fn(void *arg);
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fn, void *arg);
void loop_timer_at(struct loop_timer *t, int64_t deadline); // on clock_now(); CLOCK_NEVER disarms
void loop_timer_after(struct loop_timer *t, int64_t ns);
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);
int64_t loop_timer_deadline(const struct loop_timer *t); // CLOCK_NEVER: disarmed
void loop_timer_free(struct loop_timer *t);

// Signal watch; the callback runs in the loop, not in the handler. One loop of a process only.
typedef void loop_signal_fn(int signo, void *arg);
struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_signal_fn *fn, void *arg);
void loop_signal_free(struct loop_signal *s);
