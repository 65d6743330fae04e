// SPDX-License-Identifier: Apache-2.0
// Flow mods with OpenFlow's semantics, what they announce, statistics in slices, expiry.
#include "tests/unit/pipeline/pipeline_test.h"

#include "lib/base/rcu.h"
#include "slowpath/pipeline/pipeline_private.h"

struct fixture {
    struct pipelines *all;
    struct pipeline *p;
    struct provenance told; // dependencies announced since the last forget()
    unsigned added, modified, removed;
    uint8_t reason;
    int64_t now;
};

static void observed(void *f_, const dep_t *deps, size_t n)
{
    struct fixture *f = f_;
    for (size_t i = 0; i < n; i++)
        provenance_add(&f->told, deps[i]);
}

static void rule_event(void *f_, struct pipeline *p, struct rule *rule, enum rule_event event,
                       uint8_t reason)
{
    struct fixture *f = f_;
    f->added += event == RULE_ADDED;
    f->modified += event == RULE_MODIFIED;
    f->removed += event == RULE_REMOVED;
    f->reason = reason;
}

static int setup(void **state)
{
    rcu_thread_join();
    struct fixture *f = NEW(struct fixture);
    f->all = pipelines_new();
    pipelines_set_observer(f->all, &(struct dep_observer){observed, f});
    f->p = pipeline_new(f->all, "br0");
    pipeline_set_events(f->p, &(struct pipeline_events){rule_event, f});
    f->now = 100 * NSEC_PER_SEC;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pipeline_free(f->p);
    pipelines_free(f->all);
    for (unsigned i = 0; i < 4; i++)
        rcu_flush();
    provenance_done(&f->told);
    free(f);
    return 0;
}

static void forget(struct fixture *f)
{
    provenance_done(&f->told);
    f->added = f->modified = f->removed = 0;
}

// "dst" 0: any IPv4 destination.
static void flow_mod(struct flow_mod *fm, enum flow_mod_command command, uint16_t priority,
                     uint32_t dst, ofp_port_t output)
{
    flow_mod_init(fm, command);
    fm->table = 0;
    fm->priority = priority;
    if (dst) {
        fm->match.value.key.eth_type = htons(0x0800);
        fm->match.mask.key.eth_type = UINT16_MAX;
        fm->match.value.key.ip4_dst = htonl(dst);
        fm->match.mask.key.ip4_dst = UINT32_MAX;
    }
    if (output)
        ofpact_list_add(&fm->actions, OFPACT_OUTPUT)->output.port = output;
}

static enum flow_mod_fault run(struct fixture *f, struct flow_mod *fm)
{
    enum flow_mod_fault fault = FLOW_MOD_OK;
    AUTO_ERR(err);
    int r = pipeline_flow_mod(f->p, fm, f->now, &fault, &err);
    assert_int_equal(r != 0, fault != FLOW_MOD_OK);
    assert_int_equal(r, err.code);
    flow_mod_done(fm);
    return fault;
}

static void add(struct fixture *f, uint16_t priority, uint32_t dst, ofp_port_t output)
{
    struct flow_mod fm;
    flow_mod(&fm, FLOW_ADD, priority, dst, output);
    assert_int_equal(run(f, &fm), FLOW_MOD_OK);
}

static size_t list(struct fixture *f, struct rule **rules, size_t max)
{
    struct rule_filter all = {.table = TABLE_ALL, .out_port = OFPP_NONE};
    struct rule_cursor cursor = {0};
    size_t n = pipeline_rules_next(f->p, &all, &cursor, SIZE_MAX, rules, max);
    assert_true(cursor.done);
    return n;
}

static struct rule *only(struct fixture *f)
{
    struct rule *rules[2];
    assert_int_equal(list(f, rules, 2), 1);
    return rules[0];
}

static void count(struct rule *rule, uint64_t packets)
{
    rule->stats->packets += packets;
}

static void add_replaces(void **state)
{
    struct fixture *f = *state;
    add(f, 10, 1, 1);
    count(only(f), 5);
    int64_t created = only(f)->created;
    f->now += NSEC_PER_SEC;
    forget(f);
    add(f, 10, 1, 2); // counters carried over, times not
    struct rule *rule = only(f);
    assert_int_equal(rule->actions.v[0].output.port, 2);
    assert_int_equal(rule->stats->packets, 5);
    assert_int_equal(rule->created, created + NSEC_PER_SEC);
    assert_int_equal(f->modified, 1);
    assert_int_equal(f->added, 0);
    struct flow_mod fm;
    flow_mod(&fm, FLOW_ADD, 10, 1, 2);
    fm.flags = FLOW_RESET_COUNTS;
    run(f, &fm);
    assert_int_equal(only(f)->stats->packets, 0);
}

