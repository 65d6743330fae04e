// SPDX-License-Identifier: Apache-2.0
// The tc driver as a tier (lib/contract/tier.h): its life, ports, and whether a megaflow may be offered. Operations are in
// apply.c, counters in counters.c, what an earlier process left in sweep.c.
//
// What is known of each megaflow is which filters hold it; what those counted is in the kernel. Lock: one mutex guards
// ports, flows and masks in memory; it is never held across netlink, so that a driver that hangs in one channel stops
// neither can_hold() nor another channel.
#include <errno.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"

// --- Ports ---

struct tc_port *tc_find_port(const struct tc_tier *t, dp_port_t number)
{
    struct tc_port *port;

    HASH_FIND(hh, t->ports, &number, sizeof number, port);
    return port;
}

static const struct tc_port *port_for_act(const void *aux, dp_port_t number)
{
    return tc_find_port(aux, number);
}

static int port_attach(struct tier *tier, const struct tier_port *want, struct err *err)
{
    struct tc_tier *t = tc_from_tier(tier);
    struct tc_port *port = NULL;
    int r = tc_port_open(t->sock, want, t->config.instance, &port, err);

    if (r)
        return r;
    tc_delete_ours(t->sock, port->ifindex, t->config.instance); // of an earlier process
    pthread_mutex_lock(&t->lock);
    HASH_ADD(hh, t->ports, dp_port, sizeof port->dp_port, port);
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static void port_detach(struct tier *tier, dp_port_t number)
{
    struct tc_tier *t = tc_from_tier(tier);
    struct tc_flow *f, *next;

    pthread_mutex_lock(&t->lock);
    struct tc_port *port = tc_find_port(t, number);
    if (port)
        HASH_DEL(t->ports, port);
    HASH_ITER(hh, t->flows, f, next)
    {
        if (f->dp_port == number)
            tc_flow_forget(t, f);
    }
    pthread_mutex_unlock(&t->lock);
    if (port) {
        tc_delete_ours(t->sock, port->ifindex, t->config.instance);
        tc_port_close(t->sock, port, t->config.instance);
    }
}

// --- May it be offered? ---

static uint64_t mask_hash(const struct flow_key *mask)
{
    return hash_bytes(mask, sizeof *mask, 0);
}

static struct tc_mask *find_mask(struct tc_tier *t, dp_port_t port, be16_t protocol, const struct flow_key *mask)
{
    struct tc_mask probe = {.key = {port, protocol, mask_hash(mask)}}, *m;

    HASH_FIND(hh, t->masks, &probe.key, sizeof probe.key, m);
    return m;
}

static unsigned count_masks(const struct tc_tier *t, dp_port_t port)
{
    unsigned n = 0;

    for (const struct tc_mask *m = t->masks; m; m = m->hh.next)
        n += m->key.dp_port == port;
    return n;
}

struct tc_flow *tc_flow_add(struct tc_tier *t, const struct flow_desc *d, const struct tc_copy *copy)
{
    struct tc_flow *f = NEW(struct tc_flow);

    f->ufid = d->ufid;
    f->dp_port = d->key.in_port;
    f->now = *copy;
    f->mask = find_mask(t, f->dp_port, copy->id.protocol, &d->mask);
    if (!f->mask) {
        f->mask = NEW(struct tc_mask);
        f->mask->key.dp_port = f->dp_port;
        f->mask->key.protocol = copy->id.protocol;
        f->mask->key.hash = mask_hash(&d->mask);
        HASH_ADD(hh, t->masks, key, sizeof f->mask->key, f->mask);
    }
    f->mask->refs++;
    HASH_ADD(hh, t->flows, ufid, sizeof f->ufid, f);
    return f;
}

struct tc_flow *tc_find_flow(const struct tc_tier *t, const struct ufid *ufid)
{
    struct tc_flow *f;

    HASH_FIND(hh, t->flows, ufid, sizeof *ufid, f);
    return f;
}

void tc_flow_forget(struct tc_tier *t, struct tc_flow *f)
{
    if (--f->mask->refs == 0) {
        HASH_DEL(t->masks, f->mask);
        free(f->mask);
    }
    HASH_DEL(t->flows, f);
    free(f);
}

int tc_express(struct tc_tier *t, struct nlk_msg *m, const struct flow_desc *d, be16_t *ret_protocol, struct refusal *why)
{
    struct tc_act_ctx ctx = {.m = m, .desc = d, .port = port_for_act, .aux = t, .refusal = why};

    if (!tc_find_port(t, d->key.in_port))
        return refuse(why, REFUSAL_CHECK, CULPRIT_PORT, d->key.in_port, -EOPNOTSUPP,
                      "the input port is not a port of a switching NIC with hw-tc-offload on");
    int r = tc_put_match(m, d, ret_protocol, why);
    return r ? r : tc_put_actions(&ctx);
}

static bool can_hold(struct tier *tier, const struct flow_desc *d, struct refusal *ret)
{
    struct tc_tier *t = tc_from_tier(tier);
    be16_t protocol = 0;

    pthread_mutex_lock(&t->lock);
    int r = tc_express(t, NULL, d, &protocol, ret);
    if (!r && !tc_rung_prio(protocol, 0))
        r = refuse(ret, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_ETH_TYPE, -EOPNOTSUPP, "frames of type 0x%04x are not offloaded",
                   ntohs(protocol));
    if (!r && !find_mask(t, d->key.in_port, protocol, &d->mask) && count_masks(t, d->key.in_port) >= TC_MAX_MASKS)
        r = refuse(ret, REFUSAL_CAPACITY, CULPRIT_TABLE, 0, -ENOSPC,
                   "the port has %d different masks in the NIC; each costs its software packets a lookup", TC_MAX_MASKS);
    pthread_mutex_unlock(&t->lock);
    return r == 0;
}

void tc_caps(struct tier_caps *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned id = 0; id < FIELD_PIPELINE_FIRST; id++) {
        ret->fields[id] = tc_can_match(id, &ret->fields_masked[id]);
        ret->sets[id] = tc_can_set(id);
    }
    for (unsigned type = 0; type < ACT_COUNT; type++)
        ret->actions[type] = tc_can_act(type);
    ret->max_actions = TC_MAX_ACTIONS;
    ret->max_vlans = FLOW_MAX_VLANS;
    ret->tracks_used = true;
}

