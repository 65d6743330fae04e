// SPDX-License-Identifier: Apache-2.0
// nicsim in process, as a tier: megaflows become rules, refusals keep check and NIC apart, counters
// and removals are as exact as they say, a hanging NIC hangs its caller alone; and what leaves for
// a frame is what software makes of it, on seeded random megaflows and frames.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nicsim/inproc/inproc.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/base/rcu.h"
#include "lib/base/thread.h"

#define PORTS 4

struct fixture {
    struct tier *tier;
    struct tier_channel *channel;
};

static int setup(void **state)
{
    struct fixture *x = test_calloc(1, sizeof *x);
    AUTO_ERR(err);

    assert_int_equal(nicsim_inproc_open(&(struct nicsim_inproc_config){0}, &x->tier, &err), 0);
    for (dp_port_t p = 1; p <= PORTS; p++)
        assert_int_equal(x->tier->ops->port_attach(
                             x->tier, &(struct tier_port){.dp_port = p, .name = "p"}, &err),
                         0);
    assert_int_equal(x->tier->ops->channel_open(x->tier, &x->channel, &err), 0);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    x->tier->ops->channel_close(x->channel);
    x->tier->ops->close(x->tier, false);
    test_free(x);
    rcu_flush();
    return 0;
}

// A megaflow on UDP from port 1, sent to port 2. Its UFID ends in `n`.
static void make_flow(struct flow_desc *d, uint8_t n)
{
    memset(d, 0, sizeof *d);
    d->ufid.b[0] = UFID_MAGIC >> 8;
    d->ufid.b[1] = UFID_MAGIC & 255;
    d->ufid.b[2] = UFID_FORMAT;
    d->ufid.b[15] = n;
    d->key.in_port = 1;
    d->mask.in_port = UINT32_MAX;
    d->mask.recirc_id = UINT32_MAX;
    d->key.eth_type = htons(0x0800);
    d->mask.eth_type = UINT16_MAX;
    d->mask.vlan[0].tci = UINT16_MAX;
    d->key.ip_proto = 17;
    d->mask.ip_proto = 255;
    d->mask.ip_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    act_list_init(&d->actions);
    act_list_add(&d->actions, ACT_OUTPUT)->port = 2;
}

static struct tier_op apply(struct fixture *x, enum tier_op_type type, const struct flow_desc *d)
{
    struct tier_op op = {.type = type, .desc = d};
    assert_int_equal(x->tier->ops->apply(x->channel, &op, 1), 0);
    return op;
}

static struct tier_stats stats(struct fixture *x, const struct flow_desc *d)
{
    struct tier_stats_req req = {.ufid = d->ufid};
    assert_int_equal(x->tier->ops->stats(x->channel, &req, 1), 0);
    assert_int_equal(req.error, 0);
    return req.stats;
}

// What left, in order.
struct left {
    unsigned n;
    struct {
        dp_port_t port;
        struct packet *packet;
    } out[8];
};

static void left_output(void *aux, dp_port_t port, struct packet *p)
{
    struct left *l = aux;
    assert_true(l->n < ARRAY_SIZE(l->out));
    l->out[l->n].port = port;
    l->out[l->n++].packet = p;
}

static void left_done(struct left *l)
{
    for (unsigned i = 0; i < l->n; i++)
        packet_free(l->out[i].packet);
    l->n = 0;
}

static bool receive(struct fixture *x, dp_port_t port, struct packet *p, struct left *l)
{
    struct act_sink sink = {.output = left_output, .aux = l};
    rcu_enter();
    bool hit = nicsim_inproc_rx(x->tier, port, p, &sink);
    rcu_leave();
    return hit;
}

static struct packet *udp_packet(void)
{
    struct flow_key key = {.eth_dst = {{2, 0, 0, 0, 0, 2}},
                           .eth_src = {{2, 0, 0, 0, 0, 1}},
                           .eth_type = htons(0x0800),
                           .ip_proto = 17,
                           .ip_ttl = 64,
                           .ip4_src = htonl(0x0a000001),
                           .ip4_dst = htonl(0x0a000002),
                           .tp_src = htons(1000),
                           .tp_dst = htons(2000)};
    return packet_compose(&key, 20);
}

