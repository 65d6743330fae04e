// SPDX-License-Identifier: Apache-2.0
// Whether a list of OpenFlow actions can be: what translation relies on, and what OpenFlow answers
// otherwise.
// Pure, any thread. Neighbours: ofpact.c; codecs call this after decoding. Prerequisites are
// checked against what the match guarantees plus what earlier actions do (a pushed tag).

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/pipeline/ofpact.h"
#include "slowpath/pipeline/pipeline.h"

struct check {
    struct match match; // as actions so far have changed it, as far as prerequisites go
    bool have_match;
    uint8_t table;
    bool strict;
    bool in_set, in_clone;
    struct err *err;
};

#define REFUSE(c, code, ...) (err_set((c)->err, -EINVAL, __VA_ARGS__), (code))

static enum ofpact_error check_port(struct check *c, ofp_port_t port)
{
    switch (port) {
    case OFPP_IN_PORT:
    case OFPP_NORMAL:
    case OFPP_FLOOD:
    case OFPP_ALL:
    case OFPP_CONTROLLER:
    case OFPP_LOCAL:
        return OFPACT_OK;
    case OFPP_TABLE:
        if (!c->have_match)
            return OFPACT_OK;
        return REFUSE(c, OFPACT_BAD_OUT_PORT, "output to TABLE is for packet-outs only");
    }
    if (port && port < OFPP_MAX_PORT)
        return OFPACT_OK;
    return REFUSE(c, OFPACT_BAD_OUT_PORT, "there is no port %u to output to", port);
}

static enum ofpact_error check_writable(struct check *c, const struct field *f)
{
    if (!f || !f->writable)
        return REFUSE(c, OFPACT_BAD_SET_TYPE, "%s cannot be written", f ? f->name : "this field");
    return OFPACT_OK;
}

static enum ofpact_error check_prereq(struct check *c, const struct field *f)
{
    if (!c->strict || !c->have_match || field_prereq_in_match(f, &c->match))
        return OFPACT_OK;
    return REFUSE(c, OFPACT_INCONSISTENT, "%s needs a match that guarantees its protocol", f->name);
}

static bool vlan_guaranteed(const struct check *c)
{
    return c->match.value.key.vlan[0].tci & c->match.mask.key.vlan[0].tci & htons(VLAN_PRESENT);
}

static enum ofpact_error check_set_field(struct check *c, const struct ofpact *a)
{
    if (a->set_field.field >= FIELD_COUNT)
        return REFUSE(c, OFPACT_BAD_SET_TYPE, "there is no such field");
    const struct field *f = field_by_id(a->set_field.field);
    enum ofpact_error e = check_writable(c, f);
    if (!e && !field_value_valid(f, &a->set_field.value))
        e = REFUSE(c, OFPACT_BAD_SET_ARGUMENT, "the value does not fit %s", f->name);
    if (!e && f->id == FIELD_VLAN_VID && c->strict && c->have_match && !vlan_guaranteed(c))
        e = REFUSE(c, OFPACT_INCONSISTENT, "%s needs a match on a VLAN tag", f->name);
    return e ? e : check_prereq(c, f);
}

static enum ofpact_error check_subfield(struct check *c, const struct subfield *sf)
{
    if (sf->field >= FIELD_COUNT)
        return REFUSE(c, OFPACT_BAD_SET_TYPE, "there is no such field");
    const struct field *f = field_by_id(sf->field);
    if (!sf->n_bits || sf->ofs + sf->n_bits > f->n_bits)
        return REFUSE(c, OFPACT_BAD_SET_ARGUMENT, "%s has only %u bits", f->name, f->n_bits);
    return check_prereq(c, f);
}

static enum ofpact_error check_move(struct check *c, const struct ofpact *a)
{
    enum ofpact_error e = check_subfield(c, &a->move.src);
    if (!e)
        e = check_subfield(c, &a->move.dst);
    if (!e)
        e = check_writable(c, field_by_id(a->move.dst.field));
    if (!e && a->move.src.n_bits != a->move.dst.n_bits)
        e = REFUSE(c, OFPACT_BAD_ARGUMENT, "move between parts of different width");
    return e;
}

static void note_vlan(struct check *c, bool present)
{
    struct flow_vlan *value = &c->match.value.key.vlan[0], *mask = &c->match.mask.key.vlan[0];
    value->tci = htons(present ? VLAN_PRESENT : 0);
    mask->tci |= htons(VLAN_PRESENT);
}

