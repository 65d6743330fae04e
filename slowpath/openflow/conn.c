// SPDX-License-Identifier: Apache-2.0
// One OpenFlow connection: framing, the order of requests, slices of long answers, back-pressure,
// probes.
//
// Below: lib/io/stream.h. Above: connmgr.c makes and ends connections; dispatch.c runs a message's
// handler, which writes its reply to c->out. Everything runs on the loop's thread.
//
// Invariants:
//   - Messages are decoded where they lie in the stream's buffer, many per wake-up; replies are
//   gathered
//     in c->out and written at once.
//   - Requests take effect in order. A long answer (a job) is overtaken by later requests, as the
//     specification allows, but not by a barrier: while one waits for jobs (c->blocked), later
//     requests are held, and only echo requests are answered.
//   - A peer that doesn't read is not read from, its jobs stand still, its packet-ins are dropped.
//   - conn_close() never frees: the loop does, later. Every entry point looks at c->closing first.

#include "slowpath/openflow/conn.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/counter.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include <utlist.h>

LOG_MODULE(openflow);
COUNTER_DEFINE(openflow_received);
COUNTER_DEFINE(openflow_throttled);

#define OUT_HIGH (512u << 10) // backlog at which a peer counts as not reading
#define OUT_LOW (64u << 10)
#define OUT_MAX (16u << 20)   // backlog of what can't be dropped, at which the peer is given up
#define OUT_FLUSH (32u << 10) // c->out is written when it holds this much
#define HELD_MAX (256u << 10)
#define JOBS_MAX 4                // more long answers at once make requests wait
#define SLICE (2 * NSEC_PER_MSEC) // of one connection's work per pass of the loop
#define HELLO_TIMEOUT (10 * NSEC_PER_SEC)
#define REFUSED_TIMEOUT (1 * NSEC_PER_SEC)

static void conn_jobs_run(void *arg);
static void conn_continue(void *arg);
static void conn_input(struct of_conn *c);

static void out_flush(struct of_conn *c)
{
    if (c->out.size)
        stream_write(c->stream, c->out.data, c->out.size);
    buf_clear(&c->out);
}

static bool peer_reads(const struct of_conn *c)
{
    return c->eof || stream_backlog(c->stream) + c->out.size < OUT_HIGH;
}

void conn_send(struct of_conn *c, const void *data, size_t n)
{
    if (c->closing)
        return;
    out_flush(c);
    if (stream_backlog(c->stream) > OUT_MAX)
        conn_close(c, "the peer does not read");
    else
        stream_write(c->stream, data, n);
}

static void job_end(struct of_job *job)
{
    struct of_conn *c = job->conn;
    DL_DELETE(c->jobs, job);
    c->n_jobs--;
    job->free(job);
}

// --- Requests ---

static void error_reply(struct of_conn *c, enum of_error e, const struct ofp_header *h,
                        const char *text)
{
    of_error_put(&c->out, c->version ? c->version : h->version, e, h, ntohs(h->length), text);
}

static void first_message(struct of_conn *c, const struct ofp_header *h)
{
    if (h->type != OFPT_HELLO) {
        conn_close(c, h->type == OFPT_ERROR ? "the peer answered hello with an error"
                                            : "the first message was not a hello");
        return;
    }
    char text[160];
    enum of_error e = hello_get(c, h, text, sizeof(text));
    if (e) {
        // The peer may still be writing its own complaint: it gets the time to read ours.
        error_reply(c, e, h, text);
        log_info("%s: %s", stream_name(c->stream), text);
        c->refused = true;
        loop_timer_after(c->probe_timer, REFUSED_TIMEOUT);
        return;
    }
    log_dbg("%s: negotiated OpenFlow wire version %u", stream_name(c->stream), c->version);
    conn_async_defaults(c);
    connmgr_wants_changed(c->mgr);
    if (c->controller)
        connmgr_status_changed(c->mgr);
}

