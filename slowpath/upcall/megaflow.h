// SPDX-License-Identifier: Apache-2.0
// A megaflow in the store: identity, where it lives (its placement), what its translation said,
// what it hangs on.
//
// Made by a handler, which publishes it in the store by UFID (whoever comes second finds it there),
// installs it and hands it to its keeper: from then on the keeper alone changes it. Readers look at
// it within an RCU read section. It is freed a grace period after its placement is closed.
//
// Memory: about 1.7 kB with a two-action list, four credits and eight dependencies.
#pragma once

#include <urcu/rculfhash.h>

#include "lib/flow/sparse.h"
#include "offload/place.h"
#include "slowpath/pipeline/xlate.h"
#include "slowpath/upcall/deps.h"

struct keeper;

// What one translation said. Immutable; a version of the placement, which counts references.
struct translation {
    struct place_version version; // first
    struct xlate_credit *credits;
    size_t n_credits;
    unsigned slow;                    // enum xlate_slow bits
    struct refusal *software_refusal; // the software tier's, which made it slow; or NULL
    char *error;                      // xlate_out.error; or NULL
    struct rcu_later later;
};

struct megaflow {
    struct placement place;    // first
    struct cds_lfht_node node; // in the store, by UFID
    struct ufid ufid;
    atomic_bool published; // for readers that find it in the store
    atomic_bool doomed;    // removal was asked for
    struct keeper *keeper;
    struct cds_list_head listed;  // keeper->births, then keeper->flows
    struct cds_list_head dirtied; // in keeper->dirty while `dirty`
    bool dirty, dead;
    bool again;                   // a change got no answer from the software tier: to be repeated
    struct provenance provenance; // until the keeper has it in its index
    uint64_t change;              // of the tables, when the translation began
    struct sparse *sample;        // the packet's key that brought it: what is translated again
    struct dep_links links;       // in the keeper's index
    int64_t created;
    struct rcu_later later;
};

// Makes a translation for the given identity. Takes actions and credits out of `out`. `slow_path`
// sends every packet to a handler instead of carrying out the actions.
struct translation *translation_new(const struct flow_desc *identity, struct xlate_out *out,
                                    bool slow_path);
// The same translation with the slow path in place of its actions, because the software tier
// refused them.
struct translation *translation_refused(const struct translation *, const struct refusal *);
static inline struct translation *translation_of(struct place_version *v)
{
    return (struct translation *)v;
}
// Must every packet come to a handler? (Too complex a translation is dropped where it stands.)
bool xlate_out_is_slow(const struct xlate_out *);
bool credits_equal(const struct xlate_credit *, const struct xlate_credit *, size_t n);

// `sample` is a packet's key that the megaflow covers, in full. Its bits outside the mask don't
// matter for what becomes of the packet, but a translation proves what it must with the bits that
// it finds, so that only the same packet gives the same mask again.
struct megaflow *megaflow_new(const struct ufid *, const struct flow_key *sample, struct keeper *,
                              struct place_owner *, int64_t now);
void megaflow_sample(const struct megaflow *, struct flow_key *ret_key);
void megaflow_free(struct megaflow *); // after a grace period; its placement is done here

// The store. Lookups within an RCU read section.
struct store;
struct store *store_new(void);
void store_free(struct store *); // empty; not within an RCU read section
struct megaflow *store_find(struct store *, const struct ufid *);
// Puts it in, or returns the one that is there already.
struct megaflow *store_add(struct store *, struct megaflow *);
void store_del(struct store *, struct megaflow *);
typedef void store_fn(void *aux, struct megaflow *);
void store_each(struct store *, store_fn *cb, void *aux); // within an RCU read section