static void probe(struct tier *tier, struct tier_caps *ret)
{
    tc_caps(ret);
}

// --- Life ---

static void limits(struct tier *tier, struct tier_limits *ret)
{
    struct tc_tier *t = tc_from_tier(tier);

    pthread_mutex_lock(&t->lock);
    *ret = (struct tier_limits){.capacity = 0, .used = HASH_COUNT(t->flows)};
    pthread_mutex_unlock(&t->lock);
}

static int channel_open(struct tier *tier, struct tier_channel **ret, struct err *err)
{
    struct tc_channel *c = NEW(struct tc_channel);
    int r = nlk_open(NETLINK_ROUTE, 0, &c->sock, err);

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
    struct tc_channel *c = (struct tc_channel *)channel;

    if (!c)
        return;
    nlk_batch_free(c->batch);
    nlk_close(c->sock);
    free(c);
}

static void close_tier(struct tier *tier, bool keep_flows)
{
    struct tc_tier *t = tc_from_tier(tier);
    struct tc_port *port, *next_port;
    struct tc_flow *f, *next_flow;

    HASH_ITER(hh, t->flows, f, next_flow)
    {
        tc_flow_forget(t, f);
    }
    HASH_ITER(hh, t->ports, port, next_port)
    {
        HASH_DEL(t->ports, port);
        if (keep_flows) {
            free(port);
        } else {
            tc_delete_ours(t->sock, port->ifindex, t->config.instance);
            tc_port_close(t->sock, port, t->config.instance);
        }
    }
    nlk_close(t->sock);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static const struct tier_ops tc_tier_ops = {
    .name = "tc",
    .hardware = true,
    .close = close_tier,
    .port_attach = port_attach,
    .port_detach = port_detach,
    .probe = probe,
    .can_hold = can_hold,
    .channel_open = channel_open,
    .channel_close = channel_close,
    .apply = tc_apply,
    .stats = tc_stats,
    .dump = tc_dump,
    .limits = limits,
};

int tc_open(const struct tc_config *config, struct tier **ret_tier, struct err *err)
{
    struct tc_tier *t = NEW(struct tc_tier);
    int r = nlk_open(NETLINK_ROUTE, 0, &t->sock, err);

    if (r) {
        free(t);
        return r;
    }
    t->tier.ops = &tc_tier_ops;
    t->config = *config;
    pthread_mutex_init(&t->lock, NULL);
    *ret_tier = &t->tier;
    return 0;
}