// Sends one UDP frame into port 1; returns the port it left by, 0 for a miss.
static dp_port_t send_udp(struct fixture *x)
{
    struct left l = {0};
    struct packet *p = udp_packet();
    dp_port_t port = 0;

    if (!receive(x, 1, p, &l)) {
        packet_free(p);
        return 0;
    }
    if (l.n)
        port = l.out[0].port;
    left_done(&l);
    return port;
}

static void test_life_of_a_flow(void **state)
{
    struct fixture *x = *state;
    struct flow_desc d;
    struct refusal r;
    struct tier_limits limits;

    make_flow(&d, 1);
    assert_true(x->tier->ops->can_hold(x->tier, &d, &r));
    assert_int_equal(send_udp(x), 0);
    assert_int_equal(apply(x, TIER_INSTALL, &d).error, 0);
    assert_int_equal(apply(x, TIER_INSTALL, &d).error, -EEXIST);
    assert_int_equal(send_udp(x), 2);
    struct tier_stats s = stats(x, &d);
    assert_int_equal(s.packets, 1);
    assert_int_equal(s.bytes, 14 + 20 + 8 + 20);
    assert_true(s.wire && s.used > 0 && s.used <= clock_now());
    assert_int_equal(s.age_ms, 0);

    d.actions.v[0].port = 3;
    struct tier_op op = apply(x, TIER_MODIFY, &d);
    assert_int_equal(op.error, 0);
    assert_true(op.counters_continue);
    assert_int_equal(send_udp(x), 3);
    assert_int_equal(stats(x, &d).packets, 2);
    x->tier->ops->limits(x->tier, &limits);
    assert_int_equal(limits.used, 1);
    assert_int_equal(limits.capacity, 65536);

    op = apply(x, TIER_REMOVE, &d);
    assert_int_equal(op.error, 0);
    assert_int_equal(op.last.packets, 2);
    assert_int_equal(op.final, TIER_FINAL_EXACT);
    assert_int_equal(apply(x, TIER_REMOVE, &d).error, -ENOENT);
    assert_int_equal(send_udp(x), 0);
    flow_desc_done(&d);
}

static void test_age(void **state)
{
    struct fixture *x = *state;
    struct flow_desc d;
    AUTO_ERR(err);

    clock_stop();
    clock_warp(1000 * NSEC_PER_MSEC - clock_now() % (1000 * NSEC_PER_MSEC));
    assert_int_equal(nicsim_inproc_set(x->tier, "cache_age_ms", 1000, &err), 0);
    make_flow(&d, 1);
    apply(x, TIER_INSTALL, &d);
    send_udp(x);
    assert_int_equal(stats(x, &d).packets, 0);
    assert_int_equal(stats(x, &d).age_ms, 1000);
    clock_warp(1000 * NSEC_PER_MSEC);
    assert_int_equal(stats(x, &d).packets, 1);
    send_udp(x);
    struct tier_op op = apply(x, TIER_REMOVE, &d);
    assert_int_equal(op.last.packets, 1);
    assert_int_equal(op.final, TIER_FINAL_CACHED);
    assert_int_equal(op.last.age_ms, 1000);
    clock_start();
    flow_desc_done(&d);
}

static void refused_by_check(struct fixture *x, const struct flow_desc *d,
                             enum refusal_culprit culprit, uint32_t id)
{
    struct refusal r = {0};
    assert_false(x->tier->ops->can_hold(x->tier, d, &r));
    assert_int_equal(r.stage, REFUSAL_CHECK);
    assert_int_equal(r.culprit, culprit);
    assert_int_equal(r.id, id);
    assert_int_equal(r.error, -EOPNOTSUPP);
    // Offered all the same, it is refused in the same way.
    struct tier_op op = apply(x, TIER_INSTALL, d);
    assert_int_equal(op.error, -EOPNOTSUPP);
    assert_int_equal(op.refusal.stage, REFUSAL_CHECK);
}

