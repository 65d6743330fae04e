// SPDX-License-Identifier: Apache-2.0
// The flow table: see table.h for what it promises.
//
// Structure. One lock-free hash table per mask holds the flows of that mask by the hash of their masked key; another, by
// UFID, serves the operations. The list of masks is an RCU array in order of past use, rebuilt when a mask comes or goes.
// A forwarding thread keeps a cache from the hash of the *whole* key to the flow that matched last; the megaflows of a
// table do not contradict each other, so a cached flow that still matches is as right as any.
//
// Invariants. A cache entry is used only if nothing was removed since it was written (`generation`): removal unlinks, then
// raises the generation, then waits for readers, then frees. Final counters are read after that wait, so they are exact.
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "slowpath/softdp/port.h"
#include "slowpath/softdp/table.h"

#include <urcu/rculfhash.h>

#define CACHE_ENTRIES 8192 // a power of two

struct soft_mask {
    struct sparse *mask;
    struct cds_lfht *flows;
    uint64_t n_flows; // under the table's lock
    uint64_t hits; // lookups answered past the cache; relaxed, an ordering hint
};

struct mask_list {
    struct rcu_later later;
    uint32_t n;
    struct soft_mask *v[];
};

struct soft_actions {
    struct rcu_later later;
    struct act_list list;
};

struct soft_flow {
    struct cds_lfht_node by_key; // in mask->flows
    struct cds_lfht_node by_ufid;
    struct rcu_later later;
    struct ufid ufid;
    struct soft_mask *mask;
    struct sparse *value; // masked key
    struct soft_actions *actions; // RCU
    // One writer, relaxed.
    uint64_t packets, bytes;
    int64_t used;
    uint16_t tcp_flags;
};

struct soft_table {
    pthread_mutex_t lock; // writers
    struct mask_list *masks; // RCU
    struct cds_lfht *by_ufid;
    uint64_t generation; // raised by removals
    uint64_t n_flows;
};

struct cache_entry {
    uint32_t hash;
    uint64_t generation;
    struct soft_flow *flow;
};

struct soft_cache {
    struct cache_entry v[CACHE_ENTRIES];
};

static struct cds_lfht *hash_new(void)
{
    return cds_lfht_new_flavor(64, 64, 0, CDS_LFHT_AUTO_RESIZE, &urcu_memb_flavor, NULL);
}

static struct mask_list *mask_list_new(uint32_t n)
{
    struct mask_list *list = xcalloc(1, sizeof *list + n * sizeof list->v[0]);

    list->n = n;
    return list;
}

struct soft_table *soft_table_new(void)
{
    struct soft_table *t = NEW(struct soft_table);

    pthread_mutex_init(&t->lock, NULL);
    t->masks = mask_list_new(0);
    t->by_ufid = hash_new();
    return t;
}

struct soft_cache *soft_cache_new(void)
{
    struct soft_cache *c = NEW(struct soft_cache);

    return c;
}

void soft_cache_free(struct soft_cache *c)
{
    free(c);
}

// --- Lookup ---

static int match_node(struct cds_lfht_node *node, const void *key)
{
    const struct soft_flow *f = HOLDER_OF(node, struct soft_flow, by_key);

    return sparse_matches_key(f->value, f->mask->mask, key);
}

static struct soft_flow *lookup_masks(struct soft_table *t, const struct flow_key *key)
{
    const struct mask_list *masks = rcu_get(t->masks);

