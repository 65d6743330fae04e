// SPDX-License-Identifier: Apache-2.0
// Named threads: start, join, registration with RCU.
//
// The name lives in thread-local memory for the log and in the kernel for ps(1). Invariant: a
// thread started here is an RCU reader for its whole life.
#include "lib/base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "lib/base/str.h"

struct thread {
    pthread_t id;
    char *name;
    void *(*fn)(void *arg);
    void *arg;
};

static __thread char my_name[32];

static void *run(void *arg)
{
    struct thread *t = arg;
    thread_set_name(t->name);
    rcu_thread_join();
    void *result = t->fn(t->arg);
    rcu_thread_leave();
    return result;
}

int thread_start(struct thread **ret_thread, const char *name, void *(*fn)(void *arg), void *arg,
                 struct err *err)
{
    struct thread *t = NEW(struct thread);
    t->name = xstrdup(name);
    t->fn = fn;
    t->arg = arg;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&t->id, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        free(t->name);
        free(t);
        return err_set_errno(err, -error, "cannot start thread %s", name);
    }
    *ret_thread = t;
    return 0;
}

void *thread_join(struct thread *t)
{
    if (!t)
        return NULL;
    void *result;
    pthread_join(t->id, &result);
    free(t->name);
    free(t);
    return result;
}

const char *thread_name(void)
{
    return my_name;
}

void thread_set_name(const char *name)
{
    char kernel_name[16]; // TASK_COMM_LEN
    str_copy(my_name, sizeof(my_name), name);
    str_copy(kernel_name, sizeof(kernel_name), *name ? name : program_invocation_short_name);
    pthread_setname_np(pthread_self(), kernel_name);
}

unsigned thread_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1; // more CPUs than the set holds, or none to ask
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}
