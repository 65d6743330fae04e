// SPDX-License-Identifier: Apache-2.0
// The owner's side of a placement: install, change, remove, read, collect, review.
//
// The software copy is worked on here, on the caller's channel; of the hardware copy only the wish
// is written here (offload/copy.c), which inserters follow. The decision where a megaflow should be
// is place_decide() and nowhere else.
//
// Invariants: a software change is done before the hardware copy is told; a hardware copy is wanted
// only while the software tier has its twin; `reviewed` is the epoch read before the decision, so
// that a change during it is seen by the next review.
#include "offload/private.h"

#include <errno.h>
#include <string.h>

#define STACK_BATCH 64

struct place_version *place_version_ref(struct place_version *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void place_version_unref(struct place_version *v)
{
    if (v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1)
        v->release(v);
}

const char *place_state_name(enum place_state s)
{
    static const char *const names[] = {"software",   "refused",  "queued",
                                        "installing", "hardware", "removing"};
    return (size_t)s < ARRAY_SIZE(names) ? names[s] : "?";
}

void place_owner_init(struct place_owner *owner, struct offload *o, void (*wake)(void *aux),
                      void *aux)
{
    *owner = (struct place_owner){.offload = o, .wake = wake, .aux = aux};
    CDS_INIT_LIST_HEAD(&owner->closed);
    pthread_mutex_lock(&o->lock);
    cds_list_add(&owner->listed, &o->owners);
    pthread_mutex_unlock(&o->lock);
}

void place_owner_done(struct place_owner *owner)
{
    pthread_mutex_lock(&owner->offload->lock);
    cds_list_del(&owner->listed);
    pthread_mutex_unlock(&owner->offload->lock);
}

void place_init(struct placement *p, struct place_owner *owner)
{
    memset(p, 0, sizeof(*p));
    p->offload = owner->offload;
    p->owner = owner;
    p->why.retry_at = CLOCK_NEVER;
}

void place_done(struct placement *p)
{
    struct offload *o = p->offload;
    struct place_version *version = p->version;
    rcu_set(p->version, NULL);
    place_version_unref(version);
    pthread_mutex_lock(&o->lock);
    why_clear(p);
    struct place_version *want = p->hw.want, *have = p->hw.have;
    struct place_final *finals = p->finals;
    struct place_late *late = p->hw.late;
    p->hw.want = p->hw.have = NULL;
    p->hw.late = NULL;
    p->finals = NULL;
    pthread_mutex_unlock(&o->lock);
    lates_free(late);
    place_version_unref(want);
    place_version_unref(have);
    finals_free(finals);
}

static bool list_may_split(const struct act_list *list, struct refusal *why)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct act *a = &list->v[i];
        const char *reason = NULL;
        switch (a->type) {
        case ACT_METER:
            reason = "a meter's megaflows have to live in one tier: two token buckets admit "
                     "twice the rate";
            break;
        case ACT_HASH:
            reason = "tiers hash differently, so that connections would change their bucket";
            break;
        case ACT_CT:
        case ACT_RECIRC:
            reason = "a chain of megaflows is offloaded whole or not at all";
            break;
        case ACT_CLONE:
            if (!list_may_split(a->nested, why))
                return false;
            break;
        case ACT_SAMPLE:
            if (!list_may_split(a->sample.actions, why))
                return false;
            break;
        case ACT_CHECK_LEN:
            if (!list_may_split(a->check_len.greater, why) ||
                !list_may_split(a->check_len.less_equal, why))
                return false;
            break;
        default:
            break;
        }
        if (reason) {
            refuse(why, REFUSAL_POLICY, CULPRIT_ACTION, a->type, -EOPNOTSUPP, "%s", reason);
            return false;
        }
    }
    return true;
}

bool placement_may_split(const struct flow_desc *desc, struct refusal *ret_why)
{
    if (desc->key.recirc_id) {
        refuse(ret_why, REFUSAL_POLICY, CULPRIT_FIELD, FIELD_RECIRC_ID, -EOPNOTSUPP,
               "a chain of megaflows is offloaded whole or not at all");
        return false;
    }
    return list_may_split(&desc->actions, ret_why);
}

