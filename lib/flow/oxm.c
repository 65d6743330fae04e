// SPDX-License-Identifier: Apache-2.0
// OXM and NXM TLVs. Both are a 32-bit header (class, field, has-mask, payload length), an
// experimenter's 4 bytes if the class is 0xffff, a value, and a mask of the same size if the header
// says so. NXM has classes 0 and 1 and is what OpenFlow 1.0 with Nicira's extensions speaks; OXM is
// OpenFlow 1.2 and later. A decoder takes either.
//
// The table of fields knows everything but three things that are said here: the cookie, which is no
// field; VLANs, which NXM matches as one 16-bit word and OXM as two fields; and fields that have
// one row for NXM and one for OXM. Thread: any, no state.
#include "lib/flow/oxm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/flow/field_table.h"

#define HAS_MASK 0x100u
#define CLASS_EXPERIMENTER 0xffffu
#define NXM_NX_COOKIE ((1u << 16) | (30u << 9) | 8u) // nicira-ext.h

struct tlv {
    uint32_t header, experimenter;
    const struct field *field; // NULL: unknown
    const uint8_t *payload;    // without the experimenter
    size_t payload_len;
};

static bool has_mask(const struct tlv *t)
{
    return t->header & HAS_MASK;
}

static enum oxm_error fail(struct err *err, enum oxm_error e, const struct tlv *t, const char *what)
{
    char header[40];
    if (t->experimenter)
        snprintf(header, sizeof(header), "0x%08x of experimenter 0x%08x", t->header,
                 t->experimenter);
    else
        snprintf(header, sizeof(header), "0x%08x", t->header);
    err_set(err, -EINVAL, "match field %s (header %s) %s", t->field ? t->field->name : "unknown",
            header, what);
    return e;
}

static enum oxm_error get_header(struct reader *in, struct tlv *t, struct err *err)
{
    *t = (struct tlv){.header = reader_be32(in)};
    t->payload_len = t->header & 0xff;
    if (t->header >> 16 == CLASS_EXPERIMENTER) {
        t->experimenter = reader_be32(in);
        if (t->payload_len < 4)
            return fail(err, OXM_BAD_LEN, t, "is too short for an experimenter");
        t->payload_len -= 4;
    }
    if (!reader_ok(in))
        return fail(err, OXM_BAD_LEN, t, "ends early");
    t->field = field_by_oxm_number(t->header, t->experimenter);
    return OXM_OK;
}

static enum oxm_error check_length(const struct tlv *t, struct err *err)
{
    if (t->field && t->payload_len != t->field->n_bytes * (has_mask(t) ? 2u : 1u))
        return fail(err, OXM_BAD_LEN, t, "has a wrong length");
    return OXM_OK;
}

static enum oxm_error get_tlv(struct reader *in, struct tlv *t, struct err *err)
{
    enum oxm_error e = get_header(in, t, err);
    if (e)
        return e;
    t->payload = reader_get(in, t->payload_len);
    if (!t->payload)
        return fail(err, OXM_BAD_LEN, t, "ends early");
    return OXM_OK;
}

// The payload as value and mask; the mask loses bits that the field hasn't.
static enum oxm_error get_payload(const struct tlv *t, struct field_value *value,
                                  struct field_value *mask, struct err *err)
{
    const struct field *f = t->field;
    struct field_value all;
    bool any = false, every = true;

    *value = (struct field_value){{0}};
    memcpy(value->b, t->payload, f->n_bytes);
    field_value_ones(f, &all);
    *mask = all;
    if (!has_mask(t))
        return OXM_OK;
    for (unsigned i = 0; i < f->n_bytes; i++) {
        mask->b[i] = t->payload[f->n_bytes + i];
        if (value->b[i] & ~mask->b[i])
            return fail(err, OXM_BAD_WILDCARDS, t, "has bits in its value that its mask hasn't");
        mask->b[i] &= all.b[i];
        any |= mask->b[i] != 0;
        every &= mask->b[i] == all.b[i];
    }
    if (any && !every && !f->maskable)
        return fail(err, OXM_BAD_MASK, t, "can't be masked");
    return OXM_OK;
}

