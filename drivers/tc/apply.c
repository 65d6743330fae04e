// SPDX-License-Identifier: Apache-2.0
// Operations on megaflows in the NIC: batches of filters added and deleted. See tc.h for the ladder of priorities.
//
// A change adds the new filter on a better rung; the old one gets nothing from then on and stays to be read (counters.c). From
// the top a megaflow goes back to the bottom: the new filter enters below, then those above go, in the order in which they
// stopped taking packets, so that none of them takes any again.
//
// Thread: the channel's. A flow's filters are changed by one thread at a time, because the caller keeps order per UFID; the
// lock is held while messages are built and results are filed, not between.
#include <errno.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

// One filter that an operation deletes.
struct deletion {
    struct pending *p;
    struct tc_filter_id id;
    struct tier_stats stats;
    bool late; // a superseded version's; else the one that took packets
};

struct pending {
    struct tc_tier *t;
    struct tier_op *op;
    struct tc_flow *flow; // only to be compared, without the lock
    struct tc_copy fresh; // INSTALL, MODIFY: the filter that is being made
    bool sent; // the request for it
    bool descends; // MODIFY: to the bottom
    int64_t before; // clock_now() when it began
    unsigned n;
    struct deletion deletions[TC_RUNGS + 2]; // superseded ones, the present one, an orphan
    bool orphaned; // the port went meanwhile: `fresh` has to go too
};

// --- Answers ---

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
    struct deletion *d = arg;
    struct tc_filter_info info;

    if (tc_filter_parse(nlh, &info, NULL) == 0)
        d->stats = info.stats;
    return 0;
}

