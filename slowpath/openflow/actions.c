// SPDX-License-Identifier: Apache-2.0
// Actions: walking a list, and the tables that pair each number with its decoder and each of the
// pipeline's action types with its encoder.
//
// The wire has three numberings: OpenFlow 1.0's, 1.1+'s (here 1.3's), and Nicira's subtypes behind
// the vendor action. A number without a decoder is answered as unsupported. Semantics that need the
// match (prerequisites) are checked by ofpact_list_check() of slowpath/pipeline, after decoding.
// Any thread; pure.

#include "slowpath/openflow/actions.h"

#include <string.h>

#include "slowpath/openflow/action_codec.h"

#define ACTION_VENDOR 0xffff

static enum of_error find(const uint8_t *a, size_t len, uint8_t version,
                          const struct action_codec **ret)
{
    uint16_t type = get16(a);
    const struct action_codec *table;
    size_t n;
    enum of_error unknown = OFPBAC_BAD_TYPE;
    uint16_t number = type;
    if (type == ACTION_VENDOR) {
        if (len < 8)
            return OFPBAC_BAD_LEN;
        if (get32(a + 4) != NX_VENDOR)
            return OFPBAC_BAD_VENDOR;
        if (len < 16)
            return OFPBAC_BAD_LEN;
        table = action_codecs_nx;
        n = N_ACTION_NX;
        number = get16(a + 8);
        unknown = OFPBAC_BAD_VENDOR_TYPE;
    } else if (version <= OF10) {
        table = action_codecs10;
        n = N_ACTION10;
    } else {
        table = action_codecs13;
        n = N_ACTION13;
    }
    if (number >= n || !table[number].get)
        return unknown;
    const struct action_codec *c = &table[number];
    if (c->longer ? len < c->len : len != c->len)
        return OFPBAC_BAD_LEN;
    *ret = c;
    return OF_OK;
}

enum of_error action_get_list(const uint8_t *p, size_t left, uint8_t version,
                              struct ofpact_list *out)
{
    if (left % 8)
        return OFPBAC_BAD_LEN;
    while (left) {
        size_t len = get16(p + 2);
        if (len < 8 || len % 8 || len > left)
            return OFPBAC_BAD_LEN;
        const struct action_codec *c;
        enum of_error e = find(p, len, version, &c);
        if (!e)
            e = c->get(p, len, version, out);
        if (e)
            return e;
        p += len;
        left -= len;
    }
    return OF_OK;
}

enum of_error of_actions_get(const uint8_t *data, size_t len, uint8_t version,
                             struct ofpact_list *out)
{
    return action_get_list(data, len, version, out);
}

// Instructions in 1.3 are instructions.c's; in 1.0 those with a Nicira form are put like actions.
static void put_one10(struct action_put *p, const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_OUTPUT:
        action10_put_output(p, a);
        return;
    case OFPACT_SET_FIELD:
        if (a->form == OFPACT_FORM_LOAD || !action10_put_set_field(p, a))
            action_nx_put_load(p, a);
        return;
    case OFPACT_SET_L4_SRC:
    case OFPACT_SET_L4_DST:
        action10_put_l4(p, a);
        return;
    case OFPACT_SET_VLAN_VID:
    case OFPACT_SET_VLAN_PCP:
    case OFPACT_POP_VLAN:
        action10_put_vlan(p, a);
        return;
    case OFPACT_PUSH_VLAN: // 1.0 can't; its mod_vlan_vid and mod_vlan_pcp push by themselves
        return;
    case OFPACT_GOTO_TABLE:
        action_nx_put_resubmit(p, a);
        return;
    case OFPACT_WRITE_METADATA:
        action_nx_put_metadata(p, a);
        return;
    case OFPACT_WRITE_ACTIONS:
    case OFPACT_CLEAR_ACTIONS:
        return;
    default:
        return;
    }
}

static void put_one13(struct action_put *p, const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_OUTPUT:
        action13_put_output(p, a);
        return;
    case OFPACT_SET_FIELD:
        action13_put_set_field(p, a);
        return;
    case OFPACT_SET_L4_SRC:
    case OFPACT_SET_L4_DST:
        action13_put_l4(p, a);
        return;
    case OFPACT_SET_VLAN_VID:
    case OFPACT_SET_VLAN_PCP:
    case OFPACT_PUSH_VLAN:
    case OFPACT_POP_VLAN:
        action13_put_vlan(p, a);
        return;
    default: // instructions
        return;
    }
}

static void put_one(struct action_put *p, const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_CONTROLLER:
        action_nx_put_controller(p, a);
        return;
    case OFPACT_MOVE:
        action_nx_put_move(p, a);
        return;
    case OFPACT_RESUBMIT:
        action_nx_put_resubmit(p, a);
        return;
    case OFPACT_CLONE:
        action_nx_put_clone(p, a);
        return;
    default:
        if (p->version <= OF10)
            put_one10(p, a);
        else
            put_one13(p, a);
    }
}

void action_put_list(struct action_put *p, const struct ofpact_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        put_one(p, &list->v[i]);
}

void of_actions_put(struct buf *b, uint8_t version, const struct ofpact_list *list)
{
    struct action_put p = {.b = b, .version = version};
    action_put_list(&p, list);
}

enum of_error of_error_from_ofpact(enum ofpact_error e)
{
    switch (e) {
    case OFPACT_OK:
        return OF_OK;
    case OFPACT_BAD_OUT_PORT:
        return OFPBAC_BAD_OUT_PORT;
    case OFPACT_BAD_ARGUMENT:
        return OFPBAC_BAD_ARGUMENT;
    case OFPACT_BAD_SET_ARGUMENT:
        return OFPBAC_BAD_SET_ARGUMENT;
    case OFPACT_BAD_SET_TYPE:
        return OFPBAC_BAD_SET_TYPE;
    case OFPACT_BAD_TABLE:
        return OFPBIC_BAD_TABLE_ID;
    case OFPACT_INCONSISTENT:
        return OFPBAC_MATCH_INCONSISTENT;
    case OFPACT_UNSUPPORTED_ORDER:
        return OFPBAC_UNSUPPORTED_ORDER;
    case OFPACT_BAD_IN_SET:
        return OFPBAC_BAD_TYPE;
    }
    return OFPBAC_BAD_ARGUMENT;
}

uint32_t of_actions_supported(uint8_t version)
{
    const struct action_codec *table = version <= OF10 ? action_codecs10 : action_codecs13;
    size_t n = version <= OF10 ? N_ACTION10 : N_ACTION13;
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        if (table[i].get && !table[i].unlisted)
            bits |= 1u << i;
    }
    return bits;
}

void action_add_set(struct ofpact_list *out, enum field_id id, uint64_t value,
                    enum ofpact_form form)
{
    struct field_value v = field_value_from_u64(field_by_id(id), value);
    ofpact_list_add_set_field(out, id, &v, NULL)->form = form;
}

bool action_mask_full(const struct field *f, const struct field_value *mask)
{
    struct field_value all;
    field_value_ones(f, &all);
    return !memcmp(all.b, mask->b, f->n_bytes);
}
