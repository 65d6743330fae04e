// SPDX-License-Identifier: Apache-2.0
// The mock tier: a table of flows under one mutex. Any thread.
#include "tests/unit/offload/mock_tier.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

static struct mock_tier *mock(struct tier *t)
{
    return (struct mock_tier *)t;
}

static struct mock_flow *find(struct mock_tier *m, const struct ufid *u)
{
    struct mock_flow *f;
    HASH_FIND(hh, m->flows, u, sizeof(*u), f);
    return f;
}

static void flow_free(struct mock_tier *m, struct mock_flow *f)
{
    HASH_DEL(m->flows, f);
    flow_desc_done(&f->desc);
    free(f);
}

// Takes the superseded versions of a flow out; into `op` if it is there and has room.
static void lates_end(struct mock_tier *m, const struct ufid *u, struct tier_op *op)
{
    for (struct mock_late **at = &m->lates; *at;) {
        struct mock_late *late = *at;
        if (u && !ufid_equal(&late->ufid, u)) {
            at = &late->next;
            continue;
        }
        if (op && op->n_late < TIER_LATE_MAX)
            op->late[op->n_late++] = (struct tier_late){late->handle, late->all};
        *at = late->next;
        free(late);
    }
}

static unsigned lates_count(const struct mock_tier *m, const struct ufid *u)
{
    unsigned n = 0;
    for (const struct mock_late *late = m->lates; late; late = late->next)
        n += ufid_equal(&late->ufid, u);
    return n;
}

static bool read_late(struct mock_tier *m, struct tier_stats_req *r)
{
    struct mock_late **at = &m->lates;
    while (*at && ((*at)->handle != r->handle || !ufid_equal(&(*at)->ufid, &r->ufid)))
        at = &(*at)->next;
    struct mock_late *late = *at;
    if (!late)
        return false;
    int64_t age = clock_now() - late->since;
    if (age >= m->cache_ms * NSEC_PER_MSEC)
        late->shown = late->all;
    r->stats = late->shown;
    r->settled = age >= 2 * m->cache_ms * NSEC_PER_MSEC;
    if (r->settled) {
        r->stats = late->all;
        *at = late->next;
        free(late);
    }
    return true;
}

static bool has_field(const struct flow_desc *d, enum field_id id)
{
    if (id == FIELD_NONE)
        return false;
    struct flow mask = {.key = d->mask};
    return !field_is_zero(field_by_id(id), &mask);
}

static bool mock_can_hold(struct tier *t, const struct flow_desc *d, struct refusal *r)
{
    struct mock_tier *m = mock(t);
    pthread_mutex_lock(&m->lock);
    enum field_id id = m->check_refuses;
    dp_port_t foreign = m->foreign_port;
    pthread_mutex_unlock(&m->lock);
    if (has_field(d, id)) {
        refuse(r, REFUSAL_CHECK, CULPRIT_FIELD, id, -EOPNOTSUPP, "the mock's check refuses it");
        return false;
    }
    if (foreign != DP_PORT_NONE && d->key.in_port == foreign) {
        refuse(r, REFUSAL_CHECK, CULPRIT_PORT, foreign, -ENODEV, "not a port of the mock");
        return false;
    }
    for (uint32_t i = 0; i < d->actions.n; i++) {
        if (d->actions.v[i].type == ACT_USERSPACE && t->ops->hardware) {
            refuse(r, REFUSAL_CHECK, CULPRIT_ACTION, ACT_USERSPACE, -EOPNOTSUPP,
                   "hardware can't hand packets to a handler");
            return false;
        }
    }
    return true;
}

static int mock_channel_open(struct tier *t, struct tier_channel **ret, struct err *err)
{
    struct mock_tier *m = mock(t);
    struct tier_channel *ch = NEW(struct tier_channel);
    ch->tier = t;
    pthread_mutex_lock(&m->lock);
    m->channels++;
    pthread_mutex_unlock(&m->lock);
    *ret = ch;
    return 0;
}

