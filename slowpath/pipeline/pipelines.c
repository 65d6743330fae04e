// SPDX-License-Identifier: Apache-2.0
// All bridges of a process: ids, the tables' version, the announcement of changes, and the
// memory of removed rules.
//
// Thread: the main thread's, but for announcing (handlers learn MACs) and asking what changed
// (whoever stores megaflows). Neighbours: pipeline.c (one bridge), flow_mod.c (who changes tables).
//
// A removed rule is in one of three places. First it is marked and its version published: new
// lookups don't see it, old ones may. Then it lies in `dead` until a grace period can begin, then
// in `dying` until that ends; only then it is unlinked, because a lookup of the old version has to
// find it in the hash tables. Grace periods are not waited for: liburcu's worker sets a flag.

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "slowpath/pipeline/pipeline_private.h"

#include <utlist.h>

struct grave_wait {
    struct rcu_later later;
    _Atomic int state;
};
enum { WAIT_RUNS, WAIT_OVER, WAIT_FORGOTTEN };

struct pipelines *pipelines_new(void)
{
    struct pipelines *all = NEW(struct pipelines);
    atomic_init(&all->refs, 1);
    atomic_init(&all->version, 1);
    all->overlap_min = OVERLAP_MIN;
    pthread_mutex_init(&all->ring_lock, NULL);
    return all;
}

struct pipelines *pipelines_ref(struct pipelines *all)
{
    atomic_fetch_add_explicit(&all->refs, 1, memory_order_relaxed);
    return all;
}

