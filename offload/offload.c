// SPDX-License-Identifier: Apache-2.0
// An offload as a whole: creation, end, ports, policy, the tick, waiting and reports.
//
// Threads: see place.h. Invariant at the end: memory that a hung thread may still touch is never
// freed; such an offload is kept on a list of the process instead (offload_stop() returns false).
#include <errno.h>
#include <string.h>

#include "offload/private.h"

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct offload *left_behind; // under left_lock

static void tier_init(struct hw_tier *t, struct offload *o, struct tier *tier)
{
    t->offload = o;
    t->tier = tier;
    for (unsigned i = 0; i < LANE_COUNT; i++)
        CDS_INIT_LIST_HEAD(&t->lanes[i]);
    CDS_INIT_LIST_HEAD(&t->copies);
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
        pthread_cond_init(&t->work[kind], NULL);
    pthread_mutex_init(&t->channel_lock, NULL);
    t->health_since = clock_now();
}

static void free_all(struct offload *o)
{
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct hw_tier *t = &o->tiers[i];
        for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
            pthread_cond_destroy(&t->work[kind]);
        pthread_mutex_destroy(&t->channel_lock);
    }
    refusals_done(o);
    pthread_cond_destroy(&o->progress);
    pthread_mutex_destroy(&o->lock);
    free(o->tiers);
    free(o);
}

// Opens and closes a channel, so that a tier that can't be used is an error now and not a silence
// later.
static int channels_try(struct offload *o, struct err *err)
{
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct tier *tier = o->tiers[i].tier;
        struct tier_channel *ch = NULL;
        int error = tier->ops->channel_open(tier, &ch, err);
        if (error < 0)
            return error;
        tier->ops->channel_close(ch);
    }
    return 0;
}

int offload_create(struct tier *software, struct tier *const *hardware, size_t n,
                   const struct offload_options *options, struct offload **ret_offload,
                   struct err *err)
{
    struct offload *o = NEW(struct offload);
    o->software = software;
    o->options = *options;
    if (!o->options.queue_max)
        o->options.queue_max = QUEUE_MAX_DEFAULT;
    if (!o->options.hang_ms)
        o->options.hang_ms = HANG_MS_DEFAULT;
    o->hang_ns = o->options.hang_ms * NSEC_PER_MSEC;
    o->epoch = 1;
    CDS_INIT_LIST_HEAD(&o->owners);
    pthread_mutex_init(&o->lock, NULL);
    clock_cond_init(&o->progress);
    o->n_tiers = n;
    o->tiers = NEW_ARRAY(struct hw_tier, n + 1);
    for (size_t i = 0; i < n; i++)
        tier_init(&o->tiers[i], o, hardware[i]);
    int error = channels_try(o, err);
    if (error < 0) {
        free_all(o);
        return error;
    }
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < n; i++) {
        for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
            worker_start(&o->tiers[i], kind);
    }
    pthread_mutex_unlock(&o->lock);
    *ret_offload = o;
    return 0;
}

// Under the lock: does every thread that is not past its deadline have left its tier?
static bool any_inside(struct offload *o, int64_t deadline)
{
    for (size_t i = 0; i < o->n_tiers; i++) {
        for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
            struct worker *w = o->tiers[i].workers[kind];
            if (w && w->thread && !w->ended && clock_now() < deadline)
                return true;
        }
    }
    return false;
}

static bool worker_end(struct worker *w)
{
    if (w && w->thread && !w->ended)
        return false;
    worker_free(w);
    return true;
}

static bool tier_end(struct hw_tier *t)
{
    bool ended = true;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++) {
        if (worker_end(t->workers[kind]))
            t->workers[kind] = NULL;
        else
            ended = false;
    }
    for (struct worker **at = &t->abandoned; *at;) {
        struct worker *w = *at, *next = w->next;
        if (worker_end(w)) {
            *at = next;
        } else {
            at = &w->next;
            ended = false;
        }
    }
    return ended;
}

