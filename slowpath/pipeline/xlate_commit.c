// SPDX-License-Identifier: Apache-2.0
// From what actions wrote to what the datapath must do: before each output, the difference between
// the packet as it should leave and the packet as earlier datapath actions left it.
// Thread: any (xlate.c). Neighbours: xlate_actions.c writes; drivers express each set on its own.
// Invariant: only bits in `written` differ between `base` and `flow` (VLAN tags apart), and those
// are in the mask, so that the difference is the same for every packet of the megaflow.

#include <arpa/inet.h>
#include <string.h>

#include "slowpath/pipeline/xlate_private.h"

// What a datapath can set, in the order of emission. Fields that share storage exclude each other
// by prerequisites.
static const enum field_id settable[] = {
    FIELD_SKB_PRIORITY, FIELD_PKT_MARK,    FIELD_ETH_SRC,   FIELD_ETH_DST,     FIELD_ARP_OP,
    FIELD_ARP_SPA,      FIELD_ARP_TPA,     FIELD_ARP_SHA,   FIELD_ARP_THA,     FIELD_IPV4_SRC,
    FIELD_IPV4_DST,     FIELD_IPV6_SRC,    FIELD_IPV6_DST,  FIELD_IPV6_LABEL,  FIELD_IP_DSCP,
    FIELD_IP_ECN,       FIELD_IP_TTL,      FIELD_TCP_SRC,   FIELD_TCP_DST,     FIELD_UDP_SRC,
    FIELD_UDP_DST,      FIELD_SCTP_SRC,    FIELD_SCTP_DST,  FIELD_ICMPV4_TYPE, FIELD_ICMPV4_CODE,
    FIELD_ICMPV6_TYPE,  FIELD_ICMPV6_CODE, FIELD_ND_TARGET, FIELD_ND_SLL,      FIELD_ND_TLL,
};

// Words of the key that differ.
static uint64_t key_diff(const struct flow *a, const struct flow *b)
{
    const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;
    uint64_t map = 0;
    for (unsigned i = 0; i < FLOW_KEY_U64S; i++)
        map |= (uint64_t)(x[i] != y[i]) << i;
    return map;
}

static uint64_t field_words(const struct field *f)
{
    unsigned first = f->offset / 8, last = (f->offset + f->size - 1) / 8;
    return ((UINT64_C(2) << (last - first)) - 1) << first;
}

static void diff_field(const struct field *f, const struct flow *from, const struct flow *to,
                       const struct flow *written, struct act_list *acts)
{
    struct field_value old, new, mask;
    field_get(f, from, &old);
    field_get(f, to, &new);
    if (!memcmp(&old, &new, sizeof(old)) || !field_prereq_ok(f, to))
        return;
    field_get(f, written, &mask);
    struct act *a = act_list_add(acts, ACT_SET);
    a->set.field = f->id;
    a->set.mask = mask;
    for (unsigned i = 0; i < sizeof(mask.b); i++)
        a->set.value.b[i] = new.b[i] & mask.b[i];
}

static unsigned count_tags(const struct flow_vlan *v)
{
    unsigned n = 0;
    while (n < FLOW_MAX_VLANS && v[n].tci & htons(VLAN_PRESENT))
        n++;
    return n;
}

// Inner tags that both have stay; what lies outside of them is popped and pushed.
static void diff_vlans(const struct flow_vlan *from, const struct flow_vlan *to,
                       struct act_list *acts)
{
    unsigned pops = count_tags(from), pushes = count_tags(to);
    while (pops && pushes && from[pops - 1].tpid == to[pushes - 1].tpid &&
           from[pops - 1].tci == to[pushes - 1].tci) {
        pops--;
        pushes--;
    }
    while (pops--)
        act_list_add(acts, ACT_POP_VLAN);
    while (pushes--) {
        struct act *a = act_list_add(acts, ACT_PUSH_VLAN);
        a->push_vlan.tpid = to[pushes].tpid;
        a->push_vlan.tci = to[pushes].tci;
    }
}

void xlate_diff(const struct flow *from, const struct flow *to, const struct flow *written,
                struct act_list *acts)
{
    uint64_t words = key_diff(from, to);
    if (!words)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(settable); i++) {
        const struct field *f = field_by_id(settable[i]);
        if (words & field_words(f))
            diff_field(f, from, to, written, acts);
    }
    diff_vlans(from->key.vlan, to->key.vlan, acts);
}

void xlate_commit(struct xlate_ctx *ctx)
{
    xlate_diff(&ctx->base, &ctx->flow, &ctx->written, &ctx->out->actions);
    ctx->base.key = ctx->flow.key;
}

// --- Tags --------------------------------------------------------------------------------------

// Once tags change, all of them are looked at: positions in the mask are those of the packet as it
// came, and a popped tag uncovers the next.
static void look_at_tags(struct xlate_ctx *ctx)
{
    memset(ctx->wc.key.vlan, 0xff, sizeof(ctx->wc.key.vlan));
}

void xlate_push_vlan(struct xlate_ctx *ctx, be16_t tpid, be16_t tci)
{
    struct flow_vlan *v = ctx->flow.key.vlan;
    look_at_tags(ctx);
    if (count_tags(v) == FLOW_MAX_VLANS) {
        xlate_fail(ctx, SLOW_TOO_COMPLEX, "more than %u VLAN tags", (unsigned)FLOW_MAX_VLANS);
        return;
    }
    v[1] = v[0];
    v[0] = (struct flow_vlan){tpid, tci};
}

void xlate_pop_vlan(struct xlate_ctx *ctx)
{
    struct flow_vlan *v = ctx->flow.key.vlan;
    ctx->wc.key.vlan[0].tci |= htons(VLAN_PRESENT);
    if (!xlate_has_vlan(ctx))
        return;
    look_at_tags(ctx);
    v[0] = v[1];
    v[1] = (struct flow_vlan){0};
}

void xlate_set_tci(struct xlate_ctx *ctx, uint16_t tci, uint16_t mask)
{
    struct flow_vlan *v = ctx->flow.key.vlan;
    uint16_t now = (ntohs(v[0].tci) & ~mask) | (tci & mask);
    if (v[0].tci == htons(now)) {
        ctx->wc.key.vlan[0].tci |= htons(mask | VLAN_PRESENT);
        return;
    }
    look_at_tags(ctx);
    v[0].tci = htons(now);
}
