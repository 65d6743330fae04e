// SPDX-License-Identifier: Apache-2.0
// One interface of a bridge: its OpenFlow port number, its port of the datapath, and the network device behind that.
//
// A device may come and go while the interface stays configured: then the interface has an error, no datapath port and
// OpenFlow port -1, and is tried again when a device of its name appears (switch.c). Main thread.
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "slowpath/config/switch.h"
#include "slowpath/softdp/softdp.h"

LOG_MODULE(bridge);

static void set_error(struct iface *iface, const char *text)
{
    if (text && (!iface->error || strcmp(iface->error, text)))
        log_warn("bridge %s: %s", iface->bridge->name, text);
    free(iface->error);
    iface->error = text ? xstrdup(text) : NULL;
}

struct iface *iface_new(struct bridge *bridge, const struct conf_iface *conf)
{
    struct iface *iface = NEW(struct iface);

    iface->bridge = bridge;
    iface->name = xstrdup(conf->name);
    iface->kind = conf->kind;
    iface->local = conf->local;
    iface->dp_port = DP_PORT_NONE;
    iface->created = clock_now();
    HASH_ADD_KEYPTR(hh, bridge->ifaces, iface->name, strlen(iface->name), iface);
    return iface;
}

static void leave_datapath(struct iface *iface)
{
    AUTO_ERR(err);

    if (iface->dp_port == DP_PORT_NONE)
        return;
    struct backer *backer = iface->bridge->stack->backer; // NULL: closed, or outlives us with its ports
    int r = backer ? backer_port_del(backer, iface->dp_port, &err) : 0;
    if (r && r != -ENOENT) // the kernel takes a device that goes out of its datapath by itself
        log_warn("bridge %s: removing %s: %s", iface->bridge->name, iface->name, err_text(&err));
    iface->dp_port = DP_PORT_NONE;
}

void iface_free(struct iface *iface)
{
    leave_datapath(iface);
    HASH_DEL(iface->bridge->ifaces, iface);
    free(iface->name);
    free(iface->peer);
    free(iface->error);
    free(iface);
}

bool iface_link_up(const struct iface *iface)
{
    return iface->kind == CONF_IFACE_PATCH ? !iface->error : (iface->link.flags & IFF_RUNNING) != 0;
}

// --- OpenFlow port numbers ---

static ofp_port_t free_port(struct bridge *bridge)
{
    ofp_port_t port = 1;

    while (port < 0xff00 && bridge_iface_by_port(bridge, port))
        port++;
    return port < 0xff00 ? port : 0;
}

static void choose_port(struct iface *iface, const struct conf_iface *conf)
{
    ofp_port_t wanted = conf->ofport_request;

    if (iface->local) {
        iface->ofp_port = OFPP_LOCAL;
        return;
    }
    if (wanted && wanted != iface->ofp_port) {
        const struct iface *holder = bridge_iface_by_port(iface->bridge, wanted);

        if (!holder)
            iface->ofp_port = wanted;
        else if (!iface->ofp_port)
            log_info("bridge %s: OpenFlow port %u, requested by %s, belongs to %s", iface->bridge->name, wanted,
                     iface->name, holder->name);
    }
    if (!iface->ofp_port && conf->ofport_last && !bridge_iface_by_port(iface->bridge, conf->ofport_last))
        iface->ofp_port = conf->ofport_last;
    if (!iface->ofp_port)
        iface->ofp_port = free_port(iface->bridge);
}

// --- The device ---

void iface_set_mtu(struct iface *iface, uint32_t mtu)
{
    AUTO_ERR(err);

    if (!mtu || !iface->link.ifindex || iface->link.mtu == mtu || iface->mtu_refused == mtu)
        return;
    iface->mtu_refused = 0;
    if (!rtnl_link_set_mtu(iface->bridge->sw->rtnl, iface->link.ifindex, mtu, &err))
        return;
    iface->mtu_refused = mtu; // told once, not at every change of the database
    log_warn("bridge %s: MTU %u of %s: %s", iface->bridge->name, mtu, iface->name, err_text(&err));
}

void iface_set_mac(struct iface *iface, const struct eth_addr *mac)
{
    AUTO_ERR(err);

    if (!iface->link.ifindex || !memcmp(iface->link.address, mac, sizeof *mac))
        return;
    if (rtnl_link_set_address(iface->bridge->sw->rtnl, iface->link.ifindex, mac->b, &err))
        log_warn("bridge %s: address of %s: %s", iface->bridge->name, iface->name, err_text(&err));
}

static void read_link(struct iface *iface)
{
    struct rtnl_link link;

    if (rtnl_link_get(iface->bridge->sw->rtnl, iface->name, &link, NULL) == 0)
        iface_link(iface, &link);
}

