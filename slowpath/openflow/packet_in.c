// SPDX-License-Identifier: Apache-2.0
// Packet-ins: OFPT_PACKET_IN of 1.0 and 1.3, NXT_PACKET_IN, NXT_PACKET_IN2.
//
// Handlers hand packets over from their threads: those go through a bounded queue, one wake-up of
// the loop for many. A packet-in that a connection has no room or rate for is dropped and counted;
// nothing waits for a controller.

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "lib/base/counter.h"
#include "lib/base/mem.h"
#include "lib/flow/packet.h"
#include "slowpath/openflow/conn.h"
#include "slowpath/openflow/match.h"

COUNTER_DEFINE(openflow_packet_in_sent);
COUNTER_DEFINE(openflow_packet_in_dropped);

#define QUEUE_MAX 1024           // packets that wait for the loop
#define BACKLOG_MAX (512u << 10) // of a connection, at which packet-ins are dropped

enum { // NXPINT_*, properties of NXT_PACKET_IN2
    PROP_PACKET,
    PROP_FULL_LEN,
    PROP_BUFFER_ID,
    PROP_TABLE_ID,
    PROP_COOKIE,
    PROP_REASON,
    PROP_METADATA,
};

// What is told beside the packet: the fields that it doesn't carry itself.
static void metadata_match(const struct flow *flow, struct match *m)
{
    memset(m, 0, sizeof(*m));
    static const struct {
        enum field_id first, last;
    } ranges[] = {
        {FIELD_OF_IN_PORT, FIELD_OF_IN_PORT},
        {FIELD_METADATA, FIELD_METADATA},
        {FIELD_REG0, FIELD_REG15},
        {FIELD_TUN_ID, FIELD_TUN_DST},
        {FIELD_PKT_MARK, FIELD_PKT_MARK},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        for (enum field_id id = ranges[i].first; id <= ranges[i].last; id++) {
            const struct field *f = field_by_id(id);
            if (field_is_zero(f, flow))
                continue;
            struct field_value v;
            field_get(f, flow, &v);
            field_set(f, &v, &m->value);
            field_mask_all(f, &m->mask);
        }
    }
    // The input port is always told.
    field_mask_all(field_by_id(FIELD_OF_IN_PORT), &m->mask);
}

struct shown {
    const struct xlate_packet_in *in;
    bool implicit_miss; // no flow matched, as opposed to one that says "controller"
    uint8_t reason;     // of the version in hand
    struct match match;
    const uint8_t *frame;
    uint32_t frame_len, sent_len;
};

static void put10(struct buf *b, const struct shown *s)
{
    struct ofp10_packet_in w = {
        .buffer_id = htonl(OFP_NO_BUFFER),
        .total_len = htons((uint16_t)s->frame_len),
        .in_port = htons(of_port_to10(s->in->flow.pipe.in_port)),
        .reason = s->reason,
    };
    size_t start = of_msg_start(b, OF10, OFPT_PACKET_IN, 0);
    buf_put(b, &w, sizeof(w));
    buf_put(b, s->frame, s->sent_len);
    of_msg_finish(b, start);
}

static void put13(struct buf *b, const struct shown *s)
{
    struct ofp13_packet_in w = {
        .buffer_id = htonl(OFP_NO_BUFFER),
        .total_len = htons((uint16_t)s->frame_len),
        .reason = s->reason,
        .table_id = s->in->table_id,
        .cookie = s->in->cookie,
    };
    size_t start = of_msg_start(b, OF13, OFPT_PACKET_IN, 0);
    buf_put(b, &w, sizeof(w));
    of_match_put13(b, &s->match);
    buf_put_zeros(b, 2);
    buf_put(b, s->frame, s->sent_len);
    of_msg_finish(b, start);
}

static void put_nx(struct buf *b, uint8_t version, const struct shown *s)
{
    struct nx_packet_in w = {
        .buffer_id = htonl(OFP_NO_BUFFER),
        .total_len = htons((uint16_t)s->frame_len),
        .reason = s->reason,
        .table_id = s->in->table_id,
        .cookie = s->in->cookie,
    };
    size_t start = of_msg_start_nxt(b, version, NXT_PACKET_IN, 0), at = b->size;
    buf_put(b, &w, sizeof(w));
    w.match_len = htons(of_match_put_nxm(b, &s->match, 0, 0));
    memcpy(b->data + at, &w, sizeof(w));
    buf_put_zeros(b, 2);
    buf_put(b, s->frame, s->sent_len);
    of_msg_finish(b, start);
}

// A property: type, length without padding, payload, padding to 8.
static void put_prop(struct buf *b, uint16_t type, const void *payload, size_t n, size_t skip)
{
    buf_put_be16(b, type);
    buf_put_be16(b, (uint16_t)(4 + skip + n));
    buf_put_zeros(b, skip);
    buf_put(b, payload, n);
    buf_put_zeros(b, -(4 + skip + n) & 7);
}

static void put_nx2(struct buf *b, uint8_t version, const struct shown *s)
{
    size_t start = of_msg_start_nxt(b, version, NXT_PACKET_IN2, 0);
    be32_t full = htonl(s->frame_len);
    put_prop(b, PROP_PACKET, s->frame, s->sent_len, 0);
    if (s->sent_len < s->frame_len)
        put_prop(b, PROP_FULL_LEN, &full, sizeof(full), 0);
    put_prop(b, PROP_TABLE_ID, &s->in->table_id, 1, 0);
    if (s->in->cookie != UINT64_MAX)
        put_prop(b, PROP_COOKIE, &s->in->cookie, 8, 4);
    put_prop(b, PROP_REASON, &s->reason, 1, 0);
    struct buf fields;
    struct field_ctx ctx = {.of_version = version};
    buf_init(&fields, 0, 128);
    oxm_put_match(&fields, &s->match, &ctx, true, 0, 0);
    put_prop(b, PROP_METADATA, fields.data, fields.size, 0);
    buf_done(&fields);
    of_msg_finish(b, start);
}

