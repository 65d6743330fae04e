// SPDX-License-Identifier: Apache-2.0
// Reads the desired state out of the replica. Values that make no sense are taken as not set, as the database's own
// constraints and ovs-vswitchd.conf.db(5) describe; what a person should hear of is told where it is applied.
#include "slowpath/config/conf.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/flow/text.h"

#define OFP_PORTS_END 0xff00 // reserved numbers follow

static enum conf_iface_kind iface_kind(const char *type, bool local)
{
    if (local || !strcmp(type, "internal"))
        return CONF_IFACE_INTERNAL;
    if (!*type || !strcmp(type, "system"))
        return CONF_IFACE_SYSTEM;
    if (!strcmp(type, "patch"))
        return CONF_IFACE_PATCH;
    return CONF_IFACE_UNKNOWN;
}

static bool read_mac(const char *text, struct eth_addr *ret)
{
    return *text && eth_addr_parse(text, ret) == 0;
}

static void read_iface(const struct db *db, const struct replica_row *row, const char *bridge, struct conf_iface *c)
{
    c->row = row;
    c->name = replica_string(row, db->Interface_name, "");
    c->type = replica_string(row, db->Interface_type, "");
    c->local = !strcmp(c->name, bridge);
    c->kind = iface_kind(c->type, c->local);
    c->peer = replica_map(row, db->Interface_options, "peer", "");
    c->ofport_request = (uint16_t)replica_int(row, db->Interface_ofport_request, 0);
    int64_t last = replica_int(row, db->Interface_ofport, 0);
    c->ofport_last = last > 0 && last < OFP_PORTS_END ? (uint16_t)last : 0;
    c->mtu_request = (uint32_t)replica_int(row, db->Interface_mtu_request, 0);
    c->has_mac = read_mac(replica_string(row, db->Interface_mac, ""), &c->mac);
}

enum vlan_mode conf_vlan_mode(const char *mode, bool has_tag, bool has_trunks)
{
    if (!strcmp(mode, "access"))
        return VLAN_ACCESS;
    if (!strcmp(mode, "trunk"))
        return VLAN_TRUNK;
    if (!strcmp(mode, "native-tagged"))
        return VLAN_NATIVE_TAGGED;
    if (!strcmp(mode, "native-untagged"))
        return VLAN_NATIVE_UNTAGGED;
    return has_tag && !has_trunks ? VLAN_ACCESS : has_tag ? VLAN_NATIVE_UNTAGGED : VLAN_TRUNK;
}

static void read_vlans(const struct db *db, struct conf_port *c)
{
    const struct ovsdb_datum *trunks = replica_get(c->row, db->Port_trunks);
    int64_t tag = replica_int(c->row, db->Port_tag, -1);

    c->vlan_mode = conf_vlan_mode(replica_string(c->row, db->Port_vlan_mode, ""), tag >= 0, trunks->n);
    c->tag = tag >= 0 ? (uint16_t)tag : 0;
    c->trunks_all = !trunks->n;
    for (uint32_t i = 0; i < trunks->n; i++) {
        uint64_t vid = (uint64_t)trunks->keys[i].integer;

        if (vid < 4096)
            c->trunks[vid / 64] |= UINT64_C(1) << vid % 64;
    }
    c->is_protected = replica_bool(c->row, db->Port_protected, false);
}

static void read_port(const struct db *db, const struct replica_row *row, const char *bridge, struct conf_port *c)
{
    unsigned n = replica_count(row, db->Port_interfaces);

    c->row = row;
    c->name = replica_string(row, db->Port_name, "");
    read_vlans(db, c);
    c->ifaces = NEW_ARRAY(struct conf_iface, n);
    for (unsigned i = 0; i < n; i++) {
        const struct replica_row *iface = replica_ref(db->replica, row, db->Port_interfaces, i);

        if (iface)
            read_iface(db, iface, bridge, &c->ifaces[c->n_ifaces++]);
    }
}

// Bits by wire version: OpenFlow10 is 1, OpenFlow13 is 4.
static unsigned read_protocols(const struct ovsdb_datum *protocols)
{
    static const char *const names[] = {"OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"};
    unsigned bits = 0;

    for (uint32_t i = 0; i < protocols->n; i++) {
        for (unsigned v = 0; v < ARRAY_SIZE(names); v++) {
            if (!strcmp(protocols->keys[i].string.s, names[v]))
                bits |= 1u << (v + 1);
        }
    }
    return bits;
}

static uint64_t read_datapath_id(const char *text)
{
    char *end;
    uint64_t id;

    if (!strncmp(text, "0x", 2) ? strlen(text) > 18 : strlen(text) != 16)
        return 0;
    id = strtoull(text, &end, 16);
    return *end ? 0 : id;
}

