// SPDX-License-Identifier: Apache-2.0
// One bridge: its pipeline on the right datapath, its interfaces, its address and identity, and the port set that pipeline
// and OpenFlow connections see. of_side.c is its OpenFlow side. Main thread, but bridge_packet_in().
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/dirs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/str.h"
#include "slowpath/config/of_side.h"
#include "slowpath/l2/mac_table.h"

LOG_MODULE(bridge);

struct bridge *bridge_find(struct sw *sw, const char *name)
{
    struct bridge *bridge;

    HASH_FIND_STR(sw->bridges, name, bridge);
    return bridge;
}

struct iface *bridge_iface_by_port(struct bridge *bridge, ofp_port_t port)
{
    for (struct iface *i = bridge->ifaces; i; i = i->hh.next) {
        if (port && i->ofp_port == port)
            return i;
    }
    return NULL;
}

// --- Making and unmaking ---

static struct bridge *bridge_new(struct sw *sw, const char *name)
{
    struct bridge *bridge = NEW(struct bridge);

    bridge->sw = sw;
    bridge->name = xstrdup(name);
    random_fill(bridge->fallback_hwaddr.b, 6);
    bridge->fallback_hwaddr.b[0] = (bridge->fallback_hwaddr.b[0] & 0xfe) | 0x02; // unicast, locally administered
    bridge->hwaddr = bridge->fallback_hwaddr;
    HASH_ADD_KEYPTR(hh, sw->bridges, bridge->name, strlen(bridge->name), bridge);
    return bridge;
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = value ? xstrdup(value) : NULL;
}

// --- Fail mode: who fills the flow table (ovs-vswitchd.conf.db(5), Bridge.fail_mode) ---
//
// Standalone without a controller: one NORMAL flow of our making. With a controller the table is the controller's; a
// standalone bridge that hears of none for FAIL_OPEN_AFTER switches by itself until one is back. Secure: never ours.

#define FAIL_OPEN_AFTER (15 * NSEC_PER_SEC) // three times the default inactivity probe
#define FAIL_OPEN_PRIORITY 0xffff // above what controllers use

static void change_flows(struct bridge *bridge, enum flow_mod_command command, uint16_t priority)
{
    struct flow_mod fm;
    AUTO_ERR(err);

    flow_mod_init(&fm, command);
    fm.priority = priority;
    if (command == FLOW_ADD)
        ofpact_list_add(&fm.actions, OFPACT_OUTPUT)->output.port = OFPP_NORMAL;
    if (pipeline_flow_mod(bridge->pipeline, &fm, clock_now(), NULL, &err))
        log_err("bridge %s: changing its NORMAL flow: %s", bridge->name, err_text(&err));
    flow_mod_done(&fm);
}

static void apply_fail_mode(struct bridge *bridge, const struct conf_bridge *conf)
{
    bool controlled = conf->n_controllers > 0;

    if (bridge->fail_mode_known && bridge->secure == conf->secure && bridge->controlled == controlled)
        return;
    // Who was in charge takes its flows along; a controller that stays keeps them.
    if (bridge->fail_mode_known && (bridge->controlled != controlled || !controlled)) {
        change_flows(bridge, FLOW_DELETE, 0);
        bridge->failed_open = false;
    }
    bridge->secure = conf->secure;
    bridge->controlled = controlled;
    bridge->fail_mode_known = true;
    if (!bridge->secure && !controlled)
        change_flows(bridge, FLOW_ADD, 0);
    bridge_check_fail_open(bridge);
}

void bridge_check_fail_open(struct bridge *bridge)
{
    if (!bridge->of)
        return;
    int64_t since = connmgr_alone_since(bridge->of);
    bool open = !bridge->secure && bridge->controlled && since && clock_now() - since >= FAIL_OPEN_AFTER;

    if (open == bridge->failed_open)
        return;
    bridge->failed_open = open;
    change_flows(bridge, open ? FLOW_ADD : FLOW_DELETE_STRICT, FAIL_OPEN_PRIORITY);
    if (open)
        log_warn("bridge %s: no controller has answered for %d seconds: switching by itself", bridge->name,
                 (int)(FAIL_OPEN_AFTER / NSEC_PER_SEC));
    else
        log_info("bridge %s: no longer switching by itself", bridge->name);
}