// What each version calls the reason; false: it isn't told at all. In 1.3 a miss is only told by a
// flow for it; before, such a flow's output is an action like others. The action set has a reason
// of its own from 1.4 on.
static bool wire_reason(const struct shown *s, uint8_t version, uint8_t *ret)
{
    switch (s->in->reason) {
    case PACKET_IN_NO_MATCH:
        *ret = OFPR_NO_MATCH;
        return !s->implicit_miss || version <= OF10;
    case PACKET_IN_EXPLICIT_MISS:
        *ret = version <= OF10 ? OFPR_ACTION : OFPR_NO_MATCH;
        return true;
    case PACKET_IN_ACTION_SET:
        *ret = OFPR_ACTION;
        return true;
    default:
        *ret = s->in->reason;
        return true;
    }
}

static void send_to(struct of_conn *c, struct shown *s)
{
    uint32_t max = s->implicit_miss ? c->miss_send_len : s->in->max_len;
    s->sent_len = max < s->frame_len && max != UINT16_MAX ? max : s->frame_len;
    if (s->sent_len > OFP_MAX_LEN - 1024) // a GSO frame may not fit a message with its headers
        s->sent_len = OFP_MAX_LEN - 1024;
    struct buf b;
    buf_init(&b, 0, 512 + s->sent_len);
    if (c->packet_in_format == NXPIF_NXT_PACKET_IN2)
        put_nx2(&b, c->version, s);
    else if (c->packet_in_format == NXPIF_NXT_PACKET_IN)
        put_nx(&b, c->version, s);
    else if (c->version <= OF10)
        put10(&b, s);
    else
        put13(&b, s);
    conn_send(c, b.data, b.size);
    counter_inc(openflow_packet_in_sent);
    buf_done(&b);
}

static void send_now(struct connmgr *mgr, const struct xlate_packet_in *in)
{
    struct shown s = {
        .in = in,
        .implicit_miss = in->reason == PACKET_IN_NO_MATCH && in->cookie == UINT64_MAX,
    };
    struct of_conn *c;
    if (in->packet) {
        s.frame = packet_data(in->packet);
        s.frame_len = in->packet->len;
    }
    metadata_match(&in->flow, &s.match);
    DL_FOREACH (mgr->conns, c) {
        if (c->controller_id != in->controller_id || !wire_reason(&s, c->version, &s.reason) ||
            !conn_wants(c, ASYNC_PACKET_IN, s.reason))
            continue;
        if (stream_backlog(c->stream) > BACKLOG_MAX || !token_bucket_take(&c->packet_in_bucket))
            counter_inc(openflow_packet_in_dropped);
        else
            send_to(c, &s);
    }
}

// --- From other threads ---

struct queued {
    struct queued *next;
    struct xlate_packet_in in; // its packet is ours
};

struct packet_in_queue {
    struct connmgr *mgr;
    pthread_t owner; // the loop's thread
    pthread_mutex_t lock;
    struct queued *first, **last; // under `lock`, as is n
    unsigned n;
};

struct packet_in_queue *packet_in_queue_new(struct connmgr *mgr)
{
    struct packet_in_queue *q = xcalloc(1, sizeof(*q));
    q->mgr = mgr;
    q->owner = pthread_self();
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

static struct queued *take_all(struct packet_in_queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queued *first = q->first;
    q->first = NULL;
    q->last = &q->first;
    q->n = 0;
    pthread_mutex_unlock(&q->lock);
    return first;
}

static void work_off(void *arg)
{
    struct packet_in_queue *q = arg;
    struct queued *p = take_all(q);
    while (p) {
        struct queued *next = p->next;
        send_now(q->mgr, &p->in);
        packet_free(p->in.packet);
        free(p);
        p = next;
    }
}

void packet_in_queue_free(struct packet_in_queue *q)
{
    loop_unpost(q->mgr->loop, work_off, q);
    struct queued *p = take_all(q);
    while (p) {
        struct queued *next = p->next;
        packet_free(p->in.packet);
        free(p);
        p = next;
    }
    pthread_mutex_destroy(&q->lock);
    free(q);
}

bool connmgr_packet_in(struct connmgr *mgr, const struct xlate_packet_in *in)
{
    struct packet_in_queue *q = mgr->packet_ins;
    if (pthread_equal(q->owner, pthread_self())) {
        send_now(mgr, in);
        return true;
    }
    struct queued *p = xmalloc(sizeof(*p));
    *p = (struct queued){.in = *in};
    p->in.packet = in->packet ? packet_clone(in->packet) : NULL;
    pthread_mutex_lock(&q->lock);
    bool room = q->n < QUEUE_MAX;
    bool wake = room && !q->n;
    if (room) {
        *q->last = p;
        q->last = &p->next;
        q->n++;
    }
    pthread_mutex_unlock(&q->lock);
    if (wake)
        loop_post(mgr->loop, work_off, q);
    if (!room) {
        counter_inc(openflow_packet_in_dropped);
        packet_free(p->in.packet);
        free(p);
    }
    return room;
}
