// SPDX-License-Identifier: Apache-2.0
// Where megaflows live. One `struct offload` per datapath knows the software tier and the hardware
// tiers above it; one `struct placement` per megaflow says where the megaflow is, where it should
// be and why it isn't higher.
//
// The twin: the software copy always exists. It is installed, changed and removed synchronously by
// the caller; the hardware copy follows in the background, so that promotion, demotion, eviction
// and a NIC reset are an add or a remove of the hardware copy alone, and no packet falls between.
//
// Per hardware tier two threads with a channel each: the *inserter* carries out what placements
// want, the *reader* reads counters (offload/worker.h). What waits for the inserter is bounded:
// installs by `queue_max` (beyond it a megaflow stays in software and is offered again later),
// changes and removals by what is installed. Nobody waits for either thread: one that doesn't come
// back from the tier within `hang_ms` is declared hung, abandoned, and replaced on a fresh channel.
//
// Order. A change reaches the software tier first, then the hardware copy (atomically, by the
// tier's contract). A removal never waits behind an install, so a removed megaflow's hardware copy
// is gone before a successor with the same UFID, or one that overlaps it, enters.
//
// Counts. Each copy's counters are read as differences and handed to the owner once
// (place_collect), under the version of the megaflow that the copy had when it counted; final
// counters of removed and changed copies likewise. So the sum over tiers never goes back.
//
// Threads: a placement has one owner at a time (a handler until the megaflow is born, then a
// keeper); functions below say "owner" or "any". Nothing here blocks but on the software tier's
// channel, and offload_create/_stop.
#pragma once

#include <stdatomic.h>
#include <urcu/list.h>

#include "lib/base/rcu.h"
#include "lib/contract/tier.h"
#include "offload/stats.h"

struct offload;
struct hw_tier;
struct refusal_entry;

// What one translation asks the tiers to hold: immutable, shared by the megaflow, queues and
// copies. The user embeds it first in a larger struct and frees that in `release`, which any thread
// may call, which doesn't block, and which leaves RCU readers of placement.version a grace period.
struct place_version {
    atomic_uint refs; // 1 for the creator
    void (*release)(struct place_version *);
    struct flow_desc desc;
};
struct place_version *place_version_ref(struct place_version *);
void place_version_unref(struct place_version *); // accepts NULL

enum place_policy {
    PLACE_ALL, // whatever a hardware tier can hold
    PLACE_OFF, // nothing
};

// What a person sees.
enum place_state {
    PLACE_SOFTWARE, // in the software tier alone, by policy or not yet offered
    PLACE_REFUSED, // likewise, because it was refused: by our check, the kernel, the driver, a full
                   // table, a timeout
    PLACE_QUEUED,  // waits for the inserter
    PLACE_INSTALLING, // handed to the tier, no answer yet
    PLACE_HARDWARE,   // in hardware, its twin in software
    PLACE_REMOVING,   // its hardware copy is being taken away
};
const char *place_state_name(enum place_state);

enum place_request {
    PLACE_REQUEST_NONE,
    PLACE_PROMOTE, // offer it now, whatever was refused before; ends a demotion
    PLACE_DEMOTE,  // out of hardware, and kept out until promoted
};

// Who owns placements: a keeper. `wake` is called from any thread when there is something to do
// before the next round; it must not call back.
struct place_owner {
    struct offload *offload;
    struct cds_list_head closed; // placements whose last hardware copy went, under the lock
    struct cds_list_head listed;
    void (*wake)(void *aux); // may be NULL
    void *aux;
};
void place_owner_init(struct place_owner *, struct offload *, void (*wake)(void *aux), void *aux);
void place_owner_done(struct place_owner *); // its placements are done

// Counters that came in since they were last collected, of a copy that had this version.
struct place_delta {
    struct place_version *version; // valid during the callback
    uint64_t packets, bytes;
    int64_t used; // clock_now() domain; 0: not known
    uint16_t tcp_flags;
    bool hardware;
};
typedef void place_delta_fn(void *aux, const struct place_delta *);

// Embedded in a megaflow. Members are offload's own, but for reading where it says so.
struct placement {
    struct offload *offload;
    struct place_owner *owner;
    struct place_version *version; // owner: what should be held; a reference
    struct flow_totals total; // everything collected; written by the owner, any thread may read
                              // with flow_totals_get()
    _Atomic int64_t used;     // likewise: when it last forwarded, as far as is known; 0: never
    atomic_uchar request;     // enum place_request, not yet carried out

    // The software copy: the owner's.
    struct {
        uint64_t handle;
        struct copy_count count;
        bool installed;
    } sw;

    // The hardware copy: under the offload's lock.
    atomic_bool
        hw_touched; // a hardware tier was asked for a copy: else only the owner writes below
    struct {
        struct hw_tier *tier; // where the copy is, goes or comes from, or who refused it
        struct place_version *want, *have; // references; equal when settled
        uint64_t handle;
        struct copy_count count;
        struct cds_list_head queued; // in the tier's queue `lane`
        struct cds_list_head listed; // among the tier's copies while `have`
        struct place_late *late;     // superseded versions that the tier still counts for
        uint32_t generation;         // moves with every operation but a first install
        uint16_t pins;               // readers that look at it
        uint8_t lane;                // enum hw_lane
        bool busy;                   // an inserter has it in hand
        bool uncertain;              // the tier may or may not have it: to be removed
        bool closing;                // the megaflow was removed
    } hw;
    struct place_final
        *finals; // counters of copies that are gone, not yet collected; under the lock

