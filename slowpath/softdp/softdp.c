// SPDX-License-Identifier: Apache-2.0
// The userspace datapath as the contracts know it: ports, upcalls, execute (lib/contract/datapath.h) and its flow table as
// a tier (lib/contract/tier.h). The work is done in forward.c (threads), table.c (flows) and port_*.c.
//
// Main thread, but for the tier's channels, execute, upcall_recv and the counters, which any thread may use.
#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"
#include "slowpath/softdp/forward.h"

#define DEFAULT_UPCALL_QUEUE 4096
#define MAX_ACTIONS 64

struct soft_channel {
    struct tier_channel base;
    struct tx_gather tx;
};

static struct softdp *from_dp(struct datapath *dp)
{
    return HOLDER_OF(dp, struct softdp, dp);
}

static struct softdp *from_tier(struct tier *tier)
{
    return HOLDER_OF(tier, struct softdp, tier);
}

// --- The flow table as a tier ---

// The actions that act_execute() carries out by itself; what needs a datapath with state is refused.
static const bool can_act[ACT_COUNT] = {
    [ACT_OUTPUT] = true,    [ACT_USERSPACE] = true, [ACT_SET] = true,   [ACT_PUSH_VLAN] = true, [ACT_POP_VLAN] = true,
    [ACT_PUSH_MPLS] = true, [ACT_POP_MPLS] = true,  [ACT_TRUNC] = true, [ACT_CLONE] = true,     [ACT_DROP] = true,
};

// What packet_extract() fills from the frame itself, and the input port: everything else is never there to match.
static bool can_match(enum field_id id)
{
    return id == FIELD_IN_PORT || (id >= FIELD_ETH_SRC && id < FIELD_PIPELINE_FIRST);
}

void softdp_caps(struct tier_caps *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < FIELD_PIPELINE_FIRST; i++) {
        ret->fields[i] = true;
        ret->fields_masked[i] = i != FIELD_IN_PORT;
        ret->sets[i] = can_match(i) && field_by_id(i)->writable;
    }
    memcpy(ret->actions, can_act, sizeof can_act);
    ret->max_actions = MAX_ACTIONS;
    ret->max_vlans = FLOW_MAX_VLANS;
    ret->tracks_used = true;
}

static void tier_probe(struct tier *tier, struct tier_caps *ret)
{
    softdp_caps(ret);
}

static bool can_hold(struct tier *tier, const struct flow_desc *d, struct refusal *ret)
{
    for (uint32_t i = 0; i < d->actions.n; i++) {
        const struct act *a = &d->actions.v[i];

        if (!can_act[a->type]) {
            refuse(ret, REFUSAL_CHECK, CULPRIT_ACTION, a->type, -EOPNOTSUPP,
                   "the userspace datapath does not carry out %s", act_type_name(a->type));
            return false;
        }
        if (a->type == ACT_SET && !can_match(a->set.field)) {
            refuse(ret, REFUSAL_CHECK, CULPRIT_SET_FIELD, a->set.field, -EOPNOTSUPP,
                   "the userspace datapath cannot write %s", field_by_id(a->set.field)->name);
            return false;
        }
    }
    if (d->mask.in_port != UINT32_MAX) {
        refuse(ret, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_IN_PORT, -EINVAL, "a megaflow matches its input port exactly");
        return false;
    }
    return true;
}

static int channel_open(struct tier *tier, struct tier_channel **ret, struct err *err)
{
    struct soft_channel *c = NEW(struct soft_channel);

    c->base.tier = tier;
    c->tx.dp = from_tier(tier);
    *ret = &c->base;
    return 0;
}

static void channel_close(struct tier_channel *channel)
{
    free(channel);
}

static int tier_apply(struct tier_channel *channel, struct tier_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ops[i].error = 0;
        ops[i].counters_continue = false;
        memset(&ops[i].refusal, 0, sizeof ops[i].refusal);
        memset(&ops[i].last, 0, sizeof ops[i].last);
    }
    soft_table_apply(from_tier(channel->tier)->table, ops, n);
    return 0;
}

static int tier_stats(struct tier_channel *channel, struct tier_stats_req *reqs, size_t n)
{
    soft_table_stats(from_tier(channel->tier)->table, reqs, n);
    return 0;
}

static int tier_dump(struct tier_channel *channel, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    soft_table_dump(from_tier(channel->tier)->table, instance, cb, aux);
    return 0;
}

static void tier_limits(struct tier *tier, struct tier_limits *ret)
{
    *ret = (struct tier_limits){.capacity = 0, .used = soft_table_n_flows(from_tier(tier)->table)};
}

static void tier_close(struct tier *tier, bool keep_flows)
{
    // The table lives and ends with its datapath.
}