static enum oxm_error add_to_match(const struct tlv *t, struct match *match, struct err *err)
{
    struct field_value value, mask;
    enum oxm_error e = get_payload(t, &value, &mask, err);
    if (e)
        return e;
    if (!field_value_valid(t->field, &value))
        return fail(err, OXM_BAD_VALUE, t, "has a value out of range");
    if (!field_prereq_in_match(t->field, match))
        return fail(err, OXM_BAD_PREREQ, t, "lacks the fields that it presupposes");
    if (!field_is_zero(t->field, &match->mask))
        return fail(err, OXM_DUP_FIELD, t, "is there twice");
    field_set_match(t->field, &value, &mask, match);
    return OXM_OK;
}

static bool is_cookie(const struct tlv *t)
{
    return t->header == NXM_NX_COOKIE || t->header == (NXM_NX_COOKIE | HAS_MASK) + 8;
}

static enum oxm_error get_cookie(const struct tlv *t, be64_t *cookie, be64_t *cookie_mask,
                                 struct err *err)
{
    if (!cookie || !cookie_mask)
        return fail(err, OXM_BAD_FIELD, t, "matches the cookie, which can't be matched here");
    if (*cookie_mask)
        return fail(err, OXM_DUP_FIELD, t, "is there twice");
    memcpy(cookie, t->payload, 8);
    *cookie_mask = UINT64_MAX;
    if (has_mask(t))
        memcpy(cookie_mask, t->payload + 8, 8);
    if (*cookie & ~*cookie_mask)
        return fail(err, OXM_BAD_WILDCARDS, t, "has bits in its value that its mask hasn't");
    return OXM_OK;
}

enum oxm_error oxm_get_match(const void *data, size_t len, const struct field_ctx *ctx, bool strict,
                             struct match *ret_match, be64_t *ret_cookie, be64_t *ret_cookie_mask,
                             struct err *err)
{
    struct reader in = reader_of(data, len);
    struct match match;
    be64_t cookie = 0, cookie_mask = 0;
    enum oxm_error e = OXM_OK;

    memset(&match, 0, sizeof(match));
    while (in.left && !e) {
        struct tlv t;
        e = get_tlv(&in, &t, err);
        if (e)
            break;
        if (is_cookie(&t))
            e = get_cookie(&t, ret_cookie ? &cookie : NULL, &cookie_mask, err);
        else if (t.field)
            e = check_length(&t, err) ?: add_to_match(&t, &match, err);
        else if (strict)
            e = fail(err, OXM_BAD_FIELD, &t, "is not supported");
    }
    if (e)
        return e;
    *ret_match = match;
    if (ret_cookie)
        *ret_cookie = cookie;
    if (ret_cookie_mask)
        *ret_cookie_mask = cookie_mask;
    return OXM_OK;
}

enum oxm_error oxm_get_field(struct reader *in, const struct field_ctx *ctx,
                             const struct field **ret_field, struct field_value *ret_value,
                             struct field_value *ret_mask, struct err *err)
{
    struct tlv t;
    enum oxm_error e = get_tlv(in, &t, err);
    if (e)
        return e;
    if (!t.field)
        return fail(err, OXM_BAD_FIELD, &t, "is not supported");
    struct field_value value, mask;
    e = check_length(&t, err) ?: get_payload(&t, &value, &mask, err);
    if (e)
        return e;
    *ret_field = t.field;
    *ret_value = value;
    if (ret_mask)
        *ret_mask = mask;
    return OXM_OK;
}

enum oxm_error oxm_get_header(struct reader *in, const struct field_ctx *ctx,
                              const struct field **ret_field, struct err *err)
{
    struct tlv t;
    enum oxm_error e = get_header(in, &t, err);
    if (e)
        return e;
    if (!t.field)
        return fail(err, OXM_BAD_FIELD, &t, "is not supported");
    e = check_length(&t, err);
    if (e)
        return e;
    *ret_field = t.field;
    return OXM_OK;
}

static void put_header(struct buf *b, const struct field_header *h, bool masked)
{
    uint32_t header = h->header;
    if (masked)
        header = (header | HAS_MASK) + ((header & 0xff) - (h->experimenter ? 4u : 0u));
    buf_put_be32(b, header);
    if (h->experimenter)
        buf_put_be32(b, h->experimenter);
}

