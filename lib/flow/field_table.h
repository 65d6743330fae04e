// SPDX-License-Identifier: Apache-2.0
// The table itself, for the files of this folder that walk it. Others ask field_by_id().
#pragma once

#include "lib/flow/field.h"

extern const struct field field_table[FIELD_COUNT];
