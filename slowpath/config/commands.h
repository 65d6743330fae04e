// SPDX-License-Identifier: Apache-2.0
// Commands of the control socket: those of ovs-vswitchd(8) that people's scripts use (commands_ovs.c, their text is kept to
// the letter), and our own that answer with JSON (commands_sluice.c). Main thread; long dumps go in slices.
#pragma once

#include <jansson.h>

#include "slowpath/config/switch.h"

void commands_register(struct sw *);
void commands_register_sluice(struct sw *);

// --- For both (commands_dump.c) ---
// Goes through the megaflows of every stack, some at a time, with the loop running in between; then calls `done`, which
// answers and frees `aux`.
struct dump_job {
    void (*flow)(void *aux, struct stack *, const struct backer_flow *);
    void (*done)(void *aux, struct control_call *);
    void *aux;
};
void dump_start(struct sw *, struct control_call *, const struct dump_job *);

// A stack is going: what dumps have not shown of it stays unshown.
void dumps_forget_stack(struct sw *, const struct stack *);
void dumps_end(struct sw *); // the loop has ended: answers with what was collected

// The name of a datapath port, for act_list_format() and flow_key_format(); NULL if there is none. `aux` is a port_names.
struct port_names {
    struct sw *sw;
    const struct stack *stack;
};
const char *port_name(const void *aux, dp_port_t);
// Which place holds a megaflow, in one word: "tc", "simulated", "softdp", "kernel".
const char *flow_tier(const struct backer_flow *);
