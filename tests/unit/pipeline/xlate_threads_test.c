// SPDX-License-Identifier: Apache-2.0
// Readers translate, learn MACs and credit counters while the main thread changes rules, ports and
// tables and works off memory. ThreadSanitizer and AddressSanitizer judge; besides, each
// translation must see one version: two rules that one flow mod changes are never seen half
// changed.
#include "tests/unit/pipeline/xlate_world.h"

#include "lib/base/thread.h"

enum { READERS = 3, CHANGES = 1500 };

struct shared {
    struct world world;
    struct pipeline *pairs; // a bridge in which random changes don't meddle
    _Atomic bool stop;
    _Atomic uint64_t translated, whole, torn;
};

// A packet here goes through tables 1 and 2, whose only rules change in one flow mod.
static void pair_translate(struct shared *s)
{
    struct xlate_in in = {.pipeline = s->pairs, .now = 1};
    struct xlate_out out;
    rcu_enter();
    xlate(&in, &out);
    rcu_leave();
    be64_t cookies[8];
    size_t n = 0;
    for (size_t i = 0; i < out.n_credits; i++) {
        const struct xlate_credit *c = &out.credits[i];
        if (c->kind == CREDIT_RULE && c->rule->table && n < ARRAY_SIZE(cookies))
            cookies[n++] = c->rule->cookie;
    }
    bool whole = n == 2 && cookies[0] == cookies[1];
    atomic_fetch_add(whole ? &s->whole : &s->torn, 1);
    xlate_out_done(&out);
}

static void *reader(void *s_)
{
    struct shared *s = s_;
    static _Atomic unsigned seed;
    random_seed(77 + atomic_fetch_add(&seed, 1));
    while (!atomic_load(&s->stop)) {
        struct xlate_in in = {.pipeline = s->world.br[0], .now = 1, .flags = XLATE_MAY_LEARN};
        struct xlate_out out;
        world_packet(&s->world, &in.flow);
        in.now = 1 + random_below(1000) * NSEC_PER_SEC;
        rcu_enter();
        xlate(&in, &out);
        rcu_leave();
        xlate_credit(out.credits, out.n_credits, 1, 60, 0, in.now);
        xlate_out_done(&out);
        pair_translate(s);
        atomic_fetch_add(&s->translated, 1);
    }
    return NULL;
}

static void pair_flow_mod(struct shared *s, enum flow_mod_command command, uint8_t table,
                          unsigned generation)
{
    struct flow_mod fm;
    flow_mod_init(&fm, command);
    fm.table = table;
    fm.priority = table ? 7 : 1;
    fm.new_cookie = generation;
    fm.modify_cookie = true;
    for (unsigned t = 1; t <= 2 && !table; t++) {
        struct ofpact *a = ofpact_list_add(&fm.actions, OFPACT_RESUBMIT);
        a->resubmit.port = OFPP_IN_PORT;
        a->resubmit.table = t;
    }
    pipeline_flow_mod(s->pairs, &fm, 1, NULL, NULL);
    flow_mod_done(&fm);
}

static void one_change(struct shared *s, unsigned i)
{
    struct world *w = &s->world;
    world_random_change(w);
    provenance_done(&w->told);
    if (i % 2)
        pair_flow_mod(s, FLOW_MODIFY_STRICT, TABLE_ALL, i); // both rules
    if (i % 16 == 0)
        pipelines_run(w->all, w->now);
    struct rule_filter all = {.table = TABLE_ALL, .out_port = OFPP_NONE};
    struct rule_cursor cursor = {0};
    struct rule_totals totals = {0};
    pipeline_aggregate_next(w->br[0], &all, &cursor, 1000, &totals);
}

static void readers_and_a_writer(void **state)
{
    static struct shared s;
    struct thread *threads[READERS];
    random_seed(4242);
    world_init(&s.world);
    pipelines_set_observer(s.world.all, NULL); // its list is not made for many threads
    s.pairs = pipeline_new(s.world.all, "pairs");
    for (unsigned t = 0; t < 3; t++)
        pair_flow_mod(&s, FLOW_ADD, t, 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(thread_start(&threads[i], "reader", reader, &s, NULL), 0);
    for (unsigned i = 0; i < CHANGES || atomic_load(&s.translated) < 200; i++)
        one_change(&s, i);
    atomic_store(&s.stop, true);
    for (unsigned i = 0; i < READERS; i++)
        thread_join(threads[i]);
    assert_int_equal(atomic_load(&s.torn), 0);
    assert_true(atomic_load(&s.whole) > 0);
    pipeline_free(s.pairs);
    world_done(&s.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_and_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
