// SPDX-License-Identifier: Apache-2.0
// The hardware copy's states. Everything here runs under the offload's lock.
//
// A copy is driven by two pointers, what is wanted and what the tier has:
//
//     want   have   difference            lane
//     -      -      none                  none; closed if the megaflow was removed
//     v      -      to install            install (its length is bounded where offers are made)
//     v      v      none                  none
//     v      u      to modify             urgent
//     -      v      to remove             urgent (retry after a failure)
//     any    uncertain: to remove first   urgent
//
// An inserter takes a placement out of its lane (`busy`), works without the lock, and brings the
// answer; meanwhile `want` may have moved, which copy_settle() finds out then. So a placement waits
// at most once, and the newest wish wins. `generation` moves whenever counters may start anew, so
// that a reading that was under way is not taken for one of the new copy.
#include "offload/private.h"

#include <errno.h>
#include <string.h>

static void lane_set(struct placement *p, enum hw_lane lane)
{
    struct hw_tier *t = p->hw.tier;
    if (p->hw.lane == lane)
        return;
    if (p->hw.lane != LANE_NONE) {
        cds_list_del(&p->hw.queued);
        t->n_lane[p->hw.lane]--;
    }
    p->hw.lane = lane;
    if (lane == LANE_NONE)
        return;
    cds_list_add_tail(&p->hw.queued, &t->lanes[lane]);
    t->n_lane[lane]++;
    if (lane != LANE_RETRY)
        t->to_kick = true; // by who holds the lock, when it is done
}

static void version_set(struct place_version **slot, struct place_version *v)
{
    struct place_version *old = *slot;
    *slot = v ? place_version_ref(v) : NULL;
    place_version_unref(old);
}

bool copy_can_close(const struct placement *p)
{
    return p->hw.closing && !p->hw.busy && !p->hw.pins && !p->hw.have && p->hw.lane == LANE_NONE;
}

static void maybe_closed(struct placement *p)
{
    if (p->is_closed || !copy_can_close(p))
        return;
    p->is_closed = true;
    cds_list_add_tail(&p->closed, &p->owner->closed);
    if (p->owner->wake)
        p->owner->wake(p->owner->aux);
}

void copy_settle(struct placement *p)
{
    enum hw_lane lane = LANE_NONE;
    if (!p->hw.busy) {
        if (p->hw.uncertain)
            lane = p->hw.lane == LANE_RETRY ? LANE_RETRY : LANE_URGENT;
        else if (p->hw.have && p->hw.want != p->hw.have)
            lane = !p->hw.want && p->hw.lane == LANE_RETRY ? LANE_RETRY : LANE_URGENT;
        else if (!p->hw.have && p->hw.want)
            lane = LANE_INSTALL;
    }
    if (p->hw.tier)
        lane_set(p, lane);
    maybe_closed(p);
}

void copy_want(struct placement *p, struct hw_tier *t, struct place_version *v)
{
    if (v) {
        assert(!p->hw.tier || p->hw.tier == t || (!p->hw.have && !p->hw.busy && !p->hw.want));
        p->hw.tier = t;
        atomic_store(&p->hw_touched, true);
    }
    version_set(&p->hw.want, v);
    copy_settle(p);
}

static void late_drop(struct placement *p, struct place_late **at)
{
    struct place_late *late = *at;
    *at = late->next;
    finals_add(p, late->version, &late->count, true);
    place_version_unref(late->version);
    free(late);
}

// Superseded versions go with the copy, but a reader that is under way may yet bring the last
// counters of some.
static void lates_end(struct placement *p)
{
    while (!p->hw.have && !p->hw.pins && p->hw.late)
        late_drop(p, &p->hw.late);
}

void copy_late_read(struct placement *p, uint64_t handle, const struct tier_stats *s, bool settled,
                    int64_t now)
{
    struct place_late **at = &p->hw.late;
    while (*at && (*at)->handle != handle)
        at = &(*at)->next;
    if (!*at)
        return;
    struct copy_count *c = &(*at)->count;
    uint64_t packets = c->packets, bytes = c->bytes;
    if (s && copy_count_read(c, s, now)) {
        p->hw.tier->count.packets += c->packets - packets;
        p->hw.tier->count.bytes += c->bytes - bytes;
    }
    if (settled)
        late_drop(p, at);
}

