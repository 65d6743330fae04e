// SPDX-License-Identifier: Apache-2.0
// Placement, step by step, with threads played by the test (manual mode) and a stopped clock.
//
//   traffic -> nic0 (mock) -> nic1 (mock) -> soft (mock)
//
// Expected physics: every packet is counted by exactly one copy; each copy's count is handed over
// once. A failure shows a packet counted twice or never, a copy that outlives its megaflow, or a
// reason that isn't told.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "tests/unit/offload/harness.h"

static const struct offload_options manual = {.instance = 1, .manual = true, .queue_max = 4};

static struct explanation why(struct tflow *f)
{
    struct explanation e;
    explain(&f->place, &e);
    return e;
}

static void send_n(struct harness *h, struct tflow *f, unsigned n)
{
    while (n--)
        assert_true(harness_send(h, f));
}

static void test_twin(void **state)
{
    struct harness h;
    harness_start(&h, 1, &manual);
    struct tflow *f = tflow_new(&h, 7);
    assert_int_equal(tflow_install(&h, f, tversion_new(7, 2)), 0);
    assert_int_equal(tflow_state(f), PLACE_QUEUED);
    send_n(&h, f, 3);
    harness_settle(&h);
    assert_int_equal(tflow_state(f), PLACE_HARDWARE);
    assert_string_equal(why(f).tier, "nic0");
    assert_int_equal(mock_tier_count(h.sw), 1); // the twin stays
    send_n(&h, f, 5);
    harness_read(&h);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 8);
    assert_int_equal(f->credited_hw, 5);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 8);

    place_ask(&f->place, PLACE_DEMOTE);
    place_review(&f->place, clock_now());
    assert_int_equal(tflow_state(f), PLACE_REMOVING);
    send_n(&h, f, 2); // still in hardware, after the last reading
    harness_settle(&h);
    assert_int_equal(mock_tier_count(h.hw[0]), 0);
    assert_int_equal(tflow_state(f), PLACE_SOFTWARE);
    assert_string_equal(why(f).why.sentence, "it was demoted by request");
    assert_string_equal(why(f).remedy, "a request to promote it");
    send_n(&h, f, 4);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 14);
    assert_int_equal(f->credited_hw, 7);

    place_ask(&f->place, PLACE_PROMOTE);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    send_n(&h, f, 1);
    tflow_remove(&h, f);
    assert_int_equal(mock_tier_count(h.sw), 0);
    send_n(&h, f, 1); // the hardware copy goes a little later, and its packets still count
    assert_int_equal(tflow_finish(&h, f), 16);
    assert_int_equal(mock_tier_count(h.hw[0]), 0);
    assert_true(harness_stop(&h));
}

static void test_refusals(void **state)
{
    struct harness h;
    harness_start(&h, 1, &manual);
    h.hw[0]->check_refuses = FIELD_UDP_DST;
    struct tflow *f = tflow_new(&h, 7);
    assert_int_equal(tflow_install(&h, f, tversion_new(7, 2)), 0);
    harness_settle(&h);
    struct explanation e = why(f);
    assert_int_equal(e.state, PLACE_REFUSED);
    assert_int_equal(e.why.stage, REFUSAL_CHECK);
    assert_int_equal(e.why.id, FIELD_UDP_DST);
    assert_string_equal(e.refused_by, "nic0");
    assert_true(e.retry_at == CLOCK_NEVER);
    assert_int_equal(h.hw[0]->batches, 0); // nothing was sent

    // The driver's word, with its sentence; asked again after a while, each time later.
    h.hw[0]->check_refuses = FIELD_NONE;
    h.hw[0]->driver_refuses = FIELD_UDP_DST;
    place_ask(&f->place, PLACE_PROMOTE);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    e = why(f);
    assert_int_equal(e.why.stage, REFUSAL_DRIVER);
    assert_string_equal(e.why.sentence, "mock: unsupported key");
    assert_int_equal(e.attempts, 1);
    int64_t first = e.retry_at - clock_now();
    place_review(&f->place, clock_now());
    harness_settle(&h);
    assert_int_equal(h.hw[0]->batches, 1);
    clock_warp(first);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    e = why(f);
    assert_int_equal(h.hw[0]->batches, 2);
    assert_int_equal(e.attempts, 2);
    assert_true(e.retry_at - clock_now() > first);

    // It may after all.
    h.hw[0]->driver_refuses = FIELD_NONE;
    place_ask(&f->place, PLACE_PROMOTE);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    assert_int_equal(why(f).state, PLACE_HARDWARE);
    assert_int_equal(why(f).why.stage, REFUSAL_NONE);
    tflow_remove(&h, f);
    tflow_finish(&h, f);
    assert_true(harness_stop(&h));
}

