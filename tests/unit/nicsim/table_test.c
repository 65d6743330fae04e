// SPDX-License-Identifier: Apache-2.0
// nicsim's table: priority, masks, replacement, capacity, faults, counters and their cache,
// refusals; and a naive twin (a list searched from end to end) on seeded random rules and packets.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nicsim/core/eswitch.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/base/rcu.h"

#define PORTS 4

static int setup(void **state)
{
    struct nicsim_eswitch *sw = nicsim_eswitch_new();
    for (uint32_t p = 0; p < PORTS; p++)
        assert_int_equal(nicsim_port_add(sw, p), 0);
    *state = sw;
    return 0;
}

static int teardown(void **state)
{
    nicsim_eswitch_free(*state);
    rcu_flush();
    return 0;
}

static const struct nicsim_action to_port[PORTS] = {
    {.type = NICSIM_REDIRECT, .port = 0},
    {.type = NICSIM_REDIRECT, .port = 1},
    {.type = NICSIM_REDIRECT, .port = 2},
    {.type = NICSIM_REDIRECT, .port = 3},
};

// A rule on in-port 1 that sends to `port`.
static struct nicsim_rule_spec rule_on_port(uint64_t id, uint32_t priority, uint32_t port)
{
    return (struct nicsim_rule_spec){
        .id = {.lo = id},
        .priority = priority,
        .key = {.in_port = 1},
        .mask = {.in_port = ~0u},
        .actions = {.n = 1, .v = &to_port[port]},
    };
}

static void insert(struct nicsim_eswitch *sw, const struct nicsim_rule_spec *spec)
{
    struct nicsim_refusal why = {0};
    assert_int_equal(nicsim_rule_insert(sw, spec, &why), 0);
}

// The port to which the table redirects, -1 for a miss. Counts one frame of 100 bytes.
static int send_frame(struct nicsim_eswitch *sw, const struct nicsim_key *key)
{
    int port = -1;
    rcu_enter();
    struct nicsim_rule *rule = nicsim_lookup(sw, key);
    if (rule) {
        port = (int)nicsim_rule_actions(rule).v[0].port;
        nicsim_rule_hit(sw, rule, 1, 100);
    }
    rcu_leave();
    return port;
}

static struct nicsim_stats stats(struct nicsim_eswitch *sw, uint64_t id)
{
    struct nicsim_stats s;
    assert_int_equal(nicsim_rule_stats(sw, &(struct nicsim_rule_id){.lo = id}, &s), 0);
    return s;
}

static void test_priority(void **state)
{
    struct nicsim_eswitch *sw = *state;
    struct nicsim_key key = {.in_port = 1, .eth_type = htons(0x0800)};
    struct nicsim_rule_spec spec = rule_on_port(1, 20, 1);

    assert_int_equal(send_frame(sw, &key), -1);
    insert(sw, &spec);
    assert_int_equal(send_frame(sw, &key), 1);
    // A better priority wins whichever came first, and whichever mask it has.
    spec = rule_on_port(2, 10, 2);
    spec.mask.eth_type = 0xffff;
    spec.key.eth_type = htons(0x0800);
    insert(sw, &spec);
    assert_int_equal(send_frame(sw, &key), 2);
    spec = rule_on_port(3, 30, 3);
    insert(sw, &spec);
    assert_int_equal(send_frame(sw, &key), 2);
    // The other in-port misses.
    assert_int_equal(send_frame(sw, &(struct nicsim_key){.in_port = 2}), -1);

    assert_int_equal(nicsim_rule_remove(sw, &(struct nicsim_rule_id){.lo = 2}, NULL), 0);
    assert_int_equal(send_frame(sw, &key), 1);
    assert_int_equal(nicsim_rule_remove(sw, &(struct nicsim_rule_id){.lo = 1}, NULL), 0);
    assert_int_equal(send_frame(sw, &key), 3);
    assert_int_equal(nicsim_rule_remove(sw, &(struct nicsim_rule_id){.lo = 1}, NULL), -ENOENT);
}