static void overlap_is_checked(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    add(f, 10, 1, 1);
    flow_mod(&fm, FLOW_ADD, 10, 0, 1);
    fm.flags = FLOW_CHECK_OVERLAP;
    assert_int_equal(run(f, &fm), FLOW_MOD_OVERLAP);
    flow_mod(&fm, FLOW_ADD, 11, 0, 1); // another priority
    fm.flags = FLOW_CHECK_OVERLAP;
    assert_int_equal(run(f, &fm), FLOW_MOD_OK);
    flow_mod(&fm, FLOW_ADD, 10, 1, 1); // identical: replaces
    fm.flags = FLOW_CHECK_OVERLAP;
    assert_int_equal(run(f, &fm), FLOW_MOD_OK);
    flow_mod(&fm, FLOW_ADD, 10, 0, 1);
    fm.table = 254;
    assert_int_equal(run(f, &fm), FLOW_MOD_BAD_TABLE);
}

static void modify_keeps_counters_and_times(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    flow_mod(&fm, FLOW_ADD, 10, 1, 1);
    fm.new_cookie = 7;
    fm.idle_timeout = 30;
    run(f, &fm);
    struct rule *old = rule_ref(only(f));
    count(old, 3);
    f->now += 5 * NSEC_PER_SEC;
    flow_mod(&fm, FLOW_MODIFY, 0, 0, 2);
    fm.idle_timeout = 99;
    fm.new_cookie = 8;
    forget(f);
    run(f, &fm);
    struct rule *rule = only(f);
    count(old, 1); // a translation of before still counts
    assert_int_equal(rule->stats->packets, 4);
    assert_int_equal(rule->id, old->id);
    assert_int_equal(rule->created, old->created);
    assert_int_equal(rule->modified, f->now);
    assert_int_equal(rule->idle_timeout, 30);
    assert_int_equal(rule->cookie, 7);
    assert_int_equal(rule->actions.v[0].output.port, 2);
    assert_true(provenance_has(&f->told, dep_make(DEP_RULE, rule->id)));
    assert_int_equal(f->told.n, 1);
    rule_unref(old);
    // The same actions again: nothing to translate anew.
    forget(f);
    flow_mod(&fm, FLOW_MODIFY_STRICT, 10, 1, 2);
    fm.modify_cookie = true;
    fm.new_cookie = 9;
    run(f, &fm);
    assert_int_equal(f->told.n, 0);
    assert_int_equal(only(f)->cookie, 9);
    flow_mod(&fm, FLOW_MODIFY_STRICT, 10, 1, 2);
    fm.flags = FLOW_RESET_COUNTS;
    run(f, &fm);
    assert_int_equal(only(f)->stats->packets, 0);
}

static void modify_may_add(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    struct rule *rules[1];
    flow_mod(&fm, FLOW_MODIFY, 10, 1, 2);
    run(f, &fm);
    assert_int_equal(list(f, rules, 1), 0);
    flow_mod(&fm, FLOW_MODIFY, 10, 1, 2);
    fm.modify_may_add = true;
    run(f, &fm);
    assert_int_equal(only(f)->priority, 10);
    assert_int_equal(f->added, 1);
}

static void deletes_by_filters(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    for (unsigned i = 1; i <= 4; i++) {
        flow_mod(&fm, FLOW_ADD, 10 + i, i, i);
        fm.new_cookie = i;
        fm.table = i;
        run(f, &fm);
    }
    flow_mod(&fm, FLOW_DELETE, 0, 0, 0);
    fm.table = TABLE_ALL;
    fm.out_port = 2;
    run(f, &fm);
    assert_int_equal(f->removed, 1);
    assert_int_equal(f->reason, RULE_REMOVED_DELETE);
    flow_mod(&fm, FLOW_DELETE, 0, 0, 0);
    fm.table = TABLE_ALL;
    fm.cookie = 1;
    fm.cookie_mask = 0xff;
    run(f, &fm);
    assert_int_equal(f->removed, 2);
    flow_mod(&fm, FLOW_DELETE_STRICT, 14, 4, 0); // wrong table
    run(f, &fm);
    assert_int_equal(f->removed, 2);
    flow_mod(&fm, FLOW_DELETE_STRICT, 13, 4, 0); // wrong priority
    fm.table = 4;
    run(f, &fm);
    assert_int_equal(f->removed, 2);
    flow_mod(&fm, FLOW_DELETE_STRICT, 14, 4, 0);
    fm.table = TABLE_ALL;
    run(f, &fm);
    assert_int_equal(f->removed, 3);
    assert_int_equal(only(f)->table, 3);
}

static void added_rule_announces_what_it_may_take(void **state)
{
    struct fixture *f = *state;
    add(f, 10, 0, 1);
    uint64_t low = f->all->next_rule_id;
    add(f, 20, 5, 1);
    uint64_t other = f->all->next_rule_id;
    add(f, 40, 0, 1);
    uint64_t high = f->all->next_rule_id;
    forget(f);
    add(f, 30, 6, 1);
    assert_true(provenance_has(&f->told, dep_make(DEP_RULE, low)));
    assert_false(provenance_has(&f->told, dep_make(DEP_RULE, other)));
    assert_false(provenance_has(&f->told, dep_make(DEP_RULE, high)));
    assert_true(provenance_has(&f->told, dep_table_miss(f->p, 0)));
    // One change may look at many rules.
    for (unsigned i = 0; i < 300; i++)
        add(f, 20, 100 + i, 1);
    forget(f);
    f->now += NSEC_PER_SEC;
    add(f, 35, 0, 1);
    assert_int_equal(f->told.n, 304); // the 303 below, and the miss
    assert_true(provenance_has(&f->told, dep_make(DEP_RULE, other)));
    assert_false(provenance_has(&f->told, dep_table(f->p, 0)));
    // In a burst that is too many: the whole table.
    for (unsigned i = 0; i < 300; i++)
        add(f, 36 + i, 0, 1);
    forget(f);
    add(f, 34, 0, 1);
    assert_int_equal(f->told.n, 1);
    assert_true(provenance_has(&f->told, dep_table(f->p, 0)));
}

