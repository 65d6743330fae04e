// SPDX-License-Identifier: Apache-2.0
// NIC hardware through tc-flower: megaflows become flower filters on the ingress of NIC ports, `skip_sw`, so that the NIC
// alone holds them; their twins stay in the software datapath.
//
//   match.c   key and mask <-> TCA_FLOWER_KEY_*; what is left of the mask is refused
//   act*.c    one file per action kind; an action without a file is refused
//   filter.c  whole messages, and what the kernel answers
//   slots.c   which priority and handle a filter gets
//   port.c    which devices are ports of a switching NIC, and their ingress qdisc
//   tier.c    the contract (lib/contract/tier.h): ports, what can be held, channels
//   apply.c   operations: filters added and deleted in batches
//   counters.c  readings, superseded filters' last ones among them
//   sweep.c   what is in the kernel, whoever put it there
//   culprit.c which field or action a driver's sentence speaks of
//
// Priorities. The same match twice in one priority is EEXIST, and replacing a filter drops its counters unread. So each
// ethertype owns a *ladder* of priorities. A new filter enters at the bottom rung; a changed one enters the rung above
// (better), so that the old one gets no packet from then on, is read when the NIC's counter cache has caught up, and
// is then deleted: nothing is lost or counted twice. From the top rung it goes back to the bottom, and what that may cost
// is reported.
#pragma once

#include "lib/contract/tier.h"

enum tc_policy {
    TC_POLICY_NIC, // skip_sw: the NIC or nobody. The default; Open_vSwitch's tc-policy "none" and "skip_sw"
    TC_POLICY_SKIP_HW, // tc's software classifier alone, as tc-policy "skip_hw" asks
};

struct tc_config {
    enum tc_policy policy;
    uint8_t instance; // of UFIDs in action cookies
};

int tc_open(const struct tc_config *, struct tier **ret_tier, struct err *);
// What its probe() says, without one that is open: for the support matrix.
void tc_caps(struct tier_caps *ret_caps);
