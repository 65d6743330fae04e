// SPDX-License-Identifier: Apache-2.0
// One translation's state. Only for the xlate_*.c files.
#pragma once

#include "slowpath/pipeline/pipeline_private.h"
#include "slowpath/pipeline/xlate.h"

struct action_set {
    const struct ofpact **v;
    uint32_t n, allocated;
};

struct xlate_ctx {
    const struct xlate_in *in;
    struct xlate_out *out;
    uint64_t version; // of all tables
    // The bridge that the packet is in.
    struct pipeline *p;
    const struct port_set *ports;
    // The packet: as it is now, and as the actions emitted so far left it.
    struct flow flow, base;
    struct flow wc; // bits of the packet as it came that were looked at; beyond its key: scratch
    struct flow written; // bits that actions wrote, in which `flow` and `base` may differ
    // Where we are.
    const struct rule *rule; // whose actions run; NULL: none's
    uint8_t table;
    int next_table; // goto_table; -1: none
    bool in_set;    // the action set runs
    unsigned depth, lookups;
    struct action_set set;
    size_t credits_allocated, packet_ins_allocated;
    bool failed;
};

// Gives the translation up: the packet is dropped, the error says why.
void xlate_fail(struct xlate_ctx *, unsigned slow, const char *fmt, ...) PRINTF_LIKE(3, 4);
void xlate_trace_(struct xlate_ctx *, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define xlate_trace(ctx, ...) ((ctx)->in->trace ? xlate_trace_(ctx, __VA_ARGS__) : (void)0)
struct xlate_credit *xlate_add_credit(struct xlate_ctx *, enum credit_kind);

// xlate.c: looks the packet up in a table, as if it came in by `in_port`, and runs what it finds.
// `miss` says whether a table without match may send it to a controller.
void xlate_table(struct xlate_ctx *, uint8_t table, ofp_port_t in_port, bool miss);
// A bridge from table 0 to the end of the action set.
void xlate_bridge(struct xlate_ctx *);

// xlate_actions.c
void xlate_actions(struct xlate_ctx *, const struct ofpact_list *);
void xlate_action_set(struct xlate_ctx *);

// xlate_output.c
void xlate_output(struct xlate_ctx *, ofp_port_t, uint16_t max_len);
void xlate_output_port(struct xlate_ctx *, const struct port_view *);
void xlate_controller(struct xlate_ctx *, uint16_t max_len, uint16_t controller_id, uint8_t reason);

// xlate_normal.c
void xlate_normal(struct xlate_ctx *);

// xlate_commit.c: what is between `base` and `flow`, as datapath actions.
void xlate_commit(struct xlate_ctx *);
void xlate_diff(const struct flow *from, const struct flow *to, const struct flow *written,
                struct act_list *);
// VLAN tags of the packet as it is now; what is looked at goes into the mask.
void xlate_push_vlan(struct xlate_ctx *, be16_t tpid, be16_t tci);
void xlate_pop_vlan(struct xlate_ctx *);
void xlate_set_tci(struct xlate_ctx *, uint16_t tci, uint16_t mask); // host order; there is a tag
static inline bool xlate_has_vlan(const struct xlate_ctx *ctx)
{
    return ctx->flow.key.vlan[0].tci & htons(VLAN_PRESENT);
}

// xlate_mask.c: makes `wc` a megaflow's mask for this packet.
void xlate_finish_mask(const struct flow_key *key, const struct flow *wc,
                       struct flow_key *ret_mask);
