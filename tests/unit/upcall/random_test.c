// SPDX-License-Identifier: Apache-2.0
// Random lives of megaflows from the first packet to the last count, over a NIC and a software
// tier, with threads played by the test and a stopped clock: traffic, rule changes (fast, slow,
// dropped, wider, narrower), promotion, demotion, policy, expiry, eviction, resets, lost answers,
// cached counters.
//
// Every packet that was sent is credited to a rule once, whoever forwarded it; what people see of a
// megaflow never goes back. A reset loses what no one had read, so all is read before it.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/random.h"
#include "slowpath/upcall/private.h"
#include "tests/unit/upcall/mock_datapath.h"
#include "tests/unit/upcall/mock_pipeline.h"

#define RULES 20
#define STEPS 4000

struct world {
    struct mock_datapath *d;
    struct backer *b;
    uint64_t sent, credited;
    uint64_t expired, evicted;
};

static void handle(struct world *w)
{
    while (handler_step(&w->b->handlers[0]) > 0)
        ;
}

static void inserters(struct world *w)
{
    while (offload_step(w->b->offload))
        ;
}

static struct keeper *a_keeper(struct world *w)
{
    return &w->b->keepers[random_below(2)];
}

static void read_all(struct world *w)
{
    struct mock_tier *nic = w->d->hw[0];
    unsigned cache = nic->cache_ms;
    nic->fault = w->d->soft->fault = FAULT_NONE;
    nic->fault_stats = false;
    nic->cache_ms = 0;
    handle(w);
    for (unsigned i = 0; i < 6; i++) {
        offload_ask_stats(w->b->offload);
        inserters(w);
        offload_tick(w->b->offload, clock_now());
        keeper_round(&w->b->keepers[0]);
        keeper_round(&w->b->keepers[1]);
    }
    nic->cache_ms = cache;
}

static void change_world(struct world *w)
{
    struct mock_tier *nic = w->d->hw[0], *soft = w->d->soft;
    switch (random_below(14)) {
    case 0:
        read_all(w);
        mock_tier_reset(random_below(2) ? nic : soft);
        break;
    case 1:
        nic->fault = FAULT_BEFORE;
        break;
    case 2:
        soft->fault = FAULT_BEFORE;
        break;
    case 3:
        nic->capacity = random_below(RULES);
        break;
    case 4:
        nic->modify_restarts = random_below(2);
        soft->modify_restarts = random_below(2);
        break;
    case 5:
        nic->cache_ms = random_below(2) * 1000;
        break;
    case 6:
        nic->refuse_modify = random_below(2);
        soft->refuse_modify = !random_below(4);
        break;
    case 7:
        soft->refuse_output = !random_below(3);
        break;
    case 8:
        backer_set_hw_offload(w->b, random_below(3));
        break;
    case 9:
        mock_look_at_udp(random_below(4));
        break;
    case 10:
        backer_flow_del(w->b, NULL);
        break;
    case 11:
        backer_set_flow_limit(w->b, 3 + random_below(2 * RULES));
        break;
    case 12:
        backer_set_max_idle(w->b, 1000 + random_below(10000));
        break;
    default:
        backer_revalidate(w->b);
    }
}

static void step(struct world *w)
{
    struct flow_key k = mock_key(random_below(RULES));
    unsigned dice = random_below(100);
    if (dice < 45) {
        for (unsigned n = 1 + random_below(4); n; n--, w->sent++)
            assert_true(mock_send(w->d, &k));
    } else if (dice < 60) {
        handle(w);
    } else if (dice < 70) {
        offload_step(w->b->offload);
    } else if (dice < 76) {
        keeper_catch_up(a_keeper(w));
    } else if (dice < 82) {
        keeper_round(a_keeper(w));
    } else if (dice < 86) {
        clock_warp(random_below(3000) * NSEC_PER_MSEC);
    } else if (dice < 88) {
        backer_flow_place(w->b, NULL, random_below(2) ? PLACE_PROMOTE : PLACE_DEMOTE);
    } else if (dice < 96) {
        static const unsigned slow[] = {0, 0, 0, SLOW_CONTROLLER, SLOW_TOO_COMPLEX};
        mock_rule_set(random_below(RULES), random_below(5) ? 2 + random_below(4) : DP_PORT_NONE,
                      slow[random_below(5)]);
    } else {
        change_world(w);
    }
    uint64_t credited = mock_credited();
    assert_true(credited >= w->credited && credited <= w->sent);
    w->credited = credited;
}

static void run(uint64_t seed, struct world *w)
{
    random_seed(seed);
    mock_pipeline_reset();
    w->d = mock_datapath_new(1);
    w->sent = w->credited = 0;
    struct backer_options o = {
        .n_handlers = 1, .n_keepers = 2, .instance = 1, .queue_max = 8, .manual = true};
    struct tier *hw[] = {&w->d->hw[0]->tier};
    assert_int_equal(backer_create(mock_pipelines(), &w->d->datapath, hw, 1, &o, &w->b, NULL), 0);
    for (unsigned i = 0; i < RULES; i++)
        mock_rule_set(i, 2, 0);
    backer_set_slow_rate(w->b, 0);
    for (unsigned i = 0; i < STEPS; i++)
        step(w);
    w->d->soft->refuse_modify = false;
    handle(w);
    backer_flow_del(w->b, NULL);
    read_all(w);
    struct backer_stats s;
    backer_stats(w->b, &s);
    w->expired += s.expired;
    w->evicted += s.evicted;
    uint64_t credited = mock_credited();
    if (credited != w->sent)
        print_error("seed %llu\n", (unsigned long long)seed);
    assert_int_equal(credited, w->sent);
    assert_int_equal(s.flows, 0);
    assert_int_equal(mock_tier_count(w->d->soft), 0);
    assert_int_equal(mock_tier_count(w->d->hw[0]), 0);
    backer_close(w->b, false);
    rcu_flush();
    mock_pipeline_end();
    mock_datapath_free(w->d);
}

static void test_random(void **state)
{
    struct world w = {0};
    const char *seed = getenv("SEED");
    if (seed) {
        run(strtoull(seed, NULL, 0), &w);
        return;
    }
    for (uint64_t i = 1; i <= 10; i++)
        run(i, &w);
    assert_true(w.expired > 10 && w.evicted > 10);
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
