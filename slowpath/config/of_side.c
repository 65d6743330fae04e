// SPDX-License-Identifier: Apache-2.0
// Answers to a bridge's OpenFlow agent: ports, identity, packet-outs; and packet-ins from handler threads on their way to
// it. See of_side.h.
#include "slowpath/config/of_side.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/counter.h"
#include "lib/base/dirs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "lib/base/str.h"
#include "slowpath/openflow/wire.h"
#include "slowpath/pipeline/xlate.h"

LOG_MODULE(ofproto);

COUNTER_DEFINE(packet_in_queue_full);

#define PACKET_INS_WAITING 1024 // between handlers and the main thread, of the whole process

// --- Ports ---

static void describe_port(const struct iface *i, struct of_port *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->number = i->ofp_port;
    str_copy(ret->name, sizeof ret->name, i->name);
    memcpy(ret->hw_addr.b, i->link.address, sizeof ret->hw_addr.b);
    ret->config = i->of_config;
    if (i->link.ifindex && !(i->link.flags & IFF_UP))
        ret->config |= OFPPC_PORT_DOWN;
    if (iface_link_up(i))
        ret->state |= OFPPS13_LIVE;
    else
        ret->state |= OFPPS_LINK_DOWN;
}

static bool has_port(const struct iface *i)
{
    return i->ofp_port && !i->error;
}

static void ports_each(void *aux, void (*cb)(void *cb_aux, const struct of_port *), void *cb_aux)
{
    const struct bridge *bridge = aux;

    for (const struct iface *i = bridge->ifaces; i; i = i->hh.next) {
        struct of_port port;

        if (has_port(i)) {
            describe_port(i, &port);
            cb(cb_aux, &port);
        }
    }
}

static bool port_get(void *aux, ofp_port_t number, struct of_port *ret)
{
    const struct iface *i = bridge_iface_by_port(aux, number);

    if (!i || !has_port(i))
        return false;
    describe_port(i, ret);
    return true;
}

static bool port_stats(void *aux, ofp_port_t number, struct of_port_stats *ret)
{
    struct iface *i = bridge_iface_by_port(aux, number);
    struct rtnl_link_stats64 s;

    if (!i || !has_port(i) || !iface_stats(i, &s))
        return false;
    *ret = (struct of_port_stats){
        .rx_packets = s.rx_packets,
        .tx_packets = s.tx_packets,
        .rx_bytes = s.rx_bytes,
        .tx_bytes = s.tx_bytes,
        .rx_dropped = s.rx_dropped,
        .tx_dropped = s.tx_dropped,
        .rx_errors = s.rx_errors,
        .tx_errors = s.tx_errors,
        .rx_frame_err = s.rx_frame_errors,
        .rx_over_err = s.rx_over_errors,
        .rx_crc_err = s.rx_crc_errors,
        .collisions = s.collisions,
        .alive = clock_now() - i->created,
    };
    return true;
}

unsigned of_side_port_flags(const struct iface *i)
{
    unsigned flags = 0;

    if (i->of_config & OFPPC10_NO_FLOOD)
        flags |= PORT_NO_FLOOD;
    if (i->of_config & OFPPC_NO_RECV)
        flags |= PORT_NO_RECV;
    if (i->of_config & OFPPC_NO_FWD)
        flags |= PORT_NO_FWD;
    if (!iface_link_up(i))
        flags |= PORT_LINK_DOWN;
    return flags;
}

static void port_mod(void *aux, const struct of_port_mod *mod)
{
    struct bridge *bridge = aux;
    struct iface *i = bridge_iface_by_port(bridge, mod->port);
    uint32_t can = OFPPC10_NO_FLOOD | OFPPC_NO_RECV | OFPPC_NO_FWD | OFPPC_NO_PACKET_IN;
    AUTO_ERR(err);

    if (mod->mask & OFPPC_PORT_DOWN && i->link.ifindex &&
        rtnl_link_set_up(bridge->sw->rtnl, i->link.ifindex, !(mod->config & OFPPC_PORT_DOWN), &err))
        log_warn("bridge %s: setting %s up or down: %s", bridge->name, i->name, err_text(&err));
    uint32_t config = (i->of_config & ~(mod->mask & can)) | (mod->config & mod->mask & can);
    if (config == i->of_config)
        return;
    i->of_config = config;
    sw_ports_changed(bridge->sw);
    of_side_port_changed(bridge, i, OF_PORT_MODIFIED);
}

