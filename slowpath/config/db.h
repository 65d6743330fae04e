// SPDX-License-Identifier: Apache-2.0
// The tables and columns of the Open_vSwitch database that the switch reads and writes, by name in one place: everything
// else uses these handles. Schema: ovs-vswitchd.conf.db(5), version 8.3.1. Main thread.
#pragma once

#include "ovsdb/client/replica.h"
#include "ovsdb/client/txn.h"

// X(table, column)
#define DB_COLUMNS(X)                                                                                                    \
    X(Open_vSwitch, bridges)                                                                                             \
    X(Open_vSwitch, next_cfg)                                                                                            \
    X(Open_vSwitch, cur_cfg)                                                                                             \
    X(Open_vSwitch, other_config)                                                                                        \
    X(Open_vSwitch, statistics)                                                                                          \
    X(Open_vSwitch, ovs_version)                                                                                         \
    X(Open_vSwitch, db_version)                                                                                          \
    X(Open_vSwitch, system_type)                                                                                         \
    X(Open_vSwitch, system_version)                                                                                      \
    X(Open_vSwitch, datapath_types)                                                                                      \
    X(Open_vSwitch, iface_types)                                                                                         \
    X(Open_vSwitch, datapaths)                                                                                           \
    X(Open_vSwitch, dpdk_initialized)                                                                                    \
    X(Bridge, name)                                                                                                      \
    X(Bridge, ports)                                                                                                     \
    X(Bridge, controller)                                                                                                \
    X(Bridge, datapath_type)                                                                                             \
    X(Bridge, datapath_version)                                                                                          \
    X(Bridge, datapath_id)                                                                                               \
    X(Bridge, fail_mode)                                                                                                 \
    X(Bridge, protocols)                                                                                                 \
    X(Bridge, status)                                                                                                    \
    X(Bridge, other_config)                                                                                              \
    X(Port, name)                                                                                                        \
    X(Port, interfaces)                                                                                                  \
    X(Port, tag)                                                                                                         \
    X(Port, trunks)                                                                                                      \
    X(Port, vlan_mode)                                                                                                   \
    X(Port, protected)                                                                                                   \
    X(Interface, name)                                                                                                   \
    X(Interface, type)                                                                                                   \
    X(Interface, options)                                                                                                \
    X(Interface, mac)                                                                                                    \
    X(Interface, mac_in_use)                                                                                             \
    X(Interface, ofport)                                                                                                 \
    X(Interface, ofport_request)                                                                                         \
    X(Interface, mtu)                                                                                                    \
    X(Interface, mtu_request)                                                                                            \
    X(Interface, ifindex)                                                                                                \
    X(Interface, link_state)                                                                                             \
    X(Interface, admin_state)                                                                                            \
    X(Interface, link_resets)                                                                                            \
    X(Interface, link_speed)                                                                                             \
    X(Interface, duplex)                                                                                                 \
    X(Interface, statistics)                                                                                             \
    X(Interface, status)                                                                                                 \
    X(Interface, error)                                                                                                  \
    X(Controller, target)                                                                                                \
    X(Controller, is_connected)                                                                                          \
    X(Controller, role)                                                                                                  \
    X(Controller, status)                                                                                                \
    X(Controller, max_backoff)                                                                                           \
    X(Controller, inactivity_probe)                                                                                      \
    X(Datapath, datapath_version)                                                                                        \
    X(Datapath, capabilities)

struct db {
    struct replica *replica;
    const struct replica_table *Open_vSwitch, *Bridge, *Port, *Interface, *Controller, *Datapath;
#define DB_MEMBER(table, column) const struct ovsdb_column *table##_##column;
    DB_COLUMNS(DB_MEMBER)
#undef DB_MEMBER
};

// Connects to `target` and calls `changed` as replica_cb says.
int db_open(struct loop *, const char *target, void (*changed)(struct replica *, void *), void *arg, struct db *ret_db,
            struct err *);
void db_close(struct db *);
const struct replica_row *db_root(const struct db *); // the Open_vSwitch row, or NULL

// Puts `value` into the transaction unless the row has it already; consumes it.
void db_put(struct replica_txn *, const struct db *, const struct replica_row *, const struct ovsdb_column *, struct ovsdb_datum *);
void db_put_string(struct replica_txn *, const struct db *, const struct replica_row *, const struct ovsdb_column *, const char *); // NULL: empty
void db_put_int(struct replica_txn *, const struct db *, const struct replica_row *, const struct ovsdb_column *, int64_t);
void db_put_none(struct replica_txn *, const struct db *, const struct replica_row *, const struct ovsdb_column *);