struct hw_tier *place_decide(struct offload *o, const struct placement *p,
                             const struct flow_desc *desc, struct refusal *why,
                             struct hw_tier **ret_refuser)
{
    *ret_refuser = NULL;
    why->stage = REFUSAL_NONE;
    if (p->pinned_down)
        refuse(why, REFUSAL_POLICY, CULPRIT_NONE, 0, -ECANCELED, "it was demoted by request");
    else if (offload_policy(o) == PLACE_OFF)
        refuse(why, REFUSAL_POLICY, CULPRIT_NONE, 0, -EPERM, "hardware offload is off");
    else if (!o->n_tiers)
        refuse(why, REFUSAL_POLICY, CULPRIT_NONE, 0, -ENODEV, "there is no hardware to use");
    else if (!p->sw.installed)
        refuse(why, REFUSAL_POLICY, CULPRIT_NONE, 0, -ENOENT,
               "the software tier doesn't have its copy");
    else
        placement_may_split(desc, why);
    if (why->stage != REFUSAL_NONE)
        return NULL;
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct hw_tier *t = &o->tiers[i];
        struct refusal r = {.stage = REFUSAL_NONE};
        if (t->health == HW_HUNG)
            refuse(&r, REFUSAL_TIMEOUT, CULPRIT_TABLE, 0, -ETIMEDOUT,
                   "%s has not answered for %u ms and gets nothing until it does",
                   t->tier->ops->name, (unsigned)(o->hang_ns / NSEC_PER_MSEC));
        else if (t->tier->ops->can_hold(t->tier, desc, &r))
            return t;
        // That a port belongs to another tier says the least.
        if (why->stage == REFUSAL_NONE || why->culprit == CULPRIT_PORT) {
            *why = r;
            *ret_refuser = t;
        }
    }
    return NULL;
}

// Under the lock.
static void offer(struct placement *p, struct hw_tier *t, struct place_version *v, int64_t now)
{
    struct offload *o = t->offload;
    struct refusal r;
    uint64_t room = t->health == HW_PROBING ? 1 : o->options.queue_max;
    if (now < t->full_until) {
        refuse(&r, REFUSAL_CAPACITY, CULPRIT_TABLE, 0, -ENOSPC, "the table of %s is full",
               t->tier->ops->name);
        why_hold(p, t, &r, now, t->full_until);
    } else if (t->n_lane[LANE_INSTALL] >= room) {
        t->count.turned_away++;
        t->turning_away = true;
        refuse(&r, REFUSAL_POLICY, CULPRIT_TABLE, 0, -EAGAIN,
               "the queue of megaflows for %s is full", t->tier->ops->name);
        why_hold(p, t, &r, now, now + 100 * NSEC_PER_MSEC);
    } else {
        copy_want(p, t, v);
    }
}

struct decision {
    struct hw_tier *tier, *refuser;
    struct refusal why;
};

static void decide(struct placement *p, const struct flow_desc *desc, struct decision *d)
{
    p->reviewed = atomic_load(&p->offload->epoch);
    d->tier = place_decide(p->offload, p, desc, &d->why, &d->refuser);
}

// Under the lock: tells the hardware side what was decided for `v`.
static void follow(struct placement *p, struct place_version *v, const struct decision *d,
                   bool changed, int64_t now)
{
    bool present = p->hw.have || p->hw.busy || p->hw.want;
    if (changed && d->tier)
        why_clear(p);
    else if (changed)
        p->why.attempts = 0; // "since" stays, if it turns out to be the same reason again
    if (!d->tier) {
        why_set(p, d->refuser, &d->why, now);
        copy_want(p, NULL, NULL);
    } else if (!present) {
        offer(p, d->tier, v, now);
    } else if (d->tier == p->hw.tier) {
        copy_want(p, d->tier, v);
    } else {
        p->why.retry_at = now; // first out of the old tier
        copy_want(p, NULL, NULL);
    }
}

static void version_replace(struct placement *p, struct place_version *v)
{
    struct place_version *old = p->version;
    rcu_set(p->version, place_version_ref(v)); // the user's readers look at it
    place_version_unref(old);
}

// Under the lock: what the software tier has done becomes the placement's state.
static void software_done(struct offload *o, struct place_change *c, struct tier_op *op,
                          const struct decision *d, int64_t now)
{
    struct placement *p = c->placement;
    struct tier_report *count = &o->software_count;
    ++*(op->type == TIER_INSTALL  ? &count->installed
        : op->type == TIER_MODIFY ? &count->modified
                                  : &count->removed);
    bool gone = op->type == TIER_REMOVE || (op->type == TIER_MODIFY && !op->counters_continue);
    if (gone) {
        copy_count_read(&p->sw.count, &op->last, now);
        final_errors_add(&count->finals, op);
    }
    if (p->version) // what was counted so far is the old version's
        finals_add(p, p->version, &p->sw.count, false);
    if (op->type == TIER_REMOVE) {
        if (p->sw.installed)
            atomic_fetch_sub(&o->software_copies, 1);
        p->sw.installed = false;
        p->hw.closing = true;
        copy_want(p, NULL, NULL);
        return;
    }
    if (op->type == TIER_INSTALL)
        atomic_fetch_add(&o->software_copies, 1);
    if (op->type == TIER_INSTALL || gone)
        copy_count_start(&p->sw.count, now);
    p->sw.handle = op->handle;
    version_replace(p, c->version);
    follow(p, c->version, d, true, now);
}

