// SPDX-License-Identifier: Apache-2.0
// nicsim's table under traffic: frames are looked up while a writer inserts, modifies, replaces and
// removes rules around them. A frame never misses what is there all the time, never sees a
// half-made rule, and every hit is counted once.
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nicsim/core/eswitch.h"
#include "lib/base/rcu.h"
#include "lib/base/thread.h"

#define READERS 2
#define ROUNDS 4000
#define ALWAYS 1 // id of the rule that is there all the time

struct race {
    struct nicsim_eswitch *sw;
    atomic_bool stop;
    atomic_uint started;
};

struct reader {
    struct race *race;
    uint64_t hits, bad;
};

// Both actions of a rule name the same port, so that a mixture of two lists shows.
static const struct nicsim_action lists[3][2] = {
    {{.type = NICSIM_MIRROR, .port = 0}, {.type = NICSIM_REDIRECT, .port = 0}},
    {{.type = NICSIM_MIRROR, .port = 1}, {.type = NICSIM_REDIRECT, .port = 1}},
    {{.type = NICSIM_MIRROR, .port = 2}, {.type = NICSIM_REDIRECT, .port = 2}},
};

static void *read_all_the_time(void *arg)
{
    struct reader *r = arg;
    struct nicsim_key key = {.in_port = 1, .tp_dst = 9};

    atomic_fetch_add(&r->race->started, 1);
    while (!atomic_load(&r->race->stop)) {
        rcu_enter();
        struct nicsim_rule *rule = nicsim_lookup(r->race->sw, &key);
        if (rule) {
            struct nicsim_actions a = nicsim_rule_actions(rule);
            nicsim_rule_hit(r->race->sw, rule, 1, 60);
            r->hits++;
            if (a.n != 2 || a.v[0].port != a.v[1].port || a.v[0].port > 2)
                r->bad++;
        } else {
            r->bad++;
        }
        rcu_leave();
    }
    return NULL;
}

static struct nicsim_rule_spec rule(uint64_t id, uint32_t priority, unsigned list)
{
    return (struct nicsim_rule_spec){
        .id = {.lo = id},
        .priority = priority,
        .key = {.in_port = 1},
        .mask = {.in_port = ~0u},
        .actions = {.n = 2, .v = lists[list]},
    };
}

static uint64_t take_out(struct nicsim_eswitch *sw, uint64_t id)
{
    struct nicsim_rule *gone = nicsim_rule_unlink(sw, &(struct nicsim_rule_id){.lo = id});
    struct nicsim_stats last;

    assert_non_null(gone);
    rcu_wait();
    nicsim_rule_finish(sw, gone, &last);
    assert_int_equal(last.bytes, last.frames * 60);
    return last.frames;
}

// One round: a rule comes beside the permanent one at a better or the same priority, is modified,
// replaced by a newer twin of itself, and goes. Returns what the two have counted.
static uint64_t change(struct nicsim_eswitch *sw, unsigned round)
{
    struct nicsim_rule_spec first = rule(10, round % 2 ? 5 : 7, 1),
                            second = rule(11, first.priority, 2);
    struct nicsim_refusal why;

    assert_int_equal(nicsim_rule_insert(sw, &first, &why), 0);
    assert_int_equal(nicsim_rule_modify(sw, &first.id, &second.actions, &why), 0);
    assert_int_equal(nicsim_rule_insert(sw, &second, &why), 0);
    // Grace periods are long; most rounds do without.
    if (round % 50 == 0)
        return take_out(sw, 10) + take_out(sw, 11);
    return 0;
}

static void test_changes_under_traffic(void **state)
{
    struct race race = {.sw = nicsim_eswitch_new()};
    struct reader readers[READERS];
    struct thread *threads[READERS];
    struct nicsim_rule_spec always = rule(ALWAYS, 7, 0);
    struct nicsim_refusal why;
    struct nicsim_stats s;
    uint64_t hits = 0, counted = 0;

    for (uint32_t p = 0; p < 3; p++)
        nicsim_port_add(race.sw, p);
    nicsim_knob_set(race.sw, NICSIM_CACHE_AGE_MS, 0);
    assert_int_equal(nicsim_rule_insert(race.sw, &always, &why), 0);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.race = &race};
        assert_int_equal(thread_start(&threads[i], "reader", read_all_the_time, &readers[i], NULL),
                         0);
    }
    while (atomic_load(&race.started) < READERS)
        ;
    for (unsigned round = 0; round < ROUNDS; round++) {
        counted += change(race.sw, round);
        if (round % 50) {
            // Removed in one step: what is counted after the reading is known not to be in it.
            nicsim_rule_remove(race.sw, &(struct nicsim_rule_id){.lo = 10}, NULL);
            nicsim_rule_remove(race.sw, &(struct nicsim_rule_id){.lo = 11}, NULL);
        }
    }
    // From here on every hit is accounted for.
    rcu_wait();
    assert_true(counted > 0);
    atomic_store(&race.stop, true);
    for (int i = 0; i < READERS; i++) {
        thread_join(threads[i]);
        assert_int_equal(readers[i].bad, 0);
        hits += readers[i].hits;
    }
    assert_int_equal(nicsim_rule_stats(race.sw, &always.id, &s), 0);
    assert_true(s.frames + counted <= hits);
    assert_int_equal(s.bytes, s.frames * 60);
    nicsim_eswitch_free(race.sw);
    rcu_flush();
}

// The same with exact removals alone: nothing is lost.
static void test_every_hit_is_counted(void **state)
{
    struct race race = {.sw = nicsim_eswitch_new()};
    struct reader reader = {.race = &race};
    struct nicsim_rule_spec always = rule(ALWAYS, 7, 0);
    struct nicsim_refusal why;
    struct nicsim_stats s;
    struct thread *thread;
    uint64_t counted = 0;

    for (uint32_t p = 0; p < 3; p++)
        nicsim_port_add(race.sw, p);
    nicsim_knob_set(race.sw, NICSIM_CACHE_AGE_MS, 0);
    assert_int_equal(nicsim_rule_insert(race.sw, &always, &why), 0);
    assert_int_equal(thread_start(&thread, "reader", read_all_the_time, &reader, NULL), 0);
    for (unsigned round = 0; round < 5000; round += 50)
        counted += change(race.sw, round);
    atomic_store(&race.stop, true);
    thread_join(thread);
    assert_int_equal(reader.bad, 0);
    assert_int_equal(nicsim_rule_stats(race.sw, &always.id, &s), 0);
    assert_int_equal(s.frames + counted, reader.hits);
    nicsim_eswitch_free(race.sw);
    rcu_flush();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_under_traffic),
        cmocka_unit_test(test_every_hit_is_counted),
    };
    rcu_thread_join();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
