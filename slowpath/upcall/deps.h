// SPDX-License-Identifier: Apache-2.0
// An index from dependencies to the megaflows that hang on them. One keeper's; nobody else touches
// it.
#pragma once

#include <urcu/list.h>

#include "slowpath/pipeline/provenance.h"

struct megaflow;
struct dep_entry;

struct dep_link {
    struct cds_list_head listed; // in entry->users
    struct dep_entry *entry;
    struct megaflow *megaflow;
};
struct dep_links {
    struct dep_link *v;
    uint32_t n;
};

struct dep_index {
    struct dep_entry *entries; // uthash
};

void dep_index_init(struct dep_index *);
void dep_index_done(struct dep_index *); // empty
// Replaces what `m` hangs on; NULL: nothing.
void dep_index_set(struct dep_index *, struct megaflow *m, struct dep_links *,
                   const struct provenance *);
typedef void dep_user_fn(void *aux, struct megaflow *);
void dep_index_find(struct dep_index *, dep_t, dep_user_fn *cb,
                    void *aux); // cb must not change the index