static void software_failed(struct place_change *c, struct tier_op *op, const char *name)
{
    c->error = op->error;
    c->refusal = op->refusal;
    if (c->type != TIER_REMOVE && c->refusal.stage == REFUSAL_NONE)
        refuse(&c->refusal, REFUSAL_KERNEL, CULPRIT_NONE, 0, op->error, "%s refused it: %s", name,
               strerror(-op->error));
}

static int apply_some(struct offload *o, struct tier_channel *ch, struct place_change *v, size_t n)
{
    struct tier_op ops[STACK_BATCH];
    struct decision decisions[STACK_BATCH];
    memset(ops, 0, n * sizeof(ops[0]));
    for (size_t i = 0; i < n; i++) {
        struct placement *p = v[i].placement;
        ops[i].type = v[i].type;
        ops[i].desc = v[i].type == TIER_REMOVE ? &p->version->desc : &v[i].version->desc;
        ops[i].handle = p->sw.handle;
        ops[i].sample = v[i].sample;
        v[i].error = 0;
    }
    int error = o->software->ops->apply(ch, ops, n), first = 0;
    int64_t now = clock_now();
    for (size_t i = 0; i < n; i++) {
        // What isn't there any more is removed.
        if (ops[i].type == TIER_REMOVE && ops[i].error == -ENOENT)
            ops[i].error = 0;
        if (ops[i].error)
            software_failed(&v[i], &ops[i], o->software->ops->name);
        if (ops[i].error || ops[i].type == TIER_REMOVE)
            continue;
        v[i].placement->sw.installed = true;
        decide(v[i].placement, ops[i].desc, &decisions[i]);
    }
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < n; i++) {
        if (!ops[i].error)
            software_done(o, &v[i], &ops[i], &decisions[i], now);
        else if (ops[i].refusal.stage != REFUSAL_NONE)
            o->software_count.refused++;
        else
            o->software_count.failed++;
        if (!first)
            first = v[i].error;
    }
    inserters_kick(o);
    pthread_mutex_unlock(&o->lock);
    return first ? first : error;
}

int place_apply(struct offload *o, struct tier_channel *software, struct place_change *v, size_t n)
{
    int first = 0;
    for (size_t i = 0; i < n; i += STACK_BATCH) {
        int error = apply_some(o, software, v + i, MIN_OF(n - i, (size_t)STACK_BATCH));
        first = first ? first : error;
    }
    return first;
}

void place_relabel(struct placement *p, struct place_version *v)
{
    struct offload *o = p->offload;
    struct place_version *old = place_version_ref(p->version);
    version_replace(p, v);
    pthread_mutex_lock(&o->lock);
    if (p->hw.want == old) {
        place_version_unref(p->hw.want);
        p->hw.want = place_version_ref(v);
    }
    if (p->hw.have == old) {
        place_version_unref(p->hw.have);
        p->hw.have = place_version_ref(v);
    }
    copy_settle(p);
    inserters_kick(o);
    pthread_mutex_unlock(&o->lock);
    place_version_unref(old);
}

int place_read(struct offload *o, struct tier_channel *software, struct placement *const *v,
               size_t n)
{
    struct tier_stats_req reqs[READ_BATCH];
    int first = 0;
    for (size_t start = 0; start < n; start += READ_BATCH) {
        size_t some = MIN_OF(n - start, (size_t)READ_BATCH);
        for (size_t i = 0; i < some; i++)
            reqs[i] = (struct tier_stats_req){.ufid = v[start + i]->version->desc.ufid,
                                              .handle = v[start + i]->sw.handle};
        int error = o->software->ops->stats(software, reqs, some);
        int64_t now = clock_now();
        for (size_t i = 0; i < some; i++) {
            struct placement *p = v[start + i];
            if (reqs[i].error == -ENOENT && p->sw.installed) {
                p->sw.installed = false;
                atomic_fetch_sub(&o->software_copies, 1);
            } else if (!error && !reqs[i].error) {
                copy_count_read(&p->sw.count, &reqs[i].stats, now);
            }
        }
        first = first ? first : error;
    }
    return first;
}

