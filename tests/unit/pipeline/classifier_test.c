// SPDX-License-Identifier: Apache-2.0
// The classifier against its naive twin, a list of all rules: the same priority is found, and every
// packet that agrees on the bits looked at finds the same. Also how few bits those are.
#include "tests/unit/pipeline/pipeline_test.h"

#include "lib/base/rcu.h"
#include "slowpath/pipeline/pipeline_private.h"

struct world {
    struct pipelines *all;
    struct pipeline *p;
    struct classifier cls;
    uint64_t version;
    struct rule **rules;
    size_t n, allocated;
};

static int setup(void **state)
{
    rcu_thread_join();
    struct world *w = NEW(struct world);
    w->all = pipelines_new();
    w->p = pipeline_new(w->all, "br0");
    w->version = 1;
    classifier_init(&w->cls);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    classifier_done(&w->cls);
    pipeline_free(w->p);
    pipelines_free(w->all);
    rcu_flush();
    rcu_flush();
    rcu_flush();
    free(w->rules);
    free(w);
    return 0;
}

static struct rule *add(struct world *w, const struct match *m, uint16_t priority)
{
    struct rule *rule = rule_new(w->p, 0, m);
    rule->priority = priority;
    rule->added_in = w->version;
    if (classifier_find(&w->cls, &rule->match, priority)) {
        rule_unref(rule);
        return NULL;
    }
    classifier_insert(&w->cls, rule);
    classifier_publish(&w->cls);
    GROW_ARRAY(w->rules, w->allocated, w->n + 1);
    return w->rules[w->n++] = rule;
}

static void del(struct world *w, size_t i)
{
    struct rule *rule = w->rules[i];
    w->rules[i] = w->rules[--w->n];
    classifier_remove(&w->cls, rule);
    classifier_publish(&w->cls);
    rule_unref(rule);
}

static int naive(const struct world *w, uint64_t version, const struct flow *f)
{
    int best = -1;
    for (size_t i = 0; i < w->n; i++) {
        struct match m;
        rule_match(w->rules[i], &m);
        if (w->rules[i]->added_in <= version && version < w->rules[i]->removed_in &&
            match_takes(&m, f) && w->rules[i]->priority > best)
            best = w->rules[i]->priority;
    }
    return best;
}

static int found(const struct world *w, uint64_t version, const struct flow *f, struct flow *wc)
{
    rcu_enter();
    struct rule *rule = classifier_lookup(&w->cls, version, f, wc);
    int priority = rule ? rule->priority : -1;
    rcu_leave();
    return priority;
}

// Blends stay valid packets only if what the mask needs is there, as translation guarantees.
static void always_known(struct flow *wc)
{
    wc->key.eth_type = UINT16_MAX;
    wc->key.ip_frag = UINT8_MAX;
}

static void compare(const struct world *w, unsigned packets)
{
    for (unsigned i = 0; i < packets; i++) {
        struct flow f, other, mixed, wc = {0};
        random_packet(&f);
        uint64_t version = random_below(4) ? w->version : 1 + random_below(w->version);
        int priority = naive(w, version, &f);
        assert_int_equal(found(w, version, &f, &wc), priority);
        always_known(&wc);
        for (unsigned k = 0; k < 6; k++) {
            random_packet(&other);
            blend(&f, &other, &wc, &mixed);
            assert_int_equal(naive(w, version, &mixed), priority);
        }
    }
}

static void agrees_with_naive(void **state)
{
    struct world *w = *state;
    for (unsigned round = 0; round < 40; round++) {
        random_seed(round);
        unsigned size = random_below(60);
        for (unsigned i = 0; i < 40; i++) {
            struct flow like;
            struct match m;
            w->version++;
            if (w->n > size) {
                del(w, random_below(w->n));
            } else if (!random_below(6) && w->n) {
                struct rule *rule = w->rules[random_below(w->n)];
                if (rule->removed_in == RULE_NEVER)
                    rule->removed_in = w->version;
            } else {
                random_packet(&like);
                random_match(&like, &m);
                add(w, &m, random_below(3) ? random_below(8) : random_below(60000));
            }
        }
        compare(w, 60);
    }
    while (w->n)
        del(w, w->n - 1);
    compare(w, 10);
    assert_int_equal(w->cls.n, 0);
}

static void grows_and_shrinks(void **state)
{
    struct world *w = *state;
    struct match m = {0};
    memset(&m.mask.key.ip4_dst, 0xff, 4);
    m.mask.key.eth_type = UINT16_MAX;
    m.value.key.eth_type = htons(0x0800);
    for (unsigned i = 0; i < 3000; i++) {
        m.value.key.ip4_dst = htonl(0x0a000000 + i);
        assert_non_null(add(w, &m, 1000 + i % 7));
    }
    assert_null(add(w, &m, 1000 + 2999 % 7));
    struct flow f = {0}, wc = {0};
    f.key.eth_type = htons(0x0800);
    for (unsigned i = 0; i < 3000; i++) {
        f.key.ip4_dst = htonl(0x0a000000 + i);
        assert_int_equal(found(w, w->version, &f, &wc), 1000 + i % 7);
    }
    rcu_flush();
    while (w->n > 10)
        del(w, random_below(w->n));
    rcu_flush();
    while (w->n > 1)
        del(w, 0);
    struct match left;
    rule_match(w->rules[0], &left);
    f = left.value;
    assert_int_equal(found(w, w->version, &f, &wc), w->rules[0]->priority);
    del(w, 0);
    assert_int_equal(found(w, w->version, &f, &wc), -1);
}