bool offload_stop(struct offload *o)
{
    pthread_mutex_lock(&o->lock);
    o->stop = true;
    for (size_t i = 0; i < o->n_tiers; i++) {
        for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
            pthread_cond_broadcast(&o->tiers[i].work[kind]);
    }
    int64_t deadline = clock_deadline(o->hang_ns);
    while (any_inside(o, deadline))
        clock_cond_wait(&o->progress, &o->lock, deadline);
    bool ended = true;
    for (size_t i = 0; i < o->n_tiers; i++)
        ended &= tier_end(&o->tiers[i]);
    pthread_mutex_unlock(&o->lock);
    if (ended)
        return true;
    pthread_mutex_lock(&left_lock);
    o->next_left = left_behind;
    left_behind = o;
    pthread_mutex_unlock(&left_lock);
    return false;
}

void offload_free(struct offload *o)
{
    if (o)
        free_all(o);
}

static void epoch_move(struct offload *o)
{
    atomic_fetch_add(&o->epoch, 1);
    pthread_mutex_lock(&o->lock);
    owners_wake(o);
    pthread_mutex_unlock(&o->lock);
}

void offload_set_policy(struct offload *o, enum place_policy policy)
{
    if (atomic_exchange(&o->policy, (int)policy) != (int)policy)
        epoch_move(o);
}

enum place_policy offload_policy(const struct offload *o)
{
    return (enum place_policy)atomic_load(&o->policy);
}

void offload_port_attach(struct offload *o, const struct tier_port *port)
{
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct tier *tier = o->tiers[i].tier;
        // A port that is none of the tier's is no failure: its megaflows are refused with the
        // port's number.
        if (tier->ops->port_attach)
            tier->ops->port_attach(tier, port, NULL);
    }
    epoch_move(o);
}

static bool list_names_port(const struct act_list *list, dp_port_t port)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct act *a = &list->v[i];
        if ((a->type == ACT_OUTPUT && a->port == port) ||
            (a->type == ACT_CLONE && list_names_port(a->nested, port)) ||
            (a->type == ACT_SAMPLE && list_names_port(a->sample.actions, port)))
            return true;
    }
    return false;
}

static bool names_port(const struct place_version *v, dp_port_t port)
{
    return v && (v->desc.key.in_port == port || list_names_port(&v->desc.actions, port));
}

// Under the lock. Asks for the copies' removal; returns how many are still there.
static size_t evict_port(struct hw_tier *t, dp_port_t port, bool ask)
{
    struct placement *p;
    size_t n = 0;
    cds_list_for_each_entry (p, &t->copies, hw.listed) {
        if (!names_port(p->hw.have, port))
            continue;
        n++;
        if (ask && p->hw.want) {
            p->why.retry_at = clock_now() + NSEC_PER_SEC;
            copy_want(p, NULL, NULL);
        }
    }
    return n;
}

void offload_port_detach(struct offload *o, dp_port_t port)
{
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct hw_tier *t = &o->tiers[i];
        int64_t deadline = clock_real() + 100 * NSEC_PER_MSEC;
        pthread_mutex_lock(&o->lock);
        for (bool ask = true; evict_port(t, port, ask) && t->health == HW_GOOD; ask = false) {
            inserters_kick(o);
            if (o->options.manual || clock_real() >= deadline)
                break;
            clock_cond_wait(&o->progress, &o->lock, clock_now() + 10 * NSEC_PER_MSEC);
        }
        bool hung = t->health == HW_HUNG;
        pthread_mutex_unlock(&o->lock);
        if (t->tier->ops->port_detach && !hung)
            t->tier->ops->port_detach(t->tier, port);
    }
    epoch_move(o);
}

void offload_tick(struct offload *o, int64_t now)
{
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->n_tiers; i++)
        workers_watch(&o->tiers[i], now);
    inserters_kick(o);
    pthread_mutex_unlock(&o->lock);
}

uint64_t offload_ask_stats(struct offload *o)
{
    pthread_mutex_lock(&o->lock);
    uint64_t ticket = ++o->ticket;
    for (size_t i = 0; i < o->n_tiers; i++) {
        o->tiers[i].asked = ticket;
        pthread_cond_signal(&o->tiers[i].work[WORKER_READ]);
    }
    pthread_mutex_unlock(&o->lock);
    return ticket;
}

bool offload_stats_ready(struct offload *o, uint64_t ticket)
{
    pthread_mutex_lock(&o->lock);
    bool ready = true;
    for (size_t i = 0; i < o->n_tiers; i++)
        ready &= o->tiers[i].answered >= ticket;
    pthread_mutex_unlock(&o->lock);
    return ready;
}