void lates_free(struct place_late *late)
{
    while (late) {
        struct place_late *next = late->next;
        place_version_unref(late->version);
        free(late);
        late = next;
    }
}

static void late_add(struct placement *p)
{
    struct place_late *late = NEW(struct place_late);
    *late = (struct place_late){.next = p->hw.late,
                                .version = place_version_ref(p->hw.have),
                                .handle = p->hw.handle,
                                .count = p->hw.count};
    p->hw.late = late;
}

void copy_pin(struct placement *p)
{
    p->hw.pins++;
}

void copy_unpin(struct placement *p)
{
    p->hw.pins--;
    lates_end(p);
    maybe_closed(p);
}

void finals_add(struct placement *p, struct place_version *v, struct copy_count *c, bool hardware)
{
    uint64_t packets, bytes;
    if (!copy_count_take(c, &packets, &bytes))
        return;
    struct place_final *f = NEW(struct place_final);
    *f = (struct place_final){.next = p->finals,
                              .version = place_version_ref(v),
                              .packets = packets,
                              .bytes = bytes,
                              .used = c->used,
                              .tcp_flags = c->tcp_flags,
                              .hardware = hardware};
    p->finals = f;
}

void finals_free(struct place_final *f)
{
    while (f) {
        struct place_final *next = f->next;
        place_version_unref(f->version);
        free(f);
        f = next;
    }
}

// The tier has `v` from now on, or nothing.
static void set_have(struct placement *p, struct place_version *v)
{
    struct hw_tier *t = p->hw.tier;
    if (v && !p->hw.have) {
        cds_list_add_tail(&p->hw.listed, &t->copies);
        t->n_copies++;
    } else if (!v && p->hw.have) {
        cds_list_del(&p->hw.listed);
        t->n_copies--;
    }
    version_set(&p->hw.have, v);
    lates_end(p);
}

static void count_final(struct placement *p, const struct tier_op *op, int64_t now)
{
    struct hw_tier *t = p->hw.tier;
    uint64_t packets = p->hw.count.packets, bytes = p->hw.count.bytes;
    if (copy_count_read(&p->hw.count, &op->last, now)) {
        t->count.packets += p->hw.count.packets - packets;
        t->count.bytes += p->hw.count.bytes - bytes;
    }
    final_errors_add(&t->count.finals, op);
    finals_add(p, p->hw.have, &p->hw.count, true);
}

void copy_lost(struct placement *p, int64_t now)
{
    finals_add(p, p->hw.have, &p->hw.count, true);
    set_have(p, NULL);
    p->hw.generation++;
    p->hw.uncertain = false;
    if (p->hw.want) {
        struct refusal r;
        refuse(&r, REFUSAL_DRIVER, CULPRIT_TABLE, 0, -ENOENT,
               "the hardware lost the megaflow: it was reset, or another program removed it");
        p->hw.tier->count.lost++;
        version_set(&p->hw.want, NULL);
        why_set(p, p->hw.tier, &r, now);
        p->why.retry_at = now; // the owner offers it again at its next round
    }
    copy_settle(p);
}

void copy_start(struct placement *p, struct tier_op *op, struct work_item *item)
{
    assert(!p->hw.busy && p->hw.lane != LANE_NONE);
    struct place_version *v;
    if (p->hw.have && (p->hw.uncertain || !p->hw.want)) {
        op->type = TIER_REMOVE;
        v = p->hw.have;
    } else {
        op->type = p->hw.have ? TIER_MODIFY : TIER_INSTALL;
        v = p->hw.want;
    }
    op->desc = &v->desc;
    op->sample = NULL;
    op->handle = p->hw.handle;
    op->error = 0;
    op->refusal.stage = REFUSAL_NONE;
    op->counters_continue = op->counters_late = false;
    op->n_late = 0;
    memset(&op->last, 0, sizeof(op->last));
    op->final = TIER_FINAL_EXACT;
    op->short_by = 0;
    *item = (struct work_item){.placement = p, .version = place_version_ref(v)};
    p->hw.busy = true;
    p->hw.generation++;
    p->hw.tier->n_busy++;
    lane_set(p, LANE_NONE);
}

