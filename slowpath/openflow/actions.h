// SPDX-License-Identifier: Apache-2.0
// Actions and instructions on the wire. Any thread; pure.
#pragma once

#include "slowpath/openflow/msg.h"
#include "slowpath/pipeline/ofpact.h"

// Decodes `len` bytes of actions behind what `out` holds already. On an error `out` holds what came
// before the offending action; the caller still clears it.
enum of_error of_actions_get(const uint8_t *data, size_t len, uint8_t version,
                             struct ofpact_list *out);
// Decodes the instructions of 1.3 into one flat list in the order of execution.
enum of_error of_instructions_get(const uint8_t *data, size_t len, struct ofpact_list *out);

// Appends a rule's list: actions in 1.0, instructions in 1.3. `match`, which may be NULL, decides
// whether 1.0's implied push of a VLAN tag has to be spelled out for 1.3. What a version can't
// express at all (an action set in 1.0) is left out.
void of_rule_actions_put(struct buf *, uint8_t version, const struct ofpact_list *,
                         const struct match *match);
// Appends plain actions only, as packet-out has them.
void of_actions_put(struct buf *, uint8_t version, const struct ofpact_list *);

enum of_error of_error_from_ofpact(enum ofpact_error);

// Bitmaps of action numbers that of_actions_get() takes, for features and table features.
uint32_t of_actions_supported(uint8_t version);