void iface_link(struct iface *iface, const struct rtnl_link *link)
{
    struct rtnl_link old = iface->link;

    if (link->deleted) {
        if (link->ifindex != iface->link.ifindex)
            return; // an older device of this name
        leave_datapath(iface);
        memset(&iface->link, 0, sizeof iface->link);
        iface->mtu_refused = 0;
        iface->ofp_port = iface->local ? OFPP_LOCAL : 0;
        AUTO_FREE char *text = xasprintf("could not open network device %s (No such device)", iface->name);
        set_error(iface, text);
    } else {
        iface->link = *link;
        if (old.ifindex == link->ifindex && old.carrier_changes != link->carrier_changes)
            iface->link_resets += link->carrier_changes - old.carrier_changes;
    }
    bridge_link_changed(iface->bridge, iface, &old);
}

static int join_datapath(struct iface *iface)
{
    struct bridge *bridge = iface->bridge;
    enum dp_port_type type = iface->kind == CONF_IFACE_INTERNAL ? DP_PORT_INTERNAL : DP_PORT_SYSTEM;
    dp_port_t number = DP_PORT_NONE;
    AUTO_ERR(err);
    int r;

    r = backer_port_add(bridge->stack->backer, iface->name, type, &number, &err);
    if (r) {
        AUTO_FREE char *text = r == -ENODEV
                                   ? xasprintf("could not open network device %s (No such device)", iface->name)
                               : str_starts(err_text(&err), iface->name)
                                   ? xstrdup(err_text(&err))
                                   : xasprintf("could not add %s: %s", iface->name, err_text(&err));
        set_error(iface, text);
        return r;
    }
    iface->dp_port = number;
    log_info("bridge %s: added interface %s on datapath port %u", bridge->name, iface->name, number);
    return 0;
}

void iface_refuse(struct iface *iface, const char *text)
{
    leave_datapath(iface);
    iface->ofp_port = 0;
    set_error(iface, text);
}

static void apply_device(struct iface *iface, const struct conf_iface *conf)
{
    if (iface->dp_port == DP_PORT_NONE && join_datapath(iface)) {
        iface->ofp_port = iface->local ? OFPP_LOCAL : 0;
        return;
    }
    set_error(iface, NULL);
    choose_port(iface, conf);
    if (!iface->link.ifindex)
        read_link(iface);
    iface_set_mtu(iface, conf->mtu_request);
    if (iface->kind == CONF_IFACE_INTERNAL && conf->has_mac)
        iface_set_mac(iface, &conf->mac);
    else if (iface->local)
        iface_set_mac(iface, &iface->bridge->hwaddr);
    read_link(iface);
}

void iface_apply(struct iface *iface, const struct conf_iface *conf)
{
    switch (conf->kind) {
    case CONF_IFACE_SYSTEM:
    case CONF_IFACE_INTERNAL:
        apply_device(iface, conf);
        return;
    case CONF_IFACE_PATCH:
        if (!*conf->peer) {
            AUTO_FREE char *text = xasprintf("%s: a patch port needs the option peer", iface->name);
            iface_refuse(iface, text);
            return;
        }
        free(iface->peer);
        iface->peer = xstrdup(conf->peer);
        set_error(iface, NULL);
        choose_port(iface, conf);
        return;
    case CONF_IFACE_UNKNOWN:
        break;
    }
    AUTO_FREE char *text = xasprintf("%s: this switch has no interfaces of type %s", iface->name, conf->type);
    iface_refuse(iface, text);
}

bool iface_stats(struct iface *iface, struct rtnl_link_stats64 *ret)
{
    struct rtnl_link link;

    memset(ret, 0, sizeof *ret);
    if (iface->kind == CONF_IFACE_PATCH) {
        struct pipeline_port_counters c;

        if (!pipeline_port_counters(iface->bridge->pipeline, iface->ofp_port, &c))
            return false;
        ret->rx_packets = c.rx_packets;
        ret->rx_bytes = c.rx_bytes;
        ret->tx_packets = c.tx_packets;
        ret->tx_bytes = c.tx_bytes;
        return true;
    }
    if (!iface->link.ifindex ||
        rtnl_link_get_index(iface->bridge->sw->rtnl, iface->link.ifindex, &link, NULL) || !link.has_stats)
        return false;
    *ret = link.stats;
    if (!strcmp(iface->bridge->stack->type, "netdev")) { // frames that the datapath was too slow to take
        struct softdp_port_stats own;

        if (softdp_port_stats(iface->bridge->stack->dp, iface->dp_port, &own) == 0)
            ret->rx_dropped += own.rx_dropped;
    }
    if (iface->kind == CONF_IFACE_INTERNAL) { // what the host received is what the switch sent
        ret->rx_packets = link.stats.tx_packets;
        ret->rx_bytes = link.stats.tx_bytes;
        ret->rx_dropped = link.stats.tx_dropped;
        ret->rx_errors = link.stats.tx_errors;
        ret->tx_packets = link.stats.rx_packets;
        ret->tx_bytes = link.stats.rx_bytes;
        ret->tx_dropped = link.stats.rx_dropped;
        ret->tx_errors = link.stats.rx_errors;
    }
    return true;
}
