// SPDX-License-Identifier: Apache-2.0
// The running switch: bridges, their ports, and the datapaths below, made equal to what the database asks for.
//
//   conf.c     the desired state, read out of the database
//   switch.c   when to reconcile; settings of the whole switch; cur_cfg
//   stack.c    one datapath type: datapath, hardware tiers, pipelines, backer
//   bridge.c   one bridge: its pipeline, its OpenFlow side, its ports
//   iface.c    one interface: datapath port, device, link
//   status.c   what is written back
//   commands.c what ovs-appctl and sluice ask
//
// Everything runs on the main thread's loop. A reconciliation is idempotent: it compares and changes what differs.
#pragma once

#include <uthash.h>

#include "lib/io/control.h"
#include "lib/netlink/rtnl.h"
#include "slowpath/config/conf.h"
#include "slowpath/openflow/connmgr.h"
#include "slowpath/pipeline/pipeline.h"
#include "slowpath/upcall/backer.h"

struct sw;
struct bridge;
struct running;

// One datapath type with what stands on it. Made when the first bridge needs it, kept until the end.
struct stack {
    struct sw *sw;
    const char *type; // "netdev", "system"
    struct pipelines *pipelines;
    struct backer *backer; // NULL: stopped
    struct datapath *dp; // the backer's
    const char *hardware; // "none", "simulated", "tc"
    struct loop_timer *timer; // pipelines_run()
};

struct iface {
    UT_hash_handle hh; // in bridge->ifaces, by name
    struct bridge *bridge;
    char *name;
    enum conf_iface_kind kind;
    bool local, wanted; // wanted: mark of the reconciliation under way
    char *peer; // patch
    ofp_port_t ofp_port; // 0: none, the interface failed
    dp_port_t dp_port; // DP_PORT_NONE: not in the datapath
    uint32_t of_config; // OFPPC_* set by OpenFlow
    struct rtnl_link link; // the device's last known state; ifindex 0: none
    uint32_t mtu_refused; // by the device, not tried again; 0: none
    unsigned link_resets;
    int64_t created; // clock_now()
    char *error; // what the database shows, or NULL
};

struct bridge {
    UT_hash_handle hh; // in sw->bridges, by name
    struct sw *sw;
    struct stack *stack;
    char *name;
    bool wanted;
    struct pipeline *pipeline;
    struct connmgr *of; // its OpenFlow agent
    struct iface *ifaces; // by name
    struct eth_addr hwaddr; // in use
    struct eth_addr fallback_hwaddr; // made up, used while no port has one
    uint64_t datapath_id;
    bool secure, controlled; // fail mode, and whether it has controllers, as applied
    bool fail_mode_known; // these were applied to the pipeline
    bool failed_open; // the flow of a bridge without its controllers is there
    char *note; // what a person should know of the choice of datapath, or NULL
    char *error; // the bridge could not be made: no stack, no pipeline; or NULL
};

struct sw {
    struct loop *loop;
    struct control *control;
    struct db db;
    struct conf conf; // valid during sw_reconcile()
    struct nlk_sock *rtnl;
    struct rtnl_events *links;
    struct loop_watch *links_watch;
    struct loop_timer *status_timer;
    struct stack *stacks[2]; // NULL: not needed yet
    struct bridge *bridges;
    bool running; // the database's lock is held and a first reconciliation was done
    bool simulated_nic, hw_offload;
    unsigned stats_interval_ms;
    bool status_busy; // a status transaction is on its way
    bool status_again;
    struct running *dumps; // under way (commands_dump.c)
    int64_t cur_cfg;
    char *tc_policy;
    char *fallback_reason; // why the best datapath type is not there, or NULL
    void (*stop)(void *aux, bool cleanup); // the exit command
    void *stop_aux;
};

int sw_open(struct loop *, struct control *, const char *db_target, struct sw **ret_sw, struct err *);
// With `cleanup` bridges and flows are taken out of the kernel and the NIC; else they stay and forward where they can.
void sw_close(struct sw *, bool cleanup);

// Something that a port's translation depends on changed, without the database: publish the ports again.
void sw_ports_changed(struct sw *);

// --- stack.c ---
// The stack for a bridge's datapath_type: "" chooses the best one that works here. NULL with a sentence: an explicit type
// that this host lacks.
struct stack *stack_for(struct sw *, const char *datapath_type, struct err *);
// Ends its threads and lets go of the datapath; with `keep` ports and flows stay in the kernel. Its bridges are freed after.
void stack_stop(struct stack *, bool keep); // accepts NULL, and a second time
void stack_free(struct stack *); // accepts NULL; its bridges are gone
void stack_apply_settings(struct stack *, const struct conf *);
// Removes ports that no interface has: an earlier process left them. After a reconciliation.
void stack_drop_leftovers(struct stack *);
// The types that this build knows, NULL-terminated.
extern const char *const stack_types[];

// --- bridge.c ---
struct bridge *bridge_find(struct sw *, const char *name);
void bridge_reconcile(struct sw *, const struct conf_bridge *); // makes it if it is new
void bridge_free(struct bridge *);
void bridge_take_down(struct bridge *); // off its stack; the next reconciliation brings it up again
struct iface *bridge_iface_by_port(struct bridge *, ofp_port_t);
// From a handler's thread: hands the packet to the bridge's controllers on the main thread.
void bridge_packet_in(struct stack *, struct xlate_packet_in *);
// Connection states of its controllers, into a status transaction; `row` is the bridge's.
void bridge_put_controllers(struct replica_txn *, struct bridge *, const struct replica_row *row);
// The set of ports or a link changed: tells the pipeline and OpenFlow connections.
void bridge_publish_ports(struct bridge *, const struct conf_bridge *conf);
// From time to time and when a controller comes or goes: a standalone bridge without its controllers switches by itself.
void bridge_check_fail_open(struct bridge *);
void bridge_apply_local(struct bridge *); // its address, to the device of its local port
void bridge_link_changed(struct bridge *, struct iface *, const struct rtnl_link *old);

// --- iface.c ---
struct iface *iface_new(struct bridge *, const struct conf_iface *);
void iface_free(struct iface *); // out of the datapath too
// Adds it to the datapath if it isn't there, applies MTU and MAC. Sets or clears iface->error.
void iface_apply(struct iface *, const struct conf_iface *);
void iface_refuse(struct iface *, const char *why); // it cannot be used: no port, and the error is shown
void iface_set_mtu(struct iface *, uint32_t mtu);
void iface_set_mac(struct iface *, const struct eth_addr *);
void iface_link(struct iface *, const struct rtnl_link *); // the device changed
// Packets can pass: up, with a carrier. A TAP device that is down still has one.
bool iface_link_up(const struct iface *);
// Statistics from the switch's point of view. False: none.
bool iface_stats(struct iface *, struct rtnl_link_stats64 *ret_stats);

// --- status.c ---
void status_write(struct sw *, bool with_statistics); // one transaction with what differs, cur_cfg included