void of_side_port_changed(struct bridge *bridge, const struct iface *i, enum of_port_change change)
{
    static const uint8_t reason[] = {
        [OF_PORT_NEW] = OFPPR_ADD, [OF_PORT_GONE] = OFPPR_DELETE, [OF_PORT_MODIFIED] = OFPPR_MODIFY};
    struct of_port port;

    if (!bridge->of || !i->ofp_port)
        return;
    describe_port(i, &port);
    connmgr_port_status(bridge->of, reason[change], &port);
}

// --- Identity ---

static uint64_t datapath_id(void *aux)
{
    const struct bridge *bridge = aux;

    return bridge->datapath_id;
}

static void describe(void *aux, struct of_description *ret)
{
    const struct bridge *bridge = aux;

    *ret = (struct of_description){.manufacturer = "Sluice",
                                   .hardware = bridge->stack->hardware,
                                   .software = SLUICE_VERSION,
                                   .serial = "None",
                                   .datapath = bridge->name};
}

// --- Packets ---

static dp_port_t dp_port_of(struct bridge *bridge, ofp_port_t port)
{
    const struct iface *i = bridge_iface_by_port(bridge, port);

    return i ? i->dp_port : DP_PORT_NONE;
}

static void packet_out(void *aux, const struct of_packet_out *po)
{
    struct bridge *bridge = aux;
    struct xlate_in in = {.pipeline = bridge->pipeline,
                          .packet = po->packet,
                          .flags = XLATE_MAY_LEARN | XLATE_SEND_PACKET_INS,
                          .now = clock_now(),
                          .ofpacts = po->actions};
    struct xlate_out out;
    AUTO_ERR(err);

    po->packet->md.in_port = dp_port_of(bridge, po->in_port);
    packet_extract(po->packet, &in.flow.key);
    in.flow.pipe.in_port = po->in_port;
    rcu_enter();
    xlate(&in, &out);
    for (size_t i = 0; i < out.n_packet_ins; i++)
        connmgr_packet_in(bridge->of, &out.packet_ins[i]);
    xlate_credit(out.credits, out.n_credits, 1, po->packet->len, 0, in.now);
    rcu_leave();
    if (backer_execute(bridge->stack->backer, po->packet, &in.flow.key, &out.actions, &err))
        log_warn("bridge %s: packet-out: %s", bridge->name, err_text(&err));
    xlate_out_done(&out);
}

// A packet-in between a handler and the main thread. The pipeline is referenced; the bridge may be gone meanwhile.
struct posted_packet_in {
    struct sw *sw;
    struct xlate_packet_in in;
};
static unsigned packet_ins_waiting; // atomic

static void deliver_packet_in(void *arg)
{
    struct posted_packet_in *p = arg;

    for (struct bridge *b = p->sw->bridges; b; b = b->hh.next) {
        if (b->pipeline == p->in.pipeline)
            connmgr_packet_in(b->of, &p->in);
    }
    __atomic_fetch_sub(&packet_ins_waiting, 1, __ATOMIC_RELAXED);
    packet_free(p->in.packet);
    pipeline_unref(p->in.pipeline);
    free(p);
}