static void read_controllers(const struct db *db, struct conf_bridge *c)
{
    unsigned n = replica_count(c->row, db->Bridge_controller);

    c->controllers = NEW_ARRAY(struct conf_controller, n);
    for (unsigned i = 0; i < n; i++) {
        const struct replica_row *row = replica_ref(db->replica, c->row, db->Bridge_controller, i);

        if (row) {
            c->controllers[c->n_controllers++] = (struct conf_controller){
                .row = row,
                .target = replica_string(row, db->Controller_target, ""),
                .max_backoff_ms = (int)replica_int(row, db->Controller_max_backoff, -1),
                .probe_ms = (int)replica_int(row, db->Controller_inactivity_probe, -1),
            };
        }
    }
}

static bool has_number(const struct conf_port *port)
{
    return port->n_ifaces && port->ifaces[0].ofport_last;
}

// Ports are numbered in this order: those that had a number first, which they keep over a restart, then by name, so that
// what a person adds in one command gets numbers as one would expect. The database's own order is by random UUIDs.
static int by_number_and_name(const void *a, const void *b)
{
    bool old_a = has_number(a), old_b = has_number(b);

    if (old_a != old_b)
        return old_a ? -1 : 1;
    return strverscmp(((const struct conf_port *)a)->name, ((const struct conf_port *)b)->name);
}

static void read_bridge(const struct db *db, const struct replica_row *row, struct conf_bridge *c)
{
    const struct ovsdb_column *other = db->Bridge_other_config;
    unsigned n = replica_count(row, db->Bridge_ports);

    c->row = row;
    c->name = replica_string(row, db->Bridge_name, "");
    c->datapath_type = replica_string(row, db->Bridge_datapath_type, "");
    c->secure = !strcmp(replica_string(row, db->Bridge_fail_mode, ""), "secure");
    c->versions = read_protocols(replica_get(row, db->Bridge_protocols));
    c->datapath_id = read_datapath_id(replica_map(row, other, "datapath-id", ""));
    c->has_hwaddr = read_mac(replica_map(row, other, "hwaddr", ""), &c->hwaddr);
    c->mac_ageing = (unsigned)replica_map_int(row, other, "mac-aging-time", 1, 3600 * 24 * 365, 300);
    c->mac_limit = (unsigned)replica_map_int(row, other, "mac-table-size", 10, 1000000, 8192);
    read_controllers(db, c);
    c->ports = NEW_ARRAY(struct conf_port, n);
    for (unsigned i = 0; i < n; i++) {
        const struct replica_row *port = replica_ref(db->replica, row, db->Bridge_ports, i);

        if (port)
            read_port(db, port, c->name, &c->ports[c->n_ports++]);
    }
    qsort(c->ports, c->n_ports, sizeof c->ports[0], by_number_and_name);
}

void conf_read(const struct db *db, struct conf *ret)
{
    const struct replica_row *root = db_root(db);
    const struct ovsdb_column *other = db->Open_vSwitch_other_config;
    unsigned n = root ? replica_count(root, db->Open_vSwitch_bridges) : 0;

    memset(ret, 0, sizeof *ret);
    ret->root = root;
    if (!root)
        return;
    ret->next_cfg = replica_int(root, db->Open_vSwitch_next_cfg, 0);
    ret->hw_offload = replica_map_bool(root, other, "hw-offload", true);
    ret->tc_policy = replica_map(root, other, "tc-policy", "");
    ret->simulated_nic = replica_map_bool(root, other, "sluice-simulated-nic", false);
    ret->max_idle_ms = (unsigned)replica_map_int(root, other, "max-idle", 500, 3600000, 10000);
    ret->flow_limit = (unsigned)replica_map_int(root, other, "flow-limit", 0, 100000000, 200000);
    ret->max_revalidator_ms = (unsigned)replica_map_int(root, other, "max-revalidator", 100, 600000, 500);
    ret->stats_interval_ms = (unsigned)replica_map_int(root, other, "stats-update-interval", 5000, 3600000, 5000);
    ret->bridges = NEW_ARRAY(struct conf_bridge, n);
    for (unsigned i = 0; i < n; i++) {
        const struct replica_row *row = replica_ref(db->replica, root, db->Open_vSwitch_bridges, i);

        if (row)
            read_bridge(db, row, &ret->bridges[ret->n_bridges++]);
    }
}

void conf_done(struct conf *c)
{
    for (unsigned b = 0; b < c->n_bridges; b++) {
        for (unsigned p = 0; p < c->bridges[b].n_ports; p++)
            free(c->bridges[b].ports[p].ifaces);
        free(c->bridges[b].ports);
        free(c->bridges[b].controllers);
    }
    free(c->bridges);
    memset(c, 0, sizeof *c);
}
