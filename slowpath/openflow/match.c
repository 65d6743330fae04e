// SPDX-License-Identifier: Apache-2.0
// Matches as messages carry them, around the codecs of lib/flow (oxm.h, match10.h): lengths,
// padding and the errors of each version. Pure.

#include "slowpath/openflow/match.h"

#include <string.h>

#include "lib/flow/match10.h"

static size_t padding(size_t n)
{
    return -n & 7;
}

enum of_error of_match_get10(struct reader *r, struct match *ret)
{
    const void *p = reader_get(r, OFP10_MATCH_LEN);
    if (!p)
        return OFPBRC_BAD_LEN;
    match10_get(p, ret);
    return OF_OK;
}

enum of_error of_match_get_nxm(struct reader *r, size_t len, struct match *ret, be64_t *ret_cookie,
                               be64_t *ret_cookie_mask)
{
    const void *p = reader_get(r, len);
    reader_skip(r, padding(len));
    if (!reader_ok(r))
        return OFPBRC_BAD_LEN;
    struct field_ctx ctx = {.of_version = OF10};
    return of_error_from_oxm(
        oxm_get_match(p, len, &ctx, true, ret, ret_cookie, ret_cookie_mask, NULL), OF10);
}

enum of_error of_match_get13(struct reader *r, struct match *ret)
{
    uint16_t type = reader_be16(r), len = reader_be16(r);
    if (!reader_ok(r))
        return OFPBMC_BAD_LEN;
    if (type != OFPMT_OXM)
        return OFPBMC_BAD_TYPE;
    if (len < 4)
        return OFPBMC_BAD_LEN;
    const void *p = reader_get(r, len - 4u);
    reader_skip(r, padding(len));
    if (!reader_ok(r))
        return OFPBMC_BAD_LEN;
    struct field_ctx ctx = {.of_version = OF13};
    return of_error_from_oxm(oxm_get_match(p, len - 4u, &ctx, true, ret, NULL, NULL, NULL), OF13);
}

void of_match_put10(struct buf *b, const struct match *m)
{
    match10_put(m, buf_put_zeros(b, OFP10_MATCH_LEN));
}

uint16_t of_match_put_nxm(struct buf *b, const struct match *m, be64_t cookie, be64_t cookie_mask)
{
    struct field_ctx ctx = {.of_version = OF10};
    size_t n = oxm_put_match(b, m, &ctx, true, cookie, cookie_mask);
    buf_put_zeros(b, padding(n));
    return (uint16_t)n;
}

void of_match_put13(struct buf *b, const struct match *m)
{
    struct field_ctx ctx = {.of_version = OF13};
    size_t start = b->size;
    buf_put_be16(b, OFPMT_OXM);
    buf_put_be16(b, 0);
    size_t n = 4 + oxm_put_match(b, m, &ctx, false, 0, 0);
    be16_t len = htons((uint16_t)n);
    memcpy(b->data + start + 2, &len, 2);
    buf_put_zeros(b, padding(n));
}
