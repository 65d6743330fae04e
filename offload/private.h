// SPDX-License-Identifier: Apache-2.0
// What the files of offload/ share. One lock guards all hardware copies of an offload, their queues
// and reasons; it is held for memory work only, never across a tier's callback (can_hold, which is
// pure, is called without it too).
#pragma once

#include <pthread.h>
#include <uthash.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/thread.h"
#include "offload/explain.h"
#include "offload/place.h"

#define QUEUE_MAX_DEFAULT 4096
#define HANG_MS_DEFAULT 5000
#define INSERT_BATCH 64
#define READ_BATCH 256
#define ABANDONED_MAX 2 // hung threads per tier and kind, before no further one is tried

enum hw_lane {
    LANE_NONE,
    LANE_INSTALL,
    LANE_URGENT, // changes and removals
    LANE_RETRY,  // removals that failed: urgent again at the next tick
    LANE_COUNT,
};

// Counters of a copy that is gone, or that a changed version left behind.
struct place_final {
    struct place_final *next;
    struct place_version *version; // a reference
    uint64_t packets, bytes;
    int64_t used;
    uint16_t tcp_flags;
    bool hardware;
};

// A superseded version, read under its own handle until the tier knows all that it counted.
struct place_late {
    struct place_late *next;       // older ones
    struct place_version *version; // a reference
    uint64_t handle;
    struct copy_count count;
};

enum worker_kind { WORKER_INSERT, WORKER_READ, WORKER_KINDS };

struct work_item {
    struct placement *placement;
    struct place_version *version; // a reference: keeps the desc while the tier looks at it
    uint32_t generation;           // reader: of the copy when it was looked at
    bool late;                     // reader: of a superseded version
};

// A thread with a channel of its own. All under the offload's lock but what the thread alone uses.
struct worker {
    struct hw_tier *tier;
    enum worker_kind kind;
    struct thread *thread;        // NULL in manual mode
    struct tier_channel *channel; // the thread's; NULL: to be opened
    int64_t busy_since;           // clock_now(): inside the tier since then; 0: not
    bool abandoned;               // was declared hung: finishes what it has in hand, then ends
    bool ended;                   // the thread is about to return: join it
    struct worker *next;          // in hw_tier.abandoned
    union {
        struct tier_op ops[INSERT_BATCH];
        struct tier_stats_req reqs[READ_BATCH];
    };
    struct work_item items[READ_BATCH];
    size_t n;
};
_Static_assert(INSERT_BATCH <= READ_BATCH, "items holds either");

struct hw_tier {
    struct offload *offload;
    struct tier *tier;
    struct cds_list_head lanes[LANE_COUNT];
    uint64_t n_lane[LANE_COUNT];
    bool turning_away; // the queue was full, and has not been empty since
    uint64_t n_busy;
    bool to_kick;                // something was queued that the inserter doesn't know of yet
    struct cds_list_head copies; // placements with `have`
    uint64_t n_copies;

    pthread_cond_t work[WORKER_KINDS]; // there is something for it, or `stop`
    struct worker
        *workers[WORKER_KINDS]; // NULL: none, and none more is tried until a hung one returns
    struct worker *abandoned;
    pthread_mutex_t channel_lock; // one thread opens or closes channels at a time
    bool swept;                   // leftovers of an earlier process were removed

    _Atomic int health; // enum hw_health; written under the lock
    int64_t health_since;
    int64_t full_until; // the table was full: not offered to before that

    uint64_t asked, answered; // tickets of counter readings
    struct tier_report count; // the counting members; the rest is filled for a report
};

struct offload {
    struct tier *software;
    struct hw_tier *tiers;
    size_t n_tiers;
    struct offload_options options;
    int64_t hang_ns;
    _Atomic int policy; // enum place_policy
    atomic_uint epoch;  // moves when a decision may come out differently

    pthread_mutex_t lock;
    pthread_cond_t progress; // a batch or a reading was finished
    bool stop;
    uint64_t ticket;
    struct cds_list_head owners;    // to wake
    struct refusal_entry *refusals; // uthash
    unsigned n_refusals;
    struct tier_report software_count; // operations, errors of finals
    _Atomic uint64_t software_packets, software_bytes, software_copies;
    struct offload *next_left; // of those that a hung thread keeps alive
};

// --- refusals.c: reasons, interned and counted; under the lock ---

struct refusal_key {
    const struct hw_tier *tier; // NULL: policy
    uint64_t text;
    uint32_t stage, culprit, id;
    int32_t error;
};
struct refusal_entry {
    struct refusal_key key;
    struct refusal why;
    uint64_t now, total;
    int64_t first, last;
    UT_hash_handle hh;
};
void why_set(struct placement *, struct hw_tier *, const struct refusal *, int64_t now);
// The same without an attempt: it was not even asked, and will be at `retry_at`.
void why_hold(struct placement *, struct hw_tier *, const struct refusal *, int64_t now,
              int64_t retry_at);
void why_clear(struct placement *);
void refusals_done(struct offload *);
// How long after this refusal it is worth asking again; CLOCK_NEVER: not before something changes.
int64_t refusal_retry_after(const struct refusal *, uint32_t attempts);

// --- copy.c: the hardware copy's states; under the lock ---

// Brings the queue in line with what is wanted. To be called after each change of want, have, busy,
// uncertain.
void copy_settle(struct placement *);
void copy_want(struct placement *, struct hw_tier *,
               struct place_version *); // NULL: nothing; then settles
// An inserter takes it: fills the operation, returns it with a reference to the version in *item.
void copy_start(struct placement *, struct tier_op *, struct work_item *item);
// … and brings the answer. `unanswered`: the channel failed, so the tier may or may not have done
// it.
void copy_finish(struct work_item *, struct tier_op *, bool sent, bool unanswered, int64_t now);
// The tier no longer has it.
void copy_lost(struct placement *, int64_t now);
// A superseded version's counters, its last if `settled`. NULL: there are none any more.
void copy_late_read(struct placement *, uint64_t handle, const struct tier_stats *, bool settled,
                    int64_t now);
void lates_free(struct place_late *);
void copy_pin(struct placement *);
void copy_unpin(struct placement *);
bool copy_can_close(const struct placement *);
void finals_free(struct place_final *);
void finals_add(struct placement *, struct place_version *, struct copy_count *, bool hardware);

// --- worker.c ---

void worker_start(struct hw_tier *, enum worker_kind);
bool insert_step(
    struct worker *); // lock held on entry and return, not between; false: nothing to do
bool read_step(struct worker *);
void workers_watch(struct hw_tier *,
                   int64_t now); // declares hung, replaces, probes; under the lock
void worker_free(struct worker *);
void owners_wake(struct offload *);
void inserters_kick(struct offload *); // under the lock, after queueing

// --- place.c ---

// The one place where policy decides: which hardware tier the version should be in, or NULL and the
// reason.
struct hw_tier *place_decide(struct offload *, const struct placement *, const struct flow_desc *,
                             struct refusal *ret_why, struct hw_tier **ret_refuser);
