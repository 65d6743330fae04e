// SPDX-License-Identifier: Apache-2.0
// The tc driver as a tier (lib/contract/tier.h). What it knows of each megaflow is which filters hold it; what those counted
// is in the kernel. See tc.h for the ladder of priorities.
//
// Lock: one mutex guards ports, flows and masks in memory; it is never held across netlink, so that a driver that hangs in
// one channel stops neither can_hold() nor another channel. A flow's filters are changed by the inserter alone (the caller
// keeps order per UFID); the reader only takes away superseded ones, which it first takes out of the flow.
#include <errno.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define SETTLE_MS 1500 // superseded filters are read for the last time after this: the NIC's counter cache and some more

// A distinct mask of a port: filters with it share one table in the kernel and NIC.
struct tc_mask {
    UT_hash_handle hh;
    struct {
        dp_port_t dp_port;
        uint32_t protocol;
        uint64_t hash;
    } key;
    uint32_t refs;
};

struct tc_tier {
    struct tier tier;
    struct tc_config config;
    struct nlk_sock *sock; // for ports: the thread that attaches them
    pthread_mutex_t lock;
    struct tc_port *ports;
    struct tc_flow *flows;
    struct tc_mask *masks;
    uint32_t next_handle;
};

struct tc_channel {
    struct tier_channel base;
    struct nlk_sock *sock;
    struct nlk_batch *batch;
};

static struct tc_tier *from_tier(struct tier *t)
{
    return (struct tc_tier *)(void *)((char *)t - offsetof(struct tc_tier, tier));
}

// --- Ports ---

// Under the lock.
static struct tc_port *find_port(const struct tc_tier *t, dp_port_t number)
{
    struct tc_port *port;

    HASH_FIND(hh, t->ports, &number, sizeof number, port);
    return port;
}

static const struct tc_port *port_for_act(const void *aux, dp_port_t number)
{
    return find_port(aux, number);
}

static int delete_ours(struct nlk_sock *, int ifindex, uint8_t instance);

