// SPDX-License-Identifier: Apache-2.0
// The actions of OpenFlow 1.3 (specification 1.3.5, section 7.2.5), decoded and encoded.
//
// Groups and queues are not offered, and every group number is therefore a bad one. A masked
// set_field is beyond 1.3 and travels as Nicira's reg_load2. Tables and dispatch are actions.c's.
// Pure.

#include <string.h>

#include "slowpath/openflow/action_codec.h"

enum {
    OFPAT13_OUTPUT = 0,
    OFPAT11_SET_TP_SRC = 9, // 1.1's; put where the transport protocol isn't known
    OFPAT11_SET_TP_DST = 10,
    OFPAT13_PUSH_VLAN = 17,
    OFPAT13_POP_VLAN = 18,
    OFPAT13_GROUP = 22,
    OFPAT13_SET_NW_TTL = 23,
    OFPAT13_SET_FIELD = 25,
};
#define ETH_TYPE_VLAN 0x8100
#define ETH_TYPE_VLAN_QINQ 0x88a8

static enum of_error get_output(const uint8_t *a, size_t len, uint8_t version,
                                struct ofpact_list *out)
{
    uint32_t port = get32(a + 4);
    if (!of_port_valid(port))
        return OFPBAC_BAD_OUT_PORT;
    struct ofpact *p = ofpact_list_add(out, OFPACT_OUTPUT);
    p->output.port = port;
    p->output.max_len = get16(a + 8);
    return OF_OK;
}

static enum of_error get_tp_port(const uint8_t *a, size_t len, uint8_t version,
                                 struct ofpact_list *out)
{
    struct ofpact *p = ofpact_list_add(out, get16(a) == OFPAT11_SET_TP_SRC ? OFPACT_SET_L4_SRC
                                                                           : OFPACT_SET_L4_DST);
    p->form = OFPACT_FORM_LEGACY;
    memcpy(&p->l4_port, a + 4, 2);
    return OF_OK;
}

static enum of_error get_push_vlan(const uint8_t *a, size_t len, uint8_t version,
                                   struct ofpact_list *out)
{
    uint16_t tpid = get16(a + 4);
    if (tpid != ETH_TYPE_VLAN && tpid != ETH_TYPE_VLAN_QINQ)
        return OFPBAC_BAD_ARGUMENT;
    memcpy(&ofpact_list_add(out, OFPACT_PUSH_VLAN)->push_vlan_tpid, a + 4, 2);
    return OF_OK;
}

static enum of_error get_pop_vlan(const uint8_t *a, size_t len, uint8_t version,
                                  struct ofpact_list *out)
{
    ofpact_list_add(out, OFPACT_POP_VLAN);
    return OF_OK;
}

enum of_error action_get_group(const uint8_t *a, size_t len, uint8_t version,
                               struct ofpact_list *out)
{
    return OFPBAC_BAD_OUT_GROUP;
}

static enum of_error get_nw_ttl(const uint8_t *a, size_t len, uint8_t version,
                                struct ofpact_list *out)
{
    action_add_set(out, FIELD_IP_TTL, a[4], OFPACT_FORM_LEGACY);
    return OF_OK;
}

static enum of_error get_set_field(const uint8_t *a, size_t len, uint8_t version,
                                   struct ofpact_list *out)
{
    return action_get_set(a + 4, len - 4, version, false, out);
}

const struct action_codec action_codecs13[N_ACTION13] = {
    [OFPAT13_OUTPUT] = {16, false, get_output},
    [OFPAT11_SET_TP_SRC] = {8, false, get_tp_port, true},
    [OFPAT11_SET_TP_DST] = {8, false, get_tp_port, true},
    [OFPAT13_PUSH_VLAN] = {8, false, get_push_vlan},
    [OFPAT13_POP_VLAN] = {8, false, get_pop_vlan},
    [OFPAT13_GROUP] = {8, false, action_get_group, true},
    [OFPAT13_SET_NW_TTL] = {8, false, get_nw_ttl},
    [OFPAT13_SET_FIELD] = {16, true, get_set_field},
};

