// SPDX-License-Identifier: Apache-2.0
// MAC learning: a hash table of RCU chains with a lock per bucket for writers.
//
// Threads: see mac_table.h. A packet of a known address costs a lookup and, once a second, a store.
// Invariants: an entry's identity never changes, its port and age are atomics; an entry is unlinked
// under its bucket's lock and freed after a grace period; at most one bucket is locked at a time;
// `changed` is called with none locked.

#include "slowpath/l2/mac_table.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"

enum { BUCKETS = 1024, AGEING_MIN = 15, AGEING_MAX = 3600, LIMIT_MIN = 10 };

struct mac_entry {
    struct mac_entry *next; // RCU
    struct rcu_later later;
    struct eth_addr addr;
    uint16_t vlan;
    bool is_static;
    _Atomic ofp_port_t port;
    _Atomic int64_t seen; // clock_now(), to about a second
};

struct mac_bucket {
    struct mac_entry *first; // RCU
    pthread_mutex_t lock;
};

struct mac_table {
    mac_changed_fn *changed;
    void *aux;
    _Atomic uint32_t n, limit;
    _Atomic unsigned ageing; // seconds
    _Atomic uint64_t learned, moved, expired, evicted;
    struct mac_bucket buckets[BUCKETS];
};

struct mac_table *mac_table_new(mac_changed_fn *changed, void *aux)
{
    struct mac_table *t = NEW(struct mac_table);
    t->changed = changed;
    t->aux = aux;
    atomic_init(&t->limit, MAC_LIMIT_DEFAULT);
    atomic_init(&t->ageing, MAC_AGEING_DEFAULT);
    for (unsigned i = 0; i < BUCKETS; i++)
        pthread_mutex_init(&t->buckets[i].lock, NULL);
    return t;
}

void mac_table_free(struct mac_table *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct mac_entry *next;
        for (struct mac_entry *e = t->buckets[i].first; e; e = next) {
            next = e->next;
            free(e);
        }
        pthread_mutex_destroy(&t->buckets[i].lock);
    }
    free(t);
}

void mac_table_set_ageing(struct mac_table *t, unsigned seconds)
{
    seconds = MIN_OF(seconds, (unsigned)AGEING_MAX);
    atomic_store(&t->ageing, MAX_OF(seconds, (unsigned)AGEING_MIN));
}

void mac_table_set_limit(struct mac_table *t, uint32_t entries)
{
    atomic_store(&t->limit, MAX_OF(entries, (uint32_t)LIMIT_MIN));
}

static bool addr_equal(const struct eth_addr *a, const struct eth_addr *b)
{
    return !memcmp(a, b, sizeof(*a));
}

static unsigned bucket_of(uint16_t vlan, const struct eth_addr *addr)
{
    uint64_t key = vlan;
    memcpy((uint8_t *)&key + 2, addr->b, 6);
    return hash_u64(key, 0) % BUCKETS;
}

static struct mac_entry *find(const struct mac_table *t, uint16_t vlan, const struct eth_addr *addr)
{
    struct mac_entry *e = rcu_get(t->buckets[bucket_of(vlan, addr)].first);
    while (e && !(e->vlan == vlan && addr_equal(&e->addr, addr)))
        e = rcu_get(e->next);
    return e;
}

bool mac_table_lookup(const struct mac_table *t, uint16_t vlan, const struct eth_addr *addr,
                      ofp_port_t *ret_port)
{
    const struct mac_entry *e = find(t, vlan, addr);
    if (e)
        *ret_port = atomic_load_explicit(&e->port, memory_order_relaxed);
    return e;
}

// --- Under a bucket's lock ----------------------------------------------------------------------

static void unlink_entry(struct mac_table *t, struct mac_entry **at)
{
    struct mac_entry *e = *at;
    rcu_set(*at, e->next);
    atomic_fetch_sub(&t->n, 1);
    rcu_later(&e->later, free, e);
}

static void link_entry(struct mac_table *t, struct mac_bucket *b, uint16_t vlan,
                       const struct eth_addr *addr, ofp_port_t port, int64_t now, bool is_static)
{
    struct mac_entry *e = NEW(struct mac_entry);
    e->addr = *addr;
    e->vlan = vlan;
    e->is_static = is_static;
    atomic_init(&e->port, port);
    atomic_init(&e->seen, now);
    e->next = b->first;
    rcu_set(b->first, e);
    atomic_fetch_add(&t->n, 1);
}

// --- Learning ----------------------------------------------------------------------------------

