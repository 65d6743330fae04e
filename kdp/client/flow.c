// SPDX-License-Identifier: Apache-2.0
// The kernel's flow table as a tier: OVS_FLOW_CMD_* in batches, answers matched by sequence.
//
// Last counters. The kernel unlinks a flow, then reads its counters for the echo; a packet that found the flow just before
// may still be counted after: at most one per CPU, because lookup and count are one step of softirq. A flow that has been
// quiet for QUIET_NS has no such packet under way and its last counters are exact.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "kdp/client/internal.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define QUIET_NS (50 * NSEC_PER_MSEC)
#define MAX_ACTIONS 256 // far below the 64 kB that one attribute holds

struct kdp_channel {
    struct tier_channel base;
    struct nlk_sock *sock;
    struct nlk_batch *batch;
};

struct nlk_sock *kdp_channel_sock(struct tier_channel *c)
{
    return ((struct kdp_channel *)c)->sock;
}

static struct kdp *channel_kdp(struct kdp_channel *c)
{
    return kdp_from_tier(c->base.tier);
}

// --- Reading what the kernel tells of a flow ---

// The kernel's times are milliseconds of CLOCK_MONOTONIC, which clock_now() may have been warped away from.
static int64_t used_to_clock(uint64_t used_ms)
{
    return used_ms ? clock_now() - (clock_real() - (int64_t)used_ms * NSEC_PER_MSEC) : 0;
}

static const struct nlk_policy flow_policy[] = {
    NLK_NEST(OVS_FLOW_ATTR_KEY),
    NLK_NEST(OVS_FLOW_ATTR_MASK),
    NLK_NEST(OVS_FLOW_ATTR_ACTIONS),
    NLK_AT_LEAST(OVS_FLOW_ATTR_STATS, sizeof(struct ovs_flow_stats)),
    NLK_U8(OVS_FLOW_ATTR_TCP_FLAGS),
    NLK_U64(OVS_FLOW_ATTR_USED),
    NLK_ANY(OVS_FLOW_ATTR_UFID),
};

static int parse_flow(const struct nlmsghdr *nlh, const struct nlattr *tb[__OVS_FLOW_ATTR_MAX], struct err *err)
{
    return kdp_parse(nlh, flow_policy, ARRAY_SIZE(flow_policy), tb, __OVS_FLOW_ATTR_MAX, err);
}

static void get_stats(const struct nlattr *tb[], struct tier_stats *ret)
{
    memset(ret, 0, sizeof *ret);
    if (tb[OVS_FLOW_ATTR_STATS]) {
        struct ovs_flow_stats s;

        memcpy(&s, nlk_data(tb[OVS_FLOW_ATTR_STATS]), sizeof s);
        ret->packets = s.n_packets;
        ret->bytes = s.n_bytes;
    }
    if (tb[OVS_FLOW_ATTR_USED])
        ret->used = used_to_clock(nlk_u64(tb[OVS_FLOW_ATTR_USED]));
    if (tb[OVS_FLOW_ATTR_TCP_FLAGS])
        ret->tcp_flags = nlk_u8(tb[OVS_FLOW_ATTR_TCP_FLAGS]);
}

static bool get_ufid(const struct nlattr *tb[], struct ufid *ret)
{
    const struct nlattr *a = tb[OVS_FLOW_ATTR_UFID];

    if (!a || nlk_size(a) != sizeof ret->b)
        return false;
    memcpy(ret->b, nlk_data(a), sizeof ret->b);
    return true;
}

// --- apply ---

struct pending {
    struct kdp *k;
    struct tier_op *op;
    bool answered;
};

static int on_removed(const struct nlmsghdr *nlh, void *arg)
{
    struct pending *p = arg;
    const struct nlattr *tb[__OVS_FLOW_ATTR_MAX];
    int r = parse_flow(nlh, tb, NULL);

    if (r)
        return r;
    get_stats(tb, &p->op->last);
    p->answered = true;
    return 0;
}

