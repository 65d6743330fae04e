// SPDX-License-Identifier: Apache-2.0
// Re-translation: what a change may have touched is translated again, compared, and corrected in
// the tiers.
//
// A new translation that looked at no more than the old mask is taken over in place, with the old
// key and mask: the megaflow is then narrower than it need be, which is harmless, and no packet
// falls between. One that looked at more shows that the megaflow is too wide; it stands for packets
// that part now, so it is removed and their next packets bring narrower ones. Before a change the
// counters are read, so that the old rules get what is theirs.
//
// Thread: the keeper that owns the megaflows.
#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "slowpath/upcall/private.h"

LOG_MODULE(revalidator);

static void credit(void *aux, const struct place_delta *d)
{
    const struct translation *t = translation_of(d->version);
    xlate_credit(t->credits, t->n_credits, d->packets, d->bytes, d->tcp_flags, d->used);
}

void megaflow_credit(struct megaflow *m)
{
    place_collect(&m->place, credit, NULL);
}

void megaflow_dirty(struct megaflow *m)
{
    if (m->dirty || m->dead)
        return;
    m->dirty = true;
    cds_list_add_tail(&m->dirtied, &m->keeper->dirty);
}

// Out of the store and of the keeper's care; what the tiers still count comes in until the
// placement is closed.
static void forget(struct keeper *k, struct megaflow *m)
{
    struct backer *b = k->backer;
    if (m->dirty)
        cds_list_del(&m->dirtied);
    m->dirty = false;
    m->dead = true;
    cds_list_del(&m->listed);
    dep_index_set(&k->index, m, &m->links, NULL);
    store_del(b->store, m);
    atomic_fetch_sub(&b->n_flows, 1);
    atomic_store_explicit(&k->n.flows, tally_get(&k->n.flows) - 1, memory_order_relaxed);
    tally_add(&k->n.removed, 1);
}

void megaflows_remove(struct keeper *k, struct megaflow **v, size_t n)
{
    struct place_change c[UPCALL_BATCH];
    for (size_t start = 0; start < n; start += UPCALL_BATCH) {
        size_t some = MIN_OF(n - start, (size_t)UPCALL_BATCH);
        for (size_t i = 0; i < some; i++)
            c[i] = (struct place_change){.type = TIER_REMOVE, .placement = &v[start + i]->place};
        place_apply(k->backer->offload, k->channel, c, some);
        for (size_t i = 0; i < some; i++) {
            if (!c[i].error)
                forget(k, v[start + i]);
            else // no answer: it stays, and the next round tries again
                atomic_store(&v[start + i]->doomed, true);
        }
    }
}

// Puts the slow path where the software tier refused the actions; if even that fails, the megaflow
// goes.
static void change_refused(struct keeper *k, struct place_change *c)
{
    struct megaflow *m = (struct megaflow *)c->placement;
    struct translation *t = translation_refused(translation_of(c->version), &c->refusal);
    struct place_change slow = {.type = c->type, .placement = c->placement, .version = &t->version};
    place_apply(k->backer->offload, k->channel, &slow, 1);
    place_version_unref(&t->version);
    tally_add(&k->n.refused, 1);
    if (slow.error)
        megaflows_remove(k, &m, 1);
}

// No word on the actions: the kernel was short of something.
static bool is_transient(int error)
{
    return error == -ENOBUFS || error == -ENOMEM || error == -EAGAIN || error == -EIO;
}

// Carries out changes and takes care of those that fail. References to the versions are dropped.
static void apply(struct keeper *k, struct place_change *c, size_t n)
{
    struct offload *o = k->backer->offload;
    place_apply(o, k->channel, c, n);
    for (size_t i = 0; i < n; i++) {
        if (c[i].error == -ENOENT && c[i].type == TIER_MODIFY) {
            c[i].type = TIER_INSTALL; // software lost it
            place_apply(o, k->channel, &c[i], 1);
        }
        struct megaflow *m = (struct megaflow *)c[i].placement;
        m->again = c[i].error && is_transient(c[i].error);
        if (!c[i].error)
            tally_add(&k->n.modified, 1);
        else if (!m->again)
            change_refused(k, &c[i]);
        place_version_unref(c[i].version);
    }
}

void megaflows_reinstall(struct keeper *k, struct megaflow **v, size_t n)
{
    struct place_change c[UPCALL_BATCH];
    for (size_t start = 0; start < n; start += UPCALL_BATCH) {
        size_t some = MIN_OF(n - start, (size_t)UPCALL_BATCH);
        for (size_t i = 0; i < some; i++) {
            struct placement *p = &v[start + i]->place;
            c[i] = (struct place_change){
                .type = TIER_INSTALL, .placement = p, .version = place_version_ref(p->version)};
        }
        apply(k, c, some);
    }
}