static void message(struct of_conn *c, const struct ofp_header *h)
{
    counter_inc(openflow_received);
    if (c->refused) {
        ;
    } else if (!c->version) {
        first_message(c, h);
    } else if (h->version != c->version && h->type != OFPT_HELLO && h->type != OFPT_ERROR) {
        error_reply(c, OFPBRC_BAD_VERSION, h, NULL);
    } else if (c->blocked && h->type != OFPT_ECHO_REQUEST) {
        buf_put(&c->held, h, ntohs(h->length));
        if (c->held.size > HELD_MAX)
            stream_pause(c->stream, true);
    } else {
        conn_dispatch(c, h);
    }
    if (c->out.size > OUT_FLUSH)
        out_flush(c);
}

enum of_error handle_echo_request(struct of_conn *c, const struct of_msg *m)
{
    size_t start = of_msg_start(&c->out, c->version, OFPT_ECHO_REPLY, m->header->xid);
    buf_put(&c->out, m->body, m->body_len);
    of_msg_finish(&c->out, start);
    return OF_OK;
}

static void barrier_reply(struct of_conn *c, be32_t xid)
{
    uint8_t type = c->version <= OF10 ? OFPT10_BARRIER_REPLY : OFPT13_BARRIER_REPLY;
    of_msg_finish(&c->out, of_msg_start(&c->out, c->version, type, xid));
}

enum of_error handle_barrier(struct of_conn *c, const struct of_msg *m)
{
    if (c->jobs) {
        c->blocked = c->barrier = true;
        c->barrier_xid = m->header->xid;
    } else {
        barrier_reply(c, m->header->xid);
    }
    return OF_OK;
}

// The jobs are done: what waited goes on.
static void unblock(struct of_conn *c)
{
    if (c->barrier)
        barrier_reply(c, c->barrier_xid);
    c->blocked = c->barrier = false;
    while (c->held.size && !c->blocked && !c->closing) {
        const struct ofp_header *h = (const struct ofp_header *)c->held.data;
        size_t len = ntohs(h->length);
        conn_dispatch(c, h);
        buf_pull(&c->held, len);
    }
    if (c->closing)
        return;
    if (!c->held.size)
        buf_clear(&c->held);
    out_flush(c);
    if (!c->blocked && !c->throttled) {
        stream_pause(c->stream, false);
        conn_continue(c);
    }
}

// --- Input ---

// Handles the complete messages in `have` bytes at `p`; returns how many bytes they took.
static size_t run_of_messages(struct of_conn *c, const uint8_t *p, size_t have, int64_t until)
{
    size_t used = 0;
    for (unsigned n = 1; have - used >= sizeof(struct ofp_header); n++) {
        const struct ofp_header *h = (const struct ofp_header *)(p + used);
        size_t len = ntohs(h->length);
        if (len < sizeof(*h)) {
            conn_close(c, "a message is shorter than its header");
            break;
        }
        if (have - used < len)
            break;
        message(c, h);
        used += len;
        if (c->closing || c->held.size > HELD_MAX || !peer_reads(c) ||
            (n % 32 == 0 && clock_real() >= until))
            break;
    }
    return used;
}

// A message that the buffer holds in pieces. Returns its length, or 0 if it isn't all there.
static size_t straddling_message(struct of_conn *c, int64_t until)
{
    const struct ofp_header *h = stream_peek(c->stream, sizeof(*h));
    if (!h)
        return 0;
    size_t len = ntohs(h->length);
    if (len < sizeof(*h))
        len = sizeof(*h);
    const uint8_t *p = stream_peek(c->stream, len);
    return p ? run_of_messages(c, p, len, until) : 0;
}

