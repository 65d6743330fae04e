// SPDX-License-Identifier: Apache-2.0
// The mock datapath. Any thread; a mutex guards queues and counts, the tiers have their own.
#include "tests/unit/upcall/mock_datapath.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

static struct mock_datapath *mock(struct datapath *d)
{
    return (struct mock_datapath *)d;
}

static void run(struct mock_datapath *m, const struct act_list *actions, const struct flow_key *key,
                const struct ufid *ufid);

static void mock_close(struct datapath *d, bool keep)
{
    mock(d)->closed = true;
    mock(d)->kept = keep;
}

static int mock_port_add(struct datapath *d, const char *name, enum dp_port_type type,
                         dp_port_t *number, struct err *err)
{
    struct mock_datapath *m = mock(d);
    if (*number >= MOCK_PORTS)
        return err_set(err, -EINVAL, "no such number");
    if (m->ports[*number].name[0])
        return err_set(err, -EEXIST, "port %u is in use", *number);
    m->ports[*number] = (struct dp_port_info){.number = *number, .type = type};
    str_copy(m->ports[*number].name, sizeof(m->ports[0].name), name);
    return 0;
}

static int mock_port_del(struct datapath *d, dp_port_t number, struct err *err)
{
    mock(d)->ports[number].name[0] = '\0';
    return 0;
}

static int mock_handlers_set(struct datapath *d, unsigned n, struct err *err)
{
    mock(d)->n_queues = MIN_OF(n, (unsigned)MOCK_QUEUES);
    return 0;
}

static int mock_recv(struct datapath *d, unsigned id, struct upcall *ret, size_t max)
{
    struct mock_datapath *m = mock(d);
    struct mock_queue *q = &m->queues[id];
    size_t n = 0;
    pthread_mutex_lock(&m->lock);
    while (m->wait && !q->n && !q->woken)
        pthread_cond_wait(&m->cond, &m->lock);
    for (; n < max && q->n; n++, q->n--) {
        ret[n] = q->v[q->head];
        q->head = (q->head + 1) % MOCK_QUEUE;
    }
    pthread_cond_broadcast(&m->room);
    pthread_mutex_unlock(&m->lock);
    return (int)n;
}

static void mock_wake(struct datapath *d, unsigned id)
{
    struct mock_datapath *m = mock(d);
    pthread_mutex_lock(&m->lock);
    m->queues[id].woken = true;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

static int mock_execute(struct tier_channel *ch, struct packet *p, const struct flow_key *key,
                        const struct act_list *actions, struct err *err)
{
    struct mock_tier *t = (struct mock_tier *)ch->tier;
    struct mock_datapath *m = t->owner;
    pthread_mutex_lock(&m->lock);
    m->executed++;
    run(m, actions, key, NULL);
    pthread_mutex_unlock(&m->lock);
    packet_free(p);
    return 0;
}

static uint64_t mock_lost(struct datapath *d)
{
    struct mock_datapath *m = mock(d);
    pthread_mutex_lock(&m->lock);
    uint64_t lost = m->lost;
    pthread_mutex_unlock(&m->lock);
    return lost;
}

static bool queue(struct mock_datapath *m, enum upcall_type type, const struct flow_key *key,
                  const struct ufid *ufid)
{
    uint16_t spread = key->tp_dst;
    struct mock_queue *q = &m->queues[spread % m->n_queues];
    while (m->wait && type == UPCALL_MISS && q->n == MOCK_QUEUE)
        pthread_cond_wait(&m->room, &m->lock);
    if (q->n == MOCK_QUEUE) {
        m->lost++;
        return false;
    }
    struct upcall *u = &q->v[(q->head + q->n++) % MOCK_QUEUE];
    memset(u, 0, sizeof(*u));
    u->type = type;
    u->packet = packet_new(100);
    u->packet->md.in_port = key->in_port;
    u->key = *key;
    if (ufid)
        u->ufid = *ufid;
    m->upcalls++;
    pthread_cond_broadcast(&m->cond);
    return true;
}

// Under the lock.
static void run(struct mock_datapath *m, const struct act_list *actions, const struct flow_key *key,
                const struct ufid *ufid)
{
    for (uint32_t i = 0; i < actions->n; i++) {
        const struct act *a = &actions->v[i];
        if (a->type == ACT_OUTPUT && a->port < MOCK_PORTS)
            m->out[a->port]++;
        else if (a->type == ACT_USERSPACE)
            queue(m, UPCALL_ACTION, key, ufid);
    }
}

bool mock_send(struct mock_datapath *m, const struct flow_key *key)
{
    struct flow_desc d;
    bool hit = false;
    for (size_t i = 0; i < m->n_hw && !hit && !m->all_miss; i++)
        hit = mock_tier_forward(m->hw[i], key, 100, &d);
    if (!hit && !m->all_miss)
        hit = mock_tier_forward(m->soft, key, 100, &d);
    pthread_mutex_lock(&m->lock);
    m->sent++;
    bool ok = true;
    if (hit)
        run(m, &d.actions, key, &d.ufid);
    else
        ok = queue(m, UPCALL_MISS, key, NULL);
    pthread_mutex_unlock(&m->lock);
    if (hit)
        flow_desc_done(&d);
    return ok;
}

uint64_t mock_out(struct mock_datapath *m, dp_port_t port)
{
    pthread_mutex_lock(&m->lock);
    uint64_t n = m->out[port];
    pthread_mutex_unlock(&m->lock);
    return n;
}

struct mock_datapath *mock_datapath_new(size_t n_hw)
{
    static const char *const names[] = {"nic0", "nic1"};
    struct mock_datapath *m = NEW(struct mock_datapath);
    m->ops = (struct datapath_ops){
        .type = "mock",
        .close = mock_close,
        .port_add = mock_port_add,
        .port_del = mock_port_del,
        .handlers_set = mock_handlers_set,
        .upcall_recv = mock_recv,
        .upcall_wake = mock_wake,
        .execute = mock_execute,
        .upcalls_lost = mock_lost,
    };
    m->soft = mock_tier_new("soft", false);
    m->soft->owner = m;
    m->datapath.ops = &m->ops;
    m->datapath.tier = &m->soft->tier;
    m->n_hw = n_hw;
    for (size_t i = 0; i < n_hw; i++)
        m->hw[i] = mock_tier_new(names[i], true);
    m->n_queues = 1;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->cond, NULL);
    pthread_cond_init(&m->room, NULL);
    return m;
}

void mock_datapath_free(struct mock_datapath *m)
{
    for (unsigned i = 0; i < MOCK_QUEUES; i++) {
        struct mock_queue *q = &m->queues[i];
        for (; q->n; q->n--, q->head = (q->head + 1) % MOCK_QUEUE)
            packet_free(q->v[q->head].packet);
    }
    for (size_t i = 0; i < m->n_hw; i++)
        mock_tier_free(m->hw[i]);
    mock_tier_free(m->soft);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->cond);
    pthread_cond_destroy(&m->room);
    free(m);
}