// Old and new stand side by side; the new one acts at once, the old one again if the new one goes.
static void test_replace(void **state)
{
    struct nicsim_eswitch *sw = *state;
    struct nicsim_key key = {.in_port = 1};
    struct nicsim_rule_spec old = rule_on_port(1, 10, 1), new = rule_on_port(2, 10, 2);
    struct nicsim_refusal why;

    insert(sw, &old);
    assert_int_equal(nicsim_rule_insert(sw, &old, &why), -EEXIST);
    insert(sw, &new);
    assert_int_equal(nicsim_eswitch_used(sw), 2);
    assert_int_equal(send_frame(sw, &key), 2);
    assert_int_equal(nicsim_rule_remove(sw, &new.id, NULL), 0);
    assert_int_equal(send_frame(sw, &key), 1);
    insert(sw, &new);
    assert_int_equal(nicsim_rule_remove(sw, &old.id, NULL), 0);
    assert_int_equal(send_frame(sw, &key), 2);
}

static void test_modify(void **state)
{
    struct nicsim_eswitch *sw = *state;
    struct nicsim_key key = {.in_port = 1};
    struct nicsim_rule_spec spec = rule_on_port(1, 10, 1);
    struct nicsim_actions to3 = {.n = 1, .v = &to_port[3]}, none = {0};
    struct nicsim_refusal why;

    nicsim_knob_set(sw, NICSIM_CACHE_AGE_MS, 0);
    insert(sw, &spec);
    send_frame(sw, &key);
    assert_int_equal(nicsim_rule_modify(sw, &spec.id, &to3, &why), 0);
    assert_int_equal(send_frame(sw, &key), 3);
    assert_int_equal(stats(sw, 1).frames, 2);
    assert_int_equal(nicsim_rule_modify(sw, &spec.id, &none, &why), -EOPNOTSUPP);
    assert_int_equal(send_frame(sw, &key), 3);
    assert_int_equal(nicsim_rule_modify(sw, &(struct nicsim_rule_id){.lo = 9}, &to3, &why),
                     -ENOENT);
}

static void test_capacity_and_faults(void **state)
{
    struct nicsim_eswitch *sw = *state;
    struct nicsim_rule_spec spec[3] = {rule_on_port(1, 1, 1), rule_on_port(2, 2, 2),
                                       rule_on_port(3, 3, 3)};
    struct nicsim_refusal why;
    struct nicsim_stats s;

    nicsim_knob_set(sw, NICSIM_CAPACITY, 2);
    insert(sw, &spec[0]);
    insert(sw, &spec[1]);
    assert_int_equal(nicsim_rule_insert(sw, &spec[2], &why), -ENOSPC);
    assert_int_equal(why.error, -ENOSPC);
    assert_int_equal(why.culprit, NICSIM_CULPRIT_TABLE);
    assert_string_equal(why.sentence, "nicsim: the table is full");
    nicsim_rule_remove(sw, &spec[0].id, NULL);
    insert(sw, &spec[2]);

    nicsim_knob_set(sw, NICSIM_CAPACITY, 100);
    nicsim_knob_set(sw, NICSIM_FAIL_INSERTS, 1);
    nicsim_knob_set(sw, NICSIM_FAIL_ERRNO, EBUSY);
    assert_int_equal(nicsim_rule_insert(sw, &spec[0], &why), -EBUSY);
    insert(sw, &spec[0]);
    assert_int_equal(nicsim_knob_get(sw, NICSIM_FAIL_INSERTS), 0);
    assert_int_equal(nicsim_knob_set(sw, NICSIM_FAIL_ERRNO, 0), -ERANGE);

    nicsim_knob_set(sw, NICSIM_FAIL_STATS, 1);
    assert_int_equal(nicsim_rule_stats(sw, &spec[0].id, &s), -EIO);
    assert_int_equal(nicsim_rule_stats(sw, &spec[0].id, &s), 0);

    nicsim_eswitch_flush(sw);
    assert_int_equal(nicsim_eswitch_used(sw), 0);
    assert_int_equal(nicsim_rule_stats(sw, &spec[0].id, &s), -ENOENT);
    assert_int_equal(send_frame(sw, &(struct nicsim_key){.in_port = 1}), -1);
    insert(sw, &spec[0]);
}

