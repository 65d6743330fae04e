// SPDX-License-Identifier: Apache-2.0
// The simulated NIC as a tier, and as what frames meet first. The table is the core's; here are the
// tier's calls, the gate at which slow and hanging inserts wait, and the copies of megaflows that
// dump() shows.
//
// Threads: channels of several threads share the core, which locks itself; `lock` guards the copies
// and the gate. nicsim_inproc_rx() takes no lock.
#include "drivers/nicsim/inproc/inproc.h"

#include <errno.h>
#include <string.h>

#include "drivers/nicsim/inproc/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"

// Frames.

bool nicsim_inproc_rx(void *aux, dp_port_t in_port, struct packet *p, const struct act_sink *out)
{
    struct inproc *nic = aux;
    struct nicsim_key key;
    uint32_t frames;
    uint64_t bytes;

    if (nicsim_parse(in_port, 0, 0, packet_data(p), p->len, &key))
        return false;
    struct nicsim_rule *rule = nicsim_lookup(nic->sw, &key);
    if (!rule)
        return false;
    packet_wire_count(p, &frames, &bytes);
    nicsim_rule_hit(nic->sw, rule, frames, bytes);

    struct nicsim_actions actions = nicsim_rule_actions(rule);
    for (uint32_t i = 0; i < actions.n; i++) {
        const struct nicsim_action *a = &actions.v[i];
        switch (a->type) {
        case NICSIM_REDIRECT:
            out->output(out->aux, a->port, p);
            return true;
        case NICSIM_MIRROR:
            out->output(out->aux, a->port, packet_clone(p));
            break;
        case NICSIM_VLAN_PUSH:
            packet_push_vlan(p, a->tpid, a->tci);
            break;
        case NICSIM_VLAN_POP:
            packet_pop_vlan(p);
            break;
        case NICSIM_VLAN_MODIFY:
            packet_pop_vlan(p);
            packet_push_vlan(p, a->tpid, a->tci);
            break;
        case NICSIM_DROP:
            packet_free(p);
            return true;
        }
    }
    packet_free(p); // not reached: the table takes no rule without an end
    return true;
}

// Copies of what is installed.

static void forget_flow(struct inproc *nic, const struct ufid *ufid)
{
    struct inproc_flow *f;

    HASH_FIND(hh, nic->flows, ufid, sizeof *ufid, f);
    if (!f)
        return;
    HASH_DEL(nic->flows, f);
    flow_desc_done(&f->desc);
    free(f);
}

static void remember_flow(struct inproc *nic, const struct flow_desc *desc)
{
    struct inproc_flow *f = NEW(struct inproc_flow);

    forget_flow(nic, &desc->ufid); // from before a reset
    f->ufid = desc->ufid;
    flow_desc_clone(&f->desc, desc);
    HASH_ADD(hh, nic->flows, ufid, sizeof f->ufid, f);
}

// The tier's calls.

// Waits as long as the knobs say. False: the NIC is being closed.
static bool pass_gate(struct inproc *nic)
{
    int64_t us = (int64_t)nicsim_knob_get(nic->sw, NICSIM_INSERT_DELAY_US);
    int64_t until = us ? clock_deadline(us * NSEC_PER_USEC) : 0;
    bool open;

    pthread_mutex_lock(&nic->lock);
    nic->waiting++;
    while (!nic->closing && us && clock_now() < until)
        clock_cond_wait(&nic->gate, &nic->lock, until);
    while (!nic->closing && nicsim_knob_get(nic->sw, NICSIM_HANG_INSERTS))
        clock_cond_wait(&nic->gate, &nic->lock, CLOCK_NEVER);
    open = !nic->closing;
    if (!--nic->waiting && nic->closing)
        pthread_cond_broadcast(&nic->gate);
    pthread_mutex_unlock(&nic->lock);
    return open;
}

static void op_put(struct inproc *nic, struct tier_op *op)
{
    const struct flow_desc *desc = op->desc;
    struct nicsim_refusal why;
    struct inproc_rule rule;

    op->refusal.stage = REFUSAL_NONE;
    if (!inproc_translate(nic->sw, desc, &rule, &op->refusal)) {
        op->error = op->refusal.error;
        return;
    }
    if (rule.beyond.stage != REFUSAL_NONE) {
        op->refusal = rule.beyond;
        op->error = rule.beyond.error;
        return;
    }
    if (!pass_gate(nic)) {
        op->error = refuse(&op->refusal, REFUSAL_DRIVER, CULPRIT_TABLE, 0, -ENODEV,
                           "nicsim: the NIC went away");
        return;
    }
    // The table and the copies change together, so that a dump shows what is there.
    pthread_mutex_lock(&nic->lock);
    if (op->type == TIER_INSTALL) {
        op->error = nicsim_rule_insert(nic->sw, &rule.spec, &why);
    } else {
        op->error = nicsim_rule_modify(nic->sw, &rule.spec.id, &rule.spec.actions, &why);
        op->counters_continue = true;
    }
    if (!op->error)
        remember_flow(nic, desc);
    pthread_mutex_unlock(&nic->lock);
    if (op->error)
        inproc_nic_refusal(&why, desc, &rule, &op->refusal);
}