static void conn_input(struct of_conn *c)
{
    int64_t until = clock_real() + SLICE;
    bool more = true;
    c->last_received = clock_now();
    c->probing = false;
    while (!c->closing && more) {
        if (!peer_reads(c)) {
            counter_inc(openflow_throttled);
            c->throttled = true;
            stream_pause(c->stream, true);
            break;
        }
        if (c->held.size > HELD_MAX)
            break;
        size_t have = 0;
        const uint8_t *p = stream_peek_some(c->stream, &have);
        size_t used = p ? run_of_messages(c, p, have, until) : 0;
        if (!used && !c->closing)
            used = straddling_message(c, until);
        if (c->closing)
            break;
        stream_consume(c->stream, used);
        more = used > 0;
        if (more && clock_real() >= until) {
            if (!c->continuing)
                loop_post(c->mgr->loop, conn_continue, c);
            c->continuing = true;
            break;
        }
    }
    if (!c->closing)
        out_flush(c);
    if (c->eof && !c->continuing)
        conn_close(c, NULL);
}

static void conn_continue(void *arg)
{
    struct of_conn *c = arg;
    c->continuing = false;
    if (!c->closing && (c->eof || stream_available(c->stream)))
        conn_input(c);
}

static void on_connected(struct stream *s, void *arg)
{
    conn_connected(arg);
}

static void on_readable(struct stream *s, void *arg)
{
    struct of_conn *c = arg;
    if (!c->closing && !c->continuing && !c->throttled)
        conn_input(c);
}

static void on_drained(struct stream *s, void *arg)
{
    struct of_conn *c = arg;
    if (c->closing)
        return;
    if (c->throttled) {
        c->throttled = false;
        if (c->held.size <= HELD_MAX)
            stream_pause(s, false);
        conn_continue(c);
    }
    if (c->jobs && !c->closing)
        conn_jobs_run(c);
}

static void on_closed(struct stream *s, const struct err *err, void *arg)
{
    struct of_conn *c = arg;
    if (c->closing)
        return;
    // What it sent before still counts; what it asked for, nobody reads.
    c->eof = true;
    c->why = xstrdup(err_is_set(err) ? err_text(err) : "closed by the peer");
    while (c->jobs)
        job_end(c->jobs);
    if (c->blocked)
        unblock(c);
    if (!c->closing && !c->continuing)
        conn_input(c);
}

// --- Jobs ---

static bool has_runnable(const struct of_conn *c)
{
    const struct of_job *job;
    DL_FOREACH (c->jobs, job) {
        if (!job->waiting)
            return true;
    }
    return false;
}

static void post_jobs(struct of_conn *c)
{
    loop_unpost(c->mgr->loop, conn_jobs_run, c);
    loop_post(c->mgr->loop, conn_jobs_run, c);
}

// One slice: steps the jobs in turn until time or the peer's patience is over.
static void conn_jobs_run(void *arg)
{
    struct of_conn *c = arg;
    int64_t until = clock_real() + SLICE;
    while (!c->closing && has_runnable(c) && peer_reads(c)) {
        struct of_job *job = c->jobs;
        bool done = !job->waiting && job->step(job);
        if (c->closing)
            return;
        out_flush(c);
        if (done) {
            job_end(job);
        } else { // to the end of the line
            DL_DELETE(c->jobs, job);
            DL_APPEND(c->jobs, job);
        }
        if (clock_real() >= until)
            break;
    }
    if (c->closing)
        return;
    if (!c->jobs && c->blocked)
        unblock(c);
    else if (has_runnable(c) && peer_reads(c))
        post_jobs(c);
}

void conn_start_job(struct of_conn *c, struct of_job *job)
{
    if (c->eof) {
        job->free(job);
        return;
    }
    job->conn = c;
    DL_APPEND(c->jobs, job);
    if (++c->n_jobs >= JOBS_MAX)
        c->blocked = true;
    post_jobs(c);
}

void of_job_wake(struct of_job *job)
{
    job->waiting = false;
    if (!job->conn->closing)
        post_jobs(job->conn);
}

// --- Life ---

static void on_probe(void *arg)
{
    struct of_conn *c = arg;
    int64_t silence = clock_now() - c->last_received;
    if (c->closing)
        return;
    if (!c->version) {
        conn_close(c, c->refused ? "no common OpenFlow version" : "no hello from the peer");
    } else if (silence < c->probe) {
        loop_timer_at(c->probe_timer, c->last_received + c->probe);
    } else if (c->probing && !c->throttled) {
        conn_close(c, "the peer is silent and does not answer an echo request");
    } else {
        c->probing = true;
        of_msg_finish(&c->out, of_msg_start(&c->out, c->version, OFPT_ECHO_REQUEST, 0));
        out_flush(c);
        loop_timer_after(c->probe_timer, c->probe);
    }
}

