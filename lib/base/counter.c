// SPDX-License-Identifier: Apache-2.0
// Event counters: slots, the blocks of the threads, sums and rates.
//
// Each thread owns a block with one slot per counter and is the only one that writes it; sums read
// all blocks. 'lock' guards the list of blocks, what finished threads left, and the samples.
// Counters get their slots from constructors, before main(), so names are read without a lock.
// Invariant: total = retired + sum over blocks, and a block is folded into retired and taken off
// the list in one critical section.
#include "lib/base/counter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

#define MINUTE_SAMPLES 12 // of 5 seconds
#define HOUR_SAMPLES 60   // of a minute

struct holder {
    struct counter_block block;
    struct holder *next, *prev;
};

struct history {
    uint64_t last;                   // total at the last tick
    uint64_t minute[MINUTE_SAMPLES]; // events per tick, a ring
    uint64_t hour[HOUR_SAMPLES];     // events per minute, a ring
};

__thread struct counter_block *counter_mine_;

static const char *names[COUNTER_MAX] = {"overflow"}; // slot 0: counters that found no slot
static unsigned n_names = 1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct holder *holders;           // under lock
static uint64_t retired[COUNTER_MAX];    // under lock: of threads that ended
static struct history past[COUNTER_MAX]; // under lock
static unsigned n_ticks;                 // under lock

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

void counter_register(struct counter *c)
{
    for (unsigned i = 1; i < n_names; i++) {
        if (!strcmp(names[i], c->name)) {
            c->slot = i;
            return;
        }
    }
    if (n_names < COUNTER_MAX) {
        c->slot = n_names++;
        names[c->slot] = c->name;
    }
}

static uint64_t slot_value(const struct counter_block *b, unsigned slot)
{
    return atomic_load_explicit(&b->n[slot], memory_order_relaxed);
}

// A thread ends.
static void retire(void *arg)
{
    struct holder *h = arg;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < n_names; i++)
        retired[i] += slot_value(&h->block, i);
    DL_DELETE(holders, h);
    pthread_mutex_unlock(&lock);
    counter_mine_ = NULL;
    free(h);
}

static void make_key(void)
{
    pthread_key_create(&key, retire);
}

struct counter_block *counter_attach_(void)
{
    pthread_once(&key_once, make_key);
    struct holder *h = xaligned(64, sizeof(*h));
    pthread_setspecific(key, h);
    pthread_mutex_lock(&lock);
    DL_APPEND(holders, h);
    pthread_mutex_unlock(&lock);
    counter_mine_ = &h->block;
    return counter_mine_;
}

static uint64_t total(unsigned slot)
{
    uint64_t sum = retired[slot];
    const struct holder *h;
    DL_FOREACH (holders, h)
        sum += slot_value(&h->block, slot);
    return sum;
}

void counter_tick(void)
{
    pthread_mutex_lock(&lock);
    unsigned at = n_ticks % MINUTE_SAMPLES;
    bool minute_ends = at == MINUTE_SAMPLES - 1;
    for (unsigned i = 0; i < n_names; i++) {
        struct history *p = &past[i];
        uint64_t now = total(i);
        p->minute[at] = now - p->last;
        p->last = now;
        if (minute_ends) {
            uint64_t sum = 0;
            for (unsigned j = 0; j < MINUTE_SAMPLES; j++)
                sum += p->minute[j];
            p->hour[n_ticks / MINUTE_SAMPLES % HOUR_SAMPLES] = sum;
        }
    }
    n_ticks++;
    pthread_mutex_unlock(&lock);
}

bool counter_read(const char *name, uint64_t *ret_total)
{
    for (unsigned i = 0; i < n_names; i++) {
        if (!strcmp(names[i], name)) {
            pthread_mutex_lock(&lock);
            *ret_total = total(i);
            pthread_mutex_unlock(&lock);
            return true;
        }
    }
    return false;
}

static void show_one(struct str *s, unsigned slot, uint64_t sum)
{
    const struct history *p = &past[slot];
    uint64_t tick = n_ticks ? p->minute[(n_ticks - 1) % MINUTE_SAMPLES] : 0;
    uint64_t minute = 0, hour = 0;
    for (unsigned i = 0; i < MINUTE_SAMPLES; i++)
        minute += p->minute[i];
    for (unsigned i = 0; i < HOUR_SAMPLES; i++)
        hour += p->hour[i];
    str_printf(s, "%-24s %5.1f/sec %9.3f/sec %13.4f/sec   total: %llu\n", names[slot],
               (double)tick / 5.0, (double)minute / 60.0, (double)hour / 3600.0,
               (unsigned long long)sum);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(names[*(const unsigned *)a], names[*(const unsigned *)b]);
}

char *counter_show(void)
{
    unsigned order[COUNTER_MAX];
    struct str body = STR_INIT, s = STR_INIT;
    unsigned never = 0;
    uint64_t which = 0;
    for (unsigned i = 0; i < n_names; i++)
        order[i] = i;
    qsort(order, n_names, sizeof(order[0]), by_name);
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < n_names; i++) {
        uint64_t sum = total(order[i]);
        if (!sum) {
            never++;
            continue;
        }
        which = hash_text(names[order[i]], which);
        show_one(&body, order[i], sum);
    }
    pthread_mutex_unlock(&lock);
    str_printf(&s,
               "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  "
               "hash=%08x:\n",
               (unsigned)which);
    str_put(&s, str_text(&body));
    str_printf(&s, "%u events never hit\n", never);
    str_done(&body);
    return str_steal(&s);
}
