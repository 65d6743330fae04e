// SPDX-License-Identifier: Apache-2.0
// Instructions of OpenFlow 1.3 (specification 1.3.5, section 7.2.4) to and from the pipeline's flat
// list, and the choice between instructions and 1.0's plain actions for a rule.
//
// The wire may carry instructions in any order and each at most once; they run in the order of
// their kinds: apply, clear, write actions, write metadata, goto. Meters are not offered. Pure.

#include <string.h>

#include "slowpath/openflow/action_codec.h"

enum {
    OFPIT_GOTO_TABLE = 1,
    OFPIT_WRITE_METADATA = 2,
    OFPIT_WRITE_ACTIONS = 3,
    OFPIT_APPLY_ACTIONS = 4,
    OFPIT_CLEAR_ACTIONS = 5,
    OFPIT_METER = 6,
    OFPIT_EXPERIMENTER = 0xffff,
};
#define N_INST 7

// Where each kind lies; NULL: not there.
struct found {
    const uint8_t *at[N_INST];
    size_t len[N_INST];
};

static enum of_error check_len(uint16_t type, size_t len)
{
    static const uint8_t exact[N_INST] = {
        [OFPIT_GOTO_TABLE] = 8,
        [OFPIT_WRITE_METADATA] = 24,
        [OFPIT_CLEAR_ACTIONS] = 8,
        [OFPIT_METER] = 8,
    };
    return exact[type] && exact[type] != len ? OFPBIC_BAD_LEN : OF_OK;
}

static enum of_error find_all(const uint8_t *p, size_t left, struct found *f)
{
    if (left % 8)
        return OFPBIC_BAD_LEN;
    while (left) {
        uint16_t type = get16(p);
        size_t len = get16(p + 2);
        if (len < 8 || len % 8 || len > left)
            return OFPBIC_BAD_LEN;
        if (type == OFPIT_EXPERIMENTER)
            return OFPBIC_BAD_EXPERIMENTER;
        if (!type || type >= N_INST)
            return OFPBIC_UNKNOWN_INST;
        if (type == OFPIT_METER)
            return OFPBIC_UNSUP_INST;
        enum of_error e = check_len(type, len);
        if (e)
            return e;
        if (f->at[type])
            return OFPBIC_DUP_INST;
        f->at[type] = p;
        f->len[type] = len;
        p += len;
        left -= len;
    }
    return OF_OK;
}

enum of_error of_instructions_get(const uint8_t *data, size_t len, struct ofpact_list *out)
{
    struct found f = {{NULL}, {0}};
    enum of_error e = find_all(data, len, &f);
    const uint8_t *p;
    if (!e && (p = f.at[OFPIT_APPLY_ACTIONS]))
        e = action_get_list(p + 8, f.len[OFPIT_APPLY_ACTIONS] - 8, OF13, out);
    if (e)
        return e;
    if (f.at[OFPIT_CLEAR_ACTIONS])
        ofpact_list_add(out, OFPACT_CLEAR_ACTIONS);
    if ((p = f.at[OFPIT_WRITE_ACTIONS])) {
        struct ofpact_list *set = ofpact_list_add_nested(out, OFPACT_WRITE_ACTIONS);
        e = action_get_list(p + 8, f.len[OFPIT_WRITE_ACTIONS] - 8, OF13, set);
        if (e)
            return e;
    }
    if ((p = f.at[OFPIT_WRITE_METADATA])) {
        struct ofpact *a = ofpact_list_add(out, OFPACT_WRITE_METADATA);
        memcpy(&a->metadata.value, p + 8, 8);
        memcpy(&a->metadata.mask, p + 16, 8);
        a->metadata.value &= a->metadata.mask;
    }
    if ((p = f.at[OFPIT_GOTO_TABLE]))
        ofpact_list_add(out, OFPACT_GOTO_TABLE)->table = p[4];
    return OF_OK;
}

static bool is_instruction(enum ofpact_type t)
{
    return t == OFPACT_WRITE_METADATA || t == OFPACT_WRITE_ACTIONS || t == OFPACT_CLEAR_ACTIONS ||
           t == OFPACT_GOTO_TABLE;
}

static size_t put_header(struct action_put *p, uint16_t type)
{
    size_t start = p->b->size;
    buf_put_be16(p->b, type);
    buf_put_be16(p->b, 0);
    return start;
}

static void put_instruction(struct action_put *p, const struct ofpact *a)
{
    size_t start;
    switch (a->type) {
    case OFPACT_GOTO_TABLE:
        start = put_header(p, OFPIT_GOTO_TABLE);
        buf_put_u8(p->b, a->table);
        break;
    case OFPACT_WRITE_METADATA:
        start = put_header(p, OFPIT_WRITE_METADATA);
        buf_put_zeros(p->b, 4);
        buf_put(p->b, &a->metadata.value, 8);
        buf_put(p->b, &a->metadata.mask, 8);
        break;
    case OFPACT_CLEAR_ACTIONS:
        start = put_header(p, OFPIT_CLEAR_ACTIONS);
        break;
    default:
        start = put_header(p, OFPIT_WRITE_ACTIONS);
        buf_put_zeros(p->b, 4);
        action_put_list(p, a->nested);
    }
    action_finish(p, start);
}

static void put_instructions(struct action_put *p, const struct ofpact_list *list)
{
    size_t start = 0;
    bool applying = false;
    for (uint32_t i = 0; i < list->n; i++) {
        if (is_instruction(list->v[i].type))
            continue;
        if (!applying) {
            start = put_header(p, OFPIT_APPLY_ACTIONS);
            buf_put_zeros(p->b, 4);
            applying = true;
        }
        struct ofpact_list one = {.n = 1, .allocated = 1, .v = &list->v[i]};
        action_put_list(p, &one);
    }
    if (applying)
        action_finish(p, start);
    for (uint32_t i = 0; i < list->n; i++) {
        if (is_instruction(list->v[i].type))
            put_instruction(p, &list->v[i]);
    }
}

void of_rule_actions_put(struct buf *b, uint8_t version, const struct ofpact_list *list,
                         const struct match *match)
{
    struct action_put p = {.b = b, .version = version};
    if (match) {
        be16_t present = htons(VLAN_PRESENT);
        p.has_vlan = match->mask.key.vlan[0].tci & match->value.key.vlan[0].tci & present;
        if (match->mask.key.ip_proto == 0xff)
            p.ip_proto = match->value.key.ip_proto;
    }
    if (version <= OF10)
        action_put_list(&p, list);
    else
        put_instructions(&p, list);
}
