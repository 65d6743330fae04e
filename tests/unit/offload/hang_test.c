// SPDX-License-Identifier: Apache-2.0
// Threads: a NIC that doesn't answer, and one that works while several owners push, under traffic.
//
//   owner threads -> offload -> inserter, reader -> mock NIC (hangs on request)
//
// Expected physics: whoever owns placements is never held up; a hung thread is replaced on a fresh
// channel, at most ABANDONED_MAX of them; when the NIC answers again everything that was in hand is
// filed, and nothing is lost or counted twice. The clock is stopped: deadlines pass when the test
// says so.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/thread.h"
#include "tests/unit/offload/harness.h"

static const struct offload_options options = {.instance = 1, .hang_ms = 1000};

static void take_report(void *aux, const struct tier_report *r)
{
    if (r->hardware)
        *(struct tier_report *)aux = *r;
}

static struct tier_report report(struct harness *h)
{
    struct tier_report r = {0};
    offload_report(h->offload, take_report, &r);
    return r;
}

static void hang_knob(struct mock_tier *m, bool *knob)
{
    pthread_mutex_lock(&m->lock);
    *knob = true;
    pthread_mutex_unlock(&m->lock);
}

static void test_inserter_hangs(void **state)
{
    struct harness h;
    struct tflow *f[4];
    harness_start(&h, 1, &options);
    harness_settle(&h);
    hang_knob(h.hw[0], &h.hw[0]->hang_apply);
    f[0] = tflow_new(&h, 0);
    tflow_install(&h, f[0], tversion_new(0, 2));
    mock_tier_wait_hung(h.hw[0], 1);
    f[1] = tflow_new(&h, 1); // waits behind it
    tflow_install(&h, f[1], tversion_new(1, 2));
    assert_int_equal(tflow_state(f[0]), PLACE_INSTALLING);
    assert_int_equal(tflow_state(f[1]), PLACE_QUEUED);
    clock_warp(999 * NSEC_PER_MSEC);
    offload_tick(h.offload, clock_now());
    assert_int_equal(report(&h).health, HW_GOOD);
    clock_warp(2 * NSEC_PER_MSEC);
    offload_tick(h.offload, clock_now());
    assert_int_equal(report(&h).health, HW_HUNG);
    assert_int_equal(report(&h).hangs, 1);
    struct explanation e;
    explain(&f[1]->place, &e);
    assert_int_equal(e.state, PLACE_REFUSED);
    assert_int_equal(e.why.stage, REFUSAL_TIMEOUT);

    // Not fed any more; forwarding and owners go on.
    f[2] = tflow_new(&h, 2);
    tflow_install(&h, f[2], tversion_new(2, 2));
    assert_int_equal(tflow_state(f[2]), PLACE_REFUSED);
    assert_true(harness_send(&h, f[2]));

    // A second one tries with one megaflow, and hangs as well: no third.
    clock_warp(NSEC_PER_SEC);
    offload_tick(h.offload, clock_now());
    assert_int_equal(report(&h).health, HW_PROBING);
    place_review(&f[1]->place, clock_now());
    place_review(&f[2]->place, clock_now());
    mock_tier_wait_hung(h.hw[0], 2);
    clock_warp(2 * NSEC_PER_SEC);
    offload_tick(h.offload, clock_now());
    assert_int_equal(report(&h).hangs, 2);
    clock_warp(2 * NSEC_PER_SEC);
    offload_tick(h.offload, clock_now());
    assert_int_equal(report(&h).hangs, 2);

    // The first megaflow is removed while it is in nobody's hands but the hung thread's; its like
    // comes back.
    tflow_remove(&h, f[0]);
    assert_null(place_take_closed(&h.owner));
    f[3] = tflow_new(&h, 0);
    tflow_install(&h, f[3], tversion_new(0, 3));

    // The NIC answers: what was in hand is filed.
    mock_tier_release(h.hw[0]);
    int64_t deadline = clock_real() + 10 * NSEC_PER_SEC;
    while (report(&h).health != HW_GOOD && clock_real() < deadline) {
        clock_warp(NSEC_PER_SEC);
        offload_tick(h.offload, clock_now());
        for (unsigned i = 1; i < 4; i++)
            place_review(&f[i]->place, clock_now());
        offload_wait_idle(h.offload, clock_now());
    }
    for (unsigned i = 1; i < 4; i++) {
        while (tflow_state(f[i]) != PLACE_HARDWARE && clock_real() < deadline) {
            clock_warp(NSEC_PER_SEC);
            offload_tick(h.offload, clock_now());
            place_review(&f[i]->place, clock_now());
        }
        assert_int_equal(tflow_state(f[i]), PLACE_HARDWARE);
    }
    assert_int_equal(tflow_finish(&h, f[0]), 0);
    assert_int_equal(mock_tier_count(h.hw[0]), 3);
    for (unsigned i = 1; i < 4; i++) {
        tflow_remove(&h, f[i]);
        assert_int_equal(tflow_finish(&h, f[i]), i == 2);
    }
    assert_true(harness_stop(&h));
}