static void mock_channel_close(struct tier_channel *ch)
{
    if (!ch)
        return;
    struct mock_tier *m = mock(ch->tier);
    pthread_mutex_lock(&m->lock);
    m->channels--;
    pthread_mutex_unlock(&m->lock);
    free(ch);
}

static void show(struct mock_tier *m, struct mock_flow *f, int64_t now)
{
    if (m->cache_ms && now - f->shown_at < m->cache_ms * NSEC_PER_MSEC)
        return;
    f->shown_at = now;
    f->shown = (struct tier_stats){.packets = f->packets, .bytes = f->bytes, .used = f->used};
}

static void read_flow(struct mock_tier *m, struct mock_flow *f, struct tier_stats *s)
{
    int64_t now = clock_now();
    show(m, f, now);
    *s = f->shown;
    s->wire = m->ops.hardware;
    s->age_ms = (uint32_t)DIV_ROUND_UP(now - f->shown_at, NSEC_PER_MSEC);
}

static void final(struct mock_tier *m, struct mock_flow *f, struct tier_op *op)
{
    op->last = (struct tier_stats){.packets = f->packets, .bytes = f->bytes, .used = f->used};
    op->final = TIER_FINAL_EXACT;
    if (!m->final_short)
        return;
    // Never less than was shown before.
    uint64_t lack = MIN_OF(m->final_short, f->packets - f->shown.packets);
    op->last.bytes -= lack ? lack * (f->bytes / f->packets) : 0;
    op->last.packets -= lack;
    op->final = TIER_FINAL_BOUNDED;
    op->short_by = m->final_short;
    m->short_total += lack;
}

static void do_install(struct mock_tier *m, struct tier_op *op)
{
    const struct flow_desc *d = op->desc;
    if (find(m, &d->ufid)) {
        op->error = refuse(&op->refusal, REFUSAL_KERNEL, CULPRIT_NONE, 0, -EEXIST, "it is there");
    } else if (m->refuse_all ||
               (m->refuse_output && d->actions.n && d->actions.v[0].type == ACT_OUTPUT)) {
        op->error = refuse(&op->refusal, REFUSAL_KERNEL, CULPRIT_NONE, 0, -EINVAL, "it is odd");
    } else if (has_field(d, m->driver_refuses)) {
        op->error =
            refuse(&op->refusal, REFUSAL_DRIVER, CULPRIT_FIELD, m->driver_refuses,
                   m->refuse_errno ? m->refuse_errno : -EOPNOTSUPP, "mock: unsupported key");
    } else if (m->capacity && HASH_COUNT(m->flows) >= m->capacity) {
        op->error = refuse(&op->refusal, REFUSAL_CAPACITY, CULPRIT_TABLE, 0, -ENOSPC,
                           "the mock's table is full");
    } else {
        struct mock_flow *f = NEW(struct mock_flow);
        flow_desc_clone(&f->desc, d);
        f->handle = op->handle = ++m->next_handle;
        f->shown_at = clock_now();
        HASH_ADD(hh, m->flows, desc.ufid, sizeof(f->desc.ufid), f);
    }
}

static void do_modify(struct mock_tier *m, struct tier_op *op)
{
    struct mock_flow *f = find(m, &op->desc->ufid);
    if (!f || f->handle != op->handle) {
        op->error = -ENOENT;
    } else if (m->refuse_modify) {
        op->error = refuse(&op->refusal, REFUSAL_DRIVER, CULPRIT_NONE, 0, -EOPNOTSUPP,
                           "mock: can't be changed");
    } else {
        bool late = m->modify_late && lates_count(m, &f->desc.ufid) < TIER_LATE_MAX;
        op->counters_late = late;
        op->counters_continue = !m->modify_restarts && !late;
        if (late) {
            struct mock_late *old = NEW(struct mock_late);
            old->ufid = f->desc.ufid;
            old->handle = f->handle;
            old->all = (struct tier_stats){.packets = f->packets, .bytes = f->bytes, .used = f->used};
            old->shown = f->shown;
            old->since = clock_now();
            old->next = m->lates;
            m->lates = old;
        } else if (m->modify_restarts) {
            final(m, f, op);
        }
        if (!op->counters_continue) {
            f->packets = f->bytes = 0;
            memset(&f->shown, 0, sizeof(f->shown));
            f->shown_at = clock_now();
            f->handle = op->handle = ++m->next_handle;
        }
        flow_desc_done(&f->desc);
        flow_desc_clone(&f->desc, op->desc);
    }
}

