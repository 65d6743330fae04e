// SPDX-License-Identifier: Apache-2.0
// Rules: making, references, counters. What links them into tables is classifier_update.c and
// flow_mod.c.
// Thread: made and linked by the main thread; references and counters from any. The last reference
// frees after a grace period, so that whoever found the rule by RCU may still look at it.

#include "slowpath/pipeline/rule.h"

#include "lib/base/mem.h"
#include "slowpath/pipeline/classifier.h"
#include "slowpath/pipeline/pipeline.h"
#include "slowpath/pipeline/pipeline_private.h"

struct rule *rule_new(struct pipeline *p, uint8_t table, const struct match *match)
{
    uint64_t map = flow_mask_map(&match->mask);
    unsigned n = __builtin_popcountll(map);
    struct rule *rule = xcalloc(1, sizeof(*rule) + 2 * n * sizeof(rule->match.w[0]));
    rule->pipeline = pipeline_ref(p);
    rule->table = table;
    rule->match.map = map;
    rule->match.n = n;
    rule_words_set(&rule->match, match);
    ofpact_list_init(&rule->actions);
    atomic_init(&rule->refs, 1);
    atomic_init(&rule->added_in, RULE_NEVER);
    atomic_init(&rule->removed_in, RULE_NEVER);
    return rule;
}

struct rule_stats *rule_stats_new(int64_t now)
{
    struct rule_stats *stats = NEW(struct rule_stats);
    atomic_init(&stats->refs, 1);
    atomic_init(&stats->used, now);
    return stats;
}

struct rule_stats *rule_stats_ref(struct rule_stats *stats)
{
    atomic_fetch_add_explicit(&stats->refs, 1, memory_order_relaxed);
    return stats;
}

void rule_stats_unref(struct rule_stats *stats)
{
    if (stats && atomic_fetch_sub_explicit(&stats->refs, 1, memory_order_acq_rel) == 1)
        free(stats);
}

struct rule *rule_ref(struct rule *rule)
{
    atomic_fetch_add_explicit(&rule->refs, 1, memory_order_relaxed);
    return rule;
}

static void rule_free(void *rule_)
{
    struct rule *rule = rule_;
    ofpact_list_done(&rule->actions);
    rule_stats_unref(rule->stats);
    pipeline_unref(rule->pipeline);
    free(rule);
}

void rule_unref(struct rule *rule)
{
    if (rule && atomic_fetch_sub_explicit(&rule->refs, 1, memory_order_acq_rel) == 1)
        rcu_later(&rule->later, rule_free, rule);
}

void rule_stats_read(const struct rule *rule, uint64_t *ret_packets, uint64_t *ret_bytes,
                     int64_t *ret_used)
{
    const struct rule_stats *s = rule->stats;
    *ret_packets = atomic_load_explicit(&s->packets, memory_order_relaxed);
    *ret_bytes = atomic_load_explicit(&s->bytes, memory_order_relaxed);
    *ret_used = atomic_load_explicit(&s->used, memory_order_relaxed);
}
