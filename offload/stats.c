// SPDX-License-Identifier: Apache-2.0
// Counting arithmetic: readings of one copy become differences, differences become sums.
//
// Pure but for the atomics of flow_totals, which one thread writes. Invariants: `taken` <= last
// reading; sums never decrease; a difference is handed out once.
#include "offload/stats.h"

#include "lib/base/clock.h"
#include "lib/base/compiler.h"

void copy_count_start(struct copy_count *c, int64_t now)
{
    *c = (struct copy_count){.quiet_until = now};
}

bool copy_count_read(struct copy_count *c, const struct tier_stats *s, int64_t now)
{
    if (s->packets < c->packets || s->bytes < c->bytes)
        return false;
    int64_t as_of = now - (int64_t)s->age_ms * NSEC_PER_MSEC;
    int64_t used = s->used;
    if (!used && s->packets > c->packets)
        used = as_of; // the latest that the figures can speak of
    c->used = MAX_OF(c->used, MIN_OF(used, now));
    c->quiet_until = MAX_OF(c->quiet_until, as_of);
    c->packets = s->packets;
    c->bytes = s->bytes;
    c->tcp_flags |= s->tcp_flags;
    return true;
}

bool copy_count_take(struct copy_count *c, uint64_t *ret_packets, uint64_t *ret_bytes)
{
    uint64_t packets = c->packets - c->taken_packets, bytes = c->bytes - c->taken_bytes;
    if (!packets && !bytes)
        return false;
    c->taken_packets = c->packets;
    c->taken_bytes = c->bytes;
    *ret_packets = packets;
    *ret_bytes = bytes;
    return true;
}

static void add(_Atomic uint64_t *sum, uint64_t n)
{
    // One writer: no read-modify-write needed.
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void flow_totals_add(struct flow_totals *t, uint64_t packets, uint64_t bytes, uint16_t tcp_flags,
                     bool hardware)
{
    add(&t->packets, packets);
    add(&t->bytes, bytes);
    if (hardware) {
        add(&t->hw_packets, packets);
        add(&t->hw_bytes, bytes);
    }
    uint32_t flags = atomic_load_explicit(&t->tcp_flags, memory_order_relaxed);
    atomic_store_explicit(&t->tcp_flags, flags | tcp_flags, memory_order_relaxed);
}

struct flow_sums flow_totals_get(const struct flow_totals *t)
{
    return (struct flow_sums){
        .packets = atomic_load_explicit(&t->packets, memory_order_relaxed),
        .bytes = atomic_load_explicit(&t->bytes, memory_order_relaxed),
        .hw_packets = atomic_load_explicit(&t->hw_packets, memory_order_relaxed),
        .hw_bytes = atomic_load_explicit(&t->hw_bytes, memory_order_relaxed),
        .tcp_flags = (uint16_t)atomic_load_explicit(&t->tcp_flags, memory_order_relaxed),
    };
}

void final_errors_add(struct final_errors *e, const struct tier_op *op)
{
    switch (op->final) {
    case TIER_FINAL_EXACT:
        e->exact++;
        break;
    case TIER_FINAL_CACHED:
        e->cached++;
        e->cached_ms = MAX_OF(e->cached_ms, op->last.age_ms);
        break;
    case TIER_FINAL_BOUNDED:
        e->bounded++;
        e->short_by += op->short_by;
        break;
    }
}

const char *hw_health_name(enum hw_health h)
{
    switch (h) {
    case HW_GOOD:
        return "good";
    case HW_PROBING:
        return "probing";
    case HW_HUNG:
        return "hung";
    }
    return "?";
}
