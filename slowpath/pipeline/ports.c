// SPDX-License-Identifier: Apache-2.0
// Ports of bridges as translation sees them: snapshots, the ends of patch ports, and which bridge a
// datapath port is of.
//
// Thread: setting is the main thread's; finding any's, within an RCU read section. Invariants: a
// snapshot is immutable once published; patch ports that name each other are joined in both
// snapshots or in none; no snapshot points to a bridge that was freed.

#include <string.h>

#include "lib/base/mem.h"
#include "slowpath/pipeline/pipeline_private.h"

#include <uthash.h>

const struct port_view *port_set_find(const struct port_set *set, ofp_port_t number)
{
    uint32_t low = 0, high = set->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (set->v[mid].cfg.number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < set->n && set->v[low].cfg.number == number ? &set->v[low] : NULL;
}

const struct pipeline_port *pipeline_port(const struct pipeline *p, ofp_port_t number)
{
    const struct port_view *view = port_set_find(rcu_get(p->ports), number);
    return view ? &view->cfg : NULL;
}

bool pipeline_port_counters(const struct pipeline *p, ofp_port_t number,
                            struct pipeline_port_counters *ret)
{
    rcu_enter();
    const struct port_view *view = port_set_find(rcu_get(p->ports), number);
    bool found = view && view->counters;
    if (found) {
        ret->rx_packets = atomic_load_explicit(&view->counters->rx_packets, memory_order_relaxed);
        ret->rx_bytes = atomic_load_explicit(&view->counters->rx_bytes, memory_order_relaxed);
        ret->tx_packets = atomic_load_explicit(&view->counters->tx_packets, memory_order_relaxed);
        ret->tx_bytes = atomic_load_explicit(&view->counters->tx_bytes, memory_order_relaxed);
    }
    rcu_leave();
    return found;
}

// --- Snapshots --------------------------------------------------------------------------------

static int by_number(const void *a_, const void *b_)
{
    const struct port_view *a = a_, *b = b_;
    return a->cfg.number < b->cfg.number ? -1 : a->cfg.number > b->cfg.number;
}

static struct port_set *port_set_new(uint32_t n)
{
    struct port_set *set = xcalloc(1, sizeof(*set) + n * sizeof(set->v[0]));
    set->n = n;
    return set;
}

static void port_set_free(void *set_)
{
    struct port_set *set = set_;
    for (uint32_t i = 0; i < set->n; i++) {
        struct port_counters *c = set->v[i].counters;
        if (c && __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0)
            free(c);
    }
    free(set);
}

static struct port_counters *counters_ref(struct port_counters *c)
{
    if (c)
        __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    else
        (c = NEW(struct port_counters))->refs = 1;
    return c;
}

static void publish(struct pipeline *p, struct port_set *set)
{
    struct port_set *old = rcu_swap(p->ports, set);
    rcu_later(&old->later, port_set_free, old);
}

// Equal to a translation?
static bool view_same(const struct port_view *a, const struct port_view *b)
{
    const struct pipeline_port *x = &a->cfg, *y = &b->cfg;
    return x->number == y->number && x->dp_port == y->dp_port && x->kind == y->kind &&
           !((x->flags ^ y->flags) & ~(unsigned)PORT_LINK_DOWN) && x->vlan_mode == y->vlan_mode &&
           x->tag == y->tag && x->trunks_all == y->trunks_all &&
           x->is_protected == y->is_protected && !strcmp(x->name, y->name) &&
           !strcmp(x->peer, y->peer) && a->peer == b->peer && a->peer_port == b->peer_port &&
           (x->trunks_all || !memcmp(x->trunks, y->trunks, sizeof(x->trunks)));
}

static bool port_set_same(const struct port_set *a, const struct port_set *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = view_same(&a->v[i], &b->v[i]);
    return same;
}

// --- Patch ports ------------------------------------------------------------------------------

struct patch_end {
    UT_hash_handle hh;
    struct pipeline *pipeline;
    const struct port_view *view;
};

static struct patch_end *patch_ends(struct pipelines *all)
{
    struct patch_end *ends = NULL;
    for (struct pipeline *p = all->list; p; p = p->next) {
        for (uint32_t i = 0; i < p->ports->n; i++) {
            const struct port_view *view = &p->ports->v[i];
            struct patch_end *end, *twin;
            if (view->cfg.kind != PORT_PATCH)
                continue;
            HASH_FIND_STR(ends, view->cfg.name, twin);
            if (twin)
                continue;
            end = NEW(struct patch_end);
            end->pipeline = p;
            end->view = view;
            HASH_ADD_KEYPTR(hh, ends, view->cfg.name, strlen(view->cfg.name), end);
        }
    }
    return ends;
}

static const struct patch_end *patch_peer(struct patch_end *ends, const struct port_view *view)
{
    struct patch_end *end;
    if (view->cfg.kind != PORT_PATCH || !view->cfg.peer[0])
        return NULL;
    HASH_FIND_STR(ends, view->cfg.peer, end);
    return end && !strcmp(end->view->cfg.peer, view->cfg.name) ? end : NULL;
}

// Joins patch ports anew and publishes for each bridge where that made a difference.
static void join_patches(struct pipelines *all, const struct pipeline *told)
{
    struct patch_end *ends = patch_ends(all), *end, *tmp;
    for (struct pipeline *p = all->list; p; p = p->next) {
        struct port_set *set = NULL;
        for (uint32_t i = 0; i < p->ports->n; i++) {
            const struct port_view *view = &p->ports->v[i];
            const struct patch_end *peer = patch_peer(ends, view);
            struct pipeline *peer_pipeline = peer ? peer->pipeline : NULL;
            ofp_port_t peer_port = peer ? peer->view->cfg.number : 0;
            if (view->peer == peer_pipeline && view->peer_port == peer_port)
                continue;
            if (!set) {
                set = port_set_new(p->ports->n);
                memcpy(set->v, p->ports->v, set->n * sizeof(set->v[0]));
                for (uint32_t k = 0; k < set->n; k++) {
                    if (set->v[k].counters)
                        counters_ref(set->v[k].counters);
                }
            }
            set->v[i].peer = peer_pipeline;
            set->v[i].peer_port = peer_port;
        }
        if (!set)
            continue;
        publish(p, set); // `ends` point into the old set, which the caller's read section keeps
        if (p != told) {
            dep_t dep = dep_make(DEP_PORTS, p->id);
            pipelines_announce(all, &dep, 1);
        }
    }
    HASH_ITER (hh, ends, end, tmp) {
        HASH_DEL(ends, end);
        free(end);
    }
}

// --- Setting ----------------------------------------------------------------------------------

struct port_change {
    const struct port_set *old, *now;
};

// Is what was learned on this port no longer true? It went, or carries other VLANs.
static bool port_forgets(const void *change_, ofp_port_t number)
{
    const struct port_change *change = change_;
    const struct port_view *was = port_set_find(change->old, number);
    const struct port_view *is = port_set_find(change->now, number);
    if (!was || !is)
        return !is;
    return strcmp(was->cfg.name, is->cfg.name) || was->cfg.vlan_mode != is->cfg.vlan_mode ||
           was->cfg.tag != is->cfg.tag || was->cfg.trunks_all != is->cfg.trunks_all ||
           memcmp(was->cfg.trunks, is->cfg.trunks, sizeof(is->cfg.trunks));
}

static struct port_set *port_set_build(const struct port_set *old,
                                       const struct pipeline_port *ports, size_t n)
{
    struct port_set *set = port_set_new(n);
    for (size_t i = 0; i < n; i++) {
        struct port_view *view = &set->v[i];
        view->cfg = ports[i];
        if (ports[i].kind != PORT_PATCH)
            continue;
        const struct port_view *was = port_set_find(old, ports[i].number);
        bool same_port = was && was->counters && !strcmp(was->cfg.name, ports[i].name);
        if (same_port) {
            view->peer = was->peer;
            view->peer_port = was->peer_port;
        }
        view->counters = counters_ref(same_port ? was->counters : NULL);
    }
    if (n)
        qsort(set->v, n, sizeof(set->v[0]), by_number);
    return set;
}

void pipeline_set_ports(struct pipeline *p, const struct pipeline_port *ports, size_t n)
{
    struct port_set *old = p->ports, *set = port_set_build(old, ports, n);
    bool same = port_set_same(old, set);
    rcu_enter(); // keeps what is replaced here readable until the end
    publish(p, set);
    join_patches(p->all, same ? NULL : p);
    pipelines_map_ports(p->all);
    if (!same) {
        dep_t dep = dep_make(DEP_PORTS, p->id);
        pipelines_announce(p->all, &dep, 1);
        mac_table_flush_ports(p->macs, port_forgets, &(struct port_change){old, p->ports});
    }
    rcu_leave();
}

// --- Datapath ports ---------------------------------------------------------------------------

static int by_dp_port(const void *a_, const void *b_)
{
    const struct dp_port_entry *a = a_, *b = b_;
    return a->dp_port < b->dp_port ? -1 : a->dp_port > b->dp_port;
}

void pipelines_map_ports(struct pipelines *all)
{
    size_t n = 0;
    for (struct pipeline *p = all->list; p; p = p->next)
        n += p->ports->n;
    struct dp_port_map *map = xcalloc(1, sizeof(*map) + n * sizeof(map->v[0]));
    for (struct pipeline *p = all->list; p; p = p->next) {
        for (uint32_t i = 0; i < p->ports->n; i++) {
            const struct pipeline_port *port = &p->ports->v[i].cfg;
            if (port->dp_port != DP_PORT_NONE)
                map->v[map->n++] = (struct dp_port_entry){port->dp_port, port->number, p};
        }
    }
    if (map->n)
        qsort(map->v, map->n, sizeof(map->v[0]), by_dp_port);
    struct dp_port_map *old = rcu_swap(all->dp_ports, map);
    if (old)
        rcu_later(&old->later, free, old);
}

bool pipelines_find_port(const struct pipelines *all, dp_port_t dp_port,
                         struct pipeline **ret_pipeline, ofp_port_t *ret_port)
{
    const struct dp_port_map *map = rcu_get(all->dp_ports);
    struct dp_port_entry key = {.dp_port = dp_port};
    const struct dp_port_entry *e =
        map ? bsearch(&key, map->v, map->n, sizeof(map->v[0]), by_dp_port) : NULL;
    if (!e)
        return false;
    *ret_pipeline = e->pipeline;
    *ret_port = e->port;
    return true;
}