static void hand_over(struct placement *p, const struct place_delta *d, place_delta_fn *cb,
                      void *aux)
{
    struct offload *o = p->offload;
    flow_totals_add(&p->total, d->packets, d->bytes, d->tcp_flags, d->hardware);
    if (d->used > atomic_load_explicit(&p->used, memory_order_relaxed))
        atomic_store_explicit(&p->used, d->used, memory_order_relaxed);
    if (!d->hardware) {
        atomic_fetch_add_explicit(&o->software_packets, d->packets, memory_order_relaxed);
        atomic_fetch_add_explicit(&o->software_bytes, d->bytes, memory_order_relaxed);
    }
    cb(aux, d);
}

void place_collect(struct placement *p, place_delta_fn *cb, void *aux)
{
    struct place_delta hw = {.hardware = true}, sw = {.hardware = false};
    bool touched = atomic_load_explicit(&p->hw_touched, memory_order_relaxed);
    if (touched)
        pthread_mutex_lock(&p->offload->lock);
    for (struct place_late *late = p->hw.late; late; late = late->next)
        finals_add(p, late->version, &late->count, true);
    struct place_final *finals = p->finals;
    p->finals = NULL;
    if (p->hw.have && copy_count_take(&p->hw.count, &hw.packets, &hw.bytes)) {
        hw.version = place_version_ref(p->hw.have);
        hw.used = p->hw.count.used;
        hw.tcp_flags = p->hw.count.tcp_flags;
    }
    if (touched)
        pthread_mutex_unlock(&p->offload->lock);
    for (const struct place_final *f = finals; f; f = f->next) {
        struct place_delta d = {f->version, f->packets,   f->bytes,
                                f->used,    f->tcp_flags, f->hardware};
        hand_over(p, &d, cb, aux);
    }
    finals_free(finals);
    if (hw.version) {
        hand_over(p, &hw, cb, aux);
        place_version_unref(hw.version);
    }
    if (copy_count_take(&p->sw.count, &sw.packets, &sw.bytes)) {
        sw.version = p->version;
        sw.used = p->sw.count.used;
        sw.tcp_flags = p->sw.count.tcp_flags;
        hand_over(p, &sw, cb, aux);
    }
}

int64_t place_quiet_until(struct placement *p)
{
    int64_t until = p->sw.count.quiet_until;
    if (!atomic_load_explicit(&p->hw_touched, memory_order_relaxed))
        return until;
    pthread_mutex_lock(&p->offload->lock);
    if (p->hw.busy || p->hw.uncertain)
        until = 0;
    else if (p->hw.have)
        until = MIN_OF(until, p->hw.count.quiet_until);
    for (const struct place_late *late = p->hw.late; late; late = late->next)
        until = MIN_OF(until, late->count.quiet_until);
    pthread_mutex_unlock(&p->offload->lock);
    return until;
}

void place_review(struct placement *p, int64_t now)
{
    struct offload *o = p->offload;
    unsigned char request = atomic_load_explicit(&p->request, memory_order_relaxed);
    if (request)
        request = atomic_exchange(&p->request, PLACE_REQUEST_NONE);
    bool again = request || p->reviewed != atomic_load(&o->epoch);
    if (!again) {
        bool touched = atomic_load_explicit(&p->hw_touched, memory_order_relaxed);
        if (!touched && now < p->why.retry_at)
            return;
        pthread_mutex_lock(&o->lock);
        again = !p->hw.want && now >= p->why.retry_at;
        pthread_mutex_unlock(&o->lock);
    }
    if (request)
        p->pinned_down = request == PLACE_DEMOTE;
    if (!again)
        return;
    struct decision d;
    decide(p, &p->version->desc, &d);
    pthread_mutex_lock(&o->lock);
    follow(p, p->version, &d, request != PLACE_REQUEST_NONE, now);
    inserters_kick(o);
    pthread_mutex_unlock(&o->lock);
}

void place_ask(struct placement *p, enum place_request request)
{
    atomic_store(&p->request, (unsigned char)request);
}

struct placement *place_take_closed(struct place_owner *owner)
{
    struct placement *p = NULL;
    pthread_mutex_lock(&owner->offload->lock);
    if (!cds_list_empty(&owner->closed)) {
        p = cds_list_first_entry(&owner->closed, struct placement, closed);
        cds_list_del(&p->closed);
    }
    pthread_mutex_unlock(&owner->offload->lock);
    return p;
}
