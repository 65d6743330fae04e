// SPDX-License-Identifier: Apache-2.0
// What each OpenFlow action does to a packet in translation.
// Thread: any (xlate.c). Neighbours: xlate_output.c, xlate_commit.c.
//
// Writing a field looks at it: whether the datapath has to write depends on what the packet has, so
// the bits written are in the mask, as are those of the field's prerequisites. An action whose
// prerequisites the packet lacks does nothing.

#include <arpa/inet.h>
#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/pipeline/xlate_private.h"

// --- Fields -----------------------------------------------------------------------------------

static bool is_vlan_field(const struct field *f)
{
    return f->offset >= offsetof(struct flow, key.vlan) &&
           f->offset < offsetof(struct flow, key.vlan) + sizeof(((struct flow *)0)->key.vlan);
}

// A tag control word may have been written as a whole: no tag means no tag.
static void fix_vlan(struct xlate_ctx *ctx)
{
    struct flow_vlan *v = ctx->flow.key.vlan;
    if (v[0].tci & htons(VLAN_PRESENT)) {
        if (!v[0].tpid)
            v[0].tpid = htons(0x8100);
        return;
    }
    v[0] = v[1];
    v[1] = (struct flow_vlan){0};
}

static void write_field(struct xlate_ctx *ctx, const struct field *f,
                        const struct field_value *value, const struct field_value *mask)
{
    if (f->prereq != PREREQ_NONE) {
        field_mask_prereqs(f, &ctx->wc);
        if (!field_prereq_ok(f, &ctx->flow))
            return;
    }
    if (f->id < FIELD_PIPELINE_FIRST) {
        field_set_masked(f, mask, mask, &ctx->wc);
        field_set_masked(f, mask, mask, &ctx->written);
    }
    field_set_masked(f, value, mask, &ctx->flow);
    if (is_vlan_field(f)) {
        memset(ctx->wc.key.vlan, 0xff, sizeof(ctx->wc.key.vlan));
        fix_vlan(ctx);
    }
}

static void set_l4_port(struct xlate_ctx *ctx, const struct ofpact *a)
{
    static const struct {
        uint8_t proto;
        enum field_id src, dst;
    } protos[] = {
        {IPPROTO_TCP, FIELD_TCP_SRC, FIELD_TCP_DST},
        {IPPROTO_UDP, FIELD_UDP_SRC, FIELD_UDP_DST},
        {IPPROTO_SCTP, FIELD_SCTP_SRC, FIELD_SCTP_DST},
    };
    struct field_value value = {{0}}, ones;
    memcpy(value.b, &a->l4_port, 2);
    ctx->wc.key.ip_proto = UINT8_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
        if (protos[i].proto != ctx->flow.key.ip_proto)
            continue;
        const struct field *f =
            field_by_id(a->type == OFPACT_SET_L4_SRC ? protos[i].src : protos[i].dst);
        field_value_ones(f, &ones);
        write_field(ctx, f, &value, &ones);
    }
}

// Copies bits between two right-aligned big-endian values; both masks count from the lowest bit.
static void copy_bits(const struct field_value *from, unsigned from_bytes, unsigned from_ofs,
                      struct field_value *to, unsigned to_bytes, unsigned to_ofs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned s = from_ofs + i, d = to_ofs + i;
        uint8_t bit = from->b[from_bytes - 1 - s / 8] >> (s % 8) & 1;
        to->b[to_bytes - 1 - d / 8] |= bit << (d % 8);
    }
}

static void move(struct xlate_ctx *ctx, const struct ofpact *a)
{
    const struct subfield *src = &a->move.src, *dst = &a->move.dst;
    const struct field *from = field_by_id(src->field), *to = field_by_id(dst->field);
    struct field_value ones, got, bits = {{0}}, value = {{0}}, mask = {{0}};
    memset(&ones, 0xff, sizeof(ones));
    if (from->prereq != PREREQ_NONE) {
        field_mask_prereqs(from, &ctx->wc);
        if (!field_prereq_ok(from, &ctx->flow))
            return;
    }
    field_get(from, &ctx->flow, &got);
    if (from->id < FIELD_PIPELINE_FIRST) {
        copy_bits(&ones, from->n_bytes, src->ofs, &bits, from->n_bytes, src->ofs, src->n_bits);
        field_set_masked(from, &bits, &bits, &ctx->wc);
    }
    copy_bits(&got, from->n_bytes, src->ofs, &value, to->n_bytes, dst->ofs, src->n_bits);
    copy_bits(&ones, to->n_bytes, 0, &mask, to->n_bytes, dst->ofs, dst->n_bits);
    write_field(ctx, to, &value, &mask);
}

// --- VLAN tags of OpenFlow 1.0 ------------------------------------------------------------------

static void set_vlan(struct xlate_ctx *ctx, uint16_t value, uint16_t mask, bool push)
{
    ctx->wc.key.vlan[0].tci |= htons(VLAN_PRESENT);
    if (xlate_has_vlan(ctx))
        xlate_set_tci(ctx, value, mask);
    else if (push)
        xlate_push_vlan(ctx, htons(0x8100), htons(VLAN_PRESENT | value));
}

// --- Going on elsewhere ------------------------------------------------------------------------

static void resubmit(struct xlate_ctx *ctx, const struct ofpact *a)
{
    if (ctx->depth >= XLATE_MAX_DEPTH) {
        xlate_fail(ctx, SLOW_TOO_COMPLEX, "resubmits nested deeper than %u",
                   (unsigned)XLATE_MAX_DEPTH);
        return;
    }
    ofp_port_t in_port =
        a->resubmit.port == OFPP_IN_PORT ? ctx->flow.pipe.in_port : a->resubmit.port;
    bool in_set = ctx->in_set;
    ctx->in_set = false;
    ctx->depth++;
    xlate_table(ctx, a->resubmit.table == 0xff ? ctx->table : a->resubmit.table, in_port, false);
    ctx->depth--;
    ctx->in_set = in_set;
}