    for (uint32_t i = 0; i < masks->n; i++) {
        struct soft_mask *m = masks->v[i];
        struct cds_lfht_iter iter;

        cds_lfht_lookup(m->flows, sparse_hash_key(key, m->mask, 0), match_node, key, &iter);
        struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
        if (node) {
            RCU_TSAN_TAKE(HOLDER_OF(node, struct soft_flow, by_key));
            __atomic_store_n(&m->hits, __atomic_load_n(&m->hits, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
            return HOLDER_OF(node, struct soft_flow, by_key);
        }
    }
    return NULL;
}

struct soft_flow *soft_table_lookup(struct soft_table *t, struct soft_cache *cache, const struct flow_key *key)
{
    uint64_t generation = __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE);
    uint32_t hash = (uint32_t)hash_bytes(key, sizeof *key, 0);
    struct cache_entry *e = &cache->v[hash % CACHE_ENTRIES];

    if (e->flow && e->hash == hash && e->generation == generation &&
        sparse_matches_key(e->flow->value, e->flow->mask->mask, key))
        return e->flow;
    struct soft_flow *f = lookup_masks(t, key);
    if (f)
        *e = (struct cache_entry){hash, generation, f};
    return f;
}

const struct act_list *soft_flow_actions(const struct soft_flow *f)
{
    return &rcu_get(f->actions)->list;
}

void soft_flow_ufid(const struct soft_flow *f, struct ufid *ret_ufid)
{
    *ret_ufid = f->ufid;
}

void soft_flow_count(struct soft_flow *f, uint32_t frames, uint64_t bytes, uint16_t tcp_flags, int64_t now)
{
    count_relaxed(&f->packets, frames);
    count_relaxed(&f->bytes, bytes);
    __atomic_store_n(&f->used, now, __ATOMIC_RELAXED);
    if (tcp_flags & ~f->tcp_flags)
        __atomic_store_n(&f->tcp_flags, f->tcp_flags | tcp_flags, __ATOMIC_RELAXED);
}

static void read_stats(const struct soft_flow *f, struct tier_stats *ret)
{
    *ret = (struct tier_stats){
        .packets = __atomic_load_n(&f->packets, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&f->bytes, __ATOMIC_RELAXED),
        .used = __atomic_load_n(&f->used, __ATOMIC_RELAXED),
        .tcp_flags = __atomic_load_n(&f->tcp_flags, __ATOMIC_RELAXED),
        .wire = true,
    };
}

// --- Masks (under the lock) ---

static void mask_list_free(void *list)
{
    free(list);
}

static int by_hits(const void *a, const void *b)
{
    uint64_t x = __atomic_load_n(&(*(struct soft_mask *const *)a)->hits, __ATOMIC_RELAXED);
    uint64_t y = __atomic_load_n(&(*(struct soft_mask *const *)b)->hits, __ATOMIC_RELAXED);

    return x < y ? 1 : x > y ? -1 : 0;
}

static void publish_masks(struct soft_table *t, struct mask_list *list)
{
    struct mask_list *old = t->masks;

    rcu_set(t->masks, list);
    rcu_later(&old->later, mask_list_free, old);
}

static struct soft_mask *mask_get(struct soft_table *t, const struct flow_key *mask)
{
    struct sparse *wanted = sparse_from_key_mask(mask);

    for (uint32_t i = 0; i < t->masks->n; i++) {
        if (sparse_equal(t->masks->v[i]->mask, wanted)) {
            free(wanted);
            return t->masks->v[i];
        }
    }
    struct soft_mask *m = NEW(struct soft_mask);
    struct mask_list *list = mask_list_new(t->masks->n + 1);

    m->mask = wanted;
    m->flows = hash_new();
    memcpy(list->v, t->masks->v, t->masks->n * sizeof list->v[0]);
    qsort(list->v, t->masks->n, sizeof list->v[0], by_hits);
    list->v[t->masks->n] = m;
    publish_masks(t, list);
    return m;
}

// Takes a mask without flows off the list. The caller frees it after a grace period.
static void mask_unlink(struct soft_table *t, struct soft_mask *m)
{
    struct mask_list *list = mask_list_new(t->masks->n - 1);
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->masks->n; i++) {
        if (t->masks->v[i] != m)
            list->v[n++] = t->masks->v[i];
    }
    publish_masks(t, list);
}

static void mask_free(struct soft_mask *m)
{
    cds_lfht_destroy(m->flows, NULL);
    free(m->mask);
    free(m);
}

// --- Flows (under the lock) ---

static uint32_t ufid_hash(const struct ufid *ufid)
{
    return (uint32_t)hash_bytes(ufid, sizeof *ufid, 0);
}

static int match_ufid(struct cds_lfht_node *node, const void *ufid)
{
    return ufid_equal(&HOLDER_OF(node, struct soft_flow, by_ufid)->ufid, ufid);
}

