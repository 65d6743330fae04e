// SPDX-License-Identifier: Apache-2.0
// Flow and aggregate statistics: OFPST_FLOW and OFPST_AGGREGATE of 1.0 and 1.3, NXST_FLOW and
// NXST_AGGREGATE.
//
// The answer may be a million flows. It is a job of the connection: first the counters are asked to
// catch up with what the tiers have counted (pipeline_refresh), then each step looks at some rules
// and writes at most one message. Rules may change between steps; the pipeline's cursor bears it.
// Loop's thread.

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "slowpath/openflow/actions.h"
#include "slowpath/openflow/conn.h"
#include "slowpath/openflow/match.h"
#include "slowpath/pipeline/pipeline.h"

#define STEP_LOOK 2048     // rules looked at per step
#define STEP_TELL 128      // rules told per step
#define MESSAGE_FULL 32768 // bytes after which a step sends what it has

struct wait; // for the refresh
struct stats_job {
    struct of_job job;
    struct of_reply reply;
    struct match match;
    struct rule_filter filter;
    struct rule_cursor cursor;
    struct wait *wait;
    struct rule_totals totals;
    bool none;  // no rule can pass
    bool begun; // the reply has a message already
    // Of the request, for the reply that is begun later.
    struct of_msg request;
    struct ofp_header header;
};

// pipeline_refresh() can't be called off: this outlives a job whose connection went.
struct wait {
    struct stats_job *job; // NULL: gone
};

static void job_free(struct of_job *job)
{
    struct stats_job *j = (struct stats_job *)job;
    if (j->wait)
        j->wait->job = NULL;
    free(j);
}

static void refreshed(void *arg)
{
    struct wait *w = arg;
    if (w->job) {
        w->job->wait = NULL;
        of_job_wake(&w->job->job);
    }
    free(w);
}

// --- Entries ---

struct shown {
    const struct rule *rule;
    struct match match;
    uint64_t packets, bytes;
    uint32_t sec, nsec;
    int64_t idle, hard; // ns since the last packet, the last modification
};

static void show(struct shown *s, const struct rule *rule, int64_t now)
{
    int64_t used, alive = now - rule->created;
    s->rule = rule;
    rule_match(rule, &s->match);
    rule_stats_read(rule, &s->packets, &s->bytes, &used);
    s->sec = (uint32_t)(alive / NSEC_PER_SEC);
    s->nsec = (uint32_t)(alive % NSEC_PER_SEC);
    s->idle = now - used;
    s->hard = now - rule->modified;
}

static void put10(struct buf *b, const struct shown *s)
{
    buf_put_be16(b, 0);
    buf_put_u8(b, s->rule->table);
    buf_put_u8(b, 0);
    of_match_put10(b, &s->match);
    struct ofp10_flow_stats *w = buf_put_zeros(b, sizeof(*w));
    w->duration_sec = htonl(s->sec);
    w->duration_nsec = htonl(s->nsec);
    w->priority = htons(s->rule->priority);
    w->idle_timeout = htons(s->rule->idle_timeout);
    w->hard_timeout = htons(s->rule->hard_timeout);
    w->cookie = s->rule->cookie;
    w->packet_count = htonll(s->packets);
    w->byte_count = htonll(s->bytes);
}

// Nicira's ages are seconds plus one, in 16 bits.
static be16_t age(int64_t ns)
{
    int64_t sec = ns / NSEC_PER_SEC;
    return htons(sec < 0 ? 1 : sec >= UINT16_MAX - 1 ? UINT16_MAX : (uint16_t)(sec + 1));
}

static void put_nx(struct buf *b, const struct shown *s)
{
    struct nx_flow_stats w = {
        .table_id = s->rule->table,
        .duration_sec = htonl(s->sec),
        .duration_nsec = htonl(s->nsec),
        .priority = htons(s->rule->priority),
        .idle_timeout = htons(s->rule->idle_timeout),
        .hard_timeout = htons(s->rule->hard_timeout),
        .idle_age = age(s->idle),
        // Told only where the hard timeout doesn't run from the beginning.
        .hard_age = s->rule->modified == s->rule->created ? 0 : age(s->hard),
        .cookie = s->rule->cookie,
        .packet_count = htonll(s->packets),
        .byte_count = htonll(s->bytes),
    };
    size_t at = b->size;
    buf_put(b, &w, sizeof(w));
    w.match_len = htons(of_match_put_nxm(b, &s->match, 0, 0));
    memcpy(b->data + at, &w, sizeof(w));
}

static void put13(struct buf *b, const struct shown *s)
{
    struct ofp13_flow_stats *w = buf_put_zeros(b, sizeof(*w));
    w->table_id = s->rule->table;
    w->duration_sec = htonl(s->sec);
    w->duration_nsec = htonl(s->nsec);
    w->priority = htons(s->rule->priority);
    w->idle_timeout = htons(s->rule->idle_timeout);
    w->hard_timeout = htons(s->rule->hard_timeout);
    w->flags = htons((uint16_t)s->rule->flags);
    w->cookie = s->rule->cookie;
    w->packet_count = htonll(s->packets);
    w->byte_count = htonll(s->bytes);
    of_match_put13(b, &s->match);
}

