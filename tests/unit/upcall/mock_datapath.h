// SPDX-License-Identifier: Apache-2.0
// A datapath in memory: its flow table is a mock tier, packets are keys. Implements
// lib/contract/datapath.h.
//
//   mock_send() -> hardware mocks -> software mock -> upcall queue of a handler
//
// Every packet that is sent is accounted for: forwarded by a tier, executed by a handler, dropped,
// or waiting in a queue.
#pragma once

#include "lib/contract/datapath.h"
#include "tests/unit/offload/mock_tier.h"

#define MOCK_QUEUES 4
#define MOCK_QUEUE 256
#define MOCK_PORTS 16

struct mock_datapath {
    struct datapath datapath;
    struct datapath_ops ops;
    struct mock_tier *soft;
    struct mock_tier *hw[2];
    size_t n_hw;
    pthread_mutex_t lock;
    pthread_cond_t cond, room;
    struct mock_queue {
        struct upcall v[MOCK_QUEUE];
        size_t head, n;
        bool woken;
    } queues[MOCK_QUEUES];
    unsigned n_queues;
    bool all_miss; // packets don't look at the tiers, which search slowly
    bool wait;     // upcall_recv blocks (threads); else it returns what there is
    struct dp_port_info ports[MOCK_PORTS];

    // Under the lock.
    uint64_t sent, upcalls, executed, lost;
    uint64_t out[MOCK_PORTS]; // packets that left by each port, whoever forwarded them
    bool closed, kept;
};

struct mock_datapath *mock_datapath_new(size_t n_hw);
void mock_datapath_free(struct mock_datapath *);
// A packet arrives. False: it was lost, its queue being full (with `wait` it waits for room
// instead).
bool mock_send(struct mock_datapath *, const struct flow_key *);
uint64_t mock_out(struct mock_datapath *, dp_port_t);
