// SPDX-License-Identifier: Apache-2.0
// Where packets leave a bridge: ports, patch ports into other bridges, controllers, flooding.
// Thread: any (xlate.c). Neighbours: xlate_commit.c makes the edits that must precede an output.
// Invariant: a packet is not sent out of the port it came in by unless IN_PORT says so.

#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/pipeline/xlate_private.h"

static void credit_port(struct xlate_ctx *ctx, enum credit_kind kind, struct pipeline *p,
                        ofp_port_t port)
{
    struct xlate_credit *c = xlate_add_credit(ctx, kind);
    c->at.pipeline = pipeline_ref(p);
    c->at.id = port;
}

// The packet goes on in the bridge at the other end, with nothing but itself.
static void patch(struct xlate_ctx *ctx, const struct port_view *port)
{
    if (!port->peer) {
        xlate_trace(ctx, "patch port %s has no peer", port->cfg.name);
        return;
    }
    if (ctx->depth >= XLATE_MAX_DEPTH) {
        xlate_fail(ctx, SLOW_TOO_COMPLEX, "patch ports nested deeper than %u",
                   (unsigned)XLATE_MAX_DEPTH);
        return;
    }
    struct pipeline *outer = ctx->p;
    const struct port_set *outer_ports = ctx->ports;
    const struct rule *outer_rule = ctx->rule;
    struct flow outer_flow = ctx->flow;
    uint8_t outer_table = ctx->table;
    bool outer_in_set = ctx->in_set;

    credit_port(ctx, CREDIT_PORT_TX, outer, port->cfg.number);
    ctx->p = port->peer;
    ctx->ports = rcu_get(ctx->p->ports);
    ctx->in_set = false;
    memset(&ctx->flow.pipe, 0, sizeof(ctx->flow.pipe));
    ctx->flow.pipe.in_port = port->peer_port;
    provenance_add(&ctx->out->provenance, dep_make(DEP_PORTS, ctx->p->id));
    const struct port_view *in = port_set_find(ctx->ports, port->peer_port);
    xlate_trace(ctx, "into %s by %s", ctx->p->name, port->cfg.peer);
    if (in && !(in->cfg.flags & (PORT_NO_RECV | PORT_DOWN))) {
        credit_port(ctx, CREDIT_PORT_RX, ctx->p, port->peer_port);
        ctx->depth++;
        xlate_bridge(ctx);
        ctx->depth--;
    }
    ctx->p = outer;
    ctx->ports = outer_ports;
    ctx->rule = outer_rule;
    ctx->flow = outer_flow;
    ctx->table = outer_table;
    ctx->in_set = outer_in_set;
}

void xlate_output_port(struct xlate_ctx *ctx, const struct port_view *port)
{
    if (port->cfg.flags & (PORT_NO_FWD | PORT_DOWN)) {
        xlate_trace(ctx, "port %s does not forward", port->cfg.name);
        return;
    }
    if (port->cfg.kind == PORT_PATCH) {
        patch(ctx, port);
        return;
    }
    if (port->cfg.dp_port == DP_PORT_NONE) {
        xlate_trace(ctx, "port %s is not in the datapath", port->cfg.name);
        return;
    }
    xlate_commit(ctx);
    if (ctx->out->actions.n >= XLATE_MAX_ACTIONS) {
        xlate_fail(ctx, SLOW_TOO_COMPLEX, "over %u actions for one packet",
                   (unsigned)XLATE_MAX_ACTIONS);
        return;
    }
    act_list_add(&ctx->out->actions, ACT_OUTPUT)->port = port->cfg.dp_port;
    xlate_trace(ctx, "output to %s", port->cfg.name);
}

static void flood(struct xlate_ctx *ctx, unsigned spared)
{
    for (uint32_t i = 0; i < ctx->ports->n && !ctx->failed; i++) {
        const struct port_view *port = &ctx->ports->v[i];
        if (port->cfg.number != ctx->flow.pipe.in_port && !(port->cfg.flags & spared))
            xlate_output_port(ctx, port);
    }
}

void xlate_output(struct xlate_ctx *ctx, ofp_port_t number, uint16_t max_len)
{
    const struct port_view *port;
    ofp_port_t in_port = ctx->flow.pipe.in_port;
    switch (number) {
    case OFPP_TABLE: // packet-out
        xlate_table(ctx, 0, in_port, true);
        return;
    case OFPP_NORMAL:
        xlate_normal(ctx);
        return;
    case OFPP_FLOOD:
        flood(ctx, PORT_NO_FLOOD);
        return;
    case OFPP_ALL:
        flood(ctx, 0);
        return;
    case OFPP_CONTROLLER: {
        bool table_miss = ctx->rule && !ctx->rule->priority && !ctx->rule->match.map;
        xlate_controller(ctx, max_len, 0,
                         ctx->in_set  ? PACKET_IN_ACTION_SET
                         : table_miss ? PACKET_IN_EXPLICIT_MISS
                                      : PACKET_IN_ACTION);
        return;
    }
    case OFPP_NONE:
        return;
    case OFPP_IN_PORT:
        number = in_port;
        break;
    default:
        if (number == in_port) {
            xlate_trace(ctx, "not back to input port %u", number);
            return;
        }
    }
    port = port_set_find(ctx->ports, number);
    if (port)
        xlate_output_port(ctx, port);
    else
        xlate_trace(ctx, "there is no port %u", number);
}

// --- Controllers -------------------------------------------------------------------------------

static void keep_packet(void *aux, dp_port_t port, struct packet *packet)
{
    *(struct packet **)aux = packet;
}

// The packet as actions have made it up to here.
static struct packet *packet_now(const struct xlate_ctx *ctx)
{
    struct packet *packet = packet_clone(ctx->in->packet), *now = NULL;
    struct act_list edits;
    act_list_init(&edits);
    xlate_diff(&ctx->in->flow, &ctx->flow, &ctx->written, &edits);
    act_list_add(&edits, ACT_OUTPUT);
    act_execute(&edits, packet, &(struct act_sink){.output = keep_packet, .aux = &now});
    act_list_done(&edits);
    return now;
}

void xlate_controller(struct xlate_ctx *ctx, uint16_t max_len, uint16_t controller_id,
                      uint8_t reason)
{
    struct xlate_out *out = ctx->out;
    out->slow |= SLOW_CONTROLLER;
    xlate_trace(ctx, "to controller %u", controller_id);
    if (!(ctx->in->flags & XLATE_SEND_PACKET_INS))
        return;
    GROW_ARRAY(out->packet_ins, ctx->packet_ins_allocated, out->n_packet_ins + 1);
    out->packet_ins[out->n_packet_ins++] = (struct xlate_packet_in){
        .pipeline = ctx->p,
        .flow = ctx->flow,
        .packet = ctx->in->packet ? packet_now(ctx) : NULL,
        .max_len = max_len,
        .controller_id = controller_id,
        .reason = reason,
        .table_id = ctx->table,
        .cookie = ctx->rule ? ctx->rule->cookie : UINT64_MAX,
    };
}