static void put_rule(struct stats_job *j, const struct rule *rule, int64_t now)
{
    struct buf *b = j->reply.b;
    struct shown s;
    size_t entry = b->size;
    show(&s, rule, now);
    if (j->reply.kind == OF_MSG_NXST)
        put_nx(b, &s);
    else if (j->reply.version <= OF10)
        put10(b, &s);
    else
        put13(b, &s);
    of_rule_actions_put(b, j->reply.version, &rule->actions, &s.match);
    if (b->size - entry > UINT16_MAX) {
        buf_trim(b, entry);
        return;
    }
    be16_t len = htons((uint16_t)(b->size - entry));
    memcpy(b->data + entry, &len, 2);
    of_reply_commit(&j->reply, entry);
}

// --- Steps ---

// Opens a message, so that entries can be put.
static void open_message(struct stats_job *j)
{
    if (j->begun)
        of_reply_resume(&j->reply);
    else
        of_reply_begin(&j->reply, &j->job.conn->out, &j->request);
    j->begun = true;
}

static bool flow_step(struct of_job *job)
{
    struct stats_job *j = (struct stats_job *)job;
    struct rule *rules[STEP_TELL];
    struct buf *b = &job->conn->out;
    int64_t now = clock_now();
    size_t start = b->size, n = 1;
    bool open = false;
    while (n && !j->cursor.done && b->size - start < MESSAGE_FULL) {
        n = pipeline_rules_next(job->conn->mgr->pipeline, &j->filter, &j->cursor, STEP_LOOK, rules,
                                STEP_TELL);
        if (n && !open) {
            open_message(j);
            open = true;
        }
        for (size_t i = 0; i < n; i++)
            put_rule(j, rules[i], now);
    }
    if (j->cursor.done) {
        if (!open)
            open_message(j);
        of_reply_end(&j->reply);
    } else if (open) {
        of_reply_flush(&j->reply);
    }
    return j->cursor.done;
}

static bool aggregate_step(struct of_job *job)
{
    struct stats_job *j = (struct stats_job *)job;
    if (!j->cursor.done)
        pipeline_aggregate_next(job->conn->mgr->pipeline, &j->filter, &j->cursor, STEP_LOOK,
                                &j->totals);
    if (!j->cursor.done)
        return false;
    open_message(j);
    size_t entry = j->reply.b->size;
    struct ofp_aggregate_stats *w = buf_put_zeros(j->reply.b, sizeof(*w));
    w->packet_count = htonll(j->totals.packets);
    w->byte_count = htonll(j->totals.bytes);
    w->flow_count = htonl(j->totals.flows);
    of_reply_commit(&j->reply, entry);
    of_reply_end(&j->reply);
    return true;
}

// --- Requests ---

static enum of_error get_request(const struct of_msg *m, struct stats_job *j)
{
    struct reader r = reader_of(m->body, m->body_len);
    struct rule_filter *f = &j->filter;
    enum of_error e;
    f->out_port = OFPP_NONE;
    if (m->version >= OF13) {
        const struct ofp13_flow_stats_request *w = reader_get(&r, sizeof(*w));
        f->table = w->table_id;
        f->out_port = ntohl(w->out_port);
        f->cookie = w->cookie & w->cookie_mask;
        f->cookie_mask = w->cookie_mask;
        j->none = ntohl(w->out_group) != OFPG_ANY;
        if (!of_port_valid(f->out_port))
            return OFPBAC_BAD_OUT_PORT;
        e = of_match_get13(&r, &j->match);
    } else if (m->kind == OF_MSG_NXST) {
        const struct nx_flow_stats_request *w = reader_get(&r, sizeof(*w));
        f->table = w->table_id;
        f->out_port = of_port_from10(ntohs(w->out_port));
        e = of_match_get_nxm(&r, ntohs(w->match_len), &j->match, &f->cookie, &f->cookie_mask);
    } else {
        e = of_match_get10(&r, &j->match);
        const struct ofp10_flow_stats_request *w = reader_get(&r, sizeof(*w));
        f->table = w->table_id;
        f->out_port = of_port_from10(ntohs(w->out_port));
    }
    if (!e && r.left)
        e = OFPBRC_BAD_LEN;
    if (!e && f->table >= PIPELINE_TABLES && f->table != TABLE_ALL)
        e = OFPBRC_BAD_TABLE_ID;
    f->match = &j->match;
    return e;
}

static enum of_error start(struct of_conn *c, const struct of_msg *m, bool aggregate)
{
    struct stats_job *j = xcalloc(1, sizeof(*j));
    enum of_error e = get_request(m, j);
    if (e) {
        free(j);
        return e;
    }
    j->job.step = aggregate ? aggregate_step : flow_step;
    j->job.free = job_free;
    j->cursor.done = j->none;
    j->header = *m->header;
    j->request = *m;
    j->request.header = &j->header;
    j->job.waiting = true;
    struct wait *wait = j->wait = xmalloc(sizeof(*wait));
    wait->job = j;
    conn_start_job(c, &j->job);
    pipeline_refresh(c->mgr->pipeline, refreshed, wait);
    return OF_OK;
}

enum of_error handle_flow_stats(struct of_conn *c, const struct of_msg *m)
{
    return start(c, m, false);
}

enum of_error handle_aggregate(struct of_conn *c, const struct of_msg *m)
{
    return start(c, m, true);
}