// Where a refusal comes from. The kernel's own parser answers -EINVAL and the like before a driver is asked.
static enum refusal_stage stage_of(int error)
{
    switch (-error) {
    case ENOSPC:
        return REFUSAL_CAPACITY;
    case EINVAL:
    case ERANGE:
    case ENOENT:
    case EEXIST:
    case EPERM:
    case ENODEV:
    case ENOMEM:
    case ENOBUFS:
        return REFUSAL_KERNEL;
    }
    return REFUSAL_DRIVER;
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

// What is not there is deleted; -EINVAL: not even a qdisc is.
static void on_removed(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    const struct deletion *d = arg;

    if (error && error != -ENOENT && error != -ENODEV && error != -EINVAL)
        d->p->op->error = error;
}

static void ignore(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
}

// --- Building; under the lock ---

static void put_flags(struct nlk_msg *m, const struct tc_tier *t)
{
    nlk_put_u32(m, TCA_FLOWER_FLAGS,
                (t->config.policy == TC_POLICY_SKIP_HW ? TCA_CLS_FLAGS_SKIP_HW : TCA_CLS_FLAGS_SKIP_SW) |
                    TCA_CLS_FLAGS_VERBOSE);
}

static void add_filter(struct tc_channel *c, struct pending *p, unsigned rung)
{
    struct tc_tier *t = p->t;
    struct tier_op *op = p->op;
    const struct flow_desc *d = op->desc;
    const struct tc_port *port = tc_find_port(t, d->key.in_port);
    be16_t protocol = 0;
    struct nlk_msg m;

    op->error = tc_express(t, NULL, d, &protocol, &op->refusal);
    if (op->error)
        return;
    if (++t->next_handle == 0)
        t->next_handle = 1;
    p->fresh = (struct tc_copy){.id = {port->ifindex, protocol, tc_rung_prio(protocol, rung), t->next_handle}, .rung = rung};
    tc_filter_msg(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &p->fresh.id);
    size_t options = nlk_nest_start(&m, TCA_OPTIONS);
    put_flags(&m, t);
    nlk_put(&m, TCA_FLOWER_KEY_ETH_TYPE, &protocol, sizeof protocol);
    op->error = tc_express(t, &m, d, &protocol, &op->refusal);
    nlk_nest_end(&m, options);
    p->sent = !op->error;
    if (p->sent)
        nlk_batch_add(c->batch, &m, NULL, on_made, p);
    nlk_msg_done(&m);
}

static void delete_filter(struct tc_channel *c, struct pending *p, const struct tc_filter_id *id, bool late, nlk_done_fn *done)
{
    struct deletion *d = &p->deletions[p->n++];
    struct nlk_msg m;

    *d = (struct deletion){.p = p, .id = *id, .late = late};
    tc_filter_msg(&m, RTM_DELTFILTER, NLM_F_ECHO, id);
    nlk_batch_add(c->batch, &m, on_filter, done, d);
    nlk_msg_done(&m);
}

static void start_modify(struct tc_channel *c, struct pending *p)
{
    struct tc_flow *f = p->flow;

    p->descends = f->now.rung == TC_RUNGS - 1;
    for (unsigned i = 0; p->descends && i < f->n_old; i++) {
        if (f->old[i].copy.rung == 0) // in the way of the new one
            delete_filter(c, p, &f->old[i].copy.id, true, ignore);
    }
    add_filter(c, p, p->descends ? 0 : f->now.rung + 1);
}

// Adds the operation's messages to the batch, or sets its error.
static void start_op(struct tc_channel *c, struct pending *p)
{
    struct tier_op *op = p->op;

    p->flow = tc_find_flow(p->t, &op->desc->ufid);
    p->before = clock_now();
    if (op->type == TIER_INSTALL ? p->flow != NULL : p->flow == NULL) {
        op->error = op->type == TIER_INSTALL ? -EEXIST : -ENOENT;
        refuse(&op->refusal, REFUSAL_CHECK, CULPRIT_NONE, 0, op->error, "the NIC %s this megaflow",
               p->flow ? "already has" : "does not have");
        return;
    }
    if (op->type == TIER_INSTALL) {
        add_filter(c, p, 0);
    } else if (op->type == TIER_MODIFY) {
        start_modify(c, p);
    } else {
        for (unsigned i = 0; i < p->flow->n_old; i++)
            delete_filter(c, p, &p->flow->old[i].copy.id, true, on_removed);
        delete_filter(c, p, &p->flow->now.id, false, on_removed);
    }
}

// After the first batch: what stands above a filter that entered at the bottom goes.
static bool start_descent(struct tc_channel *c, struct pending *p)
{
    struct tc_flow *f = tc_find_flow(p->t, &p->op->desc->ufid);

    if (!p->descends || p->op->error || f != p->flow)
        return false;
    for (unsigned i = 0; i < f->n_old; i++) {
        if (f->old[i].copy.rung)
            delete_filter(c, p, &f->old[i].copy.id, true, ignore);
    }
    delete_filter(c, p, &f->now.id, false, ignore);
    return true;
}

// --- Filing; under the lock ---

static void file_deletions(struct pending *p)
{
    struct tier_op *op = p->op;

    for (unsigned i = 0; i < p->n; i++) {
        const struct deletion *d = &p->deletions[i];

        if (d->late)
            op->late[op->n_late++] = (struct tier_late){tc_handle(&d->id), d->stats};
        else
            op->last = d->stats;
    }
}

// Deleting reads the counters before the NIC stops: what came meanwhile, and what its cache had not yet shown, is lost.
static void file_last(struct pending *p)
{
    p->op->final = TIER_FINAL_CACHED;
    p->op->last.age_ms += (uint32_t)((clock_now() - p->before) / NSEC_PER_MSEC) + 1;
}

static void forget_old(struct tc_flow *f, uint32_t handle)
{
    for (unsigned i = 0; i < f->n_old; i++) {
        if (f->old[i].copy.id.handle == handle)
            f->old[i--] = f->old[--f->n_old];
    }
}

static void finish_modify(struct pending *p)
{
    struct tc_flow *f = p->flow;

    if (p->descends) {
        file_last(p);
    } else {
        f->old[f->n_old].copy = f->now;
        f->old[f->n_old++].since = clock_now();
        p->op->counters_late = true;
    }
    f->now = p->fresh;
    p->op->handle = tc_handle(&f->now.id);
}

// No answer came: the new filter may be there. It is remembered, so that a removal takes it away.
static void finish_unanswered(struct pending *p)
{
    if (!p->flow) {
        tc_flow_add(p->t, p->op->desc, &p->fresh);
        return;
    }
    if (p->flow->n_old < TC_RUNGS) {
        p->flow->old[p->flow->n_old].copy = p->fresh;
        p->flow->old[p->flow->n_old++].since = CLOCK_NEVER;
    }
}

// `failed`: the channel's error.
static void finish_op(struct pending *p, int failed)
{
    struct tier_op *op = p->op;
    bool same = tc_find_flow(p->t, &op->desc->ufid) == p->flow;

    file_deletions(p);
    p->orphaned = p->sent && (!same || !tc_find_port(p->t, op->desc->key.in_port));
    if (p->orphaned || !same) { // its port was detached meanwhile
        op->error = op->error ? op->error : op->type == TIER_INSTALL ? -ENODEV : -ENOENT;
        refuse(&op->refusal, REFUSAL_CHECK, CULPRIT_PORT, op->desc->key.in_port, op->error, "the port is gone");
        return;
    }
    for (unsigned i = 0; op->type == TIER_MODIFY && i < p->n; i++)
        forget_old(p->flow, p->deletions[i].id.handle);
    if (op->error) {
        if (failed && op->error == failed && p->sent)
            finish_unanswered(p);
    } else if (op->type == TIER_INSTALL) {
        tc_flow_add(p->t, op->desc, &p->fresh);
        op->handle = tc_handle(&p->fresh.id);
    } else if (op->type == TIER_MODIFY) {
        finish_modify(p);
    } else {
        file_last(p);
        tc_flow_forget(p->t, p->flow);
    }
}

// --- Batches ---

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

static void start_all(struct tc_channel *c, struct pending *v, struct tier_op *ops, size_t n)
{
    struct tc_tier *t = tc_from_tier(c->base.tier);

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        ops[i].error = 0;
        ops[i].counters_continue = ops[i].counters_late = false;
        ops[i].final = TIER_FINAL_EXACT;
        ops[i].n_late = 0;
        memset(&ops[i].refusal, 0, sizeof ops[i].refusal);
        memset(&ops[i].last, 0, sizeof ops[i].last);
        v[i] = (struct pending){.t = t, .op = &ops[i]};
        start_op(c, &v[i]);
    }
    pthread_mutex_unlock(&t->lock);
}

static int apply_pass(struct tc_channel *c, struct tier_op *ops, size_t n)
{
    struct tc_tier *t = tc_from_tier(c->base.tier);
    AUTO_FREE struct pending *v = NEW_ARRAY(struct pending, n);
    bool descents = false, orphans = false;

    start_all(c, v, ops, n);
    int r = nlk_batch_run(c->batch, NULL);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++)
        descents |= start_descent(c, &v[i]);
    pthread_mutex_unlock(&t->lock);
    if (descents)
        nlk_batch_run(c->batch, NULL);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        finish_op(&v[i], r);
        if (v[i].orphaned) {
            delete_filter(c, &v[i], &v[i].fresh.id, false, ignore);
            orphans = true;
        }
    }
    pthread_mutex_unlock(&t->lock);
    if (orphans)
        nlk_batch_run(c->batch, NULL);
    return r;
}

int tc_apply(struct tier_channel *channel, struct tier_op *ops, size_t n)
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