static void do_remove(struct mock_tier *m, struct tier_op *op)
{
    struct mock_flow *f = find(m, &op->desc->ufid);
    if (!f || (op->handle && f->handle != op->handle)) {
        op->error = -ENOENT;
    } else {
        final(m, f, op);
        lates_end(m, &op->desc->ufid, op);
        flow_free(m, f);
    }
}

// Under the lock: waits while the knob is on.
static void maybe_hang(struct mock_tier *m, const bool *knob)
{
    if (!*knob)
        return;
    m->hung++;
    pthread_cond_broadcast(&m->cond);
    while (*knob)
        pthread_cond_wait(&m->cond, &m->lock);
    m->hung--;
}

static int mock_apply(struct tier_channel *ch, struct tier_op *ops, size_t n)
{
    struct mock_tier *m = mock(ch->tier);
    pthread_mutex_lock(&m->lock);
    m->inside++;
    m->batches++;
    m->biggest_batch = MAX_OF(m->biggest_batch, (uint64_t)n);
    maybe_hang(m, &m->hang_apply);
    enum mock_channel_fault fault = m->fault;
    m->fault = FAULT_NONE;
    for (size_t i = 0; i < n; i++) {
        struct tier_op *op = &ops[i];
        op->error = 0;
        op->counters_late = false;
        op->n_late = 0;
        if (fault == FAULT_BEFORE || (fault == FAULT_HALF && i >= n / 2)) {
            op->error = -ENOBUFS;
            continue;
        }
        if (op->type == TIER_INSTALL)
            do_install(m, op);
        else if (op->type == TIER_MODIFY)
            do_modify(m, op);
        else
            do_remove(m, op);
        if (!op->error)
            m->applied[op->type]++;
        if (fault == FAULT_AFTER) { // what the tier said got lost
            op->error = -ENOBUFS;
            op->handle = op->type == TIER_INSTALL ? 0 : op->handle;
            memset(&op->last, 0, sizeof(op->last));
        }
    }
    m->inside--;
    pthread_mutex_unlock(&m->lock);
    return fault ? -ENOBUFS : 0;
}

static int mock_stats(struct tier_channel *ch, struct tier_stats_req *reqs, size_t n)
{
    struct mock_tier *m = mock(ch->tier);
    pthread_mutex_lock(&m->lock);
    m->inside++;
    maybe_hang(m, &m->hang_stats);
    int error = m->fault_stats ? -ENOBUFS : 0;
    m->fault_stats = false;
    for (size_t i = 0; i < n; i++) {
        struct mock_flow *f = find(m, &reqs[i].ufid);
        reqs[i].settled = false;
        if (!error && read_late(m, &reqs[i])) {
            reqs[i].error = 0;
            continue;
        }
        reqs[i].error = error ? error : f && f->handle == reqs[i].handle ? 0 : -ENOENT;
        if (!reqs[i].error)
            read_flow(m, f, &reqs[i].stats);
    }
    m->inside--;
    pthread_mutex_unlock(&m->lock);
    return error;
}

