// SPDX-License-Identifier: Apache-2.0
// The actions of OpenFlow 1.0 (specification 1.0.0, section 5.2.4), decoded and encoded.
//
// An enqueue is refused: queues are not offered. Tables and dispatch are actions.c's. Pure.

#include <string.h>

#include "slowpath/openflow/action_codec.h"

enum {
    OFPAT10_OUTPUT,
    OFPAT10_SET_VLAN_VID,
    OFPAT10_SET_VLAN_PCP,
    OFPAT10_STRIP_VLAN,
    OFPAT10_SET_DL_SRC,
    OFPAT10_SET_DL_DST,
    OFPAT10_SET_NW_SRC,
    OFPAT10_SET_NW_DST,
    OFPAT10_SET_NW_TOS,
    OFPAT10_SET_TP_SRC,
    OFPAT10_SET_TP_DST,
};

static enum of_error get_output(const uint8_t *a, size_t len, uint8_t version,
                                struct ofpact_list *out)
{
    struct ofpact *p = ofpact_list_add(out, OFPACT_OUTPUT);
    p->output.port = of_port_from10(get16(a + 4));
    p->output.max_len = get16(a + 6);
    return OF_OK;
}

static enum of_error get_vlan_vid(const uint8_t *a, size_t len, uint8_t version,
                                  struct ofpact_list *out)
{
    if (get16(a + 4) & ~0xfff)
        return OFPBAC_BAD_ARGUMENT;
    struct ofpact *p = ofpact_list_add(out, OFPACT_SET_VLAN_VID);
    p->form = OFPACT_FORM_LEGACY;
    p->vlan_vid.vid = get16(a + 4);
    p->vlan_vid.push = true;
    return OF_OK;
}

static enum of_error get_vlan_pcp(const uint8_t *a, size_t len, uint8_t version,
                                  struct ofpact_list *out)
{
    if (a[4] & ~7)
        return OFPBAC_BAD_ARGUMENT;
    struct ofpact *p = ofpact_list_add(out, OFPACT_SET_VLAN_PCP);
    p->form = OFPACT_FORM_LEGACY;
    p->vlan_pcp.pcp = a[4];
    p->vlan_pcp.push = true;
    return OF_OK;
}

static enum of_error get_strip_vlan(const uint8_t *a, size_t len, uint8_t version,
                                    struct ofpact_list *out)
{
    ofpact_list_add(out, OFPACT_POP_VLAN)->form = OFPACT_FORM_LEGACY;
    return OF_OK;
}

static enum of_error get_dl_addr(const uint8_t *a, size_t len, uint8_t version,
                                 struct ofpact_list *out)
{
    action_add_set(out, get16(a) == OFPAT10_SET_DL_SRC ? FIELD_ETH_SRC : FIELD_ETH_DST,
                   get64(a + 4) >> 16, OFPACT_FORM_LEGACY);
    return OF_OK;
}

static enum of_error get_nw_addr(const uint8_t *a, size_t len, uint8_t version,
                                 struct ofpact_list *out)
{
    action_add_set(out, get16(a) == OFPAT10_SET_NW_SRC ? FIELD_IPV4_SRC : FIELD_IPV4_DST,
                   get32(a + 4), OFPACT_FORM_LEGACY);
    return OF_OK;
}

static enum of_error get_nw_tos(const uint8_t *a, size_t len, uint8_t version,
                                struct ofpact_list *out)
{
    if (a[4] & 3) // the ECN bits are not part of it
        return OFPBAC_BAD_ARGUMENT;
    action_add_set(out, FIELD_IP_DSCP, a[4], OFPACT_FORM_LEGACY);
    return OF_OK;
}

static enum of_error get_tp_port(const uint8_t *a, size_t len, uint8_t version,
                                 struct ofpact_list *out)
{
    struct ofpact *p = ofpact_list_add(out, get16(a) == OFPAT10_SET_TP_SRC ? OFPACT_SET_L4_SRC
                                                                           : OFPACT_SET_L4_DST);
    p->form = OFPACT_FORM_LEGACY;
    memcpy(&p->l4_port, a + 4, 2);
    return OF_OK;
}