void bridge_packet_in(struct stack *stack, struct xlate_packet_in *in)
{
    if (__atomic_fetch_add(&packet_ins_waiting, 1, __ATOMIC_RELAXED) >= PACKET_INS_WAITING) {
        __atomic_fetch_sub(&packet_ins_waiting, 1, __ATOMIC_RELAXED);
        counter_inc(packet_in_queue_full);
        return;
    }
    struct posted_packet_in *p = NEW(struct posted_packet_in);

    p->sw = stack->sw;
    p->in = *in;
    in->packet = NULL;
    pipeline_ref(p->in.pipeline);
    loop_post(stack->sw->loop, deliver_packet_in, p);
}

// --- The agent ---

static const struct of_bridge_ops bridge_ops = {
    .datapath_id = datapath_id,
    .describe = describe,
    .ports_each = ports_each,
    .port_get = port_get,
    .port_stats = port_stats,
    .port_mod = port_mod,
    .packet_out = packet_out,
};

static void controllers_changed(void *aux)
{
    struct bridge *bridge = aux;

    bridge_check_fail_open(bridge);
    status_write(bridge->sw, false);
}

void of_side_open(struct bridge *bridge)
{
    AUTO_FREE char *name = xasprintf("%s.mgmt", bridge->name);
    AUTO_FREE char *path = dirs_path(dirs_run(), name);
    AUTO_FREE char *target = xasprintf("punix:%s", path);
    AUTO_ERR(err);

    bridge->of = connmgr_new(bridge->sw->loop, bridge->pipeline, &bridge_ops, bridge);
    connmgr_set_status_hook(bridge->of, controllers_changed, bridge);
    if (connmgr_listen(bridge->of, target, &err))
        log_err("bridge %s: %s", bridge->name, err_text(&err));
}

void of_side_close(struct bridge *bridge)
{
    connmgr_free(bridge->of);
    bridge->of = NULL;
}

void of_side_apply(struct bridge *bridge, const struct conf_bridge *conf)
{
    struct of_controller_config *v = NEW_ARRAY(struct of_controller_config, conf->n_controllers + 1);

    for (unsigned i = 0; i < conf->n_controllers; i++) {
        const struct conf_controller *c = &conf->controllers[i];

        v[i].target = c->target;
        v[i].probe = (c->probe_ms < 0 ? 5000 : c->probe_ms) * NSEC_PER_MSEC;
        v[i].max_backoff = c->max_backoff_ms < 0 ? 0 : c->max_backoff_ms * NSEC_PER_MSEC;
    }
    connmgr_set_versions(bridge->of, conf->versions ? conf->versions : OF_VERSIONS_OFFERED);
    connmgr_set_controllers(bridge->of, v, conf->n_controllers);
    free(v);
}

struct put_controllers {
    struct replica_txn *txn;
    const struct db *db;
    const struct replica_row *bridge;
};

// Bridges often share a target, each with a row of its own.
static const struct replica_row *controller_row(const struct put_controllers *p, const char *target)
{
    const struct db *db = p->db;

    for (unsigned i = 0; i < replica_count(p->bridge, db->Bridge_controller); i++) {
        const struct replica_row *row = replica_ref(db->replica, p->bridge, db->Bridge_controller, i);

        if (row && !strcmp(replica_string(row, db->Controller_target, ""), target))
            return row;
    }
    return NULL;
}

static void put_controller(void *aux, const struct of_controller_status *s)
{
    struct put_controllers *p = aux;
    const struct replica_row *row = controller_row(p, s->target);

    if (!row)
        return;
    db_put(p->txn, p->db, row, p->db->Controller_is_connected, ovsdb_datum_from_bool(s->connected));
    db_put_string(p->txn, p->db, row, p->db->Controller_role, s->connected ? s->role : NULL);
    db_put(p->txn, p->db, row, p->db->Controller_status,
           replica_string_map((const char *const[]){"state", s->state, s->last_error ? "last_error" : NULL, s->last_error, NULL}));
}

void bridge_put_controllers(struct replica_txn *txn, struct bridge *bridge, const struct replica_row *row)
{
    struct put_controllers p = {txn, &bridge->sw->db, row};

    if (bridge->of)
        connmgr_controllers_each(bridge->of, put_controller, &p);
}
