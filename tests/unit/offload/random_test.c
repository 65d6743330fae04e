// SPDX-License-Identifier: Apache-2.0
// Random lives of megaflows over two NICs and a software tier, with every fault that loses no
// counter, against the simplest model there is: what was sent is what must be credited.
//
// Every packet that the mocks forwarded is credited once, whatever was installed, changed,
// promoted, demoted, reset or unanswered meanwhile; sums never go back (checked at each
// collection); at the end no tier holds anything.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "tests/unit/offload/harness.h"

#define FLOWS 24
#define STEPS 6000

struct world {
    struct harness h;
    struct tflow *flows[FLOWS];
    uint64_t sent, finished;
    struct tflow *ending[FLOWS * 4];
    size_t n_ending;
};

static void reap(struct world *w)
{
    struct placement *p;
    while ((p = place_take_closed(&w->h.owner))) {
        struct tflow *f = (struct tflow *)p;
        f->closed = 1;
    }
    for (size_t i = 0; i < w->n_ending;) {
        if (!w->ending[i]->closed) {
            i++;
            continue;
        }
        w->finished += tflow_finish(&w->h, w->ending[i]);
        w->ending[i] = w->ending[--w->n_ending];
    }
}

static void end(struct world *w, unsigned id)
{
    tflow_collect(&w->h, w->flows[id]);
    tflow_remove(&w->h, w->flows[id]);
    if (w->n_ending == ARRAY_SIZE(w->ending)) {
        harness_settle(&w->h);
        reap(w);
    }
    w->ending[w->n_ending++] = w->flows[id];
    w->flows[id] = NULL;
}

// A reset loses what wasn't read; so that the sum stays checkable, all is read before.
static void reset(struct world *w, struct mock_tier *m)
{
    enum mock_channel_fault fault = m->fault;
    unsigned cache = m->cache_ms;
    m->fault = FAULT_NONE;
    m->fault_stats = false;
    m->cache_ms = 0;
    harness_settle(&w->h);
    harness_read(&w->h);
    for (unsigned i = 0; i < FLOWS; i++) {
        if (w->flows[i])
            tflow_collect(&w->h, w->flows[i]);
    }
    mock_tier_reset(m);
    m->fault = fault;
    m->cache_ms = cache;
}

static void on_flow(struct world *w, unsigned id)
{
    struct tflow *f = w->flows[id];
    switch (random_below(8)) {
    case 0:
        tflow_modify(&w->h, f, tversion_new(id, 2 + random_below(5)));
        break;
    case 1:
        place_ask(&f->place, random_below(2) ? PLACE_PROMOTE : PLACE_DEMOTE);
        break;
    case 2:
        end(w, id);
        break;
    case 3:
        place_relabel(&f->place,
                      &tversion_new(id, f->place.version->desc.actions.v[0].port)->version);
        place_version_unref(f->place.version); // the creator's
        break;
    default:
        place_review(&f->place, clock_now());
        if (place_sw_lost(&f->place))
            tflow_install(&w->h, f, tversion_new(id, 2));
        tflow_collect(&w->h, f);
    }
}

static void on_world(struct world *w)
{
    struct mock_tier *m = random_below(3) ? w->h.hw[random_below(2)] : w->h.sw;
    switch (random_below(10)) {
    case 0:
        reset(w, m);
        break;
    case 1:
        // Lost answers of removals and restarting changes lose counters: only harmless faults here.
        m->fault = m->ops.hardware ? FAULT_BEFORE : FAULT_NONE;
        break;
    case 2:
        m->capacity = m->ops.hardware ? random_below(FLOWS) : 0;
        break;
    case 3:
        m->modify_restarts = random_below(2);
        m->modify_late = m->ops.hardware && random_below(2);
        break;
    case 4:
        m->cache_ms = random_below(2) * 1000;
        break;
    case 5:
        offload_set_policy(w->h.offload, random_below(4) ? PLACE_ALL : PLACE_OFF);
        break;
    case 6:
        m->fault_stats = true;
        break;
    case 7:
        if (m->ops.hardware)
            m->refuse_modify = random_below(2);
        break;
    case 8:
        if (m->ops.hardware)
            m->foreign_port = random_below(3) ? DP_PORT_NONE : 1;
        offload_port_attach(w->h.offload, &(struct tier_port){.dp_port = 1, .name = "eth0"});
        break;
    default:
        clock_warp(random_below(2000) * NSEC_PER_MSEC);
        offload_ask_stats(w->h.offload);
        offload_tick(w->h.offload, clock_now());
    }
}

static void step(struct world *w)
{
    unsigned id = random_below(FLOWS);
    struct tflow *f = w->flows[id];
    if (!f) {
        f = w->flows[id] = tflow_new(&w->h, id);
        assert_int_equal(tflow_install(&w->h, f, tversion_new(id, 2)), 0);
        return;
    }
    unsigned dice = random_below(100);
    if (dice < 50) {
        for (unsigned n = random_below(5); n; n--)
            w->sent += harness_send(&w->h, f);
    } else if (dice < 65) {
        offload_step(w->h.offload);
    } else if (dice < 92) {
        on_flow(w, id);
    } else {
        on_world(w);
    }
    reap(w);
}

static void run(uint64_t seed)
{
    static const struct offload_options options = {.instance = 1, .manual = true, .queue_max = 8};
    struct world w = {0};
    random_seed(seed);
    harness_start(&w.h, 2, &options);
    for (unsigned i = 0; i < STEPS; i++)
        step(&w);
    for (unsigned i = 0; i < FLOWS; i++) {
        if (w.flows[i])
            end(&w, i);
    }
    for (int i = 0; i < 100 && w.n_ending; i++) {
        while (offload_step(w.h.offload))
            ;
        offload_tick(w.h.offload, clock_now());
        reap(&w);
    }
    assert_int_equal(w.n_ending, 0);
    if (w.sent != w.finished)
        print_error("seed %llu\n", (unsigned long long)seed);
    assert_int_equal(w.sent, w.finished);
    assert_int_equal(mock_tier_count(w.h.sw), 0);
    assert_int_equal(mock_tier_count(w.h.hw[0]), 0);
    assert_int_equal(mock_tier_count(w.h.hw[1]), 0);
    assert_true(w.sent > 1000);
    assert_true(harness_stop(&w.h));
}

static void test_random(void **state)
{
    const char *seed = getenv("SEED");
    if (seed) {
        run(strtoull(seed, NULL, 0));
        return;
    }
    for (uint64_t i = 1; i <= 12; i++)
        run(i);
}

static int stop_clock(void **state)
{
    clock_stop();
    rcu_thread_join();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, stop_clock, NULL);
}
