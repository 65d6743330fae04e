// SPDX-License-Identifier: Apache-2.0
// OXM and NXM TLVs (OpenFlow 1.5.1 section 7.2.3; Nicira extensions) to and from a match or one field's value.
#pragma once

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/flow/field.h"

// What a codec needs beyond the bytes. Lengths of tunnel metadata are per bridge, port numbers per version.
struct field_ctx {
    uint8_t of_version; // wire version: 1 (1.0) to 6 (1.5)
    const void *tlv_map; // NULL: no tunnel metadata allocated
};

// Why a match was refused, for the right OpenFlow error (OFPBMC_*). 0: fine.
enum oxm_error {
    OXM_OK,
    OXM_BAD_LEN,
    OXM_BAD_FIELD, // unknown
    OXM_BAD_VALUE,
    OXM_BAD_MASK,
    OXM_BAD_WILDCARDS, // the value has bits that the mask hasn't
    OXM_BAD_PREREQ,
    OXM_DUP_FIELD,
};

// Decodes `len` bytes of TLVs. The cookie pointers, if not NULL, receive NXM_NX_COOKIE (which flow-mods of OpenFlow 1.0
// with NXM match); both zero if it isn't there. NULL: it is not allowed. A non-strict decoder skips unknown fields, as packet-in and trace need.
enum oxm_error oxm_get_match(const void *data, size_t len, const struct field_ctx *, bool strict, struct match *ret_match,
                             be64_t *ret_cookie, be64_t *ret_cookie_mask, struct err *);
// Appends TLVs in canonical order. `nxm` prefers NXM headers where a field has both. Returns bytes appended.
size_t oxm_put_match(struct buf *, const struct match *, const struct field_ctx *, bool nxm, be64_t cookie, be64_t cookie_mask);

// One TLV (set_field, reg_load2, packet-in metadata): header, value, and mask (all ones if the header has none). Whether
// the value is in the field's range is the caller's to ask. After an error `in` may be consumed.
enum oxm_error oxm_get_field(struct reader *in, const struct field_ctx *, const struct field **ret_field,
                             struct field_value *ret_value, struct field_value *ret_mask, struct err *);
// A mask of NULL or all ones makes a TLV without mask. The field has a header (field_wire_header()).
void oxm_put_field(struct buf *, const struct field *, const struct field_value *value, const struct field_value *mask,
                   const struct field_ctx *, bool nxm);
// A header alone (move, learn, stack): 4 bytes, 8 with an experimenter.
enum oxm_error oxm_get_header(struct reader *in, const struct field_ctx *, const struct field **ret_field, struct err *);
void oxm_put_header(struct buf *, const struct field *, const struct field_ctx *, bool nxm);