static void count_now(void *aux, const struct refusal_count *c)
{
    uint64_t *n = aux;
    n[c->why.stage] += c->now;
}

static void test_full(void **state)
{
    struct harness h;
    struct tflow *f[3];
    harness_start(&h, 1, &manual);
    h.hw[0]->capacity = 2;
    for (unsigned i = 0; i < 3; i++) {
        f[i] = tflow_new(&h, i);
        tflow_install(&h, f[i], tversion_new(i, 2));
    }
    harness_settle(&h);
    assert_int_equal(tflow_state(f[2]), PLACE_REFUSED);
    assert_int_equal(why(f[2]).why.stage, REFUSAL_CAPACITY);
    uint64_t n[REFUSAL_STAGE_COUNT] = {0};
    explain_all(h.offload, count_now, n);
    assert_int_equal(n[REFUSAL_CAPACITY], 1);
    // A place gets free: the next review fills it.
    send_n(&h, f[0], 2);
    tflow_remove(&h, f[0]);
    assert_int_equal(tflow_finish(&h, f[0]), 2);
    clock_warp(NSEC_PER_SEC);
    place_review(&f[2]->place, clock_now());
    harness_settle(&h);
    assert_int_equal(tflow_state(f[2]), PLACE_HARDWARE);
    for (unsigned i = 1; i < 3; i++) {
        tflow_remove(&h, f[i]);
        tflow_finish(&h, f[i]);
    }
    memset(n, 0, sizeof(n));
    explain_all(h.offload, count_now, n);
    assert_int_equal(n[REFUSAL_CAPACITY], 0);
    assert_true(harness_stop(&h));
}

static void test_back_pressure(void **state)
{
    struct harness h;
    struct tflow *f[6];
    harness_start(&h, 1, &manual);
    for (unsigned i = 0; i < 6; i++) {
        f[i] = tflow_new(&h, i);
        assert_int_equal(tflow_install(&h, f[i], tversion_new(i, 2)), 0);
    }
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(tflow_state(f[i]), i < 4 ? PLACE_QUEUED : PLACE_SOFTWARE);
    assert_int_equal(why(f[5]).why.error, -EAGAIN);
    unsigned wakes = h.wakes;
    harness_settle(&h);
    assert_true(h.wakes > wakes); // there is room again
    clock_warp(100 * NSEC_PER_MSEC);
    for (unsigned i = 0; i < 6; i++)
        place_review(&f[i]->place, clock_now());
    harness_settle(&h);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(tflow_state(f[i]), PLACE_HARDWARE);
    // A removal cancels what still waits, and takes no place in the queue.
    for (unsigned i = 0; i < 6; i++)
        tflow_remove(&h, f[i]);
    struct tflow *g = tflow_new(&h, 0);
    tflow_install(&h, g, tversion_new(0, 2)); // the same UFID as f[0], which is still in hardware
    assert_int_equal(tflow_state(g), PLACE_QUEUED);
    harness_settle(&h);
    assert_int_equal(tflow_state(g), PLACE_HARDWARE); // the old one went first: no EEXIST
    assert_int_equal(mock_tier_count(h.hw[0]), 1);
    for (unsigned i = 0; i < 6; i++)
        tflow_finish(&h, f[i]);
    tflow_remove(&h, g);
    tflow_finish(&h, g);
    assert_true(harness_stop(&h));
}

