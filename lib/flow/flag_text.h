// SPDX-License-Identifier: Apache-2.0
// Words of flags, as both text dialects write them: "syn|ack" for all of them, "+syn-ack" for some
// of them. Private to this folder.
#pragma once

#include "lib/base/str.h"
#include "lib/flow/types.h"

struct flag_set {
    const char *const *names; // of bit 0 and up; NULL at the end and for bits without a name
    uint32_t all;             // the bits that exist
    bool signs;               // all of them are written with signs too
};
extern const struct flag_set flags_ct_state, flags_tcp, flags_tunnel;

// "a|b", "0" for none; a bit without a name is "[800]".
void flags_format_all(const struct flag_set *, uint32_t value, struct str *out);
// "+a-b" in order of bits; when `mask` has every bit that exists, as above (unless `signs`).
void flags_format_masked(const struct flag_set *, uint32_t value, uint32_t mask, struct str *out);
// Both forms, and numbers "0x2" or "0x2/0x12". -EINVAL; outputs untouched.
int flags_parse(const struct flag_set *, const char *text, uint32_t *ret_value, uint32_t *ret_mask);