static void match_ip4(struct match *m, uint32_t addr, unsigned len)
{
    memset(m, 0, sizeof(*m));
    m->value.key.eth_type = htons(0x0800);
    m->mask.key.eth_type = UINT16_MAX;
    m->mask.key.ip4_dst = htonl(UINT32_MAX << (32 - len));
    m->value.key.ip4_dst = htonl(addr) & m->mask.key.ip4_dst;
}

// With routes to 10.1.0.0/16 and 10.1.2.3/32, a packet to 10.9.9.9 differs from both in bit 12
// already; one to 11.0.0.1 in bit 7.
static void masks_of_addresses_are_wide(void **state)
{
    struct world *w = *state;
    struct match m;
    match_ip4(&m, 0x0a010000, 16);
    add(w, &m, 10);
    match_ip4(&m, 0x0a010203, 32);
    add(w, &m, 20);
    struct flow f = {0}, wc = {0};
    f.key.eth_type = htons(0x0800);
    f.key.ip4_dst = htonl(0x0a090909);
    assert_int_equal(found(w, w->version, &f, &wc), -1);
    assert_int_equal(ntohl(wc.key.ip4_dst), 0xfff80000);
    memset(&wc, 0, sizeof(wc));
    f.key.ip4_dst = htonl(0x0b000001);
    assert_int_equal(found(w, w->version, &f, &wc), -1);
    assert_int_equal(ntohl(wc.key.ip4_dst), 0xff000000);
    memset(&wc, 0, sizeof(wc));
    f.key.ip4_dst = htonl(0x0a010a00);
    assert_int_equal(found(w, w->version, &f, &wc), 10);
    assert_int_equal(ntohl(wc.key.ip4_dst), 0xfffff800);
}

// A rule for TCP port 80: a packet to port 443 needs only so many bits of its port as differ.
static void masks_of_ports_are_wide(void **state)
{
    struct world *w = *state;
    struct match m = {0};
    m.value.key.eth_type = htons(0x0800);
    m.mask.key.eth_type = UINT16_MAX;
    m.value.key.ip_proto = 6;
    m.mask.key.ip_proto = UINT8_MAX;
    m.value.key.tp_dst = htons(80);
    m.mask.key.tp_dst = UINT16_MAX;
    add(w, &m, 10);
    struct flow f = m.value, wc = {0};
    f.key.tp_src = htons(12345);
    f.key.tp_dst = htons(443); // 0x01bb; 80 is 0x0050
    assert_int_equal(found(w, w->version, &f, &wc), -1);
    assert_int_equal(ntohs(wc.key.tp_dst), 0xff00);
    assert_int_equal(wc.key.tp_src, 0);
    assert_int_equal(wc.key.ip_proto, UINT8_MAX);
}

// A rule for another port of the switch says nothing about addresses.
static void stages_keep_later_fields_out(void **state)
{
    struct world *w = *state;
    struct match m;
    match_ip4(&m, 0x0a010203, 32);
    m.value.pipe.in_port = 7;
    m.mask.pipe.in_port = UINT32_MAX;
    memset(&m.mask.key.eth_src, 0xff, 6);
    add(w, &m, 10);
    struct flow f = m.value, wc = {0};
    f.pipe.in_port = 8;
    assert_int_equal(found(w, w->version, &f, &wc), -1);
    assert_int_equal(wc.key.ip4_dst, 0);
    assert_int_equal(wc.key.eth_src.b[0], 0);
}

// A subtable that cannot do better than what was found isn't looked into.
static void lower_priorities_are_not_asked(void **state)
{
    struct world *w = *state;
    struct match m = {0};
    add(w, &m, 50);
    match_ip4(&m, 0x0a010203, 32);
    add(w, &m, 40);
    struct flow f = m.value, wc = {0};
    assert_int_equal(found(w, w->version, &f, &wc), 50);
    assert_int_equal(wc.key.ip4_dst, 0);
}

struct collected {
    struct world *w;
    size_t n;
    bool (*wanted)(const struct rule *, const struct rule_words *);
    const struct rule_words *rw;
};

static bool count_rule(void *c_, struct rule *rule)
{
    struct collected *c = c_;
    assert_true(c->wanted(rule, c->rw));
    c->n++;
    return true;
}

static bool naive_overlap(const struct rule *rule, const struct rule_words *rw)
{
    return rule_words_overlap(&rule->match, rw);
}

static bool naive_loose(const struct rule *rule, const struct rule_words *rw)
{
    return rule_words_loose(&rule->match, rw);
}