void pipelines_unref(struct pipelines *all)
{
    if (!all || atomic_fetch_sub_explicit(&all->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&all->ring_lock);
    free(all);
}

void pipelines_free(struct pipelines *all)
{
    if (!all)
        return;
    // Rules in graves belong to bridges that were freed, and went with their tables.
    free(all->dead.v);
    free(all->dying.v);
    all->dead = all->dying = (struct grave){0};
    if (all->wait && atomic_exchange(&all->wait->state, WAIT_FORGOTTEN) == WAIT_OVER)
        free(all->wait);
    all->wait = NULL;
    if (all->dp_ports)
        rcu_later(&all->dp_ports->later, free, all->dp_ports);
    all->dp_ports = NULL;
    pipelines_unref(all);
}

void pipelines_set_observer(struct pipelines *all, const struct dep_observer *observer)
{
    all->observer = observer ? *observer : (struct dep_observer){0};
}

void pipeline_set_refresh_hook(struct pipelines *all, pipeline_refresh_fn *fn, void *aux)
{
    all->refresh = fn;
    all->refresh_aux = aux;
}

void pipelines_set_counter_lag(struct pipelines *all, int64_t lag)
{
    all->counter_lag = lag;
}

// --- Changes ----------------------------------------------------------------------------------

void pipelines_announce(struct pipelines *all, const dep_t *deps, size_t n)
{
    if (!n)
        return;
    pthread_mutex_lock(&all->ring_lock);
    uint64_t change = atomic_load_explicit(&all->change, memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        all->ring[++change % CHANGE_RING] = deps[i];
    atomic_store_explicit(&all->change, change, memory_order_release);
    pthread_mutex_unlock(&all->ring_lock);
    atomic_thread_fence(memory_order_seq_cst); // pairs with pipelines_changed_since()
    if (all->observer.changed)
        all->observer.changed(all->observer.aux, deps, n);
}

uint64_t pipelines_change(const struct pipelines *all)
{
    return atomic_load_explicit(&all->change, memory_order_acquire);
}

bool pipelines_changed_since(const struct pipelines *all_, uint64_t since,
                             const struct provenance *provenance)
{
    struct pipelines *all = (struct pipelines *)all_; // for the lock
    // What is stored already must be seen by who announces, or the other way round.
    atomic_thread_fence(memory_order_seq_cst);
    if (pipelines_change(all) == since)
        return false;
    bool changed = false;
    pthread_mutex_lock(&all->ring_lock);
    uint64_t change = atomic_load_explicit(&all->change, memory_order_relaxed);
    if (change - since > CHANGE_RING)
        changed = true;
    for (uint64_t i = since + 1; !changed && i <= change; i++)
        changed = provenance_has(provenance, all->ring[i % CHANGE_RING]);
    pthread_mutex_unlock(&all->ring_lock);
    return changed;
}

void pipelines_publish_version(struct pipelines *all)
{
    atomic_fetch_add_explicit(&all->version, 1, memory_order_release);
}

// --- Removed rules ----------------------------------------------------------------------------

static void wait_over(void *wait_)
{
    struct grave_wait *wait = wait_;
    if (atomic_exchange(&wait->state, WAIT_OVER) == WAIT_FORGOTTEN)
        free(wait);
}

void pipelines_bury(struct pipelines *all, struct rule *rule)
{
    GROW_ARRAY(all->dead.v, all->dead.allocated, all->dead.n + 1);
    all->dead.v[all->dead.n++] = rule;
}

static void unlink_dying(struct pipelines *all)
{
    for (size_t i = 0; i < all->dying.n; i++) {
        struct rule *rule = all->dying.v[i];
        classifier_remove(&rule->pipeline->tables[rule->table]->cls, rule);
        rule_unref(rule);
    }
    all->dying.n = 0;
    for (struct pipeline *p = all->list; p; p = p->next) {
        for (unsigned t = 0; t < PIPELINE_TABLES; t++) {
            if (p->tables[t])
                classifier_publish(&p->tables[t]->cls);
        }
    }
}

void pipelines_reap(struct pipelines *all)
{
    if (all->wait) {
        if (atomic_load(&all->wait->state) != WAIT_OVER)
            return;
        free(all->wait);
        all->wait = NULL;
        unlink_dying(all);
    }
    if (!all->dead.n)
        return;
    struct grave empty = all->dying;
    all->dying = all->dead;
    all->dead = empty;
    all->wait = NEW(struct grave_wait);
    rcu_later(&all->wait->later, wait_over, all->wait);
}

static void grave_forget(struct grave *grave, const struct pipeline *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < grave->n; i++) {
        if (grave->v[i]->pipeline != p)
            grave->v[kept++] = grave->v[i];
    }
    grave->n = kept;
}

// --- Bridges ----------------------------------------------------------------------------------

int64_t pipelines_run(struct pipelines *all, int64_t now)
{
    bool macs = now >= all->macs_run_at;
    if (macs)
        all->macs_run_at = now + NSEC_PER_SEC;
    for (struct pipeline *p = all->list; p; p = p->next) {
        pipeline_expire(p, now);
        if (macs)
            mac_table_run(p->macs, now);
    }
    pipelines_reap(all);
    return now + (all->wait ? NSEC_PER_SEC / 10 : NSEC_PER_SEC / 2);
}

static void macs_changed(void *p_, uint16_t vlan, const struct eth_addr *addr)
{
    struct pipeline *p = p_;
    dep_t dep = dep_mac(p->id, vlan, addr);
    pipelines_announce(p->all, &dep, 1);
}

struct pipeline *pipeline_new(struct pipelines *all, const char *name)
{
    struct pipeline *p = NEW(struct pipeline);
    p->all = pipelines_ref(all);
    p->id = ++all->next_pipeline_id;
    p->name = xstrdup(name);
    atomic_init(&p->refs, 1);
    p->ports = NEW(struct port_set);
    p->macs = mac_table_new(macs_changed, p);
    DL_APPEND(all->list, p);
    return p;
}

struct pipeline *pipeline_ref(struct pipeline *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void pipeline_unref(struct pipeline *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    mac_table_free(p->macs);
    free(p->ports);
    free(p->name);
    pipelines_unref(p->all);
    free(p);
}

// Runs in liburcu's worker when no translation is in the bridge any more. Credits may still hold
// the bridge itself.
static void pipeline_teardown(void *p_)
{
    struct pipeline *p = p_;
    tables_free(p);
    pipeline_unref(p);
}

void pipeline_free(struct pipeline *p)
{
    if (!p)
        return;
    struct pipelines *all = p->all;
    p->events = (struct pipeline_events){0};
    pipeline_set_ports(p, NULL, 0);
    pipeline_remove_all_rules(p);
    DL_DELETE(all->list, p);
    grave_forget(&all->dead, p);
    grave_forget(&all->dying, p);
    tables_take(p);
    rcu_later(&p->later, pipeline_teardown, p);
}

const char *pipeline_name(const struct pipeline *p)
{
    return p->name;
}

uint32_t pipeline_id(const struct pipeline *p)
{
    return p->id;
}

struct mac_table *pipeline_macs(const struct pipeline *p)
{
    return p->macs;
}

void pipeline_set_events(struct pipeline *p, const struct pipeline_events *events)
{
    p->events = events ? *events : (struct pipeline_events){0};
}

void pipeline_set_miss_to_controller(struct pipeline *p, bool on)
{
    if (atomic_exchange(&p->miss_to_controller, on) == on)
        return;
    dep_t dep = dep_make(DEP_CONFIG, p->id);
    pipelines_announce(p->all, &dep, 1);
}

void pipeline_refresh(struct pipeline *p, void (*done)(void *arg), void *arg)
{
    if (p->all->refresh)
        p->all->refresh(p->all->refresh_aux, p, done, arg);
    else
        done(arg);
}
