// SPDX-License-Identifier: Apache-2.0
// Keepers: each has the care of the megaflows whose UFID falls to it, from birth to the end.
//
// What is urgent (new megaflows, announced changes, closed placements) is worked off at once,
// keeper_catch_up(); all megaflows are gone through every max-revalidator ms, keeper_round():
// counters are read from the tiers and credited, placements reviewed, idle megaflows expire, the
// oldest go when there are too many. A round looks at what is urgent between batches, so that a
// change takes effect soon whatever the table's size.
//
// Nobody but its keeper changes a megaflow once it is born, so the keeper's lists and index need no
// lock; what others have for it lies under keeper.lock. Births and changed keys are taken in one
// step, births first: see backer.h for why no translation of old tables survives that.
//
// Counters that are late hold expiry back: a megaflow is idle when every tier says that it was
// quiet for max-idle, as of the age of its figures (place_quiet_until()).
#include <stdlib.h>
#include <string.h>

#include "slowpath/upcall/private.h"

struct keeper *keeper_of(struct backer *b, const struct ufid *u)
{
    return &b->keepers[u->b[15] % b->n_keepers];
}

void keeper_wake(void *aux)
{
    struct keeper *k = aux;
    pthread_mutex_lock(&k->lock);
    k->woken = true;
    pthread_cond_signal(&k->cond);
    pthread_mutex_unlock(&k->lock);
}

void keeper_ask_round(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->woken = k->round_wanted = true;
    pthread_cond_signal(&k->cond);
    pthread_mutex_unlock(&k->lock);
}

void keeper_births(struct keeper *k, struct cds_list_head *megaflows)
{
    pthread_mutex_lock(&k->lock);
    cds_list_splice(megaflows, &k->births);
    pthread_mutex_unlock(&k->lock);
}

void keeper_changed(struct keeper *k, const dep_t *deps, size_t n)
{
    pthread_mutex_lock(&k->lock);
    if (k->n_keys + n > KEYS_MAX) {
        k->all_dirty = true;
        k->n_keys = 0;
    }
    if (!k->all_dirty) {
        GROW_ARRAY(k->keys, k->keys_allocated, k->n_keys + n);
        memcpy(k->keys + k->n_keys, deps, n * sizeof(*deps));
        k->n_keys += n;
    }
    k->woken = true;
    pthread_cond_signal(&k->cond);
    pthread_mutex_unlock(&k->lock);
}

void keeper_init(struct keeper *k, struct backer *b, unsigned id)
{
    k->backer = b;
    k->id = id;
    pthread_mutex_init(&k->lock, NULL);
    clock_cond_init(&k->cond);
    CDS_INIT_LIST_HEAD(&k->births);
    CDS_INIT_LIST_HEAD(&k->flows);
    CDS_INIT_LIST_HEAD(&k->dirty);
    dep_index_init(&k->index);
    place_owner_init(&k->owner, b->offload, keeper_wake, k);
}

static void take_in(struct keeper *k, struct megaflow *m)
{
    cds_list_add_tail(&m->listed, &k->flows);
    tally_add(&k->n.flows, 1);
    dep_index_set(&k->index, m, &m->links, &m->provenance);
    if (pipelines_changed_since(k->backer->pipelines, m->change, &m->provenance)) {
        tally_add(&k->n.late, 1);
        megaflow_dirty(m);
    }
    provenance_done(&m->provenance);
    provenance_init(&m->provenance);
}

static void user_dirty(void *aux, struct megaflow *m)
{
    megaflow_dirty(m);
}

static void take_closed(struct keeper *k)
{
    struct placement *p;
    while ((p = place_take_closed(&k->owner))) {
        struct megaflow *m = (struct megaflow *)p;
        megaflow_credit(m);
        megaflow_free(m);
    }
}

void keeper_catch_up(struct keeper *k)
{
    struct cds_list_head births;
    struct megaflow *m, *next;
    CDS_INIT_LIST_HEAD(&births);
    pthread_mutex_lock(&k->lock);
    cds_list_splice(&k->births, &births);
    CDS_INIT_LIST_HEAD(&k->births);
    dep_t *keys = STEAL_PTR(k->keys);
    size_t n_keys = k->n_keys;
    bool all = k->all_dirty;
    k->n_keys = k->keys_allocated = 0;
    k->all_dirty = k->woken = false;
    pthread_mutex_unlock(&k->lock);

    cds_list_for_each_entry_safe (m, next, &births, listed)
        take_in(k, m);
    for (size_t i = 0; i < n_keys; i++)
        dep_index_find(&k->index, keys[i], user_dirty, NULL);
    free(keys);
    if (all) {
        cds_list_for_each_entry (m, &k->flows, listed)
            megaflow_dirty(m);
    }
    revalidate_dirty(k);
    take_closed(k);
}

static bool is_idle(struct megaflow *m, int64_t max_idle)
{
    int64_t used = atomic_load_explicit(&m->place.used, memory_order_relaxed);
    return place_quiet_until(&m->place) - MAX_OF(used, m->created) >= max_idle;
}

