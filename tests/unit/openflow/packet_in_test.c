// SPDX-License-Identifier: Apache-2.0
// Packet-ins from several threads: each that was taken reaches the client once and in its thread's
// order, each that was not is said to be dropped; and an agent may go while some wait.
#include "tests/unit/openflow/openflow_test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/rcu.h"
#include "lib/flow/packet.h"
#include "slowpath/openflow/connmgr.h"
#include "slowpath/openflow/wire.h"
#include "slowpath/pipeline/pipeline.h"

#define THREADS 3
#define EACH 2000

struct test {
    struct loop *loop;
    struct pipelines *all;
    struct pipeline *pipeline;
    struct connmgr *mgr;
    char path[64];
    int fd;
    struct loop_watch *watch;
    struct buf in;
    unsigned received, next[THREADS];
    unsigned expected; // set when the threads are done
};

struct producer {
    pthread_t id;
    struct test *t;
    uint32_t thread;
    unsigned taken;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t frame[16] = {[4] = p->thread, [5] = i};
        struct xlate_packet_in in = {
            .pipeline = p->t->pipeline,
            .packet = packet_from(frame, sizeof(frame)),
            .max_len = UINT16_MAX,
            .reason = PACKET_IN_ACTION,
        };
        if (connmgr_packet_in(p->t->mgr, &in))
            p->taken++;
        packet_free(in.packet);
    }
    return NULL;
}

static void take(struct test *t, const uint8_t *frame)
{
    uint32_t ids[2];
    memcpy(ids, frame + 16, sizeof(ids));
    assert_in_range(ids[0], 0, THREADS - 1);
    assert_in_range(ids[1], t->next[ids[0]], EACH - 1); // in order, none twice
    t->next[ids[0]] = ids[1] + 1;
    t->received++;
}

static void on_input(int fd, unsigned events, void *arg)
{
    struct test *t = arg;
    ssize_t n = recv(fd, buf_put_uninit(&t->in, 65536), 65536, 0);
    buf_trim(&t->in, t->in.size - 65536 + (n > 0 ? (size_t)n : 0));
    while (t->in.size >= 8) {
        const struct ofp_header *h = (const struct ofp_header *)t->in.data;
        size_t len = ntohs(h->length);
        if (t->in.size < len)
            return;
        if (h->type == OFPT_PACKET_IN)
            take(t, t->in.data + 18);
        buf_pull(&t->in, len);
    }
}

static uint64_t datapath_id(void *aux)
{
    return 1;
}

static const struct of_bridge_ops ops = {.datapath_id = datapath_id};

static void set_up(struct test *t)
{
    // A hello, and set-config with a miss_send_len: so that packet-ins come.
    static const uint8_t greeting[] = {1, 0,  0, 8, 0, 0, 0, 0, 1, 9,
                                       0, 12, 0, 0, 0, 1, 0, 0, 0, 99};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char target[80];
    *t = (struct test){0};
    signal(SIGPIPE, SIG_IGN);
    rcu_thread_join();
    t->loop = loop_new();
    t->all = pipelines_new();
    t->pipeline = pipeline_new(t->all, "br0");
    t->mgr = connmgr_new(t->loop, t->pipeline, &ops, NULL);
    snprintf(t->path, sizeof(t->path), "/tmp/openflow_packet_in_test.%d", getpid());
    snprintf(target, sizeof(target), "punix:%s", t->path);
    assert_int_equal(connmgr_listen(t->mgr, target, NULL), 0);
    t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    memcpy(addr.sun_path, t->path, sizeof(t->path));
    assert_int_equal(connect(t->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(send(t->fd, greeting, sizeof(greeting), 0), sizeof(greeting));
    buf_init(&t->in, 0, 65536);
    t->watch = loop_watch_new(t->loop, t->fd, LOOP_READ, on_input, t);
    for (int i = 0; i < 5; i++)
        loop_once(t->loop, false);
}

static void tear_down(struct test *t)
{
    loop_watch_free(t->watch);
    close(t->fd);
    connmgr_free(t->mgr);
    pipeline_free(t->pipeline);
    pipelines_free(t->all);
    rcu_flush();
    loop_free(t->loop);
    buf_done(&t->in);
}

static bool all_received(void *arg)
{
    struct test *t = arg;
    return t->expected && t->received >= t->expected;
}

static void from_threads(void **state)
{
    struct test t;
    struct producer p[THREADS];
    set_up(&t);
    for (uint32_t i = 0; i < THREADS; i++) {
        p[i] = (struct producer){.t = &t, .thread = i};
        assert_int_equal(pthread_create(&p[i].id, NULL, produce, &p[i]), 0);
    }
    // The loop runs beside them, and after them until all that was taken has arrived.
    for (uint32_t i = 0; i < THREADS; i++) {
        while (pthread_tryjoin_np(p[i].id, NULL) == EBUSY)
            loop_once(t.loop, false);
    }
    unsigned taken = 0;
    for (uint32_t i = 0; i < THREADS; i++)
        taken += p[i].taken;
    assert_true(taken > 0);
    t.expected = taken;
    assert_int_equal(loop_until(t.loop, all_received, &t, 20 * NSEC_PER_SEC), 0);
    assert_int_equal(t.received, taken);
    tear_down(&t);
}

static void the_queue_is_bounded_and_freed(void **state)
{
    struct test t;
    struct producer p = {.t = &t};
    set_up(&t);
    // Nobody runs the loop meanwhile.
    assert_int_equal(pthread_create(&p.id, NULL, produce, &p), 0);
    pthread_join(p.id, NULL);
    assert_in_range(p.taken, 100, EACH - 1);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_threads),
        cmocka_unit_test(the_queue_is_bounded_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