void oxm_put_header(struct buf *b, const struct field *f, const struct field_ctx *ctx, bool nxm)
{
    const struct field_header *h = field_wire_header(f, ctx->of_version, nxm);
    if (h)
        put_header(b, h, false);
}

void oxm_put_field(struct buf *b, const struct field *f, const struct field_value *value,
                   const struct field_value *mask, const struct field_ctx *ctx, bool nxm)
{
    const struct field_header *h = field_wire_header(f, ctx->of_version, nxm);
    struct field_value all;

    if (!h)
        return;
    field_value_ones(f, &all);
    bool masked = mask && memcmp(mask->b, all.b, f->n_bytes);
    put_header(b, h, masked);
    buf_put(b, value->b, f->n_bytes);
    if (masked)
        buf_put(b, mask->b, f->n_bytes);
}

struct writer {
    struct buf *b;
    const struct match *match;
    const struct field_ctx *ctx;
    bool nxm;
};

static void put_matched(const struct writer *w, const struct field *f)
{
    struct field_value value, mask;

    if (field_is_zero(f, &w->match->mask))
        return;
    field_get(f, &w->match->value, &value);
    field_get(f, &w->match->mask, &mask);
    bool exact = field_is_all_ones(f, &w->match->mask);
    oxm_put_field(w->b, f, &value, exact ? NULL : &mask, w->ctx, w->nxm);
}

// OXM can say of a tag whether it is there, bits of its VLAN id, and its whole priority. What else
// a match demands of the word goes as NXM's.
static void put_vlan(const struct writer *w)
{
    uint16_t mask = ntohs(w->match->mask.key.vlan[0].tci),
             value = ntohs(w->match->value.key.vlan[0].tci);
    uint16_t pcp = mask >> 13;

    if (w->nxm || (pcp && (pcp != 7 || !(value & VLAN_PRESENT)))) {
        put_matched(w, field_by_id(FIELD_VLAN_TCI));
        return;
    }
    put_matched(w, field_by_id(FIELD_VLAN_VID));
    put_matched(w, field_by_id(FIELD_VLAN_PCP));
}

// Is this row written by another one?
static bool written_elsewhere(const struct writer *w, const struct field *f)
{
    switch (f->id) {
    case FIELD_OF_IN_PORT:
    case FIELD_OF_IN_PORT_OXM: // first of all
    case FIELD_VLAN_VID:
    case FIELD_VLAN_PCP:
    case FIELD_VLAN_TCI:
        return true;
    case FIELD_IP_DSCP:
        return !w->nxm;
    case FIELD_IP_DSCP_OXM:
        return w->nxm;
    case FIELD_PACKET_TYPE: // Ethernet is what packets are unless a match says otherwise
        return !w->match->value.key.packet_type;
    default:
        return f->id >= FIELD_XREG0 || !(f->nxm.name || f->oxm.name);
    }
}

size_t oxm_put_match(struct buf *b, const struct match *match, const struct field_ctx *ctx,
                     bool nxm, be64_t cookie, be64_t cookie_mask)
{
    const struct writer w = {b, match, ctx, nxm};
    size_t start = b->size;

    put_matched(&w, field_by_id(nxm ? FIELD_OF_IN_PORT : FIELD_OF_IN_PORT_OXM));
    // A field comes after those that it presupposes: connection tracking's tuple last.
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < FIELD_COUNT; i++) {
            const struct field *f = &field_table[i];
            bool needs_ct = f->prereq >= PREREQ_CT && f->prereq <= PREREQ_CT_IPV6;
            if (needs_ct != (pass == 1))
                continue;
            if (f->id == FIELD_VLAN_TCI)
                put_vlan(&w);
            else if (!written_elsewhere(&w, f) && field_prereq_in_match(f, match))
                put_matched(&w, f);
        }
    }
    if (cookie_mask) {
        bool masked = cookie_mask != UINT64_MAX;
        buf_put_be32(b, masked ? (NXM_NX_COOKIE | HAS_MASK) + 8 : NXM_NX_COOKIE);
        buf_put(b, &cookie, 8);
        if (masked)
            buf_put(b, &cookie_mask, 8);
    }
    return b->size - start;
}