    // Why it is not higher, under the lock.
    struct {
        struct refusal_entry *entry; // NULL: no reason
        int64_t since, retry_at;
        uint32_t attempts; // since it was last in hardware, or changed
    } why;
    uint32_t reviewed;           // the owner: the state of the world that the last decision saw
    bool pinned_down;            // the owner: demoted by request
    struct cds_list_head closed; // in owner->closed
    bool is_closed;
};

struct offload_options {
    uint8_t instance;   // of UFIDs: what a tier holds of it at the start is stale and removed
    unsigned queue_max; // waiting installs per hardware tier; 0: 4096
    unsigned hang_ms;   // 0: 5000
    bool manual;        // no threads: a test calls offload_step()
};

// Opens channels and starts the threads of `hardware`. The tiers are the caller's, who closes them
// after offload_stop(). A hardware tier whose channel can't be opened is an error.
int offload_create(struct tier *software, struct tier *const *hardware, size_t n,
                   const struct offload_options *, struct offload **ret_offload, struct err *);
// Stops the threads, for good. Waits for one that is inside a tier for at most `hang_ms`. Returns
// false if a hung one is still there: it may yet touch the hardware tiers, placements and the
// offload, none of which may then be closed or freed.
bool offload_stop(struct offload *);
// After offload_stop() returned true, and after place_done() of every placement. NULL is accepted.
void offload_free(struct offload *);

// Tells hardware tiers of a port, or that it goes (its copies are taken out first, for their
// counters, as far as that is quick: at most 100 ms). Any thread, one at a time; may block on the
// kernel.
void offload_port_attach(struct offload *, const struct tier_port *);
void offload_port_detach(struct offload *, dp_port_t);

void offload_set_policy(struct offload *,
                        enum place_policy); // any; owners see it at their next review
enum place_policy offload_policy(const struct offload *);
// Looks for hung threads and wakes the readers; called every so often (a keeper's round). Any.
void offload_tick(struct offload *, int64_t now);
// Asks for fresh hardware counters: returns a ticket. offload_wait_stats() waits for it until
// `deadline` (clock_now() domain): 0, or -ETIMEDOUT. Any.
uint64_t offload_ask_stats(struct offload *);
int offload_wait_stats(struct offload *, uint64_t ticket, int64_t deadline);
bool offload_stats_ready(struct offload *, uint64_t ticket); // without waiting
// Waits until no hardware tier has anything queued or in hand: 0 or -ETIMEDOUT.
int offload_wait_idle(struct offload *, int64_t deadline);
// Manual mode: lets each inserter carry out one batch and each reader one round if asked. True:
// something was done.
bool offload_step(struct offload *);

// Removes from a tier what carries `instance`: leftovers of an earlier process. Returns how many,
// or a negative errno.
int place_sweep(struct tier_channel *, uint8_t instance);

void place_init(struct placement *, struct place_owner *);

// One change of megaflows as the software tier sees it. INSTALL offers to hardware once software
// has it; again on a placement that software lost. MODIFY keeps key and mask. REMOVE takes both
// copies; afterwards finals may still come in until it is closed.
struct place_change {
    enum tier_op_type type;
    struct placement *placement;
    struct place_version *version; // INSTALL, MODIFY: a reference is taken. REMOVE: NULL
    const struct flow_key *sample; // INSTALL: see struct tier_op; may be NULL
    int error;                     // result. On an error the placement is as it was
    struct refusal refusal;        // of the software tier
};
// In order, in one batch. Owner, with a channel of the software tier. Returns 0, or the first error
// of the changes.
int place_apply(struct offload *, struct tier_channel *software, struct place_change *, size_t n);
// Exchanges the version for one with an equal desc (only whom to credit differs). Collect before.
// Owner.
void place_relabel(struct placement *, struct place_version *);

// Reads the software copies' counters, n at a time. A copy that the tier lost is marked:
// place_sw_lost(). Returns 0 or the channel's error. Owner.
int place_read(struct offload *, struct tier_channel *software, struct placement *const *,
               size_t n);
static inline bool place_sw_lost(const struct placement *p)
{
    return !p->sw.installed;
}
// Hands over what was counted and not yet collected, from both copies and from those that are gone.
// Owner.
void place_collect(struct placement *, place_delta_fn *cb, void *aux);
// No packet used the megaflow between its last known use and this time, as far as every tier's
// figures say: expire when this is `max_idle` past `used`. Late counters hold it back. Owner.
int64_t place_quiet_until(struct placement *);

// Decides again: policy, requests, retries. Owner; cheap when nothing changed.
void place_review(struct placement *, int64_t now);
// Posts a request for the owner's next review. Any thread that keeps the placement alive.
void place_ask(struct placement *, enum place_request);

// After REMOVE, at once or when the hardware copy is gone, placements are closed: no tier and no
// thread of offload has them any more; collect a last time and free. Takes one out, or NULL. Owner.
struct placement *place_take_closed(struct place_owner *);
// Drops references; without a tier operation (the placement is closed, or the offload too). Owner.
void place_done(struct placement *);

// May copies of this megaflow be in two tiers, or move, on their own? No: a meter (two buckets
// admit twice the rate), a hash that tiers compute differently, conntrack, a link of a
// recirculation chain. Fills *ret_why when not. Pure.
bool placement_may_split(const struct flow_desc *, struct refusal *ret_why);
