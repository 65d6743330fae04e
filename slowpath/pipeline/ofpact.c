// SPDX-License-Identifier: Apache-2.0
// Lists of OpenFlow actions: making, copying, comparing, checking.
// Pure, any thread. Neighbours: the codecs that fill them, translation that runs them. Invariant: a
// list owns its nested lists.

#include "slowpath/pipeline/ofpact.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"

void ofpact_list_init(struct ofpact_list *list)
{
    *list = (struct ofpact_list){0};
}

static struct ofpact_list *nested_of(const struct ofpact *a)
{
    return a->type == OFPACT_CLONE || a->type == OFPACT_WRITE_ACTIONS ? a->nested : NULL;
}

void ofpact_list_done(struct ofpact_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        struct ofpact_list *nested = nested_of(&list->v[i]);
        if (nested) {
            ofpact_list_done(nested);
            free(nested);
        }
    }
    free(list->v);
    ofpact_list_init(list);
}

struct ofpact *ofpact_list_add(struct ofpact_list *list, enum ofpact_type type)
{
    GROW_ARRAY(list->v, list->allocated, list->n + 1);
    struct ofpact *a = &list->v[list->n++];
    memset(a, 0, sizeof(*a));
    a->type = type;
    return a;
}

struct ofpact_list *ofpact_list_add_nested(struct ofpact_list *list, enum ofpact_type type)
{
    return ofpact_list_add(list, type)->nested = NEW(struct ofpact_list);
}

struct ofpact *ofpact_list_add_set_field(struct ofpact_list *list, enum field_id id,
                                         const struct field_value *value,
                                         const struct field_value *mask)
{
    const struct field *f = field_by_id(id);
    struct ofpact *a = ofpact_list_add(list, OFPACT_SET_FIELD);
    a->set_field.field = id;
    if (mask)
        a->set_field.mask = *mask;
    else
        field_value_ones(f, &a->set_field.mask);
    for (unsigned i = 0; i < sizeof(value->b); i++)
        a->set_field.value.b[i] = value->b[i] & a->set_field.mask.b[i];
    return a;
}

void ofpact_list_clone(struct ofpact_list *dst, const struct ofpact_list *src)
{
    ofpact_list_init(dst);
    if (!src->n)
        return;
    dst->v = xmemdup(src->v, src->n * sizeof(src->v[0]));
    dst->n = dst->allocated = src->n;
    for (uint32_t i = 0; i < src->n; i++) {
        const struct ofpact_list *nested = nested_of(&src->v[i]);
        if (nested) {
            dst->v[i].nested = NEW(struct ofpact_list);
            ofpact_list_clone(dst->v[i].nested, nested);
        }
    }
}

static bool subfield_equal(const struct subfield *a, const struct subfield *b)
{
    return a->field == b->field && a->ofs == b->ofs && a->n_bits == b->n_bits;
}

static bool ofpact_equal(const struct ofpact *a, const struct ofpact *b)
{
    if (a->type != b->type || a->form != b->form)
        return false;
    switch (a->type) {
    case OFPACT_OUTPUT:
        return a->output.port == b->output.port && a->output.max_len == b->output.max_len;
    case OFPACT_CONTROLLER:
        return a->controller.max_len == b->controller.max_len &&
               a->controller.controller_id == b->controller.controller_id &&
               a->controller.reason == b->controller.reason;
    case OFPACT_SET_FIELD:
        return a->set_field.field == b->set_field.field &&
               !memcmp(&a->set_field.value, &b->set_field.value, sizeof(a->set_field.value)) &&
               !memcmp(&a->set_field.mask, &b->set_field.mask, sizeof(a->set_field.mask));
    case OFPACT_SET_L4_SRC:
    case OFPACT_SET_L4_DST:
        return a->l4_port == b->l4_port;
    case OFPACT_SET_VLAN_VID:
        return a->vlan_vid.vid == b->vlan_vid.vid && a->vlan_vid.push == b->vlan_vid.push;
    case OFPACT_SET_VLAN_PCP:
        return a->vlan_pcp.pcp == b->vlan_pcp.pcp && a->vlan_pcp.push == b->vlan_pcp.push;
    case OFPACT_PUSH_VLAN:
        return a->push_vlan_tpid == b->push_vlan_tpid;
    case OFPACT_MOVE:
        return subfield_equal(&a->move.src, &b->move.src) &&
               subfield_equal(&a->move.dst, &b->move.dst);
    case OFPACT_RESUBMIT:
        return a->resubmit.port == b->resubmit.port && a->resubmit.table == b->resubmit.table &&
               a->resubmit.with_table == b->resubmit.with_table;
    case OFPACT_CLONE:
    case OFPACT_WRITE_ACTIONS:
        return ofpact_list_equal(a->nested, b->nested);
    case OFPACT_WRITE_METADATA:
        return a->metadata.value == b->metadata.value && a->metadata.mask == b->metadata.mask;
    case OFPACT_GOTO_TABLE:
        return a->table == b->table;
    case OFPACT_POP_VLAN:
    case OFPACT_CLEAR_ACTIONS:
    case OFPACT_COUNT:
        break;
    }
    return true;
}

bool ofpact_list_equal(const struct ofpact_list *a, const struct ofpact_list *b)
{
    bool equal = a->n == b->n;
    for (uint32_t i = 0; equal && i < a->n; i++)
        equal = ofpact_equal(&a->v[i], &b->v[i]);
    return equal;
}

bool ofpact_list_outputs_to(const struct ofpact_list *list, ofp_port_t port)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct ofpact *a = &list->v[i];
        const struct ofpact_list *nested = nested_of(a);
        if ((a->type == OFPACT_OUTPUT && a->output.port == port) ||
            (a->type == OFPACT_CONTROLLER && port == OFPP_CONTROLLER) ||
            (nested && ofpact_list_outputs_to(nested, port)))
            return true;
    }
    return false;
}

const char *ofpact_type_name(enum ofpact_type type)
{
    static const char *const names[OFPACT_COUNT] = {
        [OFPACT_OUTPUT] = "output",
        [OFPACT_CONTROLLER] = "controller",
        [OFPACT_SET_FIELD] = "set_field",
        [OFPACT_SET_L4_SRC] = "mod_tp_src",
        [OFPACT_SET_L4_DST] = "mod_tp_dst",
        [OFPACT_SET_VLAN_VID] = "mod_vlan_vid",
        [OFPACT_SET_VLAN_PCP] = "mod_vlan_pcp",
        [OFPACT_PUSH_VLAN] = "push_vlan",
        [OFPACT_POP_VLAN] = "pop_vlan",
        [OFPACT_MOVE] = "move",
        [OFPACT_RESUBMIT] = "resubmit",
        [OFPACT_CLONE] = "clone",
        [OFPACT_WRITE_METADATA] = "write_metadata",
        [OFPACT_WRITE_ACTIONS] = "write_actions",
        [OFPACT_CLEAR_ACTIONS] = "clear_actions",
        [OFPACT_GOTO_TABLE] = "goto_table",
    };
    return type < OFPACT_COUNT ? names[type] : "unknown";
}
