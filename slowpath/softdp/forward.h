// SPDX-License-Identifier: Apache-2.0
// The forwarding threads and what they share with handlers: sending to ports, executing actions. Inside softdp only.
#pragma once

#include "slowpath/softdp/port.h"
#include "slowpath/softdp/table.h"
#include "slowpath/softdp/upcall_queue.h"

#define SOFT_MAX_PORTS 65536
#define SOFT_MAX_HANDLERS 64

struct forwarder;

struct softdp {
    struct datapath dp;
    struct tier tier;
    struct soft_table *table;
    struct soft_port **ports; // SOFT_MAX_PORTS, by number; each RCU; written by the main thread
    struct upcall_queue *queues[SOFT_MAX_HANDLERS]; // set before the first port, constant after
    unsigned n_handlers; // released after the queues are there
    size_t upcall_limit;
    struct softdp_nic *nic; // RCU; or NULL
    struct forwarder **forwarders;
    unsigned n_forwarders, next_forwarder;
};

// Frames on their way out, gathered per port so that one system call sends several. One per thread.
struct tx_gather {
    struct softdp *dp;
    unsigned n; // ports in use
    struct tx_queue {
        dp_port_t port;
        unsigned n;
        struct packet *packets[TX_BURST];
    } queue[16];
};
void tx_gather_put(struct tx_gather *, dp_port_t, struct packet *); // takes the packet
// Sends what was gathered. Within an RCU read section, as the port table is read.
void tx_gather_flush(struct tx_gather *);

// Runs a list of actions on a packet; takes it. Output is gathered, userspace actions go to the handlers' queues.
void soft_execute(struct tx_gather *, const struct act_list *, struct packet *, const struct flow_key *, const struct ufid *);

int forwarder_start(struct softdp *, unsigned index, struct forwarder **ret, struct err *);
void forwarder_stop(struct forwarder *); // joins the thread; accepts NULL
// The thread begins or ends to receive from the port. Main thread.
int forwarder_watch(struct forwarder *, const struct soft_port *, struct err *);
void forwarder_unwatch(struct forwarder *, const struct soft_port *);
void forwarder_counts(const struct forwarder *, uint64_t *hits, uint64_t *misses);