static enum ofpact_error check_vlan(struct check *c, const struct ofpact *a)
{
    bool push = a->type == OFPACT_SET_VLAN_VID   ? a->vlan_vid.push
                : a->type == OFPACT_SET_VLAN_PCP ? a->vlan_pcp.push
                                                 : false;
    if ((a->type == OFPACT_SET_VLAN_VID && a->vlan_vid.vid > 0xfff) ||
        (a->type == OFPACT_SET_VLAN_PCP && a->vlan_pcp.pcp > 7) ||
        (a->type == OFPACT_PUSH_VLAN && a->push_vlan_tpid != htons(0x8100) &&
         a->push_vlan_tpid != htons(0x88a8)))
        return REFUSE(c, OFPACT_BAD_ARGUMENT, "%s with a value out of range",
                      ofpact_type_name(a->type));
    if (a->type != OFPACT_PUSH_VLAN && !push && c->strict && c->have_match && !vlan_guaranteed(c))
        return REFUSE(c, OFPACT_INCONSISTENT, "%s needs a match on a VLAN tag",
                      ofpact_type_name(a->type));
    if (a->type == OFPACT_PUSH_VLAN || push)
        note_vlan(c, true);
    else if (a->type == OFPACT_POP_VLAN)
        c->match.value.key.vlan[0] = c->match.value.key.vlan[1],
        c->match.mask.key.vlan[0] = c->match.mask.key.vlan[1];
    return OFPACT_OK;
}

static enum ofpact_error check_list(struct check *, const struct ofpact_list *);

static bool allowed_in_set(const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_CLONE:
    case OFPACT_WRITE_METADATA:
    case OFPACT_WRITE_ACTIONS:
    case OFPACT_CLEAR_ACTIONS:
    case OFPACT_GOTO_TABLE:
    case OFPACT_CONTROLLER:
        return false;
    default:
        return true;
    }
}

static bool is_instruction(const struct ofpact *a)
{
    return a->type >= OFPACT_WRITE_METADATA && a->type <= OFPACT_GOTO_TABLE;
}

static enum ofpact_error check_nested(struct check *c, const struct ofpact *a)
{
    struct check inner = *c;
    inner.in_set = a->type == OFPACT_WRITE_ACTIONS;
    inner.in_clone = !inner.in_set;
    // A set's actions run at the end, on whatever packet is there then.
    inner.strict = inner.strict && !inner.in_set;
    return check_list(&inner, a->nested);
}

static enum ofpact_error check_one(struct check *c, const struct ofpact *a)
{
    if (c->in_set && !allowed_in_set(a))
        return REFUSE(c, OFPACT_BAD_IN_SET, "%s cannot be in an action set",
                      ofpact_type_name(a->type));
    if (c->in_clone && is_instruction(a))
        return REFUSE(c, OFPACT_BAD_IN_SET, "%s cannot be in a clone", ofpact_type_name(a->type));
    switch (a->type) {
    case OFPACT_OUTPUT:
        return check_port(c, a->output.port);
    case OFPACT_SET_FIELD:
        return check_set_field(c, a);
    case OFPACT_MOVE:
        return check_move(c, a);
    case OFPACT_SET_VLAN_VID:
    case OFPACT_SET_VLAN_PCP:
    case OFPACT_PUSH_VLAN:
    case OFPACT_POP_VLAN:
        return check_vlan(c, a);
    case OFPACT_SET_L4_SRC:
    case OFPACT_SET_L4_DST:
        if (c->strict && c->have_match &&
            !field_prereq_in_match(field_by_id(FIELD_TCP_SRC), &c->match) &&
            !field_prereq_in_match(field_by_id(FIELD_UDP_SRC), &c->match) &&
            !field_prereq_in_match(field_by_id(FIELD_SCTP_SRC), &c->match))
            return REFUSE(c, OFPACT_INCONSISTENT, "%s needs a match on TCP, UDP or SCTP",
                          ofpact_type_name(a->type));
        return OFPACT_OK;
    case OFPACT_CLONE:
    case OFPACT_WRITE_ACTIONS:
        return check_nested(c, a);
    case OFPACT_GOTO_TABLE:
        if (a->table <= c->table || a->table >= PIPELINE_TABLES)
            return REFUSE(c, OFPACT_BAD_TABLE, "goto_table:%u from table %u", a->table, c->table);
        return OFPACT_OK;
    case OFPACT_RESUBMIT:
        if (a->resubmit.table != 0xff && a->resubmit.table >= PIPELINE_TABLES)
            return REFUSE(c, OFPACT_BAD_ARGUMENT, "resubmit to table %u", a->resubmit.table);
        return OFPACT_OK;
    case OFPACT_CONTROLLER:
    case OFPACT_WRITE_METADATA:
    case OFPACT_CLEAR_ACTIONS:
    case OFPACT_COUNT:
        break;
    }
    return OFPACT_OK;
}

static enum ofpact_error check_list(struct check *c, const struct ofpact_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (i && list->v[i - 1].type == OFPACT_GOTO_TABLE)
            return REFUSE(c, OFPACT_UNSUPPORTED_ORDER, "nothing can follow goto_table");
        enum ofpact_error e = check_one(c, &list->v[i]);
        if (e)
            return e;
    }
    return OFPACT_OK;
}

enum ofpact_error ofpact_list_check(const struct ofpact_list *list, const struct match *match,
                                    uint8_t table, bool strict, struct err *err)
{
    struct check c = {.have_match = match, .table = table, .strict = strict, .err = err};
    if (match)
        c.match = *match;
    return check_list(&c, list);
}
