// SPDX-License-Identifier: Apache-2.0
// What the switch writes back into the database: interfaces' numbers, links, errors and statistics, bridges' identities, the
// switch's own facts, and cur_cfg, for which ovs-vsctl waits. One transaction holds what differs from what the database
// shows; one is on its way at a time. Main thread.
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/flow/text.h"
#include "slowpath/config/switch.h"

LOG_MODULE(status);

#define OVS_VERSION "3.1.0" // the behaviour that we answer as
#define DB_VERSION "8.3.1"

// A map column being collected: string keys, integer values.
static void map_add(struct ovsdb_datum_builder *b, const char *key, int64_t value)
{
    union ovsdb_atom k = {.string = {key, (uint32_t)strlen(key)}}, v = {.integer = value};

    ovsdb_datum_builder_add(b, k, &v);
}

static struct ovsdb_datum *stats_datum(const struct rtnl_link_stats64 *s)
{
    struct ovsdb_datum_builder b;

    ovsdb_datum_builder_init(&b, OVSDB_STRING, OVSDB_INTEGER, 12);
    map_add(&b, "rx_packets", s->rx_packets);
    map_add(&b, "tx_packets", s->tx_packets);
    map_add(&b, "rx_bytes", s->rx_bytes);
    map_add(&b, "tx_bytes", s->tx_bytes);
    map_add(&b, "rx_dropped", s->rx_dropped);
    map_add(&b, "tx_dropped", s->tx_dropped);
    map_add(&b, "rx_errors", s->rx_errors);
    map_add(&b, "tx_errors", s->tx_errors);
    map_add(&b, "rx_frame_err", s->rx_frame_errors);
    map_add(&b, "rx_over_err", s->rx_over_errors);
    map_add(&b, "rx_crc_err", s->rx_crc_errors);
    map_add(&b, "collisions", s->collisions);
    return ovsdb_datum_builder_finish(&b, NULL);
}

static struct ovsdb_datum *status_datum(const struct iface *iface)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq ifr = {.ifr_data = (void *)&info};
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    str_copy(ifr.ifr_name, sizeof ifr.ifr_name, iface->name);
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr) < 0)
        return replica_string_map((const char *const[]){NULL});
    return replica_string_map((const char *const[]){"driver_name", info.driver, "driver_version", info.version,
                                                    "firmware_version", info.fw_version, NULL});
}

static void put_link(struct replica_txn *txn, const struct db *db, const struct replica_row *row, const struct iface *iface)
{
    const struct rtnl_link *link = &iface->link;
    AUTO(str_done) struct str mac = STR_INIT;

    if (!link->ifindex) {
        bool patch = iface->kind == CONF_IFACE_PATCH && !iface->error;

        db_put_string(txn, db, row, db->Interface_link_state, patch ? "up" : NULL);
        db_put_string(txn, db, row, db->Interface_admin_state, patch ? "up" : NULL);
        db_put_none(txn, db, row, db->Interface_mac_in_use);
        db_put_none(txn, db, row, db->Interface_mtu);
        db_put_int(txn, db, row, db->Interface_ifindex, 0);
        db_put_none(txn, db, row, db->Interface_status);
        return;
    }
    eth_addr_format((const struct eth_addr *)link->address, &mac);
    db_put_string(txn, db, row, db->Interface_mac_in_use, str_text(&mac));
    db_put_string(txn, db, row, db->Interface_link_state, iface_link_up(iface) ? "up" : "down");
    db_put_string(txn, db, row, db->Interface_admin_state, link->flags & IFF_UP ? "up" : "down");
    db_put_int(txn, db, row, db->Interface_mtu, link->mtu);
    db_put_int(txn, db, row, db->Interface_ifindex, link->ifindex);
    db_put_int(txn, db, row, db->Interface_link_resets, iface->link_resets);
    db_put(txn, db, row, db->Interface_status, status_datum(iface));
}

static void put_iface(struct replica_txn *txn, const struct db *db, const struct replica_row *row, struct iface *iface,
                      bool with_statistics)
{
    struct rtnl_link_stats64 stats;

    if (iface->error)
        db_put_int(txn, db, row, db->Interface_ofport, -1);
    else
        db_put_int(txn, db, row, db->Interface_ofport, iface->ofp_port == OFPP_LOCAL ? 65534 : (int64_t)iface->ofp_port);
    db_put_string(txn, db, row, db->Interface_error, iface->error);
    put_link(txn, db, row, iface);
    if (with_statistics && iface_stats(iface, &stats))
        db_put(txn, db, row, db->Interface_statistics, stats_datum(&stats));
}

static void put_bridge_ifaces(struct replica_txn *txn, const struct db *db, const struct replica_row *row,
                              struct bridge *bridge, bool with_statistics)
{
    for (unsigned p = 0; p < replica_count(row, db->Bridge_ports); p++) {
        const struct replica_row *port = replica_ref(db->replica, row, db->Bridge_ports, p);

        for (unsigned i = 0; port && i < replica_count(port, db->Port_interfaces); i++) {
            const struct replica_row *r = replica_ref(db->replica, port, db->Port_interfaces, i);
            struct iface *iface = NULL;

            if (r && bridge)
                HASH_FIND_STR(bridge->ifaces, replica_string(r, db->Interface_name, ""), iface);
            if (iface)
                put_iface(txn, db, r, iface, with_statistics);
        }
    }
}

