// SPDX-License-Identifier: Apache-2.0
// The threads of a hardware tier: the inserter carries out what placements want, the reader reads
// counters.
//
// Each has a channel of its own, opened by itself and opened anew after an error. A step runs under
// the offload's lock but for the call into the tier, whose beginning is noted in `busy_since`;
// nobody else touches a worker's items while it is inside. workers_watch() finds one that is inside
// for too long: it is left behind with what it has in hand (its placements stay busy or pinned),
// and another worker takes the lane over. When the lost one comes back, its answers are as good as
// any; it files them and ends.
//
// After a hang the tier gets one megaflow at a time (HW_PROBING) until one answer came in time.
#include "offload/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PROBE_AFTER NSEC_PER_SEC

static void health_set(struct hw_tier *t, enum hw_health health, int64_t now)
{
    if (t->health == (int)health)
        return;
    t->health = health;
    t->health_since = now;
    atomic_fetch_add(&t->offload->epoch, 1);
    owners_wake(t->offload);
}

// Without the lock. 0, or the error of channel_open().
static int channel_ensure(struct worker *w)
{
    struct hw_tier *t = w->tier;
    if (w->channel)
        return 0;
    pthread_mutex_lock(&t->channel_lock);
    int error = t->tier->ops->channel_open(t->tier, &w->channel, NULL);
    pthread_mutex_unlock(&t->channel_lock);
    return error;
}

static void channel_drop(struct worker *w)
{
    struct hw_tier *t = w->tier;
    pthread_mutex_lock(&t->channel_lock);
    t->tier->ops->channel_close(w->channel);
    pthread_mutex_unlock(&t->channel_lock);
    w->channel = NULL;
}

static void enter_tier(struct worker *w)
{
    w->busy_since = clock_now();
    pthread_mutex_unlock(&w->tier->offload->lock);
}

// `error` is the channel's own.
static void leave_tier(struct worker *w, int error)
{
    struct hw_tier *t = w->tier;
    if (error < 0 && w->channel)
        channel_drop(w);
    pthread_mutex_lock(&t->offload->lock);
    w->busy_since = 0;
    if (w->kind == WORKER_INSERT && t->health != HW_GOOD)
        health_set(t, w->abandoned ? HW_PROBING : HW_GOOD, clock_now());
}

// Removals that failed, or hang with a thread that was left behind, don't keep the order that lanes
// keep: does one of them stand for the same UFID?
static bool predecessor_there(struct hw_tier *t, const struct placement *p)
{
    const struct ufid *ufid = &p->hw.want->desc.ufid;
    struct placement *other;
    cds_list_for_each_entry (other, &t->lanes[LANE_RETRY], hw.queued) {
        if (ufid_equal(&other->hw.have->desc.ufid, ufid))
            return true;
    }
    for (const struct worker *w = t->abandoned; w; w = w->next) {
        for (size_t i = 0; w->kind == WORKER_INSERT && i < w->n; i++) {
            if (ufid_equal(&w->items[i].version->desc.ufid, ufid))
                return true;
        }
    }
    return false;
}

// Its predecessor's removal in the same batch may fail, and then it must not follow.
static bool in_batch(const struct worker *w, size_t n, const struct placement *p)
{
    for (size_t i = 0; i < n; i++) {
        if (ufid_equal(&w->ops[i].desc->ufid, &p->hw.want->desc.ufid))
            return true;
    }
    return false;
}

static void hold_back(struct hw_tier *t, struct placement *p)
{
    struct refusal r;
    int64_t now = clock_now();
    refuse(&r, REFUSAL_POLICY, CULPRIT_TABLE, 0, -EAGAIN,
           "a megaflow of the same match is still being removed from %s", t->tier->ops->name);
    why_hold(p, t, &r, now, now + NSEC_PER_SEC);
    copy_want(p, t, NULL);
}

static size_t take_batch(struct worker *w)
{
    struct hw_tier *t = w->tier;
    size_t max = t->health == HW_GOOD ? INSERT_BATCH : 1, n = 0, n_urgent = 0;
    static const enum hw_lane order[] = {LANE_URGENT, LANE_INSTALL};
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        while (n < max && !cds_list_empty(&t->lanes[order[i]])) {
            struct placement *p =
                cds_list_first_entry(&t->lanes[order[i]], struct placement, hw.queued);
            if (order[i] == LANE_INSTALL && in_batch(w, n_urgent, p))
                return w->n = n; // after the answer
            if (order[i] == LANE_INSTALL && predecessor_there(t, p)) {
                hold_back(t, p);
                continue;
            }
            copy_start(p, &w->ops[n], &w->items[n]);
            n++;
            n_urgent += order[i] == LANE_URGENT;
        }
    }
    return w->n = n;
}