static int port_attach(struct tier *tier, const struct tier_port *want, struct err *err)
{
    struct tc_tier *t = from_tier(tier);
    struct tc_port *port = NULL;
    int r = tc_port_open(t->sock, want, &port, err);

    if (r)
        return r;
    delete_ours(t->sock, port->ifindex, t->config.instance); // of an earlier process
    pthread_mutex_lock(&t->lock);
    HASH_ADD(hh, t->ports, dp_port, sizeof port->dp_port, port);
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static void drop_mask(struct tc_tier *t, struct tc_flow *f);

static void port_detach(struct tier *tier, dp_port_t number)
{
    struct tc_tier *t = from_tier(tier);
    struct tc_flow *f, *next;

    pthread_mutex_lock(&t->lock);
    struct tc_port *port = find_port(t, number);
    if (port)
        HASH_DEL(t->ports, port);
    HASH_ITER(hh, t->flows, f, next)
    {
        if (f->dp_port == number) {
            drop_mask(t, f);
            HASH_DEL(t->flows, f);
            free(f);
        }
    }
    pthread_mutex_unlock(&t->lock);
    if (port) {
        delete_ours(t->sock, port->ifindex, t->config.instance);
        tc_port_close(t->sock, port);
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

static void take_mask(struct tc_tier *t, struct tc_flow *f, const struct flow_key *mask)
{
    struct tc_mask *m = find_mask(t, f->dp_port, f->now.id.protocol, mask);

    if (!m) {
        m = NEW(struct tc_mask);
        m->key.dp_port = f->dp_port;
        m->key.protocol = f->now.id.protocol;
        m->key.hash = mask_hash(mask);
        HASH_ADD(hh, t->masks, key, sizeof m->key, m);
    }
    m->refs++;
    f->mask = m;
}

static void drop_mask(struct tc_tier *t, struct tc_flow *f)
{
    if (f->mask && --f->mask->refs == 0) {
        HASH_DEL(t->masks, f->mask);
        free(f->mask);
    }
    f->mask = NULL;
}

// Under the lock. With a message, puts match and actions as well. 0 or a negative errno, refused.
static int express(struct tc_tier *t, struct nlk_msg *m, const struct flow_desc *d, be16_t *ret_protocol, struct refusal *why)
{
    struct tc_act_ctx ctx = {.m = m, .desc = d, .port = port_for_act, .aux = t, .refusal = why};

    if (!find_port(t, d->key.in_port))
        return refuse(why, REFUSAL_CHECK, CULPRIT_PORT, d->key.in_port, -EOPNOTSUPP,
                      "the input port is not a port of a switching NIC with hw-tc-offload on");
    int r = tc_put_match(m, d, ret_protocol, why);
    return r ? r : tc_put_actions(&ctx);
}

static bool can_hold(struct tier *tier, const struct flow_desc *d, struct refusal *ret)
{
    struct tc_tier *t = from_tier(tier);
    be16_t protocol = 0;

    pthread_mutex_lock(&t->lock);
    int r = express(t, NULL, d, &protocol, ret);
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

// --- Operations ---

struct pending {
    struct tc_tier *t;
    struct tier_op *op;
    struct tc_flow *flow;
    struct tc_copy fresh; // INSTALL, MODIFY: the filter that is being made
    struct tier_stats got; // of filters deleted by this operation
    bool from_top; // MODIFY: back to the bottom
    int64_t before; // clock_now() when it was sent
};

static void add_stats(struct tier_stats *sum, const struct tier_stats *s)
{
    sum->packets += s->packets;
    sum->bytes += s->bytes;
    sum->used = MAX_OF(sum->used, s->used);
    sum->tcp_flags |= s->tcp_flags;
    sum->age_ms = MAX_OF(sum->age_ms, s->age_ms);
    sum->wire = true;
}

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
    struct pending *p = arg;
    struct tc_filter_info info;

    if (tc_filter_parse(nlh, &info, NULL) == 0)
        add_stats(&p->got, &info.stats);
    return 0;
}

// Where a refusal comes from. The kernel's own parser answers -EINVAL and the like before a driver is asked.
static enum refusal_stage stage_of(int error)
{
    if (error == -ENOSPC)
        return REFUSAL_CAPACITY;
    return error == -EINVAL || error == -ERANGE || error == -ENOENT || error == -EEXIST || error == -EPERM ||
                   error == -ENODEV || error == -ENOMEM
               ? REFUSAL_KERNEL
               : REFUSAL_DRIVER;
}

static void on_made(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    struct pending *p = arg;

    p->op->error = error;
    if (!error)
        return;
    refuse(&p->op->refusal, stage_of(error), error == -ENOSPC ? CULPRIT_TABLE : CULPRIT_NONE, 0, error, "%s",
           sentence ? sentence : strerror(-error));
    if (sentence && error != -ENOSPC)
        tc_find_culprit(p->op->desc, sentence, &p->op->refusal);
}

static void on_deleted(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    struct pending *p = arg;

    if (p->op->type == TIER_REMOVE && error && error != -ENOENT)
        p->op->error = error;
}

static void put_flags(struct nlk_msg *m, const struct tc_tier *t)
{
    nlk_put_u32(m, TCA_FLOWER_FLAGS,
                (t->config.policy == TC_POLICY_SKIP_HW ? TCA_CLS_FLAGS_SKIP_HW : TCA_CLS_FLAGS_SKIP_SW) |
                    TCA_CLS_FLAGS_VERBOSE);
}

// Under the lock. Fills p->fresh and the message.
static int make_filter(struct pending *p, struct nlk_msg *m, unsigned rung)
{
    struct tc_tier *t = p->t;
    const struct flow_desc *d = p->op->desc;
    const struct tc_port *port = find_port(t, d->key.in_port);
    be16_t protocol = 0;
    int r = express(t, NULL, d, &protocol, &p->op->refusal);

    if (r)
        return r;
    if (++t->next_handle == 0)
        t->next_handle = 1;
    p->fresh = (struct tc_copy){.id = {port->ifindex, protocol, tc_rung_prio(protocol, rung), t->next_handle}, .rung = rung};
    tc_filter_msg(m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &p->fresh.id);
    size_t options = nlk_nest_start(m, TCA_OPTIONS);
    put_flags(m, t);
    nlk_put(m, TCA_FLOWER_KEY_ETH_TYPE, &protocol, sizeof protocol);
    r = express(t, m, d, &protocol, &p->op->refusal);
    nlk_nest_end(m, options);
    return r;
}

static void add_delete(struct tc_channel *c, struct pending *p, const struct tc_filter_id *id)
{
    struct nlk_msg m;

    tc_filter_msg(&m, RTM_DELTFILTER, NLM_F_ECHO, id);
    nlk_batch_add(c->batch, &m, on_filter, on_deleted, p);
    nlk_msg_done(&m);
}

static struct tc_flow *find_flow(struct tc_tier *t, const struct ufid *ufid)
{
    struct tc_flow *f;

    HASH_FIND(hh, t->flows, ufid, sizeof *ufid, f);
    return f;
}

// Under the lock. Adds the operation's messages to the batch, or sets its error.
static void start_op(struct tc_channel *c, struct pending *p)
{
    struct tier_op *op = p->op;
    struct nlk_msg m = {0};
    unsigned rung = 0;

    p->flow = find_flow(p->t, &op->desc->ufid);
    p->before = clock_now();
    if (op->type == TIER_INSTALL ? p->flow != NULL : p->flow == NULL) {
        op->error = op->type == TIER_INSTALL ? -EEXIST : -ENOENT;
        refuse(&op->refusal, REFUSAL_CHECK, CULPRIT_NONE, 0, op->error, "the NIC %s this megaflow",
               p->flow ? "already has" : "does not have");
        return;
    }
    if (op->type == TIER_REMOVE) {
        add_delete(c, p, &p->flow->now.id);
        for (unsigned i = 0; i < p->flow->n_old; i++)
            add_delete(c, p, &p->flow->old[i].copy.id);
        return;
    }
    if (op->type == TIER_MODIFY) {
        p->from_top = p->flow->now.rung == TC_RUNGS - 1;
        rung = p->from_top ? 0 : p->flow->now.rung + 1;
    }
    op->error = make_filter(p, &m, rung);
    if (!op->error)
        nlk_batch_add(c->batch, &m, NULL, on_made, p);
    if (m.hdr)
        nlk_msg_done(&m);
}

static void finish_install(struct pending *p)
{
    struct tc_flow *f = NEW(struct tc_flow);

    f->ufid = p->op->desc->ufid;
    f->dp_port = p->op->desc->key.in_port;
    f->now = p->fresh;
    take_mask(p->t, f, &p->op->desc->mask);
    HASH_ADD(hh, p->t->flows, ufid, sizeof f->ufid, f);
}

// The new filter stands above the old one, which gets nothing from now on and is read when the NIC's cache has settled.
static void finish_climb(struct pending *p)
{
    struct tc_flow *f = p->flow;

    f->old[f->n_old++] = (struct tc_superseded){.copy = f->now, .since = clock_now()};
    f->now = p->fresh;
    p->op->counters_continue = true;
}

// Banked and deleted counters together are the flow's last word.
static void finish_last(struct pending *p)
{
    struct tier_op *op = p->op;
    struct tc_flow *f = p->flow;

    op->last = p->got;
    op->last.packets += f->banked_packets;
    op->last.bytes += f->banked_bytes;
    op->last.used = MAX_OF(op->last.used, f->last.used);
    // Deleting reads the counters before the NIC stops: what came meanwhile, and what its cache had not yet shown, is lost.
    op->final = TIER_FINAL_CACHED;
    op->last.age_ms = p->got.age_ms + (uint32_t)((clock_now() - p->before) / NSEC_PER_MSEC) + 1;
}

static void finish_remove(struct pending *p)
{
    finish_last(p);
    drop_mask(p->t, p->flow);
    HASH_DEL(p->t->flows, p->flow);
    free(p->flow);
}

static void finish_descent(struct pending *p)
{
    finish_last(p);
    p->flow->now = p->fresh;
    p->flow->n_old = 0;
    p->flow->banked_packets = p->flow->banked_bytes = 0;
    memset(&p->flow->last, 0, sizeof p->flow->last);
}

// Under the lock, after the batch. A flow whose port was detached meanwhile is gone from the table.
static void finish_op(struct pending *p)
{
    if (p->op->error)
        return;
    if (p->op->type != TIER_INSTALL && find_flow(p->t, &p->op->desc->ufid) != p->flow) {
        p->op->error = -ENOENT;
        return;
    }
    if (p->op->type == TIER_INSTALL)
        finish_install(p);
    else if (p->op->type == TIER_REMOVE)
        finish_remove(p);
    else if (p->from_top)
        finish_descent(p);
    else
        finish_climb(p);
}

// One operation per UFID and pass; operations on the same UFID in one batch take turns.
static size_t pass_length(const struct tier_op *ops, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (ufid_equal(&ops[i].desc->ufid, &ops[k].desc->ufid))
                return i;
        }
    }
    return n;
}

static int apply_pass(struct tc_channel *c, struct tier_op *ops, size_t n)
{
    struct tc_tier *t = from_tier(c->base.tier);
    AUTO_FREE struct pending *v = NEW_ARRAY(struct pending, n);
    bool descents = false;
    int r;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        ops[i].error = 0;
        ops[i].counters_continue = false;
        ops[i].final = TIER_FINAL_EXACT;
        memset(&ops[i].refusal, 0, sizeof ops[i].refusal);
        memset(&ops[i].last, 0, sizeof ops[i].last);
        v[i] = (struct pending){.t = t, .op = &ops[i]};
        start_op(c, &v[i]);
    }
    pthread_mutex_unlock(&t->lock);
    r = nlk_batch_run(c->batch, NULL);

    for (size_t i = 0; i < n; i++) { // the new filter is at the bottom: the old ones above it go now
        if (!v[i].from_top || ops[i].error)
            continue;
        descents = true;
        add_delete(c, &v[i], &v[i].flow->now.id);
        for (unsigned k = 0; k < v[i].flow->n_old; k++)
            add_delete(c, &v[i], &v[i].flow->old[k].copy.id);
    }
    if (descents)
        nlk_batch_run(c->batch, NULL);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++)
        finish_op(&v[i]);
    pthread_mutex_unlock(&t->lock);
    return r;
}

