// SPDX-License-Identifier: Apache-2.0
// Handlers and keepers, step by step: the test plays their threads, with a stopped clock.
//
//   mock_send() -> nic0 (mock) -> soft (mock) -> queue -> handler -> mock pipeline
//
// Expected physics: what was sent is what the rules were credited, and what left the ports; a
// changed rule is in the tiers after the keeper has caught up, without a packet.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "slowpath/upcall/private.h"
#include "tests/unit/upcall/mock_datapath.h"
#include "tests/unit/upcall/mock_pipeline.h"

struct fixture {
    struct mock_datapath *d;
    struct backer *b;
    unsigned packet_ins;
};

static void got_packet_in(void *aux, struct xlate_packet_in *in)
{
    struct fixture *f = aux;
    f->packet_ins++;
    assert_non_null(in->packet);
    packet_free(STEAL_PTR(in->packet));
}

static void start(struct fixture *f)
{
    mock_pipeline_reset();
    *f = (struct fixture){.d = mock_datapath_new(1)};
    struct backer_options o = {.n_handlers = 1,
                               .n_keepers = 1,
                               .instance = 1,
                               .packet_in = got_packet_in,
                               .aux = f,
                               .manual = true};
    struct tier *hw[] = {&f->d->hw[0]->tier};
    assert_int_equal(backer_create(mock_pipelines(), &f->d->datapath, hw, 1, &o, &f->b, NULL), 0);
}

// Returns the packets that rules were credited.
static uint64_t stop(struct fixture *f)
{
    struct mock_datapath *d = f->d;
    backer_close(f->b, false);
    assert_true(d->closed && d->hw[0]->closed);
    assert_int_equal(d->soft->channels, 0);
    assert_int_equal(d->hw[0]->channels, 0);
    rcu_flush();
    uint64_t credited = mock_pipeline_end();
    mock_datapath_free(d);
    return credited;
}

static void handle(struct fixture *f)
{
    while (handler_step(&f->b->handlers[0]) > 0)
        ;
}

static void hardware(struct fixture *f)
{
    while (offload_step(f->b->offload))
        ;
}

static void keep(struct fixture *f)
{
    offload_ask_stats(f->b->offload);
    hardware(f);
    keeper_round(&f->b->keepers[0]);
    hardware(f);
    keeper_catch_up(&f->b->keepers[0]);
}

static void send_n(struct fixture *f, unsigned id, unsigned n)
{
    struct flow_key k = mock_key(id);
    while (n--) {
        assert_true(mock_send(f->d, &k));
        handle(f);
    }
}

static struct backer_stats stats(struct fixture *f)
{
    struct backer_stats s;
    backer_stats(f->b, &s);
    return s;
}

struct seen {
    unsigned n, in_hardware, slow, refused;
    uint64_t packets;
    dp_port_t out;
};

static void see(void *aux, const struct backer_flow *f)
{
    struct seen *s = aux;
    s->n++;
    s->in_hardware += f->where.state == PLACE_HARDWARE;
    s->slow += f->slow != 0;
    s->refused += f->software_refused;
    s->packets += f->sums.packets;
    if (f->desc->actions.n && f->desc->actions.v[0].type == ACT_OUTPUT)
        s->out = f->desc->actions.v[0].port;
}

static struct seen look(struct fixture *f)
{
    struct seen s = {0};
    struct backer_dump *d = backer_dump_new(f->b);
    while (backer_dump_step(d, 3, see, &s))
        ;
    backer_dump_free(d);
    return s;
}

static void test_life(void **state)
{
    struct fixture f;
    start(&f);
    mock_rule_set(7, 3, 0);
    send_n(&f, 7, 1); // missed: executed and credited by the handler
    assert_int_equal(mock_credited(), 1);
    assert_int_equal(look(&f).n, 1);
    send_n(&f, 7, 4); // software
    hardware(&f);
    send_n(&f, 7, 10);
    keep(&f);
    assert_int_equal(mock_credited(), 15);
    struct seen s = look(&f);
    assert_int_equal(s.in_hardware, 1);
    assert_int_equal(s.packets, 14);
    assert_int_equal(mock_out(f.d, 3), 15);
    assert_int_equal(stats(&f).misses, 1);

    clock_warp(9999 * NSEC_PER_MSEC);
    keep(&f);
    assert_int_equal(look(&f).n, 1);
    clock_warp(1 * NSEC_PER_MSEC);
    keep(&f);
    assert_int_equal(look(&f).n, 0);
    assert_int_equal(stats(&f).expired, 1);
    assert_int_equal(mock_tier_count(f.d->soft), 0);
    assert_int_equal(mock_tier_count(f.d->hw[0]), 0);
    struct str text = STR_INIT;
    backer_show(f.b, &text);
    assert_true(strstr(str_text(&text), "(current 0)") != NULL);
    str_done(&text);
    assert_int_equal(stop(&f), 15);
}