// Makes room by forgetting the address longest silent in some bucket near `start`. False: nothing
// there that may go.
static bool evict_near(struct mac_table *t, unsigned start)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct mac_bucket *b = &t->buckets[(start + i) % BUCKETS];
        struct mac_entry **oldest = NULL;
        pthread_mutex_lock(&b->lock);
        for (struct mac_entry **at = &b->first; *at; at = &(*at)->next) {
            if (!(*at)->is_static && (!oldest || (*at)->seen < (*oldest)->seen))
                oldest = at;
        }
        struct eth_addr addr;
        uint16_t vlan = 0;
        if (oldest) {
            addr = (*oldest)->addr;
            vlan = (*oldest)->vlan;
            unlink_entry(t, oldest);
        }
        pthread_mutex_unlock(&b->lock);
        if (oldest) {
            atomic_fetch_add(&t->evicted, 1);
            t->changed(t->aux, vlan, &addr);
            return true;
        }
    }
    return false;
}

static bool addr_learnable(const struct eth_addr *addr)
{
    static const struct eth_addr zero;
    return !(addr->b[0] & 1) && !addr_equal(addr, &zero);
}

// Slow part of mac_table_learn(): the address is new or elsewhere.
static bool learn_locked(struct mac_table *t, uint16_t vlan, const struct eth_addr *addr,
                         ofp_port_t port, int64_t now)
{
    struct mac_bucket *b = &t->buckets[bucket_of(vlan, addr)];
    bool differs = false;
    pthread_mutex_lock(&b->lock);
    struct mac_entry *e = find(t, vlan, addr);
    if (!e) {
        link_entry(t, b, vlan, addr, port, now, false);
        atomic_fetch_add(&t->learned, 1);
        differs = true;
    } else if (!e->is_static && atomic_load_explicit(&e->seen, memory_order_relaxed) <= now) {
        atomic_store_explicit(&e->seen, now, memory_order_relaxed);
        if (atomic_exchange(&e->port, port) != port) {
            atomic_fetch_add(&t->moved, 1);
            differs = true;
        }
    }
    pthread_mutex_unlock(&b->lock);
    return differs;
}

bool mac_table_learn(struct mac_table *t, uint16_t vlan, const struct eth_addr *addr,
                     ofp_port_t port, int64_t now)
{
    if (!addr_learnable(addr))
        return false;
    rcu_enter();
    struct mac_entry *e = find(t, vlan, addr);
    bool known =
        e && (e->is_static || atomic_load_explicit(&e->port, memory_order_relaxed) == port);
    if (known && now - atomic_load_explicit(&e->seen, memory_order_relaxed) >= NSEC_PER_SEC)
        atomic_store_explicit(&e->seen, now, memory_order_relaxed);
    rcu_leave();
    if (known)
        return false;
    if (!e && atomic_load(&t->n) >= atomic_load(&t->limit) && !evict_near(t, bucket_of(vlan, addr)))
        return false;
    bool differs = learn_locked(t, vlan, addr, port, now);
    if (differs)
        t->changed(t->aux, vlan, addr);
    return differs;
}

int mac_table_add_static(struct mac_table *t, uint16_t vlan, const struct eth_addr *addr,
                         ofp_port_t port)
{
    struct mac_bucket *b = &t->buckets[bucket_of(vlan, addr)];
    int error = 0;
    pthread_mutex_lock(&b->lock);
    struct mac_entry **at = &b->first;
    while (*at && !((*at)->vlan == vlan && addr_equal(&(*at)->addr, addr)))
        at = &(*at)->next;
    if (*at && (*at)->is_static)
        error = -EEXIST;
    else if (!*at && atomic_load(&t->n) >= atomic_load(&t->limit))
        error = -ENOSPC;
    if (!error) {
        if (*at)
            unlink_entry(t, at);
        link_entry(t, b, vlan, addr, port, 0, true);
    }
    pthread_mutex_unlock(&b->lock);
    if (!error)
        t->changed(t->aux, vlan, addr);
    return error;
}

// --- Forgetting --------------------------------------------------------------------------------

struct forget {
    bool (*fn)(const void *aux, const struct mac_entry *);
    const void *aux;
    _Atomic uint64_t *counter;
};

// Forgets what `fn` says, and tells of each.
static bool forget(struct mac_table *t, unsigned first, unsigned n, const struct forget *f)
{
    bool any = false;
    for (unsigned i = first; i < first + n; i++) {
        struct mac_bucket *b = &t->buckets[i];
        for (;;) {
            struct eth_addr addr;
            uint16_t vlan;
            pthread_mutex_lock(&b->lock);
            struct mac_entry **at = &b->first;
            while (*at && !f->fn(f->aux, *at))
                at = &(*at)->next;
            bool found = *at;
            if (found) {
                addr = (*at)->addr;
                vlan = (*at)->vlan;
                unlink_entry(t, at);
            }
            pthread_mutex_unlock(&b->lock);
            if (!found)
                break;
            any = true;
            if (f->counter)
                atomic_fetch_add(f->counter, 1);
            t->changed(t->aux, vlan, &addr);
        }
    }
    return any;
}

