// SPDX-License-Identifier: Apache-2.0
// Handlers: from missed packets to forwarded packets and installed megaflows.
//
// Each handler is a thread with a channel of its own. It takes a batch of upcalls, translates each
// packet, executes it, and then installs the new megaflows of the batch in one go, so that a held
// packet leaves before those that the megaflow forwards. (Where order matters more than set-up
// time, as for RoCE, the hardware copy would have to come before the packet; not yet.)
//
// Counting: a packet that missed is credited here, because no tier has counted it. A packet that a
// megaflow sent up (slow path) was counted by that megaflow and is credited by its keeper. See
// backer.h.
//
// A megaflow is published in the store before it is installed: of two handlers that miss at the
// same time, the second finds the first one's and only executes its packet.
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/log.h"
#include "slowpath/upcall/private.h"

LOG_MODULE(upcall);

struct job {
    struct upcall *upcall;
    struct xlate_out out;
    bool translated;
};

struct batch {
    struct job jobs[UPCALL_BATCH];
    struct birth births[UPCALL_BATCH];
    size_t n_births;
};

static bool slow_allowed(struct handler *h, int64_t now)
{
    unsigned rate = atomic_load_explicit(&h->backer->slow_rate, memory_order_relaxed);
    if (!rate)
        return true;
    double tokens = h->slow_tokens + (double)(now - h->slow_refilled) * rate / NSEC_PER_SEC;
    h->slow_refilled = now;
    h->slow_tokens = MIN_OF(tokens, (double)rate);
    if (h->slow_tokens < 1)
        return false;
    h->slow_tokens--;
    return true;
}

// The megaflow for a packet that missed, unless it is there or may not be. Within an RCU read
// section.
static void conceive(struct handler *h, struct batch *batch, struct job *j,
                     const struct xlate_in *in)
{
    struct backer *b = h->backer;
    if (j->upcall->key.recirc_id)
        return;
    unsigned limit = atomic_load_explicit(&b->flow_limit, memory_order_relaxed);
    if (atomic_load_explicit(&b->n_flows, memory_order_relaxed) >= limit) {
        tally_add(&h->n.over_limit, 1);
        return;
    }
    struct birth *birth = &batch->births[batch->n_births];
    if (birth_conceive(birth, b, &j->upcall->key, in->pipeline, in->flow.pipe.in_port, &j->out,
                       in->now))
        batch->n_births++;
    else
        tally_add(&h->n.duplicates, 1);
}

static void credit_miss(const struct job *j, int64_t now)
{
    uint32_t frames;
    uint64_t bytes;
    packet_wire_count(j->upcall->packet, &frames, &bytes);
    xlate_credit(j->out.credits, j->out.n_credits, frames, bytes, ntohs(j->upcall->key.tcp_flags),
                 now);
}

static void translate(struct handler *h, struct batch *batch, struct job *j, int64_t now)
{
    struct backer *b = h->backer;
    struct upcall *u = j->upcall;
    struct xlate_in in;
    memset(&in, 0, sizeof(in));
    if (u->type == UPCALL_MISS) {
        tally_add(&h->n.misses, 1);
    } else {
        tally_add(&h->n.slow, 1);
        if (!slow_allowed(h, now)) {
            tally_add(&h->n.slow_limited, 1);
            return;
        }
    }
    rcu_enter();
    if (!pipelines_find_port(b->pipelines, u->key.in_port, &in.pipeline, &in.flow.pipe.in_port)) {
        rcu_leave();
        tally_add(&h->n.unmapped, 1);
        return;
    }
    in.flow.key = u->key;
    in.packet = u->packet;
    in.flags = XLATE_MAY_LEARN | XLATE_SEND_PACKET_INS;
    in.now = now;
    xlate(&in, &j->out);
    j->translated = true;
    for (size_t i = 0; b->options.packet_in && i < j->out.n_packet_ins; i++)
        b->options.packet_in(b->options.aux, &j->out.packet_ins[i]);
    if (u->type == UPCALL_MISS) {
        credit_miss(j, now);
        conceive(h, batch, j, &in);
    }
    rcu_leave();
}

static void execute(struct handler *h, struct job *j)
{
    struct packet *p = STEAL_PTR(j->upcall->packet);
    if (!j->translated || !j->out.actions.n) {
        packet_free(p);
        return;
    }
    const struct datapath_ops *ops = h->backer->datapath->ops;
    if (ops->execute(h->channel, p, &j->upcall->key, &j->out.actions, NULL) < 0)
        tally_add(&h->n.execute_errors, 1);
}

static void install(struct handler *h, struct batch *batch)
{
    births_install(h->backer, h->channel, batch->births, batch->n_births);
    births_again(h->backer, h->channel, batch->births, batch->n_births);
    for (size_t i = 0; i < batch->n_births; i++) {
        const struct birth *birth = &batch->births[i];
        tally_add(!birth->megaflow ? &h->n.failed
                  : birth->refused ? &h->n.refused
                                   : &h->n.installed,
                  1);
    }
    births_born(h->backer, batch->births, batch->n_births);
}

void handle_upcalls(struct handler *h, struct upcall *upcalls, size_t n)
{
    struct batch batch;
    int64_t now = clock_now();
    batch.n_births = 0;
    tally_add(&h->n.upcalls, n);
    for (size_t i = 0; i < n; i++) {
        batch.jobs[i].upcall = &upcalls[i];
        batch.jobs[i].translated = false;
        translate(h, &batch, &batch.jobs[i], now);
    }
    for (size_t i = 0; i < n; i++)
        execute(h, &batch.jobs[i]);
    install(h, &batch);
    for (size_t i = 0; i < n; i++) {
        if (batch.jobs[i].translated)
            xlate_out_done(&batch.jobs[i].out);
    }
    tally_add(&h->n.handled, n);
}

int handler_step(struct handler *h)
{
    struct datapath *d = h->backer->datapath;
    int n = d->ops->upcall_recv(d, h->id, h->upcalls, UPCALL_BATCH);
    if (n > 0)
        handle_upcalls(h, h->upcalls, (size_t)n);
    return n;
}

void *handler_main(void *arg)
{
    static struct log_limit rl = LOG_LIMIT(5, 5);
    struct handler *h = arg;
    while (!atomic_load(&h->backer->stopping)) {
        int n = handler_step(h);
        if (n >= 0 || n == -ENOBUFS) // what was lost, the datapath counts
            continue;
        tally_add(&h->n.receive_errors, 1);
        log_warn_rl(&rl, "receiving upcalls failed: %s", strerror(-n));
        nanosleep(&(struct timespec){.tv_nsec = NSEC_PER_MSEC}, NULL); // not at full speed
    }
    return NULL;
}