static void test_late_counters_dont_expire(void **state)
{
    struct fixture f;
    start(&f);
    f.d->hw[0]->cache_ms = 5000;
    send_n(&f, 0, 1);
    hardware(&f);
    clock_warp(4900 * NSEC_PER_MSEC);
    send_n(&f, 0, 3); // in hardware; its figures tell of it after 5 s only
    clock_warp(5000 * NSEC_PER_MSEC);
    keep(&f); // read at 9.9 s
    clock_warp(4800 * NSEC_PER_MSEC);
    send_n(&f, 0, 1);
    clock_warp(190 * NSEC_PER_MSEC);
    keep(&f); // 14.89 s: the figures are of 9.9 s and the last known use of 4.9 s
    assert_int_equal(look(&f).n, 1);
    clock_warp(5000 * NSEC_PER_MSEC);
    keep(&f);
    assert_int_equal(look(&f).n, 1);
    assert_int_equal(mock_credited(), 5);
    assert_int_equal(stop(&f), 5);
}

static void test_change_in_place(void **state)
{
    struct fixture f;
    start(&f);
    struct mock_rule *one = mock_rule_set(7, 3, 0);
    send_n(&f, 7, 3);
    hardware(&f);
    send_n(&f, 7, 5);
    uint64_t ticket = offload_ask_stats(f.b->offload);
    hardware(&f);
    assert_true(offload_stats_ready(f.b->offload, ticket));
    struct mock_rule *two = mock_rule_set(7, 4, 0);
    keeper_catch_up(&f.b->keepers[0]); // no packet needed
    hardware(&f);
    assert_int_equal(look(&f).out, 4);
    send_n(&f, 7, 20);
    keep(&f);
    assert_int_equal(mock_out(f.d, 3), 8);
    assert_int_equal(mock_out(f.d, 4), 20);
    assert_int_equal(one->packets, 8);
    assert_int_equal(two->packets, 20);
    assert_int_equal(f.d->hw[0]->applied[TIER_MODIFY], 1);
    // Only whom to credit changes: no tier hears of it.
    struct mock_rule *three = mock_rule_set(7, 4, 0);
    keeper_catch_up(&f.b->keepers[0]);
    hardware(&f);
    send_n(&f, 7, 2);
    keep(&f);
    assert_int_equal(f.d->hw[0]->applied[TIER_MODIFY], 1);
    assert_int_equal(f.d->soft->applied[TIER_MODIFY], 1);
    assert_int_equal(three->packets, 2);
    // Another rule's change touches nothing.
    uint64_t before = mock_translations();
    mock_rule_set(8, 4, 0);
    keeper_catch_up(&f.b->keepers[0]);
    assert_int_equal(mock_translations(), before);
    assert_int_equal(stop(&f), 30);
}

static void test_too_wide(void **state)
{
    struct fixture f;
    start(&f);
    mock_look_at_udp(false);
    mock_rule_set(7, 5, 0);
    send_n(&f, 7, 4); // all go by rule 0
    hardware(&f);
    send_n(&f, 7, 1);
    assert_int_equal(mock_out(f.d, 2), 5);
    mock_look_at_udp(true);
    keeper_catch_up(&f.b->keepers[0]);
    assert_int_equal(look(&f).n, 1); // the narrow one for the packet that brought the wide one
    assert_int_equal(look(&f).out, 5);
    hardware(&f);
    send_n(&f, 7, 2);
    assert_int_equal(stats(&f).misses, 1);
    mock_rule_set(8, 5, 0);
    send_n(&f, 8, 1);
    assert_int_equal(mock_out(f.d, 5), 3);
    assert_int_equal(look(&f).n, 2);
    // The other way the megaflow is narrower than need be, and stays.
    mock_look_at_udp(false);
    keeper_catch_up(&f.b->keepers[0]);
    hardware(&f);
    send_n(&f, 7, 1);
    assert_int_equal(mock_out(f.d, 2), 6);
    keep(&f);
    assert_int_equal(stop(&f), 9);
}

