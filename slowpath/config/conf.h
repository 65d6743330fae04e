// SPDX-License-Identifier: Apache-2.0
// What the database asks for, read out into plain structs: the *desired* state. switch.c makes the running one equal to it.
//
// A conf borrows names and rows from the replica and is valid until the replica's next change. Pure; main thread.
#pragma once

#include "lib/flow/types.h"
#include "slowpath/config/db.h"
#include "slowpath/pipeline/ports.h"

enum conf_iface_kind {
    CONF_IFACE_SYSTEM,
    CONF_IFACE_INTERNAL,
    CONF_IFACE_PATCH,
    CONF_IFACE_UNKNOWN, // a type that this switch lacks
};

struct conf_iface {
    const struct replica_row *row;
    const char *name, *type, *peer;
    enum conf_iface_kind kind;
    bool local; // the bridge's own port
    uint16_t ofport_request; // 0: none
    uint16_t ofport_last; // that it has or had, perhaps under an earlier process; 0: none
    uint32_t mtu_request; // 0: none
    bool has_mac;
    struct eth_addr mac;
};

struct conf_port {
    const struct replica_row *row;
    const char *name;
    enum vlan_mode vlan_mode;
    uint16_t tag;
    bool trunks_all, is_protected;
    uint64_t trunks[VLAN_BITMAP_WORDS];
    unsigned n_ifaces;
    struct conf_iface *ifaces;
};

struct conf_controller {
    const struct replica_row *row;
    const char *target;
    int max_backoff_ms, probe_ms; // -1: not set
};

struct conf_bridge {
    const struct replica_row *row;
    const char *name;
    const char *datapath_type; // "" is the default
    bool secure; // fail_mode
    unsigned versions; // bit per OpenFlow wire version that `protocols` allows; 0: default
    uint64_t datapath_id; // other_config:datapath-id; 0: derived
    bool has_hwaddr;
    struct eth_addr hwaddr; // other_config:hwaddr
    unsigned mac_ageing, mac_limit;
    unsigned n_ports, n_controllers;
    struct conf_port *ports;
    struct conf_controller *controllers;
};

struct conf {
    const struct replica_row *root;
    int64_t next_cfg;
    bool hw_offload; // default true: Sluice offloads what it can unless told not to
    const char *tc_policy; // "none", "skip_sw", "skip_hw"; "" is not set
    bool simulated_nic;
    unsigned max_idle_ms, flow_limit, max_revalidator_ms, stats_interval_ms;
    unsigned n_bridges;
    struct conf_bridge *bridges;
};

void conf_read(const struct db *, struct conf *ret_conf);
void conf_done(struct conf *);

// The VLAN membership that a database row describes, without the database: for tests.
enum vlan_mode conf_vlan_mode(const char *mode, bool has_tag, bool has_trunks);
