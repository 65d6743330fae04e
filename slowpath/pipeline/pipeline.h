// SPDX-License-Identifier: Apache-2.0
// One bridge's OpenFlow tables, ports and MAC table, and all bridges of a process together.
//
// Threads: everything here is the main thread's, unless said otherwise; translation (xlate.h) is
// any thread's. Nothing blocks, waits or starts a thread. Readers are RCU (lib/base/rcu.h).
#pragma once

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/flow/key.h"
#include "slowpath/pipeline/ports.h"
#include "slowpath/pipeline/provenance.h"
#include "slowpath/pipeline/rule.h"

#define PIPELINE_TABLES 254
#define TABLE_MAX_RULES 1000000 // per table
#define TABLE_ALL 0xff

// --- All bridges of a process
// -------------------------------------------------------------------------------------------

// Hands out ids, knows which bridge a datapath port belongs to, and numbers changes.
struct pipelines;
struct pipelines *pipelines_new(void);
void pipelines_free(struct pipelines *); // its pipelines were freed before
void pipelines_set_observer(struct pipelines *,
                            const struct dep_observer *); // copied; before threads start

// The bridge and OpenFlow port of a datapath port. The result is valid within the caller's RCU read
// section. Any thread.
bool pipelines_find_port(const struct pipelines *, dp_port_t, struct pipeline **ret_pipeline,
                         ofp_port_t *ret_port);

// The number of the last change that is visible. A translation reports the number it began with
// (xlate_out.change); who stores a megaflow asks, once it is in the store, whether anything it
// hangs on has changed since: the observer was possibly called too early to find it. Any thread.
uint64_t pipelines_change(const struct pipelines *);
bool pipelines_changed_since(const struct pipelines *, uint64_t change, const struct provenance *);

// How late counters may be that tiers deliver (ns). A rule idles out only when it was idle for so
// much longer.
void pipelines_set_counter_lag(struct pipelines *, int64_t lag);

// Works off what is due: expired rules, aged MACs, memory. Returns when it wants to be called again
// (clock_now() time), at most a second from now.
int64_t pipelines_run(struct pipelines *, int64_t now);

// --- One bridge
// ---------------------------------------------------------------------------------------------------------

struct pipeline;
struct pipeline *pipeline_new(struct pipelines *, const char *name);
void pipeline_free(
    struct pipeline *); // its rules and ports go, announced; memory goes with the last reference
struct pipeline *pipeline_ref(struct pipeline *); // any thread
void pipeline_unref(struct pipeline *);           // any thread
const char *pipeline_name(const struct pipeline *);
uint32_t pipeline_id(const struct pipeline *); // unique in the process's life

// Replaces the set of ports, copied. MACs learned on ports that went are forgotten. Announces
// DEP_PORTS here and at the peers of patch ports, if anything but PORT_LINK_DOWN changed.
void pipeline_set_ports(struct pipeline *, const struct pipeline_port *ports, size_t n);
// Valid until the next pipeline_set_ports (main thread) or in the RCU read section (others). NULL:
// none such.
const struct pipeline_port *pipeline_port(const struct pipeline *, ofp_port_t);
bool pipeline_port_counters(const struct pipeline *, ofp_port_t,
                            struct pipeline_port_counters *ret); // any thread

// Packets that match nothing in a table go to the controllers (OpenFlow 1.0 to 1.2) or nowhere (1.3
// on; the default).
void pipeline_set_miss_to_controller(struct pipeline *, bool);

struct mac_table;
struct mac_table *
pipeline_macs(const struct pipeline *); // slowpath/l2/mac_table.h; lives as long as the pipeline

// --- Flow mods
// ----------------------------------------------------------------------------------------------------------

enum flow_mod_command {
    FLOW_ADD,
    FLOW_MODIFY,
    FLOW_MODIFY_STRICT,
    FLOW_DELETE,
    FLOW_DELETE_STRICT,
};

enum flow_mod_flags { // beyond enum rule_flags, which apply as well
    FLOW_CHECK_OVERLAP = 1 << 1,
    FLOW_RESET_COUNTS =
        1 << 2, // the codec sets it on adds of OpenFlow 1.0 and 1.1, where adding always resets
};

