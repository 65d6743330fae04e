// SPDX-License-Identifier: Apache-2.0
// Nicira's actions (behind the vendor action, all versions), decoded and encoded.
//
// They express what 1.0 has no action for (fields, resubmit, metadata) and, in 1.3, what set_field
// can't do (part of a field). Layouts: ovs-actions(7) and nicira-ext.h. Tables and dispatch are
// actions.c's. Pure.

#include <string.h>

#include "slowpath/openflow/action_codec.h"

enum {
    NXAST_RESUBMIT = 1,
    NXAST_REG_MOVE = 6,
    NXAST_REG_LOAD = 7,
    NXAST_RESUBMIT_TABLE = 14,
    NXAST_CONTROLLER = 20,
    NXAST_WRITE_METADATA = 22,
    NXAST_REG_LOAD2 = 33,
    NXAST_GROUP = 40,
    NXAST_CLONE = 42,
};
#define TABLE_CURRENT 0xff
#define CLONE_DEPTH 16 // nested deeper is refused, so that input can't exhaust the stack

typedef unsigned __int128 u128;

static u128 to_u128(const struct field *f, const struct field_value *v)
{
    u128 n = 0;
    for (unsigned i = 0; i < f->n_bytes; i++)
        n = n << 8 | v->b[i];
    return n;
}

static struct field_value of_u128(const struct field *f, u128 n)
{
    struct field_value v = {{0}};
    for (unsigned i = f->n_bytes; i-- > 0; n >>= 8)
        v.b[i] = (uint8_t)n;
    return v;
}

static u128 ones(unsigned n)
{
    return n >= 128 ? ~(u128)0 : ((u128)1 << n) - 1;
}

static enum of_error set_error(enum oxm_error e)
{
    switch (e) {
    case OXM_OK:
        return OF_OK;
    case OXM_BAD_FIELD:
        return OFPBAC_BAD_SET_TYPE;
    case OXM_BAD_LEN:
        return OFPBAC_BAD_SET_LEN;
    case OXM_BAD_MASK:
        return OFPBAC_BAD_SET_MASK;
    default:
        return OFPBAC_BAD_SET_ARGUMENT;
    }
}

enum of_error action_get_set(const uint8_t *tlv, size_t len, uint8_t version, bool masked,
                             struct ofpact_list *out)
{
    bool has_mask = tlv[2] & 1; // bit 8 of the OXM header
    if (has_mask && !masked)
        return OFPBAC_BAD_SET_MASK;
    struct field_ctx ctx = {.of_version = version};
    struct reader in = reader_of(tlv, len);
    const struct field *f;
    struct field_value value, mask;
    enum of_error e = set_error(oxm_get_field(&in, &ctx, &f, &value, &mask, NULL));
    if (e)
        return e;
    if (in.left >= 8 || !is_zero(in.data, in.left))
        return OFPBAC_BAD_SET_ARGUMENT;
    if (!f->writable || !field_value_valid(f, &value))
        return OFPBAC_BAD_SET_ARGUMENT;
    if (f->id == FIELD_VLAN_VID && !has_mask && !(field_value_to_u64(f, &value) & VLAN_PRESENT))
        return OFPBAC_BAD_SET_ARGUMENT; // a tag cannot be taken off so: OFPVID_PRESENT must be set
    ofpact_list_add_set_field(out, f->id, &value, has_mask ? &mask : NULL);
    return OF_OK;
}

static enum of_error get_load2(const uint8_t *a, size_t len, uint8_t version,
                               struct ofpact_list *out)
{
    if (!is_zero(a + 10, 6))
        return NXBRC_MUST_BE_ZERO;
    return action_get_set(a + 16, len - 16, version, true, out);
}

static enum of_error get_load(const uint8_t *a, size_t len, uint8_t version,
                              struct ofpact_list *out)
{
    unsigned ofs = get16(a + 10) >> 6, n_bits = (get16(a + 10) & 0x3f) + 1;
    struct field_ctx ctx = {.of_version = version};
    struct reader in = reader_of(a + 12, 4);
    const struct field *f;
    enum of_error e = set_error(oxm_get_header(&in, &ctx, &f, NULL));
    if (e)
        return e;
    if (ofs + n_bits > f->n_bits)
        return OFPBAC_BAD_SET_LEN;
    u128 n = get64(a + 16);
    if (!f->writable)
        return OFPBAC_BAD_SET_ARGUMENT;
    if (n & ~ones(n_bits))
        return OFPBAC_BAD_ARGUMENT;
    struct field_value value = of_u128(f, n << ofs), mask = of_u128(f, ones(n_bits) << ofs);
    ofpact_list_add_set_field(out, f->id, &value, &mask)->form = OFPACT_FORM_LOAD;
    return OF_OK;
}