static void fill_stats(const struct nicsim_stats *from, struct tier_stats *ret_stats)
{
    *ret_stats = (struct tier_stats){
        .packets = from->frames,
        .bytes = from->bytes,
        .used = (int64_t)from->last_used_ns,
        .wire = true,
        .age_ms = from->age_ms,
    };
}

// Removals of one batch share a grace period: their rules are unlinked in place and finished at the
// end.
static struct nicsim_rule *op_unlink(struct inproc *nic, struct tier_op *op)
{
    struct nicsim_rule_id id = inproc_rule_id(&op->desc->ufid);
    struct nicsim_rule *rule;

    pthread_mutex_lock(&nic->lock);
    rule = nicsim_rule_unlink(nic->sw, &id);
    forget_flow(nic, &op->desc->ufid);
    pthread_mutex_unlock(&nic->lock);
    op->error = rule ? 0 : -ENOENT;
    return rule;
}

static int inproc_apply(struct tier_channel *channel, struct tier_op *ops, size_t n)
{
    struct inproc *nic = (struct inproc *)channel->tier;
    AUTO_FREE struct nicsim_rule **gone = n ? NEW_ARRAY(struct nicsim_rule *, n) : NULL;
    struct nicsim_stats last;
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (ops[i].type != TIER_REMOVE) {
            op_put(nic, &ops[i]);
            continue;
        }
        gone[i] = op_unlink(nic, &ops[i]);
        any |= gone[i] != NULL;
    }
    if (!any)
        return 0;
    rcu_wait();
    for (size_t i = 0; i < n; i++) {
        if (!gone[i])
            continue;
        nicsim_rule_finish(nic->sw, gone[i], &last);
        fill_stats(&last, &ops[i].last);
        ops[i].final = last.age_ms ? TIER_FINAL_CACHED : TIER_FINAL_EXACT;
    }
    return 0;
}

static int inproc_stats(struct tier_channel *channel, struct tier_stats_req *reqs, size_t n)
{
    struct inproc *nic = (struct inproc *)channel->tier;

    for (size_t i = 0; i < n; i++) {
        struct nicsim_rule_id id = inproc_rule_id(&reqs[i].ufid);
        struct nicsim_stats s;
        reqs[i].error = nicsim_rule_stats(nic->sw, &id, &s);
        if (!reqs[i].error)
            fill_stats(&s, &reqs[i].stats);
    }
    return 0;
}

static int inproc_dump(struct tier_channel *channel, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    struct inproc *nic = (struct inproc *)channel->tier;

    pthread_mutex_lock(&nic->lock);
    for (struct inproc_flow *f = nic->flows; f; f = f->hh.next) {
        struct tier_dumped dumped = {.desc = &f->desc};
        struct nicsim_rule_id id = inproc_rule_id(&f->ufid);
        struct nicsim_stats s;

        if (!ufid_is_ours(&f->ufid, instance) || nicsim_rule_stats(nic->sw, &id, &s))
            continue;
        fill_stats(&s, &dumped.stats);
        cb(aux, &dumped);
    }
    pthread_mutex_unlock(&nic->lock);
    return 0;
}

static int inproc_channel_open(struct tier *tier, struct tier_channel **ret_channel,
                               struct err *err)
{
    struct inproc_channel *c = NEW(struct inproc_channel);

    c->channel.tier = tier;
    *ret_channel = &c->channel;
    return 0;
}

static void inproc_channel_close(struct tier_channel *channel)
{
    free(channel);
}

static int inproc_port_attach(struct tier *tier, const struct tier_port *port, struct err *err)
{
    if (nicsim_port_add(((struct inproc *)tier)->sw, port->dp_port))
        return err_set(err, -EOPNOTSUPP, "the simulated NIC has no port %u", port->dp_port);
    return 0;
}

static bool flow_names_port(const struct flow_desc *desc, dp_port_t port)
{
    if (desc->key.in_port == port)
        return true;
    for (size_t i = 0; i < desc->actions.n; i++) {
        if (desc->actions.v[i].type == ACT_OUTPUT && desc->actions.v[i].port == port)
            return true;
    }
    return false;
}