void action13_put_output(struct action_put *p, const struct ofpact *a)
{
    buf_put_be16(p->b, OFPAT13_OUTPUT);
    buf_put_be16(p->b, 16);
    buf_put_be32(p->b, a->output.port);
    buf_put_be16(p->b, a->output.max_len);
    buf_put_zeros(p->b, 6);
}

static void put_set(struct action_put *p, const struct field *f, const struct field_value *v)
{
    struct field_ctx ctx = {.of_version = p->version};
    size_t start = p->b->size;
    buf_put_be16(p->b, OFPAT13_SET_FIELD);
    buf_put_be16(p->b, 0);
    oxm_put_field(p->b, f, v, NULL, &ctx, false);
    action_finish(p, start);
}

static void put_set_u64(struct action_put *p, enum field_id id, uint64_t n)
{
    const struct field *f = field_by_id(id);
    struct field_value v = field_value_from_u64(f, n);
    put_set(p, f, &v);
}

void action13_put_set_field(struct action_put *p, const struct ofpact *a)
{
    const struct field *f = field_by_id(a->set_field.field);
    if (a->form == OFPACT_FORM_LOAD || !action_mask_full(f, &a->set_field.mask)) {
        action_nx_put_load(p, a);
    } else if (f->id == FIELD_IP_TTL) { // has no OXM number
        buf_put_be16(p->b, OFPAT13_SET_NW_TTL);
        buf_put_be16(p->b, 8);
        buf_put_u8(p->b, a->set_field.value.b[0]);
        buf_put_zeros(p->b, 3);
    } else if (f->id == FIELD_IP_DSCP) {
        put_set_u64(p, FIELD_IP_DSCP_OXM, a->set_field.value.b[0] >> 2);
    } else {
        put_set(p, f, &a->set_field.value);
    }
}

static void put_push(struct action_put *p, uint16_t tpid)
{
    buf_put_be16(p->b, OFPAT13_PUSH_VLAN);
    buf_put_be16(p->b, 8);
    buf_put_be16(p->b, tpid);
    buf_put_zeros(p->b, 2);
    p->has_vlan = true;
}

void action13_put_vlan(struct action_put *p, const struct ofpact *a)
{
    switch (a->type) {
    case OFPACT_SET_VLAN_VID:
        if (a->vlan_vid.push && !p->has_vlan)
            put_push(p, ETH_TYPE_VLAN);
        put_set_u64(p, FIELD_VLAN_VID, a->vlan_vid.vid | VLAN_PRESENT);
        break;
    case OFPACT_SET_VLAN_PCP:
        if (a->vlan_pcp.push && !p->has_vlan)
            put_push(p, ETH_TYPE_VLAN);
        put_set_u64(p, FIELD_VLAN_PCP, a->vlan_pcp.pcp);
        break;
    case OFPACT_PUSH_VLAN:
        put_push(p, ntohs(a->push_vlan_tpid));
        break;
    default:
        buf_put_be16(p->b, OFPAT13_POP_VLAN);
        buf_put_be16(p->b, 8);
        buf_put_zeros(p->b, 4);
        p->has_vlan = false;
    }
}

void action13_put_l4(struct action_put *p, const struct ofpact *a)
{
    bool src = a->type == OFPACT_SET_L4_SRC;
    uint16_t port = ntohs(a->l4_port);
    switch (p->ip_proto) {
    case IPPROTO_TCP:
        put_set_u64(p, src ? FIELD_TCP_SRC : FIELD_TCP_DST, port);
        break;
    case IPPROTO_UDP:
        put_set_u64(p, src ? FIELD_UDP_SRC : FIELD_UDP_DST, port);
        break;
    case IPPROTO_SCTP:
        put_set_u64(p, src ? FIELD_SCTP_SRC : FIELD_SCTP_DST, port);
        break;
    default:
        buf_put_be16(p->b, src ? OFPAT11_SET_TP_SRC : OFPAT11_SET_TP_DST);
        buf_put_be16(p->b, 8);
        buf_put_be16(p->b, port);
        buf_put_zeros(p->b, 2);
    }
}
