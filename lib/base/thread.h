// SPDX-License-Identifier: Apache-2.0
// Named threads, registered with RCU (lib/base/rcu.h) and known to the log by name.
#pragma once

#include <pthread.h>

#include "lib/base/err.h"

struct thread;

// Starts fn(arg) in a thread called 'name' (copied; the kernel shows its first 15 characters).
// All signals are blocked in it. Errors: those of pthread_create, *ret_thread untouched.
int thread_start(struct thread **ret_thread, const char *name, void *(*fn)(void *arg), void *arg,
                 struct err *err);
// Waits for the end, frees 't' and returns what fn returned. NULL is accepted. Blocks.
void *thread_join(struct thread *t);

// The calling thread's name; "" for the main thread and those not started here.
const char *thread_name(void);
void thread_set_name(const char *name);

// CPUs that this process may run on, at least 1.
unsigned thread_cpu_count(void);
// Asserts in debug builds that the caller is the thread 'owner'.
#define ASSERT_THREAD(owner) assert(pthread_equal((owner), pthread_self()))