static int apply(struct tier_channel *channel, struct tier_op *ops, size_t n)
{
    int r = 0;

    while (n && !r) {
        size_t pass = pass_length(ops, n);

        r = apply_pass((struct tc_channel *)channel, ops, pass);
        ops += pass;
        n -= pass;
    }
    for (size_t i = 0; i < n; i++)
        ops[i].error = r;
    return r;
}

// --- Counters ---

// One filter that is read, or read a last time and deleted.
struct filter_read {
    struct tc_filter_id id;
    struct tier_stats stats;
    int error;
};

static int on_read(const struct nlmsghdr *nlh, void *arg)
{
    struct filter_read *read = arg;
    struct tc_filter_info info;

    if (tc_filter_parse(nlh, &info, NULL) == 0)
        read->stats = info.stats;
    return 0;
}

static void on_read_done(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    struct filter_read *read = arg;

    read->error = error == -ENODEV ? -ENOENT : error;
}

static void add_read(struct tc_channel *c, struct filter_read *read, bool delete)
{
    struct nlk_msg m;

    tc_filter_msg(&m, delete ? RTM_DELTFILTER : RTM_GETTFILTER, delete ? NLM_F_ECHO : 0, &read->id);
    nlk_batch_add(c->batch, &m, on_read, on_read_done, read);
    nlk_msg_done(&m);
}

