// SPDX-License-Identifier: Apache-2.0
// Flow modifications on the wire: OFPT_FLOW_MOD of 1.0 and 1.3, NXT_FLOW_MOD. Any thread; pure.
#pragma once

#include "slowpath/openflow/match.h"
#include "slowpath/pipeline/pipeline.h"

// Decodes and checks a whole flow mod into *fm, which flow_mod_init() need not have seen.
// `table_in_command`: NXT_FLOW_MOD_TABLE_ID is on. On success the caller ends with flow_mod_done().
// *ret_none: well-formed, but can't touch any rule (a group that no rule outputs to).
enum of_error of_flow_mod_get(const struct of_msg *, bool table_in_command, struct flow_mod *fm,
                              bool *ret_none);
// Encodes as a switch's client would. `nxm` chooses NXT_FLOW_MOD in 1.0.
void of_flow_mod_put(struct buf *, uint8_t version, bool nxm, bool table_in_command,
                     const struct flow_mod *);

enum of_error of_error_from_flow_mod(enum flow_mod_fault, uint8_t version);
