// SPDX-License-Identifier: Apache-2.0
// Wishes for fresh counters, or for a full round of the keepers.
//
// A wish is served when every keeper has finished a round that began after it, and, where hardware
// counters matter, after the hardware readers had answered it (or the deadline passed: counters
// then lag a little, nobody hangs). Nobody blocks for it but who wants to: `done` is called by the
// last keeper, under refresh_lock, and must not call back.
#include <errno.h>

#include "slowpath/upcall/private.h"

void refresh_ask(struct backer *b, struct refresh *r, bool hardware, int64_t deadline)
{
    r->ticket = hardware && b->n_hardware ? offload_ask_stats(b->offload) : 0;
    r->deadline = deadline;
    r->keepers = (1u << b->n_keepers) - 1;
    pthread_mutex_lock(&b->refresh_lock);
    r->next = b->refreshes;
    b->refreshes = r;
    atomic_fetch_add(&b->n_refreshes, 1);
    pthread_mutex_unlock(&b->refresh_lock);
    for (unsigned i = 0; i < b->n_keepers; i++)
        keeper_wake(&b->keepers[i]);
}

// Under refresh_lock.
static bool is_ready(struct backer *b, const struct refresh *r, int64_t now)
{
    return !r->ticket || now >= r->deadline || offload_stats_ready(b->offload, r->ticket);
}

bool refresh_due(struct keeper *k, int64_t now, int64_t *deadline)
{
    struct backer *b = k->backer;
    bool due = false;
    if (!atomic_load(&b->n_refreshes))
        return false;
    pthread_mutex_lock(&b->refresh_lock);
    for (struct refresh *r = b->refreshes; r && !due; r = r->next) {
        if (!(r->keepers & 1u << k->id))
            continue;
        due = is_ready(b, r, now);
        *deadline = MIN_OF(*deadline, r->deadline);
    }
    pthread_mutex_unlock(&b->refresh_lock);
    return due;
}

void refresh_begin(struct keeper *k, int64_t now)
{
    struct backer *b = k->backer;
    pthread_mutex_lock(&b->refresh_lock);
    for (struct refresh *r = b->refreshes; r; r = r->next) {
        if (is_ready(b, r, now))
            r->begun |= 1u << k->id;
    }
    pthread_mutex_unlock(&b->refresh_lock);
}

void refresh_end(struct keeper *k)
{
    struct backer *b = k->backer;
    if (!atomic_load(&b->n_refreshes))
        return;
    pthread_mutex_lock(&b->refresh_lock);
    for (struct refresh **at = &b->refreshes; *at;) {
        struct refresh *r = *at;
        r->keepers &= ~(r->begun & 1u << k->id);
        if (r->keepers) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        atomic_fetch_sub(&b->n_refreshes, 1);
        if (r->ticket)
            atomic_store(&b->refreshed, clock_now());
        r->done(r->arg);
    }
    pthread_mutex_unlock(&b->refresh_lock);
}

void refresh_flush(struct backer *b)
{
    pthread_mutex_lock(&b->refresh_lock);
    while (b->refreshes) {
        struct refresh *r = b->refreshes;
        b->refreshes = r->next;
        r->done(r->arg);
    }
    atomic_store(&b->n_refreshes, 0);
    pthread_mutex_unlock(&b->refresh_lock);
}

struct waiter {
    struct refresh refresh;
    struct backer *backer;
    bool done;
};

static void wait_done(void *arg)
{
    struct waiter *w = arg;
    w->done = true;
    pthread_cond_broadcast(&w->backer->refresh_cond);
}

static int wait_for(struct backer *b, bool hardware, unsigned timeout_ms)
{
    int64_t deadline = clock_deadline(timeout_ms * NSEC_PER_MSEC);
    struct waiter w = {.backer = b};
    w.refresh.done = wait_done;
    w.refresh.arg = &w;
    // Half the time for the hardware's figures, so that the keepers have the rest.
    refresh_ask(b, &w.refresh, hardware, clock_deadline(timeout_ms * NSEC_PER_MSEC / 2));
    pthread_mutex_lock(&b->refresh_lock);
    int error = 0;
    while (!w.done && !error)
        error = clock_cond_wait(&b->refresh_cond, &b->refresh_lock, deadline);
    if (!w.done) {
        struct refresh **at = &b->refreshes;
        while (*at != &w.refresh)
            at = &(*at)->next;
        *at = w.refresh.next;
        atomic_fetch_sub(&b->n_refreshes, 1);
    }
    pthread_mutex_unlock(&b->refresh_lock);
    return w.done ? 0 : -ETIMEDOUT;
}

int backer_wait(struct backer *b, unsigned timeout_ms)
{
    int64_t deadline = clock_deadline(timeout_ms * NSEC_PER_MSEC);
    for (unsigned i = 0; i < b->n_keepers; i++)
        keeper_ask_round(&b->keepers[i]);
    int error = wait_for(b, false, timeout_ms);
    return error ? error : offload_wait_idle(b->offload, deadline);
}

int backer_refresh(struct backer *b, unsigned max_age_ms, unsigned timeout_ms)
{
    int64_t last = atomic_load(&b->refreshed);
    if (last && clock_now() - last <= max_age_ms * NSEC_PER_MSEC)
        return 0;
    return wait_for(b, true, timeout_ms);
}

struct hooked {
    struct refresh refresh;
    struct backer *backer;
    void (*done)(void *arg);
    void *arg;
};

static void hooked_done(void *arg)
{
    struct hooked *h = arg;
    h->backer->options.post(h->backer->options.aux, h->done, h->arg);
    free(h);
}

void refresh_hook(void *aux, struct pipeline *pipeline, void (*done)(void *arg), void *arg)
{
    struct backer *b = aux;
    if (!b->options.post) {
        backer_refresh(b, 0, 100);
        done(arg);
        return;
    }
    struct hooked *h = NEW(struct hooked);
    *h = (struct hooked){.backer = b, .done = done, .arg = arg};
    h->refresh.done = hooked_done;
    h->refresh.arg = h;
    refresh_ask(b, &h->refresh, true, clock_deadline(100 * NSEC_PER_MSEC));
}