static void change_rule_7(void)
{
    mock_xlate_hook(NULL);
    mock_rule_set(7, 4, 0);
}

// The tables change while a handler translates: its megaflow must not stay.
static void test_race_with_translation(void **state)
{
    struct fixture f;
    start(&f);
    mock_rule_set(7, 3, 0);
    mock_xlate_hook(change_rule_7);
    send_n(&f, 7, 1); // translated with the old rule, installed after the change was announced
    assert_int_equal(look(&f).out, 3);
    assert_true(f.b->keepers[0].woken);
    keeper_catch_up(&f.b->keepers[0]);
    assert_int_equal(look(&f).out, 4);
    assert_int_equal(stats(&f).late, 1);
    keep(&f);
    assert_int_equal(stop(&f), 1);
}

static void test_ports_go(void **state)
{
    struct fixture f;
    start(&f);
    send_n(&f, 0, 3);
    hardware(&f);
    mock_port_map(false);
    keeper_catch_up(&f.b->keepers[0]);
    hardware(&f);
    keeper_catch_up(&f.b->keepers[0]);
    assert_int_equal(look(&f).n, 0);
    assert_int_equal(mock_tier_count(f.d->hw[0]), 0);
    send_n(&f, 0, 2);
    assert_int_equal(stats(&f).unmapped, 2);
    mock_port_map(true);
    send_n(&f, 0, 1);
    assert_int_equal(look(&f).n, 1);
    assert_int_equal(stop(&f), 4);
}

// Packets of a slow-path megaflow are counted by the tier that sends them up, once.
static void test_slow_path(void **state)
{
    struct fixture f;
    start(&f);
    mock_rule_set(7, 3, SLOW_CONTROLLER);
    send_n(&f, 7, 6);
    hardware(&f);
    send_n(&f, 7, 4);
    keep(&f);
    assert_int_equal(f.packet_ins, 10);
    assert_int_equal(mock_out(f.d, 3), 10);
    assert_int_equal(mock_credited(), 10);
    assert_int_equal(stats(&f).slow, 9);
    assert_int_equal(look(&f).in_hardware, 0);
    // To the fast path and back, in place.
    mock_rule_set(7, 3, 0);
    keeper_catch_up(&f.b->keepers[0]);
    keep(&f);
    send_n(&f, 7, 5);
    keep(&f);
    assert_int_equal(look(&f).in_hardware, 1);
    assert_int_equal(mock_credited(), 15);
    assert_int_equal(mock_out(f.d, 3), 15);
    // The rate limit drops; the rule had them all the same.
    backer_set_slow_rate(f.b, 2);
    mock_rule_set(7, 3, SLOW_CONTROLLER);
    keeper_catch_up(&f.b->keepers[0]);
    hardware(&f);
    clock_warp(10 * NSEC_PER_SEC);
    send_n(&f, 7, 5);
    assert_int_equal(stats(&f).slow_limited, 3);
    assert_int_equal(mock_out(f.d, 3), 17);
    keep(&f);
    assert_int_equal(stop(&f), 20);
}

static void test_too_complex_drops(void **state)
{
    struct fixture f;
    start(&f);
    mock_rule_set(7, DP_PORT_NONE, SLOW_TOO_COMPLEX);
    send_n(&f, 7, 5);
    assert_int_equal(stats(&f).misses, 1);
    assert_int_equal(stats(&f).slow, 0);
    keep(&f);
    assert_int_equal(stop(&f), 5);
}

