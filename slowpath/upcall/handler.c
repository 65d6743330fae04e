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
    struct megaflow *megaflow;       // to be installed; or NULL
    struct translation *translation; // likewise
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

// Prepares the megaflow for a packet that missed, unless it is there or may not be. Within an RCU
// read section.
static void prepare(struct handler *h, struct job *j, struct pipeline *pipeline,
                    ofp_port_t ofp_port, int64_t now)
{
    struct backer *b = h->backer;
    if (j->upcall->key.recirc_id)
        return;
    unsigned limit = atomic_load_explicit(&b->flow_limit, memory_order_relaxed);
    if (atomic_load_explicit(&b->n_flows, memory_order_relaxed) >= limit) {
        tally_add(&h->n.over_limit, 1);
        return;
    }
    const struct pipeline_port *port = pipeline_port(pipeline, ofp_port);
    struct ufid ufid =
        flow_desc_ufid(&j->upcall->key, &j->out.mask, port ? port->name : "", b->options.instance);
    if (store_find(b->store, &ufid)) {
        tally_add(&h->n.duplicates, 1);
        return;
    }
    struct keeper *keeper = keeper_of(b, &ufid);
    struct megaflow *m = megaflow_new(&ufid, keeper, &keeper->owner, now);
    if (store_add(b->store, m)) {
        tally_add(&h->n.duplicates, 1);
        megaflow_free(m);
        return;
    }
    m->change = j->out.change;
    m->provenance = j->out.provenance;
    provenance_init(&j->out.provenance);
    provenance_add(&m->provenance, dep_make(DEP_PORTS, pipeline_id(pipeline)));
    j->megaflow = m;
}

static void credit_miss(const struct job *j, int64_t now)
{
    uint32_t frames;
    uint64_t bytes;
    packet_wire_count(j->upcall->packet, &frames, &bytes);
    xlate_credit(j->out.credits, j->out.n_credits, frames, bytes, ntohs(j->upcall->key.tcp_flags),
                 now);
}

static void translate(struct handler *h, struct job *j, int64_t now)
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
        prepare(h, j, in.pipeline, in.flow.pipe.in_port, now);
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

// A software tier that can't express the actions gets the slow path instead.
static void install_slow(struct handler *h, struct job *j, const struct refusal *why)
{
    struct translation *t = translation_refused(j->translation, why);
    place_version_unref(&j->translation->version);
    j->translation = t;
    struct place_change c = {
        .type = TIER_INSTALL, .placement = &j->megaflow->place, .version = &t->version};
    place_apply(h->backer->offload, h->channel, &c, 1);
    if (!c.error) {
        tally_add(&h->n.refused, 1);
        return;
    }
    tally_add(&h->n.failed, 1);
    place_version_unref(&t->version);
    j->translation = NULL;
    store_del(h->backer->store, j->megaflow);
    megaflow_free(j->megaflow);
    j->megaflow = NULL;
}

static void translation_make(struct job *j)
{
    struct flow_desc id;
    const uint64_t *key = (const uint64_t *)&j->upcall->key, *mask = (const uint64_t *)&j->out.mask;
    id.ufid = j->megaflow->ufid;
    id.mask = j->out.mask;
    for (size_t i = 0; i < FLOW_KEY_U64S; i++)
        ((uint64_t *)&id.key)[i] = key[i] & mask[i];
    j->translation = translation_new(&id, &j->out, xlate_out_is_slow(&j->out));
}

static void hand_over(struct handler *h, struct job *jobs, size_t n)
{
    struct backer *b = h->backer;
    for (unsigned k = 0; k < b->n_keepers; k++) {
        struct cds_list_head births;
        CDS_INIT_LIST_HEAD(&births);
        uint64_t born = 0, change = UINT64_MAX;
        for (size_t i = 0; i < n; i++) {
            struct megaflow *m = jobs[i].megaflow;
            if (!m || m->keeper != &b->keepers[k])
                continue;
            cds_list_add_tail(&m->listed, &births);
            change = MIN_OF(change, m->change);
            born++;
        }
        if (!born)
            continue;
        uint64_t flows = atomic_fetch_add(&b->n_flows, born) + born;
        uint64_t max = atomic_load(&b->flows_max);
        while (flows > max && !atomic_compare_exchange_weak(&b->flows_max, &max, flows))
            ;
        keeper_births(&b->keepers[k], &births);
        if (pipelines_change(b->pipelines) != change) // one may have read old tables: look now
            keeper_wake(&b->keepers[k]);
    }
}

static void install(struct handler *h, struct job *jobs, size_t n)
{
    struct place_change changes[UPCALL_BATCH];
    struct job *of[UPCALL_BATCH];
    size_t n_changes = 0;
    for (size_t i = 0; i < n; i++) {
        if (!jobs[i].megaflow)
            continue;
        translation_make(&jobs[i]);
        changes[n_changes] = (struct place_change){.type = TIER_INSTALL,
                                                   .placement = &jobs[i].megaflow->place,
                                                   .version = &jobs[i].translation->version};
        of[n_changes++] = &jobs[i];
    }
    if (!n_changes)
        return;
    place_apply(h->backer->offload, h->channel, changes, n_changes);
    for (size_t i = 0; i < n_changes; i++) {
        if (changes[i].error)
            install_slow(h, of[i], &changes[i].refusal);
        if (of[i]->translation)
            tally_add(&h->n.installed, 1);
    }
    hand_over(h, jobs, n);
    for (size_t i = 0; i < n_changes; i++)
        place_version_unref(of[i]->translation ? &of[i]->translation->version : NULL);
}

void handle_upcalls(struct handler *h, struct upcall *upcalls, size_t n)
{
    struct job jobs[UPCALL_BATCH];
    int64_t now = clock_now();
    tally_add(&h->n.upcalls, n);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct job){.upcall = &upcalls[i]};
        translate(h, &jobs[i], now);
    }
    for (size_t i = 0; i < n; i++)
        execute(h, &jobs[i]);
    install(h, jobs, n);
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].translated)
            xlate_out_done(&jobs[i].out);
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
