// SPDX-License-Identifier: Apache-2.0
// Inside of a bridge and of all bridges. Only for slowpath/pipeline's own files.
#pragma once

#include <pthread.h>

#include "slowpath/l2/mac_table.h"
#include "slowpath/pipeline/classifier.h"
#include "slowpath/pipeline/pipeline.h"

// --- Ports: ports.c -----------------------------------------------------------------------------

struct port_counters {
    _Atomic uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint32_t refs; // snapshots that hold it; the main thread's until the last one is freed
};

struct port_view {
    struct pipeline_port cfg;
    struct port_counters *counters; // PORT_PATCH only
    // PORT_PATCH: the other end; NULL: there is none. Valid as long as the snapshot: a pipeline
    // that goes is first taken out of its peers' snapshots.
    struct pipeline *peer;
    ofp_port_t peer_port;
};

// Immutable once published.
struct port_set {
    struct rcu_later later;
    uint32_t n;
    struct port_view v[]; // by number
};
const struct port_view *port_set_find(const struct port_set *, ofp_port_t);

// Which bridge a datapath port is of.
struct dp_port_map {
    struct rcu_later later;
    uint32_t n;
    struct dp_port_entry {
        dp_port_t dp_port;
        ofp_port_t port;
        struct pipeline *pipeline;
    } v[]; // by dp_port
};

// --- Tables: flow_mod.c, flow_stats.c -----------------------------------------------------------

struct table {
    struct classifier cls;
    // The main thread's: rules not removed, each at its `slot`; holes are NULL and listed.
    struct rule **slots;
    size_t n_slots, slots_allocated;
    uint32_t *holes;
    size_t n_holes, holes_allocated;
    uint32_t n_rules;
};

struct pipeline {
    struct pipelines *all; // referenced
    uint32_t id;
    char *name;
    _Atomic uint32_t refs;
    _Atomic bool miss_to_controller;
    struct table *tables[PIPELINE_TABLES]; // RCU; made when first needed
    struct table **taken;                  // `tables` of a bridge that was freed, until teardown
    struct table_counts {
        _Atomic uint64_t lookups, matched; // packets, credited
    } counts[PIPELINE_TABLES];
    struct port_set *ports; // RCU; never NULL
    struct mac_table *macs;
    struct pipeline_events events;
    struct rule *expirable;       // utlist of rules that have a timeout
    struct pipeline *next, *prev; // in pipelines.list
    struct rcu_later later;
};

// --- All bridges: pipelines.c -------------------------------------------------------------------

enum { CHANGE_RING = 4096, OVERLAP_MIN = 128 };

// Rules that no new lookup sees, until no old one can.
struct grave {
    struct rule **v;
    size_t n, allocated;
};

struct pipelines {
    _Atomic uint32_t refs;
    _Atomic uint64_t version; // of all tables: what lookups see
    struct dep_observer observer;
    // The last changes announced: number `change` is ring[change % CHANGE_RING].
    pthread_mutex_t ring_lock; // ring, and writing `change`
    _Atomic uint64_t change;
    dep_t ring[CHANGE_RING];
    // The main thread's.
    struct pipeline *list;
    uint32_t next_pipeline_id;
    uint64_t next_rule_id;
    struct grave dead;       // no grace period begun yet
    struct grave dying;      // waits for one
    struct grave_wait *wait; // what `dying` waits with; NULL: nothing
    pipeline_refresh_fn *refresh;
    void *refresh_aux;
    int64_t counter_lag;
    size_t overlap_tokens, overlap_min; // see flow_mod.c
    int64_t overlap_refilled;
    int64_t macs_run_at;
    struct dp_port_map *dp_ports; // RCU; may be NULL
};

struct pipelines *pipelines_ref(struct pipelines *);
void pipelines_unref(struct pipelines *);
// Numbers changes that readers see already, and tells the observer.
void pipelines_announce(struct pipelines *, const dep_t *, size_t n);
// Makes everything with added_in or removed_in of version + 1 appear and disappear.
void pipelines_publish_version(struct pipelines *);
void pipelines_bury(struct pipelines *, struct rule *); // it was marked as removed
void pipelines_reap(struct pipelines *);      // works off graves as far as grace periods allow
void pipelines_map_ports(struct pipelines *); // after any bridge's ports changed

// --- Rules: rule.c ------------------------------------------------------------------------------

struct rule *rule_new(struct pipeline *, uint8_t table, const struct match *);
struct rule_stats *rule_stats_new(int64_t now);
struct rule_stats *rule_stats_ref(struct rule_stats *);
void rule_stats_unref(struct rule_stats *);

// --- Tables -------------------------------------------------------------------------------------

static inline dep_t dep_table_miss(const struct pipeline *p, uint8_t table)
{
    return dep_make(DEP_TABLE_MISS, (uint64_t)p->id << 8 | table);
}
static inline dep_t dep_table(const struct pipeline *p, uint8_t table)
{
    return dep_make(DEP_TABLE, (uint64_t)p->id << 8 | table);
}

struct table *pipeline_table(struct pipeline *, uint8_t table); // made if need be
void tables_take(struct pipeline *);               // readers find no tables from now on
void tables_free(struct pipeline *);               // what was taken, when readers have left
void pipeline_remove_all_rules(struct pipeline *); // nothing is told but dependencies
void pipeline_expire(struct pipeline *, int64_t now);
