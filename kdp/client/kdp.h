// SPDX-License-Identifier: Apache-2.0
// The kernel module datapath, driven over generic netlink: the in-tree openvswitch.ko, or kdp.ko, which speaks the same ABI
// (linux/openvswitch.h). Linux 5.15 at least: upcalls are dispatched per CPU, so that a new process takes over from an old
// one without touching a flow.
//
// In: ports, megaflows, packets to execute. Out: upcalls. Flows and ports stay in the kernel when the process ends.
#pragma once

#include "lib/contract/datapath.h"

struct kdp_config {
    const char *name; // of the datapath, "ovs-system" if NULL
};

// Makes the datapath or takes over the one that is there. -ENOENT with a sentence: the kernel lacks the module; -EBUSY: the
// datapath is served by another live process. Blocks on the kernel.
int kdp_open(const struct kdp_config *, struct datapath **ret_dp, struct err *);
// What its probe() says, without one that is open: for the support matrix.
void kdp_caps(struct tier_caps *ret_caps);
