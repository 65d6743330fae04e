// SPDX-License-Identifier: Apache-2.0
// Sparse flows against their naive twin: dense flows compared and masked word by word.
#include "tests/unit/flow/flow_test.h"

#include <stdlib.h>

#include "lib/flow/sparse.h"

static void random_mask(struct flow *mask)
{
    uint64_t *words = (uint64_t *)mask;
    for (size_t i = 0; i < FLOW_U64S; i++)
        words[i] = random_below(3) ? 0 : random_u64();
}

static void random_flow(struct flow *flow)
{
    uint64_t *words = (uint64_t *)flow;
    for (size_t i = 0; i < FLOW_U64S; i++)
        words[i] = random_u64() & 0x0101010101010101; // few values, so that flows meet
}

static bool dense_equal(const struct flow *a, const struct flow *b, const struct flow *mask,
                        size_t n_words)
{
    const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b, *m = (const uint64_t *)mask;
    for (size_t i = 0; i < n_words; i++)
        if ((x[i] & m[i]) != (y[i] & m[i]))
            return false;
    return true;
}

static void agrees_with_dense(void **state)
{
    unsigned equal = 0;
    random_seed(3);
    for (unsigned round = 0; round < 3000; round++) {
        struct flow mask = {0}, value, other;
        if (round % 2)
            random_mask(&mask);
        else
            ((uint64_t *)&mask)[random_below(FLOW_U64S)] = random_below(4);
        random_flow(&value);
        random_flow(&other);

        struct sparse *m = sparse_from_mask(&mask), *v = sparse_value(&value, m),
                      *o = sparse_value(&other, m);
        bool same = dense_equal(&value, &other, &mask, FLOW_U64S);
        equal += same;
        assert_int_equal(sparse_matches_flow(v, m, &other), same);
        assert_true(sparse_matches_flow(v, m, &value));
        assert_int_equal(sparse_equal(v, o), same);
        assert_int_equal(sparse_hash_flow(&value, m, round), sparse_hash(v, round));
        if (same)
            assert_int_equal(sparse_hash_flow(&other, m, round), sparse_hash(v, round));

        struct flow back;
        sparse_expand(m, &back);
        assert_memory_equal(&back, &mask, sizeof(back));
        sparse_expand(v, &back);
        assert_true(dense_equal(&back, &value, &mask, FLOW_U64S));
        assert_int_equal(sparse_n(m), __builtin_popcountll(m->map));
        assert_int_equal(sparse_size(m), 8 + 8 * sparse_n(m));
        free(m);
        free(v);
        free(o);
    }
    assert_in_range(equal, 100, 2900); // both outcomes were seen
}

static void keys_are_flows_cut_short(void **state)
{
    random_seed(4);
    for (unsigned round = 0; round < 500; round++) {
        struct flow mask, value, other;
        random_mask(&mask);
        memset(&mask.pipe, 0, sizeof(mask.pipe));
        random_flow(&value);
        random_flow(&other);
        struct sparse *m = sparse_from_key_mask(&mask.key), *same = sparse_from_mask(&mask),
                      *v = sparse_value(&value, m);
        assert_true(sparse_equal(m, same));
        assert_int_equal(sparse_hash_key(&value.key, m, 5), sparse_hash_flow(&value, m, 5));
        assert_true(sparse_matches_key(v, m, &value.key));
        assert_int_equal(sparse_matches_key(v, m, &other.key),
                         flow_key_equal_masked(&value.key, &other.key, &mask.key));
        free(m);
        free(same);
        free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_dense),
        cmocka_unit_test(keys_are_flows_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
