// SPDX-License-Identifier: Apache-2.0
// Errors: from our names to each version's numbers, and the message that carries them.
//
// OpenFlow 1.0 carries extension errors in a vendor error message (type 0xb0c2, code 0, then
// vendor, type and code); 1.3 in OFPET_EXPERIMENTER (type 0xffff, experimenter's own code,
// experimenter). Used by every codec of this room through enum of_error. Any thread; pure.

#include "slowpath/openflow/error.h"

#include <arpa/inet.h>
#include <string.h>

#include "slowpath/openflow/wire.h"

#define NXET_VENDOR 0xb0c2
#define NXVC_VENDOR_ERROR 0
#define OFPET_EXPERIMENTER 0xffff
#define QUOTE_MAX 1024 // of the request; the specification asks for at least 64 bytes

struct code {
    uint32_t vendor; // 0: standard
    uint16_t type, code;
};

#define STD(t, c)                                                                                  \
    {                                                                                              \
        0, t, c                                                                                    \
    }
#define NX(t, c)                                                                                   \
    {                                                                                              \
        NX_VENDOR, t, c                                                                            \
    }
#define NXX(n)                                                                                     \
    {                                                                                              \
        NX_VENDOR, n, 0                                                                            \
    }
#define ONFX(n)                                                                                    \
    {                                                                                              \
        ONF_VENDOR, n, 0                                                                           \
    }

static const struct {
    const char *name;
    struct code v10, v13;
} errors[OF_ERROR_COUNT] = {[OF_OK] = {"no error", STD(0, 0), STD(0, 0)},
#define X(name, v10, v13) [name] = {#name, v10, v13},
                            OF_ERRORS(X)
#undef X
};

const char *of_error_name(enum of_error e)
{
    return (unsigned)e < OF_ERROR_COUNT ? errors[e].name : "?";
}

void of_error_put(struct buf *out, uint8_t version, enum of_error e, const void *request,
                  size_t request_len, const char *text)
{
    const struct code *c = version <= OF10 ? &errors[e].v10 : &errors[e].v13;
    size_t start = out->size;
    struct ofp_header *h = buf_put_zeros(out, sizeof(*h));
    h->version = version;
    h->type = OFPT_ERROR;
    if (request_len >= sizeof(*h))
        h->xid = ((const struct ofp_header *)request)->xid;
    if (!c->vendor) {
        buf_put_be16(out, c->type);
        buf_put_be16(out, c->code);
    } else if (version <= OF10) {
        buf_put_be16(out, NXET_VENDOR);
        buf_put_be16(out, NXVC_VENDOR_ERROR);
        buf_put_be32(out, c->vendor);
        buf_put_be16(out, c->type);
        buf_put_be16(out, c->code);
    } else {
        buf_put_be16(out, OFPET_EXPERIMENTER);
        buf_put_be16(out, c->type);
        buf_put_be32(out, c->vendor);
    }
    if (text)
        buf_put(out, text, strlen(text));
    else if (request_len)
        buf_put(out, request, request_len < QUOTE_MAX ? request_len : QUOTE_MAX);
    ((struct ofp_header *)(out->data + start))->length = htons((uint16_t)(out->size - start));
}

enum of_error of_error_from_oxm(enum oxm_error e, uint8_t version)
{
    switch (e) {
    case OXM_OK:
        return OF_OK;
    case OXM_BAD_LEN:
        return version <= OF10 ? NXBRC_NXM_INVALID : OFPBMC_BAD_LEN;
    case OXM_BAD_FIELD:
        return OFPBMC_BAD_FIELD;
    case OXM_BAD_VALUE:
        return OFPBMC_BAD_VALUE;
    case OXM_BAD_MASK:
        return OFPBMC_BAD_MASK;
    case OXM_BAD_WILDCARDS:
        return OFPBMC_BAD_WILDCARDS;
    case OXM_BAD_PREREQ:
        return OFPBMC_BAD_PREREQ;
    case OXM_DUP_FIELD:
        return OFPBMC_DUP_FIELD;
    }
    return OFPBMC_BAD_VALUE;
}