static void finish_refused(struct placement *p, struct place_version *v, struct tier_op *op,
                           int64_t now)
{
    struct hw_tier *t = p->hw.tier;
    if (op->refusal.stage == REFUSAL_NONE)
        refuse(&op->refusal, REFUSAL_DRIVER, CULPRIT_NONE, 0, op->error,
               "%s refused it without giving a reason: %s", t->tier->ops->name,
               strerror(-op->error));
    t->count.refused++;
    if (op->refusal.stage == REFUSAL_CAPACITY)
        t->full_until = now + NSEC_PER_SEC;
    // A wish that moved on meanwhile is another question.
    if (p->hw.want == v) {
        version_set(&p->hw.want, NULL);
        why_set(p, t, &op->refusal, now);
    }
}

// Was it done? To be on the safe side the copy is removed, and may be offered again later.
static void finish_unanswered(struct placement *p, struct place_version *v, struct tier_op *op,
                              bool sent, int64_t now)
{
    struct hw_tier *t = p->hw.tier;
    t->count.failed++;
    if (op->type == TIER_REMOVE) {
        lane_set(p, LANE_RETRY);
        return;
    }
    struct refusal r;
    refuse(&r, REFUSAL_KERNEL, CULPRIT_NONE, 0, op->error, "no answer from %s: %s",
           t->tier->ops->name, strerror(-op->error));
    if (sent) {
        if (op->type == TIER_INSTALL) {
            copy_count_start(&p->hw.count, now);
            p->hw.handle = op->handle;
            set_have(p, v);
        }
        p->hw.uncertain = true;
    }
    if (p->hw.want == v) {
        version_set(&p->hw.want, NULL);
        why_set(p, t, &r, now);
    }
}

static void finish_done(struct placement *p, struct place_version *v, struct tier_op *op,
                        int64_t now)
{
    struct hw_tier *t = p->hw.tier;
    switch (op->type) {
    case TIER_INSTALL:
        t->count.installed++;
        copy_count_start(&p->hw.count, now);
        p->hw.handle = op->handle;
        set_have(p, v);
        break;
    case TIER_MODIFY:
        t->count.modified++;
        if (op->counters_continue) {
            finals_add(p, p->hw.have, &p->hw.count, true); // what is known of the old version
        } else if (op->counters_late) {
            late_add(p);
            copy_count_start(&p->hw.count, now);
        } else {
            count_final(p, op, now);
            copy_count_start(&p->hw.count, now);
        }
        p->hw.handle = op->handle;
        set_have(p, v);
        break;
    case TIER_REMOVE:
        t->count.removed++;
        t->full_until = 0;
        count_final(p, op, now);
        set_have(p, NULL);
        p->hw.uncertain = false;
        break;
    }
    if (op->type != TIER_REMOVE && p->hw.want == v)
        why_clear(p);
}

void copy_finish(struct work_item *item, struct tier_op *op, bool sent, bool unanswered,
                 int64_t now)
{
    struct placement *p = item->placement;
    struct place_version *v = item->version;
    p->hw.busy = false;
    p->hw.generation++;
    p->hw.tier->n_busy--;
    for (uint32_t i = 0; i < op->n_late; i++)
        copy_late_read(p, op->late[i].handle, &op->late[i].last, true, now);
    if (unanswered)
        finish_unanswered(p, v, op, sent, now);
    else if (!op->error)
        finish_done(p, v, op, now);
    else if (op->error == -ENOENT && op->type != TIER_INSTALL)
        copy_lost(p, now);
    else if (op->type == TIER_REMOVE) {
        p->hw.tier->count.failed++;
        lane_set(p, LANE_RETRY);
    } else
        finish_refused(p, v, op, now);
    copy_settle(p);
    place_version_unref(v);
    *item = (struct work_item){0};
}
