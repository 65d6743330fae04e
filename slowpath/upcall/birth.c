// SPDX-License-Identifier: Apache-2.0
// From a translation to a megaflow that a keeper cares for: conceived, installed, born.
//
//   conceive   identity, published in the store: whoever comes second with the same finds it there
//   install    in the software tier, where the slow path stands in for actions that it refuses;
//   what doesn't get in at
//              all leaves the store again. A tier may not take a megaflow beside a wider one
//              (-EEXIST): a keeper tries again when it has removed that, a handler lets it go,
//              because what stands there was just installed by another
//   born       handed to the keeper that its UFID falls to, which looks at once if the tables
//   changed since it was
//              conceived
//
// Threads: handlers, for packets that missed; keepers, for the narrower successors of megaflows
// that are too wide.
#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "slowpath/upcall/private.h"

LOG_MODULE(upcall);

static void key_mask(struct flow_key *ret, const struct flow_key *key, const struct flow_key *mask)
{
    const uint64_t *k = (const uint64_t *)key, *m = (const uint64_t *)mask;
    for (size_t i = 0; i < FLOW_KEY_U64S; i++)
        ((uint64_t *)ret)[i] = k[i] & m[i];
}

bool birth_conceive(struct birth *birth, struct backer *b, const struct flow_key *packet,
                    struct pipeline *pipeline, ofp_port_t ofp_port, struct xlate_out *out,
                    int64_t now)
{
    const struct pipeline_port *port = pipeline_port(pipeline, ofp_port);
    struct ufid ufid =
        flow_desc_ufid(packet, &out->mask, port ? port->name : "", b->options.instance);
    *birth = (struct birth){.packet = packet, .out = out};
    if (store_find(b->store, &ufid))
        return false;
    struct keeper *keeper = keeper_of(b, &ufid);
    struct megaflow *m = megaflow_new(&ufid, packet, keeper, &keeper->owner, now);
    if (store_add(b->store, m)) {
        megaflow_free(m);
        return false;
    }
    m->change = out->change;
    m->provenance = out->provenance;
    provenance_init(&out->provenance);
    birth->megaflow = m;
    return true;
}

static struct translation *translation_make(struct birth *birth)
{
    struct flow_desc id;
    id.ufid = birth->megaflow->ufid;
    id.mask = birth->out->mask;
    key_mask(&id.key, birth->packet, &id.mask);
    return translation_new(&id, birth->out, xlate_out_is_slow(birth->out));
}

static void let_go(struct backer *b, struct birth *birth)
{
    store_del(b->store, birth->megaflow);
    megaflow_free(birth->megaflow);
    birth->megaflow = NULL;
}

static struct place_change install_change(const struct birth *birth)
{
    return (struct place_change){.type = TIER_INSTALL,
                                 .placement = &birth->megaflow->place,
                                 .version = &birth->translation->version,
                                 .sample = birth->packet};
}

static void install_slow(struct backer *b, struct tier_channel *ch, struct birth *birth,
                         const struct refusal *why)
{
    struct translation *t = translation_refused(birth->translation, why);
    place_version_unref(&birth->translation->version);
    birth->translation = t;
    struct place_change c = install_change(birth);
    place_apply(b->offload, ch, &c, 1);
    birth->refused = true;
    if (!c.error)
        return;
    static struct log_limit rl = LOG_LIMIT(1, 5);
    log_warn_rl(&rl, "%s does not take a megaflow, whose packets are therefore handled one by one: %s",
                b->software->ops->name, c.refusal.sentence);
    let_go(b, birth);
}

void births_install(struct backer *b, struct tier_channel *ch, struct birth *v, size_t n)
{
    struct place_change changes[UPCALL_BATCH];
    assert(n <= UPCALL_BATCH);
    for (size_t i = 0; i < n; i++) {
        v[i].translation = translation_make(&v[i]);
        changes[i] = install_change(&v[i]);
    }
    if (n)
        place_apply(b->offload, ch, changes, n);
    for (size_t i = 0; i < n; i++) {
        v[i].crowded = changes[i].error == -EEXIST;
        if (changes[i].error && !v[i].crowded)
            install_slow(b, ch, &v[i], &changes[i].refusal);
    }
}

void births_again(struct backer *b, struct tier_channel *ch, struct birth *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!v[i].crowded)
            continue;
        struct place_change c = install_change(&v[i]);
        place_apply(b->offload, ch, &c, 1);
        v[i].crowded = c.error == -EEXIST;
        if (v[i].crowded)
            let_go(b, &v[i]);
        else if (c.error)
            install_slow(b, ch, &v[i], &c.refusal);
    }
}

static void hand_to(struct backer *b, struct keeper *k, struct birth *v, size_t n)
{
    struct cds_list_head births;
    uint64_t born = 0, change = UINT64_MAX;
    CDS_INIT_LIST_HEAD(&births);
    for (size_t i = 0; i < n; i++) {
        struct megaflow *m = v[i].megaflow;
        if (!m || m->keeper != k)
            continue;
        cds_list_add_tail(&m->listed, &births);
        change = MIN_OF(change, m->change);
        born++;
    }
    if (!born)
        return;
    uint64_t flows = atomic_fetch_add(&b->n_flows, born) + born;
    uint64_t max = atomic_load(&b->flows_max);
    while (flows > max && !atomic_compare_exchange_weak(&b->flows_max, &max, flows))
        continue;
    keeper_births(k, &births);
    if (pipelines_change(b->pipelines) != change) // one may have read old tables: look now
        keeper_wake(k);
}

void births_born(struct backer *b, struct birth *v, size_t n)
{
    for (unsigned k = 0; n && k < b->n_keepers; k++)
        hand_to(b, &b->keepers[k], v, n);
    for (size_t i = 0; i < n; i++)
        place_version_unref(&v[i].translation->version);
}
