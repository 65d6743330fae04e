// SPDX-License-Identifier: Apache-2.0
// The bounded queue from forwarding threads to one handler: liburcu's wait-free queue (its enqueue is one exchange) with a
// count beside it, and an eventfd that is written only when the handler sleeps.
//
// Sleeping. The handler says that it sleeps, looks once more, and then reads the eventfd; a producer enqueues first and
// looks at `sleeping` after. With full barriers between, one of them sees the other.
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <urcu/wfcqueue.h>

#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "slowpath/softdp/upcall_queue.h"

struct queued {
    struct cds_wfcq_node node;
    struct upcall upcall;
};

struct upcall_queue {
    struct cds_wfcq_tail tail;
    struct cds_wfcq_head head;
    size_t limit;
    size_t waiting; // atomic
    uint64_t lost; // atomic
    bool sleeping; // atomic: the handler reads the eventfd
    bool woken; // atomic: return, even with nothing to do
    int event_fd;
};

struct upcall_queue *upcall_queue_new(size_t limit, struct err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0) {
        err_set_errno(err, -errno, "making an eventfd");
        return NULL;
    }
    struct upcall_queue *q = NEW(struct upcall_queue);
    cds_wfcq_init(&q->head, &q->tail);
    q->limit = limit;
    q->event_fd = fd;
    return q;
}

static struct queued *pop(struct upcall_queue *q)
{
    struct cds_wfcq_node *node = __cds_wfcq_dequeue_blocking(&q->head, &q->tail);

    if (node)
        RCU_TSAN_TAKE(HOLDER_OF(node, struct queued, node));
    return node ? HOLDER_OF(node, struct queued, node) : NULL;
}

void upcall_queue_free(struct upcall_queue *q)
{
    struct queued *item;

    if (!q)
        return;
    while ((item = pop(q))) {
        packet_free(item->upcall.packet);
        free(item);
    }
    close(q->event_fd);
    free(q);
}

static void kick(struct upcall_queue *q)
{
    uint64_t one = 1;

    while (write(q->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void upcall_queue_put(struct upcall_queue *q, const struct upcall *upcall)
{
    if (__atomic_fetch_add(&q->waiting, 1, __ATOMIC_RELAXED) >= q->limit) {
        __atomic_fetch_sub(&q->waiting, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&q->lost, 1, __ATOMIC_RELAXED);
        packet_free(upcall->packet);
        return;
    }
    struct queued *item = NEW(struct queued);
    item->upcall = *upcall;
    cds_wfcq_node_init(&item->node);
    RCU_TSAN_GIVE(item);
    cds_wfcq_enqueue(&q->head, &q->tail, &item->node);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&q->sleeping, __ATOMIC_RELAXED) && __atomic_exchange_n(&q->sleeping, false, __ATOMIC_ACQ_REL))
        kick(q);
}

static size_t take_some(struct upcall_queue *q, struct upcall *ret, size_t max)
{
    size_t n = 0;
    struct queued *item;

    while (n < max && (item = pop(q))) {
        ret[n++] = item->upcall;
        free(item);
    }
    if (n)
        __atomic_fetch_sub(&q->waiting, n, __ATOMIC_RELAXED);
    return n;
}

int upcall_queue_take(struct upcall_queue *q, struct upcall *ret, size_t max)
{
    for (;;) {
        size_t n = take_some(q, ret, max);

        if (n || __atomic_exchange_n(&q->woken, false, __ATOMIC_ACQ_REL))
            return (int)n;
        __atomic_store_n(&q->sleeping, true, __ATOMIC_SEQ_CST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (!cds_wfcq_empty(&q->head, &q->tail) || __atomic_load_n(&q->woken, __ATOMIC_ACQUIRE)) {
            // Someone may have seen us asleep and kicked: that kick is at most one needless turn later.
            __atomic_store_n(&q->sleeping, false, __ATOMIC_RELAXED);
            continue;
        }
        uint64_t count;
        while (read(q->event_fd, &count, sizeof count) < 0 && errno == EINTR)
            continue;
        __atomic_store_n(&q->sleeping, false, __ATOMIC_RELAXED);
    }
}

void upcall_queue_wake(struct upcall_queue *q)
{
    __atomic_store_n(&q->woken, true, __ATOMIC_SEQ_CST);
    kick(q);
}

uint64_t upcall_queue_lost(const struct upcall_queue *q)
{
    return __atomic_load_n(&q->lost, __ATOMIC_RELAXED);
}