int offload_wait_stats(struct offload *o, uint64_t ticket, int64_t deadline)
{
    int error = 0;
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->n_tiers && !error; i++) {
        while (o->tiers[i].answered < ticket && !error)
            error = clock_cond_wait(&o->progress, &o->lock, deadline);
    }
    pthread_mutex_unlock(&o->lock);
    return error;
}

static bool is_idle(const struct hw_tier *t)
{
    return !t->n_lane[LANE_INSTALL] && !t->n_lane[LANE_URGENT] && !t->n_lane[LANE_RETRY] &&
           !t->n_busy;
}

int offload_wait_idle(struct offload *o, int64_t deadline)
{
    int error = 0;
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->n_tiers && !error; i++) {
        while (!is_idle(&o->tiers[i]) && !error)
            error = clock_cond_wait(&o->progress, &o->lock, deadline);
    }
    pthread_mutex_unlock(&o->lock);
    return error;
}

bool offload_step(struct offload *o)
{
    bool worked = false;
    if (!o->options.manual)
        return false;
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct hw_tier *t = &o->tiers[i];
        worked |= t->workers[WORKER_INSERT] && insert_step(t->workers[WORKER_INSERT]);
        worked |= t->workers[WORKER_READ] && read_step(t->workers[WORKER_READ]);
    }
    pthread_mutex_unlock(&o->lock);
    return worked;
}

void offload_report(struct offload *o, tier_report_fn *cb, void *aux)
{
    struct tier_limits limits = {0};
    o->software->ops->limits(o->software, &limits);
    pthread_mutex_lock(&o->lock);
    struct tier_report r = o->software_count;
    pthread_mutex_unlock(&o->lock);
    r.name = o->software->ops->name;
    r.capacity = limits.capacity;
    r.used = limits.used;
    r.copies = atomic_load(&o->software_copies);
    r.packets = atomic_load(&o->software_packets);
    r.bytes = atomic_load(&o->software_bytes);
    cb(aux, &r);
    for (size_t i = 0; i < o->n_tiers; i++) {
        struct hw_tier *t = &o->tiers[i];
        memset(&limits, 0, sizeof(limits));
        t->tier->ops->limits(t->tier, &limits);
        pthread_mutex_lock(&o->lock);
        r = t->count;
        r.copies = t->n_copies;
        r.queued = t->n_lane[LANE_INSTALL];
        r.urgent = t->n_lane[LANE_URGENT] + t->n_lane[LANE_RETRY];
        r.health = (enum hw_health)t->health;
        r.health_since = t->health_since;
        pthread_mutex_unlock(&o->lock);
        r.name = t->tier->ops->name;
        r.hardware = true;
        r.capacity = limits.capacity;
        r.used = limits.used;
        r.queue_max = o->options.queue_max;
        cb(aux, &r);
    }
}

struct sweep {
    struct tier_op *ops;
    struct flow_desc *descs;
    size_t n, ops_allocated, descs_allocated;
    uint8_t instance;
};

static void sweep_found(void *aux, const struct tier_dumped *d)
{
    struct sweep *s = aux;
    if (!ufid_is_ours(&d->desc->ufid, s->instance))
        return;
    GROW_ARRAY(s->ops, s->ops_allocated, s->n + 1);
    GROW_ARRAY(s->descs, s->descs_allocated, s->n + 1);
    flow_desc_clone(&s->descs[s->n], d->desc);
    s->ops[s->n] = (struct tier_op){.type = TIER_REMOVE, .handle = d->handle};
    s->n++;
}

int place_sweep(struct tier_channel *ch, uint8_t instance)
{
    struct sweep s = {.instance = instance};
    const struct tier_ops *ops = ch->tier->ops;
    int error = ops->dump(ch, instance, sweep_found, &s);
    for (size_t i = 0; i < s.n; i++)
        s.ops[i].desc = &s.descs[i];
    for (size_t i = 0; i < s.n && error >= 0; i += INSERT_BATCH)
        error = ops->apply(ch, &s.ops[i], MIN_OF(s.n - i, (size_t)INSERT_BATCH));
    for (size_t i = 0; i < s.n; i++)
        flow_desc_done(&s.descs[i]);
    free(s.descs);
    free(s.ops);
    return error < 0 ? error : (int)s.n;
}