static void test_software_refuses(void **state)
{
    struct fixture f;
    start(&f);
    f.d->soft->refuse_modify = true;
    mock_rule_set(7, 3, 0);
    send_n(&f, 7, 2);
    mock_rule_set(7, 4, 0);
    keeper_catch_up(&f.b->keepers[0]); // can't be changed at all: goes
    assert_int_equal(look(&f).n, 0);
    send_n(&f, 7, 1);
    assert_int_equal(mock_out(f.d, 4), 1);
    // Not even the slow path gets in: each packet misses, none is lost.
    f.d->soft->refuse_all = true;
    backer_flow_del(f.b, NULL);
    keep(&f);
    send_n(&f, 7, 3);
    assert_int_equal(mock_out(f.d, 4), 4);
    assert_int_equal(look(&f).n, 0);
    assert_int_equal(stats(&f).install_failed, 3);
    // The actions are refused, the slow path isn't.
    f.d->soft->refuse_all = f.d->soft->refuse_modify = false;
    f.d->soft->refuse_output = true;
    send_n(&f, 7, 4);
    struct seen s = look(&f);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.refused, 1);
    assert_int_equal(mock_out(f.d, 4), 8);
    f.d->soft->refuse_output = false;
    mock_rule_set(7, 5, 0);
    keeper_catch_up(&f.b->keepers[0]);
    assert_int_equal(look(&f).refused, 0);
    send_n(&f, 7, 1);
    assert_int_equal(mock_out(f.d, 5), 1);
    keep(&f);
    assert_int_equal(stop(&f), 11);
}

static void test_software_short_of_memory(void **state)
{
    struct fixture f;
    start(&f);
    mock_rule_set(7, 3, 0);
    send_n(&f, 7, 2);
    keep(&f);
    mock_rule_set(7, 4, 0);
    f.d->soft->fault = FAULT_BEFORE;
    keeper_catch_up(&f.b->keepers[0]);
    assert_int_equal(look(&f).out, 3); // no answer: tried again in the next round
    keep(&f);
    assert_int_equal(look(&f).out, 4);
    // A removal without an answer likewise.
    f.d->soft->fault = FAULT_BEFORE;
    backer_flow_del(f.b, NULL);
    keeper_round(&f.b->keepers[0]);
    assert_int_equal(look(&f).n, 1);
    keep(&f);
    assert_int_equal(look(&f).n, 0);
    assert_int_equal(stop(&f), 2);
}

static void test_software_loses_flows(void **state)
{
    struct fixture f;
    start(&f);
    send_n(&f, 0, 3);
    keep(&f);
    mock_tier_reset(f.d->soft);
    mock_tier_reset(f.d->hw[0]);
    send_n(&f, 0, 2); // misses, though the store has it
    assert_int_equal(stats(&f).duplicates, 2);
    keep(&f);
    keep(&f);
    assert_int_equal(mock_tier_count(f.d->soft), 1);
    assert_int_equal(look(&f).in_hardware, 1);
    send_n(&f, 0, 1);
    keep(&f);
    assert_int_equal(stop(&f), 6);
}

static void test_flow_limit(void **state)
{
    struct fixture f;
    start(&f);
    backer_set_flow_limit(f.b, 10);
    for (unsigned i = 0; i < 10; i++) {
        mock_rule_set(i, 3, 0);
        send_n(&f, i, 1);
        clock_warp(NSEC_PER_MSEC);
    }
    mock_rule_set(20, 3, 0);
    send_n(&f, 20, 2);
    assert_int_equal(stats(&f).over_limit, 2);
    assert_int_equal(look(&f).n, 10);
    keep(&f); // room for one in twenty
    assert_int_equal(look(&f).n, 9);
    send_n(&f, 20, 1);
    assert_int_equal(look(&f).n, 10);
    struct ufid oldest = {{0}};
    assert_int_equal(backer_flow_find(f.b, &oldest, see, &(struct seen){0}), -ENOENT);
    send_n(&f, 9, 5); // the youngest stay
    backer_set_flow_limit(f.b, 3);
    keep(&f);
    assert_int_equal(look(&f).n, 3);
    uint64_t misses = stats(&f).misses;
    send_n(&f, 20, 1);
    send_n(&f, 9, 1);
    assert_int_equal(stats(&f).misses, misses);
    keep(&f);
    assert_int_equal(stop(&f), 10 + 2 + 1 + 5 + 2);
}

