// SPDX-License-Identifier: Apache-2.0
// NORMAL: what an ordinary VLAN-aware learning switch does (IEEE 802.1Q), port modes included.
// Thread: any (xlate.c); teaches the MAC table if the translation may. Neighbours: l2/mac_table.c.
//
// A packet belongs to a VLAN by its tag or its port; within the VLAN it goes to the port where its
// destination was seen, or to all. Leaving, it wears the tag that the port's mode asks for. The
// source address is in the mask, because each new one has to be learned, but what is known of it is
// no dependency: it decides nothing here, and counters refresh it (CREDIT_MAC).

#include <arpa/inet.h>
#include <string.h>

#include "slowpath/pipeline/xlate_private.h"

#define VID_MASK 0xfff

static bool carries(const struct pipeline_port *port, uint16_t vlan)
{
    if (port->vlan_mode != VLAN_TRUNK && vlan == port->tag)
        return true;
    return port->vlan_mode != VLAN_ACCESS &&
           (port->trunks_all || port->trunks[vlan / 64] >> (vlan % 64) & 1);
}

// The VLAN of a packet with this VLAN id (0: none) that came in by the port; -1: not admitted.
static int input_vlan(const struct pipeline_port *port, uint16_t vid)
{
    switch (port->vlan_mode) {
    case VLAN_ACCESS:
        return vid ? -1 : port->tag;
    case VLAN_NATIVE_TAGGED:
    case VLAN_NATIVE_UNTAGGED:
        if (!vid)
            return port->tag;
        break;
    case VLAN_TRUNK:
        break;
    }
    return carries(port, vid) ? vid : -1;
}

// The VLAN id with which a packet of the VLAN leaves; 0: untagged.
static uint16_t output_vid(const struct pipeline_port *port, uint16_t vlan)
{
    bool untagged = port->vlan_mode == VLAN_ACCESS ||
                    (port->vlan_mode == VLAN_NATIVE_UNTAGGED && vlan == port->tag);
    return untagged ? 0 : vlan;
}

static uint16_t vid_now(const struct xlate_ctx *ctx)
{
    return xlate_has_vlan(ctx) ? ntohs(ctx->flow.key.vlan[0].tci) & VID_MASK : 0;
}

static void output(struct xlate_ctx *ctx, const struct port_view *port, uint16_t vlan)
{
    struct flow_vlan before[FLOW_MAX_VLANS];
    memcpy(before, ctx->flow.key.vlan, sizeof(before));
    uint16_t vid = output_vid(&port->cfg, vlan);
    if (!vid && xlate_has_vlan(ctx))
        xlate_pop_vlan(ctx);
    else if (vid && xlate_has_vlan(ctx))
        xlate_set_tci(ctx, vid, VID_MASK);
    else if (vid)
        xlate_push_vlan(ctx, htons(0x8100), htons(VLAN_PRESENT | vid));
    if (!ctx->failed)
        xlate_output_port(ctx, port);
    memcpy(ctx->flow.key.vlan, before, sizeof(before));
}

struct normal {
    const struct port_view *in; // NULL: not from a port
    uint16_t vlan;
};

static bool may_go(const struct normal *n, const struct port_view *port)
{
    return port != n->in && carries(&port->cfg, n->vlan) &&
           !(n->in && n->in->cfg.is_protected && port->cfg.is_protected);
}

// First to ports that want the packet as it is, so that tags change once at most.
static void flood(struct xlate_ctx *ctx, const struct normal *n)
{
    uint16_t vid = vid_now(ctx);
    for (int changed = 0; changed < 2; changed++) {
        for (uint32_t i = 0; i < ctx->ports->n && !ctx->failed; i++) {
            const struct port_view *port = &ctx->ports->v[i];
            bool differs = output_vid(&port->cfg, n->vlan) != vid;
            if (differs == changed && may_go(n, port) && !(port->cfg.flags & PORT_NO_FLOOD))
                output(ctx, port, n->vlan);
        }
    }
}

static void learn(struct xlate_ctx *ctx, const struct normal *n)
{
    struct xlate_credit *c = xlate_add_credit(ctx, CREDIT_MAC);
    c->mac.pipeline = pipeline_ref(ctx->p);
    c->mac.addr = ctx->flow.key.eth_src;
    c->mac.vlan = n->vlan;
    c->mac.port = n->in->cfg.number;
    if (ctx->in->flags & XLATE_MAY_LEARN)
        mac_table_learn(ctx->p->macs, n->vlan, &ctx->flow.key.eth_src, n->in->cfg.number,
                        ctx->in->now);
}

// 01:80:c2:00:00:00 to :0f stay on the link (IEEE 802.1Q, table 8-1).
static bool is_link_local(const struct eth_addr *dst)
{
    static const uint8_t prefix[5] = {0x01, 0x80, 0xc2, 0, 0};
    return !memcmp(dst->b, prefix, sizeof(prefix)) && dst->b[5] < 0x10;
}

void xlate_normal(struct xlate_ctx *ctx)
{
    const struct eth_addr *dst = &ctx->flow.key.eth_dst;
    struct normal n = {.in = port_set_find(ctx->ports, ctx->flow.pipe.in_port)};
    memset(&ctx->wc.key.eth_src, 0xff, sizeof(struct eth_addr));
    memset(&ctx->wc.key.eth_dst, 0xff, sizeof(struct eth_addr));
    ctx->wc.key.vlan[0].tci |= htons(VLAN_PRESENT | VID_MASK);

    if (is_link_local(dst)) {
        xlate_trace(ctx, "NORMAL: a link-local address is not forwarded");
        return;
    }
    int vlan = n.in ? input_vlan(&n.in->cfg, vid_now(ctx)) : vid_now(ctx);
    if (vlan < 0) {
        xlate_trace(ctx, "NORMAL: VLAN %u is not admitted on %s", vid_now(ctx), n.in->cfg.name);
        return;
    }
    n.vlan = vlan;
    if (n.in)
        learn(ctx, &n);
    if (dst->b[0] & 1) {
        xlate_trace(ctx, "NORMAL: group address, flooding VLAN %u", n.vlan);
        flood(ctx, &n);
        return;
    }
    ofp_port_t number;
    const struct port_view *port = NULL;
    provenance_add(&ctx->out->provenance, dep_mac(ctx->p->id, n.vlan, dst));
    if (mac_table_lookup(ctx->p->macs, n.vlan, dst, &number))
        port = port_set_find(ctx->ports, number);
    if (!port || !carries(&port->cfg, n.vlan)) {
        xlate_trace(ctx, "NORMAL: unknown address, flooding VLAN %u", n.vlan);
        flood(ctx, &n);
    } else if (may_go(&n, port)) {
        output(ctx, port, n.vlan);
    } else {
        xlate_trace(ctx, "NORMAL: not back to %s", port->cfg.name);
    }
}