// Readings stand still within a tick and jump at its end; a taking hands out each frame once.
static void test_cache(void **state)
{
    struct nicsim_eswitch *sw = *state;
    struct nicsim_key key = {.in_port = 1};
    struct nicsim_rule_spec spec = rule_on_port(1, 1, 1);
    struct nicsim_stats s;

    clock_stop();
    clock_warp(1000 * NSEC_PER_MSEC -
               clock_now() % (1000 * NSEC_PER_MSEC)); // to the start of a tick
    nicsim_knob_set(sw, NICSIM_CACHE_AGE_MS, 1000);
    insert(sw, &spec);
    send_frame(sw, &key);
    assert_int_equal(stats(sw, 1).frames, 0);
    assert_int_equal(stats(sw, 1).age_ms, 1000);
    clock_warp(999 * NSEC_PER_MSEC);
    uint64_t used = clock_now();
    send_frame(sw, &key);
    assert_int_equal(stats(sw, 1).frames, 0);
    clock_warp(NSEC_PER_MSEC);
    // A frame of the new tick does not show with those of the old.
    send_frame(sw, &key);
    s = stats(sw, 1);
    assert_int_equal(s.frames, 2);
    assert_int_equal(s.bytes, 200);
    assert_int_equal(s.last_used_ns, used);

    assert_int_equal(nicsim_rule_take(sw, &spec.id, &s), 0);
    assert_int_equal(s.frames, 2);
    assert_int_equal(nicsim_rule_take(sw, &spec.id, &s), 0);
    assert_int_equal(s.frames, 0);
    clock_warp(5000 * NSEC_PER_MSEC);
    assert_int_equal(nicsim_rule_take(sw, &spec.id, &s), 0);
    assert_int_equal(s.frames, 1);
    assert_int_equal(s.bytes, 100);

    // A reset takes all back, and what comes then is not lost to it.
    nicsim_eswitch_reset_counters(sw);
    assert_int_equal(stats(sw, 1).frames, 0);
    send_frame(sw, &key);
    clock_warp(1000 * NSEC_PER_MSEC);
    assert_int_equal(nicsim_rule_take(sw, &spec.id, &s), 0);
    assert_int_equal(s.frames, 1);

    // The removal's reading is the cache's as well.
    send_frame(sw, &key);
    assert_int_equal(nicsim_rule_remove(sw, &spec.id, &s), 0);
    assert_int_equal(s.frames, 1);

    nicsim_knob_set(sw, NICSIM_CACHE_AGE_MS, 0);
    insert(sw, &spec);
    send_frame(sw, &key);
    assert_int_equal(stats(sw, 1).frames, 1);
    assert_int_equal(stats(sw, 1).age_ms, 0);
    send_frame(sw, &key);
    assert_int_equal(stats(sw, 1).frames, 2);
    clock_start();
}

struct refusal_case {
    struct nicsim_key key, mask;
    struct nicsim_action actions[3];
    uint32_t n;
    int error;
    enum nicsim_culprit culprit;
    uint32_t action;
};

#define DROP                                                                                       \
    {                                                                                              \
        .type = NICSIM_DROP                                                                        \
    }
#define ONE_DROP .actions = {DROP}, .n = 1

