// SPDX-License-Identifier: Apache-2.0
// What stands behind the bridges of one datapath type: the datapath, the hardware tiers above it,
// the handler threads that translate missed packets, the store of megaflows and the keeper threads
// that keep it true.
//
//   config   creates a backer and a struct pipelines per datapath type, adds ports, sets limits
//   pipeline xlate() is called by handlers and keepers; pipelines_find_port() says which bridge
//   port a datapath port is;
//            changes come in through the observer and refreshes through the hook, which
//            backer_create() registers
//   openflow executes packet-outs, gets packet-ins by a callback
//   tools    dump, promote, demote, explain
//
// Threads: functions are called on the main thread unless they say "any". None blocks longer than
// it says.
//
// Whom a packet is counted by, once: a packet that missed is credited by the handler that executes
// it; a packet that hit a megaflow was counted by the tier that held it and is credited by a
// keeper, also where the megaflow sent it to a handler (slow path). Losses in upcall queues are
// counted apart.
//
// A change in the tables takes effect on every megaflow that hangs on it without another packet
// being needed:
//   - a translation reports the change of the tables that it began with; a keeper that takes the
//   new megaflow into its
//     care asks pipelines_changed_since(), so that a translation that read old tables is done
//     again;
//   - the observer queues the keys after the change is visible and numbered, and a keeper takes new
//   megaflows into its care
//     before it looks the keys up. Whichever comes first, one of the two sees the other.
#pragma once

#include "lib/contract/datapath.h"
#include "offload/explain.h"
#include "slowpath/pipeline/pipeline.h"
#include "slowpath/pipeline/xlate.h"

struct backer;

struct backer_options {
    unsigned n_handlers; // 0: one per CPU
    unsigned n_keepers;  // 0: one per four CPUs, at least two where there are two
    uint8_t instance;    // of UFIDs: tells the switches of one host apart
    unsigned hang_ms;    // see offload/place.h; 0: default
    unsigned queue_max;  // likewise
    // A packet for a controller, from a handler's thread: post it to the main loop, don't block. To
    // keep `in->packet`, take it and leave NULL; what `in` points to is valid during the call
    // (pipeline_ref() for longer). NULL: nobody wants any.
    void (*packet_in)(void *aux, struct xlate_packet_in *in);
    // Runs fn(arg) on the main thread, soon. Any thread. NULL: refreshes for pipeline_refresh() are
    // waited for in place.
    void (*post)(void *aux, void (*fn)(void *arg), void *arg);
    void *aux;   // for both
    bool manual; // no threads: a test plays them (slowpath/upcall/private.h)
};

// Takes the datapath and the tiers (closed by backer_close(); on an error they stay the caller's),
// becomes the observer and refresh hook of `pipelines` (the caller's, to be freed after
// backer_close()), removes megaflows that an earlier process left, starts the threads. Blocks on
// the kernel.
int backer_create(struct pipelines *, struct datapath *, struct tier *const *hardware,
                  size_t n_hardware, const struct backer_options *, struct backer **ret_backer,
                  struct err *);
// Stops the threads and closes the tiers. With `keep_flows` what they hold goes on forwarding,
// where they can. NULL is accepted. Blocks until the threads ended (hung ones are left behind).
void backer_close(struct backer *, bool keep_flows);

struct datapath *backer_datapath(struct backer *); // for port_dump, counters, type

// Ports of the datapath. As datapath_ops.port_add/port_del, and the hardware tiers are told.
// Packets from ports that pipelines_find_port() doesn't know are dropped and counted.
int backer_port_add(struct backer *, const char *name, enum dp_port_type, dp_port_t *number,
                    struct err *);
int backer_port_del(struct backer *, dp_port_t, struct err *);
// A port that the datapath has already (found by port_dump after a restart): the hardware tiers are
// told.
void backer_port_adopt(struct backer *, const struct dp_port_info *);

// Runs actions on a packet (packet-out). Takes the packet.
int backer_execute(struct backer *, struct packet *, const struct flow_key *,
                   const struct act_list *, struct err *);