// The twin of the two comparisons themselves, bit by bit.
static void compare_words(const struct match *a, const struct match *b)
{
    AUTO_FREE struct rule_words *x = rule_words_from(a), *y = rule_words_from(b);
    const uint64_t *va = (const uint64_t *)&a->value, *ma = (const uint64_t *)&a->mask;
    const uint64_t *vb = (const uint64_t *)&b->value, *mb = (const uint64_t *)&b->mask;
    bool overlap = true, loose = true;
    for (size_t i = 0; i < FLOW_U64S; i++) {
        overlap &= !((va[i] ^ vb[i]) & ma[i] & mb[i]);
        loose &= !(mb[i] & ~ma[i]) && !((va[i] ^ vb[i]) & mb[i]);
    }
    assert_int_equal(rule_words_overlap(x, y), overlap);
    assert_int_equal(rule_words_loose(x, y), loose);
}

static void finds_by_criteria(void **state)
{
    struct world *w = *state;
    random_seed(5);
    struct match m, previous = {0};
    struct flow like;
    for (unsigned i = 0; i < 300; i++) {
        random_packet(&like);
        random_match(&like, &m);
        compare_words(&m, &previous);
        compare_words(&m, &m);
        previous = m;
        add(w, &m, random_below(100));
    }
    for (unsigned i = 0; i < 200; i++) {
        random_packet(&like);
        random_match(&like, &m);
        AUTO_FREE struct rule_words *rw = rule_words_from(&m);
        struct collected overlaps = {w, 0, naive_overlap, rw}, loose = {w, 0, naive_loose, rw};
        uint16_t max = random_below(100);
        size_t budget = SIZE_MAX;
        assert_true(classifier_each_overlap(&w->cls, rw, 10, max, &budget, count_rule, &overlaps));
        classifier_each_loose(&w->cls, rw, count_rule, &loose);
        for (size_t k = 0; k < w->n; k++) {
            uint16_t priority = w->rules[k]->priority;
            overlaps.n -= priority >= 10 && priority <= max && naive_overlap(w->rules[k], rw);
            loose.n -= naive_loose(w->rules[k], rw);
        }
        assert_int_equal(overlaps.n, 0);
        assert_int_equal(loose.n, 0);
    }
}

static struct prefix random_prefix(void)
{
    struct prefix p = {random_u64() & 0xf0000000f000000f, random_u64() & 0xf00000000000000f};
    return p;
}

// Lengths found against a list; values agreeing on the bits told get the same answer.
static void trie_agrees_with_naive(void **state)
{
    struct prefix_trie trie = {0};
    struct {
        struct prefix value;
        unsigned len;
    } list[200];
    unsigned n = 0;
    random_seed(9);
    for (unsigned round = 0; round < 4000; round++) {
        if (n == 200 || (n && random_below(3) == 0)) {
            unsigned i = random_below(n);
            prefix_trie_remove(&trie, list[i].value, list[i].len);
            list[i] = list[--n];
        } else {
            list[n].len = random_below(4) ? random_below(129) : 128;
            struct prefix mask = prefix_mask(list[n].len), v = random_prefix();
            list[n].value = (struct prefix){v.hi & mask.hi, v.lo & mask.lo};
            prefix_trie_insert(&trie, list[n].value, list[n].len);
            n++;
        }
        struct prefix v = random_prefix(), other = random_prefix();
        if (n && random_below(2))
            v = list[random_below(n)].value;
        struct prefix_lens lens, want = {{0}}, again;
        unsigned bits = prefix_trie_lookup(&trie, v, &lens);
        assert_true(bits <= 128);
        for (unsigned i = 0; i < n; i++) {
            struct prefix mask = prefix_mask(list[i].len);
            if ((v.hi & mask.hi) == list[i].value.hi && (v.lo & mask.lo) == list[i].value.lo)
                want.w[list[i].len / 64] |= UINT64_C(1) << (list[i].len % 64);
        }
        assert_memory_equal(&lens, &want, sizeof(want));
        struct prefix known = prefix_mask(bits);
        other.hi = (v.hi & known.hi) | (other.hi & ~known.hi);
        other.lo = (v.lo & known.lo) | (other.lo & ~known.lo);
        prefix_trie_lookup(&trie, other, &again);
        assert_memory_equal(&again, &want, sizeof(want));
    }
    while (n) {
        n--;
        prefix_trie_remove(&trie, list[n].value, list[n].len);
    }
    assert_null(trie.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(agrees_with_naive, setup, teardown),
        cmocka_unit_test_setup_teardown(grows_and_shrinks, setup, teardown),
        cmocka_unit_test_setup_teardown(masks_of_addresses_are_wide, setup, teardown),
        cmocka_unit_test_setup_teardown(masks_of_ports_are_wide, setup, teardown),
        cmocka_unit_test_setup_teardown(stages_keep_later_fields_out, setup, teardown),
        cmocka_unit_test_setup_teardown(lower_priorities_are_not_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_by_criteria, setup, teardown),
        cmocka_unit_test_setup_teardown(trie_agrees_with_naive, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