static bool sweep_step(struct worker *w)
{
    struct hw_tier *t = w->tier;
    t->swept = true;
    enter_tier(w);
    int error = channel_ensure(w);
    if (!error)
        error = place_sweep(w->channel, t->offload->options.instance);
    leave_tier(w, error);
    return true;
}

bool insert_step(struct worker *w)
{
    struct hw_tier *t = w->tier;
    if (!t->swept)
        return sweep_step(w);
    if (!take_batch(w))
        return false;
    enter_tier(w);
    int error = channel_ensure(w);
    bool sent = !error;
    if (sent)
        error = t->tier->ops->apply(w->channel, w->ops, w->n);
    else
        for (size_t i = 0; i < w->n; i++)
            w->ops[i].error = error;
    leave_tier(w, error);

    int64_t now = clock_now();
    for (size_t i = 0; i < w->n; i++) {
        bool unanswered = error && w->ops[i].error == error;
        copy_finish(&w->items[i], &w->ops[i], sent, unanswered, now);
    }
    w->n = 0;
    if (cds_list_empty(&t->lanes[LANE_INSTALL]) && t->turning_away) {
        t->turning_away = false;
        owners_wake(t->offload); // there is room again
    }
    inserters_kick(t->offload); // if another one has taken over
    pthread_cond_broadcast(&t->offload->progress);
    return true;
}

static size_t count_lates(const struct placement *p)
{
    size_t n = 0;
    for (const struct place_late *late = p->hw.late; late; late = late->next)
        n++;
    return n;
}

static void take_one(struct worker *w, struct placement *p, struct place_version *v,
                     uint64_t handle)
{
    w->reqs[w->n] = (struct tier_stats_req){.ufid = v->desc.ufid, .handle = handle};
    w->items[w->n++] = (struct work_item){
        .placement = p,
        .version = place_version_ref(v),
        .generation = p->hw.generation,
        .late = v != p->hw.have,
    };
    copy_pin(p);
}

// Takes the next copies in line that are at rest, at most `*left`.
static void take_reading(struct worker *w, uint64_t *left)
{
    struct hw_tier *t = w->tier;
    w->n = 0;
    while (*left && w->n < READ_BATCH) {
        struct placement *p = cds_list_first_entry(&t->copies, struct placement, hw.listed);
        if (w->n + 1 + count_lates(p) > READ_BATCH)
            break;
        --*left;
        cds_list_del(&p->hw.listed); // to the end of the line
        cds_list_add_tail(&p->hw.listed, &t->copies);
        if (p->hw.busy || p->hw.uncertain)
            continue;
        take_one(w, p, p->hw.have, p->hw.handle);
        for (const struct place_late *late = p->hw.late; late; late = late->next)
            take_one(w, p, late->version, late->handle);
    }
}

static void file_reading(struct worker *w, int error, int64_t now)
{
    struct hw_tier *t = w->tier;
    for (size_t i = 0; i < w->n; i++) {
        struct placement *p = w->items[i].placement;
        struct tier_stats_req *r = &w->reqs[i];
        if (w->items[i].late) {
            bool gone = r->error == -ENOENT;
            if (gone || (!error && !r->error))
                copy_late_read(p, r->handle, gone ? NULL : &r->stats, gone || r->settled, now);
        } else if (p->hw.generation == w->items[i].generation && p->hw.have) {
            uint64_t packets = p->hw.count.packets, bytes = p->hw.count.bytes;
            if (r->error == -ENOENT) {
                copy_lost(p, now);
            } else if (!r->error && !error && copy_count_read(&p->hw.count, &r->stats, now)) {
                t->count.packets += p->hw.count.packets - packets;
                t->count.bytes += p->hw.count.bytes - bytes;
                t->count.wire = r->stats.wire;
                t->count.age_ms = MAX_OF(t->count.age_ms, r->stats.age_ms);
            }
        }
        place_version_unref(w->items[i].version);
        copy_unpin(p);
    }
    w->n = 0;
}