// The nested actions see a copy: what they write is undone after.
static void run_clone(struct xlate_ctx *ctx, const struct ofpact *a)
{
    if (ctx->depth >= XLATE_MAX_DEPTH) {
        xlate_fail(ctx, SLOW_TOO_COMPLEX, "clones nested deeper than %u",
                   (unsigned)XLATE_MAX_DEPTH);
        return;
    }
    struct flow outer = ctx->flow;
    struct action_set set = ctx->set;
    ctx->set = (struct action_set){0};
    ctx->depth++;
    xlate_actions(ctx, a->nested);
    ctx->depth--;
    free(ctx->set.v);
    ctx->set = set;
    ctx->flow = outer;
}

static void write_actions(struct xlate_ctx *ctx, const struct ofpact_list *list)
{
    struct action_set *set = &ctx->set;
    if (set->n + list->n > XLATE_MAX_ACTIONS) {
        xlate_fail(ctx, SLOW_TOO_COMPLEX, "over %u actions in an action set",
                   (unsigned)XLATE_MAX_ACTIONS);
        return;
    }
    GROW_ARRAY(set->v, set->allocated, set->n + list->n);
    for (uint32_t i = 0; i < list->n; i++)
        set->v[set->n++] = &list->v[i];
}

static void run_one(struct xlate_ctx *ctx, const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_OUTPUT:
        xlate_output(ctx, a->output.port, a->output.max_len);
        break;
    case OFPACT_CONTROLLER:
        xlate_controller(ctx, a->controller.max_len, a->controller.controller_id,
                         a->controller.reason);
        break;
    case OFPACT_SET_FIELD:
        write_field(ctx, field_by_id(a->set_field.field), &a->set_field.value, &a->set_field.mask);
        break;
    case OFPACT_SET_L4_SRC:
    case OFPACT_SET_L4_DST:
        set_l4_port(ctx, a);
        break;
    case OFPACT_SET_VLAN_VID:
        set_vlan(ctx, a->vlan_vid.vid, 0xfff, a->vlan_vid.push);
        break;
    case OFPACT_SET_VLAN_PCP:
        set_vlan(ctx, a->vlan_pcp.pcp << 13, 0xe000, a->vlan_pcp.push);
        break;
    case OFPACT_PUSH_VLAN: {
        // The new tag begins as a copy of the one outermost so far (OpenFlow 1.3.5, 5.12.1).
        ctx->wc.key.vlan[0].tci = UINT16_MAX;
        xlate_push_vlan(ctx, a->push_vlan_tpid, ctx->flow.key.vlan[0].tci | htons(VLAN_PRESENT));
        break;
    }
    case OFPACT_POP_VLAN:
        xlate_pop_vlan(ctx);
        break;
    case OFPACT_MOVE:
        move(ctx, a);
        break;
    case OFPACT_RESUBMIT:
        resubmit(ctx, a);
        break;
    case OFPACT_CLONE:
        run_clone(ctx, a);
        break;
    case OFPACT_WRITE_METADATA:
        ctx->flow.pipe.metadata =
            (ctx->flow.pipe.metadata & ~a->metadata.mask) | (a->metadata.value & a->metadata.mask);
        break;
    case OFPACT_WRITE_ACTIONS:
        write_actions(ctx, a->nested);
        break;
    case OFPACT_CLEAR_ACTIONS:
        ctx->set.n = 0;
        break;
    case OFPACT_GOTO_TABLE:
        ctx->next_table = a->table;
        break;
    case OFPACT_COUNT:
        break;
    }
}

void xlate_actions(struct xlate_ctx *ctx, const struct ofpact_list *list)
{
    for (uint32_t i = 0; i < list->n && !ctx->failed; i++)
        run_one(ctx, &list->v[i]);
}

// --- The action set ----------------------------------------------------------------------------

enum set_step { SET_POP, SET_PUSH, SET_FIELDS, SET_OUTPUT, SET_RESUBMIT, SET_STEPS };

static enum set_step step_of(const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_POP_VLAN:
        return SET_POP;
    case OFPACT_PUSH_VLAN:
        return SET_PUSH;
    case OFPACT_OUTPUT:
        return SET_OUTPUT;
    case OFPACT_RESUBMIT:
        return SET_RESUBMIT;
    default:
        return SET_FIELDS;
    }
}

// In OpenFlow's order, whatever the order of writing; of each kind but fields the last one written.
void xlate_action_set(struct xlate_ctx *ctx)
{
    struct action_set set = ctx->set;
    const struct ofpact *last[SET_STEPS] = {NULL};
    for (uint32_t i = 0; i < set.n; i++)
        last[step_of(set.v[i])] = set.v[i];
    const struct ofpact *end = last[SET_OUTPUT] ? last[SET_OUTPUT] : last[SET_RESUBMIT];
    if (!end || ctx->failed)
        return; // nothing would see the rest
    ctx->in_set = true;
    if (last[SET_POP])
        run_one(ctx, last[SET_POP]);
    if (last[SET_PUSH])
        run_one(ctx, last[SET_PUSH]);
    for (uint32_t i = 0; i < set.n && !ctx->failed; i++) {
        if (step_of(set.v[i]) == SET_FIELDS)
            run_one(ctx, set.v[i]);
    }
    if (!ctx->failed)
        run_one(ctx, end);
    ctx->in_set = false;
}