// A bridge that could not be made: its interfaces say why, which is what ovs-vsctl shows.
static void put_bridge_error(struct replica_txn *txn, const struct db *db, const struct replica_row *row, const char *error)
{
    for (unsigned p = 0; p < replica_count(row, db->Bridge_ports); p++) {
        const struct replica_row *port = replica_ref(db->replica, row, db->Bridge_ports, p);

        for (unsigned i = 0; port && i < replica_count(port, db->Port_interfaces); i++) {
            const struct replica_row *r = replica_ref(db->replica, port, db->Port_interfaces, i);

            if (r) {
                db_put_int(txn, db, r, db->Interface_ofport, -1);
                db_put_string(txn, db, r, db->Interface_error, error);
            }
        }
    }
    db_put_none(txn, db, row, db->Bridge_datapath_id);
    replica_txn_map_put(txn, db->Bridge, &row->uuid, db->Bridge_status, "error", error);
}

static void put_bridge(struct replica_txn *txn, struct sw *sw, const struct replica_row *row, bool with_statistics)
{
    const struct db *db = &sw->db;
    struct bridge *bridge = bridge_find(sw, replica_string(row, db->Bridge_name, ""));
    char id[17];

    if (!bridge || bridge->error) {
        if (bridge)
            put_bridge_error(txn, db, row, bridge->error);
        return;
    }
    snprintf(id, sizeof id, "%016llx", (unsigned long long)bridge->datapath_id);
    db_put_string(txn, db, row, db->Bridge_datapath_id, id);
    db_put_string(txn, db, row, db->Bridge_datapath_version,
                  strcmp(bridge->stack->type, "netdev") ? "<unknown>" : "<built-in>");
    replica_txn_map_put(txn, db->Bridge, &row->uuid, db->Bridge_status, "error", NULL);
    put_bridge_ifaces(txn, db, row, bridge, with_statistics);
    bridge_put_controllers(txn, bridge, row);
}

// A value of os-release(5), unquoted. The caller frees; NULL: not there.
static char *os_release(const char *key)
{
    FILE *f = fopen("/etc/os-release", "re");
    char line[256], *value = NULL;
    size_t n = strlen(key);

    while (f && !value && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, n) || line[n] != '=')
            continue;
        char *start = line + n + 1;

        start += strspn(start, "\"'");
        start[strcspn(start, "\"'\n")] = '\0';
        value = xstrdup(start);
    }
    if (f)
        fclose(f);
    return value;
}

static void put_switch(struct replica_txn *txn, struct sw *sw, const struct replica_row *root)
{
    const struct db *db = &sw->db;
    AUTO_FREE char *type = os_release("ID"), *version = os_release("VERSION_ID");

    db_put_string(txn, db, root, db->Open_vSwitch_ovs_version, OVS_VERSION);
    db_put_string(txn, db, root, db->Open_vSwitch_db_version, DB_VERSION);
    db_put_string(txn, db, root, db->Open_vSwitch_system_type, type ? type : "unknown");
    db_put_string(txn, db, root, db->Open_vSwitch_system_version, version ? version : "unknown");
    db_put(txn, db, root, db->Open_vSwitch_datapath_types, replica_string_set(stack_types));
    db_put(txn, db, root, db->Open_vSwitch_iface_types,
           replica_string_set((const char *const[]){"internal", "patch", "system", NULL}));
    db_put(txn, db, root, db->Open_vSwitch_dpdk_initialized, ovsdb_datum_from_bool(false));
    db_put_int(txn, db, root, db->Open_vSwitch_cur_cfg, sw->cur_cfg);
}

static void written(const struct replica_txn_result *result, void *arg)
{
    struct sw *sw = arg;

    sw->status_busy = false;
    if (result->status == REPLICA_TXN_ERROR)
        log_warn("the database refused the switch's status: %s", result->error);
    if (result->status == REPLICA_TXN_TRY_AGAIN || sw->status_again) {
        sw->status_again = false;
        status_write(sw, false);
    }
}

void status_write(struct sw *sw, bool with_statistics)
{
    const struct db *db = &sw->db;
    const struct replica_row *root = db_root(db);

    if (sw->status_busy) {
        sw->status_again = true;
        return;
    }
    if (!root || !sw->running || !replica_is_current(db->replica) || !replica_has_lock(db->replica))
        return;
    struct replica_txn *txn = replica_txn_new(db->replica);

    put_switch(txn, sw, root);
    for (unsigned i = 0; i < replica_count(root, db->Open_vSwitch_bridges); i++) {
        const struct replica_row *row = replica_ref(db->replica, root, db->Open_vSwitch_bridges, i);

        if (row)
            put_bridge(txn, sw, row, with_statistics);
    }
    sw->status_busy = true;
    replica_txn_submit(txn, written, sw);
}
