// SPDX-License-Identifier: Apache-2.0
// The dependency index: a hash table of dependencies, each with a list of links to megaflows.
//
// One thread (the keeper that owns it). Invariant: an entry exists exactly while it has users.
#include "slowpath/upcall/deps.h"

#include <uthash.h>

#include "lib/base/mem.h"

struct dep_entry {
    dep_t dep;
    struct cds_list_head users;
    UT_hash_handle hh;
};

void dep_index_init(struct dep_index *x)
{
    x->entries = NULL;
}

void dep_index_done(struct dep_index *x)
{
    assert(!x->entries);
}

static struct dep_entry *entry_get(struct dep_index *x, dep_t dep)
{
    struct dep_entry *e;
    HASH_FIND(hh, x->entries, &dep, sizeof(dep), e);
    if (e)
        return e;
    e = NEW(struct dep_entry);
    e->dep = dep;
    CDS_INIT_LIST_HEAD(&e->users);
    HASH_ADD(hh, x->entries, dep, sizeof(e->dep), e);
    return e;
}

static void unlink_all(struct dep_index *x, struct dep_links *links)
{
    for (uint32_t i = 0; i < links->n; i++) {
        struct dep_entry *e = links->v[i].entry;
        cds_list_del(&links->v[i].listed);
        if (cds_list_empty(&e->users)) {
            HASH_DEL(x->entries, e);
            free(e);
        }
    }
    free(links->v);
    *links = (struct dep_links){NULL, 0};
}

static bool same(const struct dep_links *links, const struct provenance *p)
{
    if (!p || links->n != p->n)
        return false;
    for (uint32_t i = 0; i < p->n; i++) {
        if (links->v[i].entry->dep != p->deps[i])
            return false;
    }
    return true;
}

void dep_index_set(struct dep_index *x, struct megaflow *m, struct dep_links *links,
                   const struct provenance *p)
{
    if (same(links, p))
        return;
    unlink_all(x, links);
    if (!p || !p->n)
        return;
    links->n = p->n;
    links->v = NEW_ARRAY(struct dep_link, p->n);
    for (uint32_t i = 0; i < p->n; i++) {
        struct dep_link *l = &links->v[i];
        l->megaflow = m;
        l->entry = entry_get(x, p->deps[i]);
        cds_list_add(&l->listed, &l->entry->users);
    }
}

void dep_index_find(struct dep_index *x, dep_t dep, dep_user_fn *cb, void *aux)
{
    struct dep_entry *e;
    struct dep_link *l;
    HASH_FIND(hh, x->entries, &dep, sizeof(dep), e);
    if (!e)
        return;
    cds_list_for_each_entry (l, &e->users, listed)
        cb(aux, l->megaflow);
}