static const struct tier_ops soft_tier_ops = {
    .name = "softdp",
    .close = tier_close,
    .probe = tier_probe,
    .can_hold = can_hold,
    .channel_open = channel_open,
    .channel_close = channel_close,
    .apply = tier_apply,
    .stats = tier_stats,
    .dump = tier_dump,
    .limits = tier_limits,
};

// --- Ports ---

static struct soft_port *find_by_name(struct softdp *s, const char *name)
{
    for (unsigned i = 0; i < SOFT_MAX_PORTS; i++) {
        if (s->ports[i] && !strcmp(s->ports[i]->name, name))
            return s->ports[i];
    }
    return NULL;
}

static int choose_number(struct softdp *s, dp_port_t *number, struct err *err)
{
    if (*number != DP_PORT_NONE) {
        if (*number >= SOFT_MAX_PORTS)
            return err_set(err, -EINVAL, "datapath port %u is out of range", *number);
        if (s->ports[*number])
            return err_set(err, -EEXIST, "datapath port %u is taken by %s", *number, s->ports[*number]->name);
        return 0;
    }
    for (dp_port_t i = 1; i < SOFT_MAX_PORTS; i++) {
        if (!s->ports[i]) {
            *number = i;
            return 0;
        }
    }
    return err_set(err, -EFBIG, "the userspace datapath has no port number left");
}

static const struct soft_port_ops *ops_of(enum dp_port_type type)
{
    switch (type) {
    case DP_PORT_SYSTEM:
        return &port_packet_ops;
    case DP_PORT_INTERNAL:
        return &port_tap_ops;
    case DP_PORT_VXLAN:
    case DP_PORT_GENEVE:
    case DP_PORT_GRE:
        break;
    }
    return NULL;
}

// Takes a port out of the table and closes it when no thread uses it any more.
static void port_remove(struct softdp *s, struct soft_port *port)
{
    rcu_set(s->ports[port->number], (struct soft_port *)NULL);
    rcu_wait();
    port->ops->close(port);
    free(port);
}

static int port_add(struct datapath *dp, const char *name, enum dp_port_type type, dp_port_t *number, struct err *err)
{
    struct softdp *s = from_dp(dp);
    dp_port_t n = *number;
    int r;

    if (!ops_of(type))
        return err_set(err, -EOPNOTSUPP, "%s: the userspace datapath has no ports of this type", name);
    if (find_by_name(s, name))
        return err_set(err, -EEXIST, "%s is a port of the datapath already", name);
    r = choose_number(s, &n, err);
    if (r)
        return r;
    struct soft_port *port = NEW(struct soft_port);
    port->ops = ops_of(type);
    port->number = n;
    port->type = type;
    port->thread = s->next_forwarder++ % s->n_forwarders;
    if (!str_copy(port->name, sizeof port->name, name))
        r = err_set(err, -ENAMETOOLONG, "%s: the name is too long for a network device", name);
    else
        r = port->ops->open(port, err);
    if (r) {
        free(port);
        return r;
    }
    rcu_set(s->ports[n], port);
    r = forwarder_watch(s->forwarders[port->thread], port, err);
    if (r) {
        port_remove(s, port);
        return r;
    }
    *number = n;
    return 0;
}

static int port_del(struct datapath *dp, dp_port_t number, struct err *err)
{
    struct softdp *s = from_dp(dp);
    struct soft_port *port = number < SOFT_MAX_PORTS ? s->ports[number] : NULL;

    if (!port)
        return err_set(err, -ENOENT, "there is no datapath port %u", number);
    forwarder_unwatch(s->forwarders[port->thread], port);
    port_remove(s, port);
    soft_table_forget_port(s->table, number);
    return 0;
}

static int port_dump(struct datapath *dp, void (*cb)(void *aux, const struct dp_port_info *), void *aux)
{
    struct softdp *s = from_dp(dp);

    for (unsigned i = 0; i < SOFT_MAX_PORTS; i++) {
        const struct soft_port *port = s->ports[i];

        if (port) {
            struct dp_port_info info = {.number = i, .type = port->type, .ifindex = port->ifindex};

            str_copy(info.name, sizeof info.name, port->name);
            cb(aux, &info);
        }
    }
    return 0;
}

int softdp_port_stats(struct datapath *dp, dp_port_t number, struct softdp_port_stats *ret)
{
    struct softdp *s = from_dp(dp);
    int r = -ENOENT;

    rcu_enter();
    struct soft_port *port = number < SOFT_MAX_PORTS ? rcu_get(s->ports[number]) : NULL;
    if (port) {
        if (port->ops->count_drops)
            port->ops->count_drops(port);
        const uint64_t *from = (const uint64_t *)&port->stats;
        uint64_t *to = (uint64_t *)ret;

        for (size_t i = 0; i < sizeof *ret / sizeof *to; i++)
            to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
        r = 0;
    }
    rcu_leave();
    return r;
}