static void test_place_and_policy(void **state)
{
    struct fixture f;
    start(&f);
    send_n(&f, 0, 2);
    hardware(&f);
    assert_int_equal(backer_flow_place(f.b, NULL, PLACE_DEMOTE), 1);
    keep(&f);
    assert_int_equal(look(&f).in_hardware, 0);
    assert_int_equal(backer_flow_place(f.b, NULL, PLACE_PROMOTE), 1);
    keep(&f);
    assert_int_equal(look(&f).in_hardware, 1);
    backer_set_hw_offload(f.b, false);
    keep(&f);
    assert_int_equal(mock_tier_count(f.d->hw[0]), 0);
    backer_set_hw_offload(f.b, true);
    keep(&f);
    assert_int_equal(look(&f).in_hardware, 1);
    assert_int_equal(stop(&f), 2);
}

static void count_done(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_refresh_hook(void **state)
{
    struct fixture f;
    unsigned done = 0;
    start(&f);
    f.b->options.post = NULL;
    send_n(&f, 0, 4);
    hardware(&f);
    send_n(&f, 0, 4);
    // Nobody runs the keeper here, so a wait ends with its deadline; the wish itself is checked by
    // hand.
    struct refresh r = {.done = count_done, .arg = &done};
    refresh_ask(f.b, &r, true, clock_deadline(NSEC_PER_SEC));
    int64_t deadline = CLOCK_NEVER;
    assert_false(
        refresh_due(&f.b->keepers[0], clock_now(), &deadline)); // the hardware hasn't answered
    assert_true(deadline == r.deadline);
    keeper_round(&f.b->keepers[0]);
    assert_int_equal(done, 0);
    hardware(&f);
    assert_true(refresh_due(&f.b->keepers[0], clock_now(), &deadline));
    keeper_round(&f.b->keepers[0]);
    assert_int_equal(done, 1);
    assert_int_equal(mock_credited(), 8);
    refresh_ask(f.b, &r, true,
                clock_deadline(NSEC_PER_SEC)); // not served before the end: told all the same
    assert_int_equal(stop(&f), 8);
    assert_int_equal(done, 2);
}

static void test_leftovers(void **state)
{
    mock_pipeline_reset();
    struct mock_datapath *d = mock_datapath_new(1);
    struct flow_desc left;
    memset(&left, 0, sizeof(left));
    left.key = mock_key(3);
    left.mask.in_port = UINT32_MAX;
    left.ufid = flow_desc_ufid(&left.key, &left.mask, "eth0", 1);
    mock_tier_plant(d->soft, &left);
    mock_tier_plant(d->hw[0], &left);
    struct backer_options o = {.n_handlers = 1, .n_keepers = 1, .instance = 1, .manual = true};
    struct tier *hw[] = {&d->hw[0]->tier};
    struct fixture f = {.d = d};
    assert_int_equal(backer_create(mock_pipelines(), &d->datapath, hw, 1, &o, &f.b, NULL), 0);
    assert_int_equal(mock_tier_count(d->soft), 0);
    hardware(&f);
    assert_int_equal(mock_tier_count(d->hw[0]), 0);
    dp_port_t port = 1;
    assert_int_equal(backer_port_add(f.b, "eth0", DP_PORT_SYSTEM, &port, NULL), 0);
    AUTO_ERR(err);
    assert_int_equal(backer_port_add(f.b, "eth0", DP_PORT_SYSTEM, &port, &err), -EEXIST);
    send_n(&f, 0, 2);
    hardware(&f);
    assert_int_equal(backer_port_del(f.b, 1, NULL), 0);
    assert_int_equal(stop(&f), 1);
}

static int stop_clock(void **state)
{
    clock_stop();
    rcu_thread_join();
    return 0;
}

int main(void)
{
    print_message("megaflow %zu, translation %zu, placement %zu bytes\n", sizeof(struct megaflow),
                  sizeof(struct translation), sizeof(struct placement));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_late_counters_dont_expire),
        cmocka_unit_test(test_change_in_place),
        cmocka_unit_test(test_too_wide),
        cmocka_unit_test(test_race_with_translation),
        cmocka_unit_test(test_ports_go),
        cmocka_unit_test(test_slow_path),
        cmocka_unit_test(test_too_complex_drops),
        cmocka_unit_test(test_software_refuses),
        cmocka_unit_test(test_software_short_of_memory),
        cmocka_unit_test(test_software_loses_flows),
        cmocka_unit_test(test_flow_limit),
        cmocka_unit_test(test_place_and_policy),
        cmocka_unit_test(test_refresh_hook),
        cmocka_unit_test(test_leftovers),
    };
    return cmocka_run_group_tests(tests, stop_clock, NULL);
}