static int mock_dump(struct tier_channel *ch, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    struct mock_tier *m = mock(ch->tier);
    pthread_mutex_lock(&m->lock);
    struct mock_flow *f, *next;
    HASH_ITER (hh, m->flows, f, next) {
        struct tier_dumped d = {.desc = &f->desc, .handle = f->handle};
        read_flow(m, f, &d.stats);
        if (ufid_is_ours(&f->desc.ufid, instance))
            cb(aux, &d);
    }
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static void mock_limits(struct tier *t, struct tier_limits *ret)
{
    struct mock_tier *m = mock(t);
    pthread_mutex_lock(&m->lock);
    ret->capacity = m->capacity;
    ret->used = HASH_COUNT(m->flows);
    pthread_mutex_unlock(&m->lock);
}

static void mock_close(struct tier *t, bool keep)
{
    mock(t)->closed = true;
    mock(t)->kept = keep;
}

static void mock_probe(struct tier *t, struct tier_caps *ret)
{
    memset(ret, 0, sizeof(*ret));
}

struct mock_tier *mock_tier_new(const char *name, bool hardware)
{
    struct mock_tier *m = NEW(struct mock_tier);
    m->ops = (struct tier_ops){
        .name = name,
        .hardware = hardware,
        .close = mock_close,
        .probe = mock_probe,
        .can_hold = mock_can_hold,
        .channel_open = mock_channel_open,
        .channel_close = mock_channel_close,
        .apply = mock_apply,
        .stats = mock_stats,
        .dump = mock_dump,
        .limits = mock_limits,
    };
    m->tier.ops = &m->ops;
    m->check_refuses = m->driver_refuses = FIELD_NONE;
    m->foreign_port = DP_PORT_NONE;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->cond, NULL);
    return m;
}

void mock_tier_reset(struct mock_tier *m)
{
    pthread_mutex_lock(&m->lock);
    struct mock_flow *f, *next;
    HASH_ITER (hh, m->flows, f, next)
        flow_free(m, f);
    lates_end(m, NULL, NULL);
    pthread_mutex_unlock(&m->lock);
}

void mock_tier_free(struct mock_tier *m)
{
    mock_tier_reset(m);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->cond);
    free(m);
}

bool mock_tier_forward(struct mock_tier *m, const struct flow_key *key, uint32_t len,
                       struct flow_desc *ret_desc)
{
    struct mock_flow *f, *next, *found = NULL;
    pthread_mutex_lock(&m->lock);
    HASH_ITER (hh, m->flows, f, next) {
        if (flow_key_equal_masked(key, &f->desc.key, &f->desc.mask)) {
            found = f;
            break;
        }
    }
    if (found) {
        found->packets++;
        found->bytes += len;
        found->used = clock_now();
        if (ret_desc)
            flow_desc_clone(ret_desc, &found->desc);
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

bool mock_tier_has(struct mock_tier *m, const struct ufid *u)
{
    pthread_mutex_lock(&m->lock);
    bool has = find(m, u);
    pthread_mutex_unlock(&m->lock);
    return has;
}

size_t mock_tier_count(struct mock_tier *m)
{
    pthread_mutex_lock(&m->lock);
    size_t n = HASH_COUNT(m->flows);
    pthread_mutex_unlock(&m->lock);
    return n;
}

bool mock_tier_lose(struct mock_tier *m, const struct ufid *u)
{
    pthread_mutex_lock(&m->lock);
    struct mock_flow *f = find(m, u);
    if (f)
        flow_free(m, f);
    pthread_mutex_unlock(&m->lock);
    return f;
}

void mock_tier_plant(struct mock_tier *m, const struct flow_desc *d)
{
    struct tier_op op = {.type = TIER_INSTALL, .desc = d};
    pthread_mutex_lock(&m->lock);
    do_install(m, &op);
    pthread_mutex_unlock(&m->lock);
}

void mock_tier_wait_hung(struct mock_tier *m, unsigned n)
{
    pthread_mutex_lock(&m->lock);
    while (m->hung < n)
        pthread_cond_wait(&m->cond, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

void mock_tier_release(struct mock_tier *m)
{
    pthread_mutex_lock(&m->lock);
    m->hang_apply = m->hang_stats = false;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->lock);
}
