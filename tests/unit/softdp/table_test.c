// SPDX-License-Identifier: Apache-2.0
// The userspace datapath's flow table: what it finds, against a naive list; that last counters are exact and that a cache
// never answers with a flow that is gone, with a reader running beside the writer.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/rcu.h"
#include "lib/base/thread.h"
#include "slowpath/softdp/table.h"

static void describe(struct flow_desc *d, unsigned mask_kind, uint32_t a, uint32_t b, dp_port_t out)
{
    memset(d, 0, sizeof *d);
    d->key.in_port = 1 + mask_kind; // masks of one input port each: megaflows do not contradict each other
    d->mask.in_port = UINT32_MAX;
    d->mask.ip4_src = mask_kind == 0 ? 0 : UINT32_MAX;
    d->mask.ip4_dst = mask_kind == 2 ? htonl(0xffffff00) : UINT32_MAX;
    d->key.ip4_src = a & d->mask.ip4_src;
    d->key.ip4_dst = b & d->mask.ip4_dst;
    d->ufid = flow_desc_ufid(&d->key, &d->mask, "p", 0);
    act_list_add(&d->actions, ACT_OUTPUT)->port = out;
}

static int apply(struct soft_table *t, enum tier_op_type type, const struct flow_desc *d, struct tier_op *ret)
{
    struct tier_op op = {.type = type, .desc = d};

    soft_table_apply(t, &op, 1);
    if (ret)
        *ret = op;
    return op.error;
}

static dp_port_t output_of(struct soft_table *t, struct soft_cache *cache, const struct flow_key *key)
{
    rcu_enter();
    const struct soft_flow *f = soft_table_lookup(t, cache, key);
    dp_port_t port = f ? soft_flow_actions(f)->v[0].port : DP_PORT_NONE;
    rcu_leave();
    return port;
}

static void finds_what_a_list_finds(void **state)
{
    enum { N = 300, ROUNDS = 5000 };
    struct flow_desc d[N];
    bool in[N] = {0};
    struct soft_table *t = soft_table_new();
    struct soft_cache *cache = soft_cache_new();

    random_seed(7);
    for (unsigned i = 0; i < N; i++)
        describe(&d[i], i % 3, htonl(i * 7919), htonl(i << 8), i + 10);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = random_below(N), want = DP_PORT_NONE;

        if (random_below(4) == 0) {
            assert_int_equal(apply(t, in[i] ? TIER_REMOVE : TIER_INSTALL, &d[i], NULL), 0);
            in[i] = !in[i];
        }
        unsigned k = random_below(N);
        struct flow_key key = d[k].key;
        for (unsigned j = 0; j < N; j++) {
            if (in[j] && flow_key_equal_masked(&d[j].key, &key, &d[j].mask))
                want = j + 10;
        }
        assert_int_equal(output_of(t, cache, &key), want);
    }
    for (unsigned i = 0; i < N; i++)
        flow_desc_done(&d[i]);
    soft_cache_free(cache);
    soft_table_free(t);
}

static void refuses_twice_and_reports_missing(void **state)
{
    struct soft_table *t = soft_table_new();
    struct flow_desc d;
    struct tier_op op;

    describe(&d, 0, 1, 2, 3);
    assert_int_equal(apply(t, TIER_MODIFY, &d, &op), -ENOENT);
    assert_int_equal(op.refusal.error, -ENOENT);
    assert_int_equal(apply(t, TIER_REMOVE, &d, NULL), -ENOENT);
    assert_int_equal(apply(t, TIER_INSTALL, &d, NULL), 0);
    assert_int_equal(apply(t, TIER_INSTALL, &d, &op), -EEXIST);
    assert_true(strlen(op.refusal.sentence) > 0);
    assert_int_equal(soft_table_n_flows(t), 1);
    assert_int_equal(soft_table_n_masks(t), 1);
    soft_table_forget_port(t, 3);
    assert_int_equal(soft_table_n_flows(t), 0);
    assert_int_equal(soft_table_n_masks(t), 0);
    flow_desc_done(&d);
    soft_table_free(t);
}

// One thread looks up and counts without pause; the writer installs, modifies and removes. What the reader counted is what
// the removals report, in sum.
struct race {
    struct soft_table *t;
    struct flow_desc d[4];
    uint64_t hits;
    bool stop;
};

static void *reader(void *arg)
{
    struct race *r = arg;
    struct soft_cache *cache = soft_cache_new();

    for (unsigned i = 0; !__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE); i++) {
        rcu_enter();
        struct soft_flow *f = soft_table_lookup(r->t, cache, &r->d[i % 4].key);
        if (f) {
            const struct act_list *actions = soft_flow_actions(f);

            assert(actions->n == 1 && actions->v[0].port >= 50);
            soft_flow_count(f, 1, 64, 0, 1);
            r->hits++;
        }
        rcu_leave();
    }
    soft_cache_free(cache);
    return NULL;
}

static void counts_each_packet_once(void **state)
{
    struct race r = {.t = soft_table_new()};
    struct thread *thread = NULL;
    struct tier_op op;
    uint64_t reported = 0;

    for (unsigned i = 0; i < 4; i++)
        describe(&r.d[i], i % 3, htonl(i), htonl(i << 8), 50 + i);
    assert_int_equal(thread_start(&thread, "reader", reader, &r, NULL), 0);
    for (unsigned round = 0; round < 400; round++) {
        struct flow_desc *d = &r.d[round % 4];

        assert_int_equal(apply(r.t, TIER_INSTALL, d, NULL), 0);
        assert_int_equal(apply(r.t, TIER_MODIFY, d, &op), 0);
        assert_true(op.counters_continue);
        assert_int_equal(apply(r.t, TIER_REMOVE, d, &op), 0);
        assert_int_equal(op.final, TIER_FINAL_EXACT);
        reported += op.last.packets;
    }
    __atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
    thread_join(thread);
    assert_true(r.hits == reported);
    for (unsigned i = 0; i < 4; i++)
        flow_desc_done(&r.d[i]);
    soft_table_free(r.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_list_finds),
        cmocka_unit_test(refuses_twice_and_reports_missing),
        cmocka_unit_test(counts_each_packet_once),
    };

    rcu_thread_join();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rcu_flush();
    return failed;
}