static bool is_entry(const void *key_, const struct mac_entry *e)
{
    const struct mac_entry *key = key_;
    return e->vlan == key->vlan && addr_equal(&e->addr, &key->addr);
}

bool mac_table_del(struct mac_table *t, uint16_t vlan, const struct eth_addr *addr)
{
    struct mac_entry key = {.addr = *addr, .vlan = vlan};
    return forget(t, bucket_of(vlan, addr), 1, &(struct forget){is_entry, &key, NULL});
}

static bool is_dynamic(const void *aux, const struct mac_entry *e)
{
    return !e->is_static;
}

void mac_table_flush(struct mac_table *t)
{
    forget(t, 0, BUCKETS, &(struct forget){is_dynamic, NULL, NULL});
}

struct gone {
    bool (*fn)(const void *aux, ofp_port_t);
    const void *aux;
};

static bool is_gone(const void *gone_, const struct mac_entry *e)
{
    const struct gone *gone = gone_;
    return gone->fn(gone->aux, atomic_load_explicit(&e->port, memory_order_relaxed));
}

void mac_table_flush_ports(struct mac_table *t, bool (*fn)(const void *aux, ofp_port_t),
                           const void *aux)
{
    struct gone gone = {fn, aux};
    forget(t, 0, BUCKETS, &(struct forget){is_gone, &gone, NULL});
}

static bool is_old(const void *born_before, const struct mac_entry *e)
{
    return !e->is_static &&
           atomic_load_explicit(&e->seen, memory_order_relaxed) <= *(const int64_t *)born_before;
}

void mac_table_run(struct mac_table *t, int64_t now)
{
    int64_t born_before = now - (int64_t)atomic_load(&t->ageing) * NSEC_PER_SEC;
    forget(t, 0, BUCKETS, &(struct forget){is_old, &born_before, &t->expired});
    while (atomic_load(&t->n) > atomic_load(&t->limit) && evict_near(t, 0))
        continue;
}

// --- Showing -----------------------------------------------------------------------------------

void mac_table_stats(const struct mac_table *t, struct mac_stats *ret_stats)
{
    *ret_stats = (struct mac_stats){
        .entries = atomic_load(&t->n),
        .limit = atomic_load(&t->limit),
        .ageing = atomic_load(&t->ageing),
        .learned = atomic_load(&t->learned),
        .moved = atomic_load(&t->moved),
        .expired = atomic_load(&t->expired),
        .evicted = atomic_load(&t->evicted),
    };
}

struct mac_line {
    struct eth_addr addr;
    uint16_t vlan;
    bool is_static;
    ofp_port_t port;
    int64_t seen;
};

static int oldest_first(const void *a_, const void *b_)
{
    const struct mac_line *a = a_, *b = b_;
    if (a->is_static != b->is_static)
        return a->is_static ? 1 : -1;
    if (a->seen != b->seen)
        return a->seen < b->seen ? -1 : 1;
    return a->vlan != b->vlan ? (int)a->vlan - (int)b->vlan : memcmp(&a->addr, &b->addr, 6);
}

void mac_table_format(const struct mac_table *t, int64_t now, struct str *out)
{
    struct mac_line *lines = NULL;
    size_t n = 0, allocated = 0;
    rcu_enter();
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct mac_entry *e = rcu_get(t->buckets[i].first); e; e = rcu_get(e->next)) {
            GROW_ARRAY(lines, allocated, n + 1);
            lines[n++] = (struct mac_line){e->addr, e->vlan, e->is_static, e->port, e->seen};
        }
    }
    rcu_leave();
    if (n)
        qsort(lines, n, sizeof(*lines), oldest_first);
    str_put(out, " port  VLAN  MAC                Age\n");
    for (size_t i = 0; i < n; i++) {
        const uint8_t *b = lines[i].addr.b;
        if (lines[i].port == OFPP_LOCAL)
            str_put(out, "LOCAL");
        else
            str_printf(out, "%5u", lines[i].port);
        str_printf(out, "  %4u  %02x:%02x:%02x:%02x:%02x:%02x  ", lines[i].vlan, b[0], b[1], b[2],
                   b[3], b[4], b[5]);
        if (lines[i].is_static)
            str_put(out, "static\n");
        else
            str_printf(out, "%3lld\n", (long long)((now - lines[i].seen) / NSEC_PER_SEC));
    }
    free(lines);
}