void conn_set_probe(struct of_conn *c, int64_t ns)
{
    c->probe = ns;
    if (!c->version)
        loop_timer_after(c->probe_timer, HELLO_TIMEOUT);
    else if (ns)
        loop_timer_after(c->probe_timer, ns);
    else
        loop_timer_cancel(c->probe_timer);
}

const struct stream_cb conn_stream_cb = {
    .connected = on_connected,
    .readable = on_readable,
    .drained = on_drained,
    .closed = on_closed,
};

struct of_conn *conn_new(struct connmgr *mgr, struct of_controller *controller)
{
    struct of_conn *c = xcalloc(1, sizeof(*c));
    c->mgr = mgr;
    c->controller = controller;
    c->role = OFPCR_EQUAL;
    c->last_received = clock_now();
    buf_init(&c->held, 0, 0);
    buf_init(&c->out, 0, 4096);
    token_bucket_init(&c->packet_in_bucket, 0, 0);
    c->probe_timer = loop_timer_new(mgr->loop, on_probe, c);
    DL_APPEND(mgr->conns, c);
    return c;
}

void conn_connected(struct of_conn *c)
{
    stream_set_low_mark(c->stream, OUT_LOW);
    hello_put(&c->out, c->mgr->versions);
    out_flush(c);
    conn_set_probe(c, c->probe);
}

static void conn_end(void *arg)
{
    struct of_conn *c = arg;
    connmgr_conn_gone(c, c->why);
    conn_free(c);
}

void conn_close(struct of_conn *c, const char *why)
{
    static struct log_limit limit = LOG_LIMIT(10, 5);
    if (c->closing)
        return;
    c->closing = true;
    if (why && !c->why)
        c->why = xstrdup(why);
    if (c->why && (c->controller || !c->eof))
        log_info_rl(&limit, "%s: closing: %s", c->stream ? stream_name(c->stream) : "controller",
                    c->why);
    loop_timer_cancel(c->probe_timer);
    if (c->stream)
        stream_pause(c->stream, true);
    loop_post(c->mgr->loop, conn_end, c);
}

void conn_free(struct of_conn *c)
{
    if (!c)
        return;
    c->closing = true;
    loop_unpost(c->mgr->loop, conn_end, c);
    loop_unpost(c->mgr->loop, conn_jobs_run, c);
    loop_unpost(c->mgr->loop, conn_continue, c);
    while (c->jobs)
        job_end(c->jobs);
    loop_timer_free(c->probe_timer);
    if (c->stream)
        stream_finish(c->stream); // what was said last (an error) still goes out
    buf_done(&c->held);
    buf_done(&c->out);
    DL_DELETE(c->mgr->conns, c);
    free(c->why);
    free(c);
}

// --- Rates ---

#define TOKEN UINT64_C(1000000000)

void token_bucket_init(struct token_bucket *t, uint32_t rate, uint32_t burst)
{
    *t = (struct token_bucket){.rate = rate, .burst = burst ? burst : rate, .filled = clock_now()};
    t->tokens = t->burst * TOKEN;
}

bool token_bucket_take(struct token_bucket *t)
{
    if (!t->rate)
        return true;
    int64_t now = clock_now(), passed = now - t->filled;
    uint64_t full = t->burst * TOKEN;
    t->filled = now;
    if (passed > 0 && (uint64_t)passed >= full / t->rate)
        t->tokens = full;
    else if (passed > 0)
        t->tokens += (uint64_t)passed * t->rate;
    if (t->tokens > full)
        t->tokens = full;
    if (t->tokens < TOKEN)
        return false;
    t->tokens -= TOKEN;
    return true;
}
