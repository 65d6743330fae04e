// SPDX-License-Identifier: Apache-2.0
// A megaflow as every tier understands it: identity, key, mask, actions.
#pragma once

#include "lib/flow/action.h"

struct flow_desc {
    struct ufid ufid;
    struct flow_key key; // bits outside mask are zero
    struct flow_key mask;
    struct act_list actions;
};

// UFID layout: 16-bit magic, 8-bit format, 8-bit instance, then 96 bits of hash over the canonical key *and* mask with a
// fixed seed, in which the datapath port is replaced by its name: equal across tiers, restarts and versions.
#define UFID_MAGIC 0x51c3
#define UFID_FORMAT 1
struct ufid flow_desc_ufid(const struct flow_key *key, const struct flow_key *mask, const char *in_port_name, uint8_t instance);
bool ufid_is_ours(const struct ufid *, uint8_t instance);
bool ufid_equal(const struct ufid *, const struct ufid *);
#define UFID_TEXT_LEN 36 // 8-4-4-4-12, without the NUL
void ufid_format(const struct ufid *, char out[UFID_TEXT_LEN + 1]);
int ufid_parse(const char *text, struct ufid *ret_ufid); // -EINVAL

void flow_desc_done(struct flow_desc *);
void flow_desc_clone(struct flow_desc *dst, const struct flow_desc *src);