static void changes_are_numbered(void **state)
{
    struct fixture *f = *state;
    struct provenance p, q;
    provenance_init(&p);
    provenance_init(&q);
    provenance_add(&p, dep_table_miss(f->p, 0));
    provenance_add(&q, dep_table_miss(f->p, 1));
    uint64_t change = pipelines_change(f->all);
    assert_false(pipelines_changed_since(f->all, change, &p));
    add(f, 10, 1, 1);
    assert_true(pipelines_changed_since(f->all, change, &p));
    assert_false(pipelines_changed_since(f->all, change, &q));
    assert_false(pipelines_changed_since(f->all, pipelines_change(f->all), &p));
    for (unsigned i = 0; i < CHANGE_RING; i++)
        add(f, 10, 1, i + 1); // beyond memory: yes, to be safe
    assert_true(pipelines_changed_since(f->all, change, &q));
    provenance_done(&p);
    provenance_done(&q);
}

static void dump_survives_changes(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i <= 100; i++)
        add(f, i, i, 1);
    struct rule_filter filter = {.table = TABLE_ALL, .out_port = OFPP_NONE};
    struct rule_cursor cursor = {0};
    bool seen[201] = {false};
    struct flow_mod fm;
    for (unsigned step = 1; !cursor.done; step++) {
        struct rule *rules[7];
        size_t n = pipeline_rules_next(f->p, &filter, &cursor, 9, rules, 7);
        for (size_t i = 0; i < n; i++) {
            assert_false(seen[rules[i]->priority]);
            seen[rules[i]->priority] = true;
        }
        flow_mod(&fm, FLOW_DELETE, 0, step, 0); // one that was visited
        run(f, &fm);
        flow_mod(&fm, FLOW_MODIFY, 0, step + 50, 3);
        run(f, &fm);
        add(f, 100 + step, 1000 + step, 1);
    }
    for (unsigned i = 1; i <= 100; i++)
        assert_true(seen[i]);
    struct rule_totals totals = {0};
    cursor = (struct rule_cursor){0};
    filter.out_port = 3;
    while (!cursor.done)
        pipeline_aggregate_next(f->p, &filter, &cursor, 10, &totals);
    assert_in_range(totals.flows, 10, 30);
}

static void expires(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    flow_mod(&fm, FLOW_ADD, 1, 1, 1);
    fm.idle_timeout = 10;
    run(f, &fm);
    flow_mod(&fm, FLOW_ADD, 2, 2, 1);
    fm.hard_timeout = 20;
    run(f, &fm);
    int64_t start = f->now;
    struct rule *rules[3];
    assert_int_equal(list(f, rules, 3), 2);
    rules[0]->stats->used = start + 5 * NSEC_PER_SEC;
    pipelines_set_counter_lag(f->all, 2 * NSEC_PER_SEC);
    pipelines_run(f->all, start + 16 * NSEC_PER_SEC);
    assert_int_equal(f->removed, 0); // 11 s idle, but counters may be 2 s late
    pipelines_run(f->all, start + 17 * NSEC_PER_SEC);
    assert_int_equal(f->removed, 1);
    assert_int_equal(f->reason, RULE_REMOVED_IDLE);
    only(f)->stats->used = start + 19 * NSEC_PER_SEC;
    pipelines_run(f->all, start + 20 * NSEC_PER_SEC);
    assert_int_equal(f->removed, 2);
    assert_int_equal(f->reason, RULE_REMOVED_HARD);
    struct table_stats stats;
    pipeline_table_stats(f->p, 0, &stats);
    assert_int_equal(stats.active, 0);
}

// Removed rules are unlinked and freed once no reader can be in an old version.
static void memory_is_worked_off(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    for (unsigned i = 1; i <= 1000; i++)
        add(f, 10, i, 1);
    flow_mod(&fm, FLOW_DELETE, 0, 0, 0);
    run(f, &fm);
    for (unsigned i = 0; i < 3; i++) {
        rcu_flush();
        pipelines_run(f->all, f->now);
    }
    assert_int_equal(f->p->tables[0]->cls.n, 0);
    assert_int_equal(f->all->dead.n + f->all->dying.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(add_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(overlap_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(modify_keeps_counters_and_times, setup, teardown),
        cmocka_unit_test_setup_teardown(modify_may_add, setup, teardown),
        cmocka_unit_test_setup_teardown(deletes_by_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(added_rule_announces_what_it_may_take, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_numbered, setup, teardown),
        cmocka_unit_test_setup_teardown(dump_survives_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(expires, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_worked_off, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