// An empty datapath_type falls back; a person should see to what, and why.
static void note_choice(struct bridge *bridge, const struct conf_bridge *conf)
{
    bool fell_back = !*conf->datapath_type && strcmp(bridge->stack->type, stack_types[0]);

    set_text(&bridge->note, NULL);
    if (fell_back)
        bridge->note = xasprintf("datapath type %s instead of %s: %s", bridge->stack->type, stack_types[0],
                                 bridge->sw->fallback_reason ? bridge->sw->fallback_reason : "not available");
}

void bridge_take_down(struct bridge *bridge)
{
    struct iface *iface, *next;

    of_side_close(bridge);
    if (bridge->pipeline)
        pipeline_set_ports(bridge->pipeline, NULL, 0);
    HASH_ITER(hh, bridge->ifaces, iface, next)
    {
        iface_free(iface);
    }
    if (bridge->pipeline)
        pipeline_free(bridge->pipeline);
    bridge->pipeline = NULL;
    bridge->stack = NULL;
    bridge->fail_mode_known = bridge->failed_open = false;
}

// Puts the bridge on a datapath, or sets its error.
static void bring_up(struct bridge *bridge, const struct conf_bridge *conf)
{
    AUTO_ERR(err);

    bridge->stack = stack_for(bridge->sw, conf->datapath_type, &err);
    if (!bridge->stack) {
        AUTO_FREE char *text = xasprintf("could not make bridge %s: %s", bridge->name, err_text(&err));

        if (!bridge->error || strcmp(bridge->error, text))
            log_err("%s", text);
        set_text(&bridge->error, text);
        return;
    }
    set_text(&bridge->error, NULL);
    note_choice(bridge, conf);
    bridge->pipeline = pipeline_new(bridge->stack->pipelines, bridge->name);
    of_side_open(bridge);
}

void bridge_free(struct bridge *bridge)
{
    bridge_take_down(bridge);
    HASH_DEL(bridge->sw->bridges, bridge);
    free(bridge->name);
    free(bridge->note);
    free(bridge->error);
    free(bridge);
}

// --- Address and identity ---

// The lowest address of the bridge's system interfaces, as users of the field expect; else one of our own making.
static void choose_hwaddr(struct bridge *bridge, const struct conf_bridge *conf)
{
    struct eth_addr best = bridge->fallback_hwaddr;
    bool found = false;

    for (const struct iface *i = bridge->ifaces; i; i = i->hh.next) {
        const struct eth_addr *mac = (const struct eth_addr *)i->link.address;

        if (i->kind != CONF_IFACE_SYSTEM || !i->link.has_address || mac->b[0] & 1)
            continue;
        if (!found || memcmp(mac, &best, sizeof best) < 0)
            best = *mac;
        found = true;
    }
    bridge->hwaddr = conf->has_hwaddr ? conf->hwaddr : best;
    bridge->datapath_id = conf->datapath_id;
    if (!bridge->datapath_id) {
        for (unsigned i = 0; i < 6; i++)
            bridge->datapath_id = bridge->datapath_id << 8 | bridge->hwaddr.b[i];
    }
}

// --- Ports ---

static void fill_port(const struct iface *i, const struct conf_port *conf, struct pipeline_port *p)
{
    memset(p, 0, sizeof *p);
    p->number = i->ofp_port;
    p->dp_port = i->dp_port;
    str_copy(p->name, sizeof p->name, i->name);
    p->kind = i->kind == CONF_IFACE_PATCH ? PORT_PATCH : i->kind == CONF_IFACE_INTERNAL ? PORT_INTERNAL : PORT_SYSTEM;
    p->flags = of_side_port_flags(i);
    p->vlan_mode = conf->vlan_mode;
    p->tag = conf->tag;
    p->trunks_all = conf->trunks_all;
    memcpy(p->trunks, conf->trunks, sizeof p->trunks);
    p->is_protected = conf->is_protected;
    if (i->peer)
        str_copy(p->peer, sizeof p->peer, i->peer);
}

void bridge_publish_ports(struct bridge *bridge, const struct conf_bridge *conf)
{
    struct pipeline_port *ports = NEW_ARRAY(struct pipeline_port, HASH_COUNT(bridge->ifaces) + 1);
    size_t n = 0;

    for (unsigned p = 0; p < conf->n_ports; p++) {
        for (unsigned k = 0; k < conf->ports[p].n_ifaces; k++) {
            struct iface *i;

            HASH_FIND_STR(bridge->ifaces, conf->ports[p].ifaces[k].name, i);
            if (i && i->ofp_port && !i->error)
                fill_port(i, &conf->ports[p], &ports[n++]);
        }
    }
    pipeline_set_ports(bridge->pipeline, ports, n);
    free(ports);
}

