// SPDX-License-Identifier: Apache-2.0
// Re-translation: what a change may have touched is translated again, compared, and corrected in
// the tiers.
//
// What is translated is the packet that brought the megaflow (megaflow_new() says why). If that
// looks at no more than the old mask, the actions are changed in place, under the old key and mask:
// the megaflow may then be narrower than it need be, which is harmless, and no packet falls
// between. If it looks at more, the megaflow is too wide and stands for packets that part now: the
// narrower one for this packet is installed, the wide one removed, and the others' next packets
// bring their own. Before a change the counters are read, so that the old rules get what is theirs.
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
            struct flow_key sample;
            megaflow_sample((struct megaflow *)c[i].placement, &sample);
            c[i].type = TIER_INSTALL; // software lost it
            c[i].sample = &sample;
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
    AUTO_FREE struct flow_key *samples = n ? NEW_ARRAY(struct flow_key, UPCALL_BATCH) : NULL;
    struct place_change c[UPCALL_BATCH];
    for (size_t start = 0; start < n; start += UPCALL_BATCH) {
        size_t some = MIN_OF(n - start, (size_t)UPCALL_BATCH);
        for (size_t i = 0; i < some; i++) {
            struct placement *p = &v[start + i]->place;
            megaflow_sample(v[start + i], &samples[i]);
            c[i] = (struct place_change){.type = TIER_INSTALL,
                                         .placement = p,
                                         .version = place_version_ref(p->version),
                                         .sample = &samples[i]};
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

enum verdict {
    VERDICT_SAME,
    VERDICT_RELABEL, // only whom to credit differs
    VERDICT_CHANGED, // other actions under the old mask
    VERDICT_NARROW,  // it is too wide: a narrower one takes its place
    VERDICT_GONE,
};

// A batch of megaflows under review.
struct review {
    struct {
        struct megaflow *megaflow;
        enum verdict verdict;
        struct flow_key packet; // its sample
        struct xlate_out out;
        struct translation *translation; // of VERDICT_RELABEL and VERDICT_CHANGED
    } v[REVIEW_BATCH];
    size_t n;
    struct birth births[REVIEW_BATCH]; // successors of VERDICT_NARROW
    size_t n_births;
};

static enum verdict compare(struct keeper *k, struct megaflow *m, struct xlate_out *out)
{
    const struct translation *old = translation_of(m->place.version);
    if (!mask_within(&out->mask, &old->version.desc.mask))
        return VERDICT_NARROW;
    dep_index_set(&k->index, m, &m->links, &out->provenance);
    if (!says_the_same(old, out))
        return VERDICT_CHANGED;
    if (old->n_credits != out->n_credits || old->slow != out->slow ||
        !credits_equal(old->credits, out->credits, out->n_credits))
        return VERDICT_RELABEL;
    return VERDICT_SAME;
}

// Translates the i-th megaflow of the batch again. Its `out` is valid unless it is VERDICT_GONE.
static void judge(struct keeper *k, struct review *r, size_t i)
{
    struct backer *b = k->backer;
    struct megaflow *m = r->v[i].megaflow;
    struct xlate_in in;
    memset(&in, 0, sizeof(in));
    megaflow_sample(m, &r->v[i].packet);
    in.flow.key = r->v[i].packet;
    in.now = clock_now();
    rcu_enter();
    if (!pipelines_find_port(b->pipelines, in.flow.key.in_port, &in.pipeline,
                             &in.flow.pipe.in_port)) {
        rcu_leave();
        r->v[i].verdict = VERDICT_GONE;
        return;
    }
    struct xlate_out *out = &r->v[i].out;
    xlate(&in, out);
    r->v[i].verdict = compare(k, m, out);
    if (r->v[i].verdict == VERDICT_NARROW &&
        birth_conceive(&r->births[r->n_births], b, &r->v[i].packet, in.pipeline,
                       in.flow.pipe.in_port, out, in.now))
        r->n_births++;
    rcu_leave();
    const struct flow_desc *desc = &m->place.version->desc;
    if (r->v[i].verdict == VERDICT_CHANGED || r->v[i].verdict == VERDICT_RELABEL)
        r->v[i].translation = translation_new(desc, out, xlate_out_is_slow(out));
}

// Before a change the old version's rules get what came until now.
static void settle_accounts(struct keeper *k, const struct review *r)
{
    struct placement *places[REVIEW_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].verdict == VERDICT_CHANGED || r->v[i].verdict == VERDICT_RELABEL)
            places[n++] = &r->v[i].megaflow->place;
    }
    if (!n)
        return;
    place_read(k->backer->offload, k->channel, places, n);
    for (size_t i = 0; i < n; i++)
        megaflow_credit((struct megaflow *)places[i]);
}

// Successors first, then changes, then what goes: no packet finds neither. Where the tier takes no
// successor beside the wider one, it comes right after that one's end, and packets of the moment
// between are handled one by one.
static void carry_out(struct keeper *k, struct review *r)
{
    struct backer *b = k->backer;
    struct place_change changes[REVIEW_BATCH];
    struct megaflow *gone[REVIEW_BATCH];
    size_t n_changes = 0, n_gone = 0;
    births_install(b, k->channel, r->births, r->n_births);
    settle_accounts(k, r);
    for (size_t i = 0; i < r->n; i++) {
        struct megaflow *m = r->v[i].megaflow;
        struct translation *t = r->v[i].translation;
        if (r->v[i].verdict == VERDICT_CHANGED) {
            changes[n_changes++] = (struct place_change){
                .type = TIER_MODIFY, .placement = &m->place, .version = &t->version};
        } else if (r->v[i].verdict == VERDICT_RELABEL) {
            place_relabel(&m->place, &t->version);
            place_version_unref(&t->version);
        } else if (r->v[i].verdict != VERDICT_SAME) {
            gone[n_gone++] = m;
        }
    }
    if (n_changes)
        apply(k, changes, n_changes);
    megaflows_remove(k, gone, n_gone);
    births_again(b, k->channel, r->births, r->n_births);
    births_born(b, r->births, r->n_births);
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].verdict != VERDICT_GONE)
            xlate_out_done(&r->v[i].out);
    }
    tally_add(&k->n.stale, n_changes + n_gone);
}

void revalidate_dirty(struct keeper *k)
{
    struct review r;
    while (!cds_list_empty(&k->dirty)) {
        r.n_births = 0;
        for (r.n = 0; r.n < REVIEW_BATCH && !cds_list_empty(&k->dirty); r.n++) {
            struct megaflow *m = cds_list_first_entry(&k->dirty, struct megaflow, dirtied);
            cds_list_del(&m->dirtied);
            m->dirty = false;
            r.v[r.n].megaflow = m;
            judge(k, &r, r.n);
        }
        tally_add(&k->n.revalidated, r.n);
        carry_out(k, &r);
    }
}
