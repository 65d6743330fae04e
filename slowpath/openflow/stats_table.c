// SPDX-License-Identifier: Apache-2.0
// What is asked about tables: counters, and in 1.3 the features that each offers.
//
// All tables are alike. Features can be read and not changed. Loop's thread.

#include <string.h>

#include "slowpath/openflow/actions.h"
#include "slowpath/openflow/conn.h"
#include "slowpath/pipeline/pipeline.h"

#define MAX_ENTRIES 1000000 // nominal: memory is the limit
#define OFPFW10_ALL 0x3fffff

enum { // OFPTFPT_* (section 7.3.5.5.2)
    PROP_INSTRUCTIONS = 0,
    PROP_NEXT_TABLES = 2,
    PROP_WRITE_ACTIONS = 4,
    PROP_APPLY_ACTIONS = 6,
    PROP_MATCH = 8,
    PROP_WILDCARDS = 10,
    PROP_WRITE_SETFIELD = 12,
    PROP_APPLY_SETFIELD = 14,
};

static void put10(struct buf *b, uint8_t table, const struct table_stats *s)
{
    struct ofp10_table_stats *w = buf_put_zeros(b, sizeof(*w));
    w->table_id = table;
    w->wildcards = htonl(OFPFW10_ALL);
    w->max_entries = htonl(MAX_ENTRIES);
    w->active_count = htonl(s->active);
    w->lookup_count = htonll(s->lookups);
    w->matched_count = htonll(s->matched);
}

static void put13(struct buf *b, uint8_t table, const struct table_stats *s)
{
    struct ofp13_table_stats *w = buf_put_zeros(b, sizeof(*w));
    w->table_id = table;
    w->active_count = htonl(s->active);
    w->lookup_count = htonll(s->lookups);
    w->matched_count = htonll(s->matched);
}

enum of_error handle_table_stats(struct of_conn *c, const struct of_msg *m)
{
    struct of_reply r;
    of_reply_begin(&r, &c->out, m);
    for (unsigned table = 0; table < PIPELINE_TABLES; table++) {
        struct table_stats s;
        size_t entry = c->out.size;
        pipeline_table_stats(c->mgr->pipeline, (uint8_t)table, &s);
        if (c->version <= OF10)
            put10(&c->out, (uint8_t)table, &s);
        else
            put13(&c->out, (uint8_t)table, &s);
        of_reply_commit(&r, entry);
    }
    of_reply_end(&r);
    return OF_OK;
}

// --- Features ---

static size_t prop_start(struct buf *b, uint16_t type)
{
    size_t start = b->size;
    buf_put_be16(b, type);
    buf_put_be16(b, 0);
    return start;
}

static void prop_finish(struct buf *b, size_t start)
{
    be16_t len = htons((uint16_t)(b->size - start)); // without the padding
    memcpy(b->data + start + 2, &len, 2);
    buf_put_zeros(b, -(b->size - start) & 7);
}

static void put_instructions(struct buf *b, bool last)
{
    size_t start = prop_start(b, PROP_INSTRUCTIONS);
    for (uint16_t type = last ? 2 : 1; type <= 5; type++) { // goto is 1, clear-actions 5
        buf_put_be16(b, type);
        buf_put_be16(b, 4);
    }
    prop_finish(b, start);
}

static void put_next_tables(struct buf *b, unsigned table)
{
    size_t start = prop_start(b, PROP_NEXT_TABLES);
    for (unsigned next = table + 1; next < PIPELINE_TABLES; next++)
        buf_put_u8(b, (uint8_t)next);
    prop_finish(b, start);
}

static void put_actions(struct buf *b, uint16_t type)
{
    size_t start = prop_start(b, type);
    uint32_t known = of_actions_supported(OF13);
    for (uint16_t action = 0; action < 32; action++) {
        if (known >> action & 1) {
            buf_put_be16(b, action);
            buf_put_be16(b, 4);
        }
    }
    prop_finish(b, start);
}

// A header as it is, or with its has-mask bit and the payload twice as long (OXM, section 7.2.3.2).
static void put_header(struct buf *b, const struct field *f, bool masked)
{
    struct field_ctx ctx = {.of_version = OF13};
    size_t at = b->size;
    oxm_put_header(b, f, &ctx, false);
    if (masked && b->size > at) {
        b->data[at + 2] |= 1;
        b->data[at + 3] = (uint8_t)(b->data[at + 3] + f->n_bytes);
    }
}

// The fields that have a number: all, telling which take a mask, or those that can be written.
static void put_fields(struct buf *b, uint16_t type)
{
    bool writable = type == PROP_WRITE_SETFIELD || type == PROP_APPLY_SETFIELD;
    size_t start = prop_start(b, type);
    for (unsigned id = 0; id < FIELD_COUNT; id++) {
        const struct field *f = field_by_id(id);
        if (!writable || f->writable)
            put_header(b, f, type == PROP_MATCH && f->maskable);
    }
    prop_finish(b, start);
}

static void put_features(struct buf *b, unsigned table)
{
    size_t start = b->size;
    struct ofp13_table_features *w = buf_put_zeros(b, sizeof(*w));
    w->table_id = (uint8_t)table;
    w->metadata_match = w->metadata_write = UINT64_MAX;
    w->max_entries = htonl(MAX_ENTRIES);
    put_instructions(b, table + 1 == PIPELINE_TABLES);
    put_next_tables(b, table);
    put_actions(b, PROP_WRITE_ACTIONS);
    put_actions(b, PROP_APPLY_ACTIONS);
    put_fields(b, PROP_MATCH);
    put_fields(b, PROP_WILDCARDS);
    put_fields(b, PROP_WRITE_SETFIELD);
    put_fields(b, PROP_APPLY_SETFIELD);
    be16_t len = htons((uint16_t)(b->size - start));
    memcpy(b->data + start, &len, 2);
}

enum of_error handle_table_features(struct of_conn *c, const struct of_msg *m)
{
    if (m->body_len) // a request with a body sets features
        return OFPTFFC_EPERM;
    struct of_reply r;
    of_reply_begin(&r, &c->out, m);
    for (unsigned table = 0; table < PIPELINE_TABLES; table++) {
        size_t entry = c->out.size;
        put_features(&c->out, table);
        of_reply_commit(&r, entry);
    }
    of_reply_end(&r);
    return OF_OK;
}

enum of_error handle_table_mod(struct of_conn *c, const struct of_msg *m)
{
    be32_t config;
    memcpy(&config, m->body + 4, 4);
    if (m->body[0] >= PIPELINE_TABLES && m->body[0] != OFPTT_ALL)
        return OFPTMFC_BAD_TABLE;
    // 1.3 keeps two deprecated bits, without effect, and defines no others.
    return ntohl(config) & ~3u ? OFPTMFC_BAD_CONFIG : OF_OK;
}
