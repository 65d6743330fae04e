// SPDX-License-Identifier: Apache-2.0
// The table itself, for the files of this folder that walk it. Others ask field_by_id().
#pragma once

#include "lib/flow/field.h"

extern const struct field field_table[FIELD_COUNT];

// field_by_oxm() for any payload length: what a header of the wrong length means. `mask` is not looked at either.
const struct field *field_by_oxm_number(uint32_t header, uint32_t experimenter);
