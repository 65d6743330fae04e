// SPDX-License-Identifier: Apache-2.0
// Flow modifications carried out, and what the tables tell afterwards: flow-removed messages.
//
// The pipeline's rule events come synchronously from within pipeline_flow_mod() and from expiry.
// Loop's thread.

#include <string.h>

#include <utlist.h>

#include "lib/base/clock.h"
#include "slowpath/openflow/conn.h"
#include "slowpath/openflow/flow_change.h"
#include "slowpath/openflow/flow_mod.h"

enum of_error handle_flow_mod(struct of_conn *c, const struct of_msg *m)
{
    struct flow_mod fm;
    bool none;
    enum flow_mod_fault fault = FLOW_MOD_OK;
    enum of_error e = of_flow_mod_get(m, c->table_in_command, &fm, &none);
    if (e)
        return e;
    if (!none && pipeline_flow_mod(c->mgr->pipeline, &fm, clock_now(), &fault, NULL))
        e = of_error_from_flow_mod(fault, c->version);
    flow_mod_done(&fm);
    return e;
}

struct removed {
    const struct rule *rule;
    struct match match;
    uint64_t packets, bytes;
    uint32_t sec, nsec;
    uint8_t reason;
};

static void removed_put10(struct buf *b, const struct removed *r)
{
    size_t start = of_msg_start(b, OF10, OFPT_FLOW_REMOVED, 0);
    of_match_put10(b, &r->match);
    struct ofp10_flow_removed *w = buf_put_zeros(b, sizeof(*w));
    w->cookie = r->rule->cookie;
    w->priority = htons(r->rule->priority);
    w->reason = r->reason;
    w->duration_sec = htonl(r->sec);
    w->duration_nsec = htonl(r->nsec);
    w->idle_timeout = htons(r->rule->idle_timeout);
    w->packet_count = htonll(r->packets);
    w->byte_count = htonll(r->bytes);
    of_msg_finish(b, start);
}

static void removed_put_nxm(struct buf *b, const struct removed *r)
{
    struct nx_flow_removed w = {
        .cookie = r->rule->cookie,
        .priority = htons(r->rule->priority),
        .reason = r->reason,
        .table_id_plus_1 = (uint8_t)(r->rule->table + 1),
        .duration_sec = htonl(r->sec),
        .duration_nsec = htonl(r->nsec),
        .idle_timeout = htons(r->rule->idle_timeout),
        .packet_count = htonll(r->packets),
        .byte_count = htonll(r->bytes),
    };
    size_t start = of_msg_start_nxt(b, OF10, NXT_FLOW_REMOVED, 0), at = b->size;
    buf_put(b, &w, sizeof(w));
    w.match_len = htons(of_match_put_nxm(b, &r->match, 0, 0));
    memcpy(b->data + at, &w, sizeof(w));
    of_msg_finish(b, start);
}

static void removed_put13(struct buf *b, const struct removed *r)
{
    size_t start = of_msg_start(b, OF13, OFPT_FLOW_REMOVED, 0);
    struct ofp13_flow_removed *w = buf_put_zeros(b, sizeof(*w));
    w->cookie = r->rule->cookie;
    w->priority = htons(r->rule->priority);
    w->reason = r->reason;
    w->table_id = r->rule->table;
    w->duration_sec = htonl(r->sec);
    w->duration_nsec = htonl(r->nsec);
    w->idle_timeout = htons(r->rule->idle_timeout);
    w->hard_timeout = htons(r->rule->hard_timeout);
    w->packet_count = htonll(r->packets);
    w->byte_count = htonll(r->bytes);
    of_match_put13(b, &r->match);
    of_msg_finish(b, start);
}

void connmgr_rule_event(void *aux, struct pipeline *p, struct rule *rule, enum rule_event event,
                        uint8_t reason)
{
    struct connmgr *mgr = aux;
    if (event != RULE_REMOVED || !(rule->flags & RULE_SEND_FLOW_REM))
        return;
    struct removed r = {.rule = rule, .reason = reason};
    bool read = false;
    struct of_conn *c;
    DL_FOREACH (mgr->conns, c) {
        if (!conn_wants(c, ASYNC_FLOW_REMOVED, reason))
            continue;
        if (!read) {
            int64_t used, alive = clock_now() - rule->created;
            rule_match(rule, &r.match);
            rule_stats_read(rule, &r.packets, &r.bytes, &used);
            r.sec = (uint32_t)(alive / NSEC_PER_SEC);
            r.nsec = (uint32_t)(alive % NSEC_PER_SEC);
            read = true;
        }
        struct buf b;
        buf_init(&b, 0, 256);
        if (c->version >= OF13)
            removed_put13(&b, &r);
        else if (c->nxm)
            removed_put_nxm(&b, &r);
        else
            removed_put10(&b, &r);
        conn_send(c, b.data, b.size);
        buf_done(&b);
    }
}
