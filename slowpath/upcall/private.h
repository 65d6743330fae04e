// SPDX-License-Identifier: Apache-2.0
// What the files of slowpath/upcall/ share.
//
// Locks, outer to inner: backer.refresh_lock, the offload's lock, keeper.lock. None is held while
// translating, crediting or calling a datapath.
#pragma once

#include <pthread.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/thread.h"
#include "slowpath/upcall/backer.h"
#include "slowpath/upcall/megaflow.h"

#define UPCALL_BATCH 64
#define REVIEW_BATCH 32 // megaflows translated again before their changes are carried out
#define KEEP_BATCH 256  // megaflows read between looks at what is urgent
#define KEEPERS_MAX 8
#define KEYS_MAX 65536 // queued changes; beyond, everything is re-translated

// A counter with one writer.
typedef _Atomic uint64_t tally;
static inline void tally_add(tally *t, uint64_t n)
{
    atomic_store_explicit(t, atomic_load_explicit(t, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline uint64_t tally_get(const tally *t)
{
    return atomic_load_explicit((tally *)t, memory_order_relaxed);
}

struct handler {
    struct backer *backer;
    unsigned id;
    struct thread *thread;
    struct tier_channel *channel; // of the software tier
    struct upcall upcalls[UPCALL_BATCH];
    int64_t slow_refilled; // the slow path's token bucket
    double slow_tokens;
    struct {
        tally upcalls, handled, misses, slow, slow_limited, unmapped, duplicates, installed,
            refused, failed, over_limit, execute_errors, receive_errors;
    } n;
};

struct keeper {
    struct backer *backer;
    unsigned id;
    struct thread *thread;
    struct tier_channel *channel;
    struct place_owner owner;

    // Under the lock: what others hand over.
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct cds_list_head births;
    dep_t *keys; // changed dependencies, not yet looked up
    size_t n_keys, keys_allocated;
    bool all_dirty, woken, stop;
    bool round_wanted; // at once

    // The keeper's own.
    struct cds_list_head flows, dirty;
    struct dep_index index;
    int64_t next_round;
    uint64_t over_limit_seen;
    struct {
        tally flows, modified, removed, expired, evicted, revalidated, stale, late, refused, rounds;
        _Atomic int64_t round_ns;
    } n;
};

// A wish for a round of every keeper, with hardware counters that were read after it.
struct refresh {
    struct refresh *next;
    uint64_t ticket;  // of the hardware readers; 0: they don't matter
    int64_t deadline; // beyond which they don't either
    uint32_t keepers; // bits of those that still owe their round
    uint32_t begun;   // bits of those whose present round will do
    void (*done)(void *arg);
    void *arg;
};

struct backer {
    struct pipelines *pipelines;
    struct datapath *datapath;
    struct tier *software;
    struct tier **hardware;
    size_t n_hardware;
    struct backer_options options;
    struct offload *offload;
    struct store *store;
    struct tier_channel *channel; // the main thread's
    struct dep_observer observer;

    struct handler *handlers;
    struct keeper *keepers;
    unsigned n_handlers, n_keepers;
    atomic_bool stopping;

    atomic_uint max_idle_ms, flow_limit, max_revalidator_ms, slow_rate;
    _Atomic uint64_t n_flows, flows_max, flows_avg;
    _Atomic int64_t refreshed; // when the last refresh was complete

    pthread_mutex_t refresh_lock;
    pthread_cond_t refresh_cond;
    struct refresh *refreshes;
    atomic_uint n_refreshes;
};

// --- birth.c ---
struct birth {
    struct megaflow *megaflow; // NULL: it got in nowhere
    const struct flow_key *packet;
    struct xlate_out *out;           // births_install() takes actions and credits
    struct translation *translation; // a reference, from births_install() on
    bool refused;                    // by the software tier; on the slow path, if at all
    bool crowded;                    // another megaflow stands in its place: births_again()
};
// Takes the provenance out of `out`. False: there already. Within an RCU read section.
bool birth_conceive(struct birth *, struct backer *, const struct flow_key *packet,
                    struct pipeline *, ofp_port_t, struct xlate_out *, int64_t now);
void births_install(struct backer *, struct tier_channel *, struct birth *,
                    size_t n); // n <= UPCALL_BATCH
// Tries those once more that were crowded out, now that what stood in their place may be gone.
// Those that still are, go.
void births_again(struct backer *, struct tier_channel *, struct birth *, size_t n);
void births_born(struct backer *, struct birth *, size_t n); // hands over, drops references

// --- handler.c ---
void *handler_main(void *handler);
void handle_upcalls(struct handler *, struct upcall *, size_t n); // takes the packets
int handler_step(struct handler *); // one batch: for the thread and for tests

// --- keeper.c ---
void keeper_init(struct keeper *, struct backer *, unsigned id);
void keeper_done(struct keeper *); // threads ended: forgets megaflows
void *keeper_main(void *keeper);
void keeper_wake(void *keeper);                                       // any thread
void keeper_births(struct keeper *, struct cds_list_head *megaflows); // any thread: hands them over
void keeper_changed(struct keeper *, const dep_t *, size_t n);        // any thread
void keeper_ask_round(struct keeper *);
void keeper_catch_up(struct keeper *); // births, changes, closed placements; the keeper's thread
void keeper_round(struct keeper *);    // all of it
struct keeper *keeper_of(struct backer *, const struct ufid *);

// --- revalidate.c: the keeper's thread ---
void megaflow_dirty(struct megaflow *); // to be translated again
void revalidate_dirty(struct keeper *);
void megaflow_credit(struct megaflow *); // collects and credits
void megaflows_remove(struct keeper *, struct megaflow **,
                      size_t n); // tiers, store, lists; freed when closed
void megaflows_reinstall(struct keeper *, struct megaflow **, size_t n); // that software lost

// --- refresh.c ---
void refresh_ask(struct backer *, struct refresh *, bool hardware, int64_t deadline);
bool refresh_due(struct keeper *, int64_t now,
                 int64_t *deadline); // one waits for this keeper; else shortens *deadline
void refresh_begin(struct keeper *, int64_t now); // before a round
void refresh_end(struct keeper *);                // after it
void refresh_flush(struct backer *);              // the keepers have ended: nobody waits any longer
void refresh_hook(void *aux, struct pipeline *, void (*done)(void *arg), void *arg);