static void refused_by_nic(struct fixture *x, const struct flow_desc *d,
                           enum refusal_culprit culprit, uint32_t id, const char *sentence)
{
    struct refusal r;
    assert_true(x->tier->ops->can_hold(x->tier, d, &r));
    struct tier_op op = apply(x, TIER_INSTALL, d);
    assert_int_equal(op.error, -EOPNOTSUPP);
    assert_int_equal(op.refusal.stage, REFUSAL_DRIVER);
    assert_int_equal(op.refusal.culprit, culprit);
    assert_int_equal(op.refusal.id, id);
    assert_string_equal(op.refusal.sentence, sentence);
}

static void test_check_refuses(void **state)
{
    struct fixture *x = *state;
    struct flow_desc d;

    make_flow(&d, 1);
    d.mask.ip_ttl = 255;
    refused_by_check(x, &d, CULPRIT_FIELD, FIELD_IP_TTL);
    d.mask.ip_ttl = 0;
    d.key.recirc_id = 5;
    refused_by_check(x, &d, CULPRIT_FIELD, FIELD_RECIRC_ID);
    d.key.recirc_id = 0;
    d.key.in_port = 99;
    refused_by_check(x, &d, CULPRIT_PORT, 99);
    d.key.in_port = 1;
    d.actions.v[0].port = 98;
    refused_by_check(x, &d, CULPRIT_PORT, 98);
    d.actions.v[0].port = 2;
    act_list_add(&d.actions, ACT_USERSPACE);
    refused_by_check(x, &d, CULPRIT_ACTION, ACT_USERSPACE);
    d.actions.v[1].type = ACT_SET;
    d.actions.v[1].set.field = FIELD_TCP_DST;
    act_list_add(&d.actions, ACT_OUTPUT)->port = 2;
    refused_by_check(x, &d, CULPRIT_SET_FIELD, FIELD_TCP_DST);
    flow_desc_done(&d);

    make_flow(&d, 1);
    d.key.eth_type = htons(0x0806);
    d.mask.ip_proto = 0;
    d.mask.ip_frag = 0;
    d.mask.ip4_dst = UINT32_MAX;
    refused_by_check(x, &d, CULPRIT_FIELD, FIELD_ARP_TPA);
    flow_desc_done(&d);
}

static void test_nic_refuses(void **state)
{
    struct fixture *x = *state;
    struct flow_desc d;
    AUTO_ERR(err);

    make_flow(&d, 1);
    d.mask.ip_tos = 0xfc;
    refused_by_nic(x, &d, CULPRIT_FIELD, FIELD_IP_DSCP,
                   "nicsim: cannot match on ip_tos (DSCP and ECN)");
    d.mask.ip_tos = 0;
    d.actions.v[0].type = ACT_SET;
    d.actions.v[0].set.field = FIELD_ETH_DST;
    act_list_add(&d.actions, ACT_OUTPUT)->port = 2;
    refused_by_nic(x, &d, CULPRIT_SET_FIELD, FIELD_ETH_DST,
                   "nicsim: action pedit is not supported");
    d.actions.v[0].type = ACT_POP_VLAN;
    d.mask.vlan[0].tci = 0;
    refused_by_nic(x, &d, CULPRIT_ACTION, ACT_POP_VLAN,
                   "nicsim: vlan pop needs a match on a tag, or a push before it");
    flow_desc_done(&d);

    make_flow(&d, 1);
    nicsim_inproc_set(x->tier, "capacity", 0, &err);
    struct tier_op op = apply(x, TIER_INSTALL, &d);
    assert_int_equal(op.error, -ENOSPC);
    assert_int_equal(op.refusal.stage, REFUSAL_CAPACITY);
    assert_int_equal(op.refusal.culprit, CULPRIT_TABLE);
    assert_int_equal(nicsim_inproc_set(x->tier, "no such", 0, &err), -ENOENT);
    assert_int_equal(nicsim_inproc_set(x->tier, "fail_errno", 0, &err), -ERANGE);
    flow_desc_done(&d);
}

static void count_dumped(void *aux, const struct tier_dumped *dumped)
{
    assert_int_equal(dumped->desc->actions.n, 1);
    ++*(unsigned *)aux;
}

static unsigned n_dumped(struct fixture *x)
{
    unsigned n = 0;
    assert_int_equal(x->tier->ops->dump(x->channel, 0, count_dumped, &n), 0);
    return n;
}

