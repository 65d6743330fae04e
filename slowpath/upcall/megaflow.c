// SPDX-License-Identifier: Apache-2.0
// Megaflows and their translations as objects, and the store that finds them by UFID.
//
// The store is liburcu's resizable lock-free hash table: any thread looks up and adds, the keeper
// that owns a megaflow deletes. What a reader finds stays for its read section: translations and
// megaflows are freed by rcu_later().
#include "slowpath/upcall/megaflow.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "slowpath/pipeline/pipeline.h"

static void translation_free(void *object)
{
    struct translation *t = object;
    // Credits hold references that only the pipeline can drop.
    struct xlate_out out;
    memset(&out, 0, sizeof(out));
    out.credits = t->credits;
    out.n_credits = t->n_credits;
    xlate_out_done(&out);
    flow_desc_done(&t->version.desc);
    free(t->software_refusal);
    free(t->error);
    free(t);
}

static void translation_release(struct place_version *v)
{
    struct translation *t = translation_of(v);
    rcu_later(&t->later, translation_free, t);
}

bool xlate_out_is_slow(const struct xlate_out *out)
{
    return out->slow & ~(unsigned)SLOW_TOO_COMPLEX;
}

static struct translation *translation_alloc(const struct flow_desc *identity, unsigned slow,
                                             const char *error)
{
    struct translation *t = NEW(struct translation);
    t->version.refs = 1;
    t->version.release = translation_release;
    t->version.desc.ufid = identity->ufid;
    t->version.desc.key = identity->key;
    t->version.desc.mask = identity->mask;
    t->slow = slow;
    if (error && error[0])
        t->error = xstrdup(error);
    return t;
}

static void put_slow_path(struct act_list *list)
{
    act_list_init(list);
    act_list_add(list, ACT_USERSPACE)->userspace.reason = USERSPACE_SLOW_PATH;
}

struct translation *translation_new(const struct flow_desc *identity, struct xlate_out *out,
                                    bool slow_path)
{
    struct translation *t = translation_alloc(identity, out->slow, out->error);
    if (slow_path) {
        put_slow_path(&t->version.desc.actions);
    } else {
        struct act_list *list = &t->version.desc.actions;
        *list = out->actions;
        act_list_init(&out->actions);
        if (list->n) { // kept for long: without room to grow
            list->v = xreallocarray(list->v, list->n, sizeof(*list->v));
            list->allocated = list->n;
        }
    }
    t->credits = STEAL_PTR(out->credits);
    t->n_credits = out->n_credits;
    out->n_credits = 0;
    return t;
}

// A copy with references of its own.
static struct xlate_credit *credits_clone(const struct xlate_credit *v, size_t n)
{
    struct xlate_credit *copy = n ? xmemdup(v, n * sizeof(*v)) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == CREDIT_RULE)
            rule_ref(v[i].rule);
        else
            pipeline_ref(v[i].kind == CREDIT_MAC ? v[i].mac.pipeline : v[i].at.pipeline);
    }
    return copy;
}

struct translation *translation_refused(const struct translation *old, const struct refusal *why)
{
    struct translation *t = translation_alloc(&old->version.desc, old->slow, old->error);
    put_slow_path(&t->version.desc.actions);
    t->software_refusal = xmemdup(why, sizeof(*why));
    t->credits = credits_clone(old->credits, old->n_credits);
    t->n_credits = old->n_credits;
    return t;
}

static bool credit_equal(const struct xlate_credit *a, const struct xlate_credit *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CREDIT_RULE:
        return a->rule == b->rule;
    case CREDIT_TABLE_MISS:
    case CREDIT_PORT_RX:
    case CREDIT_PORT_TX:
        return a->at.pipeline == b->at.pipeline && a->at.id == b->at.id;
    case CREDIT_MAC:
        return a->mac.pipeline == b->mac.pipeline && a->mac.vlan == b->mac.vlan &&
               a->mac.port == b->mac.port &&
               !memcmp(&a->mac.addr, &b->mac.addr, sizeof(a->mac.addr));
    }
    return false;
}

bool credits_equal(const struct xlate_credit *a, const struct xlate_credit *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!credit_equal(&a[i], &b[i]))
            return false;
    }
    return true;
}

struct megaflow *megaflow_new(const struct ufid *ufid, const struct flow_key *sample,
                              struct keeper *keeper, struct place_owner *owner, int64_t now)
{
    struct megaflow *m = NEW(struct megaflow);
    place_init(&m->place, owner);
    cds_lfht_node_init(&m->node);
    m->ufid = *ufid;
    m->keeper = keeper;
    m->created = now;
    m->sample = sparse_from_key_mask(sample); // its words that aren't zero
    provenance_init(&m->provenance);
    return m;
}

void megaflow_sample(const struct megaflow *m, struct flow_key *ret_key)
{
    struct flow flow;
    sparse_expand(m->sample, &flow);
    *ret_key = flow.key;
}

static void free_now(void *object)
{
    struct megaflow *m = object;
    free(m->sample);
    free(m);
}

void megaflow_free(struct megaflow *m)
{
    assert(!m->links.n);
    provenance_done(&m->provenance);
    place_done(&m->place);
    rcu_later(&m->later, free_now, m);
}

struct store {
    struct cds_lfht *table;
};

static unsigned long ufid_hash(const struct ufid *u)
{
    return (unsigned long)hash_bytes(u, sizeof(*u), 0);
}

static int match(struct cds_lfht_node *node, const void *ufid)
{
    return ufid_equal(&HOLDER_OF(node, struct megaflow, node)->ufid, ufid);
}

struct store *store_new(void)
{
    struct store *s = NEW(struct store);
    s->table = cds_lfht_new_flavor(8192, 8192, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
                                   &urcu_memb_flavor, NULL);
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    cds_lfht_destroy(s->table, NULL);
    free(s);
}

// What was written before the megaflow was published is visible to whoever found it.
static struct megaflow *found(struct cds_lfht_node *node)
{
    if (!node)
        return NULL;
    struct megaflow *m = HOLDER_OF(node, struct megaflow, node);
    atomic_load_explicit(&m->published, memory_order_acquire);
    return m;
}

struct megaflow *store_find(struct store *s, const struct ufid *ufid)
{
    struct cds_lfht_iter iter;
    cds_lfht_lookup(s->table, ufid_hash(ufid), match, ufid, &iter);
    return found(cds_lfht_iter_get_node(&iter));
}

struct megaflow *store_add(struct store *s, struct megaflow *m)
{
    atomic_store_explicit(&m->published, true, memory_order_release);
    struct cds_lfht_node *there =
        cds_lfht_add_unique(s->table, ufid_hash(&m->ufid), match, &m->ufid, &m->node);
    return there == &m->node ? NULL : found(there);
}

void store_del(struct store *s, struct megaflow *m)
{
    cds_lfht_del(s->table, &m->node);
}

void store_each(struct store *s, store_fn *cb, void *aux)
{
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;
    cds_lfht_for_each(s->table, &iter, node) cb(aux, found(node));
}
