// SPDX-License-Identifier: Apache-2.0
// What tiers counted, given to whom it belongs: rules, tables, patch ports, MAC ages.
// Thread: any (handlers for packets they execute, keepers for statistics); relaxed atomics.
// Neighbours: xlate.c writes the list of creditors.

#include "slowpath/pipeline/pipeline_private.h"
#include "slowpath/pipeline/xlate.h"

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void credit_rule(const struct rule *rule, uint64_t packets, uint64_t bytes, int64_t used)
{
    struct rule_stats *s = rule->stats;
    if (!(rule->flags & RULE_NO_PKT_COUNTS))
        add(&s->packets, packets);
    if (!(rule->flags & RULE_NO_BYT_COUNTS))
        add(&s->bytes, bytes);
    int64_t last = atomic_load_explicit(&s->used, memory_order_relaxed);
    while (last < used && !atomic_compare_exchange_weak_explicit(
                              &s->used, &last, used, memory_order_relaxed, memory_order_relaxed))
        continue;
    add(&rule->pipeline->counts[rule->table].lookups, packets);
    add(&rule->pipeline->counts[rule->table].matched, packets);
}

static void credit_port(const struct xlate_credit *c, uint64_t packets, uint64_t bytes)
{
    rcu_enter();
    const struct port_view *port = port_set_find(rcu_get(c->at.pipeline->ports), c->at.id);
    if (port && port->counters) {
        bool rx = c->kind == CREDIT_PORT_RX;
        add(rx ? &port->counters->rx_packets : &port->counters->tx_packets, packets);
        add(rx ? &port->counters->rx_bytes : &port->counters->tx_bytes, bytes);
    }
    rcu_leave();
}

void xlate_credit(const struct xlate_credit *credits, size_t n, uint64_t packets, uint64_t bytes,
                  uint16_t tcp_flags, int64_t used)
{
    if (!packets)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct xlate_credit *c = &credits[i];
        switch (c->kind) {
        case CREDIT_RULE:
            credit_rule(c->rule, packets, bytes, used);
            break;
        case CREDIT_TABLE_MISS:
            add(&c->at.pipeline->counts[c->at.id].lookups, packets);
            break;
        case CREDIT_PORT_RX:
        case CREDIT_PORT_TX:
            credit_port(c, packets, bytes);
            break;
        case CREDIT_MAC:
            mac_table_learn(c->mac.pipeline->macs, c->mac.vlan, &c->mac.addr, c->mac.port, used);
            break;
        }
    }
}
