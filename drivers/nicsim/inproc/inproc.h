// SPDX-License-Identifier: Apache-2.0
// nicsim in process: the eswitch of drivers/nicsim/core as a hardware tier (lib/contract/tier.h)
// for hosts without a switching NIC. Whoever receives frames offers each to nicsim_inproc_rx()
// before its own lookup, as a NIC sees frames before the kernel does. What this "NIC" forwards
// costs the host's CPU all the same: it is there to try and to test offload, and says that it is
// simulated.
//
// It draws the line between check and NIC where the tc tier with a real nicsim has it: can_hold()
// says yes to what flower can express for nicsim (DSCP matches; rewrites of Ethernet and IPv4
// addresses and DSCP included), and the NIC then refuses those with a sentence of its own.
// Everything else is refused by can_hold().
//
// Threads: as the tier contract says; nicsim_inproc_rx() on forwarding threads within an RCU read
// section. While inserts are slow or hang (knobs), apply() blocks, as a slow or hung NIC would
// block it.
#pragma once

#include "drivers/nicsim/core/eswitch.h"
#include "lib/contract/tier.h"
#include "lib/flow/packet.h"

struct nicsim_inproc_config {
    uint32_t capacity;     // rules; 0: 65536
    uint32_t cache_age_ms; // counters are seen this much behind; 0: live
};

// The tier's ports are datapath ports below NICSIM_MAX_PORTS; which of the host's ports are the
// NIC's is the caller's choice, by port_attach(). Released by ops->close(), when no thread calls
// nicsim_inproc_rx() any more. `ret_tier->ops->name` is "simulated".
int nicsim_inproc_open(const struct nicsim_inproc_config *, struct tier **ret_tier, struct err *);

// A frame arrives at a port. True: the frame hit a rule; it was taken, and what leaves was handed
// to `out->output`. False: a miss, the frame is untouched. `aux` is the tier: the function fits a
// datapath's hook. Doesn't block or, but for mirrored copies and pushed tags, allocate.
bool nicsim_inproc_rx(void *aux, dp_port_t in_port, struct packet *, const struct act_sink *out);

// Knobs and faults by the names of the core ("capacity", "cache_age_ms", "insert_delay_us",
// "hang_inserts", "fail_inserts", "fail_errno", "fail_stats"), and "reset_counters" and "flush"
// (the NIC forgets its rules), for which the value doesn't matter. -ENOENT: no such knob, -ERANGE.
// Any thread.
int nicsim_inproc_set(struct tier *, const char *knob, uint64_t value, struct err *);
