// SPDX-License-Identifier: Apache-2.0
// Forwarding threads. Each waits for its ports with epoll, takes a burst from one, and carries each frame through: simulated
// NIC (if one is in front), flow table, actions; what leaves is gathered per port and sent at the end of the burst. A burst
// is one RCU read section, so a port, flow or action list seen in it stays until its end.
//
// The loop allocates only where a packet is made, takes no lock and logs nothing.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/counter.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "lib/base/thread.h"
#include "slowpath/softdp/forward.h"

COUNTER_DEFINE(softdp_tx_no_port);
COUNTER_DEFINE(softdp_upcall_no_handler);

#define STOP_EVENT UINT64_MAX // epoll data of the stop descriptor; others carry a port number

struct forwarder {
    struct softdp *dp;
    struct thread *thread;
    int epoll_fd, stop_fd;
    struct rx_scratch scratch;
    struct soft_cache *cache;
    struct tx_gather tx;
    uint64_t hits, misses; // this thread writes, others read relaxed
};

// --- Sending ---

static void send_queue(struct softdp *dp, struct tx_queue *q)
{
    struct soft_port *port = q->port < SOFT_MAX_PORTS ? rcu_get(dp->ports[q->port]) : NULL;

    if (port) {
        port->ops->tx(port, q->packets, q->n);
    } else {
        counter_add(softdp_tx_no_port, q->n);
        for (unsigned i = 0; i < q->n; i++)
            packet_free(q->packets[i]);
    }
    q->n = 0;
}

void tx_gather_flush(struct tx_gather *tx)
{
    for (unsigned i = 0; i < tx->n; i++)
        send_queue(tx->dp, &tx->queue[i]);
    tx->n = 0;
}

static struct tx_queue *queue_of(struct tx_gather *tx, dp_port_t port)
{
    for (unsigned i = 0; i < tx->n; i++) {
        if (tx->queue[i].port == port)
            return &tx->queue[i];
    }
    if (tx->n == ARRAY_SIZE(tx->queue))
        tx_gather_flush(tx);
    struct tx_queue *q = &tx->queue[tx->n++];
    q->port = port;
    q->n = 0;
    return q;
}

void tx_gather_put(struct tx_gather *tx, dp_port_t port, struct packet *p)
{
    struct tx_queue *q = queue_of(tx, port);

    if (p->cut_len && p->len > p->cut_len)
        p->len = p->cut_len;
    q->packets[q->n++] = p;
    if (q->n == TX_BURST)
        send_queue(tx->dp, q);
}

// --- Actions and upcalls ---

// One connection, one handler: its packets stay in order. What differs from packet to packet (flags, TTL) is left out.
static uint32_t connection_hash(const struct flow_key *key)
{
    struct {
        struct eth_addr eth[2];
        struct in6_addr ip6[2];
        be32_t ip4[2];
        be16_t tp[2];
        uint32_t in_port, proto;
    } c = {{key->eth_src, key->eth_dst},
           {key->ip6_src, key->ip6_dst},
           {key->ip4_src, key->ip4_dst},
           {key->tp_src, key->tp_dst},
           key->in_port,
           key->ip_proto};

    _Static_assert(sizeof c == 64, "hashed as it lies: no padding");
    return (uint32_t)hash_bytes(&c, sizeof c, 1);
}

static void raise_upcall(struct softdp *dp, const struct upcall *upcall)
{
    unsigned n = __atomic_load_n(&dp->n_handlers, __ATOMIC_ACQUIRE);

    if (!n) {
        counter_inc(softdp_upcall_no_handler);
        packet_free(upcall->packet);
        return;
    }
    upcall_queue_put(dp->queues[connection_hash(&upcall->key) % n], upcall);
}

struct execution {
    struct tx_gather *tx;
    const struct ufid *ufid;
};

static void sink_output(void *aux, dp_port_t port, struct packet *p)
{
    struct execution *e = aux;

    tx_gather_put(e->tx, port, p);
}

static void sink_userspace(void *aux, const struct act *a, const struct flow_key *key, struct packet *p)
{
    struct execution *e = aux;
    struct upcall upcall = {
        .type = UPCALL_ACTION,
        .packet = p,
        .key = *key,
        .action = {a->userspace.reason, a->userspace.cookie, a->userspace.data},
    };

    if (e->ufid)
        upcall.ufid = *e->ufid;
    raise_upcall(e->tx->dp, &upcall);
}