static enum of_error get_move(const uint8_t *a, size_t len, uint8_t version,
                              struct ofpact_list *out)
{
    unsigned n_bits = get16(a + 10), src_ofs = get16(a + 12), dst_ofs = get16(a + 14);
    struct field_ctx ctx = {.of_version = version};
    struct reader in = reader_of(a + 16, len - 16);
    const struct field *src, *dst;
    enum of_error e = set_error(oxm_get_header(&in, &ctx, &src, NULL));
    if (!e)
        e = set_error(oxm_get_header(&in, &ctx, &dst, NULL));
    if (e)
        return e;
    if (in.left >= 8 || !is_zero(in.data, in.left))
        return NXBRC_MUST_BE_ZERO;
    if (!n_bits || src_ofs + n_bits > src->n_bits || dst_ofs + n_bits > dst->n_bits)
        return OFPBAC_BAD_SET_LEN;
    if (!dst->writable)
        return OFPBAC_BAD_SET_ARGUMENT;
    struct ofpact *p = ofpact_list_add(out, OFPACT_MOVE);
    p->move.src = (struct subfield){src->id, (uint16_t)src_ofs, (uint16_t)n_bits};
    p->move.dst = (struct subfield){dst->id, (uint16_t)dst_ofs, (uint16_t)n_bits};
    return OF_OK;
}

static enum of_error get_resubmit(const uint8_t *a, size_t len, uint8_t version,
                                  struct ofpact_list *out)
{
    bool with_table = get16(a + 8) == NXAST_RESUBMIT_TABLE;
    if (with_table && !is_zero(a + 13, 3))
        return OFPBAC_BAD_ARGUMENT;
    struct ofpact *p = ofpact_list_add(out, OFPACT_RESUBMIT);
    p->resubmit.port = of_port_from10(get16(a + 10));
    p->resubmit.table = with_table ? a[12] : TABLE_CURRENT;
    p->resubmit.with_table = with_table;
    return OF_OK;
}

static enum of_error get_controller(const uint8_t *a, size_t len, uint8_t version,
                                    struct ofpact_list *out)
{
    if (a[15])
        return NXBRC_MUST_BE_ZERO;
    struct ofpact *p = ofpact_list_add(out, OFPACT_CONTROLLER);
    p->controller.max_len = get16(a + 10);
    p->controller.controller_id = get16(a + 12);
    p->controller.reason = a[14];
    return OF_OK;
}

static enum of_error get_metadata(const uint8_t *a, size_t len, uint8_t version,
                                  struct ofpact_list *out)
{
    if (!is_zero(a + 10, 6))
        return NXBRC_MUST_BE_ZERO;
    struct ofpact *p = ofpact_list_add(out, OFPACT_WRITE_METADATA);
    memcpy(&p->metadata.value, a + 16, 8);
    memcpy(&p->metadata.mask, a + 24, 8);
    p->metadata.value &= p->metadata.mask;
    return OF_OK;
}

static enum of_error get_clone(const uint8_t *a, size_t len, uint8_t version,
                               struct ofpact_list *out)
{
    static __thread unsigned depth;
    if (depth >= CLONE_DEPTH)
        return OFPBAC_TOO_MANY;
    struct ofpact_list *nested = ofpact_list_add_nested(out, OFPACT_CLONE);
    depth++;
    enum of_error e = action_get_list(a + 16, len - 16, version, nested);
    depth--;
    return e;
}

const struct action_codec action_codecs_nx[N_ACTION_NX] = {
    [NXAST_RESUBMIT] = {16, false, get_resubmit},
    [NXAST_REG_MOVE] = {24, true, get_move},
    [NXAST_REG_LOAD] = {24, false, get_load},
    [NXAST_RESUBMIT_TABLE] = {16, false, get_resubmit},
    [NXAST_CONTROLLER] = {16, false, get_controller},
    [NXAST_WRITE_METADATA] = {32, false, get_metadata},
    [NXAST_REG_LOAD2] = {24, true, get_load2},
    [NXAST_GROUP] = {16, false, action_get_group},
    [NXAST_CLONE] = {16, true, get_clone},
};