struct reading {
    struct tier_stats_req *req;
    unsigned n; // filters read; [0] is the one that takes packets
    struct filter_read filters[TC_RUNGS];
    unsigned n_settled;
    struct filter_read settled[TC_RUNGS]; // superseded for long enough: .stats as read, to be deleted
};

// Under the lock.
static void start_reading(struct tc_tier *t, struct reading *r)
{
    const struct tc_flow *f = find_flow(t, &r->req->ufid);

    r->req->error = f ? 0 : -ENOENT;
    if (!f)
        return;
    r->filters[r->n++].id = f->now.id;
    for (unsigned i = 0; i < f->n_old; i++)
        r->filters[r->n++].id = f->old[i].copy.id;
}

static const struct filter_read *read_of(const struct reading *r, uint32_t handle)
{
    for (unsigned i = 0; i < r->n; i++) {
        if (r->filters[i].id.handle == handle)
            return &r->filters[i];
    }
    return NULL;
}

// Under the lock. Adds up; takes settled filters out of the flow, what they counted into its bank.
static void finish_reading(struct tc_tier *t, struct reading *r)
{
    struct tc_flow *f = r->req->error ? NULL : find_flow(t, &r->req->ufid);
    unsigned kept = 0;

    if (!f || r->filters[0].error) {
        r->req->error = r->req->error ? r->req->error : f ? r->filters[0].error : -ENOENT;
        return;
    }
    memset(&r->req->stats, 0, sizeof r->req->stats);
    for (unsigned i = 0; i < r->n; i++)
        add_stats(&r->req->stats, &r->filters[i].stats);
    r->req->stats.packets += f->banked_packets;
    r->req->stats.bytes += f->banked_bytes;
    f->last = r->req->stats;
    for (unsigned i = 0; i < f->n_old; i++) {
        const struct filter_read *read = read_of(r, f->old[i].copy.id.handle);

        if (!read || read->error || clock_now() - f->old[i].since < SETTLE_MS * NSEC_PER_MSEC) {
            f->old[kept++] = f->old[i];
            continue;
        }
        f->banked_packets += read->stats.packets;
        f->banked_bytes += read->stats.bytes;
        r->settled[r->n_settled++] = *read;
    }
    f->n_old = kept;
}