bool read_step(struct worker *w)
{
    struct hw_tier *t = w->tier;
    if (t->answered >= t->asked)
        return false;
    uint64_t ticket = t->asked, left = t->n_copies;
    t->count.age_ms = 0;
    while (left && !t->offload->stop && !w->abandoned) {
        left = MIN_OF(left, t->n_copies); // some may have gone meanwhile
        take_reading(w, &left);
        if (!w->n)
            continue;
        enter_tier(w);
        int error = channel_ensure(w);
        if (!error)
            error = t->tier->ops->stats(w->channel, w->reqs, w->n);
        int64_t now = clock_now();
        leave_tier(w, error);
        file_reading(w, error, now);
    }
    if (!w->abandoned) {
        t->answered = MAX_OF(t->answered, ticket);
        owners_wake(t->offload);
    }
    pthread_cond_broadcast(&t->offload->progress);
    return true;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct hw_tier *t = w->tier;
    struct offload *o = t->offload;
    pthread_mutex_lock(&o->lock);
    while (!o->stop && !w->abandoned) {
        bool worked = w->kind == WORKER_INSERT ? insert_step(w) : read_step(w);
        if (!worked && !o->stop && !w->abandoned)
            pthread_cond_wait(&t->work[w->kind], &o->lock);
    }
    pthread_mutex_unlock(&o->lock);
    if (w->channel)
        channel_drop(w);
    pthread_mutex_lock(&o->lock);
    w->ended = true;
    pthread_cond_broadcast(&o->progress);
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

void worker_start(struct hw_tier *t, enum worker_kind kind)
{
    struct worker *w = NEW(struct worker);
    w->tier = t;
    w->kind = kind;
    t->workers[kind] = w;
    if (t->offload->options.manual)
        return;
    char name[32];
    snprintf(name, sizeof(name), "%s-%s", kind == WORKER_INSERT ? "insert" : "read",
             t->tier->ops->name);
    if (thread_start(&w->thread, name, worker_main, w, NULL) < 0) {
        t->workers[kind] = NULL; // tried again by workers_watch()
        free(w);
    }
}

// Not in use by its thread any more.
void worker_free(struct worker *w)
{
    if (!w)
        return;
    thread_join(w->thread);
    if (w->channel)
        channel_drop(w);
    free(w);
}

static void refuse_hung(struct hw_tier *t, struct placement *p, int64_t now)
{
    struct refusal r;
    refuse(&r, REFUSAL_TIMEOUT, CULPRIT_TABLE, 0, -ETIMEDOUT,
           "%s has not answered for %u ms and gets nothing until it does", t->tier->ops->name,
           (unsigned)(t->offload->hang_ns / NSEC_PER_MSEC));
    why_set(p, t, &r, now);
}

static void declare_hung(struct hw_tier *t, struct worker *w, int64_t now)
{
    w->abandoned = true;
    t->workers[w->kind] = NULL;
    w->next = t->abandoned;
    t->abandoned = w;
    t->count.hangs++;
    if (w->kind == WORKER_READ)
        return;
    health_set(t, HW_HUNG, now);
    for (size_t i = 0; i < w->n; i++)
        refuse_hung(t, w->items[i].placement, now);
    while (!cds_list_empty(&t->lanes[LANE_INSTALL])) {
        struct placement *p =
            cds_list_first_entry(&t->lanes[LANE_INSTALL], struct placement, hw.queued);
        refuse_hung(t, p, now);
        copy_want(p, t, NULL);
    }
}

// Joins abandoned workers that came back; returns how many of a kind are still inside.
static unsigned reap(struct hw_tier *t, enum worker_kind kind)
{
    unsigned inside = 0;
    for (struct worker **at = &t->abandoned; *at;) {
        struct worker *w = *at;
        if (w->ended) {
            *at = w->next;
            worker_free(w); // its last act was to let go of the lock, so this doesn't block
            continue;
        }
        inside += w->kind == kind;
        at = &w->next;
    }
    return inside;
}

void workers_watch(struct hw_tier *t, int64_t now)
{
    struct offload *o = t->offload;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        struct worker *w = t->workers[kind];
        if (w && w->busy_since && now - w->busy_since > o->hang_ns)
            declare_hung(t, w, now);
        if (reap(t, kind) < ABANDONED_MAX && !t->workers[kind] && !o->stop)
            worker_start(t, kind);
    }
    if (t->health == HW_HUNG && now - t->health_since >= PROBE_AFTER) {
        struct worker *w = t->workers[WORKER_INSERT];
        if (w && !w->busy_since)
            health_set(t, HW_PROBING, now);
    }
    while (!cds_list_empty(&t->lanes[LANE_RETRY])) {
        struct placement *p =
            cds_list_first_entry(&t->lanes[LANE_RETRY], struct placement, hw.queued);
        p->hw.lane = LANE_NONE;
        cds_list_del(&p->hw.queued);
        t->n_lane[LANE_RETRY]--;
        copy_settle(p);
    }
}

void inserters_kick(struct offload *o)
{
    for (size_t i = 0; i < o->n_tiers; i++) {
        if (o->tiers[i].to_kick)
            pthread_cond_signal(&o->tiers[i].work[WORKER_INSERT]);
        o->tiers[i].to_kick = false;
    }
}

void owners_wake(struct offload *o)
{
    struct place_owner *owner;
    cds_list_for_each_entry (owner, &o->owners, listed) {
        if (owner->wake)
            owner->wake(owner->aux);
    }
}