struct flow_mod {
    enum flow_mod_command command;
    uint8_t table;     // TABLE_ALL: every table for modify and delete, table 0 for add
    uint16_t priority; // add and strict commands
    struct match match;
    // Filters of modify and delete. Set out_port to OFPP_NONE for none.
    be64_t cookie, cookie_mask; // only rules that agree on the mask's bits
    ofp_port_t out_port;        // delete: only rules with an output there
    // What the rule becomes: add; actions and cookie of modify.
    be64_t new_cookie;
    bool modify_cookie;  // modify: new_cookie applies to rules that exist
    bool modify_may_add; // modify that finds nothing adds (OpenFlow 1.0; 1.1 if its cookie_mask is
                         // 0)
    uint16_t idle_timeout, hard_timeout, importance;
    unsigned flags;             // enum flow_mod_flags | enum rule_flags
    struct ofpact_list actions; // of the caller; copied
    uint8_t delete_reason;      // told to events; OFPRR_DELETE unless a codec says otherwise
};
void flow_mod_init(
    struct flow_mod *,
    enum flow_mod_command); // priority 0x8000, no filters, table TABLE_ALL for deletes, else 0
void flow_mod_done(struct flow_mod *);

// OpenFlow's words for what can be wrong; codes per version are the codec's.
enum flow_mod_fault {
    FLOW_MOD_OK,
    FLOW_MOD_TABLE_FULL,  // OFPFMFC_TABLE_FULL (1.0: ALL_TABLES_FULL)
    FLOW_MOD_OVERLAP,     // OFPFMFC_OVERLAP
    FLOW_MOD_BAD_TABLE,   // OFPFMFC_BAD_TABLE_ID
    FLOW_MOD_BAD_COMMAND, // OFPFMFC_BAD_COMMAND
};

// Does all of it or nothing. The whole change becomes visible to translations at once. 0, or a
// negative errno with a sentence and *ret_fault (which may be NULL).
int pipeline_flow_mod(struct pipeline *, const struct flow_mod *, int64_t now,
                      enum flow_mod_fault *ret_fault, struct err *);

// --- What goes on in the tables
// -----------------------------------------------------------------------------------------

enum rule_event { RULE_ADDED, RULE_MODIFIED, RULE_REMOVED };
enum rule_removed_reason { // OFPRR_*
    RULE_REMOVED_IDLE = 0,
    RULE_REMOVED_HARD = 1,
    RULE_REMOVED_DELETE = 2,
};
// Called after the change is visible, before memory goes. The callee must not change tables from
// within.
struct pipeline_events {
    // `reason` is told with RULE_REMOVED. A rule that an add replaced is told as modified.
    void (*rule)(void *aux, struct pipeline *, struct rule *, enum rule_event, uint8_t reason);
    void *aux;
};
void pipeline_set_events(struct pipeline *, const struct pipeline_events *); // copied; NULL: none

// Counters lag behind what tiers have counted. pipeline_refresh() asks whoever feeds them to catch
// up and calls `done` on the main thread when that has happened: at once if nobody registered.
// `done` may come before pipeline_refresh() returns.
typedef void pipeline_refresh_fn(void *aux, struct pipeline *, void (*done)(void *arg), void *arg);
void pipeline_set_refresh_hook(struct pipelines *, pipeline_refresh_fn *, void *aux);
void pipeline_refresh(struct pipeline *, void (*done)(void *arg), void *arg);

struct rule_filter {
    uint8_t table;             // TABLE_ALL: every one
    const struct match *match; // rules at least as specific; NULL: any
    be64_t cookie, cookie_mask;
    ofp_port_t out_port; // OFPP_NONE: any
};
// Where an iteration stands. Survives changes between slices: a rule that is there throughout is
// visited once; one added or removed meanwhile perhaps. Zeroed: at the beginning.
struct rule_cursor {
    uint32_t table, slot;
    bool done;
};
// Looks at most at `budget` rules and moves at most `max` that pass into `ret` (no references).
// Returns how many.
size_t pipeline_rules_next(struct pipeline *, const struct rule_filter *, struct rule_cursor *,
                           size_t budget, struct rule **ret, size_t max);

struct rule_totals {
    uint64_t packets, bytes;
    uint32_t flows;
};
// Adds to *totals. Call until cursor->done.
void pipeline_aggregate_next(struct pipeline *, const struct rule_filter *, struct rule_cursor *,
                             size_t budget, struct rule_totals *totals);

struct table_stats {
    uint32_t active;           // rules
    uint64_t lookups, matched; // packets
};
void pipeline_table_stats(const struct pipeline *, uint8_t table, struct table_stats *ret_stats);