// Within a read section.
static struct soft_flow *find(struct soft_table *t, const struct ufid *ufid)
{
    struct cds_lfht_iter iter;

    cds_lfht_lookup(t->by_ufid, ufid_hash(ufid), match_ufid, ufid, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    if (node)
        RCU_TSAN_TAKE(HOLDER_OF(node, struct soft_flow, by_ufid));
    return node ? HOLDER_OF(node, struct soft_flow, by_ufid) : NULL;
}

static struct soft_actions *actions_new(const struct act_list *list)
{
    struct soft_actions *a = NEW(struct soft_actions);

    act_list_clone(&a->list, list);
    return a;
}

static void actions_free(void *actions)
{
    struct soft_actions *a = actions;

    act_list_done(&a->list);
    free(a);
}

static void flow_free(struct soft_flow *f)
{
    actions_free(f->actions);
    free(f->value);
    free(f);
}

static int install(struct soft_table *t, struct tier_op *op)
{
    const struct flow_desc *d = op->desc;

    if (find(t, &d->ufid)) {
        return refuse(&op->refusal, REFUSAL_CHECK, CULPRIT_NONE, 0, -EEXIST,
                      "the userspace datapath already has a flow of this identity");
    }
    struct soft_flow *f = NEW(struct soft_flow);
    struct flow dense = {.key = d->key};

    cds_lfht_node_init(&f->by_key);
    cds_lfht_node_init(&f->by_ufid);
    f->ufid = d->ufid;
    f->actions = actions_new(&d->actions);
    f->mask = mask_get(t, &d->mask);
    f->value = sparse_value(&dense, f->mask->mask);
    f->mask->n_flows++;
    RCU_TSAN_GIVE(f);
    cds_lfht_add(f->mask->flows, sparse_hash(f->value, 0), &f->by_key);
    cds_lfht_add(t->by_ufid, ufid_hash(&f->ufid), &f->by_ufid);
    __atomic_fetch_add(&t->n_flows, 1, __ATOMIC_RELAXED);
    return 0;
}

static int modify(struct soft_table *t, struct tier_op *op)
{
    struct soft_flow *f = find(t, &op->desc->ufid);

    if (!f) {
        return refuse(&op->refusal, REFUSAL_CHECK, CULPRIT_NONE, 0, -ENOENT,
                      "the userspace datapath has no flow of this identity");
    }
    struct soft_actions *old = rcu_swap(f->actions, actions_new(&op->desc->actions));

    rcu_later(&old->later, actions_free, old);
    op->counters_continue = true;
    return 0;
}

static void unlink_flow(struct soft_table *t, struct soft_flow *f)
{
    cds_lfht_del(f->mask->flows, &f->by_key);
    cds_lfht_del(t->by_ufid, &f->by_ufid);
    __atomic_fetch_sub(&t->n_flows, 1, __ATOMIC_RELAXED);
    if (--f->mask->n_flows == 0)
        mask_unlink(t, f->mask);
}

// Flows unlinked under the lock, to be read and freed after a grace period.
struct doomed {
    struct soft_flow *flow;
    struct soft_mask *mask; // to be freed too; or NULL
    struct tier_op *op; // NULL: nobody asks for the last counters
};

struct doomed_list {
    size_t n, allocated;
    struct doomed *v;
};

static void doom(struct soft_table *t, struct doomed_list *list, struct soft_flow *f, struct tier_op *op)
{
    unlink_flow(t, f);
    GROW_ARRAY(list->v, list->allocated, list->n + 1);
    list->v[list->n++] = (struct doomed){f, f->mask->n_flows ? NULL : f->mask, op};
}

// Not under the lock and not within a read section.
static void reap(struct soft_table *t, struct doomed_list *list)
{
    if (!list->n)
        return;
    rcu_wait();
    for (size_t i = 0; i < list->n; i++) {
        struct doomed *d = &list->v[i];

        if (d->op) {
            read_stats(d->flow, &d->op->last);
            d->op->final = TIER_FINAL_EXACT;
        }
        flow_free(d->flow);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i].mask)
            mask_free(list->v[i].mask);
    }
    free(list->v);
}

