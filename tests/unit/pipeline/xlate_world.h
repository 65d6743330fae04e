// SPDX-License-Identifier: Apache-2.0
// Two bridges joined by a patch, random rules for them, and the naive twin of translation: an
// interpreter that runs a packet's key through the tables and writes down what leaves where. The
// datapath's side is an interpreter of megaflow actions with the same result type.
#pragma once

#include "tests/unit/pipeline/pipeline_test.h"

#include "lib/base/rcu.h"
#include "slowpath/l2/mac_table.h"
#include "slowpath/pipeline/pipeline_private.h"
#include "slowpath/pipeline/xlate.h"

enum { WORLD_TABLES = 4, WORLD_PATCH = 10, WORLD_MAX_SENT = 2 * XLATE_MAX_ACTIONS };

struct world {
    struct pipelines *all;
    struct pipeline *br[2];
    struct provenance told; // announced since last cleared
    int64_t now;
};

// What left, in order. `n` may exceed what is kept.
struct sent {
    size_t n;
    struct {
        dp_port_t port;
        struct flow_key key;
    } v[64];
};

void world_init(struct world *);
void world_done(struct world *);
void world_set_ports(struct world *);     // the ports of both, at random within bounds
void world_random_change(struct world *); // a flow mod, port change, MAC event
void world_random_rule(struct world *, unsigned bridge);
// A packet that comes in by a port of bridge 0.
void world_packet(const struct world *, struct flow *);

void naive_xlate(const struct world *, const struct flow *, struct sent *);
void run_acts(const struct act_list *, const struct flow *, struct sent *);
void assert_sent_equal(const struct sent *, const struct sent *);