static bool mask_within(const struct flow_key *inner, const struct flow_key *outer)
{
    const uint64_t *a = (const uint64_t *)inner, *b = (const uint64_t *)outer;
    for (size_t i = 0; i < FLOW_KEY_U64S; i++) {
        if (a[i] & ~b[i])
            return false;
    }
    return true;
}

static bool is_slow_path(const struct act_list *list)
{
    return list->n == 1 && list->v[0].type == ACT_USERSPACE;
}

// Do the tiers hold what this translation says?
static bool says_the_same(const struct translation *t, const struct xlate_out *out)
{
    if (t->software_refusal) // it is worth asking again with other actions; these were refused
        return false;
    if (xlate_out_is_slow(out))
        return is_slow_path(&t->version.desc.actions);
    return act_list_equal(&t->version.desc.actions, &out->actions);
}

enum verdict { VERDICT_GONE, VERDICT_SAME, VERDICT_CHANGED };

// Translates a megaflow again. With VERDICT_CHANGED *ret is the new translation.
static enum verdict judge(struct keeper *k, struct megaflow *m, struct translation **ret)
{
    struct backer *b = k->backer;
    struct translation *old = translation_of(m->place.version);
    const struct flow_desc *desc = &old->version.desc;
    struct xlate_in in;
    struct xlate_out out;
    memset(&in, 0, sizeof(in));
    rcu_enter();
    if (!pipelines_find_port(b->pipelines, desc->key.in_port, &in.pipeline,
                             &in.flow.pipe.in_port)) {
        rcu_leave();
        return VERDICT_GONE;
    }
    in.flow.key = desc->key;
    in.now = clock_now();
    xlate(&in, &out);
    provenance_add(&out.provenance, dep_make(DEP_PORTS, pipeline_id(in.pipeline)));
    rcu_leave();

    enum verdict verdict = VERDICT_GONE;
    if (mask_within(&out.mask, &desc->mask)) {
        dep_index_set(&k->index, m, &m->links, &out.provenance);
        bool same = says_the_same(old, &out);
        verdict = same ? VERDICT_SAME : VERDICT_CHANGED;
        if (!same) {
            *ret = translation_new(desc, &out, xlate_out_is_slow(&out));
        } else if (old->n_credits != out.n_credits || old->slow != out.slow ||
                   !credits_equal(old->credits, out.credits, out.n_credits)) {
            // Only whom to credit differs, and whoever was credited until now gets what came until
            // now.
            struct placement *p = &m->place;
            place_read(b->offload, k->channel, &p, 1);
            megaflow_credit(m);
            struct translation *t = translation_new(desc, &out, is_slow_path(&desc->actions));
            place_relabel(p, &t->version);
            place_version_unref(&t->version);
        }
    }
    xlate_out_done(&out);
    return verdict;
}

static void carry_out(struct keeper *k, struct place_change *changes, size_t n_changes,
                      struct megaflow **gone, size_t n_gone)
{
    struct placement *places[UPCALL_BATCH];
    struct megaflow *m;
    size_t n = 0;
    for (size_t i = 0; i < n_changes; i++)
        places[n++] = changes[i].placement;
    if (n) {
        place_read(k->backer->offload, k->channel, places, n);
        for (size_t i = 0; i < n; i++) {
            m = (struct megaflow *)places[i];
            megaflow_credit(m);
        }
        apply(k, changes, n_changes);
    }
    megaflows_remove(k, gone, n_gone);
}

void revalidate_dirty(struct keeper *k)
{
    while (!cds_list_empty(&k->dirty)) {
        struct place_change changes[UPCALL_BATCH];
        struct megaflow *gone[UPCALL_BATCH];
        size_t n_changes = 0, n_gone = 0;
        for (size_t n = 0; n < UPCALL_BATCH && !cds_list_empty(&k->dirty); n++) {
            struct megaflow *m = cds_list_first_entry(&k->dirty, struct megaflow, dirtied);
            struct translation *t = NULL;
            cds_list_del(&m->dirtied);
            m->dirty = false;
            tally_add(&k->n.revalidated, 1);
            enum verdict verdict = judge(k, m, &t);
            if (verdict == VERDICT_GONE)
                gone[n_gone++] = m;
            else if (verdict == VERDICT_CHANGED)
                changes[n_changes++] = (struct place_change){
                    .type = TIER_MODIFY, .placement = &m->place, .version = &t->version};
        }
        tally_add(&k->n.stale, n_changes + n_gone);
        carry_out(k, changes, n_changes, gone, n_gone);
    }
}