static void test_refusals(void **state)
{
    static const struct refusal_case cases[] = {
        {.mask.in_port = 0xff, ONE_DROP, .error = -EOPNOTSUPP, .culprit = NICSIM_CULPRIT_IN_PORT},
        {.mask.in_port = ~0u,
         .key.in_port = 99,
         ONE_DROP,
         .error = -EINVAL,
         .culprit = NICSIM_CULPRIT_IN_PORT},
        {.mask.eth_type = 0xff, ONE_DROP, .error = -EOPNOTSUPP, .culprit = NICSIM_CULPRIT_ETH_TYPE},
        {.mask.vlan_tci = 0xff, ONE_DROP, .error = -EINVAL, .culprit = NICSIM_CULPRIT_VLAN},
        {.mask.vlan_tci = 0xff,
         .mask.flags = NICSIM_F_VLAN,
         ONE_DROP,
         .error = -EINVAL,
         .culprit = NICSIM_CULPRIT_VLAN},
        {.mask.vlan_tci = 0x0010,
         .mask.flags = NICSIM_F_VLAN,
         .key.flags = NICSIM_F_VLAN,
         ONE_DROP,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_VLAN}, // DEI, in network order
        {.mask.ip_src[0] = 255, ONE_DROP, .error = -EINVAL, .culprit = NICSIM_CULPRIT_IP_ADDR},
        {.mask.eth_type = 0xffff,
         .key.eth_type = 0x0008,
         .mask.ip_dst[4] = 1,
         ONE_DROP,
         .error = -EINVAL,
         .culprit = NICSIM_CULPRIT_IP_ADDR},
        {.mask.ip_proto = 255, ONE_DROP, .error = -EINVAL, .culprit = NICSIM_CULPRIT_IP_PROTO},
        {.mask.eth_type = 0xffff,
         .key.eth_type = 0x0008,
         .mask.ip_proto = 3,
         ONE_DROP,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_IP_PROTO},
        {.mask.flags = NICSIM_F_FRAG,
         ONE_DROP,
         .error = -EINVAL,
         .culprit = NICSIM_CULPRIT_IP_FRAG},
        {.mask.eth_type = 0xffff,
         .key.eth_type = 0x0008,
         .mask.ip_proto = 255,
         .key.ip_proto = 132,
         .mask.tp_dst = 1,
         ONE_DROP,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_TP_PORT},
        {.mask.eth_type = 0xffff,
         .key.eth_type = 0x0008,
         .mask.ip_proto = 255,
         .key.ip_proto = 58,
         .mask.icmp_type = 1,
         ONE_DROP,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_ICMP},
        {.n = 0, .error = -EOPNOTSUPP, .culprit = NICSIM_CULPRIT_ACTION},
        {.actions = {DROP, DROP},
         .n = 2,
         .error = -EINVAL,
         .culprit = NICSIM_CULPRIT_ACTION,
         .action = 1},
        {.actions = {{.type = NICSIM_MIRROR, .port = 1}},
         .n = 1,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_ACTION,
         .action = 1},
        {.actions = {{.type = NICSIM_REDIRECT, .port = 99}},
         .n = 1,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_ACTION},
        {.actions = {{.type = NICSIM_VLAN_POP}, DROP},
         .n = 2,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_ACTION},
        {.actions = {{.type = NICSIM_VLAN_PUSH, .tpid = 0x1234}, DROP},
         .n = 2,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_ACTION},
        {.actions = {{.type = 77}, DROP},
         .n = 2,
         .error = -EOPNOTSUPP,
         .culprit = NICSIM_CULPRIT_ACTION},
    };
    struct nicsim_eswitch *sw = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct refusal_case *c = &cases[i];
        struct nicsim_rule_spec spec = {
            .key = c->key, .mask = c->mask, .actions = {.n = c->n, .v = c->actions}};
        struct nicsim_refusal why = {0};
        assert_int_equal(nicsim_rule_insert(sw, &spec, &why), c->error);
        assert_int_equal(why.error, c->error);
        assert_int_equal(why.culprit, c->culprit);
        assert_int_equal(why.action, c->action);
        assert_int_equal(strncmp(why.sentence, "nicsim: ", 8), 0);
    }
    assert_int_equal(nicsim_eswitch_used(sw), 0);
}

// The twin: rules in an array, looked through from end to end.
#define TWIN_MAX 300
struct twin_rule {
    bool used;
    struct nicsim_rule_spec spec;
    uint64_t seq, frames;
    int port;
};

static bool twin_matches(const struct nicsim_rule_spec *spec, const struct nicsim_key *key)
{
    const uint8_t *k = (const uint8_t *)key, *want = (const uint8_t *)&spec->key,
                  *m = (const uint8_t *)&spec->mask;
    for (size_t i = 0; i < sizeof *key; i++) {
        if ((k[i] ^ want[i]) & m[i])
            return false;
    }
    return true;
}

static struct twin_rule *twin_lookup(struct twin_rule *rules, const struct nicsim_key *key)
{
    struct twin_rule *best = NULL;
    for (struct twin_rule *r = rules; r < rules + TWIN_MAX; r++) {
        if (!r->used || !twin_matches(&r->spec, key))
            continue;
        if (!best || r->spec.priority < best->spec.priority ||
            (r->spec.priority == best->spec.priority && r->seq > best->seq))
            best = r;
    }
    return best;
}

// Few values per field, so that rules overlap and packets hit.
static struct nicsim_key random_key(void)
{
    struct nicsim_key k = {
        .in_port = random_below(PORTS),
        .eth_dst = {2, 0, 0, 0, 0, (uint8_t)random_below(4)},
        .eth_type = htons(0x0800),
        .ip_proto = 17,
        .ip_src = {10, 0, (uint8_t)random_below(2), (uint8_t)random_below(4)},
        .ip_dst = {10, 0, (uint8_t)random_below(2), (uint8_t)random_below(4)},
        .tp_src = (uint16_t)random_below(2),
        .tp_dst = (uint16_t)random_below(4),
    };
    if (random_below(2)) {
        k.flags = NICSIM_F_VLAN;
        k.vlan_tpid = htons(0x8100);
        k.vlan_tci = htons((uint16_t)random_below(3));
    }
    return k;
}