static void test_reader_hangs(void **state)
{
    struct harness h;
    harness_start(&h, 1, &options);
    struct tflow *f = tflow_new(&h, 0);
    tflow_install(&h, f, tversion_new(0, 2));
    harness_settle(&h);
    hang_knob(h.hw[0], &h.hw[0]->hang_stats);
    harness_send(&h, f);
    uint64_t ticket = offload_ask_stats(h.offload);
    mock_tier_wait_hung(h.hw[0], 1);
    int64_t quiet = place_quiet_until(&f->place);
    clock_warp(2 * NSEC_PER_SEC);
    offload_tick(h.offload, clock_now());
    assert_int_equal(report(&h).hangs, 1);
    assert_int_equal(report(&h).health, HW_GOOD);       // installing works
    assert_true(place_quiet_until(&f->place) == quiet); // nobody knows: it may not expire
    tflow_remove(&h, f);                                // pinned by the hung reader
    assert_int_equal(offload_wait_idle(h.offload, clock_deadline(10 * NSEC_PER_SEC)), 0);
    assert_null(place_take_closed(&h.owner));
    mock_tier_release(h.hw[0]);
    assert_int_equal(tflow_finish(&h, f), 1);
    assert_int_equal(offload_wait_stats(h.offload, ticket, clock_deadline(10 * NSEC_PER_SEC)), 0);
    assert_true(harness_stop(&h));
}

#ifndef RCU_TSAN
// Closing doesn't wait for a hung NIC beyond its deadline, and leaves it what it may touch.
static void test_close_while_hung(void **state)
{
    struct harness h;
    harness_start(&h, 1, &options);
    harness_settle(&h);
    struct mock_tier *nic = h.hw[0];
    hang_knob(nic, &nic->hang_apply);
    struct tflow *f = tflow_new(&h, 0);
    tflow_install(&h, f, tversion_new(0, 2));
    mock_tier_wait_hung(nic, 1);
    clock_warp(2 * NSEC_PER_SEC);
    offload_tick(h.offload, clock_now());
    tflow_remove(&h, f);
    assert_false(harness_stop(&h));
    mock_tier_free(h.sw);
    // In a process that ends, the thread would end with it. Here it is let go, so that it leaves
    // the test's memory.
    mock_tier_release(nic);
    bool out = false;
    while (!out) {
        pthread_mutex_lock(&nic->lock);
        out = !nic->channels;
        pthread_mutex_unlock(&nic->lock);
    }
}

#endif

struct pusher {
    struct harness *h;
    struct thread *thread;
    struct place_owner owner;
    struct tier_channel *channel;
    unsigned first;
    uint64_t sent, credited;
};

#define PUSHERS 2
#define PER_PUSHER 8

static void add_delta(void *aux, const struct place_delta *d)
{
    *(uint64_t *)aux += d->packets;
}

static void push_close(struct pusher *u, struct placement **p)
{
    struct place_change c = {.type = TIER_REMOVE, .placement = *p};
    place_apply(u->h->offload, u->channel, &c, 1);
    struct placement *q = NULL;
    while (!q) {
        offload_tick(u->h->offload, clock_now());
        q = place_take_closed(&u->owner);
    }
    place_collect(q, add_delta, &u->credited);
    place_done(q);
    free(q);
    *p = NULL;
}

static void *push(void *arg)
{
    struct pusher *u = arg;
    struct harness *h = u->h;
    struct placement *flows[PER_PUSHER] = {NULL};
    random_seed(u->first + 1);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned k = random_below(PER_PUSHER), id = u->first + k;
        struct placement **p = &flows[k];
        struct tversion *v = tversion_new(id, 2 + random_below(4));
        if (!*p) {
            *p = NEW(struct placement);
            place_init(*p, &u->owner);
            struct place_change c = {.type = TIER_INSTALL, .placement = *p, .version = &v->version};
            assert_int_equal(place_apply(h->offload, u->channel, &c, 1), 0);
        } else if (!random_below(10)) {
            struct place_change c = {.type = TIER_MODIFY, .placement = *p, .version = &v->version};
            assert_int_equal(place_apply(h->offload, u->channel, &c, 1), 0);
        } else if (!random_below(20)) {
            push_close(u, p);
        } else {
            struct tflow probe = {.key = v->version.desc.key};
            u->sent += harness_send(h, &probe);
            place_ask(*p, random_below(3) ? PLACE_PROMOTE : PLACE_DEMOTE);
            place_review(*p, clock_now());
            place_read(h->offload, u->channel, p, 1);
            place_collect(*p, add_delta, &u->credited);
            struct explanation e;
            explain(*p, &e);
        }
        place_version_unref(&v->version);
        if (i % 64 == 0)
            offload_ask_stats(h->offload);
    }
    for (unsigned k = 0; k < PER_PUSHER; k++) {
        if (flows[k])
            push_close(u, &flows[k]);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct harness h;
    struct pusher u[PUSHERS];
    harness_start(&h, 1, &options);
    h.hw[0]->modify_restarts = true;
    for (unsigned i = 0; i < PUSHERS; i++) {
        u[i] = (struct pusher){.h = &h, .first = i * PER_PUSHER};
        place_owner_init(&u[i].owner, h.offload, NULL, NULL);
        h.sw->ops.channel_open(&h.sw->tier, &u[i].channel, NULL);
        assert_int_equal(thread_start(&u[i].thread, "push", push, &u[i], NULL), 0);
    }
    for (unsigned i = 0; i < PUSHERS; i++) {
        thread_join(u[i].thread);
        assert_int_equal(u[i].sent, u[i].credited);
        assert_true(u[i].sent > 1000);
        place_owner_done(&u[i].owner);
        h.sw->ops.channel_close(u[i].channel);
    }
    assert_int_equal(mock_tier_count(h.hw[0]), 0);
    assert_int_equal(mock_tier_count(h.sw), 0);
    assert_true(h.hw[0]->applied[TIER_INSTALL] > 100);
    assert_true(harness_stop(&h));
}

static int stop_clock(void **state)
{
    clock_stop();
    rcu_thread_join();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inserter_hangs),
        cmocka_unit_test(test_reader_hangs),
#ifndef RCU_TSAN // which reports the thread that is left behind on purpose
        cmocka_unit_test(test_close_while_hung),
#endif
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, stop_clock, NULL);
}
