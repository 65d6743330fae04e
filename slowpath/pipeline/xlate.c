// SPDX-License-Identifier: Apache-2.0
// Translation: the way of a packet through tables. What actions do is in xlate_actions.c, where
// packets leave in xlate_output.c, NORMAL in xlate_normal.c, the resulting edits in xlate_commit.c.
//
// Thread: any, within an RCU read section of the caller. Pure but for what the flags allow.
// Invariants: the mask contains every bit of the original packet that any decision depended on; the
// provenance names every rule found, every table asked, every MAC and port set looked up.

#include "slowpath/pipeline/xlate.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/pipeline/xlate_private.h"

void xlate_fail(struct xlate_ctx *ctx, unsigned slow, const char *fmt, ...)
{
    va_list args;
    if (ctx->failed)
        return;
    ctx->failed = true;
    ctx->out->slow |= slow;
    va_start(args, fmt);
    vsnprintf(ctx->out->error, sizeof(ctx->out->error), fmt, args);
    va_end(args);
    xlate_trace(ctx, "dropped: %s", ctx->out->error);
}

void xlate_trace_(struct xlate_ctx *ctx, const char *fmt, ...)
{
    struct str *s = ctx->in->trace;
    va_list args;
    str_printf(s, "%*s", (int)ctx->depth * 4, "");
    va_start(args, fmt);
    str_vprintf(s, fmt, args);
    va_end(args);
    str_putc(s, '\n');
}

struct xlate_credit *xlate_add_credit(struct xlate_ctx *ctx, enum credit_kind kind)
{
    struct xlate_out *out = ctx->out;
    GROW_ARRAY(out->credits, ctx->credits_allocated, out->n_credits + 1);
    struct xlate_credit *c = &out->credits[out->n_credits++];
    memset(c, 0, sizeof(*c));
    c->kind = kind;
    return c;
}

// --- Tables -----------------------------------------------------------------------------------

static const struct rule *lookup(struct xlate_ctx *ctx, uint8_t id, ofp_port_t in_port)
{
    struct provenance *prov = &ctx->out->provenance;
    const struct table *t = rcu_get(ctx->p->tables[id]);
    struct rule *rule = NULL;
    if (t) {
        ofp_port_t now = ctx->flow.pipe.in_port;
        ctx->flow.pipe.in_port = in_port;
        rule = classifier_lookup(&t->cls, ctx->version, &ctx->flow, &ctx->wc);
        ctx->flow.pipe.in_port = now;
    }
    provenance_add(prov, dep_table(ctx->p, id));
    if (rule) {
        provenance_add(prov, dep_make(DEP_RULE, rule->id));
        xlate_add_credit(ctx, CREDIT_RULE)->rule = rule_ref(rule);
        xlate_trace(ctx, "%s table %u: priority %u, cookie 0x%llx", ctx->p->name, id,
                    rule->priority, (unsigned long long)be64toh(rule->cookie));
    } else {
        struct xlate_credit *c = xlate_add_credit(ctx, CREDIT_TABLE_MISS);
        c->at.pipeline = pipeline_ref(ctx->p);
        c->at.id = id;
        provenance_add(prov, dep_table_miss(ctx->p, id));
        xlate_trace(ctx, "%s table %u: no match", ctx->p->name, id);
    }
    return rule;
}

static void missed(struct xlate_ctx *ctx)
{
    provenance_add(&ctx->out->provenance, dep_make(DEP_CONFIG, ctx->p->id));
    if (atomic_load_explicit(&ctx->p->miss_to_controller, memory_order_relaxed))
        xlate_controller(ctx, UINT16_MAX, 0, PACKET_IN_NO_MATCH);
}

void xlate_table(struct xlate_ctx *ctx, uint8_t table, ofp_port_t in_port, bool miss)
{
    const struct rule *outer_rule = ctx->rule;
    uint8_t outer_table = ctx->table;
    // Each round is a table; goto_table asks for another.
    for (int next = table; next >= 0 && !ctx->failed; next = ctx->next_table) {
        ctx->next_table = -1;
        if (ctx->lookups++ >= XLATE_MAX_LOOKUPS) {
            xlate_fail(ctx, SLOW_TOO_COMPLEX, "over %u table lookups for one packet",
                       (unsigned)XLATE_MAX_LOOKUPS);
            break;
        }
        ctx->table = next;
        ctx->rule = lookup(ctx, next, in_port);
        if (ctx->rule)
            xlate_actions(ctx, &ctx->rule->actions);
        else if (miss)
            missed(ctx);
        miss = true;
        in_port = ctx->flow.pipe.in_port;
    }
    ctx->next_table = -1;
    ctx->rule = outer_rule;
    ctx->table = outer_table;
}

void xlate_bridge(struct xlate_ctx *ctx)
{
    struct action_set outer = ctx->set;
    ctx->set = (struct action_set){0};
    xlate_table(ctx, 0, ctx->flow.pipe.in_port, true);
    xlate_action_set(ctx);
    free(ctx->set.v);
    ctx->set = outer;
}

// --- The whole --------------------------------------------------------------------------------

static void run(struct xlate_ctx *ctx)
{
    const struct xlate_in *in = ctx->in;
    const struct port_view *port = port_set_find(ctx->ports, ctx->flow.pipe.in_port);
    provenance_add(&ctx->out->provenance, dep_make(DEP_PORTS, ctx->p->id));
    if (in->ofpacts) {
        xlate_actions(ctx, in->ofpacts);
        xlate_action_set(ctx);
        free(ctx->set.v);
    } else if (port && port->cfg.flags & (PORT_NO_RECV | PORT_DOWN)) {
        xlate_trace(ctx, "port %s does not receive", port->cfg.name);
    } else {
        xlate_bridge(ctx);
    }
}

void xlate(const struct xlate_in *in, struct xlate_out *ret)
{
    struct xlate_ctx ctx;
    // All but the large members is zero; those are set below.
    memset(&ctx, 0, offsetof(struct xlate_ctx, flow));
    memset(&ctx.wc, 0, sizeof(ctx) - offsetof(struct xlate_ctx, wc));
    *ret = (struct xlate_out){.change = pipelines_change(in->pipeline->all)};
    act_list_init(&ret->actions);
    provenance_init(&ret->provenance);
    ctx.in = in;
    ctx.out = ret;
    ctx.version = atomic_load_explicit(&in->pipeline->all->version, memory_order_acquire);
    ctx.p = in->pipeline;
    ctx.ports = rcu_get(ctx.p->ports);
    ctx.flow = ctx.base = in->flow;
    ctx.next_table = -1;
    run(&ctx);
    if (ctx.failed) {
        act_list_done(&ret->actions);
        ret->slow &= SLOW_TOO_COMPLEX;
    }
    xlate_finish_mask(&in->flow.key, &ctx.wc, &ret->mask);
}

void xlate_out_done(struct xlate_out *out)
{
    for (size_t i = 0; i < out->n_credits; i++) {
        struct xlate_credit *c = &out->credits[i];
        if (c->kind == CREDIT_RULE)
            rule_unref(c->rule);
        else
            pipeline_unref(c->kind == CREDIT_MAC ? c->mac.pipeline : c->at.pipeline);
    }
    for (size_t i = 0; i < out->n_packet_ins; i++)
        packet_free(out->packet_ins[i].packet);
    free(out->credits);
    free(out->packet_ins);
    provenance_done(&out->provenance);
    act_list_done(&out->actions);
    out->credits = NULL;
    out->packet_ins = NULL;
    out->n_credits = out->n_packet_ins = 0;
}