// Under the lock: what the last echo of a settled filter said beyond its reading.
static void bank_rest(struct tc_tier *t, struct reading *r, const struct filter_read *last)
{
    struct tc_flow *f = find_flow(t, &r->req->ufid);

    for (unsigned i = 0; f && i < r->n_settled; i++) {
        if (last[i].stats.packets > r->settled[i].stats.packets) {
            f->banked_packets += last[i].stats.packets - r->settled[i].stats.packets;
            f->banked_bytes += last[i].stats.bytes - r->settled[i].stats.bytes;
        }
    }
}

static void delete_settled(struct tc_channel *c, struct reading *v, size_t n)
{
    struct tc_tier *t = from_tier(c->base.tier);

    for (size_t i = 0; i < n; i++) {
        struct filter_read last[TC_RUNGS];

        if (!v[i].n_settled)
            continue;
        for (unsigned k = 0; k < v[i].n_settled; k++) {
            last[k] = (struct filter_read){.id = v[i].settled[k].id};
            add_read(c, &last[k], true);
        }
        nlk_batch_run(c->batch, NULL);
        pthread_mutex_lock(&t->lock);
        bank_rest(t, &v[i], last);
        pthread_mutex_unlock(&t->lock);
    }
}

static int stats(struct tier_channel *channel, struct tier_stats_req *reqs, size_t n)
{
    struct tc_channel *c = (struct tc_channel *)channel;
    struct tc_tier *t = from_tier(c->base.tier);
    AUTO_FREE struct reading *v = NEW_ARRAY(struct reading, n);

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        v[i].req = &reqs[i];
        start_reading(t, &v[i]);
    }
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < v[i].n; k++)
            add_read(c, &v[i].filters[k], false);
    }
    int r = nlk_batch_run(c->batch, NULL);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++)
        finish_reading(t, &v[i]);
    pthread_mutex_unlock(&t->lock);
    delete_settled(c, v, n);
    return r;
}

// --- Dump, for what an earlier process left ---