// A reset of the NIC and the end of a port leave neither rules nor copies; what was there can come
// again.
static void test_losses(void **state)
{
    struct fixture *x = *state;
    struct flow_desc a, b;
    AUTO_ERR(err);

    make_flow(&a, 1);
    make_flow(&b, 2);
    b.key.in_port = 3;
    apply(x, TIER_INSTALL, &a);
    apply(x, TIER_INSTALL, &b);
    assert_int_equal(n_dumped(x), 2);
    nicsim_inproc_set(x->tier, "flush", 1, &err);
    assert_int_equal(n_dumped(x), 0);
    assert_int_equal(send_udp(x), 0);
    struct tier_stats_req req = {.ufid = a.ufid};
    x->tier->ops->stats(x->channel, &req, 1);
    assert_int_equal(req.error, -ENOENT);
    assert_int_equal(apply(x, TIER_INSTALL, &a).error, 0);
    assert_int_equal(apply(x, TIER_INSTALL, &b).error, 0);
    assert_int_equal(n_dumped(x), 2);
    x->tier->ops->port_detach(x->tier, 3);
    assert_int_equal(n_dumped(x), 1);
    x->tier->ops->port_detach(x->tier, 2);
    assert_int_equal(n_dumped(x), 0);
    flow_desc_done(&a);
    flow_desc_done(&b);
}

static void *install_one(void *arg)
{
    struct fixture *x = arg;
    struct flow_desc d;

    make_flow(&d, 7);
    struct tier_op op = apply(x, TIER_INSTALL, &d);
    flow_desc_done(&d);
    return (void *)(intptr_t)op.error;
}

static void test_hang(void **state)
{
    struct fixture *x = *state;
    struct flow_desc d;
    struct thread *t;
    void *error;
    AUTO_ERR(err);

    nicsim_inproc_set(x->tier, "hang_inserts", 1, &err);
    assert_int_equal(thread_start(&t, "inserter", install_one, x, &err), 0);
    // Statistics and removals of others don't wait for it.
    make_flow(&d, 1);
    assert_int_equal(apply(x, TIER_REMOVE, &d).error, -ENOENT);
    assert_int_equal(send_udp(x), 0);
    nicsim_inproc_set(x->tier, "hang_inserts", 0, &err);
    error = thread_join(t);
    assert_int_equal((intptr_t)error, 0);
    assert_int_equal(send_udp(x), 2);
    flow_desc_done(&d);
}

// Random frames and megaflows made from them.

static struct packet *random_packet(void)
{
    struct flow_key key = {.eth_dst = {{2, 0, 0, 0, 0, (uint8_t)random_below(3)}},
                           .eth_src = {{2, 0, 0, 0, 1, (uint8_t)random_below(3)}},
                           .eth_type = htons(0x0800),
                           .ip_proto = 17,
                           .ip_ttl = 64,
                           .ip4_src = htonl(0x0a000000 + random_below(3)),
                           .ip4_dst = htonl(0x0a000000 + random_below(3)),
                           .tp_src = htons((uint16_t)random_below(3)),
                           .tp_dst = htons((uint16_t)random_below(3))};
    bool ip6 = random_below(3) == 0;
    if (ip6) {
        key.eth_type = htons(0x86dd);
        key.ip4_src = key.ip4_dst = 0;
        key.ip6_src.s6_addr[15] = (uint8_t)random_below(3);
    }
    if (random_below(4) == 0)
        key.ip_proto = ip6 ? 58 : 1; // ports are type and code then
    struct packet *p = packet_compose(&key, 18);
    if (!ip6) {
        // Whole, the first fragment, a later one, the last.
        static const uint16_t fragments[] = {0, 0x4000, 0x2000, 0x2002, 0x0004};
        uint16_t f = fragments[random_below(ARRAY_SIZE(fragments))];
        packet_data(p)[14 + 6] = (uint8_t)(f >> 8);
        packet_data(p)[14 + 7] = (uint8_t)f;
    }
    for (uint32_t tags = random_below(4); tags >= 2; tags--)
        packet_push_vlan(p, htons(0x8100), htons((uint16_t)random_below(3)));
    return p;
}