static void inproc_port_detach(struct tier *tier, dp_port_t port)
{
    struct inproc *nic = (struct inproc *)tier;
    struct inproc_flow *f, *next;

    nicsim_port_del(nic->sw, port);
    pthread_mutex_lock(&nic->lock);
    HASH_ITER (hh, nic->flows, f, next) {
        struct nicsim_rule_id id = inproc_rule_id(&f->ufid);
        if (!flow_names_port(&f->desc, port))
            continue;
        nicsim_rule_remove(nic->sw, &id, NULL);
        forget_flow(nic, &f->desc.ufid);
    }
    pthread_mutex_unlock(&nic->lock);
}

static void inproc_probe(struct tier *tier, struct tier_caps *ret_caps)
{
    inproc_caps(ret_caps);
}

static bool inproc_can_hold(struct tier *tier, const struct flow_desc *desc,
                            struct refusal *ret_refusal)
{
    struct inproc_rule rule;

    return inproc_translate(((struct inproc *)tier)->sw, desc, &rule, ret_refusal);
}

static void inproc_limits(struct tier *tier, struct tier_limits *ret_limits)
{
    struct inproc *nic = (struct inproc *)tier;

    ret_limits->capacity = nicsim_knob_get(nic->sw, NICSIM_CAPACITY);
    ret_limits->used = nicsim_eswitch_used(nic->sw);
}

// Rules end with the process, whatever `keep_flows` says.
static void inproc_close(struct tier *tier, bool keep_flows)
{
    struct inproc *nic = (struct inproc *)tier;
    struct inproc_flow *f, *next;

    // An abandoned channel may still wait at the gate.
    pthread_mutex_lock(&nic->lock);
    nic->closing = true;
    pthread_cond_broadcast(&nic->gate);
    while (nic->waiting)
        clock_cond_wait(&nic->gate, &nic->lock, CLOCK_NEVER);
    pthread_mutex_unlock(&nic->lock);
    HASH_ITER (hh, nic->flows, f, next)
        forget_flow(nic, &f->desc.ufid);
    nicsim_eswitch_free(nic->sw);
    pthread_cond_destroy(&nic->gate);
    pthread_mutex_destroy(&nic->lock);
    free(nic);
}

static const struct tier_ops inproc_ops = {
    .name = "simulated",
    .hardware = true,
    .close = inproc_close,
    .port_attach = inproc_port_attach,
    .port_detach = inproc_port_detach,
    .probe = inproc_probe,
    .can_hold = inproc_can_hold,
    .channel_open = inproc_channel_open,
    .channel_close = inproc_channel_close,
    .apply = inproc_apply,
    .stats = inproc_stats,
    .dump = inproc_dump,
    .limits = inproc_limits,
};

int nicsim_inproc_open(const struct nicsim_inproc_config *config, struct tier **ret_tier,
                       struct err *err)
{
    struct inproc *nic = NEW(struct inproc);
    int code;

    nic->tier.ops = &inproc_ops;
    nic->sw = nicsim_eswitch_new();
    if (!nic->sw) {
        free(nic);
        return err_set(err, -ENOMEM, "no memory for the simulated NIC");
    }
    code = nicsim_knob_set(nic->sw, NICSIM_CACHE_AGE_MS, config->cache_age_ms);
    if (!code && config->capacity)
        code = nicsim_knob_set(nic->sw, NICSIM_CAPACITY, config->capacity);
    if (code) {
        nicsim_eswitch_free(nic->sw);
        free(nic);
        return err_set(err, code, "the simulated NIC cannot have such a capacity or cache age");
    }
    pthread_mutex_init(&nic->lock, NULL);
    clock_cond_init(&nic->gate);
    *ret_tier = &nic->tier;
    return 0;
}

int nicsim_inproc_set(struct tier *tier, const char *knob, uint64_t value, struct err *err)
{
    struct inproc *nic = (struct inproc *)tier;
    int code = -ENOENT;

    if (!strcmp(knob, "reset_counters")) {
        nicsim_eswitch_reset_counters(nic->sw);
        return 0;
    }
    if (!strcmp(knob, "flush")) {
        nicsim_eswitch_flush(nic->sw);
        return 0;
    }
    for (int k = 0; k < NICSIM_KNOB_COUNT; k++) {
        if (!strcmp(knob, nicsim_knob_name(k)))
            code = nicsim_knob_set(nic->sw, k, value);
    }
    if (code == -ENOENT)
        return err_set(err, code, "the simulated NIC has no knob \"%s\"", knob);
    if (code)
        return err_set(err, code, "%s cannot be %llu", knob, (unsigned long long)value);
    pthread_mutex_lock(&nic->lock);
    pthread_cond_broadcast(&nic->gate);
    pthread_mutex_unlock(&nic->lock);
    return 0;
}