// Limits. Any thread; they take effect within a keeper's round.
void backer_set_hw_offload(struct backer *, bool on);    // off: policy `off`, hardware is emptied
void backer_set_max_idle(struct backer *, unsigned ms);  // 10000
void backer_set_flow_limit(struct backer *, unsigned n); // 200000
void backer_set_max_revalidator(struct backer *, unsigned ms); // 500
void backer_set_slow_rate(
    struct backer *, unsigned per_second); // slow-path packets per handler, 0: unlimited; 20000

void backer_round(struct backer *); // a round of every keeper soon. Any thread, doesn't wait
// Makes keepers re-translate everything now. Any thread, doesn't wait.
void backer_revalidate(struct backer *);
// Waits until every keeper has finished a round that began after the call: changes announced before
// it are in the tiers, counters read. 0 or -ETIMEDOUT.
int backer_wait(struct backer *, unsigned timeout_ms);
// Fresh counters for OpenFlow statistics: asks the hardware readers and the keepers, and waits at
// most `timeout_ms`. Returns at once if the last such reading is younger than `max_age_ms`. 0 or
// -ETIMEDOUT (counters then lag a little).
int backer_refresh(struct backer *, unsigned max_age_ms, unsigned timeout_ms);

// Removal: `ufid` or, with NULL, all. Counted to the rules. Doesn't wait: see backer_wait().
// Returns how many.
unsigned backer_flow_del(struct backer *, const struct ufid *);
// Promotion and demotion by request. Returns how many megaflows were asked; they follow in the
// background.
unsigned backer_flow_place(struct backer *, const struct ufid *, enum place_request);

// One megaflow as people see it. Valid during the callback.
struct backer_flow {
    const struct flow_desc *desc;
    struct flow_sums sums;
    int64_t created, used; // clock_now() domain; used 0: never
    unsigned slow;         // enum xlate_slow bits
    bool software_refused; // the software tier refused it: each packet is executed by a handler
    struct refusal software_refusal; // why, if so
    const char *error;               // xlate_out.error, or ""
    struct explanation where;
};
typedef void backer_flow_fn(void *aux, const struct backer_flow *);
// A dump in slices: takes a snapshot of identities; each step shows at most `max` megaflows that
// still exist. False: done.
struct backer_dump;
struct backer_dump *backer_dump_new(struct backer *);
bool backer_dump_step(struct backer_dump *, size_t max, backer_flow_fn *cb, void *aux);
void backer_dump_free(struct backer_dump *); // accepts NULL
// One megaflow: 0 or -ENOENT.
int backer_flow_find(struct backer *, const struct ufid *, backer_flow_fn *cb, void *aux);

struct offload *backer_offload(struct backer *); // for offload_report() and explain_all()

struct backer_stats {
    unsigned n_handlers, n_keepers;
    uint64_t flows;                // megaflows now
    uint64_t flows_avg, flows_max; // over rounds; most at once
    unsigned flow_limit, max_idle_ms, max_revalidator_ms;
    uint64_t handled;                      // upcalls whose handling is over
    uint64_t upcalls, misses, slow;        // packets handled: in all, missed, sent up by a megaflow
    uint64_t lost;                         // by the datapath's queues
    uint64_t slow_limited;                 // dropped by the slow path's rate limit
    uint64_t unmapped;                     // from ports that no bridge has
    uint64_t duplicates;                   // misses of a megaflow that was there already
    uint64_t installed, modified, removed; // megaflows
    uint64_t expired, evicted;             // of the removed: idle; over the limit
    uint64_t install_refused;              // by the software tier, now on the slow path
    uint64_t install_failed;               // not installed at all: packets keep coming up
    uint64_t execute_errors;               // packets that the datapath didn't take
    uint64_t receive_errors;
    uint64_t over_limit;         // not installed, because of the flow limit
    uint64_t revalidated, stale; // translations repeated; of them, changed
    uint64_t late;               // new megaflows whose tables had changed meanwhile: repeated
    uint64_t rounds;             // of all keepers
    int64_t round_ns; // the last full round's duration (clock_real), the longest over keepers
    struct {
        unsigned flows;
        int64_t round_ns;
    } keepers[8];
};
void backer_stats(struct backer *, struct backer_stats *ret); // any thread

// upcall/show's text.
void backer_show(struct backer *, struct str *out);
