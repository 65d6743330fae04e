// SPDX-License-Identifier: Apache-2.0
// Reading tables for statistics, in slices.
//
// Thread: the main thread's. Neighbours: flow_mod.c, which keeps each table's slots: a rule stays
// at its slot as long as it lives, so that a cursor is two numbers and holds on to nothing.

#include "lib/base/mem.h"
#include "slowpath/pipeline/pipeline_private.h"

static bool passes(const struct rule *rule, const struct rule_filter *f,
                   const struct rule_words *criteria)
{
    return !((rule->cookie ^ f->cookie) & f->cookie_mask) &&
           (!criteria || rule_words_loose(&rule->match, criteria)) &&
           (f->out_port == OFPP_NONE || ofpact_list_outputs_to(&rule->actions, f->out_port));
}

size_t pipeline_rules_next(struct pipeline *p, const struct rule_filter *f,
                           struct rule_cursor *cursor, size_t budget, struct rule **ret, size_t max)
{
    AUTO_FREE struct rule_words *criteria = f->match ? rule_words_from(f->match) : NULL;
    size_t n = 0;
    if (f->table != TABLE_ALL && cursor->table < f->table)
        cursor->table = f->table;
    unsigned last = f->table == TABLE_ALL ? PIPELINE_TABLES - 1 : f->table;
    for (; cursor->table <= last && cursor->table < PIPELINE_TABLES; cursor->table++) {
        const struct table *t = p->tables[cursor->table];
        for (; t && cursor->slot < t->n_slots; cursor->slot++) {
            if (!budget-- || n == max)
                return n;
            struct rule *rule = t->slots[cursor->slot];
            if (rule && passes(rule, f, criteria))
                ret[n++] = rule;
        }
        cursor->slot = 0;
    }
    cursor->done = true;
    return n;
}

void pipeline_aggregate_next(struct pipeline *p, const struct rule_filter *f,
                             struct rule_cursor *cursor, size_t budget, struct rule_totals *totals)
{
    struct rule *rules[64];
    while (budget && !cursor->done) {
        size_t slice = MIN_OF(budget, ARRAY_SIZE(rules));
        size_t n = pipeline_rules_next(p, f, cursor, slice, rules, ARRAY_SIZE(rules));
        for (size_t i = 0; i < n; i++) {
            uint64_t packets, bytes;
            int64_t used;
            rule_stats_read(rules[i], &packets, &bytes, &used);
            totals->packets += packets;
            totals->bytes += bytes;
            totals->flows++;
        }
        budget -= slice;
    }
}

void pipeline_table_stats(const struct pipeline *p, uint8_t table, struct table_stats *ret_stats)
{
    *ret_stats = (struct table_stats){0};
    if (table >= PIPELINE_TABLES)
        return;
    ret_stats->active = p->tables[table] ? p->tables[table]->n_rules : 0;
    ret_stats->lookups = atomic_load_explicit(&p->counts[table].lookups, memory_order_relaxed);
    ret_stats->matched = atomic_load_explicit(&p->counts[table].matched, memory_order_relaxed);
}