// A megaflow that `p` matches, if it comes in at the right port.
static void random_flow(struct flow_desc *d, uint8_t n, struct packet *p)
{
    make_flow(d, n);
    act_list_done(&d->actions);
    packet_extract(p, &d->key);
    d->key.in_port = 1 + random_below(2);
    struct flow_key mask = {.in_port = UINT32_MAX, .eth_type = UINT16_MAX};
    if (random_below(4))
        mask.vlan[0].tci = mask.vlan[0].tpid = mask.vlan[1].tci = UINT16_MAX;
    if (random_below(2))
        memset(&mask.eth_dst, 255, sizeof mask.eth_dst);
    if (random_below(2)) {
        mask.ip_proto = 255;
        mask.tp_src = random_below(2) ? UINT16_MAX : 0;
        mask.tp_dst = random_below(2) ? UINT16_MAX : htons(1);
    }
    if (random_below(2))
        mask.ip4_src = mask.ip6_src.s6_addr32[3] = htonl(random_below(2) ? 3 : 1);
    mask.ip_frag = (uint8_t)random_below(4);
    d->mask = mask;
    uint64_t *k = (uint64_t *)&d->key, *m = (uint64_t *)&d->mask;
    for (size_t i = 0; i < FLOW_KEY_U64S; i++)
        k[i] &= m[i];

    for (uint32_t i = random_below(5); i > 0; i--) {
        struct act *a = act_list_add(&d->actions, ACT_OUTPUT);
        a->port = 1 + random_below(PORTS);
        switch (random_below(4)) {
        case 0:
            a->type = ACT_PUSH_VLAN;
            a->push_vlan.tpid = htons(0x8100);
            a->push_vlan.tci = htons((uint16_t)(VLAN_PRESENT | random_below(5)));
            break;
        case 1:
            a->type = ACT_POP_VLAN;
            break;
        }
    }
}

static void assert_same_left(const struct left *a, const struct left *b)
{
    assert_int_equal(a->n, b->n);
    for (unsigned i = 0; i < a->n; i++) {
        assert_int_equal(a->out[i].port, b->out[i].port);
        assert_int_equal(a->out[i].packet->len, b->out[i].packet->len);
        assert_memory_equal(packet_data(a->out[i].packet), packet_data(b->out[i].packet),
                            a->out[i].packet->len);
    }
}

// One megaflow in the NIC at a time: a frame that hits must match in software too and leave as
// software makes it; one that misses goes to software, which is always right. So that "always miss"
// doesn't pass, hits are counted.
static void test_twin(void **state)
{
    struct fixture *x = *state;
    unsigned hits = 0, refused = 0;

    random_seed(4711);
    for (unsigned round = 0; round < 3000; round++) {
        struct packet *sample = random_packet();
        struct flow_desc d;
        random_flow(&d, (uint8_t)round, sample);
        if (apply(x, TIER_INSTALL, &d).error) {
            refused++;
            flow_desc_done(&d);
            packet_free(sample);
            continue;
        }
        for (unsigned i = 0; i < 20; i++) {
            struct left nic = {0}, software = {0};
            struct packet *p = i % 2 ? random_packet() : packet_clone(sample);
            struct packet *copy = packet_clone(p);
            struct flow_key key;
            dp_port_t port = 1 + random_below(2);

            p->md.in_port = copy->md.in_port = port;
            packet_extract(copy, &key);
            bool match = flow_key_equal_masked(&key, &d.key, &d.mask);
            if (receive(x, port, p, &nic)) {
                struct act_sink sink = {.output = left_output, .aux = &software};
                assert_true(match);
                act_execute(&d.actions, copy, &sink);
                assert_same_left(&nic, &software);
                hits++;
            } else {
                // Behind a second tag the NIC sees nothing.
                assert_true(!match || key.vlan[1].tci);
                packet_free(p);
                packet_free(copy);
            }
            left_done(&nic);
            left_done(&software);
        }
        assert_int_equal(apply(x, TIER_REMOVE, &d).error, 0);
        flow_desc_done(&d);
        packet_free(sample);
    }
    assert_true(hits > 3000);
    assert_true(refused < 2400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_flow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_age, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nic_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(test_twin, setup, teardown),
    };
    rcu_thread_join();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