// A change climbs to hardware, and who counted under the old version is credited under it.
static void test_modify(void **state)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct harness h;
        harness_start(&h, 1, &manual);
        h.sw->modify_restarts = h.hw[0]->modify_restarts = restarts;
        struct tflow *f = tflow_new(&h, 7);
        struct tversion *one = tversion_new(7, 2), *two = tversion_new(7, 3);
        place_version_ref(&one->version);
        place_version_ref(&two->version);
        tflow_install(&h, f, one);
        send_n(&h, f, 1);
        harness_settle(&h);
        send_n(&h, f, 10);
        harness_read(&h);
        tflow_collect(&h, f);
        assert_int_equal(one->credited, 11);
        send_n(&h, f, 3);
        if (!restarts) // else the tier hands them back exactly
            harness_read(&h);
        assert_int_equal(tflow_modify(&h, f, two), 0);
        assert_int_equal(tflow_state(f), PLACE_HARDWARE);
        harness_settle(&h);
        assert_int_equal(h.hw[0]->applied[TIER_MODIFY], 1);
        send_n(&h, f, 100);
        struct flow_desc d;
        assert_true(mock_tier_forward(h.hw[0], &f->key, 100, &d));
        assert_int_equal(d.actions.v[0].port, 3);
        flow_desc_done(&d);
        harness_read(&h);
        tflow_collect(&h, f);
        assert_int_equal(one->credited, 14);
        assert_int_equal(two->credited, 101);

        // Hardware can't change it: the old copy may not stay.
        h.hw[0]->refuse_modify = true;
        struct tversion *three = tversion_new(7, 4);
        assert_int_equal(tflow_modify(&h, f, three), 0);
        harness_settle(&h);
        assert_int_equal(tflow_state(f), PLACE_REFUSED);
        assert_int_equal(mock_tier_count(h.hw[0]), 0);
        assert_true(mock_tier_forward(h.sw, &f->key, 100, &d));
        assert_int_equal(d.actions.v[0].port, 4);
        flow_desc_done(&d);
        tflow_remove(&h, f);
        assert_int_equal(tflow_finish(&h, f), 116);
        place_version_unref(&one->version);
        place_version_unref(&two->version);
        assert_true(harness_stop(&h));
    }
}

// What the NIC's cache had not yet shown of an old version is credited to that version, however it is learnt.
static void test_superseded_versions_are_read_to_the_end(void **state)
{
    struct harness h;
    harness_start(&h, 1, &(struct offload_options){.instance = 1, .manual = true});
    h.hw[0]->modify_late = true;
    h.hw[0]->cache_ms = 1000;
    struct tflow *f = tflow_new(&h, 7);
    struct tversion *v[3];
    for (unsigned i = 0; i < 3; i++) {
        v[i] = tversion_new(7, 2 + i);
        place_version_ref(&v[i]->version);
    }
    tflow_install(&h, f, v[0]);
    harness_settle(&h);
    send_n(&h, f, 10);
    tflow_modify(&h, f, v[1]);
    harness_settle(&h);
    send_n(&h, f, 5);
    harness_read(&h);
    tflow_collect(&h, f);
    assert_int_equal(v[0]->credited + v[1]->credited, 0);
    clock_warp(2100 * NSEC_PER_MSEC);
    harness_read(&h);
    tflow_collect(&h, f);
    assert_int_equal(v[0]->credited, 10);
    assert_int_equal(v[1]->credited, 5);
    assert_null(h.hw[0]->lates);

    // The removal settles what is still open.
    tflow_modify(&h, f, v[2]);
    harness_settle(&h);
    send_n(&h, f, 7);
    tflow_remove(&h, f);
    assert_int_equal(tflow_finish(&h, f), 22);
    assert_int_equal(v[1]->credited, 5);
    assert_int_equal(v[2]->credited, 7);
    for (unsigned i = 0; i < 3; i++)
        place_version_unref(&v[i]->version);
    assert_true(harness_stop(&h));
}

static void test_reset(void **state)
{
    struct harness h;
    harness_start(&h, 1, &manual);
    struct tflow *f = tflow_new(&h, 7);
    tflow_install(&h, f, tversion_new(7, 2));
    harness_settle(&h);
    send_n(&h, f, 5);
    harness_read(&h);
    mock_tier_reset(h.hw[0]);
    send_n(&h, f, 2); // the twin has them
    harness_read(&h);
    assert_int_equal(tflow_state(f), PLACE_REFUSED);
    assert_true(strstr(why(f).why.sentence, "lost") != NULL);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 7); // nothing went back
    place_review(&f->place, clock_now());
    harness_settle(&h);
    assert_int_equal(tflow_state(f), PLACE_HARDWARE);
    send_n(&h, f, 1);
    harness_read(&h);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 8);

    // Software loses its twin: seen by a reading, installed again by the owner.
    struct placement *p = &f->place;
    mock_tier_reset(h.sw);
    place_read(h.offload, h.channel, &p, 1);
    assert_true(place_sw_lost(p));
    assert_int_equal(tflow_install(&h, f, tversion_new(7, 2)), 0);
    assert_false(place_sw_lost(p));
    harness_settle(&h);
    tflow_remove(&h, f);
    assert_int_equal(tflow_finish(&h, f), 8);
    assert_true(harness_stop(&h));
}