static void on_done(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    struct pending *p = arg;
    struct tier_op *op = p->op;

    op->error = error;
    if (error && op->type != TIER_REMOVE) {
        refuse(&op->refusal, error == -ENOSPC || error == -ENOMEM ? REFUSAL_CAPACITY : REFUSAL_KERNEL, CULPRIT_NONE, 0, error,
               "%s", sentence ? sentence : strerror(-error));
        return;
    }
    if (error)
        return;
    op->counters_continue = op->type == TIER_MODIFY;
    if (op->type != TIER_REMOVE)
        return;
    bool quiet = p->answered && clock_now() - op->last.used > QUIET_NS;
    op->final = quiet ? TIER_FINAL_EXACT : TIER_FINAL_BOUNDED;
    op->short_by = quiet ? 0 : p->k->n_cpus;
}

// -EOPNOTSUPP with the refusal filled: it can't be expressed.
static int put_flow(struct nlk_msg *m, const struct kdp *k, struct tier_op *op)
{
    static const uint8_t command[] = {
        [TIER_INSTALL] = OVS_FLOW_CMD_NEW, [TIER_MODIFY] = OVS_FLOW_CMD_SET, [TIER_REMOVE] = OVS_FLOW_CMD_DEL};
    static const uint16_t flags[] = {[TIER_INSTALL] = NLM_F_CREATE | NLM_F_EXCL, [TIER_MODIFY] = 0, [TIER_REMOVE] = NLM_F_ECHO};
    const struct flow_desc *d = op->desc;

    kdp_msg_init(m, k, k->families.flow, command[op->type], flags[op->type]);
    nlk_put(m, OVS_FLOW_ATTR_UFID, d->ufid.b, sizeof d->ufid.b);
    if (op->type == TIER_REMOVE) {
        nlk_put_u32(m, OVS_FLOW_ATTR_UFID_FLAGS, OVS_UFID_F_OMIT_KEY | OVS_UFID_F_OMIT_MASK | OVS_UFID_F_OMIT_ACTIONS);
        return 0;
    }
    // The kernel masks the key itself, but first looks whether another flow takes it.
    kdp_put_key(m, OVS_FLOW_ATTR_KEY, op->sample ? op->sample : &d->key, &d->mask);
    kdp_put_mask(m, OVS_FLOW_ATTR_MASK, &d->key, &d->mask);
    return kdp_put_actions(m, OVS_FLOW_ATTR_ACTIONS, &d->actions, &d->key, &op->refusal);
}

static int apply(struct tier_channel *channel, struct tier_op *ops, size_t n)
{
    struct kdp_channel *c = (struct kdp_channel *)channel;
    struct kdp *k = channel_kdp(c);
    AUTO_FREE struct pending *pending = NEW_ARRAY(struct pending, n);

    for (size_t i = 0; i < n; i++) {
        struct nlk_msg m;

        memset(&ops[i].refusal, 0, sizeof ops[i].refusal);
        memset(&ops[i].last, 0, sizeof ops[i].last);
        ops[i].counters_continue = false;
        pending[i] = (struct pending){.k = k, .op = &ops[i]};
        ops[i].error = put_flow(&m, k, &ops[i]);
        if (!ops[i].error)
            nlk_batch_add(c->batch, &m, ops[i].type == TIER_REMOVE ? on_removed : NULL, on_done, &pending[i]);
        nlk_msg_done(&m);
    }
    return nlk_batch_run(c->batch, NULL);
}

// --- stats and dump ---

static int on_stats(const struct nlmsghdr *nlh, void *arg)
{
    struct tier_stats_req *req = arg;
    const struct nlattr *tb[__OVS_FLOW_ATTR_MAX];
    int r = parse_flow(nlh, tb, NULL);

    if (!r)
        get_stats(tb, &req->stats);
    return r;
}

static void on_stats_done(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    ((struct tier_stats_req *)arg)->error = error;
}

