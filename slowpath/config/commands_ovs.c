// SPDX-License-Identifier: Apache-2.0
// The run-time commands of ovs-vswitchd(8), for unmodified ovs-appctl and the scripts around it. Names, arguments and text
// follow what that daemon answers. Main thread.
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/flow/text.h"
#include "slowpath/config/commands.h"
#include "slowpath/l2/mac_table.h"

#define WAIT_MS 5000

// "netdev@ovs-netdev": what stands before each datapath's part of a text.
static void put_dp_name(const struct stack *stack, struct str *out)
{
    str_printf(out, "%s@ovs-%s", stack->type, stack->type);
}

// The stack that an argument like "ovs-netdev" or "netdev@ovs-netdev" names; NULL: none such.
static struct stack *stack_by_arg(struct sw *sw, const char *arg)
{
    const char *at = strchr(arg, '@');
    const char *name = at ? at + 1 : arg;

    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i] && str_starts(name, "ovs-") && !strcmp(name + 4, sw->stacks[i]->type))
            return sw->stacks[i];
    }
    return NULL;
}

// --- dpctl/dump-flows ---

struct flows_text {
    struct sw *sw;
    struct stack *only; // NULL: all
    bool more, names, want_offloaded, want_software;
    struct str out;
};

static void put_stats(const struct backer_flow *flow, struct str *out)
{
    str_printf(out, ", packets:%llu, bytes:%llu, used:", (unsigned long long)flow->sums.packets,
               (unsigned long long)flow->sums.bytes);
    if (flow->used)
        str_printf(out, "%.3fs", (double)(clock_now() - flow->used) / NSEC_PER_SEC);
    else
        str_put(out, "never");
    if (flow->sums.tcp_flags) {
        struct field_value v = {{(uint8_t)(flow->sums.tcp_flags >> 8), (uint8_t)flow->sums.tcp_flags}};

        str_put(out, ", flags:");
        field_value_format(field_by_id(FIELD_TCP_FLAGS), &v, NULL, out);
    }
}

static void put_flow(void *aux, struct stack *stack, const struct backer_flow *flow)
{
    struct flows_text *t = aux;
    struct port_names names = {t->sw, stack};
    bool offloaded = flow->where.state == PLACE_HARDWARE;
    char ufid[UFID_TEXT_LEN + 1];

    if ((t->only && t->only != stack) || (offloaded ? !t->want_offloaded : !t->want_software))
        return;
    if (t->more) {
        ufid_format(&flow->desc->ufid, ufid);
        str_printf(&t->out, "ufid:%s, ", ufid);
    }
    flow_key_format(&flow->desc->key, &flow->desc->mask, t->names ? port_name : NULL, &names, &t->out);
    put_stats(flow, &t->out);
    if (t->more)
        str_printf(&t->out, "%s, dp:%s", offloaded ? ", offloaded:yes" : "", offloaded ? "tc" : "ovs");
    str_put(&t->out, ", actions:");
    act_list_format_for(&flow->desc->actions, flow->desc->key.eth_type, t->names ? port_name : NULL, &names, &t->out);
    str_putc(&t->out, '\n');
}

static void flows_done(void *aux, struct control_call *call)
{
    struct flows_text *t = aux;

    control_reply(call, str_text(&t->out));
    str_done(&t->out);
    free(t);
}

// "type=ovs,tc,offloaded,…"; false: an unknown word.
static bool parse_types(const char *list, struct flows_text *t)
{
    AUTO_FREE char *copy = xstrdup(list);

    t->want_offloaded = t->want_software = false;
    for (char *save, *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        if (!strcmp(w, "all"))
            t->want_offloaded = t->want_software = true;
        else if (!strcmp(w, "offloaded") || !strcmp(w, "tc"))
            t->want_offloaded = true;
        else if (!strcmp(w, "non-offloaded") || !strcmp(w, "ovs") || !strcmp(w, "dpdk"))
            t->want_software = true;
        else
            return false;
    }
    return true;
}

static void dump_flows(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct flows_text *t = NEW(struct flows_text);
    AUTO_FREE char *bad = NULL;

    t->sw = aux;
    t->want_offloaded = t->want_software = true;
    for (int i = 1; i < argc && !bad; i++) {
        if (!strcmp(argv[i], "-m") || !strcmp(argv[i], "--more"))
            t->more = t->names = true;
        else if (!strcmp(argv[i], "--names"))
            t->names = true;
        else if (!strcmp(argv[i], "--no-names"))
            t->names = false;
        else if (str_starts(argv[i], "type=")) {
            if (!parse_types(argv[i] + 5, t))
                bad = xasprintf("Failed to parse type (%s)", argv[i] + 5);
        } else if (!(t->only = stack_by_arg(t->sw, argv[i])))
            bad = xasprintf("%s: no such datapath", argv[i]);
    }
    if (bad) {
        control_reply_error(call, bad);
        free(t);
        return;
    }
    dump_start(t->sw, call, &(struct dump_job){put_flow, flows_done, t});
}

static void del_flows(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;

    if (argc > 1 && !stack_by_arg(sw, argv[1])) {
        control_reply_error(call, "no such datapath");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i] && (argc < 2 || stack_by_arg(sw, argv[1]) == sw->stacks[i])) {
            backer_flow_del(sw->stacks[i]->backer, NULL);
            backer_wait(sw->stacks[i]->backer, WAIT_MS);
        }
    }
    control_reply(call, NULL);
}