const struct action_codec action_codecs10[N_ACTION10] = {
    [OFPAT10_OUTPUT] = {8, false, get_output},
    [OFPAT10_SET_VLAN_VID] = {8, false, get_vlan_vid},
    [OFPAT10_SET_VLAN_PCP] = {8, false, get_vlan_pcp},
    [OFPAT10_STRIP_VLAN] = {8, false, get_strip_vlan},
    [OFPAT10_SET_DL_SRC] = {16, false, get_dl_addr},
    [OFPAT10_SET_DL_DST] = {16, false, get_dl_addr},
    [OFPAT10_SET_NW_SRC] = {8, false, get_nw_addr},
    [OFPAT10_SET_NW_DST] = {8, false, get_nw_addr},
    [OFPAT10_SET_NW_TOS] = {8, false, get_nw_tos},
    [OFPAT10_SET_TP_SRC] = {8, false, get_tp_port},
    [OFPAT10_SET_TP_DST] = {8, false, get_tp_port},
};

void action10_put_output(struct action_put *p, const struct ofpact *a)
{
    buf_put_be16(p->b, OFPAT10_OUTPUT);
    buf_put_be16(p->b, 8);
    buf_put_be16(p->b, of_port_to10(a->output.port));
    buf_put_be16(p->b, a->output.max_len);
}

// A number of `n` bytes (1, 2 or 4) behind the header, padded to 8 bytes.
static void put_number(struct action_put *p, uint16_t type, unsigned n, uint32_t value)
{
    buf_put_be16(p->b, type);
    buf_put_be16(p->b, 8);
    buf_put_be32(p->b, value << (4 - n) * 8);
}

static void put_dl_addr(struct action_put *p, uint16_t type, const struct field_value *v)
{
    buf_put_be16(p->b, type);
    buf_put_be16(p->b, 16);
    buf_put(p->b, v->b, 6);
    buf_put_zeros(p->b, 6);
}

bool action10_put_set_field(struct action_put *p, const struct ofpact *a)
{
    const struct field *f = field_by_id(a->set_field.field);
    if (!action_mask_full(f, &a->set_field.mask))
        return false;
    uint32_t n = f->n_bytes <= 4 ? (uint32_t)field_value_to_u64(f, &a->set_field.value) : 0;
    switch (f->id) {
    case FIELD_ETH_SRC:
        put_dl_addr(p, OFPAT10_SET_DL_SRC, &a->set_field.value);
        return true;
    case FIELD_ETH_DST:
        put_dl_addr(p, OFPAT10_SET_DL_DST, &a->set_field.value);
        return true;
    case FIELD_IPV4_SRC:
        put_number(p, OFPAT10_SET_NW_SRC, 4, n);
        return true;
    case FIELD_IPV4_DST:
        put_number(p, OFPAT10_SET_NW_DST, 4, n);
        return true;
    case FIELD_IP_DSCP:
        put_number(p, OFPAT10_SET_NW_TOS, 1, n);
        return true;
    case FIELD_IP_DSCP_OXM:
        put_number(p, OFPAT10_SET_NW_TOS, 1, n << 2);
        return true;
    case FIELD_VLAN_VID:
        put_number(p, OFPAT10_SET_VLAN_VID, 2, n & 0xfff);
        return true;
    case FIELD_VLAN_PCP:
        put_number(p, OFPAT10_SET_VLAN_PCP, 1, n);
        return true;
    case FIELD_TCP_SRC:
    case FIELD_UDP_SRC:
        put_number(p, OFPAT10_SET_TP_SRC, 2, n);
        return true;
    case FIELD_TCP_DST:
    case FIELD_UDP_DST:
        put_number(p, OFPAT10_SET_TP_DST, 2, n);
        return true;
    default:
        return false;
    }
}

void action10_put_vlan(struct action_put *p, const struct ofpact *a)
{
    if (a->type == OFPACT_SET_VLAN_VID)
        put_number(p, OFPAT10_SET_VLAN_VID, 2, a->vlan_vid.vid);
    else if (a->type == OFPACT_SET_VLAN_PCP)
        put_number(p, OFPAT10_SET_VLAN_PCP, 1, a->vlan_pcp.pcp);
    else
        put_number(p, OFPAT10_STRIP_VLAN, 4, 0);
}

void action10_put_l4(struct action_put *p, const struct ofpact *a)
{
    bool src = a->type == OFPACT_SET_L4_SRC;
    put_number(p, src ? OFPAT10_SET_TP_SRC : OFPAT10_SET_TP_DST, 2, ntohs(a->l4_port));
}
