// SPDX-License-Identifier: Apache-2.0
// Private to slowpath/openflow: the pipeline's events.
#pragma once

#include "slowpath/openflow/connmgr.h"
#include "slowpath/pipeline/pipeline.h"

// For struct pipeline_events; `aux` is the connection manager.
void connmgr_rule_event(void *aux, struct pipeline *, struct rule *, enum rule_event,
                        uint8_t reason);