// --- dpctl/show, upcall/*, revalidator/* ---

static void put_port(void *aux, const struct dp_port_info *info)
{
    struct str *out = aux;

    str_printf(out, "  port %u: %s%s\n", info->number, info->name, info->type == DP_PORT_INTERNAL ? " (internal)" : "");
}

static void put_stack(struct stack *stack, struct str *out)
{
    uint64_t hit, missed, lost;
    uint32_t masks;
    struct backer_stats stats;

    backer_stats(stack->backer, &stats);
    stack->dp->ops->counters(stack->dp, &hit, &missed, &lost, &masks);
    put_dp_name(stack, out);
    str_printf(out, ":\n  lookups: hit:%llu missed:%llu lost:%llu\n  flows: %llu\n  masks: total:%u\n",
               (unsigned long long)hit, (unsigned long long)missed, (unsigned long long)lost,
               (unsigned long long)stats.flows, masks);
    stack->dp->ops->port_dump(stack->dp, put_port, out);
}

static void show_dp(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    struct stack *only = NULL;
    AUTO(str_done) struct str out = STR_INIT;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-s") || !strcmp(argv[i], "--statistics"))
            continue; // ports' counters are the devices' own
        only = stack_by_arg(sw, argv[i]);
        if (!only) {
            AUTO_FREE char *bad = xasprintf("%s: no such datapath", argv[i]);

            control_reply_error(call, bad);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i] && (!only || only == sw->stacks[i]))
            put_stack(sw->stacks[i], &out);
    }
    control_reply(call, str_text(&out));
}

static void upcall_show(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    AUTO(str_done) struct str out = STR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i])
            backer_show(sw->stacks[i]->backer, &out);
    }
    control_reply(call, str_text(&out));
}

static void set_flow_limit(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    uint32_t limit;
    AUTO(str_done) struct str out = STR_INIT;

    if (!str_to_u32(argv[1], 10, &limit)) {
        control_reply_error(call, "invalid flow limit");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i]) {
            backer_set_flow_limit(sw->stacks[i]->backer, limit);
            str_printf(&out, "set flow_limit to %u\n", limit);
        }
    }
    control_reply(call, str_text(&out));
}

static void revalidator_wait(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;

    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i] && backer_wait(sw->stacks[i]->backer, WAIT_MS)) {
            control_reply_error(call, "the keepers did not finish a round in time");
            return;
        }
    }
    control_reply(call, NULL);
}

// --- fdb/*, ofproto/list, exit ---

static void fdb_show(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct bridge *bridge = bridge_find(aux, argv[1]);
    AUTO(str_done) struct str out = STR_INIT;

    if (!bridge || !bridge->pipeline) {
        control_reply_error(call, "no such bridge");
        return;
    }
    mac_table_format(pipeline_macs(bridge->pipeline), clock_now(), &out);
    control_reply(call, str_text(&out));
}

static void fdb_flush(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;

    if (argc > 1 && !bridge_find(sw, argv[1])) {
        control_reply_error(call, "no such bridge");
        return;
    }
    for (struct bridge *b = sw->bridges; b; b = b->hh.next) {
        if (b->pipeline && (argc < 2 || !strcmp(b->name, argv[1])))
            mac_table_flush(pipeline_macs(b->pipeline));
    }
    control_reply(call, "table successfully flushed");
}

static void ofproto_list(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    AUTO(str_done) struct str out = STR_INIT;

    for (struct bridge *b = sw->bridges; b; b = b->hh.next) {
        if (b->pipeline)
            str_printf(&out, "%s\n", b->name);
    }
    control_reply(call, str_text(&out));
}

static void exit_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    bool cleanup = argc > 1;

    if (cleanup && strcmp(argv[1], "--cleanup")) {
        control_reply_error(call, "the only argument of exit is --cleanup");
        return;
    }
    control_reply(call, NULL);
    sw->stop(sw->stop_aux, cleanup);
}

void commands_register(struct sw *sw)
{
    static const struct {
        const char *name, *usage;
        unsigned min, max;
        control_fn *fn;
    } commands[] = {
        {"dpctl/dump-flows", "[-m] [--names | --no-names] [DP] [type=TYPE]", 0, 5, dump_flows},
        {"dpctl/del-flows", "[DP]", 0, 1, del_flows},
        {"dpctl/show", "[-s] [DP]", 0, 2, show_dp},
        {"upcall/show", "", 0, 0, upcall_show},
        {"upcall/set-flow-limit", "flow-limit-number", 1, 1, set_flow_limit},
        {"revalidator/wait", "", 0, 0, revalidator_wait},
        {"revalidator/purge", "", 0, 0, del_flows},
        {"fdb/show", "bridge", 1, 1, fdb_show},
        {"fdb/flush", "[bridge]", 0, 1, fdb_flush},
        {"ofproto/list", "", 0, 0, ofproto_list},
        {"exit", "[--cleanup]", 0, 1, exit_command},
    };

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        control_register(sw->control, commands[i].name, commands[i].usage, commands[i].min, commands[i].max, commands[i].fn,
                         sw);
    commands_register_sluice(sw);
}