// The channel loses answers: the copy may be there or not, and in the end it is where it is said to
// be.
static void test_unanswered(void **state)
{
    static const enum mock_channel_fault faults[] = {FAULT_BEFORE, FAULT_AFTER, FAULT_HALF};
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        struct harness h;
        harness_start(&h, 1, &manual);
        struct tflow *f = tflow_new(&h, 7);
        h.hw[0]->fault = FAULT_NONE;
        harness_settle(&h); // the sweep
        h.hw[0]->fault = faults[i];
        tflow_install(&h, f, tversion_new(7, 2));
        assert_true(offload_step(h.offload));
        assert_true(offload_step(h.offload)); // removes what may be there
        assert_int_equal(mock_tier_count(h.hw[0]), 0);
        assert_int_equal(tflow_state(f), PLACE_REFUSED);
        assert_int_equal(why(f).why.error, -ENOBUFS);
        clock_warp(NSEC_PER_SEC);
        place_review(&f->place, clock_now());
        harness_settle(&h);
        assert_int_equal(tflow_state(f), PLACE_HARDWARE);

        send_n(&h, f, 4);
        h.hw[0]->fault = faults[i];
        tflow_modify(&h, f, tversion_new(7, 3));
        harness_settle(&h);
        assert_int_equal(mock_tier_count(h.hw[0]), 0);
        clock_warp(10 * NSEC_PER_SEC);
        place_review(&f->place, clock_now());
        harness_settle(&h);
        assert_int_equal(tflow_state(f), PLACE_HARDWARE);

        send_n(&h, f, 3);
        harness_read(&h);
        h.hw[0]->fault = faults[i];
        tflow_remove(&h, f);
        assert_true(offload_step(h.offload));
        assert_null(place_take_closed(&h.owner));
        offload_tick(h.offload, clock_now()); // tried again at the tick
        assert_int_equal(tflow_finish(&h, f), 7);
        assert_int_equal(mock_tier_count(h.hw[0]), 0);
        assert_true(harness_stop(&h));
    }
}

static void test_policy_and_tiers(void **state)
{
    struct harness h;
    harness_start(&h, 2, &manual);
    h.hw[0]->foreign_port = 1; // belongs to the second NIC
    struct tflow *f = tflow_new(&h, 7);
    tflow_install(&h, f, tversion_new(7, 2));
    harness_settle(&h);
    assert_string_equal(why(f).tier, "nic1");
    offload_set_policy(h.offload, PLACE_OFF);
    assert_true(h.wakes > 0);
    send_n(&h, f, 3);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    assert_int_equal(tflow_state(f), PLACE_SOFTWARE);
    assert_string_equal(why(f).remedy, "other_config:hw-offload=true");
    assert_int_equal(mock_tier_count(h.hw[1]), 0);
    // The port moves to the other NIC meanwhile.
    h.hw[0]->foreign_port = DP_PORT_NONE;
    h.hw[1]->foreign_port = 1;
    offload_set_policy(h.offload, PLACE_ALL);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    assert_string_equal(why(f).tier, "nic0");
    // And back, with the copy in place: out of the one before into the other.
    h.hw[0]->foreign_port = 1;
    h.hw[1]->foreign_port = DP_PORT_NONE;
    offload_port_attach(h.offload, &(struct tier_port){.dp_port = 1, .name = "eth0"});
    place_review(&f->place, clock_now());
    harness_settle(&h);
    place_review(&f->place, clock_now());
    harness_settle(&h);
    assert_string_equal(why(f).tier, "nic1");
    assert_int_equal(mock_tier_count(h.hw[0]), 0);
    tflow_remove(&h, f);
    assert_int_equal(tflow_finish(&h, f), 3);
    assert_true(harness_stop(&h));
}