// Reads and judges a batch of megaflows.
static void keep_batch(struct keeper *k, struct megaflow **v, size_t n, int64_t max_idle)
{
    struct placement *places[KEEP_BATCH];
    struct megaflow *doomed[KEEP_BATCH], *lost[KEEP_BATCH];
    size_t n_doomed = 0, n_lost = 0;
    for (size_t i = 0; i < n; i++)
        places[i] = &v[i]->place;
    place_read(k->backer->offload, k->channel, places, n);
    int64_t now = clock_now();
    for (size_t i = 0; i < n; i++) {
        struct megaflow *m = v[i];
        megaflow_credit(m);
        if (atomic_load_explicit(&m->doomed, memory_order_relaxed)) {
            doomed[n_doomed++] = m;
        } else if (is_idle(m, max_idle)) {
            doomed[n_doomed++] = m;
            tally_add(&k->n.expired, 1);
        } else if (place_sw_lost(&m->place)) {
            lost[n_lost++] = m;
        } else {
            place_review(&m->place, now);
            if (m->again)
                megaflow_dirty(m);
        }
    }
    megaflows_reinstall(k, lost, n_lost);
    megaflows_remove(k, doomed, n_doomed);
}

// The next megaflows in line, at most `*left`; they go to the end.
static size_t take_batch(struct keeper *k, struct megaflow **v, uint64_t *left)
{
    size_t n = 0;
    for (; n < KEEP_BATCH && *left; n++, --*left) {
        v[n] = cds_list_first_entry(&k->flows, struct megaflow, listed);
        cds_list_del(&v[n]->listed);
        cds_list_add_tail(&v[n]->listed, &k->flows);
    }
    return n;
}

static int by_use(const void *a, const void *b)
{
    const struct megaflow *x = *(struct megaflow *const *)a, *y = *(struct megaflow *const *)b;
    int64_t p = MAX_OF(atomic_load(&x->place.used), x->created);
    int64_t q = MAX_OF(atomic_load(&y->place.used), y->created);
    return p < q ? -1 : p > q;
}

// Makes room when there are more than may be, or when handlers were turned away: the ones longest
// unused go.
static void evict(struct keeper *k)
{
    struct backer *b = k->backer;
    uint64_t limit = atomic_load(&b->flow_limit), flows = atomic_load(&b->n_flows);
    uint64_t mine = tally_get(&k->n.flows), turned_away = 0;
    for (unsigned i = 0; i < b->n_handlers; i++)
        turned_away += tally_get(&b->handlers[i].n.over_limit);
    bool wanted = turned_away != k->over_limit_seen;
    k->over_limit_seen = turned_away;
    if (!mine || (flows <= limit && !(wanted && flows >= limit)))
        return;
    uint64_t excess = flows - limit + (wanted ? limit / 20 + 1 : 0);
    uint64_t n = MIN_OF(DIV_ROUND_UP(excess * mine, flows), mine);
    struct megaflow **v = NEW_ARRAY(struct megaflow *, mine);
    struct megaflow *m;
    uint64_t i = 0;
    cds_list_for_each_entry (m, &k->flows, listed)
        v[i++] = m;
    qsort(v, mine, sizeof(*v), by_use);
    megaflows_remove(k, v, n);
    tally_add(&k->n.evicted, n);
    free(v);
}

static bool is_urgent(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool urgent = k->n_keys || k->all_dirty;
    pthread_mutex_unlock(&k->lock);
    return urgent;
}

void keeper_round(struct keeper *k)
{
    struct backer *b = k->backer;
    struct megaflow *batch[KEEP_BATCH];
    int64_t began = clock_real(), now = clock_now();
    pthread_mutex_lock(&k->lock);
    k->round_wanted = false;
    pthread_mutex_unlock(&k->lock);
    refresh_begin(k, now);
    if (!k->id) {
        atomic_store(&b->flows_avg, (atomic_load(&b->flows_avg) + atomic_load(&b->n_flows)) / 2);
        offload_tick(b->offload, now);
        offload_ask_stats(b->offload);
    }
    keeper_catch_up(k);
    int64_t max_idle = (int64_t)atomic_load(&b->max_idle_ms) * NSEC_PER_MSEC;
    uint64_t left = tally_get(&k->n.flows);
    while (left) {
        size_t n = take_batch(k, batch, &left);
        keep_batch(k, batch, n, max_idle);
        if (is_urgent(k))
            keeper_catch_up(k);
        left = MIN_OF(left, tally_get(&k->n.flows));
    }
    evict(k);
    keeper_catch_up(k);
    k->next_round = now + (int64_t)atomic_load(&b->max_revalidator_ms) * NSEC_PER_MSEC;
    atomic_store_explicit(&k->n.round_ns, clock_real() - began, memory_order_relaxed);
    tally_add(&k->n.rounds, 1);
    refresh_end(k);
}

void *keeper_main(void *aux)
{
    struct keeper *k = aux;
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        bool woken = k->woken, wanted = k->round_wanted;
        int64_t now = clock_now(), deadline = k->next_round;
        pthread_mutex_unlock(&k->lock);
        if (wanted || now >= k->next_round || refresh_due(k, now, &deadline))
            keeper_round(k);
        else if (woken)
            keeper_catch_up(k);
        pthread_mutex_lock(&k->lock);
        if (!k->woken && !k->round_wanted && !k->stop) {
            deadline = MIN_OF(deadline, k->next_round);
            clock_cond_wait(&k->cond, &k->lock, deadline);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

void keeper_done(struct keeper *k)
{
    struct backer *b = k->backer;
    struct megaflow *m, *next;
    cds_list_splice(&k->births, &k->flows);
    CDS_INIT_LIST_HEAD(&k->births);
    cds_list_for_each_entry_safe (m, next, &k->flows, listed) {
        dep_index_set(&k->index, m, &m->links, NULL);
        store_del(b->store, m);
        megaflow_free(m);
    }
    CDS_INIT_LIST_HEAD(&k->flows);
    take_closed(k);
    dep_index_done(&k->index);
    place_owner_done(&k->owner);
    free(k->keys);
    pthread_cond_destroy(&k->cond);
    pthread_mutex_destroy(&k->lock);
}