static int stats(struct tier_channel *channel, struct tier_stats_req *reqs, size_t n)
{
    struct kdp_channel *c = (struct kdp_channel *)channel;
    struct kdp *k = channel_kdp(c);

    for (size_t i = 0; i < n; i++) {
        struct nlk_msg m;

        kdp_msg_init(&m, k, k->families.flow, OVS_FLOW_CMD_GET, 0);
        nlk_put(&m, OVS_FLOW_ATTR_UFID, reqs[i].ufid.b, sizeof reqs[i].ufid.b);
        nlk_put_u32(&m, OVS_FLOW_ATTR_UFID_FLAGS, OVS_UFID_F_OMIT_KEY | OVS_UFID_F_OMIT_MASK | OVS_UFID_F_OMIT_ACTIONS);
        nlk_batch_add(c->batch, &m, on_stats, on_stats_done, &reqs[i]);
        nlk_msg_done(&m);
    }
    return nlk_batch_run(c->batch, NULL);
}

struct dump {
    uint8_t instance;
    tier_dump_fn *cb;
    void *aux;
};

static int on_dumped(const struct nlmsghdr *nlh, void *arg)
{
    struct dump *d = arg;
    struct flow_desc desc = {0};
    struct tier_dumped dumped = {.desc = &desc};
    const struct nlattr *tb[__OVS_FLOW_ATTR_MAX];
    AUTO_ERR(err);

    if (parse_flow(nlh, tb, &err) || !get_ufid(tb, &desc.ufid) || !ufid_is_ours(&desc.ufid, d->instance))
        return 0;
    if (tb[OVS_FLOW_ATTR_KEY])
        kdp_get_key(tb[OVS_FLOW_ATTR_KEY], &desc.key, NULL);
    if (tb[OVS_FLOW_ATTR_MASK])
        kdp_get_mask(tb[OVS_FLOW_ATTR_MASK], &desc.mask, NULL);
    if (tb[OVS_FLOW_ATTR_ACTIONS])
        kdp_get_actions(tb[OVS_FLOW_ATTR_ACTIONS], &desc.actions, NULL);
    get_stats(tb, &dumped.stats);
    d->cb(d->aux, &dumped);
    flow_desc_done(&desc);
    return 0;
}

static int dump(struct tier_channel *channel, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    struct kdp_channel *c = (struct kdp_channel *)channel;
    struct kdp *k = channel_kdp(c);
    struct dump d = {instance, cb, aux};
    struct nlk_msg m;

    kdp_msg_init(&m, k, k->families.flow, OVS_FLOW_CMD_GET, 0);
    int r = nlk_dump(c->sock, &m, on_dumped, NULL, &d, NULL);
    nlk_msg_done(&m);
    return r;
}

int kdp_flow_flush(struct kdp *k, struct err *err)
{
    struct nlk_msg m;

    kdp_msg_init(&m, k, k->families.flow, OVS_FLOW_CMD_DEL, 0);
    int r = nlk_transact(k->sock, &m, NULL, NULL, err);
    nlk_msg_done(&m);
    return r;
}

// --- The rest of the tier ---

static bool can_match(enum field_id id)
{
    return !(id >= FIELD_TUN_ID && id <= FIELD_TUN_GBP_FLAGS) && id != FIELD_MPLS_LSE2 && id != FIELD_MPLS_LSE3;
}

void kdp_caps(struct tier_caps *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned id = 0; id < FIELD_PIPELINE_FIRST; id++) {
        ret->fields[id] = can_match(id);
        ret->fields_masked[id] = can_match(id) && id != FIELD_IN_PORT && id != FIELD_ETH_TYPE;
        ret->sets[id] = kdp_can_set(id);
    }
    for (unsigned type = 0; type < ACT_COUNT; type++)
        ret->actions[type] = kdp_can_act(type);
    ret->max_actions = MAX_ACTIONS;
    ret->max_vlans = FLOW_MAX_VLANS;
    ret->tracks_used = true;
}

