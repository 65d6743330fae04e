// SPDX-License-Identifier: Apache-2.0
// OpenFlow 1.0's fixed match (OpenFlow 1.0.0 section 5.2.3), to and from a struct match. Thread:
// any; nothing blocks.
#pragma once

#include "lib/flow/key.h"

#define MATCH10_LEN 40 // bytes of struct ofp_match

// Any 40 bytes are a match: what a field presupposes and hasn't got makes it a wildcard, as the
// specification has it.
void match10_get(const uint8_t data[MATCH10_LEN], struct match *ret_match);

// Writes the narrowest match that OpenFlow 1.0 can say and that covers `match`; false if it is a
// wider one, because `match` has fields or masks that OpenFlow 1.0 hasn't.
bool match10_put(const struct match *match, uint8_t ret_data[MATCH10_LEN]);
