// SPDX-License-Identifier: Apache-2.0
// Translation against its naive twin, on random tables, ports and MACs:
//   - what a megaflow's actions do to the packet is what the tables say;
//   - that holds for every packet that agrees with the first on the mask;
//   - a cache of megaflows, dropped only where provenance says, stays true over random changes.
#include "tests/unit/pipeline/xlate_world.h"

static void translate(struct world *w, const struct flow *f, struct xlate_out *out)
{
    struct xlate_in in = {.pipeline = w->br[0], .flow = *f, .now = w->now};
    rcu_enter();
    xlate(&in, out);
    rcu_leave();
}

// Does the megaflow do to `f` what the tables say?
static void check(struct world *w, const struct xlate_out *out, const struct flow *f)
{
    static struct sent want, got;
    naive_xlate(w, f, &want);
    run_acts(&out->actions, f, &got);
    assert_sent_equal(&got, &want);
}

// Another packet of the same megaflow. Its OpenFlow port follows from the datapath port in the
// mask.
static void cousin(struct world *w, const struct xlate_out *out, const struct flow *f,
                   struct flow *ret)
{
    struct flow mask = {.key = out->mask}, other;
    memset(&mask.pipe, 0xff, sizeof(mask.pipe));
    world_packet(w, &other);
    blend(f, &other, &mask, ret);
}

// A blend may be no possible packet: what the first one's type has no member for.
static bool possible(const struct flow *f)
{
    const struct flow_key *k = &f->key;
    bool v6 = k->eth_type == htons(0x86dd), arp = k->eth_type == htons(0x0806);
    static const struct in6_addr none;
    if (v6 ? k->ip4_src || k->ip4_dst
           : memcmp(&k->ip6_src, &none, 16) || memcmp(&k->ip6_dst, &none, 16))
        return false;
    if ((arp || k->ip_frag & FLOW_FRAG_LATER) && (k->tp_src || k->tp_dst || k->tcp_flags))
        return false;
    if (arp && (k->ip_tos || k->ip_ttl || k->ip_proto > 2))
        return false;
    if (k->ip_proto == 47 && (k->tp_src || k->tp_dst))
        return false;
    bool icmp = !arp && (k->ip_proto == 1 || k->ip_proto == 58);
    if (icmp && (ntohs(k->tp_src) > 0xff || ntohs(k->tp_dst) > 0xff || v6 != (k->ip_proto == 58)))
        return false;
    if (!arp &&
        (!k->ip_proto || k->ip_proto == 2 || !k->ip_ttl || (k->ip_proto != 6 && k->tcp_flags)))
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (!(k->vlan[i].tci & htons(VLAN_PRESENT)) && (k->vlan[i].tci || k->vlan[i].tpid))
            return false;
    return k->vlan[0].tci || !k->vlan[1].tci;
}

static void translates_as_tables_say(void **state)
{
    unsigned translated = 0, gave_up = 0, cousins = 0, sent = 0;
    for (unsigned round = 0; round < 150; round++) {
        struct world w;
        random_seed(1000 + round);
        world_init(&w);
        for (unsigned i = 0, n = 1 + random_below(50); i < n; i++)
            world_random_rule(&w, random_below(3) ? 0 : 1);
        for (unsigned i = 0; i < 20; i++)
            world_random_change(&w);
        for (unsigned i = 0; i < 30; i++) {
            struct flow f, other;
            struct xlate_out out;
            world_packet(&w, &f);
            translate(&w, &f, &out);
            translated++;
            gave_up += out.error[0] != 0;
            sent += out.actions.n > 0;
            if (!out.error[0]) {
                check(&w, &out, &f);
                for (unsigned k = 0; k < 8; k++) {
                    cousin(&w, &out, &f, &other);
                    if (!possible(&other))
                        continue;
                    cousins++;
                    check(&w, &out, &other);
                }
            }
            xlate_out_done(&out);
        }
        world_done(&w);
    }
    print_message("%u translated, %u given up, %u sent, %u cousins\n", translated, gave_up, sent,
                  cousins);
    // A test that tests nothing would pass as well.
    assert_true(gave_up < translated / 4);
    assert_true(sent > translated / 4);
    assert_true(cousins > translated);
}

enum { CACHE = 40 };
struct cached {
    struct flow flow;
    struct xlate_out out;
};

static void cache_fill(struct world *w, struct cached *c)
{
    world_packet(w, &c->flow);
    translate(w, &c->flow, &c->out);
}

static bool touched(const struct world *w, const struct cached *c)
{
    for (uint32_t i = 0; i < w->told.n; i++) {
        if (provenance_has(&c->out.provenance, w->told.deps[i]))
            return true;
    }
    return false;
}

static void cache_stays_true(void **state)
{
    unsigned kept = 0, redone = 0, differed = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct world w;
        struct cached cache[CACHE];
        random_seed(5000 + round);
        world_init(&w);
        if (round % 4 == 0) { // added rules announce their whole table
            w.all->overlap_min = 1;
            w.all->overlap_refilled = INT64_MAX;
        }
        for (unsigned i = 0; i < 30; i++)
            world_random_rule(&w, random_below(3) ? 0 : 1);
        for (unsigned i = 0; i < CACHE; i++)
            cache_fill(&w, &cache[i]);
        for (unsigned step = 0; step < 40; step++) {
            provenance_done(&w.told);
            uint64_t change = pipelines_change(w.all);
            world_random_change(&w);
            for (unsigned i = 0; i < CACHE; i++) {
                struct cached *c = &cache[i];
                struct xlate_out fresh;
                struct flow other;
                translate(&w, &c->flow, &fresh);
                bool same = act_list_equal(&fresh.actions, &c->out.actions);
                bool hit = touched(&w, c);
                assert_int_equal(pipelines_changed_since(w.all, change, &c->out.provenance), hit);
                kept += !hit;
                redone += hit;
                differed += !same;
                if (hit) {
                    xlate_out_done(&c->out);
                    c->out = fresh;
                    continue;
                }
                assert_true(same);
                assert_string_equal(fresh.error, c->out.error);
                xlate_out_done(&fresh);
                cousin(&w, &c->out, &c->flow, &other);
                if (!c->out.error[0] && possible(&other))
                    check(&w, &c->out, &other);
            }
        }
        for (unsigned i = 0; i < CACHE; i++)
            xlate_out_done(&cache[i].out);
        world_done(&w);
    }
    print_message("%u kept, %u redone, %u differed\n", kept, redone, differed);
    assert_true(kept > redone); // provenance spares work
    assert_true(differed > redone / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translates_as_tables_say),
        cmocka_unit_test(cache_stays_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