static size_t put_header(struct action_put *p, uint16_t subtype)
{
    size_t start = p->b->size;
    buf_put_be16(p->b, 0xffff);
    buf_put_be16(p->b, 0);
    buf_put_be32(p->b, NX_VENDOR);
    buf_put_be16(p->b, subtype);
    return start;
}

void action_finish(struct action_put *p, size_t start)
{
    size_t n = p->b->size - start;
    buf_put_zeros(p->b, -n & 7);
    be16_t len = htons((uint16_t)(p->b->size - start));
    memcpy(p->b->data + start + 2, &len, 2);
}

void action_nx_put_load(struct action_put *p, const struct ofpact *a)
{
    const struct field *f = field_by_id(a->set_field.field);
    struct field_ctx ctx = {.of_version = p->version};
    u128 mask = to_u128(f, &a->set_field.mask), value = to_u128(f, &a->set_field.value);
    unsigned ofs = 0;
    while (ofs < 128 && !(mask >> ofs & 1))
        ofs++;
    unsigned n_bits = 0;
    while (ofs + n_bits < 128 && mask >> (ofs + n_bits) & 1)
        n_bits++;
    bool run = n_bits && n_bits <= 64 && mask == ones(n_bits) << ofs;
    bool by_field = a->form == OFPACT_FORM_SET_FIELD && p->version >= OF13;
    if (!run || by_field) {
        size_t start = put_header(p, NXAST_REG_LOAD2);
        buf_put_zeros(p->b, 6);
        oxm_put_field(p->b, f, &a->set_field.value, &a->set_field.mask, &ctx, true);
        action_finish(p, start);
        return;
    }
    size_t start = put_header(p, NXAST_REG_LOAD);
    buf_put_be16(p->b, (uint16_t)(ofs << 6 | (n_bits - 1)));
    oxm_put_header(p->b, f, &ctx, true);
    buf_put_be64(p->b, (uint64_t)(value >> ofs));
    action_finish(p, start);
}

void action_nx_put_move(struct action_put *p, const struct ofpact *a)
{
    struct field_ctx ctx = {.of_version = p->version};
    size_t start = put_header(p, NXAST_REG_MOVE);
    buf_put_be16(p->b, a->move.src.n_bits);
    buf_put_be16(p->b, a->move.src.ofs);
    buf_put_be16(p->b, a->move.dst.ofs);
    oxm_put_header(p->b, field_by_id(a->move.src.field), &ctx, true);
    oxm_put_header(p->b, field_by_id(a->move.dst.field), &ctx, true);
    action_finish(p, start);
}

void action_nx_put_resubmit(struct action_put *p, const struct ofpact *a)
{
    bool is_goto = a->type == OFPACT_GOTO_TABLE;
    bool with_table = is_goto || a->resubmit.with_table;
    size_t start = put_header(p, with_table ? NXAST_RESUBMIT_TABLE : NXAST_RESUBMIT);
    buf_put_be16(p->b, of_port_to10(is_goto ? OFPP_IN_PORT : a->resubmit.port));
    buf_put_u8(p->b, is_goto ? a->table : with_table ? a->resubmit.table : 0);
    action_finish(p, start);
}

void action_nx_put_controller(struct action_put *p, const struct ofpact *a)
{
    size_t start = put_header(p, NXAST_CONTROLLER);
    buf_put_be16(p->b, a->controller.max_len);
    buf_put_be16(p->b, a->controller.controller_id);
    buf_put_u8(p->b, a->controller.reason);
    action_finish(p, start);
}

void action_nx_put_metadata(struct action_put *p, const struct ofpact *a)
{
    size_t start = put_header(p, NXAST_WRITE_METADATA);
    buf_put_zeros(p->b, 6);
    buf_put(p->b, &a->metadata.value, 8);
    buf_put(p->b, &a->metadata.mask, 8);
    action_finish(p, start);
}

void action_nx_put_clone(struct action_put *p, const struct ofpact *a)
{
    size_t start = put_header(p, NXAST_CLONE);
    buf_put_zeros(p->b, 6);
    action_put_list(p, a->nested);
    action_finish(p, start);
}