static struct nicsim_key random_mask(const struct nicsim_key *key)
{
    struct nicsim_key m = {0};
    uint32_t bits = random_u32() | random_u32(); // wide masks are rare
    if (bits & 1)
        m.in_port = ~0u;
    if (bits & 2)
        memset(m.eth_dst, 255, 6);
    if (bits & 4)
        m.flags = NICSIM_F_VLAN;
    if ((bits & 8) && (m.flags & key->flags))
        m.vlan_tci = htons(0x0fff);
    if (bits & 16) {
        m.eth_type = 0xffff;
        memset(m.ip_src, 255, random_below(5));
        memset(m.ip_dst, 255, random_below(5));
        if (bits & 32) {
            m.ip_proto = 255;
            m.tp_dst = bits & 64 ? 0xffff : 0;
        }
    }
    return m;
}

static void twin_insert(struct nicsim_eswitch *sw, struct twin_rule *r, size_t slot, uint64_t seq)
{
    r->spec.id = (struct nicsim_rule_id){.hi = 5, .lo = slot};
    r->spec.priority = random_below(4);
    r->spec.key = random_key();
    r->spec.mask = random_mask(&r->spec.key);
    r->port = (int)random_below(PORTS);
    r->spec.actions = (struct nicsim_actions){.n = 1, .v = &to_port[r->port]};
    r->seq = seq;
    r->frames = 0;
    r->used = true;
    insert(sw, &r->spec);
}

static void twin_remove(struct nicsim_eswitch *sw, struct twin_rule *r)
{
    struct nicsim_stats last;
    assert_int_equal(nicsim_rule_remove(sw, &r->spec.id, &last), 0);
    assert_int_equal(last.frames, r->frames);
    assert_int_equal(last.bytes, r->frames * 100);
    r->used = false;
}

static void test_twin(void **state)
{
    static struct twin_rule rules[TWIN_MAX];
    struct nicsim_eswitch *sw = *state;
    struct nicsim_refusal why;
    uint32_t hits = 0, misses = 0;

    memset(rules, 0, sizeof rules);
    random_seed(20240611);
    nicsim_knob_set(sw, NICSIM_CACHE_AGE_MS, 0);
    for (uint32_t step = 0; step < 30000; step++) {
        // Now and then the NIC forgets all, so that both crowded and empty tables are met.
        if (step % 1500 == 0) {
            nicsim_eswitch_flush(sw);
            memset(rules, 0, sizeof rules);
        }
        size_t slot = random_below(step / 1500 % 2 ? TWIN_MAX : 20);
        struct twin_rule *r = &rules[slot];
        if (random_below(3)) {
            struct nicsim_key key = random_key();
            struct twin_rule *want = twin_lookup(rules, &key);
            assert_int_equal(send_frame(sw, &key), want ? want->port : -1);
            if (want)
                want->frames++;
            *(want ? &hits : &misses) += 1;
        } else if (!r->used) {
            twin_insert(sw, r, slot, step);
        } else if (random_below(3)) {
            twin_remove(sw, r);
        } else {
            r->port = (int)random_below(PORTS);
            r->spec.actions.v = &to_port[r->port];
            assert_int_equal(nicsim_rule_modify(sw, &r->spec.id, &r->spec.actions, &why), 0);
        }
    }
    assert_true(hits > 1000 && misses > 1000);
}

static void count_rule(void *aux, const struct nicsim_rule_info *info)
{
    uint32_t *last = aux;
    assert_true(info->spec.priority >= *last);
    *last = info->spec.priority;
    assert_int_equal(info->spec.actions.n, 1);
    assert_int_equal(info->live.frames, info->spec.id.lo);
    assert_int_equal(info->cached.frames, 0);
}

static void test_for_each(void **state)
{
    struct nicsim_eswitch *sw = *state;
    uint32_t last = 0;
    clock_stop();
    for (uint32_t i = 1; i <= 3; i++) {
        struct nicsim_rule_spec spec = rule_on_port(i, 10 - i, 1);
        insert(sw, &spec);
        for (uint32_t n = 0; n < i; n++)
            send_frame(sw, &(struct nicsim_key){.in_port = 1});
    }
    nicsim_eswitch_for_each(sw, count_rule, &last);
    assert_int_equal(last, 9);
    clock_start();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_priority, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_modify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_capacity_and_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_twin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_for_each, setup, teardown),
    };
    rcu_thread_join();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