static int dump_filters(struct nlk_sock *sock, int ifindex, nlk_msg_fn *entry, void *arg)
{
    struct nlk_msg m;

    nlk_msg_init(&m, RTM_GETTFILTER, 0);
    struct tcmsg *tcm = nlk_put_header(&m, sizeof *tcm);
    tcm->tcm_ifindex = ifindex;
    tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    int r = nlk_dump(sock, &m, entry, NULL, arg, NULL);
    nlk_msg_done(&m);
    return r;
}

struct dump {
    struct tc_tier *t;
    uint8_t instance;
    dp_port_t in_port;
    tier_dump_fn *cb;
    void *aux;
};

static dp_port_t port_by_ifindex(const void *aux, int ifindex)
{
    const struct tc_tier *t = aux;

    for (const struct tc_port *p = t->ports; p; p = p->hh.next) {
        if (p->ifindex == ifindex)
            return p->dp_port;
    }
    return DP_PORT_NONE;
}

static int on_dumped(const struct nlmsghdr *nlh, void *arg)
{
    struct dump *d = arg;
    struct tc_filter_info info;
    struct flow_desc desc = {0};
    struct tier_dumped dumped = {.desc = &desc};

    if (tc_filter_parse(nlh, &info, NULL) || !info.has_ufid || !ufid_is_ours(&info.ufid, d->instance))
        return 0;
    desc.ufid = info.ufid;
    tc_get_match(info.options, info.id.protocol, &desc.key, &desc.mask, NULL);
    desc.key.in_port = d->in_port;
    desc.mask.in_port = UINT32_MAX;
    if (info.actions)
        tc_get_actions(info.actions, port_by_ifindex, d->t, &desc.actions, NULL);
    dumped.stats = info.stats;
    d->cb(d->aux, &dumped);
    flow_desc_done(&desc);
    return 0;
}

static int dump(struct tier_channel *channel, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    struct tc_channel *c = (struct tc_channel *)channel;
    struct tc_tier *t = from_tier(c->base.tier);
    int r = 0;

    for (struct tc_port *p = t->ports; p && !r; p = p->hh.next) {
        struct dump d = {t, instance, p->dp_port, cb, aux};

        r = dump_filters(c->sock, p->ifindex, on_dumped, &d);
    }
    return r;
}

// --- Filters of ours that nobody remembers ---

struct found {
    uint8_t instance;
    size_t n, allocated;
    struct tc_filter_id *ids;
};

static int on_found(const struct nlmsghdr *nlh, void *arg)
{
    struct found *found = arg;
    struct tc_filter_info info;

    if (tc_filter_parse(nlh, &info, NULL) || !info.has_ufid || !ufid_is_ours(&info.ufid, found->instance) ||
        !tc_prio_is_ours(info.id.prio))
        return 0;
    GROW_ARRAY(found->ids, found->allocated, found->n + 1);
    found->ids[found->n++] = info.id;
    return 0;
}

static int delete_ours(struct nlk_sock *sock, int ifindex, uint8_t instance)
{
    struct found found = {.instance = instance};
    int r = dump_filters(sock, ifindex, on_found, &found);

    for (size_t i = 0; i < found.n; i++) {
        struct nlk_msg m;

        tc_filter_msg(&m, RTM_DELTFILTER, 0, &found.ids[i]);
        nlk_transact(sock, &m, NULL, NULL, NULL);
        nlk_msg_done(&m);
    }
    free(found.ids);
    return r;
}

// --- Life ---

static void limits(struct tier *tier, struct tier_limits *ret)
{
    struct tc_tier *t = from_tier(tier);

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
    struct tc_tier *t = from_tier(tier);
    struct tc_port *port, *next_port;
    struct tc_flow *f, *next_flow;

    HASH_ITER(hh, t->flows, f, next_flow)
    {
        drop_mask(t, f);
        HASH_DEL(t->flows, f);
        free(f);
    }
    HASH_ITER(hh, t->ports, port, next_port)
    {
        HASH_DEL(t->ports, port);
        if (keep_flows) {
            free(port);
        } else {
            delete_ours(t->sock, port->ifindex, t->config.instance);
            tc_port_close(t->sock, port);
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
    .apply = apply,
    .stats = stats,
    .dump = dump,
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