static void probe(struct tier *tier, struct tier_caps *ret)
{
    kdp_caps(ret);
}

static bool can_hold(struct tier *tier, const struct flow_desc *d, struct refusal *ret)
{
    struct flow_key rest = d->mask;
    struct nlk_msg m;

    memset(&rest.tun, 0, sizeof rest.tun); // looked at on its own: all zero is "no tunnel", which is always so here
    if (memcmp(&d->key.tun, &rest.tun, sizeof rest.tun)) {
        refuse(ret, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_TUN_ID, -EOPNOTSUPP, "tunnel ports of the kernel datapath are not in use");
        return false;
    }
    if (rest.mpls_lse[1] || rest.mpls_lse[2]) {
        refuse(ret, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_MPLS_LSE2, -EOPNOTSUPP, "the kernel datapath matches one MPLS label");
        return false;
    }
    if (d->actions.n > MAX_ACTIONS) {
        refuse(ret, REFUSAL_CHECK, CULPRIT_ACTION, d->actions.v[MAX_ACTIONS].type, -E2BIG,
               "%u actions are more than the %d that one flow of the kernel datapath may have", d->actions.n, MAX_ACTIONS);
        return false;
    }
    nlk_msg_init(&m, NLMSG_NOOP, 0);
    int r = kdp_put_actions(&m, OVS_FLOW_ATTR_ACTIONS, &d->actions, &d->key, ret);
    nlk_msg_done(&m);
    return r == 0;
}

static int channel_open(struct tier *tier, struct tier_channel **ret, struct err *err)
{
    struct kdp_channel *c = NEW(struct kdp_channel);
    int r = nlk_open(NETLINK_GENERIC, 0, &c->sock, err);

    if (r) {
        free(c);
        return r;
    }
    c->base.tier = tier;
    c->batch = nlk_batch_new(c->sock);
    *ret = &c->base;
    return 0;
}

static void channel_close(struct tier_channel *channel)
{
    struct kdp_channel *c = (struct kdp_channel *)channel;

    if (!c)
        return;
    nlk_batch_free(c->batch);
    nlk_close(c->sock);
    free(c);
}

static int on_datapath(const struct nlmsghdr *nlh, void *arg)
{
    static const struct nlk_policy policy[] = {NLK_AT_LEAST(OVS_DP_ATTR_STATS, sizeof(struct ovs_dp_stats))};
    const struct nlattr *tb[__OVS_DP_ATTR_MAX];
    struct ovs_dp_stats s;

    if (kdp_parse(nlh, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), NULL) || !tb[OVS_DP_ATTR_STATS])
        return 0;
    memcpy(&s, nlk_data(tb[OVS_DP_ATTR_STATS]), sizeof s);
    *(uint64_t *)arg = s.n_flows;
    return 0;
}

static void limits(struct tier *tier, struct tier_limits *ret)
{
    struct kdp *k = kdp_from_tier(tier);
    struct nlk_sock *sock = NULL;
    struct nlk_msg m;

    *ret = (struct tier_limits){0};
    if (nlk_open(NETLINK_GENERIC, 0, &sock, NULL))
        return;
    kdp_msg_init(&m, k, k->families.datapath, OVS_DP_CMD_GET, 0);
    nlk_transact(sock, &m, on_datapath, &ret->used, NULL);
    nlk_msg_done(&m);
    nlk_close(sock);
}

static void close_tier(struct tier *tier, bool keep_flows)
{
    if (!keep_flows)
        kdp_flow_flush(kdp_from_tier(tier), NULL);
}

const struct tier_ops kdp_tier_ops = {
    .name = "kernel",
    .close = close_tier,
    .probe = probe,
    .can_hold = can_hold,
    .channel_open = channel_open,
    .channel_close = channel_close,
    .apply = apply,
    .stats = stats,
    .dump = dump,
    .limits = limits,
};
