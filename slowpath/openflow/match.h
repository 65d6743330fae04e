// SPDX-License-Identifier: Apache-2.0
// Matches as messages carry them: 1.0's struct of 40 bytes, a run of NXM, 1.3's ofp_match with OXM.
// Any thread; pure.
#pragma once

#include "slowpath/openflow/msg.h"

#define OFP10_MATCH_LEN 40

// Each takes its bytes off the reader; NXM and OXM matches with the padding behind them. The NXM
// one may bring a cookie to match on; the mask is 0 if it doesn't.
enum of_error of_match_get10(struct reader *r, struct match *ret_match);
enum of_error of_match_get_nxm(struct reader *r, size_t match_len, struct match *ret_match,
                               be64_t *ret_cookie, be64_t *ret_cookie_mask);
enum of_error of_match_get13(struct reader *r, struct match *ret_match);

// What 1.0 can't express is left out.
void of_match_put10(struct buf *b, const struct match *m);
// Appends TLVs and padding; returns the length without padding.
uint16_t of_match_put_nxm(struct buf *b, const struct match *m, be64_t cookie, be64_t cookie_mask);
void of_match_put13(struct buf *b, const struct match *m);
