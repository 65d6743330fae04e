// SPDX-License-Identifier: Apache-2.0
// The OpenFlow agent of one bridge: its listeners, controllers and connections.
//
// OpenFlow 1.0 (with the Nicira extensions) and 1.3 are spoken; each connection negotiates its own
// version. A *service* connection came in through a listener (BRIDGE.mgmt; ovs-ofctl) and gets no
// asynchronous messages until it asks for them; a *controller* connection was made by us and gets
// the specification's defaults. Long answers are produced in slices, so that one client's dump of a
// million flows delays nobody, and a client that doesn't read stops being served until it does.
//
// Thread: the loop's (main) thread, which is the one that calls connmgr_new(); but for
// connmgr_packet_in(). Nothing blocks.
#pragma once

#include "lib/io/loop.h"
#include "slowpath/openflow/bridge_ops.h"
#include "slowpath/pipeline/xlate.h"

struct connmgr;
struct pipeline;

#define OF_VERSION_BIT(wire_version) (1u << (wire_version))
#define OF_VERSIONS_OFFERED (OF_VERSION_BIT(1) | OF_VERSION_BIT(4)) // what this agent can speak

// Takes over the pipeline's events (pipeline_set_events) and what becomes of packets that match
// nothing (pipeline_set_miss_to_controller: while a controller of OpenFlow 1.0 wants them).
// `pipeline` and `ops` outlive it; with `ops` of its owner comes `aux`. All offered versions are
// allowed at first.
struct connmgr *connmgr_new(struct loop *, struct pipeline *, const struct of_bridge_ops *ops,
                            void *aux);
void connmgr_free(struct connmgr *); // closes everything; NULL is accepted

// Wire versions that may be negotiated, OF_VERSION_BIT of each; those not offered are ignored.
// Connections of a version that is no longer allowed are closed.
void connmgr_set_versions(struct connmgr *, uint32_t versions);

// Listens for service connections, e.g. "punix:/run/openvswitch/br0.mgmt". Errors are those of
// stream_listen().
int connmgr_listen(struct connmgr *, const char *target, struct err *);

struct of_controller_config {
    const char *target;  // "tcp:192.0.2.1:6653", "unix:…", "ssl:…"; or passive: a listener for
                         // service connections
    int64_t probe;       // ns of silence before an echo request; the same again closes it. 0: never
    int64_t max_backoff; // ns between attempts to connect, at most. 0: 8 s
    uint32_t packet_in_rate, packet_in_burst; // packet-ins a second and at once. 0: unlimited
    bool no_async; // as if it were a service connection (Controller.enable_async_messages = false)
};

// Replaces the controllers (copied). One that stays, by target, keeps its connection. A target that
// can't be used is remembered with its error.
void connmgr_set_controllers(struct connmgr *, const struct of_controller_config *v, size_t n);

// What a row of the Controller table shows, and what fail-open decides by.
struct of_controller_status {
    const char *target;
    bool connected;         // a version was negotiated
    const char *role;       // "other", "master", "slave"; NULL: not connected
    const char *state;      // "VOID", "BACKOFF", "CONNECTING", "ACTIVE", "IDLE", "LISTENING"
    int64_t changed;        // clock_now() of the last connect or disconnect; 0: never
    int64_t attempt;        // clock_now() of the last attempt; 0: never
    const char *last_error; // a sentence; NULL: none. Valid until the loop runs
};
void connmgr_controllers_each(const struct connmgr *,
                              void (*cb)(void *aux, const struct of_controller_status *),
                              void *aux);
size_t connmgr_n_controllers(const struct connmgr *); // active ones that are configured
size_t connmgr_n_connected(const struct connmgr *);   // of these, connected
// Since when no controller has been connected; 0: one is, or none is configured.
int64_t connmgr_alone_since(const struct connmgr *);
// `fn` is called, from the loop, after a controller connected, disconnected or changed its role.
void connmgr_set_status_hook(struct connmgr *, void (*fn)(void *aux), void *aux);

// Tells connections that want to know. `reason` is OFPPR_*.
void connmgr_port_status(struct connmgr *, uint8_t reason, const struct of_port *);

// Sends a packet-in to the connections that want it. `p` and p->packet stay the caller's. Any
// thread: from others than the loop's it is queued, bounded; false: dropped, because the queue is
// full (counted).
bool connmgr_packet_in(struct connmgr *, const struct xlate_packet_in *p);
