// SPDX-License-Identifier: Apache-2.0
// Dependencies of a megaflow: keys and sets of them.
// Pure; a set belongs to one thread at a time. Invariant: `deps` is sorted and without duplicates,
// which keeps membership cheap for whoever compares sets with a stream of changes.

#include "slowpath/pipeline/provenance.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

enum { KIND_SHIFT = 56 };

dep_t dep_make(enum dep_kind kind, uint64_t id)
{
    return (uint64_t)kind << KIND_SHIFT | (id & ((UINT64_C(1) << KIND_SHIFT) - 1));
}

dep_t dep_mac(uint32_t pipeline_id, uint16_t vlan, const struct eth_addr *addr)
{
    uint64_t mac = 0;
    memcpy(&mac, addr->b, sizeof(addr->b));
    return dep_make(DEP_MAC, hash_u64(mac << 16 | vlan, pipeline_id));
}

void provenance_init(struct provenance *p)
{
    *p = (struct provenance){0};
}

void provenance_done(struct provenance *p)
{
    free(p->deps);
    provenance_init(p);
}

// Where `dep` is or would go.
static uint32_t position(const struct provenance *p, dep_t dep)
{
    uint32_t low = 0, high = p->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (p->deps[mid] < dep)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void provenance_add(struct provenance *p, dep_t dep)
{
    uint32_t at = position(p, dep);
    if (at < p->n && p->deps[at] == dep)
        return;
    GROW_ARRAY(p->deps, p->allocated, p->n + 1);
    memmove(p->deps + at + 1, p->deps + at, (p->n - at) * sizeof(p->deps[0]));
    p->deps[at] = dep;
    p->n++;
}

bool provenance_has(const struct provenance *p, dep_t dep)
{
    uint32_t at = position(p, dep);
    return at < p->n && p->deps[at] == dep;
}
