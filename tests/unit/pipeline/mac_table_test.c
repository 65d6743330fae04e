// SPDX-License-Identifier: Apache-2.0
// The MAC table: learning, moving, ageing, limits, static entries, and that every difference a
// lookup could see is told.
#include "tests/unit/pipeline/pipeline_test.h"

#include "lib/base/rcu.h"
#include "slowpath/l2/mac_table.h"

struct fixture {
    struct mac_table *t;
    unsigned changes;
    uint16_t vlan;
    struct eth_addr addr;
};

static void changed(void *f_, uint16_t vlan, const struct eth_addr *addr)
{
    struct fixture *f = f_;
    f->changes++;
    f->vlan = vlan;
    f->addr = *addr;
}

static int setup(void **state)
{
    rcu_thread_join();
    struct fixture *f = NEW(struct fixture);
    f->t = mac_table_new(changed, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mac_table_free(f->t);
    free(f);
    rcu_flush();
    return 0;
}

static struct eth_addr mac(uint32_t n)
{
    return (struct eth_addr){{0x02, 0, n >> 24, n >> 16, n >> 8, n}};
}

static int64_t at(unsigned seconds)
{
    return (int64_t)seconds * NSEC_PER_SEC + 1;
}

static bool known(const struct fixture *f, uint16_t vlan, uint32_t n, ofp_port_t *port)
{
    struct eth_addr a = mac(n);
    rcu_enter();
    bool found = mac_table_lookup(f->t, vlan, &a, port);
    rcu_leave();
    return found;
}

static bool learn(struct fixture *f, uint16_t vlan, uint32_t n, ofp_port_t port, unsigned seconds)
{
    struct eth_addr a = mac(n);
    return mac_table_learn(f->t, vlan, &a, port, at(seconds));
}

static void learns_and_moves(void **state)
{
    struct fixture *f = *state;
    ofp_port_t port = 99;
    assert_false(known(f, 0, 1, &port));
    assert_int_equal(port, 99);
    assert_true(learn(f, 0, 1, 5, 0));
    assert_int_equal(f->changes, 1);
    assert_true(known(f, 0, 1, &port));
    assert_int_equal(port, 5);
    assert_false(known(f, 10, 1, &port)); // another VLAN is another address
    assert_false(learn(f, 0, 1, 5, 1));
    assert_int_equal(f->changes, 1);
    assert_true(learn(f, 0, 1, 6, 2));
    assert_int_equal(f->changes, 2);
    assert_true(known(f, 0, 1, &port));
    assert_int_equal(port, 6);
    struct mac_stats stats;
    mac_table_stats(f->t, &stats);
    assert_int_equal(stats.learned, 1);
    assert_int_equal(stats.moved, 1);
}

static void ignores_what_is_no_host(void **state)
{
    struct fixture *f = *state;
    struct eth_addr group = {{1, 0, 0x5e, 0, 0, 1}}, zero = {{0}};
    assert_false(mac_table_learn(f->t, 0, &group, 1, at(0)));
    assert_false(mac_table_learn(f->t, 0, &zero, 1, at(0)));
    assert_int_equal(f->changes, 0);
}

static void ages(void **state)
{
    struct fixture *f = *state;
    ofp_port_t port;
    mac_table_set_ageing(f->t, 20);
    learn(f, 7, 1, 1, 0);
    learn(f, 7, 2, 2, 0);
    learn(f, 7, 2, 2, 15); // young again
    mac_table_run(f->t, at(19));
    assert_true(known(f, 7, 1, &port));
    mac_table_run(f->t, at(20));
    assert_false(known(f, 7, 1, &port));
    assert_true(known(f, 7, 2, &port));
    assert_int_equal(f->changes, 3);
    assert_int_equal(f->vlan, 7);
    assert_int_equal(f->addr.b[5], 1);
    mac_table_set_ageing(f->t, 1); // taken as 15
    mac_table_run(f->t, at(29));
    assert_true(known(f, 7, 2, &port));
    mac_table_run(f->t, at(30));
    assert_false(known(f, 7, 2, &port));
}

static void limit_evicts(void **state)
{
    struct fixture *f = *state;
    struct mac_stats stats;
    mac_table_set_limit(f->t, 100);
    for (unsigned i = 0; i < 300; i++)
        learn(f, 0, i, 1, i);
    mac_table_stats(f->t, &stats);
    assert_int_equal(stats.entries, 100);
    assert_int_equal(stats.evicted, 200);
    assert_int_equal(f->changes, 500);
    mac_table_set_limit(f->t, 10);
    mac_table_run(f->t, at(300));
    mac_table_stats(f->t, &stats);
    assert_int_equal(stats.entries, 10);
}

static void static_entries_stay(void **state)
{
    struct fixture *f = *state;
    struct eth_addr a = mac(1);
    ofp_port_t port;
    learn(f, 0, 1, 3, 0);
    assert_int_equal(mac_table_add_static(f->t, 0, &a, 4), 0);
    assert_int_equal(mac_table_add_static(f->t, 0, &a, 5), -EEXIST);
    assert_false(learn(f, 0, 1, 9, 1));
    mac_table_flush(f->t);
    mac_table_run(f->t, at(100000));
    assert_true(known(f, 0, 1, &port));
    assert_int_equal(port, 4);
    assert_true(mac_table_del(f->t, 0, &a));
    assert_false(mac_table_del(f->t, 0, &a));
    assert_false(known(f, 0, 1, &port));
}

static bool is_port_1(const void *aux, ofp_port_t port)
{
    return port == 1;
}

static void flushes(void **state)
{
    struct fixture *f = *state;
    ofp_port_t port;
    for (unsigned i = 0; i < 20; i++)
        learn(f, 0, i, 1 + i % 2, 0);
    f->changes = 0;
    mac_table_flush_ports(f->t, is_port_1, NULL);
    assert_int_equal(f->changes, 10);
    assert_false(known(f, 0, 0, &port));
    assert_true(known(f, 0, 1, &port));
    mac_table_flush(f->t);
    assert_int_equal(f->changes, 20);
    assert_false(known(f, 0, 1, &port));
}

static void shows(void **state)
{
    struct fixture *f = *state;
    struct str s = STR_INIT;
    struct eth_addr a = mac(0xabcd);
    learn(f, 0, 2, OFPP_LOCAL, 5);
    learn(f, 20, 1, 1, 2);
    mac_table_add_static(f->t, 3, &a, 12);
    mac_table_format(f->t, at(12), &s);
    assert_string_equal(str_text(&s), " port  VLAN  MAC                Age\n"
                                      "    1    20  02:00:00:00:00:01   10\n"
                                      "LOCAL     0  02:00:00:00:00:02    7\n"
                                      "   12     3  02:00:00:00:ab:cd  static\n");
    str_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(learns_and_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(ignores_what_is_no_host, setup, teardown),
        cmocka_unit_test_setup_teardown(ages, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_evicts, setup, teardown),
        cmocka_unit_test_setup_teardown(static_entries_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(flushes, setup, teardown),
        cmocka_unit_test_setup_teardown(shows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