static void drop_unwanted(struct bridge *bridge, const struct conf_bridge *conf)
{
    struct iface *i, *next;

    for (i = bridge->ifaces; i; i = i->hh.next)
        i->wanted = false;
    for (unsigned p = 0; p < conf->n_ports; p++) {
        for (unsigned k = 0; k < conf->ports[p].n_ifaces; k++) {
            const struct conf_iface *c = &conf->ports[p].ifaces[k];

            HASH_FIND_STR(bridge->ifaces, c->name, i);
            if (i && i->kind == c->kind)
                i->wanted = true;
        }
    }
    HASH_ITER(hh, bridge->ifaces, i, next)
    {
        if (!i->wanted) {
            of_side_port_changed(bridge, i, OF_PORT_GONE);
            iface_free(i);
        }
    }
}

static void apply_ifaces(struct bridge *bridge, const struct conf_bridge *conf)
{
    for (unsigned p = 0; p < conf->n_ports; p++) {
        const struct conf_port *port = &conf->ports[p];

        for (unsigned k = 0; k < port->n_ifaces; k++) {
            struct iface *i;

            HASH_FIND_STR(bridge->ifaces, port->ifaces[k].name, i);
            bool fresh = !i || !i->ofp_port;
            if (!i)
                i = iface_new(bridge, &port->ifaces[k]);
            if (k == 0)
                iface_apply(i, &port->ifaces[k]);
            else
                iface_refuse(i, "bonds are not supported: only the first interface of a port is used");
            if (fresh && i->ofp_port && !i->error)
                of_side_port_changed(bridge, i, OF_PORT_NEW);
        }
    }
}

// Internal ports that nobody gave an MTU follow the smallest of the bridge's system ports.
static void follow_mtu(struct bridge *bridge, const struct conf_bridge *conf)
{
    uint32_t least = 0;

    for (const struct iface *i = bridge->ifaces; i; i = i->hh.next) {
        if (i->kind == CONF_IFACE_SYSTEM && i->link.mtu && (!least || i->link.mtu < least))
            least = i->link.mtu;
    }
    for (unsigned p = 0; least && p < conf->n_ports; p++) {
        for (unsigned k = 0; k < conf->ports[p].n_ifaces; k++) {
            const struct conf_iface *c = &conf->ports[p].ifaces[k];
            struct iface *i;

            HASH_FIND_STR(bridge->ifaces, c->name, i);
            if (i && c->kind == CONF_IFACE_INTERNAL && !c->mtu_request)
                iface_set_mtu(i, least);
        }
    }
}

void bridge_reconcile(struct sw *sw, const struct conf_bridge *conf)
{
    struct bridge *bridge = bridge_find(sw, conf->name);
    static struct log_limit rl = LOG_LIMIT(1, 5);

    if (strchr(conf->name, '/')) { // its socket is named after it, and whoever writes the database shall not choose where
        log_warn_rl(&rl, "ignoring bridge %s: a bridge's name has no slash", conf->name);
        return;
    }
    if (!bridge)
        bridge = bridge_new(sw, conf->name);
    if (bridge->stack && *conf->datapath_type && strcmp(conf->datapath_type, bridge->stack->type))
        bridge_take_down(bridge);
    if (!bridge->stack)
        bring_up(bridge, conf);
    if (!bridge->stack)
        return;
    drop_unwanted(bridge, conf);
    choose_hwaddr(bridge, conf);
    apply_ifaces(bridge, conf);
    choose_hwaddr(bridge, conf); // with the addresses of new interfaces
    bridge_apply_local(bridge);
    follow_mtu(bridge, conf);
    mac_table_set_ageing(pipeline_macs(bridge->pipeline), conf->mac_ageing);
    mac_table_set_limit(pipeline_macs(bridge->pipeline), conf->mac_limit);
    bridge_publish_ports(bridge, conf);
    of_side_apply(bridge, conf);
    apply_fail_mode(bridge, conf);
}

void bridge_apply_local(struct bridge *bridge)
{
    struct iface *local = bridge_iface_by_port(bridge, OFPP_LOCAL);

    if (local && !local->error)
        iface_set_mac(local, &bridge->hwaddr);
}

void bridge_link_changed(struct bridge *bridge, struct iface *iface, const struct rtnl_link *old)
{
    const struct rtnl_link *now = &iface->link;

    if (old->ifindex != now->ifindex || (old->flags ^ now->flags) & (IFF_UP | IFF_RUNNING))
        of_side_port_changed(bridge, iface, OF_PORT_MODIFIED);
}