void soft_execute(struct tx_gather *tx, const struct act_list *actions, struct packet *p, const struct flow_key *key,
                  const struct ufid *ufid)
{
    struct execution e = {tx, ufid};
    struct act_sink sink = {.output = sink_output, .userspace = sink_userspace, .aux = &e};

    act_execute(actions, p, &sink);
}

// --- Receiving ---

static void miss(struct forwarder *f, struct packet *p, const struct flow_key *key)
{
    struct upcall upcall = {.type = UPCALL_MISS, .packet = p, .key = *key};

    count_relaxed(&f->misses, 1);
    raise_upcall(f->dp, &upcall);
}

static void forward(struct forwarder *f, struct soft_port *port, struct packet *p, int64_t now)
{
    const struct softdp_nic *nic = rcu_get(f->dp->nic);
    struct flow_key key;
    struct soft_flow *flow;
    struct ufid ufid;
    uint32_t frames;
    uint64_t bytes;

    packet_wire_count(p, &frames, &bytes);
    count_relaxed(&port->stats.rx_frames, frames);
    count_relaxed(&port->stats.rx_bytes, bytes);
    p->md.in_port = port->number;
    if (nic) {
        struct execution e = {&f->tx, NULL};
        struct act_sink sink = {.output = sink_output, .userspace = sink_userspace, .aux = &e};

        if (nic->rx(nic->aux, port->number, p, &sink))
            return;
    }
    packet_extract(p, &key);
    flow = soft_table_lookup(f->dp->table, f->cache, &key);
    if (!flow) {
        miss(f, p, &key);
        return;
    }
    count_relaxed(&f->hits, 1);
    soft_flow_count(flow, frames, bytes, ntohs(key.tcp_flags), now);
    soft_flow_ufid(flow, &ufid);
    soft_execute(&f->tx, soft_flow_actions(flow), p, &key, &ufid);
}

static void serve_port(struct forwarder *f, uint64_t number)
{
    struct packet *packets[RX_BURST];

    rcu_enter();
    struct soft_port *port = rcu_get(f->dp->ports[number]);
    if (port) {
        unsigned n = port->ops->rx(port, &f->scratch, packets);
        int64_t now = clock_now();

        for (unsigned i = 0; i < n; i++)
            forward(f, port, packets[i], now);
        tx_gather_flush(&f->tx);
    }
    rcu_leave();
}

static void *forwarder_run(void *arg)
{
    struct forwarder *f = arg;
    struct epoll_event events[64];

    for (;;) {
        int n = epoll_wait(f->epoll_fd, events, ARRAY_SIZE(events), -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == STOP_EVENT)
                return NULL;
            serve_port(f, events[i].data.u64);
        }
    }
}

// --- Life ---

static void forwarder_free(struct forwarder *f)
{
    if (f->epoll_fd >= 0)
        close(f->epoll_fd);
    if (f->stop_fd >= 0)
        close(f->stop_fd);
    rx_scratch_done(&f->scratch);
    soft_cache_free(f->cache);
    free(f);
}

int forwarder_start(struct softdp *dp, unsigned index, struct forwarder **ret, struct err *err)
{
    struct forwarder *f = NEW(struct forwarder);
    struct epoll_event stop = {.events = EPOLLIN, .data.u64 = STOP_EVENT};
    AUTO_FREE char *name = xasprintf("softdp%u", index);
    int r;

    f->dp = dp;
    f->tx.dp = dp;
    f->cache = soft_cache_new();
    rx_scratch_init(&f->scratch);
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (f->epoll_fd < 0 || f->stop_fd < 0 || epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, f->stop_fd, &stop) < 0)
        r = err_set_errno(err, -errno, "making descriptors for a forwarding thread");
    else
        r = thread_start(&f->thread, name, forwarder_run, f, err);
    if (r) {
        forwarder_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void forwarder_stop(struct forwarder *f)
{
    uint64_t one = 1;

    if (!f)
        return;
    while (write(f->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    thread_join(f->thread);
    forwarder_free(f);
}

int forwarder_watch(struct forwarder *f, const struct soft_port *port, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = port->number};

    if (epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, port->fd, &event) < 0)
        return err_set_errno(err, -errno, "%s: watching the port", port->name);
    return 0;
}

void forwarder_unwatch(struct forwarder *f, const struct soft_port *port)
{
    epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, port->fd, NULL);
}

void forwarder_counts(const struct forwarder *f, uint64_t *hits, uint64_t *misses)
{
    *hits += __atomic_load_n(&f->hits, __ATOMIC_RELAXED);
    *misses += __atomic_load_n(&f->misses, __ATOMIC_RELAXED);
}