// --- Upcalls, execute, counters ---

static int handlers_set(struct datapath *dp, unsigned n, struct err *err)
{
    struct softdp *s = from_dp(dp);

    if (!n || n > SOFT_MAX_HANDLERS)
        return err_set(err, -EINVAL, "%u handlers are not between 1 and %d", n, SOFT_MAX_HANDLERS);
    for (unsigned i = 0; i < n; i++) {
        s->queues[i] = upcall_queue_new(s->upcall_limit, err);
        if (!s->queues[i])
            return err_is_set(err) ? err->code : -EMFILE;
    }
    __atomic_store_n(&s->n_handlers, n, __ATOMIC_RELEASE);
    return 0;
}

static int upcall_recv(struct datapath *dp, unsigned id, struct upcall *ret, size_t max)
{
    return upcall_queue_take(from_dp(dp)->queues[id], ret, max);
}

static void upcall_wake(struct datapath *dp, unsigned id)
{
    upcall_queue_wake(from_dp(dp)->queues[id]);
}

static int execute(struct tier_channel *channel, struct packet *packet, const struct flow_key *key,
                   const struct act_list *actions, struct err *err)
{
    struct soft_channel *c = HOLDER_OF(channel, struct soft_channel, base);

    rcu_enter();
    soft_execute(&c->tx, actions, packet, key, NULL);
    tx_gather_flush(&c->tx);
    rcu_leave();
    return 0;
}

static uint64_t upcalls_lost(struct datapath *dp)
{
    struct softdp *s = from_dp(dp);
    uint64_t lost = 0;

    for (unsigned i = 0; i < __atomic_load_n(&s->n_handlers, __ATOMIC_ACQUIRE); i++)
        lost += upcall_queue_lost(s->queues[i]);
    return lost;
}

static void counters(struct datapath *dp, uint64_t *ret_hit, uint64_t *ret_missed, uint64_t *ret_lost, uint32_t *ret_masks)
{
    struct softdp *s = from_dp(dp);

    *ret_hit = *ret_missed = 0;
    for (unsigned i = 0; i < s->n_forwarders; i++)
        forwarder_counts(s->forwarders[i], ret_hit, ret_missed);
    *ret_lost = upcalls_lost(dp);
    *ret_masks = soft_table_n_masks(s->table);
}

// --- Life ---

void softdp_set_nic(struct datapath *dp, const struct softdp_nic *nic)
{
    struct softdp *s = from_dp(dp);
    struct softdp_nic *old = rcu_swap(s->nic, nic ? xmemdup(nic, sizeof *nic) : NULL);

    rcu_wait();
    free(old);
}

static void dp_close(struct datapath *dp, bool keep)
{
    struct softdp *s = from_dp(dp);

    for (unsigned i = 0; i < s->n_forwarders; i++)
        forwarder_stop(s->forwarders[i]);
    for (unsigned i = 0; i < SOFT_MAX_PORTS; i++) {
        if (s->ports[i])
            port_remove(s, s->ports[i]);
    }
    soft_table_free(s->table);
    for (unsigned i = 0; i < SOFT_MAX_HANDLERS; i++)
        upcall_queue_free(s->queues[i]);
    free(s->nic);
    free(s->forwarders);
    free(s->ports);
    free(s);
}

static const struct datapath_ops soft_dp_ops = {
    .type = "netdev",
    .close = dp_close,
    .port_add = port_add,
    .port_del = port_del,
    .port_dump = port_dump,
    .handlers_set = handlers_set,
    .upcall_recv = upcall_recv,
    .upcall_wake = upcall_wake,
    .execute = execute,
    .upcalls_lost = upcalls_lost,
    .counters = counters,
};

int softdp_open(const struct softdp_config *config, struct datapath **ret_dp, struct err *err)
{
    struct softdp *s = NEW(struct softdp);
    unsigned n = config->n_threads ? config->n_threads : thread_cpu_count();

    s->dp.ops = &soft_dp_ops;
    s->dp.tier = &s->tier;
    s->tier.ops = &soft_tier_ops;
    s->table = soft_table_new();
    s->ports = NEW_ARRAY(struct soft_port *, SOFT_MAX_PORTS);
    s->upcall_limit = config->upcall_queue ? config->upcall_queue : DEFAULT_UPCALL_QUEUE;
    s->forwarders = NEW_ARRAY(struct forwarder *, n);
    for (; s->n_forwarders < n; s->n_forwarders++) {
        int r = forwarder_start(s, s->n_forwarders, &s->forwarders[s->n_forwarders], err);

        if (r) {
            dp_close(&s->dp, false);
            return r;
        }
    }
    *ret_dp = &s->dp;
    return 0;
}