static int apply_one(struct soft_table *t, struct tier_op *op, struct doomed_list *doomed)
{
    switch (op->type) {
    case TIER_INSTALL:
        return install(t, op);
    case TIER_MODIFY:
        return modify(t, op);
    case TIER_REMOVE:
        break;
    }
    struct soft_flow *f = find(t, &op->desc->ufid);
    if (!f)
        return -ENOENT;
    doom(t, doomed, f, op);
    return 0;
}

static void raise_generation(struct soft_table *t)
{
    __atomic_fetch_add(&t->generation, 1, __ATOMIC_RELEASE);
}

void soft_table_apply(struct soft_table *t, struct tier_op *ops, size_t n)
{
    struct doomed_list doomed = {0};

    pthread_mutex_lock(&t->lock);
    rcu_enter();
    for (size_t i = 0; i < n; i++)
        ops[i].error = apply_one(t, &ops[i], &doomed);
    if (doomed.n)
        raise_generation(t);
    rcu_leave();
    pthread_mutex_unlock(&t->lock);
    reap(t, &doomed);
}

void soft_table_stats(struct soft_table *t, struct tier_stats_req *reqs, size_t n)
{
    rcu_enter();
    for (size_t i = 0; i < n; i++) {
        const struct soft_flow *f = find(t, &reqs[i].ufid);

        reqs[i].error = f ? 0 : -ENOENT;
        if (f)
            read_stats(f, &reqs[i].stats);
    }
    rcu_leave();
}

static void describe(const struct soft_flow *f, struct flow_desc *ret)
{
    struct flow value, mask;

    sparse_expand(f->value, &value);
    sparse_expand(f->mask->mask, &mask);
    ret->ufid = f->ufid;
    ret->key = value.key;
    ret->mask = mask.key;
    ret->actions = *soft_flow_actions(f);
}

void soft_table_dump(struct soft_table *t, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;

    rcu_enter();
    cds_lfht_for_each(t->by_ufid, &iter, node)
    {
        const struct soft_flow *f = HOLDER_OF(node, struct soft_flow, by_ufid);
        struct flow_desc desc;
        struct tier_dumped dumped = {.desc = &desc};

        if (!ufid_is_ours(&f->ufid, instance))
            continue;
        describe(f, &desc);
        read_stats(f, &dumped.stats);
        cb(aux, &dumped);
    }
    rcu_leave();
}

static bool names_port(const struct soft_flow *f, dp_port_t port)
{
    const struct act_list *actions = soft_flow_actions(f);
    struct flow value;

    sparse_expand(f->value, &value);
    if (value.key.in_port == port)
        return true;
    for (uint32_t i = 0; i < actions->n; i++) {
        if (actions->v[i].type == ACT_OUTPUT && actions->v[i].port == port)
            return true;
    }
    return false;
}

static void remove_where(struct soft_table *t, bool (*want)(const struct soft_flow *, dp_port_t), dp_port_t arg)
{
    struct doomed_list doomed = {0};
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;

    pthread_mutex_lock(&t->lock);
    rcu_enter();
    cds_lfht_for_each(t->by_ufid, &iter, node)
    {
        struct soft_flow *f = HOLDER_OF(node, struct soft_flow, by_ufid);

        if (want(f, arg))
            doom(t, &doomed, f, NULL);
    }
    if (doomed.n)
        raise_generation(t);
    rcu_leave();
    pthread_mutex_unlock(&t->lock);
    reap(t, &doomed);
}

void soft_table_forget_port(struct soft_table *t, dp_port_t port)
{
    remove_where(t, names_port, port);
}

static bool any_flow(const struct soft_flow *f, dp_port_t port)
{
    return true;
}

void soft_table_free(struct soft_table *t)
{
    if (!t)
        return;
    remove_where(t, any_flow, DP_PORT_NONE);
    cds_lfht_destroy(t->by_ufid, NULL);
    mask_list_free(t->masks);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

uint64_t soft_table_n_flows(struct soft_table *t)
{
    return __atomic_load_n(&t->n_flows, __ATOMIC_RELAXED);
}

uint32_t soft_table_n_masks(struct soft_table *t)
{
    rcu_enter();
    uint32_t n = rcu_get(t->masks)->n;
    rcu_leave();
    return n;
}