static void test_cached_counters(void **state)
{
    struct harness h;
    harness_start(&h, 1, &manual);
    h.hw[0]->cache_ms = 1000;
    struct tflow *f = tflow_new(&h, 7);
    tflow_install(&h, f, tversion_new(7, 2));
    harness_settle(&h);
    int64_t born = clock_now();
    clock_warp(900 * NSEC_PER_MSEC);
    send_n(&h, f, 5);
    harness_read(&h);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 0);                  // not yet told
    assert_true(place_quiet_until(&f->place) <= born); // and known not to be
    clock_warp(200 * NSEC_PER_MSEC);
    harness_read(&h);
    tflow_collect(&h, f);
    assert_int_equal(f->credited, 5);
    assert_true(place_quiet_until(&f->place) == clock_now());
    assert_true(f->place.used == born + 900 * NSEC_PER_MSEC);
    tflow_remove(&h, f);
    assert_int_equal(tflow_finish(&h, f), 5);
    assert_true(harness_stop(&h));
}

static void report_sum(void *aux, const struct tier_report *r)
{
    struct tier_report *out = aux;
    if (r->hardware)
        out[1] = *r;
    else
        out[0] = *r;
}

static void test_bound_is_told(void **state)
{
    struct harness h;
    harness_start(&h, 1, &manual);
    h.hw[0]->final_short = h.sw->final_short = 3;
    struct tflow *f = tflow_new(&h, 7);
    tflow_install(&h, f, tversion_new(7, 2));
    send_n(&h, f, 20);
    harness_settle(&h);
    send_n(&h, f, 20);
    tflow_remove(&h, f);
    uint64_t credited = tflow_finish(&h, f);
    struct tier_report r[2];
    offload_report(h.offload, report_sum, r);
    assert_int_equal(r[0].installed, 1);
    assert_int_equal(r[0].removed, 1);
    assert_int_equal(r[0].finals.bounded, 1);
    assert_int_equal(r[1].finals.bounded, 1);
    assert_int_equal(credited + h.hw[0]->short_total + h.sw->short_total, 40);
    assert_true(credited + r[0].finals.short_by + r[1].finals.short_by >= 40);
    assert_int_equal(r[1].packets + r[0].packets, credited);
    assert_true(harness_stop(&h));
}

static void test_sweep(void **state)
{
    struct harness h;
    struct tversion *left = tversion_new(9, 2), *other = tversion_new(8, 2);
    harness_start(&h, 1, &manual);
    other->version.desc.ufid.b[3]++; // another instance's
    mock_tier_plant(h.hw[0], &left->version.desc);
    mock_tier_plant(h.hw[0], &other->version.desc);
    mock_tier_plant(h.sw, &left->version.desc);
    harness_settle(&h);
    assert_false(mock_tier_has(h.hw[0], &left->version.desc.ufid));
    assert_true(mock_tier_has(h.hw[0], &other->version.desc.ufid));
    assert_int_equal(place_sweep(h.channel, 1), 1);
    assert_int_equal(mock_tier_count(h.sw), 0);
    place_version_unref(&left->version);
    place_version_unref(&other->version);
    assert_true(harness_stop(&h));
}

static void test_may_split(void **state)
{
    struct refusal r;
    struct tversion *v = tversion_new(1, 2);
    struct flow_desc *d = &v->version.desc;
    assert_true(placement_may_split(d, &r));
    act_list_add(&d->actions, ACT_METER)->meter_id = 1;
    assert_false(placement_may_split(d, &r));
    assert_int_equal(r.culprit, CULPRIT_ACTION);
    assert_int_equal(r.id, ACT_METER);
    d->actions.n--;
    d->key.recirc_id = 1;
    assert_false(placement_may_split(d, &r));
    place_version_unref(&v->version);
    rcu_flush();
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
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_modify),
        cmocka_unit_test(test_superseded_versions_are_read_to_the_end),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_unanswered),
        cmocka_unit_test(test_policy_and_tiers),
        cmocka_unit_test(test_cached_counters),
        cmocka_unit_test(test_bound_is_told),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_may_split),
    };
    return cmocka_run_group_tests(tests, stop_clock, NULL);
}
